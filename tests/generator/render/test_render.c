// Whole renders of small templates: text, line map, located errors.
#include "generator/render/render.h"

#include "generator/base/file.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct script *script;
    struct arena arena;
    struct diagnostics diagnostics;
    struct value *plan;
    struct text text, map_text;
    struct line_map map;
};

static int open_render(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->script = script_open(script_default_limits(), &fixture->diagnostics);
    assert_non_null(fixture->script);
    struct arena *arena = &fixture->arena;
    struct value *steps = value_list(arena);
    value_list_add(arena, steps, value_string(arena, "embed"));
    value_list_add(arena, steps, value_string(arena, "qkv"));
    fixture->plan = value_table(arena);
    value_table_set(arena, fixture->plan, "hidden", value_integer(arena, 64));
    value_table_set(arena, fixture->plan, "eps", value_number(arena, 1e-5));
    value_table_set(arena, fixture->plan, "steps", steps);
    assert_true(folder_make(temporary_path("templates"), &fixture->diagnostics));
    *state = fixture;
    return 0;
}

static int close_render(void **state) {
    struct fixture *fixture = *state;
    script_close(fixture->script);
    arena_close(&fixture->arena);
    diagnostics_close(&fixture->diagnostics);
    text_close(&fixture->text);
    text_close(&fixture->map_text);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, const char *file, const char *text) {
    const char *path = arena_format(&fixture->arena, "%s/templates/%s", temporary_folder(), file);
    if (!file_write(path, text, strlen(text), &fixture->diagnostics))
        fail_msg("%s", printed_diagnostics(&fixture->diagnostics));
}

static bool run(struct fixture *fixture, const char *kernel) {
    put(fixture, "kernel.hip", kernel);
    text_clear(&fixture->map_text);
    bool good = render(fixture->script, temporary_path("templates"), "kernel.hip", fixture->plan,
                       &fixture->arena, &fixture->text, &fixture->map, &fixture->diagnostics);
    assert_int_equal(good, fixture->diagnostics.count == 0);
    size_t lines = 0;
    for (size_t i = 0; i < fixture->text.length; i++)
        lines += fixture->text.bytes[i] == '\n';
    assert_int_equal(fixture->map.count, lines);
    line_map_print(&fixture->map, &fixture->map_text);
    return good;
}

static void assert_renders(struct fixture *fixture, const char *kernel, const char *expected) {
    if (!run(fixture, kernel))
        fail_msg("%s", printed_diagnostics(&fixture->diagnostics));
    assert_string_equal(fixture->text.bytes, expected);
}

static void assert_error(struct fixture *fixture, const char *kernel, const char *expected) {
    assert_false(run(fixture, kernel));
    assert_string_equal(printed_diagnostics(&fixture->diagnostics), expected);
    assert_int_equal(fixture->text.length, 0);
    diagnostics_close(&fixture->diagnostics);
}

static void inserts_values(void **state) {
    assert_renders(*state,
                   "$(plan.hidden) $(plan.eps)f $(\"a\" .. 'b')\n"
                   "$(2.0) $(1/3) $(1e300 * 1e10) $(-7) $(7 // 2) $(1 < 2) \\n \"x\"\n",
                   "64 1e-05f ab\n"
                   "2.0 0.3333333333333333 inf -7 3 true \\n \"x\"\n");
    assert_renders(*state, "$(\"\")\n\n  \n", "\n\n  \n");
    assert_renders(*state, "no line end", "no line end\n");
}

static void runs_lua(void **state) {
    struct fixture *fixture = *state;
    assert_renders(fixture,
                   "//@ local function call(name)\n"
                   "  $(name)();\n"
                   "//@ end\n"
                   "//@ for i, name in ipairs(plan.steps) do\n"
                   "//@   if i > 1 then\n"
                   "  // then\n"
                   "//@   end\n"
                   "//@   call(name)\n"
                   "//@ end\n"
                   "end\n",
                   "  embed();\n  // then\n  qkv();\nend\n");
    // A line of a function comes from where it is written, not from where it is called.
    assert_string_equal(fixture->map_text.bytes,
                        "1 kernel.hip:2\n2 kernel.hip:6\n3 kernel.hip:2\n4 kernel.hip:10\n");
}

static void includes_and_shares_globals(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "common.hip",
        "//@ local hidden_here = 1\n"
        "//@ function stage(name)\n"
        "stage_$(name)(); // $(here())\n"
        "//@ end\n"
        "// common\n");
    assert_renders(fixture,
                   "//@ include(\"common.hip\")\n"
                   "//@ stage 'a'\n"
                   "$(here())\n"
                   "//@ include(\"common.hip\")\n",
                   "// common\nstage_a(); // common.hip:3\nkernel.hip:3\n// common\n");
    assert_string_equal(fixture->map_text.bytes,
                        "1 common.hip:5\n2 common.hip:3\n3 kernel.hip:3\n4 common.hip:5\n");
    assert_error(fixture, "//@ include 'common.hip'\n$(hidden_here)\n",
                 "kernel.hip:2:3: error: undefined name 'hidden_here'\n$(hidden_here)\n  ^\n");
    // A later render starts with globals of its own.
    assert_error(fixture, "//@ stage 'a'\n",
                 "kernel.hip:1:5: error: undefined name 'stage'\n//@ stage 'a'\n    ^\n");
}

static void verbatim_is_untouched(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "prelude.h", "//@ $(x)\nlast");
    assert_true(folder_make(temporary_path("runtime"), &fixture->diagnostics));
    put(fixture, "../runtime/control.h", "int a;\n\n");
    assert_renders(fixture,
                   "first\n//@ verbatim 'prelude.h'\n//@ verbatim '../runtime/control.h'\n",
                   "first\n//@ $(x)\nlast\nint a;\n\n");
    assert_string_equal(fixture->map_text.bytes,
                        "1 kernel.hip:1\n2 prelude.h:1\n3 prelude.h:2\n"
                        "4 ../runtime/control.h:1\n5 ../runtime/control.h:2\n");
}

static void lines_know_step_and_spec(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "in.hip", "in\n");
    assert_renders(fixture,
                   "a\n//@ from(3, 'specs/x.lua', 15)\nb\n//@ include 'in.hip'\n//@ from(4)\nc\n"
                   "//@ from(nil, 'y.lua', 1)\n$(\"d\\ne\")\n//@ from()\nf\n",
                   "a\nb\nin\nc\nd\ne\nf\n");
    assert_string_equal(fixture->map_text.bytes, "1 kernel.hip:1\n"
                                                 "2 kernel.hip:3 step 3 specs/x.lua:15\n"
                                                 "3 in.hip:1 step 3 specs/x.lua:15\n"
                                                 "4 kernel.hip:6 step 4\n"
                                                 "5 kernel.hip:8 y.lua:1\n"
                                                 "6 kernel.hip:8 y.lua:1\n"
                                                 "7 kernel.hip:10\n");
}

static void errors_name_template_and_line(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "in.hip", "\n//@ function row(name)\n  $(1) $(name);\n//@ end\n");
    assert_error(fixture, "x\n  a $(HIDEN) b\n",
                 "kernel.hip:2:7: error: undefined name 'HIDEN'\n  a $(HIDEN) b\n      ^\n");
    assert_error(fixture, "a $(plan.hiden);\n",
                 "kernel.hip:1:5: error: nothing to insert: plan.hiden\n"
                 "a $(plan.hiden);\n"
                 "    ^\n"
                 "  note: it is nil; a string, a number or a boolean can be inserted\n");
    assert_error(fixture, "$(plan)\n",
                 "kernel.hip:1:3: error: nothing to insert: plan\n"
                 "$(plan)\n"
                 "  ^\n"
                 "  note: it is a table; a string, a number or a boolean can be inserted\n");
    assert_error(fixture, "$(include('in.hip'))\n",
                 "kernel.hip:1:3: error: nothing to insert: include('in.hip')\n"
                 "$(include('in.hip'))\n"
                 "  ^\n"
                 "  note: it is nil; a string, a number or a boolean can be inserted\n");
    assert_error(fixture, "//@ include 'in.hip'\n\n//@ row()\n",
                 "in.hip:3:10: error: nothing to insert: name\n"
                 "  $(1) $(name);\n"
                 "         ^\n"
                 "  note: it is nil; a string, a number or a boolean can be inserted\n"
                 "  note: called from kernel.hip:3\n");
    put(fixture, "bad.hip", "//@ local x = nil\n$(x.y)\n");
    assert_error(fixture, "//@ include 'bad.hip'\n",
                 "bad.hip:2:3: error: attempt to index a nil value (local 'x')\n"
                 "$(x.y)\n"
                 "  ^\n"
                 "  note: called from kernel.hip:1\n");
    assert_error(fixture, "//@ for i = 1, 3 do\na\n",
                 "kernel.hip:3: error: 'end' expected (to close 'for' at line 1) near <eof>\n");
    assert_error(fixture, "//@ error('no engine ' .. plan.hidden)\n",
                 "kernel.hip:1: error: no engine 64\n//@ error('no engine ' .. plan.hidden)\n");
    assert_error(fixture, "$(a, b)\n",
                 "kernel.hip:1:4: error: ')' expected near ','\n$(a, b)\n   ^\n");
}

static void calls_are_checked(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "self.hip", "//@ pcall(include, 'self.hip')\n");
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"//@ include 'absent.hip'", "templates/absent.hip: there is no such file"},
        {"//@ include '../x.hip'", "include: the name must stay inside the templates folder"},
        {"//@ include 'a/../../x'", "include: the name must stay inside the templates folder"},
        {"//@ include '/etc/passwd'", "include: the name must stay inside the templates folder"},
        {"//@ include ''", "include: the name must stay inside the templates folder"},
        {"//@ include '..'", "include: the name must stay inside the templates folder"},
        {"//@ include 'a b'", "include: the name must stay inside the templates folder"},
        {"//@ include '.'", "templates/.: is a folder, a file is expected"},
        {"//@ include()", "include takes the name of a template"},
        {"//@ include(3)", "include takes the name of a template"},
        {"//@ verbatim '../../x'", "verbatim: the name must stay beside the templates folder"},
        {"//@ verbatim '/etc/passwd'", "verbatim: the name must stay beside the templates folder"},
        {"//@ verbatim '..//etc/passwd'", "verbatim: the name must stay beside the templates"},
        {"//@ verbatim '../..'", "verbatim: the name must stay beside the templates folder"},
        {"//@ verbatim '../'", "verbatim: the name must stay beside the templates folder"},
        {"//@ verbatim {}", "verbatim takes the name of a file"},
        {"//@ include 'self.hip'", "include: templates include each other without end"},
        {"//@ from(-1)", "from takes a step of the schedule"},
        {"//@ from(1.5)", "from takes a step of the schedule"},
        {"//@ from(1, 'x')", "from takes a step of the schedule"},
        {"//@ from(1, 'x', 0)", "from takes a step of the schedule"},
        {"//@ from(1, 'x\\ny', 1)", "from takes a step of the schedule"},
        {"//@ from(1 << 40)", "from takes a step of the schedule"},
        {"//@ here(1)", "here takes no arguments"},
        {"$('a\\0b')", "a string holds a NUL"},
        {"//@ while true do pcall(include, 'absent.hip') end", "there is no such file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (run(fixture, cases[i].line))
            fail_msg("went through: %s", cases[i].line);
        const char *text = printed_diagnostics(&fixture->diagnostics);
        if (!strstr(text, cases[i].reason) || !strstr(text, ".hip:1: error: ") ||
            fixture->diagnostics.count != 1)
            fail_msg("\"%s\" is expected for %s\n%s", cases[i].reason, cases[i].line, text);
        diagnostics_close(&fixture->diagnostics);
    }
}

// The same templates and plan give the same bytes, in another state too.
static void renders_are_repeatable(void **state) {
    struct fixture *fixture = *state;
    static const char kernel[] = "//@ for k, v in pairs(plan) do\n"
                                 "$(k) $(type(v)) $(tostring(v))\n"
                                 "//@ end\n";
    assert_renders(fixture, kernel, "eps number 1e-05\nhidden number 64\nsteps table table\n");
    for (int i = 0; i < 5; i++) {
        script_close(fixture->script);
        fixture->script = script_open(script_default_limits(), &fixture->diagnostics);
        assert_non_null(fixture->script);
        assert_renders(fixture, kernel, "eps number 1e-05\nhidden number 64\nsteps table table\n");
    }
}

static void endless_templates_are_stopped(void **state) {
    struct fixture *fixture = *state;
    script_close(fixture->script);
    struct script_limits limits = script_default_limits();
    limits.instructions = 1000000;
    fixture->script = script_open(limits, &fixture->diagnostics);
    put(fixture, "in.hip", "//@ while true do\nline\n//@ end\n");
    assert_error(fixture, "//@ while true do pcall(include, 'in.hip') end\n",
                 "in.hip:2: error: the script ran more than 1000000 instructions\n"
                 "line\n"
                 "  note: called from kernel.hip:1\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_render, close_render)
    const struct CMUnitTest tests[] = {
        TEST(inserts_values),
        TEST(runs_lua),
        TEST(includes_and_shares_globals),
        TEST(verbatim_is_untouched),
        TEST(lines_know_step_and_spec),
        TEST(errors_name_template_and_line),
        TEST(calls_are_checked),
        TEST(renders_are_repeatable),
        TEST(endless_templates_are_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
