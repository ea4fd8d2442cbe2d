#include "generator/plan/engine.h"
#include "generator/tune/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct target host = {.engine = "rows_scalar", .xcd_count = 1, .cus_per_xcd = 4};

static void the_space_is_cus_times_tiles_and_the_planner(void **state) {
    (void)state;
    struct arena arena = {0};
    const struct tune_space space = tune_space_of(&host, 1, &arena);
    const int *tile_rows = engine_named("rows_scalar")->tile_rows;
    assert_int_equal(space.points[0].key_count, 0);
    int point = 1;
    for (int cus = 1; cus <= 3; cus++) // a processor, and two CUs more
        for (const int *rows = tile_rows; *rows; rows++, point++) {
            assert_string_equal(space.points[point].keys[0], "cus");
            assert_string_equal(space.points[point].keys[1], "tile_rows");
            assert_int_equal(space.points[point].values[0], cus);
            assert_int_equal(space.points[point].values[1], *rows);
        }
    assert_int_equal(space.point_count, point);
    arena_close(&arena);
}

static void a_target_bounds_the_cus(void **state) {
    (void)state;
    struct arena arena = {0};
    const struct tune_space space = tune_space_of(&host, 100, &arena);
    assert_int_equal(space.points[space.point_count - 1].values[0], 4);
    arena_close(&arena);
}

static void points_have_names(void **state) {
    (void)state;
    struct arena arena = {0};
    const struct tune_point planner = {0}, point = {.keys = {"cus", "tile_rows"},
                                                    .values = {2, 8},
                                                    .key_count = 2};
    assert_string_equal(tune_point_text(&arena, &planner), "the planner's choice");
    assert_string_equal(tune_point_text(&arena, &point), "cus=2 tile_rows=8");
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_space_is_cus_times_tiles_and_the_planner),
        cmocka_unit_test(a_target_bounds_the_cus),
        cmocka_unit_test(points_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
