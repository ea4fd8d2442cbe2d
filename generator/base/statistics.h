// Statistics of a few repeated measurements.
#ifndef GENERATOR_BASE_STATISTICS_H
#define GENERATOR_BASE_STATISTICS_H

#include <stddef.h>

struct statistics {
    double median; // the lower one of the two middle ones
    double least, most;
    double spread_percent; // (most - least) / median
};

// Of values [count], which stay as they are. Requires: count >= 1, none is not a number.
struct statistics statistics_of(const double *values, size_t count);

#endif
