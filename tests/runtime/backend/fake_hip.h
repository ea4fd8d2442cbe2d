// A HIP runtime that has no GPU: it records the calls of the hip backend, pretends to be the device
// that a test describes, and fails where a test tells it to. Built as fake_hip_5.so, with the
// property struct of HIP 5, and fake_hip_6.so, with that of HIP 6 and 7 as well.
//
// Its devices' memory is kept apart: a device address that the host touches faults. Copies, fills
// and the kernel take place when the stream they are on is waited for, not before.
#ifndef TESTS_RUNTIME_BACKEND_FAKE_HIP_H
#define TESTS_RUNTIME_BACKEND_FAKE_HIP_H

#include <stdbool.h>
#include <stddef.h>

enum { FAKE_HIP_MAX_ARGUMENT_BYTES = 512 };

struct fake_hip {
    // What a test sets.
    int version;     // as hipRuntimeGetVersion tells it
    const char *isa; // with suffixes
    int device_count, cus, workgroups_per_cu;
    size_t memory_bytes;
    int polls_while_running; // after a launch, this many queries say "not ready"

    const char *fail_call; // NULL: none
    int fail_at;           // its first call since then is 1
    int fail_status;

    // What a test reads.
    char log[16384];   // "call details\n" for each call but those for the text of an error
    char misuse[1024]; // "what was wrong\n" for each call that a real device would not forgive
    unsigned char arguments[FAKE_HIP_MAX_ARGUMENT_BYTES]; // of the latest launch
    size_t argument_bytes;
    int memories, streams, modules; // that are alive
};

// Exported by the library.
typedef struct fake_hip *fake_hip_state_function(void); // fake_hip_state
typedef void fake_hip_reset_function(void);             // fake_hip_reset: an MI300X, nothing fails

#endif
