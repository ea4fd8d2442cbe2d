#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/counted.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/kernel.h"
#include "generator/commands/prompt.h"
#include "generator/commands/report.h"
#include "generator/commands/traced.h"
#include "generator/commands/tuned.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct stream {
    uint32_t tokens;   // written so far
    bool cannot_write; // `reason` says why
    int reason;
};

// Text as it is; ids with a blank between where there is no tokenizer.
static bool write_token(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct stream *stream = context;
    if (text)
        fwrite(text, 1, text_bytes, stdout);
    else
        printf("%s%" PRIu32, stream->tokens ? " " : "", token);
    stream->tokens++;
    if (fflush(stdout) != 0) {
        stream->cannot_write = true;
        stream->reason = errno;
        return false;
    }
    return !interrupted();
}

static bool keep_going(void *context) {
    (void)context;
    return !interrupted();
}

// Ends the text's last line, so that what follows stands on a line of its own; a pipe or a file
// gets the text alone.
static void end_line(bool text) {
    if (!text || isatty(STDOUT_FILENO))
        putchar('\n');
    else
        fputc('\n', stderr);
    fflush(stdout);
}

static void print_speed(const struct monogen_result *result) {
    const double rest = result->total_seconds - result->first_token_seconds;
    fprintf(stderr, "%" PRIu32 " token%s after a prompt of %" PRIu32 ": the first after %.1f ms",
            result->generated_tokens, result->generated_tokens == 1 ? "" : "s",
            result->prompt_tokens, result->first_token_seconds * 1e3);
    if (result->generated_tokens > 1 && rest > 0)
        fprintf(stderr, ", then %.1f tokens/s", (double)(result->generated_tokens - 1) / rest);
    fputs(result->end == MONOGEN_END_STOP_TOKEN ? " (the model ended the text)\n" : "\n", stderr);
}

// *positions: how many of the context were run.
static bool generate(struct monogen *model, const struct prompt *prompt, uint32_t max_tokens,
                     uint32_t *positions, struct diagnostics *diagnostics) {
    struct stream stream = {0};
    struct monogen_error error = {0};
    struct monogen_result result = {0};
    const struct monogen_request request = {.text = prompt->text,
                                            .tokens = prompt->tokens,
                                            .token_count = prompt->token_count,
                                            .max_tokens = max_tokens,
                                            .keep_going = keep_going};
    const bool generated = monogen_generate(model, &request, write_token, &stream, &result, &error);
    if (stream.tokens > 0 && !stream.cannot_write)
        end_line(monogen_has_tokenizer(model));
    if (!generated)
        return report_runtime_error(&error, diagnostics);
    if (result.generated_tokens > 0)
        print_speed(&result);
    // The last token was chosen, not run.
    *positions = result.prompt_tokens + result.generated_tokens - (result.generated_tokens > 0);
    return !stream.cannot_write ||
           environment_error(diagnostics, "cannot write to standard output: %s",
                             strerror(stream.reason));
}

// Of a run that was interrupted there is no trace.
static bool trace_last_token(const struct command_line *line, const struct kernel *kernel,
                             struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct traced traced;
    if (!line->trace || interrupted())
        return true;
    const bool good = traced_take(kernel, &arena, &traced, diagnostics) &&
                      traced_write(&traced, line->trace, diagnostics);
    if (good)
        traced_print(&traced, line->trace, stderr);
    arena_close(&arena);
    return good;
}

bool run_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct kernel kernel = {0};
    struct prompt prompt = {0};
    const char *weights;
    bool done = prompt_read(line, &arena, &prompt, diagnostics) &&
                installation_find(&arena, &installation, diagnostics) &&
                checkpoint_find(&installation, line->arguments[0], line->weights, &arena, &weights,
                                diagnostics) &&
                kernel_open(line, &installation, weights, &kernel, diagnostics) &&
                (!line->counts || counted_check(kernel.model, diagnostics)) &&
                prompt_default(&prompt, kernel.generation.plan.shape.bos,
                               kernel.generation.plan.shape.bos_count, &arena, diagnostics);
    if (done) {
        tuned_note(&kernel.generation.plan);
        uint32_t positions = 0;
        done =
            generate(kernel.model, &prompt, (uint32_t)line->max_tokens, &positions, diagnostics) &&
            trace_last_token(line, &kernel, diagnostics) &&
            (!line->counts || counted_write(kernel.model, positions, line->counts, diagnostics));
    }
    kernel_close(&kernel);
    arena_close(&arena);
    return done;
}
