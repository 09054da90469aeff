/*
 * sim_model.h - what is trained in the simulator: integers, in arithmetic that
 * shows every difference in order and number; and the oracle that replays it.
 *
 * Elements are 64 bits, modulo 2^64. A gradient depends on worker, step, bucket
 * and the values it was computed from; its first element says whose it is.
 */
#ifndef TEST_SIM_MODEL_H
#define TEST_SIM_MODEL_H

#include "dist/machine.h"
#include "sim_random.h"

enum {
    SIM_WORKERS = 5,
    SIM_BUCKETS = 4,
    SIM_ELEMENTS = 40,
    SIM_STEPS = 6,
    SIM_LIVES = 4, /* of a worker's place */
    SIM_UPDATES = SIM_STEPS * SIM_WORKERS + 1,
    SIM_SERVERS = 3,
    SIM_ROUNDS = 2
};

typedef struct sim_read {
    bool done;
    uint64_t version[SIM_BUCKETS];
    uint64_t values[SIM_BUCKETS][SIM_ELEMENTS];
} sim_read;

/* A gradient that entered a sum. */
typedef struct sim_entry {
    int worker, life;
    uint64_t step;
} sim_entry;

/* What one parameter server has of the turn under way. */
typedef struct sim_server {
    struct sim_model *model;
    uint64_t partials[SIM_BUCKETS], totals[SIM_ROUNDS];
} sim_server;

typedef struct sim_model {
    uint64_t seed;
    int workers, buckets;
    uint64_t steps;
    size_t elements[SIM_BUCKETS];
    int owners[SIM_BUCKETS];
    shard_rules rules;
    int rounds; /* of totals; 0: no update needs any */
    uint64_t barrier; /* of workers that do not wait, in steps; 0: never */
    sim_server servers[SIM_SERVERS];
    /* What the parameter servers have. */
    uint64_t value[SIM_BUCKETS][SIM_ELEMENTS], sum[SIM_BUCKETS][SIM_ELEMENTS];
    sim_entry log[SIM_BUCKETS][SIM_UPDATES];
    int logged[SIM_BUCKETS];
    int updates[SIM_BUCKETS];
    /* What workers computed from. */
    sim_read reads[SIM_WORKERS][SIM_LIVES][SIM_STEPS];
    char wrong[200]; /* the first thing that was */
} sim_model;

void sim_model_init(sim_model *m);
void sim_model_wrong(sim_model *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool sim_is_empty(const sim_model *m, int worker, uint64_t step);
double sim_weight(const sim_model *m, int worker, uint64_t step);
void sim_gradient(const sim_model *m, int worker, int life, uint64_t step,
                  int bucket, uint64_t *out);

/* For the machines: of a parameter server, and of who adds up totals. */
shard_store sim_store(sim_model *m, int server);
machine_totals sim_totals(sim_model *m);

/* Replays what was logged and compares everything; `steps` were made. */
void sim_model_check(sim_model *m, uint64_t steps);

#endif
