/*
 * elab_grad.c - a function with a derivative of its own:
 *
 *     fn f(x: real[..i]) -> y: real[..i] { ... } grad(dy) { dx[..i] = ...; }
 *
 * Each call becomes a typed_custom: which tensors went in and came out, and
 * what the body of `grad` makes of the results' adjoints. The derivative is
 * taken from there; nothing passes through the function's own body.
 */
#include "base/memo.h"
#include "elab_priv.h"
#include <string.h>

static bool is_real_tensor(const value *v)
{
    return v->kind == V_TENSOR && v->tensor->kind == TY_REAL;
}

/* ---------- inputs ---------- */

/* A part of a comprehension around the call has no tensor of its own. */
static bool settle_input(elab *e, scope *s, const ast_decl *fn,
                         const ast_param *p, src_range at)
{
    binding *b = scope_own(s, p->name);
    ty_tensor *t;
    if (!b || b->value->kind != V_EXPR)
        return true;
    if (tx_open(e, b->value->expr, b->value->vars, b->value->rank)) {
        elab_error(e, DIAG_MISPLACED, at,
                   "`%s` has a gradient of its own, so it takes whole tensors "
                   "and is not called for one element at a time: write y = "
                   "%s(x); without indices",
                   fn->name, fn->name);
        return false;
    }
    t = value_materialise(e, b->value, p->name, at);
    if (!t)
        return false;
    b->value = value_tensor(e, t, b->value->at);
    return true;
}

scope *custom_begin(elab *e, scope *s, const ast_decl *fn, src_range at)
{
    scope *inputs = scope_new(e, s->up, s->frame);
    if (e->scan) {
        elab_error(e, DIAG_CUSTOM_GRAD, at,
                   "`%s` has a gradient of its own and cannot be called in "
                   "a step of a scan; write its formula there, or call it "
                   "before or after the scan",
                   fn->name);
        elab_note(e, fn->name_at, "it is defined here");
        return NULL;
    }
    for (int i = 0; i < fn->param_count; i++)
        if (!settle_input(e, s, fn, &fn->params[i], at))
            return NULL;
    for (int i = 0; i < map_count(s->names); i++) {
        const binding *b = map_value_at(s->names, i);
        *scope_bind(e, inputs, map_key_at(s->names, i), b->value, b->at) = *b;
    }
    return inputs;
}

/* ---------- results ---------- */

/* A tensor that only this call gives: what reads it asks for this derivative,
 * also where the body returned an input or what others read too. */
static value *own_copy(elab *e, const ast_param *r, value *v)
{
    ty_var *vars[PTL_MAX_RANK];
    ty_tensor *t = value_materialise(e, value_settle(e, v), r->name, v->at);
    if (!t || t->kind != TY_REAL)
        return t ? value_tensor(e, t, v->at) : value_error(e);
    for (int i = 0; i < t->rank; i++)
        vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i), t->dims[i],
                             t->at);
    t = tensor_define(e, r->name, vars, t->rank,
                      tx_read_vars(e, t, vars, t->at), t->at);
    return t ? value_tensor(e, t, v->at) : value_error(e);
}

static value **result_items(value **result)
{
    return (*result)->kind == V_TUPLE ? (*result)->items : result;
}

static bool copy_results(elab *e, const ast_decl *fn, value **result)
{
    value **items = result_items(result);
    for (int i = 0; i < fn->result_count; i++) {
        items[i] = own_copy(e, &fn->results[i], items[i]);
        if (items[i]->kind == V_ERROR)
            return false;
    }
    return true;
}

/* ---------- what the body may read ---------- */

typedef struct capture {
    const typed_custom *c;
    ptl_memo seen;
    VEC(const ty_tensor *) next;
    const ty_tensor *found;
    elab *e;
    int first; /* tensors from here on were made by the call */
} capture;

static void meet(capture *c, const ty_tensor *t)
{
    for (int i = 0; i < c->c->input_count; i++)
        if (c->c->inputs[i] == t)
            return;
    if (!memo_add(&c->seen, t))
        return;
    if (t->id >= c->first)
        vec_push(c->e->arena, &c->next, t);
    else if (t->kind == TY_REAL &&
             (t->role == TY_VALUE || t->role == TY_PARAM))
        c->found = t;
}

static void meet_read(void *ctx, const ty_expr *x)
{
    if (ty_read_of(x))
        meet(ctx, ty_read_of(x));
}

/* What is no input would get no gradient, and nobody would be told. */
static bool captures_nothing(elab *e, const ast_decl *fn,
                             const typed_custom *custom, int first)
{
    capture c = {.c = custom, .e = e, .first = first};
    for (int i = 0; i < custom->result_count; i++)
        meet(&c, custom->results[i]);
    while (c.next.count && !c.found)
        ty_visit_tensor(c.next.data[--c.next.count], meet_read, &c);
    memo_fini(&c.seen);
    if (!c.found)
        return true;
    elab_error(e, DIAG_CUSTOM_GRAD, fn->name_at,
               "`%s` has a gradient of its own and reads `%s`, which is none "
               "of its inputs and would get no gradient: make it an input",
               fn->name, c.found->name);
    return false;
}

/* ---------- the body of grad ---------- */

static int count_real(const ast_decl *fn, value **items)
{
    int count = 0;
    for (int i = 0; i < fn->result_count; i++)
        count += is_real_tensor(items[i]);
    return count;
}

static bool bind_new(elab *e, scope *s, const char *name, value *v,
                     src_range at)
{
    if (scope_own(s, name)) {
        elab_error(e, DIAG_REDEFINED, at,
                   "`%s` has the name of an input, a size or a result", name);
        return false;
    }
    scope_bind(e, s, name, v, at)->reserved = true;
    return true;
}

/* Results by their names, and what they receive. */
static bool bind_results(elab *e, scope *s, const ast_decl *fn, value **items,
                         typed_custom *c)
{
    int count = count_real(fn, items);
    bool good = true;
    if (count != fn->grad_name_count) {
        elab_error(e, DIAG_CUSTOM_GRAD, fn->name_at,
                   "`%s` gives %d real result%s, so `grad` names %d gradient%s "
                   "and not %d",
                   fn->name, count, count == 1 ? "" : "s", count,
                   count == 1 ? "" : "s", fn->grad_name_count);
        return false;
    }
    c->results = ARENA_ARRAY(e->arena, ty_tensor *, count + 1);
    c->dys = ARENA_ARRAY(e->arena, ty_tensor *, count + 1);
    for (int i = 0; i < fn->result_count; i++) {
        const ast_name *name = &fn->grad_names[c->result_count];
        ty_tensor *t;
        if (fn->results[i].type)
            type_bind(e, s, fn->results[i].type, items[i], "a result",
                      items[i]->at);
        good &= bind_new(e, s, fn->results[i].name, items[i],
                         fn->results[i].name_at);
        if (!is_real_tensor(items[i]))
            continue;
        t = items[i]->tensor;
        c->results[c->result_count] = t;
        c->dys[c->result_count] =
            tensor_new(e, TY_ADJOINT, tensor_path(e, name->text), TY_REAL,
                       t->rank, t->dims, name->at);
        good &= bind_new(e, s, name->text,
                         value_tensor(e, c->dys[c->result_count++], name->at),
                         name->at);
    }
    return good;
}

/* `dx` is declared for every real input x that is not a plain number. */
static bool declare_grads(elab *e, scope *s, const ast_decl *fn,
                          typed_custom *c)
{
    c->inputs = ARENA_ARRAY(e->arena, ty_tensor *, fn->param_count + 1);
    c->grads = ARENA_ARRAY(e->arena, ty_tensor *, fn->param_count + 1);
    for (int i = 0; i < fn->param_count; i++) {
        const ast_param *p = &fn->params[i];
        const char *name = arena_printf(e->arena, "d%s", p->name);
        binding *input = scope_own(s, p->name), *b;
        if (!is_real_tensor(input->value))
            continue;
        if (!bind_new(e, s, name, NULL, p->name_at))
            return false;
        b = scope_own(s, name);
        b->declared = true;
        b->reserved = false;
        b->type = input->value->tensor;
        c->inputs[c->input_count++] = input->value->tensor;
    }
    return true;
}

static bool take_grads(elab *e, scope *s, const ast_decl *fn, typed_custom *c)
{
    int count = 0;
    for (int i = 0; i < fn->param_count; i++) {
        const ast_param *p = &fn->params[i];
        const char *name = arena_printf(e->arena, "d%s", p->name);
        binding *b = scope_own(s, name);
        ty_tensor *t;
        if (!is_real_tensor(scope_own(s, p->name)->value))
            continue;
        if (!b->value || b->declared) {
            elab_error(e, DIAG_CUSTOM_GRAD, p->name_at,
                       "`grad` of `%s` does not give `%s`, the gradient of "
                       "its input `%s`",
                       fn->name, name, p->name);
            return false;
        }
        t = value_materialise(e, b->value, name, b->at);
        if (!t)
            return false;
        c->grads[count++] = t;
    }
    return true;
}

static bool run_grad(elab *e, scope *s, const ast_decl *fn, typed_custom *c)
{
    if (!run_body(e, s, &fn->grad_body))
        return false;
    if (e->frame->returned) {
        elab_error(e, DIAG_MISPLACED, fn->name_at,
                   "`grad` of `%s` returns something; it defines `d` and the "
                   "name of each real input instead: d%s = ...;",
                   fn->name, fn->param_count ? fn->params[0].name : "x");
        return false;
    }
    return take_grads(e, s, fn, c);
}

value *custom_finish(elab *e, scope *inputs, const ast_decl *fn, value *result,
                     int first, src_range at)
{
    typed_custom c = {.at = at, .name = fn->name};
    e->frame->returned = false;
    e->frame->result = NULL;
    if (!copy_results(e, fn, &result) ||
        !bind_results(e, inputs, fn, result_items(&result), &c) ||
        !declare_grads(e, inputs, fn, &c) ||
        !captures_nothing(e, fn, &c, first) || !run_grad(e, inputs, fn, &c))
        return value_error(e);
    vec_push(e->arena, &e->out->customs, c);
    return result;
}
