/*
 * shards_part.c - see shards_part.h.
 *
 * A worker of a cluster gives its buckets away while its last part still
 * computes, each as soon as its gradients are final.
 */
#include "train/shards_part.h"
#include "runtime/device.h"
#include <limits.h>
#include <string.h>

static shard_program *program_for(shards *h, int64_t rows)
{
    for (int i = 0; i < h->program_count; i++)
        if (h->programs[i].built->rows == rows)
            return &h->programs[i];
    ptl_panic(__FILE__, __LINE__, "no program for %lld rows", (long long)rows);
}

/* Fields begin on PTL_BUFFER_ALIGN: what does not is copied. */
static void cut_fields(shards *h, const data_batch *batch, order_part part)
{
    char *at = h->slices;
    for (int i = 0; i < h->field_count; i++) {
        size_t size = data_array_at(h->s->train, i)->record_bytes;
        char *from = (char *)batch->fields[i] + (size_t)part.first * size;
        h->fields[i] = from;
        if ((uintptr_t)from % PTL_BUFFER_ALIGN == 0)
            continue;
        h->fields[i] = memcpy(at, from, (size_t)part.rows * size);
        at += memory_padded((size_t)part.rows * size);
    }
}

/* ---------- its gradients ---------- */

/* The gradients of a part on their way into a sum. */
typedef struct taking {
    const shards *h;
    const shard_program *p;
    const shard_sum *to;
    int used;  /* buckets, in the order in which they are used */
    int taken; /* in that in which they are ready */
    int freed; /* in that in which they are freed */
    bool gives;
    ptl_status status; /* of waiting for their values */
    ptl_error *err;
} taking;

static bool values_come(const taking *t)
{
    return t->h->peers && t->h->peers->use;
}

/* The values that a step of the program reads first. */
static void use_values(taking *t, int step)
{
    const train_peers *peers = t->h->peers;
    const shard_program *p = t->p;
    while (values_come(t) && t->status == PTL_OK &&
           t->used < t->h->bucket_count &&
           p->buckets[p->by_used[t->used]].used <= step)
        t->status = peers->use(peers->ctx, p->by_used[t->used++], t->err);
}

static void take_bucket(taking *t, double weight)
{
    const shards *h = t->h;
    int b = t->p->order[t->taken++];
    sums_run(h->s->pool, &t->p->buckets[b].list,
             t->to->weight != 0 ? SUM_ADD : SUM_SET, t->to->gradients,
             h->s->arena, 0);
    if (t->gives)
        h->peers->give(h->peers->ctx, b, t->to->gradients,
                       t->to->weight + weight);
}

static bool next_is_ready(const taking *t, int step)
{
    return t->taken < t->h->bucket_count &&
           t->p->buckets[t->p->order[t->taken]].ready <= step;
}

static void tell_freed(taking *t, int step)
{
    const shard_program *p = t->p;
    const train_peers *peers = t->h->peers;
    while (t->freed < t->h->bucket_count &&
           p->buckets[p->by_freed[t->freed]].freed <= step)
        peers->freed(peers->ctx, p->by_freed[t->freed++]);
}

/* After a step of the program, but the last: what is left then is given with
 * all the rest. Nothing is given before all values are there. */
static void take_ready(taking *t, int step)
{
    tell_freed(t, step);
    if (!next_is_ready(t, step) || step + 1 == t->p->built->program->step_count)
        return;
    double weight = session_scalar(t->p->built, t->p->weight);
    use_values(t, INT_MAX);
    while (t->status == PTL_OK && weight != 0 && next_is_ready(t, step))
        take_bucket(t, weight);
}

static void after_step(void *ctx, int step)
{
    taking *t = ctx;
    if (t->gives && t->status == PTL_OK)
        take_ready(t, step);
    use_values(t, step + 1);
}

static void take_rest(taking *t, shard_sum *to, loss_sum *loss)
{
    const session_program *built = t->p->built;
    double weight = session_scalar(built, t->p->weight);
    if (weight == 0)
        return;
    t->gives = false;
    while (!t->h->sums.block && t->taken < t->h->bucket_count)
        take_bucket(t, weight);
    to->weight += weight;
    loss->loss += weight * session_scalar(built, built->loss);
    loss->weight += weight;
}

/* ---------- computing ---------- */

/* The program's fields, states and scalars are those of the part. */
static shard_program *prepare_part(step_run *r, int64_t shard, order_part part)
{
    shards *h = r->h;
    shard_program *p = program_for(h, part.rows);
    cut_fields(h, r->batch, part);
    session_bind_fields(p->built, h->fields);
    states_bind(&h->states, &h->s->store, p->states, p->built->run, shard,
                part.first == 0);
    session_set_scalars(h->s, p->built, r->done, r->batch->epoch,
                        h->total_steps);
    run_set(p->built->run, "row0", part.first);
    return p;
}

/* The part is the device's next; it gets its rows while it computes another. */
static ptl_status send_ahead(const step_run *r, const data_batch *batch,
                             order_part part, int device)
{
    shards *h = r->h;
    session_program *built = program_for(h, part.rows)->built;
    cut_fields(h, batch, part);
    session_bind_fields(built, h->fields);
    return run_ahead(built->run, device, r->err);
}

/* Parts of this step that are not begun yet, and after them the first ones of
 * the next, where that is cut the same way. */
static ptl_status send_next(step_run *r)
{
    const shards *h = r->h;
    int devices = device_count(h->s->job->device);
    ptl_status st = PTL_OK;
    if (r->begun < h->work_count)
        return send_ahead(r, r->batch, h->work[r->begun].rows,
                          r->begun % devices);
    if (r->sent_ahead || !r->next || r->next->rows != r->batch->rows)
        return PTL_OK;
    r->sent_ahead = true;
    for (int i = 0; i < devices && i < h->work_count && st == PTL_OK; i++)
        st = send_ahead(r, r->next, h->work[i].rows, i);
    return st;
}

/* Parts are dealt out among the devices in turn, and each device has begun its
 * next one before the first of them is waited for. */
static ptl_status compute_on_device(step_run *r, const shard_program *p)
{
    shards *h = r->h;
    int devices = device_count(h->s->job->device);
    ptl_status st = PTL_OK;
    while (st == PTL_OK && r->begun < h->work_count &&
           r->begun < r->ended + devices) {
        const shard_part *next = &h->work[r->begun];
        session_program *built =
            prepare_part(r, next->shard, next->rows)->built;
        st = run_begin(built->run, r->begun % devices, r->err);
        r->begun += st == PTL_OK;
    }
    if (st == PTL_OK)
        st = send_next(r);
    if (st == PTL_OK)
        st = run_finish(p->built->run, r->ended++ % devices, r->err);
    return st;
}

/* The gradients of the part that ended last. */
static ptl_status add_on_device(const step_run *r, const shard_program *p,
                                const shard_sum *to)
{
    shards *h = r->h;
    int device = (r->ended - 1) % device_count(h->s->job->device);
    bool first = to->weight == 0;
    ptl_status st = PTL_OK;
    if (session_scalar(p->built, p->weight) == 0)
        return PTL_OK;
    for (int i = 0; i < h->bucket_count && st == PTL_OK; i++)
        st = device_sums_take(&h->sums, p->built->run, device,
                              &p->buckets[i].list, first, r->err);
    return st == PTL_OK ? device_sums_add(&h->sums, first, r->err) : st;
}

/* With peers, values come and buckets go while it computes. */
static ptl_status compute_here(step_run *r, int64_t shard, order_part part,
                               taking *t)
{
    bool watched = t->gives || values_come(t);
    const shard_program *p = prepare_part(r, shard, part);
    use_values(t, 0);
    ptl_status st = t->status;
    if (st == PTL_OK)
        st = run_execute_watched(p->built->run, watched ? after_step : NULL, t,
                                 r->err);
    return st == PTL_OK ? t->status : st;
}

void part_end_all(step_run *r)
{
    ptl_error unseen;
    int devices = device_count(r->h->s->job->device);
    for (; r->ended < r->begun; r->ended++) {
        const shard_part *part = &r->h->work[r->ended];
        run_finish(program_for(r->h, part->rows.rows)->built->run,
                   r->ended % devices, &unseen);
    }
}

ptl_status part_run(step_run *r, int64_t shard, order_part part, shard_sum *to,
                    loss_sum *loss)
{
    shards *h = r->h;
    bool gives = part.first + part.rows == r->last_row;
    shard_program *p = program_for(h, part.rows);
    taking t = {.h = h, .p = p, .to = to, .gives = gives, .err = r->err};
    ptl_status st = h->s->job->device ? compute_on_device(r, p)
                                      : compute_here(r, shard, part, &t);
    if (st == PTL_OK && h->sums.block)
        st = add_on_device(r, p, to);
    if (st != PTL_OK)
        return st;
    take_rest(&t, to, loss);
    states_take(&h->states, &to->states, p->states, h->s->arena, part.rows);
    if (h->parts == 1)
        states_keep(&h->states, &h->s->store, shard, NULL, p->states,
                    h->s->arena);
    return PTL_OK;
}
