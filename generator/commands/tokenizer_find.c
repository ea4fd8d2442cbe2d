#include "generator/commands/tokenizer_find.h"

#include "generator/commands/checkpoint.h"
#include "generator/commands/report.h"

struct tokenizer *tokenizer_find(const char *name, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct monogen_error error = {0};
    struct tokenizer *tokenizer = NULL;
    const char *folder = NULL;
    if (installation_find(&arena, &installation, diagnostics))
        folder = checkpoint_or_folder(&installation, name, &arena, diagnostics);
    if (folder && !tokenizer_open(folder, &tokenizer, &error))
        report_runtime_error(&error, diagnostics);
    else if (folder && !tokenizer)
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){.file = folder},
                       "the folder has no tokenizer.json");
    arena_close(&arena);
    return tokenizer;
}
