/*
 * pack.c - how packing walks through the operands of a contraction.
 *
 * Every address (and every coordinate a guard tests) is a sum of a part along
 * the packed axis and a part along K, each a function of one fused index. Where
 * such a part is no plain stride it becomes a table.
 *
 * Needs:    a PACK step whose reads are affine.
 * Provides: step->pack_reads; tables as constant buffers.
 * Keeps:    everything else.
 */
#include "sched/internal.h"
#include <string.h>

typedef struct walker {
    sched_schedule *s;
    sched_step *step;
    const sched_axis *axis;
    int width;
} walker;

static bool is_linear(const int64_t *at, int64_t count, int64_t *stride)
{
    *stride = count > 1 ? at[1] - at[0] : 0;
    for (int64_t i = 1; i < count; i++)
        if (at[i] - at[i - 1] != *stride)
            return false;
    return true;
}

/* One stride within every vector of every panel? */
static bool is_linear_in_pieces(const walker *w, const int64_t *at,
                                int64_t count, int64_t *stride)
{
    int lanes = sched_lanes(&w->s->options);
    bool known = false;
    *stride = 0;
    for (int64_t panel = 0; panel < count; panel += w->width)
        for (int64_t c = 0; c < w->width; c += lanes) {
            int64_t start = panel + c, end = start + lanes;
            end = end < panel + w->width ? end : panel + w->width;
            end = end < count ? end : count;
            for (int64_t i = start + 1; i < end; i++) {
                if (known && at[i] - at[i - 1] != *stride)
                    return false;
                *stride = at[i] - at[i - 1];
                known = true;
            }
        }
    return true;
}

/* Padded so that a whole vector may be loaded at any panel. */
static int add_table(walker *w, const int64_t *at, int64_t count)
{
    int64_t padded = count + w->width + SCHED_LANES_F32;
    bool small = true;
    for (int64_t i = 0; i < count; i++)
        small = small && at[i] > INT32_MIN / 2 && at[i] < INT32_MAX / 2;
    ptl_dtype dtype = small ? PTL_I32 : PTL_I64;
    void *bytes =
        arena_alloc(w->s->arena, (size_t)(padded * dtype_size(dtype)));
    for (int64_t i = 0; i < count && !w->s->options.sizes_only; i++) {
        if (small)
            ((int32_t *)bytes)[i] = (int32_t)at[i];
        else
            ((int64_t *)bytes)[i] = at[i];
    }
    const char *name = arena_printf(w->s->arena, "%s.table%d", w->step->name,
                                    w->s->buffers.count);
    int table = sched_table_add(w->s, name, dtype, bytes, padded);
    sched_access_add(w->s, w->step, table, false);
    return table;
}

static sched_walk plan_walk(walker *w, const sched_axis *axis,
                            const int64_t *coef, bool packed, int64_t *constant)
{
    sched_walk walk = {SCHED_WALK_LINEAR, 0, -1};
    if (axis->extent == 0)
        return walk;
    const int64_t *at = sched_axis_sums(
        w->s, axis, w->step->nodes[0]->comp.vars, coef);
    if (is_linear(at, axis->extent, &walk.stride)) {
        *constant += at[0];
        return walk;
    }
    walk.kind = SCHED_WALK_TABLE;
    if (packed && is_linear_in_pieces(w, at, axis->extent, &walk.stride))
        walk.kind = SCHED_WALK_PIECES;
    walk.table = add_table(w, at, axis->extent);
    return walk;
}

static sched_form plan_form(walker *w, int64_t constant, const int64_t *coef)
{
    const sched_contraction *c = w->step->contraction;
    sched_form form = {.constant = constant};
    for (int i = 0; i < c->batch.count; i++)
        form.batch[c->batch.vars[i]] = coef[c->batch.vars[i]];
    form.axis = plan_walk(w, w->axis, coef, true, &form.constant);
    form.k = plan_walk(w, &c->k, coef, false, &form.constant);
    return form;
}

static void plan_guards(walker *w, const ir_expr *e, sched_pack_read *out)
{
    const ir_var *vars = w->step->nodes[0]->comp.vars;
    for (int d = 0; e->outside && d < e->sub_count; d++) {
        const ir_affine *a = &e->subs[d].affine;
        int64_t low, high, coef[IR_MAX_VARS] = {0};
        ir_affine_range(*a, vars, &low, &high);
        if (low >= 0 && high < e->node->type.dims[d])
            continue;
        for (int k = 0; k < a->term_count; k++)
            coef[a->terms[k].var] = a->terms[k].coef;
        sched_form *guard = &out->guards[out->guard_count++];
        *guard = plan_form(w, a->constant, coef);
        guard->size = e->node->type.dims[d];
    }
}

static void plan_read(ir_expr *e, void *ctx)
{
    walker *w = ctx;
    if (e->kind != IR_EXPR_READ)
        return;
    sched_address address;
    sched_address_of(e, &address);
    sched_pack_read read = {.read = e};
    read.address = plan_form(w, address.constant, address.coef);
    plan_guards(w, e, &read);
    vec_push(w->s->arena, &w->step->pack_reads, read);
}

void sched_plan_pack(sched_schedule *s, sched_step *step)
{
    const sched_contraction *c = step->contraction;
    bool left = step->kind == SCHED_STEP_PACK_LEFT;
    walker w = {s, step, left ? &c->m : &c->n, left ? c->mr : c->nr};
    ir_visit_reads(left ? c->left : c->right, plan_read, &w);
}
