/*
 * ps_store.c - see ps_store.h.
 *
 * Programs want each buffer on PTL_BUFFER_ALIGN; in a message pieces lie one
 * after another. Where these two are the same, what is updated is what is sent.
 * Where not, pieces lie apart here and are put together when the value is asked
 * for.
 */
#include "train/ps_store.h"
#include "base/str.h"
#include "runtime/sums.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ps_bucket {
    const bucket_layout *layout; /* NULL: another owns it */
    ptl_program *program;
    ptl_run *run;
    int weight, rate; /* buffers; -1: none */
    size_t *at;       /* by piece: where it lies in `value` and `sum` */
    size_t bytes;     /* of these two */
    char *value, *sum, *slots;
    uint8_t *packed;   /* as it is sent; `value` itself where they are alike */
    bool stale;        /* `packed` is older than `value` */
    sum_list incoming; /* from a message to `sum` */
} ps_bucket;

struct ps_store {
    session *s;
    ps_clock clock;
    shard_store shard;
    const ptl_job_tensor *raw;
    int raw_count;
    ps_bucket *buckets; /* by number */
    int count;
    char *memory;
    size_t bytes, arena_bytes;
    void *weight; /* of the update under way */
    double rate;
};

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY,
                    "no memory for the buckets of a parameter server");
}

static bool lies_apart(const ps_bucket *b)
{
    return b->packed != (uint8_t *)b->value;
}

/* ---------- what dist asks for ---------- */

static void add(void *ctx, uint32_t bucket, const uint8_t *part, size_t bytes,
                bool first)
{
    ps_store *p = ctx;
    ps_bucket *b = &p->buckets[bucket];
    PTL_ASSERT(b->layout && bytes == b->layout->value_bytes);
    sums_run(p->s->pool, &b->incoming, first ? SUM_SET : SUM_ADD, b->sum, part,
             0);
}

static void update(void *ctx, uint32_t bucket, double weight, uint64_t updates)
{
    ps_store *p = ctx;
    ps_bucket *b = &p->buckets[bucket];
    ptl_error err = {0};
    sums_put(b->layout->dtype, p->weight, weight);
    run_set(b->run, "step", (int64_t)updates);
    run_set(b->run, "total_steps", p->clock.total_updates);
    run_set(b->run, "average_from", p->clock.average_from);
    run_set(b->run, "seed", (int64_t)p->s->job->seed);
    /* Everything was bound: nothing is left to fail. */
    if (run_execute(b->run, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    if (b->rate >= 0)
        p->rate = b->layout->dtype == PTL_F64
                      ? *(const double *)run_data(b->run, b->rate)
                      : (double)*(const float *)run_data(b->run, b->rate);
    b->stale = true;
}

static const uint8_t *value(void *ctx, uint32_t bucket)
{
    ps_bucket *b = &((ps_store *)ctx)->buckets[bucket];
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count && b->stale && lies_apart(b); i++)
        memcpy(b->packed + l->value.data[i].at, b->value + b->at[i],
               l->value.data[i].bytes);
    b->stale = false;
    return b->packed;
}

const uint8_t *ps_store_slots(void *ctx, uint32_t bucket, size_t *size)
{
    ps_store *p = ctx;
    *size = p->buckets[bucket].layout->slot_bytes;
    return (const uint8_t *)p->buckets[bucket].slots;
}

const shard_store *ps_store_shard(const ps_store *p)
{
    return &p->shard;
}

double ps_store_rate(const ps_store *p)
{
    return p->rate;
}

/* ---------- one bucket ---------- */

static ptl_status list_incoming(ps_bucket *b, ptl_error *err)
{
    const bucket_layout *l = b->layout;
    ptl_status st = PTL_OK;
    b->incoming.dtype = l->dtype;
    for (int i = 0; i < l->value.count && st == PTL_OK; i++)
        st = sums_list_add(&b->incoming, b->at[i], l->value.data[i].at,
                           l->value.data[i].count, err);
    return st;
}

static ptl_status place_pieces(ps_bucket *b, ptl_error *err)
{
    const bucket_layout *l = b->layout;
    b->at = calloc((size_t)l->value.count + 1, sizeof *b->at);
    if (!b->at)
        return no_memory(err);
    for (int i = 0; i < l->value.count; i++) {
        b->at[i] = b->bytes;
        b->bytes += memory_padded(l->value.data[i].bytes);
    }
    return list_incoming(b, err);
}

static bool lies_as_it_is_sent(const ps_bucket *b)
{
    for (int i = 0; i < b->layout->value.count; i++)
        if (b->at[i] != b->layout->value.data[i].at)
            return false;
    return true;
}

static ptl_status build_program(ps_store *p, ps_bucket *b, ptl_error *err)
{
    const bucket_layout *l = b->layout;
    ptl_job_piece *pieces = calloc((size_t)l->value.count + 1, sizeof *pieces);
    if (!pieces)
        return no_memory(err);
    for (int i = 0; i < l->value.count; i++) {
        const layout_part *from = &l->value.data[i];
        pieces[i] =
            (ptl_job_piece){from->path, from->first, from->count, from->name};
    }
    ptl_job *job = p->s->job;
    ptl_status st = job->build_update(job, pieces, l->value.count, p->raw,
                                      p->raw_count, &b->program, err);
    free(pieces);
    if (st == PTL_OK)
        st = run_open_without(b->program, p->s->pool, &b->run, err);
    if (st != PTL_OK)
        return st;
    size_t arena = program_memory_of(b->program).arena;
    p->arena_bytes = arena > p->arena_bytes ? arena : p->arena_bytes;
    b->weight = program_find(b->program, "weight");
    b->rate = program_find(b->program, "lr");
    return PTL_OK;
}

/* ---------- memory ---------- */

static char *give(char **at, size_t bytes)
{
    char *memory = *at;
    *at += memory_padded(bytes);
    return memory;
}

/* `at` NULL: only how much there will be. */
static size_t bucket_memory(ps_bucket *b, char *at)
{
    bool alike = lies_as_it_is_sent(b);
    size_t packed = alike ? 0 : memory_padded(b->layout->value_bytes);
    size_t slots = memory_padded(b->layout->slot_bytes);
    if (at) {
        b->value = give(&at, b->bytes);
        b->sum = give(&at, b->bytes);
        b->slots = give(&at, slots);
        b->packed = alike ? (uint8_t *)b->value : (uint8_t *)give(&at, packed);
    }
    return 2 * memory_padded(b->bytes) + slots + packed;
}

static ptl_status take_memory(ps_store *p, ptl_error *err)
{
    size_t arena = memory_padded(p->arena_bytes);
    p->bytes = PTL_BUFFER_ALIGN + arena;
    for (int i = 0; i < p->count; i++)
        if (p->buckets[i].layout)
            p->bytes += bucket_memory(&p->buckets[i], NULL);
    p->memory = memory_map(p->bytes);
    if (!p->memory)
        return no_memory(err);
    char *at = p->memory;
    p->weight = give(&at, PTL_BUFFER_ALIGN);
    for (int i = 0; i < p->count; i++) {
        if (!p->buckets[i].layout)
            continue;
        run_give_arena(p->buckets[i].run, at);
    }
    at += arena;
    for (int i = 0; i < p->count; i++)
        if (p->buckets[i].layout)
            at += bucket_memory(&p->buckets[i], at);
    return PTL_OK;
}

/* ---------- binding ---------- */

/* A buffer the program does not have was not needed. */
static void bind_piece(ps_bucket *b, int piece)
{
    const layout_part *part = &b->layout->value.data[piece];
    ptl_str sum = {0};
    run_bind_name(b->run, part->name, b->value + b->at[piece]);
    str_printf(&sum, PTL_SUM_PREFIX "%s", part->name);
    run_bind_name(b->run, str_text(&sum), b->sum + b->at[piece]);
    str_fini(&sum);
}

static void bind(ps_store *p, ps_bucket *b)
{
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count; i++)
        bind_piece(b, i);
    for (int i = 0; i < l->slots.count; i++)
        run_bind_name(b->run, l->slots.data[i].name,
                      b->slots + l->slots.data[i].at);
    if (b->weight >= 0)
        run_bind(b->run, b->weight, p->weight);
}

/* Does it ask for nothing that is not given? */
static ptl_status check_bound(const ps_bucket *b, ptl_error *err)
{
    for (int i = 0; i < b->program->buffer_count; i++) {
        const ptl_buffer *buffer = &b->program->buffers[i];
        if (!run_data(b->run, i))
            return ptl_fail(err, PTL_E_INTERNAL,
                            "the update of a bucket asks for \"%s\"",
                            buffer->name);
    }
    return PTL_OK;
}

/* ---------- life ---------- */

static ptl_status open_buckets(ps_store *p, const cluster_layout *layout,
                               int index, ptl_error *err)
{
    ptl_status st = PTL_OK;
    p->count = layout->plan->bucket_count;
    p->buckets = calloc((size_t)p->count + 1, sizeof *p->buckets);
    if (!p->buckets)
        return no_memory(err);
    for (int i = 0; i < p->count && st == PTL_OK; i++) {
        ps_bucket *b = &p->buckets[i];
        if (layout->buckets[i].owner != index)
            continue;
        b->layout = &layout->buckets[i];
        st = place_pieces(b, err);
        if (st == PTL_OK)
            st = build_program(p, b, err);
    }
    if (st == PTL_OK)
        st = take_memory(p, err);
    for (int i = 0; i < p->count && st == PTL_OK; i++) {
        if (!p->buckets[i].layout)
            continue;
        bind(p, &p->buckets[i]);
        st = check_bound(&p->buckets[i], err);
    }
    return st;
}

ptl_status ps_store_open(session *s, const ps_clock *clock,
                         const cluster_layout *layout, int index,
                         const ptl_job_tensor *raw, int raw_count,
                         ps_store **out, ptl_error *err)
{
    ps_store *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return no_memory(err);
    p->s = s;
    p->clock = *clock;
    p->raw = raw;
    p->raw_count = raw_count;
    p->rate = (double)NAN;
    p->shard = (shard_store){.ctx = p,
                             .add = add,
                             .update = update,
                             .value = value,
                             .slots = ps_store_slots};
    ptl_status st = open_buckets(p, layout, index, err);
    if (st == PTL_OK)
        *out = p;
    else
        ps_store_close(p);
    return st;
}

void ps_store_close(ps_store *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->count && p->buckets; i++) {
        ps_bucket *b = &p->buckets[i];
        run_close(b->run);
        if (b->program)
            b->program->release(b->program);
        sums_list_fini(&b->incoming);
        free(b->at);
    }
    memory_unmap(p->memory, p->bytes);
    free(p->buckets);
    free(p);
}

/* ---------- values ---------- */

static ptl_status fill_bucket(ps_bucket *b, const ptl_store *tensors,
                              ptl_error *err)
{
    const bucket_layout *l = b->layout;
    ptl_status st = layout_take_value(l, tensors, b->packed, err);
    for (int i = 0; i < l->value.count && st == PTL_OK && lies_apart(b); i++)
        memcpy(b->value + b->at[i], b->packed + l->value.data[i].at,
               l->value.data[i].bytes);
    b->stale = false;
    return st == PTL_OK ? layout_take_slots(l, tensors, b->slots, err) : st;
}

ptl_status ps_store_fill(ps_store *p, const ptl_store *tensors, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->count && st == PTL_OK; i++)
        if (p->buckets[i].layout)
            st = fill_bucket(&p->buckets[i], tensors, err);
    return st;
}

static ptl_status initialise(ps_store *p, session_program *init, ptl_error *err)
{
    session_set_scalars(p->s, init, 0, 0, p->clock.total_updates);
    return run_execute(init->run, err);
}

ptl_status ps_store_start(ps_store *p, const char *checkpoint, ptl_error *err)
{
    session_program *init;
    ptl_store tensors = {0};
    ptl_status st = session_build(p->s, PTL_PROGRAM_INIT, p->s->job->batch,
                                  p->raw, p->raw_count, &init, err);
    if (st == PTL_OK)
        st = store_add(&tensors, init->program, err);
    if (st == PTL_OK)
        st = store_allocate(&tensors, err);
    if (st == PTL_OK)
        st = store_bind(&tensors, init->run, err);
    if (st == PTL_OK)
        st = checkpoint ? checkpoint_load(checkpoint, &tensors, false, err)
                        : initialise(p, init, err);
    if (st == PTL_OK)
        st = ps_store_fill(p, &tensors, err);
    session_forget(p->s, PTL_PROGRAM_INIT);
    store_fini(&tensors);
    return st;
}
