/*
 * scale.c - x * 2^n, rounded once: one instruction where there is one for the
 * whole vector, else two products with powers of two, the first of which is
 * exact. The bits are the same.
 *
 * The second product is by 2^far where n is positive, by 2^-far where it is
 * negative, and the first by what is left: so 2^n is made once, no step of it
 * needs more than one integer operation, and both powers are normal numbers.
 */
#include "codegen/llvm/internal.h"

#include <math.h>

typedef struct format {
    LLVMTypeRef bits; /* the integer of the same width */
    int fraction, bias;
    int far;     /* about half the bias */
    double ones; /* adding it leaves a whole number in the low bits */
} format;

static format format_of(const llvm_emitter *e, kern_type type)
{
    if (type == KERN_F32)
        return (format){e->i32, 23, 127, 64, 0x1.8p23};
    return (format){e->i64, 52, 1023, 512, 0x1.8p52};
}

/* n + 2 bias in the exponent's place, for n whole and small; anything for NaN.
 */
static LLVMValueRef exponent_of(llvm_emitter *e, const format *f,
                                LLVMValueRef n, LLVMTypeRef bits, int lanes)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef scalar =
        lanes == 1 ? LLVMTypeOf(n) : LLVMGetElementType(LLVMTypeOf(n));
    LLVMValueRef ones =
        llvm_splat(e, LLVMConstReal(scalar, f->ones + 2 * f->bias), lanes, "");
    LLVMValueRef sum =
        LLVMBuildBitCast(b, LLVMBuildFAdd(b, n, ones, ""), bits, "");
    LLVMValueRef place = LLVMConstInt(f->bits, (unsigned)f->fraction, false);
    return LLVMBuildShl(b, sum, llvm_splat(e, place, lanes, ""), "exponent");
}

/* 2^far, to the sign of n. */
static LLVMValueRef far_of(llvm_emitter *e, const format *f, LLVMValueRef n,
                           LLVMTypeRef type, LLVMTypeRef bits, int lanes)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef scalar = lanes == 1 ? type : LLVMGetElementType(type);
    LLVMValueRef up = LLVMConstReal(scalar, ldexp(1, f->far));
    LLVMValueRef down = LLVMConstReal(scalar, ldexp(1, -f->far));
    LLVMValueRef negative =
        LLVMBuildICmp(b, LLVMIntSLT, LLVMBuildBitCast(b, n, bits, ""),
                      LLVMConstNull(bits), "");
    return LLVMBuildSelect(b, negative, llvm_splat(e, down, lanes, ""),
                           llvm_splat(e, up, lanes, ""), "far");
}

static LLVMValueRef in_two_steps(llvm_emitter *e, const kern_value *v)
{
    LLVMBuilderRef b = e->builder;
    format f = format_of(e, v->type);
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    LLVMTypeRef bits =
        v->lanes == 1 ? f.bits : LLVMVectorType(f.bits, (unsigned)v->lanes);
    LLVMValueRef x = llvm_use(e, v->args[0]), n = llvm_use(e, v->args[1]);
    LLVMValueRef far = far_of(e, &f, n, type, bits, v->lanes);
    LLVMValueRef near =
        LLVMBuildSub(b, exponent_of(e, &f, n, bits, v->lanes),
                     LLVMBuildBitCast(b, far, bits, ""), "near");
    x = LLVMBuildFMul(b, x, LLVMBuildBitCast(b, near, type, ""), "");
    return LLVMBuildFMul(b, x, far, "scaled");
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
