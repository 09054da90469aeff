/*
 * tile.c - a contraction over packed panels: the loops around the micro-kernel.
 *
 * One task is a block of panels of A times a block of panels of B. Inside it,
 * blocks of k come outermost, so that a panel of B (kc * nr) stays in the first
 * cache while the block's panels of A (m_block * mr * kc) pass from the second.
 * Where columns are neighbours C is written in place: by a micro-kernel of its
 * own where a panel has fewer columns, and rows past the end have the place of
 * the last row, which is written after them. Else the block goes through a
 * scratch block on the stack.
 */
#include "base/integer.h"
#include "codegen/llvm/internal.h"
#include <stdio.h>

enum { BUFFER_A, BUFFER_B, BUFFER_C, BATCH_OFFSET, ROW_OFFSET, COL_OFFSET };

/* One side of the product: its panels, as they are packed. */
typedef struct side {
    int width;
    int64_t panels, block, blocks; /* panels in all, of a block; blocks */
    int64_t room;                  /* values of k a panel has room for */
    LLVMValueRef pack;             /* packs a block of it; NULL: all is there */
    LLVMValueRef base;             /* of panel `first` */
    LLVMValueRef first;
    LLVMValueRef index; /* which block of all batches, as `pack` counts */
} side;

typedef struct tile {
    const kern_tile *t;
    LLVMTypeRef element;
    LLVMValueRef micro;   /* the function */
    LLVMValueRef edge;    /* that of the last panel of B */
    LLVMValueRef scratch; /* NULL where no block needs it */
    LLVMValueRef scratch_rows;
    side a, b;
    LLVMValueRef c; /* this batch entry's */
    LLVMValueRef first, pc, kc;
} tile;

static int64_t at_least_one(int64_t x)
{
    return x > 1 ? x : 1;
}

static LLVMValueRef mul(llvm_emitter *e, LLVMValueRef x, int64_t by)
{
    return LLVMBuildMul(e->builder, x, llvm_i64(e, by), "");
}

static LLVMValueRef least(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y,
                          const char *name)
{
    LLVMValueRef args[] = {x, y};
    return llvm_call_intrinsic(e, "llvm.smin", &e->i64, 1, args, 2, name);
}

static LLVMValueRef table_entry(llvm_emitter *e, int buffer, LLVMValueRef i)
{
    LLVMValueRef at = llvm_gep(e, e->i64, e->buffers[buffer], i, "");
    return LLVMBuildLoad2(e->builder, e->i64, at, "");
}

/* ---------- the scratch block ---------- */

/* Row offsets of the scratch block: a constant table 0, nr, 2 nr, ... */
static LLVMValueRef scratch_table(llvm_emitter *e, const kern_tile *t)
{
    char name[48];
    LLVMValueRef rows[64];
    LLVMTypeRef type = LLVMArrayType2(e->i64, (uint64_t)t->mr);
    snprintf(name, sizeof name, "scratch.rows.%dx%d", t->mr, t->nr);
    LLVMValueRef table = LLVMGetNamedGlobal(e->module, name);
    if (table)
        return table;
    PTL_ASSERT(t->mr <= 64);
    for (int i = 0; i < t->mr; i++)
        rows[i] = llvm_i64(e, (int64_t)i * t->nr);
    table = LLVMAddGlobal(e->module, type, name);
    LLVMSetInitializer(table,
                       LLVMConstArray2(e->i64, rows, (uint64_t)t->mr));
    LLVMSetGlobalConstant(table, true);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    return table;
}

/* The stack slot stands in the entry block, or every tile would grow the
 * stack. */
static LLVMValueRef scratch_block(llvm_emitter *e, const tile *x)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(e->function);
    LLVMTypeRef type = LLVMArrayType2(
        x->element, (uint64_t)x->t->mr * (uint64_t)x->t->nr);
    LLVMPositionBuilderBefore(e->builder, LLVMGetFirstInstruction(entry));
    LLVMValueRef slot = LLVMBuildAlloca(e->builder, type, "scratch");
    LLVMSetAlignment(slot, 64);
    LLVMPositionBuilderAtEnd(e->builder, here);
    return slot;
}

/* Where a tile lies and how much of it is part of C. */
typedef struct place {
    LLVMValueRef row, col;   /* first of each */
    LLVMValueRef next_row, next_col; /* of the tile after it */
    LLVMValueRef rows, cols; /* how many */
    LLVMValueRef a, b;       /* the panels */
    LLVMValueRef micro;      /* what multiplies them */
    LLVMValueRef next_b;     /* the panel of B after this one */
    LLVMValueRef ahead;      /* what to ask for meanwhile */
} place;

/* Copies the tile's part of C to the scratch block or back, by the tables. */
static void copy_scratch(llvm_emitter *e, const tile *x, const place *p,
                         bool to_c)
{
    llvm_loop i = llvm_loop_open(e, llvm_i64(e, 0), p->rows, llvm_i64(e, 1),
                                 to_c ? "put.row" : "get.row");
    LLVMValueRef row = table_entry(
        e, ROW_OFFSET, LLVMBuildAdd(e->builder, p->row, i.index, ""));
    LLVMValueRef c_row = llvm_gep(e, x->element, x->c, row, "c.row");
    LLVMValueRef s_row = llvm_gep(e, x->element, x->scratch,
                                  mul(e, i.index, x->t->nr), "s.row");
    llvm_loop j = llvm_loop_open(e, llvm_i64(e, 0), p->cols, llvm_i64(e, 1),
                                 to_c ? "put" : "get");
    LLVMValueRef col = LLVMBuildAdd(e->builder, p->col, j.index, "");
    if (!x->t->unit_columns)
        col = table_entry(e, COL_OFFSET, col);
    LLVMValueRef c = llvm_gep(e, x->element, c_row, col, "");
    LLVMValueRef s = llvm_gep(e, x->element, s_row, j.index, "");
    LLVMValueRef value =
        LLVMBuildLoad2(e->builder, x->element, to_c ? s : c, "");
    LLVMBuildStore(e->builder, value, to_c ? c : s);
    llvm_loop_close(e, &j, 0);
    llvm_loop_close(e, &i, 0);
}

/* ---------- one tile ---------- */

static void call_micro(llvm_emitter *e, const tile *x, const place *p,
                       LLVMValueRef c, LLVMValueRef rows,
                       LLVMValueRef next_c, LLVMValueRef next_rows)
{
    LLVMValueRef args[] = {x->kc,    p->a,   p->b,      c,       rows,
                           x->first, next_c, next_rows, p->ahead};
    LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(x->micro), p->micro,
                   args, 9, "");
}

static void tile_in_place(llvm_emitter *e, const tile *x, const place *p)
{
    LLVMValueRef c = llvm_gep(e, x->element, x->c, p->col, "c.tile");
    LLVMValueRef rows =
        llvm_gep(e, e->i64, e->buffers[ROW_OFFSET], p->row, "rows");
    LLVMValueRef next =
        llvm_gep(e, e->i64, e->buffers[ROW_OFFSET], p->next_row, "next.rows");
    LLVMValueRef next_c = llvm_gep(e, x->element, x->c, p->next_col, "next.c");
    call_micro(e, x, p, c, rows, next_c, next);
}

static void tile_by_scratch(llvm_emitter *e, const tile *x, const place *p)
{
    if (x->t->k > x->t->kc) {
        LLVMBasicBlockRef read = llvm_block(e, "get.c");
        LLVMBasicBlockRef go = llvm_block(e, "multiply");
        LLVMBuildCondBr(e->builder, x->first, go, read);
        LLVMPositionBuilderAtEnd(e->builder, read);
        copy_scratch(e, x, p, false);
        LLVMBuildBr(e->builder, go);
        LLVMPositionBuilderAtEnd(e->builder, go);
    }
    call_micro(e, x, p, x->scratch, x->scratch_rows, x->scratch,
               x->scratch_rows);
    copy_scratch(e, x, p, true);
}

static void emit_one_tile(llvm_emitter *e, const tile *x, const place *p)
{
    if (x->scratch)
        tile_by_scratch(e, x, p);
    else
        tile_in_place(e, x, p);
}

/* ---------- loops over panels ---------- */

/* The panel's rows of k from `pc` on. What a task packs begins there. */
static LLVMValueRef panel(llvm_emitter *e, const tile *x, const side *s,
                          LLVMValueRef index, LLVMValueRef pc,
                          const char *name)
{
    LLVMValueRef at = LLVMBuildSub(e->builder, index, s->first, "");
    at = mul(e, at, s->room);
    if (!s->pack)
        at = LLVMBuildAdd(e->builder, at, pc, "");
    return llvm_gep(e, x->element, s->base, mul(e, at, s->width), name);
}

static LLVMValueRef extent(llvm_emitter *e, LLVMValueRef from, int64_t size,
                           int most, const char *name)
{
    LLVMValueRef left = LLVMBuildSub(e->builder, llvm_i64(e, size), from, "");
    return least(e, left, llvm_i64(e, most), name);
}

typedef struct panel_range {
    LLVMValueRef lo, hi;
} panel_range;

/* Block b of B begins at panel b * panels / B. */
static panel_range range_of(llvm_emitter *e, LLVMValueRef block, const side *s)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef next = LLVMBuildAdd(b, block, llvm_i64(e, 1), "");
    LLVMValueRef blocks = llvm_i64(e, s->blocks);
    return (panel_range){
        LLVMBuildUDiv(b, mul(e, block, s->panels), blocks, ""),
        LLVMBuildUDiv(b, mul(e, next, s->panels), blocks, "")};
}

static LLVMValueRef last_panel(llvm_emitter *e, const side *s)
{
    return llvm_i64(e, (s->panels - 1) * s->width);
}

/* The tile after panel `index` of the loop over `m`: below this one, or at the
 * top of the next column of tiles. */
static void find_next(llvm_emitter *e, const tile *x, panel_range m,
                      LLVMValueRef index, place *p)
{
    const kern_tile *t = x->t;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef next = LLVMBuildAdd(b, index, llvm_i64(e, 1), "");
    LLVMValueRef below = LLVMBuildICmp(b, LLVMIntSLT, next, m.hi, "below");
    LLVMValueRef right = LLVMBuildAdd(b, p->col, llvm_i64(e, t->nr), "");
    LLVMValueRef row = mul(e, LLVMBuildSelect(b, below, next, m.lo, ""), t->mr);
    p->next_row = least(e, row, last_panel(e, &x->a), "next.row");
    p->next_col = least(e, LLVMBuildSelect(b, below, p->col, right, ""),
                        last_panel(e, &x->b), "next.col");
}

/* The micro-kernel for panel `index` of B. */
static LLVMValueRef micro_for(llvm_emitter *e, const tile *x,
                              LLVMValueRef index)
{
    if (x->micro == x->edge)
        return x->micro;
    LLVMValueRef last = llvm_i64(e, x->b.panels - 1);
    LLVMValueRef is_last =
        LLVMBuildICmp(e->builder, LLVMIntEQ, index, last, "is.last");
    return LLVMBuildSelect(e->builder, is_last, x->edge, x->micro, "micro");
}

/* The panel of B that comes after panel `index`: its neighbour, or the first
 * one of the next block of k. Past the last one it is anything. */
static LLVMValueRef find_next_b(llvm_emitter *e, const tile *x, panel_range n,
                                LLVMValueRef index)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef next = LLVMBuildAdd(b, index, llvm_i64(e, 1), "");
    LLVMValueRef right = LLVMBuildICmp(b, LLVMIntSLT, next, n.hi, "right");
    LLVMValueRef below = LLVMBuildAdd(b, x->pc, x->kc, "");
    return panel(e, x, &x->b, LLVMBuildSelect(b, right, next, n.lo, ""),
                 LLVMBuildSelect(b, right, x->pc, below, ""), "next.b");
}

/* The first tiles of a panel of B ask for the next panel, piece by piece, the
 * others for the next panel of A. */
static LLVMValueRef find_ahead(llvm_emitter *e, const tile *x, const place *p,
                               LLVMValueRef turn)
{
    LLVMBuilderRef b = e->builder;
    int size = x->t->type == KERN_F64 ? 8 : 4;
    int per_step = LLVM_AHEAD_BYTES / size;
    LLVMValueRef pieces = llvm_i64(e, (x->t->nr + per_step - 1) / per_step);
    LLVMValueRef of_b = LLVMBuildICmp(b, LLVMIntSLT, turn, pieces, "");
    LLVMValueRef step = mul(e, LLVMBuildMul(b, turn, x->kc, ""), per_step);
    LLVMValueRef next_a =
        llvm_gep(e, x->element, p->a, llvm_i64(e, x->a.room * x->t->mr), "");
    return LLVMBuildSelect(b, of_b,
                           llvm_gep(e, x->element, p->next_b, step, ""),
                           next_a, "ahead");
}

static void emit_panels(llvm_emitter *e, const tile *x, panel_range m,
                        panel_range n)
{
    const kern_tile *t = x->t;
    place p;
    llvm_loop j =
        llvm_loop_open(e, n.lo, n.hi, llvm_i64(e, 1), "n.panel");
    p.col = mul(e, j.index, t->nr);
    p.cols = extent(e, p.col, t->n, t->nr, "cols");
    p.b = panel(e, x, &x->b, j.index, x->pc, "b.panel");
    p.next_b = find_next_b(e, x, n, j.index);
    p.micro = micro_for(e, x, j.index);
    llvm_loop i =
        llvm_loop_open(e, m.lo, m.hi, llvm_i64(e, 1), "m.panel");
    p.row = mul(e, i.index, t->mr);
    find_next(e, x, m, i.index, &p);
    p.rows = extent(e, p.row, t->m, t->mr, "rows");
    p.a = panel(e, x, &x->a, i.index, x->pc, "a.panel");
    p.ahead = find_ahead(e, x, &p,
                         LLVMBuildSub(e->builder, i.index, m.lo, "turn"));
    emit_one_tile(e, x, &p);
    llvm_loop_close(e, &i, 0);
    llvm_loop_close(e, &j, 0);
}

/* ---------- the task ---------- */

static side side_of(llvm_emitter *e, int64_t size, int width, int64_t block,
                    const kern_kernel *pack)
{
    const kern_tile *t = &e->kernel->tile;
    side s = {
        .width = width, .panels = int_ceil_div(size, width), .block = block};
    s.blocks = at_least_one(int_ceil_div(s.panels, block));
    s.room = pack ? t->kc : t->k;
    s.pack = pack ? llvm_inner_kernel(e, pack) : NULL;
    return s;
}

/* Positions a side at its block: of the whole operand, or of what the task
 * packs. */
static panel_range enter_side(llvm_emitter *e, const tile *x, side *s,
                              int buffer, LLVMValueRef batch,
                              LLVMValueRef block)
{
    LLVMBuilderRef b = e->builder;
    panel_range range = range_of(e, block, s);
    int64_t size = s->room * s->width;
    s->index = LLVMBuildAdd(b, mul(e, batch, s->blocks), block, "");
    s->first = s->pack ? range.lo : llvm_i64(e, 0);
    LLVMValueRef at = s->pack ? mul(e, s->index, s->block * size)
                              : mul(e, batch, s->panels * size);
    s->base = llvm_gep(e, x->element, e->buffers[buffer], at, "panels");
    return range;
}

/* Packs the side's part of block `k_block` of k, where that is our task. */
static void pack_side(llvm_emitter *e, const tile *x, const side *s,
                      LLVMValueRef k_block)
{
    LLVMBuilderRef b = e->builder;
    if (!s->pack)
        return;
    LLVMValueRef task =
        LLVMBuildAdd(b, mul(e, s->index, int_ceil_div(x->t->k, x->t->kc)),
                     k_block, "pack.task");
    LLVMValueRef args[] = {LLVMGetParam(e->function, 0), task,
                           LLVMBuildAdd(b, task, llvm_i64(e, 1), "")};
    LLVMBuildCall2(b, LLVMGlobalGetValueType(s->pack), s->pack, args, 3, "");
}

static void emit_blocks_of_k(llvm_emitter *e, tile *x, panel_range m,
                             panel_range n)
{
    const kern_tile *t = x->t;
    LLVMBuilderRef b = e->builder;
    /* A k of zero still has one block, which writes the zeros. */
    llvm_loop k = llvm_loop_open(e, llvm_i64(e, 0),
                                 llvm_i64(e, at_least_one(t->k)),
                                 llvm_i64(e, t->kc), "pc");
    LLVMValueRef k_block = LLVMBuildUDiv(b, k.index, llvm_i64(e, t->kc), "");
    x->pc = k.index;
    x->kc = extent(e, x->pc, t->k, (int)t->kc, "kc");
    x->first = LLVMBuildICmp(b, LLVMIntEQ, x->pc, llvm_i64(e, 0), "first");
    pack_side(e, x, &x->a, k_block);
    pack_side(e, x, &x->b, k_block);
    emit_panels(e, x, m, n);
    llvm_loop_close(e, &k, 0);
}

/* What passes through scratch is always a whole block. */
static void make_micros(llvm_emitter *e, tile *x)
{
    const kern_tile *t = x->t;
    int left = t->unit_columns ? (int)(t->n % t->nr) : 0;
    x->edge = llvm_micro_kernel(e, t, left ? left : t->nr);
    x->micro = t->n < t->nr ? x->edge : llvm_micro_kernel(e, t, t->nr);
    if (!t->unit_columns)
        x->edge = x->micro = llvm_micro_kernel(e, t, t->nr);
}

void llvm_emit_tile(llvm_emitter *e)
{
    const kern_tile *t = &e->kernel->tile;
    LLVMBuilderRef b = e->builder;
    tile x = {.t = t, .element = llvm_scalar_type(e, t->type)};
    make_micros(e, &x);
    x.a = side_of(e, t->m, t->mr, t->m_block, t->pack_a);
    x.b = side_of(e, t->n, t->nr, t->n_block, t->pack_b);
    if (!t->unit_columns) {
        x.scratch = scratch_block(e, &x);
        x.scratch_rows = scratch_table(e, t);
    }
    LLVMValueRef n_blocks = llvm_i64(e, x.b.blocks);
    LLVMValueRef m_blocks = llvm_i64(e, x.a.blocks);
    LLVMValueRef n_block = LLVMBuildURem(b, e->task, n_blocks, "n.block");
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, n_blocks, "");
    LLVMValueRef m_block = LLVMBuildURem(b, rest, m_blocks, "m.block");
    LLVMValueRef batch = LLVMBuildUDiv(b, rest, m_blocks, "batch");
    panel_range m = enter_side(e, &x, &x.a, BUFFER_A, batch, m_block);
    panel_range n = enter_side(e, &x, &x.b, BUFFER_B, batch, n_block);
    x.c = llvm_gep(e, x.element, e->buffers[BUFFER_C],
                   table_entry(e, BATCH_OFFSET, batch), "c.batch");
    emit_blocks_of_k(e, &x, m, n);
}
