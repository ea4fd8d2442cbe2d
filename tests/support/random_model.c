#include "tests/support/random_model.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// What a model is drawn with.
struct draw {
    struct random_model *model;
    uint64_t state;
    unsigned features; // those that may be used
    int head_dim, layers;
    const struct layer_choice *unrotated, *local; // layers without RoPE, with the second one
    bool two_widths;                              // these turn different parts of a head
};

// SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t draw_bits(struct draw *draw) {
    uint64_t bits = draw->state += 0x9e3779b97f4a7c15U;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
    return bits ^ bits >> 31;
}

static int between(struct draw *draw, int least, int most) {
    return least + (int)(draw_bits(draw) % (uint64_t)(most - least + 1));
}

static bool one_in(struct draw *draw, int count) { return between(draw, 1, count) == 1; }

static const char *one_of(struct draw *draw, const char *const *words, int count) {
    return words[between(draw, 0, count - 1)];
}
#define ONE_OF(draw, ...)                                                                          \
    one_of(draw, (const char *const[]){__VA_ARGS__},                                               \
           (int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(const char *)))

// Whether the model has a part that one in two has, where the feature may be used.
static bool has(struct draw *draw, enum random_feature feature) {
    return (draw->features & feature) && one_in(draw, 2);
}

// ---- layers that differ -------------------------------------------------------------------------

static bool on_all(int i) { return i >= 0; }
static bool on_even(int i) { return i % 2 == 0; }
static bool on_odd(int i) { return i % 2 == 1; }
static bool on_later(int i) { return i > 0; }
static bool on_two_of_three(int i) { return i % 3 != 2; }

// Some of the layers, i counting from 0.
struct layer_choice {
    const char *lua;
    bool (*holds)(int i);
};
static const struct layer_choice layer_choices[] = {{"true", on_all},
                                                    {"i % 2 == 0", on_even},
                                                    {"i % 2 == 1", on_odd},
                                                    {"i > 0", on_later},
                                                    {"i % 3 ~= 2", on_two_of_three}};

static const struct layer_choice *some_layers(struct draw *draw) {
    return &layer_choices[between(draw, 0, sizeof layer_choices / sizeof *layer_choices - 1)];
}

// How layer i turns q and k: not at all, by local_rope, or by rope.
enum rotation { ROTATION_NONE, ROTATION_LOCAL, ROTATION_USUAL };

static enum rotation rotation_of(const struct draw *draw, int i) {
    if (draw->unrotated && draw->unrotated->holds(i))
        return ROTATION_NONE;
    return draw->local && draw->local->holds(i) ? ROTATION_LOCAL : ROTATION_USUAL;
}

static bool rotates(const struct draw *draw, enum rotation rotation) {
    for (int i = 0; i < draw->layers; i++)
        if (rotation_of(draw, i) == rotation)
            return true;
    return false;
}

// ---- the spec -----------------------------------------------------------------------------------

// Returns how many elements of a head it turns.
static int write_rope(struct draw *draw, const char *name) {
    struct text *spec = &draw->model->spec;
    int dims = draw->head_dim;
    text_format(spec, "  %s = { theta = %s", name, ONE_OF(draw, "10000", "500000", "300", "1.5"));
    if (has(draw, RANDOM_PARTIAL_ROPE)) {
        dims = 2 * between(draw, 1, draw->head_dim / 2);
        text_format(spec, ", dims = %d", dims);
    }
    if (one_in(draw, 3))
        text_append(spec, ONE_OF(draw, ", scaling = { kind = \"linear\", factor = 2.5 }",
                                 ", scaling = { kind = \"llama3\", factor = 8, low = 1, high = 4,"
                                 " original_context = 16 }",
                                 ", scaling = { kind = \"yarn\", factor = 4,"
                                 " original_context = 12 }"));
    text_append(spec, " },\n");
    return dims;
}

// Sizes are small, so that a model takes no time, and odd, so that nothing divides anything; but
// the hidden vector and the logits are not so short that all of one may cancel and rounding be all
// that is left. Each draw is a statement of its own: compilers evaluate arguments in different
// orders.
static void write_spec(struct draw *draw) {
    struct random_model *model = draw->model;
    struct text *spec = &model->spec;
    text_format(spec, "model {\n  name = \"%s\", family = \"%s\",", model->name, model->name);
    text_format(spec, " dtype = \"%s\",\n",
                has(draw, RANDOM_DTYPES) ? ONE_OF(draw, "fp16", "fp32") : "bf16");
    text_format(spec, "  hidden = %d,", between(draw, 8, 200));
    draw->layers = between(draw, 1, 4);
    text_format(spec, " layers = %d,", draw->layers);
    text_format(spec, " vocab = %d,", between(draw, 16, 400));
    text_format(spec, " mlp = %d,\n", between(draw, 1, 300));
    const int kv_heads = between(draw, 1, 4), heads = kv_heads * between(draw, 1, 4);
    draw->head_dim = 2 * between(draw, 1, 24);
    text_format(spec, "  heads = %d, kv_heads = %d, head_dim = %d,\n", heads, kv_heads,
                draw->head_dim);
    text_format(spec, "  norm_eps = %s,", ONE_OF(draw, "1e-6", "1e-5", "0.01"));
    text_format(spec, " tie_embeddings = %s,", ONE_OF(draw, "true", "false"));
    text_format(spec, " context = %d,\n", between(draw, 1, 40));
    draw->unrotated = has(draw, RANDOM_NO_ROPE) ? some_layers(draw) : NULL;
    draw->local = has(draw, RANDOM_LOCAL_ROPE) ? some_layers(draw) : NULL;
    // a RoPE that no layer uses is refused
    const int usual = rotates(draw, ROTATION_USUAL) ? write_rope(draw, "rope") : 0;
    const int local = rotates(draw, ROTATION_LOCAL) ? write_rope(draw, "local_rope") : 0;
    draw->two_widths = usual > 0 && local > 0 && usual != local;
    text_append(spec, "}\n");
}

// ---- the family ---------------------------------------------------------------------------------

// A table of options, for the end of an op's arguments; nothing where there are none.
struct options {
    char text[200];
};

__attribute__((format(printf, 2, 3))) static void add_option(struct options *options,
                                                             const char *format, ...) {
    va_list arguments;
    size_t length = strlen(options->text);
    length += (size_t)snprintf(options->text + length, sizeof options->text - length, "%s",
                               length ? ", " : ", { ");
    va_start(arguments, format);
    vsnprintf(options->text + length, sizeof options->text - length, format, arguments);
    va_end(arguments);
}

static const char *closed(struct options *options) {
    if (options->text[0])
        strcat(options->text, " }");
    return options->text;
}

// "y = rmsnorm(x, w "name")"
static void write_norm(struct draw *draw, const char *to, const char *x, const char *tensor,
                       const char *group) {
    struct options options = {0};
    if (group)
        add_option(&options, "group = %s", group);
    if (has(draw, RANDOM_NORM_ADD))
        add_option(&options, "add = %s", ONE_OF(draw, "1", "0.5"));
    text_format(&draw->model->family, "%s = rmsnorm(%s, %s%s)\n", to, x, tensor, closed(&options));
}

// "y = linear(h, w "name", rows)"; fused: rows first .. of a tensor that others share.
struct product {
    const char *to, *x, *name, *rows, *fused, *first, *of;
};

static void write_product(struct draw *draw, const struct product *product) {
    struct options options = {0};
    const char *tensor = product->fused ? product->fused : product->name;
    if (has(draw, RANDOM_BIASES))
        add_option(&options, "bias = w \"%s_bias\"", tensor);
    if (product->fused)
        add_option(&options, "first = %s, of = %s", product->first, product->of);
    text_format(&draw->model->family, "      local %s = linear(%s, w \"%s\", %s%s)\n", product->to,
                product->x, tensor, product->rows, closed(&options));
}

static void write_rotation(const struct draw *draw, const char *name) {
    struct text *family = &draw->model->family;
    text_format(family, "      %s = ", name);
    if (draw->unrotated)
        text_format(family, "%s and %s or ", draw->unrotated->lua, name);
    if (draw->local)
        text_format(family, "%s and rope(%s, { table = \"local_rope\" }) or ", draw->local->lua,
                    name);
    text_format(family, "rope(%s)\n", name);
}

static void write_head_norm(struct draw *draw, const char *name) {
    char to[32], tensor[32];
    snprintf(to, sizeof to, "      %s", name);
    snprintf(tensor, sizeof tensor, "w \"%s_norm\"", name);
    if (has(draw, RANDOM_HEAD_NORMS))
        write_norm(draw, to, name, tensor, one_in(draw, 2) ? "m.head_dim" : NULL);
}

static void write_scores(struct draw *draw) {
    struct options options = {0};
    if (has(draw, RANDOM_WINDOWS)) {
        const struct layer_choice *layers = some_layers(draw);
        add_option(&options, "window = %s and %d or 0", layers->lua, between(draw, 1, 20));
    }
    if (has(draw, RANDOM_SCALES))
        add_option(&options, "scale = %s", ONE_OF(draw, "0.125", "0.3", "1"));
    if (has(draw, RANDOM_SOFTCAPS))
        add_option(&options, "softcap = %s", ONE_OF(draw, "0.5", "4", "50"));
    text_format(&draw->model->family, "      local a = attention(q, k, v%s)\n", closed(&options));
}

// x = x + y, perhaps normed and scaled before.
static void write_residual(struct draw *draw, const char *norm, bool norm_after) {
    struct text *family = &draw->model->family;
    if (norm_after)
        write_norm(draw, "      y", "y", norm, NULL);
    if (has(draw, RANDOM_SCALES))
        text_format(family, "      y = y * %s\n", ONE_OF(draw, "0.5", "0.22"));
    text_append(family, one_in(draw, 2) ? "      x = x + y\n" : "      x = y + x\n");
}

// The norm before a sublayer may be left out where there is one after it.
static void write_norm_before(struct draw *draw, const char *to, const char *tensor,
                              bool norm_after) {
    if (norm_after && one_in(draw, 2))
        text_format(&draw->model->family, "%s = x\n", to);
    else
        write_norm(draw, to, "x", tensor, NULL);
}

static void write_attention(struct draw *draw) {
    static const char kv[] = "m.kv_heads * m.head_dim", q[] = "m.heads * m.head_dim",
                      first_v[] = "(m.heads + m.kv_heads) * m.head_dim",
                      all[] = "(m.heads + 2 * m.kv_heads) * m.head_dim";
    const bool norm_after = has(draw, RANDOM_NORMS_AFTER);
    const char *fused = has(draw, RANDOM_FUSED) ? "qkv" : NULL;
    write_norm_before(draw, "      local h", "w \"attention_norm\"", norm_after);
    write_product(draw, &(struct product){"q", "h", "q", q, fused, "0", all});
    write_product(draw, &(struct product){"k", "h", "k", kv, fused, q, all});
    write_product(draw, &(struct product){"v", "h", "v", kv, fused, first_v, all});
    write_head_norm(draw, "q");
    write_head_norm(draw, "k");
    write_rotation(draw, "q");
    write_rotation(draw, "k");
    write_scores(draw);
    write_product(draw, &(struct product){.to = "y", .x = "a", .name = "o", .rows = "m.hidden"});
    write_residual(draw, "w \"attention_norm_after\"", norm_after);
}

static void write_mlp(struct draw *draw) {
    const bool norm_after = has(draw, RANDOM_NORMS_AFTER);
    const char *fused = has(draw, RANDOM_FUSED) ? "gate_up" : NULL;
    const char *activation = has(draw, RANDOM_GELUS) ? ONE_OF(draw, "gelu", "gelu_tanh") : "silu";
    write_norm_before(draw, "      local h", "w \"mlp_norm\"", norm_after);
    write_product(draw, &(struct product){"gate", "h", "gate", "m.mlp", fused, "0", "2 * m.mlp"});
    write_product(draw, &(struct product){"up", "h", "up", "m.mlp", fused, "m.mlp", "2 * m.mlp"});
    text_format(&draw->model->family,
                one_in(draw, 2) ? "      local g = %s(gate) * up\n"
                                : "      local g = up * %s(gate)\n",
                activation);
    write_product(draw, &(struct product){.to = "y", .x = "g", .name = "down", .rows = "m.hidden"});
    write_residual(draw, "w \"mlp_norm_after\"", norm_after);
}

static void write_head(struct draw *draw) {
    struct text *family = &draw->model->family;
    struct options options = {0};
    write_norm(draw, "    x", "x", "\"final_norm\"", NULL);
    if (has(draw, RANDOM_SCALES))
        text_format(family, "    x = x * %s\n", ONE_OF(draw, "0.0625", "3"));
    if (has(draw, RANDOM_BIASES))
        add_option(&options, "bias = \"head_bias\"");
    if (has(draw, RANDOM_SOFTCAPS))
        add_option(&options, "softcap = %s", ONE_OF(draw, "1", "30"));
    text_format(family, "    return logits(x, m.tie_embeddings and \"embed\" or \"head\"%s)\n",
                closed(&options));
}

static void write_family(struct draw *draw) {
    struct text *family = &draw->model->family;
    text_format(family,
                "family {\n  name = \"%s\", model_type = \"%s\",\n  graph = function(m)\n"
                "    local x = embed(m.vocab, m.hidden, \"embed\")\n",
                draw->model->name, draw->model->name);
    if (has(draw, RANDOM_SCALES))
        text_format(family, "    x = x * %s\n", ONE_OF(draw, "0.5", "11.3125"));
    text_append(family, "    for i = 0, m.layers - 1 do\n"
                        "      local w = tensors(\"layers.%d.\", i)\n");
    write_attention(draw);
    write_mlp(draw);
    text_append(family, "    end\n");
    write_head(draw);
    text_append(family, "  end,\n}\n");
}

// ---- how it is planned --------------------------------------------------------------------------

static void write_set(struct draw *draw) {
    const int cus = between(draw, 1, 9), units = between(draw, 1, 16), batch = between(draw, 1, 32);
    const char *kv = one_in(draw, 4) ? "bf16" : "fp32", *tile = "", *unroll = "";
    const char *splits = "", *residual = "", *buffers = "";
    if (one_in(draw, 2))
        tile = ONE_OF(draw, " tile_rows=2", " tile_rows=4", " tile_rows=8");
    if (one_in(draw, 2))
        unroll = ONE_OF(draw, " unroll=inline", " unroll=loop");
    if (draw->two_widths && strcmp(unroll, " unroll=loop") == 0)
        unroll = ""; // refused, as such layers are not alike
    if (one_in(draw, 2))
        splits = ONE_OF(draw, " kv_splits=1", " kv_splits=2", " kv_splits=5");
    if (one_in(draw, 3))
        residual = " residual=everywhere";
    if (one_in(draw, 3))
        buffers = " buffers=unshared";
    snprintf(draw->model->set, sizeof draw->model->set,
             "cus=%d kv=%s prefetch_units=%d handoff_batch=%d%s%s%s%s%s", cus, kv, units, batch,
             tile, unroll, splits, residual, buffers);
}

void random_model_make(struct random_model *model, uint32_t number, unsigned features) {
    *model = (struct random_model){.number = number, .features = features};
    snprintf(model->name, sizeof model->name, "random-%u", (unsigned)number);
    struct draw draw = {.model = model, .state = number, .features = features};
    // a few features at a time: alone and together, but seldom all
    for (unsigned feature = 1; feature && feature <= features; feature <<= 1)
        if (one_in(&draw, 2))
            draw.features &= ~feature;
    write_spec(&draw);
    write_family(&draw);
    write_set(&draw);
}

void random_model_close(struct random_model *model) {
    text_close(&model->spec);
    text_close(&model->family);
    *model = (struct random_model){0};
}
