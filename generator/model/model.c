#include "generator/model/model.h"

#include "generator/base/file.h"
#include "generator/model/config.h"
#include "generator/model/family.h"
#include "generator/model/fields.h"
#include "generator/model/graph.h"
#include "generator/model/names.h"
#include "generator/model/rope.h"
#include "generator/script/graph.h"

#include <stdlib.h>
#include <string.h>

enum { SPEC_MAX_BYTES = 1 << 20 };

// What the fields of a spec are stored into.
struct spec {
    struct model model;
    struct rope rope;
    const char *scaling;
};

#define IN_MODEL(member) .offset = offsetof(struct spec, model.member)
#define IN_ROPE(member) .offset = offsetof(struct spec, rope.member)

// Bounds are far above any published model, and low enough that no product of sizes (elements,
// bytes of weights, bytes of KV) overflows 64 bits and no vector 31.
static const struct field fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .required = true, IN_MODEL(name)},
    {.name = "family", .kind = FIELD_TEXT, .required = true, IN_MODEL(family)},
    {.name = "dtype", .kind = FIELD_TEXT, .required = true, IN_MODEL(dtype)},
    {"hidden", FIELD_INTEGER, true, 1, 131072, "HIDDEN", IN_MODEL(hidden)},
    {"layers", FIELD_INTEGER, true, 1, 1024, "LAYERS", IN_MODEL(layers)},
    {"vocab", FIELD_INTEGER, true, 1, 1 << 22, "VOCAB", IN_MODEL(vocab)},
    {"mlp", FIELD_INTEGER, true, 1, 1 << 20, "MLP", IN_MODEL(mlp)},
    {"heads", FIELD_INTEGER, true, 1, 4096, "HEADS", IN_MODEL(heads)},
    {"kv_heads", FIELD_INTEGER, true, 1, 4096, "KV_HEADS", IN_MODEL(kv_heads)},
    {"head_dim", FIELD_INTEGER, true, 2, 1024, "HEAD_DIM", IN_MODEL(head_dim)},
    {"context", FIELD_INTEGER, true, 1, 1 << 24, "CONTEXT", IN_MODEL(context)},
    {"norm_eps", FIELD_NUMBER, true, 0, 1, NULL, IN_MODEL(norm_eps)},
    {.name = "tie_embeddings", .kind = FIELD_BOOLEAN, IN_MODEL(tie_embeddings)},
    {.name = "rope", .kind = FIELD_TABLE},
    {"rope.theta", FIELD_NUMBER, true, 1.0001, 1e15, NULL, IN_ROPE(theta)},
    {.name = "rope.scaling", .kind = FIELD_TABLE},
    {.name = "rope.scaling.kind",
     .kind = FIELD_TEXT,
     .required = true,
     .offset = offsetof(struct spec, scaling)},
    {"rope.scaling.factor", FIELD_NUMBER, false, 1, 1e6, NULL, IN_ROPE(factor)},
    {"rope.scaling.low", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(low)},
    {"rope.scaling.high", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(high)},
    {"rope.scaling.original_context", FIELD_INTEGER, false, 1, 1 << 24, NULL,
     IN_ROPE(original_context)},
    {"rope.scaling.beta_fast", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(beta_fast)},
    {"rope.scaling.beta_slow", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(beta_slow)},
    {"rope.scaling.attention_factor", FIELD_NUMBER, false, 1e-6, 1e6, NULL,
     IN_ROPE(attention_factor)},
    {"rope.scaling.mscale", FIELD_NUMBER, false, 0, 1e6, NULL, IN_ROPE(mscale)},
    {"rope.scaling.mscale_all_dim", FIELD_NUMBER, false, 0, 1e6, NULL, IN_ROPE(mscale_all_dim)},
    {.name = "rope.scaling.truncate", .kind = FIELD_BOOLEAN, IN_ROPE(truncate)},
    {"bos", FIELD_TOKENS, false, 0, INT32_MAX, NULL, IN_MODEL(bos),
     offsetof(struct spec, model.bos_count), MODEL_MAX_STOP_TOKENS},
    {"eos", FIELD_TOKENS, false, 0, INT32_MAX, NULL, IN_MODEL(eos),
     offsetof(struct spec, model.eos_count), MODEL_MAX_STOP_TOKENS},
    {.name = "experts", .kind = FIELD_UNSUPPORTED, .unsupported = "mixture of experts"},
    {.name = "experts_per_token", .kind = FIELD_UNSUPPORTED, .unsupported = "mixture of experts"},
    {.name = "sampling", .kind = FIELD_UNSUPPORTED, .unsupported = "sampling"},
    {.name = "temperature", .kind = FIELD_UNSUPPORTED, .unsupported = "sampling"},
    {.name = "top_k", .kind = FIELD_UNSUPPORTED, .unsupported = "sampling"},
    {.name = "top_p", .kind = FIELD_UNSUPPORTED, .unsupported = "sampling"},
    {.name = "sliding_window",
     .kind = FIELD_UNSUPPORTED,
     .unsupported = "sliding-window attention"},
};

enum { FIELD_COUNT = sizeof fields / sizeof *fields };

// One load: what its steps share.
struct load {
    struct script *script;
    const char *specs;
    struct override_list *overrides;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct field_source source; // of the spec
    const char *shown;          // how emitted files name it
    struct value *value;        // its table
    struct spec spec;
    struct family family;
};

static struct location at_value(const struct load *load, const char *path) {
    return field_locate(&load->source, load->value, path, false);
}

static bool wrong(const struct load *load, const char *path, const char *message) {
    return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, at_value(load, path), "%s", message);
}

static bool check_tokens(const struct load *load, const char *name, const int32_t *tokens,
                         int count) {
    for (int i = 0; i < count; i++)
        if (tokens[i] >= load->spec.model.vocab)
            return wrong(load, name,
                         arena_format(load->arena,
                                      "%s = %d, but the tokens are 0 to vocab - 1 = %d", name,
                                      tokens[i], load->spec.model.vocab - 1));
    return true;
}

static bool check_numbers(const struct load *load) {
    const struct model *model = &load->spec.model;
    bool good = true;
    if (model->heads % model->kv_heads != 0) {
        good = wrong(load, "kv_heads",
                     arena_format(load->arena, "kv_heads = %d does not divide heads = %d",
                                  model->kv_heads, model->heads));
        diagnostic_note(load->diagnostics,
                        "attention shares each KV head among heads / kv_heads query heads");
    }
    if (model->head_dim % 2 != 0)
        good = wrong(load, "head_dim",
                     arena_format(load->arena, "head_dim = %d is odd", model->head_dim));
    if (model->norm_eps <= 0)
        good = wrong(load, "norm_eps", "norm_eps must be above 0");
    good &= check_tokens(load, "bos", model->bos, model->bos_count);
    good &= check_tokens(load, "eos", model->eos, model->eos_count);
    return good;
}

// Texts of the spec that are names of something.
static bool check_texts(const struct load *load) {
    const struct model *model = &load->spec.model;
    bool good = true;
    if (model->name && !name_is_plain(model->name))
        good = wrong(load, "name",
                     "name must be 1 to 64 letters, digits, '.', '_' or '-', and start with no "
                     "'.' or '-'");
    if (model->dtype && strcmp(model->dtype, "bf16") != 0)
        good =
            wrong(load, "dtype",
                  arena_format(load->arena, "dtype \"%.60s\" is not supported yet, only \"bf16\"",
                               model->dtype));
    return good;
}

// The fields that a kind of scaling needs and those it may have, besides kind.
static const struct {
    const char *needs, *allows;
} scaling_fields[ROPE_KIND_COUNT] = {
    [ROPE_DEFAULT] = {"", ""},
    [ROPE_LINEAR] = {" factor ", " factor "},
    [ROPE_LLAMA3] = {" factor low high original_context ", " factor low high original_context "},
    [ROPE_YARN] = {" factor original_context ",
                   " factor original_context beta_fast beta_slow attention_factor mscale "
                   "mscale_all_dim truncate "},
};

static bool check_scaling_fields(const struct load *load, enum rope_kind kind) {
    const struct value *scaling = field_get(load->value, "rope.scaling");
    bool good = true;
    for (int i = 0; i < FIELD_COUNT; i++) {
        static const char prefix[] = "rope.scaling.";
        if (strncmp(fields[i].name, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *name = fields[i].name + sizeof prefix - 1;
        const char *word = arena_format(load->arena, " %s ", name);
        bool there = value_get(scaling, name) != NULL;
        const char *problem = NULL;
        if (!there && strstr(scaling_fields[kind].needs, word))
            problem = "needs";
        else if (there && strcmp(name, "kind") != 0 && !strstr(scaling_fields[kind].allows, word))
            problem = "has no";
        if (problem)
            good = wrong(load, there ? fields[i].name : "rope.scaling",
                         arena_format(load->arena, "RoPE scaling of the kind \"%s\" %s %s",
                                      rope_kind_names[kind], problem, name));
    }
    return good;
}

static bool check_rope(struct load *load) {
    struct rope *rope = &load->spec.rope;
    rope->kind = ROPE_DEFAULT;
    if (!load->spec.scaling)
        return true;
    while (rope->kind < ROPE_KIND_COUNT &&
           strcmp(rope_kind_names[rope->kind], load->spec.scaling) != 0)
        rope->kind++;
    if (rope->kind == ROPE_KIND_COUNT) {
        const char *nearest = nearest_name(load->spec.scaling, rope_kind_names, ROPE_KIND_COUNT);
        wrong(load, "rope.scaling.kind",
              arena_format(load->arena, "RoPE scaling of the kind \"%.60s\" is not supported%s%s%s",
                           load->spec.scaling, nearest ? ": did you mean \"" : "",
                           nearest ? nearest : "", nearest ? "\"?" : ""));
        return diagnostic_note(load->diagnostics, "there are default, linear, llama3 and yarn");
    }
    if (!check_scaling_fields(load, rope->kind))
        return false;
    if (rope->kind == ROPE_LLAMA3 && rope->low >= rope->high)
        return wrong(load, "rope.scaling.low",
                     arena_format(load->arena, "low = %.15g must be below high = %.15g", rope->low,
                                  rope->high));
    if (rope->kind == ROPE_YARN && rope->beta_slow >= rope->beta_fast)
        return wrong(load, "rope.scaling.beta_slow",
                     arena_format(load->arena, "beta_slow = %.15g must be below beta_fast = %.15g",
                                  rope->beta_slow, rope->beta_fast));
    return true;
}

static void set_frequencies(struct load *load) {
    struct model *model = &load->spec.model;
    if (!value_get(load->value, "rope"))
        return;
    struct model_rope *rope = &model->ropes[model->rope_count++];
    *rope = (struct model_rope){.name = "rope", .dims = model->head_dim};
    rope->inverse_frequencies =
        arena_array(load->arena, (size_t)rope->dims / 2, sizeof *rope->inverse_frequencies);
    rope->amplitude = rope_frequencies(&load->spec.rope, rope->dims, rope->inverse_frequencies);
}

static void set_constants(struct load *load) {
    struct model *model = &load->spec.model;
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct value *value = field_get(load->value, fields[i].name);
        if (!fields[i].constant || !value)
            continue;
        struct location at = at_value(load, fields[i].name);
        bool in_spec = strncmp(at.file, "--set ", 6) != 0;
        struct model_constant constant = {
            .name = fields[i].constant,
            .value = *(const int *)(const void *)((const char *)&load->spec + fields[i].offset),
            .file = in_spec ? load->shown : at.file,
            .line = at.line};
        model->constants = arena_grow(load->arena, model->constants, (size_t)model->constant_count,
                                      sizeof constant);
        model->constants[model->constant_count++] = constant;
    }
}

size_t model_keys(const char *keys[MODEL_MAX_KEYS]) {
    _Static_assert((int)FIELD_COUNT <= (int)MODEL_MAX_KEYS, "a list of all fields must fit");
    size_t count = 0;
    for (int i = 0; i < FIELD_COUNT; i++)
        if (fields[i].kind != FIELD_TABLE && strcmp(fields[i].name, "name") != 0 &&
            strcmp(fields[i].name, "family") != 0)
            keys[count++] = fields[i].name;
    return count;
}

static bool apply_overrides(struct load *load) {
    const char *known[MODEL_MAX_KEYS];
    const size_t count = model_keys(known);
    return overrides_apply(load->overrides, load->value, known, count, load->arena,
                           load->diagnostics);
}

// From the spec's table to checked numbers.
static bool read_numbers(struct load *load) {
    load->spec.rope = (struct rope){.beta_fast = 32, .beta_slow = 1, .truncate = true};
    if (!apply_overrides(load))
        return false;
    bool good = fields_read(fields, FIELD_COUNT, load->value, &load->source, &load->spec,
                            load->arena, load->diagnostics);
    good &= check_texts(load);
    if (!good)
        return false;
    good = check_numbers(load);
    return check_rope(load) && good;
}

static bool build_graph(struct load *load) {
    struct model *model = &load->spec.model;
    struct graph graph = {.arena = load->arena,
                          .model = model,
                          .file = path_shown(load->arena, load->specs, load->family.path),
                          .path = load->family.path,
                          .source = load->family.source};
    int result;
    if (!value_get(load->value, "tie_embeddings"))
        value_table_set(load->arena, load->value, "tie_embeddings",
                        value_boolean(load->arena, false));
    if (!script_family_graph(load->script, load->value, &graph, &result, load->diagnostics) ||
        !graph_finish(&graph, result, load->diagnostics))
        return false;
    model->family_source = graph.source;
    model->nodes = graph.nodes;
    model->node_count = graph.count;
    return true;
}

// The folder's own name, made plain: what a model from a folder is called.
static const char *folder_name(struct arena *arena, const char *folder) {
    char *real = realpath(folder, NULL);
    const char *path = real ? real : folder;
    const char *slash = strrchr(path, '/');
    char *name = arena_format(arena, "%.64s", slash ? slash + 1 : path);
    free(real);
    for (char *c = name; *c; c++) {
        const char one[] = {'x', *c, '\0'};
        if (!name_is_plain(one))
            *c = '-';
    }
    if (!name_is_plain(name))
        name[0] = 'm'; // it is empty or starts with '.' or '-'
    return name_is_plain(name) ? name : "model";
}

static bool load_folder(struct load *load, const char *folder) {
    struct config *config = arena_alloc(load->arena, sizeof *config);
    if (!config_read(folder, load->arena, config, load->diagnostics))
        return false;
    const struct value *type = value_get(config->value, "model_type");
    struct location at = config_locate(config, "model_type");
    if (!type || type->kind != VALUE_STRING)
        return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, at,
                              "config.json has no model_type, so its family is unknown");
    const char *name = folder_name(load->arena, folder);
    load->source = (struct field_source){.file = config->path,
                                         .noun = "model",
                                         .overrides = load->overrides,
                                         .config = config,
                                         .arena = load->arena};
    load->shown = arena_format(load->arena, "%s/config.json", name);
    if (!family_load_for(load->script, load->specs, type->string, at, load->arena, &load->family,
                         load->diagnostics) ||
        !script_family_config(load->script, config, load->arena, &load->value, load->diagnostics))
        return false;
    load->source.config_keys = load->family.config_keys;
    value_table_set(load->arena, load->value, "name", value_string(load->arena, name));
    value_table_set(load->arena, load->value, "family",
                    value_string(load->arena, load->family.name));
    return read_numbers(load);
}

static bool load_file(struct load *load, const char *path) {
    static const char *const constructors[] = {"model"};
    size_t length;
    const char *constructor;
    const char *text = file_read(load->arena, path, SPEC_MAX_BYTES, &length, load->diagnostics);
    if (!text || !script_read(load->script, path, text, constructors, 1, load->arena, &constructor,
                              &load->value, load->diagnostics))
        return false;
    load->source = (struct field_source){.file = path,
                                         .text = text,
                                         .noun = "model",
                                         .overrides = load->overrides,
                                         .arena = load->arena};
    load->shown = path_shown(load->arena, load->specs, path);
    return read_numbers(load) &&
           family_load(load->script, load->specs, load->spec.model.family, at_value(load, "family"),
                       load->arena, &load->family, load->diagnostics);
}

static bool ends_in_lua(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".lua") == 0;
}

static bool load_spec(struct load *load, const char *spec) {
    if (ends_in_lua(spec))
        return load_file(load, spec);
    const char *named = arena_format(load->arena, "%s/models/%s.lua", load->specs, spec);
    if (name_is_plain(spec) && file_exists(named))
        return load_file(load, named);
    if (folder_exists(spec))
        return load_folder(load, spec);
    if (strchr(spec, '/'))
        return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                              "there is no folder \"%.200s\"", spec);
    return name_find(load->arena, load->specs, "models", "model", spec, (struct location){0},
                     load->diagnostics) != NULL;
}

bool model_load(struct script *script, const char *specs, const char *spec,
                struct override_list *overrides, struct arena *arena, struct model *model,
                struct diagnostics *diagnostics) {
    struct load load = {.script = script,
                        .specs = specs,
                        .overrides = overrides,
                        .arena = arena,
                        .diagnostics = diagnostics};
    if (!load_spec(&load, spec))
        return false;
    set_frequencies(&load);
    if (!build_graph(&load))
        return false;
    set_constants(&load);
    load.spec.model.spec_file = load.shown;
    load.spec.model.spec = load.value;
    *model = load.spec.model;
    return true;
}
