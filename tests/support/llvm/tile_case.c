/*
 * tile_case.c - builds contractions for the tests and the benchmark.
 */
#include "llvm/tile_case.h"
#include "base/integer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const double marker = -12345.0;

static size_t real_size(const tile_case *t)
{
    return t->tile.type == KERN_F64 ? 8 : 4;
}

static double get(const tile_case *t, const void *from, int64_t i)
{
    return t->tile.type == KERN_F64 ? ((const double *)from)[i]
                                    : (double)((const float *)from)[i];
}

static void put(const tile_case *t, void *to, int64_t i, double x)
{
    if (t->tile.type == KERN_F64)
        ((double *)to)[i] = x;
    else
        ((float *)to)[i] = (float)x;
}

/* Large operands lie in huge pages, as the runtime's arena does. */
static void *aligned(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    size_t unit = bytes >= huge ? huge : 64;
    size_t size = (bytes / unit + 1) * unit;
    void *p = aligned_alloc(unit, size);
    PTL_ASSERT(p);
    if (unit == huge)
        madvise(p, size, MADV_HUGEPAGE);
    return p;
}

/* Random panels of `width`; positions past `size` are zero. */
static void *packed(const tile_case *t, int64_t panels, int64_t size, int width,
                    uint64_t seed)
{
    int64_t count = t->tile.batch * panels * t->tile.k * width;
    void *out = aligned((size_t)count * real_size(t));
    uint64_t state = seed;
    for (int64_t i = 0; i < count; i++) {
        int64_t index = i / (t->tile.k * width) % panels * width + i % width;
        state = state * 6364136223846793005u + 1442695040888963407u;
        double x = (double)(state >> 40) / 16777216.0 - 0.5;
        put(t, out, i, index < size ? x : 0.0);
    }
    return out;
}

/* Whole panels of `width`; entries past `count` are like the last one. */
static int64_t *table(int64_t count, int64_t stride, int width)
{
    int64_t filled = int_ceil_div(count, width) * width;
    int64_t *out = aligned((size_t)filled * 8);
    for (int64_t i = 0; i < filled; i++)
        out[i] = (i < count ? i : count - 1) * stride;
    return out;
}

static void add_kernel(tile_case *t)
{
    ptl_dtype real = t->tile.type == KERN_F64 ? PTL_F64 : PTL_F32;
    kern_kernel *k = kern_kernel_new(t->module, "contract", t->task_count);
    k->kind = KERN_TILE;
    k->tile = t->tile;
    kern_buffer_add(k, "a", real, false);
    kern_buffer_add(k, "b", real, false);
    kern_buffer_add(k, "c", real, true);
    kern_buffer_add(k, "batch.offset", PTL_I64, false);
    kern_buffer_add(k, "row.offset", PTL_I64, false);
    kern_buffer_add(k, "col.offset", PTL_I64, false);
}

tile_case *tile_case_new(kern_tile tile, int64_t row_stride, int64_t col_stride,
                         int64_t gap)
{
    tile_case *t = calloc(1, sizeof *t);
    PTL_ASSERT(t);
    tile.m_block = tile.m_block ? tile.m_block : 4;
    tile.n_block = tile.n_block ? tile.n_block : 4;
    t->tile = tile;
    t->m_panels = int_ceil_div(tile.m, tile.mr);
    t->n_panels = int_ceil_div(tile.n, tile.nr);
    t->task_count = tile.batch * int_ceil_div(t->m_panels, tile.m_block) *
                    int_ceil_div(t->n_panels, tile.n_block);
    int64_t size =
        (tile.m - 1) * row_stride + (tile.n - 1) * col_stride + 1 + gap;
    t->c_count = tile.batch * size;
    t->a = packed(t, t->m_panels, tile.m, tile.mr, 1);
    t->b = packed(t, t->n_panels, tile.n, tile.nr, 2);
    t->c = aligned((size_t)t->c_count * real_size(t));
    t->batch_offset = table(tile.batch, size, 1);
    t->row_offset = table(tile.m, row_stride, tile.mr);
    t->col_offset = table(tile.n, col_stride, 1);
    t->module = kern_module_new();
    add_kernel(t);
    return t;
}

void tile_case_free(tile_case *t)
{
    kern_module_free(t->module);
    free(t->a);
    free(t->b);
    free(t->c);
    free(t->batch_offset);
    free(t->row_offset);
    free(t->col_offset);
    free(t);
}

void tile_case_clear(tile_case *t)
{
    for (int64_t i = 0; i < t->c_count; i++)
        put(t, t->c, i, marker);
}

void tile_case_run(tile_case *t, ptl_entry entry)
{
    void *args[] = {t->a,          t->b,         t->c, t->batch_offset,
                    t->row_offset, t->col_offset};
    entry(args, 0, t->task_count);
}

static double chain(const tile_case *t, int64_t batch, int64_t i, int64_t j)
{
    const kern_tile *s = &t->tile;
    int64_t a = ((batch * t->m_panels + i / s->mr) * s->k) * s->mr + i % s->mr;
    int64_t b = ((batch * t->n_panels + j / s->nr) * s->k) * s->nr + j % s->nr;
    double sum = 0.0;
    for (int64_t k = 0; k < s->k; k++) {
        double x = get(t, t->a, a + k * s->mr), y = get(t, t->b, b + k * s->nr);
        sum = s->type == KERN_F64
                  ? fma(x, y, sum)
                  : (double)fmaf((float)x, (float)y, (float)sum);
    }
    return sum;
}

void *tile_case_expected(const tile_case *t)
{
    void *out = aligned((size_t)t->c_count * real_size(t));
    for (int64_t i = 0; i < t->c_count; i++)
        put(t, out, i, marker);
    for (int64_t b = 0; b < t->tile.batch; b++)
        for (int64_t i = 0; i < t->tile.m; i++)
            for (int64_t j = 0; j < t->tile.n; j++)
                put(t, out,
                    t->batch_offset[b] + t->row_offset[i] + t->col_offset[j],
                    chain(t, b, i, j));
    return out;
}
