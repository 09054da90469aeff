/*
 * stream.c - copy, add and triad over arrays that no cache holds; bytes are
 * counted as STREAM counts them, without what a plain store reads first.
 *
 * Each thread has one contiguous part, first touched by itself.
 */
#include "machine.h"
#include "runtime/run.h"
#include <stdlib.h>
#include <string.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

enum { ELEMENTS = 12 << 20 }; /* f64: 96 MiB each */

typedef struct stream {
    ptl_pool *pool;
    int threads;
    int64_t part; /* elements a thread */
    double *a, *b, *c;
    ptl_entry entries[2];
} stream;

#define PLAIN(name, value)                                                     \
    static void name##_plain(void *const *args, int64_t begin, int64_t end)    \
    {                                                                          \
        const stream *s = args[0];                                             \
        double *restrict a = s->a;                                             \
        const double *restrict b = s->b, *restrict c = s->c;                   \
        (void)c;                                                               \
        for (int64_t i = begin * s->part; i < end * s->part; i++)              \
            a[i] = value;                                                      \
    }
PLAIN(copy, b[i])
PLAIN(add, b[i] + c[i])
PLAIN(triad, b[i] + 3.0 * c[i])

#if defined __x86_64__
#define STREAMING(name, value)                                                 \
    __attribute__((target("avx512f"))) static void name##_streaming(           \
        void *const *args, int64_t begin, int64_t end)                         \
    {                                                                          \
        const stream *s = args[0];                                             \
        const __m512d three = _mm512_set1_pd(3.0);                             \
        (void)three;                                                           \
        for (int64_t i = begin * s->part; i < end * s->part; i += 8) {         \
            __m512d b = _mm512_load_pd(s->b + i);                              \
            __m512d c = _mm512_load_pd(s->c + i);                              \
            (void)c;                                                           \
            _mm512_stream_pd(s->a + i, value);                                 \
        }                                                                      \
        _mm_sfence();                                                          \
    }
STREAMING(copy, b)
STREAMING(add, _mm512_add_pd(b, c))
STREAMING(triad, _mm512_fmadd_pd(three, c, b))
#endif

static const struct kernel {
    const char *name;
    int arrays;
    ptl_entry plain, streaming;
} kernels[] = {
#if defined __x86_64__
#define KERNEL(name, arrays) {#name, arrays, name##_plain, name##_streaming}
#else
#define KERNEL(name, arrays) {#name, arrays, name##_plain, NULL}
#endif
    KERNEL(copy, 2),
    KERNEL(add, 3),
    KERNEL(triad, 3),
};

static bool has_streaming(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

static ptl_status run_stream(void *ctx, int variant, int64_t step,
                             ptl_error *err)
{
    stream *s = ctx;
    void *args[] = {s};
    (void)step, (void)err;
    pool_run(s->pool, s->entries[variant], args, s->threads, 0);
    return PTL_OK;
}

static void close_stream(void *ctx)
{
    stream *s = ctx;
    memory_unmap(s->a, ELEMENTS * sizeof *s->a);
    memory_unmap(s->b, ELEMENTS * sizeof *s->b);
    memory_unmap(s->c, ELEMENTS * sizeof *s->c);
    pool_close(s->pool);
    free(s);
}

static void touch(void *const *args, int64_t begin, int64_t end)
{
    const stream *s = args[0];
    for (int64_t i = begin * s->part; i < end * s->part; i++)
        s->a[i] = 0, s->b[i] = (double)(i % 97), s->c[i] = 0.5;
}

static const struct kernel *kernel_named(const char *name)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(kernels[i].name, name) == 0)
            return &kernels[i];
    return NULL;
}

static ptl_status take_memory(stream *s, ptl_error *err)
{
    s->a = memory_map(ELEMENTS * sizeof *s->a);
    s->b = memory_map(ELEMENTS * sizeof *s->b);
    s->c = memory_map(ELEMENTS * sizeof *s->c);
    if (!s->a || !s->b || !s->c)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for STREAM");
    void *args[] = {s};
    pool_run(s->pool, touch, args, s->threads, 0);
    return PTL_OK;
}

ptl_status stream_open(const work_request *r, work *w, ptl_error *err)
{
    const struct kernel *k = kernel_named(r->kind);
    if (!k)
        return ptl_fail(err, PTL_E_USAGE, "no kind of work: %s", r->kind);
    stream *s = calloc(1, sizeof *s);
    PTL_ASSERT(s);
    s->threads = r->threads;
    s->part = ELEMENTS / r->threads / 8 * 8;
    s->entries[0] = k->plain;
    s->entries[1] = k->streaming;
    w->ctx = s;
    w->close = close_stream;
    w->run = run_stream;
    w->variants[0] = "plain";
    w->variants[1] = k->streaming && has_streaming() ? "streaming" : NULL;
    w->bytes = (double)(s->part * s->threads * k->arrays) * sizeof *s->a;
    ptl_status st = pool_open(r->threads, &s->pool, err);
    return st == PTL_OK ? take_memory(s, err) : st;
}
