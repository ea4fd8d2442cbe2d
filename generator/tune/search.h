// Search: which point of a space is fastest. Points are measured in rounds that take turns, so that
// what the machine does meanwhile falls on all of them; the median decides. Knows neither kernels
// nor clocks: both are the caller's.
#ifndef GENERATOR_TUNE_SEARCH_H
#define GENERATOR_TUNE_SEARCH_H

#include "generator/base/arena.h"
#include "generator/base/statistics.h"

#include <stdbool.h>

enum tune_outcome {
    TUNE_MEASURED,
    TUNE_IMPOSSIBLE, // this point cannot be measured: it is left out from now on
    TUNE_STOP,       // the search ends without a result: an error or a signal
};

// What the search knows of a point.
struct tune_result {
    double *us_per_token; // [rounds], [measured] of them are there
    int measured;
    struct statistics us;   // where measured > 0
    const char *impossible; // why it cannot be measured; NULL: it can
    bool given_up;          // too slow to be worth the later rounds
};

struct tune_search {
    int point_count;
    int rounds;            // of measurements, at most
    double budget_seconds; // after which no measurement starts, once each point has one; 0: none
    void *context;         // of the functions below
    // Measures a point once: *us_per_token, or *why (arena- or caller-owned) where it is
    // impossible.
    enum tune_outcome (*measure)(void *context, int point, double *us_per_token, const char **why);
    double (*seconds_now)(void *context);
    // Called before each measurement; best: the point that leads, -1 before the first.
    void (*progress)(void *context, int round, int point, const struct tune_result *results,
                     int best);
};

// Fills results [point_count] (arena-owned arrays in it) and *best, the point with the least
// median; of equals the first. Every other round goes through the points backwards. After two
// rounds points far behind the best are given up. False: stopped, or no point could be measured
// (*best is -1).
bool tune_search_run(const struct tune_search *search, struct arena *arena,
                     struct tune_result *results, int *best);

#endif
