/*
 * nvrtc.c - CUDA C to PTX, by NVRTC where it is found.
 */
#include "virtual/nvrtc.h"
#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct program program;

#define NVRTC_FUNCTIONS                                                        \
    NVRTC(nvrtcCreateProgram,                                                  \
          (program * *p, const char *source, const char *name,                 \
           int header_count, const char *const *headers,                       \
           const char *const *names))                                          \
    NVRTC(nvrtcCompileProgram,                                                 \
          (program * p, int count, const char *const *options))                \
    NVRTC(nvrtcGetPTXSize, (program * p, size_t * bytes))                      \
    NVRTC(nvrtcGetPTX, (program * p, char *ptx))                               \
    NVRTC(nvrtcGetProgramLogSize, (program * p, size_t * bytes))               \
    NVRTC(nvrtcGetProgramLog, (program * p, char *log))                        \
    NVRTC(nvrtcDestroyProgram, (program * *p))

#define NVRTC(name, arguments) static int(*name) arguments;
NVRTC_FUNCTIONS
#undef NVRTC

/* What NVRTC opens by name when it compiles lies beside it. */
static void open_companion(void *library)
{
    char pattern[PATH_MAX + 40];
    glob_t found = {0};
    if (dlinfo(library, RTLD_DI_ORIGIN, pattern) != 0)
        return;
    strcat(pattern, "/libnvrtc-builtins.so.*");
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t f = 0; f < found.gl_pathc; f++)
            dlopen(found.gl_pathv[f], RTLD_NOW);
    globfree(&found);
}

static void *open_first(const char *pattern)
{
    glob_t found = {0};
    void *library = NULL;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t f = 0; f < found.gl_pathc && !library; f++)
            library = dlopen(found.gl_pathv[f], RTLD_NOW);
    globfree(&found);
    return library;
}

static void *find_library(void)
{
    const char *named = getenv("PTL_NVRTC"), *venv = getenv("PTL_VENV");
    char pattern[1024];
    if (named)
        return dlopen(named, RTLD_NOW);
    snprintf(pattern, sizeof pattern,
             "%s/lib/python3*/site-packages/nvidia/*/lib/libnvrtc.so.1[23]",
             venv ? venv : PTL_SOURCE_DIR "/.venv");
    void *library = open_first(pattern);
    return library ? library : open_first("/usr/local/cuda*/lib64/libnvrtc.so");
}

bool nvrtc_open(void)
{
    if (nvrtcCreateProgram)
        return true;
    void *library = find_library();
    if (!library)
        return false;
    open_companion(library);
#define NVRTC(name, arguments)                                                 \
    if (!(*(void **)(void *)&name = dlsym(library, #name)))                    \
        return false;
    NVRTC_FUNCTIONS
#undef NVRTC
    return true;
}

static void print_log(program *p)
{
    size_t bytes = 0;
    nvrtcGetProgramLogSize(p, &bytes);
    char *log = calloc(1, bytes + 1);
    if (log && nvrtcGetProgramLog(p, log) == 0)
        fprintf(stderr, "%s\n", log);
    free(log);
}

char *nvrtc_compile(const char *source, int arch)
{
    program *p;
    size_t bytes = 0;
    char *ptx = NULL, target[32];
    snprintf(target, sizeof target, "-arch=sm_%d", arch);
    const char *options[] = {target, "--fmad=false"};
    if (nvrtcCreateProgram(&p, source, "kernel.cu", 0, NULL, NULL) != 0)
        return NULL;
    if (nvrtcCompileProgram(p, 2, options) != 0)
        print_log(p);
    else if (nvrtcGetPTXSize(p, &bytes) == 0 && (ptx = calloc(1, bytes + 1)))
        nvrtcGetPTX(p, ptx);
    nvrtcDestroyProgram(&p);
    return ptx;
}
