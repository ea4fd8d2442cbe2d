// The calls into the script's current family, and what its functions may do besides building a
// graph.
#include "generator/script/graph_internal.h"

#include <string.h>

static const char call_key = 0, serial_key = 0;
static const char nulls_field[] = "nulls";

struct family_call *graph_current_call(lua_State *lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &call_key);
    struct family_call *call = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return call;
}

void graph_set_function(lua_State *lua, const char *name, lua_CFunction function,
                        lua_Integer upvalue) {
    lua_pushstring(lua, name);
    lua_pushinteger(lua, upvalue);
    lua_pushcclosure(lua, function, 1);
    lua_rawset(lua, -3);
}

// refuse(message, key): the model is not what this family can do. The key is one of config.json
// while the config is read, and a number of the model while the graph is built.
static int call_refuse(lua_State *lua) {
    if (lua_type(lua, 1) != LUA_TSTRING)
        script_raise(lua, "'refuse'(message, key) takes a message, a string");
    struct family_call *call = graph_current_call(lua);
    const char *key = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    const struct graph *graph = call ? call->graph : NULL;
    struct location at;
    if (call && call->config)
        at = config_locate(call->config, key);
    else if (graph && graph->locate && *key)
        at = graph->locate(graph->locate_context, key);
    else
        script_raise(lua, "%s", lua_tostring(lua, 1));
    struct location family = script_location(lua);
    struct diagnostics *diagnostics = script_of(lua)->diagnostics;
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "%s", lua_tostring(lua, 1));
    diagnostic_note(diagnostics, "refused by %s:%d", family.file, family.line);
    script_note_callers(lua, diagnostics); // of a library: the family
    script_raise_reported(lua);
}

// is_null(table, key): whether an object of config.json has the key, but as null.
static int call_is_null(lua_State *lua) {
    if (lua_type(lua, 1) != LUA_TTABLE || lua_type(lua, 2) != LUA_TSTRING)
        script_raise(lua,
                     "'is_null'(table, key) takes an object of the config and the name of a key");
    bool null = false;
    if (luaL_getmetafield(lua, 1, nulls_field) == LUA_TTABLE) {
        lua_pushvalue(lua, 2);
        null = lua_rawget(lua, -2) != LUA_TNIL;
    }
    lua_pushboolean(lua, null);
    return 1;
}

// Where `word` stands at the location or soon after it: a table of a call may have many lines.
static struct location find_word(struct location at, const char *word) {
    enum { LINES_SEARCHED = 24 };
    for (int line = at.line; at.source && line < at.line + LINES_SEARCHED; line++) {
        const struct location found = location_of_word(at.file, at.source, line, word);
        if (found.column > 0)
            return found;
    }
    return at;
}

// check_names(t, names, what): a key of t that is no key of names is an error where the caller of
// the function was called that asks for this; what has such keys is `what`. t may be nil.
static int call_check_names(lua_State *lua) {
    enum { MOST_NAMES = 128 };
    const char *names[MOST_NAMES], *unknown = NULL;
    size_t count = 0;
    if (lua_isnoneornil(lua, 1))
        return 0;
    if (lua_type(lua, 2) != LUA_TTABLE || lua_type(lua, 3) != LUA_TSTRING)
        script_raise(lua, "'check_names'(t, names, what) takes a table with the names as its keys, "
                          "and what has them, a string");
    const char *what = lua_tostring(lua, 3);
    const struct location at = script_location_of_caller(lua);
    struct diagnostics *diagnostics = script_of(lua)->diagnostics;
    if (lua_type(lua, 1) != LUA_TTABLE) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "%s must be a table, not %s", what,
                       graph_type_at(lua, 1));
        script_raise_reported(lua);
    }
    for (lua_pushnil(lua); lua_next(lua, 2) && count < MOST_NAMES; lua_pop(lua, 1))
        if (lua_type(lua, -2) == LUA_TSTRING)
            names[count++] = lua_tostring(lua, -2); // the table holds it
    lua_settop(lua, 3);
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        const bool named = lua_type(lua, -2) == LUA_TSTRING;
        const char *name = named ? lua_tostring(lua, -2) : "1";
        lua_pushvalue(lua, -2);
        const bool known = named && lua_rawget(lua, 2) != LUA_TNIL;
        lua_settop(lua, 5);
        // Of several the first in order: the walk's order differs from run to run.
        if (!known && (!unknown || strcmp(name, unknown) < 0))
            unknown = name;
    }
    if (!unknown)
        return 0;
    const char *nearest = nearest_name(unknown, names, count);
    diagnostic_add(
        diagnostics, DIAGNOSTIC_USER, find_word(at, unknown), "%s: there is no \"%s\"%s%s%s", what,
        unknown, nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    script_raise_reported(lua);
}

// Notes for is_null which keys of `value`, on top as a table, are null.
static void note_nulls(lua_State *lua, const struct value *value) {
    luaL_checkstack(lua, 8, "data is nested too deeply");
    lua_createtable(lua, 0, 2);
    lua_newtable(lua);
    for (size_t i = 0; i < value->table.count; i++) {
        const struct value_field *field = &value->table.fields[i];
        if (field->value->kind == VALUE_NIL) {
            lua_pushstring(lua, field->name);
            lua_pushboolean(lua, 1);
            lua_rawset(lua, -3);
        } else if (field->value->kind == VALUE_TABLE) {
            lua_pushstring(lua, field->name);
            lua_rawget(lua, -4);
            note_nulls(lua, field->value);
            lua_pop(lua, 1);
        }
    }
    lua_setfield(lua, -2, nulls_field);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable"); // out of the script's reach
    lua_setmetatable(lua, -2);
}

// Reading a number that the model does not have.
static int call_missing(lua_State *lua) {
    const struct family_call *call = graph_current_call(lua);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;
    if (!call || !call->numbers || !name)
        script_raise(lua, "the model has no such number");
    const char *names[128];
    size_t count = 0;
    for (; count < call->numbers->table.count && count < sizeof names / sizeof *names; count++)
        names[count] = call->numbers->table.fields[count].name;
    const char *nearest = nearest_name(name, names, count);
    script_raise(lua, "the model has no number '%s'%s%s%s", name,
                 nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

// Makes the language visible to the family's functions, and `call` what they work on.
static void begin(lua_State *lua, struct family_call *call) {
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
    graph_set_ops(lua);
    graph_set_function(lua, "refuse", call_refuse, 0);
    graph_set_function(lua, "is_null", call_is_null, 0);
    graph_set_function(lua, "check_names", call_check_names, 0);
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
    note_nulls(lua, call->config->value);
    lua_call(lua, 1, 1);
    if (lua_type(lua, -1) != LUA_TTABLE)
        script_raise(lua, "the family's config must return a table of numbers, not %s",
                     graph_type_at(lua, -1));
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
    call->result = graph_take_node(lua, -1, "what the family's graph returns");
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
