/*
 * plan.c - see plan.h. Who owns what is in plan_placement.c.
 */
#include "cluster_role.h"
#include "lower/coupling.h"
#include "plan_priv.h"
#include "runtime/order.h"

/* ---------- the block ---------- */

static bool is_event(int key)
{
    return key == CLUSTER_KEY_worker_loss || key == CLUSTER_KEY_ps_loss;
}

enum { COMMENT = 46 }; /* column; no default is longer */

static void print_block(const typed_cluster *c, ptl_str *out)
{
    str_add(out, "cluster {\n");
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++) {
        size_t begin = out->length;
        str_printf(out, "  %s%s = %s;", is_event(i) ? "on " : "",
                   cluster_key_name((cluster_key)i), c->text[i]);
        if (!c->said[i])
            str_printf(out, "%*s// default",
                       (int)(begin + COMMENT - out->length), "");
        str_addc(out, '\n');
    }
    str_add(out, "}\n");
}

/* ---------- rows ---------- */

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_cut(int64_t rows, int64_t shards, ptl_str *out)
{
    int64_t most = order_cut(rows, shards, 0).rows;
    int64_t least = order_cut(rows, shards, shards - 1).rows;
    str_printf(out, "%lld shard%s of ", (long long)shards, plural(shards));
    if (most != least)
        str_printf(out, "%lld or ", (long long)least);
    str_printf(out, "%lld row%s", (long long)most, plural(most));
}

static void print_processes(const typed_program *p, ptl_str *out)
{
    const typed_cluster *c = &p->cluster;
    int64_t least = c->worker.least, most = c->worker.most;
    str_printf(out, "processes: %lld ps, ", (long long)c->ps.most);
    if (least != most)
        str_printf(out, "%lld to ", (long long)least);
    str_printf(out, "%lld worker%s of %lld tower%s\n", (long long)most,
               plural(most), (long long)c->towers.count,
               plural(c->towers.count));
    str_printf(out, "batch of %lld: ", (long long)p->settings.batch);
    print_cut(p->settings.batch, most * c->towers.count, out);
    if (least != most) {
        str_add(out, " down to ");
        print_cut(p->settings.batch, least * c->towers.count, out);
    }
    str_addc(out, '\n');
}

/* Where somebody started all processes: which one this is. */
static void print_this_process(driver *d, const typed_program *p, ptl_str *out)
{
    launch_role role;
    ptl_error err;
    if (driver_role(d, &p->cluster, &role, &err) != PTL_OK)
        str_printf(out, "this process: none, since %s\n", err.text);
    else if (role.source != ROLE_FROM_local)
        str_printf(out, "this process: %s; coordinator %s, listens at %s\n",
                   role.why, role.coordinator, role.bind);
}

/* ---------- states ---------- */

static void print_states(const typed_program *p, ptl_str *out)
{
    str_printf(out, "states:%s\n", p->states.count ? "" : " none");
    for (int i = 0; i < p->states.count; i++) {
        const typed_state *s = &p->states.data[i];
        if (s->sync)
            str_printf(out, "  %s: sync %s\n", s->tensor->name, s->sync);
        else
            str_printf(out, "  %s: no word, so state_sync = %s\n",
                       s->tensor->name,
                       p->cluster.text[CLUSTER_KEY_state_sync]);
    }
}

/* ---------- rows that are coupled ---------- */

/* The text of a place, its line breaks and indentation as one blank. */
static void print_source(src_range at, ptl_str *out)
{
    bool blank = false;
    for (uint32_t i = at.begin; i < at.end && i < at.begin + 200; i++) {
        char c = at.file->text[i];
        bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (space && !blank)
            str_addc(out, ' ');
        else if (!space)
            str_addc(out, c);
        blank = space;
    }
}

static bool same_place(const coupling_place *a, const coupling_place *b)
{
    return a->at.file == b->at.file && a->at.begin == b->at.begin &&
           a->at.end == b->at.end;
}

static void print_place(const coupling *c, int index, ptl_str *out)
{
    const coupling_place *p = &c->places.data[index];
    int line, column, shown = 0;
    for (int i = 0; i < index; i++)
        if (same_place(&c->places.data[i], p))
            return;
    src_position(p->at, &line, &column);
    str_printf(out, "  %s:%d:%d: `", p->at.file->name, line, column);
    print_source(p->at, out);
    str_printf(out, "` %s, in ", p->why);
    for (int i = index; i < c->places.count; i++)
        if (same_place(&c->places.data[i], p))
            str_printf(out, "%s%s", shown++ ? ", " : "",
                       c->places.data[i].where->name);
    str_addc(out, '\n');
}

static void print_coupling(driver *d, const typed_program *p, ptl_str *out)
{
    coupling c = coupling_find(d->arena, p);
    str_add(out, "loss: the gradients' sum is divided by ");
    if (c.weight) {
        str_add(out, "the sum over all shards of `");
        print_source(c.weight->at, out);
        str_add(out, "`");
        if (c.weight->body->kind == TY_CONST)
            str_add(out, ", counted");
        str_addc(out, '\n');
    } else {
        str_add(out, "the rows\n");
    }
    str_printf(out, "rows are coupled:%s\n",
               c.places.count ? " each shard sees its own alone" : " nowhere");
    for (int i = 0; i < c.places.count; i++)
        print_place(&c, i, out);
}

void print_plan(driver *d, const typed_program *p, ptl_str *out)
{
    print_block(&p->cluster, out);
    print_processes(p, out);
    print_this_process(d, p, out);
    print_placement(d, p, out);
    print_states(p, out);
    print_coupling(d, p, out);
}
