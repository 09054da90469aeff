/*
 * node.h - the machines of one process, over one transport, in a thread: a
 * worker, a parameter server, the coordinator, or several of them.
 */
#ifndef PTL_CLUSTER_NODE_H
#define PTL_CLUSTER_NODE_H

#include "dist/coordinator.h"
#include "dist/ps.h"
#include "dist/worker.h"
#include "launch/role.h"
#include "runtime/job.h"

typedef struct cluster_node cluster_node;

typedef struct node_options {
    const machine_job *job;
    const launch_role *role;
    const ptl_job_cluster *cluster;
    /* What this process is, besides the coordinator, which the role tells. */
    int server; /* index; -1: none */
    const shard_store *store;
    int worker; /* index; -1: none */
    const worker_owner *owner;
    /* The worker, or without one the parameter server, is at its end. */
    void (*ended)(void *ctx, ptl_status status, const char *text);
    /* One line for the log, in the node's thread. */
    void (*log)(void *ctx, const char *line);
    void *ctx;
    shard_notice notice; /* of the parameter server, in the node's thread */
    bool sockets;        /* payloads go through them on this machine too */
} node_options;

/* Listens and begins to connect. E_IO, E_USAGE: the endpoint. */
ptl_status node_open(const node_options *options, cluster_node **out,
                     ptl_error *err);
/* Runs in a thread of its own until every machine is at its end. */
ptl_status node_start(cluster_node *n, ptl_error *err);
/* Waits at most so long; true: it has ended. */
bool node_await(cluster_node *n, int ms);
/* Asks for the end of the job, in order: all stop after the same step. */
void node_drain(cluster_node *n);
/* Stops, wherever the machines are; joins the thread. Accepts NULL. */
void node_close(cluster_node *n);

/* Calls `run` in the node's thread, soon, unless it has ended. Any thread. */
void node_post(cluster_node *n, void (*run)(void *ctx), void *ctx);
/* Where bytes that are sent had better lie. Any thread. */
blob_source node_memory(cluster_node *n);
/* For what was posted, and for callbacks. */
dist_worker *node_worker(cluster_node *n);

#endif
