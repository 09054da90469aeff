/*
 * ptx_parse.c - reads a PTX module.
 *
 * Functions are named after what they are about to read. The first thing that
 * is not understood ends reading with its line; nothing is skipped silently
 * but what only debuggers and optimizers use.
 */
#include "ptx_parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ptx_fail(ptx_parser *p, const char *what)
{
    if (!p->failed)
        str_printf(p->why, "line %u: %s at \"%.*s\"", p->token.line, what,
                   (int)p->token.length, p->token.text);
    p->failed = true;
    return false;
}

void ptx_advance(ptx_parser *p)
{
    p->token = ptx_next(&p->lexer);
}

bool ptx_is(const ptx_parser *p, const char *text)
{
    return p->token.length == strlen(text) &&
           memcmp(p->token.text, text, p->token.length) == 0;
}

bool ptx_accept(ptx_parser *p, const char *text)
{
    if (!ptx_is(p, text))
        return false;
    ptx_advance(p);
    return true;
}

bool ptx_expect(ptx_parser *p, const char *text)
{
    if (ptx_accept(p, text))
        return true;
    char what[64];
    snprintf(what, sizeof what, "expected %s", text);
    return ptx_fail(p, what);
}

const char *ptx_take(ptx_parser *p)
{
    const char *text = arena_strndup(p->arena, p->token.text, p->token.length);
    ptx_advance(p);
    return text;
}

uint64_t ptx_take_integer(ptx_parser *p)
{
    bool negative = ptx_accept(p, "-");
    uint64_t bits = p->token.bits;
    if (p->token.kind != TOKEN_INTEGER)
        ptx_fail(p, "expected a number");
    ptx_advance(p);
    return negative ? -bits : bits;
}

static void skip_until(ptx_parser *p, const char *mark)
{
    while (!ptx_is(p, mark) && p->token.kind != TOKEN_END)
        ptx_advance(p);
    ptx_advance(p);
}

static void skip_braces(ptx_parser *p)
{
    int depth = 0;
    while (!ptx_is(p, "{") && p->token.kind != TOKEN_END)
        ptx_advance(p);
    do {
        depth += ptx_is(p, "{") - ptx_is(p, "}");
        ptx_advance(p);
    } while (depth > 0 && p->token.kind != TOKEN_END);
}

/* .b32: its bytes; 0 when it is no type. A predicate is one bit. */
int ptx_type_bits(const char *text, size_t length)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {{".pred", 1},  {".b8", 8},   {".u8", 8},   {".s8", 8},
                 {".b16", 16},  {".u16", 16}, {".s16", 16}, {".f16", 16},
                 {".bf16", 16}, {".b32", 32}, {".u32", 32}, {".s32", 32},
                 {".f32", 32},  {".b64", 64}, {".u64", 64}, {".s64", 64},
                 {".f64", 64}};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        if (strlen(types[t].name) == length &&
            memcmp(types[t].name, text, length) == 0)
            return types[t].bits;
    return 0;
}

/* .reg .b32 %r<5>, %x; */
static void registers(ptx_parser *p, ptx_kernel *k)
{
    int bits = ptx_type_bits(p->token.text, p->token.length);
    if (!bits)
        ptx_fail(p, "unknown type of registers");
    ptx_advance(p);
    do {
        ptx_registers r = {.bits = bits, .count = -1, .line = p->token.line};
        r.name = ptx_take(p);
        if (ptx_accept(p, "<")) {
            r.count = (int)ptx_take_integer(p);
            ptx_expect(p, ">");
        }
        vec_push(p->arena, &k->registers, r);
    } while (ptx_accept(p, ","));
    ptx_expect(p, ";");
}

/* @!%p1 add.s32 %r1, %r2, 4; */
static void instruction(ptx_parser *p, ptx_kernel *k)
{
    ptx_instruction i = {.line = p->token.line};
    const char *begin = p->token.text;
    if (ptx_accept(p, "@")) {
        i.guard_inverted = ptx_accept(p, "!");
        i.guard = ptx_take(p);
    }
    i.opcode = ptx_take(p);
    VEC(ptx_operand) operands = {0};
    while (!p->failed && !ptx_is(p, ";")) {
        ptx_operand o = ptx_read_operand(p);
        vec_push(p->arena, &operands, o);
        if (!ptx_accept(p, ","))
            break;
    }
    i.operands = operands.data, i.operand_count = operands.count;
    i.text = arena_strndup(p->arena, begin, (size_t)(p->token.text - begin));
    ptx_expect(p, ";");
    vec_push(p->arena, &k->code, i);
}

static void body_directive(ptx_parser *p, ptx_kernel *k)
{
    ptx_variable v;
    if (ptx_accept(p, ".reg"))
        registers(p, k);
    else if (ptx_is(p, ".loc")) { /* ends with its line */
        unsigned line = p->token.line;
        while (p->token.line == line && p->token.kind != TOKEN_END)
            ptx_advance(p);
    } else if (ptx_is(p, ".pragma") || ptx_is(p, ".branchtargets"))
        skip_until(p, ";");
    else if (ptx_read_variable(p, &v))
        vec_push(p->arena, &k->variables, v);
}

static void body(ptx_parser *p, ptx_kernel *k)
{
    int depth = 1;
    ptx_expect(p, "{");
    while (depth > 0 && !p->failed) {
        if (p->token.kind == TOKEN_END)
            ptx_fail(p, "expected }");
        else if (ptx_accept(p, "{"))
            depth++;
        else if (ptx_accept(p, "}"))
            depth--;
        else if (p->token.kind == TOKEN_DIRECTIVE)
            body_directive(p, k);
        else if (p->token.kind == TOKEN_WORD &&
                 p->lexer.at[strspn(p->lexer.at, " \t")] == ':') {
            ptx_label l = {.name = ptx_take(p), .at = k->code.count};
            ptx_expect(p, ":");
            vec_push(p->arena, &k->labels, l);
        } else
            instruction(p, k);
    }
}

/* .maxntid 256, 1, 1 .minnctapersm 2 */
static void limits(ptx_parser *p, ptx_kernel *k)
{
    while (p->token.kind == TOKEN_DIRECTIVE && !p->failed) {
        bool threads = ptx_is(p, ".maxntid") || ptx_is(p, ".reqntid");
        uint64_t product = 1;
        ptx_advance(p);
        while (p->token.kind == TOKEN_INTEGER) {
            product *= ptx_take_integer(p);
            ptx_accept(p, ",");
        }
        if (threads)
            k->max_threads = (unsigned)product;
    }
}

/* .entry name(.param .u64 a, .param .u32 b) { ... } */
static void entry(ptx_parser *p, ptx_module *m)
{
    ptx_kernel k = {.name = ptx_take(p)};
    uint64_t end = 0;
    if (ptx_accept(p, "(")) {
        while (!p->failed && !ptx_is(p, ")")) {
            ptx_variable v;
            if (!ptx_read_variable(p, &v))
                return;
            v.offset = (end + v.align - 1) / v.align * v.align;
            end = v.offset + v.bytes;
            vec_push(p->arena, &k.parameters, v);
            ptx_accept(p, ",");
        }
        ptx_expect(p, ")");
    }
    limits(p, &k);
    body(p, &k);
    vec_push(p->arena, &m->kernels, k);
}

/* Kernels are whole: only printf and assert are functions, and calling them is
 * refused where a kernel does. */
static void function(ptx_parser *p)
{
    while (!ptx_is(p, ";") && !ptx_is(p, "{") && p->token.kind != TOKEN_END)
        ptx_advance(p);
    if (ptx_is(p, "{"))
        skip_braces(p);
    else
        ptx_advance(p);
}

static void top_level(ptx_parser *p, ptx_module *m)
{
    ptx_variable v;
    if (ptx_accept(p, ".version"))
        m->version = ptx_take(p);
    else if (ptx_accept(p, ".target")) {
        m->target = ptx_take(p);
        while (ptx_accept(p, ","))
            ptx_advance(p);
    } else if (ptx_accept(p, ".address_size"))
        ptx_advance(p);
    else if (ptx_accept(p, ".file")) {
        ptx_advance(p);
        ptx_advance(p);
    } else if (ptx_accept(p, ".section"))
        skip_braces(p);
    else if (ptx_accept(p, ".visible") || ptx_accept(p, ".weak"))
        ;
    else if (ptx_accept(p, ".entry"))
        entry(p, m);
    else if (ptx_accept(p, ".func"))
        function(p);
    else if (ptx_is(p, ".extern") &&
             strncmp(p->lexer.at + strspn(p->lexer.at, " \t"), ".func", 5) == 0)
        ptx_advance(p);
    else if (ptx_read_variable(p, &v))
        vec_push(p->arena, &m->variables, v);
}

ptx_module *ptx_parse(ptl_arena *arena, const char *text, ptl_str *why)
{
    ptx_parser p = {.arena = arena, .why = why, .lexer = {text, 1}};
    ptx_module *m = ARENA_NEW(arena, ptx_module);
    ptx_advance(&p);
    if (!ptx_is(&p, ".version"))
        ptx_fail(&p, "expected .version");
    while (!p.failed && p.token.kind != TOKEN_END)
        top_level(&p, m);
    return p.failed ? NULL : m;
}
