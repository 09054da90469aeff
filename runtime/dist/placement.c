/*
 * placement.c - pieces of parameters and their owners.
 *
 * The original places whole variables (tensorpack's GreedyLoadBalancingStrategy
 * over byte_size_load_fn, and tf.train.replica_device_setter's round robin); of
 * variables that are not sliced the owners are the same.
 */
#include "dist/placement.h"
#include "base/plant.h"
#include "dist/placement_priv.h"
#include <stdlib.h>

/* Of one slice of `v`. */
static int64_t slice_elements(const place_variable *v, int64_t slice)
{
    int64_t blocks = slice / dtype_size(v->dtype) / PLACE_BLOCK;
    if (v->whole)
        return v->elements;
    return (blocks > 0 ? blocks : 1) * PLACE_BLOCK;
}

static int64_t piece_bytes(const place_variable *variables,
                           const place_piece *p)
{
    return p->count * dtype_size(variables[p->variable].dtype);
}

static int least(const int64_t *load, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (load[i] < load[best] + ptl_is_planted(PTL_PLANT_TIES_HIGH))
            best = i;
    return best;
}

typedef VEC(place_piece) piece_list;

static void cut_variable(ptl_arena *arena, const place_variable *v, int index,
                         int64_t slice, piece_list *out)
{
    int64_t most = slice_elements(v, slice);
    for (int64_t first = 0; first < v->elements; first += most) {
        int64_t left = v->elements - first;
        place_piece p = {.variable = index,
                         .first = first,
                         .count = left < most ? left : most};
        vec_push(arena, out, p);
    }
}

static void choose_owners(place_plan *plan, const place_variable *variables,
                          const place_options *o)
{
    for (int i = 0; i < plan->piece_count; i++) {
        place_piece *p = &plan->pieces[i];
        p->owner = o->balance == PLACE_ROUND_ROBIN &&
                           !ptl_is_planted(PTL_PLANT_NO_TURNS)
                       ? i % o->owners
                       : least(plan->owner_bytes, o->owners);
        plan->owner_bytes[p->owner] += piece_bytes(variables, p);
    }
}

place_plan *place_make(ptl_arena *arena, const place_variable *variables,
                       int count, const place_options *options)
{
    place_plan *plan = ARENA_NEW(arena, place_plan);
    piece_list pieces = {0};
    for (int i = 0; i < count; i++)
        cut_variable(arena, &variables[i], i, options->slice, &pieces);
    plan->pieces = pieces.data;
    plan->piece_count = pieces.count;
    plan->owner_bytes = ARENA_ARRAY(arena, int64_t, options->owners);
    choose_owners(plan, variables, options);
    place_buckets(arena, plan, variables, count, options);
    return plan;
}

double place_imbalance(const place_plan *plan, int owners)
{
    int64_t all = 0, most = 0;
    for (int i = 0; i < owners; i++) {
        all += plan->owner_bytes[i];
        if (plan->owner_bytes[i] > most)
            most = plan->owner_bytes[i];
    }
    return all ? (double)most * owners / (double)all : 1;
}

void place_caches(const place_variable *variables, int count, int devices,
                  int *device)
{
    int64_t load[64] = {0}; /* elements; towers are at most 64 */
    for (int i = 0; i < count; i++) {
        int64_t elements = variables[i].elements;
        device[i] = PLACE_CPU;
        if (elements <
                PLACE_CACHE_ELEMENTS + ptl_is_planted(PTL_PLANT_CACHE_LIMIT) ||
            devices == 0)
            continue;
        device[i] = least(load, devices);
        load[device[i]] += ptl_is_planted(PTL_PLANT_CACHE_COUNT) ? 1 : elements;
    }
}

uint32_t place_next_barrier(uint32_t *counter)
{
    return ++*counter - ptl_is_planted(PTL_PLANT_BARRIER_ZERO);
}

int place_barrier_owner(uint32_t barrier, int owners)
{
    return (int)(barrier % (uint32_t)owners);
}

int place_tower(int variable, int count, int towers)
{
    int first = ptl_is_planted(PTL_PLANT_TOWER_FIRST) ? 0 : count - 1;
    return abs(first - variable) % towers;
}
