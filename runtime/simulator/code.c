#include "runtime/simulator/code.h"

#include "runtime/simulator/decode_parts.h"
#include "runtime/simulator/instruction_tables.h"
#include "runtime/simulator/wave.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { OPERANDS_MOST = 6 };

// ---- the tables by name -------------------------------------------------------------------------

enum { KINDS_MOST = 4096 };
static const struct instruction_kind *kinds[KINDS_MOST]; // sorted
static size_t kind_count;
static pthread_once_t kinds_sorted = PTHREAD_ONCE_INIT;

static int compare_kinds(const void *a, const void *b) {
    const struct instruction_kind *const *first = a, *const *second = b;
    return strcmp((*first)->name, (*second)->name);
}

static void add_kinds(const struct instruction_kind *table, size_t count) {
    for (size_t i = 0; i < count && kind_count < KINDS_MOST; i++)
        kinds[kind_count++] = &table[i];
}

static void sort_kinds(void) {
    add_kinds(scalar_instructions, scalar_instruction_count);
    add_kinds(vector_instructions, vector_instruction_count);
    add_kinds(memory_instructions, memory_instruction_count);
    qsort(kinds, kind_count, sizeof *kinds, compare_kinds);
}

static int compare_name(const void *key, const void *item) {
    const struct piece *name = key;
    const struct instruction_kind *const *kind = item;
    const size_t length = strlen((*kind)->name);
    const int order =
        memcmp(name->at, (*kind)->name, name->length < length ? name->length : length);
    return order ? order : (name->length > length) - (name->length < length);
}

const struct instruction_kind *instruction_kind_find(const char *name, size_t length) {
    pthread_once(&kinds_sorted, sort_kinds);
    const struct piece key = {name, length};
    const struct instruction_kind **found =
        bsearch(&key, kinds, kind_count, sizeof *kinds, compare_name);
    return found ? *found : NULL;
}

// ---- instructions that cannot be executed -------------------------------------------------------

static void fail_unknown(struct wave *wave, const struct instruction *instruction) {
    wave_fail(wave, instruction, "the simulator does not know this instruction");
}

static void fail_form(struct wave *wave, const struct instruction *instruction) {
    wave_fail(wave, instruction, "the simulator does not know this form of the instruction");
}

static void fail_target(struct wave *wave, const struct instruction *instruction) {
    wave_fail(wave, instruction, "branches to where no instruction begins");
}

static const struct instruction_kind unknown_kind = {"unknown", "", fail_unknown, CLASS_WAIT, 0};

// ---- one line -----------------------------------------------------------------------------------

struct decoding {
    struct code *code;
    const char *name;
    uint32_t accumulation_first;
    uint32_t line;
    struct monogen_error *error;
};

static bool fail(const struct decoding *decoding, const char *what) {
    return monogen_fail(decoding->error, MONOGEN_BAD_INPUT, "%s:%" PRIu32 ": error: %s",
                        decoding->name, decoding->line, what);
}

static bool is_hexadecimal(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static struct piece take_hexadecimal(struct piece *text) {
    struct piece digits = {text->at, 0};
    while (text->length > 0 && is_hexadecimal(*text->at)) {
        text->at++;
        text->length--;
        digits.length++;
    }
    return digits;
}

static uint64_t value_of(struct piece digits) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits.length && i < 16; i++) {
        const char c = digits.at[i];
        const unsigned digit = c <= '9' ? (unsigned)(c - '0') : ((unsigned)c | 32u) - 'a' + 10u;
        value = value << 4 | digit;
    }
    return value;
}

// "000000004604: C0060201 00000000", perhaps with a label behind it. *word: the first of them.
static bool parse_encoding(struct piece text, struct instruction *instruction, uint32_t *word) {
    const struct piece address = take_hexadecimal(&text);
    if (address.length < 4 || address.length > 16 || !piece_take(&text, ":"))
        return false;
    instruction->address = value_of(address);
    unsigned words = 0;
    for (;;) {
        text = piece_trim(text);
        const struct piece digits = take_hexadecimal(&text);
        if (digits.length != 8 || words == 3)
            break;
        *word = words == 0 ? (uint32_t)value_of(digits) : *word;
        words++;
    }
    instruction->size = words * 4;
    return words > 0;
}

// Where the next comma or, if `blank_too`, blank is outside of all brackets.
static size_t piece_end(struct piece text, bool blank_too) {
    int depth = 0;
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.at[i];
        depth += (c == '(' || c == '[') - (c == ')' || c == ']');
        if (depth == 0 && (c == ',' || (blank_too && c == ' ')))
            return i;
    }
    return text.length;
}

// Cuts operands at commas. Behind the last one modifiers follow, parted by blanks.
static size_t split_operands(struct piece *text, struct piece operands[OPERANDS_MOST]) {
    size_t count = 0;
    while (count < OPERANDS_MOST) {
        *text = piece_trim(*text);
        if (text->length == 0)
            break;
        const size_t to_comma = piece_end(*text, false), to_blank = piece_end(*text, true);
        operands[count++] = piece_trim((struct piece){text->at, to_blank});
        const bool more = to_comma < text->length && to_blank == to_comma;
        const size_t taken = more ? to_comma + 1 : to_blank;
        text->at += taken;
        text->length -= taken;
        if (!more)
            break;
    }
    return count;
}

// Gives the operands to destinations and sources as the row's letters say. False where one does not
// fit its letter.
static bool place_operands(const struct decoding *decoding, struct instruction *instruction,
                           const struct piece *operands, size_t count) {
    size_t at = 0, destinations = 0, sources = 0, letters = 0;
    const struct operand *both = NULL;
    for (const char *letter = instruction->kind->operands; *letter; letter++)
        letters += *letter != ' ' && *letter != '=' && *letter != '+' && *letter != '?';
    bool optional = false, destination = false, also_source = false;
    for (const char *letter = instruction->kind->operands; *letter; letter++) {
        if (*letter == ' ' || *letter == '=' || *letter == '+' || *letter == '?') {
            optional |= *letter == '?';
            destination |= *letter == '=' || *letter == '+';
            also_source |= *letter == '+';
            continue;
        }
        const bool left_out = optional && count + 1 == letters;
        struct operand operand;
        if (left_out) {
            operand = (struct operand){.kind = OPERAND_ABSENT};
        } else if (at == count) {
            return false;
        } else if (*letter == 'n' || *letter == 'w') {
            int64_t number = instruction->immediate;
            if (!piece_integer(operands[at++], &number) && *letter == 'n')
                return false;
            instruction->immediate = (uint32_t)number;
            optional = destination = also_source = false;
            continue;
        } else if (!operand_parse(operands[at++], *letter, decoding->accumulation_first,
                                  &operand)) {
            return false;
        }
        if (destination ? destinations == DESTINATIONS_MAX : sources == SOURCES_MAX)
            return false;
        if (destination)
            instruction->destinations[destinations++] = operand;
        else
            instruction->sources[sources++] = operand;
        if (also_source)
            both = &instruction->destinations[destinations - 1];
        optional = destination = also_source = false;
    }
    if (both && sources < SOURCES_MAX)
        instruction->sources[sources] = *both;
    return at == count;
}

// Takes _e32, _e64, _dpp or _sdwa off a mnemonic.
static void take_encoding(struct piece *name, struct instruction *instruction) {
    static const char *const encodings[] = {"_e32", "_e64", "_dpp", "_sdwa"};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        const size_t length = strlen(encodings[i]);
        if (name->length <= length ||
            memcmp(name->at + name->length - length, encodings[i], length) != 0)
            continue;
        name->length -= length;
        instruction->is_sdwa = i == 3;
        if (i == 2) {
            instruction->row_mask = instruction->bank_mask = 15;
            instruction->dpp = DPP_QUAD_PERM; // 0,1,2,3 until a modifier says otherwise
            instruction->dpp_argument = 0xE4;
        }
        return;
    }
}

// Which halves packed operands take where nothing is said.
static uint8_t default_op_sel_hi(struct piece name) {
    return memmem(name.at, name.length, "_mix", 4) ? 0 : 7;
}

static void decode_text(const struct decoding *decoding, struct piece text, uint32_t word,
                        struct instruction *instruction) {
    struct piece name = {text.at, piece_end(text, true)};
    const size_t named = name.length;
    take_encoding(&name, instruction);
    const struct instruction_kind *kind = instruction_kind_find(name.at, name.length);
    instruction->kind = kind ? kind : &unknown_kind;
    instruction->execute = instruction->kind->execute;
    if (!kind)
        return;
    instruction->op_sel_hi = default_op_sel_hi(name);
    text = piece_trim((struct piece){text.at + named, text.length - named});
    // Some operands are read from the encoding, which is the same whatever the text looks like.
    if (strchr(kind->operands, 't') || strchr(kind->operands, 'w') ||
        strcmp(kind->name, "ds_swizzle_b32") == 0)
        instruction->immediate = word & 0xFFFF;
    if (strchr(kind->operands, 't') || strcmp(kind->operands, "w") == 0)
        return;
    struct piece operands[OPERANDS_MOST];
    const size_t count = kind->operands[0] ? split_operands(&text, operands) : 0;
    bool good = place_operands(decoding, instruction, operands, count);
    while (good && (text = piece_trim(text)).length > 0) {
        const size_t length = piece_end(text, true);
        good = modifier_parse((struct piece){text.at, length}, instruction);
        text.at += length;
        text.length -= length;
    }
    if (!good)
        instruction->execute = fail_form;
}

// A line without an encoding is a label, a heading or empty.
static bool decode_line(struct decoding *decoding, struct piece line,
                        struct instruction *instruction, bool *found) {
    const char *comment = memmem(line.at, line.length, "//", 2);
    *found = false;
    if (!comment)
        return true;
    const struct piece text = piece_trim((struct piece){line.at, (size_t)(comment - line.at)});
    const size_t behind = (size_t)(line.at + line.length - comment) - 2;
    uint32_t word = 0;
    *instruction = (struct instruction){.line = decoding->line};
    if (text.length == 0 ||
        !parse_encoding(piece_trim((struct piece){comment + 2, behind}), instruction, &word))
        return true;
    const struct code *code = decoding->code;
    if (code->count && instruction->address < code->instructions[code->count - 1].address +
                                                  code->instructions[code->count - 1].size)
        return fail(decoding, "its address is not behind the one before");
    decode_text(decoding, text, word, instruction);
    *found = true;
    return true;
}

// ---- all of it ----------------------------------------------------------------------------------

// The signed 16-bit number of words behind the instruction.
static void resolve_target(const struct code *code, struct instruction *instruction) {
    if (!strchr(instruction->kind->operands, 't'))
        return;
    const int64_t words = (int16_t)(uint16_t)instruction->immediate;
    const uint64_t address = instruction->address + 4 + (uint64_t)(words * 4);
    const size_t target = code_find(code, address);
    instruction->target = (uint32_t)target;
    if (target == code->count)
        instruction->execute = fail_target;
}

static bool decode_lines(struct decoding *decoding) {
    struct code *code = decoding->code;
    struct piece rest = {code->listing, code->listing_bytes};
    while (rest.length > 0) {
        const char *end = memchr(rest.at, '\n', rest.length);
        const size_t length = end ? (size_t)(end - rest.at) : rest.length;
        bool found;
        decoding->line++;
        if (!decode_line(decoding, (struct piece){rest.at, length},
                         &code->instructions[code->count], &found))
            return false;
        code->count += found;
        rest.at += length + (end != NULL);
        rest.length -= length + (end != NULL);
    }
    return code->count > 0 || fail(decoding, "there is no instruction in it");
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t lines = 1;
    for (const char *at = text; (at = memchr(at, '\n', bytes - (size_t)(at - text))); at++)
        lines++;
    return lines;
}

bool code_decode(struct code *code, const char *name, const char *listing, size_t bytes,
                 uint32_t accumulation_first, struct monogen_error *error) {
    *code = (struct code){.listing = malloc(bytes + 1), .listing_bytes = bytes};
    if (code->listing && bytes)
        memcpy(code->listing, listing, bytes);
    const size_t lines = code->listing ? count_lines(code->listing, bytes) : 0;
    code->instructions = calloc(lines + 1, sizeof *code->instructions);
    struct decoding decoding = {code, name, accumulation_first, 0, error};
    const bool decoded = code->listing && code->instructions
                             ? lines < UINT32_MAX && decode_lines(&decoding)
                             : monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (!decoded) {
        code_close(code);
        return false;
    }
    for (size_t i = 0; i < code->count; i++)
        resolve_target(code, &code->instructions[i]);
    return true;
}

void code_close(struct code *code) {
    free(code->instructions);
    free(code->listing);
    *code = (struct code){0};
}

size_t code_find(const struct code *code, uint64_t address) {
    size_t low = 0, high = code->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (code->instructions[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < code->count && code->instructions[low].address == address ? low : code->count;
}

const char *code_text(const struct code *code, const struct instruction *instruction,
                      size_t *length) {
    struct piece rest = {code->listing, code->listing_bytes};
    for (uint32_t line = 1; line < instruction->line && rest.length > 0; line++) {
        const char *end = memchr(rest.at, '\n', rest.length);
        const size_t skipped = end ? (size_t)(end - rest.at) + 1 : rest.length;
        rest.at += skipped;
        rest.length -= skipped;
    }
    const char *end = memchr(rest.at, '\n', rest.length);
    rest.length = end ? (size_t)(end - rest.at) : rest.length;
    const char *comment = memmem(rest.at, rest.length, "//", 2);
    rest.length = comment ? (size_t)(comment - rest.at) : rest.length;
    rest = piece_trim(rest);
    *length = rest.length;
    return rest.at;
}
