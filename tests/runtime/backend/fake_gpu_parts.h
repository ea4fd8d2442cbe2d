// What the fake drivers have alike, to be included by each of them once: its memory, streams and
// kernel. `call` is the name under which the backend called. Prototypes are the fakes' own, apart
// from the backend's table, so that a mistake there shows.
#include "tests/runtime/backend/fake_gpu.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_READY = 600 };
enum { MAX_MEMORIES = 64, MAX_STREAMS = 8, MAX_PENDING = 16, MAX_MODULES = 4 };
enum { FIRST_GARBAGE = 0xa5 }; // what fresh memory holds

struct memory {
    unsigned char *bytes; // NULL: a free row
    size_t length;
    uintptr_t device_address;
    bool host; // pinned: the host may touch `bytes`
};

struct pending {
    int stream;
    void *to;
    const void *from; // NULL: fill
    int value;
    size_t bytes;
};

static struct fake_gpu state;
static struct memory memories[MAX_MEMORIES];
static bool streams[MAX_STREAMS];
static struct pending pending[MAX_PENDING];
static size_t pending_count;
static int calls_to_fail; // calls of state.fail_call so far
// A module is its function too: their addresses are the handles.
static struct module {
    const unsigned char *image; // NULL: a free row
    char function;
    int dynamic_lds_allowed; // CUDA: that the function was given
} modules[MAX_MODULES];
static int running_stream; // of the kernel; -1: none
static int polls_left;

struct fake_gpu *fake_gpu_state(void);
void fake_gpu_reset(void);

struct fake_gpu *fake_gpu_state(void) {
    return &state;
}

static void forget_everything(void) {
    for (size_t i = 0; i < MAX_MEMORIES; i++)
        free(memories[i].bytes);
    memset(memories, 0, sizeof memories);
    memset(streams, 0, sizeof streams);
    pending_count = 0;
    calls_to_fail = 0;
    memset(modules, 0, sizeof modules);
    running_stream = -1;
}

// ---- recording ----------------------------------------------------------------------------------

static void append(char *to, size_t bytes, const char *format, va_list arguments) {
    size_t used = strlen(to);
    int length = vsnprintf(to + used, bytes - used, format, arguments);
    if (length < 0 || used + (size_t)length + 1 >= bytes)
        to[used] = '\0'; // it is full: a test that needs more enlarges it
    else
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

#define FAIL_IF_ASKED(call)                                                                        \
    do {                                                                                           \
        int asked = asked_failure(call);                                                           \
        if (asked != SUCCESS)                                                                      \
            return asked;                                                                          \
    } while (0)

// ---- the library and its devices ----------------------------------------------------------------

static int init(const char *call, unsigned flags) {
    record("%s %u", call, flags);
    FAIL_IF_ASKED(call);
    return SUCCESS;
}

// A question without arguments, whose answer is a number.
static int tell(const char *call, int *number, int answer) {
    record("%s", call);
    FAIL_IF_ASKED(call);
    *number = answer;
    return SUCCESS;
}

static int tell_total_memory(const char *call, size_t *bytes, int device) {
    record("%s of %d", call, device);
    FAIL_IF_ASKED(call);
    *bytes = state.memory_bytes;
    return SUCCESS;
}

static int tell_free_memory(const char *call, size_t *free_bytes, size_t *total_bytes) {
    record("%s", call);
    FAIL_IF_ASKED(call);
    *free_bytes = state.memory_bytes / 4;
    *total_bytes = state.memory_bytes;
    return SUCCESS;
}

// ---- memory -------------------------------------------------------------------------------------

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
static struct memory *find_memory(uintptr_t address, size_t bytes, bool host, size_t *number) {
    for (size_t i = 0; i < MAX_MEMORIES; i++) {
        const struct memory *memory = &memories[i];
        uintptr_t first = host ? (uintptr_t)memory->bytes : memory->device_address;
        uintptr_t offset = address - first;
        if (memory->bytes && memory->host == host && offset <= memory->length &&
            bytes <= memory->length - offset) {
            *number = i;
            return &memories[i];
        }
    }
    return NULL;
}

static int free_memory(const char *call, uintptr_t address, bool host) {
    size_t number = 0;
    struct memory *memory = find_memory(address, 0, host, &number);
    if (!memory || address != (host ? (uintptr_t)memory->bytes : memory->device_address))
        return misuse("%s of an address that was not allocated", call);
    record("%s memory %zu", call, number);
    if (running_stream >= 0)
        misuse("%s while the kernel runs", call);
    free(memory->bytes);
    memory->bytes = NULL;
    state.memories--;
    return SUCCESS;
}

static int allocate_on_device(const char *call, uintptr_t *address, size_t bytes) {
    int asked = asked_failure(call);
    struct memory *memory = asked ? NULL : new_memory(bytes, false);
    record("%s %zu", call, bytes);
    if (memory)
        *address = memory->device_address;
    return memory ? SUCCESS : asked ? asked : OUT_OF_MEMORY;
}

static int allocate_on_host(const char *call, void **address, size_t bytes, unsigned flags) {
    int asked = asked_failure(call);
    struct memory *memory = asked ? NULL : new_memory(bytes, true);
    record("%s %zu flags %#x", call, bytes, flags);
    if (memory)
        *address = memory->bytes;
    return memory ? SUCCESS : asked ? asked : OUT_OF_MEMORY;
}

static int tell_device_address(const char *call, uintptr_t *device_address, const void *host,
                               unsigned flags) {
    record("%s flags %u", call, flags);
    FAIL_IF_ASKED(call);
    size_t number = 0;
    struct memory *memory = find_memory((uintptr_t)host, 0, true, &number);
    if (!memory)
        return misuse("%s of memory that is not pinned", call);
    *device_address = memory->device_address;
    return SUCCESS;
}

// ---- streams ------------------------------------------------------------------------------------

static int stream_number(const char *call, const void *stream) {
    for (int i = 0; i < MAX_STREAMS; i++)
        if (stream == &streams[i] && streams[i])
            return i;
    misuse("%s on %s", call, stream ? "a stream that does not exist" : "the null stream");
    return -1;
}

static int create_stream(const char *call, void **stream, unsigned flags) {
    int number = 0;
    while (number < MAX_STREAMS && streams[number])
        number++;
    record("%s %u -> stream %d", call, flags, number);
    FAIL_IF_ASKED(call);
    if (number == MAX_STREAMS)
        return OUT_OF_MEMORY;
    streams[number] = true;
    state.streams++;
    *stream = &streams[number];
    return SUCCESS;
}

static int query_stream(const char *call, const void *stream) {
    int number = stream_number(call, stream);
    record("%s stream %d", call, number);
    int asked = asked_failure(call);
    if (number != running_stream)
        return asked;
    if (asked != SUCCESS) { // the kernel has crashed
        running_stream = -1;
        return asked;
    }
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

static int synchronize_stream(const char *call, const void *stream) {
    int number = stream_number(call, stream);
    record("%s stream %d", call, number);
    FAIL_IF_ASKED(call);
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

static int destroy_stream(const char *call, const void *stream) {
    int number = stream_number(call, stream);
    record("%s stream %d", call, number);
    if (number < 0)
        return INVALID_VALUE;
    if (number == running_stream)
        misuse("%s while the kernel runs", call);
    streams[number] = false;
    state.streams--;
    return SUCCESS;
}

static int enqueue(const char *call, struct pending work) {
    if (work.stream < 0)
        return INVALID_VALUE;
    if (pending_count == MAX_PENDING)
        return misuse("%s: transfers are never waited for", call);
    if (work.stream == running_stream)
        misuse("%s would wait for the kernel", call);
    pending[pending_count++] = work;
    return SUCCESS;
}

static int copy(const char *call, uintptr_t device, void *host, size_t bytes, bool to_device,
                const void *stream) {
    int on = stream_number(call, stream);
    size_t number = 0;
    struct memory *memory = find_memory(device, bytes, false, &number);
    if (!memory)
        return misuse("%s outside of a device memory", call);
    size_t offset = device - memory->device_address;
    record("%s %s memory %zu + %zu, %zu bytes, stream %d", call, to_device ? "to" : "from", number,
           offset, bytes, on);
    FAIL_IF_ASKED(call);
    void *there = memory->bytes + offset;
    return enqueue(call, (struct pending){.stream = on,
                                          .to = to_device ? there : host,
                                          .from = to_device ? host : there,
                                          .bytes = bytes});
}

static int fill(const char *call, uintptr_t device, int value, size_t bytes, const void *stream) {
    int on = stream_number(call, stream);
    size_t number = 0;
    struct memory *memory = find_memory(device, bytes, false, &number);
    if (!memory)
        return misuse("%s outside of a device memory", call);
    record("%s memory %zu to %d, %zu bytes, stream %d", call, number, value, bytes, on);
    FAIL_IF_ASKED(call);
    size_t offset = device - memory->device_address;
    return enqueue(call,
                   (struct pending){
                       .stream = on, .to = memory->bytes + offset, .value = value, .bytes = bytes});
}

// ---- kernels ------------------------------------------------------------------------------------

// NULL: the handle is of none that is loaded.
static struct module *loaded_module(const void *handle) {
    for (int i = 0; i < MAX_MODULES; i++)
        if (handle == &modules[i] && modules[i].image)
            return &modules[i];
    return NULL;
}

static struct module *module_of_function(const void *function) {
    for (int i = 0; i < MAX_MODULES; i++)
        if (function == &modules[i].function && modules[i].image)
            return &modules[i];
    return NULL;
}

static int load_module(const char *call, void **module, const void *image) {
    int number = 0;
    record("%s", call);
    FAIL_IF_ASKED(call);
    if (memcmp(image, "\177ELF", 4) != 0)
        return misuse("%s of something else than an object", call);
    while (number < MAX_MODULES && modules[number].image)
        number++;
    if (number == MAX_MODULES)
        return OUT_OF_MEMORY;
    modules[number] = (struct module){.image = image, .dynamic_lds_allowed = 48 << 10};
    state.modules++;
    *module = &modules[number];
    return SUCCESS;
}

static int unload_module(const char *call, const void *handle) {
    struct module *module = loaded_module(handle);
    record("%s", call);
    if (!module)
        return misuse("%s of what was not loaded", call);
    if (running_stream >= 0)
        misuse("%s while the kernel runs", call);
    // A driver may read the image as long as the module is loaded.
    if (memcmp(module->image, "\177ELF", 4) != 0)
        misuse("the image of a loaded module has changed");
    module->image = NULL;
    state.modules--;
    return SUCCESS;
}

static int find_function(const char *call, void **function, const void *handle,
                         const char *symbol) {
    struct module *module = loaded_module(handle);
    record("%s %s", call, symbol);
    FAIL_IF_ASKED(call);
    if (!module)
        return misuse("%s of what was not loaded", call);
    *function = &module->function;
    return SUCCESS;
}

static int tell_resident(const char *call, int *workgroups, const void *function, int threads,
                         size_t dynamic_bytes) {
    record("%s %d threads, %zu bytes", call, threads, dynamic_bytes);
    FAIL_IF_ASKED(call);
    if (!module_of_function(function))
        return misuse("the occupancy of what is no function");
    *workgroups = state.workgroups_per_cu;
    return SUCCESS;
}

// What a test wants of a kernel: one number, where an argument points to.
static void compute(void) {
    uint64_t address = 0;
    size_t memory = 0;
    if (state.argument_bytes < state.result_argument + sizeof address || !state.has_result)
        return;
    memcpy(&address, state.arguments + state.result_argument, sizeof address);
    struct memory *found = find_memory((uintptr_t)address, sizeof state.result, false, &memory);
    if (found)
        memcpy(found->bytes + ((uintptr_t)address - found->device_address), &state.result,
               sizeof state.result);
    else
        misuse("the kernel's result has no device memory");
}

// `end`: what must end `extra`.
static int launch_kernel(const char *call, const void *function, const unsigned size[7],
                         const void *stream, void **parameters, void **extra, const void *end) {
    int number = stream_number(call, stream);
    record("%s %ux%ux%u workgroups of %ux%ux%u threads, %u bytes, stream %d", call, size[0],
           size[1], size[2], size[3], size[4], size[5], size[6], number);
    FAIL_IF_ASKED(call);
    if (!module_of_function(function) || number < 0)
        return misuse("a launch of what is no function, or on no stream");
    if (parameters || !extra || extra[0] != (void *)1 || extra[2] != (void *)2 || extra[4] != end)
        return misuse("a launch without an argument block");
    size_t bytes = *(const size_t *)extra[3];
    if (bytes > sizeof state.arguments)
        return misuse("an argument block of %zu bytes", bytes);
    memcpy(state.arguments, extra[1], bytes);
    state.argument_bytes = bytes;
    compute();
    running_stream = number;
    polls_left = state.polls_while_running;
    return SUCCESS;
}
