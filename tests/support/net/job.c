/*
 * job.c - see job.h.
 */
#include "job.h"
#include "base/clock.h"
#include "base/thread.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHUNK = 64, LINGER_MS = 2000, TOO_LONG_S = 120 };

typedef struct job job;

/* A worker, and the thread that computes for it. */
typedef struct computing {
    job *job;
    int index;
    dist_worker *machine;
    net_reactor *reactor;
    uint64_t incoming[SIM_BUCKETS][SIM_ELEMENTS], version[SIM_BUCKETS];
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool asked, over;
    uint64_t step;
} computing;

typedef struct gradient {
    computing *worker;
    uint32_t bucket;
    dist_blob *bytes;
    double weight;
    bool last;
} gradient;

typedef struct process {
    job *job;
    pthread_t thread;
    dist_transport *transport;
    net_reactor *reactor;
    dist_coordinator *coordinator;
    dist_ps *ps;
    computing *worker;
    int machines, ended; /* how many it has, and how many are at their end */
    ptl_status status;   /* of the first that did not end well */
    char why[200], last_line[300], refused[300];
} process;

struct job {
    job_options options;
    sim_model model;
    machine_job machine;
    wire_limits limits;
    uint64_t bytes[SIM_BUCKETS];
    ptl_dtype types[SIM_BUCKETS];
    machine_bucket buckets[SIM_BUCKETS];
    char coordinator[NET_ENDPOINT_BYTES];
    computing workers[JOB_WORKERS];
    process processes[JOB_SERVERS + JOB_WORKERS];
    int count;
};

/* ---------- computing ---------- */

static void give(void *ctx)
{
    gradient *g = ctx;
    worker_gradient(g->worker->machine, g->bucket, g->bytes, g->weight,
                    clock_ms());
    if (g->last)
        worker_done(g->worker->machine, clock_ms());
    blob_drop(g->bytes);
    free(g);
}

static void compute(computing *w, uint64_t step)
{
    const sim_model *m = &w->job->model;
    bool empty = sim_is_empty(m, w->index, step);
    for (int b = 0; b < m->buckets; b++) {
        uint64_t words[SIM_ELEMENTS];
        gradient *g = calloc(1, sizeof *g);
        assert_non_null(g);
        sim_gradient(m, w->index, 0, step, b, words);
        *g = (gradient){.worker = w,
                        .bucket = (uint32_t)b,
                        .weight = empty ? 0 : sim_weight(m, w->index, step),
                        .last = b + 1 == m->buckets};
        g->bytes = empty ? NULL : blob_copy(words, 8 * m->elements[b]);
        reactor_post(w->reactor, give, g);
    }
}

static void *compute_steps(void *arg)
{
    computing *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->asked && !w->over)
            pthread_cond_wait(&w->changed, &w->lock);
        if (!w->asked)
            break;
        uint64_t step = w->step;
        w->asked = false;
        pthread_mutex_unlock(&w->lock);
        compute(w, step);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void take_value(void *ctx, uint32_t bucket, uint64_t version,
                       size_t offset, const uint8_t *bytes, size_t size,
                       dist_blob *holder)
{
    (void)holder;
    computing *w = ctx;
    memcpy((uint8_t *)w->incoming[bucket] + offset, bytes, size);
    w->version[bucket] = version;
}

/* All connections of a process at once, while messages are under way. */
static void break_all(void *ctx)
{
    process *p = ctx;
    for (int c = 0; c < 32; c++)
        p->transport->ops->close(p->transport, c);
}

static void begin_step(void *ctx, uint64_t step, bool end)
{
    computing *w = ctx;
    if (end) {
        worker_done(w->machine, clock_ms());
        return;
    }
    process *first = &w->job->processes[0];
    if (w->job->options.breaks && w->index == 0)
        reactor_post(first->reactor, break_all, first);
    sim_read *r = &w->job->model.reads[w->index][0][step];
    r->done = true;
    memcpy(r->version, w->version, sizeof r->version);
    memcpy(r->values, w->incoming, sizeof r->values);
    pthread_mutex_lock(&w->lock);
    w->step = step;
    w->asked = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void end_computing(computing *w)
{
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

/* ---------- a process ---------- */

static void ended(void *ctx, ptl_status status, const char *text)
{
    process *p = ctx;
    if (p->status == PTL_OK) {
        p->status = status;
        snprintf(p->why, sizeof p->why, "%s", text);
    }
    if (++p->ended == p->machines)
        reactor_stop(p->reactor, LINGER_MS);
}

static void log_line(void *ctx, const char *line)
{
    process *p = ctx;
    snprintf(p->last_line, sizeof p->last_line, "%s", line);
    if (strncmp(line, "refused", 7) == 0)
        snprintf(p->refused, sizeof p->refused, "%s", line);
}

static void begin_worker(process *p, computing *w)
{
    const worker_owner owner = {
        .ctx = w, .value = take_value, .step = begin_step};
    reactor_owner o = {p, ended, log_line};
    machine_out out =
        reactor_outside(p->reactor, wire_node(WIRE_WORKER, w->index), &o);
    p->worker = w;
    p->machines++;
    w->reactor = p->reactor;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    assert_int_equal(thread_start(&w->thread, compute_steps, w), 0);
    w->machine = worker_new(&p->job->machine, w->index,
                            100 + (uint64_t)w->index, &owner, &out, clock_ms());
    reactor_add_worker(p->reactor, w->machine);
}

static void begin_server(process *p, int index)
{
    job *j = p->job;
    reactor_owner o = {p, ended, log_line};
    shard_store store = sim_store(&j->model, index);
    machine_out out =
        reactor_outside(p->reactor, wire_node(WIRE_PS, index), &o);
    p->machines++;
    p->ps = ps_new(&j->machine, index, 10 + (uint64_t)index,
                   net_endpoint_of(p->transport), &store, &out, clock_ms());
    reactor_add_ps(p->reactor, p->ps);
    if (index > 0)
        return;
    out = reactor_outside(p->reactor, wire_node(WIRE_COORDINATOR, 0), &o);
    p->machines++;
    p->coordinator = coordinator_new(&j->machine, 1, &out, clock_ms());
    reactor_add_coordinator(p->reactor, p->coordinator);
}

static void *run_process(void *arg)
{
    process *p = arg;
    reactor_run(p->reactor);
    if (p->worker)
        end_computing(p->worker);
    return NULL;
}

static process *open_process(job *j, int server, const char *keys)
{
    process *p = &j->processes[j->count++];
    char bind[NET_ENDPOINT_BYTES] = "tcp://127.0.0.1:*";
    ptl_error err;
    if (j->options.folder)
        snprintf(bind, sizeof bind, "ipc://%s/%d", j->options.folder, server);
    net_options o = {.bind = server >= 0 ? bind : NULL,
                     .peers = JOB_SERVERS + JOB_WORKERS,
                     .chunk = CHUNK,
                     .curve = keys != NULL,
                     .keys = keys,
                     .server = server >= 0 ? server : 0,
                     .log = log_line,
                     .ctx = p};
    p->job = j;
    if (net_open(&o, &p->transport, &err) != PTL_OK)
        fail_msg("%s", err.text);
    if (server == 0)
        snprintf(j->coordinator, sizeof j->coordinator, "%s",
                 net_endpoint_of(p->transport));
    p->reactor = reactor_new(p->transport, j->coordinator);
    return p;
}

static void close_process(process *p)
{
    coordinator_free(p->coordinator);
    ps_free(p->ps);
    if (p->worker)
        worker_free(p->worker->machine);
    reactor_free(p->reactor);
    net_close(p->transport, 0);
}

/* ---------- the job ---------- */

static void fill(job *j, uint64_t seed)
{
    sim_model *m = &j->model;
    machine_job *x = &j->machine;
    *m = (sim_model){.seed = seed,
                     .workers = j->options.workers,
                     .buckets = SIM_BUCKETS,
                     .steps = SIM_STEPS,
                     .rules = {.workers = j->options.workers,
                               .aggregate = DIST_MEAN,
                               .sync = DIST_BARRIER,
                               .ordered = true}};
    j->limits = (wire_limits){.job = 42,
                              .chunk = CHUNK,
                              .bucket_count = SIM_BUCKETS,
                              .bucket_bytes = j->bytes,
                              .slot_bytes = j->bytes,
                              .bucket_types = j->types};
    for (int b = 0; b < SIM_BUCKETS; b++) {
        m->elements[b] = (size_t)(SIM_ELEMENTS - 9 * b);
        j->bytes[b] = 8 * m->elements[b];
        j->types[b] = PTL_I64;
        j->buckets[b] = (machine_bucket){
            .owner = b % j->options.servers, .every = 1, .rules = m->rules};
    }
    *x = (machine_job){.id = 42,
                       .servers = j->options.servers,
                       .workers = j->options.workers,
                       .agreement = "model sum\n",
                       .limits = &j->limits,
                       .buckets = j->buckets,
                       .steps = SIM_STEPS,
                       .total = SIM_STEPS,
                       .window = 4 * CHUNK,
                       .retry = 500,
                       .liveness = {100, 10000, 60000},
                       .join_wait = 60000,
                       .worker_wait = 10000};
    sim_model_init(m);
}

static void start_all(job *j)
{
    for (int i = 0; i < j->count; i++)
        assert_int_equal(thread_start(&j->processes[i].thread, run_process,
                                      &j->processes[i]),
                         0);
}

static void begin(job *j)
{
    for (int i = 0; i < j->options.servers; i++) {
        process *p = open_process(j, i, j->options.keys);
        begin_server(p, i);
        if (i == 0 && j->options.together)
            begin_worker(p, &j->workers[0]);
    }
    for (int w = j->options.together; w < j->options.workers; w++)
        begin_worker(open_process(j, -1, j->options.keys), &j->workers[w]);
    start_all(j);
}

static void check(const job *j)
{
    for (int i = 0; i < j->count; i++) {
        const process *p = &j->processes[i];
        if (p->status != PTL_OK)
            fail_msg("process %d: %s (%s)", i, p->why, p->last_line);
    }
    if (j->model.wrong[0])
        fail_msg("%s", j->model.wrong);
}

static job *new_job(const job_options *options, uint64_t seed)
{
    job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->options = *options;
    for (int w = 0; w < JOB_WORKERS; w++)
        j->workers[w] = (computing){.job = j, .index = w};
    fill(j, seed);
    alarm(TOO_LONG_S);
    return j;
}

static void free_job(job *j)
{
    for (int i = j->count; i-- > 0;)
        close_process(&j->processes[i]);
    free(j);
}

void job_refuses(const job_options *options, const char *keys, const char *why)
{
    job *j = new_job(options, 1);
    process *server = open_process(j, 0, options->keys);
    begin_server(server, 0);
    process *thief = open_process(j, -1, keys);
    begin_worker(thief, &j->workers[1]);
    start_all(j);
    pthread_join(thief->thread, NULL);
    reactor_stop(server->reactor, 0);
    pthread_join(server->thread, NULL);
    alarm(0);
    assert_int_equal(thief->status, PTL_E_REFUSED);
    assert_non_null(strstr(thief->why, why));
    assert_non_null(strstr(server->refused, why));
    free_job(j);
}

void job_run(const job_options *options, uint64_t seed)
{
    job *j = new_job(options, seed);
    begin(j);
    for (int i = 0; i < j->count; i++)
        pthread_join(j->processes[i].thread, NULL);
    alarm(0);
    sim_model_check(&j->model, SIM_STEPS);
    check(j);
    free_job(j);
}
