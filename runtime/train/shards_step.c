/*
 * shards_step.c - one step of a run of shards: its parts, sums in order, the
 * update, the states.
 */
#include "base/plant.h"
#include "base/trace.h"
#include "train/shards_part.h"
#include <math.h>
#include <string.h>

/* ---------- one shard, one worker ---------- */

static void merge_gradients(shards *h, shard_sum *to, const shard_sum *from)
{
    if (to == from || from->weight == 0)
        return;
    sums_run(h->s->pool, &h->whole, to->weight != 0 ? SUM_ADD : SUM_SET,
             to->gradients, from->gradients, 0);
    to->weight += from->weight;
}

static order_part rows_of(const step_run *r, int64_t shard)
{
    order_part rows = order_cut(r->batch->rows, r->h->shards, shard);
    if (ptl_is_planted(PTL_PLANT_FIRST_ROWS))
        rows.first = 0;
    return rows;
}

static order_part part_of(const step_run *r, order_part rows, int64_t part)
{
    order_part cut = order_cut(rows.rows, r->h->parts, part);
    cut.first += rows.first;
    return cut;
}

static ptl_status run_parts(step_run *r, int64_t shard, order_part rows,
                            shard_sum *to, loss_sum *loss)
{
    ptl_status st = PTL_OK;
    for (int64_t i = 0; i < r->h->parts && st == PTL_OK; i++) {
        order_part part = part_of(r, rows, i);
        if (part.rows > 0)
            st = part_run(r, shard, part, to, loss);
    }
    return st;
}

/* As run_parts() will take them, for all shards of this process. */
static void list_work(step_run *r)
{
    shards *h = r->h;
    h->work_count = 0;
    for (int64_t k = h->states.first; k < h->states.end; k++)
        for (int64_t i = 0; i < h->parts; i++) {
            order_part part = part_of(r, rows_of(r, k), i);
            if (part.rows > 0)
                h->work[h->work_count++] = (shard_part){k, part};
        }
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
    order_part rows = rows_of(r, shard);
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
    int64_t count = ptl_is_planted(PTL_PLANT_FIRST_TOWER) ? 1 : towers;
    ptl_status st = PTL_OK;
    for (int64_t k = 0; k < count && st == PTL_OK; k++)
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

/* The host added to sums that lie in the store. */
static void wrote_sums(shards *h)
{
    for (int64_t w = 0; w < h->workers && h->worker_items >= 0; w++)
        session_wrote(h->s, &h->s->store.items[h->worker_items + 2 * (int)w]);
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

/* What the worker's shards add up to, on the host. */
static ptl_status run_own(step_run *r, int64_t worker)
{
    shards *h = r->h;
    h->total.states.rows = 0;
    if (shards_lies_with_peers(h) && h->total.weight == 0)
        h->total.gradients = h->peers->block(h->peers->ctx);
    list_work(r);
    ptl_status st = run_worker(r, worker, &h->total);
    part_end_all(r);
    return st == PTL_OK ? device_sums_fetch(&h->sums, r->err) : st;
}

/* What this worker has for the others; after an exchange its sum begins anew.
 */
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
    if (own.exchanged)
        sum->weight = 0;
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

/* A worker without rows has none, and what is logged is the chief's. */
static double loss_of(const step_run *r, const peers_shared *shared)
{
    bool chief = r->h->peers->worker == 0;
    return chief || shared->loss.weight != 0
               ? shared->loss.loss / shared->loss.weight
               : 0;
}

static ptl_status step_with_peers(step_run *r, shards_result *out)
{
    shards *h = r->h;
    peers_shared shared = {.lr = (double)NAN};
    r->last_row = end_of_own(r);
    ptl_status st = run_own(r, h->peers->worker);
    if (st != PTL_OK)
        return st;
    peers_own own = own_of(r);
    double began = trace_now();
    st = h->peers->exchange(h->peers->ctx, &own, &shared, r->err);
    trace_span("loop", "exchange", began);
    session_changed(h->s); /* the store has the next values */
    if (st != PTL_OK)
        return st;
    if (counted_updates(h))
        *counted_updates(h) = shared.updates;
    if (h->workers == 1)
        sync_states(r);
    else
        take_states(r, &shared);
    *out = (shards_result){
        .loss = loss_of(r, &shared), .lr = shared.lr, .comm = shared.comm};
    return PTL_OK;
}

ptl_status shards_other(shards *h, int64_t worker, const data_batch *batch,
                        int64_t done, peers_own *out, ptl_error *err)
{
    step_run r = {
        .h = h, .batch = batch, .done = done, .err = err, .last_row = -1};
    PTL_ASSERT(h->peers->replays && worker != h->peers->worker);
    shards_turn(h, worker);
    ptl_status st = run_own(&r, worker);
    *out = own_of(&r);
    session_changed(h->s); /* the store has its next states */
    shards_turn(h, h->peers->worker);
    return st;
}

void shards_take_copies(shards *h, int64_t worker, const void *copies)
{
    shards_turn(h, worker);
    states_unpack(&h->states, h->s, STATE_GROUP_LOOSE, copies);
    shards_turn(h, h->peers->worker);
}

ptl_status shards_step(shards *h, const data_batch *batch,
                       const data_batch *next, int64_t done, shards_result *out,
                       ptl_error *err)
{
    step_run r = {.h = h,
                  .batch = batch,
                  .next = h->peers && h->peers->replays ? NULL : next,
                  .done = done,
                  .lr = (double)NAN,
                  .err = err,
                  .last_row = -1};
    ptl_status st;
    if (h->peers)
        return step_with_peers(&r, out);
    list_work(&r);
    st = run_workers(&r);
    part_end_all(&r);
    if (st != PTL_OK)
        return st;
    sync_states(&r);
    wrote_sums(h);
    double began = trace_now();
    if (exchange_due(&r))
        st = exchange(&r);
    trace_span("loop", "update", began);
    keep_weights(h);
    states_wrote(&h->states, h->s);
    *out = (shards_result){.loss = r.loss.loss / r.loss.weight, .lr = r.lr};
    return st;
}
