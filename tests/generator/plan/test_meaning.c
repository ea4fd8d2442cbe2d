// However a plan deals rows, splits the context, keeps the residual, shares mailboxes and writes
// its layers out: it computes the same, whoever is slow.
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/plan_meaning.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Fails unless the plan is accepted and comes to its end.
static struct plan_meaning meaning_of(struct made_plan *made, const char *what) {
    struct plan_proof proof;
    if (!plan_check(&made->plan, "plan.lua", &proof, &made->diagnostics))
        fail_msg("%s: %s", what, printed_diagnostics(&made->diagnostics));
    const struct plan_meaning meaning = plan_meaning_of_all(&made->plan);
    if (meaning.end != PLAN_ENDS)
        fail_msg("%s: accepted, and yet it %s: %s", what,
                 meaning.end == PLAN_STOPS ? "stops" : "strays", meaning.why);
    made_plan_close(made);
    return meaning;
}

static void expect_same(const struct plan_meaning *first, const struct plan_meaning *other,
                        const char *what) {
    if (first->logits != other->logits || first->tokens != other->tokens)
        fail_msg("%s: it computes something else", what);
}

static const char *const host_settings[] = {
    "cus=1",
    "cus=2",
    "cus=3",
    "cus=5 unroll=inline",
    "cus=40",
    "cus=3 tile_rows=2 buffers=unshared",
    "cus=2 kv_splits=2",
    "cus=7 kv_splits=3",
    "cus=13 kv_splits=4 buffers=unshared kv=fp32",
    "cus=4 context=10",
};
static const char *const mi300x_settings[] = {
    "",
    "cus=9",
    "cus=17 kv_splits=3 tile_rows=16 prefetch_units=2",
};
enum {
    HOST_SETTINGS = sizeof host_settings / sizeof host_settings[0],
    MI300X_SETTINGS = sizeof mi300x_settings / sizeof mi300x_settings[0]
};

static void test_a_llama(void **state) {
    (void)state;
    struct made_plan made;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "");
    const struct plan_meaning first = meaning_of(&made, "the default");
    for (int everywhere = 0; everywhere < 2; everywhere++)
        for (int i = 0; i < HOST_SETTINGS + MI300X_SETTINGS; i++) {
            struct arena arena = {0};
            const bool host = i < HOST_SETTINGS;
            const char *set =
                arena_format(&arena, "%s residual=%s",
                             host ? host_settings[i] : mi300x_settings[i - HOST_SETTINGS],
                             everywhere ? "everywhere" : "owned");
            made_plan_open(&made, "tests/specs/tiny.lua", host ? "host" : "mi300x",
                           set + (*set == ' '));
            const struct plan_meaning other = meaning_of(&made, set);
            expect_same(&first, &other, set);
            arena_close(&arena);
        }
}

static void test_the_layers_as_a_loop(void **state) {
    (void)state;
    struct made_plan made;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 unroll=inline");
    const struct plan_meaning inlined = meaning_of(&made, "inline");
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 unroll=loop");
    const struct plan_meaning loop = meaning_of(&made, "loop");
    expect_same(&inlined, &loop, "loop");
}

static void expect_draft(void (*build)(struct draft *draft), const char *name) {
    struct made_plan made;
    made_plan_of_open(&made, build, "host", "cus=1");
    const struct plan_meaning first = meaning_of(&made, name);
    for (int i = 0; i < HOST_SETTINGS; i++) {
        made_plan_of_open(&made, build, "host", host_settings[i]);
        const struct plan_meaning other = meaning_of(&made, host_settings[i]);
        expect_same(&first, &other, host_settings[i]);
    }
    for (int i = 0; i < MI300X_SETTINGS; i++) {
        made_plan_of_open(&made, build, "mi300x", mi300x_settings[i]);
        const struct plan_meaning other = meaning_of(&made, mi300x_settings[i]);
        expect_same(&first, &other, mi300x_settings[i]);
    }
}

static void test_all_that_stages_can_do(void **state) {
    (void)state;
    expect_draft(build_rich_owned, "owned");
    expect_draft(build_rich_everywhere, "everywhere");
}

// The model of the machine sees what it is there for.
static void expect_other(const char *set, const char *what) {
    struct made_plan made;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3");
    const struct plan_meaning first = meaning_of(&made, "the default");
    made_plan_open(&made, "tests/specs/tiny.lua", "host", set);
    const struct plan_meaning other = meaning_of(&made, what);
    if (first.logits == other.logits)
        fail_msg("%s: it computes the same", what);
}

static void test_models_that_differ(void **state) {
    (void)state;
    expect_other("cus=3 rope.theta=300", "another theta");
    expect_other("cus=3 heads=2", "fewer heads");
    expect_other("cus=3 tie_embeddings=true", "a tied head");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_llama),
        cmocka_unit_test(test_the_layers_as_a_loop),
        cmocka_unit_test(test_all_that_stages_can_do),
        cmocka_unit_test(test_models_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
