#include "generator/commands/command_line.h"
#include "generator/commands/report.h"

enum { LEFT_COLUMNS = 24 };

static void print_row(FILE *stream, const char *left, const char *right) {
    int width = fprintf(stream, "  %-*s ", LEFT_COLUMNS, left);
    if (width > LEFT_COLUMNS + 3)
        fprintf(stream, "\n%*s", LEFT_COLUMNS + 3, "");
    report_wrapped(stream, right, LEFT_COLUMNS + 3, LEFT_COLUMNS + 3);
}

static void print_option(FILE *stream, const struct option *option) {
    struct arena arena = {0};
    const char *fallback = option->initial ? option->initial : option->otherwise;
    print_row(stream,
              arena_format(&arena, "%s%s%s", option->name, option->argument ? " " : "",
                           option->argument ? option->argument : ""),
              fallback ? arena_format(&arena, "%s (default: %s)", option->meaning, fallback)
                       : option->meaning);
    arena_close(&arena);
}

static void print_program(FILE *stream) {
    fputs("usage: monogen COMMAND ...\n\n"
          "Turns one language model and one GPU into one persistent kernel.\n\n",
          stream);
    for (size_t i = 0; i < verb_count; i++)
        print_row(stream, verbs[i].name, verbs[i].summary);
    fputs("\n", stream);
    print_row(stream, "COMMAND --help", "what the command takes");
    print_row(stream, "--version", "the version of monogen");
    fputs("\n"
          "Exit status: 0 done; 1 an input is wrong, or verify or tokenize --golden found a\n"
          "difference; 2 the command line is wrong; 3 something is missing on this machine; 130\n"
          "Ctrl-C.\n",
          stream);
}

void help_print(const struct verb *verb, FILE *stream) {
    if (!verb) {
        print_program(stream);
        return;
    }
    fprintf(stream, "usage: monogen %s %s\n\n", verb->name, verb->arguments);
    report_wrapped(stream, verb->summary, 0, 0);
    if (verb->details)
        fprintf(stream, "\n%s", verb->details);
    fputs("\n", stream);
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].verbs & (1u << (verb - verbs)))
            print_option(stream, &option_table[i]);
    print_row(stream, "--help", "this text");
    if (verb->print_more) {
        fputs("\n", stream);
        verb->print_more(stream);
    }
}
