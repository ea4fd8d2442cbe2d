// The sandbox's library: what a script can call.
#include "generator/script/graph_internal.h"

#include <lualib.h>
#include <stdlib.h>
#include <string.h>

static int sandbox_pcall(lua_State *lua) {
    luaL_checkany(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    if (status == LUA_OK) {
        luaL_checkstack(lua, 1, "too many results");
        lua_pushboolean(lua, 1);
        lua_insert(lua, 1);
        return lua_gettop(lua);
    }
    struct script *script = script_of(lua);
    if (script_is_out_of_memory(lua, status))
        script_exceed(script, LIMIT_MEMORY);
    // Neither a limit nor an error that is reported already can be caught.
    if (script->exceeded != LIMIT_NONE || script_is_reported(lua))
        return lua_error(lua);
    script_push_readable_message(lua);
    lua_pushboolean(lua, 0);
    lua_insert(lua, -2);
    return 2;
}

// Pushes the text of the argument: no addresses, floats that read back.
static void push_text(lua_State *lua, int index) {
    int kind = lua_type(lua, index);
    if (kind == LUA_TNUMBER && !lua_isinteger(lua, index)) {
        struct text text = {0};
        char digits[64];
        text_number(&text, lua_tonumber(lua, index));
        memcpy(digits, text.bytes, text.length + 1);
        text_close(&text); // before anything can raise
        lua_pushstring(lua, digits);
    } else if (kind == LUA_TNUMBER || kind == LUA_TSTRING) {
        lua_pushvalue(lua, index);
        lua_tolstring(lua, -1, NULL);
    } else if (kind == LUA_TBOOLEAN) {
        lua_pushstring(lua, lua_toboolean(lua, index) ? "true" : "false");
    } else if (kind != LUA_TUSERDATA || luaL_getmetafield(lua, index, "__name") != LUA_TSTRING) {
        lua_pushstring(lua, lua_typename(lua, kind));
    }
}

static int sandbox_tostring(lua_State *lua) {
    luaL_checkany(lua, 1);
    push_text(lua, 1);
    return 1;
}

// A key of a table, for sorting: numbers before strings before booleans.
struct sort_key {
    int kind;
    lua_Integer integer;
    double number; // of integers too, rounded
    const char *string;
    size_t length;
};

static int compare_keys(const void *left, const void *right) {
    const struct sort_key *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind == LUA_TNUMBER || (a->kind == LUA_TSTRING && b->kind == LUA_TBOOLEAN) ? -1
                                                                                             : 1;
    if (a->kind == LUA_TSTRING) {
        int order = memcmp(a->string, b->string, a->length < b->length ? a->length : b->length);
        return order != 0 ? order : a->length < b->length ? -1 : a->length > b->length;
    }
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->integer < b->integer ? -1 : a->integer > b->integer;
}

static int next_sorted(lua_State *lua) {
    lua_Integer position = lua_tointeger(lua, lua_upvalueindex(2));
    for (;;) {
        position++;
        if (lua_rawgeti(lua, lua_upvalueindex(1), position) == LUA_TNIL)
            return 1;
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, lua_upvalueindex(3)) != LUA_TNIL)
            break; // else the field was removed since the walk began
        lua_pop(lua, 2);
    }
    lua_pushinteger(lua, position);
    lua_replace(lua, lua_upvalueindex(2));
    return 2;
}

static void charge_sort(lua_State *lua, size_t count) {
    size_t steps = 1;
    for (size_t left = count; left > 1; left /= 2)
        steps++;
    script_charge(lua, count * steps);
}

static int sandbox_pairs(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    size_t count = 0, found = 0;
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1))
        count++;
    charge_sort(lua, count);
    struct sort_key *keys = lua_newuserdatauv(lua, (count + 1) * sizeof *keys, 0);
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        struct sort_key *key = &keys[found++];
        *key = (struct sort_key){.kind = lua_type(lua, -2)};
        if (key->kind == LUA_TNUMBER) {
            key->integer = lua_isinteger(lua, -2) ? lua_tointeger(lua, -2) : 0;
            key->number = lua_tonumber(lua, -2);
        } else if (key->kind == LUA_TSTRING) {
            key->string = lua_tolstring(lua, -2, &key->length);
        } else if (key->kind == LUA_TBOOLEAN) {
            key->integer = lua_toboolean(lua, -2);
        } else {
            script_raise(lua, "pairs: a key is a %s, which has no order", luaL_typename(lua, -2));
        }
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    lua_createtable(lua, count < 1 << 20 ? (int)count : 1 << 20, 0);
    for (size_t i = 0; i < count; i++) {
        if (keys[i].kind == LUA_TSTRING)
            lua_pushlstring(lua, keys[i].string, keys[i].length);
        else if (keys[i].kind == LUA_TBOOLEAN)
            lua_pushboolean(lua, (int)keys[i].integer);
        else if ((double)keys[i].integer == keys[i].number)
            lua_pushinteger(lua, keys[i].integer);
        else
            lua_pushnumber(lua, keys[i].number);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(lua, 0);
    lua_pushvalue(lua, 1);
    lua_pushcclosure(lua, next_sorted, 3);
    lua_pushvalue(lua, 1);
    return 2;
}

static int sandbox_rep(lua_State *lua) {
    size_t length, separator_length;
    const char *string = luaL_checklstring(lua, 1, &length);
    lua_Integer count = luaL_checkinteger(lua, 2);
    const char *separator = luaL_optlstring(lua, 3, "", &separator_length);
    if (count <= 0 || (length == 0 && separator_length == 0)) {
        lua_pushliteral(lua, "");
        return 1;
    }
    script_charge(lua, (size_t)count);
    luaL_Buffer buffer;
    luaL_buffinit(lua, &buffer);
    for (lua_Integer i = 0; i < count; i++) {
        if (i > 0)
            luaL_addlstring(&buffer, separator, separator_length);
        luaL_addlstring(&buffer, string, length);
    }
    luaL_pushresult(&buffer);
    return 1;
}

// find(string, needle [, first]): plain text, no patterns.
static int sandbox_find(lua_State *lua) {
    size_t length, needle_length;
    const char *string = luaL_checklstring(lua, 1, &length);
    const char *needle = luaL_checklstring(lua, 2, &needle_length);
    lua_Integer first = luaL_optinteger(lua, 3, 1);
    if (first < 0)
        first = first < -(lua_Integer)length ? 1 : first + (lua_Integer)length + 1;
    if (first == 0)
        first = 1;
    script_charge(lua, (length + needle_length) / 8);
    const char *found = NULL;
    if ((size_t)first <= length + 1)
        found = memmem(string + first - 1, length - (size_t)first + 1, needle, needle_length);
    if (!found) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, found - string + 1);
    lua_pushinteger(lua, found - string + (lua_Integer)needle_length);
    return 2;
}

// Upvalue 1: Lua's own string.format, which would print addresses for %p and %s.
static int sandbox_format(lua_State *lua) {
    size_t length;
    const char *format = luaL_checklstring(lua, 1, &length);
    int argument = 1;
    for (size_t i = 0; i < length; i++) {
        if (format[i] != '%')
            continue;
        i++;
        if (i < length && format[i] == '%')
            continue;
        i += strspn(format + i, "-+ #0123456789.");
        argument++;
        if (i < length && format[i] == 'p')
            return luaL_error(lua, "string.format has no '%%p': addresses change");
        if (i < length && format[i] == 's' && argument <= lua_gettop(lua)) {
            push_text(lua, argument);
            lua_replace(lua, argument);
        }
    }
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

// Merge sort: unlike Lua's own it is stable and draws no random pivots, so that equal elements
// have a defined order. Stack: 1 table, 2 function or nil, 3 and 4 the two halves of the work.
static bool sorts_before(lua_State *lua, int table, lua_Integer left, lua_Integer right) {
    bool before;
    if (lua_isnil(lua, 2)) {
        lua_rawgeti(lua, table, left);
        lua_rawgeti(lua, table, right);
        before = lua_compare(lua, -2, -1, LUA_OPLT);
        lua_pop(lua, 2);
    } else {
        lua_pushvalue(lua, 2);
        lua_rawgeti(lua, table, left);
        lua_rawgeti(lua, table, right);
        lua_call(lua, 2, 1);
        before = lua_toboolean(lua, -1);
        lua_pop(lua, 1);
    }
    return before;
}

static void merge(lua_State *lua, int from, int to, lua_Integer low, lua_Integer middle,
                  lua_Integer high) {
    lua_Integer left = low, right = middle;
    for (lua_Integer out = low; out < high; out++) {
        bool take_right = left == middle || (right < high && sorts_before(lua, from, right, left));
        lua_rawgeti(lua, from, take_right ? right++ : left++);
        lua_rawseti(lua, to, out);
    }
}

static int sandbox_sort(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (!lua_isnoneornil(lua, 2))
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_settop(lua, 2);
    lua_Integer count = (lua_Integer)lua_rawlen(lua, 1);
    charge_sort(lua, (size_t)count);
    lua_newtable(lua);
    lua_newtable(lua);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, 1, i);
        lua_rawseti(lua, 3, i);
    }
    int from = 3, to = 4;
    for (lua_Integer width = 1; width < count; width *= 2) {
        for (lua_Integer low = 1; low <= count; low += 2 * width) {
            lua_Integer middle = low + width <= count ? low + width : count + 1;
            lua_Integer high = middle + width <= count ? middle + width : count + 1;
            merge(lua, from, to, low, middle, high);
        }
        int swap = from;
        from = to;
        to = swap;
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, from, i);
        lua_rawseti(lua, 1, i);
    }
    return 0;
}

// Upvalue 1: the function of Lua's table library. Its work grows with the table behind the
// position that insert and remove name, and with the whole of it for the others.
static int charged(lua_State *lua, bool shifts) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Unsigned length = lua_rawlen(lua, 1);
    if (!shifts) {
        script_charge(lua, length);
    } else if (lua_isinteger(lua, 2)) {
        lua_Integer position = lua_tointeger(lua, 2);
        if (position > 0 && (lua_Unsigned)position < length)
            script_charge(lua, length - (lua_Unsigned)position);
    }
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

static int sandbox_shift(lua_State *lua) { return charged(lua, true); }
static int sandbox_walk(lua_State *lua) { return charged(lua, false); }

// A function of the library: one of Lua's own where `function` is NULL; else `function`, with Lua's
// function of that name as its upvalue.
struct entry {
    const char *name;
    lua_CFunction function;
};

static const struct entry base_entries[] = {{"assert", NULL},
                                            {"error", NULL},
                                            {"ipairs", NULL},
                                            {"pairs", sandbox_pairs},
                                            {"pcall", sandbox_pcall},
                                            {"select", NULL},
                                            {"tonumber", NULL},
                                            {"tostring", sandbox_tostring},
                                            {"type", NULL}};
static const struct entry string_entries[] = {
    {"byte", NULL}, {"char", NULL},  {"find", sandbox_find}, {"format", sandbox_format},
    {"len", NULL},  {"lower", NULL}, {"rep", sandbox_rep},   {"reverse", NULL},
    {"sub", NULL},  {"upper", NULL}};
static const struct entry table_entries[] = {{"concat", sandbox_walk},
                                             {"insert", sandbox_shift},
                                             {"remove", sandbox_shift},
                                             {"sort", sandbox_sort},
                                             {"unpack", sandbox_walk}};
static const struct entry math_entries[] = {
    {"abs", NULL},       {"acos", NULL}, {"asin", NULL},       {"atan", NULL}, {"ceil", NULL},
    {"cos", NULL},       {"exp", NULL},  {"floor", NULL},      {"fmod", NULL}, {"huge", NULL},
    {"log", NULL},       {"max", NULL},  {"maxinteger", NULL}, {"min", NULL},  {"mininteger", NULL},
    {"modf", NULL},      {"pi", NULL},   {"sin", NULL},        {"sqrt", NULL}, {"tan", NULL},
    {"tointeger", NULL}, {"type", NULL}, {"ult", NULL}};

// Fills the table on top with the entries, taken from Lua's library, which is below it.
static void fill(lua_State *lua, const struct entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        lua_getfield(lua, -2, entries[i].name);
        if (entries[i].function)
            lua_pushcclosure(lua, entries[i].function, 1);
        lua_setfield(lua, -2, entries[i].name);
    }
}

static void add_library(lua_State *lua, const char *name, lua_CFunction open,
                        const struct entry *entries, size_t count) {
    luaL_requiref(lua, name, open, 0);
    lua_newtable(lua);
    fill(lua, entries, count);
    lua_remove(lua, -2);
    script_refuse_absent_fields(lua, name);
    lua_setfield(lua, -2, name);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void script_push_library(lua_State *lua) {
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    lua_newtable(lua);
    fill(lua, base_entries, COUNT(base_entries));
    lua_remove(lua, -2);
    add_library(lua, "string", luaopen_string, string_entries, COUNT(string_entries));
    add_library(lua, "table", luaopen_table, table_entries, COUNT(table_entries));
    add_library(lua, "math", luaopen_math, math_entries, COUNT(math_entries));
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    for (int i = 0; i < 3; i++) {
        lua_pushinteger(lua, (lua_Integer)1 << (10 * (i + 1)));
        lua_setfield(lua, -2, units[i]);
    }
    // Methods of strings ("x"):rep(3) find this library's functions, not Lua's.
    lua_pushliteral(lua, "");
    lua_getmetatable(lua, -1);
    lua_getfield(lua, -3, "string");
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 2);
    // Nothing of Lua's own library stays reachable by name.
    lua_pushnil(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(lua);
    lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

static int compare_strings(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

// The names that the table at index 1 has, sorted, as the walk's order differs from run to run.
// Leaves what holds them on the stack.
static const char **push_names(lua_State *lua, size_t *found) {
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1))
        count++;
    script_charge(lua, count * 100);
    const char **names = lua_newuserdatauv(lua, (count + 1) * sizeof *names, 0);
    *found = 0;
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) == LUA_TSTRING)
            names[(*found)++] = lua_tostring(lua, -2);
    }
    qsort(names, *found, sizeof *names, compare_strings);
    return names;
}

// __index of globals: (globals, name).
int script_undefined_name(lua_State *lua) {
    const char *name = lua_tostring(lua, 2);
    if (!name)
        script_raise(lua, "undefined name");
    size_t count;
    const char **names = push_names(lua, &count);
    const char *nearest = nearest_name(name, names, count), *ops;
    if (nearest)
        script_raise(lua, "undefined name '%s'\nnote: did you mean %s?", name, nearest);
    if ((ops = graph_push_op_names(lua, 1)))
        script_raise(lua, "undefined name '%s'\nnote: the ops are: %s", name, ops);
    script_raise(lua, "undefined name '%s'", name);
}

// __index of a library: (library, key). Upvalue: the beginning of the message. As no list has
// names, what walks one finds its end.
static int absent_field(lua_State *lua) {
    if (lua_type(lua, 2) != LUA_TSTRING)
        return 0;
    size_t count;
    const char *name = lua_tostring(lua, 2), **names = push_names(lua, &count);
    script_raise_absent(lua, lua_tostring(lua, lua_upvalueindex(1)), name, names, count);
}

void script_refuse_absent_fields(lua_State *lua, const char *noun) {
    lua_createtable(lua, 0, 1);
    lua_pushfstring(lua, "%s has no", noun);
    lua_pushcclosure(lua, absent_field, 1);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}
