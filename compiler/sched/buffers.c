/*
 * buffers.c - the buffers of a scope: what each node's value is stored in.
 *
 * Needs:    a scope after fusion; buffers of inputs that come from elsewhere.
 * Provides: scope->node_buffer, but for results of scans.
 * Keeps:    the graph.
 */
#include "sched/internal.h"
#include <string.h>

static int64_t size_of(const sched_buffer *b)
{
    int64_t bytes = dtype_size(b->dtype);
    for (int i = 0; i < b->rank; i++)
        bytes *= b->dims[i];
    return bytes;
}

int sched_buffer_add(sched_schedule *s, sched_buffer buffer)
{
    buffer.size_bytes = size_of(&buffer);
    buffer.home = s->buffers.count;
    buffer.first = -1;
    vec_push(s->arena, &s->buffers, buffer);
    return s->buffers.count - 1;
}

int sched_table_add(sched_schedule *s, const char *name, ptl_dtype dtype,
                    const void *values, int64_t count)
{
    sched_buffer b = {.name = name,
                      .role = PTL_ROLE_CONSTANT,
                      .dtype = dtype,
                      .rank = 1,
                      .dims = {count},
                      .constant = values};
    return sched_buffer_add(s, b);
}

int sched_site_buffer(const sched_schedule *s, uint64_t site)
{
    for (int i = 0; i < s->sites.count; i++)
        if (s->sites.data[i].site == site)
            return s->sites.data[i].buffer;
    return -1;
}

int sched_home(const sched_schedule *s, int buffer)
{
    while (s->buffers.data[buffer].home != buffer)
        buffer = s->buffers.data[buffer].home;
    return buffer;
}

ir_node *sched_base(const sched_scope *scope, ir_node *n)
{
    while (n->kind == IR_INPUT && n->id < scope->view_count &&
           scope->view_of[n->id])
        n = scope->view_of[n->id];
    return n;
}

ir_node *sched_followed(const sched_scope *scope, const ir_node *n)
{
    return n->id < scope->follow_count ? scope->follows[n->id] : NULL;
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

static const void *literal_bytes(sched_schedule *s, const ir_node *n,
                                 ptl_dtype dtype)
{
    int64_t count = ir_element_count(&n->type);
    void *bytes =
        arena_alloc(s->arena, (size_t)(count * dtype_size(dtype)) + 1);
    for (int64_t i = 0; i < count; i++)
        dtype_put(dtype, bytes, i, n->values[i]);
    return bytes;
}

sched_buffer sched_buffer_of(const sched_schedule *s, const ir_node *n)
{
    sched_buffer b = {.name = n->name,
                      .role = role_of(n),
                      .dtype = dtype_of(s, n),
                      .rank = n->type.rank};
    memcpy(b.dims, n->type.dims, sizeof b.dims);
    if (n->kind == IR_INPUT && n->role == IR_DATA && n->type.kind == IR_INT)
        b.idx_bound = n->type.bound;
    b.size_bytes = size_of(&b);
    return b;
}

static int add_node_buffer(sched_schedule *s, const ir_node *n)
{
    sched_buffer b = sched_buffer_of(s, n);
    if (n->kind == IR_LITERAL)
        b.constant = literal_bytes(s, n, b.dtype);
    return sched_buffer_add(s, b);
}

static bool is_scan_result(const sched_scope *scope, const ir_node *n)
{
    for (int i = 0; i < scope->scans.count; i++) {
        const sched_scan *scan = scope->scans.data[i];
        int count = scan->scan->carry_count + scan->scan->stack_count;
        for (int k = 0; k < count; k++)
            if (scan->results[k] == n)
                return true;
    }
    return false;
}

/* Results of scans get theirs with the scan. */
void sched_add_node_buffers(sched_schedule *s, sched_scope *scope)
{
    const ir_graph *g = scope->graph;
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i], *base = sched_base(scope, n);
        if (scope->node_buffer[i] >= 0 || is_scan_result(scope, base) ||
            sched_store_of(scope, n))
            continue;
        scope->node_buffer[i] =
            base != n ? scope->node_buffer[base->id] : add_node_buffer(s, n);
    }
    for (int i = 0; i < g->nodes.count; i++) {
        const sched_store *store = sched_store_of(scope, g->nodes.data[i]);
        if (store)
            scope->node_buffer[i] = scope->node_buffer[store->scatter->id];
    }
}

void sched_set_buffer(sched_schedule *s, sched_scope *scope, const ir_node *n,
                      int buffer)
{
    int *grown = ARENA_ARRAY(s->arena, int, n->id + 2);
    memcpy(grown, scope->node_buffer, (size_t)n->id * sizeof *grown);
    scope->node_buffer = grown;
    grown[n->id] = buffer;
}

ir_node *sched_copy_node(sched_scope *scope, ir_node *n)
{
    ir_var vars[IR_MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        vars[i] = (ir_var){NULL, 0, n->type.dims[i]};
    ir_comp comp = {.out_count = n->type.rank,
                    .var_count = n->type.rank,
                    .vars = vars,
                    .reduce = IR_MAP};
    comp.body = ir_read_plain(scope->graph, n, 0);
    const char *name = arena_printf(scope->graph->arena, "%s.copy", n->name);
    ir_node *copy = ir_comprehend(scope->graph, name, &comp, n->at);
    copy->type = n->type;
    return copy;
}
