/*
 * build.c - makes the nodes of the syntax tree for the grammar's actions.
 *
 * Keeps every promise of ast.h about depth: each node knows how deep it is,
 * and what would pass AST_MAX_DEPTH is reported and replaced by a leaf, so
 * that no later walk can run out of stack.
 */
#include "parse_priv.h"
#include <string.h>

static int deeper(int depth, const ast_expr *e)
{
    return e && e->depth > depth ? e->depth : depth;
}

static ast_expr *too_deep(parse_state *s, src_range at)
{
    if (!s->fatal)
        parse_error(s, DIAG_NESTING, (span){at.begin, at.end},
                    "this expression is nested more than %d deep",
                    AST_MAX_DEPTH);
    s->fatal = true;
    return build_leaf(s, EXPR_INT, (span){at.begin, at.end});
}

/* Measures a node whose operands are in place. */
static ast_expr *measured(parse_state *s, ast_expr *e)
{
    int depth = deeper(deeper(deeper(0, e->a), e->b), e->c);
    for (int i = 0; i < e->count; i++)
        switch (e->kind) {
        case EXPR_CALL:
            depth = deeper(depth, e->args[i].expr);
            break;
        case EXPR_INDEX:
            depth = deeper(depth, e->subs[i].expr);
            break;
        case EXPR_REDUCE:
            depth = deeper(depth, e->binders[i].lo);
            depth = deeper(depth, e->binders[i].hi);
            break;
        case EXPR_LIST:
            depth = deeper(depth, e->items[i]);
            break;
        default:
            break;
        }
    e->depth = depth + 1;
    return e->depth > AST_MAX_DEPTH ? too_deep(s, e->at) : e;
}

static ast_expr *node(parse_state *s, ast_expr_kind kind, span at, span mark)
{
    ast_expr *e = ARENA_NEW(s->arena, ast_expr);
    e->kind = kind;
    e->depth = 1;
    e->at = parse_range(s, at);
    e->mark = parse_range(s, mark);
    return e;
}

ast_expr *build_leaf(parse_state *s, ast_expr_kind kind, span at)
{
    return node(s, kind, at, at);
}

ast_expr *build_name(parse_state *s, const char *name, span at)
{
    ast_expr *e = node(s, EXPR_NAME, at, at);
    e->name = name;
    return e;
}

ast_expr *build_number(parse_state *s, ast_expr_kind kind, number value,
                       span at)
{
    ast_expr *e = node(s, kind, at, at);
    e->integer = value.integer;
    e->real = value.real;
    return e;
}

ast_expr *build_string(parse_state *s, const char *text, span at)
{
    ast_expr *e = node(s, EXPR_STRING, at, at);
    e->name = text;
    return e;
}

ast_expr *build_quantity(parse_state *s, ast_expr *value, const char *unit,
                         span at, span mark)
{
    ast_expr *e = node(s, EXPR_QUANTITY, at, mark);
    e->a = value;
    e->name = unit;
    return measured(s, e);
}

ast_expr *build_word(parse_state *s, ast_reduction reduction, span at)
{
    ast_expr *e = node(s, EXPR_WORD, at, at);
    e->reduction = reduction;
    return e;
}

ast_expr *build_unary(parse_state *s, ast_op op, ast_expr *a, span at,
                      span mark)
{
    ast_expr *e = node(s, EXPR_UNARY, at, mark);
    e->op = op;
    e->a = a;
    return measured(s, e);
}

ast_expr *build_binary(parse_state *s, ast_op op, ast_expr *a, ast_expr *b,
                       span at, span mark)
{
    ast_expr *e = node(s, EXPR_BINARY, at, mark);
    e->op = op;
    e->a = a;
    e->b = b;
    return measured(s, e);
}

ast_expr *build_cond(parse_state *s, ast_expr *a, ast_expr *b, ast_expr *c,
                     span at, span mark)
{
    ast_expr *e = node(s, EXPR_COND, at, mark);
    e->a = a;
    e->b = b;
    e->c = c;
    return measured(s, e);
}

/* Positional arguments come first, and no name is given twice. */
static void check_args(parse_state *s, const arg_list *args)
{
    ptl_map *seen = NULL;
    bool said = false;
    for (int i = 0; i < args->count; i++) {
        const ast_arg *arg = &args->data[i];
        span at = {arg->name_at.begin, arg->name_at.end};
        if (!arg->name && seen && !said)
            parse_error(s, DIAG_SYNTAX,
                        (span){arg->expr->at.begin, arg->expr->at.end},
                        "a positional argument cannot follow a named one");
        said |= !arg->name && seen;
        if (!arg->name)
            continue;
        if (!seen)
            seen = map_new(s->arena);
        if (map_get(seen, arg->name))
            parse_error(s, DIAG_SYNTAX, at, "argument `%s` is given twice",
                        arg->name);
        map_put(seen, arg->name, args->data + i);
    }
}

static bool is_literal(const ast_expr *e)
{
    return e->kind == EXPR_INT || e->kind == EXPR_REAL ||
           e->kind == EXPR_STRING || e->kind == EXPR_BOOL ||
           e->kind == EXPR_QUANTITY;
}

ast_expr *build_call(parse_state *s, ast_expr *callee, arg_list *args, span at,
                     span mark)
{
    if (is_literal(callee)) {
        parse_error(s, DIAG_SYNTAX, mark,
                    "this cannot be called; a product is written with `*`");
        return callee;
    }
    ast_expr *e = node(s, EXPR_CALL, at, mark);
    e->a = callee;
    if (args) {
        check_args(s, args);
        e->args = args->data;
        e->count = args->count;
    }
    return measured(s, e);
}

ast_expr *build_index(parse_state *s, ast_expr *base, sub_list *subs,
                      ast_expr *otherwise, span at, span mark)
{
    if (is_literal(base)) {
        parse_error(s, DIAG_SYNTAX, mark, "this cannot be subscripted");
        return base;
    }
    ast_expr *e = node(s, EXPR_INDEX, at, mark);
    e->a = base;
    e->b = otherwise;
    e->subs = subs->data;
    e->count = subs->count;
    return measured(s, e);
}

ast_expr *build_member(parse_state *s, ast_expr *base, const char *name,
                       span at, span mark)
{
    ast_expr *e = node(s, EXPR_MEMBER, at, mark);
    e->a = base;
    e->name = name;
    return measured(s, e);
}

ast_expr *build_reduction(parse_state *s, ast_reduction reduction,
                          binder_list *binders, ast_expr *filter,
                          ast_expr *body, span at, span mark)
{
    ast_expr *e = node(s, EXPR_REDUCE, at, mark);
    e->reduction = reduction;
    e->a = body;
    e->b = filter;
    e->binders = binders->data;
    e->count = binders->count;
    return measured(s, e);
}

ast_expr *build_list(parse_state *s, expr_list *items, span at)
{
    ast_expr *e = node(s, EXPR_LIST, at, at);
    if (items) {
        e->items = items->data;
        e->count = items->count;
    }
    return measured(s, e);
}

ast_expr *build_range(parse_state *s, ast_expr *lo, ast_expr *hi, span at,
                      span mark)
{
    ast_expr *e = node(s, EXPR_RANGE, at, mark);
    e->a = lo;
    e->b = hi;
    return measured(s, e);
}

ast_name build_name_at(parse_state *s, const char *text, span at)
{
    return (ast_name){text, parse_range(s, at)};
}

ast_type *build_type(parse_state *s, name_list *path, ast_expr *arg, span at)
{
    ast_type *type = ARENA_NEW(s->arena, ast_type);
    VEC(char) text = {0};
    for (int i = 0; i < path->count; i++) {
        if (i > 0)
            vec_push(s->arena, &text, '.');
        for (const char *c = path->data[i].text; *c; c++)
            vec_push(s->arena, &text, *c);
    }
    type->name = parse_word(s, text.data, (size_t)text.count);
    type->name_at = src_join(path->data[0].at, path->data[path->count - 1].at);
    type->arg = arg;
    type->at = parse_range(s, at);
    return type;
}

void build_type_dims(ast_type *type, sub_list *dims, src_range at)
{
    type->has_dims = true;
    type->dims = dims->data;
    type->dim_count = dims->count;
    type->at = at;
}

ast_stmt *build_stmt(parse_state *s, ast_stmt_kind kind, span at)
{
    ast_stmt *stmt = ARENA_NEW(s->arena, ast_stmt);
    stmt->kind = kind;
    stmt->depth = 1;
    stmt->at = parse_range(s, at);
    return stmt;
}

static int block_depth(const ast_block *block)
{
    int depth = 0;
    for (int i = 0; i < block->count; i++)
        if (block->stmts[i]->depth > depth)
            depth = block->stmts[i]->depth;
    return depth;
}

/* Empties a statement that would pass the limit. */
static void check_depth(parse_state *s, ast_stmt *stmt)
{
    if (stmt->depth <= AST_MAX_DEPTH)
        return;
    if (!s->fatal)
        parse_error(s, DIAG_NESTING, (span){stmt->at.begin, stmt->at.begin + 1},
                    "statements are nested more than %d deep", AST_MAX_DEPTH);
    s->fatal = true;
    stmt->body.count = stmt->else_body.count = 0;
    stmt->depth = 1;
}

void build_set_body(parse_state *s, ast_stmt *stmt, ast_block body)
{
    stmt->body = body;
    stmt->depth = 1 + block_depth(&body);
    check_depth(s, stmt);
}

/* The last arm first, so that each depth is known when it is needed. */
ast_stmt *build_if(parse_state *s, arm_list *arms, const ast_block *otherwise,
                   span at)
{
    ast_stmt *stmt = NULL;
    for (int i = arms->count - 1; i >= 0; i--) {
        const if_arm *arm = &arms->data[i];
        ast_stmt *next = stmt;
        stmt = build_stmt(s, STMT_IF, (span){arm->at.begin, at.end});
        stmt->value = arm->condition;
        stmt->body = arm->body;
        stmt->has_else = next || otherwise;
        if (next) {
            stmt->else_body.stmts = ARENA_ARRAY(s->arena, ast_stmt *, 1);
            stmt->else_body.stmts[0] = next;
            stmt->else_body.count = 1;
            stmt->else_body.at = next->at;
        } else if (otherwise) {
            stmt->else_body = *otherwise;
        }
        int then = block_depth(&stmt->body);
        int other = block_depth(&stmt->else_body);
        stmt->depth = 1 + (then > other ? then : other);
        check_depth(s, stmt);
    }
    return stmt;
}

ast_stmt *build_policy(parse_state *s, ast_stmt *first, ast_policy policy,
                       ast_expr *other)
{
    if (first->other)
        parse_error(s, DIAG_SYNTAX, (span){other->at.begin, other->at.end},
                    "a policy has at most two parts");
    first->policy = policy;
    first->other = other;
    return first;
}

ast_stmt *build_decl_stmt(parse_state *s, ast_stmt_kind kind, ast_decl *decl)
{
    ast_stmt *stmt = build_stmt(s, kind, (span){decl->at.begin, decl->at.end});
    stmt->name = decl->name;
    stmt->name_at = decl->name_at;
    stmt->decl = decl;
    return stmt;
}

ast_block build_block(parse_state *s, stmt_list *stmts, span at)
{
    return (ast_block){stmts->data, stmts->count, parse_range(s, at)};
}

/* The comment whose next token is the first one of the declaration. */
static const char *doc_at(const parse_state *s, uint32_t begin)
{
    int lo = 0, hi = s->docs.count;
    while (lo < hi) {
        int middle = (lo + hi) / 2;
        if (s->docs.data[middle].owner < begin)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < s->docs.count && s->docs.data[lo].owner == begin
               ? s->docs.data[lo].text
               : NULL;
}

ast_decl *build_decl(parse_state *s, ast_decl_kind kind, const char *name,
                     span name_at, span at)
{
    ast_decl *decl = ARENA_NEW(s->arena, ast_decl);
    decl->kind = kind;
    decl->name = name;
    decl->name_at = parse_range(s, name_at);
    decl->at = parse_range(s, at);
    decl->doc = doc_at(s, at.begin);
    return decl;
}

static const ast_when *when_new(parse_state *s, ast_expr *cond,
                                const ast_when *outer, bool is_else)
{
    ast_when *w = ARENA_NEW(s->arena, ast_when);
    *w = (ast_when){outer, cond, is_else, outer ? outer->depth + 1 : 1};
    return w;
}

const ast_when *build_when(parse_state *s, ast_expr *cond,
                           const ast_when *outer, span at)
{
    if (outer && outer->depth >= AST_MAX_DEPTH && !s->fatal) {
        parse_error(s, DIAG_NESTING, at,
                    "ifs around members nest at most %d deep, and each `else` "
                    "is one deeper",
                    AST_MAX_DEPTH);
        s->fatal = true;
    }
    return when_new(s, cond, outer, false);
}

const ast_when *build_otherwise(parse_state *s, ast_expr *cond,
                                const ast_when *outer)
{
    return when_new(s, cond, outer, true);
}

void build_add_member(parse_state *s, decl_list *members, ast_decl *member)
{
    member->when = s->when;
    if (s->when && (member->kind == DECL_FN || member->kind == DECL_HYPER)) {
        span at = {member->at.begin, member->at.end};
        parse_error(s, DIAG_MISPLACED, at,
                    "`%s` stands outside of a layer's `if`",
                    member->kind == DECL_FN ? "fn" : "hyper");
        member->when = NULL;
    }
    vec_push(s->arena, members, member);
}

decl_list *build_joined(parse_state *s, decl_list *a, const decl_list *b)
{
    for (int i = 0; i < b->count; i++)
        vec_push(s->arena, a, b->data[i]);
    return a;
}

void build_params(ast_decl *decl, param_list *params)
{
    decl->has_params = true;
    if (params) {
        decl->params = params->data;
        decl->param_count = params->count;
    }
}

void build_dims(ast_decl *decl, sub_list *dims)
{
    decl->has_dims = true;
    decl->dims = dims->data;
    decl->dim_count = dims->count;
}

void build_version(parse_state *s, number version, span at)
{
    if (version.integer != 1)
        parse_error(s, DIAG_VERSION, at,
                    "this compiler knows PTL 1 only; write `ptl 1;`");
}
