/*
 * elab_sizes.c - sizes before anyone says what they are: the generic phase.
 *
 * A function or layer that is read by itself has no numbers for its sizes, but
 * polynomials (poly.h). They go through the elaborator as int64_t all the
 * same: one that is not a number is a handle, `base + k * window + c`, for the
 * k-th polynomial met plus c. So `hi - 1` and `==` mean what they say, a double
 * holds a handle exactly, and only products, quotients and sums of two sizes
 * come here. Static control (`if`, `for`, numbers of layers) has no symbolic
 * counterpart: it goes by the number that was drawn for each size.
 *
 * In the concrete phase e->generic is NULL and every size is its number.
 */
#include "elab_generic.h"
#include <string.h>

/* Nobody writes this number; far from any sum of numbers that are written, and
 * all handles are below 2^53. */
static const int64_t base = 0x4a5c3d2e1f000;
static const int64_t window = INT64_C(1) << 20;

void generic_begin(elab *e)
{
    generic *g = ARENA_NEW(e->arena, generic);
    g->all = polys_new(e->arena);
    poly_facts_init(&g->facts, e->arena, g->all);
    e->generic = g;
}

/* ---------- handles ---------- */

static bool is_handle(const elab *e, int64_t size, int64_t *k, int64_t *c)
{
    int64_t from = base - window / 2;
    if (!e->generic || size < from)
        return false;
    *k = (size - from) / window;
    *c = (size - from) % window - window / 2;
    return *k < e->generic->windows.count;
}

bool size_is_symbolic(const elab *e, int64_t size)
{
    int64_t k, c;
    return is_handle(e, size, &k, &c);
}

const poly *size_poly(const elab *e, int64_t size)
{
    generic *g = e->generic;
    int64_t k, c;
    if (!is_handle(e, size, &k, &c))
        return poly_number(g->all, size);
    return poly_add(g->all, g->windows.data[k], poly_number(g->all, c));
}

static int64_t window_of(elab *e, const poly *p)
{
    generic *g = e->generic;
    for (int k = 0; k < g->windows.count; k++)
        if (poly_equal(g->windows.data[k], p))
            return base + k * window;
    vec_push(e->arena, &g->windows, p);
    return base + (g->windows.count - 1) * window;
}

static int64_t constant_of(const poly *p)
{
    return p->count && p->terms[p->count - 1].degree == 0
               ? p->terms[p->count - 1].coef
               : 0;
}

bool size_of_poly(elab *e, const poly *p, int64_t *out)
{
    int64_t c;
    if (!p)
        return false;
    if (poly_is_number(p, out))
        return *out < base - window;
    c = constant_of(p);
    if (c <= -window / 4 || c >= window / 4) {
        *out = window_of(e, p);
        return true;
    }
    p = poly_sub(e->generic->all, p, poly_number(e->generic->all, c));
    *out = window_of(e, p) + c;
    return true;
}

int64_t size_named(elab *e, const char *name, int64_t number)
{
    poly_var *v = poly_var_new(e->generic->all, name);
    v->value = number;
    v->lo = poly_number(e->generic->all, 1);
    return window_of(e, poly_of(e->generic->all, v));
}

int64_t size_vague(elab *e, const char *name, int64_t number)
{
    int64_t size = size_named(e, name, number);
    size_var(e, size)->lo = NULL;
    size_var(e, size)->vague = true;
    return size;
}

int64_t size_between(elab *e, const char *name, int64_t from, int64_t to)
{
    const poly *lo, *hi;
    int64_t size;
    if (!size_is_symbolic(e, from) && !size_is_symbolic(e, to))
        return 0;
    lo = size_poly(e, from);
    hi = size_poly(e, to - 1);
    size = size_vague(e, name, size_number(e, from));
    size_var(e, size)->lo = lo;
    size_var(e, size)->hi = hi;
    return size;
}

void size_take(elab *e, int64_t size, int64_t number)
{
    if (size_is_symbolic(e, size))
        size_var(e, size)->value = number;
}

poly_var *size_var(const elab *e, int64_t size)
{
    const poly *p = size_poly(e, size);
    return p->count == 1 && p->terms[0].degree == 1 ? p->terms[0].atoms[0]->var
                                                    : NULL;
}

/* ---------- arithmetic ---------- */

int64_t size_number(const elab *e, int64_t size)
{
    int64_t n;
    if (!size_is_symbolic(e, size))
        return size;
    return poly_value(size_poly(e, size), &n) ? n : 1;
}

int64_t size_counted(elab *e, int64_t size)
{
    if (size_is_symbolic(e, size))
        vec_push(e->arena, &e->generic->counted, size_poly(e, size));
    return size_number(e, size);
}

/* Is a variable of `p` one of `q`'s? */
static bool shares(const poly *p, const poly *q)
{
    for (int i = 0; i < q->count; i++)
        for (int j = 0; j < q->terms[i].degree; j++) {
            const poly_atom *a = q->terms[i].atoms[j];
            if (a->var ? poly_mentions(p, a->var)
                       : shares(p, a->top) || shares(p, a->bottom))
                return true;
        }
    return false;
}

bool is_counted(const elab *e, const poly *p)
{
    const generic *g = e->generic;
    for (int i = 0; p && i < g->counted.count; i++)
        if (shares(p, g->counted.data[i]))
            return true;
    return false;
}

/* What no polynomial says; it is called by its text. */
static int64_t vague_size(elab *e, ty_op op, int64_t a, int64_t b,
                          int64_t number)
{
    const char *text = arena_printf(e->arena, "%s(%s, %s)", ty_op_text(op),
                                    size_text(e, a), size_text(e, b));
    return size_vague(e, text, number);
}

static const poly *power(polys *all, const poly *a, int64_t n)
{
    const poly *p = poly_number(all, 1);
    for (int64_t i = 0; i < n; i++)
        p = poly_mul(all, p, a);
    return p;
}

/* Either, where it is known which. */
static const poly *extreme(elab *e, ty_op op, const poly *a, const poly *b)
{
    poly_facts *f = &e->generic->facts;
    bool most = op == TY_MAXIMUM_OP;
    if (poly_proven_not_negative(f, poly_sub(f->all, a, b)))
        return most ? a : b;
    if (poly_proven_not_negative(f, poly_sub(f->all, b, a)))
        return most ? b : a;
    return NULL;
}

static const poly *folded(elab *e, ty_op op, const poly *a, const poly *b)
{
    polys *all = e->generic->all;
    int64_t n;
    switch (op) {
    case TY_NEG_OP:
        return poly_scale(all, a, -1);
    case TY_ADD_OP:
        return poly_add(all, a, b);
    case TY_SUB_OP:
        return poly_sub(all, a, b);
    case TY_MUL_OP:
        return poly_mul(all, a, b);
    case TY_DIV_OP:
    case TY_IDIV_OP:
        return poly_floor(all, a, b);
    case TY_MOD_OP:
        return poly_mod(all, a, b);
    case TY_POW_OP:
        return poly_is_number(b, &n) && n >= 0 && n <= POLY_MAX_DEGREE
                   ? power(all, a, n)
                   : NULL;
    case TY_MAXIMUM_OP:
    case TY_MINIMUM_OP:
        return extreme(e, op, a, b);
    default:
        return NULL;
    }
}

int64_t size_fold(elab *e, ty_op op, int64_t a, int64_t b, int64_t number)
{
    int64_t out;
    if (!size_is_symbolic(e, a) && !size_is_symbolic(e, b))
        return number;
    return size_of_poly(e, folded(e, op, size_poly(e, a), size_poly(e, b)),
                        &out)
               ? out
               : vague_size(e, op, a, b, number);
}

int64_t size_ceil_div(elab *e, int64_t a, int64_t b, int64_t number)
{
    int64_t more = size_fold(e, TY_SUB_OP, b, 1, b - 1);
    more = size_fold(e, TY_ADD_OP, a, more, a);
    return size_is_symbolic(e, a) || size_is_symbolic(e, b)
               ? size_fold(e, TY_DIV_OP, more, b, number)
               : number;
}

bool size_times(elab *e, int64_t a, int64_t b, int64_t *out)
{
    int64_t n;
    if (__builtin_mul_overflow(size_number(e, a), size_number(e, b), &n))
        return false;
    *out = size_fold(e, TY_MUL_OP, a, b, n);
    return true;
}

/* ---------- questions ---------- */

bool sizes_agree(elab *e, int64_t a, int64_t b)
{
    const poly *p, *q;
    if (a == b)
        return true;
    if (!size_is_symbolic(e, a) && !size_is_symbolic(e, b))
        return false;
    p = size_poly(e, a);
    q = size_poly(e, b);
    return poly_compare(&e->generic->facts, p, q) != POLY_OTHER ||
           (size_number(e, a) == size_number(e, b) &&
            (is_counted(e, p) || is_counted(e, q)));
}

bool dims_agree(elab *e, const int64_t *a, const int64_t *b, int rank)
{
    for (int i = 0; i < rank; i++)
        if (!sizes_agree(e, a[i], b[i]))
            return false;
    return true;
}

bool size_exceeds(elab *e, int64_t a, int64_t b)
{
    poly_facts *f;
    if (!size_is_symbolic(e, a) && !size_is_symbolic(e, b))
        return a > b;
    f = &e->generic->facts;
    return poly_proven_not_negative(
        f, poly_sub(f->all, poly_sub(f->all, size_poly(e, a), size_poly(e, b)),
                    poly_number(f->all, 1)));
}

const char *size_text(elab *e, int64_t size)
{
    ptl_str s = {0};
    if (!size_is_symbolic(e, size))
        return arena_printf(e->arena, "%lld", (long long)size);
    poly_print(size_poly(e, size), &s);
    return str_keep(&s, e->arena);
}

/* ---------- examples ---------- */

/* ": N = 1 gives A BETWEEN B", or "... gives A" where there is nothing between.
 */
static const char *example_text(elab *e, poly_example *x, int64_t a, int64_t b,
                                const char *between)
{
    ptl_str s = {0};
    for (int i = 0; i < x->count; i++)
        str_printf(&s, "%s%s = %lld", i ? ", " : ": ", x->vars[i]->name,
                   (long long)x->values[i]);
    poly_example_swap(x);
    str_printf(&s, " gives %lld", (long long)size_number(e, a));
    if (between)
        str_printf(&s, " %s %lld", between, (long long)size_number(e, b));
    poly_example_swap(x);
    return str_keep(&s, e->arena);
}

static void witness(elab *e, const poly *goal, int64_t a, int64_t b,
                    const char *between)
{
    poly_example x;
    if (poly_find_example(&e->generic->facts, goal, size_poly(e, a),
                          size_poly(e, b), &x) &&
        x.count > 0)
        e->generic->witness = example_text(e, &x, a, b, between);
}

/* (a - b)^2 - 1 is not negative where they differ. */
void size_witness(elab *e, int64_t a, int64_t b)
{
    polys *all = e->generic ? e->generic->all : NULL;
    const poly *d;
    if (!all || e->quiet)
        return;
    d = poly_sub(all, size_poly(e, a), size_poly(e, b));
    witness(e, poly_sub(all, poly_mul(all, d, d), poly_number(all, 1)), a, b,
            "and");
}

void subscript_witness(elab *e, int64_t at, int64_t size)
{
    if (!e->quiet)
        witness(e, poly_number(e->generic->all, 0), at, size, "on an axis of");
}

void size_example(elab *e, int64_t size)
{
    if (e->generic && !e->quiet)
        witness(e, poly_number(e->generic->all, 0), size, size, NULL);
}

void dims_witness(elab *e, const int64_t *a, const int64_t *b, int rank)
{
    for (int i = 0; i < rank; i++) {
        if (sizes_agree(e, a[i], b[i]))
            continue;
        size_witness(e, a[i], b[i]);
        return;
    }
}

/* ---------- what conditions say ---------- */

static const poly *side(elab *e, scope *s, const ast_expr *x)
{
    value *v = eval(e, s, x);
    return v->kind == V_INT ? size_poly(e, v->integer) : NULL;
}

static void know_order(elab *e, const poly *less, const poly *more, int64_t by)
{
    polys *all = e->generic->all;
    poly_know_not_negative(
        &e->generic->facts,
        poly_sub(all, poly_sub(all, more, less), poly_number(all, by)));
}

static ast_op opposite(ast_op op)
{
    switch (op) {
    case OP_EQ:
        return OP_NE;
    case OP_NE:
        return OP_EQ;
    case OP_LT:
        return OP_GE;
    case OP_GE:
        return OP_LT;
    case OP_GT:
        return OP_LE;
    default:
        return OP_GT;
    }
}

static void know_comparison(elab *e, ast_op op, const poly *a, const poly *b)
{
    switch (op) {
    case OP_EQ:
        poly_know_zero(&e->generic->facts, poly_sub(e->generic->all, a, b));
        break;
    case OP_LT:
        know_order(e, a, b, 1);
        break;
    case OP_LE:
        know_order(e, a, b, 0);
        break;
    case OP_GT:
        know_order(e, b, a, 1);
        break;
    case OP_GE:
        know_order(e, b, a, 0);
        break;
    default:
        break;
    }
}

static void know(elab *e, scope *s, const ast_expr *x, bool holds)
{
    if (x->kind == EXPR_UNARY && x->op == OP_NOT) {
        know(e, s, x->a, !holds);
        return;
    }
    if (x->kind != EXPR_BINARY)
        return;
    switch (x->op) {
    case OP_AND:
    case OP_OR:
        if ((x->op == OP_AND) != holds)
            return;
        know(e, s, x->a, holds);
        know(e, s, x->b, holds);
        return;
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        know_comparison(e, holds ? x->op : opposite(x->op), side(e, s, x->a),
                        side(e, s, x->b));
        return;
    default:
        return;
    }
}

known_facts know_condition(elab *e, scope *s, const ast_expr *x, bool holds)
{
    poly_mark mark;
    if (!e->generic)
        return (known_facts){0};
    mark = poly_facts_mark(&e->generic->facts);
    know(e, s, x, holds);
    return (known_facts){mark.not_negative, mark.rules};
}

void forget_conditions(elab *e, known_facts to)
{
    if (e->generic)
        poly_facts_reset(&e->generic->facts,
                         (poly_mark){to.not_negative, to.rules});
}
