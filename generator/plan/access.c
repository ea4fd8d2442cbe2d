#include "generator/plan/access.h"

struct element_range access_range(const struct plan_span *span, int tile, int chunk) {
    const int64_t first = span->first + (int64_t)(tile / span->repeat) * span->stride +
                          (int64_t)(tile % span->repeat) * span->repeat_stride +
                          (int64_t)chunk * span->chunk_stride;
    const int64_t left = span->end - first;
    return (struct element_range){first, left < 0 ? 0 : left < span->count ? left : span->count};
}

bool access_is_common(const struct plan_span *span) {
    return span->stride == 0 && span->repeat_stride == 0;
}

int64_t access_end(const struct plan_span *span, int tiles) {
    int64_t end = 0;
    for (int tile = 0; tile < tiles; tile++)
        for (int chunk = 0; chunk < span->chunks; chunk++) {
            const struct element_range range = access_range(span, tile, chunk);
            if (range.count > 0 && range.first + range.count > end)
                end = range.first + range.count;
        }
    return end;
}

struct owners {
    int *owner;
    int pairs, bad;
    int64_t *bad_element;
};

static void own(struct owners *owners, struct element_range range, int cu) {
    for (int64_t element = range.first; element < range.first + range.count; element++) {
        const bool outside = element < 0 || element >= owners->pairs;
        if (outside || owners->owner[element] >= 0) {
            if (owners->bad++ == 0)
                *owners->bad_element = element;
            continue;
        }
        owners->owner[element] = cu;
    }
}

int access_owners(const struct plan_plan *plan, const struct plan_body *body, int pairs, int *owner,
                  int64_t *bad_element) {
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    struct owners owners = {owner, pairs, 0, bad_element};
    for (int i = 0; i < pairs; i++)
        owner[i] = -1;
    for (int w = 0; w < body->writes_count; w++) {
        const struct plan_write *write = &body->writes[w];
        for (int cu = 0; cu < plan->machine.cus; cu++) {
            if (write->per_cu > 0) {
                own(&owners, (struct element_range){(int64_t)cu * write->per_cu, write->per_cu},
                    cu);
                continue;
            }
            for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
                for (int chunk = 0; chunk < write->span.chunks; chunk++)
                    own(&owners, access_range(&write->span, tile, chunk), cu);
        }
    }
    return owners.bad;
}

void access_xcds(const struct plan_plan *plan, int *xcd_of) {
    for (int i = 0; i < plan->machine.xcds_count; i++) {
        const struct plan_xcd *xcd = &plan->machine.xcds[i];
        for (int cu = xcd->first_cu; cu < xcd->first_cu + xcd->cus; cu++)
            xcd_of[cu] = i;
    }
}
