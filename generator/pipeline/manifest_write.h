// The manifest: what the runtime needs to know of a plan and its object (docs/manifest.md).
#ifndef GENERATOR_PIPELINE_MANIFEST_WRITE_H
#define GENERATOR_PIPELINE_MANIFEST_WRITE_H

#include "generator/base/text.h"
#include "generator/compile/compile.h"
#include "generator/plan/plan.h"

extern const char kernel_symbol[]; // of every emitted kernel
extern const char listing_name[];  // of the file with its disassembly

// Prints the manifest as JSON. `object`: file name of the kernel object. Requires: a checked plan.
void manifest_write(const struct plan_plan *plan, const char *plan_digest, const char *object,
                    const struct compile_result *compiled, struct text *out);

#endif
