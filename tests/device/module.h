/*
 * module.h - loaded modules.
 */
#ifndef DEVICE_MODULE_H
#define DEVICE_MODULE_H

#include "device.h"
#include "exec.h"

struct CUfunc_st {
    kernel *kernel;
    struct CUmod_st *module;
};

struct CUmod_st {
    ptl_arena *arena;
    ptx_module *source;
    struct CUctx_st *context;
    struct CUfunc_st *functions;
    int function_count;
    uint8_t *constants;
    size_t constant_bytes;
    bool loaded; /* stays in memory when it is not, so that its use is found */
    struct CUmod_st *next;
};

/* PTX text alone is taken; what is wrong with it comes into `why`. */
CUresult module_load(struct CUctx_st *context, const char *image, ptl_str *why,
                     struct CUmod_st **module);
void module_unload(struct CUmod_st *m);
bool module_is_loaded(const struct CUmod_st *m);
/* NULL when `f` is no function of a loaded module. */
kernel *module_kernel(const struct CUfunc_st *f);
/* Of all kernels of all modules, also unloaded ones. */
void module_report(const char *path);

#endif
