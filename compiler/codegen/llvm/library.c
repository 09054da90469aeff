/*
 * library.c - libLLVM, opened by the first who needs it.
 *
 * The library is 130 MB with a dozen others behind it, and the system takes 25
 * ms to load them: more than all of `ptlc check`. So ptlc is not linked to it.
 * Each function that we call has an entry of its name here, a jump to where the
 * library has it. The rest of the compiler calls LLVM as if it were linked.
 */
#include "codegen/llvm/library.h"
#include "base/library.h"
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

static void call_too_soon(void)
{
    PTL_ASSERT(!"a function of LLVM's is called before llvm_need()");
}

/* Named in the text of the jumps, which the compiler does not read. */
#define LLVM_FUNCTION(name)                                                    \
    static void (*to_##name)(void) __attribute__((used)) = call_too_soon;
#include "codegen/llvm/functions.def"
#undef LLVM_FUNCTION

#define LLVM_FUNCTION(name)                                                    \
    __asm__(".pushsection .text\n"                                             \
            ".p2align 4\n"                                                     \
            ".globl " #name "\n"                                               \
            ".type " #name ", @function\n" #name ":\n"                         \
            "jmp *to_" #name "(%rip)\n"                                        \
            ".size " #name ", . - " #name "\n"                                 \
            ".popsection\n");
#include "codegen/llvm/functions.def"
#undef LLVM_FUNCTION

static const struct {
    const char *name;
    void (**to)(void);
} functions[] = {
#define LLVM_FUNCTION(name) {#name, &to_##name},
#include "codegen/llvm/functions.def"
#undef LLVM_FUNCTION
};

static char problem[300]; /* "": it is open */

static void open_library(void)
{
    static const char *const usual[] = {PTL_LLVM_LIBRARY, "libLLVM.so.19.1",
                                        NULL};
    void *library =
        library_open("PTL_LLVM", usual,
                     "LLVM 19 (libLLVM.so.19.1, Debian's package libllvm19) "
                     "is not here; PTL_LLVM names one that lies elsewhere",
                     problem, sizeof problem);
    for (size_t i = 0; library && i < sizeof functions / sizeof *functions; i++)
        if (!library_need(library, "LLVM", functions[i].name, functions[i].to,
                          problem, sizeof problem))
            library = NULL;
}

ptl_status llvm_need(ptl_error *err)
{
    static pthread_once_t opened = PTHREAD_ONCE_INIT;
    pthread_once(&opened, open_library);
    return problem[0] ? ptl_fail(err, PTL_E_IO, "%s", problem) : PTL_OK;
}
