// Vector instructions that meet scalar registers or other lanes: comparisons, carries, choices,
// v_readlane and its kin.
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SNAN 0x7f800001
#define QNAN 0x7fc00000
#define INF 0x7f800000
#define ONE 0x3f800000
#define MINUS 0x80000000

static const uint64_t some_lanes = UINT64_C(0xf0f0123456789abd);

// Whether the comparison holds, which all lanes that are on must agree about.
static bool holds(const char *name, uint64_t a, uint64_t b) {
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction compare = vector_instruction(name);
    wave_set_scalar_64(&wave.wave, SCALAR_EXEC, some_lanes);
    wave_set_scalar_64(&wave.wave, 40, UINT64_MAX);
    vector_fill_64(&wave, vector_source_register(0), a);
    vector_fill_64(&wave, vector_source_register(1), b);
    vector_execute(&wave, &compare);
    uint64_t mask = wave_scalar_64(&wave.wave, 40), exec = wave_exec(&wave.wave);
    vector_wave_close(&wave);
    assert_true(mask == 0 || mask == some_lanes);
    assert_true(exec == (strncmp(name, "v_cmpx_", 7) == 0 ? mask : some_lanes));
    return mask != 0;
}

static void comparisons_of_floats(void **state) {
    (void)state;
    // The result for less, equal, greater and unordered.
    static const struct {
        const char *name;
        bool less, equal, greater, unordered;
    } rows[] = {
        {"f", 0, 0, 0, 0},   {"lt", 1, 0, 0, 0},  {"eq", 0, 1, 0, 0},  {"le", 1, 1, 0, 0},
        {"gt", 0, 0, 1, 0},  {"lg", 1, 0, 1, 0},  {"ge", 0, 1, 1, 0},  {"o", 1, 1, 1, 0},
        {"u", 0, 0, 0, 1},   {"nge", 1, 0, 0, 1}, {"nlg", 0, 1, 0, 1}, {"ngt", 1, 1, 0, 1},
        {"nle", 0, 0, 1, 1}, {"neq", 1, 0, 1, 1}, {"nlt", 0, 1, 1, 1}, {"tru", 1, 1, 1, 1},
    };
    static const struct {
        const char *type;
        uint64_t minus_zero, zero, least, infinity, nan;
    } types[] = {
        {"f16", 0x8000, 0, 0x0001, 0x7c00, 0x7c01},
        {"f32", MINUS, 0, 0x00000001, INF, SNAN},
        {"f64", UINT64_C(1) << 63, 0, 1, UINT64_C(0x7ff0000000000000),
         UINT64_C(0xfff8000000000000)},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (unsigned x = 0; x < 2; x++) {
                char name[32];
                snprintf(name, sizeof name, "v_cmp%s_%s_%s", x ? "x" : "", rows[k].name,
                         types[t].type);
                assert_int_equal(holds(name, types[t].zero, types[t].least), rows[k].less);
                assert_int_equal(holds(name, types[t].minus_zero, types[t].zero), rows[k].equal);
                assert_int_equal(holds(name, types[t].infinity, types[t].least), rows[k].greater);
                assert_int_equal(holds(name, types[t].infinity, types[t].nan), rows[k].unordered);
                assert_int_equal(holds(name, types[t].nan, types[t].zero), rows[k].unordered);
            }
}

static void comparisons_of_integers(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool less, equal, greater;
    } rows[] = {
        {"f", 0, 0, 0},  {"lt", 1, 0, 0}, {"eq", 0, 1, 0}, {"le", 1, 1, 0},
        {"gt", 0, 0, 1}, {"ne", 1, 0, 1}, {"ge", 0, 1, 1}, {"t", 1, 1, 1},
    };
    // Where a is less than b.
    static const struct {
        const char *type;
        uint64_t a, b;
    } types[] = {
        {"i16", 0xffff, 0xabcd0001},
        {"u16", 0xabcd0001, 0xffff},
        {"i32", 0xffffffff, 1},
        {"u32", 1, 0xffffffff},
        {"i64", UINT64_C(1) << 63, 1},
        {"u64", 1, UINT64_C(1) << 63},
        {"u64", 0xffffffff, UINT64_C(1) << 32},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (unsigned x = 0; x < 2; x++) {
                char name[32];
                snprintf(name, sizeof name, "v_cmp%s_%s_%s", x ? "x" : "", rows[k].name,
                         types[t].type);
                assert_int_equal(holds(name, types[t].a, types[t].b), rows[k].less);
                assert_int_equal(holds(name, types[t].a, types[t].a), rows[k].equal);
                assert_int_equal(holds(name, types[t].b, types[t].a), rows[k].greater);
            }
}

static void classes_of_floats(void **state) {
    (void)state;
    static const uint64_t values[] = {SNAN,  QNAN, 0xff800000, 0xbf800000, 0x80000001,
                                      MINUS, 0,    0x00000001, ONE,        INF};
    static const uint64_t halves[] = {0x7c01, 0x7e00, 0xfc00, 0xbc00, 0x8001,
                                      0x8000, 0,      0x0001, 0x3c00, 0x7c00};
    static const uint64_t doubles[] = {UINT64_C(0x7ff0000000000001),
                                       UINT64_C(0x7ff8000000000000),
                                       UINT64_C(0xfff0000000000000),
                                       UINT64_C(0xbff0000000000000),
                                       UINT64_C(0x8000000000000001),
                                       UINT64_C(0x8000000000000000),
                                       0,
                                       1,
                                       UINT64_C(0x3ff0000000000000),
                                       UINT64_C(0x7ff0000000000000)};
    for (unsigned k = 0; k < 10; k++)
        for (unsigned class = 0; class < 10; class ++) {
            assert_int_equal(holds("v_cmp_class_f32", values[k], 1U << class), k == class);
            assert_int_equal(holds("v_cmp_class_f16", halves[k], 1U << class), k == class);
            assert_int_equal(holds("v_cmp_class_f64", doubles[k], 1U << class), k == class);
        }
    assert_true(holds("v_cmpx_class_f32", ONE, 0x3ff));
}

// Lanes may differ.
static void conditions_are_of_their_lanes(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction compare = vector_instruction("v_cmp_gt_u32");
    const unsigned a = vector_source_register(0), b = vector_source_register(1);
    uint64_t expected = 0;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        wave.vectors[a][lane] = lane * 2654435761U;
        wave.vectors[b][lane] = lane * lane * 40503U << 8;
        expected |= (uint64_t)(wave.vectors[a][lane] > wave.vectors[b][lane]) << lane;
    }
    vector_execute(&wave, &compare);
    assert_true(wave_scalar_64(&wave.wave, 40) == expected);

    struct instruction choose = vector_instruction("v_cndmask_b32");
    wave_set_scalar_64(&wave.wave, 42, expected);
    vector_execute(&wave, &choose);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        assert_int_equal(wave.vectors[0][lane],
                         expected >> lane & 1 ? wave.vectors[b][lane] : wave.vectors[a][lane]);
    vector_wave_close(&wave);
}

static void carries(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t a, b;
        bool carry_in;
        uint32_t result;
        bool carry_out;
    } rows[] = {
        {"v_add_co_u32", 0xffffffff, 1, 0, 0, 1},
        {"v_add_co_u32", 0xfffffffe, 1, 0, 0xffffffff, 0},
        {"v_addc_co_u32", 0xffffffff, 0, 1, 0, 1},
        {"v_addc_co_u32", 0xffffffff, 0xffffffff, 1, 0xffffffff, 1},
        {"v_addc_co_u32", 5, 6, 0, 11, 0},
        {"v_sub_co_u32", 5, 6, 0, 0xffffffff, 1},
        {"v_sub_co_u32", 6, 6, 0, 0, 0},
        {"v_subrev_co_u32", 5, 6, 0, 1, 0},
        {"v_subb_co_u32", 6, 6, 1, 0xffffffff, 1},
        {"v_subb_co_u32", 0, 0xffffffff, 1, 0, 1},
        {"v_subbrev_co_u32", 6, 8, 1, 1, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct vector_wave wave;
        vector_wave_open(&wave);
        struct instruction sum = vector_instruction(rows[k].name);
        wave_set_scalar_64(&wave.wave, SCALAR_EXEC, some_lanes);
        wave_set_scalar_64(&wave.wave, 44, UINT64_MAX);
        wave_set_scalar_64(&wave.wave, 42, rows[k].carry_in ? UINT64_MAX : 0);
        vector_fill(&wave, vector_source_register(0), rows[k].a);
        vector_fill(&wave, vector_source_register(1), rows[k].b);
        vector_execute(&wave, &sum);
        assert_int_equal(wave.vectors[0][0], rows[k].result);
        assert_int_equal(wave.vectors[0][63], rows[k].result);
        assert_int_equal(wave.vectors[0][1], 0xa5000001); // is off
        assert_true(wave_scalar_64(&wave.wave, 44) == (rows[k].carry_out ? some_lanes : 0));
        vector_wave_close(&wave);
    }
}

static void wide_sums(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t a, b;
        uint64_t c, result;
        bool carry;
    } rows[] = {
        {"v_mad_u64_u32", 0xffffffff, 0xffffffff, 5, UINT64_C(0xfffffffe00000006), 0},
        {"v_mad_u64_u32", 0xffffffff, 0xffffffff, UINT64_MAX, UINT64_C(0xfffffffe00000000), 1},
        {"v_mad_i64_i32", 0xffffffff, 3, 1, UINT64_C(0xfffffffffffffffe), 1},
        {"v_mad_i64_i32", 3, 3, 1, 10, 0},
        {"v_mad_i64_i32", 1, 1, INT64_MAX, UINT64_C(0x8000000000000000), 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct vector_wave wave;
        vector_wave_open(&wave);
        struct instruction sum = vector_instruction(rows[k].name);
        vector_fill(&wave, vector_source_register(0), rows[k].a);
        vector_fill(&wave, vector_source_register(1), rows[k].b);
        vector_fill_64(&wave, vector_source_register(2), rows[k].c);
        vector_execute(&wave, &sum);
        assert_int_equal(wave.vectors[0][11], (uint32_t)rows[k].result);
        assert_int_equal(wave.vectors[1][11], rows[k].result >> 32);
        assert_true(wave_scalar_64(&wave.wave, 44) == (rows[k].carry ? UINT64_MAX : 0));
        vector_wave_close(&wave);
    }
}

static void single_lanes(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    const unsigned a = vector_source_register(0);
    struct instruction first = vector_instruction("v_readfirstlane_b32");
    wave_set_scalar_64(&wave.wave, SCALAR_EXEC, UINT64_C(1) << 37);
    vector_execute(&wave, &first);
    assert_int_equal(wave.wave.scalars[40], wave.vectors[a][37]);
    wave_set_scalar_64(&wave.wave, SCALAR_EXEC, 0);
    vector_execute(&wave, &first);
    assert_int_equal(wave.wave.scalars[40], wave.vectors[a][0]);

    struct instruction read = vector_instruction("v_readlane_b32");
    read.sources[1] = (struct operand){.kind = OPERAND_SCALAR, .words = 1, .first = SCALAR_M0};
    wave.wave.scalars[SCALAR_M0] = 64 + 12;
    vector_execute(&wave, &read);
    assert_int_equal(wave.wave.scalars[40], wave.vectors[a][12]);

    struct instruction write = vector_instruction("v_writelane_b32");
    write.sources[0] = (struct operand){.kind = OPERAND_CONSTANT, .words = 1, .bits = 99};
    write.sources[1] = (struct operand){.kind = OPERAND_CONSTANT, .words = 1, .bits = 13};
    vector_execute(&wave, &write);
    assert_int_equal(wave.vectors[0][13], 99);
    assert_int_equal(wave.vectors[0][12], 0xa500000c);

    wave_set_scalar_64(&wave.wave, SCALAR_EXEC, 2);
    struct instruction swap = vector_instruction("v_swap_b32");
    swap.destinations[1].kind = OPERAND_VECTOR;
    swap.destinations[1].first = 5;
    vector_execute(&wave, &swap);
    assert_int_equal(wave.vectors[0][1], 0xa5000501);
    assert_int_equal(wave.vectors[5][1], 0xa5000001);
    assert_int_equal(wave.vectors[5][2], 0xa5000502);
    vector_wave_close(&wave);
}

// How many lanes below its own have their bit set: lo, then hi.
static void counts_of_lanes_below(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction low = vector_instruction("v_mbcnt_lo_u32_b32");
    struct instruction high = vector_instruction("v_mbcnt_hi_u32_b32");
    low.sources[0] = (struct operand){.kind = OPERAND_SCALAR, .words = 1, .first = 10};
    low.sources[1] = (struct operand){.kind = OPERAND_CONSTANT, .words = 1, .bits = 100};
    high.sources[0] = (struct operand){.kind = OPERAND_SCALAR, .words = 1, .first = 11};
    high.sources[1].first = 0;
    wave_set_scalar_64(&wave.wave, 10, some_lanes);
    vector_execute(&wave, &low);
    vector_execute(&wave, &high);
    for (uint32_t lane = 0, below = 0; lane < WAVE_LANES; lane++) {
        assert_int_equal(wave.vectors[0][lane], 100 + below);
        below += (uint32_t)(some_lanes >> lane & 1);
    }
    vector_wave_close(&wave);
}

// A destination may be a source, also of two registers that overlap by one.
static void registers_may_be_both(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction shift = vector_instruction("v_lshlrev_b64");
    shift.sources[0] = (struct operand){.kind = OPERAND_CONSTANT, .words = 1, .bits = 8};
    shift.sources[1].first = 1;
    vector_fill_64(&wave, 1, UINT64_C(0x1122334455667788));
    vector_execute(&wave, &shift);
    assert_int_equal(wave.vectors[0][50], 0x66778800);
    assert_int_equal(wave.vectors[1][50], 0x22334455);

    struct instruction exchange = vector_instruction("v_pk_mul_f32");
    exchange.sources[0].first = 0;
    exchange.sources[1] = (struct operand){.kind = OPERAND_CONSTANT, .words = 2, .bits = ONE};
    exchange.op_sel = 1;
    exchange.op_sel_hi = 0;
    vector_fill_64(&wave, 0, UINT64_C(0x400000003f800000));
    vector_execute(&wave, &exchange);
    assert_int_equal(wave.vectors[0][50], 0x40000000);
    assert_int_equal(wave.vectors[1][50], 0x3f800000);
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_of_floats),
        cmocka_unit_test(comparisons_of_integers),
        cmocka_unit_test(classes_of_floats),
        cmocka_unit_test(conditions_are_of_their_lanes),
        cmocka_unit_test(carries),
        cmocka_unit_test(wide_sums),
        cmocka_unit_test(single_lanes),
        cmocka_unit_test(counts_of_lanes_below),
        cmocka_unit_test(registers_may_be_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
