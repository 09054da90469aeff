/*
 * decode.c - from a kernel as it is written to one that runs: labels, regular
 * opcodes.
 *
 * A regular opcode is a row of a table (integer.def and others): without
 * rounding, .ftz and .sat its text is the key. decode_irregular.c has the rest.
 * What neither knows is refused by name, with the line.
 */
#include "decode.h"
#include "convert.h"
#include <stdarg.h>
#include <stdlib.h>

bool decode_fail(decoder *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!d->failed) {
        str_printf(d->why, "kernel \"%s\", line %u: ", d->source->name,
                   d->instruction ? d->instruction->line : 0);
        str_vprintf(d->why, format, args);
        if (d->instruction)
            str_printf(d->why, " in \"%s\"", d->instruction->text);
    }
    va_end(args);
    d->failed = true;
    return false;
}

bool opcode_has(const char *opcode, const char *part)
{
    size_t length = strlen(part);
    for (const char *at = opcode; (at = strchr(at, '.'));) {
        at++;
        if (strncmp(at, part, length) == 0 &&
            (at[length] == '.' || !at[length]))
            return true;
    }
    return false;
}

const char *opcode_type(const char *opcode)
{
    const char *dot = strrchr(opcode, '.');
    return dot ? dot + 1 : "";
}

int type_bytes(const char *type)
{
    char dotted[16];
    snprintf(dotted, sizeof dotted, ".%s", type);
    return ptx_type_bits(dotted, strlen(dotted)) / 8;
}

static const op_row *const tables[] = {integer_ops, float_ops,   select_ops,
                                       move_ops,    convert_ops, predicate_ops};

/* Whether `key` is one of the words of `keys`. */
bool opcode_among(const char *keys, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = keys; (at = strstr(at, key)); at += length)
        if ((at == keys || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

static const op_row *find_row(const op_row *table, const char *key)
{
    for (; table->keys; table++)
        if (opcode_among(table->keys, key))
            return table;
    return NULL;
}

/* Of several, the one for as many operands. */
static const op_row *find_regular(const decoder *d, const char *key)
{
    const op_row *row = NULL;
    size_t count = (size_t)d->instruction->operand_count;
    for (unsigned t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const op_row *r = tables[t]; (r = find_row(r, key)); r++)
            if (!row || strlen(r->shape) == count)
                row = r;
    return row;
}

/* Takes rounding, .ftz and .sat out of an opcode. */
static void split_opcode(const char *opcode, char *key, size_t room, insn *i)
{
    static const char *const roundings[] = {"rn", "rm", "rp", "rz"};
    bool is_float = strchr("fb", opcode_type(opcode)[0]) &&
                    strcmp(opcode_type(opcode), "b32") != 0;
    size_t used = 0;
    for (const char *at = opcode; *at;) {
        size_t length = strcspn(at, ".");
        bool keep = true;
        for (int r = 0; r < 4; r++)
            if (is_float && length == 2 && strncmp(at, roundings[r], 2) == 0) {
                i->rounding = (uint8_t)r;
                keep = false;
            }
        if (length == 3 && strncmp(at, "ftz", 3) == 0)
            i->ftz = true, keep = false;
        if (is_float && length == 3 && strncmp(at, "sat", 3) == 0)
            i->sat = true, keep = false;
        if (keep && used + length + 2 < room) {
            used += (size_t)snprintf(key + used, room - used, "%s%.*s",
                                     used ? "." : "", (int)length, at);
        }
        at += length + (at[length] == '.');
    }
}

static bool read_shape(decoder *d, const char *shape, insn *i)
{
    const ptx_instruction *s = d->instruction;
    if ((int)strlen(shape) != s->operand_count)
        return decode_fail(d, "%zu operands expected", strlen(shape));
    for (int o = 0; shape[o]; o++) {
        const ptx_operand *operand = &s->operands[o];
        int bytes = shape[o] == 'p' ? 1 : shape[o] - '0';
        if (shape[o] == 'i')
            i->imm = (int64_t)operand->bits;
        else if (o == 0)
            i->at[0] = decode_target(d, operand, bytes);
        else
            i->at[o] = decode_operand(d, operand, bytes);
        if (operand->kind == OPERAND_REGISTER && operand->inverted && o)
            i->negated = true;
    }
    i->wide = (uint8_t)(shape[0] == 'p' ? 0 : shape[0] - '0');
    return !d->failed;
}

static void adjust(insn *i)
{
    if (!i->rounding && !i->ftz && !i->sat)
        return;
    i->inner = i->run;
    i->run = run_adjusted;
}

static bool decode_setp(decoder *d, const char *key, insn *i)
{
    static const char *const combinations[] = {"and", "or", "xor"};
    const ptx_instruction *s = d->instruction;
    char comparison[16];
    const char *dot = strchr(key, '.');
    snprintf(comparison, sizeof comparison, "%.*s.%s",
             dot ? (int)strcspn(dot + 1, ".") : 0, dot ? dot + 1 : "",
             opcode_type(key));
    const op_row *row = find_row(compare_ops, comparison);
    for (int c = 0; c < 3; c++)
        if (opcode_has(key, combinations[c]))
            i->mode = (uint8_t)(SETP_AND + c);
    if (!row || s->operand_count != (i->mode ? 4 : 3))
        return decode_fail(d, "unknown comparison");
    int bytes = row->shape[1] == '8' ? 8 : type_bytes(opcode_type(key));
    i->run = row->run;
    i->at[0] = decode_target(d, &s->operands[0], 1);
    if (s->operands[0].beside)
        i->at[4] = decode_target(d, s->operands[0].beside, 1);
    i->at[1] = decode_operand(d, &s->operands[1], bytes);
    i->at[2] = decode_operand(d, &s->operands[2], bytes);
    if (i->mode) {
        i->at[3] = decode_operand(d, &s->operands[3], 1);
        i->negated = s->operands[3].inverted;
    }
    i->wide = 0;
    adjust(i);
    return !d->failed;
}

static bool decode_instruction(decoder *d, insn *i)
{
    const char *opcode = d->instruction->opcode;
    char key[64] = "", base[32];
    bool known = false;
    snprintf(base, sizeof base, "%.*s", (int)strcspn(opcode, "."), opcode);
    decode_irregular(d, base, i, &known);
    if (known)
        return !d->failed;
    split_opcode(opcode, key, sizeof key, i);
    if (strcmp(base, "setp") == 0)
        return decode_setp(d, key, i);
    const op_row *row = find_regular(d, opcode);
    if (row)
        i->rounding = 0, i->ftz = i->sat = false;
    else
        row = find_regular(d, key);
    if (!row)
        return decode_fail(d, "no handler for \"%s\"", opcode);
    i->run = row->run;
    if (read_shape(d, row->shape, i))
        adjust(i);
    return !d->failed;
}

static void guard(decoder *d, insn *i)
{
    const ptx_instruction *s = d->instruction;
    if (!s->guard)
        return;
    ptx_operand o = {.kind = OPERAND_REGISTER, .name = s->guard};
    i->guard = decode_operand(d, &o, 1);
    i->guard_flip = s->guard_inverted ? ALL_LANES : 0;
}

static insn blank(const ptx_instruction *source)
{
    insn i = {.source = source, .guard = NO_OPERAND};
    for (int o = 0; o < OPERANDS; o++)
        i.at[o] = NO_OPERAND;
    return i;
}

/* bar.red is two: one that brings and waits, one that takes the result. */
static void push(decoder *d, insn *i)
{
    vec_push(d->arena, &d->code, *i);
    if (i->run != run_barrier_vote)
        return;
    i->run = run_barrier_result;
    vec_push(d->arena, &d->code, *i);
}

static bool link_branch(decoder *d, insn *i, const int *places)
{
    const char *name = i->source->operands[0].name;
    for (int l = 0; l < d->source->labels.count; l++)
        if (strcmp(d->source->labels.data[l].name, name) == 0) {
            i->imm = places[d->source->labels.data[l].at];
            return true;
        }
    d->instruction = i->source;
    return decode_fail(d, "no label \"%s\"", name);
}

static bool decode_code(decoder *d)
{
    int count = d->source->code.count;
    int *places = ARENA_ARRAY(d->arena, int, count + 1);
    for (int s = 0; s < count && !d->failed; s++) {
        d->instruction = &d->source->code.data[s];
        places[s] = d->code.count;
        insn i = blank(d->instruction);
        guard(d, &i);
        if (decode_instruction(d, &i))
            push(d, &i);
    }
    places[count] = d->code.count;
    d->instruction = NULL;
    insn end = blank(NULL);
    end.run = run_exit;
    push(d, &end);
    for (int c = 0; c < d->code.count && !d->failed; c++)
        if (d->code.data[c].run == run_branch)
            link_branch(d, &d->code.data[c], places);
    return !d->failed;
}

static uint64_t aligned(uint64_t offset, uint64_t align)
{
    return (offset + align - 1) / align * align;
}

/* Shared variables get gaps between them which keep their banks. */
static void place_shared(decoder *d, ptx_variable *v)
{
    enum { GAP = 128 };
    kernel *k = d->kernel;
    k->shared_bytes = aligned(k->shared_bytes, v->align) + v->bytes;
    v->offset = aligned(k->shared_placed, v->align > 16 ? v->align : 16);
    k->shared_placed = v->offset + v->bytes + GAP;
    vec_push(d->arena, &k->shared, *v);
}

/* Variables of a module are there for all kernels; each has those it names. */
static bool is_used(const decoder *d, const char *name)
{
    for (int s = 0; s < d->source->code.count; s++)
        if (strstr(d->source->code.data[s].text, name))
            return true;
    return false;
}

static void place_variables(decoder *d)
{
    kernel *k = d->kernel;
    for (int v = 0; v < d->module->variables.count; v++) {
        ptx_variable *var = &d->module->variables.data[v];
        if (var->space == PTX_SHARED && var->bytes && is_used(d, var->name))
            place_shared(d, var);
    }
    for (int v = 0; v < d->source->variables.count; v++) {
        ptx_variable *var = &d->source->variables.data[v];
        if (var->space == PTX_LOCAL) {
            var->offset = aligned(k->local_bytes, var->align);
            k->local_bytes = aligned(var->offset + var->bytes, 16);
        } else if (var->space == PTX_SHARED && var->bytes)
            place_shared(d, var);
    }
    k->shared_placed = aligned(k->shared_placed, 128);
    for (int v = 0; v < d->module->variables.count; v++)
        if (d->module->variables.data[v].space == PTX_SHARED &&
            !d->module->variables.data[v].bytes)
            d->module->variables.data[v].offset = k->shared_placed;
}

static void place_registers(decoder *d)
{
    for (int r = 0; r < d->source->registers.count; r++) {
        const ptx_registers *range = &d->source->registers.data[r];
        register_file f = {
            .prefix = range->name, .line = range->line, .count = range->count};
        int count = range->count < 0 ? 1 : range->count;
        f.bytes = range->bits == 1 ? 1 : range->bits / 8;
        size_t each = f.bytes == 1 && range->bits == 1 ? 4
                      : f.bytes == 8                   ? 8 * LANES
                                                       : 4 * LANES;
        f.at = (int32_t)d->used;
        d->used = aligned(d->used + each * (size_t)count, 64);
        if (range->bits == 8)
            f.bytes = 2; /* as wide as one of 16 bits, here */
        d->kernel->register_words +=
            range->bits == 1 ? 0 : (unsigned)(count * (f.bytes + 3) / 4);
        vec_push(d->arena, &d->registers, f);
    }
}

kernel *decode_kernel(ptl_arena *arena, const ptx_module *m,
                      const ptx_kernel *source, ptl_str *why)
{
    kernel *k = ARENA_NEW(arena, kernel);
    decoder d = {
        .arena = arena, .why = why, .module = m, .source = source, .kernel = k};
    k->name = source->name;
    k->source = source;
    k->max_threads = source->max_threads ? source->max_threads : 1024;
    for (int p = 0; p < source->parameters.count; p++) {
        const ptx_variable *v = &source->parameters.data[p];
        k->parameter_bytes = v->offset + v->bytes;
    }
    place_registers(&d);
    place_variables(&d);
    if (!decode_code(&d))
        return NULL;
    k->code = d.code.data;
    k->length = (uint32_t)d.code.count;
    k->register_bytes = aligned(d.used, 64);
    return k;
}
