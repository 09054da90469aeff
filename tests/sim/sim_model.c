/*
 * sim_model.c - see sim_model.h.
 */
#include "sim_model.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sim_model_wrong(sim_model *m, const char *format, ...)
{
    va_list args;
    if (m->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(m->wrong, sizeof m->wrong, format, args);
    va_end(args);
}

/* ---------- gradients ---------- */

static uint64_t word(const sim_model *m, int worker, uint64_t step, int bucket,
                     size_t i)
{
    uint64_t key = (uint64_t)worker << 48 ^ step << 32 ^
                   (uint64_t)bucket << 16 ^ (uint64_t)i;
    return sim_mix(m->seed ^ sim_mix(key));
}

bool sim_is_empty(const sim_model *m, int worker, uint64_t step)
{
    return word(m, worker, step, 99, 0) % 16 == 0;
}

double sim_weight(const sim_model *m, int worker, uint64_t step)
{
    return (double)(1 + word(m, worker, step, 98, 0) % 50);
}

static uint64_t label(int worker, int life, uint64_t step, int bucket)
{
    return (uint64_t)bucket << 56 | (uint64_t)life << 48 |
           (uint64_t)worker << 32 | step;
}

void sim_gradient(const sim_model *m, int worker, int life, uint64_t step,
                  int bucket, uint64_t *out)
{
    const sim_read *r = &m->reads[worker][life][step];
    for (size_t i = 0; i < m->elements[bucket]; i++)
        out[i] =
            word(m, worker, step, bucket, i) % 1000 + 3 * r->values[bucket][i];
    out[0] = label(worker, life, step, bucket);
}

/* ---------- arithmetic ---------- */

static void add_to(const sim_model *m, uint64_t *sum, const uint64_t *part,
                   size_t count, bool first)
{
    uint64_t factor = m->rules.ordered ? 31 : 1;
    for (size_t i = 0; i < count; i++)
        sum[i] = first ? part[i] : sum[i] * factor + part[i];
}

static void update_by(uint64_t *value, const uint64_t *sum, size_t count,
                      double weight, uint64_t updates, const uint64_t *totals,
                      int rounds)
{
    for (size_t i = 0; i < count; i++)
        value[i] = value[i] * 5 + sum[i] + (uint64_t)weight + 7 * updates;
    for (int r = 0; r < rounds; r++)
        for (size_t i = 0; i < count; i++)
            value[i] = value[i] * 3 + totals[r];
}

/* Of one bucket in a round: of all it will be updated by, and of the totals
 * before. */
static uint64_t partial(const uint64_t *value, const uint64_t *sum,
                        size_t count, double weight, uint64_t updates,
                        const uint64_t *totals, int round)
{
    uint64_t x = (uint64_t)weight + updates;
    for (size_t i = 0; i < count; i++)
        x = x * 7 + value[i] + 2 * sum[i];
    for (int r = 0; r < round; r++)
        x = x * 11 + totals[r];
    return x;
}

static uint64_t total_of(const uint64_t *partials, int buckets)
{
    uint64_t x = 0;
    for (int b = 0; b < buckets; b++)
        x = x * 13 + partials[b];
    return x;
}

static void initial(const sim_model *m, int bucket, uint64_t *value)
{
    for (size_t i = 0; i < m->elements[bucket]; i++)
        value[i] = word(m, 77, 0, bucket, i);
}

void sim_model_init(sim_model *m)
{
    for (int b = 0; b < m->buckets; b++)
        initial(m, b, m->value[b]);
}

/* ---------- the store ---------- */

static void take_entry(sim_model *m, uint32_t bucket, uint64_t text)
{
    sim_entry e = {.worker = (int)(text >> 32 & 0xffff),
                   .life = (int)(text >> 48 & 0xff),
                   .step = text & 0xffffffff};
    bool known = text >> 56 == bucket && e.worker < m->workers &&
                 e.life < SIM_LIVES && e.step < m->steps;
    if (!known || m->logged[bucket] == SIM_UPDATES)
        sim_model_wrong(m, "bucket %u got a gradient of nobody",
                        (unsigned)bucket);
    else
        m->log[bucket][m->logged[bucket]++] = e;
}

static void store_add(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                      int count, size_t bytes, bool first)
{
    sim_model *m = ((sim_server *)ctx)->model;
    uint64_t words[SIM_ELEMENTS];
    for (int i = 0; i < count; i++) {
        memcpy(words, parts[i], bytes);
        take_entry(m, bucket, words[0]);
        add_to(m, m->sum[bucket], words, bytes / 8, first && i == 0);
    }
}

static void store_update(void *ctx, uint32_t bucket, double weight,
                         uint64_t updates)
{
    const sim_server *s = ctx;
    sim_model *m = s->model;
    update_by(m->value[bucket], m->sum[bucket], m->elements[bucket], weight,
              updates, s->totals, m->rounds);
    m->updates[bucket]++;
}

static const uint8_t *store_value(void *ctx, uint32_t bucket)
{
    return (const uint8_t *)((sim_server *)ctx)->model->value[bucket];
}

static const uint8_t *store_slots(void *ctx, uint32_t bucket, size_t *size)
{
    *size = 8 * ((sim_server *)ctx)->model->elements[bucket];
    return store_value(ctx, bucket);
}

static void store_add_up(void *ctx, uint32_t bucket, int round, double weight,
                         uint64_t updates)
{
    sim_server *s = ctx;
    const sim_model *m = s->model;
    s->partials[bucket] =
        partial(m->value[bucket], m->sum[bucket], m->elements[bucket], weight,
                updates, s->totals, round);
}

static const uint8_t *store_partials(void *ctx, int round, size_t *size)
{
    sim_server *s = ctx;
    (void)round;
    *size = sizeof s->partials;
    return (const uint8_t *)s->partials;
}

static bool store_totals(void *ctx, int round, const uint8_t *bytes,
                         size_t size)
{
    sim_server *s = ctx;
    if (size != sizeof s->totals[round])
        return false;
    memcpy(&s->totals[round], bytes, size);
    return true;
}

shard_store sim_store(sim_model *m, int server)
{
    m->servers[server].model = m;
    return (shard_store){.ctx = &m->servers[server],
                         .add = store_add,
                         .update = store_update,
                         .value = store_value,
                         .slots = store_slots,
                         .add_up = store_add_up,
                         .partials = store_partials,
                         .totals = store_totals};
}

static dist_blob *add_up(void *ctx, int round, dist_blob *const *sent)
{
    const sim_model *m = ctx;
    uint64_t partials[SIM_BUCKETS] = {0};
    (void)round;
    for (int b = 0; b < m->buckets; b++) {
        dist_blob *from = sent[m->owners[b]];
        if (from && blob_size(from) != sizeof partials)
            return NULL;
        if (from)
            memcpy(&partials[b], blob_bytes(from) + 8 * b, 8);
    }
    uint64_t total = total_of(partials, m->buckets);
    return blob_copy(&total, sizeof total);
}

machine_totals sim_totals(sim_model *m)
{
    return (machine_totals){.rounds = m->rounds, .ctx = m, .add_up = add_up};
}

/* ---------- the oracle ---------- */

typedef struct replay {
    sim_model *m;
    int bucket;
    uint64_t history[SIM_UPDATES][SIM_ELEMENTS]; /* by updates made */
    /* Updates that were made when the gradients of every worker's steps before
     * this one were in. */
    int at_version[SIM_STEPS + 1];
    int updates;
    int read; /* entries of the log */
    uint64_t sum[SIM_ELEMENTS];
    double weight;
} replay;

/* The log is what it must be: each gradient once, in the order that is asked
 * for. */
static void check_log(const replay *r, uint64_t steps)
{
    sim_model *m = r->m;
    int seen[SIM_WORKERS][SIM_STEPS] = {0}, at = 0;
    uint64_t last[SIM_WORKERS] = {0}, last_any = 0;
    for (; at < m->logged[r->bucket]; at++) {
        sim_entry e = m->log[r->bucket][at];
        if (seen[e.worker][e.step]++)
            sim_model_wrong(m,
                            "gradient %llu of worker %d, bucket %d, counted "
                            "twice",
                            (unsigned long long)e.step, e.worker, r->bucket);
        bool lockstep =
            m->rules.aggregate != DIST_APPLY_EACH || m->rules.ordered;
        if (e.step < last[e.worker] || (lockstep && e.step < last_any))
            sim_model_wrong(m, "bucket %d: step %llu after a later one",
                            r->bucket, (unsigned long long)e.step);
        bool in_order = at == 0 || e.step > last_any ||
                        e.worker > m->log[r->bucket][at - 1].worker;
        if (m->rules.ordered && !in_order)
            sim_model_wrong(m, "bucket %d: workers out of order", r->bucket);
        last[e.worker] = last_any = e.step;
    }
    for (int w = 0; w < m->workers; w++)
        for (uint64_t t = 0; t < steps; t++)
            if (seen[w][t] != !sim_is_empty(m, w, t))
                sim_model_wrong(m,
                                "gradient %llu of worker %d, bucket %d, "
                                "counted %d times",
                                (unsigned long long)t, w, r->bucket,
                                seen[w][t]);
}

static void add_entry(replay *r, const sim_entry *e, bool first)
{
    uint64_t part[SIM_ELEMENTS];
    sim_gradient(r->m, e->worker, e->life, e->step, r->bucket, part);
    add_to(r->m, r->sum, part, r->m->elements[r->bucket], first);
    double weight = sim_weight(r->m, e->worker, e->step);
    r->weight = first ? weight : r->weight + weight;
}

/* Reads what the next update is made of; false: there is none. */
static bool read_update(replay *r)
{
    const sim_model *m = r->m;
    const sim_entry *log = m->log[r->bucket];
    bool each = m->rules.aggregate == DIST_APPLY_EACH;
    int first = r->read, count = m->logged[r->bucket];
    if (first == count)
        return false;
    do
        add_entry(r, &log[r->read], r->read == first);
    while (++r->read < count && !each && log[r->read].step == log[first].step);
    if (m->rules.aggregate == DIST_SUM)
        r->weight = 1;
    return true;
}

/* What the next update is told it is. */
static uint64_t number_of(const replay *r)
{
    const sim_model *m = r->m;
    bool each = m->rules.aggregate == DIST_APPLY_EACH;
    return each || r->read == 0
               ? (uint64_t)r->updates
               : m->rules.first_step + m->log[r->bucket][r->read - 1].step;
}

static void make_update(replay *r, const uint64_t *totals)
{
    const sim_model *m = r->m;
    uint64_t *next = r->history[r->updates + 1];
    memcpy(next, r->history[r->updates], sizeof r->history[0]);
    update_by(next, r->sum, m->elements[r->bucket], r->weight, number_of(r),
              totals, m->rounds);
    r->updates++;
    uint64_t step = m->log[r->bucket][r->read - 1].step;
    for (uint64_t v = step + 1; v <= m->steps; v++)
        r->at_version[v] = r->updates;
}

static void find_totals(const replay *r, uint64_t *totals)
{
    const sim_model *m = r->m;
    for (int round = 0; round < m->rounds; round++) {
        uint64_t partials[SIM_BUCKETS];
        for (int b = 0; b < m->buckets; b++)
            partials[b] =
                partial(r[b].history[r[b].updates], r[b].sum, m->elements[b],
                        r[b].weight, number_of(&r[b]), totals, round);
        totals[round] = total_of(partials, m->buckets);
    }
}

/* Update by update: what needs totals needs all buckets'. */
static void replay_logs(replay *r)
{
    sim_model *m = r->m;
    for (bool more = true; more;) {
        uint64_t totals[SIM_ROUNDS] = {0};
        bool there[SIM_BUCKETS];
        more = false;
        for (int b = 0; b < m->buckets; b++) {
            there[b] = read_update(&r[b]);
            more = more || there[b];
        }
        for (int b = 0; b < m->buckets && m->rounds && more; b++)
            if (!there[b])
                sim_model_wrong(m, "bucket %d had an update less", b);
        find_totals(r, totals);
        for (int b = 0; b < m->buckets; b++)
            if (there[b])
                make_update(&r[b], totals);
    }
}

/* A read is a value there was, with all that its version says in it, and, in
 * lockstep, nothing more. */
static void check_read(const replay *r, int worker, int life, uint64_t step)
{
    sim_model *m = r->m;
    const sim_read *x = &m->reads[worker][life][step];
    uint64_t version = x->version[r->bucket];
    uint64_t k = (uint64_t)m->rules.stale;
    int u = r->updates;
    size_t bytes = 8 * m->elements[r->bucket];
    while (u >= 0 && memcmp(r->history[u], x->values[r->bucket], bytes) != 0)
        u--;
    bool early = u < 0 || version > m->steps || u < r->at_version[version];
    bool old = (m->rules.sync == DIST_BARRIER && version != step) ||
               (m->rules.sync == DIST_STALE && version + k < step);
    if (m->barrier && (step + m->rules.first_step) % m->barrier == 0)
        old = old || version < step;
    bool later = m->rules.sync == DIST_BARRIER && u > r->at_version[version];
    if (early || old || later)
        sim_model_wrong(m,
                        "worker %d, step %llu, bucket %d read version %llu "
                        "as after %d updates",
                        worker, (unsigned long long)step, r->bucket,
                        (unsigned long long)version, u);
}

/* Of a process that died: in the sum of a step after the last, of which there
 * was no update. */
static void forget_unfinished(sim_model *m, int bucket, uint64_t steps)
{
    int *count = &m->logged[bucket];
    while (m->rules.aggregate != DIST_APPLY_EACH && *count > 0 &&
           m->log[bucket][*count - 1].step >= steps)
        --*count;
}

static void check_bucket(const replay *r)
{
    sim_model *m = r->m;
    for (int w = 0; w < m->workers; w++)
        for (int life = 0; life < SIM_LIVES; life++)
            for (uint64_t t = 0; t < m->steps; t++)
                if (m->reads[w][life][t].done)
                    check_read(r, w, life, t);
    if (r->updates != m->updates[r->bucket])
        sim_model_wrong(m, "bucket %d had %d updates, not %d", r->bucket,
                        m->updates[r->bucket], r->updates);
    if (memcmp(r->history[r->updates], m->value[r->bucket],
               8 * m->elements[r->bucket]) != 0)
        sim_model_wrong(m, "bucket %d ends with other values", r->bucket);
}

void sim_model_check(sim_model *m, uint64_t steps)
{
    static replay replays[SIM_BUCKETS];
    memset(replays, 0, sizeof replays);
    for (int b = 0; b < m->buckets; b++) {
        replays[b].m = m;
        replays[b].bucket = b;
        initial(m, b, replays[b].history[0]);
        forget_unfinished(m, b, steps);
        check_log(&replays[b], steps);
    }
    if (m->wrong[0])
        return;
    replay_logs(replays);
    for (int b = 0; b < m->buckets && !m->wrong[0]; b++)
        check_bucket(&replays[b]);
}
