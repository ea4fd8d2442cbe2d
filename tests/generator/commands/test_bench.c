// bench: what it reports, and that the text it times is the right one. How fast it was is not
// judged.
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "generator/base/digest.h"
#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static json_t *bench(const char *options) {
    need_compiler("cxx");
    struct process_result result =
        program_run(0, "bench austen-3m --device host --json --repeats 2 -n 6 %s", options);
    json_t *json = parse_json(&result.output);
    process_result_close(&result);
    return json;
}

static json_t *context_of(json_t *json, size_t i) {
    return json_array_get(json_object_get(json, "contexts"), i);
}

static const char *digest_of(json_t *json, size_t i) {
    return json_string_value(json_object_get(context_of(json, i), "text_digest"));
}

static double number_of(json_t *table, const char *name) {
    json_t *number = json_object_get(table, name);
    if (!json_is_number(number))
        fail_msg("no number %s", name);
    return json_number_value(number);
}

// Every number's name ends with its unit.
static void expect_units(json_t *json) {
    static const char *const units[] = {"_positions", "_tokens", "_count",   "_number",  "_median",
                                        "_min",       "_max",    "_percent", "_repeats", "_bytes",
                                        "_gbps",      "_token",  "_best",    "_runs",    "_second",
                                        "_ratio",     NULL};
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        const json_t *number = json_is_array(value) ? json_array_get(value, 0) : value;
        bool named = !json_is_number(number);
        for (size_t i = 0; units[i]; i++) {
            const size_t length = strlen(name), unit = strlen(units[i]);
            named |= length > unit && strcmp(name + length - unit, units[i]) == 0;
        }
        if (!named)
            fail_msg("%s has no unit", name);
    }
}

static void the_report_is_whole(void **state) {
    (void)state;
    json_t *json = bench("--context 4,20 --kv fp32 --set cus=1");
    assert_string_equal(json_string_value(json_object_get(json, "model")), "austen-3m");
    assert_string_equal(json_string_value(json_object_get(json, "kv_dtype")), "fp32");
    assert_string_equal(json_string_value(json_object_get(json, "weights")), "random");
    assert_true(number_of(json, "cus_count") == 1);
    assert_true(number_of(json, "launch_tokens") == 6);
    assert_true(number_of(json, "kv_cache_positions") == 26);
    assert_int_equal(json_array_size(json_object_get(json, "contexts")), 2);
    expect_units(json);
    for (size_t i = 0; i < 2; i++) {
        json_t *context = context_of(json, i);
        const double seen = (i ? 20 : 4) + 3.5, median = number_of(context, "us_per_token_median");
        expect_units(context);
        assert_true(number_of(context, "context_positions") == (i ? 20 : 4));
        assert_int_equal(json_array_size(json_object_get(context, "us_per_token_repeats")), 2);
        assert_true(median > 0 && number_of(context, "us_per_token_min") <= median);
        assert_true(number_of(context, "us_per_token_max") >= median);
        // 4 layers, K and V of 2 heads of 64, 4 bytes each
        assert_true(number_of(context, "kv_bytes_per_token") == seen * 4 * 2 * 2 * 64 * 4);
        const double bytes = number_of(context, "weights_bytes_per_token") +
                             number_of(context, "kv_bytes_per_token");
        const double gbps = number_of(context, "read_gbps");
        assert_true(gbps > 0.999 * bytes / median / 1e3 && gbps < 1.001 * bytes / median / 1e3);
        assert_true(number_of(context, "sweep_share_percent") > 0);
        assert_true(number_of(context, "processor_share_percent") > 0);
        assert_true(json_is_null(json_object_get(context, "joules_per_token")));
        assert_int_equal(strlen(digest_of(json, i)), DIGEST_TEXT_BYTES - 1);
    }
    json_t *sweep = json_object_get(json, "sweep"), *ways = json_object_get(sweep, "ways");
    json_t *way = json_array_get(ways, 0); // the host has one way
    expect_units(sweep);
    expect_units(way);
    assert_int_equal(json_array_size(ways), 1);
    assert_string_equal(json_string_value(json_object_get(way, "way")), "plain loads");
    assert_int_equal(json_array_size(json_object_get(way, "gbps_runs")), 3);
    assert_true(number_of(way, "gbps_best") >= number_of(way, "gbps_median"));
    assert_true(number_of(way, "gbps_best") == number_of(sweep, "gbps_best"));
    assert_true(number_of(way, "workgroups_count") == 1);
    assert_true(number_of(sweep, "memory_bytes") >= 7e6);
    json_t *memory = json_object_get(json, "memory");
    const double most = number_of(memory, "most_allocated_bytes"),
                 kv = number_of(memory, "kv_bytes"), weights = number_of(memory, "weights_bytes");
    expect_units(memory);
    assert_true(most >= number_of(memory, "allocated_bytes"));
    assert_true(kv == 26 * 4 * 2 * 2 * 64 * 4);
    // a tied embedding counts once; norms are there in f32
    assert_true(weights > 7.3e6 && weights < 7.4e6);
    assert_true(most > kv + weights && most < 1.05 * (kv + weights));
    const double ratio = number_of(memory, "most_allocated_ratio") / (most / (kv + weights));
    assert_true(ratio > 0.999 && ratio < 1.001);
    json_decref(json);
}

// Neither the CUs nor the other contexts of the run change what is generated.
static void the_text_depends_on_the_model_alone(void **state) {
    (void)state;
    json_t *first = bench("--context 3,30,8 --set cus=1"),
           *second = bench("--context 30,3 --set cus=3");
    json_t *other_seed = bench("--context 30 --set cus=3 --seed 5");
    assert_string_equal(digest_of(first, 0), digest_of(second, 1));
    assert_string_equal(digest_of(first, 1), digest_of(second, 0));
    assert_string_not_equal(digest_of(first, 0), digest_of(first, 1));
    assert_string_not_equal(digest_of(first, 1), digest_of(other_seed, 0));
    json_decref(first);
    json_decref(second);
    json_decref(other_seed);
}

// The ids that `run` generates with the same random weights, one a line.
static void ids_of_run(char *ids, size_t bytes, char first[16]) {
    struct process_result result =
        program_run(0, "run austen-3m --device host --weights random --tokens 0 -n 6 --kv fp32");
    size_t length = 0;
    for (const char *at = words_of(&result.output); *at && length + 2 < bytes; at++)
        ids[length++] = *at == ' ' ? '\n' : *at;
    if (length && ids[length - 1] != '\n')
        ids[length++] = '\n';
    ids[length] = '\0';
    snprintf(first, 16, "%.*s", (int)strcspn(ids, "\n"), ids);
    process_result_close(&result);
}

// At context 0 the text is what run generates; a stop token in it does not end it.
static void a_stop_token_does_not_end_the_text(void **state) {
    (void)state;
    need_compiler("cxx");
    char ids[256], first[16], digest[DIGEST_TEXT_BYTES], options[64];
    ids_of_run(ids, sizeof ids, first);
    digest_strings((const char *const[]){ids}, 1, digest);
    json_t *json = bench("--context 0 --kv fp32");
    assert_string_equal(digest_of(json, 0), digest);
    assert_true(number_of(context_of(json, 0), "launches_per_repeat_count") == 1);
    json_decref(json);
    snprintf(options, sizeof options, "--context 0 --kv fp32 --set eos=%s", first);
    json = bench(options);
    assert_string_equal(digest_of(json, 0), digest);
    assert_true(number_of(context_of(json, 0), "launches_per_repeat_count") >= 2);
    json_decref(json);
}

static void the_table_says_the_same(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result = program_run(
        0, "bench austen-3m --device host --weights specs/checkpoints/austen-3m -n 3 --repeats 1");
    expect_part(words_of(&result.output), "specs/checkpoints/austen-3m weights (bf16), kv bf16");
    expect_part(words_of(&result.output), "\n64 ");
    expect_part(words_of(&result.output), "\nsweep    plain loads ");
    expect_part(words_of(&result.output), "threads read the 7.3 MB of weights");
    process_result_close(&result);
}

// ---- peers --------------------------------------------------------------------------------------

static json_t *peer_of(json_t *json, size_t i) {
    return json_array_get(json_object_get(json, "peers"), i);
}

// Writes a script and returns the option that runs it.
static const char *peer_option(const char *body) {
    static char option[PATH_MAX + 64];
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/peer.sh", program_folder());
    write_test_file(path, body);
    snprintf(option, sizeof option, "--peer 'sh %s/peer.sh'", program_folder());
    return option;
}

// It runs twice, before and after; the better run counts.
static void a_peer_is_compared_with(void **state) {
    (void)state;
    char body[PATH_MAX + 512], options[PATH_MAX + 128];
    snprintf(body, sizeof body,
             "cd '%s'\n"
             "us=300; test -e ran && us=250; touch ran\n"
             "echo loading $MONOGEN_BENCH_SPEC >&2\n"
             "echo chatter\n"
             "echo \"{\\\"name\\\": \\\"$MONOGEN_BENCH_SPEC $MONOGEN_BENCH_CONTEXTS "
             "$MONOGEN_BENCH_TOKENS\\\", \\\"context\\\": 20, \\\"us_per_token\\\": $us}\"\n"
             "echo '{\"name\": \"far\", \"context\": 999, \"tokens_per_second\": 500}'\n"
             "echo tokens_per_second 5000\n",
             program_folder());
    snprintf(options, sizeof options, "--context 4,20 %s", peer_option(body));
    json_t *json = bench(options), *named = peer_of(json, 0), *far = peer_of(json, 1),
           *plain = peer_of(json, 2);
    assert_int_equal(json_array_size(json_object_get(json, "peers")), 3);
    assert_string_equal(json_string_value(json_object_get(named, "name")), "austen-3m 4,20 6");
    expect_units(named);
    assert_int_equal(json_array_size(json_object_get(named, "us_per_token_runs")), 2);
    assert_true(number_of(named, "us_per_token_min") == 250);
    assert_true(number_of(named, "tokens_per_second") == 4000);
    assert_true(number_of(named, "compared_with_context_positions") == 20);
    const double ours = number_of(context_of(json, 1), "us_per_token_median"),
                 ratio = number_of(named, "speed_ratio");
    assert_true(ratio > 0.999 * 250 / ours && ratio < 1.001 * 250 / ours);
    assert_true(number_of(far, "us_per_token_min") == 2000);
    assert_true(json_is_null(json_object_get(far, "speed_ratio")));
    assert_string_equal(json_string_value(json_object_get(plain, "name")), "peer");
    assert_true(json_is_null(json_object_get(plain, "context_positions")));
    assert_true(number_of(plain, "compared_with_context_positions") == 4);
    json_decref(json);
}

static void a_peers_row_is_in_the_table(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(0, "bench austen-3m --device host -n 3 --repeats 1 %s",
                    peer_option("echo us_per_token 1000000\n"));
    expect_part(words_of(&result.output), "ours is  peer\n?       1000000.0");
    process_result_close(&result);
}

static void a_peer_that_fails_is_told(void **state) {
    (void)state;
    program_expect_failure(3, "exited with status 4\n  note: b\n  note: c\n  note: d\n",
                           "bench austen-3m --device host --peer 'echo us_per_token 5; for i in a "
                           "b c d; do echo $i >&2; done; exit 4'");
    program_expect_failure(1, "printed no figure on its standard output\n  note: expected are",
                           "bench austen-3m --device host --peer 'echo hello'");
}

static void mistakes_are_told(void **state) {
    (void)state;
    static const char *const lists[] = {"x", "1,", ",1", "1,,2", "1;2", "-1", "99999999", "1e3"};
    char line[128];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(line, sizeof line, "bench austen-3m --device host --context=%s", lists[i]);
        program_expect_failure(2, "must be whole numbers", line);
    }
    program_expect_failure(2, "bench needs more", "bench");
    program_expect_failure(2, "--context says it already",
                           "bench austen-3m --device host --set context=99");
    program_expect_failure(2, "longer than the model's own",
                           "bench austen-3m --device host --context 1000");
    program_expect_failure(2, "--weights /nowhere: there is no such folder",
                           "bench austen-3m --device host --weights /nowhere");
    program_expect_failure(2, "from 1 to 1000", "bench austen-3m --device host --repeats 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_is_whole),
        cmocka_unit_test(the_text_depends_on_the_model_alone),
        cmocka_unit_test(a_stop_token_does_not_end_the_text),
        cmocka_unit_test(the_table_says_the_same),
        cmocka_unit_test(a_peer_is_compared_with),
        cmocka_unit_test(a_peers_row_is_in_the_table),
        cmocka_unit_test(a_peer_that_fails_is_told),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
