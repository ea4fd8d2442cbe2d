#include "tests/support/drafts.h"

#include <stddef.h>

// A gated MLP of a tensor that holds gate and up one after the other, both with a bias.
static int gated_mlp(struct draft *draft, int h) {
    const int mlp = draft->model->mlp;
    const int gate = draft_slice(draft, h, "gate_up", mlp, 0, 2 * mlp);
    const int up = draft_slice(draft, h, "gate_up", mlp, mlp, 2 * mlp);
    draft_bias(draft, gate);
    draft_bias(draft, up);
    const int gated = draft_multiply(draft, draft_activation(draft, OP_GELU_TANH, gate), up);
    return draft_linear(draft, gated, "down", draft->model->hidden);
}

// Attention over a tensor that holds q, k and v one after the other, with a bias.
static int fused_attention(struct draft *draft, int h, bool norm_heads, int rope) {
    const struct model *model = draft->model;
    const int queries = model->heads * model->head_dim, keys = model->kv_heads * model->head_dim;
    const int all = queries + 2 * keys;
    int q = draft_slice(draft, h, "qkv", queries, 0, all);
    int k = draft_slice(draft, h, "qkv", keys, queries, all);
    const int v = draft_slice(draft, h, "qkv", keys, queries + keys, all);
    draft_bias(draft, q);
    draft_bias(draft, k);
    draft_bias(draft, v);
    q = (norm_heads ? draft_head_norm : draft_norm)(draft, q, "q_norm");
    k = (norm_heads ? draft_head_norm : draft_norm)(draft, k, "k_norm");
    if (rope >= 0) {
        q = draft_rope(draft, q, rope);
        k = draft_rope(draft, k, rope);
    }
    const int attended = draft_attention(draft, q, k, v);
    draft_node(draft, attended)->window = draft->layer == 0 ? 5 : 0;
    draft_node(draft, attended)->softcap = 30;
    draft_node(draft, attended)->scale = 0.3;
    return attended;
}

void build_rich_owned(struct draft *draft) {
    int x = draft_scale(draft, draft_embed(draft), 8);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        const int h = draft_scale(draft, draft_norm(draft, x, "norm"), 0.9);
        const int attended = fused_attention(draft, h, true, draft->layer == 0 ? 1 : -1);
        const int o = draft_linear(draft, attended, "o", draft->model->hidden);
        draft_bias(draft, o);
        // an MLP without a gate beside attention, both added to the same residual
        const int wide = draft_linear(draft, h, "wide", draft->model->mlp);
        const int narrow = draft_linear(draft, draft_activation(draft, OP_GELU, wide), "narrow",
                                        draft->model->hidden);
        x = draft_add(draft, x, draft_add(draft, draft_scale(draft, o, 0.5), narrow));
        x = draft_add(draft, gated_mlp(draft, draft_norm(draft, x, "mlp_norm")), x);
    }
    draft->layer = -1;
    const int h = draft_scale(draft, draft_norm(draft, x, "final_norm"), 0.25);
    draft_node(draft, draft_logits(draft, h))->softcap = 20;
}

void build_rich_everywhere(struct draft *draft) {
    int x = draft_scale(draft, draft_embed(draft), 8);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        const int attended =
            fused_attention(draft, draft_norm(draft, x, "norm"), false, draft->layer == 0);
        const int o = draft_linear(draft, attended, "o", draft->model->hidden);
        x = draft_add(draft, x, draft_norm(draft, o, "after_attention"));
        const int down = gated_mlp(draft, draft_norm(draft, x, "mlp_norm"));
        const int added = draft_scale(draft, draft_norm(draft, down, "after_mlp"), 0.5);
        draft_node(draft, added - 1)->add = 1;
        x = draft_add(draft, x, added);
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

static int mlp_of(struct draft *draft, int h, const char *wide, const char *narrow) {
    const int rows = draft_linear(draft, h, wide, draft->model->mlp);
    return draft_linear(draft, draft_activation(draft, OP_SILU, rows), narrow,
                        draft->model->hidden);
}

void build_side_by_side(struct draft *draft) {
    int x = draft_embed(draft);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        const int h = draft_norm(draft, x, "norm");
        const int one = mlp_of(draft, h, "wide_1", "narrow_1");
        const int other = mlp_of(draft, h, "wide_2", "narrow_2");
        x = draft_add(draft, draft_add(draft, one, other), x);
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

void build_older_residual(struct draft *draft) {
    int x = draft_embed(draft);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        const int newer = draft_add(
            draft, x, mlp_of(draft, draft_norm(draft, x, "norm_1"), "wide_1", "narrow_1"));
        const int of_newer =
            mlp_of(draft, draft_norm(draft, newer, "norm_2"), "wide_2", "narrow_2");
        const int of_older = mlp_of(draft, draft_norm(draft, x, "norm_3"), "wide_3", "narrow_3");
        x = draft_add(draft, draft_add(draft, newer, of_newer), of_older);
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

void build_chain(struct draft *draft) {
    const int hidden = draft->model->hidden;
    int x = draft_embed(draft);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        int y = draft_linear(draft, draft_norm(draft, x, "norm"), "first", hidden);
        y = draft_activation(draft, OP_SILU, draft_linear(draft, y, "second", hidden));
        y = draft_activation(draft, OP_SILU, draft_linear(draft, y, "third", hidden));
        y = draft_activation(draft, OP_SILU, draft_linear(draft, y, "fourth", hidden));
        x = draft_add(draft, x, draft_linear(draft, y, "last", hidden));
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}

void build_one_product(struct draft *draft) {
    int x = draft_embed(draft);
    for (draft->layer = 0; draft->layer < draft->model->layers; draft->layer++) {
        const int h = draft_norm(draft, x, "norm");
        x = draft_add(draft, x, draft_linear(draft, h, "square", draft->model->hidden));
    }
    draft->layer = -1;
    draft_logits(draft, draft_norm(draft, x, "final_norm"));
}
