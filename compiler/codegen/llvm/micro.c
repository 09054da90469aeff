/*
 * micro.c - the inner loop of contractions: one block of C held in registers.
 *
 * Every row of C in the block keeps nr / lanes sums, each a phi node of the k
 * loop. One step of k loads a row of B, broadcasts mr values of A one after
 * the other and does mr * nr fused multiply-adds; four steps make one turn of
 * the loop. The sum of one element is one chain with k ascending, so block
 * sizes never change its bits. Loads and broadcasts stand right before their
 * use: the registers hold the sums, a row of B and little else.
 */
#include "codegen/llvm/internal.h"
#include <stdio.h>
#include <string.h>

enum {
    MAX_MR = 16,
    MAX_VECTORS = 4,
    UNROLL = 4,
    PREFETCH_BYTES = 64,
    AHEAD_LINES = UNROLL * LLVM_AHEAD_BYTES / PREFETCH_BYTES, /* in one turn */
};

typedef struct micro {
    LLVMTypeRef element, vector;
    unsigned align;
    int lanes, mr, nr;
    int cols, vectors; /* of a row of the block, the last perhaps in part */
    bool pairs;
    LLVMValueRef kc, a, b, c, rows, first, next_c, next_rows, ahead;
} micro;

/* Where the k loop stands: the panels' positions and the sums. */
typedef struct cursor {
    LLVMValueRef a, b, ahead;
    LLVMValueRef sum[MAX_MR][MAX_VECTORS];
} cursor;

static micro micro_of(llvm_emitter *e, const kern_tile *t, int cols)
{
    bool f64 = t->type == KERN_F64;
    int lanes = e->machine->target.lanes_f32 / (f64 ? 2 : 1);
    micro m = {
        .element = f64 ? e->f64 : e->f32,
        .align = f64 ? 8 : 4,
        .lanes = lanes,
        .mr = t->mr,
        .nr = t->nr,
        .cols = cols,
        .vectors = (cols + lanes - 1) / lanes,
        .pairs = t->pairs,
    };
    m.vector = LLVMVectorType(m.element, (unsigned)lanes);
    PTL_ASSERT(t->nr % lanes == 0);
    PTL_ASSERT(m.mr <= MAX_MR && m.vectors <= MAX_VECTORS);
    return m;
}

static LLVMValueRef step_from(llvm_emitter *e, const micro *m,
                              LLVMValueRef base, int elements,
                              const char *name)
{
    return elements == 0
               ? base
               : llvm_gep(e, m->element, base, llvm_i64(e, elements), name);
}

/* Asks for the line at `at`. It is wanted in the second cache. */
static void prefetch(llvm_emitter *e, LLVMValueRef at)
{
    LLVMValueRef args[4] = {at, LLVMConstInt(e->i32, 0, false),
                            LLVMConstInt(e->i32, 2, false),
                            LLVMConstInt(e->i32, 1, false)};
    llvm_call_intrinsic(e, "llvm.prefetch", &e->ptr, 1, args, 4, "");
}

static LLVMValueRef row_pointer(llvm_emitter *e, const micro *m,
                                LLVMValueRef c, LLVMValueRef rows, int row)
{
    LLVMValueRef at = llvm_gep(e, e->i64, rows, llvm_i64(e, row), "");
    LLVMValueRef offset = LLVMBuildLoad2(e->builder, e->i64, at, "row");
    return llvm_gep(e, m->element, c, offset, "c.row");
}

/* Asks for the next block of C while this one is worked on. Not in the first
 * cache: rows of C are often a power of two apart, and then they would all fall
 * in one set of it. */
static void prefetch_next(llvm_emitter *e, const micro *m)
{
    int line = PREFETCH_BYTES / (int)m->align;
    for (int i = 0; i < m->mr; i++) {
        LLVMValueRef row = row_pointer(e, m, m->next_c, m->next_rows, i);
        for (int j = 0; j < m->cols; j += line)
            prefetch(e, step_from(e, m, row, j, ""));
    }
}

static LLVMValueRef sum_phi(llvm_emitter *e, const micro *m, int i, int v)
{
    char name[32];
    snprintf(name, sizeof name, "acc.%d.%d", i, v);
    return LLVMBuildPhi(e->builder, m->vector, name);
}

static LLVMValueRef load_vector(llvm_emitter *e, const micro *m,
                                LLVMValueRef at, const char *name)
{
    LLVMValueRef x = LLVMBuildLoad2(e->builder, m->vector, at, name);
    LLVMSetAlignment(x, m->align);
    return x;
}

/* The lanes of vector `v` of a row that are part of C; NULL: all. */
static LLVMValueRef mask_of(llvm_emitter *e, const micro *m, int v)
{
    LLVMValueRef lane[LLVM_MOST_LANES];
    int left = m->cols - v * m->lanes;
    if (left >= m->lanes)
        return NULL;
    PTL_ASSERT(m->lanes <= LLVM_MOST_LANES);
    for (int i = 0; i < m->lanes; i++)
        lane[i] = LLVMConstInt(e->i1, i < left, false);
    return LLVMConstVector(lane, (unsigned)m->lanes);
}

static LLVMValueRef load_c(llvm_emitter *e, const micro *m, LLVMValueRef row,
                           int v)
{
    LLVMValueRef at = step_from(e, m, row, v * m->lanes, "");
    LLVMValueRef mask = mask_of(e, m, v);
    if (!mask)
        return load_vector(e, m, at, "c");
    LLVMTypeRef types[] = {m->vector, e->ptr};
    LLVMValueRef args[] = {at, LLVMConstInt(e->i32, m->align, false), mask,
                           LLVMConstNull(m->vector)};
    return llvm_call_intrinsic(e, "llvm.masked.load", types, 2, args, 4, "c");
}

static void store_c(llvm_emitter *e, const micro *m, LLVMValueRef row, int v,
                    LLVMValueRef sum)
{
    LLVMValueRef at = step_from(e, m, row, v * m->lanes, "");
    LLVMValueRef mask = mask_of(e, m, v);
    if (!mask) {
        LLVMSetAlignment(LLVMBuildStore(e->builder, sum, at), m->align);
        return;
    }
    LLVMTypeRef types[] = {m->vector, e->ptr};
    LLVMValueRef args[] = {sum, at, LLVMConstInt(e->i32, m->align, false),
                           mask};
    llvm_call_intrinsic(e, "llvm.masked.store", types, 2, args, 4, "");
}

/* Zero, or what C holds from the blocks of k before. */
static void start_sums(llvm_emitter *e, const micro *m, cursor *at)
{
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef read = llvm_block(e, "read.c");
    LLVMBasicBlockRef start = llvm_block(e, "start");
    LLVMValueRef old[MAX_MR][MAX_VECTORS];
    LLVMValueRef zero = LLVMConstNull(m->vector);
    LLVMBuildCondBr(e->builder, m->first, start, read);
    LLVMPositionBuilderAtEnd(e->builder, read);
    for (int i = 0; i < m->mr; i++) {
        LLVMValueRef row = row_pointer(e, m, m->c, m->rows, i);
        for (int v = 0; v < m->vectors; v++)
            old[i][v] = load_c(e, m, row, v);
    }
    LLVMBuildBr(e->builder, start);
    LLVMPositionBuilderAtEnd(e->builder, start);
    for (int i = 0; i < m->mr; i++)
        for (int v = 0; v < m->vectors; v++) {
            at->sum[i][v] = sum_phi(e, m, i, v);
            LLVMAddIncoming(at->sum[i][v], &zero, &entry, 1);
            LLVMAddIncoming(at->sum[i][v], &old[i][v], &read, 1);
        }
}

/* Upwards: rows past the end have the place of the last one, which must be
 * written after them. */
static void store_sums(llvm_emitter *e, const micro *m, const cursor *at)
{
    for (int i = m->mr - 1; i >= 0; i--) {
        LLVMValueRef row = row_pointer(e, m, m->c, m->rows, i);
        for (int v = 0; v < m->vectors; v++)
            store_c(e, m, row, v, at->sum[i][v]);
    }
}

/* sum + a * b; of pairs of bf16 both products, the upper halves' first: each
 * sum rounds to even, denormals count as 0. */
static LLVMValueRef multiply_add(llvm_emitter *e, const micro *m,
                                 LLVMValueRef a, LLVMValueRef b,
                                 LLVMValueRef sum)
{
    LLVMTypeRef type = m->vector;
    if (!m->pairs) {
        LLVMValueRef args[] = {a, b, sum};
        return llvm_call_intrinsic(e, "llvm.fma", &type, 1, args, 3, "");
    }
    LLVMTypeRef bf16 = LLVMBFloatTypeInContext(e->context);
    LLVMTypeRef pairs = LLVMVectorType(bf16, 2 * (unsigned)m->lanes);
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->builder, a, pairs, ""),
                           LLVMBuildBitCast(e->builder, b, pairs, "")};
    return llvm_call_intrinsic(e, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0,
                               args, 3, "");
}

/* One step of k, `u` steps past the cursor's position. */
static void multiply(llvm_emitter *e, const micro *m, cursor *at, int u)
{
    LLVMValueRef b[MAX_VECTORS];
    for (int v = 0; v < m->vectors; v++)
        b[v] = load_vector(
            e, m, step_from(e, m, at->b, u * m->nr + v * m->lanes, ""), "b");
    for (int i = 0; i < m->mr; i++) {
        LLVMValueRef from = step_from(e, m, at->a, u * m->mr + i, "");
        LLVMValueRef one = LLVMBuildLoad2(e->builder, m->element, from, "");
        LLVMValueRef a = llvm_splat(e, one, m->lanes, "a");
        for (int v = 0; v < m->vectors; v++)
            at->sum[i][v] = multiply_add(e, m, a, b[v], at->sum[i][v]);
    }
}

/* Phi nodes for all of `at`, coming from `from`. */
static void enter_loop(llvm_emitter *e, const micro *m, cursor *at,
                       LLVMBasicBlockRef from)
{
    cursor before = *at;
    at->a = LLVMBuildPhi(e->builder, e->ptr, "a.at");
    at->b = LLVMBuildPhi(e->builder, e->ptr, "b.at");
    at->ahead = LLVMBuildPhi(e->builder, e->ptr, "ahead.at");
    LLVMAddIncoming(at->a, &before.a, &from, 1);
    LLVMAddIncoming(at->b, &before.b, &from, 1);
    LLVMAddIncoming(at->ahead, &before.ahead, &from, 1);
    for (int i = 0; i < m->mr; i++)
        for (int v = 0; v < m->vectors; v++) {
            at->sum[i][v] = sum_phi(e, m, i, v);
            LLVMAddIncoming(at->sum[i][v], &before.sum[i][v], &from, 1);
        }
}

static void add_edge(const micro *m, const cursor *phis, cursor *values,
                     LLVMBasicBlockRef from)
{
    LLVMAddIncoming(phis->a, &values->a, &from, 1);
    LLVMAddIncoming(phis->b, &values->b, &from, 1);
    LLVMAddIncoming(phis->ahead, &values->ahead, &from, 1);
    for (int i = 0; i < m->mr; i++)
        for (int v = 0; v < m->vectors; v++)
            LLVMAddIncoming(phis->sum[i][v], &values->sum[i][v], &from, 1);
}

static void prefetch_ahead(llvm_emitter *e, const micro *m, cursor *at)
{
    int line = PREFETCH_BYTES / (int)m->align;
    for (int i = 0; i < AHEAD_LINES; i++)
        prefetch(e, step_from(e, m, at->ahead, i * line, ""));
    at->ahead = step_from(e, m, at->ahead, AHEAD_LINES * line, "");
}

/* `turns` turns of `steps` steps of k each; `at` moves to the end of them. */
static void k_loop(llvm_emitter *e, const micro *m, cursor *at,
                   LLVMValueRef turns, int steps, const char *name)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
    llvm_loop loop =
        llvm_loop_open(e, llvm_i64(e, 0), turns, llvm_i64(e, 1), name);
    cursor skipped = *at, phis, merged;
    enter_loop(e, m, at, before);
    phis = *at;
    if (steps == UNROLL)
        prefetch_ahead(e, m, at);
    for (int u = 0; u < steps; u++)
        multiply(e, m, at, u);
    at->a = step_from(e, m, at->a, steps * m->mr, "");
    at->b = step_from(e, m, at->b, steps * m->nr, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
    add_edge(m, &phis, at, latch);
    llvm_loop_close(e, &loop, 0);
    merged = *at;
    enter_loop(e, m, &merged, latch);
    add_edge(m, &merged, &skipped, before);
    *at = merged;
}

static LLVMValueRef declare(llvm_emitter *e, const char *name)
{
    LLVMTypeRef params[] = {e->i64, e->ptr, e->ptr, e->ptr, e->ptr,
                            e->i1,  e->ptr, e->ptr, e->ptr};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(e->context), params, 9, false);
    LLVMValueRef f = LLVMAddFunction(e->module, name, type);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    llvm_function_attributes(e, f);
    return f;
}

static void take_params(micro *m, LLVMValueRef f)
{
    LLVMValueRef *to[] = {&m->kc,    &m->a,      &m->b,
                          &m->c,     &m->rows,   &m->first,
                          &m->next_c, &m->next_rows, &m->ahead};
    const char *names[] = {"kc",    "a",      "b",         "c",    "rows",
                           "first", "next.c", "next.rows", "ahead"};
    for (unsigned i = 0; i < 9; i++) {
        *to[i] = LLVMGetParam(f, i);
        LLVMSetValueName2(*to[i], names[i], strlen(names[i]));
    }
}

static void emit_micro(llvm_emitter *e, micro *m)
{
    cursor at;
    LLVMPositionBuilderAtEnd(e->builder, llvm_block(e, "entry"));
    LLVMValueRef turns = LLVMBuildLShr(e->builder, m->kc, llvm_i64(e, 2), "");
    LLVMValueRef rest =
        LLVMBuildAnd(e->builder, m->kc, llvm_i64(e, UNROLL - 1), "");
    prefetch_next(e, m);
    start_sums(e, m, &at);
    at.a = m->a;
    at.b = m->b;
    at.ahead = m->ahead;
    k_loop(e, m, &at, turns, UNROLL, "k");
    k_loop(e, m, &at, rest, 1, "k.rest");
    store_sums(e, m, &at);
    LLVMBuildRetVoid(e->builder);
}

LLVMValueRef llvm_micro_kernel(llvm_emitter *e, const kern_tile *tile, int cols)
{
    char name[64];
    micro m = micro_of(e, tile, cols);
    int length = snprintf(name, sizeof name, "micro.%s.%dx%d",
                          tile->type == KERN_F64 ? "f64"
                          : tile->pairs          ? "bf16"
                                                 : "f32",
                          m.mr, m.nr);
    if (cols < m.nr)
        snprintf(name + length, sizeof name - (size_t)length, ".%d", cols);
    LLVMValueRef f = LLVMGetNamedFunction(e->module, name);
    if (f)
        return f;
    LLVMBasicBlockRef caller_block = LLVMGetInsertBlock(e->builder);
    LLVMValueRef caller = e->function;
    f = e->function = declare(e, name);
    take_params(&m, f);
    emit_micro(e, &m);
    e->function = caller;
    LLVMPositionBuilderAtEnd(e->builder, caller_block);
    return f;
}
