// The packer's unit order "fragments", against tests/support/fragments.h.
#include "runtime/random_weights.h"
#include "tests/support/fragments.h"
#include "tests/support/loaded_weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A stage of TILES tiles on three CUs, one of them without any: rows of "gate" and "up" alternate,
// and no part fills the last packed row.
enum { TILES = 3, SEED = 5, WEIGHT_BYTES = 2 };

struct stage {
    unsigned tile_rows, unit_columns, columns;
    const char *dtype, *stored_dtype; // "bf16", "BF16"
    enum weight_dtype weight_dtype;
};

static unsigned packed_rows(const struct stage *stage) { return TILES * stage->tile_rows; }
static unsigned units(const struct stage *stage) {
    return (stage->columns + stage->unit_columns - 1) / stage->unit_columns;
}
static unsigned gate_rows(const struct stage *stage) { return packed_rows(stage) / 2; }
static unsigned up_rows(const struct stage *stage) { return packed_rows(stage) / 2 - 1; }

static void describe(struct kernel_folder *folder, const struct stage *stage) {
    const unsigned bytes = packed_rows(stage) * units(stage) * stage->unit_columns * WEIGHT_BYTES;
    char json[2048];
    snprintf(json, sizeof json,
             "{\"dtype\":\"%s\",\"unit_order\":\"fragments\",\"regions\":[{\"name\":\"layers\","
             "\"offset\":0,\"bytes\":%u,\"layout\":\"tiles\",\"stages\":[{\"step\":1,"
             "\"name\":\"gate_up\",\"layer\":0,\"tiles\":%d,\"tile_rows\":%u,\"columns\":%u,"
             "\"unit_columns\":%u,\"partition\":\"even\",\"parts\":["
             "{\"tensor\":\"gate\",\"tensor_rows\":%u,\"tensor_first\":0,\"rows\":%u,"
             "\"first\":0,\"stride\":2},"
             "{\"tensor\":\"up\",\"tensor_rows\":%u,\"tensor_first\":0,\"rows\":%u,"
             "\"first\":1,\"stride\":2}]}]}]}",
             stage->dtype, bytes, TILES, stage->tile_rows, stage->columns, stage->unit_columns,
             gate_rows(stage), gate_rows(stage), up_rows(stage), up_rows(stage));
    kernel_folder_set(folder, "weights", json);
    kernel_folder_set(folder, "partitions[0].first_tile", "[0,2,2,3]");
    kernel_folder_set(folder, "vectors", "[]");
    kernel_folder_set_integer(folder, "memory.weights_bytes", bytes);
    kernel_folder_set_integer(folder, "memory.vectors_bytes", 0);
}

// The stage's matrix, [packed_rows][columns]: what the two tensors hold, and zeros.
static uint16_t *packed_matrix(const struct stage *stage, const uint16_t *gate,
                               const uint16_t *up) {
    uint16_t *matrix = calloc((size_t)packed_rows(stage) * stage->columns, sizeof *matrix);
    assert_non_null(matrix);
    for (unsigned row = 0; row < gate_rows(stage) + up_rows(stage); row++)
        memcpy(matrix + (size_t)row * stage->columns,
               (row % 2 ? up : gate) + (size_t)(row / 2) * stage->columns,
               stage->columns * sizeof *matrix);
    return matrix;
}

static void expect_packed(const struct stage *stage, const struct loaded_weights *loaded,
                          const uint16_t *matrix, const char *source) {
    const unsigned unit_elements = stage->tile_rows * stage->unit_columns;
    for (unsigned at = 0; at < TILES * units(stage) * unit_elements; at++) {
        const unsigned tile = at / unit_elements / units(stage);
        const unsigned unit = at / unit_elements % units(stage);
        const struct fragment_place place =
            fragment_place(stage->tile_rows, stage->unit_columns, at % unit_elements);
        const unsigned row = tile * stage->tile_rows + place.row;
        const unsigned column = unit * stage->unit_columns + place.column;
        const uint16_t expected =
            column < stage->columns ? matrix[row * stage->columns + column] : 0;
        uint16_t stored;
        memcpy(&stored, loaded->weights + (size_t)at * sizeof stored, sizeof stored);
        if (stored != expected)
            fail_msg("%s %s, %u rows, units of %u columns, %u columns: element %u of unit %u of "
                     "tile %u is 0x%04x, not row %u, column %u: 0x%04x",
                     source, stage->dtype, stage->tile_rows, stage->unit_columns, stage->columns,
                     at % unit_elements, unit, tile, stored, row, column, expected);
    }
}

static void expect_loaded(struct kernel_folder *folder, const struct stage *stage,
                          const struct safetensors *checkpoint, const uint16_t *matrix) {
    const struct weight_source source = {.checkpoint = checkpoint, .random_seed = SEED};
    for (enum load_path path = LOAD_IN_PLACE; path <= LOAD_STAGED; path++) {
        struct loaded_weights loaded;
        if (!loaded_weights_open(folder, &source, path, &loaded, &folder->error))
            fail_msg("%s", folder->error.message);
        expect_packed(stage, &loaded, matrix, checkpoint ? "stored" : "random");
        loaded_weights_close(&loaded);
    }
}

// Elements are never zero, and those of one tile differ: 2^16 - 1 values before one comes again.
static void from_a_checkpoint(struct kernel_folder *folder, const struct stage *stage) {
    const size_t gate_elements = (size_t)gate_rows(stage) * stage->columns;
    const size_t up_elements = (size_t)up_rows(stage) * stage->columns;
    uint16_t *gate = malloc(gate_elements * sizeof *gate), *up = malloc(up_elements * sizeof *up);
    assert_non_null(gate);
    assert_non_null(up);
    for (size_t i = 0; i < gate_elements; i++)
        gate[i] = (uint16_t)(1 + 2 * i % 0xffff);
    for (size_t i = 0; i < up_elements; i++)
        up[i] = (uint16_t)(1 + (2 * i + 1) % 0xffff);
    char shapes[2][32];
    snprintf(shapes[0], sizeof shapes[0], "[%u,%u]", gate_rows(stage), stage->columns);
    snprintf(shapes[1], sizeof shapes[1], "[%u,%u]", up_rows(stage), stage->columns);
    const struct tensor_to_write tensors[] = {
        {"gate", stage->stored_dtype, shapes[0], gate, gate_elements * sizeof *gate},
        {"up", stage->stored_dtype, shapes[1], up, up_elements * sizeof *up}};
    kernel_folder_write_tensors(folder, "model.safetensors", tensors, 2);
    struct safetensors *checkpoint = safetensors_open_checkpoint(folder->path, &folder->error);
    if (!checkpoint)
        fail_msg("%s", folder->error.message);
    uint16_t *matrix = packed_matrix(stage, gate, up);
    expect_loaded(folder, stage, checkpoint, matrix);
    safetensors_close(checkpoint);
    free(matrix);
    free(gate);
    free(up);
}

static void from_random_numbers(struct kernel_folder *folder, const struct stage *stage) {
    static const char *const names[2] = {"gate", "up"};
    const size_t rows[2] = {gate_rows(stage), up_rows(stage)};
    uint16_t *tensors[2];
    for (int i = 0; i < 2; i++) {
        tensors[i] = malloc(rows[i] * stage->columns * sizeof *tensors[i]);
        assert_non_null(tensors[i]);
        random_weights_fill(random_weights_key(SEED, names[i]), stage->columns, stage->weight_dtype,
                            0, rows[i] * stage->columns, tensors[i]);
    }
    uint16_t *matrix = packed_matrix(stage, tensors[0], tensors[1]);
    expect_loaded(folder, stage, NULL, matrix);
    free(matrix);
    free(tensors[0]);
    free(tensors[1]);
}

static void units_are_fragments(void **state) {
    struct kernel_folder *folder = *state;
    static const struct stage types[] = {
        {.dtype = "bf16", .stored_dtype = "BF16", .weight_dtype = WEIGHT_BF16},
        {.dtype = "fp16", .stored_dtype = "F16", .weight_dtype = WEIGHT_F16}};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (const unsigned *rows = fragment_tile_rows; *rows; rows++)
            for (const unsigned *bytes = fragment_unit_bytes; *bytes; bytes++) {
                struct stage stage = types[t];
                stage.tile_rows = *rows;
                stage.unit_columns = *bytes / WEIGHT_BYTES / *rows;
                // whole units; an odd rest; a unit that is hardly begun
                const unsigned columns[] = {2 * stage.unit_columns, stage.unit_columns + 37, 3};
                for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
                    stage.columns = columns[c];
                    describe(folder, &stage);
                    from_a_checkpoint(folder, &stage);
                    from_random_numbers(folder, &stage);
                }
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        units_are_fragments, kernel_folder_open, kernel_folder_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
