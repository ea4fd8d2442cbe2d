// script_read: values, their order and lines, and located errors.
#include "generator/script/script.h"

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
    struct text text;
};

static int open_script(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->script = script_open(script_default_limits(), &fixture->diagnostics);
    assert_non_null(fixture->script);
    *state = fixture;
    return 0;
}

static int close_script(void **state) {
    struct fixture *fixture = *state;
    script_close(fixture->script);
    arena_close(&fixture->arena);
    diagnostics_close(&fixture->diagnostics);
    text_close(&fixture->text);
    free(fixture);
    return 0;
}

static struct value *read_as(struct fixture *fixture, const char *source,
                             const char **constructor) {
    static const char *const constructors[] = {"model", "family"};
    struct value *value = NULL;
    bool good = script_read(fixture->script, "x.lua", source, constructors, 2, &fixture->arena,
                            constructor, &value, &fixture->diagnostics);
    assert_int_equal(good, fixture->diagnostics.count == 0);
    return good ? value : NULL;
}

static struct value *read_good(struct fixture *fixture, const char *source) {
    const char *constructor = NULL;
    struct value *value = read_as(fixture, source, &constructor);
    if (!value)
        fail_msg("%s", printed_diagnostics(&fixture->diagnostics));
    assert_non_null(constructor);
    return value;
}

static void assert_reads(struct fixture *fixture, const char *source, const char *expected) {
    text_clear(&fixture->text);
    value_print_lua(&fixture->text, read_good(fixture, source), 0);
    assert_string_equal(fixture->text.bytes, expected);
}

static void assert_error(struct fixture *fixture, const char *source, const char *expected) {
    const char *constructor;
    assert_null(read_as(fixture, source, &constructor));
    assert_int_equal(diagnostics_exit_status(&fixture->diagnostics), 1);
    assert_string_equal(printed_diagnostics(&fixture->diagnostics), expected);
    diagnostics_close(&fixture->diagnostics);
}

static void fields_come_in_written_order(void **state) {
    assert_reads(*state, "model { z = 1, a = 2, m = { y = 1, x = 2 }, l = { { q = 1, p = 2 } } }",
                 "{ z = 1, a = 2, m = { y = 1, x = 2 }, l = { { q = 1, p = 2 } } }");
    assert_reads(*state, "model({ z = 1; ['a b'] = 2; [\"b\"] = 3, })",
                 "{ z = 1, [\"a b\"] = 2, b = 3 }");
    assert_reads(*state, "-- model { a = 1 }\nlocal s = 'model { b'\nmodel { z = s, a = [[\nb}]] }",
                 "{ z = \"model { b\", a = \"b}\" }");
    assert_reads(*state,
                 "model { z = (function() local t = { b = 1 } if t then return t end end)(),"
                 " a = #{ 1, 2 } + 1, k = ({ b = 1, a = 2 }).a, m = 1 == 2 }",
                 "{ z = { b = 1 }, a = 3, k = 2, m = false }");
}

static void fields_that_are_not_written_are_sorted(void **state) {
    assert_reads(*state, "local t = { z = 1, a = 2 } model { y = t, x = 3 }",
                 "{ y = { a = 2, z = 1 }, x = 3 }");
    assert_reads(*state, "local t = { z = 1, a = 2 } t.b = 3 model(t)", "{ a = 2, b = 3, z = 1 }");
    assert_reads(*state, "local t = {} for i = 1, 5 do t['k' .. i] = i end model(t)",
                 "{ k1 = 1, k2 = 2, k3 = 3, k4 = 4, k5 = 5 }");
}

static void kinds_stay_what_they_are(void **state) {
    assert_reads(*state,
                 "model { a = 2, b = 2.0, c = 1e3, d = 7 // 2, e = 4 / 2, f = true, g = {} }",
                 "{ a = 2, b = 2.0, c = 1000.0, d = 3, e = 2.0, f = true, g = {} }");
    assert_reads(*state, "model { a = 64 * KiB, b = 2 * MiB, c = GiB, d = math.maxinteger }",
                 "{ a = 65536, b = 2097152, c = 1073741824, d = 9223372036854775807 }");
    struct value *value = read_good(*state, "model { 1, 2 }");
    assert_int_equal(value->kind, VALUE_LIST);
    assert_int_equal(read_good(*state, "model {}")->kind, VALUE_LIST);
}

static void values_know_their_lines(void **state) {
    struct value *value = read_good(*state, "local b = {\n c = 1 }\n\nmodel {\n"
                                            "  a = 1,\n"
                                            "  l = { 1,\n"
                                            "    { deep = 2 } }, b = b,\n"
                                            "}");
    assert_int_equal(value->line, 4);
    assert_int_equal(value_get(value, "a")->line, 5);
    assert_int_equal(value_get(value, "l")->line, 6);
    assert_int_equal(value_get(value, "l")->list.items[0]->line, 6);
    assert_int_equal(value_get(value, "l")->list.items[1]->line, 7);
    assert_int_equal(value_get(value_get(value, "l")->list.items[1], "deep")->line, 7);
    assert_int_equal(value_get(value, "b")->line, 7);
    assert_int_equal(value_get(value_get(value, "b"), "c")->line, 7);
}

static void constructors_are_told_apart(void **state) {
    const char *constructor = NULL;
    assert_non_null(read_as(*state, "model { a = 1 }", &constructor));
    assert_string_equal(constructor, "model");
    struct value *value =
        read_as(*state, "family { a = 1, graph = function(m) return { m } end }", &constructor);
    assert_string_equal(constructor, "family");
    assert_int_equal(value->table.count, 1);
}

static void calls_are_counted(void **state) {
    assert_error(*state, "local x = 1",
                 "x.lua: error: nothing is defined here: model { ... } or family { ... } is "
                 "expected\n");
    assert_error(*state, "model { a = 1 }\n  family { b = 2 }",
                 "x.lua:2:3: error: 'family': only one such call is allowed in a file\n"
                 "  family { b = 2 }\n"
                 "  ^\n");
    assert_error(*state, "model 'x'",
                 "x.lua:1:1: error: 'model' takes one table: model { ... }\nmodel 'x'\n^\n");
}

static void errors_are_located(void **state) {
    assert_error(*state, "model {\n  heads = 32 kv_heads = 7,\n}",
                 "x.lua:2:14: error: '}' expected (to close '{' at line 1) near 'kv_heads'\n"
                 "  heads = 32 kv_heads = 7,\n"
                 "             ^\n");
    assert_error(*state, "model {\n  layers = lahyars, lahyars_2 = 1 }",
                 "x.lua:2:12: error: undefined name 'lahyars'\n"
                 "  layers = lahyars, lahyars_2 = 1 }\n"
                 "           ^\n");
    assert_error(*state, "local hidden = 3\nx = hiden_size\n",
                 "x.lua:2:5: error: undefined name 'hiden_size'\n"
                 "x = hiden_size\n"
                 "    ^\n");
    assert_error(*state, "layers = 2\nmodel { a = layer }",
                 "x.lua:2:13: error: undefined name 'layer'\n"
                 "model { a = layer }\n"
                 "            ^\n"
                 "  note: did you mean layers?\n");
    assert_error(*state, "local t\nmodel { a = t.x }",
                 "x.lua:2:13: error: attempt to index a nil value (local 't')\n"
                 "model { a = t.x }\n"
                 "            ^\n");
    assert_error(*state, "local function f(x)\n  error('too small: ' .. x)\nend\nlocal y = f(3)",
                 "x.lua:2: error: too small: 3\n"
                 "  error('too small: ' .. x)\n"
                 "  note: called from x.lua:4\n");
    assert_error(*state, "model { a = {\n", "x.lua:2: error: unexpected symbol near <eof>\n");
    assert_error(*state, "model { a = 'x }\n}",
                 "x.lua:1:13: error: unfinished string near ''x }'\nmodel { a = 'x }\n"
                 "            ^\n");
    assert_error(*state, "error({})",
                 "x.lua:1: error: the script raised an error that is a table\nerror({})\n");
    assert_error(*state, "\033Lua", "x.lua: error: attempt to load a binary chunk (mode is 't')\n");
    // Caught and raised again: the place where it began.
    assert_error(*state, "local ok, e = pcall(function()\nerror('first') end)\nerror(e, 0)",
                 "x.lua:3: error: x.lua:2: first\nerror(e, 0)\n");
}

static void only_plain_data_is_taken(void **state) {
    assert_error(*state, "model { a = 1,\n  b = { c = function() end } }",
                 "x.lua:2:9: error: 'c' is a function, plain data is expected\n"
                 "  b = { c = function() end } }\n"
                 "        ^\n");
    assert_error(*state, "family { a = { function() end } }",
                 "x.lua:1: error: item 1 of a list is a function, plain data is expected\n"
                 "family { a = { function() end } }\n");
    assert_error(*state, "model { a = { 1, 2, x = 3 } }",
                 "x.lua:1:9: error: 'a' mixes named fields with list items\n"
                 "model { a = { 1, 2, x = 3 } }\n"
                 "        ^\n");
    assert_error(*state, "model { a = { 1, nil, 3 } }",
                 "x.lua:1:9: error: 'a' is a list with holes: its items are not 1, 2, 3 ...\n"
                 "model { a = { 1, nil, 3 } }\n"
                 "        ^\n");
    assert_error(*state, "model { a = { [0] = 1 } }",
                 "x.lua:1:9: error: 'a' is a list with holes: its items are not 1, 2, 3 ...\n"
                 "model { a = { [0] = 1 } }\n"
                 "        ^\n");
    assert_error(*state, "model { a = { [1.5] = 1 } }",
                 "x.lua:1:9: error: 'a' has keys that are neither names nor 1, 2, 3 ...\n"
                 "model { a = { [1.5] = 1 } }\n"
                 "        ^\n");
    assert_error(*state, "model { a = 'x\\0y' }",
                 "x.lua:1:9: error: 'a' is a string that holds a NUL\nmodel { a = 'x\\0y' }\n"
                 "        ^\n");
    assert_error(*state, "model { a = 1, b = {\n x = 1, ['x'] = 2 } }",
                 "x.lua:2:2: error: 'x' is written twice\n x = 1, ['x'] = 2 } }\n ^\n");
    assert_error(*state, "local t = {} t.t = t\nmodel { a = t }",
                 "x.lua:2:13: error: 't' is nested too deeply, or contains itself\n"
                 "model { a = t }\n"
                 "            ^\n");
}

// One file cannot change what the next one sees.
static void files_do_not_share_globals(void **state) {
    read_good(*state, "x = 1 string.upper = nil math.pi = 3 table.sort = 4 KiB = 1 model {}");
    assert_reads(*state,
                 "model { a = ('x'):upper(), b = math.pi > 3.1, k = KiB, t = type(table.sort) }",
                 "{ a = \"X\", b = true, k = 1024, t = \"function\" }");
    assert_error(*state, "model { a = x }",
                 "x.lua:1:13: error: undefined name 'x'\nmodel { a = x }\n            ^\n");
}

static void long_file_names_are_kept(void **state) {
    struct fixture *fixture = *state;
    static const char *const constructors[] = {"model"};
    char file[300];
    memset(file, 'n', sizeof file);
    memcpy(file, "#1:2: ", 6);
    file[299] = '\0';
    const char *constructor;
    struct value *value;
    assert_false(script_read(fixture->script, file, "\nx = y", constructors, 1, &fixture->arena,
                             &constructor, &value, &fixture->diagnostics));
    assert_string_equal(fixture->diagnostics.items[0].at.file, file);
    assert_int_equal(fixture->diagnostics.items[0].at.line, 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_script, close_script)
    const struct CMUnitTest tests[] = {
        TEST(fields_come_in_written_order), TEST(fields_that_are_not_written_are_sorted),
        TEST(kinds_stay_what_they_are),     TEST(values_know_their_lines),
        TEST(constructors_are_told_apart),  TEST(calls_are_counted),
        TEST(errors_are_located),           TEST(only_plain_data_is_taken),
        TEST(files_do_not_share_globals),   TEST(long_file_names_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
