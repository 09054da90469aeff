/*
 * listen.c - sockets that listen. ZeroMQ is given them, so that what is wrong
 * is known at once and in words, and so that a launcher can pass them on.
 */
#include "net/endpoint.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static ptl_status could_not(ptl_error *err, const char *endpoint,
                            const char *why)
{
    return ptl_fail(err, PTL_E_IO, "could not listen at \"%s\": %s", endpoint,
                    why);
}

/* ---------- tcp ---------- */

static bool try_address(const struct addrinfo *a, int *fd)
{
    int on = 1;
    *fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return false;
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(*fd, a->ai_addr, a->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0)
        return true;
    int why = errno;
    close(*fd);
    errno = why;
    return false;
}

/* IPv4 first: who connects to a name looks for that (sockets.c). */
static bool try_family(const struct addrinfo *all, int family, int *fd)
{
    bool found = false;
    for (const struct addrinfo *a = all; a && !found; a = a->ai_next)
        found = a->ai_family == family && try_address(a, fd);
    return found;
}

static ptl_status listen_tcp(const net_endpoint *e, const char *endpoint,
                             int *fd, ptl_error *err)
{
    char port[8];
    bool any = strcmp(e->host, "*") == 0;
    struct addrinfo *all, hints = {.ai_family = any ? AF_INET : AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%d", e->port);
    int wrong = getaddrinfo(any ? NULL : net_endpoint_address(e), port, &hints,
                            &all);
    if (wrong)
        return could_not(err, endpoint, gai_strerror(wrong));
    bool found = try_family(all, AF_INET, fd) || try_family(all, AF_INET6, fd);
    int why = errno;
    freeaddrinfo(all);
    return found ? PTL_OK : could_not(err, endpoint, strerror(why));
}

/* ---------- ipc ---------- */

/* A path that nobody listens at any more was left by who died. */
static bool is_answered(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 ||
                    errno == EAGAIN;
    if (fd >= 0)
        close(fd);
    return answered;
}

static ptl_status listen_ipc(const net_endpoint *e, const char *endpoint,
                             int *fd, ptl_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", e->path);
    if (is_answered(&at))
        return could_not(err, endpoint, strerror(EADDRINUSE));
    unlink(e->path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd >= 0 && bind(*fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        listen(*fd, BACKLOG) == 0)
        return PTL_OK;
    int why = errno;
    if (*fd >= 0)
        close(*fd);
    return could_not(err, endpoint, strerror(why));
}

ptl_status net_listen(const char *endpoint, int *fd, ptl_error *err)
{
    net_endpoint e;
    ptl_status st = net_endpoint_read(endpoint, &e, err);
    if (st != PTL_OK)
        return st;
    return e.ipc ? listen_ipc(&e, endpoint, fd, err)
                 : listen_tcp(&e, endpoint, fd, err);
}

/* ---------- where ---------- */

ptl_status net_listening_at(int fd, char text[NET_ENDPOINT_BYTES],
                            ptl_error *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } at = {0};
    socklen_t size = sizeof at, one = sizeof(int);
    char host[INET6_ADDRSTRLEN];
    int listens = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) != 0 ||
        !listens || getsockname(fd, &at.any, &size) != 0)
        return ptl_fail(err, PTL_E_IO, "descriptor %d does not listen", fd);
    if (at.any.sa_family == AF_UNIX)
        snprintf(text, NET_ENDPOINT_BYTES, "ipc://%.107s", at.un.sun_path);
    else if (at.any.sa_family == AF_INET6)
        snprintf(text, NET_ENDPOINT_BYTES, "tcp://[%s]:%d",
                 inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof host),
                 ntohs(at.v6.sin6_port));
    else
        snprintf(text, NET_ENDPOINT_BYTES, "tcp://%s:%d",
                 inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof host),
                 ntohs(at.v4.sin_port));
    return PTL_OK;
}
