/*
 * scale.c - x * 2^n, rounded once: one instruction where there is one for the
 * whole vector, else two products with powers of two, the first of which is
 * exact. The bits are the same.
 */
#include "codegen/llvm/internal.h"

typedef struct format {
    LLVMTypeRef bits; /* the integer of the same width */
    int fraction, bias;
    double ones; /* adding it leaves a whole number in the low bits */
} format;

static format format_of(const llvm_emitter *e, kern_type type)
{
    if (type == KERN_F32)
        return (format){e->i32, 23, 127, 0x1.8p23};
    return (format){e->i64, 52, 1023, 0x1.8p52};
}

static LLVMValueRef splat_int(llvm_emitter *e, const format *f, int64_t x,
                              int lanes)
{
    return llvm_splat(e, LLVMConstInt(f->bits, (unsigned long long)x, true),
                      lanes, "");
}

/* n, whole and small, as an integer; anything for NaN. */
static LLVMValueRef whole(llvm_emitter *e, const format *f, LLVMValueRef n,
                          LLVMTypeRef bits, int lanes)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef scalar =
        lanes == 1 ? LLVMTypeOf(n) : LLVMGetElementType(LLVMTypeOf(n));
    LLVMValueRef ones =
        llvm_splat(e, LLVMConstReal(scalar, f->ones), lanes, "");
    LLVMValueRef sum =
        LLVMBuildBitCast(b, LLVMBuildFAdd(b, n, ones, ""), bits, "");
    return LLVMBuildSub(b, sum, LLVMBuildBitCast(b, ones, bits, ""), "n");
}

static LLVMValueRef power_of_two(llvm_emitter *e, const format *f,
                                 LLVMValueRef n, LLVMTypeRef type, int lanes)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef biased =
        LLVMBuildAdd(b, n, splat_int(e, f, f->bias, lanes), "");
    LLVMValueRef placed =
        LLVMBuildShl(b, biased, splat_int(e, f, f->fraction, lanes), "");
    return LLVMBuildBitCast(b, placed, type, "");
}

static LLVMValueRef in_two_steps(llvm_emitter *e, const kern_value *v)
{
    LLVMBuilderRef b = e->builder;
    format f = format_of(e, v->type);
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    LLVMTypeRef bits =
        v->lanes == 1 ? f.bits : LLVMVectorType(f.bits, (unsigned)v->lanes);
    LLVMValueRef x = llvm_use(e, v->args[0]);
    LLVMValueRef n = whole(e, &f, llvm_use(e, v->args[1]), bits, v->lanes);
    LLVMValueRef half =
        LLVMBuildAShr(b, n, splat_int(e, &f, 1, v->lanes), "half");
    LLVMValueRef rest = LLVMBuildSub(b, n, half, "rest");
    x = LLVMBuildFMul(b, x, power_of_two(e, &f, half, type, v->lanes), "");
    return LLVMBuildFMul(b, x, power_of_two(e, &f, rest, type, v->lanes),
                         "scaled");
}

static LLVMValueRef in_one_step(llvm_emitter *e, const kern_value *v)
{
    enum { ROUND_AS_EVER = 4 };
    bool single = v->type == KERN_F32;
    LLVMTypeRef mask = LLVMIntTypeInContext(e->context, single ? 16 : 8);
    LLVMValueRef x = llvm_use(e, v->args[0]);
    LLVMValueRef args[] = {x, llvm_use(e, v->args[1]), x,
                           LLVMConstAllOnes(mask),
                           LLVMConstInt(e->i32, ROUND_AS_EVER, false)};
    return llvm_call_intrinsic(e,
                               single ? "llvm.x86.avx512.mask.scalef.ps.512"
                                      : "llvm.x86.avx512.mask.scalef.pd.512",
                               NULL, 0, args, 5, "scaled");
}

LLVMValueRef llvm_emit_scale(llvm_emitter *e, const kern_value *v)
{
    int bits = v->lanes * (v->type == KERN_F32 ? 32 : 64);
    bool one = e->machine->vector_bits == 512 && bits == 512;
    return one ? in_one_step(e, v) : in_two_steps(e, v);
}
