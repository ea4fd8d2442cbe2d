#include "generator/commands/peer.h"

#include "generator/base/process.h"
#include "generator/commands/interrupt.h"
#include "runtime/json_node.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TIMEOUT_SECONDS = 3600;
enum { OUTPUT_BYTES_MAX = 16 << 20, LAST_LINES = 3, LINE_SHOWN = 300, MOST_POSITIONS = 1 << 30 };

// The two things that a peer may tell; both become us a token.
static const struct unit {
    const char *name;
    bool is_rate;
} units[] = {{"us_per_token", false}, {"tokens_per_second", true}};
enum { UNITS = sizeof units / sizeof *units };

static double us_of(const struct unit *unit, double number) {
    return unit->is_rate ? 1e6 / number : number;
}

struct reading {
    const char *command;
    struct arena *arena;
    struct peer_figures *figures;
    struct diagnostics *diagnostics;
};

static void add(const struct reading *reading, struct peer_figure figure) {
    struct peer_figures *figures = reading->figures;
    figures->items =
        arena_grow(reading->arena, figures->items, figures->count, sizeof *figures->items);
    figures->items[figures->count++] = figure;
}

static bool expected(const struct reading *reading) {
    return diagnostic_note(reading->diagnostics,
                           "expected are lines like: us_per_token 992.6, or: tokens_per_second "
                           "1007.5, or: {\"name\": \"torch.compile\", \"context\": 64, "
                           "\"us_per_token\": 1494.0}");
}

static bool unreadable(const struct reading *reading, const char *line, const char *why) {
    diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                   "the peer `%s` printed a line that cannot be read: %.*s", reading->command,
                   LINE_SHOWN, line);
    if (why)
        diagnostic_note(reading->diagnostics, "%s", why);
    return expected(reading);
}

static bool is_speed(double number) { return isfinite(number) && number > 0; }

// "us_per_token 992.6"; a colon or an equals sign may stand between.
static bool read_plain(const struct reading *reading, const struct unit *unit, const char *line) {
    static const char blanks[] = " \t\r";
    const char *at = line + strlen(unit->name);
    at += strspn(at, " \t:=");
    char *end = NULL;
    const double number = strtod(at, &end);
    if (end == at || end[strspn(end, blanks)] || !is_speed(number))
        return unreadable(reading, line, NULL);
    add(reading, (struct peer_figure){"peer", -1, us_of(unit, number)});
    return true;
}

static bool read_json(const struct reading *reading, const char *line) {
    struct monogen_error error = {0};
    struct json_document document = {0};
    struct peer_figure figure = {"peer", -1, 0};
    bool good = json_document_open(&document, "the line", line, strlen(line), &error);
    if (good) {
        const struct json_node root = json_document_root(&document);
        if (json_node_optional(&root, "name").json)
            figure.name = arena_string(reading->arena, json_field_string(&root, "name"));
        if (json_node_optional(&root, "context").json)
            figure.positions = (int64_t)json_field_integer(&root, "context", 0, MOST_POSITIONS);
        for (int i = UNITS - 1; i >= 0; i--) // the first one counts
            if (json_node_optional(&root, units[i].name).json) {
                const double number = json_field_number(&root, units[i].name);
                if (!document.failed && !is_speed(number))
                    monogen_fail(&error, MONOGEN_BAD_INPUT, "%s is not above 0", units[i].name);
                figure.us_per_token = us_of(&units[i], number);
            }
        good = !document.failed && is_speed(figure.us_per_token);
    }
    json_document_close(&document);
    if (!good)
        return unreadable(reading, line, *error.message ? error.message : NULL);
    add(reading, figure);
    return true;
}

static bool read_line(const struct reading *reading, const char *line) {
    line += strspn(line, " \t");
    for (int i = 0; i < UNITS; i++) {
        if (strncmp(line, units[i].name, strlen(units[i].name)) == 0)
            return read_plain(reading, &units[i], line);
        if (*line == '{' && strstr(line, units[i].name))
            return read_json(reading, line);
    }
    return true;
}

bool peer_read(const char *command, const char *output, struct arena *arena,
               struct peer_figures *figures, struct diagnostics *diagnostics) {
    const struct reading reading = {command, arena, figures, diagnostics};
    *figures = (struct peer_figures){0};
    for (const char *line = output; *line;) {
        const size_t length = strcspn(line, "\n");
        if (!read_line(&reading, arena_bytes(arena, line, length)))
            return false;
        line += length + (line[length] != '\0');
    }
    if (figures->count > 0)
        return true;
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0},
                   "the peer `%s` printed no figure on its standard output", command);
    return expected(&reading);
}

// ---- running ------------------------------------------------------------------------------------

// The last lines of what it said on stderr, as notes.
static void note_last_lines(const char *errors, struct diagnostics *diagnostics) {
    const char *end = errors + strlen(errors);
    while (end > errors && strchr("\n\r ", end[-1]))
        end--;
    const char *begin = end;
    for (int lines = 0; begin > errors; begin--)
        if (begin[-1] == '\n' && ++lines == LAST_LINES)
            break;
    while (begin < end) {
        const size_t length = strcspn(begin, "\n"),
                     shown = (size_t)(end - begin) < length ? (size_t)(end - begin) : length;
        diagnostic_note(diagnostics, "%.*s", shown < LINE_SHOWN ? (int)shown : LINE_SHOWN, begin);
        begin += length + 1;
    }
}

bool peer_run(const struct peer_request *request, struct arena *arena, struct peer_figures *figures,
              struct diagnostics *diagnostics) {
    const char *const arguments[] = {"sh", "-c", request->command, NULL};
    const char *const environment[] = {
        arena_format(arena, "MONOGEN_BENCH_SPEC=%s", request->spec),
        arena_format(arena, "MONOGEN_BENCH_CONTEXTS=%s", request->contexts),
        arena_format(arena, "MONOGEN_BENCH_TOKENS=%" PRIu32, request->tokens), NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .environment = environment,
                                          .output_bytes_max = OUTPUT_BYTES_MAX,
                                          .timeout_seconds = TIMEOUT_SECONDS},
                &result);
    bool good = !interrupted();
    if (good && (result.end != PROCESS_EXITED || result.code != 0)) {
        char ended[256];
        process_describe(&result, ended, sizeof ended);
        good = environment_error(diagnostics, "the peer `%s` %s", request->command, ended);
        note_last_lines(result.errors.bytes ? result.errors.bytes : "", diagnostics);
    }
    good = good && peer_read(request->command, result.output.bytes ? result.output.bytes : "",
                             arena, figures, diagnostics);
    process_result_close(&result);
    return good;
}
