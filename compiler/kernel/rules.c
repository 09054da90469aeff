/*
 * rules.c - the typing rules of the kernel form, and names of what is in it.
 *
 * One function per family of operations; the table at the end says which
 * family an operation belongs to. A new row of op.def without a rule is
 * refused.
 */
#include "kernel/rules.h"

static const struct {
    const char *text;
    int operands;
} ops[] = {
#define KOP(name, operands, text) {text, operands},
#include "kernel/op.def"
#undef KOP
};

const char *kern_op_name(kern_op op)
{
    return ops[op].text;
}

int kern_op_operands(kern_op op)
{
    return ops[op].operands;
}

const char *kern_type_name(kern_type type)
{
    static const char *const names[] = {"f32", "f64", "i32", "i64", "bool"};
    return names[type];
}

kern_type kern_type_of(ptl_dtype dtype)
{
    switch (dtype) {
    case PTL_F32:
        return KERN_F32;
    case PTL_F64:
        return KERN_F64;
    case PTL_I32:
    case PTL_U8:
        return KERN_I32;
    case PTL_I64:
        return KERN_I64;
    case PTL_BOOL:
        return KERN_BOOL;
    case PTL_DTYPE_COUNT:
        break;
    }
    PTL_ASSERT(!"a dtype without a kernel type");
    return KERN_F32;
}

static bool is_int(kern_type t)
{
    return t == KERN_I32 || t == KERN_I64;
}

static bool all_alike(const kern_value *v)
{
    for (int i = 0; i < ops[v->op].operands; i++)
        if (v->args[i]->type != v->type || v->args[i]->lanes != v->lanes)
            return false;
    return true;
}

static const char *number_rule(const kern_value *v)
{
    if (v->type == KERN_BOOL)
        return "numbers wanted";
    return all_alike(v) ? NULL : "operands differ in type or lanes";
}

static const char *real_rule(const kern_value *v)
{
    if (!kern_is_real(v->type))
        return "reals wanted";
    return all_alike(v) ? NULL : "operands differ in type or lanes";
}

static const char *int_rule(const kern_value *v)
{
    if (!is_int(v->type))
        return "integers wanted";
    return all_alike(v) ? NULL : "operands differ in type or lanes";
}

static const char *bits_rule(const kern_value *v)
{
    if (kern_is_real(v->type))
        return "integers or truth values wanted";
    return all_alike(v) ? NULL : "operands differ in type or lanes";
}

static const char *mulhi_rule(const kern_value *v)
{
    if (v->type != KERN_I32)
        return "i32 wanted";
    return all_alike(v) ? NULL : "operands differ in type or lanes";
}

static const char *compare_rule(const kern_value *v)
{
    const kern_value *x = v->args[0], *y = v->args[1];
    if (v->type != KERN_BOOL)
        return "a comparison gives a truth value";
    if (x->type == KERN_BOOL)
        return "numbers wanted";
    if (x->type != y->type || x->lanes != v->lanes || y->lanes != v->lanes)
        return "operands differ in type or lanes";
    return NULL;
}

static const char *select_rule(const kern_value *v)
{
    const kern_value *c = v->args[0], *x = v->args[1], *y = v->args[2];
    if (c->type != KERN_BOOL)
        return "the condition is no truth value";
    if (x->type != v->type || y->type != v->type)
        return "the cases differ in type";
    if (c->lanes != v->lanes || x->lanes != v->lanes || y->lanes != v->lanes)
        return "operands differ in lanes";
    return NULL;
}

static const char *convert_rule(const kern_value *v)
{
    if (v->type == KERN_BOOL || v->args[0]->type == v->type)
        return "no such conversion";
    return v->args[0]->lanes == v->lanes ? NULL : "operands differ in lanes";
}

static const char *bitcast_rule(const kern_value *v)
{
    static const kern_type partner[] = {KERN_I32, KERN_I64, KERN_F32, KERN_F64};
    if (v->type == KERN_BOOL || v->args[0]->type != partner[v->type])
        return "sizes differ, or no reinterpretation";
    return v->args[0]->lanes == v->lanes ? NULL : "operands differ in lanes";
}

static const char *const_rule(const kern_value *v)
{
    if (v->type == KERN_BOOL && v->integer != 0 && v->integer != 1)
        return "a truth value is 0 or 1";
    if (v->type == KERN_I32 && v->integer != (int32_t)v->integer)
        return "the constant does not fit i32";
    return NULL;
}

static const char *count_rule(const kern_value *v)
{
    return v->type == KERN_I64 && v->lanes == 1 ? NULL : "i64 of one lane";
}

static const char *get_rule(const kern_value *v)
{
    if (!v->local)
        return "no local";
    if (v->local->type != v->type || v->local->lanes != v->lanes)
        return "differs from its local in type or lanes";
    return NULL;
}

static const char *iota_rule(const kern_value *v)
{
    return is_int(v->type) ? NULL : "integers wanted";
}

static const char *splat_rule(const kern_value *v)
{
    const kern_value *x = v->args[0];
    return x->type == v->type && x->lanes == 1 ? NULL : "one lane wanted";
}

static const char *lane_rule(const kern_value *v)
{
    const kern_value *x = v->args[0];
    if (x->type != v->type || v->lanes != 1)
        return "one lane of the same type wanted";
    return v->integer >= 0 && v->integer < x->lanes ? NULL : "no such lane";
}

static const char *shuffle_rule(const kern_value *v)
{
    const kern_value *x = v->args[0], *y = v->args[1];
    if (x->type != v->type || y->type != v->type || x->lanes != y->lanes)
        return "operands differ in type or lanes";
    if (v->lanes < 2 || x->lanes < 2 || !v->order)
        return "many lanes and their order wanted";
    for (int i = 0; i < v->lanes; i++)
        if (v->order[i] >= 2 * x->lanes)
            return "no such lane";
    return NULL;
}

static const char *hsum_rule(const kern_value *v)
{
    const kern_value *x = v->args[0];
    if (v->type == KERN_BOOL)
        return "numbers wanted";
    return x->type == v->type && v->lanes == 1 ? NULL : "gives one lane";
}

static const char *any_rule(const kern_value *v)
{
    return v->type == KERN_BOOL && v->args[0]->type == KERN_BOOL &&
                   v->lanes == 1
               ? NULL
               : "gives one truth value of many";
}

static const char *memory_problem(const kern_kernel *k, const kern_memory *at,
                                  kern_type type, int lanes)
{
    if (at->buffer < 0 || at->buffer >= k->buffers.count)
        return "no such buffer";
    if (kern_type_of(k->buffers.data[at->buffer].dtype) != type)
        return "differs from its buffer in type";
    if (!at->offset || at->offset->type != KERN_I64 || at->offset->lanes != 1)
        return "the offset is not i64 of one lane";
    if (at->offsets &&
        (!is_int(at->offsets->type) || at->offsets->lanes != lanes))
        return "the offsets are not integers in these lanes";
    if (at->mask && (at->mask->type != KERN_BOOL || at->mask->lanes != lanes))
        return "the mask is not truth values in these lanes";
    return NULL;
}

static const char *load_problem(const kern_kernel *k, const kern_value *v)
{
    const kern_value *other = v->memory.other;
    if (other && !v->memory.mask)
        return "an `other` without a mask";
    if (other && (other->type != v->type || other->lanes != v->lanes))
        return "`other` differs in type or lanes";
    return memory_problem(k, &v->memory, v->type, v->lanes);
}

const char *kern_store_problem(const kern_kernel *k, const kern_memory *at,
                               const kern_value *x)
{
    const char *problem = memory_problem(k, at, x->type, x->lanes);
    if (problem)
        return problem;
    if (!k->buffers.data[at->buffer].written)
        return "the buffer is read only";
    if (k->buffers.data[at->buffer].dtype == PTL_U8)
        return "u8 is never stored";
    if (at->other)
        return "a store has no `other`";
    if (x->lanes > 1 && !at->offsets && at->stride == 0)
        return "many lanes to one element";
    return NULL;
}

static const char *(*const rules[KERN_OP_COUNT])(const kern_value *) = {
    [KERN_CONST] = const_rule,     [KERN_TASK] = count_rule,
    [KERN_INPUT] = count_rule,     [KERN_INDEX] = count_rule,
    [KERN_GET] = get_rule,         [KERN_IOTA] = iota_rule,
    [KERN_SPLAT] = splat_rule,     [KERN_LANE] = lane_rule,
    [KERN_SHUFFLE] = shuffle_rule, [KERN_ADD] = number_rule,
    [KERN_SUB] = number_rule,      [KERN_MUL] = number_rule,
    [KERN_DIV] = number_rule,      [KERN_REM] = int_rule,
    [KERN_FMA] = real_rule,        [KERN_NEG] = number_rule,
    [KERN_ABS] = number_rule,      [KERN_SQRT] = real_rule,
    [KERN_FLOOR] = real_rule,      [KERN_CEIL] = real_rule,
    [KERN_ROUND] = real_rule,      [KERN_MIN] = int_rule,
    [KERN_MAX] = int_rule,         [KERN_AND] = bits_rule,
    [KERN_OR] = bits_rule,         [KERN_XOR] = bits_rule,
    [KERN_NOT] = bits_rule,        [KERN_SHL] = int_rule,
    [KERN_SHR] = int_rule,         [KERN_SAR] = int_rule,
    [KERN_MULHI] = mulhi_rule,     [KERN_EQ] = compare_rule,
    [KERN_NE] = compare_rule,      [KERN_LT] = compare_rule,
    [KERN_LE] = compare_rule,      [KERN_GT] = compare_rule,
    [KERN_GE] = compare_rule,      [KERN_SELECT] = select_rule,
    [KERN_CONVERT] = convert_rule, [KERN_BITCAST] = bitcast_rule,
    [KERN_HSUM] = hsum_rule,       [KERN_ANY] = any_rule,
    [KERN_SCALE] = real_rule,
};

const char *kern_value_problem(const kern_kernel *k, const kern_value *v)
{
    if (v->lanes < 1 || (v->lanes & (v->lanes - 1)) != 0)
        return "lanes are no power of two";
    for (int i = 0; i < ops[v->op].operands; i++)
        if (!v->args[i])
            return "an operand is missing";
    if (v->op == KERN_LOAD)
        return load_problem(k, v);
    return rules[v->op] ? rules[v->op](v) : "the operation has no rule";
}
