/*
 * product.c - products, through the driver, in the order of the stream.
 */
#include "fake.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE_ALIGN = 256 };

/* ---------- numbers ---------- */

static size_t size_of(cudaDataType type)
{
    return type == CUDA_R_64F ? sizeof(double) : sizeof(float);
}

/* Elements of one matrix from its first to its last. */
static int64_t span_of(const struct cublasLtMatrixLayoutOpaque_t *x)
{
    return (x->columns - 1) * x->ld + x->rows;
}

/* Columns of batch `batch`, one after another, as they lie; what is between
 * them is not touched. */
static CUresult fetch(const struct cublasLtMatrixLayoutOpaque_t *x,
                      CUdeviceptr at, int batch, void *to, CUstream stream)
{
    size_t size = size_of(x->type), column = (size_t)x->rows * size;
    CUresult r = CUDA_SUCCESS;
    at += (CUdeviceptr)(batch * x->stride) * size;
    if (x->ld == x->rows)
        return fake_driver_get()->cuMemcpyDtoHAsync_v2(
            to, at, column * (size_t)x->columns, stream);
    for (int64_t j = 0; j < x->columns && r == CUDA_SUCCESS; j++)
        r = fake_driver_get()->cuMemcpyDtoHAsync_v2(
            (char *)to + (size_t)j * column,
            at + (CUdeviceptr)(j * x->ld) * size, column, stream);
    return r;
}

static CUresult give(const struct cublasLtMatrixLayoutOpaque_t *x,
                     CUdeviceptr at, int batch, const void *from,
                     CUstream stream)
{
    size_t size = size_of(x->type), column = (size_t)x->rows * size;
    CUresult r = CUDA_SUCCESS;
    at += (CUdeviceptr)(batch * x->stride) * size;
    for (int64_t j = 0; j < x->columns && r == CUDA_SUCCESS; j++)
        r = fake_driver_get()->cuMemcpyHtoDAsync_v2(
            at + (CUdeviceptr)(j * x->ld) * size,
            (const char *)from + (size_t)j * column, column, stream);
    return r;
}

static long double number(const void *from, cudaDataType type, int64_t i)
{
    return type == CUDA_R_64F ? (long double)((const double *)from)[i]
                              : (long double)((const float *)from)[i];
}

static void multiply(const problem *p, const void *a, const void *b, void *d)
{
    cudaDataType type = p->desc->scale;
    bool turn_a = p->desc->transposed[0], turn_b = p->desc->transposed[1];
    int64_t depth = problem_depth(p);
    for (int64_t j = 0; j < p->d->columns; j++)
        for (int64_t i = 0; i < p->d->rows; i++) {
            long double sum = 0;
            double narrow = 0;
            for (int64_t k = 0; k < depth; k++) {
                int64_t in_a = turn_a ? k + i * p->a->rows : i + k * p->a->rows;
                int64_t in_b = turn_b ? j + k * p->b->rows : k + j * p->b->rows;
                if (type == CUDA_R_64F)
                    sum += number(a, type, in_a) * number(b, type, in_b);
                else
                    narrow += (double)((const float *)a)[in_a] *
                              (double)((const float *)b)[in_b];
            }
            if (type == CUDA_R_64F)
                ((double *)d)[i + j * p->d->rows] = (double)sum;
            else
                ((float *)d)[i + j * p->d->rows] = (float)narrow;
        }
}

static size_t bytes_of(const struct cublasLtMatrixLayoutOpaque_t *x)
{
    return (size_t)(x->rows * x->columns) * size_of(x->type);
}

static CUresult compute(const problem *p, const CUdeviceptr *at,
                        CUstream stream)
{
    void *a = malloc(bytes_of(p->a)), *b = malloc(bytes_of(p->b));
    void *d = malloc(bytes_of(p->d));
    CUresult r = CUDA_SUCCESS;
    for (int i = 0; i < p->d->batch && r == CUDA_SUCCESS; i++) {
        r = fetch(p->a, at[0], i, a, stream);
        if (r == CUDA_SUCCESS)
            r = fetch(p->b, at[1], i, b, stream);
        if (r != CUDA_SUCCESS)
            break;
        multiply(p, a, b, d);
        r = give(p->d, at[3], i, d, stream);
    }
    free(a);
    free(b);
    free(d);
    return r;
}

static void note(const problem *p)
{
    FILE *log = fake_open_log();
    if (!log)
        return;
    fprintf(log,
            "matmul %s%s %s m %" PRId64 " n %" PRId64 " k %" PRId64
            " batch %d ld %" PRId64 " %" PRId64 " %" PRId64 " stride %" PRId64
            " %" PRId64 " %" PRId64 "\n",
            p->desc->transposed[0] ? "T" : "N",
            p->desc->transposed[1] ? "T" : "N",
            p->desc->scale == CUDA_R_64F ? "f64" : "f32", p->d->rows,
            p->d->columns, problem_depth(p), p->d->batch, p->a->ld, p->b->ld,
            p->d->ld, p->a->stride, p->b->stride, p->d->stride);
    fclose(log);
}

static bool is_one_and_zero(const problem *p, const void *alpha,
                            const void *beta)
{
    cudaDataType type = p->desc->scale;
    return number(alpha, type, 0) == 1 && number(beta, type, 0) == 0;
}

/* Does matrix `x` at `at` use addresses of the result's? */
static bool meets(const struct cublasLtMatrixLayoutOpaque_t *x, CUdeviceptr at,
                  const struct cublasLtMatrixLayoutOpaque_t *d, CUdeviceptr to)
{
    CUdeviceptr size = size_of(x->type);
    CUdeviceptr end =
        at + size * (CUdeviceptr)((x->batch - 1) * x->stride + span_of(x));
    CUdeviceptr to_end =
        to + size * (CUdeviceptr)((d->batch - 1) * d->stride + span_of(d));
    return at < to_end && to < end;
}

static cublasStatus_t check_call(cublasLtHandle_t handle, const problem *p,
                                 const CUdeviceptr *at,
                                 const cublasLtMatmulAlgo_t *algo,
                                 CUdeviceptr workspace, size_t workspace_bytes)
{
    CUcontext current = NULL;
    if (!fake_is_alive(HANDLE, handle) ||
        fake_driver_get()->cuCtxGetCurrent(&current) != CUDA_SUCCESS ||
        current != handle->context)
        return fake_refuse(CUBLAS_STATUS_NOT_INITIALIZED,
                           "no handle of the current context");
    cublasStatus_t st = problem_check(p);
    if (st != CUBLAS_STATUS_SUCCESS)
        return st;
    if (!algo || !problem_is_of(p, algo))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "an algorithm for another product");
    if (workspace_bytes < algo_workspace(algo) || workspace % WORKSPACE_ALIGN)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "workspace of %zu bytes", workspace_bytes);
    for (int i = 0; i < 4; i++)
        if (at[i] % algo_alignment(algo, i))
            return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                               "matrix %d is not aligned to %" PRIu64, i,
                               algo_alignment(algo, i));
    if (meets(p->a, at[0], p->d, at[3]) || meets(p->b, at[1], p->d, at[3]))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "the result lies where a factor does");
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle,
                              cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, CUstream stream)
{
    const problem p = {desc, a_layout, b_layout, c_layout, d_layout};
    const CUdeviceptr at[] = {
        (CUdeviceptr)(uintptr_t)a, (CUdeviceptr)(uintptr_t)b,
        (CUdeviceptr)(uintptr_t)c, (CUdeviceptr)(uintptr_t)d};
    CUdeviceptr space = (CUdeviceptr)(uintptr_t)workspace;
    cublasStatus_t st =
        check_call(handle, &p, at, algo, space, workspace_bytes);
    if (st != CUBLAS_STATUS_SUCCESS)
        return st;
    if (fake_is_asked("matmul"))
        return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!is_one_and_zero(&p, alpha, beta))
        return fake_refuse(CUBLAS_STATUS_NOT_SUPPORTED, "not 1 and 0");
    note(&p);
    /* It is written all over: what else lies there is lost. */
    CUresult r = fake_driver_get()->cuMemsetD8Async(space, 0xff,
                                                    workspace_bytes, stream);
    if (r == CUDA_SUCCESS)
        r = compute(&p, at, stream);
    return r == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS
                             : fake_refuse(CUBLAS_STATUS_EXECUTION_FAILED,
                                           "the driver says %d", r);
}
