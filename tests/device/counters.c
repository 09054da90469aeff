/*
 * counters.c - what a kernel did, counted.
 */
#include "counters.h"

void counters_add(counters *to, const counters *from)
{
#define COUNTER(name, text) to->name += from->name;
#include "counters.def"
#undef COUNTER
}
