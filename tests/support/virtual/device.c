/*
 * device.c - the virtual device as tests use it.
 */
#include "virtual/device.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static virtual_driver driver;

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        fail_msg("no %s in the virtual device", name);
    return symbol;
}

static void open_driver(void)
{
    const char *path = getenv("PTL_CUDA_DRIVER");
    void *library = dlopen(path ? path : PTL_VIRTUAL_CUDA, RTLD_NOW);
    if (!library)
        fail_msg("%s", dlerror());
#define CUDA_DRIVER(name, arguments)                                           \
    {                                                                          \
        void *symbol = find(library, #name);                                   \
        memcpy(&driver.name, &symbol, sizeof symbol);                          \
    }
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
}

const virtual_driver *cuda(void)
{
    if (!driver.cuInit) {
        open_driver();
        OK(cuInit(0));
        virtual_use(0);
    }
    return &driver;
}

CUcontext virtual_use(int device)
{
    CUcontext context;
    OK(cuDevicePrimaryCtxRetain(&context, device));
    OK(cuCtxSetCurrent(context));
    return context;
}

void virtual_reset(int device)
{
    while (cuda()->cuDevicePrimaryCtxRelease_v2(device) == CUDA_SUCCESS)
        ;
    virtual_use(device);
}

void virtual_check(CUresult result, const char *call, const char *file,
                   int line)
{
    const char *name = "?";
    if (result == CUDA_SUCCESS)
        return;
    driver.cuGetErrorName(result, &name);
    print_error("%s:%d: %s: %s\n", file, line, call, name);
    _fail(file, line);
}

CUfunction virtual_kernel(const char *ptx, const char *name)
{
    CUmodule module;
    CUfunction f;
    OK(cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL));
    OK(cuModuleGetFunction(&f, module, name));
    return f;
}

CUdeviceptr virtual_room(size_t bytes)
{
    CUdeviceptr address;
    OK(cuMemAlloc_v2(&address, bytes));
    return address;
}

CUdeviceptr virtual_upload(const void *data, size_t bytes)
{
    CUdeviceptr address = virtual_room(bytes);
    OK(cuMemcpyHtoD_v2(address, data, bytes));
    return address;
}

void virtual_download(void *to, CUdeviceptr from, size_t bytes)
{
    OK(cuMemcpyDtoH_v2(to, from, bytes));
}

CUresult virtual_launch(CUfunction f, unsigned blocks, unsigned threads,
                        unsigned shared_bytes, void **arguments)
{
    OK(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, shared_bytes, NULL,
                      arguments, NULL));
    return cuda()->cuCtxSynchronize();
}

static int stderr_before = -1;
static FILE *heard_in;
static char heard[8192];

void virtual_listen(void)
{
    fflush(stderr);
    heard_in = tmpfile();
    assert_non_null(heard_in);
    stderr_before = dup(2);
    dup2(fileno(heard_in), 2);
}

const char *virtual_heard(void)
{
    fflush(stderr);
    dup2(stderr_before, 2);
    close(stderr_before);
    rewind(heard_in);
    size_t length = fread(heard, 1, sizeof heard - 1, heard_in);
    heard[length] = 0;
    fclose(heard_in);
    return heard;
}
