#include "generator/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void memory_is_zeroed_aligned_and_distinct(void **state) {
    (void)state;
    struct arena arena = {0};
    unsigned char *blocks[2000];
    for (size_t i = 0; i < 2000; i++) {
        size_t bytes = i * 37 % 5000;
        blocks[i] = arena_alloc(&arena, bytes);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < bytes; j++) {
            if (blocks[i][j] != 0)
                fail_msg("byte %zu of block %zu is %d, not 0", j, i, blocks[i][j]);
        }
        memset(blocks[i], (int)(i % 255) + 1, bytes);
    }
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < i * 37 % 5000; j++) {
            if (blocks[i][j] != i % 255 + 1)
                fail_msg("byte %zu of block %zu was overwritten", j, i);
        }
    }
    assert_ptr_not_equal(arena_alloc(&arena, 0), arena_alloc(&arena, 0));
    arena_close(&arena);
    assert_null(arena.newest);
    arena_close(&arena);
}

static void arrays_grow_and_keep_their_elements(void **state) {
    (void)state;
    struct arena arena = {0};
    int *numbers = NULL;
    for (size_t i = 0; i < 10000; i++) {
        numbers = arena_grow(&arena, numbers, i, sizeof *numbers);
        numbers[i] = (int)i;
    }
    for (int i = 0; i < 10000; i++)
        assert_int_equal(numbers[i], i);
    arena_close(&arena);
}

static void strings_are_copied(void **state) {
    (void)state;
    struct arena arena = {0};
    char text[] = "abc";
    char *copy = arena_string(&arena, text), *part = arena_bytes(&arena, text, 2);
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(part, "ab");
    assert_null(arena_string(&arena, NULL));
    assert_string_equal(arena_format(&arena, "%s-%d", text, 7), "xbc-7");
    char *formatted = arena_format(&arena, "%*d", 100000, 1);
    assert_int_equal(strlen(formatted), 100000);
    arena_close(&arena);
}

// What no system can give ends the program with status 3; it does not return NULL.
static void exhaustion_ends_the_program(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct arena arena = {0};
            close(STDERR_FILENO);
            if (kind == 0)
                arena_array(&arena, SIZE_MAX / 4, 8);
            else if (kind == 1)
                arena_alloc(&arena, SIZE_MAX);
            else
                arena_grow(&arena, NULL, (SIZE_MAX >> 1) + 1, 1);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_distinct),
        cmocka_unit_test(arrays_grow_and_keep_their_elements),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(exhaustion_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
