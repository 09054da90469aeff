/*
 * ps_store.c - see ps_store.h.
 */
#include "train/ps_store.h"
#include "base/trace.h"
#include "train/ps_lanes.h"
#include "train/totals.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ps_store {
    session *s;
    ps_clock clock;
    int index;
    shard_store shard;
    const ptl_job_tensor *raw;
    int raw_count;
    const cluster_layout *layout;
    const totals_layout *totals;
    ps_bucket *buckets; /* by number */
    int count;
    char *memory;
    size_t bytes;
    void *weight;  /* of the update under way */
    char *numbers; /* totals, each in a unit of PTL_BUFFER_ALIGN */
    char *sent;    /* of the round under way: this owner's partial sums */
    double rate;
    ps_lanes *lanes; /* NULL: one update at a time */
    bool waits;
};

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY,
                    "no memory for the buckets of a parameter server");
}

/* ---------- what dist asks for ---------- */

static void add(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                int count, size_t bytes, bool first)
{
    ps_store *p = ctx;
    ps_bucket *b = &p->buckets[bucket];
    PTL_ASSERT(b->layout && bytes == b->layout->value_bytes);
    sums_run_all(p->s->pool, &b->incoming, b->sum, (const void *const *)parts,
                 count, first);
}

static void execute(const ps_store *p, const ps_bucket *b, int round,
                    double weight, uint64_t updates)
{
    ptl_run *run = b->programs[round].run;
    ptl_error err = {0};
    sums_put(b->layout->dtype, p->weight, weight);
    run_set(run, "step", (int64_t)updates);
    run_set(run, "total_steps", p->clock.total_updates);
    run_set(run, "average_from", p->clock.average_from);
    run_set(run, "seed", (int64_t)p->s->job->seed);
    /* Everything was bound: nothing is left to fail. */
    if (run_execute(run, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
}

static void update(void *ctx, uint32_t bucket, double weight, uint64_t updates)
{
    ps_store *p = ctx;
    ps_bucket *b = &p->buckets[bucket];
    const ps_program *last = &b->programs[b->rounds];
    double began = trace_now();
    execute(p, b, b->rounds, weight, updates);
    ps_bucket_trace((int)bucket, updates, began);
    b->stale = true;
    int rate = program_find(last->program, "lr");
    if (rate >= 0)
        p->rate = b->layout->dtype == PTL_F64
                      ? *(const double *)run_data(last->run, rate)
                      : (double)*(const float *)run_data(last->run, rate);
}

static void meet(void *ctx, uint32_t bucket, int worker, const uint8_t *part,
                 double weight, uint64_t number)
{
    const ps_store *p = ctx;
    lane_update u = {.bucket = (int)bucket,
                     .weight = weight,
                     .number = (int64_t)number,
                     .total_updates = p->clock.total_updates,
                     .average_from = p->clock.average_from,
                     .seed = (int64_t)p->s->job->seed};
    lanes_begin(p->lanes, worker, &u, part);
}

static const uint8_t *value(void *ctx, uint32_t bucket)
{
    const ps_store *p = ctx;
    if (p->lanes && p->waits)
        lanes_await(p->lanes, (int)bucket);
    if (p->lanes)
        return lanes_value(p->lanes, (int)bucket);
    return ps_bucket_pack(&((ps_store *)ctx)->buckets[bucket]);
}

static const uint8_t *slots(void *ctx, uint32_t bucket, size_t *size)
{
    ps_store *p = ctx;
    if (p->lanes)
        lanes_await(p->lanes, (int)bucket);
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

/* ---------- totals ---------- */

static void add_up(void *ctx, uint32_t bucket, int round, double weight,
                   uint64_t updates)
{
    const ps_store *p = ctx;
    const ps_bucket *b = &p->buckets[bucket];
    const ps_program *program = &b->programs[round];
    execute(p, b, round, weight, updates);
    for (int i = 0; i < program->output_count; i++) {
        int buffer = program->outputs[i].buffer;
        memcpy(p->sent + program->outputs[i].at, run_data(program->run, buffer),
               (size_t)program->program->buffers[buffer].size_bytes);
    }
}

static const uint8_t *partials(void *ctx, int round, size_t *size)
{
    const ps_store *p = ctx;
    *size = totals_sent_bytes(p->totals, round, p->index);
    return (const uint8_t *)p->sent;
}

static bool take_totals(void *ctx, int round, const uint8_t *bytes, size_t size)
{
    const ps_store *p = ctx;
    const ptl_job *job = p->s->job;
    size_t one = (size_t)dtype_size(p->totals->dtype);
    if (size != totals_bytes(p->totals, round))
        return false;
    for (int t = 0; t < job->total_count; t++) {
        if (job->total_rounds[t] != round)
            continue;
        memcpy(p->numbers + t * PTL_BUFFER_ALIGN, bytes, one);
        bytes += one;
    }
    return true;
}

/* Where the partial sums of a bucket's pieces go. */
static ptl_status place_partials(ps_store *p, int bucket, int total,
                                 ptl_error *err)
{
    const place_bucket *from = &p->layout->plan->buckets[bucket];
    const totals_layout *l = p->totals;
    int round = p->s->job->total_rounds[total];
    int64_t index = 0;
    ptl_status st = PTL_OK;
    for (int t = 0; t < total; t++)
        index += p->s->job->total_rounds[t] == round;
    for (int i = 0; i < from->pieces.count && st == PTL_OK; i++) {
        int64_t at =
            index * l->blocks[p->index] + l->first[from->pieces.data[i]];
        st = ps_bucket_send(&p->buckets[bucket], round, total, i,
                            (size_t)(at * dtype_size(l->dtype)), err);
    }
    return st;
}

/* ---------- life ---------- */

static size_t sent_bytes(const ps_store *p)
{
    size_t most = 0;
    for (int r = 0; r < p->totals->rounds; r++) {
        size_t bytes = totals_sent_bytes(p->totals, r, p->index);
        most = bytes > most ? bytes : most;
    }
    return memory_padded(most);
}

/* Numbers, one arena for all programs, then the buckets. */
static ptl_status take_memory(ps_store *p, ptl_error *err)
{
    int totals = p->s->job->total_count;
    size_t numbers = (size_t)(1 + totals) * PTL_BUFFER_ALIGN, arena = 0;
    p->bytes = numbers + sent_bytes(p);
    for (int i = 0; i < p->count; i++) {
        if (!p->buckets[i].layout)
            continue;
        size_t own = memory_padded(ps_bucket_arena(&p->buckets[i]));
        arena = own > arena ? own : arena;
        p->bytes += ps_bucket_memory(&p->buckets[i], NULL);
    }
    p->bytes += arena;
    p->memory = memory_map(p->bytes);
    if (!p->memory)
        return no_memory(err);
    p->weight = p->memory;
    p->numbers = p->memory + PTL_BUFFER_ALIGN;
    p->sent = p->memory + numbers;
    char *at = p->sent + sent_bytes(p) + arena;
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->count && st == PTL_OK; i++) {
        if (!p->buckets[i].layout)
            continue;
        at += ps_bucket_memory(&p->buckets[i], at);
        st = ps_bucket_bind(&p->buckets[i], p->sent + sent_bytes(p), p->weight,
                            p->numbers, totals, err);
    }
    return st;
}

static ptl_status open_buckets(ps_store *p, ptl_error *err)
{
    ptl_status st = PTL_OK;
    p->count = p->layout->plan->bucket_count;
    p->buckets = calloc((size_t)p->count + 1, sizeof *p->buckets);
    if (!p->buckets)
        return no_memory(err);
    for (int i = 0; i < p->count && st == PTL_OK; i++)
        if (p->layout->buckets[i].owner == p->index)
            st = ps_bucket_open(&p->buckets[i], p->s->job, p->s->pool,
                                &p->layout->buckets[i], p->raw, p->raw_count,
                                err);
    for (int i = 0; i < p->count; i++)
        for (int t = 0; t < p->s->job->total_count && st == PTL_OK; t++)
            if (p->buckets[i].layout)
                st = place_partials(p, i, t, err);
    return st == PTL_OK ? take_memory(p, err) : st;
}

ptl_status ps_store_open(session *s, const ps_clock *clock,
                         const cluster_layout *layout,
                         const totals_layout *totals, int index,
                         const ptl_job_tensor *raw, int raw_count,
                         ps_store **out, ptl_error *err)
{
    ps_store *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return no_memory(err);
    *p = (ps_store){.s = s,
                    .clock = *clock,
                    .index = index,
                    .raw = raw,
                    .raw_count = raw_count,
                    .layout = layout,
                    .totals = totals,
                    .rate = (double)NAN};
    p->shard = (shard_store){.ctx = p,
                             .add = add,
                             .update = update,
                             .meet = meet,
                             .value = value,
                             .slots = slots,
                             .add_up = add_up,
                             .partials = partials,
                             .totals = take_totals};
    ptl_status st = open_buckets(p, err);
    if (st == PTL_OK)
        *out = p;
    else
        ps_store_close(p);
    return st;
}

ptl_status ps_store_meet(ps_store *p, int count, bool waits, ptl_error *err)
{
    PTL_ASSERT(p->s->job->rounds == 0);
    p->waits = waits;
    return lanes_open(p->buckets, p->count, count, &p->lanes, err);
}

void ps_store_close(ps_store *p)
{
    if (!p)
        return;
    lanes_close(p->lanes);
    for (int i = 0; i < p->count && p->buckets; i++)
        ps_bucket_close(&p->buckets[i]);
    memory_unmap(p->memory, p->bytes);
    free(p->buckets);
    free(p);
}

/* ---------- values ---------- */

static ptl_status fill_bucket(ps_bucket *b, const ptl_store *tensors,
                              ptl_error *err)
{
    ptl_status st = layout_take_value(b->layout, tensors, b->packed, err);
    ps_bucket_unpack(b);
    return st == PTL_OK ? layout_take_slots(b->layout, tensors, b->slots, err)
                        : st;
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
