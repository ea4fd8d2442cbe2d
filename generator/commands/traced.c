#include "generator/commands/traced.h"

#include "generator/base/file.h"
#include "generator/commands/report.h"

bool traced_take(const struct kernel *kernel, struct arena *arena, struct traced *traced,
                 struct diagnostics *diagnostics) {
    const size_t count = monogen_trace_count(kernel->model);
    struct kernel_trace_record *records = arena_array(arena, count, sizeof *records);
    struct monogen_error error = {0};
    if (!monogen_trace(kernel->model, records, &error))
        return report_runtime_error(&error, diagnostics);
    if (!trace_read(&kernel->generation.plan, records, arena, &traced->trace, diagnostics))
        return false;
    trace_find_path(&traced->trace, arena, &traced->path);
    return true;
}

bool traced_write(const struct traced *traced, const char *file, struct diagnostics *diagnostics) {
    struct text text = {0};
    trace_print_json(&traced->trace, &traced->path, &text);
    const bool written = file_write(file, text.bytes, text.length, diagnostics);
    text_close(&text);
    return written;
}

void traced_print(const struct traced *traced, const char *file, FILE *stream) {
    struct text text = {0};
    trace_print_summary(&traced->trace, &traced->path, &text);
    fputs(text.bytes, stream);
    fprintf(stream, "timeline %s: open it with ui.perfetto.dev or chrome://tracing\n", file);
    text_close(&text);
}
