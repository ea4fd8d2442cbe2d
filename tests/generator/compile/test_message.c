#include "generator/compile/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char BODY[] = "two lines\nend\n\0and a NUL";

static struct text whole(void) {
    struct text text = {0};
    message_begin(&text);
    message_add_string(&text, "name", "value with spaces");
    message_add(&text, "body", BODY, sizeof BODY);
    message_add_long(&text, "number", -42);
    message_add_string(&text, "empty", "");
    message_end(&text);
    return text;
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    struct text text = whole();
    struct message message;
    assert_true(message_parse(text.bytes, text.length, &message));
    assert_int_equal(message.count, 4);
    assert_string_equal(message_string(&message, "name"), "value with spaces");
    const struct message_field *body = message_field(&message, "body");
    assert_non_null(body);
    assert_int_equal(body->length, sizeof BODY);
    assert_memory_equal(body->bytes, BODY, sizeof BODY);
    assert_int_equal(message_long(&message, "number"), -42);
    assert_string_equal(message_string(&message, "empty"), "");
    assert_string_equal(message_string(&message, "absent"), "");
    assert_int_equal(message_long(&message, "absent"), -1);
    assert_int_equal(message_long(&message, "name"), -1);
    text_close(&text);
}

static void no_part_of_a_message_is_a_message(void **state) {
    (void)state;
    struct text text = whole();
    for (size_t length = 0; length < text.length; length++) {
        char *part = malloc(length + 1); // its own block, so that a read past it is seen
        assert_non_null(part);
        memcpy(part, text.bytes, length);
        struct message message;
        if (message_parse(part, length, &message))
            fail_msg("the first %zu of %zu bytes were taken for a message", length, text.length);
        free(part);
    }
    text_close(&text);
}

static void rubbish_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "hello\n",
        "monogen-compile 2\nend\n",
        "monogen-compile 1\nname\nend\n",
        "monogen-compile 1\nname -1\nx\nend\n",
        "monogen-compile 1\nname 99999999999999999999999999\nx\nend\n",
        "monogen-compile 1\nname 18446744073709551615\nx\nend\n",
        "monogen-compile 1\nname 1x\nx\nend\n",
        "monogen-compile 1\n 1\nx\nend\n",
        "monogen-compile 1\nname 2\nx\nend\n",
        "monogen-compile 1\nname 1\nx\nend\nmore",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *copy = strdup(cases[i]);
        assert_non_null(copy);
        struct message message;
        if (message_parse(copy, strlen(cases[i]), &message))
            fail_msg("taken for a message: %s", cases[i]);
        free(copy);
    }
}

static void too_many_fields_are_refused(void **state) {
    (void)state;
    struct text text = {0};
    struct message message;
    message_begin(&text);
    for (int i = 0; i <= MESSAGE_FIELDS_MAX; i++)
        message_add_long(&text, "field", i);
    message_end(&text);
    assert_false(message_parse(text.bytes, text.length, &message));
    text_close(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(no_part_of_a_message_is_a_message),
        cmocka_unit_test(rubbish_is_refused),
        cmocka_unit_test(too_many_fields_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
