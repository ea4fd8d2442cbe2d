#include "generator/base/file.h"
#include "generator/plan/check.h"
#include "generator/plan/planner.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <string.h>

#define FAMILIES "tests/specs/families"

static int close_plan(void **state) {
    made_plan_close(*state);
    return 0;
}

static struct made_plan made; // of the test that runs

static int prepare(void **state) {
    made = (struct made_plan){0};
    *state = &made;
    return 0;
}

// Whole tensors: slices are those of test_fuse_graphs.c.
static void expect_part(const struct plan_stage *stage, int index, const char *tensor, int rows,
                        int first, int stride) {
    const struct plan_part *part = &stage->parts[index];
    if (strcmp(part->tensor, tensor) != 0 || part->tensor_rows != rows || part->tensor_first != 0 ||
        part->rows != rows || part->first != first || part->stride != stride)
        fail_msg("step %d part %d is rows %d + %d of %d of %s at %d, stride %d", stage->step, index,
                 part->tensor_first, part->rows, part->tensor_rows, part->tensor, part->first,
                 part->stride);
}

// austen-3m: hidden 256, 4 layers, 4 heads and 2 KV heads of 64, MLP 768, vocabulary 2048.
static void test_the_stages_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    const struct plan_plan *plan = &made.plan;
    static const char *const layer_bodies[] = {"qkv", "attention", "attention_output", "gate_up",
                                               "down"};
    assert_int_equal(plan->stages_count, 1 + 4 * 5 + 3);
    for (int s = 0; s < plan->stages_count; s++) {
        const bool in_layer = s >= 1 && s < 1 + 4 * 5;
        const char *expected = in_layer ? layer_bodies[(s - 1) % 5]
                               : s == 0
                                   ? "embed"
                                   : (const char *const[]){"lm_head", "select", "token"}[s - 21];
        assert_int_equal(plan->stages[s].step, s);
        assert_string_equal(plan->stages[s].body, expected);
        assert_int_equal(plan->stages[s].layer, in_layer ? (s - 1) / 5 : -1);
        assert_string_equal(plan->stages[s].spec_file, "specs/families/llama.lua");
        assert_true(plan->stages[s].spec_line > 0);
    }
    assert_int_equal(plan->bodies_count, 9);
}

static void test_the_parts_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    const struct plan_plan *plan = &made.plan;
    const struct plan_stage *qkv = need_stage(plan, "qkv", 2);
    assert_int_equal(qkv->parts_count, 3);
    expect_part(qkv, 0, "model.layers.2.self_attn.q_proj.weight", 256, 0, 1);
    expect_part(qkv, 1, "model.layers.2.self_attn.k_proj.weight", 128, 256, 1);
    expect_part(qkv, 2, "model.layers.2.self_attn.v_proj.weight", 128, 384, 1);
    const struct plan_stage *output = need_stage(plan, "attention_output", 2);
    assert_int_equal(output->parts_count, 1);
    expect_part(output, 0, "model.layers.2.self_attn.o_proj.weight", 256, 0, 1);
    const struct plan_stage *gate = need_stage(plan, "gate_up", 2);
    assert_int_equal(gate->parts_count, 2);
    expect_part(gate, 0, "model.layers.2.mlp.gate_proj.weight", 768, 0, 2);
    expect_part(gate, 1, "model.layers.2.mlp.up_proj.weight", 768, 1, 2);
    const struct plan_stage *down = need_stage(plan, "down", 2);
    assert_int_equal(down->parts_count, 1);
    expect_part(down, 0, "model.layers.2.mlp.down_proj.weight", 256, 0, 1);
    const struct plan_stage *head = need_stage(plan, "lm_head", -1);
    assert_int_equal(head->parts_count, 1);
    expect_part(head, 0, "model.embed_tokens.weight", 2048, 0, 1);
    assert_int_equal(need_stage(plan, "attention", 2)->parts_count, 0);
    assert_int_equal(need_stage(plan, "embed", -1)->parts_count, 0);
}

static void expect_body(const char *name, const char *op, const char *prologue,
                        const char *epilogue, int rows, int columns) {
    const struct plan_body *body = need_body(&made.plan, name);
    if (strcmp(body->op, op) != 0 || strcmp(body->prologue, prologue) != 0 ||
        strcmp(body->epilogue, epilogue) != 0 || body->rows != rows || body->columns != columns)
        fail_msg("%s is %s, %s before, %s after, %d x %d", name, body->op, body->prologue,
                 body->epilogue, body->rows, body->columns);
}

// What a Llama does not use of what bodies can do.
static void expect_plain_numbers(const struct plan_body *body) {
    const bool linear = strcmp(body->op, "linear") == 0, gate = strcmp(body->epilogue, "gate") == 0;
    const bool attention = strcmp(body->op, "attention") == 0;
    assert_string_equal(body->input, strcmp(body->op, "embed") == 0 ? "none" : "mailbox");
    assert_string_equal(body->precision, linear ? "fp32" : "none");
    assert_true(body->tolerance == (linear ? 1e-4 : 0));
    assert_string_equal(body->activation, gate ? "silu" : "none");
    assert_string_equal(body->q_norm, "none");
    assert_string_equal(body->k_norm, "none");
    assert_true(body->input_scale == 1 && body->softcap == 0 && !body->bias);
    assert_true(attention || (body->scale == 1 && body->rope_dims == 0));
}

static void test_the_bodies_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    expect_body("embed", "embed", "none", "none", 256, 0);
    expect_body("qkv", "linear", "rmsnorm", "rows", 512, 256);
    expect_body("attention", "attention", "none", "none", 2, 64);
    expect_body("attention_output", "linear", "plain", "residual", 256, 256);
    expect_body("gate_up", "linear", "rmsnorm", "gate", 1536, 256);
    expect_body("down", "linear", "plain", "residual", 256, 768);
    expect_body("lm_head", "linear", "rmsnorm", "logits", 2048, 256);
    expect_body("select", "select", "none", "none", 1, 0);
    expect_body("token", "token", "none", "none", 1, 0);
    const struct plan_body *attention = need_body(&made.plan, "attention");
    assert_true(attention->scale == 0.125); // 1 / sqrt(64)
    assert_int_equal(attention->rope_dims, 64);
    assert_int_equal(attention->splits, 1);
    for (int b = 0; b < made.plan.bodies_count; b++)
        expect_plain_numbers(&made.plan.bodies[b]);
}

// Norm weights belong to the stage that norms its input.
static void test_the_norms_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    const struct plan_plan *plan = &made.plan;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const bool normed = strcmp(plan_body_named(plan, stage->body)->prologue, "rmsnorm") == 0;
        if (normed != (stage->norm_offset >= 0))
            fail_msg("step %d (%s) has its norm at %lld", s, stage->body,
                     (long long)stage->norm_offset);
        if (!normed)
            continue;
        const char *expected =
            stage->layer < 0
                ? "model.norm.weight"
                : arena_format(&made.arena, "model.layers.%d.%s_layernorm.weight", stage->layer,
                               strcmp(stage->body, "qkv") == 0 ? "input" : "post_attention");
        const char *found = NULL;
        for (int v = 0; v < plan->vectors_count; v++)
            if (plan->vectors[v].offset == stage->norm_offset)
                found = plan->vectors[v].tensor;
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

// A model of a family under tests/specs, made by `set` ("layers=2").
static bool plan_family(const char *family, const char *set) {
    const char *spec = temporary_path("model.lua");
    struct diagnostics trouble = {0};
    struct text source = {0};
    text_format(&source,
                "model {\n"
                "  name = \"%s\", family = \"%s\", dtype = \"bf16\",\n"
                "  hidden = 64, layers = 4, vocab = 256, mlp = 64,\n"
                "  heads = 4, kv_heads = 4, head_dim = 16, context = 64,\n"
                "  norm_eps = 1e-5, rope = { theta = 10000 },\n"
                "}\n",
                family, family);
    assert_true(file_write(spec, source.bytes, source.length, &trouble));
    text_close(&source);
    return made_plan_try(&made, "tests/specs", spec, "mi300x", set);
}

// A body whose shape differs gets a name of its own; layers that differ are written out.
static void test_layers_that_differ(void **state) {
    (void)state;
    if (!plan_family("unlike_layers", "kv_splits=1"))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    assert_int_equal(made.plan.stages_count, 1 + 4 * 5 + 3);
    assert_int_equal(need_body(&made.plan, "gate_up")->rows, 128);
    assert_int_equal(need_body(&made.plan, "gate_up_2")->rows, 64);
    assert_int_equal(need_body(&made.plan, "down")->columns, 64);
    assert_int_equal(need_body(&made.plan, "down_2")->columns, 32);
    need_stage(&made.plan, "gate_up", 0);
    need_stage(&made.plan, "gate_up_2", 3);
    assert_string_equal(made.plan.unroll, "inline");
    // the order in which a family writes factors and summands does not matter
    expect_part(need_stage(&made.plan, "gate_up", 0), 0, "layers.0.gate", 64, 0, 2);
    expect_part(need_stage(&made.plan, "gate_up", 0), 1, "layers.0.up", 64, 1, 2);
}

// A body that reads what different bodies have written: all of these publish to one mailbox.
static void test_two_mlps_of_a_layer(void **state) {
    (void)state;
    if (!plan_family("two_mlps", "kv_splits=1"))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    struct plan_proof proof;
    if (!plan_check(&made.plan, "plan.lua", &proof, &made.diagnostics))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    assert_int_equal(made.plan.stages_count, 1 + 4 * 7 + 3);
    const struct plan_stage *stages = made.plan.stages;
    static const char *const layer[] = {
        "qkv", "attention", "attention_output", "gate_up", "down", "gate_up", "down"};
    for (int s = 1; s < 1 + 4 * 7; s++)
        assert_string_equal(stages[s].body, layer[(s - 1) % 7]);
    for (int s = 0; s < made.plan.stages_count; s++) {
        const bool adds = s == 0 || strcmp(stages[s].body, "down") == 0 ||
                          strcmp(stages[s].body, "attention_output") == 0;
        if (adds)
            assert_string_equal(stages[s].writes_to, "hidden");
        else
            assert_true(!stages[s].writes_to || strcmp(stages[s].writes_to, "hidden") != 0);
    }
    // embed, then three a layer
    assert_int_equal(need_stage(&made.plan, "lm_head", -1)->read_epoch, 3 * 4);
    assert_int_equal(made.plan.epochs_per_step, 3 * 4 + 1);
    // a row of a loop holds a body once
    assert_string_equal(made.plan.unroll, "inline");
    assert_string_equal(need_choice(&made.plan, "unroll")->reason,
                        "the instruction cache holds 64 KiB, but the layers use gate_up twice");
    made_plan_close(&made);
    assert_false(plan_family("two_mlps", "unroll=loop"));
    assert_string_equal(made.diagnostics.items[0].message,
                        "--set unroll=loop: the layers of two_mlps use gate_up twice");
}

// The spec has a table of RoPE, the family turns nothing by it.
static void test_an_unused_table_is_none(void **state) {
    (void)state;
    if (!plan_family("parallel_normed", ""))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    assert_int_equal(made.plan.ropes_count, 0);
    assert_int_equal(need_body(&made.plan, "attention")->rope_dims, 0);
    assert_int_equal(need_stage(&made.plan, "attention", 0)->rope, -1);
}

static void test_layers_that_differ_are_no_loop(void **state) {
    (void)state;
    assert_false(plan_family("unlike_layers", "unroll=loop"));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USAGE);
    assert_string_equal(made.diagnostics.items[0].message,
                        "--set unroll=loop: the layers of unlike_layers are not alike");
}

// What each file under FAMILIES says in its first line, about its line that ends in "-- here".
static bool refused_as_expected(const char *name) {
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t length = 0;
    char *source = file_read(&arena, arena_format(&arena, FAMILIES "/%s.lua", name), 1 << 16,
                             &length, &trouble);
    assert_non_null(source);
    static const char mark[] = "-- expect: ";
    bool good = true;
    if (strncmp(source, mark, strlen(mark)) == 0) {
        const char *here = strstr(source, "-- here");
        assert_non_null(here);
        int line = 1;
        for (const char *at = source; at < here; at++)
            line += *at == '\n';
        const char *expected = source + strlen(mark);
        source[strcspn(source, "\n")] = '\0';
        const char *file = arena_format(&arena, FAMILIES "/%s.lua", name);
        const bool planned = plan_family(name, "");
        const struct diagnostic *error = made.diagnostics.items;
        good = !planned && made.diagnostics.count == 1 && error->kind == DIAGNOSTIC_USER &&
               strcmp(error->message, expected) == 0 && error->at.line == line && error->at.file &&
               strcmp(error->at.file, file) == 0 &&
               strstr(printed_diagnostics(&made.diagnostics), "-- here"); // the line is shown
        if (!good)
            print_error("%s, line %d: expected \"%s\", got %s\n%s", name, line, expected,
                        planned ? "a plan" : "", printed_diagnostics(&made.diagnostics));
        made_plan_close(&made);
    }
    arena_close(&arena);
    diagnostics_close(&trouble);
    return good;
}

static void test_graphs_that_cannot_fuse(void **state) {
    (void)state;
    DIR *folder = opendir(FAMILIES);
    assert_non_null(folder);
    int files = 0, bad = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".lua") != 0)
            continue;
        struct arena arena = {0};
        files++;
        bad +=
            !refused_as_expected(arena_bytes(&arena, entry->d_name, (size_t)(dot - entry->d_name)));
        arena_close(&arena);
    }
    closedir(folder);
    if (files < 15 || bad > 0)
        fail_msg("%d of %d families are not refused as expected", bad, files);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_stages_of_a_llama),   TEST(test_the_parts_of_a_llama),
        TEST(test_the_bodies_of_a_llama),   TEST(test_the_norms_of_a_llama),
        TEST(test_layers_that_differ),      TEST(test_layers_that_differ_are_no_loop),
        TEST(test_two_mlps_of_a_layer),     TEST(test_an_unused_table_is_none),
        TEST(test_graphs_that_cannot_fuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
