/*
 * internal.h - what the files of codegen/llvm share. LLVM's types stay here.
 */
#ifndef PTL_CODEGEN_LLVM_INTERNAL_H
#define PTL_CODEGEN_LLVM_INTERNAL_H

#include "codegen/cache/cache.h"
#include "codegen/llvm/llvm_jit.h"
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/Orc.h>
#include <llvm-c/TargetMachine.h>
#include <stddef.h>
#include <stdint.h>

/* ---------- context.c: which machine the code is for ---------- */

typedef struct llvm_machine {
    kern_target target;
    char *cpu, *features; /* LLVM's names; owned */
    int vector_bits;
} llvm_machine;

ptl_status llvm_machine_init(llvm_machine *machine, const char *cpu,
                             ptl_error *err);
void llvm_machine_fini(llvm_machine *machine);
/* A new target machine; each thread that compiles needs its own. */
ptl_status llvm_machine_open(const llvm_machine *machine,
                             LLVMTargetMachineRef *out, ptl_error *err);

/* The one place that consumes LLVM's errors: NULL is PTL_OK, any other becomes
 * `status` with `what` and LLVM's text. */
ptl_status llvm_failed(LLVMErrorRef error, ptl_status status, const char *what,
                       ptl_error *err);

/* ---------- emit.c: kernel form to LLVM IR ---------- */

typedef struct llvm_emitter {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const llvm_machine *machine;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr;
    /* The kernel being translated. */
    const kern_kernel *kernel;
    LLVMValueRef function;
    LLVMValueRef *buffers; /* base pointers, by buffer */
    LLVMValueRef *values;  /* by kern_value.id */
    LLVMValueRef *locals;  /* by kern_local.id */
    LLVMValueRef task;
} llvm_emitter;

/* Kernels of a module of which each stands for those with the same code. */
typedef struct llvm_share {
    const kern_module *module;
    const int *same;    /* kern_find_equal() */
    const int *kernels; /* the first of their code, in the module's order */
    int count;
} llvm_share;
/* All of `m`; the lists are in `arena`. */
llvm_share llvm_share_of(const kern_module *m, ptl_arena *arena);
/* Translates them into a new module in `context`. Those of the same code are
 * further names of one function. */
LLVMModuleRef llvm_emit_module(const llvm_share *share,
                               const llvm_machine *machine,
                               LLVMContextRef context);
/* A kernel inside the one being translated, as a function of its own with the
 * same parameters. */
LLVMValueRef llvm_inner_kernel(llvm_emitter *e, const kern_kernel *k);
/* Symbol of kernel `index`: "k3.softmax". Release with free(). */
char *llvm_kernel_symbol(const kern_module *m, int index);

LLVMTypeRef llvm_scalar_type(const llvm_emitter *e, kern_type type);
LLVMTypeRef llvm_value_type(const llvm_emitter *e, kern_type type, int lanes);
LLVMValueRef llvm_i64(const llvm_emitter *e, int64_t x);
LLVMValueRef llvm_splat(llvm_emitter *e, LLVMValueRef scalar, int lanes,
                        const char *name);
/* Lanes `first`, `first` + `step`, ... of `x` and, counted on, of `y` (NULL:
 * of `x` alone). */
LLVMValueRef llvm_take_lanes(llvm_emitter *e, LLVMValueRef x, LLVMValueRef y,
                             int first, int step, int count, const char *name);
/* Calls intrinsic `name`, overloaded on `types`. */
LLVMValueRef llvm_call_intrinsic(llvm_emitter *e, const char *name,
                                 LLVMTypeRef *types, unsigned type_count,
                                 LLVMValueRef *args, unsigned arg_count,
                                 const char *label);
LLVMBasicBlockRef llvm_block(llvm_emitter *e, const char *name);
LLVMValueRef llvm_gep(llvm_emitter *e, LLVMTypeRef type, LLVMValueRef base,
                      LLVMValueRef index, const char *name);
/* The value of `v`, which was computed before or is a constant. */
LLVMValueRef llvm_use(llvm_emitter *e, const kern_value *v);
/* Attributes every function of ours carries. */
void llvm_function_attributes(llvm_emitter *e, LLVMValueRef function);

/* for (index = lo; index < hi; index += step): the builder stands in the body
 * between llvm_loop_open() and llvm_loop_close(). */
typedef struct llvm_loop {
    LLVMValueRef index, hi, step;
    LLVMBasicBlockRef body, exit;
} llvm_loop;

llvm_loop llvm_loop_open(llvm_emitter *e, LLVMValueRef lo, LLVMValueRef hi,
                         LLVMValueRef step, const char *name);
void llvm_loop_close(llvm_emitter *e, llvm_loop *loop, int unroll);
/* The same over the tasks that were asked for: sets e->task. */
llvm_loop llvm_open_tasks(llvm_emitter *e);
/* Says how far the loop of branch `latch` is unrolled: exactly as wished. */
void llvm_set_unroll(llvm_emitter *e, LLVMValueRef latch, int unroll);

/* ---------- values.c, memory.c: single values ---------- */

LLVMValueRef llvm_constant(const llvm_emitter *e, const kern_value *v);
/* Instructions for `v`; its operands were computed before. */
LLVMValueRef llvm_emit_value(llvm_emitter *e, const kern_value *v);

/* scale.c: x * 2^n. */
LLVMValueRef llvm_emit_scale(llvm_emitter *e, const kern_value *v);

/* An element as it lies in memory. */
LLVMTypeRef llvm_element_type(const llvm_emitter *e, ptl_dtype dtype);
LLVMValueRef llvm_emit_load(llvm_emitter *e, const kern_value *v);
void llvm_emit_store(llvm_emitter *e, const kern_memory *at,
                     const kern_value *value);

/* ---------- micro.c, tile.c: contractions over packed operands ---------- */

/*
 * The micro-kernel for `tile`'s type and block, made once per module:
 * void ukr(i64 kc, ptr a, ptr b, ptr c, ptr rows, i1 first,
 *          ptr next_c, ptr next_rows, ptr ahead)
 * adds the product of the panels a [kc][mr] and b [kc][nr] to the block of C
 * whose row i starts at c + rows[i] and has `cols` columns; `first` starts from
 * zero instead. Where rows share a place the first of them stands. On the way
 * it asks for the block of C that comes next, next_c + next_rows[i], and for
 * LLVM_AHEAD_BYTES a step of k from `ahead` on; these need not exist.
 */
enum { LLVM_AHEAD_BYTES = 32, LLVM_MOST_LANES = 16 };
LLVMValueRef llvm_micro_kernel(llvm_emitter *e, const kern_tile *tile,
                               int cols);
/* The body of a TILE kernel for e->task. */
void llvm_emit_tile(llvm_emitter *e);

/* ---------- direct.c: contractions over operands where they lie ---------- */

/* All of a DIRECT kernel, its tasks in an order of its own. */
void llvm_emit_direct(llvm_emitter *e);

/* ---------- object.c: LLVM IR to machine code ---------- */

/* Runs our passes over `module`. */
ptl_status llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef tm,
                         ptl_error *err);
/* Machine code or assembly text of an optimized module. */
ptl_status llvm_generate(LLVMModuleRef module, LLVMTargetMachineRef tm,
                         bool assembly, LLVMMemoryBufferRef *out,
                         ptl_error *err);
/* All kernels of `m` as one or more relocatable objects, `*count` of them. */
ptl_status llvm_make_objects(const kern_module *m, const llvm_machine *machine,
                             code_object **out, int *count, ptl_error *err);

/* ---------- symbols.c ---------- */

/* Every function that generated code may call. */
typedef struct llvm_symbol {
    const char *name;
    uintptr_t address;
} llvm_symbol;
extern const llvm_symbol llvm_symbols[];
extern const int llvm_symbol_count;

#endif
