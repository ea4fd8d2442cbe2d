// A fake NVML with one device, which uses a joule and a half between any two questions. It knows
// the device of fake_cuda.c by its place on the bus; MONOGEN_FAKE_NVML names a call that fails.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device);
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules);
int fake_nvml_users(void);

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6 };
static int users; // that have not shut it down
static char device_object;
static unsigned long long used_millijoules = 1000000;

static bool fails(const char *call) {
    const char *failing = getenv("MONOGEN_FAKE_NVML");
    return failing && strcmp(failing, call) == 0;
}

int fake_nvml_users(void) { return users; }

int nvmlInit_v2(void) {
    if (fails(__func__))
        return NOT_SUPPORTED;
    users++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    users--;
    return SUCCESS;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device) {
    if (fails(__func__) || users < 1 || strcmp(bus_id, "0000:1B:00.0") != 0)
        return NOT_FOUND;
    *device = &device_object;
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
    if (device != &device_object || users < 1)
        return INVALID_ARGUMENT;
    if (fails(__func__))
        return NOT_SUPPORTED;
    *millijoules = used_millijoules += 1500;
    return SUCCESS;
}
