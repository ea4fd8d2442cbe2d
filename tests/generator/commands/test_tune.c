// tune and what becomes of its result, as users meet them. Which point wins is not judged.
#include "generator/base/file.h"
#include "generator/tune/tuning_file.h"
#include "tests/support/printed.h"
#include "tests/support/shell.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static const char tiny[] = "tests/specs/tiny.lua";
static char compiler[PATH_MAX], kept[2 * PATH_MAX]; // kept: where the result of `tiny` lies

// A compiler that does not optimise: the kernels are many, and their speed does not matter here.
static void write_compiler(const char *version) {
    char script[256];
    snprintf(script, sizeof script,
             "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'c++ of a test, %s'; exit 0; }\n"
             "exec c++ \"$@\" -O0\n",
             version);
    write_test_file(compiler, script);
    assert_int_equal(chmod(compiler, 0700), 0);
}

static int open_all(void **state) {
    if (program_open(state) != 0)
        return -1;
    snprintf(compiler, sizeof compiler, "%s/c++", program_folder());
    snprintf(kept, sizeof kept, "%s/cache/monogen/tunings/tiny-host.lua", program_folder());
    write_compiler("first");
    return setenv("CXX", compiler, 1);
}

static void read_kept(struct tuning_file *file, struct arena *arena) {
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(script_default_limits(), &diagnostics);
    if (!script || !tuning_file_read(script, kept, arena, file, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    script_close(script);
    diagnostics_close(&diagnostics);
}

// Tunes the tiny model where that has not been done.
static void need_result(void) {
    need_compiler("cxx");
    if (file_exists(kept))
        return;
    struct process_result result =
        program_run(0, "tune %s --device host -n 2 --repeats 1 --context 3", tiny);
    process_result_close(&result);
    assert_true(file_exists(kept));
}

static char *kept_text(struct arena *arena) {
    struct diagnostics diagnostics = {0};
    size_t length;
    char *text = file_read(arena, kept, 1 << 16, &length, &diagnostics);
    assert_non_null(text);
    diagnostics_close(&diagnostics);
    return text;
}

static void a_result_is_kept_and_told(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(0, "tune %s --device host -n 2 --repeats 2 --context 3 --json", tiny);
    json_t *json = parse_json(&result.output), *points = json_object_get(json, "points"), *point;
    assert_string_equal(json_string_value(json_object_get(json, "file")), kept);
    assert_string_equal(json_string_value(json_object_get(json, "model")), "tiny");
    expect_part(words_of(&result.errors), "tune: 1 of 2 rounds, best so far: ");
    size_t i, planners = 0;
    double before = 0;
    assert_true(json_array_size(points) >= 4);
    json_array_foreach(points, i, point) {
        const double us = json_number_value(json_object_get(point, "us_per_token_median"));
        assert_true(us >= before); // the best one first
        before = us;
        planners += json_object_size(json_object_get(point, "set")) == 0;
        assert_true(json_is_null(json_object_get(point, "impossible")));
        assert_int_equal(json_array_size(json_object_get(point, "us_per_token_rounds")), 2);
    }
    assert_int_equal(planners, 1);
    assert_true(json_equal(json_object_get(json_array_get(points, 0), "set"),
                           json_object_get(json, "set")));
    struct arena arena = {0};
    struct tuning_file file;
    read_kept(&file, &arena);
    assert_int_equal(file.rounds_count, 2);
    assert_int_equal(file.context_positions, 3);
    assert_string_equal(file.kv_dtype, "bf16");
    assert_true(file.us_per_token_median <= file.planner_us_per_token_median);
    arena_close(&arena);
    json_decref(json);
    process_result_close(&result);
}

// What `generate --json` says is the tuning of its plan.
static char *tuning_of(const char *options, const char *note) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/made", program_folder());
    struct process_result result =
        program_run(0, "generate %s --target host -o '%s' --json %s", tiny, folder, options);
    json_t *json = parse_json(&result.output);
    char *tuning = strdup(json_string_value(json_object_get(json, "tuning")));
    if (note)
        expect_part(words_of(&result.errors), note);
    else
        assert_string_equal(words_of(&result.errors), "");
    json_decref(json);
    process_result_close(&result);
    return tuning;
}

static void expect_tuning(const char *tuning, const char *options, const char *note) {
    char *got = tuning_of(options, note);
    assert_string_equal(got, tuning);
    free(got);
}

// Puts a result into the place of tiny's that sets these values and fits here.
static void keep(int cus, int tile_rows) {
    struct arena arena = {0};
    struct tuning_file file;
    struct text text = {0};
    struct diagnostics diagnostics = {0};
    need_result();
    read_kept(&file, &arena);
    file.point = (struct tune_point){
        .keys = {"cus", "tile_rows"}, .values = {cus, tile_rows}, .key_count = 2};
    tuning_file_print(&file, &text);
    assert_true(file_write(kept, text.bytes, text.length, &diagnostics));
    text_close(&text);
    arena_close(&arena);
}

static void a_result_is_used_where_nothing_else_decides(void **state) {
    (void)state;
    keep(3, 4);
    expect_tuning("cus=3 tile_rows=4", "", NULL);
    expect_tuning("cus=3 context=9 tile_rows=4 kv=fp32", "--context 9 --kv fp32", NULL);
    expect_tuning("default", "--no-tuning", NULL);
    expect_tuning("cus=1", "--set cus=1", NULL);
    expect_tuning("unroll=inline", "--set unroll=inline", NULL);
    expect_tuning("default", "--cache none", NULL);
    char options[3 * PATH_MAX];
    snprintf(options, sizeof options, "--cache none --tuning '%s'", kept);
    expect_tuning("cus=3 tile_rows=4", options, NULL);
}

// The plan says where its choices come from, and its command makes it again without the file.
static void the_plan_says_so(void **state) {
    (void)state;
    keep(3, 2);
    struct process_result generated =
        program_run(0, "generate %s --target host -o '%s/made'", tiny, program_folder());
    expect_part(words_of(&generated.output), "\ntuning   cus=3 tile_rows=2, measured: ");
    process_result_close(&generated);
    struct process_result choice =
        program_run(0, "inspect '%s/made' choice tuning", program_folder());
    expect_part(words_of(&choice.output), "tuning = cus=3 tile_rows=2");
    expect_part(words_of(&choice.output), "measured: ");
    process_result_close(&choice);
    struct process_result source = program_run(0, "inspect '%s/made' source", program_folder());
    expect_part(words_of(&source.output),
                "generate tests/specs/tiny.lua --target host --set cus=3 --set tile_rows=2");
    struct process_result again =
        program_run(0,
                    "generate %s --target host -o '%s/again' --no-tuning --set cus=3 --set "
                    "tile_rows=2",
                    tiny, program_folder());
    struct process_result same = program_run(0, "inspect '%s/again' source", program_folder());
    assert_string_equal(words_of(&same.output), words_of(&source.output));
    process_result_close(&same);
    process_result_close(&again);
    process_result_close(&source);
    process_result_close(&choice);
}

static void run_verify_and_bench_use_it_too(void **state) {
    (void)state;
    static const char note[] = "monogen: note: tuning cus=3 tile_rows=4, measured: ";
    char verify[256];
    snprintf(verify, sizeof verify,
             "verify %s --device host --weights random --compare reference --tokens 5 -n 2", tiny);
    keep(3, 4);
    struct process_result bench =
        program_run(0, "bench %s --device host -n 2 --repeats 1 --context 1 --json", tiny);
    json_t *json = parse_json(&bench.output);
    assert_string_equal(json_string_value(json_object_get(json, "tuning")),
                        "cus=3 context=3 tile_rows=4");
    json_decref(json);
    process_result_close(&bench);
    struct process_result with =
        program_run(0, "run %s --device host --weights random --tokens 5 -n 4", tiny);
    struct process_result without =
        program_run(0, "run %s --device host --weights random --tokens 5 -n 4 --no-tuning", tiny);
    assert_string_equal(words_of(&with.output), words_of(&without.output));
    expect_part(words_of(&with.errors), note);
    assert_null(strstr(words_of(&without.errors), "tuning"));
    process_result_close(&with);
    process_result_close(&without);
    struct process_result verified = program_run(0, "%s", verify);
    expect_part(words_of(&verified.output), "tiny on host, 3 CUs, ");
    expect_part(words_of(&verified.errors), note);
    process_result_close(&verified);
}

// A source that was made before there was a result, or after it, is not mixed with another plan.
static void a_source_needs_the_tuning_it_was_made_with(void **state) {
    (void)state;
    char line[3 * PATH_MAX];
    keep(3, 4);
    free(tuning_of("", NULL)); // leaves made/3-kernel.hip
    snprintf(
        line, sizeof line,
        "run %s --device host --weights random --tokens 5 -n 2 --source '%s/made/3-kernel.hip'",
        tiny, program_folder());
    struct process_result result = program_run(0, "%s", line);
    process_result_close(&result);
    strcat(line, " --no-tuning");
    program_expect_failure(1, "the source was emitted for kernel ", line);
}

static void expect_named_refused(const char *options, const char *part) {
    char line[4 * PATH_MAX];
    snprintf(line, sizeof line, "generate %s --target host -o '%s/none' --tuning '%s' %s", tiny,
             program_folder(), kept, options);
    program_expect_failure(1, part, line);
}

static void a_result_of_something_else_is_refused(void **state) {
    (void)state;
    keep(3, 4);
    const char shape[] = "it was measured with a model of another shape";
    expect_tuning("default", "--set hidden=128", shape);
    expect_named_refused("--set hidden=128", shape);
    expect_tuning("default", "--set lds_bytes=65528", "it was measured with another target");
    write_compiler("second");
    const char other[] =
        "another compiler (\"c++ of a test, first\" there, \"c++ of a test, second\"";
    expect_tuning("default", "", other);
    expect_named_refused("", other);
    expect_tuning("default", "--no-tuning", NULL);
    write_compiler("first");
    expect_tuning("cus=3 tile_rows=4", "", NULL);
    char line[4 * PATH_MAX];
    snprintf(line, sizeof line, "generate austen-3m --target host -o '%s/none' --tuning '%s'",
             program_folder(), kept);
    program_expect_failure(1, "it is for tiny on host, not for austen-3m on host", line);
}

static void a_damaged_result_is_refused(void **state) {
    (void)state;
    struct arena arena = {0};
    keep(3, 4);
    char *text = kept_text(&arena);
    *strstr(text, "cus = 3") = 'k';
    write_test_file(kept, text);
    expect_tuning("default", "", "is not used: this tuning was edited or damaged");
    expect_named_refused("", "this tuning was edited or damaged");
    write_test_file(kept, "tuning {");
    expect_tuning("default", "", "is not used: ");
    expect_named_refused("", "tiny-host.lua:1:");
    unlink(kept);
    expect_named_refused("", "no such file");
    arena_close(&arena);
}

// The program's own folder, with a folder specs/tunings beside the others.
static void make_home(const char *home) {
    struct command_end end;
    struct arena arena = {0};
    run_command(
        arena_format(&arena,
                     "rm -rf '%s' && mkdir -p '%s/specs/tunings' && ln -s \"$HERE\"/specs/* "
                     "'%s/specs' && ln -s \"$HERE/templates\" '%s'",
                     home, home, home, home),
        &end);
    if (end.status != 0)
        fail_msg("%s", end.output);
    arena_close(&arena);
}

static void a_result_may_come_with_the_specs(void **state) {
    (void)state;
    struct arena arena = {0};
    const char *home = arena_format(&arena, "%s/home", program_folder());
    const char *there = arena_format(&arena, "%s/specs/tunings", home);
    const char *path = arena_format(&arena, "%s/tiny-host.lua", there);
    make_home(home);
    unlink(kept);
    need_compiler("cxx");
    assert_int_equal(setenv("MONOGEN_HOME", home, 1), 0);
    struct process_result result =
        program_run(0, "tune %s --device host -n 2 --repeats 1 --context 3 -o '%s'", tiny, there);
    expect_part(words_of(&result.output), "specs/tunings/tiny-host.lua");
    process_result_close(&result);
    assert_false(file_exists(kept));
    assert_int_equal(rename(path, kept), 0);
    keep(1, 2);
    assert_int_equal(rename(kept, path), 0);
    expect_tuning("cus=1 tile_rows=2", "", NULL);
    assert_int_equal(unsetenv("MONOGEN_HOME"), 0);
    arena_close(&arena);
}

// Ctrl-C, at whatever point: what was there stays, and nothing is left beside it.
static void an_interrupt_changes_nothing(void **state) {
    (void)state;
    struct arena arena = {0};
    struct command_end end;
    keep(2, 8);
    const char *before = kept_text(&arena);
    for (int tenths = 1; tenths <= 25; tenths += 8) {
        run_command(arena_format(&arena,
                                 "exec timeout --preserve-status -s INT %d.%d \"$MONOGEN\" tune %s "
                                 "--device host -n 2 --repeats 1000 --context 3",
                                 tenths / 10, tenths % 10, tiny),
                    &end);
        if (end.status != 130)
            fail_msg("status %d: %s", end.status, end.output);
        assert_string_equal(kept_text(&arena), before);
    }
    run_command(arena_format(&arena, "ls '%s/cache/monogen/tunings'", program_folder()), &end);
    assert_string_equal(end.output, "tiny-host.lua\n");
    arena_close(&arena);
}

static void without_a_cache_a_place_is_needed(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result = program_run(
        0,
        "tune %s --device host -n 1 --repeats 1 --context 0 --cache none --budget 1s -o '%s/x.lua'",
        tiny, program_folder());
    expect_part(words_of(&result.output), "/x.lua");
    process_result_close(&result);
    program_expect_failure(2, "-o FILE names another place",
                           "tune tests/specs/tiny.lua --device host --cache none");
}

static void mistakes_are_told(void **state) {
    (void)state;
    static const char *const budgets[] = {"x", "0", "-3", "5d", "5mm", "1e9", "nan", "5 m"};
    char line[256];
    need_compiler("cxx");
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        snprintf(line, sizeof line, "tune austen-3m --device host '--budget=%s'", budgets[i]);
        program_expect_failure(2, "must be a time such as 90s", line);
    }
    program_expect_failure(2, "tune sets tuning keys itself",
                           "tune austen-3m --device host --set cus=2");
    program_expect_failure(2, "did you mean 'hidden'?",
                           "tune austen-3m --device host --set hiden=2");
    program_expect_failure(2, "--tuning and --no-tuning",
                           "generate austen-3m --target host --tuning x --no-tuning");
    program_expect_failure(2, "one of them decides",
                           "generate austen-3m --target host --tuning x --set cus=2");
    program_expect_failure(2, "the plan already holds", "generate --plan x --tuning y");
    program_expect_failure(1, "no such file", "generate austen-3m --target host --tuning /no/such");
    program_expect_failure(2, "longer than the model's own",
                           "tune austen-3m --device host --context 1000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_kept_and_told),
        cmocka_unit_test(a_result_is_used_where_nothing_else_decides),
        cmocka_unit_test(the_plan_says_so),
        cmocka_unit_test(run_verify_and_bench_use_it_too),
        cmocka_unit_test(a_source_needs_the_tuning_it_was_made_with),
        cmocka_unit_test(a_result_of_something_else_is_refused),
        cmocka_unit_test(a_damaged_result_is_refused),
        cmocka_unit_test(a_result_may_come_with_the_specs),
        cmocka_unit_test(an_interrupt_changes_nothing),
        cmocka_unit_test(without_a_cache_a_place_is_needed),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
