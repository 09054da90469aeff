/*
 * elab_stmt.c - statements: definitions by index, whole definitions,
 * accumulation, static control flow.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- text with {names} ---------- */

static void add_value_text(elab *e, ptl_str *out, value *v, src_range at)
{
    switch (v->kind) {
    case V_INT:
        str_printf(out, "%lld", (long long)v->integer);
        break;
    case V_REAL:
        str_printf(out, "%g", v->real);
        break;
    case V_BOOL:
        str_add(out, v->integer ? "true" : "false");
        break;
    case V_STRING:
    case V_WORD:
        str_add(out, v->text);
        break;
    case V_ERROR:
        break;
    default:
        elab_error(e, DIAG_NOT_STATIC, at,
                   "text can hold numbers and text, and this is %s",
                   value_text(e, v));
    }
}

const char *interpolate(elab *e, scope *s, const char *text, src_range at)
{
    ptl_str out = {0};
    const char *done;
    if (!strchr(text, '{'))
        return text;
    for (const char *c = text; *c; c++) {
        const char *end = *c == '{' ? strchr(c, '}') : NULL;
        if (!end) {
            str_addc(&out, *c);
            continue;
        }
        ast_expr name = {.kind = EXPR_NAME, .depth = 1, .at = at, .mark = at};
        name.name = arena_strndup(e->arena, c + 1, (size_t)(end - c - 1));
        add_value_text(e, &out, lookup_name(e, s, &name), at);
        c = end;
    }
    done = arena_strdup(e->arena, str_text(&out));
    str_fini(&out);
    return done;
}

void exec_assert(elab *e, scope *s, const ast_decl *a)
{
    value *v = eval(e, s, a->value);
    const char *text = a->message
                           ? interpolate(e, s, a->message, a->message_at)
                           : "this assert does not hold";
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_BOOL)
        elab_error(e, DIAG_NOT_STATIC, a->value->at,
                   "assert wants a condition known when the program is "
                   "compiled, and this is %s",
                   value_text(e, v));
    else if (!v->integer)
        elab_error(e, DIAG_ASSERT_FAILED, a->value->at, "%s", text);
}

/* ---------- binding what a statement defines ---------- */

/* A second definition is allowed only inside a static for or if. */
static bool may_define(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_own(s, st->name);
    if (!b || b->declared)
        return true;
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
static bool wanted_type(elab *e, scope *s, const ast_stmt *st,
                        ty_tensor **out)
{
    binding *b = scope_own(s, st->name);
    *out = NULL;
    if (st->type) {
        ty_tensor *t = ARENA_NEW(e->arena, ty_tensor);
        if (!type_resolve(e, s, st->type, t, false))
            return false;
        *out = t;
    } else if (b && b->declared) {
        *out = b->type;
    }
    return true;
}

static bool fits_bound(elab *e, ty_expr *x, const ty_tensor *wanted,
                       src_range at)
{
    int64_t low, high;
    if (!wanted->bound)
        return true;
    if (ty_interval(e->arena, x, &low, &high) && low >= 0 &&
        high < wanted->bound)
        return true;
    elab_error(e, DIAG_NOT_PROVEN, at,
               "this is not known to lie in [0, %lld); an int becomes an idx "
               "only by clamp, wrap or where data enters",
               (long long)wanted->bound);
    return false;
}

/* Brings a body to its declared kind. */
static ty_expr *as_declared(elab *e, ty_expr *x, const ty_tensor *wanted,
                            src_range at)
{
    if (!wanted || x->type == wanted->kind)
        return wanted && wanted->kind == TY_INT &&
                       !fits_bound(e, x, wanted, at)
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
        for (int j = 0; j < p->rank; j++)
            p->vars[j] =
                ty_var_new(e, arena_printf(e->arena, "%s%d", sub->name, j),
                           p->dims[j], sub->at);
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
    v->var = l->vars[i] = ty_var_new(e, sub->expr->name, -1, sub->at);
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

static void declare_range(ty_var *v, int64_t size, src_range from)
{
    v->hi = size;
    v->known = true;
    v->from = from;
}

static bool declare_pack(elab *e, pack *p, const ty_tensor *wanted, int axis,
                         int left, const ast_sub *sub)
{
    if (p->rank < 0) {
        p->rank = left;
        for (int j = 0; j < left; j++) {
            p->dims[j] = wanted->dims[axis + j];
            p->vars[j] =
                ty_var_new(e, arena_printf(e->arena, "%s%d", sub->name, j),
                           p->dims[j], sub->at);
        }
        return true;
    }
    if (p->rank == left &&
        !memcmp(p->dims, wanted->dims + axis, sizeof *p->dims * (size_t)left))
        return true;
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
        if (!l->is_pack[i]) {
            declare_range(l->vars[i], wanted->dims[axis++], wanted->at);
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
static int close_left(elab *e, const ast_stmt *st, left_side *l,
                      ty_var **vars)
{
    int rank = 0;
    for (int i = 0; i < l->count; i++) {
        const pack *p = l->packs[i];
        int n = l->is_pack[i] ? p->rank : 1;
        if (n < 0 || (!l->is_pack[i] && !l->vars[i]->known)) {
            elab_error(e, DIAG_RANGE_UNKNOWN, st->subs[i].at,
                       "nothing says over what this index of `%s` ranges; "
                       "declare the shape, as in `%s: real[...]`",
                       st->name, st->name);
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

/* In a data block the record's index comes first. */
static value *define_tensor(elab *e, const ast_stmt *st, ty_var **vars,
                            int rank, ty_expr *x)
{
    ty_var *all[PTL_MAX_RANK + 1];
    ty_var *record = e->frame->record;
    ty_tensor *t;
    value *v;
    if (!record) {
        t = tensor_define(e, st->name, vars, rank, x, st->at);
        return t ? value_tensor(e, t, st->at) : value_error(e);
    }
    if (rank + 1 > PTL_MAX_RANK)
        return elab_error(e, DIAG_INTERNAL_LIMIT, st->name_at,
                          "a field has at most %d axes", PTL_MAX_RANK - 1);
    all[0] = record;
    memcpy(all + 1, vars, sizeof *vars * (size_t)rank);
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
    int mark = e->checks.count, before = e->errors, rank;
    if (!wanted_type(e, s, st, &wanted) || !open_left(e, s, st, &l) ||
        (wanted && !declare_left(e, st, &l, wanted)))
        return value_error(e);
    x = value_scalar_expr(e, eval(e, l.scope, st->value), st->value->at);
    if (x)
        x = as_declared(e, x, wanted, st->value->at);
    rank = x ? close_left(e, st, &l, vars) : -1;
    if (!x || rank < 0 || e->errors != before) {
        e->checks.count = mark;
        return value_error(e);
    }
    if (!checks_run(e, mark))
        return value_error(e);
    v = define_tensor(e, st, vars, rank, x);
    if (v->kind == V_TENSOR && wanted && wanted->bound)
        v->tensor->bound = wanted->bound;
    return v;
}

/* ---------- y = ... ---------- */

static bool rank_zero_leaf(const ty_expr *x)
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
        (v->rank == 0 && rank_zero_leaf(v->expr)))
        return v;
    t = value_materialise(e, v, st->name, st->at);
    return t ? value_tensor(e, t, st->at) : value_error(e);
}

/* What a body made takes the name its caller gives. */
static void rename_borrowed(elab *e, const char *name, ty_tensor *t)
{
    if (!t->borrowed)
        return;
    t->borrowed = false;
    t->name = tensor_path(e, name);
}

static value *of_declared_type(elab *e, scope *s, const ast_stmt *st,
                               value *v)
{
    binding *b = scope_own(s, st->name);
    const char *what = arena_printf(e->arena, "`%s`", st->name);
    const ty_tensor *t = b && b->declared ? b->type : NULL;
    int64_t dims[PTL_MAX_RANK];
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
    value_dims(v, dims);
    if (v->kind == V_ERROR ||
        (value_rank(v) == t->rank &&
         !memcmp(dims, t->dims, sizeof *dims * (size_t)t->rank)))
        return v;
    elab_error(e, DIAG_SHAPE_MISMATCH, st->value->at,
               "`%s` is declared with shape %s and this is %s", st->name,
               dims_text(e, t->dims, t->rank), value_text(e, v));
    elab_note(e, t->at, "the declared type");
    return value_error(e);
}

static value *define_whole(elab *e, scope *s, const ast_stmt *st)
{
    ty_tensor *wanted;
    value *v;
    int mark = e->checks.count, before = e->errors;
    bool text = st->type && !st->type->has_dims &&
                (!strcmp(st->type->name, "path") ||
                 !strcmp(st->type->name, "text") ||
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
        v = of_declared_type(e, s, st, v);
    if (v->kind == V_EXPR) {
        bool open = !e->frame->record &&
                    tx_open(e, v->expr, v->vars, v->rank);
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
    if (!may_define(e, s, st))
        return false;
    v = st->has_subs ? define_indexed(e, s, st) : define_whole(e, s, st);
    bind_defined(e, s, st, v);
    return v->kind != V_ERROR;
}

static void exec_declare(elab *e, scope *s, const ast_stmt *st)
{
    binding *b = scope_own(s, st->name);
    ty_tensor *t = ARENA_NEW(e->arena, ty_tensor);
    if (b && !b->declared) {
        may_define(e, s, st);
        return;
    }
    if (st->has_subs) {
        elab_error(e, DIAG_LEFT_SIDE, st->name_at,
                   "a declaration has no subscripts: write `%s: real[3, 4];`",
                   st->name);
        return;
    }
    if (!type_resolve(e, s, st->type, t, false))
        return;
    b = scope_bind(e, s, st->name, NULL, st->name_at);
    b->declared = true;
    b->type = t;
}

/* ---------- H[b[i]] += ... ---------- */

/* Index names of an accumulation are those its left side mentions and nothing
 * else declares. */
static void implicit_indices(elab *e, scope *in, const ast_expr *x,
                             ty_var **vars, int *count);

static void implicit_pack(elab *e, scope *in, const ast_sub *sub,
                          ty_var **vars, int *count)
{
    const char *key = pack_key(e, sub->name);
    binding *sizes = scope_find(in, key);
    value *v;
    pack *p;
    if (!sizes || sizes->value->kind != V_PACK ||
        sizes->value->pack->has_vars)
        return;
    p = ARENA_NEW(e->arena, pack);
    *p = *sizes->value->pack;
    p->has_vars = true;
    for (int j = 0; j < p->rank && *count < 16; j++) {
        p->vars[j] = ty_var_new(
            e, arena_printf(e->arena, "%s%d", sub->name, j), p->dims[j],
            sub->at);
        vars[(*count)++] = p->vars[j];
    }
    v = value_new(e, V_PACK, sub->at);
    v->pack = p;
    scope_bind(e, in, key, v, sub->at);
}

static void implicit_sub(elab *e, scope *in, const ast_sub *sub,
                         ty_var **vars, int *count)
{
    if (sub->is_pack)
        implicit_pack(e, in, sub, vars, count);
    else
        implicit_indices(e, in, sub->expr, vars, count);
}

static bool nothing_declares(elab *e, scope *in, const char *name)
{
    return !scope_find(in, name) && !module_decl(e->frame->module, name) &&
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
        if (!dims_fit(e, b->type->dims, b->type->rank, st->at))
            return NULL;
        t = tensor_new(e, TY_VALUE, tensor_path(e, st->name), b->type->kind,
                       b->type->rank, b->type->dims, st->at);
        b = scope_bind(e, s, st->name, value_tensor(e, t, st->at),
                       st->name_at);
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
    /* Definitions stay in the order in which they may be carried out: what
     * the new piece reads may have been defined after the first one. */
    for (int i = t->id; i + 1 < e->out->tensors.count; i++) {
        e->out->tensors.data[i] = e->out->tensors.data[i + 1];
        e->out->tensors.data[i]->id = i;
    }
    t->id = e->out->tensors.count - 1;
    e->out->tensors.data[t->id] = t;
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

static void exec_accumulate(elab *e, scope *s, const ast_stmt *st)
{
    scope *in = scope_new(e, s, s->frame);
    ty_var **vars = ARENA_ARRAY(e->arena, ty_var *, 17);
    int count = 0, mark = e->checks.count;
    ty_tensor *t = accumulated(e, s, st);
    ty_sub *subs;
    ty_expr *x, *target;
    if (!t)
        return;
    if (e->frame->record) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a field of a data block is defined, not accumulated");
        return;
    }
    for (int i = 0; i < st->sub_count; i++)
        implicit_sub(e, in, &st->subs[i], vars, &count);
    x = value_scalar_expr(e, eval(e, in, st->value), st->value->at);
    subs = x ? eval_subs(e, in, st->subs, st->sub_count, t, NULL, true,
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
    add_piece(e, t, (ty_piece){.vars = vars, .var_count = count, .subs = subs,
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
static void exec_update(elab *e, scope *s, const ast_stmt *st)
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

/* ---------- control flow ---------- */

static void exec_block(elab *e, scope *s, const ast_block *body)
{
    e->frame->static_depth++;
    for (int i = 0; i < body->count && !e->frame->returned; i++)
        exec(e, s, body->stmts[i]);
    e->frame->static_depth--;
}

static void exec_if(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_BOOL) {
        elab_error(e, DIAG_NOT_STATIC, st->value->at,
                   "`if` chooses when the program is compiled and this is "
                   "%s; write `c ? a : b` to choose by element",
                   value_text(e, v));
        return;
    }
    if (v->integer)
        exec_block(e, s, &st->body);
    else if (st->has_else)
        exec_block(e, s, &st->else_body);
}

static void exec_loop_body(elab *e, scope *s, const ast_stmt *st, value *item)
{
    binding *old = scope_own(s, st->name);
    binding saved = old ? *old : (binding){0};
    binding *b = scope_bind(e, s, st->name, item, st->name_at);
    exec_block(e, s, &st->body);
    if (old)
        *b = saved;
}

enum { MAX_TRIPS = 100000 };

static void exec_for_range(elab *e, scope *s, const ast_stmt *st)
{
    int64_t lo, hi;
    int before = e->errors;
    if (!eval_int(e, s, st->lo, "the begin of a for", &lo) ||
        !eval_int(e, s, st->hi, "the end of a for", &hi))
        return;
    if (hi > lo && (uint64_t)hi - (uint64_t)lo > MAX_TRIPS) {
        elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                   "`for` is unrolled and runs at most %d times", MAX_TRIPS);
        return;
    }
    for (int64_t i = lo; i < hi && !e->frame->returned; i++) {
        exec_loop_body(e, s, st, value_int(e, i, st->name_at));
        if (e->errors != before)
            return;
    }
}

static void exec_for_each(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    int before = e->errors;
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_INSTANCES && v->kind != V_LIST) {
        elab_error(e, DIAG_NOT_STATIC, st->value->at,
                   "`for` runs over layers (`use b[n] = ...`), a list, or "
                   "a..b, and this is %s",
                   value_text(e, v));
        return;
    }
    for (int i = 0; i < v->count && !e->frame->returned; i++) {
        exec_loop_body(e, s, st, v->items[i]);
        if (e->errors != before)
            return;
    }
}

static void exec_return(elab *e, scope *s, const ast_stmt *st)
{
    value *v;
    if (e->frame->kind == FRAME_TRAIN || e->frame->kind == FRAME_TEST ||
        e->frame->kind == FRAME_DATA) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "`return` stands in functions and layers");
        return;
    }
    if (st->value_count == 1) {
        v = eval(e, s, st->values[0]);
        if (v->kind == V_LIST)
            v = value_settle(e, v);
        if (v->kind == V_EXPR && !tx_open(e, v->expr, v->vars, v->rank) &&
            !(v->rank == 0 && rank_zero_leaf(v->expr))) {
            ty_tensor *t = value_materialise(e, v, "result", st->at);
            if (t)
                t->borrowed = true;
            v = t ? value_tensor(e, t, st->values[0]->at) : value_error(e);
        }
    } else {
        v = value_new(e, V_TUPLE, st->at);
        v->count = st->value_count;
        v->items = ARENA_ARRAY(e->arena, value *, v->count + 1);
        for (int i = 0; i < v->count; i++)
            v->items[i] = eval(e, s, st->values[i]);
    }
    e->frame->result = v;
    e->frame->returned = true;
}

static void exec_unpack(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    if (v->kind != V_ERROR &&
        (v->kind != V_TUPLE || v->count != st->name_count))
        v = elab_error(e, DIAG_BAD_ARGUMENT, st->value->at,
                       "%d results are wanted and this is %s",
                       st->name_count, value_text(e, v));
    for (int i = 0; i < st->name_count; i++) {
        ast_stmt one = {.name = st->names[i].text,
                        .name_at = st->names[i].at};
        value *item = v->kind == V_TUPLE ? v->items[i] : v;
        if (!may_define(e, s, &one))
            continue;
        if (item->kind == V_TENSOR)
            rename_borrowed(e, one.name, item->tensor);
        scope_bind(e, s, one.name, item, one.name_at);
    }
}

static void misplaced(elab *e, const ast_stmt *st)
{
    elab_error(e, DIAG_MISPLACED, st->at, "`%s` has no meaning here",
               ast_stmt_kind_text(st->kind));
}

void exec(elab *e, scope *s, const ast_stmt *st)
{
    if (++e->statements > ELAB_MAX_STATEMENTS) {
        if (e->statements == ELAB_MAX_STATEMENTS + 1)
            elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                       "more than %d statements are carried out when this "
                       "program is unrolled",
                       ELAB_MAX_STATEMENTS);
        e->errors++;
        e->frame->returned = true;
        return;
    }
    switch (st->kind) {
    case STMT_DEFINE:
        exec_define(e, s, st);
        return;
    case STMT_DECLARE:
        exec_declare(e, s, st);
        return;
    case STMT_ACCUMULATE:
        exec_accumulate(e, s, st);
        return;
    case STMT_UPDATE:
        exec_update(e, s, st);
        return;
    case STMT_UNPACK:
        exec_unpack(e, s, st);
        return;
    case STMT_RETURN:
        exec_return(e, s, st);
        return;
    case STMT_HYPER:
        exec_hyper(e, s, st->decl, e->frame->key);
        return;
    case STMT_ASSERT:
        exec_assert(e, s, st->decl);
        return;
    case STMT_IF:
        exec_if(e, s, st);
        return;
    case STMT_FOR_RANGE:
        exec_for_range(e, s, st);
        return;
    case STMT_FOR_EACH:
        exec_for_each(e, s, st);
        return;
    case STMT_SCAN:
        elab_error(e, DIAG_NOT_BUILT, st->at, "`scan` is not built yet");
        return;
    default:
        misplaced(e, st);
    }
}
