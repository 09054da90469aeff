/*
 * cmd_test.h - the tests of one file, for other commands and programs.
 */
#ifndef PTL_DRIVER_CMD_TEST_H
#define PTL_DRIVER_CMD_TEST_H

#include "driver.h"
#include "ir/ir.h"

/* Runs the test blocks and gradient checks of `file`, which belongs to `m`: how
 * many fail. Why is in d->diags. */
int test_failures(driver *d, const lang_modules *modules, const lang_module *m,
                  const ast_file *file);

/* What `ptlc test` compiles of the first file, as one graph, which is the
 * caller's; NULL: something is wrong, which is in d->diags or `err`. */
ir_graph *test_graph(driver *d, const lang_modules *modules, ptl_error *err);

#endif
