/*
 * expects.c - see expects.h.
 */
#include "expects.h"
#include "judge/judge.h"
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Which output says this of expect `i`; -1: none. */
static int output_index(const ir_graph *g, const char *kind, int i)
{
    char name[40];
    snprintf(name, sizeof name, "%s%d", kind, i);
    for (int k = 0; k < g->outputs.count; k++)
        if (!strcmp(g->outputs.data[k].name, name))
            return k;
    return -1;
}

static const ir_node *output(const ir_graph *g, const char *kind, int i)
{
    return g->outputs.data[output_index(g, kind, i)].node;
}

/* Names the element that misses its tolerance most. */
static void explain_close(const ir_graph *g, const ir_values *v,
                          const typed_expect *x, int i, ptl_str *s)
{
    const ir_node *a = output(g, "got", i), *b = output(g, "want", i);
    int64_t na = ir_element_count(&a->type), nb = ir_element_count(&b->type);
    int64_t n = na > nb ? na : nb, worst = 0;
    double most = -1;
    for (int64_t k = 0; k < n; k++) {
        double got = creal(v->data[a->id][na == 1 ? 0 : k]);
        double want = creal(v->data[b->id][nb == 1 ? 0 : k]);
        double miss = fabs(got - want) / (1 + fabs(want));
        if (got == want)
            continue;
        if (isnan(miss))
            miss = INFINITY;
        if (miss > most) {
            most = miss;
            worst = k;
        }
    }
    str_printf(s, ": got %.9g, wanted %.9g",
               creal(v->data[a->id][na == 1 ? 0 : worst]),
               creal(v->data[b->id][nb == 1 ? 0 : worst]));
    judge_place(na > nb ? &a->type : &b->type, worst, s);
    str_printf(s, ", beyond %g * (1 + |wanted|)", x->tolerance);
}

int expects_check(driver *d, const typed_program *p, const ir_graph *g,
                  const ir_values *v)
{
    int failed = 0;
    for (int i = 0; i < p->expects.count; i++) {
        const typed_expect *x = &p->expects.data[i];
        const ir_node *cond = output(g, "expect", i);
        ptl_str why = {0};
        if (creal(v->data[cond->id][0]) != 0)
            continue;
        if (x->compared)
            str_printf(&why, ": the left side is %.9g, the right side %.9g",
                       creal(v->data[output(g, "got", i)->id][0]),
                       creal(v->data[output(g, "want", i)->id][0]));
        else if (x->a)
            explain_close(g, v, x, i, &why);
        diag_error(d->diags, DIAG_EXPECT_FAILED, x->at,
                   "this does not hold%s%s", x->rounds, str_text(&why));
        str_fini(&why);
        failed++;
    }
    return failed;
}

compiled_claim *expects_claims(const typed_program *p, const ir_graph *g)
{
    static const struct {
        const char *kind, *what;
    } kinds[] = {
        {"expect", NULL}, {"got", "the left side"}, {"want", "the right side"}};
    compiled_claim *claims =
        ARENA_ARRAY(g->arena, compiled_claim, g->outputs.count + 1);
    for (int i = 0; i < p->expects.count; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            int at = output_index(g, kinds[k].kind, i);
            if (at >= 0)
                claims[at] =
                    (compiled_claim){p->expects.data[i].at, kinds[k].what};
        }
    return claims;
}
