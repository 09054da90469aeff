/*
 * pack.c - operands of contractions into panels.
 *
 * So that the micro-kernel reads straight on: a panel holds `width` rows
 * (columns) of an operand for every k. What lies past the operand's end is
 * never used, and packed as zero or as a copy of what lies inside.
 *
 * Where k goes from row to row of a matrix, all panels of the task are packed
 * for a few k before the next few: the rows are read straight on too. Else one
 * panel is packed after the other.
 */
#include "loops/pack.h"
#include "base/integer.h"
#include "base/plant.h"

enum {
    GROUP = 8
}; /* values of k to a turn of the loop, where none is turned */

/* What one task packs: a block of panels by a block of k. */
typedef struct pack_cut {
    int64_t panel_block, panel_blocks, k_block, k_blocks;
} pack_cut;

/* A task's part, and where it goes: k of panel p at `to` + p * to_panel +
 * k * width. */
typedef struct pack_part {
    kern_value *panel_lo, *panel_hi, *k_lo, *k_hi, *to;
    int64_t to_panel;
    bool k_rest; /* may the number of k be no multiple of the group? */
} pack_part;

/* ---------- one k ---------- */

/* Where k, an even one if pairs are packed, stands in a panel. */
static kern_value *packed_at(packer *p, kern_value *k)
{
    int64_t per = p->c->packed;
    return per == 1 ? k
                    : kern_op2(&p->k->b, KERN_DIV, k, pack_number(p, per));
}

/* The piece's values at the packer's k. */
static kern_value *piece_row(packer *p, const pack_piece *piece)
{
    kern_builder *b = &p->k->b;
    int mark = emit_mark(&p->e);
    p->at = piece;
    p->e.lanes = piece->lanes;
    kern_value *row = kern_splat(b, emit_expr(&p->e, p->factor), piece->lanes);
    if (piece->used)
        row = kern_select(b, piece->used, row, kern_real(b, p->k->real, 1, 0));
    emit_rewind(&p->e, mark);
    return row;
}

/* Two rows of bf16 in one: their upper halves side by side. */
static kern_value *pair_of(packer *p, kern_value *first, kern_value *second)
{
    kern_builder *b = &p->k->b;
    kern_value *low = kern_op2(b, KERN_SHR, kern_bitcast(b, first, KERN_I32),
                               kern_int(b, KERN_I32, 1, 16));
    kern_value *high = kern_op2(b, KERN_AND, kern_bitcast(b, second, KERN_I32),
                                kern_int(b, KERN_I32, 1, -0x10000));
    return kern_bitcast(b, kern_op2(b, KERN_OR, low, high), KERN_F32);
}

/* The piece's values at the packer's k and at the next one. */
static kern_value *piece_pair(packer *p, const pack_piece *piece)
{
    kern_value *k = p->at_k, *first = piece_row(p, piece);
    int turned = p->turned_k;
    p->at_k = pack_sum(p, k, pack_number(p, 1));
    p->turned_k = turned < 0 ? turned : turned + 1;
    kern_value *pair = pair_of(p, first, piece_row(p, piece));
    p->at_k = k;
    p->turned_k = turned;
    return pair;
}

/* A value of k, or a pair of them. All loads before all stores, or no load
 * could move up past a store. */
static void pack_row(packer *p, kern_value *to)
{
    kern_builder *b = &p->k->b;
    kern_value *row[PACK_MOST_PIECES];
    for (int i = 0; i < p->piece_count; i++)
        row[i] = p->c->packed == 1 ? piece_row(p, &p->pieces[i])
                                   : piece_pair(p, &p->pieces[i]);
    to = pack_sum(p, to, pack_scaled(p, packed_at(p, p->at_k), p->width));
    for (int i = 0; i < p->piece_count; i++) {
        kern_memory at = {.buffer = p->out, .stride = 1};
        at.offset = pack_sum(p, to, pack_number(p, p->pieces[i].first));
        kern_store(b, at, row[i]);
    }
}

static int group_size(const packer *p)
{
    return p->turns ? p->turn : GROUP;
}

/* A group of k, from `k` on. */
static void pack_group(packer *p, kern_value *to, kern_value *k)
{
    kern_builder *b = &p->k->b;
    if (!p->turns) {
        int per = p->c->packed;
        kern_value *i = kern_loop(b, pack_number(p, 0), pack_number(p, GROUP),
                                  per, GROUP / per);
        p->at_k = pack_sum(p, k, i);
        pack_row(p, to);
        kern_end(b);
        return;
    }
    for (int i = 0; i < p->piece_count; i++)
        pack_reads_turn(p, &p->pieces[i], k);
    for (int u = 0; u < p->turn; u += p->c->packed) {
        p->turned_k = u;
        p->at_k = pack_sum(p, k, pack_number(p, u));
        pack_row(p, to);
    }
    p->turned_k = -1;
}

/* ---------- panels ---------- */

static kern_value *lanes_below(packer *p, kern_value *count, int lanes)
{
    kern_builder *b = &p->k->b;
    if (ptl_is_planted(PTL_PLANT_PACKING))
        count = kern_op2(b, KERN_SUB, count, pack_number(p, 1));
    return kern_op2(b, KERN_LT, kern_iota(b, KERN_I32, lanes),
                    kern_convert(b, count, KERN_I32));
}

/* Positions everything at a panel; a `whole` one needs no masks. Returns where
 * its k 0 would go. */
static kern_value *enter_panel(packer *p, const pack_part *part,
                               kern_value *panel, bool whole)
{
    kern_builder *b = &p->k->b;
    kern_value *first = pack_scaled(p, panel, p->width);
    for (int i = 0; i < p->piece_count; i++) {
        pack_piece *piece = &p->pieces[i];
        piece->start = pack_sum(p, first, pack_number(p, piece->first));
        kern_value *left = kern_op2(
            b, KERN_SUB, pack_number(p, p->axis->extent), piece->start);
        piece->used = whole ? NULL : lanes_below(p, left, piece->lanes);
        pack_reads_start(p, piece);
    }
    return pack_sum(p, part->to, pack_scaled(p, panel, part->to_panel));
}

/* k_lo and as many whole groups as there are. */
static kern_value *whole_groups(packer *p, const pack_part *part)
{
    kern_builder *b = &p->k->b;
    kern_value *size = pack_number(p, group_size(p));
    kern_value *count = kern_op2(b, KERN_SUB, part->k_hi, part->k_lo);
    kern_value *groups = kern_op2(b, KERN_DIV, count, size);
    return pack_sum(p, part->k_lo, kern_op2(b, KERN_MUL, groups, size));
}

static void pack_panel(packer *p, const pack_part *part, kern_value *panel,
                       bool whole)
{
    kern_builder *b = &p->k->b;
    kern_value *to = enter_panel(p, part, panel, whole);
    kern_value *end = whole_groups(p, part);
    pack_group(p, to, kern_loop(b, part->k_lo, end, group_size(p), 0));
    kern_end(b);
    if (!part->k_rest)
        return;
    p->at_k = kern_loop(b, end, part->k_hi, p->c->packed, 0);
    pack_row(p, to);
    kern_end(b);
}

static void pack_one_by_one(packer *p, const pack_part *part, kern_value *hi)
{
    kern_builder *b = &p->k->b;
    pack_panel(p, part, kern_loop(b, part->panel_lo, hi, 1, 0), true);
    kern_end(b);
}

static void pack_side_by_side(packer *p, const pack_part *part, kern_value *hi)
{
    kern_builder *b = &p->k->b;
    kern_value *end = whole_groups(p, part);
    kern_value *k = kern_loop(b, part->k_lo, end, GROUP, 0);
    kern_value *panel = kern_loop(b, part->panel_lo, hi, 1, 0);
    pack_group(p, enter_panel(p, part, panel, true), k);
    kern_end(b);
    kern_end(b);
    if (!part->k_rest)
        return;
    k = kern_loop(b, end, part->k_hi, p->c->packed, 0);
    panel = kern_loop(b, part->panel_lo, hi, 1, 0);
    kern_value *to = enter_panel(p, part, panel, true);
    p->at_k = k;
    pack_row(p, to);
    kern_end(b);
    kern_end(b);
}

/* Does k go from row to row of matrices, and a panel along the rows? */
static bool goes_down_rows(const packer *p)
{
    for (int i = 0; i < p->step->pack_reads.count; i++) {
        const sched_pack_read *read = &p->step->pack_reads.data[i];
        if (read->guard_count > 0 || read->address.k.kind != SCHED_WALK_LINEAR)
            return false;
    }
    return !p->turns;
}

static void pack_task(packer *p, const pack_part *part)
{
    kern_builder *b = &p->k->b;
    int64_t whole = p->axis->extent / p->width;
    bool partial = p->axis->extent % p->width != 0;
    kern_value *end = pack_number(p, whole);
    kern_value *hi =
        partial ? kern_op2(b, KERN_MIN, part->panel_hi, end) : part->panel_hi;
    if (goes_down_rows(p))
        pack_side_by_side(p, part, hi);
    else
        pack_one_by_one(p, part, hi);
    if (!partial)
        return;
    kern_if(b, kern_op2(b, KERN_GT, part->panel_hi, end));
    pack_panel(p, part, end, false);
    kern_end(b);
}

/* ---------- tasks ---------- */

static int64_t even(int64_t count, int64_t parts, int64_t unit)
{
    int64_t size = int_ceil_div(count, parts);
    return int_ceil_div(size, unit) * unit;
}

/* What the tasks of the tile step work on. */
static pack_cut cut_inside(const packer *p, int64_t panels)
{
    bool left = p->step->kind == SCHED_STEP_PACK_LEFT;
    pack_cut cut = {.panel_block = left ? p->c->m_block : p->c->n_block,
                    .k_block = p->c->kc};
    cut.panel_blocks = int_ceil_div(panels, cut.panel_block);
    cut.k_blocks = int_ceil_div(p->c->k.extent, cut.k_block);
    return cut;
}

/* Tasks of about the same work: blocks of k where k goes down the rows, so
 * that each reads whole rows, else blocks of panels. */
static pack_cut plan_cut(const packer *p)
{
    enum { MOST_TASKS = 64 };
    int64_t k = p->c->k.extent,
            panels = int_ceil_div(p->axis->extent, p->width);
    if (p->step->inside)
        return cut_inside(p, panels);
    double work = (double)panels * (double)p->width * (double)k *
                  (1 + sched_cost(p->factor)) / BUILD_TASK_WORK;
    int64_t wanted = work < 1            ? 1
                     : work > MOST_TASKS ? MOST_TASKS
                                         : (int64_t)work;
    pack_cut cut = {.panel_block = panels, .k_block = k};
    if (goes_down_rows(p))
        cut.k_block = even(k, wanted, GROUP);
    else
        cut.panel_block = even(panels, wanted, 1);
    cut.panel_blocks = int_ceil_div(panels, cut.panel_block);
    cut.k_blocks = int_ceil_div(k, cut.k_block);
    return cut;
}

static void set_batch(packer *p, kern_value *batch)
{
    const ir_var *vars = p->c->node->comp.vars;
    for (int i = p->c->batch.count - 1; i >= 0; i--) {
        int v = p->c->batch.vars[i];
        kern_value *extent = pack_number(p, vars[v].hi);
        p->e.var[v] = kern_op2(&p->k->b, KERN_REM, batch, extent);
        batch = kern_op2(&p->k->b, KERN_DIV, batch, extent);
    }
}

/* x / by, leaving x % by in *x. */
static kern_value *divide(packer *p, kern_value **x, int64_t by)
{
    kern_builder *b = &p->k->b;
    kern_value *quotient = kern_op2(b, KERN_DIV, *x, pack_number(p, by));
    *x = by == 1 ? pack_number(p, 0)
                 : kern_op2(b, KERN_REM, *x, pack_number(p, by));
    return quotient;
}

/* Where panel block `index` begins: blocks differ by one panel at most. */
static kern_value *first_panel(packer *p, const pack_cut *cut,
                               kern_value *index)
{
    int64_t panels = int_ceil_div(p->axis->extent, p->width);
    return kern_op2(&p->k->b, KERN_DIV, pack_scaled(p, index, panels),
                    pack_number(p, cut->panel_blocks));
}

static void find_k(packer *p, const pack_cut *cut, kern_value *index,
                   pack_part *part)
{
    int64_t k = p->c->k.extent;
    part->k_lo = pack_scaled(p, index, cut->k_block);
    part->k_hi = pack_number(p, k);
    if (cut->k_blocks > 1)
        part->k_hi =
            kern_op2(&p->k->b, KERN_MIN, part->k_hi,
                     pack_sum(p, part->k_lo, pack_number(p, cut->k_block)));
    part->k_rest = k % group_size(p) != 0 ||
                   (cut->k_blocks > 1 && cut->k_block % group_size(p) != 0);
}

/* Panel 0 and k 0 of the whole operand, or, inside the tile step, as if they
 * lay before what the task packs. */
static void find_place(packer *p, const pack_cut *cut, kern_value *batch,
                       kern_value *block, pack_part *part)
{
    kern_builder *b = &p->k->b;
    int64_t k = p->c->k.extent,
            panels = int_ceil_div(p->axis->extent, p->width);
    if (!p->step->inside) {
        part->to_panel = k / p->c->packed * p->width;
        part->to = pack_scaled(p, batch, panels * part->to_panel);
        return;
    }
    part->to_panel = cut->k_block / p->c->packed * p->width;
    block = pack_sum(p, pack_scaled(p, batch, cut->panel_blocks), block);
    part->to = pack_scaled(p, block, cut->panel_block * part->to_panel);
    part->to = kern_op2(b, KERN_SUB, part->to,
                        pack_scaled(p, part->panel_lo, part->to_panel));
    part->to = kern_op2(b, KERN_SUB, part->to,
                        pack_scaled(p, packed_at(p, part->k_lo), p->width));
}

/* Task (batch, block of panels, block of k), the last fastest. */
static void pack_tasks(packer *p, const pack_cut *cut)
{
    kern_value *k_block = kern_task(&p->k->b), *block, *batch;
    pack_part part;
    block = divide(p, &k_block, cut->k_blocks);
    batch = divide(p, &block, cut->panel_blocks);
    part.panel_lo = first_panel(p, cut, block);
    part.panel_hi = first_panel(p, cut, pack_sum(p, block, pack_number(p, 1)));
    find_k(p, cut, k_block, &part);
    set_batch(p, batch);
    find_place(p, cut, batch, block, &part);
    pack_task(p, &part);
}

/* The greatest power of two that is not above `x`. */
static int power_of_two(int x)
{
    int p = 1;
    while (2 * p <= x)
        p *= 2;
    return p;
}

static void cut_pieces(packer *p)
{
    int lanes;
    for (int first = 0; first < p->width; first += lanes) {
        lanes = power_of_two(p->width - first);
        lanes = lanes > p->k->lanes ? p->k->lanes : lanes;
        PTL_ASSERT(p->piece_count < PACK_MOST_PIECES);
        pack_piece *piece = &p->pieces[p->piece_count++];
        piece->first = first;
        piece->lanes = lanes;
        piece->reads = ARENA_ARRAY(p->k->scratch, pack_read,
                                   p->step->pack_reads.count + 1);
    }
}

void build_pack(build *k)
{
    const sched_step *step = k->step;
    const sched_contraction *c = step->contraction;
    bool left = step->kind == SCHED_STEP_PACK_LEFT;
    const ir_comp *comp = &c->node->comp;
    packer p = {.k = k,
                .step = step,
                .c = c,
                .factor = left ? c->left : c->right,
                .axis = left ? &c->m : &c->n,
                .width = left ? c->mr : c->nr};
    emit_init(&p.e, k, comp->vars, comp->var_count);
    p.out = build_buffer(k, step->targets[0], true);
    pack_reads_init(&p);
    cut_pieces(&p);
    pack_cut cut = plan_cut(&p);
    k->kernel->task_count = c->batch.extent * cut.panel_blocks * cut.k_blocks;
    pack_tasks(&p, &cut);
}

kern_kernel *build_pack_inside(build *outer, const sched_step *step)
{
    build k = *outer;
    k.step = step;
    k.kernel = kern_kernel_inside(outer->kernel, step->name, 1);
    k.b = kern_begin(k.kernel);
    build_pack(&k);
    outer->kernel->buffers.count = 0;
    for (int i = 0; i < k.kernel->buffers.count; i++)
        vec_push(outer->module->arena, &outer->kernel->buffers,
                 k.kernel->buffers.data[i]);
    return k.kernel;
}
