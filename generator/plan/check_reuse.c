// Rule `reuse`: a pair is overwritten only after its last reader. Nobody acknowledges a hand-off,
// so a writer must know through the hand-offs that it has received, and those that their senders
// had received before. The rule follows prompt and generated positions with vector clocks.
//
// An event of a CU is 2k + 1 where it has read what its k-th stage awaits, 2k + 2 where that stage
// is over. A CU knows for each other CU the latest event that has certainly happened. Most CUs know
// the same: what they know is shared (check_knowledge.h), only their own entry differs.
#include "generator/plan/access.h"
#include "generator/plan/check_edges.h"
#include "generator/plan/check_knowledge.h"
#include "generator/plan/check_rules.h"

// What a CU knows at a moment: `shared` but for its own entry.
struct moment {
    struct knowledge *shared;
    int own;
};

// What bodies read of a mailbox since all of it was written: the latest event of each that reads.
struct reading {
    int body, event;
};

struct mail {                 // the last write of a mailbox
    struct moment *sent;      // [cus] what each writer knew; shared NULL: it wrote nothing
    struct knowledge *merged; // what writers of the first elements knew together, NULL: not asked
    int merged_end;           // how many elements these are
    struct knowledge *part;   // what the writers of `part_of` knew together, NULL: not asked
    const struct sources *part_of;
    int body;                      // who wrote
    const struct writers *writers; // the same as a list
    bool by_tile;                  // they read and wrote tile by tile
    bool some_unread;              // else `unread` is nothing
    int *unread;                   // [pairs] who wrote what nobody has read yet, -1: somebody has
    struct reading *readings;      // [bodies]
    int reading_count;
};

struct following {
    struct checking *checking;
    int cus, stages_followed;
    struct moment *now; // [cus]
    struct mail *mail;  // [mailboxes]
    struct edges *edges;
    struct knowledge_pool pool;
    int64_t serial;
};

// Integers that are touched, and that are held, before the rule gives up: a few seconds and 256
// MiB. 16 layers on 304 CUs touch a hundredth.
#define MAX_WORK ((int64_t)1 << 31)
#define MAX_HELD ((int64_t)1 << 26)

// Adds what CU `cu` knew when it sent, its own last event being `own`. Each shared part is joined
// once an operation.
static void join_sent(struct following *following, struct knowledge *into, const struct mail *mail,
                      int cu, int own) {
    const struct moment *sent = &mail->sent[cu];
    if (sent->shared->serial != following->serial) {
        sent->shared->serial = following->serial;
        if (sent->shared != into)
            knowledge_join(&following->pool, into, sent->shared);
    }
    event_raise(&into->event[cu], own);
}

// What the writers of elements 0 .. end - 1 knew together.
static struct knowledge *merged(struct following *following, struct mail *mail, int end) {
    if (mail->merged && mail->merged_end == end)
        return mail->merged;
    knowledge_release(&following->pool, mail->merged);
    mail->merged = knowledge_new(&following->pool);
    mail->merged_end = end;
    following->serial++;
    for (int i = 0; i < mail->writers->count; i++) {
        const struct writer *writer = &mail->writers->list[i];
        if (writer->lowest >= end)
            continue; // it wrote nothing of these
        const struct moment *sent = &mail->sent[writer->cu];
        // Of a CU that has tiles left to read and to write, only its stage before is over.
        const bool has_more = mail->by_tile && writer->highest >= end;
        if (has_more)
            event_raise(&mail->merged->event[writer->cu], sent->own - 1);
        else
            join_sent(following, mail->merged, mail, writer->cu, sent->own);
    }
    return mail->merged;
}

// CU `cu` has received elements 0 .. end - 1.
static void receive_all(struct following *following, struct mail *mail, int end, int cu) {
    struct knowledge *all = merged(following, mail, end), *mine = following->now[cu].shared;
    if (mine->serial != following->serial) {
        mine->serial = following->serial;
        if (knowledge_contains(&following->pool, all, mine)) {
            mine->joined = all;
        } else {
            mine->joined = knowledge_copy(&following->pool, mine);
            knowledge_join(&following->pool, mine->joined, all);
            mine->joined->holders = 0;
        }
    }
    following->now[cu].shared = knowledge_hold(mine->joined);
    knowledge_release(&following->pool, mine);
}

// CU `cu` has received what its first tile reads, or what the rest do. CUs that heard the same from
// the same, one after the other, ask once what these knew.
static void receive_part(struct following *following, struct mail *mail, int reader, int cu,
                         bool first) {
    const struct sources *sources = edges_sources(following->edges, reader, mail->body, first)[cu];
    if (mail->part_of != sources) {
        knowledge_release(&following->pool, mail->part);
        mail->part = knowledge_new(&following->pool);
        mail->part_of = sources;
        following->serial++;
        for (int i = 0; i < sources->count; i++) {
            const int from = sources->list[i].cu, own = mail->sent[from].own;
            if (sources->list[i].whole)
                join_sent(following, mail->part, mail, from, own);
            else
                event_raise(&mail->part->event[from], own - 1);
        }
    }
    struct knowledge *mine = following->now[cu].shared;
    if (knowledge_contains(&following->pool, mail->part, mine)) {
        following->now[cu].shared = knowledge_hold(mail->part);
    } else {
        following->now[cu].shared = knowledge_copy(&following->pool, mine);
        knowledge_join(&following->pool, following->now[cu].shared, mail->part);
    }
    knowledge_release(&following->pool, mine);
}

static void note_reading(struct following *following, struct mail *mail,
                         const struct plan_mailbox *mailbox, int b, int event) {
    const struct plan_body *body = &following->checking->plan->bodies[b];
    const struct readers *readers = following->edges->readers[b];
    if (following->edges->reads_through[b] >= mailbox->pairs)
        mail->some_unread = false;
    for (int e = 0;
         mail->some_unread && e < mailbox->pairs && e < following->edges->reader_pairs[b]; e++)
        if (readers && readers[e].first >= 0)
            mail->unread[e] = -1;
    for (int r = 0; mail->some_unread && r < body->reads_count && !readers; r++) {
        const struct element_range range = access_range(&body->reads[r].span, 0, 0);
        for (int64_t e = range.first; e < range.first + range.count; e++)
            mail->unread[e] = -1;
    }
    following->pool.work += mail->some_unread ? mailbox->pairs : 0;
    int i = 0;
    while (i < mail->reading_count && mail->readings[i].body != b)
        i++;
    mail->readings[i] = (struct reading){b, event};
    mail->reading_count += i == mail->reading_count;
}

// A CU whose tiles read different elements goes from tile to tile: it writes the first one's
// results knowing what came with that one's inputs alone. `first`: that moment; else: the rest.
static void read_stage(struct following *following, int stage, int event, bool first) {
    const struct checking *checking = following->checking;
    const struct plan_body *body = checking->body_of[stage];
    const int b = body_index(checking, body);
    const struct plan_mailbox *mailbox = checking->reads_from[stage];
    const struct plan_partition *partition = checking->partition_of[b];
    const bool partial = following->edges->readers[b] != NULL;
    if (!mailbox || (!first && !partial))
        return;
    struct mail *mail = &following->mail[mailbox - checking->plan->mailboxes];
    const int end_element =
        following->edges->reader_pairs[b]; // `access` ensures that it starts at 0
    if (!partial)
        merged(following, mail, end_element);
    following->serial++;
    for (int cu = 0; cu < following->cus; cu++) {
        const int tile = partition->first_tile[cu], end = partition->first_tile[cu + 1];
        if (tile == end)
            continue; // it passes the stage by
        if (!partial)
            receive_all(following, mail, end_element, cu);
        else if (first || tile + 1 < end)
            receive_part(following, mail, b, cu, first);
        following->now[cu].own = event;
    }
    if (first)
        note_reading(following, mail, mailbox, b, event);
}

// The place of a write, for messages.
struct writing {
    int stage, body, position;
    const char *kind; // of the position
    const struct plan_mailbox *mailbox;
};

static bool unread(struct following *following, const struct writing *writing, int cu,
                   int64_t element, const struct reading *reading, int reader) {
    struct checking *checking = following->checking;
    const struct plan_body *body = &checking->plan->bodies[reading->body];
    return violation(checking,
                     "%s, %s position %d: CU %d overwrites element %lld of %s before it can know "
                     "that CU %d has read it (%s)",
                     stage_name(checking, writing->stage), writing->kind, writing->position, cu,
                     (long long)element, writing->mailbox->name, reader, body->name);
}

// The CUs that `knowledge` does not know to have read: the first two of them.
static void find_late(struct following *following, struct knowledge *knowledge,
                      const struct reading *reading) {
    const struct plan_partition *partition = following->checking->partition_of[reading->body];
    int found = 0;
    knowledge->serial = following->serial;
    knowledge->late[0] = knowledge->late[1] = -1;
    for (int cu = 0; cu < following->cus && found < 2; cu++)
        if (plan_tiles_of(partition, cu) > 0 && knowledge->event[cu] < reading->event)
            knowledge->late[found++] = cu;
    following->pool.work += following->cus;
}

// Every writer must know that every reader of everything has read. A CU knows of itself.
static bool check_full(struct following *following, const struct writing *writing,
                       const struct reading *reading) {
    const struct writers *writers = &following->edges->writers[writing->body];
    following->serial++;
    for (int i = 0; i < writers->count; i++) {
        const int cu = writers->list[i].cu;
        struct knowledge *known = following->now[cu].shared;
        if (known->serial != following->serial)
            find_late(following, known, reading);
        const int late = known->late[0] == cu ? known->late[1] : known->late[0];
        if (late >= 0)
            return unread(following, writing, cu, writers->list[i].lowest, reading, late);
    }
    return true;
}

// Every writer of an element must know that the CUs that read it have done so.
static bool check_partial(struct following *following, const struct writing *writing,
                          const struct reading *reading) {
    const struct plan_partition *partition = following->checking->partition_of[reading->body];
    const struct overwrites *overwrites =
        edges_overwrites(following->edges, reading->body, writing->body);
    for (int i = 0; i < overwrites->count; i++) {
        const struct overwrite *overwrite = &overwrites->list[i];
        const int *event = following->now[overwrite->cu].shared->event;
        following->pool.work += overwrite->last - overwrite->first;
        for (int from = overwrite->first; from <= overwrite->last; from++)
            if (from != overwrite->cu && event[from] < reading->event &&
                plan_tiles_of(partition, from) > 0)
                return unread(following, writing, overwrite->cu, overwrite->element, reading, from);
    }
    return true;
}

// Where nobody has read what was written, only the same CU may write again: its stores to one place
// arrive in their order.
static bool check_unread(struct following *following, const struct writing *writing,
                         const struct mail *mail) {
    const int *owner = following->checking->owner[writing->body], *unread_of = mail->unread;
    for (int e = 0; mail->some_unread && e < following->checking->pairs[writing->body]; e++)
        if (owner[e] >= 0 && unread_of[e] >= 0 && owner[e] != unread_of[e])
            return violation(following->checking,
                             "%s, %s position %d: CU %d overwrites element %d of %s, which CU %d "
                             "has written and nobody read",
                             stage_name(following->checking, writing->stage), writing->kind,
                             writing->position, owner[e], e, writing->mailbox->name, unread_of[e]);
    return true;
}

static bool check_write(struct following *following, const struct writing *writing) {
    const struct mail *mail =
        &following->mail[writing->mailbox - following->checking->plan->mailboxes];
    bool good = check_unread(following, writing, mail);
    for (int i = 0; i < mail->reading_count && good; i++) {
        const struct reading *reading = &mail->readings[i];
        const bool partial = following->edges->readers[reading->body] != NULL;
        good = (partial ? check_partial : check_full)(following, writing, reading);
    }
    following->pool.work += (1 + mail->reading_count) * (int64_t)writing->mailbox->pairs;
    return good;
}

static void publish(struct following *following, const struct writing *writing, int event) {
    const struct checking *checking = following->checking;
    const int pairs = checking->pairs[writing->body], *owner = checking->owner[writing->body];
    const struct writers *writers = &following->edges->writers[writing->body];
    struct mail *mail = &following->mail[writing->mailbox - checking->plan->mailboxes];
    for (int cu = 0; cu < following->cus; cu++) {
        knowledge_release(&following->pool, mail->sent[cu].shared);
        mail->sent[cu].shared = NULL;
    }
    knowledge_release(&following->pool, mail->merged);
    knowledge_release(&following->pool, mail->part);
    mail->merged = mail->part = NULL;
    mail->part_of = NULL;
    mail->body = writing->body;
    mail->writers = writers;
    mail->by_tile = following->edges->readers[writing->body] != NULL;
    for (int i = 0; i < writers->count; i++) {
        const int cu = writers->list[i].cu;
        mail->sent[cu] = (struct moment){knowledge_hold(following->now[cu].shared), event};
    }
    for (int e = 0; e < pairs; e++)
        if (owner[e] >= 0 || !mail->some_unread)
            mail->unread[e] = owner[e];
    for (int e = pairs; e < writing->mailbox->pairs && !mail->some_unread; e++)
        mail->unread[e] = -1;
    mail->some_unread = true;
    if (writers->all && pairs == writing->mailbox->pairs)
        mail->reading_count = 0;
}

static bool follow_stage(struct following *following, int stage, int event, int position,
                         const char *kind) {
    const struct checking *checking = following->checking;
    const int b = body_index(checking, checking->body_of[stage]);
    const struct writing writing = {stage, b, position, kind, checking->writes_to[stage]};
    read_stage(following, stage, event, true);
    if (writing.mailbox && !check_write(following, &writing))
        return false;
    read_stage(following, stage, event, false);
    if (writing.mailbox)
        publish(following, &writing, event);
    return true;
}

// One position: which stages run, see parts/decode.hip.
static bool follow_position(struct following *following, int position, bool head, bool generating) {
    const struct checking *checking = following->checking;
    const char *kind = generating ? "generated" : head ? "prompt (logits exported)" : "prompt";
    for (int s = 0; s < checking->plan->stages_count; s++) {
        const struct plan_body *body = checking->body_of[s];
        const bool after_layers =
            has_epilogue(body, "logits") || is_op(body, "select") || is_op(body, "token");
        const bool runs = head || !after_layers;
        const int event = 2 * following->stages_followed++ + 1;
        if (runs && !follow_stage(following, s, event, position, kind))
            return false;
        for (int cu = 0; cu < following->cus; cu++)
            following->now[cu].own = event + 1;
        following->pool.work += following->cus;
        if (following->pool.work > MAX_WORK || following->pool.held > MAX_HELD)
            return violation(following->checking,
                             "the hand-offs are too many to be followed beyond %s",
                             stage_name(checking, s));
    }
    return true;
}

// Two positions of a prompt, then three that are generated: from the second of a kind on, all that
// follow are alike.
static void follow_launch(struct checking *checking, struct edges *edges, bool export_logits) {
    const struct plan_plan *plan = checking->plan;
    struct arena *arena = checking->arena;
    const size_t cus = (size_t)plan->machine.cus, mailboxes = (size_t)plan->mailboxes_count;
    struct following following = {
        .checking = checking,
        .cus = plan->machine.cus,
        .edges = edges,
        .pool = {.arena = arena, .cus = plan->machine.cus},
    };
    following.now = arena_array(arena, cus, sizeof *following.now);
    following.mail = arena_array(arena, mailboxes, sizeof *following.mail);
    struct knowledge *start = knowledge_new(&following.pool);
    for (size_t cu = 0; cu < cus; cu++)
        following.now[cu].shared = knowledge_hold(start);
    for (size_t i = 0; i < mailboxes; i++) {
        struct mail *mail = &following.mail[i];
        const size_t pairs = (size_t)plan->mailboxes[i].pairs;
        mail->sent = arena_array(arena, cus, sizeof *mail->sent);
        mail->readings = arena_array(arena, (size_t)plan->bodies_count, sizeof *mail->readings);
        mail->unread = arena_array(arena, pairs, sizeof *mail->unread);
    }
    enum { PROMPT = 2, ALL_POSITIONS = 5 };
    for (int position = 0; position < ALL_POSITIONS; position++) {
        const bool generating = position >= PROMPT;
        if (!follow_position(&following, position, generating || export_logits, generating))
            return;
    }
}

void rule_reuse(struct checking *checking) {
    struct edges edges;
    edges_open(&edges, checking);
    follow_launch(checking, &edges, false);
    if (checking->violations == 0)
        follow_launch(checking, &edges, true);
}
