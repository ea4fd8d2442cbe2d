// The ops of the graph language as functions and operators of Lua.
#include "generator/script/graph_internal.h"

#include <stdio.h>
#include <string.h>

// The contents of the userdata "graph value".
struct graph_value {
    lua_Integer serial;
    int node;
};

// What an op or a name costs of the script's instructions.
enum { CALL_INSTRUCTIONS = 200, WHAT_BYTES = 128 };

static const char value_type[] = "graph value", tensor_type[] = "tensor name";

static struct graph *current_graph(lua_State *lua) {
    script_charge(lua, CALL_INSTRUCTIONS);
    struct family_call *call = graph_current_call(lua);
    if (!call || !call->graph)
        script_raise(lua, "the graph language can be used inside graph = function(m) only");
    return call->graph;
}

const char *graph_type_at(lua_State *lua, int index) {
    if (lua_isnoneornil(lua, index))
        return "nil";
    const char *type = luaL_testudata(lua, index, value_type)    ? value_type
                       : luaL_testudata(lua, index, tensor_type) ? tensor_type
                                                                 : luaL_typename(lua, index);
    return lua_pushfstring(lua, "a %s", type);
}

int graph_take_node(lua_State *lua, int index, const char *what) {
    const struct graph_value *value = luaL_testudata(lua, index, value_type);
    if (!value)
        script_raise(lua, "%s must be a value of the graph, not %s", what,
                     graph_type_at(lua, index));
    if (value->serial != graph_current_call(lua)->serial)
        script_raise(lua, "%s is a value of another graph", what);
    return value->node;
}

// An op as it is called from the family, or from a library on behalf of the family's line.
static struct op_call new_call(lua_State *lua, enum op op) {
    const struct graph *graph = current_graph(lua);
    return (struct op_call){.op = op, .line = script_location_in(lua, graph->path).line};
}

static int push_node(lua_State *lua, const struct op_call *call) {
    int node = graph_add(current_graph(lua), call);
    if (node < 0)
        script_raise(lua, "%s", current_graph(lua)->message);
    struct graph_value *value = lua_newuserdatauv(lua, sizeof *value, 0);
    *value = (struct graph_value){graph_current_call(lua)->serial, node};
    luaL_setmetatable(lua, value_type);
    return 1;
}

static void take_tensor(lua_State *lua, int index, const char *what, struct tensor_name *tensor) {
    const struct tensor_name *layered = luaL_testudata(lua, index, tensor_type);
    if (layered) {
        *tensor = *layered;
        return;
    }
    if (lua_type(lua, index) != LUA_TSTRING)
        script_raise(lua, "%s must be the name of a tensor, not %s", what,
                     graph_type_at(lua, index));
    if (!graph_plain_tensor(current_graph(lua), lua_tostring(lua, index), tensor))
        script_raise(lua, "%s: %s", what, current_graph(lua)->message);
}

static int64_t take_size(lua_State *lua, int index, const char *what) {
    int whole;
    lua_Integer size = lua_tointegerx(lua, index, &whole);
    if (lua_type(lua, index) != LUA_TNUMBER)
        script_raise(lua, "%s must be a whole number, not %s", what, graph_type_at(lua, index));
    if (!whole)
        script_raise(lua, "%s must be a whole number, not %.15g", what, lua_tonumber(lua, index));
    return size;
}

static double take_number(lua_State *lua, int index, const char *what) {
    if (lua_type(lua, index) != LUA_TNUMBER)
        script_raise(lua, "%s must be a number, not %s", what, graph_type_at(lua, index));
    return lua_tonumber(lua, index);
}

// Puts the value on top where the option belongs.
static void take_option(lua_State *lua, const struct op_option_row *row, struct tensor_name *bias,
                        struct op_call *call) {
    char *member = (char *)call + row->offset, what[WHAT_BYTES];
    double number = 0;
    snprintf(what, sizeof what, "'%s': the option '%s'", op_name(row->op), row->name);
    switch (row->kind) {
    case OPTION_TENSOR:
        take_tensor(lua, -1, what, bias);
        *(const struct tensor_name **)(void *)member = bias;
        return;
    case OPTION_NAME:
        if (lua_type(lua, -1) != LUA_TSTRING)
            script_raise(lua, "%s must be a string, not %s", what, graph_type_at(lua, -1));
        *(const char **)(void *)member =
            lua_tostring(lua, -1); // the table holds it during the call
        return;
    case OPTION_SIZE:
        *(int64_t *)(void *)member = take_size(lua, -1, what);
        number = (double)*(int64_t *)(void *)member;
        break;
    case OPTION_NUMBER:
        number = *(double *)(void *)member = take_number(lua, -1, what);
        break;
    }
    if (!(number >= row->minimum && number <= row->maximum))
        script_raise(lua, "%s is %.15g, it must be from %.15g to %.15g", what, number, row->minimum,
                     row->maximum);
}

// Refuses what the table at `index` has besides the options of the op.
static void refuse_unknown_options(lua_State *lua, int index, enum op op) {
    const char *names[16], *unknown = NULL;
    size_t count = 0;
    for (size_t i = 0; i < op_option_count; i++)
        if (op_option_rows[i].op == op && count < sizeof names / sizeof *names)
            names[count++] = op_option_rows[i].name;
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            script_raise(lua, "the options of '%s' have names: { %s = ... }", op_name(op),
                         names[0]);
        const char *name = lua_tostring(lua, -2);
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= strcmp(names[i], name) == 0;
        // Of several the first in order: the walk's order differs from run to run.
        if (!known && (!unknown || strcmp(name, unknown) < 0))
            unknown = name;
    }
    if (!unknown)
        return;
    const char *what = lua_pushfstring(lua, "the op \"%s\" has no option", op_name(op));
    script_raise_absent(lua, what, unknown, names, count);
}

// Reads the table of options at `index`. An option that is false is absent, so that a family can
// write bias = m.biased and w "bias".
static void take_options(lua_State *lua, int index, struct tensor_name *bias,
                         struct op_call *call) {
    if (lua_type(lua, index) != LUA_TTABLE)
        script_raise(lua, "the options of '%s' must be a table, not %s", op_name(call->op),
                     graph_type_at(lua, index));
    refuse_unknown_options(lua, index, call->op);
    for (size_t i = 0; i < op_option_count; i++) {
        if (op_option_rows[i].op != call->op)
            continue;
        lua_pushstring(lua, op_option_rows[i].name);
        lua_rawget(lua, index);
        if (lua_toboolean(lua, -1))
            take_option(lua, &op_option_rows[i], bias, call);
        lua_pop(lua, 1);
    }
}

static bool has_options(enum op op) {
    for (size_t i = 0; i < op_option_count; i++)
        if (op_option_rows[i].op == op)
            return true;
    return false;
}

static int count_arguments(const char *arguments) {
    int count = 1;
    for (const char *c = arguments; *c; c++)
        count += *c == ',';
    return count;
}

// Every op with a name of its own; which one is upvalue 1.
static int call_op(lua_State *lua) {
    enum op op = (enum op)lua_tointeger(lua, lua_upvalueindex(1));
    const struct op_row *row = &op_rows[op];
    int given = lua_gettop(lua), expected = count_arguments(row->arguments), inputs = 0;
    const bool options = has_options(op);
    if (given != expected && !(options && given == expected + 1))
        script_raise(lua, "'%s'(%s) takes %d argument%s%s, not %d", row->name, row->arguments,
                     expected, expected == 1 ? "" : "s", options ? " and a table of options" : "",
                     given);
    struct tensor_name tensor, bias;
    struct op_call call = new_call(lua, op);
    call.tensor = &tensor;
    const char *at = row->arguments;
    for (int i = 1; i <= expected; i++) {
        char what[WHAT_BYTES];
        size_t length = strcspn(at, ",");
        snprintf(what, sizeof what, "'%s'(%s): %.*s", row->name, row->arguments, (int)length, at);
        if (strncmp(at, "tensor", length) == 0)
            take_tensor(lua, i, what, &tensor);
        else if (strncmp(at, "rows", length) == 0)
            call.rows = take_size(lua, i, what);
        else if (strncmp(at, "columns", length) == 0)
            call.columns = take_size(lua, i, what);
        else if (strncmp(at, "factor", length) == 0)
            call.factor = take_number(lua, i, what);
        else
            call.inputs[inputs++] = graph_take_node(lua, i, what);
        at += length;
        at += strspn(at, ", ");
    }
    if (given > expected)
        take_options(lua, given, &bias, &call);
    return push_node(lua, &call);
}

// The ops that are operators of Lua; a number times a value scales it.
static int call_operator(lua_State *lua) {
    struct op_call call = new_call(lua, (enum op)lua_tointeger(lua, lua_upvalueindex(1)));
    const int number = lua_type(lua, 1) == LUA_TNUMBER   ? 1
                       : lua_type(lua, 2) == LUA_TNUMBER ? 2
                                                         : 0;
    if (call.op == OP_MULTIPLY && number > 0) {
        call.op = OP_SCALE;
        call.factor = lua_tonumber(lua, number);
        call.inputs[0] = graph_take_node(lua, 3 - number, "the x of x '*' factor");
        return push_node(lua, &call);
    }
    for (int i = 0; i < 2; i++) {
        char what[WHAT_BYTES];
        snprintf(what, sizeof what, "the %s of x '%s' y", i == 0 ? "x" : "y", op_name(call.op));
        call.inputs[i] = graph_take_node(lua, i + 1, what);
    }
    return push_node(lua, &call);
}

// What tensors(format, layer) gives: a function of the suffix.
static int call_tensor(lua_State *lua) {
    struct graph *graph = current_graph(lua);
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
        script_raise(lua, "the function of 'tensors' takes the rest of a tensor's name, a string");
    struct tensor_name *tensor = lua_newuserdatauv(lua, sizeof *tensor, 0);
    if (!graph_tensor(graph, lua_tostring(lua, lua_upvalueindex(1)),
                      lua_tointeger(lua, lua_upvalueindex(2)), lua_tostring(lua, 1), tensor))
        script_raise(lua, "%s", graph->message);
    luaL_setmetatable(lua, tensor_type);
    return 1;
}

static int call_tensors(lua_State *lua) {
    int whole;
    lua_Integer layer = lua_tointegerx(lua, 2, &whole);
    struct graph *graph = current_graph(lua);
    if (lua_gettop(lua) != 2 || lua_type(lua, 1) != LUA_TSTRING || !whole)
        script_raise(lua, "'tensors'(format, layer) takes a string and the number of a layer");
    struct tensor_name tensor;
    if (!graph_tensor(graph, lua_tostring(lua, 1), layer, "x", &tensor))
        script_raise(lua, "%s", graph->message);
    lua_pushvalue(lua, 1);
    lua_pushinteger(lua, layer);
    lua_pushcclosure(lua, call_tensor, 2);
    return 1;
}

// The metamethod of an op that is an operator of Lua, NULL for those that are functions.
static const char *event_of(enum op op) {
    return strcmp(op_name(op), "+") == 0 ? "__add" : strcmp(op_name(op), "*") == 0 ? "__mul" : NULL;
}

// The operators of Lua that no value has, each with what to write instead.
static const struct {
    const char *event, *advice;
} absent_operators[] = {
    {"__div", "no value of the graph is divided: write x * (1 / number)"},
    {"__sub", "no value of the graph is subtracted: write x + -1 * y"},
    {"__unm", "no value of the graph is negated: write -1 * x"},
};

static int refuse_operator(lua_State *lua) {
    script_raise(lua, "%s", lua_tostring(lua, lua_upvalueindex(1)));
}

// Pushes the metatable of the type.
static void push_type(lua_State *lua, const char *name) {
    luaL_newmetatable(lua, name);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable"); // out of the script's reach
}

// Sets the operators of values in the metatable on top.
static void set_operators(lua_State *lua) {
    for (int op = 0; op < OP_COUNT; op++) {
        if (!event_of((enum op)op))
            continue;
        lua_pushinteger(lua, op);
        lua_pushcclosure(lua, call_operator, 1);
        lua_setfield(lua, -2, event_of((enum op)op));
    }
    for (size_t i = 0; i < sizeof absent_operators / sizeof *absent_operators; i++) {
        lua_pushstring(lua, absent_operators[i].advice);
        lua_pushcclosure(lua, refuse_operator, 1);
        lua_setfield(lua, -2, absent_operators[i].event);
    }
}

const char *graph_push_op_names(lua_State *lua, int globals) {
    luaL_Buffer list;
    bool any = false;
    luaL_buffinit(lua, &list);
    for (int op = 0; op < OP_COUNT; op++) {
        lua_pushstring(lua, op_rows[op].name);
        const bool there = lua_rawget(lua, globals) == LUA_TFUNCTION;
        lua_pop(lua, 1);
        if (!there)
            continue;
        luaL_addstring(&list, any ? ", " : "");
        luaL_addstring(&list, op_rows[op].name);
        any = true;
    }
    luaL_pushresult(&list);
    return any ? lua_tostring(lua, -1) : NULL;
}

void graph_set_ops(lua_State *lua) {
    push_type(lua, tensor_type);
    push_type(lua, value_type);
    lua_pushliteral(lua, "graph"); // Lua's own errors say "a graph value"
    lua_setfield(lua, -2, "__name");
    set_operators(lua);
    lua_pop(lua, 2);
    for (int op = 0; op < OP_COUNT; op++)
        if (!event_of((enum op)op))
            graph_set_function(lua, op_rows[op].name, call_op, op);
    graph_set_function(lua, "tensors", call_tensors, 0);
}
