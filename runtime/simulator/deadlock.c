// Tells which waves wait for what, when nothing can happen any more.
#include "runtime/simulator/chip_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WAITERS_SHOWN = 4, PLACE_BYTES = 160 };

static const char *const waits[] = {
    [WAVE_READY] = "polls",
    [WAVE_AT_BARRIER] = "is at a barrier",
    [WAVE_ASLEEP] = "polls",
    [WAVE_WAITING] = "waits for memory",
};

static void describe(const struct chip *chip, const struct wave *wave, char *text, size_t bytes) {
    const struct workgroup *workgroup = wave->workgroup;
    const struct instruction *last =
        &chip->code.instructions[wave->next ? wave->next - 1 : wave->next];
    size_t length;
    const char *code = code_text(&chip->code, last, &length);
    char place[PLACE_BYTES] = "";
    if (wave->state == WAVE_ASLEEP && wave->loaded_address) {
        const struct chip_launch *launch = &chip->launch;
        if (!launch->name ||
            !launch->name(launch->context, wave->loaded_address, place, sizeof place))
            memory_name(chip->memory, wave->loaded_address, place, sizeof place);
    }
    snprintf(text, bytes,
             "\n  note: XCD %" PRIu32 " CU %" PRIu32 ", workgroup %" PRIu32 ", wave %" PRIu32
             " %s%s%s, at 0x%" PRIx64 ": %.*s",
             workgroup->xcd, workgroup->cu, workgroup->index, wave->index, waits[wave->state],
             place[0] ? " " : "", place, last->address, (int)(length < 60 ? length : 60), code);
}

// The waves that poll come first: those at barriers wait for them.
bool deadlock_fail(const struct chip *chip, struct monogen_error *error) {
    char notes[1600] = "";
    size_t used = 0;
    unsigned shown = 0, alive = 0;
    for (int polls = 1; polls >= 0; polls--)
        for (uint32_t i = 0; i < chip->workgroup_count; i++)
            for (uint32_t j = 0; j < chip->workgroups[i].wave_count; j++) {
                const struct wave *wave = &chip->workgroups[i].waves[j];
                if (wave->state == WAVE_ENDED || (wave->state == WAVE_ASLEEP) != polls)
                    continue;
                alive++;
                if (shown == WAITERS_SHOWN)
                    continue;
                describe(chip, wave, notes + used, sizeof notes - used);
                used += strlen(notes + used);
                shown++;
            }
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "deadlock after %" PRIu64 " turns: all of the %u waves left wait, and "
                        "nothing that they read changes%s%s",
                        chip->turns, alive, notes, alive > shown ? "\n  note: and others" : "");
}
