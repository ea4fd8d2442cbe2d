// Digests name content: plans, sources, cache entries. SHA-256, as 64 hex digits.
#ifndef GENERATOR_BASE_DIGEST_H
#define GENERATOR_BASE_DIGEST_H

#include <stddef.h>

enum { DIGEST_TEXT_BYTES = 65 };

// Writes the digest of the concatenation of `parts` ([count], each NUL-terminated; each part is
// preceded by its length, so that no two lists of parts collide) into `digest`.
void digest_strings(const char *const *parts, size_t count, char digest[DIGEST_TEXT_BYTES]);

#endif
