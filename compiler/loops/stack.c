/*
 * stack.c - a value of one trip of a scan to its place among all trips.
 */
#include "loops/build.h"

typedef struct stack_ctx {
    emit *e;
    int from, to, counter;
    int64_t size;
} stack_ctx;

static void stack_body(nest *n, int copies, void *ctx)
{
    stack_ctx *c = ctx;
    kern_builder *b = c->e->b;
    (void)n;
    (void)copies;
    emit_place place = {.offset = c->e->var[0],
                        .stride = c->e->lane_var >= 0 ? 1 : 0};
    int lanes = c->e->lane_var >= 0 ? c->e->lanes : 1;
    kern_value *x =
        kern_load(b, emit_memory(c->e, c->from, &place, lanes), lanes);
    kern_memory counter = {.buffer = c->counter,
                           .offset = kern_int(b, KERN_I64, 1, 0)};
    kern_value *trip = kern_convert(b, kern_load(b, counter, 1), KERN_I64);
    kern_value *base =
        kern_op2(b, KERN_MUL, trip, kern_int(b, KERN_I64, 1, c->size));
    place.offset = kern_op2(b, KERN_ADD, place.offset, base);
    emit_store(c->e, c->to, &place, x);
}

void build_stack(build *k)
{
    const sched_step *step = k->step;
    int64_t size = ir_element_count(&step->nodes[0]->type);
    const ir_var flat = {"o", 0, size};
    const sched_loop loop = {0, 0, size, false};
    emit e;
    emit_init(&e, k, &flat, 1);
    stack_ctx c = {.e = &e, .size = size};
    c.from = build_buffer(k, step->reads.data[0].buffer, false);
    c.counter = build_buffer(k, step->counter, false);
    c.to = build_buffer(k, step->targets[0], true);
    if (size == 0)
        return;
    nest n;
    nest_init(&n, &e, &loop, 1, size >= 4 ? 0 : -1);
    n.body = stack_body;
    n.ctx = &c;
    nest_cut cut = nest_plan(&n, (double)size, 1);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, 0);
}
