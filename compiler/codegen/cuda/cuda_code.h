/*
 * cuda_code.h - a module's kernels as code for one GPU architecture.
 */
#ifndef PTL_CODEGEN_CUDA_CODE_H
#define PTL_CODEGEN_CUDA_CODE_H

#include "codegen/cuda/cuda_text.h"
#include "codegen/cuda/nvrtc.h"

/* Kernels of the module that are compiled together. */
typedef struct cuda_part {
    const int *kernels;
    int count;
    nvrtc_code code;
} cuda_part;

typedef struct cuda_code {
    ptl_arena *arena;
    const int *same; /* by kernel: whose function it uses */
    int *part_of;    /* by kernel: where that is */
    cuda_part *parts;
    int count;
} cuda_code;

typedef struct cuda_options {
    int arch;
    bool text_only;        /* no machine code, which takes half of the time */
    const char *cache_dir; /* NULL: no cache */
} cuda_options;

/* In parts, by several threads. The first failure is reported. */
ptl_status cuda_compile(const kern_module *m, const cuda_options *options,
                        cuda_code *out, ptl_error *err);
void cuda_code_fini(cuda_code *code);

/* `emit ptx`; `emit sass-report`: what each kernel takes, and how many of its
 * blocks fit a multiprocessor. */
void cuda_print_ptx(const cuda_code *code, ptl_str *out);
void cuda_report(const kern_module *m, const cuda_code *code, int arch,
                 ptl_str *out);

#endif
