// Script: the one Lua 5.4 state of the program, sandboxed. Lua stands at both edges: specs come in
// through it as values and graphs, templates go out through it as text. Nothing else sees lua.h.
//
// The sandbox has no files, no processes, no bytecode, no debug, no coroutines, no patterns;
// `pairs` walks keys in sorted order; reading an undefined global is an error. A script that uses
// more than its instructions, its memory or its time is stopped wherever it is, inside pcall too.
// What it has: assert error ipairs pairs pcall select tonumber tostring type, KiB MiB GiB, math
// (without random), table (concat insert remove sort unpack; sort is stable), string (byte char
// find format len lower rep reverse sub upper; find takes plain text).
#ifndef GENERATOR_SCRIPT_SCRIPT_H
#define GENERATOR_SCRIPT_SCRIPT_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"

#include <stdbool.h>
#include <stddef.h>

struct script;

struct script_limits {
    size_t memory_bytes;
    long long instructions;
    double seconds;
};

// What specs and plans of any size need, with room: 512 MiB, 400 M instructions, 20 s.
struct script_limits script_default_limits(void);

// Returns NULL after adding a diagnostic where the state cannot be made.
struct script *script_open(struct script_limits limits, struct diagnostics *diagnostics);
void script_close(struct script *script);

// Runs `source` (named `file` in errors), in which each of `constructors` is a function taking one
// table: exactly one call of exactly one of them is expected. Its table becomes *value
// (arena-owned, fields in the order in which the source writes them, sorted where it does not;
// every value has the `line` of the nearest written place) and *constructor its name. For example
// constructors {"model"} and the source `model { name = "x", layers = 2 }`. An empty table is an
// empty list. A name that a table writes twice is an error. Functions inside the table are refused,
// except in the fields of the constructor "family": these are left out of *value, and the table
// stays alive as the script's current family, until the next one is read.
bool script_read(struct script *script, const char *file, const char *source,
                 const char *const *constructors, size_t constructor_count, struct arena *arena,
                 const char **constructor, struct value **value, struct diagnostics *diagnostics);

// A Lua file that families share: `library "name"` in one is the value that it returns. It runs
// with the globals of the family, under the same limits.
struct script_library {
    const char *file, *source; // must last until script_read returns
};

// Finds a library by its name, or returns false after adding diagnostics. `at`: the calling line.
typedef bool script_find_library(void *context, const char *name, struct location at,
                                 struct script_library *library, struct diagnostics *diagnostics);

// What script_read of families finds libraries with, until the next such call. NULL: there are
// none.
void script_use_libraries(struct script *script, script_find_library *find, void *context);

// One `//@` or `$()` template, translated to a Lua chunk by the render room. Runs it with the
// global `plan` = the plan's value, the functions of `functions`, and the globals that earlier
// chunks of the same render defined.
struct script_function {
    const char *name;
    // Called with the arguments as values (nil for functions); they and `arena` last until the call
    // returns. `at`: the calling line. Returns a value (NULL for none) or fails by adding a
    // diagnostic and setting *failed; where it has no location it gets `at`. May call
    // script_render_run.
    struct value *(*call)(void *context, struct arena *arena, struct location at,
                          struct value *const *arguments, size_t argument_count, bool *failed,
                          struct diagnostics *diagnostics);
    void *context;
};

// Starts a render: a fresh global table with the sandbox library, `plan` and the functions, whose
// contexts must last until the last script_render_run.
bool script_render_begin(struct script *script, const struct value *plan,
                         const struct script_function *functions, size_t function_count,
                         struct diagnostics *diagnostics);

// Runs one chunk in the global table of script_render_begin. `source` is the text whose line
// numbers errors speak of (the template), shown with the error.
bool script_render_run(struct script *script, const char *file, const char *chunk,
                       const char *source, struct diagnostics *diagnostics);

#endif
