/*
 * elab_define.c - what a statement defines: by index, or a whole value.
 */
#include "elab_priv.h"
#include <string.h>

/* A second definition is allowed only inside a static for or if. */
bool may_define(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_own(s, st->name);
    if (in_scan(e, s))
        return scan_may_define(e, s, st);
    if (!b || b->declared)
        return true;
    if (b->value->kind == V_ERROR) { /* its type was wrong */
        elab_reported(e);
        return false;
    }
    if (e->frame->static_depth > 0 && !b->reserved)
        return true;
    elab_error(e, DIAG_REDEFINED, st->name_at,
               b->reserved ? "`%s` is an input or a size and cannot be "
                             "defined again"
                           : "`%s` is defined twice; a name is rebound only "
                             "inside a static for or if",
               st->name);
    elab_note(e, b->at, "it was defined here");
    return false;
}

static void bind_defined(elab *e, scope *s, const ast_stmt *st, value *v)
{
    scope_bind(e, s, st->name, v, st->name_at);
}

/* The declared type of what a statement defines, or NULL. */
static bool wanted_type(elab *e, scope *s, const ast_stmt *st, ty_tensor **out)
{
    binding *b = scope_own(s, st->name);
    *out = NULL;
    if (st->type) {
        ty_tensor *t = ARENA_NEW(e->arena, ty_tensor);
        if (!type_resolve(e, s, st->type, t, false))
            return false;
        *out = t;
    } else if (in_scan(e, s)) {
        const ty_tensor *t = scan_wanted(s, st);
        if (t) {
            *out = ARENA_NEW(e->arena, ty_tensor);
            **out = *t;
        }
    } else if (b && b->declared) {
        *out = b->type;
    }
    return true;
}

static bool fits_bound(elab *e, ty_expr *x, const ty_tensor *wanted,
                       src_range at)
{
    int64_t bound;
    if (!wanted->bound)
        return true;
    bound = int_bound(e, x);
    if (bound && !size_exceeds(e, bound, wanted->bound))
        return true;
    say_not_idx(e, "this", bound, wanted->bound, at);
    return false;
}

/* Brings a body to its declared kind. */
ty_expr *as_declared(elab *e, ty_expr *x, const ty_tensor *wanted, src_range at)
{
    if (!wanted || x->type == wanted->kind)
        return wanted && wanted->kind == TY_INT && !fits_bound(e, x, wanted, at)
                   ? NULL
                   : x;
    if (wanted->kind == TY_REAL && x->type == TY_INT)
        return tx_to(e, TY_REAL, x);
    elab_error(e, DIAG_TYPE_MISMATCH, at, "%s is declared and this is %s",
               ty_kind_text(wanted->kind), ty_kind_text(x->type));
    return NULL;
}

/* ---------- y[i, j] = ... ---------- */

typedef struct left_side {
    scope *scope;
    pack *packs[PTL_MAX_RANK];
    ty_var *vars[PTL_MAX_RANK];
    bool is_pack[PTL_MAX_RANK];
    int count;
} left_side;

static bool left_pack(elab *e, left_side *l, const ast_sub *sub, int i)
{
    const char *key = pack_key(e, sub->name);
    binding *outer = scope_find(l->scope, key);
    value *v = value_new(e, V_PACK, sub->at);
    pack *p = ARENA_NEW(e->arena, pack);
    p->rank = -1;
    p->at = sub->at;
    p->has_vars = true;
    if (outer && outer->value->kind == V_PACK &&
        outer->value->pack->rank >= 0) {
        *p = *outer->value->pack;
        p->has_vars = true;
        pack_vars(e, p, sub->name, sub->at);
    }
    if (scope_own(l->scope, key)) {
        elab_error(e, DIAG_LEFT_SIDE, sub->at, "`..%s` stands here twice",
                   sub->name);
        return false;
    }
    v->pack = p;
    scope_bind(e, l->scope, key, v, sub->at);
    l->packs[i] = p;
    l->is_pack[i] = true;
    return true;
}

static bool left_index(elab *e, left_side *l, const ast_sub *sub, int i)
{
    value *v;
    if (sub->expr->kind != EXPR_NAME) {
        elab_error(e, DIAG_LEFT_SIDE, sub->at,
                   "the left side holds plain index names; move this to the "
                   "right, or accumulate with `+=`");
        return false;
    }
    if (scope_own(l->scope, sub->expr->name)) {
        elab_error(e, DIAG_LEFT_SIDE, sub->at, "%s stands here twice",
                   sub->expr->name);
        return false;
    }
    v = value_new(e, V_VAR, sub->at);
    v->var = scan_index(e, l->scope, sub->expr->name);
    if (!v->var)
        v->var = ty_var_new(e, sub->expr->name, -1, sub->at);
    l->vars[i] = v->var;
    scope_bind(e, l->scope, sub->expr->name, v, sub->at);
    return true;
}

static bool open_left(elab *e, scope *s, const ast_stmt *st, left_side *l)
{
    l->scope = scope_new(e, s, s->frame);
    if (st->sub_count > PTL_MAX_RANK) {
        elab_error(e, DIAG_INTERNAL_LIMIT, st->name_at,
                   "a tensor has at most %d axes", PTL_MAX_RANK);
        return false;
    }
    for (int i = 0; i < st->sub_count; i++) {
        if (!(st->subs[i].is_pack ? left_pack(e, l, &st->subs[i], i)
                                  : left_index(e, l, &st->subs[i], i)))
            return false;
        l->count++;
    }
    return true;
}

static void declare_range(ty_var *v, const ty_tensor *wanted, int axis)
{
    v->hi = wanted->dims[axis];
    v->known = true;
    v->from = wanted->at;
    v->batch |= wanted->batch_axis == axis;
}

static bool declare_pack(elab *e, pack *p, const ty_tensor *wanted, int axis,
                         int left, const ast_sub *sub)
{
    if (p->rank < 0) {
        p->rank = left;
        p->rows = wanted->batch_axis < axis ? 0 : wanted->batch_axis - axis + 1;
        for (int j = 0; j < left; j++)
            p->dims[j] = wanted->dims[axis + j];
        pack_vars(e, p, sub->name, sub->at);
        return true;
    }
    if (p->rank == left && dims_agree(e, p->dims, wanted->dims + axis, left))
        return true;
    if (p->rank == left)
        dims_witness(e, p->dims, wanted->dims + axis, left);
    elab_error(e, DIAG_SHAPE_MISMATCH, sub->at,
               "`..%s` stands for %s, but the declared shape has %s here",
               sub->name, dims_text(e, p->dims, p->rank),
               dims_text(e, wanted->dims + axis, left));
    return false;
}

/* Ranges from the declared shape. */
static bool declare_left(elab *e, const ast_stmt *st, left_side *l,
                         const ty_tensor *wanted)
{
    int plain = 0, packs = 0, axis = 0;
    for (int i = 0; i < l->count; i++)
        l->is_pack[i] ? packs++ : plain++;
    if (packs > 1 || (packs ? wanted->rank < plain : wanted->rank != plain)) {
        elab_error(e, DIAG_RANK_MISMATCH, st->name_at,
                   "`%s` is declared with %d axes and defined with %d "
                   "indices",
                   st->name, wanted->rank, plain);
        return false;
    }
    for (int i = 0; i < l->count; i++) {
        if (e->scan && !l->is_pack[i] && l->vars[i] == e->scan->var) {
            if (!scan_declares(e, wanted, axis++, st->name, st->name_at))
                return false;
            continue;
        }
        if (!l->is_pack[i]) {
            declare_range(l->vars[i], wanted, axis++);
            continue;
        }
        if (!declare_pack(e, l->packs[i], wanted, axis, wanted->rank - plain,
                          &st->subs[i]))
            return false;
        axis += wanted->rank - plain;
    }
    return true;
}

/* The indices of the left side in order, all with a range; -1: an error. */
static int close_left(elab *e, const ast_stmt *st, left_side *l, ty_var **vars)
{
    int rank = 0;
    for (int i = 0; i < l->count; i++) {
        const pack *p = l->packs[i];
        int n = l->is_pack[i] ? p->rank : 1;
        if (n < 0 || (!l->is_pack[i] && !l->vars[i]->known)) {
            int own = (int)strcspn(st->name, "."); /* of a scan's `h.before` */
            elab_error(e, DIAG_RANGE_UNKNOWN, st->subs[i].at,
                       "nothing says over what this index of `%.*s` ranges; "
                       "declare the shape, as in `%.*s: real[...]`",
                       own, st->name, own, st->name);
            return -1;
        }
        if (rank + n > PTL_MAX_RANK) {
            elab_error(e, DIAG_INTERNAL_LIMIT, st->name_at,
                       "a tensor has at most %d axes", PTL_MAX_RANK);
            return -1;
        }
        for (int j = 0; j < n; j++)
            vars[rank++] = l->is_pack[i] ? p->vars[j] : l->vars[i];
    }
    return rank;
}

/* In a data block the record's index comes first. A single number that depends
 * on an index of the caller's has no tensor. */
static value *define_tensor(elab *e, const ast_stmt *st, ty_var **vars,
                            int rank, ty_expr *x)
{
    ty_var *all[PTL_MAX_RANK + 1];
    ty_var *record = e->frame->record;
    ty_tensor *t;
    value *v;
    if (!record) {
        if (rank == 0 && tx_open(e, x, vars, 0))
            return value_scalar(e, x, st->at);
        t = tensor_define(e, st->name, vars, rank, x, st->at);
        return t ? value_tensor(e, t, st->at) : value_error(e);
    }
    if (rank + 1 > PTL_MAX_RANK)
        return elab_error(e, DIAG_INTERNAL_LIMIT, st->name_at,
                          "a field has at most %d axes", PTL_MAX_RANK - 1);
    all[0] = record;
    for (int i = 0; i < rank; i++)
        all[i + 1] = vars[i];
    t = tensor_define(e, st->name, all, rank + 1, x, st->at);
    if (!t)
        return value_error(e);
    v = value_tensor(e, t, st->at);
    v->var = record;
    v->rank = rank;
    return v;
}

static value *define_indexed(elab *e, scope *s, const ast_stmt *st)
{
    left_side l = {0};
    ty_var *vars[PTL_MAX_RANK];
    ty_tensor *wanted;
    ty_expr *x;
    value *v;
    binding *b;
    int mark = e->checks.count, before = e->errors, rank;
    if (!wanted_type(e, s, st, &wanted) || !open_left(e, s, st, &l) ||
        (wanted && !declare_left(e, st, &l, wanted)))
        return value_error(e);
    x = value_scalar_expr(e, eval(e, l.scope, st->value), st->value->at);
    b = scope_own(s, st->name);
    if (x && b && b->carried &&
        !scan_kind_fits(e, b->value->tensor, x, st->value->at))
        x = NULL;
    if (x)
        x = as_declared(e, x, wanted, st->value->at);
    rank = x ? close_left(e, st, &l, vars) : -1;
    if (!x || rank < 0 || e->errors != before) {
        e->checks.count = mark;
        return value_error(e);
    }
    if (!checks_run(e, mark))
        return value_error(e);
    v = b && b->carried ? scan_define_carried(e, b->value->tensor, vars, rank,
                                              x, st->name_at)
                        : define_tensor(e, st, vars, rank, x);
    if (v->kind == V_TENSOR && wanted && wanted->bound)
        v->tensor->bound = wanted->bound;
    return v;
}

/* ---------- y = ... ---------- */

bool is_rank_zero_leaf(const ty_expr *x)
{
    return x->kind == TY_CONST || (x->kind == TY_READ && x->count == 0);
}

static value *name_expr(elab *e, const ast_stmt *st, value *v)
{
    ty_tensor *t;
    if (e->frame->record) {
        ty_var **vars = v->vars;
        return define_tensor(e, st, vars, v->rank, v->expr);
    }
    if (tx_open(e, v->expr, v->vars, v->rank) ||
        (v->rank == 0 && is_rank_zero_leaf(v->expr)))
        return v;
    t = value_materialise(e, v, st->name, st->at);
    return t ? value_tensor(e, t, st->at) : value_error(e);
}

/* What a body made takes the name its caller gives. */
void rename_borrowed(elab *e, const char *name, ty_tensor *t)
{
    if (!t->borrowed)
        return;
    t->borrowed = false;
    t->name = tensor_path(e, name);
}

static bool has_declared_shape(elab *e, scope *s, const ast_stmt *st,
                               const value *v, const ty_tensor *t)
{
    const binding *b = scope_own(s, st->name);
    const ast_type *written = st->type ? st->type : b ? b->written : NULL;
    int64_t dims[PTL_MAX_RANK];
    value_dims(v, dims);
    if (value_rank(v) == t->rank && dims_agree(e, dims, t->dims, t->rank))
        return true;
    if (value_rank(v) == t->rank)
        dims_witness(e, dims, t->dims, t->rank);
    elab_error(e, DIAG_SHAPE_MISMATCH, st->value->at,
               "`%s` is declared with shape %s and this is %s", st->name,
               shape_text(e, written, t), value_text(e, v));
    note_shape(e, s, written);
    elab_note(e, t->at, "the declared type");
    return false;
}

/* In a data block: a value of every record, such as a whole raw field. */
static value *declared_field(elab *e, scope *s, const ast_stmt *st, value *v,
                             const ty_tensor *wanted)
{
    ty_var *vars[PTL_MAX_RANK];
    ty_expr *x;
    v = value_settle(e, v);
    if (!value_is_number(v) || !has_declared_shape(e, s, st, v, wanted))
        return value_error(e);
    for (int i = 0; i < wanted->rank; i++)
        vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i),
                             wanted->dims[i], st->at);
    x = as_declared(e, value_at(e, v, vars, st->value->at), wanted,
                    st->value->at);
    return x ? define_tensor(e, st, vars, wanted->rank, x) : value_error(e);
}

static value *of_declared_type(elab *e, scope *s, const ast_stmt *st, value *v,
                               const ty_tensor *wanted)
{
    binding *b = scope_own(s, st->name);
    const char *what = arena_printf(e->arena, "`%s`", st->name);
    const ty_tensor *t = b && b->declared ? b->type : NULL;
    if (e->frame->record && wanted && value_is_number(v) && value_rank(v) > 0)
        return declared_field(e, s, st, v, wanted);
    if (st->type) {
        v = type_bind(e, s, st->type, v, what, st->value->at);
        if (v->kind != V_ERROR &&
            !type_finish(e, s, st->type, v, what, st->value->at))
            return value_error(e);
        return v;
    }
    if (!t || !value_is_number(v))
        return v;
    v = value_settle(e, v);
    if (v->kind == V_ERROR || has_declared_shape(e, s, st, v, t))
        return v;
    return value_error(e);
}

static value *define_whole(elab *e, scope *s, const ast_stmt *st)
{
    ty_tensor *wanted;
    value *v;
    int mark = e->checks.count, before = e->errors;
    bool text =
        st->type && !st->type->has_dims &&
        (!strcmp(st->type->name, "path") || !strcmp(st->type->name, "text") ||
         !strcmp(st->type->name, "string"));
    if (text)
        wanted = NULL;
    else if (!wanted_type(e, s, st, &wanted))
        return value_error(e);
    v = eval_wanted(e, s, st->value, wanted);
    if (e->errors != before) {
        e->checks.count = mark;
        return value_error(e);
    }
    if (v->kind == V_LIST && !st->type)
        v = value_settle(e, v);
    if (v->kind != V_ERROR)
        v = of_declared_type(e, s, st, v, wanted);
    if (v->kind == V_EXPR) {
        bool open = !e->frame->record && tx_open(e, v->expr, v->vars, v->rank);
        if (!open && !checks_run(e, mark))
            return value_error(e);
        v = name_expr(e, st, v);
    }
    if (v->kind == V_TENSOR)
        rename_borrowed(e, st->name, v->tensor);
    return v;
}

/* In a test these names set what the tested body sees. */
static bool define_given(elab *e, scope *s, const ast_stmt *st)
{
    value **slot = NULL;
    if (e->frame->kind != FRAME_TEST || st->has_subs)
        return false;
    if (!strcmp(st->name, "training"))
        slot = &e->training;
    else if (!strcmp(st->name, "step"))
        slot = &e->step;
    else if (!strcmp(st->name, "total_steps"))
        slot = &e->total_steps;
    if (!slot)
        return false;
    *slot = eval(e, s, st->value);
    /* Steps are values of a running program: `/` between them is real. */
    if ((*slot)->kind == V_INT && slot != &e->training)
        *slot = value_scalar(e, tx_int(e, (*slot)->integer, st->at), st->at);
    return true;
}

bool exec_define(elab *e, scope *s, const ast_stmt *st)
{
    value *v;
    if (define_given(e, s, st))
        return true;
    if (in_lost(e, st->name)) {
        scope_bind(e, s, st->name, elab_reported(e), st->name_at);
        return false;
    }
    if (!may_define(e, s, st))
        return false;
    v = st->has_subs ? define_indexed(e, s, st) : define_whole(e, s, st);
    bind_defined(e, s, st, v);
    return v->kind != V_ERROR;
}

void exec_declare(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_own(s, st->name);
    ty_tensor *t = ARENA_NEW(e->arena, ty_tensor);
    if (b && !b->declared && !may_define(e, s, st))
        return;
    if (st->has_subs) {
        elab_error(e, DIAG_LEFT_SIDE, st->name_at,
                   "a declaration has no subscripts: write `%s: real[3, 4];`",
                   st->name);
        return;
    }
    if (!type_resolve(e, s, st->type, t, false)) {
        scope_bind(e, s, st->name, value_error(e), st->name_at);
        return;
    }
    b = scope_bind(e, s, st->name, NULL, st->name_at);
    b->declared = true;
    b->type = t;
    b->written = st->type;
}
