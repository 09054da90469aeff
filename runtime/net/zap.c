/*
 * zap.c - see zap.h. A request is version, id, domain, address, routing id,
 * mechanism, credentials; a reply version, id, status, text, user, metadata.
 */
#include "zap.h"
#include "base/thread.h"
#include "dist/wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { PARTS = 7, ID_BYTES = 255 };
enum { VERSION, ID, DOMAIN, ADDRESS, ROUTING, MECHANISM, CREDENTIALS };

struct net_zap {
    void *socket;
    pthread_t thread;
    key_allowed *list;
    int count;
};

typedef struct part {
    uint8_t bytes[ID_BYTES];
    size_t size; /* more than there is room for: it was cut */
} part;

/* Number of parts; -1: there will be none any more. */
static int receive(void *socket, part parts[PARTS])
{
    int count = 0;
    for (int more = 1; more; count++) {
        part extra, *to = count < PARTS ? &parts[count] : &extra;
        size_t size = sizeof more;
        int got = zmq_recv(socket, to->bytes, ID_BYTES, 0);
        if (got < 0 && errno == EINTR)
            got = zmq_recv(socket, to->bytes, ID_BYTES, 0);
        if (got < 0)
            return -1;
        to->size = (size_t)got;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    }
    return count;
}

static bool is_text(const part *p, const char *text)
{
    return p->size == strlen(text) && memcmp(p->bytes, text, p->size) == 0;
}

static uint32_t who_has(const net_zap *z, const part parts[PARTS])
{
    const part *key = &parts[CREDENTIALS];
    if (!is_text(&parts[MECHANISM], "CURVE") || key->size != KEY_BYTES)
        return 0;
    for (int i = 0; i < z->count; i++)
        if (memcmp(z->list[i].key, key->bytes, KEY_BYTES) == 0)
            return z->list[i].node;
    return 0;
}

static void reply(void *socket, const part *id, uint32_t node)
{
    char user[32] = "";
    if (node)
        snprintf(user, sizeof user, "%d/%d", wire_role(node), wire_index(node));
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, id->bytes, id->size, ZMQ_SNDMORE);
    zmq_send(socket, node ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(socket, node ? "OK" : "no", 2, ZMQ_SNDMORE);
    zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
}

static void *answer(void *arg)
{
    net_zap *z = arg;
    part parts[PARTS];
    for (int count; (count = receive(z->socket, parts)) >= 0;) {
        bool good = count == PARTS && is_text(&parts[VERSION], "1.0") &&
                    parts[ID].size <= ID_BYTES;
        if (count <= ID)
            parts[ID].size = 0;
        reply(z->socket, &parts[ID], good ? who_has(z, parts) : 0);
    }
    zmq_close(z->socket);
    return NULL;
}

ptl_status zap_start(void *context, key_allowed *list, int count, net_zap **out,
                     ptl_error *err)
{
    net_zap *z = calloc(1, sizeof *z);
    PTL_ASSERT(z);
    *z = (net_zap){.list = list, .count = count};
    z->socket = zmq_socket(context, ZMQ_REP);
    int wrong = 0;
    if (!z->socket || zmq_bind(z->socket, "inproc://zeromq.zap.01") != 0)
        wrong = zmq_errno();
    else /* the thread is begun after the socket was made: a full fence */
        wrong = thread_start(&z->thread, answer, z);
    if (wrong) {
        if (z->socket)
            zmq_close(z->socket);
        free(z->list);
        free(z);
        return ptl_fail(err, PTL_E_IO, "could not check keys: %s",
                        zmq_strerror(wrong));
    }
    *out = z;
    return PTL_OK;
}

void zap_end(net_zap *z)
{
    if (!z)
        return;
    pthread_join(z->thread, NULL);
    free(z->list);
    free(z);
}

uint32_t zap_node(const char *user)
{
    int role, index;
    char rest;
    if (!user || sscanf(user, "%d/%d%c", &role, &index, &rest) != 2)
        return 0;
    return wire_node(role, index);
}
