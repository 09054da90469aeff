/*
 * values.c - one value of the kernel form becomes its LLVM instructions.
 *
 * No instruction carries a fast-math flag: what is computed, and in which
 * order, was decided before.
 */
#include "codegen/llvm/internal.h"
#include <string.h>

static bool is_real(kern_type type)
{
    return type == KERN_F32 || type == KERN_F64;
}

static const char *name_of(const kern_value *v)
{
    return v->name ? v->name : "";
}

LLVMTypeRef llvm_scalar_type(const llvm_emitter *e, kern_type type)
{
    switch (type) {
    case KERN_F32: return e->f32;
    case KERN_F64: return e->f64;
    case KERN_I32: return e->i32;
    case KERN_I64: return e->i64;
    case KERN_BOOL: return e->i1;
    }
    PTL_ASSERT(!"a kernel type");
    return NULL;
}

static LLVMTypeRef lanes_of(LLVMTypeRef scalar, int lanes)
{
    return lanes == 1 ? scalar : LLVMVectorType(scalar, (unsigned)lanes);
}

LLVMTypeRef llvm_value_type(const llvm_emitter *e, kern_type type, int lanes)
{
    return lanes_of(llvm_scalar_type(e, type), lanes);
}

LLVMValueRef llvm_i64(const llvm_emitter *e, int64_t x)
{
    return LLVMConstInt(e->i64, (unsigned long long)x, true);
}

LLVMValueRef llvm_call_intrinsic(llvm_emitter *e, const char *name,
                                 LLVMTypeRef *types, unsigned type_count,
                                 LLVMValueRef *args, unsigned arg_count,
                                 const char *label)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    PTL_ASSERT(id != 0);
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->module, id, types,
                                                 type_count);
    return LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(f), f, args,
                          arg_count, label);
}

/* ---------- constants, splats, lanes ---------- */

enum { MAX_LANES = 64 };

LLVMValueRef llvm_splat(llvm_emitter *e, LLVMValueRef scalar, int lanes,
                        const char *name)
{
    LLVMTypeRef type = lanes_of(LLVMTypeOf(scalar), lanes);
    LLVMTypeRef mask = LLVMVectorType(e->i32, (unsigned)lanes);
    if (lanes == 1)
        return scalar;
    LLVMValueRef one = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type),
                                              scalar, llvm_i64(e, 0), "");
    return LLVMBuildShuffleVector(e->builder, one, LLVMGetPoison(type),
                                  LLVMConstNull(mask), name);
}

LLVMValueRef llvm_take_lanes(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y,
                             int first, int step, int count, const char *name)
{
    LLVMValueRef which[MAX_LANES];
    PTL_ASSERT(count <= MAX_LANES);
    for (int i = 0; i < count; i++)
        which[i] =
            LLVMConstInt(e->i32, (unsigned long long)(first + step * i), false);
    return LLVMBuildShuffleVector(
        e->builder, x, y ? y : LLVMGetPoison(LLVMTypeOf(x)),
        LLVMConstVector(which, (unsigned)count), name);
}

static LLVMValueRef constant_splat(LLVMValueRef scalar, int lanes)
{
    LLVMValueRef all[MAX_LANES];
    if (lanes == 1)
        return scalar;
    PTL_ASSERT(lanes <= MAX_LANES);
    for (int i = 0; i < lanes; i++)
        all[i] = scalar;
    return LLVMConstVector(all, (unsigned)lanes);
}

LLVMValueRef llvm_constant(const llvm_emitter *e, const kern_value *v)
{
    LLVMTypeRef type = llvm_scalar_type(e, v->type);
    if (is_real(v->type))
        return constant_splat(LLVMConstReal(type, v->number), v->lanes);
    return constant_splat(
        LLVMConstInt(type, (unsigned long long)v->integer, true), v->lanes);
}

static LLVMValueRef lane_numbers(LLVMTypeRef type, int lanes)
{
    LLVMValueRef all[MAX_LANES];
    PTL_ASSERT(lanes <= MAX_LANES);
    for (int i = 0; i < lanes; i++)
        all[i] = LLVMConstInt(type, (unsigned long long)i, false);
    return lanes == 1 ? all[0] : LLVMConstVector(all, (unsigned)lanes);
}

/* ---------- tables of plain operations ---------- */

/* LLVM's instruction for a binary operation; 0 where it is none. */
typedef struct binary_row {
    LLVMOpcode real, integer;
} binary_row;

static const binary_row binary[KERN_OP_COUNT] = {
    [KERN_ADD] = {LLVMFAdd, LLVMAdd}, [KERN_SUB] = {LLVMFSub, LLVMSub},
    [KERN_MUL] = {LLVMFMul, LLVMMul}, [KERN_DIV] = {LLVMFDiv, LLVMSDiv},
    [KERN_REM] = {0, LLVMSRem},       [KERN_AND] = {0, LLVMAnd},
    [KERN_OR] = {0, LLVMOr},          [KERN_XOR] = {0, LLVMXor},
    [KERN_SHL] = {0, LLVMShl},        [KERN_SHR] = {0, LLVMLShr},
    [KERN_SAR] = {0, LLVMAShr},
};

typedef struct compare_row {
    LLVMRealPredicate real; /* 0 (always false) marks: no comparison */
    LLVMIntPredicate integer;
} compare_row;

static const compare_row compare[KERN_OP_COUNT] = {
    [KERN_EQ] = {LLVMRealOEQ, LLVMIntEQ},
    [KERN_NE] = {LLVMRealUNE, LLVMIntNE},
    [KERN_LT] = {LLVMRealOLT, LLVMIntSLT},
    [KERN_LE] = {LLVMRealOLE, LLVMIntSLE},
    [KERN_GT] = {LLVMRealOGT, LLVMIntSGT},
    [KERN_GE] = {LLVMRealOGE, LLVMIntSGE},
};

/* Operations that are one intrinsic overloaded on their own type. */
typedef struct intrinsic_row {
    const char *real, *integer;
} intrinsic_row;

static const intrinsic_row intrinsic[KERN_OP_COUNT] = {
    [KERN_FMA] = {"llvm.fma", NULL},
    [KERN_SQRT] = {"llvm.sqrt", NULL},
    [KERN_FLOOR] = {"llvm.floor", NULL},
    [KERN_CEIL] = {"llvm.ceil", NULL},
    [KERN_ROUND] = {"llvm.roundeven", NULL},
    [KERN_ABS] = {"llvm.fabs", NULL},
    [KERN_MIN] = {NULL, "llvm.smin"},
    [KERN_MAX] = {NULL, "llvm.smax"},
};

static LLVMValueRef emit_binary(llvm_emitter *e, const kern_value *v)
{
    const binary_row *row = &binary[v->op];
    return LLVMBuildBinOp(e->builder,
                          is_real(v->type) ? row->real : row->integer,
                          llvm_use(e, v->args[0]), llvm_use(e, v->args[1]),
                          name_of(v));
}

static LLVMValueRef emit_compare(llvm_emitter *e, const kern_value *v)
{
    const compare_row *row = &compare[v->op];
    LLVMValueRef x = llvm_use(e, v->args[0]), y = llvm_use(e, v->args[1]);
    if (is_real(v->args[0]->type))
        return LLVMBuildFCmp(e->builder, row->real, x, y, name_of(v));
    return LLVMBuildICmp(e->builder, row->integer, x, y, name_of(v));
}

static LLVMValueRef emit_intrinsic(llvm_emitter *e, const kern_value *v)
{
    const intrinsic_row *row = &intrinsic[v->op];
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    LLVMValueRef args[3];
    unsigned count = 0;
    while (count < 3 && v->args[count]) {
        args[count] = llvm_use(e, v->args[count]);
        count++;
    }
    return llvm_call_intrinsic(e, is_real(v->type) ? row->real : row->integer,
                               &type, 1, args, count, name_of(v));
}

/* ---------- operations of their own ---------- */

static LLVMValueRef emit_integer_abs(llvm_emitter *e, const kern_value *v)
{
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    LLVMValueRef args[] = {llvm_use(e, v->args[0]),
                           LLVMConstInt(e->i1, 0, false)}; /* wraps */
    return llvm_call_intrinsic(e, "llvm.abs", &type, 1, args, 2, name_of(v));
}

static LLVMValueRef emit_neg(llvm_emitter *e, const kern_value *v)
{
    LLVMValueRef x = llvm_use(e, v->args[0]);
    return is_real(v->type) ? LLVMBuildFNeg(e->builder, x, name_of(v))
                            : LLVMBuildNeg(e->builder, x, name_of(v));
}

static LLVMValueRef emit_lane(llvm_emitter *e, const kern_value *v)
{
    LLVMValueRef x = llvm_use(e, v->args[0]);
    if (v->args[0]->lanes == 1)
        return x;
    return LLVMBuildExtractElement(e->builder, x, llvm_i64(e, v->integer),
                                   name_of(v));
}

static LLVMValueRef emit_mulhi(llvm_emitter *e, const kern_value *v)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef wide = llvm_value_type(e, KERN_I64, v->lanes);
    LLVMTypeRef narrow = llvm_value_type(e, KERN_I32, v->lanes);
    LLVMValueRef x = LLVMBuildZExt(b, llvm_use(e, v->args[0]), wide, "");
    LLVMValueRef y = LLVMBuildZExt(b, llvm_use(e, v->args[1]), wide, "");
    LLVMValueRef shift = constant_splat(llvm_i64(e, 32), v->lanes);
    LLVMValueRef high =
        LLVMBuildLShr(b, LLVMBuildMul(b, x, y, ""), shift, "");
    return LLVMBuildTrunc(b, high, narrow, name_of(v));
}

static LLVMValueRef convert_from_real(llvm_emitter *e, LLVMValueRef x,
                                      const kern_value *v, LLVMTypeRef to)
{
    if (!is_real(v->type))
        return LLVMBuildFPToSI(e->builder, x, to, name_of(v));
    return LLVMBuildFPCast(e->builder, x, to, name_of(v));
}

static LLVMValueRef emit_convert(llvm_emitter *e, const kern_value *v)
{
    LLVMBuilderRef b = e->builder;
    kern_type from = v->args[0]->type;
    LLVMValueRef x = llvm_use(e, v->args[0]);
    LLVMTypeRef to = llvm_value_type(e, v->type, v->lanes);
    if (is_real(from))
        return convert_from_real(e, x, v, to);
    if (from == KERN_BOOL)
        return is_real(v->type) ? LLVMBuildUIToFP(b, x, to, name_of(v))
                                : LLVMBuildZExt(b, x, to, name_of(v));
    return is_real(v->type)
               ? LLVMBuildSIToFP(b, x, to, name_of(v))
               : LLVMBuildIntCast2(b, x, to, true, name_of(v));
}

static LLVMValueRef emit_shuffle(llvm_emitter *e, const kern_value *v)
{
    LLVMValueRef order[MAX_LANES];
    PTL_ASSERT(v->lanes <= MAX_LANES);
    for (int i = 0; i < v->lanes; i++)
        order[i] = LLVMConstInt(e->i32, v->order[i], false);
    return LLVMBuildShuffleVector(
        e->builder, llvm_use(e, v->args[0]), llvm_use(e, v->args[1]),
        LLVMConstVector(order, (unsigned)v->lanes), name_of(v));
}

/* Lane i and lane i + half, halving. */
static LLVMValueRef emit_hsum(llvm_emitter *e, const kern_value *v)
{
    LLVMOpcode add = binary[KERN_ADD].real;
    LLVMValueRef x = llvm_use(e, v->args[0]);
    int lanes = v->args[0]->lanes;
    if (!is_real(v->type))
        add = binary[KERN_ADD].integer;
    if (lanes == 1)
        return x;
    PTL_ASSERT(lanes <= MAX_LANES);
    for (int half = lanes / 2; half >= 1; half /= 2)
        x = LLVMBuildBinOp(e->builder, add,
                           llvm_take_lanes(e, x, NULL, 0, 1, half, ""),
                           llvm_take_lanes(e, x, NULL, half, 1, half, ""), "");
    return LLVMBuildExtractElement(e->builder, x, llvm_i64(e, 0), name_of(v));
}

static LLVMValueRef emit_any(llvm_emitter *e, const kern_value *v)
{
    LLVMValueRef x = llvm_use(e, v->args[0]);
    LLVMTypeRef type = LLVMTypeOf(x);
    if (v->args[0]->lanes == 1)
        return x;
    return llvm_call_intrinsic(e, "llvm.vector.reduce.or", &type, 1, &x, 1,
                               name_of(v));
}

static LLVMValueRef emit_get(llvm_emitter *e, const kern_value *v)
{
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    const char *name = v->name ? v->name : v->local->name;
    return LLVMBuildLoad2(e->builder, type, e->locals[v->local->id],
                          name ? name : "");
}

LLVMValueRef llvm_emit_value(llvm_emitter *e, const kern_value *v)
{
    if (binary[v->op].integer)
        return emit_binary(e, v);
    if (compare[v->op].real)
        return emit_compare(e, v);
    if (intrinsic[v->op].real && is_real(v->type))
        return emit_intrinsic(e, v);
    if (intrinsic[v->op].integer && !is_real(v->type))
        return emit_intrinsic(e, v);
    switch (v->op) {
    case KERN_CONST: return llvm_constant(e, v);
    case KERN_TASK: return e->task;
    case KERN_GET: return emit_get(e, v);
    case KERN_IOTA:
        return lane_numbers(llvm_scalar_type(e, v->type), v->lanes);
    case KERN_SPLAT:
        return llvm_splat(e, llvm_use(e, v->args[0]), v->lanes, name_of(v));
    case KERN_LANE: return emit_lane(e, v);
    case KERN_SHUFFLE:
        return emit_shuffle(e, v);
    case KERN_SCALE: return llvm_emit_scale(e, v);
    case KERN_NEG: return emit_neg(e, v);
    case KERN_ABS: return emit_integer_abs(e, v);
    case KERN_NOT:
        return LLVMBuildNot(e->builder, llvm_use(e, v->args[0]), name_of(v));
    case KERN_MULHI: return emit_mulhi(e, v);
    case KERN_SELECT:
        return LLVMBuildSelect(e->builder, llvm_use(e, v->args[0]),
                               llvm_use(e, v->args[1]),
                               llvm_use(e, v->args[2]), name_of(v));
    case KERN_CONVERT: return emit_convert(e, v);
    case KERN_BITCAST:
        return LLVMBuildBitCast(e->builder, llvm_use(e, v->args[0]),
                                llvm_value_type(e, v->type, v->lanes),
                                name_of(v));
    case KERN_LOAD: return llvm_emit_load(e, v);
    case KERN_HSUM: return emit_hsum(e, v);
    case KERN_ANY: return emit_any(e, v);
    default: break; /* INDEX is known from its loop; the rest is in tables */
    }
    ptl_panic(__FILE__, __LINE__, "no code for kernel operation %d", v->op);
}
