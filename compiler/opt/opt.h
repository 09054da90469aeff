/*
 * opt.h - passes from IR to IR that keep its meaning.
 */
#ifndef PTL_OPT_OPT_H
#define PTL_OPT_OPT_H

#include "ir/ir.h"

typedef struct opt_pass {
    const char *name;
    void (*run)(ir_graph *g);
} opt_pass;

/* All passes in their order (passes.def); NULL-terminated. */
extern const opt_pass opt_passes[];

/* Runs all of them, with the verifier after each in debug builds and where
 * `check` asks for it; `dump` (may be NULL) is called after each. */
void opt_run(ir_graph *g, bool check,
             void (*dump)(const char *pass, const ir_graph *g, void *ctx),
             void *ctx);

/* After opt_run(): rounds the operands of contractions; IR_BF16_OP, IR_TF32_OP.
 */
void opt_round_operands(ir_graph *g, ir_scalar op);

#endif
