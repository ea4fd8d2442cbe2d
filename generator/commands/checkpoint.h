// Checkpoint: which weights a command uses.
#ifndef GENERATOR_COMMANDS_CHECKPOINT_H
#define GENERATOR_COMMANDS_CHECKPOINT_H

#include "generator/pipeline/pipeline.h"

// The checkpoint folder of a spec: a folder is its own, whatever is in it, a spec's is
// <specs>/checkpoints/<name>. NULL where there is none.
const char *checkpoint_of_spec(const struct installation *installation, const char *spec,
                               struct arena *arena);

// The folder that --weights names (`wanted`), else that of the spec; *folder is NULL for "random".
// False after a usage error that says what to do.
bool checkpoint_find(const struct installation *installation, const char *spec, const char *wanted,
                     struct arena *arena, const char **folder, struct diagnostics *diagnostics);

// The folder that `name` means to a command that needs no weights: a spec's checkpoint, else the
// folder itself. NULL after adding a diagnostic.
const char *checkpoint_or_folder(const struct installation *installation, const char *name,
                                 struct arena *arena, struct diagnostics *diagnostics);

// Says on stderr which tensors of the checkpoint `folder` no op of the model reads, if there are
// any: its config.json may be of another model. A checkpoint that cannot be opened has none.
void checkpoint_note_unused(const char *folder, const struct model *model);

#endif
