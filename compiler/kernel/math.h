/*
 * math.h - elementary functions as kernel form: fma and integer operations
 * only, so they give the same bits on every backend.
 *
 * Each takes a real of any lanes (F32 or F64) and returns the same type. The
 * bounds in ulp hold over all inputs of F32 and are listed in
 * compiler/README.md; NaN, infinities and denormals are handled as C's Annex F
 * says for the function of the same name.
 */
#ifndef PTL_KERNEL_MATH_H
#define PTL_KERNEL_MATH_H

#include "kernel/kernel.h"

kern_value *kern_exp(kern_builder *b, kern_value *x);
kern_value *kern_log(kern_builder *b, kern_value *x);
kern_value *kern_sin(kern_builder *b, kern_value *x);
kern_value *kern_cos(kern_builder *b, kern_value *x);
kern_value *kern_tanh(kern_builder *b, kern_value *x);
kern_value *kern_sigmoid(kern_builder *b, kern_value *x);
kern_value *kern_erf(kern_builder *b, kern_value *x);
kern_value *kern_pow(kern_builder *b, kern_value *x, kern_value *y);

/* x to the nearest number of `bits` bits of significand (the leading one
 * counted), ties to even; exponents keep their range. NaN stays NaN. */
kern_value *kern_rounded(kern_builder *b, kern_value *x, int bits);

/*
 * base/philox.h in kernel form. `key` (I64) is philox_key(seed, site), built
 * once per kernel by kern_philox_key; `step` and `element` are I64. Results
 * equal philox_uniform exactly, philox_normal within the bounds of log, sqrt
 * and cos, in `type` F32 or F64.
 */
kern_value *kern_philox_key(kern_builder *b, kern_value *seed,
                            kern_value *site);
kern_value *kern_uniform(kern_builder *b, kern_type type, kern_value *key,
                         kern_value *step, kern_value *element);
kern_value *kern_normal(kern_builder *b, kern_type type, kern_value *key,
                        kern_value *step, kern_value *element);

#endif
