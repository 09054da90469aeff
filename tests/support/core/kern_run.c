/*
 * kern_run.c - an interpreter of the kernel form.
 *
 * Each value has its own memory, an array of its lanes, found by its id; locals
 * likewise. An operation is a plain loop over lanes.
 */
#include "core/kern_run.h"
#include "base/integer.h"
#include "core/kern_run_op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct machine {
    const kern_kernel *kernel;
    void **buffers; /* scratch included */
    int64_t *sizes; /* NULL: unknown */
    void **values; /* by id */
    void **locals; /* by id */
    int64_t task;
} machine;

static size_t type_size(kern_type type)
{
    static const size_t sizes[] = {4, 8, 4, 8, 1};
    return sizes[type];
}

static void *value_memory(machine *m, const kern_value *v)
{
    if (!m->values[v->id])
        m->values[v->id] = calloc((size_t)v->lanes, 8);
    PTL_ASSERT(m->values[v->id] != NULL);
    return m->values[v->id];
}

static void *local_memory(machine *m, const kern_local *local)
{
    if (!m->locals[local->id])
        m->locals[local->id] = calloc((size_t)local->lanes, 8);
    PTL_ASSERT(m->locals[local->id] != NULL);
    return m->locals[local->id];
}

static int64_t one_integer(machine *m, const kern_value *v)
{
    PTL_ASSERT(v->type == KERN_I64 && v->lanes == 1);
    return *(const int64_t *)value_memory(m, v);
}

/* ---------- memory ---------- */

/* Element the lane works on, or -1 where its mask is false. */
static int64_t lane_element(machine *m, const kern_memory *at, int lane)
{
    if (at->mask && !((const uint8_t *)value_memory(m, at->mask))[lane])
        return -1;
    int64_t element = one_integer(m, at->offset);
    if (!at->offsets)
        element += lane * at->stride;
    else if (at->offsets->type == KERN_I32)
        element += ((const int32_t *)value_memory(m, at->offsets))[lane];
    else
        element += ((const int64_t *)value_memory(m, at->offsets))[lane];
    bool inside = element >= 0 && (!m->sizes || element < m->sizes[at->buffer]);
    if (!inside)
        ptl_panic(__FILE__, __LINE__, "kernel \"%s\": element %lld of \"%s\"",
                  m->kernel->name, (long long)element,
                  m->kernel->buffers.data[at->buffer].name);
    return element;
}

static void load(machine *m, const kern_value *v)
{
    const kern_memory *at = &v->memory;
    ptl_dtype dtype = m->kernel->buffers.data[at->buffer].dtype;
    size_t file_size = (size_t)dtype_size(dtype), size = type_size(v->type);
    const char *from = m->buffers[at->buffer];
    char *out = value_memory(m, v);
    const char *other = at->other ? value_memory(m, at->other) : NULL;
    for (int i = 0; i < v->lanes; i++) {
        int64_t element = lane_element(m, at, i);
        char *lane = out + (size_t)i * size;
        if (element < 0 && other)
            memcpy(lane, other + (size_t)i * size, size);
        else if (element < 0)
            memset(lane, 0, size);
        else if (dtype == PTL_U8)
            *(int32_t *)(void *)lane = ((const uint8_t *)from)[element];
        else
            memcpy(lane, from + (size_t)element * file_size, size);
    }
}

static void store(machine *m, const kern_stmt *s)
{
    size_t size = type_size(s->value->type);
    const char *from = value_memory(m, s->value);
    char *to = m->buffers[s->memory.buffer];
    for (int i = 0; i < s->value->lanes; i++) {
        int64_t element = lane_element(m, &s->memory, i);
        if (element >= 0)
            memcpy(to + (size_t)element * size, from + (size_t)i * size, size);
    }
}

/* ---------- values ---------- */

static void constant(const kern_value *v, void *out)
{
    for (int i = 0; i < v->lanes; i++) {
        if (v->type == KERN_F32)
            ((float *)out)[i] = (float)v->number;
        else if (v->type == KERN_F64)
            ((double *)out)[i] = v->number;
        else if (v->type == KERN_I32)
            ((int32_t *)out)[i] = (int32_t)v->integer;
        else if (v->type == KERN_I64)
            ((int64_t *)out)[i] = v->integer;
        else
            ((uint8_t *)out)[i] = (uint8_t)v->integer;
    }
}

static void iota(const kern_value *v, void *out)
{
    for (int i = 0; i < v->lanes; i++) {
        if (v->type == KERN_I32)
            ((int32_t *)out)[i] = i;
        else
            ((int64_t *)out)[i] = i;
    }
}

static void splat(const kern_value *v, void *out, const void *from, int lane)
{
    size_t size = type_size(v->type);
    for (int i = 0; i < v->lanes; i++)
        memcpy((char *)out + (size_t)i * size,
               (const char *)from + (size_t)lane * size, size);
}

static void shuffle(const kern_value *v, char *out, const char *x,
                    const char *y)
{
    size_t size = type_size(v->type);
    int lanes = v->args[0]->lanes;
    for (int i = 0; i < v->lanes; i++) {
        int lane = v->order[i];
        const char *from = lane < lanes ? x + (size_t)lane * size
                                        : y + (size_t)(lane - lanes) * size;
        memcpy(out + (size_t)i * size, from, size);
    }
}

static void compute(machine *m, const kern_value *v)
{
    void *out = value_memory(m, v);
    const void *args[3] = {0};
    for (int i = 0; i < kern_op_operands(v->op); i++)
        args[i] = value_memory(m, v->args[i]);
    switch (v->op) {
    case KERN_CONST:
        constant(v, out);
        return;
    case KERN_TASK:
        *(int64_t *)out = m->task;
        return;
    case KERN_GET:
        memcpy(out, local_memory(m, v->local),
               (size_t)v->lanes * type_size(v->type));
        return;
    case KERN_IOTA:
        iota(v, out);
        return;
    case KERN_SPLAT:
        splat(v, out, args[0], 0);
        return;
    case KERN_LANE:
        splat(v, out, args[0], (int)v->integer);
        return;
    case KERN_SHUFFLE:
        shuffle(v, out, args[0], args[1]);
        return;
    case KERN_LOAD:
        load(m, v);
        return;
    default:
        kern_run_op(v, out, args[0], args[1], args[2]);
        return;
    }
}

/* ---------- statements ---------- */

static void run_block(machine *m, const kern_block *block);

static void run_loop(machine *m, const kern_stmt *s)
{
    int64_t lo = one_integer(m, s->lo), hi = one_integer(m, s->hi);
    for (int64_t i = lo; i < hi; i += s->step) {
        *(int64_t *)value_memory(m, s->index) = i;
        run_block(m, s->body);
    }
}

static void run_stmt(machine *m, const kern_stmt *s)
{
    switch (s->kind) {
    case KERN_DO:
        compute(m, s->value);
        return;
    case KERN_SET:
        memcpy(local_memory(m, s->local), value_memory(m, s->value),
               (size_t)s->local->lanes * type_size(s->local->type));
        return;
    case KERN_STORE:
        store(m, s);
        return;
    case KERN_LOOP:
        run_loop(m, s);
        return;
    case KERN_IF:
        if (*(const uint8_t *)value_memory(m, s->value))
            run_block(m, s->body);
        else if (s->other_body)
            run_block(m, s->other_body);
        return;
    }
}

static void run_block(machine *m, const kern_block *block)
{
    for (int i = 0; i < block->stmts.count; i++)
        run_stmt(m, block->stmts.data[i]);
}

/* ---------- the tile step, straight from its definition ---------- */

/* One operand in a task: panels [first, end) of `panels`. */
typedef struct side {
    const kern_kernel *pack;
    int width;
    int64_t panels, first, end, index, block;
} side;

static side side_of(const kern_kernel *pack, int64_t size, int width,
                    int64_t most, int64_t batch, int64_t block)
{
    int64_t panels = int_ceil_div(size, width),
            blocks = int_ceil_div(panels, most);
    return (side){.pack = pack,
                  .width = width,
                  .panels = panels,
                  .first = block * panels / blocks,
                  .end = (block + 1) * panels / blocks,
                  .index = pack ? batch * blocks + block : batch,
                  .block = most};
}

/* Where element (row, k) of an operand stands, k in the block from k0 on. */
static int64_t packed_at(const side *s, const kern_tile *t, int64_t row,
                         int64_t k, int64_t k0)
{
    int64_t panel = row / s->width, in = row % s->width;
    if (!s->pack)
        return ((s->index * s->panels + panel) * t->k + k) * s->width + in;
    panel = s->index * s->block + panel - s->first;
    return (panel * t->kc + k - k0) * s->width + in;
}

static float half_of(float pair, bool upper)
{
    uint32_t bits;
    memcpy(&bits, &pair, sizeof bits);
    bits = upper ? bits & 0xffff0000u : bits << 16;
    memcpy(&pair, &bits, sizeof bits);
    return pair;
}

/* sum + x y, or with the two products of a pair, the upper halves' first. */
static float multiply_add(const kern_tile *t, float x, float y, float sum)
{
    if (!t->pairs)
        return fmaf(x, y, sum);
    sum = fmaf(half_of(x, true), half_of(y, true), sum);
    return fmaf(half_of(x, false), half_of(y, false), sum);
}

/* Adds the block of k from k0 on to element c. */
static void tile_element(machine *m, const side *a, const side *b, int64_t i,
                         int64_t j, int64_t c, int64_t k0)
{
    const kern_tile *t = &m->kernel->tile;
    int64_t end = k0 + t->kc < t->k ? k0 + t->kc : t->k;
    bool f32 = t->type == KERN_F32;
    double sum = k0 == 0 ? 0.0
                 : f32   ? (double)((float *)m->buffers[2])[c]
                         : ((double *)m->buffers[2])[c];
    for (int64_t k = k0; k < end; k++) {
        int64_t x = packed_at(a, t, i, k, k0), y = packed_at(b, t, j, k, k0);
        if (f32)
            sum = (double)multiply_add(t, ((const float *)m->buffers[0])[x],
                                       ((const float *)m->buffers[1])[y],
                                       (float)sum);
        else
            sum = fma(((const double *)m->buffers[0])[x],
                      ((const double *)m->buffers[1])[y], sum);
    }
    if (f32)
        ((float *)m->buffers[2])[c] = (float)sum;
    else
        ((double *)m->buffers[2])[c] = sum;
}

static void pack_side(const machine *m, const side *s, int64_t k0)
{
    const kern_tile *t = &m->kernel->tile;
    int64_t task = s->index * int_ceil_div(t->k, t->kc) + k0 / t->kc;
    if (s->pack)
        kern_run(s->pack, m->buffers, m->sizes, task, task + 1);
}

static void tile_block(machine *m, const side *a, const side *b, int64_t batch,
                       int64_t k0)
{
    const kern_tile *t = &m->kernel->tile;
    const int64_t *batches = m->buffers[3], *rows = m->buffers[4];
    const int64_t *columns = m->buffers[5];
    pack_side(m, a, k0);
    pack_side(m, b, k0);
    for (int64_t i = a->first * t->mr; i < int_min(a->end * t->mr, t->m); i++)
        for (int64_t j = b->first * t->nr; j < int_min(b->end * t->nr, t->n);
             j++) {
            int64_t c = batches[batch] + rows[i] + columns[j];
            PTL_ASSERT(!m->sizes || (c >= 0 && c < m->sizes[2]));
            tile_element(m, a, b, i, j, c, k0);
        }
}

static void run_tile(machine *m)
{
    const kern_tile *t = &m->kernel->tile;
    int64_t m_blocks = int_ceil_div(int_ceil_div(t->m, t->mr), t->m_block);
    int64_t n_blocks = int_ceil_div(int_ceil_div(t->n, t->nr), t->n_block);
    int64_t batch = m->task / (m_blocks * n_blocks);
    side a = side_of(t->pack_a, t->m, t->mr, t->m_block, batch,
                     m->task / n_blocks % m_blocks);
    side b =
        side_of(t->pack_b, t->n, t->nr, t->n_block, batch, m->task % n_blocks);
    for (int64_t k0 = 0; k0 == 0 || k0 < t->k; k0 += t->kc)
        tile_block(m, &a, &b, batch, k0);
}

/* ---------- a contraction in place, likewise ---------- */

static void direct_element(machine *m, int64_t part, int64_t tile, int i,
                           int64_t j)
{
    const kern_direct *d = &m->kernel->direct;
    const int64_t *a_tile = m->buffers[d->a_tile];
    const int64_t *b_tile = m->buffers[d->b_tile];
    const int64_t *c_tile = m->buffers[d->c_tile];
    const int64_t *a_run = m->buffers[d->a_run], *b_run = m->buffers[d->b_run];
    int64_t c = part * d->c_split + c_tile[tile] + d->c_row[i] + j;
    int64_t a0 = a_tile[tile] + d->a_row[i];
    int64_t b0 = b_tile[tile] + j / d->nr * d->b_panel + j % d->nr;
    double sum = 0;
    for (int64_t r = part * d->split_runs;
         r < int_min((part + 1) * d->split_runs, d->runs); r++)
        for (int64_t s = 0; s < d->length; s++) {
            int64_t a = a0 + a_run[r] + s * d->a_step;
            int64_t b = b0 + b_run[r] + s * d->b_step;
            PTL_ASSERT(!m->sizes || (a >= 0 && a < m->sizes[d->a] && b >= 0 &&
                                     b < m->sizes[d->b]));
            if (d->type == KERN_F32)
                sum = (double)fmaf(((const float *)m->buffers[d->a])[a],
                                   ((const float *)m->buffers[d->b])[b],
                                   (float)sum);
            else
                sum = fma(((const double *)m->buffers[d->a])[a],
                          ((const double *)m->buffers[d->b])[b], sum);
        }
    PTL_ASSERT(!m->sizes || (c >= 0 && c < m->sizes[d->c]));
    if (d->type == KERN_F32)
        ((float *)m->buffers[d->c])[c] = (float)sum;
    else
        ((double *)m->buffers[d->c])[c] = sum;
}

static void run_direct(machine *m)
{
    const kern_direct *d = &m->kernel->direct;
    int64_t all = d->segments * d->tiles;
    int64_t m_blocks = (all + d->m_block - 1) / d->m_block;
    int64_t panels = (d->n + d->nr - 1) / d->nr;
    int64_t n_blocks = (panels + d->n_block - 1) / d->n_block;
    int64_t part = m->task / (m_blocks * n_blocks);
    int64_t t0 = m->task / n_blocks % m_blocks * d->m_block;
    int64_t j0 = m->task % n_blocks * d->n_block * d->nr;
    for (int64_t t = t0; t < int_min(t0 + d->m_block, all); t++)
        for (int i = 0;
             i < (t % d->tiles == d->tiles - 1 ? d->mr_last : d->mr); i++)
            for (int64_t j = j0; j < int_min(j0 + d->n_block * d->nr, d->n);
                 j++)
                direct_element(m, part, t, i, j);
}

static void open_buffers(machine *m, void *const *args, const int64_t *sizes)
{
    int count = m->kernel->buffers.count, argument = 0;
    m->buffers = calloc((size_t)count + 1, sizeof *m->buffers);
    m->sizes = sizes ? calloc((size_t)count + 1, sizeof *m->sizes) : NULL;
    PTL_ASSERT(m->buffers && (m->sizes || !sizes));
    for (int i = 0; i < count; i++) {
        const kern_buffer *b = &m->kernel->buffers.data[i];
        if (sizes)
            m->sizes[i] = b->scratch ? b->scratch : sizes[argument];
        m->buffers[i] =
            b->scratch ? calloc((size_t)b->scratch, 8) : args[argument++];
    }
}

static void close_buffers(machine *m)
{
    for (int i = 0; i < m->kernel->buffers.count; i++)
        if (m->kernel->buffers.data[i].scratch)
            free(m->buffers[i]);
    free(m->buffers);
    free(m->sizes);
}

void kern_run(const kern_kernel *k, void *const *buffers, const int64_t *sizes,
              int64_t begin, int64_t end)
{
    machine m = {.kernel = k};
    open_buffers(&m, buffers, sizes);
    m.values = calloc((size_t)k->value_count + 1, sizeof *m.values);
    m.locals = calloc((size_t)k->local_count + 1, sizeof *m.locals);
    PTL_ASSERT(m.values && m.locals);
    for (m.task = begin; m.task < end; m.task++) {
        if (k->kind == KERN_TILE)
            run_tile(&m);
        else if (k->kind == KERN_DIRECT)
            run_direct(&m);
        else
            run_block(&m, k->body);
    }
    for (int i = 0; i < k->value_count; i++)
        free(m.values[i]);
    for (int i = 0; i < k->local_count; i++)
        free(m.locals[i]);
    free(m.values);
    free(m.locals);
    close_buffers(&m);
}
