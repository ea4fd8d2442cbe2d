#include "runtime/fault.h"

#include <stdint.h>
#include <stdio.h>

// "29 (layer 7 attention)" into text [bytes].
static void describe_step(const struct manifest *manifest, unsigned step, char *text,
                          size_t bytes) {
    for (size_t i = 0; i < manifest->step_count; i++) {
        const struct manifest_step *known = &manifest->steps[i];
        if ((unsigned)known->step != step)
            continue;
        if (known->layer >= 0)
            snprintf(text, bytes, "%u (layer %d %s)", step, known->layer, known->name);
        else
            snprintf(text, bytes, "%u (%s)", step, known->name);
        return;
    }
    snprintf(text, bytes, "%u", step);
}

// "pair 512 of mailbox qkv" into text [bytes], pairs counted within the mailbox. Mailboxes that are
// never alive together may share pairs: then all that hold the slot are named.
static void describe_slot(const struct manifest *manifest, unsigned slot, char *text,
                          size_t bytes) {
    size_t used = 0;
    for (size_t i = 0; i < manifest->mailbox_count && used < bytes; i++) {
        const struct manifest_mailbox *mailbox = &manifest->mailboxes[i];
        if (slot < mailbox->first_pair || slot - mailbox->first_pair >= mailbox->pairs)
            continue;
        int length = snprintf(text + used, bytes - used, "%spair %zu of mailbox %s",
                              used ? " or " : "", slot - mailbox->first_pair, mailbox->name);
        used += length > 0 ? (size_t)length : 0;
    }
    if (used == 0)
        snprintf(text, bytes, "pair %u of the mailboxes", slot);
}

bool fault_fail(const struct manifest *manifest, const struct kernel_control *control,
                double timeout_seconds, struct monogen_error *error) {
    char step[256], slot[256];
    switch ((enum kernel_fault)control->fault) {
    case KERNEL_FAULT_HANDOFF:
        describe_step(manifest, control->fault_step, step, sizeof step);
        describe_slot(manifest, control->fault_slot, slot, sizeof slot);
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "CU %u waited at position %u in step %s for %s (epoch %u, saw %u) for "
                            "%g s: a hand-off never came",
                            control->fault_cu, control->fault_position, step, slot,
                            control->fault_epoch, control->fault_seen, timeout_seconds);
    case KERNEL_FAULT_ROLES:
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "XCD %u got %u workgroups, the kernel has %u roles for it: the device "
                            "dealt them otherwise than %s is described",
                            control->fault_cu, control->fault_slot, control->fault_step,
                            manifest->target.name);
    case KERNEL_FAULT_NONE:
        break;
    }
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "the kernel reported fault %u, which this runtime does not know",
                        control->fault);
}
