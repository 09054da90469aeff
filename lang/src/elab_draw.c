/*
 * elab_draw.c - functions and layers by themselves, at sizes drawn for them.
 *
 * For gradient checks sizes are small numbers; for lang_check_alone() they are
 * symbols (elab_sizes.c), each with a number of its own with many divisors for
 * static control. Integer arguments come from their declared intervals. What
 * cannot be drawn, or sizes that do not fit each other, give no program and no
 * message.
 */
#include "base/philox.h"
#include "elab_generic.h"
#include <string.h>

typedef struct drawing {
    elab *e;
    uint64_t seed, count;
    scope *sizes; /* what the inputs' types bind */
    bool apart;   /* every size is a symbol, and another number */
    int size_count;
} drawing;

static double draw(drawing *d)
{
    return philox_uniform(d->seed, 0, 0, d->count++);
}

static int64_t draw_int(drawing *d, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(draw(d) * (double)(hi - lo + 1));
}

/* ---------- arguments ---------- */

/* A symbol for a parameter, between the ends it is declared with. One with a
 * default is meant to be many things, so nothing follows from its name. */
static int64_t named_param(drawing *d, const ast_param *p, int64_t number)
{
    const ast_interval *in = p->interval;
    polys *all = d->e->generic->all;
    scope *none = scope_new(d->e, NULL, d->e->frame);
    int64_t size = size_vague(d->e, p->name, number), end;
    poly_var *v = size_var(d->e, size);
    v->vague = p->value != NULL;
    if (in && in->lo && eval_int(d->e, none, in->lo, "a bound", &end))
        v->lo = poly_number(all, end + in->lo_open);
    if (in && in->hi && eval_int(d->e, none, in->hi, "a bound", &end))
        v->hi = poly_number(all, end - in->hi_open);
    return size;
}

static value *draw_from(drawing *d, const ast_param *p)
{
    const ast_interval *in = p->interval;
    bool integer = p->type && !strcmp(p->type->name, "int");
    bool real = p->type && !strcmp(p->type->name, "real");
    scope *none = scope_new(d->e, NULL, d->e->frame);
    int64_t lo = 1, hi = 4;
    double x = 0.1, y = 1.0;
    if (integer) {
        if (in && in->lo && !eval_int(d->e, none, in->lo, "a bound", &lo))
            return NULL;
        if (in && in->hi && !eval_int(d->e, none, in->hi, "a bound", &hi))
            return NULL;
        lo += in && in->lo_open;
        hi -= in && in->hi_open;
        hi = hi > lo + 4 ? lo + 4 : hi;
        lo = draw_int(d, lo, hi);
        return value_int(d->e, d->apart ? named_param(d, p, lo) : lo, p->at);
    }
    if (!real)
        return NULL;
    if (in && in->lo &&
        !value_want_real(d->e, eval(d->e, none, in->lo), "a bound", &x))
        return NULL;
    if (in && in->hi &&
        !value_want_real(d->e, eval(d->e, none, in->hi), "a bound", &y))
        return NULL;
    return value_real(d->e, x + (y - x) * (0.1 + 0.8 * draw(d)), p->at);
}

/* A default that is a number: the symbol is taken for that. */
static value *draw_default(drawing *d, const ast_param *p)
{
    if (!d->apart || p->value->kind != EXPR_INT || !p->type ||
        strcmp(p->type->name, "int"))
        return NULL;
    return value_int(d->e, named_param(d, p, p->value->integer), p->at);
}

/* Defaults stand in the first draws; then declared intervals are tried. */
static bool draw_args(drawing *d, const ast_decl *layer, value **args)
{
    for (int i = 0; i < layer->param_count; i++) {
        const ast_param *p = &layer->params[i];
        if (p->value && (!p->interval || d->seed % 2 == 0)) {
            args[i] = draw_default(d, p);
            continue;
        }
        args[i] = draw_from(d, p);
        if (!args[i] && !p->value)
            return false;
    }
    return true;
}

/* ---------- inputs ---------- */

/* Multiples of 12, so that what must divide them does. */
static int64_t draw_size(drawing *d, const char *name, int64_t most)
{
    static const int64_t apart[] = {24,  36,  60,  84,  120, 132, 156, 180,
                                    204, 228, 252, 276, 300, 312, 348, 372};
    enum { COUNT = sizeof apart / sizeof *apart };
    if (!d->apart)
        return draw_int(d, 2, most);
    return size_named(d->e, name,
                      apart[(uint64_t)(d->size_count++) * 5 % COUNT] *
                          (1 + (int64_t)(d->seed % 3)));
}

/* An input has a size of at least 1: of a symbol that is a fact. */
static bool at_least_1(drawing *d, int64_t size)
{
    elab *e = d->e;
    if (!size_is_symbolic(e, size))
        return size > 0;
    poly_know_not_negative(&e->generic->facts,
                           poly_sub(e->generic->all, size_poly(e, size),
                                    poly_number(e->generic->all, 1)));
    return true;
}

static bool draw_dim(drawing *d, scope *layer, const ast_sub *dim, int64_t *out)
{
    binding *b;
    if (dim->expr->kind != EXPR_NAME)
        return eval_int(d->e, d->sizes, dim->expr, "a size", out) &&
               at_least_1(d, *out);
    b = scope_find(d->sizes, dim->expr->name);
    if (!b)
        b = scope_find(layer, dim->expr->name);
    if (b && b->value->kind != V_INT)
        return false;
    *out = b ? b->value->integer : draw_size(d, dim->expr->name, 4);
    if (!b)
        scope_bind(d->e, d->sizes, dim->expr->name,
                   value_int(d->e, *out, dim->at), dim->at);
    return true;
}

static bool draw_pack(drawing *d, const ast_sub *dim, int64_t *dims, int *rank)
{
    const char *key = pack_key(d->e, dim->name);
    binding *b = scope_find(d->sizes, key);
    value *v;
    if (!b) {
        v = value_new(d->e, V_PACK, dim->at);
        v->pack = ARENA_NEW(d->e->arena, pack);
        v->pack->rank = (int)draw_int(d, 1, 2);
        for (int i = 0; i < v->pack->rank; i++)
            v->pack->dims[i] = draw_size(
                d, arena_printf(d->e->arena, "%s[%d]", dim->name, i), 3);
        b = scope_bind(d->e, d->sizes, key, v, dim->at);
    }
    for (int i = 0; i < b->value->pack->rank && *rank < PTL_MAX_RANK; i++)
        dims[(*rank)++] = b->value->pack->dims[i];
    return true;
}

static bool draw_bound(drawing *d, scope *layer, const ast_type *type,
                       int64_t *bound)
{
    ast_sub dim = {.expr = type->arg, .at = type->at};
    return type->arg && draw_dim(d, layer, &dim, bound);
}

static ty_tensor *draw_input(drawing *d, scope *layer, const ast_param *p)
{
    int64_t dims[PTL_MAX_RANK], bound = 0;
    int rank = 0;
    ty_kind kind;
    ty_tensor *t;
    if (!p->type)
        return NULL;
    if (!strcmp(p->type->name, "real"))
        kind = TY_REAL;
    else if (!strcmp(p->type->name, "bool"))
        kind = TY_BOOL;
    else if (!strcmp(p->type->name, "idx") ||
             (d->apart && !strcmp(p->type->name, "int")))
        kind = TY_INT;
    else
        return NULL;
    if (!strcmp(p->type->name, "idx") && !draw_bound(d, layer, p->type, &bound))
        return NULL;
    for (int i = 0; p->type->has_dims && i < p->type->dim_count; i++) {
        const ast_sub *dim = &p->type->dims[i];
        if (dim->is_pack) {
            if (!draw_pack(d, dim, dims, &rank))
                return NULL;
        } else if (rank == PTL_MAX_RANK ||
                   !draw_dim(d, layer, dim, &dims[rank++])) {
            return NULL;
        }
    }
    t = tensor_new(d->e, TY_INPUT, p->name, kind, rank, dims, p->at);
    t->bound = bound;
    return t;
}

/* Plain names first, so that compound sizes find them. */
static bool draw_names(drawing *d, scope *layer, const ast_decl *fn)
{
    int64_t unused;
    for (int i = 0; i < fn->param_count; i++) {
        const ast_type *t = fn->params[i].type;
        for (int j = 0; t && t->has_dims && j < t->dim_count; j++)
            if (!t->dims[j].is_pack && t->dims[j].expr->kind == EXPR_NAME &&
                !draw_dim(d, layer, &t->dims[j], &unused))
                return false;
    }
    return true;
}

/* The sizes of a layer's inputs may mention its parameters. */
static bool draw_inputs(drawing *d, instance *inst, value **args)
{
    d->sizes = scope_new(d->e, inst->scope, d->e->frame);
    if (!draw_names(d, inst->scope, inst->own))
        return false;
    for (int i = 0; i < inst->own->param_count; i++) {
        const ast_param *p = &inst->own->params[i];
        ty_tensor *t = draw_input(d, inst->scope, p);
        if (!t && p->value)
            continue;
        if (!t)
            return false;
        args[i] = value_tensor(d->e, t, p->at);
    }
    return true;
}

/* ---------- the loss ---------- */

static ty_expr *weighted(drawing *d, ty_tensor *t)
{
    elab *e = d->e;
    int64_t n = ty_element_count(t);
    double *numbers = ARENA_ARRAY(e->arena, double, n + 1);
    ty_var *vars[PTL_MAX_RANK];
    ty_tensor *weights;
    ty_expr *x;
    for (int64_t i = 0; i < n; i++)
        numbers[i] = 0.5 + draw(d);
    weights =
        tensor_new(e, TY_LITERAL, "weights", TY_REAL, t->rank, t->dims, t->at);
    weights->values = numbers;
    for (int i = 0; i < t->rank; i++)
        vars[i] =
            ty_var_new(e, arena_printf(e->arena, "i%d", i), t->dims[i], t->at);
    x = tx_op2(e, TY_MUL_OP, tx_read_vars(e, t, vars, t->at),
               tx_read_vars(e, weights, vars, t->at), t->at);
    return t->rank ? tx_reduce(e, RED_SUM, vars, t->rank, NULL, x, t->at) : x;
}

static bool add_loss(drawing *d, value *v, ty_expr **loss)
{
    elab *e = d->e;
    ty_tensor *t;
    ty_expr *term;
    if (v->kind == V_TUPLE) {
        for (int i = 0; i < v->count; i++)
            if (!add_loss(d, v->items[i], loss))
                return false;
        return true;
    }
    if (v->kind == V_ERROR || !value_is_number(v))
        return false;
    t = value_materialise(e, v, "result", v->at);
    if (!t || t->kind != TY_REAL)
        return t != NULL;
    term = weighted(d, t);
    *loss = *loss ? tx_op2(e, TY_ADD_OP, *loss, term, t->at) : term;
    return true;
}

static bool run_layer(drawing *d, const lang_module *m, const ast_decl *layer)
{
    elab *e = d->e;
    value **args = ARENA_ARRAY(e->arena, value *, layer->param_count + 1);
    value **inputs, *inst, *result;
    ty_expr *loss = NULL;
    frame_push(e, FRAME_TEST, m, NULL, (src_range){0});
    if (!draw_args(d, layer, args))
        return false;
    inst = instance_construct(e, layer, m, args, layer->name, layer->at);
    if (inst->kind != V_INSTANCE || !inst->inst->own)
        return false;
    inputs = ARENA_ARRAY(e->arena, value *, inst->inst->own->param_count + 1);
    if (!draw_inputs(d, inst->inst, inputs))
        return false;
    result = apply_values(e, inst->inst, inputs, layer->at);
    if (!add_loss(d, result, &loss) || !loss)
        return false;
    e->out->loss = tensor_define(e, "loss", NULL, 0, loss, layer->at);
    e->out->loss_at = layer->at;
    frame_pop(e);
    return e->out->loss != NULL;
}

/* ---------- read alone ---------- */

static bool is_scalar_param(const ast_param *p)
{
    return p->type && !p->type->has_dims &&
           (!strcmp(p->type->name, "int") || !strcmp(p->type->name, "real"));
}

static bool draw_fn_args(drawing *d, const ast_decl *fn, value **args)
{
    if (!draw_names(d, d->sizes, fn))
        return false;
    for (int i = 0; i < fn->param_count; i++) {
        const ast_param *p = &fn->params[i];
        ty_tensor *t;
        if (p->value) {
            args[i] = draw_default(d, p);
            if (args[i])
                scope_bind(d->e, d->sizes, p->name, args[i], p->at);
            continue;
        }
        if (p->type && !p->type->has_dims && !strcmp(p->type->name, "bool")) {
            args[i] = value_bool(d->e, d->seed % 2 == 0, p->at);
            continue;
        }
        if (is_scalar_param(p)) {
            args[i] = draw_from(d, p);
            if (!args[i])
                return false;
            scope_bind(d->e, d->sizes, p->name, args[i], p->at);
            continue;
        }
        t = draw_input(d, d->sizes, p);
        if (!t)
            return false;
        args[i] = value_tensor(d->e, t, p->at);
    }
    return true;
}

/* What `draw` could not draw gives no message. */
static bool run_function(drawing *d, const lang_module *m, const ast_decl *fn)
{
    elab *e = d->e;
    value **args = ARENA_ARRAY(e->arena, value *, fn->param_count + 1);
    value *result;
    ty_expr *loss = NULL;
    d->sizes =
        scope_new(e, NULL, frame_push(e, FRAME_TEST, m, NULL, (src_range){0}));
    if (!draw_fn_args(d, fn, args))
        return false;
    result = call_fn(e, fn, m, NULL, args, NULL, fn->at);
    if (!add_loss(d, result, &loss) || !loss)
        return false;
    e->out->loss = tensor_define(e, "loss", NULL, 0, loss, fn->at);
    e->out->loss_at = fn->at;
    frame_pop(e);
    return e->out->loss != NULL;
}

typed_program *elab_drawn(ptl_arena *arena, const lang_modules *program,
                          const lang_module *module, const ast_decl *decl,
                          const elab_options *options, ptl_diags *diags)
{
    elab e;
    drawing d = {.e = &e, .seed = options->seed};
    typed_program *out;
    bool good;
    elab_init(&e, arena, program, options, diags);
    e.quiet = true;
    e.training = value_bool(&e, true, (src_range){0});
    good = decl->kind == DECL_FN ? run_function(&d, module, decl)
                                 : run_layer(&d, module, decl);
    out = elab_finish(&e);
    return good ? out : NULL;
}

/* The shape a result is wanted in, for functions that take it from there. */
static const ty_tensor *draw_wanted(drawing *d, const ast_decl *fn)
{
    const ast_type *type = fn->result_count == 1 ? fn->results[0].type : NULL;
    for (int i = 0; type && i < type->dim_count; i++)
        if (!type->dims[i].is_pack && type->dims[i].expr->kind != EXPR_NAME)
            return NULL;
    return type && type->has_dims ? draw_input(d, d->sizes, &fn->results[0])
                                  : NULL;
}

/* Errors of drawing are none of the function's. */
static void read_fn(drawing *d, const lang_module *m, const ast_decl *fn)
{
    elab *e = d->e;
    value **args = ARENA_ARRAY(e->arena, value *, fn->param_count + 1);
    const ty_tensor *wanted;
    bool drawn = draw_fn_args(d, fn, args);
    wanted = drawn ? draw_wanted(d, fn) : NULL;
    e->errors = 0;
    if (drawn)
        call_fn(e, fn, m, NULL, args, wanted, (src_range){0});
}

static void read_layer(drawing *d, const lang_module *m, const ast_decl *layer)
{
    elab *e = d->e;
    value **args = ARENA_ARRAY(e->arena, value *, layer->param_count + 1);
    value **inputs, *v = NULL;
    bool drawn = draw_args(d, layer, args);
    if (drawn)
        v = instance_construct(e, layer, m, args, layer->name, (src_range){0});
    drawn = v && v->kind == V_INSTANCE && v->inst->own;
    if (drawn) {
        inputs = ARENA_ARRAY(e->arena, value *, v->inst->own->param_count + 1);
        drawn = draw_inputs(d, v->inst, inputs);
    }
    e->errors = 0;
    if (drawn)
        apply_values(e, v->inst, inputs, (src_range){0});
}

static mistake_list read_once(ptl_arena *arena, const lang_modules *program,
                              const lang_module *m, const ast_decl *decl,
                              uint64_t seed, ptl_diags *diags,
                              const mistake_list *only)
{
    elab e;
    elab_options options = {.mode = ELAB_GRAD, .seed = seed};
    drawing d = {.e = &e, .seed = seed, .apart = true};
    mistake_list found = {.note_at = decl->name_at};
    elab_init(&e, arena, program, &options, diags);
    generic_begin(&e);
    e.quiet = !only;
    e.only = only;
    e.training = value_bool(&e, true, (src_range){0});
    d.sizes = scope_new(&e, NULL,
                        frame_push(&e, FRAME_TEST, m, NULL, (src_range){0}));
    if (decl->kind == DECL_FN)
        read_fn(&d, m, decl);
    else
        read_layer(&d, m, decl);
    found.note = arena_printf(arena, "%s `%s`, read by itself",
                              ast_decl_kind_text(decl->kind), decl->name);
    for (int i = 0; i < e.mistakes.count; i++)
        vec_push(arena, &found.list, e.mistakes.data[i]);
    elab_finish(&e);
    return found;
}

enum { READINGS = 3 };

/* Two axes swapped are two conflicts and one mistake. */
static bool follows(const mistake_list *l, const mistake *x)
{
    const mistake *last =
        l->list.count ? &l->list.data[l->list.count - 1] : NULL;
    int line, other, column;
    if (!last || last->code != x->code || x->code != DIAG_RANGE_CONFLICT)
        return false;
    src_position(last->at, &line, &column);
    src_position(x->at, &other, &column);
    return line == other;
}

/* An error is certain when every reading, each with other numbers, meets it at
 * the same place for the same reason. Returns whether there is one. */
static bool read_alone(const lang_modules *program, const lang_module *m,
                       const ast_decl *decl, ptl_diags *diags)
{
    ptl_arena *arena = arena_new();
    mistake_list all[READINGS], certain = {0};
    for (int i = 0; i < READINGS; i++)
        all[i] =
            read_once(arena, program, m, decl, (uint64_t)i + 1, diags, NULL);
    for (int i = 0; i < all[0].list.count; i++) {
        mistake x = all[0].list.data[i];
        bool same = x.at.file && (x.proven || is_certain(x.code)) &&
                    !follows(&certain, &x);
        for (int j = 1; j < READINGS; j++)
            same = same && mistakes_have(&all[j], x.code, x.at);
        if (same)
            vec_push(arena, &certain.list, x);
    }
    certain.note = all[0].note;
    certain.note_at = all[0].note_at;
    if (certain.list.count > 0)
        read_once(arena, program, m, decl, 1, diags, &certain);
    arena_free(arena);
    return certain.list.count > 0;
}

bool lang_check_alone(const lang_modules *program, const lang_module *module,
                      ptl_diags *diags)
{
    int before = diags_error_count(diags);
    for (int i = 0; i < module->file_count; i++)
        for (int j = 0; module->files[i] && j < module->files[i]->decl_count;
             j++) {
            ast_decl *d = module->files[i]->decls[j];
            if (!d->wrong && (d->kind == DECL_FN || d->kind == DECL_LAYER ||
                              d->kind == DECL_MODEL))
                d->wrong = read_alone(program, module, d, diags);
        }
    return diags_error_count(diags) == before;
}
