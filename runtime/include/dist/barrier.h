/*
 * barrier.h - barriers that live with a parameter server: who has entered which
 * generation, and when it is over.
 *
 * The original keeps a queue of tokens for each worker and barrier, under names
 * that meet ("1" + "10" is "11" + "0"), and a worker that dies after entering
 * enters twice. Here a barrier has a number, a generation and a bit for each
 * worker. Nothing is sent from here: the owner of the set does what the answer
 * says.
 */
#ifndef PTL_DIST_BARRIER_H
#define PTL_DIST_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct barrier_set barrier_set;

typedef enum barrier_answer {
    BARRIER_WAITS,    /* it is in; others are not */
    BARRIER_OVER,     /* it was the last: release this generation to all */
    BARRIER_WAS_OVER, /* the generation before: release it to this worker */
    BARRIER_OLD,      /* an older one: nobody can be waiting for it */
    BARRIER_AHEAD,    /* a later one: nobody can have got there */
    BARRIER_UNKNOWN   /* there is no such barrier or worker */
} barrier_answer;

/* Barriers 1 to `count`, all at generation 0, of `workers` members. Barriers
 * that live elsewhere cost a few bytes. */
barrier_set *barrier_set_new(int count, int workers);
void barrier_set_free(barrier_set *set); /* accepts NULL */

/* Entering again changes nothing and is answered the same way. */
barrier_answer barrier_enter(barrier_set *set, uint32_t barrier,
                             uint64_t generation, int worker);
/* A new process has the worker's place: it has entered nothing yet. */
void barrier_replaced(barrier_set *set, int worker);
/* The one that is not over. */
uint64_t barrier_generation(const barrier_set *set, uint32_t barrier);
bool barrier_entered(const barrier_set *set, uint32_t barrier, int worker);

#endif
