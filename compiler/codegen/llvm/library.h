/*
 * library.h - libLLVM, opened by the first who needs it.
 */
#ifndef PTL_CODEGEN_LLVM_LIBRARY_H
#define PTL_CODEGEN_LLVM_LIBRARY_H

#include "base/status.h"

/* To be called before any function of LLVM's. Any thread, any number of times;
 * E_IO: there is no libLLVM, and why. */
ptl_status llvm_need(ptl_error *err);

#endif
