// Tuning file: what the tuner found, as Lua data that signs itself. A file that was edited or
// damaged is refused, for its digest covers all that it says.
//
//     tuning {
//       format = 1,
//       model = "austen-3m", target = "host",
//       set = { cus = 2, tile_rows = 8 },         -- empty: the planner's own choice was best
//       signature = { model = "5f1c...", ... },   -- see signature.def
//       measured = { us_per_token_median = 212.5, ... },
//       digest = "90ab...",
//     }
#ifndef GENERATOR_TUNE_TUNING_FILE_H
#define GENERATOR_TUNE_TUNING_FILE_H

#include "generator/script/script.h"
#include "generator/tune/signature.h"
#include "generator/tune/space.h"

struct tuning_file {
    const char *model, *target; // names
    struct tune_point point;
    struct signature signature;
    // How it was measured: microseconds a token of the winner and of the planner's own choice.
    double us_per_token_median, us_per_token_min, us_per_token_max, planner_us_per_token_median;
    int points_count, rounds_count, context_positions, launch_tokens;
    const char *kv_dtype, *text_digest;
};

// Prints the file, with its digest.
void tuning_file_print(const struct tuning_file *file, struct text *out);

// Reads what tuning_file_print wrote. Strings are arena-owned. False after adding a diagnostic,
// located where it can be: no such file, no Lua, another format, a wrong digest.
bool tuning_file_read(struct script *script, const char *path, struct arena *arena,
                      struct tuning_file *file, struct diagnostics *diagnostics);

// "measured: 1.08 times as fast as the planner's own choice, best of 13 points in 5 rounds (tuning
// 90ab...)", for the plan: no path, nothing of the day.
const char *tuning_file_reason(const struct tuning_file *file, struct arena *arena);

#endif
