/*
 * reduction.c - how a reduction runs: its tree, fixed by sizes alone.
 *
 * The lanes hold either neighbouring outputs or parts of one reduction,
 * whichever reads memory better. When there are few outputs for much work, one
 * reduced range is cut into chunks that are tasks of their own; their results
 * are combined in order by a second step. A sum that is still long is made in
 * blocks, whose sums are added up. Nothing here looks at threads.
 *
 * Needs:    a reduction and its loops.
 * Provides: the plan build_reduce() and build_combine() follow.
 * Keeps:    the order of definition inside each lane.
 */
#include "base/integer.h"
#include "sched/sched.h"
#include <math.h>

enum {
    LEAST_COLUMNS = 128,
    LEAST_ROWS = 32,
    CHUNK_WORK = 1 << 16, /* elements a chunk should have at least */
    MAX_CHUNKS = 64,
    FEW_TASKS = 8,
    LEAST_BLOCK = 128,
};

static const sched_loop *loop_of(const sched_space *space, int var)
{
    for (int i = 0; i < space->count; i++)
        if (space->loops[i].var == var)
            return &space->loops[i];
    return NULL;
}

static bool can_be_cut(const ir_node *n)
{
    return n->comp.reduce != IR_ARGMAX && n->comp.reduce != IR_ARGMIN &&
           n->comp.reduce != IR_LSE;
}

static int64_t reduced_volume(const sched_space *space)
{
    int64_t volume = 1;
    for (int i = space->out_count; i < space->count; i++)
        volume *= space->loops[i].extent;
    return volume;
}

static int longest_reduced(const sched_space *space)
{
    int best = -1;
    int64_t extent = 1;
    for (int i = space->out_count; i < space->count; i++)
        if (space->loops[i].extent > extent) {
            extent = space->loops[i].extent;
            best = space->loops[i].var;
        }
    return best;
}

/*
 * Are the outputs neighbours in memory, and the reduction over what lies around
 * them? With the accumulators in registers each task would read a narrow strip
 * of every row.
 */
static bool runs_by_columns(const sched_space *space, const sched_reduction *r)
{
    return !r->lanes_reduce && space->out_count == 1 && space->count == 2 &&
           r->lane_var == space->loops[0].var &&
           space->loops[0].extent >= LEAST_COLUMNS &&
           space->loops[1].extent >= LEAST_ROWS;
}

/*
 * Tasks the outputs alone could give, at CHUNK_WORK elements each. An output of
 * no more elements than that, which are along the lanes, is never cut: so blocks
 * have one tree, be there one of them or many (across_params).
 */
static void plan_chunks(const sched_space *space, int lanes, sched_reduction *r)
{
    int64_t outputs = 1, volume = 1;
    for (int i = 0; i < space->count; i++) {
        volume *= space->loops[i].extent;
        if (!space->loops[i].reduced)
            outputs *= space->loops[i].extent;
    }
    if (r->lanes_reduce && volume <= CHUNK_WORK * outputs)
        return;
    int64_t units = r->lanes_reduce || r->lane_var < 0
                        ? outputs
                        : int_ceil_div(outputs, lanes);
    int64_t wanted = volume / CHUNK_WORK;
    if (r->columns) {
        int64_t rows = reduced_volume(space);
        units = 1;
        wanted = int_max(wanted, int_ceil_div(rows / SCHED_COLUMN_ROWS,
                                              sched_longest_chain(rows)));
    }
    if (units >= FEW_TASKS || wanted < 2)
        return;
    int var = longest_reduced(space);
    int64_t extent = loop_of(space, var)->extent;
    int64_t chunks = wanted < MAX_CHUNKS ? wanted : MAX_CHUNKS;
    int64_t chunk = int_ceil_div(extent, chunks);
    if (r->lanes_reduce && r->lane_var == var)
        chunk =
            int_ceil_div(chunk, lanes * SCHED_VECTORS) * lanes * SCHED_VECTORS;
    r->chunk_var = var;
    r->chunk = chunk;
    r->chunks = int_ceil_div(extent, chunk);
}

/* ---------- blocks ---------- */

int64_t sched_longest_chain(int64_t terms)
{
    return (int64_t)(16.0 * sqrt((double)terms));
}

/* Steps that one accumulator takes through a reduced loop. */
static int64_t steps_of(const sched_loop *loop, const sched_reduction *r,
                        int64_t stride)
{
    int64_t extent = loop->var == r->chunk_var ? r->chunk : loop->extent;
    bool lanes = r->lanes_reduce && loop->var == r->lane_var;
    return int_ceil_div(extent, lanes ? stride : 1);
}

/* How far a step along the lanes goes. */
static int64_t lane_stride(const sched_space *space, const sched_reduction *r,
                           int lanes)
{
    if (!r->lanes_reduce)
        return 1;
    int64_t extent = loop_of(space, r->lane_var)->extent;
    return extent / lanes >= SCHED_VECTORS ? lanes * SCHED_VECTORS : lanes;
}

/* The reduced loops from the innermost out: the lanes', then as defined
 * backwards. */
static int inner_loops(const sched_space *space, const sched_reduction *r,
                       const sched_loop **out)
{
    int count = 0;
    if (r->lanes_reduce)
        out[count++] = loop_of(space, r->lane_var);
    for (int i = space->count - 1; i >= space->out_count; i--)
        if (!r->lanes_reduce || space->loops[i].var != r->lane_var)
            out[count++] = &space->loops[i];
    return count;
}

/* Where one accumulator would take more terms than the error model has room
 * for: blocks of about the root of their number. */
static void plan_block(const sched_space *space, int lanes, sched_reduction *r)
{
    const sched_loop *loops[IR_MAX_VARS];
    int count = inner_loops(space, r, loops);
    int64_t stride = lane_stride(space, r, lanes), chain = 1, inside = 1;
    for (int i = 0; i < count; i++)
        chain *= steps_of(loops[i], r, stride);
    if (r->columns || chain <= sched_longest_chain(reduced_volume(space)))
        return;
    int64_t block = LEAST_BLOCK;
    while (block * block < chain)
        block *= 2;
    for (int i = 0; i < count; i++) {
        int64_t steps = steps_of(loops[i], r, stride);
        if (inside * steps > block) {
            bool along = r->lanes_reduce && loops[i]->var == r->lane_var;
            r->block_var = loops[i]->var;
            r->block = int_max(block / inside, 1) * (along ? stride : 1);
            return;
        }
        inside *= steps;
    }
}

void sched_plan_reduction(const sched_scope *scope, ir_node *const *nodes,
                          int count, const sched_space *space, int lanes,
                          bool cut, sched_reduction *out)
{
    double out_cost, in_cost;
    int outer = sched_pick_lanes(scope, nodes, count, space, 0,
                                 space->out_count, lanes, &out_cost);
    int inner = sched_pick_lanes(scope, nodes, count, space, space->out_count,
                                 space->count, lanes, &in_cost);
    *out = (sched_reduction){
        .lane_var = outer, .chunk_var = -1, .chunks = 1, .block_var = -1};
    if (inner >= 0 && (outer < 0 || in_cost < out_cost)) {
        out->lane_var = inner;
        out->lanes_reduce = true;
    }
    for (int i = 0; i < count; i++)
        cut = cut && can_be_cut(nodes[i]) && !sched_store_of(scope, nodes[i]);
    out->columns = cut && runs_by_columns(space, out);
    if (cut)
        plan_chunks(space, lanes, out);
    plan_block(space, lanes, out);
}
