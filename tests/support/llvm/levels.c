/*
 * levels.c - asks the compiler which levels can run here.
 */
#include "llvm/levels.h"
#include "codegen/llvm/llvm_jit.h"
#include <stddef.h>

const char *const *test_levels(void)
{
    static const char *const all[] = {"native", "avx512", "avx2", "portable"};
    static const char *found[5];
    int count = 0;
    kern_target target;
    for (int i = 0; i < 4; i++)
        if (llvm_target(all[i], &target, NULL) == PTL_OK)
            found[count++] = all[i];
    found[count] = NULL;
    return found;
}
