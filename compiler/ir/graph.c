/*
 * graph.c - a graph's life, its outputs, and looking things up in it.
 *
 * nodes.data[n->id] is n, always: appending keeps operands first, and
 * ir_prune() numbers anew.
 */
#include "base/memo.h"
#include "ir/interner.h"
#include <string.h>

ir_graph *ir_graph_new(void)
{
    ptl_arena *arena = arena_new();
    ir_graph *g = ARENA_NEW(arena, ir_graph);
    g->arena = arena;
    ir_interner_init(g);
    return g;
}

void ir_graph_free(ir_graph *g)
{
    if (!g)
        return;
    ir_interner_fini(g);
    arena_free(g->arena);
}

void ir_output_add(ir_graph *g, const char *name, ir_node *node,
                   ir_out_role role, ir_node *target)
{
    PTL_ASSERT((role == IR_OUT_UPDATE) == (target != NULL));
    ir_output out = {arena_strdup(g->arena, name), node, role, target};
    vec_push(g->arena, &g->outputs, out);
}

int64_t ir_element_count(const ir_type *type)
{
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++)
        PTL_ASSERT(!__builtin_mul_overflow(count, type->dims[i], &count));
    return count;
}

/* The table keeps the names of nodes that are gone or have another one now. */
ir_node *ir_find(const ir_graph *g, const char *name)
{
    ir_node *n = map_get(g->interner->names, name);
    bool here = n && n->id >= 0 && n->id < g->nodes.count &&
                g->nodes.data[n->id] == n && strcmp(n->name, name) == 0;
    return here ? n : NULL;
}

void ir_rename(ir_graph *g, ir_node *n, const char *name)
{
    n->name = name;
    map_put(g->interner->names, name, n);
}

int64_t ir_volume(const ir_comp *comp)
{
    int64_t volume = 1;
    for (int i = 0; i < comp->var_count; i++) {
        int64_t extent = comp->vars[i].hi - comp->vars[i].lo;
        if (extent <= 0)
            return 0;
        PTL_ASSERT(!__builtin_mul_overflow(volume, extent, &volume));
    }
    return volume;
}

/* ---------- pruning ---------- */

typedef struct prune_ctx {
    ir_graph *g;
    ptl_memo placed;
    VEC(ir_node *) order;
} prune_ctx;

/* Depth first without recursion: graphs may be tens of thousands deep. */
static void place(prune_ctx *c, ir_node *root)
{
    typedef struct frame {
        ir_node *node;
        ir_node **operands;
        int count, next;
    } frame;
    VEC(frame) stack = {0};
    frame top = {.node = root};
    if (!memo_add(&c->placed, root))
        return;
    top.count = ir_operands(c->g, root, &top.operands);
    vec_push(c->g->arena, &stack, top);
    while (stack.count) {
        frame *f = &stack.data[stack.count - 1];
        if (f->next == f->count) {
            vec_push(c->g->arena, &c->order, f->node);
            stack.count--;
            continue;
        }
        ir_node *operand = f->operands[f->next++];
        if (!memo_add(&c->placed, operand))
            continue;
        frame inner = {.node = operand};
        inner.count = ir_operands(c->g, operand, &inner.operands);
        vec_push(c->g->arena, &stack, inner);
    }
}

void ir_prune(ir_graph *g)
{
    prune_ctx c = {.g = g};
    /* Inputs that stay keep their order and come first. */
    bool *needed = ARENA_ARRAY(g->arena, bool, g->nodes.count);
    for (int i = 0; i < g->outputs.count; i++) {
        place(&c, g->outputs.data[i].node);
        if (g->outputs.data[i].target)
            place(&c, g->outputs.data[i].target);
    }
    for (int i = 0; i < c.order.count; i++)
        needed[c.order.data[i]->id] = true;
    int count = 0, old_count = g->nodes.count;
    for (int i = 0; i < old_count; i++) {
        ir_node *n = g->nodes.data[i];
        if (!needed[i])
            n->id = -1;
    }
    ir_node **fresh = ARENA_ARRAY(g->arena, ir_node *, c.order.count);
    for (int i = 0; i < old_count; i++)
        if (needed[i] && g->nodes.data[i]->kind == IR_INPUT)
            fresh[count++] = g->nodes.data[i];
    for (int i = 0; i < c.order.count; i++)
        if (c.order.data[i]->kind != IR_INPUT)
            fresh[count++] = c.order.data[i];
    g->nodes.count = 0;
    for (int i = 0; i < count; i++) {
        fresh[i]->id = i;
        vec_push(g->arena, &g->nodes, fresh[i]);
    }
    memo_fini(&c.placed);
}
