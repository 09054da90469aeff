/*
 * direct_fit.c - the tile for rows that keep fixed distances.
 *
 * Such rows come in segments, an image's line for example, and a tile lies
 * within one. So the tile should divide a segment evenly rather than be as
 * large as the registers allow. Changes no bits.
 */
#include "base/integer.h"
#include "kernel/kernel.h"

enum {
    MOST_VECTORS = 4,
    TILE_COST = 40,
    NEAR_BYTES = 24 << 10, /* of B, that stay in the first cache beside A */
};

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* Half cycles of a step of k: two fused multiply-adds and two loads a cycle,
 * and four cycles until a sum can be added to again. From the second cache a
 * vector of B takes three. */
static double step_cost(int rows, int vectors, bool far)
{
    double cost = most(most(rows * vectors, rows + vectors), 8);
    return far ? most(cost, 3 * vectors) : cost;
}

/* Of B, a panel is read for each tile. */
static double tile_cost(int rows, int vectors, int64_t k, int64_t vector_bytes)
{
    bool far = k * vectors * vector_bytes > NEAR_BYTES;
    return rows ? (double)k * step_cost(rows, vectors, far) +
                      2 * rows * vectors + TILE_COST
                : 0;
}

/* The sums, a row of B, and what is broadcast of A. With one vector to a row the
 * fma broadcasts by itself; else the next few stand ready. */
static int most_rows(const kern_target *target, int vectors)
{
    int spare = target->registers <= 16 ? 1 : vectors == 1 ? 2 : 4;
    int rows = (target->registers - vectors - spare) / vectors;
    return rows < KERN_MOST_ROWS ? rows : KERN_MOST_ROWS;
}

void kern_fit_rows(const kern_target *target, bool f64, int64_t rows,
                   bool whole, int64_t n, int64_t k, kern_tiling *out)
{
    int lanes = target->lanes_f32 / (f64 ? 2 : 1);
    int64_t bytes = lanes * (f64 ? 8 : 4);
    *out = (kern_tiling){0};
    for (int vectors = MOST_VECTORS; vectors >= 1; vectors--) {
        int64_t panels = int_ceil_div(n, (int64_t)vectors * lanes);
        int64_t left = n - (panels - 1) * vectors * lanes;
        int last_vectors = (int)int_ceil_div(left, lanes);
        int64_t tiles = int_ceil_div(rows, most_rows(target, vectors));
        int mr = (int)int_ceil_div(rows, tiles);
        int last = (int)(rows - (tiles - 1) * mr);
        if (whole && tiles > 1)
            continue;
        double cost = 0;
        for (int last_panel = 0; last_panel < 2; last_panel++) {
            int v = last_panel ? last_vectors : vectors;
            double one = (double)(tiles - 1) * tile_cost(mr, v, k, bytes) +
                         tile_cost(last, v, k, bytes);
            cost += one * (last_panel ? 1 : (double)(panels - 1));
        }
        if (!out->mr || cost < out->cost)
            *out = (kern_tiling){mr, vectors * lanes, cost};
    }
}

int64_t kern_direct_tasks(const kern_direct *d)
{
    int64_t panels = int_ceil_div(d->n, d->nr);
    return d->splits * int_ceil_div(d->segments * d->tiles, d->m_block) *
           int_ceil_div(panels, d->n_block);
}
