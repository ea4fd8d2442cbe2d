#include "runtime/backend/hip_driver.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_VARIABLE "MONOGEN_HIP_LIBRARY"
#define DEVICE_VARIABLE "MONOGEN_HIP_DEVICE"
#define KERNEL_DRIVER "/dev/kfd" // what the amdgpu kernel driver offers to computing programs

// hipDeviceProp_t: name[256] comes first in both layouts, gcnArchName[256] is at
// offsetof(hipDeviceProp_tR0600, gcnArchName) or offsetof(hipDeviceProp_tR0000, gcnArchName).
enum {
    ISA_OFFSET_R0600 = 1160,
    ISA_OFFSET_R0000 = 396,
    PROPERTY_TEXT_BYTES = 256,
    PROPERTIES_BYTES = 8192, // R0600 has 1472 bytes, R0000 792; the rest is for a later driver
};

// ---- errors
// --------------------------------------------------------------------------------------

bool hip_check(const struct hip_driver *driver, int status, const char *call, const char *advice,
               struct monogen_error *error) {
    if (status == HIP_SUCCESS)
        return true;
    const char *name = driver->hipGetErrorName(status);
    const char *text = driver->hipGetErrorString(status);
    bool described = name && text && strcmp(name, text) != 0; // HIP 5.2 has the name for both
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "%s: %s failed: %s (%d)%s%s\n"
                        "  note: %s",
                        driver->name, call, name ? name : "unnamed error", status,
                        described ? ": " : "", described ? text : "", advice);
}

// What keeps a machine with the library from having a GPU.
static const char *no_gpu_advice(void) {
    if (access(KERNEL_DRIVER, F_OK) != 0)
        return "there is no " KERNEL_DRIVER ": this machine has no AMD GPU, or the amdgpu kernel "
               "driver does not drive it (its firmware is in firmware-amd-graphics); "
               "--device host runs on the CPU";
    if (access(KERNEL_DRIVER, R_OK | W_OK) != 0)
        return "this user may not open " KERNEL_DRIVER ": add it to the groups render and video "
               "and log in again; --device host runs on the CPU";
    return KERNEL_DRIVER " is there, so look at HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES, at "
                         "rocminfo (of the package rocminfo) and at the system's log (dmesg); "
                         "--device host runs on the CPU";
}

// ---- opening the library
// -------------------------------------------------------------------------

struct library_search {
    char reason[512];   // why the latest one could not be opened
    char obstacle[512]; // the first that is there, and why it cannot be used
};

static bool try_library(struct hip_driver *driver, struct library_search *search,
                        const char *folder, const char *file) {
    char path[sizeof driver->name];
    int length = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", file);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    // Never unmapped: the driver starts threads of its own, which outlive dlclose.
    driver->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (driver->library) {
        memcpy(driver->name, path, (size_t)length + 1);
        return true;
    }
    // A file that cannot be opened is named first in the loader's message; a dependency of it that
    // cannot is named instead.
    const char *message = dlerror();
    const char *reason = message ? message : "unknown error";
    bool named = strncmp(reason, path, (size_t)length) == 0;
    snprintf(search->reason, sizeof search->reason, "%s%s%s", named ? "" : path, named ? "" : ": ",
             reason);
    bool absent = named && strstr(reason, "No such file or directory");
    if (!absent && !search->obstacle[0])
        memcpy(search->obstacle, search->reason, sizeof search->obstacle);
    return false;
}

static bool open_library(struct hip_driver *driver, struct monogen_error *error) {
    struct library_search search = {.reason = ""};
    const char *chosen = getenv(LIBRARY_VARIABLE);
    if (chosen && *chosen) {
        if (strlen(chosen) >= sizeof driver->name)
            return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                                LIBRARY_VARIABLE " is longer than %zu characters",
                                sizeof driver->name - 1);
        if (try_library(driver, &search, "", chosen))
            return true;
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "cannot open the HIP runtime that " LIBRARY_VARIABLE " names: %s",
                            search.reason);
    }

    static const char *const files[] = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                        "libamdhip64.so"};
    char rocm_folder[sizeof driver->name - sizeof "/libamdhip64.so.7"] = "";
    const char *rocm = getenv("ROCM_PATH");
    if (rocm && *rocm) {
        int length = snprintf(rocm_folder, sizeof rocm_folder, "%s/lib", rocm);
        if (length < 0 || (size_t)length >= sizeof rocm_folder)
            return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "ROCM_PATH is too long: %s", rocm);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if ((rocm_folder[0] && try_library(driver, &search, rocm_folder, files[i])) ||
            try_library(driver, &search, "", files[i]) ||
            try_library(driver, &search, "/opt/rocm/lib", files[i]))
            return true;

    if (search.obstacle[0])
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "cannot open the HIP runtime: %s\n"
                            "  note: it is installed but incomplete; install the package that "
                            "holds what is missing, or name another with " LIBRARY_VARIABLE,
                            search.obstacle);
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "no HIP runtime: libamdhip64.so (.7, .6 or .5) is neither installed nor "
                        "in /opt/rocm/lib or $ROCM_PATH/lib\n"
                        "  note: install libamdhip64-5 (Debian 13), libamdhip64-6 (Debian forky) "
                        "or AMD's ROCm, or name the library with " LIBRARY_VARIABLE "\n"
                        "  note: --device host runs on the CPU");
}

static bool find_functions(struct hip_driver *driver, struct monogen_error *error) {
    static const struct {
        const char *name;
        size_t member; // its offset in struct hip_driver
    } functions[] = {
#define HIP_ROW(result, name, parameters) {#name, offsetof(struct hip_driver, name)},
        HIP_FUNCTIONS(HIP_ROW)
#undef HIP_ROW
    };
    const char *missing = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] && !missing; i++) {
        void *symbol = dlsym(driver->library, functions[i].name);
        if (!symbol)
            missing = functions[i].name;
        memcpy((char *)driver + functions[i].member, &symbol, sizeof symbol);
    }

    void *properties = dlsym(driver->library, "hipGetDevicePropertiesR0600");
    driver->isa_offset = ISA_OFFSET_R0600;
    if (!properties) {
        properties = dlsym(driver->library, "hipGetDeviceProperties");
        driver->isa_offset = ISA_OFFSET_R0000;
    }
    if (!properties && !missing)
        missing = "hipGetDeviceProperties";
    memcpy(&driver->device_properties, &properties, sizeof properties);

    if (missing)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "%s lacks the function %s: it is not a HIP runtime, or one older than "
                            "HIP 5\n"
                            "  note: name another with " LIBRARY_VARIABLE,
                            driver->name, missing);
    return true;
}

bool hip_driver_open(struct hip_driver *driver, struct monogen_error *error) {
    *driver = (struct hip_driver){.library = NULL};
    if (!open_library(driver, error))
        return false;
    if (!find_functions(driver, error))
        goto fail;
    // hipErrorNoDevice (100) and hipErrorInvalidDevice (101) were seen where there is no GPU.
    if (!hip_check(driver, driver->hipInit(0), "hipInit", no_gpu_advice(), error))
        goto fail;
    if (driver->hipRuntimeGetVersion(&driver->version) != HIP_SUCCESS)
        driver->version = 0; // only said to people, nothing depends on it
    return true;

fail:
    hip_driver_close(driver);
    return false;
}

void hip_driver_close(struct hip_driver *driver) {
    if (driver->library)
        dlclose(driver->library);
    driver->library = NULL;
}

// ---- devices
// -------------------------------------------------------------------------------------

bool hip_driver_choose_device(const struct hip_driver *driver, int *device,
                              struct monogen_error *error) {
    int count = 0;
    if (!hip_check(driver, driver->hipGetDeviceCount(&count), "hipGetDeviceCount", no_gpu_advice(),
                   error))
        return false;
    if (count < 1)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s sees no AMD GPU\n  note: %s",
                            driver->name, no_gpu_advice());

    *device = 0;
    const char *text = getenv(DEVICE_VARIABLE);
    if (!text || !*text)
        return true;
    char *end = NULL;
    errno = 0;
    long number = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
    if (number < 0 || *end || errno || number >= count)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            DEVICE_VARIABLE " is '%s', but the devices are 0 to %d", text,
                            count - 1);
    *device = (int)number;
    return true;
}

// Copies the text up to `end` or a zero byte, whichever comes first; false when it does not fit or
// is not plain ASCII, as when the struct has another layout than expected.
static bool copy_property(char *to, size_t to_bytes, const char *from, char end) {
    size_t length = 0;
    while (length < PROPERTY_TEXT_BYTES && from[length] && from[length] != end) {
        if (!isprint((unsigned char)from[length]))
            return false;
        length++;
    }
    if (length >= to_bytes)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

bool hip_driver_device_facts(const struct hip_driver *driver, int device,
                             struct hip_device_facts *facts, struct monogen_error *error) {
    const char *advice = "the driver cannot describe the device; see the system's log (dmesg)";
    *facts = (struct hip_device_facts){.cus = 0};

    union {
        char bytes[PROPERTIES_BYTES];
        max_align_t alignment;
    } properties;
    memset(&properties, 0, sizeof properties);
    if (!hip_check(driver, driver->device_properties(&properties, device), "hipGetDeviceProperties",
                   advice, error))
        return false;
    const char *isa = properties.bytes + driver->isa_offset;
    if (!copy_property(facts->isa, sizeof facts->isa, isa, ':') ||
        strncmp(facts->isa, "gfx", 3) != 0)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "%s (version %d) describes its devices in a form that is not known "
                            "here: the name of the ISA is not where HIP 5, 6 and 7 have it\n"
                            "  note: name another HIP runtime with " LIBRARY_VARIABLE,
                            driver->name, driver->version);
    if (!copy_property(facts->name, sizeof facts->name, properties.bytes, '\0') || !facts->name[0])
        snprintf(facts->name, sizeof facts->name, "unnamed");

    return hip_check(driver,
                     driver->hipDeviceGetAttribute(&facts->cus, HIP_ATTRIBUTE_CU_COUNT, device),
                     "hipDeviceGetAttribute", advice, error) &&
           hip_check(driver, driver->hipDeviceTotalMem(&facts->memory_bytes, device),
                     "hipDeviceTotalMem", advice, error);
}
