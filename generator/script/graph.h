// Graph language: the functions that the script's current family may call, and the calls into that
// family. `embed`, `linear` ... of model/ops.def, tensors(format, layer), refuse(message, key) and
// is_null(table, key).
#ifndef GENERATOR_SCRIPT_GRAPH_H
#define GENERATOR_SCRIPT_GRAPH_H

#include "generator/model/config.h"
#include "generator/model/graph.h"
#include "generator/script/script.h"

// Calls the family's config(c) with the config's value and makes *numbers, a table, of what it
// returns. Fields that are nil are absent from c, but is_null knows them. refuse(message, key)
// inside it ends in a diagnostic at the key of the config.
// Requires: script_read has kept a family. Returns false after adding diagnostics.
bool script_family_config(struct script *script, const struct config *config, struct arena *arena,
                          struct value **numbers, struct diagnostics *diagnostics);

// Calls the family's graph(m) with the numbers; its ops are added to `graph`. *result becomes the
// node that it returned. Reading a number that `numbers` lacks is an error; refuse(message, key)
// ends in a diagnostic where graph->locate says that the number is.
// Requires: script_read has kept a family. Returns false after adding diagnostics.
bool script_family_graph(struct script *script, const struct value *numbers, struct graph *graph,
                         int *result, struct diagnostics *diagnostics);

#endif
