// nvrtc: NVIDIA's compiler as a library, of the CUDA toolkit or on its own, opened at run time. It
// opens its built-in functions (libnvrtc-builtins, which lies beside it) itself. Function forms and
// numbers are those of nvrtc.h of CUDA 12 and 13.
#include "generator/compile/cuda_tool.h"
#include "generator/compile/ptxas.h"
#include "generator/compile/worker/worker.h"
#include "runtime/shared_library.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_MAJOR = 12, OPTIONS_MAX = 128 };
enum nvrtc_status { NVRTC_SUCCESS = 0, NVRTC_INVALID_OPTION = 5, NVRTC_COMPILATION = 6 };

typedef struct nvrtc_program_handle *nvrtc_program; // nvrtcProgram

// NVRTC_FUNCTION(result, name, parameters)
#define NVRTC_FUNCTIONS(NVRTC_FUNCTION)                                                            \
    NVRTC_FUNCTION(int, nvrtcVersion, (int *major, int *minor))                                    \
    NVRTC_FUNCTION(const char *, nvrtcGetErrorString, (int status))                                \
    NVRTC_FUNCTION(int, nvrtcCreateProgram,                                                        \
                   (nvrtc_program * program, const char *source, const char *name, int headers,    \
                    const char *const *header_sources, const char *const *header_names))           \
    NVRTC_FUNCTION(int, nvrtcDestroyProgram, (nvrtc_program * program))                            \
    NVRTC_FUNCTION(int, nvrtcCompileProgram,                                                       \
                   (nvrtc_program program, int options, const char *const *option_texts))          \
    NVRTC_FUNCTION(int, nvrtcGetProgramLogSize, (nvrtc_program program, size_t * bytes))           \
    NVRTC_FUNCTION(int, nvrtcGetProgramLog, (nvrtc_program program, char *log))                    \
    NVRTC_FUNCTION(int, nvrtcGetPTXSize, (nvrtc_program program, size_t * bytes))                  \
    NVRTC_FUNCTION(int, nvrtcGetPTX, (nvrtc_program program, char *ptx))                           \
    NVRTC_FUNCTION(int, nvrtcGetCUBINSize, (nvrtc_program program, size_t * bytes))                \
    NVRTC_FUNCTION(int, nvrtcGetCUBIN, (nvrtc_program program, char *cubin))

struct nvrtc {
    struct shared_library library;
#define NVRTC_MEMBER(result, name, parameters) result(*name) parameters;
    NVRTC_FUNCTIONS(NVRTC_MEMBER)
#undef NVRTC_MEMBER
};

static bool open_library(struct nvrtc *nvrtc, struct worker_response *response) {
    static const char *const files[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                        "libnvrtc.so.11.2", // too old, and to be told so
                                        NULL};
    static const char *const folders[] = {"/usr/local/cuda*/lib64", NULL};
    static const struct library_search search = {
        .what = "CUDA compiler (NVRTC)",
        .variable = "MONOGEN_NVRTC_LIBRARY",
        .files = files,
        .home_variable = "CUDA_HOME",
        .home_subfolder = "lib64",
        .patterns = folders,
        .absent = "there is no NVRTC, so nothing can be compiled for NVIDIA GPUs: libnvrtc.so (.13 "
                  "or .12) is neither installed nor in /usr/local/cuda*/lib64 or $CUDA_HOME/lib64; "
                  "install the CUDA toolkit 12 or newer, or name the library with "
                  "MONOGEN_NVRTC_LIBRARY"};
    static const struct library_symbol symbols[] = {
#define NVRTC_SYMBOL(result, name, parameters) {#name, offsetof(struct nvrtc, name), false},
        NVRTC_FUNCTIONS(NVRTC_SYMBOL)
#undef NVRTC_SYMBOL
    };
    struct monogen_error error;
    if (!shared_library_open(&nvrtc->library, &search, &error)) {
        monogen_error_line(&error, response->reason, sizeof response->reason);
        return false;
    }
    const char *missing =
        shared_library_find(&nvrtc->library, symbols, sizeof symbols / sizeof *symbols, nvrtc);
    if (missing)
        worker_give_up(response, WORKER_UNAVAILABLE,
                       "%.200s lacks the function %s: it is not NVRTC, or one that is too old",
                       nvrtc->library.name, missing);
    return !missing;
}

// ---- one program --------------------------------------------------------------------------------

typedef int size_function(nvrtc_program program, size_t *bytes);
typedef int bytes_function(nvrtc_program program, char *bytes);

// Appends what a pair of functions gives.
static bool take(nvrtc_program program, size_function *get_size, bytes_function *get_bytes,
                 struct text *text) {
    size_t size = 0;
    if (get_size(program, &size) != NVRTC_SUCCESS || size == 0)
        return false;
    char *bytes = malloc(size);
    bool got = bytes && get_bytes(program, bytes) == NVRTC_SUCCESS;
    if (got)
        text_append_bytes(text, bytes, size);
    free(bytes);
    return got;
}

static void take_log(const struct nvrtc *nvrtc, nvrtc_program program, struct text *log) {
    struct text whole = {0};
    if (take(program, nvrtc->nvrtcGetProgramLogSize, nvrtc->nvrtcGetProgramLog, &whole))
        text_append(log, whole.bytes); // without the zero byte that is counted
    text_close(&whole);
}

// NVRTC's own words for a failure that is not the source's: the first line of its log, or the name
// of the status.
static enum worker_status explain(const struct nvrtc *nvrtc, int status, const struct text *log,
                                  enum worker_status ends_with, struct worker_response *response) {
    int length = log->bytes ? (int)strcspn(log->bytes, "\n") : 0;
    return worker_give_up(response, ends_with, "%s says: %.*s", response->version,
                          length > 0 ? length : 300,
                          length > 0 ? log->bytes : nvrtc->nvrtcGetErrorString(status));
}

// Compiles the source into *program, which the caller destroys where it is not NULL.
static int compile_program(const struct nvrtc *nvrtc, const char *source, const char *name,
                           const char *const *options, int option_count, nvrtc_program *program) {
    *program = NULL;
    int status = nvrtc->nvrtcCreateProgram(program, source, name, 0, NULL, NULL);
    if (status != NVRTC_SUCCESS) {
        *program = NULL;
        return status;
    }
    return nvrtc->nvrtcCompileProgram(*program, option_count, options);
}

// ---- probe --------------------------------------------------------------------------------------

// "13.0" becomes "13.0.88", as the head of every PTX tells it: results of two compilers of one
// version must not be taken for each other.
static void complete_version(const char *ptx, char *version, size_t bytes) {
    const char *at = strstr(ptx, ", V");
    size_t length = at ? strspn(at + 3, "0123456789.") : 0;
    if (length > 0)
        snprintf(version, bytes, "NVRTC %.*s", (int)length, at + 3);
}

// Compiles nothing, which tells whether the ISA is known and whether all parts are there.
static enum worker_status try_isa(const struct nvrtc *nvrtc, const char *isa,
                                  struct worker_response *response) {
    char architecture[128];
    const char *const options[] = {architecture};
    struct text log = {0}, ptx = {0};
    nvrtc_program program;
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%.80s", isa);
    int status = compile_program(nvrtc, "", "nothing.cu", options, 1, &program);
    if (program)
        take_log(nvrtc, program, &log);
    enum worker_status ends_with = WORKER_OK;
    if (status == NVRTC_INVALID_OPTION)
        ends_with = worker_give_up(response, WORKER_UNAVAILABLE,
                                   "%s does not know %.80s: a newer CUDA toolkit is needed",
                                   response->version, *isa ? isa : "a target without a name");
    else if (status != NVRTC_SUCCESS)
        ends_with = explain(nvrtc, status, &log, WORKER_UNAVAILABLE, response);
    else if (take(program, nvrtc->nvrtcGetPTXSize, nvrtc->nvrtcGetPTX, &ptx))
        complete_version(ptx.bytes, response->version, sizeof response->version);
    if (program)
        nvrtc->nvrtcDestroyProgram(&program);
    text_close(&log);
    text_close(&ptx);
    return ends_with;
}

static enum worker_status open_nvrtc(struct nvrtc *nvrtc, const char *isa,
                                     struct worker_response *response) {
    int major = 0, minor = 0;
    if (!open_library(nvrtc, response))
        return WORKER_UNAVAILABLE;
    nvrtc->nvrtcVersion(&major, &minor);
    snprintf(response->version, sizeof response->version, "NVRTC %d.%d", major, minor);
    if (major < OLDEST_MAJOR)
        return worker_give_up(
            response, WORKER_UNAVAILABLE,
            "%.200s is of CUDA %d.%d, which lacks bulk copies: install the CUDA "
            "toolkit %d or newer, or name its libnvrtc with MONOGEN_NVRTC_LIBRARY",
            nvrtc->library.name, major, minor, OLDEST_MAJOR);
    return try_isa(nvrtc, isa, response);
}

static enum worker_status probe(const char *isa, struct worker_response *response) {
    struct nvrtc nvrtc = {.library = {.handle = NULL}};
    enum worker_status status = open_nvrtc(&nvrtc, isa, response);
    shared_library_close(&nvrtc.library);
    return status;
}

// ---- compile ------------------------------------------------------------------------------------

// Adds an option that is not there yet: older versions refuse one that is given twice. One dash or
// two in front is the same.
static bool add_option(const char *options[OPTIONS_MAX], int *count, const char *option) {
    for (int i = 0; i < *count; i++)
        if (strcmp(options[i] + strspn(options[i], "-"), option + strspn(option, "-")) == 0)
            return true;
    if (*count == OPTIONS_MAX)
        return false;
    options[(*count)++] = option;
    return true;
}

// The disassembly, where one of the toolkit's two disassemblers is there (cuobjdump needs the
// other).
static void take_listing(const struct worker_request *request, struct worker_response *response) {
    static const char cubin[] = "kernel.cubin";
    char program[WORKER_PATH_BYTES] = "";
    const char *const nvdisasm[] = {program, "-c", cubin, NULL};
    const char *const cuobjdump[] = {program, "-sass", cubin, NULL};
    if (!worker_write_file(request->folder, cubin, response->object.bytes, response->object.length))
        return;
    if (cuda_tool_find("nvdisasm", program, sizeof program))
        worker_list(nvdisasm, request->folder, &response->listing);
    else if (cuda_tool_find("cuobjdump", program, sizeof program))
        worker_list(cuobjdump, request->folder, &response->listing);
    else
        text_append(&response->log,
                    "no listing: neither nvdisasm nor cuobjdump is in " CUDA_TOOL_PLACES "\n");
    if (*program && response->listing.length == 0)
        text_format(&response->log, "no listing: %s gives none\n", strrchr(program, '/') + 1);
}

static enum worker_status take_results(const struct nvrtc *nvrtc, nvrtc_program program,
                                       const struct worker_request *request,
                                       struct worker_response *response) {
    struct kernel_resources *resources = &response->resources;
    if (!take(program, nvrtc->nvrtcGetCUBINSize, nvrtc->nvrtcGetCUBIN, &response->object))
        return worker_give_up(response, WORKER_FAILED, "%s gave no cubin", response->version);
    resources->code_bytes =
        cubin_code_bytes(response->object.bytes, response->object.length, request->kernel);
    if (resources->code_bytes < 0)
        return worker_give_up(response, WORKER_FAILED, "the cubin has no kernel '%s'",
                              request->kernel);
    resources->agpr = resources->sgpr_spills = 0; // this GPU has neither
    ptxas_read(response->log.bytes ? response->log.bytes : "", request->kernel, resources);
    ptxas_strip_times(&response->log);
    take_listing(request, response);
    return WORKER_OK;
}

static enum worker_status compile_with(const struct nvrtc *nvrtc,
                                       const struct worker_request *request,
                                       struct worker_response *response) {
    char architecture[128];
    const char *options[OPTIONS_MAX] = {NULL};
    int option_count = 0;
    nvrtc_program program;
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%.80s", request->isa);
    bool fits = add_option(options, &option_count, architecture) &&
                add_option(options, &option_count, "--ptxas-options=--verbose");
    for (size_t i = 0; i < request->option_count; i++)
        fits = fits && add_option(options, &option_count, request->options[i]);
    if (!fits)
        return worker_give_up(response, WORKER_UNAVAILABLE, "too many options for the compiler");
    int status = compile_program(nvrtc, request->source, request->source_name, options,
                                 option_count, &program);
    if (program)
        take_log(nvrtc, program, &response->log);
    enum worker_status ends_with =
        status == NVRTC_SUCCESS ? take_results(nvrtc, program, request, response)
        : status == NVRTC_COMPILATION
            ? WORKER_FAILED
            : explain(nvrtc, status, &response->log, WORKER_FAILED, response);
    if (program)
        nvrtc->nvrtcDestroyProgram(&program);
    return ends_with;
}

static enum worker_status compile(const struct worker_request *request,
                                  struct worker_response *response) {
    struct nvrtc nvrtc = {.library = {.handle = NULL}};
    enum worker_status status = WORKER_UNAVAILABLE;
    if (open_library(&nvrtc, response)) // the version is there: the probe comes first
        status = compile_with(&nvrtc, request, response);
    shared_library_close(&nvrtc.library);
    return status;
}

const struct worker_compiler compiler_nvrtc = {"nvrtc", probe, compile};
