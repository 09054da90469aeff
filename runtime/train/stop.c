/*
 * stop.c - the flag two signals set.
 */
#include "train/stop.h"

static volatile sig_atomic_t came;

static void note(int signal_number)
{
    came = signal_number;
}

void stop_watch(stop_guard *guard)
{
    struct sigaction action = {.sa_handler = note,
                               .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    came = 0;
    sigaction(SIGINT, &action, &guard->before_int);
    sigaction(SIGTERM, &action, &guard->before_term);
}

void stop_unwatch(stop_guard *guard)
{
    sigaction(SIGINT, &guard->before_int, NULL);
    sigaction(SIGTERM, &guard->before_term, NULL);
}

int stop_signal(void)
{
    return came;
}
