/*
 * elab_update.c - what a statement adds to: accumulation, and the state that a
 * step leaves behind.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- H[b[i]] += ... ---------- */

/* Index names of an accumulation are those its left side mentions and nothing
 * else declares. */
static void implicit_indices(elab *e, scope *in, const ast_expr *x,
                             ty_var **vars, int *count);

static void implicit_pack(elab *e, scope *in, const ast_sub *sub, ty_var **vars,
                          int *count)
{
    const char *key = pack_key(e, sub->name);
    binding *sizes = scope_find(in, key);
    value *v;
    pack *p;
    if (!sizes || sizes->value->kind != V_PACK || sizes->value->pack->has_vars)
        return;
    p = ARENA_NEW(e->arena, pack);
    *p = *sizes->value->pack;
    p->has_vars = true;
    pack_vars(e, p, sub->name, sub->at);
    for (int j = 0; j < p->rank && *count < 16; j++)
        vars[(*count)++] = p->vars[j];
    v = value_new(e, V_PACK, sub->at);
    v->pack = p;
    scope_bind(e, in, key, v, sub->at);
}

static void implicit_sub(elab *e, scope *in, const ast_sub *sub, ty_var **vars,
                         int *count)
{
    if (sub->is_pack)
        implicit_pack(e, in, sub, vars, count);
    else
        implicit_indices(e, in, sub->expr, vars, count);
}

static bool nothing_declares(elab *e, scope *in, const char *name)
{
    return !scope_find(in, name) && !in_lost(e, name) &&
           !module_decl(e->frame->module, name) &&
           !lang_find_import(e->frame->module, name) && !is_builtin(name) &&
           strcmp(name, "flat") && strcmp(name, "step") &&
           strcmp(name, "training");
}

static void implicit_indices(elab *e, scope *in, const ast_expr *x,
                             ty_var **vars, int *count)
{
    if (!x)
        return;
    if (x->kind == EXPR_NAME) {
        value *v;
        if (!nothing_declares(e, in, x->name) || *count >= 16)
            return;
        v = value_new(e, V_VAR, x->at);
        v->var = vars[(*count)++] = ty_var_new(e, x->name, -1, x->at);
        scope_bind(e, in, x->name, v, x->at);
        return;
    }
    if (x->kind == EXPR_REDUCE)
        return;
    if (x->kind != EXPR_CALL)
        implicit_indices(e, in, x->a, vars, count);
    implicit_indices(e, in, x->b, vars, count);
    implicit_indices(e, in, x->c, vars, count);
    for (int i = 0; x->kind == EXPR_CALL && i < x->count; i++)
        implicit_indices(e, in, x->args[i].expr, vars, count);
    for (int i = 0; x->kind == EXPR_INDEX && i < x->count; i++)
        implicit_sub(e, in, &x->subs[i], vars, count);
}

/* Zeros to begin with; in a scan, at each step anew. */
static ty_tensor *accumulator(elab *e, const ast_stmt *st,
                              const ty_tensor *type)
{
    int64_t dims[PTL_MAX_RANK + 1] = {0};
    int own = e->scan != NULL, rank = type->rank + own;
    ty_tensor *t;
    if (own)
        dims[0] = e->scan->var->hi;
    memcpy(dims + own, type->dims, sizeof *dims * (size_t)type->rank);
    if (!dims_fit(e, dims, rank, st->at))
        return NULL;
    t = tensor_new(e, TY_VALUE, tensor_path(e, st->name), type->kind, rank,
                   dims, st->at);
    if (own) {
        t->scan = e->scan;
        t->hidden = e->scan->var;
    }
    return t;
}

static ty_tensor *accumulated(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_own(s, st->name);
    ty_tensor *t;
    if (b && b->declared && b->type) {
        if (b->type->kind == TY_BOOL || b->type->bound) {
            elab_error(e, DIAG_TYPE_MISMATCH, st->name_at,
                       "only real and int accumulate");
            return NULL;
        }
        t = accumulator(e, st, b->type);
        if (!t)
            return NULL;
        b = scope_bind(e, s, st->name, value_tensor(e, t, st->at), st->name_at);
        b->accumulates = true;
        return t;
    }
    if (b && b->value && b->accumulates && b->value->kind == V_TENSOR) {
        if (!b->value->tensor->read)
            return b->value->tensor;
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` was read before; all its accumulations come first",
                   st->name);
        return NULL;
    }
    if (b && b->value && b->value->kind == V_ERROR)
        return NULL;
    if (in_lost(e, st->name))
        elab_reported(e);
    else
        elab_error(e, DIAG_MISSING, st->name_at,
                   "`%s` accumulates, so its shape must be declared first: "
                   "`%s: real[...];`",
                   st->name, st->name);
    return NULL;
}

static void add_piece(elab *e, ty_tensor *t, ty_piece piece)
{
    ty_piece *pieces = ARENA_ARRAY(e->arena, ty_piece, t->piece_count + 1);
    for (int i = 0; i < t->piece_count; i++)
        pieces[i] = t->pieces[i];
    pieces[t->piece_count++] = piece;
    t->pieces = pieces;
    /* What the new piece reads may have been defined after the first one. */
    tensor_move_last(e, t);
}

static bool all_ranged(elab *e, ty_var **vars, int count)
{
    for (int i = 0; i < count; i++) {
        if (vars[i]->known)
            continue;
        elab_error(e, DIAG_RANGE_UNKNOWN, vars[i]->at,
                   "nothing says over what %s ranges", vars[i]->name);
        return false;
    }
    return true;
}

void exec_accumulate(elab *e, scope *s, const ast_stmt *st)
{
    scope *in = scope_new(e, s, s->frame);
    ty_var **vars = ARENA_ARRAY(e->arena, ty_var *, 17);
    int count = 0, mark = e->checks.count;
    ty_tensor *t = accumulated(e, s, st);
    ty_sub *subs;
    ty_expr *x, *target;
    if (!t) {
        scope_bind(e, s, st->name, value_error(e), st->name_at);
        return;
    }
    if (e->frame->record) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a field of a data block is defined, not accumulated");
        return;
    }
    if (t->hidden)
        vars[count++] = t->hidden;
    for (int i = 0; i < st->sub_count; i++)
        implicit_sub(e, in, &st->subs[i], vars, &count);
    x = value_scalar_expr(e, eval(e, in, st->value), st->value->at);
    subs = x ? eval_subs(e, in, st->subs, st->sub_count, t, t->hidden, true,
                         st->name_at)
             : NULL;
    if (!subs || !all_ranged(e, vars, count)) {
        e->checks.count = mark;
        return;
    }
    target = tx_read(e, t, subs, NULL, st->name_at);
    for (int axis = 0; axis < t->rank; axis++)
        check_add(e, target, axis, st->name_at);
    x = as_declared(e, x, &(ty_tensor){.kind = t->kind}, st->value->at);
    if (!checks_run(e, mark) || !x)
        return;
    for (int axis = 0; axis < t->rank; axis++)
        if (subs[axis].index->kind == TY_VAR && subs[axis].index->var->batch)
            t->batch_axis = axis;
    add_piece(e, t,
              (ty_piece){.vars = vars,
                         .var_count = count,
                         .subs = subs,
                         .body = tx_seal(e, x, vars, count),
                         .at = st->at});
}

/* ---------- state <- ---------- */

static typed_state *state_of(elab *e, const ty_tensor *t)
{
    for (int i = 0; i < e->out->states.count; i++)
        if (e->out->states.data[i].tensor == t)
            return &e->out->states.data[i];
    return NULL;
}

static value *updated_value(elab *e, scope *s, const ast_stmt *st,
                            const ty_tensor *target)
{
    ast_stmt define = *st;
    scope *aside = scope_new(e, s, s->frame);
    binding *b;
    define.kind = STMT_DEFINE;
    define.name = arena_printf(e->arena, "%s.next", st->name);
    b = scope_bind(e, aside, define.name, NULL, st->name_at);
    b->declared = true;
    b->type = ARENA_NEW(e->arena, ty_tensor);
    *b->type = *target;
    exec_define(e, aside, &define);
    return scope_own(aside, define.name)->value;
}

/* Effective only in training; in a test there are no steps. */
void exec_update(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_find(s, st->name);
    typed_state *state;
    ty_tensor *next;
    value *v;
    if (!b || !b->value || b->value->kind != V_TENSOR) {
        elab_error(e, DIAG_MISPLACED, st->name_at,
                   "`<-` updates a state of a layer or a slot of an "
                   "optimizer, and `%s` is neither",
                   st->name);
        return;
    }
    if (e->scan) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "`%s <-` stands in a scan's step, and a state is updated "
                   "once in a training step; update it after the scan",
                   st->name);
        return;
    }
    if (e->test || e->training->kind != V_BOOL || !e->training->integer)
        return;
    state = state_of(e, b->value->tensor);
    if (!state) {
        elab_error(e, DIAG_MISPLACED, st->name_at,
                   "`<-` updates a state, and `%s` is none", st->name);
        return;
    }
    if (state->next) {
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "the state `%s` is updated twice in one step",
                   b->value->tensor->name);
        return;
    }
    v = updated_value(e, s, st, b->value->tensor);
    if (v->kind == V_ERROR)
        return;
    next = value_materialise(e, v, st->name, st->at);
    state = state_of(e, b->value->tensor);
    if (next && state)
        state->next = next;
}
