/*
 * ptx.h - a PTX module as it is written: variables, kernels, instructions.
 *
 * Names are looked up and widths are checked later, when a kernel is decoded
 * (decode.c).
 */
#ifndef DEVICE_PTX_H
#define DEVICE_PTX_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    PTX_GLOBAL,
    PTX_SHARED,
    PTX_LOCAL,
    PTX_CONST,
    PTX_PARAM,
    PTX_GENERIC,
} ptx_space;

typedef enum {
    OPERAND_REGISTER,
    OPERAND_INTEGER,
    OPERAND_F32,
    OPERAND_F64,
    OPERAND_SYMBOL,  /* a variable, a parameter or a label */
    OPERAND_ADDRESS, /* [base + offset]; without a base [offset] */
    OPERAND_VECTOR,  /* {items} */
    OPERAND_SINK,    /* _ */
} ptx_operand_kind;

typedef struct ptx_operand {
    ptx_operand_kind kind;
    const char *name;                /* register, symbol, base of an address */
    uint64_t bits;                   /* of a number; the offset of an address */
    bool base_is_register, inverted; /* !%p1 */
    struct ptx_operand *items;
    int item_count;
    struct ptx_operand *beside; /* the second of %p1|%p2 */
} ptx_operand;

typedef struct {
    const char *opcode, *text; /* text: as written, for messages */
    const char *guard;         /* NULL: none */
    bool guard_inverted;
    ptx_operand *operands;
    int operand_count;
    unsigned line;
} ptx_instruction;

/* .reg .b32 %r<5>: the five registers %r0 to %r4; without <>, one. What {}
 * within a body declare anew holds from its line on. */
typedef struct {
    const char *name;
    unsigned line;
    int count;
    int bits; /* 1: a predicate */
} ptx_registers;

typedef struct {
    const char *name;
    ptx_space space;
    unsigned align, element_bytes;
    uint64_t bytes;
    bool is_extern; /* shared: sized at launch */
    uint8_t *initial;
    uint64_t offset; /* in its space, where it has been placed */
} ptx_variable;

typedef struct {
    const char *name;
    int at; /* number of the instruction it stands before */
} ptx_label;

typedef struct {
    const char *name;
    bool visible;
    VEC(ptx_variable) parameters;
    VEC(ptx_variable) variables; /* declared in its body */
    VEC(ptx_registers) registers;
    VEC(ptx_label) labels;
    VEC(ptx_instruction) code;
    unsigned max_threads; /* of .maxntid or .reqntid; 0: not said */
} ptx_kernel;

typedef struct {
    const char *version, *target; /* "8.0", "sm_80" */
    VEC(ptx_variable) variables;
    VEC(ptx_kernel) kernels;
} ptx_module;

/* NULL when `text` is not PTX as we know it, with the reason in `why`. */
ptx_module *ptx_parse(ptl_arena *arena, const char *text, ptl_str *why);

#endif
