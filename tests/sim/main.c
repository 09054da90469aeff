/*
 * main.c - schedules by the thousand.
 *
 *   sim_cluster [--lies 1] [--schedules N] [--first SEED] [--plant NAME]
 *   sim_cluster [--lies 1] --seed SEED      one schedule, with a trace
 *
 * A schedule that fails is printed with its seed. With --plant a mistake of
 * base/plants.def is in the machines: not to find it is exit status 1.
 */
#include "base/plant.h"
#include "sim_run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool lies;

static int one(uint64_t seed)
{
    sim_result r;
    sim_run(seed, true, lies, &r);
    printf("seed %llu: %s\n%s\n", (unsigned long long)seed, r.what,
           r.wrong[0] ? r.wrong : "all is right");
    return r.wrong[0] ? 1 : 0;
}

/* How many failed; stops at the first. */
static int many(uint64_t first, uint64_t schedules)
{
    sim_counts all = {0};
    uint64_t ms = 0, kills = 0;
    for (uint64_t i = 0; i < schedules; i++) {
        sim_result r;
        sim_run(first + i, false, lies, &r);
        if (r.wrong[0]) {
            printf("seed %llu: %s\n%s\n", (unsigned long long)(first + i),
                   r.what, r.wrong);
            return 1;
        }
        all.messages += r.counts.messages;
        all.doubled += r.counts.doubled;
        all.damaged += r.counts.damaged;
        all.lied += r.counts.lied;
        all.lost += r.counts.lost;
        all.broken += r.counts.broken;
        kills += (uint64_t)r.kills;
        ms += r.ms;
    }
    printf("%llu schedules from seed %llu: %llu messages (%llu doubled, %llu "
           "damaged, %llu lies, %llu lost), %llu connections broken, %llu "
           "workers killed, "
           "%llu s of virtual time\n",
           (unsigned long long)schedules, (unsigned long long)first,
           (unsigned long long)all.messages, (unsigned long long)all.doubled,
           (unsigned long long)all.damaged, (unsigned long long)all.lied,
           (unsigned long long)all.lost, (unsigned long long)all.broken,
           (unsigned long long)kills, (unsigned long long)ms / 1000);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t first = (uint64_t)time(NULL) * 100000, schedules = 1000;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed"))
            return one(value);
        if (!strcmp(argv[i], "--lies"))
            lies = value != 0;
        else if (!strcmp(argv[i], "--first"))
            first = value;
        else if (!strcmp(argv[i], "--schedules"))
            schedules = value;
        else if (!strcmp(argv[i], "--plant"))
            ptl_planted = ptl_plant_find(argv[i + 1]);
    }
    if (ptl_planted == PTL_PLANT_COUNT) {
        fprintf(stderr, "sim_cluster: no such mistake\n");
        return 2;
    }
    bool wrong = ptl_planted != PTL_PLANT_NONE;
    return many(first, schedules) == wrong ? 0 : 1;
}
