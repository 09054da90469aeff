/*
 * library.h - shared libraries of others, opened while running.
 */
#ifndef PTL_BASE_LIBRARY_H
#define PTL_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* The one that `variable` of the environment names, or the first of the `usual`
 * ones, of which the last is followed by NULL, that opens. NULL: `problem` says
 * that the variable's does not open, or `missing`. */
void *library_open(const char *variable, const char *const *usual,
                   const char *missing, char *problem, size_t size);
/* A function's address to a pointer of its type; false: there is none. */
bool library_find(void *library, const char *name, void *pointer);
/* The same, and then `problem` says that `what` is too old. */
bool library_need(void *library, const char *what, const char *name,
                  void *pointer, char *problem, size_t size);

#endif
