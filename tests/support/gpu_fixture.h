// What the tests of the GPU backends share: the fake drivers, a folder with an object, and a
// manifest that fits both.
#ifndef TESTS_SUPPORT_GPU_FIXTURE_H
#define TESTS_SUPPORT_GPU_FIXTURE_H

#include "runtime/backend/backend.h"
#include "runtime/error.h"
#include "runtime/manifest.h"
#include "tests/runtime/backend/fake_gpu.h"

#include <limits.h>

struct gpu_fixture {
    const struct backend *backend;
    struct fake_gpu *fake;         // of the library in use
    char library_folder[PATH_MAX]; // holds the fakes
    char folder[PATH_MAX];         // of the kernel, and for what a test writes
    struct manifest manifest;      // for the fake's usual device, a workgroup of 512 threads a CU
    struct monogen_error error;    // empty before each test
    char failing[128];             // the call that gpu_fixture_fail names
};

// cmocka's functions of a group, for either backend (the fixture is made and removed), and of each
// test (fake_hip_6.so or fake_cuda.so is used, reset; the environment is clean; the object is
// whole).
int gpu_fixture_open_hip(void **state);
int gpu_fixture_open_cuda(void **state);
int gpu_fixture_close(void **state);
int gpu_fixture_reset(void **state);

// Makes the fake ("fake_hip_5", "fake_hip_6", "fake_cuda") the driver of its backend, reset.
void gpu_fixture_use(struct gpu_fixture *fixture, const char *fake);
// The same with the newest fake of the fixture's backend.
void gpu_fixture_renew(struct gpu_fixture *fixture);

// The call of that word fails with `status`, the at-th time from now.
void gpu_fixture_fail(struct gpu_fixture *fixture, const char *call, int at, int status);

// Writes [bytes] to folder/name.
void gpu_fixture_write(const struct gpu_fixture *fixture, const char *name, const void *contents,
                       size_t bytes);

// `text` with each "{word}" replaced by what the fixture's API says for it: "{allocate} 4096" is
// "hipMalloc 4096" or "cuMemAlloc_v2 4096". Static storage, a few at a time.
const char *gpu_fixture_words(const struct gpu_fixture *fixture, const char *text);

// Fails the test unless the calls since the last look were these lines, with words replaced; then
// forgets them.
void gpu_fixture_expect_calls(struct gpu_fixture *fixture, const char *lines);
void gpu_fixture_forget_calls(struct gpu_fixture *fixture);

// Fails the test unless the device is as it was before it was opened, and no call was misused.
void gpu_fixture_expect_nothing_left(const struct gpu_fixture *fixture);

// Fails the test unless *error has the status and its message holds `part`, with words replaced.
void gpu_fixture_expect_error(const struct gpu_fixture *fixture, enum monogen_status status,
                              const char *part);

// Fails the test unless opening the kernel fails so, and leaves nothing.
void gpu_fixture_expect_open_fails(struct gpu_fixture *fixture, enum monogen_status status,
                                   const char *part);

// Fails the test unless the probe answers so, in one line that holds `part`, with words replaced.
void gpu_fixture_expect_probe(const struct gpu_fixture *fixture, bool usable, const char *part);

#endif
