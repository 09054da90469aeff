/*
 * exec_warp.c - what the lanes of a warp tell each other: shuffles, votes,
 * matches and sums.
 */
#include "handlers.h"

/* What lanes `m`, all that `members` names, do together. */
typedef void together_fn(warp *w, const insn *i, u32 m);

/* Whether all live lanes that `members` names are in `m`. */
static bool all_arrived(warp *w, const insn *i, u32 m, u32 members)
{
    if (m & ~members)
        fault_at(w, i, __builtin_ctz(m & ~members), CUDA_ERROR_LAUNCH_FAILED,
                 "a lane that its mask %08x does not name", members);
    return !(m & ~members) && !(members & w->live & ~m);
}

/* Lanes may be of several memberships, each of its own mask in `operand`: those
 * of one are together. Who waits for others looks again when some come. */
static void by_membership(warp *w, const insn *i, u32 m, int operand,
                          together_fn *together)
{
    const u32 *masks = AT(w, i->at[operand], u32);
    u32 waiting = 0;
    for (u32 left = m; left && !w->block->launch->stopped;) {
        u32 members = masks[__builtin_ctz(left)];
        s32 is_same[LANES];
        EACH_LANE (l)
            is_same[l] = -(s32)(masks[l] == members);
        u32 same = mask_of(is_same) & left;
        if (all_arrived(w, i, same, members))
            together(w, i, same);
        else
            waiting |= same;
        left &= ~same;
    }
    if (!waiting || w->block->launch->stopped)
        return;
    warp_add_group(w, (u32)(i - w->block->launch->kernel->code), waiting,
                   AT_SYNC, 0);
    warp_leave(w, waiting);
}

static void nothing(warp *w, const insn *i, u32 m)
{
    (void)w, (void)i, (void)m;
}

void run_warp_barrier(warp *w, const insn *i, u32 m)
{
    by_membership(w, i, m, 0, nothing);
}

/* The lane `l` reads from, and whether that is within its segment. */
static int source_lane(int mode, int l, u32 b, u32 c, bool *within)
{
    int clamp = (int)(c & 31), segment = (int)(c >> 8 & 31), by = (int)(b & 31);
    int low = l & segment, high = (l & segment) | (clamp & ~segment);
    int from = mode == SHUFFLE_UP     ? l - by
               : mode == SHUFFLE_DOWN ? l + by
               : mode == SHUFFLE_BFLY ? l ^ by
                                      : (low | (by & ~segment));
    *within = mode == SHUFFLE_UP ? from >= high : from <= high;
    return *within ? from : l;
}

/* at: d, a, b, c, members, predicate. */
static void shuffle(warp *w, const insn *i, u32 m)
{
    u32 a[LANES], *d = AT(w, i->at[0], u32), inside = 0;
    const u32 *b = AT(w, i->at[2], u32), *c = AT(w, i->at[3], u32);
    memcpy(a, AT(w, i->at[1], u32), sizeof a);
    EACH_OF (l, m) {
        bool within;
        int from = source_lane(i->mode, (int)l, b[l], c[l], &within);
        if (!(m >> from & 1)) {
            fault_at(w, i, (int)l, CUDA_ERROR_LAUNCH_FAILED,
                     "a shuffle from lane %d, which does not take part", from);
            return;
        }
        d[l] = a[from];
        inside |= (u32)within << l;
    }
    set_predicate(w, i->at[5], m, inside);
}

void run_shuffle(warp *w, const insn *i, u32 m)
{
    by_membership(w, i, m, 4, shuffle);
}

/* at: d, predicate, members. */
static void vote(warp *w, const insn *i, u32 m)
{
    u32 p = predicate(w, i, 1) & m;
    bool holds = i->mode == VOTE_ALL   ? p == m
                 : i->mode == VOTE_ANY ? p != 0
                                       : p == 0 || p == m;
    if (i->mode != VOTE_BALLOT)
        set_predicate(w, i->at[0], m, holds ? ALL_LANES : 0);
    else
        EACH_OF (l, m)
            AT(w, i->at[0], u32)[l] = p;
}

void run_vote(warp *w, const insn *i, u32 m)
{
    by_membership(w, i, m, 2, vote);
}

void run_active_mask(warp *w, const insn *i, u32 m)
{
    EACH_OF (l, m)
        AT(w, i->at[0], u32)[l] = w->mask;
}

static bool same_lane(const warp *w, const insn *i, u32 a, u32 b)
{
    return i->wide == 8 ? AT(w, i->at[1], u64)[a] == AT(w, i->at[1], u64)[b]
                        : AT(w, i->at[1], u32)[a] == AT(w, i->at[1], u32)[b];
}

/* match.any: d, a, members. */
static void match_any(warp *w, const insn *i, u32 m)
{
    u32 same[LANES] = {0};
    EACH_OF (l, m)
        for (u32 o = 0; o < LANES; o++)
            if (m >> o & 1 && same_lane(w, i, l, o))
                same[l] |= UINT32_C(1) << o;
    EACH_OF (l, m)
        AT(w, i->at[0], u32)[l] = same[l];
}

void run_match_any(warp *w, const insn *i, u32 m)
{
    by_membership(w, i, m, 2, match_any);
}

static u32 combine(int mode, u32 a, u32 b)
{
    switch (mode) {
    case REDUCE_ADD:
        return a + b;
    case REDUCE_MIN_U:
        return a < b ? a : b;
    case REDUCE_MAX_U:
        return a > b ? a : b;
    case REDUCE_MIN_S:
        return (s32)a < (s32)b ? a : b;
    case REDUCE_MAX_S:
        return (s32)a > (s32)b ? a : b;
    case REDUCE_AND:
        return a & b;
    case REDUCE_OR:
        return a | b;
    default:
        return a ^ b;
    }
}

/* redux.sync: d, a, members. */
static void reduce(warp *w, const insn *i, u32 m)
{
    const u32 *a = AT(w, i->at[1], u32);
    u32 total = a[__builtin_ctz(m)];
    EACH_OF (l, m & (m - 1))
        total = combine(i->mode, total, a[l]);
    EACH_OF (l, m)
        AT(w, i->at[0], u32)[l] = total;
}

void run_reduce(warp *w, const insn *i, u32 m)
{
    by_membership(w, i, m, 2, reduce);
}
