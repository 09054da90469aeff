/*
 * ast_print.c - the syntax tree as PTL again, one form for one tree.
 *
 * Every operand that is an operation or a reduction gets parentheses of its
 * own, so the form shows how the text was read: `sum(k) a[k] * b[k] + c` is
 * printed as `(sum(k) (a[k] * b[k])) + c`.
 */
#include "lang/ast.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct printer {
    ptl_str *out;
    int indent;
} printer;

static void print_expr(const ast_expr *e, ptl_str *out);

/* ---------- expressions ---------- */

/* Needs no parentheses wherever it stands. */
static bool is_tight(const ast_expr *e)
{
    switch (e->kind) {
    case EXPR_UNARY:
    case EXPR_BINARY:
    case EXPR_COND:
    case EXPR_REDUCE:
    case EXPR_RANGE:
        return false;
    default:
        return true;
    }
}

static void print_operand(const ast_expr *e, ptl_str *out)
{
    if (is_tight(e)) {
        print_expr(e, out);
        return;
    }
    str_addc(out, '(');
    print_expr(e, out);
    str_addc(out, ')');
}

/* The fewest digits that read back as the same number, with a point. */
static void print_real(double value, ptl_str *out)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) /* exact: the same bits or not */
            break;
    }
    str_add(out, text);
    if (!strpbrk(text, ".e"))
        str_add(out, ".0");
}

static void print_string(const char *text, ptl_str *out)
{
    str_addc(out, '"');
    for (; *text; text++)
        switch (*text) {
        case '\n':
            str_add(out, "\\n");
            break;
        case '\t':
            str_add(out, "\\t");
            break;
        case '"':
        case '\\':
            str_addc(out, '\\');
            str_addc(out, *text);
            break;
        default:
            str_addc(out, *text);
        }
    str_addc(out, '"');
}

static void print_subs(const ast_sub *subs, int count, ptl_str *out)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            str_add(out, ", ");
        if (subs[i].is_pack)
            str_printf(out, "..%s", subs[i].name);
        else
            print_expr(subs[i].expr, out);
    }
}

static void print_args(const ast_expr *call, ptl_str *out)
{
    for (int i = 0; i < call->count; i++) {
        if (i > 0)
            str_add(out, ", ");
        if (call->args[i].name)
            str_printf(out, "%s = ", call->args[i].name);
        print_expr(call->args[i].expr, out);
    }
}

static void print_reduce(const ast_expr *e, ptl_str *out)
{
    str_printf(out, "%s(", ast_reduction_text(e->reduction));
    for (int i = 0; i < e->count; i++) {
        const ast_binder *b = &e->binders[i];
        str_printf(out, "%s%s%s", i > 0 ? ", " : "", b->is_pack ? ".." : "",
                   b->name);
        if (!b->lo)
            continue;
        str_add(out, " in ");
        print_operand(b->lo, out);
        str_add(out, "..");
        print_operand(b->hi, out);
    }
    if (e->b) {
        str_add(out, " if ");
        print_expr(e->b, out);
    }
    str_add(out, ") ");
    print_operand(e->a, out);
}

static void print_items(const ast_expr *list, ptl_str *out)
{
    for (int i = 0; i < list->count; i++) {
        if (i > 0)
            str_add(out, ", ");
        print_expr(list->items[i], out);
    }
}

static void print_expr(const ast_expr *e, ptl_str *out)
{
    switch (e->kind) {
    case EXPR_NAME:
        str_add(out, e->name);
        break;
    case EXPR_INT:
        str_printf(out, "%lld", (long long)e->integer);
        break;
    case EXPR_REAL:
        print_real(e->real, out);
        break;
    case EXPR_STRING:
        print_string(e->name, out);
        break;
    case EXPR_BOOL:
        str_add(out, e->integer ? "true" : "false");
        break;
    case EXPR_QUANTITY:
        print_expr(e->a, out);
        str_printf(out, " %s", e->name);
        break;
    case EXPR_WORD:
        str_add(out, ast_reduction_text(e->reduction));
        break;
    case EXPR_UNARY:
        str_add(out, ast_op_text(e->op));
        print_operand(e->a, out);
        break;
    case EXPR_BINARY:
        print_operand(e->a, out);
        str_printf(out, " %s ", ast_op_text(e->op));
        print_operand(e->b, out);
        break;
    case EXPR_COND:
        print_operand(e->a, out);
        str_add(out, " ? ");
        print_operand(e->b, out);
        str_add(out, " : ");
        print_operand(e->c, out);
        break;
    case EXPR_CALL:
        print_operand(e->a, out);
        str_addc(out, '(');
        print_args(e, out);
        str_addc(out, ')');
        break;
    case EXPR_INDEX:
        print_operand(e->a, out);
        str_addc(out, '[');
        print_subs(e->subs, e->count, out);
        if (e->b) {
            str_add(out, " else ");
            print_expr(e->b, out);
        }
        str_addc(out, ']');
        break;
    case EXPR_MEMBER: {
        /* `1.epoch` would read as a number that lost its digits. */
        bool number = e->a->kind == EXPR_INT || e->a->kind == EXPR_REAL;
        if (number)
            str_addc(out, '(');
        print_operand(e->a, out);
        str_printf(out, "%s.%s", number ? ")" : "", e->name);
        break;
    }
    case EXPR_REDUCE:
        print_reduce(e, out);
        break;
    case EXPR_LIST:
        str_addc(out, '[');
        print_items(e, out);
        str_addc(out, ']');
        break;
    case EXPR_RANGE:
        print_operand(e->a, out);
        str_add(out, "..");
        print_operand(e->b, out);
        break;
    case EXPR_COUNT:
        break;
    }
}

void ast_print_expr(const ast_expr *expr, ptl_str *out)
{
    print_expr(expr, out);
}

void ast_print_type(const ast_type *type, ptl_str *out)
{
    str_add(out, type->name);
    if (type->arg) {
        str_addc(out, '(');
        print_expr(type->arg, out);
        str_addc(out, ')');
    }
    if (type->has_dims) {
        str_addc(out, '[');
        print_subs(type->dims, type->dim_count, out);
        str_addc(out, ']');
    }
}

/* ---------- statements ---------- */

static void new_line(printer *p)
{
    str_addc(p->out, '\n');
    for (int i = 0; i < p->indent; i++)
        str_add(p->out, "    ");
}

static void print_stmt(printer *p, const ast_stmt *s);

static void print_block(printer *p, const ast_block *block)
{
    str_add(p->out, " {");
    p->indent++;
    for (int i = 0; i < block->count; i++) {
        new_line(p);
        print_stmt(p, block->stmts[i]);
    }
    p->indent--;
    new_line(p);
    str_addc(p->out, '}');
}

static void print_assigned(printer *p, const char *sign, const ast_expr *value)
{
    str_printf(p->out, " %s ", sign);
    print_expr(value, p->out);
    str_addc(p->out, ';');
}

static void print_lhs(printer *p, const ast_stmt *s)
{
    str_add(p->out, s->name);
    if (s->has_subs) {
        str_addc(p->out, '[');
        print_subs(s->subs, s->sub_count, p->out);
        str_addc(p->out, ']');
    }
    if (s->type) {
        str_add(p->out, ": ");
        ast_print_type(s->type, p->out);
    }
}

static void print_names(printer *p, const ast_name *names, int count,
                        bool quoted)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            str_add(p->out, ", ");
        if (quoted)
            print_string(names[i].text, p->out);
        else
            str_add(p->out, names[i].text);
    }
}

static void print_range(printer *p, const ast_stmt *s)
{
    print_operand(s->lo, p->out);
    str_add(p->out, "..");
    print_operand(s->hi, p->out);
}

static void print_scan(printer *p, const ast_stmt *s)
{
    str_printf(p->out, "scan %s in ", s->name);
    print_range(p, s);
    str_add(p->out, " from ");
    for (int i = 0; i < s->carry_count; i++) {
        const ast_carry *c = &s->carries[i];
        str_printf(p->out, "%s%s[", i > 0 ? ", " : "", c->name);
        print_subs(c->subs, c->sub_count, p->out);
        str_add(p->out, "] = ");
        print_expr(c->value, p->out);
    }
    print_block(p, &s->body);
}

static void print_if(printer *p, const ast_stmt *s)
{
    str_add(p->out, "if ");
    print_expr(s->value, p->out);
    print_block(p, &s->body);
    if (!s->has_else)
        return;
    str_add(p->out, " else");
    const ast_block *other = &s->else_body;
    /* `else if` shares its block's range with the one statement in it. */
    if (other->count == 1 && other->stmts[0]->kind == STMT_IF &&
        other->at.begin == other->stmts[0]->at.begin) {
        str_addc(p->out, ' ');
        print_if(p, other->stmts[0]);
        return;
    }
    print_block(p, other);
}

static void print_policy(printer *p, const ast_stmt *s)
{
    str_printf(p->out, "on %s = ", s->name);
    print_expr(s->value, p->out);
    if (s->policy != POLICY_ONE) {
        str_add(p->out, s->policy == POLICY_THEN ? " then " : " else ");
        print_expr(s->other, p->out);
    }
    str_addc(p->out, ';');
}

static void print_decl(printer *p, const ast_decl *d);

static void print_return(printer *p, const ast_stmt *s)
{
    str_add(p->out, "return ");
    for (int i = 0; i < s->value_count; i++) {
        if (i > 0)
            str_add(p->out, ", ");
        print_expr(s->values[i], p->out);
    }
    str_addc(p->out, ';');
}

static void print_stmt(printer *p, const ast_stmt *s)
{
    switch (s->kind) {
    case STMT_SLOT:
        str_add(p->out, "slot ");
        print_lhs(p, s);
        print_assigned(p, "=", s->value);
        break;
    case STMT_DEFINE:
    case STMT_SETTING:
        print_lhs(p, s);
        print_assigned(p, "=", s->value);
        break;
    case STMT_DECLARE:
        print_lhs(p, s);
        str_addc(p->out, ';');
        break;
    case STMT_ACCUMULATE:
        print_lhs(p, s);
        print_assigned(p, "+=", s->value);
        break;
    case STMT_UPDATE:
        print_lhs(p, s);
        print_assigned(p, "<-", s->value);
        break;
    case STMT_UNPACK:
        str_addc(p->out, '(');
        print_names(p, s->names, s->name_count, false);
        str_addc(p->out, ')');
        print_assigned(p, "=", s->value);
        break;
    case STMT_RETURN:
        print_return(p, s);
        break;
    case STMT_HYPER:
    case STMT_ASSERT:
        print_decl(p, s->decl);
        break;
    case STMT_EXPECT:
        str_add(p->out, "expect ");
        print_expr(s->value, p->out);
        str_addc(p->out, ';');
        break;
    case STMT_IF:
        print_if(p, s);
        break;
    case STMT_FOR_RANGE:
        str_printf(p->out, "for %s in ", s->name);
        print_range(p, s);
        print_block(p, &s->body);
        break;
    case STMT_FOR_EACH:
        str_printf(p->out, "for %s in ", s->name);
        print_expr(s->value, p->out);
        print_block(p, &s->body);
        break;
    case STMT_SCAN:
        print_scan(p, s);
        break;
    case STMT_MODEL:
        str_printf(p->out, "model %s", s->name);
        print_assigned(p, "=", s->value);
        break;
    case STMT_DATA:
        str_printf(p->out, "data %s;", s->name);
        break;
    case STMT_METRIC:
        str_printf(p->out, "metric %s", s->name);
        if (s->has_body)
            print_block(p, &s->body);
        else
            print_assigned(p, "=", s->value);
        break;
    case STMT_SET:
        str_add(p->out, "set ");
        print_names(p, s->names, s->name_count, true);
        print_block(p, &s->body);
        break;
    case STMT_FREEZE:
        str_add(p->out, "freeze ");
        print_names(p, s->names, s->name_count, true);
        str_addc(p->out, ';');
        break;
    case STMT_ON:
        print_policy(p, s);
        break;
    case STMT_COUNT:
        break;
    }
}

/* ---------- declarations ---------- */

static void print_doc(printer *p, const char *doc)
{
    while (doc) {
        size_t length = strcspn(doc, "\n");
        str_add(p->out, length ? "/// " : "///");
        str_addn(p->out, doc, length);
        new_line(p);
        doc = doc[length] ? doc + length + 1 : NULL;
    }
}

static void print_interval(printer *p, const ast_interval *in)
{
    str_add(p->out, in->lo_open ? " in (" : " in [");
    print_expr(in->lo, p->out);
    str_add(p->out, ", ");
    print_expr(in->hi, p->out);
    str_addc(p->out, in->hi_open ? ')' : ']');
}

static void print_params(printer *p, const ast_param *params, int count)
{
    str_addc(p->out, '(');
    for (int i = 0; i < count; i++) {
        const ast_param *param = &params[i];
        str_printf(p->out, "%s%s", i > 0 ? ", " : "", param->name);
        if (param->type) {
            str_add(p->out, ": ");
            ast_print_type(param->type, p->out);
        }
        if (param->value) {
            str_add(p->out, " = ");
            print_expr(param->value, p->out);
        }
        if (param->interval)
            print_interval(p, param->interval);
    }
    str_addc(p->out, ')');
}

static void print_fn(printer *p, const ast_decl *d)
{
    str_add(p->out, "fn ");
    if (d->name)
        str_add(p->out, d->name);
    print_params(p, d->params, d->param_count);
    str_add(p->out, " -> ");
    print_params(p, d->results, d->result_count);
    print_block(p, &d->body);
    if (!d->has_grad)
        return;
    str_add(p->out, " grad(");
    print_names(p, d->grad_names, d->grad_name_count, false);
    str_addc(p->out, ')');
    print_block(p, &d->grad_body);
}

/* The ifs around a member, the outermost first. */
static int open_when(printer *p, const ast_when *w)
{
    int around = w ? open_when(p, w->outer) : 0;
    if (!w)
        return 0;
    str_add(p->out, w->is_else ? "if !(" : "if ");
    print_expr(w->cond, p->out);
    str_add(p->out, w->is_else ? ") { " : " { ");
    return around + 1;
}

static void print_guarded(printer *p, const ast_decl *member)
{
    int around = open_when(p, member->when);
    print_decl(p, member);
    while (around-- > 0)
        str_add(p->out, " }");
}

static void print_members(printer *p, const ast_decl *d)
{
    str_printf(p->out, "%s %s", ast_decl_kind_text(d->kind), d->name);
    if (d->has_params)
        print_params(p, d->params, d->param_count);
    str_add(p->out, " {");
    p->indent++;
    for (int i = 0; i < d->member_count; i++) {
        new_line(p);
        print_guarded(p, d->members[i]);
    }
    p->indent--;
    new_line(p);
    str_addc(p->out, '}');
}

static void print_import(printer *p, const ast_decl *d)
{
    str_add(p->out, "import ");
    if (d->file)
        print_string(d->file, p->out);
    for (int i = 0; i < d->path_count; i++)
        str_printf(p->out, "%s%s", i > 0 ? "." : "", d->path[i].text);
    if (d->alias)
        str_printf(p->out, " as %s", d->alias);
    str_addc(p->out, ';');
}

static void print_dims(printer *p, const ast_decl *d)
{
    if (!d->has_dims)
        return;
    str_addc(p->out, '[');
    print_subs(d->dims, d->dim_count, p->out);
    str_addc(p->out, ']');
}

static void print_member(printer *p, const ast_decl *d)
{
    str_printf(p->out, "%s %s", ast_decl_kind_text(d->kind), d->name);
    print_dims(p, d);
    if (d->count) {
        str_addc(p->out, '[');
        if (d->index) {
            str_printf(p->out, "%s in ", d->index);
            print_expr(d->begin, p->out);
            str_add(p->out, "..");
        }
        print_expr(d->count, p->out);
        str_addc(p->out, ']');
    }
    str_add(p->out, d->kind == DECL_PARAM ? " ~ " : " = ");
    print_expr(d->value, p->out);
    if (d->sync)
        str_printf(p->out, " sync %s", d->sync);
    str_addc(p->out, ';');
}

static void print_hyper(printer *p, const ast_decl *d)
{
    str_printf(p->out, "hyper %s: ", d->name);
    ast_print_type(d->type, p->out);
    str_add(p->out, " = ");
    print_expr(d->value, p->out);
    if (d->interval)
        print_interval(p, d->interval);
    str_addc(p->out, ';');
}

static void print_assert(printer *p, const ast_decl *d)
{
    str_add(p->out, "assert ");
    print_expr(d->value, p->out);
    if (d->message) {
        str_add(p->out, ", ");
        print_string(d->message, p->out);
    }
    str_addc(p->out, ';');
}

/* `data x {`, `optimizer x(...) per param {`, `train {`, ... */
static void print_with_body(printer *p, const ast_decl *d)
{
    str_add(p->out, ast_decl_kind_text(d->kind));
    if (d->name) {
        str_addc(p->out, ' ');
        if (d->kind == DECL_TEST)
            print_string(d->name, p->out);
        else
            str_add(p->out, d->name);
    }
    if (d->has_params)
        print_params(p, d->params, d->param_count);
    if (d->kind == DECL_OPTIMIZER)
        str_add(p->out, " per param");
    print_block(p, &d->body);
}

static void print_decl(printer *p, const ast_decl *d)
{
    print_doc(p, d->doc);
    switch (d->kind) {
    case DECL_IMPORT:
        print_import(p, d);
        break;
    case DECL_FN:
        print_fn(p, d);
        break;
    case DECL_LAYER:
    case DECL_MODEL:
        print_members(p, d);
        break;
    case DECL_DATA:
    case DECL_TRAIN:
    case DECL_CLUSTER:
    case DECL_OPTIMIZER:
    case DECL_SCHEDULE:
    case DECL_TEST:
        print_with_body(p, d);
        break;
    case DECL_HYPER:
        print_hyper(p, d);
        break;
    case DECL_ASSERT:
        print_assert(p, d);
        break;
    case DECL_USE:
    case DECL_PARAM:
    case DECL_STATE:
        print_member(p, d);
        break;
    case DECL_COUNT:
        break;
    }
}

void ast_print(const ast_file *file, ptl_str *out)
{
    printer p = {out, 0};
    str_add(out, "ptl 1;\n");
    for (int i = 0; i < file->decl_count; i++) {
        bool in_row = i > 0 && file->decls[i]->kind == DECL_IMPORT &&
                      file->decls[i - 1]->kind == DECL_IMPORT;
        if (!in_row)
            str_addc(out, '\n');
        print_decl(&p, file->decls[i]);
        str_addc(out, '\n');
    }
}
