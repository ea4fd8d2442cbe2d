#include "generator/commands/command_line.h"

#include "generator/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64 };

static unsigned verb_bit_of(const struct verb *verb) { return 1u << (verb - verbs); }

// ---- values -------------------------------------------------------------------------------------

static bool store_count(const struct option *option, const char *value, int64_t *place,
                        struct diagnostics *diagnostics) {
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end || number < option->least || number > option->most)
        return usage_error(diagnostics,
                           "%s %s: must be a whole number from %" PRId64 " to %" PRId64,
                           option->name, value, option->least, option->most);
    *place = number;
    return true;
}

static bool store_number(const struct option *option, const char *value, double *place,
                         struct diagnostics *diagnostics) {
    char *end = NULL;
    double number = strtod(value, &end);
    if (end == value || *end || !isfinite(number) || number <= 0)
        return usage_error(diagnostics, "%s %s: must be a number above 0", option->name, value);
    *place = number;
    return true;
}

static bool store_override(struct command_line *line, const struct option *option,
                           const char *value, struct override_list *list,
                           struct diagnostics *diagnostics) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return usage_error(diagnostics, "%s %s: must be KEY=VALUE", option->name, value);
    list->items = arena_grow(&line->arena, list->items, (size_t)list->count, sizeof *list->items);
    list->items[list->count++] =
        (struct override){.key = arena_bytes(&line->arena, value, (size_t)(equals - value)),
                          .value = arena_string(&line->arena, equals + 1)};
    return true;
}

static bool store(struct command_line *line, const struct option *option, const char *value,
                  struct diagnostics *diagnostics) {
    void *place = (char *)line + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return true;
    case OPTION_CHOICE:
        if (!word_is_one_of(option->argument, value))
            return usage_error(diagnostics, "%s %s: must be one of %s", option->name, value,
                               option->argument);
        *(const char **)place = value;
        return true;
    case OPTION_TEXT:
        if (!*value && option->offset != offsetof(struct command_line, prompt))
            return usage_error(diagnostics, "%s: must not be empty", option->name);
        *(const char **)place = value;
        return true;
    case OPTION_COUNT:
        return store_count(option, value, place, diagnostics);
    case OPTION_NUMBER:
        return store_number(option, value, place, diagnostics);
    case OPTION_SET:
        return store_override(line, option, value, place, diagnostics);
    }
    return false;
}

// ---- names --------------------------------------------------------------------------------------

static const struct verb *verb_named(const char *name) {
    for (size_t i = 0; i < verb_count; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static bool report_verb(const char *name, struct diagnostics *diagnostics) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (; count < verb_count && count < MAX_NAMES; count++)
        names[count] = verbs[count].name;
    const bool option = name[0] == '-';
    usage_error(diagnostics, option ? "'%s': a command comes first" : "there is no command '%s'",
                name);
    const char *nearest = option ? NULL : nearest_name(name, names, count);
    if (nearest)
        diagnostic_note(diagnostics, "did you mean '%s'?", nearest);
    return diagnostic_note(diagnostics, "monogen --help lists the commands");
}

// The option whose name is the first `length` bytes of `word`, among those of `verb`.
static const struct option *option_named(const struct verb *verb, const char *word, size_t length) {
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].verbs & verb_bit_of(verb)) && strlen(option_table[i].name) == length &&
            memcmp(option_table[i].name, word, length) == 0)
            return &option_table[i];
    return NULL;
}

static bool report_option(const struct verb *verb, const char *word, size_t length,
                          struct diagnostics *diagnostics) {
    const char *names[MAX_NAMES] = {"--help"};
    size_t count = 1;
    usage_error(diagnostics, "%s has no option '%.*s'", verb->name, (int)length, word);
    for (size_t i = 0; i < option_count && count < MAX_NAMES; i++)
        if (option_table[i].verbs & verb_bit_of(verb))
            names[count++] = option_table[i].name;
    struct arena arena = {0};
    const char *nearest = nearest_name(arena_bytes(&arena, word, length), names, count);
    arena_close(&arena);
    if (nearest)
        diagnostic_note(diagnostics, "did you mean '%s'?", nearest);
    for (size_t v = 0; v < verb_count; v++)
        if (option_named(&verbs[v], word, length))
            diagnostic_note(diagnostics, "monogen %s has it", verbs[v].name);
    return diagnostic_note(diagnostics, "monogen %s --help lists the options", verb->name);
}

// ---- words --------------------------------------------------------------------------------------

// The words that are still to be read.
struct words {
    char *const *at;
    int left;
};

static const char *next_word(struct words *words) {
    words->left--;
    return *words->at++;
}

// "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE" or "--flag".
static bool read_option(struct command_line *line, const char *word, struct words *words,
                        struct diagnostics *diagnostics) {
    const struct verb *verb = line->verb;
    const bool is_long = word[1] == '-';
    const size_t length = is_long ? strcspn(word, "=") : 2;
    const struct option *option = option_named(verb, word, length);
    if (!option)
        return report_option(verb, word, is_long ? length : strlen(word), diagnostics);
    const char *value = NULL;
    if (word[length])
        value = word + length + is_long;
    if (option->kind == OPTION_FLAG && value)
        return usage_error(diagnostics, "%s takes no value", option->name);
    if (option->kind != OPTION_FLAG && !value) {
        if (words->left == 0)
            return usage_error(diagnostics, "%s needs a value: %s %s", option->name, option->name,
                               option->argument);
        value = next_word(words);
    }
    line->given |= UINT64_C(1) << (option - option_table);
    return store(line, option, value, diagnostics);
}

static bool read_argument(struct command_line *line, const char *word,
                          struct diagnostics *diagnostics) {
    if (line->argument_count < line->verb->most_arguments) {
        line->arguments[line->argument_count++] = word;
        return true;
    }
    usage_error(diagnostics, "'%s' is too much", word);
    return diagnostic_note(diagnostics, "usage: monogen %s %s", line->verb->name,
                           line->verb->arguments);
}

static bool read_words(struct command_line *line, struct words words,
                       struct diagnostics *diagnostics) {
    bool good = true, options_ended = false;
    while (words.left > 0) {
        const char *word = next_word(&words);
        if (options_ended || word[0] != '-' || !word[1])
            good &= read_argument(line, word, diagnostics);
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            line->wants_help = true;
        else
            good &= read_option(line, word, &words, diagnostics);
        if (!good && !line->wants_help)
            return false; // what follows a misspelt option may be its value
    }
    if (line->wants_help)
        return true; // whatever else is wrong: help is what is needed
    if (good && line->argument_count < line->verb->least_arguments) {
        usage_error(diagnostics, "%s needs more", line->verb->name);
        good = diagnostic_note(diagnostics, "usage: monogen %s %s", line->verb->name,
                               line->verb->arguments);
    }
    return good;
}

bool command_line_parse(struct command_line *line, int count, char *const *argv,
                        struct diagnostics *diagnostics) {
    if (count < 2) {
        usage_error(diagnostics, "a command is needed");
        return diagnostic_note(diagnostics, "monogen --help lists the commands");
    }
    const char *first = argv[1];
    line->wants_help = strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0;
    line->wants_version = strcmp(first, "--version") == 0;
    if (line->wants_help || line->wants_version)
        return count == 2 || usage_error(diagnostics, "%s stands alone", first);
    line->verb = verb_named(first);
    if (!line->verb)
        return report_verb(first, diagnostics);
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].verbs & verb_bit_of(line->verb)) && option_table[i].initial &&
            !store(line, &option_table[i], option_table[i].initial, diagnostics))
            return false;
    return read_words(line, (struct words){argv + 2, count - 2}, diagnostics);
}

void command_line_close(struct command_line *line) {
    arena_close(&line->arena);
    *line = (struct command_line){0};
}

bool command_line_given(const struct command_line *line, const char *name) {
    const struct option *option = option_named(line->verb, name, strlen(name));
    return option && (line->given >> (option - option_table) & 1);
}

bool command_line_wants_reference(const struct command_line *line) {
    return line->compare && strcmp(line->compare, "reference") == 0;
}
