/*
 * space.c - the loops a kernel runs, and how memory lies along them.
 *
 * Addresses are affine in the loop variables wherever a subscript is plain, so
 * two neighbouring loops are one when every address steps through both as
 * through one. Which loop goes along the lanes is judged by strides alone.
 *
 * Needs:    verified nodes.
 * Provides: loops in order of the variables, outputs first.
 * Keeps:    the order of a reduction: collapsing renames, it never permutes.
 */
#include "sched/sched.h"

int64_t sched_stride(const ir_type *type, int axis)
{
    int64_t stride = 1;
    for (int i = axis + 1; i < type->rank; i++)
        stride *= type->dims[i];
    return stride;
}

bool sched_is_direct(const ir_sub *sub)
{
    return sub->mode == IR_PLAIN && !sub->gather;
}

void sched_address_of(const ir_expr *read, sched_address *out)
{
    *out = (sched_address){.whole = true};
    for (int i = 0; i < read->sub_count; i++) {
        const ir_sub *sub = &read->subs[i];
        if (!sched_is_direct(sub)) {
            out->whole = false;
            continue;
        }
        int64_t stride = sched_stride(&read->node->type, i);
        out->constant += sub->affine.constant * stride;
        for (int k = 0; k < sub->affine.term_count; k++)
            out->coef[sub->affine.terms[k].var] +=
                sub->affine.terms[k].coef * stride;
    }
}

/* ---------- what an expression does with a variable ---------- */

typedef struct usage {
    const ir_var *vars;
    uint32_t fixed; /* variables that must stay as they are */
    VEC(sched_address) addresses;
    ptl_arena *arena;
} usage;

static void fix_affine(usage *u, ir_affine a)
{
    for (int i = 0; i < a.term_count; i++)
        u->fixed |= (uint32_t)1 << a.terms[i].var;
}

static bool stays_inside(const usage *u, const ir_expr *read, int axis)
{
    int64_t low, high;
    ir_affine_range(read->subs[axis].affine, u->vars, &low, &high);
    return low >= 0 && high < read->node->type.dims[axis];
}

static void note_use(ir_expr *e, void *ctx)
{
    usage *u = ctx;
    if (e->kind == IR_EXPR_VAR)
        u->fixed |= (uint32_t)1 << e->var;
    if (e->kind != IR_EXPR_READ && e->kind != IR_EXPR_INSIDE)
        return;
    for (int i = 0; i < e->sub_count; i++)
        if (!sched_is_direct(&e->subs[i]) || e->kind == IR_EXPR_INSIDE ||
            (e->outside && !stays_inside(u, e, i)))
            fix_affine(u, e->subs[i].affine);
    if (e->kind == IR_EXPR_READ) {
        sched_address a;
        sched_address_of(e, &a);
        vec_push(u->arena, &u->addresses, a);
    }
}

/* A result stored as it is steps through its axes as through one. */
static void note_store(usage *u, const sched_scope *scope, const ir_node *n)
{
    sched_address a = {.whole = true};
    if (!sched_store_of(scope, n))
        return;
    for (int v = 0; v < n->type.rank; v++)
        a.coef[v] = sched_result_stride(scope, n, v);
    vec_push(u->arena, &u->addresses, a);
}

static void note_uses(usage *u, const sched_scope *scope, ir_node *const *nodes,
                      int count)
{
    u->vars = nodes[0]->comp.vars;
    for (int i = 0; i < count; i++) {
        note_store(u, scope, nodes[i]);
        u->vars = nodes[i]->comp.vars;
        ir_visit(nodes[i]->comp.body, note_use, u);
        if (nodes[i]->comp.filter)
            ir_visit(nodes[i]->comp.filter, note_use, u);
    }
}

static bool merges(const usage *u, const sched_loop *outer,
                   const sched_loop *inner)
{
    uint32_t both = (uint32_t)1 << outer->var | (uint32_t)1 << inner->var;
    if (outer->reduced != inner->reduced || outer->lo || inner->lo ||
        (u->fixed & both))
        return false;
    for (int i = 0; i < u->addresses.count; i++) {
        const sched_address *a = &u->addresses.data[i];
        if (a->coef[outer->var] != a->coef[inner->var] * inner->extent)
            return false;
    }
    return true;
}

void sched_space_of(const sched_scope *scope, ir_node *const *nodes, int count,
                    int first_var, sched_space *out)
{
    const ir_comp *comp = &nodes[0]->comp;
    usage u = {.arena = arena_new()};
    note_uses(&u, scope, nodes, count);
    *out = (sched_space){0};
    for (int v = first_var; v < comp->var_count; v++) {
        const ir_var *var = &comp->vars[v];
        sched_loop loop = {v, var->lo, var->hi - var->lo, v >= comp->out_count};
        if (loop.extent == 1)
            continue;
        sched_loop *last = out->count ? &out->loops[out->count - 1] : NULL;
        if (last && merges(&u, last, &loop)) {
            loop.extent *= last->extent;
            *last = loop;
        } else {
            out->loops[out->count++] = loop;
        }
    }
    while (out->out_count < out->count && !out->loops[out->out_count].reduced)
        out->out_count++;
    arena_free(u.arena);
}

/* ---------- lanes ---------- */

enum {
    COST_NEAR = 1,
    COST_SMALL_STRIDE = 4, /* whole vectors and shuffles */
    COST_STRIDED = 10,
    COST_GATHER = 14,
    SMALL_STRIDE = 4,
};

static double stride_cost(int64_t stride)
{
    if (stride == 0 || stride == 1)
        return COST_NEAR;
    return stride > 1 && stride <= SMALL_STRIDE ? COST_SMALL_STRIDE
                                                : COST_STRIDED;
}

static int64_t coef_of(const ir_affine *a, int var)
{
    return ir_affine_coef(*a, var);
}

/* Does anything that is not in the affine address move with `var`? */
static bool moves_otherwise(const ir_expr *read, int var);

typedef struct mention {
    int var;
    bool found;
} mention;

static void find_mention(ir_expr *e, void *ctx)
{
    mention *m = ctx;
    if (e->kind == IR_EXPR_VAR && e->var == m->var)
        m->found = true;
    for (int i = 0; i < e->sub_count; i++)
        if (coef_of(&e->subs[i].affine, m->var))
            m->found = true;
}

static bool moves_otherwise(const ir_expr *read, int var)
{
    mention m = {var, false};
    for (int i = 0; i < read->sub_count; i++) {
        const ir_sub *sub = &read->subs[i];
        if (sched_is_direct(sub))
            continue;
        m.found = m.found || coef_of(&sub->affine, var) != 0;
        if (sub->gather)
            ir_visit(sub->gather, find_mention, &m);
    }
    return m.found;
}

typedef struct lane_cost {
    int var;
    double sum;
} lane_cost;

static void add_read_cost(ir_expr *read, void *ctx)
{
    lane_cost *c = ctx;
    if (read->kind != IR_EXPR_READ)
        return;
    sched_address a;
    sched_address_of(read, &a);
    int64_t coef = a.coef[c->var];
    if (moves_otherwise(read, c->var))
        c->sum += COST_GATHER;
    else
        c->sum += stride_cost(coef);
}

static double cost_along(const sched_scope *scope, ir_node *const *nodes,
                         int count, const sched_loop *loop, int lanes)
{
    lane_cost c = {.var = loop->var};
    for (int i = 0; i < count; i++) {
        const ir_node *n = nodes[i];
        ir_visit_reads(n->comp.body, add_read_cost, &c);
        if (n->comp.filter)
            ir_visit_reads(n->comp.filter, add_read_cost, &c);
        if (!loop->reduced)
            c.sum += stride_cost(sched_result_stride(scope, n, loop->var));
    }
    int64_t vectors = (loop->extent + lanes - 1) / lanes;
    double across = loop->reduced ? 24.0 / (double)vectors : 0.0;
    return (c.sum + across + 1.0) * (double)vectors / (double)loop->extent;
}

int sched_pick_lanes(const sched_scope *scope, ir_node *const *nodes, int count,
                     const sched_space *space, int from, int to, int lanes,
                     double *cost)
{
    int best = -1;
    *cost = 0;
    for (int i = from; i < to; i++) {
        if (space->loops[i].extent < 2)
            continue;
        double c = cost_along(scope, nodes, count, &space->loops[i], lanes);
        if (best < 0 || c <= *cost) {
            best = space->loops[i].var;
            *cost = c;
        }
    }
    return best;
}
