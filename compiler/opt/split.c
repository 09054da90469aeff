/*
 * split.c - sums of products become binary contractions over what they need.
 *
 * A sum over r of a product is rewritten until each remaining sum is either
 * over one group of factors (a plain reduction) or over two (a contraction):
 *
 *   distribute    (a + b) * c, where a + b varies with more than a and b do
 *   hoist         factors without r leave the sum
 *   separate      factors that share no index of r are summed apart
 *   pre-reduce    an index that only one factor has is summed there first
 *   pair          of three or more, the two whose product is cheapest go first
 *
 * Nothing is done where it would not lower the number of points visited, or
 * let a product of two be seen. Sums may come out in another order, so values
 * agree within rounding. A filter guards what it filters: where it depends on
 * r no factor leaves the sum, since a sum over nothing is 0 whatever it is
 * multiplied with.
 *
 * Needs:    folded bodies (signs outside of products).
 * Provides: no sum over a product of three operands with different indices
 *           that two sums would do cheaper.
 * Keeps:    the node, its name and shape; filters stay with the last sum.
 */
#include "opt/opt_priv.h"
#include "opt/product.h"
#include <string.h>

typedef struct splitter {
    ir_graph *g;
    ir_node *n;
    const ir_comp *comp;
    var_set reduced;
    ir_expr *filter;  /* what of the filter the reduction asks for, or NULL */
    ir_expr *guard;   /* what of it is decided outside of the sum, or NULL */
    var_set filtered; /* variables of `filter` */
} splitter;

static var_set bit(int v)
{
    return (var_set)1 << v;
}

static double extent(const splitter *s, int v)
{
    return (double)(s->comp->vars[v].hi - s->comp->vars[v].lo);
}

static double volume(const splitter *s, var_set vars)
{
    double points = 1.0;
    for (int v = 0; v < s->comp->var_count; v++)
        if (vars & bit(v))
            points *= extent(s, v);
    return points;
}

static int count_bits(var_set vars)
{
    return __builtin_popcount(vars);
}

/* What varies with these stays inside the sum when it divides. */
static var_set own_divisors(const splitter *s)
{
    return s->filter ? ~(var_set)0 : s->reduced;
}

/* ---------- a part of the sum as a node of its own ---------- */

/* Sums `e` over `over`, keeping `kept`; returns the read of the new node. */
static ir_expr *sum_node(const splitter *s, ir_expr *e, var_set kept,
                         var_set over, ir_expr *filter)
{
    ir_affine map[IR_MAX_VARS];
    ir_var vars[IR_MAX_VARS];
    ir_sub subs[IR_MAX_RANK] = {0};
    ir_comp c = {.vars = vars};
    for (int pass = 0; pass < 2; pass++) {
        for (int v = 0; v < s->comp->var_count; v++) {
            if (!((pass ? over : kept) & bit(v)))
                continue;
            ir_var var = s->comp->vars[v];
            int64_t shift = pass == 0 ? var.lo : 0;
            map[v] = ir_affine_add(s->g, ir_affine_var(s->g, c.var_count),
                                   ir_affine_const(shift));
            if (pass == 0)
                subs[c.var_count].affine =
                    ir_affine_add(s->g, ir_affine_var(s->g, v),
                                  ir_affine_const(-shift));
            vars[c.var_count++] =
                (ir_var){var.name, var.lo - shift, var.hi - shift};
        }
        if (pass == 0)
            c.out_count = c.var_count;
    }
    for (int v = 0; v < s->comp->var_count; v++)
        if (!((kept | over) & bit(v)))
            map[v] = ir_affine_const(s->comp->vars[v].lo);
    c.reduce = over ? IR_SUM : IR_MAP;
    c.body = ir_expr_substitute(s->g, e, map, NULL);
    c.filter = filter ? ir_expr_substitute(s->g, filter, map, NULL) : NULL;
    const char *name = arena_printf(s->g->arena, "%s_%s", s->n->name,
                                    over ? "sum" : "product");
    ir_node *made = ir_comprehend(s->g, name, &c, s->n->at);
    return ir_read(s->g, made, subs, c.out_count, NULL);
}

/* ---------- groups of factors ---------- */

typedef struct groups {
    int count;
    factor at[MOST_FACTORS];
} groups;

static void drop_group(groups *gs, int i)
{
    gs->at[i] = gs->at[--gs->count];
}

static factor join(const splitter *s, factor a, factor b)
{
    return (factor){ir_op2(s->g, IR_MUL_OP, a.e, b.e), a.vars | b.vars};
}

/* A factor whose indices another has too goes with the smallest such. */
static void join_subsets(const splitter *s, groups *gs)
{
    for (int i = 0; i < gs->count; i++) {
        int best = -1;
        for (int j = 0; j < gs->count; j++) {
            bool inside = j != i && (gs->at[i].vars & ~gs->at[j].vars) == 0;
            if (inside && (best < 0 || volume(s, gs->at[j].vars) <
                                           volume(s, gs->at[best].vars)))
                best = j;
        }
        if (best < 0)
            continue;
        int first = i < best ? i : best, second = i < best ? best : i;
        gs->at[first] = join(s, gs->at[first], gs->at[second]);
        for (int k = second; k + 1 < gs->count; k++)
            gs->at[k] = gs->at[k + 1];
        gs->count--;
        i = -1;
    }
}

/* Indices of the sum that only these groups have, and no filter asks for. */
static var_set private_to(const splitter *s, const groups *gs, int i, int j)
{
    var_set others = s->filtered;
    for (int k = 0; k < gs->count; k++)
        if (k != i && k != j)
            others |= gs->at[k].vars;
    return (gs->at[i].vars | gs->at[j].vars) & s->reduced & ~others;
}

static bool reduce_private(const splitter *s, groups *gs)
{
    for (int i = 0; i < gs->count && gs->count > 1; i++) {
        var_set own = private_to(s, gs, i, i);
        var_set kept = gs->at[i].vars & ~own;
        if (!own || count_bits(kept) > IR_MAX_RANK)
            continue;
        gs->at[i] = (factor){sum_node(s, gs->at[i].e, kept, own, NULL), kept};
        return true;
    }
    return false;
}

static bool join_cheapest_pair(const splitter *s, groups *gs)
{
    var_set all = 0;
    int first = -1, second = -1;
    for (int i = 0; i < gs->count; i++)
        all |= gs->at[i].vars;
    double best = volume(s, all);
    for (int i = 0; i < gs->count && gs->count > 2; i++)
        for (int j = i + 1; j < gs->count; j++) {
            var_set both = gs->at[i].vars | gs->at[j].vars;
            var_set kept = both & ~private_to(s, gs, i, j);
            if (volume(s, both) >= best || count_bits(kept) > IR_MAX_RANK)
                continue;
            best = volume(s, both);
            first = i;
            second = j;
        }
    if (first < 0)
        return false;
    factor pair = join(s, gs->at[first], gs->at[second]);
    var_set own = private_to(s, gs, first, second);
    var_set kept = pair.vars & ~own;
    gs->at[first] = (factor){sum_node(s, pair.e, kept, own, NULL), kept};
    drop_group(gs, second);
    return true;
}

static void settle_groups(const splitter *s, groups *gs)
{
    do
        join_subsets(s, gs);
    while (reduce_private(s, gs) || join_cheapest_pair(s, gs));
}

/* ---------- one product ---------- */

/* What a product is made of, seen from the sum. */
typedef struct anatomy {
    groups inner;  /* factors with an index of the sum */
    product outer; /* the others, with sign and divisors */
    var_set used;  /* by inner factors and the filter */
} anatomy;

static void dissect(const splitter *s, const product *p, anatomy *a)
{
    *a = (anatomy){.used = s->filtered};
    a->outer = *p;
    a->outer.factor_count = 0;
    for (int i = 0; i < p->factor_count; i++) {
        const factor *f = &p->factors[i];
        bool guarded = s->filter && f->e->kind != IR_EXPR_CONST;
        if (guarded || (f->vars & s->reduced)) {
            a->inner.at[a->inner.count++] = *f;
            a->used |= f->vars;
        } else {
            a->outer.factors[a->outer.factor_count++] = *f;
        }
    }
}

/* Groups connected to `seed` by indices of the sum; by a filter, all are. */
static var_set component_of(const splitter *s, const groups *gs, var_set seed)
{
    if (s->filter)
        return ~(var_set)0;
    for (bool grown = true; grown;) {
        grown = false;
        for (int i = 0; i < gs->count; i++) {
            var_set vars = gs->at[i].vars & s->reduced;
            if ((vars & seed) && (vars & ~seed)) {
                seed |= vars;
                grown = true;
            }
        }
    }
    return seed;
}

static int component_count(const splitter *s, const groups *gs)
{
    var_set seen = 0;
    int count = 0;
    for (int i = 0; i < gs->count; i++) {
        if (s->filter ? i > 0 : (gs->at[i].vars & seen & s->reduced) != 0)
            continue;
        seen |= component_of(s, gs, gs->at[i].vars & s->reduced);
        count++;
    }
    return count;
}

/* Two groups of which neither has all indices: a contraction to be. */
static bool is_contraction(const splitter *s, const groups *gs)
{
    groups merged = *gs;
    join_subsets(s, &merged);
    return merged.count >= 2;
}

static bool has_private(const splitter *s, const groups *gs)
{
    groups merged = *gs;
    join_subsets(s, &merged);
    for (int i = 0; i < merged.count && merged.count > 1; i++)
        if (private_to(s, &merged, i, i))
            return true;
    return false;
}

static var_set long_vars(const splitter *s)
{
    var_set vars = 0;
    for (int v = 0; v < s->comp->var_count; v++)
        if (extent(s, v) > 1.0)
            vars |= bit(v);
    return vars;
}

/* Does a sum over fewer points do? */
static bool shrinks(const splitter *s, const anatomy *a)
{
    return (long_vars(s) & ~a->used) != 0 ||
           component_count(s, &a->inner) > 1 || has_private(s, &a->inner);
}

static bool has_outer_tensor(const anatomy *a)
{
    for (int i = 0; i < a->outer.factor_count; i++)
        if (a->outer.factors[i].e->kind != IR_EXPR_CONST)
            return true;
    return a->outer.divisor_count > 0;
}

/* Already what it should be: one or two groups, as they stand. */
static bool is_settled(const splitter *s, const anatomy *a)
{
    if (shrinks(s, a) || has_outer_tensor(a))
        return false;
    if (!is_contraction(s, &a->inner))
        return true;
    return a->inner.count == 2 && a->outer.factor_count == 0 &&
           !a->outer.negative;
}

/* The sum of one component, as a factor over the result's indices. */
static ir_expr *sum_component(const splitter *s, const groups *gs,
                              var_set component)
{
    groups own = {0};
    var_set used = s->filtered;
    for (int i = 0; i < gs->count; i++)
        if (s->filter || (gs->at[i].vars & component))
            own.at[own.count++] = gs->at[i];
    settle_groups(s, &own);
    ir_expr *e = NULL;
    for (int i = 0; i < own.count; i++) {
        e = e ? ir_op2(s->g, IR_MUL_OP, e, own.at[i].e) : own.at[i].e;
        used |= own.at[i].vars;
    }
    return sum_node(s, e ? e : ir_real(s->g, 1.0), used & ~s->reduced,
                    used & s->reduced, s->filter);
}

static void add_factor(product *p, ir_expr *e)
{
    PTL_ASSERT(p->factor_count < MOST_FACTORS);
    p->factors[p->factor_count++] = (factor){e, opt_vars_of(e)};
}

/* The sum of the product over the result's indices. */
static ir_expr *sum_of_product(const splitter *s, const product *p)
{
    anatomy a;
    var_set seen = 0;
    dissect(s, p, &a);
    double repeats = volume(s, s->reduced & ~a.used);
    if (s->filter)
        add_factor(&a.outer, sum_component(s, &a.inner, 0));
    for (int i = 0; i < a.inner.count && !s->filter; i++) {
        var_set seed = a.inner.at[i].vars & s->reduced;
        if (seed & seen)
            continue;
        var_set component = component_of(s, &a.inner, seed);
        add_factor(&a.outer, sum_component(s, &a.inner, component));
        seen |= component;
    }
    if (repeats != 1.0)
        add_factor(&a.outer, ir_real(s->g, repeats));
    ir_expr *value = opt_product_expr(s->g, &a.outer);
    return s->guard ? ir_select(s->g, s->guard, value, ir_real(s->g, 0.0))
                    : value;
}

/* ---------- distributing ---------- */

typedef struct terms {
    int count;
    product at[MOST_TERMS];
} terms;

static void multiply(product *to, const product *by)
{
    to->negative ^= by->negative;
    for (int i = 0; i < by->factor_count; i++)
        to->factors[to->factor_count++] = by->factors[i];
    for (int i = 0; i < by->divisor_count; i++)
        to->divisors[to->divisor_count++] = by->divisors[i];
}

static bool term_product(const splitter *s, const product *rest, ir_expr *term,
                         product *out)
{
    product own;
    if (!opt_product_of(s->g, term, own_divisors(s), &own) ||
        own.factor_count + rest->factor_count > MOST_FACTORS - 4 ||
        own.divisor_count + rest->divisor_count > MOST_FACTORS)
        return false;
    *out = *rest;
    multiply(out, &own);
    return true;
}

/* Is each of these sums a contraction, or over fewer points? */
static bool all_gain(const splitter *s, const terms *ts)
{
    for (int i = 0; i < ts->count; i++) {
        anatomy a;
        dissect(s, &ts->at[i], &a);
        if (!shrinks(s, &a) && !is_contraction(s, &a.inner))
            return false;
    }
    return true;
}

/* Multiplies out one factor that is a sum, where every term gains by it and
 * the product as it stands is no contraction. */
static bool distribute(const splitter *s, const product *p, terms *out)
{
    anatomy a;
    dissect(s, p, &a);
    if (is_contraction(s, &a.inner))
        return false;
    for (int i = 0; i < p->factor_count; i++) {
        ir_expr *parts[MOST_TERMS];
        product rest = *p;
        int count;
        if (!opt_terms_of(s->g, p->factors[i].e, parts, &count) || count < 2)
            continue;
        rest.factors[i] = rest.factors[--rest.factor_count];
        out->count = 0;
        for (int k = 0; k < count; k++) {
            if (!term_product(s, &rest, parts[k], &out->at[k]))
                break;
            out->count++;
        }
        if (out->count == count && all_gain(s, out))
            return true;
    }
    return false;
}

/* Removes `e` from the factors; false: it is none of them. */
static bool remove_factor(product *p, const ir_expr *e)
{
    for (int k = 0; k < p->factor_count; k++)
        if (p->factors[k].e == e) {
            for (; k + 1 < p->factor_count; k++)
                p->factors[k] = p->factors[k + 1];
            p->factor_count--;
            return true;
        }
    return false;
}

/* a*x + b*x = (a + b)*x, for every factor that is in all terms. */
static ir_expr *take_out_common(const splitter *s, ir_expr *body)
{
    ir_expr *parts[MOST_TERMS];
    product ps[MOST_TERMS], common = {0};
    int count;
    if (!opt_terms_of(s->g, body, parts, &count) || count < 2)
        return body;
    for (int i = 0; i < count; i++)
        if (!opt_product_of(s->g, parts[i], own_divisors(s), &ps[i]))
            return body;
    for (int f = ps[0].factor_count - 1; f >= 0; f--) {
        const factor shared = ps[0].factors[f];
        product rest[MOST_TERMS];
        bool everywhere = shared.vars != 0;
        memcpy(rest, ps, sizeof rest);
        for (int i = 0; i < count && everywhere; i++)
            everywhere = remove_factor(&rest[i], shared.e);
        if (!everywhere)
            continue;
        memcpy(ps, rest, sizeof rest);
        common.factors[common.factor_count++] = shared;
    }
    if (common.factor_count == 0)
        return body;
    ir_expr *sum = NULL;
    for (int i = 0; i < count; i++) {
        ir_expr *rest = opt_product_expr(s->g, &ps[i]);
        sum = sum ? ir_op2(s->g, IR_ADD_OP, sum, rest) : rest;
    }
    return ir_op2(s->g, IR_MUL_OP, sum, opt_product_expr(s->g, &common));
}

/* ---------- the pass ---------- */

/* -(a * b) under a sum is (-a) * b: still a product, and no bit changes. */
static void move_sign_inside(const splitter *s, product *p)
{
    int best = -1;
    for (int i = 0; i < p->factor_count; i++)
        if (p->factors[i].e->kind != IR_EXPR_CONST &&
            (best < 0 || volume(s, p->factors[i].vars) <
                             volume(s, p->factors[best].vars)))
            best = i;
    if (best < 0 || !p->negative)
        return;
    p->factors[best].e = ir_op1(s->g, IR_NEG_OP, p->factors[best].e);
    p->negative = false;
}

static void become_map(ir_node *n, ir_expr *body)
{
    n->comp.reduce = IR_MAP;
    n->comp.var_count = n->comp.out_count;
    n->comp.filter = NULL;
    n->comp.body = body;
}

/* Where the new map only reads one new sum as it is, the sum moves in. */
static void become(const splitter *s, ir_expr *value)
{
    ir_node *made = value->kind == IR_EXPR_READ ? value->node : NULL;
    bool same = made && made->kind == IR_COMP &&
                made->id == s->g->nodes.count - 1 &&
                value == ir_read_plain(s->g, made, 0) &&
                made->type.rank == s->n->type.rank;
    if (same)
        s->n->comp = made->comp;
    else
        become_map(s->n, value);
}

static bool is_candidate(const ir_node *n)
{
    const ir_comp *c = &n->comp;
    if (c->reduce != IR_SUM || n->type.kind != IR_REAL ||
        c->var_count == c->out_count)
        return false;
    return ir_volume(c) > 0;
}

static ir_expr *both(ir_graph *g, ir_expr *a, ir_expr *b)
{
    return a ? ir_op2(g, IR_AND_OP, a, b) : b;
}

static void split_filter(splitter *s, ir_expr *filter)
{
    if (filter->kind == IR_EXPR_OP && filter->op == IR_AND_OP) {
        split_filter(s, filter->args[0]);
        split_filter(s, filter->args[1]);
    } else if (opt_vars_of(filter) & s->reduced) {
        s->filter = both(s->g, s->filter, filter);
        s->filtered |= opt_vars_of(filter);
    } else {
        s->guard = both(s->g, s->guard, filter);
    }
}

static void split_comp(ir_graph *g, ir_node *n)
{
    ir_comp comp = n->comp;
    splitter s = {.g = g, .n = n, .comp = &comp};
    product p;
    terms ts;
    anatomy a;
    if (!is_candidate(n))
        return;
    for (int v = comp.out_count; v < comp.var_count; v++)
        s.reduced |= bit(v);
    if (comp.filter)
        split_filter(&s, comp.filter);
    comp.body = take_out_common(&s, comp.body);
    if (!opt_product_of(g, comp.body, own_divisors(&s), &p) ||
        p.factor_count > MOST_FACTORS - 4)
        return;
    if (distribute(&s, &p, &ts)) {
        ir_expr *sum = NULL;
        for (int i = 0; i < ts.count; i++) {
            ir_expr *part = sum_of_product(&s, &ts.at[i]);
            sum = sum ? ir_op2(g, IR_ADD_OP, sum, part) : part;
        }
        become_map(n, sum);
        return;
    }
    dissect(&s, &p, &a);
    if (p.negative && !shrinks(&s, &a) && !has_outer_tensor(&a)) {
        move_sign_inside(&s, &p);
        comp.body = opt_product_expr(g, &p);
        dissect(&s, &p, &a);
    }
    if (is_settled(&s, &a))
        n->comp.body = comp.body;
    else
        become(&s, sum_of_product(&s, &p));
}

/* Bodies of scans stay: their nodes have no outputs to be ordered by. */
void opt_split(ir_graph *g)
{
    int count = g->nodes.count;
    for (int i = 0; i < count; i++)
        if (g->nodes.data[i]->kind == IR_COMP)
            split_comp(g, g->nodes.data[i]);
    ir_prune(g);
}
