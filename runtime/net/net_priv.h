/*
 * net_priv.h - a transport's fields, for the files of this room.
 *
 * A connection number stands for a line of ours (lines.c) or for a peer of the
 * ROUTER (peers.c).
 */
#ifndef PTL_NET_NET_PRIV_H
#define PTL_NET_NET_PRIV_H

#include "keys_priv.h"
#include "net/net.h"
#include "share.h"
#include "zap.h"
#include <sys/socket.h>
#include <zmq.h>

enum { NO_CONNECTION = -1, REASON_BYTES = 96, ORIGIN_BYTES = 64 };

/* A socket of ZeroMQ, and the one that tells what becomes of its connections.
 */
typedef struct net_socket {
    void *socket, *monitor; /* NULL: none */
    bool ready;             /* may have a message */
} net_socket;

/* What failed in handshakes: told once for each address and reason. */
typedef struct net_told {
    uint64_t *hashes;
    int count;
} net_told;

/* A connect(): its DEALER lives as long as one connection. */
typedef struct net_line {
    char endpoint[NET_ENDPOINT_BYTES];
    uint32_t from, node;
    key_pair own; /* with curve */
    char server[KEY_TEXT];
    net_socket s;
    int connection; /* NO_CONNECTION: it is not up */
    int failures;   /* in a row */
    uint64_t again; /* without a socket: when it is made anew */
    char reason[REASON_BYTES];
    net_told told;
} net_line;

typedef enum net_kind { NET_FREE, NET_LINE, NET_PEER, NET_MUTE } net_kind;

typedef struct net_connection {
    net_kind kind;
    net_line *line; /* LINE */
    /* PEER, and MUTE: closed by us, what still comes is dropped. */
    uint64_t hash; /* of the routing id */
    uint8_t id[255];
    uint8_t id_size;
    int fd;
    struct sockaddr_storage address; /* of fd */
    uint32_t node;                   /* proved */
    uint64_t heard;
    net_share share;
} net_connection;

typedef struct net_transport {
    dist_transport base;
    net_options options;
    char endpoint[NET_ENDPOINT_BYTES];
    void *context;
    net_zap *zap;
    net_pool *pool; /* NULL: none */
    int wake;       /* eventfd */
    net_socket router;
    /* Of the ROUTER's connections, by descriptor: where they come from; empty
     * once they said something. */
    char (*origins)[ORIGIN_BYTES];
    int origin_count;
    char reason[REASON_BYTES]; /* of the handshake that fails just now */
    /* Who left just now, with nothing read of what it may have said. */
    struct {
        int fd;
        char who[ORIGIN_BYTES]; /* empty: nobody */
    } silent;
    net_told told;
    net_line **lines;
    int line_count;
    net_connection *connections;
    int connection_count, peer_count;
    transport_event *events; /* UP and DOWN to be given */
    int event_count, event_room, event_at;
    int monitors;           /* so far: names of their endpoints */
    int turn, burst, since; /* whose turn it is to be asked for a message */
    /* The message that was given last. */
    zmq_msg_t frames[TRANSPORT_FRAMES];
    int held;
    zmq_pollitem_t *items;
    net_counts counts;
} net_transport;

/* sockets.c */
bool socket_open_router(net_transport *n, int fd, ptl_error *err);
/* What it accepts takes after it. */
void socket_tune_listener(const net_transport *n, int fd);
bool socket_open_line(net_transport *n, net_line *l);
void socket_close(net_socket *s, int linger);
typedef struct socket_fact {
    uint32_t event; /* ZMQ_EVENT_... */
    uint32_t value;
} socket_fact;
bool socket_fact_next(net_socket *s, socket_fact *out);
/* In words, if it is a handshake that failed. `served`: at a server. */
bool socket_fact_reason(const socket_fact *f, bool served,
                        char text[REASON_BYTES]);
/* True: this was not told before. */
bool socket_tell(net_told *told, const char *who, const char *reason);

/* lines.c */
bool lines_connect(dist_transport *t, const char *endpoint, uint32_t from,
                   uint32_t node);
void lines_hear(net_transport *n, net_line *l); /* its monitor has something */
void line_end(net_transport *n, net_line *l);   /* its connection; another */
/* Makes those whose time has come; returns when the next one's is. */
uint64_t lines_renew(net_transport *n, uint64_t now);
void lines_free(net_transport *n, int linger);

/* peers.c */
void peers_hear(net_transport *n);
/* Once all messages of before are read: who left without one is told. */
void peers_judge(net_transport *n);
/* The connection of the peer whose routing id is `id`; `first` is its message's
 * first frame. NO_CONNECTION: drop it. */
int peers_find(net_transport *n, zmq_msg_t *id, zmq_msg_t *first);
void peers_close(net_transport *n, int connection); /* we want it to end */
void peers_gone(net_transport *n, int connection);

/* message.c */
bool message_send(dist_transport *t, int connection, const wire_frame *frames,
                  int count, dist_blob *payload);
bool message_receive(net_transport *n, net_socket *s, int connection,
                     transport_event *out);
void message_done(net_transport *n);
bool message_places(dist_transport *t, int connection, const uint8_t *bytes,
                    size_t size);
/* Names our pool to the other end, which is on this machine. */
void message_offer(net_transport *n, int connection);

/* net.c */
int net_number(net_transport *n); /* a free connection's */
void net_connection_end(net_connection *c);
void net_event(net_transport *n, transport_kind kind, int connection,
               const net_line *l);
void net_log(net_transport *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
