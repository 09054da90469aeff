/*
 * combine.c - partial results of a reduction that was cut into chunks become
 * one, in the order of the chunks.
 */
#include "loops/reduce.h"

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
    kern_set(e->b, acc, reduce_combined(&c->r, sum, load_part(c, part)));
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
                    .type = reduce_type(k, n)};
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
