// Faults: what a kernel left in its control block, in words.
#ifndef RUNTIME_FAULT_H
#define RUNTIME_FAULT_H

#include "runtime/error.h"
#include "runtime/kernel_control.h"
#include "runtime/manifest.h"

#include <stdbool.h>

// Fills *error with the fault: who waited for what, by the manifest's names. Returns false.
// Requires: control->fault is not KERNEL_FAULT_NONE. It comes from a device: no field is trusted.
bool fault_fail(const struct manifest *manifest, const struct kernel_control *control,
                double timeout_seconds, struct monogen_error *error);

#endif
