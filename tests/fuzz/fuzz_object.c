// Code objects for gfx942. One that is accepted keeps the promises of object.h on which the
// simulator relies when it loads a kernel.
#include "runtime/simulator/object.h"
#include "tests/fuzz/input.h"

static void require_segment(const struct object *object, const struct object_segment *segment) {
    input_require(segment->memory_bytes <= object->memory_bytes &&
                      segment->address <= object->memory_bytes - segment->memory_bytes,
                  "a segment lies in the memory");
    input_require(segment->file_bytes <= segment->memory_bytes &&
                      segment->file_bytes <= object->file_bytes &&
                      segment->file_offset <= object->file_bytes - segment->file_bytes,
                  "what a segment loads lies in the file");
}

static void require_kernel(const struct object *object, const struct object_kernel *kernel) {
    bool is_code = false;
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct object_segment *segment = &object->segments[i];
        is_code |= segment->executable && kernel->entry >= segment->address &&
                   kernel->entry - segment->address < segment->file_bytes;
    }
    input_require(is_code, "a kernel begins in the code");
    for (size_t i = 0; i < kernel->argument_count; i++)
        input_require(kernel->arguments[i].offset <= kernel->argument_block_bytes &&
                          kernel->arguments[i].bytes <=
                              kernel->argument_block_bytes - kernel->arguments[i].offset,
                      "an argument lies in its block");
    input_require(object_find_kernel(object, kernel->name) != NULL, "a kernel is found by name");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct object object;
    struct monogen_error error;
    if (!object_parse(&object, "object", bytes, size, "gfx942", &error))
        return 0;
    for (size_t i = 0; i < object.segment_count; i++)
        require_segment(&object, &object.segments[i]);
    for (size_t i = 0; i < object.kernel_count; i++)
        require_kernel(&object, &object.kernels[i]);
    object_close(&object);
    return 0;
}
