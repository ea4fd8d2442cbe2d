// Vector instructions as comgr assembles and lists them: the names and forms of the table are those
// of gfx942, and modifiers come through the text.
#include "tests/support/assembled.h"
#include "tests/support/small_kernel.h"
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// An operand as text: vector registers but where the instruction wants scalar ones or a literal.
static void append_operand(struct text *line, const char *name, char letter, bool is_destination,
                           unsigned index) {
    const unsigned words = vector_letter_words(letter), first = 34 * index;
    const bool is_lane = strncmp(name, "v_readlane", 10) == 0 && index == 2;
    const bool is_scalar = (strncmp(name, "v_read", 6) == 0 && is_destination) || is_lane ||
                           (strncmp(name, "v_writelane", 11) == 0 && !is_destination);
    const char *const register_file =
        (strcmp(name, "v_accvgpr_read_b32") == 0 && index == 1) ||
                (strcmp(name, "v_accvgpr_write_b32") == 0 && index == 0) ||
                strcmp(name, "v_accvgpr_mov_b32") == 0
            ? "a"
            : "v";
    const bool is_literal = (strcmp(name, "v_fmaak_f32") == 0 && index == 3) ||
                            (strcmp(name, "v_fmamk_f32") == 0 && index == 2);
    if (letter == 'c')
        text_append(line, "vcc");
    else if (is_literal)
        text_append(line, "0x40490fdb");
    else if (is_scalar)
        text_append(line, "s6");
    else if (words == 1)
        text_format(line, "%s%u", register_file, first);
    else
        text_format(line, "%s[%u:%u]", register_file, first, first + words - 1);
}

static void every_row_is_an_instruction(void **state) {
    (void)state;
    need_compiler("comgr");
    struct text lines = {0};
    for (size_t k = 0; k < vector_instruction_count; k++) {
        const struct instruction_kind *kind = &vector_instructions[k];
        unsigned index = 0;
        text_append(&lines, kind->name);
        bool is_destination = false;
        for (const char *letter = kind->operands; *letter; letter++) {
            if (*letter == '=' || *letter == '+') {
                is_destination = true;
            } else if (*letter != ' ') {
                text_append(&lines, index ? ", " : " ");
                append_operand(&lines, kind->name, *letter, is_destination, index++);
                is_destination = false;
            }
        }
        text_append(&lines, "\n");
    }
    struct code code;
    assemble(&lines, VECTOR_WAVE_REGISTERS, &code);
    assert_true(code.count >= vector_instruction_count);
    for (size_t k = 0; k < vector_instruction_count; k++) {
        const struct instruction_kind *kind = &vector_instructions[k];
        if (code.instructions[k].kind != kind)
            fail_msg("%s is %s", kind->name, code.instructions[k].kind->name);
        if (code.instructions[k].execute != kind->execute)
            fail_msg("the listing of %s is not understood", kind->name);
    }
    code_close(&code);
    text_close(&lines);
}

// The text, and what lane 5 of v0 holds afterwards.
static void modifiers_come_through_the_text(void **state) {
    (void)state;
    need_compiler("comgr");
    static const struct {
        const char *line;
        uint32_t expected;
    } rows[] = {
        {"v_add_i16 v0, v1, v4 op_sel:[0,1,1]", 0x3c00abcd},
        {"v_fma_mix_f32 v0, |v5|, -v2, v1 op_sel:[0,0,1] op_sel_hi:[0,0,1]", 0},
        {"v_cvt_f32_f16_sdwa v0, v1 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:WORD_1",
         0x40000000},
        {"v_mov_b64 v[0:1], 0x12345678", 0x12345678},
        {"v_pk_mul_f16 v0, v1, v1 op_sel:[1,0] op_sel_hi:[0,1]", 0x40004000},
        {"v_pk_mul_f32 v[0:1], v[2:3], 2.0 op_sel_hi:[1,0]", 0x40800000},
        {"v_pk_add_u16 v0, v1, -1", 0x3fff3bff},
        {"v_pk_add_f16 v0, v1, 1.0 op_sel_hi:[1,0]", 0x42004000},
        {"v_pk_add_f32 v[0:1], v[2:3], v[2:3] op_sel:[1,0] op_sel_hi:[0,1] neg_lo:[0,1]",
         0x3f800000}, // 3 - 2
        {"v_add_u32_sdwa v0, sext(v4), v2 dst_sel:DWORD src0_sel:BYTE_0 src1_sel:BYTE_3",
         0xffffffc5}, // -123 + 64
        {"v_cvt_f16_f32_sdwa v0, v3 dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE src0_sel:DWORD",
         0x4200abcd},
        {"v_sub_u32 v0, s4, v2 clamp", 0},
        {"v_add_f32 v0, v3, v5 clamp", 0x3f800000},
        {"v_fma_f16 v0, v1, 0.5, v1", 0xabcd3e00},
        {"v_mul_f32_e64 v0, |v5|, -v3", 0xc0400000},
        {"v_cvt_f32_f64_e64 v0, -|v[6:7]|", 0xbf800000},
        {"v_mad_u32_u24 v0, s4, 3, v4", 0xff9a},
        {"v_bfi_b32 v0, s4, v4, v2", 0x40000005},
        {"v_fmaak_f32 v0, v2, v3, 0x3f800000", 0x40e00000},
        {"v_fmamk_f32 v0, v2, 0x40400000, v3", 0x41100000},
        {"v_dot4_i32_i8 v0, v4, v4, 1 clamp", 123 * 123 + 1 + 1},
        {"v_cvt_pk_fp8_f32 v0, v2, v3 op_sel:[0,0,1]", 0x4c48abcd},
        {"v_med3_f32 v0, v3, 0, 1.0", 0x3f800000},
        {"v_perm_b32 v0, v1, v2, s4", 0x40},
        {"v_mbcnt_lo_u32_b32 v0, -1, 0", 5},
        {"v_mov_b32_dpp v0, v8 row_shr:1 row_mask:0xf bank_mask:0xf", 4},
        {"v_mov_b32_dpp v0, v8 quad_perm:[3,2,1,0] row_mask:0xf bank_mask:0xf", 6},
        {"v_mov_b32_dpp v0, v8 row_mirror row_mask:0xf bank_mask:0xf", 10},
        {"v_mov_b32_dpp v0, v8 row_ror:6 row_mask:0xf bank_mask:0xf", 15},
        {"v_mov_b32_dpp v0, v8 row_newbcast:9 row_mask:0xf bank_mask:0xf", 9},
        {"v_mov_b32_dpp v0, v8 row_bcast:15 row_mask:0xf bank_mask:0xf", 0xabcdabcd},
        {"v_mov_b32_dpp v0, v8 row_shr:1 row_mask:0xe bank_mask:0xf", 0xabcdabcd},
        {"v_mov_b32_dpp v0, v8 row_shl:12 row_mask:0xf bank_mask:0xf bound_ctrl:0", 0},
        {"v_add_f32_dpp v0, -v3, |v5| quad_perm:[0,1,2,3] row_mask:0xf bank_mask:0xf", 0xc0000000},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct text lines = {0};
    for (size_t k = 0; k < ROWS; k++)
        text_format(&lines, "%s\n", rows[k].line);
    struct code code;
    assemble(&lines, VECTOR_WAVE_REGISTERS, &code);
    struct vector_wave wave;
    vector_wave_open(&wave);
    wave.wave.code = &code;
    wave.wave.scalars[4] = 7;
    static const uint32_t values[] = {0,          0x40003c00, 0x40000000, 0x40400000,
                                      0x0000ff85, 0xbf800000, 0,          0x3ff00000};
    for (size_t k = 0; k < ROWS; k++) {
        for (unsigned r = 1; r < 8; r++)
            vector_fill(&wave, r, values[r]);
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
            wave.vectors[8][lane] = lane;
        vector_fill(&wave, 0, 0xabcdabcd);
        vector_execute(&wave, &code.instructions[k]);
        if (wave.vectors[0][5] != rows[k].expected)
            fail_msg("%s: %#x, not %#x", rows[k].line, wave.vectors[0][5], rows[k].expected);
    }
    vector_wave_close(&wave);
    code_close(&code);
    text_close(&lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_an_instruction),
        cmocka_unit_test(modifiers_come_through_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
