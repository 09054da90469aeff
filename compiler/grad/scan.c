/*
 * scan.c - the derivative of a recurrence is a recurrence from its end.
 *
 * With y(t) = F(t, y(t-1), w) and dy(t) what step t's results receive, the
 * reversed scan carries the adjoint of y(t-1). Its body is F's body again, the
 * part that is cheap to compute twice, and the reverse of it; sums, and what was
 * carried into each step, are kept by the forward scan.
 *
 * What is the same at every step, such as weights, would receive a term at each
 * of them. Instead the reversed scan keeps the adjoints of the nodes that read
 * it, and each such node is differentiated once, outside, as a comprehension
 * that has the step as one more index: one contraction for all steps.
 *
 * Needs:    the adjoints of the scan's results.
 * Provides: terms of what the scan is bound to, and of its initial values.
 * Keeps:    the scan, which may keep more of each step.
 */
#include "grad/grad_priv.h"
#include <string.h>

typedef struct scan_reverse {
    grad_reverse *c;
    ir_node *node;
    ir_scan *scan;
    ir_graph *body, *made; /* F, and the reversed scan's body */
    int count;             /* nodes of F */
    bool *active;          /* by node of F */
    ir_node **bound;       /* by node of F: what it is bound to outside */
    ir_node **copy;        /* by node of F: the same in `made` */
    ir_node **kept;        /* by node of F: all steps' values, outside */
    ir_node **unrolled;    /* by node of F: computed outside, for all steps */
    ir_node *counter;
    VEC(ir_node *) outer; /* what inputs of `made` are bound to */
    VEC(ir_node *) inner;
    VEC(ir_node *) loads;    /* inputs of `made` that hold all steps' values */
    VEC(ir_node *) loaded;   /* of which node of F */
    VEC(ir_node *) received; /* nodes of F that read something bound */
    VEC(ir_node *) their;    /* and their adjoints, in `made` */
    ir_node **carried, **next; /* by carry: adjoint at a step, and before it */
} scan_reverse;

/* ---------- what depends on what is differentiated for ---------- */

static bool operand_is_active(scan_reverse *s, const ir_node *n)
{
    ir_node **operands;
    int count = ir_operands(s->body, n, &operands);
    for (int k = 0; k < count; k++)
        if (s->active[operands[k]->id])
            return true;
    return false;
}

static bool sweep(scan_reverse *s)
{
    bool more = false;
    for (int i = 0; i < s->count; i++) {
        const ir_node *n = s->body->nodes.data[i];
        bool carries = n->type.kind == IR_REAL || n->kind == IR_SCAN;
        if (s->active[i] || !carries)
            continue;
        s->active[i] =
            (s->bound[i] && s->c->active[s->bound[i]->id]) ||
            operand_is_active(s, n);
        more = more || s->active[i];
    }
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_carry *carry = &s->scan->carries[k];
        bool *input = &s->active[carry->input->id];
        if (*input || carry->input->type.kind != IR_REAL)
            continue;
        *input = s->c->active[carry->init->id] || s->active[carry->next->id];
        more = more || *input;
    }
    return more;
}

/* The derivative of what stands in the body is known for comprehensions and
 * for scatters of them. */
static bool can_reverse(const scan_reverse *s)
{
    for (int i = 0; i < s->count; i++) {
        const ir_node *n = s->body->nodes.data[i];
        bool can = n->kind != IR_SCAN;
        for (int k = 0; k < n->piece_count; k++)
            can = can && !s->bound[n->pieces[k].source->id];
        if (!can && s->active[i])
            return false;
    }
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *next = s->scan->carries[k].next;
        if (s->bound[next->id] && s->active[next->id])
            return false;
    }
    for (int k = 0; k < s->scan->stack_count; k++) {
        const ir_node *n = s->scan->stacked[k];
        if (s->bound[n->id] && s->active[n->id])
            return false;
    }
    return true;
}

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
static ir_node *result_adjoint(scan_reverse *s, int index)
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
static ir_node *all_steps(scan_reverse *s, ir_node *n)
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

static bool is_map(const ir_node *n)
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

static ir_comp unrolled_comp(scan_reverse *s, const ir_comp *from)
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
    if (!is_map(n) || stack_index(s, n) >= 0)
        return all_steps(s, n);
    if (!s->unrolled[n->id]) {
        ir_comp comp = unrolled_comp(s, &n->comp);
        s->unrolled[n->id] = ir_comprehend(s->c->g, n->name, &comp, n->at);
    }
    return s->unrolled[n->id];
}

static bool fits_unrolled(const ir_node *n)
{
    return n->type.rank < IR_MAX_RANK && n->comp.var_count < IR_MAX_VARS;
}

/* ---------- the reversed scan's body: F again ---------- */

static ir_node *bind(scan_reverse *s, ir_node *outer, const char *name)
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

static void copy_body(scan_reverse *s)
{
    for (int i = 0; i < s->count; i++) {
        ir_node *n = s->body->nodes.data[i];
        s->copy[i] = s->bound[i] ? bind(s, s->bound[i], n->name)
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
static ir_comp at_step(scan_reverse *s, const ir_node *n, ir_node *all)
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
        if (operands[k]->kind == IR_COMP && !is_map(operands[k]) &&
            ir_element_count(&operands[k]->type) >= size)
            return true;
    return false;
}

static bool is_kept(scan_reverse *s, const ir_node *n)
{
    if (s->bound[n->id] || n == s->scan->counter || n->kind == IR_LITERAL ||
        n->kind == IR_SCAN)
        return false;
    return !is_map(n) || follows_sum(s, n);
}

/* Reads of what was kept in place of computing it again. What nobody reads
 * goes with the pruning. */
static void load_kept(scan_reverse *s)
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
        ir_comp comp = at_step(s, s->copy[i], all);
        ir_node *load = ir_comprehend(g, n->name, &comp, n->at);
        load->type = n->type;
        vec_push(g->arena, &s->loads, all);
        vec_push(g->arena, &s->loaded, n);
        map[s->copy[i]->id] = load;
    }
    ir_graph_replace(g, map, known);
}

/* ---------- the reversed scan's body: adjoints ---------- */

static void seed_carries(scan_reverse *s, grad_reverse *r)
{
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_carry *carry = &s->scan->carries[k];
        if (!s->carried[k])
            continue;
        grad_term term = {.comp = grad_over_shape(s->made, carry->next)};
        term.comp.body = ir_read_plain(s->made, s->carried[k], 0);
        vec_push(s->made->arena, &r->terms[s->copy[carry->next->id]->id], term);
    }
}

static void seed_results(scan_reverse *s, grad_reverse *r)
{
    for (int i = 0; i < s->scan->stack_count; i++) {
        ir_node *n = s->scan->stacked[i];
        ir_node *dy = result_adjoint(s, s->scan->carry_count + i);
        if (!dy || !s->active[n->id])
            continue;
        ir_node *all = bind(s, dy, dy->name);
        grad_term term = {.comp = at_step(s, s->copy[n->id], all)};
        vec_push(s->made->arena, &r->terms[s->copy[n->id]->id], term);
    }
}

static bool reads_bound(scan_reverse *s, const ir_node *n)
{
    ir_node **operands;
    int count = n->kind == IR_COMP ? ir_operands(s->body, n, &operands) : 0;
    for (int k = 0; k < count; k++)
        if (s->bound[operands[k]->id] && s->active[operands[k]->id])
            return true;
    return false;
}

/* Inputs for the carried adjoints; no node is added to F's copy after them. */
static void open_carries(scan_reverse *s)
{
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *input = s->scan->carries[k].input;
        if (s->active[input->id])
            s->carried[k] = ir_input(
                s->made, arena_printf(s->made->arena, "carried.%s",
                                      grad_name(s->made, input)),
                input->type, IR_GENERIC, input->storage);
    }
}

/* Nodes of F from the last to the first: their adjoints, and what they pass on
 * within the step. */
static bool walk_back(scan_reverse *s, grad_reverse *r)
{
    bool ok = true;
    for (int i = s->count - 1; i >= 0; i--) {
        ir_node *n = s->body->nodes.data[i];
        if (!s->active[i] || s->bound[i])
            continue;
        ok = grad_reverse_node(r, s->copy[i]) && ok;
        ir_node *adjoint = r->adjoints[s->copy[i]->id];
        if (adjoint && reads_bound(s, n)) {
            vec_push(s->made->arena, &s->received, n);
            vec_push(s->made->arena, &s->their, adjoint);
        }
    }
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *input = s->copy[s->scan->carries[k].input->id];
        if (!s->carried[k])
            continue;
        ir_node *next = r->adjoints[input->id];
        s->next[k] = next ? next : grad_zero_like(s->made, input);
    }
    return ok;
}

/* Rows of the volume report are of one step each. */
static void report_volumes(const scan_reverse *s)
{
    const grad_volume *rows;
    int count = grad_volumes(s->made, &rows);
    for (int i = 0; i < count; i++) {
        grad_volume row = rows[i];
        row.forward *= s->scan->trips;
        row.backward *= s->scan->trips;
        grad_volume_add(s->c->g, row);
    }
}

static bool build_step(scan_reverse *s)
{
    copy_body(s);
    open_carries(s);
    grad_reverse r = grad_reverse_of(s->made, s->c->diags);
    for (int i = 0; i < s->count; i++)
        r.active[s->copy[i]->id] = s->active[i] && !s->bound[i];
    seed_carries(s, &r);
    seed_results(s, &r);
    if (!walk_back(s, &r))
        return false;
    report_volumes(s);
    return true;
}

/* ---------- the reversed scan ---------- */

/* Only while the body is pruned: what has to stay. */
static void keep_needed(scan_reverse *s)
{
    ir_graph *g = s->made;
    for (int i = 0; i < s->their.count; i++)
        ir_output_add(g, "received", s->their.data[i], IR_OUT_VALUE, NULL);
    for (int k = 0; k < s->scan->carry_count; k++) {
        if (!s->carried[k])
            continue;
        ir_output_add(g, "next", s->next[k], IR_OUT_VALUE, NULL);
        ir_output_add(g, "carried", s->carried[k], IR_OUT_VALUE, NULL);
    }
}

/* Adjoints may have been what is replaced: the outputs say what stands there. */
static void take_needed(scan_reverse *s)
{
    ir_graph *g = s->made;
    int at = 0;
    for (int i = 0; i < s->their.count; i++)
        s->their.data[i] = g->outputs.data[at++].node;
    for (int k = 0; k < s->scan->carry_count; k++) {
        if (!s->carried[k])
            continue;
        s->next[k] = g->outputs.data[at++].node;
        at++;
    }
    g->outputs.count = 0;
}

static void bind_loads(scan_reverse *s)
{
    for (int i = 0; i < s->loads.count; i++) {
        if (s->loads.data[i]->id < 0)
            continue;
        ir_node *outer = all_steps(s, s->loaded.data[i]);
        s->loads.data[i]->type.bound = outer->type.bound;
        vec_push(s->made->arena, &s->outer, outer);
        vec_push(s->made->arena, &s->inner, s->loads.data[i]);
    }
}

static void close_binds(scan_reverse *s, ir_scan *out)
{
    int kept = 0;
    for (int i = 0; i < s->inner.count; i++) {
        if (s->inner.data[i]->id < 0)
            continue;
        s->outer.data[kept] = s->outer.data[i];
        s->inner.data[kept++] = s->inner.data[i];
    }
    out->bind_count = kept;
    out->bind_outer = s->outer.data;
    out->bind_inner = s->inner.data;
}

/* What the last step's carried value receives from outside. */
static ir_node *last_adjoint(scan_reverse *s, int k)
{
    ir_node *dy = result_adjoint(s, k);
    return dy ? dy : grad_zero_like(s->c->g, s->scan->carries[k].init);
}

static ir_node *close_scan(scan_reverse *s)
{
    ir_graph *g = s->c->g;
    ir_scan out = {.trips = s->scan->trips,
                   .reversed = !s->scan->reversed,
                   .body = s->made};
    ir_carry *carries =
        ARENA_ARRAY(g->arena, ir_carry, s->scan->carry_count + 1);
    keep_needed(s);
    load_kept(s);
    take_needed(s);
    bind_loads(s);
    close_binds(s, &out);
    for (int k = 0; k < s->scan->carry_count; k++)
        if (s->carried[k])
            carries[out.carry_count++] = (ir_carry){
                last_adjoint(s, k), s->carried[k], s->next[k]};
    out.carries = carries;
    out.counter = s->counter->id < 0 ? NULL : s->counter;
    out.stacked = s->their.data;
    out.stack_count = s->their.count;
    return ir_scan_new(g, grad_name(g, s->node), &out, s->node->at);
}

/* ---------- terms outside ---------- */

static void give_initial(scan_reverse *s, ir_node *made)
{
    ir_graph *g = s->c->g;
    int at = 0;
    for (int k = 0; k < s->scan->carry_count; k++) {
        ir_node *init = s->scan->carries[k].init;
        if (!s->carried[k])
            continue;
        int index = at++;
        if (!s->c->active[init->id])
            continue;
        grad_term term = {.node = ir_scan_out(g, grad_name(g, init), made,
                                              index)};
        vec_push(g->arena, &s->c->terms[init->id], term);
    }
}

/* `n`, which reads what is bound, as one comprehension over all steps. */
static bool give_bound(scan_reverse *s, ir_node *n, ir_node *adjoint)
{
    grad_reverse outside = *s->c;
    ir_graph *g = s->c->g;
    ir_comp comp = unrolled_comp(s, &n->comp);
    ir_node *all = ir_comprehend(g, n->name, &comp, n->at);
    outside.active = ARENA_ARRAY(g->arena, bool, g->nodes.count);
    for (int i = 0; i < s->count; i++)
        if (s->bound[i])
            outside.active[s->bound[i]->id] = s->active[i];
    return grad_reverse_comp(&outside, all, adjoint);
}

/* The adjoint of received[i] at all steps; two nodes may have the same. */
static ir_node *received_by(scan_reverse *s, ir_node *made, int i,
                            ir_node **outs)
{
    ir_graph *g = s->c->g;
    for (int k = 0; k < i; k++)
        if (s->their.data[k] == s->their.data[i])
            return outs[i] = outs[k];
    const char *name = grad_name(g, s->received.data[i]);
    return outs[i] =
               ir_scan_out(g, name, made, made->scan->carry_count + i);
}

static bool give_terms(scan_reverse *s, ir_node *made)
{
    ir_graph *g = s->c->g;
    ir_node **outs = ARENA_ARRAY(g->arena, ir_node *, s->received.count + 1);
    bool ok = true;
    give_initial(s, made);
    for (int i = 0; i < s->received.count; i++) {
        ir_node *n = s->received.data[i];
        if (!fits_unrolled(n)) {
            diag_error(s->c->diags, DIAG_GRAD_RANK, n->at,
                       "\"%s\" has too many indices for its derivative over "
                       "all steps of a scan",
                       n->name);
            return false;
        }
        ok = give_bound(s, n, received_by(s, made, i, outs)) && ok;
    }
    return ok;
}

/* ---------- begin and end ---------- */

static void init(scan_reverse *s, grad_reverse *c, ir_node *scan)
{
    ptl_arena *arena = c->g->arena;
    *s = (scan_reverse){.c = c, .node = scan, .scan = scan->scan};
    s->body = s->scan->body;
    s->count = s->body->nodes.count;
    s->active = ARENA_ARRAY(arena, bool, s->count + 1);
    s->bound = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->copy = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->kept = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->unrolled = ARENA_ARRAY(arena, ir_node *, s->count + 1);
    s->carried = ARENA_ARRAY(arena, ir_node *, s->scan->carry_count + 1);
    s->next = ARENA_ARRAY(arena, ir_node *, s->scan->carry_count + 1);
    for (int i = 0; i < s->scan->bind_count; i++)
        s->bound[s->scan->bind_inner[i]->id] = s->scan->bind_outer[i];
    while (sweep(s))
        ;
}

static bool has_adjoint(scan_reverse *s)
{
    int results = s->scan->carry_count + s->scan->stack_count;
    for (int i = 0; i < results; i++)
        if (result_adjoint(s, i))
            return true;
    return false;
}

/* Without a step the initial values are the final ones. */
static void pass_through(scan_reverse *s)
{
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *init = s->scan->carries[k].init;
        ir_node *dy = result_adjoint(s, k);
        if (dy && s->c->active[init->id])
            vec_push(s->c->g->arena, &s->c->terms[init->id],
                     (grad_term){.node = dy});
    }
}

bool grad_reverse_scan(grad_reverse *c, ir_node *scan)
{
    scan_reverse s;
    init(&s, c, scan);
    if (!has_adjoint(&s))
        return true;
    if (s.scan->trips == 0) {
        pass_through(&s);
        return true;
    }
    if (!can_reverse(&s)) {
        diag_error(c->diags, DIAG_GRAD_SCAN, scan->at,
                   "the derivative of \"%s\" is not available: a scan in its "
                   "step, or one that passes on what it is given",
                   scan->name);
        return false;
    }
    s.made = ir_graph_new();
    if (!build_step(&s)) {
        ir_graph_free(s.made);
        return false;
    }
    return give_terms(&s, close_scan(&s));
}
