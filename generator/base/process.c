#include "generator/base/process.h"

#include "generator/base/arena.h"
#include "runtime/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 2000 };

extern char **environ;

static const int ending_numbers[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING_COUNT = sizeof ending_numbers / sizeof *ending_numbers };

// The signals that would end us or run a handler of ours; not those that nohup made us ignore.
static sigset_t ending_signals(void) {
    sigset_t set;
    struct sigaction action;
    sigemptyset(&set);
    for (int i = 0; i < ENDING_COUNT; i++)
        if (sigaction(ending_numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, ending_numbers[i]);
    return set;
}

void process_hold_signals(sigset_t *before) {
    sigset_t set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void process_release_signals(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

static void close_end(int *end) {
    if (*end >= 0)
        close(*end);
    *end = -1;
}

// Ours, with the additions in place of variables of the same name. Freed by the caller.
static char **child_environment(const char *const *additions) {
    size_t ours = 0, added = 0;
    while (environ[ours])
        ours++;
    while (additions && additions[added])
        added++;
    char **all = calloc(ours + added + 1, sizeof(char *));
    if (!all)
        memory_exhausted((ours + added + 1) * sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < added; j++) {
            size_t name = strcspn(additions[j], "=") + 1;
            replaced = replaced || strncmp(environ[i], additions[j], name) == 0;
        }
        if (!replaced)
            all[count++] = environ[i];
    }
    for (size_t j = 0; j < added; j++)
        all[count++] = (char *)(uintptr_t)additions[j]; // execvpe reads it only
    return all;
}

// What stands between us and the child: our ends of its stdin, stdout and stderr.
struct channels {
    int input, output, errors;
};

// In the child: never returns. Writes errno to `report` where the program cannot be started.
static _Noreturn void become(const struct process_request *request, char **environment,
                             const int ends[3], int report, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int reason = 0;
    if (getppid() != parent)
        reason = ESRCH; // the parent died before prctl
    for (int i = 0; i < 3 && !reason; i++)
        if (dup2(ends[i], i) < 0)
            reason = errno;
    if (!reason && request->folder && chdir(request->folder) != 0)
        reason = errno;
    signal(SIGPIPE, SIG_DFL);
    sigset_t held = ending_signals(); // by us; and blocked signals stay blocked in a new program
    for (int i = 0; i < ENDING_COUNT; i++)
        if (sigismember(&held, ending_numbers[i]))
            signal(ending_numbers[i], SIG_DFL); // a handler of ours has no business in the child
    sigprocmask(SIG_UNBLOCK, &held, NULL);
    if (!reason) {
        execvpe(request->arguments[0], (char *const *)(uintptr_t)request->arguments, environment);
        reason = errno;
    }
    ssize_t written = write(report, &reason, sizeof reason);
    _exit(written == sizeof reason ? 127 : 126);
}

// Starts the program. Returns its id, or -1 with *reason an errno.
static pid_t start(const struct process_request *request, struct channels *channels, int *reason) {
    int pipes[4][2]; // stdin, stdout, stderr, the child's report
    for (int i = 0; i < 4; i++)
        pipes[i][0] = pipes[i][1] = -1;
    pid_t child = -1;
    *reason = 0;
    for (int i = 0; i < 4 && !*reason; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0)
            *reason = errno;
    if (!*reason) {
        // A pipe end numbered 0 to 2 (ours were closed) would be overwritten before it is used.
        for (int i = 0; i < 4 && !*reason; i++)
            for (int j = 0; j < 2 && !*reason; j++)
                if (pipes[i][j] <= 2) {
                    int moved = fcntl(pipes[i][j], F_DUPFD_CLOEXEC, 3);
                    if (moved < 0) {
                        *reason = errno;
                    } else {
                        close(pipes[i][j]);
                        pipes[i][j] = moved;
                    }
                }
    }
    if (!*reason) {
        char **environment = child_environment(request->environment);
        const int ends[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
        pid_t parent = getpid();
        child = fork();
        if (child == 0)
            become(request, environment, ends, pipes[3][1], parent);
        if (child < 0)
            *reason = errno;
        free(environment);
    }
    close_end(&pipes[0][0]);
    close_end(&pipes[1][1]);
    close_end(&pipes[2][1]);
    close_end(&pipes[3][1]);
    if (child > 0) {
        ssize_t got;
        do
            got = read(pipes[3][0], reason, sizeof *reason);
        while (got < 0 && errno == EINTR);
        if (got == sizeof *reason) {
            waitpid(child, NULL, 0);
            child = -1;
        }
    }
    close_end(&pipes[3][0]);
    if (child < 0) {
        close_end(&pipes[0][1]);
        close_end(&pipes[1][0]);
        close_end(&pipes[2][0]);
        return -1;
    }
    *channels = (struct channels){pipes[0][1], pipes[1][0], pipes[2][0]};
    fcntl(channels->input, F_SETFL, O_NONBLOCK);
    fcntl(channels->output, F_SETFL, O_NONBLOCK);
    fcntl(channels->errors, F_SETFL, O_NONBLOCK);
    return child;
}

static void feed(const struct process_request *request, size_t *fed, int *end) {
    ssize_t wrote = write(*end, request->input + *fed, request->input_bytes - *fed);
    if (wrote > 0)
        *fed += (size_t)wrote;
    bool broken = wrote < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || *fed == request->input_bytes)
        close_end(end); // a program that does not read is judged by what it answers
}

// Returns false once the program said more than allowed.
static bool collect(struct text *text, size_t bytes_max, int *end) {
    char bytes[65536];
    ssize_t got = read(*end, bytes, sizeof bytes);
    if (got > 0) {
        if ((size_t)got > bytes_max - text->length)
            return false;
        text_append_bytes(text, bytes, (size_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_end(end);
    }
    return true;
}

// Talks to the program until it closed both its outputs or has to be ended.
static enum process_end converse(const struct process_request *request, struct channels *channels,
                                 double deadline, struct process_result *result) {
    sigset_t set = ending_signals();
    int told = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    size_t fed = 0;
    enum process_end end = PROCESS_EXITED;
    if (request->input_bytes == 0)
        close_end(&channels->input);
    while (end == PROCESS_EXITED && (channels->output >= 0 || channels->errors >= 0)) {
        struct pollfd watched[4] = {{channels->input, POLLOUT, 0},
                                    {channels->output, POLLIN, 0},
                                    {channels->errors, POLLIN, 0},
                                    {told, POLLIN, 0}}; // negative numbers are passed over
        double left = deadline - clock_seconds(CLOCK_MONOTONIC);
        if (left <= 0) {
            end = PROCESS_TIMED_OUT;
            break;
        }
        int ready = poll(watched, 4, left > 60 ? 60000 : (int)(left * 1000) + 1);
        if (ready <= 0)
            continue; // the deadline, or a signal that is not ours to act on
        if (watched[3].revents) {
            end = PROCESS_INTERRUPTED; // left pending: it acts once signals are released
            break;
        }
        if (watched[0].revents)
            feed(request, &fed, &channels->input);
        if ((watched[1].revents &&
             !collect(&result->output, request->output_bytes_max, &channels->output)) ||
            (watched[2].revents &&
             !collect(&result->errors, request->output_bytes_max, &channels->errors)))
            end = PROCESS_TALKED_ON;
    }
    close_end(&told);
    return end;
}

// Waits for the child until the deadline; returns whether it ended.
static bool reap(pid_t child, double deadline, int *status) {
    for (;;) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child)
            return true;
        if (ended < 0 && errno != EINTR) {
            *status = 0;
            return true; // somebody else reaped it (SIGCHLD ignored): nothing more to learn
        }
        if (clock_seconds(CLOCK_MONOTONIC) >= deadline)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

void process_run(const struct process_request *request, struct process_result *result) {
    double started = clock_seconds(CLOCK_MONOTONIC);
    double deadline = started + request->timeout_seconds;
    sigset_t before;
    process_hold_signals(&before);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, pipe_action;
    sigaction(SIGPIPE, &ignore, &pipe_action);

    struct channels channels;
    int reason = 0, status = 0;
    pid_t child = start(request, &channels, &reason);
    if (child < 0) {
        result->end = PROCESS_NOT_STARTED;
        result->code = reason;
    } else {
        result->end = converse(request, &channels, deadline, result);
        close_end(&channels.input);
        close_end(&channels.output);
        close_end(&channels.errors);
        if (result->end == PROCESS_EXITED && !reap(child, deadline, &status))
            result->end = PROCESS_TIMED_OUT;
        if (result->end != PROCESS_EXITED) {
            kill(child, SIGTERM);
            if (!reap(child, clock_seconds(CLOCK_MONOTONIC) + GRACE_MS / 1e3, &status)) {
                kill(child, SIGKILL);
                waitpid(child, &status, 0);
            }
        } else if (WIFSIGNALED(status)) {
            result->end = PROCESS_SIGNALLED;
            result->code = WTERMSIG(status);
        } else {
            result->code = WEXITSTATUS(status);
        }
    }
    result->seconds = clock_seconds(CLOCK_MONOTONIC) - started;
    sigaction(SIGPIPE, &pipe_action, NULL);
    process_release_signals(&before);
}

void process_result_close(struct process_result *result) {
    text_close(&result->output);
    text_close(&result->errors);
}

void process_describe(const struct process_result *result, char *line, size_t bytes) {
    const char *name;
    switch (result->end) {
    case PROCESS_EXITED:
        snprintf(line, bytes, "exited with status %d", result->code);
        return;
    case PROCESS_SIGNALLED:
        name = sigabbrev_np(result->code);
        if (name)
            snprintf(line, bytes, "was killed by SIG%s", name);
        else
            snprintf(line, bytes, "was killed by signal %d", result->code);
        return;
    case PROCESS_TIMED_OUT:
        snprintf(line, bytes, "was stopped after %.1f s", result->seconds);
        return;
    case PROCESS_TALKED_ON:
        snprintf(line, bytes, "was stopped because its output had no end");
        return;
    case PROCESS_INTERRUPTED:
        snprintf(line, bytes, "was interrupted");
        return;
    case PROCESS_NOT_STARTED:
        snprintf(line, bytes, "did not start: %s", strerror(result->code));
        return;
    }
}
