/*
 * sched.h - the schedule: which kernels there are, over which buffers, in
 * which order, and where the buffers lie.
 *
 * Made from a graph in passes, each in its own file:
 *
 *   layout.c     the order of axes of intermediate tensors; relayout.c makes it
 *   fuse.c       inlines pointwise producers: a new graph, every node of which
 *                is kept in memory
 *   classify.c   map, reduction, contraction, scatter
 *   store.c      which results are stored through a scatter
 *   group.c      which nodes share a step
 *   steps.c      steps and scratch buffers of each group; pack.c and blocks.c
 *                those of contractions; matrices.c which of these a library
 *                may compute
 *   order.c      the order of groups, and updates in place
 *   recompute.c  what is computed again rather than kept; lives.c says how long
 *                that would be
 *   private.c    what exists within a row only
 *   memplan.c    lifetimes and offsets
 *   estimate.c   flops and bytes
 *   plan_verify.c  simulates the plan
 *   report.c     expected times; which sums of products are on the template
 *   print.c      `ptlc emit schedule`
 *
 * Everything is decided by sizes and options alone, never by the number of
 * threads; the micro-tile of contractions comes from the target and changes no
 * bits. A schedule owns its arena and its graph.
 */
#ifndef PTL_SCHED_SCHED_H
#define PTL_SCHED_SCHED_H

#include "ir/ir.h"
#include "kernel/kernel.h"
#include "runtime/program.h"

typedef enum sched_class {
#define SCHED_CLASS(name, text) SCHED_##name,
#include "sched/class.def"
#undef SCHED_CLASS
    SCHED_CLASS_COUNT
} sched_class;

typedef enum sched_step_kind {
#define SCHED_STEP(name, text, builder) SCHED_STEP_##name,
#include "sched/step.def"
#undef SCHED_STEP
    SCHED_STEP_COUNT
} sched_step_kind;

typedef struct sched_options {
    bool f64;
    bool no_fuse;
    bool library;       /* products of matrices may be a library's */
    bool sizes_only;    /* tables stay empty: nothing will run */
    kern_target target; /* micro-tiles */
} sched_options;

/* Lanes of every kernel, the same for all targets: a reduction's tree depends
 * on it, so results do not depend on the machine's vector width. */
enum { SCHED_LANES_F32 = 16, SCHED_LANES_F64 = 8 };

/* ---------- buffers ---------- */

typedef struct sched_buffer {
    const char *name;
    ptl_role role;
    ptl_dtype dtype;
    int rank;
    int64_t dims[IR_MAX_RANK];
    int64_t size_bytes;
    const void *constant; /* CONSTANT: in the schedule's arena */
    bool updated;
    bool in_row; /* only the row at hand exists, inside its ROWS step */
    int64_t idx_bound;
    int home;  /* the buffer whose memory this is: itself, or one it reuses in
                  place (follow until it is its own) */
    int first; /* step that writes it first; -1: before all steps */
    int last;  /* last step that touches it; step count: beyond the end */
    int64_t offset; /* in the arena */
} sched_buffer;

/* ---------- loops ---------- */

/* One loop over variables of a comprehension. Collapsing merges a neighbour
 * into the inner variable; the outer then stays at 0. */
typedef struct sched_loop {
    int var;
    int64_t lo, extent;
    bool reduced;
} sched_loop;

/* Loops in order, outputs first; variables without one are fixed at `lo`. */
typedef struct sched_space {
    int count, out_count;
    sched_loop loops[IR_MAX_VARS];
} sched_space;

/* The loops of nodes that share their domain: extents of 1 dropped, neighbours
 * collapsed where every address allows it. Variables before `first_var` are
 * left out: someone else runs them. */
struct sched_scope;
void sched_space_of(const struct sched_scope *scope, ir_node *const *nodes,
                    int count, int first_var, sched_space *out);
/* The part of a read's address that is affine: element = constant + sum of
 * coef[v] * v. Axes that are gathered, clamped, wrapped or reflected are not
 * in it; `whole` says whether there are none. */
typedef struct sched_address {
    int64_t constant;
    int64_t coef[IR_MAX_VARS];
    bool whole;
} sched_address;
void sched_address_of(const ir_expr *read, sched_address *out);
/* Row-major stride of axis `axis`. */
int64_t sched_stride(const ir_type *type, int axis);
/* Is axis `axis` of this subscript list in the affine part of the address? */
bool sched_is_direct(const ir_sub *sub);
/* Is this subscript exactly variable `var`? */
bool sched_is_variable(const ir_sub *sub, int var);
/*
 * The variable that best runs along the lanes, among loops [from, to) of
 * `space`, judged by how the nodes' reads and (`stored`) the result lie in
 * memory; -1 where there is none. `cost` is per element and lane.
 */
int sched_pick_lanes(const struct sched_scope *scope, ir_node *const *nodes,
                     int count, const sched_space *space, int from, int to,
                     int lanes, double *cost);

/* ---------- reductions ---------- */

typedef struct sched_reduction {
    int lane_var;          /* along the lanes; -1: one lane */
    bool lanes_reduce;     /* the lanes split the reduction, not the outputs */
    bool columns; /* accumulators in memory: rows are read as they lie */
    int chunk_var;         /* its range is cut into `chunks` of `chunk` */
    int64_t chunk, chunks; /* chunks 1: not cut */
    int block_var; /* sums: after `block` of its values what is summed */
    int64_t block; /* joins an outer sum; block_var -1: at the end */
} sched_reduction;

/* Vectors side by side where the lanes split a reduction; rows that are added
 * up before they join a sum of columns. */
enum { SCHED_VECTORS = 4, SCHED_COLUMN_ROWS = 4 };

/*
 * How many of a sum's terms may be added one after another. Where all are equal
 * the roundings go one way, and c of them in a row err by up to eps/4 * c of
 * the sum; 4 * eps * sqrt(terms) is what the error model allows.
 */
int64_t sched_longest_chain(int64_t terms);

/* How reductions that share their domain run over `space`: by sizes alone.
 * `cut`: they may become several tasks. */
void sched_plan_reduction(const struct sched_scope *scope,
                          ir_node *const *nodes, int count,
                          const sched_space *space, int lanes, bool cut,
                          sched_reduction *out);

/* ---------- scatters ---------- */

/* Do different values of the source's axis `axis` lead to different elements,
 * whatever the other axes are? */
bool sched_scatter_apart(const ir_node *n, const ir_piece *piece, int axis);
/* How many terms may meet in one element, one after another. */
int64_t sched_scatter_chain(const ir_node *n);

/* ---------- contractions ---------- */

/* Products that a contraction must have; fewer are an ordinary sum. */
enum { SCHED_LEAST_WORK = 1 << 15 };
/* Products that a contraction must have for a library to compute it, as many as
 * 128 x 128 x 64 has: a GPU of 10^13 products a second needs a tenth of a
 * microsecond for them, and some microseconds for any launch, so of smaller
 * ones no other kernel makes a step shorter. An estimate; nothing was
 * measured. */
enum { SCHED_LIBRARY_WORK = 1 << 20 };

typedef struct sched_axis { /* a fused logical axis */
    int vars[IR_MAX_VARS];
    int count;
    int64_t extent;
    uint32_t reversed; /* variables that go from their last value to the first */
} sched_axis;

typedef struct sched_contraction {
    ir_node *node;
    ir_expr *left, *right; /* factors: left varies along M, right along N */
    sched_axis batch, m, n, k;
    int64_t splits, k_split; /* K in `splits` pieces of `k_split` */
    int mr, nr;
    /* How panels are multiplied: K in blocks of kc; tasks of m_block by n_block
     * panels. What the tasks themselves pack (blocks.c). */
    int64_t kc, m_block, n_block;
    bool packs_left, packs_right;
    int packed; /* values of k in one number of a panel: 1, or 2 of bf16 */
    const kern_matrices *matrices; /* of the schedule's buffers: a library may
                                      compute it; NULL: it is not for one */
} sched_contraction;

/* Fills `out` and returns NULL, or says why `n` is not on the template. */
const char *sched_find_contraction(ir_node *n, const sched_options *options,
                                   sched_contraction *out);
/* May `e` be evaluated while packing: operations on affine reads? */
bool sched_is_packable(ir_expr *e);
/*
 * A contraction whose left factor is used where it lies (direct.c). Rows are
 * batch and M as one axis; they come in segments, each of `tiles` tiles: mr
 * rows, the last `last_rows`. K comes in runs of `length` steps.
 */
enum { SCHED_DIRECT_ROWS = KERN_MOST_ROWS };
typedef struct sched_direct {
    sched_contraction base; /* K in the order in which it is walked */
    sched_axis rows;
    bool packs_right;
    int64_t segment, tiles;
    int last_rows;
    /* Distances within a tile, in elements of the left factor and the result */
    int64_t left_row[SCHED_DIRECT_ROWS], result_row[SCHED_DIRECT_ROWS];
    int64_t runs, length, left_step, right_step;
    int64_t splits, split_runs; /* K in parts, added by a step of its own */
} sched_direct;

/* Fills `out` and returns NULL, or says why `n` is not for this form. */
const char *sched_find_direct(ir_node *n, const sched_options *options,
                              sched_direct *out);
/* Value of the axis' variables at fused position `at` (row-major). */
void sched_axis_at(const sched_axis *axis, const ir_var *vars, int64_t at,
                   int64_t *values);
struct sched_schedule;
/* The sum of `coef` times the axis' variables at every fused position, until
 * the next call. */
const int64_t *sched_axis_sums(struct sched_schedule *s, const sched_axis *axis,
                               const ir_var *vars, const int64_t *coef);

/* How an affine form moves along a fused axis: by a stride; by a stride inside
 * each vector, whose start stands in a table; or by a table alone. */
typedef enum sched_walk_kind {
    SCHED_WALK_LINEAR,
    SCHED_WALK_PIECES,
    SCHED_WALK_TABLE
} sched_walk_kind;

typedef struct sched_walk {
    sched_walk_kind kind;
    int64_t stride;
    int table; /* buffer, -1: none */
} sched_walk;

/* An affine form over batch, the packed axis and K: an address, or the
 * coordinate a guard tests. */
typedef struct sched_form {
    int64_t constant;
    int64_t batch[IR_MAX_VARS]; /* coefficients of the batch variables */
    sched_walk axis, k;
    int64_t size; /* guards: inside when 0 <= form < size */
} sched_form;

typedef struct sched_pack_read {
    const ir_expr *read;
    sched_form address;
    int guard_count;
    sched_form guards[IR_MAX_RANK];
} sched_pack_read;

/* ---------- steps ---------- */

typedef struct sched_access {
    int buffer;
    bool same_map; /* read exactly at the element the step writes */
} sched_access;

/* A node of a ROWS step: what runs inside a row. */
typedef struct sched_member {
    sched_space space;
    sched_reduction reduction;
} sched_member;

typedef struct sched_step {
    sched_step_kind kind;
    const char *name;
    const struct sched_scope *scope; /* what its nodes belong to */
    int node_count;
    ir_node **nodes;   /* in order; MAP and ROWS may have several */
    int *targets;      /* the buffer each node (or piece) is written to */
    sched_space space; /* MAP, REDUCE, SCATTER: what the loops run over */
    sched_reduction reduction; /* REDUCE, COMBINE */
    int row_rank;              /* ROWS: leading axes that all nodes share, */
    sched_member *members;     /* and the rest of each */
    int partial;               /* COMBINE: where the parts are */
    const sched_contraction *contraction; /* PACK, TILE, DIRECT */
    const sched_direct *direct;           /* DIRECT */
    int packed; /* DIRECT: the packed right factor; -1: it is in place */
    VEC(sched_pack_read) pack_reads;      /* PACK: of its factor */
    bool inside; /* PACK: done by the tasks of the tile step */
    bool steady; /* the same in every trip of its region: stands before it */
    int panels[2]; /* TILE: buffers of the packed factors, left and right, */
    struct sched_step *packs[2]; /* and the steps inside that fill them */
    VEC(int) scratch; /* buffers that hold something only during the step */
    int piece;        /* SCATTER, */
    int lost; /* and the buffer of what roundings lost; -1: it is not kept */
    int counter;                          /* STACK: which trip it is */
    VEC(sched_access) reads;
    int tables[5];        /* TILE: batch, row, column offsets; DIRECT: tiles
                             of left, right, result, runs of left, right */
    int64_t flops, bytes; /* estimates */
    bool streams; /* results go around the caches: see sched_estimate() */
    const char *note;     /* why not on the template; NULL: nothing to say */
} sched_step;

/* A scan of a scope: nodes of the outer graph it takes, and those that stand
 * for its results there (INPUTs; NULL: nobody reads it). */
typedef struct sched_scan {
    const ir_scan *scan; /* of the graph before fusion */
    const char *name;
    ir_node **binds, **inits, **results;
} sched_scan;

typedef struct sched_group {
    sched_class class;
    VEC(ir_node *) nodes;
    int row_rank; /* above 0: runs row by row, over this many leading axes */
    const sched_scan *scan; /* SCAN: has no nodes */
    const char *note;
} sched_group;

/* A result that is stored through a piece of a scatter, whose memory it
 * shares. */
typedef struct sched_store {
    const ir_node *scatter; /* NULL: it is stored as it is */
    const ir_piece *piece;
} sched_store;

/* A graph and what is known of its nodes: the whole program's, or the body of a
 * scan. */
typedef struct sched_scope {
    ir_graph *graph; /* after fusion */
    /* By node id: the node whose memory an INPUT of the graph is another shape
     * of, in row-major order; NULL: it is itself. */
    ir_node **view_of;
    int view_count;      /* nodes that existed then; later ones are no views */
    sched_store *store;  /* by node id, of the first `store_count` */
    int store_count;
    ir_node **made_from; /* by id before fusion: the node it became, or NULL */
    VEC(sched_scan *) scans;
    VEC(sched_group *) groups;
    int *node_buffer; /* by node id: where its value is */
    /* By node id, of the first `follow_count`: a node that is made before it,
     * though it does not read it; or NULL. */
    ir_node **follows;
    int follow_count;
    /* By node id, of the first `steady_count`: an INPUT that is the same in
     * every trip of the scan whose body this is. */
    bool *steady;
    int steady_count;
} sched_scope;

/* Steps [begin, end) run `trips` times in a row. */
typedef struct sched_region {
    int begin, end;
    int64_t trips;
    int first_buffer, end_buffer; /* buffers that exist inside only */
    const sched_scope *scope;
} sched_region;

/* Where random values are drawn: its number stands in a buffer, not in the
 * kernel, so that equal layers have equal code. */
typedef struct sched_site {
    uint64_t site;
    int buffer; /* I64, one element */
} sched_site;

typedef struct sched_schedule {
    ptl_arena *arena;
    sched_options options;
    VEC(sched_site) sites;
    VEC(sched_scope *) scopes; /* the program's first */
    VEC(sched_buffer) buffers;
    VEC(sched_step *) steps;
    VEC(sched_region) regions; /* outer ones before what they contain */
    int64_t arena_bytes;
    int64_t *sums; /* of sched_axis_sums(), */
    int64_t sums_room;
} sched_schedule;

/* Calls `run` for every step as often and in the order it runs, each region at
 * most `most_trips` times over; stops when it returns false. */
bool sched_walk_steps(const sched_schedule *s, int64_t most_trips,
                      bool (*run)(int step, void *ctx), void *ctx);

/* Fails (E_PROGRAM) on what cannot be compiled, naming the node. */
ptl_status sched_new(const ir_graph *g, const sched_options *options,
                     sched_schedule **out, ptl_error *err);
void sched_free(sched_schedule *s);

/* Simulates the plan: every byte read was written by the buffer's own step, no
 * two live buffers share memory, nothing is reused in place under a different
 * map, inputs are untouched until their update. Names what it finds. */
bool sched_verify(const sched_schedule *s, ptl_error *err);
void sched_print(const sched_schedule *s, ptl_str *out);

/* Microseconds that one core of a nominal machine of the target's level needs:
 * 4 GHz, two fma units of full width, 32 GB/s; by flops or by bytes, whichever
 * takes longer. */
double sched_expected_us(const sched_schedule *s, const sched_step *step);

/* Operations of an expression and its reads, counted once each; what depends on
 * no variable is free, since it is computed outside the loops. */
double sched_cost(ir_expr *e);
/* The node whose memory holds the value of `n`: itself, or what it is a view
 * of. */
ir_node *sched_base(const sched_scope *scope, ir_node *n);
/* Elements of one row of a ROWS step in buffer `b`. */
int64_t sched_row_elements(const sched_step *step, const sched_buffer *b);
/* How the value of `n` is stored; NULL: as it is, in row-major order. */
const sched_store *sched_store_of(const sched_scope *scope, const ir_node *n);
/* How far apart in memory elements of the result lie along variable `var`. */
int64_t sched_result_stride(const sched_scope *scope, const ir_node *n,
                            int var);
/* The buffer with the number of a random site that a step draws at. */
int sched_site_buffer(const sched_schedule *s, uint64_t site);
/* The memory a buffer finally lives in. */
int sched_home(const sched_schedule *s, int buffer);
const char *sched_class_name(sched_class class);
const char *sched_step_kind_name(sched_step_kind kind);
int sched_lanes(const sched_options *options);
ptl_dtype sched_real(const sched_options *options);

#endif
