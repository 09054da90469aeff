/*
 * endpoint.c - see endpoint.h. What is said of endpoints without opening any.
 */
#include "net/endpoint.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static ptl_status no_endpoint(ptl_error *err, const char *text, const char *why)
{
    return ptl_fail(err, PTL_E_IO, "\"%s\" is no endpoint: %s", text, why);
}

/* "*", or 0 to 65535 in digits. */
static bool read_port(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");
    *port = 0;
    if (strcmp(text, "*") == 0)
        return true;
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    *port = atoi(text);
    return *port <= 65535;
}

/* The host of "HOST:PORT" or "[HOST]:PORT", without brackets. */
static bool read_host(const char *text, size_t size, net_endpoint *out)
{
    bool bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';
    if (bracketed) {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof out->host ||
        (!bracketed && memchr(text, ':', size)) || memchr(text, '/', size))
        return false;
    memcpy(out->host, text, size);
    out->host[size] = '\0';
    return true;
}

static ptl_status read_tcp(const char *text, const char *rest,
                           net_endpoint *out, ptl_error *err)
{
    const char *colon = strrchr(rest, ':');
    if (!colon || !read_host(rest, (size_t)(colon - rest), out))
        return no_endpoint(err, text, "tcp://HOST:PORT is one");
    if (!read_port(colon + 1, &out->port))
        return no_endpoint(err, text, "a port lies between 0 and 65535");
    return PTL_OK;
}

static ptl_status read_ipc(const char *text, const char *path,
                           net_endpoint *out, ptl_error *err)
{
    out->ipc = true;
    if (!*path)
        return no_endpoint(err, text, "ipc://PATH is one");
    if (strlen(path) >= sizeof out->path)
        return ptl_fail(err, PTL_E_IO,
                        "the path of \"%s\" has %zu bytes, and a socket's has "
                        "%zu at most",
                        text, strlen(path), sizeof out->path - 1);
    strcpy(out->path, path);
    return PTL_OK;
}

ptl_status net_endpoint_read(const char *text, net_endpoint *out,
                             ptl_error *err)
{
    *out = (net_endpoint){0};
    if (strncmp(text, "tcp://", 6) == 0)
        return read_tcp(text, text + 6, out, err);
    if (strncmp(text, "ipc://", 6) == 0)
        return read_ipc(text, text + 6, out, err);
    return no_endpoint(err, text, "it begins with neither tcp:// nor ipc://");
}

static bool is_localhost(const net_endpoint *e)
{
    return strcmp(e->host, "localhost") == 0;
}

const char *net_endpoint_address(const net_endpoint *e)
{
    return is_localhost(e) ? "127.0.0.1" : e->host;
}

bool net_endpoint_is_local(const net_endpoint *e)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (e->ipc || is_localhost(e))
        return true;
    if (inet_pton(AF_INET, e->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, e->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

ptl_status net_security(ptl_security mode, const char *endpoint, bool insecure,
                        bool *curve, ptl_error *err)
{
    net_endpoint e;
    ptl_status st = net_endpoint_read(endpoint, &e, err);
    if (st != PTL_OK)
        return st;
    bool local = net_endpoint_is_local(&e);
    *curve =
        mode == PTL_SECURITY_CURVE || (mode == PTL_SECURITY_AUTO && !local);
    if (*curve || local || insecure)
        return PTL_OK;
    return ptl_fail(err, PTL_E_USAGE,
                    "\"%s\" is reached over a network, and `security = none` "
                    "sends everything in the clear: --insecure allows it",
                    endpoint);
}
