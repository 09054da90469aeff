/*
 * typed_visit.c - every part of a typed expression, once.
 */
#include "base/memo.h"
#include "lang/typed.h"

typedef struct visit {
    ptl_memo seen;
    ty_visitor *call;
    void *ctx;
} visit;

static void visit_part(visit *v, const ty_expr *x)
{
    if (!x || !memo_add(&v->seen, x))
        return;
    v->call(v->ctx, x);
    for (int i = 0; i < x->count; i++) {
        if (x->kind == TY_READ || x->kind == TY_INSIDE)
            visit_part(v, x->subs[i].index);
        else if (x->kind == TY_OP)
            visit_part(v, x->args[i]);
    }
    visit_part(v, x->outside);
    visit_part(v, x->filter);
    visit_part(v, x->body);
}

void ty_visit_expr(const ty_expr *x, ty_visitor *call, void *ctx)
{
    visit v = {.call = call, .ctx = ctx};
    visit_part(&v, x);
    memo_fini(&v.seen);
}

void ty_visit_tensor(const ty_tensor *t, ty_visitor *call, void *ctx)
{
    visit v = {.call = call, .ctx = ctx};
    visit_part(&v, t->body);
    for (int i = 0; i < t->piece_count; i++) {
        for (int k = 0; k < t->rank; k++)
            visit_part(&v, t->pieces[i].subs[k].index);
        visit_part(&v, t->pieces[i].body);
    }
    memo_fini(&v.seen);
}

ty_tensor *ty_read_of(const ty_expr *x)
{
    return x->kind == TY_READ || x->kind == TY_INSIDE ? x->tensor : NULL;
}

/* ---------- what is needed ---------- */

typedef struct needs {
    ptl_arena *arena;
    bool *needed;
    VEC(const ty_tensor *) open; /* needed, and not yet looked at */
} needs;

static void need(needs *n, const ty_tensor *t)
{
    if (n->needed[t->id])
        return;
    n->needed[t->id] = true;
    vec_push(n->arena, &n->open, t);
}

static void need_read(void *ctx, const ty_expr *x)
{
    if (ty_read_of(x))
        need(ctx, ty_read_of(x));
}

/* A scan is carried out with all that it carries. */
static void need_carries(needs *n, const ty_scan *scan)
{
    for (int i = 0; scan && i < scan->carry_count; i++) {
        need(n, scan->carries[i].tensor);
        for (int d = 0; d < scan->carries[i].count; d++)
            need(n, scan->carries[i].before[d]);
    }
}

void ty_need_operands(const typed_program *program, ptl_arena *arena,
                      bool *needed)
{
    needs n = {.arena = arena, .needed = needed};
    for (int i = 0; i < program->tensors.count; i++)
        if (needed[i])
            vec_push(arena, &n.open, program->tensors.data[i]);
    while (n.open.count) {
        const ty_tensor *t = n.open.data[--n.open.count];
        ty_visit_tensor(t, need_read, &n);
        need_carries(&n, t->scan);
    }
}
