// Pass: values travel between stages through mailboxes of (value, epoch) pairs. Stages that the
// same body reads publish to the same mailbox, unless somebody may still read what lies there, or
// each is to keep what it published; each write of a step carries its own epoch.
#include "generator/plan/access.h"
#include "generator/plan/passes.h"

#include <string.h>

struct meaning {
    const char *mailbox, *holds;
};

static const char *meaning_of(const char *mailbox) {
    static const struct meaning meanings[] = {
        {"hidden", "the residual"},
        {"qkv", "queries, keys and values of one position"},
        {"parts", "of each split: weighted values, then maximum and sum of each head"},
        {"attended", "attention's output, head by head"},
        {"gated", "activated gate times up"},
        {"candidates", "(score, token) of the best token of each CU"},
        {"next_token", "the next token, and 1 where the loop ends"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i].mailbox, mailbox) == 0)
            return meanings[i].holds;
    return "rows of a product";
}

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

// ---- what bodies read and write -----------------------------------------------------------------

static struct plan_span whole(int first, int count) {
    return (struct plan_span){
        .first = first, .repeat = 1, .chunks = 1, .count = count, .end = first + count};
}

static void read_add(struct planning *planning, struct plan_body *body, struct plan_span span) {
    body->reads =
        arena_grow(planning->arena, body->reads, (size_t)body->reads_count, sizeof *body->reads);
    body->reads[body->reads_count++] = (struct plan_read){.span = span, .kind = "pairs"};
}

static void write_add(struct planning *planning, struct plan_body *body, struct plan_write write) {
    body->writes =
        arena_grow(planning->arena, body->writes, (size_t)body->writes_count, sizeof *body->writes);
    body->writes[body->writes_count++] = write;
}

// Elements `each` a tile, one tile after the other, `total` together.
static struct plan_span by_tile(int each, int total) {
    return (struct plan_span){
        .stride = each, .repeat = 1, .chunks = 1, .count = each, .end = total};
}

// A head, or a group of them, for each split.
static struct plan_span by_head(const struct plan_body *body, const char *norm, int first, int each,
                                int heads) {
    if (is(norm, "all")) // the norm needs all heads
        return whole(first, heads * each);
    return (struct plan_span){.first = first,
                              .stride = each,
                              .repeat = body->splits,
                              .chunks = 1,
                              .count = each,
                              .end = first + heads * each};
}

static void list_attention(struct planning *planning, struct plan_body *body) {
    const struct plan_shape *shape = &planning->plan->shape;
    const int dim = shape->head_dim, kv_heads = shape->kv_heads;
    const int group = shape->heads / kv_heads, queries = shape->heads * dim;
    read_add(planning, body, by_head(body, body->q_norm, 0, group * dim, kv_heads));
    read_add(planning, body, by_head(body, body->k_norm, queries, dim, kv_heads));
    read_add(planning, body, by_head(body, "none", queries + kv_heads * dim, dim, kv_heads));
    if (body->splits == 1) {
        write_add(planning, body, (struct plan_write){.span = by_tile(group * dim, queries)});
        return;
    }
    // [split][head][dim], then [split][head][2]
    struct plan_span values = by_tile(group * dim, body->splits * queries);
    values.repeat = body->splits;
    values.repeat_stride = queries;
    struct plan_span sums = values;
    sums.first = values.end;
    sums.stride = sums.count = group * 2;
    sums.repeat_stride = shape->heads * 2;
    sums.end = sums.first + body->splits * shape->heads * 2;
    write_add(planning, body, (struct plan_write){.span = values});
    write_add(planning, body, (struct plan_write){.span = sums});
}

static void list_merge(struct planning *planning, struct plan_body *body) {
    const struct plan_shape *shape = &planning->plan->shape;
    const int queries = shape->heads * shape->head_dim;
    struct plan_span values = by_tile(body->tile_rows, body->splits * queries);
    values.chunks = body->splits;
    values.chunk_stride = queries;
    struct plan_span sums = {.first = values.end,
                             .stride = 2,
                             .repeat = shape->head_dim / body->tile_rows,
                             .chunks = body->splits,
                             .chunk_stride = shape->heads * 2,
                             .count = 2,
                             .end = values.end + body->splits * shape->heads * 2};
    read_add(planning, body, values);
    read_add(planning, body, sums);
    write_add(planning, body, (struct plan_write){.span = by_tile(body->tile_rows, body->rows)});
}

static void list_linear(struct planning *planning, struct plan_body *body, bool published) {
    if (is(body->input, "mailbox"))
        read_add(planning, body, whole(0, body->columns));
    if (is(body->epilogue, "logits"))
        write_add(planning, body, (struct plan_write){.span = whole(0, 0), .per_cu = 2});
    else if (is(body->epilogue, "gate"))
        write_add(planning, body,
                  (struct plan_write){.span = by_tile(body->tile_rows / 2, body->rows / 2)});
    else if (published)
        write_add(planning, body,
                  (struct plan_write){.span = by_tile(body->tile_rows, body->rows)});
}

static void list_accesses(struct planning *planning, struct plan_body *body, bool published) {
    if (is(body->op, "linear"))
        list_linear(planning, body, published);
    else if (is(body->op, "attention"))
        list_attention(planning, body);
    else if (is(body->op, "merge"))
        list_merge(planning, body);
    else if (is(body->op, "embed") && published)
        write_add(planning, body,
                  (struct plan_write){.span = by_tile(body->tile_rows, body->rows)});
    else if (is(body->op, "residual"))
        read_add(planning, body, whole(0, body->rows));
    else if (is(body->op, "select")) {
        read_add(planning, body, whole(0, 2 * planning->plan->machine.cus));
        write_add(planning, body, (struct plan_write){.span = whole(0, 2)});
    } else if (is(body->op, "token")) {
        read_add(planning, body, whole(0, 2));
    }
}

// ---- mailboxes ----------------------------------------------------------------------------------

static int body_number(struct planning *planning, int stage) {
    return (int)(body_of_stage(planning, &planning->plan->stages[stage]) - planning->plan->bodies);
}

static int class_of(const int *parent, int body) {
    while (parent[body] != body)
        body = parent[body];
    return body;
}

// Bodies whose stages share a mailbox: what one body reads must come from one place. parent[bodies]
// is a forest; the root of a class is its first body, which names the mailbox.
static int *unite_writers(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const size_t bodies = (size_t)plan->bodies_count;
    int *parent = arena_array(planning->arena, bodies, sizeof *parent);
    int *writer = arena_array(planning->arena, bodies, sizeof *writer); // of what a body reads
    for (int b = 0; b < plan->bodies_count; b++) {
        parent[b] = b;
        writer[b] = -1;
    }
    for (int s = 0; s < plan->stages_count; s++) {
        const int producer = planning->origin[s].producer;
        if (producer < 0)
            continue;
        const int reader = body_number(planning, s);
        const int from = class_of(parent, body_number(planning, producer));
        const int before = writer[reader] < 0 ? from : class_of(parent, writer[reader]);
        writer[reader] = from;
        parent[from > before ? from : before] = from > before ? before : from;
    }
    return parent;
}

static struct plan_mailbox *mailbox_named(struct planning *planning, const char *name) {
    struct plan_plan *plan = planning->plan;
    for (int i = 0; i < plan->mailboxes_count; i++)
        if (strcmp(plan->mailboxes[i].name, name) == 0)
            return &plan->mailboxes[i];
    return NULL;
}

static void mailbox_add(struct planning *planning, const char *name, const char *holds, int pairs) {
    struct plan_plan *plan = planning->plan;
    struct plan_mailbox *mailbox = mailbox_named(planning, name);
    if (!mailbox) {
        plan->mailboxes = arena_grow(planning->arena, plan->mailboxes,
                                     (size_t)plan->mailboxes_count, sizeof *plan->mailboxes);
        mailbox = &plan->mailboxes[plan->mailboxes_count++];
        *mailbox =
            (struct plan_mailbox){.name = name, .first_stage = -1, .holds = meaning_of(holds)};
    }
    mailbox->pairs = pairs > mailbox->pairs ? pairs : mailbox->pairs;
}

static int pairs_of(const struct planning *planning, const struct plan_body *body) {
    const struct plan_plan *plan = planning->plan;
    int64_t pairs = 0;
    for (int w = 0; w < body->writes_count; w++) {
        const struct plan_write *write = &body->writes[w];
        const int tiles = plan_partition_named(plan, body->partition)->tiles;
        const int64_t end = write->per_cu ? (int64_t)write->per_cu * plan->machine.cus
                                          : access_end(&write->span, tiles);
        pairs = end > pairs ? end : pairs;
    }
    return (int)pairs;
}

// The first stage that awaits what stage `read` or a later one publishes: who is there knows that
// `read` is over. The number of stages where there is none.
static int heard_of(const struct planning *planning, int read) {
    const int stages = planning->plan->stages_count;
    for (int s = read + 1; s < stages; s++)
        if (planning->origin[s].producer >= read)
            return s;
    return stages;
}

// [stages] the first stage that may write over what a stage writes: it has heard of the last read.
static int *find_free(struct planning *planning) {
    const int stages = planning->plan->stages_count;
    int *last_read = arena_array(planning->arena, (size_t)stages, sizeof *last_read);
    int *free_at = arena_array(planning->arena, (size_t)stages, sizeof *free_at);
    for (int s = 0; s < stages; s++)
        if (planning->origin[s].producer >= 0)
            last_read[planning->origin[s].producer] = s;
    for (int s = 0; s < stages; s++)
        free_at[s] = last_read[s] > 0 ? heard_of(planning, last_read[s]) : s + 1;
    return free_at;
}

// The mailboxes of a class: one, but for values that may still be read when the next is written.
enum { MOST_MAILBOXES = 8 };
struct class_mailboxes {
    const char *name[MOST_MAILBOXES];
    int count;
};

static bool is_free(const struct planning *planning, const char *mailbox, int writer,
                    const int *free_at) {
    for (int s = 0; s < writer; s++) {
        const char *name = planning->plan->stages[s].writes_to;
        if (name && is(name, mailbox) && free_at[s] > writer)
            return false;
    }
    return true;
}

static const char *mailbox_of(struct planning *planning, struct class_mailboxes *class,
                              const char *wanted, int writer, const int *free_at) {
    for (int i = 0; i < class->count; i++)
        if (is_free(planning, class->name[i], writer, free_at))
            return class->name[i];
    const char *name = wanted;
    for (int i = 2; mailbox_named(planning, name); i++)
        name = arena_format(planning->arena, "%s_%d", wanted, i);
    if (class->count < MOST_MAILBOXES)
        class->name[class->count++] = name;
    return name;
}

// Names the mailbox of each stage that publishes, and makes it.
static void make_mailboxes(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const bool asked = planning->tuning->buffers && is(planning->tuning->buffers, "unshared");
    const bool unshared = asked || planning->keeps_mailboxes;
    const int *parent = unite_writers(planning), *free_at = find_free(planning);
    struct class_mailboxes *classes =
        arena_array(planning->arena, (size_t)plan->bodies_count, sizeof *classes);
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        if (!stage->writes_to)
            continue;
        const char *wanted = stage->writes_to;
        struct class_mailboxes *class = &classes[class_of(parent, body_number(planning, s))];
        stage->writes_to = unshared ? arena_format(planning->arena, "%s_%d", wanted, s)
                                    : mailbox_of(planning, class, wanted, s, free_at);
        mailbox_add(planning, stage->writes_to, wanted,
                    pairs_of(planning, body_of_stage(planning, stage)));
    }
    for (int i = 0; i < plan->mailboxes_count; i++) {
        plan->mailboxes[i].first_pair = plan->mailbox_pairs;
        // A mailbox starts on a 128-byte line of its own.
        plan->mailbox_pairs += (plan->mailboxes[i].pairs + 15) / 16 * 16;
    }
    choice_add(
        planning, "buffers", unshared ? "unshared" : "shared",
        (const char *const[]){"shared", "unshared", NULL},
        asked ? "asked for: each stage keeps what it published last"
        : unshared
            ? "where layers used the same mailboxes again, a CU could write before all have read"
            : "layers use the same mailboxes again: a CU's polls stay in few lines");
}

static void use_mailbox(struct planning *planning, const char *name, int stage) {
    struct plan_mailbox *mailbox = mailbox_named(planning, name);
    if (mailbox->first_stage < 0)
        mailbox->first_stage = stage;
    mailbox->last_stage = stage;
}

static void number_epochs(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    int *writes = arena_array(planning->arena, (size_t)plan->mailboxes_count, sizeof *writes);
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        const int producer = planning->origin[s].producer;
        if (producer >= 0) {
            stage->reads_from = plan->stages[producer].writes_to;
            stage->read_epoch = plan->stages[producer].write_epoch;
            use_mailbox(planning, stage->reads_from, s);
        }
        if (!stage->writes_to)
            continue;
        use_mailbox(planning, stage->writes_to, s);
        stage->write_epoch = writes[mailbox_named(planning, stage->writes_to) - plan->mailboxes]++;
        if (stage->write_epoch >= plan->epochs_per_step)
            plan->epochs_per_step = stage->write_epoch + 1;
    }
}

// ---- scopes -------------------------------------------------------------------------------------

// The widest edge between the CUs that write and those that read: 0 none, 1 on one XCD, 2 across.
static int width_of(const struct plan_plan *plan, const struct plan_body *reader,
                    const struct plan_span *span, const int *owner, const int *xcd_of) {
    const struct plan_partition *partition = plan_partition_named(plan, reader->partition);
    int widest = 0;
    for (int cu = 0; cu < plan->machine.cus && widest < 2; cu++) {
        const int first = partition->first_tile[cu], end = partition->first_tile[cu + 1];
        for (int tile = first; tile < end; tile++) {
            for (int chunk = 0; chunk < span->chunks; chunk++) {
                const struct element_range range = access_range(span, tile, chunk);
                for (int64_t e = range.first; e < range.first + range.count; e++) {
                    const int from = owner[e];
                    const int width = from < 0 || from == cu       ? 0
                                      : xcd_of[from] == xcd_of[cu] ? 1
                                                                   : 2;
                    widest = width > widest ? width : widest;
                }
            }
            if (access_is_common(span))
                break; // every tile reads the same
        }
    }
    return widest;
}

static void name_scopes(struct planning *planning) {
    static const char *const scopes[] = {"same CU", "same XCD", "across XCDs"};
    const struct plan_plan *plan = planning->plan;
    struct arena arena = {0};
    const size_t bodies = (size_t)plan->bodies_count;
    bool *known = arena_array(&arena, bodies * bodies, sizeof *known);
    int(*widest)[STAGE_MAX_PARTS] = arena_array(&arena, bodies, sizeof *widest);
    int *xcd_of = arena_array(&arena, (size_t)plan->machine.cus, sizeof *xcd_of);
    access_xcds(plan, xcd_of);
    for (int s = 0; s < plan->stages_count; s++) {
        const int producer = planning->origin[s].producer;
        if (producer < 0)
            continue;
        const int r = body_number(planning, s), w = body_number(planning, producer);
        if (known[(size_t)r * bodies + (size_t)w])
            continue;
        known[(size_t)r * bodies + (size_t)w] = true;
        const struct plan_body *writer = &plan->bodies[w], *reader = &plan->bodies[r];
        const int pairs = plan_mailbox_named(plan, plan->stages[producer].writes_to)->pairs;
        int *owner = arena_array(&arena, (size_t)pairs, sizeof *owner);
        int64_t bad = 0;
        access_owners(plan, writer, pairs, owner, &bad);
        for (int i = 0; i < reader->reads_count; i++) {
            const int width = width_of(plan, reader, &reader->reads[i].span, owner, xcd_of);
            widest[r][i] = width > widest[r][i] ? width : widest[r][i];
        }
    }
    for (int b = 0; b < plan->bodies_count; b++)
        for (int i = 0; i < plan->bodies[b].reads_count; i++)
            plan->bodies[b].reads[i].scope = scopes[widest[b][i]];
    arena_close(&arena);
}

bool pass_handoffs(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    for (int b = 0; b < plan->bodies_count; b++) {
        bool published = false;
        for (int s = 0; s < plan->stages_count; s++)
            published |= body_number(planning, s) == b && plan->stages[s].writes_to;
        list_accesses(planning, &plan->bodies[b], published);
    }
    make_mailboxes(planning);
    number_epochs(planning);
    name_scopes(planning);
    choice_add(planning, "hand-off", "pairs",
               (const char *const[]){"counter and fence: 181 + 120 ns a fence", NULL},
               "(value, epoch) in one 8-byte store needs no fence, no reset and no counter");
    return true;
}
