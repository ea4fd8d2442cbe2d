// Templates become Lua with the same line numbers.
#include "generator/render/template.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_becomes(const char *source, const char *expected) {
    struct diagnostics diagnostics = {0};
    struct text chunk = {0};
    text_append(&chunk, "");
    if (!template_translate("t.hip", source, &chunk, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    assert_string_equal(chunk.bytes, expected);
    text_close(&chunk);
}

static void assert_refused(const char *source, const char *expected) {
    struct diagnostics diagnostics = {0};
    struct text chunk = {0};
    assert_false(template_translate("t.hip", source, &chunk, &diagnostics));
    assert_string_equal(printed_diagnostics(&diagnostics), expected);
    text_close(&chunk);
    diagnostics_close(&diagnostics);
}

static void lines_become_calls(void **state) {
    (void)state;
    assert_becomes("", "");
    assert_becomes("\n", "__emit();\n");
    assert_becomes("int x; // \"$5\" \\n\n\n  y()", "__emit(\"int x; // \\\"$5\\\" \\\\n\");\n"
                                                    "__emit();\n"
                                                    "__emit(\"  y()\");\n");
    assert_becomes("  //@ for i = 1, 3 do\n//@ end -- for\na //@ b\n",
                   " for i = 1, 3 do\n end -- for\n__emit(\"a //@ b\");\n");
}

static void expressions_are_found(void **state) {
    (void)state;
    assert_becomes("$(a)b$(c)$(d)\n", "__emit((a), \"b\", (c), (d));\n");
    assert_becomes("f($(g(1, (2))), 3)\n", "__emit(\"f(\", (g(1, (2))), \", 3)\");\n");
    assert_becomes("$(a(')', \"(\\\")\", [[)]], [==[ ]] ) ]==], t[1]))!\n",
                   "__emit((a(')', \"(\\\")\", [[)]], [==[ ]] ) ]==], t[1])), \"!\");\n");
    assert_becomes("$ ( $x $$(y) )\n", "__emit(\"$ ( $x $\", (y), \" )\");\n");
}

static void bad_expressions_are_located(void **state) {
    (void)state;
    assert_refused("ok\n  a $(b\n)\n", "t.hip:2:5: error: $( is not closed on this line\n"
                                       "  a $(b\n"
                                       "    ^\n");
    assert_refused("$(a)$( )$(b)", "t.hip:1:5: error: $() holds nothing\n"
                                   "$(a)$( )$(b)\n"
                                   "    ^\n");
    assert_refused("x$(a -- b)", "t.hip:1:2: error: $( holds a comment\nx$(a -- b)\n ^\n");
    assert_refused("$('a)\n$([[a)\n$([=[a]])",
                   "t.hip:1:1: error: a string in $( is not closed on this line\n$('a)\n^\n"
                   "t.hip:2:1: error: a string in $( is not closed on this line\n$([[a)\n^\n"
                   "t.hip:3:1: error: a string in $( is not closed on this line\n$([=[a]])\n^\n");
}

// Whatever the template, each of its lines is one line of the chunk, and nothing is read past it.
static void any_text_keeps_its_lines(void **state) {
    (void)state;
    static const char alphabet[] = "$()'\"[]=-\\\n\n/@ax ,";
    unsigned long random_state = 1;
    for (int round = 0; round < 20000; round++) {
        // On the heap, exactly: the sanitiser sees a read past the end.
        size_t length = (size_t)(round % 40);
        char *source = malloc(length + 1);
        assert_non_null(source);
        size_t lines = 0;
        for (size_t i = 0; i < length; i++) {
            random_state = random_state * 6364136223846793005u + 1442695040888963407u;
            source[i] = alphabet[(random_state >> 33) % (sizeof alphabet - 1)];
            lines += source[i] == '\n';
        }
        source[length] = '\0';
        lines += length > 0 && source[length - 1] != '\n';
        struct diagnostics diagnostics = {0};
        struct text chunk = {0};
        text_append(&chunk, "");
        bool good = template_translate("t", source, &chunk, &diagnostics);
        assert_int_equal(good, diagnostics.count == 0);
        size_t chunk_lines = 0;
        for (size_t i = 0; i < chunk.length; i++)
            chunk_lines += chunk.bytes[i] == '\n';
        if (chunk_lines != lines)
            fail_msg("%zu lines became %zu:\n%s\n%s", lines, chunk_lines, source, chunk.bytes);
        text_close(&chunk);
        diagnostics_close(&diagnostics);
        free(source);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_calls),
        cmocka_unit_test(expressions_are_found),
        cmocka_unit_test(bad_expressions_are_located),
        cmocka_unit_test(any_text_keeps_its_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
