// A Hugging Face folder: the bytes are its config.json, and those behind a first NUL, where there
// is one, its generation_config.json.
#include "generator/model/model.h"
#include "tests/fuzz/input.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    const uint8_t *nul = size > 0 ? memchr(bytes, '\0', size) : NULL;
    const size_t length = nul ? (size_t)(nul - bytes) : size;
    input_file(&arena, "checkpoint/config.json", bytes, length);
    const char *generation = NULL;
    if (nul)
        generation =
            input_file(&arena, "checkpoint/generation_config.json", nul + 1, size - length - 1);
    struct script *script = script_open(input_script_limits, &diagnostics);
    struct model model;
    struct text printed = {0};
    if (model_load(script, "specs", arena_format(&arena, "%s/checkpoint", input_folder()), NULL,
                   &arena, &model, &diagnostics)) {
        input_require(model.node_count > 0, "a model has a graph");
        model_print(&model, &printed);
    } else {
        input_require_reason(&diagnostics);
    }
    if (generation)
        input_file_remove(generation);
    text_close(&printed);
    script_close(script);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
    return 0;
}
