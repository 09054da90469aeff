/*
 * plan.c - see plan.h.
 */
#include "cluster/plan.h"
#include <string.h>

enum {
    WINDOW_CHUNKS = 32, /* payload under way on one link */
    RETRY_MS = 2000,
    JOIN_WAIT_MS = 300000
};

int cluster_owners(const ptl_job_cluster *c, const launch_role *role)
{
    return c->placement == PTL_ALLREDUCE || role->servers == 0 ? role->workers
                                                               : role->servers;
}

/* ---------- what is not built yet ---------- */

static ptl_status check_built(const ptl_job *job, const launch_role *role,
                              ptl_error *err)
{
    const ptl_job_cluster *c = &job->cluster;
    bool lonely = role->workers == 1;
    if (!lonely && shards_check_codec(job, err) != PTL_OK)
        return PTL_E_PROGRAM;
    bool each = c->aggregate == PTL_APPLY_EACH && !lonely && !c->ordered;
    if (job->rounds > 0 && (c->pace != PTL_PACE_BARRIER || each))
        return ptl_fail(err, PTL_E_PROGRAM,
                        "the optimizer asks for a number of all parameters "
                        "(across_params), which are of one step under `sync = "
                        "barrier` alone, and `ordered` where each gradient is "
                        "applied");
    if (c->pace != PTL_PACE_BARRIER && !lonely &&
        states_group_count(job, STATE_GROUP_SYNCED) > 0)
        return ptl_fail(err, PTL_E_PROGRAM,
                        "a state with `sync mean` or `sync sum` is added up "
                        "over all workers in each step, and under `sync = "
                        "async` or `stale` they take no step together");
    return PTL_OK;
}

/* ---------- buckets ---------- */

/* Under `allreduce` they are with those workers that own them. */
static bool worker_slots(const ptl_job_cluster *c)
{
    return c->slots_on_workers && c->placement != PTL_ALLREDUCE;
}

static shard_rules rules_of(const ptl_job *job, const launch_role *role)
{
    static const dist_aggregate aggregates[] = {
        [PTL_AGGREGATE_MEAN] = DIST_MEAN,
        [PTL_AGGREGATE_SUM] = DIST_SUM,
        [PTL_APPLY_EACH] = DIST_APPLY_EACH};
    static const dist_sync syncs[] = {[PTL_PACE_BARRIER] = DIST_BARRIER,
                                      [PTL_PACE_ASYNC] = DIST_ASYNC,
                                      [PTL_PACE_STALE] = DIST_STALE};
    const ptl_job_cluster *c = &job->cluster;
    return (shard_rules){
        .aggregate = role->workers == 1 ? DIST_MEAN : aggregates[c->aggregate],
        .sync = syncs[c->pace],
        .ordered = c->ordered,
        .stale = (int)c->stale,
        .workers = role->workers,
        .hold = job->rounds > 0 && !worker_slots(c),
        .always = worker_slots(c),
        .meet = !c->locking && role->workers > 1};
}

/* Each value is new in each step, and the worker waits for nothing else. */
static bool may_be_late(const cluster_plan *p, const ptl_job_cluster *c)
{
    return c->pace == PTL_PACE_BARRIER && c->sync_every == 1 && !c->strict &&
           !p->workers_update;
}

static void place_parameters(cluster_plan *p, const ptl_job *job,
                             const launch_role *role, int64_t first_updates)
{
    const ptl_job_cluster *c = &job->cluster;
    int64_t barrier =
        c->barrier_steps + c->barrier_epochs * p->run.steps_per_epoch;
    bool late = may_be_late(p, c);
    for (int b = 0; b < p->layout->plan->bucket_count; b++) {
        const bucket_layout *l = &p->layout->buckets[b];
        int64_t rounds = exchanges_of(c, p->run.first, p->run.total_steps);
        shard_rules rules = rules_of(job, role);
        rules.first_step = (uint64_t)rounds;
        rules.first_updates = (uint64_t)first_updates;
        p->buckets[b] = (machine_bucket){.owner = l->owner,
                                         .every = (uint64_t)c->sync_every,
                                         .rest = true,
                                         .barrier = (uint64_t)barrier,
                                         .late = late,
                                         .rules = rules};
        p->bytes[b] = l->value_bytes;
        p->slot_bytes[b] = l->slot_bytes;
        if (p->workers_update) {
            p->bytes[b] += (size_t)dtype_size(l->dtype);
            p->slot_bytes[b] = 0;
        }
        p->types[b] = l->dtype;
        if (c->bf16 && role->workers > 1)
            p->codecs[b] = WIRE_CODEC_BF16;
    }
}

/* States without a word that nobody averages are the worker's own affair. */
static bool is_exchanged(const ptl_job *job, const launch_role *role,
                         state_group group)
{
    bool wanted = group == STATE_GROUP_SYNCED ||
                  job->cluster.state_sync == PTL_STATE_MEAN;
    return wanted && role->workers > 1 && states_group_count(job, group) > 0;
}

static void place_states(cluster_plan *p, const ptl_job *job,
                         const launch_role *role, int *count)
{
    const ptl_job_cluster *c = &job->cluster;
    ptl_dtype type = job->f64 ? PTL_F64 : PTL_F32;
    int64_t loose_every = c->state_steps > 0
                              ? c->state_steps
                              : c->state_epochs * p->run.steps_per_epoch;
    for (int g = 0; g < STATE_GROUPS; g++) {
        p->state_bucket[g] = NO_BUCKET;
        if (!is_exchanged(job, role, (state_group)g))
            continue;
        int b = p->state_bucket[g] = (*count)++;
        int64_t every = g == STATE_GROUP_LOOSE ? loose_every : 1;
        p->buckets[b] = (machine_bucket){
            .owner = 0,
            .every = (uint64_t)every,
            .rules = {.aggregate = DIST_MEAN,
                      .sync = DIST_BARRIER,
                      .ordered = c->ordered,
                      .first_step = (uint64_t)(p->run.first / every),
                      .workers = role->workers}};
        p->bytes[b] = (uint64_t)states_group_count(job, (state_group)g) *
                      (uint64_t)dtype_size(type);
        p->types[b] = type;
    }
}

/* ---------- the agreement ---------- */

static const char *placement_name(ptl_placement p)
{
    static const char *const names[] = {[PTL_REPLICATED] = "replicated",
                                        [PTL_PARAMETER_SERVER] =
                                            "parameter_server",
                                        [PTL_ALLREDUCE] = "allreduce"};
    return names[p];
}

static void say_tensor(ptl_str *out, const ptl_job_tensor *t)
{
    static const char *const roles[] = {[PTL_ROLE_PARAM] = "parameter",
                                        [PTL_ROLE_STATE] = "state",
                                        [PTL_ROLE_SLOT] = "slot"};
    str_printf(out, "%s %s = %s[", roles[t->role], t->path,
               dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        str_printf(out, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
    str_add(out, "]\n");
}

/* What differs most often, and is understood most easily, comes first. */
static void write_agreement(cluster_plan *p, const ptl_job *job,
                            const launch_role *role)
{
    static const char *const aggregates[] = {"mean", "sum", "apply_each"};
    static const char *const paces[] = {"barrier", "async", "stale"};
    const ptl_job_cluster *c = &job->cluster;
    ptl_str *out = &p->agreement;
    str_printf(out, "model = %s\n", job->model);
    str_printf(out, "seed = %llu\n", (unsigned long long)job->seed);
    str_printf(out, "real = %s\n", job->f64 ? "f64" : "f32");
    str_printf(out, "batch = %lld\n", (long long)job->batch);
    str_printf(out, "accumulate = %lld\n", (long long)job->accumulate);
    str_printf(out, "records = %lld\n", (long long)p->run.rows);
    str_printf(out, "steps = %lld to %lld of %lld\n", (long long)p->run.first,
               (long long)p->run.last, (long long)p->run.total_steps);
    str_printf(out, "ps = %d\n", role->servers);
    str_printf(out, "workers = %d of %lld towers\n", role->workers,
               (long long)c->towers);
    str_printf(out, "placement = %s\n", placement_name(c->placement));
    str_printf(out, "aggregate = %s%s\n", aggregates[c->aggregate],
               c->ordered ? ", ordered" : "");
    str_printf(out, "sync = %s", paces[c->pace]);
    if (c->pace == PTL_PACE_STALE)
        str_printf(out, "(%lld)", (long long)c->stale);
    str_printf(out, ", every %lld steps\n", (long long)c->sync_every);
    str_printf(out, "compress = %s\n", c->bf16 ? "bf16" : "none");
    for (int i = 0; i < job->tensor_count; i++)
        say_tensor(out, &job->tensors[i]);
    for (int b = 0; b < p->limits.bucket_count; b++)
        str_printf(out, "bucket %d = %llu B on %d\n", b,
                   (unsigned long long)p->bytes[b], p->buckets[b].owner);
    str_printf(out, "sources and settings = %s\n", job->source_hash);
}

/* ---------- the job ---------- */

/* As the original has them: see exchange.c. */
static int count_barriers(const cluster_plan *p, const ptl_job_cluster *c,
                          const launch_role *role)
{
    if (!c->strict || role->workers == 1)
        return 0;
    return c->placement == PTL_PARAMETER_SERVER ? 1
                                                : p->layout->variable_count + 1;
}

static void fill_job(cluster_plan *p, const ptl_job *job,
                     const launch_role *role)
{
    const ptl_job_cluster *c = &job->cluster;
    bool totals = job->rounds > 0 && !p->workers_update;
    p->strict_barriers = count_barriers(p, c, role);
    p->limits = (wire_limits){.job = role->job,
                              .chunk = WIRE_CHUNK_BYTES,
                              .bucket_count = p->limits.bucket_count,
                              .bucket_bytes = p->bytes,
                              .slot_bytes = p->slot_bytes,
                              .bucket_types = p->types,
                              .push_codecs = p->codecs};
    p->job = (machine_job){.id = role->job,
                           .servers = cluster_owners(c, role),
                           .workers = role->workers,
                           .agreement = str_text(&p->agreement),
                           .limits = &p->limits,
                           .buckets = p->buckets,
                           .totals = totals ? &p->adder : NULL,
                           .first_step = (uint64_t)p->run.first,
                           .steps = (uint64_t)p->run.last,
                           .total = (uint64_t)p->run.total_steps,
                           .barriers = p->strict_barriers,
                           .window = (uint64_t)WINDOW_CHUNKS * WIRE_CHUNK_BYTES,
                           .retry = RETRY_MS,
                           .liveness = {.heartbeat = (uint64_t)c->heartbeat,
                                        .dead = (uint64_t)c->dead,
                                        .stall = (uint64_t)c->stall},
                           .join_wait = JOIN_WAIT_MS,
                           .worker_wait = 0};
}

static void place_in_block(cluster_plan *p)
{
    int parameters = p->layout->plan->bucket_count;
    for (int b = 0; b < p->limits.bucket_count; b++) {
        p->at[b] = p->block_bytes;
        p->block_bytes += memory_padded(p->bytes[b]);
        if (b < parameters)
            p->gradient_bytes = p->block_bytes;
    }
}

static void count_updates(cluster_plan *p, const ptl_job *job,
                          const launch_role *role)
{
    p->updates = (update_count){.rule = job->cluster,
                                .workers = role->workers,
                                .batch = p->run.batch,
                                .tail = p->run.rows % p->run.batch,
                                .steps_per_epoch = p->run.steps_per_epoch,
                                .total_steps = p->run.total_steps};
}

ptl_status cluster_plan_make(const ptl_job *job, const launch_role *role,
                             const peers_run *run, int64_t first_updates,
                             cluster_plan *out, ptl_error *err)
{
    const ptl_job_cluster *c = &job->cluster;
    place_options o = {.owners = cluster_owners(c, role),
                       .balance = c->round_robin ? PLACE_ROUND_ROBIN
                                                 : PLACE_GREEDY_BYTES,
                       .slice = c->slice,
                       .bucket = c->bucket};
    *out = (cluster_plan){.arena = arena_new(), .run = *run};
    ptl_status st = check_built(job, role, err);
    if (st != PTL_OK)
        return st;
    out->workers_update = worker_slots(c);
    out->layout = layout_make(out->arena, job, &o);
    out->totals = totals_make(out->arena, job, out->layout, o.owners);
    out->adder = totals_machine(out->totals);
    int count = out->layout->plan->bucket_count;
    size_t room = (size_t)count + STATE_GROUPS;
    out->buckets = ARENA_ARRAY(out->arena, machine_bucket, room);
    out->bytes = ARENA_ARRAY(out->arena, uint64_t, room);
    out->slot_bytes = ARENA_ARRAY(out->arena, uint64_t, room);
    out->types = ARENA_ARRAY(out->arena, ptl_dtype, room);
    out->codecs = ARENA_ARRAY(out->arena, uint8_t, room);
    out->at = ARENA_ARRAY(out->arena, size_t, room);
    place_parameters(out, job, role, first_updates);
    place_states(out, job, role, &count);
    out->limits.bucket_count = count;
    place_in_block(out);
    write_agreement(out, job, role);
    fill_job(out, job, role);
    count_updates(out, job, role);
    return PTL_OK;
}

void cluster_plan_fini(cluster_plan *p)
{
    str_fini(&p->agreement);
    if (p->arena)
        arena_free(p->arena);
    *p = (cluster_plan){0};
}
