/*
 * test_library.c - programs whose products a library computes stay within the
 * oracle's bounds: layers and their gradients, attention's batches, sides that
 * fit nothing, a scan. With PTL_TEST_CUBLAS the library is asked for, and has
 * to compute as many products as a case says; on the host no case has any.
 */
#include "device/test_device.h"
#include "llvm/graph_case.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Steps of the program that the library carries out. */
static int count_library(const graph_case *c, bool f64)
{
    ptl_error err = {0};
    ptl_program *program;
    ptl_pool *pool;
    ptl_run *run;
    int count = 0;
    compile_options options = {
        .f64 = f64, .verify = true, .device = test_device()};
    if (compile_graph(c->graph, "test", &options, &program, &err) != PTL_OK ||
        pool_open(1, &pool, &err) != PTL_OK ||
        run_open(program, pool, &run, &err) != PTL_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < program->step_count; i++)
        count += run_step_by(run, i) == RUN_BY_LIBRARY;
    run_close(run);
    pool_close(pool);
    program->release(program);
    return count;
}

static void check_precision(const char *text, int products, bool f64)
{
    bool library = test_device() && device_has_cublas(test_device());
    graph_case *c = graph_case_new(text, 5, f64);
    assert_int_equal(count_library(c, f64), library ? products : 0);
    graph_result *r = graph_case_run(c, (graph_way){.f64 = f64, .threads = 1});
    assert_near_oracle(c, r);
    graph_result_free(r);
    graph_case_free(c);
}

static void check(const char *text, int products)
{
    check_precision(text, products, false);
    check_precision(text, products, true);
}

/* y = x w' + b; dx = dy w; dw = dy' x; and the rest of each, which is PTL's. */
static void a_layer_and_its_gradients(void **state)
{
    (void)state;
    check("input x: real[120, 100] data f32;\n"
          "input w: real[110, 100] param f32;\n"
          "input b: real[110] param f32;\n"
          "input t: real[120, 110] data f32;\n"
          "comp p[n:120, o:110 | i:0..100] = sum x[n, i] * w[o, i];\n"
          "comp y[n:120, o:110] = tanh(p[n, o] + b[o]);\n"
          "comp dp[n:120, o:110] = (y[n, o] - t[n, o]) "
          "* (1.0 - y[n, o] * y[n, o]);\n"
          "comp dx[n:120, i:100 | o:0..110] = sum dp[n, o] * w[o, i];\n"
          "comp dw[o:110, i:100 | n:0..120] = sum dp[n, o] * x[n, i];\n"
          "comp db[o:110 | n:0..120] = sum dp[n, o];\n"
          "comp w2[o:110, i:100] = w[o, i] - 0.1 * dw[o, i];\n"
          "output y = y;\noutput dx = dx;\noutput db = db;\n"
          "update w = w2 into w;\n",
          3);
}

/* Heads lie before rows, as attention has them. */
static void batches_of_attention(void **state)
{
    (void)state;
    check("input q: real[6, 50, 64] data f32;\n"
          "input k: real[6, 60, 64] data f32;\n"
          "input v: real[6, 60, 64] data f32;\n"
          "input g: real[6, 50, 64] data f32;\n"
          "comp s[h:6, t:50, u:60 | d:0..64] = sum q[h, t, d] * k[h, u, d];\n"
          "comp l[h:6, t:50 | u:0..60] = lse s[h, t, u];\n"
          "comp p[h:6, t:50, u:60] = exp(s[h, t, u] - l[h, t]);\n"
          "comp a[h:6, t:50, d:64 | u:0..60] = sum p[h, t, u] * v[h, u, d];\n"
          "comp dv[h:6, u:60, d:64 | t:0..50] = sum p[h, t, u] * g[h, t, d];\n"
          "comp dp[h:6, t:50, u:60 | d:0..64] = sum g[h, t, d] * v[h, u, d];\n"
          "output a = a;\noutput dv = dv;\noutput dp = dp;\n",
          4);
}

/* Each way in which factors and result may lie; sides that no tile fits. */
static void every_way_to_lie(void **state)
{
    (void)state;
    check("input a: real[131, 129] data f32;\n"
          "input at: real[129, 131] data f32;\n"
          "input b: real[129, 67] data f32;\n"
          "input bt: real[67, 129] data f32;\n"
          "comp c0[i:131, j:67 | k:0..129] = sum a[i, k] * b[k, j];\n"
          "comp c1[i:131, j:67 | k:0..129] = sum at[k, i] * b[k, j];\n"
          "comp c2[i:131, j:67 | k:0..129] = sum a[i, k] * bt[j, k];\n"
          "comp c3[i:131, j:67 | k:0..129] = sum at[k, i] * bt[j, k];\n"
          "comp c4[j:67, i:131 | k:0..129] = sum a[i, k] * b[k, j];\n"
          "comp c5[j:67, i:131 | k:0..129] = sum at[k, i] * bt[j, k];\n"
          "output c0 = c0;\noutput c1 = c1;\noutput c2 = c2;\n"
          "output c3 = c3;\noutput c4 = c4;\noutput c5 = c5;\n",
          6);
}

/* Between the columns it uses, a matrix has others' numbers. */
static void slices_and_batches_between(void **state)
{
    (void)state;
    check(
        "input a: real[140, 300] data f32;\n"
        "input b: real[120, 110] data f32;\n"
        "input x: real[60, 6, 64] data f32;\n"
        "input y: real[6, 64, 72] data f32;\n"
        "comp c[i:128, j:96 | k:0..120] = sum a[i + 1, k + 3] * b[k, j + 7];\n"
        "comp d[i:60, z:6, j:72 | k:0..64] = sum x[i, z, k] * y[z, k, j];\n"
        "comp e[i:128, j:96] = c[i, j] + a[i, j];\n"
        "output e = e;\noutput d = d;\n",
        2);
}

/* Every trip is the same product: it is prepared once. Its factor is changed by
 * the trip before. */
static void a_scan_multiplies_in_every_trip(void **state)
{
    (void)state;
    check("input w: real[128, 128] param f32;\n"
          "input h0: real[64, 128] data f32;\n"
          "scan s: 3 {\n"
          "  input h: real[64, 128] generic f32;\n"
          "  input w: real[128, 128] generic f32;\n"
          "  comp p[n:64, j:128 | i:0..128] = sum h[n, i] * w[i, j];\n"
          "  comp next[n:64, j:128] = tanh(p[n, j]);\n"
          "} bind w to w carry h0 in h next next;\n"
          "result y = s 0;\noutput y = y;\n",
          3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_and_its_gradients),
        cmocka_unit_test(batches_of_attention),
        cmocka_unit_test(every_way_to_lie),
        cmocka_unit_test(slices_and_batches_between),
        cmocka_unit_test(a_scan_multiplies_in_every_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
