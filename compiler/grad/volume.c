/*
 * volume.c - how much work each derivative is, against its forward.
 *
 * A gradient that is correct but iterates over a mostly empty space is the
 * main risk of deriving instead of writing gradients by hand, so it is counted
 * where it arises and said aloud.
 */
#include "grad/grad_priv.h"

struct grad_report {
    VEC(grad_volume) rows;
};

enum { FACTOR = 3 };

void grad_volume_add(ir_graph *g, grad_volume row)
{
    if (!g->report)
        g->report = ARENA_NEW(g->arena, struct grad_report);
    vec_push(g->arena, &g->report->rows, row);
}

int grad_volumes(const ir_graph *g, const grad_volume **rows)
{
    *rows = g->report ? g->report->rows.data : NULL;
    return g->report ? g->report->rows.count : 0;
}

/* Every element of the operand is written once, whatever was read of it. */
int64_t grad_volume_limit(const grad_volume *row)
{
    int64_t least = ir_element_count(&row->operand->type);
    return FACTOR * (row->forward > least ? row->forward : least);
}

void grad_volume_check(ir_graph *g, bool scattered, ptl_diags *diags)
{
    const grad_volume *row = &g->report->rows.data[g->report->rows.count - 1];
    if (!diags)
        return;
    if (row->backward > grad_volume_limit(row))
        diag_warning(diags, DIAG_GRAD_VOLUME, row->node->at,
                     "the derivative of \"%s\" by \"%s\" visits %lld points, "
                     "the value itself %lld",
                     row->node->name, row->operand->name,
                     (long long)row->backward, (long long)row->forward);
    else if (scattered)
        diag_warning(diags, DIAG_GRAD_VOLUME, row->node->at,
                     "the derivative of \"%s\" by \"%s\" is a scatter: the "
                     "subscripts cannot be inverted",
                     row->node->name, row->operand->name);
}
