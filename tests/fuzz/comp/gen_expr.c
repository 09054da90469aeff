/*
 * gen_expr.c - random subscripts, reads and scalar expressions.
 *
 * A read of a new operand decides its subscripts first; the operand's sizes
 * then follow from where they can reach. A read of an older node bends the
 * subscripts until they fit.
 */
#include "gen.h"
#include <stdio.h>
#include <string.h>

ir_expr *gen_mul(gen *x, ir_expr *a, ir_expr *b)
{
    return ir_op2(x->g, IR_MUL_OP, a, b);
}

ir_expr *gen_add(gen *x, ir_expr *a, ir_expr *b)
{
    return ir_op2(x->g, IR_ADD_OP, a, b);
}

ir_expr *gen_num(gen *x, double value)
{
    return ir_real(x->g, value);
}

int pick_var(gen *x, const scope *s)
{
    /* The later ones are the interesting ones. */
    return s->count - 1 - choose(x->c, s->count);
}

int64_t var_extent(const scope *s, int v)
{
    return s->vars[v].hi - s->vars[v].lo;
}

/* ---------- subscripts ---------- */

static ir_affine scaled(gen *x, int v, int64_t coef)
{
    return ir_affine_scale(x->g, ir_affine_var(x->g, v), coef);
}

ir_expr *table_read(gen *x, const scope *s, int v, int64_t bound)
{
    int64_t extent = var_extent(s, v) > 0 ? var_extent(s, v) : 1;
    ir_type type = {.kind = IR_INT, .rank = 1, .dims = {extent},
                    .bound = bound};
    ptl_dtype storage = choose(x->c, 2) ? PTL_I64 : PTL_I32;
    if (bound <= 256 && choose_rarely(x->c, 4))
        storage = PTL_U8;
    ir_node *t = ir_input(x->g, "t", type, IR_DATA, storage);
    ir_affine at = ir_affine_add(x->g, ir_affine_var(x->g, v),
                                 ir_affine_const(-s->vars[v].lo));
    return ir_read(x->g, t, &(ir_sub){.affine = at}, 1, NULL);
}

static ir_sub gathered(gen *x, const scope *s)
{
    static const int64_t bounds[] = {3, 1, 2, 5, 17};
    ir_sub sub = {0};
    sub.gather = table_read(x, s, pick_var(x, s), bounds[choose(x->c, 5)]);
    if (choose_rarely(x->c, 4))
        sub.affine = scaled(x, pick_var(x, s), 1);
    return sub;
}

/* The quotient or the remainder of some variable. */
static ir_sub parted(gen *x, const scope *s)
{
    ir_scalar op = choose(x->c, 2) ? IR_MOD_OP : IR_IDIV_OP;
    ir_expr *v = ir_var_value(x->g, pick_var(x, s));
    return (ir_sub){
        .gather = ir_op2(x->g, op, v, ir_int(x->g, 2 + choose(x->c, 3)))};
}

/* A subscript by some variable, mostly bare. */
static ir_sub some_sub(gen *x, const scope *s)
{
    static const int64_t coefs[] = {1, -1, 2, 3};
    if (s->count == 0)
        return (ir_sub){0};
    int v = pick_var(x, s);
    switch (choose(x->c, 8)) {
    case 5:
        return (ir_sub){.affine = scaled(x, v, coefs[choose(x->c, 4)])};
    case 6: {
        ir_affine a = scaled(x, v, coefs[choose(x->c, 4)]);
        ir_affine b = scaled(x, pick_var(x, s), coefs[choose(x->c, 3)]);
        return (ir_sub){.affine = ir_affine_add(x->g, a, b)};
    }
    case 7:
        switch (choose(x->c, 3)) {
        case 1:
            return gathered(x, s);
        case 2:
            return parted(x, s);
        default:
            return (ir_sub){0};
        }
    default:
        return (ir_sub){.affine = scaled(x, v, 1)};
    }
}

/* Shifts a subscript to begin at 0 and tells the size of axis it needs. */
static int64_t settle(gen *x, const scope *s, ir_sub *sub)
{
    int64_t low, high;
    if (!ir_sub_bounds(sub, s->vars, &low, &high))
        return 1;
    sub->affine =
        ir_affine_add(x->g, sub->affine, ir_affine_const(-low));
    return high - low + 1;
}

/* Makes a subscript leave an axis of `size` now and then; the new size. */
static int64_t unsettle(gen *x, ir_sub *sub, int64_t size)
{
    int by = 1 + choose(x->c, 2);
    if (choose(x->c, 2)) {
        sub->affine =
            ir_affine_add(x->g, sub->affine, ir_affine_const(-by));
        return size;
    }
    return size > by ? size - by : 1;
}

static bool is_bent(gen *x, ir_sub *sub, int64_t *size)
{
    if (!choose_rarely(x->c, x->large ? 40 : 10))
        return false;
    sub->mode = (ir_sub_mode)(1 + choose(x->c, 3));
    *size = unsettle(x, sub, *size);
    return true;
}

static ir_expr *outside_value(gen *x)
{
    static const double values[] = {0.0, 0.5, -0.25};
    return gen_num(x, values[choose(x->c, 3)]);
}

/* A new operand for settled subscripts, and the read. */
static ir_expr *read_new(gen *x, const scope *s, ir_sub *subs, int count,
                         bool outside)
{
    ir_type type = {.kind = IR_REAL, .rank = count};
    int leaver = outside && count ? choose(x->c, count) : -1;
    for (int i = 0; i < count; i++) {
        type.dims[i] = settle(x, s, &subs[i]);
        if (i == leaver)
            type.dims[i] = unsettle(x, &subs[i], type.dims[i]);
        else if (!is_bent(x, &subs[i], &type.dims[i]) &&
                 choose_rarely(x->c, 6))
            type.dims[i]++; /* a tail that is never read */
    }
    ir_input_role role = choose(x->c, 2) ? IR_DATA : IR_PARAM;
    ir_node *n = ir_input(x->g, "x", type, role, PTL_F32);
    x->new_operands++;
    return ir_read(x->g, n, subs, count, outside ? outside_value(x) : NULL);
}

/* ---------- reads ---------- */

ir_expr *aimed_read(gen *x, const scope *s, const cell *aim)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    int count = 0;
    int free_vars = s->count - s->pack;
    int a = s->pack, b = s->count - 1;
    for (int i = 0; i < s->pack; i++)
        subs[count++].affine = scaled(x, i, 1);
    bool pair = aim->stride > 1 || aim->dilation > 1 ||
                x->windows || choose(x->c, 2);
    if (free_vars >= 2 && pair) {
        subs[count++].affine = ir_affine_add(
            x->g, scaled(x, a, aim->stride),
            scaled(x, b, choose_rarely(x->c, 8) ? -aim->dilation
                                                : aim->dilation));
    } else if (free_vars >= 1) {
        subs[count++].affine = scaled(x, a, aim->stride);
        if (free_vars >= 2)
            subs[count++].affine = scaled(x, b, 1);
    }
    for (int v = a + 1; v < b && count < 6; v++)
        if (x->large ? v >= s->out_count : choose(x->c, 2))
            subs[count++].affine = scaled(x, v, 1);
    if (aim->gather && s->count)
        subs[count++] = gathered(x, s);
    return read_new(x, s, subs, count, aim->outside && count);
}

ir_expr *right_factor(gen *x, const scope *s)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    int count = 0;
    bool turned = choose(x->c, 2);
    for (int i = 0; i < s->count && count < 6; i++) {
        int v = turned ? s->count - 1 - i : i;
        bool left_only = v == s->pack && s->out_count - s->pack > 1;
        bool packed = v < s->pack && (x->windows || choose_rarely(x->c, 4));
        if (!left_only && !packed)
            subs[count++].affine = scaled(x, v, 1);
    }
    return read_new(x, s, subs, count, choose_rarely(x->c, 6) && count);
}

/* Some of the variables, bare. */
static ir_expr *plain_read(gen *x, const scope *s)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    int count = 0;
    for (int v = 0; v < s->count && count < 6; v++)
        if (v < s->pack || choose(x->c, 3) != 2)
            subs[count++].affine = scaled(x, v, 1);
    return read_new(x, s, subs, count, false);
}

static bool is_readable(const gen *x, const ir_node *n)
{
    return n->kind != IR_SCAN && n->type.kind == IR_REAL && n != x->infinite;
}

/* An older REAL node that may be read; NULL: none. */
static ir_node *older_node(gen *x)
{
    int count = 0;
    for (int i = 0; i < x->g->nodes.count; i++)
        count += is_readable(x, x->g->nodes.data[i]);
    if (count == 0)
        return NULL;
    int at = count - 1 - choose(x->c, count);
    for (int i = 0;; i++)
        if (is_readable(x, x->g->nodes.data[i]) && at-- == 0)
            return x->g->nodes.data[i];
}

static ir_expr *read_older(gen *x, const scope *s, ir_node *n)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    bool leaves = false;
    for (int i = 0; i < n->type.rank; i++) {
        if (n->type.dims[i] == 0)
            return gen_num(x, 0.75);
        subs[i] = some_sub(x, s);
        int64_t needs = settle(x, s, &subs[i]);
        if (needs <= n->type.dims[i])
            continue;
        int how = choose(x->c, 4);
        subs[i].mode = (ir_sub_mode)how; /* 0: plain, to the value outside */
        leaves = leaves || how == 0;
    }
    return ir_read(x->g, n, subs, n->type.rank,
                   leaves ? outside_value(x) : NULL);
}

ir_expr *some_read(gen *x, const scope *s)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    ir_node *n = x->new_operands >= 2 || choose(x->c, 2) ? older_node(x)
                                                         : NULL;
    if (n)
        return read_older(x, s, n);
    if (x->large)
        return plain_read(x, s);
    int count = s->count ? 1 + choose(x->c, 2) : 0;
    for (int i = 0; i < count; i++)
        subs[i] = some_sub(x, s);
    return read_new(x, s, subs, count, choose_rarely(x->c, 8));
}

/* ---------- expressions ---------- */

static ir_expr *int_expr(gen *x, const scope *s)
{
    if (s->count == 0)
        return ir_int(x->g, choose(x->c, 5));
    int v = pick_var(x, s);
    ir_expr *e = ir_var_value(x->g, v);
    switch (choose(x->c, 5)) {
    case 1:
        return ir_op2(x->g, IR_ADD_OP, e,
                      ir_var_value(x->g, pick_var(x, s)));
    case 2:
        return ir_op2(x->g, IR_MOD_OP, e, ir_int(x->g, 2 + choose(x->c, 3)));
    case 3:
        return ir_op2(x->g, IR_IDIV_OP, e, ir_int(x->g, 2 + choose(x->c, 2)));
    case 4:
        return table_read(x, s, v, 4);
    default:
        return e;
    }
}

ir_expr *bool_expr(gen *x, const scope *s, bool with_data)
{
    static const ir_scalar compares[] = {IR_LE_OP, IR_NE_OP, IR_LT_OP,
                                         IR_GE_OP, IR_GT_OP, IR_EQ_OP};
    if (with_data && choose(x->c, 2)) {
        ir_scalar op = choose(x->c, 2) ? IR_LT_OP : IR_GT_OP;
        return ir_op2(x->g, op, some_read(x, s),
                      gen_num(x, 0.2 * (choose(x->c, 5) - 2)));
    }
    ir_expr *e = ir_op2(x->g, compares[choose(x->c, 6)], int_expr(x, s),
                        int_expr(x, s));
    if (choose_rarely(x->c, 6))
        e = ir_op2(x->g, choose(x->c, 2) ? IR_OR_OP : IR_AND_OP, e,
                   bool_expr(x, s, false));
    return choose_rarely(x->c, 8) ? ir_op1(x->g, IR_NOT_OP, e) : e;
}

/* Functions on ranges where they are smooth and tame. */
static ir_expr *smooth(gen *x, ir_expr *e)
{
    static const ir_scalar plain[] = {IR_TANH_OP, IR_SIGMOID_OP, IR_SIN_OP,
                                      IR_COS_OP,  IR_ERF_OP,     IR_NEG_OP};
    int k = choose(x->c, 11);
    ir_expr *square = gen_mul(x, e, e);
    switch (k) {
    case 6:
        return ir_op1(x->g, IR_EXP_OP,
                      gen_mul(x, gen_num(x, 0.5), ir_op1(x->g, IR_TANH_OP, e)));
    case 7:
        return ir_op1(x->g, IR_LOG_OP, gen_add(x, square, gen_num(x, 1.0)));
    case 8:
        return ir_op1(x->g, IR_SQRT_OP, gen_add(x, square, gen_num(x, 0.5)));
    case 9:
        return ir_op2(x->g, IR_POW_OP, gen_add(x, square, gen_num(x, 0.5)),
                      gen_num(x, choose(x->c, 2) ? -0.5 : 1.5));
    case 10:
        return ir_op2(x->g, IR_DIV_OP, e, gen_add(x, square, gen_num(x, 1.0)));
    default:
        return ir_op1(x->g, plain[k], e);
    }
}

static ir_expr *kinked(gen *x, ir_expr *a, ir_expr *b)
{
    switch (choose(x->c, 6)) {
    case 0: /* relu */
        return ir_select(x->g, ir_op2(x->g, IR_GT_OP, a, gen_num(x, 0.0)), a,
                         gen_num(x, 0.0));
    case 1:
        return ir_op2(x->g, IR_MAXIMUM_OP, a, b);
    case 2:
        return ir_op2(x->g, IR_MINIMUM_OP, a, b);
    case 3:
        return ir_op1(x->g, IR_ABS_OP, a);
    case 4:
        return gen_mul(x, ir_op1(x->g, IR_SIGN_OP, a), b);
    default:
        return gen_add(x, b, ir_op1(x->g, IR_FLOOR_OP, a));
    }
}

/* The row-major element within the box of the variables. */
static ir_expr *element_of(gen *x, const scope *s)
{
    ir_affine at = ir_affine_const(0);
    for (int v = 0; v < s->count; v++) {
        at = ir_affine_scale(x->g, at, var_extent(s, v) + 1);
        at = ir_affine_add(x->g, at, ir_affine_var(x->g, v));
    }
    return ir_affine_value(
        x->g, ir_affine_add(x->g, at, ir_affine_const(1000)));
}

static ir_expr *random_leaf(gen *x, const scope *s, ir_expr *e)
{
    char site[32];
    snprintf(site, sizeof site, "site%d", x->sites++);
    bool normal = choose(x->c, 2);
    ir_expr *u =
        ir_random_value(x->g, normal ? IR_NORMAL : IR_UNIFORM, site,
                        element_of(x, s), ir_int(x->g, 3), ir_int(x->g, 7));
    if (normal)
        return gen_mul(x, ir_op1(x->g, IR_TANH_OP, u), e);
    return ir_select(x->g, ir_op2(x->g, IR_LT_OP, u, gen_num(x, 0.75)),
                     gen_mul(x, e, gen_num(x, 1.25)), gen_num(x, 0.0));
}

ir_expr *real_expr(gen *x, const scope *s, int depth)
{
    int k = depth > 0 ? choose(x->c, 12) : 0;
    if (k < 3)
        return some_read(x, s);
    ir_expr *a = real_expr(x, s, depth - 1);
    switch (k) {
    case 3:
    case 4:
        return gen_mul(x, a, real_expr(x, s, depth - 1));
    case 5:
        return gen_add(x, a, real_expr(x, s, depth - 1));
    case 6:
        return ir_op2(x->g, IR_SUB_OP, a, real_expr(x, s, depth - 1));
    case 7:
    case 8:
        return smooth(x, a);
    case 9:
        return kinked(x, a, real_expr(x, s, depth - 1));
    case 10:
        return choose(x->c, 2)
                   ? random_leaf(x, s, a)
                   : ir_select(x->g, bool_expr(x, s, true), a,
                               real_expr(x, s, depth - 1));
    default:
        return gen_mul(x, a,
                   gen_add(x, gen_num(x, 0.5),
                       gen_mul(x, gen_num(x, 0.0625),
                           ir_op1(x->g, IR_REAL_OP, int_expr(x, s)))));
    }
}
