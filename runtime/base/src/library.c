/*
 * library.c - see library.h.
 */
#include "base/library.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *library_open(const char *variable, const char *const *usual,
                   const char *missing, char *problem, size_t size)
{
    const char *path = getenv(variable);
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (int i = 0; !path && !library && usual[i]; i++)
        library = dlopen(usual[i], RTLD_NOW | RTLD_LOCAL);
    if (!library && path)
        snprintf(problem, size, "%s names \"%s\", which cannot be opened",
                 variable, path);
    else if (!library)
        snprintf(problem, size, "%s", missing);
    return library;
}

bool library_find(void *library, const char *name, void *pointer)
{
    void *symbol = dlsym(library, name);
    memcpy(pointer, &symbol, sizeof symbol);
    return symbol != NULL;
}

bool library_need(void *library, const char *what, const char *name,
                  void *pointer, char *problem, size_t size)
{
    bool found = library_find(library, name, pointer);
    if (!found)
        snprintf(problem, size, "%s is too old: it has no %s()", what, name);
    return found;
}
