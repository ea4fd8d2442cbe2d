#include "generator/commands/tuned.h"

#include "generator/base/file.h"
#include "generator/commands/report.h"
#include "generator/tune/tuning_file.h"

#include <string.h>

const char *tuned_path(struct arena *arena, const char *folder, const char *model,
                       const char *target) {
    return arena_format(arena, "%s/tunings/%s-%s.lua", folder, model, target);
}

// One look at a file.
struct look {
    const struct tuned *tuned;
    const struct advice_request *request;
    struct signature here;
    bool has_signature;
};

static bool read_file(const struct look *look, const char *path, struct tuning_file *file,
                      struct diagnostics *diagnostics) {
    struct script *script = script_open(script_default_limits(), diagnostics);
    const bool read =
        script && tuning_file_read(script, path, look->request->arena, file, diagnostics);
    script_close(script);
    return read;
}

// Why the file is not for this model, target and machine; NULL: it is. *failed where that cannot be
// told, after adding a diagnostic.
static const char *misfit(struct look *look, const struct tuning_file *file, bool *failed,
                          struct diagnostics *diagnostics) {
    const struct advice_request *request = look->request;
    struct arena *arena = request->arena;
    if (strcmp(file->model, request->model->name) != 0 ||
        strcmp(file->target, request->target->name) != 0)
        return arena_format(arena, "it is for %s on %s, not for %s on %s", file->model,
                            file->target, request->model->name, request->target->name);
    if (!look->has_signature)
        look->has_signature =
            signature_make(request->model, request->target, look->tuned->installation->templates,
                           request->worker, arena, &look->here, diagnostics);
    *failed = !look->has_signature;
    const char *difference =
        *failed ? NULL : signature_difference(&file->signature, &look->here, arena);
    return difference ? arena_format(arena, "it was measured with %s", difference) : NULL;
}

// Takes what the file sets into the tuning.
static bool take(const struct advice_request *request, const struct tuning_file *file,
                 struct advice *advice, struct diagnostics *diagnostics) {
    struct arena *arena = request->arena;
    struct override_list list = {0};
    struct text words = {0};
    for (int i = 0; i < file->point.key_count; i++) {
        const char *value = arena_format(arena, "%d", file->point.values[i]);
        list.items = arena_grow(arena, list.items, (size_t)list.count, sizeof *list.items);
        list.items[list.count++] = (struct override){.key = file->point.keys[i], .value = value};
        text_format(&words, " --set %s=%s", file->point.keys[i], value);
    }
    advice->words = arena_string(arena, words.bytes ? words.bytes : "");
    advice->value = tune_point_text(arena, &file->point);
    advice->reason = tuning_file_reason(file, arena);
    text_close(&words);
    return tuning_take(request->tuning, &list, arena, diagnostics);
}

// The file that --tuning names: whatever is wrong with it is an error.
static bool take_named(struct look *look, struct advice *advice, struct diagnostics *diagnostics) {
    const char *path = look->tuned->line->tuning;
    struct tuning_file file;
    bool failed = false;
    if (!read_file(look, path, &file, diagnostics))
        return false;
    const char *why = misfit(look, &file, &failed, diagnostics);
    if (why) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){.file = path},
                       "this tuning cannot be used: %s", why);
        return diagnostic_note(diagnostics, "monogen tune makes a new one; --no-tuning does "
                                            "without");
    }
    return !failed && take(look->request, &file, advice, diagnostics);
}

// A file that lies where tunings are kept. Whatever is wrong with it is only told.
static void take_found(struct look *look, const char *path, struct advice *advice) {
    struct diagnostics trial = {0};
    struct tuning_file file;
    bool failed = false;
    const char *why = NULL;
    if (read_file(look, path, &file, &trial))
        why = misfit(look, &file, &failed, &trial);
    if (!why && !failed && trial.count == 0)
        take(look->request, &file, advice, &trial);
    if (why || trial.count > 0) {
        report_stage_end();
        report_note("the tuning %s is not used: %s; monogen tune makes a new one, --no-tuning is "
                    "silent",
                    path, why ? why : trial.items[0].message);
    }
    diagnostics_close(&trial);
}

// Whether the user left open all that a tuning may set. A comparison with the reference unshares
// mailboxes whoever chose the rest.
static bool is_open(const struct command_line *line, const struct tuning *tuning) {
    struct tuning rest = *tuning;
    struct text text = {0};
    rest.context = 0;
    rest.kv = NULL;
    rest.trace = NULL;
    if (command_line_wants_reference(line))
        rest.buffers = NULL;
    tuning_print(&rest, &text);
    const bool open = strcmp(text.bytes, "default") == 0;
    text_close(&text);
    return open;
}

bool tuned_advise(void *context, const struct advice_request *request, struct advice *advice,
                  struct diagnostics *diagnostics) {
    struct look look = {.tuned = context, .request = request};
    const struct command_line *line = look.tuned->line;
    if (line->no_tuning)
        return true;
    if (line->tuning && !is_open(line, request->tuning))
        return usage_error(diagnostics, "--tuning and --set of a tuning key: one of them decides");
    if (line->tuning)
        return take_named(&look, advice, diagnostics);
    if (!is_open(line, request->tuning))
        return true;
    const char *const folders[] = {request->cache_folder, look.tuned->installation->specs};
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !advice->reason; i++) {
        if (!folders[i])
            continue;
        const char *path =
            tuned_path(request->arena, folders[i], request->model->name, request->target->name);
        if (file_exists(path))
            take_found(&look, path, advice);
    }
    return true;
}

const char *tuned_text(const struct plan_plan *plan, struct arena *arena) {
    const struct plan_choice *choice = plan_choice_named(plan, "tuning");
    return choice ? arena_format(arena, "%s, %s", choice->value, choice->reason) : NULL;
}

void tuned_note(const struct plan_plan *plan) {
    struct arena arena = {0};
    const char *text = tuned_text(plan, &arena);
    if (text)
        report_note("tuning %s", text);
    arena_close(&arena);
}
