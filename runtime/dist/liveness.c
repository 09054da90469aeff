/*
 * liveness.c - see liveness.h.
 */
#include "dist/liveness.h"
#include <stdio.h>

void liveness_begin(dist_pulse *p, uint64_t now)
{
    *p = (dist_pulse){.heard = now, .moved = now};
}

liveness_verdict liveness_heard(dist_pulse *p, uint64_t now)
{
    bool back = p->told_unreachable;
    p->heard = now;
    p->told_unreachable = false;
    return back ? LIVENESS_BACK : LIVENESS_WELL;
}

void liveness_progress(dist_pulse *p, const dist_progress *at, uint64_t now)
{
    if (at->step != p->at.step || at->phase != p->at.phase) {
        p->moved = now;
        p->told_stalled = false;
    }
    p->at = *at;
}

/* Who never told a phase, as the coordinator, has no steps to stand still at.
 */
static bool is_stalled(const dist_pulse *p, const liveness_rules *rules,
                       uint64_t now)
{
    uint64_t limit = rules->stall * (uint64_t)wire_phase_patience(p->at.phase);
    return p->at.phase && limit && now - p->moved >= limit;
}

liveness_verdict liveness_check(dist_pulse *p, const liveness_rules *rules,
                                uint64_t now)
{
    if (now - p->heard >= rules->dead) {
        if (p->told_unreachable)
            return LIVENESS_WELL;
        p->told_unreachable = true;
        return LIVENESS_UNREACHABLE;
    }
    if (!is_stalled(p, rules, now) || p->told_stalled)
        return LIVENESS_WELL;
    p->told_stalled = true;
    return LIVENESS_STALLED;
}

void liveness_text(const dist_pulse *p, uint32_t node, liveness_verdict what,
                   uint64_t now, char *text)
{
    char space[32];
    const char *name = wire_node_name(node, space);
    const char *phase = wire_phase_name(p->at.phase);
    if (what == LIVENESS_UNREACHABLE)
        snprintf(text, 120, "%s is lost: nothing heard for %llu s", name,
                 (unsigned long long)(now - p->heard) / 1000);
    else if (what == LIVENESS_BACK)
        snprintf(text, 120, "%s is heard again", name);
    else
        snprintf(text, 120,
                 "%s is stalled: step %llu, bucket %u, %s, since "
                 "%llu s",
                 name, (unsigned long long)p->at.step, (unsigned)p->at.bucket,
                 phase ? phase : "no phase yet",
                 (unsigned long long)(now - p->moved) / 1000);
}
