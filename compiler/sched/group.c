/*
 * group.c - which nodes share a step.
 *
 * Maps over the same domain run in one loop when they read each other only at
 * the very element they compute, and have something in common: one reads the
 * other, they share an operand, or all of them are results of the program
 * (updates of an optimizer).
 *
 * Reductions over one domain that share an operand run in one pass over it.
 * Reductions and maps that share their leading axes run row by row in one step
 * when they read each other only within the row, and the lanes do as well
 * inside a row as elsewhere: soft maximum and norms touch each row once.
 *
 * Needs:    a graph from sched_fuse().
 * Provides: groups in an order in which operands come first.
 * Keeps:    the graph.
 */
#include "sched/internal.h"

typedef struct grouper {
    sched_schedule *s;
    sched_scope *scope;
    ptl_arena *scratch;
    int *group_of;   /* by node id; -1: an input or literal */
    bool *is_output; /* by node id */
    bool *is_update; /* by node id: the new value of an input */
} grouper;

static bool same_domain(const ir_node *a, const ir_node *b)
{
    if (a->type.rank != b->type.rank)
        return false;
    for (int i = 0; i < a->type.rank; i++)
        if (a->type.dims[i] != b->type.dims[i])
            return false;
    return true;
}

typedef struct read_check {
    grouper *c;
    int group;
    int axes; /* that must be the plain variables; -1: all */
    bool reads_group, reads_only_here;
} read_check;

static void check_read(ir_expr *e, void *ctx)
{
    read_check *r = ctx;
    if (e->kind != IR_EXPR_READ || r->c->group_of[e->node->id] != r->group)
        return;
    r->reads_group = true;
    /* Row axes are plain, so what is read outside is outside of the row. */
    if ((e->outside && r->axes < 0) ||
        sched_base(r->c->scope, e->node) != e->node)
        r->reads_only_here = false;
    int axes = r->axes < 0 ? e->sub_count : r->axes;
    for (int i = 0; i < axes; i++)
        if (!sched_is_variable(&e->subs[i], i))
            r->reads_only_here = false;
}

static bool shares_operand(grouper *c, const sched_group *group, ir_node *n)
{
    ir_node **mine, **theirs;
    int count = ir_operands(c->scope->graph, n, &mine);
    for (int m = 0; m < group->nodes.count; m++) {
        int other = ir_operands(c->scope->graph, group->nodes.data[m], &theirs);
        for (int i = 0; i < count; i++)
            for (int k = 0; k < other; k++)
                if (mine[i] == theirs[k] && mine[i]->type.rank > 0)
                    return true;
    }
    return false;
}

static bool all_outputs(const grouper *c, const sched_group *group)
{
    for (int i = 0; i < group->nodes.count; i++)
        if (!c->is_output[group->nodes.data[i]->id])
            return false;
    return true;
}

static void note_draw(ir_expr *e, void *ctx)
{
    bool *draws = ctx;
    *draws = *draws || e->kind == IR_EXPR_RANDOM;
}

/* Results that have nothing else in common are made in one loop, to save steps;
 * not where they are drawn at random: the first values of parameters would be
 * large kernels, no two of them alike. */
static bool only_outputs(const grouper *c, const sched_group *group,
                         const ir_node *n)
{
    bool draws = false;
    if (!c->is_output[n->id] || !all_outputs(c, group))
        return false;
    ir_visit(n->comp.body, note_draw, &draws);
    ir_visit(group->nodes.data[0]->comp.body, note_draw, &draws);
    return !draws;
}

static bool is_map(sched_class class)
{
    return class == SCHED_MAP || class == SCHED_COPY;
}

static bool joins(grouper *c, int index, ir_node *n)
{
    const sched_group *group = c->scope->groups.data[index];
    if (!is_map(group->class) || group->row_rank > 0 ||
        !same_domain(group->nodes.data[0], n))
        return false;
    read_check r = {c, index, -1, false, true};
    ir_visit_reads(n->comp.body, check_read, &r);
    if (!r.reads_only_here)
        return false;
    return r.reads_group || shares_operand(c, group, n) ||
           only_outputs(c, group, n);
}

/* ---------- rows ---------- */

enum {
    LEAST_ROWS = 8,
    MOST_IN_ROW = 1 << 15, /* elements: a row stays in the nearest caches */
};

static int64_t rows_of(const ir_node *n, int rank)
{
    int64_t rows = 1;
    for (int i = 0; i < rank; i++)
        rows *= n->type.dims[i];
    return rows;
}

/* Do the lanes do well when they may only run inside a row? */
static bool fits_in_rows(grouper *c, ir_node *n, int rank)
{
    int lanes = sched_lanes(&c->s->options);
    int64_t volume = ir_volume(&n->comp), rows = rows_of(n, rank);
    if (rows < LEAST_ROWS || volume / rows > MOST_IN_ROW || volume == 0)
        return false;
    sched_space inside, whole;
    double best, cost;
    sched_space_of(c->scope, &n, 1, rank, &inside);
    sched_space_of(c->scope, &n, 1, 0, &whole);
    if (inside.count == 0)
        return volume / rows == 1;
    sched_pick_lanes(c->scope, &n, 1, &whole, 0, whole.count, lanes, &best);
    int var = sched_pick_lanes(c->scope, &n, 1, &inside, 0, inside.count, lanes,
                               &cost);
    return var >= 0 && cost <= 1.5 * best;
}

static bool is_reduction(const ir_node *n)
{
    return n->comp.reduce != IR_MAP;
}

static int least_rank(const sched_group *group, const ir_node *n)
{
    int rank = n->type.rank;
    for (int i = 0; i < group->nodes.count; i++)
        if (group->nodes.data[i]->type.rank < rank)
            rank = group->nodes.data[i]->type.rank;
    return rank;
}

static bool shares_rows(const ir_node *a, const ir_node *b, int rank)
{
    for (int i = 0; i < rank; i++)
        if (a->type.dims[i] != b->type.dims[i])
            return false;
    return true;
}

static bool all_fit(grouper *c, const sched_group *group, ir_node *n, int rank)
{
    bool fit =
        shares_rows(group->nodes.data[0], n, rank) && fits_in_rows(c, n, rank);
    for (int i = 0; i < group->nodes.count && fit; i++)
        fit = fits_in_rows(c, group->nodes.data[i], rank);
    return fit;
}

/* Do they have what makes rows worth while, and nothing that forbids them?
 * Updates stay in maps of their own, where they are written in place. */
static bool may_be_rows(grouper *c, const sched_group *group, ir_node *n)
{
    if (!is_map(group->class) && group->class != SCHED_REDUCE)
        return false;
    bool reduces = is_reduction(n), updates = c->is_update[n->id];
    for (int i = 0; i < group->nodes.count; i++) {
        reduces = reduces || is_reduction(group->nodes.data[i]);
        updates = updates || c->is_update[group->nodes.data[i]->id];
    }
    return reduces && !updates;
}

/* Does `n` read the group within the row, and have something to gain there? */
static bool reads_within(grouper *c, int index, ir_node *n, int rank)
{
    read_check r = {c, index, rank, false, true};
    ir_visit_reads(n->comp.body, check_read, &r);
    if (n->comp.filter)
        ir_visit_reads(n->comp.filter, check_read, &r);
    return r.reads_only_here &&
           (r.reads_group ||
            shares_operand(c, c->scope->groups.data[index], n));
}

enum { SHORT_ROW = 64 };

/* Are the results of a row so few that what is read back was hardly stored? */
static bool is_short(const sched_group *group, const ir_node *n, int rank)
{
    bool few = ir_element_count(&n->type) < SHORT_ROW * rows_of(n, rank);
    for (int i = 0; i < group->nodes.count; i++) {
        const ir_node *m = group->nodes.data[i];
        few = few && ir_element_count(&m->type) < SHORT_ROW * rows_of(m, rank);
    }
    return few;
}

/* Can `n` run row by row with the group? Then its row rank, else 0. */
static int joins_by_rows(grouper *c, int index, ir_node *n)
{
    const sched_group *group = c->scope->groups.data[index];
    if (!may_be_rows(c, group, n))
        return 0;
    int rank = least_rank(group, n);
    if (group->row_rank > 0 && rank > group->row_rank)
        rank = group->row_rank; /* its members may read across the axes after */
    while (rank > 0 &&
           !(all_fit(c, group, n, rank) && reads_within(c, index, n, rank)))
        rank--;
    while (rank > 1 && is_short(group, n, rank) &&
           all_fit(c, group, n, rank - 1))
        rank--;
    return rank;
}

/* ---------- reductions over one domain ---------- */

enum { MOST_JOINED = 4 }; /* accumulators stay in registers */

static bool same_box(const ir_comp *a, const ir_comp *b)
{
    if (a->var_count != b->var_count || a->out_count != b->out_count)
        return false;
    for (int v = 0; v < a->var_count; v++)
        if (a->vars[v].lo != b->vars[v].lo || a->vars[v].hi != b->vars[v].hi)
            return false;
    return true;
}

static bool joins_reductions(grouper *c, int index, ir_node *n)
{
    const sched_group *group = c->scope->groups.data[index];
    if (group->class != SCHED_REDUCE || group->row_rank > 0 ||
        group->nodes.count >= MOST_JOINED || n->comp.reduce == IR_LSE ||
        group->nodes.data[0]->comp.reduce == IR_LSE ||
        !same_box(&group->nodes.data[0]->comp, &n->comp))
        return false;
    read_check r = {c, index, -1, false, true};
    ir_visit_reads(n->comp.body, check_read, &r);
    if (n->comp.filter)
        ir_visit_reads(n->comp.filter, check_read, &r);
    return !r.reads_group && shares_operand(c, group, n);
}

/* The last group that makes something `n` needs or waits for; -1: none. */
static int last_operand_group(grouper *c, ir_node *n)
{
    ir_node **operands;
    int count = ir_operands(c->scope->graph, n, &operands), last = -1;
    for (int i = 0; i < count; i++)
        if (c->group_of[operands[i]->id] > last)
            last = c->group_of[operands[i]->id];
    const ir_node *followed = sched_followed(c->scope, n);
    if (followed && c->group_of[followed->id] > last)
        last = c->group_of[followed->id];
    return last;
}

enum { MOST_IN_GROUP = 16 };

static int find_rows(grouper *c, ir_node *n)
{
    int first = last_operand_group(c, n);
    for (int i = c->scope->groups.count - 1; i >= 0 && i >= first; i--) {
        sched_group *group = c->scope->groups.data[i];
        int rank =
            group->nodes.count < MOST_IN_GROUP ? joins_by_rows(c, i, n) : 0;
        if (rank > 0) {
            group->row_rank = rank;
            return i;
        }
    }
    return -1;
}

static int find_reductions(grouper *c, ir_node *n)
{
    int first = last_operand_group(c, n);
    for (int i = c->scope->groups.count - 1; i >= 0 && i >= first; i--)
        if (joins_reductions(c, i, n))
            return i;
    return -1;
}

static int find_map(grouper *c, ir_node *n)
{
    int first = last_operand_group(c, n);
    for (int i = c->scope->groups.count - 1; i >= 0 && i >= first; i--)
        if (c->scope->groups.data[i]->nodes.count < MOST_IN_GROUP &&
            joins(c, i, n))
            return i;
    return -1;
}

static int add_group(grouper *c, sched_class class)
{
    sched_group *group = ARENA_NEW(c->s->arena, sched_group);
    group->class = class;
    vec_push(c->s->arena, &c->scope->groups, group);
    return c->scope->groups.count - 1;
}

static void place(grouper *c, ir_node *n)
{
    const char *note;
    sched_class class = sched_classify(n, &c->s->options, &note);
    bool fuse = !c->s->options.no_fuse;
    int index = fuse && is_map(class) ? find_map(c, n) : -1;
    if (fuse && class == SCHED_REDUCE)
        index = find_reductions(c, n);
    if (index < 0 && fuse && (is_map(class) || class == SCHED_REDUCE))
        index = find_rows(c, n);
    if (index < 0) {
        index = add_group(c, class);
        c->scope->groups.data[index]->note = note;
    }
    vec_push(c->s->arena, &c->scope->groups.data[index]->nodes, n);
    c->group_of[n->id] = index;
}

/* The group of the scan that has `result` among its results; -1: none. */
static int scan_group_of(grouper *c, const ir_node *result)
{
    for (int i = 0; i < c->scope->scans.count; i++) {
        const sched_scan *scan = c->scope->scans.data[i];
        int count = scan->scan->carry_count + scan->scan->stack_count;
        for (int k = 0; k < count; k++) {
            if (scan->results[k] != result)
                continue;
            for (int g = 0; g < c->scope->groups.count; g++)
                if (c->scope->groups.data[g]->scan == scan)
                    return g;
            int group = add_group(c, SCHED_SCAN);
            c->scope->groups.data[group]->scan = scan;
            return group;
        }
    }
    return -1;
}

void sched_group_nodes(sched_schedule *s, sched_scope *scope)
{
    grouper c = {.s = s, .scope = scope, .scratch = arena_new()};
    const ir_graph *g = scope->graph;
    scope->groups.count = 0;
    c.group_of = ARENA_ARRAY(c.scratch, int, g->nodes.count + 1);
    c.is_output = ARENA_ARRAY(c.scratch, bool, g->nodes.count + 1);
    c.is_update = ARENA_ARRAY(c.scratch, bool, g->nodes.count + 1);
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        c.is_output[out->node->id] = true;
        c.is_update[out->node->id] |= out->role == IR_OUT_UPDATE;
    }
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        ir_node *base = sched_base(scope, n);
        if (n->kind != IR_INPUT && n->kind != IR_LITERAL)
            place(&c, n);
        else if (base != n)
            c.group_of[i] = c.group_of[base->id];
        else
            c.group_of[i] = scan_group_of(&c, n);
    }
    arena_free(c.scratch);
}
