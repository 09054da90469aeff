/*
 * eval.c - the oracle: loops over every index, nothing clever.
 *
 * It defines what a graph means, so it must stay short enough to be believed.
 * The one concession is that shared expressions are computed once per element,
 * lazily: the side of a select that is not taken is not looked at. Sums are
 * made in long double, which has bits to spare for their roundings.
 */
#include "ir/eval.h"
#include "base/memo.h"
#include "base/philox.h"
#include "ir/eval_op.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------- values ---------- */

static void *heap(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        ptl_panic(__FILE__, __LINE__, "out of memory");
    return p;
}

ir_values *ir_values_new(const ir_graph *g)
{
    ir_values *v = heap(1, sizeof *v);
    v->count = g->nodes.count;
    v->data = heap((size_t)v->count, sizeof *v->data);
    v->error = heap((size_t)v->count, sizeof *v->error);
    return v;
}

void ir_values_free(ir_values *v)
{
    if (!v)
        return;
    for (int i = 0; i < v->count; i++) {
        free(v->data[i]);
        free(v->error[i]);
    }
    free(v->data);
    free(v->error);
    free(v);
}

static size_t size_of(const ir_node *n)
{
    return (size_t)ir_element_count(&n->type);
}

static void make_room(ir_values *v, const ir_node *n)
{
    free(v->data[n->id]);
    free(v->error[n->id]);
    v->data[n->id] = heap(size_of(n), sizeof *v->data[0]);
    v->error[n->id] = heap(size_of(n), sizeof *v->error[0]);
}

void ir_values_set(ir_values *v, const ir_node *input, const double *numbers)
{
    make_room(v, input);
    for (size_t i = 0; i < size_of(input); i++)
        v->data[input->id][i] = numbers[i];
}

void ir_values_set_complex(ir_values *v, const ir_node *input,
                           const double complex *numbers)
{
    make_room(v, input);
    memcpy(v->data[input->id], numbers, size_of(input) * sizeof *numbers);
}

/* ---------- expressions of one statement ---------- */

typedef struct slot {
    uint64_t stamp; /* the element this value belongs to */
    ir_number value;
} slot;

typedef struct evaluator {
    ir_values *v;
    ptl_error *err;
    ptl_status status;
    const ir_node *node; /* being computed */
    double eps;
    int64_t vars[IR_MAX_VARS];
    uint64_t stamp;
    ptl_memo slot_of; /* expression -> slot */
} evaluator;

static ir_number eval_expr(evaluator *ev, const ir_expr *e);

static void fail_at(evaluator *ev, const char *what, const char *whose)
{
    char index[200] = "";
    size_t used = 0;
    int count = ev->node->kind == IR_COMP ? ev->node->comp.var_count : 0;
    for (int i = 0; i < count && used < sizeof index - 24; i++)
        used += (size_t)snprintf(index + used, sizeof index - used, "%s%lld",
                                 i ? ", " : "", (long long)ev->vars[i]);
    if (ev->status == PTL_OK)
        ev->status = ptl_fail(ev->err, PTL_E_DATA, "\"%s\" at [%s]: %s%s",
                              ev->node->name, index, what, whose);
}

static int64_t affine_at(const evaluator *ev, ir_affine a)
{
    int64_t sum = a.constant;
    for (int i = 0; i < a.term_count; i++)
        sum += a.terms[i].coef * ev->vars[a.terms[i].var];
    return sum;
}

int64_t ir_sub_fold(ir_sub_mode mode, int64_t at, int64_t size)
{
    switch (mode) {
    case IR_CLAMP:
        return at < 0 ? 0 : at >= size ? size - 1 : at;
    case IR_WRAP:
        return (at % size + size) % size;
    case IR_REFLECT: { /* -1 is 1, size is size - 2: the edge once */
        if (size == 1)
            return 0;
        int64_t period = 2 * (size - 1);
        at = (at % period + period) % period;
        return at < size ? at : period - at;
    }
    default:
        return at;
    }
}

/* The element that `subs` name, -1 where a plain one leaves its axis. */
static int64_t locate(evaluator *ev, const ir_type *type, const ir_sub *subs,
                      bool *doubtful)
{
    int64_t offset = 0;
    bool inside = true;
    for (int i = 0; i < type->rank; i++) {
        int64_t at = affine_at(ev, subs[i].affine);
        if (subs[i].gather) {
            ir_number g = eval_expr(ev, subs[i].gather);
            at += (int64_t)ir_re(g);
            *doubtful = *doubtful || g.err > 0.0;
        }
        if (type->dims[i] > 0)
            at = ir_sub_fold(subs[i].mode, at, type->dims[i]);
        if (at < 0 || at >= type->dims[i])
            inside = false;
        else
            offset = offset * type->dims[i] + at;
    }
    return inside ? offset : -1;
}

static ir_number eval_read(evaluator *ev, const ir_expr *e)
{
    bool doubtful = false;
    ir_number r;
    int64_t at = locate(ev, &e->node->type, e->subs, &doubtful);
    if (ev->status != PTL_OK)
        return (ir_number){0};
    if (e->kind == IR_EXPR_INSIDE)
        return (ir_number){at >= 0, doubtful};
    if (at >= 0) {
        r.z = ev->v->data[e->node->id][at];
        r.err = ev->v->error[e->node->id][at];
    } else if (e->outside) {
        r = eval_expr(ev, e->outside);
    } else {
        fail_at(ev, "a subscript leaves ", e->node->name);
        return (ir_number){0};
    }
    if (doubtful)
        r.err = HUGE_VAL;
    return r;
}

static ir_number eval_random(evaluator *ev, const ir_expr *e)
{
    uint64_t seed = (uint64_t)(int64_t)ir_re(eval_expr(ev, e->seed));
    uint64_t step = (uint64_t)(int64_t)ir_re(eval_expr(ev, e->step));
    uint64_t element = (uint64_t)(int64_t)ir_re(eval_expr(ev, e->element));
    if (e->random == IR_UNIFORM)
        return (ir_number){philox_uniform(seed, e->site, step, element), 0.0};
    double x = philox_normal(seed, e->site, step, element);
    return (ir_number){x, ev->eps * (8.0 + 8.0 * fabs(x))};
}

static ir_number eval_select(evaluator *ev, const ir_expr *e)
{
    ir_number cond = eval_expr(ev, e->args[0]);
    bool first = ir_re(cond) != 0.0;
    ir_number taken = eval_expr(ev, e->args[first ? 1 : 2]);
    if (cond.err > 0.0) {
        /* A correct program may take the other side. */
        ir_number other = eval_expr(ev, e->args[first ? 2 : 1]);
        double apart = fabs(ir_re(taken) - ir_re(other));
        taken.err = fmax(taken.err, other.err) + apart;
        if (isnan(taken.err))
            taken.err = HUGE_VAL;
    }
    return taken;
}

static ir_number eval_op(evaluator *ev, const ir_expr *e)
{
    ir_number args[3] = {0};
    if (e->op == IR_SELECT_OP)
        return eval_select(ev, e);
    for (int i = 0; i < e->arg_count; i++)
        args[i] = eval_expr(ev, e->args[i]);
    if (ev->status != PTL_OK)
        return (ir_number){0};
    if ((e->op == IR_IDIV_OP || e->op == IR_MOD_OP) &&
        ir_re(args[1]) == 0.0) {
        fail_at(ev, "an integer is divided by zero", "");
        return (ir_number){0};
    }
    return ir_number_op(e->op, args, e->args[0]->type, ev->eps);
}

static ir_number compute(evaluator *ev, const ir_expr *e)
{
    switch (e->kind) {
    case IR_EXPR_CONST:
        return e->type == IR_REAL ? ir_number_const(e->number, ev->eps)
                                  : (ir_number){e->number, 0.0};
    case IR_EXPR_VAR:
        return (ir_number){(double)ev->vars[e->var], 0.0};
    case IR_EXPR_READ:
    case IR_EXPR_INSIDE:
        return eval_read(ev, e);
    case IR_EXPR_OP:
        return eval_op(ev, e);
    case IR_EXPR_RANDOM:
        return eval_random(ev, e);
    }
    return (ir_number){0};
}

static ir_number eval_expr(evaluator *ev, const ir_expr *e)
{
    if (ev->status != PTL_OK)
        return (ir_number){0};
    slot *s = memo_get(&ev->slot_of, e);
    if (!s) {
        s = heap(1, sizeof *s);
        memo_put(&ev->slot_of, e, s);
    }
    if (s->stamp != ev->stamp) {
        ir_number value = compute(ev, e);
        s->value = value;
        s->stamp = ev->stamp;
    }
    return s->value;
}

static void forget_slots(evaluator *ev)
{
    for (int i = 0; i < ev->slot_of.room; i++)
        free(ev->slot_of.values[i]);
    memo_fini(&ev->slot_of);
}

/* Counts the variables [first, last) up by one, the last fastest; false after
 * the last combination. */
static bool next_index(int64_t *at, const ir_var *vars, int first, int last)
{
    for (int i = last - 1; i >= first; i--) {
        if (++at[i] < vars[i].hi)
            return true;
        at[i] = vars[i].lo;
    }
    return false;
}

static bool begin_index(int64_t *at, const ir_var *vars, int first, int last)
{
    bool any = true;
    for (int i = first; i < last; i++) {
        at[i] = vars[i].lo;
        any = any && vars[i].hi > vars[i].lo;
    }
    return any;
}

/* ---------- reductions ---------- */

typedef struct reducer {
    ir_reduce kind;
    ir_kind type;
    double eps;
    int64_t taken;     /* terms so far */
    int64_t winner;    /* position of the largest or smallest */
    ir_number acc;
    long double complex sum;
    double magnitude;  /* sum of |terms| */
    double err;        /* sum of the terms' errors */
    bool whole;        /* all terms are integers */
    bool doubtful;     /* a filter may decide otherwise */
    ir_number *terms;  /* lse: all of them, for the largest comes first */
    int64_t room;
} reducer;

static void reducer_begin(reducer *r)
{
    bool real = r->type == IR_REAL;
    r->taken = r->winner = 0;
    r->sum = 0.0L;
    r->magnitude = r->err = 0.0;
    r->doubtful = false;
    r->whole = true;
    switch (r->kind) {
    case IR_PROD:
    case IR_ALL:
        r->acc = (ir_number){1.0, 0.0};
        break;
    case IR_MAX:
    case IR_ARGMAX:
        r->acc = (ir_number){real ? -HUGE_VAL : -0x1p31, 0.0};
        break;
    case IR_MIN:
    case IR_ARGMIN:
        r->acc = (ir_number){real ? HUGE_VAL : 0x1p31 - 1.0, 0.0};
        break;
    default:
        r->acc = (ir_number){0.0, 0.0};
    }
}

static bool beats(const reducer *r, ir_number x)
{
    double now = ir_re(r->acc), then = ir_re(x);
    if (r->taken == 0)
        return true;
    if (isnan(now) || isnan(then))
        return !isnan(now);
    bool largest = r->kind == IR_MAX || r->kind == IR_ARGMAX;
    return largest ? then > now : then < now;
}

/* The winner's error; for the position, whether another may win. */
static void take_extreme(reducer *r, ir_number x, int64_t position)
{
    double apart = fabs(ir_re(x) - ir_re(r->acc));
    double errors = x.err + r->acc.err;
    if (r->taken && errors > 0.0 && apart <= errors)
        r->err = 1.0;
    double err = fmax(r->taken ? r->acc.err : 0.0, x.err);
    if (beats(r, x)) {
        r->acc = x;
        r->winner = position;
    }
    r->acc.err = err;
}

static void keep_term(reducer *r, ir_number x)
{
    if (r->taken == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        r->terms = realloc(r->terms, (size_t)r->room * sizeof *r->terms);
        if (!r->terms)
            ptl_panic(__FILE__, __LINE__, "out of memory");
    }
    r->terms[r->taken] = x;
}

static void reducer_take(reducer *r, ir_number x, int64_t position)
{
    ir_number pair[2] = {r->acc, x};
    switch (r->kind) {
    case IR_SUM:
        r->sum += x.z;
        r->magnitude += fabs(ir_re(x));
        r->err += x.err;
        r->whole = r->whole && floor(ir_re(x)) == ir_re(x);
        break;
    case IR_PROD:
        r->acc = ir_number_op(IR_MUL_OP, pair, r->type, r->eps);
        break;
    case IR_MAX:
    case IR_MIN:
    case IR_ARGMAX:
    case IR_ARGMIN:
        take_extreme(r, x, position);
        break;
    case IR_LSE:
        keep_term(r, x);
        break;
    case IR_ANY:
        r->acc.z = ir_re(r->acc) != 0.0 || ir_re(x) != 0.0;
        r->err += x.err;
        break;
    case IR_ALL:
        r->acc.z = ir_re(r->acc) != 0.0 && ir_re(x) != 0.0;
        r->err += x.err;
        break;
    default:
        r->acc = x;
    }
    r->taken++;
}

/* log of the sum of exponentials, relative to the largest term. */
static ir_number lse_of(const reducer *r)
{
    double largest = -HUGE_VAL;
    for (int64_t i = 0; i < r->taken; i++) {
        double x = ir_re(r->terms[i]);
        largest = isnan(x) || x > largest ? x : largest;
        if (isnan(x))
            break;
    }
    if (!isfinite(largest))
        return (ir_number){largest, 0.0};
    long double complex terms = 0.0L;
    double err = 0.0;
    for (int64_t i = 0; i < r->taken; i++) {
        ir_number d = {r->terms[i].z - largest, 0.0};
        if (ir_re(d) == -HUGE_VAL)
            continue;
        ir_number e = ir_number_op(IR_EXP_OP, &d, IR_REAL, 0.0);
        terms += e.z;
        err += ir_re(e) * (r->terms[i].err + 2.0 * r->eps * fabs(ir_re(d)));
    }
    ir_number sum = {(double complex)terms, 0.0};
    ir_number log_sum = ir_number_op(IR_LOG_OP, &sum, IR_REAL, 0.0);
    ir_number result = {largest + log_sum.z, 0.0};
    if (r->eps > 0.0)
        result.err = err / ir_re(sum) +
                     r->eps * (4.0 * sqrt((double)r->taken) + 4.0 +
                               2.0 * fabs(ir_re(result)) + fabs(largest));
    return result;
}

static ir_number reducer_end(const reducer *r)
{
    ir_number x = r->acc;
    switch (r->kind) {
    case IR_SUM:
        x = (ir_number){(double complex)r->sum, r->err};
        if (!r->whole || r->magnitude * r->eps >= 1.0)
            x.err += 4.0 * r->eps * sqrt((double)r->taken) * r->magnitude;
        break;
    case IR_LSE:
        x = lse_of(r);
        break;
    case IR_ARGMAX:
    case IR_ARGMIN:
        /* Another winner may stand anywhere else. */
        x = (ir_number){(double)r->winner, r->err > 0.0 ? HUGE_VAL : 0.0};
        break;
    case IR_ANY:
    case IR_ALL:
        x.err = r->err;
        break;
    default:
        break;
    }
    if (r->doubtful)
        x.err = HUGE_VAL;
    if (r->type == IR_INT && r->kind == IR_SUM && r->err == 0.0)
        x.err = 0.0;
    return x;
}

static ir_number reduce_at(evaluator *ev, const ir_comp *c, reducer *r)
{
    int64_t position = 0;
    reducer_begin(r);
    if (!begin_index(ev->vars, c->vars, c->out_count, c->var_count))
        return reducer_end(r);
    do {
        ev->stamp++;
        ir_number take = {1.0, 0.0};
        if (c->filter)
            take = eval_expr(ev, c->filter);
        r->doubtful = r->doubtful || take.err > 0.0;
        if (ir_re(take) != 0.0)
            reducer_take(r, eval_expr(ev, c->body), position);
        position++;
    } while (ev->status == PTL_OK &&
             next_index(ev->vars, c->vars, c->out_count, c->var_count));
    return reducer_end(r);
}

static void eval_comp(evaluator *ev, const ir_node *n)
{
    const ir_comp *c = &n->comp;
    reducer r = {.kind = c->reduce, .type = c->body->type, .eps = ev->eps};
    if (!begin_index(ev->vars, c->vars, 0, c->out_count))
        return;
    int64_t at = 0;
    do {
        ir_number x;
        if (c->reduce == IR_MAP) {
            ev->stamp++;
            x = eval_expr(ev, c->body);
        } else {
            x = reduce_at(ev, c, &r);
        }
        ev->v->data[n->id][at] = x.z;
        ev->v->error[n->id][at] = x.err;
        at++;
    } while (ev->status == PTL_OK &&
             next_index(ev->vars, c->vars, 0, c->out_count));
    free(r.terms);
}

/* ---------- scatter ---------- */

/* Whether some element's place is too close to call. */
static bool eval_piece(evaluator *ev, const ir_node *n, const ir_piece *piece,
                       long double complex *sum, double *magnitude,
                       double *hits)
{
    bool unsure = false;
    const ir_type *source = &piece->source->type;
    ir_var vars[IR_MAX_RANK];
    int64_t from = 0;
    for (int i = 0; i < source->rank; i++)
        vars[i] = (ir_var){"v", 0, source->dims[i]};
    if (!begin_index(ev->vars, vars, 0, source->rank))
        return false;
    do {
        bool doubtful = false;
        ev->stamp++;
        int64_t to = locate(ev, &n->type, piece->subs, &doubtful);
        if (to < 0) {
            fail_at(ev, "a piece leaves the result: ", piece->source->name);
            return false;
        }
        unsure = unsure || doubtful;
        double complex x = ev->v->data[piece->source->id][from];
        sum[to] += x;
        ev->v->error[n->id][to] += ev->v->error[piece->source->id][from];
        magnitude[to] += fabs(creal(x));
        hits[to] += 1.0;
        from++;
    } while (ev->status == PTL_OK &&
             next_index(ev->vars, vars, 0, source->rank));
    return unsure;
}

/* What may have gone elsewhere leaves no element certain. */
static void eval_scatter(evaluator *ev, const ir_node *n)
{
    size_t count = size_of(n);
    double *magnitude = heap(count, sizeof *magnitude);
    double *hits = heap(count, sizeof *hits);
    long double complex *sum = heap(count, sizeof *sum);
    bool unsure = false;
    for (int i = 0; i < n->piece_count && ev->status == PTL_OK; i++)
        unsure |= eval_piece(ev, n, &n->pieces[i], sum, magnitude, hits);
    for (size_t i = 0; i < count; i++)
        ev->v->data[n->id][i] = (double complex)sum[i];
    for (size_t i = 0; i < count && n->type.kind == IR_REAL; i++)
        ev->v->error[n->id][i] +=
            unsure ? HUGE_VAL
                   : 4.0 * ev->eps * sqrt(hits[i]) * magnitude[i];
    free(magnitude);
    free(hits);
    free(sum);
}

/* ---------- scans ---------- */

static void copy_value(ir_values *to, const ir_node *n, const ir_values *from,
                       const ir_node *source)
{
    make_room(to, n);
    memcpy(to->data[n->id], from->data[source->id],
           size_of(n) * sizeof *to->data[0]);
    memcpy(to->error[n->id], from->error[source->id],
           size_of(n) * sizeof *to->error[0]);
}

static ir_node *result_of(const ir_graph *g, const ir_node *scan, int index)
{
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind == IR_SCAN_OUT && n->of == scan && n->out_index == index)
            return n;
    }
    return NULL;
}

/* Keeps one trip's values of the stacked nodes. */
static void stack_trip(evaluator *ev, const ir_graph *g, const ir_node *n,
                       const ir_values *inner, int64_t trip)
{
    const ir_scan *s = n->scan;
    for (int i = 0; i < s->stack_count; i++) {
        const ir_node *out = result_of(g, n, s->carry_count + i);
        if (!out)
            continue;
        size_t size = size_of(s->stacked[i]);
        size_t at = (size_t)trip * size;
        const int id = s->stacked[i]->id;
        memcpy(ev->v->data[out->id] + at, inner->data[id],
               size * sizeof *inner->data[0]);
        memcpy(ev->v->error[out->id] + at, inner->error[id],
               size * sizeof *inner->error[0]);
    }
}

static void run_trip(evaluator *ev, const ir_scan *s, ir_values *inner,
                     int64_t trip)
{
    if (s->counter)
        ir_values_set(inner, s->counter, &(double){(double)trip});
    ptl_error err = {0};
    ptl_status st = ir_eval(s->body, inner, NULL, &err);
    if (st != PTL_OK)
        ev->status = ptl_fail(ev->err, st, "in trip %lld of \"%s\": %.900s",
                              (long long)trip, ev->node->name, err.text);
}

/* Next trip's carried values; all are read before any is written. */
static void advance(const ir_scan *s, ir_values *inner, ir_values *held)
{
    for (int i = 0; i < s->carry_count; i++)
        copy_value(held, s->carries[i].input, inner, s->carries[i].next);
    for (int i = 0; i < s->carry_count; i++)
        copy_value(inner, s->carries[i].input, held, s->carries[i].input);
}

static void eval_scan(evaluator *ev, const ir_graph *g, const ir_node *n)
{
    const ir_scan *s = n->scan;
    ir_values *inner = ir_values_new(s->body);
    ir_values *held = ir_values_new(s->body);
    inner->eps = ev->eps;
    for (int i = 0; i < s->bind_count; i++)
        copy_value(inner, s->bind_inner[i], ev->v, s->bind_outer[i]);
    for (int i = 0; i < s->carry_count; i++)
        copy_value(inner, s->carries[i].input, ev->v, s->carries[i].init);
    for (int i = 0; i < s->carry_count + s->stack_count; i++) {
        const ir_node *out = result_of(g, n, i);
        if (out)
            make_room(ev->v, out);
    }
    for (int64_t k = 0; k < s->trips && ev->status == PTL_OK; k++) {
        int64_t trip = s->reversed ? s->trips - 1 - k : k;
        run_trip(ev, s, inner, trip);
        if (ev->status != PTL_OK)
            break;
        stack_trip(ev, g, n, inner, trip);
        advance(s, inner, held);
    }
    for (int i = 0; i < s->carry_count; i++) {
        const ir_node *out = result_of(g, n, i);
        if (out)
            copy_value(ev->v, out, inner, s->carries[i].input);
    }
    ir_values_free(inner);
    ir_values_free(held);
}

/* ---------- graphs ---------- */

static void eval_literal(evaluator *ev, const ir_node *n)
{
    for (size_t i = 0; i < size_of(n); i++) {
        ir_number x = n->type.kind == IR_REAL
                          ? ir_number_const(n->values[i], ev->eps)
                          : (ir_number){n->values[i], 0.0};
        ev->v->data[n->id][i] = x.z;
        ev->v->error[n->id][i] = x.err;
    }
}

static void eval_node(evaluator *ev, const ir_graph *g, const ir_node *n)
{
    ev->node = n;
    if (n->kind == IR_COMP || n->kind == IR_SCATTER || n->kind == IR_LITERAL)
        make_room(ev->v, n);
    switch (n->kind) {
    case IR_INPUT:
        if (!ev->v->data[n->id])
            ev->status = ptl_fail(ev->err, PTL_E_USAGE,
                                  "input \"%s\" has no value", n->name);
        break;
    case IR_LITERAL:
        eval_literal(ev, n);
        break;
    case IR_COMP:
        eval_comp(ev, n);
        break;
    case IR_SCATTER:
        eval_scatter(ev, n);
        break;
    case IR_SCAN:
        eval_scan(ev, g, n);
        break;
    case IR_SCAN_OUT: /* made with its scan */
        break;
    }
    forget_slots(ev);
}

/* What `wanted` nodes need, marked in `needed`. */
static void mark_needed(const ir_graph *g, const bool *wanted, bool *needed)
{
    for (int i = g->nodes.count - 1; i >= 0; i--) {
        ir_node **operands;
        needed[i] = needed[i] || !wanted || wanted[i];
        if (!needed[i])
            continue;
        int count = ir_operands((ir_graph *)g, g->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            needed[operands[k]->id] = true;
    }
}

ptl_status ir_eval(const ir_graph *g, ir_values *v, const bool *wanted,
                   ptl_error *err)
{
    PTL_ASSERT(v->count == g->nodes.count);
    bool *needed = heap((size_t)g->nodes.count, sizeof *needed);
    evaluator ev = {.v = v, .err = err, .status = PTL_OK, .eps = v->eps};
    mark_needed(g, wanted, needed);
    for (int i = 0; i < g->nodes.count && ev.status == PTL_OK; i++)
        if (needed[i])
            eval_node(&ev, g, g->nodes.data[i]);
    free(needed);
    return ev.status;
}
