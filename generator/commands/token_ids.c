#include "generator/commands/token_ids.h"

#include "generator/base/arena.h"
#include "generator/commands/input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// As many as the longest text can have, and more.
#define MAX_IDS ((size_t)1 << 27)

bool token_ids_write(const uint32_t *ids, size_t count, bool json,
                     struct diagnostics *diagnostics) {
    bool good = !json || putchar('[') != EOF;
    for (size_t i = 0; good && i < count; i++)
        good = printf("%s%" PRIu32, i == 0 ? "" : json ? ", " : " ", ids[i]) > 0;
    good = good && fputs(json ? "]\n" : "\n", stdout) != EOF && fflush(stdout) == 0;
    return good ||
           environment_error(diagnostics, "cannot write to standard output: %s", strerror(errno));
}

// ---- reading ------------------------------------------------------------------------------------

// What has been read so far.
enum place { AT_START, IN_ID, AFTER_ID, AFTER_COMMA, AFTER_ARRAY };

struct reading {
    const struct tokenizer *tokenizer;
    struct token_list *ids;
    enum place place;
    bool is_array; // a '[' came first
    uint64_t id;   // IN_ID: its value so far; past UINT32_MAX it stays there
    size_t id_at;  // where it begins
    size_t offset; // of the byte that is looked at
    struct diagnostics *diagnostics;
};

static bool refuse(const struct reading *reading, const char *what, size_t at, const char *why) {
    return diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                          "standard input: %s at byte %zu %s", what, at, why);
}

static bool refuse_id(const struct reading *reading) {
    char what[32], why[64];
    snprintf(what, sizeof what, reading->id > UINT32_MAX ? "a number" : "%" PRIu64, reading->id);
    snprintf(why, sizeof why, "is the id of no token; the largest is %" PRIu32,
             tokenizer_token_count(reading->tokenizer) - 1);
    return refuse(reading, what, reading->id_at, why);
}

static bool refuse_byte(const struct reading *reading, unsigned char byte) {
    char what[16];
    snprintf(what, sizeof what, byte > 0x20 && byte < 0x7f ? "'%c'" : "0x%02x", byte);
    refuse(reading, what, reading->offset, "is out of place");
    return diagnostic_note(reading->diagnostics, "token ids are whole numbers, with blanks or a "
                                                 "comma between, or a JSON array of them");
}

static bool add_id(struct reading *reading) {
    struct token_list *ids = reading->ids;
    if (reading->id > UINT32_MAX || !tokenizer_has_token(reading->tokenizer, (uint32_t)reading->id))
        return refuse_id(reading);
    if (ids->count == MAX_IDS)
        return diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                              "standard input has more than %zu ids", MAX_IDS);
    if (ids->count == ids->capacity) {
        const size_t capacity = ids->capacity ? 2 * ids->capacity : 1024;
        uint32_t *grown = realloc(ids->ids, capacity * sizeof *grown);
        if (!grown)
            memory_exhausted(capacity * sizeof *grown);
        ids->ids = grown;
        ids->capacity = capacity;
    }
    ids->ids[ids->count++] = (uint32_t)reading->id;
    return true;
}

static bool take_byte(struct reading *reading, unsigned char byte) {
    const enum place before = reading->place;
    if (byte >= '0' && byte <= '9' && before != AFTER_ARRAY) {
        if (before != IN_ID)
            reading->id_at = reading->offset;
        reading->id = (before == IN_ID ? reading->id * 10 : 0) + (uint64_t)(byte - '0');
        if (reading->id > UINT32_MAX)
            reading->id = (uint64_t)UINT32_MAX + 1;
        reading->place = IN_ID;
        return true;
    }
    if (before == IN_ID) {
        if (!add_id(reading))
            return false;
        reading->place = AFTER_ID;
    }
    switch (byte) {
    case ' ':
    case '\t':
    case '\n':
    case '\v':
    case '\f':
    case '\r':
        return true;
    case ',':
        if (reading->place != AFTER_ID)
            return refuse_byte(reading, byte);
        reading->place = AFTER_COMMA;
        return true;
    case '[':
        if (reading->place != AT_START || reading->is_array)
            return refuse_byte(reading, byte);
        reading->is_array = true;
        return true;
    case ']':
        if (!reading->is_array || (reading->place != AFTER_ID && reading->place != AT_START))
            return refuse_byte(reading, byte);
        reading->place = AFTER_ARRAY;
        return true;
    default:
        return refuse_byte(reading, byte);
    }
}

static bool take(void *context, const char *bytes, size_t count, struct diagnostics *diagnostics) {
    (void)diagnostics;
    struct reading *reading = context;
    for (size_t i = 0; i < count; i++, reading->offset++)
        if (!take_byte(reading, (unsigned char)bytes[i]))
            return false;
    return true;
}

static bool take_end(struct reading *reading) {
    if (reading->place == IN_ID && !add_id(reading))
        return false;
    const char *missing = reading->place == AFTER_COMMA ? "an id after the last comma"
                          : reading->is_array && reading->place != AFTER_ARRAY
                              ? "the ']' that ends the array"
                              : NULL;
    return !missing || diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                                      "standard input ends without %s", missing);
}

bool token_ids_read(const struct tokenizer *tokenizer, struct token_list *ids,
                    struct diagnostics *diagnostics) {
    struct reading reading = {.tokenizer = tokenizer, .ids = ids, .diagnostics = diagnostics};
    return input_read(take, &reading, diagnostics) && take_end(&reading);
}
