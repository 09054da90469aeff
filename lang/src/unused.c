/*
 * unused.c - constants of train that nothing reads: most likely settings under
 * the names other frameworks have for them.
 */
#include "base/nearest.h"
#include "elab_priv.h"
#include "parse_priv.h"
#include <string.h>

static const char *const settings[] = {
#define SETTING(name, text, type) text,
#include "lang/settings.def"
#undef SETTING
};
enum { SETTING_COUNT = sizeof settings / sizeof *settings };

static bool is_setting(const char *name)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (!strcmp(settings[i], name))
            return true;
    return false;
}

static bool is_constant(const ast_expr *x)
{
    switch (x->kind) {
    case EXPR_INT:
    case EXPR_REAL:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_QUANTITY:
        return true;
    case EXPR_UNARY:
        return is_constant(x->a);
    default:
        return false;
    }
}

/* How often the word stands in the text, quotes and comments included. */
static int times_mentioned(src_range in, const char *word)
{
    const char *text = in.file->text + in.begin;
    const char *end = in.file->text + in.end;
    size_t length = strlen(word);
    int times = 0;
    while (text < end) {
        size_t run = 0;
        while (text + run < end && scan_is_word(text[run]))
            run++;
        times += run == length && !memcmp(text, word, length);
        text += run ? run : 1;
    }
    return times;
}

/* `batch_size`, `num_epochs`: a setting and more. */
static const char *setting_within(const char *name)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *at = strstr(name, settings[i]);
        size_t length = strlen(settings[i]);
        if (at && (at == name || at[-1] == '_') &&
            (at[length] == '\0' || at[length] == '_'))
            return settings[i];
    }
    return NULL;
}

static void warn(ptl_diags *diags, const ast_stmt *st)
{
    const char *meant = setting_within(st->name);
    if (!meant)
        meant = ptl_nearest(st->name, settings, SETTING_COUNT);
    if (meant)
        diag_warning(diags, DIAG_UNUSED, st->name_at,
                     "nothing reads `%s`, and it is no setting; did you mean "
                     "`%s`?",
                     st->name, meant);
    else
        diag_warning(diags, DIAG_UNUSED, st->name_at,
                     "nothing reads `%s`, and it is no setting of train",
                     st->name);
}

void check_unused(const ast_decl *train, ptl_diags *diags)
{
    for (int i = 0; i < train->body.count; i++) {
        const ast_stmt *st = train->body.stmts[i];
        if (st->kind == STMT_DEFINE && !st->has_subs && st->value &&
            is_constant(st->value) && !is_setting(st->name) &&
            strcmp(st->name, "loss") != 0 &&
            times_mentioned(train->at, st->name) == 1)
            warn(diags, st);
    }
}
