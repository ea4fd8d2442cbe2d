// What CUs know of each other, for the rule `reuse`: for each CU the latest event that has
// certainly happened. Shared and counted, for most CUs know the same.
#ifndef GENERATOR_PLAN_CHECK_KNOWLEDGE_H
#define GENERATOR_PLAN_CHECK_KNOWLEDGE_H

#include "generator/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct knowledge {
    int *event; // [cus, rounded up to EVENTS_AT_ONCE]; 0: nothing yet
    int holders;
    // What the operation in progress found out about it, where `serial` is the operation's:
    int64_t serial;
    struct knowledge *joined; // it and what everybody reads
    int late[2];              // CUs that it does not know to have read, -1: none
};

struct knowledge_pool {
    struct arena *arena;
    int cus;
    struct knowledge *spare; // free ones, linked through `joined`
    int64_t work, held;      // integers that were touched, that are held
};

// Of nothing, or of what `of` knows; held once.
struct knowledge *knowledge_new(struct knowledge_pool *pool);
struct knowledge *knowledge_copy(struct knowledge_pool *pool, const struct knowledge *of);

struct knowledge *knowledge_hold(struct knowledge *knowledge);
void knowledge_release(struct knowledge_pool *pool, struct knowledge *knowledge); // NULL is fine

// Adds what `what` knows to `into`; whether `all` knows all that `part` does.
void knowledge_join(struct knowledge_pool *pool, struct knowledge *into,
                    const struct knowledge *what);
bool knowledge_contains(struct knowledge_pool *pool, const struct knowledge *all,
                        const struct knowledge *part);

static inline void event_raise(int *event, int to) {
    if (*event < to)
        *event = to;
}

#endif
