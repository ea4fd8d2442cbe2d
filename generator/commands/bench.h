// Bench: what one run of it measured, and how that is printed.
#ifndef GENERATOR_COMMANDS_BENCH_H
#define GENERATOR_COMMANDS_BENCH_H

#include "generator/base/digest.h"
#include "generator/base/statistics.h"
#include "generator/commands/command_line.h"
#include "generator/commands/kernel.h"
#include "generator/commands/measure.h"
#include "generator/commands/sweep.h"
#include "generator/commands/traced.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_MAX_CONTEXTS = 32 };

// Everything at one context.
struct bench_context {
    uint32_t positions;                            // that the KV cache holds before the first token
    double *us_per_token, *processor_us_per_token; // [repeats]
    struct statistics us, processor_us;
    double kv_bytes, read_gbps;
    double sweep_share_percent, processor_share_percent; // where there is a sweep
    struct measured_energy energy;
    uint32_t launches;
    char text_digest[DIGEST_TEXT_BYTES];
};

// One way of sweeping, once in each repeat and in the warm-up.
struct bench_sweep {
    double *gbps, *processor_gbps; // [sweeps]
    struct statistics speed, processor_speed;
};

enum { PEER_RUNS = 2 }; // before and after the kernel

// One row of a peer, as its runs told it.
struct bench_peer {
    const char *name;
    int64_t positions;                // of its context; -1: it did not say
    double us_per_token[PEER_RUNS];   // [runs]
    size_t runs;                      // that told it
    int newest_run;                   // of those, from 1
    double best_us;                   // the least of them
    const struct bench_context *ours; // that it is compared with: the context that it says, else
                                      // the first; NULL: that one was not measured
    double speed_ratio;               // how many times as fast as its best ours is; with `ours`
};

struct bench {
    const struct command_line *line;
    struct arena *arena;
    struct kernel *kernel;
    struct diagnostics *diagnostics;
    struct bench_context contexts[BENCH_MAX_CONTEXTS];
    int context_count;
    uint32_t tokens; // of a launch
    size_t repeats;
    struct monogen_memory memory; // of the device, that the kernel took
    struct sweep sweep;
    struct bench_sweep sweeps[SWEEP_MOST_WAYS]; // [sweep.way_count]
    size_t sweep_count;                         // of each way
    int best_way;                               // the one that read fastest
    struct bench_peer *peers;
    size_t peer_count;
    struct traced traced; // with --trace
};

double bench_weight_bytes(const struct bench *bench); // of a token

// Whether the time of processors says something about the kernel.
bool bench_uses_processors(const struct bench *bench);

void bench_print(const struct bench *bench, bool json);

#endif
