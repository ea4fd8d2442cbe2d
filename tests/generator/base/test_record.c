#include "generator/base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <string.h>

struct point {
    int x;
    double weight;
};

struct everything {
    int number;
    int64_t large;
    double real;
    bool flag;
    const char *text, *absent;
    struct point point;
    int *ints;
    int ints_count;
    int64_t *larges;
    int larges_count;
    double *reals;
    int reals_count;
    const char **texts;
    int texts_count;
    struct point *points;
    int points_count;
};

static const struct record_field point_fields[] = {
    {"x", HOLDS_INT, offsetof(struct point, x), 0, NULL},
    {"weight", HOLDS_DOUBLE, offsetof(struct point, weight), 0, NULL},
};
static const struct record_type point_type = {"point", sizeof(struct point), point_fields, 2};

#define PLACE(field) offsetof(struct everything, field)
#define LIST(field, kind, type)                                                                    \
    { #field, kind, PLACE(field), PLACE(field##_count), type }
static const struct record_field fields[] = {
    {"number", HOLDS_INT, PLACE(number), 0, NULL},
    {"large", HOLDS_INT64, PLACE(large), 0, NULL},
    {"real", HOLDS_DOUBLE, PLACE(real), 0, NULL},
    {"flag", HOLDS_BOOL, PLACE(flag), 0, NULL},
    {"text", HOLDS_STRING, PLACE(text), 0, NULL},
    {"absent", HOLDS_STRING, PLACE(absent), 0, NULL},
    {"point", HOLDS_RECORD, PLACE(point), 0, &point_type},
    LIST(ints, HOLDS_INT_LIST, NULL),
    LIST(larges, HOLDS_INT64_LIST, NULL),
    LIST(reals, HOLDS_DOUBLE_LIST, NULL),
    LIST(texts, HOLDS_STRING_LIST, NULL),
    LIST(points, HOLDS_RECORD_LIST, &point_type),
};
static const struct record_type type = {"everything", sizeof(struct everything), fields,
                                        sizeof fields / sizeof fields[0]};

static struct everything sample(void) {
    static int ints[] = {1, -2, INT_MAX};
    static int64_t larges[] = {INT64_MIN, INT64_MAX};
    static double reals[] = {0.1, 1e300};
    static const char *texts[] = {"a", "b \"quoted\"", ""};
    static struct point points[] = {{3, 0.25}, {4, -1}};
    return (struct everything){INT_MIN, INT64_MAX, 1.0 / 3, true, "text", NULL, {5, 2.5}, ints, 3,
                               larges,  2,         reals,   2,    texts,  3,    points,   2};
}

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
};
static struct fixture f;

static int clean(void **state) {
    (void)state;
    arena_close(&f.arena);
    diagnostics_close(&f.diagnostics);
    f = (struct fixture){0};
    return 0;
}

static void test_round_trip(void **state) {
    (void)state;
    const struct everything before = sample();
    struct everything after = {0};
    const struct value *value = record_to_value(&f.arena, &type, &before);
    assert_true(record_from_value(&f.arena, &type, value, &after, "x.lua", &f.diagnostics));
    assert_int_equal(after.number, INT_MIN);
    assert_true(after.large == INT64_MAX);
    assert_true(after.real == 1.0 / 3);
    assert_true(after.flag);
    assert_string_equal(after.text, "text");
    assert_null(after.absent);
    assert_int_equal(after.point.x, 5);
    assert_true(after.point.weight == 2.5);
    assert_int_equal(after.ints_count, 3);
    assert_memory_equal(after.ints, before.ints, 3 * sizeof(int));
    assert_int_equal(after.larges_count, 2);
    assert_memory_equal(after.larges, before.larges, 2 * sizeof(int64_t));
    assert_int_equal(after.reals_count, 2);
    assert_memory_equal(after.reals, before.reals, 2 * sizeof(double));
    assert_int_equal(after.texts_count, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(after.texts[i], before.texts[i]);
    assert_int_equal(after.points_count, 2);
    assert_int_equal(after.points[1].x, 4);
    assert_true(after.points[1].weight == -1);
    // the strings are the record's own
    assert_ptr_not_equal(after.text, value_get(value, "text")->string);
}

static void test_the_value_has_the_fields_in_order(void **state) {
    (void)state;
    const struct everything record = sample();
    const struct value *value = record_to_value(&f.arena, &type, &record);
    assert_int_equal(value->kind, VALUE_TABLE);
    size_t k = 0;
    for (int i = 0; i < type.field_count; i++) {
        if (strcmp(fields[i].name, "absent") == 0)
            continue;
        assert_string_equal(value->table.fields[k++].name, fields[i].name);
    }
    assert_int_equal(value->table.count, k);
}

static void test_empty_lists(void **state) {
    (void)state;
    const struct everything nothing = {0};
    struct everything after = {0};
    const struct value *value = record_to_value(&f.arena, &type, &nothing);
    assert_true(record_from_value(&f.arena, &type, value, &after, "x.lua", &f.diagnostics));
    assert_int_equal(after.ints_count, 0);
    assert_int_equal(after.points_count, 0);
}

// Replaces (or, with NULL, drops) a field of a good value; expects one error at its line.
static void expect_refusal(const char *field, struct value *replacement, int line,
                           const char *message) {
    const struct everything record = sample();
    struct value *good = record_to_value(&f.arena, &type, &record);
    struct value *bad = value_table(&f.arena);
    bad->line = 3;
    for (size_t i = 0; i < good->table.count; i++)
        if (replacement || strcmp(good->table.fields[i].name, field) != 0)
            value_table_set(&f.arena, bad, good->table.fields[i].name, good->table.fields[i].value);
    if (replacement) {
        replacement->line = 7;
        value_table_set(&f.arena, bad, field, replacement);
    }
    struct everything after = {0};
    const size_t before = f.diagnostics.count;
    assert_false(record_from_value(&f.arena, &type, bad, &after, "x.lua", &f.diagnostics));
    assert_int_equal(f.diagnostics.count, before + 1);
    const struct diagnostic *error = &f.diagnostics.items[before];
    assert_string_equal(error->at.file, "x.lua");
    if (error->at.line != line || !strstr(error->message, message))
        fail_msg("%s: line %d: %s", field, error->at.line, error->message);
}

static void test_what_does_not_fit_is_located(void **state) {
    (void)state;
    struct arena *a = &f.arena;
    expect_refusal("number", value_string(a, "1"), 7, "everything.number must be");
    expect_refusal("number", value_number(a, 1.5), 7, "everything.number must be");
    expect_refusal("number", value_integer(a, (int64_t)INT_MAX + 1), 7, "everything.number");
    expect_refusal("large", value_number(a, 1e30), 7, "everything.large");
    expect_refusal("real", value_boolean(a, true), 7, "everything.real");
    expect_refusal("flag", value_integer(a, 1), 7, "everything.flag");
    expect_refusal("text", value_integer(a, 1), 7, "everything.text");
    expect_refusal("point", value_integer(a, 1), 7, "point");
    expect_refusal("ints", value_integer(a, 1), 7, "everything.ints must be a list");
    expect_refusal("number", NULL, 3, "number");
    expect_refusal("point", NULL, 3, "point");
    expect_refusal("strange", value_integer(a, 1), 7, "strange");
    struct value *list = value_list(a);
    value_list_add(a, list, value_string(a, "x"));
    list->list.items[0]->line = 9;
    expect_refusal("ints", list, 9, "ints");
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_the_value_has_the_fields_in_order),
        TEST(test_empty_lists),
        TEST(test_what_does_not_fit_is_located),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
