/*
 * elab_train.c - the train block: settings, values, loss, metrics, updates.
 */
#include "elab_priv.h"
#include <stdlib.h>
#include <string.h>

/* ---------- settings ---------- */

typedef enum setting {
#define SETTING(name, text, type) SET_##name,
#include "lang/settings.def"
#undef SETTING
    SETTING_COUNT,
} setting;

static const struct setting_info {
    const char *name, *type;
} settings[SETTING_COUNT] = {
#define SETTING(name, text, type) {text, type},
#include "lang/settings.def"
#undef SETTING
};

static int setting_of(const ast_stmt *st)
{
    if (st->kind != STMT_DEFINE || st->has_subs)
        return -1;
    for (int i = 0; i < SETTING_COUNT; i++)
        if (!strcmp(settings[i].name, st->name))
            return i;
    return -1;
}

typedef struct train_run {
    elab *e;
    const ast_decl *decl;
    scope *scope;
    value *optimizer;
    src_range said[SETTING_COUNT]; /* where each was given */
} train_run;

static bool bad_setting(train_run *t, setting which, const value *v,
                        const char *wanted)
{
    elab_error(t->e, DIAG_BAD_SETTING, v->at.file ? v->at : t->said[which],
               "`%s` wants %s and this "
               "is %s",
               settings[which].name, wanted, value_text(t->e, v));
    return false;
}

static bool count_setting(train_run *t, setting which, value *v, int64_t low,
                          int64_t *out)
{
    if (v->kind != V_INT || v->integer < low)
        return bad_setting(t, which, v,
                           low ? "a positive integer"
                               : "an integer that is not negative");
    *out = v->integer;
    return true;
}

bool period_value(const value *v, typed_period *out)
{
    bool epochs = v->kind == V_QUANTITY &&
                  (!strcmp(v->text, "epoch") || !strcmp(v->text, "epochs"));
    bool steps = v->kind == V_QUANTITY &&
                 (!strcmp(v->text, "step") || !strcmp(v->text, "steps"));
    if ((v->kind != V_INT && !epochs && !steps) || v->integer <= 0 ||
        (v->kind == V_QUANTITY && v->real != (double)v->integer))
        return false;
    *out = (typed_period){0};
    *(epochs ? &out->epochs : &out->steps) = v->integer;
    return true;
}

static bool period_setting(train_run *t, setting which, value *v,
                           typed_period *out)
{
    return period_value(v, out) ||
           bad_setting(t, which, v, "steps or epochs (500, 1 epoch)");
}

static bool precision_setting(train_run *t, value *v)
{
    static const char *const words[] = {
#define PRECISION(name, text) text,
#include "lang/precision.def"
#undef PRECISION
    };
    for (int i = 0; v->text && i < (int)(sizeof words / sizeof *words); i++)
        if (!strcmp(v->text, words[i])) {
            t->e->out->settings.precision = (typed_precision)i;
            return true;
        }
    return bad_setting(t, SET_PRECISION, v, "f32, tf32, bf16 or f64");
}

static void apply_setting(train_run *t, setting which, value *v)
{
    typed_settings *s = &t->e->out->settings;
    int64_t seed = 0;
    if (v->kind == V_ERROR)
        return;
    switch (which) {
    case SET_BATCH:
        count_setting(t, which, v, 1, &s->batch);
        break;
    case SET_EPOCHS:
        count_setting(t, which, v, 1, &s->epochs);
        break;
    case SET_STEPS:
        count_setting(t, which, v, 1, &s->steps);
        break;
    case SET_SEED:
        if (count_setting(t, which, v, 0, &seed))
            s->seed = (uint64_t)seed;
        break;
    case SET_ACCUMULATE:
        count_setting(t, which, v, 1, &s->accumulate);
        break;
    case SET_EVAL_EVERY:
        period_setting(t, which, v, &s->eval_every);
        break;
    case SET_CHECKPOINT_EVERY:
        period_setting(t, which, v, &s->checkpoint_every);
        break;
    case SET_PRECISION:
        precision_setting(t, v);
        break;
    default:
        break;
    }
}

static const ast_stmt *setting_stmt(const train_run *t, setting which)
{
    for (int i = 0; i < t->decl->body.count; i++)
        if (setting_of(t->decl->body.stmts[i]) == (int)which)
            return t->decl->body.stmts[i];
    return NULL;
}

/* Names such as f64 are words here, not values. */
static value *setting_value(train_run *t, setting which, const ast_expr *x)
{
    if (!strcmp(settings[which].type, "text") && x->kind == EXPR_NAME)
        return value_string(t->e, x->name, x->at);
    return eval(t->e, t->scope, x);
}

/* A call, not a value. */
static void read_average(train_run *t, const ast_stmt *st, const char *text,
                         const char *key)
{
    elab *e = t->e;
    src_range at = t->said[SET_AVERAGE];
    if (text ? average_text(e, text, at)
             : average_setting(e, t->scope, st->value))
        config_add(e, key, value_string(e, average_words(e), at));
}

static void read_setting(train_run *t, setting which)
{
    const ast_stmt *st = setting_stmt(t, which);
    const char *key, *text;
    value *v;
    if (which == SET_OPTIMIZER)
        return;
    key = arena_printf(t->e->arena, "train.%s", settings[which].name);
    text = set_for(t->e, key);
    if (!st && !text)
        return;
    t->said[which] = st ? st->at : t->decl->at;
    if (which == SET_AVERAGE) {
        read_average(t, st, text, key);
        return;
    }
    if (text) {
        v = parse_setting(t->e, text, settings[which].type, key,
                          t->said[which]);
        v->at = t->said[which];
    } else {
        v = setting_value(t, which, st->value);
    }
    apply_setting(t, which, v);
    if (v->kind != V_ERROR)
        config_add(t->e, key, v);
}

static void defaults(typed_settings *s)
{
    s->batch = 32;
    s->seed = 0;
    s->accumulate = 1;
    s->eval_every.epochs = 1;
    s->checkpoint_every.epochs = 1;
}

static void twice(train_run *t)
{
    bool seen[SETTING_COUNT] = {false};
    for (int i = 0; i < t->decl->body.count; i++) {
        int which = setting_of(t->decl->body.stmts[i]);
        if (which < 0)
            continue;
        if (seen[which])
            elab_error(t->e, DIAG_REDEFINED, t->decl->body.stmts[i]->name_at,
                       "`%s` is set twice", settings[which].name);
        seen[which] = true;
    }
}

/* A part has a row at least. */
static void check_parts(train_run *t)
{
    const typed_settings *s = &t->e->out->settings;
    if (s->accumulate > s->batch)
        elab_error(t->e, DIAG_BAD_SETTING, t->said[SET_ACCUMULATE],
                   "`accumulate = %lld` cuts a batch of %lld rows into more "
                   "parts than it has rows",
                   (long long)s->accumulate, (long long)s->batch);
}

/* Hypers and settings come before values: the batch sizes the fields. */
static void read_settings(train_run *t)
{
    twice(t);
    for (int i = 0; i < t->decl->body.count; i++)
        if (t->decl->body.stmts[i]->kind == STMT_HYPER)
            exec(t->e, t->scope, t->decl->body.stmts[i]);
    for (int i = 0; i < SETTING_COUNT; i++)
        read_setting(t, (setting)i);
    check_parts(t);
    if (!t->e->out->settings.epochs && !t->e->out->settings.steps)
        t->e->out->settings.epochs = 1;
}

/* ---------- values ---------- */

static bool is_application(train_run *t, const ast_expr *x)
{
    binding *b = x->kind == EXPR_CALL && x->a->kind == EXPR_NAME
                     ? scope_find(t->scope, x->a->name)
                     : NULL;
    return b && b->value && b->value->kind == V_INSTANCE;
}

static void keep_value(train_run *t, const char *name, value *v, bool result)
{
    elab *e = t->e;
    typed_value kept = {.name = name, .result = result};
    if (v->kind == V_TUPLE) {
        for (int i = 0; i < v->count; i++)
            keep_value(t,
                       v->names
                           ? arena_printf(e->arena, "%s.%s", name, v->names[i])
                           : name,
                       v->items[i], result);
        return;
    }
    if (v->kind != V_TENSOR && v->kind != V_EXPR)
        return;
    kept.tensor = value_materialise(e, v, name, v->at);
    if (kept.tensor)
        vec_push(e->arena, &e->out->values, kept);
}

static void define_value(train_run *t, const ast_stmt *st)
{
    binding *b;
    bool result = is_application(t, st->value);
    if (!exec_define(t->e, t->scope, st))
        return;
    b = scope_own(t->scope, st->name);
    if (b && b->value)
        keep_value(t, st->name, b->value, result);
}

static void define_model(train_run *t, const ast_stmt *st)
{
    elab *e = t->e;
    value *v;
    if (scope_own(t->scope, st->name)) {
        elab_error(e, DIAG_REDEFINED, st->name_at, "`%s` is defined twice",
                   st->name);
        return;
    }
    v = construct(e, t->scope, st->value, st->name);
    scope_bind(e, t->scope, st->name, v, st->name_at);
    if (v->kind == V_INSTANCE && !e->out->settings.model)
        e->out->settings.model = v->inst->decl->name;
}

ty_tensor *real_scalar_tensor(elab *e, value *v, const char *what,
                              src_range at)
{
    ty_expr *x = value_scalar_expr(e, v, at);
    if (!x)
        return NULL;
    if (x->type == TY_BOOL) {
        elab_error(e, DIAG_TYPE_MISMATCH, at, "%s is a bool", what);
        return NULL;
    }
    if (v->kind == V_TENSOR && x->type == TY_REAL)
        return v->tensor;
    return tensor_define(e, what, NULL, 0, tx_to(e, TY_REAL, x), at);
}

static void optimizer_stmt(train_run *t, const ast_stmt *st)
{
    value *v = eval(t->e, t->scope, st->value);
    if (v->kind == V_ERROR)
        return;
    if (v->kind == V_OPTIMIZER) {
        t->optimizer = v;
        v->at = st->at;
    } else {
        elab_error(t->e, DIAG_BAD_SETTING, st->value->at,
                   "`optimizer` wants an optimizer such as "
                   "optim.adamw(lr = 1e-3), and this is %s",
                   value_text(t->e, v));
    }
}

static void train_stmt(train_run *t, const ast_stmt *st)
{
    int which = setting_of(st);
    if (which == SET_OPTIMIZER) {
        optimizer_stmt(t, st);
        return;
    }
    if (which >= 0)
        return;
    switch (st->kind) {
    case STMT_HYPER:
    case STMT_SET:
    case STMT_FREEZE:
        return; /* read before, or after */
    case STMT_DEFINE:
        define_value(t, st);
        return;
    case STMT_MODEL:
        define_model(t, st);
        return;
    case STMT_DATA:
        exec_data(t->e, t->scope, st);
        return;
    case STMT_METRIC:
        exec_metric(t->e, t->scope, st);
        return;
    default:
        exec(t->e, t->scope, st);
    }
}

static void find_loss(train_run *t)
{
    elab *e = t->e;
    binding *b = scope_own(t->scope, "loss");
    if (e->errors)
        return;
    if (!b || !b->value) {
        elab_error(e, DIAG_MISSING, t->decl->at,
                   "every train block gives a `loss`");
        return;
    }
    e->out->loss = real_scalar_tensor(e, b->value, "loss", b->at);
    e->out->loss_at = b->at;
}

static void update_params(train_run *t)
{
    elab *e = t->e;
    if (e->errors)
        return;
    if (!t->optimizer && e->options->mode == ELAB_TRAIN) {
        elab_error(e, DIAG_MISSING, t->decl->at,
                   "this train block has no `optimizer`");
        return;
    }
    if (e->options->mode == ELAB_TRAIN || e->options->mode == ELAB_GRAD)
        optimizer_updates(e, t->scope, &t->decl->body,
                          e->options->mode == ELAB_TRAIN ? t->optimizer : NULL);
}

static void run_train(elab *e, const ast_decl *d)
{
    train_run t = {.e = e, .decl = d};
    frame *f = frame_push(e, FRAME_TRAIN, e->program->modules[0], NULL,
                          (src_range){0});
    if (!f)
        return;
    f->key = "train";
    e->lost = d->lost;
    e->open = d->lost && map_get(d->lost, "data");
    e->errors += d->wrong;
    t.scope = scope_new(e, module_scope(e, f->module), f);
    defaults(&e->out->settings);
    read_settings(&t);
    e->rows = e->options->rows ? e->options->rows : e->out->settings.batch;
    e->out->rows = e->rows;
    for (int i = 0; i < d->body.count; i++)
        train_stmt(&t, d->body.stmts[i]);
    find_loss(&t);
    check_applied(e);
    update_params(&t);
    if (e->options->mode == ELAB_TRAIN)
        average_updates(e);
    else if (e->options->mode != ELAB_GRAD)
        average_reads(e, &d->body);
    cluster_read(e);
    if (!e->errors)
        sets_all_used(e);
    frame_pop(e);
}

/* ---------- the entry ---------- */

static const ast_decl *find_train(const lang_modules *p)
{
    const lang_module *m = p->modules[0];
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++)
            if (m->files[i]->decls[j]->kind == DECL_TRAIN)
                return m->files[i]->decls[j];
    return NULL;
}

bool elab_has_train(const lang_modules *program)
{
    return find_train(program) != NULL;
}

static src_range start_of(const lang_modules *p)
{
    src_range at = {0};
    if (p->modules[0]->file_count && p->modules[0]->files[0])
        at.file = p->modules[0]->files[0]->source;
    return at;
}

typed_program *elab_train(ptl_arena *arena, const lang_modules *program,
                          const elab_options *options, ptl_diags *diags)
{
    const ast_decl *d = find_train(program);
    elab e;
    typed_program *out;
    if (!d) {
        diag_error(diags, DIAG_MISSING, start_of(program),
                   "this file has no `train` block");
        return NULL;
    }
    elab_init(&e, arena, program, options, diags);
    e.training = value_bool(
        &e, options->mode == ELAB_TRAIN || options->mode == ELAB_GRAD,
        (src_range){0});
    run_train(&e, d);
    out = elab_finish(&e);
    return out;
}
