#include "generator/commands/counted.h"

#include "generator/base/file.h"
#include "generator/base/text.h"
#include "generator/commands/report.h"
#include "runtime/device_counts.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name, *meaning;
} rows[] = {
#define DEVICE_COUNT(name, meaning) {#name, meaning},
#include "runtime/device_counts.def"
#undef DEVICE_COUNT
};

enum { ROWS = sizeof rows / sizeof *rows };

static void print(const uint64_t *numbers, uint32_t positions, const char *file) {
    fprintf(stderr, "%-20s %16s %16s\n", "counted", "in all", "a position");
    for (size_t i = 0; i < ROWS; i++)
        fprintf(stderr, "%-20s %16" PRIu64 " %16.1f  %s\n", rows[i].name, numbers[i],
                (double)numbers[i] / positions, rows[i].meaning);
    fprintf(stderr, "counts %s: the same as JSON, of %" PRIu32 " positions\n", file, positions);
}

bool counted_check(const struct monogen *model, struct diagnostics *diagnostics) {
    struct device_counts counts;
    return monogen_counts(model, &counts) ||
           usage_error(diagnostics, "--counts: only --device sim counts what a kernel does");
}

bool counted_write(const struct monogen *model, uint32_t positions, const char *file,
                   struct diagnostics *diagnostics) {
    struct device_counts counts;
    if (!monogen_counts(model, &counts))
        return false;
    const uint64_t numbers[ROWS] = {
#define DEVICE_COUNT(name, meaning) counts.name,
#include "runtime/device_counts.def"
#undef DEVICE_COUNT
    };
    struct arena arena = {0};
    struct text text = {0};
    struct value *table = value_table(&arena);
    report_set_integer(&arena, table, "positions", positions);
    for (size_t i = 0; i < ROWS; i++)
        report_set_integer(&arena, table, rows[i].name, (int64_t)numbers[i]);
    value_print_json(&text, table);
    const bool written = file_write(file, text.bytes, text.length, diagnostics);
    if (written)
        print(numbers, positions, file);
    text_close(&text);
    arena_close(&arena);
    return written;
}
