// An error of the runtime is a value: a status, which is also the exit status of a program that
// ends because of it, and one message that says what is wrong and what to do.
#ifndef RUNTIME_ERROR_H
#define RUNTIME_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum monogen_status {
    MONOGEN_OK = 0,
    MONOGEN_BAD_INPUT = 1,      // a file or a request is wrong
    MONOGEN_BAD_USAGE = 2,      // the call is wrong
    MONOGEN_NO_ENVIRONMENT = 3, // no device, no driver, no memory, disk full
    MONOGEN_STOPPED = 4,        // the caller's callback asked to stop (not printed as an error)
};

struct monogen_error {
    enum monogen_status status;
    char message[2048]; // may hold several lines; further lines start with "  note: "
};

// Fills *error (NULL is allowed) and returns false, so that a caller can `return
// monogen_fail(...)`.
bool monogen_fail(struct monogen_error *error, enum monogen_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The message as one line [bytes]: "what is wrong; what to do".
void monogen_error_line(const struct monogen_error *error, char *line, size_t bytes);

#endif
