#include "generator/compile/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char SOURCE[] = "one\ntwo\nthree\nfour\n";

static void private_folders_vanish(void **state) {
    (void)state;
    struct text log = {0};
    text_append(&log, "/tmp/s-1/comgr-ab/input/3-kernel.hip:1:2: error: x\n"
                      "In file included from /tmp/s-1/a.h:3:\n"
                      "'/tmp/s-1/object.so' and /tmp/other\n");
    log_strip_folder(&log, "/tmp/s-1");
    assert_string_equal(log.bytes, "3-kernel.hip:1:2: error: x\n"
                                   "In file included from a.h:3:\n"
                                   "'object.so' and /tmp/other\n");
    text_close(&log);
}

static void errors_find_their_origin(void **state) {
    (void)state;
    struct line_origin origins[] = {{"kernel.hip", 1, -1, NULL, 0},
                                    {"stage_linear.hip", 14, 29, "specs/x.lua", 15},
                                    {"stage_linear.hip", 15, 29, NULL, 0}};
    struct line_map map = {origins, 3};
    const struct logged_source source = {"3-kernel.hip", "out/3-kernel.hip", SOURCE, &map};
    struct diagnostics diagnostics = {0};
    size_t errors = log_report("3-kernel.hip:1:3: warning: odd\n"
                               "3-kernel.hip:1:3: note: of the warning\n"
                               "3-kernel.hip:2:7: error: use of undeclared identifier 'x'\n"
                               "    2 | two\n"
                               "3-kernel.hip:3:1: note: declared here\n"
                               "3-kernel.hip:3:1: fatal error: too much\n"
                               "3-kernel.hip:4:1: error: past the map\n"
                               "other.hip:4:1: error: not ours\n"
                               "2 errors generated.\n",
                               &source, &diagnostics);
    assert_int_equal(errors, 3);
    assert_int_equal(diagnostics.count, 3);
    const struct diagnostic *first = &diagnostics.items[0];
    assert_int_equal(first->kind, DIAGNOSTIC_USER);
    assert_string_equal(first->at.file, "out/3-kernel.hip");
    assert_int_equal(first->at.line, 2);
    assert_int_equal(first->at.column, 7);
    assert_string_equal(first->at.source, SOURCE);
    assert_string_equal(first->message, "use of undeclared identifier 'x'");
    assert_int_equal(first->note_count, 2);
    assert_string_equal(first->notes[0], "from stage_linear.hip:14, step 29, specs/x.lua:15");
    assert_string_equal(first->notes[1], "out/3-kernel.hip:3: declared here");
    const struct diagnostic *second = &diagnostics.items[1];
    assert_string_equal(second->message, "too much");
    assert_string_equal(second->notes[0], "from stage_linear.hip:15, step 29");
    assert_int_equal(diagnostics.items[2].note_count, 0);
    diagnostics_close(&diagnostics);
}

// NVRTC's form: 13.0 shows the line and a caret, 12.0 does not.
static void nvrtc_has_a_form_of_its_own(void **state) {
    (void)state;
    static const char text[] = "one\n    x = missing;\n\tint y = \tUSE;\nfour\n";
    struct line_origin origins[] = {{"kernel.hip", 1, -1, NULL, 0},
                                    {"stage_linear.hip", 14, 29, "specs/x.lua", 15}};
    struct line_map map = {origins, 2};
    const struct logged_source source = {"3-kernel.hip", "out/3-kernel.hip", text, &map};
    struct diagnostics diagnostics = {0};
    size_t errors = log_report("3-kernel.hip(2): warning #177-D: variable \"x\" was declared\n"
                               "      x = missing;\n"
                               "      ^\n"
                               "\n"
                               "Remark: The warnings can be suppressed\n"
                               "\n"
                               "3-kernel.hip(2): error: identifier \"missing\" is undefined\n"
                               "      x = missing;\n"
                               "          ^\n"
                               "\n"
                               "3-kernel.hip(3): error #20: identifier \"other\" is undefined\n"
                               "  \tint y = \tUSE;\n"
                               "  \t        \t^\n"
                               "\n"
                               "3-kernel.hip(4): error: no caret\n"
                               "          detected during instantiation of \"T f(T)\" at line 8\n"
                               "\n"
                               "3-kernel.hip(4): catastrophic error: cannot open source file\n"
                               "  another line\n"
                               "  ^\n"
                               "3 errors detected in the compilation of \"3-kernel.hip\".\n",
                               &source, &diagnostics);
    assert_int_equal(errors, 4);
    assert_int_equal(diagnostics.count, 4);
    static const struct {
        int line, column;
        const char *message;
    } expected[] = {{2, 9, "identifier \"missing\" is undefined"},
                    {3, 11, "identifier \"other\" is undefined"},
                    {4, 0, "no caret"},
                    {4, 0, "cannot open source file"}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(diagnostics.items[i].at.line, expected[i].line);
        assert_int_equal(diagnostics.items[i].at.column, expected[i].column);
        assert_string_equal(diagnostics.items[i].message, expected[i].message);
    }
    assert_int_equal(diagnostics.items[0].note_count, 1);
    assert_string_equal(diagnostics.items[0].notes[0],
                        "from stage_linear.hip:14, step 29, specs/x.lua:15");
    assert_int_equal(diagnostics.items[2].note_count, 1);
    assert_string_equal(diagnostics.items[2].notes[0],
                        "detected during instantiation of \"T f(T)\" at line 8");
    diagnostics_close(&diagnostics);
}

static void odd_places_are_no_errors(void **state) {
    (void)state;
    static const char *const cases[] = {
        "3-kernel.hip",
        "3-kernel.hip:",
        "3-kernel.hip:x:1: error: y\n",
        "3-kernel.hip:0:1: error: y\n",
        "3-kernel.hip:-3:1: error: y\n",
        "3-kernel.hip:99999999999999999999:1: error: y\n",
        "3-kernel.hip:1:1: remark: y\n",
        "3-kernel.hip:1:1\n: error: y\n",
        "3-kernel.hipp:1:1: error: y\n",
        "3-kernel.hip(1: error: y\n",
        "3-kernel.hip(): error: y\n",
        "3-kernel.hip(0): error: y\n",
        "3-kernel.hip(1) error: y\n",
        "3-kernel.hip(1):",
        "3-kernel.hip(1): error",
        "3-kernel.hip(1): error #",
        "3-kernel.hip(1): error #12",
        "3-kernel.hip(1)\n: error: y\n",
        "3-kernel.hip(1): errors: y\n",
    };
    const struct logged_source source = {"3-kernel.hip", "3-kernel.hip", SOURCE, NULL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diagnostics diagnostics = {0};
        if (log_report(cases[i], &source, &diagnostics) != 0)
            fail_msg("taken for an error: %s", cases[i]);
        diagnostics_close(&diagnostics);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_folders_vanish),
        cmocka_unit_test(errors_find_their_origin),
        cmocka_unit_test(nvrtc_has_a_form_of_its_own),
        cmocka_unit_test(odd_places_are_no_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
