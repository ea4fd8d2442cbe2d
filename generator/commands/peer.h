// Peer: another program that generates tokens, run by bench to be compared with in the same run.
#ifndef GENERATOR_COMMANDS_PEER_H
#define GENERATOR_COMMANDS_PEER_H

#include "generator/base/arena.h"
#include "generator/base/diagnostic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a peer says of itself.
struct peer_figure {
    const char *name;  // "peer" where it gives none
    int64_t positions; // of its context; -1: it does not say
    double us_per_token;
};

struct peer_figures {
    struct peer_figure *items; // [count], in the order of the lines
    size_t count;
};

struct peer_request {
    const char *command; // for sh -c
    // What it may look at: MONOGEN_BENCH_SPEC, _CONTEXTS and _TOKENS of its environment.
    const char *spec, *contexts;
    uint32_t tokens;
};

// Runs the command to its end, an hour at the most, and reads what it prints: see peer_read. False
// after adding a diagnostic, and after a signal.
bool peer_run(const struct peer_request *request, struct arena *arena, struct peer_figures *figures,
              struct diagnostics *diagnostics);

// Reads the figures in what a command printed, at least one, each a line of its own:
//   us_per_token 992.6
//   tokens_per_second 1007.5
//   {"name": "torch.compile", "context": 64, "us_per_token": 1494.0}
// where name and context may be left out, and tokens_per_second may stand for us_per_token. Other
// lines are the command's own affair. False after adding a diagnostic: there is none, or one cannot
// be read.
bool peer_read(const char *command, const char *output, struct arena *arena,
               struct peer_figures *figures, struct diagnostics *diagnostics);

#endif
