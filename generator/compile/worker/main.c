#include "generator/base/arena.h"
#include "generator/compile/message.h"
#include "generator/compile/worker/worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct worker_compiler *const compilers[] = {&compiler_comgr, &compiler_cxx,
                                                          &compiler_nvrtc};

enum worker_status worker_give_up(struct worker_response *response, enum worker_status status,
                                  const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(response->reason, sizeof response->reason, format, arguments);
    va_end(arguments);
    return status;
}

static bool read_all(struct text *text) {
    char bytes[65536];
    for (;;) {
        ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
        if (got == 0)
            return true;
        if (got > 0)
            text_append_bytes(text, bytes, (size_t)got);
        else if (errno != EINTR)
            return false;
    }
}

static bool write_all(const struct text *text) {
    size_t written = 0;
    while (written < text->length) {
        ssize_t wrote = write(STDOUT_FILENO, text->bytes + written, text->length - written);
        if (wrote >= 0)
            written += (size_t)wrote;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

// Fills the request from the message. Returns what is wrong with it, or NULL.
static const char *take_request(const struct message *message, struct worker_request *request) {
    const struct message_field *source = message_field(message, "source");
    request->isa = message_string(message, "isa");
    request->source_name = message_string(message, "source_name");
    request->kernel = message_string(message, "kernel");
    request->folder = message_string(message, "folder");
    if (!source || !*request->kernel || *request->folder != '/')
        return "source, kernel or folder is missing";
    if (!*request->source_name || *request->source_name == '-' || *request->source_name == '.' ||
        strchr(request->source_name, '/'))
        return "source_name is no plain file name";
    request->source = source->bytes;
    request->source_bytes = source->length;
    request->options = calloc(message->count + 1, sizeof(char *));
    if (!request->options)
        memory_exhausted((message->count + 1) * sizeof(char *));
    for (size_t i = 0; i < message->count; i++)
        if (strcmp(message->fields[i].name, "option") == 0)
            request->options[request->option_count++] = message->fields[i].bytes;
    return NULL;
}

static enum worker_status answer(const struct message *message, struct worker_response *response) {
    const char *name = message_string(message, "compiler");
    const struct worker_compiler *compiler = NULL;
    for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++)
        if (strcmp(compilers[i]->name, name) == 0)
            compiler = compilers[i];
    if (!compiler)
        return worker_give_up(response, WORKER_UNAVAILABLE, "there is no compiler '%s'", name);
    enum worker_status status = compiler->probe(message_string(message, "isa"), response);
    if (status != WORKER_OK || strcmp(message_string(message, "action"), "probe") == 0)
        return status;
    struct worker_request request = {0};
    const char *wrong = take_request(message, &request);
    status = wrong ? worker_give_up(response, WORKER_UNAVAILABLE, "bad request: %s", wrong)
                   : compiler->compile(&request, response);
    free(request.options);
    return status;
}

static void put_response(struct text *out, enum worker_status status,
                         const struct worker_response *response) {
    static const char *const names[] = {"ok", "failed", "unavailable"};
    message_begin(out);
    message_add_string(out, "status", names[status]);
    message_add_string(out, "reason", response->reason);
    message_add_string(out, "version", response->version);
#define KERNEL_RESOURCE(name, meaning) message_add_long(out, #name, response->resources.name);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
    message_add(out, "log", response->log.bytes, response->log.length);
    message_add(out, "object", response->object.bytes, response->object.length);
    message_add(out, "listing", response->listing.bytes, response->listing.length);
    message_end(out);
}

int main(void) {
    struct text input = {0}, output = {0};
    struct message message;
    if (!read_all(&input) || !message_parse(input.bytes, input.length, &message)) {
        fprintf(stderr, "monogen-worker: stdin holds no request; this program is started by "
                        "monogen\n");
        return 2;
    }
    struct worker_response response = {.resources = {
#define KERNEL_RESOURCE(name, meaning) .name = -1,
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
                                       }};
    enum worker_status status = answer(&message, &response);
    put_response(&output, status, &response);
    bool written = write_all(&output);
    text_close(&response.object);
    text_close(&response.log);
    text_close(&response.listing);
    text_close(&output);
    text_close(&input);
    return written ? 0 : 3;
}
