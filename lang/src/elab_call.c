/*
 * elab_call.c - calls: arguments meet parameters, sizes are bound, the body is
 * read in the callee's own scope, its results come back.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- frames ---------- */

frame *frame_push(elab *e, frame_kind kind, const lang_module *m,
                  const char *what, src_range at)
{
    frame *f;
    int depth = e->frame ? e->frame->depth + 1 : 0;
    if (depth >= ELAB_MAX_FRAMES) {
        elab_error(e, DIAG_INTERNAL_LIMIT, at,
                   "calls nest more than %d deep here: %s calls itself "
                   "without an end",
                   ELAB_MAX_FRAMES, what ? what : "a function");
        return NULL;
    }
    f = ARENA_NEW(e->arena, frame);
    f->up = e->frame;
    f->kind = kind;
    f->module = m;
    f->what = what;
    f->call_at = at;
    f->depth = depth;
    f->path = e->frame ? e->frame->path : "";
    f->site = e->frame ? e->frame->site : "";
    e->frame = f;
    return f;
}

void frame_pop(elab *e)
{
    e->frame = e->frame->up;
}

static const char *join_path(elab *e, const char *path, const char *name)
{
    return *path ? arena_printf(e->arena, "%s.%s", path, name)
                 : arena_strdup(e->arena, name);
}

/* The k-th random value of a body has the same site however often the body is
 * read for other batches. */
const char *site_next(elab *e)
{
    const char *site = e->frame->site;
    int *counter = map_get(e->sites, site);
    if (!counter) {
        counter = ARENA_NEW(e->arena, int);
        map_put(e->sites, site, counter);
    }
    return arena_printf(e->arena, "%s#%d", site, (*counter)++);
}

scope *module_scope(elab *e, const lang_module *m)
{
    scope *s = map_get(e->module_scopes, m->path);
    frame *f;
    if (s)
        return s;
    s = scope_new(e, NULL, NULL);
    map_put(e->module_scopes, m->path, s);
    f = frame_push(e, FRAME_FN, m, NULL, (src_range){0});
    if (!f)
        return s;
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++) {
            const ast_decl *d = m->files[i]->decls[j];
            if (d->kind == DECL_HYPER)
                exec_hyper(e, s, d, NULL);
            else if (d->kind == DECL_ASSERT)
                exec_assert(e, s, d);
        }
    frame_pop(e);
    return s;
}

/* ---------- arguments ---------- */

static const char *callee_text(elab *e, const ast_decl *callee)
{
    return callee->name ? arena_printf(e->arena, "`%s`", callee->name)
                        : "the layer";
}

static int param_index(const ast_decl *callee, const char *name)
{
    for (int i = 0; i < callee->param_count; i++)
        if (!strcmp(callee->params[i].name, name))
            return i;
    return -1;
}

static int named_param(elab *e, const ast_decl *callee, const ast_arg *arg)
{
    int i = param_index(callee, arg->name);
    if (i >= 0)
        return i;
    elab_error(e, DIAG_BAD_ARGUMENT, arg->name_at, "%s has no parameter `%s`%s",
               callee_text(e, callee), arg->name,
               param_hint(e->arena, callee, arg->name));
    return -1;
}

static bool args_complete(elab *e, const ast_decl *callee, value **args,
                          src_range at)
{
    for (int i = 0; i < callee->param_count; i++) {
        if (args[i] || callee->params[i].value)
            continue;
        elab_error(e, DIAG_BAD_ARGUMENT, at, "%s wants an argument for `%s`",
                   callee_text(e, callee), callee->params[i].name);
        elab_note(e, callee->params[i].at, "it is declared here");
        return false;
    }
    return true;
}

value **eval_args(elab *e, scope *s, const ast_decl *callee,
                  const ast_expr *call)
{
    value **args = ARENA_ARRAY(e->arena, value *, callee->param_count + 1);
    bool good = true;
    for (int i = 0; i < call->count; i++) {
        const ast_arg *arg = &call->args[i];
        int at = arg->name ? named_param(e, callee, arg) : i;
        value *v;
        if (at >= callee->param_count) {
            elab_error(e, DIAG_BAD_ARGUMENT, arg->expr->at,
                       "%s takes %d arguments and this is one more",
                       callee_text(e, callee), callee->param_count);
            return NULL;
        }
        if (at < 0) {
            good = false;
            continue;
        }
        if (args[at]) {
            elab_error(e, DIAG_BAD_ARGUMENT, arg->expr->at,
                       "`%s` is given twice", callee->params[at].name);
            return NULL;
        }
        v = eval(e, s, arg->expr);
        good &= v->kind != V_ERROR;
        args[at] = v;
        if (v->kind != V_ERROR) {
            /* Messages about this value point at the argument. */
            args[at] = ARENA_NEW(e->arena, value);
            *args[at] = *v;
            args[at]->at = arg->expr->at;
        }
    }
    return good && args_complete(e, callee, args, call->at) ? args : NULL;
}

static bool bind_param(elab *e, scope *into, const ast_param *p, value *v,
                       src_range at)
{
    if (p->type)
        v = type_bind(e, into, p->type, v,
                      arena_printf(e->arena, "argument `%s`", p->name), at);
    if (v->kind == V_ERROR)
        return false;
    /* A literal argument is called by the parameter's name. */
    if (v->kind == V_TENSOR && v->tensor->role == TY_LITERAL &&
        v->tensor->borrowed) {
        v->tensor->name = tensor_path(e, p->name);
        v->tensor->borrowed = false;
    }
    if (p->interval && !eval_interval(e, into, p->interval, v, p->name))
        return false;
    if (scope_own(into, p->name)) {
        elab_error(e, DIAG_REDEFINED, p->name_at,
                   "`%s` is both a size and a parameter, or declared twice",
                   p->name);
        return false;
    }
    scope_bind(e, into, p->name, v, p->name_at)->reserved = true;
    return true;
}

/* Of a function that is read by itself it is only what callers may choose. */
static value *default_value(elab *e, scope *into, const ast_param *p)
{
    value *v = eval(e, into, p->value);
    bool alone = e->generic && e->frame->depth == 1 && v->kind == V_INT;
    return alone ? value_int(e,
                             size_vague(e, p->name, size_number(e, v->integer)),
                             v->at)
                 : v;
}

/* Parameters with plain sizes bind them before anyone's compound sizes are
 * worked out; defaults are read last, in the callee's terms. */
bool bind_params(elab *e, scope *into, const ast_decl *callee, value **args,
                 src_range at)
{
    bool good = true;
    e->frame->fn = callee;
    e->frame->names = into;
    for (int i = 0; i < callee->param_count; i++) {
        const ast_param *p = &callee->params[i];
        value *v = args[i];
        src_range where = v && v->at.file ? v->at : at;
        if (!v && !p->value)
            continue;
        if (!v)
            v = default_value(e, into, p);
        good &= bind_param(e, into, p, v, where);
    }
    if (!good)
        return false;
    for (int i = 0; i < callee->param_count; i++) {
        const ast_param *p = &callee->params[i];
        binding *b = scope_own(into, p->name);
        if (p->type && b)
            good &=
                type_finish(e, into, p->type, b->value,
                            arena_printf(e->arena, "argument `%s`", p->name),
                            args[i] && args[i]->at.file ? args[i]->at : at);
    }
    return good;
}

bool eval_interval(elab *e, scope *s, const ast_interval *in, value *v,
                   const char *name)
{
    value *lo = in->lo ? eval(e, s, in->lo) : NULL;
    value *hi = in->hi ? eval(e, s, in->hi) : NULL;
    double x, low, high;
    if (!value_is_static(v))
        return true;
    if (!value_want_real(e, v, name, &x) ||
        (lo && !value_want_real(e, lo, "an interval's end", &low)) ||
        (hi && !value_want_real(e, hi, "an interval's end", &high)))
        return false;
    if (lo && hi && (in->lo_open || in->hi_open ? low >= high : low > high)) {
        elab_error(e, DIAG_OUTSIDE_INTERVAL, in->at,
                   "there is no number in this interval");
        return false;
    }
    if ((!lo || (in->lo_open ? x > low : x >= low)) &&
        (!hi || (in->hi_open ? x < high : x <= high)))
        return true;
    elab_error(e, DIAG_OUTSIDE_INTERVAL, v->at,
               "`%s` = %g lies outside its "
               "interval",
               name, x);
    elab_note(e, in->at, "declared here");
    return false;
}

/* ---------- bodies ---------- */

bool run_body(elab *e, scope *s, const ast_block *body)
{
    int before = e->errors;
    for (int i = 0; i < body->count && !e->frame->returned; i++)
        exec(e, s, body->stmts[i]);
    return e->errors == before;
}

void declare_results(elab *e, scope *s, const ast_decl *fn)
{
    for (int i = 0; i < fn->result_count; i++) {
        const ast_param *r = &fn->results[i];
        ty_tensor type;
        binding *b;
        int before = e->errors;
        if (scope_own(s, r->name)) {
            elab_error(e, DIAG_REDEFINED, r->name_at,
                       "the result `%s` has the name of an input or size",
                       r->name);
            continue;
        }
        b = scope_bind(e, s, r->name, NULL, r->name_at);
        b->declared = true;
        if (!r->type)
            continue;
        if (type_resolve(e, s, r->type, &type, true)) {
            b->type = ARENA_NEW(e->arena, ty_tensor);
            *b->type = type;
            b->written = r->type;
        } else if (e->errors > before) {
            scope_bind(e, s, r->name, value_error(e), r->name_at);
        }
    }
}

static value *one_result(elab *e, scope *s, const ast_decl *fn,
                         const ast_param *r, value *v, src_range at)
{
    const char *what = arena_printf(e->arena, "result `%s`", r->name);
    (void)fn;
    if (!r->type || v->kind == V_ERROR)
        return v;
    at = v->at.file ? v->at : at;
    v = type_bind(e, s, r->type, v, what, at);
    if (v->kind == V_ERROR || !type_finish(e, s, r->type, v, what, at))
        return value_error(e);
    return v;
}

static value *tuple_of_results(elab *e, scope *s, const ast_decl *fn,
                               value *given, src_range at)
{
    value *v = value_new(e, V_TUPLE, at);
    v->count = fn->result_count;
    v->items = ARENA_ARRAY(e->arena, value *, v->count + 1);
    v->names = ARENA_ARRAY(e->arena, const char *, v->count + 1);
    for (int i = 0; i < v->count; i++) {
        const ast_param *r = &fn->results[i];
        binding *b = scope_own(s, r->name);
        value *item = given ? given->items[i] : b ? b->value : NULL;
        if (!item || (!given && b->declared))
            return elab_error(e, DIAG_NO_RESULT, r->name_at,
                              "the body ends without giving the result `%s`",
                              r->name);
        v->names[i] = r->name;
        v->items[i] = one_result(e, s, fn, r, item, at);
        if (v->items[i]->kind == V_ERROR)
            return v->items[i];
    }
    return v;
}

value *collect_results(elab *e, scope *s, const ast_decl *fn, src_range at)
{
    value *given = e->frame->result;
    value *v;
    if (given && given->kind == V_ERROR)
        return given;
    if (fn->result_count == 0)
        return given ? given
                     : elab_error(e, DIAG_NO_RESULT, fn->name_at,
                                  "the body ends without `return`");
    if (given &&
        (given->kind == V_TUPLE ? given->count : 1) != fn->result_count)
        return elab_error(e, DIAG_NO_RESULT, given->at,
                          "%d results are declared and %d returned",
                          fn->result_count,
                          given->kind == V_TUPLE ? given->count : 1);
    if (fn->result_count == 1 && given)
        return one_result(e, s, fn, &fn->results[0], given, at);
    v = tuple_of_results(e, s, fn, given, at);
    if (v->kind == V_TUPLE && v->count == 1)
        return v->items[0];
    return v;
}

/* Tensors that a body named take the caller's name where it gives one. */
static void borrow(value *v)
{
    if (v->kind == V_TENSOR && v->tensor->role == TY_VALUE)
        v->tensor->borrowed = true;
    if (v->kind == V_TUPLE)
        for (int i = 0; i < v->count; i++)
            borrow(v->items[i]);
}

/* ---------- functions ---------- */

static bool wanted_sizes(elab *e, scope *s, const ast_decl *fn,
                         const ty_tensor *wanted, src_range at)
{
    if (wanted && fn->result_count == 1 && fn->results[0].type) {
        int before = e->errors;
        type_bind_shape(e, s, fn->results[0].type, wanted->dims, wanted->rank,
                        at);
        return e->errors == before;
    }
    return true;
}

static value *run_fn(elab *e, scope *s, const ast_decl *fn, src_range at)
{
    declare_results(e, s, fn);
    return run_body(e, s, &fn->body) ? collect_results(e, s, fn, at) : NULL;
}

static value *run_custom(elab *e, scope *s, const ast_decl *fn, src_range at)
{
    scope *inputs = custom_begin(e, s, fn, at);
    int first = e->out->tensors.count;
    value *v = inputs ? run_fn(e, s, fn, at) : NULL;
    return v && v->kind != V_ERROR ? custom_finish(e, inputs, fn, v, first, at)
                                   : v;
}

value *call_fn(elab *e, const ast_decl *fn, const lang_module *m, scope *up,
               value **args, const ty_tensor *wanted, src_range at)
{
    value *result = NULL;
    frame *f = frame_push(e, FRAME_FN, m, callee_text(e, fn), at);
    int depth = e->subscript_depth;
    scope *s;
    if (!f)
        return value_error(e);
    e->subscript_depth = 0;
    if (up && f->up)
        f->inst = f->up->inst;
    if (fn->name) {
        f->path = join_path(e, f->path, fn->name);
        f->site = join_path(e, f->site, fn->name);
    }
    s = scope_new(e, up ? up : module_scope(e, m), f);
    if (bind_params(e, s, fn, args, at) && wanted_sizes(e, s, fn, wanted, at))
        result = fn->wrong      ? elab_reported(e)
                 : fn->has_grad ? run_custom(e, s, fn, at)
                                : run_fn(e, s, fn, at);
    frame_pop(e);
    e->subscript_depth = depth;
    if (!result)
        return value_error(e);
    borrow(result);
    return result;
}

static value *bound_call(elab *e, value_kind kind, const value *callee,
                         scope *s, const ast_expr *x)
{
    value **args = eval_args(e, s, callee->decl, x);
    value *v;
    if (!args)
        return value_error(e);
    v = value_new(e, kind, x->at);
    v->decl = callee->decl;
    v->module = callee->module;
    v->items = args;
    v->count = callee->decl->param_count;
    return v;
}

static value *call_decl(elab *e, scope *s, const value *callee,
                        const ast_expr *x, const ty_tensor *wanted)
{
    const ast_decl *d = callee->decl;
    value **args;
    switch (d->kind) {
    case DECL_FN:
        args = eval_args(e, s, d, x);
        return args ? call_fn(e, d, callee->module, callee->closure, args,
                              wanted, x->at)
                    : value_error(e);
    case DECL_SCHEDULE:
        return bound_call(e, V_SCHEDULE, callee, s, x);
    case DECL_OPTIMIZER:
        return bound_call(e, V_OPTIMIZER, callee, s, x);
    default:
        return elab_error(e, DIAG_MISPLACED, x->at,
                          "a %s owns parameters and is constructed first: "
                          "`use f = %s(...)` in a layer or model, `model f = "
                          "%s(...)` in train or test; then `f(x)`",
                          ast_decl_kind_text(d->kind), d->name, d->name);
    }
}

static value *call_value(elab *e, scope *s, value *callee, const ast_expr *x,
                         const ty_tensor *wanted)
{
    switch (callee->kind) {
    case V_ERROR:
        return callee;
    case V_DECL:
        return call_decl(e, s, callee, x, wanted);
    case V_INSTANCE:
        return apply_instance(e, callee->inst, s, x);
    default:
        return elab_error(e, DIAG_NOT_CALLABLE, x->a->at,
                          "%s is called, but it is no function or layer",
                          value_text(e, callee));
    }
}

static value *eval_callee(elab *e, scope *s, const ast_expr *callee)
{
    int depth = e->subscript_depth;
    value *v;
    e->subscript_depth = 0;
    v = eval(e, s, callee);
    e->subscript_depth = depth;
    return v;
}

static value *call_wanted(elab *e, scope *s, const ast_expr *x,
                          const ty_tensor *wanted)
{
    if (x->a->kind == EXPR_NAME && !scope_find(s, x->a->name) &&
        is_builtin(x->a->name)) {
        value *v = eval_builtin(e, s, x);
        if (v)
            return v;
    }
    if (x->a->kind == EXPR_MEMBER && e->frame->kind == FRAME_DATA) {
        value *reader = eval_reader(e, s, x);
        if (reader)
            return reader;
    }
    return call_value(e, s, eval_callee(e, s, x->a), x, wanted);
}

value *eval_call(elab *e, scope *s, const ast_expr *x)
{
    return call_wanted(e, s, x, NULL);
}

value *eval_wanted(elab *e, scope *s, const ast_expr *x,
                   const ty_tensor *wanted)
{
    return wanted && x->kind == EXPR_CALL ? call_wanted(e, s, x, wanted)
                                          : eval(e, s, x);
}

/* ---------- initialisers ---------- */

static const ast_decl *initialiser(elab *e, const ast_expr *callee,
                                   const lang_module **m)
{
    const lang_module *init = lang_library(e->program, "init");
    const ast_decl *d = module_decl(e->frame->module, callee->name);
    nearest n = {.wanted = callee->name};
    *m = e->frame->module;
    if (!d && init) {
        d = module_decl(init, callee->name);
        *m = init;
    }
    if (d)
        return d;
    for (int i = 0; init && i < init->file_count; i++)
        for (int j = 0; init->files[i] && j < init->files[i]->decl_count; j++)
            if (init->files[i]->decls[j]->kind == DECL_FN)
                nearest_add(&n, init->files[i]->decls[j]->name);
    elab_error(e, DIAG_UNKNOWN_NAME, callee->at,
               "no initialiser is called `%s`%s", callee->name,
               nearest_hint(e->arena, &n));
    return NULL;
}

static value *initial_value(elab *e, scope *s, const ast_expr *x,
                            const ty_tensor *shape)
{
    const lang_module *m;
    const ast_decl *d;
    value **args;
    if (x->kind != EXPR_CALL || x->a->kind != EXPR_NAME ||
        scope_find(s, x->a->name))
        return eval_wanted(e, s, x, shape);
    d = initialiser(e, x->a, &m);
    if (!d)
        return value_error(e);
    args = eval_args(e, s, d, x);
    return args ? call_fn(e, d, m, NULL, args, shape, x->at) : value_error(e);
}

/* A single number fills the shape. */
static ty_tensor *fill(elab *e, value *v, const ty_tensor *shape, src_range at)
{
    ty_var *vars[PTL_MAX_RANK];
    ty_expr *x = value_scalar_expr(e, v, at);
    if (!x)
        return NULL;
    for (int i = 0; i < shape->rank; i++)
        vars[i] =
            ty_var_new(e, arena_printf(e->arena, "i%d", i), shape->dims[i], at);
    return tensor_define(e, "init", vars, shape->rank, tx_to(e, shape->kind, x),
                         at);
}

ty_tensor *call_initialiser(elab *e, scope *s, const ast_expr *x,
                            const ty_tensor *shape, const char *site)
{
    frame *f = frame_push(e, FRAME_INIT, e->frame->module, NULL, x->at);
    ty_scan *scan = e->scan; /* a layer's first use may stand in one */
    ty_tensor *t;
    value *v;
    if (!f)
        return NULL;
    e->scan = NULL;
    f->site = f->path = site;
    v = initial_value(e, s, x, shape);
    v = value_settle(e, v);
    if (v->kind == V_ERROR)
        t = NULL;
    else if (value_is_number(v) && value_rank(v) == 0)
        t = fill(e, v, shape, x->at);
    else
        t = value_materialise(e, v, "init", x->at);
    frame_pop(e);
    e->scan = scan;
    if (!t)
        return NULL;
    if (t->rank == shape->rank && t->kind == shape->kind &&
        dims_agree(e, t->dims, shape->dims, t->rank))
        return t;
    if (t->rank == shape->rank)
        dims_witness(e, t->dims, shape->dims, t->rank);
    elab_error(e, DIAG_SHAPE_MISMATCH, x->at,
               "the initial value is %s%s where %s%s is wanted",
               ty_kind_text(t->kind), dims_text(e, t->dims, t->rank),
               ty_kind_text(shape->kind),
               dims_text(e, shape->dims, shape->rank));
    return NULL;
}
