// What fuses into stages beside a plain Llama: norms of heads, biases, slices, scales, activations,
// soft-caps, windows, rotations, sums in any order.
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct made_plan made; // of the test that runs

static int prepare(void **state) {
    (void)state;
    made = (struct made_plan){0};
    return 0;
}

static int close_plan(void **state) {
    (void)state;
    made_plan_close(&made);
    return 0;
}

static void plan_of(void (*build)(struct draft *draft), const char *set) {
    struct plan_proof proof;
    made_plan_of_open(&made, build, "host", set);
    if (!plan_check(&made.plan, "plan.lua", &proof, &made.diagnostics))
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
}

// The vector at `offset` whose tensor has that name.
static const struct plan_vector *need_vector(int64_t offset, const char *tensor) {
    for (int i = 0; i < made.plan.vectors_count; i++)
        if (made.plan.vectors[i].offset == offset &&
            strcmp(made.plan.vectors[i].tensor, tensor) == 0)
            return &made.plan.vectors[i];
    fail_msg("no vector %s at %lld", tensor, (long long)offset);
    return NULL;
}

static void expect_vector(int64_t offset, const char *tensor, struct plan_vector expected) {
    const struct plan_vector *got = need_vector(offset, tensor);
    expected.tensor = got->tensor;
    expected.offset = got->offset;
    if (strcmp(got->holds, expected.holds) != 0 ||
        got->tensor_elements != expected.tensor_elements ||
        got->tensor_first != expected.tensor_first || got->elements != expected.elements ||
        got->first != expected.first || got->stride != expected.stride || got->add != expected.add)
        fail_msg("%s: %s, elements %d + %d of %d to %d by %d, + %g", tensor, got->holds,
                 got->tensor_first, got->elements, got->tensor_elements, got->first, got->stride,
                 got->add);
}

static struct plan_vector norm_of(int elements) {
    return (struct plan_vector){
        .holds = "norm", .tensor_elements = elements, .elements = elements, .stride = 1};
}

static struct plan_vector bias_of(int total, int tensor_first, int elements, int first,
                                  int stride) {
    return (struct plan_vector){.holds = "bias",
                                .tensor_elements = total,
                                .tensor_first = tensor_first,
                                .elements = elements,
                                .first = first,
                                .stride = stride};
}

static void test_norms_of_heads(void **state) {
    (void)state;
    plan_of(build_rich_owned, "cus=3");
    const struct plan_stage *attention = need_stage(&made.plan, "attention", 0);
    assert_string_equal(need_body(&made.plan, "attention")->q_norm, "head");
    assert_string_equal(need_body(&made.plan, "attention")->k_norm, "head");
    expect_vector(attention->q_norm_offset, "0.q_norm", norm_of(16));
    expect_vector(attention->k_norm_offset, "0.k_norm", norm_of(16));
    assert_int_equal(attention->norm_offset, -1);
    // one norm of the graph, whoever multiplies what it norms
    assert_int_equal(need_stage(&made.plan, "qkv", 0)->norm_offset,
                     need_stage(&made.plan, "product", 0)->norm_offset);
    assert_int_equal(need_stage(&made.plan, "qkv", 0)->q_norm_offset, -1);
}

static void test_norms_of_all_heads_together(void **state) {
    (void)state;
    plan_of(build_rich_everywhere, "cus=3");
    const struct plan_body *body = need_body(&made.plan, "attention");
    const struct plan_stage *attention = need_stage(&made.plan, "attention", 0);
    assert_string_equal(body->q_norm, "all");
    assert_string_equal(body->k_norm, "all");
    expect_vector(attention->q_norm_offset, "0.q_norm", norm_of(64));
    expect_vector(attention->k_norm_offset, "0.k_norm", norm_of(32));
    // every tile reads all heads of q and k, but its own of v
    assert_int_equal(body->reads[0].span.stride, 0);
    assert_int_equal(body->reads[0].span.count, 64);
    assert_int_equal(body->reads[1].span.stride, 0);
    assert_int_equal(body->reads[1].span.first, 64);
    assert_int_equal(body->reads[1].span.count, 32);
    assert_int_equal(body->reads[2].span.stride, 16);
}

static void test_biases(void **state) {
    (void)state;
    plan_of(build_rich_owned, "cus=3");
    const struct plan_stage *qkv = need_stage(&made.plan, "qkv", 1);
    const struct plan_stage *gate = need_stage(&made.plan, "gate_up", 1);
    const struct plan_stage *output = need_stage(&made.plan, "attention_output", 1);
    // one after the other, in turn like the rows of gate and up, and a whole one
    assert_int_equal(qkv->bias_offset % 16, 0);
    for (int v = 0; v < made.plan.vectors_count; v++) {
        const struct plan_vector *vector = &made.plan.vectors[v];
        const int part = vector->first == 0 ? 0 : vector->first == 64 ? 1 : 2;
        if (vector->offset == qkv->bias_offset)
            assert_int_equal(vector->tensor_first, qkv->parts[part].tensor_first);
    }
    const struct plan_vector *first = need_vector(qkv->bias_offset, "1.qkv.bias");
    assert_int_equal(first[0].elements + first[1].elements + first[2].elements, 128);
    expect_vector(output->bias_offset, "1.o.bias", bias_of(64, 0, 64, 0, 1));
    expect_vector(gate->bias_offset, "1.gate_up.bias", bias_of(192, 0, 96, 0, 2));
    const struct plan_vector *up = need_vector(gate->bias_offset, "1.gate_up.bias") + 1;
    assert_int_equal(up->tensor_first, 96);
    assert_int_equal(up->first, 1);
    assert_int_equal(up->stride, 2);
    static const char *const biased[] = {"qkv", "attention_output", "gate_up"};
    for (int b = 0; b < made.plan.bodies_count; b++) {
        bool expected = false;
        for (size_t i = 0; i < sizeof biased / sizeof biased[0]; i++)
            expected |= strcmp(made.plan.bodies[b].name, biased[i]) == 0;
        assert_int_equal(made.plan.bodies[b].bias, expected);
    }
}

static void expect_part(const struct plan_stage *stage, int index, const char *tensor,
                        int tensor_rows, int tensor_first, int rows, int first, int stride) {
    const struct plan_part *part = &stage->parts[index];
    if (strcmp(part->tensor, tensor) != 0 || part->tensor_rows != tensor_rows ||
        part->tensor_first != tensor_first || part->rows != rows || part->first != first ||
        part->stride != stride)
        fail_msg("step %d part %d is rows %d + %d of %d of %s at %d, stride %d", stage->step, index,
                 part->tensor_first, part->rows, part->tensor_rows, part->tensor, part->first,
                 part->stride);
}

static void test_slices(void **state) {
    (void)state;
    plan_of(build_rich_owned, "cus=3");
    const struct plan_stage *qkv = need_stage(&made.plan, "qkv", 1);
    expect_part(qkv, 0, "1.qkv", 128, 0, 64, 0, 1);
    expect_part(qkv, 1, "1.qkv", 128, 64, 32, 64, 1);
    expect_part(qkv, 2, "1.qkv", 128, 96, 32, 96, 1);
    const struct plan_stage *gate = need_stage(&made.plan, "gate_up", 1);
    expect_part(gate, 0, "1.gate_up", 192, 0, 96, 0, 2);
    expect_part(gate, 1, "1.gate_up", 192, 96, 96, 1, 2);
}

static void test_scales_and_caps(void **state) {
    (void)state;
    plan_of(build_rich_owned, "cus=3");
    const struct plan_plan *plan = &made.plan;
    assert_true(need_body(plan, "embed")->scale == 8);
    assert_true(need_body(plan, "qkv")->input_scale == 0.9);
    assert_true(need_body(plan, "product")->input_scale == 0.9);
    assert_true(need_body(plan, "attention")->scale == 0.3);
    assert_true(need_body(plan, "attention")->softcap == 30);
    assert_true(need_body(plan, "attention_output")->scale == 0.5);
    assert_true(need_body(plan, "down")->scale == 1);
    assert_true(need_body(plan, "lm_head")->input_scale == 0.25);
    assert_true(need_body(plan, "lm_head")->softcap == 20);
    assert_true(need_body(plan, "gate_up")->softcap == 0);
    // the scaled embedding is the value that others take
    assert_int_equal(need_stage(plan, "embed", -1)->edges[0].node, 1);
    assert_int_equal(need_stage(plan, "qkv", 0)->reads_node, 1);
}

// ---- activations
// ---------------------------------------------------------------------------------

static enum op activation;
static void build_activation(struct draft *draft) {
    int x = draft_embed(draft);
    draft->layer = 0;
    draft->model->layers = 1;
    const int h = draft_norm(draft, x, "norm");
    const int gate = draft_activation(draft, activation, draft_linear(draft, h, "gate", 96));
    const int up = draft_linear(draft, h, "up", 96);
    x = draft_add(draft, x, draft_linear(draft, draft_multiply(draft, up, gate), "down", 64));
    const int wide =
        draft_scale(draft, draft_linear(draft, draft_norm(draft, x, "norm_2"), "wide", 96), 0.5);
    const int active = draft_activation(draft, activation, wide);
    x = draft_add(draft, x, draft_linear(draft, active, "narrow", 64));
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

static void test_activations(void **state) {
    (void)state;
    static const struct {
        enum op op;
        const char *name;
    } activations[] = {{OP_SILU, "silu"}, {OP_GELU, "gelu"}, {OP_GELU_TANH, "gelu_tanh"}};
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        activation = activations[i].op;
        plan_of(build_activation, "cus=3");
        const struct plan_body *gate = need_body(&made.plan, "gate_up");
        const struct plan_body *product = need_body(&made.plan, "product");
        assert_string_equal(gate->activation, activations[i].name);
        assert_string_equal(gate->epilogue, "gate");
        assert_string_equal(product->activation, activations[i].name);
        assert_string_equal(product->epilogue, "rows");
        assert_true(product->scale == 0.5); // before the activation
        // the gate comes first, whichever factor it is
        assert_string_equal(need_stage(&made.plan, "gate_up", 0)->parts[0].tensor, "0.gate");
        made_plan_close(&made);
    }
}

// ---- sums
// ----------------------------------------------------------------------------------------

static int association;
static void build_sum(struct draft *draft) {
    const int x = draft_embed(draft);
    draft->layer = 0;
    draft->model->layers = 1;
    const int h = draft_norm(draft, x, "norm");
    const int a = draft_linear(
        draft, draft_activation(draft, OP_SILU, draft_linear(draft, h, "wide_a", 96)), "a", 64);
    const int b = draft_linear(
        draft, draft_activation(draft, OP_SILU, draft_linear(draft, h, "wide_b", 96)), "b", 64);
    int sum;
    switch (association) {
    case 0:
        sum = draft_add(draft, draft_add(draft, x, a), b);
        break;
    case 1:
        sum = draft_add(draft, x, draft_add(draft, a, b));
        break;
    case 2:
        sum = draft_add(draft, draft_add(draft, a, b), x);
        break;
    default:
        sum = draft_add(draft, draft_add(draft, a, x), b);
        break;
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, sum, "final_norm"));
}

// One sum, however it is written: its parts are added one after the other, the last one publishes.
static void test_sums_in_any_association(void **state) {
    (void)state;
    for (association = 0; association < 4; association++)
        for (int everywhere = 0; everywhere < 2; everywhere++) {
            plan_of(build_sum, everywhere ? "cus=3 residual=everywhere" : "cus=3");
            const struct plan_plan *plan = &made.plan;
            const char *tensors[2] = {NULL};
            int kept[2], count = 0;
            for (int s = 1; s < plan->stages_count; s++) {
                const struct plan_stage *stage = &plan->stages[s];
                if (stage->keeps_node < 0)
                    continue;
                assert_true(count < 2);
                const struct plan_stage *product = everywhere ? NULL : stage;
                for (int p = 0; everywhere && p < s; p++)
                    if (plan->stages[p].writes_to &&
                        strcmp(plan->stages[p].writes_to, stage->reads_from) == 0)
                        product = &plan->stages[p];
                assert_non_null(product);
                tensors[count] = product->parts[0].tensor;
                kept[count++] = stage->keeps_node;
            }
            assert_int_equal(count, 2);
            assert_string_equal(tensors[0], "0.a");
            assert_string_equal(tensors[1], "0.b");
            assert_int_equal(kept[0], kept[1]); // one sum
            made_plan_close(&made);
        }
}

// ---- rotations
// -----------------------------------------------------------------------------------

static int rope_of_layer[2]; // -1: none
static void build_rotations(struct draft *draft) {
    const struct model *model = draft->model;
    int x = draft_embed(draft);
    for (draft->layer = 0; draft->layer < 2; draft->layer++) {
        const int h = draft_norm(draft, x, "norm"), rope = rope_of_layer[draft->layer];
        int q = draft_linear(draft, h, "q", model->heads * model->head_dim);
        int k = draft_linear(draft, h, "k", model->kv_heads * model->head_dim);
        const int v = draft_linear(draft, h, "v", model->kv_heads * model->head_dim);
        q = rope < 0 ? q : draft_rope(draft, q, rope);
        k = rope < 0 ? k : draft_rope(draft, k, rope);
        x = draft_add(draft, x, draft_linear(draft, draft_attention(draft, q, k, v), "o", 64));
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

static void build_without_tables(struct draft *draft) {
    draft->model->rope_count = 0;
    build_rotations(draft);
}

static bool turns_nothing(const struct plan_rope *rope) {
    for (int i = 0; i < rope->pairs; i++)
        if (rope->inverse_frequencies[i] != 0)
            return false;
    return rope->amplitude == 1;
}

// A layer without rotation is like the others: its table turns nothing.
static void test_layers_without_rotation(void **state) {
    (void)state;
    rope_of_layer[0] = 0;
    rope_of_layer[1] = -1;
    plan_of(build_rotations, "cus=3 unroll=loop");
    assert_int_equal(made.plan.ropes_count, 3);
    assert_true(turns_nothing(&made.plan.ropes[2]));
    assert_false(turns_nothing(&made.plan.ropes[0]));
    assert_int_equal(need_stage(&made.plan, "attention", 0)->rope, 0);
    assert_int_equal(need_stage(&made.plan, "attention", 1)->rope, 2);
    assert_int_equal(need_body(&made.plan, "attention")->rope_dims, 16);
    assert_in_range(need_lds(&made.plan, "rope")->elements, 16 + 8 + 16, 16 + 8 + 19);
}

static void test_tables_of_different_widths(void **state) {
    (void)state;
    rope_of_layer[0] = 0;
    rope_of_layer[1] = 1;
    plan_of(build_rotations, "cus=3");
    assert_int_equal(made.plan.ropes_count, 2);
    assert_int_equal(need_body(&made.plan, "attention")->rope_dims, 16);
    assert_int_equal(need_body(&made.plan, "attention_2")->rope_dims, 8);
    assert_int_equal(need_stage(&made.plan, "attention_2", 1)->rope, 1);
    assert_int_equal(made.plan.ropes[1].pairs, 4);
}

static void test_no_rotation_at_all(void **state) {
    (void)state;
    rope_of_layer[0] = rope_of_layer[1] = -1;
    plan_of(build_without_tables, "cus=3");
    assert_int_equal(made.plan.ropes_count, 0);
    assert_int_equal(need_body(&made.plan, "attention")->rope_dims, 0);
    assert_int_equal(need_stage(&made.plan, "attention", 1)->rope, -1);
}

// ---- refusals
// ------------------------------------------------------------------------------------

static void build_head_norm_of_the_residual(struct draft *draft) {
    const int x = draft_embed(draft);
    draft_logits(draft, draft_head_norm(draft, x, "norm"));
}

static void build_norm_of_two_heads(struct draft *draft) {
    rope_of_layer[0] = rope_of_layer[1] = -1;
    build_rotations(draft);
    struct model *model = draft->model;
    const struct node *q = &model->nodes[2];
    assert_int_equal(q->op, OP_LINEAR);
    // between q of the first layer and its attention: norms of 32 of 64 elements
    draft->layer = 0;
    const int norm = draft_norm(draft, 2, "q_norm");
    draft_node(draft, norm)->group = 32;
    // nodes are in order of definition: the norm takes the place behind v
    const struct node moved = model->nodes[norm];
    for (int i = norm; i > 5; i--) {
        model->nodes[i] = model->nodes[i - 1];
        for (int k = 0; k < model->nodes[i].input_count; k++)
            model->nodes[i].inputs[k] += model->nodes[i].inputs[k] >= 5;
    }
    model->nodes[5] = moved;
    model->nodes[6].inputs[0] = 5; // of attention
}

static void build_head_norm_of_a_sum(struct draft *draft) {
    build_rich_everywhere(draft);
    for (int i = 0; i < draft->model->node_count; i++) {
        struct node *node = &draft->model->nodes[i];
        if (node->op == OP_RMSNORM && strcmp(node->tensor, "0.after_mlp") == 0)
            node->group = 16;
    }
}

static void expect_refusal(void (*build)(struct draft *draft), const char *message) {
    assert_false(made_plan_of(&made, build, "host", "cus=3"));
    if (made.diagnostics.count != 1 || strcmp(made.diagnostics.items[0].message, message) != 0)
        fail_msg("expected \"%s\", got %s", message, printed_diagnostics(&made.diagnostics));
    made_plan_close(&made);
}

static void test_norms_of_groups_that_nobody_can(void **state) {
    (void)state;
    expect_refusal(build_head_norm_of_the_residual,
                   "no stage can compute this rmsnorm yet: only attention norms heads one by one");
    expect_refusal(build_norm_of_two_heads,
                   "no stage can compute this rmsnorm yet: attention norms "
                   "single heads, or all of them together");
    expect_refusal(build_head_norm_of_a_sum,
                   "no stage can compute this rmsnorm yet: only attention norms heads one by one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_norms_of_heads),
        TEST(test_norms_of_all_heads_together),
        TEST(test_biases),
        TEST(test_slices),
        TEST(test_scales_and_caps),
        TEST(test_activations),
        TEST(test_sums_in_any_association),
        TEST(test_layers_without_rotation),
        TEST(test_tables_of_different_widths),
        TEST(test_no_rotation_at_all),
        TEST(test_norms_of_groups_that_nobody_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
