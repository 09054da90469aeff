/*
 * reduce.c - reductions: accumulators, their tree, partial results.
 *
 * Either the lanes are neighbouring outputs and each lane reduces in order, or
 * the lanes (and several vectors side by side) split one reduction; then the
 * vectors are combined pairwise and the lanes by halving. All of it follows
 * from sched_reduction, so the tree is the same on every target.
 */
#include "ir/plant.h"
#include "loops/build.h"
#include "kernel/math.h"
#include <math.h>

enum {
    JAM = 4, /* vectors side by side: hides the latency of an add */
    MOST_FLAT = 9,
};

typedef struct accumulator {
    kern_local *value;
    kern_local *index; /* of argmax and argmin */
} accumulator;

typedef struct reducer {
    build *k;
    emit *e;
    const ir_node *n;
    const sched_space *space;
    const sched_reduction *plan;
    ir_reduce op; /* LSE runs as MAX, then as SUM of exponentials */
    kern_type type;
    int lanes; /* of an accumulator */
    bool exponentials;
    kern_value *shift[JAM]; /* LSE: what is subtracted, by copy */
    int vectors;      /* side by side where the lanes split the reduction */
    bool flat;        /* the reduced box is so small that it is no loop */
    bool fresh;       /* nothing is in the accumulators yet */
    kern_value *part; /* which chunk, NULL: not cut */
    accumulator acc[JAM];
    int out; /* the kernel's buffer */
} reducer;

/* Reductions over one domain, in one pass. */
typedef struct joint {
    reducer *parts; /* the first one's nest and plan are all's */
    int count;
} joint;

/* ---------- one step of a tree ---------- */

static kern_value *neutral(reducer *r)
{
    bool real = kern_is_real(r->type);
    double infinite = 0;
    int64_t whole = 0;
    switch (r->op) {
    case IR_PROD:
    case IR_ALL:
        infinite = 1;
        whole = 1;
        break;
    case IR_MAX:
    case IR_ARGMAX:
        infinite = ir_is_planted(IR_PLANT_REDUCTION) ? 0 : -(double)INFINITY;
        whole = INT32_MIN;
        break;
    case IR_MIN:
    case IR_ARGMIN:
        infinite = INFINITY;
        whole = INT32_MAX;
        break;
    default:
        break;
    }
    if (r->type == KERN_BOOL)
        whole = r->op == IR_ALL || r->op == IR_PROD || r->op == IR_MIN;
    return real ? kern_real(&r->k->b, r->type, r->lanes, infinite)
                : kern_int(&r->k->b, r->type, r->lanes, whole);
}

static bool wants_larger(ir_reduce op)
{
    return op == IR_MAX || op == IR_ARGMAX;
}

/* Does y replace x, which came first? NaN wins and stays. */
static kern_value *beats(reducer *r, kern_value *y, kern_value *x)
{
    kern_builder *b = &r->k->b;
    bool larger = wants_larger(r->op);
    if (!kern_is_real(y->type))
        return kern_op2(b, larger ? KERN_GT : KERN_LT, y, x);
    kern_value *worse = kern_op2(b, larger ? KERN_LE : KERN_GE, y, x);
    kern_value *number = kern_op2(b, KERN_EQ, x, x);
    return kern_op2(b, KERN_AND, kern_op1(b, KERN_NOT, worse), number);
}

static kern_value *combined(reducer *r, kern_value *x, kern_value *y)
{
    kern_builder *b = &r->k->b;
    switch (r->op) {
    case IR_SUM:
        return kern_op2(b, KERN_ADD, x, y);
    case IR_PROD:
        return kern_op2(b, KERN_MUL, x, y);
    case IR_ANY:
        return kern_op2(b, KERN_OR, x, y);
    case IR_ALL:
        return kern_op2(b, KERN_AND, x, y);
    default:
        break;
    }
    if (!kern_is_real(x->type) && x->type != KERN_BOOL)
        return kern_op2(b, r->op == IR_MAX ? KERN_MAX : KERN_MIN, x, y);
    return kern_select(b, beats(r, y, x), y, x);
}

static bool has_index(const reducer *r)
{
    return r->op == IR_ARGMAX || r->op == IR_ARGMIN;
}

/* Equal, both NaN counted as equal. */
static kern_value *ties(reducer *r, kern_value *x, kern_value *y)
{
    kern_builder *b = &r->k->b;
    kern_value *equal = kern_op2(b, KERN_EQ, x, y);
    if (!kern_is_real(x->type))
        return equal;
    kern_value *nans = kern_op2(b, KERN_AND, kern_op2(b, KERN_NE, x, x),
                                kern_op2(b, KERN_NE, y, y));
    return kern_op2(b, KERN_OR, equal, nans);
}

/* An index of -1 says that nothing was seen yet. */
static void combine_indexed(reducer *r, kern_value **x, kern_value **x_index,
                            kern_value *y, kern_value *y_index)
{
    kern_builder *b = &r->k->b;
    kern_value *zero = kern_int(b, KERN_I32, 1, 0);
    kern_value *seen = kern_op2(b, KERN_GE, y_index, zero);
    kern_value *empty = kern_op2(b, KERN_LT, *x_index, zero);
    kern_value *earlier = kern_op2(b, KERN_AND, ties(r, *x, y),
                                   kern_op2(b, KERN_LT, y_index, *x_index));
    kern_value *wins = kern_op2(b, KERN_OR, beats(r, y, *x), earlier);
    wins = kern_op2(b, KERN_AND, seen, kern_op2(b, KERN_OR, empty, wins));
    *x = kern_select(b, wins, y, *x);
    *x_index = kern_select(b, wins, y_index, *x_index);
}

/* ---------- accumulating ---------- */

static void acc_init(reducer *r, accumulator *a)
{
    kern_builder *b = &r->k->b;
    a->value = kern_local_new(b, r->type, r->lanes, "acc");
    kern_set(b, a->value, neutral(r));
    if (!has_index(r))
        return;
    a->index = kern_local_new(b, KERN_I32, r->lanes, "at");
    kern_set(b, a->index, kern_int(b, KERN_I32, r->lanes, -1));
}

/* Position of the current element within the box of reduced ranges. */
static kern_value *position(reducer *r)
{
    const ir_comp *comp = &r->n->comp;
    emit *e = r->e;
    kern_value *at = kern_int(e->b, KERN_I64, 1, 0);
    int64_t stride = 1, lane_stride = 0;
    for (int v = comp->var_count - 1; v >= comp->out_count; v--) {
        kern_value *lo = kern_int(e->b, KERN_I64, 1, comp->vars[v].lo);
        kern_value *steps = kern_op2(e->b, KERN_SUB, e->var[v], lo);
        kern_value *by = kern_int(e->b, KERN_I64, 1, stride);
        at = kern_op2(e->b, KERN_ADD, at, kern_op2(e->b, KERN_MUL, steps, by));
        if (v == e->lane_var)
            lane_stride = stride;
        stride *= comp->vars[v].hi - comp->vars[v].lo;
    }
    at = kern_convert(e->b, at, KERN_I32);
    if (lane_stride == 0)
        return at;
    kern_value *lane =
        kern_op2(e->b, KERN_MUL, kern_iota(e->b, KERN_I32, r->lanes),
                 kern_int(e->b, KERN_I32, 1, lane_stride));
    return kern_op2(e->b, KERN_ADD, at, lane);
}

/* Which lanes take part; NULL: all. */
static kern_value *taking_part(reducer *r)
{
    const ir_comp *comp = &r->n->comp;
    kern_value *cond = r->plan->lanes_reduce ? r->e->mask : NULL;
    if (!comp->filter)
        return cond;
    kern_value *filter = emit_expr(r->e, comp->filter);
    return cond ? kern_op2(r->e->b, KERN_AND, cond, filter) : filter;
}

static kern_value *as_type(reducer *r, kern_value *x)
{
    return kern_convert(&r->k->b, x, r->type);
}

static bool is_product(const ir_expr *x)
{
    return x->kind == IR_EXPR_OP && x->op == IR_MUL_OP && x->type == IR_REAL;
}

/* A product under a sum is one fma. */
static kern_value *next_value(reducer *r, int copy, kern_value *old)
{
    emit *e = r->e;
    ir_expr *body = r->n->comp.body;
    if (r->op == IR_SUM && !r->exponentials && is_product(body)) {
        kern_value *x = emit_expr(e, body->args[0]);
        return kern_fma(e->b, x, emit_expr(e, body->args[1]), old);
    }
    kern_value *x = as_type(r, emit_expr(e, body));
    if (r->exponentials) {
        kern_value *d = kern_op2(e->b, KERN_SUB, x, r->shift[copy]);
        x = kern_exp(e->b, d);
    }
    return combined(r, old, kern_splat(e->b, x, r->lanes));
}

/* Is the first element all there is so far? Then it need not be compared with
 * what stands for nothing. */
static bool takes_first(const reducer *r, kern_value *cond)
{
    bool compares = has_index(r) || r->op == IR_MAX || r->op == IR_MIN;
    return r->flat && r->fresh && !cond && compares;
}

static void accumulate_indexed(reducer *r, accumulator *a, kern_value *cond)
{
    kern_builder *b = &r->k->b;
    kern_value *x = kern_get(b, a->value), *at = kern_get(b, a->index);
    kern_value *y =
        kern_splat(b, as_type(r, emit_expr(r->e, r->n->comp.body)), r->lanes);
    kern_value *y_at = kern_splat(b, position(r), r->lanes);
    if (takes_first(r, cond)) {
        kern_set(b, a->value, y);
        kern_set(b, a->index, y_at);
        return;
    }
    kern_value *wins = beats(r, y, x);
    if (!r->flat || r->n->comp.filter)
        wins = kern_op2(b, KERN_OR, wins,
                        kern_op2(b, KERN_LT, at, kern_int(b, KERN_I32, 1, 0)));
    if (cond)
        wins = kern_op2(b, KERN_AND, wins, cond);
    kern_set(b, a->value, kern_select(b, wins, y, x));
    kern_set(b, a->index, kern_select(b, wins, y_at, at));
}

static void accumulate(reducer *r, int copy)
{
    kern_builder *b = &r->k->b;
    accumulator *a = &r->acc[copy];
    kern_value *cond = taking_part(r);
    if (has_index(r)) {
        accumulate_indexed(r, a, cond);
        return;
    }
    kern_value *old = kern_get(b, a->value);
    if (takes_first(r, cond)) {
        kern_value *first = as_type(r, emit_expr(r->e, r->n->comp.body));
        kern_set(b, a->value, kern_splat(b, first, r->lanes));
        return;
    }
    kern_value *next = kern_splat(b, next_value(r, copy, old), r->lanes);
    kern_set(b, a->value, cond ? kern_select(b, cond, next, old) : next);
}

static void accumulate_copy(joint *j, nest *n, int copy)
{
    emit *e = j->parts[0].e;
    int mark = emit_mark(e);
    kern_value *saved = nest_copy(n, copy);
    for (int i = 0; i < j->count; i++)
        accumulate(&j->parts[i], copy);
    nest_uncopy(n, saved);
    emit_rewind(e, mark);
}

/* Lanes split the reduction: the copies are of the reduced lane loop. */
static void split_body(nest *n, int copies, void *ctx)
{
    for (int c = 0; c < copies; c++)
        accumulate_copy(ctx, n, c);
}

typedef struct outputs_ctx {
    joint *j;
    nest *outer;
    int copies;
} outputs_ctx;

/* Lanes are outputs: the copies are of the loop over outputs. */
static void outputs_body(nest *n, int copies, void *ctx)
{
    outputs_ctx *c = ctx;
    (void)n;
    (void)copies;
    for (int i = 0; i < c->copies; i++)
        accumulate_copy(c->j, c->outer, i);
    for (int i = 0; i < c->j->count; i++)
        c->j->parts[i].fresh = false;
}

/* ---------- from accumulators to a result ---------- */

static kern_value *across_lanes(reducer *r, kern_value *x)
{
    kern_builder *b = &r->k->b;
    if (x->lanes == 1)
        return x;
    if (r->op == IR_SUM)
        return kern_hsum(b, x);
    while (x->lanes > 1)
        x = combined(r, kern_half(b, x, 0), kern_half(b, x, 1));
    return x;
}

static kern_value *index_across_lanes(reducer *r, kern_value *x, kern_value *at)
{
    kern_builder *b = &r->k->b;
    while (x->lanes > 1) {
        kern_value *y = kern_half(b, x, 1), *y_at = kern_half(b, at, 1);
        x = kern_half(b, x, 0);
        at = kern_half(b, at, 0);
        combine_indexed(r, &x, &at, y, y_at);
    }
    return at;
}

static kern_value *finish_indexed(reducer *r, int copies)
{
    kern_builder *b = &r->k->b;
    kern_value *x = kern_get(b, r->acc[0].value);
    kern_value *at = kern_get(b, r->acc[0].index);
    for (int c = 1; c < copies; c++)
        combine_indexed(r, &x, &at, kern_get(b, r->acc[c].value),
                        kern_get(b, r->acc[c].index));
    if (r->plan->lanes_reduce)
        at = index_across_lanes(r, x, at);
    return kern_op2(b, KERN_MAX, at, kern_int(b, KERN_I32, 1, 0));
}

/* The vectors pairwise, then the lanes by halving. */
static kern_value *finish_split(reducer *r, int copies)
{
    if (has_index(r))
        return finish_indexed(r, copies);
    kern_value *x[JAM];
    for (int c = 0; c < copies; c++)
        x[c] = kern_get(&r->k->b, r->acc[c].value);
    for (int half = copies / 2; half; half /= 2)
        for (int c = 0; c < half; c++)
            x[c] = combined(r, x[c], x[c + half]);
    return across_lanes(r, x[0]);
}

static kern_value *finish_output(reducer *r, int copy)
{
    kern_builder *b = &r->k->b;
    if (!has_index(r))
        return kern_get(b, r->acc[copy].value);
    kern_value *at = kern_get(b, r->acc[copy].index);
    return kern_op2(b, KERN_MAX, at, kern_int(b, KERN_I32, 1, 0));
}

/* ---------- passes over the reduced box ---------- */

static void inner_nest(joint *j, nest *n)
{
    reducer *r = &j->parts[0];
    const sched_space *space = r->space;
    int lane_var = r->plan->lanes_reduce ? r->plan->lane_var : -1;
    nest_init(n, r->e, space->loops + space->out_count,
              space->count - space->out_count, lane_var);
    n->jam = r->plan->lanes_reduce ? r->vectors : 1;
    if (r->flat)
        n->flat = 0;
    n->hoisted = ARENA_ARRAY(r->k->scratch, ir_expr *, 2 * j->count);
    for (int i = 0; i < j->count; i++) {
        const ir_comp *comp = &j->parts[i].n->comp;
        if (ir_volume(comp) == 0)
            continue;
        n->hoisted[n->hoisted_count++] = comp->body;
        if (comp->filter)
            n->hoisted[n->hoisted_count++] = comp->filter;
    }
}

static void limit_chunk(reducer *r, nest *n)
{
    kern_builder *b = &r->k->b;
    for (int i = 0; r->part && i < n->count; i++) {
        if (n->loops[i].var != r->plan->chunk_var)
            continue;
        kern_value *size = kern_int(b, KERN_I64, 1, r->plan->chunk);
        kern_value *end = kern_int(b, KERN_I64, 1, n->loops[i].extent);
        n->lo[i] = kern_op2(b, KERN_MUL, r->part, size);
        n->hi[i] =
            kern_op2(b, KERN_MIN, kern_op2(b, KERN_ADD, n->lo[i], size), end);
    }
}

/* Runs the box once; the accumulators hold what came of it. */
static void run_pass(joint *j, nest *outer, int copies)
{
    nest n;
    reducer *r = &j->parts[0];
    outputs_ctx c = {j, outer, copies};
    inner_nest(j, &n);
    limit_chunk(r, &n);
    if (!r->plan->lanes_reduce && copies > 1)
        n.unbound = (uint32_t)1 << r->plan->lane_var;
    int accumulators = r->plan->lanes_reduce ? r->vectors : copies;
    for (int i = 0; i < j->count; i++) {
        j->parts[i].fresh = true;
        for (int a = 0; a < accumulators; a++)
            acc_init(&j->parts[i], &j->parts[i].acc[a]);
    }
    n.body = r->plan->lanes_reduce ? split_body : outputs_body;
    n.ctx = r->plan->lanes_reduce ? (void *)j : (void *)&c;
    int mark = emit_mark(r->e);
    nest_run(&n, 0);
    emit_rewind(r->e, mark);
}

static kern_value *finite_shift(reducer *r, kern_value *m)
{
    kern_builder *b = &r->k->b;
    kern_value *zero = kern_real(b, r->type, 1, 0);
    kern_value *finite = kern_op2(b, KERN_LT, kern_op1(b, KERN_ABS, m),
                                  kern_real(b, r->type, 1, INFINITY));
    return kern_select(b, finite, m, zero);
}

static void store_result(reducer *r, kern_value *x, emit_place *place)
{
    emit *e = r->e;
    if (r->part) {
        int64_t size = ir_element_count(&r->n->type);
        kern_value *by = kern_int(e->b, KERN_I64, 1, size);
        place->offset = kern_op2(e->b, KERN_ADD, place->offset,
                                 kern_op2(e->b, KERN_MUL, r->part, by));
    }
    emit_store(e, r->out, place, x);
}

static void finish(reducer *r, int copies, kern_value **result)
{
    bool split = r->plan->lanes_reduce;
    for (int c = 0; c < copies; c++)
        result[c] = split ? finish_split(r, r->vectors) : finish_output(r, c);
}

/* The second pass of a log-sum-exp, whose first found the largest terms. */
static void add_exponentials(joint *j, nest *outer, int copies,
                             kern_value **result)
{
    reducer *r = &j->parts[0];
    kern_value *sums[JAM];
    for (int c = 0; c < copies; c++)
        r->shift[c] = finite_shift(r, result[c]);
    for (int c = copies; c < JAM; c++)
        r->shift[c] = r->shift[0];
    r->op = IR_SUM;
    r->exponentials = true;
    run_pass(j, outer, copies);
    finish(r, copies, sums);
    for (int c = 0; c < copies; c++)
        result[c] = kern_op2(r->e->b, KERN_ADD, r->shift[c],
                             kern_log(r->e->b, sums[c]));
}

/* Reduces for `copies` vectors of outputs (or one output), and stores. */
static void reduce_outputs(nest *outer, int copies, void *ctx)
{
    joint *j = ctx;
    emit *e = j->parts[0].e;
    int lane_var = e->lane_var;
    for (int i = 0; i < j->count; i++) {
        ir_reduce op = j->parts[i].n->comp.reduce;
        j->parts[i].op = op == IR_LSE ? IR_MAX : op;
        j->parts[i].exponentials = false;
    }
    run_pass(j, outer, copies);
    for (int i = 0; i < j->count; i++) {
        reducer *r = &j->parts[i];
        kern_value *result[JAM];
        finish(r, copies, result);
        if (r->n->comp.reduce == IR_LSE)
            add_exponentials(j, outer, copies, result);
        e->lane_var = lane_var;
        for (int c = 0; c < copies; c++) {
            emit_place place;
            kern_value *saved = nest_copy(outer, c);
            emit_own_place(e, &r->n->type, &place);
            store_result(r, result[c], &place);
            nest_uncopy(outer, saved);
        }
    }
}

/* Short reductions need no more than one vector. */
static int vectors_of(const reducer *r)
{
    const sched_space *space = r->space;
    for (int i = space->out_count; i < space->count; i++)
        if (space->loops[i].var == r->plan->lane_var &&
            space->loops[i].extent >= (int64_t)r->k->lanes * JAM)
            return JAM;
    return 1;
}

static kern_type acc_type(const build *k, const ir_node *n)
{
    switch (n->comp.body->type) {
    case IR_REAL:
        return k->real;
    case IR_BOOL:
        return KERN_BOOL;
    case IR_INT:
        break;
    }
    return KERN_I32;
}

/* Windows of pooling: a box as small as this is written out. */
static bool is_flat(const reducer *r)
{
    const sched_space *space = r->space;
    int64_t volume = 1;
    for (int i = space->out_count; i < space->count; i++)
        volume *= space->loops[i].extent;
    return !r->plan->lanes_reduce && r->plan->chunks == 1 &&
           volume <= MOST_FLAT && ir_volume(&r->n->comp) > 0;
}

/* The loops over what is left of the outputs. */
static void outer_nest(joint *j, nest *outer)
{
    reducer *first = &j->parts[0];
    bool out_lanes = first->plan->lane_var >= 0 && !first->plan->lanes_reduce;
    for (int i = 0; i < j->count; i++) {
        reducer *r = &j->parts[i];
        r->type = acc_type(r->k, r->n);
        r->lanes = r->plan->lane_var >= 0 ? r->k->lanes : 1;
        r->vectors = vectors_of(r);
        r->flat = is_flat(r);
    }
    nest_init(outer, first->e, first->space->loops, first->space->out_count,
              out_lanes ? first->plan->lane_var : -1);
    outer->jam = out_lanes && j->count == 1 && !first->flat ? JAM : 1;
    outer->body = reduce_outputs;
    outer->ctx = j;
}

void build_reduce_inside(build *k, emit *e, ir_node *n,
                         const sched_space *space, const sched_reduction *plan,
                         int target)
{
    reducer r = {
        .k = k, .e = e, .n = n, .space = space, .plan = plan, .out = target};
    joint j = {&r, 1};
    nest outer;
    outer_nest(&j, &outer);
    int mark = emit_mark(e);
    nest_run(&outer, 0);
    emit_rewind(e, mark);
}

/* Cuts the step into tasks: of outputs, and of chunks of the reduction. */
static void run_tasks(build *k, joint *j, nest *outer, double work)
{
    int64_t chunks = k->step->reduction.chunks;
    nest_cut cut = nest_plan(outer, work / (double)chunks, outer->count);
    kern_value *task = kern_task(&k->b), *part = NULL;
    if (chunks > 1) {
        kern_value *tasks = kern_int(&k->b, KERN_I64, 1, cut.tasks);
        part = kern_op2(&k->b, KERN_DIV, task, tasks);
        task = kern_op2(&k->b, KERN_REM, task, tasks);
    }
    for (int i = 0; i < j->count; i++)
        j->parts[i].part = part;
    k->kernel->task_count = cut.tasks * chunks;
    nest_enter(outer, &cut, task);
    nest_run(outer, cut.lead < 0 ? 0 : cut.lead);
}

void build_reduce(build *k)
{
    const sched_step *step = k->step;
    const ir_comp *first = &step->nodes[0]->comp;
    joint j = {ARENA_ARRAY(k->scratch, reducer, step->node_count),
               step->node_count};
    double work = 0;
    if (ir_element_count(&step->nodes[0]->type) == 0)
        return;
    emit e;
    emit_init(&e, k, first->vars, first->var_count);
    for (int i = 0; i < j.count; i++) {
        const ir_node *n = step->nodes[i];
        j.parts[i] = (reducer){.k = k,
                               .e = &e,
                               .n = n,
                               .space = &step->space,
                               .plan = &step->reduction};
        j.parts[i].out = build_buffer(k, step->targets[i], true);
        work += (double)ir_volume(&n->comp) * sched_cost(n->comp.body);
    }
    nest outer;
    outer_nest(&j, &outer);
    run_tasks(k, &j, &outer, work);
}

/* ---------- partial results ---------- */

typedef struct combine_ctx {
    reducer r;
    int partial;
    int64_t size;
} combine_ctx;

static kern_value *load_part(combine_ctx *c, kern_value *part)
{
    emit *e = c->r.e;
    kern_value *by = kern_int(e->b, KERN_I64, 1, c->size);
    kern_value *row = kern_op2(e->b, KERN_MUL, part, by);
    emit_place place = {.stride = e->lane_var >= 0 ? 1 : 0};
    place.offset = kern_op2(e->b, KERN_ADD, row, e->var[0]);
    return kern_load(e->b, emit_memory(e, c->partial, &place, c->r.lanes),
                     c->r.lanes);
}

static void combine_body(nest *n, int copies, void *ctx)
{
    combine_ctx *c = ctx;
    emit *e = c->r.e;
    (void)n;
    (void)copies;
    kern_local *acc = kern_local_new(e->b, c->r.type, c->r.lanes, "acc");
    kern_set(e->b, acc, load_part(c, kern_int(e->b, KERN_I64, 1, 0)));
    kern_value *parts = kern_int(e->b, KERN_I64, 1, c->r.plan->chunks);
    kern_value *part =
        kern_loop(e->b, kern_int(e->b, KERN_I64, 1, 1), parts, 1, 0);
    kern_value *sum = kern_get(e->b, acc);
    kern_set(e->b, acc, combined(&c->r, sum, load_part(c, part)));
    kern_end(e->b);
    emit_place place = {.offset = e->var[0],
                        .stride = e->lane_var >= 0 ? 1 : 0};
    emit_store(e, c->r.out, &place, kern_get(e->b, acc));
}

void build_combine(build *k)
{
    const sched_step *step = k->step;
    ir_node *n = step->nodes[0];
    combine_ctx c = {.size = ir_element_count(&n->type)};
    const ir_var flat = {"o", 0, c.size};
    emit e;
    emit_init(&e, k, &flat, 1);
    c.r = (reducer){.k = k,
                    .e = &e,
                    .n = n,
                    .plan = &step->reduction,
                    .op = n->comp.reduce,
                    .type = acc_type(k, n)};
    c.partial = build_buffer(k, step->partial, false);
    c.r.out = build_buffer(k, step->targets[0], true);
    const sched_loop loop = {0, 0, c.size, false};
    nest outer;
    nest_init(&outer, &e, &loop, 1, c.size >= 4 ? 0 : -1);
    c.r.lanes = outer.has_lanes ? k->lanes : 1;
    outer.body = combine_body;
    outer.ctx = &c;
    double work = (double)c.size * (double)step->reduction.chunks;
    nest_cut cut = nest_plan(&outer, work, 1);
    k->kernel->task_count = cut.tasks;
    nest_enter(&outer, &cut, kern_task(&k->b));
    nest_run(&outer, 0);
}
