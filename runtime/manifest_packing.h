// Packing: what the manifest says about where tensors lie in the kernel's memories. For manifest.c,
// which reads the rest of the file.
#ifndef RUNTIME_MANIFEST_PACKING_H
#define RUNTIME_MANIFEST_PACKING_H

#include "runtime/json_node.h"
#include "runtime/manifest.h"

#define MANIFEST_MAX_MEMORY_BYTES ((uint64_t)1 << 46) // 64 TiB: more than any device has
#define MANIFEST_MAX_COLUMNS ((uint64_t)1 << 28)      // of one tensor

// Reads and checks the partitions, the regions of the weights with their stages, and the vectors.
// Requires that target and memory are read. Errors are the document's.
void manifest_read_packing(const struct json_node *root, struct manifest *manifest);

// The field "dtype" of a node; a name that is none is an error of the document.
enum weight_dtype manifest_read_dtype(const struct json_node *node);

#endif
