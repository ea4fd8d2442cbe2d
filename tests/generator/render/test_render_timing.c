// Rendering is a small part of "spec to source in a second": 3,000 lines well under 100 ms.
#include "generator/render/render.h"

#include "generator/base/file.h"
#include "runtime/clock.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void three_thousand_lines(void **state) {
    (void)state;
    static const char kernel[] = "//@ for i = 1, 3000 do\n"
                                 "//@   from(i, \"specs/models/x.lua\", i)\n"
                                 "  stage<$(i)>(cu, weights + $(string.format('0x%x', i * 4096)), "
                                 "$(0.5 * i)); // $(here())\n"
                                 "//@ end\n";
    struct diagnostics diagnostics = {0};
    struct arena arena = {0};
    struct text text = {0};
    struct line_map map = {0};
    assert_true(file_write(temporary_path("kernel.hip"), kernel, strlen(kernel), &diagnostics));
    struct script *script = script_open(script_default_limits(), &diagnostics);
    assert_non_null(script);
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        assert_true(render(script, temporary_folder(), "kernel.hip", value_table(&arena), &arena,
                           &text, &map, &diagnostics));
        double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        best = seconds < best ? seconds : best;
    }
    assert_int_equal(map.count, 3000);
    if (best > 0.1)
        fail_msg("rendering 3000 lines took %.3f s", best);
    text_close(&text);
    script_close(script);
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(three_thousand_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
