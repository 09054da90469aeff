/*
 * elab_cluster.c - the cluster block: its keys and the form of their values.
 *
 * One process carries out none of it, but what is misspelt here would be found
 * on a cluster only. A name may stand for a hyper where no word is wanted.
 */
#include "elab_priv.h"
#include <string.h>

typedef enum key_kind { HOSTS, DEVICES, COUNT, SWITCH, AMOUNT, WORD } key_kind;

typedef struct cluster_key {
    const char *name;
    key_kind kind;
    const char *words;
} cluster_key;

static const cluster_key keys[] = {
#define CLUSTER_KEY(name, kind, words) {#name, kind, words},
#include "lang/cluster.def"
};

static const cluster_key policies[] = {
#define CLUSTER_POLICY(name, words) {#name, WORD, words},
#include "lang/cluster.def"
};

enum {
    KEY_COUNT = (int)(sizeof keys / sizeof *keys),
    POLICY_COUNT = (int)(sizeof policies / sizeof *policies),
};

static bool is_one_of(const char *words, const char *word, size_t length)
{
    while (*words) {
        size_t n = strcspn(words, "|");
        if (n == length && !strncmp(words, word, n))
            return true;
        words += n + (words[n] != 0);
    }
    return false;
}

/* "barrier", or the "stale" of stale(4); NULL: no word. */
static const char *word_of(const ast_expr *x)
{
    if (x->kind == EXPR_CALL)
        x = x->a;
    if (x->kind == EXPR_NAME)
        return x->name;
    return x->kind == EXPR_WORD ? ast_reduction_text(x->reduction) : NULL;
}

static bool is_list_of(const ast_expr *x, ast_expr_kind kind)
{
    bool good = x->kind == EXPR_LIST;
    for (int i = 0; good && i < x->count; i++)
        good = x->items[i]->kind == kind;
    return good;
}

static bool fits(const cluster_key *k, const ast_expr *x)
{
    const char *word = word_of(x);
    if (k->kind == WORD)
        return word && is_one_of(k->words, word, strlen(word));
    if (x->kind == EXPR_NAME)
        return true;
    switch (k->kind) {
    case HOSTS:
        return x->kind == EXPR_INT || x->kind == EXPR_RANGE ||
               is_list_of(x, EXPR_STRING);
    case DEVICES:
        return (x->kind == EXPR_INT && x->integer > 0) ||
               is_list_of(x, EXPR_INT);
    case COUNT:
        return x->kind == EXPR_INT && x->integer > 0;
    case SWITCH:
        return x->kind == EXPR_BOOL;
    default:
        return x->kind == EXPR_QUANTITY;
    }
}

static const char *wanted(elab *e, const cluster_key *k)
{
    switch (k->kind) {
    case HOSTS:
        return "a count, a range or a list of \"host:port\"";
    case DEVICES:
        return "a positive count or a list of device numbers";
    case COUNT:
        return "a positive integer";
    case SWITCH:
        return "true or false";
    case AMOUNT:
        return "a number with a unit";
    default:
        return arena_printf(e->arena, "one of %s", k->words);
    }
}

static const cluster_key *find(elab *e, const cluster_key *table, int count,
                               const ast_stmt *st)
{
    nearest n = {.wanted = st->name};
    for (int i = 0; i < count; i++) {
        if (!strcmp(table[i].name, st->name))
            return &table[i];
        nearest_add(&n, table[i].name);
    }
    elab_error(e, DIAG_UNKNOWN_KEY, st->name_at,
               "a cluster block has no `%s`%s", st->name,
               nearest_hint(e->arena, &n));
    return NULL;
}

static void check_value(elab *e, const cluster_key *k, const ast_expr *x)
{
    if (k && x && !fits(k, x))
        elab_error(e, DIAG_BAD_SETTING, x->at, "`%s` wants %s", k->name,
                   wanted(e, k));
}

static void check_block(elab *e, const ast_decl *d)
{
    for (int i = 0; i < d->body.count; i++) {
        const ast_stmt *st = d->body.stmts[i];
        if (st->kind == STMT_SETTING)
            check_value(e, find(e, keys, KEY_COUNT, st), st->value);
        if (st->kind == STMT_ON) {
            const cluster_key *k = find(e, policies, POLICY_COUNT, st);
            check_value(e, k, st->value);
            check_value(e, k, st->other);
        }
    }
}

/* The word of a --set value: up to its bracket. */
static void check_set(elab *e, const cluster_key *k)
{
    const char *key = arena_printf(e->arena, "cluster.%s", k->name);
    const char *text = set_for(e, key);
    bool good = !text || k->kind == HOSTS || k->kind == DEVICES ||
                k->kind == AMOUNT;
    if (text && k->kind == WORD)
        good = is_one_of(k->words, text, strcspn(text, "("));
    if (text && k->kind == SWITCH)
        good = !strcmp(text, "true") || !strcmp(text, "false");
    if (text && k->kind == COUNT)
        good = *text >= '1' && *text <= '9' &&
               !text[strspn(text, "0123456789")];
    if (!good)
        elab_error(e, DIAG_BAD_SETTING, (src_range){0},
                   "--set %s=%s: %s is wanted", key, text, wanted(e, k));
}

void cluster_check(elab *e)
{
    const lang_module *m = e->program->modules[0];
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++)
            if (m->files[i]->decls[j]->kind == DECL_CLUSTER)
                check_block(e, m->files[i]->decls[j]);
    for (int i = 0; i < KEY_COUNT; i++)
        check_set(e, &keys[i]);
}
