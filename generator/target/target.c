#include "generator/target/target.h"

#include "generator/base/file.h"
#include "generator/model/fields.h"
#include "generator/model/names.h"

#include <string.h>

enum { TARGET_MAX_BYTES = 1 << 20, MAX_XCDS = 32, MAX_IODS = 32, MAX_CUS = 4096, MAX_OPTIONS = 64 };

#define IN_TARGET(member) .offset = offsetof(struct target, member)

static const struct field fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .required = true, IN_TARGET(name)},
    {.name = "isa", .kind = FIELD_TEXT, .required = true, IN_TARGET(isa)},
    {.name = "backend", .kind = FIELD_TEXT, .required = true, IN_TARGET(backend)},
    {.name = "compiler", .kind = FIELD_TEXT, .required = true, IN_TARGET(compiler)},
    {.name = "compiler_options",
     .kind = FIELD_TEXTS,
     IN_TARGET(compiler_options),
     .capacity = MAX_OPTIONS},
    {.name = "prelude", .kind = FIELD_TEXT, .required = true, IN_TARGET(prelude)},
    {.name = "engine", .kind = FIELD_TEXT, .required = true, IN_TARGET(engine)},
    {.name = "dies", .kind = FIELD_OTHER, .required = true},
    {"cus_per_xcd", FIELD_INTEGER, true, 1, 512, NULL, IN_TARGET(cus_per_xcd)},
    {"default_cus", FIELD_INTEGER, true, 1, MAX_CUS, NULL, IN_TARGET(default_cus)},
    {"wave_lanes", FIELD_INTEGER, true, 1, 128, NULL, IN_TARGET(wave_lanes)},
    {"streaming_waves", FIELD_INTEGER, true, 1, 64, NULL, IN_TARGET(streaming_waves)},
    {"handoff_waves", FIELD_INTEGER, true, 0, 64, NULL, IN_TARGET(handoff_waves)},
    {"lds_bytes", FIELD_INTEGER, true, 1024, 1 << 26, NULL, IN_TARGET(lds_bytes)},
    {"lds_minimum_bytes", FIELD_INTEGER, false, 0, 1 << 26, NULL, IN_TARGET(lds_minimum_bytes)},
    {.name = "instruction_cache", .kind = FIELD_TABLE},
    {"instruction_cache.bytes", FIELD_INTEGER, true, 0, 1 << 26, NULL,
     IN_TARGET(instruction_cache_bytes)},
    {"instruction_cache.shared_by", FIELD_INTEGER, true, 1, 64, NULL,
     IN_TARGET(instruction_cache_shared_by)},
    {"registers_per_lane", FIELD_INTEGER, false, 1, 65536, NULL, IN_TARGET(registers_per_lane)},
    {"register_granule", FIELD_INTEGER, false, 1, 1024, NULL, IN_TARGET(register_granule)},
    {"waves_per_simd_max", FIELD_INTEGER, false, 1, 128, NULL, IN_TARGET(waves_per_simd_max)},
    {"simds_per_cu", FIELD_INTEGER, false, 1, 64, NULL, IN_TARGET(simds_per_cu)},
    {.name = "caches", .kind = FIELD_TABLE},
    {"caches.line_bytes", FIELD_INTEGER, true, 16, 4096, NULL, IN_TARGET(cache_line_bytes)},
    {.name = "caches.l1", .kind = FIELD_TABLE, .required = true},
    {"caches.l1.bytes", FIELD_INTEGER, true, 1024, 1 << 26, NULL, IN_TARGET(l1_bytes)},
    {"caches.l1.ways", FIELD_INTEGER, true, 1, 4096, NULL, IN_TARGET(l1_ways)},
    {.name = "caches.l2", .kind = FIELD_TABLE, .required = true},
    {"caches.l2.bytes", FIELD_INTEGER, true, 1024, 1 << 30, NULL, IN_TARGET(l2_bytes)},
    {"caches.l2.ways", FIELD_INTEGER, true, 1, 4096, NULL, IN_TARGET(l2_ways)},
    {.name = "clocks", .kind = FIELD_TABLE},
    {"clocks.mhz", FIELD_INTEGER, true, 1, 100000, NULL, IN_TARGET(clock_mhz)},
    {"clocks.realtime_mhz", FIELD_INTEGER, true, 1, 100000, NULL, IN_TARGET(realtime_mhz)},
    {.name = "memory", .kind = FIELD_TABLE, .required = true},
    {"memory.bytes", FIELD_LONG_INTEGER, false, 1, 1e15, NULL, IN_TARGET(memory_bytes)},
    {"memory.sweep_gbps", FIELD_NUMBERS, true, 0.001, 1e6, NULL, IN_TARGET(sweep_gbps),
     .capacity = 2},
    {"memory.cu_gbps", FIELD_NUMBER, false, 0.001, 1e6, NULL, IN_TARGET(cu_gbps)},
    {"merge_ns", FIELD_NUMBER, false, 0, 1e9, NULL, IN_TARGET(merge_ns)},
    {.name = "handoff_ns", .kind = FIELD_TABLE, .required = true},
    {"handoff_ns.same_cu", FIELD_NUMBER, true, 0, 1e9, NULL, IN_TARGET(handoff_ns_same_cu)},
    {"handoff_ns.same_xcd", FIELD_NUMBER, true, 0, 1e9, NULL, IN_TARGET(handoff_ns_same_xcd)},
    {"handoff_ns.across", FIELD_NUMBER, true, 0, 1e9, NULL, IN_TARGET(handoff_ns_across)},
};

enum { FIELD_COUNT = sizeof fields / sizeof *fields };

const char *const target_keys[] = {"cus_per_xcd",
                                   "default_cus",
                                   "wave_lanes",
                                   "streaming_waves",
                                   "handoff_waves",
                                   "lds_bytes",
                                   "lds_minimum_bytes",
                                   "instruction_cache.bytes",
                                   "instruction_cache.shared_by",
                                   "registers_per_lane",
                                   "register_granule",
                                   "waves_per_simd_max",
                                   "memory.bytes",
                                   "memory.sweep_gbps",
                                   "memory.cu_gbps",
                                   "merge_ns",
                                   "handoff_ns.same_cu",
                                   "handoff_ns.same_xcd",
                                   "handoff_ns.across",
                                   NULL};

struct load {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct field_source source;
    struct value *value;
    struct target *target;
};

static bool wrong(const struct load *load, const char *path, const char *message) {
    return diagnostic_add(load->diagnostics, DIAGNOSTIC_USER,
                          field_locate(&load->source, load->value, path, false), "%s", message);
}

static bool integer_below(const struct value *value, int bound, int *integer) {
    if (!value || value->kind != VALUE_INTEGER || value->integer < 0 || value->integer >= bound)
        return false;
    *integer = (int)value->integer;
    return true;
}

// Reads dies = { { iod = 0, xcds = { 0, 1 } }, ... } into xcds sorted by their hardware number:
// XCDs are 0, 1, 2 ... without a gap, and so are IODs.
static bool read_dies(struct load *load) {
    const struct value *dies = value_get(load->value, "dies");
    int iod_of[MAX_XCDS];
    bool iod_seen[MAX_IODS] = {false};
    int xcd_count = 0;
    memset(iod_of, -1, sizeof iod_of);
    if (dies->kind != VALUE_LIST || dies->list.count == 0)
        return wrong(load, "dies", "dies must be a list of { iod = 0, xcds = { 0, 1 } }");
    for (size_t i = 0; i < dies->list.count; i++) {
        const struct value *die = dies->list.items[i], *xcds = value_get(die, "xcds");
        int iod;
        if (die->kind != VALUE_TABLE || die->table.count != 2 || !xcds ||
            xcds->kind != VALUE_LIST || !integer_below(value_get(die, "iod"), MAX_IODS, &iod))
            return wrong(load, "dies",
                         arena_format(load->arena,
                                      "dies must be a list of { iod = 0, xcds = { 0, 1 } }, with "
                                      "IODs below %d; item %zu is not",
                                      MAX_IODS, i + 1));
        if (iod_seen[iod])
            return wrong(load, "dies", arena_format(load->arena, "IOD %d is there twice", iod));
        iod_seen[iod] = true;
        for (size_t j = 0; j < xcds->list.count; j++, xcd_count++) {
            int xcd;
            if (!integer_below(xcds->list.items[j], MAX_XCDS, &xcd))
                return wrong(load, "dies",
                             arena_format(load->arena,
                                          "XCDs of IOD %d must be integers from 0 to %d", iod,
                                          MAX_XCDS - 1));
            if (iod_of[xcd] >= 0)
                return wrong(load, "dies", arena_format(load->arena, "XCD %d is there twice", xcd));
            iod_of[xcd] = iod;
        }
    }
    struct target *target = load->target;
    target->iod_count = (int)dies->list.count;
    target->xcd_count = xcd_count;
    target->xcds = arena_array(load->arena, (size_t)xcd_count + 1, sizeof *target->xcds);
    for (int i = 0; i < xcd_count; i++) {
        if (iod_of[i] < 0 || iod_of[i] >= target->iod_count)
            return wrong(load, "dies",
                         "XCDs must be numbered 0, 1, 2 ... without a gap, and so must IODs");
        target->xcds[i] = (struct target_xcd){.xcd = i, .iod = iod_of[i]};
    }
    return xcd_count > 0 || wrong(load, "dies", "dies have no XCD");
}

static bool check(struct load *load) {
    const struct target *target = load->target;
    struct arena *arena = load->arena;
    bool good = read_dies(load);
    int cus = target->xcd_count * target->cus_per_xcd;
    if (good && cus > MAX_CUS)
        good = wrong(load, "cus_per_xcd",
                     arena_format(arena, "%d XCDs of %d CUs are %d CUs, at most %d are supported",
                                  target->xcd_count, target->cus_per_xcd, cus, MAX_CUS));
    if (good && target->default_cus > cus)
        good =
            wrong(load, "default_cus",
                  arena_format(arena, "default_cus = %d, but %d XCDs of %d CUs are %d CUs",
                               target->default_cus, target->xcd_count, target->cus_per_xcd, cus));
    if (target->lds_minimum_bytes > target->lds_bytes)
        good = wrong(load, "lds_minimum_bytes",
                     arena_format(arena, "lds_minimum_bytes = %d is above lds_bytes = %d",
                                  target->lds_minimum_bytes, target->lds_bytes));
    if (target->sweep_gbps[0] > target->sweep_gbps[1])
        good = wrong(load, "memory.sweep_gbps",
                     "sweep_gbps must be the lowest and then the highest bandwidth");
    // All three are left out where a lane has no registers to share.
    const int told = (target->registers_per_lane > 0) + (target->register_granule > 0) +
                     (target->waves_per_simd_max > 0);
    if (told != 0 && told != 3)
        good = wrong(load,
                     target->registers_per_lane > 0 ? "registers_per_lane"
                     : target->register_granule > 0 ? "register_granule"
                                                    : "waves_per_simd_max",
                     "registers_per_lane, register_granule and waves_per_simd_max go together");
    const int simulated = (target->simds_per_cu > 0) + (target->cache_line_bytes > 0) +
                          (target->clock_mhz > 0) + (told == 3);
    if (target->simds_per_cu + target->cache_line_bytes + target->clock_mhz > 0 && simulated != 4)
        good = wrong(load,
                     target->simds_per_cu > 0 ? "simds_per_cu"
                     : target->clock_mhz > 0  ? "clocks"
                                              : "caches",
                     "simds_per_cu, registers_per_lane, caches and clocks go together: they are "
                     "for executing kernels without the chip");
    const struct cache {
        const char *key;
        int bytes, ways;
    } caches[] = {{"caches.l1", target->l1_bytes, target->l1_ways},
                  {"caches.l2", target->l2_bytes, target->l2_ways}};
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        const int64_t set_bytes = (int64_t)caches[i].ways * target->cache_line_bytes;
        if (set_bytes > 0 && caches[i].bytes % set_bytes != 0)
            good = wrong(load, caches[i].key,
                         arena_format(arena, "%d bytes are no whole number of sets of %d lines",
                                      caches[i].bytes, caches[i].ways));
    }
    const struct {
        const char *key, *text;
    } names[] = {{"name", target->name},       {"isa", target->isa},
                 {"backend", target->backend}, {"compiler", target->compiler},
                 {"prelude", target->prelude}, {"engine", target->engine}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!name_is_plain(names[i].text))
            good = wrong(load, names[i].key,
                         arena_format(arena,
                                      "%s must be 1 to 64 letters, digits, '.', '_' or '-', and "
                                      "start with no '.' or '-'",
                                      names[i].key));
    return good;
}

bool target_load(struct script *script, const char *specs, const char *name,
                 struct override_list *overrides, struct arena *arena, struct target *target,
                 struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"target"};
    static const char *const no_options[] = {NULL};
    size_t name_length = strlen(name), length;
    bool is_path = name_length > 4 && strcmp(name + name_length - 4, ".lua") == 0;
    const char *path = is_path ? arena_string(arena, name)
                               : name_find(arena, specs, "targets", "target", name,
                                           (struct location){0}, diagnostics);
    const char *text = path ? file_read(arena, path, TARGET_MAX_BYTES, &length, diagnostics) : NULL;
    const char *constructor;
    struct load load = {.arena = arena, .diagnostics = diagnostics, .target = target};
    if (!text || !script_read(script, path, text, constructors, 1, arena, &constructor, &load.value,
                              diagnostics))
        return false;
    load.source = (struct field_source){
        .file = path, .text = text, .noun = "target", .overrides = overrides, .arena = arena};
    *target = (struct target){.compiler_options = no_options, .instruction_cache_shared_by = 1};
    return overrides_apply(overrides, load.value, target_keys,
                           sizeof target_keys / sizeof *target_keys - 1, arena, diagnostics) &&
           fields_read(fields, FIELD_COUNT, load.value, &load.source, target, arena, diagnostics) &&
           check(&load);
}
