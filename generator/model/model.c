#include "generator/model/model.h"

#include "generator/base/file.h"
#include "generator/model/config.h"
#include "generator/model/family.h"
#include "generator/model/graph.h"
#include "generator/model/names.h"
#include "generator/model/spec.h"
#include "generator/script/graph.h"

#include <stdlib.h>
#include <string.h>

enum { SPEC_MAX_BYTES = 1 << 20 };

// One load: what its steps share.
struct load {
    struct script *script;
    const char *specs;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct spec_source source;
    struct value *value; // the spec's table
    struct spec spec;
    struct family family;
};

static struct location at_value(const struct load *load, const char *path) {
    return field_locate(&load->source.fields, load->value, path, false);
}

static struct location locate_number(const void *load, const char *number) {
    return at_value(load, number);
}

// Keeps the kinds of RoPE that layers turn by: each of them is a table that a position costs. Every
// spec may have a rope; a local_rope that it writes down for nothing was meant for something.
static bool keep_used_ropes(struct load *load) {
    struct model *model = &load->spec.model;
    bool used[MODEL_MAX_ROPES] = {false};
    int place[MODEL_MAX_ROPES] = {0}, count = 0; // among those that are kept
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].op == OP_ROPE)
            used[model->nodes[i].rope] = true;
    for (int i = 0; i < model->rope_count; i++) {
        if (!used[i] && strcmp(model->ropes[i].name, "local_rope") == 0)
            return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, at_value(load, "local_rope"),
                                  "local_rope is not used by any layer of this model");
        place[i] = count;
        if (used[i])
            model->ropes[count++] = model->ropes[i];
    }
    model->rope_count = count;
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].op == OP_ROPE)
            model->nodes[i].rope = place[model->nodes[i].rope];
    return true;
}

static bool build_graph(struct load *load) {
    struct model *model = &load->spec.model;
    struct graph graph = {.arena = load->arena,
                          .model = model,
                          .file = path_shown(load->arena, load->specs, load->family.path),
                          .path = load->family.path,
                          .source = load->family.source,
                          .locate = locate_number,
                          .locate_context = load};
    int result;
    if (!value_get(load->value, "tie_embeddings"))
        value_table_set(load->arena, load->value, "tie_embeddings",
                        value_boolean(load->arena, false));
    if (!script_family_graph(load->script, load->value, &graph, &result, load->diagnostics) ||
        !graph_finish(&graph, result, load->diagnostics))
        return false;
    model->family_path = graph.path;
    model->family_source = graph.source;
    model->nodes = graph.nodes;
    model->node_count = graph.count;
    return keep_used_ropes(load);
}

// The folder's own name, made plain: what a model from a folder is called.
static const char *folder_name(struct arena *arena, const char *folder) {
    char *real = realpath(folder, NULL);
    const char *path = real ? real : folder;
    const char *slash = strrchr(path, '/');
    char *name = arena_format(arena, "%.64s", slash ? slash + 1 : path);
    free(real);
    for (char *c = name; *c; c++) {
        const char one[] = {'x', *c, '\0'};
        if (!name_is_plain(one))
            *c = '-';
    }
    if (!name_is_plain(name))
        name[0] = 'm'; // it is empty or starts with '.' or '-'
    return name_is_plain(name) ? name : "model";
}

static bool load_folder(struct load *load, const char *folder) {
    struct config *config = arena_alloc(load->arena, sizeof *config);
    if (!config_read(folder, load->arena, config, load->diagnostics))
        return false;
    const struct value *type = value_get(config->value, "model_type");
    struct location at = config_locate(config, "model_type");
    if (!type || type->kind != VALUE_STRING)
        return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, at,
                              "config.json has no model_type, so its family is unknown");
    const char *name = folder_name(load->arena, folder);
    load->source.shown = arena_format(load->arena, "%s/config.json", name);
    struct field_source *source = &load->source.fields;
    source->file = config->path;
    source->config = config;
    if (!family_load_for(load->script, load->specs, type->string, at, load->arena, &load->family,
                         load->diagnostics) ||
        !script_family_config(load->script, config, load->arena, &load->value, load->diagnostics))
        return false;
    source->config_keys = load->family.config_keys;
    source->family = load->family.name;
    value_table_set(load->arena, load->value, "name", value_string(load->arena, name));
    value_table_set(load->arena, load->value, "family",
                    value_string(load->arena, load->family.name));
    return spec_read(&load->source, &load->family, load->value, &load->spec);
}

static bool load_file(struct load *load, const char *path) {
    static const char *const constructors[] = {"model"};
    size_t length;
    const char *constructor;
    const char *text = file_read(load->arena, path, SPEC_MAX_BYTES, &length, load->diagnostics);
    if (!text || !script_read(load->script, path, text, constructors, 1, load->arena, &constructor,
                              &load->value, load->diagnostics))
        return false;
    load->source.fields.file = path;
    load->source.fields.text = text;
    load->source.shown = path_shown(load->arena, load->specs, path);
    // The family says which numbers there are besides those of every spec.
    const struct value *family = value_get(load->value, "family");
    if (!family || family->kind != VALUE_STRING)
        return spec_read(&load->source, NULL, load->value, &load->spec);
    if (!family_load(load->script, load->specs, family->string, at_value(load, "family"),
                     load->arena, &load->family, load->diagnostics))
        return false;
    load->source.fields.family = load->family.name;
    return spec_read(&load->source, &load->family, load->value, &load->spec);
}

static bool ends_in_lua(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".lua") == 0;
}

static bool load_spec(struct load *load, const char *spec) {
    if (ends_in_lua(spec))
        return load_file(load, spec);
    const char *named = arena_format(load->arena, "%s/models/%s.lua", load->specs, spec);
    if (name_is_plain(spec) && file_exists(named))
        return load_file(load, named);
    if (folder_exists(spec))
        return load_folder(load, spec);
    if (strchr(spec, '/'))
        return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                              "there is no folder \"%.200s\"", spec);
    return name_find(load->arena, load->specs, "models", "model", spec, (struct location){0},
                     load->diagnostics) != NULL;
}

bool model_load(struct script *script, const char *specs, const char *spec,
                struct override_list *overrides, struct arena *arena, struct model *model,
                struct diagnostics *diagnostics) {
    struct load load = {
        .script = script,
        .specs = specs,
        .arena = arena,
        .diagnostics = diagnostics,
        .source = {.fields = {.noun = "model", .overrides = overrides, .arena = arena},
                   .overrides = overrides,
                   .arena = arena,
                   .diagnostics = diagnostics}};
    if (!load_spec(&load, spec) || !build_graph(&load))
        return false;
    load.spec.model.spec_file = load.source.shown;
    load.spec.model.spec_path = load.source.fields.file;
    load.spec.model.spec = load.value;
    *model = load.spec.model;
    return true;
}
