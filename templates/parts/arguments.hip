struct Arguments {
//@ for _, argument in ipairs(plan.arguments) do
//@   local pointed = string.sub(argument.type, -1) == "*" and string.sub(argument.type, 1, -2)
    $(pointed and pointed .. "GLOBAL *" or argument.type .. " ")$(argument.name);
//@ end
};
ARGUMENTS_ACCESS

// Read where they are used: most are used once a position, and registers are dear.
//@ for _, argument in ipairs(plan.arguments) do
DEVICE $(argument.type)$(string.sub(argument.type, -1) == "*" and "" or " ")argument_$(argument.name)() { return ($(argument.type))arguments()->$(argument.name); }
//@ end
