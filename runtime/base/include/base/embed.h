/*
 * embed.h - files that are part of the binary: the library in PTL, and
 * the pages of `ptlc explain`, and what kernels in CUDA C have in common. Each
 * table is part of a target of its own (ptl_stdlib, ptl_explain, ptl_cuda) and
 * ends with a NULL name.
 */
#ifndef PTL_BASE_EMBED_H
#define PTL_BASE_EMBED_H

#include <stddef.h>

typedef struct ptl_embedded {
    const char *name; /* path below its folder, e.g. "nn/linear.ptl" */
    const char *text; /* NUL-terminated */
    size_t size;
} ptl_embedded;

extern const ptl_embedded ptl_stdlib_files[]; /* below stdlib/ */
extern const int ptl_stdlib_files_count;
extern const ptl_embedded ptl_explain_pages[]; /* below lang/explain/ */
extern const int ptl_explain_pages_count;
extern const ptl_embedded ptl_cuda_files[]; /* of compiler/codegen/cuda */
extern const int ptl_cuda_files_count;

#endif
