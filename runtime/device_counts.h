// The counts of device_counts.def as numbers.
#ifndef RUNTIME_DEVICE_COUNTS_H
#define RUNTIME_DEVICE_COUNTS_H

#include <stdint.h>

struct device_counts {
#define DEVICE_COUNT(name, meaning) uint64_t name;
#include "runtime/device_counts.def"
#undef DEVICE_COUNT
};

#endif
