/*
 * warp.c - runs a warp whose lanes may have gone apart.
 *
 * Lanes at one instruction are a group; the group that is furthest behind runs,
 * until it reaches the next, which it joins. That needs no analysis of the
 * control flow, and lanes come together where they can. Operations for several
 * lanes wait until all of them are there (exec_warp.c).
 */
#include "lanes.h"
#include "race.h"

void warp_begin(warp *w, u32 live)
{
    w->live = live;
    w->mask = 0;
    w->group_count = 0;
    warp_add_group(w, 0, live, READY, 0);
}

static bool joins(const group *g, u32 pc, group_state state, unsigned barrier)
{
    bool both_wait = g->state == AT_BARRIER && state == AT_BARRIER;
    bool neither = g->state != AT_BARRIER && state != AT_BARRIER;
    return g->pc == pc && (neither || (both_wait && g->barrier == barrier));
}

void warp_add_group(warp *w, u32 pc, u32 mask, group_state state,
                    unsigned barrier)
{
    for (int g = 0; g < w->group_count; g++)
        if (joins(&w->groups[g], pc, state, barrier)) {
            w->groups[g].mask |= mask;
            if (state != AT_BARRIER)
                w->groups[g].state = READY; /* who waited looks again */
            return;
        }
    w->groups[w->group_count++] = (group){pc, mask, state, (uint8_t)barrier};
}

/* The lanes that wait for others that can no longer come. */
static void report_deadlock(warp *w)
{
    for (int g = 0; g < w->group_count; g++) {
        const group *waits = &w->groups[g];
        if (waits->state != AT_SYNC)
            continue;
        fault_at(w, &w->block->launch->kernel->code[waits->pc],
                 __builtin_ctz(waits->mask), CUDA_ERROR_LAUNCH_FAILED,
                 "divergence: lanes %08x wait for others of %08x, which do not "
                 "come here",
                 waits->mask, w->live);
        return;
    }
}

/* Takes the ready group that is furthest behind. */
static bool pick(warp *w)
{
    int best = -1;
    bool waits = false;
    w->stop = UINT32_MAX;
    for (int g = 0; g < w->group_count; g++) {
        waits |= w->groups[g].state == AT_SYNC;
        if (w->groups[g].state == READY &&
            (best < 0 || w->groups[g].pc < w->groups[best].pc))
            best = g;
    }
    if (best < 0) {
        if (waits)
            report_deadlock(w);
        return false;
    }
    w->pc = w->groups[best].pc;
    w->mask = w->groups[best].mask;
    w->groups[best] = w->groups[--w->group_count];
    for (int g = 0; g < w->group_count; g++)
        if (w->groups[g].state == READY && w->groups[g].pc < w->stop)
            w->stop = w->groups[g].pc;
    return true;
}

/* Until the group meets another, waits, ends, or the budget does. */
static void run_group(warp *w, const insn *code, int64_t *budget)
{
    int64_t left = *budget;
    u64 lanes = 0;
    do {
        const insn *i = &code[w->pc++];
        u32 m = w->mask;
        left--;
        if (i->guard != NO_OPERAND) {
            m &= *AT(w, i->guard, u32) ^ i->guard_flip;
            if (!m)
                continue;
        }
        lanes += (u64)__builtin_popcount(m);
        i->run(w, i, m);
    } while (w->pc < w->stop && left > 0);
    w->counts.warp_instructions += (u64)(*budget - left);
    w->counts.lane_instructions += lanes;
    *budget = left;
}

warp_state warp_run(warp *w)
{
    block *b = w->block;
    const launch *l = b->launch;
    w->race_mark = race_mark(l->op, b->linear, b->interval, w->index);
    w->shared_mark = race_shared_mark(b->shared.interval, w->index);
    while (!l->stopped && pick(w)) {
        run_group(w, l->kernel->code, &b->budget);
        if (w->mask)
            warp_add_group(w, w->pc, w->mask, READY, 0);
        w->mask = 0;
        if (b->budget <= 0)
            return WARP_YIELDS;
    }
    return w->group_count ? WARP_BLOCKED : WARP_DONE;
}
