// How the program ends when it is told to: signals, readers that leave, a full disk.
#include "generator/base/file.h"
#include "runtime/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

// input: its stdin, closed here; -1: ours.
static struct child launch_with(const char *line, int input) {
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
        if (input >= 0)
            dup2(input, STDIN_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(program_path(), (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(ends[1]);
    if (input >= 0)
        close(input);
    assert_true(id > 0);
    return (struct child){id, ends[0]};
}

static struct child launch(const char *line) { return launch_with(line, -1); }

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

// Whether process `id` sleeps, as it does where it waits for input.
static bool sleeps(pid_t id) {
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %*s %c", &state), 1);
    fclose(file);
    return state == 'S';
}

static void control_c_ends_tokenize_where_it_waits(void **state) {
    (void)state;
    static const char *const lines[] = {"tokenize austen-3m", "detokenize austen-3m"};
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(write(ends[1], "1 ", 2), 2);
        struct child child = launch_with(lines[i], ends[0]);
        int left = 1; // bytes that it has not read yet
        for (int round = 0; round < 10000 && (left > 0 || !sleeps(child.id)); round++) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            assert_int_equal(ioctl(ends[1], FIONREAD, &left), 0);
        }
        assert_int_equal(left, 0);
        assert_int_equal(kill(child.id, SIGINT), 0);
        expect_end(child, 130);
        close(ends[1]);
    }
}

// Half-way through the text too, which is tokenized in one go.
static void control_c_ends_tokenize_where_it_works(void **state) {
    (void)state;
    enum { PARTS = 256, PART_BYTES = 1 << 16 };
    static char part[PART_BYTES];
    unsigned seed = 1;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct child child = launch_with("tokenize tests/golden/tokenizers/llama2-style", ends[0]);
    for (int i = 0; i < PARTS; i++) {
        for (size_t at = 0; at < PART_BYTES; at++)
            part[at] = (char)('a' + rand_r(&seed) % 26);
        for (size_t at = 0; at < PART_BYTES;) {
            const ssize_t written = write(ends[1], part + at, PART_BYTES - at);
            assert_true(written > 0);
            at += (size_t)written;
        }
    }
    close(ends[1]);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    const double begin = clock_seconds(CLOCK_MONOTONIC);
    assert_int_equal(kill(child.id, SIGINT), 0);
    expect_end(child, 130);
    assert_true(clock_seconds(CLOCK_MONOTONIC) - begin < 3);
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
        cmocka_unit_test(control_c_ends_tokenize_where_it_waits),
        cmocka_unit_test(control_c_ends_tokenize_where_it_works),
        cmocka_unit_test(a_full_disk_is_an_environment_error),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
