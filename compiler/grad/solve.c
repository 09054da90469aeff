/*
 * solve.c - inversion: from "who reads X at a(v)" to "what reads X[u]".
 *
 * The equations a(v) = u, one a subscript, are solved for the variables with
 * the largest product of extents (and strides: see below), which leaves the
 * fewest points to visit; those vanish, the others stay as reductions. (For a
 * convolution's input: the output positions vanish, the window stays.)
 *
 *   coefficient +-1   substitute; the variable's range becomes a window
 *   coefficient a     phases: with residue s of the remaining variable
 *                     r = m*r' + s, m = a / gcd(a, b), the axis is written at
 *                     u = a*u' + b*s + c and the variable is u' - (b*m/a) * r':
 *                     unit coefficients again, no divisibility to test, and
 *                     what no phase writes is never read
 *
 * Neighbouring residues whose ranges agree share a piece: there the residue is
 * an axis of its own. A window of 16 with stride 16 is one piece, not 256.
 */
#include "base/integer.h"
#include "base/plant.h"
#include "grad/grad_priv.h"
#include <string.h>

/* ---------- small integer algebra ---------- */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

static int64_t magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

grad_lin grad_lin_of(ir_affine a)
{
    grad_lin l = {.constant = a.constant};
    for (int i = 0; i < a.term_count; i++)
        l.coef[a.terms[i].var] = a.terms[i].coef;
    return l;
}

static grad_lin slot_lin(int slot)
{
    grad_lin l = {0};
    l.coef[slot] = 1;
    return l;
}

static void add_scaled(grad_lin *to, const grad_lin *a, int64_t by)
{
    to->constant += a->constant * by;
    for (int i = 0; i < GRAD_SLOTS; i++)
        to->coef[i] += a->coef[i] * by;
}

static void replace(grad_lin *in, int slot, const grad_lin *by)
{
    int64_t coef = in->coef[slot];
    if (coef == 0)
        return;
    in->coef[slot] = 0;
    add_scaled(in, by, coef);
}

static void substitute(grad_system *s, int slot, const grad_lin *by)
{
    for (int d = 0; d < s->rank; d++) {
        replace(&s->row[d], slot, by);
        replace(&s->target[d], slot, by);
    }
    for (int v = 0; v < s->var_count; v++)
        replace(&s->var[v], slot, by);
    for (int w = 0; w < s->window_count; w++)
        replace(&s->windows[w].value, slot, by);
}

/* ---------- the system ---------- */

void grad_system_init(grad_system *s, const ir_var *vars, int var_count,
                      const ir_sub *subs, int rank, const int64_t *dims)
{
    *s = (grad_system){.var_count = var_count, .rank = rank,
                       .slot_count = var_count + rank};
    for (int v = 0; v < var_count; v++) {
        s->lo[v] = vars[v].lo;
        s->hi[v] = vars[v].hi;
        s->var[v] = slot_lin(v);
    }
    for (int d = 0; d < rank; d++) {
        int u = var_count + d;
        s->hi[u] = dims[d];
        s->target[d] = slot_lin(u);
        s->row[d] = grad_lin_of(subs[d].affine);
        s->row[d].coef[u] = -1;
        s->gather[d] = subs[d].gather;
    }
}

void grad_window_add(grad_system *s, const grad_lin *value, int64_t lo,
                     int64_t hi)
{
    PTL_ASSERT(s->window_count < GRAD_WINDOWS);
    s->windows[s->window_count++] = (grad_window){*value, lo, hi};
}

void grad_lin_range(const grad_system *s, const grad_lin *a, int64_t *low,
                    int64_t *high)
{
    *low = *high = a->constant;
    for (int i = 0; i < s->slot_count; i++) {
        int64_t c = a->coef[i];
        if (c == 0)
            continue;
        int64_t last = s->hi[i] > s->lo[i] ? s->hi[i] - 1 : s->lo[i];
        *low += c * (c > 0 ? s->lo[i] : last);
        *high += c * (c > 0 ? last : s->lo[i]);
    }
}

bool grad_is_empty(const grad_system *s)
{
    for (int i = 0; i < s->slot_count; i++)
        if (!s->solved[i] && s->hi[i] <= s->lo[i])
            return true;
    for (int w = 0; w < s->window_count; w++) {
        int64_t low, high;
        grad_lin_range(s, &s->windows[w].value, &low, &high);
        if (high < s->windows[w].lo || low >= s->windows[w].hi)
            return true;
    }
    return false;
}

void grad_tighten(grad_system *s, const bool *may)
{
    for (int w = 0; w < s->window_count; w++) {
        const grad_window *win = &s->windows[w];
        for (int i = 0; i < s->slot_count; i++) {
            int64_t c = win->value.coef[i], low, high;
            if (c == 0 || !may[i] || grad_is_empty(s))
                continue;
            grad_lin rest = win->value;
            rest.coef[i] = 0;
            grad_lin_range(s, &rest, &low, &high);
            /* lo <= c*i + rest < hi for some rest in [low, high] */
            int64_t from = win->lo - high, to = win->hi - 1 - low;
            int64_t first = c > 0 ? int_ceil_div(from, c) : int_ceil_div(to, c);
            int64_t last =
                c > 0 ? int_floor_div(to, c) : int_floor_div(from, c);
            s->lo[i] = first > s->lo[i] ? first : s->lo[i];
            s->hi[i] = last + 1 < s->hi[i] ? last + 1 : s->hi[i];
        }
    }
}

/* Slots of a row: unsolved variables, its own axis, anything else. */
static bool is_unknown(const grad_system *s, int slot)
{
    return slot < s->var_count && !s->solved[slot];
}

static int unknown_count(const grad_system *s, int d)
{
    int count = 0;
    for (int v = 0; v < s->var_count; v++)
        count += is_unknown(s, v) && s->row[d].coef[v] != 0;
    return count;
}

/* Does the row speak of nothing but unknowns and its own axis? */
static bool is_private(const grad_system *s, int d)
{
    for (int i = s->var_count; i < s->slot_count; i++)
        if (i != s->var_count + d && s->row[d].coef[i] != 0)
            return false;
    return true;
}

/* ---------- injectivity ---------- */

/*
 * One row read as a mixed-radix number: sorted by coefficient, each step must
 * be larger than all that the smaller ones can add up to.
 */
static bool is_mixed_radix(const grad_system *s, const grad_lin *row,
                           const bool *known)
{
    bool used[IR_MAX_VARS] = {false};
    int64_t reach = 0;
    for (;;) {
        int smallest = -1;
        for (int v = 0; v < s->var_count; v++)
            if (!known[v] && !used[v] && row->coef[v] != 0 &&
                (smallest < 0 || magnitude(row->coef[v]) <
                                     magnitude(row->coef[smallest])))
                smallest = v;
        if (smallest < 0)
            return true;
        int64_t step = magnitude(row->coef[smallest]);
        int64_t extent = s->hi[smallest] - s->lo[smallest];
        if (step <= reach && extent > 1)
            return false;
        reach += step * (extent > 1 ? extent - 1 : 0);
        used[smallest] = true;
    }
}

bool grad_is_injective(const grad_system *s)
{
    bool known[IR_MAX_VARS] = {false}, progress = true;
    while (progress) {
        progress = false;
        for (int d = 0; d < s->rank; d++) {
            if (s->gather[d] || !is_mixed_radix(s, &s->row[d], known))
                continue;
            for (int v = 0; v < s->var_count; v++) {
                progress = progress || (!known[v] && s->row[d].coef[v] != 0);
                known[v] = known[v] || s->row[d].coef[v] != 0;
            }
        }
    }
    for (int d = 0; d < s->rank; d++)
        for (int v = 0; v < s->var_count; v++)
            if (s->row[d].coef[v] != 0 && !known[v])
                return false;
    return true;
}

/* ---------- choosing pivots ---------- */

typedef struct plan {
    int pivot[IR_MAX_RANK]; /* -1: none */
    double eliminated;      /* product of extents and strides */
    int strided;            /* pivots with a coefficient beyond +-1 */
} plan;

static void solve_unit(grad_system *s, int d, int pivot)
{
    int64_t sign = s->row[d].coef[pivot];
    grad_lin solved = {0}, self = slot_lin(pivot);
    /* sign*p + rest = 0, so p = -sign * rest */
    grad_lin rest = s->row[d];
    rest.coef[pivot] = 0;
    add_scaled(&solved, &rest, -sign);
    grad_window_add(s, &self, s->lo[pivot],
                    s->hi[pivot] - ptl_is_planted(PTL_PLANT_INVERSION));
    s->solved[pivot] = true;
    substitute(s, pivot, &solved);
}

/* As one of its phases would leave it: enough to see the next coefficients. */
static bool solve_some_phase(grad_system *s, int d, int pivot)
{
    int64_t a = magnitude(s->row[d].coef[pivot]);
    if (!is_private(s, d))
        return false;
    for (int v = 0; v < s->var_count; v++) {
        int64_t b = s->row[d].coef[v];
        if (v == pivot || b == 0 || !is_unknown(s, v))
            continue;
        grad_lin scaled = {0};
        scaled.coef[v] = a / gcd(a, b);
        substitute(s, v, &scaled);
    }
    grad_lin wide = {0}, self = slot_lin(pivot), solved = {0};
    wide.coef[s->var_count + d] = a;
    substitute(s, s->var_count + d, &wide);
    solved = s->row[d];
    solved.coef[pivot] = 0;
    int64_t sign = s->row[d].coef[pivot] > 0 ? -1 : 1;
    for (int i = 0; i < GRAD_SLOTS; i++)
        solved.coef[i] = solved.coef[i] / a * sign;
    solved.constant = 0;
    grad_window_add(s, &self, s->lo[pivot], s->hi[pivot]);
    s->solved[pivot] = true;
    substitute(s, pivot, &solved);
    return true;
}

static bool is_better(const plan *a, const plan *b)
{
    if (b->eliminated < 0)
        return true;
    if (a->eliminated > b->eliminated || a->eliminated < b->eliminated)
        return a->eliminated > b->eliminated;
    return a->strided < b->strided;
}

static void choose(const grad_system *s, int d, plan *now, plan *best)
{
    if (d == s->rank) {
        if (is_better(now, best))
            *best = *now;
        return;
    }
    now->pivot[d] = -1;
    if (s->gather[d]) {
        choose(s, d + 1, now, best);
        return;
    }
    if (unknown_count(s, d) == 0) {
        /* Another row has taken its variables: only a constant is fine. */
        if (is_private(s, d))
            choose(s, d + 1, now, best);
        return;
    }
    for (int v = 0; v < s->var_count; v++) {
        int64_t coef = s->row[d].coef[v];
        if (coef == 0 || !is_unknown(s, v))
            continue;
        grad_system next = *s;
        plan then = *now;
        bool unit = magnitude(coef) == 1;
        if (unit)
            solve_unit(&next, d, v);
        else if (!solve_some_phase(&next, d, v))
            continue;
        then.pivot[d] = v;
        then.strided += !unit;
        /* A stride leaves that part of the axis to each phase. */
        int64_t extent = s->hi[v] - s->lo[v];
        then.eliminated *= extent > 0 ? (double)extent : 1.0;
        then.eliminated *= (double)magnitude(coef);
        choose(&next, d + 1, &then, best);
    }
}

/* ---------- carrying it out ---------- */

typedef struct inversion {
    ir_graph *g;
    plan plan;
    bool cut_tails, failed, overlap;
    grad_pieces *pieces;
} inversion;

enum { MAX_PIECES = 64 };

static void expand(inversion *c, const grad_system *s, int d);

void grad_shift(grad_system *s, int u)
{
    grad_lin shifted = slot_lin(u);
    shifted.constant = s->lo[u];
    substitute(s, u, &shifted);
    s->hi[u] = s->hi[u] > s->lo[u] ? s->hi[u] - s->lo[u] : 0;
    s->lo[u] = 0;
}

/* Narrows axis d to where the window of its pivot can hold. */
static void cut_axis(grad_system *s, int d)
{
    bool may[GRAD_SLOTS] = {false};
    int u = s->var_count + d;
    int64_t lo = s->lo[u], hi = s->hi[u];
    may[u] = true;
    grad_tighten(s, may);
    s->cut[d] = s->cut[d] || s->lo[u] != lo || s->hi[u] != hi;
    grad_shift(s, u);
}

static void expand_unit(inversion *c, const grad_system *s, int d, int pivot)
{
    grad_system next = *s;
    solve_unit(&next, d, pivot);
    if (c->cut_tails && next.target[d].coef[s->var_count + d] != 0)
        cut_axis(&next, d);
    expand(c, &next, d + 1);
}

/* constant = u */
static void expand_constant(inversion *c, const grad_system *s, int d)
{
    int u = s->var_count + d;
    int64_t at = s->row[d].constant;
    grad_system next = *s;
    grad_lin fixed = {.constant = at};
    if (at < s->lo[u] || at >= s->hi[u])
        return; /* never inside */
    substitute(&next, u, &fixed);
    next.lo[u] = 0;
    next.hi[u] = 1;
    next.cut[d] = true;
    expand(c, &next, d + 1);
}

/* The strided axis, once every residue is settled: a*p + sum b*r + c = u. */
static void finish_phase(inversion *c, const grad_system *s, int d, int pivot)
{
    grad_system next = *s;
    int u = s->var_count + d;
    int64_t a = s->row[d].coef[pivot], low, high;
    grad_lin written = {0}, rest = {0}, offset = {0}, solved = slot_lin(u);
    for (int i = 0; i < s->slot_count; i++) {
        if (i == pivot || i == u)
            continue;
        if (is_unknown(s, i))
            rest.coef[i] = s->row[d].coef[i] / a;
        else
            offset.coef[i] = s->row[d].coef[i];
    }
    offset.constant = s->row[d].constant;
    /* a*u' + offset must stay on the axis; ranges agree over the residues of
     * a piece, so the first one speaks for all. */
    grad_lin first = {.constant = offset.constant};
    for (int i = 0; i < s->slot_count; i++)
        first.constant += offset.coef[i] * s->lo[i];
    grad_lin_range(s, &first, &low, &high);
    next.lo[u] = int_ceil_div(s->lo[u] - low, a);
    next.hi[u] = int_ceil_div(s->hi[u] - low, a);
    written.coef[u] = a;
    add_scaled(&written, &offset, 1);
    substitute(&next, u, &written);
    add_scaled(&solved, &rest, -1);
    grad_lin self = slot_lin(pivot);
    grad_window_add(&next, &self, s->lo[pivot], s->hi[pivot]);
    next.solved[pivot] = true;
    substitute(&next, pivot, &solved);
    next.cut[d] = true;
    cut_axis(&next, d);
    if (next.hi[u] > 0)
        expand(c, &next, d + 1);
}

typedef struct residue_range {
    int64_t lo, hi, u_lo, u_hi;
} residue_range;

static residue_range range_at(const grad_system *s, int d, int pivot, int r,
                              int64_t m, int64_t residue)
{
    int u = s->var_count + d;
    int64_t a = s->row[d].coef[pivot];
    int64_t at = s->row[d].coef[r] * residue + s->row[d].constant;
    residue_range range = {
        .lo = int_ceil_div(s->lo[r] - residue, m),
        .hi = int_ceil_div(s->hi[r] - residue, m),
        .u_lo = int_ceil_div(s->lo[u] - at, a),
        .u_hi = int_ceil_div(s->hi[u] - at, a),
    };
    return range;
}

/* May the residue of r be an axis of the piece? Not where it turns up in
 * another subscript, or where the result would have too many axes. */
static bool may_share(const grad_system *s, int d, int r)
{
    for (int e = 0; e < s->rank; e++)
        if (e != d && s->row[e].coef[r] != 0)
            return false;
    return s->rank + s->residue_slots < IR_MAX_RANK &&
           s->slot_count < GRAD_SLOTS;
}

/* r = m*r' + residue, residue in first..first+count. */
static void set_residue(grad_system *s, int r, int64_t m, int64_t first,
                        int64_t count, residue_range range)
{
    grad_lin by = {.constant = first};
    by.coef[r] = m;
    if (count > 1) {
        int slot = s->slot_count++;
        s->lo[slot] = 0;
        s->hi[slot] = count;
        s->residue_slots++;
        by.coef[slot] = 1;
    }
    substitute(s, r, &by);
    s->lo[r] = range.lo;
    s->hi[r] = range.hi;
}

static void expand_residues(inversion *c, const grad_system *s, int d,
                            int pivot, int from);

/* Each residue of r, or each run of residues with equal ranges. */
static void split_variable(inversion *c, const grad_system *s, int d,
                           int pivot, int r, int64_t m, bool last)
{
    bool share = last && may_share(s, d, r);
    for (int64_t first = 0, next; first < m; first = next) {
        residue_range range = range_at(s, d, pivot, r, m, first);
        next = first + 1;
        while (share && next < m) {
            residue_range more = range_at(s, d, pivot, r, m, next);
            if (memcmp(&more, &range, sizeof more) != 0)
                break;
            next++;
        }
        if (range.hi <= range.lo)
            continue;
        if (c->pieces->count >= MAX_PIECES) {
            c->failed = true;
            return;
        }
        grad_system split = *s;
        set_residue(&split, r, m, first, next - first, range);
        expand_residues(c, &split, d, pivot, r + 1);
    }
}

static bool needs_residue(const grad_system *s, int d, int pivot, int v,
                          int64_t *m)
{
    int64_t a = s->row[d].coef[pivot], b = s->row[d].coef[v];
    if (v == pivot || b == 0 || !is_unknown(s, v))
        return false;
    *m = a / gcd(a, b);
    return *m > 1;
}

static void expand_residues(inversion *c, const grad_system *s, int d,
                            int pivot, int from)
{
    int64_t m, other;
    for (int v = from; v < s->var_count; v++) {
        if (!needs_residue(s, d, pivot, v, &m))
            continue;
        int more = 0;
        for (int w = v + 1; w < s->var_count; w++)
            more += needs_residue(s, d, pivot, w, &other);
        /* Two residues can make the same phase. */
        c->overlap = c->overlap || more > 0;
        split_variable(c, s, d, pivot, v, m, more == 0 && from == 0);
        return;
    }
    finish_phase(c, s, d, pivot);
}

static void expand_phases(inversion *c, const grad_system *s, int d, int pivot)
{
    grad_system next = *s;
    if (!is_private(s, d)) {
        c->failed = true;
        return;
    }
    if (s->row[d].coef[pivot] < 0) {
        grad_lin mirrored = {0};
        int64_t lo = s->lo[pivot];
        mirrored.coef[pivot] = -1;
        substitute(&next, pivot, &mirrored);
        next.lo[pivot] = -(s->hi[pivot] - 1);
        next.hi[pivot] = -lo + 1;
    }
    expand_residues(c, &next, d, pivot, 0);
}

static void add_piece(inversion *c, const grad_system *s)
{
    if (c->pieces->count >= MAX_PIECES) {
        c->failed = true;
        return;
    }
    grad_system *piece = ARENA_NEW(c->g->arena, grad_system);
    *piece = *s;
    vec_push(c->g->arena, c->pieces, piece);
}

static void expand(inversion *c, const grad_system *s, int d)
{
    if (c->failed)
        return;
    if (d == s->rank) {
        add_piece(c, s);
        return;
    }
    int pivot = c->plan.pivot[d];
    if (s->gather[d])
        expand(c, s, d + 1);
    else if (pivot < 0)
        expand_constant(c, s, d);
    else if (magnitude(s->row[d].coef[pivot]) == 1)
        expand_unit(c, s, d, pivot);
    else
        expand_phases(c, s, d, pivot);
}

bool grad_invert(ir_graph *g, const grad_system *s, bool cut_tails,
                 grad_pieces *pieces, bool *overlap)
{
    plan best = {.eliminated = -1.0};
    plan start = {.eliminated = 1.0};
    choose(s, 0, &start, &best);
    pieces->count = 0;
    *overlap = false;
    if (best.eliminated < 0)
        return false;
    inversion c = {.g = g, .plan = best, .cut_tails = cut_tails,
                   .pieces = pieces};
    expand(&c, s, 0);
    *overlap = c.overlap;
    return !c.failed;
}
