/*
 * add.c - the one graph that comes from no file: a vector is added to another,
 * element by element, as the runtime adds sums of gradients up on a device.
 */
#include "lower/lower.h"

ir_graph *lower_add(int64_t count)
{
    ir_graph *g = ir_graph_new();
    const ir_type type = {.kind = IR_REAL, .rank = 1, .dims = {count}};
    const ir_var i = {.name = "i", .hi = count};
    ir_node *total = ir_input(g, LOWER_TOTAL, type, IR_SLOT, PTL_F32);
    ir_node *addend = ir_input(g, LOWER_ADDEND, type, IR_DATA, PTL_F32);
    const ir_comp sum = {.out_count = 1,
                         .var_count = 1,
                         .vars = &i,
                         .body =
                             ir_op2(g, IR_ADD_OP, ir_read_plain(g, total, 0),
                                    ir_read_plain(g, addend, 0))};
    ir_node *next = ir_comprehend(g, "next", &sum, (src_range){0});
    ir_output_add(g, LOWER_TOTAL, next, IR_OUT_UPDATE, total);
    return g;
}
