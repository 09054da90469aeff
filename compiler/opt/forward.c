/*
 * forward.c - reads of copies go to the source.
 *
 * z[o] = x[a(o)] or z[o] = constant: who reads z[b] reads x[a(b)] or the
 * constant. With an `else`, a clamp or the like, z's own axes matter, so there
 * only a permutation of axes is looked through.
 *
 * Needs:    nothing.
 * Provides: no read of a map that is one number, nor of a copy where it can be avoided.
 * Keeps:    the copies themselves; dce takes those that nothing needs.
 */
#include "opt/opt_priv.h"

/* A number, or a little arithmetic on numbers. */
static bool is_closed(const ir_expr *e)
{
    if (e->kind == IR_EXPR_CONST)
        return true;
    if (e->kind != IR_EXPR_OP)
        return false;
    for (int i = 0; i < e->arg_count; i++)
        if (e->args[i]->kind != IR_EXPR_CONST)
            return false;
    return true;
}

static const ir_expr *source_of(const ir_node *z)
{
    if (z->kind != IR_COMP || z->comp.reduce != IR_MAP)
        return NULL;
    const ir_expr *e = z->comp.body;
    if (is_closed(e))
        return e;
    return e->kind == IR_EXPR_READ && !e->outside ? e : NULL;
}

/* Axis k of x is axis axes[k] of z, and no other; sizes agree. */
static bool is_permutation(const ir_node *z, const ir_expr *source, int *axes)
{
    unsigned seen = 0;
    if (source->sub_count != z->type.rank)
        return false;
    for (int k = 0; k < source->sub_count; k++) {
        const ir_sub *s = &source->subs[k];
        if (s->mode != IR_PLAIN || s->gather || s->affine.constant != 0 ||
            s->affine.term_count != 1 || s->affine.terms[0].coef != 1)
            return false;
        axes[k] = s->affine.terms[0].var;
        if (seen >> axes[k] & 1 ||
            z->type.dims[axes[k]] != source->node->type.dims[k])
            return false;
        seen |= 1u << axes[k];
    }
    return true;
}

static bool is_plain(const ir_expr *read)
{
    for (int d = 0; d < read->sub_count; d++)
        if (read->subs[d].mode != IR_PLAIN)
            return false;
    return !read->outside;
}


/* x[a(b)]: the variables of `s` become the subscripts of `read`. */
static bool compose(ir_graph *g, const ir_expr *read, const ir_sub *s,
                    ir_sub *out)
{
    *out = (ir_sub){.mode = s->mode,
                    .affine = ir_affine_const(s->affine.constant)};
    if (s->gather)
        return false; /* its variables stand inside an expression */
    for (int i = 0; i < s->affine.term_count; i++) {
        const ir_sub *b = &read->subs[s->affine.terms[i].var];
        int64_t coef = s->affine.terms[i].coef;
        out->affine = ir_affine_add(g, out->affine,
                                    ir_affine_scale(g, b->affine, coef));
        if (!b->gather)
            continue;
        ir_expr *more = coef == 1 ? b->gather
                                  : ir_op2(g, IR_MUL_OP, ir_int(g, coef),
                                           b->gather);
        out->gather =
            out->gather ? ir_op2(g, IR_ADD_OP, out->gather, more) : more;
    }
    return true;
}

static ir_expr *forward_read(ir_graph *g, ir_expr *e, const ir_expr *source)
{
    ir_sub subs[IR_MAX_RANK];
    int axes[IR_MAX_RANK];
    if (is_permutation(e->node, source, axes)) {
        for (int k = 0; k < source->sub_count; k++)
            subs[k] = e->subs[axes[k]];
    } else {
        if (!is_plain(e))
            return e;
        for (int k = 0; k < source->sub_count; k++)
            if (!compose(g, e, &source->subs[k], &subs[k]))
                return e;
    }
    return ir_read(g, source->node, subs, source->sub_count, e->outside);
}

static ir_expr *forward_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    (void)ctx;
    if (e->kind != IR_EXPR_READ)
        return e;
    const ir_expr *source = source_of(e->node);
    if (!source)
        return e;
    if (source->kind == IR_EXPR_READ)
        return forward_read(g, e, source);
    if (!e->outside)
        return (ir_expr *)(uintptr_t)source;
    return ir_select(g, ir_inside(g, e->node, e->subs, e->sub_count),
                     (ir_expr *)(uintptr_t)source, e->outside);
}

static void forward_comp(ir_graph *g, ir_node *n)
{
    n->comp.body = opt_rewrite(g, n->comp.body, forward_rule, NULL);
    if (n->comp.filter)
        n->comp.filter = opt_rewrite(g, n->comp.filter, forward_rule, NULL);
}

void opt_forward(ir_graph *g)
{
    opt_each_comp(g, forward_comp);
}
