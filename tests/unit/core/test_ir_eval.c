/*
 * test_ir_eval.c - the oracle against numbers computed by hand.
 */
#include "base/philox.h"
#include "base/map.h"
#include "core/ir_text.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A graph over x (8 numbers), t (4 indices below 4) and p (one number). */
#define INPUTS                                                                 \
    "input x: real[8] generic f32;\n"                                          \
    "input t: int(4)[4] data i32;\n"                                           \
    "input p: real generic f32;\n"

static const double x_values[8] = {3, 1, 4, 1, 5, 9, 2, 6};
static const double t_values[4] = {2, 0, 2, 2};

typedef struct world {
    ir_graph *g;
    ir_values *v;
} world;

static world with_x(const char *text, const double *x, double complex p)
{
    world w;
    ptl_str whole = {0};
    str_printf(&whole, INPUTS "%s", text);
    w.g = ir_from_text(str_text(&whole));
    str_fini(&whole);
    w.v = ir_values_new(w.g);
    ir_values_set(w.v, ir_find(w.g, "x"), x);
    ir_values_set(w.v, ir_find(w.g, "t"), t_values);
    ir_values_set_complex(w.v, ir_find(w.g, "p"), &p);
    ir_eval_or_stop(w.g, w.v);
    return w;
}

static void done(world *w)
{
    ir_values_free(w->v);
    ir_graph_free(w->g);
}

static double complex at(const world *w, const char *name, int64_t i)
{
    return w->v->data[ir_find(w->g, name)->id][i];
}

/* Node "y" of `text` holds exactly these numbers (NaN equals NaN). */
static void gives(const char *text, int count, const double *expected)
{
    world w = with_x(text, x_values, 0.0);
    const ir_node *y = ir_find(w.g, "y");
    assert_int_equal(ir_element_count(&y->type), count);
    for (int i = 0; i < count; i++) {
        double got = creal(at(&w, "y", i));
        if (got != expected[i] && !(isnan(got) && isnan(expected[i])))
            fail_msg("%s: element %d is %.17g, not %.17g", text, i, got,
                     expected[i]);
    }
    done(&w);
}

#define GIVES(text, ...)                                                       \
    gives(text, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),       \
          (double[]){__VA_ARGS__})

static void subscripts_stride_reverse_and_gather(void **state)
{
    (void)state;
    GIVES("comp y[i:4] = x[2*i];", 3, 4, 5, 2);
    GIVES("comp y[i:3] = x[-1*i + 7];", 6, 2, 9);
    GIVES("comp y[i:4] = x[t[i]];", 4, 3, 4, 4);
    GIVES("comp y[i:4] = x[i + t[i] + 1];", 1, 4, 9, 2);
    GIVES("comp a[i:3, j:3] = x[i + 2*j];\ncomp y[i:3] = a[i, i];", 3, 1, 2);
}

static void reads_outside_follow_their_mode(void **state)
{
    (void)state;
    GIVES("comp y[i:4] = x[3*i - 3 else -1.0];", -1, 3, 1, 2);
    GIVES("comp y[i:4] = x[clamp(5*i - 5)];", 3, 3, 9, 6);
    GIVES("comp y[i:4] = x[wrap(5*i - 5)];", 1, 3, 9, 4);
    GIVES("comp y[i:5] = x[reflect(i - 2)];", 4, 1, 3, 1, 4);
    GIVES("comp y[i:4] = x[reflect(i + 6)];", 2, 6, 2, 9);
    GIVES("comp y[i:3] = x[reflect(14*i)];", 3, 3, 3);
    GIVES("comp y[i:4] = real(inside(x[3*i - 3]));", 0, 1, 1, 1);
}

static void a_single_element_reflects_to_itself(void **state)
{
    (void)state;
    assert_int_equal(ir_sub_fold(IR_REFLECT, -5, 1), 0);
    assert_int_equal(ir_sub_fold(IR_WRAP, -1, 3), 2);
    assert_int_equal(ir_sub_fold(IR_CLAMP, 9, 3), 2);
}

static void every_reduction_reduces(void **state)
{
    (void)state;
    GIVES("comp y[| i:0..8] = sum x[i];", 31);
    GIVES("comp y[| i:0..8] = prod x[i];", 6480);
    GIVES("comp y[| i:0..8] = max x[i];", 9);
    GIVES("comp y[| i:0..8] = min x[i];", 1);
    GIVES("comp y[| i:0..8] below 8 = argmax x[i];", 5);
    GIVES("comp y[| i:0..8] below 8 = argmin x[i];", 1); /* the first */
    GIVES("comp y[| i:0..8] = any x[i] > 8.5;", 1);
    GIVES("comp y[| i:0..8] = all x[i] > 1.5;", 0);
    GIVES("comp y[| i:0..4] below 17 = sum t[i];", 6);
    world w = with_x("comp y[| i:0..8] = lse x[i];", x_values, 0.0);
    double sum = 0.0;
    for (int i = 0; i < 8; i++)
        sum += exp(x_values[i]);
    assert_true(fabs(creal(at(&w, "y", 0)) - log(sum)) < 1e-14);
    done(&w);
}

static void filters_leave_terms_out(void **state)
{
    (void)state;
    GIVES("comp y[i:4 | k:0..4] = sum x[k] if k <= i;", 3, 4, 8, 9);
    GIVES("comp y[| k:0..8] below 8 = argmax x[k] if k % 2 == 0;", 4);
}

static void nothing_reduces_to_the_neutral_element(void **state)
{
    (void)state;
    GIVES("comp y[| i:0..0] = sum x[i];", 0);
    GIVES("comp y[| i:0..0] = prod x[i];", 1);
    GIVES("comp y[| i:0..0] = max x[i];", -INFINITY);
    GIVES("comp y[| i:0..0] = min x[i];", INFINITY);
    GIVES("comp y[| i:0..0] = lse x[i];", -INFINITY);
    GIVES("comp y[| i:0..0] = any x[i] > 0.0;", 0);
    GIVES("comp y[| i:0..0] = all x[i] > 0.0;", 1);
    GIVES("comp y[| i:0..0] below 1 = argmax x[i];", 0);
    GIVES("comp y[| i:0..4] = max t[i] if t[i] > 9;", -0x1p31);
    GIVES("comp y[| i:0..8] = lse x[i] if x[i] > 100.0;", -INFINITY);
}

static void argmax_is_a_position_in_the_box(void **state)
{
    (void)state;
    GIVES("comp y[| i:1..3, j:0..4] below 8 = argmax x[i + j];", 7);
}

static void nan_wins_and_infinite_rows_stay_clean(void **state)
{
    (void)state;
    GIVES("comp a[i:3] = i == 1 ? nan : x[i];\n"
          "comp m[| i:0..3] = max a[i];\n"
          "comp n[| i:0..3] below 3 = argmin a[i];\n"
          "comp y[i:2] = i == 0 ? m[] : real(n[]);",
          NAN, 1);
    GIVES("comp y[| i:0..3] = lse x[i] * -inf;", -INFINITY);
    GIVES("comp y[| i:0..3] = lse i == 1 ? inf : x[i];", INFINITY);
    GIVES("comp y[] = maximum(nan, 1.0);", NAN);
}

static void integers_floor(void **state)
{
    (void)state;
    GIVES("comp y[i:4] = real(floor_div(i - 3, 2)) + 10.0 * "
          "real((i - 3) % 2);",
          8, -1, 9, 0);
    GIVES("comp y[i:4] = real(int(x[i] * -0.3));", 0, 0, -1, 0);
}

static void the_untaken_side_is_not_looked_at(void **state)
{
    (void)state;
    GIVES("comp y[i:3] = i == 0 ? 7.0 : real(floor_div(6, i));", 7, 6, 3);
}

static void failures_name_node_and_index(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text("comp y[i:3] = floor_div(6, i - 1);");
    ir_values *v = ir_values_new(g);
    ptl_error err = {0};
    assert_int_equal(ir_eval(g, v, NULL, &err), PTL_E_DATA);
    assert_string_equal(err.text,
                        "\"y\" at [1]: an integer is divided by zero");
    ir_values_free(v);
    ir_graph_free(g);
    g = ir_from_text("input t: int(9)[2] data i32; input x: real[9] data f32;"
                     "comp y[i:2] = x[t[i]];");
    v = ir_values_new(g);
    ir_values_set(v, ir_find(g, "x"), (double[9]){0});
    ir_values_set(v, ir_find(g, "t"), (double[2]){3, 9});
    assert_int_equal(ir_eval(g, v, NULL, &err), PTL_E_DATA);
    assert_string_equal(err.text, "\"y\" at [1]: a subscript leaves x");
    ir_values_free(v);
    v = ir_values_new(g);
    assert_int_equal(ir_eval(g, v, NULL, &err), PTL_E_USAGE);
    ir_values_free(v);
    ir_graph_free(g);
}

static void random_values_are_those_of_philox(void **state)
{
    (void)state;
    world w = with_x("comp y[i:3] = uniform(\"a/b\", i + 5, 2, 9);\n"
                     "comp z[i:3] = normal(\"a/b\", i, 0, -1);",
                     x_values, 0.0);
    uint64_t site = ptl_hash("a/b", 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(creal(at(&w, "y", (int64_t)i)) ==
                    philox_uniform(9, site, 2, i + 5));
        assert_true(creal(at(&w, "z", (int64_t)i)) ==
                    philox_normal(UINT64_MAX, site, 0, i));
    }
    done(&w);
}

static void scatters_accumulate(void **state)
{
    (void)state;
    GIVES("comp s[i:4] = x[i];\n"
          "scatter y: real[5] { [i] at [t[i]] += s; [i] at [i + 1] += s; };",
          1, 3, 9, 4, 1);
}

static void scans_carry_and_stack(void **state)
{
    (void)state;
    static const char forward[] =
        "scan s: 4 {\n"
        "  input at: int(4) generic i32;\n"
        "  input h: real generic f32;\n"
        "  input all: real[8] generic f32;\n"
        "  comp n[] = 2.0 * h[] + all[at[]];\n"
        "} counter at bind x to all carry p in h next n stack n;\n";
    ptl_str text = {0};
    str_printf(&text, "%sresult y = s 1;", forward);
    GIVES(str_text(&text), 3, 7, 18, 37);
    str_clear(&text);
    str_printf(&text, "%sresult y = s 0;", forward);
    GIVES(str_text(&text), 37);
    str_clear(&text);
    str_add(&text, forward);
    char *colon = strstr(text.data, "4 {");
    memcpy(colon, "0 {", 3); /* no trips: the initial value */
    char *bound = strstr(text.data, "int(4)");
    memcpy(bound, "int(1)", 6);
    str_add(&text, "result y = s 0;");
    GIVES(str_text(&text), 0);
    str_fini(&text);
    GIVES("scan s: 4 reversed {\n"
          "  input at: int(4) generic i32;\n"
          "  input h: real generic f32;\n"
          "  input all: real[8] generic f32;\n"
          "  comp n[] = 2.0 * h[] + all[at[]];\n"
          "} counter at bind x to all carry p in h next n stack n;\n"
          "result y = s 1;",
          29, 13, 6, 1);
}

static void carried_values_change_places_at_once(void **state)
{
    (void)state;
    GIVES("comp one[] = 1.0;\n"
          "scan s: 3 {\n"
          "  input a: real generic f32;\n"
          "  input b: real generic f32;\n"
          "} carry p in a next b carry one in b next a;\n"
          "result y = s 0;",
          1);
}

/* ---------- derivatives ---------- */

/* d y / d p of `text` at `p`. */
static double slope(const char *text, double p)
{
    world w = with_x(text, x_values, CMPLX(p, 1e-30));
    double s = cimag(at(&w, "y", 0)) / 1e-30;
    done(&w);
    return s;
}

static void is_slope(const char *text, double p, double expected)
{
    double got = slope(text, p);
    if (!(fabs(got - expected) <= 1e-14 * (1.0 + fabs(expected))))
        fail_msg("%s at %g: %.17g, not %.17g", text, p, got, expected);
}

static void functions_have_their_derivatives(void **state)
{
    (void)state;
    double p = 0.7;
    is_slope("comp y[] = exp(p[]);", p, exp(p));
    is_slope("comp y[] = log(p[]);", p, 1 / p);
    is_slope("comp y[] = sin(p[]) + cos(p[]);", p, cos(p) - sin(p));
    is_slope("comp y[] = tanh(p[]);", p, 1 - tanh(p) * tanh(p));
    is_slope("comp y[] = sqrt(p[]);", p, 0.5 / sqrt(p));
    is_slope("comp y[] = erf(p[]);", p, 2 / sqrt(M_PI) * exp(-p * p));
    is_slope("comp y[] = 1.0 / p[];", p, -1 / (p * p));
    is_slope("comp y[] = p[] ^ 3.0;", p, 3 * p * p);
    is_slope("comp y[] = 3.0 ^ p[];", p, pow(3, p) * log(3));
    double s = 1 / (1 + exp(-p));
    is_slope("comp y[] = sigmoid(p[]);", p, s * (1 - s));
    is_slope("comp y[] = fma(p[], p[], p[]);", p, 2 * p + 1);
    is_slope("comp y[] = stop(p[]) * p[];", p, p);
}

static void kinks_follow_their_rule(void **state)
{
    (void)state;
    is_slope("comp y[] = p[] > 0.0 ? p[] : 0.0;", 0.0, 0.0);
    is_slope("comp y[] = abs(p[]);", 0.0, 0.0);
    is_slope("comp y[] = abs(p[]);", -2.0, -1.0);
    is_slope("comp y[] = sign(p[]);", 0.0, 0.0);
    is_slope("comp y[] = maximum(p[], 2.0 * p[]);", 0.0, 1.5);
    is_slope("comp y[] = minimum(3.0 * p[], p[]);", 0.0, 2.0);
    is_slope("comp y[] = p[] ^ 0.0;", 0.0, 0.0);
    is_slope("comp y[] = p[] ^ 1.0;", 0.0, 1.0);
    is_slope("comp y[] = floor(p[]);", 1.5, 0.0);
}

static void reductions_go_to_the_first_winner(void **state)
{
    (void)state;
    is_slope("comp a[i:3] = real(i + 1) * p[];\n"
             "comp y[| i:0..3] = max a[i];",
             0.0, 1.0);
    is_slope("comp a[i:3] = real(i + 1) * p[];\n"
             "comp y[| i:0..3] = lse a[i];",
             0.0, 2.0);
    is_slope("comp a[i:3] = i == 0 ? p[] : 2.0;\n"
             "comp y[| i:0..3] = prod a[i];",
             0.0, 4.0);
}

static void an_untaken_infinity_leaves_no_trace(void **state)
{
    (void)state;
    is_slope("comp y[] = p[] > 0.0 ? sqrt(p[]) : p[];", 0.0, 1.0);
    is_slope("comp y[] = p[] * inf > 1.0 ? p[] : 2.0 * p[];", 1.0, 1.0);
}

static void far_from_the_axis_functions_are_complex(void **state)
{
    (void)state;
    double complex p = CMPLX(0.3, 0.4);
    world w = with_x("comp a[] = exp(p[]);\ncomp b[] = p[] * p[];\n"
                     "comp c[] = tanh(p[]);\ncomp d[] = 1.0 / p[];",
                     x_values, p);
    assert_true(cabs(at(&w, "a", 0) - cexp(p)) < 1e-15);
    assert_true(cabs(at(&w, "b", 0) - p * p) < 1e-15);
    assert_true(cabs(at(&w, "c", 0) - ctanh(p)) < 1e-15);
    assert_true(cabs(at(&w, "d", 0) - 1.0 / p) < 1e-15);
    done(&w);
}

static void the_complex_step_differentiates_a_loss(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text("input x: real[3] data f32;\n"
                               "comp loss[| i:0..3] = sum x[i] * x[i];");
    ir_values *v = ir_values_new(g);
    ir_node *x = ir_find(g, "x");
    ir_values_set(v, x, (double[]){1, 2, 3});
    const double direction[] = {1, 0, -1};
    const double *directions[] = {direction};
    double s = ir_complex_step(g, v, ir_find(g, "loss"), &x, directions, 1);
    assert_true(fabs(s + 4.0) < 1e-14);
    assert_true(creal(v->data[x->id][2]) == 3.0 &&
                cimag(v->data[x->id][2]) == 0.0);
    ir_values_free(v);
    ir_graph_free(g);
}

/* ---------- error bounds ---------- */

static ir_graph *chain(void)
{
    return ir_from_text(
        "input x: real[500] data f32;\n"
        "comp e[i:500] = exp(x[i] * 0.3) / (x[i] * x[i] + 1.0);\n"
        "comp s[| i:0..500] = sum e[i] * e[i];\n"
        "comp l[| i:0..500] = lse e[i];\n"
        "comp y[] = sqrt(s[]) - l[];\n"
        "comp k[] = s[] > 1e6 ? 1.0 : 2.0;\n"
        "comp n[| i:0..500] below 501 = sum x[i] > 0.0 ? 1 : 0;\n");
}

/* The same in f32, left to right, must lie within the bounds. */
static void bounds_cover_single_precision(void **state)
{
    (void)state;
    ir_graph *g = chain();
    ir_values *v = ir_values_new(g);
    double x[500];
    float s = 0.0f, l = 0.0f;
    for (int i = 0; i < 500; i++) {
        x[i] = (double)(float)sin(i * 1.7);
        float f = (float)x[i];
        float e = expf(f * 0.3f) / (f * f + 1.0f);
        s += e * e;
        l += expf(e);
    }
    v->eps = (double)FLT_EPSILON;
    ir_values_set(v, ir_find(g, "x"), x);
    ir_eval_or_stop(g, v);
    int y = ir_find(g, "y")->id, k = ir_find(g, "k")->id;
    double in_f32 = (double)(sqrtf(s) - logf(l));
    double apart = fabs(in_f32 - creal(v->data[y][0]));
    assert_true(apart <= v->error[y][0]);
    assert_true(v->error[y][0] < 1e-2);
    assert_true(v->error[k][0] == 0.0);
    assert_true(v->error[ir_find(g, "n")->id][0] == 0.0);
    ir_values_free(v);
    ir_graph_free(g);
}

static void close_decisions_are_doubtful(void **state)
{
    (void)state;
    ir_graph *g =
        ir_from_text("input x: real[2] data f32;\n"
                     "comp a[i:2] = x[i] * 0.1;\n"
                     "comp c[] = a[0] < a[1] ? 1.0 : 2.0;\n"
                     "comp d[] = a[0] * 2.0 < a[1] ? 1.0 : 2.0;\n"
                     "comp m[| i:0..2] below 2 = argmax a[i];\n"
                     "comp r[] = x[m[]];\n"
                     "comp far[] = 0.125 * real(m[]);\n"
                     "comp one[i:1] = 1.0;\n"
                     "scatter s: real[2] { [i] at [m[]] += one; };\n");
    ir_values *v = ir_values_new(g);
    v->eps = (double)FLT_EPSILON;
    ir_values_set(v, ir_find(g, "x"), (double[]){1.0, 1.0 + 0x1p-23});
    ir_eval_or_stop(g, v);
    assert_true(v->error[ir_find(g, "c")->id][0] >= 1.0);
    assert_true(v->error[ir_find(g, "d")->id][0] == 0.0);
    assert_true(v->error[ir_find(g, "m")->id][0] > 0.0);
    assert_true(isinf(v->error[ir_find(g, "r")->id][0]));
    /* The other place may be any distance away. */
    assert_true(isinf(v->error[ir_find(g, "far")->id][0]));
    /* What might have gone elsewhere leaves no element certain. */
    assert_true(isinf(v->error[ir_find(g, "s")->id][0]));
    assert_true(isinf(v->error[ir_find(g, "s")->id][1]));
    ir_values_free(v);
    ir_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscripts_stride_reverse_and_gather),
        cmocka_unit_test(reads_outside_follow_their_mode),
        cmocka_unit_test(a_single_element_reflects_to_itself),
        cmocka_unit_test(every_reduction_reduces),
        cmocka_unit_test(filters_leave_terms_out),
        cmocka_unit_test(nothing_reduces_to_the_neutral_element),
        cmocka_unit_test(argmax_is_a_position_in_the_box),
        cmocka_unit_test(nan_wins_and_infinite_rows_stay_clean),
        cmocka_unit_test(integers_floor),
        cmocka_unit_test(the_untaken_side_is_not_looked_at),
        cmocka_unit_test(failures_name_node_and_index),
        cmocka_unit_test(random_values_are_those_of_philox),
        cmocka_unit_test(scatters_accumulate),
        cmocka_unit_test(scans_carry_and_stack),
        cmocka_unit_test(carried_values_change_places_at_once),
        cmocka_unit_test(functions_have_their_derivatives),
        cmocka_unit_test(kinks_follow_their_rule),
        cmocka_unit_test(reductions_go_to_the_first_winner),
        cmocka_unit_test(an_untaken_infinity_leaves_no_trace),
        cmocka_unit_test(far_from_the_axis_functions_are_complex),
        cmocka_unit_test(the_complex_step_differentiates_a_loss),
        cmocka_unit_test(bounds_cover_single_precision),
        cmocka_unit_test(close_decisions_are_doubtful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
