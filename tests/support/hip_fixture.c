#include "tests/support/hip_fixture.h"

#include <dlfcn.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char OBJECT[] = "5-kernel.co";

// An ELF header of an AMD GPU code object without sections.
static void write_object(const struct hip_fixture *fixture) {
    Elf64_Ehdr header = {.e_type = ET_DYN, .e_machine = EM_AMDGPU, .e_ehsize = sizeof header};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    hip_fixture_write(fixture, OBJECT, &header, sizeof header);
}

void hip_fixture_write(const struct hip_fixture *fixture, const char *name, const void *contents,
                       size_t bytes) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(contents, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

void hip_fixture_use(struct hip_fixture *fixture, int major) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/fake_hip_%d.so", fixture->library_folder, major);
    void *library = dlopen(path, RTLD_NOW | RTLD_NODELETE);
    if (!library)
        fail_msg("%s", dlerror());
    void *state = dlsym(library, "fake_hip_state");
    void *reset = dlsym(library, "fake_hip_reset");
    assert_non_null(state);
    assert_non_null(reset);
    dlclose(library);
    fake_hip_state_function *get_state = NULL;
    fake_hip_reset_function *reset_state = NULL;
    memcpy(&get_state, &state, sizeof state);
    memcpy(&reset_state, &reset, sizeof reset);
    reset_state();
    fixture->fake = get_state();
    setenv("MONOGEN_HIP_LIBRARY", path, 1);
}

int hip_fixture_open(void **state) {
    struct hip_fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    *state = fixture;

    // The Makefile puts the fakes beside the test's program.
    ssize_t length =
        readlink("/proc/self/exe", fixture->library_folder, sizeof fixture->library_folder - 1);
    if (length <= 0)
        return -1;
    fixture->library_folder[length] = '\0';
    *strrchr(fixture->library_folder, '/') = '\0';

    const char *parent = getenv("MONOGEN_TEST_TMP");
    snprintf(fixture->folder, sizeof fixture->folder, "%s/hip.XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(fixture->folder))
        return -1;
    fixture->manifest = (struct manifest){
        .target = {.name = "mi300x", .backend = "hip", .isa = "gfx942", .cus = 304, .xcds = 8},
        .kernel = {.object = OBJECT,
                   .symbol = "monokernel",
                   .workgroups = 304,
                   .threads_per_workgroup = 512,
                   .argument_block_bytes = 24},
    };
    return 0;
}

int hip_fixture_close(void **state) {
    struct hip_fixture *fixture = *state;
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, OBJECT);
    int failed = unlink(path) | rmdir(fixture->folder);
    hip_fixture_use(fixture, 5);
    hip_fixture_use(fixture, 6);
    free(fixture);
    return failed;
}

int hip_fixture_reset(void **state) {
    struct hip_fixture *fixture = *state;
    unsetenv("MONOGEN_HIP_DEVICE");
    unsetenv("ROCM_PATH");
    hip_fixture_use(fixture, 6);
    write_object(fixture);
    fixture->manifest.target.cus = 304;
    fixture->manifest.kernel.workgroups = 304;
    fixture->error = (struct monogen_error){.status = MONOGEN_OK};
    return 0;
}

void hip_fixture_expect_calls(struct hip_fixture *fixture, const char *lines) {
    assert_string_equal(fixture->fake->log, lines);
    hip_fixture_forget_calls(fixture);
}

void hip_fixture_forget_calls(struct hip_fixture *fixture) { fixture->fake->log[0] = '\0'; }

void hip_fixture_expect_nothing_left(const struct hip_fixture *fixture) {
    assert_string_equal(fixture->fake->misuse, "");
    assert_int_equal(fixture->fake->memories, 0);
    assert_int_equal(fixture->fake->streams, 0);
    assert_int_equal(fixture->fake->modules, 0);
}

void hip_fixture_expect_error(const struct hip_fixture *fixture, enum monogen_status status,
                              const char *part) {
    if (fixture->error.status != status || !strstr(fixture->error.message, part))
        fail_msg("expected status %d and '%s', but got status %d and '%s'", (int)status, part,
                 (int)fixture->error.status, fixture->error.message);
}
