/*
 * llvm_jit.h - kernel form to machine code through LLVM 19 (ORC, LLJIT).
 *
 * LLVM's types stay inside codegen/llvm. Thread: any, one call at a time per
 * code object; entries may run on any thread until llvm_code_release().
 */
#ifndef PTL_LLVM_JIT_H
#define PTL_LLVM_JIT_H

#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/program.h"

typedef struct llvm_code llvm_code;

typedef struct llvm_options {
    const char *cpu;       /* native, avx512, avx2, portable */
    const char *cache_dir; /* NULL: no object cache */
} llvm_options;

/* Widths and tile sizes for `cpu`. Fails (E_DEVICE) where the machine cannot
 * run it, naming what is missing. */
ptl_status llvm_target(const char *cpu, kern_target *out, ptl_error *err);

/* Compiles or loads from the cache. A damaged cache entry is recompiled and
 * replaced, never loaded. */
ptl_status llvm_compile(const kern_module *m, const llvm_options *options,
                        llvm_code **out, ptl_error *err);
ptl_entry llvm_entry(const llvm_code *code, int kernel); /* module's order */
bool llvm_from_cache(const llvm_code *code);
void llvm_code_release(llvm_code *code);

/* `emit llvm` (after our passes) and `emit asm`. */
ptl_status llvm_emit(const kern_module *m, const llvm_options *options,
                     bool assembly, ptl_str *out, ptl_error *err);

#endif
