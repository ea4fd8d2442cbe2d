// Rule `form`, third part: names are identifiers of C++, are unique, and mean something; words are
// those that templates, engines and preludes know.
#include "generator/plan/check_rules.h"

#include "generator/model/names.h"
#include "generator/plan/engine.h"

#include <stdio.h>
#include <string.h>

bool form_is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void want_word(struct checking *checking, const char *what, const char *word,
                      const char *const *words) {
    if (form_is_one_of(word, words))
        return;
    char list[256] = "";
    for (size_t length = 0; *words && length < sizeof list; words++)
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", length ? ", " : "",
                                   *words);
    violation(checking, "%s '%.60s' is none of: %s", what, word, list);
}

// A name that emitted code declares: lower case, as templates make upper-case ones of some.
static void want_identifier(struct checking *checking, const char *what, const char *name) {
    static const char *const reserved[] = {
        "alignas",  "alignof",   "and",     "and_eq",   "asm",       "auto",     "bf16",
        "bitand",   "bitor",     "bool",    "break",    "case",      "catch",    "char",
        "class",    "compl",     "concept", "const",    "constexpr", "continue", "decltype",
        "default",  "delete",    "do",      "double",   "else",      "enum",     "explicit",
        "export",   "extern",    "false",   "float",    "for",       "fp16",     "fp32",
        "friend",   "goto",      "if",      "inline",   "int",       "linux",    "long",
        "mutable",  "namespace", "new",     "noexcept", "not",       "not_eq",   "nullptr",
        "operator", "or",        "or_eq",   "private",  "protected", "public",   "register",
        "requires", "return",    "short",   "signed",   "sizeof",    "static",   "struct",
        "switch",   "template",  "this",    "throw",    "true",      "try",      "typedef",
        "typeid",   "typename",  "u16",     "u32",      "u64",       "u8",       "union",
        "unix",     "unsigned",  "using",   "virtual",  "void",      "volatile", "while",
        "xor",      "xor_eq",    NULL};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const size_t length = strlen(name);
    if (length == 0 || length > 48 || name[0] < 'a' || name[0] > 'z' ||
        strspn(name, letters) != length || strstr(name, "__") || form_is_one_of(name, reserved))
        violation(checking, "%s '%.60s' is no lower-case identifier of C++", what, name);
}

// A name that becomes part of a file name.
static void want_plain(struct checking *checking, const char *what, const char *name) {
    if (!name_is_plain(name))
        violation(checking, "%s '%.60s' must be made of letters, digits, '.', '_' and '-'", what,
                  name);
}

#define WANT_UNIQUE_IDENTIFIERS(list, what)                                                        \
    for (int i = 0; i < plan->list##_count; i++) {                                                 \
        want_identifier(checking, what, plan->list[i].name);                                       \
        for (int j = 0; j < i; j++)                                                                \
            if (strcmp(plan->list[i].name, plan->list[j].name) == 0)                               \
                violation(checking, "%s '%s' is there twice", what, plan->list[i].name);           \
    }

static void check_names(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    WANT_UNIQUE_IDENTIFIERS(bodies, "body")
    WANT_UNIQUE_IDENTIFIERS(partitions, "partition")
    WANT_UNIQUE_IDENTIFIERS(mailboxes, "mailbox")
    WANT_UNIQUE_IDENTIFIERS(regions, "region")
    WANT_UNIQUE_IDENTIFIERS(lds, "LDS array")
    want_plain(checking, "model", plan->model);
    want_plain(checking, "target", plan->machine.name);
    want_plain(checking, "isa", plan->machine.isa);
}

// The words of a body, and those that each op can have.
static void check_words(struct checking *checking, const struct plan_body *body) {
    static const char *const ops[] = {"embed",    "linear", "attention", "merge",
                                      "residual", "select", "token",     NULL};
    static const char *const inputs[] = {"mailbox", "residual", "none", NULL};
    static const char *const prologues[] = {"rmsnorm", "plain", "none", NULL};
    static const char *const epilogues[] = {"rows", "gate", "residual", "logits", "none", NULL};
    static const char *const activations[] = {"silu", "gelu", "gelu_tanh", "none", NULL};
    static const char *const precisions[] = {"fp32", "bf16x2", "fp16x3", "none", NULL};
    static const char *const norms[] = {"head", "all", "none", NULL};
    const struct {
        const char *what, *word;
        const char *const *words;
    } known[] = {
        {"op", body->op, ops},
        {"input", body->input, inputs},
        {"prologue", body->prologue, prologues},
        {"epilogue", body->epilogue, epilogues},
        {"activation", body->activation, activations},
        {"precision", body->precision, precisions},
        {"q_norm", body->q_norm, norms},
        {"k_norm", body->k_norm, norms},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char what[96];
        snprintf(what, sizeof what, "%s of body %.48s", known[i].what, body->name);
        want_word(checking, what, known[i].word, known[i].words);
    }
}

static void check_body(struct checking *checking, const struct plan_body *body) {
    static const char *const kinds[] = {"pairs", NULL};
    static const char *const scopes[] = {"same CU", "same XCD", "across XCDs", NULL};
    const struct plan_plan *plan = checking->plan;
    char what[96];
    check_words(checking, body);
    if (!plan_partition_named(plan, body->partition))
        violation(checking, "body %s: there is no partition '%.60s'", body->name, body->partition);
    for (int i = 0; i < body->reads_count; i++) {
        snprintf(what, sizeof what, "kind of read %d of body %.48s", i, body->name);
        want_word(checking, what, body->reads[i].kind, kinds);
        snprintf(what, sizeof what, "scope of read %d of body %.48s", i, body->name);
        want_word(checking, what, body->reads[i].scope, scopes);
    }
}

static void want_mailbox(struct checking *checking, int stage, const char *does, const char *name) {
    if (name && !plan_mailbox_named(checking->plan, name))
        violation(checking, "stage %d %s '%.60s': there is no such mailbox", stage, does, name);
}

static void check_stages(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int64_t packed_rows = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = plan_body_named(plan, stage->body);
        if (!body) {
            violation(checking, "stage %d: there is no body '%.60s'", s, stage->body);
            continue;
        }
        want_mailbox(checking, s, "reads from", stage->reads_from);
        want_mailbox(checking, s, "writes to", stage->writes_to);
        packed_rows += body->rows;
        for (int i = 0; i < stage->parts_count; i++)
            packed_rows += stage->parts[i].rows;
        if (stage->region && !plan_region_named(plan, stage->region))
            violation(checking, "stage %d (%s): there is no region '%.60s'", s, stage->body,
                      stage->region);
    }
    if (packed_rows > CHECK_MAX_PACKED_ROWS)
        violation(checking, "the stages have %lld rows, at most %d are supported",
                  (long long)packed_rows, CHECK_MAX_PACKED_ROWS);
}

// The constants that templates name, and the sizes they repeat.
static void check_constants(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_shape *shape = &plan->shape;
    const struct {
        const char *name;
        int value;
    } known[] = {
        {"HIDDEN", shape->hidden},     {"LAYERS", shape->layers}, {"VOCAB", shape->vocab},
        {"MLP", shape->mlp},           {"HEADS", shape->heads},   {"KV_HEADS", shape->kv_heads},
        {"HEAD_DIM", shape->head_dim}, {"CONTEXT", -1}, // the model's own
    };
    enum { KNOWN = sizeof known / sizeof known[0] };
    int seen[KNOWN] = {0};
    for (int i = 0; i < plan->constants_count; i++) {
        const struct plan_constant *constant = &plan->constants[i];
        int k = 0;
        while (k < KNOWN && strcmp(known[k].name, constant->name) != 0)
            k++;
        if (k == KNOWN)
            violation(checking, "there is no constant '%.60s'", constant->name);
        else if (seen[k]++)
            violation(checking, "constant %s is there twice", constant->name);
        else if (known[k].value < 0
                     ? constant->value < shape->context || constant->value > CHECK_MAX_INT
                     : constant->value != known[k].value)
            violation(checking, "constant %s = %lld does not go with the shape, %d", constant->name,
                      (long long)constant->value,
                      known[k].value < 0 ? shape->context : known[k].value);
    }
    for (int k = 0; k < KNOWN; k++)
        if (!seen[k] && known[k].value >= 0)
            violation(checking, "constant %s is missing", known[k].name);
}

static void check_arguments(struct checking *checking) {
    static const struct plan_argument wanted[] = {
#define KERNEL_ARGUMENT(type, name, bytes) {#name, type, bytes},
#define KERNEL_TRACE_ARGUMENT(type, name, bytes) {#name, type, bytes}, // the last
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    };
    const struct plan_plan *plan = checking->plan;
    const int count = (int)(sizeof wanted / sizeof wanted[0]) - (plan->trace ? 0 : 1);
    if (plan->arguments_count != count)
        violation(checking, "the kernel has %d arguments, the runtime passes %d",
                  plan->arguments_count, count);
    for (int i = 0; i < plan->arguments_count && i < count; i++) {
        const struct plan_argument *argument = &plan->arguments[i];
        if (strcmp(argument->name, wanted[i].name) != 0 ||
            strcmp(argument->type, wanted[i].type) != 0 || argument->bytes != wanted[i].bytes)
            violation(checking,
                      "argument %d is '%.60s' '%.60s' of %d bytes, the runtime passes "
                      "'%s' '%s' of %d",
                      i, argument->type, argument->name, argument->bytes, wanted[i].type,
                      wanted[i].name, wanted[i].bytes);
    }
}

// What templates/device/<prelude>.h is made for.
static const struct prelude {
    const char *name, *backend, *compiler;
    const char *engines; // "a|b"
    int wave_lanes;
} preludes[] = {
    {"host", "host", "cxx", "rows_scalar", 1},
    {"gfx942", "hip", "comgr", "rows_vgpr", 64},
    {"sm90", "cuda", "nvrtc", "ring_mma|rows_vgpr", 32},
};

static void check_prelude(struct checking *checking) {
    const struct plan_machine *machine = &checking->plan->machine;
    for (size_t i = 0; i < sizeof preludes / sizeof preludes[0]; i++) {
        const struct prelude *prelude = &preludes[i];
        if (strcmp(prelude->name, machine->prelude) != 0)
            continue;
        if (strcmp(prelude->backend, machine->backend) != 0 ||
            strcmp(prelude->compiler, machine->compiler) != 0 ||
            !word_is_one_of(prelude->engines, checking->plan->engine.name) ||
            prelude->wave_lanes != machine->wave_lanes)
            violation(checking,
                      "prelude %s goes with backend %s, compiler %s, engine %s and waves of %d "
                      "lanes, not with %.30s, %.30s, %.30s and %d",
                      prelude->name, prelude->backend, prelude->compiler, prelude->engines,
                      prelude->wave_lanes, machine->backend, machine->compiler,
                      checking->plan->engine.name, machine->wave_lanes);
        return;
    }
    violation(checking, "there is no prelude '%.60s'", machine->prelude);
}

// A compiler can be told to run or to write what it should not: only what tunes code may be asked.
// Beginnings of options, of each compiler.
static const struct allowed_options {
    const char *compiler;
    const char *prefixes[10];
} allowed_options[] = {
    {"cxx", {"-O", "-std=", "-march=", "-mtune=", "-g", "-ffp-contract=", "-fno-math-errno", NULL}},
    {"comgr",
     {"-O", "-std=", "-mcode-object-version=", "-g", "-ffp-contract=", "-fno-math-errno",
      "-mllvm=-disable-machine-licm", NULL}},
    {"nvrtc",
     {"-std=", "--std=", "--gpu-architecture=sm_",
      "--fmad=", "--maxrregcount=", "--extra-device-vectorization", "--generate-line-info", NULL}},
};

static bool option_is_allowed(const char *compiler, const char *option) {
    for (size_t i = 0; i < sizeof allowed_options / sizeof *allowed_options; i++)
        if (strcmp(allowed_options[i].compiler, compiler) == 0)
            for (const char *const *prefix = allowed_options[i].prefixes; *prefix; prefix++)
                if (strncmp(option, *prefix, strlen(*prefix)) == 0)
                    return true;
    return false;
}

static void check_compiler_options(struct checking *checking) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-=";
    const struct plan_machine *machine = &checking->plan->machine;
    for (int i = 0; i < machine->compiler_options_count; i++) {
        const char *option = machine->compiler_options[i];
        const size_t length = strlen(option);
        if (!option_is_allowed(machine->compiler, option) || length > 64 ||
            strspn(option, letters) != length)
            violation(checking, "compiler option '%.60s' is none that a plan may ask of %.30s",
                      option, machine->compiler);
    }
}

static void check_engine(struct checking *checking) {
    const struct plan_engine *engine = &checking->plan->engine;
    const struct engine *row = engine_named(engine->name);
    if (!row) {
        violation(checking, "there is no engine '%.60s'", engine->name);
        return;
    }
    const char *dtype = checking->plan->shape.weight_dtype;
    const struct plan_machine *machine = &checking->plan->machine;
    bool there = false;
    for (int i = 0; engine_unit_bytes(row, i, machine->wave_lanes); i++)
        there |= engine->unit_bytes == engine_unit_bytes(row, i, machine->wave_lanes);
    if (!there || (int64_t)engine->unit_elements * dtype_bytes(dtype) != engine->unit_bytes)
        violation(checking, "engine %s has no units of %d bytes, %d weights in %s", row->name,
                  engine->unit_bytes, engine->unit_elements, dtype);
    if (!engine_multiplies(row, dtype))
        violation(checking, "engine %s does not multiply %s", row->name, dtype);
    want_word(checking, "order of a unit", engine->unit_order,
              (const char *const[]){row->unit_order, NULL});
    if (engine->activation_parts != engine_activation_parts(row, dtype))
        violation(checking, "engine %s takes activations in %d parts beside %s, not in %d",
                  row->name, engine_activation_parts(row, dtype), dtype, engine->activation_parts);
    want_word(checking, "attention", engine->attention,
              (const char *const[]){engine_attention(row, &checking->plan->shape), NULL});
    const int attending = engine_attending_waves(row, &checking->plan->shape,
                                                 machine->streaming_waves, machine->handoff_waves);
    if (engine->attending_waves != attending)
        violation(checking, "%d waves take part in attention, not %d", attending,
                  engine->attending_waves);
    const int copy_bytes = engine_copy_bytes(row, engine->unit_bytes, machine->streaming_waves);
    const int least = copy_bytes > 0 ? machine->streaming_waves : 0;
    const int most = copy_bytes > 0 ? ENGINE_MAX_RING_COPIES : 0;
    if (engine->copy_bytes != copy_bytes || engine->ring_copies < least ||
        engine->ring_copies > most || machine->copy_waves != (copy_bytes > 0))
        violation(checking,
                  "engine %s copies %d bytes at a time to a ring of %d to %d with %d waves, not %d "
                  "bytes to one of %d with %d",
                  row->name, copy_bytes, least, most, copy_bytes > 0, engine->copy_bytes,
                  engine->ring_copies, machine->copy_waves);
    if ((engine->prefetch_units > 0) != (row->prefetch_bytes > 0) ||
        engine->prefetch_units > ENGINE_MAX_PREFETCH_UNITS)
        violation(checking, "engine %s cannot prefetch %d units", row->name,
                  engine->prefetch_units);
    if (copy_bytes > 0 && engine->prefetch_units > engine->ring_copies)
        violation(checking, "%d copies under way are more than the %d places of the ring",
                  engine->prefetch_units, engine->ring_copies);
    if (engine->expected_bytes < 0 || engine->expected_bytes > ENGINE_MAX_EXPECTED_BYTES ||
        (copy_bytes > 0 ? engine->expected_bytes % copy_bytes : engine->expected_bytes) != 0)
        violation(checking, "engine %s, which copies %d bytes at a time, cannot ask for %d ahead",
                  row->name, copy_bytes, engine->expected_bytes);
    if (engine->handoff_batch < 1 || engine->handoff_batch > ENGINE_MAX_HANDOFF_BATCH)
        violation(checking, "a hand-off batch must be 1 to %d pairs, not %d",
                  ENGINE_MAX_HANDOFF_BATCH, engine->handoff_batch);
}

void form_names(struct checking *checking) {
    static const char *const unrolls[] = {"inline", "loop", NULL};
    static const char *const weight_dtypes[] = {"bf16", "fp16", "fp32", NULL};
    static const char *const residuals[] = {"owned", "everywhere", NULL};
    static const char *const traces[] = {"on", NULL};
    static const char *const holdings[] = {"norm", "bias", NULL};
    static const char *const kv_dtypes[] = {"bf16", "fp32", NULL};
    static const char *const layouts[] = {"tiles", "rows", NULL};
    static const char *const lds_types[] = {
#define LDS_TYPE(name, bytes) #name,
#include "generator/plan/lds_types.def"
#undef LDS_TYPE
        NULL};
    static const char *const lds_sharers[] = {"product", "attention", NULL};
    const struct plan_plan *plan = checking->plan;
    check_names(checking);
    for (int b = 0; b < plan->bodies_count; b++)
        check_body(checking, &plan->bodies[b]);
    check_stages(checking);
    check_constants(checking);
    check_arguments(checking);
    check_prelude(checking);
    check_compiler_options(checking);
    check_engine(checking);
    want_word(checking, "unroll", plan->unroll, unrolls);
    want_word(checking, "residual", plan->residual, residuals);
    if (plan->trace)
        want_word(checking, "trace", plan->trace, traces);
    for (int i = 0; i < plan->vectors_count; i++)
        want_word(checking, "what a vector holds", plan->vectors[i].holds, holdings);
    want_word(checking, "weight dtype", plan->shape.weight_dtype, weight_dtypes);
    want_word(checking, "KV dtype", plan->shape.kv_dtype, kv_dtypes);
    for (int i = 0; i < plan->regions_count; i++)
        want_word(checking, "layout", plan->regions[i].layout, layouts);
    for (int i = 0; i < plan->lds_count; i++) {
        want_word(checking, "LDS type", plan->lds[i].type, lds_types);
        if (plan->lds[i].shared)
            want_word(checking, "what shares LDS", plan->lds[i].shared, lds_sharers);
    }
    const struct plan_embedding *embedding = &plan->embedding;
    if (!plan_region_named(plan, embedding->region))
        violation(checking, "embedding: there is no region '%.60s'", embedding->region);
    if (embedding->body && !plan_body_named(plan, embedding->body))
        violation(checking, "embedding: there is no body '%.60s'", embedding->body);
}
