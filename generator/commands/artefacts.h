// Artefacts: the numbered files that generate wrote into a folder, read back. They may have been
// edited since, or come from anywhere.
#ifndef GENERATOR_COMMANDS_ARTEFACTS_H
#define GENERATOR_COMMANDS_ARTEFACTS_H

#include "generator/compile/compile.h"
#include "generator/plan/plan.h"
#include "generator/render/render.h"

// What 7-manifest.json says beside what the runtime needs.
struct manifest_facts {
    const char *generator, *plan_digest, *object, *compiler;
    struct kernel_resources resources;
};

struct artefacts {
    struct arena *arena;
    const char *folder;
    struct diagnostics *diagnostics;
};

// The text of one artefact ("3-kernel.hip"), NUL-terminated. NULL after adding a diagnostic, which
// says what a folder of generate has.
const char *artefacts_text(const struct artefacts *artefacts, const char *name);

bool artefacts_plan(const struct artefacts *artefacts, struct plan_plan *plan);
bool artefacts_map(const struct artefacts *artefacts, struct line_map *map);
bool artefacts_manifest(const struct artefacts *artefacts, struct manifest_facts *facts);

#endif
