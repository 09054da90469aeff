/*
 * memory.c - blocks from the system for arenas, parameters and batches.
 *
 * A first touch of a 4 KiB page costs microseconds on a virtual machine; a
 * block that may be backed by huge pages is touched 512 times less often, if
 * it begins on a huge page. mmap() gives no such start, so the block is taken
 * one huge page longer and the ends are given back.
 */
#include "runtime/run.h"
#include <stdatomic.h>
#include <sys/mman.h>

static const size_t huge_page = (size_t)2 << 20;
static const size_t page = 4096;

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

size_t memory_padded(size_t size_bytes)
{
    return round_up(size_bytes ? size_bytes : 1, PTL_BUFFER_ALIGN);
}

static void *map_bytes(size_t size)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

static void *map_huge(size_t size)
{
    char *block = map_bytes(size + huge_page);
    if (!block)
        return NULL;
    size_t before = round_up((size_t)block, huge_page) - (size_t)block;
    if (before)
        munmap(block, before);
    if (huge_page - before)
        munmap(block + before + size, huge_page - before);
    madvise(block + before, size, MADV_HUGEPAGE);
    return block + before;
}

static size_t mapped_size(size_t size)
{
    return round_up(size ? size : 1, page);
}

static _Atomic size_t in_use, most_in_use;

static void count_block(size_t size)
{
    size_t now = atomic_fetch_add(&in_use, size) + size;
    size_t most = atomic_load(&most_in_use);
    while (now > most &&
           !atomic_compare_exchange_weak(&most_in_use, &most, now))
        ;
}

size_t memory_in_use(void)
{
    return atomic_load(&in_use);
}

size_t memory_peak(void)
{
    return atomic_load(&most_in_use);
}

void memory_peak_begin(void)
{
    atomic_store(&most_in_use, atomic_load(&in_use));
}

void *memory_map(size_t size_bytes)
{
    if (size_bytes > (size_t)INT64_MAX - 2 * huge_page)
        return NULL;
    size_t size = mapped_size(size_bytes);
    void *block = size_bytes < huge_page ? map_bytes(size) : map_huge(size);
    if (block)
        count_block(memory_padded(size_bytes));
    return block;
}

void memory_unmap(void *memory, size_t size_bytes)
{
    if (!memory)
        return;
    munmap(memory, mapped_size(size_bytes));
    atomic_fetch_sub(&in_use, memory_padded(size_bytes));
}
