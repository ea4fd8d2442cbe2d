// Rule `reuse`: a pair is overwritten only after its last reader. Nobody acknowledges a hand-off,
// so a writer must know through the hand-offs that it has received, and those that their senders
// had received before. The rule follows prompt and generated positions with vector clocks.
//
// An event of a CU is 2k + 1 where it has read what its k-th stage awaits, 2k + 2 where that stage
// is over. A CU knows for each other CU the latest event that has certainly happened. Most CUs know
// the same: what they know is shared (check_knowledge.h), only their own entry differs.
#include "generator/plan/access.h"
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

// The CUs that may read an element: those from the first to the last that have tiles; -1: none.
struct readers {
    int first, last;
};

// The CUs that write in a body, each with the lowest and the highest of its elements.
struct writer {
    int cu, lowest, highest;
};
struct writers {
    struct writer *list;
    int count;
    bool all; // they write every pair of the mailbox
};

struct mail {                 // the last write of a mailbox
    struct moment *sent;      // [cus] what each writer knew; shared NULL: it wrote nothing
    struct knowledge *merged; // what writers of the first elements knew together, NULL: not asked
    int merged_end;           // how many elements these are
    const int *owner;         // [pairs] who wrote
    const struct writers *writers; // the same as a list
    const bool *last_tile;         // [pairs] whether it is of its writer's last tile
    bool by_tile;                  // they read and wrote tile by tile
    int *unread;                   // [pairs] who wrote what nobody has read yet, -1: somebody has
    struct reading *readings;      // [bodies]
    int reading_count;
};

struct following {
    struct checking *checking;
    int cus, stages_followed;
    struct moment *now;       // [cus]
    struct mail *mail;        // [mailboxes]
    struct readers **readers; // [bodies] [reader_pairs] of each element; NULL: each CU reads all
    int *reader_pairs;        // [bodies] elements up to the last that the body reads
    struct writers *writers;  // [bodies]
    const bool **last_tile;   // [bodies] [pairs] whether it is of its writer's last tile
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
    mail->merged = NULL;
    mail->merged_end = end;
    following->serial++;
    for (int i = 0; i < mail->writers->count; i++) {
        const struct writer *writer = &mail->writers->list[i];
        if (writer->lowest >= end)
            continue; // it wrote nothing of these
        const struct moment *sent = &mail->sent[writer->cu];
        if (!mail->merged)
            mail->merged = knowledge_copy(&following->pool, sent->shared);
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

// CU `cu` has received the elements that tiles first .. end - 1 of `body` read. Of a writer that
// goes from tile to tile, only its stage before is over until its last tile is.
static void receive_part(struct following *following, const struct mail *mail,
                         const struct plan_body *body, int cu, int first, int end) {
    struct knowledge *mine = knowledge_copy(&following->pool, following->now[cu].shared);
    following->serial++;
    for (int r = 0; r < body->reads_count; r++)
        for (int tile = first; tile < end; tile++)
            for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
                const struct element_range range = access_range(&body->reads[r].span, tile, chunk);
                for (int64_t e = range.first; e < range.first + range.count; e++) {
                    const int from = mail->owner[e];
                    if (mail->by_tile && !mail->last_tile[e])
                        event_raise(&mine->event[from], mail->sent[from].own - 1);
                    else
                        join_sent(following, mine, mail, from, mail->sent[from].own);
                }
                following->pool.work += range.count;
            }
    knowledge_release(&following->pool, following->now[cu].shared);
    following->now[cu].shared = mine;
}

static void note_reading(struct following *following, struct mail *mail,
                         const struct plan_mailbox *mailbox, int b, int event) {
    const struct plan_body *body = &following->checking->plan->bodies[b];
    const struct readers *readers = following->readers[b];
    for (int e = 0; e < mailbox->pairs && e < following->reader_pairs[b]; e++)
        if (readers && readers[e].first >= 0)
            mail->unread[e] = -1;
    for (int r = 0; r < body->reads_count && !readers; r++) {
        const struct element_range range = access_range(&body->reads[r].span, 0, 0);
        for (int64_t e = range.first; e < range.first + range.count; e++)
            mail->unread[e] = -1;
    }
    following->pool.work += mailbox->pairs;
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
    const bool partial = following->readers[b] != NULL;
    if (!mailbox || (!first && !partial))
        return;
    struct mail *mail = &following->mail[mailbox - checking->plan->mailboxes];
    const int end_element = following->reader_pairs[b]; // `access` ensures that it starts at 0
    if (!partial)
        merged(following, mail, end_element);
    following->serial++;
    for (int cu = 0; cu < following->cus; cu++) {
        const int tile = partition->first_tile[cu], end = partition->first_tile[cu + 1];
        if (tile == end)
            continue; // it passes the stage by
        if (!partial)
            receive_all(following, mail, end_element, cu);
        else if (first)
            receive_part(following, mail, body, cu, tile, tile + 1);
        else if (tile + 1 < end)
            receive_part(following, mail, body, cu, tile + 1, end);
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
    const struct writers *writers = &following->writers[writing->body];
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
    const struct checking *checking = following->checking;
    const int *owner = checking->owner[writing->body];
    const struct plan_partition *partition = checking->partition_of[reading->body];
    const struct readers *readers = following->readers[reading->body];
    const int pairs = checking->pairs[writing->body];
    for (int e = 0; e < pairs && e < following->reader_pairs[reading->body]; e++) {
        const int cu = owner[e];
        if (cu < 0 || readers[e].first < 0)
            continue;
        following->pool.work += readers[e].last - readers[e].first;
        for (int from = readers[e].first; from <= readers[e].last; from++)
            if (from != cu && plan_tiles_of(partition, from) > 0 &&
                following->now[cu].shared->event[from] < reading->event)
                return unread(following, writing, cu, e, reading, from);
    }
    return true;
}

// Where nobody has read what was written, only the same CU may write again: its stores to one place
// arrive in their order.
static bool check_unread(struct following *following, const struct writing *writing,
                         const int *unread_of) {
    const int *owner = following->checking->owner[writing->body];
    for (int e = 0; e < following->checking->pairs[writing->body]; e++)
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
    bool good = check_unread(following, writing, mail->unread);
    for (int i = 0; i < mail->reading_count && good; i++) {
        const struct reading *reading = &mail->readings[i];
        const bool partial = following->readers[reading->body] != NULL;
        good = (partial ? check_partial : check_full)(following, writing, reading);
    }
    following->pool.work += (1 + mail->reading_count) * (int64_t)writing->mailbox->pairs;
    return good;
}

static void publish(struct following *following, const struct writing *writing, int event) {
    const struct checking *checking = following->checking;
    const int pairs = checking->pairs[writing->body], *owner = checking->owner[writing->body];
    const struct writers *writers = &following->writers[writing->body];
    struct mail *mail = &following->mail[writing->mailbox - checking->plan->mailboxes];
    for (int cu = 0; cu < following->cus; cu++) {
        knowledge_release(&following->pool, mail->sent[cu].shared);
        mail->sent[cu].shared = NULL;
    }
    knowledge_release(&following->pool, mail->merged);
    mail->merged = NULL;
    mail->owner = owner;
    mail->writers = writers;
    mail->last_tile = following->last_tile[writing->body];
    mail->by_tile = following->readers[writing->body] != NULL;
    for (int i = 0; i < writers->count; i++) {
        const int cu = writers->list[i].cu;
        mail->sent[cu] = (struct moment){knowledge_hold(following->now[cu].shared), event};
    }
    for (int e = 0; e < pairs; e++)
        mail->unread[e] = owner[e] < 0 ? mail->unread[e] : owner[e];
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

static bool reads_in_common(const struct plan_body *body) {
    for (int r = 0; r < body->reads_count; r++)
        if (!access_is_common(&body->reads[r].span))
            return false;
    return true;
}

// One past the last element that the body reads.
static int reader_pairs_of(const struct checking *checking, int b) {
    const struct plan_body *body = &checking->plan->bodies[b];
    int64_t end = 0;
    for (int r = 0; r < body->reads_count; r++) {
        const struct plan_span *span = &body->reads[r].span;
        const int tiles = access_is_common(span) ? 1 : checking->partition_of[b]->tiles;
        const int64_t last = access_end(span, tiles);
        end = last > end ? last : end;
    }
    return (int)end;
}

// Of each element, where tiles read different ones.
static struct readers *readers_of(const struct checking *checking, int b, int pairs) {
    const struct plan_body *body = &checking->plan->bodies[b];
    if (reads_in_common(body))
        return NULL;
    const struct plan_partition *partition = checking->partition_of[b];
    struct readers *readers = arena_array(checking->arena, (size_t)pairs, sizeof *readers);
    for (int e = 0; e < pairs; e++)
        readers[e] = (struct readers){-1, -1};
    for (int cu = 0; cu < checking->plan->machine.cus; cu++)
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
            for (int r = 0; r < body->reads_count; r++)
                for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
                    const struct element_range range =
                        access_range(&body->reads[r].span, tile, chunk);
                    for (int64_t e = range.first; e < range.first + range.count; e++) {
                        readers[e].first = readers[e].first < 0 ? cu : readers[e].first;
                        readers[e].last = cu;
                    }
                }
    return readers;
}

static struct writers writers_of(const struct checking *checking, int b) {
    const size_t cus = (size_t)checking->plan->machine.cus;
    struct writers writers = {.list = arena_array(checking->arena, cus, sizeof *writers.list),
                              .all = true};
    int *place = arena_array(checking->arena, cus, sizeof *place); // in the list, from 1
    for (int e = 0; e < checking->pairs[b]; e++) {
        const int cu = checking->owner[b][e];
        if (cu < 0) {
            writers.all = false;
            continue;
        }
        if (place[cu] == 0) {
            writers.list[writers.count++] = (struct writer){cu, e, e};
            place[cu] = writers.count;
        }
        writers.list[place[cu] - 1].highest = e;
    }
    return writers;
}

// Of each element, whether all of its writer's tiles are over when it is there.
static const bool *last_tiles_of(const struct checking *checking, int b) {
    const struct plan_body *body = &checking->plan->bodies[b];
    const struct plan_partition *partition = checking->partition_of[b];
    bool *last_tile = arena_array(checking->arena, (size_t)checking->pairs[b] + 1, sizeof(bool));
    for (int cu = 0; cu < checking->plan->machine.cus; cu++)
        for (int w = 0; w < body->writes_count && plan_tiles_of(partition, cu) > 0; w++)
            for (int chunk = 0; chunk < body->writes[w].span.chunks; chunk++) {
                const struct element_range range =
                    access_range(&body->writes[w].span, partition->first_tile[cu + 1] - 1, chunk);
                for (int64_t e = range.first; e < range.first + range.count; e++)
                    if (e < checking->pairs[b]) // else an element of a larger mailbox
                        last_tile[e] = true;
            }
    return last_tile;
}

// Two positions of a prompt, then three that are generated: from the second of a kind on, all that
// follow are alike.
static void follow_launch(struct checking *checking, bool export_logits) {
    const struct plan_plan *plan = checking->plan;
    struct arena *arena = checking->arena;
    const size_t cus = (size_t)plan->machine.cus, mailboxes = (size_t)plan->mailboxes_count;
    struct following following = {
        .checking = checking,
        .cus = plan->machine.cus,
        .pool = {.arena = arena, .cus = plan->machine.cus},
    };
    following.now = arena_array(arena, cus, sizeof *following.now);
    following.mail = arena_array(arena, mailboxes, sizeof *following.mail);
    const size_t bodies = (size_t)plan->bodies_count;
    following.readers = arena_array(arena, bodies, sizeof *following.readers);
    following.reader_pairs = arena_array(arena, bodies, sizeof *following.reader_pairs);
    following.last_tile = arena_array(arena, bodies, sizeof *following.last_tile);
    struct knowledge *start = knowledge_new(&following.pool);
    for (size_t cu = 0; cu < cus; cu++)
        following.now[cu].shared = knowledge_hold(start);
    for (size_t i = 0; i < mailboxes; i++) {
        struct mail *mail = &following.mail[i];
        const size_t pairs = (size_t)plan->mailboxes[i].pairs;
        mail->sent = arena_array(arena, cus, sizeof *mail->sent);
        mail->readings = arena_array(arena, (size_t)plan->bodies_count, sizeof *mail->readings);
        mail->unread = arena_array(arena, pairs, sizeof *mail->unread);
        for (size_t e = 0; e < pairs; e++)
            mail->unread[e] = -1;
    }
    following.writers = arena_array(arena, (size_t)plan->bodies_count, sizeof *following.writers);
    for (int b = 0; b < plan->bodies_count; b++) {
        following.reader_pairs[b] = reader_pairs_of(checking, b);
        following.readers[b] = readers_of(checking, b, following.reader_pairs[b]);
        following.last_tile[b] = last_tiles_of(checking, b);
        following.writers[b] = writers_of(checking, b);
    }
    enum { PROMPT = 2, ALL_POSITIONS = 5 };
    for (int position = 0; position < ALL_POSITIONS; position++) {
        const bool generating = position >= PROMPT;
        if (!follow_position(&following, position, generating || export_logits, generating))
            return;
    }
}

void rule_reuse(struct checking *checking) {
    follow_launch(checking, false);
    if (checking->violations == 0)
        follow_launch(checking, true);
}
