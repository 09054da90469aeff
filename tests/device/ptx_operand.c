/*
 * ptx_operand.c - reads operands and declared variables of PTX.
 */
#include "ptx_parse.h"
#include <string.h>

static ptx_operand list(ptx_parser *p)
{
    ptx_operand o = {.kind = OPERAND_VECTOR};
    VEC(ptx_operand) items = {0};
    do {
        ptx_operand item = ptx_read_operand(p);
        vec_push(p->arena, &items, item);
    } while (!p->failed && ptx_accept(p, ","));
    ptx_expect(p, "}");
    o.items = items.data, o.item_count = items.count;
    return o;
}

/* [%rd1+16], [name+8], [%rd1+-4], [64] */
static ptx_operand address(ptx_parser *p)
{
    ptx_operand o = {.kind = OPERAND_ADDRESS};
    if (p->token.kind != TOKEN_INTEGER) {
        o.base_is_register = p->token.kind == TOKEN_REGISTER;
        o.name = ptx_take(p);
    }
    if (ptx_accept(p, "+") || !o.name || ptx_is(p, "-"))
        o.bits = ptx_take_integer(p);
    ptx_expect(p, "]");
    return o;
}

static ptx_operand number(ptx_parser *p)
{
    ptx_operand o = {.bits = p->token.bits};
    bool negative = ptx_accept(p, "-");
    if (negative)
        o.bits = p->token.bits;
    if (p->token.kind == TOKEN_INTEGER) {
        o.kind = OPERAND_INTEGER;
        o.bits = negative ? -o.bits : o.bits;
    } else if (p->token.kind == TOKEN_F32) {
        o.kind = OPERAND_F32;
        o.bits ^= negative ? UINT64_C(1) << 31 : 0;
    } else if (p->token.kind == TOKEN_F64) {
        o.kind = OPERAND_F64;
        o.bits ^= negative ? UINT64_C(1) << 63 : 0;
    } else
        ptx_fail(p, "expected an operand");
    ptx_advance(p);
    return o;
}

static ptx_operand named(ptx_parser *p)
{
    ptx_operand o = {0};
    o.kind = ptx_is(p, "_")                    ? OPERAND_SINK
             : p->token.kind == TOKEN_REGISTER ? OPERAND_REGISTER
                                               : OPERAND_SYMBOL;
    o.name = ptx_take(p);
    if (o.kind == OPERAND_SYMBOL && ptx_accept(p, "+"))
        o.bits = ptx_take_integer(p);
    return o;
}

ptx_operand ptx_read_operand(ptx_parser *p)
{
    if (ptx_accept(p, "{"))
        return list(p);
    if (ptx_accept(p, "["))
        return address(p);
    bool inverted = ptx_accept(p, "!");
    bool is_name =
        p->token.kind == TOKEN_REGISTER || p->token.kind == TOKEN_WORD;
    ptx_operand o = is_name ? named(p) : number(p);
    o.inverted = inverted;
    if (ptx_accept(p, "|")) {
        o.beside = ARENA_NEW(p->arena, ptx_operand);
        *o.beside = named(p);
    }
    return o;
}

static bool space(ptx_parser *p, ptx_space *found)
{
    static const char *const names[] = {".global", ".shared", ".local",
                                        ".const", ".param"};
    for (unsigned s = 0; s < sizeof names / sizeof *names; s++)
        if (ptx_accept(p, names[s])) {
            *found = (ptx_space)s;
            return true;
        }
    return false;
}

/* = {1, 2, 0f3F800000} or = 4 */
static void initial(ptx_parser *p, ptx_variable *v)
{
    uint64_t at = 0;
    bool braces = ptx_accept(p, "{");
    v->initial = arena_alloc(p->arena, v->bytes ? v->bytes : 1);
    do {
        ptx_operand o = ptx_read_operand(p);
        if (o.kind == OPERAND_SYMBOL || at + v->element_bytes > v->bytes) {
            ptx_fail(p, "an initial value that is not supported");
            return;
        }
        memcpy(v->initial + at, &o.bits, v->element_bytes);
        at += v->element_bytes;
    } while (!p->failed && ptx_accept(p, ","));
    if (braces)
        ptx_expect(p, "}");
}

static void type(ptx_parser *p, ptx_variable *v)
{
    int vector = 1;
    bool pointer = false; /* what follows describes what it points to */
    while (p->token.kind == TOKEN_DIRECTIVE && !p->failed) {
        int bits = ptx_type_bits(p->token.text, p->token.length);
        if (ptx_accept(p, ".align")) {
            unsigned align = (unsigned)ptx_take_integer(p);
            v->align = pointer ? v->align : align;
        } else if (ptx_accept(p, ".ptr"))
            pointer = true;
        else if (ptx_accept(p, ".v4"))
            vector = 4;
        else if (ptx_accept(p, ".v2"))
            vector = 2;
        else if (ptx_accept(p, ".attribute"))
            ptx_fail(p, "variables with attributes are not supported");
        else if (bits >= 8) {
            v->element_bytes = (unsigned)bits / 8;
            ptx_advance(p);
        } else if (!pointer || !ptx_accept(p, ".global"))
            ptx_fail(p, "unknown directive");
    }
    if (!v->element_bytes)
        ptx_fail(p, "expected a type");
    v->bytes = v->element_bytes * (uint64_t)vector;
    if (v->align < v->element_bytes)
        v->align = v->element_bytes;
}

bool ptx_read_variable(ptx_parser *p, ptx_variable *v)
{
    *v = (ptx_variable){.align = 1};
    v->is_extern = ptx_accept(p, ".extern");
    if (!space(p, &v->space))
        return ptx_fail(p, "unknown directive");
    type(p, v);
    v->name = ptx_take(p);
    while (ptx_accept(p, "[")) {
        v->bytes *= ptx_is(p, "]") ? 0 : ptx_take_integer(p);
        ptx_expect(p, "]");
    }
    if (ptx_accept(p, "="))
        initial(p, v);
    if (v->space != PTX_PARAM)
        ptx_expect(p, ";");
    return !p->failed;
}
