/*
 * ps.h - a parameter server: keeps buckets, adds gradients up, updates,
 * answers. States and messages: runtime/README.md, "Parameter server" and
 * "Barrier".
 */
#ifndef PTL_DIST_PS_H
#define PTL_DIST_PS_H

#include "dist/machine.h"

typedef struct dist_ps dist_ps;

/* Everything given is borrowed. `endpoint`: where workers reach this process.
 * Connects to the coordinator at once. */
dist_ps *ps_new(const machine_job *job, int index, uint64_t incarnation,
                const char *endpoint, const shard_store *store,
                const machine_out *out, uint64_t now);
void ps_free(dist_ps *ps); /* accepts NULL */
dist_hub *ps_hub(dist_ps *ps);
/* Asks the coordinator to end the job in order. */
void ps_drain(dist_ps *ps, uint64_t now);
void ps_tick(dist_ps *ps, uint64_t now);
/* Of a bucket that is here; NULL: it is not. */
const dist_shard *ps_shard(const dist_ps *ps, uint32_t bucket);

#endif
