/*
 * internal.h - what the files that write CUDA C share.
 */
#ifndef PTL_CODEGEN_CUDA_INTERNAL_H
#define PTL_CODEGEN_CUDA_INTERNAL_H

#include "codegen/cuda/cuda_text.h"

typedef struct cuda_writer {
    const kern_kernel *kernel;
    cuda_shape shape;
    bool *shared; /* by buffer: lanes read what other lanes wrote */
    int depth;    /* of blocks */
    ptl_str *out;
} cuda_writer;

const char *cuda_type(kern_type type);
/* As it lies in memory. */
const char *cuda_memory_type(ptl_dtype dtype);
void cuda_indent(cuda_writer *w);

/* ---------- values.c ---------- */

/* The value where it is used: a name or a constant. */
void cuda_use(cuda_writer *w, const kern_value *v);
/* How it is computed. */
void cuda_expression(cuda_writer *w, const kern_value *v);

/* ---------- memory.c ---------- */

void cuda_load(cuda_writer *w, const kern_value *v);
void cuda_store(cuda_writer *w, const kern_stmt *s);

/* ---------- text.c ---------- */

void cuda_locals(cuda_writer *w, const kern_block *block);
void cuda_block(cuda_writer *w, const kern_block *block);

/* ---------- product.c ---------- */

void cuda_product_shape(const kern_product *p, cuda_shape *out);
void cuda_print_product(cuda_writer *w, const char *name);

#endif
