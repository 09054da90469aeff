/*
 * test_grad_numeric.c - derivatives where it is easy to be wrong: ties, zeros,
 * infinities, padding, sizes 0 and 1, every stride; and derivatives of
 * derivatives. Judged by the oracle's complex step, or by the stated rule.
 */
#include "core/grad_case.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static grad_case *derive(const char *text)
{
    grad_case *c = grad_case_parse("test", text);
    grad_case_build(c, true);
    return c;
}

static void assert_exact(const char *text)
{
    grad_case *c = derive(text);
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
}

static const double ones[64] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* The derivative for dy = 1 and x = `x`. */
static void assert_gradient(const char *text, const double *x,
                            const double *expected, int count)
{
    grad_case *c = derive(text);
    grad_case_set(c, "x", x);
    grad_case_set(c, "dy", ones);
    const double *found = grad_case_gradient(c, 0);
    for (int i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-12))
            fail_msg("element %d: %g, not %g", i, found[i], expected[i]);
    grad_case_free(c);
}

/* ---------- ties and kinks ---------- */

static void max_gives_all_to_the_first_of_equals(void **state)
{
    (void)state;
    const double x[] = {2, 2, 1, 2};
    const double first[] = {1, 0, 0, 0};
    assert_gradient("input x: real[4] param f64;"
                    "comp y[| k:0..4] = max x[k]; output y = y;",
                    x, first, 4);
}

static void overlapping_pools_with_ties_equal_complex_step(void **state)
{
    (void)state;
    const double x[] = {1, 1, 1, 0, 1, 1, 2, 2, 1, 0, 2, 2, 1, 1, 0, 0};
    grad_case *c = derive(
        "input x: real[4, 4] param f64;"
        "comp y[p:3, q:3 | r:0..2, s:0..2] = max x[p + r, q + s];"
        "output y = y;");
    grad_case_set(c, "x", x);
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
}

static void a_pool_window_in_the_pad_gives_nothing(void **state)
{
    (void)state;
    grad_case *c = derive(
        "input x: real[2] param f64;"
        "comp m[p:4 | r:0..2] = max x[2*p + r - 4 else -inf];"
        "comp y[p:4] = p >= 2 && p < 3 ? m[p] : 0.0; output y = y;");
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
    const double x[] = {1, 2}, expected[] = {0, 1};
    assert_gradient("input x: real[2] param f64;"
                    "comp y[p:4 | r:0..2] = max x[2*p + r - 4 else -inf];"
                    "output y = y;",
                    x, expected, 2);
}

static void maximum_halves_a_tie(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, expected[] = {0.5, 1, 1};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = i < 1 ? maximum(x[i], 1.0) : x[i];"
                    "output y = y;",
                    x, expected, 3);
    const double both[] = {1, 1, 1};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = minimum(x[i], x[i]); output y = y;",
                    x, both, 3);
}

static void relu_and_abs_give_nothing_at_zero(void **state)
{
    (void)state;
    const double x[] = {-1, 0, 2};
    const double relu[] = {0, 0, 1}, absolute[] = {-1, 0, 1};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] > 0.0 ? x[i] : 0.0; output y = y;",
                    x, relu, 3);
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = abs(x[i]); output y = y;",
                    x, absolute, 3);
}

static void powers_stay_finite_at_zero(void **state)
{
    (void)state;
    const double x[] = {0, 2, 0};
    const double none[] = {0, 0, 0}, square[] = {0, 4, 0}, cube[] = {0, 12, 0};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] ^ 0.0; output y = y;", x, none, 3);
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] ^ 2.0; output y = y;", x, square, 3);
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] ^ 3.0; output y = y;", x, cube, 3);
    /* 0^x, where x is the exponent */
    const double exponent[] = {2, 1, 3};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = real(i - i) ^ x[i]; output y = y;",
                    exponent, none, 3);
}

static void untaken_branches_leak_nothing(void **state)
{
    (void)state;
    const double x[] = {0, -1, 4};
    const double root[] = {0, 0, 0.25}, log[] = {0, 0, 0.25},
                 inverse[] = {0, 0, -0.0625};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] > 0.0 ? sqrt(x[i]) : 0.0;"
                    "output y = y;", x, root, 3);
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = x[i] > 0.0 ? log(x[i]) : 0.0;"
                    "output y = y;", x, log, 3);
    assert_gradient("input x: real[3] param f64;"
                    "comp y[| i:0..3] = sum 1.0 / x[i] if x[i] > 0.0;"
                    "output y = y;", x, inverse, 3);
    /* both branches use what only one of them may touch */
    const double both[] = {0, 0, 0.25 + 0.0625};
    assert_gradient("input x: real[3] param f64;"
                    "comp y[i:3] = (x[i] > 0.0 ? sqrt(x[i]) : 0.0)"
                    " + (x[i] > 1.0 ? sqrt(x[i]) * 0.25 : 0.0);"
                    "output y = y;", x, both, 3);
}

/* ---------- reductions ---------- */

static void products_count_their_zeros(void **state)
{
    (void)state;
    const double x[] = {2, 3, 4, 0, 3, 4, 0, 0, 4, 0, 0, 0};
    const double expected[] = {12, 8, 6, 12, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_gradient("input x: real[4, 3] param f64;"
                    "comp y[i:4 | k:0..3] = prod x[i, k]; output y = y;",
                    x, expected, 12);
}

static void a_row_without_candidates_gives_nothing_through_lse(void **state)
{
    (void)state;
    const double x[] = {0, 0, 0, 0};
    const double expected[] = {0.5, 0.5, 0, 0};
    assert_gradient("input x: real[2, 2] param f64;"
                    "comp y[i:2 | k:0..2] = lse i < 1 ? x[i, k] : -inf;"
                    "output y = y;", x, expected, 4);
    assert_gradient("input x: real[2, 2] param f64;"
                    "comp y[i:2 | k:0..2] = lse x[i, k] if i < 1;"
                    "output y = y;", x, expected, 4);
    const double low = -INFINITY;
    const double hidden[] = {0, 0, low, low};
    assert_gradient("input x: real[2, 2] param f64;"
                    "comp y[i:2 | k:0..2] = lse x[i, k]; output y = y;",
                    hidden, expected, 4);
}

static void filters_reach_every_reduction(void **state)
{
    (void)state;
    static const char *const reductions[] = {"sum", "prod", "max", "min",
                                             "lse"};
    for (int i = 0; i < 5; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "input x: real[5, 5] param f64;"
                 "comp y[i:5 | k:0..5] = %s x[i, k] * 2.0 if k <= i;"
                 "output y = y;", reductions[i]);
        assert_exact(text);
    }
}

static void empty_and_single_axes_are_fine(void **state)
{
    (void)state;
    assert_exact("input x: real[1, 1] param f64; input w: real[1] param f64;"
                 "comp y[i:1 | k:0..1] = sum x[i, k] * w[k]; output y = y;");
    assert_exact("input x: real[0, 3] param f64; input w: real[3] param f64;"
                 "comp z[i:0 | k:0..3] = sum x[i, k] * w[k];"
                 "comp y[| i:0..0] = sum z[i]; output y = y;");
    assert_exact("input x: real[3, 0] param f64; input w: real[2] param f64;"
                 "comp z[i:3 | k:0..0] = sum x[i, k] * w[1];"
                 "comp y[i:3] = z[i] + w[0]; output y = y;");
}

static void duplicates_add_up(void **state)
{
    (void)state;
    const double token[] = {1, 1, 1, 0};
    grad_case *c = derive("input e: real[3, 2] param f64;"
                          "input t: int(3)[4] data i32;"
                          "comp y[n:4, d:2] = e[t[n], d]; output y = y;");
    grad_case_set(c, "t", token);
    grad_case_set(c, "dy", ones);
    const double *found = grad_case_gradient(c, 0);
    const double expected[] = {1, 1, 3, 3, 0, 0};
    for (int i = 0; i < 6; i++)
        assert_true(found[i] == expected[i]);
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
}

static void what_is_stopped_gives_nothing(void **state)
{
    (void)state;
    const double x[] = {3, 5}, expected[] = {3, 5};
    assert_gradient("input x: real[2] param f64;"
                    "comp y[i:2] = x[i] * stop(x[i]); output y = y;",
                    x, expected, 2);
}

static void an_unused_parameter_has_derivative_zero(void **state)
{
    (void)state;
    const double x[] = {3, 5}, expected[] = {0, 0};
    assert_gradient("input x: real[2] param f64;"
                    "comp y[i:2] = x[i] > 0.0 ? 1.0 : 2.0; output y = y;",
                    x, expected, 2);
}

/* ---------- convolutions ---------- */

typedef struct conv {
    int size, kernel, stride, dilation, before, after;
} conv;

static int conv_outputs(const conv *v)
{
    int reach = v->dilation * (v->kernel - 1) + 1;
    int room = v->size + v->before + v->after - reach;
    return room < 0 ? 0 : room / v->stride + 1;
}

static void check_conv(const conv *v)
{
    char text[512];
    int64_t forward, backward;
    int outputs = conv_outputs(v);
    if (outputs == 0)
        return;
    snprintf(text, sizeof text,
             "input x: real[2, %d] param f64; input w: real[3, 2, %d] param f64;"
             "comp y[o:3, p:%d | c:0..2, r:0..%d] ="
             " sum x[c, %d*p + %d*r - %d else 0.0] * w[o, c, r]; output y = y;",
             v->size, v->kernel, outputs, v->kernel, v->stride, v->dilation,
             v->before);
    grad_case *c = derive(text);
    if (!(grad_case_error(c) <= 1e-10))
        fail_msg("%s", text);
    assert_false(grad_case_uses(c, IR_MOD_OP));
    assert_true(grad_case_volume(c) <= 1.0);
    /* No zero work: at most what the edges add, a kernel's reach of outputs. */
    grad_case_volumes(c, "x", &forward, &backward);
    if (backward * outputs > forward * (outputs + v->dilation * v->kernel))
        fail_msg("%lld points instead of %lld: %s", (long long)backward,
                 (long long)forward, text);
    grad_case_free(c);
}

static void every_stride_dilation_and_padding_is_exact(void **state)
{
    (void)state;
    static const int pads[][2] = {{0, 0}, {1, 1}, {2, 1}, {0, 3}};
    for (int stride = 1; stride <= 3; stride++)
        for (int dilation = 1; dilation <= 2; dilation++)
            for (int kernel = 1; kernel <= 5; kernel++)
                for (int pad = 0; pad < 4; pad++)
                    for (int size = 7; size <= 10; size += 3)
                        check_conv(&(conv){size, kernel, stride, dilation,
                                           pads[pad][0], pads[pad][1]});
}

static void phases_visit_what_the_forward_visits(void **state)
{
    (void)state;
    int64_t forward, backward;
    grad_case *c = derive(
        "input x: real[2, 2, 8, 8] param f64;"
        "input w: real[3, 2, 3, 3] param f64;"
        "comp y[n:2, o:3, p:4, q:4 | c:0..2, r:0..3, s:0..3] ="
        " sum x[n, c, 2*p + r - 1, 2*q + s - 1 else 0.0] * w[o, c, r, s];"
        "output y = y;");
    grad_case_volumes(c, "x", &forward, &backward);
    assert_int_equal(backward, forward);
    grad_case_free(c);
}

/* Big strides share pieces: two for a window of 25 at stride 10, not ten. */
static void neighbouring_phases_share_a_piece(void **state)
{
    (void)state;
    int64_t forward, backward;
    grad_case *c = derive("input x: real[100] param f64;"
                          "input w: real[25] param f64;"
                          "comp y[p:8 | r:0..25] = sum x[10*p + r] * w[r];"
                          "output y = y;");
    assert_true(grad_case_error(c) <= 1e-10);
    assert_int_equal(c->grads[0]->kind, IR_SCATTER);
    assert_true(c->grads[0]->piece_count <= 2);
    assert_true(c->grads[0]->disjoint);
    grad_case_volumes(c, "x", &forward, &backward);
    assert_true(backward <= forward * 10 / 8);
    grad_case_free(c);
}

/* ---------- twice ---------- */

static void assert_exact_twice(const char *text)
{
    for (int optimise = 0; optimise < 2; optimise++) {
        grad_case *c = grad_case_parse("test", text);
        grad_case_build(c, optimise != 0);
        grad_case_again(c, optimise != 0);
        if (!(grad_case_error(c) <= 1e-10))
            fail_msg("second derivative of %s", text);
        grad_case_free(c);
    }
}

static void second_derivatives_are_exact(void **state)
{
    (void)state;
    assert_exact_twice(
        "input x: real[2, 5] param f64; input w: real[2, 2, 3] param f64;"
        "comp y[o:2, p:3 | c:0..2, r:0..3] ="
        " sum x[c, 2*p + r - 1 else 0.0] * w[o, c, r]; output y = y;");
    assert_exact_twice(
        "input x: real[2, 5] param f64; input w: real[2, 2, 3] param f64;"
        "comp h[o:2, p:5 | c:0..2, r:0..3] ="
        " sum x[c, p + r - 1 else 0.0] * w[o, c, r];"
        "comp y[o:2, p:5] = tanh(h[o, p]); output y = y;");
    assert_exact_twice("input x: real[3, 4] param f64;"
                       "comp l[i:3 | k:0..4] = lse x[i, k];"
                       "comp y[i:3, k:4] = exp(x[i, k] - l[i]);"
                       "output y = y;");
    assert_exact_twice("input x: real[3, 4] param f64;"
                       "comp y[i:3 | k:0..4] = prod x[i, k]; output y = y;");
    assert_exact_twice("input e: real[4, 2] param f64;"
                       "input t: int(4)[5] data i32;"
                       "comp y[n:5, d:2] = tanh(e[t[n], d]); output y = y;");
    assert_exact_twice("input x: real[5] param f64; input w: real[3] param f64;"
                       "comp y[p:5 | r:0..3] ="
                       " sum x[clamp(p + r - 1)] * x[p] * w[r];"
                       "output y = y;");
}

static void the_second_derivative_of_max_is_zero(void **state)
{
    (void)state;
    const char *text = "input x: real[3, 6] param f64;"
                       "comp y[i:3, p:3 | r:0..3] ="
                       " max x[i, 2*p + r - 1 else -inf]; output y = y;";
    assert_exact_twice(text);
    grad_case *c = derive(text);
    grad_case_again(c, true);
    const double *found = grad_case_gradient(c, 0);
    for (int i = 0; i < 18; i++)
        assert_true(found[i] == 0.0);
    grad_case_free(c);
}

/* ---------- text ---------- */

static void shared_bodies_print_in_linear_size(void **state)
{
    (void)state;
    ptl_str text = {0}, printed = {0};
    str_add(&text, "input x: real[3] param f64; comp y[i:3] = "
                   "let $0 = x[i] * 0.5 + 0.25;");
    for (int i = 1; i < 40; i++)
        str_printf(&text, "let $%d = $%d * $%d - sin($%d);", i, i - 1, i - 1,
                   i - 1);
    str_add(&text, "$39 * $39; output y = y;");
    grad_case *c = derive(str_text(&text));
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_print(c, &printed);
    assert_true(printed.length < 50000);
    str_fini(&text);
    str_fini(&printed);
    grad_case_free(c);
}

/* ---------- scans ---------- */

static void a_scan_by_its_initial_value(void **state)
{
    (void)state;
    assert_exact("input x: real[2] param f64;"
                 "scan s: 3 {"
                 " input h: real[2] generic f64;"
                 " comp n[i:2] = sin(h[i]) + h[1 - i] * h[i];"
                 "} carry x in h next n;"
                 "result y = s 0; output y = y;");
}

/* Weights, inputs by step, initial values; final values and all steps count. */
static const char cell[] =
    "input x: real[%d, 3, 4] param f64;"
    "input w: real[5, 5] param f64;"
    "input u: real[5, 4] param f64;"
    "input b: real[5] param f64;"
    "input h0: real[3, 5] param f64;"
    "scan s: %d {"
    " input t: int(%d) generic i32;"
    " input h: real[3, 5] generic f64;"
    " input c: real[3, 5] generic f64;"
    " input xx: real[%d, 3, 4] generic f64;"
    " input ww: real[5, 5] generic f64;"
    " input uu: real[5, 4] generic f64;"
    " input bb: real[5] generic f64;"
    " comp p[n:3, j:5 | k:0..4] = sum uu[j, k] * xx[t[], n, k];"
    " comp q[n:3, j:5 | k:0..5] = sum ww[j, k] * h[n, k];"
    " comp g[n:3, j:5] = p[n, j] + q[n, j] * bb[j];"
    " comp d[n:3, j:5] = c[n, j] * sigmoid(g[n, j]) + real(t[]) * bb[j];"
    " comp e[n:3, j:5] = tanh(d[n, j]) * g[n, 4 - j];"
    "} counter t bind x to xx bind w to ww bind u to uu bind b to bb"
    "  carry h0 in h next e carry h0 in c next d stack e;"
    "result last = s 1; result all = s 2;"
    "comp y[n:3, j:5 | t:0..%d] = sum all[t, n, j] * last[n, j];"
    "output y = y;";

static grad_case *derive_cell(int steps)
{
    char text[2000];
    snprintf(text, sizeof text, cell, steps, steps, steps, steps, steps);
    return derive(text);
}

static void a_cell_by_all_it_reads(void **state)
{
    (void)state;
    grad_case *c = derive_cell(6);
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
}

static void a_reversed_scan_that_swaps(void **state)
{
    (void)state;
    assert_exact("input x: real[4, 3] param f64;"
                 "input a0: real[3] param f64;"
                 "input b0: real[3] param f64;"
                 "scan s: 4 reversed {"
                 " input t: int(4) generic i32;"
                 " input a: real[3] generic f64;"
                 " input b: real[3] generic f64;"
                 " input v: real[4, 3] generic f64;"
                 " comp c[i:3] = a[2 - i] * b[i] + v[t[], i] * v[3 - t[], i];"
                 "} counter t bind x to v carry a0 in a next b"
                 "  carry b0 in b next c stack c stack a;"
                 "result c = s 2; result a = s 3; result f = s 0;"
                 "comp y[t:4, i:3] = c[t, i] * a[3 - t, i] + f[i];"
                 "output y = y;");
}

static void a_step_with_extrema_and_gathers(void **state)
{
    (void)state;
    assert_exact("input e: real[4, 3] param f64;"
                 "input k: int(4)[5] data i32;"
                 "input h0: real[3] param f64;"
                 "scan s: 5 {"
                 " input t: int(5) generic i32;"
                 " input h: real[3] generic f64;"
                 " input ee: real[4, 3] generic f64;"
                 " input kk: int(4)[5] generic i32;"
                 " comp m[| i:0..3] = max h[i] + ee[kk[t[]], i];"
                 " comp l[| i:0..3] = lse h[i] * ee[1, i];"
                 " comp z[| i:0..3] = prod 1.0 + 0.1 * h[i];"
                 " comp n[i:3] = h[i] * 0.5 + (i < 2 ? m[] : l[] * z[]);"
                 "} counter t bind e to ee bind k to kk"
                 "  carry h0 in h next n stack n;"
                 "result y = s 1; output y = y;");
}

static void a_scan_of_one_step_and_of_none(void **state)
{
    (void)state;
    grad_case *c = derive_cell(1);
    assert_true(grad_case_error(c) <= 1e-10);
    grad_case_free(c);
    assert_exact("input x: real[2] param f64;"
                 "scan s: 0 {"
                 " input h: real[2] generic f64;"
                 " comp n[i:2] = h[i] * h[i];"
                 "} carry x in h next n;"
                 "result r = s 0;"
                 "comp y[i:2] = r[i] * 3.0; output y = y;");
}

/* Not by growing in number either: a scan is not unrolled. */
static void the_volume_of_a_scan_is_linear_in_its_steps(void **state)
{
    (void)state;
    grad_case *few = derive_cell(8), *many = derive_cell(24);
    const grad_volume *a, *b;
    int rows = grad_volumes(few->g, &a), at_weights = 0;
    assert_true(rows > 0);
    assert_int_equal(grad_volumes(many->g, &b), rows);
    assert_int_equal(few->g->nodes.count, many->g->nodes.count);
    for (int i = 0; i < rows; i++) {
        int times = a[i].node == few->loss ? 1 : 3; /* it reads y alone */
        assert_int_equal(times * a[i].forward, b[i].forward);
        assert_int_equal(times * a[i].backward, b[i].backward);
        at_weights += strcmp(a[i].operand->name, "w") == 0;
    }
    assert_int_equal(at_weights, 1); /* one contraction, after the loop */
    grad_case_free(few);
    grad_case_free(many);
}

/* ---------- refusals and warnings ---------- */

static void a_scan_within_a_scan_is_refused_by_name(void **state)
{
    (void)state;
    const char *text = "input x: real[2] param f64;"
                       "scan s: 3 {"
                       " input h: real[2] generic f64;"
                       " scan k: 2 {"
                       "  input z: real[2] generic f64;"
                       "  comp n[i:2] = z[i] * 0.5;"
                       " } carry h in z next n;"
                       " result r = k 0;"
                       " comp m[i:2] = r[i] + 1.0;"
                       "} carry x in h next m;"
                       "result y = s 0; output y = y;";
    grad_case *c = grad_case_parse("test", text);
    assert_false(grad_build(c->g, c->loss, c->wrt, c->wrt_count, c->grads,
                            c->diags));
    assert_int_equal(diags_code_at(c->diags, 0), DIAG_GRAD_SCAN);
    grad_case_free(c);
}

static void only_an_avoidable_scatter_draws_a_warning(void **state)
{
    (void)state;
    grad_case *embedding = derive("input e: real[4, 2] param f64;"
                                  "input t: int(4)[5] data i32;"
                                  "comp y[n:5, d:2] = e[t[n], d];"
                                  "output y = y;");
    assert_int_equal(diags_warning_count(embedding->diags), 0);
    grad_case_free(embedding);
    grad_case *c = derive("input x: real[4, 4] param f64;"
                          "comp y[i:2, j:3] = x[i + j, i + j]; output y = y;");
    assert_true(grad_case_error(c) <= 1e-10);
    assert_int_equal(diags_warning_count(c->diags), 1);
    grad_case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_gives_all_to_the_first_of_equals),
        cmocka_unit_test(overlapping_pools_with_ties_equal_complex_step),
        cmocka_unit_test(a_pool_window_in_the_pad_gives_nothing),
        cmocka_unit_test(maximum_halves_a_tie),
        cmocka_unit_test(relu_and_abs_give_nothing_at_zero),
        cmocka_unit_test(powers_stay_finite_at_zero),
        cmocka_unit_test(untaken_branches_leak_nothing),
        cmocka_unit_test(products_count_their_zeros),
        cmocka_unit_test(a_row_without_candidates_gives_nothing_through_lse),
        cmocka_unit_test(filters_reach_every_reduction),
        cmocka_unit_test(empty_and_single_axes_are_fine),
        cmocka_unit_test(duplicates_add_up),
        cmocka_unit_test(what_is_stopped_gives_nothing),
        cmocka_unit_test(an_unused_parameter_has_derivative_zero),
        cmocka_unit_test(every_stride_dilation_and_padding_is_exact),
        cmocka_unit_test(phases_visit_what_the_forward_visits),
        cmocka_unit_test(neighbouring_phases_share_a_piece),
        cmocka_unit_test(second_derivatives_are_exact),
        cmocka_unit_test(the_second_derivative_of_max_is_zero),
        cmocka_unit_test(shared_bodies_print_in_linear_size),
        cmocka_unit_test(a_scan_within_a_scan_is_refused_by_name),
        cmocka_unit_test(a_scan_by_its_initial_value),
        cmocka_unit_test(a_cell_by_all_it_reads),
        cmocka_unit_test(a_reversed_scan_that_swaps),
        cmocka_unit_test(a_step_with_extrema_and_gathers),
        cmocka_unit_test(a_scan_of_one_step_and_of_none),
        cmocka_unit_test(the_volume_of_a_scan_is_linear_in_its_steps),
        cmocka_unit_test(only_an_avoidable_scatter_draws_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
