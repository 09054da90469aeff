/*
 * walk.c - which way the threads of a warp walk through a factor's tiles.
 *
 * A warp asks for 32 elements at once and memory moves in sectors. So a walk is
 * judged by the sectors that its requests touch, counted over some tiles: 32
 * rows at one step of K; a few steps of as many rows as fill the warp; a whole
 * request of steps, whose rows may begin anywhere without costing more than a
 * sector each; or, where K is made of short lines of memory, as a window of few
 * channels is, a line of as many rows as fill the warp, so that no request is
 * of two lines. The last two hold more steps in shared memory, so they are
 * taken only where they save something.
 *
 * Needs:    a contraction.
 * Provides: a walk for each factor and how many steps are fetched together.
 * Keeps:    everything; no bits depend on it.
 */
#include "base/integer.h"
#include "loops/build.h"

enum {
    SIDE = 32, /* rows and steps of a tile that is looked at; lanes of a warp */
    SECTOR = 32,
    REQUEST = 128, /* bytes of a warp, one f32 a lane */
    TILES = 3,     /* looked at along each axis */
    MOST_READS = 8
};

typedef enum walk_kind { ROWS, FEW_STEPS, MANY_STEPS, LINES, WALKS } walk_kind;

typedef struct judge {
    const ir_comp *comp;
    const sched_contraction *c;
    const sched_axis *rows;
    int64_t element;    /* bytes */
    int line[WALKS];    /* steps of a row at once; 0: one step of all rows */
    double cost[WALKS]; /* sectors for an element */
    int64_t sectors[WALKS], elements[WALKS];
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

static int64_t address_at(const judge *j, const sched_address *a,
                          const int64_t *values)
{
    int64_t element = a->constant;
    for (int v = 0; v < j->comp->var_count; v++)
        element += a->coef[v] * values[v];
    return element;
}

/* A tile of `steps` steps; the others are outside. */
static void locate(judge *j, const sched_address *a, int64_t batch, int64_t row,
                   int64_t step, int steps)
{
    int64_t values[IR_MAX_VARS] = {0};
    for (int v = 0; v < j->comp->var_count; v++)
        values[v] = j->comp->vars[v].lo;
    sched_axis_at(&j->c->batch, j->comp->vars, batch, values);
    for (int64_t r = 0; r < SIDE; r++)
        for (int64_t s = 0; s < SIDE; s++) {
            j->at[r][s] = -1;
            if (s >= steps || row + r >= j->rows->extent ||
                step + s >= j->c->k.extent)
                continue;
            sched_axis_at(j->rows, j->comp->vars, row + r, values);
            sched_axis_at(&j->c->k, j->comp->vars, step + s, values);
            int64_t element = address_at(j, a, values);
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

/* What a walk comes to as number `slot` of a tile. */
static int64_t sector_at(const judge *j, int line, int slot)
{
    if (line == 0)
        return j->at[slot % SIDE][slot / SIDE];
    int step = slot / (SIDE * line) * line + slot % line;
    return step < SIDE ? j->at[slot / line % SIDE][step] : -1;
}

static void judge_tile(judge *j, walk_kind walk)
{
    int64_t sectors[SIDE];
    for (int slot = 0; slot < SIDE * SIDE; slot += SIDE) {
        for (int i = 0; i < SIDE; i++) {
            sectors[i] = sector_at(j, j->line[walk], slot + i);
            j->elements[walk] += sectors[i] >= 0;
        }
        j->sectors[walk] += sectors_touched(sectors, SIDE);
    }
}

/* Where the i-th of TILES tiles begins, spread over the axis. */
static int64_t tile_begin(int64_t extent, int side, int i)
{
    int64_t last = (extent - 1) / side;
    return last * i / (TILES - 1) * side;
}

static int tile_count(int64_t extent, int side)
{
    return extent > side ? TILES : 1;
}

/* Some tiles of `steps` steps, by walks `first` to `last`. */
static void judge_walks(judge *j, int steps, walk_kind first, walk_kind last)
{
    int64_t rows = j->rows->extent, k = j->c->k.extent;
    int64_t last_batch = j->c->batch.extent - 1;
    for (int r = 0; r < j->read_count; r++)
        for (int b = 0; b < (last_batch ? 2 : 1); b++)
            for (int m = 0; m < tile_count(rows, SIDE); m++)
                for (int i = 0; i < tile_count(k, steps); i++) {
                    locate(j, &j->reads[r], b ? last_batch : 0,
                           tile_begin(rows, SIDE, m), tile_begin(k, steps, i),
                           steps);
                    for (walk_kind w = first; w <= last; w++)
                        judge_tile(j, w);
                }
    for (walk_kind w = first; j->read_count && w <= last; w++)
        j->cost[w] = (double)j->sectors[w] / (double)j->elements[w];
}

static void judge_factor(judge *j, const sched_contraction *c, bool left)
{
    j->comp = &c->node->comp;
    j->c = c;
    j->rows = left ? &c->m : &c->n;
    j->line[FEW_STEPS] = KERN_FEW_STEPS;
    j->line[MANY_STEPS] = (int)(REQUEST / j->element);
    ir_visit_reads(left ? c->left : c->right, note_read, j);
    judge_walks(j, SIDE, ROWS, MANY_STEPS);
}

/* How many steps of K are neighbours in memory, from the first on; 0: as many
 * as a request has, or all. */
static int line_of(const judge *j)
{
    int64_t values[IR_MAX_VARS] = {0}, before = 0;
    for (int v = 0; v < j->comp->var_count; v++)
        values[v] = j->comp->vars[v].lo;
    for (int s = 0; s < SIDE && s < j->c->k.extent; s++) {
        sched_axis_at(&j->c->k, j->comp->vars, s, values);
        int64_t element = address_at(j, &j->reads[0], values);
        if (s > 0 && element != before + 1)
            return s;
        before = element;
    }
    return 0;
}

/* Whole lines that are fetched together: all of K; or as many as leave the
 * fewest steps behind its end, few of them, since each step takes registers. 0:
 * there is no such number. */
static int steps_of_lines(const sched_contraction *c, int line)
{
    enum { MOST = 24 };
    int best = 0;
    int64_t least = 0;
    if (c->k_split >= KERN_LEAST_STEPS && c->k_split <= KERN_MOST_STEPS &&
        c->k_split % line == 0)
        return (int)c->k_split;
    for (int steps = line; steps <= MOST; steps += line) {
        int64_t all = int_ceil_div(c->k_split, steps) * steps;
        if (steps < KERN_LEAST_STEPS || (best && all >= least))
            continue;
        best = steps;
        least = all;
    }
    return best;
}

/* The better of this walk and of 32 rows at one step. */
static double cost_with(const judge *j, walk_kind along)
{
    return j->cost[along] < j->cost[ROWS] ? j->cost[along] : j->cost[ROWS];
}

/* Is it at least a twentieth better? */
static bool saves(const judge *j, walk_kind walk, walk_kind than)
{
    return j->cost[walk] < 0.95 * cost_with(j, than);
}

/* Lines of the left factor, all steps of a row of the right one. In f64 they
 * would take too many registers. */
static bool wants_lines(judge *left, judge *right, walk_kind than)
{
    bool may = left->element == 4 && left->read_count == 1;
    int line = may ? line_of(left) : 0;
    int steps = line > 1 ? steps_of_lines(left->c, line) : 0;
    if (steps == 0)
        return false;
    left->line[LINES] = line;
    right->line[LINES] = steps;
    judge_walks(left, steps, LINES, LINES);
    judge_walks(right, steps, LINES, LINES);
    return saves(left, LINES, than) &&
           cost_with(right, LINES) <= 1.05 * cost_with(right, than);
}

void product_walks(const sched_contraction *c, kern_product *p)
{
    int64_t element = p->type == KERN_F32 ? 4 : 8;
    judge left = {.element = element}, right = {.element = element};
    judge_factor(&left, c, true);
    judge_factor(&right, c, false);
    walk_kind along = saves(&left, MANY_STEPS, FEW_STEPS) ||
                              saves(&right, MANY_STEPS, FEW_STEPS)
                          ? MANY_STEPS
                          : FEW_STEPS;
    if (wants_lines(&left, &right, along))
        along = LINES;
    p->steps = along == LINES ? right.line[LINES] : left.line[along];
    p->left.line = left.cost[along] < left.cost[ROWS] ? left.line[along] : 0;
    p->right.line =
        right.cost[along] < right.cost[ROWS] ? right.line[along] : 0;
}
