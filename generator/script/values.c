// Values to Lua and back.
#include "generator/script/script_internal.h"
#include "generator/script/source_table.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100, UNWRITTEN = -1 };

static void push(lua_State *lua, const struct value *value, int depth) {
    if (depth > DEPTH_MAX)
        script_raise(lua, "data is nested deeper than %d", DEPTH_MAX);
    luaL_checkstack(lua, 4, "data is nested too deeply");
    switch (value->kind) {
    case VALUE_NIL:
        lua_pushnil(lua);
        break;
    case VALUE_BOOLEAN:
        lua_pushboolean(lua, value->boolean);
        break;
    case VALUE_INTEGER:
        lua_pushinteger(lua, value->integer);
        break;
    case VALUE_NUMBER:
        lua_pushnumber(lua, value->number);
        break;
    case VALUE_STRING:
        lua_pushstring(lua, value->string);
        break;
    case VALUE_LIST:
        lua_newtable(lua);
        for (size_t i = 0; i < value->list.count; i++) {
            push(lua, value->list.items[i], depth + 1);
            lua_rawseti(lua, -2, (lua_Integer)i + 1);
        }
        break;
    case VALUE_TABLE:
        lua_newtable(lua);
        for (size_t i = 0; i < value->table.count; i++) {
            lua_pushstring(lua, value->table.fields[i].name);
            push(lua, value->table.fields[i].value, depth + 1);
            lua_rawset(lua, -3);
        }
        break;
    }
}

void script_push_value(lua_State *lua, const struct value *value) { push(lua, value, 0); }

// One conversion from Lua.
struct taking {
    lua_State *lua;
    struct arena *arena;
    int chunk; // UNWRITTEN: errors are located at the calling line
    bool skip_functions;
};

// Where the value at hand stands in the source, and what it is called in messages.
struct place {
    const char *name; // a field's; NULL for items
    size_t item;      // 1-based
    int line;
    const struct source_table *written;
    int depth;
};

_Noreturn static void refuse(const struct taking *taking, const struct place *place,
                             const char *what) {
    char subject[96];
    if (place->name)
        snprintf(subject, sizeof subject, "'%s'", place->name);
    else
        snprintf(subject, sizeof subject, "item %zu of a list", place->item);
    if (taking->chunk == UNWRITTEN)
        script_raise(taking->lua, "%s %s", subject, what);
    lua_pushfstring(taking->lua, "#%d:%d: %s %s", taking->chunk, place->line, subject, what);
    lua_error(taking->lua);
    abort(); // lua_error does not return
}

// Makes room for a copy, or stops the script at the place.
static void charge_memory(const struct taking *taking, const struct place *place, size_t bytes) {
    struct script *script = script_of(taking->lua);
    if (script_has_room(script, bytes))
        return;
    if (taking->chunk == UNWRITTEN) {
        script->refused_at = script_location(taking->lua);
    } else {
        const struct script_chunk *chunk = &script->chunks[taking->chunk];
        script->refused_at =
            (struct location){.file = chunk->file, .line = place->line, .source = chunk->source};
    }
    script_exceed(script, LIMIT_MEMORY);
    script_charge(taking->lua, 0); // raises
}

// A string key of a table and its place in the order of fields.
struct key {
    const char *name; // Lua's string, held by the table
    size_t rank;      // position in the source; behind all of them where it is not written there
    const struct source_field *field;
};

static int compare_names(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_written(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : a->rank < b->rank ? -1 : 1;
}

static int compare_ranks(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return strcmp(a->name, b->name);
}

// Finds for each key where it is written, and sorts the keys by that.
static void rank_keys(const struct taking *taking, const struct place *place, struct key *keys,
                      size_t count) {
    lua_State *lua = taking->lua;
    const struct source_table *written = place->written;
    size_t written_count = written ? written->count : 0, known_count = 0;
    struct key *known = lua_newuserdatauv(lua, (written_count + 1) * sizeof *known, 0);
    for (size_t i = 0; i < written_count; i++) {
        if (written->fields[i].name)
            known[known_count++] = (struct key){
                .name = written->fields[i].name, .rank = i, .field = &written->fields[i]};
    }
    qsort(known, known_count, sizeof *known, compare_written);
    for (size_t i = 1; i < known_count; i++) {
        struct place again = {.name = known[i].name, .line = known[i].field->line};
        if (strcmp(known[i - 1].name, known[i].name) == 0)
            refuse(taking, &again, "is written twice");
    }
    for (size_t i = 0; i < count; i++) {
        struct key *same = bsearch(&keys[i], known, known_count, sizeof *known, compare_names);
        keys[i].rank = same ? same->rank : written_count;
        keys[i].field = same ? same->field : NULL;
    }
    qsort(keys, count, sizeof *keys, compare_ranks);
    lua_pop(lua, 1);
}

static struct value *take(const struct taking *taking, int index, const struct place *place);

static struct value *take_list(const struct taking *taking, int index, const struct place *place,
                               size_t count) {
    lua_State *lua = taking->lua;
    struct value *list = value_list(taking->arena);
    size_t position = 0; // in the source, among fields without a name
    for (size_t i = 0; i < count; i++) {
        struct place item = {.item = i + 1, .line = place->line, .depth = place->depth + 1};
        const struct source_table *written = place->written;
        while (written && position < written->count && written->fields[position].name)
            position++;
        if (written && position < written->count) {
            item.line = written->fields[position].line;
            item.written = written->fields[position].table;
            position++;
        }
        lua_rawgeti(lua, index, (lua_Integer)i + 1);
        value_list_add(taking->arena, list, take(taking, lua_gettop(lua), &item));
        lua_pop(lua, 1);
    }
    return list;
}

static struct value *take_table(const struct taking *taking, int index, const struct place *place,
                                size_t count) {
    lua_State *lua = taking->lua;
    struct value *table = value_table(taking->arena);
    struct key *keys = lua_newuserdatauv(lua, count * sizeof *keys, 0);
    size_t found = 0;
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        size_t length;
        keys[found] = (struct key){.name = lua_tolstring(lua, -2, &length)};
        if (strlen(keys[found].name) != length)
            refuse(taking, place, "has a field whose name holds a NUL");
        charge_memory(taking, place, length + 1);
        found++;
    }
    rank_keys(taking, place, keys, found);
    for (size_t i = 0; i < found; i++) {
        const struct source_field *field = keys[i].field;
        struct place member = {.name = keys[i].name,
                               .line = field ? field->line : place->line,
                               .written = field ? field->table : NULL,
                               .depth = place->depth + 1};
        lua_pushstring(lua, keys[i].name);
        lua_rawget(lua, index);
        if (!taking->skip_functions || !lua_isfunction(lua, -1)) {
            struct value *value = take(taking, lua_gettop(lua), &member);
            value_table_add(taking->arena, table, keys[i].name, value);
        }
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return table;
}

static struct value *take_container(const struct taking *taking, int index,
                                    const struct place *place) {
    lua_State *lua = taking->lua;
    if (place->depth >= DEPTH_MAX)
        refuse(taking, place, "is nested too deeply, or contains itself");
    luaL_checkstack(lua, 8, "data is nested too deeply");
    size_t items = 0, fields = 0;
    lua_Integer highest = 0;
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        if (lua_isinteger(lua, -2)) {
            lua_Integer key = lua_tointeger(lua, -2);
            highest = key < 1 ? LUA_MAXINTEGER : key > highest ? key : highest;
            items++;
        } else if (lua_type(lua, -2) == LUA_TSTRING) {
            fields++;
        } else {
            refuse(taking, place, "has keys that are neither names nor 1, 2, 3 ...");
        }
    }
    script_charge(lua, items + fields);
    charge_memory(taking, place, items * sizeof(struct value *));
    charge_memory(taking, place, fields * sizeof(struct value_field));
    if (items > 0 && fields > 0)
        refuse(taking, place, "mixes named fields with list items");
    if ((lua_Unsigned)highest != items)
        refuse(taking, place, "is a list with holes: its items are not 1, 2, 3 ...");
    return fields > 0 ? take_table(taking, index, place, fields)
                      : take_list(taking, index, place, items);
}

static struct value *take(const struct taking *taking, int index, const struct place *place) {
    lua_State *lua = taking->lua;
    struct value *value = NULL;
    size_t length;
    const char *string;
    charge_memory(taking, place, sizeof *value);
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
        value = value_nil(taking->arena);
        break;
    case LUA_TBOOLEAN:
        value = value_boolean(taking->arena, lua_toboolean(lua, index));
        break;
    case LUA_TNUMBER:
        value = lua_isinteger(lua, index) ? value_integer(taking->arena, lua_tointeger(lua, index))
                                          : value_number(taking->arena, lua_tonumber(lua, index));
        break;
    case LUA_TSTRING:
        string = lua_tolstring(lua, index, &length);
        if (strlen(string) != length)
            refuse(taking, place, "is a string that holds a NUL");
        charge_memory(taking, place, length + 1);
        value = value_string(taking->arena, string);
        break;
    case LUA_TTABLE:
        value = take_container(taking, index, place);
        break;
    default:
        string = lua_typename(lua, lua_type(lua, index));
        lua_pushfstring(lua, "is a %s, plain data is expected", string);
        refuse(taking, place, lua_tostring(lua, -1));
    }
    value->line = taking->chunk == UNWRITTEN ? 0 : place->line;
    return value;
}

struct value *script_take_value(lua_State *lua, int index, struct arena *arena) {
    struct taking taking = {.lua = lua, .arena = arena, .chunk = UNWRITTEN};
    struct place place = {.name = "the value"};
    return take(&taking, lua_absindex(lua, index), &place);
}

struct value *script_take_written(lua_State *lua, int index, struct arena *arena, int chunk,
                                  const char *name, int line, const struct source_table *written,
                                  bool skip_functions) {
    struct taking taking = {
        .lua = lua, .arena = arena, .chunk = chunk, .skip_functions = skip_functions};
    struct place place = {.name = name, .line = line, .written = written};
    return take(&taking, lua_absindex(lua, index), &place);
}
