// The fake HIP runtime, see fake_hip.h. Prototypes are its own, apart from the backend's table, so
// that a mistake there shows.
#include "tests/runtime/backend/fake_hip.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_READY = 600 };
enum { MAX_MEMORIES = 64, MAX_STREAMS = 8, MAX_PENDING = 16 };
enum { FIRST_GARBAGE = 0xa5 }; // what fresh memory holds

struct memory {
    unsigned char *bytes; // NULL: a free row
    size_t length;
    uintptr_t device_address;
    bool host; // of hipHostMalloc: the host may touch `bytes`
};

struct pending {
    int stream;
    void *to;
    const void *from; // NULL: fill
    int value;
    size_t bytes;
};

static struct fake_hip state;
static struct memory memories[MAX_MEMORIES];
static bool streams[MAX_STREAMS];
static struct pending pending[MAX_PENDING];
static size_t pending_count;
static int calls_to_fail; // calls of state.fail_call so far
static const unsigned char *module_image;
static char module_object, function_object; // their addresses are the handles
static int running_stream;                  // of the kernel; -1: none
static int polls_left;

struct fake_hip *fake_hip_state(void);
void fake_hip_reset(void);

struct fake_hip *fake_hip_state(void) {
    return &state;
}

void fake_hip_reset(void) {
    for (size_t i = 0; i < MAX_MEMORIES; i++)
        free(memories[i].bytes);
    memset(memories, 0, sizeof memories);
    memset(streams, 0, sizeof streams);
    pending_count = 0;
    calls_to_fail = 0;
    module_image = NULL;
    running_stream = -1;
    state = (struct fake_hip){
        .version = 60443484,
        .isa = "gfx942:sramecc+:xnack-",
        .device_count = 1,
        .cus = 304,
        .workgroups_per_cu = 1,
        .memory_bytes = (size_t)192 << 30,
    };
}

// ---- recording
// -----------------------------------------------------------------------------------

static void append(char *to, size_t bytes, const char *format, va_list arguments) {
    size_t used = strlen(to);
    int length = vsnprintf(to + used, bytes - used, format, arguments);
    if (length < 0 || used + (size_t)length + 1 >= bytes)
        abort(); // a test that needs more room enlarges the log
    strcat(to, "\n");
}

__attribute__((format(printf, 1, 2))) static void record(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(state.log, sizeof state.log, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 1, 2))) static int misuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(state.misuse, sizeof state.misuse, format, arguments);
    va_end(arguments);
    return INVALID_VALUE;
}

// The status that a test asked for, or success.
static int asked_failure(const char *call) {
    if (!state.fail_call || strcmp(call, state.fail_call) != 0 || ++calls_to_fail != state.fail_at)
        return SUCCESS;
    return state.fail_status;
}

#define FAIL_IF_ASKED()                                                                            \
    do {                                                                                           \
        int asked = asked_failure(__func__);                                                       \
        if (asked != SUCCESS)                                                                      \
            return asked;                                                                          \
    } while (0)

// ---- the library and its devices
// -----------------------------------------------------------------

int hipInit(unsigned flags);
int hipRuntimeGetVersion(int *version);
const char *hipGetErrorName(int status);
const char *hipGetErrorString(int status);
int hipGetDeviceCount(int *count);
int hipSetDevice(int device);
int hipDeviceGetAttribute(int *value, int attribute, int device);
int hipDeviceTotalMem(size_t *bytes, int device);
int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int hipGetDeviceProperties(void *properties, int device);

int hipInit(unsigned flags) {
    record("hipInit %u", flags);
    FAIL_IF_ASKED();
    return SUCCESS;
}

int hipRuntimeGetVersion(int *version) {
    record("hipRuntimeGetVersion");
    FAIL_IF_ASKED();
    *version = state.version;
    return SUCCESS;
}

const char *hipGetErrorName(int status) {
    switch (status) {
    case INVALID_VALUE:
        return "hipErrorInvalidValue";
    case OUT_OF_MEMORY:
        return "hipErrorOutOfMemory";
    case 100:
        return "hipErrorNoDevice";
    case INVALID_DEVICE:
        return "hipErrorInvalidDevice";
    case 200:
        return "hipErrorInvalidImage";
    case 209:
        return "hipErrorNoBinaryForGpu";
    case 500:
        return "hipErrorNotFound";
    case 719:
        return "hipErrorLaunchFailure";
    default:
        return "hipErrorUnknown";
    }
}

const char *hipGetErrorString(int status) {
    return status == 719 ? "unspecified launch failure" : "as the driver puts it";
}

int hipGetDeviceCount(int *count) {
    record("hipGetDeviceCount");
    FAIL_IF_ASKED();
    *count = state.device_count;
    return SUCCESS;
}

int hipSetDevice(int device) {
    record("hipSetDevice %d", device);
    FAIL_IF_ASKED();
    return device >= 0 && device < state.device_count ? SUCCESS : INVALID_DEVICE;
}

int hipDeviceGetAttribute(int *value, int attribute, int device) {
    record("hipDeviceGetAttribute %d of %d", attribute, device);
    FAIL_IF_ASKED();
    if (attribute != 63)
        return misuse("attribute %d is not the number of CUs", attribute);
    *value = state.cus;
    return SUCCESS;
}

int hipDeviceTotalMem(size_t *bytes, int device) {
    record("hipDeviceTotalMem of %d", device);
    FAIL_IF_ASKED();
    *bytes = state.memory_bytes;
    return SUCCESS;
}

int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    record("hipMemGetInfo");
    FAIL_IF_ASKED();
    *free_bytes = state.memory_bytes / 4;
    *total_bytes = state.memory_bytes;
    return SUCCESS;
}

// Fills what a real driver would, with the texts that the backend reads at their places.
static int fill_properties(void *properties, size_t bytes, size_t isa_offset, int device) {
    if (device < 0 || device >= state.device_count)
        return INVALID_DEVICE;
    char *text = properties;
    memset(text, 0, bytes);
    snprintf(text, 256, "AMD Instinct MI300X");
    snprintf(text + isa_offset, 256, "%s", state.isa);
    return SUCCESS;
}

int hipGetDeviceProperties(void *properties, int device) {
    record("hipGetDeviceProperties of %d", device);
    FAIL_IF_ASKED();
    return fill_properties(properties, 792, 396, device);
}

#ifndef FAKE_HIP_5
int hipGetDevicePropertiesR0600(void *properties, int device);
int hipGetDevicePropertiesR0600(void *properties, int device) {
    record("hipGetDevicePropertiesR0600 of %d", device);
    FAIL_IF_ASKED();
    return fill_properties(properties, 1472, 1160, device);
}
#endif

// ---- memory
// --------------------------------------------------------------------------------------

int hipMalloc(void **address, size_t bytes);
int hipFree(void *address);
int hipHostMalloc(void **address, size_t bytes, unsigned flags);
int hipHostFree(void *address);
int hipHostGetDevicePointer(void **device_address, void *host, unsigned flags);
int hipMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream);
int hipMemsetAsync(void *to, int value, size_t bytes, void *stream);

// Addresses that no process has mapped, 4 GiB for each memory.
static uintptr_t device_address_of(size_t row) {
    return ((uintptr_t)1 << 60) + ((uintptr_t)row << 32);
}

static struct memory *new_memory(size_t bytes, bool host) {
    for (size_t i = 0; i < MAX_MEMORIES; i++) {
        if (memories[i].bytes)
            continue;
        unsigned char *data = malloc(bytes);
        if (!data)
            return NULL;
        memset(data, FIRST_GARBAGE, bytes);
        memories[i] = (struct memory){data, bytes, device_address_of(i), host};
        state.memories++;
        return &memories[i];
    }
    return NULL;
}

// The number of a memory in the log, and its row; NULL: the address is of none.
static struct memory *find_memory(const void *address, size_t bytes, bool host, size_t *number) {
    for (size_t i = 0; i < MAX_MEMORIES; i++) {
        const struct memory *memory = &memories[i];
        uintptr_t first = host ? (uintptr_t)memory->bytes : memory->device_address;
        uintptr_t offset = (uintptr_t)address - first;
        if (memory->bytes && memory->host == host && offset <= memory->length &&
            bytes <= memory->length - offset) {
            *number = i;
            return &memories[i];
        }
    }
    return NULL;
}

static int free_memory(void *address, bool host, const char *call) {
    size_t number = 0;
    struct memory *memory = find_memory(address, 0, host, &number);
    if (!memory || (uintptr_t)address != (host ? (uintptr_t)memory->bytes : memory->device_address))
        return misuse("%s of an address that was not allocated", call);
    record("%s memory %zu", call, number);
    if (running_stream >= 0)
        misuse("%s while the kernel runs", call);
    free(memory->bytes);
    memory->bytes = NULL;
    state.memories--;
    return SUCCESS;
}

int hipMalloc(void **address, size_t bytes) {
    int asked = asked_failure(__func__);
    struct memory *memory = asked ? NULL : new_memory(bytes, false);
    record("hipMalloc %zu", bytes);
    if (memory)
        *address = (void *)memory->device_address;
    return memory ? SUCCESS : asked ? asked : OUT_OF_MEMORY;
}

int hipFree(void *address) { return free_memory(address, false, __func__); }

int hipHostMalloc(void **address, size_t bytes, unsigned flags) {
    int asked = asked_failure(__func__);
    struct memory *memory = asked ? NULL : new_memory(bytes, true);
    record("hipHostMalloc %zu flags %#x", bytes, flags);
    if (memory)
        *address = memory->bytes;
    return memory ? SUCCESS : asked ? asked : OUT_OF_MEMORY;
}

int hipHostFree(void *address) { return free_memory(address, true, __func__); }

int hipHostGetDevicePointer(void **device_address, void *host, unsigned flags) {
    record("hipHostGetDevicePointer flags %u", flags);
    FAIL_IF_ASKED();
    size_t number = 0;
    struct memory *memory = find_memory(host, 0, true, &number);
    if (!memory)
        return misuse("hipHostGetDevicePointer of memory that is not pinned");
    *device_address = (void *)memory->device_address;
    return SUCCESS;
}

// ---- streams
// -------------------------------------------------------------------------------------

int hipStreamCreateWithFlags(void **stream, unsigned flags);
int hipStreamQuery(void *stream);
int hipStreamSynchronize(void *stream);
int hipStreamDestroy(void *stream);

static int stream_number(const void *stream, const char *call) {
    for (int i = 0; i < MAX_STREAMS; i++)
        if (stream == &streams[i] && streams[i])
            return i;
    misuse("%s on %s", call, stream ? "a stream that does not exist" : "the null stream");
    return -1;
}

int hipStreamCreateWithFlags(void **stream, unsigned flags) {
    int number = 0;
    while (number < MAX_STREAMS && streams[number])
        number++;
    record("hipStreamCreateWithFlags %u -> stream %d", flags, number);
    FAIL_IF_ASKED();
    if (number == MAX_STREAMS)
        return OUT_OF_MEMORY;
    streams[number] = true;
    state.streams++;
    *stream = &streams[number];
    return SUCCESS;
}

int hipStreamQuery(void *stream) {
    int number = stream_number(stream, __func__);
    record("hipStreamQuery stream %d", number);
    FAIL_IF_ASKED();
    if (number != running_stream)
        return SUCCESS;
    if (polls_left > 0) {
        polls_left--;
        return NOT_READY;
    }
    running_stream = -1;
    return SUCCESS;
}

static void execute(const struct pending *work) {
    if (work->from)
        memcpy(work->to, work->from, work->bytes);
    else
        memset(work->to, work->value, work->bytes);
}

int hipStreamSynchronize(void *stream) {
    int number = stream_number(stream, __func__);
    record("hipStreamSynchronize stream %d", number);
    FAIL_IF_ASKED();
    if (number == running_stream)
        running_stream = -1;
    size_t kept = 0;
    for (size_t i = 0; i < pending_count; i++) {
        if (pending[i].stream == number)
            execute(&pending[i]);
        else
            pending[kept++] = pending[i];
    }
    pending_count = kept;
    return number < 0 ? INVALID_VALUE : SUCCESS;
}

int hipStreamDestroy(void *stream) {
    int number = stream_number(stream, __func__);
    record("hipStreamDestroy stream %d", number);
    if (number < 0)
        return INVALID_VALUE;
    if (number == running_stream)
        misuse("hipStreamDestroy while the kernel runs");
    streams[number] = false;
    state.streams--;
    return SUCCESS;
}

static int enqueue(struct pending work, const char *call) {
    if (work.stream < 0)
        return INVALID_VALUE;
    if (pending_count == MAX_PENDING)
        return misuse("%s: transfers are never waited for", call);
    if (work.stream == running_stream)
        misuse("%s would wait for the kernel", call);
    pending[pending_count++] = work;
    return SUCCESS;
}

int hipMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream) {
    int on = stream_number(stream, __func__);
    size_t number = 0;
    const void *device = direction == 1 ? to : from;
    struct memory *memory = find_memory(device, bytes, false, &number);
    if (!memory || (direction != 1 && direction != 2))
        return misuse("hipMemcpyAsync outside of a device memory");
    size_t offset = (uintptr_t)device - memory->device_address;
    record("hipMemcpyAsync %s memory %zu + %zu, %zu bytes, stream %d",
           direction == 1 ? "to" : "from", number, offset, bytes, on);
    FAIL_IF_ASKED();
    struct pending work = {.stream = on, .to = to, .from = from, .bytes = bytes};
    if (direction == 1)
        work.to = memory->bytes + offset;
    else
        work.from = memory->bytes + offset;
    return enqueue(work, __func__);
}

int hipMemsetAsync(void *to, int value, size_t bytes, void *stream) {
    int on = stream_number(stream, __func__);
    size_t number = 0;
    struct memory *memory = find_memory(to, bytes, false, &number);
    if (!memory)
        return misuse("hipMemsetAsync outside of a device memory");
    record("hipMemsetAsync memory %zu to %d, %zu bytes, stream %d", number, value, bytes, on);
    FAIL_IF_ASKED();
    size_t offset = (uintptr_t)to - memory->device_address;
    return enqueue(
        (struct pending){
            .stream = on, .to = memory->bytes + offset, .value = value, .bytes = bytes},
        __func__);
}

// ---- kernels
// -------------------------------------------------------------------------------------

int hipModuleLoadData(void **module, const void *image);
int hipModuleUnload(void *module);
int hipModuleGetFunction(void **function, void *module, const char *symbol);
int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                       size_t dynamic_bytes);
int hipModuleLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned dynamic_bytes, void *stream, void **parameters, void **extra);

int hipModuleLoadData(void **module, const void *image) {
    record("hipModuleLoadData");
    FAIL_IF_ASKED();
    if (memcmp(image, "\177ELF", 4) != 0)
        return misuse("hipModuleLoadData of something else than a code object");
    module_image = image;
    state.modules++;
    *module = &module_object;
    return SUCCESS;
}

int hipModuleUnload(void *module) {
    record("hipModuleUnload");
    if (module != &module_object || !module_image)
        return misuse("hipModuleUnload of what was not loaded");
    if (running_stream >= 0)
        misuse("hipModuleUnload while the kernel runs");
    // A driver may read the image as long as the module is loaded.
    if (memcmp(module_image, "\177ELF", 4) != 0)
        misuse("the image of a loaded module has changed");
    module_image = NULL;
    state.modules--;
    return SUCCESS;
}

int hipModuleGetFunction(void **function, void *module, const char *symbol) {
    record("hipModuleGetFunction %s", symbol);
    FAIL_IF_ASKED();
    if (module != &module_object)
        return misuse("hipModuleGetFunction of what was not loaded");
    *function = &function_object;
    return SUCCESS;
}

int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                       size_t dynamic_bytes) {
    record("hipModuleOccupancyMaxActiveBlocksPerMultiprocessor %d threads, %zu bytes", threads,
           dynamic_bytes);
    FAIL_IF_ASKED();
    if (function != &function_object)
        return misuse("the occupancy of what is no function");
    *blocks = state.workgroups_per_cu;
    return SUCCESS;
}

int hipModuleLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned dynamic_bytes, void *stream, void **parameters, void **extra) {
    int number = stream_number(stream, __func__);
    record("hipModuleLaunchKernel %ux%ux%u workgroups of %ux%ux%u threads, %u bytes, stream %d",
           grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_bytes, number);
    FAIL_IF_ASKED();
    if (function != &function_object || number < 0)
        return misuse("a launch of what is no function, or on no stream");
    if (parameters || !extra || extra[0] != (void *)1 || extra[2] != (void *)2 ||
        extra[4] != (void *)3)
        return misuse("a launch without an argument block");
    size_t bytes = *(const size_t *)extra[3];
    if (bytes > sizeof state.arguments)
        return misuse("an argument block of %zu bytes", bytes);
    memcpy(state.arguments, extra[1], bytes);
    state.argument_bytes = bytes;
    running_stream = number;
    polls_left = state.polls_while_running;
    return SUCCESS;
}
