/*
 * generate.c - random statements: the aimed comprehension and what uses it.
 */
#include "generate.h"
#include "base/map.h"
#include "base/philox.h"
#include "gen.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------- sizes ---------- */

static int64_t pick_size(gen *x, int64_t most)
{
    static const int64_t sizes[] = {2, 3, 1, 5, 4, 7, 8, 9, 16, 17, 33, 65};
    static const int64_t large[] = {40, 50, 33, 65, 17, 60};
    int64_t size = x->large ? large[choose(x->c, 6)] : sizes[choose(x->c, 12)];
    while (size > most && size > 1)
        size /= 2;
    return size;
}

static const char *const names[] = {"i", "j", "k", "l", "m", "n"};

static void add_var(scope *s, const char *name, int64_t lo, int64_t extent)
{
    s->vars[s->count++] = (ir_var){name, lo, lo + extent};
}

static void open_scope(gen *x, scope *s, const cell *aim)
{
    static const char *const groups[] = {"p0", "p1", "p2", "p3"};
    int64_t most = x->large ? 130000 : 3000;
    bool map = aim->reduction == IR_MAP;
    *s = (scope){.pack = aim->pack};
    for (int i = 0; i < aim->pack; i++) {
        int64_t size = 1 + choose(x->c, x->large ? 2 : 3);
        add_var(s, groups[i], 0, size);
        most /= size;
    }
    int outs = (map || x->large ? 2 : 1) + choose_rarely(x->c, 3);
    int reds = map ? 0 : 1 + choose_rarely(x->c, 4);
    for (int i = 0; i < outs + reds; i++) {
        bool reduced = i >= outs;
        int64_t size = pick_size(x, most);
        int64_t lo = reduced && choose_rarely(x->c, 10) ? -1 : 0;
        if (i == outs)
            s->out_count = s->count;
        /* A product of many factors leaves every range. */
        int64_t factors = i > outs ? 3 : 9;
        if (aim->reduction == IR_PROD && reduced && size > factors)
            size = factors;
        add_var(s, names[i], lo, size);
        most = size ? most / size : most;
    }
    if (map)
        s->out_count = s->count;
    bool may_be_empty = aim->reduction == IR_SUM ||
                        aim->reduction == IR_PROD ||
                        aim->reduction == IR_ANY || aim->reduction == IR_ALL;
    if (may_be_empty && choose_rarely(x->c, 80))
        s->vars[s->count - 1].hi = s->vars[s->count - 1].lo;
}

/* ---------- the aimed comprehension ---------- */

static ir_expr *aimed_body(gen *x, const scope *s, const cell *aim)
{
    ir_expr *e = aimed_read(x, s, aim);
    if (x->large) {
        e = gen_mul(x, e, right_factor(x, s));
        return choose_rarely(x->c, 4) ? gen_mul(x, e, some_read(x, s)) : e;
    }
    switch (choose(x->c, 5)) {
    case 0:
        break;
    case 1:
        e = gen_mul(x, e, some_read(x, s));
        break;
    case 2:
        e = gen_mul(x, e, real_expr(x, s, 2));
        break;
    case 3:
        e = gen_add(x, gen_mul(x, e, some_read(x, s)), real_expr(x, s, 1));
        break;
    default:
        e = gen_mul(x, ir_op1(x->g, IR_TANH_OP, e), real_expr(x, s, 2));
    }
    if (aim->reduction == IR_PROD)
        e = gen_add(x, gen_num(x, 1.0),
                gen_mul(x, gen_num(x, 0.5), ir_op1(x->g, IR_TANH_OP, e)));
    if (aim->reduction == IR_ANY || aim->reduction == IR_ALL)
        e = ir_op2(x->g, aim->reduction == IR_ANY ? IR_GT_OP : IR_LT_OP, e,
                   gen_num(x, 0.5));
    return e;
}

static ir_node *comprehend(gen *x, const char *name, const scope *s,
                           ir_reduce reduce, ir_expr *body, ir_expr *filter)
{
    ir_comp comp = {.out_count = s->out_count, .var_count = s->count,
                    .vars = s->vars, .reduce = reduce, .body = body,
                    .filter = filter};
    return ir_comprehend(x->g, name, &comp, (src_range){0});
}

/* The variables of `n`'s axes. */
static scope axes_of(const ir_node *n)
{
    scope s = {.out_count = n->type.rank};
    for (int i = 0; i < n->type.rank; i++)
        add_var(&s, names[i % 6], 0, n->type.dims[i]);
    return s;
}

static ir_node *map_of(gen *x, const char *name, const ir_node *like,
                       ir_expr *body)
{
    scope s = axes_of(like);
    return comprehend(x, name, &s, IR_MAP, body, NULL);
}

/* As REAL, without infinities: max and lse over nothing are infinite. */
static ir_node *tame(gen *x, ir_node *y, const cell *aim, int64_t terms)
{
    scope s = axes_of(y);
    ir_expr *e = ir_read_plain(x->g, y, 0);
    if (y->type.kind == IR_BOOL) {
        ir_expr *r = s.count ? some_read(x, &s) : gen_num(x, 0.5);
        return map_of(x, "r", y, ir_select(x->g, e, r, gen_num(x, -0.5)));
    }
    if (y->type.kind == IR_INT) {
        if (y->type.bound == 0 || choose(x->c, 2))
            return map_of(x, "r", y,
                          gen_mul(x, gen_num(x, 0.125),
                              ir_op1(x->g, IR_REAL_OP, e)));
        ir_type type = {.kind = IR_REAL, .rank = 1, .dims = {y->type.bound}};
        ir_node *w = ir_input(x->g, "w", type, IR_PARAM, PTL_F32);
        return map_of(x, "r", y,
                      ir_read(x->g, w, &(ir_sub){.gather = e}, 1, NULL));
    }
    if (aim->reduction == CELL_MEAN)
        return map_of(x, "r", y,
                      ir_op2(x->g, IR_DIV_OP, e, gen_num(x, (double)terms)));
    bool infinite = aim->filter && (aim->reduction == IR_MAX ||
                                    aim->reduction == IR_MIN ||
                                    aim->reduction == IR_LSE);
    if (!infinite)
        return y;
    x->infinite = y;
    ir_expr *finite =
        ir_op2(x->g, IR_AND_OP, ir_op2(x->g, IR_LT_OP, e, gen_num(x, 0x1p30)),
               ir_op2(x->g, IR_GT_OP, e, gen_num(x, -0x1p30)));
    return map_of(x, "r", y, ir_select(x->g, finite, e, gen_num(x, 0.25)));
}

static int64_t reduced_terms(const scope *s)
{
    int64_t terms = 1;
    for (int v = s->out_count; v < s->count; v++)
        terms *= var_extent(s, v);
    return terms > 0 ? terms : 1;
}

static ir_node *aimed_statement(gen *x, const cell *aim)
{
    scope s;
    open_scope(x, &s, aim);
    ir_expr *body = aimed_body(x, &s, aim);
    bool filtered = aim->filter && !(x->large && choose(x->c, 2));
    ir_expr *filter = filtered ? bool_expr(x, &s, true) : NULL;
    bool mean = aim->reduction == CELL_MEAN;
    ir_node *y = comprehend(x, mean ? "mean" : "y", &s,
                            mean ? IR_SUM : (ir_reduce)aim->reduction, body,
                            filter);
    return tame(x, y, aim, reduced_terms(&s));
}

/* ---------- statements that use it ---------- */

static bool is_small(const ir_node *n)
{
    int64_t count = ir_element_count(&n->type);
    return count > 0 && count <= 4000;
}

/* s[..] = reduce(last) y, then y combined with s: softmax and its like. */
static ir_node *normalise(gen *x, ir_node *y)
{
    static const ir_reduce kinds[] = {IR_SUM, IR_LSE, IR_MAX, IR_MIN};
    if (y->type.rank == 0)
        return y;
    scope s = axes_of(y);
    s.out_count--;
    ir_reduce kind = kinds[choose(x->c, 4)];
    ir_expr *e = ir_read_plain(x->g, y, 0);
    if (kind == IR_SUM)
        e = gen_mul(x, e, e);
    ir_node *total = comprehend(x, "s", &s, kind, e, NULL);
    ir_expr *t = ir_read_plain(x->g, total, 0);
    e = ir_read_plain(x->g, y, 0);
    if (kind == IR_SUM)
        e = ir_op2(x->g, IR_DIV_OP, e,
                   ir_op1(x->g, IR_SQRT_OP, gen_add(x, t, gen_num(x, 0.5))));
    else if (kind == IR_LSE)
        e = ir_op1(x->g, IR_EXP_OP, ir_op2(x->g, IR_SUB_OP, e, t));
    else
        e = ir_op2(x->g, IR_SUB_OP, e, t);
    return map_of(x, "z", y, e);
}

/* c[.., i] = sum(k if k <= i) y[.., k] */
static ir_node *accumulate(gen *x, ir_node *y)
{
    if (y->type.rank == 0 || y->type.dims[y->type.rank - 1] > 40)
        return y;
    scope s = axes_of(y);
    int last = y->type.rank - 1;
    ir_sub subs[IR_MAX_RANK] = {0};
    add_var(&s, "k", 0, y->type.dims[last]);
    s.vars[last].name = "q";
    for (int i = 0; i <= last; i++)
        subs[i].affine = ir_affine_var(x->g, i == last ? last + 1 : i);
    ir_expr *filter = ir_op2(x->g, choose(x->c, 2) ? IR_LT_OP : IR_LE_OP,
                             ir_var_value(x->g, last + 1),
                             ir_var_value(x->g, last));
    return comprehend(x, "c", &s, IR_SUM,
                      ir_read(x->g, y, subs, y->type.rank, NULL), filter);
}

static ir_node *scatter(gen *x, ir_node *y)
{
    if (y->type.rank == 0)
        return y;
    scope s = axes_of(y);
    int axes = 1 + choose(x->c, y->type.rank > 1 ? 2 : 1);
    ir_type type = {.kind = IR_REAL, .rank = axes};
    ir_sub subs[2] = {0};
    for (int i = 0; i < axes; i++) {
        int v = choose(x->c, s.count);
        int64_t coef = 1 + choose(x->c, 3);
        if (choose(x->c, 2)) {
            subs[i].gather = table_read(x, &s, v, 3 + choose(x->c, 4));
        } else {
            subs[i].affine = ir_affine_scale(
                x->g, ir_affine_var(x->g, v), coef);
        }
        int64_t low, high;
        ir_sub_bounds(&subs[i], s.vars, &low, &high);
        type.dims[i] = high + 1 + choose(x->c, 2);
    }
    ir_piece pieces[2] = {{.source = y, .subs = subs},
                          {.source = y, .subs = subs}};
    ir_node *n = ir_scatter(x->g, "h", type, pieces,
                            1 + choose_rarely(x->c, 4), (src_range){0});
    n->disjoint = ir_scatter_is_disjoint(n);
    return n;
}

/* h' = tanh(a * h + y[t]) over the first axis of y. */
static ir_node *scan(gen *x, ir_node *y)
{
    if (y->type.rank < 1 || y->type.rank > 3 || y->type.dims[0] > 17)
        return y;
    ir_graph *body = ir_graph_new();
    int64_t trips = y->type.dims[0];
    ir_type row = y->type;
    row.rank--;
    for (int i = 0; i < row.rank; i++)
        row.dims[i] = y->type.dims[i + 1];
    ir_type count = {.kind = IR_INT, .bound = trips};
    ir_node *at = ir_input(body, "at", count, IR_GENERIC, PTL_I32);
    ir_node *h = ir_input(body, "h", row, IR_GENERIC, PTL_F32);
    ir_node *all = ir_input(body, "all", y->type, IR_GENERIC, PTL_F32);
    ir_sub subs[IR_MAX_RANK] = {0};
    subs[0].gather = ir_read(body, at, NULL, 0, NULL);
    for (int i = 1; i < y->type.rank; i++)
        subs[i].affine = ir_affine_var(body, i - 1);
    ir_expr *e = ir_op2(body, IR_MUL_OP, ir_real(body, 0.75),
                        ir_read_plain(body, h, 0));
    e = ir_op2(body, IR_ADD_OP, e,
               ir_read(body, all, subs, y->type.rank, NULL));
    scope s = axes_of(h);
    ir_comp comp = {s.out_count, s.count, s.vars, IR_MAP, NULL,
                    ir_op1(body, IR_TANH_OP, e)};
    ir_node *next = ir_comprehend(body, "next", &comp, (src_range){0});
    ir_node *init =
        ir_input(x->g, "h0", row, IR_PARAM, PTL_F32);
    ir_carry carry = {init, h, next};
    ir_scan made = {.trips = trips, .reversed = choose(x->c, 2) == 1,
                    .body = body, .counter = at, .bind_count = 1,
                    .bind_outer = &y, .bind_inner = &all, .carry_count = 1,
                    .carries = &carry, .stack_count = 1, .stacked = &next};
    ir_node *n = ir_scan_new(x->g, "scan", &made, (src_range){0});
    return ir_scan_out(x->g, "sr", n, choose(x->c, 2));
}

static ir_node *more(gen *x, ir_node *y)
{
    scope s = axes_of(y);
    x->new_operands = 0;
    switch (choose(x->c, 8)) {
    case 0:
        return map_of(x, "m", y,
                      gen_mul(x, ir_read_plain(x->g, y, 0), some_read(x, &s)));
    case 1:
    case 2:
        return normalise(x, y);
    case 3:
        return accumulate(x, y);
    case 4:
        return scatter(x, y);
    case 5:
        return choose_rarely(x->c, 2) ? scan(x, y) : y;
    default:
        return map_of(x, "m", y,
                      gen_add(x, ir_op1(x->g, IR_TANH_OP,
                                    ir_read_plain(x->g, y, 0)),
                          real_expr(x, &s, 2)));
    }
}

/* ---------- the loss ---------- */

/* sum of y times weights that differ from element to element. */
static ir_node *weighted_sum(gen *x, ir_node *y)
{
    scope s = axes_of(y);
    s.out_count = 0;
    ir_expr *w = gen_num(x, 0.375);
    for (int v = 0; v < s.count; v++)
        w = gen_add(x, w,
                gen_mul(x, gen_num(x, 0.0625 * (v + 1)),
                    ir_op1(x->g, IR_REAL_OP,
                           ir_op2(x->g, IR_MOD_OP, ir_var_value(x->g, v),
                                  ir_int(x->g, 5 + v)))));
    return comprehend(x, "part", &s, s.count ? IR_SUM : IR_MAP,
                      gen_mul(x, ir_read_plain(x->g, y, 0), w), NULL);
}

/* Is `n` read by a later node? */
static bool is_used(gen *x, const ir_node *n)
{
    for (int i = n->id + 1; i < x->g->nodes.count; i++) {
        ir_node **operands;
        int count = ir_operands(x->g, x->g->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            if (operands[k] == n)
                return true;
    }
    return false;
}

static void add_loss(gen *x)
{
    ir_expr *total = NULL;
    int last = x->g->nodes.count;
    for (int i = 0; i < last; i++) {
        ir_node *n = x->g->nodes.data[i];
        if (n->kind == IR_INPUT || n->kind == IR_SCAN ||
            n->type.kind != IR_REAL || is_used(x, n))
            continue;
        ir_output_add(x->g, n->name, n, IR_OUT_VALUE, NULL);
        ir_node *part = weighted_sum(x, n);
        ir_expr *e = ir_read(x->g, part, NULL, 0, NULL);
        total = total ? gen_add(x, total, e) : e;
    }
    scope none = {0};
    ir_node *loss = comprehend(x, "loss", &none, IR_MAP,
                               total ? total : gen_num(x, 0.0), NULL);
    ir_output_add(x->g, "loss", loss, IR_OUT_VALUE, NULL);
}

/* The cell as decisions, so that shrinking may leave it. */
static cell choose_cell(chooser *c, int aim)
{
    cell wanted = cell_at(aim), made;
    made.reduction = choose_this(c, CELL_REDUCTIONS, wanted.reduction);
    made.stride = 1 + choose_this(c, 3, wanted.stride - 1);
    made.dilation = 1 + choose_this(c, 2, wanted.dilation - 1);
    made.gather = choose_this(c, 2, wanted.gather);
    made.filter = choose_this(c, 2, wanted.filter);
    made.outside = choose_this(c, 2, wanted.outside);
    made.pack = choose_this(c, 4, wanted.pack);
    if (made.reduction == IR_MAP)
        made.filter = 0;
    return made;
}

ir_graph *generate(chooser *c, int aim)
{
    gen x = {.c = c, .g = ir_graph_new()};
    cell target = choose_cell(c, aim);
    bool sums = target.reduction == IR_SUM || target.reduction == CELL_MEAN;
    x.large = choose_rarely(c, 4) && sums;
    x.windows = x.large && choose(c, 2);
    ir_node *y = aimed_statement(&x, &target);
    x.large = x.windows = false;
    for (int extra = choose(c, 3); extra > 0 && is_small(y); extra--)
        y = more(&x, y);
    add_loss(&x);
    ir_prune(x.g);
    return x.g;
}

/* ---------- data ---------- */

double *fuzz_data(const ir_node *input, uint64_t seed)
{
    int64_t count = ir_element_count(&input->type);
    double *data = calloc((size_t)count + 1, sizeof *data);
    uint64_t site = ptl_hash(input->name, strlen(input->name));
    if (!data)
        abort();
    for (int64_t i = 0; i < count; i++) {
        double u = philox_uniform(seed, site, 0, (uint64_t)i);
        if (input->type.kind == IR_REAL)
            data[i] = (double)(float)((u * 2.0 - 1.0) * 1.2);
        else if (input->type.kind == IR_INT)
            data[i] = floor(u * (double)(input->type.bound
                                             ? input->type.bound
                                             : 100));
        else
            data[i] = u < 0.5;
    }
    return data;
}
