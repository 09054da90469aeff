/*
 * handlers.h - what the decoder knows of the files that run instructions.
 *
 * Opcodes whose operands are read one for one are rows of tables, each ended by
 * an empty row. The others have handlers the decoder chooses.
 */
#ifndef DEVICE_HANDLERS_H
#define DEVICE_HANDLERS_H

#include "lanes.h"

extern const op_row integer_ops[], float_ops[], select_ops[], predicate_ops[],
    compare_ops[], move_ops[], convert_ops[];

/* Variants of an opcode, in insn.mode. */
enum { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, SHUFFLE_IDX };
enum { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT, VOTE_COUNT };
enum { SETP_ALONE, SETP_AND, SETP_OR, SETP_XOR };
enum {
    REDUCE_ADD,
    REDUCE_MIN_U,
    REDUCE_MAX_U,
    REDUCE_MIN_S,
    REDUCE_MAX_S,
    REDUCE_AND,
    REDUCE_OR,
    REDUCE_XOR,
};

run_fn run_adjusted, run_pack, run_unpack, run_to_window, run_convert;
run_fn run_convert_rounded;
run_fn run_branch, run_exit, run_trap, run_nothing;
run_fn run_barrier, run_barrier_vote, run_barrier_result, run_warp_barrier;
run_fn run_shuffle, run_vote, run_active_mask, run_match_any, run_reduce;
run_fn run_load_parameter, run_access_each, run_atomic;

/* Lanes `m` no longer belong to the group that runs. */
void warp_leave(warp *w, u32 m);
/* For a load or store of `bytes` x `count` in global or shared memory. */
run_fn *load_handler(ptx_space space, int bytes, int count);
run_fn *store_handler(ptx_space space, int bytes, int count);

#endif
