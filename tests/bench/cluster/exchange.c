/*
 * exchange.c - a parameter server and its workers as `ptlc run` has them: the
 * machines of dist over the sockets of net in the thread of cluster/node.h, and
 * beside it a thread that gives gradients and waits for values, as
 * cluster/exchange.c does. In place of compiled updates stands one of plain
 * SGD.
 *
 * The original's schedule (tensorpack's replicated builder): a message for each
 * tensor, each worker's gradient an update, and then, as `strict` has them, a
 * barrier for each tensor and one at the end.
 */
#include "base/clock.h"
#include "base/stream.h"
#include "bench.h"
#include "cluster/gradient_block.h"
#include "cluster/node.h"
#include "runtime/sums.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NEVER_MS = 3600 * 1000, WINDOW_CHUNKS = 32 };
static const uint64_t steps_without_end = UINT64_C(1) << 40;

typedef struct bench_bucket {
    size_t at;
    dist_blob *gradient; /* to be given */
    sum_list list;       /* who serves: all of it */
    dist_blob *holder;   /* of the next value; NULL: in `incoming` */
    const uint8_t *there;
    bool adopted;
} bench_bucket;

typedef struct member {
    const work *w;
    turns *t;
    int worker; /* -1: who serves */
    ptl_arena *arena;
    place_plan *plan;
    machine_job job;
    wire_limits limits;
    machine_bucket *rules;
    uint64_t *bytes;
    ptl_dtype *types;
    size_t block_bytes;
    bench_bucket *buckets;
    gradient_block gradients; /* a worker's */
    uint8_t *incoming, *values;
    char *sum, *value; /* who serves */
    ptl_pool *pool;
    cluster_node *node;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool begun, passed; /* under the lock */
    uint32_t barrier;
    uint64_t generation;
    int next;        /* bucket to be given */
    int rounds_left; /* kind=barrier: in the node's thread */
} member;

/* ---------- the job ---------- */

static void place_buckets_of(member *m)
{
    const work *w = m->w;
    place_options o = {.owners = 1,
                       .balance = PLACE_GREEDY_BYTES,
                       .slice = w->slice,
                       .bucket = w->bucket};
    m->plan = place_make(m->arena, w->tensors, w->tensor_count, &o);
    int count = m->plan->bucket_count;
    m->rules = ARENA_ARRAY(m->arena, machine_bucket, count);
    m->bytes = ARENA_ARRAY(m->arena, uint64_t, count);
    m->types = ARENA_ARRAY(m->arena, ptl_dtype, count);
    m->buckets = ARENA_ARRAY(m->arena, bench_bucket, count);
    for (int b = 0; b < count; b++) {
        m->bytes[b] = (uint64_t)m->plan->buckets[b].bytes;
        m->types[b] = PTL_F32;
        m->buckets[b].at = m->block_bytes;
        m->block_bytes += (m->bytes[b] + 63) / 64 * 64;
        m->rules[b] = (machine_bucket){
            .every = 1,
            .rules = {.aggregate = w->original ? DIST_APPLY_EACH : DIST_MEAN,
                      .sync = DIST_BARRIER,
                      .ordered = w->ordered,
                      .workers = w->workers}};
    }
}

static void make_job(member *m)
{
    m->arena = arena_new();
    place_buckets_of(m);
    m->limits = (wire_limits){.job = 1,
                              .chunk = WIRE_CHUNK_BYTES,
                              .bucket_count = m->plan->bucket_count,
                              .bucket_bytes = m->bytes,
                              .bucket_types = m->types};
    m->job = (machine_job){.id = 1,
                           .servers = 1,
                           .workers = m->w->workers,
                           .agreement = "",
                           .limits = &m->limits,
                           .buckets = m->rules,
                           .steps = steps_without_end,
                           .total = steps_without_end,
                           .barriers = m->w->tensor_count + 1,
                           .window = WINDOW_CHUNKS * WIRE_CHUNK_BYTES,
                           .retry = NEVER_MS,
                           .liveness = {1000, NEVER_MS, NEVER_MS},
                           .join_wait = NEVER_MS};
}

static void *block(size_t size)
{
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!p)
        bench_fail("no memory");
    memset(p, 0, size);
    return p;
}

static void ended(void *ctx, ptl_status status, const char *text)
{
    (void)ctx, (void)status;
    bench_fail(text);
}

static void say(void *ctx, const char *line)
{
    (void)ctx, (void)line;
}

static void open_node(member *m, const shard_store *store,
                      const worker_owner *owner)
{
    bool serves = m->worker < 0;
    launch_role *role = ARENA_ARRAY(m->arena, launch_role, 1);
    ptl_job_cluster *cluster = ARENA_ARRAY(m->arena, ptl_job_cluster, 1);
    *role = (launch_role){.kind = serves ? ROLE_PS : ROLE_WORKER,
                          .index = serves ? 0 : m->worker,
                          .servers = 1,
                          .workers = m->w->workers,
                          .coordinator = m->t->endpoint,
                          .bind = m->t->endpoint,
                          .host = "",
                          .listen_fd = serves ? m->t->listener : -1,
                          .job = 1,
                          .keys = ""};
    node_options o = {.job = &m->job,
                      .role = role,
                      .cluster = cluster,
                      .server = serves ? 0 : -1,
                      .store = store,
                      .worker = m->worker,
                      .owner = owner,
                      .ended = ended,
                      .log = say,
                      .ctx = m,
                      .sockets = !m->w->shared};
    ptl_error err;
    if (node_open(&o, &m->node, &err) != PTL_OK ||
        node_start(m->node, &err) != PTL_OK)
        bench_fail(err.text);
}

/* ---------- who serves ---------- */

static void add(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                int count, size_t bytes, bool first)
{
    member *m = ctx;
    (void)bytes;
    sums_run_all(m->pool, &m->buckets[bucket].list,
                 m->sum + m->buckets[bucket].at, (const void *const *)parts,
                 count, first);
}

static void update(void *ctx, uint32_t bucket, double weight, uint64_t number)
{
    member *m = ctx;
    size_t at = m->buckets[bucket].at;
    (void)number;
    sums_run(m->pool, &m->buckets[bucket].list, SUM_ADD_TIMES, m->value + at,
             m->sum + at, -0.01 / weight);
}

static const uint8_t *value(void *ctx, uint32_t bucket)
{
    member *m = ctx;
    return (uint8_t *)m->value + m->buckets[bucket].at;
}

static void serve(member *m)
{
    shard_store store = {
        .ctx = m, .add = add, .update = update, .value = value};
    ptl_error err;
    m->sum = block(m->block_bytes);
    m->value = block(m->block_bytes);
    if (pool_open(0, &m->pool, &err) != PTL_OK)
        bench_fail(err.text);
    for (int b = 0; b < m->plan->bucket_count; b++) {
        sum_list *l = &m->buckets[b].list;
        l->dtype = PTL_F32;
        if (sums_list_add(l, 0, 0, (int64_t)m->bytes[b] / 4, &err) != PTL_OK)
            bench_fail(err.text);
    }
    open_node(m, &store, NULL);
    for (;;)
        pause();
}

/* ---------- a worker: the node's thread ---------- */

static void set(member *m, bool *what)
{
    pthread_mutex_lock(&m->lock);
    *what = true;
    pthread_cond_signal(&m->moved);
    pthread_mutex_unlock(&m->lock);
}

/* The model gets a value. */
static void adopt_one(member *m, int i)
{
    bench_bucket *b = &m->buckets[i];
    const uint8_t *from = b->holder ? b->there : m->incoming + b->at;
    if (m->block_bytes > STREAM_BYTES)
        stream_copy(m->values + b->at, from, m->bytes[i]);
    else
        memcpy(m->values + b->at, from, m->bytes[i]);
    blob_drop(b->holder);
    b->holder = NULL;
    b->adopted = true;
}

/* It stays where it lies until it is whole; the backward pass is done with
 * these parameters by then, as in exchange_node.c. */
static void take_value(void *ctx, uint32_t bucket, uint64_t version,
                       size_t offset, const uint8_t *bytes, size_t size,
                       dist_blob *holder)
{
    member *m = ctx;
    bench_bucket *b = &m->buckets[bucket];
    (void)version;
    if (offset == 0) {
        b->holder = blob_keep(holder);
        b->there = bytes;
    }
    if (!b->holder)
        memcpy(m->incoming + b->at + offset, bytes, size);
    else if (offset + size == m->bytes[bucket])
        adopt_one(m, (int)bucket);
}

static void step_begins(void *ctx, uint64_t step, bool end)
{
    (void)step, (void)end;
    set(ctx, &((member *)ctx)->begun);
}

static void enter(void *ctx)
{
    member *m = ctx;
    worker_enter(node_worker(m->node), m->barrier, m->generation, clock_ms());
}

static void passed(void *ctx, uint32_t barrier, uint64_t generation)
{
    member *m = ctx;
    (void)barrier, (void)generation;
    if (m->rounds_left == 0 || --m->rounds_left == 0) {
        set(m, &m->passed);
        return;
    }
    m->generation++;
    enter(m);
}

static void give_bucket(member *m, int b)
{
    bench_bucket *bucket = &m->buckets[b];
    worker_gradient(node_worker(m->node), (uint32_t)b, bucket->gradient, 1,
                    clock_ms());
    blob_drop(bucket->gradient);
}

static void give_next(void *ctx)
{
    member *m = ctx;
    give_bucket(m, m->next++);
}

static void give_rest(void *ctx)
{
    member *m = ctx;
    while (m->next < m->plan->bucket_count)
        give_next(m);
    m->next = 0;
    worker_done(node_worker(m->node), clock_ms());
}

/* ---------- a worker: its own thread ---------- */

static void await(member *m, bool *what)
{
    pthread_mutex_lock(&m->lock);
    while (!*what)
        pthread_cond_wait(&m->moved, &m->lock);
    *what = false;
    pthread_mutex_unlock(&m->lock);
}

static void pass_barrier(member *m, uint32_t barrier)
{
    m->barrier = barrier;
    node_post(m->node, enter, m);
    await(m, &m->passed);
}

/* What is not in the model by the time the step is over. */
static void adopt(member *m)
{
    await(m, &m->begun);
    for (int i = 0; i < m->plan->bucket_count; i++) {
        if (!m->buckets[i].adopted)
            adopt_one(m, i);
        m->buckets[i].adopted = false;
    }
}

static void until(double then)
{
    double left = then - clock_seconds();
    if (left > 0)
        usleep((useconds_t)(1e6 * left));
}

/* A wait stands in for the backward pass, which would write to the block: each
 * bucket is ready when its share of the bytes has been computed. */
static void give_as_ready(member *m)
{
    double begin = clock_seconds();
    size_t ready = 0;
    blob_source memory = node_memory(m->node);
    gradient_block_begin(&m->gradients, &memory, m->block_bytes);
    for (int b = 0; b < m->plan->bucket_count; b++) {
        ready += m->bytes[b];
        until(begin + m->t->wait * (double)ready / (double)work_bytes(m->w));
        m->buckets[b].gradient =
            gradient_block_part(&m->gradients, m->buckets[b].at, m->bytes[b]);
        if (!m->w->original)
            node_post(m->node, give_next, m);
    }
}

static void take_step(member *m)
{
    give_as_ready(m);
    node_post(m->node, give_rest, m);
    adopt(m);
    for (int b = 1; m->w->original && b <= m->w->tensor_count + 1; b++)
        pass_barrier(m, (uint32_t)b);
    m->generation++;
}

/* Barriers one after another: the machine enters the next as it passes one. */
static void take_steps(member *m, int steps)
{
    if (strcmp(m->w->kind, "barrier") == 0) {
        m->rounds_left = steps;
        pass_barrier(m, 1);
        m->generation++;
        return;
    }
    for (int i = 0; i < steps; i++)
        take_step(m);
}

static void train(member *m)
{
    worker_owner owner = {
        .ctx = m, .value = take_value, .step = step_begins, .passed = passed};
    m->incoming = block(m->block_bytes);
    m->values = block(m->block_bytes);
    open_node(m, NULL, &owner);
    adopt(m);
    turns_end(m->t, m->worker, 0);
    for (;;) {
        int steps = turns_begin(m->t, m->worker);
        double begin = clock_seconds();
        take_steps(m, steps);
        turns_end(m->t, m->worker, clock_seconds() - begin);
    }
}

void exchange_member(const work *w, turns *t, int index)
{
    member m = {.w = w, .t = t, .worker = index == w->workers ? -1 : index};
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.moved, NULL);
    make_job(&m);
    if (m.worker < 0)
        serve(&m);
    else
        train(&m);
}
