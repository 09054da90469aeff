/*
 * layout.c - decides the order of axes of intermediate tensors.
 *
 * A product read through a window (a convolution, its gradients) runs fastest
 * when what the window does not move along lies innermost: a pixel's channels
 * are neighbours, so a window row is one run of memory, and the columns of the
 * product are one run of its result. So each such product has a wish for its
 * operands and its result, and pointwise readers, pools and their gradients
 * follow, since they would have to permute otherwise. Inputs, updates and what
 * is reshaped keep the order of definition.
 *
 * Needs:    a verified graph.
 * Provides: an order for each node.
 * Keeps:    the graph. Everything follows from sizes and subscripts.
 */
#include "sched/layout.h"
#include "sched/internal.h"
#include <stdlib.h>

typedef struct chooser {
    const ir_graph *g;
    sched_layout *l;
    bool *fixed;  /* by node id */
    bool *copied; /* by node id: threads fetch a copy of it */
    bool threads;
} chooser;

/* ---------- windows ---------- */

static bool is_plain_read(const ir_expr *e)
{
    if (e->kind != IR_EXPR_READ)
        return false;
    for (int i = 0; i < e->sub_count; i++)
        if (!sched_is_direct(&e->subs[i]))
            return false;
    return !e->outside || e->outside->kind == IR_EXPR_CONST;
}

static bool varies(const ir_comp *comp, int var)
{
    return comp->vars[var].hi - comp->vars[var].lo > 1;
}

/* The extents of result and reduced indices in one subscript; 1: none. */
typedef struct mix {
    int64_t out, reduced;
} mix;

static mix mix_of(const ir_comp *comp, const ir_sub *sub)
{
    mix m = {1, 1};
    for (int k = 0; k < sub->affine.term_count; k++) {
        int var = sub->affine.terms[k].var;
        int64_t extent = comp->vars[var].hi - comp->vars[var].lo;
        if (var < comp->out_count)
            m.out *= extent;
        else
            m.reduced *= extent;
    }
    return m;
}

static bool is_window(const ir_comp *comp, const ir_sub *sub)
{
    mix m = mix_of(comp, sub);
    return m.out > 1 && m.reduced > 1;
}

bool sched_is_windowed(const ir_comp *comp, const ir_expr *read)
{
    for (int i = 0; i < read->sub_count; i++)
        if (is_window(comp, &read->subs[i]))
            return true;
    return false;
}

/* A sum of products of two plain reads? */
static bool multiplies_reads(const ir_node *n)
{
    const ir_comp *comp = &n->comp;
    if (n->kind != IR_COMP || comp->reduce != IR_SUM || comp->filter ||
        n->type.kind != IR_REAL || ir_volume(comp) < SCHED_LEAST_WORK)
        return false;
    const ir_expr *body = comp->body;
    return body->kind == IR_EXPR_OP && body->op == IR_MUL_OP &&
           is_plain_read(body->args[0]) && is_plain_read(body->args[1]);
}

static sched_window find_window(const ir_node *n)
{
    ir_expr *const *factors = n->comp.body->args;
    for (int i = 0; i < 2; i++)
        if (sched_is_windowed(&n->comp, factors[i]))
            return (sched_window){factors[i], factors[1 - i]};
    return (sched_window){NULL, NULL};
}

/* Do the windows step along the result (forward), or are they summed over it
 * (the gradient of the weights)? */
static bool pixels_are_reduced(const ir_comp *comp, const ir_expr *windowed)
{
    mix all = {1, 1};
    for (int i = 0; i < windowed->sub_count; i++) {
        mix m = mix_of(comp, &windowed->subs[i]);
        if (m.out > 1 && m.reduced > 1) {
            all.out *= m.out;
            all.reduced *= m.reduced;
        }
    }
    return all.reduced > all.out;
}

static bool mentions(const ir_expr *read, int var)
{
    for (int i = 0; i < read->sub_count; i++)
        if (ir_affine_coef(read->subs[i].affine, var))
            return true;
    return false;
}

/* The variable of an axis that varies, the last one; -1: none does. */
static int axis_var(const ir_comp *comp, const ir_sub *sub)
{
    int var = -1;
    for (int k = 0; k < sub->affine.term_count; k++)
        if (varies(comp, sub->affine.terms[k].var))
            var = sub->affine.terms[k].var;
    return var;
}

/* ---------- wishes ---------- */

static void append_axes(sched_axes *a, int *count, const bool *chosen, int rank)
{
    for (int i = 0; i < rank; i++)
        if (chosen[i])
            a->order[(*count)++] = i;
}

static void complete(sched_axes *a, const bool *first, int rank)
{
    bool rest[IR_MAX_RANK];
    int count = 0;
    for (int i = 0; i < rank; i++)
        rest[i] = !first[i];
    append_axes(a, &count, first, rank);
    append_axes(a, &count, rest, rank);
    a->known = true;
}

/* The windowed factor: axes that step with the pixels, then the channels. */
static sched_axes wish_of_windowed(const ir_comp *comp, const sched_window *w)
{
    sched_axes a = {0};
    bool outer[IR_MAX_RANK];
    bool reduced = pixels_are_reduced(comp, w->windowed);
    for (int i = 0; i < w->windowed->sub_count; i++) {
        const ir_sub *sub = &w->windowed->subs[i];
        int var = axis_var(comp, sub);
        bool same = var < 0 || (var >= comp->out_count) == reduced;
        bool shared =
            var >= 0 && var < comp->out_count && mentions(w->other, var);
        outer[i] = is_window(comp, sub) || (same && !shared);
    }
    complete(&a, outer, w->windowed->sub_count);
    return a;
}

/* The result: its indices as they come in the windowed factor, then the
 * others. */
static sched_axes wish_of_result(const ir_comp *comp, const sched_window *w,
                                 const sched_axes *windowed)
{
    sched_axes a = {.known = true};
    bool taken[IR_MAX_VARS] = {false};
    int count = 0;
    for (int i = 0; i < w->windowed->sub_count; i++) {
        const ir_affine *at = &w->windowed->subs[windowed->order[i]].affine;
        for (int k = 0; k < at->term_count; k++) {
            int var = at->terms[k].var;
            if (var >= comp->out_count || taken[var])
                continue;
            taken[var] = true;
            a.order[count++] = var;
        }
    }
    for (int v = 0; v < comp->out_count; v++)
        if (!taken[v])
            a.order[count++] = v;
    return a;
}

/* The other factor of a weight gradient: the pixels it shares, then its own
 * channels. */
static sched_axes wish_of_other(const ir_comp *comp, const sched_window *w)
{
    sched_axes a = {0};
    bool outer[IR_MAX_RANK];
    if (!pixels_are_reduced(comp, w->windowed))
        return a;
    for (int i = 0; i < w->other->sub_count; i++) {
        int var = axis_var(comp, &w->other->subs[i]);
        outer[i] = var < 0 || var >= comp->out_count;
    }
    complete(&a, outer, w->other->sub_count);
    return a;
}

enum { SECTOR_ELEMENTS = 8 };

/* Are runs along these axes whole sectors of memory? */
static bool fill_sectors(const ir_expr *read, const bool *axes)
{
    int64_t run = 1;
    for (int i = 0; i < read->sub_count; i++)
        run *= axes[i] ? read->node->type.dims[i] : 1;
    return run % SECTOR_ELEMENTS == 0;
}

/* The variables that a window moves along. */
static void note_window(const ir_comp *comp, const sched_window *w,
                        bool window[IR_MAX_VARS])
{
    for (int i = 0; w->windowed && i < w->windowed->sub_count; i++) {
        const ir_sub *sub = &w->windowed->subs[i];
        for (int k = 0; k < sub->affine.term_count; k++)
            if (is_window(comp, sub))
                window[sub->affine.terms[k].var] = true;
    }
}

/* The weights where windows step along the result: the window's indices, then
 * channels and columns. As they are defined a window may lie innermost, and
 * neither of these together. Last come whichever fill sectors; where both do,
 * one order serves the product, its gradient and all phases of that. */
static sched_axes wish_of_weights(const ir_comp *comp, const sched_window *w)
{
    sched_axes a = {0};
    bool window[IR_MAX_VARS] = {false}, outer[IR_MAX_RANK];
    bool channels[IR_MAX_RANK], columns[IR_MAX_RANK];
    if ((w->windowed && pixels_are_reduced(comp, w->windowed)) ||
        w->other->outside || w->other->node->kind != IR_INPUT)
        return a;
    note_window(comp, w, window);
    int rank = w->other->sub_count, count = 0;
    for (int i = 0; i < rank; i++) {
        int var = axis_var(comp, &w->other->subs[i]);
        outer[i] = var < 0 || window[var];
        columns[i] = !outer[i] && var < comp->out_count;
        channels[i] = !outer[i] && !columns[i];
    }
    if (!fill_sectors(w->other, channels)) {
        append_axes(&a, &count, outer, rank);
        append_axes(&a, &count, channels, rank);
        append_axes(&a, &count, columns, rank);
    } else if (!fill_sectors(w->other, columns)) {
        append_axes(&a, &count, outer, rank);
        append_axes(&a, &count, columns, rank);
        append_axes(&a, &count, channels, rank);
    } else {
        complete(&a, outer, rank);
    }
    a.known = true;
    return a;
}

/* The smallest step through memory. */
static int64_t least_step(const ir_comp *comp, const ir_expr *read)
{
    int64_t least = INT64_MAX;
    sched_address a;
    sched_address_of(read, &a);
    for (int v = 0; v < comp->var_count; v++)
        if (varies(comp, v) && a.coef[v] && llabs(a.coef[v]) < least)
            least = llabs(a.coef[v]);
    return least;
}

/* Is it a part of its tensor, no two elements of which are neighbours? One tap
 * of a window's weights is. */
static bool is_scattered_part(const ir_comp *comp, const ir_expr *read)
{
    bool part = false;
    for (int i = 0; i < read->sub_count; i++)
        part = part || (read->node->type.dims[i] > 1 &&
                        axis_var(comp, &read->subs[i]) < 0);
    return part && least_step(comp, read) > 1;
}

/* Does a copy of the whole tensor cost less than the sectors it saves? */
static bool is_worth_a_copy(const ir_comp *comp, const ir_expr *read)
{
    enum { SIDE = 128 }; /* of a tile: so often is a fetched element used */
    int64_t step = least_step(comp, read);
    int64_t waste = (step < SECTOR_ELEMENTS ? step : SECTOR_ELEMENTS) - 1;
    return ir_volume(comp) / SIDE * waste >=
           2 * ir_element_count(&read->node->type);
}

/* A factor over which no window moves, for a copy that is there or pays. */
static sched_window find_part(const chooser *c, const ir_node *n)
{
    ir_expr *const *factors = n->comp.body->args;
    for (int i = 0; i < 2; i++)
        if (is_scattered_part(&n->comp, factors[i]) &&
            (c->copied[factors[i]->node->id] ||
             is_worth_a_copy(&n->comp, factors[i])))
            return (sched_window){NULL, factors[i]};
    return (sched_window){NULL, NULL};
}

static void wish(chooser *c, const ir_node *n, const sched_axes *a)
{
    sched_axes *now = &c->l->axes[n->id];
    if (a->known && !now->known && !c->fixed[n->id])
        *now = *a;
}

/* Other sums are reductions, whose order follows how their operands lie, and
 * that is every target's. */
static bool is_product(const ir_node *n)
{
    sched_contraction c = {.node = (ir_node *)(uintptr_t)n,
                           .left = n->comp.body->args[0],
                           .right = n->comp.body->args[1]};
    sched_split_axes(&c);
    return sched_has_long_axes(&c);
}

static void wish_a_copy(chooser *c, const ir_node *n)
{
    const sched_window *w = &c->l->windows[n->id];
    if (!c->threads || !is_product(n))
        return;
    c->l->other[n->id] = wish_of_weights(&n->comp, w);
    if (c->l->other[n->id].known)
        c->copied[w->other->node->id] = true;
}

static void take_wishes(chooser *c, const ir_node *n)
{
    const sched_window *w = &c->l->windows[n->id];
    wish_a_copy(c, n);
    sched_axes windowed = wish_of_windowed(&n->comp, w);
    sched_axes result = wish_of_result(&n->comp, w, &windowed);
    sched_axes other = wish_of_other(&n->comp, w);
    c->l->windowed[n->id] = windowed;
    wish(c, w->windowed->node, &windowed);
    wish(c, w->other->node, &other);
    wish(c, n, &result);
}

/* ---------- neighbours ---------- */

/* Which axis of the result each axis of the operand goes along with, one to
 * one; false: they do not. Axes of one element fill up. */
static bool match_axes(const ir_node *n, const ir_expr *read,
                       int along[IR_MAX_RANK])
{
    const ir_comp *comp = &n->comp;
    bool taken[IR_MAX_RANK] = {false};
    if (n->type.rank != read->sub_count)
        return false;
    for (int i = 0; i < read->sub_count; i++) {
        const ir_affine *a = &read->subs[i].affine;
        along[i] = -1;
        for (int k = 0; k < a->term_count; k++) {
            int var = a->terms[k].var;
            if (var >= comp->out_count || !varies(comp, var))
                continue;
            if (along[i] >= 0 || taken[var])
                return false;
            along[i] = var;
            taken[var] = true;
        }
    }
    for (int i = 0, next = 0; i < read->sub_count; i++) {
        if (along[i] >= 0)
            continue;
        while (taken[next])
            next++;
        along[i] = next;
        taken[next] = true;
    }
    return true;
}

typedef struct follower {
    chooser *c;
    ir_node *n;
    bool changed;
} follower;

/* A known order of one end of a read is the other end's too. */
static void follow_read(ir_expr *read, void *ctx)
{
    follower *f = ctx;
    int along[IR_MAX_RANK], rank = f->n->type.rank;
    sched_axes *mine = &f->c->l->axes[f->n->id];
    sched_axes *theirs = &f->c->l->axes[read->node->id];
    if (mine->known == theirs->known || !match_axes(f->n, read, along))
        return;
    sched_axes found = {.known = true};
    for (int i = 0; i < rank; i++)
        for (int k = 0; k < rank; k++) {
            if (mine->known && along[k] == mine->order[i])
                found.order[i] = k;
            if (theirs->known && theirs->order[i] == k)
                found.order[i] = along[k];
        }
    ir_node *to = mine->known ? read->node : f->n;
    if (f->c->fixed[to->id])
        return;
    f->c->l->axes[to->id] = found;
    f->changed = true;
}

/* The source of a scatter in the order in which the result takes it. */
static bool order_of_source(const ir_node *n, const ir_piece *p,
                            const sched_axes *result, sched_axes *out)
{
    bool taken[IR_MAX_RANK] = {false};
    int count = 0;
    *out = (sched_axes){.known = true};
    for (int i = 0; i < n->type.rank; i++) {
        const ir_sub *sub = &p->subs[result->order[i]];
        if (!sched_is_direct(sub))
            return false;
        for (int k = 0; k < sub->affine.term_count; k++) {
            int var = sub->affine.terms[k].var;
            if (taken[var])
                return false;
            taken[var] = true;
            out->order[count++] = var;
        }
    }
    for (int v = 0; v < p->source->type.rank; v++)
        if (!taken[v])
            out->order[count++] = v;
    return true;
}

static bool follow_scatter(chooser *c, const ir_node *n)
{
    bool changed = false;
    if (!c->l->axes[n->id].known)
        return false;
    for (int i = 0; i < n->piece_count; i++) {
        const ir_node *source = n->pieces[i].source;
        sched_axes *to = &c->l->axes[source->id], found;
        if (to->known || c->fixed[source->id] ||
            !order_of_source(n, &n->pieces[i], &c->l->axes[n->id], &found))
            continue;
        *to = found;
        changed = true;
    }
    return changed;
}

static bool follow(chooser *c, ir_node *n)
{
    follower f = {c, n, false};
    if (n->kind == IR_SCATTER)
        return follow_scatter(c, n);
    if (n->kind != IR_COMP)
        return false;
    ir_visit_reads(n->comp.body, follow_read, &f);
    return f.changed;
}

/* ---------- all ---------- */

/* What is only reshaped keeps its order, so that it can stay a view of the same
 * memory. */
static void fix_nodes(chooser *c)
{
    const ir_graph *g = c->g;
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        if (n->kind != IR_COMP && n->kind != IR_SCATTER)
            c->fixed[i] = true;
        if (n->kind == IR_SCATTER && sched_only_reshapes(n))
            c->fixed[i] = c->fixed[n->pieces[0].source->id] = true;
    }
    for (int i = 0; i < g->outputs.count; i++)
        if (g->outputs.data[i].role == IR_OUT_UPDATE)
            c->fixed[g->outputs.data[i].node->id] = true;
}

static bool has_scan(const ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.data[i]->kind == IR_SCAN)
            return true;
    return false;
}

static bool find_windows(chooser *c)
{
    bool any = false;
    for (int i = 0; i < c->g->nodes.count; i++) {
        const ir_node *n = c->g->nodes.data[i];
        if (!multiplies_reads(n))
            continue;
        c->l->windows[i] = find_window(n);
        if (!c->l->windows[i].windowed)
            continue;
        take_wishes(c, n);
        any = true;
    }
    return any;
}

static bool find_parts(chooser *c)
{
    bool any = false;
    for (int i = 0; c->threads && i < c->g->nodes.count; i++) {
        const ir_node *n = c->g->nodes.data[i];
        if (c->l->windows[i].windowed || !multiplies_reads(n))
            continue;
        c->l->windows[i] = find_part(c, n);
        if (!c->l->windows[i].other)
            continue;
        wish_a_copy(c, n);
        any = true;
    }
    return any;
}

bool sched_choose_layout(const ir_graph *g, bool threads, ptl_arena *arena,
                         sched_layout *out)
{
    int count = g->nodes.count + 1;
    out->windows = ARENA_ARRAY(arena, sched_window, count);
    out->axes = ARENA_ARRAY(arena, sched_axes, count);
    out->windowed = ARENA_ARRAY(arena, sched_axes, count);
    out->other = ARENA_ARRAY(arena, sched_axes, count);
    chooser c = {g, out, ARENA_ARRAY(arena, bool, count),
                 ARENA_ARRAY(arena, bool, count), threads};
    if (has_scan(g))
        return false;
    fix_nodes(&c);
    bool windows = find_windows(&c), parts = find_parts(&c);
    if (!windows && !parts)
        return false;
    for (int i = 0; i < g->outputs.count; i++)
        c.fixed[g->outputs.data[i].node->id] = true;
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < g->nodes.count; i++)
            changed = follow(&c, g->nodes.data[i]) || changed;
    }
    return true;
}
