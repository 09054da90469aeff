/*
 * count_allocations.c - preloaded into ptlc: how often malloc's family, mmap
 * and munmap are called between step lines of the log.
 *
 * At the end of the process one line goes to the file PTL_TEST_ALLOCATIONS
 * names: "LINES BEFORE AFTER", the step lines seen, the calls up to the third
 * of them, and the calls between that and the last. The run must not evaluate
 * or save in between: those may allocate.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *old);

static atomic_int calls;
static int lines, at_third, at_last;

#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_calloc(count, size);
}

PUBLIC void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_realloc(old, size);
}

PUBLIC void *aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_memalign(align, size);
}

PUBLIC int posix_memalign(void **out, size_t align, size_t size)
{
    atomic_fetch_add(&calls, 1);
    *out = __libc_memalign(align, size);
    return *out ? 0 : 12;
}

PUBLIC void free(void *old)
{
    if (old)
        atomic_fetch_add(&calls, 1);
    __libc_free(old);
}

PUBLIC void *mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset)
{
    atomic_fetch_add(&calls, 1);
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

PUBLIC int munmap(void *at, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return (int)syscall(SYS_munmap, at, size);
}

/* The log's lines go through fwrite to standard output. */
PUBLIC size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    static const char step[] = "{\"event\":\"step\"";
    size_t length = size * count;
    if (file == stdout && length >= sizeof step &&
        memcmp(bytes, step, sizeof step - 1) == 0) {
        at_last = atomic_load(&calls);
        if (++lines == 3)
            at_third = at_last;
    }
    return fwrite_unlocked(bytes, size, count, file);
}

static __attribute__((destructor)) void report(void)
{
    const char *path = getenv("PTL_TEST_ALLOCATIONS");
    int before = at_third, after = at_last - at_third, seen = lines;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "%d %d %d\n", seen, before, after);
    fclose(file);
}
