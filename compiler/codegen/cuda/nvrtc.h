/*
 * nvrtc.h - CUDA C to PTX and machine code, through NVIDIA's NVRTC.
 *
 * The library is opened when it is first asked for: PTL_NVRTC (a path) or what
 * the system finds. Nothing of the toolkit is needed to build this. Thread:
 * any.
 */
#ifndef PTL_CODEGEN_CUDA_NVRTC_H
#define PTL_CODEGEN_CUDA_NVRTC_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* 80 for sm_80. Fails (E_DEVICE) where there is no NVRTC, it is too old, or it
 * does not know the architecture; the message names those it knows. */
ptl_status nvrtc_check(int arch, ptl_error *err);

typedef struct nvrtc_code {
    char *ptx;                   /* text */
    void *cubin; /* machine code of just this architecture; NULL: none made */
    size_t ptx_size, cubin_size; /* the text's with its NUL */
    char *log;                   /* what ptxas said of every kernel */
} nvrtc_code;

/* `name` stands for the file in messages. E_INTERNAL: the compiler wrote what
 * NVRTC refuses; `out` has nothing but the log then. */
ptl_status nvrtc_compile(const char *source, const char *name, int arch,
                         bool text_only, nvrtc_code *out, ptl_error *err);
void nvrtc_code_fini(nvrtc_code *code);
/* 13000 for 13.0; 0: there is none. */
int nvrtc_version(void);

#endif
