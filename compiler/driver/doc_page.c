/*
 * doc_page.c - see doc.h. Signatures are the words of the file itself, set
 * anew in lines: what a reader finds here is what the author wrote.
 */
#include "doc.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct doc_kind {
    ast_decl_kind kind;
    const char *heading;
} kinds[] = {
    {DECL_LAYER, "layers"},       {DECL_MODEL, "models"},
    {DECL_FN, "functions"},       {DECL_OPTIMIZER, "optimizers"},
    {DECL_SCHEDULE, "schedules"}, {DECL_DATA, "data"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

bool doc_has_page(const ast_decl *d)
{
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].kind == d->kind)
            return d->name != NULL;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ast_decl *const *)a)->name,
                  (*(const ast_decl *const *)b)->name);
}

doc_decls doc_list(ptl_arena *arena, const doc_module *m)
{
    doc_decls found = {0};
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; j < m->files[i]->decl_count; j++)
            if (doc_has_page(m->files[i]->decls[j]))
                vec_push(arena, &found, m->files[i]->decls[j]);
    if (found.count)
        qsort(found.data, (size_t)found.count, sizeof *found.data, by_name);
    return found;
}

static void add_bold(ptl_str *out, bool bold, const char *text)
{
    str_printf(out, "%s%s%s", bold ? "\033[1m" : "", text,
               bold ? "\033[0m" : "");
}

/* ---------- pieces of the file ---------- */

/* The text of a range in one line, comments left out. */
static const char *words(ptl_arena *arena, src_range at)
{
    const char *text = at.file->text;
    char *line = arena_strndup(arena, text + at.begin, at.end - at.begin);
    size_t length = 0;
    bool quoted = false;
    for (uint32_t i = at.begin; i < at.end; i++) {
        quoted ^= text[i] == '"' && text[i - (i > 0)] != '\\';
        if (!quoted && text[i] == '/' && text[i + 1] == '/')
            while (i < at.end && text[i] != '\n')
                i++;
        if (i == at.end)
            break;
        if (!isspace((unsigned char)text[i]))
            line[length++] = text[i];
        else if (length > 0 && line[length - 1] != ' ')
            line[length++] = ' ';
    }
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == ';'))
        length--;
    line[length] = '\0';
    return line;
}

/* The end of the first sentence: a full stop, and after it the end, or a
 * capital or ` ("et al. 2015" and "q . k" go on). */
static size_t sentence(const char *doc)
{
    for (size_t i = 1; doc[i]; i++) {
        size_t gap = strspn(doc + i + 1, " \n");
        char next = doc[i + 1] ? doc[i + 1 + gap] : '\0';
        if (doc[i] == '\n' && doc[i + 1] == '\n')
            return i;
        if (doc[i] == '.' && !isspace((unsigned char)doc[i - 1]) &&
            (!next || (gap && (isupper((unsigned char)next) || next == '`'))))
            return i + 1;
    }
    return strlen(doc);
}

/* ---------- a module ---------- */

static void print_kind(ptl_arena *arena, const doc_decls *all,
                       const struct doc_kind *k, bool bold, ptl_str *out)
{
    int width = 0, column;
    bool first = true;
    for (int i = 0; i < all->count; i++) {
        int length = (int)strlen(all->data[i]->name);
        width = length > width && length <= 20 ? length : width;
    }
    column = width + 4;
    for (int i = 0; i < all->count; i++) {
        const ast_decl *d = all->data[i];
        const char *doc = d->doc ? d->doc : "(no comment)";
        int length = (int)strlen(d->name);
        if (d->kind != k->kind)
            continue;
        if (first)
            str_printf(out, "\n%s\n", k->heading);
        first = false;
        str_add(out, "  ");
        add_bold(out, bold, d->name);
        if (length > width)
            str_printf(out, "\n%*s", column, "");
        else
            str_printf(out, "%*s", column - 2 - length, "");
        doc_fill(out, arena_strndup(arena, doc, sentence(doc)), column, column);
    }
}

void doc_print_module(ptl_arena *arena, const doc_module *m, bool bold,
                      ptl_str *out)
{
    doc_decls all = doc_list(arena, m);
    add_bold(out, bold, m->from);
    str_addc(out, '\n');
    if (m->file_count == 0)
        str_add(out, "  (part of the compiler)\n");
    else if (all.count == 0)
        str_add(out, "  (declares nothing that has a page)\n");
    for (int i = 0; i < KINDS; i++)
        print_kind(arena, &all, &kinds[i], bold, out);
}

/* ---------- a page ---------- */

/* `lead` and the parameters, which begin new lines below the first of them. */
static int print_params(ptl_arena *arena, ptl_str *out, int indent,
                        const char *lead, const ast_param *params, int count)
{
    int hang = indent + (int)strlen(lead) + 1, column = hang;
    hang = hang > 40 ? indent + 4 : hang;
    str_printf(out, "%*s%s(", indent, "", lead);
    for (int i = 0; i < count; i++) {
        const char *text = words(arena, params[i].at);
        int length = (int)strlen(text) + 1;
        if (i > 0 && column + 1 + length > 79) {
            str_printf(out, "\n%*s", hang, "");
            column = hang;
        } else if (i > 0) {
            str_addc(out, ' ');
            column++;
        }
        str_printf(out, "%s%s", text, i + 1 < count ? "," : "");
        column += length - (i + 1 == count);
    }
    str_addc(out, ')');
    return column + 1;
}

/* No new line within parentheses deeper than `most`. */
static void keep_together(char *text, int most)
{
    int depth = 0;
    for (; *text; text++) {
        depth += (*text == '(') - (*text == ')');
        if (*text == ' ' && depth > most)
            *text = DOC_KEPT_SPACE;
    }
}

static void print_results(ptl_arena *arena, ptl_str *out, int indent,
                          int column, const ast_decl *d)
{
    ptl_str text = {0};
    int wide;
    str_printf(&text, "-> %s", d->result_count > 1 ? "(" : "");
    for (int i = 0; i < d->result_count; i++)
        str_printf(&text, "%s%s", i ? ", " : "",
                   words(arena, d->results[i].at));
    str_add(&text, d->result_count > 1 ? ")" : "");
    wide = (int)text.length;
    keep_together(text.data, d->result_count > 1);
    if (column + 1 + wide <= 79) {
        str_addc(out, ' ');
        doc_fill(out, str_text(&text), column + 1, indent + 7);
    } else {
        str_printf(out, "\n%*s", indent + 4, "");
        doc_fill(out, str_text(&text), indent + 4, indent + 7);
    }
    str_fini(&text);
}

/* `param b[out] ~ zeros(), if bias`: a member and the ifs around it. */
static const char *member_text(ptl_arena *arena, const ast_decl *m)
{
    const char *text = words(arena, m->at);
    for (const ast_when *w = m->when; w; w = w->outer)
        text = arena_printf(arena, w->is_else ? "%s, if !(%s)" : "%s, if %s",
                            text, words(arena, w->cond->at));
    return text;
}

static void print_members(ptl_arena *arena, const ast_decl *d, ptl_str *out)
{
    for (int i = 0; i < d->member_count; i++) {
        const ast_decl *m = d->members[i];
        if (m->kind == DECL_FN) {
            int column =
                print_params(arena, out, 4, "fn ", m->params, m->param_count);
            print_results(arena, out, 4, column, m);
        } else {
            str_add(out, "    ");
            doc_fill(out, member_text(arena, m), 4, 8);
        }
    }
    for (int i = 0; i < d->body.count; i++)
        if (d->body.stmts[i]->kind == STMT_SLOT)
            str_printf(out, "    %s\n", words(arena, d->body.stmts[i]->at));
}

static void print_signature(ptl_arena *arena, const ast_decl *d, ptl_str *out)
{
    const char *lead =
        arena_printf(arena, "%s %s", ast_decl_kind_text(d->kind), d->name);
    int column = 0;
    if (d->kind == DECL_FN)
        lead = arena_printf(arena, "fn %s", d->name);
    if (d->has_params || d->kind == DECL_FN)
        column = print_params(arena, out, 2, lead, d->params, d->param_count);
    else
        str_printf(out, "  %s", lead);
    if (d->kind == DECL_FN)
        print_results(arena, out, 2, column, d);
    else
        str_printf(out, "%s\n", d->kind == DECL_OPTIMIZER ? " per param" : "");
    if (d->has_grad)
        str_add(out, "    with a derivative of its own\n");
    print_members(arena, d, out);
}

/* Paragraphs are set anew; lines that are indented stay as they are. */
static void print_comment(ptl_arena *arena, const char *doc, ptl_str *out)
{
    VEC(char) paragraph = {0};
    for (bool more = true; more;) {
        size_t length = strcspn(doc, "\n");
        bool kept = length == 0 || *doc == ' ';
        more = doc[length] != '\0';
        for (size_t i = 0; !kept && i <= length; i++)
            vec_push(arena, &paragraph, i < length ? doc[i] : ' ');
        if ((kept || !more) && paragraph.count) {
            vec_push(arena, &paragraph, '\0');
            str_add(out, "  ");
            doc_fill(out, paragraph.data, 2, 2);
            paragraph.count = 0;
        }
        if (kept)
            str_printf(out, "%s%.*s\n", length ? "  " : "", (int)length, doc);
        doc += length + more;
    }
}

static bool mentions(src_range at, const char *name)
{
    size_t length = strlen(name);
    const char *text = at.file->text;
    for (const char *p = text + at.begin; p + length <= text + at.end; p++) {
        bool begins =
            p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');
        if (begins && !strncmp(p, name, length) &&
            !isalnum((unsigned char)p[length]) && p[length] != '_')
            return true;
    }
    return false;
}

static void print_tests(const doc_module *m, const ast_decl *d, ptl_str *out)
{
    bool first = true;
    for (int i = 0; i < m->file_count; i++)
        for (int j = 0; j < m->files[i]->decl_count; j++) {
            const ast_decl *t = m->files[i]->decls[j];
            if (t->kind != DECL_TEST || t->at.file != d->at.file ||
                !mentions(t->at, d->name))
                continue;
            str_add(out, first ? "\n  tests\n" : "");
            str_printf(out, "    %s\n", t->name);
            first = false;
        }
}

void doc_print_page(ptl_arena *arena, const doc_module *m, const ast_decl *d,
                    bool bold, ptl_str *out)
{
    int line, column;
    src_position(d->name_at, &line, &column);
    add_bold(out, bold, arena_printf(arena, "%s.%s", m->name, d->name));
    str_printf(out, "  (%s:%d)\n\n", d->at.file->name, line);
    print_signature(arena, d, out);
    str_addc(out, '\n');
    print_comment(arena, d->doc ? d->doc : "(no comment)", out);
    print_tests(m, d, out);
}
