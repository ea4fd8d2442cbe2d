// From Lua's errors to located diagnostics.
#include "generator/script/script_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Finding a level of the stack takes time that grows with the level.
enum { CALLERS_SHOWN = 2, LEVELS_SEARCHED = 100, MESSAGE_BYTES = 2048 };

static const char reported_key = 0;

_Noreturn void script_raise_reported(lua_State *lua) {
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&reported_key);
    lua_error(lua);
    abort(); // lua_error does not return
}

bool script_is_reported(lua_State *lua) { return lua_touserdata(lua, -1) == &reported_key; }

// Reads the prefix "#1:12: " of a message; returns what follows it, or NULL where there is none.
static const char *read_prefix(const char *message, size_t *chunk, int *line) {
    if (message[0] != '#' || !isdigit((unsigned char)message[1]))
        return NULL;
    char *end;
    *chunk = strtoul(message + 1, &end, 10);
    if (*end != ':' || !isdigit((unsigned char)end[1]))
        return NULL;
    *line = (int)strtol(end + 1, &end, 10);
    return strncmp(end, ": ", 2) == 0 ? end + 2 : NULL;
}

// The innermost line of Lua at `*level` of the stack or further out; moves *level past it.
static bool find_line(lua_State *lua, int *level, size_t *chunk, int *line) {
    lua_Debug frame;
    while (*level < LEVELS_SEARCHED && lua_getstack(lua, (*level)++, &frame)) {
        lua_getinfo(lua, "Sl", &frame);
        if (frame.currentline > 0 && strncmp(frame.source, "=#", 2) == 0) {
            *chunk = strtoul(frame.source + 2, NULL, 10);
            *line = frame.currentline;
            return *chunk < script_of(lua)->chunk_count;
        }
    }
    return false;
}

// The next line of Lua further out that is not the same again (recursion).
static bool next_caller(lua_State *lua, int *level, size_t *chunk, int *line) {
    size_t inner_chunk = *chunk;
    int inner_line = *line;
    while (find_line(lua, level, chunk, line)) {
        if (*chunk != inner_chunk || *line != inner_line)
            return true;
    }
    return false;
}

void script_note_callers(lua_State *lua, struct diagnostics *diagnostics) {
    const struct script *script = script_of(lua);
    int level = 0, line;
    size_t chunk;
    if (!find_line(lua, &level, &chunk, &line))
        return;
    for (int i = 0; i < CALLERS_SHOWN && next_caller(lua, &level, &chunk, &line); i++)
        diagnostic_note(diagnostics, "called from %s:%d", script->chunks[chunk].file, line);
}

// Where the innermost line of Lua is, of those in `file` unless that is NULL.
static struct location find_location(lua_State *lua, const char *file) {
    int level = 0, line;
    size_t chunk;
    while (find_line(lua, &level, &chunk, &line)) {
        const struct script_chunk *known = &script_of(lua)->chunks[chunk];
        if (!file || strcmp(known->file, file) == 0)
            return (struct location){.file = known->file, .line = line, .source = known->source};
    }
    return (struct location){0};
}

struct location script_location(lua_State *lua) {
    return find_location(lua, NULL);
}

struct location script_location_in(lua_State *lua, const char *file) {
    return find_location(lua, file);
}

struct location script_location_of_caller(lua_State *lua) {
    int level = 0, line;
    size_t chunk;
    if (!find_line(lua, &level, &chunk, &line))
        return (struct location){0};
    next_caller(lua, &level, &chunk, &line); // where there is none, both stay
    const struct script_chunk *known = &script_of(lua)->chunks[chunk];
    return (struct location){.file = known->file, .line = line, .source = known->source};
}

_Noreturn void script_raise(lua_State *lua, const char *format, ...) {
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    int level = 0, line;
    size_t chunk;
    if (find_line(lua, &level, &chunk, &line))
        lua_pushfstring(lua, "#%d:%d: %s", (int)chunk, line, message);
    else
        lua_pushstring(lua, message);
    lua_error(lua);
    abort(); // lua_error does not return
}

_Noreturn void script_raise_absent(lua_State *lua, const char *what, const char *name,
                                   const char *const *names, size_t count) {
    const char *nearest = nearest_name(name, names, count);
    luaL_Buffer list;
    luaL_buffinit(lua, &list);
    for (size_t i = 0; i < count; i++) {
        luaL_addstring(&list, i == 0 ? "" : ", ");
        luaL_addstring(&list, names[i]);
    }
    luaL_pushresult(&list);
    script_raise(lua, "%s '%s'%s%s%s\nnote: it has: %s", what, name,
                 nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "",
                 lua_tostring(lua, -1));
}

int script_message_handler(lua_State *lua) {
    if (script_is_reported(lua))
        return 1;
    if (lua_type(lua, -1) != LUA_TSTRING)
        lua_pushfstring(lua, "the script raised an error that is a %s", luaL_typename(lua, -1));
    int error = lua_gettop(lua);
    const struct script *script = script_of(lua);
    size_t chunk, innermost = 0;
    int level = 0, line, innermost_line = 0;
    luaL_Buffer message;
    bool running = find_line(lua, &level, &innermost, &innermost_line);
    luaL_buffinit(lua, &message);
    if (running && !read_prefix(lua_tostring(lua, error), &chunk, &line)) {
        lua_pushfstring(lua, "#%d:%d: ", (int)innermost, innermost_line);
        luaL_addvalue(&message);
    }
    lua_pushvalue(lua, error);
    luaL_addvalue(&message);
    chunk = innermost;
    line = innermost_line;
    for (int i = 0; running && i < CALLERS_SHOWN && next_caller(lua, &level, &chunk, &line); i++) {
        lua_pushfstring(lua, "\nnote: called from %s:%d", script->chunks[chunk].file, line);
        luaL_addvalue(&message);
    }
    luaL_pushresult(&message);
    return 1;
}

// The word of the message that the caret should point at: the one that the parser stopped "near",
// else the last quoted one. Written to `word`, "" where there is none.
static void find_word(const char *message, char *word, size_t bytes) {
    word[0] = '\0';
    const char *near = strstr(message, " near ");
    const char *start = NULL, *end = NULL;
    if (near && near[6] == '\'') {
        start = near + 7;
        end = strrchr(start, '\'');
    } else if (!near) {
        for (const char *open = strchr(message, '\''); open; open = strchr(end + 1, '\'')) {
            const char *close = strchr(open + 1, '\'');
            if (!close)
                break;
            start = open + 1;
            end = close;
        }
    }
    if (start && end && (size_t)(end - start) < bytes) {
        memcpy(word, start, (size_t)(end - start));
        word[end - start] = '\0';
    }
}

static struct location locate(const struct script_chunk *chunk, int line, const char *message) {
    char word[128];
    find_word(message, word, sizeof word);
    struct location at = location_of_word(chunk->file, chunk->source, line, word);
    // Punctuation that appears twice could be either.
    if (at.column > 0 && !isalnum((unsigned char)word[0]) && word[0] != '_') {
        const char *text = at.source;
        for (int skip = 1; skip < line; skip++)
            text = strchr(text, '\n') + 1;
        const char *again = strstr(text + at.column, word);
        if (again && again < text + strcspn(text, "\n"))
            at.column = 0;
    }
    return at;
}

void script_report(struct script *script, const char *file, struct diagnostics *diagnostics) {
    lua_State *lua = script->state;
    if (script_is_reported(lua))
        return;
    struct arena arena = {0};
    const char *raw = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    char *message = arena_string(&arena, raw ? raw : "the script raised an error without a text");
    const char *text = message, *rest;
    struct script_chunk here = {.file = file};
    size_t chunk;
    int line = 0;
    // An error that was caught and raised again has several prefixes: the last is where it began.
    while ((rest = read_prefix(text, &chunk, &line))) {
        text = rest;
        if (chunk < script->chunk_count)
            here = script->chunks[chunk];
    }
    char limit[160];
    if (script->exceeded == LIMIT_MEMORY) { // what Lua said may be any consequence of it
        text = script_limit_message(script, limit, sizeof limit);
        if (line == 0 && script->refused_at.file) {
            line = script->refused_at.line;
            here = (struct script_chunk){script->refused_at.file, script->refused_at.source};
        }
    }
    char *note = strstr(text, "\nnote: ");
    if (note)
        *note = '\0';
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, locate(&here, line, text), "%s", text);
    while (note) {
        char *start = note + strlen("\nnote: ");
        note = strstr(start, "\nnote: ");
        if (note)
            *note = '\0';
        diagnostic_note(diagnostics, "%s", start);
    }
    arena_close(&arena);
}

void script_push_readable_message(lua_State *lua) {
    const struct script *script = script_of(lua);
    size_t chunk;
    int line;
    const char *message = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    const char *rest = message ? read_prefix(message, &chunk, &line) : NULL;
    if (rest && chunk < script->chunk_count)
        lua_pushfstring(lua, "%s:%d: %s", script->chunks[chunk].file, line, rest);
    else
        lua_pushvalue(lua, -1);
}
