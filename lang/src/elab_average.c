/*
 * elab_average.c - averages of the weights, kept beside them as slots
 * PATH/average:
 *
 *     average = ema(0.999);           // a = 0.999 a + 0.001 w after each update
 *     average = swa(after = 2 epochs) // the mean of w over all later updates
 *
 * Evaluation and prediction read the averages; training goes on with the
 * weights. Frozen parameters have none.
 */
#include "elab_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char wanted[] =
    "ema(0.999), swa(after = 2 epochs) or none (an average of the weights)";

static bool bad(elab *e, src_range at)
{
    elab_error(e, DIAG_BAD_SETTING, at, "`average` wants %s", wanted);
    return false;
}

/* ---------- the setting ---------- */

static bool take_decay(elab *e, value *v, src_range at)
{
    typed_average *a = &e->out->settings.average;
    if (!value_want_real(e, v, "the decay of ema", &a->decay))
        return false;
    if (a->decay > 0 && a->decay < 1)
        return true;
    elab_error(e, DIAG_OUTSIDE_INTERVAL, at,
               "the decay of ema lies between 0 and 1, and this is %g",
               a->decay);
    return false;
}

/* The one argument, by its name or without; NULL after an error. */
static const ast_expr *only_argument(elab *e, const ast_expr *x,
                                     const char *name)
{
    const ast_arg *arg = x->args;
    if (x->count != 1 || (arg->name && strcmp(arg->name, name))) {
        bad(e, x->at);
        return NULL;
    }
    return arg->expr;
}

static bool read_call(elab *e, scope *s, const ast_expr *x)
{
    typed_average *a = &e->out->settings.average;
    const char *name = x->a->kind == EXPR_NAME ? x->a->name : "";
    bool ema = !strcmp(name, "ema");
    const ast_expr *arg;
    value *v;
    if (!ema && strcmp(name, "swa"))
        return bad(e, x->at);
    arg = only_argument(e, x, ema ? "decay" : "after");
    v = arg ? eval(e, s, arg) : value_error(e);
    if (v->kind == V_ERROR)
        return false;
    a->kind = ema ? AVERAGE_EMA : AVERAGE_SWA;
    return ema ? take_decay(e, v, arg->at)
               : period_value(v, &a->after) || bad(e, arg->at);
}

bool average_setting(elab *e, scope *s, const ast_expr *x)
{
    if (x->kind == EXPR_CALL)
        return read_call(e, s, x);
    if (x->kind == EXPR_NAME && !strcmp(x->name, "none"))
        return true;
    return bad(e, x->at);
}

/* `500` or `2 epochs`. */
static bool period_text(const char *text, typed_period *out)
{
    char unit[16] = "steps", more;
    long long n;
    int fields = sscanf(text, "%lld %15[a-z] %c", &n, unit, &more);
    bool epochs = !strcmp(unit, "epoch") || !strcmp(unit, "epochs");
    if (fields < 1 || fields > 2 || n <= 0 ||
        (!epochs && strcmp(unit, "step") && strcmp(unit, "steps")))
        return false;
    *(epochs ? &out->epochs : &out->steps) = n;
    return true;
}

/* `--set train.average='ema(0.999)'`. */
bool average_text(elab *e, const char *text, src_range at)
{
    typed_average *a = &e->out->settings.average;
    size_t length = strlen(text);
    bool ema = !strncmp(text, "ema(", 4);
    char *inner, *end;
    double decay;
    if (!strcmp(text, "none"))
        return true;
    if ((!ema && strncmp(text, "swa(", 4)) || text[length - 1] != ')')
        return bad(e, at);
    inner = arena_printf(e->arena, "%.*s", (int)(length - 5), text + 4);
    a->kind = ema ? AVERAGE_EMA : AVERAGE_SWA;
    if (!ema)
        return period_text(inner, &a->after) || bad(e, at);
    decay = strtod(inner, &end);
    return *inner && !*end ? take_decay(e, value_real(e, decay, at), at)
                           : bad(e, at);
}

const char *average_words(elab *e)
{
    const typed_average *a = &e->out->settings.average;
    bool epochs = a->after.epochs > 0;
    if (a->kind == AVERAGE_NONE)
        return "none";
    if (a->kind == AVERAGE_EMA)
        return arena_printf(e->arena, "ema(%.17g)", a->decay);
    return arena_printf(e->arena, "swa(%lld %s)",
                        (long long)(epochs ? a->after.epochs : a->after.steps),
                        epochs ? "epochs" : "steps");
}

/* ---------- after the update ---------- */

static const char *average_path(elab *e, const typed_param *p)
{
    return arena_printf(e->arena, "%s/average", p->tensor->name);
}

/* The weight of the new value: 1 - decay, or one of all since the start. */
static ty_expr *weight_of_new(elab *e, src_range at)
{
    const typed_average *a = &e->out->settings.average;
    ty_expr *args[3], *count, *one = tx_real(e, 1.0, at);
    ty_tensor *from;
    if (a->kind == AVERAGE_EMA)
        return tx_real(e, 1.0 - a->decay, at);
    from = tensor_new(e, TY_SCALAR, "average_from", TY_INT, 0, NULL, at);
    count = value_scalar_expr(e, given_value(e, "step", at), at);
    count = tx_op2(e, TY_ADD_OP, count, tx_int(e, 1, at), at);
    count = tx_op2(e, TY_SUB_OP, count, tx_read_vars(e, from, NULL, at), at);
    args[0] = tx_op2(e, TY_LE_OP, count, tx_int(e, 1, at), at);
    args[1] = one;
    args[2] = tx_op2(e, TY_DIV_OP, one, tx_to(e, TY_REAL, count), at);
    return tx_op(e, TY_SELECT_OP, args, at);
}

static ty_tensor *over_shape(elab *e, const ty_tensor *t, const char *name,
                             ty_tensor *old, ty_tensor *next, ty_expr *weight)
{
    ty_var *vars[PTL_MAX_RANK];
    ty_expr *x, *a;
    for (int i = 0; i < t->rank; i++)
        vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i), t->dims[i],
                             t->at);
    x = tx_read_vars(e, next, vars, t->at);
    if (old) {
        a = tx_read_vars(e, old, vars, t->at);
        x = tx_op2(e, TY_ADD_OP, a,
                   tx_op2(e, TY_MUL_OP, weight,
                          tx_op2(e, TY_SUB_OP, x, a, t->at), t->at),
                   t->at);
    }
    return tensor_define(e, name, vars, t->rank, x, t->at);
}

static void add_slot(elab *e, typed_param *p, ty_tensor *weight)
{
    const ty_tensor *w = p->tensor;
    typed_slot *slots = ARENA_ARRAY(e->arena, typed_slot, p->slot_count + 1);
    typed_slot *a = &slots[p->slot_count];
    for (int i = 0; i < p->slot_count; i++) {
        slots[i] = p->slots[i];
        if (!strcmp(slots[i].tensor->name, average_path(e, p)))
            elab_error(e, DIAG_REDEFINED, slots[i].tensor->at,
                       "with `average` set, `average` is no name for a slot");
    }
    a->tensor = tensor_new(e, TY_SLOT, average_path(e, p), TY_REAL, w->rank,
                           w->dims, w->at);
    a->init = over_shape(e, w, "average.init", NULL, p->init, NULL);
    a->next = over_shape(e, w, "average.next", a->tensor, p->next,
                         tx_read_vars(e, weight, NULL, w->at));
    p->slots = slots;
    p->slot_count++;
}

void average_updates(elab *e)
{
    ty_tensor *weight;
    if (e->out->settings.average.kind == AVERAGE_NONE || e->errors)
        return;
    weight = tensor_define(e, "average.weight", NULL, 0,
                           weight_of_new(e, (src_range){0}), (src_range){0});
    for (int i = 0; i < e->out->params.count; i++)
        if (!e->out->params.data[i].frozen)
            add_slot(e, &e->out->params.data[i], weight);
}

void average_reads(elab *e, const ast_block *body)
{
    if (e->out->settings.average.kind == AVERAGE_NONE)
        return;
    for (int i = 0; i < e->out->params.count; i++) {
        typed_param *p = &e->out->params.data[i];
        if (param_is_frozen(body, p->tensor->name))
            continue;
        p->tensor->name = average_path(e, p);
        p->tensor->role = TY_SLOT;
    }
}
