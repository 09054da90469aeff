/*
 * elab_index.c - subscripts and the ranges of indices, kept boring on purpose.
 *
 * An index gets its range from `in a..b`, from the declared shape on the left,
 * or from bare occurrences, which must all agree. Compound subscripts define
 * nothing: each becomes a check that is proven when its statement has been
 * read and every range is known.
 */
#include "elab_priv.h"
#include <string.h>

void pack_vars(elab *e, pack *p, const char *name, src_range at)
{
    for (int i = 0; i < p->rank; i++) {
        p->vars[i] = ty_var_new(e, arena_printf(e->arena, "%s%d", name, i),
                                p->dims[i], at);
        p->vars[i]->batch = p->rows == i + 1;
    }
}

void var_meets(elab *e, ty_var *v, int64_t size, bool batch, src_range at,
               const ty_tensor *t, int axis)
{
    v->batch |= batch;
    if (v->explicit_range)
        return;
    if (!v->known) {
        v->hi = size;
        v->known = true;
        v->from = at;
        return;
    }
    if (sizes_agree(e, v->hi, size))
        return;
    size_witness(e, v->hi, size);
    elab_error(e, DIAG_RANGE_CONFLICT, at,
               "index %s ranges over %s elsewhere, but axis %d of %s has "
               "size %s; write `%s in 0..%s`, or a subscript such as "
               "`%s + 0`, if that is meant",
               v->name, size_text(e, v->hi), axis, t->name,
               axis_text(e, t, axis), v->name,
               size_text(e, size_exceeds(e, v->hi, size) ? size : v->hi),
               v->name);
    elab_note(e, v->from, "its range of %s comes from here",
              size_text(e, v->hi));
    note_axis(e, t, axis);
}

/* ---------- proofs ---------- */

void check_add(elab *e, ty_expr *read, int axis, src_range at)
{
    bound_check c = {.read = read, .axis = axis, .at = at};
    vec_push(e->arena, &e->checks, c);
}

/* The index values that push an affine form to its end. */
static const char *witness(elab *e, const ty_linear *l, bool low)
{
    ptl_str s = {0};
    for (int i = 0; i < l->count; i++) {
        bool at_low = (l->coefs[i] > 0) == low;
        str_printf(&s, "%s%s=%lld", i ? ", " : " at ", l->vars[i]->name,
                   (long long)(at_low ? l->vars[i]->lo : l->vars[i]->hi - 1));
    }
    return str_keep(&s, e->arena);
}

static void add_term(ptl_str *s, int64_t coef, const char *name)
{
    bool first = s->length == 0;
    int64_t size = coef < 0 ? -coef : coef;
    str_add(s, coef < 0 ? first ? "-" : " - " : first ? "" : " + ");
    if (!name)
        str_printf(s, "%lld", (long long)size);
    else if (size == 1)
        str_add(s, name);
    else
        str_printf(s, "%s*%lld", name, (long long)size);
}

/* As a person would write it: p*2 + r - 1. */
static const char *index_text(elab *e, const ty_linear *l)
{
    ptl_str s = {0};
    for (int i = 0; i < l->count; i++)
        add_term(&s, l->coefs[i], l->vars[i]->name);
    if (l->rest) {
        str_add(&s, s.length ? " + " : "");
        typed_print_expr(l->rest, &s);
    }
    if (l->constant || s.length == 0)
        add_term(&s, l->constant, NULL);
    return str_keep(&s, e->arena);
}

static bool ranges_known(elab *e, const ty_linear *l)
{
    for (int i = 0; i < l->count; i++) {
        if (l->vars[i]->known)
            continue;
        elab_error(e, DIAG_RANGE_UNKNOWN, l->vars[i]->at,
                   "nothing says over what %s ranges; write `%s in 0..K`, or "
                   "use it bare as a subscript",
                   l->vars[i]->name, l->vars[i]->name);
        return false;
    }
    return true;
}

static bool box_is_empty(const ty_linear *l)
{
    for (int i = 0; i < l->count; i++)
        if (l->vars[i]->hi <= l->vars[i]->lo)
            return true;
    return false;
}

void say_unbounded(elab *e, const bound_check *c)
{
    const ty_tensor *t = c->read->tensor;
    elab_error(e, DIAG_NOT_PROVEN, c->at,
               "nothing bounds this subscript of %s, whose axis %d has size "
               "%s; declare the integer as idx(%s), or write clamp(...) or "
               "wrap(...)",
               t->name, c->axis, axis_text(e, t, c->axis),
               size_text(e, t->dims[c->axis]));
    note_axis(e, t, c->axis);
}

void say_outside(elab *e, const bound_check *c, const char *index,
                 const char *reached, const char *point)
{
    const ty_tensor *t = c->read->tensor;
    const char *size = axis_text(e, t, c->axis);
    if (index)
        elab_error(e, DIAG_OUT_OF_BOUNDS, c->at,
                   "axis %d of %s has size %s; %s reaches %s%s; add `else 0` "
                   "or shrink the range",
                   c->axis, t->name, size, index, reached, point);
    else
        elab_error(e, DIAG_OUT_OF_BOUNDS, c->at,
                   "axis %d of %s has size %s and this subscript is %s",
                   c->axis, t->name, size, reached);
    note_axis(e, t, c->axis);
}

static bool prove(elab *e, const bound_check *c)
{
    ty_expr *index = c->read->subs[c->axis].index;
    ty_linear l = ty_linearise(e->arena, index);
    int64_t low, high;
    if (!ranges_known(e, &l))
        return false;
    if (e->generic)
        return generic_prove(e, c);
    if (box_is_empty(&l))
        return true;
    if (!ty_interval(e->arena, index, &low, &high)) {
        say_unbounded(e, c);
        return false;
    }
    if (low >= 0 && high < c->read->tensor->dims[c->axis])
        return true;
    say_outside(e, c, l.count || l.rest ? index_text(e, &l) : NULL,
                size_text(e, low < 0 ? low : high), witness(e, &l, low < 0));
    return false;
}

bool checks_run(elab *e, int mark)
{
    bool good = true;
    for (int i = mark; i < e->checks.count; i++)
        good &= prove(e, &e->checks.data[i]);
    e->checks.count = mark;
    return good;
}

/* ---------- packs in subscripts ---------- */

/* The indices of `..name`; a pack nothing has sized yet takes `left` axes. */
static pack *pack_in_subscript(elab *e, scope *s, const ast_sub *sub,
                               const ty_tensor *t, int axis, int left)
{
    binding *b = scope_find(s, pack_key(e, sub->name));
    pack *p;
    if (!b || b->value->kind != V_PACK) {
        elab_error(e, DIAG_UNKNOWN_NAME, sub->at,
                   "no pack is called `..%s` here", sub->name);
        return NULL;
    }
    p = b->value->pack;
    if (!p->has_vars) {
        elab_error(e, DIAG_UNBOUND_INDEX, sub->at,
                   "`..%s` is neither on the left nor bound by a reduction; "
                   "did you mean sum(..%s)?",
                   sub->name, sub->name);
        return NULL;
    }
    if (p->rank < 0) {
        p->rank = left > 0 ? left : 0;
        for (int i = 0; i < p->rank; i++) {
            p->vars[i] = ty_var_new(
                e, arena_printf(e->arena, "%s%d", sub->name, i), -1, sub->at);
            p->dims[i] = t->dims[axis + i];
        }
    }
    return p;
}

static int rank_of_subs(elab *e, scope *s, const ast_sub *subs, int count,
                        int *unknown)
{
    int rank = 0;
    *unknown = 0;
    for (int i = 0; i < count; i++) {
        binding *b;
        if (!subs[i].is_pack) {
            rank++;
            continue;
        }
        b = scope_find(s, pack_key(e, subs[i].name));
        if (b && b->value->kind == V_PACK && b->value->pack->rank >= 0)
            rank += b->value->pack->rank;
        else
            ++*unknown;
    }
    return rank;
}

/* ---------- one subscript ---------- */

static bool mode_of(const char *name, ty_sub_mode *mode)
{
    static const struct {
        const char *name;
        ty_sub_mode mode;
    } modes[] = {
        {"clamp", TY_CLAMP}, {"wrap", TY_WRAP}, {"reflect", TY_REFLECT}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (!strcmp(modes[i].name, name)) {
            *mode = modes[i].mode;
            return true;
        }
    }
    return false;
}

static ty_expr *subscript_value(elab *e, scope *s, const ast_expr *x)
{
    value *v;
    ty_expr *index;
    e->subscript_depth++;
    v = eval(e, s, x);
    e->subscript_depth--;
    index = value_scalar_expr(e, v, x->at);
    if (index && index->type != TY_INT) {
        elab_error(e, DIAG_TYPE_MISMATCH, x->at,
                   "a subscript is an integer and this is %s",
                   ty_kind_text(index->type));
        return NULL;
    }
    return index;
}

static bool one_sub(elab *e, scope *s, const ast_expr *x, ty_sub *out)
{
    out->mode = TY_PLAIN;
    if (x->kind == EXPR_CALL && x->a->kind == EXPR_NAME && x->count == 1 &&
        !x->args[0].name && mode_of(x->a->name, &out->mode))
        x = x->args[0].expr;
    out->index = subscript_value(e, s, x);
    return out->index != NULL;
}

/* Fields may be parts of one another, as a text and the same text one further
 * on: what one reads to its end another may leave before. */
static bool stops_short(elab *e, const ty_tensor *t, int axis, const ty_var *v)
{
    return t->role == TY_RAW && v->known && v->hi < t->dims[axis] &&
           raw_read_to_end(e, t, axis);
}

static void axis_meets(elab *e, ty_tensor *t, int axis, const ty_sub *sub,
                       bool defines, src_range at)
{
    const ty_expr *x = sub->index;
    bool batch = t->batch_axis == axis;
    if (x->kind != TY_VAR || sub->mode != TY_PLAIN)
        return;
    if (defines && !stops_short(e, t, axis, x->var))
        var_meets(e, x->var, t->dims[axis], batch, at, t, axis);
    else
        x->var->batch |= batch;
}

ty_sub *eval_subs(elab *e, scope *s, const ast_sub *subs, int count,
                  ty_tensor *t, ty_var *record, bool defines, src_range at)
{
    ty_sub *out = ARENA_ARRAY(e->arena, ty_sub, t->rank + 1);
    int axis = 0, unknown, left;
    bool good = true;
    if (record)
        out[axis++].index = tx_var(e, record, at);
    left = t->rank - axis - rank_of_subs(e, s, subs, count, &unknown);
    if (unknown ? left < 0 || unknown > 1 : left != 0) {
        elab_error(e, DIAG_RANK_MISMATCH, at, "%s has %d %s, and %d %s given",
                   t->name, t->rank - axis,
                   t->rank - axis == 1 ? "axis" : "axes", t->rank - axis - left,
                   t->rank - axis - left == 1 ? "subscript is"
                                              : "subscripts are");
        elab_note(e, t->at, "%s has shape %s", t->name,
                  dims_text(e, t->dims + axis, t->rank - axis));
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (subs[i].is_pack) {
            pack *p = pack_in_subscript(e, s, &subs[i], t, axis, left);
            if (!p || axis + p->rank > t->rank)
                return NULL;
            for (int j = 0; j < p->rank; j++, axis++) {
                out[axis].index = tx_var(e, p->vars[j], subs[i].at);
                axis_meets(e, t, axis, &out[axis], defines, subs[i].at);
            }
            continue;
        }
        if (one_sub(e, s, subs[i].expr, &out[axis]))
            axis_meets(e, t, axis, &out[axis], defines, subs[i].at);
        else
            good = false;
        axis++;
    }
    if (good && scan_is_open(e, t))
        good = scan_reads(e, t, out, at);
    return good ? out : NULL;
}

/* ---------- reads ---------- */

static value *list_item(elab *e, scope *s, const value *list, const ast_expr *x)
{
    int64_t i;
    value *v;
    if (x->count != 1 || x->subs[0].is_pack)
        return elab_error(e, DIAG_RANK_MISMATCH, x->at,
                          "one number chooses among %d", list->count);
    e->subscript_depth++;
    v = eval(e, s, x->subs[0].expr);
    e->subscript_depth--;
    if (!value_want_int(e, v, "what chooses one", &i))
        return value_error(e);
    i = size_counted(e, i);
    if (i < 0 || i >= list->count)
        return elab_error(e, DIAG_OUT_OF_BOUNDS, x->subs[0].at,
                          "there are %d and this is number %lld, counted "
                          "from 0",
                          list->count, (long long)i);
    return list->items[i];
}

static bool all_static(const ast_expr *x)
{
    return x->count == 1 && !x->subs[0].is_pack;
}

static void add_checks(elab *e, ty_expr *read, const ast_expr *x)
{
    for (int axis = 0; axis < read->count; axis++) {
        if (read->subs[axis].mode != TY_PLAIN)
            continue;
        if (read->outside)
            continue;
        if (scan_is_open(e, read->tensor) && axis == read->tensor->time)
            continue; /* scan_reads() saw to it */
        check_add(e, read, axis, x->at);
    }
}

/* A raw field whose shape the files have not told yet takes it from its
 * subscripts; see elab_data.c. */
static bool only_a_pack(const ast_expr *x)
{
    return x->count == 1 && x->subs[0].is_pack;
}

static bool is_scalar(const value *v)
{
    return v->kind == V_TENSOR ? v->tensor->rank == 0
                               : v->kind == V_EXPR && v->rank == 0;
}

/* A number under a pack alone: the pack stands for no axes. */
static bool empty_pack(elab *e, scope *s, const ast_expr *x)
{
    binding *b = scope_find(s, pack_key(e, x->subs[0].name));
    pack *p = b && b->value->kind == V_PACK ? b->value->pack : NULL;
    if (p && p->rank < 0)
        p->rank = 0;
    if (p && p->rank == 0)
        return true;
    elab_error(e, DIAG_RANK_MISMATCH, x->at,
               "this is a single number and takes no subscripts");
    return false;
}

value *eval_index(elab *e, scope *s, const ast_expr *x)
{
    value *base;
    ty_tensor *t;
    ty_expr *outside = NULL, *read;
    ty_sub *subs;
    ty_var *record = NULL;
    if (x->a->kind == EXPR_NAME &&
        (!strcmp(x->a->name, "size") || !strcmp(x->a->name, "flat")) &&
        !scope_find(s, x->a->name))
        return eval_pack_function(e, s, x);
    base =
        x->a->kind == EXPR_NAME ? lookup_indexed(e, s, x->a) : eval(e, s, x->a);
    if (base->kind == V_INSTANCES)
        return list_item(e, s, base, x);
    if (base->kind == V_LIST && all_static(x) &&
        x->subs[0].expr->kind == EXPR_INT)
        return list_item(e, s, base, x);
    if (base->kind == V_TENSOR && base->var)
        record = base->var;
    if (base->kind == V_ERROR)
        return base;
    if (is_scalar(base) && only_a_pack(x))
        return empty_pack(e, s, x) ? base : value_error(e);
    if (value_is_number(base) && base->kind != V_LIST && value_rank(base) == 0)
        return elab_error(e, DIAG_RANK_MISMATCH, x->at,
                          "this is a single number and takes no subscripts");
    t = record ? base->tensor : value_materialise(e, base, "part", x->a->at);
    if (!t)
        return value_error(e);
    if (!record)
        record = t->hidden;
    if (x->b) {
        outside = value_scalar_expr(e, eval(e, s, x->b), x->b->at);
        if (!outside)
            return value_error(e);
    }
    subs = eval_subs(e, s, x->subs, x->count, t, record, !x->b, x->at);
    if (!subs)
        return value_error(e);
    if (outside && outside->type != t->kind) {
        if (t->kind != TY_REAL || outside->type != TY_INT)
            return elab_error(e, DIAG_TYPE_MISMATCH, x->b->at,
                              "the tensor holds %s and this value is %s",
                              ty_kind_text(t->kind),
                              ty_kind_text(outside->type));
        outside = tx_to(e, TY_REAL, outside);
    }
    read = tx_read(e, t, subs, outside, x->at);
    add_checks(e, read, x);
    return value_scalar(e, read, x->at);
}

value *eval_inside(elab *e, scope *s, const ast_expr *x)
{
    const ast_expr *in = x->args[0].expr;
    value *base;
    ty_tensor *t;
    ty_sub *subs;
    ty_expr *y;
    if (in->kind != EXPR_INDEX)
        return elab_error(e, DIAG_BAD_ARGUMENT, in->at,
                          "inside wants a read such as inside(x[i - 1])");
    base = eval(e, s, in->a);
    t = base->kind == V_TENSOR ? base->tensor
                               : value_materialise(e, base, "part", in->at);
    if (!t)
        return value_error(e);
    subs = eval_subs(e, s, in->subs, in->count, t,
                     base->var ? base->var : t->hidden, false, in->at);
    if (!subs)
        return value_error(e);
    y = tx_read(e, t, subs, NULL, x->at);
    y->kind = TY_INSIDE;
    y->type = TY_BOOL;
    return value_scalar(e, y, x->at);
}

/* ---------- size[..k] and flat[..k] ---------- */

static value *flat_position(elab *e, const pack *p, src_range at)
{
    ty_expr *x = NULL;
    int64_t stride = 1;
    for (int i = p->rank - 1; i >= 0; i--) {
        ty_expr *term = tx_op2(e, TY_MUL_OP, tx_var(e, p->vars[i], at),
                               tx_int(e, stride, at), at);
        x = x ? tx_op2(e, TY_ADD_OP, term, x, at) : term;
        if (!size_times(e, stride, p->dims[i], &stride))
            return overflowed(e, at), value_error(e);
    }
    return value_scalar(e, x ? x : tx_int(e, 0, at), at);
}

value *eval_pack_function(elab *e, scope *s, const ast_expr *x)
{
    binding *b;
    const pack *p;
    int64_t n = 1;
    bool flat = !strcmp(x->a->name, "flat");
    if (x->count != 1 || !x->subs[0].is_pack)
        return elab_error(e, DIAG_BAD_ARGUMENT, x->at,
                          "%s wants one pack: `%s[..k]`", x->a->name,
                          x->a->name);
    b = scope_find(s, pack_key(e, x->subs[0].name));
    if (!b || b->value->kind != V_PACK || b->value->pack->rank < 0)
        return elab_error(e, DIAG_UNKNOWN_NAME, x->subs[0].at,
                          "no pack with known sizes is called `..%s` here",
                          x->subs[0].name);
    p = b->value->pack;
    if (flat && !p->has_vars)
        return elab_error(e, DIAG_UNBOUND_INDEX, x->subs[0].at,
                          "`..%s` is neither on the left nor bound by a "
                          "reduction",
                          x->subs[0].name);
    if (flat)
        return flat_position(e, p, x->at);
    for (int i = 0; i < p->rank; i++)
        if (!size_times(e, n, p->dims[i], &n))
            return overflowed(e, x->at), value_error(e);
    return value_int(e, n, x->at);
}
