/*
 * test_compile.c - graphs through schedule, kernel form and LLVM, against the
 * oracle: f32 and f64, fused and not, 1 and 2 threads.
 */
#include "llvm/graph_case.h"
#include "llvm/levels.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CASE(name, pointwise, text)                                            \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        check_graph(text, pointwise);                                          \
    }

/* ---------- maps ---------- */

CASE(a_map_over_a_matrix, true,
     "input x: real[7, 37] generic f32;\n"
     "input b: real[37] generic f32;\n"
     "comp y[i:7, j:37] = x[i, j] * 2.0 + b[j];\n"
     "output y = y;\n")

CASE(a_chain_of_maps, true,
     "input x: real[33, 20] generic f32;\n"
     "comp a[i:33, j:20] = exp(x[i, j]) + 1.0;\n"
     "comp b[i:33, j:20] = log(a[i, j]) * x[i, j];\n"
     "comp c[j:20, i:33] = b[i, j] - tanh(a[i, j]);\n"
     "output c = c;\n")

CASE(every_real_function, true,
     "input x: real[100] generic f32;\n"
     "comp p[i:100] = abs(x[i]) + 0.5;\n"
     "comp a[i:100] = sin(x[i]) + cos(x[i]) * sigmoid(x[i]) - erf(x[i]);\n"
     "comp b[i:100] = p[i] ^ x[i] + p[i] ^ 2.0 + sqrt(p[i]) / p[i];\n"
     "comp c[i:100] = floor(x[i] * 3.0) + ceil(x[i] * 5.0) + sign(x[i]);\n"
     "comp d[i:100] = maximum(x[i], 0.25) + minimum(x[i], -0.25) + -x[i];\n"
     "comp e[i:100] = fma(x[i], p[i], 1.0) + stop(x[i]);\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\n")

CASE(fewer_bits, true,
     "input x: real[100] generic f32;\n"
     "comp a[i:100] = bf16(x[i] * 3.0);\n"
     "comp b[i:100] = tf32(x[i]) - a[i];\n"
     "output a = a;\noutput b = b;\n")

CASE(products_of_fewer_bits, false,
     "input x: real[70, 130] data f32;\n"
     "input w: real[50, 130] param f32;\n"
     "comp y[n:70, m:50 | k:0..130] = sum bf16(x[n, k]) * bf16(w[m, k]);\n"
     "comp z[n:70, k:130 | m:0..50] = sum tf32(y[n, m]) * tf32(w[m, k]);\n"
     "output y = y;\noutput z = z;\n")

/* Both ways through memory, more than one block of k, an odd k. */
CASE(pairs_of_fewer_bits, false,
     "input x: real[37, 2100] data f32;\n"
     "input w: real[2100, 45] param f32;\n"
     "input v: real[45, 61] param f32;\n"
     "comp y[n:37, m:45 | k:0..2100] = sum bf16(x[n, k]) * bf16(w[k, m]);\n"
     "comp dw[k:2100, m:45 | n:0..36] = sum bf16(x[n, k]) * bf16(y[n, m]);\n"
     "comp z[n:37, j:61 | m:0..45] = sum bf16(y[n, m]) * bf16(v[m, j]);\n"
     "output y = y;\noutput dw = dw;\noutput z = z;\n")

CASE(a_convolution_of_fewer_bits, false,
     "input x: real[3, 6, 13, 11] data f32;\n"
     "input w: real[20, 6, 3, 3] param f32;\n"
     "comp y[n:3, o:20, p:7, q:6 | c:0..6, r:0..3, s:0..3] = sum\n"
     "  bf16(x[n, c, 2 * p + r - 1, 2 * q + s - 1 else 0.0])\n"
     "  * bf16(w[o, c, r, s]);\n"
     "output y = y;\n")

CASE(integers_and_truth_values, true,
     "input t: int(9)[50] data u8;\n"
     "input u: int[50] data i32;\n"
     "input w: int[50] data i64;\n"
     "input q: bool[50] generic bool;\n"
     "comp a[i:50] = floor_div(t[i] - 5, 3) + (u[i] - 9) % 4;\n"
     "comp b[i:50] = q[i] && t[i] > 3 || !(u[i] == t[i]);\n"
     "comp c[i:50] = b[i] ? real(t[i]) / 255.0 : real(b[i]) - 1.0;\n"
     "comp d[i:50] = int(c[i] * 10.0) + abs(t[i] - 4) * i + w[i];\n"
     "comp e[i:50] = maximum(t[i], u[i]) - minimum(t[i], i);\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\n")

CASE(reads_outside, true,
     "input x: real[9, 13] generic f32;\n"
     "comp a[i:12, j:17] = x[i - 2, j - 1 else 0.5];\n"
     "comp b[i:9, j:40] = x[i, 2*j - 7 else -1.0];\n"
     "comp c[i:20, j:20] = x[clamp(i - 4), wrap(j - 30)];\n"
     "comp d[i:20, j:60] = x[wrap(3*i), reflect(j - 20)];\n"
     "comp e[i:9, j:13] = inside(x[i + 1, j - 1]) ? 1.0 : x[i, j];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\n")

CASE(strides_and_diagonals, true,
     "input x: real[20, 20] generic f32;\n"
     "comp a[i:20] = x[i, i];\n"
     "comp b[i:6, j:5] = x[3*i + 1, 4*j];\n"
     "comp c[i:20, j:20] = x[19 - i, j] + x[j, i];\n"
     "comp d[i:10] = x[i + 10, 2*i + 1];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n")

/* Operands that lie across the result, whole and partial blocks, with a guard,
 * beside one that lies along it. */
CASE(operands_across_the_result, true,
     "input x: real[3, 37, 41] generic f32;\n"
     "input y: real[3, 41, 37] generic f32;\n"
     "input z: real[48, 32] generic f32;\n"
     "comp a[n:3, i:41, j:37] = x[n, j, i] * 2.0 - y[n, i, j];\n"
     "comp b[i:44, n:3, j:20] = x[n, j + 3, i - 2 else 0.25] + "
     "x[n, j, i else -1.0];\n"
     "comp c[i:32, j:48] = z[j, i];\n"
     "comp d[j:9, i:11] = z[i, j] * z[0, j];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n")

/* Two results in one pass, the second of which reads the first: both with what
 * lies across them. */
static void results_of_one_pass_across_operands(void **state)
{
    (void)state;
    static const char graph[] =
        "input x: real[3, 21, 37] generic f32;\n"
        "input z: real[3, 37, 21] generic f32;\n"
        "comp a[n:3, i:37, c:21] = x[n, c, i] + z[n, i, c];\n"
        "comp b[n:3, i:37, c:21] = a[n, i, c] > 0.0 ? 2.0 * x[n, c, i] : 0.0;\n"
        "output a = a;\noutput b = b;\n";
    ptl_str text = {0};
    graph_emit(graph, "kernels", &text);
    const char *kernel = strstr(str_text(&text), "kernel ");
    assert_non_null(kernel);
    assert_null(strstr(kernel + 1, "\nkernel ")); /* there is one */
    assert_non_null(strstr(kernel, "shuffle"));
    str_fini(&text);
    check_graph(graph, true);
}

CASE(gathers, true,
     "input x: real[11, 24] generic f32;\n"
     "input t: int(11)[30] data i32;\n"
     "input u: int(24)[24] data u8;\n"
     "comp a[n:30, j:24] = x[t[n], j];\n"
     "comp b[i:11, j:24] = x[i, u[j]];\n"
     "comp c[n:30, j:24] = x[t[n], u[j]] * 2.0;\n"
     "comp d[n:30, j:24] = x[t[n] + n - 6, u[j] else 7.0];\n"
     "comp e[n:30] = t[n] == n ? 1.0 : x[clamp(t[n] - 3), 5];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\n")

CASE(random_leaves, true,
     "input seed: int scalar i64;\n"
     "input step: int scalar i32;\n"
     "comp a[i:9, j:50] = uniform(\"net.drop\", 50*i + j, step[], seed[]);\n"
     "comp b[i:9, j:50] = a[i, j] < 0.25 ? 0.0 : a[i, j];\n"
     "comp c[i:300] = normal(\"net.w\", i * 5000000000, 1, seed[]);\n"
     "output a = a;\noutput b = b;\noutput c = c;\n")

static int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

static void assert_code(const char *graph, int functions, int other_names)
{
    ptl_str text = {0};
    check_graph(graph, true);
    graph_emit(graph, "llvm", &text);
    assert_int_equal(count_of(str_text(&text), "\ndefine "), functions);
    assert_int_equal(count_of(str_text(&text), " = alias "), other_names);
    str_fini(&text);
}

/* Where values are drawn is no part of the code. */
static void layers_that_draw_have_one_code(void **state)
{
    (void)state;
    static const char layers[] =
        "input x: real[40, 16] generic f32;\n"
        "input r: real[16] generic f32;\n"
        "input step: int scalar i64;\n"
        "input seed: int scalar i64;\n"
        "comp a[n:40, k:16] = uniform(\"a\", 16*n + k, step[], seed[]) < 0.75"
        " ? x[n, k] - r[k] : 0.0;\n"
        "comp s[k:16 | n:0..40] = max a[n, k];\n"
        "comp b[n:40, k:16] = uniform(\"b\", 16*n + k, step[], seed[]) < 0.75"
        " ? a[n, k] - s[k] : 0.0;\n"
        "comp t[k:16 | n:0..40] = max b[n, k];\n"
        "output s = s;\noutput t = t;\noutput a = a;\noutput b = b;\n";
    static const char weights[] =
        "input seed: int scalar i64;\n"
        "comp v[i:9, j:50] = normal(\"v\", 50*i + j, 0, seed[]) * 0.1;\n"
        "comp w[i:9, j:50] = normal(\"w\", 50*i + j, 0, seed[]) * 0.1;\n"
        "output v = v;\noutput w = w;\n";
    assert_code(layers, 2, 2);
    assert_code(weights, 1, 1);
}

CASE(scalars_and_empty_tensors, true,
     "input x: real generic f32;\n"
     "input y: real[0, 5] generic f32;\n"
     "comp a[] = x[] * 3.0;\n"
     "comp b[i:0, j:5] = y[i, j] + a[];\n"
     "comp c[i:1, j:1, k:3] = a[] + real(k);\n"
     "output a = a;\noutput b = b;\noutput c = c;\n")

/* ---------- reductions ---------- */

CASE(sums_along_either_axis, false,
     "input x: real[37, 75] generic f32;\n"
     "comp a[i:37 | j:0..75] = sum x[i, j];\n"
     "comp b[j:75 | i:0..37] = sum x[i, j];\n"
     "comp c[| i:0..37, j:0..75] = sum x[i, j] * x[i, j];\n"
     "comp d[i:37 | j:2..5] = sum x[i, j];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n")

CASE(every_reduction, false,
     "input x: real[19, 130] generic f32;\n"
     "input q: bool[19, 130] generic bool;\n"
     "input t: int(50)[19, 130] data i32;\n"
     "comp a[i:19 | j:0..130] = max x[i, j];\n"
     "comp b[j:130 | i:0..19] = min x[i, j];\n"
     "comp c[i:19 | j:0..130] below 130 = argmax x[i, j];\n"
     "comp d[j:130 | i:0..19] below 19 = argmin x[i, j];\n"
     "comp e[i:19 | j:0..130] = lse x[i, j];\n"
     "comp f[j:130 | i:0..19] = lse x[i, j];\n"
     "comp g[i:19 | j:0..130] = prod x[i, j] + 1.0;\n"
     "comp h[i:19 | j:0..130] = any q[i, j];\n"
     "comp k[j:130 | i:0..19] = all q[i, j];\n"
     "comp l[i:19 | j:0..130] = sum t[i, j];\n"
     "comp m[| i:0..19, j:0..130] below 2470 = argmax t[i, j];\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\noutput f = f;\noutput g = g;\noutput h = h;\n"
     "output k = k;\noutput l = l;\noutput m = m;\n")

/* Rows as they lie, some at a time: with and without chunks, more columns than
 * a task takes, columns and rows that fill no vector and no group. */
CASE(reductions_over_leading_axes, false,
     "input x: real[1003, 300] generic f32;\n"
     "input z: real[45, 4500] generic f32;\n"
     "input q: bool[45, 4500] generic bool;\n"
     "input t: int(50)[45, 4500] data i32;\n"
     "comp a[j:300 | i:0..1003] = sum x[i, j];\n"
     "comp b[j:300 | i:0..1003] = sum x[i, j] * x[i, 299 - j];\n"
     "comp c[j:300 | i:3..1000] = max x[i, j] if x[i, j] < 0.9;\n"
     "comp d[j:4500 | i:0..45] = min z[i, j];\n"
     "comp e[j:4500 | i:0..45] = sum t[i, j];\n"
     "comp f[j:4500 | i:0..45] = any q[i, j];\n"
     "comp g[j:4500 | i:0..45] = sum z[i, j] if i > j;\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\noutput f = f;\noutput g = g;\n")

/* Windows so small that they are written out: strides, padding, the lanes
 * along a short row. */
CASE(windows_of_pooling, false,
     "input x: real[3, 5, 28, 28] generic f32;\n"
     "input z: real[2, 14, 14, 20] generic f32;\n"
     "comp a[n:3, c:5, p:14, q:14 | r:0..2, s:0..2] = "
     "max x[n, c, 2*p + r, 2*q + s];\n"
     "comp at[n:3, c:5, p:14, q:14 | r:0..2, s:0..2] below 4 = "
     "argmax x[n, c, 2*p + r, 2*q + s];\n"
     "comp b[n:3, c:5, p:14, q:14 | r:0..3, s:0..3] below 9 = "
     "argmax x[n, c, 2*p + r - 1, 2*q + s - 1 else -inf];\n"
     "comp d[n:3, c:5, p:9, q:9 | r:0..3, s:0..3] = "
     "sum x[n, c, 3*p + r, 3*q + s];\n"
     "comp e[n:2, p:7, q:7, c:20 | r:0..2, s:0..2] = "
     "min z[n, 2*p + r, 2*q + s, c];\n"
     "comp f[n:3, c:5, p:14, q:14 | r:0..2, s:0..2] = "
     "max x[n, c, 2*p + r, 2*q + s] if r + s > 0;\n"
     "comp g[n:3, c:5, p:14, q:14 | r:0..2, s:0..2] below 4 = "
     "argmin x[n, c, 2*p + r, 2*q + s] if x[n, c, 2*p + r, 2*q + s] > 0.5;\n"
     "output a = a;\noutput at = at;\noutput b = b;\noutput d = d;\n"
     "output e = e;\noutput f = f;\noutput g = g;\n")

CASE(filters_and_empty_ranges, false,
     "input x: real[19, 33] generic f32;\n"
     "comp a[i:19 | j:0..33] = sum x[i, j] if j <= i;\n"
     "comp b[i:19 | j:0..33] = max x[i, j] if j > i + 16;\n"
     "comp c[j:33 | i:0..19] below 19 = argmax x[i, j] if i > j;\n"
     "comp d[i:19 | j:4..4] = sum x[i, j];\n"
     "comp e[i:19 | j:4..4] = lse x[i, j];\n"
     "comp f[j:33 | i:0..19] = lse x[i, j] if x[i, j] > 0.9;\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\noutput f = f;\n")

CASE(a_large_sum_in_chunks, false,
     "input x: real[300, 1003] generic f32;\n"
     "comp a[| i:0..300, j:0..1003] = sum x[i, j];\n"
     "comp b[| i:0..300, j:0..1003] = max x[i, 1002 - j];\n"
     "comp c[k:3 | i:0..300, j:0..334] = sum x[i, 3*j + k];\n"
     "output a = a;\noutput b = b;\noutput c = c;\n")

CASE(softmax_by_hand, false,
     "input x: real[33, 10] generic f32;\n"
     "comp m[i:33 | j:0..10] = max x[i, j];\n"
     "comp e[i:33, j:10] = exp(x[i, j] - m[i]);\n"
     "comp s[i:33 | j:0..10] = sum e[i, j];\n"
     "comp y[i:33, j:10] = e[i, j] / s[i];\n"
     "output y = y;\n")

CASE(reductions_over_one_domain, false,
     "input x: real[70, 50] generic f32;\n"
     "input y: real[300, 1003] generic f32;\n"
     "comp a[i:70 | j:0..50] = sum x[i, j];\n"
     "comp b[i:70 | j:0..50] = sum x[i, j] * x[i, j];\n"
     "comp c[i:70 | j:0..50] = max x[i, 49 - j] if j < i;\n"
     "comp d[i:70 | j:0..50] below 50 = argmin x[i, j];\n"
     "comp e[j:50 | i:0..70] = sum x[i, j];\n"
     "comp f[j:50 | i:0..70] below 70 = argmax x[i, j];\n"
     "comp g[j:50 | i:0..70] = any x[i, j] > 0.99;\n"
     "comp h[| i:0..300, j:0..1003] = sum y[i, j];\n"
     "comp k[| i:0..300, j:0..1003] = min y[i, j] * 2.0;\n"
     "output a = a;\noutput b = b;\noutput c = c;\noutput d = d;\n"
     "output e = e;\noutput f = f;\noutput g = g;\noutput h = h;\n"
     "output k = k;\n")

/* Several rows at once and what is left of them; values of a row that later
 * members read from a register, from the row beside the task, and shifted. */
CASE(short_rows, false,
     "input x: real[3, 7, 40] generic f32;\n"
     "input d: real[3, 7, 40] generic f32;\n"
     "comp m[a:3, b:7 | j:0..40] = max x[a, b, j];\n"
     "comp e[a:3, b:7, j:40] = exp(x[a, b, j] - m[a, b]);\n"
     "comp s[a:3, b:7 | j:0..40] = sum e[a, b, j];\n"
     "comp r[a:3, b:7] = 1.0 / s[a, b];\n"
     "comp p[a:3, b:7, j:40] = e[a, b, j] * r[a, b];\n"
     "comp t[a:3, b:7 | j:0..40] = sum p[a, b, j] * d[a, b, j];\n"
     "comp g[a:3, b:7, j:40] = p[a, b, j] * (d[a, b, j] - t[a, b]) "
     "+ e[a, b, j - 1 else 0.5];\n"
     "comp w[a:3, b:7 | j:0..40] below 40 = argmax e[a, b, 39 - j];\n"
     "comp v[a:3, b:7, j:40] = j == w[a, b] ? 1.0 : e[a, b, j];\n"
     "output g = g;\noutput p = p;\noutput v = v;\n")

/* A member that turns what it reads, of whom only the row at hand exists. */
CASE(a_turned_row, false,
     "input x: real[10, 20, 24] generic f32;\n"
     "comp e[n:10, j:24, i:20] = exp(x[n, i, j]);\n"
     "comp s[n:10 | j:0..24, i:0..20] = sum e[n, j, i];\n"
     "comp y[n:10, j:24, i:20] = e[n, j, i] / s[n];\n"
     "output y = y;\n")

CASE(a_layer_norm_row_by_row, false,
     "input x: real[6, 20, 96] generic f32;\n"
     "input g: real[96] param f32;\n"
     "comp s[b:6, t:20 | d:0..96] = sum x[b, t, d];\n"
     "comp mu[b:6, t:20] = s[b, t] / 96.0;\n"
     "comp c[b:6, t:20, d:96] = x[b, t, d] - mu[b, t];\n"
     "comp q[b:6, t:20 | d:0..96] = sum c[b, t, d] * c[b, t, d];\n"
     "comp r[b:6, t:20] = 1.0 / sqrt(q[b, t] / 96.0 + 1e-5);\n"
     "comp y[b:6, t:20, d:96] = c[b, t, d] * r[b, t] * g[d];\n"
     "comp best[b:6, t:20 | d:0..96] below 96 = argmax y[b, t, 95 - d];\n"
     "comp z[b:6, t:20] = y[b, t, best[b, t]] + y[b, t, 0];\n"
     "output y = y;\noutput r = r;\noutput z = z;\n")

CASE(a_cross_entropy_and_its_derivative, false,
     "input x: real[64, 50] generic f32;\n"
     "input t: int(50)[64] data u8;\n"
     "comp l[n:64 | k:0..50] = lse x[n, k];\n"
     "comp loss[| n:0..64] = sum l[n] - x[n, t[n]];\n"
     "comp d[n:64, k:50] = exp(x[n, k] - l[n]) - (t[n] == k ? 1.0 : 0.0);\n"
     "comp e[n:64 | k:0..50] = sum d[n, k] * x[n, k] if k <= n;\n"
     "comp f[n:64, k:50] = d[n, 49 - k] + e[n];\n"
     "comp col[k:50 | n:0..64] = sum f[n, k];\n"
     "output loss = loss;\noutput d = d;\noutput f = f;\noutput col = col;\n")

/* ---------- contractions ---------- */

CASE(a_product, false,
     "input a: real[50, 70] generic f32;\n"
     "input b: real[70, 45] generic f32;\n"
     "comp y[i:50, j:45 | k:0..70] = sum a[i, k] * b[k, j];\n"
     "output y = y;\n")

CASE(products_in_every_orientation, false,
     "input a: real[60, 40] generic f32;\n"
     "input b: real[40, 60] generic f32;\n"
     "input c: real[60, 40] generic f32;\n"
     "comp x[i:40, j:40 | k:0..60] = sum a[k, i] * c[k, j];\n"
     "comp y[i:60, j:60 | k:0..40] = sum a[i, k] * c[j, k];\n"
     "comp z[i:40, j:40 | k:0..60] = sum a[k, j] * b[i, k];\n"
     "output x = x;\noutput y = y;\noutput z = z;\n")

CASE(a_batched_product, false,
     "input a: real[3, 30, 20] generic f32;\n"
     "input b: real[3, 20, 40] generic f32;\n"
     "comp y[n:3, i:30, j:40 | k:0..20] = sum a[n, i, k] * b[n, k, j];\n"
     "comp z[i:30, n:3, j:40 | k:0..20] = sum a[n, i, k] * b[n, k, j];\n"
     "output y = y;\noutput z = z;\n")

CASE(a_padded_strided_convolution, false,
     "input x: real[2, 3, 15, 14] generic f32;\n"
     "input w: real[8, 3, 3, 3] param f32;\n"
     "comp y[n:2, o:8, p:8, q:7 | c:0..3, r:0..3, s:0..3] =\n"
     "    sum x[n, c, 2*p + r - 1, 2*q + s - 1 else 0.0] * w[o, c, r, s];\n"
     "comp z[n:2, p:8, q:7, o:8 | c:0..3, r:0..3, s:0..3] =\n"
     "    sum x[n, c, 2*p + r - 1, 2*q + s - 1 else 0.0] * w[o, c, r, s];\n"
     "output y = y;\noutput z = z;\n")

CASE(a_product_of_inlined_operands, false,
     "input a: int(256)[50, 7, 10] data u8;\n"
     "input b: real[7, 10, 45] generic f32;\n"
     "input c: real[45] generic f32;\n"
     "comp f[i:50, k:7, l:10] = real(a[i, k, l]) / 255.0;\n"
     "comp y[i:50, j:45 | k:0..7, l:0..10] = sum f[i, k, l] * b[k, l, j];\n"
     "comp h[i:50, j:45] = y[i, j] + c[j] > 0.0 ? y[i, j] + c[j] : 0.0;\n"
     "comp z[i:50, m:7, l:10 | j:0..45] = sum h[i, j] * b[m, l, j];\n"
     "output z = z;\n")

/* ---------- scatters ---------- */

/* f and g are computed again for dv and dw
 * (tests/golden/schedule/recompute.ir). */
CASE(values_that_are_computed_again, false,
     "input x: real[128, 64] data f32;\n"
     "input u: real[64, 64] param f32;\n"
     "input v: real[64, 64] param f32;\n"
     "input w: real[64, 64] param f32;\n"
     "comp a[i:128, j:64 | k:0..64] = sum x[i, k] * u[k, j];\n"
     "comp f[i:128, j:64] = maximum(a[i, j], 0.1 * a[i, j]);\n"
     "comp b[i:128, j:64 | k:0..64] = sum f[i, k] * v[k, j];\n"
     "comp g[i:128, j:64] = maximum(b[i, j], 0.1 * b[i, j]);\n"
     "comp c[i:128, j:64 | k:0..64] = sum g[i, k] * w[k, j];\n"
     "comp m[i:128 | j:0..64] = max c[i, j];\n"
     "comp e[i:128, j:64] = exp(c[i, j] - m[i]);\n"
     "comp s[i:128 | j:0..64] = sum e[i, j];\n"
     "comp dc[i:128, j:64] = e[i, j] / s[i];\n"
     "comp dg[i:128, k:64 | j:0..64] = sum dc[i, j] * w[k, j];\n"
     "comp db[i:128, j:64] = b[i, j] > 0.0 ? dg[i, j] : 0.1 * dg[i, j];\n"
     "comp df[i:128, k:64 | j:0..64] = sum db[i, j] * v[k, j];\n"
     "comp da[i:128, j:64] = a[i, j] > 0.0 ? df[i, j] : 0.1 * df[i, j];\n"
     "comp du[k:64, j:64 | i:0..128] = sum x[i, k] * da[i, j];\n"
     "comp dv[k:64, j:64 | i:0..128] = sum f[i, k] * db[i, j];\n"
     "comp dw[k:64, j:64 | i:0..128] = sum g[i, k] * dc[i, j];\n"
     "output du = du;\n"
     "output dv = dv;\n"
     "output dw = dw;\n")

CASE(disjoint_phases, false,
     "input a: real[6, 9] generic f32;\n"
     "input b: real[6, 8] generic f32;\n"
     "scatter s: real[6, 17] disjoint {\n"
     "    [i, j] at [i, 2*j] += a;\n"
     "    [i, j] at [i, 2*j + 1] += b;\n"
     "};\n"
     "scatter t: real[6, 40] disjoint { [i, j] at [i, 3*j + 2] += a; };\n"
     "output s = s;\noutput t = t;\n")

/* Windows that fill what they are stored to: two and three phases, whole
 * vectors and the rest of one; a window that fills nothing side by side. */
/* Tokens in order, strips of the rows they lead to as tasks. */
CASE(an_embedding_gradient, false,
     "input dy: real[30, 40, 200] generic f32;\n"
     "input tok: int(9)[30, 40] data i32;\n"
     "scatter de: real[9, 200] {\n"
     "  [n, t, d] at [tok[n, t], d] += dy;\n};\n"
     "output de = de;\n")

/* Zeros are stored around the caches, what is added to them is not. */
static void what_a_step_reads_is_not_streamed(void **state)
{
    (void)state;
    ptl_str text = {0};
    graph_emit("input dy: real[4000, 20] generic f32;\n"
               "input tok: int(500000)[4000] data i32;\n"
               "scatter de: real[500000, 20] {\n"
               "  [n, d] at [tok[n], d] += dy;\n};\n"
               "output de = de;\n",
               "kernels", &text);
    const char *fill = strstr(str_text(&text), "kernel fill.de");
    const char *scatter = strstr(str_text(&text), "kernel scatter.de");
    assert_true(fill && scatter && fill < scatter);
    assert_true(strstr(fill, "written streamed") < scatter);
    assert_null(strstr(scatter, "streamed"));
    str_fini(&text);
}

CASE(windows_stored_through_a_scatter, true,
     "input x: real[3, 5, 14, 14] generic f32;\n"
     "input t: int(4)[3, 5, 14, 14] data i32;\n"
     "input z: real[4, 33, 6] generic f32;\n"
     "comp a[n:3, c:5, p:14, q:14, r:2, s:2] = "
     "t[n, c, p, q] == 2*r + s ? x[n, c, p, q] : 0.0;\n"
     "scatter as: real[3, 5, 28, 28] disjoint {\n"
     "  [n, c, p, q, r, s] at [n, c, 2*p + r, 2*q + s] += a;\n};\n"
     "comp b[i:4, j:33, s:3] = z[i, j, s] * real(s);\n"
     "scatter bs: real[4, 99] disjoint {\n  [i, j, s] at [i, 3*j + s] += "
     "b;\n};\n"
     "comp d[p:14, q:14, s:2] = x[0, 1, p, q] + real(s);\n"
     "scatter ds: real[14, 14, 2] disjoint {\n"
     "  [p, q, s] at [q, p, s] += d;\n};\n"
     "comp e[n:4, p:33, q:2, s:2] = z[n, p, 3*q + s];\n"
     "comp f[n:4, p:33, q:2, s:2] = z[n, p, 3*q + 1 - s] * 2.0;\n"
     "scatter es: real[4, 2, 66, 2] disjoint {\n"
     "  [n, p, q, s] at [n, q, 2*p + s, 0] += e;\n"
     "  [n, p, q, s] at [n, q, 2*p + s, 1] += f;\n};\n"
     "output as = as;\noutput bs = bs;\noutput ds = ds;\noutput es = es;\n")

CASE(reductions_stored_through_a_scatter, false,
     "input x: real[20, 3, 18, 18] generic f32;\n"
     "comp a[n:20, c:3, p:9, q:9 | r:0..2, s:0..2] = "
     "sum x[n, c, p + r, q + s];\n"
     "comp b[n:20, c:3, p:9, q:9 | r:0..2] = max x[n, c, p + r, q];\n"
     "comp d[n:20, c:3, p:9, q:9] = x[n, c, 2*p, 2*q] - 1.0;\n"
     "comp e[n:20, c:3, p:9, q:9 | k:0..18] = sum x[n, c, p, k] * x[n, c, k, "
     "q];\n"
     "scatter y: real[20, 3, 18, 18] disjoint {\n"
     "  [n, c, p, q] at [n, c, 2*p, 2*q] += a;\n"
     "  [n, c, p, q] at [n, c, 2*p, 2*q + 1] += b;\n"
     "  [n, c, p, q] at [n, c, 2*p + 1, 2*q] += d;\n"
     "  [n, c, p, q] at [n, c, 2*p + 1, 2*q + 1] += e;\n};\n"
     "comp z[n:20, c:3, i:18, j:18] = y[n, c, i, 17 - j] * 2.0;\n"
     "output z = z;\n")

/* Overlapping windows: the phases of the gradient read the places of the
 * largest elements around their own. */
CASE(a_max_pool_and_its_gradient, false,
     "input x: real[8, 4, 26, 26] generic f32;\n"
     "input dy: real[8, 4, 13, 13] generic f32;\n"
     "comp at[n:8, c:4, p:13, q:13 | r:0..3, s:0..3] below 9 = "
     "argmax x[n, c, 2*p + r - 1, 2*q + s - 1 else -inf];\n"
     "comp odd[n:8, c:4, u:13, v:13 | r:0..2, s:0..2] = "
     "sum dy[n, c, u - r + 1, v - s + 1 else 0.0] "
     "if at[n, c, u - r + 1, v - s + 1 else -1] == 6 * r + 2 * s;\n"
     "comp low[n:8, c:4, u:13, v:13 | r:0..2] = "
     "sum dy[n, c, u - r + 1, v else 0.0] "
     "if at[n, c, u - r + 1, v else -1] == 6 * r + 1;\n"
     "comp right[n:8, c:4, u:13, v:13 | s:0..2] = "
     "sum dy[n, c, u, v - s + 1 else 0.0] "
     "if at[n, c, u, v - s + 1 else -1] == 2 * s + 3;\n"
     "comp even[n:8, c:4, u:13, v:13] = at[n, c, u, v] == 4 "
     "? dy[n, c, u, v] : 0.0;\n"
     "scatter dx: real[8, 4, 26, 26] disjoint {\n"
     "  [n, c, u, v] at [n, c, 2*u + 1, 2*v + 1] += odd;\n"
     "  [n, c, u, v] at [n, c, 2*u + 1, 2*v] += low;\n"
     "  [n, c, u, v] at [n, c, 2*u, 2*v + 1] += right;\n"
     "  [n, c, u, v] at [n, c, 2*u, 2*v] += even;\n};\n"
     "output dx = dx;\n")

/* p and q run as one loop, beyond the range of q alone. */
CASE(a_small_box_of_merged_loops, false,
     "input x: real[2, 2, 8, 2] generic f32;\n"
     "input d: real[2, 2, 7, 2] generic f32;\n"
     "comp s[k:2 | p:0..2, q:0..2, j:0..2] = "
     "sum d[p, q, 6, j] * x[p, q, 2*k + 6, j else 0.0];\n"
     "output s = s;\n")

/* A source that someone else reads is kept as well. */
CASE(
    a_source_that_is_also_read, true,
    "input x: real[4, 16] generic f32;\n"
    "input w: real[4, 32] param f32;\n"
    "comp a[i:4, j:16, s:2] = x[i, j] + real(s);\n"
    "scatter y: real[4, 32] disjoint {\n  [i, j, s] at [i, 2*j + s] += a;\n};\n"
    "comp b[i:4, j:16, s:2] = w[i, j] * w[i, 31 - j] + real(s);\n"
    "scatter v: real[4, 32] disjoint {\n  [i, j, s] at [i, 2*j + s] += b;\n};\n"
    "output a = a;\noutput y = y;\nupdate v = v into w;\n")

CASE(rows_that_meet, false,
     "input a: real[70, 24] generic f32;\n"
     "input t: int(11)[70] data i32;\n"
     "input u: int(5)[70, 24] data i32;\n"
     "scatter s: real[11, 24] { [n, j] at [t[n], j] += a; };\n"
     "scatter v: real[24, 5] { [n, j] at [j, u[n, j]] += a; };\n"
     "scatter w: real[93] { [n, j] at [n + j] += a; };\n"
     "output s = s;\noutput v = v;\noutput w = w;\n")

CASE(a_change_of_shape_is_a_view, false,
     "input t: int(256)[20, 6, 8] data u8;\n"
     "input w: real[48, 50] generic f32;\n"
     "comp x[n:20, i:6, j:8] = real(t[n, i, j]) / 255.0;\n"
     "scatter f: real[20, 48] disjoint { [n, i, j] at [n, 8*i + j] += x; };\n"
     "comp y[n:20, k:50 | i:0..48] = sum f[n, i] * w[i, k];\n"
     "comp z[n:20, i:48] = f[n, i] * 2.0;\n"
     "scatter u: real[960] disjoint { [n, i] at [48*n + i] += z; };\n"
     "output y = y;\noutput u = u;\noutput f = f;\n")

/* ---------- scans ---------- */

CASE(a_recurrent_cell, false,
     "input x: real[9, 12, 20] generic f32;\n"
     "input w: real[40, 40] param f32;\n"
     "input u: real[20, 40] param f32;\n"
     "input h0: real[12, 40] generic f32;\n"
     "scan l: 9 {\n"
     "    input t: int(9) generic i32;\n"
     "    input h: real[12, 40] generic f32;\n"
     "    input v: real[9, 12, 20] generic f32;\n"
     "    input ww: real[40, 40] generic f32;\n"
     "    input uu: real[20, 40] generic f32;\n"
     "    comp a[n:12, j:40 | k:0..40] = sum h[n, k] * ww[k, j];\n"
     "    comp b[n:12, j:40 | k:0..20] = sum v[t[], n, k] * uu[k, j];\n"
     "    comp g[n:12, j:40] = tanh(a[n, j] + b[n, j]);\n"
     "} counter t bind x to v bind w to ww bind u to uu\n"
     "  carry h0 in h next g stack g stack b;\n"
     "result last = l 0;\nresult all_h = l 1;\nresult all_b = l 2;\n"
     "comp s[i:9 | n:0..12, j:0..40] = sum all_h[i, n, j] * all_b[i, n, j];\n"
     "output last = last;\noutput s = s;\noutput all_h = all_h;\n")

CASE(a_reversed_scan_with_a_swap, true,
     "input x: real[7, 30] generic f32;\n"
     "input a0: real[30] generic f32;\n"
     "input n0: int generic i32;\n"
     "scan l: 7 reversed {\n"
     "    input t: int(7) generic i32;\n"
     "    input a: real[30] generic f32;\n"
     "    input b: real[30] generic f32;\n"
     "    input n: int generic i32;\n"
     "    input v: real[7, 30] generic f32;\n"
     "    comp c[i:30] = a[29 - i] * 0.5 + v[t[], i] * real(n[]);\n"
     "    comp m[] = n[] + t[];\n"
     "} counter t bind x to v carry a0 in a next b carry a0 in b next c\n"
     "  carry n0 in n next m stack c stack a stack m;\n"
     "result a = l 0;\nresult b = l 1;\nresult m = l 2;\nresult c = l 3;\n"
     "result d = l 4;\nresult e = l 5;\n"
     "output a = a;\noutput b = b;\noutput m = m;\noutput c = c;\n"
     "output d = d;\noutput e = e;\n")

CASE(a_scan_in_a_scan, true,
     "input x: real[5, 20] generic f32;\n"
     "scan outer: 4 {\n"
     "    input h: real[5, 20] generic f32;\n"
     "    comp zero[i:20] = 0.0;\n"
     "    scan inner: 5 {\n"
     "        input t: int(5) generic i32;\n"
     "        input s: real[20] generic f32;\n"
     "        input v: real[5, 20] generic f32;\n"
     "        comp n[i:20] = s[i] * 0.5 + v[t[], i];\n"
     "    } counter t bind h to v carry zero in s next n stack n;\n"
     "    result sums = inner 1;\n"
     "    comp g[i:5, j:20] = sums[i, 19 - j] * 0.25 + h[i, j];\n"
     "} carry x in h next g stack g;\n"
     "result y = outer 0;\nresult z = outer 1;\n"
     "output y = y;\noutput z = z;\n")

CASE(results_of_a_scan_in_another_shape, true,
     "input x: real[6] generic f32;\n"
     "input v: real[3, 6] generic f32;\n"
     "scan l: 3 {\n"
     "    input t: int(3) generic i32;\n"
     "    input h: real[6] generic f32;\n"
     "    input w: real[3, 6] generic f32;\n"
     "    comp g[i:6] = h[i] * 0.5 + w[t[], i];\n"
     "} counter t bind v to w carry x in h next g stack g;\n"
     "result last = l 0;\nresult all = l 1;\n"
     "scatter a: real[1, 6] disjoint { [i] at [0, i] += last; };\n"
     "scatter b: real[18] disjoint { [t, i] at [6*t + i] += all; };\n"
     "comp s[i:18] = b[17 - i] + 1.0;\n"
     "output a = a;\noutput b = b;\noutput s = s;\n")

/* The third value before is carried, and no trip reads it. */
CASE(a_scan_that_carries_what_it_does_not_read, true,
     "input x: real[4] generic f32;\n"
     "input p: real generic f32;\n"
     "comp p1[] = p[] + 1.0;\ncomp p2[] = p[] + 2.0;\ncomp p3[] = p[] + 3.0;\n"
     "scan l: 4 {\n"
     "    input t: int(4) generic i32;\n"
     "    input a1: real generic f32;\n"
     "    input a2: real generic f32;\n"
     "    input a3: real generic f32;\n"
     "    input v: real[4] generic f32;\n"
     "    comp a[] = a1[] * 0.5 + v[t[]];\n"
     "} counter t bind x to v carry p1 in a1 next a carry p2 in a2 next a1\n"
     "  carry p3 in a3 next a2 stack a;\n"
     "result y = l 3;\noutput y = y;\n")

CASE(a_scan_of_no_trips, true,
     "input x: real[20] generic f32;\n"
     "scan l: 0 {\n"
     "    input h: real[20] generic f32;\n"
     "    comp g[i:20] = h[i] + 1.0;\n"
     "} carry x in h next g stack g;\n"
     "result y = l 0;\nresult z = l 1;\n"
     "output y = y;\noutput z = z;\n")

/* ---------- updates ---------- */

CASE(updates_in_place, true,
     "input w: real[40, 30] param f32;\n"
     "input m: real[40, 30] slot f32;\n"
     "input v: real[40, 30] slot f32;\n"
     "input g: real[40, 30] generic f32;\n"
     "comp m2[i:40, j:30] = 0.9 * m[i, j] + 0.1 * g[i, j];\n"
     "comp v2[i:40, j:30] = 0.99 * abs(v[i, j]) + 0.01 * g[i, j] * g[i, j];\n"
     "comp w2[i:40, j:30] = w[i, j] - 0.01 * m2[i, j] / (sqrt(v2[i, j]) + "
     "1e-8);\n"
     "update w = w2 into w;\nupdate m = m2 into m;\nupdate v = v2 into v;\n")

CASE(a_swap_and_a_transposed_update, true,
     "input a: real[20, 20] param f32;\n"
     "input b: real[20, 20] param f32;\n"
     "input c: real[20, 20] param f32;\n"
     "comp d[i:20, j:20] = c[j, i] + a[i, j];\n"
     "update a = b into a;\nupdate b = a into b;\nupdate c = d into c;\n"
     "output d = d;\n")

/* ---------- targets ---------- */

static void every_level_gives_the_same_bits(void **state)
{
    static const char text[] =
        "input x: real[37, 53] generic f32;\n"
        "input w: real[53, 41] param f32;\n"
        "comp y[i:37, j:41 | k:0..53] = sum x[i, k] * w[k, j];\n"
        "comp s[| i:0..37, j:0..41] = sum exp(y[i, j]);\n"
        "comp r[i:37 | j:0..41] = lse y[i, j];\n"
        "comp c[j:41 | i:0..37] = sum tanh(y[i, j]) * r[i];\n"
        "comp p[i:37 | j:0..41] = prod 1.0 + 0.1 * y[i, j] if j != i;\n"
        "output y = y;\noutput s = s;\noutput r = r;\noutput c = c;\n"
        "output p = p;\n";
    (void)state;
    graph_case *c = graph_case_new(text, 3, false);
    graph_way way = {.threads = 1, .cpu = test_levels()[0]};
    graph_result *first = graph_case_run(c, way);
    for (int i = 1; test_levels()[i]; i++) {
        way.cpu = test_levels()[i];
        graph_result *other = graph_case_run(c, way);
        assert_same_bits(first, other);
        graph_result_free(other);
    }
    graph_result_free(first);
    graph_case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_over_a_matrix),
        cmocka_unit_test(a_chain_of_maps),
        cmocka_unit_test(every_real_function),
        cmocka_unit_test(fewer_bits),
        cmocka_unit_test(products_of_fewer_bits),
        cmocka_unit_test(pairs_of_fewer_bits),
        cmocka_unit_test(a_convolution_of_fewer_bits),
        cmocka_unit_test(integers_and_truth_values),
        cmocka_unit_test(reads_outside),
        cmocka_unit_test(strides_and_diagonals),
        cmocka_unit_test(operands_across_the_result),
        cmocka_unit_test(results_of_one_pass_across_operands),
        cmocka_unit_test(gathers),
        cmocka_unit_test(random_leaves),
        cmocka_unit_test(layers_that_draw_have_one_code),
        cmocka_unit_test(scalars_and_empty_tensors),
        cmocka_unit_test(sums_along_either_axis),
        cmocka_unit_test(every_reduction),
        cmocka_unit_test(reductions_over_leading_axes),
        cmocka_unit_test(windows_of_pooling),
        cmocka_unit_test(filters_and_empty_ranges),
        cmocka_unit_test(a_large_sum_in_chunks),
        cmocka_unit_test(softmax_by_hand),
        cmocka_unit_test(reductions_over_one_domain),
        cmocka_unit_test(short_rows),
        cmocka_unit_test(a_turned_row),
        cmocka_unit_test(a_layer_norm_row_by_row),
        cmocka_unit_test(a_cross_entropy_and_its_derivative),
        cmocka_unit_test(a_product),
        cmocka_unit_test(products_in_every_orientation),
        cmocka_unit_test(a_batched_product),
        cmocka_unit_test(a_padded_strided_convolution),
        cmocka_unit_test(a_product_of_inlined_operands),
        cmocka_unit_test(values_that_are_computed_again),
        cmocka_unit_test(disjoint_phases),
        cmocka_unit_test(an_embedding_gradient),
        cmocka_unit_test(what_a_step_reads_is_not_streamed),
        cmocka_unit_test(windows_stored_through_a_scatter),
        cmocka_unit_test(reductions_stored_through_a_scatter),
        cmocka_unit_test(a_max_pool_and_its_gradient),
        cmocka_unit_test(a_small_box_of_merged_loops),
        cmocka_unit_test(a_source_that_is_also_read),
        cmocka_unit_test(rows_that_meet),
        cmocka_unit_test(a_change_of_shape_is_a_view),
        cmocka_unit_test(a_recurrent_cell),
        cmocka_unit_test(a_reversed_scan_with_a_swap),
        cmocka_unit_test(a_scan_in_a_scan),
        cmocka_unit_test(results_of_a_scan_in_another_shape),
        cmocka_unit_test(a_scan_that_carries_what_it_does_not_read),
        cmocka_unit_test(a_scan_of_no_trips),
        cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(updates_in_place),
        cmocka_unit_test(a_swap_and_a_transposed_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
