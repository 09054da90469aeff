/*
 * elab_builtin.c - functions the language gives: the scalar functions (which
 * go element by element over tensors), random values, stop, close, size.
 */
#include "elab_priv.h"
#include <math.h>
#include <string.h>

static int scalar_function(const char *name)
{
    for (int op = 0; op < TY_OP_COUNT; op++) {
        const char *text = ty_op_text((ty_op)op);
        bool word = (text[0] >= 'a' && text[0] <= 'z');
        if (word && !strcmp(text, name))
            return op;
    }
    return -1;
}

static const char *const others[] = {
    "uniform", "normal", "bernoulli", "ceil_div", "close", "inside",
    "clamp",   "wrap",   "reflect",   "size",     "rank",  "across_params"};

const char *builtin_name(int index)
{
    int count = (int)(sizeof others / sizeof *others);
    if (index < count)
        return others[index];
    for (int op = 0; op < TY_OP_COUNT; op++) {
        const char *text = ty_op_text((ty_op)op);
        if (text[0] >= 'a' && text[0] <= 'z' && index-- == count)
            return text;
    }
    return NULL;
}

bool is_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(others[i], name))
            return true;
    return scalar_function(name) >= 0;
}

static bool all_positional(const ast_expr *call)
{
    for (int i = 0; i < call->count; i++)
        if (call->args[i].name)
            return false;
    return true;
}

/* A declaration of the same name may take what the builtin does not. */
static value *wrong_count(elab *e, const ast_expr *call, int wanted)
{
    if (module_decl(e->frame->module, call->a->name))
        return NULL;
    return elab_error(e, DIAG_BAD_ARGUMENT, call->at,
                      "`%s` takes %d argument%s and %d %s given", call->a->name,
                      wanted, wanted == 1 ? "" : "s", call->count,
                      call->count == 1 ? "is" : "are");
}

static value *scalar_call(elab *e, scope *s, const ast_expr *call, ty_op op)
{
    value *args[3];
    int arity = ty_op_arity(op);
    if (call->count != arity || !all_positional(call))
        return wrong_count(e, call, arity);
    for (int i = 0; i < arity; i++) {
        args[i] = eval(e, s, call->args[i].expr);
        if (args[i]->kind == V_ERROR)
            return args[i];
    }
    return elementwise(e, op, args, arity, call->at);
}

static value *draw(elab *e, ty_random kind, src_range at)
{
    return value_scalar(e, tx_random(e, kind, site_next(e), at), at);
}

static value *random_call(elab *e, scope *s, const ast_expr *call)
{
    bool bernoulli = !strcmp(call->a->name, "bernoulli");
    value *args[2];
    if (call->count != bernoulli || !all_positional(call))
        return wrong_count(e, call, bernoulli);
    if (!bernoulli)
        return draw(e,
                    !strcmp(call->a->name, "normal") ? TY_NORMAL : TY_UNIFORM,
                    call->at);
    args[1] = eval(e, s, call->args[0].expr);
    if (args[1]->kind == V_ERROR)
        return args[1];
    args[0] = draw(e, TY_UNIFORM, call->at);
    return elementwise(e, TY_LT_OP, args, 2, call->at);
}

static value *ceil_div(elab *e, scope *s, const ast_expr *call)
{
    int64_t a, b, q;
    if (call->count != 2 || !all_positional(call))
        return wrong_count(e, call, 2);
    if (!eval_int(e, s, call->args[0].expr, "an operand of ceil_div", &a) ||
        !eval_int(e, s, call->args[1].expr, "an operand of ceil_div", &b))
        return value_error(e);
    if (size_number(e, b) <= 0 || a == INT64_MIN)
        return elab_error(e, DIAG_OVERFLOW, call->at,
                          "ceil_div wants a positive divisor");
    q = size_number(e, a) / size_number(e, b);
    q += size_number(e, a) % size_number(e, b) > 0;
    return value_int(e, size_ceil_div(e, a, b, q), call->at);
}

static value *size_call(elab *e, scope *s, const ast_expr *call)
{
    value *v;
    int64_t dims[PTL_MAX_RANK], axis;
    if (call->count != 2 || !all_positional(call))
        return wrong_count(e, call, 2);
    v = value_settle(e, eval(e, s, call->args[0].expr));
    if (v->kind == V_ERROR ||
        !eval_number(e, s, call->args[1].expr, "an axis", &axis))
        return value_error(e);
    if (!value_is_number(v) || axis < 0 || axis >= value_rank(v))
        return elab_error(e, DIAG_RANK_MISMATCH, call->at,
                          "%s has no axis %lld", value_text(e, v),
                          (long long)axis);
    value_dims(v, dims);
    return value_int(e, dims[axis], call->at);
}

static value *rank_call(elab *e, scope *s, const ast_expr *call)
{
    value *v;
    if (call->count != 1 || !all_positional(call))
        return wrong_count(e, call, 1);
    v = value_settle(e, eval(e, s, call->args[0].expr));
    if (v->kind == V_ERROR)
        return v;
    if (!value_is_number(v))
        return elab_error(e, DIAG_TYPE_MISMATCH, call->at,
                          "a tensor has a rank, and this is %s",
                          value_text(e, v));
    return value_int(e, value_rank(v), call->at);
}

/* ---------- close ---------- */

static ty_expr *near(elab *e, ty_expr *a, ty_expr *b, double tol, src_range at)
{
    ty_expr *d = tx_op2(e, TY_SUB_OP, a, b, at), *m = b, *limit;
    d = tx_op(e, TY_ABS_OP, &d, at);
    m = tx_op(e, TY_ABS_OP, &m, at);
    limit = tx_op2(e, TY_MUL_OP, tx_real(e, tol, at),
                   tx_op2(e, TY_ADD_OP, tx_real(e, 1.0, at), m, at), at);
    return tx_op2(e, TY_OR_OP, tx_op2(e, TY_EQ_OP, a, b, at),
                  tx_op2(e, TY_LE_OP, d, limit, at), at);
}

static ty_tensor *as_real(elab *e, value *v, const char *name, src_range at)
{
    v = elementwise(e, TY_REAL_OP, &v, 1, at);
    return v->kind == V_ERROR ? NULL : value_materialise(e, v, name, at);
}

/* |a - b| <= tol * (1 + |b|) for every element. */
value *eval_close(elab *e, scope *s, const ast_expr *call, typed_expect *out)
{
    ty_tensor *t[2];
    ty_var *vars[PTL_MAX_RANK];
    ty_expr *x;
    int wide;
    if (call->count != 3 || !all_positional(call))
        return wrong_count(e, call, 3);
    for (int i = 0; i < 2; i++) {
        value *v = value_settle(e, eval(e, s, call->args[i].expr));
        if (v->kind == V_ERROR)
            return v;
        if (value_elem(v) == TY_BOOL)
            return elab_error(e, DIAG_TYPE_MISMATCH, call->args[i].expr->at,
                              "close compares numbers and this is %s; write "
                              "`real(...)` around it",
                              value_text(e, v));
        t[i] = as_real(e, v, i ? "wanted" : "got", call->args[i].expr->at);
        if (!t[i])
            return value_error(e);
    }
    if (!value_want_real(e, eval(e, s, call->args[2].expr), "a tolerance",
                         &out->tolerance))
        return value_error(e);
    wide = t[0]->rank ? 0 : 1;
    if (t[0]->rank && t[1]->rank &&
        (t[0]->rank != t[1]->rank ||
         !dims_agree(e, t[0]->dims, t[1]->dims, t[0]->rank)))
        return elab_error(e, DIAG_SHAPE_MISMATCH, call->at,
                          "close compares shape %s with shape %s",
                          dims_text(e, t[0]->dims, t[0]->rank),
                          dims_text(e, t[1]->dims, t[1]->rank));
    for (int i = 0; i < t[wide]->rank; i++)
        vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i),
                             t[wide]->dims[i], call->at);
    x = near(e, tx_read_vars(e, t[0], vars, call->at),
             tx_read_vars(e, t[1], vars, call->at), out->tolerance, call->at);
    if (t[wide]->rank && x)
        x = tx_reduce(e, RED_ALL, vars, t[wide]->rank, NULL, x, call->at);
    out->a = t[0];
    out->b = t[1];
    return value_scalar(e, x, call->at);
}

/* How values, which have no axis, are brought into a range. */
static const char *value_form(const char *name)
{
    return !strcmp(name, "clamp")
               ? "; for values write `minimum(maximum(i, low), high)`"
           : !strcmp(name, "wrap") ? "; for values write `i % n`"
                                   : "";
}

value *eval_builtin(elab *e, scope *s, const ast_expr *call)
{
    const char *name = call->a->name;
    int op = scalar_function(name);
    typed_expect unused = {0};
    if (op >= 0)
        return scalar_call(e, s, call, (ty_op)op);
    if (!strcmp(name, "ceil_div"))
        return ceil_div(e, s, call);
    if (!strcmp(name, "size"))
        return size_call(e, s, call);
    if (!strcmp(name, "rank"))
        return rank_call(e, s, call);
    if (!strcmp(name, "close"))
        return eval_close(e, s, call, &unused);
    if (!strcmp(name, "inside") && call->count == 1)
        return eval_inside(e, s, call);
    if (!strcmp(name, "across_params"))
        return eval_across(e, call);
    if (!strcmp(name, "uniform") || !strcmp(name, "normal") ||
        !strcmp(name, "bernoulli"))
        return random_call(e, s, call);
    return elab_error(e, DIAG_MISPLACED, call->at,
                      "`%s` stands as a whole subscript only: x[%s(i + 1)]%s",
                      name, name, value_form(name));
}
