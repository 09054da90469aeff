/*
 * recompute.c - values that are computed again rather than kept.
 *
 * The memory of a training step is what its forward pass leaves for its
 * backward pass. Much of that follows from values that stay anyway: the result
 * of an activation from its argument, a normalised row from the row and its
 * mean. Where memory is fullest, such a map gets a copy for the readers that
 * come later; the copy is made beside another reader of its largest operand, or
 * right before its first own one, and until then nothing is kept.
 *
 * It has to pay: the share of the memory it frees is at least LEAST_GAIN times
 * the share of the time it takes, and no more than MOST_TIME of the time is
 * spent so.
 *
 * Needs:    a scope from sched_fuse() without scans, its groups in order.
 * Provides: copies as nodes of their own, scope->follows; true where groups
 *           have to be formed again.
 * Keeps:    every scalar operation, so every bit; readers' order of operands.
 */
#include "sched/lives.h"
#include <string.h>

enum {
    LEAST_GAIN = 4,
    LEAST_BYTES = 1 << 14,
};
static const double MOST_TIME = 1.0 / 16;

typedef struct copy {
    ir_node *of;
    int from, at;   /* groups: nothing is kept between them */
    ir_node *after; /* made by then; so the copy is not made too soon */
    int64_t gain;   /* bytes */
    double work;
} copy;

typedef struct recomputer {
    sched_schedule *s;
    sched_scope *scope;
    ptl_arena *scratch;
    sched_lives lives;
    VEC(copy) copies;
    int *copy_of;  /* by node id: 1 + index */
    int *until;    /* by node id: last group that reads it, copies included */
    int64_t *live; /* bytes, by group */
    int peak;      /* the group where most is alive */
    double work, spent; /* vector operations: of the program, of copies */
} recomputer;

/* ---------- what is alive when ---------- */

/* As what changes at each group; measure() sums it up. */
static void add_span(recomputer *r, int from, int to, int64_t bytes)
{
    r->live[from] += bytes;
    if (to + 1 < r->lives.groups)
        r->live[to + 1] -= bytes;
}

/* Does it need room, as things are? */
static bool has_room(const recomputer *r, const ir_node *n)
{
    const sched_life *life = &r->lives.of[n->id];
    return life->bytes && !(life->passing && r->until[n->id] == life->first);
}

static void extend_operands(recomputer *r, const copy *c)
{
    const sched_life *life = &r->lives.of[c->of->id];
    for (int i = 0; i < life->operands.count; i++) {
        int id = life->operands.data[i]->id;
        r->until[id] = r->until[id] < c->at ? c->at : r->until[id];
    }
}

/* A map may write where an operand of the same size dies. */
static void credit_in_place(recomputer *r, int index)
{
    const sched_group *group = r->scope->groups.data[index];
    if (group->class != SCHED_MAP || group->row_rank > 0)
        return;
    for (int i = 0; i < r->lives.operands[index].count; i++) {
        const ir_node *o = r->lives.operands[index].data[i];
        int64_t bytes = r->lives.of[o->id].bytes;
        if (has_room(r, o) && r->until[o->id] == index &&
            group->nodes.count == 1 &&
            r->lives.of[group->nodes.data[0]->id].bytes == bytes) {
            r->live[index] -= bytes;
            return;
        }
    }
}

static void measure(recomputer *r)
{
    int nodes = r->scope->graph->nodes.count;
    memset(r->live, 0, (size_t)r->lives.groups * sizeof *r->live);
    for (int i = 0; i < nodes; i++)
        r->until[i] = r->lives.of[i].last;
    for (int i = 0; i < r->copies.count; i++)
        if (r->copy_of[r->copies.data[i].of->id])
            extend_operands(r, &r->copies.data[i]);
    for (int i = 0; i < nodes; i++) {
        const sched_life *life = &r->lives.of[i];
        const copy *c =
            r->copy_of[i] ? &r->copies.data[r->copy_of[i] - 1] : NULL;
        if (!has_room(r, r->scope->graph->nodes.data[i]))
            continue;
        add_span(r, life->first, c ? c->from : r->until[i], life->bytes);
        if (c)
            add_span(r, c->at, r->until[i], life->bytes);
    }
    for (int i = 1; i < r->lives.groups; i++)
        r->live[i] += r->live[i - 1];
    r->peak = 0;
    for (int i = 0; i < r->lives.groups; i++) {
        credit_in_place(r, i);
        r->peak = r->live[i] > r->live[r->peak] ? i : r->peak;
    }
}

/* ---------- which map is worth a copy ---------- */

static double work_of(const recomputer *r, ir_node *n)
{
    const char *note;
    if (n->kind != IR_COMP)
        return (double)ir_element_count(&n->type);
    double volume = (double)ir_volume(&n->comp);
    bool product =
        sched_classify(n, &r->s->options, &note) == SCHED_CONTRACTION;
    return product ? volume : volume * sched_cost(n->comp.body);
}

/* The uses around the peak; false where it is used there, or on one side
 * only. */
static bool find_gap(const recomputer *r, const sched_life *life, copy *c)
{
    c->from = life->first;
    c->at = -1;
    for (int i = 0; i < life->uses.count; i++) {
        int use = life->uses.data[i];
        if (use == r->peak)
            return false;
        if (use < r->peak)
            c->from = use;
        else if (c->at < 0)
            c->at = use;
    }
    return c->from < r->peak && c->at >= 0;
}

static bool is_updated_before(const recomputer *r, const ir_node *input, int at)
{
    const ir_graph *g = r->scope->graph;
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        if (out->target == input && r->lives.group_of[out->node->id] < at)
            return true;
    }
    return false;
}

static bool is_read_by_copies(const recomputer *r, const sched_life *life)
{
    for (int i = 0; i < life->readers.count; i++)
        if (r->copy_of[life->readers.data[i]->id])
            return true;
    return false;
}

/* Moves the copy to where its largest operand is read last, if that is sooner
 * and after the peak. */
static void find_place(const recomputer *r, const sched_life *life, copy *c)
{
    const sched_life *largest = NULL;
    for (int i = 0; i < life->operands.count; i++) {
        const sched_life *o = &r->lives.of[life->operands.data[i]->id];
        if (o->bytes && (!largest || o->bytes > largest->bytes))
            largest = o;
    }
    if (largest && largest->last > r->peak && largest->last < c->at)
        c->at = largest->last;
}

/* Operands are there, or cost little to keep; false: they are not. */
static bool weigh_operands(const recomputer *r, const sched_life *life, copy *c)
{
    c->gain = life->bytes;
    for (int i = 0; i < life->operands.count; i++) {
        const ir_node *o = life->operands.data[i];
        const sched_life *its = &r->lives.of[o->id];
        if (r->copy_of[o->id] || is_updated_before(r, o, c->at))
            return false;
        c->gain -= its->bytes && r->until[o->id] < c->at ? its->bytes : 0;
    }
    return 2 * c->gain >= life->bytes;
}

/* The latest value that the group at c->at waits for. Numbers of nodes have to
 * agree with it, since groups are formed by them. */
static bool find_signal(const recomputer *r, const sched_life *life, copy *c)
{
    int latest = c->from;
    for (int i = 0; i < r->lives.operands[c->at].count; i++) {
        ir_node *o = r->lives.operands[c->at].data[i];
        int made = r->lives.group_of[o->id];
        if (o == c->of || made <= latest || made >= c->at)
            continue;
        latest = made;
        c->after = o;
    }
    if (!c->after || c->after->id < c->of->id)
        return false;
    for (int i = 0; i < life->readers.count; i++) {
        const ir_node *reader = life->readers.data[i];
        if (r->lives.group_of[reader->id] >= c->at &&
            reader->id <= c->after->id)
            return false;
    }
    return true;
}

static bool may_be_copied(const recomputer *r, const ir_node *n)
{
    const sched_life *life = &r->lives.of[n->id];
    return n->kind == IR_COMP && n->comp.reduce == IR_MAP && !life->passing &&
           life->bytes >= LEAST_BYTES && life->by_comps &&
           life->last < r->lives.groups && !r->copy_of[n->id] &&
           !is_read_by_copies(r, life);
}

static bool pays(const recomputer *r, const copy *c)
{
    return (double)c->gain * r->work >=
               LEAST_GAIN * c->work * (double)r->live[r->peak] &&
           r->spent + c->work <= MOST_TIME * r->work;
}

static bool find_copy(const recomputer *r, ir_node *n, copy *c)
{
    const sched_life *life = &r->lives.of[n->id];
    *c = (copy){.of = n};
    if (!may_be_copied(r, n) || !find_gap(r, life, c))
        return false;
    find_place(r, life, c);
    if (!weigh_operands(r, life, c) || !find_signal(r, life, c))
        return false;
    c->work = (double)ir_volume(&n->comp) * sched_cost(n->comp.body);
    return pays(r, c);
}

static bool choose_one(recomputer *r)
{
    copy best = {0}, c;
    for (int i = 0; i < r->scope->graph->nodes.count; i++)
        if (find_copy(r, r->scope->graph->nodes.data[i], &c) &&
            (!best.of ||
             (double)c.gain * best.work > (double)best.gain * c.work))
            best = c;
    if (!best.of)
        return false;
    vec_push(r->scratch, &r->copies, best);
    r->copy_of[best.of->id] = r->copies.count;
    r->spent += best.work;
    return true;
}

/* The last ones first: what does not lower the peak is dropped again. */
static void drop_idle(recomputer *r)
{
    int64_t lowest = r->live[r->peak];
    for (int i = r->copies.count - 1; i >= 0; i--) {
        int id = r->copies.data[i].of->id;
        r->copy_of[id] = 0;
        measure(r);
        if (r->live[r->peak] > lowest)
            r->copy_of[id] = i + 1;
    }
    int left = 0;
    for (int i = 0; i < r->copies.count; i++)
        if (r->copy_of[r->copies.data[i].of->id])
            r->copies.data[left++] = r->copies.data[i];
    r->copies.count = left;
}

/* ---------- making them ---------- */

static int by_place(const copy *a, const copy *b)
{
    return a->after->id != b->after->id ? a->after->id - b->after->id
                                        : a->of->id - b->of->id;
}

static void sort_copies(recomputer *r)
{
    copy *data = r->copies.data;
    for (int i = 1; i < r->copies.count; i++) {
        copy moving = data[i];
        int at = i;
        for (; at > 0 && by_place(&data[at - 1], &moving) > 0; at--)
            data[at] = data[at - 1];
        data[at] = moving;
    }
}

/* Those whose copies are there by group `group`, by node id. */
static ir_node *const *replacements(const recomputer *r, ir_node *const *made,
                                    ir_node **map, int group)
{
    for (int i = 0; i < r->copies.count; i++)
        if (r->copies.data[i].at <= group)
            map[r->copies.data[i].of->id] = made[i];
    return map;
}

static void redirect_readers(recomputer *r, ir_node *const *made, int count)
{
    ir_graph *g = r->scope->graph;
    ir_node **map = ARENA_ARRAY(r->scratch, ir_node *, g->nodes.count + 1);
    for (int i = 0; i < r->lives.groups; i++) {
        const sched_group *group = r->scope->groups.data[i];
        ir_node *const *now = replacements(r, made, map, i);
        for (int k = 0; k < group->nodes.count; k++) {
            ir_node *n = group->nodes.data[k];
            if (n->kind != IR_COMP || n->id >= count)
                continue;
            n->comp.body = ir_expr_substitute(g, n->comp.body, NULL, now);
            if (n->comp.filter)
                n->comp.filter =
                    ir_expr_substitute(g, n->comp.filter, NULL, now);
        }
    }
}

/* Copies were made at the end of the list; each goes to its place. */
static void place_copies(recomputer *r, ir_node *const *made, int count)
{
    sched_scope *scope = r->scope;
    ir_graph *g = scope->graph;
    ptl_arena *arena = r->s->arena;
    int all = g->nodes.count, at = 0, next = 0;
    ir_node **nodes = ARENA_ARRAY(r->scratch, ir_node *, all + 1);
    ir_node **views = ARENA_ARRAY(arena, ir_node *, all + 1);
    scope->follows = ARENA_ARRAY(arena, ir_node *, all + 1);
    for (int i = 0; i < count; i++) {
        views[at] = scope->view_of[i];
        nodes[at++] = g->nodes.data[i];
        for (; next < r->copies.count && r->copies.data[next].after->id == i;
             next++) {
            scope->follows[at] = r->copies.data[next].after;
            nodes[at++] = made[next];
        }
    }
    scope->view_of = views;
    scope->view_count = scope->follow_count = all;
    scope->node_buffer = ARENA_ARRAY(arena, int, all + 1);
    for (int i = 0; i < all; i++) {
        scope->node_buffer[i] = -1;
        g->nodes.data[i] = nodes[i];
    }
    for (int i = 0; i < all; i++)
        nodes[i]->id = i;
}

static void make_copies(recomputer *r)
{
    ir_graph *g = r->scope->graph;
    int count = g->nodes.count;
    ir_node **made = ARENA_ARRAY(r->scratch, ir_node *, r->copies.count);
    sort_copies(r);
    for (int i = 0; i < r->copies.count; i++) {
        const ir_node *of = r->copies.data[i].of;
        char *name = arena_printf(r->scratch, "%s.again", of->name);
        made[i] = ir_comprehend(g, name, &of->comp, of->at);
        made[i]->type = of->type;
        made[i]->ordered = of->ordered;
    }
    redirect_readers(r, made, count);
    place_copies(r, made, count);
    sched_find_stores(r->s, r->scope);
}

bool sched_recompute(sched_schedule *s, sched_scope *scope)
{
    recomputer r = {.s = s, .scope = scope, .scratch = arena_new()};
    const ir_graph *g = scope->graph;
    if (!s->options.no_fuse && s->scopes.count == 1) {
        sched_find_lives(s, scope, r.scratch, &r.lives);
        r.copy_of = ARENA_ARRAY(r.scratch, int, g->nodes.count + 1);
        r.until = ARENA_ARRAY(r.scratch, int, g->nodes.count + 1);
        r.live = ARENA_ARRAY(r.scratch, int64_t, r.lives.groups + 1);
        for (int i = 0; i < g->nodes.count; i++)
            r.work +=
                r.lives.group_of[i] >= 0 ? work_of(&r, g->nodes.data[i]) : 0;
        do
            measure(&r);
        while (choose_one(&r));
        drop_idle(&r);
        if (r.copies.count)
            make_copies(&r);
    }
    bool any = r.copies.count > 0;
    arena_free(r.scratch);
    return any;
}
