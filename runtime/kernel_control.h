// The control block: what a kernel and its host tell each other besides tokens. Plain C, inserted
// verbatim into every emitted kernel, so that both sides read one definition. The host zeroes the
// block before each launch.
#ifndef RUNTIME_KERNEL_CONTROL_H
#define RUNTIME_KERNEL_CONTROL_H

enum kernel_fault {
    KERNEL_FAULT_NONE = 0,
    KERNEL_FAULT_HANDOFF = 1, // a wait ran out of time
    KERNEL_FAULT_ROLES = 2,   // the workgroups do not fit the table of roles
};

struct kernel_control {
    unsigned claimed;            // workgroups that have a role
    unsigned claimed_of_xcd[32]; // the same by XCD
    unsigned fault;              // enum kernel_fault; the first fault wins
    unsigned fault_cu;           // role that waited; for ROLES the XCD
    unsigned fault_step;         // step of the schedule; for ROLES the workgroups it expected
    unsigned fault_slot;         // pair in the mailbox arena; for ROLES the workgroups it saw
    unsigned fault_epoch;        // epoch that was awaited
    unsigned fault_seen;         // epoch that was there
    unsigned fault_position;     // token position
    unsigned tokens;             // generated tokens, written at the end
    unsigned ended;              // 1 once CU 0 has left the decode loop
};

#endif
