/*
 * numbers.c - see numbers.h.
 */
#include "cluster/numbers.h"
#include "runtime/sums.h"
#include <stdlib.h>
#include <string.h>

/* A state's place in its group's vector. */
typedef struct state_span {
    size_t at;
    int64_t count;
    bool adds; /* `sync sum`: else divided by the rows */
} state_span;

/* Of parameters, where workers update. */
typedef struct sum_bucket {
    char *sum, *value; /* NULL: elsewhere */
} sum_bucket;

typedef struct state_bucket {
    VEC(state_span) spans;
    size_t bytes;
    char *sum, *value; /* NULL: elsewhere */
} state_bucket;

struct cluster_numbers {
    const cluster_plan *plan;
    ptl_dtype type;
    const shard_store *parameters; /* NULL: workers update */
    sum_bucket *sums;              /* by bucket */
    state_bucket states[STATE_GROUPS];
    shard_store store;
};

/* NULL: it is a bucket of parameters. */
static state_bucket *state_bucket_of(cluster_numbers *n, uint32_t bucket)
{
    for (int g = 0; g < STATE_GROUPS; g++)
        if (n->plan->state_bucket[g] == (int)bucket)
            return &n->states[g];
    return NULL;
}

static int64_t elements_in(const cluster_numbers *n, size_t bytes)
{
    return (int64_t)bytes / dtype_size(n->type);
}

static void add(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                int count, size_t bytes, bool first)
{
    cluster_numbers *n = ctx;
    state_bucket *s = state_bucket_of(n, bucket);
    if (!s && n->parameters)
        n->parameters->add(n->parameters->ctx, bucket, parts, count, bytes,
                           first);
    else
        sums_span_all(n->type, s ? s->sum : n->sums[bucket].sum,
                      (const void *const *)parts, count, elements_in(n, bytes),
                      first);
}

/* What workers update by; of an exchange without rows only that it was one. */
static void give_sum(const cluster_numbers *n, uint32_t bucket, double weight)
{
    sum_bucket *b = &n->sums[bucket];
    size_t bytes = n->plan->bytes[bucket], last = (size_t)dtype_size(n->type);
    memcpy(b->value, b->sum, bytes);
    sums_put(n->type, b->value + bytes - last, weight);
}

static void update(void *ctx, uint32_t bucket, double weight, uint64_t updates)
{
    cluster_numbers *n = ctx;
    state_bucket *s = state_bucket_of(n, bucket);
    if (!s && !n->parameters) {
        give_sum(n, bucket, weight);
        return;
    }
    if (!s) {
        n->parameters->update(n->parameters->ctx, bucket, weight, updates);
        return;
    }
    for (int i = 0; i < s->spans.count; i++) {
        const state_span *x = &s->spans.data[i];
        sums_span(n->type, x->adds ? SUM_SET : SUM_SET_OVER, s->value + x->at,
                  s->sum + x->at, x->count, weight);
    }
}

/* Only parameters' do. */
static void meet(void *ctx, uint32_t bucket, int worker, const uint8_t *part,
                 double weight, uint64_t updates)
{
    const shard_store *p = ((cluster_numbers *)ctx)->parameters;
    p->meet(p->ctx, bucket, worker, part, weight, updates);
}

static const uint8_t *value(void *ctx, uint32_t bucket)
{
    cluster_numbers *n = ctx;
    state_bucket *s = state_bucket_of(n, bucket);
    if (!s && !n->parameters)
        return (const uint8_t *)n->sums[bucket].value;
    return s ? (const uint8_t *)s->value
             : n->parameters->value(n->parameters->ctx, bucket);
}

static const uint8_t *slots(void *ctx, uint32_t bucket, size_t *size)
{
    cluster_numbers *n = ctx;
    *size = 0;
    if (state_bucket_of(n, bucket) || !n->parameters)
        return NULL;
    return n->parameters->slots(n->parameters->ctx, bucket, size);
}

/* ---------- totals: the parameters' affair ---------- */

static void add_up(void *ctx, uint32_t bucket, int round, double weight,
                   uint64_t updates)
{
    const shard_store *p = ((cluster_numbers *)ctx)->parameters;
    p->add_up(p->ctx, bucket, round, weight, updates);
}

static const uint8_t *partials(void *ctx, int round, size_t *size)
{
    const shard_store *p = ((cluster_numbers *)ctx)->parameters;
    return p->partials(p->ctx, round, size);
}

static bool take_totals(void *ctx, int round, const uint8_t *bytes, size_t size)
{
    const shard_store *p = ((cluster_numbers *)ctx)->parameters;
    return p->totals(p->ctx, round, bytes, size);
}

/* ---------- life ---------- */

static void list_spans(cluster_numbers *n, const ptl_job *job,
                       state_group group)
{
    state_bucket *s = &n->states[group];
    for (int i = 0; i < job->tensor_count; i++) {
        const ptl_job_tensor *t = &job->tensors[i];
        if (!state_is_in(group, t))
            continue;
        int64_t count = job_tensor_elements(t);
        state_span span = {s->bytes, count, t->sync == PTL_SYNC_SUM};
        vec_push(n->plan->arena, &s->spans, span);
        s->bytes += (size_t)(count * dtype_size(n->type));
    }
}

static ptl_status open_sums(cluster_numbers *n, int index, ptl_error *err)
{
    const cluster_plan *plan = n->plan;
    int count = plan->layout->plan->bucket_count;
    n->sums = calloc((size_t)count + 1, sizeof *n->sums);
    if (!n->sums)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for sums");
    for (int b = 0; b < count; b++) {
        if (plan->buckets[b].owner != index)
            continue;
        n->sums[b].sum = calloc(1, plan->bytes[b]);
        n->sums[b].value = calloc(1, plan->bytes[b]);
        if (!n->sums[b].sum || !n->sums[b].value)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for sums");
    }
    return PTL_OK;
}

ptl_status numbers_open(const cluster_plan *plan, const ptl_job *job, int index,
                        ps_store *parameters, cluster_numbers **out,
                        ptl_error *err)
{
    cluster_numbers *n = *out = calloc(1, sizeof *n);
    if (!n)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for states");
    n->plan = plan;
    n->type = job->f64 ? PTL_F64 : PTL_F32;
    n->parameters = parameters ? ps_store_shard(parameters) : NULL;
    n->store = (shard_store){.ctx = n,
                             .add = add,
                             .update = update,
                             .meet = meet,
                             .value = value,
                             .slots = slots,
                             .add_up = add_up,
                             .partials = partials,
                             .totals = take_totals};
    for (int g = 0; g < STATE_GROUPS; g++) {
        int b = plan->state_bucket[g];
        if (b == NO_BUCKET || plan->buckets[b].owner != index)
            continue;
        list_spans(n, job, (state_group)g);
        n->states[g].sum = calloc(1, n->states[g].bytes);
        n->states[g].value = calloc(1, n->states[g].bytes);
        if (!n->states[g].sum || !n->states[g].value)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for states");
    }
    return plan->workers_update ? open_sums(n, index, err) : PTL_OK;
}

void numbers_close(cluster_numbers *n)
{
    int count = n && n->sums ? n->plan->layout->plan->bucket_count : 0;
    for (int b = 0; b < count; b++) {
        free(n->sums[b].sum);
        free(n->sums[b].value);
    }
    if (n)
        free(n->sums);
    for (int g = 0; n && g < STATE_GROUPS; g++) {
        free(n->states[g].sum);
        free(n->states[g].value);
    }
    free(n);
}

const shard_store *numbers_store(const cluster_numbers *n)
{
    return &n->store;
}
