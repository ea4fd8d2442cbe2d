// Continues a text with a generated kernel; all it uses of monogen is runtime/monogen.h.
//
//     example_generate KERNEL_FOLDER WEIGHTS_FOLDER PROMPT MAX_TOKENS
#include "runtime/monogen.h"

#include <stdio.h>
#include <stdlib.h>

static bool print_token(void *context, uint32_t token, const char *text, size_t text_bytes) {
    (void)context;
    if (text)
        fwrite(text, 1, text_bytes, stdout);
    else
        printf("%u ", (unsigned)token);
    return fflush(stdout) == 0;
}

int main(int argument_count, char **arguments) {
    if (argument_count != 5) {
        fprintf(stderr, "usage: %s KERNEL_FOLDER WEIGHTS_FOLDER PROMPT MAX_TOKENS\n", arguments[0]);
        return MONOGEN_BAD_USAGE;
    }
    struct monogen_error error;
    struct monogen *model = monogen_open(
        &(struct monogen_options){.kernel_folder = arguments[1], .weights_folder = arguments[2]},
        &error);
    if (!model) {
        fprintf(stderr, "%s\n", error.message);
        return (int)error.status;
    }
    struct monogen_request request = {.text = arguments[3],
                                      .max_tokens = (uint32_t)strtoul(arguments[4], NULL, 10)};
    struct monogen_result result;
    bool generated = monogen_generate(model, &request, print_token, NULL, &result, &error);
    if (generated)
        fprintf(stderr, "\n%u tokens, the first after %.3f s, all after %.3f s\n",
                (unsigned)result.generated_tokens, result.first_token_seconds,
                result.total_seconds);
    else
        fprintf(stderr, "\n%s\n", error.message);
    monogen_close(model);
    return generated ? MONOGEN_OK : (int)error.status;
}
