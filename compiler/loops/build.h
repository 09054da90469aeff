/*
 * build.h - kernel form from a schedule.
 *
 * One kernel per step, in the order of the steps. Private parts are shared
 * between the files of this folder: `build` is one kernel being made, `emit`
 * evaluates IR expressions in it, `nest` runs loops.
 */
#ifndef PTL_LOOPS_BUILD_H
#define PTL_LOOPS_BUILD_H

#include "kernel/kernel.h"
#include "sched/sched.h"

/* Which of the schedule's buffers a kernel's buffers are. */
typedef struct kern_bound {
    kern_kernel *kernel;
    VEC(int) buffers;
} kern_bound;

/* Kernels of all steps; `bound` gets one entry per step, in the module's
 * arena. */
kern_module *kern_build(const sched_schedule *s, kern_bound **bound);

/* ---------- one kernel ---------- */

typedef struct build {
    const sched_schedule *s;
    const sched_step *step;
    kern_module *module;
    kern_kernel *kernel;
    kern_bound *bound;
    kern_builder b;
    kern_type real;
    int lanes;          /* of a full vector */
    int rows_at_once;   /* ROWS: scratch holds so many rows */
    ptl_arena *scratch; /* ends with the kernel */
} build;

#define SCHED_STEP(name, text, builder) void builder(build *k);
#include "sched/step.def"
#undef SCHED_STEP

/* The kernel's number for a buffer of the schedule (its home). */
int build_buffer(build *k, int buffer, bool written);

/* ---------- expressions ---------- */

/*
 * Evaluates expressions over variables whose current values are known. Along
 * `lane_var` the lanes hold consecutive values, `var[lane_var]` that of lane 0.
 * What does not depend on that variable has one lane. Values are remembered
 * until emit_rewind().
 */
typedef struct emit {
    build *k;
    kern_builder *b;
    int lanes, lane_var; /* lane_var -1: one lane everywhere */
    kern_value *var[IR_MAX_VARS];
    const ir_var *range;  /* what the variables run over */
    int range_count;
    kern_value *mask;     /* lanes in use, NULL: all */
    /* By expression id; from `keys` on, the key of a random expression. */
    kern_value **memo;
    int keys;
    VEC(int) log;         /* what is in it, in order */
    kern_value **forward; /* by node id: values still in registers */
    int row;              /* which of the rows at once */
    /* Where lanes go along a whole result of `flat_type`: its element at lane
     * 0. Variables then differ from lane to lane. NULL: they do not. */
    kern_value *flat;
    const ir_type *flat_type;
    /* By node id: how far ahead of a read the next row lies; NULL: unknown. */
    int64_t *ahead;
    /* Reads in another way; NULL: emit_read() does it. */
    kern_value *(*read)(struct emit *e, const ir_expr *read, void *ctx);
    void *ctx;
} emit;

void emit_init(emit *e, build *k, const ir_var *range, int range_count);
kern_value *emit_expr(emit *e, ir_expr *x);
/* `value` stands for `x` until emit_rewind(). */
void emit_give(emit *e, const ir_expr *x, kern_value *value);
int emit_mark(const emit *e);
void emit_rewind(emit *e, int mark);
/* Computes now what in `x` depends on none of the variables in `unbound`. */
void emit_hoist(emit *e, ir_expr *x, uint32_t unbound);
kern_value *emit_affine(emit *e, const ir_affine *a);
/* The constant and the guards of element accesses. */
kern_value *emit_read(emit *e, const ir_expr *read);

/* Where subscripts lead: element offset + lane * stride, or + offsets. */
typedef struct emit_place {
    kern_value *offset;
    int64_t stride;
    kern_value *offsets; /* NULL: by stride */
    kern_value *guard;   /* inside?, one or all lanes; NULL: always */
} emit_place;
void emit_subscripts(emit *e, const ir_type *type, const ir_sub *subs,
                     int count, bool guarded, emit_place *out);
/* The same for a read of `n`, of whom perhaps only the row at hand exists. */
void emit_read_place(emit *e, const ir_expr *read, emit_place *out);
/* The element of `type` at variables 0, 1, ... */
void emit_own_place(emit *e, const ir_type *type, emit_place *out);
/* The element of `n` there, wherever its result is stored. */
void emit_result_place(emit *e, const ir_node *n, emit_place *out);
/* Stores `x` (converted to the buffer's type) at `place`, under e->mask. */
void emit_store(emit *e, int buffer, const emit_place *place, kern_value *x);
/* The element at hand of nodes over one domain, each to its buffer: all loads
 * come before the stores. A node that reads an earlier one takes the value from
 * the register; `keeps`: so will later code. */
void emit_together(emit *e, ir_node *const *nodes, const int *buffers,
                   int count, bool keeps);
/* The memory at `place` in kernel form, masked as e->mask says. */
kern_memory emit_memory(emit *e, int buffer, const emit_place *place,
                        int lanes);

/* ---------- loops ---------- */

/* Which part of the leading loops one task runs: all loops before `lead` are
 * fixed, loop `lead` is cut into chunks. */
typedef struct nest_cut {
    int lead;
    int64_t chunk, chunks, tasks;
} nest_cut;

typedef struct nest {
    emit *e;
    sched_loop loops[IR_MAX_VARS]; /* the lane loop last */
    int count;
    bool has_lanes;
    int jam;  /* vectors (or single steps) side by side in the last loop */
    int flat; /* from this loop on each value is code of its own */
    kern_value *lo[IR_MAX_VARS], *hi[IR_MAX_VARS]; /* NULL: 0 and extent */
    uint32_t unbound;  /* variables that get values only inside the body */
    ir_expr **hoisted; /* what to evaluate as early as possible */
    int hoisted_count;
    /* Called at the innermost place for `copies` vectors: copy c has the lane
     * variable c * lanes further (see nest_copy()). */
    void (*body)(struct nest *n, int copies, void *ctx);
    void *ctx;
    /* Loop `block_loop` runs in blocks of `block`, with a call around each. */
    int block_loop; /* -1: there are none */
    int64_t block;
    void (*block_begin)(void *ctx), (*block_end)(void *ctx);
    void *block_ctx;
} nest;

/* Loops in the order given, the one of `lane_var` moved to the end. */
void nest_init(nest *n, emit *e, const sched_loop *loops, int count,
               int lane_var);
/* Tasks of about the same work, by sizes alone. `limit`: only so many leading
 * loops may be cut. */
nest_cut nest_plan(const nest *n, double work, int limit);
/* Fixes what the cut fixes, given the number of the task. */
void nest_enter(nest *n, const nest_cut *cut, kern_value *task);
void nest_run(nest *n, int first);
/* Moves the last loop's variable to copy `copy`; undone by nest_uncopy(). */
kern_value *nest_copy(nest *n, int copy);
void nest_uncopy(nest *n, kern_value *saved);

/* A map or a reduction at the variables that have values already: what is left
 * of its loops runs here. `target`: the kernel's buffer. */
void build_map_inside(build *k, emit *e, ir_node *n, const sched_space *space,
                      int target);
void build_reduce_inside(build *k, emit *e, ir_node *n,
                         const sched_space *space, const sched_reduction *plan,
                         int target);

/* A PACK step as a kernel inside that of its tile step, whose buffers it
 * shares. */
kern_kernel *build_pack_inside(build *outer, const sched_step *step);

/* ---------- sectors of memory ---------- */

/* How many different ones there are; those below 0 are none. */
int sectors_touched(const int64_t *sectors, int count);
/* Which way threads walk through the factors (walk.c). */
void product_walks(const sched_contraction *c, kern_product *p);

/* Work (elements times operations) one task should have at least. */
enum { BUILD_TASK_WORK = 1 << 18 };

#endif
