/*
 * pool.c - see pool.h.
 *
 * Free stretches are kept in the order of their places, and the first that is
 * large enough is taken: what steps take again and again are the same pages.
 */
#include "pool.h"
#include "base/status.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    UNIT = 64,            /* blobs begin on one and take whole ones */
    LEAST_BYTES = 4 << 10 /* smaller ones are copied on their way anyway */
};

typedef struct stretch {
    size_t at, size;
} stretch;

struct net_pool {
    uint8_t *base;
    size_t capacity;
    int fd;
    pthread_mutex_t lock;
    stretch *free; /* ascending, no two touch */
    int count, room;
    int blobs;   /* that are not dropped */
    bool closed; /* it goes with the last of them */
};

static const int seals = F_SEAL_SHRINK | F_SEAL_GROW;

/* ---------- stretches ---------- */

static void insert(net_pool *p, int at, stretch s)
{
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        p->free = realloc(p->free, (size_t)p->room * sizeof *p->free);
        PTL_ASSERT(p->free);
    }
    memmove(&p->free[at + 1], &p->free[at],
            (size_t)(p->count - at) * sizeof *p->free);
    p->free[at] = s;
    p->count++;
}

static void take_out(net_pool *p, int at)
{
    p->count--;
    memmove(&p->free[at], &p->free[at + 1],
            (size_t)(p->count - at) * sizeof *p->free);
}

/* Its place; the capacity: there is none. */
static size_t take(net_pool *p, size_t size)
{
    for (int i = 0; i < p->count; i++) {
        stretch *s = &p->free[i];
        if (s->size < size)
            continue;
        size_t at = s->at;
        s->at += size;
        s->size -= size;
        if (s->size == 0)
            take_out(p, i);
        return at;
    }
    return p->capacity;
}

static void give_back(net_pool *p, stretch s)
{
    int i = 0;
    while (i < p->count && p->free[i].at < s.at)
        i++;
    if (i < p->count && s.at + s.size == p->free[i].at) {
        s.size += p->free[i].size;
        take_out(p, i);
    }
    if (i > 0 && p->free[i - 1].at + p->free[i - 1].size == s.at)
        p->free[i - 1].size += s.size;
    else
        insert(p, i, s);
}

/* ---------- blobs ---------- */

static size_t whole_units(size_t size)
{
    return (size + UNIT - 1) / UNIT * UNIT;
}

static void destroy(net_pool *p)
{
    munmap(p->base, p->capacity);
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p->free);
    free(p);
}

static void release(void *ctx, uint8_t *bytes, size_t size)
{
    net_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    give_back(p, (stretch){(size_t)(bytes - p->base), whole_units(size)});
    bool last = --p->blobs == 0 && p->closed;
    pthread_mutex_unlock(&p->lock);
    if (last)
        destroy(p);
}

dist_blob *pool_blob(net_pool *p, size_t size)
{
    if (!p || size <= LEAST_BYTES || size > p->capacity)
        return NULL;
    pthread_mutex_lock(&p->lock);
    size_t at = take(p, whole_units(size));
    p->blobs += at < p->capacity;
    pthread_mutex_unlock(&p->lock);
    return at < p->capacity ? blob_around(p->base + at, size, release, p) : NULL;
}

bool pool_has(const net_pool *p, const uint8_t *bytes, size_t size,
              uint64_t *offset)
{
    if (!p || bytes < p->base || size > p->capacity ||
        bytes > p->base + p->capacity - size)
        return false;
    *offset = (uint64_t)(bytes - p->base);
    return true;
}

/* ---------- life ---------- */

net_pool *pool_new(size_t capacity)
{
    uint8_t cookie[POOL_COOKIE];
    int fd = memfd_create("ptl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    capacity = whole_units(capacity) + UNIT;
    if (fd < 0 || ftruncate(fd, (off_t)capacity) != 0 ||
        fcntl(fd, F_ADD_SEALS, seals) != 0 ||
        getrandom(cookie, sizeof cookie, 0) != sizeof cookie) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    void *base = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
    net_pool *p = calloc(1, sizeof *p);
    if (base == MAP_FAILED || !p) {
        if (base != MAP_FAILED)
            munmap(base, capacity);
        free(p);
        close(fd);
        return NULL;
    }
    *p = (net_pool){.base = base, .capacity = capacity, .fd = fd};
    pthread_mutex_init(&p->lock, NULL);
    memcpy(p->base, cookie, sizeof cookie);
    insert(p, 0, (stretch){UNIT, capacity - UNIT});
    return p;
}

void pool_free(net_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    bool last = p->blobs == 0;
    pthread_mutex_unlock(&p->lock);
    if (last)
        destroy(p);
}

/* ---------- in other processes ---------- */

void pool_name_of(const net_pool *p, pool_name *out)
{
    *out = (pool_name){.pid = (uint32_t)getpid(),
                       .fd = (uint32_t)p->fd,
                       .capacity = p->capacity};
    memcpy(out->cookie, p->base, sizeof out->cookie);
}

/* Nothing but a memory file that keeps its size: a peer may name anything. */
static bool is_pool(int fd, uint64_t capacity)
{
    struct stat s;
    int has = fcntl(fd, F_GET_SEALS);
    return has >= 0 && (has & seals) == seals && fstat(fd, &s) == 0 &&
           S_ISREG(s.st_mode) && capacity >= POOL_COOKIE &&
           (uint64_t)s.st_size == capacity;
}

static void unmap(void *ctx, uint8_t *bytes, size_t size)
{
    (void)ctx;
    munmap(bytes, size);
}

dist_blob *pool_map(const pool_name *name)
{
    char path[64];
    void *at = MAP_FAILED;
    snprintf(path, sizeof path, "/proc/%u/fd/%u", (unsigned)name->pid,
             (unsigned)name->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    if (is_pool(fd, name->capacity))
        at = mmap(NULL, name->capacity, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return NULL;
    if (memcmp(at, name->cookie, POOL_COOKIE) == 0)
        return blob_around(at, name->capacity, unmap, NULL);
    munmap(at, name->capacity);
    return NULL;
}
