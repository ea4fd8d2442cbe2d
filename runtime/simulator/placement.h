// Which IOD a physical address belongs to on an MI300X (docs/design/mi300x.md, "Which IOD owns an
// address"): 4 KiB pages, by bits of the address. Within 2 MiB the bits above are constants; which
// ones they are is drawn from a seed, since where an allocation lies is not known on the chip.
#ifndef RUNTIME_SIMULATOR_PLACEMENT_H
#define RUNTIME_SIMULATOR_PLACEMENT_H

#include "runtime/simulator/random.h"

enum { BIG_PAGE_BYTES_LOG2 = 21 };

// iods: 1, 2 or 4.
static inline uint32_t placement_iod(uint64_t physical, uint32_t iods, uint64_t seed) {
    const uint64_t constants = random_mix(seed ^ physical >> BIG_PAGE_BYTES_LOG2);
    const uint64_t bit0 = physical >> 12 ^ physical >> 20 ^ constants;
    const uint64_t bit1 = physical >> 13 ^ constants >> 1;
    return (uint32_t)((bit0 & 1) | (bit1 & 1) << 1) & (iods - 1);
}

#endif
