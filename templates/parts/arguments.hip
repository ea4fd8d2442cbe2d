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
//@   local blank = string.sub(argument.type, -1) == "*" and "" or " "
//@   local head = argument.type .. blank .. "argument_" .. argument.name
//@   local value = "(" .. argument.type .. ")arguments()->" .. argument.name
//@   local short = #head + #value <= 74
$("DEVICE " .. head .. "() {" .. (short and " " or "\n    ") .. "return " .. value .. ";" .. (short and " " or "\n") .. "}")
//@ end
