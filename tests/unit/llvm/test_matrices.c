/*
 * test_matrices.c - which contractions are products of matrices that a library
 * may compute, how these lie in memory, and how BLAS is told so.
 */
#include "codegen/cuda/cuda_text.h"
#include "device/product.h"
#include "loops/build.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A graph, its schedule for GPUs and the kernels. */
typedef struct made {
    ptl_arena *arena;
    ir_graph *graph;
    sched_schedule *schedule;
    kern_module *module;
} made;

static made make(const char *text, bool f64, bool library)
{
    made m = {.arena = arena_new()};
    ptl_diags *diags = diags_new(0);
    ptl_error err = {0};
    kern_bound *bound;
    sched_options options = {.f64 = f64, .library = library};
    cuda_target(&options.target);
    src_file *file = src_file_new(m.arena, "test.ir", text, strlen(text));
    m.graph = ir_parse(file, diags);
    assert_non_null(m.graph);
    if (sched_new(m.graph, &options, &m.schedule, &err) != PTL_OK ||
        !sched_verify(m.schedule, &err))
        fail_msg("%s", err.text);
    m.module = kern_build(m.schedule, &bound);
    if (!kern_verify(m.module, &err))
        fail_msg("%s", err.text);
    diags_free(diags);
    return m;
}

static void made_fini(made *m)
{
    kern_module_free(m->module);
    sched_free(m->schedule);
    ir_graph_free(m->graph);
    arena_free(m->arena);
}

/* The only product of the module, NULL: it has none. */
static const kern_product *product_of(const made *m)
{
    const kern_product *found = NULL;
    for (int i = 0; i < m->module->kernels.count; i++)
        if (m->module->kernels.data[i]->kind == KERN_PRODUCT) {
            assert_null(found);
            found = &m->module->kernels.data[i]->product;
        }
    return found;
}

static bool is_taken(const char *text)
{
    made m = make(text, false, true);
    const kern_product *p = product_of(&m);
    bool taken = p && p->matrices;
    made_fini(&m);
    return taken;
}

/* ---------- where elements are ---------- */

/* C[z, i, j] = sum(k) A * B: the sizes, and how far apart neighbours along each
 * index are in A, B and C. */
typedef struct lie {
    int64_t batch, m, n, k;
    struct {
        int64_t at, z, i, k;
    } a;
    struct {
        int64_t at, z, k, j;
    } b;
    struct {
        int64_t z, i, j;
    } c;
} lie;

static ptl_matrix matrix_of(const kern_matrix *m)
{
    return (ptl_matrix){m->buffer, m->at, m->batch, m->row, m->column};
}

static ptl_product program_product(const kern_product *p)
{
    return (ptl_product){
        .dtype = p->type == KERN_F64 ? PTL_F64 : PTL_F32,
        .batch = p->batch,
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .left = matrix_of(&p->matrices->left),
        .right = matrix_of(&p->matrices->right),
        .result = matrix_of(&p->matrices->result),
    };
}

/* Where BLAS looks for element (i, j) of op(X). */
static int64_t blas_at(const blas_matrix *x, int64_t batch, int64_t i,
                       int64_t j)
{
    int64_t row = x->transposed ? j : i, column = x->transposed ? i : j;
    assert_true(row >= 0 && row < x->rows && column >= 0 &&
                column < x->columns && x->ld >= x->rows);
    return x->of->at + batch * x->stride + row + column * x->ld;
}

/* BLAS may be told of C or of C', whose factors are those of C exchanged. */
static void check_point(const blas_form *f, const lie *l, int64_t z, int64_t i,
                        int64_t j, int64_t k)
{
    int64_t in_a = l->a.at + z * l->a.z + i * l->a.i + k * l->a.k;
    int64_t in_b = l->b.at + z * l->b.z + k * l->b.k + j * l->b.j;
    int64_t in_c = z * l->c.z + i * l->c.i + j * l->c.j;
    bool turned = l->c.j == 1;
    assert_int_equal(blas_at(&f->c, z, turned ? j : i, turned ? i : j), in_c);
    assert_int_equal(turned ? blas_at(&f->b, z, k, i) : blas_at(&f->a, z, i, k),
                     in_a);
    assert_int_equal(turned ? blas_at(&f->a, z, j, k) : blas_at(&f->b, z, k, j),
                     in_b);
}

/* Every second step along each index, and the last. */
static void check_form(const ptl_product *p, const lie *l)
{
    blas_form f;
    blas_form_of(p, &f);
    bool turned = l->c.j == 1;
    assert_int_equal(p->batch, l->batch);
    assert_int_equal(f.k, l->k);
    assert_int_equal(f.m, turned ? l->n : l->m);
    assert_int_equal(f.n, turned ? l->m : l->n);
    assert_false(f.c.transposed);
    for (int64_t z = 0; z < l->batch; z++)
        for (int s = 0; s < 16; s++)
            check_point(&f, l, z, s & 1 ? l->m - 1 : s % l->m,
                        s & 2 ? l->n - 1 : 3, s & 4 ? l->k - 1 : s / 8);
}

static void check_lie(const char *text, const lie *l, bool f64)
{
    made m = make(text, f64, true);
    const kern_product *p = product_of(&m);
    assert_non_null(p);
    if (!p->matrices)
        fail_msg("not taken: %s", text);
    assert_int_equal(p->splits, 1);
    ptl_product product = program_product(p);
    check_form(&product, l);
    made_fini(&m);
}

/* ---------- layouts ---------- */

enum { TURN_A = 1, TURN_B = 2, TURN_C = 4, LAYOUTS = 8 };

static void check_layout(int64_t m, int64_t n, int64_t k, int layout, bool f64)
{
    lie l = {1,
             m,
             n,
             k,
             {0, 0, layout & TURN_A ? 1 : k, layout & TURN_A ? m : 1},
             {0, 0, layout & TURN_B ? 1 : n, layout & TURN_B ? k : 1},
             {0, layout & TURN_C ? 1 : n, layout & TURN_C ? m : 1}};
    long long a[] = {m, k}, b[] = {k, n};
    ptl_str text = {0};
    bool turn_a = layout & TURN_A, turn_b = layout & TURN_B;
    str_printf(&text,
               "input a: real[%lld, %lld] data f32;\n"
               "input b: real[%lld, %lld] data f32;\n",
               a[turn_a], a[!turn_a], b[turn_b], b[!turn_b]);
    str_printf(&text,
               layout & TURN_C ? "comp c[j:%lld, i:%lld | k:0..%lld] = sum "
                               : "comp c[i:%lld, j:%lld | k:0..%lld] = sum ",
               (long long)(layout & TURN_C ? n : m),
               (long long)(layout & TURN_C ? m : n), (long long)k);
    str_printf(&text, "%s * %s;\noutput c = c;\n",
               turn_a ? "a[k, i]" : "a[i, k]", turn_b ? "b[j, k]" : "b[k, j]");
    check_lie(str_text(&text), &l, f64);
    str_fini(&text);
}

static void factors_and_result_may_lie_either_way(void **state)
{
    (void)state;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        check_layout(128, 128, 64, layout, false);
        check_layout(128, 128, 64, layout, true);
    }
}

static void sides_may_be_odd(void **state)
{
    (void)state;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        check_layout(131, 67, 129, layout, false);
        check_layout(5, 33333, 7, layout, true);
    }
}

/* Row-major factors and result: BLAS is given B, then A, neither turned. */
static void plain_rows_need_no_transpose(void **state)
{
    (void)state;
    made m = make("input a: real[300, 200] data f32;\n"
                  "input b: real[200, 100] data f32;\n"
                  "comp c[i:300, j:100 | k:0..200] = sum a[i, k] * b[k, j];\n"
                  "output c = c;\n",
                  false, true);
    ptl_product p = program_product(product_of(&m));
    blas_form f;
    blas_form_of(&p, &f);
    assert_false(f.a.transposed);
    assert_false(f.b.transposed);
    assert_int_equal(f.a.ld, 100);
    assert_int_equal(f.b.ld, 200);
    assert_int_equal(f.c.ld, 100);
    assert_int_equal(f.m, 100);
    made_fini(&m);
}

/* The compiler's results lie along rows; programs of others need not. */
static void columns_of_a_result_exchange_nothing(void **state)
{
    (void)state;
    const lie l = {1,          300, 100, 200, {0, 0, 200, 1}, {0, 0, 1, 200},
                   {0, 1, 310}};
    const ptl_product p = {.dtype = PTL_F32,
                           .batch = 1,
                           .m = 300,
                           .n = 100,
                           .k = 200,
                           .left = {0, 0, 0, 200, 1},
                           .right = {1, 0, 0, 1, 200},
                           .result = {2, 0, 0, 1, 310}};
    blas_form f;
    check_form(&p, &l);
    blas_form_of(&p, &f);
    assert_ptr_equal(f.a.of, &p.left);
    assert_true(f.a.transposed);
    assert_false(f.b.transposed);
    assert_int_equal(f.c.ld, 310);
}

static void batches_lie_anywhere(void **state)
{
    (void)state;
    const lie outermost = {
        6, 60, 72, 64, {0, 3840, 64, 1}, {0, 4608, 72, 1}, {4320, 72, 1}};
    check_lie("input a: real[6, 60, 64] data f32;\n"
              "input b: real[6, 64, 72] data f32;\n"
              "comp c[z:6, i:60, j:72 | k:0..64] = sum "
              "a[z, i, k] * b[z, k, j];\noutput c = c;\n",
              &outermost, false);
    const lie between = {
        6, 60, 72, 64, {0, 64, 384, 1}, {0, 4608, 1, 64}, {72, 432, 1}};
    check_lie("input a: real[60, 6, 64] data f32;\n"
              "input b: real[6, 72, 64] data f32;\n"
              "comp c[i:60, z:6, j:72 | k:0..64] = sum "
              "a[i, z, k] * b[z, j, k];\noutput c = c;\n",
              &between, true);
}

/* Two indices are one where both step on as one. */
static void several_indices_are_one_side(void **state)
{
    (void)state;
    const lie l = {1, 128, 96, 120, {0, 0, 120, 1}, {0, 0, 96, 1}, {0, 96, 1}};
    check_lie("input a: real[8, 16, 10, 12] data f32;\n"
              "input b: real[10, 12, 96] data f32;\n"
              "comp c[h:8, i:16, j:96 | k:0..10, l:0..12] = sum "
              "a[h, i, k, l] * b[k, l, j];\noutput c = c;\n",
              &l, false);
}

static void slices_begin_within(void **state)
{
    (void)state;
    const lie l = {1,         128, 96, 120, {503, 0, 500, 1}, {7, 0, 110, 1},
                   {0, 96, 1}};
    check_lie("input a: real[140, 500] data f32;\n"
              "input b: real[120, 110] data f32;\n"
              "comp c[i:128, j:96 | k:0..120] = sum "
              "a[i + 1, k + 3] * b[k, j + 7];\noutput c = c;\n",
              &l, false);
}

/* ---------- what stays with PTL's kernels ---------- */

static bool is_product_taken(int columns)
{
    ptl_str text = {0};
    str_printf(&text,
               "input a: real[128, 64] data f32;\n"
               "input b: real[64, 128] data f32;\n"
               "comp c[i:128, j:%d | k:0..64] = sum a[i, k] * b[k, j];\n"
               "output c = c;\n",
               columns);
    bool taken = is_taken(str_text(&text));
    str_fini(&text);
    return taken;
}

static void small_products_are_launched(void **state)
{
    (void)state;
    assert_int_equal(128 * 128 * 64, SCHED_LIBRARY_WORK);
    assert_true(is_product_taken(128));
    assert_false(is_product_taken(127));
}

static void convolutions_are_launched(void **state)
{
    (void)state;
    assert_false(is_taken(
        "input x: real[8, 16, 18, 18] data f32;\n"
        "input w: real[32, 16, 3, 3] data f32;\n"
        "comp y[n:8, o:32, p:16, q:16 | c:0..16, r:0..3, s:0..3] = sum "
        "x[n, c, p + r, q + s] * w[o, c, r, s];\noutput y = y;\n"));
    /* Windows that overlap, in one dimension. */
    assert_false(is_taken("input x: real[519] data f32;\n"
                          "input w: real[8, 512] data f32;\n"
                          "comp y[o:512, p:512 | r:0..8] = sum "
                          "x[p + r] * w[r, o];\noutput y = y;\n"));
    /* Those that lie apart are rows of a matrix. */
    assert_true(is_taken("input x: real[4096] data f32;\n"
                         "input w: real[8, 512] data f32;\n"
                         "comp y[p:512, o:512 | r:0..8] = sum "
                         "x[8*p + r] * w[r, o];\noutput y = y;\n"));
}

static void factors_with_operations_are_launched(void **state)
{
    (void)state;
    assert_false(is_taken("input a: real[128, 128] data f32;\n"
                          "input b: real[128, 128] data f32;\n"
                          "comp c[i:128, j:128 | k:0..128] = sum "
                          "(a[i, k] + a[i, k]) * b[k, j];\noutput c = c;\n"));
    /* Right in its steps, but its last columns are not there. */
    assert_false(is_taken("input a: real[128, 130] data f32;\n"
                          "input b: real[128, 128] data f32;\n"
                          "comp c[i:128, j:128 | k:0..128] = sum "
                          "a[i, k + 4 else 0.0] * b[k, j];\noutput c = c;\n"));
}

/* Every second column; a matrix on its diagonal; a side turned round. */
static void odd_steps_are_launched(void **state)
{
    (void)state;
    assert_false(is_taken("input a: real[128, 256] data f32;\n"
                          "input b: real[128, 128] data f32;\n"
                          "comp c[i:128, j:128 | k:0..128] = sum "
                          "a[i, 2*k] * b[k, j];\noutput c = c;\n"));
    assert_false(is_taken("input a: real[64, 64, 128] data f32;\n"
                          "input b: real[128, 64, 64] data f32;\n"
                          "comp c[h:64, i:4, j:64 | k:0..128] = sum "
                          "a[h, i, k] * b[k, j, j];\noutput c = c;\n"));
    assert_false(is_taken("input a: real[128, 128] data f32;\n"
                          "input b: real[128, 128] data f32;\n"
                          "comp c[i:128, j:128 | k:0..128] = sum "
                          "a[i, 127 - k] * b[k, j];\noutput c = c;\n"));
}

/* A batch of batches that no one distance leads through. */
static void batches_without_one_stride_are_launched(void **state)
{
    (void)state;
    assert_false(is_taken("input q: real[4, 32, 6, 64] data f32;\n"
                          "input k: real[4, 32, 6, 64] data f32;\n"
                          "comp s[n:4, h:6, t:32, u:32 | d:0..64] = sum "
                          "q[n, t, h, d] * k[n, u, h, d];\noutput s = s;\n"));
}

/* ---------- what it changes ---------- */

static const char plain[] = "input a: real[128, 130] data f32;\n"
                            "input b: real[130, 128] data f32;\n"
                            "comp c[i:128, j:128 | k:0..130] = sum "
                            "a[i, k] * b[k, j];\noutput c = c;\n";

static const char long_k[] = "input a: real[20000, 40] data f32;\n"
                             "input b: real[20000, 50] data f32;\n"
                             "comp c[i:40, j:50 | k:0..20000] = sum "
                             "a[k, i] * b[k, j];\noutput c = c;\n";

static void k_is_one_part_for_a_library(void **state)
{
    (void)state;
    made without = make(long_k, false, false), with = make(long_k, false, true);
    assert_true(product_of(&without)->splits > 1);
    assert_int_equal(product_of(&with)->splits, 1);
    assert_int_equal(with.module->kernels.count, 1);
    made_fini(&without);
    made_fini(&with);
}

static char *cuda_of(const made *m)
{
    ptl_str text = {0};
    const int first = 0;
    cuda_print(m->module, &first, 1, &text);
    char *copy = strdup(str_text(&text));
    str_fini(&text);
    return copy;
}

/* The launch that stands in for a product is what it is without a library. */
static void the_kernel_stays_as_it_is(void **state)
{
    (void)state;
    made without = make(plain, false, false), with = make(plain, false, true);
    assert_null(product_of(&without)->matrices);
    assert_non_null(product_of(&with)->matrices);
    char *a = cuda_of(&without), *b = cuda_of(&with);
    assert_string_equal(a, b);
    free(a);
    free(b);
    made_fini(&without);
    made_fini(&with);
}

/* ---------- its texts and its verifier ---------- */

static void schedule_and_kernel_show_it(void **state)
{
    (void)state;
    for (int library = 0; library < 2; library++) {
        made m = make(plain, false, library);
        ptl_str text = {0};
        sched_print(m.schedule, &text);
        assert_int_equal(strstr(str_text(&text), ", for a library") != NULL,
                         library);
        kern_print(m.module, &text);
        assert_int_equal(
            strstr(str_text(&text), "matrix left of 1 at 0 steps 0 130 1\n") !=
                NULL,
            library);
        str_fini(&text);
        made_fini(&m);
    }
}

typedef void (*breakage)(kern_product *p, kern_matrices *m);
static void lines_overlap(kern_product *p, kern_matrices *m)
{
    m->left.row = p->k - 1;
}
static void no_neighbours(kern_product *p, kern_matrices *m)
{
    (void)p;
    m->right.column = 2;
}
static void begins_before(kern_product *p, kern_matrices *m)
{
    (void)p;
    m->left.at = -1;
}
static void another_result(kern_product *p, kern_matrices *m)
{
    (void)p;
    m->result.buffer = m->left.buffer;
}
static void no_such_buffer(kern_product *p, kern_matrices *m)
{
    (void)p;
    m->right.buffer = 7;
}
static void in_parts(kern_product *p, kern_matrices *m)
{
    (void)m;
    p->splits = 2;
    p->k_split = 65;
}

static void verifier_finds_what_is_no_matrix(void **state)
{
    (void)state;
    static const breakage all[] = {lines_overlap,  no_neighbours,
                                   begins_before,  another_result,
                                   no_such_buffer, in_parts};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        made m = make(plain, false, true);
        kern_product *p = &m.module->kernels.data[0]->product;
        kern_matrices broken = *p->matrices;
        ptl_error err;
        p->matrices = &broken;
        assert_true(kern_verify(m.module, &err));
        all[i](p, &broken);
        assert_false(kern_verify(m.module, &err));
        made_fini(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_and_result_may_lie_either_way),
        cmocka_unit_test(sides_may_be_odd),
        cmocka_unit_test(plain_rows_need_no_transpose),
        cmocka_unit_test(columns_of_a_result_exchange_nothing),
        cmocka_unit_test(batches_lie_anywhere),
        cmocka_unit_test(several_indices_are_one_side),
        cmocka_unit_test(slices_begin_within),
        cmocka_unit_test(small_products_are_launched),
        cmocka_unit_test(convolutions_are_launched),
        cmocka_unit_test(factors_with_operations_are_launched),
        cmocka_unit_test(odd_steps_are_launched),
        cmocka_unit_test(batches_without_one_stride_are_launched),
        cmocka_unit_test(k_is_one_part_for_a_library),
        cmocka_unit_test(the_kernel_stays_as_it_is),
        cmocka_unit_test(schedule_and_kernel_show_it),
        cmocka_unit_test(verifier_finds_what_is_no_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
