/*
 * steps.c - the steps of every group, and the scratch buffers between them.
 *
 * Needs:    groups in their final order.
 * Provides: steps with what they read and write, scratch buffers and tables.
 * Keeps:    the groups.
 */
#include "base/integer.h"
#include "sched/internal.h"
#include <string.h>

/* ---------- accesses ---------- */

typedef struct access_ctx {
    sched_schedule *s;
    sched_step *step;
    bool maps; /* a read at the plain variables is at the element written, */
    bool scattered; /* unless results are stored elsewhere */
} access_ctx;

void sched_access_add(sched_schedule *s, sched_step *step, int buffer,
                      bool same_map)
{
    for (int i = 0; i < step->reads.count; i++) {
        sched_access *a = &step->reads.data[i];
        if (a->buffer == buffer) {
            a->same_map = a->same_map && same_map;
            return;
        }
    }
    sched_access access = {buffer, same_map};
    vec_push(s->arena, &step->reads, access);
}

static bool made_here(const sched_step *step, const ir_node *n)
{
    for (int i = 0; i < step->node_count; i++)
        if (step->nodes[i] == n)
            return true;
    return false;
}

static void note_site(sched_schedule *s, sched_step *step, const ir_expr *e)
{
    int buffer = sched_site_buffer(s, e->site);
    if (buffer < 0) {
        int64_t *number = ARENA_NEW(s->arena, int64_t);
        *number = (int64_t)e->site;
        buffer = sched_table_add(
            s, arena_printf(s->arena, "%s.site", e->site_name), PTL_I64, number,
            1);
        sched_site made = {e->site, buffer};
        vec_push(s->arena, &s->sites, made);
    }
    sched_access_add(s, step, buffer, false);
}

static void note_access(ir_expr *e, void *ctx)
{
    access_ctx *c = ctx;
    if (e->kind == IR_EXPR_RANDOM)
        note_site(c->s, c->step, e);
    if (e->kind != IR_EXPR_READ)
        return;
    bool shared = c->maps || c->step->kind == SCHED_STEP_ROWS;
    if (shared && made_here(c->step, e->node))
        return; /* still in a register, or written in this row */
    bool same = c->maps && !c->scattered && !e->outside &&
                sched_base(c->step->scope, e->node) == e->node;
    for (int i = 0; i < e->sub_count; i++)
        same = same && sched_is_variable(&e->subs[i], i);
    same = same && e->sub_count == c->step->nodes[0]->type.rank;
    sched_access_add(c->s, c->step, c->step->scope->node_buffer[e->node->id],
                     same);
}

static void note_reads(sched_schedule *s, sched_step *step, ir_expr *e)
{
    access_ctx c = {s, step, step->kind == SCHED_STEP_MAP, false};
    for (int i = 0; i < step->node_count; i++)
        c.scattered =
            c.scattered || sched_store_of(step->scope, step->nodes[i]);
    if (e)
        ir_visit(e, note_access, &c);
}

/* ---------- steps ---------- */

static sched_step *new_step(sched_schedule *s, sched_scope *scope,
                            sched_step_kind kind, const char *name)
{
    sched_step *step = ARENA_NEW(s->arena, sched_step);
    step->kind = kind;
    step->scope = scope;
    step->name =
        arena_printf(s->arena, "%s.%s", sched_step_kind_name(kind), name);
    return step;
}

sched_step *sched_add_step(sched_schedule *s, sched_scope *scope,
                           sched_step_kind kind, const char *name)
{
    sched_step *step = new_step(s, scope, kind, name);
    vec_push(s->arena, &s->steps, step);
    return step;
}

static void set_nodes(sched_schedule *s, sched_step *step,
                      ir_node *const *nodes, int count)
{
    step->node_count = count;
    step->nodes = ARENA_ARRAY(s->arena, ir_node *, count);
    step->targets = ARENA_ARRAY(s->arena, int, count);
    for (int i = 0; i < count; i++) {
        step->nodes[i] = nodes[i];
        step->targets[i] = step->scope->node_buffer[nodes[i]->id];
    }
}

sched_step *sched_add_map(sched_schedule *s, sched_scope *scope,
                          ir_node *const *nodes, int count)
{
    sched_step *step =
        sched_add_step(s, scope, SCHED_STEP_MAP, nodes[count - 1]->name);
    set_nodes(s, step, nodes, count);
    for (int i = 0; i < count; i++)
        note_reads(s, step, nodes[i]->comp.body);
    sched_space_of(scope, step->nodes, count, 0, &step->space);
    return step;
}

static int add_scratch(sched_schedule *s, const char *name, ptl_dtype dtype,
                       const int64_t *dims, int rank)
{
    sched_buffer b = {
        .name = name, .role = PTL_ROLE_TRANSIENT, .dtype = dtype, .rank = rank};
    memcpy(b.dims, dims, (size_t)rank * sizeof *dims);
    return sched_buffer_add(s, b);
}

/* Result `index` of the step goes to partial results, and from there on. */
static void add_combine(sched_schedule *s, sched_scope *scope,
                        sched_step *parts, int index)
{
    ir_node *n = parts->nodes[index];
    int64_t dims[2] = {parts->reduction.chunks, ir_element_count(&n->type)};
    int target = parts->targets[index];
    int partial = add_scratch(s, arena_printf(s->arena, "%s.parts", n->name),
                              s->buffers.data[target].dtype, dims, 2);
    parts->targets[index] = partial;
    sched_step *step = sched_add_step(s, scope, SCHED_STEP_COMBINE, n->name);
    set_nodes(s, step, &n, 1);
    step->reduction = parts->reduction;
    step->partial = partial;
    sched_access_add(s, step, partial, false);
}

static void add_reduce(sched_schedule *s, sched_scope *scope,
                       const sched_group *group)
{
    int count = group->nodes.count;
    ir_node *last = group->nodes.data[count - 1];
    sched_step *step = sched_add_step(s, scope, SCHED_STEP_REDUCE, last->name);
    set_nodes(s, step, group->nodes.data, count);
    for (int i = 0; i < count; i++) {
        note_reads(s, step, step->nodes[i]->comp.body);
        note_reads(s, step, step->nodes[i]->comp.filter);
    }
    sched_space_of(scope, step->nodes, count, 0, &step->space);
    sched_plan_reduction(scope, step->nodes, count, &step->space,
                         sched_lanes(&s->options), true, &step->reduction);
    step->note = group->note;
    for (int i = 0; step->reduction.chunks > 1 && i < count; i++)
        add_combine(s, scope, step, i);
}

static void add_rows(sched_schedule *s, sched_scope *scope,
                     const sched_group *group)
{
    int count = group->nodes.count;
    ir_node *last = group->nodes.data[count - 1];
    sched_step *step = sched_add_step(s, scope, SCHED_STEP_ROWS, last->name);
    set_nodes(s, step, group->nodes.data, count);
    step->row_rank = group->row_rank;
    step->members = ARENA_ARRAY(s->arena, sched_member, count);
    for (int i = 0; i < count; i++) {
        ir_node *n = step->nodes[i];
        sched_member *m = &step->members[i];
        note_reads(s, step, n->comp.body);
        note_reads(s, step, n->comp.filter);
        sched_space_of(scope, &n, 1, step->row_rank, &m->space);
        if (n->comp.reduce == IR_MAP)
            continue;
        sched_plan_reduction(scope, &n, 1, &m->space, sched_lanes(&s->options),
                             false, &m->reduction);
    }
}

/* ---------- contractions ---------- */

typedef struct steady_ctx {
    const sched_scope *scope;
    bool steady;
} steady_ctx;

static void check_steady(ir_expr *e, void *ctx)
{
    steady_ctx *c = ctx;
    if (e->kind != IR_EXPR_READ)
        return;
    int id = sched_base(c->scope, e->node)->id;
    c->steady = c->steady && id < c->scope->steady_count &&
                c->scope->steady[id];
}

/* Does a factor have the same value in every trip of the scan around it? */
static bool is_steady(const sched_scope *scope, ir_expr *factor)
{
    steady_ctx c = {scope, true};
    ir_visit_reads(factor, check_steady, &c);
    return c.steady;
}

static sched_step *pack_step(sched_schedule *s, sched_scope *scope,
                             const sched_contraction *c, bool left)
{
    ir_node *n = c->node;
    sched_step *step = new_step(
        s, scope, left ? SCHED_STEP_PACK_LEFT : SCHED_STEP_PACK_RIGHT,
        arena_printf(s->arena, "%s.%s", n->name, left ? "left" : "right"));
    set_nodes(s, step, &n, 1);
    step->contraction = c;
    note_reads(s, step, left ? c->left : c->right);
    sched_plan_pack(s, step);
    return step;
}

/* The whole operand, by a step of its own; returns its buffer. */
static int add_pack(sched_schedule *s, sched_scope *scope,
                    const sched_contraction *c, bool left)
{
    int width = left ? c->mr : c->nr;
    int64_t extent = left ? c->m.extent : c->n.extent;
    sched_step *step = pack_step(s, scope, c, left);
    step->steady = is_steady(scope, left ? c->left : c->right);
    int64_t dims[4] = {c->batch.extent * c->splits, int_ceil_div(extent, width),
                       c->k_split / c->packed, width};
    vec_push(s->arena, &s->steps, step);
    step->targets[0] =
        add_scratch(s, step->name, sched_real(&s->options), dims, 4);
    return step->targets[0];
}

/* A block of k of each task's panels, packed by the tasks of `tile`. */
static int add_pack_inside(sched_schedule *s, sched_scope *scope,
                           sched_step *tile, bool left)
{
    const sched_contraction *c = tile->contraction;
    int width = left ? c->mr : c->nr;
    int64_t extent = left ? c->m.extent : c->n.extent;
    int64_t block = left ? c->m_block : c->n_block;
    int64_t panels = int_ceil_div(extent, width);
    int64_t count = c->batch.extent * int_ceil_div(panels, block);
    int64_t dims[4] = {count, block, c->kc / c->packed, width};
    sched_step *step = tile->packs[left ? 0 : 1] = pack_step(s, scope, c, left);
    step->inside = true;
    step->targets[0] =
        add_scratch(s, step->name, sched_real(&s->options), dims, 4);
    for (int i = 0; i < step->reads.count; i++)
        sched_access_add(s, tile, step->reads.data[i].buffer, false);
    vec_push(s->arena, &tile->scratch, step->targets[0]);
    return step->targets[0];
}

/* Where each position of a fused axis lies in the result; the last one as often
 * as makes the count a multiple of `unit`. */
static int add_table(sched_schedule *s, const sched_contraction *c,
                     const sched_axis *axis, int unit, const char *what)
{
    int64_t count = (axis->extent + unit - 1) / unit * unit;
    int64_t *table = ARENA_ARRAY(s->arena, int64_t, count + 1);
    const ir_comp *comp = &c->node->comp;
    int64_t strides[IR_MAX_VARS] = {0};
    for (int v = 0; v < comp->out_count; v++)
        strides[v] = sched_stride(&c->node->type, v);
    const int64_t *at = s->options.sizes_only
                            ? NULL
                            : sched_axis_sums(s, axis, comp->vars, strides);
    int64_t last = axis->extent - 1;
    for (int64_t i = 0; at && i < count; i++)
        table[i] = at[i < last ? i : last];
    return sched_table_add(
        s, arena_printf(s->arena, "%s.%s", c->node->name, what), PTL_I64, table,
        count);
}

static void add_direct(sched_schedule *s, sched_scope *scope, sched_direct *d)
{
    ir_node *n = d->base.node;
    int right = d->packs_right ? add_pack(s, scope, &d->base, false) : -1;
    sched_step *step = sched_add_step(s, scope, SCHED_STEP_DIRECT, n->name);
    set_nodes(s, step, &n, 1);
    step->contraction = &d->base;
    step->packed = right;
    note_reads(s, step, d->base.left);
    if (d->packs_right)
        sched_access_add(s, step, right, false);
    else
        note_reads(s, step, d->base.right);
    sched_plan_direct(s, step, d);
    step->reduction = (sched_reduction){
        .lane_var = -1, .chunk_var = -1, .chunks = d->splits};
    if (d->splits > 1)
        add_combine(s, scope, step, 0);
}

static int add_panels(sched_schedule *s, sched_scope *scope, sched_step *tile,
                      bool left)
{
    const sched_contraction *c = tile->contraction;
    if (left ? c->packs_left : c->packs_right)
        return add_pack_inside(s, scope, tile, left);
    int packed = add_pack(s, scope, c, left);
    sched_access_add(s, tile, packed, false);
    return packed;
}

/* The order of K and its parts are those of the other forms, and so are the
 * bits. */
static void add_product(sched_schedule *s, sched_scope *scope,
                        sched_contraction *c)
{
    sched_step *step =
        sched_add_step(s, scope, SCHED_STEP_PRODUCT, c->node->name);
    if (s->options.library)
        sched_find_matrices(s, scope, c);
    set_nodes(s, step, &c->node, 1);
    step->contraction = c;
    note_reads(s, step, c->left);
    note_reads(s, step, c->right);
    step->reduction =
        (sched_reduction){.lane_var = -1, .chunk_var = -1, .chunks = c->splits};
    if (c->splits > 1)
        add_combine(s, scope, step, 0);
}

static void add_contraction(sched_schedule *s, sched_scope *scope, ir_node *n)
{
    bool threads = s->options.target.threads;
    sched_direct *direct = ARENA_NEW(s->arena, sched_direct);
    if (!sched_find_direct(n, &s->options, direct)) {
        sched_contraction *base = &direct->base;
        base->splits = direct->splits;
        base->k_split = direct->split_runs * direct->length;
        if (threads)
            add_product(s, scope, base);
        else
            add_direct(s, scope, direct);
        return;
    }
    sched_contraction *c = ARENA_NEW(s->arena, sched_contraction);
    const char *refused = sched_find_contraction(n, &s->options, c);
    PTL_ASSERT(!refused);
    if (threads) {
        add_product(s, scope, c);
        return;
    }
    sched_plan_blocks(c, &s->options);
    c->packs_left = c->packs_left && !is_steady(scope, c->left);
    c->packs_right = c->packs_right && !is_steady(scope, c->right);
    sched_step *step = new_step(s, scope, SCHED_STEP_TILE, n->name);
    set_nodes(s, step, &n, 1);
    step->contraction = c;
    step->panels[0] = add_panels(s, scope, step, true);
    step->panels[1] = add_panels(s, scope, step, false);
    step->tables[0] = add_table(s, c, &c->batch, 1, "batch");
    step->tables[1] = add_table(s, c, &c->m, c->mr, "rows");
    step->tables[2] = add_table(s, c, &c->n, 1, "columns");
    for (int i = 0; i < 3; i++)
        sched_access_add(s, step, step->tables[i], false);
    vec_push(s->arena, &s->steps, step);
}

/* ---------- scatters ---------- */

/* Zeros under `n`, or beside it. */
static sched_step *add_fill(sched_schedule *s, sched_scope *scope, ir_node *n,
                            const char *name)
{
    sched_step *fill = sched_add_step(s, scope, SCHED_STEP_FILL, name);
    set_nodes(s, fill, &n, 1);
    return fill;
}

/* Where so many terms may meet in one element that their roundings add up: a
 * buffer for what each lost, for the next to make good; else -1. (The order of
 * the terms is the data's, so there are no blocks as other sums have.) */
static int add_lost(sched_schedule *s, sched_scope *scope, ir_node *n)
{
    int64_t chain = sched_scatter_chain(n);
    int target = scope->node_buffer[n->id];
    if (n->type.kind != IR_REAL || chain <= sched_longest_chain(chain))
        return -1;
    const char *name = arena_printf(s->arena, "%s.lost", n->name);
    int lost = add_scratch(s, name, s->buffers.data[target].dtype, n->type.dims,
                           n->type.rank);
    add_fill(s, scope, n, name)->targets[0] = lost;
    return lost;
}

static void add_scatter(sched_schedule *s, sched_scope *scope, ir_node *n)
{
    if (!sched_covers_all(n))
        add_fill(s, scope, n, n->name);
    int lost = add_lost(s, scope, n);
    for (int i = 0; i < n->piece_count; i++) {
        const ir_piece *piece = &n->pieces[i];
        if (sched_store_of(scope, piece->source))
            continue; /* it stores itself */
        sched_step *step =
            sched_add_step(s, scope, SCHED_STEP_SCATTER, n->name);
        set_nodes(s, step, &n, 1);
        step->piece = i;
        step->lost = lost;
        sched_access_add(s, step, scope->node_buffer[piece->source->id], false);
        if (lost >= 0)
            sched_access_add(s, step, lost, false);
        for (int k = 0; k < n->type.rank; k++)
            note_reads(s, step, piece->subs[k].gather);
    }
}

static void add_group(sched_schedule *s, sched_scope *scope,
                      const sched_group *group)
{
    ir_node *n = group->nodes.count ? group->nodes.data[0] : NULL;
    if (group->row_rank > 0) {
        add_rows(s, scope, group);
        return;
    }
    switch (group->class) {
    case SCHED_MAP:
    case SCHED_COPY:
        sched_add_map(s, scope, group->nodes.data, group->nodes.count);
        break;
    case SCHED_REDUCE:
        add_reduce(s, scope, group);
        break;
    case SCHED_CONTRACTION:
        add_contraction(s, scope, n);
        break;
    case SCHED_SCATTER:
        add_scatter(s, scope, n);
        break;
    case SCHED_SCAN:
        sched_add_scan(s, scope, group->scan);
        break;
    case SCHED_CLASS_COUNT:
        break;
    }
}

void sched_make_steps(sched_schedule *s, sched_scope *scope)
{
    sched_add_node_buffers(s, scope);
    for (int i = 0; i < scope->groups.count; i++)
        add_group(s, scope, scope->groups.data[i]);
    sched_place_updates(s, scope);
}
