/*
 * build.c - kernel form of a whole schedule, one kernel per step.
 *
 * Needs:    a schedule whose memory is planned (buffers in place are one).
 * Provides: a module that passes kern_verify().
 * Keeps:    the schedule.
 */
#include "kernel/build.h"

static const struct {
    void (*build)(build *k);
} builders[] = {
#define SCHED_STEP(name, text, builder) {builder},
#include "sched/step.def"
#undef SCHED_STEP
};

int build_buffer(build *k, int buffer, bool written)
{
    int home = sched_home(k->s, buffer);
    for (int i = 0; i < k->bound->buffers.count; i++)
        if (k->bound->buffers.data[i] == home) {
            kern_buffer *b = &k->kernel->buffers.data[i];
            b->written = b->written || written;
            return i;
        }
    const sched_buffer *b = &k->s->buffers.data[home];
    vec_push(k->module->arena, &k->bound->buffers, home);
    return kern_buffer_add(k->kernel, b->name, b->dtype, written);
}

static void count_cost(ir_expr *e, void *ctx)
{
    double *cost = ctx;
    if (e->kind == IR_EXPR_RANDOM)
        *cost += 60;
    else if (e->kind == IR_EXPR_READ)
        *cost += 2;
    else if (e->kind == IR_EXPR_OP)
        *cost += e->op == IR_EXP_OP || e->op == IR_LOG_OP ||
                         e->op == IR_SIN_OP || e->op == IR_COS_OP ||
                         e->op == IR_TANH_OP || e->op == IR_SIGMOID_OP ||
                         e->op == IR_ERF_OP || e->op == IR_POW_OP
                     ? 24
                     : 1;
}

double build_cost(ir_expr *x)
{
    double cost = 1;
    ir_visit(x, count_cost, &cost);
    return cost;
}

static void estimate(build *k)
{
    kern_kernel *kernel = k->kernel;
    for (int i = 0; i < k->bound->buffers.count; i++)
        kernel->bytes +=
            k->s->buffers.data[k->bound->buffers.data[i]].size_bytes;
}

kern_module *kern_build(const sched_schedule *s, kern_bound **bound)
{
    kern_module *m = kern_module_new();
    *bound = ARENA_ARRAY(m->arena, kern_bound, s->steps.count + 1);
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        build k = {.s = s, .step = step, .module = m, .bound = &(*bound)[i]};
        k.scratch = arena_new();
        k.kernel = kern_kernel_new(m, step->name, 1);
        k.bound->kernel = k.kernel;
        k.b = kern_begin(k.kernel);
        k.real = s->options.f64 ? KERN_F64 : KERN_F32;
        k.lanes = sched_lanes(&s->options);
        builders[step->kind].build(&k);
        estimate(&k);
        arena_free(k.scratch);
    }
    return m;
}
