/*
 * math_code.c - compiles one elementary function.
 */
#include "llvm/math_code.h"
#include "llvm/code.h"

math_code math_code_open(const math_case *c, kern_type type, const char *cpu)
{
    kern_target target;
    ptl_error err = {0};
    if (llvm_target(cpu, &target, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    int lanes = type == KERN_F32 ? target.lanes_f32 : target.lanes_f32 / 2;
    math_code out = {.module = math_module(c, type, lanes)};
    out.code = test_compile(out.module, cpu);
    out.entry = llvm_entry(out.code, 0);
    return out;
}

void math_code_close(math_code *code)
{
    llvm_code_release(code->code);
    kern_module_free(code->module);
}

void math_code_run(void *context, void *const *buffers)
{
    const math_code *code = context;
    code->entry(buffers, 0, 1);
}
