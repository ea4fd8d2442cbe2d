// Random weights: a stand-in for a checkpoint. An element depends on the seed, the tensor's name
// and its index alone, so that every packing of a model holds the same model.
#ifndef RUNTIME_RANDOM_WEIGHTS_H
#define RUNTIME_RANDOM_WEIGHTS_H

#include "runtime/manifest.h"

#include <stddef.h>
#include <stdint.h>

// What stands for a tensor of that name.
uint64_t random_weights_key(uint64_t seed, const char *tensor);

// Writes elements first .. first + count - 1 of the tensor to `to` ([count] of dtype, aligned to
// nothing): nearly normal (the sum of four uniform numbers), mean 0, standard deviation
// 1 / sqrt(columns).
void random_weights_fill(uint64_t key, uint64_t columns, enum weight_dtype dtype, uint64_t first,
                         size_t count, void *to);

#endif
