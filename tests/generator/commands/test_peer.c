// What a peer prints: the forms that are read, and what is said of others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "generator/commands/peer.h"

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct peer_figures figures;
};

static bool read_output(struct fixture *fixture, const char *output) {
    *fixture = (struct fixture){.figures.count = 0};
    return peer_read("CMD", output, &fixture->arena, &fixture->figures, &fixture->diagnostics);
}

static void close_fixture(struct fixture *fixture) {
    diagnostics_close(&fixture->diagnostics);
    arena_close(&fixture->arena);
}

static void every_form_is_read(void **state) {
    (void)state;
    static const struct {
        const char *line;
        struct peer_figure figure;
    } cases[] = {
        {"us_per_token 992.5", {"peer", -1, 992.5}},
        {"  us_per_token: 1e3 \r\n", {"peer", -1, 1000}},
        {"tokens_per_second = 500\n", {"peer", -1, 2000}},
        {"{\"us_per_token\": 3}", {"peer", -1, 3}},
        {"{\"name\": \"a b\", \"context\": 0, \"tokens_per_second\": 4000, \"x\": []}",
         {"a b", 0, 250}},
        {"{\"tokens_per_second\": 1, \"context\": 16384, \"us_per_token\": 7.5}",
         {"peer", 16384, 7.5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        const struct peer_figure *expected = &cases[i].figure;
        if (!read_output(&fixture, cases[i].line) || fixture.figures.count != 1)
            fail_msg("not read: %s", cases[i].line);
        const struct peer_figure *figure = fixture.figures.items;
        if (strcmp(figure->name, expected->name) != 0 || figure->positions != expected->positions ||
            figure->us_per_token < 0.999999 * expected->us_per_token ||
            figure->us_per_token > 1.000001 * expected->us_per_token)
            fail_msg("%s: %s at %lld, %g us", cases[i].line, figure->name,
                     (long long)figure->positions, figure->us_per_token);
        close_fixture(&fixture);
    }
}

static void other_lines_are_the_peers_own(void **state) {
    (void)state;
    struct fixture fixture;
    assert_true(read_output(&fixture, "loading\n{'python': 1}\n{\"other\": 2}\n\nus_per_token 5\n"
                                      "about 7 tokens_per_second\nus_per_token 6"));
    assert_int_equal(fixture.figures.count, 2);
    assert_true(fixture.figures.items[1].us_per_token == 6);
    close_fixture(&fixture);
}

static void what_cannot_be_read_is_told(void **state) {
    (void)state;
    static const struct {
        const char *output, *message, *note;
    } cases[] = {
        {"", "the peer `CMD` printed no figure", "expected are lines like: us_per_token 992.6"},
        {"hello\n", "printed no figure", "expected are"},
        {"us_per_token\n", "cannot be read: us_per_token", "expected are"},
        {"us_per_token fast\n", "cannot be read: us_per_token fast", "expected are"},
        {"us_per_token 5 us\n", "cannot be read", "expected are"},
        {"us_per_token 0\n", "cannot be read", "expected are"},
        {"us_per_token -1\n", "cannot be read", "expected are"},
        {"tokens_per_second nan\n", "cannot be read", "expected are"},
        {"tokens_per_second inf\n", "cannot be read", "expected are"},
        {"{\"us_per_token\": }\n", "cannot be read: {\"us_per_token\": }", "unexpected token"},
        {"{\"us_per_token\": \"5\"}\n", "cannot be read", "us_per_token: must be a finite number"},
        {"{\"us_per_token\": -5}\n", "cannot be read", "us_per_token is not above 0"},
        {"{\"us_per_token\": 5, \"context\": -1}\n", "cannot be read", "context: "},
        {"{\"us_per_token\": 5, \"name\": 1}\n", "cannot be read", "name: "},
        {"{\"name\": \"us_per_token\"}\n", "cannot be read", "expected are"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        if (read_output(&fixture, cases[i].output))
            fail_msg("read: %s", cases[i].output);
        assert_int_equal(fixture.diagnostics.count, 1);
        const struct diagnostic *item = &fixture.diagnostics.items[0];
        if (!strstr(item->message, cases[i].message) || item->note_count < 1 ||
            !strstr(item->notes[0], cases[i].note))
            fail_msg("%s: %s; %s", cases[i].output, item->message,
                     item->note_count ? item->notes[0] : "no note");
        close_fixture(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(other_lines_are_the_peers_own),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
