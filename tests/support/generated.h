// The pipeline, from a spec to a kernel, for tests of what comes out of it.
#ifndef TESTS_SUPPORT_GENERATED_H
#define TESTS_SUPPORT_GENERATED_H

#include "generator/pipeline/pipeline.h"

struct generated {
    struct generation generation;
    struct diagnostics diagnostics;
};

struct wanted_generation {
    const char *spec, *target;
    const char *specs;  // folder; NULL: the program's own
    const char *set;    // "cus=7 kv=fp32"; NULL: nothing
    bool compile;       // else it ends with the source
    const char *cache;  // folder; NULL: none
    const char *worker; // NULL: the usual one
};

// Runs the pipeline with the program's own templates. Close it either way.
bool generated_try(struct generated *generated, const struct wanted_generation *wanted);

// The same; fails the test where something is refused.
void generated_open(struct generated *generated, const struct wanted_generation *wanted);

// The same from a plan, which is printed and read back. source_file: an edited source, NULL: none.
void generated_open_plan(struct generated *generated, const struct plan_plan *plan,
                         const char *source_file, bool compile);

void generated_close(struct generated *generated);

// Writes the artefacts into `folder`; fails the test where that fails.
void generated_write(struct generated *generated, const char *folder);

// Skips the test, saying why, where the compiler ("comgr", "cxx") cannot be used.
void skip_without_compiler(const char *compiler);

// $MONOGEN_TEST_ALL: the long matrix is wanted.
bool all_tests_wanted(void);

#endif
