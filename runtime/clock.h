// Clock: a clock's reading in seconds, for the difference of two readings.
#ifndef RUNTIME_CLOCK_H
#define RUNTIME_CLOCK_H

#include <time.h>

// clock: CLOCK_MONOTONIC for time that passes, CLOCK_PROCESS_CPUTIME_ID for what this process used
// of its processors.
double clock_seconds(clockid_t clock);

#endif
