/*
 * shards.c - what a run of shards is made of: programs, places, memory.
 *
 * Sums of gradients lie in one block each, every parameter's at the same place
 * in all of them: adding two sums is one pass, and the update is told where its
 * block is. The total has one, in a cluster that of the peers; the workers
 * share one, or have one each where their sums must stand side by side; a shard
 * of several parts has one, unless it is alone; what would only be added to an
 * empty total has none.
 */
#include "train/shards_priv.h"
#include <stdlib.h>
#include <string.h>

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY, "no memory for shards");
}

enum { MOST_SHARDS = 4096 };

ptl_status shards_check_codec(const ptl_job *job, ptl_error *err)
{
    if (!job->cluster.bf16 || !job->f64)
        return PTL_OK;
    return ptl_fail(err, PTL_E_PROGRAM,
                    "`compress = bf16` sends half of each f32, and this "
                    "program's reals are f64");
}

ptl_status shards_check(const session *s, ptl_error *err)
{
    int64_t count = s->options->shards, towers = s->job->cluster.towers;
    if (count > MOST_SHARDS)
        return ptl_fail(err, PTL_E_USAGE, "--shards is at most %d",
                        MOST_SHARDS);
    if (count > 0 && count % towers != 0)
        return ptl_fail(err, PTL_E_USAGE,
                        "--shards %lld: each worker of the cluster has %lld "
                        "towers, so it must be a multiple of %lld",
                        (long long)count, (long long)towers, (long long)towers);
    if (count > 1 && shards_check_codec(s->job, err) != PTL_OK)
        return PTL_E_PROGRAM;
    if (count > 1 && s->job->cluster.pace != PTL_PACE_BARRIER && !s->peers)
        return ptl_fail(err, PTL_E_USAGE,
                        "--shards %lld: what workers do without a barrier is "
                        "replayed from the schedule of a job (`ptlc launch "
                        "--record FILE`, then --replay FILE); `--set "
                        "cluster.sync=barrier` lets them take each step "
                        "together",
                        (long long)count);
    return PTL_OK;
}

bool shards_wanted(const session *s)
{
    const ptl_job *job = s->job;
    return s->peers || s->options->shards > 0 || job->accumulate > 1;
}

static int64_t at_least_one(int64_t n)
{
    return n > 0 ? n : 1;
}

int64_t shards_count(const session *s)
{
    return at_least_one(s->options->shards);
}

int64_t shards_first_rows(const session *s, int64_t rows)
{
    rows = order_cut(rows, shards_count(s), 0).rows;
    return order_cut(rows, at_least_one(s->job->accumulate), 0).rows;
}

/* ---------- what the programs give and take ---------- */

/* Every gradient gets its place in a block. */
static ptl_status place_for_update(shards *h, ptl_error *err)
{
    const ptl_program *p = h->update->program;
    h->inputs = calloc((size_t)p->buffer_count + 1, sizeof *h->inputs);
    if (!h->inputs)
        return no_memory(err);
    h->weight_input = program_find(p, "weight");
    h->bucket_count = 1;
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (b->role != PTL_ROLE_DATA || i == h->weight_input)
            continue;
        h->inputs[h->input_count++] =
            (update_input){i,
                           {.path = b->name + strlen(PTL_SUM_PREFIX),
                            .count = b->size_bytes / dtype_size(b->dtype),
                            .at = h->block_bytes}};
        h->block_bytes += memory_padded((size_t)b->size_bytes);
    }
    return PTL_OK;
}

static ptl_status place_for_peers(shards *h, ptl_error *err)
{
    int count = h->peers->place_count;
    h->inputs = calloc((size_t)count + 1, sizeof *h->inputs);
    if (!h->inputs)
        return no_memory(err);
    for (int i = 0; i < count; i++)
        h->inputs[i] = (update_input){-1, h->peers->places[i]};
    h->input_count = count;
    h->bucket_count = h->peers->bucket_count;
    h->block_bytes = memory_padded(h->peers->block_bytes);
    return PTL_OK;
}

static ptl_status place_gradients(shards *h, ptl_error *err)
{
    ptl_status st =
        h->peers ? place_for_peers(h, err) : place_for_update(h, err);
    h->whole = shards_empty_list(h);
    return st == PTL_OK
               ? sums_list_add(&h->whole, 0, 0,
                               (int64_t)h->block_bytes / dtype_size(h->dtype),
                               err)
               : st;
}

static ptl_status add_program(shards *h, int64_t rows, ptl_error *err)
{
    for (int i = 0; i < h->program_count; i++)
        if (h->programs[i].built->rows == rows)
            return PTL_OK;
    PTL_ASSERT(h->program_count < MOST_PROGRAMS);
    shard_program *p = &h->programs[h->program_count];
    ptl_status st = session_build_for(h->s, PTL_PROGRAM_SHARD, rows,
                                      h->s->train, &p->built, err);
    if (st != PTL_OK)
        return st;
    h->program_count++;
    p->weight = program_find(p->built->program, "weight");
    if (p->built->loss < 0 || p->weight < 0)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "the shard's program gives no loss or no weight");
    return shards_list_gradients(h, p, err);
}

/* Each size of part that a batch of `rows` rows comes to. */
static ptl_status add_programs(shards *h, int64_t rows, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int64_t k = h->states.first; k < h->states.end && st == PTL_OK; k++) {
        int64_t own = order_cut(rows, h->shards, k).rows;
        for (int64_t i = 0; i < h->parts && st == PTL_OK; i++) {
            int64_t part = order_cut(own, h->parts, i).rows;
            if (part > 0)
                st = add_program(h, part, err);
        }
    }
    return st;
}

/* ---------- opening ---------- */

static ptl_status add_item(shards *h, const char *path, ptl_dtype dtype,
                           int64_t count, ptl_error *err)
{
    ptl_buffer b = {.name = path,
                    .role = PTL_ROLE_SLOT,
                    .dtype = dtype,
                    .rank = 1,
                    .dims = {count},
                    .size_bytes = count * dtype_size(dtype)};
    return store_add_one(&h->s->store, &b, true, err);
}

/* What must be there again after a resume: sums that wait for their exchange,
 * and the number of updates where it follows from no step. */
static ptl_status add_items(shards *h, ptl_error *err)
{
    ptl_store *store = &h->s->store;
    ptl_status st = PTL_OK;
    h->worker_items = h->updates_item = -1;
    if (h->rule.sync_every > 1)
        h->worker_items = store->count;
    if (h->peers && h->peers->worker != 0)
        h->worker_items = -1; /* only who saves has room for all of them */
    for (int64_t w = 0; w < h->workers && h->worker_items >= 0; w++) {
        char path[64];
        snprintf(path, sizeof path, "worker%lld/sum", (long long)w);
        st = add_item(h, path, h->dtype,
                      (int64_t)h->block_bytes / dtype_size(h->dtype), err);
        snprintf(path, sizeof path, "worker%lld/weight", (long long)w);
        if (st == PTL_OK)
            st = add_item(h, path, PTL_F64, 1, err);
        if (st != PTL_OK)
            return st;
    }
    if (h->rule.aggregate == PTL_APPLY_EACH) {
        h->updates_item = store->count;
        st = add_item(h, "updates", PTL_I64, 1, err);
    }
    return st;
}

static ptl_status open_programs(shards *h, ptl_error *err)
{
    session *s = h->s;
    ptl_status st = PTL_OK;
    h->weight_input = -1;
    if (!h->peers)
        st = session_build_for(s, PTL_PROGRAM_UPDATE, h->batch, s->train,
                               &h->update, err);
    if (st == PTL_OK)
        st = place_gradients(h, err);
    if (st == PTL_OK)
        st = add_program(h, shards_first_rows(s, h->batch), err);
    if (st == PTL_OK)
        st = states_open(&h->states, s, h->programs[0].built->program, err);
    return st == PTL_OK ? add_items(h, err) : st;
}

ptl_status shards_open(session *s, int64_t batch, shards **out, ptl_error *err)
{
    const train_peers *peers = s->peers;
    shards *h = *out = calloc(1, sizeof *h);
    if (!h)
        return no_memory(err);
    h->s = s;
    h->peers = peers;
    h->batch = batch;
    h->shards = shards_count(s);
    h->parts = at_least_one(s->job->accumulate);
    h->dtype = s->job->f64 ? PTL_F64 : PTL_F32;
    h->rule = s->job->cluster;
    if (s->options->shards == 0)
        h->rule = (ptl_job_cluster){.towers = 1, .sync_every = 1};
    PTL_ASSERT(h->rule.towers > 0 && h->shards % h->rule.towers == 0);
    h->workers = h->shards / h->rule.towers;
    if (h->workers == 1) /* one mean is the mean of all */
        h->rule.aggregate = PTL_AGGREGATE_MEAN;
    h->side_by_side = !peers && (h->rule.sync_every > 1 ||
                                 h->rule.aggregate == PTL_APPLY_EACH);
    h->states = (shard_states){.shards = h->shards, .end = h->shards};
    if (peers && !peers->replays)
        shards_turn(h, peers->worker);
    if (peers)
        s->peers->shards = h;
    return open_programs(h, err);
}

void shards_close(shards *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->program_count; i++) {
        shard_program *p = &h->programs[i];
        for (int b = 0; p->buckets && b < h->bucket_count; b++)
            sums_list_fini(&p->buckets[b].list);
        free(p->buckets);
        free(p->order);
        free(p->by_used);
        free(p->by_freed);
        free(p->states);
    }
    device_sums_close(&h->sums);
    sums_list_fini(&h->whole);
    states_fini(&h->states);
    memory_unmap(h->memory, h->memory_bytes);
    free(h->worker);
    free(h->losses);
    free(h->packed[0]);
    free(h->packed[1]);
    free(h->inputs);
    free(h->rows);
    free(h->work);
    free(h->fields);
    free(h);
}

bool shards_save_late(const shards *h, int64_t checkpoint_every)
{
    bool loose = false;
    for (int i = 0; i < h->states.count && h->shards > 1; i++)
        loose |= h->states.items[i].sync == PTL_SYNC_NONE;
    return loose && h->rule.state_sync != PTL_STATE_NEVER &&
           checkpoint_every % h->state_every != 0;
}

bool shards_may_save(const shards *h, int64_t done)
{
    return !h->peers || done % h->rule.sync_every == 0 ||
           done == h->total_steps;
}

size_t shards_bytes(const shards *h)
{
    size_t lent = shards_lies_with_peers(h) ? h->block_bytes : 0;
    return memory_padded(h->memory_bytes) + lent;
}

/* ---------- memory ---------- */

static int64_t worker_sums(const shards *h)
{
    return h->side_by_side ? h->workers : 1;
}

static size_t slice_bytes(const shards *h)
{
    int count;
    int64_t rows = shards_first_rows(h->s, h->batch);
    size_t bytes = 0;
    data_raw(h->s->train, &count);
    for (int i = 0; i < count; i++)
        bytes += memory_padded((size_t)rows *
                               data_array_at(h->s->train, i)->record_bytes);
    return bytes;
}

/* Values of states always, gradients where they are added up here. */
static void give_sum(shards *h, shard_sum *sum, bool gradients, char **at)
{
    sum->states.block = *at;
    *at += h->states.bytes;
    if (!gradients)
        return;
    sum->gradients = *at;
    *at += h->block_bytes;
}

/* Blocks of gradients: the total's, unless it lies with the peers, the
 * workers', a shard's of several parts; a place beside the total for what
 * devices add to it. */
static size_t block_count(const shards *h)
{
    return !shards_lies_with_peers(h) +
           (shards_add_directly(h) ? 0 : (size_t)worker_sums(h)) +
           (shards_parts_apart(h) ? 1 : 0) + (shards_add_on_device(h) ? 1 : 0);
}

/* What goes to the peers beside gradients. */
static ptl_status take_packed(shards *h)
{
    h->losses = calloc((size_t)h->rule.towers, sizeof *h->losses);
    for (int g = 0; g < 2; g++) {
        int64_t count = states_group_count(h->s->job, (state_group)g);
        h->packed[g] = calloc((size_t)count + 1, (size_t)dtype_size(h->dtype));
    }
    return h->losses && h->packed[0] && h->packed[1] ? PTL_OK : PTL_E_MEMORY;
}

static ptl_status take_memory(shards *h, ptl_error *err)
{
    size_t values = (size_t)(worker_sums(h) + 2);
    if (h->peers && take_packed(h) != PTL_OK)
        return no_memory(err);
    data_raw(h->s->train, &h->field_count);
    h->worker = calloc((size_t)worker_sums(h), sizeof *h->worker);
    h->rows = calloc((size_t)h->shards, sizeof *h->rows);
    h->work = calloc((size_t)(h->shards * h->parts), sizeof *h->work);
    h->fields = calloc((size_t)h->field_count + 1, sizeof *h->fields);
    h->memory_bytes = block_count(h) * h->block_bytes +
                      (values + 1) * h->states.bytes + slice_bytes(h) +
                      PTL_BUFFER_ALIGN;
    h->memory = memory_map(h->memory_bytes);
    if (!h->worker || !h->rows || !h->work || !h->fields || !h->memory)
        return no_memory(err);
    char *at = h->memory + PTL_BUFFER_ALIGN; /* the weight comes first */
    give_sum(h, &h->total, !shards_lies_with_peers(h), &at);
    if (shards_add_on_device(h))
        at += h->block_bytes;
    give_sum(h, &h->part, shards_parts_apart(h), &at);
    for (int64_t w = 0; w < worker_sums(h); w++)
        give_sum(h, &h->worker[w], !shards_add_directly(h), &at);
    h->states.zeros = at;
    h->slices = at + h->states.bytes;
    return PTL_OK;
}

/* Sums between exchanges are those of the store. */
static void adopt_items(shards *h)
{
    for (int64_t w = 0; !h->peers && w < h->workers && h->worker_items >= 0;
         w++)
        h->worker[w].gradients = shards_item(h, h->worker_items + 2 * (int)w);
}

/* ---------- how many updates ---------- */

int64_t exchanges_of(const ptl_job_cluster *rule, int64_t steps, int64_t total)
{
    int64_t every = rule->sync_every;
    bool rest = steps == total && steps % every != 0;
    return steps / every + rest;
}

int64_t shards_exchanges(const shards *h, int64_t steps)
{
    return exchanges_of(&h->rule, steps, h->total_steps);
}

static int64_t workers_with_rows(const update_count *u, int64_t rows)
{
    int64_t count = 0, towers = u->rule.towers;
    for (int64_t w = 0; w < u->workers; w++)
        count += order_cut(rows, u->workers * towers, w * towers).rows > 0;
    return count;
}

/* Where each worker's gradient is an update of its own, so many more. */
int64_t updates_in_all(const update_count *u)
{
    int64_t all = exchanges_of(&u->rule, u->total_steps, u->total_steps);
    int64_t full = workers_with_rows(u, u->batch);
    if (u->rule.aggregate != PTL_APPLY_EACH || u->workers == 1)
        return all;
    if (u->rule.sync_every > 1 || !u->tail || u->steps_per_epoch < 2)
        return all * full;
    int64_t tails = all / u->steps_per_epoch;
    return (all - tails) * full + tails * workers_with_rows(u, u->tail);
}

int64_t updates_before_average(const update_count *u, int64_t from)
{
    if (u->rule.aggregate != PTL_APPLY_EACH || u->workers == 1)
        return exchanges_of(&u->rule, from, u->total_steps);
    return (int64_t)((double)from * (double)updates_in_all(u) /
                     (double)u->total_steps);
}

ptl_status shards_begin(shards *h, int64_t tail, int64_t steps_per_epoch,
                        int64_t total_steps, ptl_error *err)
{
    const ptl_job_cluster *rule = &h->rule;
    ptl_status st = add_programs(h, h->batch, err);
    if (st == PTL_OK && tail)
        st = add_programs(h, tail, err);
    for (int i = 0; i < h->program_count && st == PTL_OK; i++) {
        shard_program *p = &h->programs[i];
        p->states = states_io(&h->states, &h->s->store, p->built->program);
        if (!p->states)
            st = no_memory(err);
    }
    if (st == PTL_OK)
        st = take_memory(h, err);
    if (st != PTL_OK)
        return st;
    adopt_items(h);
    if (shards_add_on_device(h))
        st = device_sums_open(&h->sums, h->s, h->total.gradients,
                              h->block_bytes, err);
    if (st == PTL_OK)
        st = session_fetch(h->s, err);
    if (st != PTL_OK)
        return st;
    states_spread(&h->states, &h->s->store);
    states_wrote(&h->states, h->s);
    h->state_every = rule->state_steps > 0
                         ? rule->state_steps
                         : rule->state_epochs * steps_per_epoch;
    h->total_steps = total_steps;
    h->counting = (update_count){.rule = h->rule,
                                 .workers = h->workers,
                                 .batch = h->batch,
                                 .tail = tail,
                                 .steps_per_epoch = steps_per_epoch,
                                 .total_steps = total_steps};
    h->total_updates = updates_in_all(&h->counting);
    if (h->peers)
        shards_turn(h, h->peers->worker);
    return PTL_OK;
}
