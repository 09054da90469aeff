/*
 * columns.c - reductions over leading axes: bias gradients, statistics of
 * channels that come last.
 *
 * Rows are read as they lie in memory, some of them at a time, and the
 * accumulators of all columns stand in the result (or among the partial
 * results), where they stay in the nearest cache. Every column takes its rows
 * in order; those that are read at a time are added up before they join it.
 */
#include "loops/reduce.h"

enum {
    MOST_COLUMNS = 4096, /* of a task: their accumulators stay in the cache */
};

typedef struct columns {
    joint *j;
    const sched_loop *rows; /* the one reduced loop */
    kern_value *row, *first_row;
    int count; /* rows at once */
} columns;

static int64_t block_count(const sched_loop *loop)
{
    return (loop->extent + MOST_COLUMNS - 1) / MOST_COLUMNS;
}

/* The rows at hand join what earlier ones left: what is there before the first
 * of them is not read. */
static void store_accumulator(columns *c, reducer *r)
{
    kern_builder *b = &r->k->b;
    kern_local *acc = r->acc[0].value;
    emit_place place;
    reduce_place(r, &place);
    kern_if(b, kern_op2(b, KERN_GT, c->row, c->first_row));
    kern_memory before = emit_memory(r->e, r->out, &place, r->lanes);
    kern_value *old = kern_load(b, before, r->lanes);
    kern_set(b, acc, reduce_combined(r, old, kern_get(b, acc)));
    kern_end(b);
    emit_store(r->e, r->out, &place, kern_get(b, acc));
}

static void columns_body(nest *n, int copies, void *ctx)
{
    columns *c = ctx;
    emit *e = n->e;
    kern_value *saved = e->var[c->rows->var];
    (void)copies;
    for (int i = 0; i < c->j->count; i++)
        reduce_begin(&c->j->parts[i], &c->j->parts[i].acc[0]);
    for (int k = 0; k < c->count; k++) {
        int mark = emit_mark(e);
        kern_value *at = kern_int(e->b, KERN_I64, 1, c->rows->lo + k);
        e->var[c->rows->var] = kern_op2(e->b, KERN_ADD, c->row, at);
        for (int i = 0; i < c->j->count; i++)
            reduce_add(&c->j->parts[i], 0);
        emit_rewind(e, mark);
    }
    e->var[c->rows->var] = saved;
    for (int i = 0; i < c->j->count; i++)
        store_accumulator(c, &c->j->parts[i]);
}

/* All columns for the rows from `lo` on, `count` at a time. */
static void run_rows(columns *c, nest *n, kern_value *lo, kern_value *hi,
                     int count)
{
    kern_builder *b = n->e->b;
    int mark = emit_mark(n->e);
    c->count = count;
    c->row = kern_loop(b, lo, hi, count, 0);
    nest_run(n, 0);
    emit_rewind(n->e, mark);
    kern_end(b);
}

static kern_value *number(build *k, int64_t x)
{
    return kern_int(&k->b, KERN_I64, 1, x);
}

/* Chunk and block of columns of this task. */
static void enter_task(build *k, columns *c, nest *n)
{
    const sched_reduction *plan = &k->step->reduction;
    int64_t blocks = block_count(&n->loops[0]);
    kern_value *task = kern_task(&k->b), *part = NULL, *block = NULL;
    if (plan->chunks > 1)
        part = kern_op2(&k->b, KERN_DIV, task, number(k, blocks));
    block = kern_op2(&k->b, KERN_REM, task, number(k, blocks));
    if (blocks > 1) {
        kern_value *size = number(k, MOST_COLUMNS);
        n->lo[0] = kern_op2(&k->b, KERN_MUL, block, size);
        n->hi[0] =
            kern_op2(&k->b, KERN_MIN, kern_op2(&k->b, KERN_ADD, n->lo[0], size),
                     number(k, n->loops[0].extent));
    }
    for (int i = 0; i < c->j->count; i++)
        c->j->parts[i].part = part;
}

void reduce_columns(build *k, joint *j)
{
    reducer *r = &j->parts[0];
    const sched_reduction *plan = r->plan;
    const sched_loop *columns_loop = &r->space->loops[0];
    columns c = {.j = j, .rows = &r->space->loops[1]};
    nest n;
    nest_init(&n, r->e, columns_loop, 1, plan->lane_var);
    n.body = columns_body;
    n.ctx = &c;
    n.unbound = (uint32_t)1 << c.rows->var;
    k->kernel->task_count = plan->chunks * block_count(columns_loop);
    enter_task(k, &c, &n);
    for (int i = 0; i < j->count; i++)
        j->parts[i].op = j->parts[i].n->comp.reduce;
    kern_value *end = number(k, c.rows->extent);
    c.first_row = number(k, 0);
    if (r->part) {
        c.first_row =
            kern_op2(&k->b, KERN_MUL, r->part, number(k, plan->chunk));
        kern_value *next =
            kern_op2(&k->b, KERN_ADD, c.first_row, number(k, plan->chunk));
        end = kern_op2(&k->b, KERN_MIN, next, end);
    }
    kern_value *some = number(k, SCHED_COLUMN_ROWS);
    kern_value *count = kern_op2(&k->b, KERN_SUB, end, c.first_row);
    kern_value *whole =
        kern_op2(&k->b, KERN_MUL, kern_op2(&k->b, KERN_DIV, count, some), some);
    kern_value *rest = kern_op2(&k->b, KERN_ADD, c.first_row, whole);
    run_rows(&c, &n, c.first_row, rest, SCHED_COLUMN_ROWS);
    run_rows(&c, &n, rest, end, 1);
}
