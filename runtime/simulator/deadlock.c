// Tells which waves wait for what, when nothing can happen any more.
#include "runtime/simulator/chip_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PLACES_MOST = 64, PLACES_SHOWN = 6, PLACE_BYTES = 128, NOTE_BYTES = 320 };

// Waves that wait for the same.
struct place {
    char name[PLACE_BYTES]; // "poll pair 3 of mailbox qkv"
    const struct wave *first;
    uint32_t waves;
};

struct places {
    struct place items[PLACES_MOST];
    size_t count;
    uint32_t waves;
};

static void name_place(const struct chip *chip, const struct wave *wave, char name[PLACE_BYTES]) {
    const struct chip_launch *launch = &chip->launch;
    char address[PLACE_BYTES - 8] = "nothing that is known";
    if (wave->state != WAVE_ASLEEP) {
        snprintf(name, PLACE_BYTES, "%s",
                 wave->state == WAVE_AT_BARRIER ? "are at a barrier" : "wait for memory");
        return;
    }
    if (wave->loaded_address &&
        (!launch->name ||
         !launch->name(launch->context, wave->loaded_address, address, sizeof address)))
        memory_name(chip->memory, wave->loaded_address, address, sizeof address);
    snprintf(name, PLACE_BYTES, "poll %s", address);
}

static void add_wave(struct places *places, const struct chip *chip, const struct wave *wave) {
    char name[PLACE_BYTES];
    name_place(chip, wave, name);
    places->waves++;
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->items[i].name, name) == 0) {
            places->items[i].waves++;
            return;
        }
    if (places->count == PLACES_MOST)
        return;
    struct place *added = &places->items[places->count++];
    *added = (struct place){.first = wave, .waves = 1};
    memcpy(added->name, name, sizeof name);
}

static void describe(const struct chip *chip, const struct place *place, char *text, size_t bytes) {
    const struct wave *wave = place->first;
    const struct workgroup *workgroup = wave->workgroup;
    const struct instruction *last = &chip->code.instructions[wave->next ? wave->next - 1 : 0];
    size_t length;
    const char *code = code_text(&chip->code, last, &length);
    snprintf(text, bytes,
             "\n  note: %" PRIu32 " waves %s: XCD %" PRIu32 " CU %" PRIu32 ", workgroup %" PRIu32
             ", wave %" PRIu32 ", at 0x%" PRIx64 ": %.*s",
             place->waves, place->name, workgroup->xcd, workgroup->cu, workgroup->index,
             wave->index, last->address, (int)(length < 40 ? length : 40), code);
}

// Those that poll come first: the others of their workgroup wait for them at a barrier.
bool deadlock_fail(const struct chip *chip, struct monogen_error *error) {
    struct places places = {0};
    for (int polls = 1; polls >= 0; polls--)
        for (uint32_t i = 0; i < chip->workgroup_count; i++)
            for (uint32_t j = 0; j < chip->workgroups[i].wave_count; j++) {
                const struct wave *wave = &chip->workgroups[i].waves[j];
                if (wave->state != WAVE_ENDED && (wave->state == WAVE_ASLEEP) == polls)
                    add_wave(&places, chip, wave);
            }
    char notes[PLACES_SHOWN * NOTE_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < places.count && i < PLACES_SHOWN; i++) {
        describe(chip, &places.items[i], notes + used, NOTE_BYTES);
        used += strlen(notes + used);
    }
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "deadlock after %" PRIu64 " turns: all of the %" PRIu32
                        " waves left wait, and nothing that they read changes%s%s",
                        chip->turns, places.waves, notes,
                        places.count > PLACES_SHOWN ? "\n  note: others elsewhere" : "");
}
