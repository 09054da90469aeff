/*
 * shard.c - see shard.h.
 */
#include "dist/shard.h"
#include "base/bf16.h"
#include "base/plant.h"
#include "base/status.h"
#include "base/stream.h"
#include <stdlib.h>
#include <string.h>

/* A worker's gradient of one step, gathered. */
typedef struct gradient {
    bool begun, whole, empty;
    bool absorbed; /* it is in the sum */
    uint64_t step;
    double weight;
    size_t got;    /* chunks */
    uint8_t *seen; /* by chunk */
    uint8_t *bytes;
    /* It lies here instead, with its sender; holder NULL: it does not. */
    uintptr_t there;
    dist_blob *holder;
} gradient;

/* To be said to a worker. */
typedef struct acknowledgement {
    bool due;
    uint64_t step;
} acknowledgement;

struct dist_shard {
    shard_rules rules;
    shard_store store;
    uint32_t bucket;
    size_t bytes, chunk, chunks;
    int window;
    gradient *gradients;           /* [worker][step % window] */
    uint64_t *next;                /* by worker: its step to be applied next */
    acknowledgement *acknowledged; /* by worker */
    const uint8_t **parts;         /* room for one of each worker */
    uint64_t version, updates;
    /* Of the step `version`: how many are in the sum, and their weight. */
    int absorbed, added;
    double weight;
    bool held;              /* what is in the sum waits for shard_release() */
    uint64_t value_updates; /* of `now` */
    dist_blob *now;         /* once asked for */
    dist_blob *kept;        /* under `barrier`: before the last step began to
                               change the value */
    uint64_t kept_version;
    const blob_source *memory;  /* of both; NULL: anywhere */
    bool streams;               /* copies of both go around the caches */
    const shard_notice *notice; /* NULL: nobody listens */
};

int shard_window(const shard_rules *rules)
{
    return rules->sync == DIST_STALE ? rules->stale + 1 : 1;
}

/* ---------- life ---------- */

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    PTL_ASSERT(p);
    return p;
}

dist_shard *shard_new(const shard_rules *rules, const shard_store *store,
                      uint32_t bucket, size_t bytes, size_t chunk)
{
    dist_shard *s = zeroed(1, sizeof *s);
    bool each = rules->aggregate == DIST_APPLY_EACH;
    PTL_ASSERT(!rules->hold ||
               (rules->sync == DIST_BARRIER && (rules->ordered || !each)));
    s->rules = *rules;
    s->store = *store;
    s->bucket = bucket;
    s->bytes = bytes;
    s->chunk = chunk;
    s->chunks = (bytes + chunk - 1) / chunk;
    s->window = shard_window(rules);
    s->version = rules->first_step;
    s->updates = rules->first_updates;
    size_t count = (size_t)rules->workers * (size_t)s->window;
    s->gradients = zeroed(count, sizeof *s->gradients);
    s->next = zeroed((size_t)rules->workers, sizeof *s->next);
    s->acknowledged = zeroed((size_t)rules->workers, sizeof *s->acknowledged);
    s->parts = zeroed((size_t)rules->workers, sizeof *s->parts);
    for (int w = 0; w < rules->workers; w++)
        s->next[w] = rules->first_step;
    for (size_t i = 0; i < count; i++) {
        s->gradients[i].seen = zeroed(s->chunks, 1);
        s->gradients[i].bytes = zeroed(bytes, 1);
    }
    return s;
}

void shard_free(dist_shard *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->rules.workers * s->window; i++) {
        free(s->gradients[i].seen);
        free(s->gradients[i].bytes);
        blob_drop(s->gradients[i].holder);
    }
    blob_drop(s->now);
    blob_drop(s->kept);
    free(s->gradients);
    free(s->next);
    free(s->acknowledged);
    free(s->parts);
    free(s);
}

void shard_copies_to(dist_shard *s, const blob_source *memory, bool streams)
{
    s->memory = memory;
    s->streams = streams;
}

void shard_tells(dist_shard *s, const shard_notice *notice)
{
    s->notice = notice;
}

void shard_tell(const dist_shard *s, shard_event what, int worker,
                uint64_t round)
{
    if (s->notice && s->notice->tell)
        s->notice->tell(s->notice->ctx, what, s->bucket, worker, round);
}

static void tell_taken(const dist_shard *s, const gradient *g, int worker)
{
    shard_tell(s, g->empty ? SHARD_EVENT_EMPTY : SHARD_EVENT_APPLY, worker,
               g->step);
}

bool shard_is_at(const dist_shard *s, uint64_t version)
{
    bool changed = s->rules.aggregate == DIST_APPLY_EACH && s->absorbed > 0;
    return s->version == version && !changed;
}

const shard_store *shard_store_of(const dist_shard *s)
{
    return &s->store;
}

uint64_t shard_version(const dist_shard *s)
{
    return s->version;
}

uint64_t shard_updates(const dist_shard *s)
{
    return s->updates;
}

uint64_t shard_next_step(const dist_shard *s, int worker)
{
    return s->next[worker];
}

static gradient *gradient_of(const dist_shard *s, int worker, uint64_t step)
{
    return &s->gradients[worker * s->window +
                         (int)(step % (uint64_t)s->window)];
}

static bool is_whole(const dist_shard *s, int worker, uint64_t step)
{
    const gradient *g = gradient_of(s, worker, step);
    return g->begun && g->whole && g->step == step;
}

/* ---------- values ---------- */

static dist_blob *copy_value(dist_shard *s)
{
    const uint8_t *value = s->store.value(s->store.ctx, s->bucket);
    if (!s->streams)
        return blob_copy_from(s->memory, value, s->bytes);
    dist_blob *copy = blob_from(s->memory, s->bytes);
    stream_copy(blob_bytes(copy), value, s->bytes);
    return copy;
}

/* Updates that are counted may still be under way where nobody waits. */
static void make_now(dist_shard *s)
{
    bool moves = s->rules.meet && s->rules.sync == DIST_ASYNC;
    if (s->now && s->value_updates == s->updates && !moves)
        return;
    blob_drop(s->now);
    s->now = copy_value(s);
    s->value_updates = s->updates;
}

/* Before the value changes for the first time in a step. */
static void keep_version(dist_shard *s)
{
    if (s->rules.sync != DIST_BARRIER)
        return;
    make_now(s);
    blob_drop(s->kept);
    s->kept = blob_keep(s->now);
    s->kept_version = s->version;
}

dist_blob *shard_value(dist_shard *s, uint64_t version, bool exact)
{
    if (version > s->version && !ptl_is_planted(PTL_PLANT_EARLY_PULL))
        return NULL;
    if (exact && s->kept && version == s->kept_version &&
        !ptl_is_planted(PTL_PLANT_GONE_EARLY))
        return blob_keep(s->kept);
    if (exact && version < s->version)
        return NULL;
    make_now(s);
    return blob_keep(s->now);
}

/* ---------- adding up ---------- */

uint64_t shard_number(const dist_shard *s)
{
    return s->rules.aggregate == DIST_APPLY_EACH ? s->updates : s->version;
}

static void update(dist_shard *s, double weight)
{
    if (!ptl_is_planted(PTL_PLANT_UPDATE_LOST) || s->updates % 2)
        s->store.update(s->store.ctx, s->bucket, weight, shard_number(s));
    s->updates++;
}

static const uint8_t *bytes_of(const gradient *g)
{
    return g->holder ? (const uint8_t *)g->there : g->bytes;
}

/* `s->parts`, so many of them. */
static void add(dist_shard *s, int count, bool first)
{
    if (count > 0)
        s->store.add(s->store.ctx, s->bucket, s->parts, count, s->bytes, first);
}

static void forget(dist_shard *s, gradient *g)
{
    blob_drop(g->holder);
    g->holder = NULL;
    memset(g->seen, 0, s->chunks);
    g->begun = g->whole = g->empty = g->absorbed = false;
    g->got = 0;
}

static void acknowledge(dist_shard *s, int worker, uint64_t step)
{
    s->acknowledged[worker] = (acknowledgement){true, step};
}

bool shard_acknowledges(dist_shard *s, int worker, uint64_t *step)
{
    acknowledgement *a = &s->acknowledged[worker];
    bool due = a->due;
    *step = a->step;
    a->due = false;
    return due;
}

static void applied(dist_shard *s, int worker)
{
    gradient *g = gradient_of(s, worker, s->next[worker]++);
    if (g->holder)
        acknowledge(s, worker, g->step);
    forget(s, g);
}

void shard_replaced(dist_shard *s, int worker)
{
    for (int i = 0; i < s->window; i++) {
        gradient *g = &s->gradients[worker * s->window + i];
        if (!g->whole && !ptl_is_planted(PTL_PLANT_HALF_GRADIENT))
            forget(s, g);
    }
}

/* ---------- one update a step: mean, sum ---------- */

static void finish_step(dist_shard *s)
{
    bool one = s->rules.aggregate == DIST_SUM && s->added > 0;
    keep_version(s);
    if (s->added > 0 || s->rules.always)
        update(s, one ? 1 : s->weight);
    for (int w = 0; w < s->rules.workers; w++)
        applied(s, w);
    s->absorbed = s->added = 0;
    s->weight = 0;
    s->version++;
}

/* Of the workers in their order, those that are there and not in the sum yet:
 * all at once, since their bytes are read from memory, and the sum is in the
 * caches. */
static void absorb(dist_shard *s)
{
    int count = 0;
    for (int w = 0; w < s->rules.workers; w++) {
        gradient *g = gradient_of(s, w, s->version);
        if (!is_whole(s, w, s->version) || g->absorbed)
            continue;
        g->absorbed = true;
        s->absorbed++;
        tell_taken(s, g, w);
        if (g->empty)
            continue;
        s->parts[count++] = bytes_of(g);
        s->weight += g->weight;
    }
    add(s, count, s->added == 0);
    s->added += count;
}

/* Does what is in the sum wait? Of no rows there is no update. */
static bool holds(dist_shard *s)
{
    s->held = s->rules.hold && s->added > 0;
    return s->held;
}

/* In the order of workers, once they are all there. */
static bool step_in_order(dist_shard *s)
{
    for (int w = 0; w < s->rules.workers; w++)
        if (!is_whole(s, w, s->version))
            return false;
    absorb(s);
    if (holds(s))
        return false;
    finish_step(s);
    return true;
}

/* As they come; those of later steps that came before wait. */
static bool step_as_they_come(dist_shard *s)
{
    absorb(s);
    if (s->absorbed < s->rules.workers || holds(s))
        return false;
    finish_step(s);
    return true;
}

/* ---------- one update for each gradient ---------- */

/* False: it waits. */
static bool apply_one(dist_shard *s, int worker)
{
    const gradient *g = gradient_of(s, worker, s->next[worker]);
    tell_taken(s, g, worker);
    if (!g->empty && s->rules.meet) {
        s->store.meet(s->store.ctx, s->bucket, worker, bytes_of(g), g->weight,
                      s->updates++);
    } else if (!g->empty) {
        s->parts[0] = bytes_of(g);
        add(s, 1, true);
        s->weight = g->weight;
        s->held = s->rules.hold;
        if (s->held)
            return false;
        update(s, g->weight);
    }
    applied(s, worker);
    return true;
}

static void next_worker(dist_shard *s)
{
    if (++s->absorbed < s->rules.workers)
        return;
    s->absorbed = 0;
    s->version++;
}

/* Those of a step that are applied are the first workers; a version is kept
 * before the first of them. */
static void each_in_order(dist_shard *s)
{
    while (is_whole(s, s->absorbed, s->version)) {
        if (s->absorbed == 0)
            keep_version(s);
        if (!apply_one(s, s->absorbed))
            return;
        next_worker(s);
    }
}

static uint64_t least_step(const dist_shard *s)
{
    uint64_t least = s->next[0];
    for (int w = 1; w < s->rules.workers; w++)
        if (s->next[w] < least)
            least = s->next[w];
    return least;
}

static void each_as_it_comes(dist_shard *s, int worker)
{
    while (is_whole(s, worker, s->next[worker])) {
        if (s->absorbed++ == 0)
            keep_version(s);
        apply_one(s, worker); /* nothing is held here */
        uint64_t least = least_step(s);
        if (least > s->version)
            s->absorbed = 0;
        s->version = least;
    }
}

static void advance(dist_shard *s, int worker)
{
    bool each = s->rules.aggregate == DIST_APPLY_EACH;
    if (s->held)
        return;
    if (each && s->rules.ordered)
        each_in_order(s);
    else if (each)
        each_as_it_comes(s, worker);
    else if (s->rules.ordered && !ptl_is_planted(PTL_PLANT_ANY_ORDER))
        while (step_in_order(s))
            ;
    else
        while (step_as_they_come(s))
            ;
}

/* ---------- updates that wait ---------- */

bool shard_holds(const dist_shard *s, double *weight)
{
    *weight = s->rules.aggregate == DIST_SUM ? 1 : s->weight;
    return s->held;
}

void shard_release(dist_shard *s)
{
    PTL_ASSERT(s->held);
    s->held = false;
    if (s->rules.aggregate == DIST_APPLY_EACH) {
        update(s, s->weight);
        applied(s, s->absorbed);
        next_worker(s);
    } else {
        finish_step(s);
    }
    advance(s, 0);
}

/* ---------- chunks ---------- */

static bool begin(gradient *g, const shard_chunk *c)
{
    if (!g->begun) {
        g->begun = true;
        g->step = c->step;
        g->weight = c->weight;
        g->empty = c->empty;
    }
    return g->weight == c->weight && g->empty == c->empty;
}

/* May it stay where it lies? All of a gradient lies in one piece with its
 * sender, or here. Where nobody waits for the others, whose gradient comes
 * early is not kept waiting for its memory either. */
static bool stays(const dist_shard *s, const gradient *g, const shard_chunk *c)
{
    uintptr_t there = (uintptr_t)c->data - c->offset;
    if (!c->holder || c->bf16 || s->rules.sync != DIST_BARRIER)
        return false;
    return g->got == 0 || (g->holder == c->holder && g->there == there);
}

/* Copies what there is of it. */
static void bring_here(const dist_shard *s, gradient *g)
{
    for (size_t i = 0; g->holder && i < s->chunks; i++) {
        size_t at = i * s->chunk;
        size_t size = s->bytes - at < s->chunk ? s->bytes - at : s->chunk;
        if (g->seen[i])
            memcpy(g->bytes + at, bytes_of(g) + at, size);
    }
    blob_drop(g->holder);
    g->holder = NULL;
}

static void copy_chunk(gradient *g, const shard_chunk *c)
{
    if (c->bf16)
        bf16_unpack((float *)(void *)(g->bytes + c->offset), c->data,
                    c->bytes / 2);
    else
        memcpy(g->bytes + c->offset, c->data, c->bytes);
}

/* Is the gradient complete by it? */
static bool keep_chunk(dist_shard *s, gradient *g, const shard_chunk *c)
{
    size_t at = c->offset / s->chunk;
    if (c->empty)
        return true;
    if (g->seen[at])
        return false;
    if (!stays(s, g, c)) {
        bring_here(s, g);
        copy_chunk(g, c);
    } else if (!g->holder) {
        g->holder = blob_keep(c->holder);
        g->there = (uintptr_t)c->data - c->offset;
    }
    g->seen[at] = 1;
    return ++g->got == s->chunks;
}

shard_answer shard_push(dist_shard *s, const shard_chunk *c)
{
    uint64_t next = s->next[c->worker];
    bool before = c->step < next;
    if (before && ptl_is_planted(PTL_PLANT_APPLY_TWICE))
        update(s, c->weight);
    if (before)
        return SHARD_BEFORE;
    if (c->step - next >= (uint64_t)s->window)
        return SHARD_AHEAD;
    gradient *g = gradient_of(s, c->worker, c->step);
    if (g->begun && g->whole) /* its bytes may be needed yet */
        return g->holder ? SHARD_KEPT : SHARD_BEFORE;
    if (!begin(g, c))
        return SHARD_UNLIKE;
    if (!keep_chunk(s, g, c))
        return SHARD_KEPT;
    g->whole = true;
    if (!g->holder)
        acknowledge(s, c->worker, c->step);
    advance(s, c->worker);
    return SHARD_WHOLE;
}
