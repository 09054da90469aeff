/*
 * stop.h - SIGINT and SIGTERM end a run in order.
 *
 * The first signal only sets a flag the loop looks at between steps; it also
 * puts the default handler back, so that a second one ends the process.
 */
#ifndef PTL_TRAIN_STOP_H
#define PTL_TRAIN_STOP_H

#include <signal.h>

typedef struct stop_guard {
    struct sigaction before_int, before_term;
} stop_guard;

void stop_watch(stop_guard *guard);   /* forgets signals from before */
void stop_unwatch(stop_guard *guard); /* puts the former handlers back */
int stop_signal(void);                /* 0: none came */

#endif
