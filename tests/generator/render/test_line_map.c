#include "generator/render/render.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct line_origin origins[] = {
    {.template_file = "kernel.hip", .template_line = 1, .step = -1},
    {.template_file = "stage_linear.hip",
     .template_line = 14,
     .step = 29,
     .spec_file = "specs/models/x.lua",
     .spec_line = 15},
    {.template_file = "../runtime/kernel_control.h", .template_line = 3, .step = 0},
    {.template_file = "a.hip",
     .template_line = 2147483647,
     .step = -1,
     .spec_file = "my specs/a:b.lua",
     .spec_line = 4},
};

static const char printed[] = "1 kernel.hip:1\n"
                              "2 stage_linear.hip:14 step 29 specs/models/x.lua:15\n"
                              "3 ../runtime/kernel_control.h:3 step 0\n"
                              "4 a.hip:2147483647 my specs/a:b.lua:4\n";

static void prints_and_reads_back(void **state) {
    (void)state;
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct line_map map = {.origins = origins, .count = 4}, again;
    struct text text = {0}, second = {0};
    line_map_print(&map, &text);
    assert_string_equal(text.bytes, printed);
    assert_true(line_map_read("m", text.bytes, &arena, &again, &diagnostics));
    assert_int_equal(again.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(again.origins[i].template_file, origins[i].template_file);
        assert_int_equal(again.origins[i].template_line, origins[i].template_line);
        assert_int_equal(again.origins[i].step, origins[i].step);
        assert_int_equal(again.origins[i].spec_file == NULL, origins[i].spec_file == NULL);
        assert_int_equal(again.origins[i].spec_line, origins[i].spec_line);
    }
    line_map_print(&again, &second);
    assert_string_equal(second.bytes, printed);
    assert_true(line_map_read("m", "", &arena, &again, &diagnostics));
    assert_int_equal(again.count, 0);
    text_close(&text);
    text_close(&second);
    arena_close(&arena);
}

static void other_text_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\n",
        "x",
        "1",
        "1 ",
        "1 a",
        "1 a:",
        "1 :1",
        "1 a:0",
        "1 a:-1",
        "1 a:1x",
        "1 a:1 ",
        "1 a:1 step ",
        "1 a:1 step 1x",
        "1 a:1 step 1 ",
        "1 a:1 step 1 b",
        "1 a:1 step 99999999999999999999",
        "1 a:99999999999999999999",
        "2 a:1",
        "99999999999999999999 a:1",
        "1 a:1 b:2:",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena arena = {0};
        struct diagnostics diagnostics = {0};
        struct line_map map;
        if (line_map_read("m", texts[i], &arena, &map, &diagnostics))
            fail_msg("was read: %s", texts[i]);
        assert_int_equal(map.count, 0);
        assert_non_null(strstr(printed_diagnostics(&diagnostics),
                               "m:1: error: not a line of a line map: \"1 template:line\" is"));
        diagnostics_close(&diagnostics);
        arena_close(&arena);
    }
}

// Every beginning of a good map is a map or is refused; with each byte changed too.
static void damaged_maps_are_survived(void **state) {
    (void)state;
    for (size_t cut = 0; cut + 1 < sizeof printed; cut++) {
        for (int change = 0; change < 4; change++) {
            struct arena arena = {0};
            struct diagnostics diagnostics = {0};
            struct line_map map;
            char *text = calloc(1, sizeof printed);
            assert_non_null(text);
            memcpy(text, printed, sizeof printed);
            text[cut] = "\0 :9"[change];
            bool good = line_map_read("m", text, &arena, &map, &diagnostics);
            assert_int_equal(good, diagnostics.count == 0);
            for (size_t i = 0; i < map.count; i++)
                assert_true(map.origins[i].template_file[0] && map.origins[i].template_line > 0);
            free(text);
            diagnostics_close(&diagnostics);
            arena_close(&arena);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_and_reads_back),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(damaged_maps_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
