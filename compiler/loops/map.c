/*
 * map.c - maps: nodes over one domain, element by element.
 *
 * All loads of an iteration come before its stores, so a result may lie where
 * an operand lay that is read at the same element. Nodes that read one another
 * take the value from the register.
 */
#include "loops/build.h"

typedef struct map_ctx {
    build *k;
    emit *e;
    ir_node *const *nodes;
    int count;
    const int *buffers;
} map_ctx;

static void map_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    emit *e = c->e;
    (void)n;
    (void)copies;
    kern_value **values = ARENA_ARRAY(c->k->scratch, kern_value *, c->count);
    for (int i = 0; i < c->count; i++) {
        values[i] = emit_expr(e, c->nodes[i]->comp.body);
        e->forward[c->nodes[i]->id] = values[i];
    }
    for (int i = 0; i < c->count; i++) {
        emit_place place;
        emit_own_place(e, &c->nodes[i]->type, &place);
        emit_store(e, c->buffers[i], &place, values[i]);
        e->forward[c->nodes[i]->id] = NULL;
    }
}

static void map_nest(map_ctx *c, const sched_space *space, nest *n)
{
    double cost;
    int lane_var = sched_pick_lanes(c->nodes, c->count, space, 0, space->count,
                                    c->k->lanes, &cost);
    ir_expr **roots = ARENA_ARRAY(c->k->scratch, ir_expr *, c->count);
    for (int i = 0; i < c->count; i++)
        roots[i] = c->nodes[i]->comp.body;
    nest_init(n, c->e, space->loops, space->count, lane_var);
    n->body = map_body;
    n->ctx = c;
    n->hoisted = roots;
    n->hoisted_count = c->count;
}

void build_map_inside(build *k, emit *e, ir_node *n, const sched_space *space,
                      int target)
{
    nest inner;
    map_ctx c = {k, e, &n, 1, &target};
    map_nest(&c, space, &inner);
    int mark = emit_mark(e);
    nest_run(&inner, 0);
    emit_rewind(e, mark);
}

void build_map(build *k)
{
    const sched_step *step = k->step;
    ir_node *first = step->nodes[0];
    int64_t count = ir_element_count(&first->type);
    double cost = 0;
    for (int i = 0; i < step->node_count; i++)
        cost += sched_cost(step->nodes[i]->comp.body);
    if (count == 0)
        return;
    emit e;
    emit_init(&e, k, first->comp.vars, first->comp.var_count);
    int *buffers = ARENA_ARRAY(k->scratch, int, step->node_count);
    for (int i = 0; i < step->node_count; i++)
        buffers[i] = build_buffer(k, step->targets[i], true);
    map_ctx c = {k, &e, step->nodes, step->node_count, buffers};
    nest n;
    map_nest(&c, &step->space, &n);
    nest_cut cut = nest_plan(&n, cost * (double)count, n.count);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
