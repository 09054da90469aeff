/*
 * shard.c - a training step in two halves: what the rows of one shard add up
 * to, and the update from what all shards added up to.
 *
 * A shard's loss is a mean, so the sum of its rows' gradients is the gradient
 * of weight * loss, where the weight is the number of its rows, or what the
 * loss divides by (coupling.h). The update divides once, by all weights.
 *
 * Needs:    nodes of what the loss and the updates read.
 * Provides: nodes that the two kinds of program have beside the others.
 */
#include "lower/coupling.h"
#include "lower_priv.h"
#include <string.h>

static ir_node *scalar_node(lowering *l, const char *name, ir_expr *body,
                            src_range at)
{
    ir_comp comp = {.reduce = IR_MAP, .body = body};
    return ir_comprehend(l->g, name, &comp, at);
}

static ir_expr *read_whole(lowering *l, ir_node *n)
{
    return ir_read(l->g, n, NULL, 0, NULL);
}

ir_node *lower_weight(lowering *l)
{
    ptl_arena *arena = l->g->arena;
    ty_expr *x = l->weight;
    if (!x)
        return scalar_node(l, "weight", ir_real(l->g, (double)l->program->rows),
                           l->program->loss->at);
    if (x->type != TY_REAL) {
        ty_expr **operand = ARENA_ARRAY(arena, ty_expr *, 1);
        *operand = x;
        x = ARENA_NEW(arena, ty_expr);
        *x = (ty_expr){.kind = TY_OP,
                       .type = TY_REAL,
                       .at = (*operand)->at,
                       .op = TY_REAL_OP,
                       .args = operand,
                       .count = 1,
                       .depth = (*operand)->depth + 1};
    }
    ty_tensor *t = ARENA_NEW(arena, ty_tensor);
    *t = (ty_tensor){.name = "weight",
                     .role = TY_VALUE,
                     .kind = TY_REAL,
                     .batch_axis = -1,
                     .at = x->at,
                     .body = x};
    return lower_definition(l, NULL, t);
}

ir_node *lower_summed_loss(lowering *l, ir_node *weight)
{
    ir_node *loss = l->nodes[l->program->loss->id];
    ir_expr *times = weight->comp.reduce == IR_MAP &&
                             weight->comp.body->kind == IR_EXPR_CONST
                         ? weight->comp.body
                         : ir_op1(l->g, IR_STOP_OP, read_whole(l, weight));
    return scalar_node(l, "loss.sum",
                       ir_op2(l->g, IR_MUL_OP, read_whole(l, loss), times),
                       loss->at);
}

/*
 * Values of a state with `sync sum` are added up over the shards, and the old
 * one is among them once, not once for each shard: where `<-` reads it, only
 * the first shard is given it, all others 0. So `seen <- seen + N` counts rows,
 * and a decayed sum decays once.
 */
ir_node *lower_own_share(lowering *l)
{
    const ty_tensor *t = l->summed;
    const char *name =
        arena_printf(l->g->arena, LOWER_OWN_PREFIX "%s", t->name);
    ir_node *n = ir_find(l->g, name);
    return n ? n : ir_input(l->g, name, lower_type(t), IR_DATA, PTL_F32);
}

ir_node *lower_next_state(lowering *l, const typed_state *state)
{
    bool sums = state->sync && !strcmp(state->sync, "sum");
    ir_node *n;
    if (!sums || state->next->role != TY_VALUE)
        return l->nodes[state->next->id];
    l->summed = state->tensor;
    n = lower_definition(l, NULL, state->next);
    l->summed = NULL;
    return n;
}

ir_node *lower_given_gradient(lowering *l, const ty_tensor *t)
{
    ptl_arena *arena = l->g->arena;
    ir_type scalar = {.kind = IR_REAL};
    ir_var vars[IR_MAX_RANK];
    ir_node *weight = ir_find(l->g, "weight");
    ir_node *sum =
        ir_input(l->g, arena_printf(arena, LOWER_SUM_PREFIX "%s", t->of->name),
                 lower_type(t), IR_DATA, PTL_F32);
    ir_comp comp = {.reduce = IR_MAP,
                    .out_count = t->rank,
                    .var_count = t->rank,
                    .vars = vars};
    if (!weight)
        weight = ir_input(l->g, "weight", scalar, IR_DATA, PTL_F32);
    for (int i = 0; i < t->rank; i++)
        vars[i] = (ir_var){.name = "i", .hi = t->dims[i]};
    comp.body = ir_op2(l->g, IR_DIV_OP, ir_read_plain(l->g, sum, 0),
                       read_whole(l, weight));
    return ir_comprehend(l->g, arena_printf(arena, "grad/%s", t->of->name),
                         &comp, t->at);
}
