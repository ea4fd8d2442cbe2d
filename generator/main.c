// monogen: one language model and one GPU become one persistent kernel.
#include "generator/base/version.h"
#include "generator/commands/command_line.h"
#include "generator/commands/interrupt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool run(const struct command_line *line, struct diagnostics *diagnostics) {
    if (line->wants_version)
        return puts(MONOGEN_VERSION) != EOF;
    if (line->wants_help) {
        help_print(line->verb, stdout);
        return true;
    }
    return line->verb->run(line, diagnostics);
}

// The one place that prints errors, and decides the exit status.
static int finish(struct diagnostics *diagnostics) {
    if ((fflush(stdout) != 0 || ferror(stdout)) && !interrupted() && diagnostics->count == 0)
        environment_error(diagnostics, "cannot write to standard output: %s", strerror(errno));
    if (interrupted()) {
        if (isatty(STDERR_FILENO))
            fputc('\n', stderr); // after the terminal's ^C
        return interrupt_exit_status();
    }
    diagnostics_print(diagnostics, stderr);
    return diagnostics_exit_status(diagnostics);
}

int main(int argument_count, char **arguments) {
    struct command_line line = {0};
    struct diagnostics diagnostics = {0};
    interrupt_catch();
    if (command_line_parse(&line, argument_count, arguments, &diagnostics))
        run(&line, &diagnostics);
    const int status = finish(&diagnostics);
    command_line_close(&line);
    diagnostics_close(&diagnostics);
    return status;
}
