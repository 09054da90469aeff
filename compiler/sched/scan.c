/*
 * scan.c - a recurrence: a region of steps that runs once for every trip.
 *
 * Carried tensors have buffers of their own, set before the region and updated
 * in it, as parameters are; the trip counter is one more. So every trip runs
 * the very same steps. What is kept of every trip is stored by the counter.
 *
 * Needs:    the scan's operands in buffers.
 * Provides: the steps, and the buffers of the scan's results.
 * Keeps:    the scan.
 */
#include "sched/internal.h"

typedef struct scan_maker {
    sched_schedule *s;
    sched_scope *outer, *inner;
    const sched_scan *record;
    const ir_scan *scan;
    int counter;           /* buffers */
    int *carried, *stacks; /* stacks: -1 where nobody reads them */
} scan_maker;

/* ---------- before the region ---------- */

static ir_node *constant_node(sched_scope *scope, const char *name,
                              int64_t value)
{
    ir_comp comp = {.reduce = IR_MAP, .body = ir_int(scope->graph, value)};
    return ir_comprehend(scope->graph, name, &comp, (src_range){0});
}

static int add_transient(scan_maker *m, const ir_node *like, const char *what,
                         int number)
{
    sched_buffer b = sched_buffer_of(m->s, like);
    b.role = PTL_ROLE_TRANSIENT;
    b.idx_bound = 0;
    b.dtype = like->type.kind == IR_INT ? PTL_I32 : b.dtype;
    b.name =
        arena_printf(m->s->arena, "%s.%s%d", m->record->name, what, number);
    return sched_buffer_add(m->s, b);
}

/* `node` is computed into `buffer`. */
static void add_map_into(sched_schedule *s, sched_scope *scope, ir_node *node,
                         int buffer)
{
    sched_set_buffer(s, scope, node, buffer);
    sched_add_map(s, scope, &node, 1);
}

/* A result of the scan lies in `buffer`, and so do its views. */
static void place_result(scan_maker *m, const ir_node *result, int buffer)
{
    const ir_graph *g = m->outer->graph;
    for (int i = 0; i < g->nodes.count; i++)
        if (sched_base(m->outer, g->nodes.data[i]) == result)
            m->outer->node_buffer[i] = buffer;
}

static void add_carries(scan_maker *m)
{
    for (int i = 0; i < m->scan->carry_count; i++) {
        m->carried[i] = add_transient(m, m->scan->carries[i].input, "carry", i);
        ir_node *copy = sched_copy_node(m->outer, m->record->inits[i]);
        add_map_into(m->s, m->outer, copy, m->carried[i]);
        if (m->record->results[i])
            place_result(m, m->record->results[i], m->carried[i]);
    }
}

static void add_stacks(scan_maker *m)
{
    for (int i = 0; i < m->scan->stack_count; i++) {
        ir_node *result = m->record->results[m->scan->carry_count + i];
        m->stacks[i] = -1;
        if (!result)
            continue;
        m->stacks[i] = add_transient(m, result, "stack", i);
        place_result(m, result, m->stacks[i]);
    }
}

static void add_counter(scan_maker *m)
{
    int64_t first = m->scan->reversed ? m->scan->trips - 1 : 0;
    ir_node *start = constant_node(m->outer, "trip", first);
    m->counter = add_transient(m, start, "trip", 0);
    add_map_into(m->s, m->outer, start, m->counter);
}

/* ---------- the region ---------- */

/* The body's outputs: carried values, and those that are stacked. */
static ir_output *body_outputs(scan_maker *m, int *count)
{
    const ir_scan *scan = m->scan;
    ir_output *out = ARENA_ARRAY(m->s->arena, ir_output,
                                 scan->carry_count + scan->stack_count);
    *count = 0;
    for (int i = 0; i < scan->carry_count; i++)
        out[(*count)++] = (ir_output){"carry", scan->carries[i].next,
                                      IR_OUT_UPDATE, scan->carries[i].input};
    for (int i = 0; i < scan->stack_count; i++)
        if (m->stacks[i] >= 0)
            out[(*count)++] =
                (ir_output){"stack", scan->stacked[i], IR_OUT_VALUE, NULL};
    return out;
}

static void bind_inner(scan_maker *m, const ir_node *input, int buffer)
{
    ir_node *made = m->inner->made_from[input->id];
    if (made)
        m->inner->node_buffer[made->id] = buffer;
}

static void bind_inputs(scan_maker *m)
{
    const ir_scan *scan = m->scan;
    m->inner->steady_count = m->inner->graph->nodes.count;
    m->inner->steady = ARENA_ARRAY(m->s->arena, bool, m->inner->steady_count);
    for (int i = 0; i < scan->bind_count; i++) {
        const ir_node *made = m->inner->made_from[scan->bind_inner[i]->id];
        bind_inner(m, scan->bind_inner[i],
                   m->outer->node_buffer[m->record->binds[i]->id]);
        if (made)
            m->inner->steady[made->id] = true;
    }
    for (int i = 0; i < scan->carry_count; i++)
        bind_inner(m, scan->carries[i].input, m->carried[i]);
    if (scan->counter)
        bind_inner(m, scan->counter, m->counter);
}

static void add_stack_steps(scan_maker *m)
{
    const ir_graph *g = m->inner->graph;
    int stack = 0;
    for (int i = 0; i < g->outputs.count; i++) {
        if (g->outputs.data[i].role != IR_OUT_VALUE)
            continue;
        while (m->stacks[stack] < 0)
            stack++;
        ir_node *n = g->outputs.data[i].node;
        sched_step *step =
            sched_add_step(m->s, m->inner, SCHED_STEP_STACK, n->name);
        step->node_count = 1;
        step->nodes = ARENA_ARRAY(m->s->arena, ir_node *, 1);
        step->targets = ARENA_ARRAY(m->s->arena, int, 1);
        step->nodes[0] = n;
        step->targets[0] = m->stacks[stack++];
        step->counter = m->counter;
        int value = m->inner->node_buffer[n->id];
        sched_access_add(m->s, step, value, false);
        sched_access_add(m->s, step, m->counter, false);
    }
}

static void advance_counter(scan_maker *m)
{
    ir_graph *g = m->inner->graph;
    const ir_type type = {.kind = IR_INT};
    ir_node *now = ir_input(g, "trip", type, IR_GENERIC, PTL_I32);
    sched_set_buffer(m->s, m->inner, now, m->counter);
    ir_comp comp = {.reduce = IR_MAP};
    comp.body = ir_op2(g, IR_ADD_OP, ir_read_plain(g, now, 0),
                       ir_int(g, m->scan->reversed ? -1 : 1));
    ir_node *next = ir_comprehend(g, "trip.next", &comp, (src_range){0});
    add_map_into(m->s, m->inner, next, m->counter);
}

/* Takes a step out of the region, to stand before it. */
static void move_before(sched_schedule *s, int region, int from)
{
    sched_region *r = &s->regions.data[region];
    sched_step *step = s->steps.data[from];
    for (int i = from; i > r->begin; i--)
        s->steps.data[i] = s->steps.data[i - 1];
    s->steps.data[r->begin++] = step;
    for (int i = region + 1; i < s->regions.count; i++)
        if (s->regions.data[i].end <= from) {
            s->regions.data[i].begin++;
            s->regions.data[i].end++;
        }
}

static void move_steady_steps(sched_schedule *s, int region)
{
    for (int i = s->regions.data[region].begin; i < s->steps.count; i++) {
        sched_step *step = s->steps.data[i];
        if (step->steady)
            move_before(s, region, i);
        step->steady = false;
    }
}

static void add_region(scan_maker *m)
{
    sched_schedule *s = m->s;
    int region = s->regions.count, output_count;
    sched_region opened = {.begin = s->steps.count,
                           .trips = m->scan->trips,
                           .first_buffer = s->buffers.count};
    vec_push(s->arena, &s->regions, opened);
    ir_output *outputs = body_outputs(m, &output_count);
    m->inner = sched_fuse(s, m->scan->body, outputs, output_count);
    bind_inputs(m);
    sched_group_nodes(s, m->inner);
    sched_order(s, m->inner);
    sched_make_steps(s, m->inner);
    move_steady_steps(s, region);
    add_stack_steps(m);
    advance_counter(m);
    s->regions.data[region].scope = m->inner;
    s->regions.data[region].end = s->steps.count;
    s->regions.data[region].end_buffer = s->buffers.count;
}

void sched_add_scan(sched_schedule *s, sched_scope *scope,
                    const sched_scan *record)
{
    scan_maker m = {
        .s = s, .outer = scope, .record = record, .scan = record->scan};
    m.carried = ARENA_ARRAY(s->arena, int, m.scan->carry_count + 1);
    m.stacks = ARENA_ARRAY(s->arena, int, m.scan->stack_count + 1);
    add_carries(&m);
    add_stacks(&m);
    add_counter(&m);
    add_region(&m);
}
