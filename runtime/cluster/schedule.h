/*
 * schedule.h - what the buckets of a cluster did, in what order: written by the
 * processes of a job (`--record FILE`), read by `ptlc run --replay FILE`.
 *
 * Each parameter server writes FILE.psI, what became of its buckets; worker 0
 * writes FILE.worker0, what its lines counted. `ptlc launch` puts these parts
 * one after another into FILE. The format is in runtime/README.md, "Recorded
 * schedules".
 */
#ifndef PTL_CLUSTER_SCHEDULE_H
#define PTL_CLUSTER_SCHEDULE_H

#include "base/arena.h"
#include "base/status.h"
#include "dist/shard.h"

/* Of which job a schedule is. */
typedef struct schedule_head {
    int servers, workers, towers, buckets;
    int64_t first;         /* step of the job that the run began with */
    const char *agreement; /* lines, as the processes compare them */
} schedule_head;

/* ---------- writing ---------- */

typedef struct schedule_record schedule_record;

/*
 * Begins the part of `part` ("ps0") at `path`. `rounds`: of each bucket, the
 * exchange its workers begin with. Everything given is copied. E_IO.
 */
ptl_status record_open(const char *path, const char *part,
                       const schedule_head *head, const uint64_t *rounds,
                       schedule_record **out, ptl_error *err);
/* For dist/machine.h; one thread at a time. What cannot be written shows when
 * the record is closed. */
shard_notice record_notice(schedule_record *r);
/* Worker 0 made a step (counted from 1): what it logged of the updates so far;
 * `rated`: and of their rate. */
void record_step(schedule_record *r, int64_t step, int64_t updates, bool rated);
/* Ends the part; E_IO: it is not whole. Accepts NULL. */
ptl_status record_close(schedule_record *r, ptl_error *err);

/* ---------- reading ---------- */

typedef struct schedule_event {
    shard_event what;
    int worker;
    uint64_t round;
    int line;
} schedule_event;

typedef struct schedule_events {
    schedule_event *data;
    int count, room;
} schedule_events;

typedef struct schedule_step {
    int64_t updates;
    bool rated;
} schedule_step;

typedef struct schedule {
    ptl_arena *arena;
    const char *path;
    schedule_head head;
    schedule_events *buckets; /* head.buckets of them */
    struct {
        schedule_step *data; /* of worker 0, from head.first on */
        int count, room;
    } steps;
} schedule;

/*
 * Reads a schedule, in its parts or as one file: whole, of one job, each
 * worker's events of a bucket in the order of its exchanges. E_IO; E_DATA with
 * file and line for what is damaged, or cannot be replayed. After a failure
 * too: schedule_fini().
 */
ptl_status schedule_read(const char *path, schedule *out, ptl_error *err);
void schedule_fini(schedule *s);
/* E_DATA with the first difference where the schedule is of a job that agreed
 * on something else. */
ptl_status schedule_check(const schedule *s, const char *agreement,
                          ptl_error *err);

#endif
