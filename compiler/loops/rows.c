/*
 * rows.c - several nodes, row by row.
 *
 * The rows are the tasks' loops; inside a row each node runs in turn, and what
 * one wrote the next finds in the nearest cache.
 */
#include "base/integer.h"
#include "loops/build.h"
#include <string.h>

enum { ROWS_AT_ONCE = 4, SHORT_ROW = 256, FEW_MEMBERS = 8 };

typedef struct rows_ctx {
    build *k;
    emit *e;
    const int *targets;
    int64_t **ahead; /* by member, then by node: see plan_rows_ahead() */
    kern_value **forward[ROWS_AT_ONCE]; /* by row at once, then by node */
    size_t forward_size;
} rows_ctx;

/* ---------- the next row ---------- */

/*
 * The passes over a row find it in the nearest cache, all but the first, which
 * waits for memory; meanwhile nothing is computed, and later nothing is
 * fetched. So the pass that computes most asks for a row to come: one so far
 * ahead that the other passes of the row at hand do not have to wait for it.
 */
enum { LEAST_ROW_BYTES = 1024, AHEAD_BYTES = 8192 };

static int64_t ahead_of(int64_t row_bytes)
{
    int64_t rows = int_ceil_div(AHEAD_BYTES, row_bytes);
    return rows * row_bytes;
}

typedef struct next_row {
    build *k;
    int64_t *ahead; /* what one member reads, by node */
} next_row;

static void note_row(ir_expr *read, void *ctx)
{
    next_row *r = ctx;
    const sched_step *step = r->k->step;
    if (read->kind != IR_EXPR_READ || read->node->type.rank < step->row_rank)
        return;
    for (int i = 0; i < step->row_rank; i++)
        if (!sched_is_variable(&read->subs[i], i))
            return;
    for (int i = 0; i < step->node_count; i++)
        if (step->nodes[i] == read->node)
            return;
    int64_t size = sched_stride(&read->node->type, step->row_rank - 1);
    int64_t element = r->k->s->options.f64 ? 8 : 4;
    if (size * element >= LEAST_ROW_BYTES)
        r->ahead[read->node->id] = ahead_of(size * element) / element;
}

/* Leaves every operand to the member that costs most of those that read it. */
static int64_t **plan_rows_ahead(build *k)
{
    const sched_step *step = k->step;
    int nodes = step->scope->graph->nodes.count;
    int64_t **ahead = ARENA_ARRAY(k->scratch, int64_t *, step->node_count);
    for (int i = 0; i < step->node_count; i++) {
        next_row r = {k, ARENA_ARRAY(k->scratch, int64_t, nodes + 1)};
        ahead[i] = r.ahead;
        ir_visit_reads(step->nodes[i]->comp.body, note_row, &r);
    }
    for (int n = 0; n < nodes; n++) {
        int best = -1;
        for (int i = 0; i < step->node_count; i++) {
            if (ahead[i][n] && best >= 0 &&
                sched_cost(step->nodes[i]->comp.body) <=
                    sched_cost(step->nodes[best]->comp.body))
                ahead[i][n] = 0;
            if (!ahead[i][n])
                continue;
            if (best >= 0)
                ahead[best][n] = 0;
            best = i;
        }
    }
    return ahead;
}

/* ---------- one row ---------- */

/* The row's variables have values; those of the node start at their lower
 * ends. */
static void enter_member(rows_ctx *c, const ir_node *n, int64_t *ahead)
{
    emit *e = c->e;
    e->range = n->comp.vars;
    e->range_count = n->comp.var_count;
    e->lane_var = -1;
    e->ahead = ahead;
    for (int v = c->k->step->row_rank; v < n->comp.var_count; v++)
        e->var[v] = kern_int(e->b, KERN_I64, 1, n->comp.vars[v].lo);
}

static void run_member(rows_ctx *c, int i)
{
    const sched_step *step = c->k->step;
    const sched_member *m = &step->members[i];
    ir_node *n = step->nodes[i];
    enter_member(c, n, c->ahead[i]);
    if (n->comp.reduce == IR_MAP)
        build_map_inside(c->k, c->e, n, &m->space, c->targets[i]);
    else
        build_reduce_inside(c->k, c->e, n, &m->space, &m->reduction,
                            c->targets[i]);
}

/* Each member for all rows at once: what one row waits for, others fill. */
static void row_body(nest *rows, int copies, void *ctx)
{
    rows_ctx *c = ctx;
    emit *e = c->e;
    const sched_step *step = c->k->step;
    kern_value **forward = e->forward;
    for (int row = 0; row < copies; row++)
        memset(c->forward[row], 0, c->forward_size);
    for (int i = 0; i < step->node_count; i++)
        for (int row = 0; row < copies; row++) {
            kern_value *saved = nest_copy(rows, row);
            e->row = row;
            e->forward = c->forward[row];
            run_member(c, i);
            nest_uncopy(rows, saved);
        }
    e->forward = forward;
    e->row = 0;
    e->lane_var = -1;
}

/* Rows so short that their work is less than what it waits for. (Where lanes
 * are threads, other tasks fill the wait.) */
static int rows_at_once(const build *k)
{
    const sched_step *step = k->step;
    int64_t rows = 1, longest = 0;
    if (k->s->options.target.threads)
        return 1;
    for (int v = 0; v < step->row_rank; v++)
        rows *= step->nodes[0]->type.dims[v];
    for (int i = 0; i < step->node_count; i++) {
        int64_t volume = ir_volume(&step->nodes[i]->comp) / rows;
        longest = volume > longest ? volume : longest;
    }
    bool is_short = longest <= SHORT_ROW && step->node_count <= FEW_MEMBERS;
    return is_short ? ROWS_AT_ONCE : 1;
}

static void init_forward(rows_ctx *c)
{
    size_t nodes = (size_t)c->k->step->scope->graph->nodes.count + 1;
    c->forward_size = nodes * sizeof **c->forward;
    for (int row = 0; row < c->k->rows_at_once; row++)
        c->forward[row] = ARENA_ARRAY(c->k->scratch, kern_value *, nodes);
}

void build_rows(build *k)
{
    const sched_step *step = k->step;
    const ir_comp *first = &step->nodes[0]->comp;
    sched_loop loops[IR_MAX_RANK];
    int count = 0;
    double work = 0;
    for (int v = 0; v < step->row_rank; v++)
        if (first->vars[v].hi > 1)
            loops[count++] = (sched_loop){v, 0, first->vars[v].hi, false};
    for (int i = 0; i < step->node_count; i++)
        work += (double)ir_volume(&step->nodes[i]->comp) *
                sched_cost(step->nodes[i]->comp.body);
    emit e;
    k->rows_at_once = rows_at_once(k);
    emit_init(&e, k, first->vars, first->var_count);
    int *targets = ARENA_ARRAY(k->scratch, int, step->node_count);
    for (int i = 0; i < step->node_count; i++)
        targets[i] = build_buffer(k, step->targets[i], true);
    rows_ctx c = {
        .k = k, .e = &e, .targets = targets, .ahead = plan_rows_ahead(k)};
    init_forward(&c);
    nest n;
    nest_init(&n, &e, loops, count, -1);
    n.jam = k->rows_at_once;
    n.body = row_body;
    n.ctx = &c;
    nest_cut cut = nest_plan(&n, work, count);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
