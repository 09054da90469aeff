/*
 * build.c - making nodes.
 */
#include "ir/interner.h"
#include <string.h>

static const char *unique_name(ir_graph *g, const char *name)
{
    if (!ir_find(g, name))
        return arena_strdup(g->arena, name);
    for (int i = 2;; i++) {
        char *tried = arena_printf(g->arena, "%s.%d", name, i);
        if (!ir_find(g, tried))
            return tried;
    }
}

static ir_node *add_node(ir_graph *g, ir_node_kind kind, const char *name,
                         ir_type type)
{
    PTL_ASSERT(type.rank >= 0 && type.rank <= IR_MAX_RANK);
    ir_node *n = ARENA_NEW(g->arena, ir_node);
    n->kind = kind;
    n->id = g->nodes.count;
    n->name = unique_name(g, name);
    n->type = type;
    vec_push(g->arena, &g->nodes, n);
    map_put(g->interner->names, n->name, n);
    return n;
}

static ptl_dtype default_storage(ir_kind kind)
{
    return kind == IR_REAL ? PTL_F32 : kind == IR_INT ? PTL_I32 : PTL_BOOL;
}

ir_node *ir_input(ir_graph *g, const char *name, ir_type type,
                  ir_input_role role, ptl_dtype storage)
{
    ir_node *n = add_node(g, IR_INPUT, name, type);
    n->role = role;
    n->storage = storage;
    return n;
}

ir_node *ir_literal(ir_graph *g, const char *name, ir_type type,
                    const double *values)
{
    int64_t count = ir_element_count(&type);
    double *own = ARENA_ARRAY(g->arena, double, count);
    if (count)
        memcpy(own, values, (size_t)count * sizeof *own);
    if (type.kind == IR_INT && type.bound == 0) {
        bool natural = true;
        int64_t largest = 0;
        for (int64_t i = 0; i < count; i++) {
            natural = natural && own[i] >= 0;
            largest = (int64_t)own[i] > largest ? (int64_t)own[i] : largest;
        }
        type.bound = natural ? largest + 1 : 0;
    }
    ir_node *n = add_node(g, IR_LITERAL, name, type);
    n->values = own;
    n->storage = default_storage(type.kind);
    return n;
}

/* ---------- comprehensions ---------- */

/* For INT: one more than the largest value, where none is negative. */
static int64_t int_bound(const ir_comp *comp)
{
    int64_t low, high;
    bool empty_may_win = comp->reduce != IR_MAP && comp->reduce != IR_SUM &&
                         (comp->filter || ir_volume(comp) == 0);
    if (empty_may_win || comp->reduce == IR_PROD ||
        !ir_expr_bounds(comp->body, comp->vars, &low, &high) || low < 0)
        return 0;
    if (comp->reduce == IR_SUM)
        for (int i = comp->out_count; i < comp->var_count; i++)
            if (__builtin_mul_overflow(
                    high, comp->vars[i].hi - comp->vars[i].lo, &high))
                return 0;
    return high < INT64_MAX ? high + 1 : 0;
}

ir_type ir_comp_type(const ir_comp *comp)
{
    ir_type type = {.kind = comp->body->type, .rank = comp->out_count};
    for (int i = 0; i < comp->out_count; i++)
        type.dims[i] = comp->vars[i].hi;
    if (comp->reduce == IR_ARGMAX || comp->reduce == IR_ARGMIN) {
        type.kind = IR_INT;
        type.bound = 1;
        for (int i = comp->out_count; i < comp->var_count; i++)
            type.bound *= comp->vars[i].hi - comp->vars[i].lo;
        type.bound = type.bound > 0 ? type.bound : 1;
    } else if (type.kind == IR_INT) {
        type.bound = int_bound(comp);
    }
    return type;
}

ir_node *ir_comprehend(ir_graph *g, const char *name, const ir_comp *comp,
                       src_range at)
{
    PTL_ASSERT(comp->out_count >= 0 && comp->out_count <= IR_MAX_RANK);
    PTL_ASSERT(comp->var_count >= comp->out_count &&
               comp->var_count <= IR_MAX_VARS);
    ir_node *n = add_node(g, IR_COMP, name, ir_comp_type(comp));
    n->comp = *comp;
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, comp->var_count);
    for (int i = 0; i < comp->var_count; i++) {
        vars[i] = comp->vars[i];
        vars[i].name =
            vars[i].name ? arena_strdup(g->arena, vars[i].name) : "i";
    }
    n->comp.vars = vars;
    n->at = at;
    return n;
}

/* ---------- scatter ---------- */

static ir_piece copy_piece(ir_graph *g, const ir_piece *piece, int rank)
{
    ir_piece own = *piece;
    int axes = piece->source->type.rank;
    const char **names = ARENA_ARRAY(g->arena, const char *, axes);
    for (int i = 0; i < axes; i++)
        names[i] = piece->names && piece->names[i]
                       ? arena_strdup(g->arena, piece->names[i])
                       : "v";
    own.names = names;
    ir_sub *subs = ARENA_ARRAY(g->arena, ir_sub, rank);
    for (int i = 0; i < rank; i++) {
        subs[i] = piece->subs[i];
        ir_affine more = ir_affine_const(0);
        if (subs[i].gather)
            ir_split_affine(g, subs[i].gather, &more, &subs[i].gather);
        /* Scaling by 1 twice over would share; adding copies the terms. */
        ir_term *terms =
            ARENA_ARRAY(g->arena, ir_term, subs[i].affine.term_count);
        for (int k = 0; k < subs[i].affine.term_count; k++)
            terms[k] = subs[i].affine.terms[k];
        subs[i].affine.terms = terms;
        subs[i].affine = ir_affine_add(g, subs[i].affine, more);
    }
    own.subs = subs;
    return own;
}

ir_node *ir_scatter(ir_graph *g, const char *name, ir_type type,
                    const ir_piece *pieces, int count, src_range at)
{
    ir_node *n = add_node(g, IR_SCATTER, name, type);
    ir_piece *own = ARENA_ARRAY(g->arena, ir_piece, count);
    for (int i = 0; i < count; i++)
        own[i] = copy_piece(g, &pieces[i], type.rank);
    n->pieces = own;
    n->piece_count = count;
    n->at = at;
    return n;
}

/* ---------- scan ---------- */

static ir_node *const *copy_nodes(ir_graph *g, ir_node *const *nodes,
                                  int count)
{
    ir_node **own = ARENA_ARRAY(g->arena, ir_node *, count);
    if (count)
        memcpy(own, nodes, (size_t)count * sizeof *own);
    return own;
}

static void own_body(ir_graph *g, ir_graph *body)
{
    for (int i = 0; i < g->interner->bodies.count; i++)
        if (g->interner->bodies.data[i] == body)
            return;
    vec_push(g->arena, &g->interner->bodies, body);
}

ir_node *ir_scan_new(ir_graph *g, const char *name, const ir_scan *scan,
                     src_range at)
{
    ir_node *n = add_node(g, IR_SCAN, name, (ir_type){.kind = IR_REAL});
    ir_scan *own = ARENA_NEW(g->arena, ir_scan);
    *own = *scan;
    own->bind_outer = copy_nodes(g, scan->bind_outer, scan->bind_count);
    own->bind_inner = copy_nodes(g, scan->bind_inner, scan->bind_count);
    own->stacked = copy_nodes(g, scan->stacked, scan->stack_count);
    ir_carry *carries = ARENA_ARRAY(g->arena, ir_carry, scan->carry_count);
    for (int i = 0; i < scan->carry_count; i++)
        carries[i] = scan->carries[i];
    own->carries = carries;
    own_body(g, scan->body);
    n->scan = own;
    n->at = at;
    return n;
}

ir_type ir_scan_out_type(const ir_scan *s, int index)
{
    ir_type type;
    if (index < s->carry_count) {
        type = s->carries[index].init->type;
        if (s->carries[index].next->type.bound != type.bound)
            type.bound = 0;
        return type;
    }
    const ir_type *one = &s->stacked[index - s->carry_count]->type;
    type = *one;
    PTL_ASSERT(one->rank < IR_MAX_RANK);
    type.rank = one->rank + 1;
    type.dims[0] = s->trips;
    for (int i = 0; i < one->rank; i++)
        type.dims[i + 1] = one->dims[i];
    return type;
}

ir_node *ir_scan_out(ir_graph *g, const char *name, ir_node *scan, int index)
{
    const ir_scan *s = scan->scan;
    PTL_ASSERT(index >= 0 && index < s->carry_count + s->stack_count);
    ir_node *n = add_node(g, IR_SCAN_OUT, name, ir_scan_out_type(s, index));
    n->of = scan;
    n->out_index = index;
    n->at = scan->at;
    return n;
}
