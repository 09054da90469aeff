/*
 * blocks.c - how a contraction over panels is cut: blocks of k, blocks of
 * panels, and which operand is packed by the tasks that use it.
 *
 * A task multiplies a block of panels of A by a block of panels of B, one block
 * of k after the other. The block of A stays in the second cache. An operand
 * whose every panel belongs to one task alone is packed by that task, right
 * before use, so that it never leaves the cache; the other one by a step of
 * its own. So the tasks are cut along one side alone.
 *
 * Needs:    axes and the micro-tile.
 * Provides: kc, m_block, n_block, packs_left, packs_right.
 * Keeps:    everything else. Sizes alone decide.
 */
#include "base/integer.h"
#include "sched/internal.h"

enum {
    LEFT_BLOCK_BYTES = 400 << 10, /* leaves room in the second-level cache */
    TASKS = 8,                    /* enough to share out evenly */
    TASK_FMAS = 1 << 18,          /* what one should have at least */
};

/* Equal blocks of k, in whole turns of the micro-kernel's loop. */
static int64_t plan_kc(int64_t k, int64_t longest, int packed)
{
    int64_t turn = 4 * packed,
            size = int_ceil_div(k, int_ceil_div(k, longest * packed));
    return int_ceil_div(size, turn) * turn;
}

void sched_plan_blocks(sched_contraction *c, const sched_options *options)
{
    int64_t size = options->f64 ? 8 : 4, batch = c->batch.extent;
    int64_t m_panels = int_ceil_div(c->m.extent, c->mr);
    int64_t n_panels = int_ceil_div(c->n.extent, c->nr);
    c->kc = plan_kc(c->k.extent, options->target.kc * 4 / size, c->packed);
    int64_t bytes = c->mr * c->kc / c->packed * size;
    int64_t in_cache = int_max(LEFT_BLOCK_BYTES / bytes, 1);
    int64_t m_blocks = int_ceil_div(m_panels, in_cache), n_blocks = 1;
    int64_t fmas = c->m.extent * c->n.extent * c->k.extent;
    int64_t wanted =
        int_min(int_ceil_div(TASKS, batch), int_max(fmas / TASK_FMAS, 1));
    if (m_blocks > 1 || m_panels >= n_panels)
        m_blocks = int_min(int_ceil_div(m_blocks, wanted) * wanted, m_panels);
    else
        n_blocks = int_min(wanted, n_panels);
    c->m_block = int_ceil_div(m_panels, m_blocks);
    c->n_block = int_ceil_div(n_panels, n_blocks);
    c->packs_left = n_blocks == 1;
    c->packs_right = m_blocks == 1;
}
