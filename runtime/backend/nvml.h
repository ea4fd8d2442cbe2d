// NVML: NVIDIA's management library, opened at run time where it is, for the one thing that CUDA's
// driver API does not tell: energy.
#ifndef RUNTIME_BACKEND_NVML_H
#define RUNTIME_BACKEND_NVML_H

#include "runtime/error.h"
#include "runtime/shared_library.h"

#include <stdbool.h>

enum { NVML_BUS_ID_BYTES = 32 }; // of a text such as "0000:1B:00.0"

struct nvml_meter {
    struct shared_library library;
    struct nvml_functions *functions; // NULL: closed
    void *device;
};

// Opens the library and finds the device at that place of the PCI bus: numbers of devices are not
// the same for NVML and for CUDA. False after filling *error (MONOGEN_NO_ENVIRONMENT); then there
// is nothing to close.
bool nvml_open(struct nvml_meter *meter, const char *bus_id, struct monogen_error *error);
void nvml_close(struct nvml_meter *meter); // {0} is fine

// Energy that the whole board has used since its driver was loaded, in joules; GPUs since Volta
// count it. False where it is not told, and where the meter is closed.
bool nvml_energy(const struct nvml_meter *meter, double *joules);

#endif
