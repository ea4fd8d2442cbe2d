#include "generator/plan/check_knowledge.h"

#include <string.h>

enum { EVENTS_AT_ONCE = 8 };

struct knowledge *knowledge_new(struct knowledge_pool *pool) {
    struct knowledge *knowledge = pool->spare;
    if (knowledge) {
        pool->spare = knowledge->joined;
        memset(knowledge->event, 0, (size_t)pool->cus * sizeof *knowledge->event);
    } else {
        knowledge = arena_alloc(pool->arena, sizeof *knowledge);
        knowledge->event =
            arena_array(pool->arena, (size_t)pool->cus + EVENTS_AT_ONCE, sizeof *knowledge->event);
        pool->held += pool->cus;
    }
    knowledge->holders = 1;
    knowledge->serial = 0;
    pool->work += pool->cus;
    return knowledge;
}

struct knowledge *knowledge_copy(struct knowledge_pool *pool, const struct knowledge *of) {
    struct knowledge *copy = knowledge_new(pool);
    memcpy(copy->event, of->event, (size_t)pool->cus * sizeof *copy->event);
    return copy;
}

struct knowledge *knowledge_hold(struct knowledge *knowledge) {
    knowledge->holders++;
    return knowledge;
}

void knowledge_release(struct knowledge_pool *pool, struct knowledge *knowledge) {
    if (!knowledge || --knowledge->holders > 0)
        return;
    knowledge->joined = pool->spare;
    pool->spare = knowledge;
}

void knowledge_join(struct knowledge_pool *pool, struct knowledge *into,
                    const struct knowledge *what) {
    int *restrict to = into->event;
    const int *restrict from = what->event;
    for (int cu = 0; cu < pool->cus; cu += EVENTS_AT_ONCE)
        for (int i = cu; i < cu + EVENTS_AT_ONCE; i++) // as one vector
            to[i] = to[i] > from[i] ? to[i] : from[i];
    pool->work += pool->cus;
}

bool knowledge_contains(struct knowledge_pool *pool, const struct knowledge *all,
                        const struct knowledge *part) {
    pool->work += pool->cus;
    for (int cu = 0; cu < pool->cus; cu += EVENTS_AT_ONCE) {
        int more = 0;
        for (int i = cu; i < cu + EVENTS_AT_ONCE; i++) // as one vector
            more |= part->event[i] > all->event[i];
        if (more)
            return false;
    }
    return true;
}
