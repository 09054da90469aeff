/*
 * options.h - GNU-style options from a table, for ptlc and for the programs
 * that `ptlc build` makes.
 *
 * `--name VALUE`, `--name=VALUE`, `-I DIR`, `-IDIR`; `--` ends the options;
 * options and arguments may mix. Of an option given twice the later counts,
 * except for OPTION_TEXTS, which collects.
 */
#ifndef PTL_RUNTIME_OPTIONS_H
#define PTL_RUNTIME_OPTIONS_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,  /* bool */
    OPTION_INT,   /* option_int: a whole number, 0 or more */
    OPTION_TEXT,  /* const char *: NULL while not given */
    OPTION_WORD,  /* const char *: one of the words of `value` */
    OPTION_TEXTS, /* option_texts */
} option_kind;

typedef struct option_int {
    bool given;
    int64_t value;
} option_int;

typedef VEC(const char *) option_texts;

typedef struct option_spec {
    const char *name; /* "threads" for --threads; "I" for -I */
    option_kind kind;
    const char *value; /* as help calls it; OPTION_WORD: "text|json" */
    const char *help;
    uint64_t commands; /* a bit for each command that has it */
    size_t field;      /* offset in the struct that is filled */
} option_spec;

typedef struct option_table {
    const option_spec *specs;
    int count;
    const char *const *commands; /* names, by bit; for messages */
    int command_count;
} option_table;

/*
 * Reads `argv` into the fields of `into` and the rest into `args`, for command
 * number `command`. E_USAGE: unknown, of other commands, or without its value;
 * the message has the nearest name. Texts are borrowed from `argv`.
 */
ptl_status options_parse(const option_table *table, int command, int argc,
                         char *const *argv, ptl_arena *arena, void *into,
                         option_texts *args, ptl_error *err);

/* The other way round: appends the words that give `command` (one of the
 * table's) those options of `from` that were given and that it has. */
void options_words(const option_table *table, const char *command,
                   const void *from, ptl_arena *arena, option_texts *out);

/* One aligned line for each option of the command. */
void options_help(const option_table *table, int command, ptl_str *out);

#endif
