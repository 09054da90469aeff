/*
 * shards_gradients.c - which gradients a program of shards gives, where they
 * are added to, and from which step on.
 */
#include "base/plant.h"
#include "base/str.h"
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

static bool is_gradient(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_OUTPUT &&
           strncmp(b->name, PTL_SUM_PREFIX, strlen(PTL_SUM_PREFIX)) == 0;
}

/* The output that is the gradient of `path`; -1: there is none. */
static int find_gradient(const ptl_program *p, const char *path)
{
    for (int i = 0; i < p->buffer_count; i++)
        if (is_gradient(&p->buffers[i]) &&
            strcmp(p->buffers[i].name + strlen(PTL_SUM_PREFIX), path) == 0)
            return i;
    return -1;
}

/* ---------- programs of other rows ---------- */

/* " \"PATH\"" of each gradient of `of` that `other` does not give. */
static void add_missing(const ptl_program *of, const ptl_program *other,
                        ptl_str *out)
{
    for (int i = 0; i < of->buffer_count; i++) {
        const ptl_buffer *b = &of->buffers[i];
        if (!is_gradient(b))
            continue;
        const char *path = b->name + strlen(PTL_SUM_PREFIX);
        if (find_gradient(other, path) >= 0)
            continue;
        str_printf(out, "%s \"%s\"", out->length ? "," : "", path);
    }
}

static const char *or_none(const ptl_str *s)
{
    return s->length ? str_text(s) : " none";
}

/* Shards with other numbers of rows are other programs, which could forget one;
 * a worker's towers give gradients of the same parameters. */
static ptl_status agree(const session_program *a, const session_program *b,
                        ptl_error *err)
{
    ptl_str only_a = {0}, only_b = {0};
    ptl_status st = PTL_OK;
    add_missing(a->program, b->program, &only_a);
    add_missing(b->program, a->program, &only_b);
    if ((only_a.length || only_b.length) &&
        !ptl_is_planted(PTL_PLANT_OWN_GRADIENTS))
        st = ptl_fail(err, PTL_E_INTERNAL,
                      "shards give other gradients: with %lld rows alone of%s; "
                      "with %lld alone of%s",
                      (long long)a->rows, or_none(&only_a), (long long)b->rows,
                      or_none(&only_b));
    str_fini(&only_a);
    str_fini(&only_b);
    return st;
}

/* ---------- where they go ---------- */

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
    ptl_status st = agree(h->programs[0].built, p->built, err);
    if (st != PTL_OK)
        return st;
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
    for (int i = 0; i < h->input_count && st == PTL_OK; i++)
        st =
            list_gradient(p, &h->inputs[i].place, shards_add_on_device(h), err);
    sort_buckets(h, p, p->order, ready_at);
    sort_buckets(h, p, p->by_used, used_at);
    sort_buckets(h, p, p->by_freed, freed_at);
    return st;
}
