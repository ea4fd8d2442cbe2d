// comgr: AMD's compiler as a library. Built against API 2 or 3, which number their enums
// differently: the library found at run time must be of the header's major version.
#include "generator/compile/worker/worker.h"

#include <amd_comgr/amd_comgr.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What has to be released in the end, whichever step failed.
struct session {
    amd_comgr_action_info_t action;
    amd_comgr_data_set_t sets[4]; // source, relocatable, executable, listing
    size_t set_count;
    bool has_action;
};

static void session_close(struct session *session) {
    if (session->has_action)
        amd_comgr_destroy_action_info(session->action);
    for (size_t i = 0; i < session->set_count; i++)
        amd_comgr_destroy_data_set(session->sets[i]);
}

static bool session_open(struct session *session, const char *isa) {
    char isa_name[128];
    snprintf(isa_name, sizeof isa_name, "amdgcn-amd-amdhsa--%s", isa);
    *session = (struct session){0};
    session->has_action =
        amd_comgr_create_action_info(&session->action) == AMD_COMGR_STATUS_SUCCESS;
    if (!session->has_action)
        return false;
    for (; session->set_count < 4; session->set_count++)
        if (amd_comgr_create_data_set(&session->sets[session->set_count]) !=
            AMD_COMGR_STATUS_SUCCESS)
            return false;
    return amd_comgr_action_info_set_language(session->action, AMD_COMGR_LANGUAGE_HIP) ==
               AMD_COMGR_STATUS_SUCCESS &&
           amd_comgr_action_info_set_isa_name(session->action, isa_name) ==
               AMD_COMGR_STATUS_SUCCESS &&
           amd_comgr_action_info_set_logging(session->action, true) == AMD_COMGR_STATUS_SUCCESS;
}

static bool add_source(amd_comgr_data_set_t set, const char *name, const char *bytes,
                       size_t length) {
    amd_comgr_data_t data;
    if (amd_comgr_create_data(AMD_COMGR_DATA_KIND_SOURCE, &data) != AMD_COMGR_STATUS_SUCCESS)
        return false;
    bool added = amd_comgr_set_data(data, length, bytes) == AMD_COMGR_STATUS_SUCCESS &&
                 amd_comgr_set_data_name(data, name) == AMD_COMGR_STATUS_SUCCESS &&
                 amd_comgr_data_set_add(set, data) == AMD_COMGR_STATUS_SUCCESS;
    amd_comgr_release_data(data); // the set keeps its own reference
    return added;
}

// Appends the first object of `kind` in the set to *text. Returns false where there is none.
static bool append_data(amd_comgr_data_set_t set, amd_comgr_data_kind_t kind, struct text *text) {
    amd_comgr_data_t data;
    size_t size = 0;
    if (amd_comgr_action_data_get_data(set, kind, 0, &data) != AMD_COMGR_STATUS_SUCCESS)
        return false;
    bool got = amd_comgr_get_data(data, &size, NULL) == AMD_COMGR_STATUS_SUCCESS;
    char *bytes = got ? malloc(size + 1) : NULL;
    got = bytes && amd_comgr_get_data(data, &size, bytes) == AMD_COMGR_STATUS_SUCCESS;
    if (got)
        text_append_bytes(text, bytes, size);
    free(bytes);
    amd_comgr_release_data(data);
    return got;
}

// One action; what it logs is appended to *log.
static bool act(struct session *session, amd_comgr_action_kind_t kind, size_t from, size_t to,
                const char **options, size_t option_count, struct text *log) {
    if (amd_comgr_action_info_set_option_list(session->action, options, option_count) !=
        AMD_COMGR_STATUS_SUCCESS)
        return false;
    bool done = amd_comgr_do_action(kind, session->action, session->sets[from],
                                    session->sets[to]) == AMD_COMGR_STATUS_SUCCESS;
    append_data(session->sets[to], AMD_COMGR_DATA_KIND_LOG, log);
    return done;
}

// The version of LLVM, as the preprocessor tells it: "17.0.6". In OpenCL, because comgr's
// preprocessor takes HIP for host code.
static bool llvm_version(const char *isa, char *version, size_t bytes) {
    static const char question[] = "LLVM_VERSION __clang_major__ __clang_minor__ "
                                   "__clang_patchlevel__\n";
    struct session session;
    struct text log = {0}, answer = {0};
    int major = 0, minor = 0, patch = 0;
    bool told = session_open(&session, isa) &&
                amd_comgr_action_info_set_language(session.action, AMD_COMGR_LANGUAGE_OPENCL_2_0) ==
                    AMD_COMGR_STATUS_SUCCESS &&
                add_source(session.sets[0], "version.cl", question, sizeof question - 1) &&
                act(&session, AMD_COMGR_ACTION_SOURCE_TO_PREPROCESSOR, 0, 1, NULL, 0, &log) &&
                append_data(session.sets[1], AMD_COMGR_DATA_KIND_SOURCE, &answer);
    const char *at = told ? strstr(answer.bytes, "LLVM_VERSION ") : NULL;
    told = at && sscanf(at, "LLVM_VERSION %d %d %d", &major, &minor, &patch) == 3;
    snprintf(version, bytes, told ? "%d.%d.%d" : "of unknown version", major, minor, patch);
    session_close(&session);
    text_close(&log);
    text_close(&answer);
    return told;
}

static enum worker_status probe(const char *isa, struct worker_response *response) {
    size_t major = 0, minor = 0;
    amd_comgr_get_version(&major, &minor);
    if (major != AMD_COMGR_INTERFACE_VERSION_MAJOR)
        return worker_give_up(response, WORKER_UNAVAILABLE,
                              "comgr's API is %zu.%zu here, but monogen was built for %d.%d: run "
                              "make again",
                              major, minor, AMD_COMGR_INTERFACE_VERSION_MAJOR,
                              AMD_COMGR_INTERFACE_VERSION_MINOR);
    struct session session;
    bool knows = session_open(&session, isa);
    session_close(&session);
    if (!knows)
        return worker_give_up(response, WORKER_UNAVAILABLE,
                              "comgr API %zu.%zu does not know %s: a newer one is needed", major,
                              minor, *isa ? isa : "a target without a name");
    char llvm[64];
    llvm_version(isa, llvm, sizeof llvm);
    snprintf(response->version, sizeof response->version, "comgr API %zu.%zu (LLVM %s)", major,
             minor, llvm);
    return WORKER_OK;
}

// The string at `key` of a metadata map as a number; -1 where there is none.
static long metadata_long(amd_comgr_metadata_node_t map, const char *key) {
    amd_comgr_metadata_node_t node;
    char digits[64];
    size_t size = 0;
    long number = -1;
    if (amd_comgr_metadata_lookup(map, key, &node) != AMD_COMGR_STATUS_SUCCESS)
        return -1;
    if (amd_comgr_get_metadata_string(node, &size, NULL) == AMD_COMGR_STATUS_SUCCESS &&
        size <= sizeof digits &&
        amd_comgr_get_metadata_string(node, &size, digits) == AMD_COMGR_STATUS_SUCCESS)
        number = strtol(digits, NULL, 0);
    amd_comgr_destroy_metadata(node);
    return number;
}

static bool metadata_is(amd_comgr_metadata_node_t map, const char *key, const char *expected) {
    amd_comgr_metadata_node_t node;
    size_t size = 0;
    bool same = false;
    if (amd_comgr_metadata_lookup(map, key, &node) != AMD_COMGR_STATUS_SUCCESS)
        return false;
    if (amd_comgr_get_metadata_string(node, &size, NULL) == AMD_COMGR_STATUS_SUCCESS &&
        size == strlen(expected) + 1) {
        char *string = malloc(size);
        same = string &&
               amd_comgr_get_metadata_string(node, &size, string) == AMD_COMGR_STATUS_SUCCESS &&
               memcmp(string, expected, size) == 0;
        free(string);
    }
    amd_comgr_destroy_metadata(node);
    return same;
}

// Keys as in the code object metadata V5 of LLVM's "User Guide for AMDGPU Backend". .vgpr_count
// covers the whole allocation, accumulation registers included, on a unified register file.
static void take_kernel(amd_comgr_metadata_node_t kernel, struct kernel_resources *resources) {
    long vector_registers = metadata_long(kernel, ".vgpr_count");
    resources->agpr = metadata_long(kernel, ".agpr_count");
    resources->vgpr = resources->agpr > 0 ? vector_registers - resources->agpr : vector_registers;
    resources->sgpr = metadata_long(kernel, ".sgpr_count");
    resources->lds_bytes = metadata_long(kernel, ".group_segment_fixed_size");
    resources->scratch_bytes = metadata_long(kernel, ".private_segment_fixed_size");
    resources->vgpr_spills = metadata_long(kernel, ".vgpr_spill_count");
    resources->sgpr_spills = metadata_long(kernel, ".sgpr_spill_count");
}

// Returns whether the executable has a kernel of that name.
static bool take_resources(amd_comgr_data_t executable, const char *name,
                           struct kernel_resources *resources) {
    amd_comgr_metadata_node_t root, kernels;
    size_t count = 0;
    bool found = false;
    if (amd_comgr_get_data_metadata(executable, &root) != AMD_COMGR_STATUS_SUCCESS)
        return false;
    if (amd_comgr_metadata_lookup(root, "amdhsa.kernels", &kernels) == AMD_COMGR_STATUS_SUCCESS) {
        if (amd_comgr_get_metadata_list_size(kernels, &count) != AMD_COMGR_STATUS_SUCCESS)
            count = 0;
        for (size_t i = 0; i < count && !found; i++) {
            amd_comgr_metadata_node_t kernel;
            if (amd_comgr_index_list_metadata(kernels, i, &kernel) != AMD_COMGR_STATUS_SUCCESS)
                break;
            found = metadata_is(kernel, ".name", name);
            if (found)
                take_kernel(kernel, resources);
            amd_comgr_destroy_metadata(kernel);
        }
        amd_comgr_destroy_metadata(kernels);
    }
    amd_comgr_destroy_metadata(root);
    amd_comgr_symbol_t symbol;
    uint64_t size = 0;
    if (found && amd_comgr_symbol_lookup(executable, name, &symbol) == AMD_COMGR_STATUS_SUCCESS &&
        amd_comgr_symbol_get_info(symbol, AMD_COMGR_SYMBOL_INFO_SIZE, &size) ==
            AMD_COMGR_STATUS_SUCCESS)
        resources->code_bytes = (long)size;
    return found;
}

// Cuts the instructions off that only fill the pages behind the last kernel.
static void trim_padding(struct text *listing) {
    static const char padding[] = "\ts_nop 0";
    for (size_t end = listing->length; end > 0;) {
        size_t begin = end - 1; // of the last line
        while (begin > 0 && listing->bytes[begin - 1] != '\n')
            begin--;
        bool blank = listing->bytes[begin] == '\n';
        if (!blank && strncmp(listing->bytes + begin, padding, sizeof padding - 1) != 0)
            break;
        listing->bytes[begin] = '\0';
        listing->length = end = begin;
    }
}

static enum worker_status compile_in(struct session *session, const struct worker_request *request,
                                     struct worker_response *response) {
    const size_t source = 0, relocatable = 1, executable = 2, listing = 3;
    if (!session_open(session, request->isa) ||
        !add_source(session->sets[source], request->source_name, request->source,
                    request->source_bytes))
        return worker_give_up(response, WORKER_UNAVAILABLE, "comgr has no memory left");
    if (!act(session, AMD_COMGR_ACTION_COMPILE_SOURCE_TO_RELOCATABLE, source, relocatable,
             request->options, request->option_count, &response->log))
        return WORKER_FAILED;
    if (!act(session, AMD_COMGR_ACTION_LINK_RELOCATABLE_TO_EXECUTABLE, relocatable, executable,
             NULL, 0, &response->log))
        return WORKER_FAILED;
    if (!append_data(session->sets[executable], AMD_COMGR_DATA_KIND_EXECUTABLE, &response->object))
        return worker_give_up(response, WORKER_FAILED, "comgr linked, but gave no code object");
    amd_comgr_data_t data;
    if (amd_comgr_action_data_get_data(session->sets[executable], AMD_COMGR_DATA_KIND_EXECUTABLE, 0,
                                       &data) != AMD_COMGR_STATUS_SUCCESS)
        return worker_give_up(response, WORKER_FAILED, "comgr linked, but gave no code object");
    bool found = take_resources(data, request->kernel, &response->resources);
    amd_comgr_release_data(data);
    if (!found)
        return worker_give_up(response, WORKER_FAILED, "the code object has no kernel '%s'",
                              request->kernel);
    struct text unused = {0}; // the disassembler's log repeats what the listing says
    if (act(session, AMD_COMGR_ACTION_DISASSEMBLE_EXECUTABLE_TO_SOURCE, executable, listing, NULL,
            0, &unused))
        append_data(session->sets[listing], AMD_COMGR_DATA_KIND_SOURCE, &response->listing);
    trim_padding(&response->listing);
    text_close(&unused);
    return WORKER_OK;
}

static enum worker_status compile(const struct worker_request *request,
                                  struct worker_response *response) {
    struct session session = {0};
    enum worker_status status = compile_in(&session, request, response);
    session_close(&session);
    return status;
}

const struct worker_compiler compiler_comgr = {"comgr", probe, compile};
