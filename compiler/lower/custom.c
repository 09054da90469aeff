/*
 * custom.c - functions with a derivative of their own.
 *
 * What the body of `grad` computes from the results' adjoints is lowered when
 * the derivative pass reaches the call: only then are there adjoints to read.
 * Everything else it reads is part of the forward graph.
 */
#include "grad/grad.h"
#include "lower_priv.h"

/* ---------- what a definition reads ---------- */

void lower_visit_expr(lowering *l, const ty_expr *x, visit_read *visit,
                      void *ctx)
{
    switch (x->kind) {
    case TY_READ:
    case TY_INSIDE:
        visit(l, x->tensor, ctx);
        for (int i = 0; i < x->count; i++)
            lower_visit_expr(l, x->subs[i].index, visit, ctx);
        if (x->outside)
            lower_visit_expr(l, x->outside, visit, ctx);
        break;
    case TY_OP:
        for (int i = 0; i < x->count; i++)
            lower_visit_expr(l, x->args[i], visit, ctx);
        break;
    case TY_REDUCE:
        if (x->filter)
            lower_visit_expr(l, x->filter, visit, ctx);
        lower_visit_expr(l, x->body, visit, ctx);
        break;
    default:
        break;
    }
}

void lower_visit_reads(lowering *l, const ty_tensor *t, visit_read *visit,
                       void *ctx)
{
    if (t->body)
        lower_visit_expr(l, t->body, visit, ctx);
    for (int i = 0; i < t->piece_count; i++) {
        for (int k = 0; k < t->rank; k++)
            lower_visit_expr(l, t->pieces[i].subs[k].index, visit, ctx);
        lower_visit_expr(l, t->pieces[i].body, visit, ctx);
    }
}

/* ---------- which tensors wait for adjoints ---------- */

static void meet_late(lowering *l, const ty_tensor *read, void *ctx)
{
    bool *late = ctx;
    *late = *late || l->late[read->id];
}

void lower_mark_late(lowering *l)
{
    for (int i = 0; i < l->program->tensors.count; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        bool late = t->role == TY_ADJOINT;
        lower_visit_reads(l, t, meet_late, &late);
        l->late[i] = late;
    }
}

/* Calls within a `grad` are not differentiated. */
static bool counts(const lowering *l, const typed_custom *c)
{
    for (int i = 0; i < c->result_count; i++)
        if (l->needed[c->results[i]->id] && !l->late[c->results[i]->id])
            return true;
    return false;
}

bool lower_need_customs(lowering *l)
{
    const typed_program *p = l->program;
    bool more = false;
    for (int i = 0; i < p->customs.count; i++) {
        const typed_custom *c = &p->customs.data[i];
        if (!counts(l, c))
            continue;
        for (int k = 0; k < c->result_count; k++) {
            more = more || !l->needed[c->results[k]->id];
            l->needed[c->results[k]->id] = true;
        }
        for (int k = 0; k < c->input_count; k++) {
            more = more || !l->needed[c->grads[k]->id] ||
                   !l->needed[c->inputs[k]->id];
            l->needed[c->grads[k]->id] = l->needed[c->inputs[k]->id] = true;
        }
    }
    return more;
}

/* ---------- lowering it ---------- */

typedef struct waiting {
    lowering *l;
    const typed_custom *typed;
} waiting;

static void lower_now(lowering *l, const ty_tensor *t, void *ctx)
{
    if (l->nodes[t->id] || l->failed)
        return;
    lower_visit_reads(l, t, lower_now, ctx);
    if (!l->failed)
        l->nodes[t->id] = lower_definition(l, NULL, t);
}

static bool make(const grad_custom *c, ir_node *const *dys, ir_node **grads)
{
    const waiting *w = c->owner;
    const typed_custom *t = w->typed;
    for (int i = 0; i < t->result_count; i++)
        w->l->nodes[t->dys[i]->id] = dys[i];
    for (int i = 0; i < t->input_count; i++) {
        lower_now(w->l, t->grads[i], NULL);
        grads[i] = w->l->nodes[t->grads[i]->id];
    }
    return !w->l->failed;
}

static ir_node **nodes_of(lowering *l, ty_tensor *const *tensors, int count)
{
    ir_node **nodes = ARENA_ARRAY(l->g->arena, ir_node *, count + 1);
    for (int i = 0; i < count; i++)
        nodes[i] = l->nodes[tensors[i]->id];
    return nodes;
}

void lower_add_customs(lowering *l)
{
    for (int i = 0; i < l->program->customs.count; i++) {
        const typed_custom *t = &l->program->customs.data[i];
        waiting *w = ARENA_NEW(l->g->arena, waiting);
        grad_custom c = {.result_count = t->result_count,
                         .input_count = t->input_count,
                         .make = make,
                         .owner = w};
        if (!counts(l, t))
            continue;
        *w = (waiting){l, t};
        c.results = nodes_of(l, t->results, t->result_count);
        c.inputs = nodes_of(l, t->inputs, t->input_count);
        grad_custom_add(l->g, &c);
    }
}
