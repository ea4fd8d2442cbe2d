// Each plan under tests/bad_plans is valid.lua with one edit of the table below, and is rejected by
// the rule that the edit breaks. After a change of the plan's format or of the table,
// MONOGEN_WRITE_EXPECTED=1 writes the folder anew; see tests/bad_plans/README.md.
#include "generator/base/file.h"
#include "generator/plan/check.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BAD_PLANS "tests/bad_plans/"

// ---- edits
// ---------------------------------------------------------------------------------------

static struct plan_body *body_of(struct plan_plan *plan, const char *name) {
    return &plan->bodies[need_body(plan, name) - plan->bodies];
}
static struct plan_stage *stage_of(struct plan_plan *plan, const char *name, int layer) {
    return &plan->stages[need_stage(plan, name, layer) - plan->stages];
}
static struct plan_lds *lds_of(struct plan_plan *plan, const char *name) {
    return &plan->lds[need_lds(plan, name) - plan->lds];
}
static struct plan_partition *partition_of(struct plan_plan *plan, const char *name) {
    const struct plan_partition *partition = plan_partition_named(plan, name);
    assert_non_null(partition);
    return &plan->partitions[partition - plan->partitions];
}
static struct plan_mailbox *mailbox_of(struct plan_plan *plan, const char *name) {
    const struct plan_mailbox *mailbox = plan_mailbox_named(plan, name);
    assert_non_null(mailbox);
    return &plan->mailboxes[mailbox - plan->mailboxes];
}
static struct plan_region *region_of(struct plan_plan *plan, const char *name) {
    const struct plan_region *region = plan_region_named(plan, name);
    assert_non_null(region);
    return &plan->regions[region - plan->regions];
}

// Computes anew what follows from partitions and columns, so that an edit of these breaks nothing
// else: tiles a CU, units, bytes of stages, and where regions and the runs of CUs start.
static void settle(struct plan_plan *plan) {
    for (int b = 0; b < plan->bodies_count; b++) {
        struct plan_body *body = &plan->bodies[b];
        const struct plan_partition *partition = plan_partition_named(plan, body->partition);
        body->max_tiles = 0;
        for (int cu = 0; cu < plan->machine.cus; cu++)
            if (plan_tiles_of(partition, cu) > body->max_tiles)
                body->max_tiles = plan_tiles_of(partition, cu);
        body->pass_tiles = body->max_tiles;
        if (body->unit_columns > 0)
            body->units = (body->columns + body->unit_columns - 1) / body->unit_columns;
    }
    plan->weight_bytes = 0;
    for (int i = 0; i < plan->regions_count; i++) {
        struct plan_region *region = &plan->regions[i];
        region->offset = plan->weight_bytes;
        if (region->cu_offset_count > 0)
            region->bytes = 0;
        for (int cu = 0; cu < region->cu_offset_count; cu++) {
            region->cu_offset[cu] = region->bytes;
            for (int s = 0; s < plan->stages_count; s++) {
                struct plan_stage *stage = &plan->stages[s];
                if (!stage->region || strcmp(stage->region, region->name) != 0)
                    continue;
                const struct plan_body *body = plan_body_named(plan, stage->body);
                const struct plan_partition *partition =
                    plan_partition_named(plan, body->partition);
                stage->weight_bytes = partition->tiles * plan_tile_bytes(plan, body);
                region->bytes += plan_tiles_of(partition, cu) * plan_tile_bytes(plan, body);
            }
        }
        plan->weight_bytes += (region->bytes + 4095) / 4096 * 4096;
    }
    lds_of(plan, "residual")->elements = 64;
    lds_of(plan, "partial")->elements = 128;
}

static void deal(struct plan_plan *plan, const char *name, int second, int third) {
    struct plan_partition *partition = partition_of(plan, name);
    partition->first_tile[1] = second;
    partition->first_tile[2] = third;
}

static void form_identifier(struct plan_plan *plan) {
    const char *name = "gated; int evil";
    mailbox_of(plan, "gated")->name = name;
    body_of(plan, "gate_up")->writes[0].mailbox = name;
    body_of(plan, "down")->reads[0].mailbox = name;
}
static void form_keyword(struct plan_plan *plan) {
    partition_of(plan, "kv_heads")->name = "while";
    body_of(plan, "attention")->partition = "while";
}
static void form_reference(struct plan_plan *plan) { stage_of(plan, "qkv", 1)->body = "qvk"; }
static void form_partition(struct plan_plan *plan) { deal(plan, "qkv", 21, 10); }
static void form_size(struct plan_plan *plan) { body_of(plan, "lm_head")->units = 1 << 20; }
static void form_text(struct plan_plan *plan) {
    plan->command = "monogen generate tiny\n#include \"/etc/passwd\"";
}
static void form_argument(struct plan_plan *plan) { plan->arguments[3].type = "const float *"; }
static void form_option(struct plan_plan *plan) {
    plan->machine.compiler_options[0] = "-fplugin=evil.so";
}
static void form_engine(struct plan_plan *plan) { plan->engine.unit_bytes = 512; }

static void roles(struct plan_plan *plan) { plan->machine.xcds[0].cus = 2; }
static void roles_workgroups(struct plan_plan *plan) { plan->machine.workgroups = 2; }

static void schedule(struct plan_plan *plan) { stage_of(plan, "down", 0)->step = 4; }
static void schedule_loop(struct plan_plan *plan) {
    stage_of(plan, "down", 0)->layer = 1;
    plan->unroll = "loop";
}

static void shapes(struct plan_plan *plan) {
    body_of(plan, "qkv")->max_tiles--;
    body_of(plan, "qkv")->pass_tiles = body_of(plan, "qkv")->max_tiles;
}
static void shapes_rope(struct plan_plan *plan) { plan->rope.pairs--; }

static void access_key(struct plan_plan *plan) { body_of(plan, "attention")->reads[1].first = 80; }

static void residual(struct plan_plan *plan) {
    static struct plan_partition partitions[16];
    static int first_tile[] = {0, 3, 6, 8};
    const int count = plan->partitions_count++;
    assert_true(count < 16);
    memcpy(partitions, plan->partitions, (size_t)count * sizeof *partitions);
    partitions[count] = (struct plan_partition){"down", 8, first_tile, 4};
    plan->partitions = partitions;
    body_of(plan, "down")->partition = "down";
    lds_of(plan, "role")->element_bytes = plan_role_bytes(plan);
    settle(plan);
}

static void coverage(struct plan_plan *plan) { body_of(plan, "qkv")->writes[2].element = 64; }
static void coverage_count(struct plan_plan *plan) { body_of(plan, "select")->writes[0].rows = 1; }

static void order(struct plan_plan *plan) { stage_of(plan, "qkv", 1)->read_epoch = 0; }
static void order_epoch(struct plan_plan *plan) {
    stage_of(plan, "down", 1)->write_epoch = stage_of(plan, "down", 0)->write_epoch;
    stage_of(plan, "lm_head", -1)->read_epoch = stage_of(plan, "down", 0)->write_epoch;
}

static void overlap(struct plan_plan *plan) { mailbox_of(plan, "gated")->first_pair -= 16; }
static void overlap_kv(struct plan_plan *plan) { stage_of(plan, "attention", 1)->kv_offset /= 2; }

static void packing(struct plan_plan *plan) { stage_of(plan, "qkv", 0)->parts[1].first = 32; }
static void packing_region(struct plan_plan *plan) {
    region_of(plan, "layers")->cu_offset[1] += 256;
}
static void packing_norm(struct plan_plan *plan) {
    stage_of(plan, "gate_up", 0)->vector_offset += 16;
}

static void capacity(struct plan_plan *plan) { lds_of(plan, "activation")->elements = 64; }
static void capacity_lds(struct plan_plan *plan) { plan->machine.lds_capacity_bytes = 512; }

static void scope(struct plan_plan *plan) { body_of(plan, "down")->reads[0].scope = "same CU"; }

static void reuse(struct plan_plan *plan) {
    // CU 2 has rows of gate_up alone, and nobody awaits what it publishes.
    deal(plan, "hidden", 4, 8);
    deal(plan, "qkv", 16, 32);
    deal(plan, "kv_heads", 1, 2);
    body_of(plan, "down")->columns = 64;
    body_of(plan, "down")->reads[0].count = 64;
    settle(plan);
}

struct bad_plan {
    const char *name, *rule;
    void (*edit)(struct plan_plan *plan);
    const char *broken; // what a reader of the file should know
    const char *also;   // a rule that sees the same fault, NULL: none
};

static const struct bad_plan bad_plans[] = {
    {"form_identifier", "form", form_identifier, "a mailbox's name is no identifier", NULL},
    {"form_keyword", "form", form_keyword, "a partition's name is a keyword of C++", NULL},
    {"form_reference", "form", form_reference, "stage 6 names a body that does not exist", NULL},
    {"form_partition", "form", form_partition, "partition qkv goes back", NULL},
    {"form_size", "form", form_size, "lm_head has 1048576 units a tile", NULL},
    {"form_text", "form", form_text, "the command holds a second line", NULL},
    {"form_argument", "form", form_argument, "argument mailboxes has another type", NULL},
    {"form_option", "form", form_option, "the compiler is told to run a plugin", NULL},
    {"form_engine", "form", form_engine, "the engine's units have another size", NULL},
    {"roles", "roles", roles, "CU 2 lives on no XCD", NULL},
    {"roles_workgroups", "roles", roles_workgroups, "two workgroups for three CUs", NULL},
    {"schedule", "schedule", schedule, "two stages are step 4", NULL},
    {"schedule_loop", "schedule", schedule_loop, "a loop over layers that differ", NULL},
    {"shapes", "shapes", shapes, "CU 1 has 11 tiles of qkv, the body says at most 10", NULL},
    {"shapes_rope", "shapes", shapes_rope, "a pair of each head has no frequency", NULL},
    {"access", "access", access_key, "attention reads its keys from the middle of one", NULL},
    {"residual", "residual", residual, "down adds to rows that other CUs keep", NULL},
    {"coverage", "coverage", coverage, "values are written over keys", "access"},
    {"coverage_count", "coverage", coverage_count, "nobody writes whether to go on", "access"},
    {"order", "order", order, "layer 1 awaits what layer 0 awaited", NULL},
    {"order_epoch", "order", order_epoch, "both layers write hidden with one epoch", NULL},
    {"overlap", "overlap", overlap, "two mailboxes share pairs", NULL},
    {"overlap_kv", "overlap", overlap_kv, "two layers share positions of the KV cache", NULL},
    {"packing", "packing", packing, "the rows of k go where q's are", NULL},
    {"packing_region", "packing", packing_region, "the run of CU 1 starts within its first tile",
     NULL},
    {"packing_norm", "packing", packing_norm, "norm weights from the middle of a vector", NULL},
    {"capacity", "capacity", capacity, "an activation of 96 in an LDS array of 64", NULL},
    {"capacity_lds", "capacity", capacity_lds, "a CU has less LDS than the arrays take", NULL},
    {"scope", "scope", scope, "down reads from other CUs", NULL},
    {"reuse", "reuse", reuse, "nobody learns that CU 2 has read hidden_after_attention", NULL},
};
enum { BAD_PLAN_COUNT = sizeof bad_plans / sizeof bad_plans[0] };

// ---- files
// ---------------------------------------------------------------------------------------

struct reading {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    struct plan_plan plan;
    const char *text;
};

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, BAD_PLANS "%s.lua", name);
    return path;
}

static void read_plan(struct reading *reading, const char *name) {
    *reading = (struct reading){0};
    size_t length = 0;
    reading->text =
        file_read(&reading->arena, path_of(name), 1 << 20, &length, &reading->diagnostics);
    reading->script = script_open(script_default_limits(), &reading->diagnostics);
    if (!reading->text || !reading->script ||
        !plan_read(reading->script, path_of(name), reading->text, &reading->arena, &reading->plan,
                   &reading->diagnostics))
        fail_msg("%s", printed_diagnostics(&reading->diagnostics));
}

static void close_reading(struct reading *reading) {
    script_close(reading->script);
    diagnostics_close(&reading->diagnostics);
    arena_close(&reading->arena);
}

static bool writes_expected(void) { return getenv("MONOGEN_WRITE_EXPECTED") != NULL; }

// Writes the file, or compares it with what is there.
static void expect_file(const char *name, const char *broken, const struct plan_plan *plan) {
    struct text text = {0};
    struct diagnostics diagnostics = {0};
    text_format(&text, "-- %s%s\n", broken ? "broken: " : "", broken ? broken : "a valid plan");
    plan_print(plan, &text);
    if (writes_expected()) {
        assert_true(file_write(path_of(name), text.bytes, text.length, &diagnostics));
    } else {
        struct reading there;
        read_plan(&there, name);
        if (strcmp(there.text, text.bytes) != 0)
            fail_msg("%s is not valid.lua with its edit: write it anew", path_of(name));
        close_reading(&there);
    }
    text_close(&text);
    diagnostics_close(&diagnostics);
}

// ---- tests
// ---------------------------------------------------------------------------------------

static void test_the_valid_plan_holds(void **state) {
    (void)state;
    if (writes_expected()) {
        struct made_plan made;
        made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3");
        made.plan.choices_count = 0; // a reader of broken plans has no use for reasons
        expect_file("valid", NULL, &made.plan);
        made_plan_close(&made);
    }
    struct reading valid;
    struct plan_proof proof;
    read_plan(&valid, "valid");
    if (!plan_check(&valid.plan, path_of("valid"), &proof, &valid.diagnostics))
        fail_msg("%s", printed_diagnostics(&valid.diagnostics));
    close_reading(&valid);
}

static void test_files_are_the_edits(void **state) {
    (void)state;
    for (int i = 0; i < BAD_PLAN_COUNT; i++) {
        struct reading valid;
        read_plan(&valid, "valid");
        bad_plans[i].edit(&valid.plan);
        expect_file(bad_plans[i].name, bad_plans[i].broken, &valid.plan);
        close_reading(&valid);
    }
}

static bool starts_with_rule(const char *message, const char *rule) {
    const size_t length = rule ? strlen(rule) : 0;
    return rule && message[0] == '[' && strncmp(message + 1, rule, length) == 0 &&
           message[1 + length] == ']';
}

static void test_each_is_rejected_by_its_rule(void **state) {
    (void)state;
    for (int i = 0; i < BAD_PLAN_COUNT; i++) {
        const struct bad_plan *bad = &bad_plans[i];
        struct reading reading;
        struct plan_proof proof;
        read_plan(&reading, bad->name);
        bool named = false;
        if (plan_check(&reading.plan, path_of(bad->name), &proof, &reading.diagnostics))
            fail_msg("%s: nothing is wrong with it", bad->name);
        for (size_t d = 0; d < reading.diagnostics.count; d++) {
            const char *message = reading.diagnostics.items[d].message;
            named |= starts_with_rule(message, bad->rule);
            if (!starts_with_rule(message, bad->rule) && !starts_with_rule(message, bad->also))
                fail_msg("%s: another rule is broken too: %s", bad->name, message);
        }
        if (!named)
            fail_msg("%s: not rejected by [%s]: %s", bad->name, bad->rule,
                     printed_diagnostics(&reading.diagnostics));
        close_reading(&reading);
    }
}

static void test_every_rule_has_a_broken_plan(void **state) {
    (void)state;
    static const char *const rules[] = {
#define RULE(name, after, statement) #name,
#include "generator/plan/check.def"
#undef RULE
    };
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
        int plans = 0;
        for (int i = 0; i < BAD_PLAN_COUNT; i++)
            plans += strcmp(bad_plans[i].rule, rules[r]) == 0;
        if (plans == 0)
            fail_msg("no broken plan for rule %s", rules[r]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_valid_plan_holds),
        cmocka_unit_test(test_files_are_the_edits),
        cmocka_unit_test(test_each_is_rejected_by_its_rule),
        cmocka_unit_test(test_every_rule_has_a_broken_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
