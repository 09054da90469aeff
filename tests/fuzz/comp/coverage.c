/*
 * coverage.c - the coverage table.
 */
#include "coverage.h"
#include <stdlib.h>
#include <string.h>

int cell_index(const cell *c)
{
    if (c->stride < 1 || c->stride > 3 || c->dilation < 1 || c->dilation > 2 ||
        c->pack < 0 || c->pack > 3)
        return -1;
    int index = c->reduction;
    index = index * 3 + c->stride - 1;
    index = index * 2 + c->dilation - 1;
    index = index * 2 + c->gather;
    index = index * 2 + c->filter;
    index = index * 2 + c->outside;
    return index * 4 + c->pack;
}

cell cell_at(int index)
{
    cell c;
    c.pack = index % 4;
    c.outside = index / 4 % 2;
    c.filter = index / 8 % 2;
    c.gather = index / 16 % 2;
    c.dilation = index / 32 % 2 + 1;
    c.stride = index / 64 % 3 + 1;
    c.reduction = index / 192;
    return c;
}

bool cell_is_feasible(int index)
{
    cell c = cell_at(index);
    return !(c.reduction == IR_MAP && c.filter);
}

/* ---------- classifying ---------- */

typedef struct finder {
    cell *c;
    bool pair; /* a subscript with two variables was seen */
} finder;

static int size_of(int64_t coef)
{
    return coef < 0 ? (int)-coef : (int)coef;
}

static void look_at_read(ir_expr *e, void *ctx)
{
    finder *f = ctx;
    if (e->kind != IR_EXPR_READ)
        return;
    if (e->outside)
        f->c->outside = 1;
    for (int i = 0; i < e->sub_count; i++) {
        const ir_sub *s = &e->subs[i];
        if (s->gather)
            f->c->gather = 1;
        if (f->pair || s->affine.term_count < 1)
            continue;
        if (s->affine.term_count == 2) {
            f->pair = true;
            f->c->stride = size_of(s->affine.terms[0].coef);
            f->c->dilation = size_of(s->affine.terms[1].coef);
        } else if (size_of(s->affine.terms[0].coef) > f->c->stride) {
            f->c->stride = size_of(s->affine.terms[0].coef);
        }
    }
}

static bool is_pack(const char *name)
{
    return name[0] == 'p' && name[1] >= '0' && name[1] <= '9';
}

cell cell_of(const ir_node *n)
{
    const ir_comp *comp = &n->comp;
    cell c = {.reduction = (int)comp->reduce, .stride = 1, .dilation = 1,
              .filter = comp->filter != NULL};
    finder f = {.c = &c};
    if (comp->reduce == IR_SUM && strncmp(n->name, "mean", 4) == 0)
        c.reduction = CELL_MEAN;
    ir_visit_reads(comp->body, look_at_read, &f);
    for (int i = 0; i < comp->var_count; i++)
        c.pack += is_pack(comp->vars[i].name);
    return c;
}

/* Such are made by `add_loss` of generate.c, not by chance. */
static bool is_of_loss(const ir_node *comp)
{
    return strncmp(comp->name, "part", 4) == 0 ||
           strncmp(comp->name, "loss", 4) == 0;
}

void coverage_add(coverage *table, const ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        if (n->kind != IR_COMP)
            continue;
        cell c = cell_of(n);
        int index = cell_index(&c);
        if (index < 0)
            continue;
        table->counts[index]++;
        table->of_losses += is_of_loss(n);
    }
}

int coverage_neediest(const coverage *table, uint64_t salt)
{
    int best = -1;
    int start = (int)(salt % CELL_COUNT);
    for (int k = 0; k < CELL_COUNT; k++) {
        int i = (start + k) % CELL_COUNT;
        if (cell_is_feasible(i) &&
            (best < 0 || table->counts[i] < table->counts[best]))
            best = i;
    }
    return best;
}

int coverage_below(const coverage *table, int least)
{
    int below = 0;
    for (int i = 0; i < CELL_COUNT; i++)
        below += cell_is_feasible(i) && table->counts[i] < least;
    return below;
}

/* ---------- printing ---------- */

static const char *const reductions[CELL_REDUCTIONS] = {
    "map", "sum", "prod", "max", "min", "argmax", "argmin", "lse", "any",
    "all", "mean"};

static void print_row(const coverage *table, int first, FILE *out)
{
    cell c = cell_at(first);
    fprintf(out, "%-7s %d %d", reductions[c.reduction], c.stride, c.dilation);
    for (int i = first; i < first + 32; i++) {
        if (i % 4 == 0)
            fputs(" |", out);
        if (cell_is_feasible(i))
            fprintf(out, " %4d", table->counts[i]);
        else
            fputs("    .", out);
    }
    fputc('\n', out);
}

void coverage_print(const coverage *table, FILE *out)
{
    fprintf(out, "columns: g gather, f filter, e else; within each, index "
                 "group of rank 0 1 2 3\n%-7s s d", "");
    for (int i = 0; i < 8; i++)
        fprintf(out, " | %c%c%c%17s", i & 4 ? 'g' : '-', i & 2 ? 'f' : '-',
                i & 1 ? 'e' : '-', "");
    fputc('\n', out);
    for (int row = 0; row < CELL_COUNT; row += 32)
        print_row(table, row, out);
    int total = 0;
    for (int i = 0; i < CELL_COUNT; i++)
        total += table->counts[i];
    fprintf(out,
            "%d comprehensions and %d that make losses; cells below 20: %d\n",
            total - table->of_losses, table->of_losses,
            coverage_below(table, 20));
}
