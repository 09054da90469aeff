/*
 * nvrtc.c - NVRTC, opened at run time.
 *
 * Compiling for sm_XX gives PTX and machine code in one go, so every kernel has
 * been through ptxas, whose report is part of the log.
 */
#include "codegen/cuda/nvrtc.h"
#include "base/library.h"
#include "base/str.h"
#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_VERSION = 12000 };

typedef struct nvrtc_library {
    void *handle; /* NULL: could not be opened, `problem` says why */
    int version;
    char problem[300];
#define NVRTC_FUNCTION(name, parameters) int(*name) parameters;
#include "codegen/cuda/nvrtc.def"
#undef NVRTC_FUNCTION
} nvrtc_library;

static nvrtc_library library;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static const char *const usual_names[] = {
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so",
    "/usr/local/cuda/lib64/libnvrtc.so",
    NULL,
};

/* NVRTC opens a library of its own by name alone when it compiles; where it
 * came from a Python package the system would not find that. It lies beside it.
 */
static void open_companion(void *handle)
{
    char pattern[PATH_MAX + 40];
    glob_t found = {0};
    if (dlinfo(handle, RTLD_DI_ORIGIN, pattern) != 0)
        return;
    strcat(pattern, "/libnvrtc-builtins.so.*");
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    globfree(&found);
}

static void open_library(void)
{
    int major = 0, minor = 0;
    void *handle = library_open(
        "PTL_NVRTC", usual_names,
        "NVIDIA's compiler NVRTC (libnvrtc.so) is not here: install the CUDA "
        "toolkit, or name it by PTL_NVRTC",
        library.problem, sizeof library.problem);
    if (!handle)
        return;
    open_companion(handle);
    bool all = true;
#define NVRTC_FUNCTION(name, parameters)                                       \
    all = library_find(handle, #name, &library.name) && all;
#include "codegen/cuda/nvrtc.def"
#undef NVRTC_FUNCTION
    if (!all || library.nvrtcVersion(&major, &minor) != 0 ||
        major * 1000 + minor * 10 < LEAST_VERSION) {
        snprintf(library.problem, sizeof library.problem,
                 "NVRTC %d.%d is too old: at least %d.%d is wanted", major,
                 minor, LEAST_VERSION / 1000, LEAST_VERSION % 1000 / 10);
        dlclose(handle);
        return;
    }
    library.version = major * 1000 + minor * 10;
    library.handle = handle;
}

static ptl_status need_library(ptl_error *err)
{
    pthread_once(&opened, open_library);
    return library.handle ? PTL_OK
                          : ptl_fail(err, PTL_E_DEVICE, "%s", library.problem);
}

int nvrtc_version(void)
{
    pthread_once(&opened, open_library);
    return library.version;
}

ptl_status nvrtc_check(int arch, ptl_error *err)
{
    enum { MOST = 64 };
    int count = 0, archs[MOST];
    ptl_str known = {0};
    ptl_status st = need_library(err);
    if (st != PTL_OK)
        return st;
    if (library.nvrtcGetNumSupportedArchs(&count) != 0 || count > MOST ||
        library.nvrtcGetSupportedArchs(archs) != 0)
        return ptl_fail(err, PTL_E_DEVICE,
                        "NVRTC does not say which architectures it knows");
    for (int i = 0; i < count; i++) {
        if (archs[i] == arch)
            count = 0;
        else
            str_printf(&known, "%ssm_%d", i ? ", " : "", archs[i]);
    }
    if (count)
        st = ptl_fail(err, PTL_E_DEVICE,
                      "NVRTC %d.%d has no architecture sm_%d, but %s",
                      library.version / 1000, library.version % 1000 / 10, arch,
                      str_text(&known));
    str_fini(&known);
    return st;
}

/* ---------- compiling ---------- */

typedef int size_function(void *program, size_t *size);
typedef int text_function(void *program, char *text);

static char *take(void *program, size_function *size_of, text_function *get,
                  size_t *size)
{
    *size = 0;
    if (size_of(program, size) != 0)
        return NULL;
    char *text = calloc(*size + 1, 1);
    PTL_ASSERT(text);
    if (get(program, text) == 0)
        return text;
    free(text);
    return NULL;
}

static ptl_status take_all(void *program, const char *name, bool text_only,
                           nvrtc_code *out, ptl_error *err)
{
    out->ptx = take(program, library.nvrtcGetPTXSize, library.nvrtcGetPTX,
                    &out->ptx_size);
    if (!text_only)
        out->cubin = take(program, library.nvrtcGetCUBINSize,
                          library.nvrtcGetCUBIN, &out->cubin_size);
    if (out->ptx && out->log && (text_only || out->cubin))
        return PTL_OK;
    return ptl_fail(err, PTL_E_DEVICE, "NVRTC gave no code for \"%s\"", name);
}

ptl_status nvrtc_compile(const char *source, const char *name, int arch,
                         bool text_only, nvrtc_code *out, ptl_error *err)
{
    char architecture[40];
    void *program = NULL;
    size_t log_size;
    *out = (nvrtc_code){0};
    ptl_status st = need_library(err);
    if (st != PTL_OK)
        return st;
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s_%d",
             text_only ? "compute" : "sm", arch);
    const char *options[] = {architecture, "--fmad=false", "--std=c++17",
                             "--ptxas-options=-v"};
    if (library.nvrtcCreateProgram(&program, source, name, 0, NULL, NULL) != 0)
        return ptl_fail(err, PTL_E_DEVICE, "NVRTC takes no program");
    int failed = library.nvrtcCompileProgram(
        program, (int)(sizeof options / sizeof *options), options);
    out->log = take(program, library.nvrtcGetProgramLogSize,
                    library.nvrtcGetProgramLog, &log_size);
    st = failed ? ptl_fail(err, PTL_E_INTERNAL, "NVRTC refuses \"%s\"", name)
                : take_all(program, name, text_only, out, err);
    library.nvrtcDestroyProgram(&program);
    if (st != PTL_OK && st != PTL_E_INTERNAL)
        nvrtc_code_fini(out);
    return st;
}

void nvrtc_code_fini(nvrtc_code *code)
{
    free(code->ptx);
    free(code->cubin);
    free(code->log);
    *code = (nvrtc_code){0};
}
