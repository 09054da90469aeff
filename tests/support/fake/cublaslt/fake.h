/*
 * fake.h - a library with the functions of cuBLASLt, named by PTL_CUBLASLT,
 * for the virtual device: it checks every call as far as the documentation says
 * what is legal, refuses with the status cuBLASLt gives, says why on standard
 * error, and computes products in f64 (f64 ones in long double) through the
 * driver that PTL_CUDA_DRIVER names. FAKE_CUBLASLT makes it fail:
 *
 *   version    it is release 11.8.3
 *   create     it gives no handle
 *   refuse     its heuristic supports nothing
 *   none       its heuristic succeeds and has no algorithm
 *   heuristic  its heuristic fails
 *   matmul     products fail
 *
 * FAKE_CUBLASLT_LOG names a file that gets a line for each product, and at the
 * end of the process how many objects were not destroyed.
 */
#ifndef FAKE_CUBLASLT_H
#define FAKE_CUBLASLT_H

#define PTL_CUBLAS_PROTOTYPES
#pragma GCC visibility push(default)
#include "device/cublas_api.h"
#pragma GCC visibility pop
#include <stdbool.h>
#include <stdio.h>

/* Is FAKE_CUBLASLT this? */
bool fake_is_asked(const char *what);
/* "fake cuBLASLt: ..." on standard error; gives `status`. */
__attribute__((format(printf, 2, 3))) cublasStatus_t
fake_refuse(cublasStatus_t status, const char *format, ...);
/* What FAKE_CUBLASLT_LOG names, at its end; NULL: nothing. */
FILE *fake_open_log(void);

/* The driver's functions; NULL: none is open in this process. */
typedef struct fake_driver {
#define CUDA_DRIVER(name, arguments) CUresult(*name) arguments;
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
} fake_driver;
const fake_driver *fake_driver_get(void);

/* ---------- objects (objects.c) ---------- */

struct cublasLtContext {
    CUcontext context;
};

struct cublasLtMatmulDescOpaque_t {
    cublasComputeType_t compute;
    cudaDataType scale;
    int32_t transposed[2];
};

struct cublasLtMatrixLayoutOpaque_t {
    int64_t rows, columns, ld, stride;
    int32_t batch;
    cudaDataType type;
};

struct cublasLtMatmulPreferenceOpaque_t {
    uint64_t workspace;
    uint32_t align[4]; /* a, b, c, d */
};

typedef enum object_kind { HANDLE, DESC, LAYOUT, PREFERENCE } object_kind;
bool fake_is_alive(object_kind kind, const void *at);

/* ---------- what is to be multiplied (problem.c) ---------- */

typedef struct problem {
    const struct cublasLtMatmulDescOpaque_t *desc;
    const struct cublasLtMatrixLayoutOpaque_t *a, *b, *c, *d;
} problem;

/* Are all of it alive, and do they fit each other? */
cublasStatus_t problem_check(const problem *p);
/* The depth of the product. */
int64_t problem_depth(const problem *p);
/* Was `algo` chosen for just this? */
bool problem_is_of(const problem *p, const cublasLtMatmulAlgo_t *algo);
/* What it needs: bytes of workspace, alignment of a, b, c or d. */
size_t algo_workspace(const cublasLtMatmulAlgo_t *algo);
uint64_t algo_alignment(const cublasLtMatmulAlgo_t *algo, int matrix);

#endif
