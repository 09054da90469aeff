/*
 * driver.h - what the commands of ptlc share.
 *
 * A command is `int cmd_NAME(driver *d)`: it gets options and arguments read,
 * and returns the exit status. Whatever it allocates in d->arena lives until
 * it returns.
 */
#ifndef PTL_DRIVER_H
#define PTL_DRIVER_H

#include "base/diag.h"
#include "base/status.h"
#include "lang/module.h"
#include "runtime/options.h"

/* One field for each row of options.def, under the row's name. */
typedef struct driver_options {
#define FLAG(field, name, commands, help) bool field;
#define INT(field, name, value, commands, help) option_int field;
#define TEXT(field, name, value, commands, help) const char *field;
#define WORD(field, name, words, commands, help) const char *field;
#define TEXTS(field, name, value, commands, help) option_texts field;
#include "options.def"
} driver_options;

typedef struct driver {
    ptl_arena *arena;
    ptl_diags *diags;
    const option_table *table; /* of all commands */
    driver_options options;
    option_texts args; /* what is not an option */
    bool colour;       /* standard error is a terminal that wants colour */
    bool colour_out;   /* standard output is one */
    double since;      /* clock_seconds() when the last phase ended */
} driver;

enum {
    EXIT_DONE = 0,
    EXIT_WRONG = 1, /* the program is wrong, or a test failed */
    EXIT_USAGE = 2,
};

#define COMMAND(name, arguments, summary) int cmd_##name(driver *d);
#include "commands.def"

/*
 * A stage adds its text to `out`. What is wrong with the program goes to
 * d->diags and makes it false; a failure of the world goes to `err`.
 */
#define STAGE(name, text, summary)                                             \
    bool emit_##name(driver *d, const char *path, ptl_str *out, ptl_error *err);
#include "stages.def"

/* One line for each stage on standard output. */
void emit_help(void);

/*
 * Loads a program with the library and the folders of -I and PTL_PATH. NULL
 * with the reason in `err` where the file cannot be read; otherwise errors in
 * the text are in d->diags.
 */
lang_modules *driver_load(driver *d, const char *path, ptl_error *err);

/* Where lang_load() looks: for commands that load in their own way. */
lang_sources driver_sources(driver *d);

/* Prints the diagnostics so far to standard error; EXIT_WRONG if any is an
 * error, else EXIT_DONE. */
int driver_report(driver *d);

/* Refuses values that make no sense and options that are not built: 0, or
 * EXIT_USAGE after saying so. */
int driver_check_options(const driver *d, const char *command);

/* What went on since the last call was `phase`: its time, with --time. */
void driver_phase(driver *d, const char *phase);

/* "ptlc: error: ..." on standard error; the exit status of err->status. */
int driver_fail(const ptl_error *err);

/* Wrong usage: the sentence, and where help is. EXIT_USAGE. */
int driver_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
