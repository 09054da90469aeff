/*
 * classify.c - names the kind of work of each node.
 *
 * Needs:    a node after fusion.
 * Provides: its class; for sums of products that are no contractions, why.
 * Keeps:    the graph.
 */
#include "sched/internal.h"

static bool is_copy(const ir_node *n)
{
    const ir_expr *e = n->comp.body;
    if (e->kind != IR_EXPR_READ || e->sub_count != n->type.rank)
        return false;
    for (int i = 0; i < e->sub_count; i++)
        if (!sched_is_variable(&e->subs[i], i))
            return false;
    return true;
}

static bool is_sum_of_products(const ir_node *n)
{
    const ir_expr *e = n->comp.body;
    return n->comp.reduce == IR_SUM && e->kind == IR_EXPR_OP &&
           e->op == IR_MUL_OP;
}

bool sched_is_variable(const ir_sub *sub, int var)
{
    return sched_is_direct(sub) && sub->affine.constant == 0 &&
           sub->affine.term_count == 1 && sub->affine.terms[0].var == var &&
           sub->affine.terms[0].coef == 1;
}

sched_class sched_classify(ir_node *n, const sched_options *options,
                           const char **note)
{
    sched_contraction c;
    sched_direct d;
    *note = NULL;
    switch (n->kind) {
    case IR_SCATTER:
        return SCHED_SCATTER;
    case IR_COMP:
        break;
    default:
        return SCHED_SCAN;
    }
    if (n->comp.reduce == IR_MAP)
        return is_copy(n) ? SCHED_COPY : SCHED_MAP;
    if (!sched_find_direct(n, options, &d))
        return SCHED_CONTRACTION;
    const char *refused = sched_find_contraction(n, options, &c);
    if (refused && is_sum_of_products(n))
        *note = refused;
    return refused ? SCHED_REDUCE : SCHED_CONTRACTION;
}

const char *sched_class_name(sched_class class)
{
    static const char *const names[] = {
#define SCHED_CLASS(name, text) text,
#include "sched/class.def"
#undef SCHED_CLASS
    };
    return names[class];
}

const char *sched_step_kind_name(sched_step_kind kind)
{
    static const char *const names[] = {
#define SCHED_STEP(name, text, builder) text,
#include "sched/step.def"
#undef SCHED_STEP
    };
    return names[kind];
}
