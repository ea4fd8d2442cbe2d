// Drivers that have no GPU: they record the calls of a GPU backend, pretend to be the device that a
// test describes, and fail where a test tells them to. fake_hip_5.so is a HIP runtime with the
// property struct of HIP 5, fake_hip_6.so one with that of HIP 6 and 7 as well, fake_cuda.so a CUDA
// driver.
//
// Their devices' memory is kept apart: a device address that the host touches faults. Copies, fills
// and the kernel take place when the stream they are on is waited for, not before.
#ifndef TESTS_RUNTIME_BACKEND_FAKE_GPU_H
#define TESTS_RUNTIME_BACKEND_FAKE_GPU_H

#include <stdbool.h>
#include <stddef.h>

enum { FAKE_GPU_MAX_ARGUMENT_BYTES = 512 };

struct fake_gpu {
    // What a test sets.
    int version;            // as the driver tells it
    const char *isa;        // HIP's name of it, with suffixes
    int compute_capability; // CUDA's: 90 is 9.0
    int device_count, cus, workgroups_per_cu;
    int workgroup_lds_bytes, object_lds_bytes; // CUDA: that there are, and that the object holds
    size_t memory_bytes;
    int polls_while_running; // after a launch, this many queries say "not ready"
    bool has_result;         // each launch writes `result` to the address that the argument at
    size_t result_argument;  // this offset holds
    unsigned long long result;

    const char *fail_call; // NULL: none
    int fail_at;           // its first call since then is 1
    int fail_status;

    // What a test reads.
    char log[16384];   // "call details\n" for each call but those for the text of an error
    char misuse[1024]; // "what was wrong\n" for each call that a real device would not forgive
    unsigned char arguments[FAKE_GPU_MAX_ARGUMENT_BYTES]; // of the latest launch
    size_t argument_bytes;
    int memories, streams, modules, contexts; // that are alive
};

// Exported by each library.
typedef struct fake_gpu *fake_gpu_state_function(void); // fake_gpu_state
typedef void fake_gpu_reset_function(void); // fake_gpu_reset: a usual device, nothing fails

#endif
