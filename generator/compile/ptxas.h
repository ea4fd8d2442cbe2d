// Ptxas: what NVIDIA's assembler and its objects (cubins) tell of a kernel.
#ifndef GENERATOR_COMPILE_PTXAS_H
#define GENERATOR_COMPILE_PTXAS_H

#include "generator/base/text.h"
#include "generator/compile/compile.h"

#include <stdbool.h>
#include <stddef.h>

// Fills vgpr, lds_bytes, scratch_bytes and vgpr_spills with what `ptxas --verbose` says in the log;
// those that the log does not tell keep their value. lds_bytes are those of static variables.
void ptxas_read(const char *log, const char *kernel, struct kernel_resources *resources);

// Removes the lines that differ from run to run, so that equal sources give equal logs.
void ptxas_strip_times(struct text *log);

// How many bytes of machine code the kernel has in a cubin [length]; -1: it is not there.
long cubin_code_bytes(const char *cubin, size_t length, const char *kernel);

#endif
