/*
 * map.c - maps: nodes over one domain, element by element.
 *
 * All loads of an iteration come before its stores, so a result may lie where
 * an operand lay that is read at the same element.
 */
#include "loops/flat.h"
#include "loops/turn.h"
#include "loops/window.h"
#include <string.h>

typedef struct map_ctx {
    build *k;
    emit *e;
    ir_node *const *nodes;
    int count;
    const int *buffers;
    window window;
    turn turn;
    bool may_be_flat; /* it is no part of a row */
    bool keeps; /* values stay known: there is one for the whole row */
} map_ctx;

static void map_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    (void)n;
    (void)copies;
    emit_together(c->e, c->nodes, c->buffers, c->count, c->keeps);
}

static void flat_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    flat_enter(n, c->nodes[0]);
    map_body(n, copies, ctx);
}

static void window_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    (void)copies;
    window_run(&c->window, n);
}

static void turn_body(nest *n, int copies, void *ctx)
{
    map_ctx *c = ctx;
    (void)copies;
    turn_run(&c->turn, n);
}

/* What lies across the result decides about the lanes. */
static int take_turn(map_ctx *c, sched_space *space, int lane_var)
{
    if (c->window.count)
        return lane_var;
    int across =
        turn_take(&c->turn, c->k, c->nodes, c->buffers, c->count, space);
    return across < 0 ? lane_var : across;
}

static bool take_flat(map_ctx *c, sched_space *space, int *lane_var)
{
    int before = *lane_var;
    *lane_var = flat_take(c->k, c->nodes, c->count, space, before);
    return *lane_var != before;
}

static void map_nest(map_ctx *c, const sched_space *whole, nest *n)
{
    double cost;
    sched_space outer = *whole;
    sched_space *space = &outer;
    int lane_var = sched_pick_lanes(c->k->step->scope, c->nodes, c->count,
                                    space, 0, space->count, c->k->lanes, &cost);
    ir_expr **roots = ARENA_ARRAY(c->k->scratch, ir_expr *, c->count);
    for (int i = 0; i < c->count; i++)
        roots[i] = c->nodes[i]->comp.body;
    if (c->count == 1) {
        window_take(&c->window, c->k->step->scope, c->nodes[0], space,
                    lane_var);
        c->window.node = c->nodes[0];
        c->window.out = c->buffers[0];
    }
    lane_var = take_turn(c, space, lane_var);
    bool flat = c->may_be_flat && !c->window.count && !c->turn.count &&
                take_flat(c, space, &lane_var);
    nest_init(n, c->e, space->loops, space->count, lane_var);
    n->body = c->window.count ? window_body
              : c->turn.count ? turn_body
              : flat          ? flat_body
                              : map_body;
    for (int v = 0; flat && v < c->nodes[0]->type.rank; v++)
        n->unbound |= (uint32_t)1 << v;
    if (c->turn.count)
        n->unbound |= (uint32_t)1 << c->turn.along.var;
    for (int i = 0; i < c->window.count; i++)
        n->unbound |= (uint32_t)1 << c->window.loops[i].var;
    n->ctx = c;
    n->hoisted = roots;
    n->hoisted_count = c->count;
}

void build_map_inside(build *k, emit *e, ir_node *n, const sched_space *space,
                      int target)
{
    nest inner;
    map_ctx c = {.k = k, .e = e, .nodes = &n, .count = 1, .buffers = &target};
    map_nest(&c, space, &inner);
    c.keeps = space->count == 0 && n->type.rank == k->step->row_rank;
    int mark = emit_mark(e);
    nest_run(&inner, 0);
    emit_rewind(e, mark);
}

typedef struct orderly {
    const ir_type *result;
    bool all; /* so far */
} orderly;

/* Does the read go through memory in the order in which the result does,
 * repeating and leaving out what it likes? */
static void check_order(ir_expr *read, void *ctx)
{
    orderly *o = ctx;
    sched_address a;
    int64_t inner = 1;
    if (read->kind != IR_EXPR_READ)
        return;
    sched_address_of(read, &a);
    for (int v = o->result->rank - 1; v >= 0; v--) {
        int64_t coef = o->result->dims[v] == 1 ? 0 : a.coef[v];
        bool innermost = v == o->result->rank - 1;
        o->all =
            o->all && (coef == 0 || (innermost ? coef == 1 : coef >= inner));
        inner = coef ? coef * o->result->dims[v] : inner;
    }
    o->all = o->all && a.whole;
}

/* Threads' counts are told apart by it (scripts/cuda-traffic): a map proper,
 * one that turns operands, one that picks elements from elsewhere. */
static const char *name_of(const map_ctx *c)
{
    orderly o = {.all = true};
    for (int i = 0; i < c->count; i++) {
        o.result = &c->nodes[i]->type;
        ir_visit_reads(c->nodes[i]->comp.body, check_order, &o);
    }
    const char *name = c->k->kernel->name, *rest = strchr(name, '.');
    if (!c->k->s->options.target.threads || !rest || (o.all && !c->turn.count))
        return name;
    return arena_printf(c->k->module->arena, "%s%s",
                        c->turn.count ? "turn" : "gather", rest);
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
    map_ctx c = {.k = k,
                 .e = &e,
                 .nodes = step->nodes,
                 .count = step->node_count,
                 .buffers = buffers,
                 .may_be_flat = true};
    nest n;
    map_nest(&c, &step->space, &n);
    k->kernel->name = name_of(&c);
    nest_cut cut = nest_plan(&n, cost * (double)count, n.count);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
