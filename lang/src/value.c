/*
 * value.c - what names stand for while a block is read.
 */
#include "elab_priv.h"
#include <math.h>

value *value_new(elab *e, value_kind kind, src_range at)
{
    value *v = ARENA_NEW(e->arena, value);
    v->kind = kind;
    v->at = at;
    return v;
}

value *value_error(elab *e)
{
    return value_new(e, V_ERROR, (src_range){0});
}

value *value_int(elab *e, int64_t i, src_range at)
{
    value *v = value_new(e, V_INT, at);
    v->integer = i;
    v->real = (double)size_number(e, i);
    return v;
}

value *value_real(elab *e, double r, src_range at)
{
    value *v = value_new(e, V_REAL, at);
    v->real = r;
    return v;
}

value *value_bool(elab *e, bool b, src_range at)
{
    value *v = value_new(e, V_BOOL, at);
    v->integer = b;
    return v;
}

value *value_string(elab *e, const char *text, src_range at)
{
    value *v = value_new(e, V_STRING, at);
    v->text = text;
    return v;
}

value *value_tensor(elab *e, ty_tensor *t, src_range at)
{
    value *v = value_new(e, V_TENSOR, at);
    v->tensor = t;
    v->var = t->hidden;
    v->rank = t->rank - (t->hidden != NULL);
    return v;
}

value *value_scalar(elab *e, ty_expr *x, src_range at)
{
    value *v;
    if (!x)
        return value_error(e);
    v = value_new(e, V_EXPR, at);
    v->expr = x;
    return v;
}

bool value_is_static(const value *v)
{
    return v->kind == V_INT || v->kind == V_REAL || v->kind == V_BOOL;
}

bool value_is_number(const value *v)
{
    return value_is_static(v) || v->kind == V_VAR || v->kind == V_TENSOR ||
           v->kind == V_EXPR || v->kind == V_LIST;
}

int value_rank(const value *v)
{
    return v->kind == V_TENSOR || v->kind == V_EXPR ? v->rank : 0;
}

void value_dims(const value *v, int64_t *dims)
{
    for (int i = 0; i < value_rank(v); i++)
        dims[i] = v->kind == V_TENSOR ? v->tensor->dims[i + (v->var != NULL)]
                                      : v->vars[i]->hi - v->vars[i]->lo;
}

ty_kind value_elem(const value *v)
{
    switch (v->kind) {
    case V_REAL:
        return TY_REAL;
    case V_BOOL:
        return TY_BOOL;
    case V_TENSOR:
        return v->tensor->kind;
    case V_EXPR:
        return v->expr->type;
    default:
        return TY_INT;
    }
}

ty_expr *value_scalar_expr(elab *e, value *v, src_range at)
{
    if (v->kind == V_ERROR)
        return NULL;
    v = value_settle(e, v);
    if (v->kind == V_ERROR)
        return NULL;
    if (value_rank(v) > 0) {
        elab_error(e, DIAG_RANK_MISMATCH, at,
                   "a single number is wanted here and this is %s; give it "
                   "subscripts",
                   value_text(e, v));
        return NULL;
    }
    if (!value_is_number(v)) {
        elab_error(e, DIAG_TYPE_MISMATCH, at,
                   "a number is wanted here and this is %s", value_text(e, v));
        return NULL;
    }
    return value_at(e, v, NULL, at);
}

/* A field within a data block has the record's index in front, what a scan
 * computes that of the step. */
static ty_expr *read_elements(elab *e, const value *v, ty_var **vars,
                              src_range at)
{
    ty_var *all[PTL_MAX_RANK + 1];
    if (!v->var)
        return tx_read_vars(e, v->tensor, vars, at);
    all[0] = v->var;
    for (int i = 0; i < v->rank; i++)
        all[i + 1] = vars[i];
    return tx_read_vars(e, v->tensor, all, at);
}

ty_expr *value_at(elab *e, value *v, ty_var **vars, src_range at)
{
    switch (v->kind) {
    case V_INT:
        return tx_int(e, v->integer, at);
    case V_REAL:
        return tx_real(e, v->real, at);
    case V_BOOL:
        return tx_bool(e, v->integer != 0, at);
    case V_VAR:
        return tx_var(e, v->var, at);
    case V_TENSOR:
        return read_elements(e, v, vars, at);
    case V_EXPR:
        return tx_replace(e, v->expr, v->vars, vars, v->rank);
    default:
        return NULL;
    }
}

/* ---------- tensors ---------- */

bool dims_fit(elab *e, const int64_t *dims, int rank, src_range at)
{
    int64_t n = 1;
    if (rank > PTL_MAX_RANK) {
        elab_error(e, DIAG_INTERNAL_LIMIT, at,
                   "a tensor has at most %d axes and this has %d", PTL_MAX_RANK,
                   rank);
        return false;
    }
    for (int i = 0; i < rank; i++) {
        if (size_exceeds(e, 0, dims[i])) {
            elab_error(e, DIAG_SHAPE_MISMATCH, at,
                       "axis %d would have the size %s", i,
                       size_text(e, dims[i]));
            return false;
        }
        if (size_is_symbolic(e, dims[i]))
            continue;
        if (__builtin_mul_overflow(n, dims[i], &n) || n > INT64_C(1) << 40) {
            elab_error(e, DIAG_INTERNAL_LIMIT, at,
                       "a tensor of shape %s has more than 2^40 elements",
                       dims_text(e, dims, rank));
            return false;
        }
    }
    return true;
}

const char *tensor_path(elab *e, const char *name)
{
    const char *path = e->frame ? e->frame->path : "";
    return *path ? arena_printf(e->arena, "%s.%s", path, name)
                 : arena_strdup(e->arena, name);
}

ty_tensor *tensor_new(elab *e, ty_role role, const char *name, ty_kind kind,
                      int rank, const int64_t *dims, src_range at)
{
    ty_tensor *t = ARENA_NEW(e->arena, ty_tensor);
    t->name = name;
    t->role = role;
    t->kind = kind;
    t->rank = rank;
    t->batch_axis = -1;
    for (int i = 0; i < rank; i++)
        t->dims[i] = dims[i];
    t->at = at;
    t->id = e->out->tensors.count;
    t->storage = kind == TY_REAL  ? PTL_F32
                 : kind == TY_INT ? PTL_I32
                                  : PTL_BOOL;
    vec_push(e->arena, &e->out->tensors, t);
    return t;
}

void tensor_move_last(elab *e, ty_tensor *t)
{
    for (int i = t->id; i + 1 < e->out->tensors.count; i++) {
        e->out->tensors.data[i] = e->out->tensors.data[i + 1];
        e->out->tensors.data[i]->id = i;
    }
    t->id = e->out->tensors.count - 1;
    e->out->tensors.data[t->id] = t;
}

static ty_tensor *define(elab *e, const char *name, ty_var **vars, int rank,
                         ty_expr *x, src_range at)
{
    int64_t dims[PTL_MAX_RANK] = {0};
    ty_tensor *t;
    for (int i = 0; i < rank && i < PTL_MAX_RANK; i++)
        dims[i] = vars[i]->hi;
    if (!dims_fit(e, dims, rank, at))
        return NULL;
    t = tensor_new(e, TY_VALUE, tensor_path(e, name), x->type, rank, dims, at);
    t->vars = ARENA_ARRAY(e->arena, ty_var *, rank + 1);
    for (int i = rank - 1; i >= 0; i--) {
        t->vars[i] = vars[i];
        if (vars[i]->batch)
            t->batch_axis = i;
    }
    t->body = tx_seal(e, x, vars, rank);
    if (x->type == TY_INT)
        t->bound = int_bound(e, x);
    return t;
}

static int position(ty_var *const *vars, int rank, const ty_var *v)
{
    for (int i = 0; i < rank; i++)
        if (vars[i] == v)
            return i;
    return -1;
}

/* A definition in a scan that varies with the step has an axis for it. */
static ty_tensor *define_at_step(elab *e, const char *name, ty_var **vars,
                                 int rank, ty_expr *x, src_range at)
{
    ty_scan *scan = e->scan;
    ty_var **all = ARENA_ARRAY(e->arena, ty_var *, rank + 2);
    int time = position(vars, rank, scan->var);
    bool hidden = time < 0;
    ty_tensor *t;
    if (hidden && !tx_at_step(e, x))
        return define(e, name, vars, rank, x, at);
    all[0] = scan->var;
    for (int i = 0; i < rank; i++)
        all[i + hidden] = vars[i];
    t = define(e, name, all, rank + hidden, x, at);
    if (!t)
        return NULL;
    t->scan = scan;
    t->time = hidden ? 0 : time;
    t->hidden = hidden ? scan->var : NULL;
    return t;
}

ty_tensor *tensor_define(elab *e, const char *name, ty_var **vars, int rank,
                         ty_expr *x, src_range at)
{
    return e->scan ? define_at_step(e, name, vars, rank, x, at)
                   : define(e, name, vars, rank, x, at);
}

ty_tensor *value_materialise(elab *e, value *v, const char *name, src_range at)
{
    ty_expr *x;
    v = value_settle(e, v);
    if (v->kind == V_TENSOR && v->var == v->tensor->hidden)
        return v->tensor;
    if (v->kind == V_ERROR)
        return NULL;
    if (!value_is_number(v)) {
        elab_error(e, DIAG_TYPE_MISMATCH, at,
                   "a tensor is wanted here and this is %s", value_text(e, v));
        return NULL;
    }
    x = v->kind == V_EXPR ? v->expr : value_at(e, v, NULL, at);
    return tensor_define(e, name, v->vars, value_rank(v), x, at);
}

/* ---------- lists as literals ---------- */

typedef struct literal {
    int64_t dims[PTL_MAX_RANK];
    int rank;
    ty_kind kind;
    VEC(double) numbers;
    bool failed;
} literal;

/* The first item at each depth gives the shape, all others must agree. */
static void literal_shape(literal *l, const value *v)
{
    while (v->kind == V_LIST && l->rank < PTL_MAX_RANK) {
        l->dims[l->rank++] = v->count;
        if (v->count == 0)
            return;
        v = v->items[0];
    }
}

static void literal_fill(elab *e, literal *l, const value *v, int depth)
{
    if (l->failed || v->kind == V_ERROR) {
        l->failed = true;
        return;
    }
    if (depth < l->rank) {
        if (v->kind != V_LIST || v->count != l->dims[depth]) {
            elab_error(e, DIAG_SHAPE_MISMATCH, v->at,
                       "the rows of a literal must be alike: %lld items are "
                       "wanted here",
                       (long long)l->dims[depth]);
            l->failed = true;
            return;
        }
        for (int i = 0; i < v->count; i++)
            literal_fill(e, l, v->items[i], depth + 1);
        return;
    }
    if (!value_is_static(v)) {
        elab_error(e, DIAG_NOT_STATIC, v->at,
                   "a literal holds numbers known when the program is "
                   "compiled, and this is %s",
                   value_text(e, v));
        l->failed = true;
        return;
    }
    if (v->kind == V_REAL && l->kind == TY_INT)
        l->kind = TY_REAL;
    if (v->kind == V_BOOL)
        l->kind = TY_BOOL;
    vec_push(e->arena, &l->numbers,
             v->kind == V_BOOL ? (double)v->integer : v->real);
}

/* Integers that are not negative lie below the largest of them plus one. */
static int64_t literal_bound(const literal *l)
{
    double most = 0;
    for (int i = 0; i < l->numbers.count; i++) {
        if (l->numbers.data[i] < 0)
            return 0;
        most = fmax(most, l->numbers.data[i]);
    }
    return (int64_t)most + 1;
}

value *value_settle(elab *e, value *v)
{
    literal l = {.kind = TY_INT};
    ty_tensor *t;
    if (v->kind == V_SCHEDULE)
        return schedule_value(e, v, v->at);
    if (v->kind != V_LIST)
        return v;
    literal_shape(&l, v);
    literal_fill(e, &l, v, 0);
    if (l.failed)
        return value_error(e);
    t = tensor_new(e, TY_LITERAL, tensor_path(e, "literal"), l.kind, l.rank,
                   l.dims, v->at);
    t->borrowed = true;
    t->values = l.numbers.data;
    if (l.kind == TY_INT)
        t->bound = literal_bound(&l);
    return value_tensor(e, t, v->at);
}

/* ---------- static numbers ---------- */

bool value_want_int(elab *e, value *v, const char *what, int64_t *out)
{
    if (v->kind == V_INT) {
        *out = v->integer;
        return true;
    }
    if (v->kind == V_ERROR)
        return false;
    if (value_is_number(v) && !value_is_static(v))
        elab_error(e, DIAG_NOT_STATIC, v->at,
                   "%s must be known when the program is compiled, and this "
                   "is %s",
                   what, value_text(e, v));
    else
        elab_error(e, DIAG_TYPE_MISMATCH, v->at,
                   "%s must be an integer and this is %s", what,
                   value_text(e, v));
    return false;
}

bool value_want_real(elab *e, value *v, const char *what, double *out)
{
    if (v->kind == V_INT || v->kind == V_REAL) {
        *out = v->real;
        return true;
    }
    if (v->kind == V_ERROR)
        return false;
    elab_error(e, value_is_number(v) ? DIAG_NOT_STATIC : DIAG_TYPE_MISMATCH,
               v->at,
               "%s must be a number known when the program is "
               "compiled, and this is %s",
               what, value_text(e, v));
    return false;
}
