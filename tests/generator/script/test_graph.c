#include "generator/script/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

// A family that keeps all it is given and uses it in the next call.
static const char keeper[] =
    "local kept, w, refuses\n"
    "family {\n"
    "  name = 'keeper', model_type = 'keeper',\n"
    "  config = function(c)\n"
    "    refuses = refuse\n"
    "    return { hidden = c.hidden_size, eos = { 1, 2 } }\n"
    "  end,\n"
    "  graph = function(m)\n"
    "    if m.step == 1 then\n"
    "      kept, w = embed(8, 4, 'embed'), tensors('l.%d.', 0)\n"
    "      return logits(kept, 'head')\n"
    "    elseif m.step == 2 then\n"
    "      return logits(kept, 'head')\n"
    "    elseif m.step == 3 then\n"
    "      refuses('kept from before')\n"
    "    elseif m.step == 4 then\n"
    "      return logits(rmsnorm(embed(8, 4, 'embed'), w 'norm'), 'head')\n"
    "    end\n"
    "    return (function() return embed(8, 4, 'embed') * kept end)()\n"
    "  end,\n"
    "}\n";

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    struct model model;
};

static int set_up(void **state) {
    static const char *const constructors[] = {"family"};
    struct fixture *f = calloc(1, sizeof *f);
    const char *constructor;
    struct value *value;
    assert_non_null(f);
    f->model = (struct model){.vocab = 8, .layers = 1};
    f->script = script_open(script_default_limits(), &f->diagnostics);
    assert_non_null(f->script);
    assert_true(script_read(f->script, "keeper.lua", keeper, constructors, 1, &f->arena,
                            &constructor, &value, &f->diagnostics));
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

static bool run_step(struct fixture *f, int step, struct graph *graph) {
    struct value *numbers = value_table(&f->arena);
    int result;
    value_table_set(&f->arena, numbers, "step", value_integer(&f->arena, step));
    *graph = (struct graph){.arena = &f->arena,
                            .model = &f->model,
                            .file = "keeper.lua",
                            .path = "keeper.lua",
                            .source = keeper};
    return script_family_graph(f->script, numbers, graph, &result, &f->diagnostics) &&
           graph_finish(graph, result, &f->diagnostics);
}

static void expect_error(struct fixture *f, int step, int line, const char *message) {
    struct graph graph;
    size_t before = f->diagnostics.count;
    assert_false(run_step(f, step, &graph));
    assert_int_equal(f->diagnostics.count, before + 1);
    assert_string_equal(f->diagnostics.items[before].message, message);
    assert_int_equal(f->diagnostics.items[before].at.line, line);
}

static void test_nodes(void **state) {
    struct fixture *f = *state;
    struct graph graph;
    assert_true(run_step(f, 1, &graph));
    assert_int_equal(graph.count, 2);
    assert_int_equal(graph.nodes[0].op, OP_EMBED);
    assert_int_equal(graph.nodes[0].line, 10);
    assert_int_equal(graph.nodes[1].op, OP_LOGITS);
    assert_int_equal(graph.nodes[1].line, 11);
    assert_string_equal(graph.nodes[1].tensor, "head");
}

static void test_values_of_another_graph(void **state) {
    struct fixture *f = *state;
    struct graph graph;
    assert_true(run_step(f, 1, &graph));
    expect_error(f, 2, 13, "'logits'(x, tensor): x is a value of another graph");
    expect_error(f, 5, 19, "the y of x '*' y is a value of another graph");
    assert_true(run_step(f, 4, &graph)); // names are no values: they may be kept
    assert_string_equal(graph.nodes[1].tensor, "l.0.norm");
}

static void test_refuse_of_another_call(void **state) {
    struct fixture *f = *state;
    struct config config = {.path = "config.json", .source = "{}", .value = value_table(&f->arena)};
    value_table_set(&f->arena, config.value, "hidden_size", value_integer(&f->arena, 256));
    struct value *numbers;
    assert_true(script_family_config(f->script, &config, &f->arena, &numbers, &f->diagnostics));
    assert_int_equal(value_get(numbers, "hidden")->integer, 256);
    assert_int_equal(value_get(numbers, "eos")->list.count, 2);
    expect_error(f, 3, 15, "kept from before");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nodes),
        TEST(test_values_of_another_graph),
        TEST(test_refuse_of_another_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
