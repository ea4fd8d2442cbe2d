// The reference, op by op, on graphs made by hand with numbers that can be checked by hand.
#include "generator/reference/reference.h"
#include "tests/support/kernel_folder.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 16, MOST_TENSORS = 8 };

// A model whose nodes a test adds, and the tensors of its checkpoint.
struct made {
    struct model model;
    struct node nodes[MOST_NODES];
    struct tensor_to_write tensors[MOST_TENSORS];
    size_t tensor_count;
    char shapes[MOST_TENSORS][32];
    struct reference *reference;
};

static int add(struct made *made, struct node node) {
    assert_true(made->model.node_count < MOST_NODES);
    made->nodes[made->model.node_count] = node;
    return made->model.node_count++;
}

// columns 0: a vector.
static void add_tensor(struct made *made, const char *name, int rows, int columns,
                       const float *data) {
    assert_true(made->tensor_count < MOST_TENSORS);
    char *shape = made->shapes[made->tensor_count];
    if (columns)
        snprintf(shape, sizeof made->shapes[0], "[%d,%d]", rows, columns);
    else
        snprintf(shape, sizeof made->shapes[0], "[%d]", rows);
    made->tensors[made->tensor_count++] = (struct tensor_to_write){
        name, "F32", shape, data, (size_t)(rows * (columns ? columns : 1)) * sizeof *data};
}

// Begins with a table of embeddings [vocab][columns]; node 0 is its row of the token.
static void begin(struct made *made, int vocab, int columns, const float *table) {
    *made = (struct made){.model = {.dtype = "fp32",
                                    .vocab = vocab,
                                    .head_dim = 2,
                                    .norm_eps = 1e-30,
                                    .nodes = made->nodes}};
    add_tensor(made, "table", vocab, columns, table);
    add(made, (struct node){.op = OP_EMBED, .elements = columns, .tensor = "table"});
}

static void open_made(struct made *made, struct kernel_folder *folder, bool kv_bf16) {
    kernel_folder_write_tensors(folder, "model.safetensors", made->tensors, made->tensor_count);
    made->reference = reference_open(&(struct reference_options){.model = &made->model,
                                                                 .checkpoint = folder->path,
                                                                 .kv_bf16 = kv_bf16},
                                     &folder->error);
    if (!made->reference)
        fail_msg("%s", folder->error.message);
}

static void expect(const struct made *made, int node, const double *wanted) {
    const float *value = reference_value(made->reference, node);
    for (int i = 0; i < made->nodes[node].elements; i++)
        if (!(fabs((double)value[i] - wanted[i]) <= 1e-7 * (1 + fabs(wanted[i]))))
            fail_msg("node %d, element %d: %.9g, not %.9g", node, i, (double)value[i], wanted[i]);
}

// ---- ops without a position ---------------------------------------------------------------------

static void elements_are_what_the_ops_say(void **state) {
    struct made made;
    const float table[2][4] = {{0, 0, 0, 0}, {1, -3, 0.5F, -20}};
    begin(&made, 2, 4, &table[0][0]);
    struct node unary = {.elements = 4, .input_count = 1};
    static const enum op ops[] = {OP_SILU, OP_GELU, OP_GELU_TANH};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        unary.op = ops[i];
        add(&made, unary);
    }
    const int scaled =
        add(&made, (struct node){.op = OP_SCALE, .elements = 4, .input_count = 1, .factor = 2.5});
    add(&made,
        (struct node){.op = OP_MULTIPLY, .elements = 4, .input_count = 2, .inputs = {0, scaled}});
    add(&made, (struct node){.op = OP_ADD, .elements = 4, .input_count = 2, .inputs = {scaled, 0}});
    open_made(&made, *state, false);
    reference_step(made.reference, 1, 0);
    expect(&made, 1,
           (const double[]){0.7310585786300049, -0.14227761953270035, 0.3112296656009273,
                            -4.122307236380407e-08});
    expect(&made, 2,
           (const double[]){0.8413447460685429, -0.004049694094890287, 0.34573123063700656,
                            -5.507248237212663e-88});
    expect(&made, 3,
           (const double[]){0.8411919906082768, -0.0036373920817729943, 0.34571400982514394, 0});
    expect(&made, scaled, (const double[]){2.5, -7.5, 1.25, -50});
    expect(&made, 5, (const double[]){2.5, 22.5, 0.625, 1000});
    expect(&made, 6, (const double[]){3.5, -10.5, 1.75, -70});
    reference_close(made.reference);
}

static void norms_work_in_groups(void **state) {
    struct made made;
    const float table[4] = {3, 4, 0.6F, 0.8F}, weight[2] = {0.5F, 1}, whole[4] = {1, 2, 3, 4};
    begin(&made, 1, 4, table);
    add_tensor(&made, "head", 2, 0, weight);
    add_tensor(&made, "whole", 4, 0, whole);
    add(&made, (struct node){.op = OP_RMSNORM,
                             .elements = 4,
                             .group = 2,
                             .add = 1,
                             .tensor = "head",
                             .input_count = 1});
    add(&made,
        (struct node){
            .op = OP_RMSNORM, .elements = 4, .group = 4, .tensor = "whole", .input_count = 1});
    open_made(&made, *state, false);
    reference_step(made.reference, 0, 0);
    const double head = sqrt(12.5), all = sqrt(26.0 / 4);
    expect(&made, 1, (const double[]){1.5 * 3 / head, 2 * 4 / head, 1.5 * 3 / head, 2 * 4 / head});
    expect(&made, 2, (const double[]){3 / all, 8 / all, 1.8 / all, 3.2 / all});
    reference_close(made.reference);
}

static void eps_is_inside_the_root(void **state) {
    struct made made;
    const float table[2] = {0.03F, 0.04F}, weight[2] = {1, 1};
    begin(&made, 1, 2, table);
    made.model.norm_eps = 0.01;
    add_tensor(&made, "weight", 2, 0, weight);
    add(&made,
        (struct node){
            .op = OP_RMSNORM, .elements = 2, .group = 2, .tensor = "weight", .input_count = 1});
    open_made(&made, *state, false);
    reference_step(made.reference, 0, 0);
    const double root = sqrt(0.00125 + 0.01);
    expect(&made, 1, (const double[]){0.03 / root, 0.04 / root});
    reference_close(made.reference);
}

static void products_take_slices_and_biases(void **state) {
    struct made made;
    const float table[2] = {10, 1};
    const float fused[3][2] = {{1, 2}, {3, 4}, {5, 6}}, bias[3] = {100, 200, 300};
    const float shift[1] = {0.5F};
    begin(&made, 1, 2, table);
    add_tensor(&made, "fused", 3, 2, &fused[0][0]);
    add_tensor(&made, "bias", 3, 0, bias);
    add_tensor(&made, "shift", 1, 0, shift);
    struct node linear = {.op = OP_LINEAR,
                          .elements = 2,
                          .columns = 2,
                          .tensor = "fused",
                          .tensor_first = 1,
                          .tensor_rows = 3,
                          .input_count = 1};
    add(&made, linear);
    linear.bias = "bias";
    const int biased = add(&made, linear);
    add(&made, (struct node){.op = OP_LOGITS,
                             .elements = 1,
                             .columns = 2,
                             .tensor = "table",
                             .tensor_rows = 1,
                             .bias = "shift",
                             .softcap = 30,
                             .input_count = 1});
    open_made(&made, *state, false);
    reference_step(made.reference, 0, 0);
    expect(&made, 1, (const double[]){34, 56});
    expect(&made, biased, (const double[]){234, 356});
    expect(&made, 3, (const double[]){30 * tanh(101.5 / 30)});
    reference_close(made.reference);
}

// Each addend is lost in f32, where the running sum has no place for it.
static void sums_are_in_double(void **state) {
    struct made made;
    enum { COLUMNS = 1024 };
    float *table = calloc(COLUMNS, sizeof *table), *ones = calloc(COLUMNS, sizeof *ones);
    assert_true(table && ones);
    for (int i = 0; i < COLUMNS; i++) {
        table[i] = i == 0 ? 16777216 : i == COLUMNS - 1 ? -16777216 : 0.25F;
        ones[i] = 1;
    }
    begin(&made, 1, COLUMNS, table);
    add_tensor(&made, "ones", 1, COLUMNS, ones);
    add(&made, (struct node){.op = OP_LINEAR,
                             .elements = 1,
                             .columns = COLUMNS,
                             .tensor = "ones",
                             .tensor_rows = 1,
                             .input_count = 1});
    open_made(&made, *state, false);
    reference_step(made.reference, 0, 0);
    expect(&made, 1, (const double[]){(COLUMNS - 2) * 0.25});
    reference_close(made.reference);
    free(table);
    free(ones);
}

// ---- positions ----------------------------------------------------------------------------------

static void rope_turns_the_first_dims_of_each_head(void **state) {
    struct made made;
    const float table[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    double whole[2] = {1, 0.125}, part[1] = {0.5};
    begin(&made, 1, 8, table);
    made.model.head_dim = 4;
    made.model.rope_count = 2;
    made.model.ropes[0] = (struct model_rope){"rope", 4, whole, 1};
    made.model.ropes[1] = (struct model_rope){"local_rope", 2, part, 1.5};
    add(&made, (struct node){.op = OP_ROPE, .elements = 8, .input_count = 1});
    add(&made, (struct node){.op = OP_ROPE, .elements = 8, .input_count = 1, .rope = 1});
    open_made(&made, *state, false);
    for (uint32_t position = 0; position < 4; position++)
        reference_step(made.reference, 0, position);
    double wanted[8];
    for (int head = 0; head < 8; head += 4)
        for (int i = 0; i < 2; i++) {
            const double angle = 3 * whole[i], a = head + i + 1, b = head + i + 3;
            wanted[head + i] = a * cos(angle) - b * sin(angle);
            wanted[head + i + 2] = b * cos(angle) + a * sin(angle);
        }
    expect(&made, 1, wanted);
    for (int head = 0; head < 8; head += 4) {
        const double a = head + 1, b = head + 2;
        wanted[head] = 1.5 * (a * cos(1.5) - b * sin(1.5));
        wanted[head + 1] = 1.5 * (b * cos(1.5) + a * sin(1.5));
        wanted[head + 2] = head + 3;
        wanted[head + 3] = head + 4;
    }
    expect(&made, 2, wanted);
    reference_close(made.reference);
}

// Three tokens; 4 query heads of 2 share 2 KV heads. The table's row is q [8], k [4], v [4].
static const float attended[3][16] = {
    {1, 0, 0, 1, 1, 1, -1, 2, 1, 0, 0.5F, 0.5F, 1, 2, 3, 4},
    {0, 2, 1, 1, -1, 0, 1, 0, 0, 1, -1, 2, 5, 6, 7, 8},
    {1, 1, 2, -1, 0, 1, 3, 1, 1, 1, 2, -1, 9, 10, 11, 12},
};

// The plain sum, over positions first .. last.
static void attention_by_hand(const struct node *node, int first, int last, double *to) {
    for (int head = 0; head < 4; head++) {
        const float *q = attended[last] + 2 * head;
        double sum = 0, mixed[2] = {0, 0};
        for (int p = first; p <= last; p++) {
            const float *k = attended[p] + 8 + head / 2 * 2, *v = attended[p] + 12 + head / 2 * 2;
            double score =
                ((double)q[0] * (double)k[0] + (double)q[1] * (double)k[1]) * node->scale;
            if (node->softcap > 0)
                score = node->softcap * tanh(score / node->softcap);
            sum += exp(score);
            mixed[0] += exp(score) * (double)v[0];
            mixed[1] += exp(score) * (double)v[1];
        }
        to[2 * head] = mixed[0] / sum;
        to[2 * head + 1] = mixed[1] / sum;
    }
}

// q, k and v: rows of an identity [16][16].
static int add_attention(struct made *made, struct node attention) {
    static float identity[16][16];
    for (int i = 0; i < 16; i++)
        identity[i][i] = 1;
    static const int firsts[] = {0, 8, 12}, rows[] = {8, 4, 4};
    begin(made, 3, 16, &attended[0][0]);
    add_tensor(made, "identity", 16, 16, &identity[0][0]);
    for (int i = 0; i < 3; i++)
        attention.inputs[i] = add(made, (struct node){.op = OP_LINEAR,
                                                      .elements = rows[i],
                                                      .columns = 16,
                                                      .tensor = "identity",
                                                      .tensor_first = firsts[i],
                                                      .tensor_rows = 16,
                                                      .input_count = 1});
    attention.op = OP_ATTENTION;
    attention.elements = 8;
    attention.input_count = 3;
    return add(made, attention);
}

static void attention_sees_what_it_should(void **state) {
    static const struct node kinds[] = {
        {.scale = 0.5},
        {.scale = 0.5, .window = 2},
        {.scale = 0.5, .window = 1},
        {.scale = 0.5, .window = 3},
        {.scale = 2, .softcap = 1.5},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct made made;
        const int node = add_attention(&made, kinds[i]);
        const int window = kinds[i].window;
        open_made(&made, *state, false);
        for (int p = 0; p < 3; p++) {
            double wanted[8];
            reference_step(made.reference, (uint32_t)p, (uint32_t)p);
            attention_by_hand(&kinds[i], window && p + 1 > window ? p + 1 - window : 0, p, wanted);
            expect(&made, node, wanted);
        }
        reference_close(made.reference);
    }
}

static void keys_and_values_are_rounded_where_asked(void **state) {
    struct made made;
    // ties go to the even neighbour: down, up; the others to the nearest
    const float table[4] = {1 + 1.0F / 256, 1 + 3.0F / 256, 1 + 1.01F / 256, 1 + 2.9F / 256};
    const double rounded[4] = {1, 1.015625, 1.0078125, 1.0078125};
    const double plain[4] = {(double)table[0], (double)table[1], (double)table[2],
                             (double)table[3]};
    for (int kv_bf16 = 0; kv_bf16 < 2; kv_bf16++) {
        begin(&made, 1, 4, table);
        const int node = add(
            &made, (struct node){.op = OP_ATTENTION, .elements = 4, .scale = 1, .input_count = 3});
        open_made(&made, *state, kv_bf16);
        reference_step(made.reference, 0, 0);
        expect(&made, node, kv_bf16 ? rounded : plain);
        expect(&made, 0, plain); // the inputs' own values stay
        reference_close(made.reference);
    }
}

static void a_position_forgets_what_came_after_it(void **state) {
    struct made made;
    double first[40], wanted[8];
    const struct node kind = {.scale = 0.5};
    const int node = add_attention(&made, kind);
    open_made(&made, *state, false);
    for (uint32_t p = 0; p < 40; p++) { // the history grows on the way
        reference_step(made.reference, p % 3, p);
        first[p] = (double)reference_value(made.reference, node)[5];
    }
    for (uint32_t p = 20; p < 40; p++) {
        reference_step(made.reference, p % 3, p);
        assert_true((double)reference_value(made.reference, node)[5] == first[p]);
    }
    for (uint32_t p = 0; p < 2; p++)
        reference_step(made.reference, p, p);
    attention_by_hand(&kind, 0, 1, wanted);
    expect(&made, node, wanted);
    reference_close(made.reference);
}

// A folder to write in; of the runtime's fixture no more is needed.
static int make_folder(void **state) {
    static struct kernel_folder folder;
    snprintf(folder.path, sizeof folder.path, "%s", test_folder("test_reference"));
    *state = &folder;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_what_the_ops_say),
        cmocka_unit_test(norms_work_in_groups),
        cmocka_unit_test(eps_is_inside_the_root),
        cmocka_unit_test(products_take_slices_and_biases),
        cmocka_unit_test(sums_are_in_double),
        cmocka_unit_test(rope_turns_the_first_dims_of_each_head),
        cmocka_unit_test(attention_sees_what_it_should),
        cmocka_unit_test(keys_and_values_are_rounded_where_asked),
        cmocka_unit_test(a_position_forgets_what_came_after_it),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
