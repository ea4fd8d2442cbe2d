// The rule `reuse` against a model of the machine: CUs that run a plan, a pair at a time, as
// unevenly as can be. A plan that the checker accepts must come to its end whoever is slow; the
// broken plan must be seen to stop. The model knows no clocks: it has mailboxes with epochs and
// nothing else.
#include "generator/base/file.h"
#include "generator/plan/access.h"
#include "generator/plan/check_rules.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { POSITIONS = 5, MAX_CUS = 16 };

struct action { // of one CU: await an epoch in a pair, or store one
    bool store;
    int pair, epoch;
};

struct program {
    struct action *list;
    size_t count, next;
};

struct machine {
    struct arena arena;
    const struct plan_plan *plan;
    struct program programs[MAX_CUS];
    int *epochs; // [mailbox_pairs]
};

static void act(struct machine *machine, int cu, bool store, int pair, int epoch) {
    struct program *program = &machine->programs[cu];
    program->list =
        arena_grow(&machine->arena, program->list, program->count, sizeof *program->list);
    program->list[program->count++] = (struct action){store, pair, epoch};
}

static void await_tile(struct machine *machine, const struct plan_body *body, int first_pair,
                       int cu, int tile, int epoch) {
    for (int r = 0; r < body->reads_count; r++)
        for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
            const struct element_range range = access_range(&body->reads[r].span, tile, chunk);
            for (int64_t e = range.first; e < range.first + range.count; e++)
                act(machine, cu, false, first_pair + (int)e, epoch);
        }
}

// Whether a CU goes from tile to tile, reading and writing: its tiles read different elements.
static bool goes_by_tile(const struct plan_body *body) {
    for (int r = 0; r < body->reads_count; r++)
        if (!access_is_common(&body->reads[r].span))
            return true;
    return false;
}

static void store_range(struct machine *machine, int cu, const struct plan_mailbox *mailbox,
                        struct element_range range, int epoch) {
    for (int64_t e = range.first; e < range.first + range.count; e++)
        if (e < mailbox->pairs)
            act(machine, cu, true, mailbox->first_pair + (int)e, epoch);
}

static void store_tile(struct machine *machine, const struct plan_body *body, int cu, int tile,
                       const struct plan_mailbox *mailbox, int epoch) {
    for (int w = 0; w < body->writes_count; w++)
        for (int chunk = 0; chunk < body->writes[w].span.chunks; chunk++)
            store_range(machine, cu, mailbox, access_range(&body->writes[w].span, tile, chunk),
                        epoch);
}

static void program_stage(struct machine *machine, const struct plan_stage *stage, int base) {
    const struct plan_plan *plan = machine->plan;
    const struct plan_body *body = plan_body_named(plan, stage->body);
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    const struct plan_mailbox *in = plan_mailbox_named(plan, stage->reads_from);
    const struct plan_mailbox *out = plan_mailbox_named(plan, stage->writes_to);
    const int in_epoch = base + stage->read_epoch, out_epoch = base + stage->write_epoch;
    const bool by_tile = goes_by_tile(body);
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        const int first = partition->first_tile[cu], end = partition->first_tile[cu + 1];
        for (int t = first; in && t < end && (by_tile || t == first); t++) {
            await_tile(machine, body, in->first_pair, cu, t, in_epoch);
            if (by_tile && out)
                store_tile(machine, body, cu, t, out, out_epoch);
        }
        for (int t = first; out && !by_tile && t < end; t++)
            store_tile(machine, body, cu, t, out, out_epoch);
        for (int w = 0; out && w < body->writes_count; w++)
            store_range(machine, cu, out,
                        (struct element_range){(int64_t)cu * body->writes[w].per_cu,
                                               body->writes[w].per_cu},
                        out_epoch);
    }
}

// Prompt positions end with the layers, unless logits are exported.
static void program_launch(struct machine *machine, const struct plan_plan *plan, int prompt) {
    *machine = (struct machine){.plan = plan};
    machine->epochs =
        arena_array(&machine->arena, (size_t)plan->mailbox_pairs, sizeof *machine->epochs);
    for (int position = 0; position < POSITIONS; position++)
        for (int s = 0; s < plan->stages_count; s++)
            if (s < plan->stages_count - 3 || position >= prompt)
                program_stage(machine, &plan->stages[s], (position + 1) * plan->epochs_per_step);
}

static bool can_step(const struct machine *machine, int cu) {
    const struct program *program = &machine->programs[cu];
    if (program->next == program->count)
        return false;
    const struct action *action = &program->list[program->next];
    return action->store || machine->epochs[action->pair] == action->epoch;
}

static void step(struct machine *machine, int cu) {
    struct program *program = &machine->programs[cu];
    const struct action *action = &program->list[program->next++];
    if (action->store)
        machine->epochs[action->pair] = action->epoch;
}

static bool run_until_blocked(struct machine *machine, int cu) {
    bool stepped = false;
    while (can_step(machine, cu)) {
        step(machine, cu);
        stepped = true;
    }
    return stepped;
}

// Runs the launch. CU `slow` takes a step only when no other can (-1: none is slow), and the others
// each run as far as they can, from CU `first` on. Returns whether all come to the end.
static bool run(struct machine *machine, int slow, int first) {
    const int cus = machine->plan->machine.cus;
    for (bool stepped = true; stepped;) {
        stepped = false;
        for (int i = 0; i < cus; i++) {
            const int cu = (first + i) % cus;
            stepped |= cu != slow && run_until_blocked(machine, cu);
        }
        if (!stepped && slow >= 0 && can_step(machine, slow)) {
            step(machine, slow);
            stepped = true;
        }
    }
    for (int cu = 0; cu < cus; cu++)
        if (machine->programs[cu].next < machine->programs[cu].count)
            return false;
    return true;
}

static bool always_ends(const struct plan_plan *plan) {
    assert_true(plan->machine.cus <= MAX_CUS);
    bool ends = true;
    for (int prompt = 0; prompt <= POSITIONS; prompt += 2)
        for (int slow = -1; slow < plan->machine.cus; slow++) {
            struct machine machine;
            program_launch(&machine, plan, prompt);
            ends &= run(&machine, slow, (slow + 1) % plan->machine.cus);
            arena_close(&machine.arena);
        }
    return ends;
}

static void test_accepted_plans_come_to_their_end(void **state) {
    (void)state;
    static const char *const settings[] = {"cus=1",
                                           "cus=2",
                                           "cus=3 layers=1",
                                           "cus=5",
                                           "cus=13",
                                           "cus=4 tie_embeddings=true layers=3",
                                           "cus=5 kv_splits=3",
                                           "cus=3 kv_splits=16 buffers=unshared",
                                           "cus=7 kv_splits=64",
                                           "cus=3 residual=everywhere",
                                           "cus=13 residual=everywhere kv_splits=4"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct made_plan made;
        struct diagnostics diagnostics = {0};
        struct plan_proof proof;
        made_plan_open(&made, "tests/specs/tiny.lua", "host", settings[i]);
        if (!plan_check(&made.plan, "plan.lua", &proof, &diagnostics))
            fail_msg("%s: %s", settings[i], printed_diagnostics(&diagnostics));
        if (!always_ends(&made.plan))
            fail_msg("%s: accepted, and yet it stops", settings[i]);
        made_plan_close(&made);
    }
}

static void test_the_broken_plan_stops(void **state) {
    (void)state;
    static const char path[] = "tests/bad_plans/reuse.lua";
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct plan_plan plan;
    size_t length;
    const char *text = file_read(&arena, path, 1 << 20, &length, &diagnostics);
    struct script *script = script_open(script_default_limits(), &diagnostics);
    if (!text || !plan_read(script, path, text, &arena, &plan, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    assert_false(always_ends(&plan));
    script_close(script);
    arena_close(&arena);
}

static void deal_by_chance(struct plan_partition *partition, int cus, uint32_t *random) {
    for (int cu = 1; cu < cus; cu++) {
        *random = *random * 1664525U + 1013904223U;
        const int left = partition->tiles - partition->first_tile[cu - 1];
        partition->first_tile[cu] =
            partition->first_tile[cu - 1] + (int)(*random >> 8) % (left + 1);
    }
}

// Whether the CU's tiles read what other CUs wrote.
static bool reads_of_others(const struct plan_span *span, const struct plan_partition *partition,
                            const int *owner, int cu) {
    for (int t = partition->first_tile[cu]; t < partition->first_tile[cu + 1]; t++)
        for (int chunk = 0; chunk < span->chunks; chunk++) {
            const struct element_range range = access_range(span, t, chunk);
            for (int64_t e = range.first; e < range.first + range.count; e++)
                if (owner[e] != cu)
                    return true;
        }
    return false;
}

// Makes the sizes and scopes of a body those of its partition and its writer's; there is one XCD.
static void settle(struct plan_plan *plan, const char *name, const char *writer) {
    struct plan_body *body = &plan->bodies[need_body(plan, name) - plan->bodies];
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    const struct plan_mailbox *mailbox =
        plan_mailbox_named(plan, need_stage(plan, name, 0)->reads_from);
    struct arena arena = {0};
    int *owner = arena_array(&arena, (size_t)mailbox->pairs, sizeof *owner);
    int64_t bad;
    access_owners(plan, need_body(plan, writer), mailbox->pairs, owner, &bad);
    body->max_tiles = body->pass_tiles = 1;
    for (int r = 0; r < body->reads_count; r++)
        body->reads[r].scope = "same CU";
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        const int tiles = plan_tiles_of(partition, cu);
        body->max_tiles = tiles > body->max_tiles ? tiles : body->max_tiles;
        for (int r = 0; r < body->reads_count; r++)
            if (reads_of_others(&body->reads[r].span, partition, owner, cu))
                body->reads[r].scope = "same XCD";
    }
    arena_close(&arena);
}

static void expect_heads_dealt_by_chance(const char *set, bool split) {
    enum { ROUNDS = 20 };
    uint32_t random = 7;
    struct made_plan made;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", set);
    struct plan_plan *plan = &made.plan;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < plan->partitions_count; i++)
            if (strcmp(plan->partitions[i].name, "kv_heads") == 0 ||
                strcmp(plan->partitions[i].name, "merge") == 0)
                deal_by_chance(&plan->partitions[i], plan->machine.cus, &random);
        settle(plan, "attention", "qkv");
        if (split)
            settle(plan, "merge", "attention");
        settle(plan, "attention_output", split ? "merge" : "attention");
        struct diagnostics diagnostics = {0};
        struct plan_proof proof;
        if (!plan_check(plan, "plan.lua", &proof, &diagnostics))
            fail_msg("%s, round %d: %s", set, round, printed_diagnostics(&diagnostics));
        if (!always_ends(plan))
            fail_msg("%s, round %d: accepted, and yet it stops", set, round);
    }
    made_plan_close(&made);
}

// Some CUs then have many heads, or many splits of some, and some none: the rule follows them from
// tile to tile.
static void test_heads_dealt_by_chance(void **state) {
    (void)state;
    expect_heads_dealt_by_chance("cus=4 heads=8 kv_heads=8 layers=1", false);
    expect_heads_dealt_by_chance("cus=4 layers=1 kv_splits=6", true);
}

static bool rule_accepts(const struct plan_plan *plan) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct checking checking = {.plan = plan,
                                .file = "plan.lua",
                                .diagnostics = &diagnostics,
                                .arena = &arena,
                                .rule = "reuse"};
    resolve(&checking);
    rule_reuse(&checking);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
    return checking.violations == 0;
}

static void read_less(struct plan_span *span, int count) {
    span->count = count;
    span->end = span->first + count;
}

// Rows dealt by chance, and inputs of which a part is left out: the rule alone must not accept what
// stops.
static void test_no_plan_that_stops_is_accepted(void **state) {
    (void)state;
    enum { ROUNDS = 60 };
    uint32_t random = 11;
    int accepted = 0, stopped = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct made_plan made;
        made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=4 vocab=32 heads=4 kv_heads=4");
        struct plan_plan *plan = &made.plan;
        for (int i = 0; i < plan->partitions_count; i++)
            if (plan_in_roles(&plan->partitions[i]))
                deal_by_chance(&plan->partitions[i], plan->machine.cus, &random);
        for (int b = 0; b < plan->bodies_count; b++) {
            random = random * 1664525U + 1013904223U;
            if (strcmp(plan->bodies[b].op, "linear") == 0 && (random >> 16) % 3 == 0)
                read_less(&plan->bodies[b].reads[0].span,
                          1 + (int)(random >> 20) % plan->bodies[b].columns);
        }
        const bool accepts = rule_accepts(plan), ends = always_ends(plan);
        if (accepts && !ends)
            fail_msg("round %d: accepted, and yet it stops", round);
        accepted += accepts;
        stopped += !ends;
        made_plan_close(&made);
    }
    assert_true(accepted > 0 && accepted < ROUNDS);
    assert_true(stopped > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_plans_come_to_their_end),
        cmocka_unit_test(test_the_broken_plan_stops),
        cmocka_unit_test(test_heads_dealt_by_chance),
        cmocka_unit_test(test_no_plan_that_stops_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
