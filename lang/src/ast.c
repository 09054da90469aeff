/*
 * ast.c - names of the syntax tree's kinds, from ast.def.
 */
#include "lang/ast.h"

const char *ast_expr_kind_text(ast_expr_kind kind)
{
    static const char *const texts[] = {
#define EXPR(name, text) text,
#include "lang/ast.def"
    };
    return texts[kind];
}

const char *ast_stmt_kind_text(ast_stmt_kind kind)
{
    static const char *const texts[] = {
#define STMT(name, text) text,
#include "lang/ast.def"
    };
    return texts[kind];
}

const char *ast_decl_kind_text(ast_decl_kind kind)
{
    static const char *const texts[] = {
#define DECL(name, text) text,
#include "lang/ast.def"
    };
    return texts[kind];
}

static const struct op_info {
    const char *text;
    int level;
} ops[] = {
#define OP(name, text, level) {text, level},
#include "lang/ast.def"
};

const char *ast_op_text(ast_op op)
{
    return ops[op].text;
}

int ast_op_level(ast_op op)
{
    return ops[op].level;
}

const char *ast_reduction_text(ast_reduction reduction)
{
    static const char *const texts[] = {
#define REDUCTION(name, text) text,
#include "lang/ast.def"
    };
    return texts[reduction];
}
