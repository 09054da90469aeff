/*
 * cuda_text.h - kernel form to CUDA C.
 *
 * A kernel becomes one function: a task is run by as many threads as a vector
 * has lanes, one lane each, so that every operation stays what and where it
 * was, and the bits with it. A contraction (PRODUCT) becomes an instance of
 * product.cu. Only text is made here; nvrtc.h compiles it.
 */
#ifndef PTL_CODEGEN_CUDA_TEXT_H
#define PTL_CODEGEN_CUDA_TEXT_H

#include "base/str.h"
#include "kernel/kernel.h"

/* What kernels are made for. */
void cuda_target(kern_target *out);

/* How a kernel is launched: blocks of threads in one dimension. */
typedef struct cuda_shape {
    int64_t blocks;
    int threads;
    int lanes;            /* threads of a task; 0: a contraction */
    int64_t shared_bytes; /* static */
} cuda_shape;
/* No blocks where there is nothing to do. */
cuda_shape cuda_shape_of(const kern_kernel *k);

/* The function's name; `index` is its place in the module. */
void cuda_kernel_name(const kern_kernel *k, int index, ptl_str *out);
/* These kernels of the module, with all they need. */
void cuda_print(const kern_module *m, const int *kernels, int count,
                ptl_str *out);

#endif
