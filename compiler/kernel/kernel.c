/*
 * kernel.c - the builder of the kernel form.
 *
 * Every value is checked against the typing rules as it is made, so a wrong
 * kernel stops at the line that built it. Integer constants fold, because
 * addresses are full of them; reals never do, so that what a kernel computes
 * does not depend on who computed it.
 */
#include "kernel/kernel.h"
#include "kernel/rules.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

kern_module *kern_module_new(void)
{
    kern_module *m = calloc(1, sizeof *m);
    PTL_ASSERT(m != NULL);
    m->arena = arena_new();
    return m;
}

void kern_module_free(kern_module *m)
{
    if (!m)
        return;
    arena_free(m->arena);
    free(m);
}

kern_kernel *kern_kernel_new(kern_module *m, const char *name,
                             int64_t task_count)
{
    kern_kernel *k = ARENA_NEW(m->arena, kern_kernel);
    k->kind = KERN_NEST;
    k->name = arena_strdup(m->arena, name);
    k->task_count = task_count;
    k->module = m;
    vec_push(m->arena, &m->kernels, k);
    return k;
}

kern_kernel *kern_kernel_inside(kern_kernel *outer, const char *name,
                                int64_t task_count)
{
    ptl_arena *arena = outer->module->arena;
    kern_kernel *k = ARENA_NEW(arena, kern_kernel);
    k->kind = KERN_NEST;
    k->name = arena_strdup(arena, name);
    k->task_count = task_count;
    k->module = outer->module;
    for (int i = 0; i < outer->buffers.count; i++)
        vec_push(arena, &k->buffers, outer->buffers.data[i]);
    return k;
}

int kern_buffer_add(kern_kernel *k, const char *name, ptl_dtype dtype,
                    bool written)
{
    kern_buffer buffer = {.name = arena_strdup(k->module->arena, name),
                          .dtype = dtype,
                          .written = written};
    vec_push(k->module->arena, &k->buffers, buffer);
    return k->buffers.count - 1;
}

int kern_scratch_add(kern_kernel *k, const char *name, ptl_dtype dtype,
                     int64_t elements)
{
    int buffer = kern_buffer_add(k, name, dtype, true);
    PTL_ASSERT(elements > 0);
    k->buffers.data[buffer].scratch = elements;
    return buffer;
}

kern_builder kern_begin(kern_kernel *k)
{
    if (!k->body)
        k->body = ARENA_NEW(k->module->arena, kern_block);
    return (kern_builder){k, k->body};
}

/* ---------- values ---------- */

static kern_stmt *append(kern_builder *b, kern_stmt_kind kind)
{
    ptl_arena *arena = b->kernel->module->arena;
    kern_stmt *s = ARENA_NEW(arena, kern_stmt);
    s->kind = kind;
    vec_push(arena, &b->block->stmts, s);
    return s;
}

static kern_value *new_value(kern_builder *b, kern_op op, kern_type type,
                             int lanes)
{
    kern_value *v = ARENA_NEW(b->kernel->module->arena, kern_value);
    v->op = op;
    v->type = type;
    v->lanes = lanes;
    v->id = b->kernel->value_count++;
    return v;
}

/* Checks the finished value and computes it at the builder's place. */
static kern_value *emit(kern_builder *b, kern_value *v)
{
    const char *problem = kern_value_problem(b->kernel, v);
    if (problem)
        ptl_panic(__FILE__, __LINE__, "kernel \"%s\": %s %s: %s",
                  b->kernel->name, kern_op_name(v->op), kern_type_name(v->type),
                  problem);
    append(b, KERN_DO)->value = v;
    return v;
}

kern_value *kern_real(kern_builder *b, kern_type type, int lanes, double x)
{
    PTL_ASSERT(kern_is_real(type));
    kern_value *v = new_value(b, KERN_CONST, type, lanes);
    v->number = isnan(x) ? (double)NAN : x;
    if (type == KERN_F32)
        v->number = (double)(float)v->number;
    return emit(b, v);
}

kern_value *kern_int(kern_builder *b, kern_type type, int lanes, int64_t x)
{
    PTL_ASSERT(!kern_is_real(type));
    kern_value *v = new_value(b, KERN_CONST, type, lanes);
    v->integer = x;
    return emit(b, v);
}

kern_value *kern_task(kern_builder *b)
{
    return emit(b, new_value(b, KERN_TASK, KERN_I64, 1));
}

kern_value *kern_input(kern_builder *b, int number)
{
    kern_value *v = new_value(b, KERN_INPUT, KERN_I64, 1);
    v->integer = number;
    return emit(b, v);
}

kern_value *kern_iota(kern_builder *b, kern_type type, int lanes)
{
    return emit(b, new_value(b, KERN_IOTA, type, lanes));
}

kern_value *kern_splat(kern_builder *b, kern_value *x, int lanes)
{
    if (x->lanes == lanes)
        return x;
    PTL_ASSERT(x->lanes == 1);
    if (x->op == KERN_CONST)
        return kern_is_real(x->type) ? kern_real(b, x->type, lanes, x->number)
                                     : kern_int(b, x->type, lanes, x->integer);
    kern_value *v = new_value(b, KERN_SPLAT, x->type, lanes);
    v->args[0] = x;
    return emit(b, v);
}

kern_value *kern_op1(kern_builder *b, kern_op op, kern_value *x)
{
    PTL_ASSERT(kern_op_operands(op) == 1);
    kern_value *v = new_value(b, op, x->type, x->lanes);
    v->args[0] = x;
    return emit(b, v);
}

/* ---------- folding of integers ---------- */

static bool is_constant(const kern_value *v)
{
    return v->op == KERN_CONST && (v->type == KERN_I32 || v->type == KERN_I64);
}

static bool is_integer(const kern_value *v, int64_t x)
{
    return is_constant(v) && v->integer == x;
}

static int64_t wrapped(kern_type type, uint64_t x)
{
    return type == KERN_I32 ? (int32_t)(uint32_t)x : (int64_t)x;
}

/* The result of `op` on two constants; false where we leave it alone. */
static bool fold_constants(kern_op op, kern_type type, int64_t x, int64_t y,
                           int64_t *out)
{
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    switch (op) {
    case KERN_ADD:
        *out = wrapped(type, a + b);
        return true;
    case KERN_SUB:
        *out = wrapped(type, a - b);
        return true;
    case KERN_MUL:
        *out = wrapped(type, a * b);
        return true;
    case KERN_DIV:
        if (y <= 0)
            return false;
        *out = x / y;
        return true;
    case KERN_REM:
        if (y <= 0)
            return false;
        *out = x % y;
        return true;
    case KERN_MIN:
        *out = x < y ? x : y;
        return true;
    case KERN_MAX:
        *out = x > y ? x : y;
        return true;
    default:
        return false;
    }
}

/* Integer x op y where the answer is an operand or a constant, else NULL. */
static kern_value *fold_integers(kern_builder *b, kern_op op, kern_value *x,
                                 kern_value *y)
{
    int64_t result;
    if (is_constant(x) && is_constant(y) &&
        fold_constants(op, x->type, x->integer, y->integer, &result))
        return kern_int(b, x->type, x->lanes, result);
    if ((op == KERN_ADD || op == KERN_SUB) && is_integer(y, 0))
        return x;
    if (op == KERN_ADD && is_integer(x, 0))
        return y;
    if ((op == KERN_MUL || op == KERN_DIV) && is_integer(y, 1))
        return x;
    if (op == KERN_MUL && is_integer(x, 1))
        return y;
    if (op == KERN_MUL && is_integer(x, 0))
        return x;
    if (op == KERN_MUL && is_integer(y, 0))
        return y;
    return NULL;
}

static bool is_comparison(kern_op op)
{
    return op >= KERN_EQ && op <= KERN_GE;
}

kern_value *kern_op2(kern_builder *b, kern_op op, kern_value *x, kern_value *y)
{
    PTL_ASSERT(kern_op_operands(op) == 2);
    int lanes = x->lanes > y->lanes ? x->lanes : y->lanes;
    x = kern_splat(b, x, lanes);
    y = kern_splat(b, y, lanes);
    kern_value *folded = fold_integers(b, op, x, y);
    if (folded)
        return folded;
    kern_type type = is_comparison(op) ? KERN_BOOL : x->type;
    kern_value *v = new_value(b, op, type, lanes);
    v->args[0] = x;
    v->args[1] = y;
    return emit(b, v);
}

static kern_value *op3(kern_builder *b, kern_op op, kern_type type,
                       kern_value *x, kern_value *y, kern_value *z)
{
    int lanes = x->lanes > y->lanes ? x->lanes : y->lanes;
    lanes = lanes > z->lanes ? lanes : z->lanes;
    x = kern_splat(b, x, lanes);
    y = kern_splat(b, y, lanes);
    z = kern_splat(b, z, lanes);
    kern_value *v = new_value(b, op, type, lanes);
    v->args[0] = x;
    v->args[1] = y;
    v->args[2] = z;
    return emit(b, v);
}

kern_value *kern_fma(kern_builder *b, kern_value *x, kern_value *y,
                     kern_value *z)
{
    return op3(b, KERN_FMA, x->type, x, y, z);
}

kern_value *kern_select(kern_builder *b, kern_value *cond, kern_value *x,
                        kern_value *y)
{
    return op3(b, KERN_SELECT, x->type, cond, x, y);
}

kern_value *kern_convert(kern_builder *b, kern_value *x, kern_type type)
{
    if (x->type == type)
        return x;
    if (is_constant(x) && type == KERN_I64)
        return kern_int(b, type, x->lanes, x->integer);
    kern_value *v = new_value(b, KERN_CONVERT, type, x->lanes);
    v->args[0] = x;
    return emit(b, v);
}

kern_value *kern_bitcast(kern_builder *b, kern_value *x, kern_type type)
{
    if (x->type == type)
        return x;
    kern_value *v = new_value(b, KERN_BITCAST, type, x->lanes);
    v->args[0] = x;
    return emit(b, v);
}

kern_value *kern_lane(kern_builder *b, kern_value *x, int lane)
{
    if (x->lanes == 1 && lane == 0)
        return x;
    kern_value *v = new_value(b, KERN_LANE, x->type, 1);
    v->args[0] = x;
    v->integer = lane;
    return emit(b, v);
}

kern_value *kern_shuffle(kern_builder *b, kern_value *x, kern_value *y,
                         const uint8_t *order, int lanes)
{
    kern_value *v = new_value(b, KERN_SHUFFLE, x->type, lanes);
    uint8_t *copy =
        ARENA_ARRAY(b->kernel->module->arena, uint8_t, (size_t)lanes);
    memcpy(copy, order, (size_t)lanes);
    v->args[0] = x;
    v->args[1] = y;
    v->order = copy;
    return emit(b, v);
}

kern_value *kern_half(kern_builder *b, kern_value *x, int half)
{
    uint8_t order[UINT8_MAX + 1];
    int lanes = x->lanes / 2;
    PTL_ASSERT(x->lanes <= UINT8_MAX);
    if (lanes == 1)
        return kern_lane(b, x, half);
    for (int i = 0; i < lanes; i++)
        order[i] = (uint8_t)(half * lanes + i);
    return kern_shuffle(b, x, x, order, lanes);
}

kern_value *kern_hsum(kern_builder *b, kern_value *x)
{
    if (x->lanes == 1)
        return x;
    kern_value *v = new_value(b, KERN_HSUM, x->type, 1);
    v->args[0] = x;
    return emit(b, v);
}

kern_value *kern_any(kern_builder *b, kern_value *x)
{
    if (x->lanes == 1)
        return x;
    kern_value *v = new_value(b, KERN_ANY, KERN_BOOL, 1);
    v->args[0] = x;
    return emit(b, v);
}

/* ---------- memory and locals ---------- */

kern_value *kern_load(kern_builder *b, kern_memory at, int lanes)
{
    PTL_ASSERT(at.buffer >= 0 && at.buffer < b->kernel->buffers.count);
    ptl_dtype dtype = b->kernel->buffers.data[at.buffer].dtype;
    kern_value *v = new_value(b, KERN_LOAD, kern_type_of(dtype), lanes);
    v->memory = at;
    return emit(b, v);
}

void kern_store(kern_builder *b, kern_memory at, kern_value *x)
{
    const char *problem = kern_store_problem(b->kernel, &at, x);
    if (problem)
        ptl_panic(__FILE__, __LINE__, "kernel \"%s\": store: %s",
                  b->kernel->name, problem);
    kern_stmt *s = append(b, KERN_STORE);
    s->memory = at;
    s->value = x;
}

kern_local *kern_local_new(kern_builder *b, kern_type type, int lanes,
                           const char *name)
{
    ptl_arena *arena = b->kernel->module->arena;
    kern_local *local = ARENA_NEW(arena, kern_local);
    local->type = type;
    local->lanes = lanes;
    local->id = b->kernel->local_count++;
    local->name = name ? arena_strdup(arena, name) : NULL;
    return local;
}

kern_value *kern_get(kern_builder *b, kern_local *local)
{
    kern_value *v = new_value(b, KERN_GET, local->type, local->lanes);
    v->local = local;
    return emit(b, v);
}

void kern_set(kern_builder *b, kern_local *local, kern_value *x)
{
    PTL_ASSERT(x->type == local->type);
    x = kern_splat(b, x, local->lanes);
    kern_stmt *s = append(b, KERN_SET);
    s->local = local;
    s->value = x;
}

/* ---------- structure ---------- */

static kern_block *open_block(kern_builder *b)
{
    kern_block *block = ARENA_NEW(b->kernel->module->arena, kern_block);
    block->parent = b->block;
    b->block = block;
    return block;
}

kern_value *kern_loop(kern_builder *b, kern_value *lo, kern_value *hi,
                      int64_t step, int unroll)
{
    PTL_ASSERT(lo->type == KERN_I64 && lo->lanes == 1);
    PTL_ASSERT(hi->type == KERN_I64 && hi->lanes == 1 && step > 0);
    kern_stmt *s = append(b, KERN_LOOP);
    s->index = new_value(b, KERN_INDEX, KERN_I64, 1);
    s->lo = lo;
    s->hi = hi;
    s->step = step;
    s->unroll = unroll;
    s->body = open_block(b);
    return s->index;
}

void kern_if(kern_builder *b, kern_value *cond)
{
    PTL_ASSERT(cond->type == KERN_BOOL && cond->lanes == 1);
    kern_stmt *s = append(b, KERN_IF);
    s->value = cond;
    s->body = open_block(b);
}

void kern_else(kern_builder *b)
{
    b->block = b->block->parent;
    PTL_ASSERT(b->block && b->block->stmts.count > 0);
    kern_stmt *s = b->block->stmts.data[b->block->stmts.count - 1];
    PTL_ASSERT(s->kind == KERN_IF && !s->other_body);
    s->other_body = open_block(b);
}

void kern_end(kern_builder *b)
{
    PTL_ASSERT(b->block->parent != NULL);
    b->block = b->block->parent;
}
