/*
 * ps_bucket.c - see ps_bucket.h.
 */
#include "train/ps_bucket.h"
#include "base/str.h"
#include "base/trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY,
                    "no memory for the buckets of a parameter server");
}

/* ---------- where pieces lie ---------- */

static ptl_status list_incoming(ps_bucket *b, ptl_error *err)
{
    const bucket_layout *l = b->layout;
    ptl_status st = PTL_OK;
    b->incoming.dtype = l->dtype;
    for (int i = 0; i < l->value.count && st == PTL_OK; i++)
        st = sums_list_add(&b->incoming, b->at[i], l->value.data[i].at,
                           l->value.data[i].count, err);
    return st;
}

static ptl_status place_pieces(ps_bucket *b, ptl_error *err)
{
    const bucket_layout *l = b->layout;
    b->at = calloc((size_t)l->value.count + 1, sizeof *b->at);
    if (!b->at)
        return no_memory(err);
    for (int i = 0; i < l->value.count; i++) {
        b->at[i] = b->bytes;
        b->bytes += memory_padded(l->value.data[i].bytes);
    }
    return list_incoming(b, err);
}

/* ---------- programs ---------- */

static ptl_status build(ps_bucket *b, int round, ptl_job *job, ptl_pool *pool,
                        const ptl_job_tensor *raw, int raw_count,
                        ptl_error *err)
{
    const bucket_layout *l = b->layout;
    ps_program *p = &b->programs[round];
    ptl_job_piece *pieces = calloc((size_t)l->value.count + 1, sizeof *pieces);
    if (!pieces)
        return no_memory(err);
    for (int i = 0; i < l->value.count; i++) {
        const layout_part *from = &l->value.data[i];
        pieces[i] =
            (ptl_job_piece){from->path, from->first, from->count, from->name};
    }
    ptl_status st = job->build_update(job, round, pieces, l->value.count, raw,
                                      raw_count, &p->program, err);
    free(pieces);
    return st == PTL_OK ? run_open_without(p->program, pool, &p->run, err) : st;
}

ptl_status ps_bucket_open(ps_bucket *b, ptl_job *job, ptl_pool *pool,
                          const bucket_layout *layout,
                          const ptl_job_tensor *raw, int raw_count,
                          ptl_error *err)
{
    b->layout = layout;
    ptl_status st = place_pieces(b, err);
    if (st != PTL_OK)
        return st;
    b->rounds = job->rounds;
    b->programs = calloc((size_t)b->rounds + 1, sizeof *b->programs);
    if (!b->programs)
        return no_memory(err);
    for (int r = 0; r <= b->rounds && st == PTL_OK; r++)
        st = build(b, r, job, pool, raw, raw_count, err);
    return st;
}

void ps_bucket_close(ps_bucket *b)
{
    for (int r = 0; b->programs && r <= b->rounds; r++) {
        run_close(b->programs[r].run);
        if (b->programs[r].program)
            b->programs[r].program->release(b->programs[r].program);
        free(b->programs[r].outputs);
    }
    sums_list_fini(&b->incoming);
    free(b->programs);
    free(b->at);
}

/* ---------- partial sums ---------- */

static bool add_output(ps_program *p, const char *prefix, int total,
                       const char *name, size_t *at)
{
    ptl_str text = {0};
    str_printf(&text, "%s%d/%s", prefix, total, name);
    int buffer = program_find(p->program, str_text(&text));
    str_fini(&text);
    if (buffer < 0)
        return true;
    ps_output *more =
        realloc(p->outputs, (size_t)(p->output_count + 1) * sizeof *p->outputs);
    if (!more)
        return false;
    p->outputs = more;
    p->outputs[p->output_count++] = (ps_output){buffer, *at};
    *at += (size_t)p->program->buffers[buffer].size_bytes;
    return true;
}

ptl_status ps_bucket_send(ps_bucket *b, int round, int total, int piece,
                          size_t at, ptl_error *err)
{
    ps_program *p = &b->programs[round];
    const char *name = b->layout->value.data[piece].name;
    if (!add_output(p, PTL_BLOCKS_PREFIX, total, name, &at) ||
        !add_output(p, PTL_LAST_PREFIX, total, name, &at))
        return no_memory(err);
    return PTL_OK;
}

/* ---------- memory ---------- */

size_t ps_bucket_arena(const ps_bucket *b)
{
    size_t most = 0;
    for (int r = 0; r <= b->rounds; r++) {
        size_t arena = program_memory_of(b->programs[r].program).arena;
        most = arena > most ? arena : most;
    }
    return most;
}

static bool lies_as_it_is_sent(const ps_bucket *b)
{
    for (int i = 0; i < b->layout->value.count; i++)
        if (b->at[i] != b->layout->value.data[i].at)
            return false;
    return true;
}

static char *give(char **at, size_t bytes)
{
    char *memory = *at;
    *at += memory_padded(bytes);
    return memory;
}

size_t ps_bucket_memory(ps_bucket *b, char *at)
{
    bool alike = lies_as_it_is_sent(b);
    size_t packed = alike ? 0 : memory_padded(b->layout->value_bytes);
    size_t slots = memory_padded(b->layout->slot_bytes);
    if (at) {
        b->value = give(&at, b->bytes);
        b->sum = give(&at, b->bytes);
        b->slots = give(&at, slots);
        b->packed = alike ? (uint8_t *)b->value : (uint8_t *)give(&at, packed);
    }
    return 2 * memory_padded(b->bytes) + slots + packed;
}

/* ---------- binding ---------- */

/* What the program does not have, it does not need. */
static void bind_piece(const ps_bucket *b, ptl_run *run, char *sums, int piece)
{
    const layout_part *part = &b->layout->value.data[piece];
    ptl_str sum = {0};
    run_bind_name(run, part->name, b->value + b->at[piece]);
    str_printf(&sum, PTL_SUM_PREFIX "%s", part->name);
    run_bind_name(run, str_text(&sum), sums + b->at[piece]);
    str_fini(&sum);
}

void ps_bucket_bind_update(const ps_bucket *b, ptl_run *run, char *sum,
                           void *weight)
{
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count; i++)
        bind_piece(b, run, sum, i);
    for (int i = 0; i < l->slots.count; i++)
        run_bind_name(run, l->slots.data[i].name,
                      b->slots + l->slots.data[i].at);
    run_bind_name(run, "weight", weight);
}

static void bind_totals(ptl_run *run, char *totals, int count)
{
    char name[40];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, PTL_TOTAL_PREFIX "%d", i);
        run_bind_name(run, name, totals + i * PTL_BUFFER_ALIGN);
    }
}

static ptl_status check_bound(const ps_program *p, ptl_error *err)
{
    for (int i = 0; i < p->program->buffer_count; i++)
        if (!run_data(p->run, i))
            return ptl_fail(err, PTL_E_INTERNAL,
                            "the update of a bucket asks for \"%s\"",
                            p->program->buffers[i].name);
    return PTL_OK;
}

ptl_status ps_bucket_bind(ps_bucket *b, void *arena, void *weight, char *totals,
                          int total_count, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int r = 0; r <= b->rounds && st == PTL_OK; r++) {
        ptl_run *run = b->programs[r].run;
        run_give_arena(run, arena);
        ps_bucket_bind_update(b, run, b->sum, weight);
        bind_totals(run, totals, total_count);
        st = check_bound(&b->programs[r], err);
    }
    return st;
}

/* ---------- the value ---------- */

static bool lies_apart(const ps_bucket *b)
{
    return b->packed != (uint8_t *)b->value;
}

const uint8_t *ps_bucket_pack(ps_bucket *b)
{
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count && b->stale && lies_apart(b); i++)
        memcpy(b->packed + l->value.data[i].at, b->value + b->at[i],
               l->value.data[i].bytes);
    b->stale = false;
    return b->packed;
}

void ps_bucket_unpack(ps_bucket *b)
{
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count && lies_apart(b); i++)
        memcpy(b->value + b->at[i], b->packed + l->value.data[i].at,
               l->value.data[i].bytes);
    b->stale = false;
}

void ps_bucket_trace(int bucket, uint64_t number, double began)
{
    char name[64];
    if (!trace_is_open())
        return;
    snprintf(name, sizeof name, "update %llu of bucket %d",
             (unsigned long long)number, bucket);
    trace_span("update", name, began);
}
