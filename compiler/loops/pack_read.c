/*
 * pack_read.c - the reads of an operand that is being packed.
 *
 * The lanes run along the packed axis. Where a read's neighbours lie along K
 * instead, it is turned: 16 bytes of each row are loaded, and shuffles make of
 * them vectors along the axis, for as many k as 16 bytes hold.
 */
#include "base/plant.h"
#include "loops/pack.h"

kern_value *pack_number(packer *p, int64_t x)
{
    return kern_int(&p->k->b, KERN_I64, 1, x);
}

kern_value *pack_scaled(packer *p, kern_value *x, int64_t by)
{
    return kern_op2(&p->k->b, KERN_MUL, x, pack_number(p, by));
}

kern_value *pack_sum(packer *p, kern_value *x, kern_value *y)
{
    return kern_op2(&p->k->b, KERN_ADD, x, y);
}

static kern_value *lookup(packer *p, int table, kern_value *at, int lanes)
{
    kern_memory from = {.buffer = build_buffer(p->k, table, false),
                        .offset = at,
                        .stride = lanes > 1};
    return kern_load(&p->k->b, from, lanes);
}

static kern_value *wide(packer *p, kern_value *x)
{
    return kern_convert(&p->k->b, x, KERN_I64);
}

/* ---------- forms ---------- */

/* The constant and the part of the batch. */
static kern_value *form_origin(packer *p, const sched_form *form)
{
    kern_value *base = pack_number(p, form->constant);
    for (int i = 0; i < p->c->batch.count; i++) {
        int v = p->c->batch.vars[i];
        base = pack_sum(p, base, pack_scaled(p, p->e.var[v], form->batch[v]));
    }
    return base;
}

static pack_form form_start(packer *p, const sched_form *form,
                            const pack_piece *piece)
{
    pack_form now = {.base = form_origin(p, form)};
    switch (form->axis.kind) {
    case SCHED_WALK_LINEAR:
        now.base = pack_sum(p, now.base,
                            pack_scaled(p, piece->start, form->axis.stride));
        break;
    case SCHED_WALK_PIECES:
        now.base = pack_sum(
            p, now.base, wide(p, lookup(p, form->axis.table, piece->start, 1)));
        break;
    case SCHED_WALK_TABLE:
        now.offsets = lookup(p, form->axis.table, piece->start, piece->lanes);
        break;
    }
    return now;
}

/* `base` and the part along K. */
static kern_value *with_k(packer *p, const sched_form *form, kern_value *base,
                          kern_value *k)
{
    kern_value *along = form->k.kind == SCHED_WALK_LINEAR
                            ? pack_scaled(p, k, form->k.stride)
                            : wide(p, lookup(p, form->k.table, k, 1));
    return pack_sum(p, base, along);
}

static kern_value *coordinate(packer *p, const sched_form *form,
                              const pack_form *now)
{
    kern_builder *b = &p->k->b;
    kern_value *base =
        kern_convert(b, with_k(p, form, now->base, p->at_k), KERN_I32);
    if (now->offsets)
        return kern_op2(b, KERN_ADD, base,
                        kern_convert(b, now->offsets, KERN_I32));
    if (form->axis.stride == 0)
        return base;
    kern_value *lane = kern_op2(b, KERN_MUL, kern_iota(b, KERN_I32, p->e.lanes),
                                kern_int(b, KERN_I32, 1, form->axis.stride));
    return kern_op2(b, KERN_ADD, base, lane);
}

static kern_value *both(packer *p, kern_value *x, kern_value *y)
{
    return !x ? y : !y ? x : kern_op2(&p->k->b, KERN_AND, x, y);
}

static kern_value *guard_of(packer *p, const sched_pack_read *read,
                            const pack_form *now)
{
    kern_builder *b = &p->k->b;
    kern_value *all = NULL;
    for (int i = 0; i < read->guard_count; i++) {
        kern_value *at = coordinate(p, &read->guards[i], &now[i]);
        kern_value *low = kern_op2(b, KERN_GE, at, kern_int(b, KERN_I32, 1, 0));
        kern_value *high = kern_op2(
            b, KERN_LT, at, kern_int(b, KERN_I32, 1, read->guards[i].size));
        all = both(p, all, both(p, low, high));
    }
    return all;
}

/* ---------- loads along the axis ---------- */

static kern_value *load_scalar(packer *p, kern_memory from, kern_value *guard,
                               const ir_expr *read)
{
    kern_builder *b = &p->k->b;
    if (!guard)
        return kern_load(b, from, 1);
    from.offset = kern_select(b, guard, from.offset, pack_number(p, 0));
    kern_value *x = kern_load(b, from, 1);
    kern_value *other =
        kern_convert(b, emit_expr(&p->e, read->outside), x->type);
    return kern_select(b, guard, x, other);
}

/* Lanes inside the operand whose guard holds. */
static kern_value *load_vector(packer *p, kern_memory from, kern_value *guard,
                               const ir_expr *read)
{
    kern_builder *b = &p->k->b;
    if (guard) {
        guard = kern_splat(b, guard, p->e.lanes);
        kern_type type =
            kern_type_of(p->k->kernel->buffers.data[from.buffer].dtype);
        kern_value *other = emit_expr(&p->e, read->outside);
        from.other = kern_splat(b, kern_convert(b, other, type), p->e.lanes);
    }
    from.mask = both(p, p->at->used, guard);
    return kern_load(b, from, p->e.lanes);
}

static int buffer_of(packer *p, const ir_expr *read)
{
    return build_buffer(p->k, p->step->scope->node_buffer[read->node->id],
                        false);
}

static kern_value *read_now(emit *e, const ir_expr *x, void *ctx)
{
    packer *p = ctx;
    int index = 0;
    while (p->step->pack_reads.data[index].read != x)
        index++;
    const sched_pack_read *read = &p->step->pack_reads.data[index];
    const pack_read *now = &p->at->reads[index];
    if (p->turned_k >= 0 && now->turned[0])
        return now->turned[p->turned_k];
    kern_value *guard = guard_of(p, read, now->guards);
    kern_memory from = {.stride = read->address.axis.stride,
                        .offsets = now->address.offsets};
    from.buffer = buffer_of(p, x);
    from.offset = with_k(p, &read->address, now->address.base, p->at_k);
    if (from.offsets)
        from.stride = 0;
    bool vector = from.offsets || from.stride || (guard && guard->lanes > 1);
    if (guard && guard->lanes > 1 && !from.offsets && !from.stride)
        from.offsets = kern_int(e->b, KERN_I32, e->lanes, 0);
    return vector ? load_vector(p, from, guard, x)
                  : load_scalar(p, from, guard, x);
}

/* ---------- turned reads ---------- */

bool pack_is_turned(const packer *p, const sched_pack_read *read)
{
    const sched_form *at = &read->address;
    const sched_scope *scope = p->step->scope;
    int buffer = scope->node_buffer[read->read->node->id];
    ptl_dtype dtype = p->k->s->buffers.data[buffer].dtype;
    return read->guard_count == 0 && at->k.kind == SCHED_WALK_LINEAR &&
           at->k.stride == 1 && dtype == sched_real(&p->k->s->options) &&
           (at->axis.kind == SCHED_WALK_TABLE || at->axis.stride > 1 ||
            at->axis.stride < -1);
}

static bool is_turned_here(const packer *p, const sched_pack_read *read,
                           const pack_piece *piece)
{
    return pack_is_turned(p, read) && piece->lanes >= p->turn;
}

/* Where row `row` of the piece lies; past the end it is the last row's place,
 * as any number will do there. */
static void start_rows(packer *p, const sched_form *form,
                       const pack_piece *piece, pack_read *now)
{
    kern_builder *b = &p->k->b;
    kern_value *origin = form_origin(p, form);
    kern_value *last = pack_number(p, p->axis->extent - 1);
    for (int i = 0; i < piece->lanes; i++) {
        kern_value *row = pack_sum(p, piece->start, pack_number(p, i));
        if (piece->used)
            row = kern_op2(b, KERN_MIN, row, last);
        kern_value *along = form->axis.kind == SCHED_WALK_LINEAR
                                ? pack_scaled(p, row, form->axis.stride)
                                : wide(p, lookup(p, form->axis.table, row, 1));
        now->rows[i] = pack_sum(p, origin, along);
    }
}

/* Row `row` at p->turn values of k from `k` on. */
static kern_value *load_row(packer *p, const sched_pack_read *read,
                            const pack_piece *piece, const pack_read *now,
                            int row, kern_value *k)
{
    const sched_form *form = &read->address;
    kern_memory from = {.buffer = buffer_of(p, read->read), .stride = 1};
    if (form->axis.kind == SCHED_WALK_LINEAR && !piece->used) {
        from.offset = with_k(p, form, now->address.base, k);
        from.offset =
            pack_sum(p, from.offset, pack_number(p, row * form->axis.stride));
    } else {
        from.offset = with_k(p, form, now->rows[row], k);
    }
    return kern_load(&p->k->b, from, p->turn);
}

static kern_value *shuffled(packer *p, kern_value *x, kern_value *y,
                            const uint8_t *order, int lanes)
{
    return kern_shuffle(&p->k->b, x, y, order, lanes);
}

/* `count` vectors side by side, a power of two. */
static kern_value *joined(packer *p, kern_value **x, int count)
{
    uint8_t order[PACK_MOST_LANES];
    for (int i = 0; i < PACK_MOST_LANES; i++)
        order[i] = (uint8_t)i;
    for (; count > 1; count /= 2)
        for (int i = 0; i < count / 2; i++)
            x[i] =
                shuffled(p, x[2 * i], x[2 * i + 1], order, 2 * x[2 * i]->lanes);
    return x[0];
}

/* In every group of `turn` lanes: `unit` lanes of x, `unit` of y, and so on,
 * from the lower half (0) or the upper half (1) of the group. */
static kern_value *interleaved(packer *p, kern_value *x, kern_value *y,
                               int unit, int half)
{
    uint8_t order[PACK_MOST_LANES];
    int lanes = x->lanes, turn = p->turn;
    PTL_ASSERT(lanes <= PACK_MOST_LANES);
    for (int i = 0; i < lanes; i++) {
        int group = i / turn * turn, in = i % turn;
        int from = group + half * turn / 2 + in / (2 * unit) * unit + in % unit;
        order[i] = (uint8_t)(in / unit % 2 ? lanes + from : from);
    }
    return shuffled(p, x, y, order, lanes);
}

/* z[j] holds rows j, j + turn, ... with `turn` values each; becomes one vector
 * of all rows for each value. */
static void transpose(packer *p, kern_value **z, kern_value **out)
{
    if (p->turn == 2) {
        out[0] = interleaved(p, z[0], z[1], 1, 0);
        out[1] = interleaved(p, z[0], z[1], 1, 1);
        return;
    }
    for (int half = 0; half < 2; half++) {
        kern_value *x = interleaved(p, z[0], z[1], 1, half);
        kern_value *y = interleaved(p, z[2], z[3], 1, half);
        out[2 * half] = interleaved(p, x, y, 2, 0);
        out[2 * half + 1] = interleaved(p, x, y, 2, 1);
    }
}

static void turn_read(packer *p, const sched_pack_read *read,
                      const pack_piece *piece, pack_read *now, kern_value *k)
{
    kern_value *z[PACK_MOST_TURN], *rows[PACK_MOST_LANES];
    int parts = piece->lanes / p->turn;
    for (int j = 0; j < p->turn; j++) {
        for (int q = 0; q < parts; q++)
            rows[q] = load_row(p, read, piece, now, j + q * p->turn, k);
        z[j] = joined(p, rows, parts);
    }
    transpose(p, z, now->turned);
}

void pack_reads_turn(packer *p, pack_piece *piece, kern_value *k)
{
    for (int i = 0; i < p->step->pack_reads.count; i++) {
        const sched_pack_read *read = &p->step->pack_reads.data[i];
        if (is_turned_here(p, read, piece))
            turn_read(p, read, piece, &piece->reads[i], k);
    }
}

/* ---------- */

void pack_reads_start(packer *p, pack_piece *piece)
{
    for (int i = 0; i < p->step->pack_reads.count; i++) {
        const sched_pack_read *read = &p->step->pack_reads.data[i];
        pack_read *now = &piece->reads[i];
        *now = (pack_read){.address = form_start(p, &read->address, piece)};
        for (int g = 0; g < read->guard_count; g++)
            now->guards[g] = form_start(p, &read->guards[g], piece);
        bool linear = read->address.axis.kind == SCHED_WALK_LINEAR;
        if (is_turned_here(p, read, piece) && (!linear || piece->used))
            start_rows(p, &read->address, piece, now);
    }
}

void pack_reads_init(packer *p)
{
    p->e.read = read_now;
    p->e.ctx = p;
    p->turn = p->k->real == KERN_F64 ? 2 : 4;
    p->turned_k = -1;
    for (int i = 0; i < p->step->pack_reads.count; i++)
        p->turns = p->turns || pack_is_turned(p, &p->step->pack_reads.data[i]);
}
