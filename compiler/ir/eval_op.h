/*
 * eval_op.h - scalar functions as the oracle computes them. Private to
 * compiler/ir.
 */
#ifndef PTL_IR_EVAL_OP_H
#define PTL_IR_EVAL_OP_H

#include "ir/ir.h"
#include <complex.h>

/*
 * A value and how far from it a correct program may land, which counts only
 * where `eps` (of the program's real type) is not 0. For BOOL and INT an error
 * above 0 says that a correct program may decide otherwise.
 */
typedef struct ir_number {
    double complex z;
    double err;
} ir_number;

static inline double ir_re(ir_number x)
{
    return creal(x.z);
}

/* op(args); SELECT is not among them. */
ir_number ir_number_op(ir_scalar op, const ir_number *args, ir_kind type,
                       double eps);
/* What a program has in place of a REAL constant: rounded to its type. */
ir_number ir_number_const(double value, double eps);

#endif
