// Cache: results of compilation, a folder each, named by the digest of all that decides them. An
// entry is written under another name and renamed into place, so any number of processes may use
// one cache; a damaged entry counts as absent and is replaced.
#ifndef GENERATOR_COMPILE_CACHE_H
#define GENERATOR_COMPILE_CACHE_H

#include "generator/base/digest.h"
#include "generator/compile/compile.h"

#include <stdbool.h>

// Fills object, log, listing, resources and compiler_version of *result from the entry; returns
// false, *result unchanged, where there is no sound one.
bool cache_load(const char *folder, const char digest[DIGEST_TEXT_BYTES],
                struct compile_result *result);

// Stores the result. Where that fails nothing is left behind, and result->cache_note says why.
void cache_store(const char *folder, const char digest[DIGEST_TEXT_BYTES],
                 struct compile_result *result);

#endif
