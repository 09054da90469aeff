/*
 * test_kernels.c - kernels as compilers write them, against plain C to the bit:
 * by NVRTC's two code generators (sm_75, 80 and 90; sm_100 and 120), and with
 * the argument `clang` by clang, which has nothing to do with them.
 */
#include "base/str.h"
#include "virtual/clang.h"
#include "virtual/device.h"
#include "virtual/nvrtc.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int nvrtc_archs[] = {75, 80, 90, 100, 120};
static const int clang_archs[] = {80};
static const int *archs = nvrtc_archs;
static int arch_count = sizeof nvrtc_archs / sizeof *nvrtc_archs;

static void fill(float *x, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)((int)(seed >> 8) - (1 << 23)) * 0x1p-21f;
    }
}

static char *ptx_of(const char *path, int arch)
{
    ptl_str text = {0};
    char piece[4096];
    size_t got;
    if (archs == clang_archs)
        return clang_compile(path, arch);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while ((got = fread(piece, 1, sizeof piece, in)) > 0)
        str_addn(&text, piece, got);
    fclose(in);
    char *ptx = nvrtc_compile(str_text(&text), arch);
    str_fini(&text);
    return ptx;
}

static CUfunction compiled(const char *file, const char *name, int arch)
{
    char path[1024];
    snprintf(path, sizeof path, PTL_SOURCE_DIR "/tests/unit/device/kernels/%s",
             file);
    char *ptx = ptx_of(path, arch);
    assert_non_null(ptx);
    CUfunction f = virtual_kernel(ptx, name);
    free(ptx);
    return f;
}

static void assert_same_bits(const void *got, const void *expected,
                             size_t bytes, int arch)
{
    const uint32_t *g = got, *e = expected;
    for (size_t k = 0; k < bytes / 4; k++)
        if (g[k] != e[k])
            fail_msg("sm_%d: word %zu is 0x%08x, not 0x%08x", arch, k, g[k],
                     e[k]);
}

static float expected_exp(float x)
{
    float n = rintf(x * 1.44269504f), r = fmaf(n, -0.693147182f, x);
    float p = 0.00833333377f;
    static const float terms[] = {0.0416666679f, 0.166666672f, 0.5f, 1, 1};
    for (int t = 0; t < 5; t++)
        p = fmaf(p, r, terms[t]);
    uint32_t bits = (uint32_t)((int)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static void elementwise_work(void **state)
{
    (void)state;
    enum { N = 5000 };
    static float x[N], y[N], expected[N];
    static unsigned char flags[N], positive[N], expected_positive[N];
    fill(x, N, 1);
    for (int i = 0; i < N; i++) {
        float v = x[i], e = expected_exp(v), s = e / (1.0f + e);
        flags[i] = (unsigned char)(i % 3);
        float t = flags[i] ? s : fmaxf(v, 0.0f) + sqrtf(fabsf(v));
        t = fminf(t, 100.0f) - (float)(i % 7) / 3.0f;
        expected[i] = 1.0f / (1.0f + t * t);
        expected_positive[i] = v > 0.0f && flags[i] != 2;
    }
    CUdeviceptr dx = virtual_upload(x, sizeof x),
                df = virtual_upload(flags, sizeof flags);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr dy = virtual_room(sizeof y), dp = virtual_room(N);
        long long n = N;
        void *args[] = {&dx, &df, &dy, &dp, &n};
        CUfunction f = compiled("elementwise.cu", "elementwise", archs[a]);
        assert_int_equal(virtual_launch(f, (N + 127) / 128, 128, 0, args), 0);
        virtual_download(y, dy, sizeof y);
        virtual_download(positive, dp, N);
        assert_same_bits(y, expected, sizeof y, archs[a]);
        assert_memory_equal(positive, expected_positive, N);
    }
}

enum { ROWS = 9, COLUMNS = 1000, WIDTH = 256 };

static void strided_sums(const float *row, float *sums)
{
    for (int t = 0; t < WIDTH; t++) {
        sums[t] = 0;
        for (int c = t; c < COLUMNS; c += WIDTH)
            sums[t] += row[c];
    }
}

static void butterfly(float *v, int by)
{
    float before[32];
    memcpy(before, v, sizeof before);
    for (int l = 0; l < 32; l++)
        v[l] = before[l] + before[l ^ by];
}

static float expected_sum(const float *row)
{
    float sums[WIDTH], part[32] = {0};
    strided_sums(row, sums);
    for (int w = 0; w < WIDTH / 32; w++) {
        for (int by = 16; by; by /= 2)
            butterfly(sums + w * 32, by);
        part[w] = sums[w * 32];
    }
    for (int by = 16; by; by /= 2)
        for (int l = 0; l < by; l++)
            part[l] += part[l + by];
    return part[0];
}

static float expected_tree(const float *row)
{
    float sums[WIDTH];
    strided_sums(row, sums);
    for (int half = WIDTH / 2; half; half /= 2)
        for (int t = 0; t < half; t++)
            sums[t] += sums[t + half];
    return sums[0];
}

static void check_sums(const char *name, float (*expected)(const float *row),
                       unsigned shared_bytes)
{
    static float x[ROWS][COLUMNS], sums[ROWS], right[ROWS];
    fill(&x[0][0], (size_t)ROWS * COLUMNS, 2);
    for (int r = 0; r < ROWS; r++)
        right[r] = expected(x[r]);
    CUdeviceptr dx = virtual_upload(x, sizeof x);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr ds = virtual_room(sizeof sums);
        int columns = COLUMNS;
        void *args[] = {&dx, &ds, &columns};
        CUfunction f = compiled("reduce.cu", name, archs[a]);
        assert_int_equal(virtual_launch(f, ROWS, WIDTH, shared_bytes, args), 0);
        virtual_download(sums, ds, sizeof sums);
        assert_same_bits(sums, right, sizeof sums, archs[a]);
    }
}

static void sums_by_shuffles(void **state)
{
    (void)state;
    check_sums("reduce", expected_sum, 0);
}

static void half_warps_are_groups_of_their_own(void **state)
{
    (void)state;
    enum { GROUPS = 15, EACH = 16 }; /* half of the last warp leaves */
    static float x[GROUPS][EACH], sums[GROUPS], right[GROUPS];
    fill(&x[0][0], (size_t)GROUPS * EACH, 7);
    for (int g = 0; g < GROUPS; g++) {
        float tree[EACH];
        memcpy(tree, x[g], sizeof tree);
        for (int half = EACH / 2; half; half /= 2)
            for (int i = 0; i < half; i++)
                tree[i] += tree[i + half];
        right[g] = tree[0];
    }
    CUdeviceptr dx = virtual_upload(x, sizeof x);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr ds = virtual_room(sizeof sums);
        int count = GROUPS;
        void *args[] = {&dx, &ds, &count};
        CUfunction f = compiled("halves.cu", "halves", archs[a]);
        assert_int_equal(virtual_launch(f, 4, 64, 0, args), 0);
        virtual_download(sums, ds, sizeof sums);
        assert_same_bits(sums, right, sizeof sums, archs[a]);
    }
}

static void sums_by_a_tree_in_dynamic_shared_memory(void **state)
{
    (void)state;
    check_sums("reduce_tree", expected_tree, WIDTH * 4);
}

static void products_of_matrices_in_tiles(void **state)
{
    (void)state;
    enum { M = 128, N = 192, K = 80 };
    static float a[M][K], b[K][N], c[M][N], right[M][N];
    fill(&a[0][0], (size_t)M * K, 3);
    fill(&b[0][0], (size_t)K * N, 4);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            for (int p = 0; p < K; p++)
                right[i][j] = fmaf(a[i][p], b[p][j], right[i][j]);
    CUdeviceptr da = virtual_upload(a, sizeof a),
                db = virtual_upload(b, sizeof b);
    for (int t = 0; t < arch_count; t++) {
        CUdeviceptr dc = virtual_room(sizeof c);
        int m = M, n = N, k = K;
        void *args[] = {&da, &db, &dc, &m, &n, &k};
        CUfunction f = compiled("gemm.cu", "gemm", archs[t]);
        OK(cuLaunchKernel(f, N / 64, M / 64, 1, 256, 1, 1, 0, NULL, args,
                          NULL));
        assert_int_equal(cuda()->cuCtxSynchronize(), 0);
        virtual_download(c, dc, sizeof c);
        assert_same_bits(c, right, sizeof c, archs[t]);
    }
}

static void expected_philox(uint32_t *c, uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = UINT64_C(0xd2511f53) * c[0];
        uint64_t p1 = UINT64_C(0xcd9e8d57) * c[2];
        uint32_t n[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1,
                         (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0};
        memcpy(c, n, sizeof n);
        k0 += 0x9e3779b9, k1 += 0xbb67ae85;
    }
}

static void random_numbers(void **state)
{
    (void)state;
    enum { N = 700 };
    static uint32_t words[N][4], right[N][4];
    static float uniform[N][4], right_uniform[N][4];
    uint64_t seed = UINT64_C(0x123456789abcdef0);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t c[4] = {i, 0, 7, 9};
        expected_philox(c, seed);
        memcpy(right[i], c, sizeof c);
        for (int w = 0; w < 4; w++)
            right_uniform[i][w] = (float)(c[w] >> 8) * 0x1p-24f;
    }
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr dw = virtual_room(sizeof words),
                    du = virtual_room(sizeof uniform);
        int n = N;
        void *args[] = {&dw, &du, &seed, &n};
        CUfunction f = compiled("philox.cu", "philox", archs[a]);
        assert_int_equal(virtual_launch(f, 6, 128, 0, args), 0);
        virtual_download(words, dw, sizeof words);
        virtual_download(uniform, du, sizeof uniform);
        assert_same_bits(words, right, sizeof words, archs[a]);
        assert_same_bits(uniform, right_uniform, sizeof uniform, archs[a]);
    }
}

static void rows_by_their_numbers(void **state)
{
    (void)state;
    enum { TABLE = 50, WIDE = 33, COUNT = 40 };
    static float table[TABLE][WIDE], y[COUNT][WIDE], right[COUNT][WIDE];
    static int64_t which[COUNT];
    fill(&table[0][0], (size_t)TABLE * WIDE, 5);
    for (int r = 0; r < COUNT; r++) {
        which[r] = r * 17 % 60 - 5;
        for (int c = 0; c < WIDE; c++)
            right[r][c] =
                which[r] >= 0 && which[r] < TABLE ? table[which[r]][c] : -1.0f;
    }
    CUdeviceptr dt = virtual_upload(table, sizeof table),
                dw = virtual_upload(which, sizeof which);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr dy = virtual_room(sizeof y);
        int rows = TABLE, columns = WIDE, count = COUNT;
        void *args[] = {&dt, &dw, &dy, &rows, &columns, &count};
        CUfunction f = compiled("gather.cu", "gather", archs[a]);
        assert_int_equal(virtual_launch(f, 3, 64, 0, args), 0);
        virtual_download(y, dy, sizeof y);
        assert_same_bits(y, right, sizeof y, archs[a]);
    }
}

static void counts_by_atomic_operations(void **state)
{
    (void)state;
    enum { BINS = 20, N = 3000 };
    static int which[N], values[N], sums[BINS], right[BINS], most[BINS],
        right_most[BINS];
    static const int zero[BINS];
    for (int i = 0; i < N; i++) {
        which[i] = i * i % BINS, values[i] = i % 100 - 20;
        right[which[i]] += values[i];
        if (values[i] > right_most[which[i]])
            right_most[which[i]] = values[i];
    }
    CUdeviceptr dw = virtual_upload(which, sizeof which),
                dv = virtual_upload(values, sizeof values);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr ds = virtual_upload(zero, sizeof zero),
                    dm = virtual_upload(zero, sizeof zero);
        int bins = BINS, n = N;
        void *args[] = {&dw, &dv, &ds, &dm, &bins, &n};
        CUfunction f = compiled("gather.cu", "scatter", archs[a]);
        assert_int_equal(
            virtual_launch(f, (N + 255) / 256, 256, BINS * 4, args), 0);
        virtual_download(sums, ds, sizeof sums);
        virtual_download(most, dm, sizeof most);
        assert_same_bits(sums, right, sizeof sums, archs[a]);
        assert_same_bits(most, right_most, sizeof most, archs[a]);
    }
}

static void numbers_of_64_bits(void **state)
{
    (void)state;
    enum { WIDE = 100, N = 30 };
    static double x[N][WIDE], y[N][WIDE], out[WIDE], right[WIDE];
    static int64_t whole[WIDE], right_whole[WIDE];
    static float random[2 * N * WIDE];
    fill(random, 2 * N * WIDE, 6);
    for (int i = 0; i < N * WIDE; i++) {
        (&x[0][0])[i] = (double)random[2 * i] / 3;
        (&y[0][0])[i] = (double)random[2 * i + 1] / 7;
    }
    for (int r = 0; r < WIDE; r++) {
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum = fma(x[i][r], y[i][r], sum);
        double v = sqrt(fabs(sum)) / (1.0 + sum * sum);
        right[r] = v > 0.01 ? v : (double)(float)sum - floor(sum);
        right_whole[r] = (int64_t)(sum * 1000.0) / (r + 1) + (int)sum % 7;
    }
    CUdeviceptr dx = virtual_upload(x, sizeof x),
                dy = virtual_upload(y, sizeof y);
    for (int a = 0; a < arch_count; a++) {
        CUdeviceptr d = virtual_room(sizeof out),
                    dw = virtual_room(sizeof whole);
        int rows = WIDE, n = N;
        void *args[] = {&dx, &dy, &d, &dw, &rows, &n};
        CUfunction f = compiled("double.cu", "dots", archs[a]);
        assert_int_equal(virtual_launch(f, 2, 64, 0, args), 0);
        virtual_download(out, d, sizeof out);
        virtual_download(whole, dw, sizeof whole);
        assert_same_bits(out, right, sizeof out, archs[a]);
        assert_same_bits(whole, right_whole, sizeof whole, archs[a]);
    }
}

static int run_by_clang(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_by_shuffles),
        cmocka_unit_test(sums_by_a_tree_in_dynamic_shared_memory),
        cmocka_unit_test(products_of_matrices_in_tiles),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(rows_by_their_numbers),
        cmocka_unit_test(counts_by_atomic_operations),
        cmocka_unit_test(numbers_of_64_bits),
    };
    if (!clang_is_there()) {
        fprintf(stderr, "clang-14 is not found\n");
        return 77;
    }
    archs = clang_archs;
    arch_count = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_by_nvrtc(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise_work),
        cmocka_unit_test(sums_by_shuffles),
        cmocka_unit_test(half_warps_are_groups_of_their_own),
        cmocka_unit_test(sums_by_a_tree_in_dynamic_shared_memory),
        cmocka_unit_test(products_of_matrices_in_tiles),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(rows_by_their_numbers),
        cmocka_unit_test(counts_by_atomic_operations),
        cmocka_unit_test(numbers_of_64_bits),
    };
    if (!nvrtc_open()) {
        fprintf(stderr, "NVRTC is not found\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    setenv("PTL_VIRTUAL_ARCH", "121", 1);
    return argc > 1 && strcmp(argv[1], "clang") == 0 ? run_by_clang()
                                                     : run_by_nvrtc();
}
