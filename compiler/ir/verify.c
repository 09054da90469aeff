/*
 * verify.c - checks that a graph is what ir.h says a graph is.
 *
 * Runs after every pass in debug builds and in tests. Reports the first broken
 * rule in one sentence that names the node.
 *
 * Needs:    pointers that point somewhere; nothing else is trusted.
 * Provides: every rule of ir.h.
 * Keeps:    the graph.
 */
#include "base/map.h"
#include "ir/ir.h"
#include <string.h>

typedef struct verifier {
    const ir_graph *g;
    ptl_error *err;
    const ir_node *node; /* being checked */
    const ir_var *vars;  /* in scope of its expressions */
    int var_count;
    bool empty; /* some range is: no subscript is ever used */
    bool ok;
} verifier;

#define FAIL(v, ...) ((v)->ok ? fail_once((v), __VA_ARGS__) : (void)0)

static void fail_once(verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail_once(verifier *v, const char *format, ...)
{
    ptl_str text = {0};
    va_list args;
    va_start(args, format);
    str_vprintf(&text, format, args);
    va_end(args);
    v->ok = false;
    ptl_fail(v->err, PTL_E_INTERNAL, "node \"%s\": %s",
             v->node ? v->node->name : "?", str_text(&text));
    str_fini(&text);
}

bool ir_same_shape(const ir_type *a, const ir_type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

static bool same_type(const ir_type *a, const ir_type *b)
{
    return a->kind == b->kind && ir_same_shape(a, b);
}

static bool is_member(const ir_graph *g, const ir_node *n)
{
    return n && n->id >= 0 && n->id < g->nodes.count &&
           g->nodes.data[n->id] == n;
}

static void check_operand(verifier *v, const ir_node *n)
{
    if (!is_member(v->g, n))
        FAIL(v, "uses a node that is not in the graph");
    else if (n->id >= v->node->id)
        FAIL(v, "uses \"%s\", which comes later", n->name);
}

/* ---------- expressions ---------- */

static void check_affine(verifier *v, const ir_affine *a)
{
    for (int i = 0; i < a->term_count; i++) {
        const ir_term *t = &a->terms[i];
        if (t->var < 0 || t->var >= v->var_count)
            FAIL(v, "a subscript uses variable %d of %d", t->var,
                 v->var_count);
        if (t->coef == 0 || (i > 0 && a->terms[i - 1].var >= t->var))
            FAIL(v, "the terms of a subscript are not in canonical form");
    }
}

static void check_inside(verifier *v, const ir_sub *sub, const ir_node *read,
                         int axis)
{
    int64_t low, high;
    int64_t size = read->type.dims[axis];
    if (!v->ok || v->empty)
        return;
    if (!ir_sub_bounds(sub, v->vars, &low, &high))
        FAIL(v, "subscript %d of \"%s\" gathers by an unbounded integer", axis,
             read->name);
    else if (low < 0 || high >= size)
        FAIL(v,
             "subscript %d of \"%s\" runs from %lld to %lld, the axis has "
             "size %lld",
             axis, read->name, (long long)low, (long long)high,
             (long long)size);
}

static void check_subs(verifier *v, const ir_expr *e, bool must_stay)
{
    if (e->sub_count != e->node->type.rank) {
        FAIL(v, "reads \"%s\" of rank %d with %d subscripts", e->node->name,
             e->node->type.rank, e->sub_count);
        return;
    }
    for (int i = 0; i < e->sub_count && v->ok; i++) {
        const ir_sub *sub = &e->subs[i];
        check_affine(v, &sub->affine);
        if (sub->gather && sub->gather->type != IR_INT)
            FAIL(v, "gathers by something that is not INT");
        if (sub->mode != IR_PLAIN && e->node->type.dims[i] == 0 && !v->empty)
            FAIL(v, "clamps, wraps or reflects into an axis of size 0");
        if (must_stay && sub->mode == IR_PLAIN)
            check_inside(v, sub, e->node, i);
    }
}

static void check_op(verifier *v, const ir_expr *e)
{
    if (e->op < 0 || e->op >= IR_SCALAR_COUNT ||
        e->arg_count != ir_scalars[e->op].arity) {
        FAIL(v, "an operation has %d operands", e->arg_count);
        return;
    }
    if (!ir_op_accepts(e->op, e->args)) {
        FAIL(v, "%s has operands of types it does not take",
             ir_scalars[e->op].name);
        return;
    }
    ir_kind expected;
    switch (ir_scalars[e->op].result) {
    case 'R':
        expected = IR_REAL;
        break;
    case 'I':
        expected = IR_INT;
        break;
    case 'B':
        expected = IR_BOOL;
        break;
    default:
        expected = e->args[e->op == IR_SELECT_OP ? 1 : 0]->type;
    }
    if (e->type != expected)
        FAIL(v, "%s has a result of the wrong type", ir_scalars[e->op].name);
}

static void check_expr(ir_expr *e, void *ctx)
{
    verifier *v = ctx;
    if (!v->ok)
        return;
    switch (e->kind) {
    case IR_EXPR_CONST:
        break;
    case IR_EXPR_VAR:
        if (e->var < 0 || e->var >= v->var_count)
            FAIL(v, "uses variable %d of %d", e->var, v->var_count);
        if (e->type != IR_INT)
            FAIL(v, "a variable is not INT");
        break;
    case IR_EXPR_READ:
    case IR_EXPR_INSIDE:
        check_operand(v, e->node);
        if (!v->ok)
            break;
        if (e->node->kind == IR_SCAN)
            FAIL(v, "reads scan \"%s\" itself", e->node->name);
        check_subs(v, e, e->kind == IR_EXPR_READ && !e->outside);
        if (e->type != (e->kind == IR_EXPR_INSIDE ? IR_BOOL
                                                  : e->node->type.kind) ||
            (e->outside && e->outside->type != e->type))
            FAIL(v, "a read of \"%s\" has the wrong type", e->node->name);
        break;
    case IR_EXPR_OP:
        check_op(v, e);
        break;
    case IR_EXPR_RANDOM:
        if (e->element->type != IR_INT || e->step->type != IR_INT ||
            e->seed->type != IR_INT || e->type != IR_REAL)
            FAIL(v, "a random value is REAL of three INTs");
        break;
    }
}

/* ---------- comprehensions ---------- */

static void check_vars(verifier *v, const ir_comp *c)
{
    if (c->out_count < 0 || c->out_count > IR_MAX_RANK ||
        c->var_count < c->out_count || c->var_count > IR_MAX_VARS) {
        FAIL(v, "%d variables with %d of the result are too many",
             c->var_count, c->out_count);
        return;
    }
    for (int i = 0; i < c->var_count; i++) {
        const ir_var *var = &c->vars[i];
        if (i < c->out_count && var->lo != 0)
            FAIL(v, "output variable %d does not start at 0", i);
        if (var->hi < var->lo)
            FAIL(v, "variable %d ends before it starts", i);
        v->empty = v->empty || var->hi == var->lo;
    }
}

static void check_reduce(verifier *v, const ir_comp *c)
{
    ir_kind body = c->body->type;
    switch (c->reduce) {
    case IR_MAP:
        if (c->filter || c->var_count != c->out_count)
            FAIL(v, "a map has a filter or reduction variables");
        break;
    case IR_LSE:
        if (body != IR_REAL)
            FAIL(v, "lse wants a REAL body");
        break;
    case IR_ANY:
    case IR_ALL:
        if (body != IR_BOOL)
            FAIL(v, "any and all want a BOOL body");
        break;
    case IR_REDUCE_COUNT:
        FAIL(v, "the reduction is none");
        break;
    default:
        if (body == IR_BOOL)
            FAIL(v, "the reduction wants a number");
    }
}

static void check_comp_type(verifier *v, const ir_comp *c)
{
    ir_type expected = ir_comp_type(c);
    const ir_type *type = &v->node->type;
    if (!same_type(&expected, type))
        FAIL(v, "the type is not that of its ranges and body");
    else if (type->bound &&
             (expected.bound == 0 || expected.bound > type->bound))
        FAIL(v, "the bound %lld is not provable", (long long)type->bound);
}

static void check_comp(verifier *v)
{
    const ir_comp *c = &v->node->comp;
    v->vars = c->vars;
    v->var_count = c->var_count;
    check_vars(v, c);
    if (!c->body) {
        FAIL(v, "has no body");
        return;
    }
    if (c->filter) {
        if (c->filter->type != IR_BOOL)
            FAIL(v, "the filter is not BOOL");
        ir_visit(c->filter, check_expr, v);
    }
    ir_visit(c->body, check_expr, v);
    if (v->ok)
        check_reduce(v, c);
    if (v->ok)
        check_comp_type(v, c);
}

/* ---------- scatters ---------- */

typedef struct box {
    ir_var vars[IR_MAX_RANK];
    int rank;
    bool empty;
} box;

static box box_of(const ir_node *source)
{
    box b = {.rank = source->type.rank};
    for (int i = 0; i < b.rank; i++) {
        b.vars[i] = (ir_var){"v", 0, source->type.dims[i]};
        b.empty = b.empty || source->type.dims[i] == 0;
    }
    return b;
}

/* Does the value of `a` tell every unknown variable in it? True in a mixed
 * radix: each coefficient is larger than all that the smaller ones can add. */
static bool separates(ir_affine a, const box *b, const bool *known)
{
    int64_t reach = 0;
    for (int done = 0;;) {
        int64_t best = INT64_MAX;
        int var = -1;
        for (int i = 0; i < a.term_count; i++) {
            const ir_term *t = &a.terms[i];
            int64_t size = t->coef < 0 ? -t->coef : t->coef;
            if (known[t->var] || (done >> t->var & 1) ||
                b->vars[t->var].hi <= 1 || size >= best)
                continue;
            best = size;
            var = t->var;
        }
        if (var < 0)
            return true;
        if (best <= reach)
            return false;
        reach += best * (b->vars[var].hi - 1);
        done |= 1 << var;
    }
}

static bool is_injective(const ir_piece *p, int rank)
{
    box b = box_of(p->source);
    bool known[IR_MAX_RANK] = {false};
    for (int pass = 0; pass < rank; pass++)
        for (int axis = 0; axis < rank; axis++) {
            const ir_affine *a = &p->subs[axis].affine;
            if (p->subs[axis].gather || !separates(*a, &b, known))
                continue;
            for (int i = 0; i < a->term_count; i++)
                known[a->terms[i].var] = true;
        }
    for (int i = 0; i < b.rank; i++)
        if (!known[i] && b.vars[i].hi > 1)
            return false;
    return true;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* What of a subscript is no multiple of `step`, and between which values. */
static void remainder_range(const ir_affine *a, const box *b, int64_t step,
                            int64_t *low, int64_t *high)
{
    ir_term terms[IR_MAX_RANK];
    ir_affine rest = {.constant = a->constant, .terms = terms};
    for (int i = 0; i < a->term_count; i++)
        if (a->terms[i].coef % step != 0)
            terms[rest.term_count++] = a->terms[i];
    ir_affine_range(rest, b->vars, low, high);
}

/* No difference of the two is a multiple of `step`: neither is 0. */
static bool differs_by_step(const ir_affine *a, const box *box_a,
                            const ir_affine *b, const box *box_b, int64_t step)
{
    int64_t low_a, high_a, low_b, high_b;
    remainder_range(a, box_a, step, &low_a, &high_a);
    remainder_range(b, box_b, step, &low_b, &high_b);
    int64_t low = low_a - high_b, high = high_a - low_b;
    int64_t above = ((low % step) + step) % step; /* low's own remainder */
    return above != 0 && high < low - above + step;
}

/* Can two subscripts of the same axis never be equal? */
static bool axis_differs(const ir_sub *a, const box *box_a, const ir_sub *b,
                         const box *box_b)
{
    int64_t low_a, high_a, low_b, high_b;
    if (!ir_sub_bounds(a, box_a->vars, &low_a, &high_a) ||
        !ir_sub_bounds(b, box_b->vars, &low_b, &high_b))
        return false;
    if (high_a < low_b || high_b < low_a)
        return true;
    if (a->gather || b->gather)
        return false;
    int64_t common = 0;
    const ir_affine *both[] = {&a->affine, &b->affine};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < both[k]->term_count; i++) {
            int64_t coef = both[k]->terms[i].coef;
            common = gcd(common, coef);
            if (differs_by_step(&a->affine, box_a, &b->affine, box_b,
                                coef < 0 ? -coef : coef))
                return true;
        }
    return common > 1 &&
           differs_by_step(&a->affine, box_a, &b->affine, box_b, common);
}

static bool never_meet(const ir_piece *p, const ir_piece *q, int rank)
{
    box b = box_of(p->source), c = box_of(q->source);
    if (b.empty || c.empty)
        return true;
    for (int axis = 0; axis < rank; axis++)
        if (axis_differs(&p->subs[axis], &b, &q->subs[axis], &c))
            return true;
    return false;
}

bool ir_scatter_is_disjoint(const ir_node *n)
{
    for (int i = 0; i < n->piece_count; i++) {
        box b = box_of(n->pieces[i].source);
        if (!b.empty && !is_injective(&n->pieces[i], n->type.rank))
            return false;
        for (int j = 0; j < i; j++)
            if (!never_meet(&n->pieces[i], &n->pieces[j], n->type.rank))
                return false;
    }
    return true;
}

static void check_piece(verifier *v, const ir_piece *p)
{
    check_operand(v, p->source);
    if (!v->ok)
        return;
    box b = box_of(p->source);
    v->vars = b.vars;
    v->var_count = b.rank;
    v->empty = b.empty;
    if (p->source->type.kind != v->node->type.kind)
        FAIL(v, "adds \"%s\" of another kind", p->source->name);
    for (int i = 0; i < v->node->type.rank && v->ok; i++) {
        const ir_sub *sub = &p->subs[i];
        check_affine(v, &sub->affine);
        if (sub->mode != IR_PLAIN)
            FAIL(v, "a scatter's subscript is not plain");
        if (sub->gather && sub->gather->type != IR_INT)
            FAIL(v, "gathers by something that is not INT");
        if (sub->gather)
            ir_visit(sub->gather, check_expr, v);
        check_inside(v, sub, v->node, i);
    }
}

static void check_scatter(verifier *v)
{
    const ir_node *n = v->node;
    if (n->type.kind == IR_BOOL)
        FAIL(v, "a scatter adds numbers");
    for (int i = 0; i < n->piece_count && v->ok; i++)
        check_piece(v, &n->pieces[i]);
    if (v->ok && n->disjoint && !ir_scatter_is_disjoint(n))
        FAIL(v, "is marked disjoint, which is not provable");
}

/* ---------- scans ---------- */

static void check_same(verifier *v, const ir_node *a, const ir_node *b)
{
    if (v->ok && !same_type(&a->type, &b->type))
        FAIL(v, "\"%s\" and \"%s\" differ in type", a->name, b->name);
    else if (v->ok && b->kind == IR_INPUT && b->type.bound &&
             (a->type.bound == 0 || a->type.bound > b->type.bound))
        FAIL(v, "\"%s\" is not bounded as \"%s\" is", a->name, b->name);
}

/* Each input of the body gets its value from one place. */
static void claim_input(verifier *v, int *claims, const ir_node *inner)
{
    if (!is_member(v->g, v->node) || !is_member(v->node->scan->body, inner) ||
        inner->kind != IR_INPUT)
        FAIL(v, "binds something that is no input of its body");
    else if (claims[inner->id]++)
        FAIL(v, "binds \"%s\" twice", inner->name);
}

static void check_counter(verifier *v, const ir_scan *s)
{
    const ir_type *t = &s->counter->type;
    if (t->kind != IR_INT || t->rank != 0 ||
        (t->bound != 0 && t->bound < s->trips))
        FAIL(v, "the counter is not INT of rank 0 below the trips");
}

static void check_scan_links(verifier *v, const ir_scan *s, int *claims)
{
    const ir_graph *body = s->body;
    if (s->counter) {
        claim_input(v, claims, s->counter);
        if (v->ok)
            check_counter(v, s);
    }
    for (int i = 0; i < s->bind_count && v->ok; i++) {
        check_operand(v, s->bind_outer[i]);
        claim_input(v, claims, s->bind_inner[i]);
        check_same(v, s->bind_outer[i], s->bind_inner[i]);
    }
    for (int i = 0; i < s->carry_count && v->ok; i++) {
        const ir_carry *c = &s->carries[i];
        check_operand(v, c->init);
        claim_input(v, claims, c->input);
        if (v->ok && !is_member(body, c->next))
            FAIL(v, "carries a node that is not in its body");
        check_same(v, c->init, c->input);
        check_same(v, c->next, c->input);
    }
    for (int i = 0; i < s->stack_count && v->ok; i++)
        if (!is_member(body, s->stacked[i]))
            FAIL(v, "stacks a node that is not in its body");
    for (int i = 0; i < body->nodes.count && v->ok; i++)
        if (body->nodes.data[i]->kind == IR_INPUT && claims[i] == 0)
            FAIL(v, "leaves \"%s\" of its body unbound",
                 body->nodes.data[i]->name);
}

static void check_scan(verifier *v)
{
    const ir_scan *s = v->node->scan;
    ptl_error inner = {0};
    if (!ir_verify(s->body, &inner)) {
        FAIL(v, "in the body: %.900s", inner.text);
        return;
    }
    if (s->trips < 0)
        FAIL(v, "a scan of %lld trips", (long long)s->trips);
    ptl_arena *scratch = arena_new();
    check_scan_links(v, s, ARENA_ARRAY(scratch, int, s->body->nodes.count));
    arena_free(scratch);
}

static void check_scan_out(verifier *v)
{
    const ir_node *n = v->node;
    check_operand(v, n->of);
    if (!v->ok)
        return;
    if (n->of->kind != IR_SCAN) {
        FAIL(v, "is a result of \"%s\", which is no scan", n->of->name);
        return;
    }
    const ir_scan *s = n->of->scan;
    if (n->out_index < 0 || n->out_index >= s->carry_count + s->stack_count) {
        FAIL(v, "is result %d of a scan that has %d", n->out_index,
             s->carry_count + s->stack_count);
        return;
    }
    ir_type type = ir_scan_out_type(s, n->out_index);
    if (!same_type(&type, &n->type) || n->type.bound != type.bound)
        FAIL(v, "the type is not that of the scan's result");
}

/* ---------- graphs ---------- */

static void check_type(verifier *v, const ir_type *t)
{
    if (t->kind < IR_REAL || t->kind > IR_BOOL || t->rank < 0 ||
        t->rank > IR_MAX_RANK) {
        FAIL(v, "has no proper type");
        return;
    }
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0)
            FAIL(v, "axis %d has a negative size", i);
    if (t->bound < 0 || (t->bound > 0 && t->kind != IR_INT))
        FAIL(v, "a bound belongs to INT and is positive");
}

static void check_literal(verifier *v)
{
    const ir_node *n = v->node;
    for (int64_t i = 0; i < ir_element_count(&n->type) && v->ok; i++) {
        double x = n->values[i];
        if (n->type.kind == IR_INT &&
            (x != (double)(int64_t)x ||
             (n->type.bound && (x < 0 || x >= (double)n->type.bound))))
            FAIL(v, "element %lld is no integer within its bound",
                 (long long)i);
        if (n->type.kind == IR_BOOL && x != 0.0 && x != 1.0)
            FAIL(v, "element %lld is not a truth value", (long long)i);
    }
}

static void check_node(verifier *v, ptl_map *names)
{
    const ir_node *n = v->node;
    if (!n->name || map_get(names, n->name))
        FAIL(v, "the name is not unique");
    else
        map_put(names, n->name, (void *)(uintptr_t)1);
    if (v->ok && ir_find(v->g, n->name) != n)
        FAIL(v, "is not found by its name");
    check_type(v, &n->type);
    if (!v->ok)
        return;
    switch (n->kind) {
    case IR_INPUT:
        break;
    case IR_LITERAL:
        check_literal(v);
        break;
    case IR_COMP:
        check_comp(v);
        break;
    case IR_SCATTER:
        check_scatter(v);
        break;
    case IR_SCAN:
        check_scan(v);
        break;
    case IR_SCAN_OUT:
        check_scan_out(v);
        break;
    }
}

static void check_output(verifier *v, int index, ptl_map *names)
{
    const ir_output *o = &v->g->outputs.data[index];
    v->node = o->node;
    if (!is_member(v->g, o->node)) {
        v->node = NULL;
        FAIL(v, "output \"%s\" is not in the graph", o->name);
        return;
    }
    if (o->role == IR_OUT_VALUE) {
        if (map_get(names, o->name))
            FAIL(v, "two outputs are called \"%s\"", o->name);
        map_put(names, o->name, (void *)(uintptr_t)1);
        return;
    }
    if (!is_member(v->g, o->target) || o->target->kind != IR_INPUT) {
        FAIL(v, "updates something that is no input");
        return;
    }
    check_same(v, o->node, o->target);
    for (int i = 0; i < index; i++)
        if (v->g->outputs.data[i].target == o->target)
            FAIL(v, "updates \"%s\" a second time", o->target->name);
}

bool ir_verify(const ir_graph *g, ptl_error *err)
{
    verifier v = {.g = g, .err = err, .ok = true};
    ptl_arena *scratch = arena_new();
    ptl_map *names = map_new(scratch);
    for (int i = 0; i < g->nodes.count && v.ok; i++) {
        v = (verifier){.g = g, .err = err, .node = g->nodes.data[i],
                       .ok = true};
        if (g->nodes.data[i]->id != i)
            FAIL(&v, "has id %d at position %d", g->nodes.data[i]->id, i);
        else
            check_node(&v, names);
    }
    names = map_new(scratch);
    for (int i = 0; i < g->outputs.count && v.ok; i++)
        check_output(&v, i, names);
    arena_free(scratch);
    return v.ok;
}
