/*
 * elab_layer.c - layers and models: constructed with their arguments, sized
 * and given parameters where they are first applied, inlined at every
 * application.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- names a layer's members mention ---------- */

static void mention(elab *e, instance *inst, const ast_expr *x)
{
    if (!x)
        return;
    if (x->kind == EXPR_NAME)
        map_put(inst->open, x->name, inst);
    if (x->kind != EXPR_NAME && x->kind != EXPR_STRING) {
        mention(e, inst, x->a);
        mention(e, inst, x->b);
        mention(e, inst, x->c);
    }
    for (int i = 0; x->kind == EXPR_CALL && i < x->count; i++)
        mention(e, inst, x->args[i].expr);
    for (int i = 0; x->kind == EXPR_LIST && i < x->count; i++)
        mention(e, inst, x->items[i]);
    for (int i = 0; x->kind == EXPR_INDEX && i < x->count; i++) {
        if (x->subs[i].is_pack)
            map_put(inst->open, pack_key(e, x->subs[i].name), inst);
        else
            mention(e, inst, x->subs[i].expr);
    }
}

/* The index of several layers is no size. */
static void mention_value(elab *e, instance *inst, const ast_decl *m)
{
    void *before = m->index ? map_get(inst->open, m->index) : NULL;
    mention(e, inst, m->value);
    if (m->index)
        map_put(inst->open, m->index, before);
}

static void mention_members(elab *e, instance *inst)
{
    for (int i = 0; i < inst->decl->member_count; i++) {
        const ast_decl *m = inst->decl->members[i];
        if (m->kind == DECL_FN || m->kind == DECL_HYPER)
            continue;
        for (const ast_when *w = m->when; w; w = w->outer)
            mention(e, inst, w->cond);
        mention_value(e, inst, m);
        mention(e, inst, m->count);
        mention(e, inst, m->begin);
        for (int j = 0; j < m->dim_count; j++) {
            if (m->dims[j].is_pack)
                map_put(inst->open, pack_key(e, m->dims[j].name), inst);
            else
                mention(e, inst, m->dims[j].expr);
        }
    }
}

/* ---------- construction ---------- */

static bool enter_members(elab *e, instance *inst)
{
    for (int i = 0; i < inst->decl->member_count; i++) {
        const ast_decl *m = inst->decl->members[i];
        value *v;
        if (m->kind == DECL_HYPER && inst->decl->kind == DECL_LAYER) {
            elab_error(e, DIAG_MISPLACED, m->at,
                       "a layer takes parameters, `layer %s(%s: ...)`; hypers "
                       "stand in models, data, train and files",
                       inst->decl->name, m->name);
            return false;
        }
        if (m->kind == DECL_HYPER)
            exec_hyper(e, inst->scope, m, inst->decl->name);
        if (m->kind != DECL_FN)
            continue;
        if (!m->name) {
            if (inst->own) {
                elab_error(e, DIAG_REDEFINED, m->at,
                           "a layer has one `fn` without a name");
                return false;
            }
            inst->own = m;
            continue;
        }
        v = value_new(e, V_DECL, m->at);
        v->decl = m;
        v->module = inst->module;
        v->closure = inst->scope;
        scope_bind(e, inst->scope, m->name, v, m->at);
    }
    return true;
}

value *instance_construct(elab *e, const ast_decl *d, const lang_module *m,
                          value **args, const char *path, src_range at)
{
    instance *inst = ARENA_NEW(e->arena, instance);
    value *v = value_new(e, V_INSTANCE, at);
    frame *f;
    bool good;
    inst->decl = d;
    inst->module = m;
    inst->path = path;
    inst->at = at;
    inst->open = map_new(e->arena);
    v->inst = inst;
    f = frame_push(e, FRAME_LAYER, m, d->name, at);
    if (!f)
        return value_error(e);
    f->path = f->site = path;
    inst->scope = scope_new(e, module_scope(e, m), f);
    good = bind_params(e, inst->scope, d, args, at) && enter_members(e, inst);
    frame_pop(e);
    if (!good)
        return value_error(e);
    if (d->wrong)
        return elab_reported(e);
    mention_members(e, inst);
    if (d->kind != DECL_OPTIMIZER)
        vec_push(e->arena, &e->instances, inst);
    return v;
}

value *construct(elab *e, scope *s, const ast_expr *x, const char *path)
{
    value *callee;
    value **args;
    if (x->kind != EXPR_CALL)
        return elab_error(e, DIAG_TYPE_MISMATCH, x->at,
                          "a layer or model with its arguments is wanted "
                          "here, such as linear(out = 3)");
    callee = eval(e, s, x->a);
    if (callee->kind == V_ERROR)
        return callee;
    if (callee->kind != V_DECL ||
        (callee->decl->kind != DECL_LAYER && callee->decl->kind != DECL_MODEL &&
         !(callee->decl->kind == DECL_OPTIMIZER && e->test)))
        return elab_error(e, DIAG_TYPE_MISMATCH, x->a->at,
                          "a layer or model is wanted here and this is %s",
                          value_text(e, callee));
    args = eval_args(e, s, callee->decl, x);
    return args ? instance_construct(e, callee->decl, callee->module, args,
                                     path, x->at)
                : value_error(e);
}

/* ---------- members, at the first application ---------- */

static const char *member_path(elab *e, const instance *inst, const char *name)
{
    return arena_printf(e->arena, "%s.%s", inst->path, name);
}

enum { MAX_COPIES = 10000 };

static bool begins_at_0(elab *e, instance *inst, const ast_decl *m)
{
    int64_t begin;
    if (!eval_number(e, inst->scope, m->begin, "the begin of layers", &begin))
        return false;
    if (begin != 0)
        elab_error(e, DIAG_BAD_ARGUMENT, m->begin->at,
                   "layers are counted from 0, as in `%s[0]`: write "
                   "`%s in 0..n`",
                   m->name, m->index);
    return begin == 0;
}

/* The scope in which layer `i` of `to` gets its arguments. */
static scope *copy_scope(elab *e, instance *inst, const ast_decl *m, int64_t i,
                         int64_t to)
{
    scope *s = inst->scope;
    if (m->index) {
        int64_t index = size_between(e, m->index, 0, to);
        size_take(e, index, i);
        s = scope_new(e, s, e->frame);
        scope_bind(e, s, m->index, value_int(e, index ? index : i, m->at),
                   m->at);
    }
    return s;
}

static value *construct_many(elab *e, instance *inst, const ast_decl *m)
{
    value *v = value_new(e, V_INSTANCES, m->at);
    int64_t to, count;
    if (!eval_int(e, inst->scope, m->count, "the number of layers", &to) ||
        (m->index && !begins_at_0(e, inst, m)))
        return value_error(e);
    count = size_counted(e, to);
    if (count < 0 || count > MAX_COPIES)
        return elab_error(e, DIAG_INTERNAL_LIMIT, m->count->at,
                          "0 to %d layers can be constructed at once, not "
                          "%lld",
                          MAX_COPIES, (long long)count);
    v->items = ARENA_ARRAY(e->arena, value *, count + 1);
    for (int64_t i = 0; i < count; i++) {
        v->items[i] = construct(e, copy_scope(e, inst, m, i, to), m->value,
                                arena_printf(e->arena, "%s.%s.%lld", inst->path,
                                             m->name, (long long)i));
        if (v->items[i]->kind == V_ERROR)
            return v->items[i];
    }
    v->count = (int)count;
    return v;
}

static bool bind_use(elab *e, instance *inst, const ast_decl *m)
{
    value *v = m->count ? construct_many(e, inst, m)
                        : construct(e, inst->scope, m->value,
                                    member_path(e, inst, m->name));
    scope_bind(e, inst->scope, m->name, v, m->name_at);
    return v->kind != V_ERROR;
}

static ty_tensor *stored(elab *e, instance *inst, const ast_decl *m,
                         ty_role role)
{
    int64_t dims[PTL_MAX_RANK];
    int rank = 0;
    if (m->has_dims && !dims_resolve(e, inst->scope, m->dims, m->dim_count,
                                     dims, &rank, false))
        return NULL;
    if (!dims_fit(e, dims, rank, m->at))
        return NULL;
    return tensor_new(e, role, member_path(e, inst, m->name), TY_REAL, rank,
                      dims, m->name_at);
}

const char *sync_complaint(ptl_arena *arena, const ast_decl *state)
{
    static const char *const words[] = {"mean", "sum", "local"};
    nearest n = {.wanted = state->sync};
    if (!state->sync)
        return NULL;
    for (int i = 0; i < 3; i++) {
        if (!strcmp(words[i], state->sync))
            return NULL;
        nearest_add(&n, words[i]);
    }
    return arena_printf(arena,
                        "replicas agree on a state by `sync mean`, `sync sum` "
                        "or `sync local`, not `%s`%s",
                        state->sync, nearest_hint(arena, &n));
}

/* In a test a parameter or state is its initial value. */
static bool bind_stored(elab *e, instance *inst, const ast_decl *m)
{
    bool is_param = m->kind == DECL_PARAM;
    ty_tensor *t = stored(e, inst, m, is_param ? TY_PARAM : TY_STATE), *init;
    const char *wrong = sync_complaint(e->arena, m);
    if (wrong)
        elab_error(e, DIAG_BAD_SETTING, m->sync_at, "%s", wrong);
    if (!t || wrong)
        return false;
    init = call_initialiser(e, inst->scope, m->value, t, t->name);
    if (!init)
        return false;
    if (e->test) {
        scope_bind(e, inst->scope, m->name, value_tensor(e, init, m->name_at),
                   m->name_at);
        return true;
    }
    if (is_param) {
        typed_param p = {.tensor = t, .init = init};
        vec_push(e->arena, &e->out->params, p);
    } else {
        typed_state st = {.tensor = t, .init = init, .sync = m->sync};
        vec_push(e->arena, &e->out->states, st);
    }
    scope_bind(e, inst->scope, m->name, value_tensor(e, t, m->name_at),
               m->name_at);
    return true;
}

/* Do the ifs around a member hold, from the outermost in? */
static bool is_taken(elab *e, instance *inst, const ast_when *w, bool *taken)
{
    *taken = true;
    if (!w)
        return true;
    if (!is_taken(e, inst, w->outer, taken))
        return false;
    bool holds;
    if (!*taken)
        return true;
    if (!eval_static_if(e, inst->scope, w->cond,
                        "what a layer has does not change while it runs",
                        &holds))
        return false;
    *taken = holds != w->is_else;
    return true;
}

static bool bind_members(elab *e, instance *inst)
{
    bool good = true;
    for (int i = 0; i < inst->decl->member_count; i++) {
        const ast_decl *m = inst->decl->members[i];
        bool taken;
        if (m->kind == DECL_FN || m->kind == DECL_HYPER)
            continue;
        if (!is_taken(e, inst, m->when, &taken))
            return false;
        if (!taken)
            continue;
        if (m->kind == DECL_ASSERT) {
            exec_assert(e, inst->scope, m);
            continue;
        }
        if (scope_own(inst->scope, m->name)) {
            elab_error(e, DIAG_REDEFINED, m->name_at,
                       "`%s` is declared twice in this %s", m->name,
                       ast_decl_kind_text(inst->decl->kind));
            good = false;
            continue;
        }
        good &= m->kind == DECL_USE ? bind_use(e, inst, m)
                                    : bind_stored(e, inst, m);
    }
    return good;
}

/* ---------- application ---------- */

static value *run_own(elab *e, instance *inst, value **args, src_range at)
{
    scope *s = scope_new(e, inst->scope, e->frame);
    int before = e->errors;
    if (!bind_params(e, s, inst->own, args, at))
        return value_error(e);
    if (!inst->bound) {
        inst->bound = true;
        inst->bound_at = at;
        if (!bind_members(e, inst) || e->errors != before) {
            inst->failed = true;
            return value_error(e);
        }
    }
    declare_results(e, s, inst->own);
    if (!run_body(e, s, &inst->own->body))
        return value_error(e);
    return collect_results(e, s, inst->own, at);
}

static void borrow_result(value *v)
{
    if (v->kind == V_TENSOR && v->tensor->role == TY_VALUE)
        v->tensor->borrowed = true;
    for (int i = 0; v->kind == V_TUPLE && i < v->count; i++)
        borrow_result(v->items[i]);
}

value *apply_values(elab *e, instance *inst, value **args, src_range at)
{
    frame *f;
    value *v;
    int depth = e->subscript_depth;
    if (inst->failed)
        return value_error(e);
    f = frame_push(e, FRAME_LAYER, inst->module,
                   arena_printf(e->arena, "%s `%s`",
                                ast_decl_kind_text(inst->decl->kind),
                                inst->path),
                   at);
    if (!f)
        return value_error(e);
    e->subscript_depth = 0;
    f->inst = inst;
    f->path = f->site = inst->path;
    v = run_own(e, inst, args, at);
    frame_pop(e);
    e->subscript_depth = depth;
    borrow_result(v);
    return v;
}

value *apply_instance(elab *e, instance *inst, scope *s, const ast_expr *call)
{
    value **args;
    if (inst->decl->kind == DECL_OPTIMIZER) {
        value *pair[2];
        if (call->count != 2)
            return elab_error(e, DIAG_BAD_ARGUMENT, call->at,
                              "an optimizer is applied to w and g");
        pair[0] = eval(e, s, call->args[0].expr);
        pair[1] = eval(e, s, call->args[1].expr);
        return apply_optimizer(e, inst, pair, call->at);
    }
    if (!inst->own)
        return elab_error(e, DIAG_NOT_CALLABLE, call->a->at,
                          "the %s `%s` has no `fn` of its own",
                          ast_decl_kind_text(inst->decl->kind),
                          inst->decl->name);
    args = eval_args(e, s, inst->own, call);
    return args ? apply_values(e, inst, args, call->at) : value_error(e);
}

bool member_left_out(elab *e, const instance *inst, const char *name,
                     src_range at)
{
    for (int i = 0; inst && inst->bound && i < inst->decl->member_count; i++) {
        const ast_decl *m = inst->decl->members[i];
        if (!m->when || !m->name || strcmp(m->name, name))
            continue;
        elab_error(e, DIAG_UNKNOWN_NAME, at,
                   "`%s` is not there: the `if` around it does not hold", name);
        elab_note(e, m->name_at, "it is declared here");
        return true;
    }
    return false;
}

/* "; it has w and b". */
static const char *member_names(elab *e, const instance *inst)
{
    ptl_str s = {0};
    for (int i = 0; i < inst->decl->member_count; i++) {
        const char *name = inst->decl->members[i]->name;
        if (name)
            str_printf(&s, "%s`%s`", s.length ? ", " : "; it has ", name);
    }
    return str_keep(&s, e->arena);
}

value *instance_member(elab *e, instance *inst, const char *name, src_range at)
{
    nearest n = {.wanted = name};
    binding *b = scope_own(inst->scope, name);
    if (inst->failed)
        return value_error(e);
    if (b && b->value)
        return b->value;
    if (!e->errors && member_left_out(e, inst, name, at))
        return value_error(e);
    for (int i = 0; i < inst->decl->member_count; i++) {
        const char *member = inst->decl->members[i]->name;
        if (member && !strcmp(member, name) && e->errors)
            return elab_reported(e); /* its application may be what failed */
        if (member && !strcmp(member, name))
            return elab_error(e, DIAG_SIZE_UNBOUND, at,
                              "`%s` gets its parameters where it is first "
                              "applied, and that is not before this place",
                              inst->path);
        nearest_add(&n, member);
    }
    return elab_error(
        e, DIAG_UNKNOWN_NAME, at, "`%s` has no member `%s`%s", inst->path, name,
        n.best ? nearest_hint(e->arena, &n) : member_names(e, inst));
}

void check_applied(elab *e)
{
    if (e->errors)
        return;
    for (int i = 0; i < e->instances.count; i++) {
        const instance *inst = e->instances.data[i];
        if (inst->bound || !inst->own)
            continue;
        elab_error(e, DIAG_NEVER_APPLIED, inst->at,
                   "the %s `%s` is constructed but never applied",
                   ast_decl_kind_text(inst->decl->kind), inst->path);
    }
}
