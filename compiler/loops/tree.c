/*
 * tree.c - one step of a reduction's tree: what stands for nothing, and what
 * becomes of two values, of two values with their places, and of the lanes of
 * a vector.
 *
 * Which steps there are and in which order is the business of reduce.c,
 * columns.c and combine.c; all of them follow the plan of the schedule.
 */
#include "base/plant.h"
#include "loops/reduce.h"
#include <math.h>

kern_value *reduce_neutral(reducer *r)
{
    bool real = kern_is_real(r->type);
    double infinite = 0;
    int64_t whole = 0;
    switch (r->op) {
    case IR_PROD:
    case IR_ALL:
        infinite = 1;
        whole = 1;
        break;
    case IR_MAX:
    case IR_ARGMAX:
        infinite = ptl_is_planted(PTL_PLANT_REDUCTION) ? 0 : -(double)INFINITY;
        whole = INT32_MIN;
        break;
    case IR_MIN:
    case IR_ARGMIN:
        infinite = INFINITY;
        whole = INT32_MAX;
        break;
    default:
        break;
    }
    if (r->type == KERN_BOOL)
        whole = r->op == IR_ALL || r->op == IR_PROD || r->op == IR_MIN;
    return real ? kern_real(&r->k->b, r->type, r->lanes, infinite)
                : kern_int(&r->k->b, r->type, r->lanes, whole);
}

static bool wants_larger(ir_reduce op)
{
    return op == IR_MAX || op == IR_ARGMAX;
}

/* Does y replace x, which came first? NaN wins and stays. */
kern_value *reduce_beats(reducer *r, kern_value *y, kern_value *x)
{
    kern_builder *b = &r->k->b;
    bool larger = wants_larger(r->op);
    if (!kern_is_real(y->type))
        return kern_op2(b, larger ? KERN_GT : KERN_LT, y, x);
    kern_value *worse = kern_op2(b, larger ? KERN_LE : KERN_GE, y, x);
    kern_value *number = kern_op2(b, KERN_EQ, x, x);
    return kern_op2(b, KERN_AND, kern_op1(b, KERN_NOT, worse), number);
}

kern_value *reduce_combined(reducer *r, kern_value *x, kern_value *y)
{
    kern_builder *b = &r->k->b;
    switch (r->op) {
    case IR_SUM:
        return kern_op2(b, KERN_ADD, x, y);
    case IR_PROD:
        return kern_op2(b, KERN_MUL, x, y);
    case IR_ANY:
        return kern_op2(b, KERN_OR, x, y);
    case IR_ALL:
        return kern_op2(b, KERN_AND, x, y);
    default:
        break;
    }
    if (!kern_is_real(x->type) && x->type != KERN_BOOL)
        return kern_op2(b, r->op == IR_MAX ? KERN_MAX : KERN_MIN, x, y);
    if (x->type == KERN_BOOL)
        return kern_select(b, reduce_beats(r, y, x), y, x);
    /* Two choices, so that the first is the machine's maximum; a NaN of y,
     * which is known before x is, comes last. */
    kern_op op = r->op == IR_MAX ? KERN_GT : KERN_LT;
    kern_value *better = kern_select(b, kern_op2(b, op, y, x), y, x);
    kern_value *nan = kern_real(b, y->type, y->lanes, NAN);
    return kern_select(b, kern_op2(b, KERN_NE, y, y), nan, better);
}

bool reduce_has_index(const reducer *r)
{
    return r->op == IR_ARGMAX || r->op == IR_ARGMIN;
}

/* Equal, both NaN counted as equal. */
static kern_value *ties(reducer *r, kern_value *x, kern_value *y)
{
    kern_builder *b = &r->k->b;
    kern_value *equal = kern_op2(b, KERN_EQ, x, y);
    if (!kern_is_real(x->type))
        return equal;
    kern_value *nans = kern_op2(b, KERN_AND, kern_op2(b, KERN_NE, x, x),
                                kern_op2(b, KERN_NE, y, y));
    return kern_op2(b, KERN_OR, equal, nans);
}

kern_value *reduce_is_earlier(reducer *r, kern_value *x, kern_value *x_index,
                              kern_value *y, kern_value *y_index)
{
    kern_builder *b = &r->k->b;
    return kern_op2(b, KERN_AND, ties(r, x, y),
                    kern_op2(b, KERN_LT, y_index, x_index));
}

/* An index of -1 says that nothing was seen yet. */
void reduce_combine_indexed(reducer *r, kern_value **x, kern_value **x_index,
                            kern_value *y, kern_value *y_index)
{
    kern_builder *b = &r->k->b;
    kern_value *zero = kern_int(b, KERN_I32, 1, 0);
    kern_value *seen = kern_op2(b, KERN_GE, y_index, zero);
    kern_value *empty = kern_op2(b, KERN_LT, *x_index, zero);
    kern_value *earlier = reduce_is_earlier(r, *x, *x_index, y, y_index);
    kern_value *wins = kern_op2(b, KERN_OR, reduce_beats(r, y, *x), earlier);
    wins = kern_op2(b, KERN_AND, seen, kern_op2(b, KERN_OR, empty, wins));
    *x = kern_select(b, wins, y, *x);
    *x_index = kern_select(b, wins, y_index, *x_index);
}

kern_value *reduce_across_lanes(reducer *r, kern_value *x)
{
    kern_builder *b = &r->k->b;
    if (x->lanes == 1)
        return x;
    if (r->op == IR_SUM)
        return kern_hsum(b, x);
    while (x->lanes > 1)
        x = reduce_combined(r, kern_half(b, x, 0), kern_half(b, x, 1));
    return x;
}

kern_value *reduce_index_across_lanes(reducer *r, kern_value *x, kern_value *at)
{
    kern_builder *b = &r->k->b;
    while (x->lanes > 1) {
        kern_value *y = kern_half(b, x, 1), *y_at = kern_half(b, at, 1);
        x = kern_half(b, x, 0);
        at = kern_half(b, at, 0);
        reduce_combine_indexed(r, &x, &at, y, y_at);
    }
    return at;
}

kern_type reduce_type(const build *k, const ir_node *n)
{
    switch (n->comp.body->type) {
    case IR_REAL:
        return k->real;
    case IR_BOOL:
        return KERN_BOOL;
    case IR_INT:
        break;
    }
    return KERN_I32;
}
