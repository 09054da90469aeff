/*
 * internal.h - what the passes of the schedule share. Private to sched/.
 */
#ifndef PTL_SCHED_INTERNAL_H
#define PTL_SCHED_INTERNAL_H

#include "sched/sched.h"

/* A scope whose graph keeps every node in memory: pointwise producers are
 * inlined (unless s->options.no_fuse), every one of the outputs (of `g`, or of
 * a scan's body) has a node of its own. */
sched_scope *sched_fuse(sched_schedule *s, const ir_graph *g,
                        const ir_output *outputs, int output_count);

sched_class sched_classify(ir_node *n, const sched_options *options,
                           const char **note);
/* Does every element of the scatter's source keep its place in row-major
 * order? */
bool sched_only_reshapes(const ir_node *scatter);
/* Which variables an expression mentions, as bits. */
uint32_t sched_vars_of(ir_expr *e);
/* Adds variable `var` of `comp` as the axis' innermost. */
void sched_axis_add(sched_axis *axis, const ir_comp *comp, int var);
/* Batch, M, N and K by where the variables of c->node occur in c->left and
 * c->right; axes of the result with one element are in none. */
void sched_split_axes(sched_contraction *c);
/* Are M, N and K long enough for a product? */
bool sched_has_long_axes(const sched_contraction *c);
/* The innermost axis of the result that has an extent; -1: none. */
int sched_innermost(const ir_comp *comp);
/* Has the read a subscript with indices of the result and reduced ones? */
bool sched_is_windowed(const ir_comp *comp, const ir_expr *read);

/* Fills scope->store. */
void sched_find_stores(sched_schedule *s, sched_scope *scope);
/* Does every element get its value from exactly one piece? */
bool sched_covers_all(const ir_node *scatter);
/* Fills scope->groups anew; nodes in groups in the order they run. */
void sched_group_nodes(sched_schedule *s, sched_scope *scope);
/* Sorts groups; makes a group that updates an input run after those that
 * read the old value, where that is possible. */
void sched_order(sched_schedule *s, sched_scope *scope);
/* Copies of maps for late readers, where that frees memory at little cost; true:
 * there are some, and groups have to be formed and sorted anew. */
bool sched_recompute(sched_schedule *s, sched_scope *scope);
/* What `n` waits for without reading it; NULL: nothing. */
ir_node *sched_followed(const sched_scope *scope, const ir_node *n);
/* Buffers and steps of every group; fixes homes of updates. Nodes whose buffer
 * is known already (scope->node_buffer >= 0) keep it. */
void sched_make_steps(sched_schedule *s, sched_scope *scope);
/* Buffers of all nodes of a scope that have none yet. */
void sched_add_node_buffers(sched_schedule *s, sched_scope *scope);
/* Homes of updates: in place, or copies as the last steps. */
void sched_place_updates(sched_schedule *s, sched_scope *scope);
/* Steps of a scan, its body's included. */
void sched_add_scan(sched_schedule *s, sched_scope *scope,
                    const sched_scan *scan);
/* A MAP step over nodes of one domain. */
sched_step *sched_add_map(sched_schedule *s, sched_scope *scope,
                          ir_node *const *nodes, int count);
sched_step *sched_add_step(sched_schedule *s, sched_scope *scope,
                           sched_step_kind kind, const char *name);
/* How a node's value is stored. */
sched_buffer sched_buffer_of(const sched_schedule *s, const ir_node *n);
/* A new node that equals `n`, element by element. */
ir_node *sched_copy_node(sched_scope *scope, ir_node *n);
/* Records where the value of a node that was added late is. */
void sched_set_buffer(sched_schedule *s, sched_scope *scope, const ir_node *n,
                      int buffer);
/* Marks buffers that need no memory. */
void sched_find_private(sched_schedule *s);
/* Flops and bytes of every step. */
void sched_estimate(sched_schedule *s);
/* Lifetimes, reuse in place, offsets. */
void sched_plan_memory(sched_schedule *s);

/* Fills in how a contraction is cut into tasks and blocks. */
void sched_plan_blocks(sched_contraction *c, const sched_options *options);
/* Fills c->matrices where a library may compute the product: K is one part
 * then. */
void sched_find_matrices(sched_schedule *s, const sched_scope *scope,
                         sched_contraction *c);
/* Describes how `step` (a PACK) reads its factor; adds tables. */
void sched_plan_pack(sched_schedule *s, sched_step *step);
/* Distances, tables and accesses of a DIRECT step. */
void sched_plan_direct(sched_schedule *s, sched_step *step, sched_direct *d);
/* The step touches `buffer`; `same_map` as in sched_access. */
void sched_access_add(sched_schedule *s, sched_step *step, int buffer,
                      bool same_map);
/* Adds a buffer; fills size, home and lifetime. */
int sched_buffer_add(sched_schedule *s, sched_buffer buffer);
/* Adds a constant of `count` numbers, which live as long as the schedule. */
int sched_table_add(sched_schedule *s, const char *name, ptl_dtype dtype,
                    const void *values, int64_t count);

/* report.c: a line of sums over all steps as often as they run; a section that
 * says of each sum of products how it is carried out, and why; what fills the
 * memory at its fullest. */
void sched_print_totals(const sched_schedule *s, ptl_str *out);
void sched_print_contractions(const sched_schedule *s, ptl_str *out);
void sched_print_fullest(const sched_schedule *s, ptl_str *out);

#endif
