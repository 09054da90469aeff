/*
 * expr.c - scalar expressions, hash-consed.
 *
 * Equal expressions of a graph are the same pointer, subscripts included, so
 * passes compare with == and common subexpressions need no pass of their own.
 * Constants are equal when their bits are: 0 and -0 differ.
 */
#include "ir/interner.h"
#include <math.h>
#include <string.h>

const ir_scalar_info ir_scalars[IR_SCALAR_COUNT] = {
#define SCALAR(name, arity, result, text) {#name, text, arity, #result[0]},
#include "lang/scalar.def"
#include "ir/scalar.def"
#undef SCALAR
};

void ir_interner_init(ir_graph *g)
{
    struct ir_interner *in = ARENA_NEW(g->arena, struct ir_interner);
    in->slot_count = 64;
    in->slots = ARENA_ARRAY(g->arena, ir_expr *, in->slot_count);
    in->names = map_new(g->arena);
    g->interner = in;
}

void ir_interner_fini(ir_graph *g)
{
    for (int i = 0; i < g->interner->bodies.count; i++)
        ir_graph_free(g->interner->bodies.data[i]);
}

/* ---------- the table ---------- */

static uint64_t hash_sub(uint64_t h, const ir_sub *s)
{
    h = ptl_hash_more(h, &s->mode, sizeof s->mode);
    h = ptl_hash_more(h, &s->affine.constant, sizeof s->affine.constant);
    for (int i = 0; i < s->affine.term_count; i++) {
        h = ptl_hash_more(h, &s->affine.terms[i].var, sizeof(int));
        h = ptl_hash_more(h, &s->affine.terms[i].coef, sizeof(int64_t));
    }
    return ptl_hash_more(h, &s->gather, sizeof s->gather);
}

static uint64_t hash_expr(const ir_expr *e)
{
    int head[] = {(int)e->kind, (int)e->type, e->var, e->sub_count,
                  (int)e->op, e->arg_count, (int)e->random};
    uint64_t h = ptl_hash(head, sizeof head);
    h = ptl_hash_more(h, &e->number, sizeof e->number);
    const void *links[] = {e->node, e->outside, e->element, e->step, e->seed};
    h = ptl_hash_more(h, links, sizeof links);
    h = ptl_hash_more(h, &e->site, sizeof e->site);
    for (int i = 0; i < e->sub_count; i++)
        h = hash_sub(h, &e->subs[i]);
    for (int i = 0; i < e->arg_count; i++)
        h = ptl_hash_more(h, &e->args[i], sizeof e->args[i]);
    return h;
}

static bool equal_exprs(const ir_expr *a, const ir_expr *b)
{
    if (a->kind != b->kind || a->type != b->type || a->var != b->var ||
        a->node != b->node || a->sub_count != b->sub_count ||
        a->outside != b->outside || a->op != b->op ||
        a->arg_count != b->arg_count || a->random != b->random ||
        a->site != b->site || a->element != b->element || a->step != b->step ||
        a->seed != b->seed ||
        memcmp(&a->number, &b->number, sizeof a->number) != 0)
        return false;
    for (int i = 0; i < a->arg_count; i++)
        if (a->args[i] != b->args[i])
            return false;
    for (int i = 0; i < a->sub_count; i++)
        if (a->subs[i].mode != b->subs[i].mode ||
            a->subs[i].gather != b->subs[i].gather ||
            !ir_affine_equal(a->subs[i].affine, b->subs[i].affine))
            return false;
    return true;
}

static ir_expr **find_slot(const struct ir_interner *in, const ir_expr *key)
{
    int mask = in->slot_count - 1;
    int i = (int)(hash_expr(key) >> 20) & mask;
    while (in->slots[i] && !equal_exprs(in->slots[i], key))
        i = (i + 1) & mask;
    return &in->slots[i];
}

static void grow(ir_graph *g)
{
    struct ir_interner *in = g->interner;
    ir_expr **old = in->slots;
    int old_count = in->slot_count;
    in->slot_count *= 2;
    in->slots = ARENA_ARRAY(g->arena, ir_expr *, in->slot_count);
    for (int i = 0; i < old_count; i++)
        if (old[i])
            *find_slot(in, old[i]) = old[i];
}

static ir_sub *copy_subs(ir_graph *g, const ir_sub *subs, int count)
{
    ir_sub *copy = ARENA_ARRAY(g->arena, ir_sub, count);
    for (int i = 0; i < count; i++) {
        copy[i] = subs[i];
        int terms = subs[i].affine.term_count;
        ir_term *own = ARENA_ARRAY(g->arena, ir_term, terms);
        for (int k = 0; k < terms; k++)
            own[k] = subs[i].affine.terms[k];
        copy[i].affine.terms = own;
    }
    return copy;
}

ir_expr *ir_intern(ir_graph *g, const ir_expr *key)
{
    struct ir_interner *in = g->interner;
    ir_expr **slot = find_slot(in, key);
    if (*slot)
        return *slot;
    ir_expr *e = ARENA_NEW(g->arena, ir_expr);
    *e = *key;
    e->id = g->next_expr++;
    if (key->sub_count)
        e->subs = copy_subs(g, key->subs, key->sub_count);
    if (key->arg_count) {
        ir_expr **args = ARENA_ARRAY(g->arena, ir_expr *, key->arg_count);
        memcpy(args, key->args, (size_t)key->arg_count * sizeof *args);
        e->args = args;
    }
    if (key->site_name)
        e->site_name = arena_strdup(g->arena, key->site_name);
    *slot = e;
    if (++in->count * 2 > in->slot_count)
        grow(g);
    return e;
}

/* ---------- leaves ---------- */

ir_expr *ir_real(ir_graph *g, double value)
{
    ir_expr key = {.kind = IR_EXPR_CONST, .type = IR_REAL, .number = value};
    if (isnan(value))
        key.number = NAN; /* one NaN, whatever its bits were */
    return ir_intern(g, &key);
}

ir_expr *ir_int(ir_graph *g, int64_t value)
{
    ir_expr key = {.kind = IR_EXPR_CONST, .type = IR_INT};
    key.number = (double)value;
    PTL_ASSERT((int64_t)key.number == value);
    return ir_intern(g, &key);
}

ir_expr *ir_bool(ir_graph *g, bool value)
{
    ir_expr key = {.kind = IR_EXPR_CONST, .type = IR_BOOL,
                   .number = value ? 1.0 : 0.0};
    return ir_intern(g, &key);
}

ir_expr *ir_var_value(ir_graph *g, int var)
{
    PTL_ASSERT(var >= 0 && var < IR_MAX_VARS);
    ir_expr key = {.kind = IR_EXPR_VAR, .type = IR_INT, .var = var};
    return ir_intern(g, &key);
}

ir_expr *ir_affine_value(ir_graph *g, ir_affine a)
{
    ir_expr *sum = NULL;
    for (int i = 0; i < a.term_count; i++) {
        int64_t coef = a.terms[i].coef;
        ir_expr *v = ir_var_value(g, a.terms[i].var);
        bool subtract = sum && coef < 0;
        if (subtract)
            coef = -coef;
        ir_expr *term = coef == 1 ? v
                                  : ir_op2(g, IR_MUL_OP, ir_int(g, coef), v);
        sum = sum ? ir_op2(g, subtract ? IR_SUB_OP : IR_ADD_OP, sum, term)
                  : term;
    }
    if (!sum)
        return ir_int(g, a.constant);
    if (a.constant > 0)
        return ir_op2(g, IR_ADD_OP, sum, ir_int(g, a.constant));
    if (a.constant < 0)
        return ir_op2(g, IR_SUB_OP, sum, ir_int(g, -a.constant));
    return sum;
}

/* ---------- reads ---------- */

/* Moves what is affine in gathers into the affine part, so that equal
 * subscripts have one form. */
static void normal_subs(ir_graph *g, const ir_sub *subs, int count,
                        ir_sub *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = subs[i];
        if (!subs[i].gather)
            continue;
        PTL_ASSERT(subs[i].gather->type == IR_INT);
        ir_affine more;
        ir_split_affine(g, subs[i].gather, &more, &out[i].gather);
        out[i].affine = ir_affine_add(g, subs[i].affine, more);
    }
}

static ir_expr *read_like(ir_graph *g, ir_expr *key, const ir_sub *subs,
                          int count)
{
    PTL_ASSERT(key->node && count == key->node->type.rank);
    ir_sub normal[IR_MAX_RANK];
    normal_subs(g, subs, count, normal);
    key->subs = normal;
    key->sub_count = count;
    return ir_intern(g, key);
}

ir_expr *ir_read(ir_graph *g, ir_node *node, const ir_sub *subs, int count,
                 ir_expr *outside)
{
    ir_expr key = {.kind = IR_EXPR_READ, .node = node, .outside = outside};
    key.type = node->type.kind;
    PTL_ASSERT(!outside || outside->type == key.type);
    return read_like(g, &key, subs, count);
}

ir_expr *ir_inside(ir_graph *g, ir_node *node, const ir_sub *subs, int count)
{
    ir_expr key = {.kind = IR_EXPR_INSIDE, .type = IR_BOOL, .node = node};
    return read_like(g, &key, subs, count);
}

ir_expr *ir_read_plain(ir_graph *g, ir_node *node, int first)
{
    ir_sub subs[IR_MAX_RANK] = {0};
    ir_term terms[IR_MAX_RANK];
    for (int i = 0; i < node->type.rank; i++) {
        terms[i] = (ir_term){first + i, 1};
        subs[i].affine = (ir_affine){0, 1, &terms[i]};
    }
    return ir_read(g, node, subs, node->type.rank, NULL);
}

ir_expr *ir_random_value(ir_graph *g, ir_random kind, const char *site,
                         ir_expr *element, ir_expr *step, ir_expr *seed)
{
    PTL_ASSERT(element->type == IR_INT && step->type == IR_INT &&
               seed->type == IR_INT);
    ir_expr key = {.kind = IR_EXPR_RANDOM, .type = IR_REAL, .random = kind,
                   .site = ptl_hash(site, strlen(site)), .site_name = site,
                   .element = element, .step = step, .seed = seed};
    return ir_intern(g, &key);
}

/* ---------- operations ---------- */

static bool is_number(ir_kind kind)
{
    return kind == IR_REAL || kind == IR_INT;
}

static ir_kind result_type(ir_scalar op, ir_expr *const *args)
{
    ir_kind first = args[0]->type;
    switch (ir_scalars[op].result) {
    case 'R':
        return IR_REAL;
    case 'I':
        return IR_INT;
    case 'B':
        return IR_BOOL;
    case 'X':
        return args[1]->type;
    default:
        return first;
    }
}

bool ir_op_accepts(ir_scalar op, ir_expr *const *args)
{
    ir_kind first = args[0]->type;
    int arity = ir_scalars[op].arity;
    if (op == IR_SELECT_OP)
        return first == IR_BOOL && args[1]->type == args[2]->type;
    for (int i = 1; i < arity; i++)
        if (args[i]->type != first)
            return false;
    switch (op) {
    case IR_IDIV_OP:
    case IR_MOD_OP:
        return first == IR_INT;
    case IR_EQ_OP:
    case IR_NE_OP:
    case IR_REAL_OP:
    case IR_INT_OP:
    case IR_STOP_OP:
        return true;
    case IR_AND_OP:
    case IR_OR_OP:
    case IR_NOT_OP:
        return first == IR_BOOL;
    default:
        return ir_scalars[op].result == 'R' ? first == IR_REAL
                                            : is_number(first);
    }
}

ir_expr *ir_op(ir_graph *g, ir_scalar op, ir_expr *const *args)
{
    PTL_ASSERT(ir_op_accepts(op, args));
    ir_expr *folded = ir_fold(g, op, args);
    if (folded)
        return folded;
    ir_expr key = {.kind = IR_EXPR_OP, .type = result_type(op, args),
                   .op = op, .args = args,
                   .arg_count = ir_scalars[op].arity};
    return ir_intern(g, &key);
}

ir_expr *ir_op1(ir_graph *g, ir_scalar op, ir_expr *a)
{
    PTL_ASSERT(ir_scalars[op].arity == 1);
    return ir_op(g, op, (ir_expr *[]){a, NULL, NULL});
}

ir_expr *ir_op2(ir_graph *g, ir_scalar op, ir_expr *a, ir_expr *b)
{
    PTL_ASSERT(ir_scalars[op].arity == 2);
    return ir_op(g, op, (ir_expr *[]){a, b, NULL});
}

ir_expr *ir_select(ir_graph *g, ir_expr *cond, ir_expr *a, ir_expr *b)
{
    return ir_op(g, IR_SELECT_OP, (ir_expr *[]){cond, a, b});
}
