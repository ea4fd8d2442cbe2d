// Processors: what this process runs on.
#ifndef RUNTIME_PROCESSORS_H
#define RUNTIME_PROCESSORS_H

#include <stddef.h>

// How many the process may use (at least 1): its affinity mask, not what the machine has.
int processors_count(void);

// "AMD EPYC 9654 (family 25 model 17)", or "aarch64" and the like where the system says no more,
// into name [bytes].
void processors_name(char *name, size_t bytes);

#endif
