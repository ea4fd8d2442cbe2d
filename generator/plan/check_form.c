// Rule `form`, first part: every field by its kind. plan.def tells what fields there are, so that
// no field that a later version adds goes unlooked at.
#include "generator/plan/check_rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 4096, MAX_ITEMS = 1 << 16 };

struct walk {
    struct checking *checking;
    char path[192]; // "stages[3].parts[0]." of the record being looked at
    size_t length;
};

// Extends the path by a part and an index (-1: none); returns the length to restore.
static size_t enter(struct walk *walk, const char *field, int index) {
    const size_t before = walk->length, room = sizeof walk->path - before;
    const int written = index < 0 ? snprintf(walk->path + before, room, "%s.", field)
                                  : snprintf(walk->path + before, room, "%s[%d].", field, index);
    if (written > 0 && (size_t)written < room)
        walk->length += (size_t)written;
    return before;
}

static void leave(struct walk *walk, size_t before) {
    walk->length = before;
    walk->path[before] = '\0';
}

static void walk_integer(struct walk *walk, const char *field, int64_t value, int64_t most) {
    static const char *const may_be_none[] = {
        "layer",       "keeps_node",    "read_epoch",    "reads_node", "write_epoch", "norm_offset",
        "bias_offset", "q_norm_offset", "k_norm_offset", "kv_offset",  "rope",        NULL};
    const int64_t least = form_is_one_of(field, may_be_none) ? -1 : 0;
    if (value < least || value > most)
        violation(walk->checking, "%s%s = %lld must be between %lld and %lld", walk->path, field,
                  (long long)value, (long long)least, (long long)most);
}

static void walk_number(struct walk *walk, const char *field, double value) {
    if (!isfinite(value))
        violation(walk->checking, "%s%s is not a finite number", walk->path, field);
}

// Texts land in comments of the emitted source and in lines of the map.
static void walk_text(struct walk *walk, const char *record, const char *field, const char *text) {
    if (!text) {
        static const struct {
            const char *record, *field;
        } optional[] = {{"stage", "region"},  {"stage", "reads_from"}, {"stage", "writes_to"},
                        {"region", "tensor"}, {"embedding", "body"},   {"lds", "shared"},
                        {"plan", "trace"}};
        for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
            if (strcmp(optional[i].record, record) == 0 && strcmp(optional[i].field, field) == 0)
                return;
        violation(walk->checking, "%s%s is missing", walk->path, field);
        return;
    }
    const size_t length = strnlen(text, MAX_TEXT_BYTES + 1);
    if (length > MAX_TEXT_BYTES)
        violation(walk->checking, "%s%s is longer than %d bytes", walk->path, field,
                  MAX_TEXT_BYTES);
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte < ' ' || byte == 127 || byte == '\\') {
            violation(walk->checking,
                      "%s%s holds byte %d: a text is one line without control characters and "
                      "backslashes",
                      walk->path, field, byte);
            return;
        }
    }
}

static bool walk_list(struct walk *walk, const char *field, const void *items, int count) {
    static const struct {
        const char *list;
        int most;
    } limits[] = {
        {"stages", CHECK_MAX_STAGES},
        {"first_tile", CHECK_MAX_CUS + 1},
        {"cu_offset", CHECK_MAX_CUS},
        {"bodies", 256},
        {"partitions", 256},
        {"mailboxes", CHECK_MAX_STAGES},
        {"ropes", 8},
        {"edges", 16},
        {"regions", 16},
        {"parts", 16},
        {"reads", 8},
        {"writes", 8},
        {"xcds", 32}, // dies of kernel_control
        {"lds", 64},
        {"constants", 64},
        {"eos", 64},
    };
    int most = MAX_ITEMS;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (strcmp(limits[i].list, field) == 0)
            most = limits[i].most;
    if (count >= 0 && count <= most && (items || count == 0))
        return true;
    return violation(walk->checking, "%s%s has %d items, must have 0 to %d", walk->path, field,
                     count, most);
}

#define RECORD(name) static void walk_##name(struct walk *walk, const struct plan_##name *item) {
#define END(name) }
#define INT(record, field) walk_integer(walk, #field, item->field, CHECK_MAX_INT);
#define INT64(record, field) walk_integer(walk, #field, item->field, CHECK_MAX_BYTES);
#define DOUBLE(record, field) walk_number(walk, #field, item->field);
#define STRING(record, field) walk_text(walk, #record, #field, item->field);
#define BOOL(record, field)
#define EACH_ITEM(field, look)                                                                     \
    if (walk_list(walk, #field, item->field, item->field##_count))                                 \
        for (int i = 0; i < item->field##_count; i++)                                              \
            look;
#define INT_LIST(record, field)                                                                    \
    EACH_ITEM(field, walk_integer(walk, #field, item->field[i], CHECK_MAX_INT))
#define INT64_LIST(record, field)                                                                  \
    EACH_ITEM(field, walk_integer(walk, #field, item->field[i], CHECK_MAX_BYTES))
#define DOUBLE_LIST(record, field) EACH_ITEM(field, walk_number(walk, #field, item->field[i]))
#define STRING_LIST(record, field)                                                                 \
    EACH_ITEM(field, walk_text(walk, #record, #field, item->field[i]))
#define RECORD_FIELD(record, field, type)                                                          \
    {                                                                                              \
        const size_t before = enter(walk, #field, -1);                                             \
        walk_##type(walk, &item->field);                                                           \
        leave(walk, before);                                                                       \
    }
#define RECORD_LIST(record, field, type)                                                           \
    EACH_ITEM(field, {                                                                             \
        const size_t before = enter(walk, #field, i);                                              \
        walk_##type(walk, &item->field[i]);                                                        \
        leave(walk, before);                                                                       \
    })
#include "generator/plan/plan.def"

void form_fields(struct checking *checking) {
    struct walk walk = {.checking = checking};
    walk_plan(&walk, checking->plan);
}
