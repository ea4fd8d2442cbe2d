// What code.c, operands.c and modifiers.c share: pieces of a line of the listing.
#ifndef RUNTIME_SIMULATOR_DECODE_PARTS_H
#define RUNTIME_SIMULATOR_DECODE_PARTS_H

#include "runtime/simulator/instruction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text that ends somewhere; need not end in a zero.
struct piece {
    const char *at;
    size_t length;
};

bool piece_is(struct piece piece, const char *word);
// If it begins with `word`, takes that off.
bool piece_take(struct piece *piece, const char *word);
struct piece piece_trim(struct piece piece);
// Decimal, or hexadecimal behind 0x; a sign may stand before it. All of the piece.
bool piece_integer(struct piece piece, int64_t *integer);

// The operand of `letter` (of struct instruction_kind) that the text is. False where it is none of
// that kind or width.
bool operand_parse(struct piece text, char letter, uint32_t accumulation_first,
                   struct operand *operand);

// Adds a modifier, "quad_perm:[1,0,3,2]" or "sc1". False where it is not known.
bool modifier_parse(struct piece text, struct instruction *instruction);

#endif
