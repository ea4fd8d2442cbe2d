// The rotary table: cosines and sines of every position, computed once at load.
#ifndef RUNTIME_ROPE_TABLE_H
#define RUNTIME_ROPE_TABLE_H

#include "runtime/backend/backend.h"
#include "runtime/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t rope_tables_bytes(const struct manifest *manifest); // 0 without a rotary embedding

// Rows first .. first + count - 1 into table [count][pair_count][2] f32: cosine and sine of
// a = position * inverse frequency, where both factors and a are rounded to f32 (as the models are
// trained), times the amplitude.
void rope_table_fill(const struct manifest_rope *rope, uint32_t first, uint32_t count,
                     float *table);

// Fills `memory` [rope_tables_bytes] with all tables. False after filling *error.
bool rope_tables_load(const struct manifest *manifest, const struct backend *backend,
                      struct device *device, const struct device_memory *memory,
                      struct monogen_error *error);

#endif
