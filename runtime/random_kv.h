// Random KV: a context that was never decoded, for measurements at a long context.
#ifndef RUNTIME_RANDOM_KV_H
#define RUNTIME_RANDOM_KV_H

#include "runtime/backend/backend.h"
#include "runtime/manifest.h"

#include <stdbool.h>
#include <stdint.h>

// Fills K and V of positions first .. end - 1 in `memory` [memory.kv_bytes] with random numbers
// (nearly normal, mean 0, standard deviation 1). An element depends on the seed, its layer, head
// and position alone, so that a cache of any size holds the same context. Requires: first <=
// end <= model.context. False after filling *error.
bool random_kv_fill(const struct manifest *manifest, uint32_t first, uint32_t end, uint64_t seed,
                    const struct backend *backend, struct device *device,
                    const struct device_memory *memory, struct monogen_error *error);

#endif
