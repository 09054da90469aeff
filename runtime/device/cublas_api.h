/*
 * cublas_api.h - the part of cuBLASLt's binary interface that PTL uses.
 *
 * Declared here as the driver's is (cuda_api.h), under the library's own names:
 * nothing of a toolkit is needed to build this. A function is a row of
 * cublas.def, a status a row of cublas_status.def.
 */
#ifndef PTL_DEVICE_CUBLAS_API_H
#define PTL_DEVICE_CUBLAS_API_H

#include "device/cuda_api.h"

typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublasLtMatmulDescOpaque_t *cublasLtMatmulDesc_t;
typedef struct cublasLtMatrixLayoutOpaque_t *cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulPreferenceOpaque_t *cublasLtMatmulPreference_t;

typedef enum {
#define CUBLAS_STATUS_ROW(name, number, text) name = number,
#include "device/cublas_status.def"
#undef CUBLAS_STATUS_ROW
} cublasStatus_t;

typedef enum { CUDA_R_32F = 0, CUDA_R_64F = 1 } cudaDataType;

/* Of 32 bits throughout: the FAST kinds, which round factors, are others. */
typedef enum {
    CUBLAS_COMPUTE_32F = 68,
    CUBLAS_COMPUTE_64F = 70
} cublasComputeType_t;

typedef enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 } cublasOperation_t;

typedef enum {
    CUBLASLT_MATMUL_DESC_TRANSA = 3, /* int32_t */
    CUBLASLT_MATMUL_DESC_TRANSB = 4,
} cublasLtMatmulDescAttributes_t;

typedef enum {
    CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,          /* int32_t */
    CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6, /* int64_t */
} cublasLtMatrixLayoutAttribute_t;

typedef enum {
    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,   /* uint64_t */
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5, /* uint32_t */
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8,
} cublasLtMatmulPreferenceAttributes_t;

typedef struct {
    uint64_t data[8];
} cublasLtMatmulAlgo_t;

typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;

#define CUBLAS_FUNCTION(type, name, arguments) type name arguments;
#ifdef PTL_CUBLAS_PROTOTYPES /* for who implements them; PTL calls pointers */
#include "device/cublas.def"
#endif
#undef CUBLAS_FUNCTION

#endif
