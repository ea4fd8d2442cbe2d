// Workers that die, hang, talk rubbish or are missing, played by shell scripts.
#include "tests/support/small_kernel.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int count_entries(const char *folder) {
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    int count = -2; // "." and ".."
    while (readdir(open_folder))
        count++;
    closedir(open_folder);
    return count;
}

// Compiles with the worker that does `body`; expects one environment error that holds `message`,
// and no temporary folder left behind.
static void expect(const char *name, const char *body, double timeout_seconds, const char *message,
                   const char *note) {
    char worker[1300], temporary[1200];
    snprintf(temporary, sizeof temporary, "%s", test_folder(name));
    snprintf(worker, sizeof worker, "%s.sh", temporary);
    write_fake_worker(worker, "fake 1.0", body);
    setenv("TMPDIR", temporary, 1);
    struct compile_request request = small_kernel_request("cxx");
    request.timeout_seconds = timeout_seconds;
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, worker, NULL, &result, &diagnostics));
    unsetenv("TMPDIR");
    assert_int_equal(diagnostics.count, 1);
    const struct diagnostic *error = &diagnostics.items[0];
    assert_int_equal(error->kind, DIAGNOSTIC_ENVIRONMENT);
    if (!strstr(error->message, message))
        fail_msg("the message is: %s", error->message);
    if (note) {
        assert_int_equal(error->note_count, 1);
        assert_string_equal(error->notes[0], note);
    }
    assert_int_equal(count_entries(temporary), 0);
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void a_crash_is_a_message(void **state) {
    (void)state;
    expect("abort", "echo >\"$TMPDIR/left\"; echo 'LLVM ERROR: out of luck' >&2; kill -ABRT $$", 30,
           "the compile worker was killed by SIGABRT while compiling 3-kernel.hip",
           "its last words: LLVM ERROR: out of luck");
}

static void a_hang_is_ended(void **state) {
    (void)state;
    expect("hang", "exec sleep 100", 0.3, "the compile worker was stopped after 0.", NULL);
}

static void a_hang_that_ignores_signals_is_ended(void **state) {
    (void)state;
    expect("deaf", "trap '' TERM; while :; do sleep 0.1; done", 0.2, "was stopped after", NULL);
}

static void rubbish_is_told(void **state) {
    (void)state;
    expect("rubbish", "echo hello", 30,
           "the compile worker gave no proper answer while compiling 3-kernel.hip", NULL);
    expect("cut", "printf 'monogen-compile 1\\nstatus 2\\nok\\nobject 9000\\nabc'", 30,
           "gave no proper answer", NULL);
    expect("silent", "true", 30, "gave no proper answer", NULL);
    expect("no_object", "printf 'monogen-compile 1\\nstatus 2\\nok\\nend\\n'", 30, "gave no object",
           NULL);
    expect("no_status", "printf 'monogen-compile 1\\nend\\n'", 30, "gives no reason", NULL);
    expect("status", "exit 9", 30, "exited with status 9", NULL);
}

// A log without a located error still reaches the user.
static void a_failure_without_a_place_is_told(void **state) {
    (void)state;
    expect("unplaced", "printf 'monogen-compile 1\\nstatus 6\\nfailed\\nlog 8\\nld: odd!\\nend\\n'",
           30, "cannot compile 3-kernel.hip", "ld: odd!");
}

static void a_missing_worker_is_told(void **state) {
    (void)state;
    char line[512];
    assert_false(compile_probe("cxx", "native", "/nowhere/worker", line, sizeof line));
    assert_string_equal(line, "the compile worker /nowhere/worker is missing: run make");
}

static void a_probe_that_dies_is_told(void **state) {
    (void)state;
    char worker[1200], line[512];
    snprintf(worker, sizeof worker, "%s/worker.sh", test_folder("probe"));
    write_fake_worker(worker, "x", "true");
    write_test_file(worker, "#!/bin/sh\nkill -SEGV $$\n");
    assert_false(compile_probe("cxx", "native", worker, line, sizeof line));
    assert_string_equal(line, "the compile worker was killed by SIGSEGV while asking for the "
                              "compiler 'cxx'");
}

// Ctrl-C while the worker works: we die of it, and leave neither worker nor folder.
static void an_interrupt_leaves_nothing(void **state) {
    (void)state;
    char worker[1300], temporary[1200], working[1300];
    snprintf(temporary, sizeof temporary, "%s", test_folder("interrupt"));
    snprintf(worker, sizeof worker, "%s.sh", temporary);
    snprintf(working, sizeof working, "%s.working", temporary);
    char body[1400];
    snprintf(body, sizeof body, "echo $$ >%s; exec sleep 100", working);
    write_fake_worker(worker, "fake 1.0", body);
    pid_t compiler = fork();
    assert_true(compiler >= 0);
    if (compiler == 0) {
        setenv("TMPDIR", temporary, 1);
        struct compile_request request = small_kernel_request("cxx");
        struct compile_result result;
        struct diagnostics diagnostics = {0};
        compile_source(&request, NULL, worker, NULL, &result, &diagnostics);
        _exit(0);
    }
    long worker_id = 0;
    for (int tries = 0; tries < 1000 && worker_id <= 0; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        FILE *file = fopen(working, "r");
        if (file && fscanf(file, "%ld", &worker_id) != 1)
            worker_id = 0;
        if (file)
            fclose(file);
    }
    assert_true(worker_id > 0);
    assert_int_equal(count_entries(temporary), 1);
    kill(compiler, SIGINT);
    int status;
    assert_int_equal(waitpid(compiler, &status, 0), compiler);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_int_equal(count_entries(temporary), 0);
    assert_int_equal(kill((pid_t)worker_id, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_is_a_message),
        cmocka_unit_test(a_hang_is_ended),
        cmocka_unit_test(a_hang_that_ignores_signals_is_ended),
        cmocka_unit_test(rubbish_is_told),
        cmocka_unit_test(a_failure_without_a_place_is_told),
        cmocka_unit_test(a_missing_worker_is_told),
        cmocka_unit_test(a_probe_that_dies_is_told),
        cmocka_unit_test(an_interrupt_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
