/*
 * barrier.c - see barrier.h.
 */
#include "dist/barrier.h"
#include "base/plant.h"
#include "base/status.h"
#include <stdlib.h>
#include <string.h>

typedef struct one_barrier {
    uint64_t generation;
    int entered; /* bits that are set */
} one_barrier;

struct barrier_set {
    int count, workers;
    size_t row;       /* bytes of one barrier's bits */
    one_barrier *all; /* [barrier - 1] */
    uint8_t *bits;    /* [barrier - 1][worker / 8] */
};

barrier_set *barrier_set_new(int count, int workers)
{
    barrier_set *set = calloc(1, sizeof *set);
    PTL_ASSERT(set && count >= 0 && workers > 0);
    set->count = count;
    set->workers = workers;
    set->row = ((size_t)workers + 7) / 8;
    set->all = calloc((size_t)count + 1, sizeof *set->all);
    set->bits = calloc((size_t)count + 1, set->row);
    PTL_ASSERT(set->all && set->bits);
    return set;
}

void barrier_set_free(barrier_set *set)
{
    if (!set)
        return;
    free(set->all);
    free(set->bits);
    free(set);
}

static bool is_known(const barrier_set *set, uint32_t barrier, int worker)
{
    return barrier >= 1 && barrier <= (uint32_t)set->count && worker >= 0 &&
           worker < set->workers;
}

static uint8_t *bits_of(const barrier_set *set, uint32_t barrier)
{
    return set->bits + (barrier - 1) * set->row;
}

bool barrier_entered(const barrier_set *set, uint32_t barrier, int worker)
{
    return is_known(set, barrier, worker) &&
           (bits_of(set, barrier)[worker / 8] >> worker % 8 & 1);
}

/* Generations count round and round: a distance is what says earlier, later. */
static barrier_answer of_another(int64_t ahead)
{
    if (ahead > 0)
        return BARRIER_AHEAD;
    return ahead == -1 ? BARRIER_WAS_OVER : BARRIER_OLD;
}

static void set_bit(barrier_set *set, uint32_t id, int worker)
{
    uint8_t *byte = bits_of(set, id) + worker / 8;
    if (!(*byte >> worker % 8 & 1) || ptl_is_planted(PTL_PLANT_ENTER_TWICE))
        set->all[id - 1].entered++;
    *byte = (uint8_t)(*byte | 1 << worker % 8);
}

barrier_answer barrier_enter(barrier_set *set, uint32_t id, uint64_t generation,
                             int worker)
{
    if (!is_known(set, id, worker))
        return BARRIER_UNKNOWN;
    one_barrier *b = &set->all[id - 1];
    int64_t ahead = (int64_t)(generation - b->generation);
    if (ahead != 0 && !ptl_is_planted(PTL_PLANT_ANY_GENERATION))
        return of_another(ahead);
    set_bit(set, id, worker);
    if (b->entered < set->workers)
        return BARRIER_WAITS;
    memset(bits_of(set, id), 0, set->row);
    b->entered = 0;
    b->generation++;
    return BARRIER_OVER;
}

void barrier_replaced(barrier_set *set, int worker)
{
    for (int i = 0; i < set->count; i++) {
        uint32_t id = (uint32_t)i + 1;
        if (!barrier_entered(set, id, worker))
            continue;
        uint8_t *byte = bits_of(set, id) + worker / 8;
        *byte = (uint8_t)(*byte & ~(1 << worker % 8));
        set->all[i].entered--;
    }
}

uint64_t barrier_generation(const barrier_set *set, uint32_t barrier)
{
    return set->all[barrier - 1].generation;
}
