#include "generator/commands/commands.h"
#include "generator/commands/report.h"
#include "generator/commands/views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct view views[] = {
    {NULL, NULL, "the kernel at a glance", view_overview},
    {"plan", NULL, "2-plan.lua", view_plan},
    {"source", NULL, "3-kernel.hip, the emitted source", view_source},
    {"isa", NULL, "6-kernel.isa, the disassembly", view_isa},
    {"resources", NULL, "what the compiler made of the kernel", view_resources},
    {"line", "N", "line N of the source: its template, step and spec line", view_line},
    {"step", "N", "step N of the schedule: its body, hand-offs and emitted lines", view_step},
    {"cu", "N", "CU N: where it is, its tiles and bytes", view_cu},
    {"choice", "[NAME]", "a choice of the planner with its reason; all of them without NAME",
     view_choice},
};

const size_t view_count = sizeof views / sizeof *views;

static const char keys_view[] = "keys";

void print_inspect_views(FILE *stream) {
    fputs("Views:\n", stream);
    for (size_t i = 0; i < view_count; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", views[i].name ? views[i].name : "(none)",
                 views[i].argument ? " " : "", views[i].argument ? views[i].argument : "");
        fprintf(stream, "  %-24s %s\n", left, views[i].meaning);
    }
    fprintf(stream, "  %-24s %s\n", keys_view, "what --set takes");
}

bool view_number(const struct artefacts *artefacts, const char *noun, const char *which, int least,
                 int most, int *number) {
    char *end = NULL;
    errno = 0;
    const long value = strtol(which, &end, 10);
    if (errno || end == which || *end || value < least || value > most)
        return usage_error(artefacts->diagnostics, "%s %s: %s has %ss %d to %d", noun, which,
                           artefacts->folder, noun, least, most);
    *number = (int)value;
    return true;
}

static const struct view *find_view(const char *name, struct diagnostics *diagnostics) {
    const char *names[32] = {keys_view};
    size_t count = 1;
    if (!name)
        return &views[0];
    for (size_t i = 1; i < view_count; i++) {
        if (strcmp(views[i].name, name) == 0)
            return &views[i];
        names[count++] = views[i].name;
    }
    usage_error(diagnostics, "inspect has no view '%s'", name);
    const char *nearest = nearest_name(name, names, count);
    if (nearest)
        diagnostic_note(diagnostics, "did you mean '%s'?", nearest);
    diagnostic_note(diagnostics, "monogen inspect --help lists the views");
    return NULL;
}

// The words after the view's name, joined; names of choices have blanks.
static const char *which_of(const struct command_line *line, struct arena *arena) {
    const char *which = line->argument_count > 2 ? line->arguments[2] : NULL;
    for (int i = 3; i < line->argument_count; i++)
        which = arena_format(arena, "%s %s", which, line->arguments[i]);
    return which;
}

static bool show(const struct command_line *line, const struct view *view,
                 const struct artefacts *artefacts) {
    const char *which = which_of(line, artefacts->arena);
    if (which && !view->argument)
        return usage_error(artefacts->diagnostics, "'%s' is too much after %s", which,
                           line->arguments[1]);
    if (!which && view->argument && view->argument[0] != '[')
        return usage_error(artefacts->diagnostics, "inspect DIR %s %s: %s is missing", view->name,
                           view->argument, view->argument);
    struct view_result result = {0};
    if (!view->show(artefacts, which, &result))
        return false;
    if (result.text && !line->json)
        fputs(result.text, stdout);
    else
        report_value(result.value, line->json);
    return true;
}

static void show_keys(const struct command_line *line) {
    struct arena arena = {0};
    if (line->json)
        report_value(set_keys_value(&arena), true);
    else
        print_set_keys(stdout);
    arena_close(&arena);
}

bool inspect_command(const struct command_line *line, struct diagnostics *diagnostics) {
    const char *name = line->argument_count > 1 ? line->arguments[1] : NULL;
    if (name && strcmp(name, keys_view) == 0) {
        if (line->argument_count > 2)
            return usage_error(diagnostics, "'%s' is too much after %s", line->arguments[2], name);
        show_keys(line);
        return true;
    }
    const struct view *view = find_view(name, diagnostics);
    if (!view)
        return false;
    struct arena arena = {0};
    const struct artefacts artefacts = {&arena, line->arguments[0], diagnostics};
    const bool shown = show(line, view, &artefacts);
    arena_close(&arena);
    return shown;
}
