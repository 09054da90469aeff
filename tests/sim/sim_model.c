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
                      double weight, uint64_t updates)
{
    for (size_t i = 0; i < count; i++)
        value[i] = value[i] * 5 + sum[i] + (uint64_t)weight + 7 * updates;
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

static void store_add(void *ctx, uint32_t bucket, const uint8_t *part,
                      size_t bytes, bool first)
{
    sim_model *m = ctx;
    uint64_t words[SIM_ELEMENTS];
    memcpy(words, part, bytes);
    take_entry(m, bucket, words[0]);
    add_to(m, m->sum[bucket], words, bytes / 8, first);
}

static void store_update(void *ctx, uint32_t bucket, double weight,
                         uint64_t updates)
{
    sim_model *m = ctx;
    update_by(m->value[bucket], m->sum[bucket], m->elements[bucket], weight,
              updates);
    m->updates[bucket]++;
}

static const uint8_t *store_value(void *ctx, uint32_t bucket)
{
    sim_model *m = ctx;
    return (const uint8_t *)m->value[bucket];
}

static const uint8_t *store_slots(void *ctx, uint32_t bucket, size_t *size)
{
    sim_model *m = ctx;
    *size = 8 * m->elements[bucket];
    return store_value(ctx, bucket);
}

shard_store sim_store(sim_model *m)
{
    return (shard_store){.ctx = m,
                         .add = store_add,
                         .update = store_update,
                         .value = store_value,
                         .slots = store_slots};
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

static void make_update(replay *r, double weight, uint64_t step)
{
    bool each = r->m->rules.aggregate == DIST_APPLY_EACH;
    uint64_t number =
        each ? (uint64_t)r->updates : r->m->rules.first_step + step;
    int b = r->bucket;
    size_t count = r->m->elements[b];
    uint64_t *next = r->history[r->updates + 1];
    memcpy(next, r->history[r->updates], sizeof r->history[0]);
    update_by(next, r->sum, count, weight, number);
    r->updates++;
}

static void add_entry(replay *r, const sim_entry *e, bool first)
{
    uint64_t part[SIM_ELEMENTS];
    sim_gradient(r->m, e->worker, e->life, e->step, r->bucket, part);
    add_to(r->m, r->sum, part, r->m->elements[r->bucket], first);
    double weight = sim_weight(r->m, e->worker, e->step);
    r->weight = first ? weight : r->weight + weight;
}

static void replay_log(replay *r)
{
    const sim_model *m = r->m;
    const sim_entry *log = m->log[r->bucket];
    int count = m->logged[r->bucket];
    bool each = m->rules.aggregate == DIST_APPLY_EACH;
    for (int i = 0; i < count; i++) {
        bool first = each || i == 0 || log[i].step != log[i - 1].step;
        bool last = each || i + 1 == count || log[i].step != log[i + 1].step;
        add_entry(r, &log[i], first);
        if (last)
            make_update(r, m->rules.aggregate == DIST_SUM ? 1 : r->weight,
                        log[i].step);
        for (uint64_t v = log[i].step + 1; v <= m->steps; v++)
            r->at_version[v] = r->updates;
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

static void check_bucket(replay *r, uint64_t steps)
{
    sim_model *m = r->m;
    initial(m, r->bucket, r->history[0]);
    forget_unfinished(m, r->bucket, steps);
    check_log(r, steps);
    if (m->wrong[0])
        return;
    replay_log(r);
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
    for (int b = 0; b < m->buckets && !m->wrong[0]; b++) {
        replay r = {.m = m, .bucket = b};
        check_bucket(&r, steps);
    }
}
