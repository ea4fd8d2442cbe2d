// Whatever a script does, it ends within its limits, and the error says which one it met.
#include "generator/script/script.h"

#include "runtime/clock.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMORY_MIB = 32 };

static bool read_model(struct script *script, const char *source, struct arena *arena,
                       struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"model"};
    const char *constructor;
    struct value *value;
    return script_read(script, "x.lua", source, constructors, 1, arena, &constructor, &value,
                       diagnostics);
}

// The script stays usable after a limit: a small model reads.
static void assert_usable(struct script *script) {
    struct diagnostics diagnostics = {0};
    struct arena arena = {0};
    if (!read_model(script, "local n = 0 for i = 1, 10000 do n = n + i end model { n = n }", &arena,
                    &diagnostics))
        fail_msg("after a limit: %s", printed_diagnostics(&diagnostics));
    arena_close(&arena);
}

static void assert_stopped(const char *source, struct script_limits limits, const char *reason) {
    struct diagnostics diagnostics = {0};
    struct arena arena = {0};
    struct script *script = script_open(limits, &diagnostics);
    assert_non_null(script);
    double start = clock_seconds(CLOCK_MONOTONIC);
    bool good = read_model(script, source, &arena, &diagnostics);
    double seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    if (good)
        fail_msg("was not stopped: %s", source);
    const char *text = printed_diagnostics(&diagnostics);
    if (!strstr(text, reason) || strncmp(text, "x.lua:", 6) != 0 || diagnostics.count != 1)
        fail_msg("\"%s\" is expected for %s\n%s", reason, source, text);
    // Generous: the machine may be busy and the build sanitised.
    if (seconds > limits.seconds + 20)
        fail_msg("took %.1f s: %s", seconds, source);
    assert_usable(script);
    script_close(script);
    arena_close(&arena);
    diagnostics_close(&diagnostics);
}

static void instructions_are_limited(void **state) {
    (void)state;
    static const char *const sources[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "local function f() pcall(f) pcall(f) end f()",
        "local function f() return f() end f()",
        "table.sort({ 3, 2, 1 }, function(a, b) while true do end end)",
        "for i = 1, 1e9 do local s = ('x'):rep(1e6) end",
        "while true do pcall(string.rep, 'x', 1e15) end",
        "string.rep('', 1e18) string.rep('x', 1e18)",
        "local s = ('ab'):rep(1e6) while true do s:find('abababaX') end",
        "local s = ('x'):rep(1e6) while true do local u = s .. 'y' end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.insert(t, 1, 0) end",
        "local t = {} for i = 1, 1e5 do t[i] = '' end while true do table.concat(t) end",
        "local t = {} for i = 1, 1e4 do t[i] = i end while true do pairs(t) end",
        "local t = {} for i = 1, 1e4 do t[i] = i end while true do table.sort(t) end",
        "while true do pcall(function() return undefined_name end) end",
    };
    struct script_limits limits = {
        .memory_bytes = MEMORY_MIB << 20, .instructions = 3000000, .seconds = 600};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        assert_stopped(sources[i], limits, "the script ran more than 3000000 instructions");
}

static void time_is_limited(void **state) {
    (void)state;
    struct script_limits limits = script_default_limits();
    limits.seconds = 0.1;
    assert_stopped("while true do end", limits, "the script ran for more than 0.1 s");
    assert_stopped("while true do pcall(function() while true do end end) end", limits,
                   "the script ran for more than 0.1 s");
    assert_stopped("local function f() pcall(f) pcall(f) end while true do pcall(f) end", limits,
                   "the script ran for more than 0.1 s");
    // Few instructions that copy ever more arguments.
    assert_stopped("local function f(...) return f(1, ...) end f()", limits,
                   "the script ran for more than 0.1 s");
}

static void memory_is_limited(void **state) {
    (void)state;
    static const char *const sources[] = {
        "local t = {} while true do t[#t + 1] = { #t } end",
        "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
        "local s = 'x' while true do s = s .. s end",
        "local s = 'x' while true do s = pcall(function() return s .. s end) and s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end",
        "local t = {} while true do t = { t, function() return t end } end",
        "model { a = ('x'):rep(5e6) }",
    };
    struct script_limits limits = {
        .memory_bytes = MEMORY_MIB << 20, .instructions = 400000000, .seconds = 60};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        assert_stopped(sources[i], limits,
                       "the script used more than 32 MiB of memory, or 4 MiB in one string");
}

// Depth that the interpreter refuses by itself is an error, not a crash.
static void depth_is_limited(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    struct arena arena = {0};
    struct text source = {0};
    struct script *script = script_open(script_default_limits(), &diagnostics);
    text_append(&source, "model { a = ");
    for (int i = 0; i < 100000; i++)
        text_append(&source, "{");
    assert_false(read_model(script, source.bytes, &arena, &diagnostics));
    text_clear(&source);
    text_append(&source, "model { a = 1");
    for (int i = 0; i < 100000; i++)
        text_append(&source, " .. (1");
    assert_false(read_model(script, source.bytes, &arena, &diagnostics));
    assert_false(
        read_model(script, "local function f() return 1 + f() end f()", &arena, &diagnostics));
    assert_non_null(strstr(printed_diagnostics(&diagnostics), "stack overflow"));
    assert_false(read_model(script, "local t = {} for i = 1, 1e5 do t = { t } end model(t)", &arena,
                            &diagnostics));
    assert_usable(script);
    assert_int_equal(diagnostics.count, 4);
    text_close(&source);
    script_close(script);
    arena_close(&arena);
    diagnostics_close(&diagnostics);
}

static void a_state_without_room_is_an_error(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 40000; bytes += 500) {
        struct diagnostics diagnostics = {0};
        struct script_limits limits = script_default_limits();
        limits.memory_bytes = bytes;
        struct script *script = script_open(limits, &diagnostics);
        assert_int_equal(script == NULL, diagnostics.count == 1);
        script_close(script);
        diagnostics_close(&diagnostics);
    }
}

// What a limit stops at any moment leaves nothing broken or leaked behind.
static void any_limit_stops_cleanly(void **state) {
    (void)state;
    static const char source[] =
        "local t = { name = 'x' } for i = 1, 50 do t['k' .. i] = { i, ('x'):rep(i) } end\n"
        "table.sort(t) for k, v in pairs(t) do pcall(table.concat, v) end\n"
        "model { t = t, f = string.format('%s %d', t, 3), u = pcall(function() return u end) }";
    int stopped = 0, read = 0;
    for (int step = 0; step < 600; step++) {
        struct diagnostics diagnostics = {0};
        struct arena arena = {0};
        struct script_limits limits = script_default_limits();
        if (step % 2)
            limits.memory_bytes = 30000 + (size_t)step * 60;
        else
            limits.instructions = step * 20;
        struct script *script = script_open(limits, &diagnostics);
        if (script) {
            bool good = read_model(script, source, &arena, &diagnostics);
            assert_int_equal(good, diagnostics.count == 0);
            stopped += !good;
            read += good;
        }
        script_close(script);
        arena_close(&arena);
        diagnostics_close(&diagnostics);
    }
    assert_true(stopped > 50);
    assert_true(read > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_are_limited),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(a_state_without_room_is_an_error),
        cmocka_unit_test(any_limit_stops_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
