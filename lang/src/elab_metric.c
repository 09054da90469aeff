/*
 * elab_metric.c - metrics: a number of each batch, averaged by rows, or sums
 * over all batches and a value of them:
 *
 *     metric f1 {
 *       tp += sum(n) (p[n] && y[n]);      // of a batch; added up
 *       fp += sum(n) (p[n] && !y[n]);
 *       fn_ += sum(n) (!p[n] && y[n]);
 *       value = 2 * tp / (2 * tp + fp + fn_);   // once, of the sums
 *     }
 *
 * Statements up to the last `+=` belong to a batch, those after it to the sums.
 */
#include "elab_priv.h"
#include <string.h>

typedef struct metric_run {
    elab *e;
    const ast_stmt *metric;
    scope *batch; /* what is of one batch */
    scope *sums;  /* what is of the sums */
    int first;    /* tensors from here on were made for the sums */
    VEC(const char *) names; /* of the accumulators, in order */
} metric_run;

/* ---------- which statements belong to a batch ---------- */

static bool adds_up(const ast_stmt *st);

static bool any_adds_up(const ast_block *b)
{
    for (int i = 0; i < b->count; i++)
        if (adds_up(b->stmts[i]))
            return true;
    return false;
}

static bool adds_up(const ast_stmt *st)
{
    return st->kind == STMT_ACCUMULATE || any_adds_up(&st->body) ||
           any_adds_up(&st->else_body);
}

/* Statements before this one belong to a batch. */
static int end_of_batch(const ast_block *body)
{
    int end = 0;
    for (int i = 0; i < body->count; i++)
        if (adds_up(body->stmts[i]))
            end = i + 1;
    return end;
}

/* ---------- one batch ---------- */

static bool is_known(const metric_run *m, const char *name)
{
    for (int i = 0; i < m->names.count; i++)
        if (!strcmp(m->names.data[i], name))
            return true;
    return false;
}

static value *as_real(elab *e, value *v, const ast_stmt *st)
{
    ty_tensor *t;
    v = value_settle(e, v);
    if (v->kind == V_ERROR)
        return v;
    if (!value_is_number(v))
        return elab_error(e, DIAG_TYPE_MISMATCH, st->value->at,
                          "a metric adds up numbers and this is %s",
                          value_text(e, v));
    v = elementwise(e, TY_REAL_OP, &v, 1, st->value->at);
    t = v->kind == V_ERROR ? NULL : value_materialise(e, v, st->name, st->at);
    return t ? value_tensor(e, t, st->at) : value_error(e);
}

/* `c += whole;` gives the accumulator its shape. */
static void add_whole(metric_run *m, const ast_stmt *st)
{
    elab *e = m->e;
    binding *b = scope_own(m->batch, st->name);
    int mark = e->checks.count;
    value *args[2], *v = as_real(e, eval(e, m->batch, st->value), st);
    if (v->kind == V_ERROR || !checks_run(e, mark))
        return;
    if (b && !is_known(m, st->name)) {
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`%s` is a value of the batch and cannot be added up under "
                   "its own name",
                   st->name);
        return;
    }
    args[0] = b ? b->value : v;
    args[1] = v;
    if (b)
        v = as_real(e, elementwise(e, TY_ADD_OP, args, 2, st->at), st);
    if (v->kind != V_ERROR)
        scope_bind(e, m->batch, st->name, v, st->name_at);
}

static void accumulate(metric_run *m, const ast_stmt *st)
{
    elab *e = m->e;
    binding *b = scope_own(m->batch, st->name);
    bool declared = b && b->declared;
    if (!strcmp(st->name, "value")) {
        elab_error(e, DIAG_REDEFINED, st->name_at,
                   "`value` is what the metric gives, not an accumulator");
        return;
    }
    if (declared && b->type && b->type->kind != TY_REAL) {
        elab_error(e, DIAG_TYPE_MISMATCH, st->name_at,
                   "accumulators of a metric are real");
        return;
    }
    if (st->has_subs || declared || (b && b->accumulates))
        exec_accumulate(e, m->batch, st);
    else
        add_whole(m, st);
    if (!is_known(m, st->name))
        vec_push(e->arena, &m->names, st->name);
}

static void run_stmt(elab *e, scope *s, const ast_stmt *st)
{
    if (st->kind == STMT_DEFINE || st->kind == STMT_DECLARE ||
        st->kind == STMT_UNPACK || st->kind == STMT_ASSERT)
        exec(e, s, st);
    else
        elab_error(e, DIAG_MISPLACED, st->at,
                   "a metric holds definitions, `name += ...;` and `value = "
                   "...;`, and no `%s`",
                   ast_stmt_kind_text(st->kind));
}

static void run_batch(metric_run *m, const ast_block *body, int end)
{
    elab *e = m->e;
    for (int i = 0; i < end; i++) {
        const ast_stmt *st = body->stmts[i];
        if (st->kind == STMT_ACCUMULATE)
            accumulate(m, st);
        else
            run_stmt(e, m->batch, st);
    }
}

/* ---------- the sums ---------- */

static bool keep_sums(metric_run *m, typed_metric *out)
{
    elab *e = m->e;
    out->sums = ARENA_ARRAY(e->arena, typed_sum, m->names.count + 1);
    for (int i = 0; i < m->names.count; i++) {
        const char *name = m->names.data[i];
        const char *path =
            arena_printf(e->arena, "%s/%s", m->metric->name, name);
        const binding *b = scope_own(m->batch, name);
        ty_tensor *t, *sum;
        if (!b || !b->value || b->value->kind != V_TENSOR)
            return false; /* what it adds up was wrong before */
        t = b->value->tensor;
        sum = tensor_new(e, TY_INPUT, path, TY_REAL, t->rank, t->dims, b->at);
        scope_bind(e, m->sums, name, value_tensor(e, sum, b->at), b->at);
        out->sums[out->sum_count++] = (typed_sum){path, t, sum};
    }
    return true;
}

/* What a value is made of must be sums and numbers. */
typedef struct sum_check {
    const typed_metric *metric;
    int first;
    const ty_tensor *wrong;
} sum_check;

/* Values made for the sums are checked when they are defined; all others but
 * numbers are of a batch, of a step or of the model. */
static void check_read(void *ctx, const ty_expr *x)
{
    sum_check *c = ctx;
    const ty_tensor *t = ty_read_of(x);
    bool sum = !t || t->role == TY_LITERAL ||
               (t->role == TY_VALUE && t->id >= c->first);
    for (int i = 0; i < c->metric->sum_count; i++)
        sum = sum || c->metric->sums[i].sum == t;
    if (!sum)
        c->wrong = t;
}

static bool only_sums(metric_run *m, const typed_metric *metric)
{
    elab *e = m->e;
    sum_check c = {.metric = metric, .first = m->first};
    for (int i = m->first; i < e->out->tensors.count && !c.wrong; i++) {
        const ty_tensor *t = e->out->tensors.data[i];
        ty_visit_tensor(t, check_read, &c);
        if (c.wrong)
            elab_error(e, DIAG_MISPLACED, t->at,
                       "after the last `+=` a metric knows its sums alone, "
                       "and `%s` is of one batch or of the model: add up "
                       "what is wanted of it",
                       c.wrong->name);
    }
    return !c.wrong;
}

static void run_value(metric_run *m, const ast_block *body, int begin,
                      typed_metric *out)
{
    elab *e = m->e;
    binding *b;
    int before = e->errors;
    for (int i = begin; i < body->count; i++)
        run_stmt(e, m->sums, body->stmts[i]);
    b = scope_own(m->sums, "value");
    if (e->errors != before || (b && b->value && b->value->kind == V_ERROR))
        return;
    if (!b || !b->value) {
        elab_error(e, DIAG_MISSING, m->metric->name_at,
                   "the metric `%s` ends without `value = ...;` after its "
                   "last `+=`",
                   m->metric->name);
        return;
    }
    out->tensor = real_scalar_tensor(e, b->value, m->metric->name, b->at);
}

static void with_sums(metric_run *m, typed_metric *out)
{
    elab *e = m->e;
    const ast_block *body = &m->metric->body;
    int end = end_of_batch(body), before = e->errors;
    if (end == 0) {
        elab_error(e, DIAG_MISSING, m->metric->name_at,
                   "the metric `%s` adds nothing up: `tp += ...;` gives it an "
                   "accumulator; a mean over rows is written metric %s = ...;",
                   m->metric->name, m->metric->name);
        return;
    }
    run_batch(m, body, end);
    if (e->errors != before || !keep_sums(m, out))
        return;
    m->first = e->out->tensors.count;
    run_value(m, body, end, out);
    if (e->errors == before)
        only_sums(m, out);
}

/* ---------- the statement ---------- */

static bool is_new(elab *e, const ast_stmt *st)
{
    static const char *const taken[] = {"loss", "event", "step", "epoch"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (!strcmp(st->name, taken[i])) {
            elab_error(e, DIAG_REDEFINED, st->name_at,
                       "a metric cannot be called `%s`: lines of the log have "
                       "that already",
                       st->name);
            return false;
        }
    for (int i = 0; i < e->out->metrics.count; i++)
        if (!strcmp(st->name, e->out->metrics.data[i].name)) {
            elab_error(e, DIAG_REDEFINED, st->name_at,
                       "the metric `%s` is defined twice", st->name);
            return false;
        }
    return true;
}

void exec_metric(elab *e, scope *s, const ast_stmt *st)
{
    typed_metric out = {.name = st->name};
    int mark = e->checks.count;
    if (!is_new(e, st))
        return;
    if (st->has_body) {
        metric_run m = {.e = e,
                        .metric = st,
                        .batch = scope_new(e, s, s->frame),
                        .sums = scope_new(e, s, s->frame)};
        with_sums(&m, &out);
    } else {
        value *v = eval(e, s, st->value);
        if (v->kind != V_ERROR && checks_run(e, mark))
            out.tensor = real_scalar_tensor(e, v, st->name, st->value->at);
    }
    if (out.tensor)
        vec_push(e->arena, &e->out->metrics, out);
}
