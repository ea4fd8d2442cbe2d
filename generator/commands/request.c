#include "generator/commands/request.h"

#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "generator/commands/tuned.h"
#include "generator/model/names.h"

#include <inttypes.h>
#include <string.h>

static void add_override(struct arena *arena, struct override_list *list, const char *key,
                         const char *value) {
    list->items = arena_grow(arena, list->items, (size_t)list->count, sizeof *list->items);
    list->items[list->count++] = (struct override){.key = key, .value = value};
}

// --context, --kv and --trace are overrides with a name of their own; --set must not contradict
// them.
static bool gather_overrides(const struct command_line *line, struct arena *arena,
                             struct override_list *list, struct diagnostics *diagnostics) {
    // What stages published is looked at when the position is over.
    bool unshare = command_line_wants_reference(line);
    for (int i = 0; i < line->set.count; i++) {
        const struct override *item = &line->set.items[i];
        for (int j = 0; j < i; j++)
            if (strcmp(line->set.items[j].key, item->key) == 0)
                return usage_error(diagnostics, "--set %s is given twice", item->key);
        add_override(arena, list, item->key, item->value);
        const bool named = (line->context && strcmp(item->key, "context") == 0) ||
                           (line->kv && strcmp(item->key, "kv") == 0) ||
                           (line->trace && strcmp(item->key, "trace") == 0);
        if (unshare && strcmp(item->key, "buffers") == 0) {
            if (strcmp(item->value, "unshared") != 0)
                return usage_error(diagnostics,
                                   "--set %s=%s: --compare reference needs unshared ones",
                                   item->key, item->value);
            unshare = false; // said already
        }
        if (named)
            return usage_error(diagnostics, "--set %s=%s: --%s says it already", item->key,
                               item->value, item->key);
    }
    if (line->context)
        add_override(arena, list, "context", arena_format(arena, "%" PRId64, line->context));
    if (line->kv)
        add_override(arena, list, "kv", line->kv);
    if (line->trace)
        add_override(arena, list, "trace", "on");
    if (unshare)
        add_override(arena, list, "buffers", "unshared");
    return true;
}

// Appends a word as a shell reads it back.
static void append_word(struct text *command, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-+=/,:@%";
    text_append(command, " ");
    if (*word && strspn(word, plain) == strlen(word)) {
        text_append(command, word);
        return;
    }
    text_append(command, "'");
    for (; *word; word++)
        if (*word == '\'')
            text_append(command, "'\\''");
        else
            text_append_bytes(command, word, 1);
    text_append(command, "'");
}

static const char *shown(struct arena *arena, const struct installation *installation,
                         const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return path_shown(arena, installation->specs, arena_bytes(arena, path, length));
}

static const char *command_text(const struct command_line *line,
                                const struct installation *installation, const char *spec,
                                const char *target, struct arena *arena) {
    struct text command = {0};
    text_append(&command, "monogen generate");
    append_word(&command, shown(arena, installation, spec));
    text_append(&command, " --target");
    append_word(&command, shown(arena, installation, target));
    if (line->context)
        text_format(&command, " --context %" PRId64, line->context);
    if (line->kv)
        text_format(&command, " --kv %s", line->kv);
    if (line->trace)
        text_append(&command, " --set trace=on");
    for (int i = 0; i < line->set.count; i++) {
        text_append(&command, " --set");
        append_word(&command,
                    arena_format(arena, "%s=%s", line->set.items[i].key, line->set.items[i].value));
    }
    const char *copy = arena_string(arena, command.bytes);
    text_close(&command);
    return copy;
}

bool request_make(const struct command_line *line, const struct installation *installation,
                  const char *target, struct arena *arena, struct generation_request *request,
                  struct diagnostics *diagnostics) {
    *request = (struct generation_request){
        .source_file = line->source,
        .plan_file = line->plan,
        .compile = true,
        .progress = report_stage,
    };
    if (line->plan)
        return true;
    request->spec = line->arguments[0];
    request->target = target;
    request->command = command_text(line, installation, request->spec, target, arena);
    if (line->tuning && line->no_tuning)
        return usage_error(diagnostics, "--tuning and --no-tuning: one of them decides");
    struct tuned *tuned = arena_alloc(arena, sizeof *tuned);
    *tuned = (struct tuned){line, installation};
    request->advise = tuned_advise;
    request->advise_context = tuned;
    return gather_overrides(line, arena, &request->overrides, diagnostics);
}

bool request_run(const struct generation_request *request, const struct installation *installation,
                 struct generation *generation, struct diagnostics *diagnostics) {
    const bool made = generation_run(request, installation, generation, diagnostics);
    report_stage_end();
    return made && !interrupted();
}
