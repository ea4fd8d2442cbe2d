// Every spec under tests/bad_specs must be refused with exactly the diagnostics of the .expected
// file beside it. MONOGEN_WRITE_EXPECTED=1 writes these files instead, for reading them over.
#include "generator/base/file.h"
#include "generator/model/model.h"
#include "generator/model/names.h"
#include "generator/target/target.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD_SPECS "tests/bad_specs"

// Small, so that loops and bombs are stopped soon.
static const struct script_limits limits = {
    .memory_bytes = (size_t)32 << 20, .instructions = 10000000, .seconds = 20};

// How each folder of bad specs is loaded; `name` is that of the case.
typedef bool load_function(struct script *script, struct arena *arena, const char *name,
                           struct diagnostics *diagnostics);

static bool load_model(struct script *script, struct arena *arena, const char *name,
                       struct diagnostics *diagnostics) {
    struct model model;
    return model_load(script, "specs", arena_format(arena, BAD_SPECS "/models/%s.lua", name), NULL,
                      arena, &model, diagnostics);
}

static bool load_config(struct script *script, struct arena *arena, const char *name,
                        struct diagnostics *diagnostics) {
    struct model model;
    return model_load(script, "specs", arena_format(arena, BAD_SPECS "/configs/%s", name), NULL,
                      arena, &model, diagnostics);
}

static bool load_target(struct script *script, struct arena *arena, const char *name,
                        struct diagnostics *diagnostics) {
    struct target target;
    return target_load(script, "specs", arena_format(arena, BAD_SPECS "/targets/%s.lua", name),
                       NULL, arena, &target, diagnostics);
}

// A good model of the bad family; tests/bad_specs is its specs folder.
static bool load_family(struct script *script, struct arena *arena, const char *name,
                        struct diagnostics *diagnostics) {
    const char *spec = arena_format(arena, "%s/model.lua", temporary_folder());
    const char *source = arena_format(arena,
                                      "model {\n"
                                      "  name = \"good\", family = \"%s\", dtype = \"bf16\",\n"
                                      "  hidden = 256, layers = 4, vocab = 2048, mlp = 768,\n"
                                      "  heads = 4, kv_heads = 2, head_dim = 64, context = 1024,\n"
                                      "  norm_eps = 1e-5, rope = { theta = 10000 },\n"
                                      "}\n",
                                      name);
    struct model model;
    assert_true(file_write(spec, source, strlen(source), diagnostics));
    bool good = model_load(script, BAD_SPECS, spec, NULL, arena, &model, diagnostics);
    assert_int_equal(unlink(spec), 0);
    return good;
}

static char *printed(struct arena *arena, const struct diagnostics *diagnostics) {
    char *bytes = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&bytes, &length);
    assert_non_null(stream);
    diagnostics_print(diagnostics, stream);
    assert_int_equal(fclose(stream), 0);
    char *copy = arena_string(arena, bytes);
    free(bytes);
    return copy;
}

// Whether the case is refused as expected; says what differs.
static bool check_case(load_function *load, const char *folder, const char *name) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0}, trouble = {0};
    struct script *script = script_open(limits, &trouble);
    assert_non_null(script);
    bool loaded = load(script, &arena, name, &diagnostics);
    const char *got = printed(&arena, &diagnostics);
    const char *path = arena_format(&arena, BAD_SPECS "/%s/%s.expected", folder, name);
    size_t length;
    if (getenv("MONOGEN_WRITE_EXPECTED"))
        assert_true(file_write(path, got, strlen(got), &trouble));
    const char *expected = file_read(&arena, path, 1 << 20, &length, &trouble);
    bool good = !loaded && expected && strcmp(got, expected) == 0 &&
                diagnostics_exit_status(&diagnostics) == DIAGNOSTIC_USER;
    if (!good)
        print_error("%s/%s %s; its diagnostics are\n%s-- expected are\n%s--\n", folder, name,
                    loaded ? "was accepted" : "was refused", got, expected ? expected : "(none)\n");
    script_close(script);
    diagnostics_close(&diagnostics);
    diagnostics_close(&trouble);
    arena_close(&arena);
    return good;
}

static void check_folder(load_function *load, const char *folder, size_t at_least) {
    struct arena arena = {0};
    size_t count, bad = 0;
    const char *const *names =
        names_in(&arena, arena_format(&arena, BAD_SPECS "/%s", folder), &count);
    if (count < at_least)
        fail_msg("%s has %zu cases, at least %zu are expected", folder, count, at_least);
    for (size_t i = 0; i < count; i++)
        bad += !check_case(load, folder, names[i]);
    arena_close(&arena);
    if (bad > 0)
        fail_msg("%zu of %zu bad specs of %s are not refused as expected", bad, count, folder);
}

static void test_models(void **state) {
    (void)state;
    check_folder(load_model, "models", 25);
}

static void test_families(void **state) {
    (void)state;
    check_folder(load_family, "families", 18);
}

static void test_targets(void **state) {
    (void)state;
    check_folder(load_target, "targets", 7);
}

static void test_configs(void **state) {
    (void)state;
    struct arena arena = {0};
    size_t count = 0, bad = 0;
    DIR *directory = opendir(BAD_SPECS "/configs");
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!folder_exists(arena_format(&arena, BAD_SPECS "/configs/%s", entry->d_name)) ||
            entry->d_name[0] == '.')
            continue;
        count++;
        bad += !check_case(load_config, "configs", entry->d_name);
    }
    closedir(directory);
    arena_close(&arena);
    if (count < 15 || bad > 0)
        fail_msg("%zu of %zu bad configs are not refused as expected", bad, count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
