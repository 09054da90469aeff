/*
 * store.c - results that are stored where a scatter would put them.
 *
 * Pieces of a disjoint scatter that cover all of it (phases of a strided
 * window, the windows of pooling) need no trip through memory of their own: a
 * map or a reduction that only such a piece reads writes straight to the
 * scatter's memory, and of the scatter nothing is left to do.
 *
 * Needs:    a scope after fusion.
 * Provides: scope->store, by node.
 * Keeps:    the graph.
 */
#include "sched/internal.h"

static void count_operands(const sched_scope *scope, int *uses)
{
    ir_graph *g = scope->graph;
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node **operands;
        int count = ir_operands(g, g->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            uses[sched_base(scope, operands[k])->id]++;
        ir_node *base = sched_base(scope, g->nodes.data[i]);
        uses[base->id] += base != g->nodes.data[i];
    }
    for (int i = 0; i < g->outputs.count; i++)
        uses[sched_base(scope, g->outputs.data[i].node)->id]++;
}

static void count_scans(const sched_scope *scope, int *uses)
{
    for (int i = 0; i < scope->scans.count; i++) {
        const sched_scan *scan = scope->scans.data[i];
        for (int k = 0; k < scan->scan->bind_count; k++)
            uses[sched_base(scope, scan->binds[k])->id]++;
        for (int k = 0; k < scan->scan->carry_count; k++)
            uses[sched_base(scope, scan->inits[k])->id]++;
    }
}

bool sched_covers_all(const ir_node *scatter)
{
    int64_t count = 0;
    for (int i = 0; i < scatter->piece_count; i++)
        count += ir_element_count(&scatter->pieces[i].source->type);
    return scatter->disjoint && count == ir_element_count(&scatter->type);
}

static bool is_direct(const ir_node *scatter, const ir_piece *piece)
{
    for (int i = 0; i < scatter->type.rank; i++)
        if (!sched_is_direct(&piece->subs[i]))
            return false;
    return true;
}

static bool is_read_once(const ir_node *scatter, const ir_node *source)
{
    int count = 0;
    for (int i = 0; i < scatter->piece_count; i++)
        count += scatter->pieces[i].source == source;
    return count == 1;
}

/* A contraction's tiles know rows and columns, not scatters. */
static bool can_store(const sched_schedule *s, ir_node *n)
{
    const char *note;
    if (n->kind != IR_COMP)
        return false;
    return sched_classify(n, &s->options, &note) != SCHED_CONTRACTION;
}

void sched_find_stores(sched_schedule *s, sched_scope *scope)
{
    const ir_graph *g = scope->graph;
    scope->store_count = g->nodes.count;
    scope->store = ARENA_ARRAY(s->arena, sched_store, g->nodes.count + 1);
    if (s->options.no_fuse)
        return;
    ptl_arena *scratch = arena_new();
    int *uses = ARENA_ARRAY(scratch, int, g->nodes.count + 1);
    count_operands(scope, uses);
    count_scans(scope, uses);
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind != IR_SCATTER || !sched_covers_all(n))
            continue;
        for (int p = 0; p < n->piece_count; p++) {
            const ir_piece *piece = &n->pieces[p];
            if (uses[piece->source->id] == 1 && is_direct(n, piece) &&
                is_read_once(n, piece->source) && can_store(s, piece->source))
                scope->store[piece->source->id] = (sched_store){n, piece};
        }
    }
    arena_free(scratch);
}

const sched_store *sched_store_of(const sched_scope *scope, const ir_node *n)
{
    bool known = n->id < scope->store_count && scope->store[n->id].scatter;
    return known ? &scope->store[n->id] : NULL;
}

int64_t sched_result_stride(const sched_scope *scope, const ir_node *n, int var)
{
    const sched_store *store = sched_store_of(scope, n);
    if (!store)
        return sched_stride(&n->type, var);
    const ir_type *type = &store->scatter->type;
    int64_t stride = 0;
    for (int i = 0; i < type->rank; i++)
        stride += ir_affine_coef(store->piece->subs[i].affine, var) *
                  sched_stride(type, i);
    return stride;
}
