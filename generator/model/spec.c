#include "generator/model/spec.h"

#include "generator/model/names.h"

#include <math.h>
#include <string.h>

#define IN_MODEL(member) .offset = offsetof(struct spec, model.member)
#define IN_ROPE(index, member) .offset = offsetof(struct spec, ropes[index].member)

// The fields of one rope = { ... }.
#define ROPE_FIELDS(name_, index)                                                                  \
    {.name = name_, .kind = FIELD_TABLE},                                                          \
        {name_ ".theta", FIELD_NUMBER, true, 1.0001, 1e15, NULL, IN_ROPE(index, rope.theta)},      \
        {name_ ".dims", FIELD_INTEGER, false, 2, 1024, NULL, IN_ROPE(index, dims)},                \
        {.name = name_ ".scaling", .kind = FIELD_TABLE},                                           \
        {.name = name_ ".scaling.kind",                                                            \
         .kind = FIELD_TEXT,                                                                       \
         .required = true,                                                                         \
         IN_ROPE(index, scaling)},                                                                 \
        {name_ ".scaling.factor", FIELD_NUMBER, false, 1, 1e6, NULL, IN_ROPE(index, rope.factor)}, \
        {name_ ".scaling.low", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(index, rope.low)},    \
        {name_ ".scaling.high", FIELD_NUMBER, false, 1e-6, 1e6, NULL, IN_ROPE(index, rope.high)},  \
        {name_ ".scaling.original_context",    FIELD_INTEGER, false, 1, 1 << 24, NULL,             \
         IN_ROPE(index, rope.original_context)},                                                   \
        {name_ ".scaling.beta_fast",    FIELD_NUMBER, false, 1e-6, 1e6, NULL,                      \
         IN_ROPE(index, rope.beta_fast)},                                                          \
        {name_ ".scaling.beta_slow",    FIELD_NUMBER, false, 1e-6, 1e6, NULL,                      \
         IN_ROPE(index, rope.beta_slow)},                                                          \
        {name_ ".scaling.attention_factor",    FIELD_NUMBER, false, 1e-6, 1e6, NULL,               \
         IN_ROPE(index, rope.attention_factor)},                                                   \
        {name_ ".scaling.mscale", FIELD_NUMBER, false, 0, 1e6, NULL, IN_ROPE(index, rope.mscale)}, \
        {name_ ".scaling.mscale_all_dim",    FIELD_NUMBER, false, 0, 1e6, NULL,                    \
         IN_ROPE(index, rope.mscale_all_dim)},                                                     \
    {                                                                                              \
        .name = name_ ".scaling.truncate", .kind = FIELD_BOOLEAN, IN_ROPE(index, rope.truncate)    \
    }

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
    ROPE_FIELDS("rope", 0),
    ROPE_FIELDS("local_rope", 1),
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
};

enum { FIELD_COUNT = sizeof fields / sizeof *fields };

static const char *const rope_names[MODEL_MAX_ROPES] = {"rope", "local_rope"};

// One reading: what its steps share.
struct reading {
    const struct spec_source *source;
    const struct value *value;
    struct spec *spec;
};

static struct location at_value(const struct reading *reading, const char *path) {
    return field_locate(&reading->source->fields, reading->value, path, false);
}

static bool wrong(const struct reading *reading, const char *path, const char *message) {
    return diagnostic_add(reading->source->diagnostics, DIAGNOSTIC_USER, at_value(reading, path),
                          "%s", message);
}

static bool check_tokens(const struct reading *reading, const char *name, const int32_t *tokens,
                         int count) {
    for (int i = 0; i < count; i++)
        if (tokens[i] >= reading->spec->model.vocab)
            return wrong(reading, name,
                         arena_format(reading->source->arena,
                                      "%s = %d, but the tokens are 0 to vocab - 1 = %d", name,
                                      tokens[i], reading->spec->model.vocab - 1));
    return true;
}

static bool check_numbers(const struct reading *reading) {
    const struct model *model = &reading->spec->model;
    struct arena *arena = reading->source->arena;
    bool good = true;
    if (model->heads % model->kv_heads != 0) {
        good = wrong(reading, "kv_heads",
                     arena_format(arena, "kv_heads = %d does not divide heads = %d",
                                  model->kv_heads, model->heads));
        diagnostic_note(reading->source->diagnostics,
                        "attention shares each KV head among heads / kv_heads query heads");
    }
    if (model->head_dim % 2 != 0)
        good = wrong(reading, "head_dim",
                     arena_format(arena, "head_dim = %d is odd", model->head_dim));
    if (model->norm_eps <= 0)
        good = wrong(reading, "norm_eps", "norm_eps must be above 0");
    good &= check_tokens(reading, "bos", model->bos, model->bos_count);
    good &= check_tokens(reading, "eos", model->eos, model->eos_count);
    return good;
}

// Texts of the spec that are names of something.
static bool check_texts(const struct reading *reading) {
    static const char *const dtypes[] = {"bf16", "fp16", "fp32"};
    const struct model *model = &reading->spec->model;
    bool good = true, known = !model->dtype;
    if (model->name && !name_is_plain(model->name))
        good = wrong(reading, "name",
                     "name must be 1 to 64 letters, digits, '.', '_' or '-', and start with no "
                     "'.' or '-'");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && !known; i++)
        known = strcmp(model->dtype, dtypes[i]) == 0;
    if (!known)
        good = wrong(reading, "dtype",
                     arena_format(reading->source->arena,
                                  "dtype \"%.60s\" is not supported, only \"bf16\", \"fp16\" and "
                                  "\"fp32\"",
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

static bool check_scaling_fields(const struct reading *reading, int index, enum rope_kind kind) {
    struct arena *arena = reading->source->arena;
    const char *prefix = arena_format(arena, "%s.scaling.", rope_names[index]);
    const char *table = arena_format(arena, "%s.scaling", rope_names[index]);
    const struct value *scaling = field_get(reading->value, table);
    bool good = true;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (strncmp(fields[i].name, prefix, strlen(prefix)) != 0)
            continue;
        const char *name = fields[i].name + strlen(prefix);
        const char *word = arena_format(arena, " %s ", name);
        bool there = value_get(scaling, name) != NULL;
        const char *problem = NULL;
        if (!there && strstr(scaling_fields[kind].needs, word))
            problem = "needs";
        else if (there && strcmp(name, "kind") != 0 && !strstr(scaling_fields[kind].allows, word))
            problem = "has no";
        if (problem)
            good = wrong(reading, there ? fields[i].name : table,
                         arena_format(arena, "RoPE scaling of the kind \"%s\" %s %s",
                                      rope_kind_names[kind], problem, name));
    }
    return good;
}

static bool wrong_order(const struct reading *reading, int index, const char *low,
                        double low_number, const char *high, double high_number) {
    struct arena *arena = reading->source->arena;
    return wrong(reading, arena_format(arena, "%s.scaling.%s", rope_names[index], low),
                 arena_format(arena, "%s = %.15g must be below %s = %.15g", low, low_number, high,
                              high_number));
}

static bool check_scaling(const struct reading *reading, int index) {
    struct rope *rope = &reading->spec->ropes[index].rope;
    const char *scaling = reading->spec->ropes[index].scaling;
    struct arena *arena = reading->source->arena;
    rope->kind = ROPE_DEFAULT;
    if (!scaling)
        return true;
    while (rope->kind < ROPE_KIND_COUNT && strcmp(rope_kind_names[rope->kind], scaling) != 0)
        rope->kind++;
    if (rope->kind == ROPE_KIND_COUNT) {
        const char *nearest = nearest_name(scaling, rope_kind_names, ROPE_KIND_COUNT);
        wrong(reading, arena_format(arena, "%s.scaling.kind", rope_names[index]),
              arena_format(arena, "RoPE scaling of the kind \"%.60s\" is not supported%s%s%s",
                           scaling, nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                           nearest ? "\"?" : ""));
        return diagnostic_note(reading->source->diagnostics,
                               "there are default, linear, llama3 and yarn");
    }
    if (!check_scaling_fields(reading, index, rope->kind))
        return false;
    if (rope->kind == ROPE_LLAMA3 && rope->low >= rope->high)
        return wrong_order(reading, index, "low", rope->low, "high", rope->high);
    if (rope->kind == ROPE_YARN && rope->beta_slow >= rope->beta_fast)
        return wrong_order(reading, index, "beta_slow", rope->beta_slow, "beta_fast",
                           rope->beta_fast);
    return true;
}

static bool check_dims(const struct reading *reading, int index) {
    struct arena *arena = reading->source->arena;
    const int dims = reading->spec->ropes[index].dims;
    const int head_dim = reading->spec->model.head_dim;
    if (dims % 2 == 0 && dims <= head_dim)
        return true;
    return wrong(reading, arena_format(arena, "%s.dims", rope_names[index]),
                 dims % 2 != 0 ? arena_format(arena, "dims = %d is odd, but RoPE turns pairs", dims)
                               : arena_format(arena, "dims = %d, but a head has head_dim = %d",
                                              dims, head_dim));
}

// Checks what is there of rope and local_rope, and computes how they turn.
static bool read_ropes(const struct reading *reading) {
    struct model *model = &reading->spec->model;
    bool good = true;
    for (int i = 0; i < MODEL_MAX_ROPES; i++) {
        const struct spec_rope *written = &reading->spec->ropes[i];
        if (!value_get(reading->value, rope_names[i]))
            continue;
        if (!check_scaling(reading, i) || !check_dims(reading, i)) {
            good = false;
            continue;
        }
        struct model_rope *rope = &model->ropes[model->rope_count++];
        *rope = (struct model_rope){.name = rope_names[i],
                                    .dims = written->dims > 0 ? written->dims : model->head_dim};
        rope->inverse_frequencies = arena_array(reading->source->arena, (size_t)rope->dims / 2,
                                                sizeof *rope->inverse_frequencies);
        rope->amplitude = rope_frequencies(&written->rope, rope->dims, rope->inverse_frequencies);
    }
    return good;
}

static void set_constants(const struct reading *reading) {
    struct model *model = &reading->spec->model;
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct value *value = field_get(reading->value, fields[i].name);
        if (!fields[i].constant || !value)
            continue;
        struct location at = at_value(reading, fields[i].name);
        bool in_spec = strncmp(at.file, "--set ", 6) != 0;
        const char *stored = (const char *)reading->spec + fields[i].offset;
        struct model_constant constant = {.name = fields[i].constant,
                                          .value = *(const int *)(const void *)stored,
                                          .file = in_spec ? reading->source->shown : at.file,
                                          .line = at.line};
        model->constants = arena_grow(reading->source->arena, model->constants,
                                      (size_t)model->constant_count, sizeof constant);
        model->constants[model->constant_count++] = constant;
    }
}

bool spec_has_field(const char *name) {
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

size_t model_keys(const char *keys[MODEL_MAX_KEYS]) {
    _Static_assert((int)FIELD_COUNT <= (int)MODEL_MAX_KEYS, "a list of all fields must fit");
    size_t count = 0;
    for (int i = 0; i < FIELD_COUNT; i++)
        if (fields[i].kind != FIELD_TABLE && fields[i].kind != FIELD_UNSUPPORTED &&
            strcmp(fields[i].name, "name") != 0 && strcmp(fields[i].name, "family") != 0)
            keys[count++] = fields[i].name;
    return count;
}

// Puts the numbers that the family declares behind the fields that every spec has, and their
// defaults into the value.
static size_t add_numbers(const struct family *family, struct arena *arena, struct value *value,
                          struct field all[SPEC_MAX_FIELDS]) {
    size_t count = FIELD_COUNT;
    memcpy(all, fields, sizeof fields);
    for (size_t i = 0; family && i < family->number_count; i++) {
        const struct value_field *number = &family->numbers[i];
        all[count++] =
            (struct field){.name = number->name, .kind = FIELD_DECLARED, .declared = number->value};
        if (value_get(value, number->name))
            continue;
        struct value *absent = arena_alloc(arena, sizeof *absent);
        *absent = *number->value;
        absent->line = 0; // the family's is none of the spec
        value_table_set(arena, value, number->name, absent);
    }
    return count;
}

static bool apply_overrides(const struct spec_source *source, const struct family *family,
                            struct value *value) {
    const char *known[SPEC_MAX_FIELDS];
    size_t count = model_keys(known);
    for (int i = 0; i < FIELD_COUNT; i++)
        if (fields[i].kind == FIELD_UNSUPPORTED) // to be refused by name
            known[count++] = fields[i].name;
    for (size_t i = 0; family && i < family->number_count; i++)
        known[count++] = family->numbers[i].name;
    return overrides_apply(source->overrides, value, known, count, source->arena,
                           source->diagnostics);
}

static void settle_integer(struct value *value) {
    if (value->kind == VALUE_NUMBER) {
        const int64_t integer = (int64_t)value->number;
        value->kind = VALUE_INTEGER;
        value->integer = integer;
    }
}

// Where an integer is wanted, 256.0 is 256 for the family too, which may make a name of it.
// Requires that fields_read found all right.
static void settle_integers(const struct value *table) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct value *value = field_get(table, fields[i].name);
        if (!value || (fields[i].kind != FIELD_INTEGER && fields[i].kind != FIELD_TOKENS))
            continue;
        settle_integer(value);
        for (size_t k = 0; value->kind == VALUE_LIST && k < value->list.count; k++)
            settle_integer(value->list.items[k]);
    }
}

// Makes of a declared number what it means, and moves it to the end of the table: all specs of one
// family print alike, wherever they come from.
static void settle_number(struct value *table, const struct field *number, struct arena *arena) {
    size_t i = 0;
    while (strcmp(table->table.fields[i].name, number->name) != 0)
        i++;
    struct value *meant = field_declared(number, table->table.fields[i].value, arena);
    table->table.count--;
    memmove(&table->table.fields[i], &table->table.fields[i + 1],
            (table->table.count - i) * sizeof table->table.fields[i]);
    value_table_add(arena, table, number->name, meant);
}

bool spec_read(const struct spec_source *source, const struct family *family, struct value *value,
               struct spec *spec) {
    struct reading reading = {source, value, spec};
    struct field all[SPEC_MAX_FIELDS];
    *spec = (struct spec){0};
    for (int i = 0; i < MODEL_MAX_ROPES; i++)
        spec->ropes[i].rope = (struct rope){.beta_fast = 32, .beta_slow = 1, .truncate = true};
    const bool table = value->kind == VALUE_TABLE;
    const size_t count = add_numbers(table ? family : NULL, source->arena, value, all);
    if (!apply_overrides(source, family, value))
        return false;
    bool good =
        fields_read(all, count, value, &source->fields, spec, source->arena, source->diagnostics);
    good &= check_texts(&reading);
    if (!good)
        return false;
    settle_integers(value);
    for (size_t i = FIELD_COUNT; i < count; i++)
        settle_number(value, &all[i], source->arena);
    good = check_numbers(&reading);
    if (!read_ropes(&reading) || !good)
        return false;
    set_constants(&reading);
    return true;
}
