/*
 * compile.h - a graph becomes a program: schedule, kernel form, machine code.
 */
#ifndef PTL_CODEGEN_COMPILE_H
#define PTL_CODEGEN_COMPILE_H

#include "ir/ir.h"
#include "runtime/program.h"

typedef struct compile_options {
    bool f64;      /* REAL is f64, else f32 */
    bool no_fuse;
    bool portable_bits;
    const char *cpu;       /* native, avx512, avx2, portable; NULL: native */
    int arch;              /* of the stages about GPUs: 80 for sm_80 */
    struct ptl_device *device; /* to compile for; NULL: this CPU */
    const char *cache_dir; /* NULL: no object cache */
    bool verify;           /* verifiers after every pass */
    /* No machine code: a program to be looked at, whose entries are NULL. */
    bool plan_only;
} compile_options;

/*
 * Compiles `g` as it stands (opt_run() was applied by the caller). Inputs
 * become buffers of their role under their names; VALUE outputs become OUTPUT
 * buffers under theirs; an UPDATE writes its target's buffer. The program owns
 * nothing of `g`.
 */
ptl_status compile_graph(const ir_graph *g, const char *name,
                         const compile_options *options, ptl_program **out,
                         ptl_error *err);

/* Text of a stage: "schedule", "kernels", "llvm", "asm"; for options->arch:
 * "cuda", "ptx", "sass-report". */
ptl_status compile_emit(const ir_graph *g, const char *stage,
                        const compile_options *options, ptl_str *out,
                        ptl_error *err);

#endif
