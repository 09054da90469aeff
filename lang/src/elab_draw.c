/*
 * elab_draw.c - a layer by itself at small random sizes, for gradient checks.
 *
 * Sizes its inputs leave open are drawn from 2 to 4, integer arguments from
 * their declared intervals; what cannot be drawn, or sizes that do not fit each
 * other, give no program and no message.
 */
#include "base/philox.h"
#include "elab_priv.h"
#include <string.h>

typedef struct drawing {
    elab *e;
    uint64_t seed, count;
    scope *sizes; /* what the inputs' types bind */
} drawing;

static double draw(drawing *d)
{
    return philox_uniform(d->seed, 0, 0, d->count++);
}

static int64_t draw_int(drawing *d, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(draw(d) * (double)(hi - lo + 1));
}

/* ---------- arguments ---------- */

static value *draw_from(drawing *d, const ast_param *p)
{
    const ast_interval *in = p->interval;
    bool integer = p->type && !strcmp(p->type->name, "int");
    bool real = p->type && !strcmp(p->type->name, "real");
    scope *none = scope_new(d->e, NULL, d->e->frame);
    int64_t lo = 1, hi = 4;
    double x = 0.1, y = 1.0;
    if (integer) {
        if (in && in->lo && !eval_int(d->e, none, in->lo, "a bound", &lo))
            return NULL;
        if (in && in->hi && !eval_int(d->e, none, in->hi, "a bound", &hi))
            return NULL;
        lo += in && in->lo_open;
        hi -= in && in->hi_open;
        hi = hi > lo + 4 ? lo + 4 : hi;
        return value_int(d->e, draw_int(d, lo, hi), p->at);
    }
    if (!real)
        return NULL;
    if (in && in->lo &&
        !value_want_real(d->e, eval(d->e, none, in->lo), "a bound", &x))
        return NULL;
    if (in && in->hi &&
        !value_want_real(d->e, eval(d->e, none, in->hi), "a bound", &y))
        return NULL;
    return value_real(d->e, x + (y - x) * (0.1 + 0.8 * draw(d)), p->at);
}

/* Defaults stand in the first draws; then declared intervals are tried. */
static bool draw_args(drawing *d, const ast_decl *layer, value **args)
{
    for (int i = 0; i < layer->param_count; i++) {
        const ast_param *p = &layer->params[i];
        if (p->value && (!p->interval || d->seed % 2 == 0))
            continue;
        args[i] = draw_from(d, p);
        if (!args[i] && !p->value)
            return false;
    }
    return true;
}

/* ---------- inputs ---------- */

static bool draw_dim(drawing *d, scope *layer, const ast_sub *dim, int64_t *out)
{
    binding *b;
    if (dim->expr->kind != EXPR_NAME)
        return eval_int(d->e, d->sizes, dim->expr, "a size", out) && *out > 0;
    b = scope_find(d->sizes, dim->expr->name);
    if (!b)
        b = scope_find(layer, dim->expr->name);
    if (b && b->value->kind != V_INT)
        return false;
    *out = b ? b->value->integer : draw_int(d, 2, 4);
    if (!b)
        scope_bind(d->e, d->sizes, dim->expr->name,
                   value_int(d->e, *out, dim->at), dim->at);
    return true;
}

static bool draw_pack(drawing *d, const ast_sub *dim, int64_t *dims, int *rank)
{
    const char *key = pack_key(d->e, dim->name);
    binding *b = scope_find(d->sizes, key);
    value *v;
    if (!b) {
        v = value_new(d->e, V_PACK, dim->at);
        v->pack = ARENA_NEW(d->e->arena, pack);
        v->pack->rank = (int)draw_int(d, 1, 2);
        for (int i = 0; i < v->pack->rank; i++)
            v->pack->dims[i] = draw_int(d, 2, 3);
        b = scope_bind(d->e, d->sizes, key, v, dim->at);
    }
    for (int i = 0; i < b->value->pack->rank && *rank < PTL_MAX_RANK; i++)
        dims[(*rank)++] = b->value->pack->dims[i];
    return true;
}

static bool draw_bound(drawing *d, scope *layer, const ast_type *type,
                       int64_t *bound)
{
    ast_sub dim = {.expr = type->arg, .at = type->at};
    return type->arg && draw_dim(d, layer, &dim, bound);
}

static ty_tensor *draw_input(drawing *d, scope *layer, const ast_param *p)
{
    int64_t dims[PTL_MAX_RANK], bound = 0;
    int rank = 0;
    ty_kind kind;
    ty_tensor *t;
    if (!p->type)
        return NULL;
    if (!strcmp(p->type->name, "real"))
        kind = TY_REAL;
    else if (!strcmp(p->type->name, "bool"))
        kind = TY_BOOL;
    else if (!strcmp(p->type->name, "idx"))
        kind = TY_INT;
    else
        return NULL;
    if (kind == TY_INT && !draw_bound(d, layer, p->type, &bound))
        return NULL;
    for (int i = 0; p->type->has_dims && i < p->type->dim_count; i++) {
        const ast_sub *dim = &p->type->dims[i];
        if (dim->is_pack) {
            if (!draw_pack(d, dim, dims, &rank))
                return NULL;
        } else if (rank == PTL_MAX_RANK ||
                   !draw_dim(d, layer, dim, &dims[rank++])) {
            return NULL;
        }
    }
    t = tensor_new(d->e, TY_INPUT, p->name, kind, rank, dims, p->at);
    t->bound = bound;
    return t;
}

/* Types whose sizes are plain names bind them for the compound ones. */
static bool draw_inputs(drawing *d, instance *inst, value **args)
{
    for (int i = 0; i < inst->own->param_count; i++) {
        const ast_param *p = &inst->own->params[i];
        ty_tensor *t = draw_input(d, inst->scope, p);
        if (!t && p->value)
            continue;
        if (!t)
            return false;
        args[i] = value_tensor(d->e, t, p->at);
    }
    return true;
}

/* ---------- the loss ---------- */

static ty_expr *weighted(drawing *d, ty_tensor *t)
{
    elab *e = d->e;
    int64_t n = ty_element_count(t);
    double *numbers = ARENA_ARRAY(e->arena, double, n + 1);
    ty_var *vars[PTL_MAX_RANK];
    ty_tensor *weights;
    ty_expr *x;
    for (int64_t i = 0; i < n; i++)
        numbers[i] = 0.5 + draw(d);
    weights =
        tensor_new(e, TY_LITERAL, "weights", TY_REAL, t->rank, t->dims, t->at);
    weights->values = numbers;
    for (int i = 0; i < t->rank; i++)
        vars[i] =
            ty_var_new(e, arena_printf(e->arena, "i%d", i), t->dims[i], t->at);
    x = tx_op2(e, TY_MUL_OP, tx_read_vars(e, t, vars, t->at),
               tx_read_vars(e, weights, vars, t->at), t->at);
    return t->rank ? tx_reduce(e, RED_SUM, vars, t->rank, NULL, x, t->at) : x;
}

static bool add_loss(drawing *d, value *v, ty_expr **loss)
{
    elab *e = d->e;
    ty_tensor *t;
    ty_expr *term;
    if (v->kind == V_TUPLE) {
        for (int i = 0; i < v->count; i++)
            if (!add_loss(d, v->items[i], loss))
                return false;
        return true;
    }
    if (v->kind == V_ERROR || !value_is_number(v))
        return false;
    t = value_materialise(e, v, "result", v->at);
    if (!t || t->kind != TY_REAL)
        return t != NULL;
    term = weighted(d, t);
    *loss = *loss ? tx_op2(e, TY_ADD_OP, *loss, term, t->at) : term;
    return true;
}

static bool run_layer(drawing *d, const lang_module *m, const ast_decl *layer)
{
    elab *e = d->e;
    value **args = ARENA_ARRAY(e->arena, value *, layer->param_count + 1);
    value **inputs, *inst, *result;
    ty_expr *loss = NULL;
    frame *f = frame_push(e, FRAME_TEST, m, NULL, (src_range){0});
    d->sizes = scope_new(e, NULL, f);
    if (!draw_args(d, layer, args))
        return false;
    inst = instance_construct(e, layer, m, args, layer->name, layer->at);
    if (inst->kind != V_INSTANCE || !inst->inst->own)
        return false;
    inputs = ARENA_ARRAY(e->arena, value *, inst->inst->own->param_count + 1);
    if (!draw_inputs(d, inst->inst, inputs))
        return false;
    result = apply_values(e, inst->inst, inputs, layer->at);
    if (!add_loss(d, result, &loss) || !loss)
        return false;
    e->out->loss = tensor_define(e, "loss", NULL, 0, loss, layer->at);
    frame_pop(e);
    return e->out->loss != NULL;
}

typed_program *elab_layer(ptl_arena *arena, const lang_modules *program,
                          const lang_module *module, const ast_decl *layer,
                          const elab_options *options, ptl_diags *diags)
{
    elab e;
    drawing d = {.e = &e, .seed = options->seed};
    typed_program *out;
    bool good;
    elab_init(&e, arena, program, options, diags);
    e.quiet = true;
    e.training = value_bool(&e, true, (src_range){0});
    good = run_layer(&d, module, layer);
    out = elab_finish(&e);
    return good ? out : NULL;
}
