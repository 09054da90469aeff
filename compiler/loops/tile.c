/*
 * tile.c - the tile step of a contraction: its sizes and how it is cut.
 */
#include "base/integer.h"
#include "loops/build.h"

static bool columns_are_plain(const build *k)
{
    const sched_buffer *b = &k->s->buffers.data[k->step->tables[2]];
    const int64_t *at = b->constant;
    for (int64_t i = 0; i < b->dims[0]; i++)
        if (at[i] != i)
            return false;
    return true;
}

static void plan_tile(build *k, kern_tile *t)
{
    const sched_contraction *c = k->step->contraction;
    *t = (kern_tile){.type = k->real,
                     .batch = c->batch.extent,
                     .m = c->m.extent,
                     .n = c->n.extent,
                     .k = c->k.extent / c->packed,
                     .mr = c->mr,
                     .nr = c->nr,
                     .kc = c->kc / c->packed,
                     .m_block = c->m_block,
                     .n_block = c->n_block,
                     .unit_columns = columns_are_plain(k),
                     .pairs = c->packed == 2};
}

void build_tile(build *k)
{
    const sched_step *step = k->step;
    kern_kernel *kernel = k->kernel;
    kern_tile *t = &kernel->tile;
    kernel->kind = KERN_TILE;
    for (int i = 0; i < 2; i++)
        build_buffer(k, step->panels[i], step->packs[i] != NULL);
    build_buffer(k, step->targets[0], true);
    for (int i = 0; i < 3; i++)
        build_buffer(k, step->tables[i], false);
    PTL_ASSERT(kernel->buffers.count == 6);
    plan_tile(k, t);
    if (step->packs[0])
        t->pack_a = build_pack_inside(k, step->packs[0]);
    if (step->packs[1])
        t->pack_b = build_pack_inside(k, step->packs[1]);
    kernel->task_count = t->batch *
                         int_ceil_div(int_ceil_div(t->m, t->mr), t->m_block) *
                         int_ceil_div(int_ceil_div(t->n, t->nr), t->n_block);
}
