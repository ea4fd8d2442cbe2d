// Reads MessagePack, the form of the metadata in code objects (msgpack.org, format family): one
// value after another, trusting nothing.
#ifndef RUNTIME_SIMULATOR_MESSAGE_PACK_H
#define RUNTIME_SIMULATOR_MESSAGE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message_pack {
    const unsigned char *at, *end;
};

// Each reads one value of its kind and moves behind it (of a map or an array: to its first item;
// items of a map are keys and values in turn). False, and nothing has moved, where the next value
// is of another kind or is cut off.
bool message_pack_map(struct message_pack *pack, uint32_t *pairs);
bool message_pack_array(struct message_pack *pack, uint32_t *items);
bool message_pack_text(struct message_pack *pack, const char **text, size_t *length);
bool message_pack_integer(struct message_pack *pack, uint64_t *integer); // not below 0

// Moves behind one value of any kind, with all that is in it. False where it is cut off, unknown or
// nested too deeply.
bool message_pack_skip(struct message_pack *pack);

#endif
