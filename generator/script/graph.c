#include "generator/script/graph.h"

#include "generator/script/script_internal.h"

#include <string.h>

// What the functions work on while a family runs. The registry points at it during the call only,
// so that a function or a value which a family kept cannot reach what is gone.
struct family_call {
    const struct config *config; // of script_family_config
    struct graph *graph;         // of script_family_graph
    const struct value *numbers;
    struct arena *arena;
    struct value *returned;
    int result;
    lua_Integer serial; // marks the values of this call
};

// The contents of the userdata "graph value".
struct graph_value {
    lua_Integer serial;
    int node;
};

// What an op or a name costs of the script's instructions.
enum { CALL_INSTRUCTIONS = 200 };

static const char call_key = 0, serial_key = 0;
static const char value_type[] = "graph value", tensor_type[] = "tensor name";

static struct family_call *current_call(lua_State *lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &call_key);
    struct family_call *call = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return call;
}

static struct graph *current_graph(lua_State *lua) {
    script_charge(lua, CALL_INSTRUCTIONS);
    struct family_call *call = current_call(lua);
    if (!call || !call->graph)
        script_raise(lua, "the graph language can be used inside graph = function(m) only");
    return call->graph;
}

// What is at `index`, for "must be ..., not a number".
static const char *type_at(lua_State *lua, int index) {
    if (lua_isnoneornil(lua, index))
        return "nil";
    const char *type = luaL_testudata(lua, index, value_type)    ? value_type
                       : luaL_testudata(lua, index, tensor_type) ? tensor_type
                                                                 : luaL_typename(lua, index);
    return lua_pushfstring(lua, "a %s", type);
}

// The node of the value at `index`; `what` describes it in the error.
static int take_node(lua_State *lua, int index, const char *what) {
    const struct graph_value *value = luaL_testudata(lua, index, value_type);
    if (!value)
        script_raise(lua, "%s must be a value of the graph, not %s", what, type_at(lua, index));
    if (value->serial != current_call(lua)->serial)
        script_raise(lua, "%s is a value of another graph", what);
    return value->node;
}

static int push_node(lua_State *lua, const struct op_call *call) {
    int node = graph_add(current_graph(lua), call);
    if (node < 0)
        script_raise(lua, "%s", current_graph(lua)->message);
    struct graph_value *value = lua_newuserdatauv(lua, sizeof *value, 0);
    *value = (struct graph_value){current_call(lua)->serial, node};
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
        script_raise(lua, "%s must be the name of a tensor, not %s", what, type_at(lua, index));
    if (!graph_plain_tensor(current_graph(lua), lua_tostring(lua, index), tensor))
        script_raise(lua, "%s: %s", what, current_graph(lua)->message);
}

static int64_t take_size(lua_State *lua, int index, const char *what) {
    int whole;
    lua_Integer size = lua_tointegerx(lua, index, &whole);
    if (!whole || lua_type(lua, index) != LUA_TNUMBER)
        script_raise(lua, "%s must be a whole number, not %s", what, type_at(lua, index));
    return size;
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
    if (given != expected)
        script_raise(lua, "'%s'(%s) takes %d argument%s, not %d", row->name, row->arguments,
                     expected, expected == 1 ? "" : "s", given);
    struct tensor_name tensor;
    struct op_call call = {.op = op, .tensor = &tensor, .line = script_location(lua).line};
    const char *at = row->arguments;
    for (int i = 1; i <= given; i++) {
        char what[96];
        int length = (int)strcspn(at, ",");
        snprintf(what, sizeof what, "'%s'(%s): %.*s", row->name, row->arguments, length, at);
        if (strncmp(at, "tensor", (size_t)length) == 0)
            take_tensor(lua, i, what, &tensor);
        else if (strncmp(at, "rows", (size_t)length) == 0)
            call.rows = take_size(lua, i, what);
        else if (strncmp(at, "columns", (size_t)length) == 0)
            call.columns = take_size(lua, i, what);
        else if (strncmp(at, "factor", (size_t)length) == 0)
            call.factor = luaL_checknumber(lua, i);
        else
            call.inputs[inputs++] = take_node(lua, i, what);
        at += length;
        at += strspn(at, ", ");
    }
    return push_node(lua, &call);
}

// The ops that are operators of Lua.
static int call_operator(lua_State *lua) {
    struct op_call call = {.op = (enum op)lua_tointeger(lua, lua_upvalueindex(1)),
                           .line = script_location(lua).line};
    current_graph(lua); // values outlive their graph, the call that made them does not
    for (int i = 0; i < 2; i++) {
        char what[64];
        snprintf(what, sizeof what, "the %s of x '%s' y", i == 0 ? "x" : "y", op_name(call.op));
        call.inputs[i] = take_node(lua, i + 1, what);
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

// refuse(message, key): the model is not what this family can do.
static int call_refuse(lua_State *lua) {
    if (lua_type(lua, 1) != LUA_TSTRING)
        script_raise(lua, "'refuse'(message, key) takes a message, a string");
    struct family_call *call = current_call(lua);
    if (!call || !call->config)
        script_raise(lua, "%s", lua_tostring(lua, 1));
    const char *key = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    struct location family = script_location(lua);
    struct diagnostics *diagnostics = script_of(lua)->diagnostics;
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, config_locate(call->config, key), "%s",
                   lua_tostring(lua, 1));
    diagnostic_note(diagnostics, "refused by %s:%d", family.file, family.line);
    script_raise_reported(lua);
}

// Reading a number that the model does not have.
static int call_missing(lua_State *lua) {
    const struct family_call *call = current_call(lua);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;
    if (!call || !call->numbers || !name)
        script_raise(lua, "the model has no such number");
    const char *names[64];
    size_t count = 0;
    for (; count < call->numbers->table.count && count < sizeof names / sizeof *names; count++)
        names[count] = call->numbers->table.fields[count].name;
    const char *nearest = nearest_name(name, names, count);
    script_raise(lua, "the model has no number '%s'%s%s%s", name,
                 nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

// The metamethod of an op that is an operator of Lua, NULL for those that are functions.
static const char *event_of(enum op op) {
    return strcmp(op_name(op), "+") == 0 ? "__add" : strcmp(op_name(op), "*") == 0 ? "__mul" : NULL;
}

static void make_type(lua_State *lua, const char *name) {
    if (!luaL_newmetatable(lua, name)) {
        lua_pop(lua, 1);
        return;
    }
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable"); // out of the script's reach
    for (int op = 0; op < OP_COUNT && name == value_type; op++) {
        if (!event_of((enum op)op))
            continue;
        lua_pushinteger(lua, op);
        lua_pushcclosure(lua, call_operator, 1);
        lua_setfield(lua, -2, event_of((enum op)op));
    }
    lua_pop(lua, 1);
}

static void set_function(lua_State *lua, const char *name, lua_CFunction function,
                         lua_Integer upvalue) {
    lua_pushstring(lua, name);
    lua_pushinteger(lua, upvalue);
    lua_pushcclosure(lua, function, 1);
    lua_rawset(lua, -3);
}

// Makes the language visible to the family's functions, and `call` what they work on.
static void begin(lua_State *lua, struct family_call *call) {
    make_type(lua, value_type);
    make_type(lua, tensor_type);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &serial_key);
    call->serial = lua_tointeger(lua, -1) + 1; // nil counts as 0
    lua_pop(lua, 1);
    lua_pushinteger(lua, call->serial);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &serial_key);
    lua_pushlightuserdata(lua, call);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &call_key);
    script_push_family_globals(lua);
    if (lua_type(lua, -1) != LUA_TTABLE)
        script_raise(lua, "no family was read");
    for (int op = 0; op < OP_COUNT; op++)
        if (!event_of((enum op)op))
            set_function(lua, op_rows[op].name, call_op, op);
    set_function(lua, "tensors", call_tensors, 0);
    set_function(lua, "refuse", call_refuse, 0);
    lua_pop(lua, 1);
}

// Pushes the family's function of that name.
static void push_family_function(lua_State *lua, const char *name, const char *argument) {
    script_push_family(lua);
    if (lua_type(lua, -1) != LUA_TTABLE)
        script_raise(lua, "no family was read");
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) != LUA_TFUNCTION)
        script_raise(lua, "the family has no %s = function(%s)", name, argument);
}

static int run_config(lua_State *lua) {
    struct family_call *call = lua_touserdata(lua, 1);
    begin(lua, call);
    push_family_function(lua, "config", "c");
    script_push_value(lua, call->config->value);
    lua_call(lua, 1, 1);
    if (lua_type(lua, -1) != LUA_TTABLE)
        script_raise(lua, "the family's config must return a table of numbers, not %s",
                     type_at(lua, -1));
    call->returned = script_take_value(lua, lua_gettop(lua), call->arena);
    return 0;
}

static int run_graph(lua_State *lua) {
    struct family_call *call = lua_touserdata(lua, 1);
    begin(lua, call);
    push_family_function(lua, "graph", "m");
    script_push_value(lua, call->numbers);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, call_missing);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_call(lua, 1, 1);
    call->result = take_node(lua, -1, "what the family's graph returns");
    return 0;
}

static bool run(struct script *script, lua_CFunction function, struct family_call *call,
                const char *file, struct diagnostics *diagnostics) {
    bool good = script_protected(script, function, call, file, diagnostics);
    lua_pushnil(script->state);
    lua_rawsetp(script->state, LUA_REGISTRYINDEX, &call_key);
    return good;
}

bool script_family_config(struct script *script, const struct config *config, struct arena *arena,
                          struct value **numbers, struct diagnostics *diagnostics) {
    struct family_call call = {.config = config, .arena = arena};
    if (!run(script, run_config, &call, config->path, diagnostics))
        return false;
    *numbers = call.returned;
    return true;
}

bool script_family_graph(struct script *script, const struct value *numbers, struct graph *graph,
                         int *result, struct diagnostics *diagnostics) {
    struct family_call call = {.graph = graph, .numbers = numbers};
    if (!run(script, run_graph, &call, graph->path, diagnostics))
        return false;
    *result = call.result;
    return true;
}
