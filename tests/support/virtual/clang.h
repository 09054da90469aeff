/*
 * clang.h - CUDA C to PTX, by Debian's clang-14.
 */
#ifndef SUPPORT_VIRTUAL_CLANG_H
#define SUPPORT_VIRTUAL_CLANG_H

#include <stdbool.h>

bool clang_is_there(void);
/* PTX of the file at `path`, to be freed; NULL when it does not compile. */
char *clang_compile(const char *path, int arch);

#endif
