// Specs: a Lua file as a model, a family or a target, whichever constructor it calls as
// specs are written to.
#include "generator/model/model.h"
#include "generator/model/names.h"
#include "generator/target/target.h"
#include "tests/fuzz/input.h"

#include <string.h>
#include <unistd.h>

static void load_model(struct arena *arena, const char *specs, const char *spec) {
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(input_script_limits, &diagnostics);
    struct model model;
    struct text printed = {0};
    if (model_load(script, specs, spec, NULL, arena, &model, &diagnostics)) {
        input_require(model.node_count > 0, "a model has a graph");
        model_print(&model, &printed);
    } else {
        input_require_reason(&diagnostics);
    }
    text_close(&printed);
    script_close(script);
    diagnostics_close(&diagnostics);
}

static void load_target(struct arena *arena, const char *path) {
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(input_script_limits, &diagnostics);
    struct target target;
    if (target_load(script, "specs", path, NULL, arena, &target, &diagnostics))
        input_require(target.xcd_count > 0 && target.default_cus > 0, "a target has CUs");
    else
        input_require_reason(&diagnostics);
    script_close(script);
    diagnostics_close(&diagnostics);
}

// The name that a family gives itself: its file must be called so.
static const char *family_name(struct arena *arena, const char *source) {
    const char *at = strstr(source, "name = \"");
    if (!at)
        return "fuzzed";
    at += strlen("name = \"");
    const char *name = arena_bytes(arena, at, strcspn(at, "\""));
    return name_is_plain(name) ? name : "fuzzed";
}

// A small model of the family, once as a spec and once as a config.json.
static void load_family(struct arena *arena, const char *source) {
    const char *name = family_name(arena, source);
    const char *family =
        input_file(arena, arena_format(arena, "families/%s.lua", name), source, strlen(source));
    const char *spec = arena_format(
        arena,
        "model { name = \"small\", family = \"%s\", dtype = \"bf16\", hidden = 64, layers = 2,\n"
        "  vocab = 96, mlp = 48, heads = 4, kv_heads = 2, head_dim = 16, context = 32,\n"
        "  norm_eps = 1e-5, rope = { theta = 10000 } }\n",
        name);
    load_model(arena, input_folder(), input_file(arena, "model.lua", spec, strlen(spec)));
    const char *config = arena_format(
        arena,
        "{ \"model_type\": \"%s\", \"hidden_size\": 64, \"num_hidden_layers\": 2,\n"
        "  \"vocab_size\": 96, \"intermediate_size\": 48, \"num_attention_heads\": 4,\n"
        "  \"num_key_value_heads\": 2, \"torch_dtype\": \"bfloat16\", \"rms_norm_eps\": 1e-5,\n"
        "  \"eos_token_id\": [1, 2], \"rope_scaling\": { \"rope_type\": \"linear\", \"factor\": 2 "
        "} }\n",
        name);
    input_file(arena, "config/config.json", config, strlen(config));
    load_model(arena, input_folder(), arena_format(arena, "%s/config", input_folder()));
    input_file_remove(family);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    const char *source = arena_bytes(&arena, (const char *)bytes, size);
    if (strstr(source, "family {"))
        load_family(&arena, source);
    else if (strstr(source, "target {"))
        load_target(&arena, input_file(&arena, "target.lua", bytes, size));
    else
        load_model(&arena, "specs", input_file(&arena, "spec.lua", bytes, size));
    arena_close(&arena);
    return 0;
}
