/*
 * elab_scan.c - `scan t in 0..T from h[n, -1, j] = ... { ... }`: the
 * recurrence.
 *
 * The body is read once, with `t` as an index. What is defined in it and
 * depends on the step has an axis over the steps: where the text writes `t`, or
 * in front, unseen, where it does not. So a scan leaves behind definitions like
 * any others, but that what it carries is read at earlier steps; which of them
 * need a loop is for the compiler to find out.
 */
#include "elab_priv.h"
#include <string.h>

enum { MAX_STEPS = 1000000, MAX_LAGS = 16 };

/* ---------- what is carried ---------- */

/* `h[n, -2, j]` before it has a value: where the step stands. */
typedef struct head {
    const ast_carry *from;
    int at;       /* the subscript that is the step */
    int64_t back; /* how many steps before the first */
    bool after_pack;
} head;

static bool head_step(elab *e, scope *s, head *h)
{
    const ast_carry *c = h->from;
    int64_t step;
    h->at = -1;
    for (int i = 0; i < c->sub_count; i++) {
        const ast_sub *sub = &c->subs[i];
        h->after_pack |= sub->is_pack && h->at < 0;
        if (sub->is_pack || sub->expr->kind == EXPR_NAME)
            continue;
        if (h->at >= 0) {
            elab_error(e, DIAG_LEFT_SIDE, sub->at,
                       "an initial value has one step, such as -1, and plain "
                       "indices");
            return false;
        }
        h->at = i;
        if (!eval_number(e, s, sub->expr, "the step of an initial value",
                         &step))
            return false;
        h->back = -step;
    }
    if (h->at < 0) {
        elab_error(e, DIAG_SCAN_STEP, c->name_at,
                   "an initial value says at which step it stands: write -1 "
                   "where `%s` has its axis of steps",
                   c->name);
        return false;
    }
    if (h->back >= 1 && h->back <= MAX_LAGS)
        return true;
    elab_error(e, DIAG_SCAN_STEP, c->subs[h->at].at,
               h->back < 1 ? "step %lld is one that the scan computes; initial "
                             "values stand at -1, at -2 where the body reads "
                             "two steps back, and so on"
                           : "step %lld is too far back; at most %d are kept",
               -(long long)h->back, MAX_LAGS);
    return false;
}

/* The axis of steps among `rank` axes. */
static int head_axis(const head *h, int rank)
{
    return h->after_pack ? rank - (h->from->sub_count - h->at) : h->at;
}

static bool steps_agree(elab *e, const ty_tensor *declared, int axis,
                        const ty_var *steps, const char *name, src_range at)
{
    if (axis >= 0 && axis < declared->rank &&
        sizes_agree(e, declared->dims[axis], steps->hi))
        return true;
    if (axis >= 0 && axis < declared->rank)
        size_witness(e, declared->dims[axis], steps->hi);
    if (axis < 0 || axis >= declared->rank)
        elab_error(e, DIAG_RANK_MISMATCH, at,
                   "`%s` is declared with %d axes and has more here", name,
                   declared->rank);
    else
        elab_error(e, DIAG_SHAPE_MISMATCH, at,
                   "axis %d of `%s` is declared with size %s and the scan "
                   "runs %s steps",
                   axis, name, size_text(e, declared->dims[axis]),
                   size_text(e, steps->hi));
    elab_note(e, declared->at, "the declared type");
    return false;
}

/* `t` without axis `axis`. */
static ty_tensor *without_axis(elab *e, const ty_tensor *t, int axis)
{
    ty_tensor *one = ARENA_NEW(e->arena, ty_tensor);
    *one = *t;
    one->rank--;
    for (int i = axis; i < one->rank; i++)
        one->dims[i] = t->dims[i + 1];
    return one;
}

/* The initial value as a tensor without the axis of steps. */
static ty_tensor *head_value(elab *e, scope *s, const head *h,
                             const ty_tensor *wanted)
{
    const ast_carry *c = h->from;
    scope *aside = scope_new(e, s, s->frame);
    ast_stmt define = {.kind = STMT_DEFINE, .at = c->at, .name_at = c->name_at};
    ast_sub *subs = ARENA_ARRAY(e->arena, ast_sub, c->sub_count);
    value *v;
    define.name = arena_printf(e->arena, "%s.before", c->name);
    define.value = c->value;
    define.has_subs = true;
    define.subs = subs;
    for (int i = 0; i < c->sub_count; i++)
        if (i != h->at)
            subs[define.sub_count++] = c->subs[i];
    if (wanted) {
        binding *b = scope_bind(e, aside, define.name, NULL, c->name_at);
        b->declared = true;
        b->type = without_axis(e, wanted, head_axis(h, wanted->rank));
    }
    exec_define(e, aside, &define);
    v = scope_own(aside, define.name)->value;
    return v && v->kind == V_TENSOR ? v->tensor : NULL;
}

static ty_carry *carry_named(ty_scan *scan, const char *name,
                             const char *const *names)
{
    for (int i = 0; i < scan->carry_count; i++)
        if (!strcmp(names[i], name))
            return &scan->carries[i];
    return NULL;
}

/* The carried tensor itself; its definition is found in the body. */
static bool open_carried(elab *e, ty_carry *c, const head *h, ty_scan *scan,
                         const ty_tensor *init, const ty_tensor *declared)
{
    int64_t dims[PTL_MAX_RANK + 1];
    int rank = init->rank + 1, axis = head_axis(h, rank);
    ty_tensor *t;
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? scan->var->hi : init->dims[i - (i > axis)];
    if (!dims_fit(e, dims, rank, h->from->at))
        return false;
    t = tensor_new(e, TY_VALUE, tensor_path(e, h->from->name), init->kind, rank,
                   dims, h->from->at);
    t->scan = scan;
    t->time = axis;
    t->bound = declared ? declared->bound : 0;
    if (init->batch_axis >= 0)
        t->batch_axis = init->batch_axis + (init->batch_axis >= axis);
    c->tensor = t;
    c->before = ARENA_ARRAY(e->arena, ty_tensor *, MAX_LAGS);
    return true;
}

static bool same_as_first(elab *e, const ty_carry *c, const head *h,
                          const ty_tensor *init)
{
    const ty_tensor *one = without_axis(e, c->tensor, c->tensor->time);
    if (head_axis(h, c->tensor->rank) == c->tensor->time &&
        init->rank == one->rank && init->kind == one->kind &&
        dims_agree(e, init->dims, one->dims, one->rank))
        return true;
    if (init->rank == one->rank)
        dims_witness(e, init->dims, one->dims, one->rank);
    elab_error(e, DIAG_SHAPE_MISMATCH, h->from->at,
               "initial values of `%s` differ in shape: %s here and %s before",
               h->from->name, dims_text(e, init->dims, init->rank),
               dims_text(e, one->dims, one->rank));
    return false;
}

static bool read_head(elab *e, scope *s, ty_scan *scan, const char **names,
                      const ast_carry *from)
{
    head h = {.from = from};
    ast_stmt one = {.name = from->name, .name_at = from->name_at};
    binding *b = scope_own(s, from->name);
    const ty_tensor *declared = b && b->declared ? b->type : NULL;
    ty_carry *c = carry_named(scan, from->name, names);
    ty_tensor *init;
    if (!may_define(e, s, &one) || !head_step(e, s, &h))
        return false;
    if (declared && !steps_agree(e, declared, head_axis(&h, declared->rank),
                                 scan->var, from->name, from->name_at))
        return false;
    init = head_value(e, s, &h, declared);
    if (!init)
        return false;
    if (!c) {
        c = &scan->carries[scan->carry_count];
        names[scan->carry_count] = from->name;
        if (!open_carried(e, c, &h, scan, init, declared))
            return false;
        scan->carry_count++;
    } else if (!same_as_first(e, c, &h, init)) {
        return false;
    }
    if (c->before[h.back - 1]) {
        elab_error(e, DIAG_REDEFINED, from->at,
                   "step %lld of `%s` has two initial values",
                   -(long long)h.back, from->name);
        return false;
    }
    c->before[h.back - 1] = init;
    if (h.back > c->count)
        c->count = (int)h.back;
    return true;
}

static bool heads_complete(elab *e, const ty_scan *scan,
                           const char *const *names)
{
    bool good = true;
    for (int i = 0; i < scan->carry_count; i++)
        for (int d = 0; d < scan->carries[i].count; d++) {
            if (scan->carries[i].before[d])
                continue;
            elab_error(e, DIAG_SCAN_STEP, scan->carries[i].tensor->at,
                       "`%s` has an initial value at step %d and none at %d",
                       names[i], -scan->carries[i].count, -(d + 1));
            good = false;
        }
    return good;
}

/* ---------- what the body defines ---------- */

bool in_scan(const elab *e, const scope *s)
{
    return e->scan && s == e->scan_body;
}

static bool has_step(const elab *e, const ast_stmt *st)
{
    for (int i = 0; st->has_subs && i < st->sub_count; i++)
        if (!st->subs[i].is_pack && st->subs[i].expr->kind == EXPR_NAME &&
            !strcmp(st->subs[i].expr->name, e->scan->var->name))
            return true;
    return false;
}

static bool carried_may_define(elab *e, const ast_stmt *st, const binding *b)
{
    if (b->value->kind == V_ERROR) { /* its first definition was wrong */
        elab_reported(e);
        return false;
    }
    if (b->value->tensor->body) {
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` is defined twice in one step", st->name);
        return false;
    }
    if (has_step(e, st))
        return true;
    elab_error(e, DIAG_SCAN_STEP, st->name_at,
               "`%s` is carried, so its definition has the step on the left: "
               "`%s` as a subscript where the initial value has -1",
               st->name, e->scan->var->name);
    return false;
}

bool scan_may_define(elab *e, scope *s, const ast_stmt *st)
{
    binding *own = scope_own(s, st->name), *outer = scope_own(s->up, st->name);
    if (own && own->carried)
        return carried_may_define(e, st, own);
    if (own && !own->declared && !(e->frame->static_depth > 0)) {
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` is defined twice in one step", st->name);
        elab_note(e, own->at, "it was defined here");
        return false;
    }
    if (own || !outer || (outer->declared && has_step(e, st)))
        return true;
    if (outer->declared)
        elab_error(e, DIAG_SCAN_STEP, st->name_at,
                   "`%s` is declared outside of the scan, so a step defines "
                   "its part of it: write `%s` among the subscripts",
                   st->name, e->scan->var->name);
    else if (e->frame->static_depth > 0 && !outer->reserved)
        return true;
    else
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` is defined outside of the scan already", st->name);
    elab_note(e, outer->at, "it was %s here",
              outer->declared ? "declared" : "defined");
    return false;
}

const ty_tensor *scan_wanted(scope *s, const ast_stmt *st)
{
    binding *own = scope_own(s, st->name), *outer = scope_own(s->up, st->name);
    if (own)
        return own->carried || own->declared ? own->type : NULL;
    return outer && outer->declared ? outer->type : NULL;
}

ty_var *scan_index(const elab *e, const scope *s, const char *name)
{
    binding *b = e->scan ? scope_find(s, name) : NULL;
    return b && b->value && b->value->kind == V_VAR &&
                   b->value->var == e->scan->var
               ? b->value->var
               : NULL;
}

bool scan_declares(elab *e, const ty_tensor *wanted, int axis, const char *name,
                   src_range at)
{
    return steps_agree(e, wanted, axis, e->scan->var, name, at);
}

bool scan_kind_fits(elab *e, const ty_tensor *t, const ty_expr *x, src_range at)
{
    if (t->kind != TY_INT || x->type != TY_REAL)
        return true;
    elab_error(e, DIAG_TYPE_MISMATCH, at,
               "`%s` starts as int and this is real; start it with a real, "
               "such as 0.0, or declare it",
               t->name);
    return false;
}

value *scan_define_carried(elab *e, ty_tensor *t, ty_var **vars, int rank,
                           ty_expr *x, src_range at)
{
    if (rank != t->rank || vars[t->time] != e->scan->var)
        return elab_error(e, DIAG_SCAN_STEP, at,
                          "the step stands on axis %d of `%s` in its initial "
                          "value and on another one here",
                          t->time, t->name);
    t->vars = ARENA_ARRAY(e->arena, ty_var *, rank + 1);
    for (int i = rank - 1; i >= 0; i--) {
        t->vars[i] = vars[i];
        if (vars[i]->batch)
            t->batch_axis = i;
    }
    t->body = tx_seal(e, x, vars, rank);
    tensor_move_last(e, t);
    return value_tensor(e, t, at);
}

/* ---------- what the body reads ---------- */

bool scan_is_open(const elab *e, const ty_tensor *t)
{
    return e->scan && t->scan == e->scan && !t->hidden;
}

/* What a wrong subscript on the axis of steps should have been. */
static void wrong_step(elab *e, const ty_tensor *t, ty_expr *index,
                       src_range at)
{
    const char *step = e->scan->var->name;
    ty_linear l = ty_linearise(e->arena, index);
    bool ahead = !l.rest && l.count == 1 && l.vars[0] == e->scan->var &&
                 l.coefs[0] == 1 && l.constant > 0;
    if (ahead)
        elab_error(e, DIAG_SCAN_STEP, at,
                   "this reads `%s` %lld step%s ahead, which is not computed "
                   "yet",
                   t->name, (long long)l.constant, l.constant == 1 ? "" : "s");
    else
        elab_error(e, DIAG_SCAN_STEP, at,
                   "within its scan `%s` is read at the step itself or a "
                   "constant number of steps before: `%s`, `%s - 1`",
                   t->name, step, step);
}

bool scan_reads(elab *e, ty_tensor *t, const ty_sub *subs, src_range at)
{
    const ty_sub *sub = &subs[t->time];
    const ty_carry *c = ty_carry_of(t);
    int64_t back = sub->mode == TY_PLAIN
                       ? ty_steps_back(e->arena, e->scan, sub->index)
                       : -1;
    if (back < 0) {
        wrong_step(e, t, sub->index, at);
        return false;
    }
    if (back == 0 && !t->body && !t->piece_count) {
        elab_error(e, DIAG_SCAN_STEP, at,
                   "`%s` is read at step %s before this step defines it; read "
                   "`%s - 1`, or define it further up",
                   t->name, e->scan->var->name, e->scan->var->name);
        return false;
    }
    if (back == 0 || (c && back <= c->count))
        return true;
    elab_error(e, DIAG_SCAN_STEP, at,
               "reading `%s` %lld step%s back needs its value at step -%lld: "
               "give it after `from`",
               t->name, (long long)back, back == 1 ? "" : "s", (long long)back);
    return false;
}

/* ---------- the statement ---------- */

static bool is_step_statement(const ast_stmt *st)
{
    return st->kind == STMT_DEFINE || st->kind == STMT_DECLARE ||
           st->kind == STMT_ACCUMULATE || st->kind == STMT_UNPACK ||
           st->kind == STMT_ASSERT || st->kind == STMT_IF ||
           st->kind == STMT_FOR_RANGE || st->kind == STMT_FOR_EACH ||
           st->kind == STMT_SCAN;
}

static bool scan_steps(elab *e, scope *s, const ast_stmt *st, int64_t *steps)
{
    int64_t lo;
    if (!eval_int(e, s, st->lo, "the begin of a scan", &lo) ||
        !eval_int(e, s, st->hi, "the end of a scan", steps))
        return false;
    if (lo != 0)
        elab_error(e, DIAG_SCAN_STEP, st->lo->at,
                   "a scan begins at step 0; what stands before it is given "
                   "after `from`");
    else if (size_exceeds(e, 0, *steps))
        elab_error(e, DIAG_NEGATIVE_SIZE, st->hi->at, "a scan of %s steps",
                   size_text(e, *steps));
    else if (!size_is_symbolic(e, *steps) && *steps > MAX_STEPS)
        elab_error(e, DIAG_INTERNAL_LIMIT, st->hi->at,
                   "a scan has at most %d steps", MAX_STEPS);
    else
        return true;
    return false;
}

static void bind_body(elab *e, scope *body, const ty_scan *scan,
                      const char *const *names, src_range at)
{
    value *step = value_new(e, V_VAR, at);
    step->var = scan->var;
    scope_bind(e, body, scan->var->name, step, at)->reserved = true;
    for (int i = 0; i < scan->carry_count; i++) {
        ty_tensor *t = scan->carries[i].tensor;
        binding *b =
            scope_bind(e, body, names[i], value_tensor(e, t, t->at), t->at);
        b->carried = true;
        b->type = ARENA_NEW(e->arena, ty_tensor);
        *b->type = *t;
    }
}

/* Names that have the step among their subscripts outlive the scan, and so does
 * what was wrong, so that nothing is said about it twice. */
static void publish(elab *e, scope *s, const scope *body)
{
    for (int i = 0; i < map_count(body->names); i++) {
        const char *name = map_key_at(body->names, i);
        binding *b = scope_own(body, name);
        value *v = b->value;
        if (!v || b->declared)
            continue;
        if (v->kind == V_TENSOR && v->tensor->scan && !v->var)
            scope_bind(e, s, name, v, b->at);
        else if (v->kind == V_ERROR)
            scope_bind(e, s, name, v, b->at);
    }
}

/* `said`: something in the body was wrong, and this may follow from it. */
static void carried_are_defined(elab *e, const ty_scan *scan, scope *body,
                                const char *const *names, bool said)
{
    for (int i = 0; i < scan->carry_count; i++) {
        const ty_tensor *t = scan->carries[i].tensor;
        binding *b = scope_own(body, names[i]);
        if (t->body || b->value->kind == V_ERROR)
            continue;
        b->value = said ? value_error(e)
                        : elab_error(e, DIAG_SCAN_STEP, t->at,
                                     "`%s` is carried, but the body does not "
                                     "define it at step %s",
                                     names[i], scan->var->name);
    }
}

static void run_steps(elab *e, scope *body, const ast_block *block)
{
    for (int i = 0; i < block->count; i++) {
        const ast_stmt *st = block->stmts[i];
        if (is_step_statement(st))
            exec(e, body, st);
        else
            elab_error(e, DIAG_MISPLACED, st->at,
                       "`%s` has no meaning in a scan, whose body says what "
                       "one step computes",
                       ast_stmt_kind_text(st->kind));
    }
}

static bool may_scan(elab *e, const ast_stmt *st)
{
    if (e->scan)
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a scan stands here within another scan's step; run the "
                   "inner one over all steps before, or carry more in one");
    else if (e->frame->record)
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a data block declares fields record by record and has no "
                   "scan");
    else
        return true;
    return false;
}

/* Nothing more is said of what would have come out. */
static void carries_are_errors(elab *e, scope *s, const ast_stmt *st)
{
    for (int i = 0; i < st->carry_count; i++)
        scope_bind(e, s, st->carries[i].name, value_error(e),
                   st->carries[i].name_at);
}

void exec_scan(elab *e, scope *s, const ast_stmt *st)
{
    ty_scan *scan = ARENA_NEW(e->arena, ty_scan);
    const char **names =
        ARENA_ARRAY(e->arena, const char *, st->carry_count + 1);
    scope *body = scope_new(e, s, s->frame);
    int64_t steps = 0;
    int before;
    bool good;
    if (!may_scan(e, st)) {
        carries_are_errors(e, s, st);
        return;
    }
    good = scan_steps(e, s, st, &steps);
    scan->var = ty_var_new(e, st->name, steps, st->name_at);
    scan->var->explicit_range = true;
    scan->carries = ARENA_ARRAY(e->arena, ty_carry, st->carry_count + 1);
    scan->at = st->at;
    for (int i = 0; good && i < st->carry_count; i++)
        good = read_head(e, s, scan, names, &st->carries[i]);
    good = good && heads_complete(e, scan, names);
    if (!good) {
        carries_are_errors(e, s, st);
        return;
    }
    before = e->errors;
    bind_body(e, body, scan, names, st->name_at);
    e->scan = scan;
    e->scan_body = body;
    run_steps(e, body, &st->body);
    carried_are_defined(e, scan, body, names, e->errors != before);
    e->scan = NULL;
    e->scan_body = NULL;
    publish(e, s, body);
}
