// Pass: values travel between stages through mailboxes of (value, epoch) pairs. Stages that the
// same body reads publish to the same mailbox; each write of a step carries its own epoch.
#include "generator/plan/access.h"
#include "generator/plan/passes.h"

#include <string.h>

struct meaning {
    const char *mailbox, *holds;
};

static const char *meaning_of(const char *mailbox) {
    static const struct meaning meanings[] = {
        {"hidden", "the residual entering a layer, or the head"},
        {"hidden_after_attention", "the residual between attention and MLP"},
        {"qkv", "rotated queries and keys, values"},
        {"attended", "attention's output, head by head"},
        {"gated", "activated gate times up"},
        {"candidates", "(score, token) of the best token of each CU"},
        {"next_token", "the next token, and 1 where the loop ends"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i].mailbox, mailbox) == 0)
            return meanings[i].holds;
    return "values between stages";
}

// Producers that one body reads must share a mailbox: the first one's name holds for all.
static bool unify_mailboxes(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const char **awaited =
        arena_array(planning->arena, (size_t)plan->bodies_count, sizeof *awaited);
    for (int s = 0; s < plan->stages_count; s++) {
        if (planning->producer[s] < 0)
            continue;
        const struct plan_body *producer =
            body_of_stage(planning, &plan->stages[planning->producer[s]]);
        const long reader = body_of_stage(planning, &plan->stages[s]) - plan->bodies;
        const char *mailbox = producer->writes[0].mailbox;
        if (!awaited[reader])
            awaited[reader] = mailbox;
        if (strcmp(awaited[reader], mailbox) != 0)
            return diagnostic_add(planning->diagnostics, DIAGNOSTIC_USER,
                                  (struct location){.file = plan->stages[s].spec_file,
                                                    .line = plan->stages[s].spec_line,
                                                    .source = planning->model->family_source},
                                  "stage %s reads %s in one layer and %s in another: not supported "
                                  "yet",
                                  plan->stages[s].body, awaited[reader], mailbox);
    }
    return true;
}

static struct plan_mailbox *mailbox_made(struct planning *planning, const char *name) {
    struct plan_plan *plan = planning->plan;
    for (int i = 0; i < plan->mailboxes_count; i++)
        if (strcmp(plan->mailboxes[i].name, name) == 0)
            return &plan->mailboxes[i];
    struct plan_mailbox *mailbox = &plan->mailboxes[plan->mailboxes_count++];
    *mailbox = (struct plan_mailbox){.name = name, .first_stage = -1, .holds = meaning_of(name)};
    return mailbox;
}

static void size_mailboxes(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    plan->mailboxes =
        arena_array(planning->arena, (size_t)plan->bodies_count, sizeof *plan->mailboxes);
    for (int b = 0; b < plan->bodies_count; b++) {
        for (int w = 0; w < plan->bodies[b].writes_count; w++) {
            const struct plan_write *write = &plan->bodies[b].writes[w];
            struct plan_mailbox *mailbox = mailbox_made(planning, write->mailbox);
            const int pairs =
                write->per_cu ? write->per_cu * plan->machine.cus : write->element + write->rows;
            mailbox->pairs = pairs > mailbox->pairs ? pairs : mailbox->pairs;
        }
    }
    for (int i = 0; i < plan->mailboxes_count; i++) {
        plan->mailboxes[i].first_pair = plan->mailbox_pairs;
        // A mailbox starts on a 128-byte line of its own.
        plan->mailbox_pairs += (plan->mailboxes[i].pairs + 15) / 16 * 16;
    }
}

static void number_epochs(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    int *writes = arena_array(planning->arena, (size_t)plan->mailboxes_count, sizeof *writes);
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        const int producer = planning->producer[s];
        if (producer >= 0) {
            stage->read_epoch = plan->stages[producer].write_epoch;
            const struct plan_body *from = body_of_stage(planning, &plan->stages[producer]);
            mailbox_made(planning, from->writes[0].mailbox)->last_stage = s;
        }
        const struct plan_body *body = body_of_stage(planning, stage);
        if (body->writes_count == 0)
            continue;
        struct plan_mailbox *mailbox = mailbox_made(planning, body->writes[0].mailbox);
        if (mailbox->first_stage < 0)
            mailbox->first_stage = s;
        mailbox->last_stage = s;
        stage->write_epoch = writes[mailbox - plan->mailboxes]++;
        if (stage->write_epoch >= plan->epochs_per_step)
            plan->epochs_per_step = stage->write_epoch + 1;
    }
}

// The widest edge between the CUs that write a mailbox and those that read it.
static const char *scope_of(struct planning *planning, const struct plan_body *writer,
                            const struct plan_body *reader, const struct plan_read *read) {
    const struct plan_plan *plan = planning->plan;
    struct arena arena = {0};
    const int pairs = plan_mailbox_named(plan, read->mailbox)->pairs;
    int *owner = arena_array(&arena, (size_t)pairs, sizeof *owner);
    int *xcd_of = arena_array(&arena, (size_t)plan->machine.cus, sizeof *xcd_of);
    int64_t bad = 0;
    access_owners(plan, writer, read->mailbox, pairs, owner, &bad);
    access_xcds(plan, xcd_of);
    const struct plan_partition *partition = plan_partition_named(plan, reader->partition);
    int widest = 0;
    for (int cu = 0; cu < plan->machine.cus && widest < 2; cu++) {
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++) {
            const struct element_range range = access_read(read, tile);
            for (int64_t e = range.first; e < range.first + range.count && e < pairs; e++) {
                const int from = owner[e];
                const int width = from < 0 || from == cu ? 0 : xcd_of[from] == xcd_of[cu] ? 1 : 2;
                widest = width > widest ? width : widest;
            }
            if (read->stride == 0)
                break; // every tile reads the same
        }
    }
    arena_close(&arena);
    static const char *const scopes[] = {"same CU", "same XCD", "across XCDs"};
    return scopes[widest];
}

static void list_reads(struct planning *planning, struct plan_body *body,
                       const struct plan_body *producer) {
    const struct plan_shape *shape = &planning->plan->shape;
    const char *mailbox = producer->writes[0].mailbox;
    const int pairs = plan_mailbox_named(planning->plan, mailbox)->pairs;
    const int q = shape->heads / shape->kv_heads * shape->head_dim, kv = shape->head_dim;
    const int k_first = shape->heads * shape->head_dim;
    const int v_first = k_first + shape->kv_heads * shape->head_dim;
    const bool attention = strcmp(body->op, "attention") == 0;
    body->reads_count = attention ? 3 : 1;
    body->reads = arena_array(planning->arena, 3, sizeof *body->reads);
    if (attention) {
        body->reads[0] = (struct plan_read){.first = 0, .stride = q, .count = q};
        body->reads[1] = (struct plan_read){.first = k_first, .stride = kv, .count = kv};
        body->reads[2] = (struct plan_read){.first = v_first, .stride = kv, .count = kv};
    } else {
        body->reads[0] = (struct plan_read){.count = body->columns ? body->columns : pairs};
    }
    for (int i = 0; i < body->reads_count; i++) {
        body->reads[i].mailbox = mailbox;
        body->reads[i].kind = "pairs";
        body->reads[i].scope = scope_of(planning, producer, body, &body->reads[i]);
    }
}

bool pass_handoffs(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    if (!unify_mailboxes(planning))
        return false;
    size_mailboxes(planning);
    number_epochs(planning);
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_body *body = body_of_stage(planning, &plan->stages[s]);
        if (planning->producer[s] >= 0 && body->reads_count == 0)
            list_reads(planning, body,
                       body_of_stage(planning, &plan->stages[planning->producer[s]]));
    }
    choice_add(planning, "hand-off", "pairs",
               (const char *const[]){"counter and fence: 181 + 120 ns a fence", NULL},
               "(value, epoch) in one 8-byte store needs no fence, no reset and no counter");
    choice_add(planning, "residual", "lds", NULL,
               "each CU keeps the rows of the residual that it adds to in its own LDS");
    return true;
}
