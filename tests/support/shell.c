#include "tests/support/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

const char *need_program(void) {
    static char program[PATH_MAX];
    const char *tree = getenv("MONOGEN_TEST_TREE");
    struct arena arena = {0};
    const bool there =
        realpath(arena_format(&arena, "%s/monogen", tree ? tree : "build"), program) != NULL;
    arena_close(&arena);
    if (!there) {
        print_message("SKIPPED: the program monogen is not built\n");
        skip();
    }
    return program;
}

void run_command(const char *command, struct command_end *end) {
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    setenv("MONOGEN", need_program(), 1);
    setenv("HERE", here, 1);
    setenv("MONOGEN_HOME", here, 1);
    struct arena arena = {0};
    FILE *pipe = popen(arena_format(&arena, "exec 2>&1\n%s", command), "r");
    arena_close(&arena);
    assert_non_null(pipe);
    const size_t length = fread(end->output, 1, sizeof end->output - 1, pipe);
    end->output[length] = '\0';
    char rest[4096];
    while (fread(rest, 1, sizeof rest, pipe) > 0) {
    }
    const int status = pclose(pipe);
    unsetenv("MONOGEN_HOME");
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
