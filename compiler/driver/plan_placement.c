/*
 * plan_placement.c - the plan's second half: which process owns what, what is
 * sent together, and how much of it in a step.
 */
#include "base/plant.h"
#include "dist/placement.h"
#include "dist/wire.h"
#include "lang/slices.h"
#include "plan_priv.h"

typedef struct placing {
    const typed_program *program;
    const typed_cluster *c;
    const typed_param **params; /* those that are trained */
    place_variable *variables;
    int count;
    int owners;        /* ps, or workers of `allreduce` */
    const char *owner; /* what they are called */
    place_plan *plan;
    ptl_str *out;
} placing;

static void list_variables(placing *x, ptl_arena *arena)
{
    int all = x->program->params.count;
    x->params = ARENA_ARRAY(arena, const typed_param *, all + 1);
    x->variables = ARENA_ARRAY(arena, place_variable, all + 1);
    for (int i = 0; i < all; i++) {
        const typed_param *p = &x->program->params.data[i];
        if (p->frozen)
            continue;
        x->params[x->count] = p;
        x->variables[x->count++] =
            (place_variable){.elements = ty_element_count(p->tensor),
                             .dtype = PTL_F32,
                             .whole = !typed_may_be_cut(x->program, p)};
    }
}

/* ---------- parameters ---------- */

static void print_piece_name(const placing *x, const place_piece *p)
{
    str_add(x->out, x->params[p->variable]->tensor->name);
    if (p->count < x->variables[p->variable].elements)
        str_printf(x->out, "[%lld..%lld]", (long long)p->first,
                   (long long)(p->first + p->count));
}

static int64_t piece_bytes(const placing *x, const place_piece *p)
{
    return p->count * dtype_size(x->variables[p->variable].dtype);
}

/* Would it have been cut if it might be? */
static bool stays_whole(const placing *x, const place_piece *p)
{
    return x->variables[p->variable].whole && p->count > PLACE_BLOCK &&
           piece_bytes(x, p) > x->c->slice;
}

static void print_piece(const placing *x, const place_piece *p,
                        const int *cached)
{
    int towers = (int)x->c->towers.count;
    str_add(x->out, "  ");
    print_piece_name(x, p);
    str_printf(x->out, ": %lld B on %s %d", (long long)piece_bytes(x, p),
               x->owner, p->owner);
    if (stays_whole(x, p))
        str_add(x->out, ", not cut: its update needs all of it");
    if (cached && cached[p->variable] == PLACE_CPU)
        str_add(x->out, ", cached on the CPU");
    else if (cached)
        str_printf(x->out, ", cached on device %d", cached[p->variable]);
    if (towers > 1)
        str_printf(x->out, ", towers added up on %d",
                   place_tower(p->variable, x->count, towers));
    str_addc(x->out, '\n');
}

static void print_pieces(const placing *x, ptl_arena *arena)
{
    int *cached = NULL;
    if (x->c->placement == CLUSTER_PARAMETER_SERVER) {
        bool device = x->c->caching == CLUSTER_CACHE_DEVICE ||
                      ptl_is_planted(PTL_PLANT_CACHE_POOL);
        cached = ARENA_ARRAY(arena, int, x->count + 1);
        place_caches(x->variables, x->count,
                     device ? (int)x->c->towers.count : 0, cached);
    }
    str_printf(x->out, "parameters, %s:\n", x->c->text[CLUSTER_KEY_balance]);
    for (int i = 0; i < x->plan->piece_count; i++)
        print_piece(x, &x->plan->pieces[i], cached);
}

static void print_owners(const placing *x)
{
    str_add(x->out, "owners:\n");
    for (int i = 0; i < x->owners; i++)
        str_printf(x->out, "  %s %d: %lld B\n", x->owner, i,
                   (long long)x->plan->owner_bytes[i]);
    str_printf(x->out, "  the fullest has %.3f of the mean\n",
               place_imbalance(x->plan, x->owners));
}

/* ---------- buckets ---------- */

static void print_buckets(const placing *x)
{
    str_add(x->out, "buckets, in the order they are complete:\n");
    for (int i = 0; i < x->plan->bucket_count; i++) {
        const place_bucket *b = &x->plan->buckets[i];
        str_printf(x->out, "  %d: %lld B on %s %d: ", i, (long long)b->bytes,
                   x->owner, b->owner);
        for (int k = 0; k < b->pieces.count; k++) {
            str_add(x->out, k ? ", " : "");
            print_piece_name(x, &x->plan->pieces[b->pieces.data[k]]);
        }
        str_addc(x->out, '\n');
    }
}

/* ---------- traffic ---------- */

static void print_traffic(const placing *x, const char *who, place_traffic t)
{
    str_printf(x->out,
               "  %s: out %lld messages, %lld B; in %lld messages, %lld B\n",
               who, (long long)t.messages_out, (long long)t.bytes_out,
               (long long)t.messages_in, (long long)t.bytes_in);
}

/* The original's: one after each parameter and one behind them all; one in all
 * where the values lie with the servers. */
static int barriers_of(const placing *x)
{
    if (!x->c->strict || x->c->worker.most == 1)
        return 0;
    return x->c->placement == CLUSTER_PARAMETER_SERVER ? 1 : x->count + 1;
}

/* `compress`: gradients go as bf16, where there is somebody to add them to. */
static int64_t pushed(const placing *x, int64_t bytes)
{
    bool bf16 = x->c->compress == CLUSTER_COMPRESS_BF16;
    return bf16 && x->c->worker.most > 1 ? bytes / 2 : bytes;
}

/* `slots = worker`, but for `allreduce`. */
static bool workers_update(const typed_cluster *c)
{
    return c->slots == CLUSTER_SLOTS_WORKER &&
           c->placement != CLUSTER_ALLREDUCE;
}

/* Behind the sum of a bucket lies its weight. */
static void add_weights(const placing *x)
{
    for (int i = 0; i < x->plan->bucket_count; i++) {
        place_bucket *b = &x->plan->buckets[i];
        b->bytes += dtype_size(b->dtype);
    }
}

static void print_steps(const placing *x)
{
    const typed_cluster *c = x->c;
    int barriers = barriers_of(x);
    if (workers_update(c))
        add_weights(x);
    if (c->sync_every > 1)
        str_printf(x->out, "every %lld steps are sent:\n",
                   (long long)c->sync_every);
    else
        str_add(x->out, "each step sends:\n");
    place_traffic t = place_worker_traffic(x->plan, WIRE_CHUNK_BYTES, barriers);
    t.bytes_out = pushed(x, t.bytes_out);
    print_traffic(x, "each worker", t);
    for (int i = 0; i < x->owners; i++) {
        char who[32];
        t = place_ps_traffic(x->plan, i, x->owners, c->worker.most,
                             WIRE_CHUNK_BYTES, barriers);
        t.bytes_in = pushed(x, t.bytes_in);
        print_traffic(x, wire_node_name(wire_node(WIRE_PS, i), who), t);
    }
}

/* ---------- totals ---------- */

static int64_t blocks_of(const placing *x, int owner)
{
    int64_t count = 0;
    for (int i = 0; i < x->plan->piece_count; i++) {
        const place_piece *p = &x->plan->pieces[i];
        if (p->owner == owner)
            count += (p->count + PLACE_BLOCK - 1) / PLACE_BLOCK;
    }
    return count;
}

static void print_round(const placing *x, int round)
{
    const typed_program *p = x->program;
    int totals = 0;
    for (int i = 0; i < p->totals.count; i++)
        totals += p->totals.data[i].round == round;
    str_printf(x->out, "  round %d, %d of them:", round + 1, totals);
    for (int i = 0; i < x->owners; i++)
        str_printf(x->out, "%s %s %d sends %lld B", i ? "," : "", x->owner, i,
                   (long long)(totals * blocks_of(x, i) *
                               dtype_size(x->variables[0].dtype)));
    str_printf(x->out, "; each gets %lld B\n",
               (long long)(totals * dtype_size(x->variables[0].dtype)));
}

/* What across_params() costs. */
static void print_totals(const placing *x)
{
    int rounds = typed_round_count(x->program);
    if (rounds == 0 || x->count == 0 || workers_update(x->c))
        return;
    str_add(x->out, "an update waits for sums over the blocks of all "
                    "parameters, added up by the coordinator:\n");
    for (int round = 0; round < rounds; round++)
        print_round(x, round);
}

/* A worker sends each other what it owns twice: their gradients come to it,
 * their values go from it. */
static void print_allreduce(const placing *x)
{
    int64_t all = 0, n = x->owners;
    for (int i = 0; i < n; i++)
        all += x->plan->owner_bytes[i];
    str_add(x->out, "each step sends:\n");
    for (int i = 0; i < n; i++) {
        int64_t own = x->plan->owner_bytes[i];
        int64_t bytes = all - own + (n - 1) * own;
        str_printf(x->out, "  worker %d: out %lld B; in %lld B\n", i,
                   (long long)bytes, (long long)bytes);
    }
}

void print_placement(driver *d, const typed_program *p, ptl_str *out)
{
    const typed_cluster *c = &p->cluster;
    placing x = {.program = p, .c = c, .out = out};
    bool around = c->placement == CLUSTER_ALLREDUCE;
    x.owners = (int)(around ? c->worker.most : c->ps.most);
    x.owner = around ? "worker" : "ps";
    if (x.owners == 0 || (around && x.owners == 1)) {
        str_add(out, "placement: one worker, nothing is sent\n");
        return;
    }
    list_variables(&x, d->arena);
    place_options o = {.owners = x.owners,
                       .balance = c->balance == CLUSTER_ROUND_ROBIN
                                      ? PLACE_ROUND_ROBIN
                                      : PLACE_GREEDY_BYTES,
                       .slice = c->slice,
                       .bucket = c->bucket};
    x.plan = place_make(d->arena, x.variables, x.count, &o);
    print_pieces(&x, d->arena);
    print_owners(&x);
    print_buckets(&x);
    if (around)
        print_allreduce(&x);
    else
        print_steps(&x);
    print_totals(&x);
}
