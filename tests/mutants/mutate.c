/*
 * mutate.c - see mutate.h. A walk over the tree; what is replaced are bytes of
 * the text, so a mutant is the file as its author would have mistyped it.
 */
#include "mutate.h"
#include <ctype.h>
#include <string.h>

typedef struct name_list {
    VEC(const char *) names;
} name_list;

typedef struct mutating {
    ptl_arena *arena;
    mutant_list *out;
    const ast_decl *decl;
    name_list indices; /* of the statement: left side and binders */
} mutating;

static const char *const texts[] = {
#define RULE(name, text, summary) text,
#include "rules.def"
};

static const char *const summaries[] = {
#define RULE(name, text, summary) summary,
#include "rules.def"
};

const char *mutant_rule_text(mutant_rule rule)
{
    return texts[rule];
}

const char *mutant_rule_summary(mutant_rule rule)
{
    return summaries[rule];
}

/* ---------- text ---------- */

static const char *text_of(mutating *w, src_range at)
{
    return arena_strndup(w->arena, at.file->text + at.begin, at.end - at.begin);
}

static void add(mutating *w, mutant_rule rule, src_range at, const char *text)
{
    mutant m = {rule, at, text, w->decl};
    if (strcmp(text, text_of(w, at)) != 0)
        vec_push(w->arena, w->out, m);
}

static void swap(mutating *w, mutant_rule rule, src_range a, src_range b)
{
    src_range gap = {a.file, a.end, b.begin};
    if (strcmp(text_of(w, a), text_of(w, b)) != 0)
        add(w, rule, src_join(a, b),
            arena_printf(w->arena, "%s%s%s", text_of(w, b), text_of(w, gap),
                         text_of(w, a)));
}

static void swap_subs(mutating *w, mutant_rule rule, const ast_sub *subs,
                      int count)
{
    for (int i = 0; i + 1 < count; i++)
        swap(w, rule, subs[i].at, subs[i + 1].at);
}

/* ---------- expressions ---------- */

static void expr(mutating *w, const ast_expr *x, bool subscript);

static bool is_index(const mutating *w, const char *name)
{
    for (int i = 0; i < w->indices.names.count; i++)
        if (!strcmp(w->indices.names.data[i], name))
            return true;
    return false;
}

/* The index that was introduced after `x`. */
static void other_axis(mutating *w, const ast_expr *x)
{
    int count = w->indices.names.count;
    for (int i = 0; i < count; i++)
        if (!strcmp(w->indices.names.data[i], x->name)) {
            add(w, RULE_AXIS, x->at, w->indices.names.data[(i + 1) % count]);
            return;
        }
}

static void number(mutating *w, const ast_expr *x)
{
    double other = x->real < 0.6 ? 1.5 * x->real : 0.8 * x->real;
    if (x->kind == EXPR_INT)
        add(w, RULE_NUMBER, x->at,
            arena_printf(w->arena, "%lld", (long long)x->integer + 1));
    else
        add(w, RULE_NUMBER, x->at,
            x->real == 0 ? "1.0" : arena_printf(w->arena, "%.6g", other));
}

static void subscripts(mutating *w, const ast_sub *subs, int count)
{
    swap_subs(w, RULE_SWAP, subs, count);
    for (int i = 0; i < count; i++) {
        const ast_expr *x = subs[i].expr;
        if (!x)
            continue;
        expr(w, x, true);
        if (x->kind == EXPR_CALL || x->kind == EXPR_INT)
            continue;
        add(w, RULE_OFFSET, x->at,
            arena_printf(w->arena, "%s + 1", text_of(w, x->at)));
        add(w, RULE_OFFSET, x->at,
            arena_printf(w->arena, "%s - 1", text_of(w, x->at)));
    }
}

static void read_of(mutating *w, const ast_expr *x)
{
    subscripts(w, x->subs, x->count);
    if (x->b) {
        uint32_t last = x->subs[x->count - 1].at.end;
        add(w, RULE_OUTSIDE, (src_range){x->at.file, last, x->b->at.end}, "");
        add(w, RULE_OUTSIDE, x->b->at,
            x->b->kind == EXPR_INT && x->b->integer == 0 ? "1" : "0");
    }
}

static ast_reduction another(ast_reduction r)
{
    switch (r) {
    case RED_SUM:
        return RED_MEAN;
    case RED_MAX:
        return RED_MIN;
    case RED_ARGMAX:
        return RED_ARGMIN;
    case RED_ARGMIN:
        return RED_ARGMAX;
    case RED_ANY:
        return RED_ALL;
    case RED_ALL:
        return RED_ANY;
    case RED_LSE:
    case RED_MIN:
        return RED_MAX;
    default:
        return RED_SUM;
    }
}

static void binder(mutating *w, const ast_expr *x, int i)
{
    const ast_binder *b = &x->binders[i];
    src_range at = b->at;
    if (x->count > 1) {
        if (i + 1 < x->count)
            at.end = x->binders[i + 1].at.begin;
        else
            at.begin = x->binders[i - 1].at.end;
        add(w, RULE_BINDER, at, "");
    }
    if (!b->lo)
        return;
    add(w, RULE_RANGE, b->lo->at,
        arena_printf(w->arena, "%s + 1", text_of(w, b->lo->at)));
    add(w, RULE_RANGE, b->hi->at,
        arena_printf(w->arena, "%s + 1", text_of(w, b->hi->at)));
    add(w, RULE_RANGE, b->hi->at,
        arena_printf(w->arena, "%s - 1", text_of(w, b->hi->at)));
}

static void reduction(mutating *w, const ast_expr *x)
{
    int before = w->indices.names.count;
    for (int i = 0; i < x->count; i++) {
        binder(w, x, i);
        if (!x->binders[i].is_pack)
            vec_push(w->arena, &w->indices.names, x->binders[i].name);
    }
    add(w, RULE_REDUCTION, x->mark, ast_reduction_text(another(x->reduction)));
    if (x->b)
        add(w, RULE_FILTER,
            (src_range){x->at.file, x->binders[x->count - 1].at.end,
                        x->b->at.end},
            "");
    expr(w, x->b, false);
    expr(w, x->a, false);
    w->indices.names.count = before;
}

static const char *another_operator(ast_op op)
{
    switch (op) {
    case OP_ADD:
        return "-";
    case OP_SUB:
        return "+";
    case OP_MUL:
        return "/";
    case OP_DIV:
    case OP_POW:
    case OP_MOD:
        return "*";
    case OP_LT:
        return "<=";
    case OP_LE:
        return "<";
    case OP_GT:
        return ">=";
    case OP_GE:
        return ">";
    case OP_EQ:
        return "!=";
    case OP_NE:
        return "==";
    case OP_AND:
        return "||";
    case OP_OR:
        return "&&";
    default:
        return "";
    }
}

static void operation(mutating *w, const ast_expr *x, bool subscript)
{
    bool sign = subscript && (x->op == OP_ADD || x->op == OP_SUB);
    add(w, sign ? RULE_SIGN : RULE_OPERATOR, x->mark, another_operator(x->op));
    expr(w, x->a, subscript);
    expr(w, x->b, subscript);
}

/* The order of their arguments says nothing. */
static bool is_symmetric(const ast_expr *callee)
{
    return callee->kind == EXPR_NAME && (!strcmp(callee->name, "maximum") ||
                                         !strcmp(callee->name, "minimum"));
}

static void call(mutating *w, const ast_expr *x, bool subscript)
{
    bool symmetric = is_symmetric(x->a);
    for (int i = 0; i < x->count; i++) {
        expr(w, x->args[i].expr, subscript);
        if (i + 1 < x->count && !symmetric && !x->args[i].name &&
            !x->args[i + 1].name)
            swap(w, RULE_ARGUMENT, x->args[i].expr->at,
                 x->args[i + 1].expr->at);
    }
}

static void expr(mutating *w, const ast_expr *x, bool subscript)
{
    if (!x)
        return;
    switch (x->kind) {
    case EXPR_NAME:
        if (subscript && is_index(w, x->name))
            other_axis(w, x);
        return;
    case EXPR_INT:
    case EXPR_REAL:
        number(w, x);
        return;
    case EXPR_BOOL:
        add(w, RULE_NUMBER, x->at, x->integer ? "false" : "true");
        return;
    case EXPR_INDEX:
        expr(w, x->a, false);
        read_of(w, x);
        return;
    case EXPR_REDUCE:
        reduction(w, x);
        return;
    case EXPR_UNARY:
        add(w, RULE_OPERATOR, x->mark, "");
        expr(w, x->a, subscript);
        return;
    case EXPR_BINARY:
        operation(w, x, subscript);
        return;
    case EXPR_COND:
        expr(w, x->a, false);
        expr(w, x->b, subscript);
        expr(w, x->c, subscript);
        swap(w, RULE_BRANCH, x->b->at, x->c->at);
        return;
    case EXPR_CALL:
        call(w, x, subscript);
        return;
    case EXPR_LIST:
        for (int i = 0; i < x->count; i++)
            expr(w, x->items[i], false);
        return;
    default:
        return;
    }
}

/* ---------- statements and declarations ---------- */

static void sizes(mutating *w, const ast_sub *dims, int count)
{
    swap_subs(w, RULE_SHAPE, dims, count);
    for (int i = 0; i < count; i++)
        expr(w, dims[i].expr, false);
}

static void type(mutating *w, const ast_type *t)
{
    if (t)
        sizes(w, t->dims, t->dim_count);
}

static void block(mutating *w, const ast_block *b);

static void statement(mutating *w, const ast_stmt *s)
{
    w->indices.names.count = 0;
    for (int i = 0; i < s->sub_count; i++)
        if (s->subs[i].expr && s->subs[i].expr->kind == EXPR_NAME)
            vec_push(w->arena, &w->indices.names, s->subs[i].expr->name);
    swap_subs(w, RULE_SWAP, s->subs, s->sub_count);
    if (s->kind == STMT_ACCUMULATE)
        for (int i = 0; i < s->sub_count; i++)
            expr(w, s->subs[i].expr, true);
    type(w, s->type);
    for (int i = 0; i < s->carry_count; i++)
        expr(w, s->carries[i].value, false);
    expr(w, s->value, false);
    for (int i = 0; i < s->value_count; i++)
        expr(w, s->values[i], false);
    expr(w, s->lo, false);
    expr(w, s->hi, false);
    if (s->kind == STMT_UPDATE || s->kind == STMT_ASSERT)
        add(w, RULE_STATEMENT, s->at, "");
    block(w, &s->body);
    block(w, &s->else_body);
}

static void block(mutating *w, const ast_block *b)
{
    for (int i = 0; i < b->count; i++)
        statement(w, b->stmts[i]);
}

static void params(mutating *w, const ast_param *p, int count)
{
    for (int i = 0; i < count; i++) {
        type(w, p[i].type);
        expr(w, p[i].value, false);
    }
}

static void declaration(mutating *w, const ast_decl *d)
{
    w->indices.names.count = 0;
    params(w, d->params, d->param_count);
    params(w, d->results, d->result_count);
    sizes(w, d->dims, d->dim_count);
    expr(w, d->count, false);
    expr(w, d->value, false);
    if (d->kind == DECL_ASSERT)
        add(w, RULE_STATEMENT, d->at, "");
    for (int i = 0; i < d->member_count; i++)
        declaration(w, d->members[i]);
    block(w, &d->body);
    block(w, &d->grad_body);
}

void mutate_file(ptl_arena *arena, const ast_file *file, mutant_list *out)
{
    mutating w = {.arena = arena, .out = out};
    for (int i = 0; i < file->decl_count; i++) {
        w.decl = file->decls[i];
        if (w.decl->kind != DECL_TEST && w.decl->kind != DECL_IMPORT)
            declaration(&w, w.decl);
    }
}

/* ---------- as text ---------- */

const char *mutant_source(ptl_arena *arena, const mutant *m)
{
    const src_file *f = m->at.file;
    return arena_printf(arena, "%.*s%s%s", (int)m->at.begin, f->text, m->text,
                        f->text + m->at.end);
}

static const char *squeezed(ptl_arena *arena, const char *text)
{
    char *line = arena_strdup(arena, text);
    size_t n = 0;
    for (; *text; text++)
        if (!isspace((unsigned char)*text))
            line[n++] = *text;
        else if (n > 0 && line[n - 1] != ' ')
            line[n++] = ' ';
    n -= n > 0 && line[n - 1] == ' ';
    line[n] = '\0';
    return line;
}

const char *mutant_change(ptl_arena *arena, const mutant *m)
{
    const char *text = m->at.file->text;
    uint32_t begin = m->at.begin, end = m->at.end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    while (text[end] && text[end] != '\n')
        end++;
    const char *before = arena_strndup(arena, text + begin, end - begin);
    const char *after = arena_printf(
        arena, "%.*s%s%.*s", (int)(m->at.begin - begin), text + begin, m->text,
        (int)(end - m->at.end), text + m->at.end);
    after = squeezed(arena, after);
    return arena_printf(arena, "%s => %s", squeezed(arena, before),
                        *after ? after : "(nothing)");
}
