// Sweep device: how fast a GPU reads memory, measured with kernels made for nothing else
// (templates/sweep/<prelude>.hip). The runtime cannot compile, so what it loads is made here: to a
// backend a sweep is one more kernel, opened beside the model's on the same GPU.
#ifndef GENERATOR_COMMANDS_SWEEP_DEVICE_H
#define GENERATOR_COMMANDS_SWEEP_DEVICE_H

#include "generator/compile/compile.h"
#include "generator/pipeline/pipeline.h"
#include "generator/plan/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sweep_device_way { // functions take one as an int, as loops over all of them do
    SWEEP_PLAIN,        // 16-byte loads, as many threads as a CU holds
    SWEEP_BULK,         // bulk copies into LDS, one workgroup a CU with all of its LDS
    SWEEP_DEVICE_WAYS,
};

// Of the memory that is read: several times what caches hold. Where that much is not free, a half
// of it, and so on, down to the least.
#define SWEEP_DEVICE_MOST_BYTES ((size_t)4 << 30)
#define SWEEP_DEVICE_LEAST_BYTES ((size_t)256 << 20)

// Whether there is a template for the machine.
bool sweep_device_exists(const struct plan_machine *machine,
                         const struct installation *installation);

// Renders and compiles all ways into one object, through the cache (NULL: none). False after adding
// a diagnostic; the caller closes *compiled either way.
bool sweep_device_compile(const struct plan_plan *plan, const struct installation *installation,
                          const char *cache_folder, struct compile_result *compiled,
                          struct diagnostics *diagnostics);

struct sweep_device; // on as many CUs as the machine has

// Loads the object and allocates what is read, filled with random numbers: at most `most_bytes` (1
// MiB times a power of two), at least SWEEP_DEVICE_LEAST_BYTES or, if smaller, most_bytes. NULL
// after adding a diagnostic.
struct sweep_device *sweep_device_open(const struct plan_machine *machine,
                                       const struct text *object, size_t most_bytes,
                                       struct diagnostics *diagnostics);
void sweep_device_close(struct sweep_device *device); // NULL is fine

struct swept {
    uint64_t bytes; // that were read: of several passes over the memory, in one launch
    uint32_t check; // see struct Result of the template
    double seconds; // from the launch to its end, as the host sees them
};

// Reads the memory in one way. False after adding a diagnostic: the launch failed, or it read less
// than it should.
bool sweep_device_run(struct sweep_device *device, int way, struct swept *swept,
                      struct diagnostics *diagnostics);

const char *sweep_device_way_name(int way); // "plain loads"
unsigned sweep_device_workgroups(const struct sweep_device *device, int way);
size_t sweep_device_bytes(const struct sweep_device *device); // of the memory

#endif
