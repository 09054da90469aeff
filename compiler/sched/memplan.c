/*
 * memplan.c - lifetimes, reuse in place, and where each buffer lies.
 *
 * A lifetime that is too short corrupts training silently, one that is too long
 * only wastes memory: when unsure, longer. Buffers are laid into one arena,
 * largest first, each at the smallest gap that is free for its whole lifetime.
 *
 * Needs:    steps with what they read and write; homes of updates.
 * Provides: first, last, home and offset of every buffer; the arena's size.
 * Keeps:    steps; what is bound from outside.
 */
#include "sched/internal.h"
#include <stdlib.h>

static bool in_arena(const sched_buffer *b)
{
    return b->role == PTL_ROLE_TRANSIENT || b->role == PTL_ROLE_OUTPUT;
}

static void note_written(sched_buffer *b, int step)
{
    b->first = b->first > step ? step : b->first;
    b->last = b->last < step ? step : b->last;
}

static void find_lifetimes(sched_schedule *s)
{
    for (int i = 0; i < s->buffers.count; i++) {
        sched_buffer *b = &s->buffers.data[i];
        b->first = in_arena(b) ? s->steps.count : -1;
        b->last = b->role == PTL_ROLE_TRANSIENT ? -1 : s->steps.count;
    }
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        for (int k = 0; k < step->reads.count; k++) {
            sched_buffer *b = &s->buffers.data[step->reads.data[k].buffer];
            b->last = b->last < i ? i : b->last;
        }
        for (int k = 0; k < step->node_count; k++)
            note_written(&s->buffers.data[step->targets[k]], i);
        for (int k = 0; k < step->scratch.count; k++)
            note_written(&s->buffers.data[step->scratch.data[k]], i);
    }
}

/* What is not made inside a region, or was moved before it, must stand during
 * all its trips: also a carried value that they write and never read. */
static void extend_over(sched_schedule *s, const sched_region *r, int buffer)
{
    sched_buffer *b = &s->buffers.data[buffer];
    if (buffer >= r->first_buffer && buffer < r->end_buffer &&
        b->first >= r->begin)
        return;
    b->first = b->first > r->begin ? r->begin : b->first;
    b->last = b->last < r->end ? r->end : b->last;
}

static void extend_over_regions(sched_schedule *s)
{
    for (int i = 0; i < s->regions.count; i++) {
        const sched_region *r = &s->regions.data[i];
        for (int k = r->begin; k < r->end; k++) {
            const sched_step *step = s->steps.data[k];
            for (int a = 0; a < step->reads.count; a++)
                extend_over(s, r, step->reads.data[a].buffer);
            for (int t = 0; t < step->node_count; t++) {
                extend_over(s, r, step->targets[t]);
                extend_over(s, r, sched_home(s, step->targets[t]));
            }
        }
    }
}

/* ---------- in place ---------- */

static bool is_free_after(const sched_schedule *s, int buffer, int step)
{
    const sched_buffer *b = &s->buffers.data[buffer];
    return b->role == PTL_ROLE_TRANSIENT && b->home == buffer &&
           b->last == step;
}

/* Does another result of the step lie in `root` already? One that lives in this
 * step alone leaves the root's lifetime as it was. */
static bool has_heir(const sched_schedule *s, const sched_step *step, int root)
{
    for (int i = 0; i < step->node_count; i++)
        if (sched_home(s, step->targets[i]) == root)
            return true;
    return false;
}

/* A buffer that dies in this step, is read only at the element written, and
 * can hold `target`; -1: none. */
static int find_dying(const sched_schedule *s, int index, int target)
{
    const sched_step *step = s->steps.data[index];
    const sched_buffer *t = &s->buffers.data[target];
    for (int i = 0; i < step->reads.count; i++) {
        const sched_access *a = &step->reads.data[i];
        const sched_buffer *b = &s->buffers.data[a->buffer];
        int root = sched_home(s, a->buffer);
        if (a->same_map && b->last == index && in_arena(b) &&
            is_free_after(s, root, index) && b->dtype == t->dtype &&
            b->size_bytes == t->size_bytes &&
            s->buffers.data[root].size_bytes == t->size_bytes &&
            !has_heir(s, step, root))
            return root;
    }
    return -1;
}

static void reuse_in_place(sched_schedule *s, int index)
{
    const sched_step *step = s->steps.data[index];
    if (step->kind != SCHED_STEP_MAP)
        return;
    for (int i = 0; i < step->node_count; i++) {
        sched_buffer *t = &s->buffers.data[step->targets[i]];
        if (!in_arena(t) || t->home != step->targets[i] || t->first != index)
            continue;
        int root = find_dying(s, index, step->targets[i]);
        if (root < 0)
            continue;
        t->home = root;
        s->buffers.data[root].last = t->last;
    }
}

/* ---------- offsets ---------- */

typedef struct placed {
    int buffer;
    int64_t offset, size;
} placed;

typedef struct layout {
    sched_schedule *s;
    placed *near; /* placed buffers alive at the same time, by offset */
    int near_count;
    int *order;
    int count;
} layout;

static int64_t padded(int64_t size)
{
    const int64_t align = PTL_BUFFER_ALIGN;
    int64_t size_up = (size + align - 1) / align * align;
    return size_up ? size_up : align;
}

static bool meet(const sched_buffer *a, const sched_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void insert_near(layout *l, int buffer)
{
    const sched_buffer *b = &l->s->buffers.data[buffer];
    int at = l->near_count++;
    while (at > 0 && l->near[at - 1].offset > b->offset) {
        l->near[at] = l->near[at - 1];
        at--;
    }
    l->near[at] = (placed){buffer, b->offset, padded(b->size_bytes)};
}

static int64_t best_gap(const layout *l, int64_t size)
{
    int64_t end = 0, best = -1, best_size = INT64_MAX;
    for (int i = 0; i < l->near_count; i++) {
        int64_t gap = l->near[i].offset - end;
        if (gap >= size && gap < best_size) {
            best = end;
            best_size = gap;
        }
        int64_t past = l->near[i].offset + l->near[i].size;
        end = past > end ? past : end;
    }
    return best >= 0 ? best : end;
}

static void place(layout *l, int index)
{
    sched_buffer *b = &l->s->buffers.data[l->order[index]];
    l->near_count = 0;
    for (int i = 0; i < index; i++)
        if (meet(b, &l->s->buffers.data[l->order[i]]))
            insert_near(l, l->order[i]);
    b->offset = best_gap(l, padded(b->size_bytes));
    int64_t end = b->offset + padded(b->size_bytes);
    if (end > l->s->arena_bytes)
        l->s->arena_bytes = end;
}

/* Largest first; equal sizes by first use, then by number. */
static void sort_by_size(layout *l)
{
    for (int i = 1; i < l->count; i++) {
        int moving = l->order[i], at = i;
        const sched_buffer *m = &l->s->buffers.data[moving];
        while (at > 0) {
            const sched_buffer *p = &l->s->buffers.data[l->order[at - 1]];
            if (p->size_bytes > m->size_bytes ||
                (p->size_bytes == m->size_bytes && p->first <= m->first))
                break;
            l->order[at] = l->order[at - 1];
            at--;
        }
        l->order[at] = moving;
    }
}

void sched_plan_memory(sched_schedule *s)
{
    ptl_arena *scratch = arena_new();
    find_lifetimes(s);
    extend_over_regions(s);
    if (!s->options.no_fuse)
        for (int i = 0; i < s->steps.count; i++)
            reuse_in_place(s, i);
    layout l = {.s = s};
    l.order = ARENA_ARRAY(scratch, int, s->buffers.count + 1);
    l.near = ARENA_ARRAY(scratch, placed, s->buffers.count + 1);
    for (int i = 0; i < s->buffers.count; i++) {
        const sched_buffer *b = &s->buffers.data[i];
        if (in_arena(b) && b->home == i && b->first < s->steps.count &&
            !b->in_row)
            l.order[l.count++] = i;
    }
    sort_by_size(&l);
    s->arena_bytes = 0;
    for (int i = 0; i < l.count; i++)
        place(&l, i);
    for (int i = 0; i < s->buffers.count; i++)
        s->buffers.data[i].offset = s->buffers.data[sched_home(s, i)].offset;
    arena_free(scratch);
}
