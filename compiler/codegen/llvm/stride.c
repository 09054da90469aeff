/*
 * stride.c - small strides by whole vectors.
 *
 * Lanes `stride` elements apart lie in `stride` vectors side by side, the
 * parts: element g of them is that of lane g / stride where that divides. A
 * load shuffles its lanes together, a store spreads them and writes the parts
 * under a mask. Nothing beyond the first and the last lane is touched.
 */
#include "codegen/llvm/access.h"

enum { MOST_PARTS = 4 };

bool llvm_has_wide_stride(const llvm_emitter *e, const llvm_access *a)
{
    return a->stride > 1 && a->stride <= MOST_PARTS && a->align >= 4 &&
           e->machine->vector_bits >= 256;
}

/* The lane whose element is number `at` of all parts; -1: none. */
static int lane_at(const llvm_access *a, int at)
{
    int stride = (int)a->stride;
    return at % stride == 0 && at / stride < a->lanes ? at / stride : -1;
}

static LLVMValueRef number(const llvm_emitter *e, int x)
{
    return LLVMConstInt(e->i32, (unsigned long long)x, false);
}

static LLVMValueRef shuffle(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y,
                            LLVMValueRef *order, int lanes)
{
    return LLVMBuildShuffleVector(e->builder, x, y,
                                  LLVMConstVector(order, (unsigned)lanes), "");
}

/* Which elements of part `part` are lanes in use. */
static LLVMValueRef part_mask(llvm_emitter *e, const llvm_access *a, int part)
{
    LLVMValueRef order[MAX_LANES];
    LLVMTypeRef type = LLVMVectorType(e->i1, (unsigned)a->lanes);
    LLVMValueRef mask = a->mask ? a->mask : LLVMConstAllOnes(type);
    for (int i = 0; i < a->lanes; i++) {
        int lane = lane_at(a, part * a->lanes + i);
        order[i] = number(e, lane < 0 ? a->lanes : lane);
    }
    return shuffle(e, mask, LLVMConstNull(type), order, a->lanes);
}

/* Part `part` as an access of its own, from its element `from`. */
static llvm_access part_of(llvm_emitter *e, const llvm_access *a, int from)
{
    llvm_access p = *a;
    p.stride = 1;
    p.mask = NULL;
    p.streamed = false;
    p.at = llvm_gep(e, a->element, a->at, llvm_i64(e, from), "");
    return p;
}

/* Without a mask the last part ends with the last lane, so that nothing
 * beyond it is read. */
static int part_start(const llvm_access *a, int part)
{
    int last = a->lanes * (int)a->stride - ((int)a->stride - 1);
    int from = part * a->lanes;
    return a->mask || from + a->lanes <= last ? from : last - a->lanes;
}

static LLVMValueRef load_part(llvm_emitter *e, const llvm_access *a, int part)
{
    llvm_access p = part_of(e, a, part_start(a, part));
    if (a->mask)
        p.mask = part_mask(e, a, part);
    return llvm_load_contiguous(e, &p, LLVMConstNull(a->type), "");
}

/* Lanes of `so_far` that earlier parts gave, the others from `x`. */
static LLVMValueRef take_part(llvm_emitter *e, const llvm_access *a, int part,
                              LLVMValueRef so_far, LLVMValueRef x)
{
    LLVMValueRef order[MAX_LANES];
    for (int i = 0; i < a->lanes; i++) {
        int at = i * (int)a->stride;
        bool here = at >= part * a->lanes;
        order[i] = number(e, here ? a->lanes + at - part_start(a, part) : i);
        if (at >= (part + 1) * a->lanes)
            order[i] = LLVMGetUndef(e->i32);
    }
    return shuffle(e, so_far, x, order, a->lanes);
}

LLVMValueRef llvm_load_strided(llvm_emitter *e, const llvm_access *a,
                               LLVMValueRef other)
{
    LLVMValueRef x = LLVMGetPoison(a->type);
    for (int part = 0; part < a->stride; part++)
        x = take_part(e, a, part, x, load_part(e, a, part));
    if (!a->mask)
        return x;
    return LLVMBuildSelect(e->builder, a->mask, x, other, "");
}

void llvm_store_strided(llvm_emitter *e, const llvm_access *a, LLVMValueRef x)
{
    LLVMValueRef order[MAX_LANES];
    for (int part = 0; part < a->stride; part++) {
        llvm_access p = part_of(e, a, part * a->lanes);
        for (int i = 0; i < a->lanes; i++) {
            int lane = lane_at(a, part * a->lanes + i);
            order[i] = lane < 0 ? LLVMGetUndef(e->i32) : number(e, lane);
        }
        p.mask = part_mask(e, a, part);
        llvm_store_contiguous(
            e, &p, shuffle(e, x, LLVMGetPoison(a->type), order, a->lanes));
    }
}
