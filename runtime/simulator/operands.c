// Operands as LLVM's AMDGPU disassembler writes them (LLVM AMDGPUOperandSyntax).
#include "runtime/simulator/decode_parts.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_CHARACTERS = 48, REGISTERS_MOST = 256 };

static const struct {
    const char *name;
    uint8_t kind, words;
    uint16_t first;
} named[] = {
    {"vcc", OPERAND_SCALAR, 2, SCALAR_VCC},
    {"vcc_lo", OPERAND_SCALAR, 1, SCALAR_VCC},
    {"vcc_hi", OPERAND_SCALAR, 1, SCALAR_VCC + 1},
    {"exec", OPERAND_SCALAR, 2, SCALAR_EXEC},
    {"exec_lo", OPERAND_SCALAR, 1, SCALAR_EXEC},
    {"exec_hi", OPERAND_SCALAR, 1, SCALAR_EXEC + 1},
    {"m0", OPERAND_SCALAR, 1, SCALAR_M0},
    {"flat_scratch", OPERAND_SCALAR, 2, SCALAR_FLAT_SCRATCH},
    {"flat_scratch_lo", OPERAND_SCALAR, 1, SCALAR_FLAT_SCRATCH},
    {"flat_scratch_hi", OPERAND_SCALAR, 1, SCALAR_FLAT_SCRATCH + 1},
    {"xnack_mask", OPERAND_SCALAR, 2, SCALAR_XNACK_MASK},
    {"xnack_mask_lo", OPERAND_SCALAR, 1, SCALAR_XNACK_MASK},
    {"xnack_mask_hi", OPERAND_SCALAR, 1, SCALAR_XNACK_MASK + 1},
    {"src_scc", OPERAND_SCC, 1, 0},
    {"scc", OPERAND_SCC, 1, 0},
    {"src_vccz", OPERAND_VCCZ, 1, 0},
    {"vccz", OPERAND_VCCZ, 1, 0},
    {"src_execz", OPERAND_EXECZ, 1, 0},
    {"execz", OPERAND_EXECZ, 1, 0},
    {"off", OPERAND_OFF, 0, 0},
};

// ---- pieces -------------------------------------------------------------------------------------

bool piece_is(struct piece piece, const char *word) {
    return strlen(word) == piece.length && memcmp(piece.at, word, piece.length) == 0;
}

bool piece_take(struct piece *piece, const char *word) {
    const size_t length = strlen(word);
    if (piece->length < length || memcmp(piece->at, word, length) != 0)
        return false;
    piece->at += length;
    piece->length -= length;
    return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

struct piece piece_trim(struct piece piece) {
    while (piece.length > 0 && is_blank(piece.at[0])) {
        piece.at++;
        piece.length--;
    }
    while (piece.length > 0 && is_blank(piece.at[piece.length - 1]))
        piece.length--;
    return piece;
}

// Its text with a zero behind it. False where it is too long for a number.
static bool copy_number(struct piece piece, char text[NUMBER_CHARACTERS]) {
    if (piece.length == 0 || piece.length >= NUMBER_CHARACTERS || is_blank(piece.at[0]))
        return false;
    memcpy(text, piece.at, piece.length);
    text[piece.length] = '\0';
    return true;
}

bool piece_integer(struct piece piece, int64_t *integer) {
    char text[NUMBER_CHARACTERS], *end;
    if (!copy_number(piece, text))
        return false;
    const char *digits = text + (text[0] == '-');
    const bool is_hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (digits[0] < '0' || digits[0] > '9' || piece.length > 19)
        return false;
    const uint64_t value = strtoull(digits, &end, is_hexadecimal ? 16 : 10);
    if (*end || value > INT64_MAX)
        return false;
    *integer = digits == text ? (int64_t)value : -(int64_t)value;
    return true;
}

// ---- registers ----------------------------------------------------------------------------------

// "12" or "[4:7]" behind the letters of a register.
static bool parse_range(struct piece text, uint32_t *first, uint32_t *words) {
    int64_t low, high;
    if (!piece_take(&text, "[")) {
        *words = 1;
        if (!piece_integer(text, &low) || low < 0 || low >= REGISTERS_MOST)
            return false;
        *first = (uint32_t)low;
        return true;
    }
    const char *colon = memchr(text.at, ':', text.length);
    if (text.length < 2 || text.at[text.length - 1] != ']')
        return false;
    const size_t inner = text.length - 1;
    const size_t low_length = colon ? (size_t)(colon - text.at) : inner;
    if (!piece_integer((struct piece){text.at, low_length}, &low))
        return false;
    high = low;
    if (colon && !piece_integer((struct piece){colon + 1, inner - low_length - 1}, &high))
        return false;
    if (low < 0 || high < low || high >= REGISTERS_MOST)
        return false;
    *first = (uint32_t)low;
    *words = (uint32_t)(high - low + 1);
    return true;
}

static bool parse_register(struct piece text, uint32_t accumulation_first,
                           struct operand *operand) {
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (piece_is(text, named[i].name)) {
            operand->kind = named[i].kind;
            operand->words = named[i].words;
            operand->first = named[i].first;
            return true;
        }
    uint32_t base = 0, first, words;
    if (piece_take(&text, "ttmp")) {
        operand->kind = OPERAND_SCALAR;
        base = SCALAR_TTMP0;
    } else if (piece_take(&text, "s")) {
        operand->kind = OPERAND_SCALAR;
    } else if (piece_take(&text, "v")) {
        operand->kind = OPERAND_VECTOR;
    } else if (piece_take(&text, "a")) {
        operand->kind = OPERAND_VECTOR;
        base = accumulation_first;
    } else {
        return false;
    }
    if (!parse_range(text, &first, &words) || words > 32)
        return false;
    operand->first = (uint16_t)(base + first);
    operand->words = (uint8_t)words;
    return true;
}

// ---- constants ----------------------------------------------------------------------------------

static uint64_t bits_of_double(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Of the few numbers that stand as inline constants, all exact but 1 / (2 pi).
static uint16_t bits_of_half(float value) {
    const uint32_t bits = bits_of_float(value);
    if ((bits & 0x7FFFFFFF) == 0)
        return (uint16_t)(bits >> 16);
    if ((bits & 0x7FFFFFFF) == 0x3E22F983) // 1 / (2 pi)
        return (uint16_t)(bits >> 16 & 0x8000) | 0x3118;
    const int32_t exponent = (int32_t)(bits >> 23 & 0xFF) - 127 + 15;
    return (uint16_t)((bits >> 16 & 0x8000) | (uint32_t)exponent << 10 | (bits >> 13 & 0x3FF));
}

static bool parse_float(struct piece text, char letter, uint64_t *bits) {
    char copy[NUMBER_CHARACTERS], *end;
    if (!copy_number(text, copy) || !strpbrk(copy, ".e"))
        return false;
    const double value = strtod(copy, &end);
    if (*end)
        return false;
    *bits = letter == 'h'                    ? bits_of_half((float)value)
            : letter == 'd' || letter == 'l' ? bits_of_double(value)
                                             : bits_of_float((float)value);
    return true;
}

// A literal of an f64 operand is its high half; an inline integer is the number itself.
static bool parse_constant(struct piece text, char letter, struct operand *operand) {
    int64_t integer;
    operand->kind = OPERAND_CONSTANT;
    operand->words = letter == 'd' || letter == 'l' || letter == 'c' || letter == 'p' ? 2 : 1;
    if (!piece_integer(text, &integer))
        return parse_float(text, letter, &operand->bits);
    if (integer < INT32_MIN || integer > UINT32_MAX)
        return false;
    const bool is_inline = integer >= -16 && integer <= 64;
    operand->bits = letter == 'd' && !is_inline ? (uint64_t)integer << 32 : (uint64_t)integer;
    if (operand->words == 1 || letter == 'p')
        operand->bits = (uint32_t)operand->bits;
    return true;
}

// ---- operands -----------------------------------------------------------------------------------

static unsigned words_of(char letter) {
    switch (letter) {
    case 'i':
    case 'f':
    case 'h':
        return 1;
    case 'l':
    case 'd':
    case 'p':
    case 'c':
        return 2;
    case '3':
        return 3;
    case 'q':
        return 4;
    case 'o':
        return 8;
    case 's':
        return 16;
    case 'z':
        return 32;
    default:
        return 0; // any number
    }
}

// Takes "neg(" and so on off, with its closing parenthesis.
static bool take_call(struct piece *text, const char *name) {
    struct piece inner = *text;
    if (!piece_take(&inner, name) || inner.length == 0 || inner.at[inner.length - 1] != ')')
        return false;
    inner.length--;
    *text = inner;
    return true;
}

static bool is_digit(const struct piece *text, size_t at) {
    return text->length > at && text->at[at] >= '0' && text->at[at] <= '9';
}

static void take_signs(struct piece *text, struct operand *operand) {
    if (take_call(text, "neg(") ||
        (text->length > 0 && text->at[0] == '-' && !is_digit(text, 1) && piece_take(text, "-")))
        operand->negate = true;
    if (take_call(text, "abs("))
        operand->absolute = true;
    if (text->length > 2 && text->at[0] == '|' && text->at[text->length - 1] == '|') {
        operand->absolute = true;
        text->at++;
        text->length -= 2;
    }
    if (take_call(text, "sext("))
        operand->sign_extend = true;
}

bool operand_parse(struct piece text, char letter, uint32_t accumulation_first,
                   struct operand *operand) {
    *operand = (struct operand){.kind = OPERAND_ABSENT};
    take_signs(&text, operand);
    if (parse_register(text, accumulation_first, operand)) {
        const unsigned wanted = words_of(letter);
        const bool is_register = operand->kind == OPERAND_SCALAR || operand->kind == OPERAND_VECTOR;
        return operand->kind == OPERAND_OFF
                   ? letter == 'a'
                   : wanted == 0 || !is_register || operand->words == wanted;
    }
    return parse_constant(text, letter, operand);
}
