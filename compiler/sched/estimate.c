/*
 * estimate.c - what an expression and a step cost, roughly.
 *
 * Costs are in operations of one vector register; they steer fusion and the
 * size of tasks, and are printed in reports. They never decide what is
 * computed.
 */
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
} cost_sum;

static void add_cost(ir_expr *e, void *ctx)
{
    cost_sum *sum = ctx;
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

double sched_cost(ir_expr *e)
{
    cost_sum sum = {0};
    ir_visit(e, add_cost, &sum);
    return sum.operations + sum.reads;
}

static double flops_of(ir_expr *e)
{
    cost_sum sum = {0};
    ir_visit(e, add_cost, &sum);
    return sum.operations;
}

static double comp_flops(const ir_node *n)
{
    int more = n->comp.reduce != IR_MAP;
    return (flops_of(n->comp.body) + more) * (double)ir_volume(&n->comp);
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
        return 2.0 * (double)ir_volume(&n->comp);
    case SCHED_STEP_SCATTER:
        return n->disjoint ? 0
                           : (double)ir_element_count(
                                 &n->pieces[step->piece].source->type);
    default:
        return 0;
    }
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
            step->bytes += s->buffers.data[step->targets[k]].size_bytes;
    }
}
