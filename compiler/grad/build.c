/*
 * build.c - reverse mode over the graph.
 *
 * Nodes are walked from the loss back. When a node's turn comes, all who read
 * it have added their terms; their sum is its adjoint, one comprehension. No
 * term is ever left out: what one read contributes never replaces what another
 * read of the same tensor does.
 *
 * Needs:    a verified graph; a REAL loss of rank 0.
 * Provides: a node of the same shape for each node asked for.
 * Keeps:    all nodes there were.
 */
#include "grad/grad_priv.h"
#include <string.h>

static void mark_active(grad_reverse *c, ir_node *const *wrt, int wrt_count)
{
    for (int i = 0; i < wrt_count; i++)
        c->active[wrt[i]->id] = true;
    for (int i = 0; i < c->count; i++) {
        ir_node *n = c->g->nodes.data[i], **operands;
        int count = ir_operands(c->g, n, &operands);
        bool carries = n->type.kind == IR_REAL || n->kind == IR_SCAN;
        const grad_custom *own = c->customs[i];
        for (int k = 0; own && k < own->input_count; k++)
            c->active[i] = c->active[i] || c->active[own->inputs[k]->id];
        for (int k = 0; k < count && carries; k++)
            c->active[i] = c->active[i] || c->active[operands[k]->id];
    }
}

const char *grad_name(ir_graph *g, const ir_node *n)
{
    const char *last = strrchr(n->name, '.');
    if (!last)
        return arena_printf(g->arena, "d%s", n->name);
    return arena_printf(g->arena, "%.*sd%s", (int)(last + 1 - n->name),
                        n->name, last + 1);
}

/* ---------- adding terms up ---------- */

ir_comp grad_over_shape(ir_graph *g, const ir_node *n)
{
    static const char *const names[] = {"i", "j", "k", "l", "m", "n", "p", "q"};
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, n->type.rank);
    for (int d = 0; d < n->type.rank; d++) {
        const char *name = n->kind == IR_COMP ? n->comp.vars[d].name : names[d];
        vars[d] = (ir_var){name, 0, n->type.dims[d]};
    }
    return (ir_comp){.out_count = n->type.rank, .var_count = n->type.rank,
                     .vars = vars};
}

static ir_expr *term_value(grad_reverse *c, grad_term *t, const ir_node *n)
{
    if (!t->node && t->comp.reduce == IR_MAP)
        return t->comp.body;
    if (!t->node) {
        const char *part =
            arena_printf(c->g->arena, "%s_part", grad_name(c->g, n));
        t->node = ir_comprehend(c->g, part, &t->comp, n->at);
    }
    return ir_read_plain(c->g, t->node, 0);
}

/* A part that turned out to be the whole takes its name. */
static ir_node *as_whole(grad_reverse *c, const grad_term *t, const ir_node *n)
{
    const char *name = grad_name(c->g, n);
    if (t->own && !ir_find(c->g, name))
        ir_rename(c->g, t->node, name);
    return t->node;
}

/* The adjoint of `n` as one comprehension, or NULL. */
static ir_node *add_up(grad_reverse *c, const ir_node *n)
{
    grad_terms *terms = &c->terms[n->id];
    if (terms->count == 0)
        return NULL;
    grad_term *first = &terms->data[0];
    if (terms->count == 1 && first->node)
        return as_whole(c, first, n);
    if (terms->count == 1)
        return ir_comprehend(c->g, grad_name(c->g, n), &first->comp, n->at);
    ir_node *joined = grad_join_slices(c->g, n, terms);
    if (joined)
        return joined;
    ir_comp sum = grad_over_shape(c->g, n);
    for (int i = 0; i < terms->count; i++) {
        grad_term *t = &terms->data[i];
        ir_expr *value = term_value(c, t, n);
        sum.body = sum.body ? ir_op2(c->g, IR_ADD_OP, sum.body, value) : value;
        if (i == 0 && !t->node)
            sum.vars = t->comp.vars;
    }
    return ir_comprehend(c->g, grad_name(c->g, n), &sum, n->at);
}

/* ---------- one node ---------- */

static ir_expr *adjoint_value(grad_reverse *c, ir_node *adjoint)
{
    const ir_comp *comp = &adjoint->comp;
    if (adjoint->kind == IR_COMP && comp->reduce == IR_MAP &&
        comp->body->kind == IR_EXPR_CONST)
        return comp->body;
    return ir_read_plain(c->g, adjoint, 0);
}

bool grad_reverse_comp(grad_reverse *c, ir_node *n, ir_node *adjoint)
{
    grad_reads reads = {0};
    grad_adj seed = grad_seed(c->g, n, adjoint_value(c, adjoint));
    bool ok = true;
    if (!seed.value)
        return true;
    grad_body(c->g, c->active, n->comp.body, seed, &reads);
    for (int i = 0; i < reads.count; i++) {
        ir_node *x = reads.data[i].read->node;
        ok = grad_emit(c->g, n, &reads.data[i], grad_name(c->g, x),
                       &c->terms[x->id], c->diags) &&
             ok;
    }
    return ok;
}

/* The derivative of a scatter is the gather: dsource[v] = dy[subs(v)]. */
static void reverse_scatter(grad_reverse *c, ir_node *n, ir_node *adjoint)
{
    for (int i = 0; i < n->piece_count; i++) {
        const ir_piece *p = &n->pieces[i];
        if (!c->active[p->source->id])
            continue;
        grad_term term = {.comp = grad_over_shape(c->g, p->source)};
        term.comp.body = ir_read(c->g, adjoint, p->subs, n->type.rank, NULL);
        vec_push(c->g->arena, &c->terms[p->source->id], term);
    }
}

ir_node *grad_zero_like(ir_graph *g, const ir_node *n)
{
    ir_comp zero = grad_over_shape(g, n);
    zero.body = ir_real(g, 0.0);
    return ir_comprehend(g, grad_name(g, n), &zero, n->at);
}

/* ---------- derivatives of their own ---------- */

static void find_customs(grad_reverse *c)
{
    for (const grad_custom *k = c->g->customs; k; k = k->next)
        for (int i = 0; i < k->result_count; i++)
            c->customs[k->results[i]->id] = k;
    c->g->customs = NULL;
}

/* All results have their adjoints when the first one's turn comes. */
static bool is_first_result(const grad_custom *k, const ir_node *n)
{
    for (int i = 0; i < k->result_count; i++)
        if (k->results[i]->id < n->id)
            return false;
    return true;
}

static bool reverse_custom(grad_reverse *c, const grad_custom *k)
{
    ptl_arena *arena = c->g->arena;
    ir_node **dys = ARENA_ARRAY(arena, ir_node *, k->result_count);
    ir_node **grads = ARENA_ARRAY(arena, ir_node *, k->input_count + 1);
    bool any = false;
    for (int i = 0; i < k->result_count; i++) {
        const ir_node *y = k->results[i];
        dys[i] = c->adjoints[y->id];
        any = any || (dys[i] && c->active[y->id]);
        dys[i] = dys[i] ? dys[i] : grad_zero_like(c->g, y);
    }
    if (!any)
        return true;
    if (!k->make(k, dys, grads))
        return false;
    for (int i = 0; i < k->input_count; i++) {
        const ir_node *x = k->inputs[i];
        PTL_ASSERT(ir_same_shape(&x->type, &grads[i]->type));
        for (int j = 0; j < k->result_count; j++)
            PTL_ASSERT(x->id < k->results[j]->id);
        if (c->active[x->id])
            vec_push(arena, &c->terms[x->id], (grad_term){.node = grads[i]});
    }
    return true;
}

bool grad_reverse_node(grad_reverse *c, ir_node *n)
{
    ir_node *adjoint = add_up(c, n);
    c->adjoints[n->id] = adjoint;
    if (c->customs[n->id])
        return is_first_result(c->customs[n->id], n)
                   ? reverse_custom(c, c->customs[n->id])
                   : true;
    if (n->kind == IR_SCAN && c->active[n->id])
        return grad_reverse_scan(c, n);
    if (!adjoint || !c->active[n->id])
        return true;
    switch (n->kind) {
    case IR_COMP:
        return grad_reverse_comp(c, n, adjoint);
    case IR_SCATTER:
        reverse_scatter(c, n, adjoint);
        return true;
    case IR_SCAN:
    case IR_SCAN_OUT: /* its adjoint waits for the scan's turn */
    case IR_INPUT:
    case IR_LITERAL:
        break;
    }
    return true;
}

grad_reverse grad_reverse_of(ir_graph *g, ptl_diags *diags)
{
    grad_reverse c = {.g = g, .diags = diags, .count = g->nodes.count};
    c.active = ARENA_ARRAY(g->arena, bool, c.count);
    c.terms = ARENA_ARRAY(g->arena, grad_terms, c.count);
    c.adjoints = ARENA_ARRAY(g->arena, ir_node *, c.count);
    c.customs = ARENA_ARRAY(g->arena, const grad_custom *, c.count);
    return c;
}

void grad_custom_add(ir_graph *g, const grad_custom *c)
{
    grad_custom *own = ARENA_NEW(g->arena, grad_custom);
    *own = *c;
    own->next = g->customs;
    g->customs = own;
}

bool grad_build(ir_graph *g, ir_node *loss, ir_node *const *wrt, int wrt_count,
                ir_node **grads, ptl_diags *diags)
{
    grad_reverse c = grad_reverse_of(g, diags);
    PTL_ASSERT(loss->type.kind == IR_REAL && loss->type.rank == 0);
    find_customs(&c);
    mark_active(&c, wrt, wrt_count);
    grad_term one = {.comp = grad_over_shape(g, loss)};
    one.comp.body = ir_real(g, 1.0);
    vec_push(g->arena, &c.terms[loss->id], one);
    bool ok = true;
    for (int id = loss->id; id >= 0; id--)
        ok = grad_reverse_node(&c, g->nodes.data[id]) && ok;
    for (int i = 0; i < wrt_count; i++) {
        ir_node *found = c.adjoints[wrt[i]->id];
        grads[i] = found ? found : grad_zero_like(g, wrt[i]);
    }
    return ok;
}
