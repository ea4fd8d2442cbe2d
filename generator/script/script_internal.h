// What the files of the script room share: the state, its limits, and how Lua errors become
// located diagnostics. Functions that take a lua_State may raise a Lua error (a longjmp): they are
// called inside script_protected only, and whoever calls them holds no memory that only he can
// free.
#ifndef GENERATOR_SCRIPT_SCRIPT_INTERNAL_H
#define GENERATOR_SCRIPT_SCRIPT_INTERNAL_H

#include "generator/script/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

// Chunks are named "#0", "#1" ... inside Lua, so that a message "#1:12: ..." can be split whatever
// the file is called.
struct script_chunk {
    const char *file, *source;
};

enum script_limit { LIMIT_NONE, LIMIT_INSTRUCTIONS, LIMIT_TIME, LIMIT_MEMORY };

struct script {
    lua_State *state;
    struct script_limits limits;
    size_t memory_used;
    size_t memory_copied;            // see script_has_room
    int memory_refusals;             // since the outermost script_protected began
    struct location refused_at;      // the line that asked for too much; line 0: none did
    long long instructions_left;     // of the outermost script_protected
    double deadline;                 // seconds of CLOCK_MONOTONIC
    enum script_limit exceeded;      // once set, every instruction raises until all is unwound
    int depth;                       // script_protected calls that are running
    struct diagnostics *diagnostics; // of the innermost of them
    struct arena arena;              // this struct, chunks
    struct arena scratch;            // emptied when the outermost script_protected ends
    struct script_chunk *chunks;
    size_t chunk_count;
    int library;           // registry: the sandbox's functions, from which globals are copied
    int globals_metatable; // registry: makes reading an undefined name an error
    int render_globals;    // registry: of the current render
    int family;            // registry: the table of the family that was read last
    int family_globals;    // registry: the globals of its functions
    script_find_library *find_library;
    void *find_library_context;
};

struct script *script_of(lua_State *lua);

// Runs `function` with the light userdata `argument` at index 1, under the limits. A Lua error
// becomes a diagnostic; `file` names the place of errors that have none (out of memory). Can be
// nested: limits and time count from the outermost call. Returns whether no error was raised.
bool script_protected(struct script *script, lua_CFunction function, void *argument,
                      const char *file, struct diagnostics *diagnostics);

// Pushes a fresh table of globals: the sandbox's library, undefined names are errors.
void script_push_globals(lua_State *lua);
// Push the family that script_read kept and the globals its functions see; a table each, or nil.
// A function set as a field of the globals is visible to the family's functions.
void script_push_family(lua_State *lua);
void script_push_family_globals(lua_State *lua);
// Pushes the compiled chunk, whose globals are the table at `globals`. Raises syntax errors.
// Errors show the lines of `shown_source`, which has the line numbers of `source`. Returns which of
// script.chunks it is.
int script_push_chunk(lua_State *lua, int globals, const char *file, const char *source,
                      const char *shown_source);

// Pushes a value as Lua data: lists as sequences, tables with string keys.
void script_push_value(lua_State *lua, const struct value *value);
// The plain data at `index` as a value, fields sorted by name. Raises an error located at the
// calling line where it is not plain data.
struct value *script_take_value(lua_State *lua, int index, struct arena *arena);

// Raises a message located at the innermost running line of Lua. Where its last 'quoted' word is
// found in that line, the caret points at it. "\nnote: " starts a note.
_Noreturn void script_raise(lua_State *lua, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Raises "<what> '<name>'", with the nearest of the names, [count], that are there, and a note of
// all.
_Noreturn void script_raise_absent(lua_State *lua, const char *what, const char *name,
                                   const char *const *names, size_t count);
// Stops the script without a message of its own: a diagnostic was added already. Cannot be caught.
_Noreturn void script_raise_reported(lua_State *lua);
// The line of Lua that called the running C function (file NULL where there is none). `source` is
// set, `column` 0. Strings live as long as the script.
struct location script_location(lua_State *lua);

// The line of Lua that called the Lua function which called the running C function; the line of
// script_location where there is none.
struct location script_location_of_caller(lua_State *lua);

// As script_location, but of the innermost line of Lua that stands in `file`.
struct location script_location_in(lua_State *lua, const char *file);

// Adds to the newest diagnostic, which is at the calling line, who called that: at most two notes.
void script_note_callers(lua_State *lua, struct diagnostics *diagnostics);

// Counts work that C does for a script against its instructions; raises when they are used up.
void script_charge(lua_State *lua, size_t instructions);

// Counts a copy that C makes of a script's data as memory of the script, until the outermost
// script_protected ends: one table in many places is one to Lua, and a copy for each place. Returns
// whether there is room for it.
bool script_has_room(struct script *script, size_t bytes);

// The parts of this room.
void *script_allocate(void *script, void *block, size_t old_bytes, size_t new_bytes);
void script_limits_begin(struct script *script);
void script_limits_end(struct script *script);
void script_exceed(struct script *script, enum script_limit limit);
const char *script_limit_message(const struct script *script, char *buffer, size_t bytes);
bool script_is_out_of_memory(lua_State *lua, int status); // of the error value on top

int script_message_handler(lua_State *lua);
bool script_is_reported(lua_State *lua); // the error value on top
void script_report(struct script *script, const char *file, struct diagnostics *diagnostics);
// Pushes the message on top of the stack again, with "#1:12:" spelled as the file it means.
void script_push_readable_message(lua_State *lua);

void script_push_library(lua_State *lua);
int script_undefined_name(lua_State *lua); // __index of globals
// Makes reading a name that the table on top lacks an error, which calls the table `noun`.
void script_refuse_absent_fields(lua_State *lua, const char *noun);

// Makes `library` a function in the globals of a family, which are at that index.
void script_add_library_function(lua_State *lua, int globals);

struct source_table;
// As script_take_value, for what `chunk` writes at `line` and calls `name` in errors: fields in the
// order of `written` (NULL: sorted). Functions in fields are left out where `skip_functions`.
struct value *script_take_written(lua_State *lua, int index, struct arena *arena, int chunk,
                                  const char *name, int line, const struct source_table *written,
                                  bool skip_functions);

#endif
