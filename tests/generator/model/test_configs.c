// Hugging Face configs: the older form of each reference config means the same model as the newer
// one, and what is absent, null or written in another way means what it means to transformers.
#include "generator/base/file.h"
#include "generator/model/graph.h"
#include "generator/model/model.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HERE "tests/generator/model"

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->script = script_open(script_default_limits(), &f->diagnostics);
    assert_non_null(f->script);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    script_close(f->script);
    diagnostics_close(&f->diagnostics);
    arena_close(&f->arena);
    free(f);
    return 0;
}

static void load(struct fixture *f, const char *folder, struct model *model) {
    if (!model_load(f->script, "specs", folder, NULL, &f->arena, model, &f->diagnostics))
        fail_msg("%s", printed_diagnostics(&f->diagnostics));
}

// The printed model without the line that spells the parameters of RoPE: below it stands what they
// mean, and what they leave out is not spelled.
static const char *printed(struct fixture *f, const char *folder) {
    struct model model;
    struct text text = {0};
    load(f, folder, &model);
    model_print(&model, &text);
    char *copy = arena_string(&f->arena, text.bytes);
    text_close(&text);
    char *rope = strstr(copy, "\n  rope = ");
    assert_non_null(rope);
    memmove(rope, rope + 1 + strcspn(rope + 1, "\n"),
            strlen(rope + 1 + strcspn(rope + 1, "\n")) + 1);
    return copy;
}

static void test_older_forms(void **state) {
    struct fixture *f = *state;
    int count = 0;
    DIR *folder = opendir(HERE "/configs/new");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        const char *new =
            printed(f, arena_format(&f->arena, HERE "/configs/new/%s", entry->d_name));
        const char *old =
            printed(f, arena_format(&f->arena, HERE "/configs/old/%s", entry->d_name));
        if (strcmp(new, old) != 0)
            fail_msg("%s: the newer config gives\n%s\nthe older one\n%s", entry->d_name, new, old);
    }
    closedir(folder);
    assert_int_equal(count, 13);
}

static void add_tokens(struct text *text, const char *name, const int32_t *tokens, int count) {
    text_format(text, " %s ", name);
    for (int i = 0; i < count; i++)
        text_format(text, "%s%d", i ? "," : "", tokens[i]);
    text_append(text, count == 0 ? "-" : "");
}

// A number of the spec, 0 where it has none.
static double number_of(const struct value *table, const char *name) {
    const struct value *value = value_get(table, name);
    return !value                         ? 0
           : value->kind == VALUE_INTEGER ? (double)value->integer
           : value->kind == VALUE_NUMBER  ? value->number
                                          : 0;
}

static void add_rope(struct text *text, const struct model *model, const char *name,
                     const char *shown) {
    const struct value *rope = value_get(model->spec, name);
    if (!rope)
        return;
    const struct value *scaling = value_get(rope, "scaling"), *kind = value_get(scaling, "kind");
    text_format(text, " %s %.15g %s", shown, number_of(rope, "theta"),
                kind ? kind->string : "default");
    if (scaling)
        text_format(text, " %.15g", number_of(scaling, "factor"));
    if (value_get(scaling, "original_context"))
        text_format(text, " %.15g", number_of(scaling, "original_context"));
}

// Which projections have biases: query (as key and value), output, MLP.
static void add_biases(struct text *text, const struct model *model) {
    static const char *const parts[] = {".q_proj.", ".o_proj.", ".down_proj."};
    text_append(text, " biases ");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool biased = false;
        for (int j = 0; j < model->node_count; j++)
            biased |= model->nodes[j].bias && strstr(model->nodes[j].bias, parts[i]);
        text_append(text, biased ? "1" : "0");
    }
}

static const struct node *attention_of(const struct model *model, int layer) {
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].op == OP_ATTENTION && model->nodes[i].layer == layer)
            return &model->nodes[i];
    fail_msg("layer %d has no attention", layer);
    return NULL;
}

// In windowed layers, what turns q is local_rope where there is one, elsewhere rope.
static void check_turns(const struct model *model) {
    for (int i = 0; i < model->layers; i++) {
        const struct node *attention = attention_of(model, i);
        const char *name = model->ropes[model->nodes[attention->inputs[0]].rope].name;
        bool local = attention->window > 0 && value_get(model->spec, "local_rope");
        assert_string_equal(name, local ? "local_rope" : "rope");
    }
}

static const char *facts_of(struct fixture *f, const struct model *m) {
    struct text text = {0};
    text_format(&text, "%d %d %d/%dx%d %d vocab %d context %d eps %.15g tied %d", m->hidden,
                m->layers, m->heads, m->kv_heads, m->head_dim, m->mlp, m->vocab, m->context,
                m->norm_eps, m->tie_embeddings);
    add_tokens(&text, "bos", m->bos, m->bos_count);
    add_tokens(&text, "eos", m->eos, m->eos_count);
    for (int i = 0; i < m->node_count; i++)
        if (m->nodes[i].op == OP_SILU || m->nodes[i].op == OP_GELU ||
            m->nodes[i].op == OP_GELU_TANH) {
            text_format(&text, " %s windows ", op_name(m->nodes[i].op));
            break;
        }
    for (int i = 0; i < m->layers; i++)
        text_format(&text, "%s%d", i ? "," : "", attention_of(m, i)->window);
    text_format(&text, " scale %.9g caps %.15g %.15g", attention_of(m, 0)->scale,
                attention_of(m, 0)->softcap, m->nodes[m->node_count - 1].softcap);
    add_biases(&text, m);
    add_rope(&text, m, "rope", "rope");
    add_rope(&text, m, "local_rope", "local");
    check_turns(m);
    const char *copy = arena_string(&f->arena, text.bytes);
    text_close(&text);
    return copy;
}

static void test_facts(void **state) {
    struct fixture *f = *state;
    size_t length;
    int count = 0, wrong = 0;
    const char *at =
        file_read(&f->arena, HERE "/config_facts.txt", 1 << 20, &length, &f->diagnostics);
    char *folder = arena_format(&f->arena, "%s/config-XXXXXX", temporary_folder());
    assert_non_null(mkdtemp(folder));
    const char *path = arena_format(&f->arena, "%s/config.json", folder);
    while (at && *at) {
        size_t line = strcspn(at, "\n");
        const char *config = at;
        at += line + 1;
        if (*config == '#')
            continue;
        const char *expected = arena_bytes(&f->arena, at, strcspn(at, "\n"));
        at += strlen(expected) + 1;
        assert_true(file_write(path, config, line, &f->diagnostics));
        struct model model;
        load(f, folder, &model);
        const char *facts = facts_of(f, &model);
        count++;
        if (strcmp(facts, expected) != 0) {
            wrong++;
            print_error("%.*s\ngives    %s\nexpected %s\n", (int)line, config, facts, expected);
        }
    }
    unlink(path);
    rmdir(folder);
    assert_int_equal(wrong, 0);
    assert_true(count >= 30);
}

// Whatever a key holds, the family answers at the config: no error of Lua gets out of it.
static void test_hostile_values(void **state) {
    static const char *const types[] = {"llama",  "mistral",     "qwen2", "qwen3",
                                        "gemma2", "gemma3_text", "gemma3"};
    static const char *const keys[] = {"sliding_window",
                                       "layer_types",
                                       "rope_parameters",
                                       "rope_scaling",
                                       "rope_theta",
                                       "rope_local_base_freq",
                                       "sliding_window_pattern",
                                       "use_sliding_window",
                                       "max_window_layers",
                                       "partial_rotary_factor",
                                       "query_pre_attn_scalar",
                                       "final_logit_softcapping",
                                       "attn_logit_softcapping",
                                       "hidden_act",
                                       "hidden_activation",
                                       "attention_bias",
                                       "head_dim",
                                       "num_key_value_heads",
                                       "text_config",
                                       "torch_dtype",
                                       "eos_token_id",
                                       "original_max_position_embeddings",
                                       "max_position_embeddings",
                                       "tie_word_embeddings"};
    static const char *const values[] = {
        "null",
        "-1",
        "0",
        "2.5",
        "1e308",
        "9223372036854775807",
        "\"\"",
        "[]",
        "{}",
        "true",
        "[[1], null, \"x\"]",
        "[\"sliding_attention\", \"full_attention\"]",
        "{\"full_attention\": 5, \"sliding_attention\": []}",
        "{\"full_attention\": {\"factor\": {}}, \"sliding_attention\": {\"rope_theta\": []}}",
        "{\"rope_type\": \"linear\", \"factor\": \"x\", \"rope_theta\": {}}",
        "{\"type\": [], \"factor\": 0}",
        "{\"rope_type\": \"yarn\", \"factor\": null}",
        "{\"rope_type\": \"llama3\", \"original_max_position_embeddings\": \"\"}"};
    struct fixture *f = *state;
    char *folder = arena_format(&f->arena, "%s/hostile-XXXXXX", temporary_folder());
    assert_non_null(mkdtemp(folder));
    const char *path = arena_format(&f->arena, "%s/config.json", folder);
    int wrong = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types * (sizeof keys / sizeof *keys); i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *type = types[i / (sizeof keys / sizeof *keys)];
            const char *key = keys[i % (sizeof keys / sizeof *keys)];
            const bool inner = strcmp(type, "gemma3") == 0 && strcmp(key, "text_config") != 0;
            struct arena arena = {0};
            struct diagnostics diagnostics = {0};
            struct model model;
            const char *text = arena_format(
                &arena,
                "{\"model_type\": \"%s\",%s \"hidden_size\": 64, \"num_hidden_layers\": 2,\n"
                "\"num_attention_heads\": 4, \"intermediate_size\": 96, \"vocab_size\": 99,\n"
                "\"%s\": %s}%s",
                type, inner ? " \"text_config\": {" : "", key, values[j], inner ? "}" : "");
            FILE *file = fopen(path, "w"); // file_write would wait for the disk, thousands of times
            assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
            bool good = model_load(f->script, "specs", folder, NULL, &arena, &model, &diagnostics);
            bool located = diagnostics.count > 0 && diagnostics.items[0].at.file &&
                           strcmp(diagnostics.items[0].at.file, path) == 0;
            if (good ? diagnostics.count > 0 : !located) {
                wrong++;
                print_error("%s, %s = %s: %s\n", type, key, values[j],
                            good ? "accepted" : printed_diagnostics(&diagnostics));
            }
            diagnostics_close(&diagnostics);
            arena_close(&arena);
        }
    unlink(path);
    rmdir(folder);
    assert_int_equal(wrong, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_older_forms),
        TEST(test_facts),
        TEST(test_hostile_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
