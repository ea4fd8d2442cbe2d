#include "generator/commands/artefacts.h"

#include "generator/base/file.h"
#include "generator/commands/report.h"
#include "runtime/json_node.h"

#include <limits.h>
#include <string.h>

enum { MAX_ARTEFACT_BYTES = 256 << 20 };

static const char *path_of(const struct artefacts *artefacts, const char *name) {
    return arena_format(artefacts->arena, "%s/%s", artefacts->folder, name);
}

const char *artefacts_text(const struct artefacts *artefacts, const char *name) {
    struct diagnostics *diagnostics = artefacts->diagnostics;
    size_t length = 0;
    if (!folder_exists(artefacts->folder)) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){.file = artefacts->folder},
                       "there is no such folder");
        diagnostic_note(diagnostics, "monogen generate makes one");
        return NULL;
    }
    const char *text = file_read(artefacts->arena, path_of(artefacts, name), MAX_ARTEFACT_BYTES,
                                 &length, diagnostics);
    if (!text)
        diagnostic_note(diagnostics, "a folder that monogen generate wrote has it");
    return text;
}

bool artefacts_plan(const struct artefacts *artefacts, struct plan_plan *plan) {
    const char *text = artefacts_text(artefacts, "2-plan.lua");
    struct script *script =
        text ? script_open(script_default_limits(), artefacts->diagnostics) : NULL;
    if (!script)
        return false;
    const bool read = plan_read(script, path_of(artefacts, "2-plan.lua"), text, artefacts->arena,
                                plan, artefacts->diagnostics);
    script_close(script);
    return read;
}

bool artefacts_map(const struct artefacts *artefacts, struct line_map *map) {
    const char *text = artefacts_text(artefacts, "3-kernel.map");
    return text && line_map_read(path_of(artefacts, "3-kernel.map"), text, artefacts->arena, map,
                                 artefacts->diagnostics);
}

bool artefacts_manifest(const struct artefacts *artefacts, struct manifest_facts *facts) {
    struct monogen_error error = {0};
    struct json_document document;
    const char *path = path_of(artefacts, "7-manifest.json");
    const char *text = artefacts_text(artefacts, "7-manifest.json");
    if (!text)
        return false;
    if (!json_document_open(&document, path, text, strlen(text), &error))
        return report_runtime_error(&error, artefacts->diagnostics);
    const struct json_node root = json_document_root(&document);
    const struct json_node kernel = json_node_field(&root, "kernel");
    const struct json_node resources = json_node_field(&kernel, "resources");
    *facts = (struct manifest_facts){
        .generator = arena_string(artefacts->arena, json_field_string(&root, "generator")),
        .plan_digest = arena_string(artefacts->arena, json_field_string(&root, "plan")),
        .object = arena_string(artefacts->arena, json_field_string(&kernel, "object")),
        .compiler = arena_string(artefacts->arena, json_field_string(&kernel, "compiler")),
    };
#define KERNEL_RESOURCE(name, meaning)                                                             \
    facts->resources.name = (long)json_field_signed(&resources, #name, -1, INT_MAX);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
    const bool good = !document.failed;
    json_document_close(&document);
    return good || report_runtime_error(&error, artefacts->diagnostics);
}
