/*
 * scatter.c - which of a scatter's terms may meet.
 *
 * Needs:    a scatter.
 * Provides: the axes that lead to different elements, the longest sum.
 * Keeps:    the scatter.
 */
#include "sched/sched.h"

typedef struct mention {
    int var, count;
} mention;

static void count_mentions(ir_expr *x, void *ctx)
{
    mention *m = ctx;
    if (x->kind == IR_EXPR_VAR && x->var == m->var)
        m->count += 2;
    for (int i = 0; i < x->sub_count; i++)
        if (ir_affine_coef(x->subs[i].affine, m->var))
            m->count += 2;
}

/* Yes where it stands alone in one subscript and in no other. */
bool sched_scatter_apart(const ir_node *n, const ir_piece *piece, int axis)
{
    mention m = {axis, 0};
    for (int i = 0; i < n->type.rank; i++) {
        const ir_sub *sub = &piece->subs[i];
        if (sub->gather)
            ir_visit(sub->gather, count_mentions, &m);
        if (ir_affine_coef(sub->affine, axis))
            m.count += sub->affine.term_count == 1 && !sub->gather ? 1 : 2;
    }
    return m.count == 1;
}

int64_t sched_scatter_chain(const ir_node *n)
{
    int64_t chain = 0;
    for (int i = 0; i < n->piece_count && !n->disjoint; i++) {
        const ir_piece *piece = &n->pieces[i];
        const ir_type *type = &piece->source->type;
        int64_t terms = 1;
        for (int v = 0; v < type->rank; v++)
            terms *= sched_scatter_apart(n, piece, v) ? 1 : type->dims[v];
        chain += terms;
    }
    return chain;
}
