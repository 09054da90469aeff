/*
 * custom.c - functions with a derivative of their own.
 *
 * What the body of `grad` computes from the results' adjoints is lowered when
 * the derivative pass reaches the call: only then are there adjoints to read.
 * Everything else it reads is part of the forward graph.
 */
#include "grad/grad.h"
#include "lower_priv.h"

/* ---------- which tensors wait for adjoints ---------- */

typedef struct late_check {
    const lowering *l;
    bool late;
} late_check;

static void meet_late(void *ctx, const ty_expr *x)
{
    late_check *c = ctx;
    c->late = c->late || (ty_read_of(x) && c->l->late[ty_read_of(x)->id]);
}

void lower_mark_late(lowering *l)
{
    for (int i = 0; i < l->program->tensors.count; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        late_check c = {l, t->role == TY_ADJOINT};
        ty_visit_tensor(t, meet_late, &c);
        l->late[i] = c.late;
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

static void lower_now(lowering *l, const ty_tensor *t);

static void lower_read_now(void *ctx, const ty_expr *x)
{
    if (ty_read_of(x))
        lower_now(ctx, ty_read_of(x));
}

static void lower_now(lowering *l, const ty_tensor *t)
{
    if (l->nodes[t->id] || l->failed)
        return;
    ty_visit_tensor(t, lower_read_now, l);
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
        lower_now(w->l, t->grads[i]);
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
