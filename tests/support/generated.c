#include "tests/support/generated.h"

#include "generator/base/file.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

bool generated_try(struct generated *generated, const struct wanted_generation *wanted) {
    *generated = (struct generated){0};
    struct arena arena = {0};
    const struct installation installation = {wanted->specs ? wanted->specs : "specs", "templates"};
    const struct generation_request request = {
        .spec = wanted->spec,
        .target = wanted->target,
        .overrides = overrides_of(&arena, wanted->set ? wanted->set : ""),
        .command = "monogen generate",
        .cache_folder = wanted->cache,
        .worker = wanted->worker,
        .compile = wanted->compile,
    };
    const bool good =
        generation_run(&request, &installation, &generated->generation, &generated->diagnostics);
    arena_close(&arena);
    return good;
}

void generated_open(struct generated *generated, const struct wanted_generation *wanted) {
    if (!generated_try(generated, wanted))
        fail_msg("%s for %s with '%s': %s", wanted->spec, wanted->target,
                 wanted->set ? wanted->set : "", printed_diagnostics(&generated->diagnostics));
}

void generated_open_plan(struct generated *generated, const struct plan_plan *plan,
                         const char *source_file, bool compile) {
    *generated = (struct generated){0};
    struct text text = {0};
    const char *plan_file = temporary_path("generated-plan.lua");
    plan_print(plan, &text);
    assert_true(file_write(plan_file, text.bytes, text.length, &generated->diagnostics));
    text_close(&text);
    const struct installation installation = {"specs", "templates"};
    const struct generation_request request = {.plan_file = plan_file,
                                               .source_file = source_file,
                                               .command = "monogen generate",
                                               .compile = compile};
    if (!generation_run(&request, &installation, &generated->generation, &generated->diagnostics))
        fail_msg("%s for %s: %s", plan->model, plan->machine.name,
                 printed_diagnostics(&generated->diagnostics));
}

void generated_close(struct generated *generated) {
    generation_close(&generated->generation);
    diagnostics_close(&generated->diagnostics);
    *generated = (struct generated){0};
}

void generated_write(struct generated *generated, const char *folder) {
    if (!generation_write(&generated->generation, folder, &generated->diagnostics))
        fail_msg("%s", printed_diagnostics(&generated->diagnostics));
}

void skip_without_compiler(const char *compiler) { need_compiler(compiler); }

bool all_tests_wanted(void) {
    const char *all = getenv("MONOGEN_TEST_ALL");
    return all && *all;
}
