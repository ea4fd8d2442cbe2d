// Tuned: finds what `monogen tune` kept for a model and a target, and lets the planner use it.
#ifndef GENERATOR_COMMANDS_TUNED_H
#define GENERATOR_COMMANDS_TUNED_H

#include "generator/commands/command_line.h"
#include "generator/pipeline/pipeline.h"

struct tuned {
    const struct command_line *line;
    const struct installation *installation;
};

// <folder>/tunings/<model>-<target>.lua, for a cache folder or the folder of specs.
const char *tuned_path(struct arena *arena, const char *folder, const char *model,
                       const char *target);

// Has the type of generation_request.advise; context: a struct tuned. Looks into the cache folder,
// then into the specs. A file that does not fit any more, or is damaged, is not used, and a note
// says why; named by --tuning it is an error instead. Nothing is used with --no-tuning, and nothing
// is sought where --set sets what a tuning sets.
bool tuned_advise(void *context, const struct advice_request *request, struct advice *advice,
                  struct diagnostics *diagnostics);

// "cus=3 tile_rows=4, measured: ...": what of a kept result is in the plan; NULL: nothing.
const char *tuned_text(const struct plan_plan *plan, struct arena *arena);

// Says it on stderr, where there is something to say.
void tuned_note(const struct plan_plan *plan);

#endif
