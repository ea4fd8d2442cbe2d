#include "generator/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ // gcc's word
#define SANITISED
#elif defined __has_feature // clang's
#if __has_feature(address_sanitizer)
#define SANITISED
#endif
#endif

// The sanitiser knows what malloc gave. Here it learns which bytes of a block were given on, so
// that it sees an access beyond one allocation that stays in the block.
#ifdef SANITISED
#include <sanitizer/asan_interface.h>
#define FORBID(bytes, count) __asan_poison_memory_region(bytes, count)
#define ALLOW(bytes, count) __asan_unpoison_memory_region(bytes, count)
enum { GAP_BYTES = 16 }; // behind each allocation
#else
#define FORBID(bytes, count) ((void)0)
#define ALLOW(bytes, count) ((void)0)
enum { GAP_BYTES = 0 };
#endif

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *older;
    size_t capacity, used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

_Noreturn void memory_exhausted(size_t bytes) {
    fprintf(stderr, "monogen: out of memory (%zu bytes asked for)\n", bytes);
    exit(3);
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2)
        memory_exhausted(bytes);
    // An empty request takes room too, so that every result is distinct.
    size_t rounded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    rounded += GAP_BYTES;
    struct arena_block *block = arena->newest;
    if (!block || block->capacity - block->used < rounded) {
        size_t capacity = rounded > BLOCK_BYTES / 4 ? rounded : BLOCK_BYTES;
        struct arena_block *fresh = calloc(1, sizeof *fresh + capacity);
        if (!fresh)
            memory_exhausted(bytes);
        fresh->capacity = capacity;
        FORBID(fresh->bytes, capacity);
        if (block && capacity == rounded) {
            // A large request gets a block of its own, behind the one that still has room.
            fresh->older = block->older;
            block->older = fresh;
        } else {
            fresh->older = block;
            arena->newest = fresh;
        }
        block = fresh;
    }
    void *result = block->bytes + block->used;
    block->used += rounded;
    ALLOW(result, bytes);
    return result;
}

void *arena_array(struct arena *arena, size_t count, size_t element_bytes) {
    size_t bytes;
    if (__builtin_mul_overflow(count, element_bytes, &bytes))
        memory_exhausted(SIZE_MAX);
    return arena_alloc(arena, bytes);
}

void *arena_grow(struct arena *arena, void *elements, size_t count, size_t element_bytes) {
    if ((count & (count - 1)) != 0)
        return elements;
    size_t capacity = count == 0 ? 1 : count * 2;
    if (capacity < count)
        memory_exhausted(SIZE_MAX);
    void *grown = arena_array(arena, capacity, element_bytes);
    if (count > 0)
        memcpy(grown, elements, count * element_bytes);
    return grown;
}

char *arena_bytes(struct arena *arena, const char *bytes, size_t count) {
    if (count == SIZE_MAX)
        memory_exhausted(count);
    char *copy = arena_alloc(arena, count + 1);
    if (count > 0)
        memcpy(copy, bytes, count);
    return copy;
}

char *arena_string(struct arena *arena, const char *string) {
    return string ? arena_bytes(arena, string, strlen(string)) : NULL;
}

char *arena_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        memory_exhausted(0);
    char *result = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(result, (size_t)length + 1, format, again);
    va_end(again);
    return result;
}

void arena_close(struct arena *arena) {
    struct arena_block *block = arena->newest;
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    arena->newest = NULL;
}
