/*
 * typed_slices.c - see slices.h.
 *
 * A definition of the parameter's shape whose reads all stand at its own
 * indices, in their order, is the same function of one flat index.
 */
#include "base/memo.h"
#include "elab_optim_priv.h"
#include "lang/slices.h"
#include <string.h>

typedef struct flattening {
    ptl_arena *arena;
    const typed_program *program;
    const ty_tensor *whole; /* the parameter */
    const typed_slice *slice;
    ptl_memo done;         /* tensor of the whole -> of the slice */
    VEC(ty_tensor *) made; /* in the order of definition */
} flattening;

/* ---------- numbers ---------- */

static bool is_total(const typed_program *p, const ty_tensor *t)
{
    for (int i = 0; i < p->totals.count; i++)
        if (p->totals.data[i].tensor == t)
            return true;
    return false;
}

typedef struct number_walk {
    const typed_program *program;
    ptl_memo seen;
    bool known;
} number_walk;

static void look_at_read(void *ctx, const ty_expr *x)
{
    number_walk *w = ctx;
    const ty_tensor *t = ty_read_of(x);
    if (!t || !w->known || !memo_add(&w->seen, t) || is_total(w->program, t))
        return;
    w->known = t->rank == 0 && (t->role == TY_VALUE || t->role == TY_SCALAR);
    if (w->known)
        ty_visit_tensor(t, look_at_read, w);
}

/* Is `t` worked out of numbers alone, which all parameters have alike? */
static bool is_common(const typed_program *p, ty_tensor *t)
{
    ty_expr read = {.kind = TY_READ, .tensor = t};
    number_walk w = {.program = p, .known = true};
    look_at_read(&w, &read);
    memo_fini(&w.seen);
    return w.known;
}

/* ---------- rounds ---------- */

typedef struct round_walk {
    const typed_program *program;
    ptl_memo seen;
    int round;
} round_walk;

static void look_for_totals(void *ctx, const ty_expr *x)
{
    round_walk *w = ctx;
    const ty_tensor *t = ty_read_of(x);
    if (!t || !memo_add(&w->seen, t))
        return;
    for (int i = 0; i < w->program->totals.count; i++) {
        const typed_total *other = &w->program->totals.data[i];
        if (other->tensor != t)
            continue;
        if (other->round >= w->round)
            w->round = other->round + 1;
        return;
    }
    ty_visit_tensor(t, look_for_totals, w);
}

int typed_round_of(const typed_program *program, const typed_total *total)
{
    round_walk w = {.program = program};
    for (int i = 0; i < total->part_count; i++)
        ty_visit_tensor(total->parts[i].each, look_for_totals, &w);
    memo_fini(&w.seen);
    return w.round;
}

int typed_round_count(const typed_program *program)
{
    int count = 0;
    for (int i = 0; i < program->totals.count; i++)
        if (program->totals.data[i].round >= count)
            count = program->totals.data[i].round + 1;
    return count;
}

/* ---------- definitions ---------- */

typedef struct body_walk {
    flattening *f;
    const ty_tensor *from; /* what is defined */
    ty_var *var;           /* the flat index */
    ptl_memo done;
} body_walk;

static ty_tensor *flat_tensor(flattening *f, ty_tensor *t);

static ty_expr *copy_of(const body_walk *w, const ty_expr *x)
{
    ty_expr *y = ARENA_NEW(w->f->arena, ty_expr);
    *y = *x;
    return y;
}

/* x[v0, v1, ...], v being the indices of what is defined. */
static bool reads_own_place(const body_walk *w, const ty_expr *x)
{
    if (x->outside || x->count != w->from->rank)
        return false;
    for (int i = 0; i < x->count; i++)
        if (x->subs[i].mode != TY_PLAIN || x->subs[i].index->kind != TY_VAR ||
            x->subs[i].index->var != w->from->vars[i])
            return false;
    return true;
}

static ty_expr *flat_read(body_walk *w, ty_expr *x)
{
    ptl_arena *arena = w->f->arena;
    ty_expr *index, *y;
    ty_tensor *t;
    if (x->tensor->rank == 0)
        return is_common(w->f->program, x->tensor) ? x : NULL;
    t = reads_own_place(w, x) ? flat_tensor(w->f, x->tensor) : NULL;
    if (!t)
        return NULL;
    index = ARENA_NEW(arena, ty_expr);
    *index = (ty_expr){
        .kind = TY_VAR, .type = TY_INT, .at = x->at, .var = w->var, .depth = 1};
    y = copy_of(w, x);
    y->tensor = t;
    y->subs = ARENA_ARRAY(arena, ty_sub, 1);
    y->subs[0].index = index;
    y->count = 1;
    return y;
}

static ty_expr *flat_expr(body_walk *w, ty_expr *x);

static ty_expr *flat_op(body_walk *w, ty_expr *x)
{
    ty_expr *y = copy_of(w, x);
    y->args = ARENA_ARRAY(w->f->arena, ty_expr *, x->count + 1);
    for (int i = 0; i < x->count; i++) {
        y->args[i] = flat_expr(w, x->args[i]);
        if (!y->args[i])
            return NULL;
    }
    return y;
}

/* NULL: what stands here knows its place, or other elements. */
static ty_expr *flat_expr(body_walk *w, ty_expr *x)
{
    ty_expr *y = memo_get(&w->done, x);
    if (y)
        return y;
    y = x->kind == TY_CONST  ? x
        : x->kind == TY_READ ? flat_read(w, x)
        : x->kind == TY_OP   ? flat_op(w, x)
                             : NULL;
    if (y)
        memo_put(&w->done, x, y);
    return y;
}

/* A vector for `t`; `name` is its own. */
static ty_tensor *vector_for(flattening *f, ty_tensor *t, const char *name)
{
    ty_tensor *flat = ARENA_NEW(f->arena, ty_tensor);
    *flat = (ty_tensor){.name = name,
                        .role = t->role,
                        .kind = t->kind,
                        .rank = 1,
                        .dims = {f->slice->count},
                        .bound = t->bound,
                        .batch_axis = -1,
                        .at = t->at,
                        .storage = t->storage};
    memo_put(&f->done, t, flat);
    return flat;
}

static bool has_the_shape(const flattening *f, const ty_tensor *t)
{
    return t->rank == f->whole->rank &&
           !memcmp(t->dims, f->whole->dims, sizeof *t->dims * (size_t)t->rank);
}

static ty_tensor *flat_definition(flattening *f, ty_tensor *t)
{
    ty_var *var = ARENA_NEW(f->arena, ty_var);
    body_walk w = {.f = f, .from = t, .var = var};
    ty_expr *body;
    ty_tensor *flat;
    *var = (ty_var){
        .name = "i", .hi = f->slice->count, .known = true, .at = t->at};
    body = flat_expr(&w, t->body);
    memo_fini(&w.done);
    if (!body)
        return NULL;
    flat = vector_for(
        f, t, arena_printf(f->arena, "%s of %s", t->name, f->slice->name));
    flat->vars = ARENA_ARRAY(f->arena, ty_var *, 1);
    flat->vars[0] = var;
    flat->body = body;
    vec_push(f->arena, &f->made, flat);
    return flat;
}

/* What is given was put in place before. NULL: it cannot be cut. */
static ty_tensor *flat_tensor(flattening *f, ty_tensor *t)
{
    ty_tensor *flat = memo_get(&f->done, t);
    if (flat)
        return flat;
    if (t->role != TY_VALUE || !t->body || t->scan || !has_the_shape(f, t))
        return NULL;
    return flat_definition(f, t);
}

/* ---------- one parameter ---------- */

static ty_tensor *flat_input(flattening *f, ty_tensor *t, const char *name)
{
    ty_tensor *flat = vector_for(f, t, name);
    vec_push(f->arena, &f->made, flat);
    return flat;
}

static void flatten_inputs(flattening *f, const typed_param *from,
                           typed_param *to)
{
    const char *name = f->slice->name;
    to->tensor = flat_input(f, from->tensor, name);
    to->grad =
        flat_input(f, from->grad, arena_printf(f->arena, "grad/%s", name));
    to->grad->of = to->tensor;
    to->slots = ARENA_ARRAY(f->arena, typed_slot, from->slot_count + 1);
    to->slot_count = from->slot_count;
    for (int i = 0; i < from->slot_count; i++) {
        ty_tensor *t = from->slots[i].tensor;
        const char *own = t->name + strlen(from->tensor->name); /* "/m" */
        if (has_the_shape(f, t))
            to->slots[i].tensor =
                flat_input(f, t, arena_printf(f->arena, "%s%s", name, own));
    }
}

static const typed_part *part_of(const typed_total *total,
                                 const ty_tensor *param)
{
    for (int i = 0; i < total->part_count; i++)
        if (total->parts[i].param == param)
            return &total->parts[i];
    return NULL;
}

/* Its shares of totals too. */
static bool flatten(flattening *f, const typed_param *from, typed_param *to)
{
    const typed_program *p = f->program;
    *to = (typed_param){0};
    flatten_inputs(f, from, to);
    to->next = flat_tensor(f, from->next);
    for (int i = 0; i < from->slot_count && to->next; i++) {
        to->slots[i].next = flat_tensor(f, from->slots[i].next);
        if (!to->slots[i].tensor || !to->slots[i].next)
            return false;
    }
    for (int i = 0; i < p->totals.count && to->next; i++)
        if (!flat_tensor(f, part_of(&p->totals.data[i], from->tensor)->each))
            return false;
    return to->next != NULL;
}

static flattening flattening_of(ptl_arena *arena, const typed_program *program,
                                const typed_param *param,
                                const typed_slice *slice)
{
    return (flattening){.arena = arena,
                        .program = program,
                        .whole = param->tensor,
                        .slice = slice};
}

bool typed_may_be_cut(const typed_program *program, const typed_param *param)
{
    ptl_arena *arena = arena_new();
    typed_slice slice = {param->tensor->name, "", 0, 1};
    flattening f = flattening_of(arena, program, param, &slice);
    typed_param unused;
    bool can = !param->frozen && flatten(&f, param, &unused);
    memo_fini(&f.done);
    arena_free(arena);
    return can;
}

/* ---------- a program ---------- */

static const typed_param *param_of(const typed_program *p, const char *path)
{
    for (int i = 0; i < p->params.count; i++)
        if (!p->params.data[i].frozen &&
            !strcmp(p->params.data[i].tensor->name, path))
            return &p->params.data[i];
    return NULL;
}

static void add_tensor(typed_program *p, ty_tensor *t)
{
    t->id = p->tensors.count;
    vec_push(p->arena, &p->tensors, t);
}

static void add_partial(typed_program *p, const char *what, int total,
                        const char *name, ty_tensor *sum)
{
    if (!sum)
        return;
    typed_value v = {.name =
                         arena_printf(p->arena, "%s/%d/%s", what, total, name),
                     .tensor = sum};
    vec_push(p->arena, &p->partials, v);
}

/* Of all of a parameter there are sums already; those of a slice are made, in
 * blocks that are the same. */
static void add_partials(typed_program *p, const flattening *f,
                         const ty_tensor *param, const char *name, int round)
{
    elab e = {.arena = p->arena, .out = p};
    for (int i = 0; i < p->totals.count; i++) {
        const typed_part *part = part_of(&p->totals.data[i], param);
        if (p->totals.data[i].round != round)
            continue;
        block_sums s = {.blocks = part->blocks, .last = part->last};
        if (f)
            s = across_blocks(&e, memo_get(&f->done, part->each));
        add_partial(p, "blocks", i, name, s.blocks);
        add_partial(p, "last", i, name, s.last);
    }
}

static bool cut(typed_program *p, const typed_param *from,
                const typed_slice *slice, int round, typed_param *out)
{
    flattening f = flattening_of(p->arena, p, from, slice);
    bool can = flatten(&f, from, out);
    for (int i = 0; i < f.made.count && can; i++)
        add_tensor(p, f.made.data[i]);
    if (can)
        add_partials(p, &f, from->tensor, slice->name, round);
    memo_fini(&f.done);
    return can;
}

static bool take_slice(typed_program *p, const typed_slice *slice, int round,
                       typed_param *out)
{
    const typed_param *from = param_of(p, slice->path);
    int64_t all = from ? ty_element_count(from->tensor) : 0;
    if (!from || slice->first < 0 || slice->count < 1 ||
        slice->first > all - slice->count)
        return false;
    if (slice->count < all)
        return cut(p, from, slice, round, out);
    *out = *from;
    add_partials(p, NULL, from->tensor, slice->path, round);
    return true;
}

/* Others know them: here they are given. */
static void give_totals(typed_program *p)
{
    for (int i = 0; i < p->totals.count; i++) {
        ty_tensor *t = p->totals.data[i].tensor;
        t->role = TY_INPUT;
        t->body = NULL;
        t->name = arena_printf(p->arena, TYPED_TOTAL_PREFIX "%d", i);
    }
}

bool typed_take_slices(typed_program *program, const typed_slice *slices,
                       int count, int round)
{
    typed_param *params = ARENA_ARRAY(program->arena, typed_param, count + 1);
    for (int i = 0; i < count; i++)
        if (!take_slice(program, &slices[i], round, &params[i]))
            return false;
    program->params.data = params;
    program->params.count = program->params.room = count;
    give_totals(program);
    return true;
}
