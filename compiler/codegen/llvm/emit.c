/*
 * emit.c - kernels in kernel form become functions of LLVM IR, one to one.
 *
 * A kernel is one function void (ptr args, i64 begin, i64 end) that runs its
 * body for each task in [begin, end). Locals are stack slots, which the passes
 * turn into registers; values keep their names, because someone reads the dump.
 *
 * Needs:    a module that passed kern_verify().
 * Provides: an LLVM module with one external function per kernel.
 * Keeps:    every operation and its order; nothing is decided here.
 */
#include "codegen/llvm/internal.h"
#include <ctype.h>
#include <llvm-c/DebugInfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void emit_block(llvm_emitter *e, const kern_block *block);

/* ---------- helpers every part uses ---------- */

LLVMBasicBlockRef llvm_block(llvm_emitter *e, const char *name)
{
    return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

LLVMValueRef llvm_gep(llvm_emitter *e, LLVMTypeRef type, LLVMValueRef base,
                      LLVMValueRef index, const char *name)
{
    return LLVMBuildGEP2(e->builder, type, base, &index, 1, name);
}

LLVMValueRef llvm_use(llvm_emitter *e, const kern_value *v)
{
    if (v->op == KERN_CONST)
        return llvm_constant(e, v);
    PTL_ASSERT(e->values[v->id]);
    return e->values[v->id];
}

/* LLVM-C's own constant is an int, -1. */
static const LLVMAttributeIndex on_function = ~0u;

static void add_enum_attribute(llvm_emitter *e, LLVMValueRef function,
                               LLVMAttributeIndex at, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, at,
                            LLVMCreateEnumAttribute(e->context, kind, 0));
}

static void add_text_attribute(llvm_emitter *e, LLVMValueRef function,
                               const char *name, const char *value)
{
    LLVMAddAttributeAtIndex(
        function, on_function,
        LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name),
                                  value, (unsigned)strlen(value)));
}

void llvm_function_attributes(llvm_emitter *e, LLVMValueRef function)
{
    char bits[16];
    snprintf(bits, sizeof bits, "%d", e->machine->vector_bits);
    add_enum_attribute(e, function, on_function, "nounwind");
    /* Without both, 512-bit values may be split into two of 256. */
    add_text_attribute(e, function, "prefer-vector-width", bits);
    add_text_attribute(e, function, "min-legal-vector-width", bits);
}

/* ---------- loops ---------- */

llvm_loop llvm_loop_open(llvm_emitter *e, LLVMValueRef lo, LLVMValueRef hi,
                         LLVMValueRef step, const char *name)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
    llvm_loop loop = {.hi = hi, .step = step};
    char label[64];
    snprintf(label, sizeof label, "%.48s.loop", name);
    loop.body = llvm_block(e, label);
    snprintf(label, sizeof label, "%.48s.done", name);
    loop.exit = llvm_block(e, label);
    LLVMBuildCondBr(e->builder,
                    LLVMBuildICmp(e->builder, LLVMIntSLT, lo, hi, ""),
                    loop.body, loop.exit);
    LLVMPositionBuilderAtEnd(e->builder, loop.body);
    loop.index = LLVMBuildPhi(e->builder, e->i64, name);
    LLVMAddIncoming(loop.index, &lo, &before, 1);
    return loop;
}

void llvm_set_unroll(llvm_emitter *e, LLVMValueRef latch, int unroll)
{
    LLVMContextRef c = e->context;
    const char *wish =
        unroll > 1 ? "llvm.loop.unroll.count" : "llvm.loop.unroll.disable";
    LLVMMetadataRef parts[2] = {
        LLVMMDStringInContext2(c, wish, strlen(wish)),
        LLVMValueAsMetadata(
            LLVMConstInt(e->i32, (unsigned long long)unroll, false)),
    };
    /* A loop's identity is a node whose first operand is the node itself. */
    LLVMMetadataRef self = LLVMTemporaryMDNode(c, NULL, 0);
    LLVMMetadataRef operands[2] = {
        self, LLVMMDNodeInContext2(c, parts, unroll > 1 ? 2 : 1)};
    LLVMMetadataRef id = LLVMMDNodeInContext2(c, operands, 2);
    LLVMMetadataReplaceAllUsesWith(self, id);
    unsigned kind = LLVMGetMDKindIDInContext(c, "llvm.loop", 9);
    LLVMSetMetadata(latch, kind, LLVMMetadataAsValue(c, id));
}

void llvm_loop_close(llvm_emitter *e, llvm_loop *loop, int unroll)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef next = LLVMBuildNSWAdd(b, loop->index, loop->step, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
    LLVMAddIncoming(loop->index, &next, &latch, 1);
    LLVMValueRef branch =
        LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, loop->hi, ""),
                        loop->body, loop->exit);
    llvm_set_unroll(e, branch, unroll);
    LLVMPositionBuilderAtEnd(b, loop->exit);
}

/* ---------- statements ---------- */

static void emit_loop(llvm_emitter *e, const kern_stmt *s)
{
    llvm_loop loop = llvm_loop_open(e, llvm_use(e, s->lo), llvm_use(e, s->hi),
                                    llvm_i64(e, s->step),
                                    s->index->name ? s->index->name : "i");
    e->values[s->index->id] = loop.index;
    emit_block(e, s->body);
    llvm_loop_close(e, &loop, s->unroll);
}

static void emit_if(llvm_emitter *e, const kern_stmt *s)
{
    LLVMBasicBlockRef then = llvm_block(e, "then");
    LLVMBasicBlockRef other = llvm_block(e, "else");
    LLVMBasicBlockRef after = llvm_block(e, "endif");
    LLVMBuildCondBr(e->builder, llvm_use(e, s->value), then, other);
    LLVMPositionBuilderAtEnd(e->builder, then);
    if (s->body)
        emit_block(e, s->body);
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, other);
    if (s->other_body)
        emit_block(e, s->other_body);
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

static void emit_stmt(llvm_emitter *e, const kern_stmt *s)
{
    switch (s->kind) {
    case KERN_DO:
        e->values[s->value->id] = llvm_emit_value(e, s->value);
        return;
    case KERN_SET:
        LLVMBuildStore(e->builder, llvm_use(e, s->value),
                       e->locals[s->local->id]);
        return;
    case KERN_STORE:
        llvm_emit_store(e, &s->memory, s->value);
        return;
    case KERN_LOOP:
        emit_loop(e, s);
        return;
    case KERN_IF:
        emit_if(e, s);
        return;
    }
    PTL_ASSERT(!"a statement");
}

static void emit_block(llvm_emitter *e, const kern_block *block)
{
    for (int i = 0; i < block->stmts.count; i++)
        emit_stmt(e, block->stmts.data[i]);
}

/* ---------- locals ---------- */

static void make_local(llvm_emitter *e, const kern_local *local)
{
    if (e->locals[local->id])
        return;
    LLVMTypeRef type = llvm_value_type(e, local->type, local->lanes);
    e->locals[local->id] =
        LLVMBuildAlloca(e->builder, type, local->name ? local->name : "");
}

/* Slots for every local that `block` sets or gets. */
static void make_locals(llvm_emitter *e, const kern_block *block)
{
    if (!block)
        return;
    for (int i = 0; i < block->stmts.count; i++) {
        const kern_stmt *s = block->stmts.data[i];
        if (s->kind == KERN_SET)
            make_local(e, s->local);
        if (s->kind == KERN_DO && s->value->op == KERN_GET)
            make_local(e, s->value->local);
        make_locals(e, s->body);
        make_locals(e, s->other_body);
    }
}

/* ---------- kernels ---------- */

char *llvm_kernel_symbol(const kern_module *m, int index)
{
    char *name = NULL;
    const char *text = m->kernels.data[index]->name;
    PTL_ASSERT(asprintf(&name, "k%d.%s", index, text ? text : "kernel") >= 0);
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '.')
            *at = '_';
    return name;
}

static LLVMValueRef make_scratch(llvm_emitter *e, const kern_buffer *b)
{
    LLVMTypeRef type =
        LLVMArrayType2(llvm_element_type(e, b->dtype), (uint64_t)b->scratch);
    LLVMValueRef at =
        LLVMBuildAlloca(e->builder, type, b->name ? b->name : "scratch");
    LLVMSetAlignment(at, PTL_BUFFER_ALIGN);
    return at;
}

/* Base pointers of the buffers, read once from the argument array. */
static void load_buffers(llvm_emitter *e, LLVMValueRef args)
{
    LLVMMetadataRef none = LLVMMDNodeInContext2(e->context, NULL, 0);
    unsigned kind = LLVMGetMDKindIDInContext(e->context, "invariant.load", 14);
    int argument = 0;
    for (int i = 0; i < e->kernel->buffers.count; i++) {
        const kern_buffer *b = &e->kernel->buffers.data[i];
        const char *name = b->name;
        if (b->scratch) {
            e->buffers[i] = make_scratch(e, b);
            continue;
        }
        LLVMValueRef at =
            llvm_gep(e, e->ptr, args, llvm_i64(e, argument++), "");
        e->buffers[i] =
            LLVMBuildLoad2(e->builder, e->ptr, at, name ? name : "buffer");
        LLVMSetMetadata(e->buffers[i], kind,
                        LLVMMetadataAsValue(e->context, none));
    }
}

static LLVMValueRef kernel_function(llvm_emitter *e, const char *name)
{
    LLVMTypeRef params[] = {e->ptr, e->i64, e->i64};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(e->context), params, 3, false);
    LLVMValueRef f = LLVMAddFunction(e->module, name, type);
    const char *names[] = {"args", "begin", "end"};
    for (unsigned i = 0; i < 3; i++)
        LLVMSetValueName2(LLVMGetParam(f, i), names[i], strlen(names[i]));
    llvm_function_attributes(e, f);
    add_enum_attribute(e, f, 1, "noalias");
    add_enum_attribute(e, f, 1, "readonly");
    add_enum_attribute(e, f, 1, "nocapture");
    return f;
}

/* What was stored around the caches is ordered by a fence alone. */
static void finish_streams(llvm_emitter *e)
{
    for (int i = 0; i < e->kernel->buffers.count; i++)
        if (e->kernel->buffers.data[i].streamed) {
            LLVMBuildFence(e->builder, LLVMAtomicOrderingSequentiallyConsistent,
                           false, "");
            return;
        }
}

static void emit_body(llvm_emitter *e)
{
    if (e->kernel->kind == KERN_TILE)
        llvm_emit_tile(e);
    else
        emit_block(e, e->kernel->body);
}

llvm_loop llvm_open_tasks(llvm_emitter *e)
{
    llvm_loop tasks =
        llvm_loop_open(e, LLVMGetParam(e->function, 1),
                       LLVMGetParam(e->function, 2), llvm_i64(e, 1), "task");
    e->task = tasks.index;
    return tasks;
}

static void emit_tasks(llvm_emitter *e)
{
    if (e->kernel->kind == KERN_DIRECT) {
        llvm_emit_direct(e);
        return;
    }
    llvm_loop tasks = llvm_open_tasks(e);
    emit_body(e);
    llvm_loop_close(e, &tasks, 0);
}

static void emit_kernel(llvm_emitter *e, const kern_kernel *k, const char *name)
{
    e->kernel = k;
    e->function = kernel_function(e, name);
    e->values = calloc((size_t)k->value_count + 1, sizeof *e->values);
    e->locals = calloc((size_t)k->local_count + 1, sizeof *e->locals);
    e->buffers = calloc((size_t)k->buffers.count + 1, sizeof *e->buffers);
    PTL_ASSERT(e->values && e->locals && e->buffers);

    LLVMPositionBuilderAtEnd(e->builder, llvm_block(e, "entry"));
    if (k->kind == KERN_NEST)
        make_locals(e, k->body);
    load_buffers(e, LLVMGetParam(e->function, 0));
    emit_tasks(e);
    finish_streams(e);
    LLVMBuildRetVoid(e->builder);

    free(e->values);
    free(e->locals);
    free(e->buffers);
}

LLVMValueRef llvm_inner_kernel(llvm_emitter *e, const kern_kernel *k)
{
    llvm_emitter outer = *e;
    char *name = NULL;
    size_t length;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
    const char *of = LLVMGetValueName2(e->function, &length);
    PTL_ASSERT(asprintf(&name, "%.*s.%s", (int)length, of, k->name) >= 0);
    emit_kernel(e, k, name);
    LLVMValueRef made = e->function;
    LLVMSetLinkage(made, LLVMInternalLinkage);
    free(name);
    *e = outer;
    LLVMPositionBuilderAtEnd(e->builder, here);
    return made;
}

static llvm_emitter emitter_in(LLVMContextRef c, const llvm_machine *machine)
{
    return (llvm_emitter){
        .context = c,
        .module = LLVMModuleCreateWithNameInContext("ptl", c),
        .builder = LLVMCreateBuilderInContext(c),
        .machine = machine,
        .i1 = LLVMInt1TypeInContext(c),
        .i8 = LLVMInt8TypeInContext(c),
        .i32 = LLVMInt32TypeInContext(c),
        .i64 = LLVMInt64TypeInContext(c),
        .f32 = LLVMFloatTypeInContext(c),
        .f64 = LLVMDoubleTypeInContext(c),
        .ptr = LLVMPointerTypeInContext(c, 0),
    };
}

llvm_share llvm_share_of(const kern_module *m, ptl_arena *arena)
{
    llvm_share all = {.module = m, .same = kern_find_equal(m, arena)};
    int *kernels = ARENA_ARRAY(arena, int, m->kernels.count + 1);
    for (int i = 0; i < m->kernels.count; i++)
        if (all.same[i] == i)
            kernels[all.count++] = i;
    all.kernels = kernels;
    return all;
}

/* The other names of the function just made, which is kernel `index`. */
static void add_names(llvm_emitter *e, const llvm_share *share, int index)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(e->function);
    for (int i = index + 1; i < share->module->kernels.count; i++) {
        if (share->same[i] != index)
            continue;
        char *name = llvm_kernel_symbol(share->module, i);
        LLVMAddAlias2(e->module, type, 0, e->function, name);
        free(name);
    }
}

LLVMModuleRef llvm_emit_module(const llvm_share *share,
                               const llvm_machine *machine,
                               LLVMContextRef context)
{
    llvm_emitter e = emitter_in(context, machine);
    for (int i = 0; i < share->count; i++) {
        int index = share->kernels[i];
        char *name = llvm_kernel_symbol(share->module, index);
        emit_kernel(&e, share->module->kernels.data[index], name);
        add_names(&e, share, index);
        free(name);
    }
    LLVMDisposeBuilder(e.builder);
    return e.module;
}
