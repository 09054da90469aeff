/*
 * jit.c - objects become callable code.
 *
 * Each llvm_code has an LLJIT of its own, used as a linker alone: it starts in
 * a third of a millisecond, and closing it returns every byte, which a shared
 * one with its pool of names would not. Code goes into a bare library, which
 * finds what symbols.def lists and nothing else of the process.
 */
#include "codegen/llvm/internal.h"
#include "codegen_version.h"
#include <llvm-c/LLJIT.h>
#include <stdlib.h>
#include <string.h>

struct llvm_code {
    LLVMOrcLLJITRef lljit;
    LLVMOrcJITDylibRef library; /* of lljit */
    ptl_entry *entries; /* in the module's order */
    int count;
    bool from_cache;
    ptl_error cause; /* what ORC reported first while linking */
};

/* The lookup only tells which kernels could not be had; why is reported here. */
static void keep_cause(void *context, LLVMErrorRef error)
{
    llvm_code *code = context;
    bool first = code->cause.status == PTL_OK;
    llvm_failed(error, PTL_E_INTERNAL, "could not link code",
                first ? &code->cause : NULL);
}

static ptl_status define_symbols(llvm_code *code, ptl_error *err)
{
    LLVMOrcCSymbolMapPair *pairs =
        calloc((size_t)llvm_symbol_count, sizeof *pairs);
    PTL_ASSERT(pairs);
    for (int i = 0; i < llvm_symbol_count; i++) {
        pairs[i].Name =
            LLVMOrcLLJITMangleAndIntern(code->lljit, llvm_symbols[i].name);
        pairs[i].Sym.Address = llvm_symbols[i].address;
        pairs[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported |
                                          LLVMJITSymbolGenericFlagsCallable;
    }
    LLVMOrcMaterializationUnitRef unit =
        LLVMOrcAbsoluteSymbols(pairs, (size_t)llvm_symbol_count);
    free(pairs); /* the unit owns the names now */
    LLVMErrorRef error = LLVMOrcJITDylibDefine(code->library, unit);
    if (error)
        LLVMOrcDisposeMaterializationUnit(unit);
    return llvm_failed(error, PTL_E_INTERNAL, "could not define symbols", err);
}

static ptl_status open_linker(llvm_code *code, ptl_error *err)
{
    ptl_status st = llvm_failed(LLVMOrcCreateLLJIT(&code->lljit, NULL),
                                PTL_E_DEVICE, "could not start the JIT", err);
    if (st != PTL_OK)
        return st;
    LLVMOrcExecutionSessionRef session =
        LLVMOrcLLJITGetExecutionSession(code->lljit);
    LLVMOrcExecutionSessionSetErrorReporter(session, keep_cause, code);
    code->library =
        LLVMOrcExecutionSessionCreateBareJITDylib(session, "kernels");
    return define_symbols(code, err);
}

static ptl_status add_objects(llvm_code *code, const code_object *objects,
                              int count, ptl_error *err)
{
    for (int i = 0; i < count; i++) {
        LLVMMemoryBufferRef bytes = LLVMCreateMemoryBufferWithMemoryRangeCopy(
            objects[i].bytes, objects[i].size, "kernels");
        /* The JIT owns the buffer now, even after an error. */
        ptl_status st = llvm_failed(
            LLVMOrcLLJITAddObjectFile(code->lljit, code->library, bytes),
            PTL_E_INTERNAL, "could not load code", err);
        if (st != PTL_OK)
            return st;
    }
    return PTL_OK;
}

/* A lookup of all kernels at once. */
typedef struct search {
    llvm_code *code;
    LLVMOrcSymbolStringPoolEntryRef *names; /* in the module's order */
    ptl_status status;
    ptl_error *err;
    bool done;
} search;

static void take_addresses(LLVMErrorRef error, LLVMOrcCSymbolMapPairs found,
                           size_t count, void *context)
{
    search *s = context;
    s->done = true;
    s->status =
        llvm_failed(error, PTL_E_INTERNAL, "could not link code", s->err);
    if (s->status != PTL_OK && s->code->cause.status != PTL_OK)
        ptl_fail(s->err, s->status, "%s", s->code->cause.text);
    for (size_t i = 0; s->status == PTL_OK && i < count; i++)
        for (int k = 0; k < s->code->count; k++)
            if (s->names[k] == found[i].Name)
                s->code->entries[k] =
                    (ptl_entry)(uintptr_t)found[i].Sym.Address;
}

/* Links everything; the session works in this thread, so the answer is there
 * when the call returns. */
static void look_up(search *s)
{
    LLVMOrcCJITDylibSearchOrderElement order = {
        s->code->library, LLVMOrcJITDylibLookupFlagsMatchAllSymbols};
    LLVMOrcCLookupSetElement *wanted =
        calloc((size_t)s->code->count + 1, sizeof *wanted);
    PTL_ASSERT(wanted);
    for (int i = 0; i < s->code->count; i++) {
        LLVMOrcRetainSymbolStringPoolEntry(s->names[i]); /* the lookup's own */
        wanted[i].Name = s->names[i];
        wanted[i].LookupFlags = LLVMOrcSymbolLookupFlagsRequiredSymbol;
    }
    LLVMOrcExecutionSessionLookup(
        LLVMOrcLLJITGetExecutionSession(s->code->lljit),
        LLVMOrcLookupKindStatic, &order, 1, wanted, (size_t)s->code->count,
        take_addresses, s);
    free(wanted);
    PTL_ASSERT(s->done);
}

static ptl_status find_entries(llvm_code *code, const kern_module *m,
                               ptl_error *err)
{
    search s = {.code = code, .err = err};
    code->count = m->kernels.count;
    code->entries = calloc((size_t)code->count + 1, sizeof *code->entries);
    s.names = calloc((size_t)code->count + 1, sizeof *s.names);
    PTL_ASSERT(code->entries && s.names);
    for (int i = 0; i < code->count; i++) {
        char *name = llvm_kernel_symbol(m, i);
        s.names[i] = LLVMOrcLLJITMangleAndIntern(code->lljit, name);
        free(name);
    }
    look_up(&s);
    for (int i = 0; i < code->count; i++)
        LLVMOrcReleaseSymbolStringPoolEntry(s.names[i]);
    free(s.names);
    return s.status;
}

static ptl_status link_objects(llvm_code *code, const kern_module *m,
                               const code_object *objects, int count,
                               ptl_error *err)
{
    ptl_status st = open_linker(code, err);
    if (st == PTL_OK)
        st = add_objects(code, objects, count, err);
    if (st == PTL_OK)
        st = find_entries(code, m, err);
    return st;
}

/* Identifies the code of `m` on `machine`, made by this very build. */
static code_key key_of(const kern_module *m, const llvm_machine *machine)
{
    ptl_str text = {0};
    kern_print(m, &text);
    const char *parts[] = {PTL_CODEGEN_VERSION, machine->target.name,
                           machine->cpu,        machine->features,
                           str_text(&text),     NULL};
    code_key key = code_key_of(parts);
    str_fini(&text);
    return key;
}

static ptl_status get_objects(const kern_module *m, const llvm_machine *machine,
                              const char *cache_dir, code_object **out,
                              int *count, bool *from_cache, ptl_error *err)
{
    *from_cache = false;
    if (!cache_dir)
        return llvm_make_objects(m, machine, out, count, err);
    code_key key = key_of(m, machine);
    *from_cache = code_cache_load(cache_dir, &key, out, count);
    if (*from_cache)
        return PTL_OK;
    ptl_status st = llvm_make_objects(m, machine, out, count, err);
    if (st == PTL_OK)
        code_cache_store(cache_dir, &key, *out, *count);
    return st;
}

ptl_status llvm_compile(const kern_module *m, const llvm_options *options,
                        llvm_code **out, ptl_error *err)
{
    llvm_machine machine;
    code_object *objects = NULL;
    int count = 0;
    ptl_status st = llvm_machine_init(&machine, options->cpu, err);
    if (st != PTL_OK)
        return st;
    llvm_code *code = calloc(1, sizeof *code);
    PTL_ASSERT(code);
    st = get_objects(m, &machine, options->cache_dir, &objects, &count,
                     &code->from_cache, err);
    if (st == PTL_OK)
        st = link_objects(code, m, objects, count, err);
    code_objects_free(objects, count);
    llvm_machine_fini(&machine);
    if (st != PTL_OK) {
        llvm_code_release(code);
        return st;
    }
    *out = code;
    return PTL_OK;
}

ptl_entry llvm_entry(const llvm_code *code, int kernel)
{
    PTL_ASSERT(kernel >= 0 && kernel < code->count);
    return code->entries[kernel];
}

bool llvm_from_cache(const llvm_code *code)
{
    return code->from_cache;
}

void llvm_code_release(llvm_code *code)
{
    if (!code)
        return;
    if (code->lljit)
        llvm_failed(LLVMOrcDisposeLLJIT(code->lljit), PTL_E_INTERNAL,
                    "could not release code", NULL);
    free(code->entries);
    free(code);
}

/* ---------- emit llvm, emit asm ---------- */

static ptl_status text_of(LLVMModuleRef module, LLVMTargetMachineRef tm,
                          bool assembly, ptl_str *out, ptl_error *err)
{
    LLVMMemoryBufferRef code = NULL;
    ptl_status st = llvm_optimize(module, tm, err);
    if (st != PTL_OK)
        return st;
    if (!assembly) {
        char *text = LLVMPrintModuleToString(module);
        str_add(out, text);
        LLVMDisposeMessage(text);
        return PTL_OK;
    }
    LLVMSetTargetMachineAsmVerbosity(tm, true);
    st = llvm_generate(module, tm, true, &code, err);
    if (st != PTL_OK)
        return st;
    str_addn(out, LLVMGetBufferStart(code), LLVMGetBufferSize(code));
    LLVMDisposeMemoryBuffer(code);
    return PTL_OK;
}

ptl_status llvm_emit(const kern_module *m, const llvm_options *options,
                     bool assembly, ptl_str *out, ptl_error *err)
{
    llvm_machine machine;
    LLVMTargetMachineRef tm = NULL;
    ptl_status st = llvm_machine_init(&machine, options->cpu, err);
    if (st != PTL_OK)
        return st;
    st = llvm_machine_open(&machine, &tm, err);
    if (st == PTL_OK) {
        ptl_arena *scratch = arena_new();
        llvm_share all = llvm_share_of(m, scratch);
        LLVMContextRef context = LLVMContextCreate();
        LLVMModuleRef module = llvm_emit_module(&all, &machine, context);
        st = text_of(module, tm, assembly, out, err);
        LLVMDisposeModule(module);
        LLVMContextDispose(context);
        arena_free(scratch);
        LLVMDisposeTargetMachine(tm);
    }
    llvm_machine_fini(&machine);
    return st;
}
