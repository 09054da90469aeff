/*
 * print.c - the kernel form as text, for people and as the object cache's key.
 *
 * One statement a line. Constants are written where they are used, with type
 * and lanes, so the lines that remain are the work. Everything a generator
 * reads is here: equal text, equal code.
 */
#include "kernel/kernel.h"
#include <inttypes.h>

static void print_type(ptl_str *out, kern_type type, int lanes)
{
    str_add(out, kern_type_name(type));
    if (lanes > 1)
        str_printf(out, "x%d", lanes);
}

/* Digits enough to read the same number back. */
static void print_constant(ptl_str *out, const kern_value *v)
{
    print_type(out, v->type, v->lanes);
    if (v->type == KERN_F32)
        str_printf(out, "(%.9g)", v->number);
    else if (v->type == KERN_F64)
        str_printf(out, "(%.17g)", v->number);
    else
        str_printf(out, "(%" PRId64 ")", v->integer);
}

static void print_use(ptl_str *out, const kern_value *v)
{
    if (v->op == KERN_CONST)
        print_constant(out, v);
    else
        str_printf(out, "%s%s%d", v->name ? v->name : "v", v->name ? "." : "",
                   v->id);
}

static void print_local(ptl_str *out, const kern_local *local)
{
    str_printf(out, "%s@%d", local->name ? local->name : "", local->id);
}

static void print_memory(ptl_str *out, const kern_kernel *k,
                         const kern_memory *at)
{
    str_printf(out, "%d:%s[", at->buffer, k->buffers.data[at->buffer].name);
    print_use(out, at->offset);
    if (at->offsets) {
        str_add(out, " + ");
        print_use(out, at->offsets);
    } else {
        str_printf(out, " + lane*%" PRId64, at->stride);
    }
    str_addc(out, ']');
    if (at->ahead)
        str_printf(out, " ahead %" PRId64, at->ahead);
    if (at->mask) {
        str_add(out, " where ");
        print_use(out, at->mask);
    }
    if (at->other) {
        str_add(out, " else ");
        print_use(out, at->other);
    }
}

static void print_operation(ptl_str *out, const kern_kernel *k,
                            const kern_value *v)
{
    str_add(out, kern_op_name(v->op));
    if (v->op == KERN_LOAD) {
        str_addc(out, ' ');
        print_memory(out, k, &v->memory);
    }
    if (v->op == KERN_GET) {
        str_addc(out, ' ');
        print_local(out, v->local);
    }
    for (int i = 0; i < kern_op_operands(v->op); i++) {
        str_add(out, i ? ", " : " ");
        print_use(out, v->args[i]);
    }
    for (int i = 0; v->op == KERN_SHUFFLE && i < v->lanes; i++)
        str_printf(out, "%s%d", i ? " " : " to ", v->order[i]);
    if (v->op == KERN_LANE)
        str_printf(out, ", %" PRId64, v->integer);
    if (v->op == KERN_INPUT)
        str_printf(out, " %" PRId64, v->integer);
}

static void print_block(ptl_str *out, const kern_kernel *k,
                        const kern_block *block, int depth);

static void indent(ptl_str *out, int depth)
{
    for (int i = 0; i < depth; i++)
        str_add(out, "  ");
}

static void print_loop(ptl_str *out, const kern_kernel *k, const kern_stmt *s,
                       int depth)
{
    str_add(out, "loop ");
    print_use(out, s->index);
    str_add(out, " in ");
    print_use(out, s->lo);
    str_add(out, " .. ");
    print_use(out, s->hi);
    str_printf(out, " step %" PRId64, s->step);
    if (s->unroll > 1)
        str_printf(out, " unroll %d", s->unroll);
    str_addc(out, '\n');
    print_block(out, k, s->body, depth + 1);
}

static void print_if(ptl_str *out, const kern_kernel *k, const kern_stmt *s,
                     int depth)
{
    str_add(out, "if ");
    print_use(out, s->value);
    str_addc(out, '\n');
    print_block(out, k, s->body, depth + 1);
    if (!s->other_body)
        return;
    indent(out, depth);
    str_add(out, "else\n");
    print_block(out, k, s->other_body, depth + 1);
}

static void print_stmt(ptl_str *out, const kern_kernel *k, const kern_stmt *s,
                       int depth)
{
    switch (s->kind) {
    case KERN_DO:
        print_use(out, s->value);
        str_add(out, ": ");
        print_type(out, s->value->type, s->value->lanes);
        str_add(out, " = ");
        print_operation(out, k, s->value);
        str_addc(out, '\n');
        return;
    case KERN_SET:
        print_local(out, s->local);
        str_add(out, ": ");
        print_type(out, s->local->type, s->local->lanes);
        str_add(out, " = ");
        print_use(out, s->value);
        str_addc(out, '\n');
        return;
    case KERN_STORE:
        str_add(out, "store ");
        print_memory(out, k, &s->memory);
        str_add(out, " = ");
        print_use(out, s->value);
        str_addc(out, '\n');
        return;
    case KERN_LOOP:
        print_loop(out, k, s, depth);
        return;
    case KERN_IF:
        print_if(out, k, s, depth);
        return;
    }
}

static bool is_constant(const kern_stmt *s)
{
    return s->kind == KERN_DO && s->value->op == KERN_CONST;
}

static void print_block(ptl_str *out, const kern_kernel *k,
                        const kern_block *block, int depth)
{
    for (int i = 0; i < block->stmts.count; i++) {
        if (is_constant(block->stmts.data[i]))
            continue;
        indent(out, depth);
        print_stmt(out, k, block->stmts.data[i], depth);
    }
}

static void print_tile(ptl_str *out, const kern_tile *t)
{
    str_printf(
        out,
        "  tile %s batch %" PRId64 " m %" PRId64 " n %" PRId64 " k %" PRId64
        " mr %d nr %d kc %" PRId64 " blocks %" PRId64 " x %" PRId64 "%s%s\n",
        kern_type_name(t->type), t->batch, t->m, t->n, t->k, t->mr, t->nr,
        t->kc, t->m_block, t->n_block, t->unit_columns ? " unit_columns" : "",
        t->pairs ? " pairs" : "");
}

static void print_direct(ptl_str *out, const kern_direct *d)
{
    str_printf(out, "  direct %s of %d %d %d by %d %d %d %d %d\n",
               kern_type_name(d->type), d->a, d->b, d->c, d->a_tile, d->b_tile,
               d->c_tile, d->a_run, d->b_run);
    str_printf(
        out,
        "    segments %" PRId64 " tiles %" PRId64 " mr %d last %d n %" PRId64
        " nr %d%s runs %" PRId64 " length %" PRId64 " run_block %" PRId64 "\n",
        d->segments, d->tiles, d->mr, d->mr_last, d->n, d->nr,
        d->whole_panels ? " whole" : "", d->runs, d->length, d->run_block);
    str_printf(out,
               "    steps %" PRId64 " %" PRId64 " panel %" PRId64
               " parts %" PRId64 " of %" PRId64 " at %" PRId64
               " blocks %" PRId64 " x %" PRId64 "%s\n",
               d->a_step, d->b_step, d->b_panel, d->splits, d->split_runs,
               d->c_split, d->m_block, d->n_block,
               d->runs_outside ? " runs outside" : "");
    str_add(out, "    rows");
    for (int i = 0; i < d->mr; i++)
        str_printf(out, " %" PRId64 ":%" PRId64, d->a_row[i], d->c_row[i]);
    str_addc(out, '\n');
}

static void print_inside(ptl_str *out, const kern_kernel *k)
{
    if (!k)
        return;
    str_printf(out, "  inside %s tasks %" PRId64 "\n", k->name, k->task_count);
    print_block(out, k, k->body, 2);
}

static void print_fetch(ptl_str *out, const kern_fetch *f)
{
    str_printf(out, "  fetch %s gives ", f->kernel->name);
    print_local(out, f->value);
    if (f->line)
        str_printf(out, " along k by %d", f->line);
    str_add(out, "\n");
    print_block(out, f->kernel, f->kernel->body, 2);
}

static void print_matrix(ptl_str *out, const char *what, const kern_matrix *m)
{
    str_printf(out,
               "  matrix %s of %d at %" PRId64 " steps %" PRId64 " %" PRId64
               " %" PRId64 "\n",
               what, m->buffer, m->at, m->batch, m->row, m->column);
}

static void print_product(ptl_str *out, const kern_product *p)
{
    str_printf(out,
               "  product %s batch %" PRId64 " m %" PRId64 " n %" PRId64
               " k %" PRId64 " parts %" PRId64 " of %" PRId64 " at %" PRId64
               " to %d, %d steps at once\n",
               kern_type_name(p->type), p->batch, p->m, p->n, p->k, p->splits,
               p->k_split, p->c_split, p->c, p->steps);
    if (p->matrices) {
        print_matrix(out, "left", &p->matrices->left);
        print_matrix(out, "right", &p->matrices->right);
        print_matrix(out, "result", &p->matrices->result);
    }
    print_fetch(out, &p->left);
    print_fetch(out, &p->right);
    print_fetch(out, &p->place);
}

static void print_kernel(ptl_str *out, const kern_kernel *k)
{
    str_printf(out, "kernel %s tasks %" PRId64 "\n", k->name, k->task_count);
    for (int i = 0; i < k->buffers.count; i++) {
        const kern_buffer *b = &k->buffers.data[i];
        if (b->scratch) {
            str_printf(out, "  scratch %d:%s %s[%" PRId64 "]\n", i, b->name,
                       dtype_name(b->dtype), b->scratch);
            continue;
        }
        str_printf(out, "  buffer %d:%s %s%s%s\n", i, b->name,
                   dtype_name(b->dtype), b->written ? " written" : "",
                   b->streamed ? " streamed" : "");
    }
    if (k->kind == KERN_TILE) {
        print_tile(out, &k->tile);
        print_inside(out, k->tile.pack_a);
        print_inside(out, k->tile.pack_b);
    } else if (k->kind == KERN_DIRECT) {
        print_direct(out, &k->direct);
    } else if (k->kind == KERN_PRODUCT) {
        print_product(out, &k->product);
    } else if (k->body) {
        print_block(out, k, k->body, 1);
    }
}

void kern_print(const kern_module *m, ptl_str *out)
{
    for (int i = 0; i < m->kernels.count; i++) {
        if (i > 0)
            str_addc(out, '\n');
        print_kernel(out, m->kernels.data[i]);
    }
}
