#include "generator/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is_sha256_of_lengths_and_parts(void **state) {
    (void)state;
    char digest[DIGEST_TEXT_BYTES];
    digest_strings(NULL, 0, digest);
    assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // printf '\3\0\0\0\0\0\0\0abc' | sha256sum
    digest_strings((const char *const[]){"abc"}, 1, digest);
    assert_string_equal(digest, "ce91dc5eec0139adf091900d225971d6ad246a845bad791b5693a9d0d55dd391");
}

static void lists_of_parts_do_not_collide(void **state) {
    (void)state;
    static const char *const lists[][3] = {
        {"ab", "c", ""}, {"a", "bc", ""}, {"abc", "", ""}, {"", "abc", ""}, {"", "", "abc"}};
    char digests[5][DIGEST_TEXT_BYTES], again[DIGEST_TEXT_BYTES];
    for (int i = 0; i < 5; i++) {
        digest_strings(lists[i], 3, digests[i]);
        digest_strings(lists[i], 3, again);
        assert_string_equal(digests[i], again);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(digests[i], digests[j]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_sha256_of_lengths_and_parts),
        cmocka_unit_test(lists_of_parts_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
