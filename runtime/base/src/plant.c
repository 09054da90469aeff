/*
 * plant.c - which mistake is planted: none, unless a test says so.
 */
#include "base/plant.h"
#include <strings.h>

ptl_plant ptl_planted = PTL_PLANT_NONE;

ptl_plant ptl_plant_find(const char *name)
{
    static const char *const names[PTL_PLANT_COUNT] = {
        "none",
#define PLANT(name, text) #name,
#include "base/plants.def"
#undef PLANT
    };
    int found = 0;
    while (found < PTL_PLANT_COUNT && strcasecmp(names[found], name) != 0)
        found++;
    return (ptl_plant)found;
}
