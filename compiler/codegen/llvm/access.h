/*
 * access.h - one load or store on its way to instructions. Shared by memory.c,
 * which picks the instructions, and stride.c.
 */
#ifndef PTL_CODEGEN_LLVM_ACCESS_H
#define PTL_CODEGEN_LLVM_ACCESS_H

#include "codegen/llvm/internal.h"

enum { MAX_LANES = 64 };

typedef struct llvm_access {
    LLVMTypeRef element; /* as it lies in memory */
    LLVMTypeRef type;    /* lanes of it */
    unsigned align;
    int lanes;
    LLVMValueRef at;      /* pointer to lane 0 */
    LLVMValueRef offsets; /* per lane, or NULL */
    LLVMValueRef mask;    /* or NULL */
    int64_t stride;
    bool streamed; /* stores of whole lines go around the caches */
} llvm_access;

/* Stride 1; `other` is what lanes outside the mask load. */
LLVMValueRef llvm_load_plain(llvm_emitter *e, const llvm_access *a,
                             const char *name);
LLVMValueRef llvm_load_contiguous(llvm_emitter *e, const llvm_access *a,
                                  LLVMValueRef other, const char *name);
/* Where there is a mask; masked.c. */
LLVMValueRef llvm_load_masked(llvm_emitter *e, const llvm_access *a,
                              LLVMValueRef other, const char *name);
void llvm_store_contiguous(llvm_emitter *e, const llvm_access *a,
                           LLVMValueRef x);

/* Do whole vectors and shuffles serve this stride better than its elements? */
bool llvm_has_wide_stride(const llvm_emitter *e, const llvm_access *a);
LLVMValueRef llvm_load_strided(llvm_emitter *e, const llvm_access *a,
                               LLVMValueRef other);
void llvm_store_strided(llvm_emitter *e, const llvm_access *a, LLVMValueRef x);

#endif
