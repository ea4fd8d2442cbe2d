// CUDA tool: finds a program of the CUDA toolkit.
#ifndef GENERATOR_COMPILE_CUDA_TOOL_H
#define GENERATOR_COMPILE_CUDA_TOOL_H

#include <stdbool.h>
#include <stddef.h>

// Fills path [bytes] with the program of that name: in $CUDA_HOME/bin, in PATH, or in
// /usr/local/cuda*/bin. Where it is in none of them: false, and path is empty.
bool cuda_tool_find(const char *name, char *path, size_t bytes);

// Where cuda_tool_find looks, for messages.
#define CUDA_TOOL_PLACES "$CUDA_HOME/bin, PATH or /usr/local/cuda*/bin"

#endif
