/*
 * buckets.c - small pieces are sent together, in the order in which their
 * gradients are complete; and what a step sends.
 *
 * Buckets become larger from the beginning and smaller towards the end: the
 * first is sent soon, and when the last gradient is ready, little is left.
 */
#include "dist/placement_priv.h"

enum { LEAST_MOST = 1 << 20 }; /* bytes a bucket may have in any case */

typedef struct filler {
    ptl_arena *arena;
    place_plan *plan;
    const place_variable *variables;
    int64_t most; /* bytes of a bucket */
    /* Buckets in the order they were begun, and when each was complete: pieces
     * that had been walked by then. */
    VEC(place_bucket) buckets;
    VEC(int) complete;
    VEC(int64_t) limits; /* of each bucket: bytes */
    int *open;           /* [owner][dtype]: its bucket; -1: none */
    int64_t *left;       /* [owner][dtype]: bytes not walked */
    int64_t *before;     /* [owner][dtype]: bytes walked */
    int walked;
} filler;

static int kind_of(const filler *f, const place_piece *p)
{
    return p->owner * PTL_DTYPE_COUNT + (int)f->variables[p->variable].dtype;
}

static int64_t bytes_of(const filler *f, const place_piece *p)
{
    return p->count * dtype_size(f->variables[p->variable].dtype);
}

/* Of a bucket that begins after so many bytes, with so many left. */
static int64_t limit_of(const filler *f, int64_t before, int64_t left)
{
    int64_t limit = before < left / 2 ? before : left / 2;
    limit = limit > LEAST_MOST ? limit : LEAST_MOST;
    return limit < f->most ? limit : f->most;
}

static void add_piece(filler *f, int index)
{
    place_piece *p = &f->plan->pieces[index];
    ptl_dtype dtype = f->variables[p->variable].dtype;
    int64_t bytes = bytes_of(f, p), *left = &f->left[kind_of(f, p)],
            *before = &f->before[kind_of(f, p)];
    int *open = &f->open[kind_of(f, p)];
    if (*open < 0 ||
        f->buckets.data[*open].bytes + bytes > f->limits.data[*open]) {
        place_bucket fresh = {.owner = p->owner, .dtype = dtype};
        *open = f->buckets.count;
        vec_push(f->arena, &f->buckets, fresh);
        vec_push(f->arena, &f->complete, 0);
        vec_push(f->arena, &f->limits, limit_of(f, *before, *left));
    }
    *before += bytes;
    *left -= bytes;
    place_bucket *b = &f->buckets.data[*open];
    p->bucket = *open;
    p->offset = b->bytes;
    b->bytes += bytes;
    vec_push(f->arena, &b->pieces, index);
    f->complete.data[*open] = f->walked++;
}

/* By completion. Every piece was walked at another time, so no two are equal.
 */
static void number_buckets(filler *f)
{
    place_plan *plan = f->plan;
    int *at = ARENA_ARRAY(f->arena, int, f->walked); /* by time: bucket + 1 */
    for (int i = 0; i < f->buckets.count; i++)
        at[f->complete.data[i]] = i + 1;
    plan->buckets = ARENA_ARRAY(f->arena, place_bucket, f->buckets.count);
    for (int time = 0; time < f->walked; time++) {
        if (!at[time])
            continue;
        const place_bucket *b = &f->buckets.data[at[time] - 1];
        for (int k = 0; k < b->pieces.count; k++)
            plan->pieces[b->pieces.data[k]].bucket = plan->bucket_count;
        plan->buckets[plan->bucket_count++] = *b;
    }
}

void place_buckets(ptl_arena *arena, place_plan *plan,
                   const place_variable *variables, int count,
                   const place_options *options)
{
    filler f = {.arena = arena,
                .plan = plan,
                .variables = variables,
                .most = options->bucket};
    int *first = ARENA_ARRAY(arena, int, count + 1); /* piece, by variable */
    f.open = ARENA_ARRAY(arena, int, options->owners *(int)PTL_DTYPE_COUNT);
    f.left =
        ARENA_ARRAY(arena, int64_t, options->owners * (int)PTL_DTYPE_COUNT);
    f.before =
        ARENA_ARRAY(arena, int64_t, options->owners * (int)PTL_DTYPE_COUNT);
    for (int i = 0; i < options->owners * (int)PTL_DTYPE_COUNT; i++)
        f.open[i] = -1;
    for (int i = 0; i < plan->piece_count; i++) {
        first[plan->pieces[i].variable + 1] = i + 1;
        f.left[kind_of(&f, &plan->pieces[i])] += bytes_of(&f, &plan->pieces[i]);
    }
    for (int i = 1; i <= count; i++)
        if (first[i] < first[i - 1])
            first[i] = first[i - 1];
    for (int i = 0; i < count; i++) {
        int v = options->completion ? options->completion[i] : count - 1 - i;
        for (int p = first[v]; p < first[v + 1]; p++)
            add_piece(&f, p);
    }
    number_buckets(&f);
}

/* ---------- what a step sends ---------- */

static int64_t chunks_of(const place_bucket *b, int64_t chunk)
{
    return (b->bytes + chunk - 1) / chunk;
}

/* Of one worker, with the buckets of one owner or (-1) of all. Out: chunks and
 * a PULL for each bucket; in: an acknowledgement and chunks. */
static place_traffic exchange(const place_plan *plan, int owner, int64_t chunk)
{
    place_traffic t = {0};
    for (int i = 0; i < plan->bucket_count; i++) {
        const place_bucket *b = &plan->buckets[i];
        if (owner >= 0 && b->owner != owner)
            continue;
        t.messages_out += chunks_of(b, chunk) + 1;
        t.messages_in += chunks_of(b, chunk) + 1;
        t.bytes_out += b->bytes;
        t.bytes_in += b->bytes;
    }
    return t;
}

place_traffic place_worker_traffic(const place_plan *plan, int64_t chunk,
                                   int barriers)
{
    place_traffic t = exchange(plan, -1, chunk);
    t.messages_out += barriers;
    t.messages_in += barriers;
    return t;
}

place_traffic place_ps_traffic(const place_plan *plan, int ps, int owners,
                               int64_t workers, int64_t chunk, int barriers)
{
    place_traffic one = exchange(plan, ps, chunk);
    int own = 0; /* of the barriers 1 .. */
    for (int b = 1; b <= barriers; b++)
        own += place_barrier_owner((uint32_t)b, owners) == ps;
    return (place_traffic){.messages_out = workers * (one.messages_in + own),
                           .messages_in = workers * (one.messages_out + own),
                           .bytes_out = workers * one.bytes_in,
                           .bytes_in = workers * one.bytes_out};
}
