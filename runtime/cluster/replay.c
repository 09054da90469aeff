/*
 * replay.c - a cluster's job again, in one process, by its recorded schedule:
 * `ptlc run --shards N --replay FILE`.
 *
 * The loop is that of worker 0, which logs, evaluates and saves as it did then.
 * What it asks of its peers (train/peers.h) is answered here, by the other
 * workers and the parameter servers, one after another in the order of the
 * schedule: replay_events.c. There are no machines, no messages, no threads.
 */
#include "cluster/cluster.h"
#include "cluster/exchange.h"
#include "cluster/replay_priv.h"
#include "cluster/server.h"
#include "runtime/data.h"
#include "train/training.h"
#include <stdlib.h>
#include <string.h>

/* ---------- what can be replayed ---------- */

static ptl_status check(const replay *r, const train_options *o, ptl_error *err)
{
    const schedule_head *h = &r->schedule.head;
    const ptl_job_cluster *c = &r->job->cluster;
    if (c->pace == PTL_PACE_BARRIER)
        return ptl_fail(err, PTL_E_USAGE,
                        "--replay: under `sync = barrier` all take each step "
                        "together, which --shards replays without a schedule");
    if (o->shards != (int64_t)h->workers * h->towers || c->towers != h->towers)
        return ptl_fail(err, PTL_E_USAGE,
                        "--shards %lld, and towers = %lld: the schedule \"%s\" "
                        "is of %d worker%s of %d tower%s",
                        (long long)o->shards, (long long)c->towers,
                        r->schedule.path, h->workers,
                        h->workers == 1 ? "" : "s", h->towers,
                        h->towers == 1 ? "" : "s");
    if (o->on_nan == TRAIN_NAN_SKIP)
        return ptl_fail(err, PTL_E_USAGE,
                        "--on-nan skip takes back what one worker did, and "
                        "here all have their states in one place");
    return PTL_OK;
}

/* Between two exchanges a worker has a sum, of which there is one here. */
static ptl_status check_states(const replay *r, ptl_error *err)
{
    int b = r->plan.state_bucket[STATE_GROUP_LOOSE];
    int64_t every = r->job->cluster.sync_every;
    if (b == NO_BUCKET || r->plan.buckets[b].every % (uint64_t)every == 0)
        return PTL_OK;
    return ptl_fail(err, PTL_E_USAGE,
                    "--replay: `state_sync = mean(every = %llu steps)` comes "
                    "between two exchanges of `sync_every = %lld`, which is "
                    "not replayed",
                    (unsigned long long)r->plan.buckets[b].every,
                    (long long)every);
}

static ptl_status check_plan(const replay *r, ptl_error *err)
{
    const schedule *s = &r->schedule;
    const peers_run *run = &r->plan.run;
    ptl_status st = schedule_check(s, str_text(&r->plan.agreement), err);
    if (st != PTL_OK)
        return st;
    if (s->head.buckets != replay_buckets(r) || s->head.first != run->first ||
        s->steps.count > run->last - run->first || s->steps.count == 0)
        return ptl_fail(err, PTL_E_DATA,
                        "the schedule \"%s\" has %d buckets and %d steps after "
                        "step %lld, this run has %d buckets and %lld steps "
                        "after step %lld",
                        s->path, s->head.buckets, s->steps.count,
                        (long long)s->head.first, replay_buckets(r),
                        (long long)(run->last - run->first),
                        (long long)run->first);
    return check_states(r, err);
}

/* ---------- memory ---------- */

static void *zeroed(size_t count, size_t size)
{
    return calloc(count ? count : 1, size);
}

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY, "no memory for a replay");
}

static ptl_status open_worker(const replay *r, replay_worker *w, ptl_error *err)
{
    const cluster_plan *p = &r->plan;
    size_t buckets = (size_t)replay_buckets(r), window = (size_t)r->window;
    prefetch_desc desc = {.data = r->s->train,
                          .seed = r->job->seed,
                          .batch = p->run.batch,
                          .begin = p->run.first,
                          .end = r->last};
    w->step = p->run.first;
    w->values = memory_map(p->block_bytes);
    w->gradients = memory_map(window * p->block_bytes);
    w->has_read = zeroed(buckets, sizeof *w->has_read);
    w->reads = zeroed(buckets, sizeof *w->reads);
    w->given = zeroed(window * buckets, sizeof *w->given);
    if (!w->values || !w->gradients || !w->has_read || !w->reads || !w->given)
        return no_memory(err);
    return w == r->workers ? PTL_OK : prefetch_open(&desc, &w->batches, err);
}

static ptl_status open_workers(replay *r, ptl_error *err)
{
    ptl_status st = PTL_OK;
    r->workers = zeroed((size_t)r->role.workers, sizeof *r->workers);
    if (!r->workers)
        return no_memory(err);
    for (int w = 0; w < r->role.workers && st == PTL_OK; w++)
        st = open_worker(r, &r->workers[w], err);
    return st;
}

static ptl_status open_buckets(replay *r, ptl_error *err)
{
    ptl_status st = PTL_OK;
    r->buckets = zeroed((size_t)replay_buckets(r), sizeof *r->buckets);
    if (!r->buckets)
        return no_memory(err);
    for (int b = 0; b < replay_buckets(r) && st == PTL_OK; b++) {
        const shard_rules *rules = &r->plan.buckets[b].rules;
        replay_bucket *k = &r->buckets[b];
        ptl_dtype type = r->plan.types[b];
        k->version = rules->first_step;
        k->updates = rules->first_updates;
        k->whole.dtype = type;
        if (shard_window(rules) > r->window)
            r->window = shard_window(rules);
        st = sums_list_add(&k->whole, 0, 0,
                           (int64_t)r->plan.bytes[b] / dtype_size(type), err);
    }
    return st;
}

/* As server_open() has it, with the loop's programs' threads, and from its
 * tensors. */
static ptl_status open_server(replay *r, int index, ptl_error *err)
{
    const cluster_plan *p = &r->plan;
    const update_count *u = &p->updates;
    int count;
    const ptl_job_tensor *raw = data_raw(r->s->train, &count);
    ps_clock clock = {.total_updates = updates_in_all(u),
                      .average_from =
                          updates_before_average(u, r->s->average_from)};
    ptl_status st = ps_store_open(r->s, &clock, p->layout, p->totals, index,
                                  raw, count, &r->parameters[index], err);
    if (st == PTL_OK)
        st = ps_store_fill(r->parameters[index], &r->s->store, err);
    return st == PTL_OK ? numbers_open(p, r->job, index, r->parameters[index],
                                       &r->numbers[index], err)
                        : st;
}

static ptl_status open_servers(replay *r, ptl_error *err)
{
    size_t count = (size_t)r->role.servers;
    r->parameters = zeroed(count, sizeof(ps_store *));
    r->numbers = zeroed(count, sizeof(cluster_numbers *));
    ptl_status st =
        r->parameters && r->numbers ? session_fetch(r->s, err) : no_memory(err);
    for (int i = 0; i < r->role.servers && st == PTL_OK; i++)
        st = open_server(r, i, err);
    return st;
}

static void close_worker(const replay *r, const replay_worker *w)
{
    const cluster_plan *p = &r->plan;
    prefetch_close(w->batches);
    memory_unmap(w->values, p->block_bytes);
    memory_unmap(w->gradients, (size_t)r->window * p->block_bytes);
    free(w->has_read);
    free(w->reads);
    free(w->given);
}

static void close_run(void *ctx)
{
    replay *r = ctx;
    for (int w = 0; r->workers && w < r->role.workers; w++)
        close_worker(r, &r->workers[w]);
    for (int i = 0; i < r->role.servers; i++) {
        numbers_close(r->numbers ? r->numbers[i] : NULL);
        ps_store_close(r->parameters ? r->parameters[i] : NULL);
    }
    for (int b = 0; r->buckets && b < replay_buckets(r); b++)
        sums_list_fini(&r->buckets[b].whole);
    rate_close(&r->rate);
    free(r->workers);
    free(r->parameters);
    free(r->numbers);
    free(r->buckets);
}

/* ---------- what the loop asks for ---------- */

static ptl_status plan(train_peers *p, session *s, const peers_run *run,
                       ptl_error *err)
{
    replay *r = p->ctx;
    int64_t updates;
    r->s = s;
    ptl_status st = checkpoint_updates(r->job, run->checkpoint, &updates, err);
    if (st == PTL_OK)
        st = cluster_plan_make(r->job, &r->role, run, updates, &r->plan, err);
    if (st == PTL_OK)
        st = check_plan(r, err);
    if (st != PTL_OK)
        return st;
    r->last = run->first + r->schedule.steps.count;
    p->places = exchange_places(&r->plan, r->plan.arena, &p->place_count);
    p->bucket_count = r->plan.layout->plan->bucket_count;
    p->block_bytes = r->plan.gradient_bytes;
    return PTL_OK;
}

static ptl_status begin(void *ctx, ptl_error *err)
{
    replay *r = ctx;
    r->shards = r->s->peers->shards;
    ptl_status st = rate_open(&r->rate, r->s, err);
    if (st == PTL_OK)
        st = open_buckets(r, err);
    if (st == PTL_OK)
        st = open_workers(r, err);
    if (st == PTL_OK)
        st = open_servers(r, err);
    return st == PTL_OK ? replay_until_read(r, err) : st;
}

/* Everything is taken when the step is over. */
static void give(void *ctx, int bucket, const char *gradients, double weight)
{
    (void)ctx, (void)bucket, (void)gradients, (void)weight;
}

static void freed(void *ctx, int bucket)
{
    (void)ctx, (void)bucket;
}

/* What worker 0 had heard of the others' updates. */
static ptl_status log_updates(const replay *r, const peers_own *own,
                              peers_shared *out, ptl_error *err)
{
    const update_count *u = &r->plan.updates;
    const schedule_step *s =
        &r->schedule.steps.data[own->done - r->plan.run.first];
    bool each = r->plan.buckets[0].rules.aggregate == DIST_APPLY_EACH;
    out->updates = s->updates;
    if (!s->rated)
        return PTL_OK;
    return rate_find(&r->rate, &r->plan,
                     each ? s->updates - 1
                          : exchanges_of(&u->rule, own->done, u->total_steps),
                     &out->lr, err);
}

static ptl_status exchange(void *ctx, const peers_own *own, peers_shared *out,
                           ptl_error *err)
{
    replay *r = ctx;
    int loose = r->plan.state_bucket[STATE_GROUP_LOOSE];
    bool waits = own->exchanged || own->copies;
    out->loss = replay_loss(r, own); /* who does not wait speaks for itself */
    ptl_status st = log_updates(r, own, out, err);
    if (st == PTL_OK)
        st = replay_give(r, 0, own, err);
    if (st == PTL_OK && waits)
        st = replay_until_read(r, err);
    if (own->copies && loose != NO_BUCKET)
        out->copies = r->workers[0].values + r->plan.at[loose];
    return st;
}

static int64_t last(void *ctx)
{
    return ((replay *)ctx)->last;
}

/* The step that follows is made. */
static void drain(void *ctx)
{
    replay *r = ctx;
    if (r->workers[0].step + 1 < r->last)
        r->last = r->workers[0].step + 1;
}

static void busy(void *ctx, peers_work work)
{
    (void)ctx, (void)work;
}

static ptl_status slots(void *ctx, bool *gone, ptl_error *err)
{
    replay *r = ctx;
    ptl_status st = PTL_OK;
    *gone = false;
    for (int b = 0; b < r->plan.layout->plan->bucket_count && st == PTL_OK; b++)
        if (r->plan.slot_bytes[b] > 0)
            st = replay_until_slots(r, b, err);
    return st;
}

static ptl_status end(void *ctx, ptl_error *err)
{
    (void)ctx, (void)err;
    return PTL_OK;
}

ptl_status cluster_replay(ptl_job *job, const train_options *options,
                          const char *path, ptl_error *err)
{
    replay r = {.job = job,
                .notes = options->notes ? options->notes : stderr,
                .slots_wanted = NOBODY,
                .window = 1};
    train_peers peers = {.ctx = &r,
                         .worker = 0,
                         .replays = true,
                         .plan = plan,
                         .begin = begin,
                         .give = give,
                         .freed = freed,
                         .exchange = exchange,
                         .last = last,
                         .drain = drain,
                         .busy = busy,
                         .slots = slots,
                         .end = end,
                         .close = close_run};
    ptl_status st = schedule_read(path, &r.schedule, err);
    if (st == PTL_OK)
        st = check(&r, options, err);
    r.role = (launch_role){.kind = ROLE_WORKER,
                           .servers = r.schedule.head.servers,
                           .workers = r.schedule.head.workers,
                           .job = 1};
    if (st == PTL_OK)
        st = training_run(job, options, &peers, err);
    cluster_plan_fini(&r.plan);
    schedule_fini(&r.schedule);
    return st;
}
