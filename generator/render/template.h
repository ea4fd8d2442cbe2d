// Template: HIP text with Lua in it, translated to a Lua chunk.
#ifndef GENERATOR_RENDER_TEMPLATE_H
#define GENERATOR_RENDER_TEMPLATE_H

#include "generator/base/arena.h"
#include "generator/base/diagnostic.h"
#include "generator/base/text.h"

#include <stdbool.h>
#include <stddef.h>

// A piece of a line: text as it stands, or the expression of a $(...).
struct template_part {
    const char *bytes;
    size_t length;
    bool is_expression;
};

// Splits the line at `line` (ends at '\n' or NUL) into its parts, written to *parts (arena-owned).
// An empty line has none. Returns false and *problem, a message, where a $( is not closed on the
// line, holds nothing or holds a comment; *parts then ends with the text up to it.
bool template_split(struct arena *arena, const char *line, struct template_part **parts,
                    size_t *count, const char **problem);

// Appends to `chunk` a Lua chunk with one line for each line of `source`: the Lua of a `//@` line,
// or TEMPLATE_EMIT("text", (expression), "text" ...), one argument a part. `file` is for
// diagnostics.
#define TEMPLATE_EMIT "__emit"
bool template_translate(const char *file, const char *source, struct text *chunk,
                        struct diagnostics *diagnostics);

#endif
