/*
 * name_hint.c - what a name that nothing has was meant to be: a word of another
 * language, or what a module declares under it.
 */
#include "elab_priv.h"
#include <string.h>

/* What a word of another language is written as; NULL: it is none. */
static const char *foreign_word(const char *name)
{
    static const struct {
        const char *word, *hint;
    } words[] = {
        {"True", "write `true`"},
        {"False", "write `false`"},
        {"None", "leave the argument out, or write 0"},
        {"self", "a layer's members go by their names alone"},
        {"len", "`size(x, 0)` is the size of an axis"},
        {"shape", "`size(x, 0)` is the size of an axis"},
        {"range", "write `a..b`"},
        {"print", "values of `train` are seen with `ptlc grad`"},
        {"torch", "names of other frameworks have no meaning here"},
        {"tf", "names of other frameworks have no meaning here"},
        {"np", "names of other frameworks have no meaning here"},
        {"matmul", "write `y[i, j] = sum(k) a[i, k] * b[k, j]`"},
        {"dot", "write `sum(k) a[k] * b[k]`"},
        {"einsum", "write `y[i, j] = sum(k) a[i, k] * b[k, j]`"},
        {"transpose", "write `y[i, j] = x[j, i]`"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, name))
            return words[i].hint;
    return NULL;
}

static bool is_used_by_name(const ast_decl *d)
{
    return d && (d->kind == DECL_FN || d->kind == DECL_LAYER ||
                 d->kind == DECL_MODEL || d->kind == DECL_OPTIMIZER ||
                 d->kind == DECL_SCHEDULE);
}

static bool has(const lang_module *m, const char *name)
{
    return m && is_used_by_name(module_decl(m, name));
}

static const char *in_imports(ptl_arena *arena, const lang_module *from,
                              const char *name)
{
    for (int i = 0; i < from->import_count; i++)
        if (has(from->imports[i].module, name))
            return arena_printf(arena, "; did you mean `%s.%s`?",
                                from->imports[i].name, name);
    return NULL;
}

/* (Initialisers need no import where they belong, after `~`.) */
static const char *in_library(ptl_arena *arena, const lang_modules *program,
                              const char *name)
{
    const lang_module *init = lang_library(program, "init");
    for (int i = 0; i < program->count; i++) {
        const lang_module *m = program->modules[i];
        const char *dot = strrchr(m->path, '.');
        if (m->is_library && m != init && dot && has(m, name))
            return arena_printf(arena,
                                "; did you mean `%s.%s`, after `import %s;`?",
                                dot + 1, name, m->path);
    }
    return NULL;
}

const char *name_hint(ptl_arena *arena, const lang_modules *program,
                      const lang_module *from, const char *name)
{
    const char *hint = foreign_word(name);
    if (hint)
        return arena_printf(arena, "; %s", hint);
    hint = in_imports(arena, from, name);
    return hint ? hint : in_library(arena, program, name);
}

const char *param_hint(ptl_arena *arena, const ast_decl *callee,
                       const char *name)
{
    nearest n = {.wanted = name};
    ptl_str text = {0};
    for (int i = 0; i < callee->param_count; i++) {
        nearest_add(&n, callee->params[i].name);
        str_printf(&text, "%s%s", i ? ", " : "; it takes ",
                   callee->params[i].name);
    }
    if (n.best || callee->param_count == 0) {
        str_fini(&text);
        return nearest_hint(arena, &n);
    }
    return str_keep(&text, arena);
}
