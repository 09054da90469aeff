/*
 * elab_expr.c - expressions: static numbers are folded, whole tensors become
 * elementwise expressions, reductions open a scope for their indices.
 */
#include "base/integer.h"
#include "elab_priv.h"
#include <math.h>
#include <string.h>

/* ---------- folding ---------- */

static value *divided_by_zero(elab *e, src_range at)
{
    return elab_error(e, DIAG_OVERFLOW, at, "a static division by zero");
}

static value *fold_int_power(elab *e, int64_t a, int64_t b, src_range at)
{
    int64_t r = 1;
    if (b < 0)
        return value_real(e, pow((double)a, (double)b), at);
    for (int64_t i = 0; i < b && (i < 64 || (a != 1 && a != -1 && a)); i++)
        if (__builtin_mul_overflow(r, a, &r))
            return overflowed(e, at), value_error(e);
    if (a == 0 || a == 1 || a == -1)
        r = b == 0 ? 1 : a == -1 && b % 2 == 0 ? 1 : a;
    return value_int(e, r, at);
}

static value *fold_int(elab *e, ty_op op, int64_t a, int64_t b, src_range at)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case TY_NEG_OP:
        over = __builtin_sub_overflow((int64_t)0, a, &r);
        break;
    case TY_ADD_OP:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case TY_SUB_OP:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case TY_MUL_OP:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case TY_DIV_OP:
    case TY_IDIV_OP:
    case TY_MOD_OP:
        if (b == 0)
            return divided_by_zero(e, at);
        if (b == -1)
            over = op != TY_MOD_OP && __builtin_sub_overflow((int64_t)0, a, &r);
        else
            r = op == TY_MOD_OP ? a - b * int_floor_div(a, b)
                                : int_floor_div(a, b);
        break;
    case TY_POW_OP:
        return fold_int_power(e, a, b, at);
    case TY_ABS_OP:
        over = a < 0 && __builtin_sub_overflow((int64_t)0, a, &r);
        r = a < 0 ? r : a;
        break;
    case TY_SIGN_OP:
        r = (a > 0) - (a < 0);
        break;
    case TY_MAXIMUM_OP:
        r = a > b ? a : b;
        break;
    case TY_MINIMUM_OP:
        r = a < b ? a : b;
        break;
    default:
        return NULL;
    }
    if (over)
        return overflowed(e, at), value_error(e);
    return value_int(e, r, at);
}

static value *fold_size(elab *e, ty_op op, int64_t a, int64_t b, src_range at)
{
    value *v = fold_int(e, op, size_number(e, a), size_number(e, b), at);
    return v && v->kind == V_INT
               ? value_int(e, size_fold(e, op, a, b, v->integer), at)
               : v;
}

static double apply_real(ty_op op, double a, double b)
{
    switch (op) {
    case TY_NEG_OP:
        return -a;
    case TY_ADD_OP:
        return a + b;
    case TY_SUB_OP:
        return a - b;
    case TY_MUL_OP:
        return a * b;
    case TY_DIV_OP:
        return a / b;
    case TY_POW_OP:
        return pow(a, b);
    case TY_ABS_OP:
        return fabs(a);
    case TY_SIGN_OP:
        return (a > 0) - (a < 0);
    case TY_FLOOR_OP:
        return floor(a);
    case TY_CEIL_OP:
        return ceil(a);
    case TY_SQRT_OP:
        return sqrt(a);
    case TY_EXP_OP:
        return exp(a);
    case TY_LOG_OP:
        return log(a);
    case TY_SIN_OP:
        return sin(a);
    case TY_COS_OP:
        return cos(a);
    case TY_TANH_OP:
        return tanh(a);
    case TY_SIGMOID_OP:
        return 1 / (1 + exp(-a));
    case TY_ERF_OP:
        return erf(a);
    case TY_MAXIMUM_OP:
        return a > b ? a : b;
    case TY_MINIMUM_OP:
        return a < b ? a : b;
    default:
        return a;
    }
}

static bool is_comparison(ty_op op)
{
    return op >= TY_EQ_OP && op <= TY_GE_OP;
}

static bool compare(ty_op op, double a, double b)
{
    switch (op) {
    case TY_EQ_OP:
        return a == b;
    case TY_NE_OP:
        return a != b;
    case TY_LT_OP:
        return a < b;
    case TY_LE_OP:
        return a <= b;
    case TY_GT_OP:
        return a > b;
    default:
        return a >= b;
    }
}

static value *fold_logic(elab *e, ty_op op, value **args, int count,
                         src_range at)
{
    value *v;
    for (int i = 0; i < count; i++)
        if (args[i]->kind != V_BOOL)
            return elab_error(e, DIAG_TYPE_MISMATCH, args[i]->at,
                              "`%s` wants a bool and this is %s",
                              ty_op_text(op), value_text(e, args[i]));
    v = op == TY_NOT_OP ? value_bool(e, !args[0]->integer, at)
        : op == TY_AND_OP
            ? value_bool(e, args[0]->integer && args[1]->integer, at)
            : value_bool(e, args[0]->integer || args[1]->integer, at);
    v->drawn = args[0]->drawn || args[count - 1]->drawn;
    return v;
}

static double number_of(const value *v)
{
    return v->kind == V_BOOL ? (double)v->integer : v->real;
}

static value *fold_comparison(elab *e, ty_op op, const value *a, const value *b,
                              src_range at)
{
    value *v = value_bool(e, compare(op, number_of(a), number_of(b)), at);
    v->drawn = (a->kind == V_INT && size_is_symbolic(e, a->integer)) ||
               (b->kind == V_INT && size_is_symbolic(e, b->integer));
    return v;
}

static value *fold(elab *e, ty_op op, value **args, int count, src_range at)
{
    value *b = count > 1 ? args[1] : args[0];
    bool ints = args[0]->kind == V_INT && b->kind == V_INT;
    if (op == TY_AND_OP || op == TY_OR_OP || op == TY_NOT_OP)
        return fold_logic(e, op, args, count, at);
    if (op == TY_STOP_OP)
        return args[0];
    if (op == TY_REAL_OP)
        return value_real(e, number_of(args[0]), at);
    if (op == TY_INT_OP)
        return args[0]->kind == V_REAL && !(fabs(args[0]->real) < 9.0e18)
                   ? (overflowed(e, at), value_error(e))
                   : value_int(e, (int64_t)number_of(args[0]), at);
    if ((args[0]->kind == V_BOOL) != (b->kind == V_BOOL) ||
        (args[0]->kind == V_BOOL && op != TY_EQ_OP && op != TY_NE_OP))
        return elab_error(e, DIAG_TYPE_MISMATCH, at,
                          "`%s` wants numbers and one side is a bool",
                          ty_op_text(op));
    if (is_comparison(op))
        return fold_comparison(e, op, args[0], b, at);
    if (ints) {
        value *v = fold_size(e, op, args[0]->integer, b->integer, at);
        if (v)
            return v;
    }
    if (op == TY_IDIV_OP || op == TY_MOD_OP)
        return elab_error(e, DIAG_TYPE_MISMATCH, at, "`%s` wants integers",
                          ty_op_text(op));
    return value_real(e, apply_real(op, number_of(args[0]), number_of(b)), at);
}

/* ---------- elementwise ---------- */

static value *shapes_differ(elab *e, ty_op op, const value *a, const value *b,
                            src_range at)
{
    int64_t da[PTL_MAX_RANK], db[PTL_MAX_RANK];
    value_dims(a, da);
    value_dims(b, db);
    if (value_rank(a) == value_rank(b))
        dims_witness(e, da, db, value_rank(a));
    elab_error(e, DIAG_SHAPE_MISMATCH, at,
               "`%s` goes element by element, but one side is %s and the "
               "other %s; write it with subscripts",
               ty_op_text(op), value_text(e, a), value_text(e, b));
    return value_error(e);
}

static bool same_dims(elab *e, const value *a, const value *b)
{
    int64_t da[PTL_MAX_RANK], db[PTL_MAX_RANK];
    if (value_rank(a) != value_rank(b))
        return false;
    value_dims(a, da);
    value_dims(b, db);
    return dims_agree(e, da, db, value_rank(a));
}

static ty_var **fresh_vars(elab *e, const value *v, src_range at)
{
    static const char names[] = "ijklmnop";
    int64_t dims[PTL_MAX_RANK];
    ty_var **vars = ARENA_ARRAY(e->arena, ty_var *, value_rank(v) + 1);
    value_dims(v, dims);
    for (int i = 0; i < value_rank(v); i++) {
        vars[i] =
            ty_var_new(e, arena_printf(e->arena, "%c", names[i]), dims[i], at);
        vars[i]->explicit_range = true;
        if (v->kind == V_TENSOR)
            vars[i]->batch = v->tensor->batch_axis == i + (v->var != NULL);
        else if (v->kind == V_EXPR)
            vars[i]->batch = v->vars[i]->batch;
    }
    return vars;
}

/* x^2 and the like are products: exact signs, and cheap. */
static ty_expr *small_power(elab *e, ty_expr *x, int64_t n, src_range at)
{
    ty_expr *y = x;
    if (n == 0)
        return tx_real(e, 1.0, at);
    for (int64_t i = 1; i < n; i++)
        y = tx_op2(e, TY_MUL_OP, y, x, at);
    return y;
}

static ty_expr *combine(elab *e, ty_op op, value **args, int count,
                        ty_var **vars, src_range at)
{
    ty_expr *x[3];
    for (int i = 0; i < count; i++) {
        x[i] = value_at(e, args[i], vars, args[i]->at);
        if (!x[i])
            return NULL;
    }
    if (count == 2 && op == TY_POW_OP && args[1]->kind == V_INT &&
        args[1]->integer >= 0 && args[1]->integer <= 4 && x[0]->type != TY_BOOL)
        return small_power(e, x[0], args[1]->integer, at);
    if (op == TY_DIV_OP && e->subscript_depth > 0 && x[0]->type == TY_INT &&
        x[1]->type == TY_INT)
        op = TY_IDIV_OP;
    return tx_op(e, op, x, at);
}

value *elementwise(elab *e, ty_op op, value **args, int count, src_range at)
{
    const value *widest = NULL;
    bool all_static = true;
    ty_var **vars = NULL;
    value *v;
    for (int i = 0; i < count; i++) {
        args[i] = value_settle(e, args[i]);
        if (args[i]->kind == V_ERROR)
            return args[i];
        if (!value_is_number(args[i]))
            return elab_error(e, DIAG_TYPE_MISMATCH, args[i]->at,
                              "`%s` wants numbers and this is %s",
                              ty_op_text(op), value_text(e, args[i]));
        all_static &= value_is_static(args[i]);
        if (value_rank(args[i]) == 0)
            continue;
        if (widest && !same_dims(e, widest, args[i]))
            return shapes_differ(e, op, widest, args[i], at);
        if (!widest)
            widest = args[i];
    }
    if (all_static && op != TY_SELECT_OP)
        return fold(e, op, args, count, at);
    if (widest)
        vars = fresh_vars(e, widest, at);
    v = value_scalar(e, combine(e, op, args, count, vars, at), at);
    if (v->kind == V_EXPR && widest) {
        v->vars = vars;
        v->rank = value_rank(widest);
    }
    return v;
}

/* ---------- operators ---------- */

static ty_op typed_op(ast_op op)
{
    switch (op) {
    case OP_OR:
        return TY_OR_OP;
    case OP_AND:
        return TY_AND_OP;
    case OP_EQ:
        return TY_EQ_OP;
    case OP_NE:
        return TY_NE_OP;
    case OP_LT:
        return TY_LT_OP;
    case OP_GT:
        return TY_GT_OP;
    case OP_LE:
        return TY_LE_OP;
    case OP_GE:
        return TY_GE_OP;
    case OP_ADD:
        return TY_ADD_OP;
    case OP_SUB:
        return TY_SUB_OP;
    case OP_MUL:
        return TY_MUL_OP;
    case OP_DIV:
        return TY_DIV_OP;
    case OP_MOD:
        return TY_MOD_OP;
    case OP_NEG:
        return TY_NEG_OP;
    case OP_NOT:
        return TY_NOT_OP;
    default:
        return TY_POW_OP;
    }
}

value *eval_operands(elab *e, const ast_expr *x, value *args[2])
{
    /* Texts are compared in static ifs. */
    if (args[0]->kind == V_STRING && args[1]->kind == V_STRING &&
        (x->op == OP_EQ || x->op == OP_NE))
        return value_bool(
            e, (strcmp(args[0]->text, args[1]->text) == 0) == (x->op == OP_EQ),
            x->at);
    if (args[0]->kind == V_WORD && args[1]->kind == V_WORD &&
        (x->op == OP_EQ || x->op == OP_NE))
        return value_bool(
            e, (strcmp(args[0]->text, args[1]->text) == 0) == (x->op == OP_EQ),
            x->at);
    return elementwise(e, typed_op(x->op), args, 2, x->at);
}

static value *eval_binary(elab *e, scope *s, const ast_expr *x)
{
    value *args[2];
    args[0] = eval(e, s, x->a);
    if (args[0]->kind == V_BOOL && ((x->op == OP_AND && !args[0]->integer) ||
                                    (x->op == OP_OR && args[0]->integer)))
        return args[0];
    args[1] = eval(e, s, x->b);
    return eval_operands(e, x, args);
}

static value *eval_unary(elab *e, scope *s, const ast_expr *x)
{
    value *arg = eval(e, s, x->a);
    return elementwise(e, typed_op(x->op), &arg, 1, x->at);
}

/* A number that was chosen by what was drawn: no polynomial says which. */
static value *chosen(elab *e, value *v, const ast_expr *x)
{
    ptl_str s = {0};
    if (v->kind != V_INT)
        return v;
    ast_print_expr(x, &s);
    v = value_int(e,
                  size_vague(e, arena_strdup(e->arena, str_text(&s)),
                             size_number(e, v->integer)),
                  v->at);
    str_fini(&s);
    return v;
}

/* Only the side that is taken is read where the condition is static. */
static value *eval_cond(elab *e, scope *s, const ast_expr *x)
{
    value *args[3];
    args[0] = eval(e, s, x->a);
    if (args[0]->kind == V_BOOL) {
        value *v = eval(e, s, args[0]->integer ? x->b : x->c);
        return args[0]->drawn ? chosen(e, v, x) : v;
    }
    args[1] = eval(e, s, x->b);
    args[2] = eval(e, s, x->c);
    return elementwise(e, TY_SELECT_OP, args, 3, x->at);
}

static value *eval_list(elab *e, scope *s, const ast_expr *x)
{
    value *v = value_new(e, V_LIST, x->at);
    if (x->count > ELAB_MAX_LIST)
        return elab_error(e, DIAG_INTERNAL_LIMIT, x->at,
                          "a literal has at most %d items", ELAB_MAX_LIST);
    v->items = ARENA_ARRAY(e->arena, value *, x->count + 1);
    for (int i = 0; i < x->count; i++) {
        v->items[i] = eval(e, s, x->items[i]);
        if (v->items[i]->kind == V_ERROR)
            return v->items[i];
        if (!v->items[i]->at.file)
            v->items[i]->at = x->items[i]->at;
    }
    v->count = x->count;
    return v;
}

/* ---------- reductions ---------- */

static bool bind_pack_binder(elab *e, scope *in, const ast_binder *b,
                             pack **out)
{
    binding *outer = scope_find(in, pack_key(e, b->name));
    pack *p = ARENA_NEW(e->arena, pack);
    value *v = value_new(e, V_PACK, b->at);
    p->rank = -1;
    p->at = b->at;
    p->has_vars = true;
    if (outer && outer->value->kind == V_PACK &&
        outer->value->pack->rank >= 0) {
        const pack *sizes = outer->value->pack;
        p->rank = sizes->rank;
        p->rows = sizes->rows;
        for (int i = 0; i < p->rank; i++)
            p->dims[i] = sizes->dims[i];
        pack_vars(e, p, b->name, b->at);
    }
    v->pack = p;
    scope_bind(e, in, pack_key(e, b->name), v, b->at);
    *out = p;
    return true;
}

static bool bind_binder(elab *e, scope *outer, scope *in, const ast_binder *b,
                        ty_var **out)
{
    ty_var *var = ty_var_new(e, b->name, -1, b->at);
    value *v = value_new(e, V_VAR, b->at);
    if (b->lo) {
        if (!eval_int(e, outer, b->lo, "the begin of a range", &var->lo) ||
            !eval_int(e, outer, b->hi, "the end of a range", &var->hi))
            return false;
        if (size_exceeds(e, var->lo, var->hi))
            var->hi = var->lo;
        var->known = var->explicit_range = true;
        var->from = b->at;
    }
    if (scope_own(in, b->name)) {
        elab_error(e, DIAG_REDEFINED, b->at, "%s is bound twice here", b->name);
        return false;
    }
    v->var = var;
    scope_bind(e, in, b->name, v, b->at);
    *out = var;
    return true;
}

enum { MAX_BINDERS = 16 };

/* What the binders of one reduction made: indices, packs to be expanded once
 * they are sized. */
typedef struct bound_set {
    ty_var *vars[MAX_BINDERS];
    pack *packs[MAX_BINDERS];
    int count;
} bound_set;

static bool bind_binders(elab *e, scope *s, scope *in, const ast_expr *x,
                         bound_set *set)
{
    if (x->count > MAX_BINDERS) {
        elab_error(e, DIAG_INTERNAL_LIMIT, x->at,
                   "a reduction binds at most %d indices", MAX_BINDERS);
        return false;
    }
    for (int i = 0; i < x->count; i++) {
        const ast_binder *b = &x->binders[i];
        if (!(b->is_pack ? bind_pack_binder(e, in, b, &set->packs[i])
                         : bind_binder(e, s, in, b, &set->vars[i])))
            return false;
        set->count++;
    }
    return true;
}

static int expand(elab *e, const bound_set *set, const ast_expr *x,
                  ty_var **out)
{
    int n = 0;
    for (int i = 0; i < set->count; i++) {
        const pack *p = set->packs[i];
        if (!p) {
            if (!set->vars[i]->known) {
                elab_error(e, DIAG_RANGE_UNKNOWN, x->binders[i].at,
                           "nothing says over what %s ranges; write `%s in "
                           "0..K`, or use it bare as a subscript",
                           set->vars[i]->name, set->vars[i]->name);
                return -1;
            }
            out[n++] = set->vars[i];
            continue;
        }
        if (p->rank < 0) {
            elab_error(e, DIAG_RANGE_UNKNOWN, x->binders[i].at,
                       "nothing says which axes `..%s` stands for",
                       x->binders[i].name);
            return -1;
        }
        for (int j = 0; j < p->rank; j++)
            out[n++] = p->vars[j];
    }
    return n;
}

value *eval_reduce(elab *e, scope *s, const ast_expr *x)
{
    scope *in = scope_new(e, s, s->frame);
    bound_set set = {0};
    ty_var *vars[MAX_BINDERS * PTL_MAX_RANK];
    ty_expr *filter = NULL, *body;
    int count, depth = e->subscript_depth;
    if (!bind_binders(e, s, in, x, &set))
        return value_error(e);
    e->subscript_depth = 0;
    body = value_scalar_expr(e, eval(e, in, x->a), x->a->at);
    if (x->b) {
        filter = value_scalar_expr(e, eval(e, in, x->b), x->b->at);
        if (filter && filter->type != TY_BOOL) {
            elab_error(e, DIAG_TYPE_MISMATCH, x->b->at,
                       "a filter is a bool and this is %s",
                       ty_kind_text(filter->type));
            filter = NULL;
        }
    }
    e->subscript_depth = depth;
    if (!body || (x->b && !filter))
        return value_error(e);
    count = expand(e, &set, x, vars);
    if (count < 0)
        return value_error(e);
    if (count > 16) {
        return elab_error(e, DIAG_INTERNAL_LIMIT, x->at,
                          "a reduction runs over at most 16 axes");
    }
    return value_scalar(
        e, tx_reduce(e, x->reduction, vars, count, filter, body, x->at), x->at);
}

/* ---------- all of them ---------- */

bool eval_int(elab *e, scope *s, const ast_expr *x, const char *what,
              int64_t *out)
{
    value *v = eval(e, s, x);
    if (!v->at.file)
        v->at = x->at;
    return value_want_int(e, v, what, out);
}

bool eval_number(elab *e, scope *s, const ast_expr *x, const char *what,
                 int64_t *out)
{
    if (!eval_int(e, s, x, what, out))
        return false;
    *out = size_counted(e, *out);
    return true;
}

static value *eval_word(elab *e, const ast_expr *x)
{
    value *v = value_new(e, V_WORD, x->at);
    v->text = ast_reduction_text(x->reduction);
    return v;
}

static value *eval_quantity(elab *e, const ast_expr *x)
{
    value *v = value_new(e, V_QUANTITY, x->at);
    v->real = x->a->real;
    v->integer = x->a->integer;
    v->text = x->name;
    return v;
}

static value *eval_kind(elab *e, scope *s, const ast_expr *x)
{
    switch (x->kind) {
    case EXPR_NAME:
        return lookup_name(e, s, x);
    case EXPR_INT:
        return value_int(e, x->integer, x->at);
    case EXPR_REAL:
        return value_real(e, x->real, x->at);
    case EXPR_STRING:
        return value_string(e, interpolate(e, s, x->name, x->at), x->at);
    case EXPR_BOOL:
        return value_bool(e, x->integer != 0, x->at);
    case EXPR_QUANTITY:
        return eval_quantity(e, x);
    case EXPR_WORD:
        return eval_word(e, x);
    case EXPR_UNARY:
        return eval_unary(e, s, x);
    case EXPR_BINARY:
        return eval_binary(e, s, x);
    case EXPR_COND:
        return eval_cond(e, s, x);
    case EXPR_CALL:
        return eval_call(e, s, x);
    case EXPR_INDEX:
        return eval_index(e, s, x);
    case EXPR_MEMBER:
        return eval_member(e, s, x);
    case EXPR_REDUCE:
        return eval_reduce(e, s, x);
    case EXPR_LIST:
        return eval_list(e, s, x);
    default:
        return elab_error(e, DIAG_MISPLACED, x->at,
                          "a range stands only after `in`");
    }
}

value *eval(elab *e, scope *s, const ast_expr *x)
{
    value *v;
    if (e->nesting >= ELAB_MAX_NESTING)
        return elab_error(e, DIAG_INTERNAL_LIMIT, x->at,
                          "calls and expressions nest more than %d deep "
                          "here: does a function call itself?",
                          ELAB_MAX_NESTING);
    e->nesting++;
    v = eval_kind(e, s, x);
    e->nesting--;
    if (!v->at.file && v->kind != V_ERROR)
        v->at = x->at;
    return v;
}
