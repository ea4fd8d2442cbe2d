// LDS instructions, as comgr assembles them, and that results arrive at s_waitcnt and not before.
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/workgroup.h"
#include "tests/support/assembled.h"
#include "tests/support/small_kernel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REGISTERS = 32, LDS_BYTES = 4096 };
#define OLD 0xEEEEEEEEu

// One wave of a workgroup of its own. v1 holds lane * 16; v2 .. v5 hold lane + 100 * register.
struct bench {
    struct workgroup workgroup;
    struct wave wave;
    uint32_t (*vectors)[WAVE_LANES];
    unsigned char lds[LDS_BYTES];
    struct code code;
};

static struct bench *opened(const char *lines) {
    struct bench *bench = calloc(1, sizeof *bench);
    struct text text = {0};
    assert_non_null(bench);
    bench->vectors = calloc(REGISTERS, sizeof *bench->vectors);
    bench->workgroup = (struct workgroup){
        .waves = &bench->wave, .wave_count = 1, .lds = bench->lds, .lds_bytes = LDS_BYTES};
    text_append(&text, lines);
    assemble(&text, REGISTERS, &bench->code);
    text_close(&text);
    bench->wave = (struct wave){.vectors = bench->vectors,
                                .vector_count = REGISTERS,
                                .code = &bench->code,
                                .workgroup = &bench->workgroup,
                                .arrivals = arrivals_open()};
    assert_non_null(bench->wave.arrivals);
    wave_set_scalar_64(&bench->wave, SCALAR_EXEC, UINT64_MAX);
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
        for (uint32_t r = 0; r < REGISTERS; r++)
            bench->vectors[r][lane] = r == 1 ? lane * 16 : r < 6 ? lane + 100 * r : OLD;
        for (uint32_t i = 0; i < 16; i++)
            bench->lds[lane * 16 + i] = (unsigned char)(lane * 16 + i + 0x71);
    }
    return bench;
}

static void closed(struct bench *bench) {
    arrivals_close(bench->wave.arrivals);
    code_close(&bench->code);
    free(bench->vectors);
    free(bench);
}

static void step(struct bench *bench) {
    const struct instruction *instruction = &bench->code.instructions[bench->wave.next++];
    instruction->execute(&bench->wave, instruction);
}

// Executes one line, then waits for everything.
static struct bench *executed(const char *line) {
    struct bench *bench = opened(line);
    step(bench);
    if (bench->wave.state == WAVE_FAILED)
        fail_msg("%s", bench->wave.message);
    arrivals_wait(&bench->wave, 0, 0);
    return bench;
}

// What lane 5 gets: its 16 bytes begin at 80 with 0xC1, 0xC2 ...
static void reads(void **state) {
    (void)state;
    need_compiler("comgr");
    static const struct {
        const char *line;
        uint32_t words[5]; // of v8 .. v12 of lane 5
    } rows[] = {
        {"ds_read_b32 v8, v1\n", {0xC4C3C2C1, OLD, OLD, OLD, OLD}},
        {"ds_read_b32 v8, v1 offset:8\n", {0xCCCBCAC9, OLD, OLD, OLD, OLD}},
        {"ds_read_b64 v[8:9], v1\n", {0xC4C3C2C1, 0xC8C7C6C5, OLD, OLD, OLD}},
        {"ds_read_b96 v[8:10], v1\n", {0xC4C3C2C1, 0xC8C7C6C5, 0xCCCBCAC9, OLD, OLD}},
        {"ds_read_b128 v[8:11], v1\n", {0xC4C3C2C1, 0xC8C7C6C5, 0xCCCBCAC9, 0xD0CFCECD, OLD}},
        {"ds_read2_b32 v[8:9], v1 offset0:1 offset1:3\n", {0xC8C7C6C5, 0xD0CFCECD, OLD, OLD, OLD}},
        {"ds_read2_b64 v[8:11], v1 offset1:2\n",
         {0xC4C3C2C1, 0xC8C7C6C5, 0xD4D3D2D1, 0xD8D7D6D5, OLD}},
        {"ds_read2st64_b32 v[8:9], v1 offset0:1 offset1:2\n",
         {0xC4C3C2C1, 0xC4C3C2C1, OLD, OLD, OLD}}, // 256 bytes on, the bytes are the same
        {"ds_read_u8 v8, v1\n", {0xC1, OLD, OLD, OLD, OLD}},
        {"ds_read_i8 v8, v1\n", {0xFFFFFFC1, OLD, OLD, OLD, OLD}},
        {"ds_read_u16 v8, v1 offset:2\n", {0xC4C3, OLD, OLD, OLD, OLD}},
        {"ds_read_i16 v8, v1 offset:2\n", {0xFFFFC4C3, OLD, OLD, OLD, OLD}},
        {"ds_read_u8_d16 v8, v1\n", {0xEEEE00C1, OLD, OLD, OLD, OLD}},
        {"ds_read_i8_d16 v8, v1\n", {0xEEEEFFC1, OLD, OLD, OLD, OLD}},
        {"ds_read_u8_d16_hi v8, v1\n", {0x00C1EEEE, OLD, OLD, OLD, OLD}},
        {"ds_read_i8_d16_hi v8, v1\n", {0xFFC1EEEE, OLD, OLD, OLD, OLD}},
        {"ds_read_u16_d16 v8, v1\n", {0xEEEEC2C1, OLD, OLD, OLD, OLD}},
        {"ds_read_u16_d16_hi v8, v1\n", {0xC2C1EEEE, OLD, OLD, OLD, OLD}},
        // exchanges: v2 holds 200 + lane
        {"ds_swizzle_b32 v8, v2 offset:swizzle(SWAP,16)\n", {221, OLD, OLD, OLD, OLD}},
        {"ds_swizzle_b32 v8, v2 offset:swizzle(QUAD_PERM,3,2,1,0)\n", {206, OLD, OLD, OLD, OLD}},
        {"ds_swizzle_b32 v8, v2 offset:swizzle(BROADCAST,8,3)\n", {203, OLD, OLD, OLD, OLD}},
        {"ds_bpermute_b32 v8, v1, v2\n", {220, OLD, OLD, OLD, OLD}}, // lane 80 / 4
        {"ds_bpermute_b32 v8, v1, v2 offset:8\n", {222, OLD, OLD, OLD, OLD}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench *bench = executed(rows[i].line);
        for (int word = 0; word < 5; word++)
            if (bench->vectors[8 + word][5] != rows[i].words[word])
                fail_msg("%sword %d: 0x%" PRIx32 ", not 0x%" PRIx32, rows[i].line, word,
                         bench->vectors[8 + word][5], rows[i].words[word]);
        closed(bench);
    }
}

// What stands at byte 80 on afterwards. v2 of lane 5 is 205 (0xCD), v3 305 (0x131).
static void writes_and_atomics(void **state) {
    (void)state;
    need_compiler("comgr");
    static const struct {
        const char *line;
        uint32_t at_80, at_84, at_88, result; // result: v8 of lane 5
    } rows[] = {
        {"ds_write_b8 v1, v3\n", 0xC4C3C231, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_write_b16 v1, v3\n", 0xC4C30131, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_write_b16_d16_hi v1, v3\n", 0xC4C30000, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_write_b32 v1, v3 offset:4\n", 0xC4C3C2C1, 0x131, 0xCCCBCAC9, OLD},
        {"ds_write_b64 v1, v[2:3]\n", 0xCD, 0x131, 0xCCCBCAC9, OLD},
        {"ds_write_b96 v1, v[2:4]\n", 0xCD, 0x131, 0x195, OLD},
        {"ds_write_b128 v1, v[2:5]\n", 0xCD, 0x131, 0x195, OLD},
        {"ds_write2_b32 v1, v2, v3 offset1:2\n", 0xCD, 0xC8C7C6C5, 0x131, OLD},
        {"ds_write2_b64 v1, v[2:3], v[4:5] offset1:1\n", 0xCD, 0x131, 0x195, OLD},
        {"ds_add_u32 v1, v2\n", 0xC4C3C2C1 + 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_add_rtn_u32 v8, v1, v2\n", 0xC4C3C2C1 + 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, 0xC4C3C2C1},
        {"ds_sub_u32 v1, v2\n", 0xC4C3C2C1 - 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_max_rtn_i32 v8, v1, v2\n", 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, 0xC4C3C2C1},
        {"ds_max_u32 v1, v2\n", 0xC4C3C2C1, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_min_u32 v1, v2\n", 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_and_b32 v1, v2\n", 0xC1, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_or_b32 v1, v2\n", 0xC4C3C2CD, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_xor_b32 v1, v2\n", 0xC4C3C20C, 0xC8C7C6C5, 0xCCCBCAC9, OLD},
        {"ds_inc_rtn_u32 v8, v1, v2\n", 0, 0xC8C7C6C5, 0xCCCBCAC9, 0xC4C3C2C1},
        {"ds_wrxchg_rtn_b32 v8, v1, v2\n", 0xCD, 0xC8C7C6C5, 0xCCCBCAC9, 0xC4C3C2C1},
        {"ds_cmpst_rtn_b32 v8, v1, v2, v3\n", 0xC4C3C2C1, 0xC8C7C6C5, 0xCCCBCAC9, 0xC4C3C2C1},
        {"ds_add_u64 v1, v[2:3]\n", 0xC4C3C2C1 + 0xCD, 0xC8C7C6C5 + 0x131, 0xCCCBCAC9, OLD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench *bench = executed(rows[i].line);
        uint32_t there[3];
        memcpy(there, bench->lds + 80, sizeof there);
        if (there[0] != rows[i].at_80 || there[1] != rows[i].at_84 || there[2] != rows[i].at_88 ||
            bench->vectors[8][5] != rows[i].result)
            fail_msg("%s0x%" PRIx32 " 0x%" PRIx32 " 0x%" PRIx32 ", result 0x%" PRIx32, rows[i].line,
                     there[0], there[1], there[2], bench->vectors[8][5]);
        closed(bench);
    }
}

static void lanes_that_are_off(void **state) {
    (void)state;
    need_compiler("comgr");
    struct bench *bench = opened("ds_read_b32 v8, v1\nds_write_b32 v1, v2\n"
                                 "ds_bpermute_b32 v9, v1, v2\nds_permute_b32 v10, v1, v2\n");
    wave_set_scalar_64(&bench->wave, SCALAR_EXEC, 1u << 5 | 1u << 6);
    for (int i = 0; i < 4; i++)
        step(bench);
    arrivals_wait(&bench->wave, 0, 0);
    assert_int_equal(bench->vectors[8][4], OLD);
    assert_int_equal(bench->vectors[8][5], 0xC4C3C2C1);
    uint32_t written;
    memcpy(&written, bench->lds + 64, sizeof written);
    assert_int_equal(written, 0xB4B3B2B1);
    memcpy(&written, bench->lds + 96, sizeof written);
    assert_int_equal(written, 206);
    assert_int_equal(bench->vectors[9][5], 0); // lane 20 is off
    assert_int_equal(bench->vectors[9][20], OLD);
    assert_int_equal(bench->vectors[10][5], 0); // nobody names lane 5
    closed(bench);
}

// A result is in its register at the wait that asks for it, in order, and the last write stays.
static void results_arrive_at_waits(void **state) {
    (void)state;
    need_compiler("comgr");
    struct bench *bench = opened("ds_read_b32 v8, v1\nds_read_b32 v9, v1 offset:4\n"
                                 "s_waitcnt lgkmcnt(1)\ns_waitcnt lgkmcnt(0)\n");
    step(bench);
    step(bench);
    assert_int_equal(arrivals_outstanding(&bench->wave, COUNTER_LDS_AND_SCALAR), 2);
    assert_int_equal(bench->vectors[8][5], OLD);
    memset(bench->lds, 0, sizeof bench->lds); // it was read when it was asked for
    step(bench);
    assert_int_equal(bench->vectors[8][5], 0xC4C3C2C1);
    assert_int_equal(bench->vectors[9][5], OLD);
    bench->vectors[9][5] = 1;
    step(bench);
    assert_int_equal(bench->vectors[9][5], 0xC8C7C6C5);
    closed(bench);
    // Twenty reads: the counter holds fifteen, so the first five are there.
    struct text lines = {0};
    for (int i = 0; i < 20; i++)
        text_format(&lines, "ds_read_b32 v%d, v1\n", 8 + i);
    bench = opened(lines.bytes);
    for (int i = 0; i < 20; i++)
        step(bench);
    assert_int_equal(bench->vectors[8 + 4][5], 0xC4C3C2C1);
    assert_int_equal(bench->vectors[8 + 5][5], OLD);
    closed(bench);
    text_close(&lines);
}

static void what_lies_outside_is_told(void **state) {
    (void)state;
    need_compiler("comgr");
    struct bench *bench = opened("ds_read_b64 v[8:9], v1 offset:3085\n");
    step(bench); // lane 63 begins at 1008 + 3085 and ends behind 4096
    assert_int_equal(bench->wave.state, WAVE_FAILED);
    if (!strstr(bench->wave.message, "reaches byte 0x1004 of 0x1000 bytes of LDS"))
        fail_msg("%s", bench->wave.message);
    closed(bench);
}

// Of 64 lanes each reads 4 bytes, `stride` apart: cycles beyond those that 32 banks need.
static uint64_t conflicts(uint32_t stride) {
    struct bench *bench = opened("ds_read_b32 v8, v1\n");
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
        bench->vectors[1][lane] = lane * stride % (LDS_BYTES - 4);
    step(bench);
    const uint64_t cycles = bench->workgroup.counts.lds_conflict_cycles;
    assert_int_equal(bench->workgroup.counts.lds_bytes, 256);
    closed(bench);
    return cycles;
}

static void bank_conflicts(void **state) {
    (void)state;
    need_compiler("comgr");
    assert_int_equal(conflicts(0), 0);  // all the same word
    assert_int_equal(conflicts(4), 0);  // a bank each
    assert_int_equal(conflicts(8), 2);  // two lanes a bank, in each half of the wave
    assert_int_equal(conflicts(16), 6); // four
    assert_int_equal(conflicts(12), 0); // 3 is prime to 32
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(writes_and_atomics),
        cmocka_unit_test(lanes_that_are_off),
        cmocka_unit_test(results_arrive_at_waits),
        cmocka_unit_test(what_lies_outside_is_told),
        cmocka_unit_test(bank_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
