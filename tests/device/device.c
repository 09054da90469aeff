/*
 * device.c - the virtual devices, their contexts, and the driver's one lock.
 */
#include "device.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st contexts[MAX_DEVICES]; /* guarded by lock */
static bool is_ready;                         /* guarded by lock */
static _Thread_local struct CUctx_st *current;

CUresult device_init(void)
{
    const device_settings *s = settings();
    if (is_ready)
        return CUDA_SUCCESS;
    if (s->devices < 1)
        return CUDA_ERROR_NO_DEVICE;
    for (int d = 0; d < s->devices; d++) {
        contexts[d] = (struct CUctx_st){.ordinal = d};
        if (!memory_open(&contexts[d].memory, d, s->memory))
            return CUDA_ERROR_OUT_OF_MEMORY;
    }
    is_ready = true;
    return CUDA_SUCCESS;
}

bool device_is_ready(void)
{
    return is_ready;
}

struct CUctx_st *device_context(int ordinal)
{
    return ordinal >= 0 && ordinal < settings()->devices ? &contexts[ordinal]
                                                         : NULL;
}

const arch_limits *device_limits(void)
{
    static const arch_limits limits[] = {
#define ARCH(arch, block, multiprocessor, threads, blocks)                     \
    {arch, block << 10, multiprocessor << 10, threads, blocks},
#include "arch.def"
#undef ARCH
    };
    unsigned count = sizeof limits / sizeof *limits, best = 0;
    for (unsigned a = 0; a < count; a++)
        if (limits[a].arch <= settings()->arch)
            best = a;
    return &limits[best];
}

device_memory *device_of(CUdeviceptr address)
{
    uint64_t ordinal = (address >> 48) - 16;
    return ordinal < (uint64_t)settings()->devices ? &contexts[ordinal].memory
                                                   : NULL;
}

bool device_may_access(int from, int to)
{
    return from == to || contexts[from].peers >> to & 1;
}

CUresult driver_enter_any(void)
{
    pthread_mutex_lock(&lock);
    return is_ready ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult driver_enter(struct CUctx_st **context)
{
    CUresult r = driver_enter_any();
    *context = current;
    if (r != CUDA_SUCCESS)
        return r;
    if (!current || !current->retained)
        return CUDA_ERROR_INVALID_CONTEXT;
    return current->sticky;
}

CUresult driver_leave(CUresult result)
{
    pthread_mutex_unlock(&lock);
    return result;
}

struct CUctx_st *driver_current(void)
{
    return current;
}

void driver_set_current(struct CUctx_st *context)
{
    current = context;
}
