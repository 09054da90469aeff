/*
 * exchange.c - see exchange.h: the loop's side.
 *
 * It gives what a step added up to, and waits; what becomes of the next values
 * is in exchange_values.c.
 */
#include "base/bf16.h"
#include "base/clock.h"
#include "base/plant.h"
#include "base/trace.h"
#include "cluster/exchange_priv.h"
#include "runtime/sums.h"
#include "train/stop.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 100 }; /* for signals */

/* ---------- places ---------- */

peers_place *exchange_places(const cluster_plan *plan, ptl_arena *arena,
                             int *count)
{
    const cluster_layout *l = plan->layout;
    VEC(peers_place) list = {0};
    for (int b = 0; b < l->plan->bucket_count; b++)
        for (int i = 0; i < l->buckets[b].value.count; i++) {
            const layout_part *p = &l->buckets[b].value.data[i];
            peers_place place = {p->path, p->first, p->count,
                                 plan->at[b] + p->at, b};
            vec_push(arena, &list, place);
        }
    *count = list.count;
    return list.data;
}

/* ---------- the loop: waiting ---------- */

static ptl_status ended_early(const cluster_exchange *x, ptl_error *err)
{
    if (x->status == PTL_OK)
        return ptl_fail(err, PTL_E_PEER_LOST, "the job has ended: %s", x->why);
    return ptl_fail(err, x->status, "%s", x->why);
}

ptl_status exchange_await(cluster_exchange *x, exchange_condition *holds,
                          int64_t step, ptl_error *err)
{
    ptl_status st = PTL_OK;
    double began = trace_now();
    pthread_mutex_lock(&x->lock);
    while (!holds(x, step) && !x->ended) {
        struct timespec until = clock_in(CLOCK_MONOTONIC, LOOK_MS);
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
    trace_span("wait", "for the others", began);
    return st;
}

bool exchange_has_begun(const cluster_exchange *x, int64_t step)
{
    return x->begun && (x->step == step || x->end);
}

void exchange_tell_phase(cluster_exchange *x, wire_phase phase)
{
    pthread_mutex_lock(&x->lock);
    x->phase = phase;
    pthread_mutex_unlock(&x->lock);
    node_post(x->node, exchange_tell_busy, x);
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

void exchange_record(cluster_exchange *x, schedule_record *record)
{
    x->record = record;
}

ptl_status exchange_begin(cluster_exchange *x, cluster_node *node,
                          ptl_error *err)
{
    x->node = node;
    ptl_status st =
        exchange_await(x, exchange_has_begun, x->plan->run.first, err);
    if (st == PTL_OK)
        x->last = x->end ? x->step : x->plan->run.last;
    return st == PTL_OK ? exchange_adopt_values(x, err) : st;
}

static dist_blob *copy_of(const cluster_exchange *x, const void *bytes,
                          size_t size, double weight)
{
    blob_source memory = node_memory(x->node);
    return weight != 0 ? blob_copy_from(&memory, bytes, size) : NULL;
}

/* Over `by`, rounded as it is sent. */
static dist_blob *packed(const cluster_exchange *x, int bucket,
                         const char *gradients, double by)
{
    size_t count = x->plan->bytes[bucket] / sizeof(float);
    blob_source memory = node_memory(x->node);
    dist_blob *out = blob_from(&memory, count * 2);
    bf16_pack(blob_bytes(out),
              (const float *)(const void *)(gradients + x->plan->at[bucket]),
              count, (float)by);
    return out;
}

/* Workers' means are added up under `sum`. */
static dist_blob *mean_of(const cluster_exchange *x, int bucket,
                          const char *gradients, double weight)
{
    ptl_dtype type = x->plan->types[bucket];
    size_t size = x->plan->bytes[bucket];
    blob_source memory = node_memory(x->node);
    if (weight == 0)
        return NULL;
    dist_blob *out = blob_from(&memory, size);
    sums_span(type, SUM_SET_OVER, blob_bytes(out),
              gradients + x->plan->at[bucket], (int64_t)size / dtype_size(type),
              weight);
    return out;
}

/* Where it was added up, if that is a place to send from. */
static dist_blob *sum_of(const cluster_exchange *x, int bucket,
                         const char *gradients, double weight)
{
    size_t at = x->plan->at[bucket], size = x->plan->bytes[bucket];
    if (weight != 0 && gradient_block_is(&x->block, gradients))
        return gradient_block_part(&x->block, at, size);
    return copy_of(x, gradients + at, size, weight);
}

static void order_bucket(cluster_exchange *x, int b, const char *gradients,
                         double weight)
{
    order *o = &x->order;
    bool sum = x->plan->buckets[b].rules.aggregate == DIST_SUM;
    o->weights[b] = sum ? weight != 0 : weight;
    if (x->plan->codecs[b] == WIRE_CODEC_BF16 && weight != 0) {
        o->gradients[b] = packed(x, b, gradients, sum ? weight : 1);
        return;
    }
    o->gradients[b] = sum ? mean_of(x, b, gradients, weight)
                          : sum_of(x, b, gradients, weight);
}

static void order_parameters(cluster_exchange *x, const peers_own *own)
{
    order *o = &x->order;
    for (int b = 0; b < parameter_buckets(x); b++) {
        o->due[b] = own->exchanged;
        if (own->exchanged && !o->given[b])
            order_bucket(x, b, own->gradients, own->weight);
    }
}

/* Where workers update, a bucket ends with a weight that its owner writes. */
static void clear_weights(const cluster_exchange *x, char *block)
{
    for (int b = 0; b < parameter_buckets(x); b++) {
        size_t last = (size_t)dtype_size(x->plan->types[b]);
        memset(block + x->plan->at[b] + x->plan->bytes[b] - last, 0, last);
    }
}

char *exchange_block(cluster_exchange *x)
{
    blob_source memory = node_memory(x->node);
    char *block =
        gradient_block_begin(&x->block, &memory, x->plan->gradient_bytes);
    if (x->plan->workers_update)
        clear_weights(x, block);
    return block;
}

void exchange_early(cluster_exchange *x, int bucket, const char *gradients,
                    double weight)
{
    order_bucket(x, bucket, gradients, weight);
    x->order.given[bucket] = true;
    node_post(x->node, exchange_give_early, &x->early[bucket]);
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
    o->gradients[b] = copy_of(x, bytes, x->plan->bytes[b], (double)rows);
}

/* The chief's own losses take the way of everybody's table; others send them.
 */
static void tell_losses(cluster_exchange *x, const peers_own *own)
{
    pthread_mutex_lock(&x->lock);
    if (x->worker == 0)
        exchange_put_losses(x, 0, own->done, own->losses);
    else
        memcpy(x->metrics[0].losses, own->losses,
               (size_t)x->towers * sizeof *own->losses);
    pthread_mutex_unlock(&x->lock);
    if (x->worker != 0)
        node_post(x->node, exchange_give_metrics, x);
}

/* Shard by shard, as one process adds them up. */
static loss_sum add_losses(const loss_sum *losses, int count)
{
    loss_sum all = {0};
    for (int i = 0; i < count; i++) {
        all.loss += losses[i].loss;
        all.weight += losses[i].weight;
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
        out->loss = add_losses(own->losses, x->towers);
        return PTL_OK;
    }
    ptl_status st = exchange_await(x, has_losses, own->done, err);
    if (st == PTL_OK)
        out->loss = add_losses(x->metrics[own->done % METRIC_STEPS].losses,
                               x->plan->job.workers * x->towers);
    return st;
}

static const void *value_of(const cluster_exchange *x, state_group group,
                            bool due)
{
    int b = x->plan->state_bucket[group];
    return b != NO_BUCKET && due ? x->incoming + x->plan->at[b] : NULL;
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
        node_post(x->node, exchange_enter_barrier, x);
        st = exchange_await(x, has_passed, 0, err);
    }
    return st;
}

/* `early`: before the rest of the step was computed. */
static int64_t bytes_given(const cluster_exchange *x, bool early)
{
    const order *o = &x->order;
    int64_t bytes = 0;
    for (int b = 0; b < exchange_buckets(x); b++)
        if (o->due[b] && (o->given[b] || (!early && o->gradients[b])))
            bytes += (int64_t)x->plan->bytes[b] /
                     wire_codec_ratio(x->plan->codecs[b]);
    return bytes;
}

static int64_t bytes_taken(const cluster_exchange *x)
{
    int64_t bytes = 0;
    for (int b = 0; b < exchange_buckets(x); b++)
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
    ptl_status st = exchange_settle(x, err); /* what no step read */
    if (st != PTL_OK)
        return st;
    order_parameters(x, own);
    order_states(x, STATE_GROUP_SYNCED, own->states, own->state_rows);
    order_states(x, STATE_GROUP_LOOSE, own->copies, own->copy_rows);
    tell_losses(x, own);
    x->begun = false;
    double given = clock_seconds();
    out->comm.bytes_out = bytes_given(x, false);
    out->comm.bytes_early = bytes_given(x, true);
    out->comm.bytes_in = bytes_taken(x);
    node_post(x->node, exchange_give, x);
    st = exchange_adopt_until_begun(x, own->done + 1, err);
    double begun = clock_seconds();
    memset(x->order.given, 0,
           (size_t)exchange_buckets(x) * sizeof *x->order.given);
    if (st == PTL_OK)
        st = exchange_adopt_values(x, err);
    if (st == PTL_OK && x->s->copy) /* a device takes all of them at once */
        st = exchange_settle(x, err);
    if (st == PTL_OK && x->update)
        st = update_take(x, own, out, err);
    if (st == PTL_OK)
        st = pass_barriers(x, own, err);
    if (st == PTL_OK)
        st = take_losses(x, own, out, err);
    if (st == PTL_OK && !x->update)
        st = exchange_rate(x, own, out, err);
    if (st != PTL_OK)
        return st;
    if (x->worker == 0)
        measure(x, own->done, given, begun, &out->comm);
    if (x->record)
        record_step(x->record, own->done + 1, out->updates, !isnan(out->lr));
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
    static const wire_phase phases[] = {
        [PEERS_TRAIN] = WIRE_PHASE_TRAINING,
        [PEERS_EVALUATE] = WIRE_PHASE_EVALUATING,
        [PEERS_SAVE] = WIRE_PHASE_CHECKPOINTING};
    exchange_tell_phase(x, phases[work]);
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
        node_post(x->node, exchange_ask_slots, x);
        st = exchange_await(x, has_slots, 0, err);
        if (st == PTL_OK && !x->slots_gone)
            st = layout_give_slots(&x->plan->layout->buckets[b], x->slots,
                                   &x->s->store, err);
    }
    *gone = x->slots_gone;
    return st;
}

ptl_status exchange_end(cluster_exchange *x, ptl_error *err)
{
    node_post(x->node, exchange_leave, x);
    ptl_status st = exchange_await(x, has_ended, 0, err);
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
    size_t buckets = (size_t)exchange_buckets(x), most = 0;
    size_t workers = (size_t)x->plan->job.workers;
    x->order = (order){.gradients = zeroed(buckets, sizeof(dist_blob *)),
                       .weights = zeroed(buckets, sizeof(double)),
                       .due = zeroed(buckets, sizeof(bool)),
                       .given = zeroed(buckets, sizeof(bool))};
    x->early = zeroed(buckets, sizeof *x->early);
    x->next = zeroed(buckets, sizeof *x->next);
    x->owed = zeroed(buckets, sizeof *x->owed);
    if (!x->order.gradients || !x->order.weights || !x->order.due ||
        !x->order.given || !x->early || !x->next || !x->owed)
        return false;
    for (size_t b = 0; b < buckets; b++)
        x->early[b] = (early_bucket){x, (int)b};
    for (size_t b = 0; b < buckets; b++)
        if (x->plan->slot_bytes[b] > most)
            most = x->plan->slot_bytes[b];
    x->incoming = zeroed(x->plan->block_bytes, 1);
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
    pthread_condattr_t attributes; /* the clock of exchange_await() */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&x->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!take_memory(x))
        return ptl_fail(err, PTL_E_MEMORY, "no memory for an exchange");
    x->first_updates = (int64_t)plan->buckets[0].rules.first_updates;
    x->updates = x->first_updates;
    if (plan->workers_update)
        return update_open(x, err);
    return worker == 0 ? rate_open(&x->rate, s, err) : PTL_OK;
}

void exchange_close(cluster_exchange *x)
{
    if (!x)
        return;
    for (int i = 0; i < METRIC_STEPS; i++) {
        free(x->metrics[i].losses);
        free(x->metrics[i].there);
    }
    for (int b = 0; x->next && b < exchange_buckets(x); b++) {
        blob_drop(x->order.gradients[b]); /* what nobody gave any more */
        blob_drop(x->next[b].holder);
    }
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->moved);
    gradient_block_end(&x->block);
    free(x->order.gradients);
    free(x->order.weights);
    free(x->order.due);
    free(x->order.given);
    free(x->early);
    free(x->next);
    free(x->owed);
    rate_close(&x->rate);
    update_close(x);
    free(x->gave);
    free(x->incoming);
    free(x->slots);
    free(x);
}
