// The functions of memory_instructions.def: what each does stands beside its name there.
#ifndef RUNTIME_SIMULATOR_MEMORY_FUNCTIONS_H
#define RUNTIME_SIMULATOR_MEMORY_FUNCTIONS_H

#include "runtime/simulator/instruction.h"

// Scalar memory (scalar_memory.c).
instruction_function scalar_load, scalar_time, scalar_real_time, scalar_invalidate,
    scalar_write_back;

// Flat and global memory (global_memory.c). _zero and _sign widen bytes and halves to a register,
// _low and _high fill one half of it.
instruction_function global_load, global_load_zero, global_load_sign, global_load_low,
    global_load_high, global_load_low_sign, global_load_high_sign, global_store, global_store_high;
instruction_function atomic_swap, atomic_compare_swap, atomic_add, atomic_sub, atomic_signed_min,
    atomic_unsigned_min, atomic_signed_max, atomic_unsigned_max, atomic_and, atomic_or, atomic_xor,
    atomic_increment, atomic_decrement, atomic_add_f32, atomic_add_f64;
instruction_function cache_invalidate, cache_write_back;

// LDS (lds.c). _two: at offset0 and offset1, in units of their size; _far: of 64 times that.
instruction_function lds_read, lds_read_zero, lds_read_sign, lds_read_low, lds_read_high,
    lds_read_low_sign, lds_read_high_sign, lds_read_two, lds_read_two_far;
instruction_function lds_write, lds_write_high, lds_write_two, lds_write_two_far;
instruction_function lds_swap, lds_compare_swap, lds_add, lds_sub, lds_increment, lds_decrement,
    lds_signed_min, lds_signed_max, lds_unsigned_min, lds_unsigned_max, lds_and, lds_or, lds_xor,
    lds_add_f32, lds_add_f64;
instruction_function lds_swizzle, lds_permute, lds_permute_back, lds_nothing;

#endif
