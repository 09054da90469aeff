/*
 * dtype.h - element types of buffers and files.
 */
#ifndef PTL_BASE_DTYPE_H
#define PTL_BASE_DTYPE_H

#include <stdint.h>

typedef enum ptl_dtype {
#define DTYPE(name, bytes, label, text) PTL_##name,
#include "base/dtype.def"
#undef DTYPE
    PTL_DTYPE_COUNT
} ptl_dtype;

enum { PTL_MAX_RANK = 8 };

int dtype_size(ptl_dtype dtype);           /* bytes */
const char *dtype_name(ptl_dtype dtype);   /* "f32" */
const char *dtype_label(ptl_dtype dtype);  /* "F32", as in safetensors */
/* PTL_DTYPE_COUNT when `label` names none. */
ptl_dtype dtype_find(const char *label);

/* Element `i` of `bytes` as a number, and back: reals are rounded, integers
 * must fit. What is read may lie at any address, as in a file; what is written
 * is aligned. */
double dtype_get(ptl_dtype dtype, const void *bytes, int64_t i);
void dtype_put(ptl_dtype dtype, void *bytes, int64_t i, double x);

#endif
