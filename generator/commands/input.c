#include "generator/commands/input.h"

#include "generator/commands/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PART_BYTES = 1 << 16 };

// Waits with poll, which a signal ends.
bool input_read(input_taker *take, void *context, struct diagnostics *diagnostics) {
    char bytes[PART_BYTES];
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        const int ready = poll(&input, 1, -1);
        if (interrupted())
            return false;
        if (ready < 0 && errno == EINTR)
            continue;
        const ssize_t got = ready < 0 ? -1 : read(STDIN_FILENO, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return environment_error(diagnostics, "cannot read standard input: %s",
                                     strerror(errno));
        if (got == 0)
            return true;
        if (!take(context, bytes, (size_t)got, diagnostics))
            return false;
    }
}

struct text_input {
    const char *noun;
    size_t most_bytes;
    struct text *text;
};

static bool take_text(void *context, const char *bytes, size_t count,
                      struct diagnostics *diagnostics) {
    const struct text_input *input = context;
    text_append_bytes(input->text, bytes, count);
    return input->text->length <= input->most_bytes ||
           usage_error(diagnostics, "%s on standard input has more than %zu MiB", input->noun,
                       input->most_bytes >> 20);
}

bool input_read_text(const char *noun, size_t most_bytes, struct text *text,
                     struct diagnostics *diagnostics) {
    struct text_input input = {noun, most_bytes, text};
    return input_read(take_text, &input, diagnostics);
}
