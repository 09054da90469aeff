/*
 * plant_env.c - the mistake of base/plants.def that PTL_PLANT names is planted
 * before main() begins.
 *
 * It is linked into tests, and into ptlc_planted, which is ptlc for tests; in
 * what users get, nobody asks for the variable.
 */
#include "base/plant.h"
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void plant(void)
{
    const char *name = getenv("PTL_PLANT");
    ptl_planted = ptl_plant_find(name ? name : "none");
    if (ptl_planted == PTL_PLANT_COUNT) {
        fprintf(stderr, "PTL_PLANT: there is no mistake \"%s\"\n", name);
        exit(2);
    }
}
