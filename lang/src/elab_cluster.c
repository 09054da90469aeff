/*
 * elab_cluster.c - the cluster block: defaults, then what the file says, then
 * what --set says, all read as PTL by the same functions.
 *
 * One process carries out little of it, but what is wrong here would be found
 * on a cluster only.
 */
#include "cluster_priv.h"
#include <string.h>

const cluster_row cluster_rows[CLUSTER_KEY_COUNT] = {
#define CLUSTER_KEY(name, kind, words, fallback, low, high)                    \
    {#name, kind, words, fallback, low, high, offsetof(typed_cluster, name)},
#include "lang/cluster.def"
};

const char *cluster_key_name(cluster_key key)
{
    return cluster_rows[key].name;
}

/* What is read, and from where. */
typedef struct block {
    elab *e;
    scope *scope;
    src_range at[CLUSTER_KEY_COUNT];     /* the file's; nowhere: not there */
    const char *sets[CLUSTER_KEY_COUNT]; /* --set; NULL: none */
} block;

bool cluster_wrong(const cluster_reading *r, src_range at, const char *format,
                   ...)
{
    va_list args;
    const char *text;
    va_start(args, format);
    text = arena_vprintf(r->e->arena, format, args);
    va_end(args);
    ptl_diags *others = r->e->diags;
    if (r->diags)
        r->e->diags = r->diags;
    if (r->set)
        elab_error(r->e, DIAG_BAD_SETTING, (src_range){0},
                   "--set cluster.%s=%s: %s", cluster_rows[r->key].name, r->set,
                   text);
    else
        elab_error(r->e, DIAG_BAD_SETTING, at, "%s", text);
    r->e->diags = others;
    return false;
}

static const char *value_as_text(elab *e, const ast_stmt *st)
{
    ptl_str s = {0};
    ast_print_expr(st->value, &s);
    if (st->other) {
        str_add(&s, st->policy == POLICY_THEN ? " then " : " else ");
        ast_print_expr(st->other, &s);
    }
    return str_keep(&s, e->arena);
}

static bool read_key(block *b, cluster_reading *r, const ast_stmt *st)
{
    typed_cluster *c = &b->e->out->cluster;
    r->e = b->e;
    r->scope = b->scope;
    r->out = c;
    r->at = st->value->at;
    if (!cluster_value(r, st))
        return false;
    c->text[r->key] = value_as_text(b->e, st);
    return true;
}

/* ---------- text that is no file ---------- */

/* The block of the settings in `text`; NULL: it is no text of settings. */
static const ast_block *parse_block(elab *e, const char *text)
{
    char *source = arena_printf(e->arena, "cluster { %s }", text);
    ptl_diags *unseen = diags_new(0);
    const ast_file *f = ptl_parse(
        e->arena, src_file_new(e->arena, "cluster", source, strlen(source)),
        unseen);
    bool good = f && diags_error_count(unseen) == 0 && f->decl_count == 1;
    diags_free(unseen);
    return good ? &f->decls[0]->body : NULL;
}

static const char *setting_text(elab *e, cluster_key key, const char *text)
{
    const cluster_row *row = &cluster_rows[key];
    return arena_printf(e->arena, "%s%s = %s;",
                        row->kind == POLICY ? "on " : "", row->name, text);
}

static void read_defaults(block *b)
{
    ptl_str text = {0};
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++)
        str_add(&text,
                setting_text(b->e, (cluster_key)i, cluster_rows[i].fallback));
    const ast_block *all = parse_block(b->e, str_text(&text));
    str_fini(&text);
    PTL_ASSERT(all && all->count == CLUSTER_KEY_COUNT);
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++) {
        cluster_reading r = {.key = (cluster_key)i};
        bool good = read_key(b, &r, all->stmts[i]);
        PTL_ASSERT(good);
    }
}

/* The statement `name = text;`; NULL: the text is none, or more than one. */
static const ast_stmt *parse_key(elab *e, cluster_key key, const char *text)
{
    const ast_block *one = parse_block(e, setting_text(e, key, text));
    return one && one->count == 1 ? one->stmts[0] : NULL;
}

/* Messages that point into the text are not shown: it goes with this
 * elaboration, and they would not. */
static bool read_unseen(block *b, cluster_reading *r, const ast_stmt *st)
{
    elab *e = b->e;
    r->diags = e->diags;
    e->diags = diags_new(0);
    bool good = read_key(b, r, st);
    diags_free(e->diags);
    e->diags = r->diags;
    return good;
}

static void read_set(block *b, cluster_key key)
{
    elab *e = b->e;
    const char *text = set_for(
        e, arena_printf(e->arena, "cluster.%s", cluster_rows[key].name));
    if (!text)
        return;
    b->sets[key] = text;
    const ast_stmt *st = parse_key(e, key, text);
    cluster_reading r = {.e = e, .key = key, .set = text};
    int before = diags_error_count(e->diags);
    if (st && read_unseen(b, &r, st))
        e->out->cluster.said[key] = true;
    else if (diags_error_count(e->diags) == before)
        cluster_wrong(&r, (src_range){0}, "this is no value for it");
}

/* ---------- the file ---------- */

static int find_key(elab *e, const ast_stmt *st)
{
    bool policy = st->kind == STMT_ON;
    nearest n = {.wanted = st->name};
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++) {
        bool fits = (cluster_rows[i].kind == POLICY) == policy;
        if (!strcmp(cluster_rows[i].name, st->name)) {
            if (fits)
                return i;
            elab_error(e, DIAG_BAD_SETTING, st->at,
                       policy ? "`%s` is no event; write `%s = ...;`"
                              : "`%s` is an event; write `on %s = ...;`",
                       st->name, st->name);
            return -1;
        }
        if (fits)
            nearest_add(&n, cluster_rows[i].name);
    }
    elab_error(e, DIAG_UNKNOWN_KEY, st->name_at,
               "a cluster block has no `%s`%s", st->name,
               nearest_hint(e->arena, &n));
    return -1;
}

static void read_stmt(block *b, const ast_stmt *st)
{
    int key = find_key(b->e, st);
    if (key < 0)
        return;
    if (b->at[key].file) {
        elab_error(b->e, DIAG_REDEFINED, st->name_at, "`%s` is set twice",
                   st->name);
        elab_note(b->e, b->at[key], "first set here");
        return;
    }
    b->at[key] = st->at;
    cluster_reading r = {.key = (cluster_key)key};
    b->e->out->cluster.said[key] = read_key(b, &r, st);
}

static void read_block(block *b, const ast_decl *d)
{
    elab *e = b->e;
    e->out->cluster.given = true;
    for (int i = 0; i < d->body.count; i++)
        if (d->body.stmts[i]->kind == STMT_HYPER)
            exec_hyper(e, b->scope, d->body.stmts[i]->decl, "cluster");
    for (int i = 0; i < d->body.count; i++)
        if (d->body.stmts[i]->kind != STMT_HYPER)
            read_stmt(b, d->body.stmts[i]);
}

static void read_blocks(block *b)
{
    const lang_module *m = b->e->program->modules[0];
    const ast_decl *first = NULL;
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; m->files[i] && j < m->files[i]->decl_count; j++) {
            const ast_decl *d = m->files[i]->decls[j];
            if (d->kind != DECL_CLUSTER)
                continue;
            if (!first) {
                first = d;
                read_block(b, d);
                continue;
            }
            elab_error(b->e, DIAG_REDEFINED, d->at,
                       "a file has one cluster block");
            elab_note(b->e, first->at, "the first one");
        }
}

void cluster_read(elab *e)
{
    block b = {.e = e};
    int before = e->errors;
    b.scope = scope_new(e, module_scope(e, e->program->modules[0]), e->frame);
    read_defaults(&b);
    read_blocks(&b);
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++)
        read_set(&b, (cluster_key)i);
    if (e->errors == before)
        cluster_rules(e, b.at, b.sets);
    for (int i = 0; i < CLUSTER_KEY_COUNT && e->errors == before; i++)
        if (e->out->cluster.said[i])
            config_add(
                e, arena_printf(e->arena, "cluster.%s", cluster_rows[i].name),
                value_string(e, e->out->cluster.text[i], (src_range){0}));
}
