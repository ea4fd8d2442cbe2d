// Random faults of some kinds, each in a plan that the planner made: the checker must reject the
// plan, unless it means what it meant before (plan_meaning.h). Counts them by kind.
// MONOGEN_TEST_ALL=1 injects 10,000.
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/generated.h"
#include "tests/support/plan_faults.h"
#include "tests/support/plan_meaning.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// ---- plans --------------------------------------------------------------------------------------

static const struct {
    void (*build)(struct draft *draft); // NULL: tests/specs/tiny.lua
    const char *target, *set;
} bases[] = {
    {NULL, "host", "cus=3"},
    {NULL, "host", "cus=5 kv_splits=3"},
    {NULL, "host", "cus=3 residual=everywhere buffers=unshared"},
    {NULL, "host", "cus=40 tie_embeddings=true unroll=loop"},
    {NULL, "mi300x", "cus=9 unroll=loop kv=fp32"},
    {build_rich_owned, "host", "cus=3"},
    {build_rich_owned, "host", "cus=4 buffers=unshared kv_splits=2"},
    {build_rich_everywhere, "host", "cus=3"},
    {build_rich_everywhere, "mi300x", "cus=10 kv_splits=4"},
};
enum { BASES = sizeof bases / sizeof bases[0] };
static struct made_plan made[BASES];
static struct plan_meaning meaning[BASES];

static int open_bases(void **state) {
    (void)state;
    for (int i = 0; i < BASES; i++) {
        if (bases[i].build)
            made_plan_of_open(&made[i], bases[i].build, bases[i].target, bases[i].set);
        else
            made_plan_open(&made[i], "tests/specs/tiny.lua", bases[i].target, bases[i].set);
        meaning[i] = plan_meaning_of_all(&made[i].plan);
        if (meaning[i].end != PLAN_ENDS) {
            print_error("'%s': %s\n", bases[i].set, meaning[i].why);
            return -1;
        }
    }
    return 0;
}

static int close_bases(void **state) {
    (void)state;
    for (int i = 0; i < BASES; i++)
        made_plan_close(&made[i]);
    return 0;
}

// ---- tests --------------------------------------------------------------------------------------

struct tally {
    int rejected, harmless, silent;
};

static bool is_accepted(const struct plan_plan *plan) {
    struct diagnostics diagnostics = {0};
    struct plan_proof proof;
    const bool good = plan_check(plan, "plan.lua", &proof, &diagnostics);
    diagnostics_close(&diagnostics);
    return good;
}

static void judge(const struct faulty *faulty, int base, int kind, struct tally *tally) {
    if (!is_accepted(&faulty->plan)) {
        tally->rejected++;
        return;
    }
    const struct plan_meaning now = plan_meaning_of_all(&faulty->plan);
    if (now.end == PLAN_ENDS && now.logits == meaning[base].logits &&
        now.tokens == meaning[base].tokens) {
        tally->harmless++;
        return;
    }
    tally->silent++;
    print_error("accepted silently (%s, plan %d): %s: %s\n", fault_kinds[kind].name, base,
                faulty->what,
                now.end == PLAN_ENDS    ? "it computes something else"
                : now.end == PLAN_STOPS ? "it stops"
                                        : now.why);
}

static void test_no_fault_is_accepted_silently(void **state) {
    (void)state;
    const int wanted = all_tests_wanted() ? 10000 : 700;
    struct tally tallies[FAULT_KINDS] = {{0}};
    int faults = 0, silent = 0;
    uint32_t random = 1;
    for (int i = 0; faults < wanted; i++) {
        struct arena arena = {0};
        const int base = i % BASES, kind = i / BASES % FAULT_KINDS;
        struct faulty faulty;
        const bool injected = fault_inject(&made[base].plan, kind, &random, &arena, &faulty);
        if (injected)
            judge(&faulty, base, kind, &tallies[kind]);
        faults += injected; // what turned out to be none is taken off below
        arena_close(&arena);
        if (i % 1000 == 999 || faults == wanted)
            for (int k = faults = 0; k < FAULT_KINDS; k++)
                faults += tallies[k].rejected + tallies[k].silent;
    }
    for (int k = 0; k < FAULT_KINDS; k++) {
        const struct tally *tally = &tallies[k];
        print_message(
            "%-18s %5d faults rejected, %d accepted silently; %d changes harmed nothing\n",
            fault_kinds[k].name, tally->rejected, tally->silent, tally->harmless);
        silent += tally->silent;
        assert_true(tally->rejected > wanted / FAULT_KINDS / 4);
    }
    print_message("%d faults\n", faults);
    assert_true(faults >= wanted);
    if (silent > 0)
        fail_msg("%d of %d faults were accepted silently", silent, faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_fault_is_accepted_silently),
    };
    return cmocka_run_group_tests(tests, open_bases, close_bases);
}
