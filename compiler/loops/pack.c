/*
 * pack.c - operands of contractions into panels, and the tile step.
 *
 * A panel holds `width` rows (columns) of an operand for every k, so the
 * micro-kernel reads straight on. The lanes run along the panel's width; what
 * lies past the operand's end is zero.
 */
#include "ir/plant.h"
#include "loops/build.h"

/* A form at the current batch and vector, before the part along K. */
typedef struct form_now {
    kern_value *base;    /* I64 */
    kern_value *offsets; /* per lane; NULL: by the axis' stride */
} form_now;

typedef struct packer {
    build *k;
    emit e;
    const sched_contraction *c;
    ir_expr *factor;
    const sched_axis *axis;
    int width, out;
    kern_value *at_k, *start;  /* position along K and along the axis */
    kern_value *used;          /* lanes inside the operand, NULL: all */
    form_now *address, *guard; /* by read, and by read and guard */
} packer;

static kern_value *number(packer *p, int64_t x)
{
    return kern_int(&p->k->b, KERN_I64, 1, x);
}

static kern_value *scaled(packer *p, kern_value *x, int64_t by)
{
    return kern_op2(&p->k->b, KERN_MUL, x, number(p, by));
}

static kern_value *sum(packer *p, kern_value *x, kern_value *y)
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

static form_now form_start(packer *p, const sched_form *form)
{
    form_now now = {.base = number(p, form->constant)};
    for (int i = 0; i < p->c->batch.count; i++) {
        int v = p->c->batch.vars[i];
        now.base = sum(p, now.base, scaled(p, p->e.var[v], form->batch[v]));
    }
    switch (form->axis.kind) {
    case SCHED_WALK_LINEAR:
        now.base = sum(p, now.base, scaled(p, p->start, form->axis.stride));
        break;
    case SCHED_WALK_PIECES:
        now.base =
            sum(p, now.base, wide(p, lookup(p, form->axis.table, p->start, 1)));
        break;
    case SCHED_WALK_TABLE:
        now.offsets = lookup(p, form->axis.table, p->start, p->e.lanes);
        break;
    }
    return now;
}

/* The scalar part at the current k. */
static kern_value *form_at_k(packer *p, const sched_form *form,
                             const form_now *now)
{
    kern_value *along = form->k.kind == SCHED_WALK_LINEAR
                            ? scaled(p, p->at_k, form->k.stride)
                            : wide(p, lookup(p, form->k.table, p->at_k, 1));
    return sum(p, now->base, along);
}

static kern_value *coordinate(packer *p, const sched_form *form,
                              const form_now *now)
{
    kern_builder *b = &p->k->b;
    kern_value *base = kern_convert(b, form_at_k(p, form, now), KERN_I32);
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
                            const form_now *now)
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

static kern_value *load_scalar(packer *p, kern_memory from, kern_value *guard,
                               const ir_expr *read)
{
    kern_builder *b = &p->k->b;
    if (!guard)
        return kern_load(b, from, 1);
    from.offset = kern_select(b, guard, from.offset, number(p, 0));
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
    from.mask = both(p, p->used, guard);
    return kern_load(b, from, p->e.lanes);
}

static kern_value *pack_read(emit *e, const ir_expr *x, void *ctx)
{
    packer *p = ctx;
    const sched_step *step = p->k->step;
    int index = 0, guards = 0;
    while (step->pack_reads.data[index].read != x)
        guards += step->pack_reads.data[index++].guard_count;
    const sched_pack_read *read = &step->pack_reads.data[index];
    const form_now *now = &p->address[index];
    kern_value *guard = guard_of(p, read, &p->guard[guards]);
    kern_memory from = {.stride = read->address.axis.stride,
                        .offsets = now->offsets};
    from.buffer =
        build_buffer(p->k, p->k->step->scope->node_buffer[x->node->id], false);
    from.offset = form_at_k(p, &read->address, now);
    if (now->offsets)
        from.stride = 0;
    bool vector = now->offsets || from.stride || (guard && guard->lanes > 1);
    if (guard && guard->lanes > 1 && !now->offsets && !from.stride)
        from.offsets = kern_int(e->b, KERN_I32, e->lanes, 0);
    return vector ? load_vector(p, from, guard, x)
                  : load_scalar(p, from, guard, x);
}

/* ---------- loops ---------- */

static void start_forms(packer *p)
{
    const sched_step *step = p->k->step;
    int guards = 0;
    for (int i = 0; i < step->pack_reads.count; i++) {
        const sched_pack_read *read = &step->pack_reads.data[i];
        p->address[i] = form_start(p, &read->address);
        for (int g = 0; g < read->guard_count; g++)
            p->guard[guards++] = form_start(p, &read->guards[g]);
    }
}

/* The greatest power of two that is not above `x`. */
static int power_of_two(int x)
{
    int p = 1;
    while (2 * p <= x)
        p *= 2;
    return p;
}

static kern_value *lanes_below(packer *p, kern_value *count)
{
    kern_builder *b = &p->k->b;
    if (ir_is_planted(IR_PLANT_PACKING))
        count = kern_op2(b, KERN_SUB, count, number(p, 1));
    return kern_op2(b, KERN_LT, kern_iota(b, KERN_I32, p->e.lanes),
                    kern_convert(b, count, KERN_I32));
}

/* The lanes from p->start on for every k, to element `to` of the panel; those
 * outside `used` become zero. */
static void pack_lanes(packer *p, kern_value *to, kern_value *used)
{
    kern_builder *b = &p->k->b;
    int mark = emit_mark(&p->e);
    p->used = used;
    start_forms(p);
    p->at_k = kern_loop(b, number(p, 0), number(p, p->c->k.extent), 1, 4);
    kern_value *x = kern_splat(b, emit_expr(&p->e, p->factor), p->e.lanes);
    if (used)
        x = kern_select(b, used, x, kern_real(b, p->k->real, 1, 0));
    kern_memory at = {.buffer = p->out, .stride = 1};
    at.offset = sum(p, to, scaled(p, p->at_k, p->width));
    kern_store(b, at, x);
    emit_rewind(&p->e, mark);
    kern_end(b);
}

/* Columns [first, first + lanes) of one panel. Only the last panel can reach
 * past the end, so all others go without a mask. */
static void pack_vector(packer *p, kern_value *unit, kern_value *panel,
                        int first, int lanes)
{
    kern_builder *b = &p->k->b;
    p->e.lanes = lanes;
    p->start = sum(p, scaled(p, panel, p->width), number(p, first));
    kern_value *to = scaled(p, unit, p->c->k.extent * p->width);
    to = sum(p, to, number(p, first));
    if (p->axis->extent % p->width == 0) {
        pack_lanes(p, to, NULL);
        return;
    }
    kern_value *left =
        kern_op2(b, KERN_SUB, number(p, p->axis->extent), p->start);
    kern_if(b, kern_op2(b, KERN_GE, left, number(p, lanes)));
    pack_lanes(p, to, NULL);
    kern_else(b);
    pack_lanes(p, to, lanes_below(p, left));
    kern_end(b);
}

static void set_batch(packer *p, kern_value *batch)
{
    const ir_var *vars = p->c->node->comp.vars;
    for (int i = p->c->batch.count - 1; i >= 0; i--) {
        int v = p->c->batch.vars[i];
        kern_value *extent = number(p, vars[v].hi);
        p->e.var[v] = kern_op2(&p->k->b, KERN_REM, batch, extent);
        batch = kern_op2(&p->k->b, KERN_DIV, batch, extent);
    }
}

static void pack_units(packer *p, int64_t panels, int64_t units)
{
    kern_builder *b = &p->k->b;
    double work = (double)units * (double)p->width * (double)p->c->k.extent *
                  (1 + sched_cost(p->factor));
    const sched_loop loop = {0, 0, units, false};
    nest n;
    nest_init(&n, &p->e, &loop, 1, -1);
    nest_cut cut = nest_plan(&n, work, 1);
    p->k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(b));
    kern_value *lo = n.lo[0] ? n.lo[0] : number(p, 0);
    kern_value *hi = n.hi[0] ? n.hi[0] : number(p, units);
    kern_value *unit = kern_loop(b, lo, hi, 1, 0);
    kern_value *panel = kern_op2(b, KERN_REM, unit, number(p, panels));
    set_batch(p, kern_op2(b, KERN_DIV, unit, number(p, panels)));
    for (int first = 0, lanes; first < p->width; first += lanes) {
        lanes = power_of_two(p->width - first);
        if (lanes > p->k->lanes)
            lanes = p->k->lanes;
        pack_vector(p, unit, panel, first, lanes);
    }
    kern_end(b);
}

void build_pack(build *k)
{
    const sched_step *step = k->step;
    const sched_contraction *c = step->contraction;
    bool left = step->kind == SCHED_STEP_PACK_LEFT;
    const ir_comp *comp = &c->node->comp;
    packer p = {.k = k,
                .c = c,
                .factor = left ? c->left : c->right,
                .axis = left ? &c->m : &c->n,
                .width = left ? c->mr : c->nr};
    emit_init(&p.e, k, comp->vars, comp->var_count);
    p.e.read = pack_read;
    p.e.ctx = &p;
    p.out = build_buffer(k, step->targets[0], true);
    int guards = 1;
    for (int i = 0; i < step->pack_reads.count; i++)
        guards += step->pack_reads.data[i].guard_count;
    p.address = ARENA_ARRAY(k->scratch, form_now, step->pack_reads.count + 1);
    p.guard = ARENA_ARRAY(k->scratch, form_now, guards);
    int64_t panels = (p.axis->extent + p.width - 1) / p.width;
    pack_units(&p, panels, panels * c->batch.extent);
}

/* ---------- the tile step ---------- */

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
