/*
 * slices.c - terms that are apart from one another are stored, not added up.
 *
 * Reads of x[.., j], x[.., j + H], .. of one tensor (gates, heads, halves) each
 * give a term that is 0 outside of its slice. Added up, every element would be
 * worked out as often as there are slices. Where no two slices meet, each is a
 * comprehension over itself, stored at its place.
 *
 * Needs:    terms with their slices noted.
 * Provides: one disjoint scatter; or nothing, and no node.
 * Keeps:    the terms.
 */
#include "grad/grad_priv.h"

/* Elements [low, high] of axis `d`. */
static void extent_of(const grad_slice *s, int d, int64_t *low, int64_t *high)
{
    ir_affine_range(s->subs[d].affine, s->comp.vars, low, high);
}

static bool are_apart(const grad_slice *a, const grad_slice *b, int rank)
{
    for (int d = 0; d < rank; d++) {
        int64_t low, high, other_low, other_high;
        extent_of(a, d, &low, &high);
        extent_of(b, d, &other_low, &other_high);
        if (high < other_low || other_high < low)
            return true;
    }
    return false;
}

static bool are_all_apart(const grad_terms *terms, int rank)
{
    for (int i = 0; i < terms->count; i++) {
        if (!terms->data[i].slice)
            return false;
        for (int k = 0; k < i; k++)
            if (!are_apart(terms->data[i].slice, terms->data[k].slice, rank))
                return false;
    }
    return true;
}

ir_node *grad_join_slices(ir_graph *g, const ir_node *n,
                          const grad_terms *terms)
{
    if (!are_all_apart(terms, n->type.rank))
        return NULL;
    const char *part = arena_printf(g->arena, "%s_part", grad_name(g, n));
    ir_piece *pieces = ARENA_ARRAY(g->arena, ir_piece, terms->count);
    for (int i = 0; i < terms->count; i++) {
        const grad_slice *s = terms->data[i].slice;
        pieces[i] = (ir_piece){ir_comprehend(g, part, &s->comp, n->at),
                               s->names, s->subs};
    }
    ir_node *made = ir_scatter(g, grad_name(g, n), n->type, pieces,
                               terms->count, n->at);
    made->disjoint = true;
    return made;
}
