/*
 * object.c - LLVM IR to relocatable machine code, kernels shared out to
 * threads.
 *
 * The JIT runs no optimizer by itself, so the passes run here. The list is
 * short and holds nothing that changes a float: no fast-math flag is set, so no
 * pass may reassociate or contract, and the vectorizers, which look for freedom
 * that is not there, stay out. What instcombine leaves of a vector of which one
 * lane is used, vector-combine makes a scalar; x86's code generation of LLVM 19
 * takes some such comparisons for false (fuzz/comp/found/one_lane_compared.ir).
 *
 * Needs:    a module that passed kern_verify().
 * Provides: objects that together define every kernel of it.
 * Keeps:    the code of a kernel depends on it alone: how they are shared out
 *           to objects changes no instruction. Kernels of the same code have it
 *           once: a network of many equal layers takes as long as one of few.
 */
#include "codegen/llvm/internal.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char passes[] =
    "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,"
    "simplifycfg,loop-mssa(licm),gvn,loop-unroll<O2>,early-cse,"
    "instcombine<no-verify-fixpoint>,vector-combine,simplifycfg),globaldce";

/* Fewer kernels than this to a thread are not worth a thread. */
enum { MOST_PARTS = 16, LEAST_KERNELS = 4 };

/* ---------- one module ---------- */

/* LLVM reports what code generation cannot do here instead of to stderr. */
typedef struct report {
    bool failed;
    char text[512];
} report;

static void take_report(LLVMDiagnosticInfoRef info, void *context)
{
    report *r = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || r->failed)
        return;
    char *text = LLVMGetDiagInfoDescription(info);
    strncpy(r->text, text, sizeof r->text - 1);
    r->failed = true;
    LLVMDisposeMessage(text);
}

static ptl_status verify(LLVMModuleRef module, ptl_error *err)
{
    char *text = NULL;
    ptl_status st = PTL_OK;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &text))
        st = ptl_fail(err, PTL_E_INTERNAL, "LLVM refused our code: %s", text);
    LLVMDisposeMessage(text);
    return st;
}

static void set_target(LLVMModuleRef module, LLVMTargetMachineRef tm)
{
    char *triple = LLVMGetTargetMachineTriple(tm);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetTarget(module, triple);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
}

ptl_status llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef tm,
                         ptl_error *err)
{
    set_target(module, tm);
    ptl_status st = verify(module, err);
    if (st != PTL_OK)
        return st;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    st = llvm_failed(LLVMRunPasses(module, passes, tm, options), PTL_E_INTERNAL,
                     "could not optimize", err);
    LLVMDisposePassBuilderOptions(options);
    return st;
}

ptl_status llvm_generate(LLVMModuleRef module, LLVMTargetMachineRef tm,
                         bool assembly, LLVMMemoryBufferRef *out,
                         ptl_error *err)
{
    report r = {0};
    char *text = NULL;
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMContextSetDiagnosticHandler(context, take_report, &r);
    LLVMBool failed = LLVMTargetMachineEmitToMemoryBuffer(
        tm, module, assembly ? LLVMAssemblyFile : LLVMObjectFile, &text, out);
    LLVMContextSetDiagnosticHandler(context, NULL, NULL);
    if (!failed && !r.failed)
        return PTL_OK;
    ptl_fail(err, PTL_E_INTERNAL, "could not generate code: %s",
             failed ? text : r.text);
    if (failed)
        LLVMDisposeMessage(text);
    else
        LLVMDisposeMemoryBuffer(*out);
    return PTL_E_INTERNAL;
}

/* ---------- parts ---------- */

typedef struct part {
    llvm_share share;
    const llvm_machine *machine;
    code_object object;
    ptl_status status;
    ptl_error error;
} part;

static code_object copy_object(LLVMMemoryBufferRef code)
{
    code_object object = {.size = LLVMGetBufferSize(code)};
    object.bytes = malloc(object.size);
    PTL_ASSERT(object.bytes);
    memcpy(object.bytes, LLVMGetBufferStart(code), object.size);
    return object;
}

static void compile_part(part *p)
{
    LLVMTargetMachineRef tm = NULL;
    LLVMMemoryBufferRef code = NULL;
    p->status = llvm_machine_open(p->machine, &tm, &p->error);
    if (p->status != PTL_OK)
        return;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = llvm_emit_module(&p->share, p->machine, context);
    p->status = llvm_optimize(module, tm, &p->error);
    if (p->status == PTL_OK)
        p->status = llvm_generate(module, tm, false, &code, &p->error);
    if (p->status == PTL_OK) {
        p->object = copy_object(code);
        LLVMDisposeMemoryBuffer(code);
    }
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    LLVMDisposeTargetMachine(tm);
}

static void *run_part(void *p)
{
    compile_part(p);
    return NULL;
}

static int part_count(const llvm_share *all)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int most = all->count / LEAST_KERNELS;
    if (most > MOST_PARTS)
        most = MOST_PARTS;
    if (processors < most)
        most = (int)processors;
    return most < 1 ? 1 : most;
}

/* What compiling a kernel costs, about. */
static int64_t weight(const kern_kernel *k)
{
    enum { MICRO_KERNEL = 600 };
    return 20 + (k->kind != KERN_NEST ? MICRO_KERNEL : k->value_count);
}

static int64_t weight_of(const llvm_share *share, int i)
{
    return weight(share->module->kernels.data[share->kernels[i]]);
}

/* Neighbouring kernels, in parts of about equal weight. */
static void share_out(const llvm_share *all, part *parts, int count)
{
    int64_t total = 0, done = 0;
    int next = 0;
    for (int i = 0; i < all->count; i++)
        total += weight_of(all, i);
    for (int p = 0; p < count; p++) {
        llvm_share *share = &parts[p].share;
        *share = *all;
        share->kernels += next;
        share->count = 0;
        while (next < all->count &&
               (p == count - 1 || done < total * (p + 1) / count)) {
            done += weight_of(all, next++);
            share->count++;
        }
    }
}

/* Runs the parts, the first on this thread. A thread that cannot start is no
 * reason to fail: its part runs here. */
static void run_parts(part *parts, int count)
{
    pthread_t threads[MOST_PARTS];
    bool started[MOST_PARTS] = {false};
    for (int i = 1; i < count; i++)
        started[i] =
            pthread_create(&threads[i], NULL, run_part, &parts[i]) == 0;
    compile_part(&parts[0]);
    for (int i = 1; i < count; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            compile_part(&parts[i]);
    }
}

static ptl_status gather(part *parts, int count, code_object *objects,
                         ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < count; i++) {
        objects[i] = parts[i].object;
        if (st == PTL_OK && parts[i].status != PTL_OK)
            st = ptl_fail(err, parts[i].status, "%s", parts[i].error.text);
    }
    return st;
}

ptl_status llvm_make_objects(const kern_module *m, const llvm_machine *machine,
                             code_object **out, int *count, ptl_error *err)
{
    part parts[MOST_PARTS];
    ptl_arena *scratch = arena_new();
    llvm_share all = llvm_share_of(m, scratch);
    int n = part_count(&all);
    memset(parts, 0, sizeof parts);
    for (int i = 0; i < n; i++)
        parts[i].machine = machine;
    share_out(&all, parts, n);
    run_parts(parts, n);
    arena_free(scratch);

    code_object *objects = calloc((size_t)n, sizeof *objects);
    PTL_ASSERT(objects);
    ptl_status st = gather(parts, n, objects, err);
    if (st != PTL_OK) {
        code_objects_free(objects, n);
        return st;
    }
    *out = objects;
    *count = n;
    return PTL_OK;
}
