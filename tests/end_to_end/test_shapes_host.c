// Models of odd shapes with random weights on the CPU, against a plain forward pass in double
// precision: padding, shared and unshared heads, tied and untied embeddings, few rows and many CUs.
#include "runtime/monogen.h"
#include "runtime/random_weights.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 5 };

// ---- the reference
// -------------------------------------------------------------------------------

// One position after another; every vector in double, weights as the runtime makes them.
struct reference {
    const struct model *model;
    int positions;
    double *keys, *values; // [layers][context][kv_heads * head_dim]
};

static void *need(size_t count, size_t bytes) {
    void *memory = calloc(count ? count : 1, bytes);
    assert_non_null(memory);
    return memory;
}

static double bf16_value(uint16_t bits) {
    const uint32_t raw = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &raw, sizeof value);
    return (double)value;
}

// Row `row` of a [rows][columns] tensor.
static void weight_row(const char *tensor, int columns, int row, double *to) {
    uint16_t *raw = need((size_t)columns, sizeof *raw);
    random_weights_fill(random_weights_key(SEED, tensor), (uint64_t)columns, WEIGHT_BF16,
                        (uint64_t)row * (uint64_t)columns, (size_t)columns, raw);
    for (int i = 0; i < columns; i++)
        to[i] = bf16_value(raw[i]);
    free(raw);
}

// Owned by the caller.
static double *multiply(const char *tensor, int rows, int columns, const double *x) {
    double *y = need((size_t)rows, sizeof *y), *row = need((size_t)columns, sizeof *row);
    for (int r = 0; r < rows; r++) {
        weight_row(tensor, columns, r, row);
        for (int c = 0; c < columns; c++)
            y[r] += row[c] * x[c];
    }
    free(row);
    return y;
}

// The weights of norms are all 1. Owned by the caller.
static double *normed(const struct model *model, const double *x) {
    double squares = 0, *y = need((size_t)model->hidden, sizeof *y);
    for (int i = 0; i < model->hidden; i++)
        squares += x[i] * x[i];
    const double scale = 1 / sqrt(squares / model->hidden + model->norm_eps);
    for (int i = 0; i < model->hidden; i++)
        y[i] = x[i] * scale;
    return y;
}

static void rotate(const struct model *model, double *x, int heads, int position) {
    const int half = model->head_dim / 2;
    for (int h = 0; h < heads; h++) {
        double *head = x + (size_t)h * (size_t)model->head_dim;
        for (int d = 0; d < half; d++) {
            const double angle = position * model->ropes[0].inverse_frequencies[d];
            const double c = cos(angle) * model->ropes[0].amplitude;
            const double s = sin(angle) * model->ropes[0].amplitude;
            const double a = head[d], b = head[d + half];
            head[d] = a * c - b * s;
            head[d + half] = b * c + a * s;
        }
    }
}

// Owned by the caller.
static double *attend(const struct reference *reference, int layer, const double *q) {
    const struct model *m = reference->model;
    const int dim = m->head_dim, group = m->heads / m->kv_heads, kv = m->kv_heads * dim;
    const size_t base = (size_t)layer * (size_t)m->context * (size_t)kv;
    double *out = need((size_t)(m->heads * dim), sizeof *out);
    double *weight = need((size_t)reference->positions + 1, sizeof *weight);
    for (int h = 0; h < m->heads; h++) {
        double highest = -INFINITY, sum = 0;
        for (int p = 0; p <= reference->positions; p++) {
            const double *key = reference->keys + base + (size_t)(p * kv + h / group * dim);
            weight[p] = 0;
            for (int d = 0; d < dim; d++)
                weight[p] += q[h * dim + d] * key[d] / sqrt(dim);
            highest = weight[p] > highest ? weight[p] : highest;
        }
        for (int p = 0; p <= reference->positions; p++)
            sum += weight[p] = exp(weight[p] - highest);
        for (int p = 0; p <= reference->positions; p++)
            for (int d = 0; d < dim; d++)
                out[h * dim + d] +=
                    weight[p] / sum *
                    reference->values[base + (size_t)(p * kv + h / group * dim + d)];
    }
    free(weight);
    return out;
}

static void add_product(double *x, const char *tensor, int rows, int columns, double *y) {
    double *product = multiply(tensor, rows, columns, y);
    for (int i = 0; i < rows; i++)
        x[i] += product[i];
    free(product);
    free(y);
}

static const char *layer_tensor(int layer, const char *name) {
    static char texts[4][128];
    static int next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0], "model.layers.%d.%s_proj.weight", layer, name);
    return text;
}

static void run_layer(const struct reference *reference, int layer, double *x) {
    const struct model *m = reference->model;
    const int q_rows = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    double *h = normed(m, x);
    double *q = multiply(layer_tensor(layer, "self_attn.q"), q_rows, m->hidden, h);
    double *k = multiply(layer_tensor(layer, "self_attn.k"), kv, m->hidden, h);
    double *v = multiply(layer_tensor(layer, "self_attn.v"), kv, m->hidden, h);
    rotate(m, q, m->heads, reference->positions);
    rotate(m, k, m->kv_heads, reference->positions);
    const size_t at = (size_t)(layer * m->context + reference->positions) * (size_t)kv;
    memcpy(reference->keys + at, k, (size_t)kv * sizeof *k);
    memcpy(reference->values + at, v, (size_t)kv * sizeof *v);
    add_product(x, layer_tensor(layer, "self_attn.o"), m->hidden, q_rows,
                attend(reference, layer, q));
    free(h);
    h = normed(m, x);
    double *gate = multiply(layer_tensor(layer, "mlp.gate"), m->mlp, m->hidden, h);
    double *up = multiply(layer_tensor(layer, "mlp.up"), m->mlp, m->hidden, h);
    for (int i = 0; i < m->mlp; i++)
        gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    add_product(x, layer_tensor(layer, "mlp.down"), m->hidden, m->mlp, gate);
    free(h);
    free(q);
    free(k);
    free(v);
    free(up);
}

// Logits [vocab] after `token`. Owned by the caller.
static double *run_token(struct reference *reference, uint32_t token) {
    const struct model *m = reference->model;
    double *x = need((size_t)m->hidden, sizeof *x);
    weight_row("model.embed_tokens.weight", m->hidden, (int)token, x);
    for (int layer = 0; layer < m->layers; layer++)
        run_layer(reference, layer, x);
    double *h = normed(m, x);
    double *logits = multiply(m->tie_embeddings ? "model.embed_tokens.weight" : "lm_head.weight",
                              m->vocab, m->hidden, h);
    free(h);
    free(x);
    reference->positions++;
    return logits;
}

// ---- the comparison
// ------------------------------------------------------------------------------

static double relative_rmse(const float *got, const double *expected, int count) {
    double squares = 0, norm = 0;
    for (int i = 0; i < count; i++) {
        squares += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    return sqrt(squares / norm);
}

static const char tiny[] = "tests/specs/tiny.lua", tiny_heads[] = "tests/specs/tiny_heads.lua";

static struct monogen *open_kernel(struct generated *made, const char *spec, const char *set) {
    struct monogen_error error = {0};
    const char *folder = temporary_path(set);
    generated_open(made, &(struct wanted_generation){
                             .spec = spec, .target = "host", .set = set, .compile = true});
    generated_write(made, folder);
    struct monogen *opened = monogen_open(&(struct monogen_options){.kernel_folder = folder,
                                                                    .random_seed = SEED,
                                                                    .handoff_timeout_seconds = 120},
                                          &error);
    if (!opened)
        fail_msg("%s: %s", set, error.message);
    return opened;
}

// Every position of the context, the last one too.
static void expect_shape_of(const char *spec, const char *set) {
    skip_without_compiler("cxx");
    struct generated made;
    struct monogen *opened = open_kernel(&made, spec, set);
    const struct model *model = &made.generation.model;
    const uint32_t count = monogen_context(opened);
    const double allowed = strstr(set, "kv=fp32") ? 2e-5 : 2e-2;
    const size_t cache = (size_t)model->layers * (size_t)model->context *
                         (size_t)(model->kv_heads * model->head_dim);
    struct reference reference = {model, 0, need(cache, sizeof(double)),
                                  need(cache, sizeof(double))};
    uint32_t *tokens = need(count, sizeof *tokens);
    float *logits = need((size_t)count * (size_t)model->vocab, sizeof *logits);
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = (i * 7919 + 13) % (uint32_t)model->vocab;
    struct monogen_error error = {0};
    if (!monogen_logits(opened, tokens, count, logits, &error))
        fail_msg("%s: %s", set, error.message);
    double worst = 0;
    for (uint32_t p = 0; p < count; p++) {
        double *expected = run_token(&reference, tokens[p]);
        const double distance =
            relative_rmse(logits + (size_t)p * (size_t)model->vocab, expected, model->vocab);
        free(expected);
        worst = distance > worst ? distance : worst;
        if (!(distance <= allowed))
            fail_msg("%s: position %u: relative RMSE %.3g, at most %.3g is allowed", set, p,
                     distance, allowed);
    }
    print_message("%s: %u positions, worst %.2g\n", set, count, worst);
    free(tokens);
    free(logits);
    free(reference.keys);
    free(reference.values);
    monogen_close(opened);
    generated_close(&made);
}

static void expect_shape(const char *set) { expect_shape_of(tiny, set); }

static void test_odd_sizes(void **state) {
    (void)state;
    // no tile height divides the rows, no unit the columns; a group of 6 heads; more CUs than tiles
    expect_shape("cus=5 kv=fp32 context=20 unroll=loop hidden=66 vocab=201 mlp=98 heads=6 "
                 "kv_heads=1 head_dim=10");
}

static void test_tied(void **state) {
    (void)state;
    expect_shape("cus=3 kv=fp32 context=12 tie_embeddings=true hidden=72 vocab=77 mlp=40 heads=3 "
                 "kv_heads=3 head_dim=24 tile_rows=2");
}

// A context of whole blocks and a piece, rows of K and V shorter than what is loaded at once.
static void test_small_heads(void **state) {
    (void)state;
    expect_shape_of(tiny_heads, "cus=2 kv=fp32");
    expect_shape_of(tiny_heads, "cus=1 kv=bf16 head_dim=6 heads=4");
}

static void test_others(void **state) {
    (void)state;
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    expect_shape("cus=40 kv=fp32 context=8 layers=1 mlp=1 vocab=3 eos=1");
    expect_shape("cus=1 context=64 layers=3 unroll=inline");
    expect_shape("cus=2 kv=fp32 context=9 hidden=300 mlp=700 heads=2 kv_heads=1 head_dim=130");
    expect_shape("cus=4 kv=fp32 context=1");
    expect_shape("cus=6 kv=fp32 context=30 rope.theta=300 norm_eps=0.01 tile_rows=4 "
                 "tie_embeddings=true vocab=203");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_small_heads),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
