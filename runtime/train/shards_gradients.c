/*
 * shards_gradients.c - which gradients a program of shards gives, where they
 * are added to, and from which step on.
 */
#include "base/stream.h"
#include "train/shards_priv.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

sum_list shards_empty_list(const shards *h)
{
    return (sum_list){.dtype = h->dtype,
                      .streams = h->block_bytes > STREAM_BYTES};
}

/* Output "sum/PATH"; -1: there is none. */
static int find_gradient(const ptl_program *p, const char *path)
{
    size_t prefix = strlen(PTL_SUM_PREFIX);
    for (int i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].role == PTL_ROLE_OUTPUT &&
            strncmp(p->buffers[i].name, PTL_SUM_PREFIX, prefix) == 0 &&
            strcmp(p->buffers[i].name + prefix, path) == 0)
            return i;
    return -1;
}

static int later(int a, int b)
{
    return a > b ? a : b;
}

static ptl_status list_gradient(const shard_program *p, const peers_place *to,
                                bool leave, ptl_error *err)
{
    const ptl_program *program = p->built->program;
    gradient_bucket *bucket = &p->buckets[to->bucket];
    int from = find_gradient(program, to->path);
    if (from < 0)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "a shard gives no gradient of \"%s\"", to->path);
    const ptl_buffer *b = &program->buffers[from];
    size_t first = (size_t)to->first * (size_t)dtype_size(b->dtype);
    if (leave)
        run_leave(p->built->run, from);
    bucket->ready = later(bucket->ready, program_last_touch(program, from));
    int parameter = program_find(program, to->path);
    int used = program_first_use(program, parameter);
    bucket->used = used >= 0 && used < bucket->used ? used : bucket->used;
    bucket->freed = later(bucket->freed, program_last_use(program, parameter));
    return sums_list_add(&bucket->list, to->at, (size_t)b->arena_offset + first,
                         to->count, err);
}

static int ready_at(const gradient_bucket *b)
{
    return b->ready;
}

static int used_at(const gradient_bucket *b)
{
    return b->used;
}

static int freed_at(const gradient_bucket *b)
{
    return b->freed;
}

static void sort_buckets(const shards *h, const shard_program *p, int *order,
                         int (*when)(const gradient_bucket *b))
{
    for (int i = 0; i < h->bucket_count; i++) {
        int at = i;
        for (;
             at > 0 && when(&p->buckets[order[at - 1]]) > when(&p->buckets[i]);
             at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

ptl_status shards_list_gradients(const shards *h, shard_program *p,
                                 ptl_error *err)
{
    size_t count = (size_t)h->bucket_count;
    p->buckets = calloc(count + 1, sizeof *p->buckets);
    p->order = calloc(count + 1, sizeof *p->order);
    p->by_used = calloc(count + 1, sizeof *p->by_used);
    p->by_freed = calloc(count + 1, sizeof *p->by_freed);
    if (!p->buckets || !p->order || !p->by_used || !p->by_freed)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for shards");
    int ready = program_last_touch(p->built->program, p->weight);
    for (int b = 0; b < h->bucket_count; b++)
        p->buckets[b] = (gradient_bucket){.list = shards_empty_list(h),
                                          .ready = ready,
                                          .used = INT_MAX,
                                          .freed = -1};
    ptl_status st = PTL_OK;
    for (int i = 0; i < h->input_count && st == PTL_OK; i++)
        st =
            list_gradient(p, &h->inputs[i].place, shards_add_on_device(h), err);
    sort_buckets(h, p, p->order, ready_at);
    sort_buckets(h, p, p->by_used, used_at);
    sort_buckets(h, p, p->by_freed, freed_at);
    return st;
}
