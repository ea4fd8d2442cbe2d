// generator/setup/prepare.sh where packages are missing and nobody may install them.
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/shell.h"

// A copy of the scripts on a made-up Debian 12 without apt-get and comgr: pkg-config knows what is
// in the file "there", and fetching comgr prints FETCHED.
static void make_scene(void) {
    static const char script[] =
        "cd '%s' && rm -rf scene && mkdir -p scene/generator/setup scene/bin && cd scene && "
        "sed 's|/etc/os-release|os-release|' \"$HERE\"/generator/setup/prepare.sh "
        "    >generator/setup/prepare.sh && "
        "printf 'ID=debian\\nVERSION_ID=\"12\"\\n' >os-release && "
        "printf '#!/bin/sh\\necho none\\n' >generator/setup/find_comgr.sh && "
        "printf '#!/bin/sh\\necho FETCHED\\nexit 1\\n' >generator/setup/comgr_root.sh && "
        "printf '#!/bin/sh\\ngrep -qx \"$2\" there\\n' >bin/pkg-config && "
        "for name in cc c++ make; do printf '#!/bin/sh\\n' >bin/$name; done && "
        "for name in sh sed id grep; do ln -s \"$(command -v $name)\" bin/$name; done && "
        "chmod +x generator/setup/*.sh bin/*";
    char command[8192];
    struct command_end end;
    snprintf(command, sizeof command, script, temporary_folder());
    run_command(command, &end);
    if (end.status != 0)
        fail_msg("%s", end.output);
}

// Runs prepare.sh with these arguments; `packages` are those that are there.
static void prepare(const char *arguments, const char *packages, struct command_end *end) {
    char command[8192];
    snprintf(command, sizeof command,
             "cd '%s/scene' && printf '%%s\\n' %s >there && unset CC CXX && "
             "PATH=$PWD/bin generator/setup/prepare.sh %s",
             temporary_folder(), packages, arguments);
    run_command(command, end);
}

#define LIBRARIES "lua5.4 jansson libpcre2-8 libutf8proc "

static void what_the_build_needs_is_all_that_is_said(void **state) {
    (void)state;
    static const char *const modes[] = {"check", "install", "install test"};
    struct command_end end;
    make_scene();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        prepare(modes[i], LIBRARIES "cmocka", &end);
        assert_int_equal(end.status, 1);
        assert_string_equal(end.output, "setup: missing packages: nettle-dev (as root: apt-get "
                                        "install nettle-dev)\n");
    }
}

static void the_tests_need_cmocka_and_the_build_does_not(void **state) {
    (void)state;
    static const char missing[] = "setup: missing packages: libcmocka-dev (as root: apt-get "
                                  "install libcmocka-dev)\n";
    struct command_end end;
    make_scene();
    prepare("install test", LIBRARIES "nettle", &end);
    assert_int_equal(end.status, 1);
    assert_string_equal(end.output, missing); // and comgr is not fetched for nothing
    prepare("check", LIBRARIES "nettle", &end);
    assert_int_equal(end.status, 0);
    assert_non_null(strstr(end.output, missing));
}

static void fuzzing_needs_clang(void **state) {
    (void)state;
    struct command_end end;
    make_scene();
    prepare("install fuzz", LIBRARIES "nettle cmocka", &end);
    assert_int_equal(end.status, 1);
    assert_string_equal(end.output,
                        "setup: missing packages: clang (as root: apt-get install clang)\n");
}

static void comgr_is_fetched_by_setup_alone(void **state) {
    (void)state;
    struct command_end end;
    make_scene();
    prepare("check", LIBRARIES "nettle cmocka", &end);
    assert_int_equal(end.status, 0);
    assert_string_equal(end.output, "setup: without comgr nothing is compiled for gfx942, make "
                                    "setup fetches it; the host target works\n");
    prepare("install", LIBRARIES "nettle cmocka", &end);
    assert_int_equal(end.status, 0);
    assert_string_equal(end.output, "FETCHED\nsetup: without comgr nothing is compiled for gfx942; "
                                    "the host target works\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_build_needs_is_all_that_is_said),
        cmocka_unit_test(the_tests_need_cmocka_and_the_build_does_not),
        cmocka_unit_test(fuzzing_needs_clang),
        cmocka_unit_test(comgr_is_fetched_by_setup_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
