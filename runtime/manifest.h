// The manifest: all that the runtime knows of a kernel, read from the 7-manifest.json that
// generation wrote beside it. docs/manifest.md defines the file; this is its form in memory.
#ifndef RUNTIME_MANIFEST_H
#define RUNTIME_MANIFEST_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_FILE_NAME "7-manifest.json"

enum { MANIFEST_FORMAT = 2, MANIFEST_MAX_CUS = 4096, MANIFEST_MAX_XCDS = 32 };

// Of weights in a checkpoint and as the kernel reads them: "bf16", "fp16" and "fp32".
enum weight_dtype { WEIGHT_BF16, WEIGHT_F16, WEIGHT_F32 };

// Of the weights in a unit: row after row, or as the lanes of a wave take them for matrix
// instructions (docs/manifest.md).
enum unit_order { UNIT_ROWS, UNIT_FRAGMENTS };
enum { MANIFEST_FRAGMENT_ROWS = 16, MANIFEST_FRAGMENT_COLUMNS = 32 };

struct manifest_model {
    const char *name;
    uint32_t vocab, context, layers;
    const uint32_t *bos, *eos; // token ids, [bos_count] and [eos_count]
    size_t bos_count, eos_count;
};

// The chip as whoever executes the kernel without it needs to know it. Absent (no XCD): that is not
// possible.
struct manifest_chip {
    const uint32_t *iod_of_xcd; // [xcds], below MANIFEST_MAX_XCDS
    uint32_t xcds, cus_per_xcd;
    uint32_t simds_per_cu, waves_per_simd;
    uint32_t registers_per_lane, register_granule; // of a SIMD
    uint32_t lds_bytes;                            // of a CU
    uint32_t cache_line_bytes;
    uint32_t l1_bytes, l1_ways, l2_bytes, l2_ways; // L1 of a CU, L2 of an XCD
    uint32_t clock_mhz, realtime_mhz;
    uint32_t handoff_ns; // from XCD to XCD
};

struct manifest_target {
    const char *name;    // "mi300x"
    const char *backend; // "host", "hip" or "cuda": the name of a struct backend
    const char *isa;     // "gfx942", "sm_90a"; "native" on the host
    uint32_t cus;        // used by the plan
    uint32_t xcds;
    struct manifest_chip chip;
};

struct manifest_argument {
    const char *name; // of runtime/kernel_arguments.def
    size_t bytes;     // 4 or 8, also its alignment
    size_t offset;    // in the argument block; follows from the order
};

struct manifest_kernel {
    const char *object;  // file name within the kernel folder
    const char *listing; // of its disassembly; NULL: there is none
    const char *symbol;
    uint32_t workgroups, threads_per_workgroup;
    size_t lds_bytes;         // of a workgroup; on cuda the launch brings them
    uint32_t epochs_per_step; // by which the epoch grows with each token position
    const struct manifest_argument *arguments;
    size_t argument_count;
    size_t argument_block_bytes; // a multiple of 8
};

struct manifest_memory {
    size_t weights_bytes, vectors_bytes, kv_bytes;
    size_t mailbox_pairs; // 8 bytes each
};

// The KV cache is [arrays][splits][split_positions][row_elements], an array for K and for V of each
// KV head of each layer. Positions go to the splits in blocks, in turn: see manifest_kv_row. Of a
// row the first head_dim elements mean something, the others stay zero.
struct manifest_kv {
    enum weight_dtype dtype; // WEIGHT_BF16 or WEIGHT_F32
    uint32_t head_dim, row_elements;
    uint32_t splits, split_positions; // together at least the context
    uint32_t block;                   // positions that follow each other in a split
    size_t arrays;                    // follows from memory.kv_bytes
};

// Table [rows][pair_count][2] f32 of cosine and sine, both times amplitude, see rope_table.h. A
// model without rotary embedding has none.
struct manifest_rope {
    size_t offset; // in the memory of the tables, which follow each other
    uint32_t rows;
    const double *inverse_frequencies; // [pair_count] radians a position
    size_t pair_count;                 // at least 1: half of the rotated part of a head
    double amplitude;
};

// CU c owns the tiles first_tile[c] .. first_tile[c + 1] - 1 of a stage.
struct manifest_partition {
    const char *name;
    const uint64_t *first_tile; // [target.cus + 1], ascending from 0
};

// Row tensor_first + j of the tensor ([tensor_rows][columns of the stage]) lands in packed row
// first + j * stride, j = 0 .. rows - 1.
struct manifest_part {
    const char *tensor;
    uint64_t tensor_rows, tensor_first;
    uint64_t rows, first, stride;
};

// The weights of one step: tiles * tile_rows packed rows.
struct manifest_stage {
    int step; // of the schedule
    const char *name;
    int layer; // -1: belongs to none
    uint64_t tiles, tile_rows, columns, unit_columns;
    const struct manifest_partition *partition;
    const struct manifest_part *parts;
    size_t part_count;
};

enum region_layout {
    REGION_TILES, // stages, packed in the order in which each CU streams them
    REGION_ROWS,  // one tensor as it is, [rows][columns]
};

struct manifest_region {
    const char *name;
    size_t offset, bytes; // in the weights
    enum region_layout layout;
    const struct manifest_stage *stages; // REGION_TILES
    size_t stage_count;
    const char *tensor; // REGION_ROWS
    uint64_t rows, columns;
};

enum vector_holds { VECTOR_NORM, VECTOR_BIAS };

// A tensor of one dimension, or a slice of it, kept as f32 with `add` added to each element:
// element tensor_first + j is float first + j * stride from the offset, j = 0 .. elements - 1.
struct manifest_vector {
    const char *tensor;
    enum vector_holds holds;
    size_t tensor_elements, tensor_first;
    size_t offset; // in the vectors, a multiple of 16
    size_t elements, first, stride;
    double add;
};

struct manifest_step {
    int step;
    const char *name;
    int layer; // -1: belongs to none
};

// Of a kernel that traces; else zero.
struct manifest_trace {
    uint32_t logs;    // of a CU
    uint32_t records; // of a log: struct kernel_trace_record
};

struct manifest_mailbox {
    const char *name;
    size_t first_pair, pairs; // in the mailbox arena
};

struct manifest {
    const char *generator, *plan; // who wrote it; digest of the plan
    struct manifest_model model;
    struct manifest_target target;
    struct manifest_kernel kernel;
    struct manifest_memory memory;
    struct manifest_kv kv;
    const struct manifest_rope *ropes;
    size_t rope_count;
    enum weight_dtype weight_dtype;
    enum unit_order unit_order;
    const struct manifest_region *regions;
    size_t region_count;
    const struct manifest_partition *partitions;
    size_t partition_count;
    const struct manifest_vector *vectors;
    size_t vector_count;
    const struct manifest_step *steps;
    size_t step_count;
    const struct manifest_mailbox *mailboxes;
    size_t mailbox_count;
    struct manifest_trace trace;
};

// Reads and checks kernel_folder/7-manifest.json. Ensures all that docs/manifest.md demands: sizes
// do not overflow, regions and vectors lie within their memories and do not overlap, the bytes of
// each region are what its stages need, every argument is one of runtime/kernel_arguments.def.
// NULL after filling *error. The manifest owns all it points to.
struct manifest *manifest_open(const char *kernel_folder, struct monogen_error *error);
void manifest_close(struct manifest *manifest); // NULL is fine

size_t weight_dtype_bytes(enum weight_dtype dtype);     // 2 or 4
const char *weight_dtype_name(enum weight_dtype dtype); // "bf16"

// Which row of an array of the KV cache holds a position.
size_t manifest_kv_row(const struct manifest_kv *kv, uint32_t position);

bool manifest_is_stop_token(const struct manifest *manifest, uint32_t token); // one of model.eos

// Columns of a packed row: columns rounded up to whole units.
uint64_t manifest_padded_columns(const struct manifest_stage *stage);

// Records of all CUs' logs; 0: the kernel does not trace.
size_t manifest_trace_records(const struct manifest *manifest);

#endif
