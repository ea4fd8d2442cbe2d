#include "generator/commands/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t caught, at_once;

static void on_signal(int signal_number) {
    if (at_once || (caught && signal_number != SIGPIPE))
        _exit(128 + signal_number);
    if (!caught)
        caught = signal_number;
}

void interrupt_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction before;
        // nohup and a shell's background jobs ignore signals: that is to stay so
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

void interrupt_ends_at_once(void) {
    at_once = 1;
    if (caught)
        _exit(interrupt_exit_status());
}

bool interrupted(void) { return caught != 0; }

int interrupt_exit_status(void) { return 128 + (int)caught; }
