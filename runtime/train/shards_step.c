/*
 * shards_step.c - one step of a run of shards: forward and backward of every
 * part, sums in order, the update, the states.
 *
 * A worker of a cluster gives its buckets away while its last part still
 * computes, each as soon as its gradients are final.
 */
#include "base/plant.h"
#include "runtime/device.h"
#include "train/shards_priv.h"
#include <math.h>
#include <string.h>

typedef struct step_run {
    shards *h;
    const data_batch *batch;
    int64_t done;
    loss_sum loss;
    double lr;
    ptl_error *err;
    int64_t last_row; /* the end of the part after which all is computed, where
                         buckets are given before; -1: they are not */
} step_run;

/* ---------- one part ---------- */

static shard_program *program_for(shards *h, int64_t rows)
{
    for (int i = 0; i < h->program_count; i++)
        if (h->programs[i].built->rows == rows)
            return &h->programs[i];
    ptl_panic(__FILE__, __LINE__, "no program for %lld rows", (long long)rows);
}

/* Fields begin on PTL_BUFFER_ALIGN: what does not is copied. */
static void cut_fields(shards *h, const data_batch *batch, order_part part)
{
    char *at = h->slices;
    for (int i = 0; i < h->field_count; i++) {
        size_t size = data_array_at(h->s->train, i)->record_bytes;
        char *from = (char *)batch->fields[i] + (size_t)part.first * size;
        h->fields[i] = from;
        if ((uintptr_t)from % PTL_BUFFER_ALIGN == 0)
            continue;
        h->fields[i] = memcpy(at, from, (size_t)part.rows * size);
        at += memory_padded((size_t)part.rows * size);
    }
}

/* The gradients of a part on their way into a sum. */
typedef struct taking {
    const shards *h;
    const shard_program *p;
    const shard_sum *to;
    int taken; /* buckets, in the order in which they are ready */
    int freed; /* in that in which they are freed */
    bool gives;
} taking;

static void take_bucket(taking *t, double weight)
{
    const shards *h = t->h;
    int b = t->p->order[t->taken++];
    sums_run(h->s->pool, &t->p->buckets[b].list,
             t->to->weight != 0 ? SUM_ADD : SUM_SET, t->to->gradients,
             h->s->arena, 0);
    if (t->gives)
        h->peers->give(h->peers->ctx, b, t->to->gradients,
                       t->to->weight + weight);
}

static bool next_is_ready(const taking *t, int step)
{
    return t->taken < t->h->bucket_count &&
           t->p->buckets[t->p->order[t->taken]].ready <= step;
}

static void tell_freed(taking *t, int step)
{
    const shard_program *p = t->p;
    const train_peers *peers = t->h->peers;
    while (t->freed < t->h->bucket_count &&
           p->buckets[p->by_freed[t->freed]].freed <= step)
        peers->freed(peers->ctx, p->by_freed[t->freed++]);
}

/* After a step of the program, but the last: what is left then is given with
 * all the rest. */
static void take_ready(void *ctx, int step)
{
    taking *t = ctx;
    tell_freed(t, step);
    if (!next_is_ready(t, step) || step + 1 == t->p->built->program->step_count)
        return;
    double weight = session_scalar(t->p->built, t->p->weight);
    while (weight != 0 && next_is_ready(t, step))
        take_bucket(t, weight);
}

static void take_rest(taking *t, shard_sum *to, loss_sum *loss)
{
    const session_program *built = t->p->built;
    double weight = session_scalar(built, t->p->weight);
    if (weight == 0)
        return;
    t->gives = false;
    while (t->taken < t->h->bucket_count)
        take_bucket(t, weight);
    to->weight += weight;
    loss->loss += weight * session_scalar(built, built->loss);
    loss->weight += weight;
}

/* Shards (a worker's towers) are dealt out among its devices. */
static int device_of(const shards *h, int64_t shard)
{
    int64_t count = device_count(h->s->job->device);
    return count > 1 ? (int)(shard % count) : 0;
}

static ptl_status run_part(step_run *r, int64_t shard, order_part part,
                           shard_sum *to, loss_sum *loss)
{
    shards *h = r->h;
    shard_program *p = program_for(h, part.rows);
    cut_fields(h, r->batch, part);
    session_bind_fields(p->built, h->fields);
    states_bind(&h->states, &h->s->store, p->states, p->built->run, shard,
                part.first == 0);
    session_set_scalars(h->s, p->built, r->done, r->batch->epoch,
                        h->total_steps);
    run_set(p->built->run, "row0", part.first);
    run_on(p->built->run, device_of(h, shard));
    bool gives = part.first + part.rows == r->last_row;
    taking t = {.h = h, .p = p, .to = to, .gives = gives};
    ptl_status st = run_execute_watched(p->built->run,
                                        gives ? take_ready : NULL, &t, r->err);
    if (st != PTL_OK)
        return st;
    take_rest(&t, to, loss);
    states_take(&h->states, &to->states, p->states, h->s->arena, part.rows);
    if (h->parts == 1)
        states_keep(&h->states, &h->s->store, shard, NULL, p->states,
                    h->s->arena);
    return PTL_OK;
}

/* ---------- one shard, one worker ---------- */

static void merge_gradients(shards *h, shard_sum *to, const shard_sum *from)
{
    if (to == from || from->weight == 0)
        return;
    sums_run(h->s->pool, &h->whole, to->weight != 0 ? SUM_ADD : SUM_SET,
             to->gradients, from->gradients, 0);
    to->weight += from->weight;
}

static ptl_status run_parts(step_run *r, int64_t shard, order_part rows,
                            shard_sum *to, loss_sum *loss)
{
    ptl_status st = PTL_OK;
    for (int64_t i = 0; i < r->h->parts && st == PTL_OK; i++) {
        order_part part = order_cut(rows.rows, r->h->parts, i);
        part.first += rows.first;
        if (part.rows > 0)
            st = run_part(r, shard, part, to, loss);
    }
    return st;
}

/* Parts are added up apart where what they are added to holds more than
 * this shard. */
static ptl_status run_apart(step_run *r, int64_t shard, order_part rows,
                            shard_sum *worker, loss_sum *loss)
{
    shards *h = r->h;
    h->part.weight = 0;
    h->part.states.rows = 0;
    ptl_status st = run_parts(r, shard, rows, &h->part, loss);
    merge_gradients(h, worker, &h->part);
    states_merge(&h->states, &worker->states, &h->part.states);
    return st;
}

/* Adds the rows of one shard to its worker's sum. */
static ptl_status run_shard(step_run *r, int64_t shard, shard_sum *worker)
{
    shards *h = r->h;
    order_part rows = order_cut(r->batch->rows, h->shards, shard);
    if (ptl_is_planted(PTL_PLANT_FIRST_ROWS))
        rows.first = 0;
    bool apart = shards_parts_apart(h);
    loss_sum loss = {0};
    h->rows[shard] = rows.rows;
    ptl_status st = apart ? run_apart(r, shard, rows, worker, &loss)
                          : run_parts(r, shard, rows, worker, &loss);
    if (st == PTL_OK && h->parts > 1 && rows.rows > 0)
        states_keep(&h->states, &h->s->store, shard,
                    apart ? &h->part.states : &worker->states, NULL, NULL);
    r->loss.loss += loss.loss;
    r->loss.weight += loss.weight;
    if (h->losses)
        h->losses[shard - h->states.first] = loss;
    return st;
}

static ptl_status run_worker(step_run *r, int64_t worker, shard_sum *to)
{
    int64_t towers = r->h->rule.towers;
    ptl_status st = PTL_OK;
    for (int64_t k = 0; k < towers && st == PTL_OK; k++)
        st = run_shard(r, worker * towers + k, to);
    return st;
}

/* ---------- all workers ---------- */

/* A worker's sum as it would be sent. */
static void round_sum(shards *h, const shard_sum *worker)
{
    bool mean = h->rule.aggregate == PTL_AGGREGATE_SUM;
    if (shards_rounds(h) && worker->weight != 0)
        sums_round(h->s->pool, &h->whole, worker->gradients,
                   mean ? worker->weight : 1);
}

/* Adds a worker's sum to the total, or its mean. */
static void aggregate(shards *h, const shard_sum *worker)
{
    shard_sum *total = &h->total;
    round_sum(h, worker);
    if (h->rule.aggregate != PTL_AGGREGATE_SUM) {
        merge_gradients(h, total, worker);
        return;
    }
    if (worker->weight == 0)
        return;
    double by = shards_rounds(h) ? 1 : worker->weight; /* was divided before */
    sums_run(h->s->pool, &h->whole,
             total->weight != 0 ? SUM_ADD_OVER : SUM_SET_OVER, total->gradients,
             worker->gradients, by);
    total->weight = 1;
}

/* The weight of a sum that waits for its exchange: in the store, as the sum. */
static double *waiting_weight(const shards *h, int64_t worker)
{
    return shards_item(h, h->worker_items + 2 * (int)worker + 1);
}

static ptl_status run_workers(step_run *r)
{
    shards *h = r->h;
    ptl_status st = PTL_OK;
    h->total.weight = 0;
    h->total.states.rows = 0;
    for (int64_t w = 0; w < h->workers && st == PTL_OK; w++) {
        if (shards_add_directly(h)) {
            st = run_worker(r, w, &h->total);
            continue;
        }
        shard_sum *sum = &h->worker[h->side_by_side ? w : 0];
        sum->states.rows = 0;
        sum->weight = h->worker_items < 0 ? 0 : *waiting_weight(h, w);
        st = run_worker(r, w, sum);
        states_merge(&h->states, &h->total.states, &sum->states);
        if (!h->side_by_side)
            aggregate(h, sum);
    }
    return st;
}

/* ---------- the update ---------- */

static int64_t *counted_updates(const shards *h)
{
    return h->updates_item < 0 ? NULL : shards_item(h, h->updates_item);
}

static ptl_status update(step_run *r, const shard_sum *sum)
{
    shards *h = r->h;
    session_program *p = h->update;
    int64_t *counted = counted_updates(h);
    if (sum->weight == 0)
        return PTL_OK;
    for (int i = 0; i < h->input_count; i++)
        run_bind(p->run, h->inputs[i].buffer,
                 sum->gradients + h->inputs[i].place.at);
    sums_put(h->dtype, h->memory, sum->weight);
    if (h->weight_input >= 0)
        run_bind(p->run, h->weight_input, h->memory);
    session_set_scalars(h->s, p,
                        counted ? *counted : shards_exchanges(h, r->done),
                        r->batch->epoch, h->total_updates);
    run_set(p->run, "average_from",
            updates_before_average(&h->counting, h->s->average_from));
    ptl_status st = run_execute(p->run, r->err);
    if (st != PTL_OK)
        return st;
    r->lr = session_scalar(p, p->lr);
    if (counted)
        ++*counted;
    return PTL_OK;
}

static ptl_status exchange(step_run *r)
{
    shards *h = r->h;
    bool each = h->rule.aggregate == PTL_APPLY_EACH;
    ptl_status st = PTL_OK;
    for (int64_t w = 0; h->side_by_side && w < h->workers && st == PTL_OK;
         w++) {
        if (each) {
            round_sum(h, &h->worker[w]);
            st = update(r, &h->worker[w]);
        } else {
            aggregate(h, &h->worker[w]);
        }
        h->worker[w].weight = 0;
    }
    return each || st != PTL_OK ? st : update(r, &h->total);
}

static void keep_weights(shards *h)
{
    for (int64_t w = 0; w < h->workers && h->worker_items >= 0; w++)
        *waiting_weight(h, w) = h->worker[w].weight;
}

static bool states_due(const step_run *r)
{
    const shards *h = r->h;
    return h->state_every > 0 && (r->done + 1) % h->state_every == 0;
}

static bool exchange_due(const step_run *r)
{
    return shards_exchanges(r->h, r->done + 1) >
           shards_exchanges(r->h, r->done);
}

static void sync_states(step_run *r)
{
    shards *h = r->h;
    state_sum sums[2] = {h->part.states, h->total.states};
    states_sync(&h->states, &h->s->store, &h->total.states);
    if (states_due(r))
        states_exchange(&h->states, &h->s->store, h->rule.state_sync, h->rows,
                        h->rule.towers, sums);
}

/* ---------- one worker of a cluster ---------- */

/* Where the rows of this worker end; -1: it has none, or its sum is not final
 * with its last part. */
static int64_t end_of_own(const step_run *r)
{
    const shards *h = r->h;
    if (!exchange_due(r) || shards_parts_apart(h))
        return -1;
    for (int64_t k = h->states.end - 1; k >= h->states.first; k--) {
        order_part rows = order_cut(r->batch->rows, h->shards, k);
        if (rows.rows > 0)
            return rows.first + rows.rows;
    }
    return -1;
}

static ptl_status run_own(step_run *r)
{
    shards *h = r->h;
    h->total.states.rows = 0;
    r->last_row = end_of_own(r);
    return run_worker(r, h->peers->worker, &h->total);
}

/* What this worker has for the others. */
static peers_own own_of(step_run *r)
{
    shards *h = r->h;
    shard_sum *sum = &h->total;
    peers_own own = {.done = r->done,
                     .epoch = r->batch->epoch,
                     .losses = h->losses,
                     .exchanged = exchange_due(r),
                     .gradients = sum->gradients,
                     .weight = sum->weight,
                     .states = h->packed[STATE_GROUP_SYNCED],
                     .state_rows = sum->states.rows};
    states_pack(&h->states, h->s, &sum->states, h->packed[STATE_GROUP_SYNCED]);
    if (states_due(r) && h->rule.state_sync == PTL_STATE_MEAN) {
        own.copies = h->packed[STATE_GROUP_LOOSE];
        own.copy_rows =
            states_pack_copies(&h->states, h->s, h->rows, &h->part.states,
                               h->packed[STATE_GROUP_LOOSE]);
    }
    return own;
}

static void take_states(step_run *r, const peers_shared *shared)
{
    shards *h = r->h;
    bool chief = h->peers->worker == 0;
    if (shared->states && !ptl_is_planted(PTL_PLANT_OWN_STATES))
        states_unpack(&h->states, h->s, STATE_GROUP_SYNCED, shared->states);
    if (shared->copies)
        states_unpack(&h->states, h->s, STATE_GROUP_LOOSE, shared->copies);
    if (chief && states_due(r) && h->rule.state_sync == PTL_STATE_CHIEF &&
        !ptl_is_planted(PTL_PLANT_NEVER_DUE))
        states_chief(&h->states, &h->s->store);
}

static ptl_status step_with_peers(step_run *r, shards_result *out)
{
    shards *h = r->h;
    peers_shared shared = {.lr = (double)NAN};
    ptl_status st = run_own(r);
    if (st != PTL_OK)
        return st;
    peers_own own = own_of(r);
    st = h->peers->exchange(h->peers->ctx, &own, &shared, r->err);
    if (st != PTL_OK)
        return st;
    if (own.exchanged)
        h->total.weight = 0;
    if (counted_updates(h))
        *counted_updates(h) = shared.updates;
    if (h->workers == 1)
        sync_states(r);
    else
        take_states(r, &shared);
    *out = (shards_result){.loss = shared.loss.loss / shared.loss.weight,
                           .lr = shared.lr,
                           .comm = shared.comm};
    return PTL_OK;
}

ptl_status shards_step(shards *h, const data_batch *batch, int64_t done,
                       shards_result *out, ptl_error *err)
{
    step_run r = {.h = h,
                  .batch = batch,
                  .done = done,
                  .lr = (double)NAN,
                  .err = err,
                  .last_row = -1};
    if (h->peers)
        return step_with_peers(&r, out);
    ptl_status st = run_workers(&r);
    if (st != PTL_OK)
        return st;
    sync_states(&r);
    if (exchange_due(&r))
        st = exchange(&r);
    keep_weights(h);
    *out = (shards_result){.loss = r.loss.loss / r.loss.weight, .lr = r.lr};
    return st;
}
