/*
 * scan.c - the derivative of a recurrence is a recurrence from its end.
 *
 * With y(t) = F(t, y(t-1), w) and dy(t) what step t's results receive, the
 * reversed scan carries the adjoint of y(t-1). Its body is F's body again, the
 * part that is cheap to compute twice, and the reverse of it; sums, and what was
 * carried into each step, are kept by the forward scan.
 *
 * What is the same at every step, such as weights, would receive a term at each
 * of them. Instead the reversed scan keeps the adjoints of the nodes that read
 * it, and each such node is differentiated once, outside, as a comprehension
 * that has the step as one more index: one contraction for all steps.
 *
 * Needs:    the adjoints of the scan's results.
 * Provides: terms of what the scan is bound to, and of its initial values.
 * Keeps:    the scan, which may keep more of each step.
 */
#include "grad/scan_priv.h"

/* ---------- what depends on what is differentiated for ---------- */

static bool operand_is_active(scan_reverse *s, const ir_node *n)
{
    ir_node **operands;
    int count = ir_operands(s->body, n, &operands);
    for (int k = 0; k < count; k++)
        if (s->active[operands[k]->id])
            return true;
    return false;
}

static bool sweep(scan_reverse *s)
{
    bool more = false;
    for (int i = 0; i < s->count; i++) {
        const ir_node *n = s->body->nodes.data[i];
        bool carries = n->type.kind == IR_REAL || n->kind == IR_SCAN;
        if (s->active[i] || !carries)
            continue;
        s->active[i] =
            (s->bound[i] && s->c->active[s->bound[i]->id]) ||
            operand_is_active(s, n);
        more = more || s->active[i];
    }
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_carry *carry = &s->scan->carries[k];
        bool *input = &s->active[carry->input->id];
        if (*input || carry->input->type.kind != IR_REAL)
            continue;
        *input = s->c->active[carry->init->id] || s->active[carry->next->id];
        more = more || *input;
    }
    return more;
}

/* The derivative of what stands in the body is known for comprehensions and
 * for scatters of them. */
static bool can_reverse(const scan_reverse *s)
{
    for (int i = 0; i < s->count; i++) {
        const ir_node *n = s->body->nodes.data[i];
        bool can = n->kind != IR_SCAN;
        for (int k = 0; k < n->piece_count; k++)
            can = can && !s->bound[n->pieces[k].source->id];
        if (!can && s->active[i])
            return false;
    }
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *next = s->scan->carries[k].next;
        if (s->bound[next->id] && s->active[next->id])
            return false;
    }
    for (int k = 0; k < s->scan->stack_count; k++) {
        const ir_node *n = s->scan->stacked[k];
        if (s->bound[n->id] && s->active[n->id])
            return false;
    }
    return true;
}

/* ---------- terms outside ---------- */

static void give_initial(scan_reverse *s, ir_node *made)
{
    ir_graph *g = s->c->g;
    int at = 0;
    for (int k = 0; k < s->scan->carry_count; k++) {
        ir_node *init = s->scan->carries[k].init;
        if (!s->carried[k])
            continue;
        int index = at++;
        if (!s->c->active[init->id])
            continue;
        grad_term term = {.node = ir_scan_out(g, grad_name(g, init), made,
                                              index)};
        vec_push(g->arena, &s->c->terms[init->id], term);
    }
}

/* `n`, which reads what is bound, as one comprehension over all steps. */
static bool give_bound(scan_reverse *s, ir_node *n, ir_node *adjoint)
{
    grad_reverse outside = *s->c;
    ir_graph *g = s->c->g;
    ir_comp comp = scan_unrolled_comp(s, &n->comp);
    ir_node *all = ir_comprehend(g, n->name, &comp, n->at);
    outside.active = ARENA_ARRAY(g->arena, bool, g->nodes.count);
    for (int i = 0; i < s->count; i++)
        if (s->bound[i])
            outside.active[s->bound[i]->id] = s->active[i];
    return grad_reverse_comp(&outside, all, adjoint);
}

/* The adjoint of received[i] at all steps; two nodes may have the same. */
static ir_node *received_by(scan_reverse *s, ir_node *made, int i,
                            ir_node **outs)
{
    ir_graph *g = s->c->g;
    for (int k = 0; k < i; k++)
        if (s->their.data[k] == s->their.data[i])
            return outs[i] = outs[k];
    const char *name = grad_name(g, s->received.data[i]);
    return outs[i] =
               ir_scan_out(g, name, made, made->scan->carry_count + i);
}

static bool give_terms(scan_reverse *s, ir_node *made)
{
    ir_graph *g = s->c->g;
    ir_node **outs = ARENA_ARRAY(g->arena, ir_node *, s->received.count + 1);
    bool ok = true;
    give_initial(s, made);
    for (int i = 0; i < s->received.count; i++) {
        ir_node *adjoint = received_by(s, made, i, outs);
        ok = give_bound(s, s->received.data[i], adjoint) && ok;
    }
    return ok;
}

/* ---------- begin and end ---------- */

static void init(scan_reverse *s, grad_reverse *c, ir_node *scan)
{
    ptl_arena *arena = c->g->arena;
    *s = (scan_reverse){.c = c, .node = scan, .scan = scan->scan};
    s->body = s->scan->body;
    s->count = s->body->nodes.count;
    s->active = ARENA_ARRAY(arena, bool, s->count + 1);
    s->bound = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->copy = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->kept = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->unrolled = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->carried = ARENA_ARRAY(arena, ir_node *, s->scan->carry_count + 1);
    s->next = ARENA_ARRAY(arena, ir_node *, s->scan->carry_count + 1);
    for (int i = 0; i < s->scan->bind_count; i++)
        s->bound[s->scan->bind_inner[i]->id] = s->scan->bind_outer[i];
    while (sweep(s))
        ;
}

/* What a step works out may be wanted of all steps, with one index more. */
static bool fits_unrolled(const scan_reverse *s)
{
    for (int i = 0; i < s->count; i++) {
        const ir_node *n = s->body->nodes.data[i];
        if (n->kind == IR_INPUT || scan_fits_unrolled(n))
            continue;
        diag_error(s->c->diags, DIAG_GRAD_RANK, n->at,
                   "\"%s\" has too many indices for its derivative over all "
                   "steps of a scan",
                   n->name);
        return false;
    }
    return true;
}

static bool has_adjoint(scan_reverse *s)
{
    int results = s->scan->carry_count + s->scan->stack_count;
    for (int i = 0; i < results; i++)
        if (scan_result_adjoint(s, i))
            return true;
    return false;
}

/* Without a step the initial values are the final ones. */
static void pass_through(scan_reverse *s)
{
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *init = s->scan->carries[k].init;
        ir_node *dy = scan_result_adjoint(s, k);
        if (dy && s->c->active[init->id])
            vec_push(s->c->g->arena, &s->c->terms[init->id],
                     (grad_term){.node = dy});
    }
}

bool grad_reverse_scan(grad_reverse *c, ir_node *scan)
{
    scan_reverse s;
    init(&s, c, scan);
    if (!has_adjoint(&s))
        return true;
    if (s.scan->trips == 0) {
        pass_through(&s);
        return true;
    }
    if (!can_reverse(&s)) {
        diag_error(c->diags, DIAG_GRAD_SCAN, scan->at,
                   "the derivative of \"%s\" is not available: a scan in its "
                   "step, or one that passes on what it is given",
                   scan->name);
        return false;
    }
    if (!fits_unrolled(&s))
        return false;
    s.made = ir_graph_new();
    if (!scan_build_step(&s)) {
        ir_graph_free(s.made);
        return false;
    }
    return give_terms(&s, scan_close(&s));
}
