/*
 * poly_facts.c - proofs that a polynomial is not negative, and examples.
 *
 * A proof works on the youngest atom first: an index, or a floor of older
 * atoms, goes out by its ends; what is left is about sizes, where each is its
 * lower end and a number that is not negative, and a sum of what is not
 * negative is proven.
 */
#include "lang/poly_facts.h"
#include <string.h>

enum {
    MAX_STEPS = 600, /* of one proof */
    MAX_USES = 3,    /* of facts, one after the other */
    MAX_PASSES = 8,  /* of rules over a polynomial */
};

typedef struct proof {
    poly_facts *facts;
    polys *all;
    int steps;
} proof;

void poly_facts_init(poly_facts *f, ptl_arena *arena, polys *all)
{
    memset(f, 0, sizeof *f);
    f->arena = arena;
    f->all = all;
}

poly_mark poly_facts_mark(const poly_facts *f)
{
    return (poly_mark){f->not_negative.count, f->rules.count};
}

void poly_facts_reset(poly_facts *f, poly_mark to)
{
    f->not_negative.count = to.not_negative;
    f->rules.count = to.rules;
}

/* ---------- rules ---------- */

/* t / lead; false: lead does not divide it. */
static bool over_lead(const poly_term *t, const poly_term *lead, poly_term *q)
{
    return poly_without_atoms(t, lead, t->coef, q);
}

static const poly *of_term(polys *all, const poly_term *t)
{
    poly_term own = *t;
    poly one = {.count = 1, .terms = &own};
    return poly_scale(all, &one, 1);
}

static const poly *rewritten(polys *all, const poly *p, const poly_rule *r)
{
    const poly *out = poly_number(all, 0);
    poly_term q;
    if (r->var)
        return poly_mentions(p, r->var) ? poly_put(all, p, r->var, r->rest) : p;
    for (int i = 0; i < p->count; i++) {
        const poly_term *t = &p->terms[i];
        out = poly_add(all, out,
                       over_lead(t, &r->lead, &q)
                           ? poly_mul(all, of_term(all, &q), r->rest)
                           : of_term(all, t));
    }
    return out;
}

static const poly *reduced(const poly_facts *f, const poly *p)
{
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        const poly *before = p;
        for (int i = 0; p && i < f->rules.count; i++)
            p = rewritten(f->all, p, &f->rules.data[i]);
        if (!p || poly_equal(p, before))
            return p;
    }
    return p;
}

static bool has_floor(const poly_term *t)
{
    for (int i = 0; i < t->degree; i++)
        if (!t->atoms[i]->var)
            return true;
    return false;
}

/* p - t, times -1 / coef: what the product of t equals; coef is 1 or -1. */
static const poly *solved(polys *all, const poly *p, const poly_term *t)
{
    return poly_scale(all, poly_sub(all, p, of_term(all, t)), -t->coef);
}

static bool rule_for(polys *all, const poly *p, const poly_term *t,
                     poly_rule *out)
{
    if (t->coef != 1 && t->coef != -1)
        return false;
    out->rest = solved(all, p, t);
    out->var = t->degree == 1 ? t->atoms[0]->var : NULL;
    out->lead = *t;
    out->lead.coef = 1;
    if (out->var)
        return out->rest && !poly_mentions(out->rest, out->var);
    return out->rest && has_floor(t);
}

/* The youngest variable that stands alone, or a product with a floor. */
void poly_know_zero(poly_facts *f, const poly *p)
{
    poly_rule best = {0}, r;
    bool found = false;
    p = p ? reduced(f, p) : NULL;
    if (!p)
        return;
    for (int i = 0; i < p->count; i++) {
        if (!rule_for(f->all, p, &p->terms[i], &r))
            continue;
        if (!found ||
            (r.var && (!best.var || r.var->atom->id > best.var->atom->id)))
            best = r;
        found = true;
    }
    if (found) {
        vec_push(f->arena, &f->rules, best);
        return;
    }
    poly_know_not_negative(f, p);
    poly_know_not_negative(f, poly_scale(f->all, p, -1));
}

void poly_know_not_negative(poly_facts *f, const poly *p)
{
    if (p)
        vec_push(f->arena, &f->not_negative, p);
}

/* ---------- proofs ---------- */

static bool prove(proof *r, const poly *p, int uses);

static bool is_positive(proof *r, const poly *p)
{
    return prove(r, poly_sub(r->all, p, poly_number(r->all, 1)), 0);
}

/* Where every variable is its lower end plus what is not negative. */
static const poly *from_lower_ends(polys *all, const poly *p)
{
    const poly *out = poly_number(all, 0);
    int64_t unused;
    for (int i = 0; i < p->count; i++) {
        const poly *t = poly_number(all, p->terms[i].coef);
        for (int j = 0; j < p->terms[i].degree; j++) {
            const poly_atom *a = p->terms[i].atoms[j];
            poly_term one = {.coef = 1, .degree = 1, .atoms = {a}};
            const poly *x = of_term(all, &one);
            if (a->var && poly_is_number(a->var->lo, &unused))
                x = poly_add(all, x, a->var->lo);
            t = poly_mul(all, t, x);
        }
        out = poly_add(all, out, t);
    }
    return out;
}

static bool atom_not_negative(proof *r, const poly_atom *a)
{
    int64_t unused;
    if (a->var)
        return poly_is_number(a->var->lo, &unused); /* the lower end is out */
    return is_positive(r, a->bottom) && prove(r, a->top, 0);
}

static bool plainly_not_negative(proof *r, const poly *p)
{
    p = from_lower_ends(r->all, p);
    if (!p)
        return false;
    for (int i = 0; i < p->count; i++)
        if (p->terms[i].coef < 0)
            return false;
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < p->terms[i].degree; j++)
            if (!atom_not_negative(r, p->terms[i].atoms[j]))
                return false;
    return true;
}

static const poly_atom *youngest_between_ends(const poly *p)
{
    const poly_atom *best = NULL;
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < p->terms[i].degree; j++) {
            const poly_atom *a = p->terms[i].atoms[j];
            if ((!a->var || (a->var->lo && a->var->hi)) &&
                (!best || a->id > best->id))
                best = a;
        }
    return best;
}

static bool atom_within(const poly *p, const poly_atom *a)
{
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < p->terms[i].degree; j++) {
            const poly_atom *b = p->terms[i].atoms[j];
            if (b == a || (!b->var && (atom_within(b->top, a) ||
                                       atom_within(b->bottom, a))))
                return true;
        }
    return false;
}

/* p = factor * atom + rest, both without the atom; false: it is not so. */
static bool affine(polys *all, const poly *p, const poly_atom *a,
                   const poly **factor, const poly **rest)
{
    poly_term lead = {.coef = 1, .degree = 1, .atoms = {a}}, q;
    *factor = *rest = poly_number(all, 0);
    for (int i = 0; i < p->count; i++) {
        bool in = over_lead(&p->terms[i], &lead, &q);
        const poly **to = in ? factor : rest;
        *to = poly_add(all, *to, of_term(all, in ? &q : &p->terms[i]));
        if (!*to)
            return false;
    }
    return !atom_within(*factor, a) && !atom_within(*rest, a);
}

/* Affine in a variable: least at one of its ends. */
static bool at_both_ends(proof *r, const poly_var *v, const poly *factor,
                         const poly *rest, int uses)
{
    const poly *ends[2] = {v->lo, v->hi};
    for (int i = 0; i < 2; i++)
        if (!prove(r, poly_add(r->all, poly_mul(r->all, factor, ends[i]), rest),
                   uses))
            return false;
    return true;
}

/* q*f lies in top - q + 1 .. top, and an integer p is not negative where
 * q*p + q - 1 is not. */
static bool over_floor(proof *r, const poly_atom *a, const poly *factor,
                       const poly *rest, int uses)
{
    polys *all = r->all;
    const poly *q = a->bottom, *slack = poly_sub(all, q, poly_number(all, 1));
    const poly *base, *high, *low;
    if (!is_positive(r, q))
        return false;
    base = poly_add(all, poly_mul(all, q, rest), slack);
    high = poly_add(all, poly_mul(all, factor, a->top), base);
    if (!prove(r, high, uses))
        return false;
    low = poly_sub(all, high, poly_mul(all, factor, slack));
    return prove(r, low, uses) ||
           (prove(r, a->top, uses) && prove(r, rest, uses));
}

static bool by_ends(proof *r, const poly *p, int uses)
{
    const poly_atom *a = youngest_between_ends(p);
    const poly *factor, *rest;
    if (!a || !affine(r->all, p, a, &factor, &rest))
        return false;
    return a->var ? at_both_ends(r, a->var, factor, rest, uses)
                  : over_floor(r, a, factor, rest, uses);
}

static int64_t coef_of(const poly *p, const poly_term *product)
{
    poly_term q;
    for (int i = 0; i < p->count; i++)
        if (p->terms[i].degree == product->degree &&
            over_lead(&p->terms[i], product, &q))
            return p->terms[i].coef;
    return 0;
}

/* Nothing is known of the sign of what it multiplies. */
static bool has_no_lower_end(const poly_term *t)
{
    int64_t unused;
    for (int i = 0; i < t->degree; i++)
        if (t->atoms[i]->var && !poly_is_number(t->atoms[i]->var->lo, &unused))
            return true;
    return false;
}

/* Takes away as much of a fact as cancels a term: one that is negative, or may
 * be. */
static bool by_fact(proof *r, const poly *p, const poly *fact, int uses)
{
    for (int i = 0; i < p->count; i++) {
        const poly_term *t = &p->terms[i];
        int64_t by = t->coef, c = t->degree ? coef_of(fact, t) : 0;
        if (by > 0 && !has_no_lower_end(t))
            continue;
        if (c == 0 || (c < 0) != (by < 0) || c == INT64_MIN || by == INT64_MIN)
            continue;
        if (prove(r,
                  poly_sub(r->all, poly_scale(r->all, p, c < 0 ? -c : c),
                           poly_scale(r->all, fact, by < 0 ? -by : by)),
                  uses - 1))
            return true;
    }
    return false;
}

static bool prove(proof *r, const poly *p, int uses)
{
    int64_t n;
    p = p ? reduced(r->facts, p) : NULL;
    if (!p || ++r->steps > MAX_STEPS)
        return false;
    if (poly_is_number(p, &n))
        return n >= 0;
    if (plainly_not_negative(r, p))
        return true;
    for (int i = 0; uses > 0 && i < r->facts->not_negative.count; i++)
        if (by_fact(r, p, r->facts->not_negative.data[i], uses))
            return true;
    return by_ends(r, p, uses);
}

bool poly_proven_not_negative(poly_facts *f, const poly *p)
{
    proof r = {.facts = f, .all = f->all};
    return prove(&r, p, MAX_USES);
}

/* ---------- comparing ---------- */

static bool is_rigid(const poly *p)
{
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < p->terms[i].degree; j++)
            if (!p->terms[i].atoms[j]->var || p->terms[i].atoms[j]->var->vague)
                return false;
    return true;
}

poly_verdict poly_compare(poly_facts *f, const poly *a, const poly *b)
{
    const poly *one = poly_number(f->all, 1);
    const poly *d = poly_sub(f->all, a, b);
    d = d ? reduced(f, d) : NULL;
    if (!d)
        return POLY_MAYBE;
    if (d->count == 0)
        return POLY_SAME;
    if (is_rigid(d) || poly_proven_not_negative(f, poly_sub(f->all, d, one)) ||
        poly_proven_not_negative(
            f, poly_sub(f->all, poly_scale(f->all, d, -1), one)))
        return POLY_OTHER;
    return POLY_MAYBE;
}

/* ---------- examples ---------- */

enum { MOST_ABOVE = 12, MAX_TRIES = 200000 };

typedef struct search {
    poly_facts *facts;
    poly_example *out;
    const poly *goal;
    int tries;
} search;

/* False: there are too many. */
static bool collect(search *s, const poly *p)
{
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < p->terms[i].degree; j++) {
            const poly_atom *a = p->terms[i].atoms[j];
            bool known = false;
            if (!a->var) {
                if (!collect(s, a->top) || !collect(s, a->bottom))
                    return false;
                continue;
            }
            for (int k = 0; k < s->out->count; k++)
                known |= s->out->vars[k] == a->var;
            if (!known && s->out->count == POLY_EXAMPLE_VARS)
                return false;
            if (!known)
                s->out->vars[s->out->count++] = a->var;
        }
    return true;
}

static bool touches(const search *s, const poly *p)
{
    for (int k = 0; k < s->out->count; k++)
        if (poly_mentions(p, s->out->vars[k]))
            return true;
    return false;
}

/* An equation as a polynomial that is 0. */
static const poly *equation(polys *all, const poly_rule *r)
{
    return poly_sub(all, of_term(all, &r->lead), r->rest);
}

/* Facts about the goal's variables bring in others, which facts are about. */
static bool collect_all(search *s, const poly *a, const poly *b)
{
    const poly_facts *f = s->facts;
    int before = -1;
    if (!collect(s, s->goal) || (a && !collect(s, a)) || (b && !collect(s, b)))
        return false;
    while (before != s->out->count) {
        before = s->out->count;
        for (int i = 0; i < f->not_negative.count; i++)
            if (touches(s, f->not_negative.data[i]) &&
                !collect(s, f->not_negative.data[i]))
                return false;
        for (int i = 0; i < f->rules.count; i++) {
            const poly *p = equation(f->all, &f->rules.data[i]);
            if (p && touches(s, p) && !collect(s, p))
                return false;
        }
    }
    return true;
}

static bool holds(const search *s)
{
    const poly_facts *f = s->facts;
    int64_t n;
    if (!poly_value(s->goal, &n) || n < 0)
        return false;
    for (int i = 0; i < f->not_negative.count; i++)
        if (touches(s, f->not_negative.data[i]) &&
            (!poly_value(f->not_negative.data[i], &n) || n < 0))
            return false;
    for (int i = 0; i < f->rules.count; i++) {
        const poly *p = equation(f->all, &f->rules.data[i]);
        if (p && touches(s, p) && (!poly_value(p, &n) || n != 0))
            return false;
    }
    return true;
}

/* The values of variables from `at` on, at most `above` over their ends, one
 * of them by that much (`reached`: there is one). */
static bool try_from(search *s, int at, int64_t above, bool reached)
{
    poly_var *v;
    int64_t lo = 1, hi;
    if (s->tries++ > MAX_TRIES)
        return false;
    if (at == s->out->count)
        return (reached || above == 0) && holds(s);
    v = s->out->vars[at];
    if (!poly_is_number(v->lo, &lo) && v->lo)
        return false;
    if (!poly_is_number(v->hi, &hi) || hi - lo > above)
        hi = lo + above;
    for (int64_t n = lo; n <= hi; n++) {
        v->value = n;
        if (try_from(s, at + 1, above, reached || n - lo == above))
            return true;
    }
    return false;
}

bool poly_find_example(poly_facts *f, const poly *goal, const poly *a,
                       const poly *b, poly_example *out)
{
    search s = {.facts = f, .out = out, .goal = goal};
    int64_t saved[POLY_EXAMPLE_VARS];
    bool found = false;
    *out = (poly_example){.count = 0};
    if (!goal || !collect_all(&s, a, b))
        return false;
    for (int i = 0; i < out->count; i++)
        saved[i] = out->vars[i]->value;
    for (int64_t above = 0; above <= MOST_ABOVE && !found; above++)
        found = try_from(&s, 0, above, false);
    for (int i = 0; i < out->count; i++) {
        out->values[i] = out->vars[i]->value;
        out->vars[i]->value = saved[i];
    }
    return found;
}

void poly_example_swap(poly_example *x)
{
    for (int i = 0; i < x->count; i++) {
        int64_t n = x->vars[i]->value;
        x->vars[i]->value = x->values[i];
        x->values[i] = n;
    }
}
