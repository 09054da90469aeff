/*
 * rules.h - the typing rules of the kernel form, one place for the builder
 * (which asserts them) and the verifier (which reports them).
 */
#ifndef PTL_KERNEL_RULES_H
#define PTL_KERNEL_RULES_H

#include "kernel/kernel.h"

/* What is wrong with the value's type, lanes or operands; NULL: nothing. Looks
 * at no more than the value, its operands and the kernel's buffers. */
const char *kern_value_problem(const kern_kernel *k, const kern_value *v);
/* The same for a STORE of `x` to `at`. */
const char *kern_store_problem(const kern_kernel *k, const kern_memory *at,
                               const kern_value *x);

#endif
