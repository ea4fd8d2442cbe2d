// Render: a plan and the templates become one HIP source file and its line map.
#ifndef GENERATOR_RENDER_RENDER_H
#define GENERATOR_RENDER_RENDER_H

#include "generator/base/text.h"
#include "generator/base/value.h"
#include "generator/script/script.h"

// Where an emitted line comes from.
struct line_origin {
    const char *template_file; // relative to the templates folder, e.g. "stage_linear.hip"
    int template_line;         // 1-based
    int step;                  // of the schedule, -1 where the line belongs to none
    const char *spec_file;     // NULL where the line belongs to no line of a spec
    int spec_line;
};

struct line_map {
    struct line_origin *origins; // [count], origins[i] is emitted line i + 1
    size_t count;
};

// Renders `entry` ("kernel.hip") from the folder `templates` into `source` and `map`, replacing
// what they held; both are empty after a failure.
//
// A line whose first non-blank characters are //@ is Lua; $(expression) inserts a value: a string
// as it is, an integer in decimal, a float in the shortest form that reads back, a boolean as true
// or false; nil or a table is an error. Every other line is emitted, the lines inside a function
// too
// (//@ function f(x) ... //@ end), whenever it is called. Available to the Lua: `plan`,
// include(FILE) (renders another template in place, with its own locals; globals are shared; FILE
// relative to the templates folder and inside it), verbatim(FILE) (inserts a file untouched; FILE
// may also start with "../"), from(step, spec_file, spec_line) (what the lines emitted from here on
// belong to; the step or the spec may be nil; from() ends it), here() ("stage_linear.hip:14", the
// template line that calls it), and the sandbox's library (script.h). An error names the template's
// file and line. `map` and its strings live in `arena`. Requires: the value is what plan_to_value
// made.
bool render(struct script *script, const char *templates, const char *entry,
            const struct value *plan, struct arena *arena, struct text *source,
            struct line_map *map, struct diagnostics *diagnostics);

// The map as text, one line an emitted line: "312 stage_linear.hip:14 step 29 specs/x.lua:15"
// (the last two parts where they are). line_map_read reads it back.
void line_map_print(const struct line_map *map, struct text *out);
bool line_map_read(const char *file, const char *text, struct arena *arena, struct line_map *map,
                   struct diagnostics *diagnostics);

#endif
