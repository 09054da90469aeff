/*
 * sim_net.h - a network in memory and in virtual time, that delays, doubles,
 * exchanges, damages and loses messages and breaks connections; one transport
 * (dist/transport.h) for each process.
 */
#ifndef TEST_SIM_NET_H
#define TEST_SIM_NET_H

#include "dist/transport.h"
#include "sim_random.h"

/* Chances are per 10,000 messages. */
typedef struct sim_faults {
    uint64_t delay_least, delay_most; /* ms */
    uint64_t late, late_most; /* chance, and ms: one takes much longer */
    bool in_order;            /* as on TCP; else each by its own delay */
    uint64_t twice, damage, lose, disconnect;
    uint64_t lie;   /* changed, with checksums that are right */
    uint64_t until; /* ms: after that the network is good */
} sim_faults;

typedef struct sim_net sim_net;

sim_net *sim_net_new(int processes, const sim_faults *faults, uint64_t seed);
void sim_net_free(sim_net *n);
/* Of the process `index`; endpoints are their numbers as text. */
dist_transport *sim_net_transport(sim_net *n, int process);
/* All its connections break and what is under way is lost; only others connect
 * anew. */
void sim_net_kill(sim_net *n, int process);

/* The next thing that happens, and to whom; false: nothing will. */
bool sim_net_peek(const sim_net *n, uint64_t *time, int *process);
/* What happens next happens at `time` instead: its process sleeps. */
void sim_net_defer(sim_net *n, uint64_t time);
uint64_t sim_net_now(const sim_net *n);
void sim_net_advance(sim_net *n, uint64_t time);
/* Something of the simulation's own, in so many ms: an event of kind
 * TRANSPORT_NOTHING with this token, and `value` as its connection. */
void sim_net_later(sim_net *n, int process, uint64_t after, void *token,
                   int value);

typedef struct sim_counts {
    uint64_t messages, doubled, damaged, lied, lost, broken;
} sim_counts;
const sim_counts *sim_net_counts(const sim_net *n);

#endif
