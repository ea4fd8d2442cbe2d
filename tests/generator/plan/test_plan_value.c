// A plan prints as Lua and reads back to the same plan.
#include "generator/plan/plan.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void expect_round_trip(const char *spec, const char *target, const char *set) {
    struct made_plan made;
    made_plan_open(&made, spec, target, set);
    struct text printed = {0}, again = {0};
    plan_print(&made.plan, &printed);
    struct plan_plan plan;
    if (!plan_read(made.script, "2-plan.lua", printed.bytes, &made.arena, &plan, &made.diagnostics))
        fail_msg("the plan of %s does not read back: %s", spec,
                 printed_diagnostics(&made.diagnostics));
    plan_print(&plan, &again);
    char digest[DIGEST_TEXT_BYTES], digest_again[DIGEST_TEXT_BYTES], other[DIGEST_TEXT_BYTES];
    plan_digest(&made.plan, digest);
    plan_digest(&plan, digest_again);
    assert_string_equal(printed.bytes, again.bytes);
    assert_string_equal(digest, digest_again);
    // any number counts
    plan.stages[plan.stages_count - 1].spec_line++;
    plan_digest(&plan, other);
    assert_string_not_equal(digest, other);
    text_close(&printed);
    text_close(&again);
    made_plan_close(&made);
}

static void test_round_trip(void **state) {
    (void)state;
    expect_round_trip("austen-3m", "mi300x", "");
    expect_round_trip("austen-3m", "host", "cus=7 kv=fp32 unroll=loop");
    expect_round_trip("llama-3.2-1b", "mi300x", "");
    expect_round_trip("llama-3.2-1b", "mi300x", "tie_embeddings=false norm_eps=0.000123456789");
    expect_round_trip("tests/specs/tiny.lua", "host", "cus=3");
    expect_round_trip("austen-3m", "host", "kv_splits=3 residual=everywhere buffers=unshared");
}

// A second planning of the same gives the same bytes.
static void test_planning_is_deterministic(void **state) {
    (void)state;
    struct made_plan first, second;
    made_plan_open(&first, "austen-3m", "mi300x", "cus=77");
    made_plan_open(&second, "austen-3m", "mi300x", "cus=77");
    char digest[DIGEST_TEXT_BYTES], digest_again[DIGEST_TEXT_BYTES];
    plan_digest(&first.plan, digest);
    plan_digest(&second.plan, digest_again);
    assert_string_equal(digest, digest_again);
    made_plan_close(&first);
    made_plan_close(&second);
}

// The printed plan with one place replaced; `to` NULL keeps it.
static const char *edited(struct made_plan *made, const char *from, const char *to) {
    struct text printed = {0}, out = {0};
    plan_print(&made->plan, &printed);
    const char *place = strstr(printed.bytes, from);
    if (!place)
        fail_msg("the printed plan has no '%s'", from);
    text_append_bytes(&out, printed.bytes, (size_t)(place - printed.bytes));
    text_append(&out, to);
    text_append(&out, place + strlen(from));
    const char *copy = arena_string(&made->arena, out.bytes);
    text_close(&printed);
    text_close(&out);
    return copy;
}

static void expect_refusal(const char *from, const char *to, const char *message, bool located) {
    struct made_plan made;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3");
    const char *source = edited(&made, from, to);
    struct plan_plan plan;
    assert_false(
        plan_read(made.script, "edited.lua", source, &made.arena, &plan, &made.diagnostics));
    const struct diagnostic *error = made.diagnostics.items;
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USER);
    if (!strstr(error->message, message) || !error->at.file ||
        strcmp(error->at.file, "edited.lua") != 0 || (located && error->at.line < 1))
        fail_msg("after %s -> %s: %s", from, to, printed_diagnostics(&made.diagnostics));
    made_plan_close(&made);
}

static void test_broken_forms_are_refused(void **state) {
    (void)state;
    expect_refusal("unroll = ", "unrol = ", "unrol", true);
    expect_refusal("cus = 3", "cus = \"3\"", "machine.cus must be", true);
    expect_refusal("cus = 3", "cus = 3.5", "machine.cus must be", true);
    expect_refusal("cus = 3", "cus = 99999999999", "machine.cus must be", true);
    expect_refusal("  mailbox_pairs = ", "  -- mailbox_pairs = ", "mailbox_pairs", false);
    expect_refusal("partitions = {", "partitions = 7, other = {", "", true);
    expect_refusal("plan {", "model {", "", false);
    expect_refusal("plan {", "plan { {", "", false);
}

static void test_lookups(void **state) {
    (void)state;
    struct made_plan made;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_string_equal(plan_body_named(&made.plan, "down")->name, "down");
    assert_string_equal(plan_mailbox_named(&made.plan, "gated")->name, "gated");
    assert_string_equal(plan_region_named(&made.plan, "head")->name, "head");
    assert_string_equal(plan_partition_named(&made.plan, "hidden")->name, "hidden");
    assert_null(plan_body_named(&made.plan, "dow"));
    assert_null(plan_mailbox_named(&made.plan, NULL));
    made_plan_close(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_planning_is_deterministic),
        cmocka_unit_test(test_broken_forms_are_refused),
        cmocka_unit_test(test_lookups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
