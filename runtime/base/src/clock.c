/*
 * clock.c - the two clocks.
 */
#include "base/clock.h"
#include <time.h>

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

double clock_began(void)
{
    static double began;
    if (began == 0)
        began = clock_seconds() - read_clock(CLOCK_PROCESS_CPUTIME_ID);
    return began;
}

struct timespec clock_in(clockid_t clock, int ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

void clock_stamp(char *text, size_t size)
{
    struct tm parts;
    time_t now = time(NULL);
    localtime_r(&now, &parts);
    if (!strftime(text, size, "%Y%m%d-%H%M%S", &parts) && size)
        *text = '\0';
}
