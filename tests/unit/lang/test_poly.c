/*
 * test_poly.c - polynomials of sizes: equal by algebra, printed as written,
 * proven not negative from what is known, and examples where they are not.
 */
#include "lang/poly_facts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* N, M and K are sizes of at least 1; i lies in 0..N-1, any knows nothing. */
typedef struct world {
    ptl_arena *arena;
    polys *all;
    poly_facts facts;
    poly_var *vn, *vi;
    const poly *n, *m, *k, *i, *any, *one, *two;
} world;

static poly_var *size_named(world *w, const char *name)
{
    poly_var *v = poly_var_new(w->all, name);
    v->lo = w->one;
    return v;
}

static int open_world(void **state)
{
    static world w;
    w.arena = arena_new();
    w.all = polys_new(w.arena);
    poly_facts_init(&w.facts, w.arena, w.all);
    w.one = poly_number(w.all, 1);
    w.two = poly_number(w.all, 2);
    w.vn = size_named(&w, "N");
    w.n = poly_of(w.all, w.vn);
    w.m = poly_of(w.all, size_named(&w, "M"));
    w.k = poly_of(w.all, size_named(&w, "K"));
    w.vi = poly_var_new(w.all, "i");
    w.vi->lo = poly_number(w.all, 0);
    w.vi->hi = poly_sub(w.all, w.n, w.one);
    w.i = poly_of(w.all, w.vi);
    w.any = poly_of(w.all, poly_var_new(w.all, "any"));
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    arena_free(w->arena);
    return 0;
}

static const poly *number(world *w, int64_t n)
{
    return poly_number(w->all, n);
}

static const poly *plus(world *w, const poly *a, int64_t n)
{
    return poly_add(w->all, a, number(w, n));
}

static const poly *minus(world *w, const poly *a, const poly *b)
{
    return poly_sub(w->all, a, b);
}

static const poly *times(world *w, const poly *a, const poly *b)
{
    return poly_mul(w->all, a, b);
}

static const poly *over(world *w, const poly *a, const poly *b)
{
    return poly_floor(w->all, a, b);
}

static void assert_prints(const poly *p, const char *text)
{
    ptl_str s = {0};
    assert_non_null(p);
    poly_print(p, &s);
    assert_string_equal(str_text(&s), text);
    str_fini(&s);
}

static bool proven(world *w, const poly *p)
{
    return poly_proven_not_negative(&w->facts, p);
}

/* ---------- algebra ---------- */

static void sums_and_products_have_one_form(void **state)
{
    world *w = *state;
    const poly *a = times(w, plus(w, w->n, 1), plus(w, w->n, -1));
    const poly *b = plus(w, times(w, w->n, w->n), -1);
    assert_true(poly_equal(a, b));
    assert_true(
        poly_equal(poly_add(w->all, w->n, w->m), poly_add(w->all, w->m, w->n)));
    assert_true(poly_equal(minus(w, a, b), number(w, 0)));
    assert_false(poly_equal(w->n, w->m));
}

static void two_variables_of_one_name_differ(void **state)
{
    world *w = *state;
    assert_false(poly_equal(w->n, poly_of(w->all, size_named(w, "N"))));
}

static void what_is_divisible_leaves_the_floor(void **state)
{
    world *w = *state;
    const poly *p = plus(w, poly_scale(w->all, w->n, 6), 3);
    assert_true(poly_equal(over(w, p, number(w, 3)),
                           plus(w, poly_scale(w->all, w->n, 2), 1)));
    assert_true(poly_equal(over(w, p, w->two),
                           plus(w, poly_scale(w->all, w->n, 3), 1)));
    assert_true(poly_equal(over(w, times(w, w->n, w->m), w->m), w->n));
    assert_true(
        poly_equal(over(w, poly_add(w->all, times(w, w->n, w->m), w->k), w->m),
                   poly_add(w->all, w->n, over(w, w->k, w->m))));
}

static void a_sum_divides_its_multiples(void **state)
{
    world *w = *state;
    const poly *q = poly_add(w->all, w->n, w->m);
    assert_true(poly_equal(over(w, times(w, q, w->k), q), w->k));
    assert_true(poly_equal(over(w, times(w, q, q), q), q));
}

static void floors_of_floors_are_one(void **state)
{
    world *w = *state;
    const poly *half = over(w, w->n, w->two);
    assert_true(
        poly_equal(over(w, half, number(w, 3)), over(w, w->n, number(w, 6))));
    assert_true(poly_equal(over(w, plus(w, half, 1), w->two),
                           over(w, plus(w, w->n, 2), number(w, 4))));
}

static void floors_round_down_below_0(void **state)
{
    world *w = *state;
    int64_t n;
    assert_true(poly_is_number(over(w, number(w, -7), w->two), &n));
    assert_int_equal(n, -4);
    assert_true(poly_is_number(over(w, number(w, 7), number(w, -2)), &n));
    assert_int_equal(n, -4);
    assert_true(poly_is_number(poly_ceil(w->all, number(w, 7), w->two), &n));
    assert_int_equal(n, 4);
    assert_true(poly_is_number(poly_mod(w->all, number(w, -7), w->two), &n));
    assert_int_equal(n, 1);
}

static void a_quotient_and_its_remainder_make_the_whole(void **state)
{
    world *w = *state;
    const poly *q = over(w, w->n, w->k);
    assert_true(poly_equal(
        poly_add(w->all, times(w, q, w->k), poly_mod(w->all, w->n, w->k)),
        w->n));
    assert_true(poly_equal(
        poly_mod(w->all, plus(w, poly_scale(w->all, w->n, 4), 3), w->two),
        w->one));
}

static void a_floor_has_the_value_of_its_parts(void **state)
{
    world *w = *state;
    const poly *p = poly_ceil(w->all, poly_scale(w->all, w->n, 3), w->two);
    int64_t n;
    for (w->vn->value = -5; w->vn->value <= 5; w->vn->value++) {
        assert_true(poly_value(p, &n));
        assert_int_equal(2 * n - 3 * w->vn->value, w->vn->value & 1);
    }
}

static void substitution_reaches_into_floors(void **state)
{
    world *w = *state;
    const poly *half = over(w, plus(w, w->n, 1), w->two);
    const poly *even = poly_scale(w->all, w->m, 2);
    assert_true(poly_equal(poly_put(w->all, half, w->vn, even), w->m));
    assert_true(poly_mentions(half, w->vn));
}

static void what_does_not_fit_is_null(void **state)
{
    world *w = *state;
    const poly *p = w->n, *huge = number(w, INT64_MAX);
    for (int i = 0; i < 3; i++)
        p = times(w, p, p);
    assert_non_null(p);
    assert_null(times(w, p, p));
    assert_null(plus(w, huge, 1));
    assert_null(times(w, huge, w->two));
    assert_null(poly_add(w->all, NULL, w->n));
    assert_null(over(w, w->n, number(w, 0)));
}

/* Expressions at random, and their values at random: -9..9. */
static int64_t drawn(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(*seed >> 33) % 19 - 9;
}

static const poly *expression(world *w, uint64_t *seed, int depth,
                              int64_t *value)
{
    int64_t a = 0, b = 0, n = drawn(seed);
    const poly *p, *q;
    if (depth == 0) {
        *value = n > 0 ? w->vn->value : n > -5 ? w->vi->value : n;
        return n > 0 ? w->n : n > -5 ? w->i : number(w, n);
    }
    p = expression(w, seed, depth - 1, &a);
    q = expression(w, seed, depth - 1, &b);
    if (n > 4) {
        *value = a * b;
        return times(w, p, q);
    }
    if (n > -3) {
        *value = a - b;
        return minus(w, p, q);
    }
    if (b == 0 || !p || !q)
        return NULL;
    *value = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return over(w, p, q);
}

static void an_expression_has_the_value_of_its_parts(void **state)
{
    world *w = *state;
    uint64_t seed = 1;
    int compared = 0;
    for (int i = 0; i < 3000; i++) {
        int64_t wanted = 0, got;
        const poly *p;
        w->vn->value = drawn(&seed);
        w->vi->value = drawn(&seed);
        p = expression(w, &seed, 1 + i % 4, &wanted);
        if (!p || !poly_value(p, &got))
            continue;
        assert_int_equal(got, wanted);
        compared++;
    }
    assert_true(compared > 1000);
}

/* ---------- text ---------- */

static void text_is_what_a_person_writes(void **state)
{
    world *w = *state;
    const poly *half = over(w, plus(w, w->n, 1), w->two);
    assert_prints(number(w, 0), "0");
    assert_prints(number(w, -3), "-3");
    assert_prints(plus(w, poly_scale(w->all, w->n, 2), 1), "2*N + 1");
    assert_prints(plus(w, minus(w, w->n, w->k), 1), "N - K + 1");
    assert_prints(minus(w, w->k, w->n), "K - N");
    assert_prints(poly_scale(w->all, w->n, -1), "-N");
    assert_prints(times(w, w->n, w->m), "N*M");
    assert_prints(half, "(N + 1) / 2");
    assert_prints(over(w, w->n, w->k), "N / K");
    assert_prints(over(w, w->n, times(w, w->m, w->k)), "N / (M*K)");
    assert_prints(plus(w, half, -1), "(N + 1) / 2 - 1");
    assert_prints(poly_scale(w->all, half, 3), "3*((N + 1) / 2)");
    assert_prints(times(w, w->k, half), "K*((N + 1) / 2)");
}

/* ---------- proofs ---------- */

static void sizes_are_at_least_1(void **state)
{
    world *w = *state;
    assert_true(proven(w, plus(w, w->n, -1)));
    assert_false(proven(w, plus(w, w->n, -2)));
    assert_true(proven(w, minus(w, times(w, w->n, w->m), w->n)));
    assert_false(proven(w, minus(w, w->n, w->m)));
}

static void an_index_stays_between_its_ends(void **state)
{
    world *w = *state;
    assert_true(proven(w, w->i));
    assert_true(proven(w, plus(w, minus(w, w->n, w->i), -1)));
    assert_false(proven(w, plus(w, minus(w, w->n, w->i), -2)));
    assert_false(proven(w, plus(w, w->i, -1)));
}

/* i*K + j with j in 0..K is less than N*K. */
static void a_position_in_rows_is_in_the_whole(void **state)
{
    world *w = *state;
    poly_var *j = poly_var_new(w->all, "j");
    const poly *at;
    j->lo = number(w, 0);
    j->hi = plus(w, w->k, -1);
    at = poly_add(w->all, times(w, w->i, w->k), poly_of(w->all, j));
    assert_true(proven(w, at));
    assert_true(proven(w, plus(w, minus(w, times(w, w->n, w->k), at), -1)));
    assert_false(proven(w, plus(w, minus(w, times(w, w->n, w->k), at), -2)));
}

static void a_floor_lies_below_its_quotient(void **state)
{
    world *w = *state;
    const poly *half = over(w, w->n, w->two);
    assert_true(proven(w, half));
    assert_true(proven(w, minus(w, w->n, poly_scale(w->all, half, 2))));
    assert_true(proven(w, minus(w, w->n, plus(w, half, 1))));
    assert_true(
        proven(w, minus(w, plus(w, poly_scale(w->all, half, 2), 1), w->n)));
    assert_false(proven(w, minus(w, poly_scale(w->all, half, 2), w->n)));
    assert_true(proven(w, poly_mod(w->all, w->n, w->k)));
    assert_true(
        proven(w, plus(w, minus(w, w->k, poly_mod(w->all, w->n, w->k)), -1)));
}

/* Windows of K in steps of M within N + K elements. */
static void the_last_window_ends_within_the_row(void **state)
{
    world *w = *state;
    poly_var *p = poly_var_new(w->all, "p");
    const poly *last;
    p->lo = number(w, 0);
    p->hi = over(w, w->n, w->m);
    last = poly_add(w->all, times(w, poly_of(w->all, p), w->m), w->k);
    assert_true(proven(w, minus(w, poly_add(w->all, w->n, w->k), last)));
    assert_false(
        proven(w, plus(w, minus(w, poly_add(w->all, w->n, w->k), last), -1)));
}

static void facts_are_used(void **state)
{
    world *w = *state;
    const poly *p = minus(w, w->n, w->m);
    poly_mark mark = poly_facts_mark(&w->facts);
    assert_false(proven(w, p));
    poly_know_not_negative(&w->facts, minus(w, w->n, w->k));
    poly_know_not_negative(&w->facts, minus(w, w->k, w->m));
    assert_true(proven(w, p));
    poly_facts_reset(&w->facts, mark);
    assert_false(proven(w, p));
}

static void a_fact_may_be_all_that_is_known(void **state)
{
    world *w = *state;
    const poly *p = minus(w, poly_scale(w->all, w->any, 3), number(w, 6));
    assert_false(proven(w, p));
    poly_know_not_negative(&w->facts, plus(w, w->any, -2));
    assert_true(proven(w, p));
    assert_false(proven(w, plus(w, p, -1)));
}

/* A filter `if i < M` bounds i by more than its range. */
static void a_fact_about_an_index_bounds_it(void **state)
{
    world *w = *state;
    const poly *p = plus(w, minus(w, w->m, w->i), -1);
    assert_false(proven(w, p));
    poly_know_not_negative(&w->facts, p);
    assert_true(proven(w, p));
}

static void an_unknown_variable_proves_nothing(void **state)
{
    world *w = *state;
    assert_false(proven(w, w->any));
    assert_false(proven(w, times(w, w->any, w->n)));
    assert_false(proven(w, plus(w, poly_scale(w->all, w->any, -1), -1)));
}

/* ---------- comparing ---------- */

static poly_verdict verdict(world *w, const poly *a, const poly *b)
{
    return poly_compare(&w->facts, a, b);
}

static void different_names_are_different_sizes(void **state)
{
    world *w = *state;
    assert_int_equal(verdict(w, w->n, w->n), POLY_SAME);
    assert_int_equal(verdict(w, w->n, w->m), POLY_OTHER);
    assert_int_equal(verdict(w, w->n, number(w, 3)), POLY_OTHER);
    assert_int_equal(verdict(w, times(w, w->n, w->m), times(w, w->m, w->n)),
                     POLY_SAME);
}

static void what_hangs_on_rounding_is_open(void **state)
{
    world *w = *state;
    const poly *half = over(w, w->n, w->two);
    assert_int_equal(verdict(w, w->n, poly_scale(w->all, half, 2)), POLY_MAYBE);
    assert_int_equal(verdict(w, w->n, half), POLY_OTHER);
    assert_int_equal(verdict(w, plus(w, half, 1), half), POLY_OTHER);
}

static void a_divisor_that_is_asserted_divides(void **state)
{
    world *w = *state;
    const poly *whole = times(w, w->k, over(w, w->n, w->k));
    assert_int_equal(verdict(w, whole, w->n), POLY_MAYBE);
    poly_know_zero(&w->facts, poly_mod(w->all, w->n, w->k));
    assert_int_equal(verdict(w, whole, w->n), POLY_SAME);
    assert_int_equal(verdict(w, times(w, whole, w->m), times(w, w->n, w->m)),
                     POLY_SAME);
}

static void sizes_that_are_asserted_equal_are_equal(void **state)
{
    world *w = *state;
    poly_know_zero(&w->facts, minus(w, w->n, times(w, w->m, w->k)));
    assert_int_equal(verdict(w, w->n, times(w, w->k, w->m)), POLY_SAME);
    assert_int_equal(verdict(w, over(w, w->n, w->k), w->m), POLY_SAME);
    assert_int_equal(verdict(w, w->n, w->m), POLY_OTHER);
}

static void a_vague_variable_may_be_any_size(void **state)
{
    world *w = *state;
    poly_var *v = size_named(w, "c");
    v->vague = true;
    assert_int_equal(verdict(w, poly_of(w->all, v), w->n), POLY_MAYBE);
}

/* ---------- examples ---------- */

static void the_smallest_example_is_found(void **state)
{
    world *w = *state;
    poly_example x;
    assert_true(
        poly_find_example(&w->facts, plus(w, w->n, -3), NULL, NULL, &x));
    assert_int_equal(x.count, 1);
    assert_ptr_equal(x.vars[0], w->vn);
    assert_int_equal(x.values[0], 3);
    assert_false(poly_find_example(
        &w->facts, plus(w, poly_scale(w->all, w->n, -1), 0), NULL, NULL, &x));
}

static void an_example_keeps_to_the_facts(void **state)
{
    world *w = *state;
    poly_example x;
    poly_know_zero(&w->facts, poly_mod(w->all, w->n, number(w, 4)));
    assert_true(
        poly_find_example(&w->facts, plus(w, w->n, -2), NULL, NULL, &x));
    assert_int_equal(x.values[0], 4);
}

static void an_example_is_swapped_in_and_out(void **state)
{
    world *w = *state;
    poly_example x;
    w->vn->value = 77;
    assert_true(
        poly_find_example(&w->facts, plus(w, w->n, -2), NULL, NULL, &x));
    assert_int_equal(w->vn->value, 77);
    poly_example_swap(&x);
    assert_int_equal(w->vn->value, 2);
    poly_example_swap(&x);
    assert_int_equal(w->vn->value, 77);
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(sums_and_products_have_one_form),
        IN_WORLD(two_variables_of_one_name_differ),
        IN_WORLD(what_is_divisible_leaves_the_floor),
        IN_WORLD(a_sum_divides_its_multiples),
        IN_WORLD(floors_of_floors_are_one),
        IN_WORLD(floors_round_down_below_0),
        IN_WORLD(a_quotient_and_its_remainder_make_the_whole),
        IN_WORLD(a_floor_has_the_value_of_its_parts),
        IN_WORLD(substitution_reaches_into_floors),
        IN_WORLD(what_does_not_fit_is_null),
        IN_WORLD(an_expression_has_the_value_of_its_parts),
        IN_WORLD(text_is_what_a_person_writes),
        IN_WORLD(sizes_are_at_least_1),
        IN_WORLD(an_index_stays_between_its_ends),
        IN_WORLD(a_position_in_rows_is_in_the_whole),
        IN_WORLD(a_floor_lies_below_its_quotient),
        IN_WORLD(the_last_window_ends_within_the_row),
        IN_WORLD(facts_are_used),
        IN_WORLD(a_fact_may_be_all_that_is_known),
        IN_WORLD(a_fact_about_an_index_bounds_it),
        IN_WORLD(an_unknown_variable_proves_nothing),
        IN_WORLD(different_names_are_different_sizes),
        IN_WORLD(what_hangs_on_rounding_is_open),
        IN_WORLD(a_divisor_that_is_asserted_divides),
        IN_WORLD(sizes_that_are_asserted_equal_are_equal),
        IN_WORLD(a_vague_variable_may_be_any_size),
        IN_WORLD(the_smallest_example_is_found),
        IN_WORLD(an_example_keeps_to_the_facts),
        IN_WORLD(an_example_is_swapped_in_and_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
