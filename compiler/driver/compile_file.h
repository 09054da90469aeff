/*
 * compile_file.h - the way from a loaded file to a graph, shared by commands.
 */
#ifndef PTL_DRIVER_COMPILE_FILE_H
#define PTL_DRIVER_COMPILE_FILE_H

#include "codegen/compile.h"
#include "driver.h"
#include "lang/elab.h"
#include "lower/lower.h"

/* Splits every `--set NAME=VALUE`; false after a wrong one, with the reason in
 * `err`. */
bool driver_sets(driver *d, elab_options *options, ptl_error *err);

/*
 * The module that the main file belongs to, and its tree there: a file of the
 * library is looked at within the library, so its neighbours are in sight as
 * they are in use. `file` is NULL where nothing could be read.
 */
const lang_module *driver_module(const lang_modules *modules,
                                 const ast_file **file);

/* Loads FILE and checks the names of its own modules. NULL: what is wrong is in
 * d->diags or, where that holds no error, in `err`. */
lang_modules *driver_load_checked(driver *d, const char *path, ptl_error *err);

/* --cpu, --real, --no-fuse, --portable-bits, and the folder of the cache. */
compile_options driver_compile_options(driver *d, typed_precision precision);

/* Does --device name another one than this CPU? */
bool driver_wants_device(const driver_options *o);
/* What --device names, with --cublas for products; NULL: this CPU. A ps opens
 * none: its updates run on the host. `*out` is closed also when this failed. */
ptl_status driver_open_device(driver *d, struct ptl_device **out,
                              ptl_error *err);

/* All passes from IR to IR, the rounding of `precision` included. */
void driver_simplify(ir_graph *g, typed_precision precision,
                     const compile_options *options);

/* The mode in which a program of `kind` is elaborated. */
elab_mode driver_mode(lower_kind kind);

/*
 * The train block of FILE, elaborated at its own batch size. NULL: what is
 * wrong is in d->diags or, where that holds no error, in `err`.
 */
typed_program *driver_elaborate(driver *d, const lang_modules *modules,
                                lower_kind kind, ptl_error *err);

#endif
