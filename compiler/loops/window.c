/*
 * window.c - maps that are stored through a scatter, window by window.
 *
 * The places of a small window are code of their own inside the lanes: what
 * does not depend on the place is read once. Where one axis of the window fills
 * what the lanes leave out (windows side by side, two elements apart, two wide)
 * the values of its places are shuffled together and stored as whole vectors.
 */
#include "loops/window.h"

enum { MOST_PLACES = 9, MOST_PHASES = 4 };

static void take_loop(window *w, sched_space *space, int index)
{
    w->loops[w->count++] = space->loops[index];
    for (int i = index; i + 1 < space->count; i++)
        space->loops[i] = space->loops[i + 1];
    space->count--;
}

/* The axis whose places lie between the lanes goes last. */
static void find_phases(window *w, const sched_scope *scope, const ir_node *n,
                        int lane_var)
{
    int64_t apart = lane_var < 0 ? 0 : sched_result_stride(scope, n, lane_var);
    for (int i = 0; i < w->count; i++) {
        sched_loop loop = w->loops[i];
        if (sched_result_stride(scope, n, loop.var) != 1 ||
            loop.extent != apart || loop.lo != 0 || apart > MOST_PHASES)
            continue;
        w->loops[i] = w->loops[w->count - 1];
        w->loops[w->count - 1] = loop;
        w->phases = (int)apart;
        return;
    }
}

void window_take(window *w, const sched_scope *scope, const ir_node *n,
                 sched_space *space, int lane_var)
{
    int64_t volume = 1;
    *w = (window){.count = 0};
    if (!sched_store_of(scope, n))
        return;
    for (int i = space->count - 1; i >= 0; i--) {
        if (space->loops[i].var == lane_var)
            continue;
        volume *= space->loops[i].extent;
        if (volume > MOST_PLACES)
            break;
        take_loop(w, space, i);
    }
    find_phases(w, scope, n, lane_var);
}

/* ---------- storing ---------- */

/* Element g of the phases laid out side by side is lane g / phases of phase
 * g % phases; these are those of vector `part`. */
static kern_value *interleaved(const window *w, emit *e, int part)
{
    uint8_t order[UINT8_MAX];
    int lanes = e->lanes;
    kern_value *x = w->values[0];
    PTL_ASSERT(2 * lanes <= UINT8_MAX);
    for (int phase = 1; phase < w->phases; phase++) {
        for (int i = 0; i < lanes; i++) {
            int at = part * lanes + i;
            bool here = at % w->phases == phase;
            int so_far = phase == 1 ? at / w->phases : i;
            order[i] = (uint8_t)(here ? lanes + at / w->phases : so_far);
        }
        x = kern_shuffle(e->b, x, w->values[phase], order, lanes);
    }
    return x;
}

static kern_value *part_mask(const window *w, emit *e, int part)
{
    uint8_t order[UINT8_MAX];
    if (!e->mask)
        return NULL;
    for (int i = 0; i < e->lanes; i++)
        order[i] = (uint8_t)((part * e->lanes + i) / w->phases);
    return kern_shuffle(e->b, e->mask, e->mask, order, e->lanes);
}

static void store_phases(window *w, emit *e)
{
    kern_type type = kern_type_of(e->k->kernel->buffers.data[w->out].dtype);
    for (int i = 0; i < w->phases; i++)
        w->values[i] =
            kern_splat(e->b, kern_convert(e->b, w->values[i], type), e->lanes);
    for (int part = 0; part < w->phases; part++) {
        kern_value *by = kern_int(e->b, KERN_I64, 1, (int64_t)part * e->lanes);
        kern_memory at = {.buffer = w->out,
                          .offset =
                              kern_op2(e->b, KERN_ADD, w->place.offset, by),
                          .stride = 1,
                          .mask = part_mask(w, e, part)};
        kern_store(e->b, at, interleaved(w, e, part));
    }
}

static void place_body(nest *n, int copies, void *ctx)
{
    window *w = ctx;
    emit *e = n->e;
    (void)copies;
    kern_value *x = emit_expr(e, w->node->comp.body);
    if (w->value_count == 0)
        emit_result_place(e, w->node, &w->place);
    if (w->phases < 2) {
        emit_store(e, w->out, &w->place, x);
        return;
    }
    w->values[w->value_count++] = x;
    if (w->value_count < w->phases)
        return;
    store_phases(w, e);
    w->value_count = 0;
}

void window_run(window *w, nest *outer)
{
    nest places;
    nest_init(&places, outer->e, w->loops, w->count, -1);
    places.flat = 0;
    places.body = place_body;
    places.ctx = w;
    places.hoisted = outer->hoisted;
    places.hoisted_count = outer->hoisted_count;
    nest_run(&places, 0);
}
