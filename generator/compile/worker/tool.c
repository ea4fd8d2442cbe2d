// Programs that compilers start, and the files that they share with them.
#include "generator/compile/worker/worker.h"

#include <stdio.h>

enum { OUTPUT_BYTES_MAX = 512 << 20 };

// Whoever asked has a time limit of its own and ends this worker; this one only bounds a leftover.
static const double TIMEOUT_SECONDS = 3600;

void worker_run(const char *const *arguments, const char *folder, struct process_result *result) {
    char temporary[WORKER_PATH_BYTES];
    snprintf(temporary, sizeof temporary, "TMPDIR=%s", folder ? folder : "/tmp");
    // The C locale keeps "error:" in the log the word that it is.
    const char *environment[] = {"LC_ALL=C", folder ? temporary : NULL, NULL};
    process_run(&(struct process_request){.arguments = arguments,
                                          .environment = environment,
                                          .folder = folder,
                                          .output_bytes_max = OUTPUT_BYTES_MAX,
                                          .timeout_seconds = TIMEOUT_SECONDS},
                result);
}

bool worker_succeeded(const struct process_result *result) {
    return result->end == PROCESS_EXITED && result->code == 0;
}

bool worker_write_file(const char *folder, const char *name, const char *bytes, size_t length) {
    char path[WORKER_PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool written = fwrite(bytes, 1, length, file) == length;
    return fclose(file) == 0 && written;
}

void worker_list(const char *const *arguments, const char *folder, struct text *listing) {
    struct process_result result = {0};
    worker_run(arguments, folder, &result);
    if (worker_succeeded(&result))
        text_append_bytes(listing, result.output.bytes, result.output.length);
    process_result_close(&result);
}
