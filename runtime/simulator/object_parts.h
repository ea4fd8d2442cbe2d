// What object.c and object_metadata.c share.
#ifndef RUNTIME_SIMULATOR_OBJECT_PARTS_H
#define RUNTIME_SIMULATOR_OBJECT_PARTS_H

#include "runtime/simulator/object.h"

// What messages call the object, and where its error goes.
struct object_source {
    const char *name;
    struct monogen_error *error;
};

// Fails with "NAME: " and the message.
bool object_fail(const struct object_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Allocates object->kernels and fills what the metadata ([bytes]) tells of them: names, arguments,
// threads. False after filling the error: also where they are for another ISA.
bool object_read_metadata(struct object *object, const unsigned char *metadata, size_t bytes,
                          const char *isa, const struct object_source *source);

#endif
