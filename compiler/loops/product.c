/*
 * product.c - a contraction whose operands are fetched element by element: the
 * three functions of positions that its template calls.
 */
#include "base/integer.h"
#include "loops/build.h"

enum { BATCH, ROW, COLUMN = 2, STEP = 2 }; /* INPUTs */

/* The position as digits of the axis' variables, last one fastest. */
static void set_axis(emit *e, const sched_axis *axis, int input)
{
    kern_builder *b = e->b;
    kern_type type = axis->extent <= INT32_MAX ? KERN_I32 : KERN_I64;
    if (axis->count == 0)
        return;
    kern_value *at = kern_convert(b, kern_input(b, input), type);
    for (int i = axis->count - 1; i >= 0; i--) {
        const ir_var *var = &e->range[axis->vars[i]];
        kern_value *extent = kern_int(b, type, 1, var->hi - var->lo);
        kern_value *digit = i > 0 ? kern_op2(b, KERN_REM, at, extent) : at;
        if (i > 0)
            at = kern_op2(b, KERN_DIV, at, extent);
        kern_value *value =
            axis->reversed >> axis->vars[i] & 1
                ? kern_op2(b, KERN_SUB, kern_int(b, type, 1, var->hi - 1),
                           digit)
                : kern_op2(b, KERN_ADD, digit, kern_int(b, type, 1, var->lo));
        e->var[axis->vars[i]] = kern_convert(b, value, KERN_I64);
    }
}

typedef struct fetch {
    build k;
    emit e;
} fetch;

static void fetch_begin(fetch *f, build *outer, const char *what)
{
    const ir_comp *comp = &outer->step->nodes[0]->comp;
    f->k = *outer;
    f->k.kernel = kern_kernel_inside(outer->kernel, what, 1);
    f->k.b = kern_begin(f->k.kernel);
    emit_init(&f->e, &f->k, comp->vars, comp->var_count);
    set_axis(&f->e, &outer->step->contraction->batch, BATCH);
}

/* What it came to know of buffers is the outer kernel's as well. */
static kern_fetch fetch_end(fetch *f, build *outer, kern_value *value)
{
    kern_fetch out = {.kernel = f->k.kernel};
    out.value = kern_local_new(&f->k.b, value->type, 1, "value");
    kern_set(&f->k.b, out.value, value);
    outer->kernel->buffers.count = 0;
    for (int i = 0; i < f->k.kernel->buffers.count; i++)
        vec_push(outer->module->arena, &outer->kernel->buffers,
                 f->k.kernel->buffers.data[i]);
    return out;
}

static kern_fetch fetch_factor(build *k, bool left)
{
    fetch f;
    const sched_contraction *c = k->step->contraction;
    fetch_begin(&f, k, left ? "left" : "right");
    set_axis(&f.e, left ? &c->m : &c->n, ROW);
    set_axis(&f.e, &c->k, STEP);
    kern_value *x = emit_expr(&f.e, left ? c->left : c->right);
    return fetch_end(&f, k, kern_convert(&f.k.b, x, k->real));
}

static kern_fetch fetch_place(build *k)
{
    fetch f;
    emit_place place;
    const sched_contraction *c = k->step->contraction;
    fetch_begin(&f, k, "place");
    set_axis(&f.e, &c->m, ROW);
    set_axis(&f.e, &c->n, COLUMN);
    emit_result_place(&f.e, c->node, &place);
    PTL_ASSERT(!place.offsets && !place.guard);
    return fetch_end(&f, k, place.offset);
}

/* Buffers of the schedule become the kernel's. */
static const kern_matrices *matrices_of(build *k)
{
    const sched_contraction *c = k->step->contraction;
    if (!c->matrices)
        return NULL;
    kern_matrices *m = ARENA_NEW(k->module->arena, kern_matrices);
    *m = *c->matrices;
    m->left.buffer = build_buffer(k, m->left.buffer, false);
    m->right.buffer = build_buffer(k, m->right.buffer, false);
    m->result.buffer = build_buffer(k, m->result.buffer, true);
    return m;
}

void build_product(build *k)
{
    const sched_contraction *c = k->step->contraction;
    kern_product *p = &k->kernel->product;
    k->kernel->kind = KERN_PRODUCT;
    *p = (kern_product){.type = k->real,
                        .batch = c->batch.extent,
                        .m = c->m.extent,
                        .n = c->n.extent,
                        .k = c->k.extent,
                        .splits = c->splits,
                        .k_split = c->k_split,
                        .c_split = ir_element_count(&c->node->type)};
    p->c = build_buffer(k, k->step->targets[0], true);
    p->left = fetch_factor(k, true);
    p->right = fetch_factor(k, false);
    p->place = fetch_place(k);
    p->matrices = matrices_of(k);
    product_walks(c, p);
}
