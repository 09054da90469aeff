/*
 * cluster_rules.c - defaults that follow from other keys, and values that
 * exclude each other.
 */
#include "cluster_priv.h"
#include <string.h>

static void follow(typed_cluster *c, cluster_key key, int *field, int word,
                   const char *text)
{
    if (c->said[key])
        return;
    *field = word;
    c->text[key] = text;
}

/* What a placement or a way of synchronising leaves no choice about. */
static void settle_defaults(typed_cluster *c)
{
    if (c->sync == CLUSTER_ASYNC) {
        follow(c, CLUSTER_KEY_aggregate, &c->aggregate, CLUSTER_APPLY_EACH,
               "apply_each");
        if (!c->said[CLUSTER_KEY_ordered]) {
            c->ordered = false;
            c->text[CLUSTER_KEY_ordered] = "false";
        }
    }
    if (c->placement == CLUSTER_ALLREDUCE)
        follow(c, CLUSTER_KEY_slots, &c->slots, CLUSTER_SLOTS_WORKER, "worker");
    if (c->placement != CLUSTER_REPLICATED) {
        follow(c, CLUSTER_KEY_ps_loss, &c->ps_loss.first, CLUSTER_PS_ROLLBACK,
               "rollback");
        if (!c->said[CLUSTER_KEY_ps_loss])
            c->ps_loss.second = CLUSTER_PS_ROLLBACK;
    }
}

typedef struct rule_places {
    elab *e;
    const src_range *at;
    const char *const *sets;
} rule_places;

static void broken(const rule_places *p, cluster_key key, cluster_key other,
                   const char *message)
{
    elab *e = p->e;
    const typed_cluster *c = &e->out->cluster;
    if (!c->said[key]) {
        cluster_key none = key;
        key = other;
        other = none;
    }
    cluster_reading r = {.e = e, .key = key, .set = p->sets[key]};
    cluster_wrong(&r, p->at[key], "%s", message);
    if (c->said[other] && !p->sets[other])
        elab_note(e, p->at[other], "`%s` is set here",
                  cluster_rows[other].name);
}

/* No process listens where another one does. */
static bool hosts_meet(const typed_cluster *c, const char **host)
{
    for (int64_t i = 0; c->ps.hosts && i < c->ps.most; i++)
        for (int64_t k = 0; c->worker.hosts && k < c->worker.most; k++)
            if (!strcmp(c->ps.hosts[i], c->worker.hosts[k])) {
                *host = c->ps.hosts[i];
                return true;
            }
    return false;
}

void cluster_rules(elab *e, const src_range *at, const char *const *sets)
{
    typed_cluster *c = &e->out->cluster;
    rule_places p = {e, at, sets};
    const char *host;
    bool totals = e->out->totals.count > 0;
    settle_defaults(c);
#define SAID(key) (c->said[CLUSTER_KEY_##key])
#define CLUSTER_RULE(key, other, wrong, message)                               \
    if (wrong)                                                                 \
        broken(&p, CLUSTER_KEY_##key, CLUSTER_KEY_##other, message);
#include "lang/cluster_rules.def"
    if (hosts_meet(c, &host))
        broken(&p, CLUSTER_KEY_worker, CLUSTER_KEY_ps,
               arena_printf(e->arena,
                            "\"%s\" is a worker and a parameter server; each "
                            "process needs an address of its own",
                            host));
}
