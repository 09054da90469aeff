/*
 * layer_check.h - the gradient of a layer, or of a function with a gradient of
 * its own, against the oracle's complex step, at small random sizes in f64.
 */
#ifndef PTL_DRIVER_LAYER_CHECK_H
#define PTL_DRIVER_LAYER_CHECK_H

#include "compiled_test.h"

typedef enum layer_result {
    LAYER_GOOD,
    LAYER_WRONG,     /* reported */
    LAYER_NOT_DRAWN, /* no random sizes fit it */
} layer_result;

/* What is right waits in `compiled` (may be NULL) to be compiled. */
layer_result layer_check(driver *d, const lang_modules *modules,
                         const lang_module *module, const ast_decl *decl,
                         compiled_test *compiled);

#endif
