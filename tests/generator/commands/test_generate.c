// generate and inspect, as their users start them.
#include "generator/base/file.h"

#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/shell.h"
#include "tests/support/small_kernel.h"

static void generate_tells_every_stage(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result = program_run(
        0, "generate austen-3m --target host -o '%s/told' --set cus=3", program_folder());
    static const char *const parts[] = {"austen-3m -> host", "\nplan ",    "\ncheck ", "\nemit ",
                                        "\ncompile ",        "\npredict ", "3 CUs"};
    char source[PATH_MAX + 64];
    snprintf(source, sizeof source, "\nemit     %s/told/3-kernel.hip ", program_folder());
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        expect_part(words_of(&result.output), parts[i]);
    expect_part(words_of(&result.output), source);
    process_result_close(&result);
    result = program_run(0, "generate austen-3m --target host -o '%s/told' --set cus=3",
                         program_folder());
    expect_part(words_of(&result.output), "cached");
    process_result_close(&result);
}

static void generate_json_names_the_artefacts(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(0, "generate austen-3m --target host --json -o '%s/json'", program_folder());
    json_t *json = parse_json(&result.output), *paths = json_object_get(json, "paths");
    assert_int_equal(json_object_size(paths), 8);
    const char *name;
    json_t *path;
    json_object_foreach(paths, name, path) if (!file_exists(json_string_value(path)))
        fail_msg("%s: %s is not there", name, json_string_value(path));
    assert_int_equal(json_string_length(json_object_get(json, "plan_digest")), 64);
    const json_t *resources = json_object_get(json, "resources");
    assert_true(json_is_null(json_object_get(resources, "vgpr"))); // a CPU's compiler does not tell
    json_decref(json);
    process_result_close(&result);
}

static void a_printed_plan_makes_the_same_source(void **state) {
    (void)state;
    need_compiler("cxx");
    char before[PATH_MAX + 128], again[PATH_MAX + 128];
    const char *from = program_generated("host");
    snprintf(before, sizeof before, "%s/3-kernel.hip", from);
    snprintf(again, sizeof again, "%s/again/3-kernel.hip", program_folder());
    struct process_result result =
        program_run(0, "generate --plan '%s/2-plan.lua' -o '%s/again'", from, program_folder());
    process_result_close(&result);
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t lengths[2];
    const char *texts[2] = {file_read(&arena, before, 1 << 24, &lengths[0], &diagnostics),
                            file_read(&arena, again, 1 << 24, &lengths[1], &diagnostics)};
    assert_true(texts[0] && texts[1]);
    assert_string_equal(texts[0], texts[1]);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void an_edited_source_is_used_and_located(void **state) {
    (void)state;
    need_compiler("cxx");
    char path[PATH_MAX + 32], emitted[PATH_MAX + 32];
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t length;
    snprintf(emitted, sizeof emitted, "%s/3-kernel.hip", program_generated("host"));
    const char *source = file_read(&arena, emitted, 1 << 24, &length, &diagnostics);
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/edited.hip", program_folder());
    write_test_file(path, arena_format(&arena, "%sint broken(\n", source));
    struct process_result result = program_run(
        1, "generate austen-3m --target host --source '%s' -o '%s/edited'", path, program_folder());
    expect_part(words_of(&result.errors), ": error: ");
    expect_part(words_of(&result.errors), "int broken(");
    process_result_close(&result);
    snprintf(emitted, sizeof emitted, "%s/edited", program_folder());
    assert_false(folder_exists(emitted));
    // a whole source, but of another plan: the runtime would fill memory otherwise than it reads it
    write_test_file(path, source);
    result = program_run(1, "run austen-3m --device host --set cus=3 -n 1 --source '%s'", path);
    expect_part(words_of(&result.errors), "the source was emitted for kernel ");
    process_result_close(&result);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void resources_have_their_keys(void **state) {
    (void)state;
    need_compiler("comgr");
    static const char *const keys[] = {"vgpr",        "agpr",          "sgpr",
                                       "lds_bytes",   "scratch_bytes", "vgpr_spills",
                                       "sgpr_spills", "code_bytes",    "waves_per_simd"};
    const char *from = program_generated("mi300x");
    struct process_result text = program_run(0, "inspect '%s' resources", from);
    struct process_result result = program_run(0, "inspect '%s' resources --json", from);
    json_t *json = parse_json(&result.output);
    assert_int_equal(json_object_size(json), sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_true(json_is_integer(json_object_get(json, keys[i])));
        expect_part(words_of(&text.output), keys[i]);
    }
    assert_int_equal(json_integer_value(json_object_get(json, "vgpr_spills")), 0);
    assert_int_equal(json_integer_value(json_object_get(json, "sgpr_spills")), 0);
    assert_int_equal(json_integer_value(json_object_get(json, "scratch_bytes")), 0);
    assert_true(json_integer_value(json_object_get(json, "lds_bytes")) <= 64 << 10);
    assert_true(json_integer_value(json_object_get(json, "vgpr")) > 0);
    assert_true(json_integer_value(json_object_get(json, "waves_per_simd")) > 0);
    json_decref(json);
    process_result_close(&result);
    process_result_close(&text);
}

static void every_view_prints_text_and_json(void **state) {
    (void)state;
    need_compiler("cxx");
    static const char *const view_lines[] = {"",       "plan",   "source", "isa",    "resources",
                                             "line 9", "step 1", "cu 1",   "choice", "choice cus"};
    const char *from = program_generated("host");
    for (size_t i = 0; i < sizeof view_lines / sizeof *view_lines; i++) {
        struct process_result result = program_run(0, "inspect '%s' %s", from, view_lines[i]);
        assert_true(result.output.length > 10);
        process_result_close(&result);
        result = program_run(0, "inspect '%s' %s --json", from, view_lines[i]);
        json_decref(parse_json(&result.output));
        process_result_close(&result);
    }
    struct process_result result = program_run(0, "inspect '%s' keys", from);
    expect_part(words_of(&result.output), "unroll");
    process_result_close(&result);
    result = program_run(0, "inspect '%s' keys --json", from);
    json_t *json = parse_json(&result.output), *tuning = json_object_get(json, "tuning");
    const json_t *first = json_array_get(tuning, 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "cus");
    assert_int_equal(json_integer_value(json_object_get(first, "most")), 4096);
    assert_true(json_array_size(json_object_get(json, "target")) > 0);
    assert_true(json_array_size(json_object_get(json, "spec")) > 0);
    json_decref(json);
    process_result_close(&result);
}

static json_t *inspect_json(const char *from, const char *view) {
    struct process_result result = program_run(0, "inspect '%s' %s --json", from, view);
    json_t *json = parse_json(&result.output);
    process_result_close(&result);
    return json;
}

static void lines_and_steps_agree(void **state) {
    (void)state;
    need_compiler("cxx");
    const char *from = program_generated("host");
    json_t *step = inspect_json(from, "step 1");
    const char *lines = json_string_value(json_object_get(step, "emitted_lines"));
    assert_non_null(lines);
    char view[64];
    snprintf(view, sizeof view, "line %ld", strtol(lines, NULL, 10));
    json_t *line = inspect_json(from, view);
    assert_int_equal(json_integer_value(json_object_get(line, "step")), 1);
    assert_string_equal(json_string_value(json_object_get(line, "stage")),
                        json_string_value(json_object_get(step, "stage")));
    assert_true(json_is_string(json_object_get(line, "template")));
    json_decref(line);
    json_decref(step);
}

// What the CUs stream together is what a token reads.
static void cus_share_out_the_weights(void **state) {
    (void)state;
    need_compiler("cxx");
    const char *from = program_generated("host");
    json_t *overview = inspect_json(from, "");
    const json_int_t cus = json_integer_value(json_object_get(overview, "cus"));
    json_int_t sum = 0;
    for (json_int_t cu = 0; cu < cus; cu++) {
        char view[64];
        snprintf(view, sizeof view, "cu %lld", (long long)cu);
        json_t *json = inspect_json(from, view);
        sum += json_integer_value(json_object_get(json, "weight_bytes_per_token"));
        json_decref(json);
    }
    const json_int_t token = json_integer_value(json_object_get(overview, "bytes_per_token"));
    if (sum < token * 99 / 100 || sum > token * 101 / 100)
        fail_msg("the CUs stream %lld bytes, a token reads %lld", (long long)sum, (long long)token);
    json_decref(overview);
}

static void what_is_not_there_is_an_error(void **state) {
    (void)state;
    need_compiler("cxx");
    const char *from = program_generated("host");
    static const struct {
        const char *view, *part;
        int status;
    } cases[] = {
        {"line 0", "has lines 1 to", 2},   {"line 999999", "has lines 1 to", 2},
        {"line x", "has lines 1 to", 2},   {"step 1x", "has steps 0 to", 2},
        {"step 999", "has steps 0 to", 2}, {"cu 2", "has cus 0 to 1", 2},
        {"choice cuz", "did you mean", 2}, {"line", "N is missing", 2},
        {"resources now", "too much", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct process_result result =
            program_run(cases[i].status, "inspect '%s' %s", from, cases[i].view);
        expect_part(words_of(&result.errors), cases[i].part);
        process_result_close(&result);
    }
}

static void damaged_artefacts_are_located(void **state) {
    (void)state;
    char broken[PATH_MAX + 32], path[PATH_MAX + 64];
    snprintf(broken, sizeof broken, "%s/broken", program_folder());
    assert_int_equal(mkdir(broken, 0755), 0);
    snprintf(path, sizeof path, "%s/2-plan.lua", broken);
    write_test_file(path, "plan { format = 1, }\n");
    struct process_result result = program_run(1, "inspect '%s' plan", broken);
    expect_part(words_of(&result.errors), "2-plan.lua:");
    process_result_close(&result);
    snprintf(path, sizeof path, "%s/7-manifest.json", broken);
    static const char *const manifests[] = {"", "[]", "{\"kernel\": 3}",
                                            "{\"kernel\": {\"resources\": {\"vgpr\": \"many\"}}}"};
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        write_test_file(path, manifests[i]);
        result = program_run(1, "inspect '%s' resources", broken);
        expect_part(words_of(&result.errors), "7-manifest.json");
        process_result_close(&result);
    }
}

// Makes `folder` a checkpoint of austen-3m whose tensors are those of the header.
static void make_checkpoint(const char *folder, const char *header) {
    char path[PATH_MAX + 64], command[2 * PATH_MAX];
    struct command_end end;
    snprintf(command, sizeof command,
             "mkdir '%s' && cp specs/checkpoints/austen-3m/config.json '%s'", folder, folder);
    run_command(command, &end);
    assert_int_equal(end.status, 0);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    const uint64_t length = strlen(header);
    const uint32_t value = 0;
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_int_equal(fwrite(header, 1, length, file), length);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void tensors_that_the_model_does_not_use_are_named(void **state) {
    (void)state;
    need_compiler("cxx");
#define EMPTY(name) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
#define ONE(name) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
    static const char known[] = EMPTY("model.norm.weight") "," EMPTY("lm_head.weight") "," EMPTY(
        "model.layers.0.self_attn.rotary_emb.inv_freq") "," ONE("model.embed_tokens.weight");
    char folder[PATH_MAX + 32], header[2048];
    snprintf(folder, sizeof folder, "%s/all-used", program_folder());
    snprintf(header, sizeof header, "{%s}", known);
    make_checkpoint(folder, header);
    struct process_result result =
        program_run(0, "generate '%s' --target host -o '%s/used'", folder, program_folder());
    assert_string_equal(words_of(&result.errors), "");
    process_result_close(&result);
    snprintf(folder, sizeof folder, "%s/some-unused", program_folder());
    snprintf(header, sizeof header, "{%s,%s,%s,%s,%s}", known, EMPTY("a"), EMPTY("b"), EMPTY("c"),
             EMPTY("d"));
    make_checkpoint(folder, header);
    result = program_run(0, "generate '%s' --target host -o '%s/used'", folder, program_folder());
    expect_part(words_of(&result.errors), "note: the model does not use 4 tensors of ");
    expect_part(words_of(&result.errors), "/some-unused: a, b, c, ...\n");
    process_result_close(&result);
}

// root may write where the mode forbids it: this process and its children no longer.
static void obey_modes(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0);
    syscall(SYS_capset, &header, none);
}

// Runs the line under obey_modes and expects `output` and, of the notes, `note` (NULL: none).
static void expect_obeying(const char *line, const char *output, const char *note) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        obey_modes();
        const struct process_result result = program_start(line, NULL);
        const char *errors = words_of(&result.errors);
        const bool good = result.end == PROCESS_EXITED && result.code == 0 &&
                          strstr(words_of(&result.output), output) &&
                          (note ? strstr(errors, note) != NULL : !*errors);
        if (!good)
            printf("%s: %d\n%s%s", line, result.code, words_of(&result.output), errors);
        fflush(stdout);
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_cache_that_cannot_be_written_is_read(void **state) {
    (void)state;
    need_compiler("cxx");
    char cache[PATH_MAX + 32], compiled[PATH_MAX + 64], line[3 * PATH_MAX];
    snprintf(cache, sizeof cache, "%s/read-only", program_folder());
    snprintf(compiled, sizeof compiled, "%s/compiled", cache);
    snprintf(line, sizeof line, "generate austen-3m --target host --cache '%s' -o '%s/kept'", cache,
             program_folder());
    struct process_result result = program_run(0, "%s", line);
    process_result_close(&result);
    assert_int_equal(chmod(compiled, 0555), 0);
    assert_int_equal(chmod(cache, 0555), 0);
    expect_obeying(line, "cached", NULL);
    strcat(line, " --set cus=2");
    expect_obeying(line, "\ncompile ", "the compiled kernel was not cached");
    strcat(line, " --json");
    expect_obeying(line, "\"cached\": false", "the compiled kernel was not cached");
    assert_int_equal(chmod(compiled, 0755), 0);
    assert_int_equal(chmod(cache, 0755), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generate_tells_every_stage),
        cmocka_unit_test(tensors_that_the_model_does_not_use_are_named),
        cmocka_unit_test(a_cache_that_cannot_be_written_is_read),
        cmocka_unit_test(generate_json_names_the_artefacts),
        cmocka_unit_test(a_printed_plan_makes_the_same_source),
        cmocka_unit_test(an_edited_source_is_used_and_located),
        cmocka_unit_test(resources_have_their_keys),
        cmocka_unit_test(every_view_prints_text_and_json),
        cmocka_unit_test(lines_and_steps_agree),
        cmocka_unit_test(cus_share_out_the_weights),
        cmocka_unit_test(what_is_not_there_is_an_error),
        cmocka_unit_test(damaged_artefacts_are_located),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
