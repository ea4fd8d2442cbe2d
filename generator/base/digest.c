#include "generator/base/digest.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <string.h>

void digest_strings(const char *const *parts, size_t count, char digest[DIGEST_TEXT_BYTES]) {
    struct sha256_ctx context;
    sha256_init(&context);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(parts[i]);
        uint8_t prefix[8];
        for (int byte = 0; byte < 8; byte++)
            prefix[byte] = (uint8_t)((uint64_t)length >> (8 * byte));
        sha256_update(&context, sizeof prefix, prefix);
        sha256_update(&context, length, (const uint8_t *)parts[i]);
    }
    uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_digest(&context, sizeof bytes, bytes);
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof bytes; i++) {
        digest[2 * i] = hex[bytes[i] >> 4];
        digest[2 * i + 1] = hex[bytes[i] & 15];
    }
    digest[2 * sizeof bytes] = '\0';
}
