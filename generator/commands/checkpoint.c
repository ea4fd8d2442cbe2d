#include "generator/commands/checkpoint.h"

#include "generator/base/file.h"
#include "generator/commands/report.h"
#include "generator/model/names.h"
#include "runtime/safetensors.h"

#include <string.h>

// As model_load takes it: a name under specs/models goes before a folder of that name.
static bool names_a_spec(const struct installation *installation, const char *spec,
                         struct arena *arena) {
    return name_is_plain(spec) &&
           file_exists(arena_format(arena, "%s/models/%s.lua", installation->specs, spec));
}

// "specs/models/austen-3m.lua" -> "austen-3m"; a name is itself.
static const char *spec_name(const char *spec, struct arena *arena) {
    const char *slash = strrchr(spec, '/');
    const char *name = slash ? slash + 1 : spec;
    const size_t length = strlen(name);
    const bool lua = length > 4 && strcmp(name + length - 4, ".lua") == 0;
    return arena_bytes(arena, name, lua ? length - 4 : length);
}

const char *checkpoint_of_spec(const struct installation *installation, const char *spec,
                               struct arena *arena) {
    if (!names_a_spec(installation, spec, arena) && folder_exists(spec))
        return spec;
    const char *name = spec_name(spec, arena);
    const char *folder = arena_format(arena, "%s/checkpoints/%s", installation->specs, name);
    return name_is_plain(name) && folder_exists(folder) ? folder : NULL;
}

bool checkpoint_find(const struct installation *installation, const char *spec, const char *wanted,
                     struct arena *arena, const char **folder, struct diagnostics *diagnostics) {
    *folder = NULL;
    if (wanted && strcmp(wanted, "random") == 0)
        return true;
    if (wanted && !folder_exists(wanted)) {
        usage_error(diagnostics, "--weights %s: there is no such folder", wanted);
        return diagnostic_note(diagnostics, "--weights random makes weights up");
    }
    *folder = wanted ? wanted : checkpoint_of_spec(installation, spec, arena);
    const bool known = names_a_spec(installation, spec, arena) || file_exists(spec);
    if (*folder || !known) // a spec that is not there is for model_load to report
        return true;
    usage_error(diagnostics, "%s has no weights: there is no checkpoint %s under %s/checkpoints",
                spec, spec_name(spec, arena), installation->specs);
    diagnostic_note(diagnostics, "--weights DIR takes those of a Hugging Face folder");
    return diagnostic_note(diagnostics, "--weights random makes weights up: the speed is real, the "
                                        "text is not");
}

const char *checkpoint_or_folder(const struct installation *installation, const char *name,
                                 struct arena *arena, struct diagnostics *diagnostics) {
    const bool is_spec = names_a_spec(installation, name, arena);
    const char *checkpoint = checkpoint_of_spec(installation, name, arena);
    if (checkpoint)
        return checkpoint;
    if (is_spec) {
        usage_error(diagnostics,
                    "%s has no tokenizer: there is no checkpoint %s under %s/checkpoints", name,
                    spec_name(name, arena), installation->specs);
        diagnostic_note(diagnostics, "the folder of a Hugging Face checkpoint will do instead");
    } else if (name_is_plain(name) && !file_exists(name)) {
        name_find(arena, installation->specs, "models", "model", name, (struct location){0},
                  diagnostics);
        diagnostic_note(diagnostics, "nor is there a folder of that name");
    } else {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0},
                       file_exists(name)
                           ? "%s is a file: a folder with a tokenizer.json, or a spec "
                             "that has a checkpoint, is needed"
                           : "there is no folder '%s'",
                       name);
    }
    return NULL;
}

static bool reads(const struct model *model, const char *tensor) {
    for (int i = 0; i < model->node_count; i++) {
        const struct node *node = &model->nodes[i];
        if ((node->tensor && strcmp(node->tensor, tensor) == 0) ||
            (node->bias && strcmp(node->bias, tensor) == 0))
            return true;
    }
    return false;
}

// What exporters write that says nothing new: the embedding again as the head it is tied to, and
// the frequencies that follow from the config.
static bool is_redundant(const char *tensor) {
    static const char *const endings[] = {"lm_head.weight", "rotary_emb.inv_freq"};
    const size_t length = strlen(tensor);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t ending = strlen(endings[i]);
        if (length >= ending && strcmp(tensor + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

void checkpoint_note_unused(const char *folder, const struct model *model) {
    enum { NAMES_SHOWN = 3 };
    struct monogen_error ignored = {0};
    struct safetensors *tensors = safetensors_open_checkpoint(folder, &ignored);
    struct text names = {0};
    size_t unused = 0;
    for (size_t i = 0; tensors && i < safetensors_count(tensors); i++) {
        const char *name = safetensors_at(tensors, i)->name;
        if (is_redundant(name) || reads(model, name))
            continue;
        if (unused++ < NAMES_SHOWN)
            text_format(&names, "%s%.100s", unused > 1 ? ", " : "", name);
    }
    if (unused > NAMES_SHOWN)
        text_append(&names, ", ...");
    if (unused > 0)
        report_note("the model does not use %zu tensor%s of %s: %s", unused, unused > 1 ? "s" : "",
                    folder, names.bytes);
    text_close(&names);
    safetensors_close(tensors);
}
