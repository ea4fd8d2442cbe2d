// Finding, opening and asking the HIP runtime: what the hip backend's probe says.
#include "runtime/backend/backend.h"
#include "runtime/backend/gpu_driver.h"
#include "tests/support/gpu_fixture.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool open_driver(struct gpu_fixture *fixture, struct gpu_driver *driver) {
    return gpu_driver_open(&gpu_api_hip, driver, &fixture->error);
}

// ---- versions -----------------------------------------------------------------------------------

static void probe_names_the_device(void **state) {
    struct gpu_fixture *fixture = *state;
    char line[PATH_MAX + 256], expected[PATH_MAX + 256];
    assert_true(backend_hip.probe(NULL, line, sizeof line));
    snprintf(expected, sizeof expected, "gfx942, 304 CUs, 192 GiB, HIP 6.4 (%s/fake_hip_6.so)",
             fixture->library_folder);
    assert_string_equal(line, expected);
    gpu_fixture_expect_calls(fixture, "hipInit 0\n"
                                      "hipRuntimeGetVersion\n"
                                      "hipGetDeviceCount\n"
                                      "hipGetDevicePropertiesR0600 of 0\n"
                                      "hipDeviceGetAttribute 63 of 0\n"
                                      "hipDeviceTotalMem of 0\n");
    gpu_fixture_expect_nothing_left(fixture);
}

static void hip_5_has_the_old_properties(void **state) {
    struct gpu_fixture *fixture = *state;
    gpu_fixture_use(fixture, "fake_hip_5");
    fixture->fake->version = 50731921;
    fixture->fake->isa = "gfx90a:sramecc+:xnack-";
    fixture->fake->cus = 104;
    fixture->fake->memory_bytes = (size_t)64 << 30;
    gpu_fixture_expect_probe(fixture, true, "gfx90a, 104 CUs, 64 GiB, HIP 5.7 (");
    assert_non_null(strstr(fixture->fake->log, "\nhipGetDeviceProperties of 0\n"));
}

static void hip_7_has_the_new_properties(void **state) {
    struct gpu_fixture *fixture = *state;
    fixture->fake->version = 70260430;
    fixture->fake->isa = "gfx950"; // without suffixes
    gpu_fixture_expect_probe(fixture, true, "gfx950, 304 CUs, 192 GiB, HIP 7.2 (");
    assert_non_null(strstr(fixture->fake->log, "\nhipGetDevicePropertiesR0600 of 0\n"));
}

static void unknown_properties_are_refused(void **state) {
    struct gpu_fixture *fixture = *state;
    char endless[256];
    memset(endless, '9', sizeof endless);
    memcpy(endless, "gfx", 3);
    endless[sizeof endless - 1] = '\0';
    const char *const isas[] = {"", "sm_90", "gfx\x01\x02", ":gfx942", endless};
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        fixture->fake->isa = isas[i];
        gpu_fixture_expect_probe(fixture, false,
                                 "the name of the ISA is not where HIP 5, 6 and 7 have it; "
                                 "name another HIP runtime with MONOGEN_HIP_LIBRARY");
    }
}

static void device_facts_are_those_of_the_device(void **state) {
    struct gpu_fixture *fixture = *state;
    struct gpu_driver driver;
    struct gpu_facts facts;
    assert_true(open_driver(fixture, &driver));
    assert_int_equal(driver.version, 60443484);
    assert_true(gpu_driver_choose_device(&driver, &facts, &fixture->error));
    assert_string_equal(facts.name, "AMD Instinct MI300X");
    assert_string_equal(facts.isa, "gfx942");
    assert_int_equal(facts.cus, 304);
    assert_int_equal(facts.memory_bytes, (size_t)192 << 30);
    gpu_driver_close(&driver);
    assert_null(driver.library.handle);
}

// ---- no GPU -------------------------------------------------------------------------------------

static void any_failure_of_init_means_no_gpu(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        int status;
        const char *part;
    } cases[] = {{100, "hipInit failed: hipErrorNoDevice (100): as the driver puts it"},
                 {101, "hipInit failed: hipErrorInvalidDevice (101)"},
                 {1, "hipInit failed: hipErrorInvalidValue (1)"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, "hipInit", 1, cases[i].status);
        struct gpu_driver driver;
        assert_false(open_driver(fixture, &driver));
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, cases[i].part);
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "\n  note: ");
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "--device host runs on the CPU");
        assert_null(driver.library.handle);
    }
}

static void missing_kernel_driver_is_named(void **state) {
    struct gpu_fixture *fixture = *state;
    if (access("/dev/kfd", F_OK) == 0)
        skip(); // this machine has one
    fixture->fake->device_count = 0;
    gpu_fixture_expect_probe(fixture, false, "sees no AMD GPU; there is no /dev/kfd");
}

static void failed_version_is_no_obstacle(void **state) {
    struct gpu_fixture *fixture = *state;
    gpu_fixture_fail(fixture, "hipRuntimeGetVersion", 1, 1);
    gpu_fixture_expect_probe(fixture, true, "gfx942, 304 CUs");
}

static void failing_questions_are_named(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *call, *said;
    } cases[] = {{"hipGetDeviceCount", "hipGetDeviceCount"},
                 {"hipGetDevicePropertiesR0600", "hipGetDeviceProperties"},
                 {"hipDeviceGetAttribute", "hipDeviceGetAttribute"},
                 {"hipDeviceTotalMem", "hipDeviceTotalMem"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, cases[i].call, 1, 101);
        char part[128];
        snprintf(part, sizeof part, "%s failed: hipErrorInvalidDevice (101)", cases[i].said);
        gpu_fixture_expect_probe(fixture, false, part);
    }
}

static void short_lines_are_cut(void **state) {
    struct gpu_fixture *fixture = *state;
    char line[12];
    memset(line, 'x', sizeof line);
    assert_true(backend_hip.probe(NULL, line, 10));
    assert_string_equal(line, "gfx942, 3");
    fixture->fake->device_count = 0;
    assert_false(backend_hip.probe(NULL, line, 10));
    assert_true(strlen(line) < 10);
    assert_int_equal(line[10], 'x');
}

// ---- choosing a device --------------------------------------------------------------------------

static void devices_are_chosen_by_number(void **state) {
    struct gpu_fixture *fixture = *state;
    fixture->fake->device_count = 3;
    struct gpu_driver driver;
    struct gpu_facts facts;
    assert_true(open_driver(fixture, &driver));
    assert_true(gpu_driver_choose_device(&driver, &facts, &fixture->error));
    assert_int_equal(facts.number, 0);
    setenv("MONOGEN_HIP_DEVICE", "2", 1);
    assert_true(gpu_driver_choose_device(&driver, &facts, &fixture->error));
    assert_int_equal(facts.number, 2);
    static const char *const wrong[] = {"3", "-1", "one", "1x", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("MONOGEN_HIP_DEVICE", wrong[i], 1);
        assert_false(gpu_driver_choose_device(&driver, &facts, &fixture->error));
        char part[128];
        snprintf(part, sizeof part, "MONOGEN_HIP_DEVICE is '%s', but the devices are 0 to 2",
                 wrong[i]);
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, part);
    }
    gpu_driver_close(&driver);
}

// ---- finding the library ------------------------------------------------------------------------

static void named_library_must_open(void **state) {
    struct gpu_fixture *fixture = *state;
    struct gpu_driver driver;
    setenv("MONOGEN_HIP_LIBRARY", "/nowhere/libamdhip64.so.6", 1);
    assert_false(open_driver(fixture, &driver));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "cannot open the HIP runtime that MONOGEN_HIP_LIBRARY names: "
                             "/nowhere/libamdhip64.so.6: ");

    char name[400];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    setenv("MONOGEN_HIP_LIBRARY", name, 1);
    assert_false(open_driver(fixture, &driver));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "MONOGEN_HIP_LIBRARY is longer than");

    setenv("MONOGEN_HIP_LIBRARY", "libm.so.6", 1);
    assert_false(open_driver(fixture, &driver));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "libm.so.6 lacks the function hipInit: it is not a HIP runtime");
}

static bool machine_has_hip(void) {
    static const char *const names[] = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                        "libamdhip64.so"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "/opt/rocm/lib/%s", names[i]);
        void *library = dlopen(names[i], RTLD_LAZY);
        if (library)
            dlclose(library);
        if (library || access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static void missing_library_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    if (machine_has_hip())
        skip();
    unsetenv("MONOGEN_HIP_LIBRARY");
    struct gpu_driver driver;
    assert_false(open_driver(fixture, &driver));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "no HIP runtime: libamdhip64.so");
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "install libamdhip64-5 (Debian 13), libamdhip64-6 (Debian forky)");
    gpu_fixture_expect_probe(fixture, false, "no HIP runtime: ");
}

enum { LIBRARIES = 4 };
static const char *const library_names[LIBRARIES] = {"libamdhip64.so", "libamdhip64.so.5",
                                                     "libamdhip64.so.6", "libamdhip64.so.7"};

// A ROCM_PATH of its own for a test, because the loader remembers the paths it has opened.
struct rocm {
    char folder[PATH_MAX + 16], library_folder[PATH_MAX + 32];
    char libraries[LIBRARIES][PATH_MAX + 64]; // as library_names
};

static void make_rocm(const struct gpu_fixture *fixture, struct rocm *rocm, const char *name) {
    snprintf(rocm->folder, sizeof rocm->folder, "%s/%s", fixture->folder, name);
    snprintf(rocm->library_folder, sizeof rocm->library_folder, "%s/lib", rocm->folder);
    assert_int_equal(mkdir(rocm->folder, 0700), 0);
    assert_int_equal(mkdir(rocm->library_folder, 0700), 0);
    for (size_t i = 0; i < LIBRARIES; i++)
        snprintf(rocm->libraries[i], sizeof rocm->libraries[i], "%s/%s", rocm->library_folder,
                 library_names[i]);
    unsetenv("MONOGEN_HIP_LIBRARY");
    setenv("ROCM_PATH", rocm->folder, 1);
}

static void remove_rocm(const struct rocm *rocm) {
    for (size_t i = 0; i < LIBRARIES; i++)
        unlink(rocm->libraries[i]);
    assert_int_equal(rmdir(rocm->library_folder), 0);
    assert_int_equal(rmdir(rocm->folder), 0);
}

static void link_library(const struct gpu_fixture *fixture, const struct rocm *rocm, size_t i) {
    char target[PATH_MAX + 32];
    snprintf(target, sizeof target, "%s/fake_hip_6.so", fixture->library_folder);
    assert_int_equal(symlink(target, rocm->libraries[i]), 0);
}

static void newest_library_is_taken(void **state) {
    struct gpu_fixture *fixture = *state;
    if (machine_has_hip())
        skip();
    struct rocm rocm;
    make_rocm(fixture, &rocm, "rocm-newest");
    for (size_t i = 0; i < LIBRARIES; i++) { // the newest is added last
        link_library(fixture, &rocm, i);
        struct gpu_driver driver;
        if (!open_driver(fixture, &driver))
            fail_msg("%s: %s", library_names[i], fixture->error.message);
        assert_string_equal(driver.library.name, rocm.libraries[i]);
        gpu_driver_close(&driver);
    }
    remove_rocm(&rocm);
}

static void broken_library_is_passed_over(void **state) {
    struct gpu_fixture *fixture = *state;
    if (machine_has_hip())
        skip();
    struct rocm rocm;
    make_rocm(fixture, &rocm, "rocm-broken");
    gpu_fixture_write(fixture, "rocm-broken/lib/libamdhip64.so.7", "not ELF", 7);
    struct gpu_driver driver;
    assert_false(open_driver(fixture, &driver));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "cannot open the HIP runtime: ");
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, rocm.libraries[3]);
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "it is installed but incomplete");

    link_library(fixture, &rocm, 1);
    if (!open_driver(fixture, &driver))
        fail_msg("%s", fixture->error.message);
    assert_string_equal(driver.library.name, rocm.libraries[1]);
    gpu_driver_close(&driver);
    remove_rocm(&rocm);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, gpu_fixture_reset)
    const struct CMUnitTest tests[] = {
        TEST(probe_names_the_device),
        TEST(hip_5_has_the_old_properties),
        TEST(hip_7_has_the_new_properties),
        TEST(unknown_properties_are_refused),
        TEST(device_facts_are_those_of_the_device),
        TEST(any_failure_of_init_means_no_gpu),
        TEST(missing_kernel_driver_is_named),
        TEST(failed_version_is_no_obstacle),
        TEST(failing_questions_are_named),
        TEST(short_lines_are_cut),
        TEST(devices_are_chosen_by_number),
        TEST(named_library_must_open),
        TEST(missing_library_is_explained),
        TEST(newest_library_is_taken),
        TEST(broken_library_is_passed_over),
    };
    return cmocka_run_group_tests(tests, gpu_fixture_open_hip, gpu_fixture_close);
}
