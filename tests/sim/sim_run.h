/*
 * sim_run.h - one schedule: a cluster of the real machines on the simulated
 * network, drawn from a seed.
 */
#ifndef TEST_SIM_RUN_H
#define TEST_SIM_RUN_H

#include "sim_net.h"
#include <stddef.h>

typedef struct sim_result {
    char wrong[400]; /* empty: all was right */
    char what[200];  /* the schedule in words */
    uint64_t ms;     /* of virtual time */
    sim_counts counts;
    int kills;
} sim_result;

/*
 * `trace`: prints what machines say of themselves. `lies`: some messages say
 * what nobody said, with right checksums; then nothing is asked for but that
 * all processes live and come to an end.
 */
void sim_run(uint64_t seed, bool trace, bool lies, sim_result *out);

#endif
