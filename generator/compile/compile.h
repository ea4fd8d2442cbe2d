// Compile: emitted source to a loadable object, in a worker process, through a cache.
#ifndef GENERATOR_COMPILE_COMPILE_H
#define GENERATOR_COMPILE_COMPILE_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"
#include "generator/render/render.h"

#include <stdbool.h>
#include <stddef.h>

// What the compiler made of the kernel. -1: the target's compiler does not tell.
struct kernel_resources {
#define KERNEL_RESOURCE(name, meaning) long name;
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
};

struct compile_request {
    const char *compiler;       // "comgr", "nvrtc" or "cxx" (the system's C++ compiler)
    const char *isa;            // comgr's "gfx942", nvrtc's "sm_90a"; "native" for cxx
    const char *source_name;    // as diagnostics name it: "3-kernel.hip", "/home/me/edited.hip"
    const char *source;         // NUL-terminated
    const char *kernel;         // symbol of the kernel, whose resources are asked for
    const char *const *options; // NULL-terminated extra options; NULL: none
    // The register file of a SIMD, for waves_per_simd: registers a lane over all resident waves,
    // what allocations are rounded up to, and the most waves there can be. 0: the target has none.
    int registers_per_lane, register_granule, waves_per_simd_max;
    double timeout_seconds; // the worker is killed after it; 0: 300
};

struct compile_result {
    struct text object;  // code object, cubin or shared object
    struct text log;     // the compiler's own words, may be empty
    struct text listing; // disassembly (ISA)
    struct kernel_resources resources;
    char compiler_version[128]; // "comgr API 2.6 (LLVM 17.0.6)", "NVRTC 13.0.88" ...
    bool from_cache;
    double seconds;       // of compilation; 0 from the cache
    char cache_note[256]; // why the result is not in the cache (disk full ...); empty: it is
};

// Compiles, or takes the result from the cache in `cache_folder` (NULL: no cache). The key is the
// digest of source, its name, options, compiler, its version and, for cxx, this CPU's features.
// Errors of the compiler are reported at their line of the source, with the template and spec lines
// of `map` (NULL: without); warnings stay in the log. A worker that crashes, hangs or is missing is
// a diagnostic; so is a compiler that is missing. A cache that cannot be written is a cache_note.
// `worker`: path of the worker program; NULL: $MONOGEN_WORKER, else beside the running program.
// *result is filled also where compilation failed (then the log is what matters), and the caller
// closes it either way. SIGINT, SIGTERM and SIGHUP end the worker first, then act as they would.
bool compile_source(const struct compile_request *request, const char *cache_folder,
                    const char *worker, const struct line_map *map, struct compile_result *result,
                    struct diagnostics *diagnostics);
void compile_result_close(struct compile_result *result);

// Fills line [bytes] with "comgr API 2.6 (LLVM 17.0.6)" and so on, or with what is missing and what
// to do. Returns whether the compiler can be used for the ISA.
bool compile_probe(const char *compiler, const char *isa, const char *worker, char *line,
                   size_t bytes);

#endif
