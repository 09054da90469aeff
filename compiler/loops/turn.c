/*
 * turn.c - maps with operands that lie across the result, block by block.
 *
 * The result's lines go along one index, an operand's along another: an
 * operand read by elements would touch a line for each. So a block of the
 * operand, as wide and as long as a vector, is read by whole vectors, turned in
 * registers, and the map runs along the result's lines with the turned vectors
 * in place of the reads. Values and their order stay what they are.
 */
#include "loops/turn.h"

enum {
    LEAST_EXTENT = 8,
    AHEAD_BYTES = 128, /* lines of an operand are asked for so far ahead */
};

/* ---------- what to turn ---------- */

typedef struct find {
    turn *t;
    int along, across;
    bool fits; /* all other reads go well along the result */
} find;

/* Everything about the read is in its address, or in guards of it. */
static bool is_affine(const ir_expr *read)
{
    for (int i = 0; i < read->sub_count; i++)
        if (!sched_is_direct(&read->subs[i]))
            return false;
    return !read->outside || read->outside->kind == IR_EXPR_CONST;
}

static bool is_found(const turn *t, const ir_expr *read)
{
    for (int i = 0; i < t->read_count; i++)
        if (t->reads[i] == read)
            return true;
    return false;
}

static void find_read(ir_expr *read, void *ctx)
{
    find *f = ctx;
    sched_address a;
    if (read->kind != IR_EXPR_READ || is_found(f->t, read))
        return;
    sched_address_of(read, &a);
    int64_t step = a.coef[f->along];
    if (step == 0 || step == 1)
        return;
    if (!is_affine(read) || a.coef[f->across] != 1 ||
        f->t->read_count == TURN_MOST_READS) {
        f->fits = false;
        return;
    }
    f->t->reads[f->t->read_count++] = read;
}

static const sched_loop *loop_of(const sched_space *space, int var)
{
    for (int i = 0; i < space->count; i++)
        if (space->loops[i].var == var)
            return &space->loops[i];
    return NULL;
}

static bool turns_along(turn *t, int along, int across)
{
    find f = {t, along, across, true};
    t->read_count = 0;
    for (int i = 0; i < t->count; i++)
        ir_visit_reads(t->nodes[i]->comp.body, find_read, &f);
    return f.fits && t->read_count > 0;
}

/* Vectors of one width, each stored where it belongs alone. */
static bool all_can(const turn *t, const build *k)
{
    for (int i = 0; i < t->count; i++)
        if (t->nodes[i]->type.kind != IR_REAL ||
            sched_store_of(k->step->scope, t->nodes[i]))
            return false;
    return k->lanes <= TURN_MOST_LANES;
}

/* The lines of a block lie far apart, where the processor expects nothing. */
static void plan_ahead(turn *t, build *k)
{
    t->ahead =
        ARENA_ARRAY(k->scratch, int64_t, k->step->scope->graph->nodes.count + 1);
    for (int i = 0; i < t->read_count; i++)
        t->ahead[t->reads[i]->node->id] =
            AHEAD_BYTES / (k->s->options.f64 ? 8 : 4);
}

static void take_loop(turn *t, sched_space *space)
{
    int kept = 0;
    for (int i = 0; i < space->count; i++)
        if (space->loops[i].var != t->along.var)
            space->loops[kept++] = space->loops[i];
    space->count = kept;
}

int turn_take(turn *t, build *k, ir_node *const *nodes, const int *outs,
              int count, sched_space *space)
{
    *t = (turn){.nodes = nodes, .outs = outs, .count = count};
    const sched_loop *along = loop_of(space, nodes[0]->type.rank - 1);
    bool can = along && along->extent >= LEAST_EXTENT && along->lo == 0 &&
               all_can(t, k);
    for (int i = 0; can && i < space->count; i++) {
        const sched_loop *across = &space->loops[i];
        if (across == along || across->extent < LEAST_EXTENT ||
            across->lo != 0 || !turns_along(t, along->var, across->var))
            continue;
        t->along = *along;
        t->across = across->var;
        t->across_extent = across->extent;
        plan_ahead(t, k);
        take_loop(t, space);
        return t->across;
    }
    t->count = 0;
    return -1;
}

/* ---------- turning ---------- */

/* Lane i of vector j becomes lane j of vector i, by halves of ever smaller
 * blocks: 8, 4, 2, 1. */
static void turn_block(kern_builder *b, kern_value **x, int lanes)
{
    uint8_t low[TURN_MOST_LANES], high[TURN_MOST_LANES];
    for (int half = lanes / 2; half; half /= 2) {
        for (int l = 0; l < lanes; l++) {
            bool second = l & half;
            low[l] = (uint8_t)(second ? lanes + l - half : l);
            high[l] = (uint8_t)(second ? lanes + l : l + half);
        }
        for (int i = 0; i < lanes; i++) {
            if (i & half)
                continue;
            kern_value *p = x[i], *q = x[i + half];
            x[i] = kern_shuffle(b, p, q, low, lanes);
            x[i + half] = kern_shuffle(b, p, q, high, lanes);
        }
    }
}

static kern_value *moved(emit *e, kern_value *at, int by)
{
    return kern_op2(e->b, KERN_ADD, at, kern_int(e->b, KERN_I64, 1, by));
}

/* `used` lines of the operand from `line` on, turned. */
static void load_block(turn *t, emit *e, int read, kern_value *line, int used)
{
    kern_value **x = t->block[read];
    int along = t->along.var;
    int64_t *kept = e->ahead;
    e->ahead = t->ahead;
    for (int i = 0; i < e->lanes; i++) {
        int mark = emit_mark(e);
        e->var[along] = moved(e, line, i);
        x[i] = i < used
                   ? kern_splat(e->b, emit_expr(e, t->reads[read]), e->lanes)
                   : x[0];
        emit_rewind(e, mark);
    }
    e->ahead = kept;
    e->var[along] = line;
    turn_block(e->b, x, e->lanes);
}

/* ---------- the map ---------- */

static void store_line(turn *t, emit *e, int j)
{
    int mark = emit_mark(e);
    for (int r = 0; r < t->read_count; r++)
        emit_give(e, t->reads[r], t->block[r][j]);
    emit_together(e, t->nodes, t->outs, t->count, false);
    emit_rewind(e, mark);
}

/* One block: along the result from `line` on, across from the lanes at hand.
 * `left`: how many of those are in use; NULL: all. */
static void run_block(turn *t, emit *e, kern_value *line, int used,
                      kern_value *left)
{
    kern_builder *b = e->b;
    kern_value *first = e->var[t->across], *mask = e->mask;
    for (int r = 0; r < t->read_count; r++)
        load_block(t, e, r, line, used);
    e->lane_var = t->along.var;
    e->mask = used == e->lanes
                  ? NULL
                  : kern_op2(b, KERN_LT, kern_iota(b, KERN_I32, e->lanes),
                             kern_int(b, KERN_I32, 1, used));
    for (int j = 0; j < e->lanes; j++) {
        e->var[t->across] = moved(e, first, j);
        if (left)
            kern_if(b, kern_op2(b, KERN_LT, kern_int(b, KERN_I64, 1, j), left));
        store_line(t, e, j);
        if (left)
            kern_end(b);
    }
    e->var[t->across] = first;
    e->lane_var = t->across;
    e->mask = mask;
}

void turn_run(turn *t, nest *outer)
{
    emit *e = outer->e;
    kern_builder *b = e->b;
    int64_t whole = t->along.extent / e->lanes * e->lanes;
    kern_value *left = NULL;
    if (e->mask) /* the end of the loop, whatever the task */
        left = kern_op2(b, KERN_SUB, kern_int(b, KERN_I64, 1, t->across_extent),
                        e->var[t->across]);
    kern_value *saved = e->var[t->along.var];
    int mark = emit_mark(e);
    if (whole) {
        kern_value *at =
            kern_loop(b, kern_int(b, KERN_I64, 1, 0),
                      kern_int(b, KERN_I64, 1, whole), e->lanes, 0);
        e->var[t->along.var] = at;
        run_block(t, e, at, e->lanes, left);
        emit_rewind(e, mark);
        kern_end(b);
    }
    if (whole < t->along.extent) {
        kern_value *at = kern_int(b, KERN_I64, 1, whole);
        e->var[t->along.var] = at;
        run_block(t, e, at, (int)(t->along.extent - whole), left);
        emit_rewind(e, mark);
    }
    e->var[t->along.var] = saved;
}
