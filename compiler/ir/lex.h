/*
 * lex.h - tokens of the textual form. Private to compiler/ir.
 */
#ifndef PTL_IR_LEX_H
#define PTL_IR_LEX_H

#include "base/source.h"
#include <stdbool.h>

typedef enum ir_token_kind {
    IR_TOK_END,
    IR_TOK_WORD,   /* letters, digits, _ and . after a letter or _ */
    IR_TOK_STRING, /* "..." with \xHH */
    IR_TOK_INT,
    IR_TOK_REAL,
    IR_TOK_SIGN, /* one or two characters */
    IR_TOK_BAD,
} ir_token_kind;

typedef struct ir_token {
    ir_token_kind kind;
    src_range at;
    const char *text; /* WORD, STRING, SIGN: NUL-terminated */
    double number;    /* INT, REAL */
} ir_token;

/* The token at or after byte `*offset`; moves `*offset` behind it. */
ir_token ir_lex(ptl_arena *arena, const src_file *file, uint32_t *offset);

#endif
