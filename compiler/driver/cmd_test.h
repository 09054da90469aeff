/*
 * cmd_test.h - the tests of one file, for programs other than ptlc.
 */
#ifndef PTL_DRIVER_CMD_TEST_H
#define PTL_DRIVER_CMD_TEST_H

#include "driver.h"

/* Runs the test blocks and gradient checks of `file`, which belongs to `m`: how
 * many fail. Why is in d->diags. */
int test_failures(driver *d, const lang_modules *modules, const lang_module *m,
                  const ast_file *file);

#endif
