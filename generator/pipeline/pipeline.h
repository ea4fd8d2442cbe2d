// Pipeline: spec -> model -> plan -> checked plan -> source -> object -> manifest, in memory; then,
// if wanted, a folder of numbered artefacts.
#ifndef GENERATOR_PIPELINE_PIPELINE_H
#define GENERATOR_PIPELINE_PIPELINE_H

#include "generator/compile/compile.h"
#include "generator/model/model.h"
#include "generator/plan/plan.h"
#include "generator/plan/planner.h"
#include "generator/render/render.h"
#include "generator/target/target.h"

#include <stdbool.h>

// Where the program's own files are: the folder that holds specs/ and templates/.
struct installation {
    const char *specs, *templates;
};

// $MONOGEN_HOME, else the nearest folder above the running program that holds both.
bool installation_find(struct arena *arena, struct installation *installation,
                       struct diagnostics *diagnostics);

// What is known when the pipeline asks whether a tuning was found.
struct advice_request {
    const struct model *model;
    const struct target *target;
    const char *cache_folder, *worker; // of the generation
    struct tuning *tuning;             // what the user set; the answer may set more
    struct arena *arena;               // for what the answer holds
};

struct generation_request {
    const char *spec;               // name, .lua file or Hugging Face folder; NULL with plan_file
    const char *target;             // name or .lua file
    struct override_list overrides; // --set, and --context and --kv as overrides
    const char *plan_file;          // re-entry: a printed plan instead of spec and target; or NULL
    const char *source_file;  // re-entry: an edited source, used instead of rendering; or NULL
    const char *command;      // to be written into the plan
    const char *cache_folder; // of compiled objects; NULL: none
    const char *worker;       // compile worker; NULL: beside the program
    bool compile;             // false: stop after the source
    // Of the device that the kernel is for: where it has less than the target, and nobody said how
    // many CUs to use, the plan is made for what there is. 0: unknown.
    int device_cus;
    int64_t device_memory_bytes;
    // Asked once model and target are known, before the planner; may be NULL. False after adding a
    // diagnostic.
    bool (*advise)(void *context, const struct advice_request *request, struct advice *advice,
                   struct diagnostics *diagnostics);
    void *advise_context;
    // Called before each stage ("plan", "compile" ...), for progress; may be NULL.
    void (*progress)(void *context, const char *stage);
    void *progress_context;
};

// What the target has and the device has less of. 0: the target's was left as it is.
struct device_fit {
    int target_cus;
    int64_t target_memory_bytes;
    const char *words; // " --set cus=114": the plan's command makes the same plan anywhere
};

// Everything that came out. Owned by the generation, closed with generation_close.
struct generation {
    struct arena arena;
    struct model model; // without plan_file
    bool has_model;
    struct target target; // without plan_file
    struct device_fit fit;
    struct plan_plan plan;
    char plan_digest[DIGEST_TEXT_BYTES];
    char kernel_digest[DIGEST_TEXT_BYTES]; // of what the source depends on: stands in its head
    int rules_checked, handoffs_checked;   // by the checker
    struct text model_text, plan_text, source, map_text, manifest;
    struct line_map map;
    struct compile_result compiled;
    const char *object_name; // "5-kernel.co", "5-kernel.cubin" or "5-kernel.so"
    double source_seconds;   // from the start to the source
};

bool generation_run(const struct generation_request *request,
                    const struct installation *installation, struct generation *generation,
                    struct diagnostics *diagnostics);

// Writes the numbered artefacts into `folder`, made where it is missing:
//   1-model.lua 2-plan.lua 3-kernel.hip 3-kernel.map 4-compile.log 5-kernel.co|cubin|so
//   6-kernel.isa 7-manifest.json
// The manifest comes last: a folder with a manifest is complete. Nothing is half-written.
bool generation_write(const struct generation *generation, const char *folder,
                      struct diagnostics *diagnostics);

void generation_close(struct generation *generation);

#endif
