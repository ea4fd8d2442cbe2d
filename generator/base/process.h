// Process: runs a program, feeds it, collects what it says, and never waits for ever.
#ifndef GENERATOR_BASE_PROCESS_H
#define GENERATOR_BASE_PROCESS_H

#include "generator/base/text.h"

#include <signal.h>
#include <stddef.h>

struct process_request {
    const char *const *arguments;   // NULL-terminated; [0] is found through PATH without a '/'
    const char *const *environment; // NULL-terminated NAME=VALUE, added to ours; NULL: none
    const char *folder;             // where it runs; NULL: here
    const char *input;              // its stdin; may be NULL where input_bytes is 0
    size_t input_bytes;
    size_t output_bytes_max; // of stdout and stderr each; more ends the process
    double timeout_seconds;
};

enum process_end {
    PROCESS_EXITED,
    PROCESS_SIGNALLED,   // it died of a signal that we did not send
    PROCESS_TIMED_OUT,   // ended by us
    PROCESS_TALKED_ON,   // more than output_bytes_max: ended by us
    PROCESS_INTERRUPTED, // we were told to end (SIGINT, SIGTERM, SIGHUP is pending): ended by us
    PROCESS_NOT_STARTED, // no such program, no memory ...
};

struct process_result {
    enum process_end end;
    int code; // exit status, signal number, or errno of PROCESS_NOT_STARTED; else 0
    struct text output, errors;
    double seconds;
};

// Runs the program to its end. Requires *result to be zeroed; the caller closes it. While it runs,
// SIGINT, SIGTERM and SIGHUP (those not ignored) are held back from this thread: they end the
// program, and act on us when process_run returns (or when the caller, who holds them too, releases
// them). The program gets SIGTERM, 2 s later SIGKILL; it gets SIGTERM too when the thread that
// called process_run dies.
void process_run(const struct process_request *request, struct process_result *result);
void process_result_close(struct process_result *result);

// "exited with status 3", "was killed by SIGABRT", "did not start: No such file or directory" ...
void process_describe(const struct process_result *result, char *line, size_t bytes);

// Holds SIGINT, SIGTERM and SIGHUP back until released, so that the caller can clean up first.
void process_hold_signals(sigset_t *before);
void process_release_signals(const sigset_t *before);

#endif
