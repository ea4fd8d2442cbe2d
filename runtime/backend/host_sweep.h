// Host sweep: how fast the processors at hand read memory.
#ifndef RUNTIME_BACKEND_HOST_SWEEP_H
#define RUNTIME_BACKEND_HOST_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

// Reads memory [bytes] once, each of `threads` threads one contiguous share, with plain vector
// loads. *seconds: from the moment when all threads are there to the end of the last one. False
// with errno where a thread could not be started.
bool host_sweep(const void *memory, size_t bytes, unsigned threads, double *seconds);

#endif
