// Signature: all that a measurement depended on, in parts, so that a mismatch can be named.
#ifndef GENERATOR_TUNE_SIGNATURE_H
#define GENERATOR_TUNE_SIGNATURE_H

#include "generator/base/diagnostic.h"
#include "generator/model/model.h"
#include "generator/target/target.h"

enum signature_part {
#define SIGNATURE_PART(name, meaning) SIGNATURE_##name,
#include "generator/tune/signature.def"
#undef SIGNATURE_PART
    SIGNATURE_PARTS
};

struct signature {
    const char *parts[SIGNATURE_PARTS]; // text or a digest
};

const char *signature_part_name(enum signature_part part);

// The signature of what is here now. `templates`: the folder; `worker`: of the compiler, NULL: the
// usual one. Arena-owned. False after adding a diagnostic: templates that cannot be read, a
// compiler that is missing.
bool signature_make(const struct model *model, const struct target *target, const char *templates,
                    const char *worker, struct arena *arena, struct signature *signature,
                    struct diagnostics *diagnostics);

// Says how `there` (of a file) differs from `here`, as "another compiler (gcc 12 there, gcc 13
// here)"; NULL: it does not. The machine counts only where both know theirs.
const char *signature_difference(const struct signature *there, const struct signature *here,
                                 struct arena *arena);

#endif
