/*
 * parser.h - what the two halves of the parser of the textual form share:
 * parse_expr.c reads expressions, parse.c statements. Private to compiler/ir.
 */
#ifndef PTL_IR_PARSER_H
#define PTL_IR_PARSER_H

#include "base/map.h"
#include "ir/ir.h"
#include "ir/lex.h"

enum {
    IR_PARSE_NESTING = 200, /* of brackets and scans */
    IR_PARSE_OPS = 20000    /* operations of a statement */
};

typedef struct ir_parser {
    const src_file *file;
    ptl_diags *diags;
    ptl_arena *arena; /* of tokens */
    ir_graph *g;      /* being built */
    ir_token now;
    uint32_t next;
    bool failed; /* the first error ends it */
    int nesting, ops;
    const char *vars[IR_MAX_VARS]; /* of the current statement */
    int var_count;
    ptl_map *lets; /* name -> ir_expr */
} ir_parser;

/* Each reports only when nothing failed before. */
void ir_parse_fail(ir_parser *p, src_range at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ir_parse_advance(ir_parser *p);
bool ir_parse_is(const ir_parser *p, const char *text); /* sign or word */
bool ir_parse_accept(ir_parser *p, const char *text);
void ir_parse_expect(ir_parser *p, const char *text);
/* An integer, with its sign. */
int64_t ir_parse_int(ir_parser *p);
/* A word or a string; "" after a failure. */
const char *ir_parse_name(ir_parser *p);
ir_node *ir_parse_node(ir_parser *p, const ir_graph *in); /* NULL: failed */

/* An expression; never NULL, `0` after a failure. */
ir_expr *ir_parse_expr(ir_parser *p);
/* `count` subscripts of `node` between brackets already opened. */
void ir_parse_subs(ir_parser *p, ir_sub *subs, int *count);

#endif
