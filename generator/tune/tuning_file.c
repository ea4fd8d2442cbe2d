#include "generator/tune/tuning_file.h"

#include "generator/base/digest.h"
#include "generator/base/file.h"
#include "generator/model/names.h"

#include <string.h>

enum { FORMAT = 1, MAX_BYTES = 1 << 16, DIGEST_SHOWN = 12 };

// ---- to a value ---------------------------------------------------------------------------------

static void set_text(struct arena *arena, struct value *table, const char *name, const char *text) {
    value_table_set(arena, table, name, value_string(arena, text));
}

static void set_integer(struct arena *arena, struct value *table, const char *name,
                        int64_t integer) {
    value_table_set(arena, table, name, value_integer(arena, integer));
}

static void set_number(struct arena *arena, struct value *table, const char *name, double number) {
    value_table_set(arena, table, name, value_number(arena, number));
}

// The numbers of `measured`, the only list of them: NUMBER is a double, INTEGER a whole number.
#define MEASURED_FIELDS(NUMBER, INTEGER)                                                           \
    NUMBER(us_per_token_median)                                                                    \
    NUMBER(us_per_token_min)                                                                       \
    NUMBER(us_per_token_max)                                                                       \
    NUMBER(planner_us_per_token_median)                                                            \
    INTEGER(points_count)                                                                          \
    INTEGER(rounds_count)                                                                          \
    INTEGER(context_positions)                                                                     \
    INTEGER(launch_tokens)

static struct value *value_of(const struct tuning_file *file, struct arena *arena) {
    struct value *table = value_table(arena), *set = value_table(arena),
                 *signature = value_table(arena), *measured = value_table(arena);
    set_integer(arena, table, "format", FORMAT);
    set_text(arena, table, "model", file->model);
    set_text(arena, table, "target", file->target);
    for (int i = 0; i < file->point.key_count; i++)
        set_integer(arena, set, file->point.keys[i], file->point.values[i]);
    for (int i = 0; i < SIGNATURE_PARTS; i++)
        set_text(arena, signature, signature_part_name((enum signature_part)i),
                 file->signature.parts[i]);
#define SET_NUMBER(name) set_number(arena, measured, #name, file->name);
#define SET_INTEGER(name) set_integer(arena, measured, #name, file->name);
    MEASURED_FIELDS(SET_NUMBER, SET_INTEGER)
    set_text(arena, measured, "kv_dtype", file->kv_dtype);
    set_text(arena, measured, "text_digest", file->text_digest);
    value_table_set(arena, table, "set", set);
    value_table_set(arena, table, "signature", signature);
    value_table_set(arena, table, "measured", measured);
    return table;
}

static const char *digest_of(const struct tuning_file *file, struct arena *arena) {
    struct text text = {0};
    char digest[DIGEST_TEXT_BYTES];
    value_print_lua(&text, value_of(file, arena), 2);
    digest_strings((const char *const[]){text.bytes}, 1, digest);
    text_close(&text);
    return arena_string(arena, digest);
}

void tuning_file_print(const struct tuning_file *file, struct text *out) {
    struct arena arena = {0};
    struct value *value = value_of(file, &arena);
    set_text(&arena, value, "digest", digest_of(file, &arena));
    text_append(out,
                "-- Written by monogen tune, and used wherever all of the signature still fits. "
                "An edited file is\n-- refused: tune again, or give --set what it sets.\n"
                "tuning ");
    value_print_lua(out, value, 2);
    text_append(out, "\n");
    arena_close(&arena);
}

// ---- from a value -------------------------------------------------------------------------------

// What is wrong with the form is not told apart: whoever did not edit the file never sees it.
static bool take_text(const struct value *table, const char *name, const char **text) {
    const struct value *value = value_get(table, name);
    const bool there = value && value->kind == VALUE_STRING;
    if (there)
        *text = value->string;
    return there;
}

static bool take_number(const struct value *table, const char *name, double *number) {
    const struct value *value = value_get(table, name);
    const bool there = value && value->kind == VALUE_NUMBER;
    if (there)
        *number = value->number;
    return there;
}

static bool take_integer(const struct value *table, const char *name, int64_t *integer) {
    const struct value *value = value_get(table, name);
    const bool there = value && value->kind == VALUE_INTEGER;
    if (there)
        *integer = value->integer;
    return there;
}

static bool take_measured(const struct value *measured, struct tuning_file *file) {
    bool good = true;
    int64_t integer = 0;
#define TAKE_NUMBER(name) good &= take_number(measured, #name, &file->name);
#define TAKE_INTEGER(name)                                                                         \
    good &= take_integer(measured, #name, &integer) && integer >= 0 && integer <= INT32_MAX;       \
    file->name = (int)integer;
    MEASURED_FIELDS(TAKE_NUMBER, TAKE_INTEGER)
    return good && take_text(measured, "kv_dtype", &file->kv_dtype) &&
           take_text(measured, "text_digest", &file->text_digest);
}

static bool take_set(const struct value *set, struct tune_point *point) {
    // An empty table is an empty list.
    const bool empty = set && set->kind == VALUE_LIST && set->list.count == 0;
    const bool filled = set && set->kind == VALUE_TABLE && set->table.count <= TUNE_MAX_KEYS;
    for (size_t i = 0; filled && i < set->table.count; i++) {
        int64_t value;
        point->keys[i] = set->table.fields[i].name;
        if (!take_integer(set, point->keys[i], &value) || value < 0 || value > INT32_MAX)
            return false;
        point->values[point->key_count++] = (int)value;
    }
    return empty || filled;
}

static bool take_all(const struct value *value, struct tuning_file *file, const char **digest) {
    const struct value *signature = value_get(value, "signature");
    bool good = take_text(value, "model", &file->model) &&
                take_text(value, "target", &file->target) && take_text(value, "digest", digest) &&
                name_is_plain(file->model) && name_is_plain(file->target) &&
                take_set(value_get(value, "set"), &file->point) &&
                take_measured(value_get(value, "measured"), file);
    for (int i = 0; good && i < SIGNATURE_PARTS; i++)
        good = take_text(signature, signature_part_name((enum signature_part)i),
                         &file->signature.parts[i]);
    return good;
}

static bool refuse(const char *path, const char *text, const struct value *value, const char *name,
                   const char *message, struct diagnostics *diagnostics) {
    const struct value *field = value_get(value, name);
    diagnostic_add(diagnostics, DIAGNOSTIC_USER,
                   location_of_word(path, text, field ? field->line : value->line, name), "%s",
                   message);
    return diagnostic_note(diagnostics, "monogen tune makes a new one");
}

bool tuning_file_read(struct script *script, const char *path, struct arena *arena,
                      struct tuning_file *file, struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"tuning"};
    const char *constructor, *digest = NULL;
    struct value *value;
    size_t length;
    int64_t format;
    *file = (struct tuning_file){0};
    const char *text = file_read(arena, path, MAX_BYTES, &length, diagnostics);
    if (!text ||
        !script_read(script, path, text, constructors, 1, arena, &constructor, &value, diagnostics))
        return false;
    if (!take_integer(value, "format", &format) || format != FORMAT)
        return refuse(path, text, value, "format", "this version reads tunings of format 1",
                      diagnostics);
    if (!take_all(value, file, &digest) || strcmp(digest, digest_of(file, arena)) != 0)
        return refuse(path, text, value, "digest",
                      "this tuning was edited or damaged: its digest does not fit what it says",
                      diagnostics);
    return true;
}

const char *tuning_file_reason(const struct tuning_file *file, struct arena *arena) {
    return arena_format(
        arena,
        "measured: %.2f times as fast as the planner's own choice, best of %d points in %d "
        "rounds (tuning %.*s)",
        file->planner_us_per_token_median / file->us_per_token_median, file->points_count,
        file->rounds_count, DIGEST_SHOWN, digest_of(file, arena));
}
