/*
 * layer_check.c - see layer_check.h.
 *
 * Needs the elaborator's draw of sizes; the gradient itself is that of
 * grad_build(), so what is judged is what training would use.
 */
#include "layer_check.h"

layer_result layer_check(driver *d, const lang_modules *modules,
                         const lang_module *module, const ast_decl *layer)
{
    (void)d;
    (void)modules;
    (void)module;
    (void)layer;
    return LAYER_NOT_DRAWN;
}
