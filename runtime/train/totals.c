/*
 * totals.c - see totals.h.
 */
#include "train/totals.h"
#include "runtime/sums.h"
#include <stdlib.h>

static int64_t blocks_of(const place_piece *p)
{
    return (p->count + PTL_TOTAL_BLOCK - 1) / PTL_TOTAL_BLOCK;
}

totals_layout *totals_make(ptl_arena *arena, const ptl_job *job,
                           const cluster_layout *layout, int owners)
{
    _Static_assert((int)PTL_TOTAL_BLOCK == (int)PLACE_BLOCK,
                   "slices are whole blocks");
    const place_plan *plan = layout->plan;
    totals_layout *l = ARENA_NEW(arena, totals_layout);
    *l = (totals_layout){.plan = plan,
                         .dtype = job->f64 ? PTL_F64 : PTL_F32,
                         .rounds = job->rounds,
                         .variables = layout->variable_count,
                         .owners = owners};
    l->counts = ARENA_ARRAY(arena, int, job->rounds + 1);
    l->blocks = ARENA_ARRAY(arena, int64_t, owners + 1);
    l->first = ARENA_ARRAY(arena, int64_t, plan->piece_count + 1);
    for (int i = 0; i < job->total_count; i++)
        l->counts[job->total_rounds[i]]++;
    for (int i = 0; i < plan->piece_count; i++) {
        l->first[i] = l->blocks[plan->pieces[i].owner];
        l->blocks[plan->pieces[i].owner] += blocks_of(&plan->pieces[i]);
    }
    return l;
}

size_t totals_sent_bytes(const totals_layout *l, int round, int owner)
{
    return (size_t)(l->counts[round] * l->blocks[owner] * dtype_size(l->dtype));
}

size_t totals_bytes(const totals_layout *l, int round)
{
    return (size_t)(l->counts[round] * dtype_size(l->dtype));
}

static void add(const totals_layout *l, void *to, const void *from, bool first)
{
    sums_span(l->dtype, first ? SUM_SET : SUM_ADD, to, from, 1, 0);
}

/* The blocks of one variable, from piece `*piece` on, which moves behind it. */
static void add_variable(const totals_layout *l, int index, int variable,
                         const void *const *sent, int *piece, void *sum)
{
    int64_t size = dtype_size(l->dtype);
    bool first = true;
    sums_put(l->dtype, sum, 0); /* of no elements */
    for (; *piece < l->plan->piece_count &&
           l->plan->pieces[*piece].variable == variable;
         ++*piece) {
        const place_piece *p = &l->plan->pieces[*piece];
        int64_t at = index * l->blocks[p->owner] + l->first[*piece];
        for (int64_t b = 0; b < blocks_of(p); b++, first = false)
            add(l, sum, (const char *)sent[p->owner] + (at + b) * size, first);
    }
}

void totals_add_up(const totals_layout *l, int round, const void *const *sent,
                   void *totals)
{
    for (int i = 0; i < l->counts[round]; i++) {
        char *total = (char *)totals + i * dtype_size(l->dtype);
        _Alignas(double) char sum[sizeof(double)]; /* of either type */
        int piece = 0;
        sums_put(l->dtype, total, 0);
        for (int v = 0; v < l->variables; v++) {
            add_variable(l, i, v, sent, &piece, sum);
            add(l, total, sum, v == 0);
        }
    }
}

/* An owner without pieces sends nothing. */
static bool sizes_agree(const totals_layout *l, int round,
                        dist_blob *const *sent)
{
    for (int i = 0; i < l->owners; i++) {
        size_t wanted = totals_sent_bytes(l, round, i);
        if (wanted != (sent[i] ? blob_size(sent[i]) : 0))
            return false;
    }
    return true;
}

static dist_blob *add_up(void *ctx, int round, dist_blob *const *sent)
{
    const totals_layout *l = ctx;
    if (!sizes_agree(l, round, sent))
        return NULL;
    const void **bytes = calloc((size_t)l->owners + 1, sizeof *bytes);
    PTL_ASSERT(bytes);
    for (int i = 0; i < l->owners; i++)
        bytes[i] = sent[i] ? blob_bytes(sent[i]) : NULL;
    dist_blob *totals = blob_new(totals_bytes(l, round));
    totals_add_up(l, round, bytes, blob_bytes(totals));
    free(bytes);
    return totals;
}

machine_totals totals_machine(totals_layout *l)
{
    return (machine_totals){.rounds = l->rounds, .ctx = l, .add_up = add_up};
}
