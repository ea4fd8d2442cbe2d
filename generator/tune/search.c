#include "generator/tune/search.h"

// A point is given up when its fastest measurement is so much slower than the median of the best.
static const double HOPELESS = 1.3;
enum { ROUNDS_BEFORE_GIVING_UP = 2 };

static int best_of(const struct tune_search *search, const struct tune_result *results) {
    int best = -1;
    for (int i = 0; i < search->point_count; i++)
        if (!results[i].impossible && results[i].measured > 0 &&
            (best < 0 || results[i].us.median < results[best].us.median))
            best = i;
    return best;
}

static void give_up(const struct tune_search *search, struct tune_result *results) {
    const int best = best_of(search, results);
    for (int i = 0; i < search->point_count; i++)
        if (best >= 0 && !results[i].impossible &&
            results[i].us.least > HOPELESS * results[best].us.median)
            results[i].given_up = true;
}

// Measures a point. False: the search has to stop.
static bool measure(const struct tune_search *search, int round, int point,
                    struct tune_result *results) {
    struct tune_result *result = &results[point];
    double us_per_token = 0;
    const char *why = "it cannot be measured";
    search->progress(search->context, round, point, results, best_of(search, results));
    switch (search->measure(search->context, point, &us_per_token, &why)) {
    case TUNE_MEASURED:
        result->us_per_token[result->measured++] = us_per_token;
        result->us = statistics_of(result->us_per_token, (size_t)result->measured);
        return true;
    case TUNE_IMPOSSIBLE:
        result->impossible = why;
        return true;
    case TUNE_STOP:
        break;
    }
    return false;
}

bool tune_search_run(const struct tune_search *search, struct arena *arena,
                     struct tune_result *results, int *best) {
    const double start = search->seconds_now(search->context);
    *best = -1;
    for (int i = 0; i < search->point_count; i++)
        results[i] = (struct tune_result){
            .us_per_token = arena_array(arena, (size_t)search->rounds, sizeof(double))};
    for (int round = 0; round < search->rounds; round++) {
        if (round == ROUNDS_BEFORE_GIVING_UP)
            give_up(search, results);
        for (int i = 0; i < search->point_count; i++) {
            const int point = round % 2 ? search->point_count - 1 - i : i;
            const bool over = round > 0 && search->budget_seconds > 0 &&
                              search->seconds_now(search->context) - start > search->budget_seconds;
            if (over || results[point].impossible || results[point].given_up)
                continue;
            if (!measure(search, round, point, results))
                return false;
        }
    }
    *best = best_of(search, results);
    return *best >= 0;
}
