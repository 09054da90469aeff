/*
 * symbols.c - the functions generated code may call.
 *
 * Code is linked against this table alone, so what a kernel can reach is
 * written down in one place and does not depend on what the process happens to
 * have loaded.
 */
#include "codegen/llvm/internal.h"
#include <math.h>
#include <string.h>

/* In the C library since 2.25, declared only for C23. */
extern double roundeven(double x);
extern float roundevenf(float x);

const llvm_symbol llvm_symbols[] = {
#define SYMBOL(function) {#function, (uintptr_t)&(function)},
#include "codegen/llvm/symbols.def"
#undef SYMBOL
};
const int llvm_symbol_count = (int)(sizeof llvm_symbols / sizeof *llvm_symbols);
