/*
 * bucket_layout.c - see bucket_layout.h.
 */
#include "train/bucket_layout.h"
#include "base/stream.h"
#include <string.h>

/* ---------- parameters ---------- */

place_variable *layout_variables(ptl_arena *arena, const ptl_job *job,
                                 const ptl_job_tensor ***tensors, int *count)
{
    place_variable *list =
        ARENA_ARRAY(arena, place_variable, job->tensor_count + 1);
    *tensors =
        ARENA_ARRAY(arena, const ptl_job_tensor *, job->tensor_count + 1);
    *count = 0;
    for (int i = 0; i < job->tensor_count; i++) {
        const ptl_job_tensor *t = &job->tensors[i];
        if (t->role != PTL_ROLE_PARAM || !t->trained)
            continue;
        ptl_job_tensor *own = ARENA_NEW(arena, ptl_job_tensor);
        *own = *t;
        own->path = arena_strdup(arena, t->path);
        (*tensors)[*count] = own;
        list[(*count)++] = (place_variable){.elements = job_tensor_elements(t),
                                            .dtype = t->dtype,
                                            .whole = t->whole};
    }
    return list;
}

/* ---------- one piece ---------- */

static const char *piece_name(ptl_arena *arena, const ptl_job_tensor *t,
                              const place_piece *p)
{
    if (p->count == job_tensor_elements(t))
        return t->path;
    return arena_printf(arena, "%s[%lld..%lld]", t->path, (long long)p->first,
                        (long long)(p->first + p->count));
}

/* SLOT of "PATH/SLOT"; NULL: it is no slot of `path`. */
static const char *slot_of(const ptl_job_tensor *t, const char *path)
{
    size_t length = strlen(path);
    bool is = t->role == PTL_ROLE_SLOT && !strncmp(t->path, path, length) &&
              t->path[length] == '/';
    return is ? t->path + length + 1 : NULL;
}

/* A slot of another shape belongs to a parameter that is whole: all of it. */
static void add_slot(ptl_arena *arena, bucket_layout *b,
                     const ptl_job_tensor *t, const char *slot,
                     const layout_part *of, bool whole)
{
    size_t size = (size_t)dtype_size(t->dtype);
    layout_part part = {.path = arena_strdup(arena, t->path),
                        .name = arena_printf(arena, "%s/%s", of->name, slot),
                        .first = whole ? 0 : of->first,
                        .count = whole ? job_tensor_elements(t) : of->count,
                        .at = b->slot_bytes};
    part.from = (size_t)part.first * size;
    part.bytes = (size_t)part.count * size;
    b->slot_bytes += memory_padded(part.bytes);
    vec_push(arena, &b->slots, part);
}

static void add_piece(ptl_arena *arena, const ptl_job *job,
                      const cluster_layout *l, const place_piece *p)
{
    const ptl_job_tensor *t = l->variables[p->variable];
    bucket_layout *b = &l->buckets[p->bucket];
    size_t size = (size_t)dtype_size(t->dtype);
    layout_part part = {.path = t->path,
                        .name = piece_name(arena, t, p),
                        .first = p->first,
                        .count = p->count,
                        .from = (size_t)p->first * size,
                        .at = (size_t)p->offset,
                        .bytes = (size_t)p->count * size};
    vec_push(arena, &b->value, part);
    for (int i = 0; i < job->tensor_count; i++) {
        const char *slot = slot_of(&job->tensors[i], t->path);
        if (slot)
            add_slot(arena, b, &job->tensors[i], slot, &part,
                     p->count == job_tensor_elements(t));
    }
}

static int64_t all_bytes(const place_plan *plan)
{
    int64_t bytes = 0;
    for (int i = 0; i < plan->bucket_count; i++)
        bytes += plan->buckets[i].bytes;
    return bytes;
}

cluster_layout *layout_make(ptl_arena *arena, const ptl_job *job,
                            const place_options *options)
{
    cluster_layout *l = ARENA_NEW(arena, cluster_layout);
    place_variable *variables =
        layout_variables(arena, job, &l->variables, &l->variable_count);
    l->plan = place_make(arena, variables, l->variable_count, options);
    l->buckets = ARENA_ARRAY(arena, bucket_layout, l->plan->bucket_count + 1);
    bool streams = all_bytes(l->plan) > STREAM_BYTES;
    for (int i = 0; i < l->plan->bucket_count; i++) {
        const place_bucket *from = &l->plan->buckets[i];
        l->buckets[i].streams = streams;
        l->buckets[i].owner = from->owner;
        l->buckets[i].dtype = from->dtype;
        l->buckets[i].value_bytes = (size_t)from->bytes;
        for (int k = 0; k < from->pieces.count; k++)
            add_piece(arena, job, l, &l->plan->pieces[from->pieces.data[k]]);
    }
    return l;
}

/* ---------- copies ---------- */

/* NULL: there is no such tensor. */
static char *part_memory(const layout_part *p, const ptl_store *tensors,
                         ptl_error *err)
{
    const store_tensor *t = store_find(tensors, p->path);
    if (t && t->memory && t->size >= p->from + p->bytes)
        return (char *)t->memory + p->from;
    ptl_fail(err, PTL_E_INTERNAL,
             "a bucket holds \"%s\", which is not there as such", p->path);
    return NULL;
}

static ptl_status take(const layout_part *parts, int count,
                       const ptl_store *tensors, char *to, ptl_error *err)
{
    for (int i = 0; i < count; i++) {
        const char *memory = part_memory(&parts[i], tensors, err);
        if (!memory)
            return PTL_E_INTERNAL;
        memcpy(to + parts[i].at, memory, parts[i].bytes);
    }
    return PTL_OK;
}

static ptl_status give(const layout_part *parts, int count, const char *from,
                       bool streams, const ptl_store *tensors, ptl_error *err)
{
    for (int i = 0; i < count; i++) {
        char *memory = part_memory(&parts[i], tensors, err);
        if (!memory)
            return PTL_E_INTERNAL;
        if (streams)
            stream_copy(memory, from + parts[i].at, parts[i].bytes);
        else
            memcpy(memory, from + parts[i].at, parts[i].bytes);
    }
    return PTL_OK;
}

ptl_status layout_take_value(const bucket_layout *b, const ptl_store *tensors,
                             void *value, ptl_error *err)
{
    return take(b->value.data, b->value.count, tensors, value, err);
}

ptl_status layout_take_slots(const bucket_layout *b, const ptl_store *tensors,
                             void *slots, ptl_error *err)
{
    return take(b->slots.data, b->slots.count, tensors, slots, err);
}

ptl_status layout_give_value(const bucket_layout *b, const void *value,
                             ptl_store *tensors, ptl_error *err)
{
    return give(b->value.data, b->value.count, value, b->streams, tensors, err);
}

ptl_status layout_give_slots(const bucket_layout *b, const void *slots,
                             ptl_store *tensors, ptl_error *err)
{
    return give(b->slots.data, b->slots.count, slots, b->streams, tensors, err);
}
