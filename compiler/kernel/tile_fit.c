/*
 * tile_fit.c - the micro-tile for a contraction's size.
 *
 * The target's own tile is best where it fits often. A short side wastes most
 * of it: 64 rows in panels of 12 compute 72, 10 columns in panels of 32 compute
 * 32. A count of cycles says which tile wastes least. Every other tile is
 * another micro-kernel to compile, so it must be clearly better.
 */
#include "base/integer.h"
#include "kernel/kernel.h"

enum { MOST_ROWS = 16, MOST_VECTORS = 4 };
/* Out of 16: a tile must cost less than this part of the target's own. */
enum { WORTH_IT = 15 };

/* Twice the cycles of one step of k in a tile of `rows` by `vectors`: two fused
 * multiply-adds and two loads a cycle; four cycles until a sum can be added to
 * again; 64 bytes of B in two and a half cycles from the second cache. */
static int64_t step_cost(const kern_target *target, int rows, int vectors)
{
    int64_t products = (int64_t)rows * vectors, loads = rows + vectors;
    int64_t bytes = (int64_t)vectors * target->lanes_f32 * 4;
    return int_max(int_max(products, loads), int_max(2 * 4, bytes * 5 / 64));
}

/* The last panel of columns has a micro-kernel of as many vectors as it needs. */
static int64_t cost(const kern_target *target, int64_t m, int64_t n, int rows,
                    int vectors, int lanes)
{
    int64_t nr = (int64_t)vectors * lanes;
    int64_t row = n / nr * step_cost(target, rows, vectors);
    if (n % nr)
        row += step_cost(target, rows, (int)int_ceil_div(n % nr, lanes));
    return int_ceil_div(m, rows) * row;
}

/* The sums, a row of B, and a broadcast or two of A. Where a row is one vector
 * the rows of four steps of k are loaded at once. */
static bool fits_registers(const kern_target *target, int rows, int vectors)
{
    enum { FOUR_STEPS = 7 };
    int spare = target->registers > 16 ? 2 : 1;
    if (vectors == 1)
        return rows + FOUR_STEPS <= target->registers;
    return rows * vectors + vectors + spare <= target->registers;
}

void kern_tile_fit(const kern_target *target, bool f64, int64_t m, int64_t n,
                   int *mr, int *nr)
{
    int lanes = target->lanes_f32 / (f64 ? 2 : 1);
    *mr = f64 ? target->mr_f64 : target->mr_f32;
    *nr = f64 ? target->nr_f64 : target->nr_f32;
    if (n < *nr) /* no wider than what there is */
        *nr = (int)int_ceil_div(n, lanes) * lanes;
    int64_t best = cost(target, m, n, *mr, *nr / lanes, lanes) * WORTH_IT / 16;
    for (int vectors = MOST_VECTORS; vectors >= 1; vectors--)
        for (int rows = MOST_ROWS; rows >= 1; rows--) {
            if (!fits_registers(target, rows, vectors))
                continue;
            int64_t c = cost(target, m, n, rows, vectors, lanes);
            if (c >= best)
                continue;
            best = c;
            *mr = rows;
            *nr = vectors * lanes;
        }
}
