/*
 * exchange.c - see exchange.h.
 *
 * Values arrive in a block of their own (`incoming`) and go into the store when
 * a step begins: while one computes, no value comes, but for the parameters it
 * was given no other may change.
 */
#include "cluster/exchange.h"
#include "base/clock.h"
#include "runtime/sums.h"
#include "train/stop.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_STEPS = 2, LOOK_MS = 100 };

/* Losses of all shards in a step, as they come to the chief. */
typedef struct metric_table {
    int64_t step;
    loss_sum *losses; /* [worker][tower] */
    bool *there;      /* by worker */
    int count;
    int latest;       /* worker, and when it came */
    double latest_at; /* clock_seconds() */
} metric_table;

/* What is posted to the node's thread; it lives until it was carried out. */
typedef struct order {
    cluster_exchange *x;
    dist_blob **gradients; /* by bucket; NULL: no rows, or not due */
    double *weights;
    bool *due;
} order;

struct cluster_exchange {
    const cluster_plan *plan;
    session *s;
    cluster_node *node;
    int worker, towers;
    order order;
    size_t *at; /* by bucket: in `incoming`, and in blocks of gradients */
    uint8_t *incoming;

    pthread_mutex_t lock;
    pthread_cond_t moved;
    /* Under the lock. */
    bool begun, end;
    int64_t step;
    bool ended;
    ptl_status status;
    char why[300];
    metric_table metrics[METRIC_STEPS]; /* at the chief */
    bool slots_here, slots_gone, passed;
    uint8_t *slots; /* of one bucket */
    uint32_t slots_of, barrier; /* what was asked for last */
    uint64_t generation;

    /* The loop's. */
    int64_t last;
    bool drained;
    int64_t updates; /* made so far, where each gradient is one */
    bool *gave;      /* by worker: rows since the last exchange, at the chief */
    /* At the chief: the learning rate alone. */
    ptl_program *rate_program;
    ptl_run *rate_run;
    int rate; /* buffer; -1: none */
};

/* ---------- places ---------- */

peers_place *exchange_places(const cluster_plan *plan, ptl_arena *arena,
                             int *count, size_t *bytes)
{
    const cluster_layout *l = plan->layout;
    VEC(peers_place) list = {0};
    *bytes = 0;
    for (int b = 0; b < l->plan->bucket_count; b++) {
        const bucket_layout *x = &l->buckets[b];
        for (int i = 0; i < x->value.count; i++) {
            const layout_part *p = &x->value.data[i];
            peers_place place = {p->path, p->first, p->count, *bytes + p->at};
            vec_push(arena, &list, place);
        }
        *bytes += memory_padded(x->value_bytes);
    }
    *count = list.count;
    return list.data;
}

static int bucket_count(const cluster_exchange *x)
{
    return x->plan->limits.bucket_count;
}

static int parameter_buckets(const cluster_exchange *x)
{
    return x->plan->layout->plan->bucket_count;
}

/* ---------- the node's thread ---------- */

static void take_value(void *ctx, uint32_t bucket, uint64_t version,
                       size_t offset, const uint8_t *bytes, size_t size)
{
    cluster_exchange *x = ctx;
    (void)version;
    memcpy(x->incoming + x->at[bucket] + offset, bytes, size);
}

static void step_begins(void *ctx, uint64_t step, bool end)
{
    cluster_exchange *x = ctx;
    pthread_mutex_lock(&x->lock);
    x->begun = true;
    x->step = (int64_t)step;
    x->end = end;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void barrier_passed(void *ctx, uint32_t barrier, uint64_t generation)
{
    cluster_exchange *x = ctx;
    pthread_mutex_lock(&x->lock);
    x->passed |= barrier == x->barrier && generation == x->generation;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void take_slots(void *ctx, uint32_t bucket, uint64_t updates,
                       size_t offset, const uint8_t *bytes, size_t size,
                       bool last)
{
    cluster_exchange *x = ctx;
    (void)bucket, (void)updates;
    pthread_mutex_lock(&x->lock);
    if (bytes)
        memcpy(x->slots + offset, bytes, size);
    x->slots_gone |= !bytes;
    x->slots_here |= last;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void clear_table(const cluster_exchange *x, metric_table *t,
                        int64_t step)
{
    t->step = step;
    t->count = 0;
    memset(t->there, 0, (size_t)x->plan->job.workers * sizeof *t->there);
}

/* Losses of a step may come before the chief itself is there. */
static void put_losses(cluster_exchange *x, int worker, int64_t step,
                       const loss_sum *losses)
{
    metric_table *t = &x->metrics[step % METRIC_STEPS];
    if (t->step > step)
        return; /* of a step the chief is done with */
    if (t->step < step)
        clear_table(x, t, step);
    if (!t->there[worker])
        t->count++;
    t->there[worker] = true;
    t->latest = worker;
    t->latest_at = clock_seconds();
    memcpy(t->losses + worker * x->towers, losses,
           (size_t)x->towers * sizeof *losses);
}

static void take_metrics(void *ctx, int worker, uint64_t step,
                         const uint8_t *bytes, size_t size)
{
    cluster_exchange *x = ctx;
    loss_sum losses[64]; /* towers, at most */
    bool fits = worker < x->plan->job.workers && x->towers <= 64 &&
                size == (size_t)x->towers * sizeof *losses;
    if (!fits || x->worker != 0)
        return;
    memcpy(losses, bytes, size);
    pthread_mutex_lock(&x->lock);
    put_losses(x, worker, (int64_t)step, losses);
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

worker_owner exchange_owner(cluster_exchange *x)
{
    return (worker_owner){.ctx = x,
                          .value = take_value,
                          .step = step_begins,
                          .passed = barrier_passed,
                          .slots = take_slots,
                          .metrics = take_metrics};
}

void exchange_ended(cluster_exchange *x, ptl_status status, const char *text)
{
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    x->status = status;
    snprintf(x->why, sizeof x->why, "%s", text);
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

/* Posted: everything of the step. */
static void give(void *ctx)
{
    order *o = ctx;
    cluster_exchange *x = o->x;
    dist_worker *w = node_worker(x->node);
    uint64_t now = clock_ms();
    for (int b = 0; w && b < bucket_count(x); b++)
        if (o->due[b])
            worker_gradient(w, (uint32_t)b, o->gradients[b], o->weights[b],
                            now);
    for (int b = 0; b < bucket_count(x); b++) {
        blob_drop(o->gradients[b]);
        o->gradients[b] = NULL;
    }
    if (w)
        worker_done(w, now);
}

static void give_metrics(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    const metric_table *t = &x->metrics[0];
    if (w)
        worker_metrics(w, t->losses, (size_t)x->towers * sizeof *t->losses,
                       clock_ms());
}

static void leave(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_done(w, clock_ms());
}

static void busy_training(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_is_busy(w, WIRE_PHASE_TRAINING);
}

static void busy_evaluating(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_is_busy(w, WIRE_PHASE_EVALUATING);
}

static void busy_saving(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_is_busy(w, WIRE_PHASE_CHECKPOINTING);
}

static void ask_slots(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_slots(w, x->slots_of, clock_ms());
}

static void enter_barrier(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_enter(w, x->barrier, x->generation, clock_ms());
}

/* ---------- the loop: waiting ---------- */

typedef bool condition(const cluster_exchange *x, int64_t step);

static struct timespec in_a_moment(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static ptl_status ended_early(const cluster_exchange *x, ptl_error *err)
{
    if (x->status == PTL_OK)
        return ptl_fail(err, PTL_E_PEER_LOST, "the job has ended: %s", x->why);
    return ptl_fail(err, x->status, "%s", x->why);
}

/* Until the condition holds or the machine is at its end, which it is sooner or
 * later whatever becomes of the others. A signal asks for the end. */
static ptl_status await(cluster_exchange *x, condition *holds, int64_t step,
                        ptl_error *err)
{
    ptl_status st = PTL_OK;
    pthread_mutex_lock(&x->lock);
    while (!holds(x, step) && !x->ended) {
        struct timespec until = in_a_moment();
        pthread_cond_timedwait(&x->moved, &x->lock, &until);
        if (!stop_signal() || x->drained)
            continue;
        pthread_mutex_unlock(&x->lock);
        exchange_drain(x);
        pthread_mutex_lock(&x->lock);
    }
    if (!holds(x, step))
        st = ended_early(x, err);
    pthread_mutex_unlock(&x->lock);
    return st;
}

static bool has_begun(const cluster_exchange *x, int64_t step)
{
    return x->begun && (x->step == step || x->end);
}

static bool has_losses(const cluster_exchange *x, int64_t step)
{
    const metric_table *t = &x->metrics[step % METRIC_STEPS];
    return t->step == step && t->count == x->plan->job.workers;
}

static bool has_slots(const cluster_exchange *x, int64_t step)
{
    (void)step;
    return x->slots_here;
}

static bool has_passed(const cluster_exchange *x, int64_t step)
{
    (void)step;
    return x->passed;
}

static bool has_ended(const cluster_exchange *x, int64_t step)
{
    (void)step;
    return x->ended;
}

/* ---------- the loop: a step ---------- */

static ptl_status adopt_values(cluster_exchange *x, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int b = 0; b < parameter_buckets(x) && st == PTL_OK; b++)
        st = layout_give_value(&x->plan->layout->buckets[b],
                               x->incoming + x->at[b], &x->s->store, err);
    return st;
}

ptl_status exchange_begin(cluster_exchange *x, cluster_node *node,
                          ptl_error *err)
{
    x->node = node;
    ptl_status st = await(x, has_begun, x->plan->run.first, err);
    if (st == PTL_OK)
        x->last = x->end ? x->step : x->plan->run.last;
    return st == PTL_OK ? adopt_values(x, err) : st;
}

static dist_blob *copy_of(const void *bytes, size_t size, double weight)
{
    return weight != 0 ? blob_copy(bytes, size) : NULL;
}

/* Workers' means are added up under `sum`. */
static dist_blob *mean_of(const cluster_exchange *x, int bucket,
                          const peers_own *own)
{
    ptl_dtype type = x->plan->types[bucket];
    size_t size = x->plan->bytes[bucket];
    if (own->weight == 0)
        return NULL;
    dist_blob *out = blob_new(size);
    sums_span(type, SUM_SET_OVER, blob_bytes(out),
              own->gradients + x->at[bucket], (int64_t)size / dtype_size(type),
              own->weight);
    return out;
}

static void order_parameters(cluster_exchange *x, const peers_own *own)
{
    order *o = &x->order;
    for (int b = 0; b < parameter_buckets(x); b++) {
        bool sum = x->plan->buckets[b].rules.aggregate == DIST_SUM;
        o->due[b] = own->exchanged;
        if (!own->exchanged)
            continue;
        o->weights[b] = sum ? own->weight != 0 : own->weight;
        o->gradients[b] = sum ? mean_of(x, b, own)
                              : copy_of(own->gradients + x->at[b],
                                        x->plan->bytes[b], own->weight);
    }
}

static void order_states(cluster_exchange *x, state_group group,
                         const void *bytes, int64_t rows)
{
    int b = x->plan->state_bucket[group];
    if (b == NO_BUCKET)
        return;
    order *o = &x->order;
    o->due[b] = bytes != NULL;
    if (!bytes)
        return;
    o->weights[b] = (double)rows;
    o->gradients[b] = copy_of(bytes, x->plan->bytes[b], (double)rows);
}

/* The chief's own losses take the way of everybody's table; others send them.
 */
static void tell_losses(cluster_exchange *x, const peers_own *own)
{
    pthread_mutex_lock(&x->lock);
    if (x->worker == 0)
        put_losses(x, 0, own->done, own->losses);
    else
        memcpy(x->metrics[0].losses, own->losses,
               (size_t)x->towers * sizeof *own->losses);
    pthread_mutex_unlock(&x->lock);
    if (x->worker != 0)
        node_post(x->node, give_metrics, x);
}

/* Shard by shard, as one process adds them up. */
static loss_sum all_losses(cluster_exchange *x, int64_t step)
{
    loss_sum all = {0};
    pthread_mutex_lock(&x->lock);
    const metric_table *t = &x->metrics[step % METRIC_STEPS];
    for (int i = 0; i < x->plan->job.workers * x->towers; i++) {
        all.loss += t->losses[i].loss;
        all.weight += t->losses[i].weight;
    }
    pthread_mutex_unlock(&x->lock);
    return all;
}

static loss_sum own_losses(const cluster_exchange *x, const peers_own *own)
{
    loss_sum all = {0};
    for (int i = 0; i < x->towers; i++) {
        all.loss += own->losses[i].loss;
        all.weight += own->losses[i].weight;
    }
    return all;
}

/* What every step's line of the chief has of the others. Without a barrier they
 * are at other steps, and the chief speaks for itself. */
static ptl_status take_losses(cluster_exchange *x, const peers_own *own,
                              peers_shared *out, ptl_error *err)
{
    bool together = x->s->job->cluster.pace == PTL_PACE_BARRIER;
    if (x->worker != 0 || !together) {
        out->loss = own_losses(x, own);
        return PTL_OK;
    }
    ptl_status st = await(x, has_losses, own->done, err);
    if (st == PTL_OK)
        out->loss = all_losses(x, own->done);
    return st;
}

/* ---------- the loop: the learning rate ---------- */

static bool counts_each(const cluster_exchange *x)
{
    return x->plan->buckets[0].rules.aggregate == DIST_APPLY_EACH;
}

static ptl_status open_rate(cluster_exchange *x, ptl_error *err)
{
    session *s = x->s;
    int count;
    const ptl_job_tensor *raw = data_raw(s->train, &count);
    ptl_status st =
        s->job->build_update(s->job, s->job->rounds, NULL, 0, raw, count,
                             &x->rate_program, err);
    if (st == PTL_OK)
        st = run_open(x->rate_program, s->pool, &x->rate_run, err);
    x->rate = st == PTL_OK ? program_find(x->rate_program, "lr") : -1;
    return st;
}

/* Update `number`'s. */
static ptl_status find_rate(cluster_exchange *x, int64_t number, double *lr,
                            ptl_error *err)
{
    const update_count *u = &x->plan->updates;
    if (x->rate < 0)
        return PTL_OK;
    run_set(x->rate_run, "step", number);
    run_set(x->rate_run, "total_steps", updates_in_all(u));
    ptl_status st = run_execute(x->rate_run, err);
    const void *at = run_data(x->rate_run, x->rate);
    *lr = x->s->job->f64 ? *(const double *)at : (double)*(const float *)at;
    return st;
}

static void note_who_gave(cluster_exchange *x, int64_t step)
{
    pthread_mutex_lock(&x->lock);
    const metric_table *t = &x->metrics[step % METRIC_STEPS];
    for (int i = 0; i < x->plan->job.workers * x->towers; i++)
        x->gave[i / x->towers] |= t->step == step && t->losses[i].weight != 0;
    pthread_mutex_unlock(&x->lock);
}

/* How many gradients were in the exchange: each an update under apply_each. */
static int64_t count_givers(cluster_exchange *x)
{
    int64_t count = 0;
    for (int w = 0; w < x->plan->job.workers; w++) {
        count += x->gave[w];
        x->gave[w] = false;
    }
    return count;
}

static ptl_status take_rate(cluster_exchange *x, const peers_own *own,
                            peers_shared *out, ptl_error *err)
{
    const update_count *u = &x->plan->updates;
    if (x->worker != 0)
        return PTL_OK;
    note_who_gave(x, own->done);
    if (!own->exchanged)
        return PTL_OK;
    int64_t givers = count_givers(x);
    int64_t number = exchanges_of(&u->rule, own->done, u->total_steps);
    if (counts_each(x)) {
        x->updates += givers;
        out->updates = x->updates;
        number = x->updates - 1;
    }
    return givers > 0 ? find_rate(x, number, &out->lr, err) : PTL_OK;
}

static const void *value_of(const cluster_exchange *x, state_group group,
                            bool due)
{
    int b = x->plan->state_bucket[group];
    return b != NO_BUCKET && due ? x->incoming + x->at[b] : NULL;
}

/* `strict`: the original's barriers, one after each parameter's update (only
 * one where the values lie with the servers), and one after the copies. */
static ptl_status pass_barriers(cluster_exchange *x, const peers_own *own,
                                ptl_error *err)
{
    const update_count *u = &x->plan->updates;
    ptl_status st = PTL_OK;
    if (!own->exchanged)
        return PTL_OK;
    for (int b = 1; b <= x->plan->strict_barriers && st == PTL_OK; b++) {
        pthread_mutex_lock(&x->lock);
        x->passed = false;
        x->barrier = (uint32_t)b;
        x->generation =
            (uint64_t)(exchanges_of(&u->rule, own->done, u->total_steps) -
                       exchanges_of(&u->rule, x->plan->run.first,
                                    u->total_steps));
        pthread_mutex_unlock(&x->lock);
        node_post(x->node, enter_barrier, x);
        st = await(x, has_passed, 0, err);
    }
    return st;
}

static int64_t bytes_given(const cluster_exchange *x)
{
    int64_t bytes = 0;
    for (int b = 0; b < bucket_count(x); b++)
        if (x->order.due[b] && x->order.gradients[b])
            bytes += (int64_t)x->plan->bytes[b];
    return bytes;
}

static int64_t bytes_taken(const cluster_exchange *x)
{
    int64_t bytes = 0;
    for (int b = 0; b < bucket_count(x); b++)
        if (x->order.due[b])
            bytes += (int64_t)x->plan->bytes[b];
    return bytes;
}

static void measure(cluster_exchange *x, int64_t step, double given,
                    double begun, log_comm *out)
{
    pthread_mutex_lock(&x->lock);
    const metric_table *t = &x->metrics[step % METRIC_STEPS];
    double waited = t->latest_at - given;
    out->slowest = t->latest;
    pthread_mutex_unlock(&x->lock);
    out->ms = 1e3 * (begun - given);
    out->wait_ms = waited > 0 ? 1e3 * waited : 0;
    if (out->wait_ms > out->ms) /* its losses came after its gradients */
        out->wait_ms = out->ms;
}

ptl_status exchange_step(cluster_exchange *x, const peers_own *own,
                         peers_shared *out, ptl_error *err)
{
    order_parameters(x, own);
    order_states(x, STATE_GROUP_SYNCED, own->states, own->state_rows);
    order_states(x, STATE_GROUP_LOOSE, own->copies, own->copy_rows);
    tell_losses(x, own);
    x->begun = false;
    double given = clock_seconds();
    out->comm.bytes_out = bytes_given(x);
    out->comm.bytes_in = bytes_taken(x);
    node_post(x->node, give, &x->order);
    ptl_status st = await(x, has_begun, own->done + 1, err);
    double begun = clock_seconds();
    if (st == PTL_OK)
        st = adopt_values(x, err);
    if (st == PTL_OK)
        st = pass_barriers(x, own, err);
    if (st == PTL_OK)
        st = take_losses(x, own, out, err);
    if (st == PTL_OK)
        st = take_rate(x, own, out, err);
    if (st != PTL_OK)
        return st;
    if (x->worker == 0)
        measure(x, own->done, given, begun, &out->comm);
    if (x->end)
        x->last = x->step;
    out->states = value_of(x, STATE_GROUP_SYNCED, true);
    out->copies = value_of(x, STATE_GROUP_LOOSE, own->copies != NULL);
    return PTL_OK;
}

/* ---------- the loop: the rest ---------- */

int64_t exchange_last(cluster_exchange *x)
{
    return x->last;
}

void exchange_drain(cluster_exchange *x)
{
    node_drain(x->node);
    x->drained = true;
}

void exchange_busy(cluster_exchange *x, peers_work work)
{
    static void (*const orders[])(void *) = {[PEERS_TRAIN] = busy_training,
                                             [PEERS_EVALUATE] = busy_evaluating,
                                             [PEERS_SAVE] = busy_saving};
    node_post(x->node, orders[work], x);
}

ptl_status exchange_slots(cluster_exchange *x, bool *gone, ptl_error *err)
{
    ptl_status st = PTL_OK;
    x->slots_gone = false;
    for (int b = 0; b < parameter_buckets(x) && st == PTL_OK; b++) {
        if (x->plan->slot_bytes[b] == 0)
            continue;
        x->slots_here = false;
        x->slots_of = (uint32_t)b;
        node_post(x->node, ask_slots, x);
        st = await(x, has_slots, 0, err);
        if (st == PTL_OK && !x->slots_gone)
            st = layout_give_slots(&x->plan->layout->buckets[b], x->slots,
                                   &x->s->store, err);
    }
    *gone = x->slots_gone;
    return st;
}

ptl_status exchange_end(cluster_exchange *x, ptl_error *err)
{
    node_post(x->node, leave, x);
    ptl_status st = await(x, has_ended, 0, err);
    if (st == PTL_OK && x->status != PTL_OK)
        st = ptl_fail(err, x->status, "%s", x->why);
    return st;
}

/* ---------- life ---------- */

static void *zeroed(size_t count, size_t size)
{
    return calloc(count ? count : 1, size);
}

static bool take_memory(cluster_exchange *x)
{
    size_t buckets = (size_t)bucket_count(x), all = 0, most = 0;
    size_t workers = (size_t)x->plan->job.workers;
    x->order = (order){.x = x,
                       .gradients = zeroed(buckets, sizeof(dist_blob *)),
                       .weights = zeroed(buckets, sizeof(double)),
                       .due = zeroed(buckets, sizeof(bool))};
    x->at = zeroed(buckets, sizeof *x->at);
    if (!x->order.gradients || !x->order.weights || !x->order.due || !x->at)
        return false;
    for (size_t b = 0; b < buckets; b++) {
        x->at[b] = all;
        all += memory_padded(x->plan->bytes[b]);
        if (x->plan->slot_bytes[b] > most)
            most = x->plan->slot_bytes[b];
    }
    x->incoming = zeroed(all, 1);
    x->slots = zeroed(most, 1);
    x->gave = zeroed(workers, sizeof *x->gave);
    bool whole = x->incoming && x->slots && x->gave;
    for (int i = 0; i < METRIC_STEPS; i++) {
        metric_table *t = &x->metrics[i];
        *t = (metric_table){
            .step = -1,
            .losses = zeroed(workers * (size_t)x->towers, sizeof(loss_sum)),
            .there = zeroed(workers, sizeof(bool))};
        whole = whole && t->losses && t->there;
    }
    return whole;
}

ptl_status exchange_open(const cluster_plan *plan, session *s, int worker,
                         cluster_exchange **out, ptl_error *err)
{
    cluster_exchange *x = *out = calloc(1, sizeof *x);
    if (!x)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for an exchange");
    x->plan = plan;
    x->s = s;
    x->worker = worker;
    x->towers = (int)s->job->cluster.towers;
    x->last = plan->run.last;
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_t attributes; /* the clock of in_a_moment() */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&x->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!take_memory(x))
        return ptl_fail(err, PTL_E_MEMORY, "no memory for an exchange");
    x->updates = (int64_t)plan->buckets[0].rules.first_updates;
    x->rate = -1;
    return worker == 0 ? open_rate(x, err) : PTL_OK;
}

void exchange_close(cluster_exchange *x)
{
    if (!x)
        return;
    for (int i = 0; i < METRIC_STEPS; i++) {
        free(x->metrics[i].losses);
        free(x->metrics[i].there);
    }
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->moved);
    free(x->order.gradients);
    free(x->order.weights);
    free(x->order.due);
    run_close(x->rate_run);
    if (x->rate_program)
        x->rate_program->release(x->rate_program);
    free(x->gave);
    free(x->at);
    free(x->incoming);
    free(x->slots);
    free(x);
}
