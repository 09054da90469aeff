/*
 * decode.h - from a kernel as it is written to one that runs.
 */
#ifndef DEVICE_DECODE_H
#define DEVICE_DECODE_H

#include "handlers.h"
#include "ptx_parse.h"
#include <stdio.h>

typedef struct {
    int32_t at;
    int bytes; /* 1: a predicate */
    const char *prefix;
    unsigned line; /* of its declaration */
    int count;     /* -1: the name itself */
} register_file;

typedef struct {
    ptl_arena *arena;
    ptl_str *why;
    const ptx_module *module;
    const ptx_kernel *source;
    kernel *kernel;
    const ptx_instruction *instruction;
    VEC(register_file) registers;
    VEC(insn) code;
    size_t used;          /* bytes of the registers of a warp */
    size_t predicate_end; /* predicates lie in lines of 64 bytes */
    uint64_t global_base; /* address of the module's variables */
    bool failed;
} decoder;

/* The kernel in `arena`, or NULL with the reason in `why`. Variables of the
 * module have been placed: offsets of .global ones are addresses. */
kernel *decode_kernel(ptl_arena *arena, const ptx_module *m,
                      const ptx_kernel *source, ptl_str *why);

bool decode_fail(decoder *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where operand `o` lies, of `bytes` a lane (1: a predicate). */
int32_t decode_operand(decoder *d, const ptx_operand *o, int bytes);
/* The same where it is written: a register, or nothing for _. */
int32_t decode_target(decoder *d, const ptx_operand *o, int bytes);
/* Bytes a lane of the register `o` names; 0 when it is none. */
int decode_width(const decoder *d, const ptx_operand *o);
/* What a variable's name stands for. */
bool decode_symbol(decoder *d, const char *name, ptx_space *space,
                   uint64_t *address);

/* Opcodes that are not rows of a table: insn made of d->instruction. */
/* Sets `known`; without, the opcode may be a row. */
bool decode_irregular(decoder *d, const char *base, insn *i, bool *known);
bool decode_memory(decoder *d, const char *base, insn *i);
bool decode_atomic(decoder *d, const char *base, insn *i);
bool decode_convert(decoder *d, insn *i);
bool decode_cvta(decoder *d, insn *i);
/* Whether the opcode has ".part" among its suffixes. */
bool opcode_has(const char *opcode, const char *part);
/* Whether it is one of the words of `keys`. */
bool opcode_among(const char *keys, const char *opcode);
/* Its last suffix: the type. */
const char *opcode_type(const char *opcode);
int type_bytes(const char *type); /* "f32": 4; 0: none known */

#endif
