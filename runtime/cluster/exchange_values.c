/*
 * exchange_values.c - the next values, on their way into the store.
 *
 * They arrive in a block of their own (`incoming`), or stay with their sender,
 * and go into the store once nobody reads the old ones: whichever of the two
 * threads finds one whole claims it, and puts it there. A step begins without
 * those that may be late (plan.h); the loop waits for each where it is read
 * first.
 */
#include "base/plant.h"
#include "cluster/exchange_priv.h"
#include <string.h>

/* ---------- of both threads ---------- */

/* Into the store. What lay with its sender is kept here where later steps take
 * it again, having no exchange. */
ptl_status exchange_adopt(cluster_exchange *x, int b, const next_value *v,
                          ptl_error *err)
{
    const bucket_layout *l = &x->plan->layout->buckets[b];
    uint8_t *here = x->incoming + x->plan->at[b];
    ptl_status st =
        layout_give_value(l, v->holder ? v->there : here, &x->s->store, err);
    if (v->holder && x->plan->buckets[b].every > 1)
        memcpy(here, v->there, x->plan->bytes[b]);
    blob_drop(v->holder);
    pthread_mutex_lock(&x->lock);
    x->next[b].adopted = true;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
    return st;
}

/* Under the lock, as the next two. */
static bool is_unclaimed(const cluster_exchange *x, int b)
{
    return x->next[b].whole && !x->next[b].claimed;
}

static bool has_value(const cluster_exchange *x, int64_t bucket)
{
    return x->next[bucket].adopted || is_unclaimed(x, (int)bucket);
}

bool exchange_claim(cluster_exchange *x, int b, next_value *out)
{
    next_value *v = &x->next[b];
    if (!is_unclaimed(x, b))
        return false;
    *out = *v;
    v->holder = NULL;
    v->claimed = true;
    return true;
}

int exchange_adopted(const cluster_exchange *x)
{
    bool own = x->plan->workers_update || ptl_is_planted(PTL_PLANT_OWN_VALUES);
    return own ? 0 : parameter_buckets(x);
}

/* ---------- a step begins ---------- */

/* It is in the store: the next one will be another. The node may still look at
 * it, for what was posted. */
static void forget_value(cluster_exchange *x, int b)
{
    pthread_mutex_lock(&x->lock);
    x->next[b] = (next_value){0};
    pthread_mutex_unlock(&x->lock);
}

/* Under the lock: what comes later is owed, and takes the old one's place. */
static bool comes_later(cluster_exchange *x, int b)
{
    bool may_be = x->plan->buckets[b].late && !x->end;
    x->owed[b] = may_be && !has_value(x, b);
    x->next[b].freed |= x->owed[b];
    return x->owed[b];
}

/* Of a step that begins: if it is not in the store, nor comes later, it lies
 * with its sender or here. */
static ptl_status adopt_value(cluster_exchange *x, int b, ptl_error *err)
{
    next_value v = {0};
    pthread_mutex_lock(&x->lock);
    bool later = comes_later(x, b), adopted = x->next[b].adopted;
    if (!later && !adopted)
        exchange_claim(x, b, &v);
    pthread_mutex_unlock(&x->lock);
    if (later)
        return PTL_OK;
    ptl_status st = adopted ? PTL_OK : exchange_adopt(x, b, &v, err);
    forget_value(x, b);
    return st;
}

ptl_status exchange_adopt_values(cluster_exchange *x, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int b = 0; b < exchange_adopted(x) && st == PTL_OK; b++)
        st = adopt_value(x, b, err);
    return st;
}

/* Under the lock; -1: none. */
static int whole_value(const cluster_exchange *x)
{
    for (int b = 0; b < exchange_adopted(x); b++)
        if (is_unclaimed(x, b))
            return b;
    return -1;
}

static bool has_some(const cluster_exchange *x, int64_t step)
{
    return exchange_has_begun(x, step) || whole_value(x) >= 0;
}

/* Once all is computed, values go into the store while others are on their way.
 */
ptl_status exchange_adopt_until_begun(cluster_exchange *x, int64_t step,
                                      ptl_error *err)
{
    for (;;) {
        ptl_status st = exchange_await(x, has_some, step, err);
        if (st != PTL_OK)
            return st;
        pthread_mutex_lock(&x->lock);
        bool begun = exchange_has_begun(x, step);
        int b = whole_value(x); /* the node may have taken it by now */
        next_value v;
        bool ours = !begun && b >= 0 && exchange_claim(x, b, &v);
        pthread_mutex_unlock(&x->lock);
        if (begun)
            return PTL_OK;
        if (ours)
            st = exchange_adopt(x, b, &v, err);
        if (st != PTL_OK)
            return st;
    }
}

/* ---------- those that are late ---------- */

/* Others are at fault while this one waits. */
static ptl_status await_value(cluster_exchange *x, int bucket, ptl_error *err)
{
    pthread_mutex_lock(&x->lock);
    bool here = has_value(x, bucket);
    pthread_mutex_unlock(&x->lock);
    if (here)
        return PTL_OK;
    exchange_tell_phase(x, WIRE_PHASE_WAITING);
    ptl_status st = exchange_await(x, has_value, bucket, err);
    exchange_tell_phase(x, WIRE_PHASE_TRAINING);
    return st;
}

/* *done: it is in the store. Else it was whole, and the node had claimed it by
 * the time. */
static ptl_status take_value(cluster_exchange *x, int bucket, bool *done,
                             ptl_error *err)
{
    next_value v;
    ptl_status st = await_value(x, bucket, err);
    if (st != PTL_OK)
        return st;
    pthread_mutex_lock(&x->lock);
    bool ours = exchange_claim(x, bucket, &v);
    *done = ours || x->next[bucket].adopted;
    pthread_mutex_unlock(&x->lock);
    return ours ? exchange_adopt(x, bucket, &v, err) : PTL_OK;
}

ptl_status exchange_use(cluster_exchange *x, int bucket, ptl_error *err)
{
    bool done = false;
    ptl_status st = PTL_OK;
    if (!x->owed[bucket] || ptl_is_planted(PTL_PLANT_OLD_VALUES))
        return PTL_OK;
    while (!done && st == PTL_OK)
        st = take_value(x, bucket, &done, err);
    if (st != PTL_OK)
        return st;
    forget_value(x, bucket);
    x->owed[bucket] = false;
    return PTL_OK;
}

ptl_status exchange_settle(cluster_exchange *x, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int b = 0; b < exchange_adopted(x) && st == PTL_OK; b++)
        st = exchange_use(x, b, err);
    return st;
}

void exchange_freed(cluster_exchange *x, int bucket)
{
    next_value *v = &x->next[bucket];
    pthread_mutex_lock(&x->lock);
    v->freed = true;
    bool whole = v->whole;
    pthread_mutex_unlock(&x->lock);
    if (whole) /* else the node sees it when it is */
        node_post(x->node, exchange_adopt_early, &x->early[bucket]);
}
