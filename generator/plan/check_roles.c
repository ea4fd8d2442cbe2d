// Rules `roles` and `schedule`: who does what, and in which order.
#include "generator/plan/check_rules.h"

#include <string.h>

void rule_roles(struct checking *checking) {
    const struct plan_machine *machine = &checking->plan->machine;
    int *homes = arena_array(checking->arena, (size_t)machine->cus, sizeof *homes);
    int fullest = 0;
    for (int i = 0; i < machine->xcds_count; i++) {
        const struct plan_xcd *xcd = &machine->xcds[i];
        for (int j = 0; j < i; j++)
            if (machine->xcds[j].xcd == xcd->xcd)
                violation(checking, "XCD %d is there twice", xcd->xcd);
        // The overview shows 64 IODs; XCC_ID has 4 bits, and the one CPU of the host is XCD 0.
        if (xcd->iod > 63 || xcd->xcd > 15 || (machine->wave_lanes == 1 && xcd->xcd != 0))
            violation(checking, "XCD %d on IOD %d: no workgroup would find itself there", xcd->xcd,
                      xcd->iod);
        if (xcd->first_cu + xcd->cus > machine->cus) {
            violation(checking, "XCD %d has CUs %d to %d, there are %d", xcd->xcd, xcd->first_cu,
                      xcd->first_cu + xcd->cus - 1, machine->cus);
            continue;
        }
        for (int cu = xcd->first_cu; cu < xcd->first_cu + xcd->cus; cu++)
            homes[cu]++;
        fullest = xcd->cus > fullest ? xcd->cus : fullest;
    }
    for (int cu = 0; cu < machine->cus; cu++)
        if (homes[cu] != 1)
            violation(checking, "CU %d lives on %d XCDs", cu, homes[cu]);
    // Workgroups go to the XCDs in turn.
    const int needed = fullest * machine->xcds_count;
    if (machine->workgroups < needed || machine->workgroups > CHECK_MAX_CUS)
        violation(checking,
                  "%d workgroups: %d XCDs with up to %d CUs each need %d, at most %d are supported",
                  machine->workgroups, machine->xcds_count, fullest, needed, CHECK_MAX_CUS);
}

// The one stage outside the layers at each place, as decode.hip calls them.
static void want_stage(struct checking *checking, int stage, const char *op, const char *epilogue) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_body *body = checking->body_of[stage];
    if (!is_op(body, op) || !has_epilogue(body, epilogue) || plan->stages[stage].layer != -1)
        violation(checking,
                  "%s of layer %d is %s with epilogue %s, must be %s with %s outside "
                  "the layers",
                  stage_name(checking, stage), plan->stages[stage].layer, body->op, body->epilogue,
                  op, epilogue);
}

// Bodies outside the layers declare names of their own, so that there is one of each kind, the head
// before the selection; a body without a stage is nothing.
static void check_bodies(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int uses[256] = {0}, embeds = 0, heads = 0, selects = 0, tokens = 0;
    for (int s = 0; s < plan->stages_count; s++)
        uses[body_index(checking, checking->body_of[s])]++;
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
        if (uses[b] == 0)
            violation(checking, "body %s belongs to no stage", body->name);
        embeds += is_op(body, "embed");
        selects += is_op(body, "select");
        tokens += is_op(body, "token");
        heads += has_epilogue(body, "logits");
        if (is_op(body, "select") && heads == 0)
            violation(checking, "body %s comes before the head, whose candidates it knows",
                      body->name);
    }
    if (embeds != 1 || heads != 1 || selects != 1 || tokens != 1)
        violation(checking,
                  "there are %d bodies that embed, %d heads, %d that select and %d that take a "
                  "token, must be one of each",
                  embeds, heads, selects, tokens);
}

// Where layers are rows of a table, stage `stage` is the twin of one of layer 0.
static void check_twin(struct checking *checking, int stage, int period, int last_product) {
    const struct plan_plan *plan = checking->plan;
    const int twin = 1 + (stage - 1) % period;
    if (checking->body_of[stage] != checking->body_of[twin] ||
        plan->stages[stage].layer != (stage - 1) / period)
        violation(checking, "%s of layer %d is not like %s: layers that differ cannot be a loop",
                  stage_name(checking, stage), plan->stages[stage].layer,
                  stage_name(checking, twin));
    if (stage > period)
        return;
    if (last_product == 1)
        violation(checking, "%s is the only product of its layer: a loop cannot tell what follows",
                  stage_name(checking, 1));
    for (int other = 1; other < stage; other++)
        if (checking->body_of[other] == checking->body_of[stage])
            violation(checking, "stages %d and %d of a layer share body %s: its row holds one",
                      other, stage, checking->body_of[stage]->name);
}

static void check_layers(struct checking *checking, int end) {
    const struct plan_plan *plan = checking->plan;
    int period = 0, last_product = 0;
    for (int s = 1; s < end; s++) {
        const struct plan_body *body = checking->body_of[s];
        const int layer = plan->stages[s].layer, before = plan->stages[s - 1].layer;
        const bool opens = layer != before;
        if (layer != before + (opens ? 1 : 0) || layer < 0) {
            violation(checking, "%s of layer %d follows layer %d", stage_name(checking, s), layer,
                      before);
            return;
        }
        const bool of_a_layer =
            is_op(body, "attention") || is_op(body, "merge") || is_op(body, "residual");
        if (!of_a_layer && (!is_op(body, "linear") || has_epilogue(body, "logits")))
            violation(checking, "%s: no layer has a stage of op %s, epilogue %s",
                      stage_name(checking, s), body->op, body->epilogue);
        if (opens && !is_op(body, "linear"))
            violation(checking, "%s opens layer %d and is no product", stage_name(checking, s),
                      layer);
        if (layer == 0) {
            period = s;
            last_product = is_op(body, "linear") ? s : last_product;
        }
    }
    if (plan->stages[end - 1].layer != plan->shape.layers - 1)
        violation(checking, "the stages end with layer %d of %d", plan->stages[end - 1].layer,
                  plan->shape.layers);
    for (int s = 1; s < end && strcmp(plan->unroll, "loop") == 0; s++)
        check_twin(checking, s, period, last_product);
}

void rule_schedule(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    enum { OUTSIDE = 4 }; // embed, head, select, token
    const int count = plan->stages_count;
    for (int s = 0; s < count; s++)
        if (plan->stages[s].step != s)
            violation(checking, "%s is step %d, must be %d", stage_name(checking, s),
                      plan->stages[s].step, s);
    check_bodies(checking);
    if (count < OUTSIDE + plan->shape.layers) {
        violation(checking, "%d stages are too few for %d layers", count, plan->shape.layers);
        return;
    }
    want_stage(checking, 0, "embed", "none");
    want_stage(checking, count - 3, "linear", "logits");
    want_stage(checking, count - 2, "select", "none");
    want_stage(checking, count - 1, "token", "none");
    if (checking->violations == 0)
        check_layers(checking, count - 3);
}
