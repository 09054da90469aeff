/*
 * elab_stmt.c - statements: text, asserts, static control flow; what defines
 * or updates lies in elab_define.c and elab_update.c.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- text with {names} ---------- */

static void add_value_text(elab *e, ptl_str *out, value *v, src_range at)
{
    switch (v->kind) {
    case V_INT:
        str_add(out, size_text(e, v->integer));
        break;
    case V_REAL:
        str_printf(out, "%g", v->real);
        break;
    case V_BOOL:
        str_add(out, v->integer ? "true" : "false");
        break;
    case V_STRING:
    case V_WORD:
        str_add(out, v->text);
        break;
    case V_ERROR:
        break;
    default:
        elab_error(e, DIAG_NOT_STATIC, at,
                   "text can hold numbers and text, and this is %s",
                   value_text(e, v));
    }
}

const char *interpolate(elab *e, scope *s, const char *text, src_range at)
{
    ptl_str out = {0};
    const char *done;
    if (!strchr(text, '{'))
        return text;
    for (const char *c = text; *c; c++) {
        const char *end = *c == '{' ? strchr(c, '}') : NULL;
        if (!end) {
            str_addc(&out, *c);
            continue;
        }
        ast_expr name = {.kind = EXPR_NAME, .depth = 1, .at = at, .mark = at};
        name.name = arena_strndup(e->arena, c + 1, (size_t)(end - c - 1));
        add_value_text(e, &out, lookup_name(e, s, &name), at);
        c = end;
    }
    done = str_keep(&out, e->arena);
    return done;
}

void exec_assert(elab *e, scope *s, const ast_decl *a)
{
    value *v = eval(e, s, a->value);
    know_condition(e, s, a->value, true);
    const char *text = a->message ? interpolate(e, s, a->message, a->message_at)
                                  : "this assert does not hold";
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_BOOL)
        elab_error(e, DIAG_NOT_STATIC, a->value->at,
                   "assert wants a condition known when the program is "
                   "compiled, and this is %s",
                   value_text(e, v));
    else if (!v->integer && !e->generic) /* there it is a fact */
        elab_error(e, DIAG_ASSERT_FAILED, a->value->at, "%s", text);
}

/* ---------- control flow ---------- */

static void exec_block(elab *e, scope *s, const ast_block *body)
{
    e->frame->static_depth++;
    for (int i = 0; i < body->count && !e->frame->returned; i++)
        exec(e, s, body->stmts[i]);
    e->frame->static_depth--;
}

static void refuse_condition(elab *e, src_range at, value *v,
                             const char *instead)
{
    bool number = v->kind == V_INT || v->kind == V_REAL;
    if (v->kind == V_TENSOR || v->kind == V_EXPR)
        elab_error(e, DIAG_NOT_STATIC, at,
                   "`if` chooses when the program is compiled and this is "
                   "%s; %s",
                   value_text(e, v), instead);
    else
        elab_error(e, DIAG_TYPE_MISMATCH, at,
                   "`if` wants a bool and this is %s%s", value_text(e, v),
                   number ? "; compare it, as in `n > 0`" : "");
}

bool eval_static_if(elab *e, scope *s, const ast_expr *cond,
                    const char *instead, bool *taken)
{
    value *v = eval(e, s, cond);
    if (v->kind == V_BOOL)
        *taken = v->integer;
    else if (v->kind != V_ERROR)
        refuse_condition(e, cond->at, v, instead);
    return v->kind == V_BOOL;
}

static void exec_if(elab *e, scope *s, const ast_stmt *st)
{
    bool taken;
    known_facts known;
    if (!eval_static_if(e, s, st->value, CHOOSE_BY_ELEMENT, &taken))
        return;
    known = know_condition(e, s, st->value, taken);
    if (taken)
        exec_block(e, s, &st->body);
    else if (st->has_else)
        exec_block(e, s, &st->else_body);
    forget_conditions(e, known);
}

static void exec_loop_body(elab *e, scope *s, const ast_stmt *st, value *item)
{
    binding *old = scope_own(s, st->name);
    binding saved = old ? *old : (binding){0};
    binding *b = scope_bind(e, s, st->name, item, st->name_at);
    const for_round round = {e->rounds, st->name, item};
    e->rounds = &round;
    exec_block(e, s, &st->body);
    e->rounds = round.outer;
    if (old)
        *b = saved;
}

enum { MAX_TRIPS = 100000 };

static void exec_for_range(elab *e, scope *s, const ast_stmt *st)
{
    int64_t from, to, lo, hi, trip;
    int before = e->errors;
    if (!eval_int(e, s, st->lo, "the begin of a for", &from) ||
        !eval_int(e, s, st->hi, "the end of a for", &to))
        return;
    lo = size_counted(e, from);
    hi = size_counted(e, to);
    if (hi > lo && (uint64_t)hi - (uint64_t)lo > MAX_TRIPS) {
        elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                   "`for` is unrolled and runs at most %d times", MAX_TRIPS);
        return;
    }
    trip = size_between(e, st->name, from, to);
    for (int64_t i = lo; i < hi && !e->frame->returned; i++) {
        size_take(e, trip, i);
        exec_loop_body(e, s, st, value_int(e, trip ? trip : i, st->name_at));
        if (e->errors != before)
            return;
    }
}

static void exec_for_each(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    int before = e->errors;
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_INSTANCES && v->kind != V_LIST) {
        elab_error(e, DIAG_NOT_STATIC, st->value->at,
                   "`for` runs over layers (`use b[n] = ...`), a list, or "
                   "a..b, and this is %s",
                   value_text(e, v));
        return;
    }
    for (int i = 0; i < v->count && !e->frame->returned; i++) {
        exec_loop_body(e, s, st, v->items[i]);
        if (e->errors != before)
            return;
    }
}

static void exec_return(elab *e, scope *s, const ast_stmt *st)
{
    value *v;
    if (e->frame->kind == FRAME_TRAIN || e->frame->kind == FRAME_TEST ||
        e->frame->kind == FRAME_DATA) {
        elab_error(e, DIAG_MISPLACED, st->at,
                   "`return` stands in functions and layers");
        return;
    }
    if (st->value_count == 1) {
        v = eval(e, s, st->values[0]);
        if (v->kind == V_LIST)
            v = value_settle(e, v);
        if (v->kind == V_EXPR && !tx_open(e, v->expr, v->vars, v->rank) &&
            !(v->rank == 0 && is_rank_zero_leaf(v->expr))) {
            ty_tensor *t = value_materialise(e, v, "result", st->at);
            if (t)
                t->borrowed = true;
            v = t ? value_tensor(e, t, st->values[0]->at) : value_error(e);
        }
    } else {
        v = value_new(e, V_TUPLE, st->at);
        v->count = st->value_count;
        v->items = ARENA_ARRAY(e->arena, value *, v->count + 1);
        for (int i = 0; i < v->count; i++)
            v->items[i] = eval(e, s, st->values[i]);
    }
    e->frame->result = v;
    e->frame->returned = true;
}

static void exec_unpack(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    if (v->kind != V_ERROR &&
        (v->kind != V_TUPLE || v->count != st->name_count))
        v = elab_error(e, DIAG_BAD_ARGUMENT, st->value->at,
                       "%d results are wanted and this is %s", st->name_count,
                       value_text(e, v));
    for (int i = 0; i < st->name_count; i++) {
        ast_stmt one = {.name = st->names[i].text, .name_at = st->names[i].at};
        value *item = v->kind == V_TUPLE ? v->items[i] : v;
        if (!may_define(e, s, &one))
            continue;
        if (item->kind == V_TENSOR)
            rename_borrowed(e, one.name, item->tensor);
        scope_bind(e, s, one.name, item, one.name_at);
    }
}

static void misplaced(elab *e, const ast_stmt *st)
{
    elab_error(e, DIAG_MISPLACED, st->at, "`%s` has no meaning here",
               ast_stmt_kind_text(st->kind));
}

void exec(elab *e, scope *s, const ast_stmt *st)
{
    if (++e->statements > ELAB_MAX_STATEMENTS) {
        if (e->statements == ELAB_MAX_STATEMENTS + 1)
            elab_error(e, DIAG_INTERNAL_LIMIT, st->at,
                       "more than %d statements are carried out when this "
                       "program is unrolled",
                       ELAB_MAX_STATEMENTS);
        e->errors++;
        e->frame->returned = true;
        return;
    }
    switch (st->kind) {
    case STMT_DEFINE:
        exec_define(e, s, st);
        return;
    case STMT_DECLARE:
        exec_declare(e, s, st);
        return;
    case STMT_ACCUMULATE:
        exec_accumulate(e, s, st);
        return;
    case STMT_UPDATE:
        exec_update(e, s, st);
        return;
    case STMT_UNPACK:
        exec_unpack(e, s, st);
        return;
    case STMT_RETURN:
        exec_return(e, s, st);
        return;
    case STMT_HYPER:
        exec_hyper(e, s, st->decl, e->frame->key);
        return;
    case STMT_ASSERT:
        exec_assert(e, s, st->decl);
        return;
    case STMT_IF:
        exec_if(e, s, st);
        return;
    case STMT_FOR_RANGE:
        exec_for_range(e, s, st);
        return;
    case STMT_FOR_EACH:
        exec_for_each(e, s, st);
        return;
    case STMT_SCAN:
        exec_scan(e, s, st);
        return;
    case STMT_EXPECT:
    case STMT_MODEL:
        if (e->frame->kind != FRAME_TEST || e->scan)
            misplaced(e, st);
        else if (st->kind == STMT_EXPECT)
            exec_expect(e, s, st);
        else
            exec_test_model(e, s, st);
        return;
    default:
        misplaced(e, st);
    }
}
