/*
 * product.h - expressions as products of factors, for opt_split().
 */
#ifndef PTL_OPT_PRODUCT_H
#define PTL_OPT_PRODUCT_H

#include "ir/ir.h"

typedef uint32_t var_set; /* bit v: depends on variable v */

typedef struct factor {
    ir_expr *e;
    var_set vars;
} factor;

enum { MOST_FACTORS = 16, MOST_TERMS = 8 };

/* (-1)^negative * factors / divisors */
typedef struct product {
    bool negative;
    int factor_count, divisor_count;
    factor factors[MOST_FACTORS];
    ir_expr *divisors[MOST_FACTORS];
} product;

var_set opt_vars_of(ir_expr *e);

/* Takes products, signs and quotients apart; what divides by something that
 * varies with `reduced` stays one factor. False: too many factors. */
bool opt_product_of(ir_graph *g, ir_expr *e, var_set reduced, product *p);
ir_expr *opt_product_expr(ir_graph *g, const product *p);

/* Takes a sum apart; count 1: it is none. False: too many terms. */
bool opt_terms_of(ir_graph *g, ir_expr *e, ir_expr **terms, int *count);

#endif
