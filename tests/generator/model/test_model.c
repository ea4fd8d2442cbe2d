#include "generator/model/model.h"

#include "generator/base/file.h"
#include "generator/model/graph.h"
#include "generator/model/names.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUSTEN_CONFIG                                                                              \
    "{\"architectures\": [\"LlamaForCausalLM\"], \"attention_bias\": false, \"bos_token_id\": "    \
    "0,\n"                                                                                         \
    "\"dtype\": \"bfloat16\", \"eos_token_id\": 1, \"head_dim\": 64, \"hidden_act\": \"silu\",\n"  \
    "\"hidden_size\": 256, \"intermediate_size\": 768, \"max_position_embeddings\": 1024,\n"       \
    "\"mlp_bias\": false, \"model_type\": \"llama\", \"num_attention_heads\": 4,\n"                \
    "\"num_hidden_layers\": 4, \"num_key_value_heads\": 2, \"pad_token_id\": null,\n"              \
    "\"pretraining_tp\": 1, \"rms_norm_eps\": 1e-05, \"tie_word_embeddings\": true,\n"             \
    "\"transformers_version\": \"5.17.0\", \"use_cache\": true, \"vocab_size\": 2048,\n"

static const char new_config[] =
    AUSTEN_CONFIG "\"rope_parameters\": {\"rope_theta\": 10000.0, \"rope_type\": \"default\"}}\n";
static const char old_config[] = AUSTEN_CONFIG "\"rope_theta\": 10000.0, \"rope_scaling\": null}\n";

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    const char *folder; // temporary
    struct model model;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->script = script_open(script_default_limits(), &f->diagnostics);
    assert_non_null(f->script);
    f->folder = mkdtemp(arena_format(&f->arena, "%s/model-XXXXXX", temporary_folder()));
    assert_non_null(f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    const char *names[] = {"config.json", "generation_config.json", "spec.lua"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(arena_format(&f->arena, "%s/%s", f->folder, names[i]));
    rmdir(f->folder);
    script_close(f->script);
    diagnostics_close(&f->diagnostics);
    arena_close(&f->arena);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *name, const char *text) {
    const char *path = arena_format(&f->arena, "%s/%s", f->folder, name);
    assert_true(file_write(path, text, strlen(text), &f->diagnostics));
}

static bool load(struct fixture *f, const char *spec, struct override_list *overrides) {
    return model_load(f->script, "specs", spec, overrides, &f->arena, &f->model, &f->diagnostics);
}

static void load_good(struct fixture *f, const char *spec, struct override_list *overrides) {
    if (!load(f, spec, overrides)) {
        diagnostics_print(&f->diagnostics, stderr);
        fail_msg("%s does not load", spec);
    }
}

// The printed model from the first line that does not name the spec's file.
static const char *printed(struct fixture *f) {
    struct text text = {0};
    model_print(&f->model, &text);
    const char *copy = arena_string(&f->arena, text.bytes);
    text_close(&text);
    const char *body = strstr(copy, "\n-- ");
    assert_non_null(body);
    return body;
}

static const struct node *node_of(const struct model *model, const char *tensor) {
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].tensor && strcmp(model->nodes[i].tensor, tensor) == 0)
            return &model->nodes[i];
    fail_msg("no node has the tensor %s", tensor);
    return NULL;
}

static void test_austen(void **state) {
    struct fixture *f = *state;
    load_good(f, "austen-3m", NULL);
    const struct model *m = &f->model;
    assert_string_equal(m->name, "austen-3m");
    assert_string_equal(m->family, "llama");
    assert_string_equal(m->spec_file, "specs/models/austen-3m.lua");
    assert_int_equal(m->hidden, 256);
    assert_int_equal(m->kv_heads, 2);
    assert_true(m->tie_embeddings);
    assert_int_equal(m->bos_count, 1);
    assert_int_equal(m->eos_count, 1);
    assert_int_equal(m->eos[0], 1);
    assert_int_equal(m->node_count, 3 + 4 * 16);
    assert_int_equal(m->nodes[m->node_count - 1].op, OP_LOGITS);
    assert_int_equal(m->nodes[m->node_count - 1].elements, 2048);
    assert_int_equal(m->nodes[m->node_count - 1].columns, 256);
    const struct node *down = node_of(m, "model.layers.3.mlp.down_proj.weight");
    assert_int_equal(down->op, OP_LINEAR);
    assert_int_equal(down->elements, 256);
    assert_int_equal(down->columns, 768);
    assert_int_equal(down->layer, 3);
    assert_string_equal(down->file, "specs/families/llama.lua");
    assert_true(down->line > 0);
    assert_int_equal(node_of(m, "model.norm.weight")->layer, -1);
    // the residual sum after the last layer belongs to it
    assert_int_equal(m->nodes[m->node_count - 3].op, OP_ADD);
    assert_int_equal(m->nodes[m->node_count - 3].layer, 3);
    assert_int_equal(model_parameters(m), 3672320);
    assert_int_equal(model_bytes_per_token(m), 2 * (3672320 + 256));
    assert_int_equal(m->constant_count, 8);
    assert_string_equal(m->constants[0].name, "HIDDEN");
    assert_int_equal(m->constants[0].value, 256);
    assert_string_equal(m->constants[0].file, "specs/models/austen-3m.lua");
    assert_int_equal(m->constants[0].line, 4);
}

// Parameters as the published checkpoints have them (wide-2b: computed by hand), and the last of
// the tokens that end a text.
static void test_shipped_models(void **state) {
    static const struct {
        const char *name;
        int64_t parameters;
        int32_t last_eos;
    } models[] = {
        {"smollm2-135m", 134515008, 0},       {"smollm2-1.7b", 1711376384, 0},
        {"llama-3.2-1b", 1235814400, 128009}, {"llama-3.2-3b", 3212749824, 128009},
        {"llama-3.1-8b", 8030261248, 128009}, {"qwen3-0.6b", 596049920, 151643},
        {"qwen3-8b", 8190735360, 151643},     {"mistral-7b-v0.3", 7248023552, 2},
        {"gemma-3-1b", 999885952, 106},       {"wide-2b", 2309927424, 2},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        load_good(f, models[i].name, NULL);
        if (model_parameters(&f->model) != models[i].parameters)
            fail_msg("%s has %lld parameters", models[i].name,
                     (long long)model_parameters(&f->model));
        assert_int_equal(f->model.eos[f->model.eos_count - 1], models[i].last_eos);
    }
    for (int i = 0, layer = 0; i < f->model.node_count; i++)
        if (f->model.nodes[i].op == OP_ATTENTION)
            assert_int_equal(f->model.nodes[i].window, layer++ < 10 ? 512 : 0);
}

// The spec, the checkpoint's own config.json and the older form of it mean one model.
static void test_same_model_from_config(void **state) {
    struct fixture *f = *state;
    load_good(f, "austen-3m", NULL);
    const char *spec = printed(f);
    spec = strstr(spec, "\n  hidden");
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            write_file(f, "config.json", i == 1 ? new_config : old_config);
        load_good(f, i == 0 ? "specs/checkpoints/austen-3m" : f->folder, NULL);
        const char *folder = strstr(printed(f), "\n  hidden");
        const char *theta = strstr(folder, "theta = 10000.0");
        assert_non_null(theta); // a JSON number with a point is one with a point here
        folder = arena_format(&f->arena, "%.*s%s", (int)(theta - folder) + 13, folder, theta + 15);
        if (strcmp(folder, spec) != 0)
            fail_msg("config %d gives\n%s\nthe spec gives\n%s", i, folder, spec);
        const struct model_constant *hidden = &f->model.constants[0];
        if (i > 0) {
            const char *shown = arena_format(&f->arena, "%s/config.json", f->model.name);
            assert_string_equal(hidden->file, shown);
            assert_int_equal(hidden->line, 3);
        }
    }
}

static void test_generation_config(void **state) {
    struct fixture *f = *state;
    write_file(f, "config.json", new_config);
    write_file(f, "generation_config.json", "{\"eos_token_id\": [1, 7, 2047], \"top_p\": 0.9}");
    load_good(f, f->folder, NULL);
    assert_int_equal(f->model.eos_count, 3);
    assert_int_equal(f->model.eos[1], 7);
    write_file(f, "generation_config.json", "{\"eos_token_id\": [1, 2048]}");
    assert_false(load(f, f->folder, NULL));
    const char *path = arena_format(&f->arena, "%s/generation_config.json", f->folder);
    assert_string_equal(f->diagnostics.items[0].at.file, path);
    assert_int_equal(f->diagnostics.items[0].at.line, 1);
    assert_int_equal(f->diagnostics.items[0].at.column, 2);
}

static void test_rope_of_configs(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *key, *rope;
        double amplitude, last; // last frequency times 10000^(31/32)
    } cases[] = {
        {"rope_parameters", "{\"rope_theta\": 10000, \"rope_type\": \"linear\", \"factor\": 4.0}",
         1, 0.25},
        {"rope_scaling", "{\"type\": \"linear\", \"factor\": 2}", 1, 0.5},
        {"rope_scaling",
         "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 512}",
         1, 0.125},
        {"rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0}", 1.1386294361119891, 0.25},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(
            f, "config.json",
            arena_format(&f->arena, "%s\"%s\": %s}", AUSTEN_CONFIG, cases[i].key, cases[i].rope));
        load_good(f, f->folder, NULL);
        double last = f->model.ropes[0].inverse_frequencies[31] * 7498.942093324558;
        if (!(f->model.ropes[0].amplitude == cases[i].amplitude) ||
            last < cases[i].last * 0.99999 || last > cases[i].last * 1.00001)
            fail_msg("%s: amplitude %.17g, last frequency %.9g of the unscaled one", cases[i].rope,
                     f->model.ropes[0].amplitude, last);
    }
}

static void test_overrides(void **state) {
    struct fixture *f = *state;
    struct override items[] = {
        {"layers", "2", false},  {"context", "4096", false},         {"rope.theta", "5e5", false},
        {"eos", "5,6", false},   {"tie_embeddings", "false", false}, {"cus", "3", false},
        {"name", "other", false}};
    struct override_list overrides = {items, 7};
    load_good(f, "austen-3m", &overrides);
    assert_int_equal(f->model.layers, 2);
    assert_int_equal(f->model.context, 4096);
    assert_int_equal(f->model.node_count, 3 + 2 * 16);
    assert_string_equal(f->model.name, "austen-3m");
    assert_string_equal(f->model.nodes[f->model.node_count - 1].tensor, "lm_head.weight");
    assert_int_equal(f->model.eos_count, 2);
    assert_int_equal(f->model.eos[1], 6);
    assert_true(f->model.ropes[0].inverse_frequencies[31] < 1.0 / 300000);
    for (int i = 0; i < 7; i++)
        if (items[i].used != (i < 5))
            fail_msg("--set %s: used is %d", items[i].key, items[i].used);
    for (int i = 0; i < f->model.constant_count; i++)
        if (strcmp(f->model.constants[i].name, "CONTEXT") == 0)
            assert_string_equal(f->model.constants[i].file, "--set context=4096");
}

static void test_wrong_override(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *key, *value, *file, *message;
    } cases[] = {
        {"layers", "many", "--set layers=many",
         "layers must be an integer from 1 to 1024, not \"many\""},
        {"layers", "99999999999999999999", "--set layers=99999999999999999999",
         "layers must be an integer from 1 to 1024, not 1e+20"},
        {"heads", "3", "specs/models/austen-3m.lua", "kv_heads = 2 does not divide heads = 3"},
        {"dtype", "fp8", "--set dtype=fp8",
         "dtype \"fp8\" is not supported, only \"bf16\", \"fp16\" and \"fp32\""},
        {"experts", "8", "--set experts=8", "mixture of experts is not supported yet (experts)"},
        {"rope.scaling.kind", "linear", "specs/models/austen-3m.lua",
         "RoPE scaling of the kind \"linear\" needs factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct override item = {cases[i].key, cases[i].value, false};
        struct override_list overrides = {&item, 1};
        struct diagnostics diagnostics = {0};
        assert_false(model_load(f->script, "specs", "austen-3m", &overrides, &f->arena, &f->model,
                                &diagnostics));
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].message, cases[i].message);
        assert_string_equal(diagnostics.items[0].at.file, cases[i].file);
        assert_int_equal(diagnostics_exit_status(&diagnostics), 1);
        diagnostics_close(&diagnostics);
    }
}

static void test_unknown_names(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *spec, *message;
    } cases[] = {
        {"austen-3n", "there is no model \"austen-3n\": did you mean \"austen-3m\"?"},
        {"", "there is no model \"\""},
        {"../models/austen-3m", "there is no folder \"../models/austen-3m\""},
        {"/nonexistent/folder", "there is no folder \"/nonexistent/folder\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diagnostics diagnostics = {0};
        assert_false(model_load(f->script, "specs", cases[i].spec, NULL, &f->arena, &f->model,
                                &diagnostics));
        assert_string_equal(diagnostics.items[0].message, cases[i].message);
        diagnostics_close(&diagnostics);
    }
    assert_false(load(f, "nonexistent.lua", NULL));
    assert_false(load(f, f->folder, NULL)); // has no config.json
    assert_int_equal(f->diagnostics.count, 2);
}

// Whatever a config.json holds, loading ends with diagnostics of the user's kind.
static void test_hostile_configs(void **state) {
    struct fixture *f = *state;
    static const char *const keys[] = {
        "hidden_size",        "num_hidden_layers", "vocab_size",      "head_dim",
        "rms_norm_eps",       "eos_token_id",      "rope_parameters", "dtype",
        "model_type",         "layer_types",       "architectures",   "hidden_act",
        "num_key_value_heads"};
    static const char *const values[] = {"null",
                                         "-1",
                                         "1e308",
                                         "9223372036854775807",
                                         "\"\"",
                                         "[]",
                                         "{}",
                                         "[[[[1]]]]",
                                         "false",
                                         "1e-320",
                                         "{\"a\": {\"b\": []}}",
                                         "[null, 1]",
                                         "\"\\ud83d\\ude00 %d %s\""};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *mark = arena_format(&f->arena, "\"%s\":", keys[i]);
            const char *at = strstr(new_config, mark);
            const char *rest = at ? at + strlen(mark) : new_config + 1;
            char *text = arena_format(&f->arena, "%.*s%s %s%s%s", (int)(at ? at - new_config : 1),
                                      new_config, mark, values[j], at ? "" : ", ", rest);
            if (at) { // blank the old value, which ends at the next comma outside braces
                char *old = strstr(text, mark) + strlen(mark) + 1 + strlen(values[j]);
                for (int depth = 0; *old && !(depth == 0 && (*old == ',' || *old == '}')); old++) {
                    depth += (*old == '{') - (*old == '}');
                    *old = ' ';
                }
                if (strncmp(keys[i], "rope", 4) == 0 && *old == '}' && old[1] == '}')
                    *old = ' ';
            }
            write_file(f, "config.json", text);
            struct diagnostics diagnostics = {0};
            struct arena arena = {0};
            bool good =
                model_load(f->script, "specs", f->folder, NULL, &arena, &f->model, &diagnostics);
            if (good != (diagnostics.count == 0) ||
                (!good && diagnostics_exit_status(&diagnostics) != DIAGNOSTIC_USER))
                fail_msg("%s = %s: loaded %d with %zu diagnostics", keys[i], values[j], good,
                         diagnostics.count);
            arena_close(&arena);
            diagnostics_close(&diagnostics);
        }
}

static void test_truncated_config(void **state) {
    struct fixture *f = *state;
    for (size_t length = 0; length + 2 < sizeof new_config; length += 7) {
        struct diagnostics diagnostics = {0};
        write_file(f, "config.json", arena_format(&f->arena, "%.*s", (int)length, new_config));
        assert_false(
            model_load(f->script, "specs", f->folder, NULL, &f->arena, &f->model, &diagnostics));
        assert_int_equal(diagnostics.count, 1);
        diagnostics_close(&diagnostics);
    }
}

// A graph of more nodes than any model has is stopped.
static void test_node_bound(void **state) {
    struct fixture *f = *state;
    const struct model model = {.vocab = 8, .layers = 1};
    struct graph graph = {.arena = &f->arena, .model = &model, .file = "x.lua", .path = "x.lua"};
    struct tensor_name tensor;
    assert_true(graph_plain_tensor(&graph, "embed", &tensor));
    struct op_call call = {.op = OP_EMBED, .tensor = &tensor, .rows = 8, .columns = 4};
    assert_int_equal(graph_add(&graph, &call), 0);
    call = (struct op_call){.op = OP_SILU};
    for (int i = 1; i < GRAPH_MAX_NODES; i++)
        assert_int_equal(graph_add(&graph, &call), i);
    assert_int_equal(graph_add(&graph, &call), -1);
    assert_string_equal(graph.message, "the graph has more than 65536 nodes");
}

static void test_tensor_names(void **state) {
    struct fixture *f = *state;
    const struct model model = {.layers = 2};
    struct graph graph = {.arena = &f->arena, .model = &model};
    struct tensor_name tensor;
    assert_true(graph_tensor(&graph, "layers.%d.", 1, "weight", &tensor));
    assert_string_equal(tensor.bytes, "layers.1.weight");
    assert_int_equal(tensor.layer, 1);
    static const char *const formats[] = {"layers", "%s", "%d%d", "%", "%5d", "a b%d", "\n%d"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (graph_tensor(&graph, formats[i], 0, "x", &tensor))
            fail_msg("the format \"%s\" was accepted", formats[i]);
    assert_false(graph_tensor(&graph, "%d", 2, "x", &tensor));
    assert_false(graph_tensor(&graph, "%d", -1, "x", &tensor));
    char *longest = arena_alloc(&f->arena, 100000);
    memset(longest, 'x', 99999);
    assert_false(graph_tensor(&graph, "%d", 0, longest, &tensor));
    longest[TENSOR_NAME_MAX_BYTES] = '\0';
    assert_true(graph_plain_tensor(&graph, longest, &tensor));
    assert_false(graph_tensor(&graph, "%d", 0, longest, &tensor));
    assert_false(graph_plain_tensor(&graph, "", &tensor));
}

static void test_shown_paths(void **state) {
    struct fixture *f = *state;
    struct arena *a = &f->arena;
    assert_string_equal(path_shown(a, "/usr/share/specs", "/usr/share/specs/models/x.lua"),
                        "specs/models/x.lua");
    assert_string_equal(path_shown(a, "specs/", "specs/models/x.lua"), "specs/models/x.lua");
    assert_string_equal(path_shown(a, ".", "./models/x.lua"), "specs/models/x.lua");
    assert_string_equal(path_shown(a, "specs", "specs2/x.lua"), "specs2/x.lua");
    assert_string_equal(path_shown(a, "specs", "/home/someone/x.lua"), "x.lua");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_austen),
        TEST(test_shipped_models),
        TEST(test_same_model_from_config),
        TEST(test_generation_config),
        TEST(test_rope_of_configs),
        TEST(test_overrides),
        TEST(test_wrong_override),
        TEST(test_unknown_names),
        TEST(test_hostile_configs),
        TEST(test_truncated_config),
        TEST(test_node_bound),
        TEST(test_tensor_names),
        TEST(test_shown_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
