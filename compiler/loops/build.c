/*
 * build.c - kernel form of a whole schedule, one kernel per step.
 *
 * Needs:    a schedule whose memory is planned (buffers in place are one).
 * Provides: a module that passes kern_verify().
 * Keeps:    the schedule.
 */
#include "loops/build.h"

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
            /* what is read here as well is in the caches in any case */
            b->streamed = b->streamed && written;
            b->written = b->written || written;
            return i;
        }
    const sched_buffer *b = &k->s->buffers.data[home];
    vec_push(k->module->arena, &k->bound->buffers, home);
    if (b->in_row)
        return kern_scratch_add(k->kernel, b->name, b->dtype,
                                sched_row_elements(k->step, b) *
                                    k->rows_at_once);
    int added = kern_buffer_add(k->kernel, b->name, b->dtype, written);
    k->kernel->buffers.data[added].streamed = written && k->step->streams;
    return added;
}

kern_module *kern_build(const sched_schedule *s, kern_bound **bound)
{
    kern_module *m = kern_module_new();
    *bound = ARENA_ARRAY(m->arena, kern_bound, s->steps.count + 1);
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        build k = {.s = s,
                   .step = step,
                   .module = m,
                   .bound = &(*bound)[i],
                   .rows_at_once = 1};
        k.scratch = arena_new();
        k.kernel = kern_kernel_new(m, step->name, 1);
        if (step->nodes && step->node_count > 0)
            k.kernel->at = step->nodes[step->node_count - 1]->at;
        k.bound->kernel = k.kernel;
        k.b = kern_begin(k.kernel);
        k.real = s->options.f64 ? KERN_F64 : KERN_F32;
        k.lanes = sched_lanes(&s->options);
        builders[step->kind].build(&k);
        k.kernel->flops = step->flops;
        k.kernel->bytes = step->bytes;
        arena_free(k.scratch);
    }
    return m;
}
