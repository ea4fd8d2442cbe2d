// Each fault of bad_plans.def, put into a plan that the planner made, is rejected by its rule for
// its reason. The first fault of each rule also is a file under tests/bad_plans, for people and for
// `monogen generate --plan`. After a change of the plan's format MONOGEN_WRITE_EXPECTED=1 writes
// these files anew; see tests/bad_plans/README.md.
#include "generator/base/file.h"
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/plan_edit.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BAD_PLANS "tests/bad_plans/"

enum base {
    TINY,
    SPLIT,
    MANY_SPLITS,
    EVERYWHERE,
    MI300X,
    H100,
    OWNED,
    NORMED,
    UNLIKE_ATTENTION,
    SIDE_BY_SIDE,
    ONE_PRODUCT,
    BASE_COUNT
};
static const struct {
    void (*build)(struct draft *draft); // NULL: tests/specs/tiny.lua
    const char *target, *set;
} bases[BASE_COUNT] = {
    [TINY] = {NULL, "host", "cus=3"},
    [SPLIT] = {NULL, "host", "cus=5 kv_splits=3"},
    [MANY_SPLITS] = {NULL, "host", "cus=5 kv_splits=30"},
    [EVERYWHERE] = {NULL, "host", "cus=3 residual=everywhere"},
    [MI300X] = {NULL, "mi300x", "cus=9 kv_splits=1"},
    [H100] = {NULL, "h100", "cus=9"},
    [OWNED] = {build_rich_owned, "host", "cus=3"},
    [NORMED] = {build_rich_everywhere, "host", "cus=3"},
    [UNLIKE_ATTENTION] = {build_rich_owned, "host", "cus=5 kv_splits=2"},
    [SIDE_BY_SIDE] = {build_side_by_side, "host", "cus=3"},
    [ONE_PRODUCT] = {build_one_product, "host", "cus=3"},
};
static struct made_plan made[BASE_COUNT];

static const struct bad_plan {
    const char *name, *rules;
    enum base base;
    const char *edits, *says;
} bad_plans[] = {
#define BAD_PLAN(name, rules, base, edits, says) {#name, rules, base, edits, says},
#include "tests/generator/plan/bad_plans.def"
#include "tests/generator/plan/bad_plans_form.def"
#undef BAD_PLAN
};
enum { BAD_PLAN_COUNT = sizeof bad_plans / sizeof bad_plans[0] };

static const char *const rules[] = {
#define RULE(name, after, statement) #name,
#include "generator/plan/check.def"
#undef RULE
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

static int open_bases(void **state) {
    (void)state;
    for (int i = 0; i < BASE_COUNT; i++) {
        if (bases[i].build)
            made_plan_of_open(&made[i], bases[i].build, bases[i].target, bases[i].set);
        else
            made_plan_open(&made[i], "tests/specs/tiny.lua", bases[i].target, bases[i].set);
        made[i].plan.choices_count = 0; // a reader of broken plans has no use for reasons
    }
    return 0;
}

static int close_bases(void **state) {
    (void)state;
    for (int i = 0; i < BASE_COUNT; i++)
        made_plan_close(&made[i]);
    return 0;
}

// ---- edits --------------------------------------------------------------------------------------

static void settle_body(const struct plan_plan *plan, struct plan_body *body) {
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    body->max_tiles = 0;
    for (int cu = 0; cu < plan->machine.cus; cu++)
        if (plan_tiles_of(partition, cu) > body->max_tiles)
            body->max_tiles = plan_tiles_of(partition, cu);
    body->pass_tiles = body->max_tiles;
    if (body->unit_columns > 0)
        body->units = (body->columns + body->unit_columns - 1) / body->unit_columns;
}

static void settle_region(struct plan_plan *plan, struct plan_region *region) {
    if (region->cu_offset_count > 0)
        region->bytes = 0;
    for (int cu = 0; cu < region->cu_offset_count; cu++) {
        region->cu_offset[cu] = region->bytes;
        for (int s = 0; s < plan->stages_count; s++) {
            struct plan_stage *stage = &plan->stages[s];
            if (!stage->region || strcmp(stage->region, region->name) != 0)
                continue;
            const struct plan_body *body = plan_body_named(plan, stage->body);
            const struct plan_partition *partition = plan_partition_named(plan, body->partition);
            stage->weight_bytes = partition->tiles * plan_tile_bytes(plan, body);
            region->bytes += plan_tiles_of(partition, cu) * plan_tile_bytes(plan, body);
        }
    }
}

// Computes anew what follows from partitions and columns, so that an edit of these breaks nothing
// else: tiles a CU, units, bytes of stages, and where regions and the runs of CUs start.
static void settle(struct plan_plan *plan) {
    for (int b = 0; b < plan->bodies_count; b++)
        settle_body(plan, &plan->bodies[b]);
    plan->weight_bytes = 0;
    for (int i = 0; i < plan->regions_count; i++) {
        plan->regions[i].offset = plan->weight_bytes;
        settle_region(plan, &plan->regions[i]);
        plan->weight_bytes += (plan->regions[i].bytes + 4095) / 4096 * 4096;
    }
    for (int i = 0; i < plan->lds_count; i++) // room for any dealing
        if (strcmp(plan->lds[i].name, "residual") == 0 || strcmp(plan->lds[i].name, "partial") == 0)
            plan->lds[i].elements = 128 * plan->machine.streaming_waves;
}

static struct plan_plan broken_plan(const struct bad_plan *bad, struct arena *arena) {
    static const char settles[] = "\nsettle";
    const size_t length = strlen(bad->edits), ending = strlen(settles);
    const bool settled = length > ending && strcmp(bad->edits + length - ending, settles) == 0;
    const char *edits = arena_bytes(arena, bad->edits, settled ? length - ending : length);
    struct plan_plan plan = plan_edited(&made[bad->base].plan, edits, arena);
    if (settled)
        settle(&plan);
    return plan;
}

// ---- tests --------------------------------------------------------------------------------------

static void test_the_bases_hold(void **state) {
    (void)state;
    for (int i = 0; i < BASE_COUNT; i++) {
        struct arena arena = {0};
        struct diagnostics diagnostics = {0};
        struct plan_proof proof;
        struct plan_plan plan = plan_edited(&made[i].plan, "", &arena);
        for (int settled = 0; settled < 2; settled++) {
            if (!plan_check(&plan, "base.lua", &proof, &diagnostics))
                fail_msg("base %d, settled %d: %s", i, settled, printed_diagnostics(&diagnostics));
            settle(&plan);
        }
        diagnostics_close(&diagnostics);
        arena_close(&arena);
    }
}

// Whether the message is of one of the rules, "access, order"; the first: of that one.
static bool is_of(const char *message, const char *list, bool first) {
    const size_t length = strcspn(message, "]") - 1;
    for (const char *rule = list; *rule;) {
        const size_t own = strcspn(rule, ",");
        if (own == length && strncmp(message + 1, rule, own) == 0)
            return true;
        rule += own + strspn(rule + own, ", ");
        if (first)
            return false;
    }
    return false;
}

// Counts what is not as the table says, so that one run shows all.
static int expect_rejected(const struct bad_plan *bad, const struct plan_plan *plan) {
    struct diagnostics diagnostics = {0};
    struct plan_proof proof;
    bool named = false, alone = true;
    const bool accepted = plan_check(plan, "bad.lua", &proof, &diagnostics);
    for (size_t d = 0; d < diagnostics.count; d++) {
        const char *message = diagnostics.items[d].message;
        named |= is_of(message, bad->rules, true) && strstr(message, bad->says);
        alone &= is_of(message, bad->rules, false);
    }
    const bool good = !accepted && named && alone;
    if (!good)
        print_error("%s: %s [%s] %s\n%s", bad->name,
                    accepted ? "accepted, expected"
                    : named  ? "another rule is broken too, expected"
                             : "expected",
                    bad->rules, bad->says, printed_diagnostics(&diagnostics));
    diagnostics_close(&diagnostics);
    return !good;
}

static void test_each_is_rejected_by_its_rule(void **state) {
    (void)state;
    int wrong = 0;
    for (int i = 0; i < BAD_PLAN_COUNT; i++) {
        struct arena arena = {0};
        const struct plan_plan plan = broken_plan(&bad_plans[i], &arena);
        assert_memory_equal(bad_plans[i].name, bad_plans[i].rules,
                            strcspn(bad_plans[i].rules, ","));
        wrong += expect_rejected(&bad_plans[i], &plan);
        arena_close(&arena);
    }
    print_message("%d faults\n", BAD_PLAN_COUNT);
    if (wrong > 0)
        fail_msg("%d of %d faults are not rejected as they should be", wrong, BAD_PLAN_COUNT);
}

// Writes the file, or compares it with what is there.
static void expect_file(const char *name, const char *first_line, const struct plan_plan *plan) {
    struct arena arena = {0};
    struct text text = {0};
    struct diagnostics diagnostics = {0};
    size_t length = 0;
    const char *path = arena_format(&arena, BAD_PLANS "%s.lua", name);
    text_format(&text, "-- %s\n", first_line);
    plan_print(plan, &text);
    if (getenv("MONOGEN_WRITE_EXPECTED"))
        assert_true(file_write(path, text.bytes, text.length, &diagnostics));
    const char *there = file_read(&arena, path, 1 << 20, &length, &diagnostics);
    if (!there)
        fail_msg("%s", printed_diagnostics(&diagnostics));
    if (strcmp(there, text.bytes) != 0)
        fail_msg("%s is not what the table makes: write it anew", path);
    text_close(&text);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

// The file of a rule is what `generate --plan` rejects by that rule.
static void test_every_rule_has_a_file(void **state) {
    (void)state;
    expect_file("valid", "a valid plan", &made[TINY].plan);
    for (int r = 0; r < RULE_COUNT; r++) {
        const struct bad_plan *bad = NULL;
        for (int i = 0; i < BAD_PLAN_COUNT && !bad; i++)
            bad = strcmp(bad_plans[i].name, rules[r]) == 0 ? &bad_plans[i] : NULL;
        if (!bad)
            fail_msg("no fault is called %s", rules[r]);
        assert_int_equal(bad->base, TINY); // so that a reader can compare it with valid.lua
        struct arena arena = {0};
        const struct plan_plan plan = broken_plan(bad, &arena);
        expect_file(bad->name, arena_format(&arena, "broken: %s", bad->says), &plan);
        arena_close(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bases_hold),
        cmocka_unit_test(test_each_is_rejected_by_its_rule),
        cmocka_unit_test(test_every_rule_has_a_file),
    };
    return cmocka_run_group_tests(tests, open_bases, close_bases);
}
