// Which of several libraries is opened: all of them are one fake, under different names.
#include "runtime/shared_library.h"

#include "tests/support/printed.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[PATH_MAX / 2], fake[PATH_MAX];

static const char *const files[] = {"libmonogentest.so.2", "libmonogentest.so.1", NULL};
static char pattern[PATH_MAX];
static const char *const patterns[] = {"/nowhere/*/lib", pattern, NULL};
static const struct library_search search = {.what = "test library",
                                             .variable = "MONOGEN_TEST_LIBRARY",
                                             .files = files,
                                             .home_variable = "MONOGEN_TEST_HOME",
                                             .home_subfolder = "lib",
                                             .patterns = patterns,
                                             .absent = "no test library\n  note: install it"};

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/library.XXXXXX", temporary_folder());
    ssize_t length = readlink("/proc/self/exe", fake, sizeof fake - 64);
    if (!mkdtemp(folder) || length <= 0)
        return -1;
    fake[length] = '\0';
    strcpy(strrchr(fake, '/') + 1, "fake_kernel.so"); // the Makefile puts it beside this program
    snprintf(pattern, sizeof pattern, "%s/test-*/lib", folder);
    return 0;
}

static void make_folder(const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

// Makes NAME/lib with one of the files in it.
static void install(const char *name, const char *file) {
    char path[PATH_MAX + 64];
    make_folder(name);
    snprintf(path, sizeof path, "%s/lib", name);
    make_folder(path);
    snprintf(path, sizeof path, "%s/%s/lib/%s", folder, name, file);
    assert_int_equal(symlink(fake, path), 0);
}

static void expect_opened(const char *path) {
    struct shared_library library;
    struct monogen_error error = {.message = ""};
    char expected[PATH_MAX + 64];
    if (!shared_library_open(&library, &search, &error))
        fail_msg("%s", error.message);
    snprintf(expected, sizeof expected, "%s/%s", folder, path);
    assert_string_equal(library.name, expected);
    shared_library_close(&library);
    assert_null(library.handle);
}

static void libraries_have_an_order(void **state) {
    (void)state;
    struct shared_library library;
    struct monogen_error error;
    assert_false(shared_library_open(&library, &search, &error));
    assert_string_equal(error.message, "no test library\n  note: install it");
    assert_int_equal(error.status, MONOGEN_NO_ENVIRONMENT);

    install("test-2", files[1]);
    expect_opened("test-2/lib/libmonogentest.so.1");
    install("test-3", files[1]); // the later of two folders
    expect_opened("test-3/lib/libmonogentest.so.1");
    install("test-1", files[0]); // a newer version, wherever
    expect_opened("test-1/lib/libmonogentest.so.2");

    install("home", files[1]); // the folder that the environment names, of whatever version
    char home[PATH_MAX];
    snprintf(home, sizeof home, "%s/home", folder);
    setenv("MONOGEN_TEST_HOME", home, 1);
    expect_opened("home/lib/libmonogentest.so.1");

    setenv("MONOGEN_TEST_LIBRARY", "/nowhere/libmonogentest.so", 1); // or this one or none
    assert_false(shared_library_open(&library, &search, &error));
    assert_non_null(strstr(error.message, "cannot open the test library that MONOGEN_TEST_LIBRARY "
                                          "names: /nowhere/libmonogentest.so: "));
    unsetenv("MONOGEN_TEST_LIBRARY");

    char long_home[400];
    memset(long_home, 'a', sizeof long_home - 1);
    long_home[sizeof long_home - 1] = '\0';
    setenv("MONOGEN_TEST_HOME", long_home, 1);
    assert_false(shared_library_open(&library, &search, &error));
    assert_non_null(strstr(error.message, "MONOGEN_TEST_HOME is too long: aaa"));
    unsetenv("MONOGEN_TEST_HOME");
}

static void missing_symbols_are_named(void **state) {
    (void)state;
    struct library_search plain = search;
    static const char *const libm[] = {"libm.so.6", NULL};
    plain.files = libm;
    struct shared_library library;
    struct monogen_error error;
    struct {
        double (*cos)(double);
        double (*none)(double);
    } table;
    struct library_symbol symbols[] = {{"cos", 0, false},
                                       {"no_such_function", sizeof table.cos, true}};
    if (!shared_library_open(&library, &plain, &error))
        fail_msg("%s", error.message);
    assert_string_equal(library.name, "libm.so.6");
    memset(&table, 0xa5, sizeof table);
    assert_null(shared_library_find(&library, symbols, 2, &table));
    assert_null(table.none);
    assert_true(table.cos(0) == 1);
    symbols[1].optional = false;
    assert_string_equal(shared_library_find(&library, symbols, 2, &table), "no_such_function");
    shared_library_close(&library);
    shared_library_close(&library); // twice is harmless
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_have_an_order),
        cmocka_unit_test(missing_symbols_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
