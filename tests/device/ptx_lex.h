/*
 * ptx_lex.h - PTX text as tokens.
 *
 * An opcode with its suffixes ("add.rn.f32"), a directive (".visible") and a
 * register ("%tid.x") are one token each.
 */
#ifndef DEVICE_PTX_LEX_H
#define DEVICE_PTX_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    TOKEN_END,
    TOKEN_WORD,      /* mov.u32, $L__BB0_1, name_param_0 */
    TOKEN_DIRECTIVE, /* .reg */
    TOKEN_REGISTER,  /* %r1, %ctaid.x */
    TOKEN_INTEGER,
    TOKEN_F32, /* 0f3F800000 */
    TOKEN_F64, /* 0d3FF0000000000000, 1.0 */
    TOKEN_STRING,
    TOKEN_MARK, /* one character */
    TOKEN_BAD,
} ptx_token_kind;

typedef struct {
    ptx_token_kind kind;
    const char *text; /* in the source, not terminated */
    size_t length;
    uint64_t bits; /* of a number */
    char mark;
    unsigned line;
} ptx_token;

typedef struct {
    const char *at;
    unsigned line;
} ptx_lexer;

ptx_token ptx_next(ptx_lexer *lexer);

#endif
