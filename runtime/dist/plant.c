/*
 * plant.c - which mistake is planted: none, unless a test says so.
 */
#include "dist/plant.h"
#include <strings.h>

dist_plant dist_planted = DIST_PLANT_NONE;

dist_plant dist_plant_find(const char *name)
{
    static const char *const names[DIST_PLANT_COUNT] = {
        "none",
#define PLANT(name, text) #name,
#include "dist/plants.def"
#undef PLANT
    };
    int found = 0;
    while (found < DIST_PLANT_COUNT && strcasecmp(names[found], name) != 0)
        found++;
    return (dist_plant)found;
}
