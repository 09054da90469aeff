/*
 * shard_states.c - see shard_states.h.
 *
 * Which copy a state's shards read follows from its word and from state_sync:
 *
 *                        shard 0    other shards   saved
 *   mean, sum            saved      saved          after every step
 *   local                saved      their own      shard 0's
 *   no word, never       saved      their own      shard 0's
 *   no word, chief       its own    their own      shard 0's, when due
 *   no word, mean        its own    their own      the mean, when due
 */
#include "train/shard_states.h"
#include "base/plant.h"
#include "base/str.h"
#include "runtime/sums.h"
#include <stdlib.h>
#include <string.h>

static ptl_sync word_of(const ptl_job *job, const char *path)
{
    for (int i = 0; i < job->tensor_count; i++)
        if (job->tensors[i].role == PTL_ROLE_STATE &&
            strcmp(job->tensors[i].path, path) == 0)
            return job->tensors[i].sync;
    return PTL_SYNC_NONE;
}

static bool first_reads_saved(const ptl_job *job, ptl_sync sync, int64_t shards)
{
    return shards == 1 || sync == PTL_SYNC_LOCAL ||
           job->cluster.state_sync == PTL_STATE_NEVER;
}

/* A copy of item `saved` for one shard; its number in the store, -1: no
 * memory. */
static int add_replica(ptl_store *store, int saved, int64_t shard,
                       ptl_error *err)
{
    const store_tensor *of = &store->items[saved];
    ptl_str path = {0};
    str_printf(&path, "shard%lld/%s", (long long)shard, of->path);
    ptl_buffer b = {.name = str_text(&path),
                    .role = PTL_ROLE_STATE,
                    .dtype = of->dtype,
                    .rank = of->rank,
                    .size_bytes = (int64_t)of->size};
    memcpy(b.dims, of->dims, sizeof b.dims);
    ptl_status st = store_add_one(store, &b, false, err);
    str_fini(&path);
    return st == PTL_OK ? store->count - 1 : -1;
}

static ptl_status add_replicas(shard_states *st, session *s, shard_state *state,
                               ptl_error *err)
{
    state->replicas = calloc((size_t)st->shards, sizeof *state->replicas);
    if (!state->replicas)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for the shards' states");
    for (int64_t k = st->first; k < st->end; k++) {
        bool saved =
            k == 0 && first_reads_saved(s->job, state->sync, st->shards);
        state->replicas[k] =
            saved ? state->saved : add_replica(&s->store, state->saved, k, err);
        if (state->replicas[k] < 0)
            return err->status;
    }
    return PTL_OK;
}

/* The state that `b` is the new value of; -1: none. */
static int state_of(const ptl_store *store, const ptl_buffer *b)
{
    size_t prefix = strlen(PTL_NEXT_PREFIX);
    if (b->role != PTL_ROLE_OUTPUT ||
        strncmp(b->name, PTL_NEXT_PREFIX, prefix) != 0)
        return -1;
    const store_tensor *t = store_find(store, b->name + prefix);
    return t ? (int)(t - store->items) : -1;
}

static ptl_status add_state(shard_states *st, session *s, const ptl_buffer *b,
                            int saved, ptl_error *err)
{
    shard_state *state = &st->items[st->count++];
    *state = (shard_state){.saved = saved,
                           .sync = word_of(s->job, s->store.items[saved].path),
                           .at = st->bytes,
                           .count = b->size_bytes / dtype_size(b->dtype)};
    st->bytes += memory_padded((size_t)b->size_bytes);
    if (state->sync == PTL_SYNC_MEAN || state->sync == PTL_SYNC_SUM)
        return PTL_OK;
    return add_replicas(st, s, state, err);
}

ptl_status states_open(shard_states *st, session *s, const ptl_program *program,
                       ptl_error *err)
{
    st->dtype = s->job->f64 ? PTL_F64 : PTL_F32;
    st->items = calloc((size_t)program->buffer_count + 1, sizeof *st->items);
    if (!st->items)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for the shards' states");
    ptl_status status = PTL_OK;
    for (int i = 0; i < program->buffer_count && status == PTL_OK; i++) {
        const ptl_buffer *b = &program->buffers[i];
        int saved = state_of(&s->store, b);
        if (saved >= 0)
            status = add_state(st, s, b, saved, err);
    }
    return status;
}

void states_fini(shard_states *st)
{
    for (int i = 0; i < st->count; i++)
        free(st->items[i].replicas);
    free(st->items);
    *st = (shard_states){0};
}

static int find_own(const ptl_program *program, const char *path)
{
    size_t prefix = strlen(PTL_OWN_PREFIX);
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        if (b->role == PTL_ROLE_DATA &&
            strncmp(b->name, PTL_OWN_PREFIX, prefix) == 0 &&
            strcmp(b->name + prefix, path) == 0)
            return i;
    }
    return -1;
}

shard_state_io *states_io(const shard_states *st, const ptl_store *store,
                          const ptl_program *program)
{
    shard_state_io *io = calloc((size_t)st->count + 1, sizeof *io);
    for (int i = 0; io && i < st->count; i++) {
        const char *path = store->items[st->items[i].saved].path;
        io[i].input = program_find(program, path);
        io[i].own = find_own(program, path);
        for (int k = 0; k < program->buffer_count; k++)
            if (state_of(store, &program->buffers[k]) == st->items[i].saved)
                io[i].next = (size_t)program->buffers[k].arena_offset;
    }
    return io;
}

static void *copy_of(const shard_states *st, const ptl_store *store, int state,
                     int64_t shard)
{
    const shard_state *s = &st->items[state];
    return store->items[s->replicas ? s->replicas[shard] : s->saved].memory;
}

static size_t size_of(const shard_states *st, int state)
{
    return (size_t)st->items[state].count * (size_t)dtype_size(st->dtype);
}

static void copy_value(const shard_states *st, int state, void *to,
                       const void *from)
{
    if (to != from)
        memcpy(to, from, size_of(st, state));
}

void states_spread(const shard_states *st, const ptl_store *store)
{
    for (int i = 0; i < st->count; i++)
        for (int64_t k = st->first; k < st->end; k++)
            copy_value(st, i, copy_of(st, store, i, k),
                       store->items[st->items[i].saved].memory);
}

void states_wrote(const shard_states *st, session *s)
{
    for (int i = 0; i < st->count; i++) {
        const shard_state *state = &st->items[i];
        session_wrote(s, &s->store.items[state->saved]);
        for (int64_t k = st->first; state->replicas && k < st->end; k++)
            session_wrote(s, &s->store.items[state->replicas[k]]);
    }
}

void states_bind(const shard_states *st, const ptl_store *store,
                 const shard_state_io *io, ptl_run *run, int64_t shard,
                 bool first)
{
    for (int i = 0; i < st->count; i++) {
        void *copy = copy_of(st, store, i, shard);
        if (io[i].input >= 0)
            run_bind(run, io[i].input, copy);
        if (io[i].own >= 0)
            run_bind(run, io[i].own, first ? copy : st->zeros);
    }
}

/* ---------- new values ---------- */

static void add_value(const shard_states *st, int state, state_sum *to,
                      const void *from, int64_t rows)
{
    const shard_state *s = &st->items[state];
    bool first = to->rows == 0, adds = s->sync == PTL_SYNC_SUM;
    sum_op op = adds ? (first ? SUM_SET : SUM_ADD)
                     : (first ? SUM_SET_TIMES : SUM_ADD_TIMES);
    sums_span(st->dtype, op, to->block + s->at, from, s->count, (double)rows);
}

void states_take(const shard_states *st, state_sum *to,
                 const shard_state_io *io, const char *arena, int64_t rows)
{
    for (int i = 0; i < st->count; i++)
        add_value(st, i, to, arena + io[i].next, rows);
    to->rows += rows;
}

void states_merge(const shard_states *st, state_sum *to, const state_sum *from)
{
    if (to == from || from->rows == 0)
        return;
    for (int i = 0; i < st->count; i++)
        sums_span(st->dtype, to->rows ? SUM_ADD : SUM_SET,
                  to->block + st->items[i].at, from->block + st->items[i].at,
                  st->items[i].count, 0);
    to->rows += from->rows;
}

/* What the sum stands for, once nothing more comes. */
static void settle(const shard_states *st, int state, const state_sum *sum,
                   void *to)
{
    const shard_state *s = &st->items[state];
    sums_span(st->dtype, s->sync == PTL_SYNC_SUM ? SUM_SET : SUM_SET_OVER, to,
              sum->block + s->at, s->count, (double)sum->rows);
}

void states_keep(const shard_states *st, const ptl_store *store, int64_t shard,
                 const state_sum *sum, const shard_state_io *only,
                 const char *arena)
{
    for (int i = 0; i < st->count; i++) {
        void *own = copy_of(st, store, i, shard);
        if (!st->items[i].replicas)
            continue;
        if (only)
            copy_value(st, i, own, arena + only[i].next);
        else
            settle(st, i, sum, own);
    }
}

void states_sync(const shard_states *st, const ptl_store *store,
                 const state_sum *sum)
{
    for (int i = 0; i < st->count && sum->rows > 0; i++)
        if (!st->items[i].replicas)
            settle(st, i, sum, store->items[st->items[i].saved].memory);
}

/* ---------- state_sync ---------- */

/* Adds the copies of shards [first, end), times their rows, to an empty sum. */
static void add_copies(const shard_states *st, const ptl_store *store,
                       int state, const int64_t *rows, int64_t first,
                       int64_t end, state_sum *to)
{
    to->rows = 0;
    for (int64_t k = first; k < end; k++) {
        if (rows[k] == 0)
            continue;
        add_value(st, state, to, copy_of(st, store, state, k), rows[k]);
        to->rows += rows[k];
    }
}

/* Mean over the shards, worker by worker, into `sums[1]`. */
static void mean_of_copies(const shard_states *st, const ptl_store *store,
                           int state, const int64_t *rows, int64_t towers,
                           state_sum sums[2])
{
    const shard_state *s = &st->items[state];
    sums[1].rows = 0;
    for (int64_t first = 0; first < st->shards; first += towers) {
        add_copies(st, store, state, rows, first, first + towers, &sums[0]);
        if (sums[0].rows == 0)
            continue;
        sums_span(st->dtype, sums[1].rows ? SUM_ADD : SUM_SET,
                  sums[1].block + s->at, sums[0].block + s->at, s->count, 0);
        sums[1].rows += sums[0].rows;
    }
}

void states_chief(const shard_states *st, const ptl_store *store)
{
    for (int i = 0; i < st->count; i++)
        if (st->items[i].sync == PTL_SYNC_NONE)
            copy_value(st, i, store->items[st->items[i].saved].memory,
                       copy_of(st, store, i,
                               ptl_is_planted(PTL_PLANT_LAST_TOWER)
                                   ? st->end - 1
                                   : 0));
}

void states_exchange(const shard_states *st, const ptl_store *store,
                     ptl_state_sync how, const int64_t *rows, int64_t towers,
                     state_sum sums[2])
{
    if (st->shards == 1 || how == PTL_STATE_NEVER)
        return;
    if (how == PTL_STATE_CHIEF) {
        states_chief(st, store);
        return;
    }
    for (int i = 0; i < st->count; i++) {
        const shard_state *s = &st->items[i];
        void *saved = store->items[s->saved].memory;
        if (s->sync != PTL_SYNC_NONE)
            continue;
        mean_of_copies(st, store, i, rows, towers, sums);
        settle(st, i, &sums[1], saved);
        for (int64_t k = 0; k < st->shards; k++)
            copy_value(st, i, copy_of(st, store, i, k), saved);
    }
}

/* ---------- in a cluster ---------- */

bool state_is_in(state_group group, const ptl_job_tensor *t)
{
    bool synced = t->sync == PTL_SYNC_MEAN || t->sync == PTL_SYNC_SUM;
    bool loose = t->sync == PTL_SYNC_NONE;
    return t->role == PTL_ROLE_STATE &&
           (group == STATE_GROUP_SYNCED ? synced : loose);
}

int64_t states_group_count(const ptl_job *job, state_group group)
{
    int64_t count = 0;
    for (int i = 0; i < job->tensor_count; i++)
        if (state_is_in(group, &job->tensors[i]))
            count += job_tensor_elements(&job->tensors[i]);
    return count;
}

/* The state's number; -1: no step changes it. */
static int item_of(const shard_states *st, const ptl_store *store,
                   const char *path)
{
    for (int i = 0; i < st->count; i++)
        if (strcmp(store->items[st->items[i].saved].path, path) == 0)
            return i;
    return -1;
}

/* Walks a group's vector: the state at `at` bytes of it. */
typedef struct group_walk {
    const shard_states *st;
    const session *s;
    state_group group;
    int next; /* tensor of the job */
    size_t at, after;
    int state; /* -1: no step changes it */
} group_walk;

static bool walk(group_walk *w)
{
    const ptl_job *job = w->s->job;
    w->at = w->after;
    for (; w->next < job->tensor_count; w->next++) {
        const ptl_job_tensor *t = &job->tensors[w->next];
        if (!state_is_in(w->group, t))
            continue;
        w->after +=
            (size_t)job_tensor_elements(t) * (size_t)dtype_size(w->st->dtype);
        w->state = item_of(w->st, &w->s->store, t->path);
        w->next++;
        return true;
    }
    return false;
}

void states_pack(const shard_states *st, const session *s, const state_sum *sum,
                 void *to)
{
    group_walk w = {.st = st, .s = s, .group = STATE_GROUP_SYNCED};
    while (walk(&w))
        if (w.state >= 0)
            memcpy((char *)to + w.at, sum->block + st->items[w.state].at,
                   size_of(st, w.state));
}

int64_t states_pack_copies(const shard_states *st, const session *s,
                           const int64_t *rows, state_sum *scratch, void *to)
{
    group_walk w = {.st = st, .s = s, .group = STATE_GROUP_LOOSE};
    while (walk(&w)) {
        if (w.state < 0)
            continue;
        add_copies(st, &s->store, w.state, rows, st->first, st->end, scratch);
        memcpy((char *)to + w.at, scratch->block + st->items[w.state].at,
               size_of(st, w.state));
    }
    int64_t all = 0;
    for (int64_t k = st->first; k < st->end; k++)
        all += rows[k];
    return all;
}

void states_unpack(const shard_states *st, const session *s, state_group group,
                   const void *from)
{
    group_walk w = {.st = st, .s = s, .group = group};
    while (walk(&w)) {
        if (w.state < 0)
            continue;
        const shard_state *item = &st->items[w.state];
        void *saved = s->store.items[item->saved].memory;
        memcpy(saved, (const char *)from + w.at, size_of(st, w.state));
        for (int64_t k = st->first; item->replicas && k < st->end; k++)
            copy_value(st, w.state, copy_of(st, &s->store, w.state, k), saved);
    }
}
