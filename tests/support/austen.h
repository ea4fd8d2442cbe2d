// austen-3m on the CPU, from spec to logits and text, against Hugging Face transformers.
#ifndef TESTS_SUPPORT_AUSTEN_H
#define TESTS_SUPPORT_AUSTEN_H

#include <stdint.h>

enum { AUSTEN_MOST_TOKENS = 256 };

// cmocka's functions of a group: the golden files.
int austen_open_golden(void **state);
int austen_close_golden(void **state);

// Makes the kernel ("cus=7 kv=fp32"), feeds each golden prompt and at most `steps` golden tokens,
// and compares every logit; then generates from the prompt's text and compares the tokens.
void austen_expect_kernel(const char *set, uint32_t steps);

#endif
