/*
 * elab_optim.c - schedules and optimizers: a schedule is a number of step and
 * total_steps; an optimizer's body is read once for each parameter, element by
 * element over its shape.
 */
#include "elab_optim_priv.h"
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
    if (v->decl->wrong)
        elab_reported(e);
    else if (bind_params(e, s, v->decl, v->items, at) &&
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

static void note_unknown_update(elab *e, const update_run *r,
                                const ast_stmt *st)
{
    nearest n = {.wanted = st->name};
    for (int i = 0; i < r->decl->body.count; i++)
        if (r->decl->body.stmts[i]->kind == STMT_SLOT &&
            !strcmp(r->decl->body.stmts[i]->name, st->name)) {
            elab_error(e, DIAG_UNKNOWN_NAME, st->name_at,
                       "`%s` is used before its slot is declared; slots come "
                       "first",
                       st->name);
            return;
        }
    nearest_add(&n, "w");
    for (int i = 0; i < r->slot_count; i++)
        nearest_add(&n, r->slots[i].name);
    elab_error(e, DIAG_UNKNOWN_NAME, st->name_at,
               "`%s` is no slot of this optimizer%s", st->name,
               nearest_hint(e->arena, &n));
}

static slot_run *find_slot(update_run *r, const char *name)
{
    for (int i = 0; i < r->slot_count; i++)
        if (!strcmp(r->slots[i].name, name))
            return &r->slots[i];
    return NULL;
}

/* The parameter's shape, or its own: `slot r[size(w, 0)] = 0;`. */
static const ty_tensor *slot_shape(elab *e, update_run *r, const ast_stmt *st)
{
    ty_tensor *own;
    if (!st->has_subs)
        return r->shape;
    own = ARENA_NEW(e->arena, ty_tensor);
    own->kind = TY_REAL;
    own->at = st->at;
    return dims_resolve(e, r->scope, st->subs, st->sub_count, own->dims,
                        &own->rank, false)
               ? own
               : NULL;
}

static void new_slot(elab *e, update_run *r, const ast_stmt *st)
{
    const char *path = arena_printf(e->arena, "%s/%s", r->path, st->name);
    const ty_tensor *shape = slot_shape(e, r, st);
    slot_run *slot = &r->slots[r->slot_count];
    ty_tensor *init =
        shape ? call_initialiser(e, r->scope, st->value, shape, path) : NULL;
    if (!init)
        return;
    slot->name = st->name;
    slot->initial = slot->before = value_tensor(e, init, st->at);
    if (r->stored)
        slot->before = value_tensor(e,
                                    tensor_new(e, TY_SLOT, path, TY_REAL,
                                               shape->rank, shape->dims,
                                               st->at),
                                    st->at);
    r->slot_count++;
    scope_bind(e, r->scope, st->name, slot->before, st->at);
}

static void run_slot(elab *e, update_run *r, const ast_stmt *st)
{
    if (!r->fresh)
        scope_bind(e, r->scope, st->name, r->slots[r->cursor++].before, st->at);
    else if (find_slot(r, st->name) || !strcmp(st->name, "w") ||
             !strcmp(st->name, "g"))
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` is a slot already, or the parameter or its gradient",
                   st->name);
    else if (r->slot_count == MAX_SLOTS)
        elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                   "an optimizer has at most %d slots", MAX_SLOTS);
    else
        new_slot(e, r, st);
}

/* A single number fills the shape. */
static value *filled(elab *e, value *v, const char *name,
                     const ty_tensor *shape, src_range at)
{
    ty_expr *x = value_scalar_expr(e, v, at);
    ty_var *vars[PTL_MAX_RANK];
    ty_tensor *t;
    for (int i = 0; i < shape->rank; i++)
        vars[i] = ty_var_new(e, arena_printf(e->arena, "i%d", i),
                             shape->dims[i], at);
    t = x ? tensor_define(e, name, vars, shape->rank, tx_to(e, TY_REAL, x), at)
          : NULL;
    return t ? value_tensor(e, t, at) : value_error(e);
}

/* The name means the new value from here on. */
static void run_update(elab *e, update_run *r, const ast_stmt *st)
{
    scope *aside = scope_new(e, r->scope, r->frame);
    ast_stmt define = *st;
    slot_run *slot = find_slot(r, st->name);
    const ty_tensor *shape = slot ? slot->before->tensor : r->shape;
    binding *b;
    value *v;
    if (!slot && strcmp(st->name, "w")) {
        note_unknown_update(e, r, st);
        return;
    }
    define.kind = STMT_DEFINE;
    define.name = arena_printf(e->arena, "%s.next", st->name);
    b = scope_bind(e, aside, define.name, NULL, st->name_at);
    b->declared = true;
    b->type = ARENA_NEW(e->arena, ty_tensor);
    *b->type = *shape;
    b->type->kind = TY_REAL;
    if (!exec_define(e, aside, &define))
        return;
    v = scope_own(aside, define.name)->value;
    if (v->kind != V_TENSOR)
        v = filled(e, v, define.name, shape, st->at);
    if (v->kind != V_ERROR)
        scope_bind(e, r->scope, st->name, v, st->name_at);
}

static void run_statement(elab *e, update_run *r, const ast_stmt *st);

static void run_block(elab *e, update_run *r, const ast_block *body)
{
    r->frame->static_depth++;
    for (int i = 0; i < body->count; i++)
        run_statement(e, r, body->stmts[i]);
    r->frame->static_depth--;
}

/* Slots may stand in it, so that they follow the parameter's shape. */
static void run_if(elab *e, update_run *r, const ast_stmt *st)
{
    bool taken;
    if (!eval_static_if(e, r->scope, st->value, CHOOSE_BY_ELEMENT, &taken))
        return;
    if (taken)
        run_block(e, r, &st->body);
    else if (st->has_else)
        run_block(e, r, &st->else_body);
}

static void run_statement(elab *e, update_run *r, const ast_stmt *st)
{
    if (st->kind == STMT_SLOT)
        run_slot(e, r, st);
    else if (st->kind == STMT_UPDATE)
        run_update(e, r, st);
    else if (st->kind == STMT_IF)
        run_if(e, r, st);
    else if (st->kind == STMT_RETURN)
        elab_error(e, DIAG_MISPLACED, st->at,
                   "an optimizer returns nothing: it updates `w`");
    else
        exec(e, r->scope, st);
}

/* Carries the body out for all parameters, statement by statement: what one
 * across_params() needs of each of them is there when its statement comes. */
static bool run_optimizers(elab *e, update_run *runs, int count)
{
    const ast_block *body = count ? &runs[0].decl->body : NULL;
    frame *outer = e->frame;
    int before = e->errors;
    if (count && runs[0].decl->wrong)
        elab_reported(e);
    for (int i = 0; body && i < body->count && e->errors == before; i++) {
        if (!across_prepare(e, runs, count, body->stmts[i]))
            return false;
        for (int k = 0; k < count && e->errors == before; k++) {
            e->frame = runs[k].frame;
            run_statement(e, &runs[k], body->stmts[i]);
            e->frame = outer;
        }
    }
    for (int k = 0; k < count; k++)
        for (int i = 0; i < runs[k].slot_count; i++) {
            slot_run *slot = &runs[k].slots[i];
            slot->after = scope_own(runs[k].scope, slot->name)->value;
        }
    return e->errors == before;
}

/* A frame of its own, entered again for each statement. */
static bool optimizer_frame(elab *e, update_run *r, const lang_module *m,
                            src_range at)
{
    r->frame = frame_push(
        e, FRAME_OPTIMIZER, m,
        arena_printf(e->arena, "optimizer `%s`", r->decl->name), at);
    if (!r->frame)
        return false;
    r->frame->path = r->frame->site = r->path;
    frame_pop(e);
    return true;
}

/* ---------- in a test ---------- */

static void remember_slots(elab *e, instance *inst, const update_run *r,
                           src_range at)
{
    if (!inst->slots)
        inst->slots = ARENA_ARRAY(e->arena, value *, 2 * r->slot_count + 1);
    inst->slot_count = r->slot_count;
    for (int i = 0; i < r->slot_count; i++) {
        inst->slots[2 * i] = value_string(e, r->slots[i].name, at);
        inst->slots[2 * i + 1] = r->slots[i].after;
    }
}

static value *one_update(elab *e, instance *inst, ty_tensor *w, ty_tensor *g,
                         src_range at)
{
    update_run r = {.decl = inst->decl,
                    .path = inst->path,
                    .shape = w,
                    .fresh = !inst->slots};
    value *steps = e->step;
    bool done;
    if (!optimizer_frame(e, &r, inst->module, at))
        return value_error(e);
    for (int i = 0; i < inst->slot_count; i++)
        r.slots[i] = (slot_run){.name = inst->slots[2 * i]->text,
                                .before = inst->slots[2 * i + 1]};
    r.slot_count = inst->slot_count;
    e->step = value_scalar(e, tx_int(e, inst->updates, at), at);
    r.scope = scope_new(e, inst->scope, r.frame);
    scope_bind(e, r.scope, "w", value_tensor(e, w, at), at);
    scope_bind(e, r.scope, "g", value_tensor(e, g, at), at);
    done = run_optimizers(e, &r, 1);
    e->step = steps;
    e->across = NULL;
    inst->updates++;
    if (!done)
        return value_error(e);
    remember_slots(e, inst, &r, at);
    return scope_own(r.scope, "w")->value;
}

value *apply_optimizer(elab *e, instance *inst, value **args, src_range at)
{
    ty_tensor *w, *g;
    args[0] = value_settle(e, args[0]);
    args[1] = value_settle(e, args[1]);
    if (args[0]->kind == V_ERROR || args[1]->kind == V_ERROR)
        return value_error(e);
    w = value_materialise(e, args[0], "w", at);
    g = value_materialise(e, args[1], "g", at);
    if (!w || !g)
        return value_error(e);
    if (w->rank == g->rank &&
        !memcmp(w->dims, g->dims, sizeof *w->dims * (size_t)w->rank))
        return one_update(e, inst, w, g, at);
    return elab_error(
        e, DIAG_SHAPE_MISMATCH, at, "w has shape %s and g has shape %s",
        dims_text(e, w->dims, w->rank), dims_text(e, g->dims, g->rank));
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
    v->at = v->at.file ? v->at : st->value->at;
    if (v->kind != V_ERROR && p->interval &&
        !eval_interval(e, s, p->interval, v, st->name))
        return;
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

bool param_is_frozen(const ast_block *body, const char *path)
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

/* The scope of one parameter's update; false after an error. */
static bool open_update(elab *e, scope *train, const ast_block *body,
                        const value *opt, const typed_param *p, update_run *r)
{
    const ty_tensor *w = p->tensor;
    int before = e->errors;
    bool bound;
    *r = (update_run){.decl = opt->decl,
                      .shape = w,
                      .path = w->name,
                      .fresh = true,
                      .stored = true};
    if (!optimizer_frame(e, r, opt->module, opt->at))
        return false;
    r->scope = scope_new(e, module_scope(e, opt->module), r->frame);
    e->frame = r->frame;
    bound = bind_params(e, r->scope, opt->decl, opt->items, opt->at);
    if (bound) {
        override_all(e, train, r->scope, opt->decl, body, w->name);
        scope_bind(e, r->scope, "w", value_tensor(e, p->tensor, w->at), w->at);
        scope_bind(e, r->scope, "g", value_tensor(e, p->grad, w->at), w->at);
    }
    e->frame = r->frame->up;
    return bound && e->errors == before;
}

static bool update_all(elab *e, scope *train, const ast_block *body,
                       const value *opt)
{
    update_run *runs =
        ARENA_ARRAY(e->arena, update_run, e->out->params.count + 1);
    int count = 0;
    bool good = true;
    for (int i = 0; i < e->out->params.count; i++) {
        const typed_param *p = &e->out->params.data[i];
        if (!p->frozen)
            good &= open_update(e, train, body, opt, p, &runs[count++]);
    }
    if (!good || !run_optimizers(e, runs, count))
        return false;
    count = 0;
    for (int i = 0; i < e->out->params.count; i++) {
        typed_param *p = &e->out->params.data[i];
        if (p->frozen)
            continue;
        p->next = scope_own(runs[count].scope, "w")->value->tensor;
        keep_slots(e, p, &runs[count++]);
    }
    return true;
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
        p->frozen = param_is_frozen(body, p->tensor->name);
        if (!p->frozen)
            p->grad = tensor_new(
                e, TY_GRAD, arena_printf(e->arena, "grad/%s", p->tensor->name),
                TY_REAL, p->tensor->rank, p->tensor->dims, p->tensor->at);
        if (p->grad)
            p->grad->of = p->tensor;
    }
    if (!opt)
        return true;
    if (!update_all(e, train, body, opt))
        return false;
    logged_rate(e, opt);
    return e->errors == before;
}
