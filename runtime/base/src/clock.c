/*
 * clock.c - the two clocks.
 */
#include "base/clock.h"
#include <time.h>

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_stamp(char *text, size_t size)
{
    struct tm parts;
    time_t now = time(NULL);
    localtime_r(&now, &parts);
    if (!strftime(text, size, "%Y%m%d-%H%M%S", &parts) && size)
        *text = '\0';
}
