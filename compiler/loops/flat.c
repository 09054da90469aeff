/*
 * flat.c - maps whose lanes go along the whole result.
 *
 * Lanes along one index end with it, and start anew wherever the next line
 * begins: of lines of odd length each store touches a sector more than it has
 * bytes for. Where lanes are threads they may as well go from line to line:
 * stores, and reads at the same element, are one run from the first element to
 * the last, and each lane finds its indices by division.
 *
 * Which of the two a map takes is decided by the sectors that some groups of
 * lanes would touch.
 */
#include "loops/flat.h"
#include "base/integer.h"

enum { SECTOR = 32, GROUPS = 48, MOST_ACCESSES = 16, MOST_LANES = 16 };

typedef struct access {
    sched_address address;
    int64_t size; /* of an element, bytes */
} access;

typedef struct flat {
    const build *k;
    const ir_comp *comp;
    access accesses[MOST_ACCESSES];
    int count;
} flat;

static int64_t element_size(const flat *f, ir_kind kind)
{
    return kind == IR_BOOL                             ? 1
           : kind == IR_REAL && f->k->real == KERN_F64 ? 8
                                                       : 4;
}

static void note_read(ir_expr *read, void *ctx)
{
    flat *f = ctx;
    if (read->kind != IR_EXPR_READ || f->count == MOST_ACCESSES)
        return;
    access *a = &f->accesses[f->count];
    sched_address_of(read, &a->address);
    a->size = element_size(f, read->node->type.kind);
    f->count += a->address.whole;
}

static void note_result(flat *f, const ir_node *n)
{
    if (f->count == MOST_ACCESSES)
        return;
    access *a = &f->accesses[f->count++];
    *a = (access){.size = element_size(f, n->type.kind)};
    for (int v = 0; v < n->type.rank; v++)
        a->address.coef[v] = sched_stride(&n->type, v);
}

static int64_t elements(const sched_space *space)
{
    int64_t count = 1;
    for (int i = 0; i < space->count; i++)
        count *= space->loops[i].extent;
    return count;
}

/* The variables at element `at` of the space, whose last loop is fastest. */
static void values_at(const sched_space *space, int64_t at, int64_t *values)
{
    for (int i = space->count - 1; i >= 0; i--) {
        const sched_loop *loop = &space->loops[i];
        values[loop->var] = loop->lo + at % loop->extent;
        at /= loop->extent;
    }
}

static int64_t sectors_of(const access *a, const ir_comp *comp,
                          const sched_space *space, int64_t begin, int lanes)
{
    int64_t sectors[MOST_LANES], values[IR_MAX_VARS] = {0};
    for (int lane = 0; lane < lanes; lane++) {
        values_at(space, begin + lane, values);
        int64_t at = a->address.constant;
        for (int v = 0; v < comp->var_count; v++)
            at += a->address.coef[v] * values[v];
        sectors[lane] = at < 0 ? 0 : at * a->size / SECTOR;
    }
    return sectors_touched(sectors, lanes);
}

/* Of an element, where groups of lanes start every `line` elements anew. */
static double sectors_per_element(const flat *f, const sched_space *space,
                                  int64_t line)
{
    int64_t sectors = 0, seen = 0, lanes = f->k->lanes;
    int64_t in_line = int_ceil_div(line, lanes);
    int64_t groups = elements(space) / line * in_line;
    int64_t step = groups < GROUPS ? 1 : groups / GROUPS | 1;
    for (int64_t g = 0; g < groups; g += step) {
        int64_t begin = g % in_line * lanes;
        int64_t used = line - begin < lanes ? line - begin : lanes;
        seen += used;
        for (int i = 0; i < f->count; i++)
            sectors += sectors_of(&f->accesses[i], f->comp, space,
                                  g / in_line * line + begin, (int)used);
    }
    return (double)sectors / (double)seen;
}

/* The loops with that of `var` last. */
static sched_space with_last(const sched_space *space, int var)
{
    sched_space out = {.count = space->count};
    int kept = 0;
    for (int i = 0; i < space->count; i++)
        if (space->loops[i].var != var)
            out.loops[kept++] = space->loops[i];
        else
            out.loops[space->count - 1] = space->loops[i];
    return out;
}

static bool is_better(flat *f, const sched_space *space, int lane_var)
{
    sched_space lines = with_last(space, lane_var);
    int64_t line = lines.loops[lines.count - 1].extent;
    double now = sectors_per_element(f, &lines, line);
    return sectors_per_element(f, space, elements(space)) * 1.05 < now;
}

/* All results lie as the loops go. */
static bool is_plain(const build *k, ir_node *const *nodes, int count)
{
    for (int i = 0; i < count; i++)
        if (sched_store_of(k->step->scope, nodes[i]) ||
            !ir_same_shape(&nodes[i]->type, &nodes[0]->type))
            return false;
    return true;
}

int flat_take(build *k, ir_node *const *nodes, int count, sched_space *space,
              int lane_var)
{
    flat f = {.k = k, .comp = &nodes[0]->comp};
    int own = f.comp->var_count;
    int64_t all = elements(space);
    if (!k->s->options.target.threads || space->count < 2 || lane_var < 0 ||
        own >= IR_MAX_VARS || all > INT32_MAX / 2 || k->lanes > MOST_LANES ||
        !is_plain(k, nodes, count))
        return lane_var;
    for (int i = 0; i < count; i++) {
        note_result(&f, nodes[i]);
        ir_visit_reads(nodes[i]->comp.body, note_read, &f);
    }
    if (!is_better(&f, space, lane_var))
        return lane_var;
    *space = (sched_space){.count = 1, .out_count = 1};
    space->loops[0] = (sched_loop){.var = own, .extent = all};
    return own;
}

void flat_enter(nest *n, const ir_node *node)
{
    emit *e = n->e;
    kern_builder *b = e->b;
    e->flat = e->var[n->loops[0].var];
    e->flat_type = &node->type;
    kern_value *at = kern_op2(b, KERN_ADD, kern_convert(b, e->flat, KERN_I32),
                              kern_iota(b, KERN_I32, e->lanes));
    for (int v = node->type.rank - 1; v >= 0; v--) {
        kern_value *extent = kern_int(b, KERN_I32, 1, node->type.dims[v]);
        if (node->type.dims[v] == 1)
            continue;
        e->var[v] = kern_op2(b, KERN_REM, at, extent);
        at = kern_op2(b, KERN_DIV, at, extent);
    }
}
