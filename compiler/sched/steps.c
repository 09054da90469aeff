/*
 * steps.c - buffers and steps of every group, and where updates are written.
 *
 * Needs:    groups in their final order.
 * Provides: steps with what they read and write, scratch buffers and tables;
 *           homes of updates: in place when no later step reads the old value,
 *           else a copy at the end.
 * Keeps:    the groups.
 */
#include "sched/internal.h"
#include <string.h>

int sched_buffer_add(sched_schedule *s, sched_buffer buffer)
{
    int64_t bytes = dtype_size(buffer.dtype);
    for (int i = 0; i < buffer.rank; i++)
        bytes *= buffer.dims[i];
    buffer.size_bytes = bytes;
    buffer.home = s->buffers.count;
    buffer.first = -1;
    vec_push(s->arena, &s->buffers, buffer);
    return s->buffers.count - 1;
}

int sched_home(const sched_schedule *s, int buffer)
{
    while (s->buffers.data[buffer].home != buffer)
        buffer = s->buffers.data[buffer].home;
    return buffer;
}

ir_node *sched_base(const sched_schedule *s, ir_node *n)
{
    /* Copies that steps.c adds come later than the views. */
    while (n->kind == IR_INPUT && s->view_of[n->id])
        n = s->view_of[n->id];
    return n;
}

int sched_lanes(const sched_options *options)
{
    return options->f64 ? SCHED_LANES_F64 : SCHED_LANES_F32;
}

ptl_dtype sched_real(const sched_options *options)
{
    return options->f64 ? PTL_F64 : PTL_F32;
}

/* ---------- buffers of nodes ---------- */

static ptl_dtype dtype_of(const sched_schedule *s, const ir_node *n)
{
    bool stored = n->kind == IR_INPUT || n->kind == IR_LITERAL;
    switch (n->type.kind) {
    case IR_REAL:
        return sched_real(&s->options);
    case IR_INT:
        return stored ? n->storage : PTL_I32;
    case IR_BOOL:
        break;
    }
    return PTL_BOOL;
}

static ptl_role role_of(const ir_node *n)
{
    if (n->kind == IR_LITERAL)
        return PTL_ROLE_CONSTANT;
    if (n->kind != IR_INPUT)
        return PTL_ROLE_TRANSIENT;
    switch (n->role) {
    case IR_PARAM:
        return PTL_ROLE_PARAM;
    case IR_STATE:
        return PTL_ROLE_STATE;
    case IR_SLOT:
        return PTL_ROLE_SLOT;
    case IR_SCALAR_INPUT:
        return PTL_ROLE_SCALAR;
    case IR_DATA:
    case IR_GENERIC:
        break;
    }
    return PTL_ROLE_DATA;
}

static void put_number(void *bytes, ptl_dtype dtype, int64_t i, double x)
{
    switch (dtype) {
    case PTL_F32:
        ((float *)bytes)[i] = (float)x;
        break;
    case PTL_F64:
        ((double *)bytes)[i] = x;
        break;
    case PTL_I32:
        ((int32_t *)bytes)[i] = (int32_t)x;
        break;
    case PTL_I64:
        ((int64_t *)bytes)[i] = (int64_t)x;
        break;
    default:
        ((uint8_t *)bytes)[i] = (uint8_t)x;
    }
}

static const void *literal_bytes(sched_schedule *s, const ir_node *n,
                                 ptl_dtype dtype)
{
    int64_t count = ir_element_count(&n->type);
    void *bytes =
        arena_alloc(s->arena, (size_t)(count * dtype_size(dtype)) + 1);
    for (int64_t i = 0; i < count; i++)
        put_number(bytes, dtype, i, n->values[i]);
    return bytes;
}

static int add_node_buffer(sched_schedule *s, ir_node *n)
{
    sched_buffer b = {.name = n->name,
                      .role = role_of(n),
                      .dtype = dtype_of(s, n),
                      .rank = n->type.rank};
    memcpy(b.dims, n->type.dims, sizeof b.dims);
    if (n->kind == IR_INPUT && n->role == IR_DATA && n->type.kind == IR_INT)
        b.idx_bound = n->type.bound;
    if (n->kind == IR_LITERAL)
        b.constant = literal_bytes(s, n, b.dtype);
    return sched_buffer_add(s, b);
}

static void add_node_buffers(sched_schedule *s)
{
    const ir_graph *g = s->graph;
    s->node_buffer = ARENA_ARRAY(s->arena, int, g->nodes.count + 1);
    for (int i = 0; i < g->nodes.count; i++)
        s->node_buffer[i] = s->view_of[i]
                                ? s->node_buffer[s->view_of[i]->id]
                                : add_node_buffer(s, g->nodes.data[i]);
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        if (out->role != IR_OUT_VALUE)
            continue;
        sched_buffer *b = &s->buffers.data[s->node_buffer[out->node->id]];
        b->role = PTL_ROLE_OUTPUT;
        b->name = out->name;
    }
}

/* ---------- accesses ---------- */

typedef struct access_ctx {
    sched_schedule *s;
    sched_step *step;
    bool maps; /* a read at the plain variables is at the element written */
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

static void note_access(ir_expr *e, void *ctx)
{
    access_ctx *c = ctx;
    if (e->kind != IR_EXPR_READ)
        return;
    if (c->maps && made_here(c->step, e->node))
        return; /* still in a register */
    bool same = c->maps && !e->outside && sched_base(c->s, e->node) == e->node;
    for (int i = 0; i < e->sub_count; i++)
        same = same && sched_is_variable(&e->subs[i], i);
    same = same && e->sub_count == c->step->nodes[0]->type.rank;
    sched_access_add(c->s, c->step, c->s->node_buffer[e->node->id], same);
}

static void note_reads(sched_schedule *s, sched_step *step, ir_expr *e)
{
    access_ctx c = {s, step, step->kind == SCHED_STEP_MAP};
    if (e)
        ir_visit_reads(e, note_access, &c);
}

/* ---------- steps ---------- */

static sched_step *add_step(sched_schedule *s, sched_step_kind kind,
                            const char *name)
{
    sched_step *step = ARENA_NEW(s->arena, sched_step);
    step->kind = kind;
    step->name =
        arena_printf(s->arena, "%s.%s", sched_step_kind_name(kind), name);
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
        step->targets[i] = s->node_buffer[nodes[i]->id];
    }
}

static sched_step *add_map(sched_schedule *s, ir_node *const *nodes, int count)
{
    sched_step *step = add_step(s, SCHED_STEP_MAP, nodes[count - 1]->name);
    set_nodes(s, step, nodes, count);
    for (int i = 0; i < count; i++)
        note_reads(s, step, nodes[i]->comp.body);
    sched_space_of(step->nodes, count, &step->space);
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

static void add_combine(sched_schedule *s, sched_step *parts, ir_node *n)
{
    int64_t dims[2] = {parts->reduction.chunks, ir_element_count(&n->type)};
    int target = s->node_buffer[n->id];
    int partial = add_scratch(s, arena_printf(s->arena, "%s.parts", n->name),
                              s->buffers.data[target].dtype, dims, 2);
    parts->targets[0] = partial;
    sched_step *step = add_step(s, SCHED_STEP_COMBINE, n->name);
    set_nodes(s, step, &n, 1);
    step->reduction = parts->reduction;
    step->partial = partial;
    sched_access_add(s, step, partial, false);
}

static void add_reduce(sched_schedule *s, ir_node *n, const char *note)
{
    sched_step *step = add_step(s, SCHED_STEP_REDUCE, n->name);
    set_nodes(s, step, &n, 1);
    note_reads(s, step, n->comp.body);
    note_reads(s, step, n->comp.filter);
    sched_space_of(step->nodes, 1, &step->space);
    sched_plan_reduction(n, &step->space, sched_lanes(&s->options),
                         &step->reduction);
    step->note = note;
    if (step->reduction.chunks > 1)
        add_combine(s, step, n);
}

/* ---------- contractions ---------- */

static int add_pack(sched_schedule *s, const sched_contraction *c, bool left)
{
    ir_node *n = c->node;
    int width = left ? c->mr : c->nr;
    int64_t extent = left ? c->m.extent : c->n.extent;
    sched_step *step = add_step(
        s, left ? SCHED_STEP_PACK_LEFT : SCHED_STEP_PACK_RIGHT,
        arena_printf(s->arena, "%s.%s", n->name, left ? "left" : "right"));
    set_nodes(s, step, &n, 1);
    int64_t dims[4] = {c->batch.extent * c->splits,
                       (extent + width - 1) / width, c->k_split, width};
    step->targets[0] =
        add_scratch(s, step->name, sched_real(&s->options), dims, 4);
    step->contraction = c;
    note_reads(s, step, left ? c->left : c->right);
    sched_plan_pack(s, step);
    return step->targets[0];
}

/* Where each position of a fused axis lies in the result. */
static int add_table(sched_schedule *s, const sched_contraction *c,
                     const sched_axis *axis, const char *what)
{
    int64_t *table = ARENA_ARRAY(s->arena, int64_t, axis->extent + 1);
    const ir_comp *comp = &c->node->comp;
    for (int64_t i = 0; i < axis->extent; i++) {
        int64_t at[IR_MAX_VARS] = {0};
        sched_axis_at(axis, comp->vars, i, at);
        for (int v = 0; v < comp->out_count; v++)
            table[i] += at[v] * sched_stride(&c->node->type, v);
    }
    sched_buffer b = {.role = PTL_ROLE_CONSTANT,
                      .dtype = PTL_I64,
                      .rank = 1,
                      .dims = {axis->extent},
                      .constant = table};
    b.name = arena_printf(s->arena, "%s.%s", c->node->name, what);
    return sched_buffer_add(s, b);
}

static void add_contraction(sched_schedule *s, ir_node *n)
{
    sched_contraction *c = ARENA_NEW(s->arena, sched_contraction);
    const char *refused = sched_find_contraction(n, &s->options, c);
    PTL_ASSERT(!refused);
    int left = add_pack(s, c, true), right = add_pack(s, c, false);
    sched_step *step = add_step(s, SCHED_STEP_TILE, n->name);
    set_nodes(s, step, &n, 1);
    step->contraction = c;
    sched_access_add(s, step, left, false);
    sched_access_add(s, step, right, false);
    step->tables[0] = add_table(s, c, &c->batch, "batch");
    step->tables[1] = add_table(s, c, &c->m, "rows");
    step->tables[2] = add_table(s, c, &c->n, "columns");
    for (int i = 0; i < 3; i++)
        sched_access_add(s, step, step->tables[i], false);
}

/* ---------- scatters ---------- */

static bool covers_all(const ir_node *n)
{
    int64_t count = 0;
    for (int i = 0; i < n->piece_count; i++)
        count += ir_element_count(&n->pieces[i].source->type);
    return n->disjoint && count == ir_element_count(&n->type);
}

static void add_scatter(sched_schedule *s, ir_node *n)
{
    if (!covers_all(n)) {
        sched_step *fill = add_step(s, SCHED_STEP_FILL, n->name);
        set_nodes(s, fill, &n, 1);
    }
    for (int i = 0; i < n->piece_count; i++) {
        const ir_piece *piece = &n->pieces[i];
        sched_step *step = add_step(s, SCHED_STEP_SCATTER, n->name);
        set_nodes(s, step, &n, 1);
        step->piece = i;
        sched_access_add(s, step, s->node_buffer[piece->source->id], false);
        for (int k = 0; k < n->type.rank; k++)
            note_reads(s, step, piece->subs[k].gather);
    }
}

static void add_group(sched_schedule *s, const sched_group *group)
{
    ir_node *n = group->nodes.data[0];
    switch (group->class) {
    case SCHED_MAP:
    case SCHED_COPY:
        add_map(s, group->nodes.data, group->nodes.count);
        break;
    case SCHED_REDUCE:
        add_reduce(s, n, group->note);
        break;
    case SCHED_CONTRACTION:
        add_contraction(s, n);
        break;
    case SCHED_SCATTER:
        add_scatter(s, n);
        break;
    default:
        PTL_ASSERT(!"refused by sched_new()");
    }
}

/* ---------- updates ---------- */

static bool writes(const sched_step *step, int buffer)
{
    for (int i = 0; i < step->node_count; i++)
        if (step->targets[i] == buffer)
            return true;
    return false;
}

/* May `value` be written where `old` lies? */
static bool fits_in_place(const sched_schedule *s, int value, int old)
{
    bool written = false;
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        bool here = writes(step, value);
        written = written || here;
        for (int k = 0; written && k < step->reads.count; k++) {
            const sched_access *a = &step->reads.data[k];
            if (a->buffer == old &&
                !(here && step->kind == SCHED_STEP_MAP && a->same_map))
                return false;
        }
    }
    return true;
}

static ir_node *copy_node(sched_schedule *s, ir_node *n)
{
    ir_var vars[IR_MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        vars[i] = (ir_var){NULL, 0, n->type.dims[i]};
    ir_comp comp = {.out_count = n->type.rank,
                    .var_count = n->type.rank,
                    .vars = vars,
                    .reduce = IR_MAP};
    comp.body = ir_read_plain(s->graph, n, 0);
    const char *name = arena_printf(s->arena, "%s.copy", n->name);
    return ir_comprehend(s->graph, name, &comp, n->at);
}

static void place_updates(sched_schedule *s)
{
    int node_count = s->graph->nodes.count;
    VEC(ir_output) late = {0};
    for (int i = 0; i < s->graph->outputs.count; i++) {
        ir_output out = s->graph->outputs.data[i];
        if (out.role != IR_OUT_UPDATE)
            continue;
        int value = s->node_buffer[out.node->id];
        int old = s->node_buffer[out.target->id];
        s->buffers.data[old].updated = true;
        if (fits_in_place(s, value, old) &&
            s->buffers.data[value].dtype == s->buffers.data[old].dtype)
            s->buffers.data[value].home = old;
        else
            vec_push(s->arena, &late, out);
    }
    for (int i = 0; i < late.count; i++) {
        ir_node *copy = copy_node(s, late.data[i].node);
        PTL_ASSERT(copy->id == node_count + i);
        int *grown = ARENA_ARRAY(s->arena, int, copy->id + 2);
        memcpy(grown, s->node_buffer, (size_t)copy->id * sizeof *grown);
        s->node_buffer = grown;
        grown[copy->id] = s->node_buffer[late.data[i].target->id];
        add_map(s, &copy, 1);
    }
}

ptl_status sched_make_steps(sched_schedule *s, ptl_error *err)
{
    (void)err;
    add_node_buffers(s);
    for (int i = 0; i < s->groups.count; i++)
        add_group(s, s->groups.data[i]);
    place_updates(s);
    return PTL_OK;
}
