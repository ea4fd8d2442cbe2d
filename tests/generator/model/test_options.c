// The options of the graph language, the numbers that families declare, and libraries, with the
// family every_option of the specs beside this file. MONOGEN_WRITE_EXPECTED=1 writes the printed
// model instead of comparing it, for reading it over.
#include "generator/base/file.h"
#include "generator/model/graph.h"
#include "generator/model/model.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPECS "tests/generator/model/specs"

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    struct model model;
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

static bool load(struct fixture *f, const char *spec, struct override *items, int count) {
    struct override_list overrides = {items, count};
    return model_load(f->script, SPECS, spec, &overrides, &f->arena, &f->model, &f->diagnostics);
}

static void load_good(struct fixture *f, const char *spec, struct override *items, int count) {
    if (!load(f, spec, items, count))
        fail_msg("%s", printed_diagnostics(&f->diagnostics));
}

static const struct node *node_of(const struct model *model, enum op op, const char *tensor,
                                  int which) {
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].op == op && (!tensor || strcmp(model->nodes[i].tensor, tensor) == 0) &&
            which-- == 0)
            return &model->nodes[i];
    fail_msg("no such %s", op_name(op));
    return NULL;
}

static void test_nodes(void **state) {
    struct fixture *f = *state;
    load_good(f, "every-option", NULL, 0);
    const struct model *m = &f->model;
    const struct node *node = node_of(m, OP_SCALE, NULL, 0);
    assert_true(node->factor == 2 && node->elements == 16);
    node = node_of(m, OP_RMSNORM, "layers.0.norm", 0);
    assert_true(node->group == 16 && node->add == 1);
    // a call in a library belongs to the family's line
    assert_string_equal(node->file, "specs/families/every_option.lua");
    assert_int_equal(node->line, 30);
    node = node_of(m, OP_RMSNORM, "layers.1.q_norm", 0);
    assert_true(node->elements == 32 && node->group == 8 && node->add == 1);
    node = node_of(m, OP_LINEAR, "layers.1.qkv", 2);
    assert_true(node->tensor_first == 48 && node->tensor_rows == 64 && node->elements == 16);
    assert_string_equal(node->bias, "layers.1.qkv.bias");
    assert_null(node_of(m, OP_LINEAR, "layers.0.o", 0)->bias);
    assert_int_equal(node_of(m, OP_ROPE, NULL, 0)->rope, 1);
    assert_int_equal(node_of(m, OP_ROPE, NULL, 2)->rope, 0);
    node = node_of(m, OP_ATTENTION, NULL, 0);
    assert_true(node->window == 6 && node->scale == 0.5 && node->softcap == 30);
    assert_int_equal(node_of(m, OP_ATTENTION, NULL, 1)->window, 0);
    assert_int_equal(node_of(m, OP_GELU, NULL, 1)->elements, 24);
    node = node_of(m, OP_LOGITS, "head", 0);
    assert_true(node->softcap == 15 && node->elements == 40);
    assert_string_equal(node->bias, "head.bias");
    assert_int_equal(m->rope_count, 2);
    assert_true(m->ropes[0].dims == 4 && m->ropes[1].dims == 8);
    assert_true(m->ropes[1].inverse_frequencies[0] == 0.5);
    // embed and head; per layer norms, qkv, o, up, down and their biases; the last norm
    const int64_t layer = 16 + 8 + 8 + 64 * 17 + 16 * 32 + 24 * 17 + 16 * 24;
    assert_int_equal(model_parameters(m), 40 * 16 + 40 * 17 + 16 + 2 * layer);
    assert_int_equal(model_bytes_per_token(m), 4 * (16 + 40 * 17 + 16 + 2 * layer));
}

static void test_printed(void **state) {
    static const char path[] = "tests/generator/model/every_option.expected";
    struct fixture *f = *state;
    struct text text = {0};
    size_t length;
    load_good(f, "every-option", NULL, 0);
    model_print(&f->model, &text);
    if (getenv("MONOGEN_WRITE_EXPECTED"))
        assert_true(file_write(path, text.bytes, text.length, &f->diagnostics));
    const char *expected = file_read(&f->arena, path, 1 << 20, &length, &f->diagnostics);
    if (!expected || strcmp(expected, text.bytes) != 0)
        fail_msg("%s should be\n%s", path, text.bytes);
    text_close(&text);
}

static void test_numbers(void **state) {
    struct fixture *f = *state;
    struct override items[] = {{"window", "4", false},        {"full_layers", "0", false},
                               {"residual", "1", false},      {"biased", "false", false},
                               {"activation", "tanh", false}, {"names", "b,c", false}};
    load_good(f, "every-option", items, 6);
    for (int i = 0; i < 6; i++)
        assert_true(items[i].used);
    assert_int_equal(node_of(&f->model, OP_ATTENTION, NULL, 0)->window, 0);
    assert_int_equal(node_of(&f->model, OP_ATTENTION, NULL, 1)->window, 4);
    assert_null(node_of(&f->model, OP_LINEAR, "layers.0.qkv", 0)->bias);
    assert_int_equal(node_of(&f->model, OP_GELU_TANH, NULL, 0)->elements, 24);
    assert_true(node_of(&f->model, OP_SCALE, NULL, 1)->factor == 1);
}

static void test_unused_tables_are_dropped(void **state) {
    struct fixture *f = *state;
    struct override item = {"full_layers", "9", false}; // of two: none is full
    load_good(f, "every-option", &item, 1);
    assert_int_equal(f->model.rope_count, 1);
    assert_string_equal(f->model.ropes[0].name, "local_rope");
    assert_int_equal(node_of(&f->model, OP_ROPE, NULL, 0)->rope, 0);
    load_good(f, "whole-floats", NULL, 0); // turns nothing
    assert_int_equal(f->model.rope_count, 0);
}

static void test_wrong_numbers(void **state) {
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"window", "many", "window must be an integer, not \"many\""},
        {"window", "2.5", "window must be an integer, not 2.5"},
        {"full_layers", "1,x", "full_layers must be a list of numbers, not \"x\""},
        {"residual", "true", "residual must be a number, not true"},
        {"biased", "1", "biased must be true or false, not 1"},
        {"names", "1,2", "names must be a list of strings, not 1"},
        {"residual", "2.5", "residual is at most 2"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct override item = {cases[i].key, cases[i].value, false};
        assert_false(load(f, "every-option", &item, 1));
        assert_int_equal(f->diagnostics.count, i + 1);
        const struct diagnostic *diagnostic = &f->diagnostics.items[i];
        assert_string_equal(diagnostic->message, cases[i].message);
        assert_string_equal(diagnostic->at.file,
                            arena_format(&f->arena, "--set %s=%s", cases[i].key, cases[i].value));
    }
}

// 16.0 is 16, for the family's Lua too: where a name or a text is made of it.
static void test_whole_floats(void **state) {
    struct fixture *f = *state;
    load_good(f, "whole-floats", NULL, 0);
    assert_int_equal(f->model.hidden, 16);
    assert_int_equal(f->model.context, 32);
    assert_string_equal(node_of(&f->model, OP_EMBED, NULL, 0)->tensor, "embed.16");
    assert_string_equal(node_of(&f->model, OP_RMSNORM, NULL, 0)->tensor, "norm.4");
    assert_string_equal(node_of(&f->model, OP_LOGITS, NULL, 0)->tensor, "head.40.3");
    struct override item = {"hidden", "32.0", false};
    load_good(f, "whole-floats", &item, 1);
    assert_string_equal(node_of(&f->model, OP_EMBED, NULL, 0)->tensor, "embed.32");
    item = (struct override){"hidden", "32.5", false};
    assert_false(load(f, "whole-floats", &item, 1));
    assert_string_equal(f->diagnostics.items[0].message,
                        "hidden must be an integer from 1 to 131072, not 32.5");
}

// null, absence and a value are three things, also inside of objects.
static void test_nulls_of_a_config(void **state) {
    static const struct {
        const char *keys;
        int window;
        bool biased;
    } cases[] = {
        {"\"window\": 5, \"inner\": {\"bias\": null}", 5, true},
        {"\"window\": null, \"inner\": {\"bias\": 0}", 0, false},
        {"\"inner\": {}", 7, false},
        {"\"sliding_window\": 3.0, \"inner\": {\"deep\": {\"bias\": null}}", 3, false},
    };
    struct fixture *f = *state;
    const char *folder = arena_format(&f->arena, "%s/folder-XXXXXX", temporary_folder());
    assert_non_null(mkdtemp((char *)(uintptr_t)folder));
    const char *path = arena_format(&f->arena, "%s/config.json", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text =
            arena_format(&f->arena,
                         "{\"model_type\": \"each_option\", \"hidden_size\": 16, \"layers\": 1,\n"
                         "\"vocab\": 40, \"mlp\": 24, \"heads\": 4, \"kv_heads\": 2,\n"
                         "\"head_dim\": 8, \"context\": 32, %s}",
                         cases[i].keys);
        assert_true(file_write(path, text, strlen(text), &f->diagnostics));
        load_good(f, folder, NULL, 0);
        assert_string_equal(f->model.family, "every_option");
        assert_int_equal(node_of(&f->model, OP_ATTENTION, NULL, 0)->window, cases[i].window);
        assert_true(cases[i].biased == (node_of(&f->model, OP_LINEAR, NULL, 0)->bias != NULL));
    }
    // of several keys, the one that is there is where an error is
    static const char bad[] = "{\"model_type\": \"every_option\", \"inner\": {},\n"
                              "\"sliding_window\": 1.5}";
    assert_true(file_write(path, bad, strlen(bad), &f->diagnostics));
    assert_false(load(f, folder, NULL, 0));
    assert_string_equal(f->diagnostics.items[0].message, "window must be an integer, not 1.5");
    assert_int_equal(f->diagnostics.items[0].at.line, 2);
    assert_int_equal(f->diagnostics.items[0].at.column, 1);
    unlink(path);
    rmdir(folder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nodes),
        TEST(test_printed),
        TEST(test_numbers),
        TEST(test_whole_floats),
        TEST(test_unused_tables_are_dropped),
        TEST(test_wrong_numbers),
        TEST(test_nulls_of_a_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
