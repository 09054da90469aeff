/*
 * poly.c - canonical polynomials: terms are kept sorted and merged, atoms are
 * interned, so that equal means equal pointers of atoms term by term.
 */
#include "lang/poly.h"
#include "base/integer.h"
#include <string.h>

struct polys {
    ptl_arena *arena;
    VEC(poly_atom *) atoms;
};

/* A polynomial being made: terms in any order. */
typedef struct sum {
    poly_term terms[POLY_MAX_TERMS];
    int count;
    bool failed;
} sum;

polys *polys_new(ptl_arena *arena)
{
    polys *all = ARENA_NEW(arena, polys);
    all->arena = arena;
    return all;
}

/* ---------- terms ---------- */

/* The order they are written in: high degrees first, constants last. */
static int order(const poly_term *a, const poly_term *b)
{
    if (a->degree != b->degree)
        return b->degree - a->degree;
    for (int i = 0; i < a->degree; i++)
        if (a->atoms[i] != b->atoms[i])
            return a->atoms[i]->id - b->atoms[i]->id;
    return 0;
}

static void add_term(sum *s, const poly_term *t)
{
    int at = 0;
    while (at < s->count && order(&s->terms[at], t) < 0)
        at++;
    if (at < s->count && order(&s->terms[at], t) == 0) {
        poly_term *own = &s->terms[at];
        s->failed |= __builtin_add_overflow(own->coef, t->coef, &own->coef);
        if (own->coef == 0)
            memmove(own, own + 1, sizeof *own * (size_t)(--s->count - at));
        return;
    }
    if (s->count == POLY_MAX_TERMS || t->coef == 0) {
        s->failed |= t->coef != 0;
        return;
    }
    memmove(&s->terms[at + 1], &s->terms[at],
            sizeof *s->terms * (size_t)(s->count++ - at));
    s->terms[at] = *t;
}

static void add_scaled(sum *s, const poly *a, int64_t by)
{
    for (int i = 0; i < a->count; i++) {
        poly_term t = a->terms[i];
        s->failed |= __builtin_mul_overflow(t.coef, by, &t.coef);
        add_term(s, &t);
    }
}

static const poly *finish(polys *all, const sum *s)
{
    poly *p;
    if (s->failed)
        return NULL;
    p = ARENA_NEW(all->arena, poly);
    p->count = s->count;
    p->terms = ARENA_ARRAY(all->arena, poly_term, s->count + 1);
    memcpy(p->terms, s->terms, sizeof *p->terms * (size_t)s->count);
    return p;
}

static const poly *of_term(polys *all, const poly_term *t)
{
    sum s = {.count = 0};
    add_term(&s, t);
    return finish(all, &s);
}

static const poly *of_atom(polys *all, const poly_atom *a)
{
    poly_term t = {.coef = 1, .degree = 1, .atoms = {a}};
    return of_term(all, &t);
}

/* ---------- atoms ---------- */

static poly_atom *atom_new(polys *all)
{
    poly_atom *a = ARENA_NEW(all->arena, poly_atom);
    a->id = all->atoms.count;
    vec_push(all->arena, &all->atoms, a);
    return a;
}

poly_var *poly_var_new(polys *all, const char *name)
{
    poly_var *v = ARENA_NEW(all->arena, poly_var);
    poly_atom *a = atom_new(all);
    v->name = name;
    v->atom = a;
    a->var = v;
    return v;
}

static const poly *floor_atom(polys *all, const poly *top, const poly *bottom)
{
    poly_atom *a;
    for (int i = 0; i < all->atoms.count; i++) {
        a = all->atoms.data[i];
        if (!a->var && poly_equal(a->top, top) && poly_equal(a->bottom, bottom))
            return of_atom(all, a);
    }
    a = atom_new(all);
    a->top = top;
    a->bottom = bottom;
    return of_atom(all, a);
}

/* ---------- sums and products ---------- */

const poly *poly_number(polys *all, int64_t n)
{
    poly_term t = {.coef = n};
    return of_term(all, &t);
}

const poly *poly_of(polys *all, const poly_var *v)
{
    return of_atom(all, v->atom);
}

static const poly *combine(polys *all, const poly *a, const poly *b, int64_t by)
{
    sum s = {.count = 0};
    if (!a || !b)
        return NULL;
    add_scaled(&s, a, 1);
    add_scaled(&s, b, by);
    return finish(all, &s);
}

const poly *poly_add(polys *all, const poly *a, const poly *b)
{
    return combine(all, a, b, 1);
}

const poly *poly_sub(polys *all, const poly *a, const poly *b)
{
    return combine(all, a, b, -1);
}

const poly *poly_scale(polys *all, const poly *a, int64_t by)
{
    sum s = {.count = 0};
    if (!a)
        return NULL;
    add_scaled(&s, a, by);
    return finish(all, &s);
}

static void add_product(sum *s, const poly_term *a, const poly_term *b)
{
    poly_term t = {.degree = a->degree + b->degree};
    int i = 0, j = 0;
    if (t.degree > POLY_MAX_DEGREE ||
        __builtin_mul_overflow(a->coef, b->coef, &t.coef)) {
        s->failed = true;
        return;
    }
    for (int k = 0; k < t.degree; k++) {
        bool first = j == b->degree ||
                     (i < a->degree && a->atoms[i]->id <= b->atoms[j]->id);
        t.atoms[k] = first ? a->atoms[i++] : b->atoms[j++];
    }
    add_term(s, &t);
}

const poly *poly_mul(polys *all, const poly *a, const poly *b)
{
    sum s = {.count = 0};
    if (!a || !b)
        return NULL;
    for (int i = 0; i < a->count; i++)
        for (int j = 0; j < b->count; j++)
            add_product(&s, &a->terms[i], &b->terms[j]);
    return finish(all, &s);
}

/* ---------- division ---------- */

bool poly_without_atoms(const poly_term *a, const poly_term *b, int64_t coef,
                        poly_term *q)
{
    int j = 0;
    *q = (poly_term){.coef = coef};
    for (int i = 0; i < a->degree; i++) {
        if (j < b->degree && a->atoms[i] == b->atoms[j])
            j++;
        else
            q->atoms[q->degree++] = a->atoms[i];
    }
    return j == b->degree;
}

/* a = q * b for one term each; false: b does not divide a. */
static bool term_over(const poly_term *a, const poly_term *b, poly_term *q)
{
    if (b->coef == -1 ? a->coef == INT64_MIN : a->coef % b->coef != 0)
        return false;
    return poly_without_atoms(a, b, a->coef / b->coef, q);
}

/* a = out * b exactly, by the leading terms; NULL: it is not so. */
static const poly *exactly(polys *all, const poly *a, const poly *b)
{
    const poly *q = poly_number(all, 0);
    for (int i = 0; i < POLY_MAX_TERMS && a && a->count > 0; i++) {
        poly_term t;
        const poly *step;
        if (!term_over(&a->terms[0], &b->terms[0], &t))
            return NULL;
        step = of_term(all, &t);
        q = poly_add(all, q, step);
        a = poly_sub(all, a, poly_mul(all, step, b));
    }
    return a && a->count == 0 ? q : NULL;
}

/* Splits a = out * b + rest where b is one term. By a number, what is left of
 * a coefficient lies in 0..|b|. */
static bool split(polys *all, const poly *a, const poly_term *b,
                  const poly **out, const poly **rest)
{
    sum whole = {.count = 0}, left = {.count = 0};
    for (int i = 0; i < a->count; i++) {
        poly_term t = a->terms[i], q;
        if (b->degree == 0 && b->coef > 0) {
            q = t;
            q.coef = int_floor_div(t.coef, b->coef);
            t.coef -= q.coef * b->coef;
            add_term(&whole, &q);
            add_term(&left, &t);
        } else if (term_over(&t, b, &q)) {
            add_term(&whole, &q);
        } else {
            add_term(&left, &t);
        }
    }
    *out = finish(all, &whole);
    *rest = finish(all, &left);
    return *out && *rest;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Of the coefficients of variables; all are positive here. */
static int64_t common(const poly *a, int64_t with)
{
    for (int i = 0; i < a->count; i++)
        if (a->terms[i].degree > 0)
            with = gcd(with, a->terms[i].coef);
    return with;
}

/* floor((floor(p / c) + k) / n) = floor((p + k*c) / (c*n)). */
static bool nested(polys *all, const poly **a, int64_t *n)
{
    const poly *p = *a;
    int64_t c, k = p->count == 2 ? p->terms[1].coef : 0;
    const poly_atom *in;
    if (p->count < 1 || p->count > 2 || p->terms[0].degree != 1 ||
        p->terms[0].coef != 1 || (p->count == 2 && p->terms[1].degree != 0))
        return false;
    in = p->terms[0].atoms[0];
    if (in->var || !poly_is_number(in->bottom, &c) ||
        __builtin_mul_overflow(k, c, &k) || __builtin_mul_overflow(*n, c, n))
        return false;
    *a = poly_add(all, in->top, poly_number(all, k));
    return *a != NULL;
}

/* What a number n > 0 does not divide, each coefficient in 0..n. */
static const poly *floor_rest(polys *all, const poly *a, int64_t n)
{
    int64_t by = common(a, n), c;
    sum s = {.count = 0};
    if (poly_is_number(a, &c))
        return poly_number(all, int_floor_div(c, n));
    for (int i = 0; i < a->count; i++) {
        poly_term t = a->terms[i];
        t.coef = int_floor_div(t.coef, by);
        add_term(&s, &t);
    }
    a = finish(all, &s);
    n /= by;
    if (n == 1 || !a)
        return a;
    if (nested(all, &a, &n))
        return poly_floor(all, a, poly_number(all, n));
    return floor_atom(all, a, poly_number(all, n));
}

const poly *poly_floor(polys *all, const poly *a, const poly *b)
{
    const poly *whole, *rest;
    int64_t n;
    if (!a || !b || b->count == 0)
        return NULL;
    if (poly_is_number(b, &n) && n < 0)
        return n == INT64_MIN ? NULL
                              : poly_floor(all, poly_scale(all, a, -1),
                                           poly_number(all, -n));
    whole = exactly(all, a, b);
    if (whole)
        return whole;
    if (b->count > 1)
        return floor_atom(all, a, b);
    if (!split(all, a, &b->terms[0], &whole, &rest))
        return NULL;
    rest = poly_is_number(b, &n) ? floor_rest(all, rest, n)
                                 : floor_atom(all, rest, b);
    return poly_add(all, whole, rest);
}

const poly *poly_ceil(polys *all, const poly *a, const poly *b)
{
    const poly *more = poly_sub(all, b, poly_number(all, 1));
    return poly_floor(all, poly_add(all, a, more), b);
}

const poly *poly_mod(polys *all, const poly *a, const poly *b)
{
    return poly_sub(all, a, poly_mul(all, b, poly_floor(all, a, b)));
}

/* ---------- substitution ---------- */

static const poly *put_atom(polys *all, const poly_atom *a, const poly_var *v,
                            const poly *by)
{
    if (a->var)
        return a->var == v ? by : of_atom(all, a);
    if (!poly_mentions(a->top, v) && !poly_mentions(a->bottom, v))
        return of_atom(all, a);
    return poly_floor(all, poly_put(all, a->top, v, by),
                      poly_put(all, a->bottom, v, by));
}

const poly *poly_put(polys *all, const poly *a, const poly_var *v,
                     const poly *by)
{
    const poly *out = poly_number(all, 0);
    if (!a || !by)
        return NULL;
    for (int i = 0; i < a->count; i++) {
        const poly *t = poly_number(all, a->terms[i].coef);
        for (int j = 0; j < a->terms[i].degree; j++)
            t = poly_mul(all, t, put_atom(all, a->terms[i].atoms[j], v, by));
        out = poly_add(all, out, t);
    }
    return out;
}

/* ---------- questions ---------- */

bool poly_equal(const poly *a, const poly *b)
{
    if (!a || !b || a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->terms[i].coef != b->terms[i].coef ||
            order(&a->terms[i], &b->terms[i]) != 0)
            return false;
    return true;
}

bool poly_is_number(const poly *a, int64_t *n)
{
    if (!a || a->count > 1 || (a->count == 1 && a->terms[0].degree > 0))
        return false;
    *n = a->count ? a->terms[0].coef : 0;
    return true;
}

static bool atom_mentions(const poly_atom *a, const poly_var *v)
{
    return a->var ? a->var == v
                  : poly_mentions(a->top, v) || poly_mentions(a->bottom, v);
}

bool poly_mentions(const poly *a, const poly_var *v)
{
    for (int i = 0; a && i < a->count; i++)
        for (int j = 0; j < a->terms[i].degree; j++)
            if (atom_mentions(a->terms[i].atoms[j], v))
                return true;
    return false;
}

static bool atom_value(const poly_atom *a, int64_t *out)
{
    int64_t top, bottom;
    if (a->var) {
        *out = a->var->value;
        return true;
    }
    if (!poly_value(a->top, &top) || !poly_value(a->bottom, &bottom) ||
        bottom == 0 || (bottom == -1 && top == INT64_MIN))
        return false;
    *out = int_floor_div(top, bottom);
    return true;
}

bool poly_value(const poly *a, int64_t *out)
{
    int64_t total = 0;
    if (!a)
        return false;
    for (int i = 0; i < a->count; i++) {
        int64_t t = a->terms[i].coef, x;
        for (int j = 0; j < a->terms[i].degree; j++)
            if (!atom_value(a->terms[i].atoms[j], &x) ||
                __builtin_mul_overflow(t, x, &t))
                return false;
        if (__builtin_add_overflow(total, t, &total))
            return false;
    }
    *out = total;
    return true;
}

/* ---------- text ---------- */

static void print_part(const poly *a, ptl_str *out)
{
    bool plain = a->count == 1 && a->terms[0].degree <= 1 &&
                 (a->terms[0].degree == 0 || a->terms[0].coef == 1) &&
                 a->terms[0].coef >= 0;
    str_add(out, plain ? "" : "(");
    poly_print(a, out);
    str_add(out, plain ? "" : ")");
}

/* Within a product a quotient stands in parentheses. */
static void print_atom(const poly_atom *a, bool alone, ptl_str *out)
{
    if (a->var) {
        str_add(out, a->var->name);
        return;
    }
    str_add(out, alone ? "" : "(");
    print_part(a->top, out);
    str_add(out, " / ");
    print_part(a->bottom, out);
    str_add(out, alone ? "" : ")");
}

static void print_term(const poly_term *t, bool first, ptl_str *out)
{
    uint64_t size = t->coef < 0 ? -(uint64_t)t->coef : (uint64_t)t->coef;
    bool number = size != 1 || t->degree == 0;
    str_add(out, t->coef < 0 ? first ? "-" : " - " : first ? "" : " + ");
    if (number)
        str_printf(out, "%llu", (unsigned long long)size);
    for (int i = 0; i < t->degree; i++) {
        str_add(out, i > 0 || number ? "*" : "");
        print_atom(t->atoms[i], t->degree == 1 && !number, out);
    }
}

/* Nobody writes -K + N where N - K will do. */
static int first_printed(const poly *a)
{
    for (int i = 0; i < a->count; i++)
        if (a->terms[i].coef > 0)
            return i;
    return 0;
}

void poly_print(const poly *a, ptl_str *out)
{
    int first = first_printed(a);
    if (a->count == 0)
        str_add(out, "0");
    else
        print_term(&a->terms[first], true, out);
    for (int i = 0; i < a->count; i++)
        if (i != first)
            print_term(&a->terms[i], false, out);
}
