/*
 * stream.c - queues of work, run in a random order that is allowed.
 */
#include "stream.h"
#include "race.h"
#include "random.h"
#include <stdlib.h>
#include <string.h>

/* All guarded by the driver's lock. */
static struct CUstream_st *streams;
static uint64_t operations, random_state, clock_ticks;
static bool seeded;
static order_clock host; /* what the host has seen to have run */
static uint8_t unordered[RACE_LAUNCHES];
static int stream_count;
static const struct CUstream_st *only; /* all work so far is of this one */
static bool several;

enum { LONGEST_QUEUE = 256, REMEMBERED = 4096 };

struct CUstream_st *stream_new(struct CUctx_st *context, bool waits_for_null)
{
    struct CUstream_st *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (struct CUstream_st){
        .context = context, .waits_for_null = waits_for_null, .next = streams};
    s->id = stream_count < ORDER_STREAMS ? stream_count++ : ORDER_STREAMS - 1;
    s->ran = calloc(REMEMBERED, sizeof *s->ran);
    if (!s->ran)
        abort();
    streams = s;
    return s;
}

struct CUstream_st *stream_of(struct CUctx_st *context, CUstream handle)
{
    if (!handle)
        return context->null_stream;
    for (struct CUstream_st *s = streams; s; s = s->next)
        if (s == handle)
            return s;
    return NULL;
}

void stream_free(struct CUstream_st *s)
{
    struct CUstream_st **at = &streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s->ran);
    free(s);
}

stream_point *point_new(void)
{
    stream_point *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->users = 1;
    return p;
}

stream_point *point_use(stream_point *p)
{
    p->users++;
    return p;
}

void point_drop(stream_point *p)
{
    if (p && --p->users == 0)
        free(p);
}

operation *operation_new(void)
{
    operation *op = calloc(1, sizeof *op);
    if (!op)
        abort();
    if (++operations % RACE_LAUNCHES == 0) /* which records of nobody have */
        operations++;
    op->number = operations;
    return op;
}

static void operation_free(operation *op)
{
    if (op->records) {
        op->records->done = true;
        op->records->ms = (double)++clock_ticks * 1e-3;
    }
    point_drop(op->records);
    point_drop(op->waits);
    free(op->staged);
    free(op->parameters);
    free(op->launch);
    free(op);
}

/* The default stream and those that wait for it go in the order of calls. */
static bool is_allowed(const struct CUstream_st *s)
{
    const operation *op = s->first;
    if (!op || (op->waits && !op->waits->done))
        return false;
    const struct CUstream_st *null_stream = s->context->null_stream;
    if (s != null_stream)
        return !s->waits_for_null || !null_stream->first ||
               null_stream->first->number > op->number;
    for (const struct CUstream_st *o = streams; o; o = o->next)
        if (o != s && o->context == s->context && o->waits_for_null &&
            o->first && o->first->number < op->number)
            return false;
    return true;
}

static uint64_t draw(void)
{
    if (!seeded) {
        random_state = settings()->seed;
        seeded = true;
    }
    return random_next(&random_state);
}

/* One of the streams whose next operation may run, or NULL. */
static struct CUstream_st *choose(void)
{
    struct CUstream_st *chosen = NULL;
    uint64_t allowed = 0;
    for (struct CUstream_st *s = streams; s; s = s->next)
        if (is_allowed(s) && draw() % ++allowed == 0)
            chosen = s;
    return chosen;
}

/* What has run in other streams and need not have: flags for `op`. */
static bool find_unordered(const struct CUstream_st *s, const operation *op)
{
    bool any = false;
    for (const struct CUstream_st *o = streams; o && several; o = o->next)
        for (size_t k = o->ran_count; o != s && k-- > 0;) {
            uint64_t number = o->ran[k];
            if (number <= op->past.at[o->id] ||
                number + RACE_LAUNCHES / 2 < operations)
                break;
            unordered[number % RACE_LAUNCHES] = 1;
            any = true;
        }
    return any;
}

static void remember(struct CUstream_st *s, const operation *op)
{
    if (s->ran_count == REMEMBERED) {
        s->ran_count /= 2;
        memmove(s->ran, s->ran + s->ran_count, s->ran_count * sizeof *s->ran);
    }
    s->ran[s->ran_count++] = op->number;
}

/* Records name operations by the lower bits of their numbers. */
static void forget_old_records(const operation *op)
{
    static uint64_t turn;
    if (op->number / RACE_LAUNCHES == turn)
        return;
    turn = op->number / RACE_LAUNCHES;
    for (int d = 0; d < settings()->devices; d++)
        memory_forget_races(&device_context(d)->memory);
}

static CUresult run(struct CUstream_st *s, operation *op)
{
    if (!op->run)
        return CUDA_SUCCESS;
    forget_old_records(op);
    bool any = find_unordered(s, op);
    op->unordered = any ? unordered : NULL;
    CUresult r = op->run(op, s->context);
    if (any)
        memset(unordered, 0, sizeof unordered);
    remember(s, op);
    return r;
}

static bool run_one(void)
{
    struct CUstream_st *s = choose();
    if (!s)
        return false;
    operation *op = s->first;
    CUresult r = run(s, op);
    s->first = op->next;
    if (!s->first)
        s->last = NULL;
    operation_free(op);
    if (r != CUDA_SUCCESS) {
        s->context->sticky = r;
        stream_give_up(s->context);
    }
    return true;
}

void stream_give_up(struct CUctx_st *context)
{
    for (struct CUstream_st *s = streams; s; s = s->next)
        while (s->context == context && s->first) {
            operation *op = s->first;
            s->first = op->next;
            operation_free(op);
            if (!s->first)
                s->last = NULL;
        }
}

static unsigned length(const struct CUstream_st *s)
{
    unsigned count = 0;
    for (const operation *op = s->first; op; op = op->next)
        count++;
    return count;
}

/* All that is before `op`, as it has been asked for. */
static void order(struct CUstream_st *s, operation *op)
{
    const struct CUstream_st *null_stream = s->context->null_stream;
    several |= only && only != s;
    only = s;
    order_join(&s->clock, &host);
    for (const struct CUstream_st *o = streams; o; o = o->next)
        if (o->context == s->context &&
            ((s == null_stream && o->waits_for_null) ||
             (o == null_stream && s->waits_for_null)))
            order_join(&s->clock, &o->clock);
    if (op->waits)
        order_join(&s->clock, &op->waits->clock);
    op->past = s->clock;
    s->clock.at[s->id] = op->number;
    if (op->records)
        op->records->clock = s->clock;
}

void stream_seen(const struct CUstream_st *s)
{
    order_join(&host, &s->clock);
}

void stream_point_seen(const stream_point *p)
{
    order_join(&host, &p->clock);
}

bool stream_are_several(void)
{
    return several;
}

void stream_push(struct CUstream_st *s, operation *op)
{
    order(s, op);
    *(s->last ? &s->last->next : &s->first) = op;
    s->last = op;
    while (length(s) > LONGEST_QUEUE && run_one())
        ;
}

static bool is_empty(const struct CUctx_st *context,
                     const struct CUstream_st *s)
{
    if (s)
        return !s->first;
    for (s = streams; s; s = s->next)
        if (s->context == context && s->first)
            return false;
    return true;
}

CUresult stream_drain(struct CUctx_st *context, struct CUstream_st *s)
{
    while (!is_empty(context, s) && run_one())
        ;
    for (const struct CUstream_st *o = streams; o; o = o->next)
        if (o == s || (!s && o->context == context))
            stream_seen(o);
    return context->sticky;
}

CUresult stream_reach(struct CUctx_st *context, stream_point *point)
{
    while (!point->done && run_one())
        ;
    stream_point_seen(point);
    return context->sticky;
}

void stream_progress(void)
{
    for (uint64_t left = 1 + draw() % 4; left && run_one(); left--)
        ;
}
