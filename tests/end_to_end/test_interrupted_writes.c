// What `monogen generate` leaves behind when it cannot finish: never a part of an output.
#include "generator/base/file.h"
#include "runtime/clock.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"
#include "tests/support/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct arena arena; // of the test that runs

static int prepare(void **state) {
    (void)state;
    arena = (struct arena){0};
    return 0;
}

static int clean(void **state) {
    (void)state;
    arena_close(&arena);
    return 0;
}

static const char *const artefacts[] = {"1-model.lua",  "2-plan.lua",     "3-kernel.hip",
                                        "3-kernel.map", "4-compile.log",  "5-kernel.so",
                                        "6-kernel.isa", "7-manifest.json"};
enum { ARTEFACTS = sizeof artefacts / sizeof artefacts[0] };

// The bytes of folder/name, NULL where it is not there.
static const char *contents(const char *folder, const char *name, size_t *length) {
    struct diagnostics trouble = {0};
    const char *path = arena_format(&arena, "%s/%s", folder, name);
    const char *bytes =
        file_exists(path) ? file_read(&arena, path, (size_t)64 << 20, length, &trouble) : NULL;
    diagnostics_close(&trouble);
    return bytes;
}

static bool same_file(const char *folder, const char *other, const char *name) {
    size_t length = 0, other_length = 0;
    const char *bytes = contents(folder, name, &length);
    const char *others = contents(other, name, &other_length);
    return bytes && others && length == other_length && memcmp(bytes, others, length) == 0;
}

// Files that are no artefact and no leftover of a killed process.
static int count_strangers(const char *folder) {
    DIR *open_folder = opendir(folder);
    int strangers = 0;
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        bool known = entry->d_name[0] == '.';
        for (int i = 0; i < ARTEFACTS; i++)
            known |= strcmp(entry->d_name, artefacts[i]) == 0;
        const char *ending = strrchr(entry->d_name, '.');
        strangers += !known && !(ending && strcmp(ending, ".partial") == 0);
    }
    if (open_folder)
        closedir(open_folder);
    return strangers;
}

// Whatever is in `folder` is whole, the same as in `good`; a manifest tells that all is there.
static void expect_nothing_partial(const char *folder, const char *good) {
    size_t length = 0;
    const bool complete = contents(folder, "7-manifest.json", &length) != NULL;
    for (int i = 0; i < ARTEFACTS; i++) {
        const bool there = contents(folder, artefacts[i], &length) != NULL;
        if (there && !same_file(folder, good, artefacts[i]))
            fail_msg("%s is there in part, with %zu bytes", artefacts[i], length);
        if (complete && !there)
            fail_msg("there is a manifest, but no %s", artefacts[i]);
    }
    assert_int_equal(count_strangers(folder), 0);
}

// `monogen generate` of the tiny model, from the cache, which the first call fills. Returns the
// folder of that first call's artefacts.
static const char *arguments_of(const char *folder) {
    return arena_format(&arena, "generate tests/specs/tiny.lua --target host --cache '%s' -o '%s'",
                        temporary_path("cache"), folder);
}

static const char *good_folder(void) {
    skip_without_compiler("cxx");
    const char *folder = arena_string(&arena, temporary_path("good"));
    size_t length = 0;
    if (contents(folder, "7-manifest.json", &length))
        return folder;
    struct command_end end;
    run_command(arena_format(&arena, "exec \"$MONOGEN\" %s", arguments_of(folder)), &end);
    if (end.status != 0)
        fail_msg("status %d: %s", end.status, end.output);
    for (int i = 0; i < ARTEFACTS; i++)
        if (!contents(folder, artefacts[i], &length))
            fail_msg("generate left no %s", artefacts[i]);
    return folder;
}

// ---- kill -9 ------------------------------------------------------------------------------------

// Starts the program and kills it after the delay. Returns whether it had ended before.
static bool killed_after(const char *folder, long delay_us) {
    const char *command =
        arena_format(&arena, "exec '%s' %s", need_program(), arguments_of(folder));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("MONOGEN_HOME", ".", 1);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(9);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(9);
    }
    nanosleep(
        &(struct timespec){.tv_sec = delay_us / 1000000, .tv_nsec = delay_us % 1000000 * 1000},
        NULL);
    kill(child, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status);
}

static void test_kill(void **state) {
    (void)state;
    const char *good = good_folder();
    // How long it takes, to kill it all along the way.
    const double start = clock_seconds(CLOCK_MONOTONIC);
    killed_after(temporary_path("killed first"), 0);
    struct command_end end;
    run_command(arena_format(&arena, "exec \"$MONOGEN\" %s", arguments_of(temporary_path("timed"))),
                &end);
    assert_int_equal(end.status, 0);
    const long whole_us = (long)((clock_seconds(CLOCK_MONOTONIC) - start) * 1e6);
    const int tries = all_tests_wanted() ? 200 : 24;
    int ended = 0, empty = 0, part = 0;
    for (int i = 0; i < tries; i++) {
        const char *folder =
            arena_string(&arena, temporary_path(arena_format(&arena, "killed %d", i)));
        ended += killed_after(folder, whole_us * (i + 1) / tries);
        expect_nothing_partial(folder, good);
        size_t length = 0;
        const bool some = contents(folder, artefacts[0], &length) != NULL;
        const bool all = contents(folder, artefacts[ARTEFACTS - 1], &length) != NULL;
        empty += !some;
        part += some && !all;
    }
    print_message("%d kills over %ld ms: %d before the first artefact, %d between, %d too late\n",
                  tries, whole_us / 1000, empty, part, ended);
    assert_true(ended < tries);
}

// ---- no room ------------------------------------------------------------------------------------

static void expect_no_output(const char *folder, const struct command_end *end, const char *good,
                             const char *message) {
    if (end->status != DIAGNOSTIC_ENVIRONMENT || !strstr(end->output, message))
        fail_msg("status %d: %s", end->status, end->output);
    expect_nothing_partial(folder, good);
    size_t length = 0;
    assert_null(contents(folder, "7-manifest.json", &length));
    // this process could still tidy up
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));)
        assert_null(strstr(entry->d_name, ".partial"));
    if (open_folder)
        closedir(open_folder);
}

static void test_a_limit_on_file_sizes(void **state) {
    (void)state;
    const char *good = good_folder();
    const char *folder = arena_string(&arena, temporary_path("limited"));
    struct command_end end;
    run_command(arena_format(&arena, "ulimit -f 32\ntrap '' XFSZ\nexec \"$MONOGEN\" %s",
                             arguments_of(folder)),
                &end);
    expect_no_output(folder, &end, good, "cannot write");
}

// A file system of 64 KiB: the plan fits, the source does not.
static void test_a_full_disk(void **state) {
    (void)state;
    const char *good = good_folder();
    const char *mounted = arena_string(&arena, temporary_path("small"));
    assert_int_equal(mkdir(mounted, 0755), 0);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", mounted, "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIPPED: cannot mount a small file system here: %s\n", strerror(errno));
        skip();
    }
    const char *folder = arena_format(&arena, "%s/out", mounted);
    struct command_end end;
    run_command(arena_format(&arena, "exec \"$MONOGEN\" %s", arguments_of(folder)), &end);
    expect_no_output(folder, &end, good, "No space left on device");
    assert_int_equal(umount2(mounted, MNT_DETACH), 0);
}

// A folder that holds another kernel: where the new one cannot be written whole, no manifest may
// say that the mixture is a kernel.
static void test_another_kernel_in_the_folder(void **state) {
    (void)state;
    skip_without_compiler("cxx");
    struct generated old, new;
    const char *folder = arena_string(&arena, temporary_path("mixed"));
    const char *old_folder = arena_string(&arena, temporary_path("old"));
    struct wanted_generation wanted = {
        .spec = "tests/specs/tiny.lua", .target = "host", .set = "cus=2", .compile = true};
    generated_open(&old, &wanted);
    wanted.set = "cus=3";
    generated_open(&new, &wanted);
    generated_write(&old, folder);
    generated_write(&old, old_folder);
    // the listing cannot be written: its name is taken by a folder
    const char *listing = arena_format(&arena, "%s/6-kernel.isa", folder);
    assert_int_equal(unlink(listing), 0);
    assert_int_equal(mkdir(listing, 0755), 0);
    assert_false(generation_write(&new.generation, folder, &new.diagnostics));
    size_t length = 0;
    if (contents(folder, "7-manifest.json", &length) &&
        !same_file(folder, old_folder, "5-kernel.so"))
        fail_msg("the manifest of the old kernel stands beside the object of the new one");
    generated_close(&old);
    generated_close(&new);
}

// ---- a worker that dies -------------------------------------------------------------------------

static void test_a_worker_that_crashes(void **state) {
    (void)state;
    const char *worker = arena_string(&arena, temporary_path("worker.sh"));
    struct diagnostics trouble = {0};
    static const char script[] = "#!/bin/sh\nkill -SEGV $$\n";
    assert_true(file_write(worker, script, strlen(script), &trouble));
    assert_int_equal(chmod(worker, 0755), 0);
    const char *folder = arena_string(&arena, temporary_path("crashed"));
    static const char *const targets[] = {"host", "mi300x"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct command_end end;
        run_command(arena_format(&arena,
                                 "MONOGEN_WORKER='%s' exec \"$MONOGEN\" generate austen-3m "
                                 "--target %s --cache none -o '%s'",
                                 worker, targets[i], folder),
                    &end);
        if (end.status != DIAGNOSTIC_ENVIRONMENT || !strstr(end.output, "killed by SIGSEGV"))
            fail_msg("status %d: %s", end.status, end.output);
        size_t length = 0;
        assert_null(contents(folder, "7-manifest.json", &length));
    }
    diagnostics_close(&trouble);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_kill),
        TEST(test_a_limit_on_file_sizes),
        TEST(test_another_kernel_in_the_folder),
        TEST(test_a_worker_that_crashes),
        TEST(test_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
