/*
 * exchange_update.c - `slots = worker`: parameter servers give the sum of the
 * gradients and its weight, and each worker makes the update of its replica
 * itself, by the program of one process.
 */
#include "cluster/exchange_priv.h"
#include <string.h>

/* Places for sums, whole under the paths of their parameters. */
static ptl_status add_sums(cluster_exchange *x, ptl_error *err)
{
    const cluster_layout *l = x->plan->layout;
    ptl_status st = PTL_OK;
    for (int i = 0; i < l->variable_count && st == PTL_OK; i++) {
        const ptl_job_tensor *t = l->variables[i];
        ptl_buffer b = {.name = t->path,
                        .role = PTL_ROLE_PARAM,
                        .dtype = t->dtype,
                        .rank = t->rank,
                        .size_bytes =
                            job_tensor_elements(t) * dtype_size(t->dtype)};
        memcpy(b.dims, t->dims, sizeof b.dims);
        st = store_add_one(&x->sums, &b, false, err);
    }
    return st == PTL_OK ? store_allocate(&x->sums, err) : st;
}

/* What the program does not have, it does not need. */
static void bind(cluster_exchange *x)
{
    ptl_run *run = x->update->run;
    for (int i = 0; i < x->sums.count; i++) {
        ptl_str name = {0};
        str_printf(&name, PTL_SUM_PREFIX "%s", x->sums.items[i].path);
        run_bind_name(run, str_text(&name), x->sums.items[i].memory);
        str_fini(&name);
    }
    run_bind_name(run, "weight", x->weight);
}

ptl_status update_open(cluster_exchange *x, ptl_error *err)
{
    session *s = x->s;
    if (s->options->on_nan == TRAIN_NAN_SKIP)
        return ptl_fail(err, PTL_E_USAGE,
                        "--on-nan skip takes an update back, and under `slots "
                        "= worker` the other workers have made it");
    x->weight = memory_map(PTL_BUFFER_ALIGN);
    if (!x->weight)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for an exchange");
    ptl_status st = session_build_for(s, PTL_PROGRAM_UPDATE, x->plan->run.batch,
                                      s->train, &x->update, err);
    if (st == PTL_OK)
        st = add_sums(x, err);
    if (st == PTL_OK)
        bind(x);
    return st;
}

/* It lies behind the sums, the same in every bucket; 0: there were no rows. */
static double take_weight(cluster_exchange *x)
{
    const cluster_plan *p = x->plan;
    const bucket_layout *b = &p->layout->buckets[0];
    const uint8_t *at = x->incoming + p->at[0] + b->value_bytes;
    memcpy(x->weight, at, (size_t)dtype_size(b->dtype));
    return dtype_get(b->dtype, x->weight, 0);
}

ptl_status update_take(cluster_exchange *x, const peers_own *own,
                       peers_shared *out, ptl_error *err)
{
    const cluster_plan *plan = x->plan;
    const update_count *u = &plan->updates;
    session_program *p = x->update;
    ptl_status st = PTL_OK;
    if (!own->exchanged || take_weight(x) == 0)
        return PTL_OK;
    for (int b = 0; b < plan->layout->plan->bucket_count && st == PTL_OK; b++)
        st = layout_give_value(&plan->layout->buckets[b],
                               x->incoming + plan->at[b], &x->sums, err);
    session_set_scalars(x->s, p,
                        exchanges_of(&u->rule, own->done, u->total_steps),
                        own->epoch, updates_in_all(u));
    run_set(p->run, "average_from",
            updates_before_average(u, x->s->average_from));
    if (st == PTL_OK)
        st = run_execute(p->run, err);
    out->lr = st == PTL_OK ? session_scalar(p, p->lr) : out->lr;
    return st;
}

void update_close(cluster_exchange *x)
{
    store_fini(&x->sums);
    memory_unmap(x->weight, PTL_BUFFER_ALIGN);
}
