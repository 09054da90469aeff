/*
 * problem.c - what is legal to multiply, and the algorithm for it.
 */
#include "fake.h"
#include <string.h>

enum { WORKSPACE = 1 << 16 };

static int64_t op_rows(const struct cublasLtMatrixLayoutOpaque_t *x,
                       bool turned)
{
    return turned ? x->columns : x->rows;
}

static int64_t op_columns(const struct cublasLtMatrixLayoutOpaque_t *x,
                          bool turned)
{
    return turned ? x->rows : x->columns;
}

int64_t problem_depth(const problem *p)
{
    return op_columns(p->a, p->desc->transposed[0]);
}

/* Is every element of the result one of its own? Its three distances nest. */
static bool is_apart(const struct cublasLtMatrixLayoutOpaque_t *d)
{
    int64_t plane = (d->columns - 1) * d->ld + d->rows;
    return d->batch == 1 || d->stride >= plane ||
           (d->stride >= d->rows &&
            d->ld >= (d->batch - 1) * d->stride + d->rows);
}

cublasStatus_t problem_check(const problem *p)
{
    if (!fake_is_alive(DESC, p->desc) || !fake_is_alive(LAYOUT, p->a) ||
        !fake_is_alive(LAYOUT, p->b) || !fake_is_alive(LAYOUT, p->c) ||
        !fake_is_alive(LAYOUT, p->d))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "a description is not alive");
    bool turn_a = p->desc->transposed[0], turn_b = p->desc->transposed[1];
    cudaDataType type = p->desc->scale;
    if (p->a->type != type || p->b->type != type || p->c->type != type ||
        p->d->type != type)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "types differ");
    if (op_rows(p->a, turn_a) != p->d->rows ||
        op_columns(p->b, turn_b) != p->d->columns ||
        op_columns(p->a, turn_a) != op_rows(p->b, turn_b) ||
        memcmp(p->c, p->d, sizeof *p->c) != 0)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "sides do not fit");
    if (p->a->batch != p->d->batch || p->b->batch != p->d->batch)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "batches differ");
    return is_apart(p->d) ? CUBLAS_STATUS_SUCCESS
                          : fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                                        "elements of the result coincide");
}

/* What an algorithm was made for; the structs have no holes. */
static uint64_t print_of(const problem *p)
{
    const void *parts[] = {p->desc, p->a, p->b, p->d};
    const size_t bytes[] = {sizeof *p->desc, sizeof *p->a, sizeof *p->b,
                            sizeof *p->d};
    uint64_t print = UINT64_C(14695981039346656037);
    for (int i = 0; i < 4; i++)
        for (size_t k = 0; k < bytes[i]; k++)
            print = (print ^ ((const uint8_t *)parts[i])[k]) *
                    UINT64_C(1099511628211);
    return print;
}

enum { ALGO_PRINT, ALGO_WORKSPACE, ALGO_ALIGN /* four of them */ };

bool problem_is_of(const problem *p, const cublasLtMatmulAlgo_t *algo)
{
    return algo->data[ALGO_PRINT] == print_of(p);
}

size_t algo_workspace(const cublasLtMatmulAlgo_t *algo)
{
    return algo->data[ALGO_WORKSPACE];
}

uint64_t algo_alignment(const cublasLtMatmulAlgo_t *algo, int matrix)
{
    return algo->data[ALGO_ALIGN + matrix];
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference, int wanted,
    cublasLtMatmulHeuristicResult_t *results, int *count)
{
    const problem p = {desc, a, b, c, d};
    *count = 0;
    if (!fake_is_alive(HANDLE, handle))
        return fake_refuse(CUBLAS_STATUS_NOT_INITIALIZED, "no handle");
    if (!fake_is_alive(PREFERENCE, preference) || wanted < 1)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "no preference");
    cublasStatus_t st = problem_check(&p);
    if (st != CUBLAS_STATUS_SUCCESS || fake_is_asked("none"))
        return st;
    if (fake_is_asked("heuristic"))
        return CUBLAS_STATUS_INTERNAL_ERROR;
    if (fake_is_asked("refuse") || preference->workspace < WORKSPACE)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *results = (cublasLtMatmulHeuristicResult_t){
        .workspaceSize = WORKSPACE, .state = CUBLAS_STATUS_SUCCESS};
    results->algo.data[ALGO_PRINT] = print_of(&p);
    results->algo.data[ALGO_WORKSPACE] = WORKSPACE;
    for (int i = 0; i < 4; i++)
        results->algo.data[ALGO_ALIGN + i] = preference->align[i];
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}
