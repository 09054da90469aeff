/*
 * rows.c - several nodes, row by row.
 *
 * The rows are the tasks' loops; inside a row each node runs in turn, and what
 * one wrote the next finds in the nearest cache.
 */
#include "loops/build.h"

typedef struct rows_ctx {
    build *k;
    emit *e;
    const int *targets;
} rows_ctx;

/* The row's variables have values; those of the node start at their lower
 * ends. */
static void enter_member(rows_ctx *c, const ir_node *n)
{
    emit *e = c->e;
    e->range = n->comp.vars;
    e->range_count = n->comp.var_count;
    e->lane_var = -1;
    for (int v = c->k->step->row_rank; v < n->comp.var_count; v++)
        e->var[v] = kern_int(e->b, KERN_I64, 1, n->comp.vars[v].lo);
}

static void row_body(nest *rows, int copies, void *ctx)
{
    rows_ctx *c = ctx;
    const sched_step *step = c->k->step;
    (void)rows;
    (void)copies;
    for (int i = 0; i < step->node_count; i++) {
        ir_node *n = step->nodes[i];
        const sched_member *m = &step->members[i];
        enter_member(c, n);
        if (n->comp.reduce == IR_MAP)
            build_map_inside(c->k, c->e, n, &m->space, c->targets[i]);
        else
            build_reduce_inside(c->k, c->e, n, &m->space, &m->reduction,
                                c->targets[i]);
    }
    c->e->lane_var = -1;
}

void build_rows(build *k)
{
    const sched_step *step = k->step;
    const ir_comp *first = &step->nodes[0]->comp;
    sched_loop loops[IR_MAX_RANK];
    int count = 0;
    double work = 0;
    for (int v = 0; v < step->row_rank; v++)
        if (first->vars[v].hi > 1)
            loops[count++] = (sched_loop){v, 0, first->vars[v].hi, false};
    for (int i = 0; i < step->node_count; i++)
        work += (double)ir_volume(&step->nodes[i]->comp) *
                sched_cost(step->nodes[i]->comp.body);
    emit e;
    emit_init(&e, k, first->vars, first->var_count);
    int *targets = ARENA_ARRAY(k->scratch, int, step->node_count);
    for (int i = 0; i < step->node_count; i++)
        targets[i] = build_buffer(k, step->targets[i], true);
    rows_ctx c = {k, &e, targets};
    nest n;
    nest_init(&n, &e, loops, count, -1);
    n.body = row_body;
    n.ctx = &c;
    nest_cut cut = nest_plan(&n, work, count);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
