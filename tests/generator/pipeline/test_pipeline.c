#include "generator/base/file.h"
#include "runtime/manifest.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct generated made; // of the test that runs

static int prepare(void **state) {
    (void)state;
    made = (struct generated){0};
    return 0;
}

static int clean(void **state) {
    (void)state;
    generated_close(&made);
    return 0;
}

static const struct installation installation = {"specs", "templates"};

static const struct wanted_generation tiny = {
    .spec = "tests/specs/tiny.lua", .target = "host", .set = "cus=3"};

static void test_what_comes_out(void **state) {
    (void)state;
    generated_open(&made, &tiny);
    const struct generation *g = &made.generation;
    assert_true(g->has_model);
    assert_string_equal(g->model.name, "tiny");
    assert_string_equal(g->target.name, "host");
    assert_int_equal(g->plan.machine.cus, 3);
    assert_true(g->rules_checked > 0);
    assert_true(g->handoffs_checked > 0);
    assert_int_equal(strlen(g->plan_digest), DIGEST_TEXT_BYTES - 1);
    assert_true(g->model_text.length > 0 && g->plan_text.length > 0 && g->source.length > 0);
    assert_true(g->map.count > 0);
    assert_int_equal(g->manifest.length, 0); // nothing was compiled
    assert_true(g->source_seconds > 0);
}

// Layers of this family cannot use the same mailboxes again on all CUs of the chip: the checker
// finds it, and the plan is made anew.
static void test_mailboxes_that_cannot_be_shared(void **state) {
    (void)state;
    const struct wanted_generation wanted = {.spec = "tests/specs/parallel_normed.lua",
                                             .specs = "tests/specs",
                                             .target = "specs/targets/mi300x.lua"};
    generated_open(&made, &wanted);
    const struct plan_plan *plan = &made.generation.plan;
    const struct plan_choice *choice = NULL;
    for (int i = 0; i < plan->choices_count; i++)
        if (strcmp(plan->choices[i].name, "buffers") == 0)
            choice = &plan->choices[i];
    assert_non_null(choice);
    assert_string_equal(choice->value, "unshared");
    assert_non_null(strstr(choice->reason, "before all have read"));
    generated_close(&made);

    // Who asks for it gets the checker's answer.
    struct wanted_generation shared = wanted;
    shared.set = "buffers=shared";
    assert_false(generated_try(&made, &shared));
    assert_non_null(strstr(printed_diagnostics(&made.diagnostics), "[reuse]"));
}

// ---- progress -----------------------------------------------------------------------------------

static void note_stage(void *context, const char *stage) {
    text_append(context, stage);
    text_append(context, " ");
}

static void test_progress(void **state) {
    (void)state;
    struct text stages = {0};
    const struct generation_request request = {.spec = "tests/specs/tiny.lua",
                                               .target = "host",
                                               .command = "test",
                                               .progress = note_stage,
                                               .progress_context = &stages};
    assert_true(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    assert_string_equal(stages.bytes, "model plan check emit ");
    text_close(&stages);
}

// ---- re-entry -----------------------------------------------------------------------------------

static void write_text(const char *path, const char *bytes) {
    struct diagnostics trouble = {0};
    if (!file_write(path, bytes, strlen(bytes), &trouble))
        fail_msg("%s", printed_diagnostics(&trouble));
    diagnostics_close(&trouble);
}

// A printed plan, read again, gives the same kernel.
static void test_a_plan_file(void **state) {
    (void)state;
    struct generated first;
    generated_open(&first, &tiny);
    const char *path = temporary_path("plan.lua");
    write_text(path, first.generation.plan_text.bytes);
    const struct generation_request request = {.plan_file = path, .command = "test"};
    if (!generation_run(&request, &installation, &made.generation, &made.diagnostics))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    assert_false(made.generation.has_model);
    assert_string_equal(made.generation.plan_digest, first.generation.plan_digest);
    assert_string_equal(made.generation.source.bytes, first.generation.source.bytes);
    assert_string_equal(made.generation.map_text.bytes, first.generation.map_text.bytes);
    generated_close(&first);
}

// An edited plan is checked before anything is emitted.
static void test_a_broken_plan_file(void **state) {
    (void)state;
    struct generated first;
    generated_open(&first, &tiny);
    char *edited = arena_string(&first.generation.arena, first.generation.plan_text.bytes);
    char *place = strstr(edited, "write_epoch = 1");
    assert_non_null(place);
    place[strlen("write_epoch = ")] = '0'; // two writes of a mailbox with one epoch
    const char *path = temporary_path("broken_plan.lua");
    write_text(path, edited);
    const struct generation_request request = {.plan_file = path, .command = "test"};
    assert_false(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USER);
    assert_int_equal(made.diagnostics.items[0].message[0], '['); // the rule's name
    assert_int_equal(made.generation.source.length, 0);
    generated_close(&first);
}

// The source of the tiny model, with something added at its end.
static const char *edited_source(const char *added) {
    const struct generation_request request = {
        .spec = "tests/specs/tiny.lua", .target = "host", .command = "test"};
    assert_true(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    static char *text;
    free(text);
    const size_t bytes = made.generation.source.length + strlen(added) + 1;
    text = malloc(bytes);
    assert_non_null(text);
    snprintf(text, bytes, "%s%s", made.generation.source.bytes, added);
    generated_close(&made);
    return text;
}

// An edited source is used as it is.
static void test_a_source_file(void **state) {
    (void)state;
    const char *source = edited_source("// edited\n");
    const char *path = temporary_path("edited.hip");
    write_text(path, source);
    const struct generation_request request = {
        .spec = "tests/specs/tiny.lua", .target = "host", .source_file = path, .command = "test"};
    assert_true(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    assert_string_equal(made.generation.source.bytes, source);
    assert_int_equal(made.generation.map.count, 0);
}

static void test_a_source_of_nothing(void **state) {
    (void)state;
    const char *path = temporary_path("nothing.hip");
    write_text(path, "// edited\n");
    const struct generation_request request = {
        .spec = "tests/specs/tiny.lua", .target = "host", .source_file = path, .command = "test"};
    assert_false(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    assert_string_equal(made.diagnostics.items[0].message,
                        "the source does not say which plan it was emitted for");
}

static void test_a_broken_source_file(void **state) {
    (void)state;
    skip_without_compiler("cxx");
    const char *source = edited_source("int fine;\nthis is no C++;\n");
    const char *path = temporary_path("broken.hip");
    int lines = 0;
    for (const char *at = source; *at; at++)
        lines += *at == '\n';
    write_text(path, source);
    const struct generation_request request = {.spec = "tests/specs/tiny.lua",
                                               .target = "host",
                                               .source_file = path,
                                               .command = "test",
                                               .compile = true};
    assert_false(generation_run(&request, &installation, &made.generation, &made.diagnostics));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USER);
    assert_int_equal(made.diagnostics.items[0].at.line, lines);
    assert_true(made.generation.compiled.log.length > 0);
}

// ---- refusals -----------------------------------------------------------------------------------

static void expect_refusal(const struct generation_request *request, enum diagnostic_kind kind,
                           const char *message) {
    struct generated refused = {0};
    assert_false(generation_run(request, &installation, &refused.generation, &refused.diagnostics));
    assert_true(refused.diagnostics.count > 0);
    if (diagnostics_exit_status(&refused.diagnostics) != (int)kind ||
        !strstr(printed_diagnostics(&refused.diagnostics), message))
        fail_msg("expected \"%s\": %s", message, printed_diagnostics(&refused.diagnostics));
    assert_int_equal(refused.generation.source.length, 0);
    generated_close(&refused);
}

static void test_refusals(void **state) {
    (void)state;
    expect_refusal(
        &(struct generation_request){.spec = "austin-3m", .target = "host", .command = ""},
        DIAGNOSTIC_USER, "austin-3m");
    expect_refusal(
        &(struct generation_request){.spec = "austen-3m", .target = "hots", .command = ""},
        DIAGNOSTIC_USER, "hots");
    expect_refusal(&(struct generation_request){.spec = "tests/bad_specs/models/negative.lua",
                                                .target = "host",
                                                .command = ""},
                   DIAGNOSTIC_USER, "tests/bad_specs/models/negative.lua:");
    expect_refusal(&(struct generation_request){.plan_file = "/nowhere/plan.lua", .command = ""},
                   DIAGNOSTIC_USER, "/nowhere/plan.lua");
    expect_refusal(
        &(struct generation_request){
            .spec = "austen-3m", .target = "host", .source_file = "/nowhere/x.hip", .command = ""},
        DIAGNOSTIC_USER, "/nowhere/x.hip");
    struct override unknown = {.key = "hiden", .value = "3"};
    expect_refusal(
        &(struct generation_request){
            .spec = "austen-3m", .target = "host", .overrides = {&unknown, 1}, .command = ""},
        DIAGNOSTIC_USAGE, "did you mean 'hidden'?");
}

// ---- artefacts ----------------------------------------------------------------------------------

static void expect_file(const char *folder, const char *name, const struct text *expected) {
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t length = 0;
    const char *path = arena_format(&arena, "%s/%s", folder, name);
    const char *bytes = file_read(&arena, path, (size_t)64 << 20, &length, &trouble);
    if (!bytes)
        fail_msg("%s", printed_diagnostics(&trouble));
    if (length != expected->length || memcmp(bytes, expected->bytes, length) != 0)
        fail_msg("%s has %zu bytes that are not the %zu expected", name, length, expected->length);
    diagnostics_close(&trouble);
    arena_close(&arena);
}

// The manifest is what the runtime reads, with the plan's numbers.
static void expect_manifest(const char *folder, const struct generation *g) {
    struct monogen_error error = {0};
    struct manifest *manifest = manifest_open(folder, &error);
    if (!manifest)
        fail_msg("%s", error.message);
    assert_string_equal(manifest->model.name, "tiny");
    assert_int_equal(manifest->model.vocab, 200);
    assert_int_equal(manifest->model.context, 64);
    assert_int_equal(manifest->region_count, (size_t)g->plan.regions_count);
    assert_int_equal(manifest->partition_count, (size_t)g->plan.partitions_count);
    assert_true(manifest_is_stop_token(manifest, 2));
    assert_false(manifest_is_stop_token(manifest, 0));
    manifest_close(manifest);
}

static void test_artefacts(void **state) {
    (void)state;
    skip_without_compiler("cxx");
    struct wanted_generation wanted = tiny;
    wanted.compile = true;
    generated_open(&made, &wanted);
    const struct generation *g = &made.generation;
    const char *folder = temporary_path("artefacts/below");
    generated_write(&made, folder);
    generated_write(&made, folder); // over what is there
    assert_string_equal(g->object_name, "5-kernel.so");
    expect_file(folder, "1-model.lua", &g->model_text);
    expect_file(folder, "2-plan.lua", &g->plan_text);
    expect_file(folder, "3-kernel.hip", &g->source);
    expect_file(folder, "3-kernel.map", &g->map_text);
    expect_file(folder, "4-compile.log", &g->compiled.log);
    expect_file(folder, "5-kernel.so", &g->compiled.object);
    expect_file(folder, "6-kernel.isa", &g->compiled.listing);
    expect_file(folder, "7-manifest.json", &g->manifest);
    expect_manifest(folder, g);
}

// Nothing was compiled: no object and no manifest, for a folder with a manifest is complete.
static void test_artefacts_without_an_object(void **state) {
    (void)state;
    generated_open(&made, &tiny);
    const char *folder = temporary_path("source_only");
    struct arena *arena = &made.generation.arena;
    generated_write(&made, folder);
    assert_true(file_exists(arena_format(arena, "%s/3-kernel.hip", folder)));
    assert_false(file_exists(arena_format(arena, "%s/5-kernel.so", folder)));
    assert_false(file_exists(arena_format(arena, "%s/7-manifest.json", folder)));
}

static void test_a_folder_that_cannot_be(void **state) {
    (void)state;
    generated_open(&made, &tiny);
    assert_false(generation_write(&made.generation, "/proc/nowhere", &made.diagnostics));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_ENVIRONMENT);
}

// ---- installation -------------------------------------------------------------------------------

static void test_installation(void **state) {
    (void)state;
    struct installation found = {0};
    struct arena *arena = &made.generation.arena;
    setenv("MONOGEN_HOME", ".", 1);
    assert_true(installation_find(arena, &found, &made.diagnostics));
    assert_string_equal(found.specs, "./specs");
    assert_string_equal(found.templates, "./templates");
    setenv("MONOGEN_HOME", "docs", 1);
    assert_false(installation_find(arena, &found, &made.diagnostics));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_ENVIRONMENT);
    unsetenv("MONOGEN_HOME");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_comes_out),
        TEST(test_mailboxes_that_cannot_be_shared),
        TEST(test_progress),
        TEST(test_a_plan_file),
        TEST(test_a_broken_plan_file),
        TEST(test_a_source_file),
        TEST(test_a_source_of_nothing),
        TEST(test_a_broken_source_file),
        TEST(test_refusals),
        TEST(test_artefacts),
        TEST(test_artefacts_without_an_object),
        TEST(test_a_folder_that_cannot_be),
        TEST(test_installation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
