// cxx: the system's C++ compiler makes a shared object for this CPU: $CXX, else c++, g++, clang++.
#include "generator/compile/worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 128, COMMAND_BYTES_MAX = 4096 };

// The compiler's command, of one word or several ("ccache g++").
struct command {
    char bytes[COMMAND_BYTES_MAX];
    const char *words[ARGUMENTS_MAX + 1];
    size_t count;
};

static bool split_command(const char *string, struct command *command) {
    command->count = 0;
    if (strlen(string) >= sizeof command->bytes)
        return false;
    strcpy(command->bytes, string);
    char *rest = NULL;
    for (char *word = strtok_r(command->bytes, " \t", &rest); word;
         word = strtok_r(NULL, " \t", &rest)) {
        if (command->count == ARGUMENTS_MAX)
            return false;
        command->words[command->count++] = word;
    }
    return command->count > 0;
}

static bool command_add(struct command *command, const char *word) {
    if (command->count == ARGUMENTS_MAX)
        return false;
    command->words[command->count++] = word;
    command->words[command->count] = NULL;
    return true;
}

// The first line of `compiler --version`; false where the compiler cannot be run.
static bool ask_version(struct command *command, char *version, size_t bytes) {
    if (!command_add(command, "--version"))
        return false;
    struct process_result result = {0};
    worker_run(command->words, NULL, &result);
    bool told = worker_succeeded(&result) && result.output.length > 0;
    if (told)
        snprintf(version, bytes, "%.*s", (int)strcspn(result.output.bytes, "\n"),
                 result.output.bytes);
    process_result_close(&result);
    command->words[--command->count] = NULL;
    return told;
}

static enum worker_status find(struct command *command, struct worker_response *response) {
    static const char *const names[] = {"c++", "g++", "clang++"};
    const char *chosen = getenv("CXX");
    if (chosen && *chosen) {
        if (split_command(chosen, command) &&
            ask_version(command, response->version, sizeof response->version))
            return WORKER_OK;
        return worker_give_up(response, WORKER_UNAVAILABLE,
                              "the C++ compiler named by CXX, '%.200s', does not run", chosen);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (split_command(names[i], command) &&
            ask_version(command, response->version, sizeof response->version))
            return WORKER_OK;
    return worker_give_up(response, WORKER_UNAVAILABLE,
                          "there is no C++ compiler (c++, g++ or clang++), so nothing can be "
                          "compiled for the host: install g++, or set CXX");
}

static enum worker_status probe(const char *isa, struct worker_response *response) {
    struct command command;
    if (*isa && strcmp(isa, "native") != 0)
        return worker_give_up(response, WORKER_UNAVAILABLE,
                              "the system's C++ compiler compiles for 'native', not for '%.100s'",
                              isa);
    return find(&command, response);
}

static bool read_whole(const char *folder, const char *name, struct text *text) {
    char path[WORKER_PATH_BYTES], bytes[65536];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, file)) > 0;)
        text_append_bytes(text, bytes, got);
    bool whole = !ferror(file);
    fclose(file);
    return whole;
}

static enum worker_status compile(const struct worker_request *request,
                                  struct worker_response *response) {
    static const char object[] = "object.so";
    struct command command;
    enum worker_status status = find(&command, response);
    if (status != WORKER_OK)
        return status;
    if (!worker_write_file(request->folder, request->source_name, request->source,
                           request->source_bytes))
        return worker_give_up(response, WORKER_UNAVAILABLE, "cannot write in %.200s: %s",
                              request->folder, strerror(errno));
    bool fits = true;
    for (size_t i = 0; i < request->option_count; i++)
        fits = fits && command_add(&command, request->options[i]);
    const char *const rest[] = {"-x", "c++", request->source_name, "-o", object};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        fits = fits && command_add(&command, rest[i]);
    if (!fits)
        return worker_give_up(response, WORKER_UNAVAILABLE, "too many options for the compiler");

    struct process_result result = {0};
    worker_run(command.words, request->folder, &result);
    text_append_bytes(&response->log, result.output.bytes, result.output.length);
    text_append_bytes(&response->log, result.errors.bytes, result.errors.length);
    bool compiled = worker_succeeded(&result);
    char ended[128];
    process_describe(&result, ended, sizeof ended);
    bool crashed = result.end != PROCESS_EXITED;
    process_result_close(&result);
    if (!compiled)
        return crashed
                   ? worker_give_up(response, WORKER_FAILED, "%.200s %s", command.words[0], ended)
                   : WORKER_FAILED;
    if (!read_whole(request->folder, object, &response->object))
        return worker_give_up(response, WORKER_FAILED, "%.200s left no object", command.words[0]);

    // objdump belongs to binutils, which may be absent (clang with lld): then there is no listing.
    const char *const disassemble[] = {"objdump", "-d", "--no-show-raw-insn", object, NULL};
    worker_list(disassemble, request->folder, &response->listing);
    return WORKER_OK;
}

const struct worker_compiler compiler_cxx = {"cxx", probe, compile};
