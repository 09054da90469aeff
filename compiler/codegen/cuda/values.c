/*
 * values.c - one value of the kernel form as an expression of CUDA C.
 */
#include "codegen/cuda/internal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct pattern {
    const char *real, *integer;
} pattern;

static const pattern patterns[KERN_OP_COUNT] = {
#define CUDA_OP(name, real, integer) [KERN_##name] = {real, integer},
#include "codegen/cuda/op.def"
#undef CUDA_OP
};

const char *cuda_type(kern_type type)
{
    static const char *const names[] = {"f32", "f64", "i32", "i64", "bool"};
    return names[type];
}

/* ---------- uses ---------- */

static void write_real(cuda_writer *w, const kern_value *v)
{
    bool single = v->type == KERN_F32;
    if (isnan(v->number))
        str_add(w->out,
                single ? "number(0x7fc00000)" : "number(0x7ff8000000000000ll)");
    else if (isinf(v->number))
        str_printf(w->out, "%snumber(%s)", v->number < 0 ? "-" : "",
                   single ? "0x7f800000" : "0x7ff0000000000000ll");
    else {
        char text[40];
        snprintf(text, sizeof text, single ? "%.9g" : "%.17g", v->number);
        bool plain = !strpbrk(text, ".e");
        str_printf(w->out,
                   v->number < 0 || signbit(v->number) ? "(%s%s%s)" : "%s%s%s",
                   text, plain ? ".0" : "", single ? "f" : "");
    }
}

static void write_integer(cuda_writer *w, const kern_value *v)
{
    if (v->type == KERN_BOOL)
        str_add(w->out, v->integer ? "true" : "false");
    else if (v->type == KERN_I32 && v->integer == INT32_MIN)
        str_add(w->out, "(-2147483647 - 1)");
    else if (v->type == KERN_I64 && v->integer == INT64_MIN)
        str_add(w->out, "(-9223372036854775807ll - 1)");
    else
        str_printf(w->out, v->integer < 0 ? "(%" PRId64 "%s)" : "%" PRId64 "%s",
                   v->integer, v->type == KERN_I64 ? "ll" : "");
}

void cuda_use(cuda_writer *w, const kern_value *v)
{
    if (v->op != KERN_CONST)
        str_printf(w->out, "v%d", v->id);
    else if (kern_is_real(v->type))
        write_real(w, v);
    else
        write_integer(w, v);
}

/* ---------- operations that are no patterns ---------- */

static void call(cuda_writer *w, const char *name, const kern_value *x)
{
    str_printf(w->out, "%s(", name);
    cuda_use(w, x);
    str_addc(w->out, ')');
}

static bool is_operand(const kern_value *of, const kern_value *v)
{
    return of->args[0] == v || of->args[1] == v || of->args[2] == v;
}

/* Is more made of it than 64 bits again, or an address? */
static bool is_counted_with(const kern_block *block, const kern_value *v)
{
    for (int i = 0; block && i < block->stmts.count; i++) {
        const kern_stmt *s = block->stmts.data[i];
        bool widens = s->kind == KERN_DO && s->value->op == KERN_CONVERT &&
                      s->value->type == KERN_I64;
        if (s->value && !widens &&
            (s->value == v ? s->kind != KERN_DO : is_operand(s->value, v)))
            return true;
        if (s->lo == v || s->hi == v || is_counted_with(s->body, v) ||
            is_counted_with(s->other_body, v))
            return true;
    }
    return false;
}

static void write_convert(cuda_writer *w, const kern_value *v)
{
    kern_type from = v->args[0]->type;
    if (from == KERN_F64 && v->type == KERN_F32)
        call(w, "__double2float_rn", v->args[0]);
    else if (from == KERN_I64 && v->type == KERN_I32 &&
             v->args[0]->op != KERN_CONST &&
             is_counted_with(w->kernel->body, v))
        call(w, "narrow", v->args[0]);
    else
        call(w,
             arena_printf(w->kernel->module->arena, "(%s)", cuda_type(v->type)),
             v->args[0]);
}

static void write_lane(cuda_writer *w, const kern_value *v)
{
    if (v->args[0]->lanes == 1) {
        cuda_use(w, v->args[0]);
        return;
    }
    str_printf(w->out, "lane_of<%d>(members, ", w->shape.lanes);
    cuda_use(w, v->args[0]);
    str_printf(w->out, ", %" PRId64 ")", v->integer);
}

static void write_shuffle(cuda_writer *w, const kern_value *v)
{
    uint64_t order = 0;
    uint32_t second = 0;
    int lanes = v->args[0]->lanes;
    PTL_ASSERT(lanes <= 16 && v->lanes <= 16);
    for (int i = 0; i < v->lanes; i++) {
        bool other = v->order[i] >= lanes;
        order |= (uint64_t)(v->order[i] - (other ? lanes : 0)) << (4 * i);
        second |= (uint32_t)other << i;
    }
    str_printf(w->out, "shuffled<%d>(members, lane, ", w->shape.lanes);
    cuda_use(w, v->args[0]);
    str_add(w->out, ", ");
    cuda_use(w, v->args[1]);
    str_printf(w->out, ", 0x%" PRIx64 "ull, 0x%xu)", order, second);
}

static void write_sum(cuda_writer *w, const kern_value *v)
{
    if (v->args[0]->lanes == 1) {
        cuda_use(w, v->args[0]);
        return;
    }
    str_printf(w->out, "summed<%d, %d>(members, ", w->shape.lanes,
               v->args[0]->lanes);
    cuda_use(w, v->args[0]);
    str_addc(w->out, ')');
}

static void write_any(cuda_writer *w, const kern_value *v)
{
    int lanes = v->args[0]->lanes;
    if (lanes == 1) {
        cuda_use(w, v->args[0]);
        return;
    }
    str_add(w->out, "__any_sync(members, ");
    if (lanes < w->shape.lanes)
        str_printf(w->out, "lane < %d && ", lanes);
    cuda_use(w, v->args[0]);
    str_add(w->out, ") != 0");
}

static bool write_special(cuda_writer *w, const kern_value *v)
{
    switch (v->op) {
    case KERN_CONST:
        cuda_use(w, v);
        return true;
    case KERN_TASK:
        str_add(w->out, "task");
        return true;
    case KERN_INPUT:
        str_printf(w->out, "input%" PRId64, v->integer);
        return true;
    case KERN_GET:
        str_printf(w->out, "l%d", v->local->id);
        return true;
    case KERN_IOTA:
        str_printf(w->out, "(%s)%s", cuda_type(v->type),
                   v->lanes == 1 ? "0" : "lane");
        return true;
    case KERN_SPLAT:
        cuda_use(w, v->args[0]);
        return true;
    case KERN_LANE:
        write_lane(w, v);
        return true;
    case KERN_SHUFFLE:
        write_shuffle(w, v);
        return true;
    case KERN_NOT:
        str_addc(w->out, v->type == KERN_BOOL ? '!' : '~');
        cuda_use(w, v->args[0]);
        return true;
    case KERN_SELECT:
        cuda_use(w, v->args[0]);
        str_add(w->out, " ? ");
        cuda_use(w, v->args[1]);
        str_add(w->out, " : ");
        cuda_use(w, v->args[2]);
        return true;
    case KERN_CONVERT:
        write_convert(w, v);
        return true;
    case KERN_BITCAST:
        call(w, kern_is_real(v->type) ? "number" : "bits", v->args[0]);
        return true;
    case KERN_LOAD:
        cuda_load(w, v);
        return true;
    case KERN_HSUM:
        write_sum(w, v);
        return true;
    case KERN_ANY:
        write_any(w, v);
        return true;
    default:
        return false;
    }
}

void cuda_expression(cuda_writer *w, const kern_value *v)
{
    if (write_special(w, v))
        return;
    bool real = kern_is_real(v->args[0]->type);
    const char *p = real ? patterns[v->op].real : patterns[v->op].integer;
    if (!p)
        ptl_panic(__FILE__, __LINE__, "no CUDA C for the operation %s",
                  kern_op_name(v->op));
    for (; *p; p++) {
        if (*p == '$')
            cuda_use(w, v->args[*++p - '0']);
        else
            str_addc(w->out, *p);
    }
}
