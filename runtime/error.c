#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

bool monogen_fail(struct monogen_error *error, enum monogen_status status, const char *format,
                  ...) {
    if (!error)
        return false;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (length < 0)
        snprintf(error->message, sizeof error->message, "an error that could not be described");
    return false;
}
