/*
 * product.c - taking products and sums apart, and putting products together.
 */
#include "opt/product.h"

static void add_vars(ir_expr *e, void *ctx)
{
    var_set *set = ctx;
    if (e->kind == IR_EXPR_VAR)
        *set |= (var_set)1 << e->var;
    for (int i = 0; i < e->sub_count; i++)
        for (int k = 0; k < e->subs[i].affine.term_count; k++)
            *set |= (var_set)1 << e->subs[i].affine.terms[k].var;
}

var_set opt_vars_of(ir_expr *e)
{
    var_set set = 0;
    ir_visit(e, add_vars, &set);
    return set;
}

static bool is_op(const ir_expr *e, ir_scalar op)
{
    return e->kind == IR_EXPR_OP && e->op == op;
}

static bool collect(ir_graph *g, ir_expr *e, var_set reduced, product *p)
{
    if (is_op(e, IR_NEG_OP)) {
        p->negative = !p->negative;
        return collect(g, e->args[0], reduced, p);
    }
    if (is_op(e, IR_MUL_OP))
        return collect(g, e->args[0], reduced, p) &&
               collect(g, e->args[1], reduced, p);
    if (is_op(e, IR_DIV_OP) && (opt_vars_of(e->args[1]) & reduced) == 0) {
        if (p->divisor_count == MOST_FACTORS)
            return false;
        p->divisors[p->divisor_count++] = e->args[1];
        return collect(g, e->args[0], reduced, p);
    }
    if (p->factor_count == MOST_FACTORS)
        return false;
    p->factors[p->factor_count++] = (factor){e, opt_vars_of(e)};
    return true;
}

bool opt_product_of(ir_graph *g, ir_expr *e, var_set reduced, product *p)
{
    *p = (product){0};
    return e->type == IR_REAL && collect(g, e, reduced, p);
}

ir_expr *opt_product_expr(ir_graph *g, const product *p)
{
    ir_expr *e = NULL;
    for (int pass = 0; pass < 2; pass++) /* constants first */
        for (int i = 0; i < p->factor_count; i++) {
            ir_expr *f = p->factors[i].e;
            if ((f->kind == IR_EXPR_CONST) == (pass == 0))
                e = e ? ir_op2(g, IR_MUL_OP, e, f) : f;
        }
    e = e ? e : ir_real(g, 1.0);
    for (int i = 0; i < p->divisor_count; i++)
        e = ir_op2(g, IR_DIV_OP, e, p->divisors[i]);
    return p->negative ? ir_op1(g, IR_NEG_OP, e) : e;
}

static bool collect_terms(ir_graph *g, ir_expr *e, bool negative,
                          ir_expr **terms, int *count)
{
    if (is_op(e, IR_ADD_OP) || is_op(e, IR_SUB_OP))
        return collect_terms(g, e->args[0], negative, terms, count) &&
               collect_terms(g, e->args[1], negative ^ is_op(e, IR_SUB_OP),
                             terms, count);
    if (is_op(e, IR_NEG_OP))
        return collect_terms(g, e->args[0], !negative, terms, count);
    if (*count == MOST_TERMS)
        return false;
    terms[(*count)++] = negative ? ir_op1(g, IR_NEG_OP, e) : e;
    return true;
}

bool opt_terms_of(ir_graph *g, ir_expr *e, ir_expr **terms, int *count)
{
    *count = 0;
    return collect_terms(g, e, false, terms, count);
}
