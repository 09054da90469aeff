/*
 * walk.c - which way the threads of a warp walk through a factor's tiles.
 *
 * A warp asks for 32 elements at once and memory moves in sectors. So a walk is
 * judged by the sectors that its requests touch, counted over some tiles: 32
 * rows at one step of K; a few steps of as many rows as fill the warp; or a
 * whole request of steps, whose rows may begin anywhere without costing more
 * than a sector each. The last holds more steps in shared memory, so it is
 * taken only where it saves something.
 *
 * Needs:    a contraction.
 * Provides: a walk for each factor and how many steps are fetched together.
 * Keeps:    everything; no bits depend on it.
 */
#include "loops/build.h"

enum {
    SIDE = 32, /* rows and steps of a tile that is looked at; lanes of a warp */
    SECTOR = 32,
    REQUEST = 128, /* bytes of a warp, one f32 a lane */
    TILES = 3,     /* looked at along each axis */
    MOST_READS = 8
};

typedef enum walk_kind { ROWS, FEW_STEPS, MANY_STEPS, WALKS } walk_kind;

typedef struct judge {
    const ir_comp *comp;
    const sched_contraction *c;
    const sched_axis *rows;
    int64_t element; /* bytes */
    int steps[WALKS];
    int64_t sectors[WALKS];
    sched_address reads[MOST_READS];
    int read_count;
    int64_t at[SIDE][SIDE]; /* by row and step: the sector, -1: outside */
} judge;

static void note_read(ir_expr *read, void *ctx)
{
    judge *j = ctx;
    if (read->kind == IR_EXPR_READ && j->read_count < MOST_READS)
        sched_address_of(read, &j->reads[j->read_count++]);
}

static void locate(judge *j, const sched_address *a, int64_t batch, int64_t row,
                   int64_t step)
{
    int64_t values[IR_MAX_VARS] = {0};
    for (int v = 0; v < j->comp->var_count; v++)
        values[v] = j->comp->vars[v].lo;
    sched_axis_at(&j->c->batch, j->comp->vars, batch, values);
    for (int64_t r = 0; r < SIDE; r++)
        for (int64_t s = 0; s < SIDE; s++) {
            j->at[r][s] = -1;
            if (row + r >= j->rows->extent || step + s >= j->c->k.extent)
                continue;
            sched_axis_at(j->rows, j->comp->vars, row + r, values);
            sched_axis_at(&j->c->k, j->comp->vars, step + s, values);
            int64_t element = a->constant;
            for (int v = 0; v < j->comp->var_count; v++)
                element += a->coef[v] * values[v];
            /* Before the tensor is outside a guard: as good as its start. */
            j->at[r][s] = element < 0 ? 0 : element * j->element / SECTOR;
        }
}

int sectors_touched(const int64_t *sectors, int count)
{
    int distinct = 0;
    for (int i = 0; i < count; i++) {
        bool seen = sectors[i] < 0;
        for (int k = 0; k < i && !seen; k++)
            seen = sectors[k] == sectors[i];
        distinct += !seen;
    }
    return distinct;
}

/* Sectors of one request: rows from `row`, steps from `step`. */
static int touched(const judge *j, int row, int step, int rows, int steps)
{
    int64_t sectors[SIDE];
    for (int i = 0; i < rows * steps; i++)
        sectors[i] = j->at[row + i / steps][step + i % steps];
    return sectors_touched(sectors, rows * steps);
}

static void judge_tile(judge *j)
{
    for (int walk = 0; walk < WALKS; walk++) {
        int steps = j->steps[walk], rows = SIDE / steps;
        for (int r = 0; r < SIDE; r += rows)
            for (int s = 0; s < SIDE; s += steps)
                j->sectors[walk] += touched(j, r, s, rows, steps);
    }
}

/* Where the i-th of TILES tiles begins, spread over the axis. */
static int64_t tile_begin(int64_t extent, int i)
{
    int64_t last = (extent - 1) / SIDE;
    return last * i / (TILES - 1) * SIDE;
}

static int tile_count(int64_t extent)
{
    return extent > SIDE ? TILES : 1;
}

static void judge_factor(judge *j, const sched_contraction *c, bool left)
{
    j->comp = &c->node->comp;
    j->c = c;
    j->rows = left ? &c->m : &c->n;
    j->steps[ROWS] = 1;
    j->steps[FEW_STEPS] = KERN_FEW_STEPS;
    j->steps[MANY_STEPS] = (int)(REQUEST / j->element);
    ir_visit_reads(left ? c->left : c->right, note_read, j);
    int64_t last_batch = c->batch.extent - 1;
    for (int r = 0; r < j->read_count; r++)
        for (int b = 0; b < (last_batch ? 2 : 1); b++)
            for (int row = 0; row < tile_count(j->rows->extent); row++)
                for (int k = 0; k < tile_count(c->k.extent); k++) {
                    locate(j, &j->reads[r], b ? last_batch : 0,
                           tile_begin(j->rows->extent, row),
                           tile_begin(c->k.extent, k));
                    judge_tile(j);
                }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Are whole requests along K at least a twentieth better? */
static bool wants_many(const judge *j)
{
    int64_t other = least(j->sectors[ROWS], j->sectors[FEW_STEPS]);
    return j->sectors[MANY_STEPS] + other / 20 < other;
}

void product_walks(const sched_contraction *c, kern_product *p)
{
    int64_t element = p->type == KERN_F32 ? 4 : 8;
    judge left = {.element = element}, right = {.element = element};
    judge_factor(&left, c, true);
    judge_factor(&right, c, false);
    walk_kind along =
        wants_many(&left) || wants_many(&right) ? MANY_STEPS : FEW_STEPS;
    p->steps = left.steps[along];
    p->left.along_k = left.sectors[along] < left.sectors[ROWS];
    p->right.along_k = right.sectors[along] < right.sectors[ROWS];
}
