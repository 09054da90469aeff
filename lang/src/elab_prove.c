/*
 * elab_prove.c - subscripts and bounds of integers in the generic phase.
 *
 * A subscript is a polynomial in sizes and indices. The generic phase refuses
 * it only where it leaves its axis for all sizes, at a point that it names; the
 * rest is proven, or left to the sizes of use.
 */
#include "elab_generic.h"
#include <string.h>

/* ---------- integer expressions as polynomials ---------- */

typedef struct walk {
    elab *e;
    polys *all;
    bool unbounded; /* data is in it that nothing bounds */
} walk;

static const poly *walk_expr(walk *w, const ty_expr *x);

static poly_var *atom_of(elab *e, const void *of, const char *name)
{
    generic *g = e->generic;
    index_atom a = {.of = of};
    for (int i = 0; i < g->atoms.count; i++)
        if (g->atoms.data[i].of == of)
            return g->atoms.data[i].var;
    a.var = poly_var_new(g->all, name);
    vec_push(e->arena, &g->atoms, a);
    return a.var;
}

static const char *expr_text(elab *e, const ty_expr *x)
{
    ptl_str s = {0};
    typed_print_expr(x, &s);
    return str_keep(&s, e->arena);
}

static const char *poly_text(elab *e, const poly *p)
{
    ptl_str s = {0};
    poly_print(p, &s);
    return str_keep(&s, e->arena);
}

/* Something between 0 and `count`, that excluded. */
static const poly *data_atom(walk *w, const ty_expr *x, const poly *count)
{
    poly_var *v = atom_of(w->e, x, expr_text(w->e, x));
    v->lo = poly_number(w->all, 0);
    v->hi = poly_sub(w->all, count, poly_number(w->all, 1));
    return poly_of(w->all, v);
}

/* Bounded by something that no polynomial says. */
static const poly *vague_atom(walk *w, const ty_expr *x)
{
    poly_var *v = atom_of(w->e, x, expr_text(w->e, x));
    v->vague = true;
    return poly_of(w->all, v);
}

static const poly *unbounded(walk *w)
{
    w->unbounded = true;
    return NULL;
}

static const poly *index_atom_of(walk *w, const ty_var *i)
{
    const poly *lo = size_poly(w->e, i->lo), *hi = size_poly(w->e, i->hi - 1);
    poly_var *v = atom_of(w->e, i, i->name);
    v->lo = lo;
    v->hi = hi;
    return poly_of(w->all, v);
}

static const poly *walk_read(walk *w, const ty_expr *x)
{
    if (x->tensor->bound <= 0)
        return unbounded(w);
    if (x->outside) {
        walk_expr(w, x->outside);
        return vague_atom(w, x);
    }
    return data_atom(w, x, size_poly(w->e, x->tensor->bound));
}

/* Is `p` made of sizes alone? */
static bool is_size(const walk *w, const poly *p)
{
    for (int i = 0; i < w->e->generic->atoms.count; i++)
        if (poly_mentions(p, w->e->generic->atoms.data[i].var))
            return false;
    return true;
}

/* Division and remainder by what is no size bound nothing. */
static const poly *walk_division(walk *w, const ty_expr *x)
{
    walk left = *w;
    const poly *a = walk_expr(&left, x->args[0]);
    const poly *b = walk_expr(w, x->args[1]);
    if (w->unbounded || (b && !is_size(w, b)))
        return unbounded(w);
    if (x->op == TY_MOD_OP)
        return b && !(a && is_size(w, a)) ? data_atom(w, x, b)
                                          : poly_mod(w->all, a, b);
    w->unbounded |= left.unbounded;
    return poly_floor(w->all, a, b);
}

static const poly *walk_op(walk *w, const ty_expr *x)
{
    const poly *a, *b;
    switch (x->op) {
    case TY_IDIV_OP:
    case TY_MOD_OP:
        return walk_division(w, x);
    case TY_INT_OP:
        return x->args[0]->type == TY_BOOL
                   ? data_atom(w, x, poly_number(w->all, 2))
               : ty_drawn_below(x->args[0]) ? vague_atom(w, x)
                                            : unbounded(w);
    case TY_STOP_OP:
        return walk_expr(w, x->args[0]);
    case TY_NEG_OP:
        return poly_scale(w->all, walk_expr(w, x->args[0]), -1);
    case TY_ADD_OP:
    case TY_SUB_OP:
    case TY_MUL_OP:
        a = walk_expr(w, x->args[0]);
        b = walk_expr(w, x->args[1]);
        return x->op == TY_ADD_OP   ? poly_add(w->all, a, b)
               : x->op == TY_SUB_OP ? poly_sub(w->all, a, b)
                                    : poly_mul(w->all, a, b);
    case TY_MINIMUM_OP:
    case TY_MAXIMUM_OP:
    case TY_SELECT_OP:
        for (int i = x->op == TY_SELECT_OP; i < x->count; i++)
            walk_expr(w, x->args[i]);
        return vague_atom(w, x);
    default:
        return unbounded(w);
    }
}

static const poly *walk_reduce(walk *w, const ty_expr *x)
{
    const poly *count = poly_number(w->all, 1);
    switch (x->reduction) {
    case RED_ARGMAX:
    case RED_ARGMIN:
        for (int i = 0; i < x->count; i++)
            count = poly_mul(w->all, count,
                             poly_sub(w->all, size_poly(w->e, x->vars[i]->hi),
                                      size_poly(w->e, x->vars[i]->lo)));
        return data_atom(w, x, count);
    case RED_MAX:
    case RED_MIN:
        if (x->filter)
            return unbounded(w);
        walk_expr(w, x->body);
        return vague_atom(w, x);
    case RED_SUM:
        walk_expr(w, x->body);
        return vague_atom(w, x);
    default:
        return unbounded(w);
    }
}

static const poly *walk_expr(walk *w, const ty_expr *x)
{
    switch (x->kind) {
    case TY_CONST:
        return size_poly(w->e, (int64_t)x->number);
    case TY_VAR:
        return index_atom_of(w, x->var);
    case TY_READ:
        return walk_read(w, x);
    case TY_OP:
        return walk_op(w, x);
    case TY_REDUCE:
        return walk_reduce(w, x);
    default:
        return unbounded(w);
    }
}

/* ---------- bounds of data ---------- */

/* `p` at the two ends of an index. */
typedef struct ends {
    const poly *low, *high;
} ends;

static ends at_ends(const generic *g, const poly *p, const poly_var *v)
{
    return (ends){poly_put(g->all, p, v, v->lo), poly_put(g->all, p, v, v->hi)};
}

static bool not_less(generic *g, const poly *a, const poly *b)
{
    return poly_proven_not_negative(&g->facts, poly_sub(g->all, a, b));
}

/* The end of each index that makes `p` larger, where it is seen which. */
static const poly *largest(elab *e, const poly *p)
{
    generic *g = e->generic;
    for (int i = g->atoms.count - 1; p && i >= 0; i--) {
        const poly_var *v = g->atoms.data[i].var;
        ends at;
        if (!poly_mentions(p, v))
            continue;
        if (!v->lo || !v->hi)
            return NULL;
        at = at_ends(g, p, v);
        if (!not_less(g, at.high, at.low) && !not_less(g, at.low, at.high))
            return NULL;
        p = not_less(g, at.high, at.low) ? at.high : at.low;
    }
    return p;
}

int64_t int_bound(elab *e, ty_expr *x)
{
    walk w = {.e = e};
    const poly *p;
    int64_t low, high;
    if (!e->generic)
        return ty_interval(e->arena, x, &low, &high) && low >= 0 &&
                       high < INT64_MAX
                   ? high + 1
                   : 0;
    w.all = e->generic->all;
    e->generic->atoms.count = 0;
    p = walk_expr(&w, x);
    if (w.unbounded)
        return 0;
    if (p && poly_proven_not_negative(&e->generic->facts, p) &&
        size_of_poly(e, largest(e, p), &high))
        return high + 1;
    return size_vague(e, "?", 1);
}

void say_not_idx(elab *e, const char *what, int64_t bound, int64_t wanted,
                 src_range at)
{
    const char *size = size_text(e, wanted);
    elab_error(e, DIAG_NOT_PROVEN, at,
               "%s is not known to lie in [0, %s)%s; an int becomes an idx "
               "where its range is known, as that of `i %% %s` is, or where "
               "data enters",
               what, size,
               bound > 0 ? arena_printf(e->arena, ": it lies in [0, %s)",
                                        size_text(e, bound))
                         : "",
               size);
}

/* ---------- subscripts ---------- */

/* A point of the box: `at` is the subscript there. */
typedef struct corner {
    const poly *at;
    const char *text; /* " at i=N - 1, j=0" */
} corner;

static const char *with_coordinate(elab *e, const char *text, const poly_var *v,
                                   const poly *at)
{
    return *text
               ? arena_printf(e->arena, " at %s=%s, %s", v->name,
                              poly_text(e, at), text + strlen(" at "))
               : arena_printf(e->arena, " at %s=%s", v->name, poly_text(e, at));
}

/* Proven, or by the numbers drawn. */
static bool grows(generic *g, ends at)
{
    int64_t low = 0, high = 0;
    if (not_less(g, at.high, at.low))
        return true;
    if (not_less(g, at.low, at.high))
        return false;
    poly_value(at.low, &low);
    poly_value(at.high, &high);
    return high > low;
}

/* Each index, youngest first, at the end that gives the larger (or smaller)
 * subscript. It is a point in any case. */
static corner corner_of(elab *e, const poly *p, bool high)
{
    generic *g = e->generic;
    corner out = {.text = ""};
    for (int i = g->atoms.count - 1; p && i >= 0; i--) {
        const poly_var *v = g->atoms.data[i].var;
        ends at;
        bool last;
        if (!poly_mentions(p, v))
            continue;
        if (!v->lo || !v->hi)
            return (corner){0};
        at = at_ends(g, p, v);
        last = grows(g, at) == high;
        p = last ? at.high : at.low;
        out.text = with_coordinate(e, out.text, v, last ? v->hi : v->lo);
    }
    out.at = p;
    return out;
}

/* Every index of the subscript has a place to stand; false: one has none, so
 * the subscript never stands anywhere. */
static bool know_not_empty(elab *e, const poly *p)
{
    generic *g = e->generic;
    for (int i = 0; i < g->atoms.count; i++) {
        const poly_var *v = g->atoms.data[i].var;
        const poly *more;
        if (!v->lo || !v->hi || !poly_mentions(p, v))
            continue;
        more = poly_sub(g->all, v->hi, v->lo);
        if (more &&
            poly_proven_not_negative(
                &g->facts, poly_sub(g->all, poly_number(g->all, -1), more)))
            return false;
        poly_know_not_negative(&g->facts, more);
    }
    return true;
}

static bool leaves(elab *e, const poly *at, const poly *size, bool high)
{
    polys *all = e->generic->all;
    const poly *by = high ? poly_sub(all, at, size)
                          : poly_sub(all, poly_number(all, -1), at);
    int64_t n;
    return by && poly_proven_not_negative(&e->generic->facts, by) &&
           (!is_counted(e, by) || (poly_value(by, &n) && n >= 0));
}

static bool refuse(elab *e, const bound_check *c, const poly *p,
                   const corner *k)
{
    const ty_tensor *t = c->read->tensor;
    int64_t size = t->dims[c->axis], at;
    if (size_of_poly(e, k->at, &at))
        subscript_witness(e, at, size);
    e->proven = true;
    say_outside(e, c, poly_equal(p, k->at) ? NULL : poly_text(e, p),
                poly_text(e, k->at), k->text);
    return false;
}

/* Is the subscript's high (or low) end on the axis, or may be? */
static bool stays(elab *e, const bound_check *c, const poly *p, bool high)
{
    corner k = corner_of(e, p, high);
    const poly *size = size_poly(e, c->read->tensor->dims[c->axis]);
    return !k.at || !leaves(e, k.at, size, high) || refuse(e, c, p, &k);
}

bool generic_prove(elab *e, const bound_check *c)
{
    walk w = {.e = e, .all = e->generic->all};
    const poly *p;
    poly_mark mark = poly_facts_mark(&e->generic->facts);
    bool good;
    e->generic->atoms.count = 0;
    p = walk_expr(&w, c->read->subs[c->axis].index);
    if (w.unbounded) {
        say_unbounded(e, c);
        return false;
    }
    if (!p)
        return true;
    good = !know_not_empty(e, p) ||
           (stays(e, c, p, true) && stays(e, c, p, false));
    poly_facts_reset(&e->generic->facts, mark);
    return good;
}
