// What the tests of the hip backend share: the fake HIP runtime, a folder with a code object, and a
// manifest that fits both.
#ifndef TESTS_SUPPORT_HIP_FIXTURE_H
#define TESTS_SUPPORT_HIP_FIXTURE_H

#include "runtime/error.h"
#include "runtime/manifest.h"
#include "tests/runtime/backend/fake_hip.h"

#include <limits.h>

struct hip_fixture {
    struct fake_hip *fake;         // of the library in use
    char library_folder[PATH_MAX]; // holds fake_hip_5.so and fake_hip_6.so
    char folder[PATH_MAX];         // of the kernel, and for what a test writes
    struct manifest manifest;      // for gfx942, 304 workgroups of 512 threads
    struct monogen_error error;    // empty before each test
};

// cmocka's functions of a group (the fixture is made and removed) and of each test (fake_hip_6.so
// is used, reset; the environment is clean; the code object is whole).
int hip_fixture_open(void **state);
int hip_fixture_close(void **state);
int hip_fixture_reset(void **state);

// Makes MONOGEN_HIP_LIBRARY the fake of HIP 5 or 6, reset.
void hip_fixture_use(struct hip_fixture *fixture, int major);

// Writes [bytes] to folder/name.
void hip_fixture_write(const struct hip_fixture *fixture, const char *name, const void *contents,
                       size_t bytes);

// Fails the test unless the calls since the last look were these lines; then forgets them.
void hip_fixture_expect_calls(struct hip_fixture *fixture, const char *lines);
void hip_fixture_forget_calls(struct hip_fixture *fixture);

// Fails the test unless the device is as it was before it was opened, and no call was misused.
void hip_fixture_expect_nothing_left(const struct hip_fixture *fixture);

// Fails the test unless *error has the status and its message holds `part`.
void hip_fixture_expect_error(const struct hip_fixture *fixture, enum monogen_status status,
                              const char *part);

#endif
