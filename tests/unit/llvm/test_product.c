/*
 * test_product.c - whole products, packing and all, equal one chain of fma
 * along K for each element, bit for bit: operands in any layout, sizes that fit
 * no tile, batched, every level, one thread and two.
 */
#include "llvm/graph_case.h"
#include "llvm/levels.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* C[z, i, j] = sum(k) A * B; A lies as [i][k] or turned as [k][i], B as [k][j]
 * or turned as [j][k], C as [i][j] or turned. */
typedef struct shape {
    int batch, m, n, k;
} shape;

enum { LAYOUTS = 8, TURN_A = 1, TURN_B = 2, TURN_C = 4 };

static const shape shapes[] = {
    {1, 37, 45, 29},   {1, 12, 32, 96},  {1, 13, 70, 41},  {1, 64, 10, 120},
    {1, 5, 300, 23},   {1, 130, 65, 34}, {1, 25, 33, 600}, {3, 20, 24, 40},
    {2, 14, 40, 1030}, {1, 300, 4, 31},
};

static void print_shape(const shape *s, ptl_str *out)
{
    str_printf(out,
               "input a: real[%d, %d, %d] data f32;\n"
               "input at: real[%d, %d, %d] data f32;\n"
               "input b: real[%d, %d, %d] data f32;\n"
               "input bt: real[%d, %d, %d] data f32;\n",
               s->batch, s->m, s->k, s->batch, s->k, s->m, s->batch, s->k, s->n,
               s->batch, s->n, s->k);
    for (int l = 0; l < LAYOUTS; l++)
        str_printf(out,
                   "comp c%d[%s | k:0..%d] = sum %s * %s;\noutput c%d = c%d;\n",
                   l, l & TURN_C ? "z:BATCH, j:N, i:M" : "z:BATCH, i:M, j:N",
                   s->k, l & TURN_A ? "at[z, k, i]" : "a[z, i, k]",
                   l & TURN_B ? "bt[z, j, k]" : "b[z, k, j]", l, l);
}

/* The text with BATCH, M and N replaced by their sizes. */
static char *text_of(const shape *s)
{
    static const char *const names[] = {"BATCH", ":M", ":N"};
    int sizes[] = {s->batch, s->m, s->n};
    ptl_str raw = {0}, out = {0};
    print_shape(s, &raw);
    for (const char *at = str_text(&raw); *at;) {
        int name = 0;
        while (name < 3 && strncmp(at, names[name], strlen(names[name])) != 0)
            name++;
        if (name == 3) {
            str_addc(&out, *at++);
            continue;
        }
        str_printf(&out, "%s%d", name ? ":" : "", sizes[name]);
        at += strlen(names[name]);
    }
    char *text = strdup(str_text(&out));
    str_fini(&raw);
    str_fini(&out);
    return text;
}

static double input(const graph_case *c, const char *name, int64_t element)
{
    return creal(c->values->data[ir_find(c->graph, name)->id][element]);
}

static double chain(const graph_case *c, const shape *s, int layout, bool f64,
                    const int64_t at[3])
{
    double sum = 0.0;
    int64_t z = at[0], i = at[1], j = at[2];
    for (int64_t k = 0; k < s->k; k++) {
        int64_t a = layout & TURN_A ? (z * s->k + k) * s->m + i
                                    : (z * s->m + i) * s->k + k;
        int64_t b = layout & TURN_B ? (z * s->n + j) * s->k + k
                                    : (z * s->k + k) * s->n + j;
        double x = input(c, layout & TURN_A ? "at" : "a", a);
        double y = input(c, layout & TURN_B ? "bt" : "b", b);
        sum =
            f64 ? fma(x, y, sum) : (double)fmaf((float)x, (float)y, (float)sum);
    }
    return sum;
}

static void check_layout(const graph_case *c, const graph_result *r,
                         const shape *s, int layout, bool f64)
{
    for (int64_t e = 0; e < r->elements[layout]; e++) {
        int64_t row = layout & TURN_C ? s->m : s->n;
        int64_t plane = (int64_t)s->m * s->n, in = e % plane;
        int64_t i = layout & TURN_C ? in % row : in / row;
        int64_t j = layout & TURN_C ? in / row : in % row;
        double want = chain(c, s, layout, f64, (int64_t[]){e / plane, i, j});
        double got = f64 ? ((const double *)r->data[layout])[e]
                         : (double)((const float *)r->data[layout])[e];
        if (got != want)
            fail_msg("%d x [%d, %d, %d], layout %d, element %lld: %.17g, not "
                     "%.17g",
                     s->batch, s->m, s->n, s->k, layout, (long long)e, got,
                     want);
    }
}

/* One level against the chain, the others against that one. */
static void check_shape(const shape *s, bool f64)
{
    char *text = text_of(s);
    graph_case *c = graph_case_new(text, 3, f64);
    graph_result *first =
        graph_case_run(c, (graph_way){.f64 = f64, .threads = 1});
    for (int layout = 0; layout < LAYOUTS; layout++)
        check_layout(c, first, s, layout, f64);
    for (const char *const *cpu = test_levels() + 1; *cpu; cpu++) {
        graph_way way = {.f64 = f64, .threads = 2, .cpu = *cpu};
        graph_result *other = graph_case_run(c, way);
        assert_same_bits(first, other);
        graph_result_free(other);
    }
    graph_result_free(first);
    graph_case_free(c);
    free(text);
}

static void products_are_chains_in_f32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], false);
}

static void products_are_chains_in_f64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], true);
}

/* Factors are evaluated in packing: read across, along and both. */
static void factors_may_be_operations(void **state)
{
    (void)state;
    check_graph("input a: real[70, 45] data f32;\n"
                "input g: real[70, 45] data f32;\n"
                "input s: real[45] data f32;\n"
                "input b: real[45, 50] data f32;\n"
                "comp c[i:70, j:50 | k:0..45] = sum "
                "(g[i, k] > 0.0 ? a[i, k] * s[k] : 0.0) * b[k, j];\n"
                "comp d[i:45, j:50 | k:0..70] = sum "
                "(g[k, i] > 0.0 ? a[k, i] * s[i] : 0.0) * c[k, j];\n"
                "output c = c;\noutput d = d;\n",
                true);
    check_graph("input a: real[70, 70] data f32;\n"
                "input b: real[70, 70] data f32;\n"
                "comp c[i:70, j:70 | k:0..70] = sum "
                "(a[i, k] + a[k, i]) * (b[k, j] - b[j, k]);\n"
                "output c = c;\n",
                true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_chains_in_f32),
        cmocka_unit_test(products_are_chains_in_f64),
        cmocka_unit_test(factors_may_be_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
