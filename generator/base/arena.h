// Arena: memory of one generation. Everything allocated from an arena lives until arena_close.
#ifndef GENERATOR_BASE_ARENA_H
#define GENERATOR_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *newest; // NULL: nothing allocated yet; {0} is a valid empty arena
};

// Returns `bytes` zeroed bytes, aligned for any type, owned by the arena. Never NULL: where the
// system has no memory left, the program says so on stderr and exits with 3 (see memory_exhausted).
void *arena_alloc(struct arena *arena, size_t bytes);

// arena_alloc for `count` elements of `element_bytes`; an overflowing product is exhaustion.
void *arena_array(struct arena *arena, size_t count, size_t element_bytes);

// Grows an array to hold one element more: returns `elements`, or a doubled copy of it when `count`
// elements fill it (count is 0 or a power of two). Requires: count elements are in use.
void *arena_grow(struct arena *arena, void *elements, size_t count, size_t element_bytes);

char *arena_string(struct arena *arena, const char *string);             // a copy; NULL gives NULL
char *arena_bytes(struct arena *arena, const char *bytes, size_t count); // a copy, NUL-terminated
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Frees everything the arena gave out and leaves it empty.
void arena_close(struct arena *arena);

// The one way out of memory: a line on stderr, exit 3 (environment).
_Noreturn void memory_exhausted(size_t bytes);

#endif
