#include "runtime/backend/gpu_driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool gpu_check(const struct gpu_driver *driver, int status, const char *call, const char *advice,
               struct monogen_error *error) {
    if (status == GPU_SUCCESS)
        return true;
    const char *name = NULL, *text = NULL;
    driver->api->describe(driver, status, &name, &text);
    bool described = name && text && strcmp(name, text) != 0; // HIP 5.2 has the name for both
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "%s: %s failed: %s (%d)%s%s\n"
                        "  note: %s",
                        driver->library.name, call, name ? name : "unnamed error", status,
                        described ? ": " : "", described ? text : "", advice);
}

bool gpu_check_call(const struct gpu_driver *driver, int status, enum gpu_call call,
                    const char *advice, struct monogen_error *error) {
    return gpu_check(driver, status, driver->api->call_names[call], advice, error);
}

static const char *find_functions(struct gpu_driver *driver) {
    const struct gpu_api *api = driver->api;
    static const size_t members[GPU_CALLS] = {
#define GPU_FUNCTION(member, hip, cuda, parameters) offsetof(struct gpu_driver, member),
#include "runtime/backend/gpu_functions.def"
#undef GPU_FUNCTION
    };
    struct library_symbol symbols[GPU_CALLS];
    for (int i = 0; i < GPU_CALLS; i++)
        symbols[i] = (struct library_symbol){.name = api->call_names[i], .offset = members[i]};
    const char *missing = shared_library_find(&driver->library, symbols, GPU_CALLS, driver);
    const char *own_missing =
        shared_library_find(&driver->library, api->own_symbols, api->own_symbol_count, driver->own);
    return missing ? missing : own_missing;
}

bool gpu_driver_open(const struct gpu_api *api, struct gpu_driver *driver,
                     struct monogen_error *error) {
    *driver = (struct gpu_driver){.api = api};
    if (!shared_library_open(&driver->library, &api->search, error))
        return false;
    driver->own = calloc(1, api->own_bytes);
    const char *missing = driver->own ? find_functions(driver) : NULL;
    if (!driver->own)
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    else if (missing)
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                     "%s lacks the function %s: it is not a %s, or one that is too old\n"
                     "  note: name another with %s",
                     driver->library.name, missing, api->search.what, api->search.variable);
    else if (gpu_check_call(driver, driver->init(0), GPU_CALL_init, api->no_gpu_advice(), error)) {
        if (driver->get_version(&driver->version) != GPU_SUCCESS)
            driver->version = 0; // only said to people, nothing depends on it
        return true;
    }
    gpu_driver_close(driver);
    return false;
}

void gpu_driver_close(struct gpu_driver *driver) {
    shared_library_close(&driver->library);
    free(driver->own);
    driver->own = NULL;
}

static bool choose_number(const struct gpu_driver *driver, int count, int *number,
                          struct monogen_error *error) {
    const char *text = getenv(driver->api->device_variable);
    *number = 0;
    if (!text || !*text)
        return true;
    char *end = NULL;
    errno = 0;
    long chosen = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
    if (chosen < 0 || *end || errno || chosen >= count)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "%s is '%s', but the devices are 0 to %d", driver->api->device_variable,
                            text, count - 1);
    *number = (int)chosen;
    return true;
}

bool gpu_driver_choose_device(const struct gpu_driver *driver, struct gpu_facts *facts,
                              struct monogen_error *error) {
    static const char advice[] =
        "the driver cannot describe the device; see the system's log (dmesg)";
    const struct gpu_api *api = driver->api;
    int count = 0;
    *facts = (struct gpu_facts){.number = 0};
    if (!gpu_check_call(driver, driver->count_devices(&count), GPU_CALL_count_devices,
                        api->no_gpu_advice(), error))
        return false;
    if (count < 1)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s sees no %s\n  note: %s",
                            driver->library.name, api->gpu, api->no_gpu_advice());
    return choose_number(driver, count, &facts->number, error) &&
           api->identify(driver, facts, error) &&
           gpu_check_call(driver,
                          driver->get_attribute(&facts->cus, api->cus_attribute, facts->handle),
                          GPU_CALL_get_attribute, advice, error) &&
           gpu_check_call(driver, driver->get_total_memory(&facts->memory_bytes, facts->handle),
                          GPU_CALL_get_total_memory, advice, error);
}
