// Instructions as comgr assembles and lists them, decoded.
#ifndef TESTS_SUPPORT_ASSEMBLED_H
#define TESTS_SUPPORT_ASSEMBLED_H

#include "generator/base/text.h"
#include "runtime/simulator/code.h"

// Assembles `lines`, each with its end, at the beginning of a kernel, and decodes the listing. a0
// is the vector register `accumulation_first`. Fails the test where comgr refuses them. Requires
// comgr: need_compiler("comgr") comes first. code_close() is the caller's.
void assemble(const struct text *lines, uint32_t accumulation_first, struct code *code);

#endif
