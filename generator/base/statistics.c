#include "generator/base/statistics.h"

#include "generator/base/arena.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct statistics statistics_of(const double *values, size_t count) {
    struct arena arena = {0};
    double *sorted = arena_array(&arena, count, sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    const double median = sorted[(count - 1) / 2], least = sorted[0], most = sorted[count - 1];
    arena_close(&arena);
    return (struct statistics){median, least, most, median > 0 ? 100 * (most - least) / median : 0};
}
