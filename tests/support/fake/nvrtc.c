/*
 * nvrtc.c - a library with the functions of NVRTC that compiles nothing, named
 * by PTL_NVRTC: for what NVRTC does when all is not well. FAKE_NVRTC says what:
 *
 *   version    it is release 11.8
 *   archs      it knows nothing but sm_90
 *   source     it refuses the second kernel of each text, with its line
 *   assembler  ptxas refuses that kernel, by its name
 *   crash      it crashes
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVRTC_FUNCTION(name, parameters)                                       \
    __attribute__((visibility("default"))) int name parameters;
#include "codegen/cuda/nvrtc.def"
#undef NVRTC_FUNCTION

static char report[1000]; /* one program at a time asks for it */

static int is_asked(const char *what)
{
    const char *wish = getenv("FAKE_NVRTC");
    return wish && strcmp(wish, what) == 0;
}

int nvrtcVersion(int *major, int *minor)
{
    *major = is_asked("version") ? 11 : 13;
    *minor = is_asked("version") ? 8 : 0;
    return 0;
}

int nvrtcGetNumSupportedArchs(int *count)
{
    *count = is_asked("archs") ? 1 : 2;
    return 0;
}

int nvrtcGetSupportedArchs(int *archs)
{
    archs[0] = 90;
    if (!is_asked("archs"))
        archs[1] = 80;
    return 0;
}

int nvrtcCreateProgram(void **program, const char *source, const char *name,
                       int headers, const char *const *header_texts,
                       const char *const *header_names)
{
    (void)name, (void)headers, (void)header_texts, (void)header_names;
    *program = strdup(source);
    return *program == NULL;
}

/* Where the name of the second kernel stands, "KERNEL(" after two lines. */
static const char *second_kernel(const char *source)
{
    const char *at = strstr(source, "__global__ void");
    at = at ? strstr(at + 1, "__global__ void") : NULL;
    at = at ? strchr(at, '\n') : NULL;
    return at ? at + 1 : source;
}

int nvrtcCompileProgram(void *program, int count, const char *const *options)
{
    const char *at = second_kernel(program);
    int line = 1;
    (void)count, (void)options;
    for (const char *c = program; c < at; c++)
        line += *c == '\n';
    if (is_asked("crash"))
        raise(SIGSEGV);
    if (is_asked("source"))
        snprintf(report, sizeof report,
                 "kernels.cu(3): warning #177-D: x is not used\n\n"
                 "kernels.cu(%d): error: this is not liked\n"
                 "          b1[task] = 0;\n"
                 "1 error detected in the compilation of \"kernels.cu\".\n",
                 line + 2);
    else
        snprintf(report, sizeof report,
                 "ptxas error   : Entry function '%.*s' uses too much shared "
                 "data\n",
                 (int)strcspn(at, "("), at);
    return 6; /* NVRTC_ERROR_COMPILATION */
}

int nvrtcDestroyProgram(void **program)
{
    free(*program);
    *program = NULL;
    return 0;
}

int nvrtcGetProgramLogSize(void *program, size_t *size)
{
    (void)program;
    *size = strlen(report) + 1;
    return 0;
}

int nvrtcGetProgramLog(void *program, char *log)
{
    (void)program;
    strcpy(log, report);
    return 0;
}

int nvrtcGetPTXSize(void *program, size_t *size)
{
    (void)program, (void)size;
    return 1;
}

int nvrtcGetPTX(void *program, char *ptx)
{
    (void)program, (void)ptx;
    return 1;
}

int nvrtcGetCUBINSize(void *program, size_t *size)
{
    (void)program, (void)size;
    return 1;
}

int nvrtcGetCUBIN(void *program, char *cubin)
{
    (void)program, (void)cubin;
    return 1;
}
