/*
 * text.c - the words of the textual form.
 */
#include "ir/text.h"
#include <ctype.h>
#include <string.h>

const char *const ir_kind_words[3] = {"real", "int", "bool"};
const char *const ir_role_words[6] = {"param", "state",  "slot",
                                      "data",  "scalar", "generic"};
const char *const ir_reduce_words[IR_REDUCE_COUNT] = {
    "map", "sum", "prod", "max", "min", "argmax", "argmin", "lse", "any",
    "all"};
const char *const ir_mode_words[4] = {"", "clamp", "wrap", "reflect"};

int ir_precedence(ir_scalar op)
{
    switch (op) {
    case IR_SELECT_OP:
        return IR_PREC_SELECT;
    case IR_OR_OP:
        return IR_PREC_OR;
    case IR_AND_OP:
        return IR_PREC_AND;
    case IR_EQ_OP:
    case IR_NE_OP:
    case IR_LT_OP:
    case IR_LE_OP:
    case IR_GT_OP:
    case IR_GE_OP:
        return IR_PREC_COMPARE;
    case IR_ADD_OP:
    case IR_SUB_OP:
        return IR_PREC_ADD;
    case IR_MUL_OP:
    case IR_DIV_OP:
    case IR_MOD_OP:
        return IR_PREC_MUL;
    case IR_NEG_OP:
    case IR_NOT_OP:
        return IR_PREC_UNARY;
    case IR_POW_OP:
        return IR_PREC_POW;
    default:
        return IR_PREC_PRIMARY;
    }
}

bool ir_is_call(ir_scalar op)
{
    return isalpha((unsigned char)ir_scalars[op].text[0]) != 0;
}

bool ir_is_reserved(const char *word)
{
    static const char *const words[] = {"if",  "else",  "let",  "inf",
                                        "nan", "true",  "false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    for (int i = 0; i < IR_REDUCE_COUNT; i++)
        if (strcmp(word, ir_reduce_words[i]) == 0)
            return true;
    return false;
}
