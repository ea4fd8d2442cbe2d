// Pass: the arrays of a workgroup's LDS.
#include "generator/plan/passes.h"

#include <string.h>

static void lds_add(struct planning *planning, const char *name, const char *type, int elements,
                    int element_bytes, const char *holds) {
    enum { ARRAY_ALIGNMENT = 16 };
    struct plan_plan *plan = planning->plan;
    plan->lds = arena_grow(planning->arena, plan->lds, (size_t)plan->lds_count, sizeof *plan->lds);
    const int granule = ARRAY_ALIGNMENT / element_bytes > 0 ? ARRAY_ALIGNMENT / element_bytes : 1;
    const int whole = elements > 0 ? (elements + granule - 1) / granule * granule : granule;
    plan->lds[plan->lds_count++] = (struct plan_lds){name, type, whole, element_bytes, holds};
}

static int larger(int a, int b) { return a > b ? a : b; }

bool pass_lds(struct planning *planning) {
    const struct plan_plan *plan = planning->plan;
    const struct plan_shape *shape = &plan->shape;
    const int waves = plan->machine.streaming_waves;
    int activation = 0, partial = 0, residual = 0;
    for (int i = 0; i < plan->bodies_count; i++) {
        const struct plan_body *body = &plan->bodies[i];
        if (strcmp(body->op, "linear") == 0) {
            activation = larger(activation, body->units * body->unit_columns);
            partial = larger(partial, body->pass_tiles * waves * body->tile_rows);
        }
        if (strcmp(body->op, "select") == 0)
            activation = larger(activation, body->reads[0].count);
        if (strcmp(body->op, "embed") == 0)
            residual = larger(residual, body->max_tiles * body->tile_rows);
    }
    const int group = shape->heads / shape->kv_heads;
    lds_add(planning, "activation", "float", activation, 4, "input of the product, normed");
    lds_add(planning, "partial", "float", partial, 4,
            "[tile][wave][row]: sums of each streaming wave");
    lds_add(planning, "residual", "float", residual, 4, "this CU's rows of the residual");
    lds_add(planning, "rope", "float", shape->head_dim, 4,
            "[pair][2]: cosine, sine of the position");
    lds_add(planning, "query", "float", group * shape->head_dim, 4,
            "[query head of the group][dim]");
    lds_add(planning, "attended", "float", waves * group * (plan->kv.row_elements + 2), 4,
            "[wave][query head]: maximum, sum, [dim] of each wave's positions");
    lds_add(planning, "token", "unsigned", 4, 4, "token, whether the loop ends, unused, role");
    lds_add(planning, "role", "Role", 2, plan_role_bytes(plan),
            "this CU's row of ROLES, and the next");
    int bytes = 0;
    for (int i = 0; i < plan->lds_count; i++)
        bytes += plan->lds[i].elements * plan->lds[i].element_bytes;
    if (bytes < plan->machine.lds_minimum_bytes)
        lds_add(planning, "padding", "unsigned", (plan->machine.lds_minimum_bytes - bytes) / 4, 4,
                "unused: so much LDS that no CU receives two workgroups");
    return true;
}
