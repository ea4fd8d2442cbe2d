#include "generator/commands/commands.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "generator/commands/token_ids.h"
#include "generator/commands/tokenizer_find.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

// The text goes out as it is, nothing added; only on a terminal the next prompt gets a line of its
// own.
static bool write_text(const struct tokenizer *tokenizer, const struct token_list *ids,
                       bool skip_special, struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    struct tokenizer_stream *stream = tokenizer_stream_open(tokenizer, skip_special, &error);
    bool decoded = stream != NULL, written = true;
    for (size_t i = 0; decoded && written && i <= ids->count; i++) {
        const char *part;
        size_t bytes;
        decoded = i < ids->count ? tokenizer_stream_push(stream, ids->ids[i], &part, &bytes, &error)
                                 : tokenizer_stream_finish(stream, &part, &bytes, &error);
        written = !decoded || fwrite(part, 1, bytes, stdout) == bytes;
    }
    tokenizer_stream_close(stream);
    if (!decoded)
        return report_runtime_error(&error, diagnostics);
    if (written && ids->count > 0 && isatty(STDOUT_FILENO))
        putchar('\n');
    return (written && fflush(stdout) == 0) ||
           environment_error(diagnostics, "cannot write to standard output: %s", strerror(errno));
}

bool detokenize_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct token_list ids = {0};
    interrupt_ends_at_once();
    struct tokenizer *tokenizer = tokenizer_find(line->arguments[0], diagnostics);
    const bool good = tokenizer && token_ids_read(tokenizer, &ids, diagnostics) &&
                      write_text(tokenizer, &ids, line->skip_special, diagnostics);
    token_list_free(&ids);
    tokenizer_close(tokenizer);
    return good;
}
