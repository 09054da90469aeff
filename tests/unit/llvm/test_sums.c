/*
 * test_sums.c - long sums of equal terms.
 *
 * Each rounding of such a sum goes the way the one before went, so an order
 * that adds one after another errs by the number of terms, where the error
 * model has its root (semantics, numbers 5). The terms are mostly those of
 * an axis of one element, which is read beyond its end.
 */
#include "llvm/graph_case.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CASE(name, text)                                                       \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        check_graph(text, false);                                              \
    }

CASE(outputs_along_the_lanes,
     "input x: real[1, 16, 8] data f32;\n"
     "comp s[i:8, j:16 | k:0..20000] = sum x[clamp(k), j, i];\n"
     "output s = s;\n")

CASE(columns, "input x: real[1, 128] data f32;\n"
              "comp s[j:128 | i:0..1000] = sum x[clamp(i), j];\n"
              "comp r[j:128 | i:0..30000] = sum x[clamp(i), j];\n"
              "output s = s;\noutput r = r;\n")

CASE(rows, "input x: real[8, 1] data f32;\n"
           "comp s[i:8 | j:0..400007] = sum x[i, clamp(j)];\n"
           "output s = s;\n")

CASE(a_filter,
     "input x: real[1, 16, 8] data f32;\n"
     "comp s[i:8, j:16 | k:0..20000] = sum x[clamp(k), j, i] if k % 5 != 2;\n"
     "output s = s;\n")

CASE(sums_of_several_axes,
     "input x: real[1, 16, 8] data f32;\n"
     "comp s[i:8, j:16 | n:0..3, k:0..2000, m:0..4] = sum\n"
     "  x[clamp(n + k + m), j, i];\n"
     "comp r[i:8 | n:0..200, k:0..1000, j:0..16] = sum\n"
     "  x[clamp(n + k), clamp(j - 15), i];\n"
     "output s = s;\noutput r = r;\n")

CASE(sums_beside_other_reductions,
     "input x: real[1, 16, 8] data f32;\n"
     "comp s[i:8, j:16 | k:0..20000] = sum x[clamp(k), j, i];\n"
     "comp m[i:8, j:16 | k:0..20000] = max x[clamp(k), j, i];\n"
     "comp n[i:8, j:16 | k:0..20000] = sum k % 3;\n"
     "output s = s;\noutput m = m;\noutput n = n;\n")

CASE(exponentials, "input t: int(2)[300007] data i32;\n"
                   "input x: real[8, 2] data f32;\n"
                   "comp s[i:8 | j:0..300007] = lse x[i, t[j]];\n"
                   "output s = s;\n")

CASE(a_scatter_into_few,
     "input t: int(3)[20000] data i32;\n"
     "input u: int(2)[20000] data i32;\n"
     "input x: real[2, 5] data f32;\n"
     "comp y[i:20000, j:5] = x[u[i], j];\n"
     "scatter s: real[3, 5] { [i, j] at [t[i], j] += y; };\n"
     "scatter r: real[1] { [i, j] at [0] += y; [i, j] at [0] += y; };\n"
     "output s = s;\noutput r = r;\n")

CASE(a_scatter_of_wide_rows,
     "input t: int(3)[9000] data i32;\n"
     "input x: real[1, 300] data f32;\n"
     "comp y[i:9000, j:300] = x[clamp(i), j];\n"
     "scatter s: real[3, 300] { [i, j] at [t[i], j] += y; };\n"
     "output s = s;\n")

/* What one trip lost is nothing to the next. */
CASE(a_scatter_in_a_scan,
     "input u: int(3)[2000] data i32;\n"
     "input x: real[1, 5] data f32;\n"
     "input c0: real[3, 5] data f32;\n"
     "scan l: 3 {\n"
     "    input t: int(3) generic i32;\n"
     "    input c: real[3, 5] generic f32;\n"
     "    input uu: int(3)[2000] generic i32;\n"
     "    input xx: real[1, 5] generic f32;\n"
     "    comp y[i:2000, j:5] = xx[clamp(i), j] * real(t[] + 1);\n"
     "    scatter s: real[3, 5] { [i, j] at [uu[i], j] += y; };\n"
     "    comp n[i:3, j:5] = c[i, j] * 0.5 + s[i, j];\n"
     "} counter t bind u to uu bind x to xx carry c0 in c next n stack s;\n"
     "result last = l 0;\nresult all = l 1;\n"
     "output last = last;\noutput all = all;\n")

CASE(a_scatter_that_updates,
     "input u: int(3)[2000] data i32;\n"
     "input x: real[1, 5] data f32;\n"
     "input w: real[3, 5] param f32;\n"
     "comp y[i:2000, j:5] = x[clamp(i), j];\n"
     "scatter s: real[3, 5] { [i, j] at [u[i], j] += y; };\n"
     "comp n[i:3, j:5] = w[i, j] - 0.1 * s[i, j];\n"
     "update n = n into w;\n")

/* What is lost is no number then; the sum stays what it is. */
CASE(a_scatter_of_what_is_not_finite,
     "input t: int(3)[2000] data i32;\n"
     "input x: real[2000] data f32;\n"
     "comp y[i:2000] = i == 700 ? 1.0 / (x[i] * 0.0) : 0.1;\n"
     "comp z[i:2000] = i == 700 ? log(-1.0 - abs(x[i])) : 0.1;\n"
     "scatter s: real[3] { [i] at [t[i]] += y; };\n"
     "scatter r: real[3] { [i] at [t[i]] += z; };\n"
     "comp a[i:3] = abs(s[i]) > 1000.0;\n"
     "comp b[i:3] = r[i] == r[i];\n"
     "output a = a;\noutput b = b;\n")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_along_the_lanes),
        cmocka_unit_test(columns),
        cmocka_unit_test(rows),
        cmocka_unit_test(a_filter),
        cmocka_unit_test(sums_of_several_axes),
        cmocka_unit_test(sums_beside_other_reductions),
        cmocka_unit_test(exponentials),
        cmocka_unit_test(a_scatter_into_few),
        cmocka_unit_test(a_scatter_of_wide_rows),
        cmocka_unit_test(a_scatter_in_a_scan),
        cmocka_unit_test(a_scatter_that_updates),
        cmocka_unit_test(a_scatter_of_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
