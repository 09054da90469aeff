/*
 * lives.h - how long values of a scope stand in memory, by the order of its
 * groups: before there are steps and buffers. Private to sched/.
 */
#ifndef PTL_SCHED_LIVES_H
#define PTL_SCHED_LIVES_H

#include "sched/internal.h"

typedef struct sched_life {
    int64_t bytes;   /* 0: it takes no room of its own in the arena */
    bool passing;    /* only its own group reads it: a row or a register of it
                        is enough, as long as nobody else does */
    int first, last; /* groups: that makes it, that reads it last */
    VEC(int) uses;   /* groups that read it, ascending */
    bool by_comps;   /* only comprehensions read it, and under its own shape */
    VEC(ir_node *) operands; /* each once; of views, what they are views of */
    VEC(ir_node *) readers;
} sched_life;

typedef struct sched_lives {
    int groups;
    int *group_of;             /* by node id; -1: nobody makes it */
    sched_life *of;            /* by node id */
    VEC(ir_node *) * operands; /* by group: what it reads, inputs included */
} sched_lives;

/* Of a scope without scans whose groups are in order. */
void sched_find_lives(sched_schedule *s, sched_scope *scope, ptl_arena *arena,
                      sched_lives *out);

#endif
