// Libraries: Lua files that families share.
#include "generator/script/script_internal.h"

#include <string.h>

void script_use_libraries(struct script *script, script_find_library *find, void *context) {
    script->find_library = find;
    script->find_library_context = context;
}

// Upvalues: the globals of the family, what was loaded for it by name (false: is being loaded).
static int call_library(lua_State *lua) {
    struct script *script = script_of(lua);
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
        script_raise(lua, "'library' takes the name of a library, a string");
    if (!script->find_library)
        script_raise(lua, "'library' can be used while a family file is read only, at its top");
    lua_pushvalue(lua, 1);
    if (lua_rawget(lua, lua_upvalueindex(2)) == LUA_TBOOLEAN)
        script_raise(lua, "library \"%s\" loads itself", lua_tostring(lua, 1));
    if (!lua_isnil(lua, -1))
        return 1;
    struct script_library library = {0};
    // A name with a NUL inside is cut by lua_tostring; no file has such a name either way.
    if (!script->find_library(script->find_library_context, lua_tostring(lua, 1),
                              script_location(lua), &library, script->diagnostics))
        script_raise_reported(lua);
    lua_pushvalue(lua, 1);
    lua_pushboolean(lua, 0);
    lua_rawset(lua, lua_upvalueindex(2));
    script_push_chunk(lua, lua_upvalueindex(1), library.file, library.source, library.source);
    lua_call(lua, 0, 1);
    if (lua_type(lua, -1) != LUA_TTABLE && lua_type(lua, -1) != LUA_TFUNCTION)
        script_raise(lua, "library \"%s\" returns no table and no function", lua_tostring(lua, 1));
    if (lua_type(lua, -1) == LUA_TTABLE) {
        const char *noun = lua_pushfstring(lua, "library \"%s\"", lua_tostring(lua, 1));
        lua_insert(lua, -2);
        script_refuse_absent_fields(lua, noun);
    }
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, lua_upvalueindex(2));
    return 1;
}

void script_add_library_function(lua_State *lua, int globals) {
    lua_pushvalue(lua, globals);
    lua_newtable(lua);
    lua_pushcclosure(lua, call_library, 2);
    lua_setfield(lua, globals, "library");
}
