#include "generator/base/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct process_result shell(const char *script, double timeout_seconds) {
    const char *const arguments[] = {"sh", "-c", script, NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .output_bytes_max = 1 << 20,
                                          .timeout_seconds = timeout_seconds},
                &result);
    return result;
}

static void output_errors_and_status(void **state) {
    (void)state;
    struct process_result result = shell("echo out; echo err >&2; exit 7", 30);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_int_equal(result.code, 7);
    assert_string_equal(result.output.bytes, "out\n");
    assert_string_equal(result.errors.bytes, "err\n");
    process_result_close(&result);
}

// More than any pipe holds, in both directions at once.
static void big_bodies_do_not_deadlock(void **state) {
    (void)state;
    size_t bytes = (size_t)24 << 20;
    char *input = malloc(bytes);
    assert_non_null(input);
    for (size_t i = 0; i < bytes; i++)
        input[i] = (char)(i * 2654435761u >> 13);
    const char *const arguments[] = {"cat", NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .input = input,
                                          .input_bytes = bytes,
                                          .output_bytes_max = bytes,
                                          .timeout_seconds = 60},
                &result);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_int_equal(result.output.length, bytes);
    assert_memory_equal(result.output.bytes, input, bytes);
    process_result_close(&result);
    free(input);
}

static void a_program_that_does_not_read(void **state) {
    (void)state;
    static char input[1 << 20];
    const char *const arguments[] = {"true", NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .input = input,
                                          .input_bytes = sizeof input,
                                          .output_bytes_max = 1,
                                          .timeout_seconds = 30},
                &result);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_int_equal(result.code, 0);
    process_result_close(&result);
}

static void a_death_is_told(void **state) {
    (void)state;
    char line[128];
    struct process_result result = shell("kill -ABRT $$", 30);
    assert_int_equal(result.end, PROCESS_SIGNALLED);
    process_describe(&result, line, sizeof line);
    assert_string_equal(line, "was killed by SIGABRT");
    process_result_close(&result);
}

static void a_missing_program_is_told(void **state) {
    (void)state;
    const char *const arguments[] = {"/nowhere/at all", NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .output_bytes_max = 1,
                                          .timeout_seconds = 30},
                &result);
    assert_int_equal(result.end, PROCESS_NOT_STARTED);
    assert_int_equal(result.code, ENOENT);
    process_result_close(&result);
}

static void a_hanging_program_is_ended(void **state) {
    (void)state;
    struct process_result result = shell("echo before; exec sleep 100", 2);
    assert_int_equal(result.end, PROCESS_TIMED_OUT);
    assert_string_equal(result.output.bytes ? result.output.bytes : "", "before\n");
    assert_true(result.seconds < 20);
    process_result_close(&result);
}

static void endless_output_is_ended(void **state) {
    (void)state;
    struct process_result result = shell("exec yes", 60);
    assert_int_equal(result.end, PROCESS_TALKED_ON);
    assert_true(result.output.length <= 1 << 20);
    process_result_close(&result);
}

static void environment_is_added(void **state) {
    (void)state;
    setenv("PROCESS_TEST_KEPT", "kept", 1);
    setenv("PROCESS_TEST_CHANGED", "old", 1);
    const char *const arguments[] = {"sh", "-c",
                                     "echo $PROCESS_TEST_KEPT $PROCESS_TEST_CHANGED; pwd", NULL};
    const char *const additions[] = {"PROCESS_TEST_CHANGED=new", NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .environment = additions,
                                          .folder = "/",
                                          .output_bytes_max = 100,
                                          .timeout_seconds = 30},
                &result);
    assert_string_equal(result.output.bytes, "kept new\n/\n");
    process_result_close(&result);
}

// A process that gets SIGINT while it waits ends its program first, and then dies of SIGINT.
static void an_interrupt_ends_both(void **state) {
    (void)state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t waiter = fork();
    assert_true(waiter >= 0);
    if (waiter == 0) {
        signal(SIGINT, SIG_DFL);
        char script[64];
        snprintf(script, sizeof script, "echo $$ >&%d; exec sleep 100", pipe_ends[1]);
        struct process_result result = shell(script, 100);
        _exit(result.end == PROCESS_INTERRUPTED ? 1 : 2);
    }
    char digits[32] = {0};
    assert_true(read(pipe_ends[0], digits, sizeof digits - 1) > 0);
    pid_t program = (pid_t)strtol(digits, NULL, 10);
    assert_true(program > 0);
    kill(waiter, SIGINT);
    int status;
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_int_equal(kill(program, 0), -1);
    assert_int_equal(errno, ESRCH);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

// Under nohup, SIGHUP is ignored, and stays so while a program runs and inside it.
static void an_ignored_signal_stays_ignored(void **state) {
    (void)state;
    signal(SIGHUP, SIG_IGN);
    struct process_result result = shell("kill -HUP $PPID; kill -HUP $$; sleep 0.1; echo on", 30);
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_string_equal(result.output.bytes, "on\n");
    process_result_close(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_errors_and_status),
        cmocka_unit_test(big_bodies_do_not_deadlock),
        cmocka_unit_test(a_program_that_does_not_read),
        cmocka_unit_test(a_death_is_told),
        cmocka_unit_test(a_missing_program_is_told),
        cmocka_unit_test(a_hanging_program_is_ended),
        cmocka_unit_test(endless_output_is_ended),
        cmocka_unit_test(environment_is_added),
        cmocka_unit_test(an_interrupt_ends_both),
        cmocka_unit_test(an_ignored_signal_stays_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
