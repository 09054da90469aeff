/*
 * sums.c - see sums.h.
 */
#include "runtime/sums.h"
#include "base/bf16.h"
#include "base/stream.h"
#include <stdlib.h>

enum {
    PIECE = 1 << 14, /* elements of a task */
    NEAR = 1 << 11,  /* elements of a sum that stay in the nearest cache */
};

void sums_list_fini(sum_list *list)
{
    free(list->pieces);
    *list = (sum_list){0};
}

static ptl_status grow(sum_list *list, ptl_error *err)
{
    int room = list->room ? 2 * list->room : 32;
    sum_piece *pieces = realloc(list->pieces, (size_t)room * sizeof *pieces);
    if (!pieces)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for sums of gradients");
    list->pieces = pieces;
    list->room = room;
    return PTL_OK;
}

ptl_status sums_list_add(sum_list *list, size_t to, size_t from, int64_t count,
                         ptl_error *err)
{
    size_t size = (size_t)dtype_size(list->dtype);
    for (int64_t i = 0; i < count; i += PIECE) {
        ptl_status st = list->count < list->room ? PTL_OK : grow(list, err);
        if (st != PTL_OK)
            return st;
        list->pieces[list->count++] =
            (sum_piece){.to = to + (size_t)i * size,
                        .from = from + (size_t)i * size,
                        .count = count - i < PIECE ? count - i : PIECE};
    }
    return PTL_OK;
}

/* The loops of one type: the same text for each operation. */
#define LOOP(expression)                                                       \
    for (int64_t i = 0; i < count; i++)                                        \
        to[i] = (expression);                                                  \
    break

#define SPAN_OF(type)                                                          \
    static void span_##type(sum_op op, type *restrict to,                      \
                            const type *restrict from, int64_t count, type by) \
    {                                                                          \
        switch (op) {                                                          \
        case SUM_SET:                                                          \
            LOOP(from[i]);                                                     \
        case SUM_ADD:                                                          \
            LOOP(to[i] + from[i]);                                             \
        case SUM_SET_TIMES:                                                    \
            LOOP(from[i] * by);                                                \
        case SUM_ADD_TIMES:                                                    \
            LOOP(to[i] + from[i] * by);                                        \
        case SUM_SET_OVER:                                                     \
            LOOP(from[i] / by);                                                \
        case SUM_ADD_OVER:                                                     \
            LOOP(to[i] + from[i] / by);                                        \
        }                                                                      \
    }
SPAN_OF(float)
SPAN_OF(double)

void sums_span(ptl_dtype dtype, sum_op op, void *to, const void *from,
               int64_t count, double by)
{
    PTL_ASSERT(dtype == PTL_F32 || dtype == PTL_F64);
    if (dtype == PTL_F32)
        span_float(op, to, from, count, (float)by);
    else
        span_double(op, to, from, count, by);
}

void sums_span_all(ptl_dtype dtype, void *to, const void *const *from,
                   int count, int64_t elements, bool first)
{
    size_t size = (size_t)dtype_size(dtype);
    for (int64_t i = 0; i < elements; i += NEAR) {
        int64_t now = elements - i < NEAR ? elements - i : NEAR;
        size_t at = (size_t)i * size;
        for (int k = 0; k < count; k++)
            sums_span(dtype, first && k == 0 ? SUM_SET : SUM_ADD,
                      (char *)to + at, (const char *)from[k] + at, now, 0);
    }
}

void sums_put(ptl_dtype dtype, void *to, double value)
{
    if (dtype == PTL_F32)
        *(float *)to = (float)value;
    else
        *(double *)to = value;
}

/* What all tasks of one run share. */
typedef struct shared {
    const sum_list *list;
    sum_op op;
    char *to;
    const char *from;
    double by;
} shared;

static void run_pieces(void *const *args, int64_t begin, int64_t end)
{
    const shared *s = args[0];
    for (int64_t i = begin; i < end; i++) {
        const sum_piece *p = &s->list->pieces[i];
        if (s->list->streams && s->op == SUM_SET)
            stream_copy(s->to + p->to, s->from + p->from,
                        (size_t)p->count * (size_t)dtype_size(s->list->dtype));
        else
            sums_span(s->list->dtype, s->op, s->to + p->to, s->from + p->from,
                      p->count, s->by);
    }
}

void sums_run(ptl_pool *pool, const sum_list *list, sum_op op, void *to,
              const void *from, double by)
{
    shared s = {list, op, to, from, by};
    void *const args[] = {&s};
    pool_run(pool, run_pieces, args, list->count, 0);
}

/* What all tasks of one sum of several blocks share. */
typedef struct shared_all {
    const sum_list *list;
    char *to;
    const void *const *from;
    int count;
    bool first;
} shared_all;

enum { MOST_AT_ONCE = 16 };

static void add_pieces(void *const *args, int64_t begin, int64_t end)
{
    const shared_all *s = args[0];
    const void *from[MOST_AT_ONCE];
    for (int64_t i = begin; i < end; i++) {
        const sum_piece *p = &s->list->pieces[i];
        for (int k = 0; k < s->count; k++)
            from[k] = (const char *)s->from[k] + p->from;
        sums_span_all(s->list->dtype, s->to + p->to, from, s->count, p->count,
                      s->first);
    }
}

void sums_run_all(ptl_pool *pool, const sum_list *list, void *to,
                  const void *const *from, int count, bool first)
{
    for (int k = 0; k < count; k += MOST_AT_ONCE) {
        int now = count - k < MOST_AT_ONCE ? count - k : MOST_AT_ONCE;
        shared_all s = {list, to, from + k, now, first && k == 0};
        void *const args[] = {&s};
        pool_run(pool, add_pieces, args, list->count, 0);
    }
}

static void round_pieces(void *const *args, int64_t begin, int64_t end)
{
    const shared *s = args[0];
    for (int64_t i = begin; i < end; i++) {
        const sum_piece *p = &s->list->pieces[i];
        bf16_round((float *)(void *)(s->to + p->to), (size_t)p->count,
                   (float)s->by);
    }
}

void sums_round(ptl_pool *pool, const sum_list *list, void *block, double by)
{
    shared s = {.list = list, .to = block, .by = by};
    void *const args[] = {&s};
    PTL_ASSERT(list->dtype == PTL_F32);
    pool_run(pool, round_pieces, args, list->count, 0);
}
