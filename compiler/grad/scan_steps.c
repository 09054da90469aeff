/*
 * scan_steps.c - what a scan's step works out, for all its steps at once.
 *
 * Values that the forward scan keeps are tensors with the step in front. A map
 * over them is worked out again outside, with the step as one more index.
 *
 * Needs:    a scan that is being reversed.
 * Provides: nodes outside of it; the scan keeps what they read.
 * Keeps:    the body.
 */
#include "grad/scan_priv.h"
#include <string.h>

/* ---------- values of all steps, outside ---------- */

static ir_node *result_at(scan_reverse *s, int index)
{
    const ir_graph *g = s->c->g;
    for (int i = s->node->id + 1; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind == IR_SCAN_OUT && n->of == s->node && n->out_index == index)
            return n;
    }
    return NULL;
}

/* What result `index` received; NULL: nothing. */
ir_node *scan_result_adjoint(scan_reverse *s, int index)
{
    const ir_node *out = result_at(s, index);
    return out && out->id < s->c->count ? s->c->adjoints[out->id] : NULL;
}

static int stack_index(const scan_reverse *s, const ir_node *n)
{
    for (int i = 0; i < s->scan->stack_count; i++)
        if (s->scan->stacked[i] == n)
            return i;
    return -1;
}

static int add_stack(scan_reverse *s, ir_node *n)
{
    ir_scan *scan = s->scan;
    ir_node **more =
        ARENA_ARRAY(s->c->g->arena, ir_node *, scan->stack_count + 1);
    memcpy(more, scan->stacked, (size_t)scan->stack_count * sizeof *more);
    more[scan->stack_count] = n;
    scan->stacked = more;
    return scan->stack_count++;
}

/* What `n` was at each step; the step is the first axis. */
ir_node *scan_all_steps(scan_reverse *s, ir_node *n)
{
    ir_graph *g = s->c->g;
    if (s->kept[n->id])
        return s->kept[n->id];
    int index = stack_index(s, n);
    if (index < 0)
        index = add_stack(s, n);
    index += s->scan->carry_count;
    ir_node *out = result_at(s, index);
    if (!out)
        out = ir_scan_out(g, arena_printf(g->arena, "%s.kept", n->name),
                          s->node, index);
    s->kept[n->id] = out;
    return out;
}

/* ---------- nodes of F with the step as an index ---------- */

bool scan_is_map(const ir_node *n)
{
    return n->kind == IR_COMP && n->comp.reduce == IR_MAP;
}

static ir_node *unroll(scan_reverse *s, ir_node *n);

/* Subscripts that count steps are affine now. */
static void settle(ir_graph *g, const ir_sub *subs, int count, ir_sub *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = subs[i];
        if (!subs[i].gather)
            continue;
        ir_affine more;
        ir_split_affine(g, subs[i].gather, &more, &out[i].gather);
        out[i].affine = ir_affine_add(g, subs[i].affine, more);
    }
}

/* Reads of a step become reads at the step, which is variable 0. */
static ir_expr *read_unrolled(ir_graph *g, const ir_expr *read,
                              const ir_sub *subs, ir_expr *outside, void *ctx)
{
    scan_reverse *s = ctx;
    ir_node *n = read->node;
    ir_sub at[IR_MAX_RANK + 1];
    int count = read->sub_count;
    if (n == s->scan->counter)
        return ir_var_value(g, 0);
    if (s->bound[n->id]) {
        settle(g, subs, count, at);
        n = s->bound[n->id];
    } else {
        at[0] = (ir_sub){.mode = IR_PLAIN, .affine = ir_affine_var(g, 0)};
        settle(g, subs, count++, at + 1);
        n = unroll(s, n);
    }
    return read->kind == IR_EXPR_READ ? ir_read(g, n, at, count, outside)
                                      : ir_inside(g, n, at, count);
}

ir_comp scan_unrolled_comp(scan_reverse *s, const ir_comp *from)
{
    ir_graph *g = s->c->g;
    ir_affine map[IR_MAX_VARS];
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, from->var_count + 1);
    ir_comp comp = *from;
    vars[0] = (ir_var){.name = s->scan->counter ? s->scan->counter->name : "t",
                       .hi = s->scan->trips};
    for (int i = 0; i < from->var_count; i++) {
        vars[i + 1] = from->vars[i];
        map[i] = ir_affine_var(g, i + 1);
    }
    comp.out_count++;
    comp.var_count++;
    comp.vars = vars;
    comp.body = ir_expr_rebuild(g, from->body, map, read_unrolled, s);
    if (from->filter)
        comp.filter = ir_expr_rebuild(g, from->filter, map, read_unrolled, s);
    return comp;
}

/* Maps are worked out again, everything else was kept. */
static ir_node *unroll(scan_reverse *s, ir_node *n)
{
    if (!scan_is_map(n) || stack_index(s, n) >= 0)
        return scan_all_steps(s, n);
    if (!s->unrolled[n->id]) {
        ir_comp comp = scan_unrolled_comp(s, &n->comp);
        s->unrolled[n->id] = ir_comprehend(s->c->g, n->name, &comp, n->at);
    }
    return s->unrolled[n->id];
}

bool scan_fits_unrolled(const ir_node *n)
{
    return n->type.rank < IR_MAX_RANK && n->comp.var_count < IR_MAX_VARS;
}

