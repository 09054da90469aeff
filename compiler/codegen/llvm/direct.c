/*
 * direct.c - contractions over operands where they lie.
 *
 * A tile of C stays in registers: mr rows of nr columns, each sum one chain of
 * fma. A is broadcast element by element from fixed distances to the tile's
 * start, so its addresses cost nothing; B is read by whole vectors. The tile's
 * shapes are few (the last of a segment has fewer rows, the last panel fewer
 * columns), and each is a function of its own.
 */
#include "base/integer.h"
#include "codegen/llvm/internal.h"
#include <stdio.h>

enum { MOST_VECTORS = 4, UNROLL = 4, WHOLE_RUN = 8 };

/* One shape of tile. */
typedef struct shape {
    const kern_direct *d;
    LLVMTypeRef element, vector;
    int lanes, rows, vectors;
    int columns; /* in use, of vectors * lanes */
    unsigned align;
    LLVMValueRef runs, a, b, a_run, b_run, c, first; /* parameters */
} shape;

/* Where a tile stands: addresses and sums. */
typedef struct state {
    LLVMValueRef a, b;
    LLVMValueRef sum[KERN_MOST_ROWS][MOST_VECTORS];
} state;

static LLVMValueRef element_at(llvm_emitter *e, const shape *s,
                               LLVMValueRef base, int64_t offset)
{
    return offset ? llvm_gep(e, s->element, base, llvm_i64(e, offset), "")
                  : base;
}

/* Lanes of vector `v` that are in use; NULL: all. */
static LLVMValueRef mask_of(llvm_emitter *e, const shape *s, int v)
{
    LLVMValueRef bits[64];
    int used = s->columns - v * s->lanes;
    if (used >= s->lanes)
        return NULL;
    for (int i = 0; i < s->lanes; i++)
        bits[i] = LLVMConstInt(e->i1, i < used, false);
    return LLVMConstVector(bits, (unsigned)s->lanes);
}

static LLVMValueRef load_columns(llvm_emitter *e, const shape *s,
                                 LLVMValueRef from, LLVMValueRef mask,
                                 const char *name)
{
    if (mask) {
        LLVMTypeRef types[] = {s->vector, e->ptr};
        LLVMValueRef args[] = {from, LLVMConstInt(e->i32, s->align, false),
                               mask, LLVMConstNull(s->vector)};
        return llvm_call_intrinsic(e, "llvm.masked.load", types, 2, args, 4,
                                   name);
    }
    LLVMValueRef x = LLVMBuildLoad2(e->builder, s->vector, from, name);
    LLVMSetAlignment(x, s->align);
    return x;
}

static void store_columns(llvm_emitter *e, const shape *s, LLVMValueRef x,
                          LLVMValueRef to, LLVMValueRef mask)
{
    if (mask) {
        LLVMTypeRef types[] = {s->vector, e->ptr};
        LLVMValueRef args[] = {x, to, LLVMConstInt(e->i32, s->align, false),
                               mask};
        llvm_call_intrinsic(e, "llvm.masked.store", types, 2, args, 4, "");
        return;
    }
    LLVMSetAlignment(LLVMBuildStore(e->builder, x, to), s->align);
}

static LLVMValueRef c_at(llvm_emitter *e, const shape *s, int row, int v)
{
    return element_at(e, s, s->c, s->d->c_row[row] + v * s->lanes);
}

/* ---------- sums ---------- */

static void all_phis(llvm_emitter *e, const shape *s, const state *from,
                     LLVMBasicBlockRef block, state *to)
{
    char name[32];
    for (int i = 0; i < s->rows; i++)
        for (int v = 0; v < s->vectors; v++) {
            LLVMValueRef x = from->sum[i][v];
            snprintf(name, sizeof name, "acc.%d.%d", i, v);
            to->sum[i][v] = LLVMBuildPhi(e->builder, s->vector, name);
            LLVMAddIncoming(to->sum[i][v], &x, &block, 1);
        }
}

static void all_incoming(const shape *s, const state *phis, const state *from,
                         LLVMBasicBlockRef block)
{
    for (int i = 0; i < s->rows; i++)
        for (int v = 0; v < s->vectors; v++) {
            LLVMValueRef x = from->sum[i][v];
            LLVMAddIncoming(phis->sum[i][v], &x, &block, 1);
        }
}

static void zero_sums(const shape *s, state *at)
{
    for (int i = 0; i < s->rows; i++)
        for (int v = 0; v < s->vectors; v++)
            at->sum[i][v] = LLVMConstNull(s->vector);
}

/* Zero, or what C holds from the runs before. */
static void start_sums(llvm_emitter *e, const shape *s, state *at)
{
    state old, zero;
    zero_sums(s, &zero);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef read = llvm_block(e, "read.c");
    LLVMBasicBlockRef start = llvm_block(e, "start");
    LLVMBuildCondBr(e->builder, s->first, start, read);
    LLVMPositionBuilderAtEnd(e->builder, read);
    for (int i = 0; i < s->rows; i++)
        for (int v = 0; v < s->vectors; v++)
            old.sum[i][v] =
                load_columns(e, s, c_at(e, s, i, v), mask_of(e, s, v), "c");
    LLVMBuildBr(e->builder, start);
    LLVMPositionBuilderAtEnd(e->builder, start);
    all_phis(e, s, &zero, entry, at);
    all_incoming(s, at, &old, read);
}

static void store_sums(llvm_emitter *e, const shape *s, const state *at)
{
    for (int i = 0; i < s->rows; i++)
        for (int v = 0; v < s->vectors; v++)
            store_columns(e, s, at->sum[i][v], c_at(e, s, i, v),
                          mask_of(e, s, v));
}

/* ---------- the walk through K ---------- */

/* One step of K, `u` steps past the state's position. */
static void multiply(llvm_emitter *e, const shape *s, state *at, int u)
{
    const kern_direct *d = s->d;
    LLVMValueRef b[MOST_VECTORS];
    for (int v = 0; v < s->vectors; v++)
        b[v] = load_columns(
            e, s, element_at(e, s, at->b, u * d->b_step + v * s->lanes),
            d->whole_panels ? NULL : mask_of(e, s, v), "b");
    for (int i = 0; i < s->rows; i++) {
        LLVMValueRef from =
            element_at(e, s, at->a, d->a_row[i] + u * d->a_step);
        LLVMValueRef one = LLVMBuildLoad2(e->builder, s->element, from, "");
        LLVMValueRef a = llvm_splat(e, one, s->lanes, "a");
        for (int v = 0; v < s->vectors; v++) {
            LLVMValueRef args[] = {a, b[v], at->sum[i][v]};
            LLVMTypeRef type = s->vector;
            at->sum[i][v] =
                llvm_call_intrinsic(e, "llvm.fma", &type, 1, args, 3, "");
        }
    }
}

/* A loop that runs at least once, over sums and, with `moves`, addresses. */
typedef struct walk {
    LLVMBasicBlockRef before, body;
    LLVMValueRef index, count;
    state phis;
    bool moves;
} walk;

static walk walk_open(llvm_emitter *e, const shape *s, state *at,
                      LLVMValueRef count, bool moves, const char *name)
{
    walk w = {.count = count, .moves = moves};
    LLVMValueRef zero = llvm_i64(e, 0);
    w.before = LLVMGetInsertBlock(e->builder);
    w.body = llvm_block(e, name);
    LLVMBuildBr(e->builder, w.body);
    LLVMPositionBuilderAtEnd(e->builder, w.body);
    w.index = LLVMBuildPhi(e->builder, e->i64, name);
    LLVMAddIncoming(w.index, &zero, &w.before, 1);
    if (moves) {
        w.phis.a = LLVMBuildPhi(e->builder, e->ptr, "a.at");
        w.phis.b = LLVMBuildPhi(e->builder, e->ptr, "b.at");
        LLVMAddIncoming(w.phis.a, &at->a, &w.before, 1);
        LLVMAddIncoming(w.phis.b, &at->b, &w.before, 1);
    }
    all_phis(e, s, at, w.before, &w.phis);
    *at = w.phis;
    return w;
}

static void walk_close(llvm_emitter *e, const shape *s, walk *w,
                       const state *at)
{
    LLVMValueRef next =
        LLVMBuildAdd(e->builder, w->index, llvm_i64(e, 1), "next");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef after = llvm_block(e, "after");
    LLVMAddIncoming(w->index, &next, &latch, 1);
    if (w->moves) {
        LLVMValueRef a = at->a, b = at->b;
        LLVMAddIncoming(w->phis.a, &a, &latch, 1);
        LLVMAddIncoming(w->phis.b, &b, &latch, 1);
    }
    all_incoming(s, &w->phis, at, latch);
    LLVMValueRef more =
        LLVMBuildICmp(e->builder, LLVMIntSLT, next, w->count, "");
    llvm_set_unroll(e, LLVMBuildCondBr(e->builder, more, w->body, after), 0);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

/* Do neighbouring steps read elements of A in common, as windows do along their
 * own line? Side by side they would be read once, and need registers that the
 * sums have taken. */
static bool steps_share(const shape *s)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->rows; j++)
            for (int u = 1; u < WHOLE_RUN; u++)
                if (s->d->a_row[i] + u * s->d->a_step == s->d->a_row[j])
                    return true;
    return false;
}

static int unrolled_steps(const shape *s)
{
    if (steps_share(s))
        return 1;
    return s->d->length <= WHOLE_RUN ? (int)s->d->length : UNROLL;
}

/* All steps of one run; the state's addresses are at its start. */
static void run_steps(llvm_emitter *e, const shape *s, state *at)
{
    const kern_direct *d = s->d;
    int steps = unrolled_steps(s);
    int64_t turns = d->length / steps;
    if (turns > 1) {
        walk w = walk_open(e, s, at, llvm_i64(e, turns), true, "k");
        for (int u = 0; u < steps; u++)
            multiply(e, s, at, u);
        at->a = element_at(e, s, at->a, steps * d->a_step);
        at->b = element_at(e, s, at->b, steps * d->b_step);
        walk_close(e, s, &w, at);
    }
    int rest = (int)(turns > 1 ? d->length % steps : d->length);
    for (int u = 0; u < rest; u++)
        multiply(e, s, at, u);
}

static LLVMValueRef start_of_run(llvm_emitter *e, const shape *s,
                                 LLVMValueRef base, LLVMValueRef table,
                                 LLVMValueRef run)
{
    LLVMValueRef at = llvm_gep(e, e->i64, table, run, "");
    LLVMValueRef offset = LLVMBuildLoad2(e->builder, e->i64, at, "run");
    return llvm_gep(e, s->element, base, offset, "");
}

static void emit_shape(llvm_emitter *e, shape *s)
{
    state at;
    LLVMPositionBuilderAtEnd(e->builder, llvm_block(e, "entry"));
    start_sums(e, s, &at);
    walk runs = walk_open(e, s, &at, s->runs, false, "run");
    at.a = start_of_run(e, s, s->a, s->a_run, runs.index);
    at.b = start_of_run(e, s, s->b, s->b_run, runs.index);
    run_steps(e, s, &at);
    walk_close(e, s, &runs, &at);
    store_sums(e, s, &at);
    LLVMBuildRetVoid(e->builder);
}

/* void tile(i64 runs, ptr a, ptr b, ptr a_run, ptr b_run, ptr c, i1 first) */
static LLVMValueRef shape_function(llvm_emitter *e, const kern_direct *d,
                                   int rows, int columns)
{
    bool f64 = d->type == KERN_F64;
    shape s = {.d = d, .rows = rows, .columns = columns};
    s.element = f64 ? e->f64 : e->f32;
    s.align = f64 ? 8 : 4;
    s.lanes = e->machine->target.lanes_f32 / (f64 ? 2 : 1);
    s.vectors = (columns + s.lanes - 1) / s.lanes;
    s.vector = LLVMVectorType(s.element, (unsigned)s.lanes);
    PTL_ASSERT(rows <= KERN_MOST_ROWS && s.vectors <= MOST_VECTORS);
    LLVMTypeRef params[] = {e->i64, e->ptr, e->ptr, e->ptr,
                            e->ptr, e->ptr, e->i1};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(e->context), params, 7, false);
    LLVMBasicBlockRef caller_block = LLVMGetInsertBlock(e->builder);
    LLVMValueRef caller = e->function;
    char name[96];
    snprintf(name, sizeof name, "direct.%dx%d", rows, columns);
    LLVMValueRef f = e->function = LLVMAddFunction(e->module, name, type);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    llvm_function_attributes(e, f);
    LLVMValueRef *to[] = {&s.runs,  &s.a, &s.b,    &s.a_run,
                          &s.b_run, &s.c, &s.first};
    for (unsigned i = 0; i < 7; i++)
        *to[i] = LLVMGetParam(f, i);
    emit_shape(e, &s);
    e->function = caller;
    LLVMPositionBuilderAtEnd(e->builder, caller_block);
    return f;
}

/* ---------- the loops around it ---------- */

typedef struct direct {
    const kern_direct *d;
    LLVMTypeRef element;
    LLVMValueRef tile[2][2]; /* [last of a segment][last panel] */
    LLVMValueRef part;       /* of C */
    LLVMValueRef run, runs;  /* first run of the block, and how many */
    LLVMValueRef first;      /* nothing was summed before */
} direct;

static LLVMValueRef times(llvm_emitter *e, LLVMValueRef x, int64_t by)
{
    return LLVMBuildMul(e->builder, x, llvm_i64(e, by), "");
}

static LLVMValueRef plus(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildAdd(e->builder, x, y, "");
}

static LLVMValueRef least(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef args[] = {x, y};
    return llvm_call_intrinsic(e, "llvm.smin", &e->i64, 1, args, 2, "");
}

static LLVMValueRef entry_of(llvm_emitter *e, int buffer, LLVMValueRef i)
{
    LLVMValueRef at = llvm_gep(e, e->i64, e->buffers[buffer], i, "");
    return LLVMBuildLoad2(e->builder, e->i64, at, "");
}

/* The tile's function, by a flag for each of rows and columns. */
static LLVMValueRef choose(llvm_emitter *e, const direct *x,
                           LLVMValueRef last_rows, LLVMValueRef last_columns)
{
    LLVMValueRef by_rows[2];
    for (int c = 0; c < 2; c++)
        by_rows[c] = x->tile[0][c] == x->tile[1][c]
                         ? x->tile[0][c]
                         : LLVMBuildSelect(e->builder, last_rows, x->tile[1][c],
                                           x->tile[0][c], "");
    return by_rows[0] == by_rows[1]
               ? by_rows[0]
               : LLVMBuildSelect(e->builder, last_columns, by_rows[1],
                                 by_rows[0], "");
}

static void emit_tile(llvm_emitter *e, const direct *x, LLVMValueRef tile,
                      LLVMValueRef panel)
{
    const kern_direct *d = x->d;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef in_segment = LLVMBuildURem(b, tile, llvm_i64(e, d->tiles), "");
    LLVMValueRef last_rows =
        LLVMBuildICmp(b, LLVMIntEQ, in_segment, llvm_i64(e, d->tiles - 1), "");
    LLVMValueRef last_columns = LLVMBuildICmp(
        b, LLVMIntEQ, panel, llvm_i64(e, int_ceil_div(d->n, d->nr) - 1), "");
    LLVMValueRef b_at =
        plus(e, entry_of(e, d->b_tile, tile), times(e, panel, d->b_panel));
    LLVMValueRef c_at = plus(e, plus(e, x->part, entry_of(e, d->c_tile, tile)),
                             times(e, panel, d->nr));
    LLVMValueRef args[] = {
        x->runs,
        llvm_gep(e, x->element, e->buffers[d->a], entry_of(e, d->a_tile, tile),
                 "a"),
        llvm_gep(e, x->element, e->buffers[d->b], b_at, "b"),
        llvm_gep(e, e->i64, e->buffers[d->a_run], x->run, ""),
        llvm_gep(e, e->i64, e->buffers[d->b_run], x->run, ""),
        llvm_gep(e, x->element, e->buffers[d->c], c_at, "c"),
        x->first,
    };
    LLVMBuildCall2(b, LLVMGlobalGetValueType(x->tile[0][0]),
                   choose(e, x, last_rows, last_columns), args, 7, "");
}

/* The panels and tiles of one block, the tiles innermost: a panel of B is used
 * for all of them. */
static void emit_block(llvm_emitter *e, const direct *x, LLVMValueRef m_block,
                       LLVMValueRef n_block)
{
    const kern_direct *d = x->d;
    LLVMValueRef n_lo = times(e, n_block, d->n_block);
    LLVMValueRef n_hi = least(e, plus(e, n_lo, llvm_i64(e, d->n_block)),
                              llvm_i64(e, int_ceil_div(d->n, d->nr)));
    LLVMValueRef m_lo = times(e, m_block, d->m_block);
    LLVMValueRef m_hi = least(e, plus(e, m_lo, llvm_i64(e, d->m_block)),
                              llvm_i64(e, d->segments * d->tiles));
    llvm_loop panels = llvm_loop_open(e, n_lo, n_hi, llvm_i64(e, 1), "panel");
    llvm_loop tiles = llvm_loop_open(e, m_lo, m_hi, llvm_i64(e, 1), "tile");
    emit_tile(e, x, tiles.index, panels.index);
    llvm_loop_close(e, &tiles, 0);
    llvm_loop_close(e, &panels, 0);
}

/* Shapes that do not occur stand for those that do. */
static void make_tiles(llvm_emitter *e, direct *x)
{
    const kern_direct *d = x->d;
    int64_t panels = int_ceil_div(d->n, d->nr);
    int last_columns = (int)(d->n - (panels - 1) * d->nr);
    for (int r = 0; r < 2; r++) {
        int rows = r ? d->mr_last : d->mr;
        if (r && d->mr_last == d->mr) {
            x->tile[1][0] = x->tile[0][0];
            x->tile[1][1] = x->tile[0][1];
            return;
        }
        x->tile[r][1] = shape_function(e, d, rows, last_columns);
        x->tile[r][0] = panels == 1 || last_columns == d->nr
                            ? x->tile[r][1]
                            : shape_function(e, d, rows, d->nr);
    }
}

/* The blocks of runs in [lo, hi); close it with step 1. */
static llvm_loop open_runs(llvm_emitter *e, direct *x, LLVMValueRef lo,
                           LLVMValueRef hi)
{
    LLVMValueRef block = llvm_i64(e, x->d->run_block);
    llvm_loop runs = llvm_loop_open(e, lo, hi, block, "runs");
    x->run = runs.index;
    x->runs = least(e, LLVMBuildSub(e->builder, hi, runs.index, ""), block);
    x->first = LLVMBuildICmp(e->builder, LLVMIntEQ, runs.index, lo, "first");
    return runs;
}

/* Which block of C is e->task's. */
typedef struct c_block {
    LLVMValueRef m, n, part;
} c_block;

static c_block block_of_task(llvm_emitter *e, const kern_direct *d)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef n_blocks =
        llvm_i64(e, int_ceil_div(int_ceil_div(d->n, d->nr), d->n_block));
    LLVMValueRef m_blocks =
        llvm_i64(e, int_ceil_div(d->segments * d->tiles, d->m_block));
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, n_blocks, "");
    return (c_block){.n = LLVMBuildURem(b, e->task, n_blocks, "n.block"),
                     .m = LLVMBuildURem(b, rest, m_blocks, "m.block"),
                     .part = LLVMBuildUDiv(b, rest, m_blocks, "part")};
}

/* Every task goes through its runs. */
static void tasks_then_runs(llvm_emitter *e, direct *x)
{
    const kern_direct *d = x->d;
    llvm_loop tasks = llvm_open_tasks(e);
    c_block at = block_of_task(e, d);
    LLVMValueRef lo = times(e, at.part, d->split_runs);
    LLVMValueRef hi =
        least(e, plus(e, lo, llvm_i64(e, d->split_runs)), llvm_i64(e, d->runs));
    x->part = times(e, at.part, d->c_split);
    llvm_loop runs = open_runs(e, x, lo, hi);
    emit_block(e, x, at.m, at.n);
    llvm_loop_close(e, &runs, 0);
    llvm_loop_close(e, &tasks, 0);
}

/* All tasks go through a block of runs before the next one. */
static void runs_then_tasks(llvm_emitter *e, direct *x)
{
    x->part = llvm_i64(e, 0);
    llvm_loop runs =
        open_runs(e, x, llvm_i64(e, 0), llvm_i64(e, x->d->runs));
    llvm_loop tasks = llvm_open_tasks(e);
    c_block at = block_of_task(e, x->d);
    emit_block(e, x, at.m, at.n);
    llvm_loop_close(e, &tasks, 0);
    llvm_loop_close(e, &runs, 0);
}

void llvm_emit_direct(llvm_emitter *e)
{
    const kern_direct *d = &e->kernel->direct;
    direct x = {.d = d, .element = llvm_scalar_type(e, d->type)};
    make_tiles(e, &x);
    if (d->runs_outside)
        runs_then_tasks(e, &x);
    else
        tasks_then_runs(e, &x);
}
