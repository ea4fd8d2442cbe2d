#include "generator/commands/compare.h"

#include <math.h>
#include <stdlib.h>

struct comparison compare_logits(const float *logits, const float *reference, uint32_t vocab) {
    struct comparison result = {.margin = INFINITY};
    double difference = 0, norm = 0, second = -INFINITY;
    bool sound = true;
    for (uint32_t i = 0; i < vocab; i++) {
        const double a = (double)logits[i], b = (double)reference[i], error = fabs(a - b);
        sound = sound && isfinite(a) && isfinite(b);
        difference += error * error;
        norm += b * b;
        result.largest_error = error > result.largest_error ? error : result.largest_error;
        if (logits[i] > logits[result.chosen])
            result.chosen = i;
        if (i > 0 && reference[i] > reference[result.wanted]) {
            second = (double)reference[result.wanted];
            result.wanted = i;
        } else if (i > 0 && b > second) {
            second = b;
        }
    }
    if (vocab > 1)
        result.margin = (double)reference[result.wanted] - second;
    result.relative_rmse = norm > 0 ? sqrt(difference / norm) : difference > 0 ? INFINITY : 0;
    if (!sound) {
        result.relative_rmse = result.largest_error = INFINITY;
        result.margin = 0;
    }
    return result;
}

bool comparison_is_tie(const struct comparison *comparison) {
    return comparison->margin <= 2 * comparison->largest_error;
}

static int compare_doubles(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double median_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
    return values[(count - 1) / 2];
}
