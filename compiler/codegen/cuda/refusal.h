/*
 * refusal.h - what is said where NVRTC does not compile a part: which kernels,
 * and which lines of the .ptl they were made for.
 */
#ifndef PTL_CODEGEN_CUDA_REFUSAL_H
#define PTL_CODEGEN_CUDA_REFUSAL_H

#include "codegen/cuda/cuda_text.h"

/* Kernels of the module, printed together. */
typedef struct cuda_printed {
    const kern_module *m;
    const int *kernels;
    int count;
    const char *source;
} cuda_printed;

/* "FILE:LINE:COLUMN: ...": the kernel that the log's first error is about, and
 * that error; the whole log where it is about none. */
void cuda_explain_refusal(const cuda_printed *p, const char *log, ptl_str *out);
/* Its kernels with their places, as many as fit a message. */
void cuda_list_kernels(const cuda_printed *p, ptl_str *out);

#endif
