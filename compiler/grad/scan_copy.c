/*
 * scan_copy.c - the body of a scan once more, within the reversed scan.
 *
 * All of it is copied; what the forward scan kept is then read in place of what
 * computed it, and pruning takes away what nobody reads.
 *
 * Needs:    a scan that is being reversed.
 * Provides: by node of the body its copy, and the inputs of the new body.
 * Keeps:    the scan's body.
 */
#include "grad/scan_priv.h"
#include <string.h>

/* ---------- the reversed scan's body: F again ---------- */

ir_node *scan_bind(scan_reverse *s, ir_node *outer, const char *name)
{
    ir_node *inner = ir_input(s->made, name, outer->type, IR_GENERIC,
                              outer->storage);
    vec_push(s->made->arena, &s->outer, outer);
    vec_push(s->made->arena, &s->inner, inner);
    return inner;
}

static ir_piece *copied_pieces(scan_reverse *s, const ir_node *n)
{
    ir_graph *g = s->made;
    ir_piece *pieces = ARENA_ARRAY(g->arena, ir_piece, n->piece_count);
    for (int i = 0; i < n->piece_count; i++) {
        ir_sub *subs = ARENA_ARRAY(g->arena, ir_sub, n->type.rank);
        pieces[i] = n->pieces[i];
        pieces[i].source = s->copy[n->pieces[i].source->id];
        for (int k = 0; k < n->type.rank; k++) {
            subs[k] = n->pieces[i].subs[k];
            if (subs[k].gather)
                subs[k].gather =
                    ir_expr_substitute(g, subs[k].gather, NULL, s->copy);
        }
        pieces[i].subs = subs;
    }
    return pieces;
}

static ir_node *copy_node(scan_reverse *s, const ir_node *n)
{
    ir_graph *g = s->made;
    ir_comp comp;
    ir_node *made;
    switch (n->kind) {
    case IR_COMP:
        comp = n->comp;
        comp.body = ir_expr_substitute(g, comp.body, NULL, s->copy);
        if (comp.filter)
            comp.filter = ir_expr_substitute(g, comp.filter, NULL, s->copy);
        made = ir_comprehend(g, n->name, &comp, n->at);
        made->type = n->type;
        return made;
    case IR_SCATTER:
        made = ir_scatter(g, n->name, n->type, copied_pieces(s, n),
                          n->piece_count, n->at);
        made->disjoint = n->disjoint;
        return made;
    case IR_LITERAL:
        return ir_literal(g, n->name, n->type, n->values);
    default: /* a place for what was kept */
        return ir_input(g, n->name, n->type, IR_GENERIC, n->storage);
    }
}

void scan_copy_body(scan_reverse *s)
{
    for (int i = 0; i < s->count; i++) {
        ir_node *n = s->body->nodes.data[i];
        s->copy[i] = s->bound[i] ? scan_bind(s, s->bound[i], n->name)
                                 : copy_node(s, n);
        if (n == s->scan->counter)
            s->counter = s->copy[i];
    }
    if (s->counter)
        return;
    const ir_type step = {.kind = IR_INT, .bound = s->scan->trips};
    s->counter = ir_input(s->made, "t", step, IR_GENERIC, PTL_I32);
}

/* The part of `all`, an input that has the steps in front, of this step. */
ir_comp scan_at_step(scan_reverse *s, const ir_node *n, ir_node *all)
{
    ir_graph *g = s->made;
    ir_comp comp = grad_over_shape(g, n);
    ir_sub subs[IR_MAX_RANK];
    subs[0] = (ir_sub){.mode = IR_PLAIN,
                       .gather = ir_read(g, s->counter, NULL, 0, NULL)};
    for (int i = 0; i < n->type.rank; i++)
        subs[i + 1] =
            (ir_sub){.mode = IR_PLAIN, .affine = ir_affine_var(g, i)};
    comp.body = ir_read(g, all, subs, n->type.rank + 1, NULL);
    return comp;
}

/* A map right behind a sum of no fewer elements stands for it: keeping one of
 * them is enough, and the map may have read more besides. */
static bool follows_sum(scan_reverse *s, const ir_node *n)
{
    ir_node **operands;
    int count = ir_operands(s->body, n, &operands);
    int64_t size = ir_element_count(&n->type);
    for (int k = 0; k < count; k++)
        if (operands[k]->kind == IR_COMP && !scan_is_map(operands[k]) &&
            ir_element_count(&operands[k]->type) >= size)
            return true;
    return false;
}

static bool is_kept(scan_reverse *s, const ir_node *n)
{
    if (s->bound[n->id] || n == s->scan->counter || n->kind == IR_LITERAL ||
        n->kind == IR_SCAN)
        return false;
    return !scan_is_map(n) || follows_sum(s, n);
}

/* Reads of what was kept in place of computing it again. What nobody reads
 * goes with the pruning. */
void scan_load_kept(scan_reverse *s)
{
    ir_graph *g = s->made;
    int known = g->nodes.count;
    ir_node **map = ARENA_ARRAY(g->arena, ir_node *, known + 1);
    for (int i = 0; i < s->count; i++) {
        ir_node *n = s->body->nodes.data[i];
        if (!is_kept(s, n))
            continue;
        ir_type type = {.kind = n->type.kind, .rank = n->type.rank + 1,
                        .dims = {s->scan->trips}, .bound = n->type.bound};
        memcpy(type.dims + 1, n->type.dims,
               (size_t)n->type.rank * sizeof *type.dims);
        ir_node *all = ir_input(
            g, arena_printf(g->arena, "%s.kept", n->name), type, IR_GENERIC,
            n->kind == IR_INPUT ? n->storage : s->copy[i]->storage);
        ir_comp comp = scan_at_step(s, s->copy[i], all);
        ir_node *load = ir_comprehend(g, n->name, &comp, n->at);
        load->type = n->type;
        vec_push(g->arena, &s->loads, all);
        vec_push(g->arena, &s->loaded, n);
        map[s->copy[i]->id] = load;
    }
    ir_graph_replace(g, map, known);
}

