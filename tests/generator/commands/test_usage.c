// The command line of the program: help, exit statuses, doctor.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static void help_and_version_go_to_stdout(void **state) {
    (void)state;
    static const char *const lines[] = {"--help",        "generate --help",   "run --help",
                                        "verify --help", "tokenize --help",   "inspect --help",
                                        "doctor --help", "detokenize --help", "bench --help",
                                        "tune --help"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct process_result result = program_run(0, "%s", lines[i]);
        expect_part(words_of(&result.output), "usage: monogen");
        assert_string_equal(words_of(&result.errors), "");
        process_result_close(&result);
    }
    struct process_result result = program_run(0, "--version");
    expect_part(words_of(&result.output), "monogen ");
    process_result_close(&result);
}

static void mistakes_have_their_exit_status(void **state) {
    (void)state;
    program_expect_failure(2, "did you mean 'generate'?", "generat x");
    program_expect_failure(2, "needs a SPEC", "generate");
    program_expect_failure(2, "the plan already holds", "generate x --plan y");
    program_expect_failure(2, "the plan already holds", "generate --plan y --set cus=3");
    program_expect_failure(2, "--plan and --target", "generate --plan y --target mi300x");
    program_expect_failure(2, "--plan and --no-tuning", "generate --no-tuning --plan y");
    program_expect_failure(2, "did you mean 'cus'?", "generate austen-3m --set cu=3");
    program_expect_failure(2, "--kv says it already", "generate austen-3m --kv bf16 --set kv=fp32");
    program_expect_failure(2, "--set cus is given twice",
                           "generate austen-3m --set cus=1 --set cus=2");
    program_expect_failure(2, "no checkpoint llama-3.2-1b under /", "run llama-3.2-1b");
    program_expect_failure(2, "there is no such folder", "run austen-3m --weights /no/such/folder");
    program_expect_failure(2, "only - may follow", "run austen-3m prompt");
    program_expect_failure(2, "one prompt is enough", "run austen-3m --prompt a --tokens 1");
    program_expect_failure(1, "did you mean \"austen-3m\"?", "generate austen-3");
    program_expect_failure(1, "there is no model", "run nosuch");
    program_expect_failure(1, "there is no target", "generate austen-3m --target mi300y");
    program_expect_failure(1, "no such file", "generate --plan /no/such/plan.lua");
    program_expect_failure(1, "no such folder", "inspect /no/such/folder");
    program_expect_failure(2, "did you mean 'resources'?", "inspect /tmp reources");
}

static void a_missing_worker_is_an_environment_error(void **state) {
    (void)state;
    char *worker = getenv("MONOGEN_WORKER") ? strdup(getenv("MONOGEN_WORKER")) : NULL;
    assert_int_equal(setenv("MONOGEN_WORKER", "/no/such/worker", 1), 0);
    program_expect_failure(3, "/no/such/worker is missing", "generate austen-3m --target host");
    struct process_result result = program_start("doctor", NULL);
    program_expect_status(&result, "doctor", 3);
    expect_part(words_of(&result.errors), "nothing can be generated");
    process_result_close(&result);
    if (worker)
        setenv("MONOGEN_WORKER", worker, 1);
    else
        unsetenv("MONOGEN_WORKER");
    free(worker);
}

static void doctor_tells_what_is_there(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result = program_run(0, "doctor --json");
    json_t *json = parse_json(&result.output), *findings = json_object_get(json, "findings");
    assert_true(json_array_size(findings) >= 6);
    size_t i;
    json_t *finding;
    bool host = false;
    json_array_foreach(findings, i, finding) {
        assert_true(json_is_string(json_object_get(finding, "what")));
        // what is missing has a price
        assert_true(json_is_true(json_object_get(finding, "there")) ||
                    json_is_string(json_object_get(finding, "cost")));
        host = host || strcmp(json_string_value(json_object_get(finding, "name")),
                              "compiler for host") == 0;
    }
    assert_true(host);
    json_decref(json);
    process_result_close(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_go_to_stdout),
        cmocka_unit_test(mistakes_have_their_exit_status),
        cmocka_unit_test(a_missing_worker_is_an_environment_error),
        cmocka_unit_test(doctor_tells_what_is_there),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
