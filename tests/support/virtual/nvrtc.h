/*
 * nvrtc.h - CUDA C to PTX, by NVRTC where it is found.
 */
#ifndef SUPPORT_VIRTUAL_NVRTC_H
#define SUPPORT_VIRTUAL_NVRTC_H

#include <stdbool.h>

/* Opens it: $PTL_NVRTC, a toolkit in /usr/local, or the Python package
 * nvidia-cuda-nvrtc in $PTL_VENV or .venv. */
bool nvrtc_open(void);
/* PTX for sm_`arch`, to be freed; NULL after printing what it said. */
char *nvrtc_compile(const char *source, int arch);

#endif
