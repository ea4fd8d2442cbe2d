// The decode loop of a tiny kernel, read over by a person once: tests/golden/decode_*.hip.
// MONOGEN_WRITE_EXPECTED=1 writes these files instead.
#include "generator/base/file.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void expect_loop(const char *set, const char *golden) {
    struct generated made;
    generated_open(&made, &(struct wanted_generation){
                              .spec = "tests/specs/tiny.lua", .target = "host", .set = set});
    const char *loop = strstr(made.generation.source.bytes, "// ==== 8. the decode loop ====\n");
    assert_non_null(loop);
    if (getenv("MONOGEN_WRITE_EXPECTED"))
        assert_true(file_write(golden, loop, strlen(loop), &made.diagnostics));
    size_t length = 0;
    const char *expected =
        file_read(&made.generation.arena, golden, 1 << 20, &length, &made.diagnostics);
    if (!expected)
        fail_msg("%s", printed_diagnostics(&made.diagnostics));
    int line = 1;
    for (const char *a = expected, *b = loop; *a || *b; a++, b++) {
        if (*a != *b) {
            while (a > expected && a[-1] != '\n') {
                a--;
                b--;
            }
            fail_msg("%s:%d: expected\n%.*s\nemitted\n%.*s", golden, line, (int)strcspn(a, "\n"), a,
                     (int)strcspn(b, "\n"), b);
        }
        line += *a == '\n';
    }
    generated_close(&made);
}

static void test_inline(void **state) {
    (void)state;
    expect_loop("cus=3 unroll=inline", "tests/golden/decode_inline.hip");
}

static void test_loop(void **state) {
    (void)state;
    expect_loop("cus=3 unroll=loop", "tests/golden/decode_loop.hip");
}

static void test_everywhere(void **state) {
    (void)state;
    expect_loop("cus=3 unroll=inline residual=everywhere kv_splits=2 buffers=unshared",
                "tests/golden/decode_everywhere.hip");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
