#include "generator/tune/signature.h"

#include "generator/base/digest.h"
#include "generator/base/file.h"
#include "generator/base/version.h"
#include "generator/compile/compile.h"
#include "generator/plan/engine.h"
#include "runtime/backend/backend.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX_BYTES = 16 << 20 };

static const struct {
    const char *name, *meaning;
} part_rows[SIGNATURE_PARTS] = {
#define SIGNATURE_PART(name, meaning) {#name, meaning},
#include "generator/tune/signature.def"
#undef SIGNATURE_PART
};

const char *signature_part_name(enum signature_part part) { return part_rows[part].name; }

static const char *digest_of(struct arena *arena, const struct text *text) {
    char digest[DIGEST_TEXT_BYTES];
    digest_strings((const char *const[]){text->bytes ? text->bytes : ""}, 1, digest);
    return arena_string(arena, digest);
}

// The printed model without what says where it is written: comments, and the places of nodes.
static const char *model_part(const struct model *model, struct arena *arena) {
    struct text printed = {0}, kept = {0};
    model_print(model, &printed);
    for (const char *line = printed.bytes; *line;) {
        const size_t length = strcspn(line, "\n");
        size_t end = length;
        if (line[0] == 'n') // the place follows three blanks
            while (end > 3 && memcmp(line + end - 3, "   ", 3) != 0)
                end--;
        if (strncmp(line, "--", 2) != 0)
            text_append_bytes(&kept, line, end);
        text_append(&kept, "\n");
        line += length + (line[length] == '\n');
    }
    const char *digest = digest_of(arena, &kept);
    text_close(&printed);
    text_close(&kept);
    return digest;
}

// What planner, templates and compiler read of the target, and its engine.
static const char *target_part(const struct target *target, struct arena *arena) {
    struct text text = {0};
    text_format(&text, "%s %s %s %s %s\n", target->isa, target->backend, target->compiler,
                target->prelude, target->engine);
    for (const char *const *option = target->compiler_options; *option; option++)
        text_format(&text, "%s\n", *option);
    for (int i = 0; i < target->xcd_count; i++)
        text_format(&text, "%d %d\n", target->xcds[i].xcd, target->xcds[i].iod);
    text_format(&text, "%d %d %d %d %d %d %d %d %d\n", target->cus_per_xcd, target->default_cus,
                target->wave_lanes, target->streaming_waves, target->handoff_waves,
                target->lds_bytes, target->lds_minimum_bytes, target->instruction_cache_bytes,
                target->instruction_cache_shared_by);
    const double numbers[] = {target->sweep_gbps[0],
                              target->sweep_gbps[1],
                              target->handoff_ns_same_cu,
                              target->handoff_ns_same_xcd,
                              target->handoff_ns_across,
                              target->cu_gbps,
                              target->merge_ns};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        text_format(&text, "%.17g\n", numbers[i]);
    for (const struct engine *engine = engine_named(target->engine); engine;
         engine = engine->otherwise ? engine_named(engine->otherwise) : NULL) {
        text_format(&text, "%d %d %d %d %s\n", engine->prefetch_bytes, engine->copy_bytes,
                    engine->expected_bytes, engine->poll_pairs, engine->dtypes);
        for (const int *bytes = engine->lane_bytes; *bytes; bytes++)
            text_format(&text, "%d\n", *bytes);
        for (const int *rows = engine->tile_rows; *rows; rows++)
            text_format(&text, "%d\n", *rows);
    }
    const char *digest = digest_of(arena, &text);
    text_close(&text);
    return digest;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

// Appends name and contents of every file below the folder, in the order of their names.
static bool append_files(const char *folder, const char *name, struct text *text,
                         struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_visible, by_name);
    bool good = count >= 0 || environment_error(diagnostics, "cannot read the folder %s", folder);
    for (int i = 0; i < count; i++) {
        const char *path = arena_format(&arena, "%s/%s", folder, entries[i]->d_name);
        const char *shown = arena_format(&arena, "%s/%s", name, entries[i]->d_name);
        size_t length = 0;
        const char *bytes = NULL;
        if (good && folder_exists(path)) {
            good = append_files(path, shown, text, diagnostics);
        } else if (good) {
            bytes = file_read(&arena, path, TEMPLATE_MAX_BYTES, &length, diagnostics);
            good = bytes != NULL;
        }
        if (bytes) {
            text_format(text, "%s %zu\n", shown, length);
            text_append_bytes(text, bytes, length);
        }
        free(entries[i]);
    }
    free(entries);
    arena_close(&arena);
    return good;
}

static const char *templates_part(const char *templates, struct arena *arena,
                                  struct diagnostics *diagnostics) {
    struct text text = {0};
    const bool read = append_files(templates, "templates", &text, diagnostics);
    const char *digest = read ? digest_of(arena, &text) : NULL;
    text_close(&text);
    return digest;
}

// "" where this machine has no such device: the kernel is for another one.
static const char *machine_part(const struct target *target, struct arena *arena) {
    char line[512];
    const struct backend *backend = backend_by_name(target->backend);
    return backend && backend->probe(target->isa, line, sizeof line) ? arena_string(arena, line)
                                                                     : "";
}

bool signature_make(const struct model *model, const struct target *target, const char *templates,
                    const char *worker, struct arena *arena, struct signature *signature,
                    struct diagnostics *diagnostics) {
    char compiler[512];
    if (!compile_probe(target->compiler, target->isa, worker, compiler, sizeof compiler))
        return environment_error(diagnostics, "%s", compiler);
    const char *templates_digest = templates_part(templates, arena, diagnostics);
    *signature = (struct signature){.parts = {
                                        [SIGNATURE_model] = model_part(model, arena),
                                        [SIGNATURE_target] = target_part(target, arena),
                                        [SIGNATURE_templates] = templates_digest,
                                        [SIGNATURE_generator] = MONOGEN_VERSION,
                                        [SIGNATURE_compiler] = arena_string(arena, compiler),
                                        [SIGNATURE_machine] = machine_part(target, arena),
                                    }};
    return templates_digest != NULL;
}

static bool is_digest(const char *text) {
    return strlen(text) == DIGEST_TEXT_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == DIGEST_TEXT_BYTES - 1;
}

const char *signature_difference(const struct signature *there, const struct signature *here,
                                 struct arena *arena) {
    for (int i = 0; i < SIGNATURE_PARTS; i++) {
        const char *a = there->parts[i], *b = here->parts[i];
        const bool unknown = i == SIGNATURE_machine && (!*a || !*b);
        if (unknown || strcmp(a, b) == 0)
            continue;
        return is_digest(a) && is_digest(b)
                   ? arena_string(arena, part_rows[i].meaning)
                   : arena_format(arena, "%s (\"%.200s\" there, \"%.200s\" here)",
                                  part_rows[i].meaning, a, b);
    }
    return NULL;
}
