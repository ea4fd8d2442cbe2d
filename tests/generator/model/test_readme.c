// specs/README.md says what is so: every op, option and field stands there, and its worked example
// is a family that loads, from a spec and from a config.json, to one and the same graph.
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
#include <sys/stat.h>

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    const char *readme;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    size_t length;
    assert_non_null(f);
    f->script = script_open(script_default_limits(), &f->diagnostics);
    f->readme = file_read(&f->arena, "specs/README.md", 1 << 20, &length, &f->diagnostics);
    assert_non_null(f->script);
    assert_non_null(f->readme);
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

static int missing(const struct fixture *f, const char *part) {
    if (strstr(f->readme, part))
        return 0;
    print_error("specs/README.md lacks: %s\n", part);
    return 1;
}

static void test_language(void **state) {
    struct fixture *f = *state;
    int lacking = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        const struct op_row *row = &op_rows[op];
        const bool is_operator = !strchr("abcdefghijklmnopqrstuvwxyz", row->name[0]);
        lacking += missing(f, is_operator
                                  ? arena_format(&f->arena, "`x %s y`", row->name)
                                  : arena_format(&f->arena, "`%s(%s)`", row->name, row->arguments));
    }
    for (size_t i = 0; i < op_option_count; i++)
        lacking += missing(f, arena_format(&f->arena, "| `%s` | `%s` | %s |",
                                           op_name(op_option_rows[i].op), op_option_rows[i].name,
                                           op_option_rows[i].meaning));
    const char *keys[MODEL_MAX_KEYS];
    const size_t count = model_keys(keys);
    static const char *const refused[] = {
        "experts", "experts_per_token", "sampling", "temperature", "top_k", "top_p"};
    for (size_t i = 0; i < count; i++) {
        bool skip = false;
        for (size_t j = 0; j < sizeof refused / sizeof *refused; j++)
            skip |= strcmp(keys[i], refused[j]) == 0;
        const char *dot = strrchr(keys[i], '.');
        if (!skip)
            lacking += missing(f, arena_format(&f->arena, "`%s`", dot ? dot + 1 : keys[i]));
    }
    assert_int_equal(lacking, 0);
}

// The text of the next ``` block of that language, at or after *at, which moves behind it.
static const char *block(struct fixture *f, const char **at, const char *language) {
    const char *mark = arena_format(&f->arena, "```%s\n", language);
    const char *start = strstr(*at, mark);
    assert_non_null(start);
    start += strlen(mark);
    const char *end = strstr(start, "```");
    assert_non_null(end);
    *at = end + 3;
    return arena_bytes(&f->arena, start, (size_t)(end - start));
}

static const char *make_folder(struct fixture *f, const char *path) {
    assert_int_equal(mkdir(path, 0777), 0);
    return arena_string(&f->arena, path);
}

static void write_text(struct fixture *f, const char *path, const char *text) {
    assert_true(file_write(path, text, strlen(text), &f->diagnostics));
}

// A specs folder with the example and the libraries that are shipped.
static const char *write_example(struct fixture *f) {
    static const char *const libraries[] = {"huggingface", "decoder"};
    const char *at = strstr(f->readme, "### A worked example");
    assert_non_null(at);
    char *specs = arena_format(&f->arena, "%s/specs-XXXXXX", temporary_folder());
    assert_non_null(mkdtemp(specs));
    const char *folder = make_folder(f, arena_format(&f->arena, "%s/heron-small", specs));
    write_text(f, arena_format(&f->arena, "%s/config.json", folder), block(f, &at, "json"));
    folder = make_folder(f, arena_format(&f->arena, "%s/families", specs));
    write_text(f, arena_format(&f->arena, "%s/heron.lua", folder), block(f, &at, "lua"));
    folder = make_folder(f, arena_format(&f->arena, "%s/models", specs));
    write_text(f, arena_format(&f->arena, "%s/heron-small.lua", folder), block(f, &at, "lua"));
    folder = make_folder(f, arena_format(&f->arena, "%s/library", specs));
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        size_t length;
        const char *path = arena_format(&f->arena, "specs/library/%s.lua", libraries[i]);
        const char *text = file_read(&f->arena, path, 1 << 20, &length, &f->diagnostics);
        assert_non_null(text);
        write_text(f, arena_format(&f->arena, "%s/%s.lua", folder, libraries[i]), text);
    }
    return specs;
}

// The graph of the example as it prints, with the frequencies of RoPE.
static const char *graph_of(struct fixture *f, const char *specs, const char *spec,
                            struct model *model) {
    struct text text = {0};
    if (!model_load(f->script, specs, spec, NULL, &f->arena, model, &f->diagnostics))
        fail_msg("%s", printed_diagnostics(&f->diagnostics));
    model_print(model, &text);
    const char *copy = arena_string(&f->arena, text.bytes);
    text_close(&text);
    const char *graph = strstr(copy, "\n-- rope: ");
    assert_non_null(graph);
    return graph;
}

static void test_example(void **state) {
    struct fixture *f = *state;
    struct model model;
    const char *specs = write_example(f);
    const char *from_spec = graph_of(f, specs, "heron-small", &model);
    assert_int_equal(model.layers, 9);
    assert_int_equal(model.ropes[0].dims, 48);
    int windows = 0, turned = 0;
    for (int i = 0; i < model.node_count; i++) {
        windows += model.nodes[i].op == OP_ATTENTION && model.nodes[i].window == 256;
        turned += model.nodes[i].op == OP_ROPE;
    }
    assert_int_equal(windows, 8);
    assert_int_equal(turned, 2 * 6);
    const char *folder = arena_format(&f->arena, "%s/heron-small", specs);
    const char *from_config = graph_of(f, specs, folder, &model);
    assert_string_equal(model.spec_file, "heron-small/config.json");
    assert_string_equal(from_spec, from_config);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_language),
        TEST(test_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
