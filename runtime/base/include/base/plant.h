/*
 * plant.h - whether a mistake of plants.def is planted; outside of tests none
 * ever is.
 */
#ifndef PTL_BASE_PLANT_H
#define PTL_BASE_PLANT_H

#include <stdbool.h>

typedef enum ptl_plant {
    PTL_PLANT_NONE,
#define PLANT(name, text) PTL_PLANT_##name,
#include "base/plants.def"
#undef PLANT
    PTL_PLANT_COUNT
} ptl_plant;

/* Set before anything runs, by tests only. */
extern ptl_plant ptl_planted;

static inline bool ptl_is_planted(ptl_plant fault)
{
    return ptl_planted == fault;
}

/* By its name in the table, any case; PTL_PLANT_COUNT: there is none. */
ptl_plant ptl_plant_find(const char *name);

#endif
