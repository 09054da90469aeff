/*
 * affine.c - constant + sum of coefficient * variable.
 *
 * The canonical form (terms sorted by variable, none zero) makes equality a
 * comparison of bytes. Sizes are concrete and far from the ends of int64, so
 * arithmetic on coefficients asserts instead of wrapping.
 */
#include "ir/ir.h"
#include <string.h>

static int64_t checked_add(int64_t a, int64_t b)
{
    int64_t sum;
    PTL_ASSERT(!__builtin_add_overflow(a, b, &sum));
    return sum;
}

static int64_t checked_mul(int64_t a, int64_t b)
{
    int64_t product;
    PTL_ASSERT(!__builtin_mul_overflow(a, b, &product));
    return product;
}

ir_affine ir_affine_const(int64_t value)
{
    return (ir_affine){.constant = value};
}

ir_affine ir_affine_var(ir_graph *g, int var)
{
    ir_term *term = ARENA_NEW(g->arena, ir_term);
    *term = (ir_term){var, 1};
    return (ir_affine){0, 1, term};
}

ir_affine ir_affine_add(ir_graph *g, ir_affine a, ir_affine b)
{
    int64_t constant = checked_add(a.constant, b.constant);
    if (a.term_count == 0)
        return (ir_affine){constant, b.term_count, b.terms};
    if (b.term_count == 0)
        return (ir_affine){constant, a.term_count, a.terms};
    ir_term *terms =
        ARENA_ARRAY(g->arena, ir_term, a.term_count + b.term_count);
    int count = 0, i = 0, j = 0;
    while (i < a.term_count || j < b.term_count) {
        ir_term t;
        if (j == b.term_count ||
            (i < a.term_count && a.terms[i].var < b.terms[j].var)) {
            t = a.terms[i++];
        } else if (i == a.term_count || b.terms[j].var < a.terms[i].var) {
            t = b.terms[j++];
        } else {
            t = a.terms[i];
            t.coef = checked_add(a.terms[i++].coef, b.terms[j++].coef);
        }
        if (t.coef != 0)
            terms[count++] = t;
    }
    return (ir_affine){constant, count, terms};
}

ir_affine ir_affine_scale(ir_graph *g, ir_affine a, int64_t by)
{
    if (by == 0)
        return ir_affine_const(0);
    if (by == 1)
        return a;
    ir_term *terms = ARENA_ARRAY(g->arena, ir_term, a.term_count);
    for (int i = 0; i < a.term_count; i++)
        terms[i] = (ir_term){a.terms[i].var, checked_mul(a.terms[i].coef, by)};
    return (ir_affine){checked_mul(a.constant, by), a.term_count, terms};
}

int64_t ir_affine_coef(ir_affine a, int var)
{
    for (int i = 0; i < a.term_count; i++)
        if (a.terms[i].var == var)
            return a.terms[i].coef;
    return 0;
}

ir_affine ir_affine_substitute(ir_graph *g, ir_affine a, const ir_affine *map)
{
    ir_affine result = ir_affine_const(a.constant);
    for (int i = 0; i < a.term_count; i++)
        result = ir_affine_add(
            g, result,
            ir_affine_scale(g, map[a.terms[i].var], a.terms[i].coef));
    return result;
}

static int64_t saturated(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : (int64_t)x;
}

void ir_affine_range(ir_affine a, const ir_var *vars, int64_t *low,
                     int64_t *high)
{
    __int128 least = a.constant, most = a.constant;
    for (int i = 0; i < a.term_count; i++) {
        const ir_var *v = &vars[a.terms[i].var];
        int64_t last = v->hi > v->lo ? v->hi - 1 : v->lo;
        bool rising = a.terms[i].coef > 0;
        __int128 coef = a.terms[i].coef;
        least += coef * (rising ? v->lo : last);
        most += coef * (rising ? last : v->lo);
    }
    *low = saturated(least);
    *high = saturated(most);
}

bool ir_affine_equal(ir_affine a, ir_affine b)
{
    if (a.constant != b.constant || a.term_count != b.term_count)
        return false;
    for (int i = 0; i < a.term_count; i++)
        if (a.terms[i].var != b.terms[i].var ||
            a.terms[i].coef != b.terms[i].coef)
            return false;
    return true;
}
