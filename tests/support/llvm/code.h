/*
 * code.h - compiles a module in a test, or fails the test.
 */
#ifndef PTL_TEST_CODE_H
#define PTL_TEST_CODE_H

#include "codegen/llvm/llvm_jit.h"

/* Verified, compiled without a cache. Release with llvm_code_release(). */
llvm_code *test_compile(const kern_module *m, const char *cpu);
/* IR or assembly of `m`; release with str_fini(). */
ptl_str test_emit(const kern_module *m, const char *cpu, bool assembly);

#endif
