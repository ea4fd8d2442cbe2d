#include "runtime/simulator/message_pack.h"

enum { DEPTH_MOST = 32 };

static size_t left(const struct message_pack *pack) { return (size_t)(pack->end - pack->at); }

// The number of [bytes] behind the first byte, high byte first.
static bool take_number(struct message_pack *pack, size_t bytes, uint64_t *number) {
    if (left(pack) < 1 + bytes)
        return false;
    *number = 0;
    for (size_t i = 1; i <= bytes; i++)
        *number = *number << 8 | pack->at[i];
    pack->at += 1 + bytes;
    return true;
}

// A count that is in the first byte's low bits, or in 16 or 32 bits behind it.
static bool take_count(struct message_pack *pack, unsigned fix, unsigned mask, unsigned wide,
                       uint32_t *count) {
    uint64_t number;
    if (left(pack) == 0)
        return false;
    const unsigned first = *pack->at;
    if ((first & ~mask) == fix) {
        *count = first & mask;
        pack->at++;
        return true;
    }
    if ((first != wide && first != wide + 1) || !take_number(pack, first == wide ? 2 : 4, &number))
        return false;
    *count = (uint32_t)number;
    return true;
}

bool message_pack_map(struct message_pack *pack, uint32_t *pairs) {
    return take_count(pack, 0x80, 0x0F, 0xDE, pairs);
}

bool message_pack_array(struct message_pack *pack, uint32_t *items) {
    return take_count(pack, 0x90, 0x0F, 0xDC, items);
}

bool message_pack_text(struct message_pack *pack, const char **text, size_t *length) {
    struct message_pack trial = *pack;
    uint64_t count;
    if (left(pack) == 0)
        return false;
    const unsigned first = *pack->at;
    if ((first & 0xE0) == 0xA0) {
        count = first & 0x1F;
        trial.at++;
    } else if (first < 0xD9 || first > 0xDB ||
               !take_number(&trial, (size_t)1 << (first - 0xD9), &count)) {
        return false;
    }
    if (count > left(&trial))
        return false;
    *text = (const char *)trial.at;
    *length = (size_t)count;
    trial.at += count;
    *pack = trial;
    return true;
}

bool message_pack_integer(struct message_pack *pack, uint64_t *integer) {
    if (left(pack) == 0)
        return false;
    const unsigned first = *pack->at;
    if (first < 0x80) {
        *integer = first;
        pack->at++;
        return true;
    }
    return first >= 0xCC && first <= 0xCF &&
           take_number(pack, (size_t)1 << (first - 0xCC), integer);
}

// Bytes of a value without items, its first one included; 0: another kind.
static size_t plain_bytes(struct message_pack *pack) {
    const unsigned first = *pack->at;
    struct message_pack trial = *pack;
    uint64_t count;
    if (first >= 0xE0 || first == 0xC0 || first == 0xC2 || first == 0xC3)
        return 1; // negative, nil, false, true
    if (first >= 0xD0 && first <= 0xD3)
        return 1 + ((size_t)1 << (first - 0xD0)); // negative numbers of 1 to 8 bytes
    if (first == 0xCA || first == 0xCB)
        return first == 0xCA ? 5 : 9; // floats
    if (first >= 0xC4 && first <= 0xC6 &&
        take_number(&trial, (size_t)1 << (first - 0xC4), &count) && count <= left(&trial))
        return (size_t)(trial.at - pack->at) + (size_t)count; // bytes
    return 0;
}

static bool skip(struct message_pack *pack, unsigned depth) {
    const char *text;
    size_t length;
    uint64_t integer;
    uint32_t count;
    if (left(pack) == 0 || depth == DEPTH_MOST)
        return false;
    if (message_pack_text(pack, &text, &length) || message_pack_integer(pack, &integer))
        return true;
    const bool is_map = message_pack_map(pack, &count);
    if (is_map || message_pack_array(pack, &count)) {
        const uint64_t items = is_map ? 2 * (uint64_t)count : count;
        for (uint64_t i = 0; i < items; i++)
            if (!skip(pack, depth + 1))
                return false;
        return true;
    }
    const size_t bytes = plain_bytes(pack);
    if (bytes == 0 || bytes > left(pack))
        return false;
    pack->at += bytes;
    return true;
}

bool message_pack_skip(struct message_pack *pack) { return skip(pack, 0); }
