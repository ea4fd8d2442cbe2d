#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

void monogen_error_line(const struct monogen_error *error, char *line, size_t bytes) {
    static const char note[] = "\n  note: ";
    const char *message = error->message;
    size_t used = 0;
    while (*message && used + 3 <= bytes) {
        if (strncmp(message, note, sizeof note - 1) == 0) {
            line[used++] = ';';
            line[used++] = ' ';
            message += sizeof note - 1;
        } else {
            line[used++] = *message == '\n' ? ' ' : *message;
            message++;
        }
    }
    if (bytes > 0)
        line[used] = '\0';
}
