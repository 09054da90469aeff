/*
 * names.c - names, indices and arguments of declarations, whether anything
 * uses them or not.
 *
 * Elaboration reads only what a train block or test reaches; this walk reads
 * every body once, without sizes, so a misspelt name in a function that nobody
 * calls yet is found too. Where both would speak, the place is the same and
 * the message is said once.
 */
#include "base/map.h"
#include "elab_priv.h"
#include <string.h>

typedef struct names {
    struct names *up;
    ptl_map *map;
} names;

typedef struct name_walk {
    ptl_arena *arena;
    ptl_diags *diags;
    const lang_modules *program;
    const lang_module *module;
    const ast_decl *decl;
    int subscripts; /* nested in so many */
    bool open;      /* names come from what is not there: any may be one */
    bool in_data;
    const ast_expr *source; /* the data block's `train = data.csv(...)` */
} name_walk;

static names *open_names(name_walk *w, names *up)
{
    names *n = ARENA_NEW(w->arena, names);
    n->up = up;
    n->map = map_new(w->arena);
    return n;
}

static void add(names *n, const char *name)
{
    if (name)
        map_put(n->map, name, n);
}

static void *const AN_INDEX = &(char){0};

static void add_index(names *n, const char *name)
{
    map_put(n->map, name, AN_INDEX);
}

static bool is_index(const names *n, const char *name)
{
    for (; n; n = n->up)
        if (map_get(n->map, name))
            return map_get(n->map, name) == AN_INDEX;
    return false;
}

static bool knows(const names *n, const char *name)
{
    for (; n; n = n->up)
        if (map_get(n->map, name))
            return true;
    return false;
}

static void say(name_walk *w, diag_code code, src_range at, const char *text)
{
    if (!diags_has(w->diags, code, at) &&
        !diags_has_line(w->diags, code, at, text))
        diag_error(w->diags, code, at, "%s", text);
}

/* ---------- names ---------- */

static const char *const given_names[] = {"training", "step", "total_steps",
                                          "pi",       "inf",  "nan"};

static bool is_given(const char *name)
{
    for (size_t i = 0; i < sizeof given_names / sizeof *given_names; i++)
        if (!strcmp(given_names[i], name))
            return true;
    return false;
}

static bool module_has(const lang_module *m, const char *name,
                       ast_decl_kind kind)
{
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++) {
            const ast_decl *d = m->files[i]->decls[j];
            if (d->kind == kind && d->name && !strcmp(d->name, name))
                return true;
        }
    return false;
}

static void near_decls(nearest *n, const lang_module *m)
{
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++)
            if (m->files[i]->decls[j]->kind != DECL_TEST)
                nearest_add(n, m->files[i]->decls[j]->name);
}

static void unknown(name_walk *w, const names *s, const ast_expr *x)
{
    nearest n = {.wanted = x->name};
    const char *hint,
        *meant = name_hint(w->arena, w->program, w->module, x->name);
    for (const names *k = s; k; k = k->up)
        for (int i = 0; i < map_count(k->map); i++)
            nearest_add(&n, map_key_at(k->map, i));
    near_decls(&n, w->module);
    for (int i = 0; i < w->module->import_count; i++)
        nearest_add(&n, w->module->imports[i].name);
    for (int i = 0; builtin_name(i); i++)
        nearest_add(&n, builtin_name(i));
    hint = nearest_hint(w->arena, &n);
    if (meant)
        say(w, DIAG_UNKNOWN_NAME, x->at,
            arena_printf(w->arena, "nothing is called `%s` here%s", x->name,
                         meant));
    else if (w->subscripts > 0 && (strlen(x->name) <= 2 || !*hint))
        say(w, DIAG_UNBOUND_INDEX, x->at,
            arena_printf(w->arena,
                         "index %s is neither on the left nor bound by a "
                         "reduction; did you mean sum(%s)?",
                         x->name, x->name));
    else
        say(w, DIAG_UNKNOWN_NAME, x->at,
            arena_printf(w->arena, "nothing is called `%s` here%s", x->name,
                         hint));
}

static bool is_lost(const name_walk *w, const char *name)
{
    return lang_is_lost(w->module, name) ||
           (w->decl->lost && map_get(w->decl->lost, name));
}

static bool is_known(const name_walk *w, const names *s, const char *name)
{
    return knows(s, name) || is_given(name) || module_decl(w->module, name) ||
           module_has(w->module, name, DECL_HYPER) ||
           lang_find_import(w->module, name) || is_lost(w, name);
}

/* ---------- expressions ---------- */

static void walk(name_walk *w, names *s, const ast_expr *x);

static void walk_pack(name_walk *w, const names *s, const ast_sub *sub)
{
    char *key = arena_printf(w->arena, "..%s", sub->name);
    if (!knows(s, key) && !is_lost(w, sub->name))
        say(w, DIAG_UNKNOWN_NAME, sub->at,
            arena_printf(w->arena, "no pack is called `..%s` here", sub->name));
}

static void walk_subs(name_walk *w, names *s, const ast_sub *subs, int count)
{
    w->subscripts++;
    for (int i = 0; i < count; i++) {
        if (subs[i].is_pack)
            walk_pack(w, s, &subs[i]);
        else
            walk(w, s, subs[i].expr);
    }
    w->subscripts--;
}

static void walk_binder(name_walk *w, const names *s, names *in,
                        const ast_binder *b)
{
    ast_sub sub = {.is_pack = true, .name = b->name, .at = b->at};
    if (b->is_pack) {
        if (w->decl->kind != DECL_OPTIMIZER) /* there it is a parameter's */
            walk_pack(w, s, &sub);
        add(in, arena_printf(w->arena, "..%s", b->name));
        return;
    }
    if (is_index(s, b->name) || map_get(in->map, b->name))
        say(w, DIAG_REDEFINED, b->at,
            arena_printf(w->arena,
                         "%s is an index here already; this one needs a name "
                         "of its own",
                         b->name));
    add_index(in, b->name);
}

static void walk_reduce(name_walk *w, names *s, const ast_expr *x)
{
    names *in = open_names(w, s);
    int subscripts = w->subscripts;
    for (int i = 0; i < x->count; i++) {
        const ast_binder *b = &x->binders[i];
        if (b->lo) {
            walk(w, s, b->lo);
            walk(w, s, b->hi);
        }
        walk_binder(w, s, in, b);
    }
    w->subscripts = 0;
    walk(w, in, x->a);
    walk(w, in, x->b);
    w->subscripts = subscripts;
}

/* What a callee's name stands for; NULL: not known here. */
static const ast_decl *callee_decl(name_walk *w, const names *s,
                                   const ast_expr *x)
{
    const lang_import *import;
    if (x->kind == EXPR_NAME)
        return knows(s, x->name) || is_builtin(x->name)
                   ? NULL
                   : module_decl(w->module, x->name);
    if (x->kind != EXPR_MEMBER || x->a->kind != EXPR_NAME)
        return NULL;
    import = lang_find_import(w->module, x->a->name);
    return import ? module_decl(import->module, x->name) : NULL;
}

static void check_named(name_walk *w, const ast_decl *d, const ast_arg *arg)
{
    for (int i = 0; i < d->param_count; i++)
        if (!strcmp(d->params[i].name, arg->name))
            return;
    say(w, DIAG_BAD_ARGUMENT, arg->name_at,
        arena_printf(w->arena, "`%s` has no parameter `%s`%s", d->name,
                     arg->name, param_hint(w->arena, d, arg->name)));
}

static void check_args(name_walk *w, const ast_decl *d, const ast_expr *x)
{
    for (int i = 0; i < x->count; i++) {
        if (x->args[i].name) {
            check_named(w, d, &x->args[i]);
        } else if (i >= d->param_count) {
            say(w, DIAG_BAD_ARGUMENT, x->args[i].expr->at,
                arena_printf(w->arena,
                             "`%s` takes %d arguments and this is one more",
                             d->name, d->param_count));
            return;
        }
    }
}

static bool is_reader_call(const name_walk *w, const ast_expr *callee)
{
    return w->in_data && callee->kind == EXPR_MEMBER &&
           callee->a->kind == EXPR_NAME && !strcmp(callee->a->name, "data");
}

static void walk_call(name_walk *w, names *s, const ast_expr *x)
{
    const ast_decl *d = callee_decl(w, s, x->a);
    bool builtin = x->a->kind == EXPR_NAME && is_builtin(x->a->name);
    if (!builtin && !is_reader_call(w, x->a)) {
        int subscripts = w->subscripts;
        w->subscripts = 0;
        walk(w, s, x->a);
        w->subscripts = subscripts;
    }
    if (d)
        check_args(w, d, x);
    for (int i = 0; i < x->count; i++)
        walk(w, s, x->args[i].expr);
}

/* An argument of the source that is no option is a field. */
static void walk_raw(name_walk *w, const ast_expr *x)
{
    const ast_expr *source = w->source;
    nearest n = {.wanted = x->name};
    if (!source)
        return;
    for (int i = 0; i < source->count; i++) {
        const char *field = source->args[i].name;
        if (!field || !strcmp(field, x->name))
            return;
        if (field && !is_reader_option(field))
            nearest_add(&n, field);
    }
    say(w, DIAG_BAD_DATA, x->mark,
        arena_printf(w->arena,
                     "the source of `train` has no field `%s`; every argument "
                     "of a reader that is no option names one%s",
                     x->name, nearest_hint(w->arena, &n)));
}

static void walk_member(name_walk *w, names *s, const ast_expr *x)
{
    const lang_import *import = x->a->kind == EXPR_NAME
                                    ? lang_find_import(w->module, x->a->name)
                                    : NULL;
    nearest n = {.wanted = x->name};
    if (w->in_data && x->a->kind == EXPR_NAME && !strcmp(x->a->name, "raw"))
        walk_raw(w, x);
    if (!import) {
        walk(w, s, x->a);
        return;
    }
    if (knows(s, x->a->name) || import->module->file_count == 0 ||
        module_decl(import->module, x->name) ||
        lang_is_lost(import->module, x->name))
        return;
    near_decls(&n, import->module);
    say(w, DIAG_UNKNOWN_NAME, x->mark,
        arena_printf(w->arena, "%s has no `%s`%s", import->module->path,
                     x->name, nearest_hint(w->arena, &n)));
}

static bool is_pack_function(const names *s, const ast_expr *x)
{
    return x->a->kind == EXPR_NAME && !knows(s, x->a->name) &&
           (!strcmp(x->a->name, "size") || !strcmp(x->a->name, "flat"));
}

static void walk_index(name_walk *w, names *s, const ast_expr *x)
{
    int subscripts = w->subscripts;
    if (!is_pack_function(s, x)) {
        w->subscripts = 0;
        walk(w, s, x->a);
        w->subscripts = subscripts;
    }
    walk_subs(w, s, x->subs, x->count);
    walk(w, s, x->b);
}

static void walk(name_walk *w, names *s, const ast_expr *x)
{
    if (!x)
        return;
    switch (x->kind) {
    case EXPR_NAME:
        if (!w->open && !is_known(w, s, x->name))
            unknown(w, s, x);
        return;
    case EXPR_CALL:
        walk_call(w, s, x);
        return;
    case EXPR_INDEX:
        walk_index(w, s, x);
        return;
    case EXPR_MEMBER:
        walk_member(w, s, x);
        return;
    case EXPR_REDUCE:
        walk_reduce(w, s, x);
        return;
    case EXPR_LIST:
        for (int i = 0; i < x->count; i++)
            walk(w, s, x->items[i]);
        return;
    default:
        walk(w, s, x->a);
        walk(w, s, x->b);
        walk(w, s, x->c);
    }
}

/* ---------- types ---------- */

/* Plain names of sizes are declared by the type that mentions them. */
static void declare_type(name_walk *w, names *s, const ast_type *t)
{
    if (!t)
        return;
    if (t->arg && t->arg->kind == EXPR_NAME)
        add(s, t->arg->name);
    for (int i = 0; i < t->dim_count; i++) {
        if (t->dims[i].is_pack)
            add(s, arena_printf(w->arena, "..%s", t->dims[i].name));
        else if (t->dims[i].expr->kind == EXPR_NAME)
            add(s, t->dims[i].expr->name);
    }
}

static void walk_type_name(name_walk *w, const ast_type *t)
{
    static const struct {
        const char *foreign, *ours;
    } foreign[] = {
        {"float", "real"},  {"double", "real"}, {"f32", "real"},
        {"f64", "real"},    {"integer", "int"}, {"i32", "int"},
        {"i64", "int"},     {"long", "int"},    {"boolean", "bool"},
        {"string", "text"}, {"str", "text"},    {"index", "idx(N)"},
    };
    const char *hint = "";
    if (is_type_name(t->name))
        return;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (!strcmp(foreign[i].foreign, t->name))
            hint = arena_printf(w->arena, "; `%s` is written `%s`", t->name,
                                foreign[i].ours);
    say(w, DIAG_UNKNOWN_NAME, t->name_at,
        arena_printf(w->arena,
                     "no type is called `%s`; there are real, int, bool, "
                     "idx(N), path, text and schedule%s",
                     t->name, hint));
}

static void walk_type(name_walk *w, names *s, const ast_type *t)
{
    if (!t)
        return;
    walk_type_name(w, t);
    walk(w, s, t->arg);
    for (int i = 0; i < t->dim_count; i++)
        if (!t->dims[i].is_pack)
            walk(w, s, t->dims[i].expr);
}

static void declare_params(name_walk *w, names *s, const ast_param *params,
                           int count)
{
    for (int i = 0; i < count; i++)
        declare_type(w, s, params[i].type);
    for (int i = 0; i < count; i++)
        add(s, params[i].name);
    for (int i = 0; i < count; i++) {
        walk_type(w, s, params[i].type);
        walk(w, s, params[i].value);
        if (params[i].interval) {
            walk(w, s, params[i].interval->lo);
            walk(w, s, params[i].interval->hi);
        }
    }
}

/* ---------- statements ---------- */

static void walk_block(name_walk *w, names *s, const ast_block *b);

/* Indices of a left side; an accumulation's may stand within subscripts. */
static void declare_left(name_walk *w, names *in, const names *outer,
                         const ast_expr *x)
{
    if (!x)
        return;
    if (x->kind == EXPR_NAME) {
        if (!is_known(w, outer, x->name))
            add_index(in, x->name);
        return;
    }
    if (x->kind == EXPR_INDEX)
        for (int i = 0; i < x->count; i++)
            if (!x->subs[i].is_pack)
                declare_left(w, in, outer, x->subs[i].expr);
    if (x->kind == EXPR_BINARY || x->kind == EXPR_UNARY) {
        declare_left(w, in, outer, x->a);
        declare_left(w, in, outer, x->b);
    }
    if (x->kind == EXPR_CALL)
        for (int i = 0; i < x->count; i++)
            declare_left(w, in, outer, x->args[i].expr);
}

static names *left_names(name_walk *w, names *s, const ast_stmt *st)
{
    names *in = open_names(w, s);
    for (int i = 0; i < st->sub_count; i++) {
        const ast_sub *sub = &st->subs[i];
        if (sub->is_pack)
            add(in, arena_printf(w->arena, "..%s", sub->name));
        else if (sub->expr->kind == EXPR_NAME && st->kind != STMT_ACCUMULATE)
            add_index(in, sub->expr->name);
        else
            declare_left(w, in, s, sub->expr);
    }
    return in;
}

static const ast_decl *data_block(const lang_module *m, const char *name)
{
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++)
            if (m->files[i]->decls[j]->kind == DECL_DATA &&
                !strcmp(m->files[i]->decls[j]->name, name))
                return m->files[i]->decls[j];
    return NULL;
}

static void add_fields(names *s, const ast_decl *data)
{
    for (int i = 0; data && i < data->body.count; i++)
        if (data->body.stmts[i]->kind == STMT_DEFINE)
            add(s, data->body.stmts[i]->name);
}

/* Without the block nothing is known of its fields. */
static void walk_data(name_walk *w, names *s, const ast_stmt *st)
{
    const ast_decl *d = data_block(w->module, st->name);
    nearest n = {.wanted = st->name};
    add_fields(s, d);
    w->open |= d && d->lost;
    w->open |= !d;
    if (d || lang_is_lost(w->module, st->name))
        return;
    for (int i = 0; i < w->module->file_count; i++)
        for (int j = 0; j < w->module->files[i]->decl_count; j++)
            if (w->module->files[i]->decls[j]->kind == DECL_DATA)
                nearest_add(&n, w->module->files[i]->decls[j]->name);
    say(w, DIAG_UNKNOWN_NAME, st->name_at,
        arena_printf(w->arena, "no data block is called `%s`%s", st->name,
                     nearest_hint(w->arena, &n)));
}

static bool is_word_setting(const name_walk *w, const ast_stmt *st)
{
    bool average = !strcmp(st->name, "average");
    return w->decl->kind == DECL_TRAIN &&
           (average || !strcmp(st->name, "precision")) &&
           (st->value->kind == EXPR_NAME ||
            (average && st->value->kind == EXPR_CALL));
}

static void walk_define(name_walk *w, names *s, const ast_stmt *st)
{
    names *in = st->has_subs ? left_names(w, s, st) : s;
    if (!is_word_setting(w, st))
        walk(w, in, st->value);
    walk_type(w, s, st->type);
    if (st->kind != STMT_UPDATE)
        add(s, st->name);
}

/* What has the step on its left is there after the scan as well. */
static void add_steps(names *s, const char *step, const ast_block *b)
{
    for (int i = 0; i < b->count; i++) {
        const ast_stmt *st = b->stmts[i];
        add_steps(s, step, &st->body);
        add_steps(s, step, &st->else_body);
        for (int k = 0; st->kind == STMT_DEFINE && k < st->sub_count; k++)
            if (!st->subs[k].is_pack && st->subs[k].expr->kind == EXPR_NAME &&
                !strcmp(st->subs[k].expr->name, step))
                add(s, st->name);
    }
}

static void walk_carry(name_walk *w, names *s, const ast_carry *c)
{
    ast_stmt left = {.kind = STMT_DEFINE, .subs = c->subs};
    left.sub_count = c->sub_count;
    walk(w, left_names(w, s, &left), c->value);
}

static void walk_scan(name_walk *w, names *s, const ast_stmt *st)
{
    names *in = open_names(w, s);
    walk(w, s, st->lo);
    walk(w, s, st->hi);
    for (int i = 0; i < st->carry_count; i++)
        walk_carry(w, s, &st->carries[i]);
    for (int i = 0; i < st->carry_count; i++)
        add(s, st->carries[i].name);
    add(in, st->name);
    walk_block(w, in, &st->body);
    add_steps(s, st->name, &st->body);
}

static void walk_for(name_walk *w, names *s, const ast_stmt *st)
{
    walk(w, s, st->lo);
    walk(w, s, st->hi);
    walk(w, s, st->value);
    add(s, st->name);
    walk_block(w, s, &st->body);
}

static void walk_hyper(name_walk *w, names *s, const ast_decl *h)
{
    walk(w, s, h->value);
    add(s, h->name);
}

static void walk_stmt(name_walk *w, names *s, const ast_stmt *st)
{
    switch (st->kind) {
    case STMT_DEFINE:
    case STMT_ACCUMULATE:
    case STMT_UPDATE:
        walk_define(w, s, st);
        return;
    case STMT_DECLARE:
        walk_type(w, s, st->type);
        add(s, st->name);
        return;
    case STMT_UNPACK:
        walk(w, s, st->value);
        for (int i = 0; i < st->name_count; i++)
            add(s, st->names[i].text);
        return;
    case STMT_RETURN:
        for (int i = 0; i < st->value_count; i++)
            walk(w, s, st->values[i]);
        return;
    case STMT_HYPER:
        walk_hyper(w, s, st->decl);
        return;
    case STMT_ASSERT:
        walk(w, s, st->decl->value);
        return;
    case STMT_EXPECT:
        walk(w, s, st->value);
        return;
    case STMT_IF:
        walk(w, s, st->value);
        walk_block(w, s, &st->body);
        walk_block(w, s, &st->else_body);
        return;
    case STMT_FOR_RANGE:
    case STMT_FOR_EACH:
        walk_for(w, s, st);
        return;
    case STMT_SCAN:
        walk_scan(w, s, st);
        return;
    case STMT_SLOT:
        for (int i = 0; i < st->sub_count; i++)
            walk(w, s, st->subs[i].expr);
        walk(w, s, st->value);
        add(s, st->name);
        return;
    case STMT_MODEL:
        walk(w, s, st->value);
        add(s, st->name);
        return;
    case STMT_DATA:
        walk_data(w, s, st);
        return;
    case STMT_METRIC:
        if (!st->has_body)
            walk(w, s, st->value);
        return;
    default:
        return; /* set, freeze, cluster: patterns and words */
    }
}

static void walk_block(name_walk *w, names *s, const ast_block *b)
{
    for (int i = 0; i < b->count; i++)
        walk_stmt(w, s, b->stmts[i]);
}

/* ---------- declarations ---------- */

static void walk_fn(name_walk *w, names *up, const ast_decl *d)
{
    names *s = open_names(w, up);
    declare_params(w, s, d->params, d->param_count);
    for (int i = 0; i < d->result_count; i++)
        declare_type(w, s, d->results[i].type);
    for (int i = 0; i < d->result_count; i++)
        add(s, d->results[i].name);
    for (int i = 0; i < d->result_count; i++)
        walk_type(w, s, d->results[i].type);
    walk_block(w, s, &d->body);
    for (int i = 0; i < d->grad_name_count; i++)
        add(s, d->grad_names[i].text);
    for (int i = 0; d->has_grad && i < d->param_count; i++)
        add(s, arena_printf(w->arena, "d%s", d->params[i].name));
    if (d->has_grad)
        walk_block(w, s, &d->grad_body);
}

static void declare_member(name_walk *w, names *s, const ast_decl *m)
{
    if (m->name)
        add(s, m->name);
    for (int i = 0; i < m->dim_count; i++)
        if (m->dims[i].is_pack)
            add(s, arena_printf(w->arena, "..%s", m->dims[i].name));
    if (m->kind != DECL_FN || m->name)
        return;
    for (int i = 0; i < m->param_count; i++)
        declare_type(w, s, m->params[i].type);
}

static bool is_initialiser(const name_walk *w, const ast_expr *x)
{
    const lang_module *init = lang_library(w->program, "init");
    return x->kind == EXPR_CALL && x->a->kind == EXPR_NAME && init &&
           module_decl(init, x->a->name);
}

static void unknown_initialiser(name_walk *w, const lang_module *init,
                                const ast_expr *x)
{
    nearest n = {.wanted = x->name};
    near_decls(&n, init);
    near_decls(&n, w->module);
    say(w, DIAG_UNKNOWN_NAME, x->at,
        arena_printf(w->arena, "no initialiser is called `%s`%s", x->name,
                     nearest_hint(w->arena, &n)));
}

static void walk_initialiser(name_walk *w, names *s, const ast_expr *x)
{
    const lang_module *init = lang_library(w->program, "init");
    if (!is_initialiser(w, x)) {
        if (init && x->kind == EXPR_CALL && x->a->kind == EXPR_NAME &&
            !is_known(w, s, x->a->name))
            unknown_initialiser(w, init, x->a);
        else
            walk(w, s, x);
        return;
    }
    check_args(w, module_decl(init, x->a->name), x);
    for (int i = 0; i < x->count; i++)
        walk(w, s, x->args[i].expr);
}

static void walk_member_decl(name_walk *w, names *s, const ast_decl *m)
{
    if (m->kind == DECL_FN) {
        walk_fn(w, s, m);
        return;
    }
    for (const ast_when *i = m->when; i; i = i->outer)
        walk(w, s, i->cond);
    for (int i = 0; i < m->dim_count; i++)
        if (!m->dims[i].is_pack)
            walk(w, s, m->dims[i].expr);
    walk(w, s, m->count);
    if (sync_complaint(w->arena, m))
        say(w, DIAG_BAD_SETTING, m->sync_at, sync_complaint(w->arena, m));
    walk(w, s, m->begin);
    if (m->index) {
        s = open_names(w, s);
        add(s, m->index);
    }
    if (m->kind == DECL_PARAM)
        walk_initialiser(w, s, m->value);
    else
        walk(w, s, m->value);
}

static void walk_layer(name_walk *w, const ast_decl *d)
{
    names *s = open_names(w, NULL);
    declare_params(w, s, d->params, d->param_count);
    for (int i = 0; i < d->member_count; i++)
        declare_member(w, s, d->members[i]);
    for (int i = 0; i < d->member_count; i++)
        walk_member_decl(w, s, d->members[i]);
}

static bool updates(const ast_block *body, const char *name)
{
    for (int i = 0; i < body->count; i++) {
        const ast_stmt *st = body->stmts[i];
        if (st->kind == STMT_UPDATE && strcmp(st->name, name) == 0)
            return true;
        if (updates(&st->body, name) || updates(&st->else_body, name))
            return true;
    }
    return false;
}

/* Without it every parameter would silently stay as it is. */
static void check_updates_w(name_walk *w, const ast_decl *d)
{
    if (!d->wrong && !updates(&d->body, "w"))
        say(w, DIAG_MISSING, d->name_at,
            arena_printf(w->arena,
                         "optimizer `%s` never updates w; its last line is "
                         "something like `w <- w - lr * g;`",
                         d->name));
}

static const ast_expr *train_source(const ast_decl *d)
{
    for (int i = 0; i < d->body.count; i++) {
        const ast_stmt *st = d->body.stmts[i];
        if (st->kind == STMT_DEFINE && !strcmp(st->name, "train") &&
            st->value->kind == EXPR_CALL)
            return st->value;
    }
    return NULL;
}

static void walk_body(name_walk *w, const ast_decl *d)
{
    names *s = open_names(w, NULL);
    declare_params(w, s, d->params, d->param_count);
    if (d->kind == DECL_OPTIMIZER) {
        add(s, "w");
        add(s, "g");
        check_updates_w(w, d);
        for (int i = 0; i < d->body.count; i++)
            if (d->body.stmts[i]->kind == STMT_SLOT)
                add(s, d->body.stmts[i]->name);
    }
    if (d->kind == DECL_DATA) {
        add(s, "raw");
        w->in_data = true;
        w->source = train_source(d);
    }
    walk_block(w, s, &d->body);
    w->in_data = false;
}

static void walk_decl(name_walk *w, const ast_decl *d)
{
    w->decl = d;
    w->open = d->lost && map_get(d->lost, "data");
    switch (d->kind) {
    case DECL_FN:
        walk_fn(w, NULL, d);
        return;
    case DECL_LAYER:
    case DECL_MODEL:
        walk_layer(w, d);
        return;
    case DECL_TRAIN:
        walk_body(w, d);
        check_unused(d, w->diags);
        return;
    case DECL_DATA:
    case DECL_OPTIMIZER:
    case DECL_SCHEDULE:
    case DECL_TEST:
        walk_body(w, d);
        return;
    case DECL_HYPER:
    case DECL_ASSERT:
        walk(w, NULL, d->value);
        return;
    default:
        return;
    }
}

static bool is_declaration(const ast_decl *d)
{
    return d->name && d->kind != DECL_TEST && d->kind != DECL_IMPORT &&
           d->kind != DECL_TRAIN && d->kind != DECL_CLUSTER;
}

static void check_twice(name_walk *w, const ast_decl *d, ptl_map *seen)
{
    const ast_decl *first;
    if (!is_declaration(d))
        return;
    first = map_get(seen, d->name);
    if (!first) {
        map_put(seen, d->name, (void *)(uintptr_t)d);
        return;
    }
    say(w, DIAG_REDEFINED, d->name_at,
        arena_printf(w->arena, "`%s` is declared twice", d->name));
    diag_note(w->diags, first->name_at, "the other one is here");
}

bool lang_check_names(const lang_modules *program, const lang_module *module,
                      ptl_diags *diags)
{
    name_walk w = {.diags = diags, .program = program, .module = module};
    int before = diags_error_count(diags);
    ptl_map *seen;
    w.arena = arena_new();
    seen = map_new(w.arena);
    for (int i = 0; i < module->file_count; i++)
        for (int j = 0; module->files[i] && j < module->files[i]->decl_count;
             j++) {
            check_twice(&w, module->files[i]->decls[j], seen);
            walk_decl(&w, module->files[i]->decls[j]);
        }
    arena_free(w.arena);
    return diags_error_count(diags) == before;
}
