/*
 * test_cublas.c - descriptions of products, as PTL makes them, are what
 * cuBLASLt takes: types, numbers and sizes are declared by PTL itself
 * (device/cublas_api.h). With the stand-in of the tests, and where NVIDIA's
 * library is found with that too: descriptions need no GPU.
 */
#include "device/cublas_load.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const cublas_library *lt;

static int open_library(void **state)
{
    ptl_error err = {0};
    (void)state;
    lt = cublas_get(&err);
    if (!lt)
        print_error("%s\n", err.text);
    return lt ? 0 : -1;
}

static void products_are_described_by_types_and_transposes(void **state)
{
    (void)state;
    const struct {
        cublasComputeType_t compute;
        cudaDataType scale;
    } kinds[] = {{CUBLAS_COMPUTE_32F, CUDA_R_32F},
                 {CUBLAS_COMPUTE_64F, CUDA_R_64F}};
    for (int i = 0; i < 2; i++) {
        cublasLtMatmulDesc_t desc;
        int32_t operation = CUBLAS_OP_T;
        assert_int_equal(lt->cublasLtMatmulDescCreate(&desc, kinds[i].compute,
                                                      kinds[i].scale),
                         CUBLAS_STATUS_SUCCESS);
        for (int side = CUBLASLT_MATMUL_DESC_TRANSA;
             side <= CUBLASLT_MATMUL_DESC_TRANSB; side++) {
            assert_int_equal(lt->cublasLtMatmulDescSetAttribute(
                                 desc, (cublasLtMatmulDescAttributes_t)side,
                                 &operation, sizeof operation),
                             CUBLAS_STATUS_SUCCESS);
            assert_int_equal(
                lt->cublasLtMatmulDescSetAttribute(
                    desc, (cublasLtMatmulDescAttributes_t)side, &operation, 2),
                CUBLAS_STATUS_INVALID_VALUE);
        }
        assert_int_equal(lt->cublasLtMatmulDescDestroy(desc),
                         CUBLAS_STATUS_SUCCESS);
    }
}

static void matrices_have_batches_apart(void **state)
{
    (void)state;
    cublasLtMatrixLayout_t layout;
    int32_t batch = 3;
    int64_t stride = 240;
    assert_int_equal(
        lt->cublasLtMatrixLayoutCreate(&layout, CUDA_R_64F, 10, 20, 12),
        CUBLAS_STATUS_SUCCESS);
    assert_int_equal(
        lt->cublasLtMatrixLayoutSetAttribute(
            layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
        CUBLAS_STATUS_SUCCESS);
    assert_int_equal(lt->cublasLtMatrixLayoutSetAttribute(
                         layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                         &stride, sizeof stride),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(lt->cublasLtMatrixLayoutSetAttribute(
                         layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                         &stride, sizeof batch),
                     CUBLAS_STATUS_INVALID_VALUE);
    assert_int_equal(lt->cublasLtMatrixLayoutDestroy(layout),
                     CUBLAS_STATUS_SUCCESS);
}

static void preferences_are_workspace_and_alignment(void **state)
{
    (void)state;
    cublasLtMatmulPreference_t preference;
    uint64_t most = 32 << 20;
    uint32_t align = 4;
    assert_int_equal(lt->cublasLtMatmulPreferenceCreate(&preference),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(lt->cublasLtMatmulPreferenceSetAttribute(
                         preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                         &most, sizeof most),
                     CUBLAS_STATUS_SUCCESS);
    for (int side = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
         side <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES; side++) {
        cublasLtMatmulPreferenceAttributes_t which =
            (cublasLtMatmulPreferenceAttributes_t)side;
        assert_int_equal(lt->cublasLtMatmulPreferenceSetAttribute(
                             preference, which, &align, sizeof align),
                         CUBLAS_STATUS_SUCCESS);
        assert_int_equal(lt->cublasLtMatmulPreferenceSetAttribute(
                             preference, which, &align, sizeof most),
                         CUBLAS_STATUS_INVALID_VALUE);
    }
    assert_int_equal(lt->cublasLtMatmulPreferenceDestroy(preference),
                     CUBLAS_STATUS_SUCCESS);
}

static void failures_are_in_its_words(void **state)
{
    (void)state;
    ptl_error err;
    assert_int_equal(
        cublas_fail(&err, "cuda:0", "begin", CUBLAS_STATUS_NOT_INITIALIZED),
        PTL_E_DEVICE);
    assert_string_equal(err.text, "cuda:0: cannot begin: cuBLASLt says the "
                                  "library was not initialized");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_described_by_types_and_transposes),
        cmocka_unit_test(matrices_have_batches_apart),
        cmocka_unit_test(preferences_are_workspace_and_alignment),
        cmocka_unit_test(failures_are_in_its_words),
    };
    return cmocka_run_group_tests(tests, open_library, NULL);
}
