/*
 * allocations.h - counts what a test's process asks of the allocator.
 *
 * By standing in for malloc and its family, and for mmap and munmap, of the
 * whole process: every thread, the C library's own calls included. For one file
 * of a test; sanitizers have allocators of their own.
 */
#ifndef PTL_TEST_COUNTED_ALLOCATIONS_H
#define PTL_TEST_COUNTED_ALLOCATIONS_H

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *old);

static atomic_int allocations_counted;

void *malloc(size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    *out = __libc_memalign(align, size);
    return *out ? 0 : 12;
}

void free(void *old)
{
    if (old)
        atomic_fetch_add(&allocations_counted, 1);
    __libc_free(old);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    atomic_fetch_add(&allocations_counted, 1);
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int munmap(void *at, size_t size)
{
    atomic_fetch_add(&allocations_counted, 1);
    return (int)syscall(SYS_munmap, at, size);
}

static int allocation_calls(void)
{
    return atomic_load(&allocations_counted);
}

#endif
