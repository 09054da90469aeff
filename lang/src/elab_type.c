/*
 * elab_type.c - types against values: sizes a type leaves open are bound from
 * the first value that meets it, all others must agree.
 */
#include "elab_priv.h"
#include <string.h>

typedef enum type_word {
    WORD_REAL,
    WORD_INT,
    WORD_BOOL,
    WORD_IDX,
    WORD_TEXT,
    WORD_SCHEDULE,
    WORD_NONE,
} type_word;

static type_word word_of(const char *name)
{
    static const struct {
        const char *name;
        type_word word;
    } words[] = {{"real", WORD_REAL},        {"int", WORD_INT},
                 {"bool", WORD_BOOL},        {"idx", WORD_IDX},
                 {"path", WORD_TEXT},        {"text", WORD_TEXT},
                 {"string", WORD_TEXT},      {"word", WORD_TEXT},
                 {"schedule", WORD_SCHEDULE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].name, name))
            return words[i].word;
    return WORD_NONE;
}

bool is_type_name(const char *name)
{
    return word_of(name) != WORD_NONE;
}

static type_word word_or_error(elab *e, const ast_type *type)
{
    type_word w = word_of(type->name);
    if (w == WORD_NONE)
        elab_error(e, DIAG_UNKNOWN_NAME, type->name_at,
                   "no type is called `%s`; there are real, int, bool, "
                   "idx(N), path, text and schedule",
                   type->name);
    return w;
}

bool type_is_scalar(const ast_type *type)
{
    return !type->has_dims;
}

/* ---------- sizes ---------- */

/* `N (= 64)`; a size that is called N is only that. */
static const char *named_size(elab *e, const char *name, int64_t size)
{
    const char *text = size_text(e, size);
    return strcmp(name, text) ? arena_printf(e->arena, "%s (= %s)", name, text)
                              : name;
}

/* `2 * N (= 128)`; a symbol is called by itself. */
static const char *dim_text(elab *e, const ast_expr *dim, int64_t size)
{
    ptl_str s = {0};
    const char *text;
    if (dim->kind == EXPR_INT || size_is_symbolic(e, size))
        return size_text(e, size);
    ast_print_expr(dim, &s);
    text = named_size(e, str_text(&s), size);
    text = arena_strdup(e->arena, text);
    str_fini(&s);
    return text;
}

static void note_size(elab *e, const binding *b, const char *name)
{
    if (b && b->at.file)
        elab_note(e, b->at, "%s was bound here",
                  named_size(e, name, b->value->integer));
}

/* Where the names of a size got theirs. */
static void note_names(elab *e, const scope *s, const ast_expr *x)
{
    binding *b;
    if (!x)
        return;
    b = x->kind == EXPR_NAME ? scope_find(s, x->name) : NULL;
    if (b && b->value && b->value->kind == V_INT)
        note_size(e, b, x->name);
    if (x->kind == EXPR_BINARY || x->kind == EXPR_UNARY) {
        note_names(e, s, x->a);
        note_names(e, s, x->b);
    }
    for (int i = 0; x->kind == EXPR_CALL && i < x->count; i++)
        note_names(e, s, x->args[i].expr);
}

/* What a type says of an axis of a value with `rank`; NULL: a pack does. */
static const ast_expr *dim_of_axis(const ast_type *type, int rank, int axis)
{
    int at = 0;
    for (int i = 0; i < type->dim_count && at <= axis; i++) {
        at += type->dims[i].is_pack ? rank - (type->dim_count - 1) : 1;
        if (at > axis)
            return type->dims[i].is_pack ? NULL : type->dims[i].expr;
    }
    return NULL;
}

/* The same of an input of the function being read. */
static const ast_expr *declared_dim(const elab *e, const ty_tensor *t, int axis)
{
    const frame *f = e->frame;
    for (int i = 0; f->names && i < f->fn->param_count; i++) {
        const ast_param *p = &f->fn->params[i];
        const binding *b = scope_own(f->names, p->name);
        if (p->type && b && b->value && b->value->kind == V_TENSOR &&
            b->value->tensor == t)
            return dim_of_axis(p->type, t->rank, axis);
    }
    return NULL;
}

const char *axis_text(elab *e, const ty_tensor *t, int axis)
{
    const ast_expr *dim = declared_dim(e, t, axis);
    return dim ? dim_text(e, dim, t->dims[axis]) : size_text(e, t->dims[axis]);
}

void note_axis(elab *e, const ty_tensor *t, int axis)
{
    const ast_expr *dim = declared_dim(e, t, axis);
    if (dim && !e->generic)
        note_names(e, e->frame->names, dim);
}

const char *shape_text(elab *e, const ast_type *written, const ty_tensor *t)
{
    ptl_str s = {0};
    const char *text;
    if (!written || !written->has_dims)
        return dims_text(e, t->dims, t->rank);
    for (int i = 0; i < t->rank; i++) {
        const ast_expr *dim = dim_of_axis(written, t->rank, i);
        str_printf(&s, "%s%s", i ? ", " : "[",
                   dim ? dim_text(e, dim, t->dims[i])
                       : size_text(e, t->dims[i]));
    }
    text = arena_printf(e->arena, "%s]", t->rank ? str_text(&s) : "[");
    str_fini(&s);
    return text;
}

void note_shape(elab *e, const scope *s, const ast_type *written)
{
    for (int i = 0; written && !e->generic && i < written->dim_count; i++)
        if (!written->dims[i].is_pack)
            note_names(e, s, written->dims[i].expr);
}

/* Where a new size is kept: sizes that a layer's members mention belong to
 * the layer, all others to the call. */
static scope *home_of(scope *own, const char *name)
{
    instance *inst = own->frame ? own->frame->inst : NULL;
    return inst && map_get(inst->open, name) ? inst->scope : own;
}

static bool size_meets(elab *e, scope *own, const ast_expr *dim, int64_t size,
                       const char *what, src_range at)
{
    binding *b = scope_find(own, dim->name);
    if (!b) {
        b = scope_bind(e, home_of(own, dim->name), dim->name,
                       value_int(e, size, at), at);
        b->reserved = true;
        return true;
    }
    if (b->value->kind != V_INT) {
        elab_error(e, DIAG_TYPE_MISMATCH, dim->at,
                   "%s is used as a size and is %s", dim->name,
                   value_text(e, b->value));
        return false;
    }
    if (sizes_agree(e, b->value->integer, size))
        return true;
    size_witness(e, size, b->value->integer);
    elab_error(e, DIAG_SHAPE_MISMATCH, at, "%s has size %s where %s is wanted",
               what, size_text(e, size), dim_text(e, dim, b->value->integer));
    note_size(e, b, dim->name);
    elab_note(e, dim->at, "the declared size");
    return false;
}

static bool pack_meets(elab *e, scope *own, const ast_sub *sub,
                       const int64_t *dims, int rank, const char *what,
                       src_range at)
{
    const char *key = pack_key(e, sub->name);
    binding *b = *sub->name ? scope_find(own, key) : NULL;
    value *v;
    if (b && b->value->kind == V_PACK) {
        const pack *p = b->value->pack;
        if (p->rank == rank && dims_agree(e, p->dims, dims, rank))
            return true;
        if (p->rank == rank)
            dims_witness(e, dims, p->dims, rank);
        elab_error(e, DIAG_SHAPE_MISMATCH, at,
                   "%s has %s where `..%s` stands for %s", what,
                   dims_text(e, dims, rank), sub->name,
                   dims_text(e, p->dims, p->rank));
        elab_note(e, b->at, "`..%s` was bound here", sub->name);
        return false;
    }
    v = value_new(e, V_PACK, at);
    v->pack = ARENA_NEW(e->arena, pack);
    v->pack->rank = rank;
    v->pack->at = at;
    for (int i = 0; i < rank; i++)
        v->pack->dims[i] = dims[i];
    scope_bind(e, home_of(own, key), key, v, at)->reserved = true;
    return true;
}

/* Which axes of a value each dim of the type stands for. */
static bool line_up(elab *e, const ast_type *type, const int64_t *dims,
                    int rank, const char *what, src_range at, int *pack_rank)
{
    int plain = 0, packs = 0;
    for (int i = 0; i < type->dim_count; i++)
        type->dims[i].is_pack ? packs++ : plain++;
    *pack_rank = rank - plain;
    if (packs > 1) {
        elab_error(e, DIAG_RANK_MISMATCH, type->at,
                   "a type holds at most one pack");
        return false;
    }
    if (packs ? *pack_rank >= 0 : *pack_rank == 0)
        return true;
    elab_error(e, DIAG_RANK_MISMATCH, at,
               "%s has shape %s, with %d axes, where %d%s are wanted", what,
               dims_text(e, dims, rank), rank, plain, packs ? " or more" : "");
    elab_note(e, type->at, "the declared type");
    return false;
}

static bool is_open_name(const ast_sub *dim)
{
    return !dim->is_pack && dim->expr->kind == EXPR_NAME;
}

/* First pass: plain names and packs. */
static bool bind_dims(elab *e, scope *own, const ast_type *type,
                      const int64_t *dims, int rank, const char *what,
                      src_range at)
{
    int pack_rank, axis = 0;
    bool good = true;
    if (!line_up(e, type, dims, rank, what, at, &pack_rank))
        return false;
    for (int i = 0; i < type->dim_count; i++) {
        const ast_sub *dim = &type->dims[i];
        if (dim->is_pack) {
            good &= pack_meets(e, own, dim, dims + axis, pack_rank, what, at);
            axis += pack_rank;
            continue;
        }
        if (is_open_name(dim))
            good &= size_meets(
                e, own, dim->expr, dims[axis],
                arena_printf(e->arena, "axis %d of %s", axis, what), at);
        axis++;
    }
    return good;
}

static bool is_rows(scope *s, const ast_sub *dim)
{
    const binding *b =
        dim->expr->kind == EXPR_NAME ? scope_find(s, dim->expr->name) : NULL;
    return b && b->value && b->value->kind == V_INT && b->value->rows;
}

/* The axis of these sizes that is the rows of the batch; -1: none. */
static int rows_axis(elab *e, scope *s, const ast_sub *dims, int count)
{
    int axis = 0;
    for (int i = 0; i < count; i++) {
        const binding *b =
            dims[i].is_pack ? scope_find(s, pack_key(e, dims[i].name)) : NULL;
        if (!dims[i].is_pack) {
            if (is_rows(s, &dims[i]))
                return axis;
            axis++;
        } else if (b && b->value->kind == V_PACK) {
            if (b->value->pack->rows)
                return axis + b->value->pack->rows - 1;
            axis += b->value->pack->rank;
        }
    }
    return -1;
}

/* What names the axis of rows of an argument stands for it from now on: a
 * tensor declared with it has rows as well. */
static void mark_rows(elab *e, scope *own, const ast_type *type, const value *v)
{
    int at = v->tensor->batch_axis - (v->var != NULL), axis = 0;
    for (int i = 0; at >= 0 && i < type->dim_count; i++) {
        const ast_sub *dim = &type->dims[i];
        int width = dim->is_pack ? v->rank - (type->dim_count - 1) : 1;
        binding *b = NULL;
        if (dim->is_pack)
            b = scope_find(own, pack_key(e, dim->name));
        else if (is_open_name(dim))
            b = scope_find(own, dim->expr->name);
        if (b && at >= axis && at < axis + width) {
            if (b->value->kind == V_PACK)
                b->value->pack->rows = at - axis + 1;
            else
                b->value->rows = true;
        }
        axis += width;
    }
}

/* Second pass: sizes that are expressions. */
static bool check_dims(elab *e, scope *own, const ast_type *type,
                       const int64_t *dims, const char *what, int rank,
                       src_range at)
{
    int axis = 0;
    bool good = true;
    for (int i = 0; i < type->dim_count; i++) {
        const ast_sub *dim = &type->dims[i];
        int64_t size;
        if (dim->is_pack) {
            axis += rank - (type->dim_count - 1);
            continue;
        }
        if (!is_open_name(dim)) {
            if (!eval_int(e, own, dim->expr, "a size", &size))
                return false;
            if (!sizes_agree(e, dims[axis], size)) {
                size_witness(e, dims[axis], size);
                elab_error(e, DIAG_SHAPE_MISMATCH, at,
                           "axis %d of %s has size %s where %s is wanted", axis,
                           what, size_text(e, dims[axis]),
                           dim_text(e, dim->expr, size));
                note_names(e, own, dim->expr);
                elab_note(e, dim->at, "the declared size");
                good = false;
            }
        }
        axis++;
    }
    return good;
}

/* ---------- values of a type ---------- */

static value *wrong_type(elab *e, const ast_type *type, const value *v,
                         const char *what, src_range at)
{
    elab_error(e, DIAG_TYPE_MISMATCH, at, "%s is %s where %s is wanted", what,
               value_text(e, v), type->name);
    elab_note(e, type->at, "the declared type");
    return value_error(e);
}

static bool idx_meets(elab *e, scope *own, const ast_type *type, const value *v,
                      const char *what, src_range at)
{
    int64_t bound = 0, size;
    if (v->kind == V_TENSOR)
        bound = v->tensor->bound;
    else if (v->kind == V_INT)
        bound = v->integer < 0 || v->integer == INT64_MAX ? 0 : v->integer + 1;
    else if (v->kind == V_EXPR)
        bound = int_bound(e, v->expr);
    if (type->arg && type->arg->kind == EXPR_NAME &&
        !scope_find(own, type->arg->name) && bound > 0)
        return size_meets(e, own, type->arg, bound, what, at);
    if (!type->arg || !eval_int(e, own, type->arg, "the bound of idx", &size))
        return false;
    if (bound > 0 && !size_exceeds(e, bound, size))
        return true;
    say_not_idx(e, what, bound, size, at);
    return false;
}

static value *real_scalar(elab *e, const ast_type *type, value *v,
                          const char *what, src_range at)
{
    if (v->kind == V_REAL || value_elem(v) == TY_REAL)
        return v;
    if (v->kind == V_INT)
        return value_real(e, v->real, v->at);
    if (value_elem(v) == TY_INT) {
        ty_expr *x = value_scalar_expr(e, v, at);
        return x ? value_scalar(e, tx_to(e, TY_REAL, x), v->at)
                 : value_error(e);
    }
    return wrong_type(e, type, v, what, at);
}

static value *scalar_of_type(elab *e, scope *own, const ast_type *type,
                             type_word w, value *v, const char *what,
                             src_range at)
{
    if (w == WORD_TEXT)
        return v->kind == V_STRING || v->kind == V_WORD
                   ? v
                   : wrong_type(e, type, v, what, at);
    if (w == WORD_SCHEDULE && v->kind == V_SCHEDULE)
        return v;
    v = value_settle(e, v);
    if (v->kind == V_ERROR)
        return v;
    if (!value_is_number(v) || value_rank(v) > 0)
        return wrong_type(e, type, v, what, at);
    switch (w) {
    case WORD_REAL:
    case WORD_SCHEDULE:
        return real_scalar(e, type, v, what, at);
    case WORD_INT:
        return value_elem(v) == TY_INT ? v : wrong_type(e, type, v, what, at);
    case WORD_BOOL:
        return value_elem(v) == TY_BOOL ? v : wrong_type(e, type, v, what, at);
    default:
        if (value_elem(v) != TY_INT)
            return wrong_type(e, type, v, what, at);
        return idx_meets(e, own, type, v, what, at) ? v : value_error(e);
    }
}

/* Integers in the text serve as reals. */
static ty_tensor *literal_as_real(elab *e, const ty_tensor *t)
{
    ty_tensor *r =
        tensor_new(e, TY_LITERAL, t->name, TY_REAL, t->rank, t->dims, t->at);
    r->values = t->values;
    r->borrowed = t->borrowed;
    return r;
}

static ty_tensor *tensor_of_kind(elab *e, const ast_type *type, type_word w,
                                 value *v, const char *what, src_range at)
{
    ty_tensor *t = value_materialise(e, v, what, at);
    ty_kind wanted = w == WORD_REAL   ? TY_REAL
                     : w == WORD_BOOL ? TY_BOOL
                                      : TY_INT;
    if (!t)
        return NULL;
    if (t->kind == TY_INT && wanted == TY_REAL && t->role == TY_LITERAL)
        return literal_as_real(e, t);
    if (t->kind == wanted)
        return t;
    elab_error(e, DIAG_TYPE_MISMATCH, at, "%s holds %s where %s is wanted%s",
               what, ty_kind_text(t->kind), type->name,
               wanted == TY_REAL ? "; write real(...)" : "");
    elab_note(e, type->at, "the declared type");
    return NULL;
}

value *type_bind(elab *e, scope *own, const ast_type *type, value *v,
                 const char *what, src_range at)
{
    type_word w = word_or_error(e, type);
    int64_t dims[PTL_MAX_RANK] = {0};
    ty_tensor *t;
    if (v->kind == V_ERROR || w == WORD_NONE)
        return value_error(e);
    if (!type->has_dims)
        return scalar_of_type(e, own, type, w, v, what, at);
    v = value_settle(e, v);
    if (v->kind == V_ERROR)
        return v;
    if (!value_is_number(v))
        return wrong_type(e, type, v, what, at);
    /* A pack may stand for no axis at all: then a scalar of an index body is
     * as good as a tensor. */
    if (v->kind == V_EXPR && v->rank == 0 && w == WORD_REAL &&
        type->dim_count == 1 && type->dims[0].is_pack &&
        tx_open(e, v->expr, NULL, 0))
        return bind_dims(e, own, type, NULL, 0, what, at)
                   ? real_scalar(e, type, v, what, at)
                   : value_error(e);
    if (v->kind == V_VAR ||
        (v->kind == V_EXPR && tx_open(e, v->expr, v->vars, v->rank)))
        return elab_error(e, DIAG_RANK_MISMATCH, at,
                          "%s is a single number of an indexed statement "
                          "where a tensor is wanted",
                          what);
    t = tensor_of_kind(e, type, w, v, what, at);
    if (!t)
        return value_error(e);
    v = value_tensor(e, t, v->at);
    value_dims(v, dims);
    if (!bind_dims(e, own, type, dims, v->rank, what, at))
        return value_error(e);
    mark_rows(e, own, type, v);
    if (w == WORD_IDX && !idx_meets(e, own, type, v, what, at))
        return value_error(e);
    return v;
}

bool type_finish(elab *e, scope *own, const ast_type *type, value *v,
                 const char *what, src_range at)
{
    int64_t dims[PTL_MAX_RANK] = {0};
    if (!type->has_dims || v->kind != V_TENSOR)
        return true;
    value_dims(v, dims);
    return check_dims(e, own, type, dims, what, v->rank, at);
}

/* ---------- sizes of a type ---------- */

static bool dim_is_known(scope *s, const ast_expr *x)
{
    return x->kind != EXPR_NAME || scope_find(s, x->name);
}

bool dims_resolve(elab *e, scope *s, const ast_sub *dims, int count,
                  int64_t *out, int *rank, bool may_open)
{
    *rank = 0;
    for (int i = 0; i < count; i++) {
        if (dims[i].is_pack) {
            binding *b = scope_find(s, pack_key(e, dims[i].name));
            if (!b || b->value->kind != V_PACK || b->value->pack->rank < 0) {
                if (!may_open)
                    elab_error(e, DIAG_SIZE_UNBOUND, dims[i].at,
                               "nothing says which axes `..%s` stands for",
                               dims[i].name);
                return false;
            }
            for (int j = 0; j < b->value->pack->rank; j++) {
                if (*rank >= PTL_MAX_RANK)
                    break;
                out[(*rank)++] = b->value->pack->dims[j];
            }
            continue;
        }
        if (*rank >= PTL_MAX_RANK) {
            elab_error(e, DIAG_INTERNAL_LIMIT, dims[i].at,
                       "a tensor has at most %d axes", PTL_MAX_RANK);
            return false;
        }
        if (!dim_is_known(s, dims[i].expr)) {
            if (!may_open && dims[i].expr->kind == EXPR_NAME &&
                in_lost(e, dims[i].expr->name))
                elab_reported(e);
            else if (!may_open)
                elab_error(e, DIAG_SIZE_UNBOUND, dims[i].at,
                           "nothing binds the size %s; it must occur in the "
                           "type of an input",
                           dims[i].expr->name);
            return false;
        }
        if (!eval_int(e, s, dims[i].expr, "a size", &out[(*rank)++]))
            return false;
        if (size_exceeds(e, 0, out[*rank - 1])) {
            e->proven = size_is_symbolic(e, out[*rank - 1]);
            size_example(e, out[*rank - 1]);
            elab_error(e, DIAG_NEGATIVE_SIZE, dims[i].at, "this size is %s",
                       size_text(e, out[*rank - 1]));
            return false;
        }
    }
    return true;
}

/* Names that a compound size mentions must be bound too, or it stays open. */
static bool mentions_open(elab *e, scope *s, const ast_expr *x)
{
    if (!x)
        return false;
    switch (x->kind) {
    case EXPR_NAME:
        return !scope_find(s, x->name) && strcmp(x->name, "training") &&
               !module_decl(e->frame->module, x->name);
    case EXPR_UNARY:
        return mentions_open(e, s, x->a);
    case EXPR_BINARY:
        return mentions_open(e, s, x->a) || mentions_open(e, s, x->b);
    case EXPR_CALL:
        for (int i = 0; i < x->count; i++)
            if (mentions_open(e, s, x->args[i].expr))
                return true;
        return false;
    case EXPR_INDEX:
        for (int i = 0; i < x->count; i++) {
            if (x->subs[i].is_pack
                    ? !scope_find(s, pack_key(e, x->subs[i].name))
                    : mentions_open(e, s, x->subs[i].expr))
                return true;
        }
        return false;
    default:
        return false;
    }
}

bool type_resolve(elab *e, scope *s, const ast_type *type, ty_tensor *out,
                  bool may_open)
{
    type_word w = word_or_error(e, type);
    if (w == WORD_NONE || w == WORD_TEXT || w == WORD_SCHEDULE)
        return false;
    *out = (ty_tensor){.batch_axis = -1, .at = type->at};
    out->kind = w == WORD_REAL ? TY_REAL : w == WORD_BOOL ? TY_BOOL : TY_INT;
    if (may_open) {
        if (w == WORD_IDX && mentions_open(e, s, type->arg))
            return false;
        for (int i = 0; type->has_dims && i < type->dim_count; i++)
            if (!type->dims[i].is_pack &&
                mentions_open(e, s, type->dims[i].expr))
                return false;
    }
    if (w == WORD_IDX &&
        (!type->arg ||
         !eval_int(e, s, type->arg, "the bound of idx", &out->bound)))
        return false;
    if (!type->has_dims)
        return true;
    out->batch_axis = rows_axis(e, s, type->dims, type->dim_count);
    return dims_resolve(e, s, type->dims, type->dim_count, out->dims,
                        &out->rank, may_open);
}

void type_bind_shape(elab *e, scope *own, const ast_type *type,
                     const int64_t *dims, int rank, src_range at)
{
    if (type->has_dims)
        bind_dims(e, own, type, dims, rank, "the wanted shape",
                  at.file ? at : type->at);
}
