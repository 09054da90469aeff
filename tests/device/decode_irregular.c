/*
 * decode_irregular.c - opcodes whose operands are not read one for one.
 */
#include "convert.h"
#include "decode.h"

static bool refuse(decoder *d)
{
    return decode_fail(d, "no handler for \"%s\"", d->instruction->opcode);
}

static int operand_count(const decoder *d)
{
    return d->instruction->operand_count;
}

static const ptx_operand *operand(const decoder *d, int o)
{
    return &d->instruction->operands[o];
}

/* mov.b64 {%r1, %r2}, %rd1; and mov.b64 %rd1, {%r1, %r2}; */
static bool decode_mov(decoder *d, insn *i, bool *known)
{
    if (operand_count(d) != 2)
        return refuse(d);
    bool unpacks = operand(d, 0)->kind == OPERAND_VECTOR;
    const ptx_operand *parts = operand(d, unpacks ? 0 : 1);
    *known = parts->kind == OPERAND_VECTOR;
    if (!*known)
        return true;
    i->count = (uint8_t)parts->item_count;
    i->wide = (uint8_t)type_bytes(opcode_type(d->instruction->opcode));
    if (!i->wide || i->count > 4)
        return refuse(d);
    i->bytes = (uint8_t)(i->wide / i->count);
    i->run = unpacks ? run_unpack : run_pack;
    i->at[0] = unpacks ? decode_operand(d, operand(d, 1), i->wide)
                       : decode_target(d, operand(d, 0), i->wide);
    for (int k = 0; k < i->count; k++) {
        if (unpacks && parts->items[k].kind == OPERAND_SINK)
            continue;
        i->at[1 + k] = unpacks ? decode_target(d, &parts->items[k], i->bytes)
                               : decode_operand(d, &parts->items[k], i->bytes);
    }
    return !d->failed;
}

static int convert_type_of(const char *text, size_t length)
{
    for (int t = 0; convert_types[t].name; t++)
        if (strlen(convert_types[t].name) == length &&
            memcmp(convert_types[t].name, text, length) == 0)
            return t;
    return -1;
}

/* The rounding among the suffixes; whether it is one to whole numbers. */
static int rounding_of(const char *opcode, bool *whole)
{
    static const char *const modes[] = {"rn", "rm", "rp", "rz"};
    static const char *const wholes[] = {"rni", "rmi", "rpi", "rzi"};
    for (int r = 0; r < 4; r++) {
        *whole = opcode_has(opcode, wholes[r]);
        if (*whole || opcode_has(opcode, modes[r]))
            return r;
    }
    return opcode_has(opcode, "rna") ? -1 : ROUND_NEAREST;
}

bool decode_convert(decoder *d, insn *i)
{
    const char *opcode = d->instruction->opcode;
    const char *from = strrchr(opcode, '.'), *to = from;
    while (to && to > opcode && *--to != '.')
        ;
    if (!from || to == opcode || operand_count(d) != 2)
        return refuse(d);
    int from_type = convert_type_of(from + 1, strlen(from + 1));
    int to_type = convert_type_of(to + 1, (size_t)(from - to - 1));
    bool whole, to_float;
    int rounding = rounding_of(opcode, &whole);
    if (from_type < 0 || to_type < 0 || rounding < 0)
        return refuse(d);
    to_float = convert_types[to_type].class >= CLASS_FLOAT;
    i->from = (uint8_t)from_type, i->to = (uint8_t)to_type;
    i->mode = (uint8_t)rounding;
    i->negated = whole && to_float;
    i->sat = opcode_has(opcode, "sat");
    i->bytes = (uint8_t)decode_width(d, operand(d, 1));
    if (!i->bytes)
        i->bytes = (uint8_t)(convert_types[from_type].bits / 8);
    if (i->bytes == 1)
        i->bytes = 2;
    i->wide = (uint8_t)decode_width(d, operand(d, 0));
    i->at[0] = decode_target(d, operand(d, 0), i->wide);
    i->at[1] = decode_operand(d, operand(d, 1), i->bytes);
    i->run = run_convert;
    bool flushes = opcode_has(opcode, "ftz");
    if ((to_float && rounding && !whole) || flushes) {
        i->inner = run_convert;
        i->run = run_convert_rounded;
        i->rounding = (uint8_t)(whole ? 0 : rounding);
        i->ftz = flushes;
    }
    return !d->failed;
}

/* Rows of convert_ops are for registers exactly as wide as the types. */
static bool fits_row(const decoder *d)
{
    const char *opcode = d->instruction->opcode;
    for (const op_row *row = convert_ops; row->keys; row++)
        if (opcode_among(row->keys, opcode) && operand_count(d) == 2)
            return decode_width(d, operand(d, 0)) == row->shape[0] - '0' &&
                   decode_width(d, operand(d, 1)) == row->shape[1] - '0';
    return false;
}

/* bar.sync 0; bar.sync 1, 64; barrier.sync; bar.red.popc.u32 %r1, 0, %p1; */
static bool decode_barrier(decoder *d, insn *i)
{
    const char *opcode = d->instruction->opcode;
    if (opcode_has(opcode, "warp")) {
        i->run = run_warp_barrier;
        i->at[0] = decode_operand(d, operand(d, 0), 4);
        return !d->failed;
    }
    bool votes = opcode_has(opcode, "red"), sync = opcode_has(opcode, "sync");
    if ((!votes && !sync) || operand_count(d) < (votes ? 3 : 1))
        return refuse(d);
    i->run = votes ? run_barrier_vote : run_barrier;
    i->at[0] = decode_operand(d, operand(d, votes), 4);
    if (operand_count(d) > (votes ? 3 : 1))
        i->at[1] = decode_operand(d, operand(d, votes ? 2 : 1), 4);
    if (!votes)
        return !d->failed;
    const ptx_operand *p = operand(d, operand_count(d) - 1);
    i->at[2] = decode_operand(d, p, 1);
    i->negated = p->inverted;
    i->mode = opcode_has(opcode, "popc")  ? VOTE_COUNT
              : opcode_has(opcode, "and") ? VOTE_ALL
                                          : VOTE_ANY;
    i->at[3] = decode_target(d, operand(d, 0), i->mode == VOTE_COUNT ? 4 : 1);
    return !d->failed;
}

/* shfl.sync.bfly.b32 %r1|%p1, %r2, 16, 31, -1; */
static bool decode_shuffle(decoder *d, insn *i)
{
    static const char *const modes[] = {"up", "down", "bfly", "idx"};
    const char *opcode = d->instruction->opcode;
    if (!opcode_has(opcode, "sync") || operand_count(d) != 5)
        return refuse(d);
    for (int m = 0; m < 4; m++)
        if (opcode_has(opcode, modes[m]))
            i->mode = (uint8_t)m;
    i->at[0] = decode_target(d, operand(d, 0), 4);
    for (int o = 1; o < 5; o++)
        i->at[o] = decode_operand(d, operand(d, o), 4);
    if (operand(d, 0)->beside)
        i->at[5] = decode_target(d, operand(d, 0)->beside, 1);
    i->run = run_shuffle;
    return !d->failed;
}

/* vote.sync.all.pred %p1, %p2, -1; vote.sync.ballot.b32 %r1, %p1, -1; */
static bool decode_vote(decoder *d, insn *i)
{
    static const char *const modes[] = {"all", "any", "uni", "ballot"};
    const char *opcode = d->instruction->opcode;
    if (!opcode_has(opcode, "sync") || operand_count(d) != 3)
        return refuse(d);
    for (int m = 0; m < 4; m++)
        if (opcode_has(opcode, modes[m]))
            i->mode = (uint8_t)m;
    i->at[0] = decode_target(d, operand(d, 0), i->mode == VOTE_BALLOT ? 4 : 1);
    i->at[1] = decode_operand(d, operand(d, 1), 1);
    i->negated = operand(d, 1)->inverted;
    i->at[2] = decode_operand(d, operand(d, 2), 4);
    i->run = run_vote;
    return !d->failed;
}

static bool decode_match(decoder *d, insn *i)
{
    const char *opcode = d->instruction->opcode;
    if (!opcode_has(opcode, "any") || operand_count(d) != 3)
        return refuse(d);
    i->wide = (uint8_t)type_bytes(opcode_type(opcode));
    i->at[0] = decode_target(d, operand(d, 0), 4);
    i->at[1] = decode_operand(d, operand(d, 1), i->wide);
    i->at[2] = decode_operand(d, operand(d, 2), 4);
    i->run = run_match_any;
    return !d->failed;
}

static bool decode_reduce(decoder *d, insn *i)
{
    static const char *const names[] = {"add", "min", "max", "min",
                                        "max", "and", "or",  "xor"};
    const char *opcode = d->instruction->opcode;
    int found = -1;
    for (int k = 0; k < 8 && found < 0; k++) {
        bool fits = (k != REDUCE_MIN_U && k != REDUCE_MAX_U) ||
                    opcode_type(opcode)[0] == 'u';
        if (fits && opcode_has(opcode, names[k]))
            found = k;
    }
    if (found < 0 || operand_count(d) != 3)
        return refuse(d);
    i->mode = (uint8_t)found;
    i->at[0] = decode_target(d, operand(d, 0), 4);
    i->at[1] = decode_operand(d, operand(d, 1), 4);
    i->at[2] = decode_operand(d, operand(d, 2), 4);
    i->run = run_reduce;
    return !d->failed;
}

static bool decode_plain(decoder *d, insn *i, run_fn *run)
{
    i->run = run;
    return !d->failed;
}

static bool decode_fence(decoder *d, insn *i)
{
    d->kernel->fences = true;
    return decode_plain(d, i, run_nothing);
}

static bool decode_active_mask(decoder *d, insn *i)
{
    i->at[0] = decode_target(d, operand(d, 0), 4);
    return decode_plain(d, i, run_active_mask);
}

static bool decode_branch(decoder *d, insn *i)
{
    if (operand_count(d) != 1 || operand(d, 0)->kind != OPERAND_SYMBOL)
        return refuse(d);
    return decode_plain(d, i, run_branch);
}

bool decode_irregular(decoder *d, const char *base, insn *i, bool *known)
{
    *known = true;
#define IS(name) (strcmp(base, name) == 0)
    if (IS("ld") || IS("st") || IS("ldu"))
        return decode_memory(d, base, i);
    if (IS("mov"))
        return decode_mov(d, i, known);
    if (IS("bra"))
        return decode_branch(d, i);
    if (IS("ret") || IS("exit"))
        return decode_plain(d, i, run_exit);
    if (IS("trap"))
        return decode_plain(d, i, run_trap);
    if (IS("nanosleep") || IS("prefetch") || IS("prefetchu"))
        return decode_plain(d, i, run_nothing);
    if (IS("membar") || IS("fence"))
        return decode_fence(d, i);
    if (IS("bar") || IS("barrier"))
        return decode_barrier(d, i);
    if (IS("shfl"))
        return decode_shuffle(d, i);
    if (IS("vote"))
        return decode_vote(d, i);
    if (IS("activemask"))
        return decode_active_mask(d, i);
    if (IS("match"))
        return decode_match(d, i);
    if (IS("redux"))
        return decode_reduce(d, i);
    if (IS("atom") || IS("red"))
        return decode_atomic(d, base, i);
    if (IS("cvta"))
        return decode_cvta(d, i);
    if (IS("cvt") && !fits_row(d))
        return decode_convert(d, i);
#undef IS
    *known = false;
    return false;
}
