// --trace: what run and bench write, on the host.
#include "generator/base/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

enum { CUS = 2, STEPS = 24 }; // of austen-3m on the host

static const char *text_of(json_t *event, const char *name) {
    return json_string_value(json_object_get(event, name));
}

static double number_of(json_t *event, const char *name) {
    if (!json_is_number(json_object_get(event, name)))
        fail_msg("no number %s", name);
    return json_number_value(json_object_get(event, name));
}

static json_t *load(const char *path) {
    json_error_t problem;
    json_t *json = json_load_file(path, 0, &problem);
    if (!json)
        fail_msg("%s:%d: %s", path, problem.line, problem.text);
    return json;
}

// Each CU has each stage once, in order and without gaps, and the parts of a stage are all of it.
static void expect_whole(json_t *json) {
    int steps[CUS] = {0};
    double end[CUS] = {0}, parts[CUS] = {0}, stages[CUS] = {0};
    json_t *event;
    size_t i;
    json_array_foreach(json_object_get(json, "traceEvents"), i, event) {
        const char *category = text_of(event, "cat");
        if (strcmp(text_of(event, "ph"), "X") != 0 || strcmp(category, "path") == 0)
            continue;
        const int cu = (int)number_of(event, "tid");
        assert_in_range(cu, 0, CUS - 1);
        if (strcmp(category, "stage") != 0) {
            parts[cu] += number_of(event, "dur");
            continue;
        }
        assert_true(number_of(json_object_get(event, "args"), "step") == steps[cu]);
        assert_true(steps[cu] == 0 || number_of(event, "ts") - end[cu] < 0.0015);
        assert_true(number_of(event, "ts") > end[cu] - 0.0015); // three digits
        end[cu] = number_of(event, "ts") + number_of(event, "dur");
        stages[cu] += number_of(event, "dur");
        steps[cu]++;
    }
    for (int cu = 0; cu < CUS; cu++) {
        assert_int_equal(steps[cu], STEPS);
        assert_true(parts[cu] > stages[cu] - 0.1 && parts[cu] < stages[cu] + 0.1);
    }
}

static void run_writes_the_last_token(void **state) {
    (void)state;
    need_compiler("cxx");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/run.json", program_folder());
    struct process_result traced = program_run(
        0, "run austen-3m --device host --set cus=2 -n 6 --prompt 'Emma was' --trace %s", path);
    struct process_result plain =
        program_run(0, "run austen-3m --device host --set cus=2 -n 6 --prompt 'Emma was'");
    assert_string_equal(words_of(&traced.output), words_of(&plain.output));
    // 3 tokens of the prompt, and 5 of those that followed, were run
    expect_part(words_of(&traced.errors), "the token at position 7 took");
    expect_part(words_of(&traced.errors), path);
    assert_null(strstr(words_of(&plain.errors), "trace"));
    json_t *json = load(path);
    expect_whole(json);
    assert_true(number_of(json_object_get(json, "otherData"), "position") == 7);
    json_decref(json);
    process_result_close(&plain);
    process_result_close(&traced);
}

static void bench_tells_the_summary(void **state) {
    (void)state;
    need_compiler("cxx");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/bench.json", program_folder());
    struct process_result result =
        program_run(0,
                    "bench austen-3m --device host --set cus=2 --json --repeats 1 -n 4 --context "
                    "20,3 --trace %s",
                    path);
    json_t *json = parse_json(&result.output), *trace = json_object_get(json, "trace");
    json_t *stages = json_object_get(trace, "stages");
    json_t *all = json_array_get(stages, json_array_size(stages) - 1);
    assert_true(number_of(trace, "position_number") == 23); // the last of the first context's
    assert_true(number_of(all, "times_count") == STEPS);
    const double path_us = number_of(json_object_get(all, "critical_path"), "path_us");
    assert_true(path_us > 0 && path_us <= number_of(trace, "position_us") + 0.01);
    json_decref(json);
    process_result_close(&result);
    json = load(path);
    expect_whole(json);
    json_decref(json);
}

static void mistakes_are_told(void **state) {
    (void)state;
    need_compiler("cxx");
    program_expect_failure(2, "--set trace=off: --trace says it already",
                           "run austen-3m --device host --set trace=off --trace x.json");
    program_expect_failure(2, "generate has no option '--trace'",
                           "generate austen-3m --trace x.json");
    char line[PATH_MAX];
    snprintf(line, sizeof line,
             "bench austen-3m --device host --repeats 1 -n 2 --trace %s/no/such/folder.json",
             program_folder());
    program_expect_failure(3, "folder.json", line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_writes_the_last_token),
        cmocka_unit_test(bench_tells_the_summary),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
