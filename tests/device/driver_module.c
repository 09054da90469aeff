/*
 * driver_module.c - the driver's functions for modules and kernels.
 */
#include "driver.h"
#include <stdio.h>
#include <string.h>

/* What was wrong goes where the caller asked for a log, and to stderr unless it
 * is machine code, after which callers offer PTX. */
static void write_log(const ptl_str *why, CUresult result, unsigned count,
                      CUjit_option *options, void **values)
{
    char *buffer = NULL;
    size_t room = 0;
    for (unsigned o = 0; o < count; o++)
        if (options[o] == CU_JIT_ERROR_LOG_BUFFER)
            buffer = values[o];
        else if (options[o] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            room = (size_t)(uintptr_t)values[o];
    if (buffer && room)
        snprintf(buffer, room, "%s", str_text(why));
    if (why->length && result != CUDA_ERROR_NO_BINARY_FOR_GPU)
        fprintf(stderr, "virtual device: module refused: %s\n", str_text(why));
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image,
                            unsigned option_count, CUjit_option *options,
                            void **values)
{
    struct CUctx_st *c;
    ptl_str why = {0};
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS && (!module || !image))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        r = module_load(c, image, &why, module);
    write_log(&why, r, option_count, options, values);
    str_fini(&why);
    return driver_leave(r);
}

static CUresult enter_module(CUmodule module, struct CUctx_st **c)
{
    CUresult r = driver_enter(c);
    if (r == CUDA_SUCCESS && !module_is_loaded(module))
        r = CUDA_ERROR_INVALID_HANDLE;
    return r;
}

CUresult cuModuleUnload(CUmodule module)
{
    struct CUctx_st *c;
    CUresult r = enter_module(module, &c);
    if (r == CUDA_SUCCESS)
        r = stream_drain(module->context, NULL);
    if (r == CUDA_SUCCESS)
        module_unload(module);
    return driver_leave(r);
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module,
                             const char *name)
{
    struct CUctx_st *c;
    CUresult r = enter_module(module, &c);
    if (r == CUDA_SUCCESS) {
        r = CUDA_ERROR_NOT_FOUND;
        for (int f = 0; f < module->function_count; f++)
            if (strcmp(module->functions[f].kernel->name, name) == 0) {
                *function = &module->functions[f];
                r = CUDA_SUCCESS;
            }
    }
    return driver_leave(r);
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes,
                              CUmodule module, const char *name)
{
    struct CUctx_st *c;
    CUresult r = enter_module(module, &c);
    if (r == CUDA_SUCCESS) {
        r = CUDA_ERROR_NOT_FOUND;
        for (int v = 0; v < module->source->variables.count; v++) {
            const ptx_variable *var = &module->source->variables.data[v];
            if (var->space != PTX_GLOBAL || strcmp(var->name, name) != 0)
                continue;
            if (address)
                *address = var->offset;
            if (bytes)
                *bytes = var->bytes;
            r = CUDA_SUCCESS;
        }
    }
    return driver_leave(r);
}

static CUresult enter_kernel(CUfunction function, struct CUctx_st **c,
                             kernel **k)
{
    CUresult r = driver_enter(c);
    *k = r == CUDA_SUCCESS ? module_kernel(function) : NULL;
    return r == CUDA_SUCCESS && !*k ? CUDA_ERROR_INVALID_HANDLE : r;
}

/* As many registers as a kernel of few gets; ptxas is not asked. */
enum { REGISTERS = 32 };

static CUresult attribute_value(const kernel *k, CUfunction_attribute attribute,
                                int *value)
{
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *value = (int)k->max_threads;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *value = (int)k->shared_bytes;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
        *value = (int)k->constant_bytes;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
        *value = (int)k->local_bytes;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *value = REGISTERS;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *value = settings()->arch;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = k->max_dynamic_shared;
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute,
                            CUfunction function)
{
    struct CUctx_st *c;
    kernel *k;
    CUresult r = enter_kernel(function, &c, &k);
    if (r == CUDA_SUCCESS)
        r = attribute_value(k, attribute, value);
    return driver_leave(r);
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                            int value)
{
    struct CUctx_st *c;
    kernel *k;
    CUresult r = enter_kernel(function, &c, &k);
    if (r == CUDA_SUCCESS &&
        (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ||
         value < 0 ||
         value + (int)k->shared_bytes > device_limits()->shared_per_block))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        k->max_dynamic_shared = value;
    return driver_leave(r);
}

int kernel_blocks_at_once(const kernel *k, unsigned threads, size_t dynamic)
{
    enum { RESERVED = 1024 };
    const arch_limits *a = device_limits();
    unsigned warps = (threads + LANES - 1) / LANES;
    size_t shared = k->shared_bytes + dynamic + RESERVED;
    int by_threads =
        a->threads_per_multiprocessor / (int)(warps ? warps * LANES : 1);
    int by_shared = (int)((size_t)a->shared_per_multiprocessor / shared);
    int by_registers =
        65536 / (REGISTERS * (int)(warps ? warps * LANES : LANES));
    int blocks = a->blocks_per_multiprocessor;
    blocks = by_threads < blocks ? by_threads : blocks;
    blocks = by_shared < blocks ? by_shared : blocks;
    return by_registers < blocks ? by_registers : blocks;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                     CUfunction function,
                                                     int block_threads,
                                                     size_t shared_bytes)
{
    struct CUctx_st *c;
    kernel *k;
    CUresult r = enter_kernel(function, &c, &k);
    if (r == CUDA_SUCCESS && (block_threads < 1 || block_threads > 1024))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        *blocks =
            kernel_blocks_at_once(k, (unsigned)block_threads, shared_bytes);
    return driver_leave(r);
}
