/*
 * elab_optim.c - schedules and optimizers: a schedule is a number of step and
 * total_steps; an optimizer's body is read once for each parameter, element by
 * element over its shape.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- schedules ---------- */

static value *schedule_body(elab *e, value *v, src_range at)
{
    frame *f =
        frame_push(e, FRAME_SCHEDULE, v->module,
                   arena_printf(e->arena, "schedule `%s`", v->decl->name), at);
    value *result = NULL;
    scope *s;
    int depth = e->subscript_depth;
    if (!f)
        return value_error(e);
    e->subscript_depth = 0;
    f->path = v->decl->name;
    f->site = v->decl->name;
    s = scope_new(e, module_scope(e, v->module), f);
    if (bind_params(e, s, v->decl, v->items, at) &&
        run_body(e, s, &v->decl->body))
        result = collect_results(e, s, v->decl, at);
    frame_pop(e);
    e->subscript_depth = depth;
    return result ? result : value_error(e);
}

value *schedule_value(elab *e, value *v, src_range at)
{
    value *r;
    if (v->kind != V_SCHEDULE)
        return v;
    if (v->cached)
        return v->cached;
    r = value_settle(e, schedule_body(e, v, at));
    if (r->kind != V_ERROR && (!value_is_number(r) || value_rank(r) > 0))
        r = elab_error(e, DIAG_TYPE_MISMATCH, v->decl->name_at,
                       "a schedule returns a single number and this is %s",
                       value_text(e, r));
    v->cached = r;
    return r;
}

/* ---------- one parameter's update ---------- */

typedef struct slot_run {
    const char *name;
    value *initial, *before, *after;
} slot_run;

typedef struct update_run {
    const ast_decl *decl;
    const ty_tensor *shape;
    const char *path; /* of the parameter */
    bool fresh;       /* slots start at their initial values */
    bool stored;      /* slots are TY_SLOT tensors */
    slot_run slots[16];
    int slot_count;
    int cursor; /* next known slot while re-running */
} update_run;

static void note_unknown_update(elab *e, const update_run *r,
                                const ast_stmt *st)
{
    nearest n = {.wanted = st->name};
    nearest_add(&n, "w");
    for (int i = 0; i < r->slot_count; i++)
        nearest_add(&n, r->slots[i].name);
    elab_error(e, DIAG_UNKNOWN_NAME, st->name_at,
               "`%s` is no slot of this optimizer%s", st->name,
               nearest_hint(e->arena, &n));
}

static void run_slot(elab *e, scope *s, update_run *r, const ast_stmt *st)
{
    slot_run *slot;
    const char *path = arena_printf(e->arena, "%s/%s", r->path, st->name);
    if (st->has_subs) {
        elab_error(e, DIAG_NOT_BUILT, st->at,
                   "slots with a shape of their own are not built yet");
        return;
    }
    if (r->fresh && r->slot_count == 16) {
        elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                   "an optimizer has at most 16 slots");
        return;
    }
    if (!r->fresh) {
        scope_bind(e, s, st->name, r->slots[r->cursor++].before, st->at);
        return;
    }
    slot = &r->slots[r->slot_count];
    ty_tensor *init = call_initialiser(e, s, st->value, r->shape, path);
    if (!init)
        return;
    slot->name = st->name;
    slot->initial = value_tensor(e, init, st->at);
    slot->before =
        r->stored
            ? value_tensor(e,
                           tensor_new(e, TY_SLOT, path, TY_REAL, r->shape->rank,
                                      r->shape->dims, st->at),
                           st->at)
            : slot->initial;
    r->slot_count++;
    scope_bind(e, s, st->name, slot->before, st->at);
}

/* The name means the new value from here on. */
static void run_update(elab *e, scope *s, const update_run *r,
                       const ast_stmt *st)
{
    scope *aside = scope_new(e, s, s->frame);
    ast_stmt define = *st;
    bool known = !strcmp(st->name, "w");
    binding *b;
    value *v;
    for (int i = 0; i < r->slot_count; i++)
        known |= !strcmp(r->slots[i].name, st->name);
    if (!known) {
        note_unknown_update(e, r, st);
        return;
    }
    define.kind = STMT_DEFINE;
    define.name = arena_printf(e->arena, "%s.next", st->name);
    b = scope_bind(e, aside, define.name, NULL, st->name_at);
    b->declared = true;
    b->type = ARENA_NEW(e->arena, ty_tensor);
    *b->type = *r->shape;
    if (!exec_define(e, aside, &define))
        return;
    v = scope_own(aside, define.name)->value;
    if (v->kind != V_TENSOR) {
        ty_expr *x = value_scalar_expr(e, v, st->at);
        ty_var *vars[PTL_MAX_RANK];
        ty_tensor *t;
        for (int i = 0; i < r->shape->rank; i++)
            vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i),
                                 r->shape->dims[i], st->at);
        t = x ? tensor_define(e, define.name, vars, r->shape->rank,
                              tx_to(e, TY_REAL, x), st->at)
              : NULL;
        if (!t)
            return;
        v = value_tensor(e, t, st->at);
    }
    scope_bind(e, s, st->name, v, st->name_at);
}

/* Carries the body out with w, g and parameters bound in `s`; the new w. */
static value *run_optimizer(elab *e, scope *s, update_run *r)
{
    for (int i = 0; i < r->decl->body.count; i++) {
        const ast_stmt *st = r->decl->body.stmts[i];
        int before = e->errors;
        if (st->kind == STMT_SLOT)
            run_slot(e, s, r, st);
        else if (st->kind == STMT_UPDATE)
            run_update(e, s, r, st);
        else
            exec(e, s, st);
        if (e->errors != before)
            return value_error(e);
    }
    for (int i = 0; i < r->slot_count; i++)
        r->slots[i].after = scope_own(s, r->slots[i].name)->value;
    return scope_own(s, "w")->value;
}

static frame *optimizer_frame(elab *e, const ast_decl *d, const lang_module *m,
                              const char *path, src_range at)
{
    frame *f =
        frame_push(e, FRAME_OPTIMIZER, m,
                   arena_printf(e->arena, "optimizer `%s`", d->name), at);
    if (f)
        f->path = f->site = path;
    return f;
}

/* ---------- in a test ---------- */

value *apply_optimizer(elab *e, instance *inst, value **args, int count,
                       src_range at)
{
    ty_tensor *w, *g;
    update_run r = {.decl = inst->decl, .path = inst->path};
    value *steps = e->step, *v;
    scope *s;
    (void)count;
    args[0] = value_settle(e, args[0]);
    args[1] = value_settle(e, args[1]);
    if (args[0]->kind == V_ERROR || args[1]->kind == V_ERROR)
        return value_error(e);
    w = value_materialise(e, args[0], "w", at);
    g = value_materialise(e, args[1], "g", at);
    if (!w || !g)
        return value_error(e);
    if (w->rank != g->rank ||
        memcmp(w->dims, g->dims, sizeof *w->dims * (size_t)w->rank))
        return elab_error(
            e, DIAG_SHAPE_MISMATCH, at, "w has shape %s and g has shape %s",
            dims_text(e, w->dims, w->rank), dims_text(e, g->dims, g->rank));
    if (!optimizer_frame(e, inst->decl, inst->module, inst->path, at))
        return value_error(e);
    r.shape = w;
    r.fresh = !inst->slots;
    for (int i = 0; i < inst->slot_count; i++) {
        r.slots[i] = (slot_run){.name = inst->slots[2 * i]->text,
                                .before = inst->slots[2 * i + 1]};
    }
    r.slot_count = inst->slot_count;
    e->step = value_scalar(e, tx_int(e, inst->updates, at), at);
    s = scope_new(e, inst->scope, e->frame);
    scope_bind(e, s, "w", value_tensor(e, w, at), at);
    scope_bind(e, s, "g", value_tensor(e, g, at), at);
    v = run_optimizer(e, s, &r);
    frame_pop(e);
    e->step = steps;
    inst->updates++;
    if (!inst->slots)
        inst->slots = ARENA_ARRAY(e->arena, value *, 2 * r.slot_count + 1);
    inst->slot_count = r.slot_count;
    for (int i = 0; i < r.slot_count && v->kind != V_ERROR; i++) {
        inst->slots[2 * i] = value_string(e, r.slots[i].name, at);
        inst->slots[2 * i + 1] = r.slots[i].after;
    }
    return v;
}

/* ---------- in train ---------- */

/* `*` stands for part of one name, `**` for any number of names. */
bool pattern_matches(const char *pattern, const char *path)
{
    if (!*pattern)
        return !*path;
    if (!strncmp(pattern, "**", 2)) {
        const char *rest = pattern + 2;
        if (*rest == '.' && pattern_matches(rest + 1, path))
            return true;
        for (const char *p = path;; p++) {
            if (pattern_matches(rest, p))
                return true;
            if (!*p)
                return false;
        }
    }
    if (*pattern == '*') {
        for (const char *p = path;; p++) {
            if (pattern_matches(pattern + 1, p))
                return true;
            if (!*p || *p == '.')
                return false;
        }
    }
    return *pattern == *path && pattern_matches(pattern + 1, path + 1);
}

static bool any_matches(const ast_stmt *st, const char *path)
{
    for (int i = 0; i < st->name_count; i++)
        if (pattern_matches(st->names[i].text, path))
            return true;
    return false;
}

static const ast_param *optimizer_param(const ast_decl *d, const char *name)
{
    for (int i = 0; i < d->param_count; i++)
        if (!strcmp(d->params[i].name, name))
            return &d->params[i];
    return NULL;
}

/* `wd = 0;` in a `set` block: read where the optimizer's parameters are known
 * by name, then whatever train knows. */
static void override(elab *e, scope *train, scope *s, const ast_decl *d,
                     const ast_stmt *st)
{
    const ast_param *p = optimizer_param(d, st->name);
    nearest n = {.wanted = st->name};
    scope *in = scope_new(e, train, train->frame);
    value *v;
    if (st->kind != STMT_DEFINE || st->has_subs) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a set block holds `parameter = value;` of the optimizer");
        return;
    }
    if (!p) {
        for (int i = 0; i < d->param_count; i++)
            nearest_add(&n, d->params[i].name);
        elab_error(e, DIAG_BAD_ARGUMENT, st->name_at,
                   "the optimizer `%s` has no parameter `%s`%s", d->name,
                   st->name, nearest_hint(e->arena, &n));
        return;
    }
    for (int i = 0; i < d->param_count; i++) {
        binding *b = scope_own(s, d->params[i].name);
        if (b)
            scope_bind(e, in, d->params[i].name, b->value, b->at);
    }
    v = value_settle(e, eval(e, in, st->value));
    if (p->type)
        v = type_bind(e, s, p->type, v, st->name, st->value->at);
    if (v->kind != V_ERROR)
        scope_bind(e, s, st->name, v, st->name_at);
}

static void override_all(elab *e, scope *train, scope *s, const ast_decl *d,
                         const ast_block *body, const char *path)
{
    frame *own = e->frame;
    e->frame = train->frame;
    for (int i = 0; i < body->count; i++) {
        const ast_stmt *st = body->stmts[i];
        if (st->kind != STMT_SET || !any_matches(st, path))
            continue;
        for (int j = 0; j < st->body.count; j++)
            override(e, train, s, d, st->body.stmts[j]);
    }
    e->frame = own;
}

static bool patterns_match(elab *e, const ast_block *body)
{
    bool good = true;
    for (int i = 0; i < body->count; i++) {
        const ast_stmt *st = body->stmts[i];
        if (st->kind != STMT_SET && st->kind != STMT_FREEZE)
            continue;
        for (int j = 0; j < st->name_count; j++) {
            bool found = false;
            for (int k = 0; k < e->out->params.count && !found; k++)
                found = pattern_matches(st->names[j].text,
                                        e->out->params.data[k].tensor->name);
            if (found)
                continue;
            elab_error(e, DIAG_NO_MATCH, st->names[j].at,
                       "the pattern \"%s\" matches no parameter",
                       st->names[j].text);
            if (e->out->params.count)
                elab_note(e, st->names[j].at,
                          "parameters are called like \"%s\"",
                          e->out->params.data[0].tensor->name);
            good = false;
        }
    }
    return good;
}

static bool is_frozen(const ast_block *body, const char *path)
{
    for (int i = 0; i < body->count; i++)
        if (body->stmts[i]->kind == STMT_FREEZE &&
            any_matches(body->stmts[i], path))
            return true;
    return false;
}

static void keep_slots(elab *e, typed_param *p, const update_run *r)
{
    p->slots = ARENA_ARRAY(e->arena, typed_slot, r->slot_count + 1);
    p->slot_count = r->slot_count;
    for (int i = 0; i < r->slot_count; i++)
        p->slots[i] = (typed_slot){
            .tensor = r->slots[i].before->tensor,
            .init = r->slots[i].initial->tensor,
            .next = r->slots[i].after->tensor,
        };
}

static bool update_param(elab *e, scope *train, const ast_block *body,
                         const value *opt, typed_param *p)
{
    const ty_tensor *w = p->tensor;
    update_run r = {.decl = opt->decl,
                    .shape = w,
                    .path = w->name,
                    .fresh = true,
                    .stored = true};
    scope *s;
    value *v;
    int before = e->errors;
    if (!optimizer_frame(e, opt->decl, opt->module, w->name, opt->at))
        return false;
    s = scope_new(e, module_scope(e, opt->module), e->frame);
    if (bind_params(e, s, opt->decl, opt->items, opt->at)) {
        override_all(e, train, s, opt->decl, body, w->name);
        scope_bind(e, s, "w", value_tensor(e, p->tensor, w->at), w->at);
        scope_bind(e, s, "g", value_tensor(e, p->grad, w->at), w->at);
        v = run_optimizer(e, s, &r);
        if (v->kind == V_TENSOR) {
            p->next = v->tensor;
            keep_slots(e, p, &r);
        }
    }
    frame_pop(e);
    return e->errors == before;
}

/* The rate that is logged: the optimizer's `lr` before any set block. */
static void logged_rate(elab *e, const value *opt)
{
    for (int i = 0; i < opt->decl->param_count; i++) {
        value *v = opt->items[i];
        ty_expr *x;
        if (strcmp(opt->decl->params[i].name, "lr") || !v)
            continue;
        v = value_settle(e, v);
        x = value_scalar_expr(e, v, opt->at);
        if (x)
            e->out->lr =
                tensor_define(e, "lr", NULL, 0, tx_to(e, TY_REAL, x), opt->at);
    }
}

bool optimizer_updates(elab *e, scope *train, const ast_block *body, value *opt)
{
    int before = e->errors;
    patterns_match(e, body);
    for (int i = 0; i < e->out->params.count; i++) {
        typed_param *p = &e->out->params.data[i];
        p->frozen = is_frozen(body, p->tensor->name);
        if (!p->frozen)
            p->grad = tensor_new(
                e, TY_GRAD, arena_printf(e->arena, "grad/%s", p->tensor->name),
                TY_REAL, p->tensor->rank, p->tensor->dims, p->tensor->at);
        if (p->grad)
            p->grad->of = p->tensor;
    }
    if (!opt)
        return true;
    logged_rate(e, opt);
    for (int i = 0; i < e->out->params.count; i++) {
        typed_param *p = &e->out->params.data[i];
        if (!p->frozen && !update_param(e, train, body, opt, p))
            return false;
    }
    return e->errors == before;
}
