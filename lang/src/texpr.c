/*
 * texpr.c - makes typed scalar expressions, converting operands as the
 * language says: literals and bool adapt to real, idx to int.
 */
#include "base/memo.h"
#include "elab_priv.h"
#include <math.h>

static ty_expr *tx_new(elab *e, ty_expr_kind kind, ty_kind type, src_range at)
{
    ty_expr *x = ARENA_NEW(e->arena, ty_expr);
    x->kind = kind;
    x->type = type;
    x->at = at;
    x->depth = 1;
    return x;
}

static void deepen(ty_expr *x, const ty_expr *part)
{
    if (part && part->depth >= x->depth)
        x->depth = part->depth + 1;
}

/* Scalars of an inlined function are not named, so a chain of them is one
 * expression. */
static ty_expr *not_too_deep(elab *e, ty_expr *x)
{
    if (x->depth <= TY_MAX_DEPTH)
        return x;
    elab_error(e, DIAG_INTERNAL_LIMIT, x->at,
               "this expression is more than %d operations deep once "
               "functions are inlined; name a part of it as a tensor",
               TY_MAX_DEPTH);
    return NULL;
}

ty_expr *tx_int(elab *e, int64_t i, src_range at)
{
    ty_expr *x = tx_new(e, TY_CONST, TY_INT, at);
    x->number = (double)i;
    return x;
}

ty_expr *tx_real(elab *e, double r, src_range at)
{
    ty_expr *x = tx_new(e, TY_CONST, TY_REAL, at);
    x->number = r;
    return x;
}

ty_expr *tx_bool(elab *e, bool b, src_range at)
{
    ty_expr *x = tx_new(e, TY_CONST, TY_BOOL, at);
    x->number = b;
    return x;
}

ty_expr *tx_var(elab *e, ty_var *v, src_range at)
{
    ty_expr *x = tx_new(e, TY_VAR, TY_INT, at);
    x->var = v;
    return x;
}

ty_expr *tx_read(elab *e, ty_tensor *t, ty_sub *subs, ty_expr *outside,
                 src_range at)
{
    ty_expr *x = tx_new(e, TY_READ, t->kind, at);
    x->tensor = t;
    x->subs = subs;
    x->count = t->rank;
    x->outside = outside;
    for (int i = 0; i < x->count; i++)
        deepen(x, subs[i].index);
    deepen(x, outside);
    return x;
}

ty_expr *tx_read_vars(elab *e, ty_tensor *t, ty_var **vars, src_range at)
{
    ty_sub *subs = ARENA_ARRAY(e->arena, ty_sub, t->rank + 1);
    for (int i = 0; i < t->rank; i++)
        subs[i].index = tx_var(e, vars[i], at);
    return tx_read(e, t, subs, NULL, at);
}

ty_expr *tx_to(elab *e, ty_kind kind, ty_expr *x)
{
    ty_expr *y;
    if (x->type == kind)
        return x;
    if (x->kind == TY_CONST && kind == TY_REAL)
        return tx_real(e, x->number, x->at);
    y = tx_new(e, TY_OP, kind, x->at);
    y->op = kind == TY_REAL ? TY_REAL_OP : TY_INT_OP;
    y->args = ARENA_NEW(e->arena, ty_expr *);
    y->args[0] = x;
    y->count = 1;
    deepen(y, x);
    return y;
}

/* The common kind of operands that must agree; reports what cannot. */
static bool meet(elab *e, ty_op op, ty_expr **args, int from, int count,
                 ty_kind *kind)
{
    *kind = TY_INT;
    for (int i = from; i < count; i++) {
        if (args[i]->type == TY_BOOL) {
            elab_error(e, DIAG_TYPE_MISMATCH, args[i]->at,
                       "`%s` wants numbers and this is a bool; write "
                       "`real(...)` to count it as 0 or 1",
                       ty_op_text(op));
            return false;
        }
        if (args[i]->type == TY_REAL)
            *kind = TY_REAL;
    }
    for (int i = from; i < count; i++)
        args[i] = tx_to(e, *kind, args[i]);
    return true;
}

static bool want_bool(elab *e, ty_op op, ty_expr **args, int count)
{
    for (int i = 0; i < count; i++) {
        if (args[i]->type == TY_BOOL)
            continue;
        elab_error(e, DIAG_TYPE_MISMATCH, args[i]->at,
                   "`%s` wants a bool and this is %s; compare it with "
                   "something",
                   ty_op_text(op), ty_kind_text(args[i]->type));
        return false;
    }
    return true;
}

static bool want_int(elab *e, ty_op op, ty_expr **args, int count)
{
    for (int i = 0; i < count; i++) {
        if (args[i]->type == TY_INT)
            continue;
        elab_error(e, DIAG_TYPE_MISMATCH, args[i]->at,
                   "`%s` wants integers and this is %s", ty_op_text(op),
                   ty_kind_text(args[i]->type));
        return false;
    }
    return true;
}

/* Bools may be compared for equality with each other. */
static bool prepare_compare(elab *e, ty_op op, ty_expr **args)
{
    ty_kind kind;
    if ((op == TY_EQ_OP || op == TY_NE_OP) && args[0]->type == TY_BOOL &&
        args[1]->type == TY_BOOL) {
        args[0] = tx_to(e, TY_INT, args[0]);
        args[1] = tx_to(e, TY_INT, args[1]);
        return true;
    }
    return meet(e, op, args, 0, 2, &kind);
}

static bool prepare_select(elab *e, ty_expr **args, ty_kind *kind)
{
    if (!want_bool(e, TY_SELECT_OP, args, 1))
        return false;
    if (args[1]->type == TY_BOOL && args[2]->type == TY_BOOL) {
        *kind = TY_BOOL;
        return true;
    }
    return meet(e, TY_SELECT_OP, args, 1, 3, kind);
}

static const char results[] = {
#define SCALAR(name, arity, result, text) #result[0],
#include "lang/scalar.def"
#undef SCALAR
    'S',
};

/* Brings operands to the kinds `op` takes; the result's kind. */
static bool prepare(elab *e, ty_op op, ty_expr **args, int count, ty_kind *kind)
{
    switch (op) {
    case TY_AND_OP:
    case TY_OR_OP:
    case TY_NOT_OP:
        *kind = TY_BOOL;
        return want_bool(e, op, args, count);
    case TY_IDIV_OP:
    case TY_MOD_OP:
        *kind = TY_INT;
        return want_int(e, op, args, count);
    case TY_SELECT_OP:
        return prepare_select(e, args, kind);
    case TY_REAL_OP:
        *kind = TY_REAL;
        return true;
    case TY_INT_OP:
        *kind = TY_INT;
        return true;
    default:
        break;
    }
    if (results[op] == 'B') {
        *kind = TY_BOOL;
        return prepare_compare(e, op, args);
    }
    if (!meet(e, op, args, 0, count, kind))
        return false;
    if (results[op] == 'R') {
        for (int i = 0; i < count; i++)
            args[i] = tx_to(e, TY_REAL, args[i]);
        *kind = TY_REAL;
    }
    return true;
}

ty_expr *tx_op(elab *e, ty_op op, ty_expr **args, src_range at)
{
    int count = ty_op_arity(op);
    ty_kind kind;
    ty_expr *x;
    for (int i = 0; i < count; i++)
        if (!args[i])
            return NULL;
    if (!prepare(e, op, args, count, &kind))
        return NULL;
    if ((op == TY_REAL_OP || op == TY_INT_OP) && args[0]->type == kind)
        return args[0];
    x = tx_new(e, TY_OP, kind, at);
    x->op = op;
    x->args = ARENA_ARRAY(e->arena, ty_expr *, count);
    for (int i = 0; i < count; i++) {
        x->args[i] = args[i];
        deepen(x, args[i]);
    }
    x->count = count;
    return not_too_deep(e, x);
}

ty_expr *tx_op2(elab *e, ty_op op, ty_expr *a, ty_expr *b, src_range at)
{
    ty_expr *args[2] = {a, b};
    return tx_op(e, op, args, at);
}

ty_expr *tx_random(elab *e, ty_random kind, const char *site, src_range at)
{
    ty_expr *x = tx_new(e, TY_RANDOM, TY_REAL, at);
    x->random = kind;
    x->site = site;
    return x;
}

static bool reduce_kind(elab *e, ast_reduction r, ty_expr **body, ty_kind *kind)
{
    switch (r) {
    case RED_ANY:
    case RED_ALL:
        *kind = TY_BOOL;
        if ((*body)->type == TY_BOOL)
            return true;
        elab_error(e, DIAG_TYPE_MISMATCH, (*body)->at,
                   "`%s` wants a bool and this is %s; a reduction's body is "
                   "a term: write `%s(...) (a > b)` with parentheses",
                   ast_reduction_text(r), ty_kind_text((*body)->type),
                   ast_reduction_text(r));
        return false;
    case RED_SUM:
        if ((*body)->type == TY_BOOL)
            *body = tx_to(e, TY_REAL, *body);
        *kind = (*body)->type;
        return true;
    case RED_MEAN:
    case RED_LSE:
    case RED_PROD:
        if ((*body)->type == TY_BOOL && r != RED_MEAN)
            break;
        *body = tx_to(e, TY_REAL, *body);
        *kind = TY_REAL;
        return true;
    default:
        if ((*body)->type == TY_BOOL)
            break;
        *kind = r == RED_ARGMAX || r == RED_ARGMIN ? TY_INT : (*body)->type;
        return true;
    }
    elab_error(e, DIAG_TYPE_MISMATCH, (*body)->at,
               "`%s` wants numbers and this is a bool", ast_reduction_text(r));
    return false;
}

ty_expr *tx_reduce(elab *e, ast_reduction r, ty_var **vars, int count,
                   ty_expr *filter, ty_expr *body, src_range at)
{
    ty_kind kind;
    ty_expr *x;
    if (!reduce_kind(e, r, &body, &kind))
        return NULL;
    x = tx_new(e, TY_REDUCE, kind, at);
    x->reduction = r;
    x->vars = ARENA_ARRAY(e->arena, ty_var *, count + 1);
    for (int i = 0; i < count; i++)
        x->vars[i] = vars[i];
    x->count = count;
    x->filter = filter;
    x->body = body;
    deepen(x, filter);
    deepen(x, body);
    return not_too_deep(e, x);
}

ty_var *ty_var_new(elab *e, const char *name, int64_t hi, src_range at)
{
    ty_var *v = ARENA_NEW(e->arena, ty_var);
    v->name = name;
    v->hi = hi;
    v->known = hi >= 0;
    v->at = v->from = at;
    return v;
}

/* ---------- rewriting ---------- */

/*
 * One walk serves replacing variables and sealing random leaves. Expressions
 * are shared, so what was done is remembered by address; an unchanged
 * expression is returned as it is.
 */
typedef struct rewrite {
    elab *e;
    ty_var **from, **to;
    int count;
    bool seal;
    ty_var *around[64]; /* indices that random leaves range over */
    int around_count;
    ptl_memo done;
} rewrite;

static ty_expr *walk(rewrite *r, ty_expr *x);

static ty_sub *walk_subs(rewrite *r, ty_sub *subs, int count)
{
    ty_sub *out = NULL;
    for (int i = 0; i < count; i++) {
        ty_expr *index = walk(r, subs[i].index);
        if (index == subs[i].index && !out)
            continue;
        if (!out) {
            out = ARENA_ARRAY(r->e->arena, ty_sub, count);
            for (int j = 0; j < count; j++)
                out[j] = subs[j];
        }
        out[i].index = index;
    }
    return out ? out : subs;
}

static ty_expr **walk_args(rewrite *r, ty_expr **args, int count)
{
    ty_expr **out = NULL;
    for (int i = 0; i < count; i++) {
        ty_expr *arg = walk(r, args[i]);
        if (arg == args[i] && !out)
            continue;
        if (!out) {
            out = ARENA_ARRAY(r->e->arena, ty_expr *, count);
            for (int j = 0; j < count; j++)
                out[j] = args[j];
        }
        out[i] = arg;
    }
    return out ? out : args;
}

static ty_var **walk_vars(rewrite *r, ty_var **vars, int count)
{
    ty_var **out = ARENA_ARRAY(r->e->arena, ty_var *, count + 1);
    for (int i = 0; i < count; i++) {
        out[i] = vars[i];
        for (int j = 0; j < r->count; j++)
            if (r->from[j] == vars[i])
                out[i] = r->to[j];
    }
    return out;
}

static ty_expr *copy_of(rewrite *r, const ty_expr *x)
{
    ty_expr *y = ARENA_NEW(r->e->arena, ty_expr);
    *y = *x;
    return y;
}

static ty_expr *walk_random(rewrite *r, ty_expr *x)
{
    ty_expr *y;
    if (x->sealed) {
        y = copy_of(r, x);
        y->vars = walk_vars(r, x->vars, x->count);
        return y;
    }
    if (!r->seal)
        return x;
    y = copy_of(r, x);
    y->vars = ARENA_ARRAY(r->e->arena, ty_var *, r->around_count + 1);
    for (int i = 0; i < r->around_count; i++)
        y->vars[i] = r->around[i];
    y->count = r->around_count;
    y->sealed = true;
    return y;
}

static ty_expr *walk_reduce(rewrite *r, ty_expr *x)
{
    int mark = r->around_count;
    ty_expr *filter, *body, *y;
    if (r->seal)
        for (int i = 0; i < x->count && r->around_count < 64; i++)
            r->around[r->around_count++] = x->vars[i];
    filter = x->filter ? walk(r, x->filter) : NULL;
    body = walk(r, x->body);
    r->around_count = mark;
    if (filter == x->filter && body == x->body)
        return x;
    y = copy_of(r, x);
    y->filter = filter;
    y->body = body;
    return y;
}

static ty_expr *walk_leaf(rewrite *r, ty_expr *x)
{
    if (x->kind != TY_VAR)
        return x;
    for (int i = 0; i < r->count; i++)
        if (r->from[i] == x->var)
            return tx_var(r->e, r->to[i], x->at);
    return x;
}

static ty_expr *walk_read(rewrite *r, ty_expr *x)
{
    ty_sub *subs = walk_subs(r, x->subs, x->count);
    ty_expr *outside = x->outside ? walk(r, x->outside) : NULL;
    ty_expr *y;
    if (subs == x->subs && outside == x->outside)
        return x;
    y = copy_of(r, x);
    y->subs = subs;
    y->outside = outside;
    return y;
}

static ty_expr *walk_op(rewrite *r, ty_expr *x)
{
    ty_expr **args = walk_args(r, x->args, x->count);
    ty_expr *y;
    if (args == x->args)
        return x;
    y = copy_of(r, x);
    y->args = args;
    return y;
}

static ty_expr *walk(rewrite *r, ty_expr *x)
{
    ty_expr *y = memo_get(&r->done, x);
    if (y)
        return y;
    switch (x->kind) {
    case TY_CONST:
    case TY_VAR:
        return walk_leaf(r, x);
    case TY_READ:
    case TY_INSIDE:
        y = walk_read(r, x);
        break;
    case TY_OP:
        y = walk_op(r, x);
        break;
    case TY_RANDOM:
        y = walk_random(r, x);
        break;
    default:
        y = walk_reduce(r, x);
        break;
    }
    memo_put(&r->done, x, y);
    return y;
}

static ty_expr *rewritten(rewrite *r, ty_expr *x)
{
    ty_expr *y = walk(r, x);
    memo_fini(&r->done);
    return y;
}

ty_expr *tx_replace(elab *e, ty_expr *x, ty_var **from, ty_var **to, int count)
{
    rewrite r = {.e = e, .from = from, .to = to, .count = count};
    return count ? rewritten(&r, x) : x;
}

ty_expr *tx_seal(elab *e, ty_expr *x, ty_var **vars, int count)
{
    rewrite r = {.e = e, .seal = true};
    for (int i = 0; i < count && i < 32; i++)
        r.around[r.around_count++] = vars[i];
    return rewritten(&r, x);
}

/* ---------- free variables ---------- */

/* What binds a variable is visited before what it is bound in, and a variable
 * is bound once. */
typedef struct free_walk {
    ptl_arena *arena;
    VEC(const ty_var *) bound;
    bool open;
} free_walk;

static void meet_var(free_walk *w, const ty_var *v)
{
    for (int i = 0; i < w->bound.count; i++)
        if (w->bound.data[i] == v)
            return;
    w->open = true;
}

static void bind_all(free_walk *w, ty_var *const *vars, int count)
{
    for (int i = 0; i < count; i++)
        vec_push(w->arena, &w->bound, vars[i]);
}

static void see_open(void *ctx, const ty_expr *x)
{
    free_walk *w = ctx;
    if (x->kind == TY_VAR)
        meet_var(w, x->var);
    for (int i = 0; x->kind == TY_RANDOM && i < x->count; i++)
        meet_var(w, x->vars[i]);
    if (x->kind == TY_REDUCE)
        bind_all(w, x->vars, x->count);
}

bool tx_open(elab *e, ty_expr *x, ty_var *const *vars, int count)
{
    free_walk w = {.arena = e->arena};
    bind_all(&w, vars, count);
    if (e->scan)
        vec_push(w.arena, &w.bound, e->scan->var);
    ty_visit_expr(x, see_open, &w);
    return w.open;
}

typedef struct step_walk {
    const ty_var *step;
    bool found;
} step_walk;

/* Each step draws anew. */
static void see_step(void *ctx, const ty_expr *x)
{
    step_walk *w = ctx;
    if (x->kind == TY_VAR)
        w->found = w->found || x->var == w->step;
    if (x->kind != TY_RANDOM)
        return;
    w->found = w->found || !x->sealed;
    for (int i = 0; i < x->count; i++)
        w->found = w->found || x->vars[i] == w->step;
}

bool tx_at_step(elab *e, ty_expr *x)
{
    step_walk w = {.step = e->scan->var};
    ty_visit_expr(x, see_step, &w);
    return w.found;
}
