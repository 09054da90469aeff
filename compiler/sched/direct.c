/*
 * direct.c - contractions over operands as they lie in memory.
 *
 * A factor read through a window would be packed many times over: each element
 * once for every tap. A factor that few columns use is packed for little. Here
 * the left factor stays where it is. A tile of rows has fixed distances between
 * its rows, and K is walked in runs of constant stride whose starts stand in a
 * table. The right factor is packed, or used in place where its columns are
 * neighbours.
 *
 * K runs forward through the left factor's memory, from large steps to small
 * ones; sums of few results and long K are cut into parts that a second step
 * adds in order. Both follow from sizes alone.
 *
 * Needs:    a comprehension after layout.
 * Provides: axes, runs, tiles; or the reason why not.
 * Keeps:    the comprehension.
 */
#include "sched/internal.h"
#include "sched/layout.h"
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_COLUMNS = 4,
    MOST_SPLIT_RESULTS = 8192, /* more results are work enough to share */
    SPLIT_WORK = 1 << 20,      /* products a part should have at least */
    MOST_SPLITS = 16,
    MOST_RUN = 1024,
    MOST_COLUMNS = 512,
    FEW_COLUMNS = 32,
    LEAST_ROWS = 4,
    CACHE_WAY = 4096,
    CACHE_LINE = 64,      /* bytes */
    MOST_LINES = 512,     /* that the first cache has room for */
    MOST_COLLIDING = 128, /* lines that a second cache has room for */
    WIDE_ROW = 2048, /* bytes: rows so far apart fight for the same lines */
};

/* ---------- factors ---------- */

static int64_t extent_of(const ir_comp *comp, int var)
{
    return comp->vars[var].hi - comp->vars[var].lo;
}

/* A read that never leaves its tensor, affine throughout. */
static bool is_in_place(const ir_expr *e)
{
    if (e->kind != IR_EXPR_READ || e->outside || e->node->type.kind != IR_REAL)
        return false;
    for (int i = 0; i < e->sub_count; i++)
        if (!sched_is_direct(&e->subs[i]))
            return false;
    return true;
}

/* Where the read leads; of a copy made for threads, where it would lead
 * without: the order of K and its parts are every target's. */
static void address_of(const ir_expr *read, sched_address *out)
{
    sched_address_of(read, out);
    const ir_expr *source = sched_ordered_source(read->node);
    if (!source)
        return;
    sched_address from;
    sched_address_of(source, &from);
    *out = (sched_address){.constant = from.constant, .whole = true};
    for (int i = 0; i < read->sub_count; i++) {
        const ir_affine *a = &read->subs[i].affine;
        out->constant += from.coef[i] * a->constant;
        for (int k = 0; k < a->term_count; k++)
            out->coef[a->terms[k].var] += from.coef[i] * a->terms[k].coef;
    }
}

/* ---------- axes ---------- */

/* Batch and M as one axis. */
static sched_axis rows_of(const ir_comp *comp, const sched_contraction *c)
{
    sched_axis rows = {.extent = 1};
    for (int i = 0; i < c->batch.count; i++)
        sched_axis_add(&rows, comp, c->batch.vars[i]);
    for (int i = 0; i < c->m.count; i++)
        sched_axis_add(&rows, comp, c->m.vars[i]);
    return rows;
}

/* How far the left factor is stepped through; indices of one value are out of
 * the way. */
static int64_t step_along(const ir_comp *comp, const sched_address *left,
                          int var)
{
    return extent_of(comp, var) == 1 ? INT64_MAX : llabs(left->coef[var]);
}

/* Large steps through the left factor first, equal ones as defined, and all of
 * them forward. */
static void order_k(const ir_comp *comp, sched_axis *k,
                    const sched_address *left)
{
    for (int i = 1; i < k->count; i++) {
        int moving = k->vars[i], at = i;
        while (at > 0 && step_along(comp, left, k->vars[at - 1]) <
                             step_along(comp, left, moving)) {
            k->vars[at] = k->vars[at - 1];
            at--;
        }
        k->vars[at] = moving;
    }
    for (int i = 0; i < k->count; i++)
        if (left->coef[k->vars[i]] < 0)
            k->reversed |= (uint32_t)1 << k->vars[i];
}

/* One step along `var` in the direction in which the axis takes it. */
static int64_t forward_step(const sched_axis *axis, const sched_address *a,
                            int var)
{
    return axis->reversed >> var & 1 ? -a->coef[var] : a->coef[var];
}

/* Does the address step through the axes as through one, by `stride`? */
static bool is_linear(const ir_comp *comp, const sched_axis *axis,
                      const sched_address *address, int64_t stride)
{
    for (int i = axis->count - 1; i >= 0; i--) {
        if (address->coef[axis->vars[i]] != stride)
            return false;
        stride *= extent_of(comp, axis->vars[i]);
    }
    return true;
}

/* The result's own address. */
static sched_address result_address(const ir_node *n)
{
    sched_address a = {.whole = true};
    for (int v = 0; v < n->type.rank; v++)
        a.coef[v] = sched_stride(&n->type, v);
    return a;
}

/* ---------- runs ---------- */

static int64_t largest_divisor(int64_t x, int64_t most)
{
    int64_t d = most < x ? most : x;
    while (x % d)
        d--;
    return d;
}

/* The longest inner part of K with one stride in both factors. */
static void find_run(const ir_comp *comp, sched_direct *d,
                     const sched_address *left, const sched_address *right)
{
    const sched_axis *k = &d->base.k;
    int at = k->count - 1;
    d->length = k->count ? extent_of(comp, k->vars[at]) : 1;
    d->left_step = k->count ? forward_step(k, left, k->vars[at]) : 0;
    d->right_step = k->count ? forward_step(k, right, k->vars[at]) : 0;
    while (--at >= 0) {
        int var = k->vars[at];
        if (forward_step(k, left, var) != d->left_step * d->length ||
            (!d->packs_right &&
             forward_step(k, right, var) != d->right_step * d->length))
            break;
        d->length *= extent_of(comp, var);
    }
    if (d->length > MOST_RUN)
        d->length = largest_divisor(d->length, MOST_RUN);
    d->runs = k->extent / d->length;
    if (d->packs_right)
        d->right_step = d->base.nr;
}

static void plan_splits(sched_direct *d)
{
    const sched_contraction *c = &d->base;
    int64_t results = d->rows.extent * c->n.extent;
    int64_t wanted = results * c->k.extent / SPLIT_WORK;
    wanted = wanted < MOST_SPLITS ? wanted : MOST_SPLITS;
    wanted = wanted < d->runs ? wanted : d->runs;
    if (results > MOST_SPLIT_RESULTS || wanted < 2)
        wanted = 1;
    d->split_runs = (d->runs + wanted - 1) / wanted;
    d->splits = (d->runs + d->split_runs - 1) / d->split_runs;
}

/* ---------- tiles ---------- */

/* Rows of a segment keep their distances in every segment. */
static int64_t inner_rows(const ir_comp *comp, const sched_axis *m, int vars)
{
    int64_t rows = 1;
    for (int i = 0; i < vars; i++)
        rows *= extent_of(comp, m->vars[m->count - 1 - i]);
    return rows;
}

static bool steps_on(const ir_comp *comp, const sched_address *a, int outer,
                     int inner)
{
    return a->coef[outer] == a->coef[inner] * extent_of(comp, inner);
}

/* How many of the inner row axes are walked by one stride; at least one. */
static int linear_rows(const ir_comp *comp, const sched_axis *m,
                       const sched_address *left, const sched_address *result)
{
    int count = 1;
    while (count < m->count) {
        int inner = m->vars[m->count - count];
        int outer = m->vars[m->count - count - 1];
        if (!steps_on(comp, left, outer, inner) ||
            !steps_on(comp, result, outer, inner))
            break;
        count++;
    }
    return m->count ? count : 0;
}

typedef struct tiling {
    int64_t segment; /* rows */
    kern_tiling fit;
} tiling;

/* A part of the next axis out, as large as a tile holds. */
static int64_t rows_together(const ir_comp *comp, const sched_axis *m, int vars,
                             int64_t most)
{
    int64_t rows = inner_rows(comp, m, vars);
    if (vars >= m->count || 2 * rows > most)
        return rows;
    int64_t next = extent_of(comp, m->vars[m->count - 1 - vars]);
    return rows * largest_divisor(next, most / rows);
}

static void plan_tiles(const ir_comp *comp, const sched_options *options,
                       const sched_address *left, const sched_address *result,
                       sched_direct *d)
{
    sched_contraction *c = &d->base;
    tiling best = {0};
    int linear = linear_rows(comp, &c->m, left, result);
    for (int vars = linear; vars <= c->m.count; vars++) {
        tiling t = {.segment = inner_rows(comp, &c->m, vars)};
        int64_t most = vars > linear ? SCHED_DIRECT_ROWS : INT64_MAX;
        if (t.segment > most)
            break;
        for (int more = 0; more < 2; more++) {
            bool whole = vars > linear || more;
            if (more)
                t.segment = rows_together(comp, &c->m, vars, SCHED_DIRECT_ROWS);
            kern_fit_rows(&options->target, options->f64, t.segment, whole,
                          c->n.extent, c->k.extent, &t.fit);
            if (t.fit.mr &&
                (!best.segment || t.fit.cost / (double)t.segment <
                                      best.fit.cost / (double)best.segment))
                best = t;
        }
    }
    d->segment = best.segment;
    c->mr = best.fit.mr;
    c->nr = best.fit.nr;
    d->tiles = (d->segment + c->mr - 1) / c->mr;
    d->last_rows = (int)(d->segment - (d->tiles - 1) * c->mr);
}

/* ---------- all ---------- */

static bool columns_in_place(const sched_options *options, const ir_comp *comp,
                             const sched_contraction *c,
                             const sched_address *right)
{
    int64_t bytes = options->f64 ? 8 : 4;
    if (!is_in_place(c->right) || !is_linear(comp, &c->n, right, 1))
        return false;
    for (int i = 0; i < c->k.count; i++) {
        int64_t step = llabs(right->coef[c->k.vars[i]]) * bytes;
        if (step >= WIDE_ROW && i + 1 == c->k.count)
            return false;
    }
    return true;
}

/* Of a step along the last variable of an axis. */
static int64_t step_bytes(const sched_options *options, const sched_axis *axis,
                          const sched_address *left)
{
    int64_t bytes = options->f64 ? 8 : 4;
    return axis->count == 0
               ? 0
               : llabs(left->coef[axis->vars[axis->count - 1]]) * bytes;
}

/* Do steps along the last variable of an axis fight for the same lines of the
 * first cache? They do where they are nearly a multiple of its ways. */
static bool collides(const sched_options *options, const sched_axis *axis,
                     const sched_address *left)
{
    int64_t step = step_bytes(options, axis, left);
    int64_t apart = step % CACHE_WAY;
    apart = apart < CACHE_WAY / 2 ? apart : CACHE_WAY - apart;
    return step >= CACHE_WAY / 2 && apart < CACHE_WAY / 16;
}

/* Are the lines along K more than the first cache has room for? */
static bool is_long(const sched_options *options, const sched_axis *k,
                    const sched_address *left)
{
    return step_bytes(options, k, left) >= CACHE_LINE && k->extent > MOST_LINES;
}

/* Packing pays where each element is used often enough. */
static const char *is_better_packed(const sched_options *options,
                                    const ir_comp *comp,
                                    const sched_contraction *c,
                                    const sched_address *left)
{
    if (sched_is_windowed(comp, c->left))
        return NULL;
    if (c->n.extent > MOST_COLUMNS)
        return "many columns";
    if (collides(options, &c->m, left))
        return "rows collide";
    /* Neighbouring tiles share their lines, which have to stay until then. */
    if (is_long(options, &c->k, left) && c->n.extent > FEW_COLUMNS &&
        c->m.extent * c->n.extent > MOST_SPLIT_RESULTS)
        return "K is long";
    return c->k.extent > MOST_COLLIDING && collides(options, &c->k, left)
               ? "steps along K collide"
               : NULL;
}

const char *sched_find_direct(ir_node *n, const sched_options *options,
                              sched_direct *out)
{
    const ir_comp *comp = &n->comp;
    sched_contraction *c = &out->base;
    *out = (sched_direct){.base = {.node = n, .splits = 1, .packed = 1}};
    if (comp->reduce != IR_SUM || n->type.kind != IR_REAL || comp->filter)
        return "not a plain sum of reals";
    ir_expr *body = comp->body;
    if (body->kind != IR_EXPR_OP || body->op != IR_MUL_OP)
        return "not a product";
    if (ir_volume(comp) < SCHED_LEAST_WORK || options->no_fuse)
        return "small";
    int column = sched_innermost(comp);
    bool first = column >= 0 && (sched_vars_of(body->args[0]) >> column & 1);
    c->left = body->args[first ? 1 : 0];
    c->right = body->args[first ? 0 : 1];
    if (!is_in_place(c->left))
        return "the left factor is no plain read";
    sched_split_axes(c);
    sched_address left, right = {0}, result = result_address(n);
    address_of(c->left, &left);
    if (c->right->kind == IR_EXPR_READ)
        address_of(c->right, &right);
    if (c->n.extent < LEAST_COLUMNS || c->m.extent < LEAST_ROWS)
        return "an axis is short";
    if (!is_linear(comp, &c->n, &result, 1))
        return "columns are not neighbours";
    const char *refused = is_better_packed(options, comp, c, &left);
    if (refused)
        return refused;
    out->rows = rows_of(comp, c);
    order_k(comp, &c->k, &left);
    out->packs_right = !columns_in_place(options, comp, c, &right);
    if (out->packs_right && !sched_is_packable(c->right))
        return "the right factor is more than operations on affine reads";
    plan_tiles(comp, options, &left, &result, out);
    if (!c->mr)
        return "no tile fits";
    find_run(comp, out, &left, &right);
    plan_splits(out);
    c->k_split = c->k.extent;
    return NULL;
}

/* ---------- tables ---------- */

static int add_table(sched_schedule *s, sched_step *step, const char *what,
                     const int64_t *values, int64_t count)
{
    int table =
        sched_table_add(s, arena_printf(s->arena, "%s.%s", step->name, what),
                        PTL_I64, values, count);
    sched_access_add(s, step, table, false);
    return table;
}

static int64_t offset_at(const ir_comp *comp, const sched_axis *axis,
                         const sched_address *a, int64_t at)
{
    int64_t values[IR_MAX_VARS] = {0}, sum = 0;
    sched_axis_at(axis, comp->vars, at, values);
    for (int i = 0; i < axis->count; i++)
        sum += a->coef[axis->vars[i]] * values[axis->vars[i]];
    return sum;
}

static int64_t *run_starts(sched_schedule *s, const sched_direct *d,
                           const sched_address *a)
{
    const ir_comp *comp = &d->base.node->comp;
    int64_t *at = ARENA_ARRAY(s->arena, int64_t, d->runs + 1);
    if (s->options.sizes_only)
        return at;
    const int64_t *all = sched_axis_sums(s, &d->base.k, comp->vars, a->coef);
    for (int64_t i = 0; i < d->runs; i++)
        at[i] = all[i * d->length];
    return at;
}

/* The first row of tile `tile`. */
static int64_t row_of(const sched_direct *d, int64_t tile)
{
    return tile / d->tiles * d->segment + tile % d->tiles * d->base.mr;
}

static int64_t tile_count(const sched_direct *d)
{
    return d->rows.extent / d->segment * d->tiles;
}

static int64_t *tile_starts(sched_schedule *s, const sched_direct *d,
                            const sched_address *a)
{
    const ir_comp *comp = &d->base.node->comp;
    int64_t count = tile_count(d);
    int64_t *at = ARENA_ARRAY(s->arena, int64_t, count + 1);
    if (s->options.sizes_only)
        return at;
    const int64_t *all = sched_axis_sums(s, &d->rows, comp->vars, a->coef);
    for (int64_t i = 0; i < count; i++)
        at[i] = a->constant + all[row_of(d, i)];
    return at;
}

/* Packed panels of the right factor: one after the other, a batch entry's
 * together. */
static int64_t *packed_tiles(sched_schedule *s, const sched_direct *d)
{
    const sched_contraction *c = &d->base;
    int64_t count = tile_count(d);
    int64_t panels = (c->n.extent + c->nr - 1) / c->nr;
    int64_t *at = ARENA_ARRAY(s->arena, int64_t, count + 1);
    for (int64_t i = 0; i < count && !s->options.sizes_only; i++)
        at[i] = row_of(d, i) / c->m.extent * panels * c->k.extent * c->nr;
    return at;
}

static int64_t *packed_runs(sched_schedule *s, const sched_direct *d)
{
    int64_t *at = ARENA_ARRAY(s->arena, int64_t, d->runs + 1);
    for (int64_t i = 0; i < d->runs && !s->options.sizes_only; i++)
        at[i] = i * d->length * d->base.nr;
    return at;
}

static void plan_rows(sched_direct *d, const sched_address *a, int64_t *rows)
{
    const ir_comp *comp = &d->base.node->comp;
    for (int i = 0; i < d->base.mr; i++)
        rows[i] =
            offset_at(comp, &d->rows, a, i) - offset_at(comp, &d->rows, a, 0);
}

void sched_plan_direct(sched_schedule *s, sched_step *step, sched_direct *d)
{
    sched_address left, right = {0}, result = result_address(d->base.node);
    int64_t tiles = tile_count(d);
    bool packs = d->packs_right;
    sched_address_of(d->base.left, &left);
    if (!packs)
        sched_address_of(d->base.right, &right);
    plan_rows(d, &left, d->left_row);
    plan_rows(d, &result, d->result_row);
    const int64_t *b_tiles =
        packs ? packed_tiles(s, d) : tile_starts(s, d, &right);
    const int64_t *b_runs =
        packs ? packed_runs(s, d) : run_starts(s, d, &right);
    step->tables[0] =
        add_table(s, step, "left.tiles", tile_starts(s, d, &left), tiles);
    step->tables[1] = add_table(s, step, "right.tiles", b_tiles, tiles);
    step->tables[2] =
        add_table(s, step, "result.tiles", tile_starts(s, d, &result), tiles);
    step->tables[3] =
        add_table(s, step, "left.runs", run_starts(s, d, &left), d->runs);
    step->tables[4] = add_table(s, step, "right.runs", b_runs, d->runs);
    step->direct = d;
}
