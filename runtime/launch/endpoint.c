/*
 * endpoint.c - see endpoint.h.
 */
#include "launch/endpoint.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool port_is_good(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    if (!strcmp(port, "*"))
        return true;
    return digits > 0 && digits < 6 && !port[digits] && atol(port) >= 1 &&
           atol(port) <= 65535;
}

bool endpoint_read(ptl_arena *arena, const char *text, endpoint *out)
{
    *out = (endpoint){0};
    if (!strncmp(text, "ipc://", 6))
        return text[6] != '\0';
    if (strncmp(text, "tcp://", 6) != 0)
        return false;
    const char *host = text + 6, *colon = strrchr(host, ':');
    if (!colon || colon == host || !port_is_good(colon + 1))
        return false;
    size_t length = (size_t)(colon - host);
    if (*host == '[') {
        if (length < 3 || host[length - 1] != ']')
            return false;
        host++;
        length -= 2;
    }
    out->host = arena_strndup(arena, host, length);
    out->port = arena_strdup(arena, colon + 1);
    return !strpbrk(out->host, "[]/ ");
}

bool host_is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

bool host_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return !strcmp(host, "localhost");
}

const char *host_text(ptl_arena *arena, const char *host)
{
    return strchr(host, ':') ? arena_printf(arena, "[%s]", host)
                             : arena_strdup(arena, host);
}
