/*
 * fuse.c - decides which values are kept in memory, and inlines the others.
 *
 * Kept are contractions, reductions, scatters, outputs, and maps whose
 * recomputation would cost more than a trip through memory. The rest is
 * substituted into its readers, operation by operation: the operations stay,
 * and a register holds what memory would have held, so fused and unfused
 * results have the same bits.
 *
 * Needs:    a verified graph; nodes in order, operands first.
 * Provides: a new graph in which every node is kept; each output has a node of
 *           its own that is no input; no INSIDE is left. Scatters that only
 *           change the shape are inputs there, views of their source.
 * Keeps:    `g`; names of nodes; every scalar operation.
 */
#include "sched/internal.h"
#include "sched/layout.h"
#include <string.h>

enum {
    TRIP_COST = 16,   /* of an element through memory, in vector operations */
    STEP_COST = 8192, /* of a step of its own */
    MOST_EXPRS = 400, /* of a body, inlined parts included */
};

typedef struct node_use {
    bool live, kept;
    bool readable_inline; /* every reader's subscripts can be substituted */
    bool packed;          /* ends up inside a factor of a contraction */
    double volume;        /* how often readers ask for an element */
} node_use;

typedef struct fuser {
    const ir_graph *g;
    const sched_options *options;
    ptl_arena *scratch;
    node_use *use; /* by id in g */
    ir_graph *out;
    ir_node **node;    /* by id in g: the kept node in `out` */
    ir_expr **inlined; /* by id in g: the body in `out` */
    const ir_output *outputs;
    int output_count;
    sched_scope *scope;
    VEC(ir_node *) views;   /* inputs of `out` that are views, */
    VEC(ir_node *) view_of; /* and of what */
} fuser;

/* ---------- costs ---------- */

static void count_one(ir_expr *e, void *ctx)
{
    (void)e;
    ++*(int *)ctx;
}

static int body_size(ir_expr *body)
{
    int size = 0;
    ir_visit(body, count_one, &size);
    return size;
}

/* ---------- who reads what, readers first ---------- */

typedef struct reader {
    fuser *f;
    double volume; /* evaluations of the reading expression */
    bool packed;   /* it is a factor of a contraction */
    bool opaque;   /* its reads cannot be substituted */
} reader;

static void note_read(ir_expr *e, void *ctx)
{
    reader *r = ctx;
    if (e->kind != IR_EXPR_READ)
        return;
    node_use *u = &r->f->use[e->node->id];
    u->live = true;
    u->volume += r->volume;
    u->packed = u->packed || r->packed;
    bool plain = !e->outside && !r->opaque;
    for (int i = 0; i < e->sub_count; i++)
        plain = plain && sched_is_direct(&e->subs[i]);
    u->readable_inline = u->readable_inline && plain;
}

static void note_node(fuser *f, ir_node *n)
{
    node_use *u = &f->use[n->id];
    u->live = true;
    u->readable_inline = false;
    u->volume += (double)ir_element_count(&n->type);
}

static double axes_volume(const sched_axis *a, const sched_axis *b,
                          const sched_axis *c)
{
    return (double)a->extent * (double)b->extent * (double)c->extent;
}

/* A copy made so that threads find what they fetch together? */
static bool is_ordered_copy(const ir_expr *factor)
{
    return factor->kind == IR_EXPR_READ && sched_ordered_source(factor->node);
}

/* What packing reads: each factor once, however often it is multiplied. */
static void note_contraction(fuser *f, const sched_contraction *c)
{
    reader r = {.f = f, .packed = true};
    r.volume = axes_volume(&c->batch, &c->m, &c->k);
    r.opaque = is_ordered_copy(c->left);
    ir_visit_reads(c->left, note_read, &r);
    r.opaque = is_ordered_copy(c->right);
    r.volume = axes_volume(&c->batch, &c->n, &c->k);
    ir_visit_reads(c->right, note_read, &r);
}

/* Factors used where they lie are in memory. */
static void note_direct(fuser *f, const sched_direct *d)
{
    const sched_contraction *c = &d->base;
    reader r = {.f = f, .opaque = true};
    ir_visit_reads(c->left, note_read, &r);
    r.opaque = !d->packs_right || is_ordered_copy(c->right);
    r.packed = d->packs_right;
    r.volume = (double)c->n.extent * (double)c->k.extent;
    ir_visit_reads(c->right, note_read, &r);
}

static void note_comp(fuser *f, ir_node *n)
{
    const node_use *u = &f->use[n->id];
    sched_contraction c;
    sched_direct d;
    if (!sched_find_direct(n, f->options, &d)) {
        note_direct(f, &d);
        return;
    }
    if (n->comp.reduce == IR_SUM &&
        !sched_find_contraction(n, f->options, &c)) {
        note_contraction(f, &c);
        return;
    }
    reader r = {.f = f, .packed = u->packed && !u->kept};
    r.volume = u->kept ? (double)ir_volume(&n->comp) : u->volume;
    ir_visit_reads(n->comp.body, note_read, &r);
    if (n->comp.filter)
        ir_visit_reads(n->comp.filter, note_read, &r);
}

static void note_operands(fuser *f, ir_node *n)
{
    reader gathers = {.f = f, .opaque = true};
    switch (n->kind) {
    case IR_COMP:
        note_comp(f, n);
        break;
    case IR_SCATTER:
        for (int i = 0; i < n->piece_count; i++) {
            note_node(f, n->pieces[i].source);
            gathers.volume =
                (double)ir_element_count(&n->pieces[i].source->type);
            for (int k = 0; k < n->type.rank; k++)
                if (n->pieces[i].subs[k].gather)
                    ir_visit_reads(n->pieces[i].subs[k].gather, note_read,
                                   &gathers);
        }
        break;
    case IR_SCAN:
        for (int i = 0; i < n->scan->bind_count; i++)
            note_node(f, n->scan->bind_outer[i]);
        for (int i = 0; i < n->scan->carry_count; i++)
            note_node(f, n->scan->carries[i].init);
        break;
    case IR_SCAN_OUT:
        f->use[n->of->id].live = true;
        break;
    default:
        break;
    }
}

static bool is_worth_keeping(const fuser *f, const ir_node *n)
{
    const node_use *u = &f->use[n->id];
    double elements = (double)ir_element_count(&n->type);
    if (u->volume <= elements)
        return false;
    double again = (u->volume - elements) * sched_cost(n->comp.body);
    return again > elements * TRIP_COST + STEP_COST;
}

static bool is_kept(const fuser *f, const ir_node *n)
{
    const node_use *u = &f->use[n->id];
    if (n->kind != IR_COMP || n->comp.reduce != IR_MAP || u->kept ||
        f->options->no_fuse || !u->readable_inline)
        return true;
    if (u->packed && !sched_is_packable(n->comp.body))
        return true;
    return is_worth_keeping(f, n);
}

static void decide(fuser *f)
{
    const ir_graph *g = f->g;
    for (int i = 0; i < g->nodes.count; i++)
        f->use[i].readable_inline = true;
    for (int i = 0; i < f->output_count; i++) {
        const ir_output *out = &f->outputs[i];
        f->use[out->node->id].live = f->use[out->node->id].kept = true;
        if (out->target)
            f->use[out->target->id].live = true;
    }
    for (int i = g->nodes.count - 1; i >= 0; i--) {
        ir_node *n = g->nodes.data[i];
        if (!f->use[i].live)
            continue;
        f->use[i].kept = is_kept(f, n);
        note_operands(f, n);
    }
}

/* ---------- rebuilding ---------- */

typedef struct cloner {
    fuser *f;
    ir_expr **done; /* by id in g */
} cloner;

static ir_expr *clone(cloner *c, ir_expr *e);

static void clone_subs(cloner *c, const ir_sub *subs, int count, ir_sub *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = subs[i];
        if (subs[i].gather)
            out[i].gather = clone(c, subs[i].gather);
    }
}

static ir_expr *inside_as_tests(cloner *c, const ir_expr *e)
{
    ir_graph *g = c->f->out;
    ir_expr *all = ir_bool(g, true);
    for (int i = 0; i < e->sub_count; i++) {
        const ir_sub *sub = &e->subs[i];
        ir_expr *at = ir_affine_value(g, sub->affine);
        if (sub->gather)
            at = ir_op2(g, IR_ADD_OP, clone(c, sub->gather), at);
        ir_expr *low = ir_op2(g, IR_GE_OP, at, ir_int(g, 0));
        ir_expr *high =
            ir_op2(g, IR_LT_OP, at, ir_int(g, e->node->type.dims[i]));
        if (sub->mode == IR_PLAIN)
            all = ir_op2(g, IR_AND_OP, all, ir_op2(g, IR_AND_OP, low, high));
    }
    return all;
}

static ir_expr *clone_read(cloner *c, const ir_expr *e)
{
    fuser *f = c->f;
    ir_sub subs[IR_MAX_RANK];
    clone_subs(c, e->subs, e->sub_count, subs);
    ir_expr *body = f->inlined[e->node->id];
    if (!body)
        return ir_read(f->out, f->node[e->node->id], subs, e->sub_count,
                       e->outside ? clone(c, e->outside) : NULL);
    ir_affine map[IR_MAX_VARS] = {0};
    for (int i = 0; i < e->sub_count; i++)
        map[i] = subs[i].affine;
    return ir_expr_substitute(f->out, body, map, NULL);
}

static ir_expr *rebuild(cloner *c, const ir_expr *e)
{
    ir_graph *g = c->f->out;
    ir_expr *args[3] = {0};
    switch (e->kind) {
    case IR_EXPR_CONST:
        return e->type == IR_REAL  ? ir_real(g, e->number)
               : e->type == IR_INT ? ir_int(g, (int64_t)e->number)
                                   : ir_bool(g, e->number != 0);
    case IR_EXPR_VAR:
        return ir_var_value(g, e->var);
    case IR_EXPR_READ:
        return clone_read(c, e);
    case IR_EXPR_INSIDE:
        return inside_as_tests(c, e);
    case IR_EXPR_RANDOM:
        return ir_random_value(g, e->random, e->site_name, clone(c, e->element),
                               clone(c, e->step), clone(c, e->seed));
    case IR_EXPR_OP:
        break;
    }
    for (int i = 0; i < e->arg_count; i++)
        args[i] = clone(c, e->args[i]);
    return ir_op(g, e->op, args);
}

static ir_expr *clone(cloner *c, ir_expr *e)
{
    if (!c->done[e->id])
        c->done[e->id] = rebuild(c, e);
    return c->done[e->id];
}

static ir_node *keep(fuser *f, const ir_node *n, const ir_comp *comp)
{
    ir_node *kept = ir_comprehend(f->out, n->name, comp, n->at);
    kept->type = n->type;
    kept->ordered = n->ordered;
    return kept;
}

static void build_comp(fuser *f, const ir_node *n, cloner *c)
{
    ir_comp comp = n->comp;
    comp.body = clone(c, n->comp.body);
    comp.filter = n->comp.filter ? clone(c, n->comp.filter) : NULL;
    bool inlined = !f->use[n->id].kept && body_size(comp.body) <= MOST_EXPRS;
    if (inlined)
        f->inlined[n->id] = comp.body;
    else
        f->node[n->id] = keep(f, n, &comp);
}

bool sched_only_reshapes(const ir_node *n)
{
    if (n->piece_count != 1 || !n->disjoint)
        return false;
    const ir_piece *piece = &n->pieces[0];
    const ir_type *from = &piece->source->type;
    if (ir_element_count(from) != ir_element_count(&n->type))
        return false;
    int64_t constant = 0, coef[IR_MAX_RANK] = {0};
    for (int i = 0; i < n->type.rank; i++) {
        const ir_sub *sub = &piece->subs[i];
        if (!sched_is_direct(sub))
            return false;
        int64_t stride = sched_stride(&n->type, i);
        constant += sub->affine.constant * stride;
        for (int v = 0; v < from->rank; v++)
            coef[v] += ir_affine_coef(sub->affine, v) * stride;
    }
    bool same = constant == 0;
    for (int v = 0; v < from->rank; v++)
        same = same && (from->dims[v] == 1 || coef[v] == sched_stride(from, v));
    return same;
}

static void build_view(fuser *f, const ir_node *n)
{
    ir_node *source = f->node[n->pieces[0].source->id];
    ir_node *view =
        ir_input(f->out, n->name, n->type, IR_GENERIC, source->storage);
    vec_push(f->scratch, &f->views, view);
    vec_push(f->scratch, &f->view_of, source);
    f->node[n->id] = view;
}

static void build_scatter(fuser *f, const ir_node *n, cloner *c)
{
    if (!f->options->no_fuse && sched_only_reshapes(n)) {
        build_view(f, n);
        return;
    }
    ir_piece *pieces = ARENA_ARRAY(f->scratch, ir_piece, n->piece_count);
    for (int i = 0; i < n->piece_count; i++) {
        ir_sub *subs = ARENA_ARRAY(f->scratch, ir_sub, n->type.rank);
        clone_subs(c, n->pieces[i].subs, n->type.rank, subs);
        pieces[i] = n->pieces[i];
        pieces[i].subs = subs;
        pieces[i].source = f->node[n->pieces[i].source->id];
    }
    ir_node *kept =
        ir_scatter(f->out, n->name, n->type, pieces, n->piece_count, n->at);
    kept->disjoint = n->disjoint;
    f->node[n->id] = kept;
}

static void build_scan(fuser *f, const ir_node *n)
{
    const ir_scan *scan = n->scan;
    ptl_arena *arena = f->out->arena;
    sched_scan *made = ARENA_NEW(arena, sched_scan);
    made->scan = scan;
    made->name = arena_strdup(arena, n->name);
    made->binds = ARENA_ARRAY(arena, ir_node *, scan->bind_count);
    made->inits = ARENA_ARRAY(arena, ir_node *, scan->carry_count);
    made->results =
        ARENA_ARRAY(arena, ir_node *, scan->carry_count + scan->stack_count);
    for (int i = 0; i < scan->bind_count; i++)
        made->binds[i] = f->node[scan->bind_outer[i]->id];
    for (int i = 0; i < scan->carry_count; i++)
        made->inits[i] = f->node[scan->carries[i].init->id];
    vec_push(arena, &f->scope->scans, made);
}

/* The scan's record was made for the node before its results. */
static ir_node *build_scan_result(fuser *f, const ir_node *n)
{
    ir_node *kept = ir_input(f->out, n->name, n->type, IR_GENERIC, PTL_I32);
    for (int i = 0; i < f->scope->scans.count; i++)
        if (f->scope->scans.data[i]->scan == n->of->scan)
            f->scope->scans.data[i]->results[n->out_index] = kept;
    return kept;
}

static void build_node(fuser *f, const ir_node *n, cloner *c)
{
    ir_node *kept = NULL;
    switch (n->kind) {
    case IR_INPUT:
        kept = ir_input(f->out, n->name, n->type, n->role, n->storage);
        break;
    case IR_LITERAL:
        kept = ir_literal(f->out, n->name, n->type, n->values);
        kept->type = n->type;
        kept->storage = n->storage;
        break;
    case IR_COMP:
        build_comp(f, n, c);
        return;
    case IR_SCATTER:
        build_scatter(f, n, c);
        return;
    case IR_SCAN:
        build_scan(f, n);
        return;
    case IR_SCAN_OUT:
        kept = build_scan_result(f, n);
        break;
    }
    f->node[n->id] = kept;
}

/* ---------- outputs ---------- */

static void build_outputs(fuser *f)
{
    bool *taken = ARENA_ARRAY(f->scratch, bool, f->g->nodes.count + 1);
    for (int i = 0; i < f->output_count; i++) {
        const ir_output *out = &f->outputs[i];
        ir_node *n = f->node[out->node->id];
        if (n->kind == IR_INPUT || n->kind == IR_LITERAL ||
            taken[out->node->id])
            n = sched_copy_node(f->scope, n);
        taken[out->node->id] = true;
        ir_output_add(f->out, out->name, n, out->role,
                      out->target ? f->node[out->target->id] : NULL);
    }
}

static void init_scope(const fuser *f, ptl_arena *arena)
{
    sched_scope *scope = f->scope;
    int count = f->out->nodes.count;
    scope->view_count = count;
    scope->view_of = ARENA_ARRAY(arena, ir_node *, count + 1);
    scope->node_buffer = ARENA_ARRAY(arena, int, count + 1);
    for (int i = 0; i < count; i++)
        scope->node_buffer[i] = -1;
    for (int i = 0; i < f->views.count; i++)
        scope->view_of[f->views.data[i]->id] = f->view_of.data[i];
}

sched_scope *sched_fuse(sched_schedule *s, const ir_graph *g,
                        const ir_output *outputs, int output_count)
{
    fuser f = {.g = g,
               .options = &s->options,
               .scratch = arena_new(),
               .outputs = outputs,
               .output_count = output_count};
    f.scope = ARENA_NEW(s->arena, sched_scope);
    f.out = f.scope->graph = ir_graph_new();
    f.use = ARENA_ARRAY(f.scratch, node_use, g->nodes.count + 1);
    f.node = ARENA_ARRAY(s->arena, ir_node *, g->nodes.count + 1);
    f.inlined = ARENA_ARRAY(f.scratch, ir_expr *, g->nodes.count + 1);
    f.scope->made_from = f.node;
    vec_push(s->arena, &s->scopes, f.scope);
    decide(&f);
    /* Variables keep their numbers, so one memory of clones serves all. */
    cloner c = {&f, ARENA_ARRAY(f.scratch, ir_expr *, g->next_expr + 1)};
    for (int i = 0; i < g->nodes.count; i++)
        if (f.use[i].live)
            build_node(&f, g->nodes.data[i], &c);
    build_outputs(&f);
    init_scope(&f, s->arena);
    sched_find_stores(s, f.scope);
    arena_free(f.scratch);
    return f.scope;
}
