/*
 * reduce.c - reductions: passes over the box, with accumulators in registers.
 *
 * Either the lanes are neighbouring outputs and each lane reduces in order, or
 * the lanes (and several vectors side by side) split one reduction; then the
 * vectors are combined pairwise and the lanes by halving. All of it follows
 * from sched_reduction, so the tree is the same on every target.
 */
#include "loops/reduce.h"
#include "kernel/math.h"
#include <math.h>

enum { MOST_FLAT = 9 };

static void accumulate_copy(joint *j, nest *n, int copy)
{
    emit *e = j->parts[0].e;
    int mark = emit_mark(e);
    kern_value *saved = nest_copy(n, copy);
    for (int i = 0; i < j->count; i++)
        reduce_add(&j->parts[i], copy);
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

static kern_value *finish_indexed(reducer *r, int copies)
{
    kern_builder *b = &r->k->b;
    kern_value *x = kern_get(b, r->acc[0].value);
    kern_value *at = kern_get(b, r->acc[0].index);
    for (int c = 1; c < copies; c++)
        reduce_combine_indexed(r, &x, &at, kern_get(b, r->acc[c].value),
                               kern_get(b, r->acc[c].index));
    if (r->plan->lanes_reduce)
        at = reduce_index_across_lanes(r, x, at);
    return kern_op2(b, KERN_MAX, at, kern_int(b, KERN_I32, 1, 0));
}

/* The vectors pairwise, then the lanes by halving. */
static kern_value *finish_split(reducer *r, int copies)
{
    if (reduce_has_index(r))
        return finish_indexed(r, copies);
    kern_value *x[WIDE_JAM];
    for (int c = 0; c < copies; c++)
        x[c] = kern_get(&r->k->b, r->acc[c].value);
    for (int half = copies / 2; half; half /= 2)
        for (int c = 0; c < half; c++)
            x[c] = reduce_combined(r, x[c], x[c + half]);
    return reduce_across_lanes(r, x[0]);
}

static kern_value *finish_output(reducer *r, int copy)
{
    kern_builder *b = &r->k->b;
    if (!reduce_has_index(r))
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

/* ---------- long sums: blocks, whose sums are added up ---------- */

typedef struct blocks_ctx {
    joint *j;
    int accumulators;
} blocks_ctx;

static bool adds(const reducer *r)
{
    return r->op == IR_SUM && kern_is_real(r->type);
}

static void begin_block(void *ctx)
{
    blocks_ctx *c = ctx;
    for (int i = 0; i < c->j->count; i++) {
        reducer *r = &c->j->parts[i];
        for (int a = 0; adds(r) && a < c->accumulators; a++)
            kern_set(&r->k->b, r->acc[a].value, reduce_neutral(r));
    }
}

static void end_block(void *ctx)
{
    blocks_ctx *c = ctx;
    for (int i = 0; i < c->j->count; i++) {
        reducer *r = &c->j->parts[i];
        kern_builder *b = &r->k->b;
        for (int a = 0; adds(r) && a < c->accumulators; a++)
            kern_set(b, r->acc[a].total,
                     kern_op2(b, KERN_ADD, kern_get(b, r->acc[a].total),
                              kern_get(b, r->acc[a].value)));
    }
}

/* From here on sums are in their totals; returns whether there are any. */
static bool enter_blocks(blocks_ctx *c, nest *n)
{
    const sched_reduction *plan = c->j->parts[0].plan;
    bool any = false;
    for (int i = 0; plan->block_var >= 0 && i < c->j->count; i++) {
        reducer *r = &c->j->parts[i];
        for (int a = 0; adds(r) && a < c->accumulators; a++) {
            accumulator sum;
            reduce_begin(r, &sum);
            r->acc[a].total = sum.value;
            any = true;
        }
    }
    for (int i = 0; any && i < n->count; i++)
        if (n->loops[i].var == plan->block_var)
            n->block_loop = i;
    n->block = plan->block;
    n->block_begin = begin_block;
    n->block_end = end_block;
    n->block_ctx = c;
    return any;
}

static void leave_blocks(blocks_ctx *c)
{
    for (int i = 0; i < c->j->count; i++) {
        reducer *r = &c->j->parts[i];
        for (int a = 0; adds(r) && a < c->accumulators; a++)
            r->acc[a].value = r->acc[a].total;
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
            reduce_begin(&j->parts[i], &j->parts[i].acc[a]);
    }
    n.body = r->plan->lanes_reduce ? split_body : outputs_body;
    n.ctx = r->plan->lanes_reduce ? (void *)j : (void *)&c;
    int mark = emit_mark(r->e);
    blocks_ctx blocks = {j, accumulators};
    bool in_blocks = enter_blocks(&blocks, &n);
    nest_run(&n, 0);
    if (in_blocks)
        leave_blocks(&blocks);
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

void reduce_place(reducer *r, emit_place *place)
{
    emit *e = r->e;
    emit_result_place(e, r->n, place);
    if (!r->part)
        return;
    int64_t size = ir_element_count(&r->n->type);
    kern_value *by = kern_int(e->b, KERN_I64, 1, size);
    place->offset = kern_op2(e->b, KERN_ADD, place->offset,
                             kern_op2(e->b, KERN_MUL, r->part, by));
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

/* Is there one result for the whole row? Later members need not read it. */
static bool is_row_value(const reducer *r)
{
    const sched_step *step = r->k->step;
    return step->kind == SCHED_STEP_ROWS && r->n->type.rank == step->row_rank;
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
        if (outer->count == 0 && is_row_value(r))
            e->forward[r->n->id] = result[0];
        for (int c = 0; c < copies; c++) {
            emit_place place;
            kern_value *saved = nest_copy(outer, c);
            reduce_place(r, &place);
            emit_store(e, r->out, &place, result[c]);
            nest_uncopy(outer, saved);
        }
    }
}

static int64_t lane_extent(const reducer *r)
{
    const sched_space *space = r->space;
    for (int i = space->out_count; i < space->count; i++)
        if (space->loops[i].var == r->plan->lane_var)
            return space->loops[i].extent;
    return 0;
}

/* Short reductions need no more than one vector. */
static int vectors_of(const reducer *r, const joint *j)
{
    ir_reduce op = r->n->comp.reduce;
    int64_t vectors = lane_extent(r) / r->k->lanes;
    bool wide = j->count == 1 && (op == IR_MAX || op == IR_MIN);
    if (wide && vectors >= WIDE_JAM)
        return WIDE_JAM;
    return vectors >= JAM ? JAM : 1;
}

/* The lanes' loop runs innermost. Where it is not the last of the definition,
 * a lane that comes to it more than once has left its place in between. */
static bool is_in_order(const reducer *r)
{
    const sched_space *space = r->space;
    return !r->plan->lanes_reduce ||
           space->loops[space->count - 1].var == r->plan->lane_var ||
           lane_extent(r) <= (int64_t)r->lanes * r->vectors;
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
        r->type = reduce_type(r->k, r->n);
        r->lanes = r->plan->lane_var >= 0 ? r->k->lanes : 1;
        r->vectors = vectors_of(r, j);
        r->in_order = is_in_order(r);
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
    if (step->reduction.columns)
        reduce_columns(k, &j);
    else
        run_tasks(k, &j, &outer, work);
}
