#include "generator/commands/commands.h"
#include "generator/model/model.h"
#include "generator/plan/tuning.h"
#include "generator/target/target.h"

#include <string.h>

static void print_names(FILE *stream, const char *const *names, size_t count) {
    enum { COLUMNS = 98 };
    size_t column = 0;
    for (size_t i = 0; i < count; i++) {
        if (column + 1 + strlen(names[i]) > COLUMNS) {
            fputc('\n', stream);
            column = 0;
        }
        column += (size_t)fprintf(stream, "%s%s", column ? " " : "  ", names[i]);
    }
    fputc('\n', stream);
}

static size_t target_key_count(void) {
    size_t count = 0;
    while (target_keys[count])
        count++;
    return count;
}

void print_set_keys(FILE *stream) {
    struct text text = {0};
    const char *spec_keys[MODEL_MAX_KEYS];
    tuning_print_keys(&text);
    fprintf(stream, "Keys of --set:\n%sof the target\n", text.bytes ? text.bytes : "");
    print_names(stream, target_keys, target_key_count());
    fputs("of the spec\n", stream);
    const size_t spec_count = model_keys(spec_keys);
    print_names(stream, spec_keys, spec_count);
    text_close(&text);
}

static struct value *names_value(struct arena *arena, const char *const *names, size_t count) {
    struct value *list = value_list(arena);
    for (size_t i = 0; i < count; i++)
        value_list_add(arena, list, value_string(arena, names[i]));
    return list;
}

struct value *set_keys_value(struct arena *arena) {
    const char *spec_keys[MODEL_MAX_KEYS];
    struct value *table = value_table(arena);
    value_table_set(arena, table, "tuning", tuning_keys_value(arena));
    value_table_set(arena, table, "target", names_value(arena, target_keys, target_key_count()));
    value_table_set(arena, table, "spec", names_value(arena, spec_keys, model_keys(spec_keys)));
    return table;
}
