/*
 * direct.c - the contraction step over operands where they lie.
 */
#include "base/integer.h"
#include "loops/build.h"

enum {
    RUN_BLOCK = 512,        /* steps of K between reading and writing C */
    LEFT_BLOCK = 256 << 10, /* bytes of A a task walks again for each panel */
    LEAST_TASKS = 64,
    RIGHT_NEAR = 512 << 10, /* bytes of B that stay in the second cache */
    ROWS_FROM_AFAR = 42,
    TASK_FMAS = 1 << 17,
    NEAR_RESULTS = 1 << 17, /* elements of C that stay in the second cache */
};

/* The size of equal blocks of at most `most` each. */
static int64_t even_block(int64_t count, int64_t most)
{
    most = most < 1 ? 1 : most;
    return int_ceil_div(count, int_ceil_div(count, most));
}

static int64_t run_block(const kern_direct *d)
{
    int64_t runs = d->split_runs;
    if (runs * d->length <= RUN_BLOCK * 2)
        return runs;
    return even_block(runs, RUN_BLOCK / d->length);
}

/* How many tiles a task should have at least: each task walks all of its part
 * of B, which must not come from afar for a few rows. */
static int64_t least_tiles(const kern_direct *d)
{
    int64_t steps = d->split_runs * d->length;
    if (steps * d->n_block * d->nr * 4 <= RIGHT_NEAR)
        return 1;
    return int_ceil_div(ROWS_FROM_AFAR, d->mr);
}

static bool wants_smaller(const kern_direct *d)
{
    int64_t steps = d->split_runs * d->length;
    int64_t fmas = d->m_block * d->mr * d->n_block * d->nr * steps;
    return kern_direct_tasks(d) < LEAST_TASKS && fmas > 2 * TASK_FMAS;
}

/* Tasks big enough to pay for themselves, and enough of them to share. */
static void plan_blocks(kern_direct *d)
{
    int64_t tiles = d->segments * d->tiles, panels = int_ceil_div(d->n, d->nr);
    int64_t tile_bytes = d->mr * d->run_block * d->length * 4;
    d->n_block = panels;
    d->m_block = even_block(tiles, LEFT_BLOCK / tile_bytes);
    while (d->m_block > least_tiles(d) && wants_smaller(d))
        d->m_block = even_block(tiles, d->m_block / 2);
    while (d->n_block > 1 && wants_smaller(d))
        d->n_block = even_block(panels, d->n_block / 2);
}

static kern_direct direct_of(const build *k, const sched_direct *from)
{
    const sched_contraction *c = &from->base;
    kern_direct d = {
        .type = k->real,
        .segments = from->rows.extent / from->segment,
        .tiles = from->tiles,
        .n = c->n.extent,
        .runs = from->runs,
        .length = from->length,
        .mr = c->mr,
        .mr_last = from->last_rows,
        .nr = c->nr,
        .a_step = from->left_step,
        .b_step = from->right_step,
        .b_panel = from->packs_right ? c->k.extent * c->nr : c->nr,
        .whole_panels = from->packs_right,
        .splits = from->splits,
        .split_runs = from->split_runs,
        .c_split = from->rows.extent * c->n.extent,
    };
    for (int i = 0; i < c->mr; i++) {
        d.a_row[i] = from->left_row[i];
        d.c_row[i] = from->result_row[i];
    }
    d.run_block = run_block(&d);
    d.runs_outside = d.splits == 1 && d.run_block < d.runs &&
                     d.c_split <= NEAR_RESULTS;
    d.m_block = 1;
    plan_blocks(&d);
    return d;
}

void build_direct(build *k)
{
    const sched_step *step = k->step;
    const sched_direct *from = step->direct;
    const int *node_buffer = step->scope->node_buffer;
    int left = node_buffer[from->base.left->node->id];
    int right = from->packs_right ? step->packed
                                  : node_buffer[from->base.right->node->id];
    kern_direct *d = &k->kernel->direct;
    k->kernel->kind = KERN_DIRECT;
    *d = direct_of(k, from);
    d->a = build_buffer(k, left, false);
    d->b = build_buffer(k, right, false);
    d->c = build_buffer(k, step->targets[0], true);
    d->a_tile = build_buffer(k, step->tables[0], false);
    d->b_tile = build_buffer(k, step->tables[1], false);
    d->c_tile = build_buffer(k, step->tables[2], false);
    d->a_run = build_buffer(k, step->tables[3], false);
    d->b_run = build_buffer(k, step->tables[4], false);
    k->kernel->task_count = kern_direct_tasks(d);
}
