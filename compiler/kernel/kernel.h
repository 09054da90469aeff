/*
 * kernel.h - the kernel form: loops with explicit vectors, for every generator.
 *
 * Between the schedule and the code generators. Everything that decides a
 * result's bits stands here: which operations, in which order, what is fused
 * into an fma, how a reduction's tree looks, how many lanes. A generator only
 * translates, so two generators cannot differ.
 *
 * A kernel is a body that runs once per task. A body is a block: a list of
 * statements in order. Values are defined once and visible to later statements
 * of the same block and of blocks inside it. What changes over a loop is a
 * local (GET, SET). Addresses count elements, in I64.
 *
 * Everything lives in the module's arena. One thread builds a module.
 */
#ifndef PTL_KERNEL_KERNEL_H
#define PTL_KERNEL_KERNEL_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/source.h"
#include "base/status.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum kern_type { KERN_F32, KERN_F64, KERN_I32, KERN_I64, KERN_BOOL } kern_type;

typedef enum kern_op {
#define KOP(name, operands, text) KERN_##name,
#include "kernel/op.def"
#undef KOP
    KERN_OP_COUNT
} kern_op;

typedef struct kern_value kern_value;
typedef struct kern_block kern_block;
typedef struct kern_kernel kern_kernel;

typedef struct kern_local {
    kern_type type;
    int lanes;
    int id;
    const char *name;
} kern_local;

/*
 * Where a LOAD or STORE goes: element offset + lane * stride of buffer
 * `buffer`, or offset + offsets[lane] where `offsets` (I32 or I64 vector) is
 * given. Lanes whose mask is false are not touched; a LOAD yields `other`
 * there (0 where NULL). Memory types: F32, F64, I32, I64 as they are; U8 loads
 * as I32; BOOL is one byte, 0 or 1.
 */
typedef struct kern_memory {
    int buffer; /* index into the kernel's buffers */
    kern_value *offset;
    int64_t stride; /* 0: one element, splat; 1: contiguous */
    kern_value *offsets;
    kern_value *mask;
    kern_value *other;
    int64_t ahead; /* LOAD: so many elements further will be read soon; 0:
                      nothing is known. A wish; never changes bits. */
} kern_memory;

struct kern_value {
    kern_op op;
    kern_type type;
    int lanes; /* 1 or a power of two */
    int id;    /* within the kernel, in order of creation */
    const char *name; /* for readable dumps, may be NULL */
    double number;    /* CONST of a real */
    int64_t integer;  /* CONST of an integer or BOOL; LANE; INPUT */
    kern_value *args[3];
    const uint8_t *order; /* SHUFFLE: one number a lane; 2 lanes or more */
    kern_local *local;   /* GET */
    kern_memory memory;  /* LOAD */
};

typedef enum kern_stmt_kind {
    KERN_DO,    /* compute `value` here */
    KERN_SET,   /* local = value */
    KERN_STORE, /* memory = value */
    KERN_LOOP,  /* for index in lo..hi step `step`: body */
    KERN_IF,    /* if `value` (BOOL, one lane): body, else other_body */
} kern_stmt_kind;

typedef struct kern_stmt {
    kern_stmt_kind kind;
    kern_value *value;
    kern_local *local;
    kern_memory memory;
    kern_value *index, *lo, *hi; /* LOOP: I64, one lane */
    int64_t step;
    int unroll; /* LOOP: a wish; 0 or 1: none. Never changes bits. */
    kern_block *body, *other_body;
} kern_stmt;

struct kern_block {
    VEC(kern_stmt *) stmts;
    kern_block *parent;
};

typedef struct kern_buffer {
    const char *name;
    ptl_dtype dtype;
    bool written; /* else read only */
    int64_t scratch; /* elements: memory of one call alone, with nothing in it
                        at first; 0: an argument */
    bool streamed; /* written and not read soon: whole vectors may go around
                      the caches. A wish; never changes bits. */
} kern_buffer;

/*
 * The tile step of a contraction over packed operands:
 *
 *   buffer 0: A packed [batch][m_panels][k][mr], rows past m are zero
 *   buffer 1: B packed [batch][n_panels][k][nr], columns past n are zero
 *   buffer 2: C, written at batch_offset[b] + row_offset[i] + col_offset[j]
 *   buffers 3, 4, 5: those three tables, I64 constants; the rows' has m_panels *
 *             mr entries, those past m like the last one
 *
 * where m_panels = ceil(m / mr), likewise n. Every product is an fma onto one
 * accumulator per element of C, k ascending from zero: blocking over k keeps
 * that chain (C is read back), so mr, nr, kc never change bits. A k of 0 writes
 * zeros. Tasks: batch x row blocks of at most `m_block` panels x column blocks
 * of at most `n_block` panels, the last fastest; there are as few blocks as that
 * allows, and block b of B begins at panel b * panels / B.
 *
 * A task may pack what it alone uses. `pack_a` is a kernel over the same buffers
 * (and more, which follow the six). Its task
 *
 *   (batch * m_blocks + m_block) * k_blocks + k_block
 *
 * runs before that block of k of those panels is used and leaves it at
 * A [batch * m_blocks + m_block][panel of the block][k of the block][mr], with
 * room for m_block panels and kc values of k. This needs n in one block.
 * Likewise `pack_b` with n_blocks, which needs m in one block.
 */
typedef struct kern_tile {
    kern_type type; /* F32 or F64 */
    int64_t batch, m, n, k;
    int mr, nr; /* nr is a multiple of the lanes of a full vector */
    int64_t kc;
    int64_t m_block, n_block; /* in panels */
    bool unit_columns; /* col_offset[j] == j for all j */
    bool pairs; /* F32: a number of A and B is two of bf16, the first in the
                   lower half: steps 2k and 2k + 1; k and kc count pairs */
    kern_kernel *pack_a, *pack_b; /* NULL: packed as a whole before */
} kern_tile;

/*
 * A contraction over operands where they lie. Row i of tile t and column j:
 *
 *   C[c_tile[t] + c_row[i] + j] = sum over runs r, then steps s < length, of
 *       A[a_tile[t] + a_row[i] + a_run[r] + s * a_step] *
 *       B[b_tile[t] + j / nr * b_panel + b_run[r] + s * b_step + j % nr]
 *
 * The tables (by tile and by run) are I64 constants. Tiles come in segments of
 * `tiles`, all of mr rows but the last of each, which has mr_last. One chain of
 * fma to an element, from zero, in the order of the sum: C is read back after
 * each `run_block` runs, which changes no bits. With `splits` above 1 part p
 * sums runs from p * split_runs on and is written at C + p * c_split. Tasks:
 * parts x blocks of m_block tiles x blocks of n_block panels of nr columns, the
 * last fastest. With `runs_outside` there is one part, and whoever has several
 * tasks goes through all of them for a block of runs before the next one: what
 * they read of both operands then comes from afar once.
 */
enum { KERN_MOST_ROWS = 28 };
typedef struct kern_direct {
    kern_type type; /* F32 or F64 */
    int a, b, c;    /* the kernel's buffers, and tables: */
    int a_tile, b_tile, c_tile, a_run, b_run;
    int64_t segments, tiles, n, runs, length;
    int mr, mr_last, nr; /* nr is a multiple of the lanes of a full vector */
    int64_t a_row[KERN_MOST_ROWS], c_row[KERN_MOST_ROWS];
    int64_t a_step, b_step, b_panel;
    bool whole_panels; /* B has all nr columns in its last panel too */
    int64_t run_block;
    bool runs_outside;
    int64_t splits, split_runs, c_split;
    int64_t m_block, n_block;
} kern_direct;

/*
 * A contraction for targets whose lanes are threads: operands are fetched
 * element by element, nothing is packed before.
 *
 *   C[place(b, i, j) + p * c_split] = sum over k in part p of
 *       left(b, i, k) * right(b, j, k)
 *
 * One chain of fma to an element, from zero, k ascending, as in the other two
 * forms; how tiles of it are shared among threads changes no bits. Part p sums
 * k from p * k_split on. A fetch is a kernel over the buffers of the whole; its
 * INPUTs 0, 1, 2 are b, the row or column (place: row) and k (place: column);
 * it leaves its result in `value`.
 */
typedef struct kern_fetch {
    kern_kernel *kernel;
    kern_local *value;
    /* Threads that fetch go along k: so many steps of a row, then of the next
     * one. It divides the steps fetched together. 0: along the other index. A
     * wish; never changes bits. */
    int line;
} kern_fetch;

/* A matrix in buffer `buffer`: element (b, i, j) is number at + b * batch +
 * i * row + j * column. Either columns are neighbours (column 1) and rows lie
 * apart (row at least as many as there are columns), or the other way round. */
typedef struct kern_matrix {
    int buffer;
    int64_t at, batch, row, column;
} kern_matrix;

/* left (m, k) times right (k, n) gives result (m, n), for each b. */
typedef struct kern_matrices {
    kern_matrix left, right, result;
} kern_matrices;

/* Steps of K fetched together: so few, or many. */
enum { KERN_FEW_STEPS = 8, KERN_LEAST_STEPS = 9, KERN_MOST_STEPS = 32 };

typedef struct kern_product {
    kern_type type; /* F32 or F64 */
    int64_t batch, m, n, k;
    int64_t splits, k_split, c_split;
    int steps;                     /* fetched together */
    kern_fetch left, right, place; /* place: I64 */
    int c;                         /* the kernel's buffer */
    const kern_matrices *matrices; /* what it multiplies, where a library may do
                                      so in its place; NULL: it may not */
} kern_product;

typedef enum kern_kernel_kind {
    KERN_NEST,
    KERN_TILE,
    KERN_DIRECT,
    KERN_PRODUCT
} kern_kernel_kind;

struct kern_kernel {
    kern_kernel_kind kind;
    const char *name;
    src_range at;             /* what it computes; file NULL: not known */
    VEC(kern_buffer) buffers; /* arguments in order, but for scratch */
    int64_t task_count;
    int64_t flops, bytes; /* estimates */
    kern_block *body;     /* NEST */
    kern_tile tile;       /* TILE */
    kern_direct direct;   /* DIRECT */
    kern_product product; /* PRODUCT */
    int value_count, local_count;
    struct kern_module *module; /* owner, for its arena */
};

typedef struct kern_module {
    ptl_arena *arena;
    VEC(kern_kernel *) kernels;
} kern_module;

/* What kernels are made for: widths and tile sizes, from the target. */
typedef struct kern_target {
    const char *name;     /* "avx512", "avx2", "portable" */
    int lanes_f32;        /* of a full vector: 16, 8, 4; f64 has half */
    int registers;        /* for vectors */
    int mr_f32, nr_f32;   /* micro-tile of contractions */
    int mr_f64, nr_f64;
    int64_t kc;           /* elements of k in one block, f32 */
    bool bf16_pairs;      /* it multiplies pairs of bf16 */
    /* Each lane of a vector is a thread: a task is a vector or a few, and
     * contractions are PRODUCTs. Changes no bits. */
    bool threads;
} kern_target;

/* The micro-tile for a contraction of m x n: the target's own, or one that fits
 * a short side better. Changes no bits. */
void kern_tile_fit(const kern_target *target, bool f64, int64_t m, int64_t n,
                   int *mr, int *nr);

/* A tile for segments of `rows` rows (`whole`: as one tile), n columns and k
 * products to a sum; `cost` of a segment in half cycles. mr 0: none fits. */
typedef struct kern_tiling {
    int mr, nr;
    double cost;
} kern_tiling;
void kern_fit_rows(const kern_target *target, bool f64, int64_t rows,
                   bool whole, int64_t n, int64_t k, kern_tiling *out);
/* How many tasks the blocks of a direct contraction make. */
int64_t kern_direct_tasks(const kern_direct *d);

kern_module *kern_module_new(void);
void kern_module_free(kern_module *m);

/* ---------- building: statements go to the end of the builder's block ------ */

typedef struct kern_builder {
    kern_kernel *kernel;
    kern_block *block;
} kern_builder;

kern_kernel *kern_kernel_new(kern_module *m, const char *name,
                             int64_t task_count);
/* A kernel to run inside `outer`, over its buffers and more; when it is built,
 * `outer` takes over its list of buffers. Not one of the module's own. */
kern_kernel *kern_kernel_inside(kern_kernel *outer, const char *name,
                                int64_t task_count);
int kern_buffer_add(kern_kernel *k, const char *name, ptl_dtype dtype,
                    bool written);
/* Memory of one call alone; not among the arguments. */
int kern_scratch_add(kern_kernel *k, const char *name, ptl_dtype dtype,
                     int64_t elements);
kern_builder kern_begin(kern_kernel *k);

kern_value *kern_real(kern_builder *b, kern_type type, int lanes, double x);
kern_value *kern_int(kern_builder *b, kern_type type, int lanes, int64_t x);
kern_value *kern_task(kern_builder *b);
kern_value *kern_input(kern_builder *b, int number);
kern_value *kern_iota(kern_builder *b, kern_type type, int lanes);
kern_value *kern_splat(kern_builder *b, kern_value *x, int lanes);
/* Types and lanes are checked (PTL_ASSERT); one-lane operands are splat where
 * another has more lanes. Constants fold for integers only. */
kern_value *kern_op1(kern_builder *b, kern_op op, kern_value *x);
kern_value *kern_op2(kern_builder *b, kern_op op, kern_value *x, kern_value *y);
kern_value *kern_fma(kern_builder *b, kern_value *x, kern_value *y,
                     kern_value *z);
kern_value *kern_select(kern_builder *b, kern_value *cond, kern_value *x,
                        kern_value *y);
kern_value *kern_convert(kern_builder *b, kern_value *x, kern_type type);
kern_value *kern_bitcast(kern_builder *b, kern_value *x, kern_type type);
kern_value *kern_lane(kern_builder *b, kern_value *x, int lane);
/* `lanes` lanes of x and y, those of y counted after those of x. */
kern_value *kern_shuffle(kern_builder *b, kern_value *x, kern_value *y,
                         const uint8_t *order, int lanes);
/* The lower (0) or upper (1) half of the lanes. */
kern_value *kern_half(kern_builder *b, kern_value *x, int half);
kern_value *kern_hsum(kern_builder *b, kern_value *x);
kern_value *kern_any(kern_builder *b, kern_value *x);
kern_value *kern_load(kern_builder *b, kern_memory at, int lanes);
void kern_store(kern_builder *b, kern_memory at, kern_value *x);

kern_local *kern_local_new(kern_builder *b, kern_type type, int lanes,
                           const char *name);
kern_value *kern_get(kern_builder *b, kern_local *local);
void kern_set(kern_builder *b, kern_local *local, kern_value *x);

/* Opens a loop and moves the builder inside; kern_end() moves it out again. */
kern_value *kern_loop(kern_builder *b, kern_value *lo, kern_value *hi,
                      int64_t step, int unroll);
void kern_if(kern_builder *b, kern_value *cond);
void kern_else(kern_builder *b);
void kern_end(kern_builder *b);

/* ---------- text and checks ---------- */

const char *kern_op_name(kern_op op);
int kern_op_operands(kern_op op);
const char *kern_type_name(kern_type type);
static inline bool kern_is_real(kern_type type)
{
    return type == KERN_F32 || type == KERN_F64;
}
/* What a LOAD of a buffer of `dtype` yields: U8 is I32, the rest as it is. */
kern_type kern_type_of(ptl_dtype dtype);

/* Stable and complete: equal text means equal code. Key of the object cache. */
void kern_print(const kern_module *m, ptl_str *out);
/* For each kernel of the module the first with the same code, itself perhaps:
 * layers are often alike. In `arena`. */
const int *kern_find_equal(const kern_module *m, ptl_arena *arena);
/* Types, lanes, visibility, masks; names the kernel and the value. */
bool kern_verify(const kern_module *m, ptl_error *err);

#endif
