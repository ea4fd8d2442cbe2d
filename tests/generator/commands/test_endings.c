// How the program ends when it is told to: signals, readers that leave, a full disk.
#include "generator/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

// A program on its own, its stdout a pipe. process_run cannot send it a signal half-way.
struct child {
    pid_t id;
    int output;
};

static struct child launch(const char *line) {
    char words[2048];
    const char *arguments[PROGRAM_MAX_WORDS];
    int ends[2];
    snprintf(words, sizeof words, "%s", line);
    program_split(words, arguments);
    assert_int_equal(pipe(ends), 0);
    const pid_t id = fork();
    if (id == 0) {
        signal(SIGINT, SIG_DFL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(program_path(), (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(ends[1]);
    assert_true(id > 0);
    return (struct child){id, ends[0]};
}

static void expect_end(struct child child, int status) {
    int ended = 0;
    close(child.output);
    assert_int_equal(waitpid(child.id, &ended, 0), child.id);
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != status)
        fail_msg("ended with wait status %#x, expected exit status %d", (unsigned)ended, status);
}

static void control_c_ends_run_after_its_token(void **state) {
    (void)state;
    need_compiler("cxx");
    struct child child = launch("run austen-3m --device host -n 1000 --prompt 'Emma was'");
    char byte;
    assert_int_equal(read(child.output, &byte, 1), 1); // it has begun
    assert_int_equal(kill(child.id, SIGINT), 0);
    while (read(child.output, &byte, 1) > 0)
        ;
    expect_end(child, 130);
}

static void a_reader_that_leaves_ends_run(void **state) {
    (void)state;
    need_compiler("cxx");
    struct child child = launch("run austen-3m --device host -n 1000 --prompt 'Emma was'");
    char byte;
    assert_int_equal(read(child.output, &byte, 1), 1);
    expect_end(child, 128 + SIGPIPE);
}

static void control_c_ends_the_compiler_too(void **state) {
    (void)state;
    char worker[PATH_MAX + 32], mark[PATH_MAX + 32], body[4 * PATH_MAX], out[PATH_MAX + 64];
    snprintf(worker, sizeof worker, "%s/slow-worker", program_folder());
    snprintf(mark, sizeof mark, "%s/worker-id", program_folder());
    snprintf(out, sizeof out, "%s/never", program_folder());
    snprintf(body, sizeof body, "echo $$ >'%s.new'; mv '%s.new' '%s'; exec sleep 60", mark, mark,
             mark);
    write_fake_worker(worker, "slow", body);
    char *before = getenv("MONOGEN_WORKER") ? strdup(getenv("MONOGEN_WORKER")) : NULL;
    assert_int_equal(setenv("MONOGEN_WORKER", worker, 1), 0);
    char line[PATH_MAX + 128];
    snprintf(line, sizeof line, "generate austen-3m --target host --cache none -o '%s'", out);
    struct child child = launch(line);
    for (int i = 0; i < 1000 && !file_exists(mark); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(file_exists(mark));
    FILE *file = fopen(mark, "r");
    int id = 0;
    assert_true(file && fscanf(file, "%d", &id) == 1 && id > 1);
    fclose(file);
    assert_int_equal(kill(child.id, SIGINT), 0);
    expect_end(child, 130);
    assert_true(kill(id, 0) != 0 && errno == ESRCH);
    assert_false(folder_exists(out));
    if (before)
        setenv("MONOGEN_WORKER", before, 1);
    else
        unsetenv("MONOGEN_WORKER");
    free(before);
}

static void a_full_disk_is_an_environment_error(void **state) {
    (void)state;
    const int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    const pid_t id = fork();
    if (id == 0) {
        dup2(full, STDOUT_FILENO);
        execl(program_path(), program_path(), "--help", (char *)NULL);
        _exit(127);
    }
    close(full);
    int ended = 0;
    assert_int_equal(waitpid(id, &ended, 0), id);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_c_ends_run_after_its_token),
        cmocka_unit_test(a_reader_that_leaves_ends_run),
        cmocka_unit_test(control_c_ends_the_compiler_too),
        cmocka_unit_test(a_full_disk_is_an_environment_error),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
