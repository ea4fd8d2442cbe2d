// An AMD GPU code object: its segments, one kernel's descriptor and its arguments.
#ifndef RUNTIME_SIMULATOR_OBJECT_H
#define RUNTIME_SIMULATOR_OBJECT_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A loadable segment: `file_bytes` of the file, then zeros.
struct object_segment {
    uint64_t address; // of the object; the loader adds the place of its own
    size_t memory_bytes, file_offset, file_bytes;
    bool executable, writable;
};

// An argument as the metadata tells (LLVM AMDGPUUsage, code object v5): "by_value",
// "global_buffer", "hidden_block_count_x" ...
struct object_argument {
    char name[64]; // may be empty
    char kind[40];
    size_t offset, bytes;
};

struct object_kernel {
    char name[256];
    uint64_t entry; // address of its first instruction
    uint32_t vector_registers, accumulation_first, scalar_registers; // of a lane; of a wave
    uint32_t lds_bytes;                                              // static
    uint32_t scratch_bytes;                                          // of a lane
    uint32_t argument_block_bytes;
    uint32_t threads_max; // of a workgroup
    // Of the descriptor: what the registers hold at the start, in the order of the enumeration in
    // AMDGPUUsage ("SGPR register set up order"), and the modes.
    uint32_t user_scalars; // how many s registers the enabled ones below fill
    bool private_segment_buffer, dispatch_pointer, queue_pointer, argument_block_pointer;
    bool dispatch_identity, flat_scratch_init, private_segment_size;
    uint32_t preloaded_argument_words, preloaded_argument_offset_words;
    bool workgroup_x, workgroup_y, workgroup_z, workgroup_info, private_segment_wave_offset;
    uint32_t workitem_dimensions; // 1 to 3, packed into v0 ten bits each
    bool keeps_denormals_f32, keeps_denormals_f16_f64, clamps_dx10, ieee;
    uint32_t round_f32, round_f16_f64;
    struct object_argument *arguments; // [argument_count]
    size_t argument_count;
};

struct object {
    unsigned char *bytes; // the file
    size_t file_bytes;
    struct object_segment *segments; // [segment_count]
    size_t segment_count;
    uint64_t memory_bytes;         // segments lie in [0, memory_bytes)
    struct object_kernel *kernels; // [kernel_count]
    size_t kernel_count;
};

// Reads the code object at `path`, which must be for `isa` ("gfx942"), trusting nothing in it.
// False after filling *error (MONOGEN_BAD_INPUT; MONOGEN_NO_ENVIRONMENT where it cannot be read).
bool object_read(struct object *object, const char *path, const char *isa,
                 struct monogen_error *error);
// The same of bytes in memory, which are copied.
bool object_parse(struct object *object, const char *name, const void *bytes, size_t file_bytes,
                  const char *isa, struct monogen_error *error);
void object_close(struct object *object);

// Fills the hidden arguments of a block ([argument_block_bytes]) that say how large the grid is, in
// workgroups, and a workgroup, in threads. Others, which a runtime would point at buffers of its
// own, become zero.
void object_fill_hidden_arguments(const struct object_kernel *kernel, const uint32_t grid[3],
                                  const uint32_t block[3], unsigned char *arguments);

// The kernel of that name, or NULL.
const struct object_kernel *object_find_kernel(const struct object *object, const char *name);

#endif
