/*
 * decode_operand.c - where operands lie in the registers of a warp.
 *
 * Constants and special registers are given places of their own, which are
 * filled before a kernel begins.
 */
#include "decode.h"
#include "special.h"
#include <ctype.h>
#include <stdlib.h>

/* %r12 is the 12th of %r<20>. */
static const register_file *find_file(const decoder *d, const char *name,
                                      int *number)
{
    unsigned line = d->instruction ? d->instruction->line : 0;
    for (int r = d->registers.count - 1; r >= 0; r--) {
        const register_file *f = &d->registers.data[r];
        size_t length = strlen(f->prefix);
        if (f->line > line || strncmp(f->prefix, name, length) != 0)
            continue;
        *number = 0;
        if (f->count < 0 && !name[length])
            return f;
        if (f->count < 0 || !isdigit((unsigned char)name[length]))
            continue;
        char *end;
        *number = (int)strtol(name + length, &end, 10);
        if (!*end && *number < f->count)
            return f;
    }
    return NULL;
}

/* Of a register, which may be named without % (NULL: it is something else). */
static const register_file *file_of(const decoder *d, const ptx_operand *o,
                                    int *number)
{
    bool may_be = o->kind == OPERAND_REGISTER || o->kind == OPERAND_SYMBOL;
    return may_be ? find_file(d, o->name, number) : NULL;
}

static int32_t take_place(decoder *d, int bytes)
{
    int32_t at = (int32_t)d->used;
    d->used += (size_t)(bytes == 8 ? 8 : 4) * LANES;
    return at;
}

/* A predicate takes a word of a line of its own. */
static int32_t place_constant_predicate(decoder *d, uint64_t bits)
{
    constant c = {(int32_t)d->used, 1, bits ? ALL_LANES : 0};
    d->used += 64;
    vec_push(d->arena, &d->kernel->constants, c);
    return c.at;
}

static int32_t place_constant(decoder *d, uint64_t bits, int bytes)
{
    kernel *k = d->kernel;
    if (bytes < 8)
        bits &= (UINT64_C(1) << 8 * bytes) - 1;
    int width = bytes == 8 ? 8 : 4;
    for (int c = 0; c < k->constants.count; c++)
        if (k->constants.data[c].bits == bits &&
            k->constants.data[c].bytes == width)
            return k->constants.data[c].at;
    constant c = {take_place(d, bytes), width, bits};
    vec_push(d->arena, &k->constants, c);
    return c.at;
}

static int32_t place_special(decoder *d, const char *name, int bytes)
{
    kernel *k = d->kernel;
    int width = 0, which = special_find(name, &width);
    if (which < 0) {
        decode_fail(d, "unknown register \"%s\"", name);
        return NO_OPERAND;
    }
    if (width != bytes)
        decode_fail(d, "\"%s\" has %d bytes", name, width);
    for (int s = 0; s < k->specials.count; s++)
        if (k->specials.data[s].which == which)
            return k->specials.data[s].at;
    special_register s = {take_place(d, width), which};
    vec_push(d->arena, &k->specials, s);
    return s.at;
}

static int32_t file_place(decoder *d, const register_file *f, int number,
                          const char *name, int bytes)
{
    if (f->bytes != bytes)
        decode_fail(d, "\"%s\" has another width than its use", name);
    int each = f->bytes == 1 ? 4 : (f->bytes == 8 ? 8 : 4) * LANES;
    return f->at + number * each;
}

int decode_width(const decoder *d, const ptx_operand *o)
{
    int number, bytes = 0;
    const register_file *f = file_of(d, o, &number);
    if (f)
        return f->bytes;
    if (o->kind != OPERAND_REGISTER)
        return 0;
    return special_find(o->name, &bytes) < 0 ? 0 : bytes;
}

bool decode_symbol(decoder *d, const char *name, ptx_space *space,
                   uint64_t *address)
{
    const struct {
        const ptx_variable *data;
        int count;
    } places[] = {
        {d->source->parameters.data, d->source->parameters.count},
        {d->source->variables.data, d->source->variables.count},
        {d->module->variables.data, d->module->variables.count},
    };
    for (int p = 0; p < 3; p++)
        for (int v = 0; v < places[p].count; v++)
            if (strcmp(places[p].data[v].name, name) == 0) {
                *space = places[p].data[v].space;
                *address = places[p].data[v].offset;
                return true;
            }
    return decode_fail(d, "unknown name \"%s\"", name);
}

static int32_t number_place(decoder *d, const ptx_operand *o, int bytes)
{
    uint64_t bits = o->bits;
    if (o->kind == OPERAND_F64 && bytes == 4) {
        f64 value;
        memcpy(&value, &bits, sizeof value);
        bits = bits_of((f32)value);
    } else if (o->kind == OPERAND_F32 && bytes == 8) {
        f64 value = (f64)f32_of((u32)bits);
        memcpy(&bits, &value, sizeof bits);
    }
    return place_constant(d, bits, bytes);
}

int32_t decode_operand(decoder *d, const ptx_operand *o, int bytes)
{
    int number;
    ptx_space space;
    uint64_t address;
    const register_file *f = file_of(d, o, &number);
    if (f)
        return file_place(d, f, number, o->name, bytes);
    switch (o->kind) {
    case OPERAND_REGISTER:
        return place_special(d, o->name, bytes);
    case OPERAND_INTEGER:
    case OPERAND_F32:
    case OPERAND_F64:
        return bytes == 1 ? place_constant_predicate(d, o->bits)
                          : number_place(d, o, bytes);
    case OPERAND_SYMBOL:
        if (bytes >= 4 && decode_symbol(d, o->name, &space, &address))
            return place_constant(d, address + o->bits, bytes);
        break;
    default:
        break;
    }
    decode_fail(d, "an operand that is not supported here");
    return NO_OPERAND;
}

int32_t decode_target(decoder *d, const ptx_operand *o, int bytes)
{
    int number;
    if (o->kind == OPERAND_SINK)
        return take_place(d, bytes);
    const register_file *f = file_of(d, o, &number);
    if (f)
        return file_place(d, f, number, o->name, bytes);
    decode_fail(d, "the result is not a register");
    return NO_OPERAND;
}
