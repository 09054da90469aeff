/*
 * elab_scope.c - what a name means: the body's own names, then the module's
 * declarations, then what the language gives, then imported modules.
 */
#include "elab_priv.h"
#include <math.h>
#include <string.h>

scope *scope_new(elab *e, scope *up, frame *f)
{
    scope *s = ARENA_NEW(e->arena, scope);
    s->up = up;
    s->names = map_new(e->arena);
    s->frame = f;
    return s;
}

binding *scope_own(const scope *s, const char *name)
{
    return map_get(s->names, name);
}

binding *scope_find(const scope *s, const char *name)
{
    for (; s; s = s->up) {
        binding *b = map_get(s->names, name);
        if (b)
            return b;
    }
    return NULL;
}

binding *scope_bind(elab *e, scope *s, const char *name, value *v, src_range at)
{
    binding *b = scope_own(s, name);
    if (!b) {
        b = ARENA_NEW(e->arena, binding);
        map_put(s->names, name, b);
    }
    b->value = v;
    b->at = at;
    b->declared = false;
    return b;
}

const char *pack_key(elab *e, const char *name)
{
    return arena_printf(e->arena, "..%s", name);
}

const ast_decl *module_decl(const lang_module *m, const char *name)
{
    for (int i = 0; i < m->file_count; i++) {
        const ast_file *f = m->files[i];
        for (int j = 0; f && j < f->decl_count; j++) {
            const ast_decl *d = f->decls[j];
            bool callable = d->kind == DECL_FN || d->kind == DECL_LAYER ||
                            d->kind == DECL_MODEL ||
                            d->kind == DECL_OPTIMIZER ||
                            d->kind == DECL_SCHEDULE;
            if (callable && d->name && !strcmp(d->name, name))
                return d;
        }
    }
    return NULL;
}

static value *decl_value(elab *e, const lang_module *m, const ast_decl *d,
                         src_range at)
{
    value *v = value_new(e, V_DECL, at);
    v->decl = d;
    v->module = m;
    return v;
}

static void nearest_in_module(nearest *n, const lang_module *m)
{
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++)
            if (m->files[i]->decls[j]->kind != DECL_TEST &&
                m->files[i]->decls[j]->kind != DECL_IMPORT)
                nearest_add(n, m->files[i]->decls[j]->name);
}

/* `nn.linear`: a declaration of another module. */
value *lookup_decl(elab *e, const lang_module *m, const char *name,
                   src_range at)
{
    const ast_decl *d = module_decl(m, name);
    nearest n = {.wanted = name};
    if (d)
        return decl_value(e, m, d, at);
    if (lang_is_lost(m, name))
        return elab_reported(e);
    nearest_in_module(&n, m);
    return elab_error(e, DIAG_UNKNOWN_NAME, at, "%s has no `%s`%s", m->path,
                      name, nearest_hint(e->arena, &n));
}

static value *scalar_input(elab *e, value **slot, const char *name,
                           src_range at)
{
    if (!*slot) {
        ty_tensor *t = tensor_new(e, TY_SCALAR, name, TY_INT, 0, NULL, at);
        *slot = value_tensor(e, t, at);
    }
    return *slot;
}

value *given_value(elab *e, const char *name, src_range at)
{
    if (!strcmp(name, "training"))
        return e->training;
    if (!strcmp(name, "step"))
        return scalar_input(e, &e->step, "step", at);
    if (!strcmp(name, "total_steps"))
        return scalar_input(e, &e->total_steps, "total_steps", at);
    if (!strcmp(name, "pi"))
        return value_real(e, 3.14159265358979323846, at);
    if (!strcmp(name, "inf"))
        return value_real(e, INFINITY, at);
    if (!strcmp(name, "nan"))
        return value_real(e, (double)NAN, at);
    return NULL;
}

static void nearest_in_scope(nearest *n, const scope *s)
{
    for (; s; s = s->up)
        for (int i = 0; i < map_count(s->names); i++)
            nearest_add(n, map_key_at(s->names, i));
}

/* Short names within subscripts were most likely meant as indices. */
static value *unknown_name(elab *e, scope *s, const ast_expr *x)
{
    nearest n = {.wanted = x->name};
    const lang_module *m = e->frame->module;
    const char *hint = name_hint(e->arena, e->program, m, x->name);
    if (e->open || in_lost(e, x->name) || lang_is_lost(m, x->name))
        return elab_reported(e);
    if (member_left_out(e, e->frame->inst, x->name, x->at))
        return value_error(e);
    if (hint)
        return elab_error(e, DIAG_UNKNOWN_NAME, x->at,
                          "nothing is called `%s` here%s", x->name, hint);
    if (e->subscript_depth > 0 && strlen(x->name) <= 2)
        return elab_error(e, DIAG_UNBOUND_INDEX, x->at,
                          "index %s is neither on the left nor bound by a "
                          "reduction; did you mean sum(%s)?",
                          x->name, x->name);
    nearest_in_scope(&n, s);
    nearest_in_module(&n, m);
    for (int i = 0; i < m->import_count; i++)
        nearest_add(&n, m->imports[i].name);
    hint = nearest_hint(e->arena, &n);
    if (e->subscript_depth > 0 && !*hint)
        return elab_error(e, DIAG_UNBOUND_INDEX, x->at,
                          "index %s is neither on the left nor bound by a "
                          "reduction; did you mean sum(%s)?",
                          x->name, x->name);
    return elab_error(e, DIAG_UNKNOWN_NAME, x->at,
                      "nothing is called `%s` here%s", x->name, hint);
}

value *lookup_indexed(elab *e, scope *s, const ast_expr *x)
{
    binding *b = scope_find(s, x->name);
    const lang_module *m = e->frame->module;
    const ast_decl *d;
    const lang_import *import;
    value *v;
    if (b) {
        if (b->declared && in_lost(e, x->name))
            return elab_reported(e);
        if (b->declared)
            return elab_error(e, DIAG_UNKNOWN_NAME, x->at,
                              "%s is declared but has no value yet", x->name);
        if (b->value->kind == V_TENSOR)
            b->value->tensor->read = true;
        return b->value;
    }
    d = module_decl(m, x->name);
    if (d)
        return decl_value(e, m, d, x->at);
    v = given_value(e, x->name, x->at);
    if (v)
        return v;
    import = lang_find_import(m, x->name);
    if (import) {
        v = value_new(e, V_MODULE, x->at);
        v->module = import->module;
        return v;
    }
    return unknown_name(e, s, x);
}

/* Within a scan, what it computes exists step by step only. */
value *lookup_name(elab *e, scope *s, const ast_expr *x)
{
    value *v = lookup_indexed(e, s, x);
    if (v->kind != V_TENSOR || !scan_is_open(e, v->tensor))
        return v;
    return elab_error(e, DIAG_SCAN_STEP, x->at,
                      "`%s` is not there as a whole within its scan; read it "
                      "by index, at `%s` or before, or use it after the scan",
                      x->name, e->scan->var->name);
}

/* ---------- members ---------- */

static value *tuple_member(elab *e, const value *v, const ast_expr *x)
{
    nearest n = {.wanted = x->name};
    for (int i = 0; i < v->count; i++) {
        if (v->names && v->names[i] && !strcmp(v->names[i], x->name))
            return v->items[i];
        nearest_add(&n, v->names ? v->names[i] : NULL);
    }
    return elab_error(e, DIAG_UNKNOWN_NAME, x->mark,
                      "no result is called `%s`%s", x->name,
                      nearest_hint(e->arena, &n));
}

/* Values have no members, so `loss.mse` is the module even where a value is
 * called loss. */
static const lang_module *module_before_dot(elab *e, scope *s,
                                            const ast_expr *x)
{
    const lang_import *import;
    binding *b;
    if (x->kind != EXPR_NAME)
        return NULL;
    b = scope_find(s, x->name);
    if (b && !b->declared &&
        (b->value->kind == V_INSTANCE || b->value->kind == V_TUPLE ||
         b->value->kind == V_RAW))
        return NULL;
    import = lang_find_import(e->frame->module, x->name);
    return import ? import->module : NULL;
}

value *eval_member(elab *e, scope *s, const ast_expr *x)
{
    const lang_module *m = module_before_dot(e, s, x->a);
    value *v;
    if (m)
        return lookup_decl(e, m, x->name, x->mark);
    if (x->a->kind == EXPR_NAME && !scope_find(s, x->a->name) &&
        !module_decl(e->frame->module, x->a->name)) {
        const lang_module *lib = lang_library(e->program, x->a->name);
        if (lib && !in_lost(e, x->a->name) &&
            !lang_is_lost(e->frame->module, x->a->name))
            return elab_error(e, DIAG_UNKNOWN_NAME, x->a->at,
                              "`%s` is not imported here; write `import "
                              "std.%s;` at the top",
                              x->a->name, x->a->name);
    }
    v = eval(e, s, x->a);
    switch (v->kind) {
    case V_ERROR:
        return v;
    case V_INSTANCE:
        return instance_member(e, v->inst, x->name, x->mark);
    case V_TUPLE:
        return tuple_member(e, v, x);
    case V_RAW:
        return read_raw(e, x->name, x->at);
    default:
        return elab_error(e, DIAG_UNKNOWN_NAME, x->mark,
                          !strcmp(x->name, "shape") || !strcmp(x->name, "size")
                              ? "%s has no members; `size(x, 0)` is the size "
                                "of an axis"
                              : "%s has no members; what is done with it is "
                                "written with subscripts",
                          value_text(e, v));
    }
}
