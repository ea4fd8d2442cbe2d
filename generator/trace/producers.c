#include "generator/trace/producers.h"

#include "generator/plan/access.h"

#include <string.h>

void producers_open(struct producers *producers, const struct plan_plan *plan,
                    struct arena *arena) {
    const size_t bodies = (size_t)plan->bodies_count;
    *producers = (struct producers){.plan = plan, .arena = arena};
    producers->lists = arena_array(arena, bodies * bodies, sizeof *producers->lists);
}

int producers_stage(const struct plan_plan *plan, int step) {
    const struct plan_stage *stage = &plan->stages[step];
    for (int p = step - 1; p >= 0 && stage->reads_from; p--)
        if (plan->stages[p].writes_to && plan->stages[p].write_epoch == stage->read_epoch &&
            strcmp(plan->stages[p].writes_to, stage->reads_from) == 0)
            return p;
    return -1;
}

// The owners of what the CU's tiles read.
static struct producer_list list_of(struct producers *producers, const struct plan_body *reader,
                                    const int *owners, int pairs, int cu) {
    const struct plan_plan *plan = producers->plan;
    const struct plan_partition *partition = plan_partition_named(plan, reader->partition);
    const size_t cus = (size_t)plan->machine.cus;
    bool *seen = arena_array(producers->arena, cus, sizeof *seen);
    int *list = arena_array(producers->arena, cus, sizeof *list), count = 0;
    for (int r = 0; r < reader->reads_count; r++)
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
            for (int chunk = 0; chunk < reader->reads[r].span.chunks; chunk++) {
                const struct element_range range =
                    access_range(&reader->reads[r].span, tile, chunk);
                for (int64_t e = range.first; e < range.first + range.count && e < pairs; e++) {
                    const int owner = owners[e];
                    if (owner >= 0 && !seen[owner])
                        list[count++] = owner;
                    if (owner >= 0)
                        seen[owner] = true;
                }
            }
    return (struct producer_list){list, count};
}

// Where all tiles read the same, all CUs that have some share a list.
static struct producer_list *lists_of(struct producers *producers, const struct plan_stage *stage,
                                      const struct plan_stage *from) {
    const struct plan_plan *plan = producers->plan;
    const struct plan_body *reader = plan_body_named(plan, stage->body);
    const struct plan_body *writer = plan_body_named(plan, from->body);
    const struct plan_partition *partition = plan_partition_named(plan, reader->partition);
    const int pairs = plan_mailbox_named(plan, from->writes_to)->pairs;
    int *owners = arena_array(producers->arena, (size_t)pairs, sizeof *owners);
    int64_t bad;
    access_owners(plan, writer, pairs, owners, &bad);
    bool common = true;
    for (int r = 0; r < reader->reads_count; r++)
        common = common && access_is_common(&reader->reads[r].span);
    struct producer_list *lists =
        arena_array(producers->arena, (size_t)plan->machine.cus, sizeof *lists);
    struct producer_list shared = {0};
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        if (plan_tiles_of(partition, cu) == 0)
            continue;
        lists[cu] =
            common && shared.count > 0 ? shared : list_of(producers, reader, owners, pairs, cu);
        shared = lists[cu];
    }
    return lists;
}

struct producer_list producers_of(struct producers *producers, int step, int from, int cu) {
    const struct plan_plan *plan = producers->plan;
    const struct plan_stage *stage = &plan->stages[step], *writer = &plan->stages[from];
    const long row = plan_body_named(plan, stage->body) - plan->bodies;
    const long column = plan_body_named(plan, writer->body) - plan->bodies;
    struct producer_list **lists = &producers->lists[row * plan->bodies_count + column];
    if (!*lists)
        *lists = lists_of(producers, stage, writer);
    return (*lists)[cu];
}
