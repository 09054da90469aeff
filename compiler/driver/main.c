/*
 * main.c - ptlc: finds the command, reads its options, runs it.
 */
#include "base/clock.h"
#include "base/nearest.h"
#include "driver.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct command {
    const char *name, *arguments, *summary;
    int (*run)(driver *d); /* NULL: not built yet */
} command;

enum command_number {
#define COMMAND(name, arguments, summary) COMMAND_##name,
#define LATER(name, arguments, summary) COMMAND_##name,
#include "commands.def"
    COMMAND_COUNT
};

static const command commands[] = {
#define COMMAND(name, arguments, summary)                                      \
    {#name, arguments, summary, cmd_##name},
#define LATER(name, arguments, summary) {#name, arguments, summary, NULL},
#include "commands.def"
};

static const char *const command_names[] = {
#define COMMAND(name, arguments, summary) #name,
#define LATER(name, arguments, summary) #name,
#include "commands.def"
};

#define IN(name) ((uint64_t)1 << COMMAND_##name)
#define AT(field) offsetof(driver_options, field)
static const option_spec specs[] = {
#define FLAG(field, name, in, help)                                            \
    {name, OPTION_FLAG, NULL, help, in, AT(field)},
#define INT(field, name, value, in, help)                                      \
    {name, OPTION_INT, value, help, in, AT(field)},
#define TEXT(field, name, value, in, help)                                     \
    {name, OPTION_TEXT, value, help, in, AT(field)},
#define WORD(field, name, words, in, help)                                     \
    {name, OPTION_WORD, words, help, in, AT(field)},
#define TEXTS(field, name, value, in, help)                                    \
    {name, OPTION_TEXTS, value, help, in, AT(field)},
#include "options.def"
};

static const option_table table = {specs, (int)(sizeof specs / sizeof *specs),
                                   command_names, COMMAND_COUNT};

static int help(void)
{
    puts("ptlc - trains neural networks from PTL files\n\n"
         "usage: ptlc COMMAND [OPTION]... [ARGUMENT]...\n\ncommands:");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].run)
            printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nnot built yet: ", stdout);
    const char *comma = "";
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!commands[i].run) {
            printf("%s%s", comma, commands[i].name);
            comma = ", ";
        }
    puts("\n\n`ptlc COMMAND --help` lists a command's options.");
    return EXIT_DONE;
}

static int command_help(int number)
{
    const command *c = &commands[number];
    ptl_str text = {0};
    options_help(&table, number, &text);
    printf("ptlc %s - %s\n\nusage: ptlc %s [OPTION]... %s\n\noptions:\n%s",
           c->name, c->summary, c->name, c->arguments, str_text(&text));
    str_fini(&text);
    if (number == COMMAND_emit) {
        puts("\nstages:");
        emit_help();
    }
    return EXIT_DONE;
}

static int unknown_command(const char *word)
{
    const char *nearest = ptl_nearest(word, command_names, COMMAND_COUNT);
    if (nearest)
        return driver_usage(NULL,
                            "there is no command `%s`; did you mean `%s`?",
                            word, nearest);
    return driver_usage(NULL, "there is no command `%s`", word);
}

static bool wants_colour(int file)
{
    const char *no_colour = getenv("NO_COLOR");
    return !(no_colour && *no_colour) && isatty(file);
}

static int run_command(int number, int argc, char **argv)
{
    ptl_error err;
    driver d = {.arena = arena_new(),
                .table = &table,
                .colour = wants_colour(STDERR_FILENO),
                .colour_out = wants_colour(STDOUT_FILENO),
                .since = clock_began()};
    int status;
    if (options_parse(&table, number, argc, argv, d.arena, &d.options, &d.args,
                      &err) != PTL_OK) {
        status = driver_usage(commands[number].name, "%s", err.text);
    } else if (d.options.help) {
        status = command_help(number);
    } else {
        enum { DEFAULT_MAX_ERRORS = 20 };
        d.diags = diags_new(d.options.max_errors.given
                                ? (int)d.options.max_errors.value
                                : DEFAULT_MAX_ERRORS);
        driver_phase(&d, "load ptlc");
        status = commands[number].run(&d);
        d.since = clock_began();
        driver_phase(&d, "in all");
        diags_free(d.diags);
    }
    arena_free(d.arena);
    return status;
}

int main(int argc, char **argv)
{
    clock_began();
    if (argc < 2)
        return driver_usage(NULL, "a command is missing");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0)
        return help();
    if (strcmp(word, "--version") == 0) {
        puts("ptlc " PTL_VERSION);
        return EXIT_DONE;
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, word) != 0)
            continue;
        if (!commands[i].run)
            return driver_usage(NULL, "`ptlc %s` (%s) is not built yet", word,
                                commands[i].summary);
        return run_command(i, argc - 2, argv + 2);
    }
    return unknown_command(word);
}
