/*
 * untrained.c - parameters that are trained though no derivative of the loss
 * reaches them: a layer whose result nobody uses, or all of it within `stop`.
 */
#include "lower/lower_priv.h"

/* What grad_build() gives where the loss does not depend on something. */
static bool is_zero(const ir_node *grad)
{
    return grad->kind == IR_COMP && grad->comp.reduce == IR_MAP &&
           grad->comp.body->kind == IR_EXPR_CONST &&
           grad->comp.body->number == 0.0;
}

void lower_warn_untrained(const lowering *l)
{
    const typed_program *p = l->program;
    const char *first = NULL;
    int more = -1;
    for (int i = 0; i < p->params.count; i++) {
        const typed_param *w = &p->params.data[i];
        if (!w->grad || !is_zero(l->nodes[w->grad->id]))
            continue;
        first = first ? first : w->tensor->name;
        more++;
    }
    if (!first)
        return;
    if (more == 0)
        diag_warning(l->diags, DIAG_NO_GRADIENT, p->loss_at,
                     "no derivative of the loss reaches `%s`: it learns "
                     "nothing; `freeze \"%s\"` says that this is meant",
                     first, first);
    else
        diag_warning(l->diags, DIAG_NO_GRADIENT, p->loss_at,
                     "no derivative of the loss reaches `%s` and %d other "
                     "parameter%s: they learn nothing; `freeze` says that this "
                     "is meant",
                     first, more, more == 1 ? "" : "s");
}
