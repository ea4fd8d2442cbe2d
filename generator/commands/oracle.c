#include "generator/commands/oracle.h"

#include <stdlib.h>

bool oracle_open(const char *path, uint32_t vocab, struct oracle *oracle,
                 struct monogen_error *error) {
    *oracle = (struct oracle){.wanted = calloc(vocab, sizeof *oracle->wanted)};
    if (!oracle->wanted)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory for the logits");
    return golden_open(path, vocab, &oracle->golden, error);
}

void oracle_close(struct oracle *oracle) {
    golden_close(&oracle->golden);
    free(oracle->wanted);
    *oracle = (struct oracle){0};
}

const float *oracle_logits(struct oracle *oracle, const struct golden_prompt *prompt, size_t k) {
    golden_logits(&oracle->golden, prompt, k, oracle->wanted);
    return oracle->wanted;
}
