/*
 * levels.h - the cpu levels this machine can run.
 */
#ifndef PTL_TEST_LEVELS_H
#define PTL_TEST_LEVELS_H

/* Names for llvm_options.cpu, `native` first, then the rest, NULL at the end. */
const char *const *test_levels(void);

#endif
