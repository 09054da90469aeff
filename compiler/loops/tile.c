/*
 * tile.c - the tile step of a contraction: its sizes and how it is cut.
 */
#include "loops/build.h"

static int64_t blocks(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

enum {
    LEFT_BLOCK_BYTES = 600 << 10, /* stays in the second-level cache */
    RIGHT_BLOCK_PANELS = 16,
    LEAST_TASKS = 8,
    TASK_FMAS = 1 << 18,
};

/* The size of equal blocks of at most `most` each. */
static int64_t even_block(int64_t count, int64_t most)
{
    most = most < 1 ? 1 : most;
    return blocks(count, blocks(count, most));
}

/* Tasks big enough to pay for themselves, and enough of them to share. */
static void plan_blocks(kern_tile *t, int64_t m_panels, int64_t n_panels)
{
    int64_t k = t->k < t->kc ? t->k : t->kc;
    int64_t row = t->mr * k * (t->type == KERN_F64 ? 8 : 4);
    t->m_block = even_block(m_panels, LEFT_BLOCK_BYTES / row);
    t->n_block = even_block(n_panels, RIGHT_BLOCK_PANELS);
    for (;;) {
        int64_t tasks = t->batch * blocks(m_panels, t->m_block) *
                        blocks(n_panels, t->n_block);
        int64_t fmas = t->m_block * t->mr * t->n_block * t->nr * t->k;
        if (tasks >= LEAST_TASKS || fmas < 2 * TASK_FMAS)
            return;
        if (t->n_block > 1)
            t->n_block = even_block(n_panels, t->n_block / 2);
        else if (t->m_block > 1)
            t->m_block = even_block(m_panels, t->m_block / 2);
        else
            return;
    }
}

static bool columns_are_plain(const build *k)
{
    const sched_buffer *b = &k->s->buffers.data[k->step->tables[2]];
    const int64_t *at = b->constant;
    for (int64_t i = 0; i < b->dims[0]; i++)
        if (at[i] != i)
            return false;
    return true;
}

void build_tile(build *k)
{
    const sched_step *step = k->step;
    const sched_contraction *c = step->contraction;
    kern_kernel *kernel = k->kernel;
    kernel->kind = KERN_TILE;
    build_buffer(k, step->reads.data[0].buffer, false);
    build_buffer(k, step->reads.data[1].buffer, false);
    build_buffer(k, step->targets[0], true);
    for (int i = 0; i < 3; i++)
        build_buffer(k, step->tables[i], false);
    PTL_ASSERT(kernel->buffers.count == 6);
    kern_tile *t = &kernel->tile;
    *t = (kern_tile){.type = k->real,
                     .batch = c->batch.extent,
                     .m = c->m.extent,
                     .n = c->n.extent,
                     .k = c->k.extent,
                     .mr = c->mr,
                     .nr = c->nr,
                     .kc = k->s->options.target.kc};
    if (k->s->options.f64)
        t->kc /= 2;
    int64_t m_panels = blocks(t->m, t->mr), n_panels = blocks(t->n, t->nr);
    plan_blocks(t, m_panels, n_panels);
    t->unit_columns = columns_are_plain(k);
    kernel->task_count =
        t->batch * blocks(m_panels, t->m_block) * blocks(n_panels, t->n_block);
}
