/*
 * build_map.c - maps: nodes over one domain, element by element.
 *
 * All loads of an iteration come before its stores, so a result may lie where
 * an operand lay that is read at the same element. Nodes that read one another
 * take the value from the register.
 */
#include "kernel/build.h"

typedef struct map_ctx {
    build *k;
    emit *e;
    int *buffers;
} map_ctx;

static void forward(emit *e, const ir_node *n, kern_value *v)
{
    e->forward[n->id] = v;
}

static void map_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    emit *e = c->e;
    const sched_step *step = c->k->step;
    (void)n;
    (void)copies;
    kern_value **values =
        ARENA_ARRAY(c->k->scratch, kern_value *, step->node_count);
    for (int i = 0; i < step->node_count; i++) {
        values[i] = emit_expr(e, step->nodes[i]->comp.body);
        forward(e, step->nodes[i], values[i]);
    }
    for (int i = 0; i < step->node_count; i++) {
        emit_place place;
        emit_own_place(e, &step->nodes[i]->type, &place);
        emit_store(e, c->buffers[i], &place, values[i]);
        forward(e, step->nodes[i], NULL);
    }
}

static ir_expr **bodies(build *k)
{
    const sched_step *step = k->step;
    ir_expr **roots = ARENA_ARRAY(k->scratch, ir_expr *, step->node_count);
    for (int i = 0; i < step->node_count; i++)
        roots[i] = step->nodes[i]->comp.body;
    return roots;
}

void build_map(build *k)
{
    const sched_step *step = k->step;
    ir_node *first = step->nodes[0];
    int64_t count = ir_element_count(&first->type);
    double cost = 0, lane_cost;
    for (int i = 0; i < step->node_count; i++)
        cost += sched_cost(step->nodes[i]->comp.body);
    if (count == 0)
        return;
    emit e;
    emit_init(&e, k, first->comp.vars, first->comp.var_count);
    int lane_var = sched_pick_lanes(step->nodes, step->node_count, &step->space,
                                    0, step->space.count, k->lanes, &lane_cost);
    map_ctx c = {k, &e, ARENA_ARRAY(k->scratch, int, step->node_count)};
    for (int i = 0; i < step->node_count; i++)
        c.buffers[i] = build_buffer(k, step->targets[i], true);
    nest n;
    nest_init(&n, &e, step->space.loops, step->space.count, lane_var);
    n.body = map_body;
    n.ctx = &c;
    n.hoisted = bodies(k);
    n.hoisted_count = step->node_count;
    nest_cut cut = nest_plan(&n, cost * (double)count, n.count);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
