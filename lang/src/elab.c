/*
 * elab.c - begins and ends an elaboration, and elaborates test blocks.
 */
#include "elab_priv.h"
#include <string.h>

void elab_init(elab *e, ptl_arena *arena, const lang_modules *program,
               const elab_options *options, ptl_diags *diags)
{
    memset(e, 0, sizeof *e);
    e->arena = arena;
    e->diags = diags;
    e->program = program;
    e->options = options;
    e->out = ARENA_NEW(arena, typed_program);
    e->out->arena = arena;
    e->sites = map_new(arena);
    e->set_used = map_new(arena);
    e->config_keys = map_new(arena);
    e->module_scopes = map_new(arena);
    e->rows = options->rows;
}

/* `seen` holds the number each name was given last. */
static void unique_name(elab *e, ptl_map *seen, ty_tensor *t)
{
    const char *name = t->name;
    int *last = map_get(seen, name);
    while (last && map_get(seen, name))
        name = arena_printf(e->arena, "%s_%d", t->name, ++*last);
    t->name = name;
    last = ARENA_NEW(e->arena, int);
    *last = 1;
    map_put(seen, name, last);
}

static bool is_computed(const ty_tensor *t)
{
    return t->role == TY_VALUE || t->role == TY_LITERAL;
}

/* Two tensors of one name get a number each but the first; what others bind
 * by name keeps its own. */
static void unique_names(elab *e)
{
    ptl_map *seen = map_new(e->arena);
    for (int i = 0; i < e->out->tensors.count; i++)
        if (!is_computed(e->out->tensors.data[i]))
            unique_name(e, seen, e->out->tensors.data[i]);
    for (int i = 0; i < e->out->tensors.count; i++)
        if (is_computed(e->out->tensors.data[i]))
            unique_name(e, seen, e->out->tensors.data[i]);
}

typed_program *elab_finish(elab *e)
{
    typed_program *out = e->out;
    out->settings.config_json =
        arena_printf(e->arena, "{%s}", str_text(&e->config));
    if (e->options->f64)
        out->settings.precision = TYPED_F64;
    str_fini(&e->config);
    if (e->errors)
        return NULL;
    unique_names(e);
    return out;
}

/* ---------- test blocks ---------- */

static ty_tensor *as_condition(elab *e, value *v, bool reduction, src_range at)
{
    ty_expr *x = value_scalar_expr(e, v, at);
    if (!x)
        return NULL;
    if (x->type != TY_BOOL) {
        elab_error(e, DIAG_TYPE_MISMATCH, at,
                   reduction ? "expect wants a bool and this is %s; a "
                               "reduction's body is a term: write `any(k) "
                               "(a > b)` with parentheses"
                             : "expect wants a bool and this is %s",
                   ty_kind_text(x->type));
        return NULL;
    }
    return tensor_define(e, "expect", NULL, 0, x, at);
}

static bool is_number(const value *v)
{
    return v->kind == V_INT || v->kind == V_REAL || v->kind == V_BOOL ||
           ((v->kind == V_EXPR || v->kind == V_TENSOR) && !value_rank(v));
}

/* A comparison; the numbers it is between are kept for the message. */
static value *eval_compared(elab *e, scope *s, const ast_expr *c,
                            typed_expect *out)
{
    value *args[2] = {eval(e, s, c->a), eval(e, s, c->b)};
    if (is_number(args[0]) && is_number(args[1])) {
        ty_expr *a = value_scalar_expr(e, args[0], c->a->at);
        ty_expr *b = value_scalar_expr(e, args[1], c->b->at);
        out->a = a ? tensor_define(e, "got", NULL, 0, a, c->a->at) : NULL;
        out->b = b ? tensor_define(e, "wanted", NULL, 0, b, c->b->at) : NULL;
        out->compared = out->a && out->b;
    }
    return eval_operands(e, c, args);
}

static bool is_comparison(const ast_expr *x)
{
    return x->kind == EXPR_BINARY &&
           (x->op == OP_EQ || x->op == OP_NE || x->op == OP_LT ||
            x->op == OP_GT || x->op == OP_LE || x->op == OP_GE);
}

/* " with k = 2, j = 1": what the indices around are, the innermost first. */
static const char *rounds_text(const elab *e)
{
    ptl_str s = {0};
    for (const for_round *r = e->rounds; r; r = r->outer) {
        if (r->item->kind != V_INT && r->item->kind != V_REAL)
            continue;
        str_printf(&s, "%s%s = ", s.length ? ", " : " with ", r->name);
        if (r->item->kind == V_INT)
            str_printf(&s, "%lld", (long long)r->item->integer);
        else
            str_printf(&s, "%.9g", r->item->real);
    }
    return str_keep(&s, e->arena);
}

void exec_expect(elab *e, scope *s, const ast_stmt *st)
{
    typed_expect x = {.at = st->at, .rounds = rounds_text(e)};
    const ast_expr *c = st->value;
    int mark = e->checks.count;
    bool close = c->kind == EXPR_CALL && c->a->kind == EXPR_NAME &&
                 !strcmp(c->a->name, "close") && !scope_find(s, "close");
    value *v = close              ? eval_close(e, s, c, &x)
               : is_comparison(c) ? eval_compared(e, s, c, &x)
                                  : eval(e, s, c);
    if (v->kind == V_ERROR || !checks_run(e, mark))
        return;
    x.cond = as_condition(e, v, c->kind == EXPR_REDUCE, c->at);
    if (x.cond)
        vec_push(e->arena, &e->out->expects, x);
}

void exec_test_model(elab *e, scope *s, const ast_stmt *st)
{
    if (may_define(e, s, st))
        scope_bind(e, s, st->name, construct(e, s, st->value, st->name),
                   st->name_at);
}

static void run_test(elab *e, const lang_module *m, const ast_decl *test)
{
    frame *f = frame_push(e, FRAME_TEST, m, NULL, (src_range){0});
    scope *s;
    if (!f)
        return;
    f->site = "test";
    e->lost = test->lost;
    e->errors += test->wrong;
    s = scope_new(e, module_scope(e, m), f);
    for (int i = 0; i < test->body.count; i++)
        exec(e, s, test->body.stmts[i]);
    check_applied(e);
    frame_pop(e);
}

typed_program *elab_test(ptl_arena *arena, const lang_modules *program,
                         const lang_module *module, const ast_decl *test,
                         const elab_options *options, ptl_diags *diags)
{
    elab e;
    elab_init(&e, arena, program, options, diags);
    e.test = true;
    e.training = value_bool(&e, false, (src_range){0});
    run_test(&e, module, test);
    return elab_finish(&e);
}
