/*
 * report.c - what a schedule is expected to cost, how its sums of products
 * are carried out: on the contraction template, or why not; and what fills the
 * arena when most of it is in use.
 *
 * Expected times are those of one core of a nominal machine: what is printed
 * is the same everywhere and can be compared from one day to the next. Where a
 * core is faster or slower, all steps are so by about one factor.
 */
#include "sched/internal.h"

/* Cycles and bytes in a nanosecond; units that begin one fma in each cycle. */
enum { NOMINAL_GHZ = 4, NOMINAL_GB_S = 32, NOMINAL_FMA_UNITS = 2 };

double sched_expected_us(const sched_schedule *s, const sched_step *step)
{
    int lanes = s->options.target.lanes_f32 / (s->options.f64 ? 2 : 1);
    double flops_per_ns = 2.0 * lanes * NOMINAL_FMA_UNITS * NOMINAL_GHZ;
    double by_flops = (double)step->flops / flops_per_ns;
    double by_bytes = (double)step->bytes / NOMINAL_GB_S;
    return 1e-3 * (by_flops > by_bytes ? by_flops : by_bytes);
}

typedef struct totals {
    const sched_schedule *s;
    int64_t flops, bytes;
    double us;
} totals;

static bool add_step(int index, void *ctx)
{
    totals *t = ctx;
    const sched_step *step = t->s->steps.data[index];
    t->flops += step->flops;
    t->bytes += step->bytes;
    t->us += sched_expected_us(t->s, step);
    return true;
}

void sched_print_totals(const sched_schedule *s, ptl_str *out)
{
    totals t = {.s = s};
    sched_walk_steps(s, INT64_MAX, add_step, &t);
    str_printf(out, "in all %lld flops, %lld bytes, expected %.1f us\n",
               (long long)t.flops, (long long)t.bytes, t.us);
}

/* Has each factor an index of the result to itself? Else every product is used
 * once, and the sum is a matter of memory. */
static bool multiplies(const ir_node *n)
{
    const ir_comp *comp = &n->comp;
    uint32_t left = sched_vars_of(comp->body->args[0]);
    uint32_t right = sched_vars_of(comp->body->args[1]);
    bool in_left = false, in_right = false;
    for (int v = 0; v < comp->out_count; v++) {
        if (comp->vars[v].hi <= 1)
            continue;
        in_left = in_left || (left & ~right) >> v & 1;
        in_right = in_right || (right & ~left) >> v & 1;
    }
    return in_left && in_right;
}

/* NULL: not about a sum of products. */
static const char *how_summed(const sched_schedule *s, const sched_step *step,
                              ir_node *n, const char **note)
{
    *note = NULL;
    switch (step->kind) {
    case SCHED_STEP_TILE:
        return "packed";
    case SCHED_STEP_DIRECT:
        return "in place";
    case SCHED_STEP_PRODUCT:
        return "fetched";
    case SCHED_STEP_REDUCE:
    case SCHED_STEP_ROWS:
        sched_classify(n, &s->options, note);
        if (*note && !multiplies(n))
            return "element by element";
        return *note ? "off the template" : NULL;
    default:
        return NULL;
    }
}

void sched_print_contractions(const sched_schedule *s, ptl_str *out)
{
    str_add(out, "sums of products\n");
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        for (int k = 0; k < step->node_count; k++) {
            ir_node *n = step->nodes[k];
            const char *note;
            const char *how = how_summed(s, step, n, &note);
            if (!how)
                continue;
            str_printf(out, "  %d %s: %s", i, n->name, how);
            if (note)
                str_printf(out, " (%s)", note);
            str_printf(out, ", %lld flops\n",
                       2 * (long long)ir_volume(&n->comp));
        }
    }
}

/* ---------- memory at its fullest ---------- */

enum { MOST_SHOWN = 12 };

/* Does it take room in the arena during step `step`? */
static bool is_there(const sched_schedule *s, int buffer, int step)
{
    const sched_buffer *b = &s->buffers.data[buffer];
    bool in_arena = b->role == PTL_ROLE_TRANSIENT || b->role == PTL_ROLE_OUTPUT;
    return in_arena && b->home == buffer && !b->in_row && b->first <= step &&
           step <= b->last;
}

static int64_t bytes_there(const sched_schedule *s, int step)
{
    int64_t bytes = 0;
    for (int i = 0; i < s->buffers.count; i++)
        if (is_there(s, i, step))
            bytes += s->buffers.data[i].size_bytes;
    return bytes;
}

static int fullest_step(const sched_schedule *s)
{
    int fullest = 0;
    int64_t most = -1;
    for (int i = 0; i < s->steps.count; i++) {
        int64_t bytes = bytes_there(s, i);
        fullest = bytes > most ? i : fullest;
        most = bytes > most ? bytes : most;
    }
    return fullest;
}

/* The next one by size, then by number; -1: none. */
static int next_largest(const sched_schedule *s, int step, int after)
{
    const sched_buffer *all = s->buffers.data;
    int64_t limit = after < 0 ? INT64_MAX : all[after].size_bytes;
    int best = -1;
    for (int i = 0; i < s->buffers.count; i++) {
        int64_t size = all[i].size_bytes;
        bool later = size < limit || (size == limit && i > after);
        if (is_there(s, i, step) && size && later &&
            (best < 0 || size > all[best].size_bytes))
            best = i;
    }
    return best;
}

void sched_print_fullest(const sched_schedule *s, ptl_str *out)
{
    if (!s->steps.count)
        return;
    int step = fullest_step(s);
    str_printf(out, "memory is fullest in step %d: %lld bytes; the largest\n",
               step, (long long)bytes_there(s, step));
    int shown = 0;
    for (int i = next_largest(s, step, -1); i >= 0 && shown < MOST_SHOWN;
         i = next_largest(s, step, i), shown++) {
        const sched_buffer *b = &s->buffers.data[i];
        str_printf(out, "  %%%d \"%s\" %lld bytes, steps %d to %d\n", i,
                   b->name, (long long)b->size_bytes, b->first, b->last);
    }
}
