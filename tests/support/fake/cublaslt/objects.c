/*
 * objects.c - the library, its handles and descriptions.
 */
#include "fake.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ALIGN = 4 };

/* As NVIDIA numbers them, not as PTL says: what computes f32 in f32. */
enum { COMPUTE_32F = 68, COMPUTE_64F = 70 };

bool fake_is_asked(const char *what)
{
    const char *wish = getenv("FAKE_CUBLASLT");
    return wish && strcmp(wish, what) == 0;
}

/* ---------- the driver ---------- */

static void find(void *handle, const char *name, void *pointer)
{
    void *symbol = dlsym(handle, name);
    memcpy(pointer, &symbol, sizeof symbol);
}

const fake_driver *fake_driver_get(void)
{
    static fake_driver driver;
    if (driver.cuInit)
        return &driver;
    const char *path = getenv("PTL_CUDA_DRIVER");
    void *handle = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (!handle)
        return NULL;
#define CUDA_DRIVER(name, arguments) find(handle, #name, &driver.name);
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
    dlclose(handle); /* whoever opened it has it open */
    return &driver;
}

/* ---------- objects ---------- */

typedef struct object {
    object_kind kind;
    void *at;
    struct object *next;
} object;

static object *objects; /* what is alive */

cublasStatus_t fake_refuse(cublasStatus_t status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fake cuBLASLt: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static cublasStatus_t make(object_kind kind, size_t bytes, void *out)
{
    object *o = calloc(1, sizeof *o);
    *o = (object){kind, calloc(1, bytes), objects};
    objects = o;
    memcpy(out, &o->at, sizeof o->at);
    return CUBLAS_STATUS_SUCCESS;
}

bool fake_is_alive(object_kind kind, const void *at)
{
    for (const object *o = objects; o; o = o->next)
        if (o->kind == kind && o->at == at)
            return true;
    return false;
}

static cublasStatus_t destroy(object_kind kind, void *at)
{
    for (object **o = &objects; *o; o = &(*o)->next)
        if ((*o)->kind == kind && (*o)->at == at) {
            object *gone = *o;
            *o = gone->next;
            free(gone->at);
            free(gone);
            return CUBLAS_STATUS_SUCCESS;
        }
    return fake_refuse(kind == HANDLE ? CUBLAS_STATUS_NOT_INITIALIZED
                                      : CUBLAS_STATUS_INVALID_VALUE,
                       "what is destroyed is not alive");
}

FILE *fake_open_log(void)
{
    const char *path = getenv("FAKE_CUBLASLT_LOG");
    return path ? fopen(path, "a") : NULL;
}

__attribute__((destructor)) static void say_alive(void)
{
    FILE *log = fake_open_log();
    int count = 0;
    for (const object *o = objects; o; o = o->next)
        count++;
    if (log) {
        fprintf(log, "alive %d\n", count);
        fclose(log);
    }
}

/* ---------- the library and its objects ---------- */

size_t cublasLtGetVersion(void)
{
    return fake_is_asked("version") ? 110803 : 130001;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    switch (status) {
#define CUBLAS_STATUS_ROW(name, number, text)                                  \
    case name:                                                                 \
        return text;
#include "device/cublas_status.def"
#undef CUBLAS_STATUS_ROW
    }
    return "unrecognized error code";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    CUcontext current = NULL;
    if (fake_is_asked("create"))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    const fake_driver *driver = fake_driver_get();
    if (!driver || driver->cuCtxGetCurrent(&current) != CUDA_SUCCESS ||
        !current)
        return fake_refuse(CUBLAS_STATUS_NOT_INITIALIZED,
                           "no context is current");
    make(HANDLE, sizeof **handle, handle);
    (*handle)->context = current;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroy(HANDLE, handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc,
                                        cublasComputeType_t compute,
                                        cudaDataType scale)
{
    if (!((int)compute == COMPUTE_32F && scale == CUDA_R_32F) &&
        !((int)compute == COMPUTE_64F && scale == CUDA_R_64F))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "computes in %d, scales in %d", compute, scale);
    make(DESC, sizeof **desc, desc);
    (*desc)->compute = compute;
    (*desc)->scale = scale;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    return destroy(DESC, desc);
}

cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                               cublasLtMatmulDescAttributes_t attribute,
                               const void *value, size_t bytes)
{
    int32_t operation;
    bool known = attribute == CUBLASLT_MATMUL_DESC_TRANSA ||
                 attribute == CUBLASLT_MATMUL_DESC_TRANSB;
    if (!fake_is_alive(DESC, desc) || !known || bytes != sizeof operation)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "attribute %d of a product, %zu bytes", attribute,
                           bytes);
    memcpy(&operation, value, bytes);
    if (operation != CUBLAS_OP_N && operation != CUBLAS_OP_T)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "operation %d",
                           operation);
    desc->transposed[attribute - CUBLASLT_MATMUL_DESC_TRANSA] = operation;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout,
                                          cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld)
{
    if ((type != CUDA_R_32F && type != CUDA_R_64F) || rows < 1 || columns < 1 ||
        rows > INT32_MAX || columns > INT32_MAX || ld < (int64_t)rows)
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "%" PRIu64 " x %" PRIu64
                           " of type %d with ld %" PRId64,
                           rows, columns, type, ld);
    make(LAYOUT, sizeof **layout, layout);
    **layout = (struct cublasLtMatrixLayoutOpaque_t){
        (int64_t)rows, (int64_t)columns, ld, 0, 1, type};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroy(LAYOUT, layout);
}

cublasStatus_t
cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                 cublasLtMatrixLayoutAttribute_t attribute,
                                 const void *value, size_t bytes)
{
    bool count = attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
    if (!fake_is_alive(LAYOUT, layout) ||
        (!count && attribute != CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) ||
        bytes != (count ? sizeof layout->batch : sizeof layout->stride))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "attribute %d of a matrix, %zu bytes", attribute,
                           bytes);
    memcpy(count ? (void *)&layout->batch : (void *)&layout->stride, value,
           bytes);
    return layout->batch > 0 && layout->stride >= 0
               ? CUBLAS_STATUS_SUCCESS
               : fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                             "%d batches, %" PRId64 " apart", layout->batch,
                             layout->stride);
}

cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    make(PREFERENCE, sizeof **preference, preference);
    for (int i = 0; i < 4; i++) /* the documented default */
        (*preference)->align[i] = 256;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroy(PREFERENCE, preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
    size_t bytes)
{
    bool space = attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
    int side = (int)attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    if (!fake_is_alive(PREFERENCE, preference) ||
        (!space && (side < 0 || side > 3)))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "preference %d",
                           attribute);
    if (bytes != (space ? sizeof(uint64_t) : sizeof(uint32_t)))
        return fake_refuse(CUBLAS_STATUS_INVALID_VALUE,
                           "preference %d of %zu bytes", attribute, bytes);
    if (space) {
        memcpy(&preference->workspace, value, bytes);
        return CUBLAS_STATUS_SUCCESS;
    }
    uint32_t align;
    memcpy(&align, value, bytes);
    preference->align[side] = align;
    return align >= LEAST_ALIGN && !(align & (align - 1))
               ? CUBLAS_STATUS_SUCCESS
               : fake_refuse(CUBLAS_STATUS_INVALID_VALUE, "alignment %u",
                             align);
}
