#include "generator/plan/access.h"

#include <string.h>

struct element_range access_read(const struct plan_read *read, int tile) {
    return (struct element_range){read->first + (int64_t)tile * read->stride, read->count};
}

struct owners {
    int *owner;
    int pairs, bad;
    int64_t *bad_element;
};

static void own(struct owners *owners, int64_t element, int cu) {
    const bool outside = element < 0 || element >= owners->pairs;
    if (outside || owners->owner[element] >= 0) {
        if (owners->bad++ == 0)
            *owners->bad_element = element;
        return;
    }
    owners->owner[element] = cu;
}

// Rows of a write whose packed rows lie in tiles of `cu`.
static void own_rows(struct owners *owners, const struct plan_write *write, int cu,
                     int64_t first_row, int64_t end_row) {
    const int64_t stride = write->stride > 0 ? write->stride : 1;
    int64_t j = first_row - write->first;
    j = j <= 0 ? 0 : (j + stride - 1) / stride;
    for (; j < write->rows && write->first + j * stride < end_row; j++)
        own(owners, write->element + (int64_t)plan_source_row((int)j, write->pair_span), cu);
}

int access_owners(const struct plan_plan *plan, const struct plan_body *body, const char *mailbox,
                  int pairs, int *owner, int64_t *bad_element) {
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    struct owners owners = {owner, pairs, 0, bad_element};
    for (int i = 0; i < pairs; i++)
        owner[i] = -1;
    // An attention tile is a KV head with its group of query heads.
    const int heads_per_tile = plan->shape.heads / plan->shape.kv_heads;
    const int64_t tile_rows = strcmp(body->op, "attention") == 0
                                  ? (int64_t)heads_per_tile * plan->shape.head_dim
                              : strcmp(body->op, "select") == 0 ? 2
                                                                : body->tile_rows;
    for (int w = 0; w < body->writes_count; w++) {
        const struct plan_write *write = &body->writes[w];
        if (strcmp(write->mailbox, mailbox) != 0)
            continue;
        for (int cu = 0; cu < plan->machine.cus; cu++) {
            for (int i = 0; i < write->per_cu; i++)
                own(&owners, (int64_t)cu * write->per_cu + i, cu);
            if (write->per_cu == 0)
                own_rows(&owners, write, cu, partition->first_tile[cu] * tile_rows,
                         partition->first_tile[cu + 1] * tile_rows);
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
