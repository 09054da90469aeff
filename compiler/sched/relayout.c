/*
 * relayout.c - the graph with its axes in the order that layout.c chose.
 *
 * A node's axes are renamed, and every read of it with them. The factor that is
 * read through a window gets a copy of its own where it can leave its axes or
 * could not be ordered: padded, so that no read needs a guard. Equal copies are
 * one.
 *
 * Needs:    a layout of this graph.
 * Provides: a graph of its own with the same outputs.
 * Keeps:    `g`; names; every scalar operation and the order of reductions.
 */
#include "sched/internal.h"
#include "sched/layout.h"
#include <string.h>

/* A padded copy: axes of the result in memory order. */
typedef struct staged {
    const ir_node *of;
    const ir_expr *outside;
    int64_t before[IR_MAX_RANK], size[IR_MAX_RANK]; /* by axis of `of` */
    sched_axes axes;
    bool weights; /* the other factor's */
    ir_node *node;
} staged;

const ir_expr *sched_ordered_source(const ir_node *n)
{
    return n->ordered ? n->comp.body : NULL;
}

typedef struct relayout {
    const ir_graph *g;
    const sched_layout *l;
    ir_graph *out;
    ptl_arena *scratch;
    ir_node **node; /* by id in g */
    const ir_node *reader;
    VEC(staged) copies;
} relayout;

static sched_axes axes_of(const relayout *r, const ir_node *n)
{
    sched_axes a = r->l->axes[n->id];
    for (int i = 0; !a.known && i < n->type.rank; i++)
        a.order[i] = i;
    return a;
}

/* Where each variable over `rank` axes in definition order comes. */
static ir_affine *new_variables(relayout *r, const sched_axes *axes, int rank,
                                int count)
{
    ir_affine *map = ARENA_ARRAY(r->scratch, ir_affine, count + 1);
    for (int i = 0; i < count; i++)
        map[i < rank ? axes->order[i] : i] = ir_affine_var(r->out, i);
    return map;
}

static ir_type reordered(const ir_type *type, const sched_axes *axes)
{
    ir_type to = *type;
    for (int i = 0; i < type->rank; i++)
        to.dims[i] = type->dims[axes->order[i]];
    return to;
}

/* ---------- copies for windows ---------- */

static bool same_copy(const staged *a, const staged *b)
{
    int rank = a->of->type.rank;
    size_t size = (size_t)rank * sizeof *a->before;
    return a->of == b->of && a->weights == b->weights &&
           a->outside == b->outside &&
           memcmp(a->before, b->before, size) == 0 &&
           memcmp(a->size, b->size, size) == 0 &&
           memcmp(a->axes.order, b->axes.order,
                  (size_t)rank * sizeof *a->axes.order) == 0;
}

static ir_node *make_copy(relayout *r, const staged *s)
{
    const ir_node *of = s->of;
    sched_axes from = axes_of(r, of);
    ir_var vars[IR_MAX_RANK];
    ir_affine at[IR_MAX_RANK];
    ir_sub subs[IR_MAX_RANK] = {{0}};
    bool padded = false;
    for (int i = 0; i < of->type.rank; i++) {
        int axis = s->axes.order[i];
        vars[i] = (ir_var){"i", 0, s->size[axis]};
        at[axis] = ir_affine_add(r->out, ir_affine_var(r->out, i),
                                 ir_affine_const(-s->before[axis]));
        padded = padded || s->size[axis] != of->type.dims[axis];
    }
    for (int i = 0; i < of->type.rank; i++)
        subs[i].affine = at[from.order[i]];
    ir_expr *outside =
        padded ? ir_real(r->out, s->outside ? s->outside->number : 0) : NULL;
    ir_comp comp = {.out_count = of->type.rank,
                    .var_count = of->type.rank,
                    .vars = vars,
                    .reduce = IR_MAP};
    comp.body = ir_read(r->out, r->node[of->id], subs, of->type.rank, outside);
    char *name = arena_printf(r->scratch, "%s.%s", of->name,
                              s->weights ? "ordered" : "window");
    ir_node *copy = ir_comprehend(r->out, name, &comp, of->at);
    copy->ordered = s->weights;
    return copy;
}

/* How far the read goes, and in which order it wants the axes. */
static staged copy_for(const relayout *r, const ir_expr *read,
                       const sched_axes *axes)
{
    const ir_var *vars = r->reader->comp.vars;
    staged s = {.of = read->node, .outside = read->outside, .axes = *axes};
    for (int i = 0; i < read->sub_count; i++) {
        int64_t low, high, size = read->node->type.dims[i];
        ir_affine_range(read->subs[i].affine, vars, &low, &high);
        s.before[i] = low < 0 ? -low : 0;
        s.size[i] = s.before[i] + (high + 1 > size ? high + 1 : size);
    }
    return s;
}

static bool needs_copy(const relayout *r, const staged *s)
{
    sched_axes now = axes_of(r, s->of);
    const ir_type *type = &s->of->type;
    size_t size = (size_t)type->rank * sizeof *s->size;
    return memcmp(s->size, type->dims, size) != 0 ||
           memcmp(now.order, s->axes.order,
                  (size_t)type->rank * sizeof *now.order) != 0;
}

static const staged *staged_copy(relayout *r, staged s)
{
    for (int i = 0; i < r->copies.count; i++)
        if (same_copy(&r->copies.data[i], &s))
            return &r->copies.data[i];
    s.node = make_copy(r, &s);
    vec_push(r->scratch, &r->copies, s);
    return &r->copies.data[r->copies.count - 1];
}

static ir_expr *read_staged(relayout *r, const staged *s, const ir_sub *subs)
{
    ir_sub to[IR_MAX_RANK];
    for (int i = 0; i < s->of->type.rank; i++) {
        int axis = s->axes.order[i];
        to[i] = subs[axis];
        to[i].affine = ir_affine_add(r->out, subs[axis].affine,
                                     ir_affine_const(s->before[axis]));
    }
    return ir_read(r->out, s->node, to, s->of->type.rank, NULL);
}

/* ---------- reads ---------- */

/* The order in which a product over windows wants this factor; NULL: it is
 * none. */
static const sched_axes *wanted_by(const relayout *r, const ir_expr *read)
{
    if (!r->reader)
        return NULL;
    int reader = r->reader->id;
    if (r->l->windows[reader].windowed == read)
        return &r->l->windowed[reader];
    return r->l->windows[reader].other == read ? &r->l->other[reader] : NULL;
}

static ir_expr *read_reordered(ir_graph *g, const ir_expr *read,
                               const ir_sub *subs, ir_expr *outside, void *ctx)
{
    relayout *r = ctx;
    const ir_node *n = read->node;
    const sched_axes *wanted = wanted_by(r, read);
    if (wanted && wanted->known) {
        staged s = copy_for(r, read, wanted);
        s.weights = wanted == &r->l->other[r->reader->id];
        if (needs_copy(r, &s))
            return read_staged(r, staged_copy(r, s), subs);
    }
    sched_axes axes = axes_of(r, n);
    ir_sub to[IR_MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        to[i] = subs[axes.order[i]];
    return read->kind == IR_EXPR_READ
               ? ir_read(g, r->node[n->id], to, n->type.rank, outside)
               : ir_inside(g, r->node[n->id], to, n->type.rank);
}

static ir_expr *rebuilt(relayout *r, ir_expr *e, const ir_affine *map)
{
    return e ? ir_expr_rebuild(r->out, e, map, read_reordered, r) : NULL;
}

/* ---------- nodes ---------- */

static ir_node *build_comp(relayout *r, const ir_node *n)
{
    sched_axes axes = axes_of(r, n);
    ir_comp comp = n->comp;
    ir_var vars[IR_MAX_VARS];
    for (int i = 0; i < comp.var_count; i++)
        vars[i] = n->comp.vars[i < comp.out_count ? axes.order[i] : i];
    ir_affine *map = new_variables(r, &axes, comp.out_count, comp.var_count);
    r->reader = n;
    comp.vars = vars;
    comp.body = rebuilt(r, n->comp.body, map);
    comp.filter = rebuilt(r, n->comp.filter, map);
    r->reader = NULL;
    ir_node *made = ir_comprehend(r->out, n->name, &comp, n->at);
    made->type = reordered(&n->type, &axes);
    return made;
}

static ir_piece build_piece(relayout *r, const ir_node *n, const ir_piece *p,
                            const sched_axes *axes)
{
    sched_axes source = axes_of(r, p->source);
    int rank = p->source->type.rank;
    ir_affine *map = new_variables(r, &source, rank, rank);
    ir_sub *subs = ARENA_ARRAY(r->scratch, ir_sub, n->type.rank + 1);
    const char **names = ARENA_ARRAY(r->scratch, const char *, rank + 1);
    for (int i = 0; i < n->type.rank; i++) {
        subs[i] = p->subs[axes->order[i]];
        subs[i].affine = ir_affine_substitute(r->out, subs[i].affine, map);
        subs[i].gather = rebuilt(r, subs[i].gather, map);
    }
    for (int i = 0; i < rank; i++)
        names[i] = p->names[source.order[i]];
    return (ir_piece){r->node[p->source->id], names, subs};
}

static ir_node *build_scatter(relayout *r, const ir_node *n)
{
    sched_axes axes = axes_of(r, n);
    ir_piece *pieces = ARENA_ARRAY(r->scratch, ir_piece, n->piece_count + 1);
    for (int i = 0; i < n->piece_count; i++)
        pieces[i] = build_piece(r, n, &n->pieces[i], &axes);
    ir_node *made = ir_scatter(r->out, n->name, reordered(&n->type, &axes),
                               pieces, n->piece_count, n->at);
    made->disjoint = n->disjoint;
    return made;
}

static ir_node *build_node(relayout *r, const ir_node *n)
{
    ir_node *made;
    switch (n->kind) {
    case IR_INPUT:
        return ir_input(r->out, n->name, n->type, n->role, n->storage);
    case IR_LITERAL:
        made = ir_literal(r->out, n->name, n->type, n->values);
        made->type = n->type;
        made->storage = n->storage;
        return made;
    case IR_COMP:
        return build_comp(r, n);
    case IR_SCATTER:
        return build_scatter(r, n);
    case IR_SCAN:
    case IR_SCAN_OUT:
        break;
    }
    PTL_ASSERT(!"a scan among nodes to lay out");
    return NULL;
}

/* An output in its own order again. */
static ir_node *in_order(relayout *r, const ir_node *n)
{
    sched_axes axes = axes_of(r, n);
    ir_var vars[IR_MAX_RANK];
    ir_sub subs[IR_MAX_RANK] = {{0}};
    if (!axes.known)
        return r->node[n->id];
    for (int i = 0; i < n->type.rank; i++) {
        vars[i] = (ir_var){"i", 0, n->type.dims[i]};
        subs[i].affine = ir_affine_var(r->out, axes.order[i]);
    }
    ir_comp comp = {.out_count = n->type.rank,
                    .var_count = n->type.rank,
                    .vars = vars,
                    .reduce = IR_MAP};
    comp.body = ir_read(r->out, r->node[n->id], subs, n->type.rank, NULL);
    ir_node *made = ir_comprehend(r->out, n->name, &comp, n->at);
    made->type = n->type;
    return made;
}

ir_graph *sched_relayout(const ir_graph *g, const sched_layout *l)
{
    relayout r = {.g = g, .l = l, .out = ir_graph_new()};
    r.scratch = arena_new();
    r.node = ARENA_ARRAY(r.scratch, ir_node *, g->nodes.count + 1);
    for (int i = 0; i < g->nodes.count; i++)
        r.node[i] = build_node(&r, g->nodes.data[i]);
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        ir_output_add(r.out, out->name, in_order(&r, out->node), out->role,
                      out->target ? r.node[out->target->id] : NULL);
    }
    arena_free(r.scratch);
    return r.out;
}
