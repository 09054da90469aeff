/*
 * math_code.h - the elementary functions as machine code, for math_cases.h.
 */
#ifndef PTL_TEST_MATH_CODE_H
#define PTL_TEST_MATH_CODE_H

#include "codegen/llvm/llvm_jit.h"
#include "core/math_cases.h"

/* One function compiled for `cpu` at its full width. */
typedef struct math_code {
    kern_module *module;
    llvm_code *code;
    ptl_entry entry;
} math_code;

math_code math_code_open(const math_case *c, kern_type type, const char *cpu);
void math_code_close(math_code *code);
/* A math_run; `context` is a math_code. */
void math_code_run(void *context, void *const *buffers);

#endif
