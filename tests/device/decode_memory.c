/*
 * decode_memory.c - loads, stores, atomic operations and cvta.
 */
#include "atomic.h"
#include "decode.h"

static ptx_space space_of(const char *opcode)
{
    static const char *const names[] = {"global", "shared", "local", "const",
                                        "param"};
    for (int s = 0; s < 5; s++)
        if (opcode_has(opcode, names[s]))
            return (ptx_space)s;
    if (opcode_has(opcode, "shared::cta"))
        return PTX_SHARED;
    return PTX_GENERIC;
}

/* Base and offset of [address], the base at `which`; names say their space. */
static bool address(decoder *d, const ptx_operand *o, insn *i, int which)
{
    if (o->kind != OPERAND_ADDRESS)
        return decode_fail(d, "an address expected");
    i->imm = (int64_t)o->bits;
    ptx_operand base = {.kind = OPERAND_INTEGER, .name = o->name};
    if (o->name && o->base_is_register)
        base.kind = OPERAND_REGISTER;
    else if (o->name) {
        ptx_space space;
        if (!decode_symbol(d, o->name, &space, &base.bits))
            return false;
        if (i->to == PTX_GENERIC)
            i->to = (uint8_t)space;
        if (i->to != space)
            return decode_fail(d, "\"%s\" is in another space", o->name);
    }
    int width = base.kind == OPERAND_REGISTER ? decode_width(d, &base) : 8;
    i->wide_address = width == 8;
    i->at[which] = decode_operand(d, &base, width);
    return !d->failed;
}

static int item_count(const char *opcode)
{
    return opcode_has(opcode, "v2")   ? 2
           : opcode_has(opcode, "v4") ? 4
           : opcode_has(opcode, "v8") ? 8
                                      : 1;
}

/* The registers loaded or stored: at[1] to at[4], then more. */
static bool items(decoder *d, const ptx_operand *o, insn *i, bool is_load)
{
    const ptx_operand *list = o->kind == OPERAND_VECTOR ? o->items : o;
    int count = o->kind == OPERAND_VECTOR ? o->item_count : 1;
    if (count != i->count)
        return decode_fail(d, "%d items expected", i->count);
    if (count > 4)
        i->more = ARENA_ARRAY(d->arena, int32_t, count - 4);
    i->wide = 0;
    for (int k = 0; k < count; k++)
        if (decode_width(d, &list[k]))
            i->wide = (uint8_t)decode_width(d, &list[k]);
    if (!i->wide) /* constants */
        i->wide = i->bytes;
    for (int k = 0; k < count; k++) {
        int32_t *at = k < 4 ? &i->at[1 + k] : &i->more[k - 4];
        if (is_load && list[k].kind == OPERAND_SINK)
            continue;
        *at = is_load ? decode_target(d, &list[k], i->wide)
                      : decode_operand(d, &list[k], i->wide);
    }
    if (i->wide < i->bytes)
        return decode_fail(d, "registers narrower than what they take");
    return !d->failed;
}

bool decode_memory(decoder *d, const char *base, insn *i)
{
    const ptx_instruction *s = d->instruction;
    bool is_load = base[0] == 'l';
    i->to = (uint8_t)space_of(s->opcode);
    i->bytes = (uint8_t)type_bytes(opcode_type(s->opcode));
    i->count = (uint8_t)item_count(s->opcode);
    i->sign = opcode_type(s->opcode)[0] == 's';
    i->mode = !is_load;
    if (!i->bytes || s->operand_count != 2)
        return decode_fail(d, "no handler for \"%s\"", s->opcode);
    if (!address(d, &s->operands[!is_load ? 0 : 1], i, 0) ||
        !items(d, &s->operands[is_load ? 0 : 1], i, is_load))
        return false;
    ptx_space space = (ptx_space)i->to;
    bool known = space == PTX_GLOBAL || space == PTX_SHARED;
    bool fixed =
        space == PTX_PARAM && is_load && !s->operands[1].base_is_register;
    if (fixed) {
        ptx_space unused;
        uint64_t offset = 0;
        decode_symbol(d, s->operands[1].name, &unused, &offset);
        i->imm += (int64_t)offset;
        i->run = run_load_parameter;
    } else if (known)
        i->run = is_load ? load_handler(space, i->bytes, i->count)
                         : store_handler(space, i->bytes, i->count);
    else
        i->run = run_access_each;
    if (opcode_has(s->opcode, "acquire") || opcode_has(s->opcode, "release"))
        d->kernel->fences = true;
    return !d->failed;
}

static int atomic_operation(const char *opcode)
{
    static const char *const names[] = {
#define ATOMIC(name) #name,
#include "atomic.def"
#undef ATOMIC
    };
    for (int o = 0; o < (int)(sizeof names / sizeof *names); o++)
        if (opcode_has(opcode, names[o]))
            return o;
    return -1;
}

static int atomic_type_of(const char *opcode)
{
    static const struct {
        const char *name;
        atomic_type type;
    } types[] = {{"u32", ATOMIC_U32}, {"b32", ATOMIC_U32}, {"s32", ATOMIC_S32},
                 {"u64", ATOMIC_U64}, {"b64", ATOMIC_U64}, {"s64", ATOMIC_S64},
                 {"f32", ATOMIC_F32}, {"f64", ATOMIC_F64}};
    for (unsigned t = 0; t < sizeof types / sizeof *types; t++)
        if (strcmp(types[t].name, opcode_type(opcode)) == 0)
            return (int)types[t].type;
    return -1;
}

/* atom d, [a], b{, c} and red [a], b. */
bool decode_atomic(decoder *d, const char *base, insn *i)
{
    const ptx_instruction *s = d->instruction;
    int first = base[0] == 'a' ? 1 : 0, type = atomic_type_of(s->opcode);
    int operation = atomic_operation(s->opcode);
    if (type < 0 || operation < 0 || s->operand_count < first + 2 ||
        s->operand_count > first + 3)
        return decode_fail(d, "no handler for \"%s\"", s->opcode);
    i->to = (uint8_t)space_of(s->opcode);
    i->from = (uint8_t)type;
    i->mode = (uint8_t)operation;
    i->bytes = (uint8_t)type_bytes(opcode_type(s->opcode));
    if (first && s->operands[0].kind != OPERAND_SINK)
        i->at[0] = decode_target(d, &s->operands[0], i->bytes);
    if (!address(d, &s->operands[first], i, 1))
        return false;
    for (int o = first + 1; o < s->operand_count; o++)
        i->at[1 + o - first] = decode_operand(d, &s->operands[o], i->bytes);
    i->run = run_atomic;
    if (opcode_has(s->opcode, "acquire") || opcode_has(s->opcode, "release") ||
        opcode_has(s->opcode, "acq_rel"))
        d->kernel->fences = true;
    return !d->failed;
}

/* cvta.shared.u64 and cvta.to.shared.u64; a variable's name is an address. */
bool decode_cvta(decoder *d, insn *i)
{
    const ptx_instruction *s = d->instruction;
    ptx_space space = space_of(s->opcode);
    uint64_t window = space == PTX_SHARED  ? SHARED_WINDOW
                      : space == PTX_LOCAL ? LOCAL_WINDOW
                                           : 0;
    if (s->operand_count != 2 || space == PTX_CONST || space == PTX_PARAM ||
        space == PTX_GENERIC)
        return decode_fail(d, "no handler for \"%s\"", s->opcode);
    i->imm = (int64_t)(opcode_has(s->opcode, "to") ? -window : window);
    i->wide = (uint8_t)type_bytes(opcode_type(s->opcode));
    i->bytes = i->wide;
    i->at[0] = decode_target(d, &s->operands[0], i->wide);
    i->at[1] = decode_operand(d, &s->operands[1], i->bytes);
    i->run = run_to_window;
    return !d->failed;
}
