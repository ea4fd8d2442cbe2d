// Scalar instructions, as comgr assembles them: results and condition bit, worked out by hand from
// the instruction set reference.
#include "runtime/simulator/instruction_tables.h"
#include "runtime/simulator/wave.h"
#include "tests/support/assembled.h"
#include "tests/support/small_kernel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUS_1 UINT64_MAX
#define LANES UINT64_C(0xF0F0)

// a is in s[4:5], b in s[6:7], the result in s[0:1], which held OLD.
#define OLD UINT64_C(0x1111111122222222)

static const struct row {
    const char *line;
    uint64_t a, b;
    bool scc;
    uint64_t result;
    bool scc_after;
} rows[] = {
    // sums: carry of unsigned ones, overflow of signed ones
    {"s_add_u32 s0, s4, s6", 0xFFFFFFFF, 1, 0, 0x1111111100000000, 1},
    {"s_add_u32 s0, s4, s6", 0x7FFFFFFF, 1, 1, 0x1111111180000000, 0},
    {"s_sub_u32 s0, s4, s6", 0, 1, 0, 0x11111111FFFFFFFF, 1},
    {"s_sub_u32 s0, s4, s6", 5, 5, 1, 0x1111111100000000, 0},
    {"s_add_i32 s0, s4, s6", 0x7FFFFFFF, 1, 0, 0x1111111180000000, 1},
    {"s_add_i32 s0, s4, s6", 0xFFFFFFFF, 1, 1, 0x1111111100000000, 0},
    {"s_add_i32 s0, s4, s6", 0x80000000, 0x80000000, 0, 0x1111111100000000, 1},
    {"s_sub_i32 s0, s4, s6", 0x80000000, 1, 0, 0x111111117FFFFFFF, 1},
    {"s_sub_i32 s0, s4, s6", 0, 0x80000000, 0, 0x1111111180000000, 1},
    {"s_sub_i32 s0, s4, s6", 3, 5, 1, 0x11111111FFFFFFFE, 0},
    {"s_addc_u32 s0, s4, s6", 0xFFFFFFFF, 0, 1, 0x1111111100000000, 1},
    {"s_addc_u32 s0, s4, s6", 0xFFFFFFFF, 0xFFFFFFFF, 1, 0x11111111FFFFFFFF, 1},
    {"s_addc_u32 s0, s4, s6", 1, 2, 0, 0x1111111100000003, 0},
    {"s_subb_u32 s0, s4, s6", 0, 0, 1, 0x11111111FFFFFFFF, 1},
    {"s_subb_u32 s0, s4, s6", 0, 0xFFFFFFFF, 1, 0x1111111100000000, 1},
    {"s_subb_u32 s0, s4, s6", 5, 3, 1, 0x1111111100000001, 0},
    {"s_absdiff_i32 s0, s4, s6", 3, 5, 0, 0x1111111100000002, 1},
    {"s_absdiff_i32 s0, s4, s6", 7, 7, 1, 0x1111111100000000, 0},
    {"s_lshl1_add_u32 s0, s4, s6", 0x80000000, 1, 0, 0x1111111100000001, 1},
    {"s_lshl2_add_u32 s0, s4, s6", 3, 1, 1, 0x111111110000000D, 0},
    {"s_lshl3_add_u32 s0, s4, s6", 3, 1, 0, 0x1111111100000019, 0},
    {"s_lshl4_add_u32 s0, s4, s6", 0x0FFFFFFF, 0x10, 0, 0x1111111100000000, 1},
    {"s_addk_i32 s0, 0x100", 0, 0, 1, 0x1111111122222322, 0},
    {"s_addk_i32 s0, 0xffff", 0, 0, 1, 0x1111111122222221, 0},
    // products leave the bit alone
    {"s_mul_i32 s0, s4, s6", 0xFFFFFFFF, 3, 1, 0x11111111FFFFFFFD, 1},
    {"s_mul_hi_u32 s0, s4, s6", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0x11111111FFFFFFFE, 0},
    {"s_mul_hi_i32 s0, s4, s6", 0xFFFFFFFF, 3, 1, 0x11111111FFFFFFFF, 1},
    {"s_mulk_i32 s0, 0xfffe", 0, 0, 0, 0x11111111BBBBBBBC, 0},
    // choices
    {"s_min_i32 s0, s4, s6", 0xFFFFFFFF, 1, 0, 0x11111111FFFFFFFF, 1},
    {"s_min_u32 s0, s4, s6", 0xFFFFFFFF, 1, 1, 0x1111111100000001, 0},
    {"s_max_i32 s0, s4, s6", 0xFFFFFFFF, 1, 1, 0x1111111100000001, 0},
    {"s_max_u32 s0, s4, s6", 0xFFFFFFFF, 1, 0, 0x11111111FFFFFFFF, 1},
    {"s_min_i32 s0, s4, s6", 4, 4, 1, 0x1111111100000004, 0},
    {"s_cselect_b32 s0, s4, s6", 10, 20, 1, 0x111111110000000A, 1},
    {"s_cselect_b32 s0, s4, s6", 10, 20, 0, 0x1111111100000014, 0},
    {"s_cselect_b64 s[0:1], -1, 0", 0, 0, 1, MINUS_1, 1},
    {"s_cselect_b64 s[0:1], -1, 0", 0, 0, 0, 0, 0},
    {"s_cmov_b32 s0, s4", 9, 0, 0, OLD, 0},
    {"s_cmov_b32 s0, s4", 9, 0, 1, 0x1111111100000009, 1},
    {"s_cmov_b64 s[0:1], s[4:5]", 0x900000008, 0, 1, 0x900000008, 1},
    {"s_cmovk_i32 s0, 0x8000", 0, 0, 1, 0x11111111FFFF8000, 1},
    {"s_cmovk_i32 s0, 0x8000", 0, 0, 0, OLD, 0},
    // bits
    {"s_and_b32 s0, s4, s6", 0xF0, 0x0F, 1, 0x1111111100000000, 0},
    {"s_and_b64 s[0:1], s[4:5], s[6:7]", 0xF00000000, 0x300000000, 0, 0x300000000, 1},
    {"s_or_b32 s0, s4, s6", 0, 0, 1, 0x1111111100000000, 0},
    {"s_or_b64 s[0:1], s[4:5], s[6:7]", 1, UINT64_C(1) << 63, 0, 0x8000000000000001, 1},
    {"s_xor_b32 s0, s4, s6", 5, 5, 1, 0x1111111100000000, 0},
    {"s_xor_b64 s[0:1], s[4:5], -1", 1, 0, 0, MINUS_1 - 1, 1},
    {"s_andn2_b32 s0, s4, s6", 0xFF, 0x0F, 0, 0x11111111000000F0, 1},
    {"s_andn2_b64 s[0:1], s[4:5], s[6:7]", MINUS_1, MINUS_1, 1, 0, 0},
    {"s_orn2_b32 s0, s4, s6", 0, 0xFFFFFFF0, 0, 0x111111110000000F, 1},
    {"s_orn2_b64 s[0:1], s[4:5], s[6:7]", 0, MINUS_1, 1, 0, 0},
    {"s_nand_b32 s0, s4, s6", 0xFFFFFFFF, 0xFFFFFFFF, 1, 0x1111111100000000, 0},
    {"s_nand_b64 s[0:1], s[4:5], s[6:7]", 0, 0, 0, MINUS_1, 1},
    {"s_nor_b32 s0, s4, s6", 0, 0, 0, 0x11111111FFFFFFFF, 1},
    {"s_nor_b64 s[0:1], s[4:5], s[6:7]", MINUS_1, 0, 1, 0, 0},
    {"s_xnor_b32 s0, s4, s6", 5, 5, 0, 0x11111111FFFFFFFF, 1},
    {"s_xnor_b64 s[0:1], s[4:5], s[6:7]", MINUS_1, 0, 1, 0, 0},
    {"s_not_b32 s0, s4", 0xFFFFFFFF, 0, 1, 0x1111111100000000, 0},
    {"s_not_b64 s[0:1], s[4:5]", 0, 0, 0, MINUS_1, 1},
    {"s_mov_b32 s0, s4", 3, 0, 1, 0x1111111100000003, 1},
    {"s_mov_b32 s0, -16", 0, 0, 0, 0x11111111FFFFFFF0, 0},
    {"s_mov_b32 s0, 0.5", 0, 0, 0, 0x111111113F000000, 0},
    {"s_mov_b64 s[0:1], s[4:5]", 0x700000003, 0, 0, 0x700000003, 0},
    {"s_mov_b64 s[0:1], -1", 0, 0, 0, MINUS_1, 0},
    {"s_movk_i32 s0, 0xff80", 0, 0, 1, 0x11111111FFFFFF80, 1},
    // shifts take the low bits of their amount
    {"s_lshl_b32 s0, s4, s6", 1, 33, 0, 0x1111111100000002, 1},
    {"s_lshl_b64 s[0:1], s[4:5], s6", 1, 63, 0, UINT64_C(1) << 63, 1},
    {"s_lshl_b64 s[0:1], s[4:5], s6", 1, 64, 0, 1, 1},
    {"s_lshr_b32 s0, s4, s6", 0x80000000, 31, 0, 0x1111111100000001, 1},
    {"s_lshr_b64 s[0:1], s[4:5], s6", 3, 2, 1, 0, 0},
    {"s_ashr_i32 s0, s4, s6", 0x80000000, 4, 0, 0x11111111F8000000, 1},
    {"s_ashr_i64 s[0:1], s[4:5], s6", UINT64_C(1) << 63, 60, 0, MINUS_1 << 3, 1},
    {"s_bfm_b32 s0, s4, s6", 4, 8, 1, 0x1111111100000F00, 1},
    {"s_bfm_b64 s[0:1], s4, s6", 33, 1, 0, 0x3FFFFFFFE, 0},
    {"s_bfe_u32 s0, s4, s6", 0xABCD1234, 8 | 8 << 16, 0, 0x1111111100000012, 1},
    {"s_bfe_u32 s0, s4, s6", 0xABCD1234, 8 | 0 << 16, 1, 0x1111111100000000, 0},
    {"s_bfe_u32 s0, s4, s6", 0xABCD1234, 24 | 32 << 16, 0, 0x11111111000000AB, 1},
    {"s_bfe_i32 s0, s4, s6", 0xABCD1234, 24 | 8 << 16, 0, 0x11111111FFFFFFAB, 1},
    {"s_bfe_i32 s0, s4, s6", 0xABCD1234, 0 | 4 << 16, 0, 0x1111111100000004, 1},
    {"s_bfe_i32 s0, s4, s6", 0xF0, 4 | 0 << 16, 1, 0x1111111100000000, 0},
    {"s_bfe_u64 s[0:1], s[4:5], s6", 0xABCD123400000000, 48 | 8 << 16, 0, 0xCD, 1},
    {"s_bfe_i64 s[0:1], s[4:5], s6", 0xABCD123400000000, 56 | 8 << 16, 0, ~UINT64_C(0x54), 1},
    {"s_bitset0_b32 s0, s4", 1, 0, 1, 0x1111111122222220, 1},
    {"s_bitset1_b32 s0, s4", 32, 0, 0, 0x1111111122222223, 0},
    {"s_bitset0_b64 s[0:1], s4", 32, 0, 0, 0x1111111022222222, 0},
    {"s_bitset1_b64 s[0:1], s4", 63, 0, 0, 0x9111111122222222, 0},
    {"s_brev_b32 s0, s4", 1, 0, 0, 0x1111111180000000, 0},
    {"s_brev_b64 s[0:1], s[4:5]", 1, 0, 0, UINT64_C(1) << 63, 0},
    {"s_bcnt0_i32_b32 s0, s4", 0xFFFFFFFF, 0, 1, 0x1111111100000000, 0},
    {"s_bcnt1_i32_b32 s0, s4", 0xF0F0, 0, 0, 0x1111111100000008, 1},
    {"s_bcnt0_i32_b64 s0, s[4:5]", 0xFF, 0, 0, 0x1111111100000038, 1},
    {"s_bcnt1_i32_b64 s0, s[4:5]", MINUS_1, 0, 0, 0x1111111100000040, 1},
    {"s_ff0_i32_b32 s0, s4", 0xFFFFFFFF, 0, 1, 0x11111111FFFFFFFF, 1},
    {"s_ff0_i32_b32 s0, s4", 0x7, 0, 1, 0x1111111100000003, 1},
    {"s_ff0_i32_b64 s0, s[4:5]", 0xFFFFFFFFFF, 0, 0, 0x1111111100000028, 0},
    {"s_ff1_i32_b32 s0, s4", 0, 0, 0, 0x11111111FFFFFFFF, 0},
    {"s_ff1_i32_b32 s0, s4", 0x80, 0, 0, 0x1111111100000007, 0},
    {"s_ff1_i32_b64 s0, s[4:5]", UINT64_C(1) << 40, 0, 0, 0x1111111100000028, 0},
    {"s_flbit_i32_b32 s0, s4", 0, 0, 0, 0x11111111FFFFFFFF, 0},
    {"s_flbit_i32_b32 s0, s4", 0x00008000, 0, 0, 0x1111111100000010, 0},
    {"s_flbit_i32_b64 s0, s[4:5]", 1, 0, 0, 0x111111110000003F, 0},
    {"s_flbit_i32 s0, s4", 0xFFFF0000, 0, 0, 0x1111111100000010, 0},
    {"s_flbit_i32 s0, s4", 0xFFFFFFFF, 0, 0, 0x11111111FFFFFFFF, 0},
    {"s_flbit_i32_i64 s0, s[4:5]", ~UINT64_C(1), 0, 0, 0x111111110000003F, 0},
    {"s_sext_i32_i8 s0, s4", 0x1280, 0, 0, 0x11111111FFFFFF80, 0},
    {"s_sext_i32_i16 s0, s4", 0x18000, 0, 0, 0x11111111FFFF8000, 0},
    {"s_abs_i32 s0, s4", 0xFFFFFFFD, 0, 0, 0x1111111100000003, 1},
    {"s_abs_i32 s0, s4", 0x80000000, 0, 0, 0x1111111180000000, 1},
    {"s_wqm_b64 s[0:1], s[4:5]", 0x4000000000000002, 0, 0, 0xF00000000000000F, 1},
    {"s_bitreplicate_b64_b32 s[0:1], s4", 0x80000001, 0, 0, 0xC000000000000003, 0},
    {"s_pack_ll_b32_b16 s0, s4, s6", 0xAAAA1111, 0xBBBB2222, 1, 0x1111111122221111, 1},
    {"s_pack_lh_b32_b16 s0, s4, s6", 0xAAAA1111, 0xBBBB2222, 0, 0x11111111BBBB1111, 0},
    {"s_pack_hh_b32_b16 s0, s4, s6", 0xAAAA1111, 0xBBBB2222, 0, 0x11111111BBBBAAAA, 0},
    // comparisons
    {"s_cmp_eq_i32 s4, s6", 7, 7, 0, OLD, 1},
    {"s_cmp_lg_i32 s4, s6", 7, 7, 1, OLD, 0},
    {"s_cmp_gt_i32 s4, s6", 1, 0xFFFFFFFF, 0, OLD, 1},
    {"s_cmp_ge_i32 s4, s6", 0xFFFFFFFF, 1, 1, OLD, 0},
    {"s_cmp_lt_i32 s4, s6", 0xFFFFFFFF, 1, 0, OLD, 1},
    {"s_cmp_le_i32 s4, s6", 2, 1, 1, OLD, 0},
    {"s_cmp_eq_u32 s4, s6", 7, 8, 1, OLD, 0},
    {"s_cmp_lg_u32 s4, s6", 7, 8, 0, OLD, 1},
    {"s_cmp_gt_u32 s4, s6", 1, 0xFFFFFFFF, 1, OLD, 0},
    {"s_cmp_ge_u32 s4, s6", 0xFFFFFFFF, 1, 0, OLD, 1},
    {"s_cmp_lt_u32 s4, s6", 0xFFFFFFFF, 1, 1, OLD, 0},
    {"s_cmp_le_u32 s4, s6", 1, 1, 0, OLD, 1},
    {"s_cmp_eq_u64 s[4:5], s[6:7]", 0x100000007, 0x200000007, 1, OLD, 0},
    {"s_cmp_lg_u64 s[4:5], 0", 0x100000000, 0, 0, OLD, 1},
    {"s_bitcmp0_b32 s4, s6", 4, 2, 1, OLD, 0},
    {"s_bitcmp1_b32 s4, s6", 4, 34, 0, OLD, 1},
    {"s_bitcmp0_b64 s[4:5], s6", 0x100000000, 33, 0, OLD, 1},
    {"s_bitcmp1_b64 s[4:5], s6", 0x100000000, 32, 0, OLD, 1},
    {"s_cmpk_eq_i32 s4, 0xfff0", 0xFFFFFFF0, 0, 0, OLD, 1},
    {"s_cmpk_lg_i32 s4, 0xfff0", 0xFFFFFFF0, 0, 1, OLD, 0},
    {"s_cmpk_gt_i32 s4, 0xfff0", 0, 0, 0, OLD, 1},
    {"s_cmpk_ge_i32 s4, 0x10", 0xFFFFFFFF, 0, 1, OLD, 0},
    {"s_cmpk_lt_i32 s4, 0x10", 0xFFFFFFFF, 0, 0, OLD, 1},
    {"s_cmpk_le_i32 s4, 0x10", 0x10, 0, 0, OLD, 1},
    {"s_cmpk_eq_u32 s4, 0xfff0", 0xFFF0, 0, 0, OLD, 1},
    {"s_cmpk_lg_u32 s4, 0xfff0", 0xFFFFFFF0, 0, 0, OLD, 1},
    {"s_cmpk_gt_u32 s4, 0xfff0", 0xFFFFFFFF, 0, 0, OLD, 1},
    {"s_cmpk_ge_u32 s4, 0x10", 0x10, 0, 0, OLD, 1},
    {"s_cmpk_lt_u32 s4, 0xfff0", 0xFFFF, 0, 1, OLD, 0},
    {"s_cmpk_le_u32 s4, 0x10", 0x11, 0, 1, OLD, 0},
    // the mask of lanes, which is LANES before: the result is the mask that was there
    {"s_and_saveexec_b64 s[0:1], s[4:5]", 0xFF, 0, 0, LANES, 1},
    {"s_and_saveexec_b64 s[0:1], s[4:5]", 0x0F, 0, 1, LANES, 0},
    {"s_andn2_saveexec_b64 s[0:1], s[4:5]", LANES, 0, 1, LANES, 0},
    // registers by number, and hardware registers
    {"s_mov_b32 m0, 2\n s_movrels_b32 s0, s4", 1, 77, 0, 0x111111110000004D, 0},
    {"s_mov_b32 m0, 1\n s_movreld_b32 s0, s4", 9, 0, 0, 0x0000000922222222, 0},
    {"s_getreg_b32 s0, hwreg(HW_REG_XCC_ID, 0, 4)", 0, 0, 1, 0x1111111100000005, 1},
    {"s_getreg_b32 s0, hwreg(HW_REG_XCC_ID, 1, 2)", 0, 0, 1, 0x1111111100000002, 1},
    // what does nothing here
    {"s_nop 3", 0, 0, 1, OLD, 1},
    {"s_setprio 2", 0, 0, 0, OLD, 0},
};

enum { ROWS = sizeof rows / sizeof *rows };

static struct wave wave_of(const struct code *code, const struct row *row) {
    struct wave wave = {.scc = row->scc, .xcd = 5, .code = code};
    wave_set_scalar_64(&wave, 0, OLD);
    wave_set_scalar_64(&wave, 4, row->a);
    wave_set_scalar_64(&wave, 6, row->b);
    wave_set_scalar_64(&wave, SCALAR_EXEC, LANES);
    return wave;
}

static void step(struct wave *wave) {
    const struct instruction *instruction = &wave->code->instructions[wave->next++];
    instruction->execute(wave, instruction);
    if (wave->state == WAVE_FAILED)
        fail_msg("%s", wave->message);
}

static void results_and_conditions(void **state) {
    (void)state;
    need_compiler("comgr");
    struct text lines = {0};
    for (size_t i = 0; i < ROWS; i++)
        text_format(&lines, "%s\n", rows[i].line);
    struct code code;
    assemble(&lines, 0, &code);
    uint32_t next = 0;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        struct wave wave = wave_of(&code, row);
        wave.next = next;
        for (const char *line = row->line; line; line = strchr(line + 1, '\n'))
            step(&wave);
        next = wave.next;
        const uint64_t result = wave_scalar_64(&wave, 0);
        if (result != row->result || wave.scc != row->scc_after)
            fail_msg("%s: 0x%" PRIx64 " and scc %d, not 0x%" PRIx64 " and %d", row->line, result,
                     wave.scc, row->result, row->scc_after);
    }
    code_close(&code);
    text_close(&lines);
}

// exec after each of the instructions that save it, with exec 0xF0F0 and a source of 0xFF00.
static void masks_of_lanes(void **state) {
    (void)state;
    need_compiler("comgr");
    static const struct {
        const char *name;
        uint64_t exec;
    } saves[] = {{"and", 0xF000},
                 {"or", 0xFFF0},
                 {"xor", 0x0FF0},
                 {"andn2", 0x0F00},
                 {"orn2", ~UINT64_C(0x00F0)},
                 {"nand", ~UINT64_C(0xF000)},
                 {"nor", ~UINT64_C(0xFFF0)},
                 {"xnor", ~UINT64_C(0x0FF0)},
                 {"andn1", 0x00F0},
                 {"orn1", ~UINT64_C(0x0F00)}};
    struct text lines = {0};
    for (size_t i = 0; i < sizeof saves / sizeof *saves; i++)
        text_format(&lines, "s_%s_saveexec_b64 s[0:1], s[4:5]\n", saves[i].name);
    struct code code;
    assemble(&lines, 0, &code);
    for (uint32_t i = 0; i < sizeof saves / sizeof *saves; i++) {
        struct wave wave = wave_of(&code, &(struct row){.a = 0xFF00});
        wave.next = i;
        step(&wave);
        assert_true(wave_exec(&wave) == saves[i].exec);
        assert_true(wave_scalar_64(&wave, 0) == LANES);
        assert_true(wave.scc);
    }
    code_close(&code);
    text_close(&lines);
}

// Branches over two instructions of 4 bytes, taken or not.
static void branches(void **state) {
    (void)state;
    need_compiler("comgr");
    static const struct {
        const char *name;
        bool scc;
        uint64_t vcc, exec;
        bool taken;
    } cases[] = {
        {"s_branch", 0, 0, 0, 1},
        {"s_cbranch_scc0", 0, 0, 0, 1},
        {"s_cbranch_scc0", 1, 0, 0, 0},
        {"s_cbranch_scc1", 1, 0, 0, 1},
        {"s_cbranch_scc1", 0, 0, 0, 0},
        {"s_cbranch_vccz", 0, 0, 0, 1},
        {"s_cbranch_vccz", 0, MINUS_1, 0, 0},
        {"s_cbranch_vccnz", 0, UINT64_C(1) << 40, 0, 1},
        {"s_cbranch_vccnz", 0, 0, 0, 0},
        {"s_cbranch_execz", 0, 0, 0, 1},
        {"s_cbranch_execz", 0, 0, 1, 0},
        {"s_cbranch_execnz", 0, 0, UINT64_C(1) << 63, 1},
        {"s_cbranch_execnz", 0, 0, 0, 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct text lines = {0};
    for (size_t i = 0; i < CASES; i++)
        text_format(&lines, "%s 1\ns_nop 0\n", cases[i].name);
    struct code code;
    assemble(&lines, 0, &code);
    for (uint32_t i = 0; i < CASES; i++) {
        struct wave wave = {.code = &code, .next = 2 * i, .scc = cases[i].scc};
        wave_set_scalar_64(&wave, SCALAR_VCC, cases[i].vcc);
        wave_set_scalar_64(&wave, SCALAR_EXEC, cases[i].exec);
        step(&wave);
        if (wave.next != 2 * i + 1 + cases[i].taken)
            fail_msg("case %" PRIu32 ": %s", i, cases[i].name);
    }
    code_close(&code);
    text_close(&lines);
}

static void the_program_counter(void **state) {
    (void)state;
    need_compiler("comgr");
    struct text lines = {0};
    text_append(&lines, "s_getpc_b64 s[0:1]\ns_nop 0\ns_setpc_b64 s[0:1]\n"
                        "s_swappc_b64 s[2:3], s[0:1]\ns_setpc_b64 s[4:5]\n");
    struct code code;
    assemble(&lines, 0, &code);
    struct wave wave = {.code = &code, .code_base = 0x7000000000};
    step(&wave);
    assert_true(wave_scalar_64(&wave, 0) == 0x7000000000 + code.instructions[1].address);
    step(&wave);
    step(&wave);
    assert_int_equal(wave.next, 1);
    wave.next = 3;
    step(&wave);
    assert_int_equal(wave.next, 1);
    assert_true(wave_scalar_64(&wave, 2) == 0x7000000000 + code.instructions[4].address);
    wave.next = 4;
    const struct instruction *astray = &code.instructions[wave.next++];
    wave_set_scalar_64(&wave, 4, 0x7000000000 + code.instructions[1].address + 2);
    astray->execute(&wave, astray);
    assert_int_equal(wave.state, WAVE_FAILED);
    assert_non_null(strstr(wave.message, "where no instruction begins"));
    code_close(&code);
    text_close(&lines);
}

// What is not modelled stops with its text and address.
static void what_is_refused(void **state) {
    (void)state;
    need_compiler("comgr");
    static const char *const refused[][2] = {
        {"s_getreg_b32 s0, hwreg(HW_REG_MODE)", "hardware register 1 is not modelled"},
        {"s_setreg_b32 hwreg(HW_REG_MODE), s0", "setting hardware register 1 is not modelled"},
        {"s_trap 2", "the kernel traps"},
        {"s_sendmsg sendmsg(MSG_INTERRUPT)", "does not know this instruction"},
        {"buffer_load_dword v0, v1, s[4:7], 0 offen", "does not know this instruction"},
    };
    enum { REFUSED = sizeof refused / sizeof *refused };
    struct text lines = {0};
    for (size_t i = 0; i < REFUSED; i++)
        text_format(&lines, "%s\n", refused[i][0]);
    struct code code;
    assemble(&lines, 0, &code);
    for (size_t i = 0; i < REFUSED; i++) {
        struct wave wave = {.code = &code};
        const struct instruction *instruction = &code.instructions[i];
        instruction->execute(&wave, instruction);
        assert_int_equal(wave.state, WAVE_FAILED);
        if (!strstr(wave.message, refused[i][1]))
            fail_msg("%s: %s", refused[i][0], wave.message);
    }
    code_close(&code);
    text_close(&lines);
}

// The table above names every row of the scalar instructions but those of the next tests.
static void every_row_is_tested(void **state) {
    (void)state;
    static const char *const elsewhere[] = {
        "saveexec",     "branch",    "pc_b64",       "s_setreg",      "s_trap",
        "s_waitcnt",    "s_barrier", "s_sleep",      "s_endpgm",      "s_sethalt",
        "s_icache_inv", "s_wakeup",  "s_ttracedata", "s_movrels_b64", "s_movreld_b64"};
    for (size_t k = 0; k < scalar_instruction_count; k++) {
        const char *name = scalar_instructions[k].name;
        bool found = false;
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
            found |= strstr(name, elsewhere[i]) != NULL;
        for (size_t i = 0; i < ROWS && !found; i++) {
            const char *at = strstr(rows[i].line, name);
            found = at && at[strlen(name)] == ' ';
        }
        if (!found)
            fail_msg("no test of %s", name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_and_conditions),
        cmocka_unit_test(masks_of_lanes),
        cmocka_unit_test(branches),
        cmocka_unit_test(the_program_counter),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(every_row_is_tested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
