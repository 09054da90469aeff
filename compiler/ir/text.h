/*
 * text.h - words that the printer and the parser of the textual form share.
 * The grammar is in compiler/README.md.
 */
#ifndef PTL_IR_TEXT_H
#define PTL_IR_TEXT_H

#include "ir/ir.h"

extern const char *const ir_kind_words[3];
extern const char *const ir_role_words[6];
extern const char *const ir_reduce_words[IR_REDUCE_COUNT];
extern const char *const ir_mode_words[4];

/* How tightly an operator holds; calls and leaves hold tightest. */
enum {
    IR_PREC_SELECT = 1, IR_PREC_OR, IR_PREC_AND, IR_PREC_COMPARE, IR_PREC_ADD,
    IR_PREC_MUL, IR_PREC_UNARY, IR_PREC_POW, IR_PREC_PRIMARY
};
int ir_precedence(ir_scalar op);
/* Is it written as a call, name(...)? */
bool ir_is_call(ir_scalar op);

/* The shortest decimal that reads back as `x`; INT without a point. */
void ir_number_text(double x, bool real, char text[40]);

/* Words a variable may not be called, since they mean something else. */
bool ir_is_reserved(const char *word);

#endif
