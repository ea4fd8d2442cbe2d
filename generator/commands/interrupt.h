// Interrupt: Ctrl-C (and SIGTERM, SIGHUP, SIGPIPE) asks the program to end; whoever works in steps
// looks between them, cleans up and returns. A second signal ends it at once.
#ifndef GENERATOR_COMMANDS_INTERRUPT_H
#define GENERATOR_COMMANDS_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void); // from here on

// From here on the first signal already ends the program, at once: for commands that leave nothing
// behind, and whose work knows no steps.
void interrupt_ends_at_once(void);

bool interrupted(void);

// 130 after Ctrl-C, as shells number it; 128 + signal in general. Requires: interrupted().
int interrupt_exit_status(void);

#endif
