/*
 * summary.h - what training a file takes: `ptlc check --summary`.
 */
#ifndef PTL_DRIVER_SUMMARY_H
#define PTL_DRIVER_SUMMARY_H

#include "compile_file.h"

/* Prints parameters, operations, bytes, peak memory and the largest batch that
 * fits. False: what is wrong is in d->diags or, where that holds no error, in
 * `err`. */
bool print_summary(driver *d, const char *path, ptl_error *err);

#endif
