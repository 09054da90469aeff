/*
 * store.c - one block of memory for everything that outlives a step.
 */
#include "train/store.h"
#include <stdlib.h>
#include <string.h>

static bool persistent(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
           b->role == PTL_ROLE_SLOT;
}

store_tensor *store_find(const ptl_store *s, const char *path)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->items[i].path, path) == 0)
            return &s->items[i];
    return NULL;
}

static bool agrees(const store_tensor *t, const ptl_buffer *b)
{
    return t->role == b->role && t->dtype == b->dtype && t->rank == b->rank &&
           memcmp(t->dims, b->dims, (size_t)t->rank * sizeof *t->dims) == 0;
}

ptl_status store_add_one(ptl_store *s, const ptl_buffer *b, bool saved,
                         ptl_error *err)
{
    const store_tensor *there = store_find(s, b->name);
    if (there)
        return agrees(there, b)
                   ? PTL_OK
                   : ptl_fail(err, PTL_E_INTERNAL,
                              "two programs differ about \"%s\"", b->name);
    PTL_ASSERT(!s->block);
    if (s->count == s->room) {
        int room = s->room ? 2 * s->room : 32;
        store_tensor *items = realloc(s->items, (size_t)room * sizeof *items);
        if (!items)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for parameters");
        s->items = items;
        s->room = room;
    }
    store_tensor t = {.path = strdup(b->name),
                      .role = b->role,
                      .dtype = b->dtype,
                      .rank = b->rank,
                      .size = (size_t)b->size_bytes,
                      .saved = saved};
    memcpy(t.dims, b->dims, sizeof t.dims);
    if (!t.path)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for parameters");
    s->items[s->count++] = t;
    return PTL_OK;
}

ptl_status store_add(ptl_store *s, const ptl_program *program, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < program->buffer_count && st == PTL_OK; i++)
        if (persistent(&program->buffers[i]))
            st = store_add_one(s, &program->buffers[i], true, err);
    return st;
}

ptl_status store_allocate(ptl_store *s, ptl_error *err)
{
    static const ptl_role order[] = {PTL_ROLE_PARAM, PTL_ROLE_STATE,
                                     PTL_ROLE_SLOT};
    for (int i = 0; i < s->count; i++)
        s->block_bytes += memory_padded(s->items[i].size);
    s->block = memory_map(s->block_bytes);
    if (!s->block)
        return ptl_fail(err, PTL_E_MEMORY,
                        "no memory for %zu bytes of parameters, states and "
                        "slots",
                        s->block_bytes);
    char *at = s->block;
    for (size_t r = 0; r < sizeof order / sizeof *order; r++)
        for (int i = 0; i < s->count; i++) {
            if (s->items[i].role != order[r])
                continue;
            s->items[i].memory = at;
            at += memory_padded(s->items[i].size);
        }
    return PTL_OK;
}

void store_fini(ptl_store *s)
{
    memory_unmap(s->block, s->block_bytes);
    for (int i = 0; i < s->count; i++)
        free(s->items[i].path);
    free(s->items);
    *s = (ptl_store){0};
}

ptl_status store_bind(const ptl_store *s, ptl_run *run, ptl_error *err)
{
    const ptl_program *p = run_program(run);
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (!persistent(b))
            continue;
        const store_tensor *t = store_find(s, b->name);
        if (!t || !agrees(t, b))
            return ptl_fail(err, PTL_E_INTERNAL,
                            "program \"%s\" asks for \"%s\", which is not "
                            "there as such",
                            p->name, b->name);
        run_bind(run, i, t->memory);
    }
    return PTL_OK;
}

static bool finite_f32(const float *v, size_t count)
{
    float sum = 0; /* x - x is 0, or NaN where x is not finite */
    for (size_t i = 0; i < count; i++)
        sum += v[i] - v[i];
    return sum == 0;
}

static bool finite_f64(const double *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i] - v[i];
    return sum == 0;
}

const store_tensor *store_nonfinite(const ptl_store *s)
{
    for (int i = 0; i < s->count; i++) {
        const store_tensor *t = &s->items[i];
        if ((t->dtype == PTL_F32 && !finite_f32(t->memory, t->size / 4)) ||
            (t->dtype == PTL_F64 && !finite_f64(t->memory, t->size / 8)))
            return t;
    }
    return NULL;
}
