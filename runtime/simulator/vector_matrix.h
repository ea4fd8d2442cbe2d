// Products of matrices: D = A * B + C, of `blocks` matrices each. A lane holds values of one row of
// A and one column of B, which follow each other along the summed index, and of D groups of four
// rows of one column. EXEC does not matter. What the hardware rounds on the way is not told: here a
// sum is f64, and is rounded once. Included by vector_kernels.h.

enum matrix_format {
    FORMAT_f32,
    FORMAT_f16,
    FORMAT_bf16,
    FORMAT_fp8,
    FORMAT_bf8,
    FORMAT_i8,
};

struct matrix_shape {
    unsigned rows, columns, blocks;
    unsigned lane_values; // of A and of B in a lane
    enum matrix_format a, b;
};

enum {
    MATRIX_VALUES_MAX = 512, // of A or B: 64 lanes, 8 each
    MATRIX_REGISTERS_MAX = 32
};

static inline double matrix_value(enum matrix_format format, uint32_t word, unsigned place) {
    switch (format) {
    case FORMAT_f32:
        return (double)f32_from_bits(word);
    case FORMAT_f16:
        return (double)f32_of_f16(word >> 16 * place & 0xffff);
    case FORMAT_bf16:
        return (double)f32_from_bf16((uint16_t)(word >> 16 * place));
    case FORMAT_fp8:
        return (double)f32_of_fp8(word >> 8 * place & 0xff);
    case FORMAT_bf8:
        return (double)f32_of_bf8(word >> 8 * place & 0xff);
    case FORMAT_i8:
        return signed_byte(word, place);
    }
    return 0;
}

static unsigned values_of_word(enum matrix_format format) {
    return format == FORMAT_f32 ? 1 : format == FORMAT_f16 || format == FORMAT_bf16 ? 2 : 4;
}

// Source A or B as values[summed index][block][row or column], of which there are 64 in all lanes
// of a register's place.
static void matrix_source(struct wave *wave, const struct instruction *instruction, unsigned source,
                          enum matrix_format format, unsigned lane_values, unsigned across,
                          double *values) {
    const unsigned in_word = values_of_word(format);
    lane_words scratch;
    for (unsigned k = 0; k < lane_values; k++) {
        const uint32_t *words =
            vector_source(wave, instruction, source, k / in_word, MEANING_INTEGER, scratch);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            values[(lane / across * lane_values + k) * across + lane % across] =
                matrix_value(format, words[lane], k % in_word);
    }
}

static inline void matrix_row(const double *a, const double *b, unsigned sum_length,
                              unsigned across_a, unsigned across_b, unsigned columns,
                              double *sums) {
    for (unsigned k = 0; k < sum_length; k++)
        for (unsigned column = 0; column < columns; column++)
            sums[column] += a[k * across_a] * b[k * across_b + column];
}

static inline void matrix_multiply(struct wave *wave, const struct instruction *instruction,
                                   struct matrix_shape shape) {
    const bool is_integer = shape.a == FORMAT_i8;
    const unsigned across_a = shape.rows * shape.blocks, across_b = shape.columns * shape.blocks;
    const unsigned sum_length = shape.lane_values * WAVE_LANES / across_a;
    const unsigned registers = shape.rows * across_b / WAVE_LANES;
    const unsigned lane_groups = WAVE_LANES / shape.columns, row_groups = shape.rows / 4;
    const unsigned broadcast = instruction->immediate & 15,
                   chosen = instruction->immediate >> 4 & 15;
    double a[MATRIX_VALUES_MAX], b[MATRIX_VALUES_MAX];
    uint32_t results[MATRIX_REGISTERS_MAX][WAVE_LANES];
    bool direct;
    if (!vector_begin(wave, instruction, 0, registers, &direct))
        return;
    if (instruction->immediate >> 8 || 1U << broadcast > shape.blocks || chosen >> broadcast) {
        wave_fail(wave, instruction, "cbsz, abid and blgp are not known so with this instruction");
        return;
    }
    if (!vector_has(wave, instruction, 0, registers)) {
        wave_fail(wave, instruction, "a destination that is not within the wave's %u registers",
                  wave->vector_count);
        return;
    }
    matrix_source(wave, instruction, 0, shape.a, shape.lane_values, across_a, a);
    matrix_source(wave, instruction, 1, shape.b, shape.lane_values, across_b, b);
    const bool c_is_constant = instruction->sources[2].kind == OPERAND_CONSTANT;
    for (unsigned r = 0; r < registers; r++) {
        lane_words scratch;
        const uint32_t *c = vector_source(wave, instruction, 2, c_is_constant ? 0 : r,
                                          is_integer ? MEANING_INTEGER : MEANING_F32, scratch);
        for (unsigned group = 0; group < lane_groups; group++) {
            const unsigned four_rows = group + r / 4 * lane_groups;
            const unsigned block = four_rows / row_groups;
            const unsigned row = four_rows % row_groups * 4 + r % 4;
            // Of 2^broadcast blocks, all use A of the chosen one.
            const unsigned block_a = block >> broadcast << broadcast | chosen;
            const unsigned first = group * shape.columns;
            double sums[WAVE_LANES];
            for (unsigned column = 0; column < shape.columns; column++)
                sums[column] = is_integer ? (double)(int32_t)c[first + column]
                                          : (double)f32_from_bits(c[first + column]);
            matrix_row(a + block_a * shape.rows + row, b + block * shape.columns, sum_length,
                       across_a, across_b, shape.columns, sums);
            for (unsigned column = 0; column < shape.columns; column++)
                results[r][first + column] =
                    is_integer ? (uint32_t)(int64_t)sums[column] : f32_bits((float)sums[column]);
        }
    }
    memcpy(wave->vectors[instruction->destinations[0].first], results,
           registers * sizeof results[0]);
}

#define MATRIX(name, rows, columns, blocks, lane_values, A, B)                                     \
    KERNEL(name) {                                                                                 \
        matrix_multiply(                                                                           \
            wave, instruction,                                                                     \
            (struct matrix_shape){rows, columns, blocks, lane_values, FORMAT_##A, FORMAT_##B});    \
    }
