// The compile worker: a program of its own that turns one request (message.h, on stdin) into one
// response (on stdout), because comgr serialises threads, LLVM can abort a process, and Debian 12
// needs another C library for comgr. Not part of libgenerator.
#ifndef GENERATOR_COMPILE_WORKER_WORKER_H
#define GENERATOR_COMPILE_WORKER_WORKER_H

#include "generator/base/process.h"
#include "generator/base/text.h"
#include "generator/compile/compile.h"

#include <stdbool.h>
#include <stddef.h>

struct worker_request {
    const char *isa;
    const char *source_name; // a plain file name
    const char *source;      // [source_bytes]
    size_t source_bytes;
    const char *kernel;
    const char **options; // [option_count], and a NULL
    size_t option_count;
    const char *folder; // exists, private to this request; whoever asked removes it
};

enum worker_status {
    WORKER_OK,
    WORKER_FAILED,      // the source does not compile: see the log
    WORKER_UNAVAILABLE, // the compiler is missing or cannot do what is asked
};

struct worker_response {
    struct text object, log, listing;
    struct kernel_resources resources; // waves_per_simd is left to the client
    char version[128];
    char reason[512]; // why it is not WORKER_OK; empty: the log says it
};

// Each compiler has these two. probe fills version, or reason.
struct worker_compiler {
    const char *name;
    enum worker_status (*probe)(const char *isa, struct worker_response *response);
    enum worker_status (*compile)(const struct worker_request *request,
                                  struct worker_response *response);
};

extern const struct worker_compiler compiler_comgr, compiler_cxx, compiler_nvrtc;

// Fills response->reason and returns `status`.
enum worker_status worker_give_up(struct worker_response *response, enum worker_status status,
                                  const char *format, ...) __attribute__((format(printf, 3, 4)));

enum { WORKER_PATH_BYTES = 4096 };

// Runs a program to its end in `folder` (NULL: here), with its temporary files there.
void worker_run(const char *const *arguments, const char *folder, struct process_result *result);
bool worker_succeeded(const struct process_result *result);

// Appends what a disassembler prints to *listing; nothing where it is missing or fails.
void worker_list(const char *const *arguments, const char *folder, struct text *listing);

bool worker_write_file(const char *folder, const char *name, const char *bytes, size_t length);

#endif
