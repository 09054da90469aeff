/*
 * options.c - the command line against a table of options.
 */
#include "runtime/options.h"
#include "base/nearest.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    const option_table *table;
    int command;
    int argc;
    char *const *argv;
    int next; /* the first word not read yet */
    ptl_arena *arena;
    char *into;
    ptl_error *err;
} reading;

static bool belongs(const option_spec *spec, int command)
{
    return (spec->commands >> command) & 1;
}

static const char *dashes(const char *name)
{
    return name[1] ? "--" : "-";
}

static ptl_status unknown_option(reading *r, const char *word)
{
    const option_table *t = r->table;
    VEC(const char *) names = {0};
    for (int i = 0; i < t->count; i++)
        if (belongs(&t->specs[i], r->command) && t->specs[i].name[1])
            vec_push(r->arena, &names,
                     arena_printf(r->arena, "--%s", t->specs[i].name));
    const char *plain = arena_strndup(r->arena, word, strcspn(word, "="));
    const char *nearest = ptl_nearest(plain, names.data, names.count);
    if (nearest)
        return ptl_fail(r->err, PTL_E_USAGE,
                        "`ptlc %s` has no option `%s`; did you mean `%s`?",
                        t->commands[r->command], plain, nearest);
    return ptl_fail(r->err, PTL_E_USAGE,
                    "`ptlc %s` has no option `%s`; `ptlc %s --help` lists them",
                    t->commands[r->command], plain, t->commands[r->command]);
}

static ptl_status other_commands(reading *r, const option_spec *spec)
{
    const option_table *t = r->table;
    ptl_str list = {0};
    for (int i = 0; i < t->command_count; i++)
        if (belongs(spec, i))
            str_printf(&list, "%s%s", list.length ? ", " : "", t->commands[i]);
    ptl_status st = ptl_fail(r->err, PTL_E_USAGE,
                             "`%s%s` is not an option of `ptlc %s`, but of %s",
                             dashes(spec->name), spec->name,
                             t->commands[r->command], str_text(&list));
    str_fini(&list);
    return st;
}

static bool is_word_of(const char *word, const char *words)
{
    size_t length = strlen(word);
    while (*words) {
        size_t next = strcspn(words, "|");
        if (next == length && memcmp(word, words, length) == 0)
            return true;
        words += next + (words[next] != 0);
    }
    return false;
}

static ptl_status set_int(reading *r, const option_spec *spec,
                          const char *value)
{
    char *end;
    option_int *field = (option_int *)(void *)(r->into + spec->field);
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || *end || end == value || number < 0)
        return ptl_fail(r->err, PTL_E_USAGE,
                        "`--%s` takes a whole number, not \"%s\"", spec->name,
                        value);
    field->given = true;
    field->value = number;
    return PTL_OK;
}

static ptl_status set_value(reading *r, const option_spec *spec,
                            const char *value)
{
    void *field = r->into + spec->field;
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return PTL_OK;
    case OPTION_INT:
        return set_int(r, spec, value);
    case OPTION_WORD:
        if (!is_word_of(value, spec->value))
            return ptl_fail(r->err, PTL_E_USAGE,
                            "`--%s` takes one of %s, not \"%s\"", spec->name,
                            spec->value, value);
        *(const char **)field = value;
        return PTL_OK;
    case OPTION_TEXT:
        *(const char **)field = value;
        return PTL_OK;
    case OPTION_TEXTS:
        vec_push(r->arena, (option_texts *)field, value);
        return PTL_OK;
    }
    return PTL_OK;
}

/* `value` is what follows in the same word (`=x`, `-Ix`), or NULL. */
static ptl_status read_option(reading *r, const option_spec *spec,
                              const char *value)
{
    if (!belongs(spec, r->command))
        return other_commands(r, spec);
    if (spec->kind == OPTION_FLAG && value)
        return ptl_fail(r->err, PTL_E_USAGE, "`--%s` takes no value",
                        spec->name);
    if (spec->kind != OPTION_FLAG && !value) {
        if (r->next == r->argc)
            return ptl_fail(r->err, PTL_E_USAGE, "`%s%s` needs a value: %s",
                            dashes(spec->name), spec->name, spec->value);
        value = r->argv[r->next++];
    }
    return set_value(r, spec, value);
}

static ptl_status read_word(reading *r, const char *word)
{
    const option_table *t = r->table;
    bool is_long = word[1] == '-';
    size_t length = is_long ? strcspn(word + 2, "=") : 1;
    const char *name = is_long ? word + 2 : word + 1;
    for (int i = 0; i < t->count; i++) {
        const option_spec *spec = &t->specs[i];
        if (strlen(spec->name) != length || (length == 1) == is_long ||
            memcmp(spec->name, name, length) != 0)
            continue;
        const char *value = name[length] ? name + length + is_long : NULL;
        return read_option(r, spec, value);
    }
    return unknown_option(r, word);
}

ptl_status options_parse(const option_table *table, int command, int argc,
                         char *const *argv, ptl_arena *arena, void *into,
                         option_texts *args, ptl_error *err)
{
    reading r = {table, command, argc, argv, 0, arena, into, err};
    bool ended = false;
    while (r.next < argc) {
        const char *word = argv[r.next++];
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (ended || word[0] != '-' || word[1] == 0) {
            vec_push(arena, args, word);
        } else {
            ptl_status st = read_word(&r, word);
            if (st != PTL_OK)
                return st;
        }
    }
    return PTL_OK;
}

static const char *option_word(ptl_arena *arena, const option_spec *spec)
{
    return arena_printf(arena, "%s%s", dashes(spec->name), spec->name);
}

static void add_words(const option_spec *spec, const char *field,
                      ptl_arena *arena, option_texts *out)
{
    const char *name = option_word(arena, spec), *text = NULL;
    const option_int *number = (const void *)field;
    const option_texts *texts = (const void *)field;
    switch (spec->kind) {
    case OPTION_FLAG:
        if (*(const bool *)(const void *)field)
            vec_push(arena, out, name);
        return;
    case OPTION_INT:
        if (number->given)
            text = arena_printf(arena, "%lld", (long long)number->value);
        break;
    case OPTION_TEXT:
    case OPTION_WORD:
        text = *(const char *const *)(const void *)field;
        break;
    case OPTION_TEXTS:
        for (int i = 0; i < texts->count; i++) {
            vec_push(arena, out, name);
            vec_push(arena, out, texts->data[i]);
        }
        return;
    }
    if (text) {
        vec_push(arena, out, name);
        vec_push(arena, out, text);
    }
}

void options_words(const option_table *table, const char *command,
                   const void *from, ptl_arena *arena, option_texts *out)
{
    int number = 0;
    while (strcmp(table->commands[number], command) != 0)
        number++;
    for (int i = 0; i < table->count; i++)
        if (belongs(&table->specs[i], number))
            add_words(&table->specs[i],
                      (const char *)from + table->specs[i].field, arena, out);
}

void options_help(const option_table *table, int command, ptl_str *out)
{
    for (int i = 0; i < table->count; i++) {
        const option_spec *spec = &table->specs[i];
        if (!belongs(spec, command))
            continue;
        ptl_str left = {0};
        str_printf(&left, "%s%s%s%s", dashes(spec->name), spec->name,
                   spec->kind == OPTION_FLAG ? "" : " ",
                   spec->kind == OPTION_FLAG ? "" : spec->value);
        str_printf(out, "  %-26s %s\n", str_text(&left), spec->help);
        str_fini(&left);
    }
}
