/*
 * choice.h - the decisions of a generator, recorded.
 *
 * A random case is a function of the numbers it picked. Recording them makes
 * every case replayable, and makes shrinking a matter of deleting and lowering
 * numbers and generating again: 0 is always the simplest choice, and a case
 * that runs out of numbers gets zeros.
 */
#ifndef PTL_FUZZ_CHOICE_H
#define PTL_FUZZ_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct chooser {
    uint64_t state;   /* of the random numbers; not used in a replay */
    bool replaying;
    const uint32_t *given;
    int given_count, next;
    uint32_t *taken; /* what was picked, heap owned */
    int taken_count, room;
} chooser;

void chooser_random(chooser *c, uint64_t seed);
void chooser_replay(chooser *c, const uint32_t *given, int count);
void chooser_fini(chooser *c);

/* A number in [0, count); 0 is the simplest. */
int choose(chooser *c, int count);
/* `value` of [0, count) in a fresh case, what was recorded in a replay. */
int choose_this(chooser *c, int count, int value);
/* True once in `in` cases; false is simpler. */
bool choose_rarely(chooser *c, int in);

/*
 * Shortens and lowers the numbers while `fails` says the case still fails, with
 * at most `tries` calls. Returns the smallest failing numbers in heap memory.
 */
uint32_t *choice_shrink(const uint32_t *numbers, int count, int tries,
                        bool (*fails)(const uint32_t *numbers, int count,
                                      void *ctx),
                        void *ctx, int *shrunk_count);

#endif
