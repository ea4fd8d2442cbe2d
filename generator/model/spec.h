// Spec: the numbers of one model, read from the table of a spec and checked. Which fields there
// are, what they may hold, and what must fit together, stands here alone.
#ifndef GENERATOR_MODEL_SPEC_H
#define GENERATOR_MODEL_SPEC_H

#include "generator/model/family.h"
#include "generator/model/fields.h"
#include "generator/model/rope.h"

enum { SPEC_MAX_FIELDS = MODEL_MAX_KEYS + FAMILY_MAX_NUMBERS };

// One rope = { ... } as it is written.
struct spec_rope {
    struct rope rope;
    const char *scaling; // its kind
    int dims;            // 0: all of a head
};

// What the fields of a spec are stored into.
struct spec {
    struct model model;
    struct spec_rope ropes[MODEL_MAX_ROPES]; // of rope, local_rope
};

// Where a spec comes from.
struct spec_source {
    struct field_source fields;
    const char *shown; // how emitted files name it
    struct override_list *overrides;
    struct arena *arena;
    struct diagnostics *diagnostics;
};

// Whether every spec may have this field, whatever its family.
bool spec_has_field(const char *name);

// From the table of a spec to checked numbers, with the RoPE frequencies and the constants of the
// model. `family` NULL: not known, and its numbers are not either. Replaces what --set names and
// adds the defaults of the family's numbers to `value`. Returns false after adding diagnostics.
bool spec_read(const struct spec_source *source, const struct family *family, struct value *value,
               struct spec *spec);

#endif
