// Tuning: what a user or the tuner may fix before the planner chooses the rest.
#ifndef GENERATOR_PLAN_TUNING_H
#define GENERATOR_PLAN_TUNING_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"
#include "generator/model/model.h"

#include <stdbool.h>

struct tuning {
#define TUNING_INT(key, low, high, meaning) int key;
#define TUNING_NAME(key, values, meaning) const char *key;
#include "generator/plan/tuning.def"
#undef TUNING_INT
#undef TUNING_NAME
};

// Takes the overrides that are tuning keys out of the list (marks them used), checking ranges and
// names. Strings are copied into the arena.
bool tuning_take(struct tuning *tuning, struct override_list *overrides, struct arena *arena,
                 struct diagnostics *diagnostics);

// A usage error for every override that nobody recognised, with the nearest key that there is.
bool tuning_report_unknown(const struct override_list *overrides, struct diagnostics *diagnostics);

// A line a key with its values and meaning, for --help and inspect.
void tuning_print_keys(struct text *out);

// The same as a list of tables: name, meaning, and either least and most or a list of values.
struct value *tuning_keys_value(struct arena *arena);

// "kv=bf16 cus=256", the keys that are set, for the plan and the emitted overview; "default".
void tuning_print(const struct tuning *tuning, struct text *out);

#endif
