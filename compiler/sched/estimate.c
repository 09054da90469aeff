/*
 * estimate.c - what an expression and a step cost, roughly.
 *
 * Costs are in operations of one vector register; they steer fusion and the
 * size of tasks, and are printed in reports. They never decide what is
 * computed.
 */
#include "base/memo.h"
#include "base/stream.h"
#include "sched/internal.h"

enum { COST_READ = 4, COST_INDIRECT = 16, COST_RANDOM = 60 };

static double op_cost(ir_scalar op)
{
    switch (op) {
    case IR_DIV_OP:
    case IR_SQRT_OP:
        return 8;
    case IR_IDIV_OP:
    case IR_MOD_OP:
        return 20;
    case IR_EXP_OP:
    case IR_LOG_OP:
    case IR_SIN_OP:
    case IR_COS_OP:
    case IR_TANH_OP:
    case IR_SIGMOID_OP:
    case IR_ERF_OP:
        return 24;
    case IR_POW_OP:
        return 60;
    default:
        return 1;
    }
}

typedef struct cost_sum {
    double operations, reads;
    ptl_memo varying; /* what depends on a variable */
} cost_sum;

static bool varies(const cost_sum *sum, const ir_expr *e)
{
    return e && memo_get(&sum->varying, e) != NULL;
}

static bool depends_on_variables(const cost_sum *sum, const ir_expr *e)
{
    bool any = e->kind == IR_EXPR_VAR || varies(sum, e->outside) ||
               varies(sum, e->element) || varies(sum, e->step) ||
               varies(sum, e->seed);
    for (int i = 0; i < e->arg_count; i++)
        any = any || varies(sum, e->args[i]);
    for (int i = 0; i < e->sub_count; i++)
        any = any || e->subs[i].affine.term_count > 0 ||
              varies(sum, e->subs[i].gather);
    return any;
}

/* Children come first. What is the same everywhere is computed once. */
static void add_cost(ir_expr *e, void *ctx)
{
    cost_sum *sum = ctx;
    if (!depends_on_variables(sum, e))
        return;
    memo_put(&sum->varying, e, e);
    switch (e->kind) {
    case IR_EXPR_OP:
        sum->operations += op_cost(e->op);
        break;
    case IR_EXPR_READ:
        sum->reads += COST_READ;
        for (int i = 0; i < e->sub_count; i++)
            if (!sched_is_direct(&e->subs[i]))
                sum->reads += COST_INDIRECT;
        break;
    case IR_EXPR_RANDOM:
        sum->operations += COST_RANDOM;
        break;
    default:
        break;
    }
}

static cost_sum sum_costs(ir_expr *e)
{
    cost_sum sum = {0};
    ir_visit(e, add_cost, &sum);
    memo_fini(&sum.varying);
    return sum;
}

double sched_cost(ir_expr *e)
{
    cost_sum sum = sum_costs(e);
    return 1 + sum.operations + sum.reads;
}

static double flops_of(ir_expr *e)
{
    return sum_costs(e).operations;
}

static double comp_flops(const ir_node *n)
{
    int more = n->comp.reduce != IR_MAP;
    return (flops_of(n->comp.body) + more) * (double)ir_volume(&n->comp);
}

static double scatter_flops(const sched_step *step)
{
    const ir_node *n = step->nodes[0];
    const ir_type *type = &n->pieces[step->piece].source->type;
    int of_an_element = step->lost < 0 ? 1 : 4;
    return n->disjoint ? 0 : (double)ir_element_count(type) * of_an_element;
}

static double step_flops(const sched_step *step)
{
    const ir_node *n = step->nodes[0];
    double flops = 0;
    switch (step->kind) {
    case SCHED_STEP_MAP:
    case SCHED_STEP_ROWS:
    case SCHED_STEP_REDUCE:
        for (int i = 0; i < step->node_count; i++)
            flops += comp_flops(step->nodes[i]);
        return flops;
    case SCHED_STEP_COMBINE:
        return (double)ir_element_count(&n->type) *
               (double)step->reduction.chunks;
    case SCHED_STEP_TILE:
    case SCHED_STEP_DIRECT:
    case SCHED_STEP_PRODUCT:
        return 2.0 * (double)ir_volume(&n->comp);
    case SCHED_STEP_SCATTER:
        return scatter_flops(step);
    default:
        return 0;
    }
}

/*
 * A step that moves more than the last cache holds finds nothing of its results
 * there afterwards; stored around the caches, they need not be fetched first.
 * Below that, whoever reads them next is better served by the caches.
 */
static bool streams(const sched_step *step)
{
    bool plain = step->kind == SCHED_STEP_MAP ||
                 step->kind == SCHED_STEP_ROWS ||
                 step->kind == SCHED_STEP_FILL ||
                 step->kind == SCHED_STEP_SCATTER;
    return plain && step->bytes > STREAM_BYTES;
}

/* Of a piece of a scatter only the piece. */
static int64_t result_bytes(const sched_schedule *s, const sched_step *step,
                            int index)
{
    const sched_buffer *b = &s->buffers.data[step->targets[index]];
    const ir_node *n = step->nodes[index];
    if (step->kind == SCHED_STEP_SCATTER)
        n = n->pieces[step->piece].source;
    else if (!sched_store_of(step->scope, n))
        return b->size_bytes;
    return ir_element_count(&n->type) * dtype_size(b->dtype);
}

void sched_estimate(sched_schedule *s)
{
    for (int i = 0; i < s->steps.count; i++) {
        sched_step *step = s->steps.data[i];
        step->flops = (int64_t)step_flops(step);
        for (int k = 0; k < step->reads.count; k++)
            step->bytes +=
                s->buffers.data[step->reads.data[k].buffer].size_bytes;
        for (int k = 0; k < step->node_count; k++)
            step->bytes += result_bytes(s, step, k);
        step->streams = streams(step);
    }
}
