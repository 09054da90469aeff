/*
 * cluster.c - see cluster/cluster.h: a worker, or a parameter server.
 */
#include "cluster/cluster.h"
#include "cluster/exchange.h"
#include "cluster/server.h"
#include "train/stop.h"
#include "train/training.h"
#include <string.h>

enum { LOOK_MS = 100 }; /* for signals */

/* One process, whatever it is. */
typedef struct member {
    ptl_job *job;
    const train_options *options;
    const launch_role *role;
    FILE *notes;
    cluster_plan plan;
    cluster_server server;
    bool serves;
    cluster_node *node;
    train_peers peers;
    cluster_exchange *exchange; /* of a worker */
    schedule_record *record;    /* NULL: none */
    ptl_status recorded;        /* was it written? */
    ptl_error record_error;
    ptl_status status; /* of a parameter server, at its end */
    char why[300];
} member;

static void say(void *ctx, const char *line)
{
    member *m = ctx;
    fprintf(m->notes, "%s\n", line);
    fflush(m->notes);
}

static void ended(void *ctx, ptl_status status, const char *text)
{
    member *m = ctx;
    m->status = status;
    snprintf(m->why, sizeof m->why, "%s", text);
    if (m->exchange)
        exchange_ended(m->exchange, status, text);
}

static int server_index(const member *m)
{
    return m->serves ? m->role->index : -1;
}

static int worker_index(const member *m)
{
    return m->role->kind == ROLE_WORKER ? m->role->index : -1;
}

static ptl_status open_node(member *m, const worker_owner *owner,
                            ptl_error *err)
{
    node_options o = {.job = &m->plan.job,
                      .role = m->role,
                      .cluster = &m->job->cluster,
                      .server = server_index(m),
                      .store =
                          m->serves ? numbers_store(m->server.numbers) : NULL,
                      .worker = worker_index(m),
                      .owner = owner,
                      .ended = ended,
                      .log = say,
                      .ctx = m};
    if (m->role->kind == ROLE_PS)
        o.notice = record_notice(m->record);
    return node_open(&o, &m->node, err);
}

static void say_warnings(const member *m)
{
    const char *const *w = m->job->cluster.warnings;
    for (; w && *w; w++)
        fprintf(m->notes, "warning: %s\n", *w);
}

static ptl_status make_plan(member *m, const peers_run *run, ptl_error *err)
{
    int64_t updates;
    ptl_status st = checkpoint_updates(m->job, run->checkpoint, &updates, err);
    return st == PTL_OK
               ? cluster_plan_make(m->job, m->role, run, updates, &m->plan, err)
               : st;
}

static ptl_status serve(member *m, const ptl_dataset *data,
                        const char *checkpoint, ptl_error *err)
{
    int count;
    const ptl_job_tensor *raw = data_raw(data, &count);
    m->serves = true;
    return server_open(&m->server, m->job, m->options, &m->plan, m->role->index,
                       raw, count, checkpoint, err);
}

/* Parameter servers record what they do, and worker 0 what it logs. */
static ptl_status open_record(member *m, ptl_error *err)
{
    const cluster_plan *p = &m->plan;
    bool server = m->role->kind == ROLE_PS;
    char part[32];
    schedule_head head = {.servers = m->role->servers,
                          .workers = m->role->workers,
                          .towers = (int)m->job->cluster.towers,
                          .buckets = p->limits.bucket_count,
                          .first = p->run.first,
                          .agreement = str_text(&p->agreement)};
    uint64_t *rounds = ARENA_ARRAY(p->arena, uint64_t, head.buckets + 1);
    if (!m->options->record || (!server && m->role->index != 0))
        return PTL_OK;
    for (int b = 0; b < head.buckets; b++)
        rounds[b] = p->buckets[b].rules.first_step;
    snprintf(part, sizeof part, "%s%d", server ? "ps" : "worker",
             m->role->index);
    return record_open(m->options->record, part, &head, rounds, &m->record,
                       err);
}

/* While signals are still taken in order: who is told to end by one when the
 * run is over already has its part whole. */
static void close_record(member *m)
{
    m->recorded = record_close(m->record, &m->record_error);
    m->record = NULL;
}

static void member_fini(member *m)
{
    node_close(m->node);
    exchange_close(m->exchange);
    if (m->serves)
        server_close(&m->server);
    if (m->record)
        close_record(m);
    cluster_plan_fini(&m->plan);
}

/* ---------- a worker ---------- */

/* Without parameter servers, workers are each other's. */
static bool worker_serves(const member *m)
{
    return m->role->servers == 0 || m->job->cluster.placement == PTL_ALLREDUCE;
}

static ptl_status plan_worker(train_peers *p, session *s, const peers_run *run,
                              ptl_error *err)
{
    member *m = p->ctx;
    ptl_status st = make_plan(m, run, err);
    if (st != PTL_OK)
        return st;
    p->places = exchange_places(&m->plan, m->plan.arena, &p->place_count);
    p->bucket_count = m->plan.layout->plan->bucket_count;
    p->block_bytes = m->plan.gradient_bytes;
    st = exchange_open(&m->plan, s, m->role->index, &m->exchange, err);
    if (st == PTL_OK)
        st = open_record(m, err);
    if (st == PTL_OK)
        exchange_record(m->exchange, m->record);
    return st == PTL_OK && worker_serves(m)
               ? serve(m, s->train, run->checkpoint, err)
               : st;
}

static ptl_status begin(void *ctx, ptl_error *err)
{
    member *m = ctx;
    worker_owner owner = exchange_owner(m->exchange);
    ptl_status st = open_node(m, &owner, err);
    if (st == PTL_OK)
        st = node_start(m->node, err);
    return st == PTL_OK ? exchange_begin(m->exchange, m->node, err) : st;
}

static char *block(void *ctx)
{
    return exchange_block(((member *)ctx)->exchange);
}

static void give(void *ctx, int bucket, const char *gradients, double weight)
{
    exchange_early(((member *)ctx)->exchange, bucket, gradients, weight);
}

static ptl_status use(void *ctx, int bucket, ptl_error *err)
{
    return exchange_use(((member *)ctx)->exchange, bucket, err);
}

static ptl_status settle(void *ctx, ptl_error *err)
{
    return exchange_settle(((member *)ctx)->exchange, err);
}

static void freed(void *ctx, int bucket)
{
    exchange_freed(((member *)ctx)->exchange, bucket);
}

static ptl_status exchange(void *ctx, const peers_own *own, peers_shared *out,
                           ptl_error *err)
{
    return exchange_step(((member *)ctx)->exchange, own, out, err);
}

static int64_t last(void *ctx)
{
    return exchange_last(((member *)ctx)->exchange);
}

static void drain(void *ctx)
{
    exchange_drain(((member *)ctx)->exchange);
}

static void busy(void *ctx, peers_work work)
{
    exchange_busy(((member *)ctx)->exchange, work);
}

static ptl_status slots(void *ctx, bool *gone, ptl_error *err)
{
    return exchange_slots(((member *)ctx)->exchange, gone, err);
}

static ptl_status end(void *ctx, ptl_error *err)
{
    return exchange_end(((member *)ctx)->exchange, err);
}

static void close_run(void *ctx)
{
    close_record(ctx);
}

static ptl_status run_worker(member *m, ptl_error *err)
{
    train_options options = *m->options;
    int64_t towers = m->job->cluster.towers;
    options.shards = m->role->workers * towers;
    m->peers = (train_peers){.ctx = m,
                             .worker = m->role->index,
                             .plan = plan_worker,
                             .begin = begin,
                             .block = block,
                             .use = use,
                             .settle = settle,
                             .give = give,
                             .freed = freed,
                             .exchange = exchange,
                             .last = last,
                             .drain = drain,
                             .busy = busy,
                             .slots = slots,
                             .end = end,
                             .close = close_run};
    return training_run(m->job, &options, &m->peers, err);
}

/* ---------- a parameter server ---------- */

/* Where the run begins, and from what; `path` is for its checkpoint. */
static ptl_status find_start(const member *m, char path[CHECKPOINT_PATH],
                             peers_run *run, ptl_error *err)
{
    checkpoint_info info;
    if (!m->options->resume)
        return PTL_OK;
    ptl_status st = checkpoint_find(m->options->resume, path, err);
    if (st == PTL_OK)
        st = checkpoint_read_info(path, &info, err);
    if (st != PTL_OK)
        return st;
    run->first = info.step;
    run->checkpoint = path;
    return PTL_OK;
}

/* How long the job is follows from the data. */
static ptl_status plan_server(member *m, session *s, ptl_error *err)
{
    char checkpoint[CHECKPOINT_PATH];
    peers_run run;
    ptl_status st = session_data(s, &m->job->train, &s->train, err);
    if (st != PTL_OK)
        return st;
    peers_run_plan(m->job, m->options, data_rows(s->train), &run);
    st = find_start(m, checkpoint, &run, err);
    if (st == PTL_OK)
        st = make_plan(m, &run, err);
    return st == PTL_OK ? serve(m, s->train, run.checkpoint, err) : st;
}

static ptl_status run_server(member *m, ptl_error *err)
{
    session s;
    stop_guard guard;
    ptl_status st = session_open(&s, m->job, m->options, err);
    if (st == PTL_OK)
        st = plan_server(m, &s, err);
    session_close(&s);
    if (st == PTL_OK)
        st = open_record(m, err);
    if (st == PTL_OK)
        st = open_node(m, NULL, err);
    if (st != PTL_OK)
        return st;
    stop_watch(&guard);
    st = node_start(m->node, err);
    while (st == PTL_OK && !node_await(m->node, LOOK_MS))
        if (stop_signal())
            node_drain(m->node);
    int signal_number = stop_signal();
    node_close(m->node);
    m->node = NULL;
    close_record(m);
    stop_unwatch(&guard);
    if (st != PTL_OK)
        return st;
    if (m->status == PTL_OK && signal_number)
        return ptl_fail(
            err, signal_number == SIGINT ? PTL_E_INTERRUPTED : PTL_E_TERMINATED,
            "ended by %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    return m->status == PTL_OK ? PTL_OK
                               : ptl_fail(err, m->status, "%s", m->why);
}

ptl_status cluster_run(ptl_job *job, const train_options *options,
                       const launch_role *role, ptl_error *err)
{
    member m = {.job = job,
                .options = options,
                .role = role,
                .notes = options->notes ? options->notes : stderr};
    say_warnings(&m);
    ptl_status st =
        role->kind == ROLE_WORKER ? run_worker(&m, err) : run_server(&m, err);
    member_fini(&m);
    if (st != PTL_OK || m.recorded == PTL_OK)
        return st;
    *err = m.record_error; /* the run went well, its part is not whole */
    return m.recorded;
}
