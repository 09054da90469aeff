/*
 * elab_data.c - data blocks: where records come from and what fields they
 * become. Fields are declared per record; the batch goes in front.
 */
#include "elab_priv.h"
#include <string.h>

/* ---------- sources ---------- */

static const char *const readers[] = {"idx", "csv", "npy", "npz",
                                      "safetensors"};

static bool is_reader(const char *name)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcmp(readers[i], name))
            return true;
    return false;
}

/* Which rows of the files are used. */
static bool row_argument(elab *e, typed_source *src, const ast_arg *arg,
                         value *v, int64_t *take)
{
    static const char *const names[] = {"skip", "take", "every", "except"};
    int64_t n;
    int which = -1;
    for (int i = 0; i < 4; i++)
        if (!strcmp(names[i], arg->name))
            which = i;
    if (which < 0)
        return false;
    if (!value_want_int(e, v, arg->name, &n))
        return true;
    if (n < 0 || (n == 0 && which != 0)) {
        elab_error(e, DIAG_BAD_DATA, arg->expr->at, "`%s` must be positive",
                   arg->name);
        return true;
    }
    switch (which) {
    case 0:
        src->begin = n;
        break;
    case 1:
        *take = n;
        break;
    case 2:
        src->every = n;
        break;
    default:
        src->except = n;
    }
    return true;
}

typedef struct reader_args {
    const char *path;
    ptl_str options; /* of every array */
    VEC(typed_array) arrays;
    int64_t take;
} reader_args;

static const char *argument_text(elab *e, const value *v, src_range at)
{
    switch (v->kind) {
    case V_STRING:
    case V_WORD:
        return v->text;
    case V_INT:
        return arena_printf(e->arena, "%lld", (long long)v->integer);
    case V_BOOL:
        return v->integer ? "yes" : "no";
    case V_ERROR:
        return NULL;
    default:
        elab_error(e, DIAG_BAD_DATA, at,
                   "an argument of a reader is text, a number or a bool");
        return NULL;
    }
}

static const char *const csv_options[] = {"header", "separator", "type"};

static bool is_option(const char *reader, const char *name)
{
    for (size_t i = 0; i < sizeof csv_options / sizeof *csv_options; i++)
        if (!strcmp(csv_options[i], name))
            return !strcmp(reader, "csv");
    return false;
}

bool is_reader_option(const char *name)
{
    static const char *const others[] = {"path", "skip", "take", "every",
                                         "except"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(others[i], name))
            return true;
    return is_option("csv", name);
}

/* What names a field's part within a file that holds several. */
static const char *part_option(const char *reader)
{
    if (!strcmp(reader, "csv"))
        return "columns";
    return !strcmp(reader, "npz") ? "array" : "tensor";
}

static void reader_argument(elab *e, const char *reader, reader_args *r,
                            const ast_arg *arg, value *v)
{
    const char *text = argument_text(e, v, arg->expr->at);
    typed_array a = {.field = arg->name};
    bool shared = strcmp(reader, "idx") && strcmp(reader, "npy");
    if (!text)
        return;
    if (strpbrk(text, ";\n")) {
        elab_error(e, DIAG_BAD_DATA, arg->expr->at,
                   "an argument of a reader holds no `;` and no line break");
        return;
    }
    if (!strcmp(arg->name, "path") && shared) {
        r->path = text;
    } else if (is_option(reader, arg->name)) {
        str_printf(&r->options, "%s%s=%s", r->options.length ? ";" : "",
                   arg->name, text);
    } else if (shared) {
        a.options = arena_printf(e->arena, "%s=%s", part_option(reader), text);
        vec_push(e->arena, &r->arrays, a);
    } else {
        a.path = text;
        a.options = "";
        vec_push(e->arena, &r->arrays, a);
    }
}

static void finish_arrays(elab *e, reader_args *r, src_range at)
{
    for (int i = 0; i < r->arrays.count; i++) {
        typed_array *a = &r->arrays.data[i];
        if (a->path)
            continue;
        if (!r->path) {
            elab_error(e, DIAG_BAD_DATA, at,
                       "this reader wants the file: `path = \"...\"`");
            return;
        }
        a->path = r->path;
        if (r->options.length)
            a->options = arena_printf(e->arena, "%s;%s", a->options,
                                      str_text(&r->options));
    }
    if (r->arrays.count == 0)
        elab_error(e, DIAG_BAD_DATA, at,
                   "this source has no field; name one, such as `x = "
                   "\"...\"`");
}

/* `data.csv(...)` within a data block; NULL: this is another call. */
value *eval_reader(elab *e, scope *s, const ast_expr *x)
{
    const ast_expr *callee = x->a;
    reader_args r = {0};
    typed_source *src;
    value *v;
    if (callee->a->kind != EXPR_NAME || strcmp(callee->a->name, "data"))
        return NULL;
    if (!is_reader(callee->name)) {
        nearest n = {.wanted = callee->name};
        for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
            nearest_add(&n, readers[i]);
        return elab_error(e, DIAG_UNKNOWN_NAME, callee->mark,
                          "no reader is called `%s`; there are idx, csv, npy, "
                          "npz and safetensors%s",
                          callee->name, nearest_hint(e->arena, &n));
    }
    src = ARENA_NEW(e->arena, typed_source);
    src->reader = callee->name;
    src->end = -1;
    for (int i = 0; i < x->count; i++) {
        const ast_arg *arg = &x->args[i];
        if (!arg->name) {
            elab_error(e, DIAG_BAD_ARGUMENT, arg->expr->at,
                       "arguments of a reader are named: `image = \"...\"`");
            continue;
        }
        v = eval(e, s, arg->expr);
        if (!row_argument(e, src, arg, v, &r.take))
            reader_argument(e, callee->name, &r, arg, v);
    }
    if (r.take)
        src->end = src->begin + r.take;
    finish_arrays(e, &r, x->at);
    str_fini(&r.options);
    src->arrays = r.arrays.data;
    src->array_count = r.arrays.count;
    v = value_new(e, V_READER, x->at);
    v->source = src;
    return v;
}

/* ---------- raw fields ---------- */

static const elab_raw *raw_given(const elab *e, const char *field)
{
    for (int i = 0; i < e->options->raw_count; i++)
        if (!strcmp(e->options->raw[i].field, field))
            return &e->options->raw[i];
    return NULL;
}

static ty_tensor *raw_tensor(elab *e, const char *field, ptl_dtype dtype,
                             int rank, const int64_t *dims, src_range at)
{
    int64_t all[PTL_MAX_RANK] = {e->rows};
    ty_kind kind = dtype == PTL_F32 || dtype == PTL_F64 ? TY_REAL
                   : dtype == PTL_BOOL                  ? TY_BOOL
                                                        : TY_INT;
    ty_tensor *t;
    if (rank + 1 > PTL_MAX_RANK) {
        elab_error(e, DIAG_INTERNAL_LIMIT, at,
                   "a raw field has at most %d axes", PTL_MAX_RANK - 1);
        return NULL;
    }
    memcpy(all + 1, dims, sizeof *dims * (size_t)rank);
    if (!dims_fit(e, all, rank + 1, at))
        return NULL;
    t = tensor_new(e, TY_RAW, arena_printf(e->arena, "raw.%s", field), kind,
                   rank + 1, all, at);
    t->storage = dtype;
    t->batch_axis = 0;
    t->bound = dtype == PTL_U8 ? 256 : 0;
    return t;
}

static ty_tensor *raw_found(const elab *e, const char *field)
{
    for (int i = 0; i < e->raws.count; i++)
        if (!strcmp(e->raws.data[i]->name + strlen("raw."), field))
            return e->raws.data[i];
    return NULL;
}

static value *raw_value(elab *e, ty_tensor *t, src_range at)
{
    value *v = value_tensor(e, t, at);
    v->var = e->frame->record;
    v->rank = t->rank - 1;
    return v;
}

/* The shape a field's statement gives to what it reads, before any file was
 * opened: see infer_raws(). */
value *read_raw(elab *e, const char *field, src_range at)
{
    ty_tensor *t = raw_found(e, field);
    const elab_raw *given = raw_given(e, field);
    nearest n = {.wanted = field};
    if (t)
        return raw_value(e, t, at);
    if (given) {
        t = raw_tensor(e, field, given->dtype, given->rank, given->dims, at);
        if (!t)
            return value_error(e);
        vec_push(e->arena, &e->raws, t);
        return raw_value(e, t, at);
    }
    for (int i = 0; i < e->options->raw_count; i++)
        nearest_add(&n, e->options->raw[i].field);
    return elab_error(e, DIAG_BAD_DATA, at,
                      "the source gives no field `%s`, or its shape cannot "
                      "be told from here: use its axes bare, with a declared "
                      "field on the left%s",
                      field, nearest_hint(e->arena, &n));
}

/* ---------- shapes of raw fields, told by what reads them ---------- */

/* How far an axis of a raw field is read. */
typedef struct raw_reach {
    const char *field;
    int axis; /* of the record */
    int64_t size;
} raw_reach;

typedef struct raw_reading {
    elab *e;
    scope *scope;
    const ast_stmt *st;
    const ty_tensor *type; /* of the field, per record; NULL: not declared */
    bool integer;
    raw_reach *reach; /* only that is wanted; NULL: shapes are */
} raw_reading;

static bool is_raw_member(const ast_expr *x)
{
    return x->kind == EXPR_MEMBER && x->a->kind == EXPR_NAME &&
           !strcmp(x->a->name, "raw");
}

static ptl_dtype guess_dtype(const raw_reading *r)
{
    if (r->e->reader && !strcmp(r->e->reader, "idx"))
        return PTL_U8;
    if (r->integer)
        return PTL_I32;
    return r->e->options->f64 ? PTL_F64 : PTL_F32;
}

typedef struct reach {
    int64_t lo, hi;
} reach;

static bool reach_of_name(const raw_reading *r, const char *name, reach *out)
{
    binding *b = scope_find(r->scope, name);
    for (int i = 0; r->type && i < r->st->sub_count && i < r->type->rank; i++) {
        const ast_sub *sub = &r->st->subs[i];
        if (sub->is_pack || sub->expr->kind != EXPR_NAME ||
            strcmp(sub->expr->name, name))
            continue;
        *out = (reach){0, r->type->dims[i] - 1};
        return true;
    }
    if (!b || !b->value || b->value->kind != V_INT)
        return false;
    *out = (reach){b->value->integer, b->value->integer};
    return true;
}

static bool within_reason(const reach *r)
{
    const int64_t most = INT64_C(1) << 40;
    return r->lo > -most && r->lo < most && r->hi > -most && r->hi < most;
}

/* Between which values a subscript stays, from the field's declared shape. */
static bool reach_of(const raw_reading *r, const ast_expr *x, reach *out)
{
    reach a, b;
    if (x->kind == EXPR_INT) {
        *out = (reach){x->integer, x->integer};
        return within_reason(out);
    }
    if (x->kind == EXPR_NAME)
        return reach_of_name(r, x->name, out) && within_reason(out);
    if (x->kind != EXPR_BINARY || !reach_of(r, x->a, &a) ||
        !reach_of(r, x->b, &b))
        return false;
    switch (x->op) {
    case OP_ADD:
        *out = (reach){a.lo + b.lo, a.hi + b.hi};
        break;
    case OP_SUB:
        *out = (reach){a.lo - b.hi, a.hi - b.lo};
        break;
    case OP_MUL:
        if (a.lo < 0 || b.lo < 0 || a.hi > INT32_MAX || b.hi > INT32_MAX)
            return false;
        *out = (reach){a.lo * b.lo, a.hi * b.hi};
        break;
    case OP_DIV:
        if (a.lo < 0 || b.lo <= 0)
            return false;
        *out = (reach){a.lo / b.hi, a.hi / b.lo};
        break;
    case OP_MOD:
        if (a.lo < 0 || b.lo <= 0)
            return false;
        *out = (reach){0, a.hi < b.hi ? a.hi : b.hi - 1};
        break;
    default:
        return false;
    }
    return within_reason(out);
}

/* The smallest axis that holds what is read; the files tell the real one. */
static bool size_of_index(const raw_reading *r, const ast_expr *x, int64_t *out)
{
    reach at;
    if (!reach_of(r, x, &at) || at.hi < 0)
        return false;
    *out = at.hi + 1;
    return true;
}

/* Another statement reads further into a field whose shape was told before. */
static void widen(elab *e, ty_tensor *t, const int64_t *dims, int count,
                  src_range at)
{
    int64_t all[PTL_MAX_RANK] = {t->dims[0]};
    if (t->rank != count + 1)
        return;
    for (int i = 1; i <= count; i++)
        all[i] = dims[i - 1] > t->dims[i] ? dims[i - 1] : t->dims[i];
    if (dims_fit(e, all, t->rank, at))
        memcpy(t->dims, all, sizeof *all * (size_t)t->rank);
}

static void reach_one(const raw_reading *r, const ast_expr *member,
                      const ast_sub *subs, int count)
{
    raw_reach *to = r->reach;
    int64_t size;
    if (!strcmp(member->name, to->field) && to->axis < count &&
        !subs[to->axis].is_pack &&
        size_of_index(r, subs[to->axis].expr, &size) && size > to->size)
        to->size = size;
}

static void infer_one(const raw_reading *r, const ast_expr *member,
                      const ast_sub *subs, int count)
{
    int64_t dims[PTL_MAX_RANK];
    ty_tensor *t;
    if (r->reach) {
        reach_one(r, member, subs, count);
        return;
    }
    if (raw_given(r->e, member->name) || count >= PTL_MAX_RANK)
        return;
    for (int i = 0; i < count; i++)
        if (subs[i].is_pack || !size_of_index(r, subs[i].expr, &dims[i]))
            return;
    if (!subs && r->type) {
        count = r->type->rank;
        memcpy(dims, r->type->dims, sizeof *dims * (size_t)count);
    }
    t = raw_found(r->e, member->name);
    if (t) {
        widen(r->e, t, dims, count, member->at);
        return;
    }
    t = raw_tensor(r->e, member->name, guess_dtype(r), count < 0 ? 0 : count,
                   dims, member->at);
    if (t)
        vec_push(r->e->arena, &r->e->raws, t);
}

static void infer(const raw_reading *r, const ast_expr *x)
{
    if (!x)
        return;
    if (is_raw_member(x)) {
        infer_one(r, x, NULL, 0);
        return;
    }
    if (x->kind == EXPR_INDEX) {
        if (is_raw_member(x->a))
            infer_one(r, x->a, x->subs, x->count);
        else
            infer(r, x->a);
        for (int i = 0; i < x->count; i++)
            infer(r, x->subs[i].expr);
        return;
    }
    infer(r, x->a);
    infer(r, x->b);
    infer(r, x->c);
    for (int i = 0; x->kind == EXPR_CALL && i < x->count; i++)
        infer(r, x->args[i].expr);
    for (int i = 0; x->kind == EXPR_LIST && i < x->count; i++)
        infer(r, x->items[i]);
}

static void infer_field(elab *e, scope *s, const ast_stmt *st, raw_reach *to)
{
    raw_reading r = {.e = e, .scope = s, .st = st, .reach = to};
    ty_tensor type;
    if (st->type && type_resolve(e, s, st->type, &type, true)) {
        r.type = &type;
        r.integer = type.kind == TY_INT;
    }
    infer(&r, st->value);
}

static void infer_raws(elab *e, scope *s, const ast_stmt *st)
{
    /* Prediction is given what the model reads and nothing else. */
    if (e->options->raw_count == 0 || e->options->mode == ELAB_PREDICT)
        infer_field(e, s, st, NULL);
}

static bool is_source(const ast_stmt *st)
{
    return st->kind == STMT_DEFINE && !st->has_subs && !st->type &&
           (!strcmp(st->name, "train") || !strcmp(st->name, "eval"));
}

bool raw_read_to_end(elab *e, const ty_tensor *t, int axis)
{
    raw_reach to = {.field = t->name + strlen("raw."), .axis = axis - 1};
    for (int i = 0; e->data && i < e->data->body.count; i++) {
        const ast_stmt *st = e->data->body.stmts[i];
        if (st->kind == STMT_DEFINE && !is_source(st))
            infer_field(e, e->data_names, st, &to);
    }
    return to.size == t->dims[axis];
}

/* An integer that enters as idx(V) is checked there, once. */
static bool ingest_idx(elab *e, scope *s, const ast_stmt *st)
{
    ty_tensor type;
    value *v;
    const ast_expr *x = st->value;
    if (!st->type || strcmp(st->type->name, "idx") ||
        !type_resolve(e, s, st->type, &type, false))
        return true;
    if (x->kind == EXPR_INDEX)
        x = x->a;
    if (!is_raw_member(x))
        return true;
    v = read_raw(e, x->name, x->at);
    if (v->kind != V_TENSOR)
        return false;
    if (v->tensor->kind != TY_INT) {
        elab_error(e, DIAG_BAD_DATA, st->at,
                   "`%s` is declared as idx, but the source holds %s", st->name,
                   ty_kind_text(v->tensor->kind));
        return false;
    }
    if (v->tensor->bound == 0 || v->tensor->bound > type.bound)
        v->tensor->bound = type.bound;
    return true;
}

/* ---------- the block ---------- */

static void exec_source(elab *e, scope *s, const ast_stmt *st)
{
    value *v = eval(e, s, st->value);
    bool train = !strcmp(st->name, "train");
    typed_source *to = train ? &e->out->settings.train : &e->out->settings.eval;
    if (v->kind == V_ERROR)
        return;
    if (v->kind != V_READER) {
        elab_error(e, DIAG_BAD_DATA, st->value->at,
                   "`%s` is where records come from, such as data.idx(...), "
                   "and this is %s",
                   st->name, value_text(e, v));
        return;
    }
    *to = *v->source;
    if (train || !e->reader)
        e->reader = v->source->reader;
}

/* csv columns of fields declared idx or int are read as integers. */
static void note_integer(elab *e, typed_source *src, const char *field)
{
    for (int i = 0; src->reader && i < src->array_count; i++) {
        typed_array *a = &src->arrays[i];
        if (strcmp(src->reader, "csv") || strcmp(a->field, field) ||
            strstr(a->options, "type="))
            continue;
        a->options = arena_printf(e->arena, "%s;type=int", a->options);
    }
}

static void note_integers(elab *e, const ast_stmt *st)
{
    const ast_expr *x = st->value;
    if (!st->type ||
        (strcmp(st->type->name, "idx") && strcmp(st->type->name, "int")))
        return;
    if (x->kind == EXPR_INDEX)
        x = x->a;
    if (!is_raw_member(x))
        return;
    note_integer(e, &e->out->settings.train, x->name);
    note_integer(e, &e->out->settings.eval, x->name);
}

static void exec_field(elab *e, scope *s, const ast_stmt *st)
{
    infer_raws(e, s, st);
    note_integers(e, st);
    if (ingest_idx(e, s, st))
        exec_define(e, s, st);
    else
        scope_bind(e, s, st->name, value_error(e), st->name_at);
}

static void run_data(elab *e, scope *s, const ast_decl *d)
{
    for (int i = 0; i < d->body.count; i++) {
        const ast_stmt *st = d->body.stmts[i];
        if (is_source(st))
            exec_source(e, s, st);
        else if (st->kind == STMT_DEFINE)
            exec_field(e, s, st);
        else if (st->kind == STMT_HYPER || st->kind == STMT_ASSERT ||
                 st->kind == STMT_DECLARE)
            exec(e, s, st);
        else
            elab_error(e, DIAG_MISPLACED, st->at, "a data block holds no %s",
                       ast_stmt_kind_text(st->kind));
    }
}

/* In `grad` the fields are inputs under their names; what they come from is
 * not read. */
static ty_tensor *as_input(elab *e, const char *name, const ty_tensor *t)
{
    ty_tensor *in =
        tensor_new(e, TY_INPUT, name, t->kind, t->rank, t->dims, t->at);
    in->bound = t->bound;
    in->batch_axis = t->batch_axis;
    return in;
}

static void give_fields(elab *e, scope *train, scope *s, const ast_decl *d,
                        src_range at)
{
    for (int i = 0; i < d->body.count; i++) {
        const ast_stmt *st = d->body.stmts[i];
        binding *b = st->kind == STMT_DEFINE ? scope_own(s, st->name) : NULL;
        ty_tensor *t;
        if (!b || b->declared || is_source(st) || !b->value)
            continue;
        if (b->value->kind != V_TENSOR) {
            if (b->value->kind == V_ERROR)
                scope_bind(e, train, st->name, b->value, st->name_at);
            continue;
        }
        if (scope_own(train, st->name)) {
            elab_error(e, DIAG_REDEFINED, at,
                       "the field `%s` has the name of something that train "
                       "defines before",
                       st->name);
            continue;
        }
        t = b->value->tensor;
        if (e->options->mode == ELAB_GRAD)
            t = as_input(e, st->name, t);
        scope_bind(e, train, st->name, value_tensor(e, t, st->name_at),
                   st->name_at);
    }
}

static const ast_decl *find_data(elab *e, const char *name, src_range at)
{
    const lang_module *m = e->frame->module;
    nearest n = {.wanted = name};
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++) {
            const ast_decl *d = m->files[i]->decls[j];
            if (d->kind != DECL_DATA)
                continue;
            if (!strcmp(d->name, name))
                return d;
            nearest_add(&n, d->name);
        }
    if (lang_is_lost(m, name))
        elab_reported(e);
    else
        elab_error(e, DIAG_UNKNOWN_NAME, at, "no data block is called `%s`%s",
                   name, nearest_hint(e->arena, &n));
    return NULL;
}

void exec_data(elab *e, scope *train, const ast_stmt *st)
{
    const ast_decl *d = find_data(e, st->name, st->name_at);
    const ptl_map *lost;
    frame *f;
    scope *s;
    value *raw;
    e->open |= !d || d->lost;
    if (!d)
        return;
    f = frame_push(e, FRAME_DATA, e->frame->module,
                   arena_printf(e->arena, "data block `%s`", d->name), st->at);
    if (!f)
        return;
    f->key = d->name;
    f->record = ty_var_new(e, "n", e->rows, st->at);
    f->record->batch = f->record->explicit_range = true;
    s = scope_new(e, module_scope(e, f->module), f);
    raw = value_new(e, V_RAW, d->at);
    scope_bind(e, s, "raw", raw, d->at);
    lost = e->lost;
    e->lost = d->lost;
    e->data = d;
    e->data_names = s;
    run_data(e, s, d);
    e->data = NULL;
    e->lost = lost;
    frame_pop(e);
    give_fields(e, train, s, d, st->at);
}
