// Shell commands around the program monogen: other folders, environments and limits.
#ifndef TESTS_SUPPORT_SHELL_H
#define TESTS_SUPPORT_SHELL_H

#include "generator/base/arena.h"

// The absolute path of $MONOGEN_TEST_TREE/monogen; skips the test where it is not built.
const char *need_program(void);

// What a shell command said and how it ended.
struct command_end {
    int status;           // exit status, or 128 + signal
    char output[1 << 14]; // stdout and stderr
};

// Runs `command` with sh, in the repository root; $MONOGEN is the program, $HERE the root.
void run_command(const char *command, struct command_end *end);

#endif
