/*
 * code.c - compiling in tests.
 */
#include "llvm/code.h"

llvm_code *test_compile(const kern_module *m, const char *cpu)
{
    llvm_options options = {.cpu = cpu};
    llvm_code *code = NULL;
    ptl_error err = {0};
    if (!kern_verify(m, &err) ||
        llvm_compile(m, &options, &code, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    return code;
}

ptl_str test_emit(const kern_module *m, const char *cpu, bool assembly)
{
    llvm_options options = {.cpu = cpu};
    ptl_str out = {0};
    ptl_error err = {0};
    if (llvm_emit(m, &options, assembly, &out, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    return out;
}
