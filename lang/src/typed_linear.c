/*
 * typed_linear.c - the affine form of an integer expression.
 *
 * Built from the parts up, each shared part once. What is neither a sum nor a
 * product with a number counts as one piece, and so does what would not fit
 * into 64 bits.
 */
#include "linear_priv.h"

static bool is_number(const ty_expr *x)
{
    return x->kind == TY_CONST && x->type == TY_INT;
}

static bool add_term(linear_walk *w, form *f, term t, int64_t by)
{
    if (__builtin_mul_overflow(t.coef, by, &t.coef))
        return false;
    for (int i = 0; i < f->terms.count; i++) {
        term *same = &f->terms.data[i];
        if (same->var == t.var && same->piece == t.piece)
            return !__builtin_add_overflow(same->coef, t.coef, &same->coef);
    }
    vec_push(w->arena, &f->terms, t);
    return true;
}

static bool add_form(linear_walk *w, form *f, const form *more, int64_t by)
{
    int64_t constant;
    if (__builtin_mul_overflow(more->constant, by, &constant) ||
        __builtin_add_overflow(f->constant, constant, &f->constant))
        return false;
    for (int i = 0; i < more->terms.count; i++)
        if (!add_term(w, f, more->terms.data[i], by))
            return false;
    return true;
}

static bool add_part(linear_walk *w, form *f, ty_expr *x, int64_t by)
{
    return add_form(w, f, linear_form(w, x), by);
}

static bool read_op(linear_walk *w, form *f, const ty_expr *x)
{
    int number;
    switch (x->op) {
    case TY_ADD_OP:
    case TY_SUB_OP:
        return add_part(w, f, x->args[0], 1) &&
               add_part(w, f, x->args[1], x->op == TY_ADD_OP ? 1 : -1);
    case TY_NEG_OP:
        return add_part(w, f, x->args[0], -1);
    case TY_MUL_OP:
        number = is_number(x->args[0]) ? 0 : 1;
        return is_number(x->args[number]) &&
               add_part(w, f, x->args[1 - number],
                        (int64_t)x->args[number]->number);
    default:
        return false;
    }
}

static bool read_form(linear_walk *w, form *f, ty_expr *x)
{
    if (is_number(x)) {
        f->constant = (int64_t)x->number;
        return true;
    }
    if (x->kind == TY_VAR)
        return add_term(w, f, (term){.var = x->var, .coef = 1}, 1);
    return x->kind == TY_OP && read_op(w, f, x);
}

const form *linear_form(linear_walk *w, ty_expr *x)
{
    form *f = memo_get(&w->forms, x);
    if (f)
        return f;
    f = ARENA_NEW(w->arena, form);
    if (!read_form(w, f, x)) {
        *f = (form){0};
        add_term(w, f, (term){.piece = x, .coef = 1}, 1);
    }
    memo_put(&w->forms, x, f);
    return f;
}

/* ---------- as it is given out ---------- */

static ty_expr *int_op(ptl_arena *arena, ty_op op, ty_expr *a, ty_expr *b)
{
    ty_expr *x = ARENA_NEW(arena, ty_expr);
    *x = (ty_expr){
        .kind = TY_OP, .type = TY_INT, .at = a->at, .op = op, .count = 2};
    x->args = ARENA_ARRAY(arena, ty_expr *, 2);
    x->args[0] = a;
    x->args[1] = b;
    return x;
}

static ty_expr *int_const(ptl_arena *arena, int64_t i, src_range at)
{
    ty_expr *x = ARENA_NEW(arena, ty_expr);
    *x = (ty_expr){
        .kind = TY_CONST, .type = TY_INT, .at = at, .number = (double)i};
    return x;
}

static void add_piece(ptl_arena *arena, ty_linear *out, term t)
{
    ty_expr *x = t.piece;
    if (t.coef != 1)
        x = int_op(arena, TY_MUL_OP, x, int_const(arena, t.coef, x->at));
    out->rest = out->rest ? int_op(arena, TY_ADD_OP, out->rest, x) : x;
}

ty_linear ty_linearise(ptl_arena *arena, ty_expr *index)
{
    linear_walk w = {.arena = arena};
    const form *f = linear_form(&w, index);
    ty_linear out = {.constant = f->constant};
    out.vars = ARENA_ARRAY(arena, ty_var *, f->terms.count + 1);
    out.coefs = ARENA_ARRAY(arena, int64_t, f->terms.count + 1);
    for (int i = 0; i < f->terms.count; i++) {
        term t = f->terms.data[i];
        if (t.coef == 0)
            continue;
        if (!t.var) {
            add_piece(arena, &out, t);
            continue;
        }
        out.vars[out.count] = t.var;
        out.coefs[out.count++] = t.coef;
    }
    memo_fini(&w.forms);
    return out;
}
