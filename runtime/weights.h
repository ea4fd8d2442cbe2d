// Weights: from a checkpoint, or from random numbers, into the memories of a device, in the order
// in which the plan's CUs stream them. The packing rule is in docs/manifest.md.
#ifndef RUNTIME_WEIGHTS_H
#define RUNTIME_WEIGHTS_H

#include "runtime/backend/backend.h"
#include "runtime/manifest.h"
#include "runtime/safetensors.h"

#include <stdbool.h>
#include <stdint.h>

struct weight_source {
    const struct safetensors *checkpoint; // NULL: random weights, every vector 1
    uint64_t random_seed;
};

// Fills `weights` [memory.weights_bytes] and `vectors` [memory.vectors_bytes]. Packs on all
// processors: in place where the memory has a host address, else through a few MiB a thread (upload
// is called by one thread at a time). Requires: both memories are zeroed, and as large as said.
// False after filling *error: a tensor is missing, or has another dtype or shape than the manifest
// needs.
bool weights_load(const struct manifest *manifest, const struct weight_source *source,
                  const struct backend *backend, struct device *device,
                  const struct device_memory *weights, const struct device_memory *vectors,
                  struct monogen_error *error);

#endif
