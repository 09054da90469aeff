/*
 * elab_set.c - hypers and settings: declared values, --set overrides, and the
 * resolved configuration.
 */
#include "elab_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The last --set of a key wins. */
const char *set_for(elab *e, const char *key)
{
    const char *found = NULL;
    vec_push(e->arena, &e->known_keys, key);
    for (int i = 0; i < e->options->set_count; i++) {
        if (strcmp(e->options->sets[i].key, key))
            continue;
        found = e->options->sets[i].value;
        map_put(e->set_used, key, e);
    }
    return found;
}

static value *wrong_set(elab *e, const char *key, const char *text,
                        const char *wanted, src_range at)
{
    return elab_error(e, DIAG_BAD_SETTING, at, "--set %s=%s: %s is wanted", key,
                      text, wanted);
}

static value *parse_int(elab *e, const char *key, const char *text,
                        src_range at)
{
    char *end;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (!*text || *end || errno)
        return wrong_set(e, key, text, "an integer", at);
    return value_int(e, i, at);
}

static value *parse_real(elab *e, const char *key, const char *text,
                         src_range at)
{
    char *end;
    double r = strtod(text, &end);
    if (!*text || *end || !isfinite(r))
        return wrong_set(e, key, text, "a number", at);
    return value_real(e, r, at);
}

/* `500` or `1 epoch`. */
static value *parse_period(elab *e, const char *key, const char *text,
                           src_range at)
{
    char *end;
    value *v;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (end == text || errno)
        return wrong_set(e, key, text, "steps or epochs (500, 1 epoch)", at);
    while (*end == ' ')
        end++;
    if (!*end)
        return value_int(e, i, at);
    v = value_new(e, V_QUANTITY, at);
    v->integer = i;
    v->real = (double)i;
    v->text = arena_strdup(e->arena, end);
    return v;
}

value *parse_setting(elab *e, const char *text, const char *type_name,
                     const char *key, src_range at)
{
    if (!strcmp(type_name, "int"))
        return parse_int(e, key, text, at);
    if (!strcmp(type_name, "real"))
        return parse_real(e, key, text, at);
    if (!strcmp(type_name, "period"))
        return parse_period(e, key, text, at);
    if (!strcmp(type_name, "bool")) {
        if (strcmp(text, "true") && strcmp(text, "false"))
            return wrong_set(e, key, text, "true or false", at);
        return value_bool(e, !strcmp(text, "true"), at);
    }
    return value_string(e, arena_strdup(e->arena, text), at);
}

/* ---------- the resolved configuration ---------- */

static void add_json_text(ptl_str *out, const char *text)
{
    str_addc(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            str_printf(out, "\\%c", *c);
        else if (*c < 0x20)
            str_printf(out, "\\u%04x", *c);
        else
            str_addc(out, (char)*c);
    }
    str_addc(out, '"');
}

void config_add(elab *e, const char *key, const value *v)
{
    if (map_get(e->config_keys, key))
        return;
    map_put(e->config_keys, key, e);
    if (e->config.length)
        str_addc(&e->config, ',');
    add_json_text(&e->config, key);
    str_addc(&e->config, ':');
    switch (v->kind) {
    case V_INT:
        str_printf(&e->config, "%lld", (long long)v->integer);
        break;
    case V_REAL:
        str_printf(&e->config, "%.17g", v->real);
        break;
    case V_BOOL:
        str_add(&e->config, v->integer ? "true" : "false");
        break;
    case V_QUANTITY:
        add_json_text(&e->config,
                      arena_printf(e->arena, "%g %s", v->real, v->text));
        break;
    default:
        add_json_text(&e->config, v->text ? v->text : "");
    }
}

/* ---------- hypers ---------- */

static value *hyper_value(elab *e, scope *s, const ast_decl *h, const char *key)
{
    const char *text = set_for(e, key);
    value *v = text ? parse_setting(e, text, h->type->name, key, h->name_at)
                    : eval(e, s, h->value);
    if (v->kind == V_ERROR)
        return v;
    v = type_bind(e, s, h->type, v, arena_printf(e->arena, "`%s`", key),
                  text ? h->name_at : h->value->at);
    if (v->kind != V_ERROR && !value_is_static(v) && v->kind != V_STRING &&
        v->kind != V_WORD)
        return elab_error(e, DIAG_NOT_STATIC, h->value->at,
                          "a hyper is known when the program is compiled, "
                          "and this is %s",
                          value_text(e, v));
    return v;
}

void exec_hyper(elab *e, scope *s, const ast_decl *h, const char *block)
{
    const char *key =
        block ? arena_printf(e->arena, "%s.%s", block, h->name) : h->name;
    value *v;
    if (scope_own(s, h->name)) {
        elab_error(e, DIAG_REDEFINED, h->name_at, "`%s` is defined twice",
                   h->name);
        return;
    }
    v = hyper_value(e, s, h, key);
    if (v->kind != V_ERROR && h->interval &&
        !eval_interval(e, s, h->interval, v, key))
        v = value_error(e);
    if (v->kind != V_ERROR)
        config_add(e, key, v);
    scope_bind(e, s, h->name, v, h->name_at)->reserved = true;
}

/* The first known key that ends as `key` does: the block was mistaken. */
static const char *same_ending(elab *e, const char *key)
{
    const char *dot = strrchr(key, '.');
    const char *name = dot ? dot + 1 : key;
    for (int i = 0; i < e->known_keys.count; i++) {
        const char *known = e->known_keys.data[i];
        const char *end = strrchr(known, '.');
        if (!strcmp(end ? end + 1 : known, name))
            return known;
    }
    return NULL;
}

bool sets_all_used(elab *e)
{
    bool good = true;
    for (int i = 0; i < e->options->set_count; i++) {
        const char *key = e->options->sets[i].key;
        nearest n = {.wanted = key};
        if (map_get(e->set_used, key))
            continue;
        for (int j = 0; j < e->known_keys.count; j++)
            nearest_add(&n, e->known_keys.data[j]);
        if (!n.best)
            n.best = same_ending(e, key);
        elab_error(e, DIAG_UNKNOWN_KEY, (src_range){0},
                   "--set %s=%s: nothing is called that%s", key,
                   e->options->sets[i].value, nearest_hint(e->arena, &n));
        good = false;
        break;
    }
    return good;
}
