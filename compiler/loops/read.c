/*
 * read.c - subscripts as addresses, and the loads and stores there.
 *
 * The affine part of an address is one element offset and a stride along the
 * lanes; gathered, clamped, wrapped and reflected axes add an offset of their
 * own, per lane where they differ between lanes. Reads that may fall outside
 * get a guard: masked loads where it differs between lanes or the kernel writes
 * there, else a harmless address and a select.
 */
#include "base/plant.h"
#include "loops/build.h"

static kern_value *both(emit *e, kern_value *x, kern_value *y)
{
    if (!x || !y)
        return x ? x : y;
    return kern_op2(e->b, KERN_AND, x, y);
}

static kern_value *same_type(emit *e, kern_value *x, const kern_value *as)
{
    return kern_convert(e->b, x, as->type);
}

/* The guard of one axis at `at`, given what is known of its range. */
static kern_value *axis_guard(emit *e, kern_value *at, bool known, int64_t low,
                              int64_t high, int64_t size)
{
    kern_value *guard = NULL;
    if (!known || low < 0)
        guard = kern_op2(
            e->b, KERN_GE, at,
            kern_int(e->b, at->type, 1, ptl_is_planted(PTL_PLANT_READER)));
    if (!known || high >= size)
        guard = both(
            e, guard,
            kern_op2(e->b, KERN_LT, at, kern_int(e->b, at->type, 1, size)));
    return guard;
}

static kern_value *clamped(emit *e, kern_value *at, int64_t size)
{
    kern_value *zero = kern_int(e->b, at->type, 1, 0);
    kern_value *top = kern_int(e->b, at->type, 1, size - 1);
    return kern_op2(e->b, KERN_MIN, kern_op2(e->b, KERN_MAX, at, zero), top);
}

static kern_value *wrapped(emit *e, kern_value *at, int64_t size)
{
    kern_value *period = kern_int(e->b, at->type, 1, size);
    kern_value *zero = kern_int(e->b, at->type, 1, 0);
    kern_value *r = kern_op2(e->b, KERN_REM, at, period);
    return kern_select(e->b, kern_op2(e->b, KERN_LT, r, zero),
                       kern_op2(e->b, KERN_ADD, r, period), r);
}

/* The edges are not repeated: -1 is 1, size is size - 2. */
static kern_value *reflected(emit *e, kern_value *at, int64_t size)
{
    if (size == 1)
        return kern_int(e->b, at->type, 1, 0);
    kern_value *r = wrapped(e, at, 2 * (size - 1));
    kern_value *back = kern_op2(e->b, KERN_SUB,
                                kern_int(e->b, at->type, 1, 2 * (size - 1)), r);
    return kern_op2(e->b, KERN_MIN, r, back);
}

/* Element index along an axis that is not direct. */
static kern_value *indirect_index(emit *e, const ir_sub *sub, int64_t size)
{
    kern_value *at = emit_affine(e, &sub->affine);
    if (sub->gather) {
        kern_value *gather = emit_expr(e, sub->gather);
        kern_type type = at->type == KERN_I64 || gather->type == KERN_I64
                             ? KERN_I64
                             : KERN_I32;
        at = kern_op2(e->b, KERN_ADD, kern_convert(e->b, at, type),
                      kern_convert(e->b, gather, type));
    }
    switch (sub->mode) {
    case IR_CLAMP:
        return clamped(e, at, size);
    case IR_WRAP:
        return wrapped(e, at, size);
    case IR_REFLECT:
        return reflected(e, at, size);
    case IR_PLAIN:
        break;
    }
    return at;
}

typedef struct place_ctx {
    emit *e;
    emit_place *out;
    bool small; /* offsets fit I32 */
} place_ctx;

static void add_index(place_ctx *c, kern_value *index, int64_t stride)
{
    emit *e = c->e;
    if (index->lanes == 1) {
        kern_value *wide = kern_convert(e->b, index, KERN_I64);
        kern_value *by = kern_int(e->b, KERN_I64, 1, stride);
        c->out->offset = kern_op2(e->b, KERN_ADD, c->out->offset,
                                  kern_op2(e->b, KERN_MUL, wide, by));
        return;
    }
    kern_type type = c->small ? KERN_I32 : KERN_I64;
    kern_value *scaled =
        kern_op2(e->b, KERN_MUL, kern_convert(e->b, index, type),
                 kern_int(e->b, type, 1, stride));
    c->out->offsets = c->out->offsets
                          ? kern_op2(e->b, KERN_ADD, c->out->offsets, scaled)
                          : scaled;
}

static void add_direct(place_ctx *c, const ir_affine *a, int64_t stride)
{
    emit *e = c->e;
    kern_value *sum = kern_int(e->b, KERN_I64, 1, a->constant * stride);
    for (int i = 0; i < a->term_count; i++) {
        int64_t coef = a->terms[i].coef * stride;
        if (e->var[a->terms[i].var]->lanes > 1) {
            add_index(c, e->var[a->terms[i].var], coef);
            continue;
        }
        kern_value *by = kern_int(e->b, KERN_I64, 1, coef);
        sum = kern_op2(e->b, KERN_ADD, sum,
                       kern_op2(e->b, KERN_MUL, e->var[a->terms[i].var], by));
        if (a->terms[i].var == e->lane_var)
            c->out->stride += coef;
    }
    c->out->offset = kern_op2(e->b, KERN_ADD, c->out->offset, sum);
}

static void guard_axis(place_ctx *c, const ir_sub *sub, kern_value *at,
                       int64_t size)
{
    int64_t low = 0, high = 0;
    bool known = ir_sub_bounds(sub, c->e->range, &low, &high);
    if (known && low >= 0 && high < size)
        return;
    if (!at)
        at = emit_affine(c->e, &sub->affine);
    c->out->guard =
        both(c->e, c->out->guard, axis_guard(c->e, at, known, low, high, size));
}

/* The subscripts of axes [first, count). */
static void place_axes(emit *e, const ir_type *type, const ir_sub *subs,
                       int first, int count, bool guarded, emit_place *out)
{
    *out = (emit_place){.offset = kern_int(e->b, KERN_I64, 1, 0)};
    place_ctx c = {e, out, ir_element_count(type) < INT32_MAX / 4};
    for (int i = first; i < count; i++) {
        int64_t stride = sched_stride(type, i);
        kern_value *at = NULL;
        if (sched_is_direct(&subs[i])) {
            add_direct(&c, &subs[i].affine, stride);
        } else {
            at = indirect_index(e, &subs[i], type->dims[i]);
            add_index(&c, at, stride);
        }
        if (guarded && subs[i].mode == IR_PLAIN)
            guard_axis(&c, &subs[i], at, type->dims[i]);
    }
    bool apart = out->guard && out->guard->lanes > 1 && out->stride == 0;
    if (!out->offsets && !apart)
        return;
    /* One offset per lane, the affine stride included. */
    kern_type t = out->offsets ? out->offsets->type : KERN_I32;
    kern_value *lane = kern_op2(e->b, KERN_MUL, kern_iota(e->b, t, e->lanes),
                                kern_int(e->b, t, 1, out->stride));
    out->offsets =
        out->offsets ? kern_op2(e->b, KERN_ADD, out->offsets, lane) : lane;
    out->stride = 0;
}

void emit_subscripts(emit *e, const ir_type *type, const ir_sub *subs,
                     int count, bool guarded, emit_place *out)
{
    place_axes(e, type, subs, 0, count, guarded, out);
}

/* The buffer of `n` where only the rows at hand exist, else NULL. */
static const sched_buffer *row_of(const emit *e, const ir_node *n)
{
    const build *k = e->k;
    int home = sched_home(k->s, k->step->scope->node_buffer[n->id]);
    const sched_buffer *b = &k->s->buffers.data[home];
    return b->in_row ? b : NULL;
}

/* To the row among those at hand. */
static void move_to_row(emit *e, const sched_buffer *b, emit_place *out)
{
    int64_t size = sched_row_elements(e->k->step, b);
    out->offset = kern_op2(e->b, KERN_ADD, out->offset,
                           kern_int(e->b, KERN_I64, 1, e->row * size));
}

/* Does the read go through memory as the result does? */
static bool is_alongside(const emit *e, const ir_expr *read,
                         sched_address *address)
{
    if (!e->flat || read->outside)
        return false;
    sched_address_of(read, address);
    for (int v = 0; v < e->flat_type->rank; v++)
        if (e->flat_type->dims[v] > 1 &&
            address->coef[v] != sched_stride(e->flat_type, v))
            return false;
    return address->whole;
}

static void at_flat(emit *e, int64_t from, emit_place *out)
{
    *out = (emit_place){.stride = 1};
    out->offset =
        kern_op2(e->b, KERN_ADD, e->flat, kern_int(e->b, KERN_I64, 1, from));
}

void emit_read_place(emit *e, const ir_expr *read, emit_place *out)
{
    sched_address address;
    if (is_alongside(e, read, &address)) {
        at_flat(e, address.constant, out);
        return;
    }
    const sched_buffer *row = row_of(e, read->node);
    place_axes(e, &read->node->type, read->subs, row ? e->k->step->row_rank : 0,
               read->sub_count, read->outside != NULL, out);
    if (row)
        move_to_row(e, row, out);
}

static void own_axes(emit *e, const ir_type *type, int first, emit_place *out)
{
    *out = (emit_place){.offset = kern_int(e->b, KERN_I64, 1, 0)};
    for (int i = first; i < type->rank; i++) {
        int64_t stride = sched_stride(type, i);
        kern_value *by = kern_int(e->b, KERN_I64, 1, stride);
        out->offset = kern_op2(e->b, KERN_ADD, out->offset,
                               kern_op2(e->b, KERN_MUL, e->var[i], by));
        if (i == e->lane_var)
            out->stride = stride;
    }
}

void emit_own_place(emit *e, const ir_type *type, emit_place *out)
{
    own_axes(e, type, 0, out);
}

void emit_result_place(emit *e, const ir_node *n, emit_place *out)
{
    const sched_store *store = sched_store_of(e->k->step->scope, n);
    const sched_buffer *row = row_of(e, n);
    if (e->flat) {
        at_flat(e, 0, out);
        return;
    }
    if (!store)
        own_axes(e, &n->type, row ? e->k->step->row_rank : 0, out);
    if (row)
        move_to_row(e, row, out);
    if (!store)
        return;
    const ir_type *type = &store->scatter->type;
    emit_subscripts(e, type, store->piece->subs, type->rank, false, out);
}

kern_memory emit_memory(emit *e, int buffer, const emit_place *place, int lanes)
{
    kern_memory at = {.buffer = buffer,
                      .offset = place->offset,
                      .stride = place->stride,
                      .offsets = place->offsets};
    if (lanes > 1)
        at.mask = e->mask;
    return at;
}

/* Lanes that read beyond the data are switched off. */
static kern_value *load_lanes(emit *e, int buffer, const emit_place *place,
                              kern_value *outside, int64_t ahead)
{
    kern_memory at = emit_memory(e, buffer, place, e->lanes);
    at.ahead = place->stride == 1 ? ahead : 0;
    if (!place->guard)
        return kern_load(e->b, at, e->lanes);
    kern_value *guard = kern_splat(e->b, place->guard, e->lanes);
    at.mask = both(e, at.mask, guard);
    kern_type type = kern_type_of(e->k->kernel->buffers.data[buffer].dtype);
    at.other = kern_splat(e->b, kern_convert(e->b, outside, type), e->lanes);
    return kern_load(e->b, at, e->lanes);
}

/* No address is harmless where another task may be writing at this time. */
static kern_value *load_one(emit *e, int buffer, const emit_place *place,
                            kern_value *outside)
{
    emit_place at = *place;
    if (!place->guard)
        return kern_load(e->b, emit_memory(e, buffer, &at, 1), 1);
    const kern_buffer *b = &e->k->kernel->buffers.data[buffer];
    if (b->written) {
        kern_memory memory = emit_memory(e, buffer, &at, 1);
        memory.mask = place->guard;
        memory.other = kern_convert(e->b, outside, kern_type_of(b->dtype));
        return kern_load(e->b, memory, 1);
    }
    at.offset = kern_select(e->b, place->guard, place->offset,
                            kern_int(e->b, KERN_I64, 1, 0));
    kern_value *x = kern_load(e->b, emit_memory(e, buffer, &at, 1), 1);
    return kern_select(e->b, place->guard, x, same_type(e, outside, x));
}

static bool fits_i32(const ir_node *n)
{
    return n->type.bound > 0 && n->type.bound <= INT32_MAX;
}

kern_value *emit_read(emit *e, const ir_expr *x)
{
    if (e->forward[x->node->id])
        return e->forward[x->node->id];
    int buffer =
        build_buffer(e->k, e->k->step->scope->node_buffer[x->node->id], false);
    emit_place place;
    emit_read_place(e, x, &place);
    kern_value *outside = x->outside ? emit_expr(e, x->outside) : NULL;
    bool vector = place.offsets || place.stride ||
                  (place.guard && place.guard->lanes > 1) ||
                  (place.guard && outside->lanes > 1);
    kern_value *v = vector && e->lane_var >= 0
                        ? load_lanes(e, buffer, &place, outside,
                                     e->ahead ? e->ahead[x->node->id] : 0)
                        : load_one(e, buffer, &place, outside);
    if (v->type == KERN_I64 && fits_i32(x->node))
        v = kern_convert(e->b, v, KERN_I32);
    return v;
}

void emit_store(emit *e, int buffer, const emit_place *place, kern_value *x)
{
    kern_type type = kern_type_of(e->k->kernel->buffers.data[buffer].dtype);
    x = kern_convert(e->b, x, type);
    bool vector = e->lane_var >= 0;
    if (vector)
        x = kern_splat(e->b, x, e->lanes);
    kern_store(e->b, emit_memory(e, buffer, place, vector ? e->lanes : 1), x);
}

void emit_together(emit *e, ir_node *const *nodes, const int *buffers,
                   int count, bool keeps)
{
    kern_value **values = ARENA_ARRAY(e->k->scratch, kern_value *, count);
    for (int i = 0; i < count; i++) {
        values[i] = emit_expr(e, nodes[i]->comp.body);
        e->forward[nodes[i]->id] = values[i];
    }
    for (int i = 0; i < count; i++) {
        emit_place place;
        emit_result_place(e, nodes[i], &place);
        emit_store(e, buffers[i], &place, values[i]);
        if (!keeps)
            e->forward[nodes[i]->id] = NULL;
    }
}
