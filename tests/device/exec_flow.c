/*
 * exec_flow.c - branches, ends and barriers of a block.
 */
#include "handlers.h"

/* The group goes apart: those who branch now, the others by and by. */
void run_branch(warp *w, const insn *i, u32 m)
{
    u32 others = w->mask & ~m;
    if (others) {
        warp_add_group(w, w->pc, others, READY, 0);
        w->mask = m;
        w->stop = 0;
    }
    w->pc = (u32)i->imm;
}

void warp_leave(warp *w, u32 m)
{
    w->mask &= ~m;
    if (!w->mask)
        w->stop = 0;
}

/* Who waits for lanes that exit waits for them no longer. */
void run_exit(warp *w, const insn *i, u32 m)
{
    (void)i;
    w->live &= ~m;
    for (int g = 0; g < w->group_count; g++)
        if (w->groups[g].state == AT_SYNC)
            w->groups[g].state = READY;
    warp_leave(w, m);
}

void run_trap(warp *w, const insn *i, u32 m)
{
    fault_at(w, i, __builtin_ctz(m), CUDA_ERROR_LAUNCH_FAILED, "trap");
}

/* bar.sync at[0]{, at[1]}: barrier and how many threads. */
void run_barrier(warp *w, const insn *i, u32 m)
{
    int lane = __builtin_ctz(m);
    u32 barrier = AT(w, i->at[0], u32)[lane] % BARRIERS;
    if (i->at[1] != NO_OPERAND)
        w->block->barrier_counts[barrier] = (int)AT(w, i->at[1], u32)[lane];
    w->counts.barriers++;
    warp_add_group(w, w->pc, m, AT_BARRIER, barrier);
    warp_leave(w, m);
}

/* The first half of bar.red: brings predicate at[2] and waits. */
void run_barrier_vote(warp *w, const insn *i, u32 m)
{
    barrier_vote *v = &w->block->vote;
    u32 p = predicate(w, i, 2);
    v->count += (u32)__builtin_popcount(p & m);
    v->missing += (u32)__builtin_popcount(~p & m);
    run_barrier(w, i, m);
}

/* The second half: what all brought, into at[3]. */
void run_barrier_result(warp *w, const insn *i, u32 m)
{
    const barrier_vote *v = &w->block->voted;
    if (i->mode == VOTE_COUNT) {
        EACH_OF (l, m)
            AT(w, i->at[3], u32)[l] = v->count;
        return;
    }
    bool holds = i->mode == VOTE_ALL ? !v->missing : v->count > 0;
    set_predicate(w, i->at[3], m, holds ? ALL_LANES : 0);
}

void run_nothing(warp *w, const insn *i, u32 m)
{
    (void)w, (void)i, (void)m;
}
