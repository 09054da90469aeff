/*
 * product.h - products of matrices by cuBLASLt. Private to the runtime.
 *
 * Prepared once, when a program is loaded; carried out in the device's stream
 * like a launch.
 */
#ifndef PTL_DEVICE_PRODUCT_H
#define PTL_DEVICE_PRODUCT_H

#include "device/device.h"
#include "runtime/program.h"

/* A factor or the result as BLAS describes one: rows lie together, columns `ld`
 * elements apart, batches `stride`. */
typedef struct blas_matrix {
    const ptl_matrix *of;
    bool transposed; /* the product is of its transpose */
    int64_t rows, columns, ld, stride;
} blas_matrix;

/* c (m, n) = a (m, k) b (k, n), the transposes taken. */
typedef struct blas_form {
    int64_t m, n, k;
    blas_matrix a, b, c;
} blas_form;

void blas_form_of(const ptl_product *p, blas_form *out);

typedef struct device_product device_product;

/* Takes what workspace it needs. `*out` NULL: the library refuses products of
 * this kind. */
ptl_status device_product_open(ptl_device *d, const ptl_product *p,
                               device_product **out, ptl_error *err);
void device_product_close(device_product *p); /* accepts NULL */
/* `args`: where the step's arguments are on the device. Asks for it. */
ptl_status device_product_run(const device_product *p, const CUdeviceptr *args,
                              ptl_error *err);

#endif
