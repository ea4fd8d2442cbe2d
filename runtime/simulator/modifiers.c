// What stands behind the operands (LLVM AMDGPUModifierSyntax).
#include "runtime/simulator/decode_parts.h"

#include <string.h>

// "NAME:INTEGER" within bounds.
static bool take_value(struct piece text, const char *name, int64_t least, int64_t most,
                       int64_t *value) {
    return piece_take(&text, name) && piece_take(&text, ":") && piece_integer(text, value) &&
           *value >= least && *value <= most;
}

// "NAME:[1,0,1]": item i is below `bound`, and goes to bits i * width and on.
static bool take_list(struct piece text, const char *name, int64_t bound, unsigned width,
                      uint8_t *bits) {
    enum { ITEMS_MOST = 4 };
    if (!piece_take(&text, name) || !piece_take(&text, ":[") || text.length == 0 ||
        text.at[text.length - 1] != ']')
        return false;
    text.length--;
    unsigned packed = 0;
    for (unsigned i = 0; i < ITEMS_MOST; i++) {
        const char *comma = memchr(text.at, ',', text.length);
        const size_t length = comma ? (size_t)(comma - text.at) : text.length;
        int64_t item;
        if (!piece_integer(piece_trim((struct piece){text.at, length}), &item) || item < 0 ||
            item >= bound)
            return false;
        packed |= (unsigned)item << i * width;
        if (!comma) {
            *bits = (uint8_t)packed;
            return true;
        }
        text.at += length + 1;
        text.length -= length + 1;
    }
    return false;
}

// ---- DPP ----------------------------------------------------------------------------------------

static bool parse_dpp(struct piece text, struct instruction *instruction) {
    static const struct {
        const char *name;
        uint8_t dpp;
        int64_t least, most; // of what stands behind its colon; most 0: nothing does
    } rows[] = {{"row_shl", DPP_ROW_SHL, 1, 15},
                {"row_shr", DPP_ROW_SHR, 1, 15},
                {"row_ror", DPP_ROW_ROR, 1, 15},
                {"wave_shl", DPP_WAVE_SHL, 1, 1},
                {"wave_rol", DPP_WAVE_ROL, 1, 1},
                {"wave_shr", DPP_WAVE_SHR, 1, 1},
                {"wave_ror", DPP_WAVE_ROR, 1, 1},
                {"row_mirror", DPP_ROW_MIRROR, 0, 0},
                {"row_half_mirror", DPP_ROW_HALF_MIRROR, 0, 0},
                {"row_bcast", DPP_ROW_BCAST_15, 15, 15},
                {"row_bcast", DPP_ROW_BCAST_31, 31, 31},
                {"row_newbcast", DPP_ROW_NEWBCAST, 0, 15}};
    int64_t value = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].most ? !take_value(text, rows[i].name, rows[i].least, rows[i].most, &value)
                         : !piece_is(text, rows[i].name))
            continue;
        instruction->dpp = rows[i].dpp;
        instruction->dpp_argument = (uint8_t)value;
        return true;
    }
    if (take_list(text, "quad_perm", 4, 2, &instruction->dpp_argument)) {
        instruction->dpp = DPP_QUAD_PERM;
        return true;
    }
    if (take_value(text, "row_mask", 0, 15, &value)) {
        instruction->row_mask = (uint8_t)value;
        return true;
    }
    if (take_value(text, "bank_mask", 0, 15, &value)) {
        instruction->bank_mask = (uint8_t)value;
        return true;
    }
    // Older disassemblers write 0 for the bit that newer ones write as 1.
    if (!take_value(text, "bound_ctrl", 0, 1, &value))
        return false;
    instruction->bound_ctrl = true;
    return true;
}

// ---- SDWA ---------------------------------------------------------------------------------------

static bool take_name(struct piece text, const char *modifier, const char *const names[],
                      size_t count, uint8_t *value) {
    if (!piece_take(&text, modifier) || !piece_take(&text, ":"))
        return false;
    for (size_t i = 0; i < count; i++)
        if (piece_is(text, names[i])) {
            *value = (uint8_t)i;
            return true;
        }
    return false;
}

static bool parse_sdwa(struct piece text, struct instruction *instruction) {
    static const char *const parts[] = {
        [PART_DWORD] = "DWORD",   [PART_BYTE_0] = "BYTE_0", [PART_BYTE_1] = "BYTE_1",
        [PART_BYTE_2] = "BYTE_2", [PART_BYTE_3] = "BYTE_3", [PART_WORD_0] = "WORD_0",
        [PART_WORD_1] = "WORD_1"};
    static const char *const rests[] = {[REST_PAD] = "UNUSED_PAD",
                                        [REST_SIGN_EXTEND] = "UNUSED_SEXT",
                                        [REST_PRESERVE] = "UNUSED_PRESERVE"};
    const size_t part_count = sizeof parts / sizeof *parts;
    return take_name(text, "dst_sel", parts, part_count, &instruction->destination_part) ||
           take_name(text, "src0_sel", parts, part_count, &instruction->sources[0].part) ||
           take_name(text, "src1_sel", parts, part_count, &instruction->sources[1].part) ||
           take_name(text, "dst_unused", rests, sizeof rests / sizeof *rests,
                     &instruction->destination_rest);
}

// ---- the others ---------------------------------------------------------------------------------

static bool parse_cache(struct piece text, struct instruction *instruction) {
    const unsigned bit = piece_is(text, "sc0")   ? CACHE_SC0
                         : piece_is(text, "sc1") ? CACHE_SC1
                         : piece_is(text, "nt")  ? CACHE_NT
                                                 : 0;
    instruction->cache |= (uint8_t)bit;
    return bit != 0;
}

// A swizzle of lanes is read from the encoding, which has it as a number whatever the text says.
static bool parse_offset(struct piece text, struct instruction *instruction) {
    int64_t value;
    struct piece swizzle = text;
    if (piece_take(&swizzle, "offset:swizzle(")) {
        instruction->offset = (int32_t)instruction->immediate;
        return true;
    }
    if (take_value(text, "offset", -0x200000, 0x1FFFFF, &value) ||
        take_value(text, "offset0", 0, 255, &value)) {
        instruction->offset = (int32_t)value;
        return true;
    }
    if (!take_value(text, "offset1", 0, 255, &value))
        return false;
    instruction->offset1 = (int32_t)value;
    return true;
}

static bool parse_arithmetic(struct piece text, struct instruction *instruction) {
    int64_t value;
    if (piece_is(text, "clamp"))
        instruction->clamp = true;
    else if (piece_is(text, "mul:2") || piece_is(text, "mul:4"))
        instruction->output_multiplier_log2 = text.at[4] == '2' ? 1 : 2;
    else if (piece_is(text, "div:2"))
        instruction->output_multiplier_log2 = 7;
    else if (take_value(text, "cbsz", 0, 7, &value))
        instruction->immediate |= (uint32_t)value;
    else if (take_value(text, "abid", 0, 15, &value))
        instruction->immediate |= (uint32_t)value << 4;
    else if (take_value(text, "blgp", 0, 7, &value))
        instruction->immediate |= (uint32_t)value << 8;
    else
        return take_list(text, "op_sel", 2, 1, &instruction->op_sel) ||
               take_list(text, "op_sel_hi", 2, 1, &instruction->op_sel_hi) ||
               take_list(text, "neg_lo", 2, 1, &instruction->neg_lo) ||
               take_list(text, "neg_hi", 2, 1, &instruction->neg_hi);
    return true;
}

bool modifier_parse(struct piece text, struct instruction *instruction) {
    return parse_cache(text, instruction) || parse_offset(text, instruction) ||
           parse_arithmetic(text, instruction) || parse_dpp(text, instruction) ||
           parse_sdwa(text, instruction);
}
