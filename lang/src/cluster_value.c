/*
 * cluster_value.c - the value of one key of a cluster block.
 *
 * Words are words only where one is wanted; everywhere else a name may stand
 * for a hyper.
 */
#include "base/nearest.h"
#include "base/plant.h"
#include "cluster_priv.h"
#include <stdlib.h>
#include <string.h>

static const cluster_row *row_of(const cluster_reading *r)
{
    return &cluster_rows[r->key];
}

static void *field_of(cluster_reading *r)
{
    return (char *)r->out + row_of(r)->field;
}

/* As it was written, between backquotes. */
static const char *text_of(elab *e, const ast_expr *x)
{
    ptl_str s = {0};
    str_addc(&s, '`');
    ast_print_expr(x, &s);
    str_addc(&s, '`');
    return str_keep(&s, e->arena);
}

/* A value as it was written, and what it is. */
static const char *shown(elab *e, const ast_expr *x, const value *v)
{
    if (v->kind == V_INT && x->kind != EXPR_INT && x->kind != EXPR_UNARY)
        return arena_printf(e->arena, "%s (= %lld)", text_of(e, x),
                            (long long)v->integer);
    return text_of(e, x);
}

/* ---------- numbers ---------- */

static bool integer(cluster_reading *r, const ast_expr *x, const char *wanted,
                    int64_t low, int64_t high, int64_t *out)
{
    value *v = eval(r->e, r->scope, x);
    if (v->kind == V_ERROR)
        return false;
    if (v->kind != V_INT || v->integer < low || v->integer > high)
        return cluster_wrong(r, x->at,
                             "`%s` wants %s from %lld to %lld, not %s",
                             row_of(r)->name, wanted, (long long)low,
                             (long long)high, shown(r->e, x, v));
    *out = v->integer;
    return true;
}

typedef struct unit {
    const char *name;
    int64_t size;
} unit;

static const unit byte_units[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
static const unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {NULL, 0}};

/* `n` in the largest unit that divides it. */
static const char *amount_text(elab *e, const unit *units, int64_t n)
{
    const unit *best = units;
    for (const unit *u = units; u->name; u++)
        if (n % u->size == 0)
            best = u;
    return arena_printf(e->arena, "%lld %s", (long long)(n / best->size),
                        best->name);
}

static bool amount(cluster_reading *r, const ast_expr *x, const unit *units,
                   int64_t *out)
{
    const cluster_row *row = row_of(r);
    value *v = eval(r->e, r->scope, x);
    int64_t size = 0;
    if (v->kind == V_ERROR)
        return false;
    for (const unit *u = units; v->kind == V_QUANTITY && u->name; u++)
        if (!strcmp(u->name, v->text))
            size = u->size;
    if (!size)
        return cluster_wrong(
            r, x->at, "`%s` wants a number with a unit, %s, not %s", row->name,
            units == byte_units ? "B, KiB, MiB or GiB" : "ms, s, min or h",
            text_of(r->e, x));
    double exact = v->real * (double)size;
    if (exact < (double)row->low || exact > (double)row->high ||
        exact != (double)(int64_t)exact)
        return cluster_wrong(r, x->at, "`%s` lies between %s and %s, not at %s",
                             row->name, amount_text(r->e, units, row->low),
                             amount_text(r->e, units, row->high),
                             text_of(r->e, x));
    *out = (int64_t)exact;
    return true;
}

static bool switched(cluster_reading *r, const ast_expr *x, bool *out)
{
    value *v = eval(r->e, r->scope, x);
    if (v->kind == V_ERROR)
        return false;
    if (v->kind != V_BOOL)
        return cluster_wrong(r, x->at, "`%s` wants true or false, not %s",
                             row_of(r)->name, text_of(r->e, x));
    *out = v->integer != 0;
    return true;
}

/* ---------- hosts ---------- */

/* The port's digits, after the last colon of a name or of "[::1]:2222". */
static bool host_is_good(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (length == 0)
        return false;
    if (*text == '[')
        return length > 2 && text[length - 1] == ']' &&
               strspn(text + 1, "0123456789abcdefABCDEF:.") == length - 2;
    return strspn(text, letters) == length;
}

static bool port_is_good(const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *digits = colon ? colon + 1 : "";
    size_t count = strspn(digits, "0123456789");
    long port = count > 0 && count < 6 ? strtol(digits, NULL, 10) : 0;
    return digits[count] == '\0' && port >= 1 && port <= 65535;
}

/* Host `i` of `list`, after those before it; NULL where one was wrong. */
static bool one_host(cluster_reading *r, const ast_expr *list, int i,
                     const char **hosts)
{
    const ast_expr *x = list->items[i];
    value *v = eval(r->e, r->scope, x);
    if (v->kind == V_ERROR)
        return false;
    if (v->kind != V_STRING || !host_is_good(v->text))
        return cluster_wrong(r, x->at,
                             "`%s` lists processes as \"host:port\", not %s",
                             row_of(r)->name, text_of(r->e, x));
    if (!port_is_good(v->text))
        return cluster_wrong(r, x->at,
                             "a port lies between 1 and 65535, and this is %s",
                             text_of(r->e, x));
    for (int k = 0; k < i; k++)
        if (hosts[k] && !strcmp(hosts[k], v->text))
            return cluster_wrong(r, x->at,
                                 "`%s` has \"%s\" twice; each process needs an "
                                 "address of its own",
                                 row_of(r)->name, v->text);
    hosts[i] = v->text;
    return true;
}

static bool host_list(cluster_reading *r, const ast_expr *x, cluster_hosts *out)
{
    const cluster_row *row = row_of(r);
    const char **hosts = ARENA_ARRAY(r->e->arena, const char *, x->count + 1);
    if (x->count < row->low || x->count > row->high)
        return cluster_wrong(r, x->at, "`%s` wants from %lld to %lld processes",
                             row->name, (long long)row->low,
                             (long long)row->high);
    bool good = true;
    for (int i = 0; i < x->count; i++)
        good = one_host(r, x, i, hosts) && good;
    if (!good)
        return false;
    *out = (cluster_hosts){x->count, x->count, x->count ? hosts : NULL};
    return true;
}

static bool host_range(cluster_reading *r, const ast_expr *x,
                       cluster_hosts *out)
{
    const cluster_row *row = row_of(r);
    cluster_hosts h = {0};
    if (r->key != CLUSTER_KEY_worker)
        return cluster_wrong(r, x->at,
                             "only `worker` may be a range; `%s` wants a count "
                             "or a list of \"host:port\"",
                             row->name);
    if (!integer(r, x->a, "a count", row->low, row->high, &h.least) ||
        !integer(r, x->b, "a count", row->low, row->high, &h.most))
        return false;
    if (h.least > h.most)
        return cluster_wrong(r, x->at,
                             "at least %lld and at most %lld workers: the "
                             "smaller number comes first",
                             (long long)h.least, (long long)h.most);
    *out = h;
    return true;
}

static bool hosts(cluster_reading *r, const ast_expr *x, cluster_hosts *out)
{
    int64_t count;
    if (x->kind == EXPR_LIST)
        return host_list(r, x, out);
    if (x->kind == EXPR_RANGE)
        return host_range(r, x, out);
    if (!integer(r, x,
                 r->key == CLUSTER_KEY_worker
                     ? "a count, a range `4..8` or a list of \"host:port\","
                     : "a count or a list of \"host:port\",",
                 row_of(r)->low, row_of(r)->high, &count))
        return false;
    *out = (cluster_hosts){count, count, NULL};
    return true;
}

static bool devices(cluster_reading *r, const ast_expr *x, cluster_devices *out)
{
    const cluster_row *row = row_of(r);
    if (x->kind != EXPR_LIST) {
        *out = (cluster_devices){0};
        return integer(r, x, "a count or a list of device numbers,", row->low,
                       row->high, &out->count);
    }
    int64_t *ids = ARENA_ARRAY(r->e->arena, int64_t, x->count + 1);
    if (x->count < row->low || x->count > row->high)
        return cluster_wrong(r, x->at, "`%s` wants from %lld to %lld devices",
                             row->name, (long long)row->low,
                             (long long)row->high);
    for (int i = 0; i < x->count; i++) {
        if (!integer(r, x->items[i], "device numbers", 0, 1023, &ids[i]))
            return false;
        for (int k = 0; k < i; k++)
            if (ids[k] == ids[i])
                return cluster_wrong(r, x->items[i]->at,
                                     "device %lld is there twice",
                                     (long long)ids[i]);
    }
    *out = (cluster_devices){x->count, ids};
    return true;
}

/* ---------- words ---------- */

/* "barrier", or the "stale" of stale(4); NULL: no word. */
static const char *word_of(const ast_expr *x)
{
    if (x->kind == EXPR_CALL)
        x = x->a;
    if (x->kind == EXPR_NAME)
        return x->name;
    return x->kind == EXPR_WORD ? ast_reduction_text(x->reduction) : NULL;
}

static size_t word_length(const char *words)
{
    return strcspn(words, "|(");
}

static const char *next_word(const char *words)
{
    words += strcspn(words, "|");
    return *words ? words + 1 : words;
}

/* "`a`, `b(k)` or `c`". */
static const char *words_text(elab *e, const char *words)
{
    ptl_str s = {0};
    while (*words) {
        const char *next = next_word(words);
        size_t length = strcspn(words, "|");
        str_printf(&s, "%s`%.*s`",
                   s.length == 0 ? ""
                   : *next       ? ", "
                                 : " or ",
                   (int)length, words);
        words = next;
    }
    return str_keep(&s, e->arena);
}

static bool no_such_word(cluster_reading *r, const ast_expr *x)
{
    const char *words = row_of(r)->words, *word = word_of(x);
    nearest n = {.wanted = word ? word : ""};
    for (const char *w = words; *w; w = next_word(w))
        nearest_add(&n, arena_strndup(r->e->arena, w, word_length(w)));
    return cluster_wrong(r, x->at, "`%s` is %s, not %s%s", row_of(r)->name,
                         words_text(r->e, words), text_of(r->e, x),
                         nearest_hint(r->e->arena, &n));
}

static bool word(cluster_reading *r, const ast_expr *x, int *out)
{
    const char *words = row_of(r)->words, *given = word_of(x);
    int number = 0;
    for (const char *w = words; given && *w; w = next_word(w), number++) {
        if (strlen(given) != word_length(w) ||
            strncmp(given, w, word_length(w)) != 0)
            continue;
        if (x->kind == EXPR_CALL && w[word_length(w)] != '(')
            return cluster_wrong(r, x->at, "`%s` takes nothing in brackets",
                                 given);
        *out = number;
        return true;
    }
    return no_such_word(r, x);
}

/* The one argument of word(name = x) or word(x); NULL: there is none. False
 * after an error. */
static bool argument(cluster_reading *r, const ast_expr *call, const char *name,
                     const ast_expr **out)
{
    *out = NULL;
    if (call->kind != EXPR_CALL || call->count == 0)
        return true;
    const ast_arg *a = &call->args[0];
    if (call->count > 1 || (a->name && strcmp(a->name, name) != 0))
        return cluster_wrong(r, call->at, "`%s` takes one argument, `%s`",
                             word_of(call), name);
    *out = a->expr;
    return true;
}

static bool caching(cluster_reading *r, const ast_expr *x)
{
    const ast_expr *a;
    if (!argument(r, x, "caching", &a))
        return false;
    const char *given = a ? word_of(a) : "cpu";
    if (!given || (strcmp(given, "cpu") && strcmp(given, "device") &&
                   !ptl_is_planted(PTL_PLANT_ANY_CACHING)))
        return cluster_wrong(r, a->at, "`caching` is `cpu` or `device`, not %s",
                             text_of(r->e, a));
    r->out->caching =
        strcmp(given, "cpu") ? CLUSTER_CACHE_DEVICE : CLUSTER_CACHE_CPU;
    return true;
}

static bool staleness(cluster_reading *r, const ast_expr *x)
{
    const ast_expr *a;
    if (!argument(r, x, "k", &a))
        return false;
    if (!a)
        return cluster_wrong(r, x->at,
                             "`stale` wants the steps a worker may be ahead: "
                             "`stale(3)`");
    return integer(r, a, "steps in `stale(k)`", 1, 1000000, &r->out->stale);
}

/* Steps or epochs, the one argument `name` of x; `fallback` epochs where there
 * is none (0: there must be one). */
static bool period(cluster_reading *r, const ast_expr *x, const char *name,
                   int64_t fallback, int64_t *out_steps, int64_t *out_epochs)
{
    const ast_expr *a;
    *out_steps = 0;
    *out_epochs = fallback;
    if (!argument(r, x, name, &a))
        return false;
    if (!a && !fallback)
        return cluster_wrong(r, x->at,
                             "`every` wants steps or epochs: `every(500)`");
    value *v = a ? eval(r->e, r->scope, a) : NULL;
    if (!a || v->kind == V_ERROR)
        return !a;
    bool epochs = v->kind == V_QUANTITY && !strncmp(v->text, "epoch", 5);
    bool steps = v->kind == V_QUANTITY && !strncmp(v->text, "step", 4);
    if ((v->kind != V_INT && !epochs && !steps) || v->integer < 1 ||
        (v->kind == V_QUANTITY && v->real != (double)v->integer))
        return cluster_wrong(r, a->at,
                             "`every` wants steps or epochs (500, 1 epoch), "
                             "not %s",
                             text_of(r->e, a));
    *out_epochs = epochs ? v->integer : 0;
    *out_steps = epochs ? 0 : v->integer;
    return true;
}

static bool word_with_argument(cluster_reading *r, const ast_expr *x, int *out)
{
    if (!word(r, x, out))
        return false;
    if (r->key == CLUSTER_KEY_placement && *out == CLUSTER_PARAMETER_SERVER)
        return caching(r, x);
    if (r->key == CLUSTER_KEY_sync && *out == CLUSTER_STALE)
        return staleness(r, x);
    if (r->key == CLUSTER_KEY_state_sync && *out != CLUSTER_STATE_NEVER)
        return period(r, x, "every", 1, &r->out->state_steps,
                      &r->out->state_epochs);
    if (r->key == CLUSTER_KEY_barrier && *out == CLUSTER_BARRIER_EVERY)
        return period(r, x, "k", 0, &r->out->barrier_steps,
                      &r->out->barrier_epochs);
    return true;
}

/* ---------- policies ---------- */

static bool wait_time(cluster_reading *r, const ast_expr *x)
{
    const ast_expr *a;
    if (!argument(r, x, "T", &a))
        return false;
    if (!a)
        return cluster_wrong(r, x->at,
                             "`wait` wants the time for a replacement: "
                             "`wait(30 s)`");
    return amount(r, a, time_units, &r->out->worker_wait);
}

static bool worker_policy(cluster_reading *r, const ast_stmt *st,
                          cluster_policy *p)
{
    bool wait = p->first == CLUSTER_WORKER_WAIT;
    r->out->worker_wait = 0;
    if (wait && st->policy == POLICY_THEN && p->second != CLUSTER_WORKER_WAIT)
        return wait_time(r, st->value);
    if (p->first == CLUSTER_WORKER_ABORT && st->policy == POLICY_ONE)
        return true;
    return cluster_wrong(r, r->at,
                         "a lost worker means `abort`, `wait(30 s) then abort` "
                         "or `wait(30 s) then shrink`");
}

static bool ps_policy(cluster_reading *r, const ast_stmt *st, cluster_policy *p)
{
    if (st->policy == POLICY_ONE ||
        (st->policy == POLICY_ELSE && p->first == CLUSTER_PS_REBUILD &&
         p->second != CLUSTER_PS_REBUILD))
        return true;
    return cluster_wrong(r, r->at,
                         "a lost parameter server means `abort`, `rollback`, "
                         "`rebuild`, `rebuild else rollback` or `rebuild else "
                         "abort`");
}

static bool policy(cluster_reading *r, const ast_stmt *st, cluster_policy *out)
{
    if (!word(r, st->value, &out->first))
        return false;
    out->second = out->first;
    if (st->other && !word(r, st->other, &out->second))
        return false;
    return r->key == CLUSTER_KEY_worker_loss ? worker_policy(r, st, out)
                                             : ps_policy(r, st, out);
}

/* ---------- any ---------- */

bool cluster_value(cluster_reading *r, const ast_stmt *st)
{
    const cluster_row *row = row_of(r);
    const ast_expr *x = st->value;
    void *to = field_of(r);
    switch (row->kind) {
    case HOSTS:
        return hosts(r, x, to);
    case DEVICES:
        return devices(r, x, to);
    case COUNT:
        return integer(r, x, "an integer", row->low, row->high, to);
    case SWITCH:
        return switched(r, x, to);
    case BYTES:
        return amount(r, x, byte_units, to);
    case TIME:
        return amount(r, x, time_units, to);
    case WORD:
        return word_with_argument(r, x, to);
    case POLICY:
        return policy(r, st, to);
    }
    return false;
}
