// Command line: what the user typed, as one struct. The table of options in options.c is the only
// list of them; the parser, --help and the defaults come from it.
#ifndef GENERATOR_COMMANDS_COMMAND_LINE_H
#define GENERATOR_COMMANDS_COMMAND_LINE_H

#include "generator/base/diagnostic.h"
#include "generator/model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMMAND_MAX_ARGUMENTS = 8 };

struct command_line {
    struct arena arena;      // owns what is below, where it is not the caller's argv
    const struct verb *verb; // NULL: monogen --help, monogen --version
    bool wants_help, wants_version;
    const char *arguments[COMMAND_MAX_ARGUMENTS]; // those that are no options
    int argument_count;

    // Options. NULL or 0: not given, and without a default in the table.
    const char *target, *kv, *output, *plan, *source, *cache, *weights, *device, *prompt, *tokens,
        *golden, *compare, *contexts, *tuning, *budget, *peer, *trace, *counts;
    struct override_list set;
    int64_t context, max_tokens, steps, seed, repeats;
    double tolerance;
    bool json, plain, skip_special, no_tuning;
    uint64_t given; // bit i: the user gave option i of the table, so it is not the default
};

// One subcommand.
struct verb {
    const char *name;
    const char *arguments; // "SPEC|HF_DIR [OPTION]...", for the usage line
    int least_arguments, most_arguments;
    const char *summary;              // one line
    const char *details;              // paragraphs of --help; may be NULL
    void (*print_more)(FILE *stream); // more of --help, from the tables it speaks of; may be NULL
    // Returns false after adding a diagnostic.
    bool (*run)(const struct command_line *line, struct diagnostics *diagnostics);
};

enum verb_bit {
    VERB_GENERATE = 1 << 0,
    VERB_RUN = 1 << 1,
    VERB_VERIFY = 1 << 2,
    VERB_TOKENIZE = 1 << 3,
    VERB_DETOKENIZE = 1 << 4,
    VERB_INSPECT = 1 << 5,
    VERB_DOCTOR = 1 << 6,
    VERB_BENCH = 1 << 7,
    VERB_TUNE = 1 << 8,
};

extern const struct verb verbs[]; // [verb_count]; verb i has the bit 1 << i
extern const size_t verb_count;

enum option_kind {
    OPTION_FLAG,   // bool
    OPTION_TEXT,   // const char *
    OPTION_CHOICE, // const char *, one of those that `argument` separates by '|'
    OPTION_COUNT,  // int64_t, least .. most
    OPTION_NUMBER, // double, finite and above 0
    OPTION_SET,    // struct override_list, KEY=VALUE added
};

struct option {
    const char *name;     // "--target", "-o"
    const char *argument; // "FILE"; NULL: OPTION_FLAG
    unsigned verbs;       // verb_bit
    enum option_kind kind;
    size_t offset;         // in struct command_line
    const char *meaning;   // for --help
    const char *initial;   // the default, parsed like the user's; NULL: none
    const char *otherwise; // what happens without the option, for --help, where initial is NULL
    int64_t least, most;   // of OPTION_COUNT
};

extern const struct option option_table[]; // [option_count]; one name may have a row for some verbs
extern const size_t option_count;

// Parses argv [count] (its strings must outlive *line). Every mistake is a usage error with the
// nearest name. Requires *line zeroed; the caller closes it, also after false.
bool command_line_parse(struct command_line *line, int count, char *const *argv,
                        struct diagnostics *diagnostics);
void command_line_close(struct command_line *line);

// Whether the user gave the option, be it with the value that is the default.
bool command_line_given(const struct command_line *line, const char *name);

// Whether the reference computes what the kernel is compared with: --compare reference.
bool command_line_wants_reference(const struct command_line *line);

// Prints the help of the verb; of the program where it is NULL.
void help_print(const struct verb *verb, FILE *stream);

#endif
