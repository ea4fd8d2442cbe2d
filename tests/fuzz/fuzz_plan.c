// Plans: a Lua file is refused by the reader, or by the checker, or proved; what is proved prints
// and reads back equal, and the runtime accepts its manifest.
#include "generator/pipeline/manifest_write.h"
#include "generator/plan/check.h"
#include "runtime/manifest.h"
#include "tests/fuzz/input.h"

#include <string.h>

static void require_round_trip(struct script *script, struct arena *arena,
                               const struct plan_plan *plan) {
    struct diagnostics diagnostics = {0};
    struct plan_plan again;
    struct text text = {0};
    char before[DIGEST_TEXT_BYTES], after[DIGEST_TEXT_BYTES] = "";
    plan_print(plan, &text);
    plan_digest(plan, before);
    if (plan_read(script, "printed.lua", text.bytes, arena, &again, &diagnostics))
        plan_digest(&again, after);
    input_require(strcmp(before, after) == 0, "a plan that is proved reads back equal");
    text_close(&text);
    diagnostics_close(&diagnostics);
}

static void require_manifest(struct arena *arena, const struct plan_plan *plan) {
    const struct compile_result compiled = {0};
    struct monogen_error error = {0};
    struct text text = {0};
    manifest_write(plan, "digest", "5-kernel.so", &compiled, &text);
    input_file(arena, "planned/" MANIFEST_FILE_NAME, text.bytes, text.length);
    struct manifest *manifest =
        manifest_open(arena_format(arena, "%s/planned", input_folder()), &error);
    input_require(manifest != NULL, error.message);
    manifest_close(manifest);
    text_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(input_script_limits, &diagnostics);
    struct plan_plan plan;
    struct plan_proof proof;
    const char *source = arena_bytes(&arena, (const char *)bytes, size);
    if (plan_read(script, "fuzzed.lua", source, &arena, &plan, &diagnostics) &&
        plan_check(&plan, "fuzzed.lua", &proof, &diagnostics)) {
        require_round_trip(script, &arena, &plan);
        require_manifest(&arena, &plan);
    } else {
        input_require_reason(&diagnostics);
    }
    script_close(script);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
    return 0;
}
