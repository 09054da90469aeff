/*
 * masked.c - masked loads of neighbouring elements.
 *
 * Where masks are vectors of signs (AVX2), LLVM 19.1 gets llvm.masked.load
 * wrong: if a part of it as wide as a register turns out to be off, that part
 * is loaded without its mask, or the compiler stops ("Invalid size request on
 * a scalable vector"). The instruction itself, asked for register by register,
 * is not touched by that. Masked stores and gathers are right as they are.
 */
#include "codegen/llvm/access.h"

static bool has_sign_masks(const llvm_emitter *e)
{
    return e->machine->vector_bits == 256;
}

/* Is it more than one AVX2 register? */
static bool is_to_be_split(const llvm_emitter *e, const llvm_access *a)
{
    return has_sign_masks(e) && a->align * (unsigned)a->lanes > 32 &&
           a->lanes % 2 == 0;
}

/* Half of the lanes. */
static llvm_access half_access(llvm_emitter *e, const llvm_access *a,
                               bool second)
{
    llvm_access half = *a;
    half.lanes = a->lanes / 2;
    half.type = LLVMVectorType(a->element, (unsigned)half.lanes);
    if (second)
        half.at = llvm_gep(e, a->element, a->at, llvm_i64(e, half.lanes), "");
    half.mask = llvm_take_lanes(e, a->mask, NULL, second ? half.lanes : 0, 1,
                                half.lanes, "");
    return half;
}

/* The AVX2 instruction for a whole or half register of 4 or 8 bytes a lane;
 * NULL: there is none. */
static const char *maskload_name(const llvm_access *a)
{
    static const char *const names[2][2][2] = {
        /* of 8 bytes, real, whole */
        {{"llvm.x86.avx2.maskload.d", "llvm.x86.avx2.maskload.d.256"},
         {"llvm.x86.avx.maskload.ps", "llvm.x86.avx.maskload.ps.256"}},
        {{"llvm.x86.avx2.maskload.q", "llvm.x86.avx2.maskload.q.256"},
         {"llvm.x86.avx.maskload.pd", "llvm.x86.avx.maskload.pd.256"}}};
    bool real = LLVMGetTypeKind(a->element) != LLVMIntegerTypeKind;
    unsigned size = a->align * (unsigned)a->lanes;
    return (size == 16 || size == 32) && a->align >= 4
               ? names[a->align == 8][real][size == 32]
               : NULL;
}

/* Lanes that are off are 0. The mask is each lane's sign, and written so that
 * LLVM does not take it for a vector of bools and the load for its own. */
static LLVMValueRef maskload(llvm_emitter *e, const llvm_access *a,
                             const char *intrinsic)
{
    LLVMTypeRef bits = a->align == 4 ? e->i32 : e->i64;
    LLVMValueRef sign = LLVMConstInt(bits, 1ull << (a->align * 8 - 1), false);
    LLVMValueRef on = llvm_splat(e, sign, a->lanes, "");
    LLVMValueRef args[] = {a->at,
                           LLVMBuildSelect(e->builder, a->mask, on,
                                           LLVMConstNull(LLVMTypeOf(on)), "")};
    return llvm_call_intrinsic(e, intrinsic, NULL, 0, args, 2, "");
}

static LLVMValueRef load_masked(llvm_emitter *e, const llvm_access *a,
                                LLVMValueRef other, const char *name)
{
    const char *avx2 = has_sign_masks(e) ? maskload_name(a) : NULL;
    if (avx2) {
        LLVMValueRef x = maskload(e, a, avx2);
        return LLVMIsNull(other)
                   ? x
                   : LLVMBuildSelect(e->builder, a->mask, x, other, name);
    }
    LLVMTypeRef types[] = {a->type, e->ptr};
    LLVMValueRef args[] = {a->at, LLVMConstInt(e->i32, a->align, false),
                           a->mask, other};
    return llvm_call_intrinsic(e, "llvm.masked.load", types, 2, args, 4, name);
}

LLVMValueRef llvm_load_masked(llvm_emitter *e, const llvm_access *a,
                              LLVMValueRef other, const char *name)
{
    if (!is_to_be_split(e, a))
        return load_masked(e, a, other, name);
    llvm_access low = half_access(e, a, false), high = half_access(e, a, true);
    LLVMValueRef x = llvm_load_masked(
        e, &low, llvm_take_lanes(e, other, NULL, 0, 1, low.lanes, ""), "");
    LLVMValueRef y = llvm_load_masked(
        e, &high, llvm_take_lanes(e, other, NULL, low.lanes, 1, high.lanes, ""),
        "");
    return llvm_take_lanes(e, x, y, 0, 1, a->lanes, name);
}
