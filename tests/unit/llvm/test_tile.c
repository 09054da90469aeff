/*
 * test_tile.c - contractions over packed panels equal plain loops bit for bit,
 * for sizes that fit no tile, any layout of C, every level, any kc.
 */
#include "llvm/code.h"
#include "llvm/levels.h"
#include "llvm/tile_case.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static kern_tile tile_for(const char *cpu, kern_type type, int64_t m, int64_t n,
                          int64_t k)
{
    kern_target t;
    assert_int_equal(llvm_target(cpu, &t, NULL), PTL_OK);
    return (kern_tile){
        .type = type,
        .batch = 1,
        .m = m,
        .n = n,
        .k = k,
        .mr = type == KERN_F64 ? t.mr_f64 : t.mr_f32,
        .nr = type == KERN_F64 ? t.nr_f64 : t.nr_f32,
        .kc = t.kc,
        .unit_columns = true,
    };
}

static void check(const char *cpu, kern_tile tile, int64_t row_stride,
                  int64_t col_stride, int64_t gap)
{
    tile_case *t = tile_case_new(tile, row_stride, col_stride, gap);
    size_t size = tile.type == KERN_F64 ? 8 : 4;
    void *want = tile_case_expected(t);
    llvm_code *code = test_compile(t->module, cpu);
    tile_case_clear(t);
    tile_case_run(t, llvm_entry(code, 0));
    for (int64_t i = 0; i < t->c_count; i++)
        if (memcmp((char *)t->c + (size_t)i * size,
                   (char *)want + (size_t)i * size, size) != 0)
            fail_msg("%s %s %lldx%lldx%lld kc %lld: element %lld differs", cpu,
                     tile.type == KERN_F64 ? "f64" : "f32", (long long)tile.m,
                     (long long)tile.n, (long long)tile.k, (long long)tile.kc,
                     (long long)i);
    llvm_code_release(code);
    free(want);
    tile_case_free(t);
}

/* On each named level; `native` is one of them under another name. */
static void on_every_level(void (*claim)(const char *cpu, kern_type type))
{
    for (const char *const *cpu = test_levels() + 1; *cpu; cpu++) {
        claim(*cpu, KERN_F32);
        claim(*cpu, KERN_F64);
    }
}

/* Around one, two and three tiles in each direction. */
static void claim_sizes(const char *cpu, kern_type type)
{
    kern_tile one = tile_for(cpu, type, 1, 1, 9);
    const int64_t ms[] = {1, one.mr - 1, one.mr, one.mr + 1, 3 * one.mr - 1};
    const int64_t ns[] = {1, one.nr - 1, one.nr, one.nr + 1, 3 * one.nr - 1};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) {
            kern_tile t = tile_for(cpu, type, ms[i], ns[j], 9);
            check(cpu, t, ns[j] + 3, 1, 5);
        }
}

static void sizes_that_fit_no_tile(void **state)
{
    (void)state;
    on_every_level(claim_sizes);
}

static void claim_k(const char *cpu, kern_type type)
{
    const int64_t ks[] = {0, 1, 2, 3, 4, 5, 7, 8, 33};
    for (int i = 0; i < 9; i++) {
        kern_tile t = tile_for(cpu, type, 1, 1, ks[i]);
        t.m = 2 * t.mr - 1;
        t.n = 2 * t.nr + 1;
        check(cpu, t, t.n, 1, 0);
    }
}

static void any_length_of_k(void **state)
{
    (void)state;
    on_every_level(claim_k);
}

static void claim_blocks_of_k(const char *cpu, kern_type type)
{
    const int64_t kcs[] = {1, 3, 4, 16, 37};
    for (int i = 0; i < 5; i++) {
        kern_tile t = tile_for(cpu, type, 1, 1, 37);
        t.kc = kcs[i];
        t.m = 2 * t.mr + 1;
        t.n = 2 * t.nr - 1;
        check(cpu, t, t.n, 1, 0);
        t.unit_columns = false;
        check(cpu, t, 1, t.m, 2);
    }
}

/* The tiles that kern_tile_fit picks for short sides. */
static void claim_fitted(const char *cpu, kern_type type)
{
    const int64_t sides[] = {3, 10, 20, 64, 70};
    kern_target target;
    assert_int_equal(llvm_target(cpu, &target, NULL), PTL_OK);
    for (int i = 0; i < 25; i++) {
        kern_tile t = tile_for(cpu, type, sides[i / 5], sides[i % 5], 11);
        kern_tile_fit(&target, type == KERN_F64, t.m, t.n, &t.mr, &t.nr);
        check(cpu, t, t.n, 1, 0);
    }
}

static void tiles_that_fit_a_size(void **state)
{
    (void)state;
    on_every_level(claim_fitted);
}

static void blocks_of_k_change_no_bit(void **state)
{
    (void)state;
    on_every_level(claim_blocks_of_k);
}

static void claim_layouts(const char *cpu, kern_type type)
{
    kern_tile t = tile_for(cpu, type, 1, 1, 6);
    t.batch = 3;
    t.m = 5 * t.mr;
    t.n = 5 * t.nr;
    check(cpu, t, t.n, 1, 0);
    check(cpu, t, t.n + 7, 1, 11);
    t.unit_columns = false;
    check(cpu, t, 1, t.m, 0);
    check(cpu, t, 2 * t.n, 2, 3);
    t.m_block = 2;
    t.n_block = 1;
    check(cpu, t, 1, t.m + 1, 1);
}

static void c_may_lie_anyhow(void **state)
{
    (void)state;
    on_every_level(claim_layouts);
}

/* Tasks are independent: run backwards, one at a time. */
static void tasks_run_in_any_order(void **state)
{
    (void)state;
    kern_tile tile = tile_for("native", KERN_F32, 100, 150, 40);
    tile.batch = 2;
    tile.m_block = 2;
    tile.n_block = 1;
    tile_case *t = tile_case_new(tile, 150, 1, 0);
    void *want = tile_case_expected(t);
    llvm_code *code = test_compile(t->module, "native");
    void *args[] = {t->a,          t->b,         t->c, t->batch_offset,
                    t->row_offset, t->col_offset};
    tile_case_clear(t);
    for (int64_t i = t->task_count; i-- > 0;)
        llvm_entry(code, 0)(args, i, i + 1);
    assert_memory_equal(t->c, want, (size_t)t->c_count * 4);
    llvm_code_release(code);
    free(want);
    tile_case_free(t);
}

/* ---------- the machine code of the k loop ---------- */

/* The k loop is the longest stretch of micro-kernel `name` between a label and
 * a jump; counts in it what reads `what`. */
static int count_in_k_loop(const char *text, const char *name, const char *what)
{
    char label[80];
    snprintf(label, sizeof label, "\n%s:", name);
    const char *micro = strstr(text, label);
    if (!micro)
        fail_msg("no micro-kernel \"%s\"", name);
    const char *best = micro, *best_end = micro, *start = micro;
    for (const char *at = micro + 1; *at && strncmp(at, "\tret", 4) != 0;) {
        const char *end = strchr(at, '\n');
        end = end ? end : at + strlen(at);
        if (at[0] == '.' && memchr(at, ':', (size_t)(end - at)))
            start = at;
        if (strncmp(at, "\tj", 2) == 0 && end - start > best_end - best) {
            best = start;
            best_end = end;
        }
        at = *end ? end + 1 : end;
    }
    int count = 0;
    size_t length = strlen(what);
    for (const char *at = best; at + length <= best_end; at++)
        count += strncmp(at, what, length) == 0;
    return count;
}

/* In the micro-kernel for `cols` columns: as many fma as products, and nothing
 * on the stack. */
static void check_k_loop(const char *text, const kern_tile *t, int lanes,
                         int cols)
{
    char name[64];
    int vectors = (cols + lanes - 1) / lanes;
    int length = snprintf(name, sizeof name, "micro.%s.%dx%d",
                          t->type == KERN_F64 ? "f64" : "f32", t->mr, t->nr);
    if (cols < t->nr)
        snprintf(name + length, sizeof name - (size_t)length, ".%d", cols);
    assert_int_equal(count_in_k_loop(text, name, "vfmadd"),
                     4 * t->mr * vectors);
    assert_int_equal(count_in_k_loop(text, name, "(%rsp"), 0);
    assert_int_equal(count_in_k_loop(text, name, "(%rbp"), 0);
}

/* The target's tile, and those for the sides of test tile_fit. */
static void claim_no_spill(const char *cpu, kern_type type)
{
    const int64_t sides[] = {10, 64, 70, 1024};
    kern_target target;
    assert_int_equal(llvm_target(cpu, &target, NULL), PTL_OK);
    int lanes = target.lanes_f32 / (type == KERN_F64 ? 2 : 1);
    if (strcmp(target.name, "portable") == 0) /* there fma is a call */
        return;
    for (int i = 0; i < 16; i++) {
        kern_tile tile = tile_for(cpu, type, sides[i / 4], sides[i % 4], 64);
        kern_tile_fit(&target, type == KERN_F64, tile.m, tile.n, &tile.mr,
                      &tile.nr);
        tile_case *t = tile_case_new(tile, tile.n, 1, 0);
        ptl_str text = test_emit(t->module, cpu, true);
        if (tile.n >= tile.nr)
            check_k_loop(str_text(&text), &tile, lanes, tile.nr);
        if (tile.n % tile.nr)
            check_k_loop(str_text(&text), &tile, lanes,
                         (int)(tile.n % tile.nr));
        str_fini(&text);
        tile_case_free(t);
    }
}

static void the_k_loop_spills_nothing(void **state)
{
    (void)state;
    on_every_level(claim_no_spill);
    claim_no_spill("native", KERN_F32);
    claim_no_spill("native", KERN_F64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_fit_no_tile),
        cmocka_unit_test(any_length_of_k),
        cmocka_unit_test(tiles_that_fit_a_size),
        cmocka_unit_test(blocks_of_k_change_no_bit),
        cmocka_unit_test(c_may_lie_anyhow),
        cmocka_unit_test(tasks_run_in_any_order),
        cmocka_unit_test(the_k_loop_spills_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
