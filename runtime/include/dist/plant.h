/*
 * plant.h - whether a mistake of plants.def is planted; outside of tests none
 * ever is.
 */
#ifndef PTL_DIST_PLANT_H
#define PTL_DIST_PLANT_H

#include <stdbool.h>

typedef enum dist_plant {
    DIST_PLANT_NONE,
#define PLANT(name, text) DIST_PLANT_##name,
#include "dist/plants.def"
#undef PLANT
    DIST_PLANT_COUNT
} dist_plant;

/* Set before anything runs, by tests only. */
extern dist_plant dist_planted;

static inline bool dist_is_planted(dist_plant fault)
{
    return dist_planted == fault;
}

/* By its name in the table, any case; DIST_PLANT_COUNT: there is none. */
dist_plant dist_plant_find(const char *name);

#endif
