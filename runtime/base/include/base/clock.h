/*
 * clock.h - time since some start, for durations; and the date, for names.
 */
#ifndef PTL_BASE_CLOCK_H
#define PTL_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Monotonic; only differences mean something. */
double clock_seconds(void);
uint64_t clock_ms(void); /* the same, in milliseconds */
/* clock_seconds() when the process began, by the processor time it had used up
 * at the first call, which belongs at the top of main(). Main thread. */
double clock_began(void);
/* `ms` milliseconds from now on that clock, for waits that end. */
struct timespec clock_in(clockid_t clock, int ms);
/* "20260102-030405", local time. */
void clock_stamp(char *text, size_t size);

#endif
