/*
 * internal.h - what the passes of the schedule share. Private to sched/.
 */
#ifndef PTL_SCHED_INTERNAL_H
#define PTL_SCHED_INTERNAL_H

#include "sched/sched.h"

/* Makes s->graph, in which every node is kept in memory: pointwise producers
 * are inlined (unless s->options.no_fuse), every output has a node of its own;
 * and s->view_of. */
void sched_fuse(sched_schedule *s, const ir_graph *g);

sched_class sched_classify(ir_node *n, const sched_options *options,
                           const char **note);
/* Is this subscript exactly variable `var`? */
bool sched_is_variable(const ir_sub *sub, int var);

/* Fills s->groups from s->graph; nodes in groups in the order they run. */
void sched_group_nodes(sched_schedule *s);
/* Sorts groups; makes a group that updates an input run after those that
 * read the old value, where that is possible. */
void sched_order(sched_schedule *s);
/* Buffers and steps of every group; fixes homes of updates. */
ptl_status sched_make_steps(sched_schedule *s, ptl_error *err);
/* Flops and bytes of every step. */
void sched_estimate(sched_schedule *s);
/* Lifetimes, reuse in place, offsets. */
void sched_plan_memory(sched_schedule *s);

/* Describes how `step` (a PACK) reads its factor; adds tables. */
void sched_plan_pack(sched_schedule *s, sched_step *step);
/* The step touches `buffer`; `same_map` as in sched_access. */
void sched_access_add(sched_schedule *s, sched_step *step, int buffer,
                      bool same_map);
/* Adds a buffer; fills size, home and lifetime. */
int sched_buffer_add(sched_schedule *s, sched_buffer buffer);

#endif
