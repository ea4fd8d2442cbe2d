// The cache, with a worker that counts how often it compiles.
#include "generator/compile/cache.h"
#include "tests/support/small_kernel.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// A folder with a worker, a cache and the worker's count.
struct place {
    char folder[1024], worker[1200], cache[1200], count[1200];
};

// Answers with an object that is the version, and appends a line to the count.
static void set_worker(struct place *place, const char *version) {
    char body[2048];
    snprintf(body, sizeof body,
             "echo >>%s; printf 'monogen-compile 1\\nstatus 2\\nok\\nversion %zu\\n%s\\n"
             "object %zu\\n%s\\nlog 4\\nlog.\\nlisting 5\\nlist.\\nvgpr 2\\n12\\nend\\n'",
             place->count, strlen(version), version, strlen(version), version);
    write_fake_worker(place->worker, version, body);
}

static struct place open_place(const char *name) {
    struct place place;
    snprintf(place.folder, sizeof place.folder, "%s", test_folder(name));
    snprintf(place.worker, sizeof place.worker, "%s/worker.sh", place.folder);
    snprintf(place.cache, sizeof place.cache, "%s/cache", place.folder);
    snprintf(place.count, sizeof place.count, "%s/count", place.folder);
    set_worker(&place, "fake 1.0");
    return place;
}

static struct compile_result compile(const struct place *place,
                                     const struct compile_request *request) {
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    if (!compile_source(request, place->cache, place->worker, NULL, &result, &diagnostics)) {
        diagnostics_print(&diagnostics, stderr);
        fail_msg("compilation failed");
    }
    return result;
}

// Whether compiling came from the cache; also checks that the result is whole.
static bool hits(const struct place *place, const struct compile_request *request) {
    struct compile_result result = compile(place, request);
    bool hit = result.from_cache;
    assert_string_equal(result.object.bytes, result.compiler_version);
    assert_string_equal(result.log.bytes, "log.");
    assert_string_equal(result.listing.bytes, "list.");
    assert_int_equal(result.resources.vgpr, 12);
    assert_int_equal(result.resources.agpr, -1);
    assert_int_equal(result.resources.waves_per_simd,
                     request->registers_per_lane ? request->waves_per_simd_max : -1);
    assert_string_equal(result.cache_note, "");
    assert_true(hit ? result.seconds == 0 : result.seconds > 0);
    compile_result_close(&result);
    return hit;
}

// The only entry of the cache, and how many names there are beside it.
static int find_entry(const struct place *place, char entry[2048]) {
    char entries[1300];
    snprintf(entries, sizeof entries, "%s/compiled", place->cache);
    DIR *open_folder = opendir(entries);
    assert_non_null(open_folder);
    int others = 0;
    entry[0] = '\0';
    for (struct dirent *item; (item = readdir(open_folder));) {
        if (strlen(item->d_name) == DIGEST_TEXT_BYTES - 1 && !*entry)
            snprintf(entry, 2048, "%s/%s", entries, item->d_name);
        else if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            others++;
    }
    closedir(open_folder);
    return others;
}

static void the_second_time_is_a_hit(void **state) {
    (void)state;
    struct place place = open_place("hit");
    struct compile_request request = small_kernel_request("cxx");
    request.registers_per_lane = 512;
    request.register_granule = 8;
    request.waves_per_simd_max = 8;
    assert_false(hits(&place, &request));
    assert_true(hits(&place, &request));
    struct stat status;
    assert_int_equal(stat(place.count, &status), 0);
    assert_int_equal(status.st_size, 1);
}

static void everything_that_matters_is_in_the_key(void **state) {
    (void)state;
    static const char *const options[] = {"-DX", NULL}, *const others[] = {"-DY", NULL};
    struct place place = open_place("key");
    struct compile_request request = small_kernel_request("cxx");
    assert_false(hits(&place, &request));
    request.source = "another source";
    assert_false(hits(&place, &request));
    request.source_name = "another.hip";
    assert_false(hits(&place, &request));
    request.kernel = "another";
    assert_false(hits(&place, &request));
    request.options = options;
    assert_false(hits(&place, &request));
    request.options = others;
    assert_false(hits(&place, &request));
    request.compiler = "comgr";
    assert_false(hits(&place, &request));
    request.isa = "gfx942";
    assert_false(hits(&place, &request));
    set_worker(&place, "fake 1.1");
    assert_false(hits(&place, &request));
    assert_true(hits(&place, &request));
}

// Flips one byte in the middle of the file.
static void damage(const char *path) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long middle = ftell(file) / 2;
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    assert_true(fputc(byte ^ 1, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_entry_is_replaced(void **state) {
    (void)state;
    static const char *const files[] = {"object", "log", "listing", "index"};
    struct place place = open_place("damage");
    struct compile_request request = small_kernel_request("cxx");
    char entry[2048], path[2100];
    assert_false(hits(&place, &request));
    for (int way = 0; way < 3; way++)
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
            assert_int_equal(find_entry(&place, entry), 0);
            snprintf(path, sizeof path, "%s/%s", entry, files[i]);
            if (way == 0)
                damage(path);
            else if (way == 1)
                assert_int_equal(truncate(path, 3), 0);
            else
                assert_int_equal(unlink(path), 0);
            if (hits(&place, &request))
                fail_msg("'%s' was damaged in way %d, and the entry was used", files[i], way);
            assert_true(hits(&place, &request));
        }
    // A file, or a folder that holds nothing, where the entry should be.
    assert_int_equal(find_entry(&place, entry), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", entry, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_false(hits(&place, &request));
    assert_true(hits(&place, &request));
}

static void a_file_in_the_way_is_replaced(void **state) {
    (void)state;
    struct place place = open_place("file");
    struct compile_request request = small_kernel_request("cxx");
    char entry[2048], aside[2100];
    assert_false(hits(&place, &request));
    assert_int_equal(find_entry(&place, entry), 0);
    snprintf(aside, sizeof aside, "%s/aside", place.folder);
    assert_int_equal(rename(entry, aside), 0);
    write_test_file(entry, "not a folder");
    assert_false(hits(&place, &request));
    assert_true(hits(&place, &request));
    assert_int_equal(find_entry(&place, entry), 0);
}

static void many_writers_agree(void **state) {
    (void)state;
    enum { WRITERS = 8 };
    struct place place = open_place("writers");
    struct compile_request request = small_kernel_request("cxx");
    pid_t writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] == 0) {
            struct compile_result result;
            struct diagnostics diagnostics = {0};
            bool compiled =
                compile_source(&request, place.cache, place.worker, NULL, &result, &diagnostics);
            _exit(compiled && !*result.cache_note && strcmp(result.object.bytes, "fake 1.0") == 0
                      ? 0
                      : 1);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    char entry[2048];
    assert_int_equal(find_entry(&place, entry), 0);
    assert_true(hits(&place, &request));
}

// A limit on the size of files stands in for a full disk.
static void a_full_disk_costs_the_cache_only(void **state) {
    (void)state;
    struct place place = open_place("full");
    char entry[2048];
    struct text large = {0};
    while (large.length < 100000)
        text_append(&large, "0123456789");
    struct compile_result result = {.object = large};
    mkdir(place.cache, 0755);
    pid_t writer = fork();
    assert_true(writer >= 0);
    char digest[DIGEST_TEXT_BYTES];
    const char *parts[] = {"full"};
    digest_strings(parts, 1, digest);
    if (writer == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {50000, 50000};
        setrlimit(RLIMIT_FSIZE, &limit);
        cache_store(place.cache, digest, &result);
        _exit(strstr(result.cache_note, "not cached") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(find_entry(&place, entry), 0);
    assert_string_equal(entry, "");
    compile_result_close(&result);
}

static void a_cache_that_cannot_be_made_is_a_note(void **state) {
    (void)state;
    struct place place = open_place("unmade");
    struct compile_request request = small_kernel_request("cxx");
    write_test_file(place.cache, "a file where the cache should be");
    struct compile_result result = compile(&place, &request);
    assert_false(result.from_cache);
    assert_non_null(strstr(result.cache_note, "not cached"));
    compile_result_close(&result);
}

static void leftovers_of_the_dead_are_swept(void **state) {
    (void)state;
    struct place place = open_place("sweep");
    struct compile_request request = small_kernel_request("cxx");
    char entry[2048], old[1300], young[1300];
    assert_false(hits(&place, &request));
    snprintf(old, sizeof old, "%s/compiled/.partial-old", place.cache);
    snprintf(young, sizeof young, "%s/compiled/.partial-young", place.cache);
    assert_int_equal(mkdir(old, 0755), 0);
    assert_int_equal(mkdir(young, 0755), 0);
    struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, old, long_ago, 0), 0);
    request.source = "another";
    assert_false(hits(&place, &request));
    struct stat status;
    assert_int_equal(stat(old, &status), -1);
    assert_int_equal(stat(young, &status), 0);
    assert_int_equal(find_entry(&place, entry), 2); // the second entry, and the young one
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_time_is_a_hit),
        cmocka_unit_test(everything_that_matters_is_in_the_key),
        cmocka_unit_test(a_damaged_entry_is_replaced),
        cmocka_unit_test(a_file_in_the_way_is_replaced),
        cmocka_unit_test(many_writers_agree),
        cmocka_unit_test(a_full_disk_costs_the_cache_only),
        cmocka_unit_test(a_cache_that_cannot_be_made_is_a_note),
        cmocka_unit_test(leftovers_of_the_dead_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
