#include "generator/base/file.h"

#include "tests/support/printed.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void write_plainly(const char *path, const char *text) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void assert_holds(const char *path, const char *expected) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t length;
    char *bytes = file_read(&arena, path, 1 << 20, &length, &diagnostics);
    if (!bytes)
        fail_msg("%s", printed_diagnostics(&diagnostics));
    assert_string_equal(bytes, expected);
    arena_close(&arena);
}

static int count_entries(const char *folder) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    int count = -2; // . and ..
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void writes_and_reads_back(void **state) {
    (void)state;
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    const char *folder = temporary_path("plain"), *path = temporary_path("plain/x");
    assert_true(folder_make(folder, &diagnostics));
    assert_true(file_write(path, "a\0b", 3, &diagnostics));
    size_t length;
    char *bytes = file_read(&arena, path, 3, &length, &diagnostics);
    assert_non_null(bytes);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    assert_true(file_write(path, "", 0, &diagnostics));
    assert_holds(path, "");
    assert_int_equal(count_entries(folder), 1);
    assert_true(file_exists(path));
    assert_false(file_exists(folder));
    assert_true(folder_exists(folder));
    assert_false(folder_exists(path));
    struct stat status;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(diagnostics.count, 0);
    arena_close(&arena);
}

static void assert_unreadable(const char *path, size_t max_bytes, const char *reason) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t length;
    assert_null(file_read(&arena, path, max_bytes, &length, &diagnostics));
    assert_int_equal(diagnostics_exit_status(&diagnostics), 1);
    const char *text = printed_diagnostics(&diagnostics);
    if (!strstr(text, reason) || strncmp(text, path, strlen(path)) != 0)
        fail_msg("\"%s\" is expected in: %s", reason, text);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void refuses_what_is_no_file(void **state) {
    (void)state;
    const char *path = temporary_path("four"), *pipe_path = temporary_path("pipe");
    write_plainly(path, "1234");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_unreadable(temporary_path("absent"), 10, "no such file");
    assert_unreadable(temporary_folder(), 10, "is a folder");
    assert_unreadable(path, 3, "has 4 bytes, at most 3");
    assert_unreadable(pipe_path, 10, "not a regular file"); // and does not wait for a writer
    assert_unreadable("/dev/zero", SIZE_MAX, "not a regular file");
}

static void makes_folders(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    const char *deep = temporary_path("a/b//c/");
    assert_true(folder_make(deep, &diagnostics));
    assert_true(folder_make(deep, &diagnostics));
    assert_true(folder_exists(deep));
    assert_true(folder_make("/", &diagnostics));
    write_plainly(temporary_path("a/file"), "");
    assert_false(folder_make(temporary_path("a/file/x"), &diagnostics));
    assert_int_equal(diagnostics_exit_status(&diagnostics), 3);
    diagnostics_close(&diagnostics);
}

static void failures_leave_the_old_file(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    assert_false(file_write(temporary_path("absent/x"), "1", 1, &diagnostics));
    assert_int_equal(diagnostics_exit_status(&diagnostics), 3);
    diagnostics_close(&diagnostics);
    // The rename fails: the target is a folder.
    const char *folder = temporary_path("target");
    assert_true(folder_make(temporary_path("target/x"), &diagnostics));
    assert_false(file_write(temporary_path("target/x"), "1", 1, &diagnostics));
    assert_int_equal(count_entries(folder), 1);
    assert_true(folder_exists(temporary_path("target/x")));
    diagnostics_close(&diagnostics);
}

// Writes 64 KiB where the process may write 4096 bytes a file: a short write, then an error.
static void short_write_leaves_the_old_file(void **state) {
    (void)state;
    const char *folder = temporary_path("limited"), *path = temporary_path("limited/x");
    struct diagnostics diagnostics = {0};
    assert_true(folder_make(folder, &diagnostics));
    write_plainly(path, "old");
    static char bytes[1 << 16];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(9);
        bool written = file_write(path, bytes, sizeof bytes, &diagnostics);
        bool told = strstr(printed_diagnostics(&diagnostics), "File too large") != NULL;
        _exit(written ? 8 : told ? diagnostics_exit_status(&diagnostics) : 7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_holds(path, "old");
    assert_int_equal(count_entries(folder), 1);
}

static void full_disk_leaves_the_old_file(void **state) {
    (void)state;
    const char *folder = temporary_path("small"), *path = temporary_path("small/x");
    struct diagnostics diagnostics = {0};
    assert_true(folder_make(folder, &diagnostics));
    if (mount("none", folder, "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIPPED: a small file system needs the right to mount one\n");
        skip();
    }
    write_plainly(path, "old");
    static char bytes[1 << 20];
    bool written = file_write(path, bytes, sizeof bytes, &diagnostics);
    int entries = count_entries(folder);
    struct arena arena = {0};
    size_t length = 0;
    char *old = file_read(&arena, path, 100, &length, &diagnostics);
    assert_int_equal(umount(folder), 0);
    assert_false(written);
    assert_non_null(old);
    assert_string_equal(old, "old");
    assert_int_equal(entries, 1);
    const char *text = printed_diagnostics(&diagnostics);
    assert_non_null(strstr(text, "No space left on device\n  note: free some space"));
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

// A process that is killed at any moment leaves the old bytes or the new ones, whole.
static void kill_leaves_old_or_new(void **state) {
    (void)state;
    const char *folder = temporary_path("killed"), *path = temporary_path("killed/x");
    struct diagnostics diagnostics = {0};
    enum { BYTES = 1 << 20 };
    assert_true(folder_make(folder, &diagnostics));
    write_plainly(path, "old");
    char *bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int letter = 'a';; letter = letter == 'z' ? 'a' : letter + 1) {
                memset(bytes, letter, BYTES);
                if (!file_write(path, bytes, BYTES, &diagnostics))
                    _exit(1);
            }
        }
        usleep((useconds_t)(2000 + round * 700));
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct arena arena = {0};
        size_t length;
        char *found = file_read(&arena, path, BYTES, &length, &diagnostics);
        assert_non_null(found);
        if (strcmp(found, "old") != 0) {
            assert_int_equal(length, BYTES);
            memset(bytes, found[0], BYTES);
            assert_memory_equal(found, bytes, BYTES);
        }
        arena_close(&arena);
    }
    // What the killed left has a name that tells; it does not keep anyone from writing.
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        const char *suffix = strrchr(entry->d_name, '.');
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "x") != 0 &&
            (!suffix || strcmp(suffix, ".partial") != 0))
            fail_msg("%s was left", entry->d_name);
    }
    closedir(directory);
    assert_true(file_write(path, "new", 3, &diagnostics));
    assert_holds(path, "new");
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(failures_leave_the_old_file),
        cmocka_unit_test(short_write_leaves_the_old_file),
        cmocka_unit_test(full_disk_leaves_the_old_file),
        cmocka_unit_test(kill_leaves_old_or_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
