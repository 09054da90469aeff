/*
 * parse_expr.c - expressions of the textual form.
 *
 * Precedence climbing; types are checked here, so that what reaches the
 * builders fits them.
 */
#include "ir/parser.h"
#include "ir/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static ir_expr *parse_level(ir_parser *p, int level);

static ir_expr *nothing(ir_parser *p)
{
    return ir_int(p->g, 0);
}

static void enter(ir_parser *p)
{
    if (++p->nesting > IR_PARSE_NESTING)
        ir_parse_fail(p, p->now.at, "nested more than %d deep",
                      IR_PARSE_NESTING);
}

static void leave(ir_parser *p)
{
    p->nesting--;
}

static ir_expr *make_op(ir_parser *p, src_range at, ir_scalar op,
                        ir_expr *const *args)
{
    if (++p->ops > IR_PARSE_OPS)
        ir_parse_fail(p, at, "the statement has more than %d operations",
                      IR_PARSE_OPS);
    else if (!p->failed && !ir_op_accepts(op, args))
        ir_parse_fail(p, at, "%s does not take these types",
                      ir_scalars[op].text);
    return p->failed ? nothing(p) : ir_op(p->g, op, args);
}

/* ---------- leaves ---------- */

static ir_expr *number(ir_parser *p, double sign)
{
    ir_token t = p->now;
    ir_parse_advance(p);
    return t.kind == IR_TOK_INT ? ir_int(p->g, (int64_t)(sign * t.number))
                                : ir_real(p->g, sign * t.number);
}

static bool at_number(const ir_parser *p)
{
    return p->now.kind == IR_TOK_INT || p->now.kind == IR_TOK_REAL;
}

static ir_expr *find_var(ir_parser *p, const ir_token *word)
{
    for (int i = 0; i < p->var_count; i++)
        if (strcmp(p->vars[i], word->text) == 0)
            return ir_var_value(p->g, i);
    ir_parse_fail(p, word->at, "no variable is called \"%s\"", word->text);
    return nothing(p);
}

static ir_expr *constant_word(ir_parser *p, const char *word)
{
    if (strcmp(word, "inf") == 0)
        return ir_real(p->g, HUGE_VAL);
    if (strcmp(word, "nan") == 0)
        return ir_real(p->g, (double)NAN);
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return ir_bool(p->g, word[0] == 't');
    return NULL;
}

/* ---------- reads ---------- */

static ir_sub_mode accept_mode(ir_parser *p)
{
    for (int i = IR_CLAMP; i <= IR_REFLECT; i++)
        if (ir_parse_accept(p, ir_mode_words[i]))
            return (ir_sub_mode)i;
    return IR_PLAIN;
}

static void parse_sub(ir_parser *p, ir_sub *sub)
{
    src_range at = p->now.at;
    *sub = (ir_sub){.mode = accept_mode(p)};
    if (sub->mode != IR_PLAIN)
        ir_parse_expect(p, "(");
    sub->gather = ir_parse_expr(p);
    if (sub->gather->type != IR_INT)
        ir_parse_fail(p, at, "a subscript is not an integer");
    if (sub->mode != IR_PLAIN)
        ir_parse_expect(p, ")");
}

void ir_parse_subs(ir_parser *p, ir_sub *subs, int *count)
{
    *count = 0;
    if (ir_parse_is(p, "]") || ir_parse_is(p, "else"))
        return;
    do {
        if (*count == IR_MAX_RANK) {
            ir_parse_fail(p, p->now.at, "more than %d subscripts",
                          IR_MAX_RANK);
            return;
        }
        parse_sub(p, &subs[(*count)++]);
    } while (!p->failed && ir_parse_accept(p, ","));
}

/* node[subs] or node[subs else value]; with `inside` the test instead. */
static ir_expr *parse_read(ir_parser *p, const char *name, src_range at,
                           bool inside)
{
    ir_sub subs[IR_MAX_RANK];
    int count;
    ir_expr *outside = NULL;
    ir_node *node = ir_find(p->g, name);
    if (!node)
        ir_parse_fail(p, at, "nothing is called \"%s\"", name);
    ir_parse_expect(p, "[");
    enter(p);
    ir_parse_subs(p, subs, &count);
    if (!inside && ir_parse_accept(p, "else"))
        outside = ir_parse_expr(p);
    leave(p);
    ir_parse_expect(p, "]");
    if (!p->failed && count != node->type.rank)
        ir_parse_fail(p, at, "\"%s\" has rank %d", name, node->type.rank);
    if (!p->failed && outside && outside->type != node->type.kind)
        ir_parse_fail(p, at, "the value outside is of another type");
    if (p->failed)
        return nothing(p);
    return inside ? ir_inside(p->g, node, subs, count)
                  : ir_read(p->g, node, subs, count, outside);
}

static ir_expr *parse_inside(ir_parser *p)
{
    src_range at = p->now.at;
    const char *name = ir_parse_name(p);
    ir_expr *e = parse_read(p, name, at, true);
    ir_parse_expect(p, ")");
    return e;
}

/* ---------- calls ---------- */

static ir_expr *parse_random(ir_parser *p, ir_random kind)
{
    src_range at = p->now.at;
    const char *site = p->now.kind == IR_TOK_STRING ? p->now.text : "";
    ir_expr *args[3];
    if (p->now.kind != IR_TOK_STRING)
        ir_parse_fail(p, at, "expected the name of a site");
    ir_parse_advance(p);
    for (int i = 0; i < 3; i++) {
        ir_parse_expect(p, ",");
        args[i] = ir_parse_expr(p);
        if (args[i]->type != IR_INT)
            ir_parse_fail(p, at, "a random value counts with integers");
    }
    ir_parse_expect(p, ")");
    return p->failed
               ? nothing(p)
               : ir_random_value(p->g, kind, site, args[0], args[1], args[2]);
}

static ir_expr *parse_call(ir_parser *p, const ir_token *word)
{
    if (strcmp(word->text, "inside") == 0)
        return parse_inside(p);
    if (strcmp(word->text, "uniform") == 0)
        return parse_random(p, IR_UNIFORM);
    if (strcmp(word->text, "normal") == 0)
        return parse_random(p, IR_NORMAL);
    for (int op = 0; op < IR_SCALAR_COUNT; op++) {
        if (strcmp(ir_scalars[op].text, word->text) != 0)
            continue;
        ir_expr *args[3] = {0};
        for (int i = 0; i < ir_scalars[op].arity; i++) {
            if (i)
                ir_parse_expect(p, ",");
            args[i] = ir_parse_expr(p);
        }
        ir_parse_expect(p, ")");
        return make_op(p, word->at, (ir_scalar)op, args);
    }
    ir_parse_fail(p, word->at, "no function is called \"%s\"", word->text);
    return nothing(p);
}

static ir_expr *parse_word(ir_parser *p)
{
    ir_token word = p->now;
    ir_parse_advance(p);
    if (ir_parse_is(p, "["))
        return parse_read(p, word.text, word.at, false);
    if (word.kind == IR_TOK_STRING) {
        ir_parse_fail(p, word.at, "expected \"[\" after a name");
        return nothing(p);
    }
    if (ir_parse_accept(p, "("))
        return parse_call(p, &word);
    ir_expr *constant = constant_word(p, word.text);
    return constant ? constant : find_var(p, &word);
}

static ir_expr *parse_let_use(ir_parser *p)
{
    src_range at = p->now.at;
    char name[24];
    snprintf(name, sizeof name, "%lld", (long long)ir_parse_int(p));
    ir_expr *e = p->lets ? map_get(p->lets, name) : NULL;
    if (!e)
        ir_parse_fail(p, at, "nothing is called \"$%s\"", name);
    return e ? e : nothing(p);
}

static ir_expr *parse_primary(ir_parser *p)
{
    ir_expr *e;
    if (p->failed)
        return nothing(p);
    enter(p);
    if (at_number(p)) {
        e = number(p, 1.0);
    } else if (p->now.kind == IR_TOK_WORD || p->now.kind == IR_TOK_STRING) {
        e = parse_word(p);
    } else if (ir_parse_accept(p, "$")) {
        e = parse_let_use(p);
    } else if (ir_parse_accept(p, "(")) {
        e = ir_parse_expr(p);
        ir_parse_expect(p, ")");
    } else {
        ir_parse_fail(p, p->now.at, "expected an expression");
        e = nothing(p);
    }
    leave(p);
    return e;
}

/* ---------- operators ---------- */

/* -3 and -inf are constants, -x an operation. */
static ir_expr *parse_minus(ir_parser *p, src_range at)
{
    if (at_number(p))
        return number(p, -1.0);
    if (p->now.kind == IR_TOK_WORD && strcmp(p->now.text, "inf") == 0) {
        ir_parse_advance(p);
        return ir_real(p->g, -HUGE_VAL);
    }
    ir_expr *args[3] = {parse_primary(p)};
    return make_op(p, at, IR_NEG_OP, args);
}

static ir_expr *parse_unary(ir_parser *p)
{
    src_range at = p->now.at;
    if (ir_parse_accept(p, "-"))
        return parse_minus(p, at);
    if (ir_parse_accept(p, "!")) {
        ir_expr *args[3] = {parse_primary(p)};
        return make_op(p, at, IR_NOT_OP, args);
    }
    return parse_primary(p);
}

/* The infix operator at hand when it has `level`; IR_SCALAR_COUNT: none. */
static ir_scalar infix_at(const ir_parser *p, int level)
{
    if (p->now.kind != IR_TOK_SIGN)
        return IR_SCALAR_COUNT;
    for (int op = 0; op < IR_SCALAR_COUNT; op++)
        if (ir_scalars[op].arity == 2 && !ir_is_call((ir_scalar)op) &&
            ir_precedence((ir_scalar)op) == level &&
            strcmp(ir_scalars[op].text, p->now.text) == 0)
            return (ir_scalar)op;
    return IR_SCALAR_COUNT;
}

static ir_expr *parse_level(ir_parser *p, int level)
{
    if (level > IR_PREC_POW)
        return parse_unary(p);
    if (level == IR_PREC_UNARY)
        return parse_level(p, IR_PREC_POW);
    ir_expr *left = parse_level(p, level + 1);
    for (;;) {
        src_range at = p->now.at;
        ir_scalar op = infix_at(p, level);
        if (op == IR_SCALAR_COUNT || p->failed)
            return left;
        ir_parse_advance(p);
        ir_expr *args[3] = {left, parse_level(p, level + 1)};
        left = make_op(p, at, op, args);
        if (level == IR_PREC_COMPARE || level == IR_PREC_POW)
            return left; /* neither leans */
    }
}

ir_expr *ir_parse_expr(ir_parser *p)
{
    enter(p);
    ir_expr *e = p->failed ? nothing(p) : parse_level(p, IR_PREC_OR);
    src_range at = p->now.at;
    if (!p->failed && ir_parse_accept(p, "?")) {
        ir_expr *then = ir_parse_expr(p);
        ir_parse_expect(p, ":");
        ir_expr *args[3] = {e, then, ir_parse_expr(p)};
        e = make_op(p, at, IR_SELECT_OP, args);
    }
    leave(p);
    return e;
}
