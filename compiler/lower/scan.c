/*
 * scan.c - which part of a scan is a loop, and that loop as a node.
 *
 * The typed program defines what a scan computes for all steps, like anything
 * else. Only what depends on carried values, and on which carried values depend,
 * must go step by step: the loop. What does not depend on them comes before it,
 * for all steps at once; what they do not depend on comes after.
 *
 * Needs:    all tensors a definition reads, apart from carried ones, before it.
 * Provides: an IR_SCAN, the results of it under the tensors' own axes.
 * Keeps:    everything outside of scans.
 */
#include "lower_priv.h"
#include <string.h>

int64_t lower_steps_back(const lowering *l, const ty_expr *x)
{
    const ty_tensor *t = x->tensor;
    int64_t back;
    if (!t->scan || t->hidden || !ty_carry_of(t))
        return 0;
    back = ty_steps_back(l->g->arena, t->scan, x->subs[t->time].index);
    return back > 0 ? back : 0;
}

ir_type lower_step_type(const ty_tensor *t)
{
    ir_type type = {.kind = (ir_kind)t->kind, .bound = t->bound};
    for (int i = 0; i < t->rank; i++)
        if (i != t->time)
            type.dims[type.rank++] = t->dims[i];
    return type;
}

/* ---------- what goes step by step ---------- */

typedef struct loop_walk {
    lowering *l;
    const ty_tensor *of; /* whose definition is walked */
    bool varies;
} loop_walk;

static bool read_varies(const loop_walk *w, const ty_expr *x)
{
    return ty_read_of(x) && w->l->varies[ty_read_of(x)->id];
}

static void see_varying(void *ctx, const ty_expr *x)
{
    loop_walk *w = ctx;
    w->varies = w->varies || read_varies(w, x);
}

bool lower_varies(lowering *l, const ty_expr *x)
{
    loop_walk w = {.l = l};
    ty_visit_expr(x, see_varying, &w);
    return w.varies;
}

/* Within one scan: what is read after it varies with nothing. */
static void see_varying_of(void *ctx, const ty_expr *x)
{
    loop_walk *w = ctx;
    if (read_varies(w, x) && ty_read_of(x)->scan == w->of->scan)
        w->l->varies[w->of->id] = true;
}

static void see_looped(void *ctx, const ty_expr *x)
{
    loop_walk *w = ctx;
    if (read_varies(w, x) && ty_read_of(x)->scan == w->of->scan)
        w->l->looped[ty_read_of(x)->id] = true;
}

void lower_find_loops(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->tensors.count; i++)
        if (ty_carry_of(p->tensors.data[i]))
            l->varies[i] = l->looped[i] = true;
    for (int i = 0; i < p->tensors.count; i++) {
        loop_walk w = {.l = l, .of = p->tensors.data[i]};
        if (w.of->scan)
            ty_visit_tensor(w.of, see_varying_of, &w);
    }
    for (int i = p->tensors.count - 1; i >= 0; i--) {
        loop_walk w = {.l = l, .of = p->tensors.data[i]};
        if (l->looped[i])
            ty_visit_tensor(w.of, see_looped, &w);
    }
}

/* ---------- links ---------- */

ir_node *loop_bind(lower_loop *loop, ir_node *outer)
{
    ir_node *inner;
    for (int i = 0; i < loop->bind_outer.count; i++)
        if (loop->bind_outer.data[i] == outer)
            return loop->bind_inner.data[i];
    inner = ir_input(loop->graph, outer->name, outer->type, IR_GENERIC,
                     outer->storage);
    vec_push(loop->graph->arena, &loop->bind_outer, outer);
    vec_push(loop->graph->arena, &loop->bind_inner, inner);
    return inner;
}

ir_node *loop_value(lower_loop *loop, const ty_tensor *t, int64_t back)
{
    const ty_carry *c = ty_carry_of(t);
    return back == 0 ? loop->nodes[t->id]
                     : loop->back[c - loop->scan->carries][back - 1];
}

static void open_loop(lowering *l, lower_loop *loop, const ty_scan *scan)
{
    const ir_type step = {.kind = IR_INT, .bound = scan->var->hi};
    ptl_arena *arena;
    loop->scan = scan;
    loop->outer = l->g;
    loop->graph = ir_graph_new();
    arena = loop->graph->arena;
    loop->counter =
        ir_input(loop->graph, scan->var->name, step, IR_GENERIC, PTL_I32);
    loop->nodes =
        ARENA_ARRAY(arena, ir_node *, l->program->tensors.count + 1);
    loop->back = ARENA_ARRAY(arena, ir_node **, scan->carry_count + 1);
    for (int i = 0; i < scan->carry_count; i++) {
        const ty_carry *c = &scan->carries[i];
        loop->back[i] = ARENA_ARRAY(arena, ir_node *, c->count + 1);
        for (int d = 0; d < c->count; d++)
            loop->back[i][d] = ir_input(
                loop->graph,
                arena_printf(arena, "%s.back%d", c->tensor->name, d + 1),
                lower_step_type(c->tensor), IR_GENERIC, c->tensor->storage);
    }
}

/* What is d steps back at one step is d + 1 steps back at the next. */
static ir_carry *links_of(lowering *l, const lower_loop *loop, int *count)
{
    const ty_scan *scan = loop->scan;
    ptl_arena *arena = loop->graph->arena;
    ir_carry *out;
    int room = 0;
    for (int i = 0; i < scan->carry_count; i++)
        room += scan->carries[i].count;
    out = ARENA_ARRAY(arena, ir_carry, room + 1);
    *count = 0;
    for (int i = 0; i < scan->carry_count; i++) {
        const ty_carry *c = &scan->carries[i];
        for (int d = 0; d < c->count; d++)
            out[(*count)++] = (ir_carry){
                .init = l->nodes[c->before[d]->id],
                .input = loop->back[i][d],
                .next = d == 0 ? loop->nodes[c->tensor->id]
                               : loop->back[i][d - 1]};
    }
    return out;
}

/* ---------- results ---------- */

/* Steps come first in what the loop gives; `t` has them where its text has. */
static ir_node *with_own_axes(lowering *l, const ty_tensor *t, ir_node *steps)
{
    ir_comp comp = {.reduce = IR_MAP, .out_count = t->rank,
                    .var_count = t->rank};
    ir_var vars[IR_MAX_RANK];
    ir_sub subs[IR_MAX_RANK];
    int axis = 1;
    for (int i = 0; i < t->rank; i++) {
        int to = i == t->time ? 0 : axis++;
        vars[i] = (ir_var){.name = t->vars[i]->name, .hi = t->dims[i]};
        subs[to] = (ir_sub){.mode = IR_PLAIN, .affine = ir_affine_var(l->g, i)};
    }
    comp.vars = vars;
    comp.body = ir_read(l->g, steps, subs, t->rank, NULL);
    return ir_comprehend(l->g, t->name, &comp, t->at);
}

static bool is_of(const lowering *l, const ty_tensor *t, const ty_scan *scan)
{
    return t->scan == scan && l->looped[t->id] && l->needed[t->id];
}

/* A scan of no steps leaves tensors without elements. */
static void give_empty(lowering *l, const ty_scan *scan)
{
    for (int i = 0; i < l->program->tensors.count; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        ir_comp comp = {.reduce = IR_MAP, .out_count = t->rank,
                        .var_count = t->rank};
        ir_var vars[IR_MAX_RANK];
        if (!is_of(l, t, scan))
            continue;
        for (int k = 0; k < t->rank; k++)
            vars[k] = (ir_var){.name = "i", .hi = t->dims[k]};
        comp.vars = vars;
        comp.body = t->kind == TY_REAL  ? ir_real(l->g, 0.0)
                    : t->kind == TY_INT ? ir_int(l->g, 0)
                                        : ir_bool(l->g, false);
        l->nodes[i] = ir_comprehend(l->g, t->name, &comp, t->at);
    }
}

static void give_results(lowering *l, ir_node *scan,
                         const ty_tensor *const *stacked)
{
    for (int i = 0; i < scan->scan->stack_count; i++) {
        const ty_tensor *t = stacked[i];
        const char *name =
            t->time == 0 ? t->name
                         : arena_printf(l->g->arena, "%s.steps", t->name);
        ir_node *out =
            ir_scan_out(l->g, name, scan, scan->scan->carry_count + i);
        l->nodes[t->id] = t->time == 0 ? out : with_own_axes(l, t, out);
    }
}

/* ---------- the loop ---------- */

static int last_of(const lowering *l, const ty_scan *scan)
{
    int last = -1;
    for (int i = 0; i < l->program->tensors.count; i++)
        if (is_of(l, l->program->tensors.data[i], scan))
            last = i;
    return last;
}

/* What the loop reads may be defined between its own definitions. */
static void define_before(lowering *l, int last)
{
    for (int i = 0; i < last && !l->failed; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        if (l->needed[i] && !l->nodes[i] && t->role == TY_VALUE &&
            !l->varies[i])
            l->nodes[i] = lower_definition(l, NULL, t);
    }
}

static void define_steps(lowering *l, lower_loop *loop, int last,
                         const ty_tensor **stacked, ir_node **nodes,
                         int *count)
{
    *count = 0;
    for (int i = 0; i <= last && !l->failed; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        if (!is_of(l, t, loop->scan))
            continue;
        loop->nodes[i] = lower_definition(l, loop, t);
        if (t->bound && loop->nodes[i])
            loop->nodes[i]->type.bound = t->bound;
        stacked[*count] = t;
        nodes[(*count)++] = loop->nodes[i];
    }
}

void lower_scan(lowering *l, const ty_scan *scan)
{
    int last = last_of(l, scan);
    lower_loop loop = {0};
    const ty_tensor **stacked = ARENA_ARRAY(l->g->arena, const ty_tensor *,
                                            l->program->tensors.count + 1);
    ir_node **nodes =
        ARENA_ARRAY(l->g->arena, ir_node *, l->program->tensors.count + 1);
    ir_scan made = {.trips = scan->var->hi};
    ir_node *n;
    if (l->nodes[scan->carries[0].tensor->id])
        return; /* done when its first definition was met */
    define_before(l, last);
    if (made.trips == 0) {
        give_empty(l, scan);
        return;
    }
    open_loop(l, &loop, scan);
    define_steps(l, &loop, last, stacked, nodes, &made.stack_count);
    if (l->failed) {
        ir_graph_free(loop.graph);
        return;
    }
    made.body = loop.graph;
    made.counter = loop.counter;
    made.bind_count = loop.bind_outer.count;
    made.bind_outer = loop.bind_outer.data;
    made.bind_inner = loop.bind_inner.data;
    made.carries = links_of(l, &loop, &made.carry_count);
    made.stacked = nodes;
    n = ir_scan_new(l->g, arena_printf(l->g->arena, "%s.scan",
                                       scan->carries[0].tensor->name),
                    &made, scan->at);
    give_results(l, n, stacked);
}
