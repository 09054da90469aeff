/*
 * print.c - `ptlc emit schedule`: steps, buffers, offsets, bytes.
 */
#include "sched/internal.h"

static void print_dims(const sched_buffer *b, ptl_str *out)
{
    str_printf(out, "%s[", dtype_name(b->dtype));
    for (int i = 0; i < b->rank; i++)
        str_printf(out, "%s%lld", i ? ", " : "", (long long)b->dims[i]);
    str_add(out, "]");
}

static const char *role_name(ptl_role role)
{
    static const char *const names[] = {"param",    "state",    "slot",
                                        "data",     "scalar",   "output",
                                        "constant", "transient"};
    return names[role];
}

static void print_buffer(const sched_schedule *s, int index, ptl_str *out)
{
    const sched_buffer *b = &s->buffers.data[index];
    str_printf(out, "  %%%d %s \"%s\" ", index, role_name(b->role), b->name);
    print_dims(b, out);
    if (b->in_row)
        str_printf(out, " within a row, step %d", b->first);
    else if (b->home != index)
        str_printf(out, " in place of %%%d", sched_home(s, index));
    else if (b->role == PTL_ROLE_TRANSIENT || b->role == PTL_ROLE_OUTPUT)
        str_printf(out, " at %lld, steps %d to %d", (long long)b->offset,
                   b->first, b->last);
    if (b->updated)
        str_add(out, ", updated");
    str_add(out, "\n");
}

static void print_axis(const char *name, const sched_axis *axis, ptl_str *out)
{
    str_printf(out, " %s %lld", name, (long long)axis->extent);
}

static void print_contraction(const sched_contraction *c, ptl_str *out)
{
    str_add(out, "   ");
    print_axis("batch", &c->batch, out);
    print_axis("m", &c->m, out);
    print_axis("n", &c->n, out);
    print_axis("k", &c->k, out);
    if (c->splits > 1)
        str_printf(out, ", k in %lld parts", (long long)c->splits);
    str_printf(out, ", tile %d x %d", c->mr, c->nr);
    if (c->packs_left || c->packs_right)
        str_printf(out, ", packs %s",
                   !c->packs_right  ? "left"
                   : !c->packs_left ? "right"
                                    : "both");
    if (c->packed == 2)
        str_add(out, ", pairs of bf16");
    if (c->matrices)
        str_add(out, ", for a library");
    str_add(out, "\n");
}

static void print_direct(const sched_direct *d, ptl_str *out)
{
    const sched_contraction *c = &d->base;
    str_add(out, "    in place:");
    print_axis("batch", &c->batch, out);
    print_axis("m", &c->m, out);
    print_axis("n", &c->n, out);
    print_axis("k", &c->k, out);
    str_printf(out, ", tile %d x %d, last %d, %lld runs of %lld%s", c->mr,
               c->nr, d->last_rows, (long long)d->runs, (long long)d->length,
               d->packs_right ? ", right packed" : "");
    if (d->splits > 1)
        str_printf(out, ", k in %lld parts", (long long)d->splits);
    str_add(out, "\n");
}

static void print_reduction(const sched_reduction *r, const ir_comp *comp,
                            ptl_str *out)
{
    str_add(out, "    lanes ");
    if (r->lane_var < 0)
        str_add(out, "none");
    else
        str_printf(out, "%s %s", r->lanes_reduce ? "split" : "along",
                   comp->vars[r->lane_var].name);
    if (r->columns)
        str_add(out, ", by columns");
    if (r->chunks > 1)
        str_printf(out, ", %s in %lld chunks of %lld",
                   comp->vars[r->chunk_var].name, (long long)r->chunks,
                   (long long)r->chunk);
    str_add(out, "\n");
}

static void print_step(const sched_schedule *s, int index, ptl_str *out)
{
    const sched_step *step = s->steps.data[index];
    str_printf(out, "  %d %s", index, step->name);
    for (int i = 0; i < step->node_count; i++)
        str_printf(out, "%s%%%d", i ? ", " : " -> ", step->targets[i]);
    for (int i = 0; i < step->reads.count; i++)
        str_printf(out, "%s%%%d%s", i ? ", " : " from ",
                   step->reads.data[i].buffer,
                   step->reads.data[i].same_map ? "=" : "");
    str_printf(out, "; %lld flops, %lld bytes, %.1f us", (long long)step->flops,
               (long long)step->bytes, sched_expected_us(s, step));
    if (step->streams)
        str_add(out, ", streamed");
    if (step->note)
        str_printf(out, " (not on the template: %s)", step->note);
    str_add(out, "\n");
    if (step->kind == SCHED_STEP_TILE || step->kind == SCHED_STEP_PRODUCT)
        print_contraction(step->contraction, out);
    if (step->kind == SCHED_STEP_DIRECT)
        print_direct(step->direct, out);
    if (step->kind == SCHED_STEP_ROWS)
        str_printf(out, "    over the first %d axes of the results\n",
                   step->row_rank);
    if (step->kind == SCHED_STEP_REDUCE)
        print_reduction(&step->reduction, &step->nodes[0]->comp, out);
}

void sched_print(const sched_schedule *s, ptl_str *out)
{
    str_printf(out, "steps %d, arena %lld bytes\n", s->steps.count,
               (long long)s->arena_bytes);
    sched_print_totals(s, out);
    for (int i = 0; i < s->steps.count; i++) {
        for (int r = 0; r < s->regions.count; r++)
            if (s->regions.data[r].begin == i)
                str_printf(out, "  steps %d to %d, %lld times:\n", i,
                           s->regions.data[r].end - 1,
                           (long long)s->regions.data[r].trips);
        print_step(s, i, out);
    }
    sched_print_contractions(s, out);
    sched_print_fullest(s, out);
    str_add(out, "buffers\n");
    for (int i = 0; i < s->buffers.count; i++)
        print_buffer(s, i, out);
}
