// Target: a chip as data, from specs/targets/<name>.lua.
#ifndef GENERATOR_TARGET_TARGET_H
#define GENERATOR_TARGET_TARGET_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"
#include "generator/model/model.h"
#include "generator/script/script.h"

struct target_xcd {
    int xcd, iod;
};

struct target {
    const char *name, *isa;
    const char *backend;  // of the runtime: "hip", "cuda", "host"
    const char *compiler; // "comgr", "cxx"
    const char *prelude;  // templates/device/<prelude>.h
    const char *engine;   // how weights stream and rows are multiplied: see plan/engine.h
    const char *const *compiler_options; // NULL-terminated
    struct target_xcd *xcds;             // in order of their hardware number
    int xcd_count, iod_count;
    int cus_per_xcd;
    int default_cus; // used unless told otherwise; at most xcd_count * cus_per_xcd
    int wave_lanes;
    int streaming_waves, handoff_waves; // of a workgroup; handoff 0: one thread does everything
    int lds_bytes, lds_minimum_bytes; // capacity; what to request so that no CU gets two workgroups
    int instruction_cache_bytes, instruction_cache_shared_by;     // 0: no limit
    int registers_per_lane, register_granule, waves_per_simd_max; // 0 where there are none
    // What executing its kernels without the chip takes; all 0: that is not possible.
    int simds_per_cu, cache_line_bytes, l1_bytes, l1_ways, l2_bytes, l2_ways;
    int clock_mhz, realtime_mhz;
    int64_t memory_bytes; // 0: unknown
    double sweep_gbps[2]; // lowest and highest measured read bandwidth
    double cu_gbps;       // of one CU where few read; 0: no more than its share of the sweep
    double merge_ns;      // that the merge of attention's splits adds to a layer; 0: as a hand-off
    double handoff_ns_same_cu, handoff_ns_same_xcd, handoff_ns_across;
};

// Reads specs/targets/<name>.lua (or a path ending in .lua) and validates it; applies overrides.
bool target_load(struct script *script, const char *specs, const char *name,
                 struct override_list *overrides, struct arena *arena, struct target *target,
                 struct diagnostics *diagnostics);

// Names of the target's overridable keys, NULL-terminated, for help and "did you mean".
extern const char *const target_keys[];

#endif
