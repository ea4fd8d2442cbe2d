// specs/README.md says what is so: every op, option and field stands there, and its worked example
// is a family that loads, from a spec and from a config.json, to one and the same graph, which can
// be planned. What the planner refuses it says with the reasons that stand there.
#include "generator/base/file.h"
#include "generator/model/graph.h"
#include "generator/model/model.h"
#include "generator/plan/check.h"
#include "tests/support/made_plan.h"
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
    for (size_t i = 0; i < count; i++) {
        const char *dot = strrchr(keys[i], '.');
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

static void test_example_is_planned(void **state) {
    struct fixture *f = *state;
    const char *specs = write_example(f);
    static const char *const targets[] = {"host", "mi300x", "h100"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct made_plan made;
        struct plan_proof proof;
        if (!made_plan_try(&made, specs, "heron-small", targets[i], "layers=3 full_layers=2") ||
            !plan_check(&made.plan, NULL, &proof, &made.diagnostics))
            fail_msg("%s: %s", targets[i], printed_diagnostics(&made.diagnostics));
        made_plan_close(&made);
    }
}

// The example with one piece of its family replaced.
static void expect_refused(struct fixture *f, const char *specs, const char *piece,
                           const char *other, const char *reason) {
    const char *path = arena_format(&f->arena, "%s/families/heron.lua", specs);
    size_t length;
    const char *family = file_read(&f->arena, path, 1 << 20, &length, &f->diagnostics);
    assert_non_null(family);
    const char *at = strstr(family, piece);
    if (!at)
        fail_msg("the example lacks: %s", piece);
    write_text(
        f, path,
        arena_format(&f->arena, "%.*s%s%s", (int)(at - family), family, other, at + strlen(piece)));
    struct made_plan made;
    assert_false(made_plan_try(&made, specs, "heron-small", "host", "layers=3"));
    const char *printed = printed_diagnostics(&made.diagnostics);
    if (!strstr(printed, reason))
        fail_msg("%s: expected \"%s\", got: %s", other, reason, printed);
    assert_non_null(strstr(printed, "specs/README.md")); // where the reader finds them all
    made_plan_close(&made);
    assert_int_equal(missing(f, arena_format(&f->arena, "| %s |\n", reason)), 0);
    write_text(f, path, family);
}

static void test_refusals(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *piece, *other, *reason;
    } cases[] = {
        {"(attended + fed)", "(attended + fed) * 0.5",
         "one summand, and only one, must be the newest residual value"},
        {"(attended + fed)", "(attended + fed + embed(m.vocab, m.hidden, \"other.weight\"))",
         "one summand must be a product"},
        {"rmsnorm(x, \"heron.norm.weight\") * m.logit_scale",
         "rmsnorm(x * m.logit_scale, \"heron.norm.weight\")",
         "its value is not handed between CUs"},
        {"linear(y, w \"out.weight\"",
         "linear(y * silu(linear(h, w \"gate.weight\", q_rows)), w \"out.weight\"",
         "gate and up must be products of the same value"},
        {"decoder.activate(m, linear(h, w \"mlp_in.weight\", m.mlp))",
         "linear(h, w \"gate.weight\", m.mlp) * linear(h, w \"mlp_in.weight\", m.mlp)",
         "one factor must be an activation of a product"},
        {"decoder.activate(m, linear(h, w \"mlp_in.weight\", m.mlp))",
         "linear(h, w \"mlp_in.weight\", m.mlp) inner = decoder.activate(m, inner) * inner",
         "gate and up must have no other use"},
        {"local q = linear(h,", "local q = linear(x,",
         "q, k and v must be products of the same value"},
        {"rope(q), rope(k)", "rope(q * 2), rope(k)",
         "q and k must be products, perhaps normed, perhaps rotated"},
        {"attention(q, k, v,", "attention(q, k, rope(v),", "v must come from a product directly"},
        {"q, k = rope(q), rope(k)", "q = rope(q)", "q and k must be rotated alike"},
        {"linear(h, w \"mlp_in.weight\"", "linear(v, w \"mlp_in.weight\"",
         "its value has another use beside attention"},
        {"w \"mlp_in.weight\"", "\"mlp_in.weight\"",
         "of the products outside of the layers only logits can be"},
    };
    const char *specs = write_example(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(f, specs, cases[i].piece, cases[i].other, cases[i].reason);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_language),
        TEST(test_example),
        TEST(test_example_is_planned),
        TEST(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
