#include "generator/commands/prompt.h"

#include "generator/commands/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROMPT_BYTES = 64 << 20 };

// "1,2,3", blanks allowed around the numbers.
static bool parse_tokens(const char *list, struct arena *arena, struct prompt *prompt,
                         struct diagnostics *diagnostics) {
    uint32_t *tokens = arena_array(arena, strlen(list) / 2 + 1, sizeof *tokens);
    for (const char *at = list;; at++) {
        char *end = NULL;
        at += strspn(at, " \t");
        errno = 0;
        const unsigned long long id = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || id > UINT32_MAX)
            break;
        tokens[prompt->token_count++] = (uint32_t)id;
        at = end + strspn(end, " \t");
        if (!*at) {
            prompt->tokens = tokens;
            return true;
        }
        if (*at != ',')
            break;
    }
    return usage_error(diagnostics, "--tokens %.100s: must be token ids with commas between", list);
}

static bool read_input(struct arena *arena, struct prompt *prompt,
                       struct diagnostics *diagnostics) {
    struct text text = {0};
    bool good = input_read_text("the prompt", MAX_PROMPT_BYTES, &text, diagnostics);
    if (good && text.bytes && memchr(text.bytes, '\0', text.length))
        good = usage_error(diagnostics, "the prompt on standard input holds a NUL byte");
    if (good)
        prompt->text = arena_bytes(arena, text.bytes ? text.bytes : "", text.length);
    text_close(&text);
    return good;
}

bool prompt_read(const struct command_line *line, struct arena *arena, struct prompt *prompt,
                 struct diagnostics *diagnostics) {
    *prompt = (struct prompt){0};
    const bool lone_dash = line->argument_count > 1;
    if (lone_dash && strcmp(line->arguments[1], "-") != 0)
        return usage_error(diagnostics, "'%s' is too much: only - may follow the model",
                           line->arguments[1]);
    if ((line->prompt != NULL) + (line->tokens != NULL) + lone_dash > 1)
        return usage_error(diagnostics, "--prompt, --tokens and -: one prompt is enough");
    if (lone_dash || (line->prompt && strcmp(line->prompt, "-") == 0))
        return read_input(arena, prompt, diagnostics);
    if (line->tokens)
        return parse_tokens(line->tokens, arena, prompt, diagnostics);
    prompt->text = line->prompt;
    return true;
}

bool prompt_default(struct prompt *prompt, const int *start, int count, struct arena *arena,
                    struct diagnostics *diagnostics) {
    if (prompt->text || prompt->tokens)
        return true;
    if (count == 0)
        return usage_error(diagnostics, "--prompt TEXT or --tokens 1,2,3 is needed: this model has "
                                        "no token to begin with");
    uint32_t *tokens = arena_array(arena, (size_t)count, sizeof *tokens);
    for (int i = 0; i < count; i++)
        tokens[i] = (uint32_t)start[i];
    prompt->tokens = tokens;
    prompt->token_count = (size_t)count;
    return true;
}
