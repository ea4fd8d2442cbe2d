// The printed forms; that the Lua form reads back is tests/generator/script/test_round_trip.c.
#include "generator/base/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int close_arena(void **state) {
    (void)state;
    arena_close(&arena);
    return 0;
}

static void tables_keep_their_order(void **state) {
    (void)state;
    struct value *table = value_table(&arena);
    value_table_set(&arena, table, "b", value_integer(&arena, 1));
    value_table_set(&arena, table, "a", value_integer(&arena, 2));
    value_table_set(&arena, table, "b", value_integer(&arena, 3));
    value_table_add(&arena, table, "c", value_boolean(&arena, true));
    assert_int_equal(table->table.count, 3);
    assert_string_equal(table->table.fields[0].name, "b");
    assert_int_equal(value_get(table, "b")->integer, 3);
    assert_int_equal(value_get(table, "a")->integer, 2);
    assert_null(value_get(table, "d"));
    assert_null(value_get(NULL, "d"));
    assert_null(value_get(value_list(&arena), "d"));
    assert_string_equal(value_kind_name(table->kind), "table");
    assert_string_equal(value_kind_name(VALUE_INTEGER), "integer");
}

static struct value *example(void) {
    struct value *table = value_table(&arena), *list = value_list(&arena), *inner;
    value_table_set(&arena, table, "name", value_string(&arena, "x\n"));
    value_table_set(&arena, table, "while", value_integer(&arena, INT64_MIN));
    value_table_set(&arena, table, "two words", value_number(&arena, 2));
    value_table_set(&arena, table, "none", value_nil(&arena));
    value_table_set(&arena, table, "empty", value_list(&arena));
    for (int i = 0; i < 2; i++) {
        inner = value_table(&arena);
        value_table_set(&arena, inner, "i", value_integer(&arena, i));
        value_table_set(&arena, inner, "inf", value_number(&arena, i ? INFINITY : -INFINITY));
        value_list_add(&arena, list, inner);
    }
    value_table_set(&arena, table, "list", list);
    return table;
}

static void prints_lua(void **state) {
    (void)state;
    struct text text = {0};
    value_print_lua(&text, example(), 2);
    assert_string_equal(text.bytes, "{\n"
                                    "  name = \"x\\n\",\n"
                                    "  [\"while\"] = 0x8000000000000000,\n"
                                    "  [\"two words\"] = 2.0,\n"
                                    "  empty = {},\n"
                                    "  list = {\n"
                                    "    { i = 0, inf = -math.huge },\n"
                                    "    { i = 1, inf = math.huge },\n"
                                    "  },\n"
                                    "}");
    text_clear(&text);
    value_print_lua(&text, value_get(example(), "list"), 0);
    assert_string_equal(text.bytes, "{ { i = 0, inf = -math.huge }, { i = 1, inf = math.huge } }");
    text_close(&text);
}

static void fills_lists_to_100_columns(void **state) {
    (void)state;
    struct value *table = value_table(&arena), *list = value_list(&arena);
    for (int i = 0; i < 500; i++)
        value_list_add(&arena, list, value_integer(&arena, i * 7919));
    value_table_set(&arena, table, "list", list);
    struct text text = {0};
    text_append(&text, "return ");
    value_print_lua(&text, table, 1);
    size_t longest = 0, lines = 0;
    for (const char *line = text.bytes; *line; lines++) {
        size_t length = strcspn(line, "\n");
        longest = length > longest ? length : longest;
        line += length + (line[length] == '\n');
    }
    assert_in_range(longest, 93, 100);
    assert_in_range(lines, 30, 60);
    text_close(&text);
}

static void prints_json(void **state) {
    (void)state;
    struct text text = {0};
    value_print_json(&text, example());
    assert_string_equal(text.bytes, "{\n"
                                    "  \"name\": \"x\\n\",\n"
                                    "  \"while\": -9223372036854775808,\n"
                                    "  \"two words\": 2.0,\n"
                                    "  \"none\": null,\n"
                                    "  \"empty\": [],\n"
                                    "  \"list\": [\n"
                                    "    {\n"
                                    "      \"i\": 0,\n"
                                    "      \"inf\": null\n"
                                    "    },\n"
                                    "    {\n"
                                    "      \"i\": 1,\n"
                                    "      \"inf\": null\n"
                                    "    }\n"
                                    "  ]\n"
                                    "}");
    text_clear(&text);
    value_print_json(&text, value_string(&arena, "\"\\\x01\xc3\xa9\xf0\x9f\x98\x80\xff"
                                                 "a\xc3\xe0\x80\x80"));
    assert_string_equal(text.bytes, "\"\\\"\\\\\\u0001\xc3\xa9\xf0\x9f\x98\x80\\ufffd"
                                    "a\\ufffd\\ufffd\\ufffd\\ufffd\"");
    text_close(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_keep_their_order),
        cmocka_unit_test(prints_lua),
        cmocka_unit_test(fills_lists_to_100_columns),
        cmocka_unit_test(prints_json),
    };
    return cmocka_run_group_tests(tests, NULL, close_arena);
}
