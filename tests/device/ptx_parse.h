/*
 * ptx_parse.h - what the files that read PTX share.
 */
#ifndef DEVICE_PTX_PARSE_H
#define DEVICE_PTX_PARSE_H

#include "ptx.h"
#include "ptx_lex.h"

typedef struct {
    ptl_arena *arena;
    ptl_str *why;
    ptx_lexer lexer;
    ptx_token token; /* the one to be read next */
    bool failed;
} ptx_parser;

bool ptx_fail(ptx_parser *p, const char *what); /* false */
void ptx_advance(ptx_parser *p);
bool ptx_is(const ptx_parser *p, const char *text);
bool ptx_accept(ptx_parser *p, const char *text);
bool ptx_expect(ptx_parser *p, const char *text);
const char *ptx_take(ptx_parser *p);
uint64_t ptx_take_integer(ptx_parser *p);
int ptx_type_bits(const char *text, size_t length);

ptx_operand ptx_read_operand(ptx_parser *p);
/* .shared .align 4 .b8 tile[4096]; a parameter has no semicolon. */
bool ptx_read_variable(ptx_parser *p, ptx_variable *v);

#endif
