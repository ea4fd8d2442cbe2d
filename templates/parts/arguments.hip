struct Arguments {
//@ for _, argument in ipairs(plan.arguments) do
//@   local pointed = string.sub(argument.type, -1) == "*" and string.sub(argument.type, 1, -2)
//@   local type = pointed and pointed .. "GLOBAL *" or argument.type .. " "
    $(type .. argument.name);
//@ end
};
ARGUMENTS_ACCESS

// Read where they are used: most are used once a position, and registers are dear.
//@ for _, argument in ipairs(plan.arguments) do
//@   local name = (string.sub(argument.type, -1) == "*" and "" or " ") .. "argument_" .. argument.name
//@   local head = "DEVICE " .. argument.type .. name .. "() {"
//@   local value = "return (" .. argument.type .. ")arguments()->" .. argument.name .. ";"
//@   local apart = #head + #value + 3 > COLUMNS
$(head .. (apart and "\n    " or " ") .. value .. (apart and "\n" or " ") .. "}")
//@ end
