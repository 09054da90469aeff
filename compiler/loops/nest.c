/*
 * nest.c - loops over a box, cut into tasks, with vectors inside.
 *
 * Tasks are cut from the leading loops by sizes alone. Along the lanes a main
 * loop runs full vectors (several side by side where the body wants it), and
 * what is left is one masked vector.
 */
#include "base/integer.h"
#include "loops/build.h"
#include <string.h>

enum { MOST_TASKS = 256, MOST_THREAD_TASKS = 1 << 26 };

void nest_init(nest *n, emit *e, const sched_loop *loops, int count,
               int lane_var)
{
    *n = (nest){.e = e, .jam = 1, .flat = IR_MAX_VARS, .block_loop = -1};
    for (int i = 0; i < count; i++)
        if (lane_var < 0 || loops[i].var != lane_var)
            n->loops[n->count++] = loops[i];
    for (int i = 0; i < count; i++)
        if (lane_var >= 0 && loops[i].var == lane_var) {
            n->loops[n->count++] = loops[i];
            n->has_lanes = true;
        }
    e->lane_var = n->has_lanes ? lane_var : e->lane_var;
}

static int64_t rounded_up(int64_t x, int64_t to)
{
    return int_ceil_div(x, to) * to;
}

/* How far one step of the last loop goes. */
static int64_t width(const nest *n)
{
    return n->has_lanes ? n->e->lanes : 1;
}

/* Where lanes are threads, as many as there can be. */
static int64_t tasks_wanted(const nest *n, double work)
{
    double wish = work / BUILD_TASK_WORK;
    if (n->e->k->s->options.target.threads)
        return MOST_THREAD_TASKS;
    return wish < 1 ? 1 : wish > MOST_TASKS ? MOST_TASKS : (int64_t)wish;
}

nest_cut nest_plan(const nest *n, double work, int limit)
{
    int64_t wanted = tasks_wanted(n, work);
    nest_cut cut = {.lead = -1, .chunk = 1, .chunks = 1, .tasks = 1};
    for (int i = 0; i < limit; i++) {
        int64_t extent = n->loops[i].extent;
        cut.lead = i;
        if (cut.tasks * extent < wanted && i + 1 < limit) {
            cut.tasks *= extent;
            continue;
        }
        int64_t chunks = int_ceil_div(wanted, cut.tasks);
        chunks = chunks < extent ? chunks : extent;
        cut.chunk = int_ceil_div(extent, chunks);
        if (i + 1 == n->count)
            cut.chunk = rounded_up(cut.chunk, width(n) * n->jam);
        cut.chunks = int_ceil_div(extent, cut.chunk);
        cut.tasks *= cut.chunks;
        break;
    }
    return cut;
}

static kern_value *number(const nest *n, int64_t x)
{
    return kern_int(n->e->b, KERN_I64, 1, x);
}

static void set_var(nest *n, const sched_loop *loop, kern_value *at)
{
    kern_value *lo = number(n, loop->lo);
    n->e->var[loop->var] = kern_op2(n->e->b, KERN_ADD, at, lo);
}

void nest_enter(nest *n, const nest_cut *cut, kern_value *task)
{
    kern_builder *b = n->e->b;
    if (cut->lead < 0)
        return;
    if (cut->chunks > 1) {
        const sched_loop *loop = &n->loops[cut->lead];
        kern_value *chunks = number(n, cut->chunks);
        kern_value *part =
            cut->lead ? kern_op2(b, KERN_REM, task, chunks) : task;
        task = cut->lead ? kern_op2(b, KERN_DIV, task, chunks) : NULL;
        kern_value *lo = kern_op2(b, KERN_MUL, part, number(n, cut->chunk));
        kern_value *hi = kern_op2(b, KERN_ADD, lo, number(n, cut->chunk));
        if (loop->extent % cut->chunk)
            hi = kern_op2(b, KERN_MIN, hi, number(n, loop->extent));
        n->lo[cut->lead] = lo;
        n->hi[cut->lead] = hi;
    }
    for (int i = cut->lead - 1; i >= 0; i--) {
        kern_value *extent = number(n, n->loops[i].extent);
        set_var(n, &n->loops[i],
                i ? kern_op2(b, KERN_REM, task, extent) : task);
        task = kern_op2(b, KERN_DIV, task, extent);
    }
}

kern_value *nest_copy(nest *n, int copy)
{
    emit *e = n->e;
    if (n->count == 0 || (!n->has_lanes && n->jam == 1))
        return NULL;
    int var = n->loops[n->count - 1].var;
    kern_value *saved = e->var[var];
    if (copy)
        e->var[var] = kern_op2(e->b, KERN_ADD, saved,
                               number(n, (int64_t)copy * width(n)));
    return saved;
}

void nest_uncopy(nest *n, kern_value *saved)
{
    if (saved)
        n->e->var[n->loops[n->count - 1].var] = saved;
}

/* ---------- running ---------- */

static uint32_t unbound_from(const nest *n, int depth)
{
    uint32_t mask = n->unbound;
    for (int i = depth; i < n->count; i++)
        mask |= (uint32_t)1 << n->loops[i].var;
    return mask;
}

static void hoist(nest *n, int depth)
{
    for (int i = 0; i < n->hoisted_count; i++)
        emit_hoist(n->e, n->hoisted[i], unbound_from(n, depth));
}

/* lo + (hi - lo) rounded down to whole steps */
static kern_value *whole_steps(nest *n, kern_value *lo, kern_value *hi,
                               int64_t step)
{
    kern_builder *b = n->e->b;
    kern_value *by = number(n, step);
    kern_value *steps =
        kern_op2(b, KERN_DIV, kern_op2(b, KERN_SUB, hi, lo), by);
    return kern_op2(b, KERN_ADD, lo, kern_op2(b, KERN_MUL, steps, by));
}

static void run_full(nest *n, kern_value *lo, kern_value *hi, int copies)
{
    const sched_loop *loop = &n->loops[n->count - 1];
    int mark = emit_mark(n->e);
    kern_value *at = kern_loop(n->e->b, lo, hi, (int64_t)copies * width(n), 0);
    set_var(n, loop, at);
    n->body(n, copies, n->ctx);
    emit_rewind(n->e, mark);
    kern_end(n->e->b);
}

static void run_rest(nest *n, kern_value *lo, kern_value *hi)
{
    emit *e = n->e;
    int mark = emit_mark(e);
    kern_if(e->b, kern_op2(e->b, KERN_LT, lo, hi));
    kern_value *left = kern_op2(e->b, KERN_SUB, hi, lo);
    kern_value *outer = e->mask;
    e->mask = kern_op2(e->b, KERN_LT, kern_iota(e->b, KERN_I32, e->lanes),
                       kern_convert(e->b, left, KERN_I32));
    set_var(n, &n->loops[n->count - 1], lo);
    n->body(n, 1, n->ctx);
    e->mask = outer;
    emit_rewind(e, mark);
    kern_end(e->b);
}

static void run_lanes(nest *n, kern_value *lo, kern_value *hi)
{
    const sched_loop *loop = &n->loops[n->count - 1];
    int64_t lanes = width(n);
    if (n->jam > 1 && loop->extent >= lanes * n->jam) {
        kern_value *wide = whole_steps(n, lo, hi, lanes * n->jam);
        run_full(n, lo, wide, n->jam);
        lo = wide;
    }
    bool jammed_all = n->jam > 1 && loop->extent % (lanes * n->jam) == 0;
    if (loop->extent >= lanes && !jammed_all) {
        kern_value *full = whole_steps(n, lo, hi, lanes);
        run_full(n, lo, full, 1);
        lo = full;
    }
    if (loop->extent % lanes)
        run_rest(n, lo, hi);
}

/* Each value of the loop is code of its own, in which the variable is a
 * constant: guards and addresses fold. (A variable that stands for merged loops
 * has values beyond its own range, and keeps that.) */
static void run_flat(nest *n, int first)
{
    emit *e = n->e;
    const sched_loop *loop = &n->loops[first];
    const ir_var *range = e->range;
    ir_var *here = ARENA_ARRAY(e->k->scratch, ir_var, e->range_count);
    memcpy(here, range, (size_t)e->range_count * sizeof *here);
    e->range = here;
    bool own = range[loop->var].hi - range[loop->var].lo == loop->extent;
    for (int64_t i = 0; i < loop->extent; i++) {
        int mark = emit_mark(e);
        set_var(n, loop, number(n, i));
        if (own)
            here[loop->var] = (ir_var){NULL, loop->lo + i, loop->lo + i + 1};
        nest_run(n, first + 1);
        emit_rewind(e, mark);
    }
    e->range = range;
}

static kern_value *low_end(const nest *n, int loop)
{
    return n->lo[loop] ? n->lo[loop] : number(n, 0);
}

static kern_value *high_end(const nest *n, int loop)
{
    return n->hi[loop] ? n->hi[loop] : number(n, n->loops[loop].extent);
}

static void run_blocks(nest *n, int first)
{
    kern_builder *b = n->e->b;
    nest block = *n;
    kern_value *hi = high_end(n, first);
    int mark = emit_mark(n->e);
    kern_value *at = kern_loop(b, low_end(n, first), hi, n->block, 0);
    kern_value *next = kern_op2(b, KERN_ADD, at, number(n, n->block));
    block.block_loop = -1;
    block.lo[first] = at;
    block.hi[first] = kern_op2(b, KERN_MIN, next, hi);
    n->block_begin(n->block_ctx);
    nest_run(&block, first);
    n->block_end(n->block_ctx);
    emit_rewind(n->e, mark);
    kern_end(b);
}

void nest_run(nest *n, int first)
{
    if (first == n->count) {
        n->body(n, 1, n->ctx);
        return;
    }
    hoist(n, first);
    if (first >= n->flat) {
        run_flat(n, first);
        return;
    }
    if (first == n->block_loop) {
        run_blocks(n, first);
        return;
    }
    const sched_loop *loop = &n->loops[first];
    kern_value *lo = low_end(n, first), *hi = high_end(n, first);
    if ((n->has_lanes || n->jam > 1) && first + 1 == n->count) {
        run_lanes(n, lo, hi);
        return;
    }
    int mark = emit_mark(n->e);
    kern_value *at = kern_loop(n->e->b, lo, hi, 1, 0);
    set_var(n, loop, at);
    nest_run(n, first + 1);
    emit_rewind(n->e, mark);
    kern_end(n->e->b);
}
