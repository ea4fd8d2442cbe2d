#include "tests/support/fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 16, LANES = 32, LANE_ELEMENTS = 8, RUN_COLUMNS = 32 };

const unsigned fragment_tile_rows[] = {4, 8, 16, 0};
const unsigned fragment_unit_bytes[] = {1024, 2048, 4096, 8192, 0};

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", A: of the registers a0 ..
// a7 of a lane, row and column (0 to 15) of the matrix that a_i is.
static unsigned a_row(unsigned lane, unsigned i) {
    const unsigned group = lane / 4;
    return i < 2 || (i >= 4 && i < 6) ? group : group + 8;
}
static unsigned a_column(unsigned lane, unsigned i) {
    const unsigned thread_in_group = lane % 4;
    return i < 4 ? thread_in_group * 2 + i % 2 : thread_in_group * 2 + i % 2 + 8;
}

// The same section, B: the row of b_i, which is the column of A that it is multiplied with.
static unsigned b_row(unsigned lane, unsigned i) {
    const unsigned thread_in_group = lane % 4;
    return i < 2 ? thread_in_group * 2 + i % 2 : thread_in_group * 2 + i % 2 + 8;
}

// A sum over columns may take them in any order, as long as A and B agree. A lane reads 8 columns
// of the activation that follow each other; the first four are b0 .. b3 of one instruction, the
// others those of the next. This is the column, of a run of 32, that stands for A's column `k`.
static unsigned column_of_run(unsigned instruction, unsigned k) {
    for (unsigned thread = 0; thread < 4; thread++)
        for (unsigned i = 0; i < 4; i++)
            if (b_row(thread, i) == k)
                return thread * 8 + instruction % 2 * 4 + i;
    fail_msg("no lane holds row %u of B", k);
    return 0;
}

struct fragment_place fragment_place(unsigned tile_rows, unsigned unit_columns, unsigned index) {
    const unsigned instruction = index / (LANES * LANE_ELEMENTS);
    const unsigned lane = index / LANE_ELEMENTS % LANES, i = index % LANE_ELEMENTS;
    const unsigned row = a_row(lane, i);
    const unsigned column =
        instruction / 2 * RUN_COLUMNS + column_of_run(instruction, a_column(lane, i));
    // Rows of the instruction beyond those of the tile are the tile's again, further right.
    const unsigned part_columns = unit_columns * tile_rows / ROWS;
    return (struct fragment_place){row % tile_rows, row / tile_rows * part_columns + column};
}
