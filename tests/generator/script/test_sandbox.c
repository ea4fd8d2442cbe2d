// What a script can call, and what it cannot.
#include "generator/script/script.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct script *script;

static int open_script(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    script = script_open(script_default_limits(), &diagnostics);
    assert_non_null(script);
    return 0;
}

static int close_script(void **state) {
    (void)state;
    script_close(script);
    return 0;
}

static bool read_model(const char *source, struct arena *arena, struct value **value,
                       struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"model"};
    const char *constructor;
    return script_read(script, "x", source, constructors, 1, arena, &constructor, value,
                       diagnostics);
}

// `expression`, in Lua, is `expected`, printed as Lua.
static void assert_is(const char *expression, const char *expected) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct text text = {0};
    struct value *value;
    if (!read_model(arena_format(&arena, "model { %s }", expression), &arena, &value, &diagnostics))
        fail_msg("%s: %s", expression, printed_diagnostics(&diagnostics));
    value_print_lua(&text, value, 0);
    const char *wanted = arena_format(&arena, "{ %s }", expected);
    if (strcmp(text.bytes, wanted) != 0)
        fail_msg("%s is %s, not %s", expression, text.bytes, wanted);
    text_close(&text);
    arena_close(&arena);
}

static void assert_fails(const char *statement, const char *reason) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct value *value;
    if (read_model(statement, &arena, &value, &diagnostics))
        fail_msg("went through: %s", statement);
    const char *text = printed_diagnostics(&diagnostics);
    if (!strstr(text, reason) || strncmp(text, "x:1:", 4) != 0)
        fail_msg("\"%s\" is expected for %s\n%s", reason, statement, text);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void nothing_dangerous_has_a_name(void **state) {
    (void)state;
    static const char *const names[] = {
        "load",         "loadstring", "loadfile",       "dofile",    "require", "io",
        "os",           "debug",      "package",        "coroutine", "utf8",    "setmetatable",
        "getmetatable", "rawset",     "rawget",         "rawequal",  "rawlen",  "xpcall",
        "next",         "print",      "collectgarbage", "warn",      "_G",      "_VERSION"};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_fails(arena_format(&arena, "local x = %s", names[i]),
                     arena_format(&arena, "undefined name '%s'", names[i]));
    arena_close(&arena);
}

static void libraries_hold_what_the_header_lists(void **state) {
    (void)state;
    assert_is("(function() local l = {} for _, t in ipairs { string, table, _ENV } do\n"
              "for k in pairs(t) do l[#l + 1] = k end end return table.concat(l, ' ') end)()",
              "\"byte char find format len lower rep reverse sub upper concat insert remove sort "
              "unpack GiB KiB MiB assert error ipairs math model pairs pcall select string table "
              "tonumber tostring type\"");
    assert_is("math.floor(2.5), math.max(1, 3)", "2, 3");
    assert_fails("local x = math.random", "math has no 'random'\n");
    assert_fails("local x = math.florr(1)", "math has no 'florr': did you mean \"floor\"?\n");
    assert_fails("local x = table.pack(1)",
                 "\n  note: it has: concat, insert, remove, sort, unpack\n");
    // Methods of strings are the sandbox's too.
    assert_is("('x').rep == string.rep, ('x'):upper()", "true, \"X\"");
    assert_fails("local x = ('x'):gsub('x', 'y')", "string has no 'gsub'");
    assert_is("#math, math[1] == nil", "0, true");
}

static void pairs_is_sorted(void **state) {
    (void)state;
    assert_is(
        "(function() local l = {}\n"
        "for k, v in pairs { z = 1, [2] = 2, B = 3, [true] = 4, a = 5, [1] = 6, [1.5] = 7,\n"
        "  [-1] = 8, [2^53] = 9, ['a\\0b'] = 10, ab = 11, [false] = 12 } do l[#l + 1] = v end\n"
        "return l end)()",
        "{ 8, 6, 7, 2, 9, 3, 5, 10, 11, 1, 12, 4 }");
    // Fields that the loop removes are passed over, those that it adds are not visited.
    assert_is("(function() local l, t = {}, { a = 1, b = 2, c = 3 }\n"
              "for k in pairs(t) do l[#l + 1] = k t.b = nil t.d = 4 end return l end)()",
              "{ \"a\", \"c\" }");
    assert_fails("pairs { [{}] = 1 }", "pairs: a key is a table, which has no order");
    assert_fails("pairs(1)", "table expected, got number");
}

static void sort_is_stable(void **state) {
    (void)state;
    assert_is(
        "(function() local t, l = {}, {} for i = 1, 300 do t[i] = { k = i % 3, i = i } end\n"
        "table.sort(t, function(a, b) return a.k < b.k end)\n"
        "for i = 1, 300 do l[i] = t[i].i end\n"
        "for i = 1, 100 do if l[i] ~= 3 * i or l[100 + i] ~= 3 * i - 2 then return i end end\n"
        "return 'stable' end)()",
        "\"stable\"");
    assert_is("(function() local t = { 3, 1, 2.5, 2, 10 } table.sort(t) return t end)(), #{}",
              "{ 1, 2, 2.5, 3, 10 }, 0");
    assert_is(
        "(function() local t = { 'b', 'a', 'c' } table.sort(t, function(a, b) return a > b end)"
        " return t end)()",
        "{ \"c\", \"b\", \"a\" }");
    assert_is("(function() local t = {} table.sort(t) return t end)()", "{}");
    assert_fails("table.sort { 1, 'x' }", "attempt to compare");
    // A comparison that contradicts itself ends all the same.
    assert_is("(function() local t = {} for i = 1, 100 do t[i] = i end\n"
              "table.sort(t, function() return true end) return #t end)()",
              "100");
}

static void tostring_and_format(void **state) {
    (void)state;
    assert_is(
        "tostring({}), tostring(type), tostring(nil), tostring(1/3), tostring(2), tostring(2.0)",
        "\"table\", \"function\", \"nil\", \"0.3333333333333333\", \"2\", \"2.0\"");
    assert_is("string.format('%s|%5s|%-3d|%.2f|%%|%x|%q', {}, 'a', 1, 1/3, 255, 'b')",
              "\"table|    a|1  |0.33|%|ff|\\\"b\\\"\"");
    assert_is("string.format('%s %s', 0.1, 1e300 * 1e10)", "\"0.1 inf\"");
    assert_fails("string.format('%p', {})", "string.format has no '%p': addresses change");
    assert_fails("string.format('%-10p', {})", "string.format has no '%p'");
    assert_fails("string.format('%s')", "bad argument #2 to 'format' (no value)");
    assert_fails("string.format('%y', 1)", "invalid conversion '%y' to 'format'");
}

static void strings(void **state) {
    (void)state;
    assert_is("('a.b.c'):find('.b')", "2, 3");
    assert_is("('abc'):find('x') == nil, (('abc'):find('', 10)) == nil", "true, true");
    assert_is("('abcabc'):find('abc', 2)", "4, 6");
    assert_is("('abcabc'):find('abc', -3)", "4, 6");
    assert_is("('abc'):find('', 4)", "4, 3");
    assert_is("('ab'):rep(3, '-'), ('x'):rep(0), ('x'):rep(-1), (''):rep(1 << 60)",
              "\"ab-ab-ab\", \"\", \"\", \"\"");
    assert_is("('Ab'):upper() .. ('Ab'):lower() .. ('Ab'):reverse() .. #'abc' .. ('abc'):sub(2, 3)",
              "\"ABabbA3bc\"");
    assert_fails("('x'):rep()", "bad argument #1 to 'rep' (number expected, got no value)");
}

static void tables(void **state) {
    (void)state;
    assert_is("(function() local t = { 1, 2 } table.insert(t, 3) table.insert(t, 1, 0)\n"
              "table.remove(t, 2) table.remove(t) return t end)()",
              "{ 0, 2 }");
    assert_is("table.concat({ 1, 'b', 2.5 }, ', '), table.unpack({ 1, 2, 3 }, 2)",
              "\"1, b, 2.5\", 2, 3");
    assert_fails("table.insert({}, 5, 1)", "bad argument #2 to 'insert' (position out of bounds)");
    assert_fails("table.insert(1, 1)", "bad argument #1 to 'insert' (table expected, got number)");
}

static void errors_can_be_caught(void **state) {
    (void)state;
    assert_is("pcall(error, 'a', 0)", "false, \"a\"");
    assert_is("pcall(function() error('b') end)", "false, \"x:1: b\"");
    assert_is("select('#', pcall(function() return 1, nil end)), pcall(type, 1)",
              "3, true, \"number\"");
    assert_is("pcall(function() return undefined end)",
              "false, \"x:1: undefined name 'undefined'\"");
    assert_fails("assert(1 == 2)", "assertion failed!");
    assert_fails("assert(false, 'told so')", "told so");
    assert_fails("error('loud', 2)", "loud");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_dangerous_has_a_name),
        cmocka_unit_test(libraries_hold_what_the_header_lists),
        cmocka_unit_test(pairs_is_sorted),
        cmocka_unit_test(sort_is_stable),
        cmocka_unit_test(tostring_and_format),
        cmocka_unit_test(strings),
        cmocka_unit_test(tables),
        cmocka_unit_test(errors_can_be_caught),
    };
    return cmocka_run_group_tests(tests, open_script, close_script);
}
