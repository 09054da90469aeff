/*
 * print.c - the kernel form as text, for people and as the object cache's key.
 *
 * One statement a line. Constants are written where they are used, with type
 * and lanes, so the lines that remain are the work. Everything a generator
 * reads is here: equal text, equal code.
 */
#include "kernel/kernel.h"
#include <inttypes.h>
#include <string.h>

typedef struct printer {
    ptl_str *out;
    bool bare; /* without names */
} printer;

static const char *shown(const printer *p, const char *name)
{
    return p->bare || !name ? "" : name;
}

static void print_type(const printer *p, kern_type type, int lanes)
{
    str_add(p->out, kern_type_name(type));
    if (lanes > 1)
        str_printf(p->out, "x%d", lanes);
}

/* Digits enough to read the same number back. */
static void print_constant(const printer *p, const kern_value *v)
{
    print_type(p, v->type, v->lanes);
    if (v->type == KERN_F32)
        str_printf(p->out, "(%.9g)", v->number);
    else if (v->type == KERN_F64)
        str_printf(p->out, "(%.17g)", v->number);
    else
        str_printf(p->out, "(%" PRId64 ")", v->integer);
}

static void print_use(const printer *p, const kern_value *v)
{
    const char *name = shown(p, v->name);
    if (v->op == KERN_CONST)
        print_constant(p, v);
    else
        str_printf(p->out, "%s%s%d", *name ? name : "v", *name ? "." : "",
                   v->id);
}

static void print_local(const printer *p, const kern_local *local)
{
    str_printf(p->out, "%s@%d", shown(p, local->name), local->id);
}

static void print_memory(const printer *p, const kern_kernel *k,
                         const kern_memory *at)
{
    str_printf(p->out, "%d:%s[", at->buffer,
               shown(p, k->buffers.data[at->buffer].name));
    print_use(p, at->offset);
    if (at->offsets) {
        str_add(p->out, " + ");
        print_use(p, at->offsets);
    } else {
        str_printf(p->out, " + lane*%" PRId64, at->stride);
    }
    str_addc(p->out, ']');
    if (at->ahead)
        str_printf(p->out, " ahead %" PRId64, at->ahead);
    if (at->mask) {
        str_add(p->out, " where ");
        print_use(p, at->mask);
    }
    if (at->other) {
        str_add(p->out, " else ");
        print_use(p, at->other);
    }
}

static void print_operation(const printer *p, const kern_kernel *k,
                            const kern_value *v)
{
    str_add(p->out, kern_op_name(v->op));
    if (v->op == KERN_LOAD) {
        str_addc(p->out, ' ');
        print_memory(p, k, &v->memory);
    }
    if (v->op == KERN_GET) {
        str_addc(p->out, ' ');
        print_local(p, v->local);
    }
    for (int i = 0; i < kern_op_operands(v->op); i++) {
        str_add(p->out, i ? ", " : " ");
        print_use(p, v->args[i]);
    }
    for (int i = 0; v->op == KERN_SHUFFLE && i < v->lanes; i++)
        str_printf(p->out, "%s%d", i ? " " : " to ", v->order[i]);
    if (v->op == KERN_LANE)
        str_printf(p->out, ", %" PRId64, v->integer);
    if (v->op == KERN_INPUT)
        str_printf(p->out, " %" PRId64, v->integer);
}

static void print_block(const printer *p, const kern_kernel *k,
                        const kern_block *block, int depth);

static void indent(const printer *p, int depth)
{
    for (int i = 0; i < depth; i++)
        str_add(p->out, "  ");
}

static void print_loop(const printer *p, const kern_kernel *k,
                       const kern_stmt *s, int depth)
{
    str_add(p->out, "loop ");
    print_use(p, s->index);
    str_add(p->out, " in ");
    print_use(p, s->lo);
    str_add(p->out, " .. ");
    print_use(p, s->hi);
    str_printf(p->out, " step %" PRId64, s->step);
    if (s->unroll > 1)
        str_printf(p->out, " unroll %d", s->unroll);
    str_addc(p->out, '\n');
    print_block(p, k, s->body, depth + 1);
}

static void print_if(const printer *p, const kern_kernel *k, const kern_stmt *s,
                     int depth)
{
    str_add(p->out, "if ");
    print_use(p, s->value);
    str_addc(p->out, '\n');
    print_block(p, k, s->body, depth + 1);
    if (!s->other_body)
        return;
    indent(p, depth);
    str_add(p->out, "else\n");
    print_block(p, k, s->other_body, depth + 1);
}

static void print_stmt(const printer *p, const kern_kernel *k,
                       const kern_stmt *s, int depth)
{
    switch (s->kind) {
    case KERN_DO:
        print_use(p, s->value);
        str_add(p->out, ": ");
        print_type(p, s->value->type, s->value->lanes);
        str_add(p->out, " = ");
        print_operation(p, k, s->value);
        str_addc(p->out, '\n');
        return;
    case KERN_SET:
        print_local(p, s->local);
        str_add(p->out, ": ");
        print_type(p, s->local->type, s->local->lanes);
        str_add(p->out, " = ");
        print_use(p, s->value);
        str_addc(p->out, '\n');
        return;
    case KERN_STORE:
        str_add(p->out, "store ");
        print_memory(p, k, &s->memory);
        str_add(p->out, " = ");
        print_use(p, s->value);
        str_addc(p->out, '\n');
        return;
    case KERN_LOOP:
        print_loop(p, k, s, depth);
        return;
    case KERN_IF:
        print_if(p, k, s, depth);
        return;
    }
}

static bool is_constant(const kern_stmt *s)
{
    return s->kind == KERN_DO && s->value->op == KERN_CONST;
}

static void print_block(const printer *p, const kern_kernel *k,
                        const kern_block *block, int depth)
{
    for (int i = 0; i < block->stmts.count; i++) {
        if (is_constant(block->stmts.data[i]))
            continue;
        indent(p, depth);
        print_stmt(p, k, block->stmts.data[i], depth);
    }
}

static void print_tile(const printer *p, const kern_tile *t)
{
    str_printf(
        p->out,
        "  tile %s batch %" PRId64 " m %" PRId64 " n %" PRId64 " k %" PRId64
        " mr %d nr %d kc %" PRId64 " blocks %" PRId64 " x %" PRId64 "%s%s\n",
        kern_type_name(t->type), t->batch, t->m, t->n, t->k, t->mr, t->nr,
        t->kc, t->m_block, t->n_block, t->unit_columns ? " unit_columns" : "",
        t->pairs ? " pairs" : "");
}

static void print_direct(const printer *p, const kern_direct *d)
{
    str_printf(p->out, "  direct %s of %d %d %d by %d %d %d %d %d\n",
               kern_type_name(d->type), d->a, d->b, d->c, d->a_tile, d->b_tile,
               d->c_tile, d->a_run, d->b_run);
    str_printf(
        p->out,
        "    segments %" PRId64 " tiles %" PRId64 " mr %d last %d n %" PRId64
        " nr %d%s runs %" PRId64 " length %" PRId64 " run_block %" PRId64 "\n",
        d->segments, d->tiles, d->mr, d->mr_last, d->n, d->nr,
        d->whole_panels ? " whole" : "", d->runs, d->length, d->run_block);
    str_printf(
        p->out,
        "    steps %" PRId64 " %" PRId64 " panel %" PRId64 " parts %" PRId64
        " of %" PRId64 " at %" PRId64 " blocks %" PRId64 " x %" PRId64 "%s\n",
        d->a_step, d->b_step, d->b_panel, d->splits, d->split_runs, d->c_split,
        d->m_block, d->n_block, d->runs_outside ? " runs outside" : "");
    str_add(p->out, "    rows");
    for (int i = 0; i < d->mr; i++)
        str_printf(p->out, " %" PRId64 ":%" PRId64, d->a_row[i], d->c_row[i]);
    str_addc(p->out, '\n');
}

static void print_inside(const printer *p, const kern_kernel *k)
{
    if (!k)
        return;
    str_printf(p->out, "  inside %s tasks %" PRId64 "\n", shown(p, k->name),
               k->task_count);
    print_block(p, k, k->body, 2);
}

static void print_fetch(const printer *p, const kern_fetch *f)
{
    str_printf(p->out, "  fetch %s gives ", shown(p, f->kernel->name));
    print_local(p, f->value);
    if (f->line)
        str_printf(p->out, " along k by %d", f->line);
    str_add(p->out, "\n");
    print_block(p, f->kernel, f->kernel->body, 2);
}

static void print_matrix(const printer *p, const char *what,
                         const kern_matrix *m)
{
    str_printf(p->out,
               "  matrix %s of %d at %" PRId64 " steps %" PRId64 " %" PRId64
               " %" PRId64 "\n",
               what, m->buffer, m->at, m->batch, m->row, m->column);
}

static void print_product(const printer *p, const kern_product *x)
{
    str_printf(p->out,
               "  product %s batch %" PRId64 " m %" PRId64 " n %" PRId64
               " k %" PRId64 " parts %" PRId64 " of %" PRId64 " at %" PRId64
               " to %d, %d steps at once\n",
               kern_type_name(x->type), x->batch, x->m, x->n, x->k, x->splits,
               x->k_split, x->c_split, x->c, x->steps);
    if (x->matrices) {
        print_matrix(p, "left", &x->matrices->left);
        print_matrix(p, "right", &x->matrices->right);
        print_matrix(p, "result", &x->matrices->result);
    }
    print_fetch(p, &x->left);
    print_fetch(p, &x->right);
    print_fetch(p, &x->place);
}

static void print_kernel(const printer *p, const kern_kernel *k)
{
    str_printf(p->out, "kernel %s tasks %" PRId64 "\n", shown(p, k->name),
               k->task_count);
    for (int i = 0; i < k->buffers.count; i++) {
        const kern_buffer *b = &k->buffers.data[i];
        if (b->scratch) {
            str_printf(p->out, "  scratch %d:%s %s[%" PRId64 "]\n", i,
                       shown(p, b->name), dtype_name(b->dtype), b->scratch);
            continue;
        }
        str_printf(p->out, "  buffer %d:%s %s%s%s\n", i, shown(p, b->name),
                   dtype_name(b->dtype), b->written ? " written" : "",
                   b->streamed ? " streamed" : "");
    }
    if (k->kind == KERN_TILE) {
        print_tile(p, &k->tile);
        print_inside(p, k->tile.pack_a);
        print_inside(p, k->tile.pack_b);
    } else if (k->kind == KERN_DIRECT) {
        print_direct(p, &k->direct);
    } else if (k->kind == KERN_PRODUCT) {
        print_product(p, &k->product);
    } else if (k->body) {
        print_block(p, k, k->body, 1);
    }
}

void kern_print(const kern_module *m, ptl_str *out)
{
    const printer p = {out, false};
    for (int i = 0; i < m->kernels.count; i++) {
        if (i > 0)
            str_addc(out, '\n');
        print_kernel(&p, m->kernels.data[i]);
    }
}

const int *kern_find_equal(const kern_module *m, ptl_arena *arena)
{
    int count = m->kernels.count;
    int *same = ARENA_ARRAY(arena, int, count + 1);
    const char **texts = ARENA_ARRAY(arena, const char *, count + 1);
    for (int i = 0; i < count; i++) {
        ptl_str text = {0};
        print_kernel(&(printer){&text, true}, m->kernels.data[i]);
        texts[i] = str_keep(&text, arena);
        same[i] = i;
        for (int k = 0; k < i && same[i] == i; k++)
            if (same[k] == k && strcmp(texts[k], texts[i]) == 0)
                same[i] = k;
    }
    return same;
}
