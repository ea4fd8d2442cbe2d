#include "runtime/backend/nvml.h"

#include <stdlib.h>

enum { NVML_SUCCESS = 0 };

// NVML_FUNCTION(name, parameters); all return a status. As nvml.h has them since CUDA 10.
#define NVML_FUNCTIONS(NVML_FUNCTION)                                                              \
    NVML_FUNCTION(nvmlInit_v2, (void))                                                             \
    NVML_FUNCTION(nvmlShutdown, (void))                                                            \
    NVML_FUNCTION(nvmlDeviceGetHandleByPciBusId_v2, (const char *bus_id, void **device))           \
    NVML_FUNCTION(nvmlDeviceGetTotalEnergyConsumption,                                             \
                  (void *device, unsigned long long *millijoules))

struct nvml_functions {
#define NVML_MEMBER(name, parameters) int(*name) parameters;
    NVML_FUNCTIONS(NVML_MEMBER)
#undef NVML_MEMBER
};

static const struct library_symbol symbols[] = {
#define NVML_SYMBOL(name, parameters) {#name, offsetof(struct nvml_functions, name), false},
    NVML_FUNCTIONS(NVML_SYMBOL)
#undef NVML_SYMBOL
};

static bool open_library(struct nvml_meter *meter, struct monogen_error *error) {
    static const char *const files[] = {"libnvidia-ml.so.1", NULL};
    static const char *const folders[] = {"/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", NULL};
    static const struct library_search search = {
        .what = "NVML",
        .variable = "MONOGEN_NVML_LIBRARY",
        .files = files,
        .patterns = folders,
        .absent = "no NVML: libnvidia-ml.so.1, which comes with NVIDIA's GPU driver, is not "
                  "installed"};
    if (!shared_library_open(&meter->library, &search, error))
        return false;
    meter->functions = calloc(1, sizeof *meter->functions);
    if (!meter->functions)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    const char *missing = shared_library_find(&meter->library, symbols,
                                              sizeof symbols / sizeof *symbols, meter->functions);
    return !missing || monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s lacks the function %s",
                                    meter->library.name, missing);
}

static void close_library(struct nvml_meter *meter) {
    free(meter->functions);
    shared_library_close(&meter->library);
    *meter = (struct nvml_meter){.functions = NULL};
}

static bool check(const struct nvml_meter *meter, int status, const char *call,
                  struct monogen_error *error) {
    return status == NVML_SUCCESS ||
           monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s: %s failed (%d)", meter->library.name,
                        call, status);
}

bool nvml_open(struct nvml_meter *meter, const char *bus_id, struct monogen_error *error) {
    *meter = (struct nvml_meter){.functions = NULL};
    if (!open_library(meter, error) ||
        !check(meter, meter->functions->nvmlInit_v2(), "nvmlInit_v2", error)) {
        close_library(meter);
        return false;
    }
    if (check(meter, meter->functions->nvmlDeviceGetHandleByPciBusId_v2(bus_id, &meter->device),
              "nvmlDeviceGetHandleByPciBusId_v2", error))
        return true;
    nvml_close(meter);
    return false;
}

void nvml_close(struct nvml_meter *meter) {
    if (!meter->functions)
        return;
    meter->functions->nvmlShutdown();
    close_library(meter);
}

bool nvml_energy(const struct nvml_meter *meter, double *joules) {
    unsigned long long millijoules = 0;
    if (!meter->functions || meter->functions->nvmlDeviceGetTotalEnergyConsumption(
                                 meter->device, &millijoules) != NVML_SUCCESS)
        return false;
    *joules = (double)millijoules * 1e-3;
    return true;
}
