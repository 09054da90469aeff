/*
 * expr.c - definitions and their bodies.
 *
 * Needs:    subscripts proven by the elaborator.
 * Provides: comprehensions without nested reductions.
 */
#include "lower_priv.h"
#include <string.h>

enum { MAX_VARS = IR_MAX_VARS };

/* The comprehension being built: which affine form each index has, and what
 * was lowered already. */
typedef struct body {
    lowering *l;
    ty_var *vars[MAX_VARS];
    ir_affine at[MAX_VARS];
    ir_var ranges[MAX_VARS];
    int count;
    const ty_expr **keys; /* open addressing, by address */
    ir_expr **done;
    int room, used;
} body;

/* ---------- what was lowered already ---------- */

static size_t place(const body *b, const ty_expr *x)
{
    size_t h = ((uintptr_t)x >> 4) * 0x9e3779b97f4a7c15u;
    size_t mask = (size_t)b->room - 1, i = (h >> 20) & mask;
    while (b->keys[i] && b->keys[i] != x)
        i = (i + 1) & mask;
    return i;
}

static void remember(body *b, const ty_expr *x, ir_expr *y)
{
    size_t i;
    if (b->used * 2 >= b->room) {
        const ty_expr **keys = b->keys;
        ir_expr **done = b->done;
        int room = b->room;
        b->room = room ? room * 2 : 64;
        b->keys = ARENA_ARRAY(b->l->g->arena, const ty_expr *, b->room);
        b->done = ARENA_ARRAY(b->l->g->arena, ir_expr *, b->room);
        for (int j = 0; j < room; j++) {
            if (!keys[j])
                continue;
            i = place(b, keys[j]);
            b->keys[i] = keys[j];
            b->done[i] = done[j];
        }
    }
    i = place(b, x);
    b->keys[i] = x;
    b->done[i] = y;
    b->used++;
}

/* ---------- indices ---------- */

static ir_affine affine_of(const body *b, const ty_var *v)
{
    for (int i = 0; i < b->count; i++)
        if (b->vars[i] == v)
            return b->at[i];
    ptl_panic(__FILE__, __LINE__, "index %s is not bound", v->name);
}

/* Adds index `v` as the next variable of the comprehension. Axes of a result
 * begin at 0, so an index that does not is shifted. */
static void add_var(body *b, ty_var *v, bool axis)
{
    ir_graph *g = b->l->g;
    int i = b->count++;
    b->vars[i] = v;
    b->ranges[i] = (ir_var){.name = v->name, .lo = v->lo, .hi = v->hi};
    b->at[i] = ir_affine_var(g, i);
    if (!axis || v->lo == 0)
        return;
    b->ranges[i].lo = 0;
    b->ranges[i].hi = v->hi - v->lo;
    b->at[i] = ir_affine_add(g, b->at[i], ir_affine_const(v->lo));
}

static ir_expr *lower_expr(body *b, const ty_expr *x);

static ir_sub lower_sub(body *b, const ty_sub *sub)
{
    ir_graph *g = b->l->g;
    ty_linear l = ty_linearise(g->arena, sub->index);
    ir_sub out = {.mode = (ir_sub_mode)sub->mode};
    out.affine = ir_affine_const(l.constant);
    for (int i = 0; i < l.count; i++)
        out.affine = ir_affine_add(
            g, out.affine,
            ir_affine_scale(g, affine_of(b, l.vars[i]), l.coefs[i]));
    if (l.rest)
        out.gather = lower_expr(b, l.rest);
    return out;
}

/* ---------- reductions ---------- */

typedef struct free_vars {
    ty_var *found[MAX_VARS];
    int count;
    VEC(ty_var *) bound;
    ptl_arena *arena;
} free_vars;

static void meet_var(free_vars *f, ty_var *v)
{
    for (int i = 0; i < f->bound.count; i++)
        if (f->bound.data[i] == v)
            return;
    for (int i = 0; i < f->count; i++)
        if (f->found[i] == v)
            return;
    PTL_ASSERT(f->count < MAX_VARS);
    f->found[f->count++] = v;
}

static void collect(free_vars *f, const ty_expr *x)
{
    int mark = f->bound.count;
    switch (x->kind) {
    case TY_CONST:
        return;
    case TY_VAR:
        meet_var(f, x->var);
        return;
    case TY_READ:
    case TY_INSIDE:
        for (int i = 0; i < x->count; i++)
            collect(f, x->subs[i].index);
        if (x->outside)
            collect(f, x->outside);
        return;
    case TY_OP:
        for (int i = 0; i < x->count; i++)
            collect(f, x->args[i]);
        return;
    case TY_RANDOM:
        for (int i = 0; i < x->count; i++)
            meet_var(f, x->vars[i]);
        return;
    case TY_REDUCE:
        for (int i = 0; i < x->count; i++)
            vec_push(f->arena, &f->bound, x->vars[i]);
        if (x->filter)
            collect(f, x->filter);
        collect(f, x->body);
        f->bound.count = mark;
        return;
    }
}

static ir_reduce reduce_of(ast_reduction r)
{
    switch (r) {
    case RED_PROD:
        return IR_PROD;
    case RED_MAX:
        return IR_MAX;
    case RED_MIN:
        return IR_MIN;
    case RED_ARGMAX:
        return IR_ARGMAX;
    case RED_ARGMIN:
        return IR_ARGMIN;
    case RED_LSE:
        return IR_LSE;
    case RED_ANY:
        return IR_ANY;
    case RED_ALL:
        return IR_ALL;
    default:
        return IR_SUM;
    }
}

static bool same_comp(const ir_comp *a, const ir_comp *b)
{
    if (a->out_count != b->out_count || a->var_count != b->var_count ||
        a->reduce != b->reduce || a->filter != b->filter || a->body != b->body)
        return false;
    for (int i = 0; i < a->var_count; i++)
        if (a->vars[i].lo != b->vars[i].lo || a->vars[i].hi != b->vars[i].hi)
            return false;
    return true;
}

/* The same reduction written twice is one node. */
static ir_node *lifted_node(lowering *l, const char *name, const ir_comp *comp,
                            src_range at)
{
    ir_node *n;
    for (int i = 0; i < l->lifted.count; i++)
        if (same_comp(&l->lifted.data[i]->comp, comp))
            return l->lifted.data[i];
    n = ir_comprehend(l->g, name, comp, at);
    vec_push(l->g->arena, &l->lifted, n);
    return n;
}

typedef enum lift_what { LIFT_REDUCTION, LIFT_COUNT } lift_what;

/* A body of its own for reduction `x`, whose axes are `outs`. */
static ir_comp reduction_comp(body *inner, const ty_expr *x, ty_var **outs,
                              int out_count, lift_what what)
{
    ir_comp comp = {.out_count = out_count};
    for (int i = 0; i < out_count; i++)
        add_var(inner, outs[i], true);
    for (int i = 0; i < x->count; i++)
        add_var(inner, x->vars[i], false);
    comp.var_count = inner->count;
    comp.vars = inner->ranges;
    comp.reduce = reduce_of(x->reduction);
    comp.filter = x->filter ? lower_expr(inner, x->filter) : NULL;
    comp.body = what == LIFT_COUNT ? ir_real(inner->l->g, 1.0)
                                   : lower_expr(inner, x->body);
    return comp;
}

static ir_expr *lift(body *b, const ty_expr *x, lift_what what)
{
    lowering *l = b->l;
    free_vars f = {.arena = l->g->arena};
    body inner = {.l = l};
    ty_var *outs[MAX_VARS];
    ir_sub subs[MAX_VARS];
    int count = 0;
    ir_comp comp;
    ir_node *n;
    if (what == LIFT_REDUCTION) {
        collect(&f, x);
    } else {
        for (int i = 0; i < x->count; i++)
            vec_push(f.arena, &f.bound, x->vars[i]);
        collect(&f, x->filter);
    }
    for (int i = 0; i < b->count; i++)
        for (int j = 0; j < f.count; j++)
            if (f.found[j] == b->vars[i])
                outs[count++] = b->vars[i];
    PTL_ASSERT(count == f.count);
    if (count > IR_MAX_RANK || count + x->count > IR_MAX_VARS) {
        diag_error(l->diags, DIAG_INTERNAL_LIMIT, x->at,
                   "this reduction lies within %d indices; at most %d are "
                   "possible",
                   count, IR_MAX_RANK);
        l->failed = true;
        return x->type == TY_REAL  ? ir_real(l->g, 0)
               : x->type == TY_INT ? ir_int(l->g, 0)
                                   : ir_bool(l->g, false);
    }
    comp = reduction_comp(&inner, x, outs, count, what);
    n = lifted_node(
        l, what == LIFT_COUNT ? "count" : ast_reduction_text(x->reduction),
        &comp, x->at);
    for (int i = 0; i < count; i++) {
        subs[i] = (ir_sub){.mode = IR_PLAIN, .affine = affine_of(b, outs[i])};
        subs[i].affine =
            ir_affine_add(l->g, subs[i].affine, ir_affine_const(-outs[i]->lo));
    }
    return ir_read(l->g, n, subs, count, NULL);
}

static double box_size(const ty_expr *x)
{
    double n = 1;
    for (int i = 0; i < x->count; i++)
        n *= (double)(x->vars[i]->hi - x->vars[i]->lo);
    return n;
}

static ir_expr *lower_reduce(body *b, const ty_expr *x)
{
    ir_expr *value = lift(b, x, LIFT_REDUCTION), *count;
    if (x->reduction != RED_MEAN)
        return value;
    count = x->filter ? lift(b, x, LIFT_COUNT) : ir_real(b->l->g, box_size(x));
    return ir_op2(b->l->g, IR_DIV_OP, value, count);
}

/* ---------- leaves and operations ---------- */

static ir_expr *lower_const(ir_graph *g, const ty_expr *x)
{
    switch (x->type) {
    case TY_REAL:
        return ir_real(g, x->number);
    case TY_INT:
        return ir_int(g, (int64_t)x->number);
    default:
        return ir_bool(g, x->number != 0);
    }
}

static ir_expr *read_scalar(lowering *l, ir_node **slot, const char *name,
                            ptl_dtype storage)
{
    return ir_read(l->g, lower_scalar(l, slot, name, storage), NULL, 0, NULL);
}

/* The row of the global batch, times everything else, plus the position among
 * everything else: it does not depend on how the batch is cut. */
static ir_expr *element_of(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_graph *g = l->g;
    ir_affine rest = ir_affine_const(0);
    ir_expr *row;
    int64_t stride = 1;
    const ty_var *batch = NULL;
    for (int i = x->count - 1; i >= 0; i--) {
        const ty_var *v = x->vars[i];
        if (v->batch && !batch) {
            batch = v;
            continue;
        }
        rest = ir_affine_add(
            g, rest,
            ir_affine_scale(
                g, ir_affine_add(g, affine_of(b, v), ir_affine_const(-v->lo)),
                stride));
        stride *= v->hi - v->lo;
    }
    if (!batch)
        return ir_affine_value(g, rest);
    rest =
        ir_affine_add(g, rest, ir_affine_scale(g, affine_of(b, batch), stride));
    row = read_scalar(l, &l->row0, "row0", PTL_I64);
    return ir_op2(g, IR_ADD_OP, ir_op2(g, IR_MUL_OP, row, ir_int(g, stride)),
                  ir_affine_value(g, rest));
}

static bool draws_at_step(const lowering *l)
{
    return l->kind != LOWER_INIT && l->kind != LOWER_TEST;
}

static ir_expr *lower_random(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_expr *step = draws_at_step(l) ? read_scalar(l, &l->step, "step", PTL_I32)
                                     : ir_int(l->g, 0);
    ir_expr *seed = l->kind == LOWER_TEST
                        ? ir_int(l->g, 1)
                        : read_scalar(l, &l->seed, "seed", PTL_I64);
    return ir_random_value(l->g,
                           x->random == TY_UNIFORM ? IR_UNIFORM : IR_NORMAL,
                           x->site, element_of(b, x), step, seed);
}

static ir_expr *lower_read(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_sub subs[IR_MAX_RANK];
    ir_node *n =
        x->tensor == l->summed ? lower_own_share(l) : l->nodes[x->tensor->id];
    ir_expr *outside;
    PTL_ASSERT(n);
    for (int i = 0; i < x->count; i++)
        subs[i] = lower_sub(b, &x->subs[i]);
    if (x->kind == TY_INSIDE)
        return ir_inside(l->g, n, subs, x->count);
    outside = x->outside ? lower_expr(b, x->outside) : NULL;
    return ir_read(l->g, n, subs, x->count, outside);
}

static ir_expr *lower_op(body *b, const ty_expr *x)
{
    ir_expr *args[3];
    ir_scalar op = x->op == TY_STOP_OP ? IR_STOP_OP : (ir_scalar)(int)x->op;
    for (int i = 0; i < x->count; i++)
        args[i] = lower_expr(b, x->args[i]);
    return ir_op(b->l->g, op, args);
}

static ir_expr *lower_expr(body *b, const ty_expr *x)
{
    ir_expr *y;
    if (b->room) {
        size_t i = place(b, x);
        if (b->keys[i])
            return b->done[i];
    }
    switch (x->kind) {
    case TY_CONST:
        return lower_const(b->l->g, x);
    case TY_VAR:
        return ir_affine_value(b->l->g, affine_of(b, x->var));
    case TY_READ:
    case TY_INSIDE:
        y = lower_read(b, x);
        break;
    case TY_OP:
        y = lower_op(b, x);
        break;
    case TY_RANDOM:
        y = lower_random(b, x);
        break;
    default:
        y = lower_reduce(b, x);
        break;
    }
    remember(b, x, y);
    return y;
}

/* ---------- definitions ---------- */

/* A body that is one reduction needs no node of its own for it, if every axis
 * occurs in it: otherwise it would be worked out over and over. */
static bool is_plain_reduction(lowering *l, const ty_tensor *t)
{
    free_vars f = {.arena = l->g->arena};
    const ty_expr *x = t->body;
    if (x->kind != TY_REDUCE || x->reduction == RED_MEAN ||
        t->rank + x->count > IR_MAX_VARS)
        return false;
    collect(&f, x);
    return f.count == t->rank;
}

static ir_node *define_comp(lowering *l, const ty_tensor *t)
{
    body b = {.l = l};
    ir_comp comp = {.out_count = t->rank, .var_count = t->rank};
    ir_node *n;
    if (is_plain_reduction(l, t)) {
        comp = reduction_comp(&b, t->body, t->vars, t->rank, LIFT_REDUCTION);
        for (int i = 0; i < l->lifted.count; i++)
            if (same_comp(&l->lifted.data[i]->comp, &comp))
                return l->lifted.data[i];
        n = ir_comprehend(l->g, t->name, &comp, t->at);
        vec_push(l->g->arena, &l->lifted, n);
        return n;
    }
    for (int i = 0; i < t->rank; i++)
        add_var(&b, t->vars[i], true);
    comp.vars = b.ranges;
    comp.reduce = IR_MAP;
    comp.body = lower_expr(&b, t->body);
    return ir_comprehend(l->g, t->name, &comp, t->at);
}

static ir_piece lower_piece(lowering *l, const ty_tensor *t, const ty_piece *p)
{
    body b = {.l = l};
    ir_comp comp = {.reduce = IR_MAP};
    ir_piece out = {0};
    ir_sub *subs = ARENA_ARRAY(l->g->arena, ir_sub, t->rank + 1);
    const char **names =
        ARENA_ARRAY(l->g->arena, const char *, p->var_count + 1);
    for (int i = 0; i < p->var_count; i++) {
        add_var(&b, p->vars[i], true);
        names[i] = p->vars[i]->name;
    }
    comp.out_count = comp.var_count = p->var_count;
    comp.vars = b.ranges;
    comp.body = lower_expr(&b, p->body);
    out.source = ir_comprehend(
        l->g, arena_printf(l->g->arena, "%s.piece", t->name), &comp, p->at);
    for (int i = 0; i < t->rank; i++)
        subs[i] = lower_sub(&b, &p->subs[i]);
    out.subs = subs;
    out.names = names;
    return out;
}

static ir_node *define_scatter(lowering *l, const ty_tensor *t)
{
    ir_piece *pieces = ARENA_ARRAY(l->g->arena, ir_piece, t->piece_count + 1);
    ir_node *n;
    for (int i = 0; i < t->piece_count; i++) {
        if (t->pieces[i].var_count > IR_MAX_RANK) {
            diag_error(l->diags, DIAG_INTERNAL_LIMIT, t->pieces[i].at,
                       "an accumulation runs over at most %d indices",
                       IR_MAX_RANK);
            l->failed = true;
            return NULL;
        }
        pieces[i] = lower_piece(l, t, &t->pieces[i]);
    }
    n = ir_scatter(l->g, t->name, lower_type(t), pieces, t->piece_count, t->at);
    n->disjoint = ir_scatter_is_disjoint(n);
    return n;
}

ir_node *lower_definition(lowering *l, const ty_tensor *t)
{
    return t->body ? define_comp(l, t) : define_scatter(l, t);
}
