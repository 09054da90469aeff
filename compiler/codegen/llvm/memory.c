/*
 * memory.c - loads and stores: contiguous, splat, strided, gathered, masked.
 *
 * Alignment is that of one element: offsets are known only at run time, and an
 * aligned address costs nothing to access with an unaligned instruction.
 * Addresses are not marked inbounds: a masked lane may lie anywhere.
 */
#include "codegen/llvm/access.h"

enum { LINE = 64 }; /* bytes that travel together to and from the caches */

LLVMTypeRef llvm_element_type(const llvm_emitter *e, ptl_dtype dtype)
{
    switch (dtype) {
    case PTL_F32: return e->f32;
    case PTL_F64: return e->f64;
    case PTL_I32: return e->i32;
    case PTL_I64: return e->i64;
    case PTL_U8:
    case PTL_BOOL: return e->i8;
    default: break;
    }
    ptl_panic(__FILE__, __LINE__, "no kernel element type for dtype %d", dtype);
}

static llvm_access access_of(llvm_emitter *e, const kern_memory *at, int lanes)
{
    ptl_dtype dtype = e->kernel->buffers.data[at->buffer].dtype;
    LLVMTypeRef element = llvm_element_type(e, dtype);
    return (llvm_access){
        .element = element,
        .type = lanes == 1 ? element : LLVMVectorType(element, (unsigned)lanes),
        .align = (unsigned)dtype_size(dtype),
        .lanes = lanes,
        .at = llvm_gep(e, element, e->buffers[at->buffer],
                       llvm_use(e, at->offset), ""),
        .offsets = at->offsets ? llvm_use(e, at->offsets) : NULL,
        .mask = at->mask ? llvm_use(e, at->mask) : NULL,
        .stride = at->stride,
        .streamed = e->kernel->buffers.data[at->buffer].streamed,
    };
}

/* ---------- between memory types and values ---------- */

static LLVMValueRef from_memory(llvm_emitter *e, LLVMValueRef x,
                                const kern_value *v, const char *name)
{
    LLVMTypeRef type = llvm_value_type(e, v->type, v->lanes);
    if (LLVMTypeOf(x) == type)
        return x;
    if (v->type == KERN_BOOL)
        return LLVMBuildICmp(e->builder, LLVMIntNE, x,
                             LLVMConstNull(LLVMTypeOf(x)), name);
    return LLVMBuildZExt(e->builder, x, type, name); /* U8 as I32 */
}

static LLVMValueRef to_memory(llvm_emitter *e, LLVMValueRef x,
                              const kern_value *v, LLVMTypeRef type)
{
    if (LLVMTypeOf(x) == type)
        return x;
    if (v->type == KERN_BOOL)
        return LLVMBuildZExt(e->builder, x, type, "");
    return LLVMBuildTrunc(e->builder, x, type, "");
}

/* ---------- shapes of an access ---------- */

static LLVMValueRef all_lanes(llvm_emitter *e, int lanes)
{
    return LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)lanes));
}

static LLVMValueRef mask_or_all(llvm_emitter *e, const llvm_access *a)
{
    return a->mask ? a->mask : all_lanes(e, a->lanes);
}

/* Pointers to every lane. */
static LLVMValueRef lane_pointers(llvm_emitter *e, const llvm_access *a)
{
    LLVMValueRef steps[MAX_LANES];
    if (a->offsets)
        return llvm_gep(e, a->element, a->at, a->offsets, "");
    for (int i = 0; i < a->lanes; i++)
        steps[i] = llvm_i64(e, a->stride * i);
    return llvm_gep(e, a->element, a->at,
                    LLVMConstVector(steps, (unsigned)a->lanes), "");
}

static LLVMValueRef reversed(llvm_emitter *e, LLVMValueRef x, int lanes)
{
    return llvm_take_lanes(e, x, NULL, lanes - 1, -1, lanes, "");
}

/* Lanes run downwards: the same elements upwards, from the last lane. */
static llvm_access forwards(llvm_emitter *e, const llvm_access *a)
{
    llvm_access up = *a;
    up.at = llvm_gep(e, a->element, a->at, llvm_i64(e, 1 - a->lanes), "");
    up.stride = 1;
    if (a->mask)
        up.mask = reversed(e, a->mask, a->lanes);
    return up;
}

/* Lane `lane` of a strided access. */
static llvm_access lane_access(llvm_emitter *e, const llvm_access *a, int lane)
{
    llvm_access one = *a;
    one.lanes = 1;
    one.type = a->element;
    one.at = llvm_gep(e, a->element, a->at, llvm_i64(e, a->stride * lane), "");
    return one;
}

/* ---------- loads ---------- */

LLVMValueRef llvm_load_plain(llvm_emitter *e, const llvm_access *a,
                             const char *name)
{
    LLVMValueRef x = LLVMBuildLoad2(e->builder, a->type, a->at, name);
    LLVMSetAlignment(x, a->align);
    return x;
}

LLVMValueRef llvm_load_contiguous(llvm_emitter *e, const llvm_access *a,
                                  LLVMValueRef other, const char *name)
{
    return a->mask ? llvm_load_masked(e, a, other, name)
                   : llvm_load_plain(e, a, name);
}

/* One element under a one-lane mask: a branch, as no address may be touched. */
static LLVMValueRef load_one(llvm_emitter *e, const llvm_access *a,
                             LLVMValueRef other, const char *name)
{
    if (!a->mask)
        return llvm_load_plain(e, a, name);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef read = llvm_block(e, "read");
    LLVMBasicBlockRef after = llvm_block(e, "read.done");
    LLVMBuildCondBr(e->builder, a->mask, read, after);
    LLVMPositionBuilderAtEnd(e->builder, read);
    LLVMValueRef x = llvm_load_plain(e, a, "");
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
    LLVMValueRef phi = LLVMBuildPhi(e->builder, a->type, name);
    LLVMAddIncoming(phi, &x, &read, 1);
    LLVMAddIncoming(phi, &other, &from, 1);
    return phi;
}

/* One element for all lanes: read where any lane wants it. */
static LLVMValueRef load_splat(llvm_emitter *e, const llvm_access *a,
                               LLVMValueRef other, const char *name)
{
    llvm_access one = *a;
    one.lanes = 1;
    one.type = a->element;
    if (!a->mask)
        return llvm_splat(e, llvm_load_plain(e, &one, ""), a->lanes, name);
    LLVMTypeRef mask_type = LLVMTypeOf(a->mask);
    one.mask = llvm_call_intrinsic(e, "llvm.vector.reduce.or", &mask_type, 1,
                                   &(LLVMValueRef){a->mask}, 1, "");
    LLVMValueRef x = load_one(e, &one, LLVMConstNull(a->element), "");
    return LLVMBuildSelect(e->builder, a->mask,
                           llvm_splat(e, x, a->lanes, ""), other, name);
}

static LLVMValueRef load_gather(llvm_emitter *e, const llvm_access *a,
                                LLVMValueRef other, const char *name)
{
    LLVMValueRef at = lane_pointers(e, a);
    LLVMTypeRef types[] = {a->type, LLVMTypeOf(at)};
    LLVMValueRef args[] = {at, LLVMConstInt(e->i32, a->align, false),
                           mask_or_all(e, a), other};
    return llvm_call_intrinsic(e, "llvm.masked.gather", types, 2, args, 4,
                               name);
}

/* A stride known here, no mask: element by element, which takes half the time
 * of a gather where that is microcode, and no longer elsewhere. */
static LLVMValueRef load_each(llvm_emitter *e, const llvm_access *a)
{
    LLVMValueRef x = LLVMGetPoison(a->type);
    for (int i = 0; i < a->lanes; i++) {
        llvm_access one = lane_access(e, a, i);
        x = LLVMBuildInsertElement(e->builder, x, llvm_load_plain(e, &one, ""),
                                   llvm_i64(e, i), "");
    }
    return x;
}

static LLVMValueRef load_reversed(llvm_emitter *e, const llvm_access *a,
                                  LLVMValueRef other)
{
    llvm_access up = forwards(e, a);
    LLVMValueRef x =
        llvm_load_contiguous(e, &up, reversed(e, other, a->lanes), "");
    return reversed(e, x, a->lanes);
}

static LLVMValueRef load_access(llvm_emitter *e, llvm_access *a,
                                LLVMValueRef other, const char *name)
{
    if (a->lanes == 1) {
        if (a->offsets)
            a->at = llvm_gep(e, a->element, a->at, a->offsets, "");
        return load_one(e, a, other, name);
    }
    if (a->offsets)
        return load_gather(e, a, other, name);
    switch (a->stride) {
    case 0: return load_splat(e, a, other, name);
    case 1:
        return llvm_load_contiguous(e, a, other, name);
    case -1: return load_reversed(e, a, other);
    default:
        break;
    }
    if (llvm_has_wide_stride(e, a))
        return llvm_load_strided(e, a, other);
    return a->mask ? load_gather(e, a, other, name) : load_each(e, a);
}

/* Beyond the end of the memory it does nothing. */
static void prefetch(llvm_emitter *e, const llvm_access *a, int64_t ahead)
{
    LLVMValueRef args[] = {
        llvm_gep(e, a->element, a->at, llvm_i64(e, ahead), ""),
        LLVMConstInt(e->i32, 0, false),  /* for reading, */
        LLVMConstInt(e->i32, 3, false),  /* into the nearest cache */
        LLVMConstInt(e->i32, 1, false)}; /* of data */
    llvm_call_intrinsic(e, "llvm.prefetch", &e->ptr, 1, args, 4, "");
}

LLVMValueRef llvm_emit_load(llvm_emitter *e, const kern_value *v)
{
    const char *name = v->name ? v->name : "";
    llvm_access a = access_of(e, &v->memory, v->lanes);
    PTL_ASSERT(a.lanes <= MAX_LANES);
    LLVMValueRef other = LLVMConstNull(a.type);
    if (v->memory.ahead)
        prefetch(e, &a, v->memory.ahead);
    if (v->memory.other)
        other = to_memory(e, llvm_use(e, v->memory.other), v, a.type);
    return from_memory(e, load_access(e, &a, other, name), v, name);
}

/* ---------- stores ---------- */

static void store_plain(llvm_emitter *e, const llvm_access *a, LLVMValueRef x)
{
    LLVMSetAlignment(LLVMBuildStore(e->builder, x, a->at), a->align);
}

/* Around the caches: whole lines only, which is a question of the address. */
static void store_streamed(llvm_emitter *e, const llvm_access *a,
                           LLVMValueRef x)
{
    LLVMBuilderRef b = e->builder;
    LLVMBasicBlockRef line = llvm_block(e, "line");
    LLVMBasicBlockRef part = llvm_block(e, "part");
    LLVMBasicBlockRef after = llvm_block(e, "stored");
    LLVMValueRef at = LLVMBuildPtrToInt(b, a->at, e->i64, "");
    LLVMValueRef off = LLVMBuildAnd(b, at, llvm_i64(e, LINE - 1), "");
    LLVMValueRef whole =
        LLVMBuildICmp(b, LLVMIntEQ, off, llvm_i64(e, 0), "");
    LLVMBuildCondBr(b, whole, line, part);
    LLVMPositionBuilderAtEnd(b, line);
    LLVMValueRef store = LLVMBuildStore(b, x, a->at);
    LLVMSetAlignment(store, LINE);
    LLVMValueRef one = LLVMConstInt(e->i32, 1, false);
    LLVMMetadataRef mark = LLVMValueAsMetadata(one);
    LLVMSetMetadata(
        store, LLVMGetMDKindIDInContext(e->context, "nontemporal", 11),
        LLVMMetadataAsValue(e->context,
                            LLVMMDNodeInContext2(e->context, &mark, 1)));
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, part);
    store_plain(e, a, x);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

void llvm_store_contiguous(llvm_emitter *e, const llvm_access *a,
                           LLVMValueRef x)
{
    if (!a->mask && a->streamed && (unsigned)a->lanes * a->align == LINE) {
        store_streamed(e, a, x);
        return;
    }
    if (!a->mask) {
        store_plain(e, a, x);
        return;
    }
    LLVMTypeRef types[] = {a->type, e->ptr};
    LLVMValueRef args[] = {x, a->at, LLVMConstInt(e->i32, a->align, false),
                           a->mask};
    llvm_call_intrinsic(e, "llvm.masked.store", types, 2, args, 4, "");
}

static void store_one(llvm_emitter *e, const llvm_access *a, LLVMValueRef x)
{
    if (!a->mask) {
        store_plain(e, a, x);
        return;
    }
    LLVMBasicBlockRef write = llvm_block(e, "write");
    LLVMBasicBlockRef after = llvm_block(e, "write.done");
    LLVMBuildCondBr(e->builder, a->mask, write, after);
    LLVMPositionBuilderAtEnd(e->builder, write);
    store_plain(e, a, x);
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

/* Where two lanes meet the later one stands, as the intrinsic promises. */
static void store_scatter(llvm_emitter *e, const llvm_access *a, LLVMValueRef x)
{
    LLVMValueRef at = lane_pointers(e, a);
    LLVMTypeRef types[] = {a->type, LLVMTypeOf(at)};
    LLVMValueRef args[] = {x, at, LLVMConstInt(e->i32, a->align, false),
                           mask_or_all(e, a)};
    llvm_call_intrinsic(e, "llvm.masked.scatter", types, 2, args, 4, "");
}

static void store_each(llvm_emitter *e, const llvm_access *a, LLVMValueRef x)
{
    for (int i = 0; i < a->lanes; i++) {
        llvm_access one = lane_access(e, a, i);
        store_plain(e, &one,
                    LLVMBuildExtractElement(e->builder, x, llvm_i64(e, i), ""));
    }
}

void llvm_emit_store(llvm_emitter *e, const kern_memory *at,
                     const kern_value *value)
{
    llvm_access a = access_of(e, at, value->lanes);
    PTL_ASSERT(a.lanes <= MAX_LANES);
    LLVMValueRef x = to_memory(e, llvm_use(e, value), value, a.type);
    if (a.lanes == 1) {
        if (a.offsets)
            a.at = llvm_gep(e, a.element, a.at, a.offsets, "");
        store_one(e, &a, x);
    } else if (!a.offsets && a.stride == 1) {
        llvm_store_contiguous(e, &a, x);
    } else if (!a.offsets && a.stride == -1) {
        llvm_access up = forwards(e, &a);
        llvm_store_contiguous(e, &up, reversed(e, x, a.lanes));
    } else if (!a.offsets && llvm_has_wide_stride(e, &a)) {
        llvm_store_strided(e, &a, x);
    } else if (!a.offsets && !a.mask) {
        store_each(e, &a, x);
    } else {
        store_scatter(e, &a, x);
    }
}
