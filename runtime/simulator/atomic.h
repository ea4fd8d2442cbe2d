// Read-modify-write operations, of memory and of LDS.
#ifndef RUNTIME_SIMULATOR_ATOMIC_H
#define RUNTIME_SIMULATOR_ATOMIC_H

#include "runtime/simulator/memory.h"

// What `before`, of 4 or 8 bytes, becomes; compared: of ATOMIC_COMPARE_SWAP alone. Floats are bits.
uint64_t atomic_result(enum atomic_operation operation, uint32_t bytes, uint64_t before,
                       uint64_t value, uint64_t compared);

#endif
