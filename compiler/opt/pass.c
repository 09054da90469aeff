/*
 * pass.c - the passes in order, with the verifier between them.
 */
#include "opt/opt_priv.h"

const opt_pass opt_passes[] = {
#define PASS(name, run) {#name, run},
#include "opt/passes.def"
#undef PASS
    {NULL, NULL},
};

void opt_each_comp(ir_graph *g, void (*visit)(ir_graph *g, ir_node *n))
{
    int count = g->nodes.count;
    for (int i = 0; i < count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind == IR_COMP)
            visit(g, n);
        else if (n->kind == IR_SCAN)
            opt_each_comp(n->scan->body, visit);
    }
}

/*
 * dce.c would hold one line: ir_prune() keeps what outputs need.
 *
 * Needs:    nothing. Provides: every node is needed by an output.
 * Keeps:    outputs, and inputs that are updated.
 */
void opt_dce(ir_graph *g)
{
    ir_prune(g);
}

void opt_run(ir_graph *g, bool check,
             void (*dump)(const char *pass, const ir_graph *g, void *ctx),
             void *ctx)
{
#ifdef PTL_DEBUG
    check = true;
#endif
    for (const opt_pass *pass = opt_passes; pass->name; pass++) {
        ptl_error err = {0};
        pass->run(g);
        if (check && !ir_verify(g, &err))
            ptl_panic(__FILE__, __LINE__, "after pass %s: %s", pass->name,
                      err.text);
        if (dump)
            dump(pass->name, g, ctx);
    }
}
