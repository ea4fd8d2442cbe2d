#include "generator/compile/compile.h"

#include "generator/base/file.h"
#include "generator/base/process.h"
#include "generator/compile/cache.h"
#include "generator/compile/log.h"
#include "generator/compile/message.h"
#include "generator/compile/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double COMPILE_TIMEOUT_SECONDS = 300, PROBE_TIMEOUT_SECONDS = 60;
static const size_t RESPONSE_BYTES_MAX = (size_t)1 << 30;
enum { OPTIONS_MAX = 64 };

// What every kernel is compiled with. comgr: without -O3 one version optimises nothing; both LLVM
// 17 and 21 know code object version 5. nvrtc optimises fully and has no option for it.
static const struct compiler_options {
    const char *compiler;
    const char *options[8];
} common_options[] = {
    {"comgr", {"-O3", "-std=c++17", "-mcode-object-version=5", NULL}},
    {"nvrtc", {"--std=c++17", NULL}},
    {"cxx", {"-O3", "-std=c++17", "-march=native", "-shared", "-fPIC", "-pthread", NULL}},
};

void compile_result_close(struct compile_result *result) {
    text_close(&result->object);
    text_close(&result->log);
    text_close(&result->listing);
}

// ---- the worker ---------------------------------------------------------------------------------

// The worker's path; NULL where our own place is not known.
static const char *find_worker(const char *worker, char path[SCRATCH_PATH_BYTES]) {
    static const char name[] = "monogen-worker";
    if (!worker)
        worker = getenv("MONOGEN_WORKER");
    if (worker && *worker)
        return worker;
    ssize_t length = readlink("/proc/self/exe", path, SCRATCH_PATH_BYTES - sizeof name);
    if (length <= 0)
        return NULL;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    strcpy(slash + 1, name);
    return path;
}

// A worker's answer. The message points into the process's output.
struct answer {
    struct process_result process;
    struct message message;
    char trouble[512]; // why there is no message; empty: there is one
};

static void answer_close(struct answer *answer) { process_result_close(&answer->process); }

// Asks the worker. `doing` completes the sentence "the compile worker died while ...". Returns
// whether there is an answer; the caller closes *answer either way.
static bool ask_worker(const char *worker, const struct text *request, const char *temporary,
                       double timeout_seconds, const char *doing, struct answer *answer) {
    char path[SCRATCH_PATH_BYTES], environment[SCRATCH_PATH_BYTES + 16], ended[256];
    *answer = (struct answer){0};
    const char *program = find_worker(worker, path);
    if (!program || access(program, X_OK) != 0) {
        snprintf(answer->trouble, sizeof answer->trouble,
                 "the compile worker %.300s is missing: run make", program ? program : "program");
        return false;
    }
    snprintf(environment, sizeof environment, "TMPDIR=%s", temporary ? temporary : "");
    const char *const arguments[] = {program, NULL};
    const char *const additions[] = {temporary ? environment : NULL, NULL};
    process_run(&(struct process_request){.arguments = arguments,
                                          .environment = additions,
                                          .input = request->bytes,
                                          .input_bytes = request->length,
                                          .output_bytes_max = RESPONSE_BYTES_MAX,
                                          .timeout_seconds = timeout_seconds},
                &answer->process);
    const struct process_result *process = &answer->process;
    if (process->end == PROCESS_EXITED && process->code == 0) {
        if (message_parse(process->output.bytes, process->output.length, &answer->message))
            return true;
        snprintf(answer->trouble, sizeof answer->trouble,
                 "the compile worker gave no proper answer while %.200s", doing);
        return false;
    }
    process_describe(process, ended, sizeof ended);
    snprintf(answer->trouble, sizeof answer->trouble, "the compile worker %s while %.200s", ended,
             doing);
    return false;
}

// Reports why there is no answer, with the last words of the worker.
static bool report_trouble(const struct answer *answer, struct diagnostics *diagnostics) {
    environment_error(diagnostics, "%s", answer->trouble);
    const struct text *errors = &answer->process.errors;
    size_t end = errors->length;
    while (end > 0 && (errors->bytes[end - 1] == '\n' || errors->bytes[end - 1] == '\0'))
        end--;
    size_t begin = end;
    while (begin > 0 && errors->bytes[begin - 1] != '\n')
        begin--;
    if (end > begin)
        diagnostic_note(diagnostics, "its last words: %.*s",
                        (int)(end - begin > 500 ? 500 : end - begin), errors->bytes + begin);
    return false;
}

static bool probe(const char *compiler, const char *isa, const char *worker,
                  struct answer *answer) {
    struct text request = {0};
    char doing[128];
    message_begin(&request);
    message_add_string(&request, "action", "probe");
    message_add_string(&request, "compiler", compiler);
    message_add_string(&request, "isa", isa ? isa : "");
    message_end(&request);
    snprintf(doing, sizeof doing, "asking for the compiler '%.60s'", compiler);
    bool answered = ask_worker(worker, &request, NULL, PROBE_TIMEOUT_SECONDS, doing, answer);
    text_close(&request);
    if (answered && strcmp(message_string(&answer->message, "status"), "ok") != 0) {
        snprintf(answer->trouble, sizeof answer->trouble, "%s",
                 message_string(&answer->message, "reason"));
        answered = false;
    }
    return answered;
}

bool compile_probe(const char *compiler, const char *isa, const char *worker, char *line,
                   size_t bytes) {
    struct answer answer;
    bool usable = probe(compiler, isa, worker, &answer);
    snprintf(line, bytes, "%s",
             usable ? message_string(&answer.message, "version") : answer.trouble);
    answer_close(&answer);
    return usable;
}

// ---- what a result depends on -------------------------------------------------------------------

// Lines of /proc/cpuinfo that tell what -march=native makes of this CPU, in `text`.
static void describe_cpu(struct text *text) {
    static const char *const keys[] = {"vendor_id", "cpu family",      "model",   "flags",
                                       "Features",  "CPU implementer", "CPU part"};
    FILE *file = fopen("/proc/cpuinfo", "r");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0 && line[0] != '\n') // the first CPU only
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t length = strlen(keys[i]);
            if (strncmp(line, keys[i], length) == 0 && strchr("\t :", line[length]))
                text_append(text, line);
        }
    free(line);
    if (file)
        fclose(file);
}

// What the worker calls the source, in a folder of its own: the last part of its name.
static const char *plain_name(const struct compile_request *request) {
    const char *slash = strrchr(request->source_name, '/');
    const char *name = slash ? slash + 1 : request->source_name;
    return *name == '\0' || *name == '-' || *name == '.' ? "source.hip" : name;
}

static void digest_request(const struct compile_request *request, const char *const *options,
                           size_t option_count, const char *version,
                           char digest[DIGEST_TEXT_BYTES]) {
    struct text cpu = {0};
    if (strcmp(request->compiler, "cxx") == 0)
        describe_cpu(&cpu);
    const char *parts[OPTIONS_MAX + 8] = {
        request->compiler,         version,         request->isa,
        plain_name(request),       request->kernel, request->source,
        cpu.bytes ? cpu.bytes : ""};
    size_t count = 7;
    for (size_t i = 0; i < option_count; i++)
        parts[count++] = options[i];
    digest_strings(parts, count, digest);
    text_close(&cpu);
}

// ---- compiling ----------------------------------------------------------------------------------

// The compiler's common options and the request's. Returns how many, or -1 after a diagnostic.
static int gather_options(const struct compile_request *request, const char *options[OPTIONS_MAX],
                          struct diagnostics *diagnostics) {
    int count = 0;
    const char *const *common = NULL;
    for (size_t i = 0; i < sizeof common_options / sizeof *common_options; i++)
        if (strcmp(common_options[i].compiler, request->compiler) == 0)
            common = common_options[i].options;
    if (!common) {
        environment_error(diagnostics, "there is no compiler '%s'", request->compiler);
        return -1;
    }
    for (size_t i = 0; common[i]; i++)
        options[count++] = common[i];
    for (size_t i = 0; request->options && request->options[i]; i++) {
        if (count == OPTIONS_MAX) {
            environment_error(diagnostics, "more than %d compiler options", OPTIONS_MAX);
            return -1;
        }
        options[count++] = request->options[i];
    }
    return count;
}

// How many waves a SIMD's registers hold; -1 where the target or the compiler does not tell.
static long waves_per_simd(const struct compile_request *request,
                           const struct kernel_resources *resources) {
    long granule = request->register_granule;
    if (request->registers_per_lane <= 0 || granule <= 0 || resources->vgpr < 0)
        return -1;
    long used = resources->vgpr + (resources->agpr > 0 ? resources->agpr : 0);
    long allocated = (used + granule - 1) / granule * granule;
    long waves = request->registers_per_lane / (allocated > 0 ? allocated : granule);
    return waves < request->waves_per_simd_max ? waves : request->waves_per_simd_max;
}

static void take_text(const struct message *message, const char *name, struct text *text) {
    const struct message_field *field = message_field(message, name);
    if (field)
        text_append_bytes(text, field->bytes, field->length);
}

static bool take_answer(const struct compile_request *request, const struct answer *answer,
                        const char *scratch, const struct line_map *map,
                        struct compile_result *result, struct diagnostics *diagnostics) {
    const struct message *message = &answer->message;
    const char *status = message_string(message, "status");
    const char *reason = message_string(message, "reason");
    take_text(message, "log", &result->log);
    log_strip_folder(&result->log, scratch);
    result->seconds = answer->process.seconds;
    snprintf(result->compiler_version, sizeof result->compiler_version, "%s",
             message_string(message, "version"));
    if (strcmp(status, "ok") != 0) {
        if (strcmp(status, "failed") != 0 || *reason)
            return environment_error(diagnostics, "cannot compile %s: %s", request->source_name,
                                     *reason ? reason : "the compile worker gives no reason");
        const struct logged_source source = {plain_name(request), request->source_name,
                                             request->source, map};
        if (log_report(result->log.bytes ? result->log.bytes : "", &source, diagnostics) == 0) {
            environment_error(diagnostics, "cannot compile %s", request->source_name);
            if (result->log.length)
                diagnostic_note(diagnostics, "%s", result->log.bytes);
        }
        return false;
    }
    take_text(message, "object", &result->object);
    take_text(message, "listing", &result->listing);
#define KERNEL_RESOURCE(name, meaning) result->resources.name = message_long(message, #name);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
    if (result->object.length == 0)
        return environment_error(diagnostics,
                                 "cannot compile %s: the compile worker gave no object",
                                 request->source_name);
    return true;
}

static bool compile_now(const struct compile_request *request, const char *const *options,
                        size_t option_count, const char *worker, const struct line_map *map,
                        struct compile_result *result, struct diagnostics *diagnostics) {
    char scratch[SCRATCH_PATH_BYTES], doing[256];
    struct text message = {0};
    struct answer answer;
    sigset_t before;
    // A signal that ends us has to wait until the scratch folder is gone.
    process_hold_signals(&before);
    if (!scratch_make(NULL, "monogen-compile-", scratch)) {
        environment_error(diagnostics, "cannot make a temporary folder: %s", strerror(errno));
        process_release_signals(&before);
        return false;
    }
    message_begin(&message);
    message_add_string(&message, "action", "compile");
    message_add_string(&message, "compiler", request->compiler);
    message_add_string(&message, "isa", request->isa);
    message_add_string(&message, "source_name", plain_name(request));
    message_add_string(&message, "kernel", request->kernel);
    message_add_string(&message, "folder", scratch);
    for (size_t i = 0; i < option_count; i++)
        message_add_string(&message, "option", options[i]);
    message_add_string(&message, "source", request->source);
    message_end(&message);
    snprintf(doing, sizeof doing, "compiling %.200s", request->source_name);
    double timeout =
        request->timeout_seconds > 0 ? request->timeout_seconds : COMPILE_TIMEOUT_SECONDS;
    bool compiled = ask_worker(worker, &message, scratch, timeout, doing, &answer)
                        ? take_answer(request, &answer, scratch, map, result, diagnostics)
                        : report_trouble(&answer, diagnostics);
    answer_close(&answer);
    text_close(&message);
    scratch_remove(scratch);
    process_release_signals(&before);
    return compiled;
}

bool compile_source(const struct compile_request *request, const char *cache_folder,
                    const char *worker, const struct line_map *map, struct compile_result *result,
                    struct diagnostics *diagnostics) {
    const char *options[OPTIONS_MAX];
    char digest[DIGEST_TEXT_BYTES];
    struct answer answer;
    *result = (struct compile_result){0};
    int option_count = gather_options(request, options, diagnostics);
    if (option_count < 0)
        return false;
    bool usable = probe(request->compiler, request->isa, worker, &answer);
    if (!usable)
        report_trouble(&answer, diagnostics);
    else
        digest_request(request, options, (size_t)option_count,
                       message_string(&answer.message, "version"), digest);
    answer_close(&answer);
    if (!usable)
        return false;

    if (cache_folder && cache_load(cache_folder, digest, result)) {
        result->from_cache = true;
    } else {
        if (!compile_now(request, options, (size_t)option_count, worker, map, result, diagnostics))
            return false;
        if (cache_folder)
            cache_store(cache_folder, digest, result);
    }
    result->resources.waves_per_simd = waves_per_simd(request, &result->resources);
    return true;
}
