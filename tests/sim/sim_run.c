/*
 * sim_run.c - see sim_run.h.
 *
 * Process 0 is the coordinator, then come parameter servers, then workers. A
 * worker's owner copies values, waits a while for each gradient, gives them in
 * any order. Workers are killed and come again with another incarnation; or
 * they sleep so long that another process takes their place, and then wake up.
 */
#include "sim_run.h"
#include "dist/coordinator.h"
#include "dist/ps.h"
#include "dist/worker.h"
#include "sim_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE = 2, /* processes that take the place of those that sleep */
    PROCESSES = 1 + SIM_SERVERS + SIM_WORKERS + SPARE,
    TICK_MS = 20,
    STALL_MS = 20000,
    /* Longer than every deadline, LOADING's 5 * STALL_MS among them: nothing
     * may take so long. */
    LIMIT_MS = 8 * STALL_MS,
    LINGER_MS = 2000, /* a process that ended still answers for so long */
    CHUNK = 64
};

/* A value a worker asked for; epochs count from 1. */
typedef struct asked {
    uint64_t epoch, version;
} asked;

typedef struct process {
    struct sim *sim;
    int index; /* of the process */
    int worker, life;
    dist_coordinator *coordinator;
    dist_ps *ps;
    dist_worker *machine;
    dist_hub *hub;
    bool alive, ended;
    uint64_t sleeps_until;
    bool replaced; /* while it slept */
    bool late;     /* it came when the job had ended */
    ptl_status status;
    char why[200], endpoint[8];
    /* Of a worker. */
    uint64_t step;
    int to_give; /* gradients of the step */
    uint64_t incoming[SIM_BUCKETS][SIM_ELEMENTS], version[SIM_BUCKETS];
    bool whole[SIM_BUCKETS];      /* all of it came */
    bool lacks[SIM_BUCKETS];      /* the step began without it */
    int lacking;                  /* so many */
    uint64_t slots[SIM_ELEMENTS]; /* of the chief */
    asked asked[SIM_BUCKETS];     /* last */
} process;

/* What parameter servers told of their buckets, in its order. */
typedef struct told {
    bool again; /* members changed: what was read then may be read again */
    int reads[SIM_BUCKETS][SIM_WORKERS], gave[SIM_BUCKETS][SIM_WORKERS];
    uint64_t values[SIM_BUCKETS][SIM_WORKERS][SIM_STEPS + 1][SIM_ELEMENTS];
} told;

typedef struct sim {
    sim_random random;
    sim_net *net;
    sim_model model;
    machine_job job;
    wire_limits limits;
    uint64_t bytes[SIM_BUCKETS];
    ptl_dtype types[SIM_BUCKETS];
    machine_totals totals;
    machine_bucket buckets[SIM_BUCKETS];
    bool saves; /* the chief asks for slots */
    bool late;  /* values of every other bucket may be */
    process processes[PROCESSES];
    int count, spare;       /* processes; of those, to take places */
    int lives[SIM_WORKERS]; /* begun so far */
    bool barriers, trace;
    bool entered[SIM_WORKERS][SIM_STEPS];
    uint64_t version[SIM_BUCKETS]; /* at the end */
    int kills;
    bool drained, damage, lies;
    told told;
    uint64_t compute_most;
    sim_result *result;
} sim;

/* What sim_net_later() tells: tokens are these addresses, of a gradient also
 * which. */
static char tick_token, kill_token, begin_token, drain_token, sleep_token,
    exit_token;
static char gradient_tokens[SIM_LIVES][SIM_STEPS];

static void trace(const process *p, const char *text)
{
    if (p->sim->trace)
        printf("%6llu process %d: %s\n",
               (unsigned long long)sim_net_now(p->sim->net), p->index, text);
}

static uint64_t now(const process *p)
{
    return sim_net_now(p->sim->net);
}

/* ---------- the outside of a machine ---------- */

static dist_transport *transport(const process *p)
{
    return sim_net_transport(p->sim->net, p->index);
}

/* What nobody needs is not said: a version asked for twice under one
 * membership, a barrier of one worker. */
static void judge_sent(process *p, const uint8_t *head)
{
    sim *s = p->sim;
    uint64_t epoch = wire_get(head + 12, 4), version = wire_get(head + 40, 8);
    uint32_t bucket = (uint32_t)wire_get(head + 36, 4);
    int type = (int)wire_get(head + 6, 2);
    if (type == WIRE_BAR_ENTER && s->job.workers == 1)
        sim_model_wrong(&s->model, "a worker alone entered barrier %u",
                        (unsigned)bucket);
    if (type != WIRE_PULL || s->model.rules.sync != DIST_BARRIER ||
        wire_get(head + 8, 4) & (WIRE_RETRANSMIT | WIRE_SLOTS))
        return;
    if (p->asked[bucket].epoch == epoch && p->asked[bucket].version == version)
        sim_model_wrong(
            &s->model, "worker %d asked twice for version %llu of bucket %u",
            p->worker, (unsigned long long)version, (unsigned)bucket);
    p->asked[bucket] = (asked){epoch, version};
}

static void out_send(void *ctx, int connection, const wire_frame *frames,
                     int count, dist_blob *payload)
{
    dist_transport *t = transport(ctx);
    judge_sent(ctx, frames[0].data);
    t->ops->send(t, connection, frames, count, payload);
}

static void out_close(void *ctx, int connection)
{
    dist_transport *t = transport(ctx);
    t->ops->close(t, connection);
}

static void out_connect(void *ctx, uint32_t node, const char *endpoint)
{
    dist_transport *t = transport(ctx);
    bool coordinator = wire_role(node) == WIRE_COORDINATOR;
    t->ops->connect(t, coordinator ? "0" : endpoint, 0, node);
}

static void out_ended(void *ctx, ptl_status status, const char *text)
{
    process *p = ctx;
    p->ended = true;
    p->status = status;
    snprintf(p->why, sizeof p->why, "%s", text);
    trace(p, p->why);
    sim_net_later(p->sim->net, p->index, LINGER_MS, &exit_token, p->life);
}

/* Where nothing is damaged, no rule is broken. */
static void out_log(void *ctx, const char *line)
{
    process *p = ctx;
    if (!p->sim->damage && strstr(line, "was dropped"))
        sim_model_wrong(&p->sim->model, "%s", line);
    trace(p, line);
}

static machine_out outside(process *p)
{
    return (machine_out){.wire = {p, out_send, out_close, out_log, NULL},
                         .ctx = p,
                         .connect = out_connect,
                         .ended = out_ended};
}

/* ---------- what becomes of buckets ---------- */

static void tell_read(sim *s, int b, int worker)
{
    int *count = &s->told.reads[b][worker];
    if (s->told.again)
        return;
    if (*count > SIM_STEPS) {
        sim_model_wrong(&s->model, "worker %d read bucket %d too often", worker,
                        b);
        return;
    }
    memcpy(s->told.values[b][worker][(*count)++], s->model.value[b],
           s->bytes[b]);
}

static void tell(void *ctx, shard_event what, uint32_t bucket, int worker,
                 uint64_t round)
{
    sim *s = ((process *)ctx)->sim;
    uint64_t next = s->job.first_step + (uint64_t)s->told.gave[bucket][worker];
    if (what == SHARD_EVENT_AGAIN) {
        s->told.again = true;
    } else if (what == SHARD_EVENT_READ) {
        tell_read(s, (int)bucket, worker);
    } else if (what != SHARD_EVENT_SLOTS) {
        if (round != next)
            sim_model_wrong(&s->model,
                            "exchange %llu of worker %d and bucket %u was told "
                            "of, not %llu",
                            (unsigned long long)round, worker, (unsigned)bucket,
                            (unsigned long long)next);
        s->told.gave[bucket][worker]++;
    }
}

/* What a worker computed from is what it read last, by what was told: so a
 * schedule of it can be replayed. Under `barrier` it may be the version before.
 */
static void check_told(sim *s)
{
    sim_model *m = &s->model;
    if (s->told.again || m->rules.sync == DIST_BARRIER)
        return;
    for (int w = 0; w < m->workers; w++)
        for (int step = 0; step < SIM_STEPS; step++)
            for (int b = 0; b < m->buckets && m->reads[w][0][step].done; b++)
                if (memcmp(m->reads[w][0][step].values[b],
                           s->told.values[b][w][step], s->bytes[b]) != 0)
                    sim_model_wrong(m,
                                    "worker %d computed step %d from another "
                                    "value of bucket %d than it was told of",
                                    w, step, b);
}

/* ---------- a worker's owner ---------- */

/* The model counts steps from 0. */
static uint64_t first_step(const process *p)
{
    return p->sim->job.first_step;
}

/* Gradients come in a while, from the values that are here: all of them. */
static void compute(process *p)
{
    sim *s = p->sim;
    sim_read *r = &s->model.reads[p->worker][p->life][p->step];
    r->done = true;
    memcpy(r->version, p->version, sizeof r->version);
    memcpy(r->values, p->incoming, sizeof r->values);
    for (int b = 0; b < s->model.buckets; b++)
        sim_net_later(s->net, p->index,
                      sim_draw(&s->random, s->compute_most + 1),
                      &gradient_tokens[p->life][p->step], b);
}

static void take_value(void *ctx, uint32_t bucket, uint64_t version,
                       size_t offset, const uint8_t *bytes, size_t size,
                       dist_blob *holder)
{
    (void)holder;
    process *p = ctx;
    memcpy((uint8_t *)p->incoming[bucket] + offset, bytes, size);
    p->version[bucket] = version - first_step(p);
    p->whole[bucket] = offset + size == p->sim->bytes[bucket];
    if (!p->whole[bucket] || !p->lacks[bucket])
        return;
    p->lacks[bucket] = false;
    if (--p->lacking == 0)
        compute(p);
}

/* Of what this step computes from. */
static bool is_here(const process *p, int bucket, uint64_t step)
{
    bool lockstep = p->sim->model.rules.sync == DIST_BARRIER;
    return p->whole[bucket] && (!lockstep || p->version[bucket] == step);
}

/* Only what may be late is, and nothing at the end. */
static void look_for_values(process *p, uint64_t step, bool end)
{
    sim *s = p->sim;
    p->lacking = 0;
    for (int b = 0; b < s->model.buckets; b++) {
        p->lacks[b] = !is_here(p, b, step);
        p->lacking += p->lacks[b];
        if (p->lacks[b] && (end || !s->buckets[b].late))
            sim_model_wrong(&s->model,
                            "worker %d began step %llu without bucket %d",
                            p->worker, (unsigned long long)step, b);
    }
}

static void begin_step(void *ctx, uint64_t absolute, bool end)
{
    process *p = ctx;
    sim *s = p->sim;
    uint64_t step = absolute - first_step(p);
    look_for_values(p, step, end);
    if (end) {
        worker_done(p->machine, now(p));
        return;
    }
    if (s->lies) /* any number */
        step %= s->model.steps;
    p->step = step;
    p->to_give = s->model.buckets;
    s->entered[p->worker][step] = true;
    worker_metrics(p->machine, &step, sizeof step, now(p));
    if (s->saves && p->worker == 0)
        worker_slots(p->machine, 0, now(p));
    else if (s->barriers)
        worker_enter(p->machine, 1 + (uint32_t)step % 3, step / 3, now(p));
    else if (p->lacking == 0)
        compute(p);
}

static void passed(void *ctx, uint32_t barrier, uint64_t generation)
{
    process *p = ctx;
    uint64_t step = generation * 3 + barrier - 1;
    for (int w = 0; w < p->sim->model.workers; w++)
        if (!p->sim->entered[w][step])
            sim_model_wrong(&p->sim->model,
                            "worker %d left barrier %u before worker %d came",
                            p->worker, (unsigned)barrier, w);
    compute(p);
}

/* A bucket's slots are a copy of its value: what the step began with. */
static void take_slots(void *ctx, uint32_t bucket, uint64_t updates,
                       size_t offset, const uint8_t *bytes, size_t size,
                       bool last)
{
    process *p = ctx;
    sim_model *m = &p->sim->model;
    (void)updates;
    if (bytes)
        memcpy((uint8_t *)p->slots + offset, bytes, size);
    else if (p->life == 0)
        sim_model_wrong(m, "slots of bucket %u are gone", (unsigned)bucket);
    if (!last)
        return;
    if (bytes &&
        memcmp(p->slots, p->incoming[bucket], 8 * m->elements[bucket]) != 0)
        sim_model_wrong(m, "slots of bucket %u are not those of step %llu",
                        (unsigned)bucket, (unsigned long long)p->step);
    if ((int)bucket + 1 < m->buckets)
        worker_slots(p->machine, bucket + 1, now(p));
    else
        compute(p);
}

static void take_metrics(void *ctx, int worker, uint64_t absolute,
                         const uint8_t *bytes, size_t size)
{
    process *p = ctx;
    uint64_t step = UINT64_MAX;
    if (size == sizeof step)
        memcpy(&step, bytes, sizeof step);
    if (p->worker != 0 || worker < 0 || worker >= p->sim->model.workers ||
        step >= p->sim->model.steps || step != absolute - first_step(p) ||
        !p->sim->entered[worker][step])
        sim_model_wrong(&p->sim->model, "metrics of worker %d are wrong",
                        worker);
}

static void give_gradient(process *p, uint64_t step, int bucket)
{
    const sim_model *m = &p->sim->model;
    uint64_t words[SIM_ELEMENTS];
    bool empty = sim_is_empty(m, p->worker, step);
    sim_gradient(m, p->worker, p->life, step, bucket, words);
    dist_blob *bytes = empty ? NULL : blob_copy(words, 8 * m->elements[bucket]);
    double weight = empty ? 0 : sim_weight(m, p->worker, step);
    worker_gradient(p->machine, (uint32_t)bucket, bytes, weight, now(p));
    blob_drop(bytes);
    if (--p->to_give == 0)
        worker_done(p->machine, now(p));
}

/* ---------- lives ---------- */

static uint64_t incarnation(sim *s)
{
    return 1 + sim_draw(&s->random, UINT64_MAX - 1);
}

static void begin_process(process *p)
{
    sim *s = p->sim;
    machine_out out = outside(p);
    worker_owner owner = {.ctx = p,
                          .value = take_value,
                          .step = begin_step,
                          .passed = passed,
                          .slots = take_slots,
                          .metrics = take_metrics};
    p->alive = true;
    memset(p->asked, 0, sizeof p->asked);
    memset(p->lacks, 0, sizeof p->lacks);
    p->late = s->processes[0].ended;
    snprintf(p->endpoint, sizeof p->endpoint, "%d", p->index);
    if (p->index == 0) {
        p->coordinator = coordinator_new(&s->job, incarnation(s), &out, now(p));
        p->hub = coordinator_hub(p->coordinator);
    } else if (p->index <= s->job.servers) {
        shard_store store = sim_store(&s->model, p->index - 1);
        out.notice = (shard_notice){p, tell};
        p->ps = ps_new(&s->job, p->index - 1, incarnation(s), p->endpoint,
                       &store, &out, now(p));
        p->hub = ps_hub(p->ps);
    } else {
        p->life = s->lives[p->worker]++;
        p->machine = worker_new(&s->job, p->worker, incarnation(s), &owner,
                                &out, now(p));
        p->hub = worker_hub(p->machine);
    }
    sim_net_later(s->net, p->index, TICK_MS, &tick_token, p->life);
}

static void free_machine(process *p)
{
    coordinator_free(p->coordinator);
    ps_free(p->ps);
    worker_free(p->machine);
    p->coordinator = NULL;
    p->ps = NULL;
    p->machine = NULL;
    p->hub = NULL;
    p->alive = false;
}

/* Before a ps is gone. */
static void note_versions(const process *p)
{
    for (int b = 0; p->ps && b < p->sim->model.buckets; b++) {
        const dist_shard *x = ps_shard(p->ps, (uint32_t)b);
        if (x)
            p->sim->version[b] = shard_version(x) - first_step(p);
    }
}

static void leave(process *p)
{
    note_versions(p);
    free_machine(p);
    sim_net_kill(p->sim->net, p->index);
}

static void kill_process(process *p)
{
    sim *s = p->sim;
    if (!p->alive || p->ended || p->replaced ||
        s->lives[p->worker] == SIM_LIVES)
        return;
    trace(p, "killed");
    s->kills++;
    leave(p);
    sim_net_later(s->net, p->index, sim_range(&s->random, 0, 900), &begin_token,
                  0);
}

static void come_again(process *p)
{
    if (p->alive)
        return;
    trace(p, "comes");
    memset(p->version, 0, sizeof p->version);
    begin_process(p);
}

/* It sleeps; before it wakes another process has its place. */
static void fall_asleep(process *p)
{
    sim *s = p->sim;
    if (!p->alive || p->ended || p->replaced || s->spare == SPARE ||
        s->lives[p->worker] == SIM_LIVES)
        return;
    trace(p, "sleeps");
    process *other = &s->processes[s->count++];
    s->spare++;
    *other = (process){.sim = s, .index = s->count - 1, .worker = p->worker};
    p->replaced = true;
    p->sleeps_until = now(p) + sim_range(&s->random, 300, 2500);
    sim_net_later(s->net, other->index, sim_range(&s->random, 300, 900),
                  &begin_token, 0);
}

/* ---------- events ---------- */

static void tick(process *p)
{
    if (p->coordinator)
        coordinator_tick(p->coordinator, now(p));
    else if (p->ps)
        ps_tick(p->ps, now(p));
    else
        worker_tick(p->machine, now(p));
    sim_net_later(p->sim->net, p->index, TICK_MS, &tick_token, p->life);
}

/* False: it is no token of a gradient of this life. */
static bool take_gradient_token(process *p, const char *token, int bucket)
{
    const char *first = &gradient_tokens[0][0];
    if (token < first || token >= first + sizeof gradient_tokens)
        return false;
    size_t at = (size_t)(token - first);
    if (p->alive && (int)(at / SIM_STEPS) == p->life)
        give_gradient(p, at % SIM_STEPS, bucket);
    return true;
}

static void own_event(process *p, const char *token, int value)
{
    if (take_gradient_token(p, token, value))
        return;
    if (token == &begin_token)
        come_again(p);
    else if (token == &kill_token)
        kill_process(p);
    else if (token == &sleep_token)
        fall_asleep(p);
    else if (token == &exit_token && value == p->life)
        leave(p);
    else if (token == &tick_token && p->alive && value == p->life)
        tick(p);
    else if (token == &drain_token && p->alive && !p->ended) {
        p->sim->drained = true;
        worker_drain(p->machine, now(p));
    }
}

static void trace_event(const process *p, const transport_event *e)
{
    char text[100];
    int type = e->kind == TRANSPORT_MESSAGE
                   ? (int)wire_get(e->frames[0].data + 6, 2)
                   : 0;
    const char *name = wire_type_name(type);
    if (!p->sim->trace)
        return;
    snprintf(text, sizeof text, "connection %d: %s", e->connection,
             e->kind == TRANSPORT_UP     ? "up"
             : e->kind == TRANSPORT_DOWN ? "down"
             : name                      ? name
                                         : "a message");
    trace(p, text);
}

static void net_event(process *p, transport_event *e)
{
    if (!p->alive)
        return;
    trace_event(p, e);
    if (e->kind == TRANSPORT_UP)
        hub_connected(p->hub, e->connection, e->node, now(p));
    else if (e->kind == TRANSPORT_DOWN)
        hub_disconnected(p->hub, e->connection, now(p));
    else
        hub_receive(p->hub, e->connection, e->frames, e->count, now(p));
}

static void pump(process *p)
{
    dist_transport *t = transport(p);
    transport_event e;
    t->ops->next(t, now(p), &e);
    if (e.kind == TRANSPORT_NOTHING) {
        if (e.token)
            own_event(p, e.token, e.connection);
        return;
    }
    net_event(p, &e);
    t->ops->done(t, &e);
}

/* ---------- the schedule ---------- */

static void draw_job(sim *s)
{
    sim_model *m = &s->model;
    sim_random *r = &s->random;
    m->seed = r->state;
    m->workers = (int)sim_range(r, 1, SIM_WORKERS);
    m->buckets = (int)sim_range(r, 1, SIM_BUCKETS);
    m->steps = sim_range(r, 1, SIM_STEPS);
    static const uint64_t firsts[] = {0, 1, UINT32_MAX - 2, INT64_MAX - 3};
    m->rules.workers = m->workers;
    m->rules.first_step = firsts[sim_draw(r, 4)];
    m->rules.sync = (dist_sync)sim_draw(r, 3);
    m->rules.aggregate = (dist_aggregate)sim_draw(r, 3);
    m->rules.ordered = sim_draw(r, 2) == 0;
    if (m->rules.sync == DIST_STALE)
        m->rules.stale = (int)sim_range(r, 0, 3);
    if (m->rules.sync == DIST_ASYNC) {
        m->rules.aggregate = DIST_APPLY_EACH;
        m->rules.ordered = false;
    }
    if (m->rules.sync != DIST_BARRIER)
        m->barrier = sim_draw(r, 4);
    s->job.servers = (int)sim_range(r, 1, SIM_SERVERS);
    for (int b = 0; b < m->buckets; b++) {
        m->elements[b] = (size_t)sim_range(r, 1, SIM_ELEMENTS);
        s->bytes[b] = 8 * m->elements[b];
        s->types[b] = PTL_I64;
        m->owners[b] = (int)sim_draw(r, (uint64_t)s->job.servers);
    }
    s->barriers = m->rules.sync == DIST_BARRIER && sim_draw(r, 3) == 0;
    bool lockstep = m->rules.aggregate != DIST_APPLY_EACH || m->rules.ordered;
    s->saves = m->rules.sync == DIST_BARRIER && lockstep && !s->barriers &&
               sim_draw(r, 2) == 0;
    s->compute_most = sim_draw(r, 4) ? 5 : 200;
    s->late = m->rules.sync == DIST_BARRIER && !s->barriers && !s->saves &&
              sim_draw(r, 2) == 0;
    if (m->rules.sync == DIST_BARRIER && lockstep)
        m->rounds = (int)sim_draw(r, 1 + SIM_ROUNDS);
    m->rules.hold = m->rounds > 0;
}

static void fill_job(sim *s)
{
    machine_job *j = &s->job;
    s->limits = (wire_limits){.job = 42,
                              .chunk = CHUNK,
                              .bucket_count = s->model.buckets,
                              .bucket_bytes = s->bytes,
                              .slot_bytes = s->bytes,
                              .bucket_types = s->types};
    j->id = 42;
    j->workers = s->model.workers;
    j->agreement = "model sum\nseed 1\n";
    j->limits = &s->limits;
    for (int b = 0; b < s->model.buckets; b++)
        s->buckets[b] = (machine_bucket){.owner = s->model.owners[b],
                                         .every = 1,
                                         .barrier = s->model.barrier,
                                         .late = s->late && b % 2 == 0,
                                         .rules = s->model.rules};
    j->buckets = s->buckets;
    s->totals = sim_totals(&s->model);
    j->totals = s->model.rounds > 0 ? &s->totals : NULL;
    j->first_step = s->model.rules.first_step;
    j->total = j->steps = j->first_step + s->model.steps;
    j->barriers = 3;
    j->window = CHUNK * sim_range(&s->random, 1, 8);
    j->retry = 60;
    j->liveness = (liveness_rules){100, 900, STALL_MS};
    j->join_wait = 30000;
    j->worker_wait = 10000;
    s->count = 1 + j->servers + j->workers;
}

static sim_faults draw_faults(sim_random *r)
{
    sim_faults f = {.delay_least = sim_draw(r, 3),
                    .in_order = sim_draw(r, 2),
                    .until = 4000};
    f.delay_most = f.delay_least + sim_draw(r, 20);
    if (sim_draw(r, 2)) {
        f.late = sim_draw(r, 300);
        f.late_most = 150;
    }
    if (sim_draw(r, 2))
        f.twice = sim_draw(r, 1500);
    if (sim_draw(r, 2))
        f.disconnect = sim_draw(r, 300);
    if (sim_draw(r, 4) == 0)
        f.damage = sim_draw(r, 200);
    if (sim_draw(r, 4) == 0)
        f.lose = sim_draw(r, 500);
    return f;
}

/* To one of the workers, some time in the beginning. */
static void draw_event(sim *s, char *token, uint64_t most)
{
    int first = 1 + s->job.servers;
    int worker = (int)sim_draw(&s->random, (uint64_t)s->job.workers);
    sim_net_later(s->net, first + worker, sim_range(&s->random, 10, most),
                  token, 0);
}

/* Workers that die or sleep, and a job that is ended early. */
static void draw_events(sim *s)
{
    sim_random *r = &s->random;
    int kills = sim_draw(r, 3) == 0 ? (int)sim_range(r, 1, 3) : 0;
    int sleeps = sim_draw(r, 4) == 0 ? (int)sim_range(r, 1, SPARE) : 0;
    for (int i = 0; i < kills; i++)
        draw_event(s, &kill_token, 900);
    for (int i = 0; i < sleeps; i++)
        draw_event(s, &sleep_token, 900);
    if (sim_draw(r, 8) == 0)
        draw_event(s, &drain_token, 500);
}

static void describe(const sim *s, const sim_faults *f, sim_result *out)
{
    static const char *const syncs[] = {"barrier", "async", "stale"};
    static const char *const aggregates[] = {"mean", "sum", "apply_each"};
    snprintf(out->what, sizeof out->what,
             "%d ps, %d workers, %d buckets, %llu steps, %s%s %s(%d), barrier "
             "every %llu, %d rounds%s%s; twice "
             "%llu, damage %llu, lose %llu, break %llu, %s order",
             s->job.servers, s->job.workers, s->model.buckets,
             (unsigned long long)s->model.steps,
             s->model.rules.ordered ? "ordered " : "",
             aggregates[s->model.rules.aggregate], syncs[s->model.rules.sync],
             s->model.rules.stale, (unsigned long long)s->model.barrier,
             s->model.rounds, s->barriers ? ", barriers" : "",
             s->late ? ", late values" : "", (unsigned long long)f->twice,
             (unsigned long long)f->damage, (unsigned long long)f->lose,
             (unsigned long long)f->disconnect, f->in_order ? "in" : "out of");
}

static void begin(sim *s, sim_result *out)
{
    draw_job(s);
    fill_job(s);
    sim_faults f = draw_faults(&s->random);
    s->damage = f.damage > 0 || s->lies;
    if (s->lies)
        f.lie = sim_range(&s->random, 1, 300);
    s->net = sim_net_new(PROCESSES, &f, sim_draw(&s->random, UINT64_MAX));
    sim_model_init(&s->model);
    describe(s, &f, out);
    for (int i = 0; i < PROCESSES; i++) { /* a liar may name any of them */
        s->processes[i].sim = s;
        s->processes[i].index = i;
    }
    for (int i = 0; i < s->count; i++) {
        sim_net_later(s->net, i, sim_draw(&s->random, 100), &begin_token, 0);
        s->processes[i].worker = i - 1 - s->job.servers;
    }
    draw_events(s);
}

static bool all_ended(const sim *s)
{
    for (int i = 0; i < s->count; i++)
        if (!s->processes[i].ended)
            return false;
    return true;
}

static void name_waiting(const sim *s, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "still waiting:");
    for (int i = 0; i < s->count && at < size; i++)
        if (!s->processes[i].ended)
            at += (size_t)snprintf(text + at, size - at, " process %d", i);
}

static void go_on(sim *s, sim_result *out)
{
    uint64_t time;
    int who;
    while (!all_ended(s) && (s->lies || !s->model.wrong[0]) &&
           sim_net_peek(s->net, &time, &who)) {
        if (time > LIMIT_MS) {
            name_waiting(s, out->wrong, sizeof out->wrong);
            return;
        }
        sim_net_advance(s->net, time);
        if (s->processes[who].sleeps_until > time) {
            sim_net_defer(s->net, s->processes[who].sleeps_until);
            continue;
        }
        pump(&s->processes[who]);
    }
}

/* Steps whose gradients are all in: all there were, or as many as were agreed
 * on, and the same of every bucket. */
static uint64_t steps_made(sim *s)
{
    for (int i = 0; i < s->count; i++)
        note_versions(&s->processes[i]);
    for (int b = 1; b < s->model.buckets; b++)
        if (s->version[b] != s->version[0])
            sim_model_wrong(&s->model, "buckets end at other versions");
    return s->version[0];
}

/* In order; or refused, rightly: its place was taken, or the job was over. */
static bool ended_well(const process *p)
{
    bool late = p->life > 0 || p->sim->drained || p->replaced;
    return p->status == PTL_OK ||
           (p->status == PTL_E_PEER_LOST && (p->replaced || p->late)) ||
           (p->status == PTL_E_REFUSED && late);
}

static void judge(sim *s, sim_result *out)
{
    uint64_t made = steps_made(s);
    for (int i = 0; i < s->count; i++) {
        const process *p = &s->processes[i];
        if (!out->wrong[0] && !ended_well(p))
            snprintf(out->wrong, sizeof out->wrong,
                     "process %d ended with %d: %s", i, (int)p->status, p->why);
    }
    if (made < s->model.steps && !s->drained)
        sim_model_wrong(&s->model, "only %llu steps were made",
                        (unsigned long long)made);
    if (!out->wrong[0])
        sim_model_check(&s->model, made);
    check_told(s);
    if (s->model.wrong[0])
        snprintf(out->wrong, sizeof out->wrong, "%s", s->model.wrong);
}

void sim_run(uint64_t seed, bool with_trace, bool lies, sim_result *out)
{
    sim *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *out = (sim_result){0};
    s->random.state = sim_mix(seed);
    s->trace = with_trace;
    s->lies = lies;
    begin(s, out);
    go_on(s, out);
    if (!s->lies)
        judge(s, out);
    out->ms = sim_net_now(s->net);
    out->counts = *sim_net_counts(s->net);
    out->kills = s->kills;
    for (int i = 0; i < s->count; i++)
        free_machine(&s->processes[i]);
    sim_net_free(s->net);
    free(s);
}
