/*
 * matrices.c - which contractions are products of plain matrices, as a library
 * of products takes them, and how these lie in memory.
 *
 * Both factors and the result are matrices, or as many of them as there are
 * batches, a fixed distance apart. Along one side of a matrix elements are
 * neighbours; along the other they have any distance that keeps its lines
 * apart. So windows, gathers, guards and factors with operations are none.
 *
 * Needs:    a contraction with its axes; buffers of all nodes.
 * Provides: c->matrices and K in one part, or nothing.
 * Keeps:    everything else.
 */
#include "sched/internal.h"

/* One step along a fused axis, in the direction in which it is walked; false:
 * it is not the same everywhere. */
static bool find_step(const ir_comp *comp, const sched_axis *axis,
                      const sched_address *a, int64_t *step)
{
    int64_t inner = 1; /* elements of the axis so far */
    *step = 0;
    for (int i = axis->count - 1; i >= 0; i--) {
        int var = axis->vars[i];
        int64_t extent = comp->vars[var].hi - comp->vars[var].lo;
        bool reversed = axis->reversed >> var & 1;
        int64_t own = reversed ? -a->coef[var] : a->coef[var];
        if (extent == 1)
            continue;
        if (inner == 1)
            *step = own;
        if (own != *step * inner)
            return false;
        inner *= extent;
    }
    return true;
}

/* Where the first element of the batch, rows and columns is. */
static int64_t begin_of(const ir_comp *comp, const sched_axis *const *axes,
                        const sched_address *a)
{
    int64_t values[IR_MAX_VARS], at = a->constant;
    for (int v = 0; v < comp->var_count; v++)
        values[v] = comp->vars[v].lo;
    for (int i = 0; i < 3; i++)
        sched_axis_at(axes[i], comp->vars, 0, values);
    for (int v = 0; v < comp->var_count; v++)
        at += a->coef[v] * values[v];
    return at;
}

static bool is_apart(int64_t unit, int64_t other, int64_t length)
{
    return unit == 1 && other >= length;
}

/* `axes`: batch, rows, columns. */
static bool find_matrix(const ir_comp *comp, const sched_axis *const *axes,
                        const sched_address *a, kern_matrix *out)
{
    if (!find_step(comp, axes[0], a, &out->batch) ||
        !find_step(comp, axes[1], a, &out->row) ||
        !find_step(comp, axes[2], a, &out->column) || out->batch < 0)
        return false;
    out->at = begin_of(comp, axes, a);
    return is_apart(out->column, out->row, axes[2]->extent) ||
           is_apart(out->row, out->column, axes[1]->extent);
}

static bool find_factor(const sched_scope *scope, const ir_comp *comp,
                        const sched_axis *const *axes, const ir_expr *factor,
                        kern_matrix *out)
{
    sched_address a;
    if (factor->kind != IR_EXPR_READ || factor->outside ||
        factor->node->type.kind != IR_REAL)
        return false;
    sched_address_of(factor, &a);
    out->buffer = scope->node_buffer[factor->node->id];
    return a.whole && find_matrix(comp, axes, &a, out);
}

static bool find_result(const sched_scope *scope, const ir_node *n,
                        const sched_axis *const *axes, kern_matrix *out)
{
    sched_address a = {.whole = true};
    for (int v = 0; v < n->type.rank; v++)
        a.coef[v] = sched_result_stride(scope, n, v);
    out->buffer = scope->node_buffer[n->id];
    return !sched_store_of(scope, n) && find_matrix(&n->comp, axes, &a, out);
}

/* The library counts in 32 bits. */
static bool is_countable(const sched_contraction *c)
{
    return c->batch.extent <= INT32_MAX && c->m.extent <= INT32_MAX &&
           c->n.extent <= INT32_MAX && c->k.extent <= INT32_MAX;
}

void sched_find_matrices(sched_schedule *s, const sched_scope *scope,
                         sched_contraction *c)
{
    const ir_comp *comp = &c->node->comp;
    const sched_axis *left[] = {&c->batch, &c->m, &c->k};
    const sched_axis *right[] = {&c->batch, &c->k, &c->n};
    const sched_axis *result[] = {&c->batch, &c->m, &c->n};
    kern_matrices found = {0};
    if (ir_volume(comp) < SCHED_LIBRARY_WORK || !sched_has_long_axes(c) ||
        !is_countable(c) ||
        !find_factor(scope, comp, left, c->left, &found.left) ||
        !find_factor(scope, comp, right, c->right, &found.right) ||
        !find_result(scope, c->node, result, &found.result))
        return;
    kern_matrices *kept = ARENA_NEW(s->arena, kern_matrices);
    *kept = found;
    c->matrices = kept;
    c->splits = 1;
    c->k_split = c->k.extent;
}
