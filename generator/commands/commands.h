// The commands, one file each. Each returns false after adding a diagnostic, or after a signal.
#ifndef GENERATOR_COMMANDS_COMMANDS_H
#define GENERATOR_COMMANDS_COMMANDS_H

#include "generator/commands/command_line.h"

bool generate_command(const struct command_line *line, struct diagnostics *diagnostics);
bool run_command(const struct command_line *line, struct diagnostics *diagnostics);
bool verify_command(const struct command_line *line, struct diagnostics *diagnostics);
bool tokenize_command(const struct command_line *line, struct diagnostics *diagnostics);
bool detokenize_command(const struct command_line *line, struct diagnostics *diagnostics);
bool bench_command(const struct command_line *line, struct diagnostics *diagnostics);
bool tune_command(const struct command_line *line, struct diagnostics *diagnostics);
bool inspect_command(const struct command_line *line, struct diagnostics *diagnostics);
bool doctor_command(const struct command_line *line, struct diagnostics *diagnostics);

// What --set takes, for --help and `inspect keys`.
void print_set_keys(FILE *stream);
struct value *set_keys_value(struct arena *arena);
void print_inspect_views(FILE *stream);

#endif
