/*
 * coordinator.h - who belongs to the job: epochs, places that are taken over,
 * and the end. States and messages: runtime/README.md, "Coordinator".
 */
#ifndef PTL_DIST_COORDINATOR_H
#define PTL_DIST_COORDINATOR_H

#include "dist/machine.h"

typedef struct dist_coordinator dist_coordinator;

dist_coordinator *coordinator_new(const machine_job *job, uint64_t incarnation,
                                  const machine_out *out, uint64_t now);
void coordinator_free(dist_coordinator *c); /* accepts NULL */
dist_hub *coordinator_hub(dist_coordinator *c);
void coordinator_tick(dist_coordinator *c, uint64_t now);
/* Ends in order: all workers after the same step. */
void coordinator_drain(dist_coordinator *c, uint64_t now);
uint32_t coordinator_epoch(const dist_coordinator *c);

#endif
