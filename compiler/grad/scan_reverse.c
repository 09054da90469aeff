/*
 * scan_reverse.c - the reversed scan: adjoints within a step, and what is
 * carried and kept.
 *
 * Needs:    which nodes of the body are active.
 * Provides: a scan that goes the other way; its results are the adjoints of the
 *           initial values, then those of nodes that read what all steps read.
 * Keeps:    the forward scan, which may keep more of each step.
 */
#include "grad/scan_priv.h"

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
        ir_node *dy = scan_result_adjoint(s, s->scan->carry_count + i);
        if (!dy || !s->active[n->id])
            continue;
        ir_node *all = scan_bind(s, dy, dy->name);
        grad_term term = {.comp = scan_at_step(s, s->copy[n->id], all)};
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

bool scan_build_step(scan_reverse *s)
{
    scan_copy_body(s);
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
        ir_node *outer = scan_all_steps(s, s->loaded.data[i]);
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
    ir_node *dy = scan_result_adjoint(s, k);
    return dy ? dy : grad_zero_like(s->c->g, s->scan->carries[k].init);
}

ir_node *scan_close(scan_reverse *s)
{
    ir_graph *g = s->c->g;
    ir_scan out = {.trips = s->scan->trips,
                   .reversed = !s->scan->reversed,
                   .body = s->made};
    ir_carry *carries =
        ARENA_ARRAY(g->arena, ir_carry, s->scan->carry_count + 1);
    keep_needed(s);
    scan_load_kept(s);
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

