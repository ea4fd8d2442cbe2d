#include "generator/script/script.h"

#include "generator/script/script_internal.h"
#include "generator/script/source_table.h"

#include <stdlib.h>
#include <string.h>

struct script *script_of(lua_State *lua) {
    return *(struct script **)lua_getextraspace(lua);
}

bool script_protected(struct script *script, lua_CFunction function, void *argument,
                      const char *file, struct diagnostics *diagnostics) {
    lua_State *lua = script->state;
    struct diagnostics *outer_diagnostics = script->diagnostics;
    int top = lua_gettop(lua);
    if (script->depth++ == 0)
        script_limits_begin(script);
    script->diagnostics = diagnostics;
    int status = LUA_ERRMEM;
    if (lua_checkstack(lua, 8)) {
        lua_pushcfunction(lua, script_message_handler);
        lua_pushcfunction(lua, function);
        lua_pushlightuserdata(lua, argument);
        status = lua_pcall(lua, 1, 0, top + 1);
    }
    if (status != LUA_OK) {
        if (script_is_out_of_memory(lua, status))
            script_exceed(script, LIMIT_MEMORY);
        script_report(script, file, diagnostics);
    }
    lua_settop(lua, top);
    script->diagnostics = outer_diagnostics;
    if (--script->depth == 0) {
        script_limits_end(script);
        arena_close(&script->scratch);
    }
    return status == LUA_OK;
}

static int prepare_state(lua_State *lua) {
    struct script *script = script_of(lua);
    script_push_library(lua);
    script->library = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_newtable(lua);
    lua_pushcfunction(lua, script_undefined_name);
    lua_setfield(lua, -2, "__index");
    script->globals_metatable = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

struct script *script_open(struct script_limits limits, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct script *script = arena_alloc(&arena, sizeof *script);
    script->arena = arena;
    script->limits = limits;
    script->instructions_left = limits.instructions;
    script->render_globals = script->family = script->family_globals = LUA_NOREF;
    script->state = lua_newstate(script_allocate, script);
    if (!script->state) {
        environment_error(diagnostics, "there is no memory for a Lua state");
        script_close(script);
        return NULL;
    }
    *(struct script **)lua_getextraspace(script->state) = script;
    if (!script_protected(script, prepare_state, NULL, NULL, diagnostics)) {
        script_close(script);
        return NULL;
    }
    return script;
}

void script_close(struct script *script) {
    if (!script)
        return;
    if (script->state)
        lua_close(script->state);
    arena_close(&script->scratch);
    struct arena arena = script->arena; // holds the script itself
    arena_close(&arena);
}

// Pushes a copy of the table on top, and of the tables in it.
static void push_copy(lua_State *lua) {
    int original = lua_gettop(lua);
    luaL_checkstack(lua, 8, "the stack is full");
    lua_newtable(lua);
    for (lua_pushnil(lua); lua_next(lua, original); lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2);
        lua_pushvalue(lua, -2);
        if (lua_istable(lua, -1)) {
            push_copy(lua);
            lua_remove(lua, -2);
        }
        lua_rawset(lua, original + 1);
    }
    if (lua_getmetatable(lua, original))
        lua_setmetatable(lua, -2);
}

void script_push_globals(lua_State *lua) {
    struct script *script = script_of(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script->library);
    push_copy(lua);
    lua_remove(lua, -2);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script->globals_metatable);
    lua_setmetatable(lua, -2);
}

void script_push_family(lua_State *lua) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script_of(lua)->family);
}

void script_push_family_globals(lua_State *lua) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script_of(lua)->family_globals);
}

static int add_chunk(struct script *script, const char *file, const char *source) {
    for (size_t i = 0; i < script->chunk_count; i++) {
        const struct script_chunk *chunk = &script->chunks[i];
        if (strcmp(chunk->file, file) == 0 && strcmp(chunk->source, source) == 0)
            return (int)i;
    }
    script->chunks =
        arena_grow(&script->arena, script->chunks, script->chunk_count, sizeof *script->chunks);
    script->chunks[script->chunk_count] = (struct script_chunk){
        .file = arena_string(&script->arena, file), .source = arena_string(&script->arena, source)};
    return (int)script->chunk_count++;
}

int script_push_chunk(lua_State *lua, int globals, const char *file, const char *source,
                      const char *shown_source) {
    globals = lua_absindex(lua, globals);
    int chunk = add_chunk(script_of(lua), file, shown_source);
    char name[32];
    snprintf(name, sizeof name, "=#%d", chunk);
    if (luaL_loadbufferx(lua, source, strlen(source), name, "t") != LUA_OK)
        lua_error(lua);
    lua_pushvalue(lua, globals);
    // A chunk's first upvalue is _ENV; a chunk that names no global has it all the same.
    lua_setupvalue(lua, -2, 1);
    return chunk;
}

// One script_read.
struct reading {
    const char *file, *source;
    const char *const *constructors;
    size_t constructor_count;
    struct arena *arena;
    const char **constructor;
    struct value **value;
};

enum { CALLED_TABLE = 1, CALLED_INDEX, CALLED_LINE };

// Upvalues: the table that records the call, which constructor this is, its name. The record is
// Lua's own, so that a function kept by the script refers to nothing that is gone.
static int constructor_called(lua_State *lua) {
    const char *name = lua_tostring(lua, lua_upvalueindex(3));
    if (lua_gettop(lua) != 1 || !lua_istable(lua, 1))
        script_raise(lua, "'%s' takes one table: %s { ... }", name, name);
    if (lua_rawlen(lua, lua_upvalueindex(1)) > 0)
        script_raise(lua, "'%s': only one such call is allowed in a file", name);
    lua_pushvalue(lua, 1);
    lua_rawseti(lua, lua_upvalueindex(1), CALLED_TABLE);
    lua_pushvalue(lua, lua_upvalueindex(2));
    lua_rawseti(lua, lua_upvalueindex(1), CALLED_INDEX);
    lua_pushinteger(lua, script_location(lua).line);
    lua_rawseti(lua, lua_upvalueindex(1), CALLED_LINE);
    return 0;
}

static void add_constructors(lua_State *lua, const struct reading *reading, int globals,
                             int record) {
    for (size_t i = 0; i < reading->constructor_count; i++) {
        lua_pushvalue(lua, record);
        lua_pushinteger(lua, (lua_Integer)i);
        lua_pushstring(lua, reading->constructors[i]);
        lua_pushcclosure(lua, constructor_called, 3);
        lua_setfield(lua, globals, reading->constructors[i]);
    }
}

_Noreturn static void raise_not_called(lua_State *lua, const struct reading *reading) {
    luaL_Buffer names;
    luaL_buffinit(lua, &names);
    for (size_t i = 0; i < reading->constructor_count; i++) {
        luaL_addstring(&names, i == 0 ? "" : " or ");
        luaL_addstring(&names, reading->constructors[i]);
        luaL_addstring(&names, " { ... }");
    }
    luaL_pushresult(&names);
    lua_pushfstring(lua, "nothing is defined here: %s is expected", lua_tostring(lua, -1));
    lua_error(lua);
    abort(); // lua_error does not return
}

static void set_reference(lua_State *lua, int *reference, int index) {
    luaL_unref(lua, LUA_REGISTRYINDEX, *reference);
    *reference = LUA_NOREF;
    lua_pushvalue(lua, index);
    *reference = luaL_ref(lua, LUA_REGISTRYINDEX);
}

static int read_chunk(lua_State *lua) {
    const struct reading *reading = lua_touserdata(lua, 1);
    struct script *script = script_of(lua);
    enum { RECORD = 2, GLOBALS, TABLE };
    lua_newtable(lua);
    script_push_globals(lua);
    add_constructors(lua, reading, GLOBALS, RECORD);
    if (reading->constructor_count == 1 && strcmp(reading->constructors[0], "family") == 0)
        script_add_library_function(lua, GLOBALS);
    int chunk = script_push_chunk(lua, GLOBALS, reading->file, reading->source, reading->source);
    lua_call(lua, 0, 0);
    if (lua_rawgeti(lua, RECORD, CALLED_TABLE) != LUA_TTABLE)
        raise_not_called(lua, reading);
    lua_rawgeti(lua, RECORD, CALLED_INDEX);
    lua_rawgeti(lua, RECORD, CALLED_LINE);
    const char *name = reading->constructors[lua_tointeger(lua, -2)];
    int line = (int)lua_tointeger(lua, -1);
    const struct source_table *written =
        source_table_find(&script->scratch, reading->source, name, line);
    bool family = strcmp(name, "family") == 0;
    *reading->value =
        script_take_written(lua, TABLE, reading->arena, chunk, name, line, written, family);
    *reading->constructor = name;
    if (family) {
        set_reference(lua, &script->family, TABLE);
        set_reference(lua, &script->family_globals, GLOBALS);
    }
    return 0;
}

bool script_read(struct script *script, const char *file, const char *source,
                 const char *const *constructors, size_t constructor_count, struct arena *arena,
                 const char **constructor, struct value **value, struct diagnostics *diagnostics) {
    struct reading reading = {.file = file,
                              .source = source,
                              .constructors = constructors,
                              .constructor_count = constructor_count,
                              .arena = arena,
                              .constructor = constructor,
                              .value = value};
    return script_protected(script, read_chunk, &reading, file, diagnostics);
}

// Gives a diagnostic without a location this one.
static void locate(struct diagnostics *diagnostics, struct diagnostic *diagnostic,
                   const struct location *at) {
    if (diagnostic->at.file || !at->file)
        return;
    diagnostic->at = *at;
    diagnostic->at.file = arena_string(&diagnostics->arena, at->file);
    diagnostic->at.source = arena_string(&diagnostics->arena, at->source);
}

// What a script calls when it calls a script_function. Upvalue 1: its copy.
static int function_called(lua_State *lua) {
    const struct script_function *function = lua_touserdata(lua, lua_upvalueindex(1));
    struct script *script = script_of(lua);
    int count = lua_gettop(lua);
    script_charge(lua, 100);
    // Plain values need no arena: they are gone when the call returns.
    struct value *values = lua_newuserdatauv(lua, (size_t)count * sizeof *values + 1, 0);
    struct value **arguments = lua_newuserdatauv(lua, (size_t)count * sizeof *arguments + 1, 0);
    for (int i = 0; i < count; i++) {
        struct value *value = &values[i];
        size_t length;
        *value = (struct value){.kind = VALUE_NIL};
        arguments[i] = value;
        if (lua_type(lua, i + 1) == LUA_TSTRING) {
            value->kind = VALUE_STRING;
            value->string = lua_tolstring(lua, i + 1, &length);
            if (strlen(value->string) != length)
                script_raise(lua, "a string holds a NUL");
        } else if (lua_isinteger(lua, i + 1)) {
            value->kind = VALUE_INTEGER;
            value->integer = lua_tointeger(lua, i + 1);
        } else if (!lua_isfunction(lua, i + 1)) {
            arguments[i] = script_take_value(lua, i + 1, &script->scratch);
        }
    }
    struct location at = script_location(lua);
    struct diagnostics *diagnostics = script->diagnostics;
    size_t before = diagnostics->count;
    bool failed = false;
    struct value *result = function->call(function->context, &script->scratch, at, arguments,
                                          (size_t)count, &failed, diagnostics);
    if (failed) {
        for (size_t i = before; i < diagnostics->count; i++)
            locate(diagnostics, &diagnostics->items[i], &at);
        const struct diagnostic *newest =
            diagnostics->count > before ? &diagnostics->items[diagnostics->count - 1] : NULL;
        if (newest && at.file && newest->at.file && newest->at.line == at.line &&
            strcmp(newest->at.file, at.file) == 0)
            script_note_callers(lua, diagnostics);
        script_raise_reported(lua);
    }
    if (!result)
        return 0;
    script_push_value(lua, result);
    return 1;
}

struct beginning {
    const struct value *plan;
    const struct script_function *functions;
    size_t count;
};

static int begin_render(lua_State *lua) {
    const struct beginning *beginning = lua_touserdata(lua, 1);
    script_push_globals(lua);
    script_push_value(lua, beginning->plan);
    lua_setfield(lua, -2, "plan");
    for (size_t i = 0; i < beginning->count; i++) {
        struct script_function *copy = lua_newuserdatauv(lua, sizeof *copy, 0);
        *copy = beginning->functions[i];
        lua_pushcclosure(lua, function_called, 1);
        lua_setfield(lua, -2, beginning->functions[i].name);
    }
    set_reference(lua, &script_of(lua)->render_globals, lua_gettop(lua));
    return 0;
}

bool script_render_begin(struct script *script, const struct value *plan,
                         const struct script_function *functions, size_t function_count,
                         struct diagnostics *diagnostics) {
    struct beginning beginning = {.plan = plan, .functions = functions, .count = function_count};
    return script_protected(script, begin_render, &beginning, NULL, diagnostics);
}

struct running {
    const char *file, *chunk, *source;
};

static int run_chunk(lua_State *lua) {
    const struct running *running = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script_of(lua)->render_globals);
    script_push_chunk(lua, -1, running->file, running->chunk, running->source);
    lua_call(lua, 0, 0);
    return 0;
}

bool script_render_run(struct script *script, const char *file, const char *chunk,
                       const char *source, struct diagnostics *diagnostics) {
    struct running running = {.file = file, .chunk = chunk, .source = source};
    return script_protected(script, run_chunk, &running, file, diagnostics);
}
