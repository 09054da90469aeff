/*
 * typed_print.c - the typed program as text: `emit typed`.
 */
#include "lang/typed.h"
#include <math.h>

static void print_number(const ty_expr *e, ptl_str *out)
{
    if (e->type == TY_BOOL)
        str_add(out, e->number != 0 ? "true" : "false");
    else if (e->type == TY_INT)
        str_printf(out, "%lld", (long long)e->number);
    else if (e->number == floor(e->number) && fabs(e->number) < 1e15)
        str_printf(out, "%.1f", e->number);
    else
        str_printf(out, "%.17g", e->number);
}

static void print_subs(const ty_sub *subs, int count, ptl_str *out)
{
    static const char *const modes[] = {"", "clamp(", "wrap(", "reflect("};
    str_addc(out, '[');
    for (int i = 0; i < count; i++) {
        str_printf(out, "%s%s", i ? ", " : "", modes[subs[i].mode]);
        typed_print_expr(subs[i].index, out);
        if (subs[i].mode != TY_PLAIN)
            str_addc(out, ')');
    }
    str_addc(out, ']');
}

static void print_read(const ty_expr *e, ptl_str *out)
{
    if (e->kind == TY_INSIDE)
        str_add(out, "inside(");
    str_add(out, e->tensor->name);
    if (e->count || e->outside) {
        print_subs(e->subs, e->count, out);
        if (e->outside) {
            out->data[--out->length] = '\0';
            str_add(out, " else ");
            typed_print_expr(e->outside, out);
            str_addc(out, ']');
        }
    }
    if (e->kind == TY_INSIDE)
        str_addc(out, ')');
}

static void print_op(const ty_expr *e, ptl_str *out)
{
    const char *text = ty_op_text(e->op);
    if (e->op == TY_SELECT_OP) {
        str_addc(out, '(');
        typed_print_expr(e->args[0], out);
        str_add(out, " ? ");
        typed_print_expr(e->args[1], out);
        str_add(out, " : ");
        typed_print_expr(e->args[2], out);
        str_addc(out, ')');
    } else if (text[0] >= 'a' && text[0] <= 'z') {
        str_printf(out, "%s(", text);
        for (int i = 0; i < e->count; i++) {
            str_add(out, i ? ", " : "");
            typed_print_expr(e->args[i], out);
        }
        str_addc(out, ')');
    } else if (e->count == 1) {
        str_printf(out, "%s", text);
        typed_print_expr(e->args[0], out);
    } else {
        str_addc(out, '(');
        typed_print_expr(e->args[0], out);
        str_printf(out, " %s ", text);
        typed_print_expr(e->args[1], out);
        str_addc(out, ')');
    }
}

static void print_reduce(const ty_expr *e, ptl_str *out)
{
    str_printf(out, "(%s(", ast_reduction_text(e->reduction));
    for (int i = 0; i < e->count; i++)
        str_printf(out, "%s%s in %lld..%lld", i ? ", " : "", e->vars[i]->name,
                   (long long)e->vars[i]->lo, (long long)e->vars[i]->hi);
    if (e->filter) {
        str_add(out, " if ");
        typed_print_expr(e->filter, out);
    }
    str_add(out, ") ");
    typed_print_expr(e->body, out);
    str_addc(out, ')');
}

void typed_print_expr(const ty_expr *e, ptl_str *out)
{
    switch (e->kind) {
    case TY_CONST:
        print_number(e, out);
        break;
    case TY_VAR:
        str_add(out, e->var->name);
        break;
    case TY_READ:
    case TY_INSIDE:
        print_read(e, out);
        break;
    case TY_OP:
        print_op(e, out);
        break;
    case TY_RANDOM:
        str_printf(out, "%s(\"%s\")",
                   e->random == TY_UNIFORM ? "uniform" : "normal", e->site);
        break;
    case TY_REDUCE:
        print_reduce(e, out);
        break;
    }
}

static void print_type(const ty_tensor *t, ptl_str *out)
{
    if (t->kind == TY_INT && t->bound)
        str_printf(out, "idx(%lld)", (long long)t->bound);
    else
        str_add(out, ty_kind_text(t->kind));
    for (int i = 0; i < t->rank; i++)
        str_printf(out, "%s%lld", i ? ", " : "[", (long long)t->dims[i]);
    if (t->rank)
        str_addc(out, ']');
}

static void print_left(const char *name, ty_var *const *vars, int rank,
                       ptl_str *out)
{
    str_add(out, name);
    for (int i = 0; i < rank; i++)
        str_printf(out, "%s%s", i ? ", " : "[", vars[i]->name);
    if (rank)
        str_addc(out, ']');
}

static void print_pieces(const ty_tensor *t, ptl_str *out)
{
    for (int i = 0; i < t->piece_count; i++) {
        const ty_piece *p = &t->pieces[i];
        str_printf(out, "    %s", t->name);
        print_subs(p->subs, t->rank, out);
        str_add(out, " += ");
        typed_print_expr(p->body, out);
        str_add(out, "   for");
        for (int j = 0; j < p->var_count; j++)
            str_printf(out, "%s %s in %lld..%lld", j ? "," : "",
                       p->vars[j]->name, (long long)p->vars[j]->lo,
                       (long long)p->vars[j]->hi);
        str_addc(out, '\n');
    }
}

static void print_literal(const ty_tensor *t, ptl_str *out)
{
    int64_t n = ty_element_count(t);
    str_add(out, "    = [");
    for (int64_t i = 0; i < n && i < 16; i++)
        str_printf(out, "%s%g", i ? ", " : "", t->values[i]);
    str_add(out, n > 16 ? ", ...]\n" : "]\n");
}

/* What is carried, and from what: `from h.before`. */
static void print_carry(const ty_tensor *t, ptl_str *out)
{
    const ty_carry *c = ty_carry_of(t);
    if (!c)
        return;
    str_printf(out, "    scan %s in 0..%lld from", t->scan->var->name,
               (long long)t->scan->var->hi);
    for (int i = 0; i < c->count; i++)
        str_printf(out, "%s %s", i ? "," : "", c->before[i]->name);
    str_addc(out, '\n');
}

static void print_tensor(const ty_tensor *t, ptl_str *out)
{
    static const char *const roles[] = {"value", "literal", "param",
                                        "state", "slot",    "grad",
                                        "raw",   "scalar",  "input",
                                        "adjoint"};
    str_printf(out, "%s %s: ", roles[t->role], t->name);
    print_type(t, out);
    str_addc(out, '\n');
    if (t->role == TY_LITERAL)
        print_literal(t, out);
    if (t->role != TY_VALUE)
        return;
    print_carry(t, out);
    if (!t->body) {
        print_pieces(t, out);
        return;
    }
    str_add(out, "    ");
    print_left(t->name, t->vars, t->rank, out);
    str_add(out, " = ");
    typed_print_expr(t->body, out);
    str_addc(out, '\n');
}

static void print_update(const char *name, const ty_tensor *init,
                         const ty_tensor *next, ptl_str *out)
{
    str_printf(out, "%s: init %s", name, init->name);
    if (next)
        str_printf(out, ", next %s", next->name);
    str_addc(out, '\n');
}

static void print_metric(const typed_metric *m, ptl_str *out)
{
    str_printf(out, "metric %s: %s\n", m->name, m->tensor->name);
    for (int i = 0; i < m->sum_count; i++)
        str_printf(out, "    %s += %s\n", m->sums[i].name,
                   m->sums[i].batch->name);
}

void typed_print(const typed_program *p, ptl_str *out)
{
    for (int i = 0; i < p->tensors.count; i++)
        print_tensor(p->tensors.data[i], out);
    for (int i = 0; i < p->params.count; i++) {
        const typed_param *w = &p->params.data[i];
        print_update(w->tensor->name, w->init, w->next, out);
        for (int j = 0; j < w->slot_count; j++)
            print_update(w->slots[j].tensor->name, w->slots[j].init,
                         w->slots[j].next, out);
    }
    for (int i = 0; i < p->states.count; i++)
        print_update(p->states.data[i].tensor->name, p->states.data[i].init,
                     p->states.data[i].next, out);
    if (p->loss)
        str_printf(out, "loss: %s\n", p->loss->name);
    if (p->lr)
        str_printf(out, "lr: %s\n", p->lr->name);
    for (int i = 0; i < p->metrics.count; i++)
        print_metric(&p->metrics.data[i], out);
    str_printf(out, "config: %s\n",
               p->settings.config_json ? p->settings.config_json : "{}");
}
