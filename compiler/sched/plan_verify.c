/*
 * plan_verify.c - runs the memory plan without computing anything.
 *
 * Memory is a list of owners: which buffer's value stands where. A step must
 * find every value it reads still standing; what it writes takes over its
 * memory, and may overlap what it reads only in place under the same map. This
 * file trusts nothing memplan.c concluded, only the offsets.
 *
 * Needs:    a schedule whose memory is planned.
 * Provides: true, or one sentence that names step and buffers.
 * Keeps:    everything.
 */
#include "sched/sched.h"

typedef struct simulation {
    const sched_schedule *s;
    bool *standing; /* by buffer: its value is in memory */
    bool *kept;   /* by buffer: holds what a trip of a region under way kept */
    int previous; /* step */
    ptl_error *err;
} simulation;

static bool in_arena(const sched_buffer *b)
{
    return b->role == PTL_ROLE_TRANSIENT || b->role == PTL_ROLE_OUTPUT;
}

/* Where a value really lies: the arena, or memory of its own. */
static int region(const sched_schedule *s, int buffer)
{
    int home = sched_home(s, buffer);
    return in_arena(&s->buffers.data[home]) ? -1 : home;
}

static bool overlap(const sched_schedule *s, int a, int b)
{
    const sched_buffer *x = &s->buffers.data[a], *y = &s->buffers.data[b];
    if (region(s, a) != region(s, b))
        return false;
    if (region(s, a) >= 0)
        return true;
    return x->offset < y->offset + y->size_bytes &&
           y->offset < x->offset + x->size_bytes;
}

static bool fail(simulation *v, const sched_step *step, const char *problem,
                 int a, int b)
{
    const sched_buffer *buffers = v->s->buffers.data;
    ptl_fail(v->err, PTL_E_INTERNAL, "plan, step \"%s\": %s (\"%s\"%s%s%s)",
             step ? step->name : "end", problem, buffers[a].name,
             b >= 0 ? ", \"" : "", b >= 0 ? buffers[b].name : "",
             b >= 0 ? "\"" : "");
    return false;
}

static bool writes(const sched_step *step, int buffer)
{
    for (int i = 0; i < step->node_count; i++)
        if (step->targets[i] == buffer)
            return true;
    return false;
}

static bool check_reads(simulation *v, const sched_step *step)
{
    for (int i = 0; i < step->reads.count; i++) {
        const sched_access *a = &step->reads.data[i];
        if (!v->standing[a->buffer] &&
            v->s->buffers.data[a->buffer].size_bytes > 0)
            return fail(v, step, "reads what is not there", a->buffer, -1);
        for (int k = 0; k < step->node_count; k++) {
            int t = step->targets[k];
            if (t == a->buffer || !overlap(v->s, t, a->buffer))
                continue;
            if (step->kind != SCHED_STEP_MAP || !a->same_map)
                return fail(v, step, "overwrites what it reads", a->buffer, t);
            if (v->s->buffers.data[t].offset !=
                v->s->buffers.data[a->buffer].offset)
                return fail(v, step, "is in place, but not at the same place",
                            a->buffer, t);
        }
    }
    return true;
}

static bool check_inside(simulation *v, const sched_step *step, int buffer)
{
    const sched_buffer *b = &v->s->buffers.data[buffer];
    if (region(v->s, buffer) >= 0)
        return true;
    if (b->offset < 0 || b->offset % PTL_BUFFER_ALIGN ||
        b->offset + b->size_bytes > v->s->arena_bytes)
        return fail(v, step, "lies outside the arena or askew", buffer, -1);
    return true;
}

/* Scratch is apart from all that the step touches, and destroys what stood
 * there. */
static bool do_scratch(simulation *v, const sched_step *step)
{
    for (int k = 0; k < step->scratch.count; k++) {
        int mine = step->scratch.data[k];
        if (!check_inside(v, step, mine))
            return false;
        for (int i = 0; i < step->node_count; i++)
            if (overlap(v->s, mine, step->targets[i]))
                return fail(v, step, "has scratch where it writes", mine,
                            step->targets[i]);
        for (int i = 0; i < step->reads.count; i++)
            if (overlap(v->s, mine, step->reads.data[i].buffer))
                return fail(v, step, "has scratch where it reads", mine,
                            step->reads.data[i].buffer);
        for (int i = 0; i < k; i++)
            if (overlap(v->s, mine, step->scratch.data[i]))
                return fail(v, step, "has scratch twice in one place", mine,
                            step->scratch.data[i]);
        for (int i = 0; i < v->s->buffers.count; i++)
            if (overlap(v->s, i, mine))
                v->standing[i] = false;
    }
    return true;
}

/* What trips keep lies side by side: each adds to what is there. */
static bool check_kept(simulation *v, const sched_step *step, int buffer)
{
    if (step->kind != SCHED_STEP_STACK)
        return true;
    if (v->kept[buffer] && !v->standing[buffer])
        return fail(v, step, "what an earlier trip kept is gone", buffer, -1);
    v->kept[buffer] = true;
    return true;
}

static bool do_writes(simulation *v, const sched_step *step)
{
    for (int k = 0; k < step->node_count; k++) {
        int t = step->targets[k];
        if (!check_inside(v, step, t) || !check_kept(v, step, t))
            return false;
        for (int other = 0; other < k; other++)
            if (step->targets[other] != t &&
                overlap(v->s, t, step->targets[other]))
                return fail(v, step, "writes two values to one place", t,
                            step->targets[other]);
        for (int i = 0; i < v->s->buffers.count; i++)
            if (i != t && !writes(step, i) && overlap(v->s, i, t))
                v->standing[i] = false;
        v->standing[t] = true;
    }
    return true;
}

static bool check_end(simulation *v)
{
    const sched_scope *scope = v->s->scopes.data[0];
    const ir_graph *g = scope->graph;
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        int value = scope->node_buffer[out->node->id];
        if (out->role == IR_OUT_VALUE && !v->standing[value] &&
            v->s->buffers.data[value].size_bytes)
            return fail(v, NULL, "an output is gone", value, -1);
        if (out->role != IR_OUT_UPDATE)
            continue;
        int target = scope->node_buffer[out->target->id];
        bool in_place = sched_home(v->s, value) == target;
        if (in_place ? !v->standing[value] : !v->standing[target])
            return fail(v, NULL, "an update is gone", target, -1);
    }
    return true;
}

/* Inputs are written by their update alone. */
static bool check_inputs(const simulation *v)
{
    for (int i = 0; i < v->s->steps.count; i++) {
        const sched_step *step = v->s->steps.data[i];
        for (int k = 0; k < step->node_count; k++) {
            int home = region(v->s, step->targets[k]);
            if (home >= 0 && !v->s->buffers.data[home].updated)
                return fail((simulation *)v, step, "writes an input", home, -1);
        }
    }
    return true;
}

/* What was carried in place is the next trip's old value. */
static void end_trip(simulation *v, const sched_region *r)
{
    const ir_graph *g = r->scope->graph;
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        if (out->role != IR_OUT_UPDATE)
            continue;
        int value = r->scope->node_buffer[out->node->id];
        int target = r->scope->node_buffer[out->target->id];
        if (v->standing[value] &&
            sched_home(v->s, value) == sched_home(v->s, target))
            v->standing[target] = true;
    }
}

/* A region that is entered anew has kept nothing. */
static void begin_region(simulation *v, const sched_region *r)
{
    for (int i = r->begin; i < r->end; i++) {
        const sched_step *step = v->s->steps.data[i];
        if (step->kind == SCHED_STEP_STACK)
            v->kept[step->targets[0]] = false;
    }
}

static bool check_step(int index, void *ctx)
{
    simulation *v = ctx;
    const sched_step *step = v->s->steps.data[index];
    for (int i = 0; i < v->s->regions.count; i++) {
        const sched_region *r = &v->s->regions.data[i];
        if (r->begin == index && v->previous != r->end - 1)
            begin_region(v, r);
    }
    v->previous = index;
    if (!check_reads(v, step) || !do_scratch(v, step) || !do_writes(v, step))
        return false;
    for (int i = 0; i < v->s->regions.count; i++)
        if (v->s->regions.data[i].end - 1 == index)
            end_trip(v, &v->s->regions.data[i]);
    return true;
}

bool sched_verify(const sched_schedule *s, ptl_error *err)
{
    ptl_arena *scratch = arena_new();
    simulation v = {.s = s, .previous = -1, .err = err};
    v.standing = ARENA_ARRAY(scratch, bool, s->buffers.count + 1);
    v.kept = ARENA_ARRAY(scratch, bool, s->buffers.count + 1);
    for (int i = 0; i < s->buffers.count; i++)
        v.standing[i] = !in_arena(&s->buffers.data[i]);
    /* Two trips show what the end of one does to the start of the next. */
    bool ok = check_inputs(&v) && sched_walk_steps(s, 2, check_step, &v) &&
              check_end(&v);
    arena_free(scratch);
    return ok;
}
