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
    ir_graph *g;
    lower_loop *loop; /* the scan whose step this belongs to, or NULL */
    ty_var *vars[MAX_VARS];
    ir_affine at[MAX_VARS];
    ir_var ranges[MAX_VARS];
    int count;
    const ty_expr **keys; /* open addressing, by address */
    ir_expr **done;
    int room, used;
} body;

static body body_of(lowering *l, lower_loop *loop)
{
    return (body){.l = l, .g = loop ? loop->graph : l->g, .loop = loop};
}

static bool is_step(const body *b, const ty_var *v)
{
    return b->loop && v == b->loop->scan->var;
}

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
        b->keys = ARENA_ARRAY(b->g->arena, const ty_expr *, b->room);
        b->done = ARENA_ARRAY(b->g->arena, ir_expr *, b->room);
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
    ir_graph *g = b->g;
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

/* A step's number is data to its body. */
static ir_expr *step_times(const body *b, int64_t by)
{
    ir_expr *step = ir_read(b->g, b->loop->counter, NULL, 0, NULL);
    return by == 1 ? step : ir_op2(b->g, IR_MUL_OP, step, ir_int(b->g, by));
}

static ir_expr *plus(ir_graph *g, ir_expr *a, ir_expr *b)
{
    return a ? ir_op2(g, IR_ADD_OP, a, b) : b;
}

static ir_sub lower_sub(body *b, const ty_sub *sub)
{
    ir_graph *g = b->g;
    ty_linear l = ty_linearise(g->arena, sub->index);
    ir_sub out = {.mode = (ir_sub_mode)sub->mode};
    out.affine = ir_affine_const(l.constant);
    if (l.rest)
        out.gather = lower_expr(b, l.rest);
    for (int i = 0; i < l.count; i++) {
        if (is_step(b, l.vars[i]))
            out.gather = plus(g, out.gather, step_times(b, l.coefs[i]));
        else
            out.affine = ir_affine_add(
                g, out.affine,
                ir_affine_scale(g, affine_of(b, l.vars[i]), l.coefs[i]));
    }
    return out;
}

/* ---------- reductions ---------- */

/* Bound sets come before what they bind, and a variable is bound once. */
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

static void collect_vars(void *ctx, const ty_expr *x)
{
    free_vars *f = ctx;
    if (x->kind == TY_VAR)
        meet_var(f, x->var);
    for (int i = 0; x->kind == TY_RANDOM && i < x->count; i++)
        meet_var(f, x->vars[i]);
    for (int i = 0; x->kind == TY_REDUCE && i < x->count; i++)
        vec_push(f->arena, &f->bound, x->vars[i]);
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
static ir_node *lifted_node(const body *in, const char *name,
                            const ir_comp *comp, src_range at)
{
    lowered_nodes *lifted = in->loop ? &in->loop->lifted : &in->l->lifted;
    ir_node *n;
    for (int i = 0; i < lifted->count; i++)
        if (same_comp(&lifted->data[i]->comp, comp))
            return lifted->data[i];
    n = ir_comprehend(in->g, name, comp, at);
    vec_push(in->g->arena, lifted, n);
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
    comp.body = what == LIFT_COUNT ? ir_real(inner->g, 1.0)
                                   : lower_expr(inner, x->body);
    return comp;
}

/* Indices around a reduction that it uses, in their order; of the step, if it
 * is worked out for all steps, the first. */
static int lifted_axes(const body *b, const ty_expr *x, lift_what what,
                       bool hoist, ty_var **outs)
{
    free_vars f = {.arena = b->g->arena};
    int count = 0, steps = 0;
    if (what == LIFT_REDUCTION) {
        ty_visit_expr(x, collect_vars, &f);
    } else {
        for (int i = 0; i < x->count; i++)
            vec_push(f.arena, &f.bound, x->vars[i]);
        ty_visit_expr(x->filter, collect_vars, &f);
    }
    for (int j = 0; j < f.count; j++)
        steps += is_step(b, f.found[j]);
    if (steps && hoist)
        outs[count++] = b->loop->scan->var;
    for (int i = 0; i < b->count; i++)
        for (int j = 0; j < f.count; j++)
            if (f.found[j] == b->vars[i])
                outs[count++] = b->vars[i];
    PTL_ASSERT(count + (hoist ? 0 : steps) == f.count);
    return count;
}

static ir_expr *too_many_axes(body *b, const ty_expr *x, int count)
{
    diag_error(b->l->diags, DIAG_INTERNAL_LIMIT, x->at,
               "this reduction lies within %d indices; at most %d are "
               "possible",
               count, IR_MAX_RANK);
    b->l->failed = true;
    return x->type == TY_REAL  ? ir_real(b->g, 0)
           : x->type == TY_INT ? ir_int(b->g, 0)
                               : ir_bool(b->g, false);
}

/* What a step's reduction has in common with all steps is worked out before
 * the loop, for all of them at once. */
static ir_expr *lift(body *b, const ty_expr *x, lift_what what)
{
    bool hoist =
        b->loop && !lower_varies(b->l, what == LIFT_COUNT ? x->filter : x);
    body inner = body_of(b->l, hoist ? NULL : b->loop);
    ty_var *outs[MAX_VARS];
    ir_sub subs[MAX_VARS];
    int count = lifted_axes(b, x, what, hoist, outs);
    ir_comp comp;
    ir_node *n;
    if (count > IR_MAX_RANK || count + x->count > IR_MAX_VARS)
        return too_many_axes(b, x, count);
    comp = reduction_comp(&inner, x, outs, count, what);
    n = lifted_node(
        &inner, what == LIFT_COUNT ? "count" : ast_reduction_text(x->reduction),
        &comp, x->at);
    for (int i = 0; i < count; i++) {
        subs[i] = (ir_sub){.mode = IR_PLAIN};
        if (is_step(b, outs[i]))
            subs[i].gather = step_times(b, 1);
        else
            subs[i].affine = ir_affine_add(b->g, affine_of(b, outs[i]),
                                           ir_affine_const(-outs[i]->lo));
    }
    return ir_read(b->g, hoist ? loop_bind(b->loop, n) : n, subs, count, NULL);
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
    count = x->filter ? lift(b, x, LIFT_COUNT) : ir_real(b->g, box_size(x));
    return ir_op2(b->g, IR_DIV_OP, value, count);
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

static ir_expr *read_scalar(body *b, ir_node **slot, const char *name,
                            ptl_dtype storage)
{
    ir_node *n = lower_scalar(b->l, slot, name, storage);
    return ir_read(b->g, b->loop ? loop_bind(b->loop, n) : n, NULL, 0, NULL);
}

/* The row of the global batch, times everything else, plus the position among
 * everything else: it does not depend on how the batch is cut. */
static ir_expr *element_of(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_graph *g = l->g;
    ir_affine rest = ir_affine_const(0);
    ir_expr *row, *steps = NULL;
    int64_t stride = 1;
    const ty_var *batch = NULL;
    for (int i = x->count - 1; i >= 0; i--) {
        const ty_var *v = x->vars[i];
        if (v->batch && !batch) {
            batch = v;
            continue;
        }
        if (is_step(b, v))
            steps = step_times(b, stride);
        else
            rest = ir_affine_add(
                g, rest,
                ir_affine_scale(g,
                                ir_affine_add(g, affine_of(b, v),
                                              ir_affine_const(-v->lo)),
                                stride));
        stride *= v->hi - v->lo;
    }
    if (!batch)
        return plus(g, steps, ir_affine_value(g, rest));
    rest =
        ir_affine_add(g, rest, ir_affine_scale(g, affine_of(b, batch), stride));
    row = read_scalar(b, &b->l->row0, "row0", PTL_I64);
    row = ir_op2(g, IR_MUL_OP, row, ir_int(g, stride));
    if (steps)
        row = ir_op2(g, IR_ADD_OP, row, steps);
    return ir_op2(g, IR_ADD_OP, row, ir_affine_value(g, rest));
}

static bool draws_at_step(const lowering *l)
{
    return l->kind != LOWER_INIT && l->kind != LOWER_TEST;
}

static ir_expr *lower_random(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_expr *step = draws_at_step(l) ? read_scalar(b, &l->step, "step", PTL_I32)
                                     : ir_int(b->g, 0);
    ir_expr *seed = l->kind == LOWER_TEST
                        ? ir_int(b->g, 1)
                        : read_scalar(b, &l->seed, "seed", PTL_I64);
    return ir_random_value(b->g,
                           x->random == TY_UNIFORM ? IR_UNIFORM : IR_NORMAL,
                           x->site, element_of(b, x), step, seed);
}

/* Subscripts of `x` without the axis of steps. */
static int other_subs(body *b, const ty_expr *x, ir_sub *out)
{
    int count = 0;
    for (int i = 0; i < x->count; i++)
        if (i != x->tensor->time)
            out[count++] = lower_sub(b, &x->subs[i]);
    return count;
}

static ir_expr *zero_of(ir_graph *g, ty_kind kind)
{
    return kind == TY_REAL  ? ir_real(g, 0.0)
           : kind == TY_INT ? ir_int(g, 0)
                            : ir_bool(g, false);
}

/* Outside of the loop, a carried value `back` steps before step t: the first of
 * them are initial values. */
static ir_expr *read_back(body *b, const ty_expr *x, int64_t back)
{
    const ty_carry *c = ty_carry_of(x->tensor);
    ir_expr *outside = x->outside ? lower_expr(b, x->outside) : NULL;
    ir_expr *step = lower_expr(b, x->subs[x->tensor->time].index), *value;
    ir_sub subs[IR_MAX_RANK], others[IR_MAX_RANK];
    int count = other_subs(b, x, others);
    for (int i = 0; i < x->count; i++)
        subs[i] = lower_sub(b, &x->subs[i]);
    value = ir_read(b->g, b->l->nodes[x->tensor->id], subs, x->count,
                    outside ? outside : zero_of(b->g, x->type));
    for (int64_t d = 1; d <= back; d++) {
        ir_node *init = b->l->nodes[c->before[d - 1]->id];
        value = ir_select(b->g, ir_op2(b->g, IR_EQ_OP, step, ir_int(b->g, -d)),
                          ir_read(b->g, init, others, count, outside), value);
    }
    return value;
}

/* Within the loop this step's values and those of steps before are tensors
 * without an axis of steps. */
static ir_expr *read_in_step(body *b, const ty_expr *x, int64_t back)
{
    ir_sub subs[IR_MAX_RANK];
    int count = other_subs(b, x, subs);
    ir_expr *outside = x->outside ? lower_expr(b, x->outside) : NULL;
    return ir_read(b->g, loop_value(b->loop, x->tensor, back), subs, count,
                   outside);
}

static ir_expr *lower_read(body *b, const ty_expr *x)
{
    lowering *l = b->l;
    ir_sub subs[IR_MAX_RANK];
    ir_node *n =
        x->tensor == l->summed ? lower_own_share(l) : l->nodes[x->tensor->id];
    ir_expr *outside;
    int64_t back = lower_steps_back(l, x);
    if (b->loop && l->looped[x->tensor->id] &&
        x->tensor->scan == b->loop->scan)
        return read_in_step(b, x, back);
    if (back > 0)
        return read_back(b, x, back);
    PTL_ASSERT(n);
    if (b->loop)
        n = loop_bind(b->loop, n);
    for (int i = 0; i < x->count; i++)
        subs[i] = lower_sub(b, &x->subs[i]);
    if (x->kind == TY_INSIDE)
        return ir_inside(b->g, n, subs, x->count);
    outside = x->outside ? lower_expr(b, x->outside) : NULL;
    return ir_read(b->g, n, subs, x->count, outside);
}

/* The IR has no range for what is drawn: int(uniform() * n) says its own. */
static ir_expr *within_drawn(ir_graph *g, const ty_expr *x, ir_expr *value)
{
    int64_t n = x->op == TY_INT_OP ? ty_drawn_count(x->args[0]) : 0;
    if (n == 0)
        return value;
    value = ir_op2(g, IR_MINIMUM_OP, value, ir_int(g, n - 1));
    return ir_op2(g, IR_MAXIMUM_OP, value, ir_int(g, 0));
}

static ir_expr *lower_op(body *b, const ty_expr *x)
{
    ir_expr *args[3];
    ir_scalar op = x->op == TY_STOP_OP ? IR_STOP_OP : (ir_scalar)(int)x->op;
    for (int i = 0; i < x->count; i++)
        args[i] = lower_expr(b, x->args[i]);
    return within_drawn(b->g, x, ir_op(b->g, op, args));
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
        return lower_const(b->g, x);
    case TY_VAR:
        return is_step(b, x->var) ? step_times(b, 1)
                                  : ir_affine_value(b->g, affine_of(b, x->var));
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
static bool is_plain_reduction(const body *b, const ty_expr *x, int rank)
{
    free_vars f = {.arena = b->g->arena};
    int free_count = 0;
    if (x->kind != TY_REDUCE || x->reduction == RED_MEAN ||
        rank + x->count > IR_MAX_VARS ||
        (b->loop && !lower_varies(b->l, x)))
        return false;
    ty_visit_expr(x, collect_vars, &f);
    for (int i = 0; i < f.count; i++)
        free_count += !is_step(b, f.found[i]);
    return free_count == rank;
}

/* The axes of `t` that its node has: in a loop, all but that of the steps. */
static int own_axes(const lower_loop *loop, const ty_tensor *t, ty_var **out)
{
    int count = 0;
    for (int i = 0; i < t->rank; i++)
        if (!loop || i != t->time)
            out[count++] = t->vars[i];
    return count;
}

static ir_node *define_comp(lowering *l, lower_loop *loop, const ty_tensor *t)
{
    body b = body_of(l, loop);
    ty_var *axes[IR_MAX_RANK];
    ir_comp comp = {.reduce = IR_MAP};
    int rank = own_axes(loop, t, axes);
    if (is_plain_reduction(&b, t->body, rank)) {
        comp = reduction_comp(&b, t->body, axes, rank, LIFT_REDUCTION);
        return lifted_node(&b, t->name, &comp, t->at);
    }
    for (int i = 0; i < rank; i++)
        add_var(&b, axes[i], true);
    comp.out_count = comp.var_count = rank;
    comp.vars = b.ranges;
    comp.body = lower_expr(&b, t->body);
    return ir_comprehend(b.g, t->name, &comp, t->at);
}

static ir_piece lower_piece(lowering *l, lower_loop *loop, const ty_tensor *t,
                            const ty_piece *p)
{
    body b = body_of(l, loop);
    ir_comp comp = {.reduce = IR_MAP};
    ir_piece out = {0};
    ir_sub *subs = ARENA_ARRAY(b.g->arena, ir_sub, t->rank + 1);
    const char **names = ARENA_ARRAY(b.g->arena, const char *, p->var_count + 1);
    int axes = 0;
    for (int i = 0; i < p->var_count; i++) {
        if (is_step(&b, p->vars[i]))
            continue;
        names[b.count] = p->vars[i]->name;
        add_var(&b, p->vars[i], true);
    }
    comp.out_count = comp.var_count = b.count;
    comp.vars = b.ranges;
    comp.body = lower_expr(&b, p->body);
    out.source = ir_comprehend(
        b.g, arena_printf(b.g->arena, "%s.piece", t->name), &comp, p->at);
    for (int i = 0; i < t->rank; i++)
        if (!loop || i != t->time)
            subs[axes++] = lower_sub(&b, &p->subs[i]);
    out.subs = subs;
    out.names = names;
    return out;
}

static ir_node *define_scatter(lowering *l, lower_loop *loop,
                               const ty_tensor *t)
{
    ir_graph *g = loop ? loop->graph : l->g;
    ir_piece *pieces = ARENA_ARRAY(g->arena, ir_piece, t->piece_count + 1);
    ir_node *n;
    for (int i = 0; i < t->piece_count; i++) {
        if (t->pieces[i].var_count > IR_MAX_RANK) {
            diag_error(l->diags, DIAG_INTERNAL_LIMIT, t->pieces[i].at,
                       "an accumulation runs over at most %d indices",
                       IR_MAX_RANK);
            l->failed = true;
            return NULL;
        }
        pieces[i] = lower_piece(l, loop, t, &t->pieces[i]);
    }
    n = ir_scatter(g, t->name, loop ? lower_step_type(t) : lower_type(t),
                   pieces, t->piece_count, t->at);
    n->disjoint = ir_scatter_is_disjoint(n);
    return n;
}

ir_node *lower_definition(lowering *l, lower_loop *loop, const ty_tensor *t)
{
    return t->body ? define_comp(l, loop, t) : define_scatter(l, loop, t);
}
