/*
 * emit.c - scalar expressions of the IR as values of the kernel form.
 *
 * One operation becomes one operation: nothing is contracted or reassociated,
 * so a body gives the same bits wherever it is inlined. Integers are I32 where
 * their bounds allow it and I64 elsewhere.
 */
#include "loops/build.h"
#include "kernel/math.h"

void emit_init(emit *e, build *k, const ir_var *range, int range_count)
{
    *e = (emit){.k = k,
                .b = &k->b,
                .lanes = k->lanes,
                .lane_var = -1,
                .range = range,
                .range_count = range_count};
    e->keys = k->step->scope->graph->next_expr + 1;
    e->memo = ARENA_ARRAY(k->scratch, kern_value *, 2 * e->keys);
    e->forward = ARENA_ARRAY(k->scratch, kern_value *,
                             k->step->scope->graph->nodes.count + 1);
    for (int i = 0; i < range_count; i++)
        e->var[i] = kern_int(e->b, KERN_I64, 1, range[i].lo);
}

int emit_mark(const emit *e)
{
    return e->log.count;
}

void emit_rewind(emit *e, int mark)
{
    while (e->log.count > mark)
        e->memo[e->log.data[--e->log.count]] = NULL;
}

/* ---------- integers ---------- */

static bool fits_i32(int64_t low, int64_t high)
{
    return low >= INT32_MIN && high <= INT32_MAX;
}

static kern_type int_type(const emit *e, const ir_expr *x)
{
    int64_t low, high;
    return ir_expr_bounds(x, e->range, &low, &high) && fits_i32(low, high)
               ? KERN_I32
               : KERN_I64;
}

static kern_value *along_lanes(emit *e, kern_value *base, int64_t stride,
                               kern_type type)
{
    kern_value *at = kern_convert(e->b, base, type);
    if (stride == 0)
        return at;
    kern_value *lane = kern_iota(e->b, type, e->lanes);
    kern_value *step = kern_int(e->b, type, e->lanes, stride);
    return kern_op2(e->b, KERN_ADD, at, kern_op2(e->b, KERN_MUL, lane, step));
}

kern_value *emit_affine(emit *e, const ir_affine *a)
{
    int64_t low, high, stride = 0;
    ir_affine_range(*a, e->range, &low, &high);
    kern_value *sum = kern_int(e->b, KERN_I64, 1, a->constant);
    for (int i = 0; i < a->term_count; i++) {
        int var = a->terms[i].var;
        kern_value *coef = kern_int(e->b, KERN_I64, 1, a->terms[i].coef);
        kern_value *at = kern_convert(e->b, e->var[var], KERN_I64);
        sum = kern_op2(e->b, KERN_ADD, sum, kern_op2(e->b, KERN_MUL, at, coef));
        if (var == e->lane_var)
            stride = a->terms[i].coef;
    }
    /* Unused lanes may run past the range: leave room for them. */
    int64_t slack = (stride < 0 ? -stride : stride) * e->lanes;
    bool small = low > INT32_MIN + slack && high < INT32_MAX - slack;
    return along_lanes(e, sum, stride, small ? KERN_I32 : KERN_I64);
}

static kern_value *emit_var(emit *e, int var)
{
    ir_term term = {var, 1};
    ir_affine a = {0, 1, &term};
    return emit_affine(e, &a);
}

static kern_value *zero_like(emit *e, const kern_value *x)
{
    return kern_int(e->b, x->type, 1, 0);
}

/* A divisor of 0 (in a branch not taken, an unused lane) must not trap. */
static kern_value *safe_divisor(emit *e, kern_value *d)
{
    if (d->op == KERN_CONST && d->integer != 0)
        return d;
    return kern_select(e->b, kern_op2(e->b, KERN_EQ, d, zero_like(e, d)),
                       kern_int(e->b, d->type, 1, 1), d);
}

static bool is_natural(const emit *e, const ir_expr *x)
{
    int64_t low, high;
    return ir_expr_bounds(x, e->range, &low, &high) && low >= 0;
}

/* Does the remainder r of a division by d have the other sign? */
static kern_value *is_off(emit *e, kern_value *r, kern_value *d)
{
    kern_value *zero = zero_like(e, r);
    kern_value *signs = kern_op2(e->b, KERN_XOR, r, d);
    return kern_op2(e->b, KERN_AND, kern_op2(e->b, KERN_NE, r, zero),
                    kern_op2(e->b, KERN_LT, signs, zero));
}

static kern_value *floor_divide(emit *e, const ir_expr *x, kern_value *n,
                                kern_value *d)
{
    bool modulo = x->op == IR_MOD_OP;
    d = safe_divisor(e, d);
    kern_value *r = kern_op2(e->b, KERN_REM, n, d);
    kern_value *q = modulo ? NULL : kern_op2(e->b, KERN_DIV, n, d);
    if (is_natural(e, x->args[0]) && is_natural(e, x->args[1]))
        return modulo ? r : q;
    kern_value *off = is_off(e, r, d);
    if (modulo)
        return kern_select(e->b, off, kern_op2(e->b, KERN_ADD, r, d), r);
    kern_value *one = kern_int(e->b, n->type, 1, 1);
    return kern_select(e->b, off, kern_op2(e->b, KERN_SUB, q, one), q);
}

/* ---------- operations ---------- */

static kern_value *one_like(emit *e, const kern_value *x, int64_t value)
{
    return kern_is_real(x->type) ? kern_real(e->b, x->type, 1, (double)value)
                                 : kern_int(e->b, x->type, 1, value);
}

static kern_value *sign_of(emit *e, kern_value *x)
{
    kern_value *zero = one_like(e, x, 0);
    kern_value *below = kern_select(e->b, kern_op2(e->b, KERN_LT, x, zero),
                                    one_like(e, x, -1), x);
    return kern_select(e->b, kern_op2(e->b, KERN_GT, x, zero),
                       one_like(e, x, 1), below);
}

/* The first operand at ties; NaN of either comes through. */
static kern_value *larger(emit *e, kern_op op, kern_value *x, kern_value *y)
{
    if (!kern_is_real(x->type))
        return kern_op2(e->b, op == KERN_GE ? KERN_MAX : KERN_MIN, x, y);
    kern_value *wins = kern_op2(e->b, op, x, y);
    kern_value *nan = kern_op2(e->b, KERN_NE, x, x);
    return kern_select(e->b, kern_op2(e->b, KERN_OR, wins, nan), x, y);
}

static kern_value *power(emit *e, const ir_expr *x, kern_value *base,
                         kern_value *exponent)
{
    const ir_expr *y = x->args[1];
    if (y->kind == IR_EXPR_CONST && y->number == 2)
        return kern_op2(e->b, KERN_MUL, base, base);
    if (y->kind == IR_EXPR_CONST && y->number == 1)
        return base;
    int lanes = base->lanes > exponent->lanes ? base->lanes : exponent->lanes;
    return kern_pow(e->b, kern_splat(e->b, base, lanes),
                    kern_splat(e->b, exponent, lanes));
}

static kern_value *compare(emit *e, kern_op op, kern_value *x, kern_value *y)
{
    if (x->type != KERN_BOOL)
        return kern_op2(e->b, op, x, y);
    kern_value *differ = kern_op2(e->b, KERN_XOR, x, y);
    return op == KERN_NE ? differ : kern_op1(e->b, KERN_NOT, differ);
}

static kern_value *to_int(emit *e, const ir_expr *x, kern_value *v)
{
    if (kern_is_real(v->type) || v->type == KERN_BOOL)
        return kern_convert(e->b, v, KERN_I32);
    (void)x;
    return v;
}

static kern_value *emit_op(emit *e, const ir_expr *x, kern_value **a)
{
    kern_builder *b = e->b;
    switch (x->op) {
    case IR_NEG_OP:
        return kern_op1(b, KERN_NEG, a[0]);
    case IR_ADD_OP:
        return kern_op2(b, KERN_ADD, a[0], a[1]);
    case IR_SUB_OP:
        return kern_op2(b, KERN_SUB, a[0], a[1]);
    case IR_MUL_OP:
        return kern_op2(b, KERN_MUL, a[0], a[1]);
    case IR_DIV_OP:
        return kern_op2(b, KERN_DIV, a[0], a[1]);
    case IR_IDIV_OP:
    case IR_MOD_OP:
        return floor_divide(e, x, a[0], a[1]);
    case IR_POW_OP:
        return power(e, x, a[0], a[1]);
    case IR_ABS_OP:
        return kern_op1(b, KERN_ABS, a[0]);
    case IR_SIGN_OP:
        return sign_of(e, a[0]);
    case IR_FLOOR_OP:
        return kern_op1(b, KERN_FLOOR, a[0]);
    case IR_CEIL_OP:
        return kern_op1(b, KERN_CEIL, a[0]);
    case IR_SQRT_OP:
        return kern_op1(b, KERN_SQRT, a[0]);
    case IR_EXP_OP:
        return kern_exp(b, a[0]);
    case IR_LOG_OP:
        return kern_log(b, a[0]);
    case IR_SIN_OP:
        return kern_sin(b, a[0]);
    case IR_COS_OP:
        return kern_cos(b, a[0]);
    case IR_TANH_OP:
        return kern_tanh(b, a[0]);
    case IR_SIGMOID_OP:
        return kern_sigmoid(b, a[0]);
    case IR_ERF_OP:
        return kern_erf(b, a[0]);
    case IR_MAXIMUM_OP:
        return larger(e, KERN_GE, a[0], a[1]);
    case IR_MINIMUM_OP:
        return larger(e, KERN_LE, a[0], a[1]);
    case IR_EQ_OP:
        return compare(e, KERN_EQ, a[0], a[1]);
    case IR_NE_OP:
        return compare(e, KERN_NE, a[0], a[1]);
    case IR_LT_OP:
        return kern_op2(b, KERN_LT, a[0], a[1]);
    case IR_LE_OP:
        return kern_op2(b, KERN_LE, a[0], a[1]);
    case IR_GT_OP:
        return kern_op2(b, KERN_GT, a[0], a[1]);
    case IR_GE_OP:
        return kern_op2(b, KERN_GE, a[0], a[1]);
    case IR_AND_OP:
        return kern_op2(b, KERN_AND, a[0], a[1]);
    case IR_OR_OP:
        return kern_op2(b, KERN_OR, a[0], a[1]);
    case IR_NOT_OP:
        return kern_op1(b, KERN_NOT, a[0]);
    case IR_SELECT_OP:
        return kern_select(b, a[0], a[1], a[2]);
    case IR_REAL_OP:
        return kern_convert(b, a[0], e->k->real);
    case IR_INT_OP:
        return to_int(e, x, a[0]);
    case IR_FMA_OP:
        return kern_fma(b, a[0], a[1], a[2]);
    case IR_STOP_OP:
        return a[0];
    case IR_BF16_OP:
        return kern_rounded(b, a[0], 8);
    case IR_TF32_OP:
        return kern_rounded(b, a[0], 11);
    case IR_SCALAR_COUNT:
        break;
    }
    PTL_ASSERT(!"a scalar operation without a kernel form");
    return NULL;
}

static bool is_int_kind(const kern_value *v)
{
    return v->type == KERN_I32 || v->type == KERN_I64;
}

/* Integer operands take the widest of their types and the result's. */
static void widen(emit *e, const ir_expr *x, kern_value **a)
{
    bool wide = x->type == IR_INT && int_type(e, x) == KERN_I64;
    for (int i = 0; i < x->arg_count; i++)
        wide = wide || a[i]->type == KERN_I64;
    for (int i = 0; wide && i < x->arg_count; i++)
        if (is_int_kind(a[i]) && x->args[i]->type == IR_INT)
            a[i] = kern_convert(e->b, a[i], KERN_I64);
}

static kern_value *narrowed(emit *e, const ir_expr *x, kern_value *v)
{
    if (v->type == KERN_I64 && int_type(e, x) == KERN_I32)
        return kern_convert(e->b, v, KERN_I32);
    return v;
}

static kern_value *emit_const(emit *e, const ir_expr *x)
{
    if (x->type == IR_REAL)
        return kern_real(e->b, e->k->real, 1, x->number);
    if (x->type == IR_BOOL)
        return kern_int(e->b, KERN_BOOL, 1, x->number != 0);
    return kern_int(e->b, int_type(e, x), 1, (int64_t)x->number);
}

static kern_value *emit_key(emit *e, const ir_expr *x)
{
    kern_value **key = &e->memo[e->keys + x->id];
    if (*key)
        return *key;
    int buffer = sched_site_buffer(e->k->s, x->site);
    kern_memory at = {.buffer = build_buffer(e->k, buffer, false),
                      .offset = kern_int(e->b, KERN_I64, 1, 0)};
    kern_value *site = kern_load(e->b, at, 1);
    kern_value *seed = kern_convert(e->b, emit_expr(e, x->seed), KERN_I64);
    *key = kern_philox_key(e->b, seed, site);
    vec_push(e->k->scratch, &e->log, e->keys + x->id);
    return *key;
}

static kern_value *emit_random(emit *e, const ir_expr *x)
{
    kern_builder *b = e->b;
    kern_value *step = kern_convert(b, emit_expr(e, x->step), KERN_I64);
    kern_value *element = kern_convert(b, emit_expr(e, x->element), KERN_I64);
    kern_value *key = emit_key(e, x);
    int lanes = element->lanes;
    lanes = step->lanes > lanes ? step->lanes : lanes;
    lanes = key->lanes > lanes ? key->lanes : lanes;
    element = kern_splat(b, element, lanes);
    step = kern_splat(b, step, lanes);
    key = kern_splat(b, key, lanes);
    return x->random == IR_UNIFORM
               ? kern_uniform(b, e->k->real, key, step, element)
               : kern_normal(b, e->k->real, key, step, element);
}

static kern_value *evaluate(emit *e, ir_expr *x)
{
    kern_value *args[3] = {0};
    switch (x->kind) {
    case IR_EXPR_CONST:
        return emit_const(e, x);
    case IR_EXPR_VAR:
        return emit_var(e, x->var);
    case IR_EXPR_READ:
        return e->read ? e->read(e, x, e->ctx) : emit_read(e, x);
    case IR_EXPR_RANDOM:
        return emit_random(e, x);
    case IR_EXPR_INSIDE:
        PTL_ASSERT(!"fusion left an INSIDE");
        return NULL;
    case IR_EXPR_OP:
        break;
    }
    for (int i = 0; i < x->arg_count; i++)
        args[i] = emit_expr(e, x->args[i]);
    widen(e, x, args);
    return narrowed(e, x, emit_op(e, x, args));
}

void emit_give(emit *e, const ir_expr *x, kern_value *value)
{
    e->memo[x->id] = value;
    vec_push(e->k->scratch, &e->log, x->id);
}

kern_value *emit_expr(emit *e, ir_expr *x)
{
    if (!e->memo[x->id])
        emit_give(e, x, evaluate(e, x));
    return e->memo[x->id];
}

/* ---------- hoisting ---------- */

typedef struct hoist_ctx {
    emit *e;
    uint32_t unbound;
    bool *bound_to; /* by expression id: depends on an unbound variable */
} hoist_ctx;

static bool affine_needs(const ir_affine *a, uint32_t vars)
{
    for (int i = 0; i < a->term_count; i++)
        if (vars >> a->terms[i].var & 1)
            return true;
    return false;
}

static bool needs_unbound(const hoist_ctx *c, const ir_expr *x)
{
    bool needs = x->kind == IR_EXPR_VAR && (c->unbound >> x->var & 1);
    for (int i = 0; i < x->arg_count; i++)
        needs = needs || c->bound_to[x->args[i]->id];
    for (int i = 0; i < x->sub_count; i++) {
        const ir_sub *sub = &x->subs[i];
        needs = needs || affine_needs(&sub->affine, c->unbound) ||
                (sub->gather && c->bound_to[sub->gather->id]);
    }
    needs = needs || (x->outside && c->bound_to[x->outside->id]);
    if (x->kind == IR_EXPR_RANDOM)
        needs = needs || c->bound_to[x->element->id] ||
                c->bound_to[x->step->id] || c->bound_to[x->seed->id];
    return needs;
}

static void hoist_one(ir_expr *x, void *ctx)
{
    hoist_ctx *c = ctx;
    c->bound_to[x->id] = needs_unbound(c, x);
    bool forwarded = x->kind == IR_EXPR_READ && c->e->forward[x->node->id];
    bool heavy = x->kind == IR_EXPR_OP || x->kind == IR_EXPR_READ ||
                 x->kind == IR_EXPR_RANDOM;
    if (heavy && !forwarded && !c->bound_to[x->id])
        emit_expr(c->e, x);
    else if (x->kind == IR_EXPR_RANDOM && !c->bound_to[x->seed->id])
        emit_key(c->e, x);
}

void emit_hoist(emit *e, ir_expr *x, uint32_t unbound)
{
    ptl_arena *scratch = arena_new();
    hoist_ctx c = {e, unbound, NULL};
    c.bound_to =
        ARENA_ARRAY(scratch, bool, e->k->step->scope->graph->next_expr + 1);
    ir_visit(x, hoist_one, &c);
    arena_free(scratch);
}
