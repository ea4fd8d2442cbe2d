// The decoder: spellings of LLVM's disassembler, and listings that are none.
#include "runtime/simulator/code.h"
#include "runtime/simulator/wave.h"
#include "tests/support/generated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ACCUMULATION_FIRST = 100 };

static struct code decoded(const char *text) {
    struct code code;
    struct monogen_error error;
    if (!code_decode(&code, "test.isa", text, strlen(text), ACCUMULATION_FIRST, &error))
        fail_msg("%s", error.message);
    return code;
}

// The only instruction of `text`, whose encoding is 0 but for `word`.
static struct instruction one(const char *text, unsigned word) {
    char line[256];
    snprintf(line, sizeof line, "\t%s // 000000001000: %08X\n", text, word);
    struct code code = decoded(line);
    assert_int_equal(code.count, 1);
    const struct instruction instruction = code.instructions[0];
    if (instruction.execute != instruction.kind->execute)
        fail_msg("not understood: %s", text);
    code_close(&code);
    return instruction;
}

static void a_listing(void **state) {
    (void)state;
    struct code code = decoded("\n:\tfile format elf64-amdgpu\n\nDisassembly of section .text:\n"
                               "kernel:\n"
                               "\ts_mov_b32 s0, 1          // 000000001000: BE800081 \n"
                               "\ts_mov_b32 s0, 0x12345678 // 000000001004: BE8000FF 12345678\n"
                               "\ts_branch 65533           // 00000000100C: BF82FFFD <kernel>\n"
                               "\ts_branch 4               // 000000001010: BF820004 <kernel+0x>\n"
                               "\ts_endpgm                 // 000000001014: BF810000");
    assert_int_equal(code.count, 5);
    assert_int_equal(code.instructions[1].size, 8);
    assert_int_equal(code.instructions[2].target, 1);
    assert_int_equal(code_find(&code, 0x1014), 4);
    assert_int_equal(code_find(&code, 0x1006), code.count);
    size_t length;
    const char *text = code_text(&code, &code.instructions[2], &length);
    assert_int_equal(length, strlen("s_branch 65533"));
    assert_memory_equal(text, "s_branch 65533", length);
    // What branches to where no instruction begins fails when it is executed.
    struct wave wave = {.code = &code};
    code.instructions[3].execute(&wave, &code.instructions[3]);
    assert_int_equal(wave.state, WAVE_FAILED);
    assert_non_null(strstr(wave.message, "0x1010: s_branch 4: "));
    code_close(&code);
}

static void constants_by_type(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int source;
        uint64_t bits;
    } rows[] = {
        {"v_add_f32_e32 v0, 1.0, v1", 0, 0x3F800000},
        {"v_add_f32_e32 v0, -4.0, v1", 0, 0xC0800000},
        {"v_add_f32_e32 v0, 0.15915494, v1", 0, 0x3E22F983},
        {"v_add_f32_e32 v0, 1, v1", 0, 1},
        {"v_add_f32_e32 v0, 0x40490fdb, v1", 0, 0x40490FDB},
        {"v_add_f16_e32 v0, 1.0, v1", 0, 0x3C00},
        {"v_add_f16_e32 v0, -0.5, v1", 0, 0xB800},
        {"v_add_f16_e32 v0, 0.15915494, v1", 0, 0x3118},
        {"v_add_u32_e32 v0, -1, v1", 0, 0xFFFFFFFF},
        {"v_add_u32_e32 v0, 64, v1", 0, 64},
        {"v_add_f64 v[0:1], 1.0, v[2:3]", 0, 0x3FF0000000000000},
        {"v_add_f64 v[0:1], 0x40000000, v[2:3]", 0, 0x4000000000000000},
        {"s_and_b64 s[0:1], s[2:3], -1", 1, UINT64_MAX},
        {"s_and_b32 s0, s2, 0xffffff80", 1, 0xFFFFFF80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct operand operand = one(rows[i].text, 0).sources[rows[i].source];
        assert_int_equal(operand.kind, OPERAND_CONSTANT);
        if (operand.bits != rows[i].bits)
            fail_msg("%s: 0x%llx", rows[i].text, (unsigned long long)operand.bits);
    }
}

static void registers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int source;
        unsigned kind, first, words;
    } rows[] = {
        {"s_and_b64 s[0:1], vcc, exec", 0, OPERAND_SCALAR, SCALAR_VCC, 2},
        {"s_and_b64 s[0:1], vcc, exec", 1, OPERAND_SCALAR, SCALAR_EXEC, 2},
        {"s_mov_b32 s0, m0", 0, OPERAND_SCALAR, SCALAR_M0, 1},
        {"s_mov_b32 s0, vcc_hi", 0, OPERAND_SCALAR, SCALAR_VCC + 1, 1},
        {"s_mov_b32 s0, ttmp3", 0, OPERAND_SCALAR, SCALAR_TTMP0 + 3, 1},
        {"s_mov_b64 s[0:1], flat_scratch", 0, OPERAND_SCALAR, SCALAR_FLAT_SCRATCH, 2},
        {"v_mov_b32_e32 v0, v255", 0, OPERAND_VECTOR, 255, 1},
        {"v_mov_b32_e32 v0, s101", 0, OPERAND_SCALAR, 101, 1},
        {"v_accvgpr_read_b32 v0, a7", 0, OPERAND_VECTOR, ACCUMULATION_FIRST + 7, 1},
        {"global_load_dwordx4 v[0:3], v[4:5], off", 0, OPERAND_VECTOR, 4, 2},
        {"global_load_dwordx4 v[0:3], v[4:5], off", 1, OPERAND_OFF, 0, 0},
        {"global_load_dword v0, v4, s[2:3] offset:-16 sc1", 1, OPERAND_SCALAR, 2, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct operand operand = one(rows[i].text, 0).sources[rows[i].source];
        if (operand.kind != rows[i].kind || operand.first != rows[i].first ||
            operand.words != rows[i].words)
            fail_msg("%s: kind %u, register %u, %u words", rows[i].text, operand.kind,
                     operand.first, operand.words);
    }
}

static void modifiers(void **state) {
    (void)state;
    struct instruction load = one("global_load_dwordx2 v[0:1], v2, s[4:5] offset:-8 sc0 sc1 nt", 0);
    assert_int_equal(load.offset, -8);
    assert_int_equal(load.cache, CACHE_SC0 | CACHE_SC1 | CACHE_NT);
    struct instruction pair = one("ds_read2st64_b32 v[0:1], v2 offset0:3 offset1:200", 0);
    assert_int_equal(pair.offset, 3);
    assert_int_equal(pair.offset1, 200);
    assert_int_equal(one("ds_swizzle_b32 v0, v1 offset:swizzle(SWAP,16)", 0x401F).offset, 0x401F);
    assert_int_equal(one("ds_swizzle_b32 v0, v1 offset:0x8055", 0x8055).offset, 0x8055);
    assert_int_equal(one("s_waitcnt vmcnt(0) lgkmcnt(3)", 0xBF8C0370).immediate, 0x0370);
    assert_int_equal(one("s_waitcnt vmcnt(0) & lgkmcnt(3)", 0xBF8C0370).immediate, 0x0370);
    struct instruction atomic = one("global_atomic_add v1, v0, v2, s[2:3] sc0", 0);
    assert_int_equal(atomic.destinations[0].first, 1);
    assert_int_equal(atomic.sources[1].first, 2);
    atomic = one("global_atomic_add v0, v2, s[2:3]", 0);
    assert_int_equal(atomic.destinations[0].kind, OPERAND_ABSENT);
    assert_int_equal(atomic.sources[1].first, 2);
    struct instruction dpp =
        one("v_add_f32_dpp v0, -v1, |v2| row_bcast:31 row_mask:0xc bank_mask:0xf bound_ctrl:0", 0);
    assert_int_equal(dpp.dpp, DPP_ROW_BCAST_31);
    assert_int_equal(dpp.row_mask, 12);
    assert_true(dpp.bound_ctrl && dpp.sources[0].negate && dpp.sources[1].absolute);
    struct instruction sdwa = one("v_or_b32_sdwa v0, v1, sext(v2) dst_sel:WORD_1 "
                                  "dst_unused:UNUSED_PRESERVE src0_sel:BYTE_3 src1_sel:WORD_0",
                                  0);
    assert_true(sdwa.is_sdwa && sdwa.sources[1].sign_extend);
    assert_int_equal(sdwa.destination_part, PART_WORD_1);
    assert_int_equal(sdwa.destination_rest, REST_PRESERVE);
    assert_int_equal(sdwa.sources[0].part, PART_BYTE_3);
    struct instruction packed =
        one("v_pk_fma_f32 v[0:1], v[2:3], s[4:5], v[6:7] op_sel:[0,1,0] op_sel_hi:[1,0,1] "
            "neg_lo:[0,0,1] clamp",
            0);
    assert_int_equal(packed.op_sel, 2);
    assert_int_equal(packed.op_sel_hi, 5);
    assert_int_equal(packed.neg_lo, 4);
    assert_true(packed.clamp);
    assert_int_equal(one("v_pk_fma_f32 v[0:1], v[2:3], v[4:5], v[6:7]", 0).op_sel_hi, 7);
}

// What the row or the decoder does not know fails when it is executed, not before.
static void unknown_ones_fail_late(void **state) {
    (void)state;
    static const char *const lines[] = {
        "v_frobnicate_b32 v0, v1",   "v_mov_b32_e32 v0, v1 sideways", "v_mov_b32_e32 v0",
        "v_mov_b32_e32 v0, v1, v2",  "v_mov_b32_e32 v[0:1], v2",      "s_mov_b64 s[0:1], s2",
        "v_mov_b32_e32 v0, v256",    "v_mov_b32_e32 v0, v[3:1]",      "v_mov_b32_e32 v0, 0xg",
        "s_mov_b32 s0, 99999999999", "global_load_dword v0, v[1:2]",  "ds_read_b32 v0, v1 offset:",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[256];
        snprintf(line, sizeof line, "\t%s // 000000001000: 00000000\n", lines[i]);
        struct code code = decoded(line);
        struct wave wave = {.code = &code};
        assert_int_equal(code.count, 1);
        code.instructions[0].execute(&wave, &code.instructions[0]);
        if (wave.state != WAVE_FAILED || !strstr(wave.message, "the simulator does not know"))
            fail_msg("%s: %s", lines[i], wave.message);
        assert_non_null(strstr(wave.message, lines[i]));
        code_close(&code);
    }
}

static void expect_refused(const char *text, const char *part) {
    struct code code;
    struct monogen_error error;
    assert_false(code_decode(&code, "test.isa", text, strlen(text), 0, &error));
    if (!strstr(error.message, part))
        fail_msg("no \"%s\" in: %s", part, error.message);
}

static void hostile_listings(void **state) {
    (void)state;
    expect_refused("", "there is no instruction");
    expect_refused("// 12345: zzzz\n// : \n//\n\t//\nv_mov_b32 v0, v1 // 12: 00\n",
                   "there is no instruction");
    expect_refused("\ts_nop 0 // 000000001004: BF800000\n\ts_nop 0 // 000000001004: BF800000\n",
                   "test.isa:2: error: its address is not behind the one before");
    // A name that goes on behind a zero is another name.
    static const char zero[] =
        "\tv_add_f32\0abcdefghijklmnop v0, v1, v2 // 000000001000: 00000000\n";
    struct code with_zero;
    struct monogen_error error_of_zero;
    assert_true(code_decode(&with_zero, "test.isa", zero, sizeof zero - 1, 0, &error_of_zero));
    assert_string_equal(with_zero.instructions[0].kind->name, "unknown");
    code_close(&with_zero);
    // Any bytes at all: decoded or refused.
    uint32_t random = 1;
    for (int i = 0; i < 2000; i++) {
        char text[200] = "\tv_add_f32_dpp v0, v[1:2], |s3| quad_perm:[0,1,2,3] op_sel:[0,1] // "
                         "000000001000: 12345678 9ABCDEF0\n\ts_nop 0 // 000000002000: BF800000\n";
        for (int k = 0; k < 1 + i % 7; k++) {
            random = random * 1664525u + 1013904223u;
            static const char likely[] = " ,:[]()|-/\n\tvs0x9fz\x80";
            text[(random >> 8) % 140] = likely[(random >> 20) % (sizeof likely - 1)];
        }
        struct code code;
        struct monogen_error error;
        if (code_decode(&code, "test.isa", text, strlen(text), 0, &error))
            code_close(&code);
    }
}

// Nothing that comgr makes of our kernels is unknown.
static void emitted_kernels(void **state) {
    (void)state;
    skip_without_compiler("comgr");
    static const struct {
        const char *spec, *set;
    } wanted[] = {{"austen-3m", "kv=fp32"},
                  {"smollm2-135m", "layers=2 trace=on"},
                  {"gemma-3-1b", "layers=6 context=2048"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct generated made;
        generated_open(&made, &(struct wanted_generation){.spec = wanted[i].spec,
                                                          .target = "mi300x",
                                                          .set = wanted[i].set,
                                                          .compile = true});
        const struct text *listing = &made.generation.compiled.listing;
        struct code code;
        struct monogen_error error;
        if (!code_decode(&code, "6-kernel.isa", listing->bytes, listing->length, ACCUMULATION_FIRST,
                         &error))
            fail_msg("%s", error.message);
        print_message("%s %s: %zu instructions\n", wanted[i].spec, wanted[i].set, code.count);
        assert_true(code.count > 3000);
        for (size_t k = 0; k < code.count; k++) {
            size_t length;
            const char *text = code_text(&code, &code.instructions[k], &length);
            if (code.instructions[k].execute != code.instructions[k].kind->execute ||
                !instruction_kind_find(code.instructions[k].kind->name,
                                       strlen(code.instructions[k].kind->name)))
                fail_msg("not known: %.*s", (int)length, text);
        }
        code_close(&code);
        generated_close(&made);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing),
        cmocka_unit_test(constants_by_type),
        cmocka_unit_test(registers),
        cmocka_unit_test(modifiers),
        cmocka_unit_test(unknown_ones_fail_late),
        cmocka_unit_test(hostile_listings),
        cmocka_unit_test(emitted_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
