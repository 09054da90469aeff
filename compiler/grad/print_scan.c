/*
 * print_scan.c - a scan as PTL source.
 *
 *     scan t in 0..T from h[-1, n, j] = h0[n, j] {
 *       ...                           the body, in which h of a step before is
 *       h[t, n, j] = next[n, j];      read as h[t - 1, n, j]
 *       kept[t, n, j] = z[n, j];
 *     }
 *
 * The language's steps go up. A reversed scan is written so too: its trip is
 * T - 1 - t, and what it keeps is turned round behind it.
 */
#include "grad/print_ptl.h"

typedef struct scan_text {
    printer *p;
    printer body;
    const ir_node *node;
    const ir_scan *scan;
    const char *step;  /* the index of the scan */
    const char **hold; /* by carry: the tensor of all its steps */
} scan_text;

static void take(printer *p, const char *word, const ir_node *n)
{
    map_put(p->taken, word, (void *)(uintptr_t)n);
}

static bool has_scan(const ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.data[i]->kind == IR_SCAN)
            return true;
    return false;
}

static void name_axes(printer *p, const ir_node *n)
{
    static const char *const names[] = {"i", "j", "k", "l", "m", "n", "p", "q"};
    for (int d = 0; d < n->type.rank; d++)
        print_name_var(p, d,
                       n->kind == IR_COMP ? n->comp.vars[d].name : names[d]);
}

/* The first `rank` indices as subscripts, behind `lead` if there is one. */
static void print_axes(printer *p, const char *lead, int rank)
{
    if (!lead && rank == 0)
        return;
    str_printf(p->out, "[%s", lead ? lead : "");
    for (int d = 0; d < rank; d++)
        str_printf(p->out, "%s%s", d || lead ? ", " : "", p->vars[d]);
    str_addc(p->out, ']');
}

/* ---------- names ---------- */

static void name_inputs(scan_text *s)
{
    const ir_scan *scan = s->scan;
    for (int i = 0; i < scan->bind_count; i++)
        s->body.names[scan->bind_inner[i]->id] =
            s->p->names[scan->bind_outer[i]->id];
    for (int k = 0; k < scan->carry_count; k++) {
        const ir_node *input = scan->carries[k].input;
        s->hold[k] = print_word(s->p, scan->carries[k].next->name);
        take(s->p, s->hold[k], input);
        s->body.names[input->id] = s->hold[k];
        s->body.leads[input->id] =
            arena_printf(s->p->scratch, "%s - 1", s->step);
    }
    if (scan->counter)
        s->body.names[scan->counter->id] =
            scan->reversed
                ? arena_printf(s->p->scratch, "(%lld - %s)",
                               (long long)scan->trips - 1, s->step)
                : s->step;
}

/* A result that comes after another of the same index is a copy of it. */
static const char *kept_before(const scan_text *s, const ir_node *out)
{
    for (int i = 0; i < out->id; i++) {
        const ir_node *n = s->p->g->nodes.data[i];
        if (n->kind == IR_SCAN_OUT && n->of == s->node &&
            n->out_index == out->out_index)
            return s->p->kept[i];
    }
    return NULL;
}

static void name_results(scan_text *s)
{
    for (int i = 0; i < s->p->g->nodes.count; i++) {
        const ir_node *n = s->p->g->nodes.data[i];
        const char *name = s->p->names[i];
        if (n->kind != IR_SCAN_OUT || n->of != s->node)
            continue;
        if (n->out_index < s->scan->carry_count)
            s->p->kept[i] = s->hold[n->out_index];
        else if (!(s->p->kept[i] = kept_before(s, n)) && s->scan->reversed)
            s->p->kept[i] = print_word(
                s->p, arena_printf(s->p->scratch, "%s_back", name));
        else if (!s->p->kept[i])
            s->p->kept[i] = name;
        take(s->p, s->p->kept[i], n);
    }
}

/* ---------- statements ---------- */

static void print_head(scan_text *s)
{
    printer *p = s->p;
    str_printf(p->out, "scan %s in 0..%lld from ", s->step,
               (long long)s->scan->trips);
    for (int k = 0; k < s->scan->carry_count; k++) {
        const ir_node *init = s->scan->carries[k].init;
        name_axes(p, init);
        str_printf(p->out, "%s%s", k ? ", " : "", s->hold[k]);
        print_axes(p, "-1", init->type.rank);
        str_printf(p->out, " = %s", p->names[init->id]);
        print_axes(p, NULL, init->type.rank);
    }
    if (s->scan->carry_count == 0) /* the language asks for one */
        str_printf(p->out, "%s[-1] = 0", s->hold[0]);
    str_add(p->out, " {\n");
}

/* name[t, ..] = node[..]; within the body. */
static void print_kept(scan_text *s, const char *name, const ir_node *n)
{
    printer *p = &s->body;
    name_axes(p, n);
    str_printf(p->out, "%s%s", p->indent, name);
    print_axes(p, s->step, n->type.rank);
    str_printf(p->out, " = %s", p->names[n->id]);
    print_axes(p, p->leads[n->id], n->type.rank);
    str_add(p->out, ";\n");
}

static void print_results(scan_text *s)
{
    const ir_scan *scan = s->scan;
    for (int k = 0; k < scan->carry_count; k++)
        print_kept(s, s->hold[k], scan->carries[k].next);
    if (scan->carry_count == 0)
        str_printf(s->p->out, "%s%s[%s] = 0;\n", s->body.indent, s->hold[0],
                   s->step);
    for (int i = 0; i < s->p->g->nodes.count; i++) {
        const ir_node *n = s->p->g->nodes.data[i];
        if (n->kind == IR_SCAN_OUT && n->of == s->node &&
            n->out_index >= scan->carry_count && !kept_before(s, n))
            print_kept(s, s->p->kept[i],
                       scan->stacked[n->out_index - scan->carry_count]);
    }
}

static void print_body(scan_text *s)
{
    for (int i = 0; i < s->body.g->nodes.count; i++)
        s->body.wanted[i] = true;
    /* What is carried or kept is named again below. */
    for (int k = 0; k < s->scan->carry_count; k++)
        s->body.uses[s->scan->carries[k].next->id] += 2;
    for (int k = 0; k < s->scan->stack_count; k++)
        s->body.uses[s->scan->stacked[k]->id] += 2;
    print_nodes(&s->body);
}

void print_scan(printer *p, const ir_node *n)
{
    scan_text s = {.p = p, .node = n, .scan = n->scan};
    if (has_scan(n->scan->body)) {
        str_printf(p->out, "// %s: a scan of %lld steps with a scan in each\n",
                   p->names[n->id], (long long)n->scan->trips);
        return;
    }
    s.body = (printer){.scratch = p->scratch, .out = p->out,
                       .taken = p->taken, .indent = "  "};
    s.hold = ARENA_ARRAY(p->scratch, const char *, n->scan->carry_count + 1);
    s.hold[0] = p->names[n->id];
    print_open(&s.body, n->scan->body);
    s.step = print_word(p, n->scan->counter ? n->scan->counter->name : "t");
    take(p, s.step, n);
    name_inputs(&s);
    name_results(&s);
    print_take_names(&s.body);
    print_head(&s);
    print_body(&s);
    print_results(&s);
    str_add(p->out, "}\n");
}

void print_scan_out(printer *p, const ir_node *n)
{
    const ir_scan *scan = n->of->scan;
    const char *kept = p->kept[n->id], *name = p->names[n->id];
    bool last = n->out_index < scan->carry_count;
    if (!kept) {
        str_printf(p->out, "// %s: a result of %s\n", name,
                   p->names[n->of->id]);
        return;
    }
    if (kept == name)
        return;
    name_axes(p, n);
    str_add(p->out, name);
    print_axes(p, NULL, n->type.rank);
    str_add(p->out, ": ");
    print_type(p, &n->type);
    if (last && scan->trips == 0)
        kept = p->names[scan->carries[n->out_index].init->id];
    str_printf(p->out, " = %s", kept);
    if (last && scan->trips > 0) {
        print_axes(p,
                   arena_printf(p->scratch, "%lld", (long long)scan->trips - 1),
                   n->type.rank);
    } else {
        if (!last && scan->reversed)
            p->vars[0] = arena_printf(p->scratch, "%lld - %s",
                                      (long long)scan->trips - 1, p->vars[0]);
        print_axes(p, NULL, n->type.rank);
    }
    str_add(p->out, ";\n");
}
