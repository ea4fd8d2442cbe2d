// What value_print_lua writes, script_read reads back equal.
#include "generator/script/script.h"

#include "tests/support/printed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state;

static unsigned random_below(unsigned limit) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % limit;
}

static const char *random_string(struct arena *arena) {
    static const char *const words[] = {"",    "while", "x",      "a b", "caf\xc3\xa9",
                                        "\"]", "]]",    "\\\n\r", "1",   "--",
                                        "_x9", "\xff",  "nil",    "}",   "\t\x01"};
    return arena_format(arena, "%s%s", words[random_below(15)], words[random_below(15)]);
}

static struct value *random_value(struct arena *arena, int depth) {
    struct value *value;
    uint64_t bits;
    double number;
    unsigned count = random_below(depth > 3 ? 30 : 6);
    switch (random_below(depth > 4 ? 5 : 8)) {
    case 0:
        return value_boolean(arena, random_below(2));
    case 1:
        return value_integer(arena,
                             (int64_t)(random_state * 0x9e3779b97f4a7c15u) >> random_below(64));
    case 2:
        bits = random_state * 0x9e3779b97f4a7c15u;
        memcpy(&number, &bits, sizeof number);
        return value_number(arena, isnan(number) ? INFINITY : number);
    case 3:
        return value_number(arena, (double)(int)random_below(100) - 50);
    case 4:
        return value_string(arena, random_string(arena));
    case 5:
        value = value_list(arena);
        for (unsigned i = 0; i < count; i++)
            value_list_add(arena, value, random_value(arena, depth + 1));
        return value;
    default:
        value = value_table(arena);
        for (unsigned i = 0; i <= count; i++)
            value_table_set(arena, value, random_string(arena), random_value(arena, depth + 1));
        return value;
    }
}

static bool equal(const struct value *a, const struct value *b) {
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NIL:
        return true;
    case VALUE_BOOLEAN:
        return a->boolean == b->boolean;
    case VALUE_INTEGER:
        return a->integer == b->integer;
    case VALUE_NUMBER:
        return memcmp(&a->number, &b->number, sizeof a->number) == 0;
    case VALUE_STRING:
        return strcmp(a->string, b->string) == 0;
    case VALUE_LIST:
        if (a->list.count != b->list.count)
            return false;
        for (size_t i = 0; i < a->list.count; i++) {
            if (!equal(a->list.items[i], b->list.items[i]))
                return false;
        }
        return true;
    case VALUE_TABLE:
        if (a->table.count != b->table.count)
            return false;
        for (size_t i = 0; i < a->table.count; i++) {
            if (strcmp(a->table.fields[i].name, b->table.fields[i].name) != 0 ||
                !equal(a->table.fields[i].value, b->table.fields[i].value))
                return false;
        }
        return true;
    }
    return false;
}

static void random_values_read_back(void **state) {
    (void)state;
    static const char *const constructors[] = {"plan"};
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(script_default_limits(), &diagnostics);
    assert_non_null(script);
    for (unsigned seed = 0; seed < 300; seed++) {
        struct arena arena = {0};
        struct text text = {0};
        struct value *table = value_table(&arena), *again = NULL;
        const char *constructor;
        random_state = seed;
        value_table_set(&arena, table, "member", random_value(&arena, 0));
        value_table_set(&arena, table, "another", random_value(&arena, 0));
        text_append(&text, "plan ");
        value_print_lua(&text, table, (int)(seed % 5));
        if (!script_read(script, "seed", text.bytes, constructors, 1, &arena, &constructor, &again,
                         &diagnostics))
            fail_msg("seed %u: %s", seed, printed_diagnostics(&diagnostics));
        if (!equal(table, again)) {
            struct text printed = {0};
            value_print_lua(&printed, again, (int)(seed % 5));
            fail_msg("seed %u: %s\n  became %s", seed, text.bytes, printed.bytes);
        }
        text_close(&text);
        arena_close(&arena);
    }
    script_close(script);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_values_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
