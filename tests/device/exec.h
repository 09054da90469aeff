/*
 * exec.h - decoded kernels and the state of what runs them.
 *
 * An operand (register, constant, special register) is a place in its warp's
 * block of registers: 32 lanes of 4 or 8 bytes, or for a predicate one word
 * with a bit for each lane. A register of 8 or 16 bits takes 4 bytes a lane and
 * is kept zero-extended. So no handler asks what kind an operand is.
 */
#ifndef DEVICE_EXEC_H
#define DEVICE_EXEC_H

#include "counters.h"
#include "memory.h"
#include "ptx.h"
#include <pthread.h>

enum { LANES = 32, OPERANDS = 6, MAX_WARPS = 32, BARRIERS = 16 };
#define ALL_LANES UINT32_C(0xffffffff)
#define NO_OPERAND (-1)

typedef struct warp warp;
typedef struct insn insn;
typedef struct block block;
typedef struct launch launch;

/* Runs `i` for the lanes of `m`, which has at least one. */
typedef void run_fn(warp *w, const insn *i, uint32_t m);

struct insn {
    run_fn *run, *inner;  /* inner: what `run` prepares for */
    int32_t at[OPERANDS]; /* of operands in the registers of a warp */
    int32_t *more;        /* operands beyond those */
    int32_t guard;        /* predicate, or NO_OPERAND */
    uint32_t guard_flip;  /* ALL_LANES: runs where it is false */
    int64_t imm;          /* offset of an address, target of a branch */
    uint8_t bytes, count; /* of one item accessed; of items */
    uint8_t wide;         /* bytes a lane of the register accessed */
    uint8_t from;         /* source type of a conversion */
    uint8_t to;           /* its destination */
    uint8_t rounding;     /* MXCSR bits */
    bool ftz, sat, sign;  /* sign: small loads extend their sign */
    bool control;         /* runs even for no lane */
    bool wide_address;    /* 8 bytes a lane */
    bool negated;         /* predicate operand */
    uint8_t mode;         /* among variants of its opcode */
    const ptx_instruction *source;
};

typedef struct {
    int32_t at;
    int which;
} special_register;

typedef struct {
    int32_t at;
    int bytes; /* 4 or 8; 1: a predicate */
    uint64_t bits;
} constant;

/* A kernel of a loaded module. */
typedef struct kernel {
    const char *name;
    const ptx_kernel *source;
    insn *code;
    uint32_t length;
    VEC(special_register) specials;
    VEC(constant) constants;
    size_t register_bytes; /* of a warp */
    size_t parameter_bytes;
    const uint8_t *constant_data; /* of its module */
    size_t constant_bytes;
    size_t shared_bytes;  /* static, as the device counts them */
    size_t shared_placed; /* where dynamic shared memory begins */
    VEC(ptx_variable) shared;
    size_t local_bytes; /* of a thread */
    unsigned register_words, max_threads;
    int max_dynamic_shared;
    bool fences; /* blocks may order each other */
    counters counts;
    struct CUmod_st *module;
} kernel;

typedef enum { READY, AT_SYNC, AT_BARRIER } group_state;

/* Lanes of a warp that are at the same instruction. */
typedef struct {
    uint32_t pc, mask;
    group_state state;
    uint8_t barrier;
} group;

struct warp {
    char *registers;
    uint32_t pc, mask; /* of the group that runs */
    uint32_t stop;     /* where it has to look for others */
    uint32_t live;     /* lanes that have not exited */
    group groups[LANES];
    int group_count;
    unsigned index;
    uint64_t race_mark;
    uint32_t shared_mark;
    block *block;
    counters counts;
};

/* What the threads of a block bring to bar.red. */
typedef struct {
    uint32_t count, missing; /* with and without the predicate */
} barrier_vote;

struct block {
    launch *launch;
    warp *warps;
    unsigned warp_count, threads, index[3];
    uint64_t linear;
    shared_memory shared;
    uint8_t *local;
    struct traffic_memo *memos; /* one for each instruction (traffic.h) */
    uint32_t interval;          /* between barriers, of global records */
    int64_t budget;             /* instructions until it gives way */
    uint64_t spent;
    int barrier_counts[BARRIERS]; /* threads expected; 0: none waits */
    barrier_vote vote, voted;     /* being collected; last collected */
    bool done;
};

/* What a fault is found to be, once for a launch. */
typedef struct {
    CUresult error;
    ptl_str text;
} fault;

struct launch {
    const kernel *kernel;
    const uint8_t *parameters;
    unsigned grid[3], shape[3];
    size_t dynamic_shared;
    const device_memory *device;
    uint64_t seed, op;
    const uint8_t *unordered; /* operations it may not meet, or NULL */
    bool cooperative, checks, races;
    _Atomic uint64_t next_block;
    _Atomic bool stopped; /* a fault was found */
    fault fault;
    pthread_mutex_t lock; /* guards fault and counts */
    counters counts;
};

/* Ends the launch: `lane` of `w` did at `i` what the text says. */
void fault_at(warp *w, const insn *i, int lane, CUresult error,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

typedef enum { WARP_DONE, WARP_BLOCKED, WARP_YIELDS } warp_state;
warp_state warp_run(warp *w);
void warp_begin(warp *w, uint32_t live);

/* Adds lanes at `pc`; those who are already there are joined. */
void warp_add_group(warp *w, uint32_t pc, uint32_t mask, group_state state,
                    unsigned barrier);

void block_begin(block *b, uint64_t linear);
/* Until its warps end or its budget does. */
void block_run(block *b);
void block_init(block *b, launch *l);
void block_fini(block *b);

/* Runs the whole grid; faults stand in l->fault. */
void launch_run(launch *l);

#endif
