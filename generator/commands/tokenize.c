#include "generator/base/text.h"
#include "generator/commands/commands.h"
#include "generator/commands/input.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "generator/commands/token_golden.h"
#include "generator/commands/token_ids.h"
#include "generator/commands/tokenizer_find.h"

#include <string.h>

#define MAX_TEXT_BYTES ((size_t)64 << 20)

static bool tokenize(const struct tokenizer *tokenizer, const struct command_line *line,
                     struct diagnostics *diagnostics) {
    struct text text = {0};
    struct token_list ids = {0};
    struct monogen_error error = {0};
    bool good = input_read_text("the text", MAX_TEXT_BYTES, &text, diagnostics);
    if (good && !tokenizer_encode(tokenizer, text.bytes ? text.bytes : "", text.length,
                                  !line->plain, &ids, &error))
        good = report_runtime_error(&error, diagnostics);
    text_close(&text);
    good = good && token_ids_write(ids.ids, ids.count, line->json, diagnostics);
    token_list_free(&ids);
    return good;
}

static bool check_golden(const struct tokenizer *tokenizer, const char *path,
                         struct diagnostics *diagnostics) {
    size_t rows;
    if (!token_golden_check(tokenizer, path, &rows, diagnostics))
        return false;
    printf("%zu row%s: ids, texts and streamed texts are those of %s\n", rows, rows == 1 ? "" : "s",
           path);
    return true;
}

bool tokenize_command(const struct command_line *line, struct diagnostics *diagnostics) {
    if (line->golden && (line->plain || line->json))
        return usage_error(diagnostics,
                           "--golden checks ids with and without special tokens, and "
                           "prints none: it goes without %s",
                           line->plain ? "--plain" : "--json");
    interrupt_ends_at_once();
    struct tokenizer *tokenizer = tokenizer_find(line->arguments[0], diagnostics);
    const bool good =
        tokenizer && (line->golden ? check_golden(tokenizer, line->golden, diagnostics)
                                   : tokenize(tokenizer, line, diagnostics));
    tokenizer_close(tokenizer);
    return good;
}
