/*
 * device.h - the virtual devices, their contexts, and the driver's one lock.
 *
 * Every call of the driver holds the lock, also while kernels run; only the
 * threads that run blocks do not.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include "memory.h"
#include "settings.h"

/* The primary context of a device. */
struct CUctx_st {
    int ordinal, retained;
    CUresult sticky; /* what a kernel's fault left behind */
    uint32_t peers;  /* devices whose memory it may access */
    struct CUstream_st *null_stream;
    device_memory memory;
};

/* What a device of this compute capability has. */
typedef struct {
    int arch, shared_per_block, shared_per_multiprocessor;
    int threads_per_multiprocessor, blocks_per_multiprocessor;
} arch_limits;
enum { MULTIPROCESSORS = 16, SHARED_WITHOUT_ASKING = 48 << 10 };

CUresult device_init(void);
bool device_is_ready(void);
struct CUctx_st *device_context(int ordinal); /* NULL: no such device */
const arch_limits *device_limits(void);
device_memory *device_of(CUdeviceptr address); /* NULL: none has it */
bool device_may_access(int from, int to);

/* Takes the lock. The current context; an error without one, or with what it
 * has got stuck with. */
CUresult driver_enter(struct CUctx_st **context);
CUresult driver_enter_any(void); /* needs no context */
CUresult driver_leave(CUresult result);
struct CUctx_st *driver_current(void);
void driver_set_current(struct CUctx_st *context);

/* A loaded module's kernels and variables (module.c). */
struct CUfunc_st *module_function(struct CUmod_st *m, const char *name);
struct kernel;

#endif
